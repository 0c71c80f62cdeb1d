"""What the host lends, and where a model comes from."""
from __future__ import annotations

import ctypes as c
import os
from typing import TYPE_CHECKING, Any, Callable, Protocol, Sequence, TypedDict, Union

from ._abi import (ContextOptions, EngineOptions as _Engine, KvCacheOptions, LogFn, MemoryPlan as _Plan,
                   ModelInfo as _Info, ModelOptions, ProgressFn, RuntimeOptions, Source, SourceReadFn, lib, sized)
from ._handle import Guard, Owner, created
from ._info import DType, MemoryPlan, ModelInfo, told
from ._status import BY_STATUS, check, report

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._model import Model

Log = Callable[[int, str], None]
Progress = Callable[[float], Any]


class Reader(Protocol):
    """A file behind functions: its length, and `n` bytes from an offset."""

    def __len__(self) -> int: ...

    def read_at(self, offset: int, n: int) -> bytes: ...


Part = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, Reader]
Parts = Union[Part, Sequence[Part]]


class EngineOptions(TypedDict, total=False):
    """As skald_engine_options, whose zeros are the defaults; `sharing` False is no_sharing."""

    n_running: int
    n_requests: int
    n_kept: int
    n_tokens: int
    n_text: int
    n_rows: int
    n_prompt_rows: int
    sharing: bool
    n_threads: int
    k_type: DType
    v_type: DType
    n_top: int
    lookup: bool
    draft: Model | None
    n_draft: int
    max_rank: int


class Runtime(Owner):
    """Workers, a log, devices. `threads` 0: the processors that this process may use. `log` gets (level, line).

    Memory and threads are the library's own here. A host's functions for them would be callbacks in Python, and a
    signal's exception (Ctrl-C) may come in front of the first line of one, where nothing can catch it: C would go on with
    an address that nobody gave, or with jobs that nobody ran."""

    def __init__(self, *, threads: int = 0, cpu_level: str | None = None, log: Log | None = None,
                 small_pages: bool = False) -> None:
        options = sized(RuntimeOptions, "skald_runtime_options_init")
        options.n_threads = threads
        options.cpu_level = cpu_level.encode() if cpu_level is not None else None
        options.small_pages = small_pages
        said: Any = LogFn(lambda _, level, line: _say(log, level, line)) if log else None
        if said:
            options.log = said
        super().__init__(created(lib.skald_runtime_create, lib.skald_runtime_release, said, c.byref(options)))

    def load_backend(self, path: str | os.PathLike[str], config: str | None = None) -> None:
        """Loads a device plug-in."""
        why = report()
        settings = config.encode() if config is not None else None
        check(lib.skald_runtime_load_backend(self._pointer, os.fsencode(path), settings, c.byref(why)), why)

    def inspect(self, path: str | os.PathLike[str]) -> ModelInfo:
        """Sizes of a GGUF file, a folder with a config.json, or a config.json, without loading it."""
        why, info = report(), sized(_Info)
        check(lib.skald_model_inspect(c.byref(info), self._pointer, os.fsencode(path), c.byref(why)), why)
        return told(ModelInfo, info)

    def memory_plan(self, source: Parts, *, n_tokens: int = 0, n_sequences: int = 0, k_type: DType = DType.F16,
                    v_type: DType = DType.F16, n_rows: int = 0, n_logits: int = 0, max_rank: int = 0,
                    **model: Any) -> MemoryPlan:
        """What opening, a cache and a context together will ask for; `model` are options of Model."""
        why, plan, parts = report(), sized(_Plan), Sources(source, bool(model.pop("map", False)))
        progress = Guard()
        cache = cache_options(n_tokens, n_sequences, k_type, v_type)
        context = context_options(n_rows, n_logits, 0, max_rank)
        options = model_options(progress, **model)
        status = lib.skald_memory_get_plan(c.byref(plan), self._pointer, c.byref(options), c.byref(cache),
                                           c.byref(context), c.byref(why), parts.array, parts.n)
        parts.guard.check(status, why)
        return told(MemoryPlan, plan)

    def engine_plan(self, source: Parts, *, engine: EngineOptions | None = None, **model: Any) -> MemoryPlan:
        """What opening and an Engine together will ask for; `engine` are options of Engine, `model` those of Model."""
        why, plan, parts = report(), sized(_Plan), Sources(source, bool(model.pop("map", False)))
        options, settings = model_options(Guard(), **model), engine_options(**(engine or {}))
        status = lib.skald_engine_get_plan(c.byref(plan), self._pointer, c.byref(options), c.byref(settings), c.byref(why),
                                           parts.array, parts.n)
        parts.guard.check(status, why)
        return told(MemoryPlan, plan)


