"""Callers in C, Python and Rust choose the same ids through the shared library; hello speaks.

usage: check_callers.py LIBSKALD.so MODEL.gguf GAME SIZES FOLDER [HELLO]
"""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT_SECONDS = 120


def said(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, **more).stdout


def rust(library, model, folder):
    """None when there is no compiler."""
    if not shutil.which("rustc"):
        return None
    program = os.path.join(folder, "caller_rust")
    place = os.path.dirname(os.path.abspath(library))
    said("rustc", "--edition", "2021", "-D", "warnings", "-O", "-o", program, os.path.join(HERE, "caller.rs"),
         "-L", f"native={place}", "-l", "dylib=skald", "-C", f"link-arg=-Wl,-rpath,{place}")
    return said(program, model)


def main():
    library, model, game, sizes, folder, *hello = sys.argv[1:]
    answers = {"game.c": said(game, model),
               "caller.py": said(sys.executable, os.path.join(HERE, "caller.py"), library, model, sizes),
               "caller.rs": rust(library, model, folder)}
    if answers["caller.rs"] is None:
        print("caller.rs: skipped, rustc is missing")
        del answers["caller.rs"]
    for name, ids in answers.items():
        print(f"{name}: {ids.strip()}")
    if hello:
        text = said(hello[0], model, "return the tokens")
        print(f"hello: {len(text)} characters")
        if not text:
            return 1
    ids = set(answers.values())
    return len(ids) != 1 or len(ids.pop().split()) != 16


if __name__ == "__main__":
    sys.exit(main())
