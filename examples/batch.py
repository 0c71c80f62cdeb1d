"""Many prompts answered together: lines of JSON in, {"prompt": ..., "n_tokens": 64, "schema": {...}}, and lines of JSON out, each as
soon as its answer is whole.

usage: batch.py MODEL.gguf [N_TOGETHER] < IN.jsonl > OUT.jsonl      needs pyskald (pip install ./bindings/python)
"""
import asyncio
import json
import sys

import pyskald


async def answer(engine, model, number, line):
    """A line that cannot be answered says why, and the others go on."""
    try:
        asked = json.loads(line)
        grammar = pyskald.Grammar.json_schema(model, asked["schema"]) if "schema" in asked else None
        text = await engine.generate(asked["prompt"], n_tokens=asked.get("n_tokens", 64), grammar=grammar)
        told = {"line": number, "text": text}
    except (ValueError, KeyError, TypeError, pyskald.SkaldError) as wrong:
        told = {"line": number, "error": f"{type(wrong).__name__}: {wrong}"}
    print(json.dumps(told, ensure_ascii=False), flush=True)


async def main():
    path, *n = sys.argv[1:]
    model = pyskald.Model(path)
    async with pyskald.AsyncEngine(model, n_running=int(n[0]) if n else 8) as engine:
        await asyncio.gather(*(answer(engine, model, number, line) for number, line in enumerate(sys.stdin, 1) if line.strip()))


if __name__ == "__main__":
    asyncio.run(main())
