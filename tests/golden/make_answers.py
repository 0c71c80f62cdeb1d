"""Answers as models of known families write them, and the events that they are: data/answers.txt.

usage: make_answers.py OUT
A record is family, text, events and RS; its fields are parted by GS; an event is a letter, its text and US. The events
come from the parts that a text is put together of, not from reading it."""
import json
import random
import sys

rng = random.Random(7)
SAID = ["It is sunny.", "Sure, a < b and c > d.", "Ünïcödé 日本 😀", "x <tool", "<|", "{\"a\": 1}", "[1, 2] [TOOL", "line\nline",
        "</", "a <think b", "1 ``` 2", "<｜tool", "**bold** &amp;"]
NAMES = ["get_weather", "search", "run_code", "größe", "a.b-c"]
VALUES = [{}, {"city": "Paris"}, {"q": "a \"b\" \\ }{ ][ </tool_call>"}, {"n": [1, {"x": [2.5, None]}], "ok": True},
          {"text": "日本\n<|call|>".replace("<|call|>", "")}]


def said():
    return rng.choice(SAID)


def name():
    return rng.choice(NAMES)


def value():
    return json.dumps(rng.choice(VALUES), ensure_ascii=rng.random() < 0.5)


def called(n, v):
    return [("T", n), ("A", v), ("Z", "")]


def hermes_call():
    n, v = name(), value()
    spelled = json.dumps(n, ensure_ascii=rng.random() < 0.5)
    more = rng.choice(["", "", "\"id\": \"x\", ", "\"id\": [1, {\"a\": \"}\"}], "])
    return "<tool_call>\n{%s\"name\": %s, \"arguments\": %s}\n</tool_call>" % (more, spelled, v), called(n, v)


def thought(text, events):
    t = said()
    return "<think>\n" + t + "</think>\n\n" + text, [("R", t)] + events


def hermes():
    text, events = rng.choice(["", "", "\n"]) + "", []
    if rng.random() < 0.5:
        s = said()
        text, events = s + "\n", [("C", s + "\n")]
    for _ in range(rng.randint(0, 3)):
        t, e = hermes_call()
        text, events = text + t + "\n", events + e
    if not text.strip():
        return plain()
    return thought(text, events) if rng.random() < 0.4 else (text, events)


def plain():
    s = said()
    return thought(s, [("C", s)]) if rng.random() < 0.5 else (s, [("C", s)])


def llama3():
    n, v = name(), value()
    kind = rng.randint(0, 3)
    if kind == 0:
        return json.dumps({"name": n})[:-1] + ", \"parameters\": " + v + "}", called(n, v)
    if kind == 1:
        return "<|python_tag|>{\"type\": \"function\", \"name\": " + json.dumps(n) + ", \"parameters\": " + v + "}", called(n, v)
    if kind == 2:
        code = rng.choice(["print(\"hi\")\nx = 1", "brave_search.call(query=\"a\\b\")", "\tpass"]).strip()
        escaped = code.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n")
        return "<|python_tag|>" + code, called("python", "{\"code\": \"" + escaped + "\"}")
    return plain()


