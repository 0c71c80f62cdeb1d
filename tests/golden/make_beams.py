"""What transformers' beam search finds on three small models, as text.   make_beams.py ORACLE_TINY OUT

ORACLE_TINY/NAME/hf is the transformers folder of tests/golden/data/tiny/NAME. Made with torch 2.15.0, transformers 5.24.0,
float32. A line for each search:

    model k length_penalty stop n_tokens prompt ... | score ended ids ... | score ended ids ...      the best texts first

stop is 0 (early_stopping False), 1 (True) or 2 ("never"); ids leave out the one that ended a text. Behind 20 prompts for each
model come six, found among hundreds, for which stopping in another way finds other texts.
"""
import itertools
import pathlib
import sys

import torch
import transformers

MODELS = {"llama_gqa_tied": [0, 2], "qwen3": [0, 2], "gemma3": [0, 2]}  # and the ids at which skald ends
WIDTHS = [1, 2, 4, 8]
STOPS = [False, True, "never"]
DIFFER = [("llama_gqa_tied", 8, 1.0, 12, 777, 360), ("qwen3", 8, 2.0, 12, 777, 269),  # True from the others
          ("llama_gqa_tied", 2, 2.0, 30, 5, 145), ("llama_gqa_tied", 2, 1.0, 24, 6, 328),  # False from "never"
          ("qwen3", 2, 2.0, 30, 5, 199), ("qwen3", 2, 1.0, 24, 6, 63)]  # k, length_penalty, n_tokens, the prompt's seed and number


def prompts(n_vocab, state):
    for number in itertools.count():
        ids = []
        for _ in range(3 + 7 * number % 40):
            state = (state * 1103515245 + 12345) % 2**31
            ids.append(3 + (state >> 8) % (n_vocab - 3))
        yield number, ids


def search(model, ends, ids, k, penalty, stop, n_tokens):
    """[(score, ended, ids)]"""
    found = model.generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), num_beams=k, num_return_sequences=k,
        max_new_tokens=n_tokens, do_sample=False, length_penalty=penalty, early_stopping=STOPS[stop], eos_token_id=ends,
        pad_token_id=ends[0], return_dict_in_generate=True, output_scores=True)
    scores = [float(x) for x in found.sequences_scores] if k > 1 else [0.0]
    texts = []
    for row, score in zip(found.sequences.tolist(), scores):
        answer = row[len(ids):]
        end = next((i for i, x in enumerate(answer) if x in ends), None)
        texts.append((score, int(end is not None), answer[:end]))
    return texts


def line(name, ids, k, penalty, stop, n_tokens, texts):
    parts = [f"{name} {k} {penalty} {stop} {n_tokens} " + " ".join(map(str, ids))]
    parts += [f"{score:.6f} {ended} " + " ".join(map(str, answer)) for score, ended, answer in texts]
    return " | ".join(part.strip() for part in parts)


def main(oracle, out):
    torch.set_num_threads(2)
    lines = []
    for name, ends in MODELS.items():
        model = transformers.AutoModelForCausalLM.from_pretrained(oracle / name / "hf", dtype=torch.float32).eval()
        for number, ids in itertools.islice(prompts(model.config.vocab_size, 12345), 20):
            penalty, stop, n_tokens = [1.0, 0.0, 2.0, -0.5][number % 4], number % 3, 6 + number % 11
            for k in WIDTHS:
                lines.append(line(name, ids, k, penalty, stop, n_tokens, search(model, ends, ids, k, penalty, stop, n_tokens)))
        for _, k, penalty, n_tokens, state, number in (row for row in DIFFER if row[0] == name):
            ids = next(itertools.islice(prompts(model.config.vocab_size, state), number, None))[1]
            for stop in range(len(STOPS)):
                lines.append(line(name, ids, k, penalty, stop, n_tokens, search(model, ends, ids, k, penalty, stop, n_tokens)))
    out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
