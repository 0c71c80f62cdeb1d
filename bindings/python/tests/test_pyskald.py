"""pyskald on a small model. PYSKALD_LIBRARY names the library, SKALD_TEST_DATA the folder tests/golden/data."""
from __future__ import annotations

import array
import asyncio
import gc
import inspect
import io
import json
import os
import struct
import threading
import time
import unittest
from functools import partial
from pathlib import Path
from typing import Any

import pyskald
from pyskald import DType, Happened, Kind, Role, Sampling, Span

DATA = Path(os.environ["SKALD_TEST_DATA"])
TINY = DATA / "tiny" / "llama_gqa_tied"
PATH = TINY / "model-f32.gguf"
LAYOUT = (DATA / "chat" / "smollm2.jinja").read_text()
TOOLS = [{"type": "function", "function": {"name": "turn", "parameters": {
    "type": "object", "properties": {"left": {"type": "boolean"}}, "required": ["left"], "additionalProperties": False}}}]
DRAWN = Sampling(temperature=0.9, top_k=40, top_p=0.95, seed=7, repetition=1.1)


def golden(index: int) -> tuple[list[int], list[float]]:
    """A text's ids, and all its logits as another engine computed them."""
    raw = (TINY / f"logits_{index}.npy").read_bytes()
    start = 10 + struct.unpack_from("<H", raw, 8)[0]
    return json.loads((TINY / "tokens.json").read_text())["sequences"][index], array.array("f", raw[start:]).tolist()


class Models(unittest.TestCase):
    def setUp(self) -> None:
        self.model = pyskald.Model(PATH)

    def test_sources(self) -> None:
        data = PATH.read_bytes()

        class File:
            def __len__(self) -> int:
                return len(data)

            def read_at(self, offset: int, n: int) -> bytes:
                return data[offset:offset + n]

        want = self.model.generate("the sea", n_tokens=8)
        for source in (str(PATH), data, bytearray(data), File(), [PATH]):
            self.assertEqual(pyskald.Model(source).generate("the sea", n_tokens=8), want)
        for options in ({"map": True}, {"in_place": True}):
            self.assertEqual(pyskald.Model(PATH, **options).generate("the sea", n_tokens=8), want)

    def test_bytes_in_place_are_held(self) -> None:
        data = bytearray(PATH.read_bytes())
        model = pyskald.Model(data, in_place=True)
        gc.collect()
        with self.assertRaises(BufferError):
            data.append(0)
        model.close()
        data.append(0)

    def test_reader_that_fails(self) -> None:
        class File:
            def __len__(self) -> int:
                return 1 << 20

            def read_at(self, offset: int, n: int) -> bytes:
                raise KeyError("no such thing")

        with self.assertRaises(KeyError):
            pyskald.Model(File())

    def test_errors_are_classes_with_sentences(self) -> None:
        with self.assertRaises(pyskald.ReadError):
            pyskald.Model("/nowhere/model.gguf")
        with self.assertRaisesRegex(pyskald.FormatError, "GGUF") as caught:
            pyskald.Model(b"no model at all")
        self.assertEqual(caught.exception.status, -3)
        self.assertIsInstance(caught.exception, ValueError)
        with self.assertRaisesRegex(pyskald.ArgumentError, "cpu_level|level"):
            pyskald.Runtime(cpu_level="abacus")
        with self.assertRaises(pyskald.CancelledError):
            pyskald.Model(PATH, progress=lambda done: True)
        with self.assertRaises(ZeroDivisionError):
            pyskald.Model(PATH, progress=lambda done: 1 / 0)

    def test_what_it_is(self) -> None:
        info = self.model.info
        self.assertEqual((info.architecture, info.device), ("llama", "cpu"))
        self.assertEqual(self.model.metadata["general.architecture"], "llama")
        tensors = list(self.model.tensors())
        self.assertEqual(sum(t.n_bytes for t in tensors), info.n_file_bytes)
        self.assertIn("token_embd.weight", [t.name for t in tensors])
        self.assertTrue(self.model.kernels())
        self.assertEqual(self.model.kv_bytes_per_token(),
                         info.n_layers * info.n_kv_heads * (info.head_dim_k + info.head_dim_v) * 2)
        runtime = pyskald.Runtime(threads=1)
        self.assertEqual(runtime.inspect(PATH).n_vocab, info.n_vocab)
        plan = runtime.memory_plan(PATH, n_tokens=256, n_rows=8)
        self.assertGreater(plan.peak_bytes, plan.weights_bytes)
        small, large = (runtime.engine_plan(PATH, engine={"n_tokens": n}) for n in (256, 4096))
        self.assertGreater(small.engine_bytes, 0)
        self.assertGreater(large.cache_bytes, small.cache_bytes)
        with self.assertRaises(TypeError):
            runtime.engine_plan(PATH, engine={"n_dragons": 3})

    def test_text(self) -> None:
        text = "the sea, the sky – déjà vu"
        ids = self.model.encode(text)
        self.assertEqual(self.model.decode(ids), text)
        self.assertEqual(self.model.decode_bytes(ids), text.encode())
        decoder = self.model.decoder()
        pieces = [decoder.push(id) for id in ids]
        self.assertEqual("".join(pieces) + decoder.end(), text)
        end = self.model.ends[0]
        self.assertTrue(self.model.is_end(end))
        name = self.model.decode([end], special=True)
        self.assertEqual(self.model.encode(name, special=True), [end])
        self.assertNotEqual(self.model.encode(name, special=True, stranger=b"\1" * len(name)), [end])
        self.assertIsNone(self.model.token(Role.FIM_MIDDLE))
        self.assertEqual(self.model.encode("a" * 5000), self.model.encode(b"a" * 5000))

    def test_log_lives_as_long_as_who_may_write_it(self) -> None:
        lines: list[str] = []
        model = pyskald.Model(PATH, runtime=pyskald.Runtime(log=lambda level, text: lines.append(text)))
        gc.collect()
        model.generate("the sea", n_tokens=2)

    def test_share_and_close(self) -> None:
        other = self.model.share()
        self.model.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            self.model.encode("a")
        self.assertTrue(other.encode("a"))

    def test_all_that_is_public_is_exported(self) -> None:
        names = {name for name in vars(pyskald) if not name.startswith("_")} - {"annotations", "Any"}
        self.assertEqual(set(pyskald.__all__), names)

    def test_formats(self) -> None:
        self.assertEqual(pyskald.dtype_name(DType.Q4_K), "Q4_K")
        self.assertIsNone(pyskald.dtype_name(9999))
        self.assertEqual(pyskald.dtype_bytes(DType.Q8_0, 64), 68)
        block = struct.pack("<e32b", 0.5, *range(-16, 16))
        self.assertEqual(list(pyskald.dtype_to_f32(DType.Q8_0, block, 32)), [0.5 * i for i in range(-16, 16)])
        with self.assertRaises(pyskald.ArgumentError):
            pyskald.dtype_to_f32(DType.Q8_0, block, 64)


