"""Low-rank matrices beside a model's weights (LoRA), for the sequences and requests that name them."""
from __future__ import annotations

import ctypes as c
import json
import os
from typing import TYPE_CHECKING, Any, Sequence, Union

from ._abi import AdapterInfo as _Info
from ._abi import SpanAdapter, lib, sized
from ._handle import Handle, Owner
from ._info import AdapterInfo, told
from ._runtime import Part, Sources
from ._status import OK, check, report

if TYPE_CHECKING:
    from ._model import Model


class Adapter(Owner):
    """Of one model, which it keeps; threads share it. `source` is a path (a GGUF file, a .safetensors file, or a folder of PEFT), or
    a GGUF file as bytes or a Reader; with `config`, the adapter_config.json as a dictionary or a source, it is PEFT's tensors."""

    def __init__(self, model: Model, source: Part, *, config: dict[str, Any] | Part | None = None) -> None:
        out, why, guards = c.c_void_p(), report(), []
        if config is not None:
            tensors, own = Sources(source), Sources(json.dumps(config).encode() if isinstance(config, dict) else config)
            guards = [tensors.guard, own.guard]
            status = lib.skald_adapter_open_peft(c.byref(out), model._pointer, tensors.array, own.array, c.byref(why))
        elif isinstance(source, (str, os.PathLike)):
            status = lib.skald_adapter_open_path(c.byref(out), model._pointer, os.fsencode(source), c.byref(why))
        else:
            tensors = Sources(source)
            guards = [tensors.guard]
            status = lib.skald_adapter_open(c.byref(out), model._pointer, tensors.array, c.byref(why))
        for guard in guards:
            guard.check(OK)
        check(status, why)
        super().__init__(Handle(out, lib.skald_adapter_release, model._handle))

    @property
    def info(self) -> AdapterInfo:
        info = sized(_Info)
        lib.skald_adapter_get_info(c.byref(info), self._pointer)
        return told(AdapterInfo, info)

    def share(self) -> Adapter:
        """One more owner of the same adapter."""
        return self._shared(lib.skald_adapter_retain)


Use = Union[Adapter, "tuple[Adapter, float]"]
Uses = Union[Use, Sequence[Use]]


def scaled(uses: Uses | None) -> list[tuple[Adapter, float]]:
    """Each adapter with its scale."""
    if uses is None:
        return []
    single = isinstance(uses, Adapter) or (isinstance(uses, tuple) and len(uses) == 2 and not isinstance(uses[1], (Adapter, tuple)))
    every: Any = [uses] if single else list(uses)  # type: ignore[arg-type]
    return [(use, 1.0) if isinstance(use, Adapter) else use for use in every]


def rank_of(uses: Uses | None) -> int:
    """The largest rank, which contexts and engines must have room for."""
    return max((adapter.info.rank for adapter, _ in scaled(uses)), default=0)


def name_adapters(to: Any, uses: Uses | None) -> Any:
    """Sets adapters and n_adapters of a span or a request; what comes back must live as long as it."""
    pairs = scaled(uses)
    if not pairs:
        return None
    array = (SpanAdapter * len(pairs))()
    for one, (adapter, scale) in zip(array, pairs):
        one.adapter, one.scale = adapter._pointer, scale
    to.adapters, to.n_adapters = c.addressof(array), len(pairs)
    return array, [adapter._handle for adapter, _ in pairs]
