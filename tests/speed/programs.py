"""How the programs that are compared are called, and how their answers are read: each call gives samples, which are
dictionaries of plain values with what was run, by whom, and how fast."""
import json
import math
import os
import re
import subprocess
import tempfile
import time

LIMIT = 600  # seconds for one call
SKALD_FIELDS = ("test", "threads", "batch", "depth", "bytes_per_token", "int8_roof_share", "barrier_ns", "read_roof",
                "int8_roof")


class Missing(Exception):
    """A program that is not there, or gave no figure: its column stays empty, with this sentence."""


def call(command, limit=LIMIT):
    """In a folder of its own, since some programs leave logs where they stand."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
                                  cwd=folder, timeout=limit)
        except FileNotFoundError:
            raise Missing("there is no such program") from None
        except subprocess.TimeoutExpired:
            raise Missing(f"no answer within {limit} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "nothing said").splitlines()[-1]
        raise Missing(f"exit code {done.returncode}: {re.sub(r'(/[^/ ]+)+/', '', last)}")
    return done


def json_lines(text):
    for row in text.splitlines():
        if row.startswith("{"):
            try:
                yield json.loads(row)
            except ValueError:
                pass


def compiler_of(path):
    """What the compiler wrote into the program."""
    try:
        with open(path, "rb") as file:
            found = re.findall(rb"(?:GCC: \([^)\0]*\) [0-9.]+|clang version [0-9.]+)", file.read())
    except OSError:
        return "unknown"
    names = sorted({re.sub(r"GCC: \(.*\)", "gcc", name.decode()) for name in found})
    clang = [name for name in names if "clang" in name]
    return (clang or names or ["unknown"])[-1]


class Work:
    """What is run: sizes of the tests, the same for everybody."""

    def __init__(self, options):
        self.model, self.threads = os.path.abspath(options.model), options.threads
        self.prompt, self.steps = options.prompt, options.steps
        self.batches, self.batch_prompt = options.batches, options.batch_prompt
        self.depths, self.caches = options.depths, options.caches

    @property
    def most(self):
        return max(self.threads)


def comma(values):
    return ",".join(map(str, values))


class Skald:
    label = "skald"

    def __init__(self, path):
        self.path = os.path.abspath(path)

    def about(self):
        return {"version": call([self.path, "--version"]).stdout.strip(), "compiler": compiler_of(self.path)}

    def bench(self, work, *more, cache="f16"):
        command = [self.path, "bench", "-m", work.model, "-r", "1", "--json", *map(str, more)]
        if cache != "f16":
            command += ["--kv", cache]
        samples = []
        for r in json.loads(call(command).stdout):
            samples.append({"kind": "rate", "engine": self.label, "cache": cache,
                            "value": r["tokens_per_second"]["median"], **{key: r[key] for key in SKALD_FIELDS}})
        return samples

    def short(self, work):
        return self.bench(work, "-p", work.prompt, "-n", work.steps, "-b", 1, "-d", 0, "-t", comma(work.threads))

    def batch(self, work):
        return self.bench(work, "-p", 0, "-n", work.steps, "-b", comma(work.batches), "-d", work.batch_prompt, "-t",
                          work.most)

    def depth(self, work, cache):
        return self.bench(work, "-p", work.prompt, "-n", work.steps, "-b", 1, "-d", comma(work.depths), "-t", work.most,
                          cache=cache)

    def start(self, work, prompt):
        return clocked([self.path, "run", "-m", work.model, "-p", prompt, "-n", "1", "-t", str(work.most)])

    def rows(self, work, most):
        """Seconds of a step with 1, 2, ... rows: the best of three."""
        counts = range(1, most + 1)
        command = [self.path, "bench", "-m", work.model, "-p", "0", "-n", "4", "-b", comma(counts), "-d", "0", "-t",
                   str(work.most), "-r", "3", "--json"]
        return [{"kind": "rows", "threads": r["threads"], "rows": r["batch"],
                 "value": r["batch"] / r["tokens_per_second"]["max"]} for r in json.loads(call(command).stdout)]

    def beside(self, work, threads):
        return [{**sample, "kind": "beside"} for sample in self.bench(
            work, "-p", work.prompt, "-n", work.steps, "-b", 1, "-d", 0, "-t", comma(threads))]


def clocked(command):
    begin = time.perf_counter()
    call(command)
    return time.perf_counter() - begin


class Peer:
    """A label with up to four programs of one engine, each with flags of its own."""

    def __init__(self, label):
        self.label, self.programs, self.told, self.has_depth = label, {}, None, None

    def add(self, kind, path, flags):
        self.programs[kind] = (os.path.abspath(path), flags)

    def about(self):
        path, flags = next(iter(self.programs.values()))
        about = {"compiler": compiler_of(path),
                 "flags": {kind: " ".join(flags) for kind, (_, flags) in self.programs.items()}}
        if self.told:
            about["version"] = self.told
        return about

    def run(self, kind, *more):
        if kind not in self.programs:
            raise Missing("no program for it was given")
        path, flags = self.programs[kind]
        return call([path, *map(str, more), *flags])

    def sample(self, test, value, work, batch=1, depth=0, cache="f16", threads=None):
        return {"kind": "rate", "engine": self.label, "test": test, "threads": threads or work.most, "batch": batch,
                "depth": depth, "cache": cache, "value": value}

    def llama_bench(self, work, threads, cache, *more):
        types = [] if cache == "f16" else ["-ctk", cache, "-ctv", cache]
        done = self.run("llama-bench", "-m", work.model, "-t", comma(threads), "-r", 1, "-o", "json", *types, *more)
        samples = []
        for r in json.loads(done.stdout[done.stdout.index("["):]):
            self.told = f"{r.get('build_number')} ({r.get('build_commit')})"
            decode = r["n_gen"] > 0
            depth = r.get("n_depth", r["n_prompt"] if decode else 0)
            samples.append(self.sample("decode" if decode else "prefill", r["avg_ts"], work, 1, depth, cache,
                                       r["n_threads"]))
        return samples

    def short(self, work):
        return self.llama_bench(work, work.threads, "f16", "-p", work.prompt, "-n", work.steps)

    def batch(self, work):
        most = max(work.batches) * (work.batch_prompt + work.steps)
        done = self.run("batched-bench", "-m", work.model, "-c", most, "-npp", work.batch_prompt, "-ntg", work.steps,
                        "-npl", comma(work.batches), "-t", work.most, "--output-format", "jsonl")
        said = done.stdout + done.stderr
        found = [(r["pl"], r["speed_tg"]) for r in json_lines(said) if "speed_tg" in r]
        for row in said.splitlines() if not found else []:  # |PP|TG|B|N_KV|T_PP|S_PP|T_TG|S_TG|T|S|, the older form
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            if len(cells) == 10 and cells[0].isdigit():
                found.append((int(cells[2]), float(cells[7])))
        if not found:
            raise Missing("no figure in what it printed")
        return [self.sample("decode", rate, work, batch, work.batch_prompt) for batch, rate in found]

    def depth(self, work, cache):
        if "sweep-bench" in self.programs:
            return self.sweep(work, cache)
        if self.has_depth is None:
            self.has_depth = "--n-depth" in self.run("llama-bench", "--help").stdout
        if not self.has_depth:
            raise Missing("its llama-bench knows no -d and no sweep-bench was given")
        return self.llama_bench(work, [work.most], cache, "-p", work.prompt, "-n", work.steps, "-d", comma(work.depths))

    def sweep(self, work, cache):
        """Rows at multiples of the prompt's length; those between the wanted depths are read without a measurement."""
        types = [] if cache == "f16" else ["-ctk", cache, "-ctv", cache]
        stride = math.gcd(*work.depths) // work.prompt
        if stride < 1 or any(depth % work.prompt for depth in work.depths):
            raise Missing(f"its sweep measures at multiples of {work.prompt} only")
        done = self.run("sweep-bench", "-m", work.model, "-c", max(work.depths) + work.prompt, "-ub", work.prompt, "-n",
                        work.steps, "-t", work.most, "--sweep-stride", stride, "--output-format", "jsonl", *types)
        samples = []
        for r in json_lines(done.stdout + done.stderr):
            if r.get("n_kv") in work.depths:
                samples += [self.sample("prefill", r["speed_pp"], work, 1, r["n_kv"], cache),
                            self.sample("decode", r["speed_tg"], work, 1, r["n_kv"], cache)]
        if not samples:
            raise Missing("no figure in what it printed")
        return samples

    def start(self, work, prompt):
        begin = time.perf_counter()
        self.run("completion", "-m", work.model, "-p", prompt, "-n", 1, "--no-warmup", "-t", work.most)
        return time.perf_counter() - begin


def stream(path, threads):
    """The roof program's line, in bytes a second."""
    return [{"kind": "stream", **next(json_lines(call([os.path.abspath(path), str(n)]).stdout))} for n in threads]


def kernels(folder, names):
    samples = []
    for program, wanted in [("test_kernels_matmul", names), ("test_kernels_attend", [None])]:
        path = os.path.join(os.path.abspath(folder), program)
        for name in wanted:
            command = [path, "--bench"] + ([name] if name else [])
            samples += [{"kind": "kernel", **row} for row in json_lines(call(command).stdout)]
    return samples
