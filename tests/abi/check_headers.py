"""Each public header alone, in every language that may include it; and the lists that must name the same functions.

usage: check_headers.py ROOT C_COMPILER [C++_COMPILER]
"""
import os
import re
import subprocess
import sys

STRICT = ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wundef", "-Werror"]
C_DIALECTS = ["c11", "c17"]
CXX_DIALECTS = ["c++17", "c++20"]
ENTRY = re.compile(r"^SKALD_API [^;]*?\b(skald_\w+)\(", re.MULTILINE)

problems = []


def compiles(compiler, language, dialect, root, name, *more):
    text = f"#include <skald/{name}>\n#include <skald/{name}>\nint answer;\n"
    command = [compiler, f"-std={dialect}", *STRICT, *more, "-I", os.path.join(root, "include"), "-x", language, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        problems.append(f"{name} as {dialect} {' '.join(more)}:\n{done.stderr.strip()}")


def functions(root, names):
    found = set()
    for name in names:
        with open(os.path.join(root, "include", "skald", name), encoding="utf-8") as text:
            found |= set(ENTRY.findall(text.read()))
    return found


def compare(what, names, other, others):
    for name in sorted(names - others):
        problems.append(f"{name} is in {what} and not in {other}")
    for name in sorted(others - names):
        problems.append(f"{name} is in {other} and not in {what}")


def main():
    root, c_compiler, *cxx_compiler = sys.argv[1:]
    folder = os.path.join(root, "include", "skald")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".h"))
    for name in names:
        for more in ((), ("-DSKALD_STATIC",), ("-DSKALD_PREFIX=mine_",)):
            if name == "prefix.h" and "-DSKALD_PREFIX=mine_" not in more:
                continue
            for dialect in C_DIALECTS:
                compiles(c_compiler, "c", dialect, root, name, *more)
            for dialect in CXX_DIALECTS if cxx_compiler else ():
                compiles(cxx_compiler[0], "c++", dialect, root, name, *more)
    declared = functions(root, [name for name in names if name != "prefix.h"])
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "exports.txt"), encoding="ascii") as text:
        compare("the headers", declared, "exports.txt", {line.strip() for line in text} - {""})
    with open(os.path.join(folder, "prefix.h"), encoding="utf-8") as text:
        prefixed = set(re.findall(r"^#define (skald_\w+)\s+SKALD_NAME\(\1\)$", text.read(), re.MULTILINE))
    compare("the headers", declared, "prefix.h", prefixed)
    for text in problems:
        print(text, file=sys.stderr)
    print(f"{len(names)} headers, {len(declared)} functions, C{' and C++' if cxx_compiler else ' only'}, "
          f"{len(problems)} problems")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
