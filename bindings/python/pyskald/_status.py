"""What a call said, as exceptions: one class for each status, with the report's sentence."""
from __future__ import annotations

import ctypes as c
from typing import Any

from ._abi import Report, lib


class SkaldError(Exception):
    """`status` is the number, `offset` the byte of the file that the sentence is about, or None."""

    status = 0

    def __init__(self, text: str, offset: int | None = None) -> None:
        super().__init__(text)
        self.offset = offset


class NotNow(SkaldError):
    """Nothing is wrong, and nothing changed."""


class Full(NotNow):
    """No free page, sequence or place for a request; release something and call again."""

    status = 1


class Short(NotNow):
    """A buffer is too small."""

    status = 2


class Pending(NotNow):
    """The time is used up; the step is to be continued or cancelled."""

    status = 3


class End(NotNow):
    """There is no more."""

    status = 4


class ArgumentError(SkaldError, ValueError):
    """An argument breaks the contract."""

    status = -1


class OutOfMemory(SkaldError, MemoryError):
    """The allocator had no memory."""

    status = -2


class FormatError(SkaldError, ValueError):
    """A file does not say what it must."""

    status = -3


class ReadError(SkaldError):
    """A file cannot be read."""

    status = -4


class UnsupportedError(SkaldError):
    """Well formed, but not offered by this library or device."""

    status = -5


class BusyError(SkaldError):
    """The object is in use by another call or thread."""

    status = -6


class CancelledError(SkaldError):
    """The host asked to stop."""

    status = -7


class DeviceError(SkaldError):
    """The device failed."""

    status = -8


class AbsentError(SkaldError, LookupError):
    """There is no such thing."""

    status = -9


class GoneError(SkaldError):
    """No longer kept: windows and states reach back only so far."""

    status = -10


OK, FULL, SHORT, PENDING, END = 0, 1, 2, 3, 4
BY_STATUS: dict[int, type[SkaldError]] = {
    kind.status: kind
    for kind in (Full, Short, Pending, End, ArgumentError, OutOfMemory, FormatError, ReadError, UnsupportedError, BusyError,
                 CancelledError, DeviceError, AbsentError, GoneError)
}


def report() -> Any:
    return Report(size=c.sizeof(Report))


def status_text(status: int) -> str:
    """The library's sentence for a status."""
    text: bytes = lib.skald_status_text(status)
    return text.decode()


def error(status: int, why: Any = None) -> SkaldError:
    """The exception for a status that is not OK; `why` is the report that the call was given."""
    told = why is not None and why.status == status and why.text
    text = why.text.decode("utf-8", "replace") if told else status_text(status)
    offset = why.offset if told and why.offset != 2**64 - 1 else None
    kind = BY_STATUS.get(status, SkaldError)
    made = kind(text, offset)
    made.status = status
    return made


def check(status: int, why: Any = None) -> None:
    if status != OK:
        raise error(status, why)
