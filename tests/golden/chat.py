"""Chat templates beside the package jinja2, set up as transformers does it.

usage: chat.py compare PROGRAM TEMPLATE... [--count 200] [--seed 1]   random conversations, the texts must be equal
       chat.py record FOLDER                                          writes FOLDER/conversations.jsonl and expected.txt
PROGRAM is build/.../tests/test_golden_chat. Needs jinja2."""
import argparse
import datetime
import glob
import hashlib
import json
import os
import random
import subprocess
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2026, 2, 3, 4, 5, 6)
NOW_SECONDS = int((NOW - datetime.datetime(1970, 1, 1)).total_seconds())


class Generation(jinja2.ext.Extension):
    """{% generation %} ... {% endgeneration %}: a call block that writes its body (transformers' AssistantTracker)."""
    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(lineno)

    def _body(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def render(template, variables):
    """The text, or None where the template refuses."""
    given = {"tools": None, "documents": None, "add_generation_prompt": False}
    given.update(variables)
    try:
        return template.render(**given)
    except Exception as error:
        return error


# ---- random conversations

WORDS = ["hello", "the", "weather in Paris?", "naïve café", "日本語のテキスト", "😀👍🏽", "  spaced  ", "line\nbreak", "\ttab",
         "<|im_end|>", "<|eot_id|>", "<s>", "</s>", "[INST]", "[/INST]", "<start_of_turn>user", "<|end|>", "quote \" and '",
         "back\\slash", "{{ not jinja }}", "{% raw %}", "&amp; <b>", "\u2028", "\u00a0", "a b", "x = 1;", "42", "",
         "<think>", "</think>", "<tool_call>", "\n\n", "Ünïcödé", "e\u0301", "\u0000", "\x1f\x7f", "ﬁ", "\r\n", "true", "None"]
SCALARS = [0, 1, -7, 3.5, 1e-7, 1e21, 0.1, 100.0, True, False, None, "text", "ü", "<|im_end|>", 123456789012345678]


def text(rng, most=6):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, most)))


