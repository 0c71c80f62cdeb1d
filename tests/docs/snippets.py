"""Every snippet of the documents works, and every name in them exists.

A block of ```python is run in a folder with a small model.gguf; a block of ```c is compiled, and linked and run with it when it
has a main. Every skald_ and SKALD_ name in the documents is in a header. docs/coming-from-llama.md is held against a list of
llama.h's functions when LLAMA_H names that header. usage: snippets.py BUILD CC (PYSKALD_LIBRARY and PYTHONPATH as bindings.python)
"""
import glob
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = os.path.join(ROOT, "tests", "golden", "data", "tiny", "llama_gqa_tied", "model-f32.gguf")
STYLE = os.path.join(ROOT, "tests", "golden", "data", "peft", "llama_gqa_tied")
LAYOUT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
OPTIONS = {"SKALD_WITHOUT", "SKALD_PROGRAMS", "SKALD_TESTS", "SKALD_WERROR", "SKALD_SANITIZE", "SKALD_PREFIX", "SKALD_CPU", "SKALD_BENCH",
           "SKALD_BENCH_MODEL", "SKALD_DEMO_MODEL", "SKALD_FUZZ_SECONDS", "SKALD_LIB_DIR", "SKALD_TEST_DATA", "SKALD_0",
           "SKALD_STATIC", "SKALD_BUILDING", "SKALD_ROOT"}  # of builds and programs, not of headers


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def documents():
    return sorted([os.path.join(ROOT, "README.md"), *glob.glob(os.path.join(ROOT, "docs", "*.md")),
                   *glob.glob(os.path.join(ROOT, "bindings", "*", "README.md"))])


def blocks(path, language=r"[^\n]*"):
    """(line, language, text) of each fenced block."""
    text = read(path)
    for found in re.finditer(rf"^```({language})\n(.*?)^```", text, flags=re.M | re.S):
        yield text.count("\n", 0, found.start()) + 1, found[1], found[2]


def write_model(path):
    """The small model, with a chat template: a key more in front of its others, of a length that leaves all else where it was."""
    with open(MODEL, "rb") as file:
        magic, n_tensors, n_keys, rest = file.read(8), *struct.unpack("<QQ", file.read(16)), file.read()
    name, layout = b"tokenizer.chat_template", LAYOUT.encode()
    layout += b" " * (-(20 + len(name) + len(layout)) % 32)
    key = struct.pack("<Q", len(name)) + name + struct.pack("<IQ", 8, len(layout)) + layout
    with open(path, "wb") as file:
        file.write(magic + struct.pack("<QQ", n_tensors, n_keys + 1) + key + rest)


def run_c(text, folder, build, compiler):
    with open(os.path.join(folder, "snippet.c"), "w", encoding="utf-8") as file:
        file.write(text)
    command = [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", os.path.join(ROOT, "include"), "snippet.c"]
    if not re.search(r"\bmain\(", text):
        return subprocess.run([*command, "-fsyntax-only"], cwd=folder, check=False)
    library = os.path.join(build, "lib")
    built = subprocess.run([*command, "-o", "snippet", "-L", library, "-lskald", f"-Wl,-rpath,{library}"], cwd=folder, check=False)
    return built if built.returncode else subprocess.run(["./snippet", "model.gguf", "the sea"], cwd=folder, check=False,
                                                         stdout=subprocess.DEVNULL, timeout=60)


def run_python(text, folder):
    return subprocess.run([sys.executable, "-c", text], cwd=folder, check=False, stdout=subprocess.DEVNULL, timeout=60)


def names_that_are_missing():
    headers = "".join(read(p) for p in glob.glob(os.path.join(ROOT, "include", "skald", "*.h")))
    known = set(re.findall(r"\bskald_\w+|\bSKALD_\w+", headers)) | OPTIONS
    for name in ("OK", *re.findall(r"^    X\((\w+), -?\d+", headers, flags=re.M)):
        known.add("SKALD_" + name)
    targets = {"skald_static", "skald_shared", "skald_objects", "skald_flags", "skald_cuda"}  # of CMake, and a plug-in
    for path in documents():
        for name in set(re.findall(r"(?<![\w/.-])(skald_\w+|SKALD_\w+)", read(path))) - known - targets:
            if not any(other.startswith(name) for other in known) or not name.endswith("_"):
                yield f"{os.path.relpath(path, ROOT)}: {name} is in no header"


def llama_functions_left_out():
    if "LLAMA_H" not in os.environ:
        return
    source = re.sub(r"/\*.*?\*/|//[^\n]*", "", read(os.environ["LLAMA_H"]), flags=re.S)
    page = set(re.findall(r"`(llama_\w+)`", read(os.path.join(ROOT, "docs", "coming-from-llama.md"))))
    for name in sorted(set(re.findall(r"\b(llama_\w+)\s*\([^;{]*\)\s*[;,]", source)) & set(re.findall(r"LLAMA_API\b[^;(]*?(llama_\w+)\s*\(", source)) - page):
        yield f"docs/coming-from-llama.md: {name} is missing"


def main():
    build, compiler = sys.argv[1:]
    wrong = [*names_that_are_missing(), *llama_functions_left_out()]
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        write_model(os.path.join(folder, "model.gguf"))
        shutil.copytree(STYLE, os.path.join(folder, "style"))
        for path in documents():
            for language, run in (("c", lambda t: run_c(t, folder, build, compiler)), ("python", lambda t: run_python(t, folder))):
                for line, _, text in blocks(path, language):
                    count += 1
                    if run(text).returncode != 0:
                        wrong.append(f"{os.path.relpath(path, ROOT)}:{line}: the snippet fails")
    print("\n".join(wrong))
    print(f"{count} snippets, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
