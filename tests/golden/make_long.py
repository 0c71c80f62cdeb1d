#!/usr/bin/env python3
"""Makes tests/golden/data/long: logits of transformers in float32 at every 60th position of a text of 1 800 ids, for the
tiny models whose layers see windows.

    make_long.py FOLDER_WITH_HF_MODELS OUT_FOLDER

Needs numpy, torch and transformers (5.x). Id i of the text is the one that tests/golden/windows.c computes."""
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

LENGTH, EVERY = 1800, 60

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
for name in "gemma2", "gemma3", "gpt_oss":
    model = AutoModelForCausalLM.from_pretrained(folder / name / "hf", dtype=torch.float32, attn_implementation="eager")
    ids = [((i * 2654435761 % 2**32) >> 8) % model.config.vocab_size for i in range(LENGTH)]
    with torch.no_grad():
        logits = model.eval()(torch.tensor([ids]), use_cache=False).logits[0]
    np.save(out / f"{name}.npy", logits[EVERY - 1::EVERY].numpy())
