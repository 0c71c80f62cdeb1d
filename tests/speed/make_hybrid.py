#!/usr/bin/env python3
"""Writes a GGUF with the shape of Qwen3-Next-80B-A3B and random weights, to measure speed with.

    make_hybrid.py OUT.gguf [--layers 4]

Every fourth layer has gated attention, the others the gated delta rule; all have 512 experts. Blocks are those of
make_experts.py, matrices of few outputs are F32. Needs numpy and gguf."""
import argparse

import gguf
import numpy as np

import make_experts
from make_experts import TYPES, add, q6_k, random

WIDTH, HEADS, KV_HEADS, HEAD, TURNED = 2048, 16, 2, 256, 64
STATES, KEYS, STATE, TAPS = 32, 16, 128, 4
FF, EXPERTS, USED, IDS, ALL_LAYERS = 512, 512, 10, 151936, 48
CHANNELS, VALUES = (2 * KEYS + STATES) * STATE, STATES * STATE


def floats(w, name, n_in, n_out, deviation=None):
    x = random.standard_normal((n_out, n_in)) * (deviation or n_in**-0.5)
    w.add_tensor(name, x.astype(np.float32))


def vector(w, name, n, value=1.0): w.add_tensor(name, np.full(n, value, np.float32))


def describe(w, layers):
    make_experts.describe(w, layers)  # also its tokenizer
    w.add_name(f"random Qwen3-Next-80B-A3B, {layers} of {ALL_LAYERS} layers")
    w.add_head_count(HEADS), w.add_head_count_kv(KV_HEADS), w.add_key_length(HEAD), w.add_value_length(HEAD)
    w.add_rope_dimension_count(TURNED), w.add_rope_freq_base(1e7), w.add_layer_norm_rms_eps(1e-6)
    w.add_expert_count(EXPERTS), w.add_expert_used_count(USED), w.add_feed_forward_length(5120)
    w.add_expert_feed_forward_length(FF), w.add_expert_shared_feed_forward_length(FF)
    w.add_ssm_conv_kernel(TAPS), w.add_ssm_state_size(STATE), w.add_ssm_group_count(KEYS)
    w.add_ssm_time_step_rank(STATES), w.add_ssm_inner_size(VALUES)
    w.add_uint32(f"{w.arch}.full_attention_interval", 4)


def add_attention(w, p):
    add(w, p + "attn_q.weight", WIDTH, 2 * HEADS * HEAD)
    add(w, p + "attn_k.weight", WIDTH, KV_HEADS * HEAD), add(w, p + "attn_v.weight", WIDTH, KV_HEADS * HEAD)
    vector(w, p + "attn_q_norm.weight", HEAD), vector(w, p + "attn_k_norm.weight", HEAD)
    add(w, p + "attn_output.weight", HEADS * HEAD, WIDTH)


def add_delta(w, p):
    add(w, p + "attn_qkv.weight", WIDTH, CHANNELS), add(w, p + "attn_gate.weight", WIDTH, VALUES)
    floats(w, p + "ssm_ba.weight", WIDTH, 2 * STATES), floats(w, p + "ssm_conv1d.weight", TAPS, CHANNELS)
    vector(w, p + "ssm_a", STATES, -0.5), vector(w, p + "ssm_dt.bias", STATES, -2.0)
    vector(w, p + "ssm_norm.weight", STATE), add(w, p + "ssm_out.weight", VALUES, WIDTH)


def add_experts(w, p):
    floats(w, p + "ffn_gate_inp.weight", WIDTH, EXPERTS, 1.5 * WIDTH**-0.5)
    w.add_tensor(p + "ffn_gate_inp_shexp.weight", (random.standard_normal(WIDTH) * WIDTH**-0.5).astype(np.float32))
    for matrix in ("gate", "up"):
        add(w, f"{p}ffn_{matrix}_exps.weight", WIDTH, FF, EXPERTS), add(w, f"{p}ffn_{matrix}_shexp.weight", WIDTH, FF)
    add(w, p + "ffn_down_exps.weight", FF, WIDTH, EXPERTS), add(w, p + "ffn_down_shexp.weight", FF, WIDTH)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("out"), a.add_argument("--layers", type=int, default=4)
    a = a.parse_args()
    make_experts.IDS = IDS
    w = gguf.GGUFWriter(a.out, "qwen3next")
    describe(w, a.layers)
    add(w, "token_embd.weight", WIDTH, IDS, deviation=1.0)
    for layer in range(a.layers):
        p = f"blk.{layer}."
        vector(w, p + "attn_norm.weight", WIDTH), vector(w, p + "post_attention_norm.weight", WIDTH)
        (add_delta if (layer + 1) % 4 else add_attention)(w, p)
        add_experts(w, p)
    vector(w, "output_norm.weight", WIDTH)
    add(w, "output.weight", WIDTH, IDS, blocks=q6_k, kind=TYPES.Q6_K)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


if __name__ == "__main__":
    main()
