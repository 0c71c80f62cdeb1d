"""A handle of the library, freed when the last Python object that needs it lets go, in whatever order."""
from __future__ import annotations

import ctypes as c
from types import TracebackType
from typing import Any, Callable, TypeVar

from ._status import check, report


class Handle:
    """The address of one object. `needs` is what must outlive it: callbacks, bytes in use, the cache of a paused step.
    (That a model outlives its cache the library sees to itself; the host's log that it speaks to it cannot.)"""

    __slots__ = ("pointer", "needs", "_free")

    def __init__(self, pointer: c.c_void_p, free: Callable[[c.c_void_p], Any], needs: Any = None) -> None:
        self.pointer = pointer
        self.needs = needs
        self._free = free

    def __del__(self) -> None:
        self._free(self.pointer)


Self = TypeVar("Self", bound="Owner")


class Owner:
    """Base of what has a handle: a context manager with close(). Views of its memory keep the handle alive by themselves."""

    def __init__(self, handle: Handle) -> None:
        self._held: Handle | None = handle

    @property
    def _handle(self) -> Handle:
        if self._held is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._held

    @property
    def _pointer(self) -> c.c_void_p:
        return self._handle.pointer

    def _shared(self: Self, retain: Callable[[c.c_void_p], Any]) -> Self:
        """Another object that owns the same handle, freed on its own."""
        pointer = c.c_void_p(self._pointer.value)
        retain(pointer)
        other = type(self).__new__(type(self))
        Owner.__init__(other, Handle(pointer, self._handle._free, self._handle.needs))
        return other

    def close(self) -> None:
        """Lets go. Closing twice does nothing."""
        self._held = None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def created(function: Callable[..., int], free: Callable[[c.c_void_p], Any], needs: Any, *arguments: Any) -> Handle:
    """Calls function(&out, *arguments, why) and owns what it made."""
    out, why = c.c_void_p(), report()
    check(function(c.byref(out), *arguments, c.byref(why)), why)
    return Handle(out, free, needs)


class Guard:
    """Runs a host's function inside a callback: an exception waits here until the C call has returned, and stops it."""

    def __init__(self) -> None:
        self.caught: BaseException | None = None

    def run(self, function: Callable[..., Any], *arguments: Any, failed: Any = 1) -> Any:
        try:
            return function(*arguments)
        except BaseException as caught:  # C is between here and the caller
            self.caught = caught
            return failed

    def check(self, status: int, why: Any = None) -> None:
        if self.caught is not None:
            caught, self.caught = self.caught, None
            raise caught
        check(status, why)
