"""Many requests at once on one model: a loop of the host's own, or one for asyncio."""
from __future__ import annotations

import asyncio
import ctypes as c
import enum
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Iterator, NamedTuple, Sequence as Ids, TypedDict

from ._abi import EngineStats as _Stats, Event as _Event, Logprob as _Logprob, Request as _Request, StageFn, lib, sized
from ._adapter import Uses, name_adapters, rank_of
from ._handle import Guard, Owner, created
from ._info import EngineStats, told
from ._runtime import EngineOptions, engine_options
from ._model import c_texts
from ._sampler import Sampling, sampler_options
from ._status import END, OK, PENDING, AbsentError, DeviceError, Full, SkaldError, check, error, report

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._grammar import Grammar
    from ._model import Model

Stage = Callable[["memoryview[float]", int, "list[int]"], Any]


class Happened(enum.IntEnum):
    """What an event tells; all but TOKEN end their request."""

    TOKEN = 1
    STOP = 2
    LENGTH = 3
    CANCELLED = 4
    DEADLINE = 5
    FAILED = 6


class Logprob(NamedTuple):
    """An id and the natural logarithm of its share of the model's own distribution."""

    id: int
    logprob: float


@dataclass(frozen=True)
class Event:
    """As skald_event: `id` of a TOKEN, else -1; `text` is what it adds, whole characters; `stop` which of the stops ended the answer,
    -1 the model itself; `logprob` and `top` where the request asked for n_top; ids of drafts that were read, and right."""

    kind: Happened
    request: int
    id: int
    position: int
    text: str = ""
    stop: int = -1
    logprob: float = 0.0
    top: tuple[Logprob, ...] = ()
    n_drafted: int = 0
    n_right: int = 0


KINDS = {int(kind): kind for kind in Happened}


def _top(event: Any) -> tuple[Logprob, ...]:
    return tuple(Logprob(one.id, one.logprob) for one in (_Logprob * event.n_top).from_address(event.top))


class _Most(TypedDict):
    n_tokens: int


class RequestOptions(_Most, total=False):
    """What Engine.submit takes besides the prompt."""

    sampling: Sampling | None
    priority: int
    deadline: float
    ignore_end: bool
    stage: Stage | None
    grammar: Grammar | None
    stops: str | Ids[str]
    n_top: int
    prefix: str | bytes
    n_heal: int
    adapters: Uses | None


