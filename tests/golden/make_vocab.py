"""python make_vocab.py MODEL.gguf OUT.vocab [LINES.jsonl...]

Copies a vocabulary out of a GGUF file, little-endian.

Byte-level BPE ("gpt2") goes whole, in a form that needs a fraction of the room: a token that a merge makes has no text of
its own:
    "SKVOCAB1", u32 n_tokens, u32 n_merges, i32 bos, eos, unknown, padding,
    u16 length + pre, u16 length + chat template,
    a byte per token: its type, plus 128 when the next merge that has not made a token yet makes it,
    u16 length + text of each token without the 128, two u16 ids per merge.

SentencePiece's ("llama") is cut to what can occur in the texts of LINES: a token takes part in encoding a text only where
its own text stands in it. Bytes, user's tokens and roles stay too, ids stay as they are:
    "SKVOCAB2", u32 kind, u32 n_tokens, u32 n_kept, i32 bos, eos, unknown, padding, i32 add_bos, i32 space prefix,
    u16 length + chat template, and of each kept token u32 id, u32 type, f32 score, u16 length + text."""
import json, struct, sys

SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
ROLES = ("bos", "eos", "unknown", "padding")
KINDS = {b"llama": 1}
CONTROL, USER, BYTE = 3, 4, 6
MARK = "\u2581".encode()


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


def with_length(text):
    return struct.pack("<H", len(text)) + text


def write_merges(f, get):
    tokens = get("ggml.tokens", None)
    types = get("ggml.token_type", [1] * len(tokens))
    ids = {text: i for i, text in enumerate(tokens)}
    parts = [merge.split(b" ") for merge in get("ggml.merges", None)]
    made = [ids[left + right] for left, right in parts]
    assert len(tokens) <= 65536 and len(made) == len(set(made)) and made == sorted(made), "merges out of order"
    roles = [get(f"ggml.{role}_token_id", -1) for role in ROLES]
    f.write(b"SKVOCAB1" + struct.pack("<II4i", len(tokens), len(parts), *roles))
    f.write(with_length(get("ggml.pre", b"")) + with_length(get("chat_template", b"")))
    made = set(made)
    f.write(bytes(kind | (128 if i in made else 0) for i, kind in enumerate(types)))
    for i, text in enumerate(tokens):
        if i not in made:
            f.write(with_length(text))
    for left, right in parts:
        f.write(struct.pack("<HH", ids[left], ids[right]))


def parts_of(lines, longest):
    """Every part of the texts that is not longer than the longest token, spaces as in tokens."""
    parts = set()
    for path in lines:
        for line in open(path, encoding="utf-8"):
            text = (" " + json.loads(line)["text"]).replace(" ", "\u2581").encode("utf-8", "surrogatepass")
            for i in range(len(text)):
                parts.update(text[i:j] for j in range(i + 1, min(len(text), i + longest) + 1))
    return parts


def write_pieces(f, get, lines):
    tokens, scores, types = get("ggml.tokens", None), get("ggml.scores", None), get("ggml.token_type", None)
    roles = [get(f"ggml.{role}_token_id", -1) for role in ROLES]
    parts = parts_of(lines, max(map(len, tokens)))
    kept = [i for i, text in enumerate(tokens)
            if types[i] in (USER, BYTE) or i in roles or text.replace(b" ", MARK) in parts]
    choices = [int(get(f"ggml.{key}", -1)) for key in ("add_bos_token", "add_space_prefix")]
    f.write(b"SKVOCAB2" + struct.pack("<III", KINDS[get("ggml.model", None)], len(tokens), len(kept)))
    f.write(struct.pack("<6i", *roles, *choices) + with_length(get("chat_template", b"")))
    for i in kept:
        f.write(struct.pack("<IIf", i, types[i], scores[i]) + with_length(tokens[i]))


def main(model, out, *lines):
    data = read_gguf(model)
    get = lambda name, default: data.get("tokenizer." + name, default)
    with open(out, "wb") as f:
        if get("ggml.model", None) == b"gpt2":
            write_merges(f, get)
        else:
            write_pieces(f, get, lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
