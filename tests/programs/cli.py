"""What the program skald promises on the command line.   cli.py SKALD SOURCE_FOLDER

Small models from tests/golden/data/tiny stand in for real ones."""
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import parrot  # noqa: E402

SKALD, SOURCE = sys.argv[1], sys.argv[2]
TINY = os.path.join(SOURCE, "tests", "golden", "data", "tiny")
COMMANDS = ["run", "batch", "info", "tokenize", "eval", "perplexity", "bench"]
WIDE = {"num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "head_dim": 128,
        "hidden_size": 16384, "intermediate_size": 18432, "vocab_size": 129280, "max_position_embeddings": 4096,
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "float16"}


def skald(*arguments, text=None, cpu=None, seconds=60):
    environment = {key: value for key, value in os.environ.items() if key != "SKALD_CPU"}
    if cpu is not None:
        environment["SKALD_CPU"] = cpu
    return subprocess.run([SKALD, *arguments], input=text, capture_output=True, text=True, encoding="utf-8",
                          env=environment, timeout=seconds, stdin=None if text is not None else subprocess.DEVNULL)


def tiny(name):
    return os.path.join(TINY, name, "model-f32.gguf")


def read_npy(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack_from("<H", data, 8)[0]
    header = data[10:10 + length].decode("latin-1")
    assert data[:8] == b"\x93NUMPY\x01\x00" and (10 + length) % 64 == 0 and header.endswith("\n")
    shape = tuple(map(int, re.search(r"'shape': \((\d+), (\d+)\)", header).groups()))
    return header, shape, data[10 + length:]


def write_adapter(path, name, n_in, n_out):
    """LoRA of rank 2 beside one matrix, as GGUF; its numbers are small and all different."""
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    shapes = {f"{name}.lora_a": (n_in, 2), f"{name}.lora_b": (2, n_out)}
    keys = {"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(keys) + 1)
    head += b"".join(text(key) + struct.pack("<I", 8) + text(value) for key, value in keys.items())
    head += text("adapter.lora.alpha") + struct.pack("<If", 6, 4.0)
    numbers = b""
    for tensor, (width, rows) in shapes.items():
        head += text(tensor) + struct.pack("<IQQIQ", 2, width, rows, 0, len(numbers))
        numbers += struct.pack(f"<{width * rows}f", *(((i * 37 + len(numbers)) % 101 - 50) / 400
                                                       for i in range(width * rows)))
        numbers += bytes(-len(numbers) % 32)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32) + numbers)


