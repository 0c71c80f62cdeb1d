"""How a token is chosen from logits."""
from __future__ import annotations

import ctypes as c
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from ._abi import LogitBias, SamplerOptions, lib, sized
from ._handle import Owner, created
from ._status import check

if TYPE_CHECKING:
    from ._model import Model


@dataclass(frozen=True)
class Sampling:
    """As skald_sampler_options: bias, penalties, temperature, top_k, top_p, min_p, draw. The defaults are greedy."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 0.0
    min_p: float = 0.0
    repetition: float = 0.0
    frequency: float = 0.0
    presence: float = 0.0
    penalty_window: int = 0
    seed: int = 0
    bias: Mapping[int, float] = field(default_factory=dict)


def sampler_options(sampling: Sampling | None) -> Any:
    """The C struct; its memory holds the biases too."""
    options = sized(SamplerOptions, "skald_sampler_options_init")
    sampling = sampling or Sampling()
    for name in ("temperature", "top_k", "top_p", "min_p", "repetition", "frequency", "presence", "penalty_window", "seed"):
        setattr(options, name, getattr(sampling, name))
    biases = (LogitBias * len(sampling.bias))(*(LogitBias(*pair) for pair in sampling.bias.items()))
    options.bias, options.n_bias = c.addressof(biases) if sampling.bias else None, len(sampling.bias)
    options.kept = biases
    return options


class Sampler(Owner):
    """Pure: the same logits, position and history give the same id, on every platform. One thread at a time."""

    def __init__(self, model: Model, sampling: Sampling | None = None) -> None:
        options = sampler_options(sampling)
        handle = created(lib.skald_sampler_create, lib.skald_sampler_free, model._handle, model._pointer, c.byref(options))
        super().__init__(handle)
        self.window = options.penalty_window or 64
        self._n_vocab = model._n_vocab

    def choose(self, logits: Any, position: int, history: Sequence[int] = ()) -> int:
        """The id for `position` from one row: a writable buffer of n_vocab floats (Context.logits, numpy). `history` are the
        tokens so far, newest last."""
        row = memoryview(logits).cast("B")
        if row.nbytes != self._n_vocab * 4:
            raise ValueError(f"{row.nbytes} bytes of logits, {self._n_vocab * 4} wanted")
        return self.choose_at(c.addressof((c.c_char * row.nbytes).from_buffer(row)), position, history)

    def choose_at(self, address: int, position: int, history: Sequence[int] = ()) -> int:
        """The same from the address of n_vocab floats."""
        last = history[-self.window:]
        ids, id = (c.c_int32 * len(last))(*last), c.c_int32()
        check(lib.skald_sampler_choose(c.byref(id), self._pointer, address, position, ids, len(last)))
        return id.value
