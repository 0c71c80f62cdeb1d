"""Writes the tables of the bindings anew from skald.h: what stands behind the line "---- skald.h" in pyskald/_abi.py and
skald-sys/src/lib.rs. Who adds a field or a function to the header runs it, and then wraps the function or lists it in
bindings/not_wrapped.txt. usage: tables.py"""
import os
import re
import shutil
import subprocess
import textwrap

import header
from check_rust import named, rust_type

PYTHON = os.path.join(header.ROOT, "bindings", "python", "pyskald", "_abi.py")
RUST = os.path.join(header.ROOT, "bindings", "rust", "skald-sys", "src", "lib.rs")
CTYPES = {"uint32_t": "U32", "int32_t": "I32", "uint64_t": "U64", "int64_t": "I64", "size_t": "Size", "float": "F32",
          "uint8_t": "U8", "char": "c.c_char", "const char *": "Text", "void": "None"}
RUST_SCALARS = {"uint32_t": "u32", "int32_t": "i32", "uint64_t": "u64"}


def camel(name):
    """skald_kv_cache_options is KvCacheOptions, skald_text_fn is TextFn."""
    return "".join(part.capitalize() for part in name.split("_")[1:])


def python_type(kind, place=""):
    kind = header.scalars().get(kind, kind)
    if kind == "function *":
        return camel(place + "_fn")
    return CTYPES.get(kind) or (camel(kind) if kind.endswith("_fn") else "P")


def python_struct(name, fields):
    items = [f'("{field}", {python_type(kind, f"{name}_{field}")}{f" * {length}" if length else ""}),'
             for kind, field, length in fields]
    lines = textwrap.wrap(" ".join(i.replace(" ", "\0") for i in items), 108)
    inside = "\n".join("        " + line.replace("\0", " ") for line in lines).rstrip(",")
    return f"\n\nclass {camel(name)}(c.Structure):\n    _fields_ = [\n{inside}]"


def python_function(name, result, arguments):
    kinds = ", ".join(python_type(kind) for kind, _, _ in arguments)
    line = f'    "{name}": ({"P" if result.endswith("*") and "char" not in result else python_type(result)}, [{kinds}]),'
    return line if len(line) <= 118 else line.replace("(", "(\n        ", 1)


def python_tables():
    yield from (f"{camel(name)} = c.CFUNCTYPE(" + ", ".join(
        [python_type(result), *(python_type(k).replace("Text", "P") for k, _, _ in arguments)]) + ")"
        for name, (result, arguments) in header.callbacks().items())
    yield from (python_struct(name, fields) for name, fields in header.structs().items())
    names = ", ".join(camel(name) for name in header.structs())
    yield "\n\nSTRUCTS = (\n" + textwrap.indent(textwrap.fill(names, 108), "    ") + ")\n\nFUNCTIONS = {"
    yield from (python_function(name, *types) for name, types in header.functions().items())
    yield "}\n"


def rust_tables():
    yield from (f"pub type {name} = {RUST_SCALARS[kind]};" for name, kind in header.scalars().items())
    handles = sorted(set(re.findall(r"typedef struct (\w+) \1;", header.text())))
    yield "\nopaque!(" + ", ".join(handles) + ");\n"
    for name, (result, arguments) in header.callbacks().items():
        inside = ", ".join(f"{named(argument)}: {rust_type(kind)}" for kind, argument, _ in arguments)
        yield f"pub type {name} = unsafe extern \"C\" fn({inside})" + ("" if result == "void" else f" -> {rust_type(result)}") + ";"
    for name, fields in header.structs().items():
        yield f"\nlayout! {{ {name} {{"
        for kind, field, length in fields:
            own = rust_type(kind, f"{name}_{field}")
            yield f"    {named(field)}: " + (f"[{own}; {length}]," if length else f"{own},")
        yield "} }"
    yield '\nextern "C" {'
    for name, (result, arguments) in header.functions().items():
        inside = ", ".join(f"{named(argument)}: {rust_type(kind)}" for kind, argument, _ in arguments)
        yield f"    pub fn {name}({inside})" + ("" if result == "void" else f" -> {rust_type(result)}") + ";"
    yield "}\n"
    for name, value in header.constants().items():
        kind = "skald_status" if name in header.statuses() else "u32"
        yield f"pub const {name}: {kind} = {value};"
    yield "\n/// Every struct above, for the test of layouts.\n#[doc(hidden)]"
    yield "pub fn layouts(say: &mut dyn FnMut(&str, Option<&str>, usize)) {"
    yield from (f"    {name}::layout(say);" for name in header.structs())
    yield "}"


def rewrite(path, tables, begin, end):
    """Replaces what stands between the two lines."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    head, rest = text.split(begin + "\n", 1)
    tail = rest.split(end, 1)[1] if end else ""
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + begin + "\n" + "\n".join(tables) + "\n" + end + tail)


def main():
    rewrite(PYTHON, python_tables(), "# ---- skald.h", "# ---- end of the tables")
    rewrite(RUST, rust_tables(), "// ---- skald.h", "")
    if shutil.which("rustfmt"):
        subprocess.run(["rustfmt", "--edition", "2021", "--config-path", os.path.dirname(os.path.dirname(os.path.dirname(RUST))), RUST], check=True)


if __name__ == "__main__":
    main()
