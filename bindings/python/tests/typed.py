"""What a type checker says to who uses pyskald: `mypy --strict` accepts this file, and each line that is marked is one that it
refuses (a mark on a right line is an error too). Never run."""
from __future__ import annotations

import pyskald

model = pyskald.Model("model.gguf", runtime=pyskald.Runtime(threads=2))
engine = model.engine(n_running=4, lookup=True, draft=model, k_type=pyskald.DType.Q8_0)
engine.submit("The sea is", n_tokens=8, stops=".", adapters=(pyskald.Adapter(model, "style"), 0.5))
pyskald.Engine(model, n_runing=4)  # type: ignore[call-arg]
pyskald.AsyncEngine(model, n_running="4")  # type: ignore[arg-type]
plan = pyskald.Runtime().engine_plan("model.gguf", engine={"n_tokens": 64, "sharing": False}).peak_bytes
pyskald.Runtime().engine_plan("model.gguf", engine={"n_token": 64})  # type: ignore[arg-type]


async def ask(engine: pyskald.AsyncEngine) -> str:
    async for event in engine.events("The sea is", n_tokens=8, n_top=2):
        best: float = event.top[0].logprob
        print(best)
    await engine.generate("The sea is")  # type: ignore[call-arg]
    await engine.generate("The sea is", n_tokens=8, stop=".")  # type: ignore[call-arg]
    return await engine.generate([1, 2], n_tokens=8, deadline=0.5, sampling=pyskald.Sampling(temperature=0.8))


with model.chat(system="Be brief.", adapters=[model.adapter("style")]) as chat:
    text: str = "".join(chat.ask("Why?"))
pieces = list(model.stream("The sea is", stops=["."], grammar=pyskald.Grammar(model, 'root ::= "calm"')))
pyskald.Grammar.json_schema(model, {}, progress=lambda done: done > 1)
pyskald.Grammar(model, 'root ::= "calm"', progress=True)  # type: ignore[arg-type]
