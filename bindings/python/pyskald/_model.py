"""A model: weights and vocabulary. Never changes; threads share it."""
from __future__ import annotations

import ctypes as c
from typing import TYPE_CHECKING, Any, Callable, Iterator, Sequence

from ._abi import Decoder as _Decoder
from ._abi import GenerateOptions, ModelInfo as _Info, TensorInfo as _Tensor, TextFn, lib, sized
from ._handle import Guard, Handle, Owner
from ._info import DType, ModelInfo, Role, TensorInfo, told
from ._runtime import EngineOptions, Parts, Progress, Runtime, Sources, model_options
from ._sampler import Sampler, Sampling, sampler_options
from ._status import END, OK, SHORT, ArgumentError, Full, check, error, report

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._adapter import Adapter, Uses
    from ._cache import Cache
    from ._chat import Answer, Chat, Template
    from ._context import Context
    from ._engine import Engine
    from ._grammar import Grammar

SPECIAL, BOS, EOS = 1, 2, 4
BEGIN = 2


class Model(Owner):
    """Opens a GGUF file: a path, the parts of a split one, bytes, or an object with read_at(offset, n) and a length.

    `progress` gets a number from 0 to 1 and cancels by a true result or an exception. `in_place` uses the weights where they
    lie; `map` maps a path while it is opened. The other options are those of skald_model_options."""

    def __init__(self, source: Parts, *, runtime: Runtime | None = None, map: bool = False, vocabulary_only: bool = False,
                 device: str | None = None, progress: Progress | None = None, in_place: bool = False,
                 n_context: int = 0, split: str | None = None) -> None:
        runtime = runtime or Runtime()
        parts, why, out = Sources(source, map), report(), c.c_void_p()
        options = model_options(parts.guard, vocabulary_only=vocabulary_only, device=device, progress=progress,
                                in_place=in_place, n_context=n_context, split=split)
        if parts.n == 1 and parts.array[0].path and not map:  # finds the further parts of a split file
            status = lib.skald_model_open_path(c.byref(out), runtime._pointer, parts.array[0].path, c.byref(options),
                                               c.byref(why))
        else:
            status = lib.skald_model_open(c.byref(out), runtime._pointer, c.byref(options), c.byref(why), parts.array,
                                          parts.n)
        parts.guard.check(status, why)
        needs = (runtime._handle, parts.kept if in_place else None)
        super().__init__(Handle(out, lib.skald_model_release, needs))
        self.info = self._info()
        self._n_vocab = self.info.n_vocab

    def share(self) -> Model:
        """One more owner of the same model, to be closed on its own."""
        other = self._shared(lib.skald_model_retain)
        other.info, other._n_vocab = self.info, self._n_vocab
        return other

    # ---- what it is ----------------------------------------------------------------------------------------------

    def _info(self) -> ModelInfo:
        info = sized(_Info)
        check(lib.skald_model_get_info(c.byref(info), self._pointer))
        return told(ModelInfo, info)

    @property
    def metadata(self) -> dict[str, str]:
        """All keys of the file; arrays as "[n values of type t]"."""
        keys: dict[str, str] = {}
        index = 0
        while True:
            key = lib.skald_model_metadata_key(self._pointer, index)
            if key is None:
                return keys
            keys[key.decode("utf-8", "replace")] = self._metadata(key)
            index += 1

    def _metadata(self, key: bytes) -> str:
        call = lambda text, n: lib.skald_model_metadata(text, n, self._pointer, key)  # noqa: E731
        return filled_text(call).rstrip(b"\0").decode("utf-8", "replace")

    def tensors(self) -> Iterator[TensorInfo]:
        index, info = 0, sized(_Tensor)
        while (status := lib.skald_model_tensor(c.byref(info), self._pointer, index)) == OK:
            yield told(TensorInfo, info)
            index += 1
        if status != END:
            raise error(status)

    def kernels(self) -> dict[str, str]:
        """The kernel of each operation besides those that multiply with tensors."""
        found, index = {}, 0
        operation, kernel = c.c_char_p(), c.c_char_p()
        while lib.skald_model_kernel(c.byref(operation), c.byref(kernel), self._pointer, index) == OK:
            found[(operation.value or b"").decode()] = (kernel.value or b"").decode()
            index += 1
        return found

    def kv_bytes_per_token(self, k_type: DType = DType.F16, v_type: DType = DType.F16) -> int:
        """What a token costs in a cache of these types; 0 where a type has no whole blocks there."""
        info = sized(_Info)
        check(lib.skald_model_get_info(c.byref(info), self._pointer))
        bytes_per_token: int = lib.skald_kv_bytes_per_token(c.byref(info), k_type, v_type)
        return bytes_per_token

    # ---- text ----------------------------------------------------------------------------------------------------

    def encode(self, text: str | bytes, *, special: bool = False, bos: bool = False, eos: bool = False,
               stranger: bytes | None = None) -> list[int]:
        """Ids of a text. `special` reads control tokens, but none with a byte where `stranger` (one byte for each of the
        text) is not 0; `bos` and `eos` add those where the model asks for them."""
        data = text.encode() if isinstance(text, str) else bytes(text)
        if stranger is not None and len(stranger) != len(data):
            raise ValueError(f"stranger has {len(stranger)} bytes, the text {len(data)}")
        flags = SPECIAL * special | BOS * bos | EOS * eos
        if stranger is None:
            return filled_ids(lambda ids, n: lib.skald_encode(ids, n, self._pointer, flags, data, len(data)),
                              len(data) + 16)
        return filled_ids(lambda ids, n: lib.skald_encode_guarded(ids, n, self._pointer, flags, data, stranger, len(data)),
                          len(data) + 16)

    def decode_bytes(self, ids: Sequence[int], *, special: bool = False, begin: bool = False) -> bytes:
        array = (c.c_int32 * len(ids))(*ids)
        flags = SPECIAL * special | BEGIN * begin
        return filled_text(lambda text, n: lib.skald_decode(text, n, self._pointer, flags, array, len(array)), len(ids) * 8)

    def decode(self, ids: Sequence[int], *, special: bool = False, begin: bool = False) -> str:
        """Text of ids; bytes that are no UTF-8 become U+FFFD."""
        return self.decode_bytes(ids, special=special, begin=begin).decode("utf-8", "replace")

    def decoder(self, *, special: bool = False) -> Decoder:
        return Decoder(self, special)

    def token(self, role: Role) -> int | None:
        id = lib.skald_model_token(self._pointer, role)
        return None if id < 0 else id

    def is_end(self, id: int) -> bool:
        return bool(lib.skald_model_is_end(self._pointer, id))

    @property
    def ends(self) -> tuple[int, ...]:
        """The ids at which generation stops."""
        found: list[int] = []
        while (id := lib.skald_model_end(self._pointer, len(found))) >= 0:
            found.append(id)
        return tuple(found)

    # ---- what is made from it --------------------------------------------------------------------------------------

    def cache(self, **options: Any) -> Cache:
        from ._cache import Cache
        return Cache(self, **options)

    def context(self, **options: Any) -> Context:
        from ._context import Context
        return Context(self, **options)

    def sampler(self, sampling: Sampling | None = None) -> Sampler:
        return Sampler(self, sampling)

    def template(self, text: str | None = None) -> Template:
        from ._chat import Template
        return Template(self, text)

    def answer(self, **options: Any) -> Answer:
        from ._chat import Answer
        return Answer(self, **options)

    def chat(self, **options: Any) -> Chat:
        from ._chat import Chat
        return Chat(self, **options)

    def adapter(self, source: Any, *, config: Any = None) -> Adapter:
        from ._adapter import Adapter
        return Adapter(self, source, config=config)

    def engine(self, **options: Unpack[EngineOptions]) -> Engine:
        from ._engine import Engine
        return Engine(self, **options)

    # ---- the short way ---------------------------------------------------------------------------------------------

    def generate(self, prompt: str, *, n_tokens: int = 0, chat: bool = False, n_context: int = 0,
                 sampling: Sampling | None = None, stops: str | Sequence[str] = (), heal: bool = False,
                 say: Callable[[str], Any] | None = None) -> str:
        """Prompt in, text out, by skald_generate. The answer ends before one of `stops`; with `heal` the prompt may end inside a word.
        `say` hears each piece, and stops the answer by a true result."""
        guard, pieces, why = Guard(), [], report()
        options = sized(GenerateOptions, "skald_generate_options_init")
        options.n_tokens, options.chat, options.n_context = n_tokens, chat, n_context
        chosen, texts = sampler_options(sampling), c_texts(stops)
        options.sampler, options.heal = c.addressof(chosen), heal
        options.stops, options.n_stops = c.addressof(texts), len(texts)

        def hear(_: Any, text: int, n: int) -> int:
            pieces.append(c.string_at(text, n).decode())
            return 1 if say and say(pieces[-1]) else 0

        on_text = TextFn(lambda *a: guard.run(hear, *a))
        status = lib.skald_generate(self._pointer, c_text(prompt), c.byref(options), on_text, None, c.byref(why))
        guard.check(status, why)
        return "".join(pieces)

    def stream(self, prompt: str, *, n_tokens: int = 0, chat: bool = False, n_context: int = 0,
               sampling: Sampling | None = None, stops: str | Sequence[str] = (), grammar: Grammar | None = None,
               adapters: Uses | None = None) -> Iterator[str]:
        """The same as an iterator of pieces, under a grammar and with adapters too: a request of an engine of its own, whose
        bounds hold for `sampling`. Leaving it early frees all that it took."""
        from ._engine import stream
        room = room_of(self, n_context)
        if chat:
            ids = self.template().encode([{"role": "user", "content": prompt}], local_seconds=0)
        else:
            ids = self.encode(prompt, special=True, bos=True)
        n_left = room_left(room, ids)
        return stream(self, ids, room, n_tokens=min(n_tokens or n_left, n_left), sampling=sampling, stops=stops,
                      grammar=grammar, adapters=adapters)