class Steps(unittest.TestCase):
    def setUp(self) -> None:
        self.model = pyskald.Model(PATH)
        self.cache = self.model.cache(n_tokens=2048, n_sequences=8, k_type=DType.F32, v_type=DType.F32)
        self.context = self.model.context()

    def test_logits_are_another_engine_s(self) -> None:
        ids, want = golden(1)
        with self.cache.open() as seq:
            self.assertTrue(self.context.step([Span(seq, ids[:-1], pyskald.NONE)]))
            self.context.feed(seq, ids[-1:])
            self.assertEqual(len(seq), len(ids))
            row = self.context.logits()
            n = self.model.info.n_vocab
            self.assertEqual(len(row), n)
            self.assertLess(max(abs(a - b) for a, b in zip(row, want[-n:])), 1e-4)
            self.assertEqual(self.context.argmax(), row.tolist().index(max(row)))
            self.assertEqual(self.context.choose(self.model.sampler(), len(ids), ids), self.context.argmax())

    def test_views_outlive_the_context(self) -> None:
        with self.cache.open() as seq:
            self.context.feed(seq, [5, 17])
        row = self.context.logits()
        best = self.context.argmax()
        freed, free = [], self.context._handle._free
        self.context._handle._free = lambda pointer: freed.append(free(pointer))
        self.context.close()
        gc.collect()
        self.assertEqual(freed, [])
        self.assertEqual(row.tolist().index(max(row)), best)
        del row
        self.assertEqual(freed, [0])
        with self.assertRaises(ValueError):
            self.context.argmax()

    def test_numpy_if_it_is_there(self) -> None:
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is missing")
        with self.cache.open() as seq:
            self.context.feed(seq, [5, 17])
            row = numpy.asarray(self.context.logits())
            self.assertEqual(int(row.argmax()), self.context.argmax())
            address = row.__array_interface__["data"][0]
            self.assertEqual(numpy.asarray(self.context.logits()).__array_interface__["data"][0], address)
            row[3] = 1e9
            self.assertEqual(self.model.sampler().choose(row, 0), 3)

    def test_mixture_and_embeddings(self) -> None:
        alone = self.cache.open()
        self.context.feed(alone, [1, 2, 3])
        want = self.context.logits().tolist()
        a, b = self.cache.open(), self.cache.open()
        self.context.step([Span(a, [9, 8]), Span(b, [1, 2, 3], pyskald.ALL)])
        self.assertEqual(self.context.logits(3).tolist(), want)
        with self.assertRaises(IndexError):
            self.context.logits(4)
        rows = array.array("f", [0.25] * 2 * self.model.info.n_embd)
        self.context.step([Span(a, embeddings=rows)])
        self.assertEqual(len(a), 4)

    def test_time_and_cancel(self) -> None:
        want = self.cache.open()
        self.context.feed(want, range(200))
        bits = self.context.logits().tolist()
        seq = self.cache.open()
        done = self.context.step([Span(seq, list(range(200)))], microseconds=1)
        self.assertFalse(done)
        with self.assertRaises(pyskald.BusyError):
            len(seq)
        self.context.cancel()
        self.assertEqual(len(seq), 0)
        done, n = self.context.step([Span(seq, list(range(200)))], microseconds=1), 0
        while not done:
            done, n = self.context.go_on(microseconds=1), n + 1
        self.assertGreater(n, 1)
        self.assertEqual(self.context.logits().tolist(), bits)
        with self.assertRaises(pyskald.CancelledError):
            self.context.step([Span(seq, list(range(200)))], progress=lambda done: True)
        self.assertEqual(len(seq), 200)

    def test_a_paused_step_is_freed_in_any_order(self) -> None:
        seq = self.cache.open()
        self.assertFalse(self.context.step([Span(seq, list(range(200)))], microseconds=1))
        self.cache.close()
        del self.cache, seq
        gc.collect()
        self.context.cancel()

    def test_fork_rewind_save(self) -> None:
        a = self.cache.open()
        self.context.feed(a, [1, 2, 3, 4])
        b = a.fork(2)
        self.context.feed(b, [3, 4])
        bits = self.context.logits().tolist()
        saved, file = b.save(), io.BytesIO()
        b.save(file)
        self.assertEqual(file.getvalue(), saved)
        file.seek(0)
        for source in (saved, file):
            again = self.cache.restore(source)
            again.rewind(3)
            self.context.feed(again, [4])
            self.assertEqual(self.context.logits().tolist(), bits)
            again.release()
        with self.assertRaises(pyskald.FormatError):
            self.cache.restore(saved[:-1] + b"?")
        with self.assertRaises(pyskald.ReadError):
            self.cache.restore(saved[:-1])
        a.reserve(100)
        self.assertEqual(self.cache.stats.n_sequences, 2)
        with self.assertRaises(pyskald.ArgumentError):
            a.rewind(99)
        small = self.model.cache(n_tokens=128).open()
        with self.assertRaises(pyskald.Full):
            self.context.feed(small, [1] * 200)

    def test_ops(self) -> None:
        ops = list(self.context.ops())
        self.assertTrue(any("attend" in op for op in ops), ops)

    def test_two_threads(self) -> None:
        """The GIL is released while a step runs; a second thread in the same context hears Busy."""
        heard: list[int] = []

        def feed(n: int, times: int) -> None:
            for _ in range(times):
                try:
                    with self.cache.open() as seq:
                        self.context.feed(seq, [1] * n)
                except pyskald.BusyError:
                    heard.append(n)
                if heard:
                    break

        thread = threading.Thread(target=feed, args=(1500, 20))
        thread.start()
        while thread.is_alive():
            feed(1, 1)
        thread.join()
        self.assertTrue(heard)


