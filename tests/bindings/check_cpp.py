"""What skald.hpp calls and what bindings/cpp/not_wrapped.txt lists are together all of skald.h, and each of its headers can be
included alone. The programs of DOCUMENTS are built as a host builds them, and run. usage: check_cpp.py CXX FOLDER
LIBRARY MODEL"""
import glob
import os
import re
import shutil
import subprocess
import sys

import header

FOLDER = os.path.join(header.ROOT, "bindings", "cpp")
DOCUMENTS = ("bindings/cpp/README.md", "docs/tutorial.md")
LEFT = os.path.join("bindings", "cpp", "not_wrapped.txt")


def headers():
    return sorted(glob.glob(os.path.join(FOLDER, "*.hpp")))


def not_wrapped(complain):
    left = set()
    with open(os.path.join(header.ROOT, LEFT), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, *reason = line.split()
                left.add(name)
                if not reason:
                    complain(f"{LEFT}: {name} has no reason")
    return left


def check_used(complain):
    declared = set(header.functions())
    used = {name for path in headers() for name in re.findall(r"\bskald_\w+", header.text(path))} & declared
    left = not_wrapped(complain)
    for name in sorted(declared - used - left):
        complain(f"{name}: skald.hpp never calls it; wrap it, or list it in {LEFT} with a reason")
    for name in sorted(left & used):
        complain(f"{LEFT}: {name} is wrapped")
    for name in sorted(left - declared):
        complain(f"{LEFT}: {name} is not in skald.h")
    return len(used), len(declared)


def check_alone(compiler, complain):
    own = [compiler, "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", os.path.join(header.ROOT, "include")]
    for path in headers():
        done = subprocess.run([*own, "-x", "c++", "-"], input=f'#include "{path}"\n', check=False, text=True,
                              stderr=subprocess.PIPE)
        if done.returncode:
            complain(f"{os.path.basename(path)} alone: {done.stderr}")
    names = {os.path.basename(path) for path in headers()} - {"skald.hpp"}
    with open(os.path.join(FOLDER, "skald.hpp"), encoding="utf-8") as file:
        for name in sorted(names - set(re.findall(r'#include "(\w+\.hpp)"', file.read())) - {"base.hpp"}):
            complain(f"skald.hpp does not include {name}")


def check_programs(compiler, folder, library, model, complain):
    """The headers lie where an install puts them."""
    installed = os.path.join(folder, "include", "skald")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(header.ROOT, "include", "skald"), installed)
    for path in headers():
        shutil.copy(path, installed)
    programs = []
    for document in DOCUMENTS:
        with open(os.path.join(header.ROOT, document), encoding="utf-8") as file:
            programs += re.findall(r"^```cpp\n(.*?)^```", file.read(), flags=re.M | re.S)
    for number, text in enumerate(programs, 1):
        program = os.path.join(folder, f"program{number}")
        with open(program + ".cpp", "w", encoding="utf-8") as file:
            file.write(text)
        built = subprocess.run([compiler, "-std=c++17", "-Wall", "-Wextra", "-Werror", "-I", os.path.dirname(installed), "-o", program,
                                program + ".cpp", library, f"-Wl,-rpath,{os.path.dirname(library)}"], check=False)
        if built.returncode or subprocess.run([program, model], stdout=subprocess.DEVNULL, check=False, timeout=60).returncode:
            complain(f"program {number} of {', '.join(DOCUMENTS)} does not {'compile' if built.returncode else 'run'}")
    return len(programs)


def main():
    wrong = []
    compiler, folder, library, model = sys.argv[1:]
    n_used, n_declared = check_used(wrong.append)
    check_alone(compiler, wrong.append)
    n_programs = check_programs(compiler, folder, library, model, wrong.append)
    print("\n".join(wrong))
    print(f"{n_used} of {n_declared} functions, {len(headers())} headers, {n_programs} programs, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
