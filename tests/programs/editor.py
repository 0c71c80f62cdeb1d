"""examples/editor as an editor talks to it. usage: editor.py SERVER.py MODEL.gguf [SIZE]"""
import json
import subprocess
import sys
import time

SIZE = int(sys.argv[3]) if len(sys.argv) > 3 else 1  # of the text, for a larger model


class Editor:
    def __init__(self, command):
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.number = 0

    def say(self, method, wait=True, **params):
        self.number += 1
        message = {"jsonrpc": "2.0", "method": method, "params": params, **({"id": self.number} if method != "didChange" else {})}
        data = json.dumps(message).encode()
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self.server.stdin.flush()
        return self.hear(self.number) if wait else self.number

    def hear(self, number):
        length = int(self.server.stdout.readline().split(b":")[1])
        assert self.server.stdout.readline() == b"\r\n"
        message = json.loads(self.server.stdout.read(length))
        assert message["id"] == number, message
        return message.get("result", message.get("error"))

    def read_ahead(self):
        """The stats once something is read and no more is."""
        before, end = 0, time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(0.2 * SIZE)
            stats = self.say("stats")
            if stats["read"] == before > 0:
                return stats
            before = stats["read"]
        raise AssertionError("nothing is read ahead")

    def close(self):
        self.server.stdin.close()
        return self.server.wait(20)


def main():
    editor = Editor([sys.executable, *sys.argv[1:3]])
    assert editor.say("initialize")["architecture"] == "llama"
    assert editor.say("nonsense")["code"] == -32601
    text = "the sea is wide and the ships are small, and " * SIZE + "nobody knows what li"

    # What was read ahead is not read again, and neither is what a longer text begins with.
    editor.say("didChange", wait=False, text=text, cursor=len(text))
    before = editor.read_ahead()
    first = editor.say("complete", text=text, cursor=len(text), n_tokens=8)
    after = editor.say("stats")
    assert after["read"] - before["read"] <= 1, (before, after)
    longer = editor.say("complete", text=text + "g", cursor=len(text) + 1, n_tokens=8)
    last = editor.say("stats")
    assert last["read"] - after["read"] <= 4, (after, last)
    assert first["end"] in ("stop", "length") and first["replace"] > 0
    for answer, shown in ((first, text), (longer, text + "g")):
        assert shown.endswith(answer["text"][: answer["replace"]]), answer

    # A key press cancels: the old request answers at once, and the new one as if alone. Where the machine is busy an answer may
    # be there before the key is.
    cancelled = 0
    for _ in range(20):
        old = editor.say("complete", wait=False, text=text, cursor=len(text), n_tokens=150)
        new = editor.say("complete", wait=False, text=text, cursor=len(text), n_tokens=8)
        cancelled += editor.hear(old).get("code") == -32800
        assert editor.hear(new) == first
    old = editor.say("complete", wait=False, text=text, cursor=len(text), n_tokens=150)
    assert editor.say("cancel", wait=False, id=old)
    cancelled += editor.hear(old).get("code") == -32800
    assert cancelled, "no key press cancelled"
    stats = editor.say("stats")
    assert editor.close() == 0
    print(f"{stats['read']} tokens read, {stats['found']} found, the slowest cancel {stats['slowest_cancel_ms']:.2f} ms")


if __name__ == "__main__":
    sys.exit(main())