def value(rng, depth=0):
    kind = rng.random()
    if depth < 3 and kind < 0.15:
        return [value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    if depth < 3 and kind < 0.3:
        return {rng.choice(["a", "b c", "Zeta", "é", "items", "n"]): value(rng, depth + 1) for _ in range(rng.randint(0, 3))}
    return rng.choice(SCALARS)


def schema(rng, depth=0):
    kind = rng.choice(["string", "integer", "number", "boolean", "array", "object"] if depth < 2 else ["string", "number"])
    made = {"type": kind}
    if rng.random() < 0.7:
        made["description"] = text(rng, 4)
    if kind == "string" and rng.random() < 0.4:
        made["enum"] = ["celsius", "fahr\"enheit", "ü"][:rng.randint(1, 3)]
    if kind == "array":
        made["items"] = schema(rng, depth + 1)
    if kind == "object":
        names = rng.sample(["city", "unit", "depth", "tags", "größe"], rng.randint(0, 3))
        made["properties"] = {name: schema(rng, depth + 1) for name in names}
        if rng.random() < 0.6:
            made["required"] = names[:rng.randint(0, len(names))]
    if rng.random() < 0.15:
        made["default"] = rng.choice(["x", 1, 2.5, True])
    return made


def tool(rng, name):
    parameters = schema(rng)
    if parameters["type"] != "object":
        parameters = {"type": "object", "properties": {"location": parameters}, "required": ["location"]}
    function = {"name": name, "description": text(rng, 5), "parameters": parameters}
    if rng.random() < 0.2:
        function["return"] = schema(rng)
    return {"type": "function", "function": function}


def arguments(rng):
    made = {rng.choice(["location", "unit", "n", "naïve key"]): value(rng) for _ in range(rng.randint(0, 3))}
    return json.dumps(made) if rng.random() < 0.2 else made


def content(rng, parts):
    said = text(rng)
    if parts and rng.random() < 0.5:
        return [{"type": "text", "text": said}] + ([{"type": "text", "text": text(rng)}] if rng.random() < 0.3 else [])
    return said


def call(rng, names):
    made = {"type": "function", "function": {"name": rng.choice(names), "arguments": arguments(rng)}}
    if rng.random() < 0.8:
        made["id"] = "".join(rng.choice("abcXYZ0189") for _ in range(9))
    return made


def assistant(rng, names, parts):
    message = {"role": "assistant", "content": content(rng, parts)}
    if rng.random() < 0.3:
        message["content"] = "<think>\n" + text(rng) + "\n</think>\n\n" + text(rng)
    if rng.random() < 0.2:
        message[rng.choice(["reasoning_content", "thinking", "reasoning"])] = text(rng)
    if names and rng.random() < 0.5:
        message["tool_calls"] = [call(rng, names) for _ in range(rng.choice([1, 1, 1, 2]))]
        if rng.random() < 0.4:
            message["content"] = rng.choice(["", None])
        if rng.random() < 0.1:
            del message["content"]
    return message


def plain_conversation(rng):
    """Taking turns, without tools: what the strict templates accept."""
    messages = [{"role": "system", "content": text(rng)}] if rng.random() < 0.3 else []
    for turn in range(rng.randint(1, 4)):
        if turn:
            messages.append({"role": "assistant", "content": text(rng)})
        messages.append({"role": "user", "content": text(rng)})
    return {"messages": messages, "add_generation_prompt": rng.random() < 0.7, "bos_token": "<s>", "eos_token": "</s>"}


def conversation(rng):
    if rng.random() < 0.3:
        return plain_conversation(rng)
    parts = rng.random() < 0.15
    names = rng.sample(["get_weather", "search", "run_code", "größe"], rng.randint(1, 3)) if rng.random() < 0.5 else []
    messages = []
    if rng.random() < 0.5:
        messages.append({"role": rng.choice(["system", "system", "system", "developer"]), "content": content(rng, parts)})
    for turn in range(rng.randint(0 if messages else 1, 4)):
        messages.append({"role": "user", "content": content(rng, parts)})
        if turn and rng.random() < 0.05:
            continue
        while rng.random() < 0.7:
            answer = assistant(rng, names, parts)
            messages.append(answer)
            for made in answer.get("tool_calls", []):
                result = {"role": "tool", "content": rng.choice([text(rng), json.dumps(value(rng)), text(rng)])}
                if rng.random() < 0.7:
                    result["name"] = made["function"]["name"]
                if "id" in made and rng.random() < 0.8:
                    result["tool_call_id"] = made["id"]
                messages.append(result)
            if not answer.get("tool_calls"):
                break
    variables = {"messages": messages, "add_generation_prompt": rng.random() < 0.6, "bos_token": "<s>", "eos_token": "</s>"}
    if names and rng.random() < 0.9:
        variables["tools"] = [tool(rng, name) for name in names]
    if rng.random() < 0.1:
        variables["documents"] = [{"title": text(rng, 2), "text": text(rng), "doc_id": str(i)} for i in range(rng.randint(1, 3))]
    for name, values in (("enable_thinking", [True, False]), ("date_string", ["26 Jul 2024"]), ("reasoning_effort", ["high"]),
                         ("thinking", [True, False]), ("tools_in_user_message", [True, False]), ("builtin_tools", [["python"], []]),
                         ("model_identity", ["You are skald."]), ("custom_instructions", ["Be kind."]), ("controls", [{"length": "short"}])):
        if rng.random() < 0.15:
            variables[name] = rng.choice(values)
    return variables


def conversations(seed, count):
    rng = random.Random(seed)
    return [conversation(rng) for _ in range(count)]


# ---- comparing and recording

def run(program, template, made):
    lines = "".join(json.dumps(variables, ensure_ascii=True) + "\n" for variables in made)
    done = subprocess.run([program, template, str(NOW_SECONDS)], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return done.stdout.decode("utf-8", "surrogatepass").split("\x1e")[:-1]


def compare(options):
    env, bad = environment(), 0
    for path in options.templates:
        source = open(path, encoding="utf-8", newline="").read()
        template = env.from_string(source)
        made = conversations(options.seed, options.count)
        got, refused, different = run(options.program, path, made), 0, 0
        for i, variables in enumerate(made):
            want = render(template, variables)
            refuses = isinstance(want, Exception)
            refused += refuses
            same = got[i].startswith("\x15") if refuses else got[i] == "\x06" + want
            if not same:
                different += 1
                if different == 1:
                    print(f"--- {path} conversation {i}\nwanted {want!r}\ngot    {got[i]!r}")
                    if options.show:
                        print(json.dumps(variables))
        bad += different
        print(f"{os.path.basename(path):60} {len(made)} conversations, {refused} refused by both, {different} different")
    print(f"{len(options.templates)} templates, {bad} differences")
    return bad != 0


def record(options):
    made = conversations(2026, 24)
    with open(os.path.join(options.folder, "conversations.jsonl"), "w", encoding="ascii") as file:
        for variables in made:
            file.write(json.dumps(variables) + "\n")
    env = environment()
    with open(os.path.join(options.folder, "expected.txt"), "w", encoding="ascii") as file:
        for path in sorted(glob.glob(os.path.join(options.folder, "*.jinja"))):
            template = env.from_string(open(path, encoding="utf-8", newline="").read())
            file.write(os.path.basename(path) + "\n")
            for variables in made:
                text_of = render(template, variables)
                refuses = isinstance(text_of, Exception)
                file.write("refused\n" if refuses else hashlib.sha256(text_of.encode("utf-8")).hexdigest() + "\n")


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("compare")
    one.add_argument("program")
    one.add_argument("templates", nargs="+")
    one.add_argument("--count", type=int, default=200)
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--show", action="store_true")
    commands.add_parser("record").add_argument("folder")
    options = parser.parse_args()
    return compare(options) if options.command == "compare" else record(options)


if __name__ == "__main__":
    sys.exit(main())
