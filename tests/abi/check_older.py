"""Programs that were compiled against older public headers run on this library: C and C++ callers and pyskald's own tests, as
they were in the commits before the headers last changed.

usage: check_older.py CC CXX LIBSKALD.so TEST-DATA FOLDER [N]     N: how many changes of the headers to go back (1)
Exit code 77: the sources have no history here.
"""
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TAKEN = ["include", "tests/abi/callers/game.c", "examples/hello.c", "bindings/cpp", "tests/bindings", "bindings/python"]
LIMIT_SECONDS = 120


def git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True).stdout


def older(n):
    """The commits before each of the last n changes of the headers; what is not committed yet is the newest change."""
    changed = git("status", "--porcelain", "--", "include").strip()
    commits = git("log", "-n", str(n), "--format=%H %P", "--", "include").decode().split("\n")
    parents = [line.split()[1] for line in commits if len(line.split()) > 1]
    return (["HEAD"] + parents)[:n] if changed else parents


def unpack(commit, folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    here = [path for path in TAKEN if git("ls-tree", "--name-only", commit, path).strip()]
    archive = git("archive", commit, *here)
    subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)


def programs(cc, cxx, folder):
    """Name, command to compile it."""
    found = {}
    for name, path in (("game", "tests/abi/callers/game.c"), ("hello", "examples/hello.c")):
        if os.path.exists(os.path.join(folder, path)):
            found[name] = [cc, "-std=c11", "-I", "include", path, "-lpthread"]
    sources = os.path.join(folder, "tests/bindings")
    cpp = [f"tests/bindings/{name}" for name in os.listdir(sources) if name.endswith(".cpp")] if os.path.isdir(sources) else []
    if cpp and not cxx.endswith("NOTFOUND"):
        found["cpp"] = [cxx, "-std=c++17", "-I", "include", "-I", "bindings/cpp", *cpp, "-lpthread"]
    return found


def run(name, command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_SECONDS, **more)
    print(f"  {name}: {'ok' if done.returncode == 0 else 'FAILED ' + str(done.returncode)}", flush=True)
    if done.returncode:
        print(done.stdout)
    return done.returncode == 0


def check(commit, cc, cxx, library, data, folder):
    unpack(commit, folder)
    place, model = os.path.dirname(library), os.path.join(data, "tiny/llama_gqa_tied/model-f32.gguf")
    good = True
    for name, command in programs(cc, cxx, folder).items():
        program = os.path.join(folder, name)
        subprocess.run([*command, "-o", program, "-L", place, "-lskald", f"-Wl,-rpath,{place}"], check=True, cwd=folder)
        good &= run(name, [program, model] + (["return the tokens"] if name == "hello" else []))
    tests = os.path.join(folder, "bindings/python/tests/test_pyskald.py")
    if os.path.exists(tests):
        paths = {"PYSKALD_LIBRARY": library, "SKALD_TEST_DATA": data, "PYTHONPATH": os.path.join(folder, "bindings/python")}
        good &= run("pyskald", [sys.executable, tests], env={**os.environ, **paths})
    return good


def main():
    cc, cxx, library, data, folder, *n = sys.argv[1:]
    try:
        commits = older(int(n[0]) if n else 1)
    except (OSError, subprocess.CalledProcessError):
        commits = []
    if not commits:
        print("no history of the headers here: nothing to compile")
        return 77
    good = True
    for commit in commits:
        print(git("log", "-1", "--format=%h %s", commit).decode().strip(), flush=True)
        good &= check(commit, cc, cxx, os.path.abspath(library), os.path.abspath(data), os.path.join(folder, "older"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
