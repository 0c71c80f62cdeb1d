"""What skald.hpp calls and what bindings/cpp/not_wrapped.txt lists are together all of skald.h, and each of its headers can be
included alone. usage: check_cpp.py CXX"""
import glob
import os
import re
import subprocess
import sys

import header

FOLDER = os.path.join(header.ROOT, "bindings", "cpp")
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


def main():
    wrong = []
    n_used, n_declared = check_used(wrong.append)
    check_alone(sys.argv[1], wrong.append)
    print("\n".join(wrong))
    print(f"{n_used} of {n_declared} functions, {len(headers())} headers, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
