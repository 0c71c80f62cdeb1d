"""What transformers' beam search finds on three small models, as text.   make_beams.py ORACLE_TINY OUT

ORACLE_TINY/NAME/hf is the transformers folder of tests/golden/data/tiny/NAME. Made with torch 2.15.0, transformers 5.24.0,
float32. A line for each search:

    model k length_penalty stop n_tokens prompt ... | score ended ids ... | score ended ids ...      the best texts first

stop is 0 (early_stopping False), 1 (True) or 2 ("never"); ids leave out the one that ended a text.
"""
import pathlib
import sys

import torch
import transformers

MODELS = {"llama_gqa_tied": [0, 2], "qwen3": [0, 2], "gemma3": [0, 2]}  # and the ids at which skald ends
WIDTHS = [1, 2, 4, 8]
STOPS = [False, True, "never"]


def prompts(n_vocab):
    state = 12345
    for number in range(20):
        ids = []
        for _ in range(3 + 7 * number % 40):
            state = (state * 1103515245 + 12345) % 2**31
            ids.append(3 + (state >> 8) % (n_vocab - 3))
        yield number, ids


def main(oracle, out):
    torch.set_num_threads(2)
    lines = []
    for name, ends in MODELS.items():
        model = transformers.AutoModelForCausalLM.from_pretrained(oracle / name / "hf", dtype=torch.float32).eval()
        for number, ids in prompts(model.config.vocab_size):
            penalty, stop, n_tokens = [1.0, 0.0, 2.0, -0.5][number % 4], number % 3, 6 + number % 11
            for k in WIDTHS:
                found = model.generate(
                    torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), num_beams=k,
                    num_return_sequences=k, max_new_tokens=n_tokens, do_sample=False, length_penalty=penalty,
                    early_stopping=STOPS[stop], eos_token_id=ends, pad_token_id=ends[0], return_dict_in_generate=True,
                    output_scores=True)
                scores = [float(x) for x in found.sequences_scores] if k > 1 else [0.0]
                parts = [f"{name} {k} {penalty} {stop} {n_tokens} " + " ".join(map(str, ids))]
                for row, score in zip(found.sequences.tolist(), scores):
                    answer = row[len(ids):]
                    end = next((i for i, x in enumerate(answer) if x in ends), None)
                    parts.append(f"{score:.6f} {int(end is not None)} " + " ".join(map(str, answer[:end])))
                lines.append(" | ".join(part.strip() for part in parts))
    out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