def _say(log: Log | None, level: int, line: int) -> None:
    if log:
        log(level, c.string_at(line).decode("utf-8", "replace"))


class Sources:
    """skald_source structs for paths, bytes and readers, and what keeps their memory alive."""

    def __init__(self, parts: Parts, map: bool = False) -> None:
        single = isinstance(parts, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(parts, "read_at")
        every: Sequence[Any] = [parts] if single else list(parts)  # type: ignore[arg-type]
        self.guard = Guard()
        self.kept: list[Any] = []
        self.n = len(every)
        self.array = (Source * len(every))()
        for to, part in zip(self.array, every):
            to.size = c.sizeof(Source)
            if isinstance(part, (str, os.PathLike)):
                to.path, to.map = os.fsencode(part), map
            elif isinstance(part, (bytes, bytearray, memoryview)):
                self._bytes(to, part)
            else:
                self._reader(to, part)

    def _bytes(self, to: Any, part: bytes | bytearray | memoryview) -> None:
        if isinstance(part, bytes):
            kept: Any = c.c_char_p(part)
            to.bytes = c.cast(kept, c.c_void_p)
        else:
            kept = (c.c_char * len(part)).from_buffer(part)
            to.bytes = c.addressof(kept)
        to.n_bytes = len(part)
        self.kept += [kept, part]

    def _reader(self, to: Any, part: Any) -> None:
        def read(_: Any, where: int, offset: int, n: int) -> int:
            piece = part.read_at(offset, n)
            if len(piece) != n:
                raise EOFError(f"{len(piece)} bytes at {offset}, {n} wanted")
            c.memmove(where, bytes(piece), n)
            return 0

        failed = next(s for s, kind in BY_STATUS.items() if kind.__name__ == "ReadError")
        to.read = SourceReadFn(lambda *a: self.guard.run(read, *a, failed=failed))
        to.n_bytes = len(part)
        self.kept += [to.read, part]


def model_options(guard: Guard, *, vocabulary_only: bool = False, device: str | None = None,
                  progress: Progress | None = None, in_place: bool = False, n_context: int = 0,
                  split: str | None = None) -> Any:
    options = sized(ModelOptions, "skald_model_options_init")
    options.vocabulary_only, options.in_place, options.n_context = vocabulary_only, in_place, n_context
    options.device = device.encode() if device is not None else None
    options.split = split.encode() if split is not None else None
    if progress:
        options.progress = progress_fn(guard, progress)
    return options


def progress_fn(guard: Guard, progress: Progress) -> Any:
    """A host's progress function: a true result, or an exception, cancels."""
    return ProgressFn(lambda _, done: 1 if guard.run(progress, done) else 0)


def cache_options(n_tokens: int, n_sequences: int, k_type: DType, v_type: DType) -> Any:
    options = sized(KvCacheOptions, "skald_kv_cache_options_init")
    options.n_tokens, options.n_sequences = n_tokens, n_sequences
    options.k_type, options.v_type = k_type, v_type
    return options


def engine_options(**given: Unpack[EngineOptions]) -> Any:
    options = sized(_Engine, "skald_engine_options_init")
    options.no_sharing = not given.pop("sharing", True)
    draft = given.pop("draft", None)
    options.draft = draft._pointer if draft else None
    for name, value in given.items():
        if name not in EngineOptions.__annotations__:
            raise TypeError(f"an engine has no option {name}")
        setattr(options, name, value)
    return options


def context_options(n_rows: int, n_logits: int, n_threads: int, max_rank: int = 0) -> Any:
    options = sized(ContextOptions, "skald_context_options_init")
    options.n_rows, options.n_logits, options.n_threads, options.max_rank = n_rows, n_logits, n_threads, max_rank
    return options
