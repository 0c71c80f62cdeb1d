#!/usr/bin/env python3
"""Writes a GGUF with the shape of DeepSeek-V2-Lite and random weights, to measure speed with.

    make_latent.py OUT.gguf [--layers 4]

The first layer is dense, the others have 64 experts and two that all rows share. Other engines take only a file of 27
layers for a V2-Lite, whose queries are not compressed; one of fewer gets compressed ones, of V2's rank. Blocks are those of make_experts.py, and
Q5_0 where rows are no multiple of 256, as llama.cpp's quantizer chooses it in the place of Q4_K. Needs numpy and gguf."""
import argparse

import gguf
import numpy as np

import make_experts
from make_experts import TYPES, add, half, q6_k, random

WIDTH, HEADS, LATENT, PLAIN, TURNED, VALUE, Q_RANK = 2048, 16, 512, 128, 64, 128, 1536
DENSE_FF, FF, EXPERTS, USED, SHARED, IDS, ALL_LAYERS = 10944, 1408, 64, 6, 2, 102400, 27


def q5_0(n_supers, deviation):
    """f16 d, 4 bytes of high bits, 16 of nibbles; eight blocks where the others have one."""
    blocks = random.integers(0, 256, (8 * n_supers, 22), dtype=np.uint8)
    blocks[:, 0:2] = half(deviation / 9.2)
    return blocks


def matrix(w, name, n_in, n_out, n=1):
    if n_in % 256: add(w, name, n_in, n_out, n, q5_0, TYPES.Q5_0)
    else: add(w, name, n_in, n_out, n)


def describe(w, layers):
    make_experts.describe(w, layers)  # also its tokenizer
    w.add_name(f"random DeepSeek-V2-Lite, {layers} of {ALL_LAYERS} layers")
    w.add_head_count_kv(1), w.add_feed_forward_length(DENSE_FF), w.add_leading_dense_block_count(1)
    w.add_kv_lora_rank(LATENT), w.add_key_length(LATENT + TURNED), w.add_value_length(LATENT)
    w.add_key_length_mla(PLAIN + TURNED), w.add_value_length_mla(VALUE), w.add_rope_dimension_count(TURNED)
    w.add_layer_norm_rms_eps(1e-6)
    if layers < ALL_LAYERS: w.add_q_lora_rank(Q_RANK)
    w.add_expert_count(EXPERTS), w.add_expert_used_count(USED), w.add_expert_shared_count(SHARED)
    w.add_expert_feed_forward_length(FF), w.add_expert_weights_scale(1.0)
    w.add_expert_gating_func(gguf.ExpertGatingFuncType.SOFTMAX)


def add_queries(w, p, layers):
    n_out = HEADS * (PLAIN + TURNED)
    if layers == ALL_LAYERS: return matrix(w, p + "attn_q.weight", WIDTH, n_out)
    w.add_tensor(p + "attn_q_a_norm.weight", np.ones(Q_RANK, np.float32))
    matrix(w, p + "attn_q_a.weight", WIDTH, Q_RANK), matrix(w, p + "attn_q_b.weight", Q_RANK, n_out)


def add_attention(w, p):
    w.add_tensor(p + "attn_norm.weight", np.ones(WIDTH, np.float32))
    w.add_tensor(p + "attn_kv_a_norm.weight", np.ones(LATENT, np.float32))
    matrix(w, p + "attn_kv_a_mqa.weight", WIDTH, LATENT + TURNED)
    matrix(w, p + "attn_k_b.weight", PLAIN, LATENT, HEADS), matrix(w, p + "attn_v_b.weight", LATENT, VALUE, HEADS)
    matrix(w, p + "attn_output.weight", HEADS * VALUE, WIDTH)


def add_feeder(w, p, kind, n_ff, n=1):
    for name in ("gate", "up"): matrix(w, f"{p}ffn_{name}{kind}.weight", WIDTH, n_ff, n)
    matrix(w, f"{p}ffn_down{kind}.weight", n_ff, WIDTH, n)


def add_layer(w, p, layers, dense):
    add_queries(w, p, layers), add_attention(w, p)
    w.add_tensor(p + "ffn_norm.weight", np.ones(WIDTH, np.float32))
    if dense: return add_feeder(w, p, "", DENSE_FF)
    router = random.standard_normal((EXPERTS, WIDTH)) * 1.5 * WIDTH**-0.5
    w.add_tensor(p + "ffn_gate_inp.weight", router.astype(np.float32))
    add_feeder(w, p, "_exps", FF, EXPERTS), add_feeder(w, p, "_shexp", SHARED * FF)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("out"), a.add_argument("--layers", type=int, default=4)
    a = a.parse_args()
    make_experts.IDS = IDS
    w = gguf.GGUFWriter(a.out, "deepseek2")
    describe(w, a.layers)
    add(w, "token_embd.weight", WIDTH, IDS, deviation=1.0)
    for layer in range(a.layers): add_layer(w, f"blk.{layer}.", a.layers, layer == 0)
    w.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    add(w, "output.weight", WIDTH, IDS, blocks=q6_k, kind=TYPES.Q6_K)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


if __name__ == "__main__":
    main()
