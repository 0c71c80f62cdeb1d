"""clang-tidy and gcc -fanalyzer over the library: no finding but those that stand in triaged.txt with a reason.

usage: analyze.py BUILD [FILE...]     BUILD: a folder with compile_commands.json; FILE: these sources only

A finding is tool, check, file and the line of source it points at, so that a changed line is looked at anew. What stands in
triaged.txt and is found no more has to go. The checks and why others are left out: .clang-tidy.
"""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TRIAGED = os.path.join(ROOT, "tests/static/triaged.txt")
FINDING = re.compile(r"^(.*?):(\d+):\d+: (?:warning|error): .*\[(-W)?([a-zA-Z0-9.,=-]+)\]$")
# Vector code of one instruction set: macros that unfold to intrinsics, where neither tool finds a thing in minutes.
LEFT_OUT = re.compile(r"backends/cpu/(avx2|avx512|avxvnni|amx|neon)/")


def source_line(path, number):
    with open(path, encoding="utf-8") as f:
        return f.read().split("\n")[number - 1].strip()


def findings(tool, output):
    for line in output.splitlines():
        m = FINDING.match(line)
        if m and not m[4].startswith("clang-diagnostic"):
            path = os.path.relpath(os.path.join(ROOT, m[1]), ROOT)
            check = m[4].replace(",-warnings-as-errors", "")
            yield f"{tool} {check} {path}: {source_line(os.path.join(ROOT, path), int(m[2]))}"


def run(job):
    tool, command, folder = job
    out = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = set(findings(tool, out.stdout + out.stderr))
    if out.returncode and not found:
        return {f"{tool} failed {command[-1]}: {(out.stderr or out.stdout).strip().splitlines()[-1:]}"}
    return found


def jobs(build, chosen):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        for entry in json.load(f):
            path = os.path.relpath(entry["file"], ROOT)
            if not re.match("lib/|backends/", path) or LEFT_OUT.match(path) or (chosen and path not in chosen):
                continue
            yield "clang-tidy", ["clang-tidy", "-p", build, "--quiet", entry["file"]], ROOT
            words = [w for w in entry["command"].split() if re.match("-[DIf]|-std", w)]
            yield "gcc", ["gcc", *words, "-O1", "-fanalyzer", "-S", "-o", "/dev/null", entry["file"]], entry["directory"]


def triaged():
    reason = None
    with open(TRIAGED, encoding="utf-8") as f:
        for line in f:
            line = line.rstrip("\n")
            if line.startswith("#"):
                reason = line
            elif line:
                assert reason, f"no reason before {line}"
                yield line


def main():
    build, chosen = os.path.abspath(sys.argv[1]), set(sys.argv[2:])
    for tool in ("clang-tidy", "gcc"):
        if not shutil.which(tool):
            print(f"skipped: {tool} is not there")
            return 77
    found = set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        work = list(jobs(build, chosen))
        for some in pool.map(run, work):
            found |= some
    known = set(triaged())
    for line in sorted(found - known):
        print(f"new: {line}")
    gone = [] if chosen else sorted(known - found)
    for line in gone:
        print(f"found no more: {line}")
    print(f"{len(work) // 2} files, {len(found)} findings, {len(found & known)} of them triaged")
    return 1 if found - known or gone else 0


if __name__ == "__main__":
    sys.exit(main())