class Decoder:
    """Ids to text one by one, never splitting a character."""

    def __init__(self, model: Model, special: bool = False) -> None:
        self._model, self._state = model, _Decoder(flags=SPECIAL * special)
        self._by, self._text, self._n = c.byref(self._state), c.create_string_buffer(512), c.c_size_t()
        self._by_n = c.byref(self._n)

    def push(self, id: int) -> str:
        """Adds an id and gives out the characters that are complete; -1 ends the text."""
        self._n.value = len(self._text)
        status = lib.skald_decoder_push(self._text, self._by_n, self._by, self._model._pointer, id)
        if status == SHORT:
            self._text = c.create_string_buffer(self._n.value)
            return self.push(id)
        if status != OK:
            raise error(status)
        return self._text.raw[: self._n.value].decode("utf-8", "replace")

    def end(self) -> str:
        """What is pending, as U+FFFD."""
        return self.push(-1)


def room_of(model: Model, n_context: int) -> int:
    """As skald_generate_options.n_context."""
    return n_context or min(model.info.n_context or 4096, 4096)


def room_left(room: int, ids: Sequence[int]) -> int:
    """For an answer to a prompt."""
    if not ids:
        raise ArgumentError("the prompt is empty")
    if len(ids) > room:
        raise Full(f"the prompt has {len(ids)} tokens, there is room for {room}")
    return room - len(ids)


def c_text(text: str) -> bytes:
    data = text.encode()
    if b"\0" in data:
        raise ValueError("the text holds a NUL")
    return data


def c_texts(texts: str | Sequence[str]) -> Any:
    """An array of char *, of one text or several."""
    every = [c_text(text) for text in ([texts] if isinstance(texts, str) else texts)]
    return (c.c_char_p * len(every))(*every)


def filled_text(call: Callable[[Any, Any], int], room: int = 256, why: Any = None) -> bytes:
    """Calls call(buffer, &n), once more when it says SHORT."""
    n = c.c_size_t(max(room, 1))
    buffer = c.create_string_buffer(n.value)
    status = call(buffer, c.byref(n))
    if status == SHORT:
        buffer = c.create_string_buffer(n.value)
        status = call(buffer, c.byref(n))
    check(status, why)
    return buffer.raw[: n.value]


def filled_ids(call: Callable[[Any, Any], int], room: int = 256, why: Any = None) -> list[int]:
    n = c.c_uint32(max(room, 1))
    ids = (c.c_int32 * n.value)()
    status = call(ids, c.byref(n))
    if status == SHORT:
        ids = (c.c_int32 * n.value)()
        status = call(ids, c.byref(n))
    check(status, why)
    return ids[: n.value]
