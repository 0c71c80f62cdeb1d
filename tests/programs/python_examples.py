"""examples/chat.py and examples/batch.py as a person runs them. usage: python_examples.py EXAMPLES MODEL.gguf"""
import json
import os
import subprocess
import sys
import tempfile

import parrot

LAYOUT = ("{# <tool_call> #}{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}"
          "{% for c in m.tool_calls %}{{ c.function | tojson }}{% endfor %}<|end|>{% endfor %}{% if add_generation_prompt %}<|start|>{% endif %}")


def run(script, *arguments, stdin):
    done = subprocess.run([sys.executable, script, *arguments], input=stdin, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def chat(script, folder):
    """A model that calls, once, and whose answer behind the result is what it says next."""
    path = os.path.join(folder, "parrot.gguf")
    call = '{"name": "calculate", "arguments": {"expression": "2 * (3 + 4)"}}'
    parrot.write(path, "<|start|>", ["Let me see. ", "<tool_call>", call, "</tool_call>"], LAYOUT)
    out, err = run(script, path, "60", stdin="What is it?\n")
    assert out.startswith("Let me see. ") and "tool_call" not in out, out
    assert "[calculate {'expression': '2 * (3 + 4)'}: 14]" in err, err
    assert err.count("[calculate") == 4, err  # it only ever calls
    parrot.write(path, "<|start|>", ["<tool_call>", call.replace("2 * (3 + 4)", "open('x')"), "</tool_call>"], LAYOUT)
    _, err = run(script, path, "60", stdin="What is it?\n")
    assert "error: numbers" in err, err


def batch(script, model):
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["n"],
              "additionalProperties": False}
    asked = [{"prompt": "return the", "n_tokens": 12}, {"prompt": "return", "n_tokens": 30, "schema": schema}, {"n_tokens": 3},
             {"prompt": "return the", "n_tokens": 12}]
    lines = "\n".join(json.dumps(one) for one in asked) + "\n\n{]\n"
    out, _ = run(script, model, "3", stdin=lines)
    told = {one["line"]: one for one in map(json.loads, out.splitlines())}
    assert sorted(told) == [1, 2, 3, 4, 6], told
    assert told[1]["text"] and told[1]["text"] == told[4]["text"], told
    assert set(json.loads(told[2]["text"])) == {"n"} and "KeyError" in told[3]["error"] and "error" in told[6], told
    alone, _ = run(script, model, "1", stdin=json.dumps(asked[0]))
    assert json.loads(alone)["text"] == told[1]["text"], alone


def main():
    examples, model = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        chat(os.path.join(examples, "chat.py"), folder)
    batch(os.path.join(examples, "batch.py"), model)


if __name__ == "__main__":
    main()
