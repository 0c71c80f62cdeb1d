#!/usr/bin/env python3
"""Makes tests/golden/data/tiny/gpt_oss_mxfp4: a gpt-oss model of random weights whose experts are MXFP4, as those of the
published ones, and logits of transformers in float32 over exactly the values that the file holds.

    make_gpt_oss_mxfp4.py OUT_FOLDER

Needs numpy, torch, transformers (5.x) and gguf. MXFP4 is OCP's: blocks of 32 elements of E2M1 under a scale of E8M0; a
byte of the file holds elements j (low) and j + 16 (high) of a block."""
import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import GptOssConfig, GptOssForCausalLM

WIDTH, HEADS, KV_HEADS, HEAD, FF, EXPERTS, USED, LAYERS, IDS, WINDOW = 64, 4, 2, 16, 64, 4, 2, 2, 300, 16
ROPE = dict(rope_type="yarn", rope_theta=150000.0, factor=8.0, beta_fast=32.0, beta_slow=1.0, truncate=True,
            original_max_position_embeddings=1024)
VALUES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)


def to_mxfp4(x):
    """x [..., n] -> bytes as a file has them, and the values that they stand for."""
    blocks = x.reshape(-1, 32)
    most = np.abs(blocks).max(1)
    exponent = np.clip(np.floor(np.log2(most)) - 2 + 127, 1, 254).astype(np.int32)
    scale = np.exp2(exponent - 127.0).astype(np.float32)[:, None]
    codes = np.abs(blocks[:, :, None] / scale[:, :, None] - VALUES).argmin(2).astype(np.uint8)
    packed = np.empty((len(blocks), 17), np.uint8)
    packed[:, 0] = exponent
    packed[:, 1:] = codes[:, :16] | codes[:, 16:] << 4
    return packed.reshape(*x.shape[:-1], -1), (VALUES[codes] * scale).reshape(x.shape)


def make_model():
    config = GptOssConfig(vocab_size=IDS, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                          num_key_value_heads=KV_HEADS, head_dim=HEAD, intermediate_size=FF, num_local_experts=EXPERTS,
                          num_experts_per_tok=USED, sliding_window=WINDOW, rms_norm_eps=1e-5, tie_word_embeddings=False,
                          layer_types=["sliding_attention", "full_attention"], max_position_embeddings=8192,
                          rope_parameters=ROPE, bos_token_id=0, eos_token_id=0, pad_token_id=None)
    config._attn_implementation = config._experts_implementation = "eager"
    model = GptOssForCausalLM(config).float().eval()
    random = torch.Generator().manual_seed(7)
    for name, p in model.named_parameters():
        mean, deviation = 0.0, 0.3
        if name.endswith("norm.weight"): mean, deviation = 1.0, 0.2
        elif name.endswith("embed_tokens.weight"): deviation = 0.8
        elif name.endswith("router.weight"): deviation = 2.0 / WIDTH**0.5
        elif p.dim() == 3: deviation = 1.2 / p.shape[1]**0.5
        elif p.dim() == 2 and not name.endswith("bias"): deviation = 1.3 / p.shape[1]**0.5
        with torch.no_grad(): p.copy_(mean + deviation * torch.randn(p.shape, generator=random))
    return model


def put_mxfp4(writer, name, weights):
    """weights [expert, in, out], which become those of the file; there [expert, out, in]."""
    packed, values = to_mxfp4(np.ascontiguousarray(weights.detach().numpy().transpose(0, 2, 1)))
    with torch.no_grad(): weights.copy_(torch.from_numpy(values.transpose(0, 2, 1).copy()))
    writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.MXFP4)


def write_layer(writer, layer, i):
    put = lambda name, x: writer.add_tensor(f"blk.{i}.{name}", x.detach().numpy().astype(np.float32).copy())
    attention, mlp = layer.self_attn, layer.mlp
    put("attn_norm.weight", layer.input_layernorm.weight)
    put("post_attention_norm.weight", layer.post_attention_layernorm.weight)
    for ours, theirs in (("q", "q_proj"), ("k", "k_proj"), ("v", "v_proj"), ("output", "o_proj")):
        put(f"attn_{ours}.weight", getattr(attention, theirs).weight)
        put(f"attn_{ours}.bias", getattr(attention, theirs).bias)
    put("attn_sinks.weight", attention.sinks)
    put("ffn_gate_inp.weight", mlp.router.weight)
    put("ffn_gate_inp.bias", mlp.router.bias)
    experts = mlp.experts
    for first, name in ((0, "gate"), (1, "up")):  # gate and up take turns
        put_mxfp4(writer, f"blk.{i}.ffn_{name}_exps.weight", experts.gate_up_proj[:, :, first::2])
        put(f"ffn_{name}_exps.bias", experts.gate_up_proj_bias[:, first::2])
    put_mxfp4(writer, f"blk.{i}.ffn_down_exps.weight", experts.down_proj)
    put("ffn_down_exps.bias", experts.down_proj_bias)


def write_file(path, model):
    w = gguf.GGUFWriter(path, "gpt-oss")
    w.add_block_count(LAYERS), w.add_context_length(8192), w.add_embedding_length(WIDTH), w.add_feed_forward_length(FF)
    w.add_expert_feed_forward_length(FF), w.add_expert_count(EXPERTS), w.add_expert_used_count(USED)
    w.add_head_count(HEADS), w.add_head_count_kv(KV_HEADS), w.add_key_length(HEAD), w.add_value_length(HEAD)
    w.add_layer_norm_rms_eps(1e-5), w.add_sliding_window(WINDOW), w.add_rope_freq_base(ROPE["rope_theta"])
    w.add_rope_scaling_type(gguf.RopeScalingType.YARN), w.add_rope_scaling_factor(ROPE["factor"])
    w.add_rope_scaling_orig_ctx_len(ROPE["original_max_position_embeddings"])
    w.add_rope_scaling_yarn_beta_fast(ROPE["beta_fast"]), w.add_rope_scaling_yarn_beta_slow(ROPE["beta_slow"])
    put = lambda name, x: w.add_tensor(name, x.detach().numpy().astype(np.float32).copy())
    put("token_embd.weight", model.model.embed_tokens.weight)
    put("output_norm.weight", model.model.norm.weight)
    put("output.weight", model.lm_head.weight)
    for i, layer in enumerate(model.model.layers): write_layer(w, layer, i)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    model = make_model()
    write_file(out / "model-f32.gguf", model)  # its experts are now those of the file
    random = np.random.default_rng(8)
    sequences = [[int(t) for t in random.integers(0, IDS, n)] for n in (7, 33, 80)]
    (out / "tokens.json").write_text(json.dumps({"sequences": sequences}))
    for i, ids in enumerate(sequences):
        with torch.no_grad(): logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        np.save(out / f"logits_{i}.npy", logits.numpy().astype(np.float32))


if __name__ == "__main__":
    main()