class Engine(Owner):
    """submit and cancel from any thread; step and poll from one at a time:

        request = engine.submit(ids, n_tokens=64)
        for event in engine.run(): ...

    Options are those of EngineOptions. Drafts are guessed by `lookup` (what followed the last ids before) or by the small
    model `draft`, n_draft ids at most; requests may ask for the n_top likeliest ids, and name adapters up to max_rank.
    """

    def __init__(self, model: Model, **options: Unpack[EngineOptions]) -> None:
        super().__init__(created(lib.skald_engine_create, lib.skald_engine_free, model._handle, model._pointer,
                                 c.byref(engine_options(**options))))
        self.model = model
        self._guard, self._why, self._event = Guard(), report(), sized(_Event)
        self._text = c.c_void_p.from_buffer(self._event, _Event.text.offset)  # as bytes it would end at a NUL
        self._stages: dict[int, Any] = {}  # callbacks of requests that have not ended

    def submit(self, prompt: str | Ids[int], *, n_tokens: int, sampling: Sampling | None = None, priority: int = 0,
               deadline: float = 0.0, ignore_end: bool = False, stage: Stage | None = None, grammar: Grammar | None = None,
               stops: str | Ids[str] = (), n_top: int = 0, prefix: str | bytes = b"", n_heal: int = 0,
               adapters: Uses | None = None) -> int:
        """Takes a request and gives its number. `deadline` in seconds from now; `stage` gets (logits, position, last ids)
        before each choice and may change the logits; the answer is a text of `grammar`, ends before one of `stops`, and begins with
        `prefix` behind the text of the last n_heal ids of the prompt, which are taken back; `adapters`: one, or several, each alone or with
        its scale, and the engine keeps them. Full: submit again when a request has ended."""
        ids = self.model.encode(prompt, special=True, bos=True) if isinstance(prompt, str) else prompt
        array, why, number = (c.c_int32 * len(ids))(*ids), report(), c.c_uint64()
        request, chosen = sized(_Request), sampler_options(sampling)
        request.prompt, request.n_prompt, request.n_tokens = c.addressof(array), len(array), n_tokens
        request.priority, request.deadline, request.ignore_end = priority, round(deadline * 1e6), ignore_end
        request.sampler = c.addressof(chosen)
        if grammar:
            request.grammar = grammar._pointer
        texts, begin = c_texts(stops), prefix.encode() if isinstance(prefix, str) else prefix
        request.stops, request.n_stops, request.n_top = c.addressof(texts), len(texts), n_top
        request.prefix, request.n_prefix, request.n_heal = begin, len(begin), n_heal
        named = name_adapters(request, adapters)
        if stage:
            request.stage = self._stage(stage)
        check(lib.skald_engine_submit(c.byref(number), self._pointer, c.byref(request), c.byref(why)), why)
        del named
        if stage:
            self._stages[number.value] = request.stage
        return number.value

    def _stage(self, stage: Stage) -> Any:
        def look(_: Any, logits: int, n_vocab: int, position: int, text: int, n_text: int) -> None:
            row = memoryview((c.c_float * n_vocab).from_address(logits)).cast("B").cast("f")
            stage(row, position, list((c.c_int32 * n_text).from_address(text)) if n_text else [])

        return StageFn(lambda *a: self._guard.run(look, *a) and None)

    def cancel(self, request: int) -> bool:
        """The request ends soon, with what it has. False: it has ended already."""
        try:
            check(lib.skald_engine_cancel(self._pointer, request))
        except AbsentError:
            return False
        return True

    def step(self, microseconds: int = 0) -> bool:
        """Works for about so long, 0: until one pass is done. False: nothing to do until a request is submitted."""
        status = lib.skald_engine_step(self._pointer, microseconds, c.byref(self._why))
        self._guard.check(OK if status in (PENDING, END) else status, self._why)
        return bool(status != END)

    def poll(self) -> Event | None:
        """The next thing that happened."""
        event = self._event
        status = lib.skald_engine_poll(c.byref(event), self._pointer)
        if status == END:
            return None
        check(status)
        text = c.string_at(self._text.value or 0, event.n_bytes).decode("utf-8", "replace") if event.n_bytes else ""
        told = Event(KINDS[event.kind], event.request, event.id, event.position, text, event.stop, event.logprob,
                     _top(event) if event.n_top else (), event.n_drafted, event.n_right)
        if told.kind != Happened.TOKEN:
            self._stages.pop(told.request, None)
        return told

    def events(self) -> Iterator[Event]:
        """What happened until now."""
        while event := self.poll():
            yield event

    def run(self) -> Iterator[Event]:
        """Steps until nothing is left to do, and tells what happens."""
        more = True
        while more:
            more = self.step()
            yield from self.events()

    @property
    def stats(self) -> EngineStats:
        stats = sized(_Stats)
        check(lib.skald_engine_get_stats(c.byref(stats), self._pointer))
        return told(EngineStats, stats)


def _refuse_failed(event: Event) -> None:
    if event.kind == Happened.FAILED:
        raise SkaldError("no id can be chosen: a logit is NaN, or all are forbidden")


def stream(model: Model, ids: Ids[int], room: int, **request: Unpack[RequestOptions]) -> Iterator[str]:
    """The text of one request, piece by piece, by an engine of its own with so much room."""
    max_rank = rank_of(request.get("adapters"))
    with Engine(model, n_running=1, n_requests=1, n_tokens=room, sharing=False, max_rank=max_rank) as engine:
        engine.submit(ids, **request)
        for event in engine.run():
            _refuse_failed(event)
            if event.text:
                yield event.text


