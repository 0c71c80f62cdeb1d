"""The pictures of docs/concepts.md, from real runs: draw.py BUILD MODEL.gguf   (BUILD: bin/skald and lib/libskald.so; PYTHONPATH:
bindings/python). Writes docs/concepts/*.svg."""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPES = {"8B: 32 layers, 32 heads of 128": (32, 32), "70B: 80 layers, 64 heads of 128": (80, 64)}
INK, LINE, COLORS = "#222a30", "#9aa4ad", ["#1b6ac9", "#d1495b", "#edae49"]


def text(x, y, words, size=13, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{INK}"{more}>{words}</text>'


def box(x, y, width, height, color):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{color}"/>'


def write(name, title, width, height, parts):
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'font-family="Helvetica, Arial, sans-serif">\n<rect width="{width}" height="{height}" fill="#ffffff"/>\n')
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        file.write(head + "\n".join([text(20, 28, title, 16, "start"), *parts]) + "\n</svg>\n")


def axis(left, top, right, bottom, most, step, words):
    parts = [text(left, top - 10, words, 12, "start")]
    for value in range(0, most + 1, step):
        y = bottom - (bottom - top) * value / most
        parts += [f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#e4e8eb"/>', text(left - 6, y + 4, value, 12, "end")]
    return parts + [f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="{LINE}"/>']


def legend(x, y, names):
    return [part for i, name in enumerate(names)
            for part in (box(x, y + 20 * i, 12, 12, COLORS[i]), text(x + 18, y + 11 + 20 * i, name, 13, "start"))]


def bytes_per_token(skald, n_layers, n_heads):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump({"num_hidden_layers": n_layers, "num_attention_heads": n_heads, "num_key_value_heads": n_heads, "head_dim": 128,
                       "hidden_size": 128 * n_heads, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
                       "model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16"}, file)
        told = subprocess.run([skald, "info", "-m", folder, "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(told)["cache"]["bytes_per_token"]


def draw_memory(skald):
    parts, y = [], 60
    for name, (n_layers, n_heads) in SHAPES.items():
        rows = bytes_per_token(skald, n_layers, n_heads)
        parts.append(text(20, y, name, 13, "start"))
        for kind in ("MHA", "GQA-8", "MLA", "MQA"):
            y += 24
            parts += [text(76, y + 11, kind, 12, "end"), box(84, y, 560 * rows[kind] / rows["MHA"], 15, COLORS[0]),
                      text(92 + 560 * rows[kind] / rows["MHA"], y + 12, f"{rows[kind] / 1024:.0f} KiB, 32 768 tokens: "
                           f"{rows[kind] / 32768:.1f} GiB", 12, "start")]
        y += 48
    write("memory.svg", "What one token costs in a cache of f16", 900, y, parts)


def run_engine(model_path):
    """Six requests of one beginning, two of them later: rows of prompts and of answers in each step, and pages."""
    import pyskald
    model = pyskald.Model(model_path, runtime=pyskald.Runtime(threads=1))
    engine = pyskald.Engine(model, n_running=6, n_tokens=4096, n_rows=96, n_prompt_rows=48)
    world = [5 + i * 7 % 200 for i in range(256)]
    arrivals = {0: [0], 4: [1, 2, 3], 20: [4, 5]}
    steps, read, answered, going, at = [], 0, 0, True, 0
    while going or at <= max(arrivals):
        for who in arrivals.get(at, ()):
            engine.submit([*world, *(11 + (who * 31 + i * 3) % 150 for i in range(20 + 30 * who))], n_tokens=24, ignore_end=True)
        going = engine.step()
        while engine.poll():
            pass
        now = engine.stats
        steps.append((now.n_prompt_read - read, now.n_answered - answered, now.n_pages - now.n_pages_free, now.n_pages_shared))
        read, answered, at = now.n_prompt_read, now.n_answered, at + 1
    return [step for step in steps if step[0] or step[1]], now.n_prompt_shared


def draw_steps(name, title, words, steps, columns, names, most, by):
    left, top, right, bottom = 70, 70, 840, 330
    parts, width = axis(left, top, right, bottom, most, by, words), (right - left) / len(steps)
    for i, step in enumerate(steps):
        base = bottom
        for color, column in enumerate(columns):
            height = (bottom - top) * step[column] / most
            parts.append(box(left + i * width + 1, base - height, width - 2, height, COLORS[color]))
            base -= height
    parts.append(text((left + right) / 2, bottom + 24, f"{len(steps)} steps", 12))
    write(name, title, 860, 380, parts + legend(600, 44, names))


def main():
    build, model = sys.argv[1:]
    draw_memory(os.path.join(build, "bin", "skald"))
    steps, n_shared = run_engine(model)
    draw_steps("batching.svg", "Rows of each step: three waves of requests with one beginning of 256 tokens", "rows", steps, (0, 1),
               ("of prompts", "of answers"), 100, 20)
    apart = [(all_pages - shared, shared) for _, _, all_pages, shared in steps]
    draw_steps("pages.svg", "Pages in use", "pages of 128 positions", apart, (0, 1), ("of one sequence", "of several"), 12, 2)
    print(f"{len(steps)} steps, {n_shared} prompt tokens found in the cache")


if __name__ == "__main__":
    main()