def mistral():
    head = rng.choice(["", "", said() + " "])
    events = [("C", head)] if head else []
    calls = [(name(), value()) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.5:
        text = ", ".join("{\"name\": %s, \"arguments\": %s, \"id\": \"abc123def\"}" % (json.dumps(n), v) for n, v in calls)
        text = "[TOOL_CALLS] [" + text + "]"
    else:
        text = "".join("[TOOL_CALLS]" + n + rng.choice(["", "[CALL_ID]abc123def"]) + "[ARGS]" + v for n, v in calls)
    for n, v in calls:
        events += called(n, v)
    return head + text, events


def deepseek():
    head = rng.choice(["", "", said()])
    events = [("C", head)] if head else []
    text, v3 = head + "<｜tool▁calls▁begin｜>", rng.random() < 0.5
    for _ in range(rng.randint(1, 3)):
        n, v = name(), value()
        events += called(n, v)
        if v3:
            text += "<｜tool▁call▁begin｜>function<｜tool▁sep｜>" + n + "\n```json\n" + v + "\n```<｜tool▁call▁end｜>\n"
        else:
            text += "<｜tool▁call▁begin｜>" + n + "<｜tool▁sep｜>" + v + "<｜tool▁call▁end｜>"
    text += "<｜tool▁calls▁end｜>"
    return thought(text, events) if rng.random() < 0.4 else (text, events)


def harmony():
    text, events = "", []
    for _ in range(rng.randint(0, 2)):
        s = said()
        text, events = text + "<|channel|>analysis<|message|>" + s + "<|end|><|start|>assistant", events + [("R", s)]
    if rng.random() < 0.5:
        n, v = name(), value()
        if rng.random() < 0.5 and text:
            text += " to=functions." + n + "<|channel|>commentary json<|message|>" + v
        else:
            text += "<|channel|>commentary to=functions." + n + " <|constrain|>json<|message|>" + v
        return text + rng.choice(["", "<|call|>"]), events + called(n, v)
    s = said()
    return text + "<|channel|>final<|message|>" + s + rng.choice(["", "<|return|>"]), events + [("C", s)]


def merged(events):
    out = []
    for kind, text in events:
        if out and out[-1][0] == kind and kind in "CRA":
            out[-1] = (kind, out[-1][1] + text)
        else:
            out.append((kind, text))
    return out


def main():
    families = [("hermes", hermes), ("plain", plain), ("llama3", llama3), ("mistral", mistral), ("deepseek", deepseek),
                ("harmony", harmony)]
    by_hand = [
        ("hermes", "<tool_call>\nnot JSON\n</tool_call>", [("C", "<tool_call>\nnot JSON\n</tool_call>")]),
        ("hermes", "<tool_call>{\"arguments\": {}, \"name\": \"f\"}", [("C", "<tool_call>{\"arguments\": {}, \"name\": \"f\"}")]),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a", [("T", "f"), ("A", "{\"a")]),
        ("hermes", "<tool_call>{\"na", [("C", "<tool_call>{\"na")]),
        ("hermes", "<think>never ends", [("R", "never ends")]),
        ("hermes", "  \n text", [("C", "  \n text")]),
        ("llama3", "{\"a\": 1} is JSON", [("C", "{\"a\": 1} is JSON")]),
        ("llama3", "{\"name\": 5}", [("C", "{\"name\": 5}")]),
        ("mistral", "[TOOL_CALLS]f[ARGS]{\"a\": [", [("T", "f"), ("A", "{\"a\": [")]),
        ("harmony", "<|channel|>commentary to=functions.f<|message|>{\"a", [("T", "f"), ("A", "{\"a")]),
        ("harmony", "no header", [("C", "no header")]),
        ("plain", "<tool_call>{}</tool_call>", [("C", "<tool_call>{}</tool_call>")]),
        ("plain", "", []),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"q\": \"\\\"}\"}}</tool_call>",
         called("f", "{\"q\": \"\\\"}\"}")),
        ("mistral", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}, {\"arguments\": {}}]",
         called("f", "{}") + [("C", ", {\"arguments\": {}}]")]),
        ("mistral", "[TOOL_CALLS]f[ARGS] {}", called("f", "{}")),
        # arguments that are no JSON never end; a bracket too many means nothing
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": tru}}</tool_call>", [("T", "f"), ("A", "{\"a\": tru}")]),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": [1, ]}}\n</tool_call>\nx",
         [("T", "f"), ("A", "{\"a\": [1, ]}"), ("C", "x")]),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {'a': 1}}</tool_call>", [("T", "f"), ("A", "{'a': 1}")]),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 01}, \"id\": {}}</tool_call>", [("T", "f"), ("A", "{\"a\": 01}")]),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}}\n</tool_call>", called("f", "{\"a\": 1}")),
        ("hermes", "<tool_call>{\"name\": \"f\"}</tool_call>", [("T", "f"), ("Z", "")]),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {}, \"arguments\": 1}}</tool_call>x", [("T", "f"), ("A", "{}"), ("C", "x")]),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"\\uZZ00\"}}</tool_call>", [("T", "f"), ("A", "{\"a\": \"\\uZZ00\"}")]),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": [1}}}</tool_call>", [("T", "f"), ("A", "{\"a\": [1}}")]),
        ("llama3", "{\"name\": \"f\", \"parameters\": {\"a\": \"\\x\"}}", [("T", "f"), ("A", "{\"a\": \"\\x\"}")]),
        ("mistral", "[TOOL_CALLS]f[ARGS]{\"a\" 1}[TOOL_CALLS]g[ARGS]{}", [("T", "f"), ("A", "{\"a\" 1}")] + called("g", "{}")),
        ("mistral", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {]}, {\"name\": \"h\"}, {\"name\": \"g\", \"arguments\": {}}]",
         [("T", "f"), ("A", "{]"), ("T", "h"), ("Z", "")] + called("g", "{}")),
        ("mistral", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}]]\nx", called("f", "{}") + [("C", "x")]),
        ("deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": nul}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
         [("T", "f"), ("A", "{\"a\": nul}")]),
        ("harmony", "<|channel|>commentary to=functions.f<|message|>},=f<|call|>", [("T", "f"), ("A", "},=f")]),
        ("harmony", "<|channel|>commentary to=functions.f<|message|>5,<|call|>", [("T", "f"), ("A", "5,")]),
        ("harmony", "<|channel|>commentary to=functions.f<|message|> 5 <|call|>", [("T", "f"), ("A", "5 "), ("Z", "")]),
        ("harmony", "<|channel|>commentary to=functions.f<|message|>\n\t<|call|>x", [("T", "f"), ("Z", ""), ("C", "x")]),
        ("mistral", "[TOOL_CALLS]f[ARGS]}x", [("T", "f"), ("C", "x")]),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": }</tool_call>", [("T", "f")]),
        ("harmony", "<|channel|>commentary to=functions.f<|message|>{\"a\": 1} x<|call|>", [("T", "f"), ("A", "{\"a\": 1} x")]),
        ("harmony", "<|channel|>commentary to=functions.f<|message|>{\"a\": 1} \n<|call|>", [("T", "f"), ("A", "{\"a\": 1} \n"), ("Z", "")]),
    ]
    records = by_hand + [(f, *make()) for f, make in families for _ in range(34)]
    with open(sys.argv[1], "w", encoding="utf-8", newline="") as file:
        for family, text, events in records:
            said_events = "".join(kind + part + "\x1f" for kind, part in merged(events))
            file.write(family + "\x1d" + text + "\x1d" + said_events + "\x1e")
    print(len(records), "answers")


main()
