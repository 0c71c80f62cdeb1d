#!/usr/bin/env python3
"""Published models against float32 logits of another engine: real.py SKALD MODEL.gguf [gemma3]

Without a third word MODEL is SmolLM2-135M-Instruct (Q4_1), with it Gemma 3 270M (Q4_K_M) and texts of about twice its window.
The reference holds, for some texts, the 64 most probable ids of every position with their log-probabilities, computed in
float32 from the same weights. Checked: mean KL at most 1.1 times that of llama.cpp at the same cache type, agreement of
the most probable id, perplexity; and greedy continuations of five prompts of SmolLM2, id by id. Needs numpy."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "real")
SMOLLM2, GEMMA3 = (os.path.join(HERE, name) for name in ("smollm2-135m-q4_1", "gemma3-270m-q4_k_m"))
KL_FACTOR, GREEDY_TOKENS, CLOSE_CALL = 1.1, 24, 0.05


def logits_of(skald, model, ids, folder):
    """f32 logits of all positions, by `skald eval`."""
    tokens, out = os.path.join(folder, "ids.json"), os.path.join(folder, "out.npy")
    with open(tokens, "w") as f:
        json.dump([int(i) for i in ids], f)
    subprocess.run([skald, "eval", "-m", model, "--tokens", tokens, "--logits", out, "--kv", "f16"], check=True)
    return np.load(out)


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def compare(reference, sequence, logits):
    """KL over the reference's ids and one bucket for the rest, top-1 agreement, log-probability of what follows."""
    ids = reference[sequence + ".top_ids"].astype(np.int64)
    want = reference[sequence + ".top_logprobs"].astype(np.float64)
    tokens = reference[sequence + ".tokens"]
    got = log_softmax(logits)
    picked = np.take_along_axis(got, ids, 1)
    rest_want = np.clip(1 - np.exp(want).sum(1), 1e-12, 1)
    rest_got = np.clip(1 - np.exp(picked).sum(1), 1e-12, 1)
    kl = (np.exp(want) * (want - picked)).sum(1) + rest_want * np.log(rest_want / rest_got)
    return kl, got.argmax(1) == ids[:, 0], got[np.arange(len(tokens) - 1), tokens[1:]]


def check_texts(skald, model, name, folder):
    reference = np.load(name + ".npz")
    with open(name + ".json") as f:
        info = json.load(f)
    peer = info["llama_cpp"]["default"]["total"]
    parts = [compare(reference, s, logits_of(skald, model, reference[s + ".tokens"], folder)) for s in info["sequences"]]
    kl, top1, following = (np.concatenate(p) for p in zip(*parts))
    perplexity = float(np.exp(-following.mean()))
    if "kl_behind_window" in peer:
        behind = np.concatenate([part[0][512:] for part in parts]).mean()
        print(f"behind the window: KL {behind:.6f} (llama.cpp {peer['kl_behind_window']:.6f})")
    exact = info["reference_ppl"]["total"]
    print(f"KL {kl.mean():.6f} (llama.cpp {peer['kl']:.6f}), top-1 {top1.mean():.4f} ({peer['top1']:.4f}), "
          f"perplexity {perplexity:.4f} (float32 {exact:.4f}, llama.cpp {peer['ppl']:.4f})")
    return kl.mean() <= KL_FACTOR * peer["kl"] and top1.mean() >= peer["top1"] - 0.01 and abs(perplexity / exact - 1) < 5e-3


def check_greedy(skald, model, name, folder):
    """Equal for 24 ids, or the first difference is a close call: between the two best of this run, or of float32
    arithmetic on the same weights (greedy_gaps.json)."""
    with open(name + ".json") as f:
        cases = json.load(f)["llama_cpp_greedy"]
    with open(os.path.join(HERE, "greedy_gaps.json")) as f:
        exact_gaps = json.load(f)
    good = True
    for case, exact in zip(cases, exact_gaps):
        prompt, want = case["prompt_ids"], case["ids"][:GREEDY_TOKENS]
        logits = logits_of(skald, model, prompt + want, folder)[len(prompt) - 1:-1]
        got = logits.argmax(1)
        differs = np.nonzero(got != want)[0]
        line = "equal"
        if len(differs):
            first = differs[0]
            best = np.sort(logits[first])[-2:]
            line = f"differs at {first}, the two best are {best[1] - best[0]:.4f} apart, in float32 {exact[first]:.4f}"
            good &= bool(min(best[1] - best[0], exact[first]) < CLOSE_CALL)
        print(f"{case['prompt']!r}: {len(want)} ids, {line}")
    return good


def main():
    gemma3 = sys.argv[3:] == ["gemma3"]
    if len(sys.argv) != 3 and not gemma3:
        sys.exit(__doc__)
    checks, name = ([check_texts], GEMMA3) if gemma3 else ([check_texts, check_greedy], SMOLLM2)
    with tempfile.TemporaryDirectory() as folder:
        good = all([check(sys.argv[1], sys.argv[2], name, folder) for check in checks])
    print("real model:", "pass" if good else "FAIL")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
