"""What include/skald/skald.h declares, as tables: structs with their fields, functions with their types."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = os.path.join(ROOT, "include", "skald", "skald.h")


def text(path=PATH):
    with open(path, encoding="utf-8") as file:
        source = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
    return re.sub(r"^#.*(\\\n.*)*$", "", source, flags=re.M)


def split_type(declaration):
    """("const char *", "name", "") of a parameter or field; the last part is an array's length."""
    declaration = " ".join(declaration.split())
    pointer = re.fullmatch(r"(.+?)\(\*(\w+)\)\((.*)\)", declaration)
    if pointer:
        return "function *", pointer[2], ""
    found = re.fullmatch(r"(.*?)(\w+)(?:\[(\w+)\])?", declaration)
    return found[1].strip(), found[2], found[3] or ""


def fields(body):
    for line in body.split(";"):
        if not line.strip():
            continue
        if "(" in line:
            yield split_type(line)
            continue
        first, *more = line.split(",")
        kind, name, length = split_type(first)
        yield kind, name, length
        for other in more:
            yield kind, other.strip(), ""


def structs():
    """{struct: [(type, field, length)]}"""
    found = re.findall(r"typedef struct (\w+) \{(.*?)\} \w+;", text(), flags=re.S)
    return {name: list(fields(body)) for name, body in found}


def arguments(inside):
    depth, parts, last = 0, [], ""
    for letter in inside:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(last)
            last = ""
        else:
            last += letter
    parts.append(last)
    return [] if parts == ["void"] else [split_type(p) for p in parts]


def functions():
    """{function: (type of its result, [(type, parameter, "")])}"""
    found = re.findall(r"SKALD_API (.+?)(\w+)\((.*?)\);", text(), flags=re.S)
    return {name: (" ".join(result.split()), arguments(inside)) for result, name, inside in found}


def callbacks():
    """{typedef: (type of its result, [(type, parameter, "")])}"""
    found = re.findall(r"typedef ([^;{}]+?)\(\*(\w+)\)\((.*?)\);", text(), flags=re.S)
    return {name: (" ".join(result.split()), arguments(inside)) for result, name, inside in found}


def scalars():
    """{typedef: type} of those that are integers, e.g. skald_seq: uint32_t."""
    found = re.findall(r"typedef (u?int\d+_t) (\w+);", text() + text(os.path.join(os.path.dirname(PATH), "dtype.h")))
    return {name: kind for kind, name in found}


def constants():
    """{enumerator: value} of status, formats and every enum."""
    with open(PATH, encoding="utf-8") as file:
        source = file.read()
    with open(os.path.join(os.path.dirname(PATH), "dtype.h"), encoding="utf-8") as file:
        formats = file.read()
    values = {"SKALD_" + n: int(v) for n, v in re.findall(r"^    X\((\w+), (-?\d+),", source, flags=re.M)}
    values.update({"SKALD_" + n: int(v) for n, v in re.findall(r"^    X\((\w+), (\d+), \d+, \d+\)", formats, flags=re.M)})
    bare = re.sub(r"/\*.*?\*/", " ", source, flags=re.S)
    values.update({n: int(v) for n, v in re.findall(r"^\s+(SKALD_\w+)\s*=\s*(-?\d+),", bare, flags=re.M)})
    return values


def statuses():
    """Their names."""
    with open(PATH, encoding="utf-8") as file:
        return {"SKALD_" + name for name in re.findall(r"^    X\((\w+), -?\d+,", file.read(), flags=re.M)}


def layout_program():
    """A C program that prints "struct SIZE" and "struct.field OFFSET" lines."""
    lines = ["#include <skald/skald.h>", "#include <stddef.h>", "#include <stdio.h>", "int main(void) {"]
    for name, parts in structs().items():
        lines.append(f'    printf("{name} %zu\\n", sizeof({name}));')
        for _, field, _ in parts:
            lines.append(f'    printf("{name}.{field} %zu\\n", offsetof({name}, {field}));')
    return "\n".join([*lines, "    return 0;", "}", ""])
