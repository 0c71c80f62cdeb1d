"""pyskald's tables are those of skald.h: every struct to the byte, every function with its types, every status, format and
token role. Run with the library that PYSKALD_LIBRARY names. usage: check_python.py CC FOLDER"""
import ctypes as c
import os
import re
import subprocess
import sys

import header

sys.path.insert(0, os.path.join(header.ROOT, "bindings", "python"))
from pyskald import DType, Role, _abi, _status  # noqa: E402
from pyskald._chat import Kind  # noqa: E402
from pyskald._engine import Happened  # noqa: E402

HERE = "bindings/python/pyskald/_abi.py"
AGAIN = "python3 tests/bindings/tables.py writes the tables anew"
KINDS = {"uint8_t": c.c_uint8, "int32_t": c.c_int32, "uint32_t": c.c_uint32, "int64_t": c.c_int64, "uint64_t": c.c_uint64,
         "size_t": c.c_size_t, "float": c.c_float, "void": None, "char": c.c_char, "const char *": c.c_char_p}


def not_wrapped():
    with open(os.path.join(header.ROOT, "bindings", "not_wrapped.txt"), encoding="utf-8") as file:
        return {line.split()[0] for line in file if line.strip() and not line.startswith("#")}


def camel(name):
    """skald_kv_cache_options is KvCacheOptions."""
    return "".join(part.capitalize() for part in name.split("_")[1:])


def layout(compiler, folder):
    """{"struct" or "struct.field": size or offset} as C sees it."""
    source, program = os.path.join(folder, "layout.c"), os.path.join(folder, "layout")
    with open(source, "w", encoding="utf-8") as file:
        file.write(header.layout_program())
    subprocess.run([compiler, "-I", os.path.join(header.ROOT, "include"), "-o", program, source], check=True)
    lines = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return {name: int(number) for name, number in (line.split() for line in lines)}


def check_structs(sizes, complain):
    for name, fields in header.structs().items():
        own = getattr(_abi, camel(name), None)
        if own is None or own not in _abi.STRUCTS:
            complain(f"{HERE}: struct {name} is missing: {AGAIN}")
            continue
        names = [field for _, field, _ in fields]
        have = [field[0] for field in own._fields_]
        if have != names:
            complain(f"{HERE}: {camel(name)} and {name} differ in {sorted(set(have) ^ set(names)) or 'order'}: {AGAIN}")
            continue
        if c.sizeof(own) != sizes[name]:
            complain(f"{HERE}: {camel(name)} has {c.sizeof(own)} bytes, {name} has {sizes[name]}")
        for kind, field, length in fields:
            got, want = getattr(own, field).offset, sizes[f"{name}.{field}"]
            if got != want:
                complain(f"{HERE}: {camel(name)}.{field} lies at {got}, in C at {want}")
            if not length and not matches(dict(own._fields_)[field], kind):
                complain(f"{HERE}: {camel(name)}.{field} is {dict(own._fields_)[field].__name__}, in C {kind}")


def matches(own, kind):
    """Whether a type of ctypes is what C says: callbacks of their kind, other pointers as addresses or bytes."""
    kind = header.scalars().get(kind, kind)
    if kind in KINDS:
        return own is KINDS[kind]
    if kind in header.callbacks():
        return same_callback(own, *header.callbacks()[kind])
    if kind == "function *":
        return hasattr(own, "_argtypes_")
    return kind.endswith("*") and own is c.c_void_p


def same_callback(own, result, arguments):
    want = [kind for kind, _, _ in arguments]
    return (hasattr(own, "_argtypes_") and matches(own._restype_, result) and len(own._argtypes_) == len(want) and
            all(a is c.c_void_p if k.endswith("*") else matches(a, k) for a, k in zip(own._argtypes_, want)))


def check_functions(complain):
    declared = header.functions()
    for name, (result, arguments) in declared.items():
        if name not in _abi.FUNCTIONS:
            complain(f"{HERE}: {name} is missing: {AGAIN}")
            continue
        own_result, own = _abi.FUNCTIONS[name]
        kinds = [kind for kind, _, _ in arguments]
        address = own_result is c.c_void_p and result.endswith("*")
        if not (address or matches(own_result, result)) or len(own) != len(kinds):
            complain(f"{HERE}: {name} gives {own_result} of {len(own)} arguments, in C {result} of {len(kinds)}")
        for got, kind in zip(own, kinds):
            if not matches(got, kind):
                complain(f"{HERE}: {name} takes {got}, in C {kind}")
    for name in set(_abi.FUNCTIONS) - set(declared):
        complain(f"{HERE}: {name} is not in skald.h")


def check_used(complain):
    """What pyskald calls and what bindings/not_wrapped.txt lists are together all of skald.h."""
    folder = os.path.join(header.ROOT, "bindings", "python", "pyskald")
    source = ""
    for name in os.listdir(folder):
        if name.endswith(".py") and name != "_abi.py":
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                source += file.read()
    used = (set(re.findall(r"\bskald_\w+", source)) | {"skald_version"}) & set(header.functions())
    left = not_wrapped()
    for name in set(header.functions()) - used - left:
        complain(f"{name}: pyskald never calls it; wrap it, or list it in bindings/not_wrapped.txt with a reason")
    for name in left & used:
        complain(f"bindings/not_wrapped.txt: {name} is wrapped")
    for name in left - set(header.functions()):
        complain(f"bindings/not_wrapped.txt: {name} is not in skald.h")


def check_constants(complain):
    values = header.constants()
    first = {value: name for name, value in values.items() if name in status_names()}
    if set(first) - {0} != set(_status.BY_STATUS):
        complain(f"_status.py has classes for {sorted(_status.BY_STATUS)}, skald.h has {sorted(set(first) - {0})}")
    for own, prefix, left in ((DType, "SKALD_", status_names()), (Role, "SKALD_TOKEN_", ()), (Happened, "SKALD_EVENT_", ()),
                              (Kind, "SKALD_ANSWER_", ())):
        names = format_names() if own is DType else {n for n in values if n.startswith(prefix)}
        want = {name[len(prefix):]: values[name] for name in names}
        have = {member.name: int(member) for member in own}
        if want != have:
            complain(f"{own.__name__} and {prefix}* differ: {sorted(set(want.items()) ^ set(have.items()))}")


def listed(path):
    with open(path, encoding="utf-8") as file:
        return {"SKALD_" + name for name in re.findall(r"^    X\((\w+), -?\d+", file.read(), flags=re.M)}


def status_names():
    return listed(header.PATH)


def format_names():
    return listed(os.path.join(os.path.dirname(header.PATH), "dtype.h"))


def main():
    compiler, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    wrong = []
    check_structs(layout(compiler, folder), wrong.append)
    check_functions(wrong.append)
    check_used(wrong.append)
    check_constants(wrong.append)
    print("\n".join(wrong))
    print(f"{len(header.structs())} structs, {len(_abi.FUNCTIONS)} functions, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
