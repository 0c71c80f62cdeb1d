"""The likeliest texts behind a prompt, found by beam search."""
from __future__ import annotations

import ctypes as c
from dataclasses import dataclass
from typing import TYPE_CHECKING, Sequence as Ids

from ._abi import Beam as _Beam
from ._abi import BeamOptions, lib, sized
from ._handle import Guard, Handle
from ._info import DType
from ._runtime import Progress, progress_fn
from ._status import END, OK, error, report

if TYPE_CHECKING:
    from ._model import Model


@dataclass(frozen=True)
class Beam:
    """One text, without the id that ended it; `ended` tells whether the model ended it."""

    ids: tuple[int, ...]
    score: float
    ended: bool


def beam_search(model: Model, prompt: str | Ids[int], *, n_tokens: int, n_beams: int = 0, length_penalty: float = 1.0,
                stop: int = 0, ignore_end: bool = False, k_type: DType = DType.F16, v_type: DType = DType.F16,
                progress: Progress | None = None) -> list[Beam]:
    """As skald_beams_search: the best text first. `progress` cancels by a true result or an exception."""
    ids = model.encode(prompt, special=True, bos=True) if isinstance(prompt, str) else prompt
    array, why, guard, out = (c.c_int32 * len(ids))(*ids), report(), Guard(), c.c_void_p()
    options = sized(BeamOptions, "skald_beam_options_init")
    options.n_tokens, options.n_beams, options.length_penalty = n_tokens, n_beams, length_penalty
    options.stop, options.ignore_end, options.k_type, options.v_type = stop, ignore_end, k_type, v_type
    if progress:
        options.progress = progress_fn(guard, progress)
    guard.check(lib.skald_beams_search(c.byref(out), model._pointer, c.byref(options), array, len(array), c.byref(why)), why)
    found: list[Beam] = []
    beam, handle = sized(_Beam), Handle(out, lib.skald_beams_free, model._handle)
    while (status := lib.skald_beams_get(c.byref(beam), handle.pointer, len(found))) == OK:
        said = (c.c_int32 * beam.n_ids).from_address(beam.ids)[:] if beam.n_ids else []
        found.append(Beam(tuple(said), beam.score, bool(beam.ended)))
    if status != END:
        raise error(status)
    return found
