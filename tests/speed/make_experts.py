#!/usr/bin/env python3
"""Writes a GGUF with the shape of OLMoE-1B-7B and random weights, to measure speed with: what docs/speed.md ran on.

    make_experts.py OUT.gguf [--arch olmoe|llama] [--layers 4]

`llama` is the same without norms of q and k, for engines that do not know olmoe. Blocks are random bits under scales that
keep activations finite: Q4_K, and Q6_K for the output. Needs numpy and gguf."""
import argparse

import gguf
import numpy as np

WIDTH, HEADS, HEAD, FF, EXPERTS, USED, IDS, ALL_LAYERS = 2048, 16, 128, 1024, 64, 8, 50304, 16
TYPES = gguf.GGMLQuantizationType
random = np.random.default_rng(7)


def half(x): return np.frombuffer(np.float16(x).tobytes(), np.uint8)


def q4_k(n_blocks, deviation):
    """f16 d, f16 dmin, 12 bytes of scales and mins, 128 of nibbles."""
    blocks = random.integers(0, 256, (n_blocks, 144), dtype=np.uint8)
    blocks[:, 0:2], blocks[:, 2:4] = half(deviation / 150), half(deviation / 150 * 7.5)
    return blocks


def q6_k(n_blocks, deviation):
    """128 low nibbles, 64 bytes of high bits, 16 scales, f16 d."""
    blocks = random.integers(0, 256, (n_blocks, 210), dtype=np.uint8)
    blocks[:, 208:210] = half(deviation / 1400)
    return blocks


def add(writer, name, n_in, n_out, n=1, blocks=q4_k, kind=TYPES.Q4_K, deviation=None):
    data = blocks(n * n_out * n_in // 256, deviation or n_in**-0.5)
    writer.add_tensor(name, data.reshape((n, n_out, -1) if n > 1 else (n_out, -1)), raw_dtype=kind)


def describe(w, layers):
    w.add_name(f"random OLMoE-1B-7B, {layers} of {ALL_LAYERS} layers")
    w.add_block_count(layers), w.add_context_length(4096), w.add_embedding_length(WIDTH), w.add_feed_forward_length(FF)
    w.add_head_count(HEADS), w.add_head_count_kv(HEADS), w.add_rope_dimension_count(HEAD), w.add_rope_freq_base(10000.0)
    w.add_layer_norm_rms_eps(1e-5), w.add_expert_count(EXPERTS), w.add_expert_used_count(USED), w.add_file_type(15)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes as byte-level BPE writes them
    others = iter(range(256, 512))
    letters = [chr(b if b in printable else next(others)) for b in range(256)]
    w.add_tokenizer_model("gpt2"), w.add_tokenizer_pre("llama-bpe"), w.add_vocab_size(IDS)
    w.add_token_list(letters + [f"tok{i}" for i in range(IDS - 258)] + ["<|begin|>", "<|end|>"])
    w.add_token_types([1] * (IDS - 2) + [3, 3]), w.add_token_merges([f"{letters[65]} {letters[66]}"])
    w.add_bos_token_id(IDS - 2), w.add_eos_token_id(IDS - 1), w.add_add_bos_token(False)


def add_layer(w, layer, arch):
    p, ones = f"blk.{layer}.", np.ones(WIDTH, np.float32)
    for norm in ["attn_norm", "ffn_norm"] + (["attn_q_norm", "attn_k_norm"] if arch == "olmoe" else []):
        w.add_tensor(p + norm + ".weight", ones)
    for matrix in ("q", "k", "v", "output"): add(w, f"{p}attn_{matrix}.weight", WIDTH, WIDTH)
    router = random.standard_normal((EXPERTS, WIDTH)) * 1.5 * WIDTH**-0.5
    w.add_tensor(p + "ffn_gate_inp.weight", router.astype(np.float32))
    for matrix in ("gate", "up"): add(w, f"{p}ffn_{matrix}_exps.weight", WIDTH, FF, EXPERTS)
    add(w, p + "ffn_down_exps.weight", FF, WIDTH, EXPERTS)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("out"), a.add_argument("--arch", default="olmoe", choices=["olmoe", "llama"])
    a.add_argument("--layers", type=int, default=4)
    a = a.parse_args()
    w = gguf.GGUFWriter(a.out, a.arch)
    describe(w, a.layers)
    add(w, "token_embd.weight", WIDTH, IDS, deviation=1.0)
    for layer in range(a.layers): add_layer(w, layer, a.arch)
    w.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    add(w, "output.weight", WIDTH, IDS, blocks=q6_k, kind=TYPES.Q6_K)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


if __name__ == "__main__":
    main()
