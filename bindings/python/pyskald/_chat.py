"""Conversations: how they are laid out, what an answer means, and both together."""
from __future__ import annotations

import codecs
import ctypes as c
import enum
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence as Many

from ._abi import AnswerFn, Message, TemplateInput, lib, sized
from ._adapter import Uses, rank_of
from ._handle import Guard, Handle, Owner, created
from ._model import c_text, filled_ids, filled_text, room_left, room_of
from ._sampler import Sampler, Sampling
from ._status import SHORT, GoneError, check, report

if TYPE_CHECKING:
    from ._cache import Sequence
    from ._context import Context
    from ._model import Model

Turn = Mapping[str, Any]


def _local_seconds() -> int:
    now = time.time()
    return int(now) + time.localtime(now).tm_gmtoff


class Template(Owner):
    """The layout of conversations: the file's chat template, or `text` (Jinja). Threads share it."""

    def __init__(self, model: Model, text: str | None = None) -> None:
        data = text.encode() if text is not None else None
        super().__init__(created(lib.skald_template_create, lib.skald_template_free, model._handle, model._pointer, data,
                                 len(data or b"")))

    def render(self, messages: Many[Turn], *, tools: Many[Any] | None = None, open: bool = True,
               local_seconds: int | None = None, **variables: Any) -> str:
        """The conversation as text, with the answer's beginning when `open`. Messages have "role" and "content", as
        transformers takes them; `variables` is what else the template asks for."""
        return self.render_guarded(messages, tools=tools, open=open, local_seconds=local_seconds, **variables)[0]

    def render_guarded(self, messages: Many[Turn], **more: Any) -> tuple[str, bytes]:
        """The text, and for each byte 1 where the conversation said it, as Model.encode takes it for `stranger`."""
        given, why, n = _Input(messages, **more), report(), c.c_size_t(4096)
        text, stranger = c.create_string_buffer(n.value), c.create_string_buffer(n.value)
        status = lib.skald_template_render(text, stranger, c.byref(n), self._pointer, given.by, c.byref(why))
        if status == SHORT:
            text, stranger = c.create_string_buffer(n.value), c.create_string_buffer(n.value)
            status = lib.skald_template_render(text, stranger, c.byref(n), self._pointer, given.by, c.byref(why))
        check(status, why)
        return text.raw[: n.value].decode("utf-8", "replace"), stranger.raw[: n.value]

    def encode(self, messages: Many[Turn], *, tools: Many[Any] | None = None, open: bool = True,
               local_seconds: int | None = None, **variables: Any) -> list[int]:
        """The conversation as ids: control tokens come from the template alone, whatever the messages spell."""
        given, why = _Input(messages, tools=tools, open=open, local_seconds=local_seconds, **variables), report()
        return filled_ids(lambda ids, n: lib.skald_template_encode(ids, n, self._pointer, given.by, c.byref(why)), why=why)


class _Input:
    """skald_template_input and its memory."""

    def __init__(self, messages: Many[Turn], *, tools: Many[Any] | None = None, open: bool = True,
                 local_seconds: int | None = None, **variables: Any) -> None:
        said: dict[str, Any] = {"messages": list(messages), **variables}
        if tools is not None:
            said["tools"] = list(tools)
        self.json = json.dumps(said, ensure_ascii=False).encode()
        self.input = sized(TemplateInput, "skald_template_input_init")
        self.input.open, self.input.json, self.input.n_json_bytes = open, self.json, len(self.json)
        self.input.local_seconds = _local_seconds() if local_seconds is None else local_seconds
        self.by = c.byref(self.input)


def chat_format(model: Model, messages: Many[Turn], *, open: bool = True, first: int = 0) -> str:
    """skald_chat_format: text for messages that may spell control tokens, leaving out what the `first` ones become."""
    array = (Message * len(messages))()
    for to, turn in zip(array, messages):
        to.role, to.text = c_text(str(turn["role"])), c_text(str(turn["content"]))
    return filled_text(lambda text, n: lib.skald_chat_format(text, n, model._pointer, open, first, array, len(array)),
                       4096).decode("utf-8", "replace")


class Kind(enum.IntEnum):
    """What a piece of an answer is."""

    CONTENT = 0
    REASONING = 1
    CALL = 2
    ARGUMENTS = 3
    CALL_END = 4
    END = 5


@dataclass(frozen=True)
class Piece:
    """A piece of an answer. CALL has the tool's name, ARGUMENTS a piece of JSON as the model wrote it."""

    kind: Kind
    text: str


class Answer(Owner):
    """What a model writes, as what it means. `family` and `reasoning` as in skald_answer_create. One thread at a time."""

    def __init__(self, model: Model, *, family: str | None = None, reasoning: bool = False) -> None:
        self._guard = Guard()
        pieces = self._pieces = []  # type: list[tuple[int, bytes]]
        guard = self._guard
        hear = AnswerFn(lambda _, kind, text, n: guard.run(lambda: pieces.append((kind, c.string_at(text, n)))) or 0)
        name = family.encode() if family is not None else None
        out, why = c.c_void_p(), report()
        check(lib.skald_answer_create(c.byref(out), model._pointer, name, reasoning, hear, None, c.byref(why)), why)
        super().__init__(Handle(out, lib.skald_answer_free, (model._handle, hear)))
        self._partial = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, text: str | bytes) -> list[Piece]:
        """More of the answer, decoded with special=True; gives what it turned out to mean."""
        data = text.encode() if isinstance(text, str) else text
        self._guard.check(lib.skald_answer_push(self._pointer, data, len(data)))
        return self._heard()

    def end(self) -> list[Piece]:
        """The answer is over; pushing begins another."""
        self._guard.check(lib.skald_answer_end(self._pointer))
        return self._heard()

    def _heard(self) -> list[Piece]:
        heard = [Piece(Kind(kind), self._partial.decode(text, kind >= Kind.CALL_END)) for kind, text in self._pieces]
        self._pieces.clear()
        return heard


