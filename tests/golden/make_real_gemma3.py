#!/usr/bin/env python3
"""Makes tests/golden/data/real/gemma3-270m-q4_k_m.{npz,json}: a published Gemma 3 270M Q4_K_M in float32 by transformers,
two texts of 1 000 tokens, about twice its window, and llama.cpp's own distance from that with its defaults (f16 cache).

    make_real_gemma3.py MODEL.gguf TEXT1 TEXT2 OUT_STEM REFRUN

TEXT1 and TEXT2 are files of UTF-8. REFRUN is a driver of libllama: `REFRUN tok MODEL STRINGS OUT`, `REFRUN logits MODEL
TOKENS OUT default`. Each tensor of the file is widened to float32. Needs numpy, torch, transformers (5.x) and gguf."""
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf.quants import dequantize
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

TOP, LENGTH, BOS = 64, 1000, 2
NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
         "attn_norm": "input_layernorm", "post_attention_norm": "post_attention_layernorm",
         "ffn_norm": "pre_feedforward_layernorm", "post_ffw_norm": "post_feedforward_layernorm"}


def name_of(name):
    if not name.startswith("blk."):
        return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[name]
    _, layer, stem, kind = name.split(".")
    return f"model.layers.{layer}.{NAMES[stem]}.{kind}"


def load(path):
    reader = gguf.GGUFReader(path)
    key = lambda k, other=None: reader.fields["gemma3." + k].contents() if "gemma3." + k in reader.fields else other
    weights = {}
    for t in reader.tensors:
        x = dequantize(t.data, t.tensor_type).reshape([int(n) for n in t.shape][::-1]).astype(np.float32)
        weights[name_of(t.name)] = torch.from_numpy(x - 1 if "norm" in t.name else x)  # files hold 1 + weight
    layers = key("block_count")
    turn = lambda base: {"rope_type": "default", "rope_theta": base}
    config = Gemma3TextConfig(
        vocab_size=weights["model.embed_tokens.weight"].shape[0], hidden_size=key("embedding_length"),
        intermediate_size=key("feed_forward_length"), num_hidden_layers=layers,
        num_attention_heads=key("attention.head_count"), num_key_value_heads=key("attention.head_count_kv"),
        head_dim=key("attention.key_length"), query_pre_attn_scalar=key("attention.key_length"),
        max_position_embeddings=key("context_length"), rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        sliding_window=key("attention.sliding_window"), tie_word_embeddings=True,
        layer_types=["full_attention" if (i + 1) % 6 == 0 else "sliding_attention" for i in range(layers)],
        rope_parameters={"full_attention": turn(key("rope.freq_base")),
                         "sliding_attention": turn(key("rope.freq_base_swa", 10000.0))})
    config._attn_implementation = "eager"
    model = Gemma3ForCausalLM(config)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert missing == ["lm_head.weight"] and not unexpected, (missing, unexpected)
    return model.float().eval()


def tokenize(refrun, model, texts, folder):
    strings, out = folder / "strings", folder / "ids"
    parts = [struct.pack("<i", len(texts))]
    for text in texts:
        parts += [struct.pack("<i", len(text.encode())), text.encode()]
    strings.write_bytes(b"".join(parts))
    subprocess.run([refrun, "tok", model, strings, out], check=True, capture_output=True)
    return [([BOS] + json.loads(line)[0])[:LENGTH] for line in out.open()]


def log_softmax(x):
    x = np.asarray(x, np.float64)
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def reference(model, ids):
    with torch.no_grad():
        got = log_softmax(model(torch.tensor([ids]), use_cache=False).logits[0].numpy())
    top = np.argsort(-got, axis=1, kind="stable")[:, :TOP]
    return dict(tokens=np.asarray(ids, np.int32), top_ids=top.astype(np.int32),
                top_logprobs=np.take_along_axis(got, top, 1).astype(np.float32),
                next_logprob=got[np.arange(len(ids) - 1), ids[1:]].astype(np.float32))


def distance(part, logits):
    got, want = log_softmax(logits), part["top_logprobs"].astype(np.float64)
    picked = np.take_along_axis(got, part["top_ids"].astype(np.int64), 1)
    rest, rest_got = (np.clip(1 - np.exp(x).sum(1), 1e-12, 1) for x in (want, picked))
    kl = (np.exp(want) * (want - picked)).sum(1) + rest * np.log(rest / rest_got)
    ids = part["tokens"]
    return kl, got.argmax(1) == part["top_ids"][:, 0], got[np.arange(len(ids) - 1), ids[1:]]


def peer(refrun, model, parts, folder):
    tokens, out = folder / "tokens", folder / "logits"
    ids = [p["tokens"] for p in parts]
    head = np.concatenate([[len(ids)]] + [np.concatenate([[len(s)], s]) for s in ids]).astype("<i4")
    tokens.write_bytes(head.tobytes())
    subprocess.run([refrun, "logits", model, tokens, out, "default"], check=True)
    n = sum(map(len, ids))
    rows = np.memmap(out, "<f4", "r").reshape(n, -1)
    ends = np.cumsum([0] + [len(s) for s in ids])
    kl, top1, following = zip(*(distance(p, rows[a:b]) for p, a, b in zip(parts, ends, ends[1:])))
    behind = np.concatenate([k[512:] for k in kl])
    return dict(kl=float(np.concatenate(kl).mean()), kl_behind_window=float(behind.mean()),
                top1=float(np.concatenate(top1).mean()), ppl=float(np.exp(-np.concatenate(following).mean())))


def main():
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    path, *files, stem, refrun = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = tokenize(refrun, path, [Path(f).read_text() for f in files], folder)
        model = load(path)
        parts = [reference(model, ids) for ids in texts]
        info = dict(top=TOP, sequences={f"text{i}": len(ids) for i, ids in enumerate(texts)},
                    reference_ppl=dict(total=float(np.exp(-np.concatenate([p["next_logprob"] for p in parts]).mean()))),
                    llama_cpp=dict(default=dict(total=peer(refrun, path, parts, folder))))
    np.savez_compressed(stem + ".npz", **{f"text{i}.{k}": v for i, p in enumerate(parts) for k, v in p.items()})
    Path(stem + ".json").write_text(json.dumps(info, indent=1) + "\n")
    print(json.dumps(info))


if __name__ == "__main__":
    main()
