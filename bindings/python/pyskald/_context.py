"""Room to think: runs tokens through the model. One thread at a time."""
from __future__ import annotations

import ctypes as c
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, Sequence as Ids

from ._abi import Span as _Span
from ._abi import StepOptions, lib, sized
from ._adapter import Uses, name_adapters
from ._cache import Sequence
from ._handle import Guard, Owner, created
from ._runtime import Progress, context_options, progress_fn
from ._sampler import Sampler
from ._status import END, OK, PENDING, BusyError, check, error, report

if TYPE_CHECKING:
    from ._model import Model

LAST, NONE, ALL = 0, 1, 2


@dataclass
class Span:
    """Some more tokens of one sequence: ids, or rows of n_embd floats in `embeddings` (a writable buffer). `adapters`: one, or several,
    each alone or with its scale."""

    seq: Sequence
    tokens: Ids[int] = ()
    logits: int = LAST
    embeddings: Any = None
    adapters: Uses | None = None


def _options(guard: Guard, microseconds: int, progress: Progress | None) -> Any:
    options = sized(StepOptions, "skald_step_options_init")
    options.microseconds = microseconds
    if progress:
        options.progress = progress_fn(guard, progress)
    return options


class Context(Owner):
    """`n_rows` tokens go through the model together, a step gives up to `n_logits` rows, spans name adapters up to `max_rank`; 0
    as in skald.h."""

    def __init__(self, model: Model, *, n_rows: int = 0, n_logits: int = 0, n_threads: int = 0,
                 max_rank: int = 0) -> None:
        options = context_options(n_rows, n_logits, n_threads, max_rank)
        super().__init__(created(lib.skald_context_create, lib.skald_context_free, model._handle, model._pointer,
                                 c.byref(options)))
        self._needs = self._handle.needs
        self._n_vocab, self._n_embd = model._n_vocab, model.info.n_embd

    def feed(self, seq: Sequence, tokens: Ids[int], logits: int = LAST, adapters: Uses | None = None) -> None:
        """The short step: appends ids to one sequence."""
        ids, why = (c.c_int32 * len(tokens))(*tokens), report()
        span = _Span(c.sizeof(_Span), seq.number, c.addressof(ids), None, len(ids), logits)
        kept = name_adapters(span, adapters)
        status = lib.skald_step(self._pointer, seq.cache._pointer, None, c.byref(why), c.byref(span), 1)
        del kept
        if status != OK:
            raise error(status, why)

    def step(self, spans: Ids[Span], *, microseconds: int = 0, progress: Progress | None = None) -> bool:
        """Appends the spans to their sequences, all of them or nothing. False: the time is used up; go_on() continues,
        cancel() forgets. `progress` cancels by a true result or an exception."""
        if not spans:
            raise ValueError("a step has at least one span")
        cache = spans[0].seq.cache
        if any(s.seq.cache is not cache for s in spans):
            raise ValueError("the sequences of a step are of one cache")
        array, kept = (_Span * len(spans))(), []
        for to, span in zip(array, spans):
            kept.append(self._fill(to, span))
        guard, why = Guard(), report()
        options = _options(guard, microseconds, progress)
        status = lib.skald_step(self._pointer, cache._pointer, c.byref(options), c.byref(why), array, len(array))
        if status == PENDING:
            self._pause((cache._handle, array, kept))
            return False
        guard.check(status, why)
        return True

    def go_on(self, *, microseconds: int = 0, progress: Progress | None = None) -> bool:
        """Continues a step whose time was used up."""
        guard, why = Guard(), report()
        options = _options(guard, microseconds, progress)
        status = lib.skald_step_continue(self._pointer, c.byref(options), c.byref(why))
        if status == PENDING:
            return False
        if status != BusyError.status:  # another thread's call goes on with what this one would let go
            self._pause(None)
        guard.check(status, why)
        return True

    def cancel(self) -> None:
        """Forgets a step whose time was used up."""
        check(lib.skald_step_cancel(self._pointer))
        self._pause(None)

    def _fill(self, to: Any, span: Span) -> Any:
        to.size, to.seq, to.logits = c.sizeof(_Span), span.seq.number, span.logits
        named = name_adapters(to, span.adapters)
        if span.embeddings is not None:
            rows = memoryview(span.embeddings).cast("B")
            to.n_tokens, rest = divmod(rows.nbytes, 4 * self._n_embd)
            if rest:
                raise ValueError(f"embeddings are rows of {self._n_embd} floats")
            kept: Any = (c.c_char * rows.nbytes).from_buffer(rows)
            to.embeddings = c.addressof(kept)
        else:
            kept = (c.c_int32 * len(span.tokens))(*span.tokens)
            to.tokens, to.n_tokens = c.addressof(kept), len(span.tokens)
        return kept, named

    def _pause(self, paused: Any) -> None:
        """The spans and the cache of a paused step must live; the handle is freed before them."""
        self._handle.needs = (self._needs, paused)

    def logits(self, index: int = 0) -> memoryview[float]:
        """Row `index` of the last step, n_vocab floats, not copied: the next step writes over them. numpy.asarray() and
        array.array("f", ...) take it; closing the context does not pull it away."""
        row: Any = (c.c_float * self._n_vocab).from_address(self._row(index))
        row.owner = self._handle
        return memoryview(row).cast("B").cast("f")

    def argmax(self, index: int = 0) -> int:
        """The id with the largest logit of a row."""
        id: int = lib.skald_logits_argmax(self._pointer, index)
        if id < 0:
            raise IndexError(f"no row {index} of logits")
        return id

    def choose(self, sampler: Sampler, position: int, history: Ids[int] = (), index: int = 0) -> int:
        """The sampler's choice from a row."""
        return sampler.choose_at(self._row(index), position, history)

    def _row(self, index: int) -> int:
        address: int | None = lib.skald_logits(self._pointer, index)
        if address is None:
            raise IndexError(f"no row {index} of logits")
        return address

    def ops(self) -> Iterator[str]:
        """Lines of the recorded pass."""
        from ._model import filled_text
        index = 0
        while True:
            n = c.c_size_t(0)
            if lib.skald_context_op(None, c.byref(n), self._pointer, index) == END:
                return
            call = lambda text, n: lib.skald_context_op(text, n, self._pointer, index)  # noqa: B023,E731
            yield filled_text(call).rstrip(b"\0").decode()
            index += 1
