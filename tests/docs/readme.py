"""Every block of README.md does what it says, one after the other, as somebody types it who has just cloned. A line of ```sh
is run, ```c becomes hello.c, ```cmake the end of a project, ```python is run; a block of another kind is a fault.
usage: readme.py, as root in a system that is thrown away (tests/package/clean_root.sh): /usr/local is PREFIX"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

import snippets

README = os.path.join(snippets.ROOT, "README.md")
OWN = "/tmp/own"  # the virtual environment of who reads
SIZES = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 100,
         "intermediate_size": 128, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}
FILES = {"in.jsonl": '{"text": "the sea"}\n{"text": "the sky"}\n', "text.txt": "the sea and the sky " * 40,
         "own.jinja": snippets.LAYOUT, "birds.json": json.dumps({"enum": ["gull", "tern"]}),
         "folder/config.json": json.dumps(SIZES)}
PROJECT = "cmake_minimum_required(VERSION 3.25)\nproject(app LANGUAGES C)\nadd_executable(app ../hello.c)\n"
SAYS = 'model.gguf "The sea is" | grep -a . >/dev/null'  # behind a program's name; true when text comes out

# What a reader does before or after a line: (how the line begins, before, after).
AROUND = [
    ("cmake -B", "true", "ldconfig"),
    ("cc hello.c", "true", f"./a.out {SAYS}"),
    ("cc -O3 -c vendor/skald.c", "true", "sed 's|<skald/skald.h>|\"skald.h\"|' hello.c >vendor/hello.c && "
     f"cc -o two-files vendor/hello.c skald.o LINK && ./two-files {SAYS}"),
    ("pip install", f"python3 -m venv {OWN}", "true"),
]
LEFT_OUT = {"cmake --workflow --preset test": "the gate test of .ci/run runs it"}


def prepare(root):
    snippets.write_model(os.path.join(root, "model.gguf"))
    shutil.copytree(snippets.STYLE, os.path.join(root, "style.gguf"), dirs_exist_ok=True)
    for name, text in FILES.items():
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        write(os.path.join(root, name), text)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def shell(command):
    """What it wrote, and whether it went well; a conversation hears one line."""
    done = subprocess.run(["bash", "-c", "set -e -o pipefail\n" + command], cwd=snippets.ROOT, check=False, timeout=600,
                          input="the sea?\n", text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout, done.returncode == 0


def run_line(line):
    command, _, remark = line.partition(" #")
    before, after = next((rest for begin, *rest in AROUND if command.startswith(begin)), ("true", "true"))
    after = after.replace("LINK", remark.replace("link with", ""))
    return shell(f"{before}\n{command.replace('PREFIX', '/usr/local')}\n{after}")


def run_block(language, text):
    """(name, output, well) of each part; well is None for what was left out."""
    if language == "sh":
        for line in text.splitlines():
            name = line.split(" #")[0].strip()
            said, well = (LEFT_OUT[name], None) if name in LEFT_OUT else run_line(line)
            if "model could not be fetched" in said:
                said, well = "PyPI cannot be reached", None
            yield name, said, well
    elif language == "c":
        write(os.path.join(snippets.ROOT, "hello.c"), text)
        yield "hello.c", *shell("cc -std=c11 -Wall -Wextra -Werror -Iinclude -fsyntax-only hello.c")
    elif language == "cmake":
        os.makedirs(os.path.join(snippets.ROOT, "app"), exist_ok=True)
        write(os.path.join(snippets.ROOT, "app", "CMakeLists.txt"), PROJECT + text)
        yield "find_package", *shell(f"cmake -S app -B app/build && cmake --build app/build && app/build/app {SAYS}")
    elif language == "python":
        write(os.path.join(snippets.ROOT, "lines.py"), text)
        yield "python", *shell(f"{OWN}/bin/python lines.py | grep -a .")
    else:
        yield language, "nobody knows how to run this", False


def main():
    os.environ["PATH"] = f"{OWN}/bin:{os.environ['PATH']}"
    prepare(snippets.ROOT)
    failed = 0
    for number, language, text in snippets.blocks(README):
        start = time.monotonic()
        for name, said, well in run_block(language, text):
            verdict = {True: f"ok ({time.monotonic() - start:.0f} s)", False: "FAILED", None: f"left out, {said}"}[well]
            print(f"clean-root README.md:{number} {name}: {verdict}", flush=True)
            start = time.monotonic()
            if well is False:
                failed += 1
                print(said[-3000:], flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