@dataclass(frozen=True)
class Call:
    """A tool that the model wants to be called. Its arguments are the model's words: check them."""

    name: str
    arguments: Any


class Chat:
    """A conversation with its cache: each turn reads only what is new.

    Its turns are read and answered under `adapters`, as Span takes them.

    chat.ask("...") gives the answer as an iterator of text; afterwards it stands in chat.messages, and the calls that the
    model made in chat.calls. chat.result(name, value) and chat.reply() answer them."""

    def __init__(self, model: Model, *, system: str | None = None, tools: Many[Any] | None = None,
                 sampling: Sampling | None = None, n_context: int = 0, n_tokens: int = 0, template: str | None = None,
                 family: str | None = None, adapters: Uses | None = None, **variables: Any) -> None:
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system is not None else []
        self.tools, self.calls, self.reasoning, self.variables = tools, [], "", variables  # type: ignore[var-annotated]
        self._model, self._n_tokens = model, n_tokens
        self._template, self._answer = model.template(template), model.answer(family=family)
        self._loop = Loop(model, n_context, sampling, adapters)

    def ask(self, text: str) -> Iterator[str]:
        """Says something and gives the answer's content piece by piece."""
        self.messages.append({"role": "user", "content": text})
        return self.reply()

    def result(self, name: str, value: Any) -> None:
        """What a tool gave back."""
        content = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        self.messages.append({"role": "tool", "name": name, "content": content})

    def reply(self) -> Iterator[str]:
        """The answer to what was said. Leaving the iterator stops it; what was said so far counts."""
        return (piece.text for piece in self.pieces() if piece.kind == Kind.CONTENT)

    def pieces(self) -> Iterator[Piece]:
        """As reply, with reasoning and calls."""
        ids = self._template.encode(self.messages, tools=self.tools, **self.variables)
        heard: list[Piece] = []
        decoder = self._model.decoder(special=True)
        try:
            for id in self._loop.run(ids, self._n_tokens):
                for piece in self._answer.push(decoder.push(id)):
                    heard.append(piece)
                    yield piece
            for piece in self._answer.push(decoder.end()) + self._answer.end():
                heard.append(piece)
                yield piece
        except GeneratorExit:
            heard += self._answer.push(decoder.end()) + self._answer.end()
            raise
        finally:
            self._note(heard)

    def _note(self, heard: list[Piece]) -> None:
        content = "".join(p.text for p in heard if p.kind == Kind.CONTENT)
        self.reasoning = "".join(p.text for p in heard if p.kind == Kind.REASONING)
        self.calls, name, arguments = [], "", ""
        for piece in heard:
            if piece.kind == Kind.CALL:
                name, arguments = piece.text, ""
            elif piece.kind == Kind.ARGUMENTS:
                arguments += piece.text
            elif piece.kind == Kind.CALL_END:
                self.calls.append(Call(name, json.loads(arguments or "{}")))
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if self.calls:
            message["tool_calls"] = [{"type": "function", "function": {"name": k.name, "arguments": k.arguments}}
                                     for k in self.calls]
        self.messages.append(message)

    def close(self) -> None:
        for part in (self._loop, self._answer, self._template):
            part.close()

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Loop:
    """One sequence, read and continued. What the cache holds of the next text already is not read again."""

    def __init__(self, model: Model, n_context: int, sampling: Sampling | None, adapters: Uses | None) -> None:
        self.room = room_of(model, n_context)
        self._model, self._adapters = model, adapters
        self._cache = model.cache(n_tokens=self.room)
        self._context: Context = model.context(n_logits=1, max_rank=rank_of(adapters))
        self._sampler = Sampler(model, sampling)
        self._seq: Sequence = self._cache.open()
        self._held: list[int] = []

    def run(self, ids: Many[int], n_tokens: int) -> Iterator[int]:
        """Reads `ids` and gives the answer's, without the one that ends it."""
        n_left = room_left(self.room, ids)
        text = list(ids)
        self._rewind(text)
        new = text[len(self._held):]
        for _ in range(min(n_tokens or n_left, n_left)):
            self._context.feed(self._seq, new, adapters=self._adapters)
            self._held += new
            id = self._context.choose(self._sampler, len(text), text)
            if self._model.is_end(id):
                return
            text.append(id)
            new = [id]
            yield id

    def _rewind(self, text: list[int]) -> None:
        same = 0
        while same < len(self._held) and same + 1 < len(text) and self._held[same] == text[same]:
            same += 1
        try:
            self._seq.rewind(same)
        except GoneError:  # windows reach back only so far
            same = 0
            self._seq.rewind(0)
        del self._held[same:]

    def close(self) -> None:
        for part in (self._context, self._cache, self._sampler):
            part.close()
