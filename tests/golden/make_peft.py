"""Adapters as PEFT writes them, and the logits that transformers gives with them in float32.

    make_peft.py FOLDER TINY [NAME...]      needs torch, transformers, peft

TINY/NAME/hf is a small model of transformers, TINY/NAME/tokens.json has texts; FOLDER/NAME gets adapter_model.safetensors,
adapter_config.json and logits.npy, of the second text. Made with torch 2.15.0, transformers 5.24.0 and peft 0.21.2; another version
may draw other weights, and then makes another adapter, as good as this one.
"""
import json
import pathlib
import sys

import numpy
import peft
import safetensors.torch
import torch
import transformers

HEADS = ["q_proj", "k_proj", "v_proj", "o_proj"]
DENSE = ["gate_proj", "up_proj", "down_proj"]
CASES = {
    # heads turn in pairs: the file's rows are in another order than those of transformers
    "llama_gqa_tied": (torch.float32, dict(r=4, lora_alpha=8, target_modules=HEADS + DENSE)),
    "smollm3": (torch.float16, dict(r=5, lora_alpha=3, use_rslora=True, target_modules=HEADS)),
    "mixtral": (torch.float32, dict(r=2, lora_alpha=6, target_modules=["q_proj", "v_proj"])),
    # several matrices in one tensor, weights the other way round
    "gpt2": (torch.float32, dict(r=3, lora_alpha=6, fan_in_fan_out=True, target_modules=["c_attn", "c_proj", "c_fc"])),
    "phi3": (torch.bfloat16, dict(r=4, lora_alpha=4, target_modules=["qkv_proj", "gate_up_proj", "down_proj"])),
    # ranks by module, queries beside their gates, latents
    "gemma3": (torch.float32, dict(r=4, lora_alpha=8, rank_pattern={"down_proj": 7}, target_modules=HEADS + DENSE)),
    "qwen3next": (torch.float16, dict(r=4, lora_alpha=8, target_modules=HEADS)),
    "deepseek2_lite": (torch.float32, dict(r=4, lora_alpha=8, target_modules=["q_proj", "kv_a_proj_with_mqa", "o_proj"])),
}


def make(folder, source, dtype, options, seed):
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_pretrained(source / "hf", dtype=torch.float32, attn_implementation="eager")
    adapted = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **options)).eval()
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:  # of about the size of what they change, and what the file's type can say
                weight.copy_((torch.randn(weight.shape) / weight.shape[1] ** 0.5).to(dtype).float())
    adapted.save_pretrained(folder)
    path = folder / "adapter_model.safetensors"
    tensors = {name: tensor.to(dtype) for name, tensor in safetensors.torch.load_file(path).items()}
    safetensors.torch.save_file(tensors, path)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "tiny/" + folder.name
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokens = json.loads((source / "tokens.json").read_text())["sequences"][1]
    with torch.no_grad():
        logits = adapted(torch.tensor([tokens])).logits[0]
        with adapted.disable_adapter():
            plain = adapted(torch.tensor([tokens])).logits[0]
    numpy.save(folder / "logits.npy", logits.numpy())
    moved = ((logits - plain).abs().max() / plain.std()).item()
    print(f"{folder.name}: {len(tensors)} tensors, logits moved by up to {moved:.2f} deviations")


def main():
    folder, tiny, *names = sys.argv[1:]
    for seed, (name, (dtype, options)) in enumerate(CASES.items()):
        if not names or name in names:
            make(pathlib.Path(folder, name), pathlib.Path(tiny, name), dtype, options, 300 + seed)


if __name__ == "__main__":
    main()
