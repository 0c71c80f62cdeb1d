"""Decoding with prompt lookup against without, in pairs beside each other.   drafts.py SKALD MODEL [ROUNDS]

Two tasks: a program that is to be written again with one name changed, where most of the answer stands in the prompt; and
hostile text, drawn at a high temperature behind a prompt whose pairs of words come back, each time with another behind
them, so that what is looked up is wrong. Both answers are compared; the medians of the pairs' quotients are printed."""
import random
import re
import statistics
import subprocess
import sys

SOURCE = """def load_table(path):
    rows = []
    with open(path) as file:
        for line in file:
            name, price, count = line.strip().split(",")
            rows.append({"name": name, "price": float(price), "count": int(count)})
    return rows


def total_value(rows):
    total = 0.0
    for row in rows:
        total += row["price"] * row["count"]
    return total


def cheapest(rows):
    best = None
    for row in rows:
        if best is None or row["price"] < best["price"]:
            best = row
    return best
"""
EDIT = ("<|im_start|>user\nRepeat this program exactly, but rename the function cheapest to lowest_price:\n"
        f"```python\n{SOURCE}```<|im_end|>\n<|im_start|>assistant\n```python\n")


def hostile():
    draw = random.Random(4)
    words = "sea house red wind stone under runs light paper never door seven".split()
    return " ".join(f"{draw.choice(words)} {draw.choice(words)} {draw.randrange(1000)}" for _ in range(150))


TASKS = {"edit": (EDIT, ["-n", "200"]), "hostile": (hostile(), ["-n", "200", "--ignore-eos", "--temp", "1.5", "--seed", "1"])}


def run(skald, model, prompt, more):
    done = subprocess.run([skald, "run", "-m", model, "-t", "2", "-c", "4096", "-p", prompt, *more], capture_output=True,
                          text=True, check=True)
    return float(re.search(r"answer \d+ tokens, ([0-9.]+)", done.stderr)[1]), done


def main(skald, model, rounds=7):
    for name, (prompt, more) in TASKS.items():
        plain, ahead, quotients = [], [], []
        for _ in range(int(rounds)):
            a, without = run(skald, model, prompt, more)
            b, drafted = run(skald, model, prompt, [*more, "--lookup"])
            assert without.stdout == drafted.stdout, "another answer"
            plain.append(a), ahead.append(b), quotients.append(b / a)
        drafts = re.search(r"drafts: .*", drafted.stderr)
        print(f"{name}: {statistics.median(plain):.0f} tokens/s, with lookup {statistics.median(ahead):.0f}, "
              f"{statistics.median(quotients):.3f} x ({min(quotients):.3f} to {max(quotients):.3f}); "
              f"{drafts[0] if drafts else 'no drafts'}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
