"""python tests/speed/encode.py --skald PROGRAM [--llama LLAMA-TOKENIZE] [--tokenizers STYLE] [--mega 10] [--rounds 3] MODEL.gguf

Millions of bytes a second that become token ids, one thread, on mixed text: documents, code and messages in some hundred
languages that this system holds, in turns of a few kilobytes. Of a program counts what it takes for the text, with printing
the ids, beyond what it takes for one letter. The package tokenizers, built from the same vocabulary (STYLE as in
tests/golden/texts.py), is called in this process: the better of one call for all and its batch of parts. Each figure is
the best of the rounds. The last column is the time in parts of skald's; ids that are not equal are told."""
import argparse, gettext, json, os, subprocess, sys, sysconfig, tempfile, time
from pathlib import Path
os.environ["RAYON_NUM_THREADS"], os.environ["TOKENIZERS_PARALLELISM"] = "1", "false"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "golden"))
import texts

TURN = 4096


def documents():
    for path in sorted(Path("/usr/share/doc").rglob("*")):
        if path.is_file() and path.suffix in ("", ".md", ".txt", ".html"):
            yield path.read_text(encoding="utf-8", errors="ignore")


def code():
    for folder, pattern in ((sysconfig.get_paths()["stdlib"], "*.py"), ("/usr/include", "*.h")):
        for path in sorted(Path(folder).rglob(pattern)):
            yield path.read_text(encoding="utf-8", errors="ignore")


def messages():
    for path in sorted(Path("/usr/share/locale").rglob("*.mo"), key=lambda p: (p.name, p)):
        with open(path, "rb") as f:
            try:
                said = gettext.GNUTranslations(f)._catalog
            except (OSError, UnicodeDecodeError, IndexError):
                continue
        yield "\n".join(text for key, text in said.items() if key and isinstance(text, str))


def mixed(n_bytes):
    sources, parts, total = [documents(), code(), messages()], [], 0
    while total < n_bytes and sources:
        for source in list(sources):
            text = ""
            for more in source:
                text += more
                if len(text) >= TURN:
                    break
            if not text:
                sources.remove(source)
            parts.append(text[:TURN].replace("\0", ""))
            total += len(parts[-1].encode())
    return parts


def best(rounds, run):
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        out = run()
        times.append(time.perf_counter() - begin)
    return min(times), out


def program(rounds, command, folder):
    """Seconds that the text takes beyond an empty one, and the ids."""
    def run(name):
        with open(folder / name) as text, open(folder / "ids", "wb") as ids:
            subprocess.run(command, stdin=text, stdout=ids, stderr=subprocess.DEVNULL, check=True)

    seconds = best(rounds, lambda: run("text"))[0] - best(rounds, lambda: run("empty"))[0]
    run("text")
    said = (folder / "ids").read_bytes()
    return seconds, json.loads(said[said.index(b"["):])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skald", required=True)
    parser.add_argument("--llama", metavar="PROGRAM")
    parser.add_argument("--tokenizers", metavar="STYLE")
    parser.add_argument("--mega", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("model")
    o = parser.parse_args()
    parts = mixed(int(o.mega * 1e6))
    text = "".join(parts)
    n_bytes = len(text.encode())
    print(f"{n_bytes} bytes, {len(text)} characters, {len(set(text))} different ones")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "text").write_text(text, encoding="utf-8")
        (folder / "empty").write_text("a")
        own, ids = program(o.rounds, [o.skald, "tokenize", "-m", o.model], folder)
        rows = [("skald", own, ids)]
        if o.llama:
            command = [o.llama, "-m", o.model, "--ids", "--stdin", "--no-bos", "--no-parse-special", "--log-disable"]
            rows.append(("llama.cpp", *program(o.rounds, command, folder)))
        if o.tokenizers:
            t = texts.byte_tokenizer(texts.from_gguf(o.model), o.tokenizers, False)
            whole, got = best(o.rounds, lambda: t.encode(text, add_special_tokens=False).ids)
            batch, _ = best(o.rounds, lambda: t.encode_batch_fast(parts, add_special_tokens=False))
            rows.append(("tokenizers", min(whole, batch), got))
    for name, seconds, got in rows:
        same = "equal ids" if got == ids else f"{len(got)} ids, not equal"
        print(f"{name:12} {n_bytes / seconds / 1e6:7.2f} MB/s  {seconds / own:5.2f}  {same}")


if __name__ == "__main__":
    main()