class Answers(unittest.TestCase):
    def setUp(self) -> None:
        self.model = pyskald.Model(PATH)

    def test_stream_is_generate(self) -> None:
        for sampling in (None, DRAWN):
            want = self.model.generate("the sea", n_tokens=40, sampling=sampling)
            self.assertEqual("".join(self.model.stream("the sea", n_tokens=40, sampling=sampling)), want)
        heard: list[str] = []
        self.model.generate("the sea", n_tokens=40, say=lambda piece: heard.append(piece) or len(heard) == 2)
        self.assertEqual(len(heard), 2)
        with self.assertRaises(ZeroDivisionError):
            self.model.generate("the sea", n_tokens=4, say=lambda piece: 1 / 0)
        with self.assertRaises(ValueError):
            self.model.generate("a\0b")

    def test_sampling(self) -> None:
        forbidden = self.model.encode("a")[0]
        never = Sampling(temperature=1.5, seed=1, bias={forbidden: float("-inf")})
        engine = self.model.engine(n_running=1)
        engine.submit([1, 2], n_tokens=200, sampling=never, ignore_end=True)
        self.assertNotIn(forbidden, [e.id for e in engine.run()])
        with self.assertRaisesRegex(pyskald.ArgumentError, "temperature"):
            self.model.sampler(Sampling(temperature=-1))

    def test_template(self) -> None:
        layout = self.model.template(LAYOUT)
        turns = [{"role": "user", "content": "hi <|im_end|>"}]
        text, stranger = layout.render_guarded(turns)
        self.assertEqual(text, layout.render(turns))
        self.assertTrue(text.endswith("<|im_start|>assistant\n"))
        self.assertEqual(len(stranger), len(text.encode()))
        at = text.index("hi")
        self.assertEqual(stranger[at:at + 13], b"\1" * 13)
        self.assertEqual(layout.encode(turns), self.model.encode(text, special=True, stranger=stranger))
        tools = self.model.template("{{ tools[0].name }} {{ extra }} {{ messages[0].content }}")
        self.assertEqual(tools.render(turns[:1], tools=[{"name": "look"}], extra=3), "look 3 hi <|im_end|>")
        with self.assertRaisesRegex(pyskald.FormatError, "line|1:"):
            self.model.template("{% for %}")
        with self.assertRaises(pyskald.UnsupportedError):
            pyskald.chat_format(self.model, turns)

    def test_answer(self) -> None:
        said = 'Well.\n<tool_call>{"name": "look", "arguments": {"at": "sea"}}</tool_call>'
        answer = self.model.answer(family="hermes")
        pieces = [p for letter in said for p in answer.push(letter)] + answer.end()
        kinds = [p.kind for p in pieces]
        self.assertEqual(kinds[-2:], [Kind.CALL_END, Kind.END])
        self.assertEqual("".join(p.text for p in pieces if p.kind == Kind.CONTENT).strip(), "Well.")
        arguments = "".join(p.text for p in pieces if p.kind == Kind.ARGUMENTS)
        self.assertEqual(json.loads(arguments), {"at": "sea"})
        with self.assertRaises(pyskald.UnsupportedError):
            self.model.answer(family="klingon")

    def test_chat_reads_only_what_is_new(self) -> None:
        with self.model.chat(system="be brief", template=LAYOUT, n_tokens=12, sampling=DRAWN) as chat:
            first = "".join(chat.ask("the sea?"))
            self.assertEqual(chat.messages[-1], {"role": "assistant", "content": first})
            first_prompt = len(chat._template.encode(chat.messages[:2]))
            read, feed = [], chat._loop._context.feed
            chat._loop._context.feed = lambda seq, ids, **more: read.append(len(ids)) or feed(seq, ids, **more)
            "".join(chat.ask("the sky?"))
            self.assertLessEqual(read[0], len(chat._template.encode(chat.messages[:-1])) - first_prompt)
            fresh = self.model.chat(template=LAYOUT, n_tokens=12, sampling=DRAWN)
            fresh.messages = [dict(m) for m in chat.messages[:-1]]
            self.assertEqual("".join(fresh.reply()), chat.messages[-1]["content"])
            for _ in chat.ask("stop"):
                break
            self.assertEqual(chat.messages[-1]["role"], "assistant")

    def test_chat_calls(self) -> None:
        chat = self.model.chat(template=LAYOUT, family="hermes", n_tokens=1)
        chat._note([pyskald.Piece(Kind.CALL, "look"), pyskald.Piece(Kind.ARGUMENTS, '{"at":'),
                    pyskald.Piece(Kind.ARGUMENTS, ' 1}'), pyskald.Piece(Kind.CALL_END, "")])
        self.assertEqual(chat.calls, [pyskald.Call("look", {"at": 1})])
        chat.result("look", {"seen": "a ship"})
        self.assertEqual([m["role"] for m in chat.messages], ["assistant", "tool"])


