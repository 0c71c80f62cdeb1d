"""python tests/golden/texts.py --skald PROGRAM [--count 10000] [--seed 1] [--record] STYLE=VOCABULARY...

Random Unicode strings through `skald tokenize` and through the packages tokenizers and sentencepiece, both built from the
same vocabulary; tells every difference and exits with 1 if there is one. A style says how the vocabulary is used:

    gpt2 smollm llama3 cl100k qwen2 qwen35 o200k tekken deepseek-coder deepseek-v3 olmo    byte-level BPE (tokenizers)
    gemma llama2                                                                           SentencePiece BPE
    unigram                                                                                SentencePiece unigram
    bert bert-cased                                                                        WordPiece (tokenizers)

VOCABULARY is a GGUF file (any style may be tried on any byte-level one), a Hugging Face tokenizer.json, or `trained`: a
small one is trained from this project's documents. --record writes the first strings with their ids, and trained
vocabularies, to tests/golden/data/tokenizer, where golden.texts finds them."""
import argparse, json, random, re, shutil, struct, subprocess, sys, tempfile
from pathlib import Path
import make_vocab
from make_vocab import read_gguf
try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

HERE = Path(__file__).resolve().parent
DATA = HERE / "data" / "tokenizer"
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
MARK = "\u2581"
RECORDED = 60  # lines

# ---- split expressions as their tokenizers publish them

SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
QWEN2 = SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
QWEN35 = SHORT + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + SPACES
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def cased(suffix, digits):
    word = r"[^\r\n\p{L}\p{N}]?"
    return (f"{word}{UPPER}*{LOWER}+{suffix}|{word}{UPPER}+{LOWER}*{suffix}|{digits}"
            r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES)


DEEPSEEK3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
             r"| ?[\p{P}\p{S}]+[\r\n]*|" + SPACES)
DIGITS = "digits"  # of tokenizers: each digit alone

# name of the style: its name in GGUF, expressions, NFC, whole words before merges
BYTE_STYLES = {
    "gpt2": ("gpt-2", [GPT2], False, False),
    "olmo": ("olmo", [GPT2], True, False),
    "smollm": ("smollm", [DIGITS, GPT2], False, False),
    "llama3": ("llama-bpe", [LLAMA3], False, True),
    "cl100k": ("dbrx", [LLAMA3], False, False),
    "qwen2": ("qwen2", [QWEN2], True, False),
    "qwen35": ("qwen35", [QWEN35], True, False),
    "o200k": ("gpt-4o", [cased(SHORT + "?", r"\p{N}{1,3}")], False, False),
    "tekken": ("tekken", [cased("", r"\p{N}")], False, True),
    "deepseek-coder": ("deepseek-coder", ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
                                          r"\p{N}"], False, False),
    "deepseek-v3": ("deepseek-v3", [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK3], False, False),
}

# ---- random strings

