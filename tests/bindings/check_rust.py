"""skald-sys declares every function, struct and constant of skald.h with C's types; with a cargo, its own tests and those of
the safe crate run too, offline, and clippy and rustfmt where they are. usage: check_rust.py LIBSKALD.so TARGET-FOLDER"""
import os
import re
import shutil
import subprocess
import sys

import header

CRATES = os.path.join(header.ROOT, "bindings", "rust")
AGAIN = "python3 tests/bindings/tables.py writes them anew"
SOURCE = os.path.join(CRATES, "skald-sys", "src", "lib.rs")
SCALARS = {"uint32_t": "u32", "int32_t": "i32", "uint64_t": "u64", "int64_t": "i64", "size_t": "usize", "float": "f32",
           "uint8_t": "u8", "char": "c_char", "void": "c_void"}


def rust_type(kind, place=""):
    """const char * is *const c_char; a function pointer of a struct has a type named after its place."""
    if kind == "function *":
        return f"Option<{place}_fn>"
    if kind.endswith("_fn"):
        return f"Option<{kind}>"
    if kind.endswith("*const *"):
        return "*const " + rust_type(kind[: -len("const *")])
    found = re.fullmatch(r"(const )?(\w+) ?(\**)", kind)
    made = SCALARS.get(found[2], found[2])
    for depth in range(len(found[3])):
        made = ("*const " if found[1] and depth == 0 else "*mut ") + made
    return made


def named(name):
    return name + "_" if name == "type" else name


def signature(name, result, arguments):
    inside = ",".join(f"{named(argument)}:{rust_type(kind)}" for kind, argument, _ in arguments)
    return f"pubfn{name}({inside})" + ("" if result == "void" else f"->{rust_type(result)}")


def body(name, fields):
    inside = "".join(
        f"{named(field)}:" + (f"[{rust_type(kind)};{length}]," if length else f"{rust_type(kind, f'{name}_{field}')},")
        for kind, field, length in fields)
    return f"{name}{{{inside}}}"


def bare(text):
    """Without spaces, and without the comma that rustfmt puts behind a last argument."""
    return re.sub(r",(?=\))", "", re.sub(r"\s+", "", text))


def missing():
    with open(SOURCE, encoding="utf-8") as file:
        text = file.read()
    have = bare(text)
    for name, (result, arguments) in header.functions().items():
        want = bare(signature(name, result, arguments))
        if want + ";" not in have:
            yield f"{SOURCE}: {want.replace('pubfn', 'pub fn ')}; is missing or differs: {AGAIN}"
    for name in set(re.findall(r"pub fn (skald_\w+)", text)) - set(header.functions()):
        yield f"{SOURCE}: {name} is not in skald.h"
    for name, fields in header.structs().items():
        if bare(body(name, fields)) not in have or f"{name}::layout(say);" not in text:
            yield f"{SOURCE}: struct {body(name, fields)} is missing or differs: {AGAIN}"
    for name, value in header.constants().items():
        if not re.search(rf"pub const {name}: \w+ = {value};", text):
            yield f"{SOURCE}: const {name} = {value} is missing: {AGAIN}"


def has(part):
    """Whether cargo has this part of it, with a sentence when it has not."""
    there = subprocess.run(["cargo", part, "--version"], capture_output=True, check=False).returncode == 0
    if not there:
        print(f"cargo {part} is missing: not run")
    return there


def cargo(library, target):
    """True when every test passes, clippy has nothing to say and rustfmt nothing to move; or there is no cargo."""
    if not shutil.which("cargo"):
        print("cargo is missing: the crates' own tests were not run")
        return True
    place = os.path.dirname(os.path.abspath(library))
    paths = {**os.environ, "SKALD_LIB_DIR": place, "LD_LIBRARY_PATH": place}
    commands = [["test", "--offline", "--quiet", "--target-dir", target]]
    if has("fmt"):
        commands.append(["fmt", "--check"])
    if has("clippy"):
        commands.append(["clippy", "--offline", "--quiet", "--all-targets", "--target-dir", target, "--", "-D", "warnings"])
    return all(subprocess.run(["cargo", *command], cwd=CRATES, env=paths, timeout=280, check=False).returncode == 0
               for command in commands)


def main():
    library, target = sys.argv[1:]
    wrong = list(missing())
    print("\n".join(wrong))
    print(f"{len(header.functions())} functions, {len(header.structs())} structs, {len(wrong)} faults", flush=True)
    return 1 if wrong or not cargo(library, target) else 0


if __name__ == "__main__":
    sys.exit(main())
