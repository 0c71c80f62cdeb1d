"""What a binding costs: microseconds a token over 10 000 tokens of a tiny model, each loop less the loop in C, the least of
several rounds taken in turns; where the machine is busy, up to four times as many until the bounds hold.
usage: overhead.py BUILD [ROUNDS (5)]"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = os.path.join(ROOT, "tests", "golden", "data", "tiny", "llama_gqa_tied", "model-f32.gguf")
BOUNDS = {"python": 30.0, "rust": 1.0, "cpp": 1.0}  # microseconds


def python_loop():
    import pyskald
    n_tokens, n_length = 10000, 1000
    model = pyskald.Model(MODEL, runtime=pyskald.Runtime(threads=1))
    cache, context, sampler = model.cache(n_tokens=n_length), model.context(), model.sampler()
    decoder, seq, id, total = model.decoder(), cache.open(), 1, 0
    begin = time.perf_counter()
    for i in range(n_tokens):
        if i % n_length == 0:
            seq.rewind(0)
        context.feed(seq, (id,))
        id = context.choose(sampler, i % n_length + 1)
        decoder.push(id)
        total += id
    print(f"{(time.perf_counter() - begin) * 1e6 / n_tokens:.3f} {total}")


def build(folder, library):
    """{name: command}"""
    here = os.path.dirname(os.path.abspath(__file__))
    link = ["-L", library, "-lskald", f"-Wl,-rpath,{library}", "-I", os.path.join(ROOT, "include")]
    commands = {"c": [os.path.join(folder, "c"), MODEL], "python": [sys.executable, os.path.abspath(__file__), "--loop"]}
    subprocess.run(["cc", "-O2", os.path.join(here, "overhead.c"), "-o", commands["c"][0], *link], check=True)
    if shutil.which("c++"):
        commands["cpp"] = [os.path.join(folder, "cpp"), MODEL]
        subprocess.run(["c++", "-std=c++17", "-O2", "-I", os.path.join(ROOT, "bindings", "cpp"),
                        os.path.join(here, "overhead.cpp"), "-o", commands["cpp"][0], *link], check=True)
    if shutil.which("cargo"):
        commands["rust"] = [os.path.join(folder, "release", "examples", "overhead"), MODEL]
        subprocess.run(["cargo", "build", "--offline", "--quiet", "--release", "--example", "overhead", "--target-dir", folder],
                       cwd=os.path.join(ROOT, "bindings", "rust"), env={**os.environ, "SKALD_LIB_DIR": library}, check=True)
    return commands


def overhead(took, name):
    return min(took[name]) - min(took["c"])


def over_bounds(took):
    return any(overhead(took, name) > bound for name, bound in BOUNDS.items() if name in took)


def main():
    if sys.argv[1] == "--loop":
        return python_loop()
    library, rounds = os.path.join(os.path.abspath(sys.argv[1]), "lib"), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    own = {**os.environ, "LD_LIBRARY_PATH": library, "PYSKALD_LIBRARY": os.path.join(library, "libskald.so"),
           "PYTHONPATH": os.path.join(ROOT, "bindings", "python")}
    with tempfile.TemporaryDirectory() as folder:
        commands = build(folder, library)
        took, sums = {name: [] for name in commands}, set()
        for n in range(4 * rounds):
            if n >= rounds and not over_bounds(took):
                break
            for name, command in commands.items():
                said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=own).stdout.split()
                took[name].append(float(said[0]))
                sums.add(said[1])
    assert len(sums) == 1, f"the loops chose different ids: {sums}"
    print(f"c        {min(took['c']):8.3f} us a token")
    for name in sorted(set(took) - {"c"}):
        print(f"{name:8} {min(took[name]):8.3f}, {overhead(took, name):+.3f} over C (bound {BOUNDS[name]:g})")
    return over_bounds(took)


if __name__ == "__main__":
    sys.exit(main())