class Engines(unittest.TestCase):
    def setUp(self) -> None:
        self.model = pyskald.Model(PATH)

    def text(self, ids: list[int]) -> str:
        decoder = self.model.decoder()
        return "".join(decoder.push(id) for id in ids) + decoder.end()

    def test_answers_as_if_alone(self) -> None:
        prompts = ["the sea", "the sky", "the sea and"]
        engine = self.model.engine(n_running=4, n_tokens=2048)
        requests = {engine.submit(p, n_tokens=24, sampling=DRAWN): p for p in prompts}
        answers: dict[int, list[int]] = {r: [] for r in requests}
        ends = {}
        for event in engine.run():
            if event.kind == Happened.TOKEN:
                answers[event.request].append(event.id)
            else:
                ends[event.request] = event.kind
        for request, prompt in requests.items():
            self.assertEqual(self.text(answers[request]), self.model.generate(prompt, n_tokens=24, sampling=DRAWN))
            self.assertIn(ends[request], (Happened.STOP, Happened.LENGTH))
        self.assertEqual(engine.stats.n_ended, 3)
        self.assertFalse(engine.step())

    def test_stage_cancel_deadline(self) -> None:
        engine = self.model.engine(n_running=2, n_requests=2)

        def only_seven(logits: memoryview[float], position: int, last: list[int]) -> None:
            for i in range(len(logits)):
                logits[i] = 1.0 if i == 7 else 0.0

        one = engine.submit([1, 2], n_tokens=5, stage=only_seven, ignore_end=True)
        two = engine.submit([1, 2], n_tokens=400, ignore_end=True)
        with self.assertRaises(pyskald.Full):
            engine.submit([1], n_tokens=1)
        self.assertTrue(engine.cancel(two))
        events = list(engine.run())
        self.assertEqual([e.id for e in events if e.request == one and e.id >= 0], [7] * 5)
        self.assertIn(Happened.CANCELLED, [e.kind for e in events if e.request == two])
        self.assertFalse(engine.cancel(two))
        late = engine.submit([1, 2], n_tokens=400, ignore_end=True, deadline=1e-6)
        self.assertEqual([e.kind for e in engine.run() if e.request == late][-1], Happened.DEADLINE)
        engine.submit([1, 2], n_tokens=5, stage=lambda *_: 1 / 0)
        with self.assertRaises(ZeroDivisionError):
            list(engine.run())

    def test_constrained(self) -> None:
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
        grammar = pyskald.Grammar.json_schema(self.model, schema)
        engine = self.model.engine(n_running=2)
        numbers = [engine.submit("the sea", n_tokens=100, sampling=Sampling(temperature=1.5, seed=seed), grammar=grammar)
                   for seed in range(2)]
        answers: dict[int, list[int]] = {n: [] for n in numbers}
        for event in engine.run():
            if event.kind == Happened.TOKEN:
                answers[event.request].append(event.id)
        for ids in answers.values():
            self.assertIsInstance(json.loads(self.text(ids))["n"], int)
        rules = pyskald.Grammar(self.model, 'root ::= "yes" | "no"').share()
        matcher = pyskald.Matcher(rules)
        self.assertFalse(matcher.may_end)
        self.assertGreater(matcher.least, 0)
        row = array.array("f", [0.0] * self.model.info.n_vocab)
        self.assertTrue(matcher.mask(row))
        yes = self.model.encode("y")[-1]
        self.assertEqual(row[yes], 0.0)
        self.assertEqual(row[self.model.encode("x")[-1]], float("-inf"))
        other = matcher.copy()
        matcher.accept(yes)
        with self.assertRaises(pyskald.ArgumentError):
            matcher.accept(yes)
        other.accept(self.model.encode("n")[-1])
        with self.assertRaises(pyskald.FormatError):
            pyskald.Grammar(self.model, "root ::= (")

    def test_grammar_progress(self) -> None:
        """Asked with the first grammar of a model; one that was cancelled leaves the next to be the first."""
        heard: list[float] = []
        kinds = ((pyskald.Grammar, 'root ::= "yes"'), (pyskald.Grammar.json_schema, {"type": "null"}),
                 (partial(pyskald.Grammar.tools, family="hermes"), TOOLS))
        for kind, text in kinds:
            model = pyskald.Model(PATH)
            with self.assertRaises(pyskald.CancelledError):
                kind(model, text, progress=lambda done: True)
            with self.assertRaises(ZeroDivisionError):
                kind(model, text, progress=lambda done: 1 / 0)
            heard.clear()
            grammar = kind(model, text, progress=heard.append)
            self.assertEqual(set(heard), {0.0})
            self.assertGreater(pyskald.Matcher(grammar).least, 0)

    def test_stops_prefix_logprobs(self) -> None:
        ids = self.model.encode("return the", bos=True)
        engine = self.model.engine(n_running=2, n_top=3)
        engine.submit(ids, n_tokens=12, ignore_end=True, n_top=3)
        events = list(engine.run())
        plain = "".join(event.text for event in events)
        self.assertEqual(plain, self.model.decode([e.id for e in events if e.kind == Happened.TOKEN]))
        for event in events[:-1]:
            self.assertEqual([len(event.top), event.top[0].id, event.top[0].logprob], [3, event.id, event.logprob])
            self.assertTrue(0 > event.top[0].logprob >= event.top[1].logprob >= event.top[2].logprob)
        at = next(n for n in range(2, len(plain)) if plain.isprintable() or plain[n].isprintable())
        stop = plain[at:at + 2]
        engine.submit(ids, n_tokens=12, ignore_end=True, stops=["no such text", stop])
        events = list(engine.run())
        self.assertEqual("".join(event.text for event in events), plain[:plain.index(stop)])
        self.assertEqual((events[-1].kind, events[-1].stop), (Happened.STOP, 1))
        engine.submit(ids, n_tokens=12, ignore_end=True, prefix="self", n_heal=1)
        healed = "".join(event.text for event in engine.run())
        self.assertTrue((self.model.decode(ids[-1:]) + "self").startswith(healed[:4]) and "self" in healed)

    def test_options_are_those_of_submit(self) -> None:
        names = set(inspect.signature(pyskald.Engine.submit).parameters) - {"self", "prompt"}
        self.assertEqual(set(pyskald.RequestOptions.__annotations__), names)
        fields = {name for name, _ in pyskald._abi.EngineOptions._fields_} - {"size", "no_sharing"} | {"sharing"}
        self.assertEqual(set(pyskald.EngineOptions.__annotations__), fields)
        for sharing in (True, False):
            engine = self.model.engine(n_running=1, sharing=sharing)
            for _ in range(2):
                engine.submit(list(range(3, 203)), n_tokens=1)
                list(engine.run())
            self.assertEqual(engine.stats.n_prompt_shared > 0, sharing)
        for make in (self.model.engine, lambda **options: pyskald.AsyncEngine(self.model, **options)):
            with self.assertRaisesRegex(TypeError, "n_dragons"):
                make(n_dragons=3)

    def test_stream_stops_and_is_bounded(self) -> None:
        plain = self.model.generate("return the", n_tokens=12)
        stop = next(plain[n:n + 2] for n in range(3, len(plain) - 1) if plain[n:n + 2].isprintable())
        for options in ({"stops": [stop, "no such text"]}, {"stops": stop}, {"n_context": 9}, {"sampling": DRAWN}):
            for prompt in ("return the", "return th", "t", "return <|im_end|>"):
                said = self.model.generate(prompt, n_tokens=12, **options)
                self.assertEqual("".join(self.model.stream(prompt, n_tokens=12, **options)), said)
        whole = self.model.generate("return the")
        self.assertEqual("".join(self.model.stream("return the")), whole)
        grammar = pyskald.Grammar(self.model, 'root ::= "yes" | "no"')
        self.assertIn("".join(self.model.stream("the sea", grammar=grammar)), ("yes", "no"))
        with self.assertRaisesRegex(pyskald.Full, "room for 4"):
            self.model.stream("return the sea and the sky", n_context=4)

    def test_generate_stops_and_heals(self) -> None:
        plain = self.model.generate("return the", n_tokens=12)
        stop = next(plain[n:n + 2] for n in range(3, len(plain) - 1) if plain[n:n + 2].isprintable())
        said = self.model.generate("return the", n_tokens=12, stops=[stop, "no such text"])
        self.assertEqual(said, plain[:plain.index(stop)])
        self.assertEqual(self.model.generate("return the", n_tokens=12, stops=stop), said)
        self.assertNotEqual(self.model.generate("return th", n_tokens=12, heal=True), self.model.generate("return th", n_tokens=12))

    def test_tools_are_called(self) -> None:
        engine = self.model.engine(n_running=1)
        engine.submit("return", n_tokens=120, grammar=pyskald.Grammar.tools(self.model, TOOLS, family="hermes"))
        text = "".join(event.text for event in engine.run())
        with self.model.answer(family="hermes") as answer:
            pieces = answer.push(text) + answer.end()
        self.assertEqual([p.text for p in pieces if p.kind == Kind.CALL], ["turn"])
        self.assertIn(json.loads("".join(p.text for p in pieces if p.kind == Kind.ARGUMENTS))["left"], (True, False))
        with self.assertRaises(pyskald.SkaldError):
            pyskald.Grammar.tools(self.model, "[]", family="hermes")

    def test_drafts(self) -> None:
        ids = self.model.encode("return the tokens, return the tokens, return the", bos=True)
        engine = self.model.engine(n_running=1)
        engine.submit(ids, n_tokens=32, ignore_end=True, sampling=DRAWN)
        want = [event.id for event in engine.run()]
        for drafts in ({"lookup": True}, {"draft": pyskald.Model(PATH), "n_draft": 4}):
            other = self.model.engine(n_running=1, **drafts)
            other.submit(ids, n_tokens=32, ignore_end=True, sampling=DRAWN)
            events = list(other.run())
            self.assertEqual([event.id for event in events], want)
            self.assertEqual((events[-1].n_drafted, events[-1].n_right), (other.stats.n_drafted, other.stats.n_right))
            self.assertTrue("lookup" in drafts or other.stats.n_right > 8)

    def test_beams(self) -> None:
        found = pyskald.beam_search(self.model, "the sea", n_beams=3, n_tokens=12)
        self.assertEqual(len(found), 3)
        self.assertEqual([b.score for b in found], sorted((b.score for b in found), reverse=True))
        greedy, = pyskald.beam_search(self.model, "the sea", n_beams=1, n_tokens=12)
        self.assertEqual(self.text(list(greedy.ids)), self.model.generate("the sea", n_tokens=12))
        with self.assertRaises(ZeroDivisionError):
            pyskald.beam_search(self.model, "the sea", n_tokens=12, progress=lambda done: 1 / 0)

    def test_asyncio(self) -> None:
        want = self.model.generate("the sea", n_tokens=24)

        async def main() -> None:
            async with pyskald.AsyncEngine(self.model, n_running=2, n_requests=3, n_tokens=2048) as engine:
                texts = await asyncio.gather(*(engine.generate("the sea", n_tokens=24) for _ in range(6)))
                self.assertEqual(texts, [want] * 6)
                task = asyncio.ensure_future(engine.generate("the sky", n_tokens=900, ignore_end=True))
                await asyncio.sleep(0.05)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                while (await engine.stats()).n_ended < 7:
                    await asyncio.sleep(0.01)
                self.assertLess((await engine.stats()).n_answered, 6 * 24 + 900)
                async for _ in engine.tokens("the sky", n_tokens=900, ignore_end=True):
                    break
                self.assertEqual(await engine.generate("the sea", n_tokens=24), want)
                with self.assertRaises(pyskald.ArgumentError):
                    await engine.generate([10**9], n_tokens=1)
                with self.assertRaises(ZeroDivisionError):
                    await engine.generate("the sea", n_tokens=4, stage=lambda *_: 1 / 0)

        asyncio.run(main())


