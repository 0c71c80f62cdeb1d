"""editor: completion as you type, over JSON-RPC on stdin and stdout (messages framed by Content-Length, as language servers do).

    initialize {}                            -> {"architecture": ..., "fim": true or false}
    didChange  {"text", "cursor"}            no answer; what stands before the cursor is read ahead (warm-up)
    complete   {"text", "cursor", "n_tokens"} -> {"text": ..., "replace": ..., "end": "stop" or "length"}
    cancel     {"id"}                        the request answers with error -32800 at once
    stats      {}                            -> tokens read and found again, milliseconds of the slowest cancel

A new completion cancels the one before: that is a key press. Where the model can fill in the middle it sees what stands behind the
cursor too. The last token before the cursor is healed: it is taken back, and the answer must begin with its letters, so that
"retu" becomes "return" and not "retu rn": `text` takes the place of the `replace` characters before the cursor. usage: server.py MODEL.gguf"""
from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from typing import Any

import pyskald
from pyskald import Role

CANCELLED, FAILED, UNKNOWN = -32800, -32603, -32601


class Completer:
    def __init__(self, model: pyskald.Model, engine: pyskald.AsyncEngine) -> None:
        self.model, self.engine = model, engine
        self.pieces = [model.decode_bytes([id]) for id in range(model.info.n_vocab)]
        roles = (Role.FIM_PREFIX, Role.FIM_SUFFIX, Role.FIM_MIDDLE)
        self.fim = [model.token(role) for role in roles]
        self.room = min(model.info.n_context or 4096, 4096)

    def prompt(self, before: str, behind: str, n_tokens: int) -> tuple[list[int], bytes]:
        """Ids, and the letters that the answer must begin with."""
        ids, room = self.model.encode(before, bos=True), self.room - n_tokens - 3
        healed = self.pieces[ids[-1]] if len(ids) > 1 else b""
        if not before.encode().endswith(healed):  # a part of a character, or a text that was normalized
            healed = b""
        if healed:
            ids = ids[:-1]
        if None in self.fim or not behind:
            return ids[-room:], healed
        after = self.model.encode(behind)[: room // 4]
        prefix, suffix, middle = self.fim
        return [prefix, *ids[-(room - len(after)):], suffix, *after, middle], healed  # type: ignore[list-item]

    def healing(self, healed: bytes, n_prompt: int) -> Any:
        """A stage that allows for the first id only those that begin with the letters taken back."""
        allowed = [id for id, piece in enumerate(self.pieces) if piece.startswith(healed)]

        def stage(logits: memoryview[float], position: int, last: list[int]) -> None:
            if position == n_prompt:
                row = array("f", [float("-inf")]) * len(logits)
                for id in allowed:
                    row[id] = logits[id]
                logits[:] = row

        return stage

    async def warm_up(self, before: str) -> None:
        async for _ in self.engine.tokens(self.prompt(before, "", 0)[0], n_tokens=0):
            pass

    async def complete(self, before: str, behind: str, n_tokens: int) -> dict[str, Any]:
        ids, healed = self.prompt(before, behind, n_tokens)
        stage = self.healing(healed, len(ids)) if healed else None
        said = [id async for id in self.engine.tokens(ids, n_tokens=n_tokens, stage=stage)]
        return {"text": self.model.decode(said), "replace": len(healed.decode("utf-8", "replace")),
                "end": "length" if len(said) == n_tokens else "stop"}


class Server:
    def __init__(self, completer: Completer, out: Any) -> None:
        self.completer, self.out = completer, out
        self.running: dict[Any, asyncio.Task[None]] = {}
        self.warm: asyncio.Task[None] | None = None
        self.slowest = 0.0

    def send(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.out.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self.out.flush()

    def hear(self, message: dict[str, Any]) -> None:
        method, params, number = message.get("method"), message.get("params") or {}, message.get("id")
        if method == "complete":
            self.press()
            self.running[number] = asyncio.ensure_future(self.answer(number, params))
        elif method == "didChange":
            self.press()
            self.warm = asyncio.ensure_future(self.completer.warm_up(params["text"][: params["cursor"]]))
        elif method == "cancel":
            self.stop(params.get("id"))
        elif method == "initialize":
            info = self.completer.model.info
            self.send({"id": number, "result": {"architecture": info.architecture, "fim": None not in self.completer.fim}})
        elif method == "stats":
            asyncio.ensure_future(self.stats(number))
        elif number is not None:
            self.send({"id": number, "error": {"code": UNKNOWN, "message": f"no method {method}"}})

    def press(self) -> None:
        """A key: what was asked for before is of no use any more."""
        for number in list(self.running):
            self.stop(number)
        if self.warm:
            self.warm.cancel()

    def stop(self, number: Any) -> None:
        task = self.running.pop(number, None)
        if task:
            begin = time.perf_counter()
            task.add_done_callback(lambda _: self.note(time.perf_counter() - begin))
            task.cancel()

    def note(self, seconds: float) -> None:
        self.slowest = max(self.slowest, seconds)

    async def answer(self, number: Any, params: dict[str, Any]) -> None:
        text, cursor = params["text"], params["cursor"]
        try:
            result = await self.completer.complete(text[:cursor], text[cursor:], params.get("n_tokens", 32))
            self.send({"id": number, "result": result})
        except asyncio.CancelledError:
            self.send({"id": number, "error": {"code": CANCELLED, "message": "cancelled"}})
        except pyskald.SkaldError as failed:
            self.send({"id": number, "error": {"code": FAILED, "message": str(failed)}})
        finally:
            self.running.pop(number, None)

    async def stats(self, number: Any) -> None:
        stats = await self.completer.engine.stats()
        self.send({"id": number, "result": {"read": stats.n_prompt_read, "found": stats.n_prompt_shared,
                                            "slowest_cancel_ms": self.slowest * 1e3}})


async def messages(stdin: Any) -> Any:
    loop = asyncio.get_running_loop()

    def read() -> dict[str, Any] | None:
        n = 0
        while (line := stdin.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                n = int(value)
        return json.loads(stdin.read(n)) if n else None

    while (message := await loop.run_in_executor(None, read)) is not None:
        yield message


async def main() -> None:
    model = pyskald.Model(sys.argv[1])
    async with pyskald.AsyncEngine(model, n_running=2, n_rows=64) as engine:
        server = Server(Completer(model, engine), sys.stdout.buffer)
        async for message in messages(sys.stdin.buffer):
            server.hear(message)
        server.press()
        await asyncio.sleep(0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: server.py MODEL.gguf")
    asyncio.run(main())
