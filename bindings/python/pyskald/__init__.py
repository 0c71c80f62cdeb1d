"""skald in Python: language models inside your own process, by ctypes and nothing else.

    model = pyskald.Model("model.gguf")
    for text in model.stream("The sea is", n_tokens=64): print(text, end="", flush=True)

Objects and rules are those of skald.h: a model is shared by threads, a cache, a context, a sampler, an answer and the
stepping of an engine belong to one thread at a time (BusyError otherwise). Every call releases the GIL."""
from __future__ import annotations

import ctypes as _c
from typing import Any

from ._abi import lib as _lib
from ._adapter import Adapter
from ._beams import Beam, beam_search
from ._cache import Cache, Sequence
from ._chat import Answer, Call, Chat, Kind, Piece, Template, chat_format
from ._context import ALL, LAST, NONE, Context, Span
from ._engine import AsyncEngine, Engine, Event, Happened, Logprob, RequestOptions
from ._grammar import Grammar, Matcher
from ._info import AdapterInfo, CacheStats, DType, EngineStats, MemoryPlan, ModelInfo, Role, TensorInfo
from ._model import Decoder, Model
from ._runtime import EngineOptions, Reader, Runtime
from ._sampler import Sampler, Sampling
from ._status import (AbsentError, ArgumentError, BusyError, CancelledError, DeviceError, End, FormatError, Full, GoneError,
                      NotNow, OutOfMemory, Pending, ReadError, Short, SkaldError, UnsupportedError, check as _check,
                      status_text)

__version__ = "0.1.0"


def library_version() -> tuple[int, int, int]:
    """(major, minor, patch) of the library that runs."""
    version = _lib.skald_version()
    return version >> 16, version >> 8 & 255, version & 255


def numerics_version() -> int:
    """The number of docs/numerics.md: equal numbers, equal bits."""
    version: int = _lib.skald_numerics_version()
    return version


def dtype_name(dtype: int) -> str | None:
    """"Q4_K" and so on; None for an unknown number."""
    name: bytes | None = _lib.skald_dtype_name(dtype)
    return name.decode() if name is not None else None


def dtype_bytes(dtype: int, n: int) -> int:
    """Bytes of n elements; 0 when the type is unknown or n is not a whole number of blocks."""
    n_bytes: int = _lib.skald_dtype_bytes(dtype, n)
    return n_bytes


def dtype_to_f32(dtype: int, data: bytes, n: int) -> Any:
    """n elements as f32, bit for bit what the format defines: an array of ctypes, which numpy.asarray takes."""
    need = dtype_bytes(dtype, n)
    if not need or len(data) < need:
        raise ArgumentError(f"{len(data)} bytes are no {n} elements of type {dtype}")
    to = (_c.c_float * n)()
    _check(_lib.skald_dtype_to_f32(to, dtype, _c.c_char_p(data), n))
    return to


# Written out, for type checkers take nothing else for exported.
__all__ = [
    "ALL", "AbsentError", "Adapter", "AdapterInfo", "Answer", "ArgumentError", "AsyncEngine", "Beam", "BusyError",
    "Cache", "CacheStats", "Call", "CancelledError", "Chat", "Context", "DType", "Decoder", "DeviceError", "End",
    "Engine", "EngineOptions", "EngineStats", "Event", "FormatError", "Full", "GoneError", "Grammar", "Happened",
    "Kind", "LAST", "Logprob", "Matcher", "MemoryPlan", "Model", "ModelInfo", "NONE", "NotNow", "OutOfMemory",
    "Pending", "Piece", "ReadError", "Reader", "RequestOptions", "Role", "Runtime", "Sampler", "Sampling",
    "Sequence", "Short", "SkaldError", "Span", "Template", "TensorInfo", "UnsupportedError", "beam_search",
    "chat_format", "dtype_bytes", "dtype_name", "dtype_to_f32", "library_version", "numerics_version",
    "status_text",
]
