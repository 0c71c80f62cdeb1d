"""What was read: pages of many sequences. One thread at a time."""
from __future__ import annotations

import ctypes as c
from typing import IO, TYPE_CHECKING, Any

from ._abi import KvCacheStats, ReadFn, WriteFn, lib, sized
from ._handle import Guard, Owner, created
from ._info import CacheStats, DType, told
from ._runtime import cache_options
from ._status import BY_STATUS, check, report

if TYPE_CHECKING:
    from ._model import Model

FAILED = next(status for status, kind in BY_STATUS.items() if kind.__name__ == "ReadError")


class Cache(Owner):
    """Room for `n_tokens` tokens of all sequences together, `n_sequences` of them at a time; 0 as in skald.h."""

    def __init__(self, model: Model, *, n_tokens: int = 0, n_sequences: int = 0, k_type: DType = DType.F16,
                 v_type: DType = DType.F16) -> None:
        options = cache_options(n_tokens, n_sequences, k_type, v_type)
        super().__init__(created(lib.skald_kv_cache_create, lib.skald_kv_cache_free, model._handle, model._pointer,
                                 c.byref(options)))

    def open(self) -> Sequence:
        """An empty sequence."""
        seq = c.c_uint32()
        check(lib.skald_kv_cache_open(c.byref(seq), self._pointer))
        return Sequence(self, seq.value)

    def restore(self, saved: bytes | IO[bytes]) -> Sequence:
        """A new sequence from what Sequence.save wrote, in this process or another: the next logits have the same bits."""
        guard, seq, why, at = Guard(), c.c_uint32(), report(), 0

        def piece(n: int) -> bytes:
            nonlocal at
            if not isinstance(saved, (bytes, bytearray, memoryview)):
                return saved.read(n)
            at += n
            return bytes(saved[at - n:at])

        def read(_: Any, to: int, n: int) -> int:
            data = piece(n)
            if len(data) != n:
                return FAILED
            c.memmove(to, data, n)
            return 0

        on_read = ReadFn(lambda *a: guard.run(read, *a, failed=FAILED))
        guard.check(lib.skald_kv_cache_restore(c.byref(seq), self._pointer, on_read, None, c.byref(why)), why)
        return Sequence(self, seq.value)

    @property
    def stats(self) -> CacheStats:
        stats = sized(KvCacheStats)
        check(lib.skald_kv_cache_get_stats(c.byref(stats), self._pointer))
        return told(CacheStats, stats)


class Sequence:
    """One text in a cache; a context manager that releases it."""

    def __init__(self, cache: Cache, number: int) -> None:
        self.cache, self.number = cache, number

    def __len__(self) -> int:
        """How many tokens it holds."""
        n = c.c_uint32()
        check(lib.skald_kv_cache_length(c.byref(n), self.cache._pointer, self.number))
        return n.value

    def __bool__(self) -> bool:
        return True

    def reserve(self, n_tokens: int) -> None:
        """Room for so many tokens more than it holds, so that a later step cannot be Full."""
        check(lib.skald_kv_cache_reserve(self.cache._pointer, self.number, n_tokens))

    def fork(self, n_tokens: int | None = None) -> Sequence:
        """A new sequence with its first `n_tokens` tokens (None: all), sharing pages."""
        seq = c.c_uint32()
        n = len(self) if n_tokens is None else n_tokens
        check(lib.skald_kv_cache_fork(c.byref(seq), self.cache._pointer, self.number, n))
        return Sequence(self.cache, seq.value)

    def rewind(self, n_tokens: int) -> None:
        """Forgets all but the first `n_tokens` tokens."""
        check(lib.skald_kv_cache_rewind(self.cache._pointer, self.number, n_tokens))

    def release(self) -> None:
        """Ends it; pages that nobody shares are free again."""
        check(lib.skald_kv_cache_release(self.cache._pointer, self.number))

    def save(self, to: IO[bytes] | None = None) -> bytes:
        """Writes what it holds to a file, or gives it back."""
        guard, why = Guard(), report()
        pieces: list[bytes] = []

        def write(_: Any, data: int, n: int) -> int:
            piece = c.string_at(data, n)
            pieces.append(piece) if to is None else to.write(piece)
            return 0

        on_write = WriteFn(lambda *a: guard.run(write, *a, failed=FAILED))
        guard.check(lib.skald_kv_cache_save(None, self.cache._pointer, self.number, on_write, None, c.byref(why)), why)
        return b"".join(pieces)

    def __enter__(self) -> Sequence:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.cache._held is not None:
            self.release()