def written(kind: str, scale: float) -> tuple[bytes, dict[str, object]]:
    """PEFT's two files: an adapter of rank 2 for one matrix."""
    names = [f"base_model.model.model.layers.0.self_attn.o_proj.lora_{half}.weight" for half in "AB"]
    shapes, values = [(2, 108), (108, 2)], array.array("f", [scale * ((7 * i) % 13 - 6) / 9 for i in range(432)])
    header = json.dumps({name: {"dtype": kind, "shape": shape, "data_offsets": [864 * i, 864 * (i + 1)]}
                         for i, (name, shape) in enumerate(zip(names, shapes))}).encode()
    return struct.pack("<Q", len(header)) + header + values.tobytes(), {"peft_type": "LORA", "lora_alpha": 4, "r": 2}


class Adapters(unittest.TestCase):
    def setUp(self) -> None:
        self.model = pyskald.Model(PATH)
        tensors, self.config = written("F32", 1.0)
        self.adapter = pyskald.Adapter(self.model, tensors, config=self.config)
        self.ids = self.model.encode("return the", bos=True)

    def row(self, adapters: Any, n_fed: int = 1) -> list[float]:
        with self.model.cache(n_tokens=128) as cache, self.model.context(max_rank=8) as context, cache.open() as seq:
            if n_fed:
                context.feed(seq, self.ids[:n_fed], adapters=adapters)
            if self.ids[n_fed:]:
                context.step([Span(seq, self.ids[n_fed:], adapters=adapters)])
            return list(context.logits())

    def test_what_it_is(self) -> None:
        info = self.adapter.info
        self.assertEqual((info.rank, info.n_changed, info.n_parameters), (2, 1, 432))
        folder = DATA / "peft" / "llama_gqa_tied"
        for path in (folder, folder / "adapter_model.safetensors", str(folder)):
            self.assertEqual(self.model.adapter(path).info.rank, 4)
        with self.assertRaisesRegex(pyskald.FormatError, "lora_alpha is missing"):
            pyskald.Adapter(self.model, written("F32", 1.0)[0], config=b'{"peft_type": "LORA"}')
        with self.assertRaisesRegex(pyskald.UnsupportedError, "dtype"):
            pyskald.Adapter(self.model, written("I32", 1.0)[0], config=self.config)
        with self.assertRaisesRegex(pyskald.UnsupportedError, "general.type"):
            pyskald.Adapter(self.model, PATH.read_bytes())

    def test_steps(self) -> None:
        plain = self.row(None)
        self.assertEqual(self.row([]), plain)
        self.assertEqual(self.row((self.adapter, 0.0)), plain)
        once = self.row(self.adapter)
        self.assertNotEqual(once, plain)
        self.assertEqual(self.row([self.adapter], 0), once)
        self.assertEqual(self.row(self.adapter, len(self.ids)), once)
        self.assertEqual(self.row((self.adapter, 1.0)), once)
        self.assertNotEqual(self.row([(self.adapter, 0.5)]), once)
        second = pyskald.Adapter(self.model, written("F32", 0.3)[0], config=self.config)
        self.assertNotEqual(self.row([(self.adapter, 1.0), (second, 0.1)]), self.row([(self.adapter, 0.1), (second, 1.0)]))
        other = self.adapter.share()
        self.assertEqual(self.row((other, 0.5)), self.row([(self.adapter, 0.5)]))
        self.adapter.close()
        self.assertEqual(self.row(other), once)
        with self.assertRaises(ValueError):
            self.row(self.adapter)

    def test_requests(self) -> None:
        uses = [None, self.adapter, (self.adapter, -0.5), [self.adapter, (self.adapter, 0.25)]]
        alone = []
        for use in uses:
            engine = self.model.engine(n_running=1, max_rank=2)
            engine.submit(self.ids, n_tokens=10, ignore_end=True, sampling=DRAWN, adapters=use)
            alone.append(tuple(event.id for event in engine.run()))
        self.assertEqual(len(set(alone)), 4)
        texts = [self.model.decode([id for id in ids if id >= 0]) for ids in alone]

        async def together() -> list[str]:
            async with pyskald.AsyncEngine(self.model, n_running=4, max_rank=2) as engine:
                texts = [asyncio.create_task(engine.generate(self.ids, n_tokens=10, ignore_end=True, sampling=DRAWN, adapters=use))
                         for use in uses]
                await asyncio.sleep(0)  # all are submitted, and the engine is an owner
                uses.clear()
                self.adapter.close()
                gc.collect()
                return await asyncio.gather(*texts)

        self.assertEqual(asyncio.run(together()), texts)
        with self.assertRaisesRegex(pyskald.ArgumentError, "rank"):
            self.model.engine(n_running=1).submit(self.ids, n_tokens=1, adapters=pyskald.Adapter(
                self.model, written("F32", 1.0)[0], config=self.config))

    def test_streams_and_chats(self) -> None:
        def said(ids: list[int], use: Any) -> str:
            engine = self.model.engine(n_running=1, max_rank=2)
            engine.submit(ids, n_tokens=10, adapters=use)
            return "".join(event.text for event in engine.run())

        turns = [{"role": "user", "content": "the sea?"}]
        heard = set()
        for use in (None, (self.adapter, -0.5), [self.adapter, (self.adapter, 0.25)]):
            text = "".join(self.model.stream("return the", n_tokens=10, adapters=use))
            self.assertEqual(text, said(self.ids, use))
            with self.model.chat(template=LAYOUT, family="plain", n_tokens=10, adapters=use) as chat:
                answer = "".join(chat.ask("the sea?"))
            self.assertEqual(answer, said(self.model.template(LAYOUT).encode(turns), use))
            heard |= {text, answer}
        self.assertEqual(len(heard), 6)


if __name__ == "__main__":
    unittest.main()
