"""Redraws the table of rooms from the #include lines: who looks at whom, and who talks to the system.

usage: check_rooms.py ROOT
"""
import os
import re
import sys

# Beside itself, include/ and what it names here, a room looks at nothing. This is the table of the house.
BASE = "lib/base"
ROOMS = {
    "lib/base": [],
    "lib/dtype": [],
    "lib/shard": [],
    "lib/batch": ["lib/cache", "lib/model"],
    "lib/decode": [],
    "lib/text": [],
    "lib/file": ["lib/dtype"],
    "lib/answer": ["lib/file"],
    "lib/template": ["lib/file", "lib/text"],
    "lib/model": ["lib/file", "lib/text", "lib/dtype", "lib/shard"],
    "lib/cache": ["lib/dtype"],
    "lib/schedule": [],
    "lib/forward": ["lib/model", "lib/cache", "lib/batch", "lib/shard"],
    "lib/grammar": ["lib/file", "lib/text"],
    "lib/engine": ["lib/decode", "lib/model", "lib/schedule", "lib/grammar", "lib/text"],
    "lib/api": ["lib/dtype", "lib/shard", "lib/batch", "lib/decode", "lib/text", "lib/file", "lib/template", "lib/answer",
                "lib/model", "lib/cache", "lib/schedule", "lib/forward", "lib/grammar", "lib/engine"],
    "backends/cpu": ["lib/dtype"],
    "examples": [],
    "bindings": [],
}
FREE = {"lib/base", "examples", "bindings"}  # whoever is not free may look at lib/base
LEAVES = re.compile(r"backends/cpu/(scalar|avx2|avx512|amx|neon)$")
# What a leaf may see: raw pointers in, raw pointers out.
LEAF_FILES = re.compile(r"backends/cpu/(kernels|vec|blocks|kept|end|[a-z_]*_body)\.h$|lib/base/(exact|memory)\.h$|lib/dtype/.*")
OS_HEADERS = re.compile(r"(unistd|pthread|fcntl|dlfcn|sched|signal|errno|time|poll|windows|process|io|locale|stdio"
                        r"|setjmp|assert|sys/.*|mach/.*|linux/.*|asm/.*|netinet/.*)\.h$")
SYSTEM_ROOM = "lib/base/os"
INCLUDE = re.compile(r'\s*#\s*include\s+([<"])([^>"]+)[>"]')

problems = []


def room_of(path):
    folder = os.path.dirname(path)
    while folder and folder not in ROOMS:
        folder = os.path.dirname(folder)
    return folder


def resolve(root, path, name):
    """The file in the tree that an #include "name" of `path` means, or None."""
    for folder in ("lib", "", "include", os.path.dirname(path)):
        candidate = os.path.normpath(os.path.join(folder, name))
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    return None


def check_include(root, path, line, mark, name):
    where = f"{path}:{line}"
    if mark == "<":
        if OS_HEADERS.match(name) and path.startswith(("lib/", "backends/cpu")):
            if not path.startswith(SYSTEM_ROOM + "/"):
                problems.append(f"{where}: <{name}> belongs to {SYSTEM_ROOM}")
        return None
    target = resolve(root, path, name)
    if target is None:
        problems.append(f"{where}: \"{name}\" is not in the tree")
        return None
    room, other = room_of(path), room_of(target)
    if room == other:
        pass
    elif target.startswith("include/"):
        problems.append(f"{where}: \"{name}\": public headers are included as <skald/...>")
    elif not (other in ROOMS[room] or (other == BASE and room not in FREE)):
        problems.append(f"{where}: {room} must not look at {other or target}")
    if LEAVES.match(os.path.dirname(path)) and os.path.dirname(target) != os.path.dirname(path):
        if not LEAF_FILES.match(target):
            problems.append(f"{where}: a leaf sees kernels.h, vec.h and layouts, not {target}")
    return other if room != other else None


def main():
    root = sys.argv[1]
    seen = {}
    n_files = 0
    for top in ("lib", "backends", "examples", "bindings", "include"):
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders.sort()
            for file in sorted(files):
                path = os.path.relpath(os.path.join(folder, file), root)
                if not file.endswith((".c", ".h", ".def")):
                    continue
                n_files += 1
                if top != "include" and not room_of(path):
                    problems.append(f"{path}: this folder has no line in the table of rooms")
                    continue
                with open(os.path.join(root, path), encoding="utf-8") as text:
                    for number, line in enumerate(text, 1):
                        found = INCLUDE.match(line)
                        if top == "include":
                            if found and found[1] == '"':
                                problems.append(f"{path}:{number}: a public header includes only <...>")
                        elif found:
                            other = check_include(root, path, number, found[1], found[2])
                            if other:
                                seen.setdefault(room_of(path), set()).add(other)
    for room in sorted(seen):
        print(f"{room:16} {' '.join(sorted(seen[room]))}")
    for text in problems:
        print(text, file=sys.stderr)
    print(f"{n_files} files, {len(problems)} problems")
    return bool(problems) or n_files < 50


if __name__ == "__main__":
    sys.exit(main())