class Batch(unittest.TestCase):
    """Many answers at once are those of one at a time, in order, and a killed run goes on to the same file."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = lambda name: os.path.join(self.folder.name, name)
        texts = [f"{word} {number} " * (1 + number % 7) for number in range(20) for word in ("the sea", "return")]
        with open(self.file("in.jsonl"), "w", encoding="utf-8") as file:
            for text in texts:
                file.write(json.dumps({"text": text}) + "\n")
        self.texts = texts

    def batch(self, out, *more, code=0):
        done = skald("batch", "-m", tiny("llama_gqa_tied"), "-n", "9", *more, self.file("in.jsonl"), self.file(out))
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        return done.stderr

    def lines(self, name):
        """In bytes: a file that is being written, or whose writer was killed, may end within a character."""
        with open(self.file(name), "rb") as file:
            return file.readlines()

    def test_each_is_what_run_says(self):
        self.batch("out.jsonl", "--running", "7", "-c", "1024")
        lines = self.lines("out.jsonl")
        self.assertEqual(len(lines), len(self.texts))
        for text, line in list(zip(self.texts, lines))[::6]:
            alone = skald("run", "-m", tiny("llama_gqa_tied"), "-n", "9", "-p", text)
            self.assertEqual(json.loads(line)["text"] + "\n", alone.stdout)

    def test_drafts_change_no_answer(self):
        for more in ([], ["--temp", "1.5", "--seed", "3"]):
            plain = self.batch("plain.jsonl", "--running", "5", "-n", "60", *more)
            self.assertNotIn("drafts", plain)
            for how in (["--lookup"], ["--draft", tiny("llama_gqa_tied")]):
                said = self.batch("drafted.jsonl", "--running", "5", "-n", "60", *more, *how)
                self.assertEqual(self.lines("drafted.jsonl"), self.lines("plain.jsonl"))
                self.assertRegex(said, r"drafts: [1-9][0-9]* tokens, [0-9]+ right")
                os.remove(self.file("drafted.jsonl"))
            os.remove(self.file("plain.jsonl"))
        self.assertIn("one of --lookup and --draft", self.batch("x.jsonl", "--lookup", "--draft", "m", code=2))

    def test_goes_on_where_it_was_killed(self):
        for more in ([], ["--temp", "1.5", "--seed", "3"]):
            self.batch("whole.jsonl", "--running", "5", *more)
            whole = self.lines("whole.jsonl")
            with open(self.file("cut.jsonl"), "wb") as file:
                file.write(b"".join(whole[:13]) + whole[13][:9])
            self.batch("cut.jsonl", "--running", "3", *more)
            self.assertEqual(self.lines("cut.jsonl"), whole)
            os.remove(self.file("whole.jsonl"))

    def test_killed_and_started_again(self):
        arguments = ["batch", "-m", tiny("llama_gqa_tied"), "-n", "300", "--running", "3", "--ignore-eos", "-t", "2",
                     self.file("in.jsonl")]
        self.assertEqual(skald(*arguments, self.file("whole.jsonl")).returncode, 0)
        whole, kills = self.lines("whole.jsonl"), 0
        for _ in range(10):
            before = len(self.lines("cut.jsonl")) if kills else 0
            with subprocess.Popen([SKALD, *arguments, self.file("cut.jsonl")], stderr=subprocess.DEVNULL) as process:
                while process.poll() is None and self.count("cut.jsonl") < before + 5:
                    time.sleep(0.001)
                process.kill()  # SIGKILL
            kills += process.returncode == -9
            lines = self.lines("cut.jsonl")
            self.assertEqual(lines[:-1], whole[:len(lines) - 1])
        self.assertGreater(kills, 1)
        self.assertEqual(skald(*arguments, self.file("cut.jsonl")).returncode, 0)
        self.assertEqual(self.lines("cut.jsonl"), whole)

    def count(self, name):
        return len(self.lines(name)) if os.path.exists(self.file(name)) else 0

    def test_what_does_not_fit_is_named(self):
        with open(self.file("in.jsonl"), "a", encoding="utf-8") as file:
            file.write("{}\n")
        self.assertIn("line 41", self.batch("out.jsonl", code=1))
        self.assertIn("never fit", self.batch("other.jsonl", "-c", "8", "-n", "500", code=1))
        with open(self.file("long.jsonl"), "w", encoding="utf-8") as file:
            file.write("{}\n" * 99)
        self.assertIn("belong together", self.batch("long.jsonl", code=1))


class Events(unittest.TestCase):
    """skald run --chat --json-events: what a model says becomes events, and the conversation keeps it as a message."""
    LAYOUT = ("{# <tool_call> #}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
              "{% if messages[-1].content == 'show' or messages[-1].role == 'tool' %}"
              "{{ raise_exception(messages|tojson ~ tools|tojson) }}{% endif %}")
    CALLS = ["<tool_call>", '\n{"na', 'me": "get_', "größe", '", "arg', 'uments": {"city": "P', 'aris \\"ü\\""}}',
             "\n</tool_call>"]

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = lambda name: os.path.join(folder.name, name)
        with open(self.file("tools.json"), "w", encoding="utf-8") as file:
            file.write('[{"name": "get"}]\n')

    def chat(self, says, *more, text="hello\n", begins="<|assistant|>", code=0):
        parrot.write(self.file("parrot.gguf"), begins, says, self.LAYOUT + begins)
        done = skald("run", "-m", self.file("parrot.gguf"), "--chat", "--json-events", *more, text=text)
        self.assertEqual(done.returncode, code, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def test_reasoning_content_and_a_call(self):
        events, _ = self.chat(["<think>", "\nhm", "</think>", "\n\nLet me", "  see"] + self.CALLS)
        self.assertEqual(events, [
            {"event": "reasoning", "text": "hm"}, {"event": "content", "text": "Let me"}, {"event": "content", "text": "  see"},
            {"event": "call", "id": "call00001", "name": "get_größe"}, {"event": "arguments", "text": '{"city": "P'},
            {"event": "arguments", "text": 'aris \\"ü\\""}'}, {"event": "call_end"},
            {"event": "end", "reason": "finished", "tokens": 13}])

    def test_reasons_and_what_was_cut_off(self):
        events, errors = self.chat(self.CALLS, "-n", "6")
        self.assertEqual([e["event"] for e in events], ["call", "arguments", "end"])
        self.assertEqual(events[-1], {"event": "end", "reason": "limit", "tokens": 6})
        self.assertIn("cut off", errors)
        events, _ = self.chat(self.CALLS, "-c", "15")
        self.assertEqual(events[-1]["reason"], "full")
        events, _ = self.chat(["a"], "-c", "4")
        self.assertEqual(events, [{"event": "end", "reason": "full", "tokens": 0}])

    def test_reasoning_that_the_layout_opens(self):
        events, _ = self.chat(["\nhm ", "</think>", "yes"], begins="<|think|><think>")
        self.assertEqual([e["event"] for e in events], ["reasoning", "content", "end"])

    def test_the_conversation_keeps_calls_and_takes_results(self):
        result = {"role": "tool", "content": "12°", "tool_call_id": "call00001"}
        events, errors = self.chat(["Well."] + self.CALLS, "--tools", self.file("tools.json"), code=1,
                                   text="a \"b\"\n" + json.dumps(result, ensure_ascii=False) + "\n")
        self.assertEqual(events[-1]["reason"], "finished")
        made = {"id": "call00001", "type": "function", "function": {"name": "get_größe", "arguments": {"city": 'Paris "ü"'}}}
        kept = [{"role": "user", "content": 'a "b"'}, {"role": "assistant", "content": "Well.", "tool_calls": [made]}, result]
        want = json.dumps(kept, ensure_ascii=False) + '[{"name": "get"}]'
        self.assertIn("the template refuses: " + want[:200], errors)

    def test_calls_are_numbered_on_and_cut_off_ones_are_not_kept(self):
        events, _ = self.chat(self.CALLS, text="a\nb\n")
        self.assertEqual([e["id"] for e in events if e["event"] == "call"], ["call00001", "call00002"])
        _, errors = self.chat(self.CALLS, "-n", "6", text="a\nshow\n", code=1)
        self.assertIn('{"role": "assistant", "content": ""}, {"role": "user", "content": "show"}]', errors)

    def test_bad_json_has_a_place(self):
        with open(self.file("bad.json"), "w", encoding="utf-8") as file:
            file.write('[{"name": }]')
        _, errors = self.chat(["a"], "--tools", self.file("bad.json"), code=1)
        self.assertRegex(errors, "bad.json: JSON at byte [0-9]+: ")
        events, errors = self.chat(["a"], text='{"role": "user", "content"}\n', code=1)
        self.assertEqual(events, [])
        self.assertRegex(errors, "JSON at byte [0-9]+: ")

    def test_text_without_events(self):
        self.chat(["<think>", "hm", "</think>", "yes"])
        done = skald("run", "-m", self.file("parrot.gguf"), "--chat", text="hello\n")
        self.assertEqual((done.returncode, done.stdout), (0, "hmyes\n"), done.stderr)

    def test_only_in_a_conversation(self):
        for option in (["--json-events"], ["--tools", "x"], ["--system", "x"], ["--template", "x"]):
            done = skald("run", "-m", "x", "-p", "x", *option)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("--chat", done.stderr)


class Usage(unittest.TestCase):
    def refused(self, *arguments, code=2, **more):
        done = skald(*arguments, **more)
        self.assertEqual(done.returncode, code, (arguments, done.stderr))
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\w+ \w+")
        return done.stderr

    def test_help_of_each_command(self):
        page = skald("--help")
        self.assertEqual(page.returncode, 0)
        for command in COMMANDS:
            self.assertIn(command, page.stdout)
            done = skald(command, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(f"usage: skald {command} -m MODEL", done.stdout)
        self.assertEqual(skald("--version").returncode, 0)

    def test_commands_and_options_that_do_not_exist(self):
        self.refused()
        self.refused("rum")
        for command in COMMANDS:
            self.assertIn("--nonsense", self.refused(command, "--nonsense"))
            self.assertIn("-m", self.refused(command))
            self.refused(command, "-m")

    def test_values_are_read_strictly(self):
        for value in ["", "0", "-1", "+1", " 1", "1x", "1.5", "0x10", "99999999999999999999"]:
            self.assertIn("-n", self.refused("run", "-m", "x", "-p", "x", "-n", value))
        for value in ["", "-1", "nan", "inf", "1e99", "1,5", "warm"]:
            self.refused("run", "-m", "x", "-p", "x", "--temp", value)
        self.refused("run", "-m", "x", "-p", "x", "--top-p", "1.5")
        self.refused("run", "-m", "x", "-p", "x", "--kv", "f64")
        self.refused("run", "-m", "x", "-p", "x", "--chat")
        self.refused("run", "-m", "x", "-p", "x", "--system", "x")
        self.refused("run", "-m", "x", "-p", "x", "surprise")
        self.refused("bench", "-m", "x", "-b", "1,,2")
        self.refused("bench", "-m", "x", "-t", "0")
        self.refused("eval", "-m", "x", "--tokens", "x")
        self.refused("tokenize", "-m", "x", "--jsonl", "in")

    def test_unknown_instruction_set(self):
        self.assertIn("SKALD_CPU", self.refused("info", "-m", "x.gguf", cpu="abacus"))
        self.assertNotIn("SKALD_CPU", self.refused("info", "-m", "x.gguf", cpu="scalar", code=1))

    def test_missing_files(self):
        for command, more in [("run", ["-p", "x"]), ("info", []), ("tokenize", ["x"]), ("perplexity", ["-f", __file__]),
                              ("bench", [])]:
            self.assertIn("nowhere.gguf", self.refused(command, "-m", "nowhere.gguf", *more, code=1))
        self.assertIn("no.json", self.refused("eval", "-m", "x", "--tokens", "no.json", "--logits", "x.npy", code=1))


class Info(unittest.TestCase):
    def test_cache_of_every_kind_of_attention(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
                json.dump(WIDE, file)
            for path in [folder, os.path.join(folder, "config.json")]:
                done = skald("info", "-m", path, "--json")
                self.assertEqual(done.returncode, 0, done.stderr)
                rows = json.loads(done.stdout)["cache"]["bytes_per_token"]
                self.assertEqual(rows, {"model": 3997696, "MHA": 3997696, "GQA-8": 249856, "MQA": 31232, "MLA": 70272})
            page = skald("info", "-m", folder).stdout
            for name, value in [("MHA", 3997696), ("GQA-8", 249856), ("MQA", 31232), ("MLA", 70272)]:
                self.assertRegex(page, rf"{name} +{value} ")

    def test_one_object_and_a_page(self):
        done = skald("info", "-m", tiny("llama_mha"), "--json", "--ops")
        self.assertEqual(done.returncode, 0, done.stderr)
        about = json.loads(done.stdout)
        self.assertEqual(about["architecture"], "llama")
        self.assertEqual(about["cache"]["attention"], "MHA")
        self.assertTrue(about["kernels"] and about["ops"] and about["numerics"])
        self.assertEqual(sum(group["bytes"] for group in about["tensors"]), about["n_file_bytes"])
        self.assertGreaterEqual(about["memory"]["peak_bytes"], about["memory"]["weights_bytes"])
        self.assertEqual(about["memory"]["cache_bytes_per_token"], about["cache"]["bytes_per_token"]["model"])
        page = skald("info", "-m", tiny("llama_mha"), "--ops").stdout
        self.assertIn("recorded pass", page)
        self.assertIn(about["ops"][0], page)

    def test_a_table_that_is_only_looked_up_has_no_kernel(self):
        for name, norms, table in [("llama_mha", 5 * 96, 320 * 96), ("llama_gqa_tied", 5 * 108, 0)]:
            tensors = json.loads(skald("info", "-m", tiny(name), "--json").stdout)["tensors"]
            self.assertEqual(sum(group["bytes"] for group in tensors if not group["kernel"]), 4 * (norms + table), name)

    def test_scratch_does_not_grow_with_the_context(self):
        plans = [json.loads(skald("info", "-m", tiny("llama_mha"), "-c", n, "--json").stdout)["memory"]
                 for n in ("512", "32768")]
        self.assertEqual(plans[0]["context_bytes"], plans[1]["context_bytes"])
        self.assertGreater(plans[1]["cache_bytes"], 50 * plans[0]["cache_bytes"])


class Models(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.ids = [(7 * i * i + 3) % 200 for i in range(33)]

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
        return path

    def evaluate(self, name, *more, cpu=None):
        ids = self.path("ids.json", json.dumps(self.ids))
        done = skald("eval", "-m", tiny("llama_mha"), "--tokens", ids, "--logits", self.path(name), *more, cpu=cpu)
        self.assertEqual(done.returncode, 0, done.stderr)
        return read_npy(self.path(name))

    def test_logits_do_not_depend_on_chunks_threads_and_level(self):
        header, shape, rows = self.evaluate("all.npy")
        self.assertIn("'descr': '<f4', 'fortran_order': False", header)
        self.assertEqual(shape[0], len(self.ids))
        self.assertEqual(len(rows), 4 * shape[0] * shape[1])
        for more in [["--chunk", "1"], ["--chunk", "5", "-t", "2"], ["-t", "1"]]:
            self.assertEqual(self.evaluate("other.npy", *more)[2], rows, more)
        self.assertEqual(self.evaluate("scalar.npy", cpu="scalar")[2], rows)
        self.assertNotEqual(self.evaluate("f32.npy", "--kv", "f32")[2], rows)

    def test_eval_refuses_what_is_no_list_of_ids(self):
        for text in ["", "[", "[1,]", "[1 2]", "[-1]", "[1.5]", "[[1]]", "[]", "{}", "[1] 2", "[99999999]"]:
            done = skald("eval", "-m", tiny("llama_mha"), "--tokens", self.path("bad.json", text), "--logits",
                         self.path("out.npy"))
            self.assertEqual(done.returncode, 1, (text, done.stderr))
            self.assertFalse(os.path.exists(self.path("out.npy")), text)

    def test_bench_prints_the_hashes_of_eval(self):
        _, (_, n_vocab), rows = self.evaluate("all.npy")
        depth, steps = 5, 7
        lists = [self.ids[:depth + steps], self.ids[:depth + steps]]
        done = skald("bench", "-m", tiny("llama_mha"), "-p", str(steps), "-n", str(steps), "-b", "1,2", "-t", "1,2",
                     "-d", str(depth), "-r", "2", "--json", "--tokens", self.path("lists.json", json.dumps(lists)))
        self.assertEqual(done.returncode, 0, done.stderr)
        records = json.loads(done.stdout)
        self.assertEqual([(r["test"], r["threads"], r["batch"], r["tokens"]) for r in records],
                         [("prefill", 1, 1, 7), ("prefill", 2, 1, 7), ("decode", 1, 1, 7), ("decode", 2, 1, 7),
                          ("decode", 1, 2, 14), ("decode", 2, 2, 14)])
        last = depth + steps - 1
        digest = hashlib.sha256(rows[4 * n_vocab * last:4 * n_vocab * (last + 1)]).hexdigest()
        for record in records:
            self.assertEqual(record["sha256"], [digest] * record["batch"])
            self.assertEqual(set(record) - {"sha256"},
                             {"test", "threads", "batch", "depth", "tokens", "tokens_per_second", "bytes_per_token",
                              "read_roof_share", "int8_roof_share", "barrier_ns", "read_roof", "int8_roof"})
            self.assertTrue(record["read_roof"] > 0 and record["int8_roof"] > 0)
            rates = record["tokens_per_second"]
            self.assertTrue(0 < rates["min"] <= rates["median"] <= rates["max"])
            self.assertGreater(record["read_roof_share"], 0)
            self.assertEqual(record["barrier_ns"] > 0, record["threads"] > 1)

    def test_tokenize_lines_and_text_agree(self):
        texts = ["hello", "a \"b\" \\ \n\t", "äöü 中文 \U0001f600", ""]
        lines = "".join(json.dumps({"n": [1, {"x": None}], "text": text}) + "\n" for text in texts)
        done = skald("tokenize", "-m", tiny("llama_mha"), "--jsonl", self.path("in.jsonl", lines),
                     self.path("out.jsonl"))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("out.jsonl"), encoding="utf-8") as file:
            found = [json.loads(line)["ids"] for line in file]
        for text, ids in zip(texts, found, strict=True):
            done = skald("tokenize", "-m", tiny("llama_mha"), text=text)
            self.assertEqual((done.returncode, json.loads(done.stdout)), (0, ids), done.stderr)
        self.assertEqual(found[3], [])
        bad = skald("tokenize", "-m", tiny("llama_mha"), "--jsonl", self.path("in.jsonl", "{\"text\": 1}\n"), "-")
        self.assertEqual(bad.returncode, 1)
        self.assertIn("line 1", bad.stderr)

    def test_run_is_greedy_and_bounded(self):
        first = skald("run", "-m", tiny("llama_mha"), "-p", "hello", "-n", "8", "--ignore-eos")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("answer 8 tokens", first.stderr)
        again = skald("run", "-m", tiny("llama_mha"), "-n", "8", "--ignore-eos", "-t", "1", text="hello")
        self.assertEqual(again.stdout, first.stdout)
        full = skald("run", "-m", tiny("llama_mha"), "-p", "hello", "-c", "16", "--ignore-eos")
        self.assertEqual(full.returncode, 0, full.stderr)
        self.assertIn("context of 16 tokens is full", full.stderr)
        n_prompt, n_answer = map(int, re.search(r"prompt (\d+) tokens.*answer (\d+) tokens", full.stderr).groups())
        self.assertEqual(n_prompt + n_answer, 16 + 1)  # the last one is told, but needs no room
        long = skald("run", "-m", tiny("llama_mha"), "-p", "hello hello hello hello", "-c", "1")
        self.assertEqual(long.returncode, 1)
        self.assertIn("-c", long.stderr)

    def test_run_with_drafts_and_stops(self):
        run = lambda *more: skald("run", "-m", tiny("llama_mha"), "-p", "the sea the sea the", "-n", "40", "--ignore-eos", *more)
        for drawn in [[], ["--temp", "1.3", "--seed", "9", "--top-k", "30"]]:
            plain = run(*drawn)
            self.assertEqual(plain.returncode, 0, plain.stderr)
            for more in [["--lookup"], ["--draft", tiny("llama_mha")], ["--draft", tiny("qwen3")]]:
                done = run(*drawn, *more)
                self.assertEqual((done.returncode, done.stdout), (0, plain.stdout), (more, done.stderr))
            stop = plain.stdout[7:9]
            self.assertEqual(run(*drawn, "--stop", stop).stdout, plain.stdout[:plain.stdout.index(stop)] + "\n")
        self.assertIn("right", run("--draft", tiny("llama_mha")).stderr)
        self.assertIn("vocabulary", run("--draft", tiny("llama_gqa_tied")).stderr)
        for more in [["--beams", "65"], ["--beams", "2", "--lookup"], ["--lookup", "--draft", "x"]]:
            self.assertEqual(run(*more).returncode, 2 if more != ["--beams", "65"] else 1)
        self.assertEqual(skald("run", "-m", "x", "--chat", "--lookup").returncode, 2)

    def test_run_with_beams(self):
        run = lambda *more: skald("run", "-m", tiny("llama_mha"), "-p", "the sea", "-n", "12", "--ignore-eos", *more)
        self.assertEqual(run("--beams", "1").stdout, run().stdout)
        scores = [float(re.search(r"score (-?[0-9.]+)", run("--beams", k).stderr)[1]) for k in "18"]
        self.assertGreater(scores[1], scores[0])

    def test_answers_keep_to_a_grammar(self):
        rules = self.path("rules", 'root ::= "yes" | "no" " indeed"{2,3}')
        schema = self.path("schema", '{"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}')
        run = ("run", "-m", tiny("llama_mha"), "-p", "hello", "-n", "40", "--temp", "2")
        for seed in "123":
            self.assertRegex(skald(*run, "--seed", seed, "--grammar", rules).stdout, r"^(yes|no( indeed){2,3})\n$")
            self.assertGreaterEqual(json.loads(skald(*run, "--seed", seed, "--json-schema", schema).stdout)["n"], 3)
        refused = skald(*run, "--json-schema", rules)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("JSON at byte 0", refused.stderr)
        self.assertEqual(skald(*run, "--json-schema", schema, "--grammar", rules).returncode, 2)

    def test_adapters(self):
        model, ids = tiny("llama_gqa_tied"), self.path("ids.json")
        adapter, other = self.path("a.gguf"), self.path("name:of.gguf")
        with open(ids, "w", encoding="utf-8") as file:
            json.dump([5 * i % 97 + 1 for i in range(40)], file)
        for path in (adapter, other):
            write_adapter(path, "blk.0.ffn_up.weight", 108, 140)

        def logits(*more):
            out = self.path("out.npy")
            done = skald("eval", "-m", model, "--tokens", ids, "--logits", out, *more)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return hashlib.sha256(read_npy(out)[2]).hexdigest()

        plain, changed = logits(), logits("--lora", adapter)
        self.assertNotEqual(plain, changed)
        self.assertEqual(plain, logits("--lora", adapter + ":0"))
        self.assertEqual(changed, logits("--lora", other + ":1.0", "--chunk", "3", "-t", "1"))
        self.assertNotEqual(changed, logits("--lora", adapter, "--lora", adapter + ":0.5"))
        question = ["-m", model, "-n", "12", "--ignore-eos", "--lora", adapter]
        answer = skald("run", *question, "-p", "the sea")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertNotEqual(answer.stdout, skald("run", *question[:-2], "-p", "the sea").stdout)
        self.assertEqual(answer.stdout, skald("run", *question, "--lookup", "-p", "the sea").stdout)
        with open(self.path("in.jsonl"), "w", encoding="utf-8") as file:
            file.write(json.dumps({"text": "the sea"}) + "\n")
        done = skald("batch", *question, self.path("in.jsonl"), self.path("out.jsonl"))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("out.jsonl"), encoding="utf-8") as file:
            self.assertEqual(json.loads(file.read())["text"] + "\n", answer.stdout)
        for more, code, why in ((["--lora", self.path("none.gguf")], 1, "there is no such file"),
                                (["--lora", model], 1, "general.type"),
                                (["--lora", adapter] * 4, 2, "--lora cannot be"),
                                (["--beams", "2"], 2, "--beams goes alone")):
            done = skald("run", *question, *more, "-p", "the sea")
            self.assertEqual(done.returncode, code)
            self.assertIn(why, done.stderr)

    def test_perplexity_is_that_of_eval(self):
        import math
        text = "The sea was calm and the birds were silent. " * 3
        window = 16
        ids = json.loads(skald("tokenize", "-m", tiny("llama_mha"), text=text).stdout)
        done = skald("perplexity", "-m", tiny("llama_mha"), "-f", self.path("text", text), "--context", str(window),
                     "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        total, n = 0.0, 0
        for at in range(0, len(ids) - window + 1, window):
            self.ids = ids[at:at + window]
            _, (_, n_vocab), rows = self.evaluate("window.npy")
            for i in range(window // 2, window - 1):
                row = struct.unpack_from(f"<{n_vocab}f", rows, 4 * n_vocab * i)
                top = max(row)
                total += top + math.log(sum(math.exp(x - top) for x in row)) - row[self.ids[i + 1]]
                n += 1
        found = json.loads(done.stdout)
        self.assertEqual(found["tokens"], n)
        self.assertAlmostEqual(found["mean_nll"], total / n, places=9)


class Manual(unittest.TestCase):
    def test_hello_is_short_and_stands_in_the_readme(self):
        with open(os.path.join(SOURCE, "examples", "hello.c"), encoding="utf-8") as file:
            hello = file.read()
        self.assertLessEqual(len(hello.splitlines()), 25)
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
            self.assertIn("```c\n" + hello + "```\n", file.read())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
