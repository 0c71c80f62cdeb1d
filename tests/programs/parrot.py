"""A model of one layer that says what it was made to say: each token is followed by the one behind it in a list.

The embedding of a token is a unit vector of its own and both halves of the layer add nothing, so the logits are those of
the output matrix alone: its row for a token is the vector of the token before it."""
import struct

U32, F32, TEXT, ARRAY, I32 = 4, 6, 8, 9, 5


def spelled(text):
    """Bytes in GPT-2's letters."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return "".join(chr(b if b in printable else 0x100 + others.index(b)) for b in text.encode("utf-8"))


def packed(text):
    return struct.pack("<Q", len(text.encode("utf-8"))) + text.encode("utf-8")


def key(name, kind, value):
    head = packed(name) + struct.pack("<I", kind)
    if kind == TEXT:
        return head + packed(value)
    if kind == ARRAY:
        of, items = value
        body = b"".join(packed(i) if of == TEXT else struct.pack("<i", i) for i in items)
        return head + struct.pack("<IQ", of, len(items)) + body
    return head + struct.pack("<I" if kind == U32 else "<f", value)


def write(path, begins, says, template):
    """Behind the control token `begins` it says the pieces of `says`, each once, then its end. <...> are control tokens too."""
    is_control = lambda piece: piece.startswith("<") and piece.endswith(">")
    control = [begins, "<|end|>"] + [piece for piece in says if is_control(piece)]
    others = [chr(code) for code in range(0x20, 0x7F)] + [piece for piece in says if not is_control(piece)]
    tokens = control + [spelled(text) for text in dict.fromkeys(others)]
    ids = {text: i for i, text in enumerate(control + list(dict.fromkeys(others)))}
    n, width = len(tokens), (len(tokens) + 31) // 32 * 32
    follows = [begins, *says, "<|end|>"]
    output = [0.0] * (n * width)
    for before, after in zip(follows, follows[1:]):
        output[ids[after] * width + ids[before]] = 1.0
    unit = [0.0] * (n * width)
    for i in range(n):
        unit[i * width + i] = 1.0
    inner = [("attn_q", width, 32), ("attn_k", width, 32), ("attn_v", width, 32), ("attn_output", 32, width),
             ("ffn_gate", width, 32), ("ffn_up", width, 32), ("ffn_down", 32, width)]
    tensors = [("token_embd.weight", [width, n], unit), ("output_norm.weight", [width], [1.0] * width),
               ("output.weight", [width, n], output), ("blk.0.attn_norm.weight", [width], [1.0] * width),
               ("blk.0.ffn_norm.weight", [width], [1.0] * width)]
    tensors += [(f"blk.0.{name}.weight", [a, b], [0.0] * (a * b)) for name, a, b in inner]
    keys = [key("general.architecture", TEXT, "llama"), key("llama.block_count", U32, 1),
            key("llama.context_length", U32, 4096), key("llama.embedding_length", U32, width),
            key("llama.feed_forward_length", U32, 32), key("llama.attention.head_count", U32, 1),
            key("llama.attention.head_count_kv", U32, 1), key("llama.attention.key_length", U32, 32),
            key("llama.attention.value_length", U32, 32), key("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
            key("tokenizer.ggml.model", TEXT, "gpt2"), key("tokenizer.ggml.pre", TEXT, "gpt-2"),
            key("tokenizer.ggml.tokens", ARRAY, (TEXT, tokens)), key("tokenizer.ggml.merges", ARRAY, (TEXT, ["a b"])),
            key("tokenizer.ggml.token_type", ARRAY, (I32, [3] * len(control) + [1] * (n - len(control)))),
            key("tokenizer.ggml.eos_token_id", U32, 1), key("tokenizer.chat_template", TEXT, template)]
    table, data = b"", b""
    for name, shape, values in tensors:
        table += packed(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += struct.pack(f"<{len(values)}f", *values)
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + table
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32) + data)
