"""What a library brings into its host's process: imports, exports, instructions, data, size. Promises P1 and P8.

usage: check_library.py LIBSKALD.so LIBSKALD.a
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DATA_BYTES = 64
STRIPPED_BYTES = 2 << 20
NEEDED = re.compile(r"(libc|libm|libpthread|libdl|ld-linux[-a-z0-9_]*)\.so(\.\d+)?$|libc\.musl-.*|ld-musl.*")
TRAPS = {"ud0", "ud1", "ud2", "ud2a", "ud2b", "hlt", "int3", "brk", "udf"}
CONSTANT = (".data.rel.ro", ".dynamic", ".got", ".got.plt", ".init_array", ".fini_array", ".preinit_array", ".tm_clone_table")

problems = []


def problem(text):
    problems.append(text)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def listed(name):
    with open(os.path.join(HERE, name), encoding="ascii") as lines:
        return {line.split("#")[0].strip() for line in lines} - {""}


def symbols(library, *options):
    """(name, kind) of each symbol that nm tells; a version behind @ is left out."""
    for line in run("nm", "-P", *options, library).splitlines():
        parts = line.split()
        if len(parts) >= 2 and len(parts[1]) == 1:
            yield parts[0].split("@")[0], parts[1]


def check_imports(shared, static):
    allowed = listed("imports.txt")
    for name in sorted({n for n, kind in symbols(shared, "-D", "--undefined-only")} - allowed):
        problem(f"{shared} imports {name}, which imports.txt does not list")
    every = list(symbols(static))
    defined = {n for n, kind in every if kind not in "Uwv"}
    for name in sorted({n for n, kind in every if kind in "Uwv"} - defined - allowed):
        problem(f"{static} imports {name}, which imports.txt does not list")


def check_exports(shared):
    wanted = listed("exports.txt")
    there = {n for n, kind in symbols(shared, "-D", "--defined-only") if kind in "TDBRVWi"}
    for name in sorted(there - wanted):
        problem(f"{shared} exports {name}, which exports.txt does not list")
    for name in sorted(wanted - there):
        problem(f"{shared} does not export {name}")
    for name in sorted(there):
        if not name.startswith("skald_"):
            problem(f"{shared} exports {name}, a name that is not skald's")


def check_static_names(static):
    for name, kind in symbols(static):
        if kind in "TDBRVW" and not name.startswith(("sk_", "skald_")):
            problem(f"{static} defines {name}: a name that a host may have too")


def check_code(library):
    function = "?"
    for line in run("objdump", "-d", "--no-show-raw-insn", library).splitlines():
        if line.endswith(">:"):
            function = line.split("<")[1][:-2]
        words = line.split("\t")
        if len(words) > 1 and words[1].split() and words[1].split()[0] in TRAPS:
            problem(f"{library}: {words[1].split()[0]} in {function}")


def sections(library):
    """name, type, size, flags of every section of a file or of the members of an archive."""
    row = re.compile(r"\s*\[\s*\d+\]\s+(\S+)\s+(\S+)\s+[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+[0-9a-f]+\s+([A-Z]*)\s")
    for line in run("readelf", "-SW", library).splitlines():
        found = row.match(line)
        if found:
            yield found[1], found[2], int(found[3], 16), found[4]


def check_data(library, constant):
    total = 0
    for name, kind, size, flags in sections(library):
        if "W" in flags and "A" in flags and not name.startswith(constant):
            total += size
            if size > DATA_BYTES:
                problem(f"{library}: section {name} holds {size} bytes that change")
        if kind in ("INIT_ARRAY", "FINI_ARRAY", "PREINIT_ARRAY") and library.endswith(".a") and size:
            problem(f"{library}: section {name}: code that runs when the library is loaded")
    if total > DATA_BYTES:
        problem(f"{library}: {total} bytes that change, at most {DATA_BYTES} expected")
    return total


def check_loading(shared):
    for line in run("readelf", "-dW", shared).splitlines():
        found = re.search(r"\((NEEDED|TEXTREL|RPATH|RUNPATH)\)(?:.*\[(.*)\])?", line)
        if found and (found[1] != "NEEDED" or not NEEDED.match(found[2])):
            problem(f"{shared}: {found[1]} {found[2] or ''}")
    if not re.search(r"GNU_STACK.*\bRW\s", run("readelf", "-lW", shared)):
        problem(f"{shared}: the stack must not be executable")
    for name, kind, size, flags in sections(shared):
        # A shared library's own two entries are the compiler's frame_dummy and its partner.
        if kind in ("INIT_ARRAY", "FINI_ARRAY") and size > 8:
            problem(f"{shared}: {size // 8} functions in {name}")


def check_size(shared):
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "stripped.so")
        shutil.copy(shared, copy)
        run("strip", copy)
        size = os.path.getsize(copy)
    if size > STRIPPED_BYTES:
        problem(f"{shared}: {size} bytes stripped, at most {STRIPPED_BYTES} expected")
    return size


def main():
    shared, static = sys.argv[1:]
    check_imports(shared, static)
    check_exports(shared)
    check_static_names(static)
    check_code(shared)
    check_code(static)
    data = check_data(shared, CONSTANT), check_data(static, CONSTANT)
    check_loading(shared)
    size = check_size(shared)
    for text in problems:
        print(text, file=sys.stderr)
    print(f"{size} bytes stripped; data that changes: {data[0]} bytes shared, {data[1]} static; {len(problems)} problems")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
