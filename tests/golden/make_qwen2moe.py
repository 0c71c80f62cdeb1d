#!/usr/bin/env python3
"""Makes tests/golden/data/tiny/qwen2moe: a model of random weights whose shared expert counts as much as a gate says, and
logits of transformers in float32.

    make_qwen2moe.py OUT_FOLDER

Needs numpy, torch, transformers (5.x) and gguf."""
import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import Qwen2MoeConfig, Qwen2MoeForCausalLM

WIDTH, HEADS, KV_HEADS, FF, SHARED, EXPERTS, USED, LAYERS, IDS = 64, 4, 2, 40, 56, 6, 2, 2, 300


def make_model():
    config = Qwen2MoeConfig(vocab_size=IDS, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                            num_key_value_heads=KV_HEADS, intermediate_size=96, moe_intermediate_size=FF,
                            shared_expert_intermediate_size=SHARED, num_experts=EXPERTS, num_experts_per_tok=USED,
                            norm_topk_prob=False, decoder_sparse_step=1, rms_norm_eps=1e-6, tie_word_embeddings=False,
                            max_position_embeddings=256, use_sliding_window=False,
                            rope_parameters=dict(rope_type="default", rope_theta=1000000.0))
    config._attn_implementation = config._experts_implementation = "eager"
    model = Qwen2MoeForCausalLM(config).float().eval()
    random = torch.Generator().manual_seed(11)
    for name, p in model.named_parameters():
        mean, deviation = 0.0, 0.3
        if "norm" in name: mean, deviation = 1.0, 0.2
        elif name.endswith("embed_tokens.weight"): deviation = 0.8
        elif name.endswith((".gate.weight", "expert_gate.weight")): deviation = 2.0 / WIDTH**0.5
        elif p.dim() >= 2: deviation = 1.2 / p.shape[-1]**0.5
        with torch.no_grad(): p.copy_(mean + deviation * torch.randn(p.shape, generator=random))
    return model


def write_layer(writer, layer, i):
    put = lambda name, x: writer.add_tensor(f"blk.{i}.{name}", x.detach().numpy().astype(np.float32).copy())
    attention, mlp = layer.self_attn, layer.mlp
    put("attn_norm.weight", layer.input_layernorm.weight)
    put("ffn_norm.weight", layer.post_attention_layernorm.weight)
    for name in "qkv":
        put(f"attn_{name}.weight", getattr(attention, name + "_proj").weight)
        put(f"attn_{name}.bias", getattr(attention, name + "_proj").bias)
    put("attn_output.weight", attention.o_proj.weight)
    put("ffn_gate_inp.weight", mlp.gate.weight)
    gate_up = mlp.experts.gate_up_proj  # [expert, gate and behind it up, width]
    put("ffn_gate_exps.weight", gate_up[:, :FF])
    put("ffn_up_exps.weight", gate_up[:, FF:])
    put("ffn_down_exps.weight", mlp.experts.down_proj)
    put("ffn_gate_inp_shexp.weight", mlp.shared_expert_gate.weight[0])
    for name in ("gate", "up", "down"): put(f"ffn_{name}_shexp.weight", getattr(mlp.shared_expert, name + "_proj").weight)


def write_file(path, model):
    w = gguf.GGUFWriter(path, "qwen2moe")
    w.add_block_count(LAYERS), w.add_context_length(256), w.add_embedding_length(WIDTH), w.add_feed_forward_length(96)
    w.add_expert_feed_forward_length(FF), w.add_expert_shared_feed_forward_length(SHARED)
    w.add_expert_count(EXPERTS), w.add_expert_used_count(USED), w.add_head_count(HEADS), w.add_head_count_kv(KV_HEADS)
    w.add_layer_norm_rms_eps(1e-6), w.add_rope_freq_base(1000000.0)
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
    write_file(out / "model-f32.gguf", model)
    random = np.random.default_rng(12)
    sequences = [[int(t) for t in random.integers(0, IDS, n)] for n in (7, 33, 80)]
    (out / "tokens.json").write_text(json.dumps({"sequences": sequences}))
    for i, ids in enumerate(sequences):
        with torch.no_grad(): logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        np.save(out / f"logits_{i}.npy", logits.numpy().astype(np.float32))


if __name__ == "__main__":
    main()
