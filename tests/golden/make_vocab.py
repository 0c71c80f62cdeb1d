"""python make_vocab.py MODEL.gguf OUT.vocab

Copies a byte-level BPE vocabulary out of a GGUF file, in a form that needs a fraction of the room: a token that a merge
makes has no text of its own. Little-endian:
    "SKVOCAB1", u32 n_tokens, u32 n_merges, i32 bos, eos, unknown, padding,
    u16 length + pre, u16 length + chat template,
    a byte per token: its type, plus 128 when the next merge that has not made a token yet makes it,
    u16 length + text of each token without the 128, two u16 ids per merge."""
import struct, sys

SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def read_gguf(path):
    with open(path, "rb") as f:
        def number(code):
            return struct.unpack("<" + code, f.read(struct.calcsize("<" + code)))[0]

        def value(kind):
            if kind == 8:
                return f.read(number("Q"))
            if kind == 9:
                kind, n = number("I"), number("Q")
                return [value(kind) for _ in range(n)]
            return number(SIZES[kind])

        assert f.read(4) == b"GGUF" and number("I") >= 2
        number("Q")
        return {f.read(number("Q")).decode(): value(number("I")) for _ in range(number("Q"))}


def main(model, out):
    data = read_gguf(model)
    get = lambda name, default: data.get("tokenizer." + name, default)
    tokens = get("ggml.tokens", None)
    types = get("ggml.token_type", [1] * len(tokens))
    ids = {text: i for i, text in enumerate(tokens)}
    parts = [merge.split(b" ") for merge in get("ggml.merges", None)]
    made = [ids[left + right] for left, right in parts]
    assert len(tokens) <= 65536 and len(made) == len(set(made)) and made == sorted(made), "merges out of order"
    with open(out, "wb") as f:
        roles = [get(f"ggml.{role}_token_id", -1) for role in ("bos", "eos", "unknown", "padding")]
        f.write(b"SKVOCAB1" + struct.pack("<II4i", len(tokens), len(parts), *roles))
        for text in (get("ggml.pre", b""), get("chat_template", b"")):
            f.write(struct.pack("<H", len(text)) + text)
        made = set(made)
        f.write(bytes(kind | (128 if i in made else 0) for i, kind in enumerate(types)))
        for i, text in enumerate(tokens):
            if i not in made:
                f.write(struct.pack("<H", len(text)) + text)
        for left, right in parts:
            f.write(struct.pack("<HH", ids[left], ids[right]))


main(sys.argv[1], sys.argv[2])
