"""Changes one operator, constant or statement of a file at a time and looks whether a test notices.

usage: mutants.py FOLDER N [SEED [PART...]]   N mutants, drawn with SEED (1) from all that can be made of the rooms below, or of
                                              their files with a PART in the path; works on a copy of the sources in FOLDER
Prints each that survived with its line; those are looked at by a person: a test is missing, or the change changes nothing.
"""
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOMS = [  # sources, and the tests of which one must fail
    (["lib/file/gguf.c", "lib/file/gguf_value.c", "lib/file/files.c", "lib/file/source.c", "lib/file/sort.c"],
     ["rooms_gguf", "rooms_gguf_malformed", "rooms_model_keys", "rooms_vocab_malformed", "faults_files"]),
    (["lib/file/safetensors.c", "lib/file/json_file.c", "lib/model/adapter_file.c", "lib/model/adapter.c"],
     ["rooms_peft", "golden_peft", "rooms_adapter", "golden_adapters", "faults_memory"]),
    (["lib/cache/*.c"], ["rooms_cache", "rooms_pages", "rooms_save", "faults_steps"]),
    (["lib/schedule/*.c"], ["rooms_schedule"]),
    (["lib/engine/engine.c", "lib/engine/requests.c", "lib/engine/prefix.c"],
     ["rooms_pages", "rooms_engine", "rooms_decoding", "rooms_adapted", "rooms_constrained",
      "faults_engine"]),
]
SWAPS = {" < ": [" <= "], " <= ": [" < "], " > ": [" >= "], " >= ": [" > "], " == ": [" != "], " != ": [" == "],
         " && ": [" || "], " || ": [" && "], " + ": [" - "], " - ": [" + "], " * ": [" + "], " / ": [" * "],
         " += ": [" -= "], " -= ": [" += "], "++": ["--"], "--": ["++"], "true": ["false"], "false": ["true"], "(!": ["("]}
SKIP = re.compile(r"^\s*(#|/\*|\*|//|\}|\{|case |static const char|typedef|_Static_assert)|sk_fail|refuse\(|wrong\(|^$")


def code_of(line):
    """The line without its comment and with texts blanked, so that places stay."""
    line = re.sub(r"/\*.*?(\*/|$)", lambda m: " " * len(m[0]), line)
    return re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])+\'', lambda m: "~" * len(m[0]), line)


def mutants_of(line):
    code = code_of(line)
    for old, news in SWAPS.items():
        for m in re.finditer(re.escape(old), code):
            for new in news:
                yield line[:m.start()] + new + line[m.end():]
    for m in re.finditer(r"(?<![\w.])(\d+)(?=u?\b)(?!\w*\()", code):
        yield line[:m.start()] + str(int(m[1]) + 1) + line[m.end():]
    if re.match(r"\s+[\w\->\[\]\.\*\(\)&, ]+( [-+|&]?= .*|\(.*\)|\+\+|--);\s*$", code) and "return" not in code \
            and not re.match(r"\s+(const |static |sk_\w+ \w|u?int\w* \w|size_t |skald_\w+ \*?\w+ =|bool |char )", code):
        yield re.match(r"\s*", line)[0] + ";"


def all_mutants():
    for room, (patterns, _) in enumerate(ROOMS):
        for path in sorted(p for pattern in patterns for p in glob.glob(os.path.join(ROOT, pattern))):
            in_comment = False
            with open(path, encoding="utf-8") as f:
                for number, line in enumerate(f.read().split("\n")):
                    in_comment = in_comment or line.lstrip().startswith("/*")
                    ends = "*/" in line
                    if not in_comment and not SKIP.search(line):
                        for new in mutants_of(line):
                            yield room, os.path.relpath(path, ROOT), number, line, new
                    in_comment = in_comment and not ends


def build(folder, tests):
    return subprocess.run(["cmake", "--build", f"{folder}/build", "--target", *(f"test_{t}" for t in tests)],
                          capture_output=True).returncode == 0


def killer(folder, tests, limits):
    for test in tests:
        try:
            run = subprocess.run([f"{folder}/build/tests/test_{test}"], capture_output=True, timeout=limits.get(test))
        except subprocess.TimeoutExpired:
            return f"{test}, which does not end"
        if run.returncode:
            return test
    return None


def main():
    folder, wanted = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    source = os.path.join(folder, "source")
    shutil.rmtree(folder, ignore_errors=True)  # what was built of another run's last mutant too
    os.makedirs(source)
    for name in ("CMakeLists.txt", "lib", "backends", "include", "tests", "examples", "bindings", "pkgconfig"):
        path = os.path.join(ROOT, name)
        (shutil.copytree if os.path.isdir(path) else shutil.copy)(path, os.path.join(source, name))
    subprocess.run(["cmake", "-S", source, "-B", f"{folder}/build", "-DSKALD_TESTS=ON", "-DSKALD_PROGRAMS=OFF"], check=True,
                   capture_output=True)
    parts = sys.argv[4:] or [""]
    every = [mutant for mutant in all_mutants() if any(part in mutant[1] for part in parts)]
    drawn = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1).sample(every, min(wanted, len(every)))
    limits = {}
    for test in {test for room in {mutant[0] for mutant in drawn} for test in ROOMS[room][1]}:
        begin = time.monotonic()
        assert build(folder, [test]) and not killer(folder, [test], limits), "the tests do not pass as they are"
        limits[test] = 20 + 4 * (time.monotonic() - begin)
    killed = not_built = 0
    survived = []
    for room, path, number, old, new in sorted(drawn):
        file = os.path.join(source, path)
        with open(file, encoding="utf-8") as f:
            text = f.read()
        lines = text.split("\n")
        lines[number] = new
        with open(file, "w", encoding="utf-8") as f:
            f.write("\n".join(lines))
        if not build(folder, ROOMS[room][1]):
            not_built += 1
        elif killer(folder, ROOMS[room][1], limits):
            killed += 1
        else:
            survived.append((path, number))
            print(f"{path}:{number + 1}\n  - {old.strip()}\n  + {new.strip()}", flush=True)
        with open(file, "w", encoding="utf-8") as f:
            f.write(text)
    print(f"{len(every)} mutants can be made, {len(drawn)} were: {killed} killed, {len(survived)} survived, "
          f"{not_built} not built")


if __name__ == "__main__":
    main()
