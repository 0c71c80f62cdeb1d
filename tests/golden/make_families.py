"""Small random models of families and rotations that shared/oracle has no GGUF of, with logits of transformers in float32.

    make_families.py FOLDER [NAME...]       needs torch, transformers, numpy, gguf (versions below)

Each model becomes FOLDER/NAME/model-f32.gguf (names, permutations and keys as llama.cpp's converter writes them),
tokens.json and logits_N.npy. Made with torch 2.15.0, transformers 5.24.0, and gguf; another version may draw other
weights, and then makes another model, as good as this one.
"""
import json
import math
import pathlib
import sys

import gguf
import numpy
import torch
import transformers

LENGTHS = [7, 33, 80]
N_VOCAB = 300
COMMON = dict(vocab_size=N_VOCAB, hidden_size=72, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
              intermediate_size=100, tie_word_embeddings=False, bos_token_id=None, eos_token_id=None, pad_token_id=None)
LONG = [1.0 + 0.7 * i for i in range(6)]
SHORT = [1.0 + 0.1 * i for i in range(6)]


def rope(base, **more):
    return {"rope_type": "default", "rope_theta": base, **more}


def longrope(original):
    return dict(COMMON, rms_norm_eps=1e-5, max_position_embeddings=2048, original_max_position_embeddings=original,
                sliding_window=None, resid_pdrop=0.0, embd_pdrop=0.0,
                rope_parameters=rope(10000.0, rope_type="longrope", long_factor=LONG, short_factor=SHORT,
                                     original_max_position_embeddings=original))


SPECS = {
    # norms behind the parts, q and k normed over all heads
    "olmo2": ("olmo2", 201, transformers.Olmo2Config, transformers.Olmo2ForCausalLM,
              dict(COMMON, rms_norm_eps=1e-6, max_position_embeddings=256, rope_parameters=rope(500000.0))),
    # every text is longer than the original context of 4, so transformers takes the long factors ...
    "phi3_long": ("phi3", 202, transformers.Phi3Config, transformers.Phi3ForCausalLM, longrope(4)),
    # ... and none than 128: the short ones, though the file's context of 2048 is longer
    "phi3_short": ("phi3", 203, transformers.Phi3Config, transformers.Phi3ForCausalLM, longrope(128)),
    "llama_linear": ("llama", 204, transformers.LlamaConfig, transformers.LlamaForCausalLM,
                     dict(COMMON, rms_norm_eps=1e-5, max_position_embeddings=256,
                          rope_parameters=rope(10000.0, rope_type="linear", factor=4.0))),
    # base and lengths such that pairs stay, are stretched, and lie on the ramp
    "llama_yarn": ("llama", 205, transformers.LlamaConfig, transformers.LlamaForCausalLM,
                   dict(COMMON, rms_norm_eps=1e-5, max_position_embeddings=8192, num_attention_heads=3, num_key_value_heads=1,
                        rope_parameters=rope(10000.0, rope_type="yarn", factor=8.0, beta_fast=32.0, beta_slow=1.0,
                                             original_max_position_embeddings=1024))),
}

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "input_layernorm": "attn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def tensor_name(architecture, name):
    outside = {"model.embed_tokens.weight": "token_embd.weight", "lm_head.weight": "output.weight",
               "model.norm.weight": "output_norm.weight"}
    if name in outside:
        return outside[name]
    layer, rest = name.removeprefix("model.layers.").split(".", 1)
    stem, kind = rest.rsplit(".", 1)
    if stem == "post_attention_layernorm":
        return f"blk.{layer}.{'post_attention_norm' if architecture == 'olmo2' else 'ffn_norm'}.{kind}"
    return f"blk.{layer}.{NAMES[stem]}.{kind}"


def in_pairs(x, n_heads):
    """Rows of a head so that neighbours turn together."""
    return x.reshape(n_heads, 2, x.shape[0] // n_heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def write_rope(w, c, architecture):
    r = c.rope_parameters
    w.add_rope_freq_base(r["rope_theta"])
    if r["rope_type"] == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(r["factor"])
    if r["rope_type"] == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(r["factor"])
        w.add_rope_scaling_orig_ctx_len(r["original_max_position_embeddings"])
    if r["rope_type"] == "longrope":
        original = r["original_max_position_embeddings"]
        scale = c.max_position_embeddings / original
        w.add_rope_scaling_orig_ctx_len(original)
        w.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)))
        w.add_tensor("rope_factors_long.weight", numpy.array(LONG, numpy.float32))
        w.add_tensor("rope_factors_short.weight", numpy.array(SHORT, numpy.float32))


def write_gguf(path, architecture, c, state):
    w = gguf.GGUFWriter(str(path), architecture)
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_rope_dimension_count(c.hidden_size // c.num_attention_heads)
    write_rope(w, c, architecture)
    for name, x in state.items():
        x = x.detach().numpy().astype(numpy.float32)
        if architecture == "llama" and ".q_proj." in name:
            x = in_pairs(x, c.num_attention_heads)
        if architecture == "llama" and ".k_proj." in name:
            x = in_pairs(x, c.num_key_value_heads)
        w.add_tensor(tensor_name(architecture, name), numpy.ascontiguousarray(x))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def make(folder, name):
    architecture, seed, config_class, model_class, config = SPECS[name]
    torch.manual_seed(seed)
    c = config_class(**config)
    c._attn_implementation = "eager"
    model = model_class(c).to(torch.float32).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():  # nothing is what a norm or a bias would be if it were left out
            p.copy_(1 + 0.3 * torch.randn_like(p) if key.endswith("norm.weight") else 0.13 * torch.randn_like(p))
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    sequences = [torch.randint(0, N_VOCAB, (n,)).tolist() for n in LENGTHS]
    (folder / "tokens.json").write_text(json.dumps({"sequences": sequences}) + "\n")
    for i, ids in enumerate(sequences):
        with torch.no_grad():
            logits = model(torch.tensor([ids]), use_cache=False).logits[0].numpy()
        numpy.save(folder / f"logits_{i}.npy", logits.astype(numpy.float32))
    write_gguf(folder / "model-f32.gguf", architecture, c, model.state_dict())
    print(name, "deviation", float(logits.std()))


if __name__ == "__main__":
    for name in sys.argv[2:] or SPECS:
        make(pathlib.Path(sys.argv[1]), name)
