"""Decoding with prompt lookup against without, in pairs beside each other.   drafts.py SKALD MODEL [ROUNDS]

Two tasks: a text that is to be corrected, where most of the answer stands in the prompt; and hostile text, drawn at a
high temperature behind a prompt whose words come back, each time with others behind them, so that what is looked up is
wrong. Both answers are compared; the medians of the pairs' quotients are printed."""
import random
import re
import statistics
import subprocess
import sys

TEXT = """The lighthouse stands on a small rock two miles from the shore. It was built in 1871 by a company of masons from
the north, who carried every stone across the water in open boats. For sixty years a keeper lived there with his
famly, and in winter nobody could reach them for weeks. They kept a garden in boxes of earth, a goat, and a
great many books. When the lamp was changed to electrik light in 1931, the last keeper moved to the village, but
every evening he walked to the end of the pier to see that it was burning. Today the tower belongs to the town,
and visiters may climb the hundred and twelve steps on Sundays when the sea is calm."""
EDIT = ("<|im_start|>user\nCopy the following text, but correct the spelling mistakes:\n\n" + TEXT.replace("\n", " ")
        + "<|im_end|>\n<|im_start|>assistant\nThe lighthouse stands")


def hostile():
    draw = random.Random(4)
    words = "sea house red wind stone under runs light paper never door seven".split()
    return " ".join(f"{draw.choice(words)} {draw.choice(words)} {draw.randrange(1000)}" for _ in range(150))


TASKS = {"edit": (EDIT, ["-n", "160"]),
         "hostile": (hostile(), ["-n", "200", "--ignore-eos", "--temp", "1.2", "--top-k", "40", "--seed", "1"])}


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
