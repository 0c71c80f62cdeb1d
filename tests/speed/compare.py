"""Skald beside other engines on this machine, in one sitting: the programs take turns, round after round, so that all
of them meet the machine's good and bad seconds, and every figure stands beside the roofs of the same minutes.

    compare.py -m MODEL.gguf --skald build/release/bin/skald --stream build/release/tests/skald_stream \\
        --llama-bench 'PATH:llama.cpp:-fa 1' --batched-bench 'PATH:llama.cpp:-fa on' --save samples.json
    compare.py --from samples.json [more.json ...] --into docs/speed.md

A peer is PATH[:LABEL[:EXTRA FLAGS]]; programs with one label are one column. What is missing is said and left out. The
environment's SKALD_BENCH may hold more arguments."""
import argparse
import glob
import json
import os
import re
import shlex
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
import tables  # noqa: E402

GROUPS = list(tables.PARTS)
PEERS = ["llama-bench", "batched-bench", "sweep-bench", "completion"]
PROMPT = "A short story about a lighthouse keeper and a whale:"
LEVELS = ["/avx2", "/avxvnni", "/avx512", "/amx", "/neon", "/dotprod", "/i8mm"]
FLAGS = re.compile(r"(avx2|fma|f16c|avx_vnni|avx512(f|bw|vl|_vnni|_bf16|vbmi)|amx_\w+|asimd\w*|i8mm|bf16|sve\w*)$")


def numbers(text):
    return [int(part) for part in text.split(",")]


def read_options(arguments):
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("-m", "--model", help="a GGUF file, or a folder with one")
    line.add_argument("--skald", help="the program")
    line.add_argument("--stream", help="the program skald_stream: a second roof for memory")
    line.add_argument("--kernels", metavar="FOLDER", help="where test_kernels_matmul and test_kernels_attend are")
    for kind in PEERS:
        line.add_argument("--" + kind, action="append", default=[], metavar="PATH[:LABEL[:FLAGS]]")
    line.add_argument("--groups", default="short", help=f"of {','.join(GROUPS)} (%(default)s)")
    line.add_argument("--threads", type=numbers, default=[1, 2], help="(1,2); the largest where one is enough")
    line.add_argument("--rounds", type=int, default=5, help="of short, batch, depth and rows (%(default)s)")
    line.add_argument("--pairs", type=int, default=20, help="of start; beside takes half as many (%(default)s)")
    line.add_argument("--prompt", type=int, default=512, help="tokens of prefill (%(default)s)")
    line.add_argument("--steps", type=int, default=64, help="steps of decode (%(default)s)")
    line.add_argument("--batches", type=numbers, default=[1, 8, 32], help="sequences (1,8,32)")
    line.add_argument("--batch-prompt", type=int, default=128, help="tokens of each sequence before (%(default)s)")
    line.add_argument("--depths", type=numbers, default=[7168], help="tokens before (7168)")
    line.add_argument("--caches", default="f16", help="cache types of depth, e.g. f16,q8_0 (%(default)s)")
    line.add_argument("--most-rows", type=int, default=64, help="of rows (%(default)s)")
    line.add_argument("--minutes", type=float, default=30, help="no new round after so long (%(default)s)")
    line.add_argument("--save", metavar="JSON", help="where the samples go")
    line.add_argument("--from", dest="sources", nargs="+", metavar="JSON", help="samples in place of measuring")
    line.add_argument("--into", metavar="PAGE.md", help="replaces tables between the page's marks, and its pictures")
    options = line.parse_args(arguments + shlex.split(os.environ.get("SKALD_BENCH", "")))
    options.caches, options.groups = options.caches.split(","), options.groups.split(",")
    if not options.sources and not (options.model and options.skald):
        line.error("-m and --skald are needed, or --from")
    if not options.sources and os.path.isdir(options.model):
        found = sorted(glob.glob(os.path.join(options.model, "*.gguf")))
        if not found:
            line.error(f"{options.model} holds no model: the workflow demo fetches one, or give a file with -m")
        options.model = found[0]
    if set(options.groups) - set(GROUPS):
        line.error(f"--groups are of {','.join(GROUPS)}")
    return options


def read_peers(options):
    peers = {}
    for kind in PEERS:
        for given in getattr(options, kind.replace("-", "_")):
            path, label, flags = (given.split(":", 2) + ["", ""])[:3]
            label = label or os.path.basename(path)
            peers.setdefault(label, programs.Peer(label)).add(kind, path, shlex.split(flags))
    return list(peers.values())


def first_line(path, name):
    try:
        with open(path, encoding="utf-8") as file:
            return next((row.split(":", 1)[1].strip() for row in file if row.startswith(name)), "")
    except OSError:
        return ""


