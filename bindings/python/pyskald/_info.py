"""What the library tells about itself and its objects, as plain values."""
from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from typing import Any, TypeVar


class DType(enum.IntEnum):
    """Element formats, numbered as in skald/dtype.h."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    Q2_K = 10
    Q3_K = 11
    Q4_K = 12
    Q5_K = 13
    Q6_K = 14
    IQ2_XXS = 16
    IQ2_XS = 17
    IQ3_XXS = 18
    IQ1_S = 19
    IQ4_NL = 20
    IQ3_S = 21
    IQ2_S = 22
    IQ4_XS = 23
    I8 = 24
    I16 = 25
    I32 = 26
    I64 = 27
    F64 = 28
    IQ1_M = 29
    BF16 = 30
    TQ1_0 = 34
    TQ2_0 = 35
    MXFP4 = 39
    NVFP4 = 40
    Q1_0 = 41
    Q2_0 = 42
    F8_E4M3 = 256
    F8_E5M2 = 257


class Role(enum.IntEnum):
    """What an id is for."""

    BOS = 0
    EOS = 1
    END_OF_TURN = 2
    UNKNOWN = 3
    SEPARATOR = 4
    PADDING = 5
    FIM_PREFIX = 6
    FIM_SUFFIX = 7
    FIM_MIDDLE = 8
    FIM_REPO = 9
    FIM_FILE = 10
    FIM_PADDING = 11
    MASK = 12
    END_OF_MESSAGE = 13


@dataclass(frozen=True)
class ModelInfo:
    """As skald_model_info."""

    n_layers: int
    n_embd: int
    n_heads: int
    n_kv_heads: int
    head_dim_k: int
    head_dim_v: int
    n_ff: int
    n_vocab: int
    n_context: int
    n_parameters: int
    n_file_bytes: int
    latent_dim: int
    latent_rope_dim: int
    architecture: str
    name: str
    device: str


@dataclass(frozen=True)
class TensorInfo:
    """As skald_tensor_info; `shape` has the fastest dimension first."""

    type: int
    shape: tuple[int, ...]
    n_bytes: int
    name: str
    type_name: str
    kernel: str


@dataclass(frozen=True)
class MemoryPlan:
    """As skald_memory_plan: bytes that will be asked for."""

    model_bytes: int
    weights_bytes: int
    load_bytes: int
    cache_bytes: int
    context_bytes: int
    peak_bytes: int
    mapped_bytes: int
    stack_bytes: int
    device_bytes: int
    cache_bytes_per_token: int
    engine_bytes: int


@dataclass(frozen=True)
class CacheStats:
    """As skald_kv_cache_stats."""

    n_pages: int
    n_pages_free: int
    n_pages_shared: int
    n_sequences: int
    n_sequences_max: int
    n_tokens: int
    bytes: int
    bytes_per_token: int
    n_window_pages: int
    n_window_pages_free: int
    n_slots: int
    n_slots_free: int


@dataclass(frozen=True)
class EngineStats:
    """As skald_engine_stats."""

    n_waiting: int
    n_running: int
    n_kept: int
    n_pages: int
    n_pages_free: int
    n_pages_shared: int
    n_submitted: int
    n_ended: int
    n_preempted: int
    n_steps: int
    n_prompt_read: int
    n_prompt_shared: int
    n_answered: int
    queue_microseconds: int
    first_microseconds: int
    n_first: int
    n_drafted: int
    n_right: int


@dataclass(frozen=True)
class AdapterInfo:
    """As skald_adapter_info."""

    rank: int
    n_changed: int
    n_parameters: int


T = TypeVar("T")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None:
        return ""
    return value if isinstance(value, int) else tuple(value)


def told(kind: type[T], struct: Any) -> T:
    """The fields of a C struct by their names."""
    return kind(**{f.name: _plain(getattr(struct, f.name)) for f in fields(kind)})  # type: ignore[arg-type]
