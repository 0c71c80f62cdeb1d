"""A guard that does not look at a clock: instructions of fixed work against the committed counts.

    instructions.py PROGRAM [--record]        PROGRAM is test_speed_instructions

Callgrind counts what each call of sk_measured executes. A count may be 3 % above its line in instructions.json; more
fails. A count is the compiler's too: another compiler than those recorded is said and skipped (exit code 77), as is a
machine without valgrind or AVX2. `--record` writes the lines of this compiler anew, to be reviewed with the commit."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.json")
TOLERANCE = 0.03
SKIPPED = 77


def count(program):
    """(compiler, {name: instructions}): callgrind writes a numbered file whenever sk_measured returns."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "counts")
        done = subprocess.run(["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=sk_measured",
                               "--dump-after=sk_measured", f"--callgrind-out-file={out}", program],
                              capture_output=True, text=True)
        compiler, *names = done.stdout.splitlines() or ["nothing"]
        if done.returncode == SKIPPED:
            sys.exit(skip("this machine does not run the AVX2 level"))
        if done.returncode:
            sys.exit(f"exit code {done.returncode}\n{done.stderr[-2000:]}")
        files = sorted(glob.glob(out + ".*"), key=lambda path: int(path.rsplit(".", 1)[1]))
        counts = []
        for path in files:
            with open(path, encoding="utf-8") as file:
                counts.append(int(re.search(r"^(?:totals|summary): (\d+)", file.read(), re.M)[1]))
    if len(counts) < len(names) or not all(counts[:len(names)]):
        sys.exit(f"{len(names)} pieces of work, {len(counts)} counts: {counts}")
    return compiler, dict(zip(names, counts))


def skip(why):
    print(f"SKIPPED, nothing was compared: {why}")
    return SKIPPED


def record(table, compiler, found):
    """A line for each count, so that a commit shows what became slower."""
    table[compiler] = found
    parts = []
    for name in sorted(table):
        rows = ",\n".join(f'  {json.dumps(work)}: {number}' for work, number in table[name].items())
        parts.append(f'{json.dumps(name)}: {{\n{rows}\n }}')
    with open(TABLE, "w", encoding="utf-8") as file:
        file.write("{\n " + ",\n ".join(parts) + "\n}\n")
    print(f"{compiler}: {len(found)} counts recorded")
    return 0


def compare(wanted, found):
    slower = 0
    for name in sorted(set(wanted) | set(found)):
        if name not in found or name not in wanted:
            print(f"{name}: {'gone' if name in wanted else 'not recorded'}: record it anew")
            slower += 1
            continue
        change = found[name] / wanted[name] - 1
        verdict = "MORE" if change > TOLERANCE else "less: record it" if change < -TOLERANCE else "as ever"
        slower += change > TOLERANCE
        print(f"{name:28} {found[name]:12} {change:+8.2%}  {verdict}")
    print(f"{len(found)} counts, {slower} wrong")
    return slower != 0


def main(program, more):
    if not shutil.which("valgrind"):
        return skip("valgrind is not installed")
    compiler, found = count(program)
    try:
        with open(TABLE, encoding="utf-8") as file:
            table = json.load(file)
    except FileNotFoundError:
        table = {}
    if more == ["--record"]:
        return record(table, compiler, found)
    if compiler not in table:
        return skip(f"no counts of {compiler}, only of {', '.join(sorted(table)) or 'nobody'}")
    return compare(table[compiler], found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