def read_machine():
    flags = first_line("/proc/cpuinfo", "flags") or first_line("/proc/cpuinfo", "Features")
    return {"cpu": first_line("/proc/cpuinfo", "model name") or os.uname().machine,
            "flags": [flag for flag in flags.split() if FLAGS.match(flag)], "processors": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": f"{os.uname().sysname} {os.uname().release.split('-')[0]}"}


class Sitting:
    """All rounds of all groups; a program that failed once in a group is not asked again there."""

    def __init__(self, options):
        self.options, self.work = options, programs.Work(options)
        self.skald, self.peers = programs.Skald(options.skald), read_peers(options)
        self.samples, self.notes, self.begin = [], [], time.time()

    def attempt(self, who, group, number, action):
        """Takes what the action gives as samples of this round. Whether there was something."""
        begin = time.time()
        try:
            found = action()
        except programs.Missing as why:
            self.notes.append(f"{who} in {group}: {why}")
            print(f"  {who}: left out of {group}: {why}", file=sys.stderr, flush=True)
            return False
        self.samples += [{**sample, "group": group, "round": number} for sample in found]
        print(f"  {group} {number + 1}: {who}, {time.time() - begin:.1f} s", file=sys.stderr, flush=True)
        return True

    def late(self):
        return time.time() - self.begin > 60 * self.options.minutes

    def rounds(self, group, count, actions, roofs=True):
        """`actions`: who -> what; each round begins with another one."""
        for number in range(count):
            if self.late():
                self.notes.append(f"rounds of {group} from {number + 1} on: the time was over")
                break
            if roofs and self.options.stream:
                self.attempt("stream", group, number, lambda: programs.stream(self.options.stream, self.work.threads))
            turn = list(actions)[number % len(actions):] + list(actions)[:number % len(actions)] if actions else []
            for who in turn:
                if not self.attempt(who, group, number, actions[who]):
                    del actions[who]

    def everybody(self):
        return [self.skald, *self.peers]

    def short(self):
        self.rounds("short", self.options.rounds, {
            one.label: lambda one=one: one.short(self.work) for one in self.everybody()})

    def batch(self):
        self.rounds("batch", self.options.rounds, {
            one.label: lambda one=one: one.batch(self.work) for one in self.everybody()})

    def depth(self):
        self.rounds("depth", self.options.rounds, {
            f"{one.label}, {cache} cache": lambda one=one, cache=cache: one.depth(self.work, cache)
            for cache in self.work.caches for one in self.everybody()})

    def start(self):
        def once(one):
            return [{"kind": "start", "engine": one.label, "value": one.start(self.work, PROMPT)}]
        self.rounds("start", self.options.pairs,
                    {one.label: lambda one=one: once(one) for one in self.everybody()}, False)

    def rows(self):
        self.rounds("rows", self.options.rounds,
                    {"skald": lambda: self.skald.rows(self.work, self.options.most_rows)}, False)

    def beside(self):
        """One thread and all threads in turn, while somebody else's process spins."""
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            for number in range(max(1, self.options.pairs // 2)):
                order = [1, self.work.most] if number % 2 else [self.work.most, 1]
                if not self.attempt("skald", "beside", number, lambda order=order: self.skald.beside(self.work, order)):
                    break
        finally:
            busy.kill()
            busy.wait()

    def kernels(self):
        if not self.options.kernels:
            self.notes.append("kernels: --kernels FOLDER was not given")
            return
        self.attempt("kernels", "kernels", 0, lambda: programs.kernels(self.options.kernels, LEVELS))

    def record(self):
        for group in self.options.groups:
            getattr(self, group)()
        about = {"skald": self.skald.about(), **{peer.label: peer.about() for peer in self.peers}}
        return {"machine": read_machine(), "model": os.path.basename(self.options.model), "programs": about,
                "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime(self.begin)) + " UTC",
                "seconds": round(time.time() - self.begin), "notes": list(dict.fromkeys(self.notes)),
                "samples": self.samples}


def read_records(paths):
    """Several sittings as one: groups of a later file replace those of an earlier one."""
    whole = None
    for path in paths:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        if whole is None:
            whole = record
            continue
        fresh = {s["group"] for s in record["samples"]}
        whole["samples"] = [s for s in whole["samples"] if s["group"] not in fresh] + record["samples"]
        for label, about in record["programs"].items():
            flags = {**whole["programs"].get(label, {}).get("flags", {}), **about.get("flags", {})}
            known = whole["programs"].setdefault(label, {})
            known.update(about)
            if flags:
                known["flags"] = flags
        whole["notes"] = list(dict.fromkeys(whole["notes"] + record["notes"]))
        whole["seconds"] += record["seconds"]
    return whole


def write_record(path, record):
    """A sample a line."""
    head = json.dumps({key: value for key, value in record.items() if key != "samples"}, indent=1)
    rows = ",\n".join("  " + json.dumps(sample) for sample in record["samples"])
    with open(path, "w", encoding="utf-8") as file:
        file.write(head[:-2] + ',\n "samples": [\n' + rows + "\n ]\n}\n")


def make_parts(record):
    parts, pictures = {"machine": tables.machine_part(record)}, {}
    for group, make in tables.PARTS.items():
        if any(s["group"] == group and s["kind"] != "stream" for s in record["samples"]):
            parts[group], drawn = make(record["samples"])
            pictures.update(drawn)
    return parts, pictures


def replace_parts(page, parts, pictures):
    """Tables stand between `<!-- NAME -->` and `<!-- /NAME -->`; pictures lie in a folder with the page's name."""
    with open(page, encoding="utf-8") as file:
        text = file.read()
    for name, part in parts.items():
        marks = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text, found = re.subn(marks, lambda m: m[1] + part + m[2], text, flags=re.S)
        if not found:
            print(f"{page} has no place for {name}", file=sys.stderr)
    with open(page, "w", encoding="utf-8") as file:
        file.write(text)
    folder = os.path.splitext(page)[0]
    os.makedirs(folder, exist_ok=True)
    for name, picture in pictures.items():
        with open(os.path.join(folder, name + ".svg"), "w", encoding="utf-8") as file:
            file.write(picture)


def main(arguments):
    options = read_options(arguments)
    record = read_records(options.sources) if options.sources else Sitting(options).record()
    if options.save:
        write_record(options.save, record)
    parts, pictures = make_parts(record)
    for part in parts.values():
        print(part)
    if options.into:
        replace_parts(options.into, parts, pictures)
    return 0 if any(s["kind"] != "stream" for s in record["samples"]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