EVERY = [c for c in range(1, 0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Co", "Cs")]

PARTS = ["the", " and", "'s", "'LL", "'\u017f", "don't", "I'm", " ", "  ", "\t", "\n", "\r\n", "\n\n", " \n", "\u00a0", "\u3000",
         "\u2028", "\u0085", "\u200d", "\ufe0f", "\u200b", "7", "42", "2025", "3.14", "1,000", "\u0663", "\u00bd", "\u2167", "...", "!?",
         "//", "/*", "->", "==", "<|", "|>", "<s>", "</s>", "<|im_end|>", "_", "$", "\u20ac", "`", "\u00e9", "e\u0301", "\u0301",
         "\u0316", "\u0323\u0307", "\u0958", "\u212b", "\u1e9b\u0323", "\u1100\u1161\u11a8", "\uac00\u11a8", "\uac00", "\u3042",
         "\u30a2", "\u4e2d\u6587", "\ufb01", "\u01c5", "\u0130", "\u1e9e", "\u03a3\u03c2", "\u0928\u093f", "\u0e33", "\U0001d160",
         "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\u2581", "HTMLParser", "camelCase",
         "\u0416\u0438", "\u05e9\u05b8", "\u0628\u0651\u064e", "\ufdfa", "\u2126", "\u00c5", "A\u030a", "\u0344", "\uff21", "\ufffd"]


def normalized_otherwise():
    """Characters that the reference's NFC treats in another way than the Unicode that this script knows: its tables are
    older. 0x334 and 0x345 have the lowest and the highest class that characters have."""
    from tokenizers import normalizers
    nfc = normalizers.NFC().normalize_str
    return {ord(c) for c in map(chr, EVERY) if c >= "\x80" and any(
        nfc(t) != unicodedata.normalize("NFC", t) for t in (c, c + "\u0334", "\u0345" + c))}


def classed_otherwise():
    """The same of the categories that its expressions look at."""
    from tokenizers import Regex, pre_tokenizers
    text, out = "".join(map(chr, EVERY)), set()
    for category in ("L", "N", "M", "P", "S", "Lu", "Lt", "Lm", "Lo", "Ll"):
        split = pre_tokenizers.Split(Regex(r"\p{%s}" % category), "removed")
        known = {c for part, _ in split.pre_tokenize_str(text) for c in part}
        out.update(ord(c) for c in text if (c in known) == unicodedata.category(c).startswith(category))
    return out


def worded_otherwise(lower):
    """The same of what BERT's basic tokenizer looks at, and of lower case in scripts that are younger than this Python."""
    from tokenizers import normalizers, pre_tokenizers
    normalizer, words = normalizers.BertNormalizer(lowercase=lower), pre_tokenizers.BertPreTokenizer()
    ideographs = (0x4e00, 0x9fff), (0x3400, 0x4dbf), (0x20000, 0x2a6df), (0x2a700, 0x2b73f), (0x2b740, 0x2b81f), \
        (0x2b920, 0x2ceaf), (0xf900, 0xfaff), (0x2f800, 0x2fa1f)

    def expected(c):
        category = unicodedata.category(c)
        if category[0] == "Z" or c in "\t\n\r":
            return "a b"
        if category in ("Cc", "Cf") or c == "\ufffd":
            return "ab"
        text = f"a {c} b" if any(low <= ord(c) <= high for low, high in ideographs) else f"a{c}b"
        if not lower:
            return text
        return "".join(c.lower() for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")

    def pieces(c):
        category = unicodedata.category(c)
        return 1 if category[0] == "C" else 3 if category[0] == "P" or c in "$+<=>^`|~" else 2 if category[0] == "Z" else 1

    return {ord(c) for c in map(chr, EVERY) if normalizer.normalize_str(f"a{c}b") != expected(c) or
            not c.isspace() and len(words.pre_tokenize_str(f"a{c}b")) != pieces(c)}


def strings(seed, count, extra, without):
    draw = random.Random(seed)
    every = [c for c in EVERY if c not in without]
    marks = [c for c in every if unicodedata.category(chr(c)) == "Mn"]
    latin = [c for c in every if c < 0x500]
    out = []
    for i in range(count):
        n = draw.randrange(1, 40)
        way = i % 6
        if way == 0:
            text = "".join(chr(draw.choice(every)) for _ in range(n))
        elif way == 1:
            text = "".join(chr(draw.choice(latin)) for _ in range(n))
        elif way == 2:
            text = "".join(chr(draw.choice(every if draw.random() < 0.4 else marks)) for _ in range(n))
        elif way == 3:
            text = "".join(draw.choice(PARTS + extra) for _ in range(n))
        elif way == 4:
            text = "".join(draw.choice(" etaoinshrdlucmfwypvbgkjqxz0123456789\n.,'ETA") for _ in range(2 * n))
        else:
            text = "".join(draw.choice(PARTS) if draw.random() < 0.5 else chr(draw.choice(every)) for _ in range(n))
        out.append(text)
    return out


# ---- vocabularies: {"kind", "tokens" (bytes as in GGUF), "types", "scores", "merges", and further keys}

def from_gguf(path):
    data = read_gguf(path)
    get = lambda key, default=None: data.get("tokenizer.ggml." + key, default)
    tokens = get("tokens")
    return {"kind": get("model").decode(), "tokens": tokens, "types": get("token_type", [NORMAL] * len(tokens)),
            "scores": get("scores"), "merges": get("merges"), "unknown": get("unknown_token_id", -1)}


def from_json(text):
    model = json.loads(text)["model"]
    tokens = [t.encode() for t, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    merges = [(m if isinstance(m, str) else " ".join(m)).encode() for m in model["merges"]]
    return {"kind": "gpt2", "tokens": tokens, "types": [NORMAL] * len(tokens), "scores": None, "merges": merges, "unknown": -1}


def put_text(text):
    return struct.pack("<Q", len(text)) + text


def put_array(kind, values):
    head = struct.pack("<IIQ", 9, kind, len(values))
    if kind == 8:
        return head + b"".join(map(put_text, values))
    return head + struct.pack(f"<{len(values)}{ {5: 'i', 6: 'f', 0: 'B'}[kind] }", *values)


def write_gguf(path, v, keys):
    """A file with a tokenizer and nothing else."""
    entries = {"general.architecture": struct.pack("<I", 8) + put_text(b"llama")}
    own = {"model": v["kind"].encode(), "tokens": v["tokens"], "token_type": v["types"], **keys}
    if v["merges"] is not None:
        own["merges"] = v["merges"]
    if v["scores"] is not None:
        own["scores"] = v["scores"]
    for key, value in own.items():
        if isinstance(value, bool):
            put = struct.pack("<IB", 7, value)
        elif isinstance(value, int):
            put = struct.pack("<Ii", 5, value)
        elif isinstance(value, bytes):
            put = put_array(0, value) if key == "precompiled_charsmap" else struct.pack("<I", 8) + put_text(value)
        else:
            put = put_array(8 if isinstance(value[0], bytes) else 6 if isinstance(value[0], float) else 5, value)
        entries["tokenizer.ggml." + key] = put
    with open(path, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)))
        for key, value in entries.items():
            f.write(put_text(key.encode()) + value)
        f.write(b"\0" * (-f.tell() % 32))


# ---- references: a vocabulary and a style become (keys of the GGUF file, function from a text to ids)

def added(v, special):
    from tokenizers import AddedToken
    return [AddedToken(t.decode(), special=k == CONTROL, normalized=False) for t, k in zip(v["tokens"], v["types"])
            if k == USER or (special and k == CONTROL)]


def byte_tokenizer(v, style, special):
    from tokenizers import Tokenizer, Regex, models, normalizers, pre_tokenizers
    _, expressions, nfc, whole = BYTE_STYLES[style]
    ids = {t.decode(): i for i, (t, k) in enumerate(zip(v["tokens"], v["types"])) if k != UNUSED}
    merges = [tuple(m.decode().split(" ")) for m in v["merges"]]
    t = Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=whole))
    if nfc:
        t.normalizer = normalizers.NFC()
    steps = [pre_tokenizers.Digits(individual_digits=True) if e == DIGITS else pre_tokenizers.Split(Regex(e), "isolated")
             for e in expressions]
    t.pre_tokenizer = pre_tokenizers.Sequence(steps + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.add_tokens(added(v, special))
    return t


def byte_level(v, style, special):
    t = byte_tokenizer(v, style, special)
    return {"pre": BYTE_STYLES[style][0].encode()}, lambda s: t.encode(s, add_special_tokens=False).ids


def pieces(v, style, special):
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as format
    m = format.ModelProto()
    for text, score, kind in zip(v["tokens"], v["scores"], v["types"]):
        p = m.pieces.add()
        p.piece, p.score = text.decode().replace(" ", MARK), score
        p.type = USER if kind == CONTROL and special and style == "gemma" else kind
    m.trainer_spec.model_type = 1 if style == "unigram" else 2
    m.trainer_spec.byte_fallback = BYTE in v["types"]
    m.trainer_spec.vocab_size = len(m.pieces)
    m.trainer_spec.unk_id = v["types"].index(UNKNOWN) if UNKNOWN in v["types"] else v["unknown"]
    m.normalizer_spec.name = "identity"
    m.normalizer_spec.add_dummy_prefix = style != "gemma"
    m.normalizer_spec.remove_extra_whitespaces = style == "unigram"
    m.normalizer_spec.escape_whitespaces = True
    m.normalizer_spec.precompiled_charsmap = v.get("charsmap", b"")
    p = sentencepiece.SentencePieceProcessor()
    p.LoadFromSerializedProto(m.SerializeToString())
    keys = {"pre": b"default", "add_space_prefix": style != "gemma", "unknown_token_id": m.trainer_spec.unk_id,
            "remove_extra_whitespaces": style == "unigram"}
    if v.get("charsmap"):
        keys["precompiled_charsmap"] = v["charsmap"]
    return keys, p.EncodeAsIds if style == "gemma" else by_stretches(v, special, p.EncodeAsIds)


def by_stretches(v, special, encode):
    """As the package tokenizers does with added tokens: they are cut out first, and each stretch between them is a text of
    its own, with a space in front. (Without a prefix that makes no difference, and sentencepiece may find them itself.)"""
    ids = {t.decode(): i for i, (t, k) in enumerate(zip(v["tokens"], v["types"])) if k == USER or special and k == CONTROL}
    if not ids:
        return encode
    cut = re.compile("(" + "|".join(map(re.escape, sorted(ids, key=len, reverse=True))) + ")")
    return lambda text: [i for n, part in enumerate(cut.split(text)) for i in ([ids[part]] if n % 2 else encode(part))]


def words(v, style, special):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    lower = style == "bert"
    ids = {}
    for i, (t, k) in enumerate(zip(v["tokens"], v["types"])):
        t = t.decode()
        ids[t if k != NORMAL else t[1:] if t.startswith(MARK) else "##" + t] = i
    t = Tokenizer(models.WordPiece(vocab=ids, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=lower)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.add_tokens(added(v, special))
    return {"normalizer.lowercase": lower}, lambda s: t.encode(s, add_special_tokens=False).ids


# ---- small vocabularies of the kinds for which no file is at hand

def own_text():
    """Without U+2581: WordPiece's "##\u2581" would look like the beginning of a word in GGUF."""
    root = HERE.parent.parent
    for path in sorted([root / "README.md", *(root / "docs").glob("*.md")]):
        yield from path.read_text(encoding="utf-8").replace(MARK, "").splitlines()
    for line in open(DATA / "smollm2.jsonl", encoding="utf-8"):
        yield json.loads(line)["text"].replace("\0", "").replace(MARK, "")


def train_pieces(style, folder):
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as format
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(own_text()), model_prefix=str(folder / style), vocab_size=3000, num_threads=1,
        model_type="unigram" if style == "unigram" else "bpe", byte_fallback=style != "unigram", character_coverage=0.995,
        normalization_rule_name="nmt_nfkc" if style == "unigram" else "identity", minloglevel=2)
    m = format.ModelProto()
    m.ParseFromString((folder / f"{style}.model").read_bytes())
    return {"kind": "t5" if style == "unigram" else "llama", "tokens": [p.piece.encode() for p in m.pieces],
            "types": [p.type for p in m.pieces], "scores": [p.score for p in m.pieces], "merges": None, "unknown": 0,
            "charsmap": m.normalizer_spec.precompiled_charsmap}


def train_bytes():
    """Merges across everything that a split expression may cut, so that each cut shows in the ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    special = ["<|endoftext|>", "<|im_end|>"]
    t.train_from_iterator([*own_text(), *strings(0, 4000, [], set())], trainers.BpeTrainer(
        vocab_size=3000, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), max_token_length=16,
        show_progress=False))
    v = from_json(t.to_str())
    made = {}
    for merge in v["merges"]:  # of two ways to one token the first stays, and none to a control token
        if merge.replace(b" ", b"").decode() not in special:
            made.setdefault(merge.replace(b" ", b""), merge)
    v["merges"] = list(made.values())
    return {**v, "types": [CONTROL if t.decode() in special else NORMAL for t in v["tokens"]]}


def train_words(style):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=style == "bert")
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(own_text(), trainers.WordPieceTrainer(vocab_size=3000, special_tokens=special, show_progress=False))
    texts = [text for text, _ in sorted(t.get_vocab().items(), key=lambda item: item[1])]
    spell = lambda text: text if text in special else text[2:] if text.startswith("##") else MARK + text
    return {"kind": "bert", "tokens": [spell(text).encode() for text in texts], "unknown": 1, "merges": None, "scores": None,
            "types": [CONTROL if text in special else NORMAL for text in texts]}


def vocabulary_of(style, source, folder):
    if source == "trained":
        return (train_bytes() if style in BYTE_STYLES else train_words(style) if style.startswith("bert")
                else train_pieces(style, folder))
    return from_json(Path(source).read_text(encoding="utf-8")) if source.endswith(".json") else from_gguf(source)


# ---- comparing

def compare(skald, style, source, seed, count, folder):
    reference = byte_level if style in BYTE_STYLES else words if style.startswith("bert") else pieces
    v = vocabulary_of(style, source, folder)
    without = set()
    if style in BYTE_STYLES:
        without = classed_otherwise() | (normalized_otherwise() if BYTE_STYLES[style][2] else set())
    extra = [t.decode() for t, k in zip(v["tokens"], v["types"]) if k in (CONTROL, USER)][:40]
    if style.startswith("bert"):
        without = worded_otherwise(style == "bert")
    texts = strings(seed, count, extra, without)
    (folder / "in.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    wrong, lines = 0, [{"text": t} for t in texts]
    for field, special in (("ids", False), ("ids_special", True)):
        keys, encode = reference(v, style, special)
        write_gguf(folder / "vocabulary.gguf", v, keys)
        subprocess.run([skald, "tokenize", "-m", folder / "vocabulary.gguf", *(["--special"] if special else []), "--jsonl",
                        folder / "in.jsonl", folder / "out.jsonl"], check=True)
        for line, got in zip(lines, open(folder / "out.jsonl")):
            got, line[field] = json.loads(got)["ids"], encode(line["text"])
            if got != line[field]:
                wrong += 1
                if wrong <= 5:
                    print(f"{style} {field} {line['text']!r}\n  expected {line[field]}\n  got      {got}")
    left_out = f", without {len(without)} characters that the reference knows otherwise" if without else ""
    print(f"{style}: {2 * count - wrong} of {2 * count} agree ({len(v['tokens'])} tokens{left_out})", flush=True)
    return wrong, lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skald", required=True)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("styles", nargs="+", metavar="STYLE=VOCABULARY")
    o = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for choice in o.styles:
            style, vocabulary = choice.split("=", 1)
            n, lines = compare(o.skald, style, vocabulary, o.seed, o.count, Path(folder))
            wrong += n
            if o.record and not n:
                with open(DATA / f"random-{style}.jsonl", "w") as f:
                    f.writelines(json.dumps(line) + "\n" for line in lines[:RECORDED])
                if vocabulary == "trained" and style in BYTE_STYLES:
                    make_vocab.main(Path(folder) / "vocabulary.gguf", DATA / "joined.vocab")
                elif vocabulary == "trained":
                    shutil.copy(Path(folder) / "vocabulary.gguf", DATA / f"{style}.gguf")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
