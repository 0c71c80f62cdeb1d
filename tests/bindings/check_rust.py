"""skald-sys declares every function, struct and constant of skald.h with C's types, and the safe crate calls every function; with
a cargo, the tests and examples of both run too, offline, and clippy and rustfmt where they are.
usage: check_rust.py LIBSKALD.so TARGET-FOLDER"""
import os
import re
import shutil
import subprocess
import sys

import header

CRATES = os.path.join(header.ROOT, "bindings", "rust")
AGAIN = "python3 tests/bindings/tables.py writes them anew"
SOURCE = os.path.join(CRATES, "skald-sys", "src", "lib.rs")
SAFE = os.path.join(CRATES, "skald", "src")
NOT_WRAPPED = os.path.join(CRATES, "not_wrapped.txt")
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


def called():
    """Functions that the safe crate calls; in a comment they do not count."""
    source = ""
    for name in sorted(os.listdir(SAFE)):
        with open(os.path.join(SAFE, name), encoding="utf-8") as file:
            source += re.sub(r"//.*", "", file.read())
    return set(re.findall(r"\bsys::(skald_\w+)\(", source))


def not_wrapped():
    """Functions that the safe crate does not call, a line NAME REASON for each; no file: none."""
    if not os.path.exists(NOT_WRAPPED):
        return set()
    with open(NOT_WRAPPED, encoding="utf-8") as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {name for name, *reason in lines if reason}


def forgotten():
    """What the safe crate calls and what not_wrapped.txt lists are together all of skald.h."""
    used, left, all_of_them = called(), not_wrapped(), set(header.functions())
    for name in sorted(all_of_them - used - left):
        yield f"{name}: the crate skald never calls it; wrap it, or list it in {NOT_WRAPPED} with a reason"
    for name in sorted(left & used):
        yield f"{NOT_WRAPPED}: {name} is wrapped"
    for name in sorted(left - all_of_them):
        yield f"{NOT_WRAPPED}: {name} is not in skald.h"


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
    wrong = [*missing(), *forgotten()]
    print("\n".join(wrong))
    print(f"{len(header.functions())} functions, {len(header.structs())} structs, {len(wrong)} faults", flush=True)
    return 1 if wrong or not cargo(library, target) else 0


if __name__ == "__main__":
    sys.exit(main())
