#!/usr/bin/env python3
"""A gpt2 model whose table of positions holds sinusoids (arXiv 1706.03762, 3.5), with logits in float64.

    make_sinusoids.py FOLDER                    FOLDER/gpt2_sinusoids: model-f32.gguf, tokens.json, logits_N.npy
    make_sinusoids.py --check MODEL-FOLDER      the same arithmetic on another gpt2 model of tests/golden/data/tiny

No family of GGUF computes its sinusoids: a converter writes them into the table that gpt2 has, which is looked up. The
forward pass below is written down from the formulae, for nothing but numpy; --check holds it against logits of
transformers. Needs numpy and gguf; made with numpy 1.24.2."""
import json
import math
import pathlib
import sys

import gguf
import numpy as np

WIDTH, HEADS, FF, LAYERS, IDS, CONTEXT, EPS = 72, 6, 100, 2, 300, 96, 1e-5
LENGTHS = [7, 33, 80]


def sinusoids():
    """Row p: sin(p / 10000^(2 i / width)) for even columns, the cosine of the same for odd ones."""
    angle = np.arange(CONTEXT)[:, None] / 10000.0 ** (np.arange(0, WIDTH, 2) / WIDTH)
    return np.stack([np.sin(angle), np.cos(angle)], 2).reshape(CONTEXT, WIDTH)


def draw():
    random = np.random.default_rng(1706)
    def noise(*shape): return 0.13 * random.standard_normal(shape)
    def norm(): return 1 + 0.3 * random.standard_normal(WIDTH)
    t = {"token_embd.weight": noise(IDS, WIDTH), "position_embd.weight": sinusoids(),
         "output_norm.weight": norm(), "output_norm.bias": noise(WIDTH), "output.weight": noise(IDS, WIDTH)}
    for layer in range(LAYERS):
        shapes = {"attn_qkv": (3 * WIDTH, WIDTH), "attn_output": (WIDTH, WIDTH), "ffn_up": (FF, WIDTH),
                  "ffn_down": (WIDTH, FF)}
        for name, shape in shapes.items():
            t[f"blk.{layer}.{name}.weight"], t[f"blk.{layer}.{name}.bias"] = noise(*shape), noise(shape[0])
        for name in ("attn_norm", "ffn_norm"):
            t[f"blk.{layer}.{name}.weight"], t[f"blk.{layer}.{name}.bias"] = norm(), noise(WIDTH)
    return {name: x.astype(np.float32) for name, x in t.items()}


def layer_norm(t, name, x):
    x = x - x.mean(1, keepdims=True)
    return x / np.sqrt((x * x).mean(1, keepdims=True) + EPS) * t[name + ".weight"] + t[name + ".bias"]


def product(t, name, x): return x @ t[name + ".weight"].T + t[name + ".bias"]


def gelu(x): return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def attention(t, p, x, heads):
    """Every row sees itself and those before it."""
    n, width = x.shape
    q, k, v = product(t, p + "attn_qkv", x).reshape(n, 3, heads, width // heads).transpose(1, 2, 0, 3)
    score = q @ k.transpose(0, 2, 1) / math.sqrt(width // heads) + np.triu(np.full((n, n), -np.inf), 1)
    share = np.exp(score - score.max(2, keepdims=True))
    share /= share.sum(2, keepdims=True)
    return product(t, p + "attn_output", (share @ v).transpose(1, 0, 2).reshape(n, width))


def logits(tensors, ids, layers, heads):
    t = {name: x.astype(np.float64) for name, x in tensors.items()}
    x = t["token_embd.weight"][ids] + t["position_embd.weight"][:len(ids)]
    for p in (f"blk.{layer}." for layer in range(layers)):
        x = x + attention(t, p, layer_norm(t, p + "attn_norm", x), heads)
        x = x + product(t, p + "ffn_down", gelu(product(t, p + "ffn_up", layer_norm(t, p + "ffn_norm", x))))
    return layer_norm(t, "output_norm", x) @ t.get("output.weight", t["token_embd.weight"]).T


def write(path, tensors):
    w = gguf.GGUFWriter(str(path), "gpt2")
    w.add_block_count(LAYERS), w.add_context_length(CONTEXT), w.add_embedding_length(WIDTH), w.add_feed_forward_length(FF)
    w.add_head_count(HEADS), w.add_layer_norm_eps(EPS)
    for name, x in tensors.items(): w.add_tensor(name, x)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    tensors, random = draw(), np.random.default_rng(5998)
    sequences = [random.integers(0, IDS, n).tolist() for n in LENGTHS]
    (folder / "tokens.json").write_text(json.dumps({"sequences": sequences}) + "\n")
    for i, ids in enumerate(sequences):
        np.save(folder / f"logits_{i}.npy", logits(tensors, ids, LAYERS, HEADS).astype(np.float32))
    write(folder / "model-f32.gguf", tensors)


def check(folder):
    model = gguf.GGUFReader(folder / "model-f32.gguf")
    tensors = {t.name: np.array(t.data, np.float32) for t in model.tensors}
    layers, heads = (int(model.fields["gpt2." + key].parts[-1][0]) for key in ("block_count", "attention.head_count"))
    for i, ids in enumerate(json.loads((folder / "tokens.json").read_text())["sequences"]):
        want = np.load(folder / f"logits_{i}.npy")
        off = abs(logits(tensors, ids, layers, heads) - want).max() / want.std()
        print(f"text {i}: off by {off:.1e} of the deviation")


if __name__ == "__main__":
    if sys.argv[1] == "--check": check(pathlib.Path(sys.argv[2]))
    else: make(pathlib.Path(sys.argv[1]) / "gpt2_sinusoids")
