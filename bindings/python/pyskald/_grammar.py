"""What an answer may say: rules or a JSON schema, and how far one answer has come in them."""
from __future__ import annotations

import ctypes as c
import json
from typing import TYPE_CHECKING, Any

from ._abi import GrammarOptions, lib, sized
from ._handle import Guard, Handle, Owner, created
from ._runtime import Progress, progress_fn
from ._status import END, OK, check, error, report

if TYPE_CHECKING:
    from ._model import Model


class Grammar(Owner):
    """Rules in the manner of BNF, for one model's vocabulary; threads share it. Grammar.json_schema takes a schema,
    Grammar.tools the tools of a conversation. `progress` gets 0 and cancels by a true result or an exception: the first
    grammar of a model takes time, and a large one."""

    def __init__(self, model: Model, rules: str, *, cache_bytes: int = 0, progress: Progress | None = None) -> None:
        super().__init__(_compiled(model, rules, 0, cache_bytes, progress))

    @classmethod
    def json_schema(cls, model: Model, schema: Any, *, cache_bytes: int = 0, progress: Progress | None = None) -> Grammar:
        """JSON that is valid against a schema: a dictionary, or its text."""
        text = schema if isinstance(schema, str) else json.dumps(schema, ensure_ascii=False)
        made = cls.__new__(cls)
        Owner.__init__(made, _compiled(model, text, 1, cache_bytes, progress))
        return made

    @classmethod
    def tools(cls, model: Model, tools: Any, *, family: str | None = None, cache_bytes: int = 0,
              progress: Progress | None = None) -> Grammar:
        """A call of one of the tools (a list, or its JSON), as the model's family writes calls, with arguments that are valid; Answer
        reads it. Without `family` it is found by the model's chat template."""
        text = tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False)
        made = cls.__new__(cls)
        Owner.__init__(made, _compiled(model, text, 2, cache_bytes, progress, family))
        return made

    def share(self) -> Grammar:
        """One more owner of the same grammar."""
        return self._shared(lib.skald_grammar_retain)


def _compiled(model: Model, text: str, kind: int, cache_bytes: int, progress: Progress | None,
              family: str | None = None) -> Handle:
    options, data = sized(GrammarOptions, "skald_grammar_options_init"), text.encode()
    why, guard, out = report(), Guard(), c.c_void_p()
    options.kind, options.cache_bytes = kind, cache_bytes
    options.family = family.encode() if family is not None else None
    if progress:
        options.progress = progress_fn(guard, progress)
    status = lib.skald_grammar_create(c.byref(out), model._pointer, data, len(data), c.byref(options), c.byref(why))
    guard.check(status, why)
    return Handle(out, lib.skald_grammar_release, (model._handle, model._n_vocab))


class Matcher(Owner):
    """At the beginning of an answer. One thread at a time."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar, self._n_vocab = grammar, grammar._handle.needs[1]
        super().__init__(created(lib.skald_matcher_create, lib.skald_matcher_free, grammar._handle, grammar._pointer))

    def copy(self) -> Matcher:
        """Another one that has come as far."""
        other = Matcher(self._grammar)
        check(lib.skald_matcher_copy(other._pointer, self._pointer))
        return other

    def mask(self, logits: Any, n_left: int = 0) -> bool:
        """Writes -inf over the logits (a writable buffer, e.g. Context.logits) of all ids that may not come next. False: the
        text is whole and nothing can follow."""
        row = memoryview(logits).cast("B")
        if row.nbytes != self._n_vocab * 4:
            raise ValueError(f"{row.nbytes} bytes of logits, {self._n_vocab * 4} wanted")
        at = c.addressof((c.c_char * row.nbytes).from_buffer(row))
        return _goes_on(lib.skald_matcher_mask(at, self._pointer, at, n_left))

    def accept(self, id: int) -> bool:
        """The answer goes on with `id`; False: now nothing can follow. ArgumentError: it may not come here."""
        return _goes_on(lib.skald_matcher_accept(self._pointer, id))

    @property
    def may_end(self) -> bool:
        """Whether the text is one of the grammar as it is."""
        return bool(lib.skald_matcher_may_end(self._pointer))

    @property
    def least(self) -> int:
        """Tokens that surely suffice to bring the text to an end."""
        n: int = lib.skald_matcher_least(self._pointer)
        return n


def _goes_on(status: int) -> bool:
    if status not in (OK, END):
        raise error(status)
    return status == OK