class AsyncEngine:
    """An engine with a thread that steps it, for asyncio:

        async with AsyncEngine(model) as engine:
            async for text in engine.stream("The sea is", n_tokens=64): ...

    A task that is cancelled, or that leaves the iterator, cancels its request. Options are those of Engine."""

    def __init__(self, model: Model, **options: Unpack[EngineOptions]) -> None:
        self._engine = Engine(model, **options)
        self._queues: dict[int, asyncio.Queue[Any]] = {}
        self._wake, self._ended = threading.Event(), asyncio.Event()
        self._lock = threading.Lock()  # of the engine's calls of one thread
        self._closing = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> AsyncEngine:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="skald engine", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._closing = True
        self._wake.set()
        if self._thread:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        self._engine.close()

    def _work(self) -> None:
        """The stepping thread: hands on what happens, sleeps when nothing is left to do."""
        more = True
        while not self._closing:
            if not more:
                self._wake.wait()
                self._wake.clear()
            try:
                with self._lock:
                    more = self._engine.step(2000)
                    events = list(self._engine.events())
            except BaseException as failed:  # a stage's exception, or the device: all who wait hear it
                events, more = [], not isinstance(failed, DeviceError)
                self._tell(self._fail, failed)
            if events:
                self._tell(self._hand_on, events)

    def _tell(self, function: Callable[..., None], argument: Any) -> None:
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, argument)

    def _hand_on(self, events: list[Event]) -> None:
        for event in events:
            if queue := self._queues.get(event.request):
                queue.put_nowait(event)
            if event.kind != Happened.TOKEN:
                self._ended.set()

    def _fail(self, failed: BaseException) -> None:
        for queue in self._queues.values():
            queue.put_nowait(failed)

    async def events(self, prompt: str | Ids[int], **request: Unpack[RequestOptions]) -> AsyncIterator[Event]:
        """What happens to a request, its end last; arguments as Engine.submit. Waits while the engine is full. A choice that cannot
        be made raises."""
        queue: asyncio.Queue[Any] = asyncio.Queue()
        number = await self._submit(queue, prompt, request)
        ended = False
        try:
            while not ended:
                event = await queue.get()
                if isinstance(event, BaseException):
                    raise event
                ended = event.kind != Happened.TOKEN
                _refuse_failed(event)
                yield event
        finally:
            del self._queues[number]
            if not ended:
                self._engine.cancel(number)

    async def tokens(self, prompt: str | Ids[int], **request: Unpack[RequestOptions]) -> AsyncIterator[int]:
        """The ids of an answer. An end by deadline or length ends the iterator."""
        events = self.events(prompt, **request)
        try:
            async for event in events:
                if event.kind == Happened.TOKEN:
                    yield event.id
        finally:
            await events.aclose()  # type: ignore[attr-defined]

    async def _submit(self, queue: asyncio.Queue[Any], prompt: str | Ids[int], request: RequestOptions) -> int:
        while True:
            self._ended.clear()
            try:
                number = self._engine.submit(prompt, **request)
            except Full:
                await self._ended.wait()
                continue
            self._queues[number] = queue  # events come through this event loop, so none can be earlier
            self._wake.set()
            return number

    async def stream(self, prompt: str | Ids[int], **request: Unpack[RequestOptions]) -> AsyncIterator[str]:
        """The text of an answer, whole characters, up to a stop."""
        events = self.events(prompt, **request)
        try:
            async for event in events:
                if event.text:
                    yield event.text
        finally:
            await events.aclose()  # type: ignore[attr-defined]

    async def generate(self, prompt: str | Ids[int], **request: Unpack[RequestOptions]) -> str:
        """The whole text of an answer."""
        return "".join([text async for text in self.stream(prompt, **request)])

    async def stats(self) -> EngineStats:
        def ask() -> EngineStats:
            with self._lock:
                return self._engine.stats

        return await asyncio.get_running_loop().run_in_executor(None, ask)
