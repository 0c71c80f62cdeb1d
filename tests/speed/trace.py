"""Many requests that arrive while others run: the same seeded trace through skald_engine and, if one is named, through
llama.cpp's server on the same model, with ids per second and how long the first id and each following one took.

    trace.py -m MODEL.gguf --serve build/release/tests/skald_serve [--llama-server PATH | --server URL]
    trace.py -m MODEL.gguf --serve build/release/tests/skald_serve --skald build/release/bin/skald --part beginnings,room,steps,wall

Arrivals are a Poisson process; prompts have 50 to 4000 ids and answers 10 to 400, both drawn evenly on a scale of logarithms;
ids are drawn from the vocabulary, so that nobody shares a beginning. Both get ids and give as many as the trace says, greedily,
whatever the model says of an end. The server is asked over HTTP on this machine, as its users do; skald is called."""
import argparse
import concurrent.futures
import json
import math
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PARTS = ["trace", "beginnings", "room", "steps", "wall"]


def read_options():
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("-m", "--model", required=True)
    line.add_argument("--serve", help="the program skald_serve; none: only the server is measured")
    line.add_argument("--skald", help="the program, for what rows cost alone (beginnings, wall)")
    line.add_argument("--part", default="trace", help=f"of {','.join(PARTS)} (%(default)s)")
    line.add_argument("--seconds", type=float, default=60, help="in which requests arrive (%(default)s)")
    line.add_argument("--rate", type=float, default=0.8, help="requests per second (%(default)s)")
    line.add_argument("--seed", type=int, default=7)
    line.add_argument("--vocabulary", type=int, default=49152, help="ids are drawn below this (%(default)s)")
    line.add_argument("--threads", type=int, default=2)
    line.add_argument("--running", type=int, default=16, help="requests that run at once (%(default)s)")
    line.add_argument("--tokens", type=int, default=36864, help="room of the cache (%(default)s)")
    line.add_argument("--option", action="append", default=[], metavar="NAME=NUMBER", help="more for skald_serve")
    line.add_argument("--llama-server", metavar="PATH", help="started here, with the same room")
    line.add_argument("--server", metavar="URL", help="one that runs already")
    line.add_argument("--save", metavar="FILE", help="all times as JSON")
    return line.parse_args()


# ---- a trace: (after, at, cancel, n_tokens, ids) per request; at in microseconds

def ids(draw, o, n):
    return [draw.randrange(o.vocabulary) for _ in range(n)]


def between(draw, least, most):
    return round(math.exp(draw.uniform(math.log(least), math.log(most))))


def make_trace(o):
    draw, at, trace = random.Random(o.seed), 0.0, []
    while (at := at + draw.expovariate(o.rate)) < o.seconds:
        trace.append((-1, round(1e6 * at), 0, between(draw, 10, 400), ids(draw, o, between(draw, 50, 4000))))
    return trace


def serve(o, trace, **options):
    with tempfile.NamedTemporaryFile("w", suffix=".trace") as file:
        for after, at, cancel, n_tokens, prompt in trace:
            file.write(f"{after} {at} {cancel} {n_tokens} {' '.join(map(str, prompt))}\n")
        file.flush()
        words = {"threads": o.threads, "running": o.running, "tokens": o.tokens} | options
        more = [f"{name}={number}" for name, number in words.items()] + o.option
        return json.loads(subprocess.run([o.serve, o.model, file.name, *more], stdout=subprocess.PIPE, check=True).stdout)


# ---- llama.cpp's server

def ask(url, start, request):
    """One request of the trace: (when it came, when each piece came, how many ids each brought)."""
    _, at, _, n_tokens, prompt = request
    time.sleep(max(0, start + 1e-6 * at - time.perf_counter()))
    body = {"prompt": prompt, "n_predict": n_tokens, "ignore_eos": True, "temperature": 0, "stream": True,
            "cache_prompt": False, "return_tokens": True}
    came, times, counts = time.perf_counter() - start, [], []
    call = urllib.request.Request(url + "/completion", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with DIRECTLY.open(call, timeout=600) as answer:
        for line in answer:
            if line.startswith(b"data: {"):
                n = len(json.loads(line[6:]).get("tokens", []))
                times += [time.perf_counter() - start] * bool(n)
                counts += [n] * bool(n)
    return {"prompt": len(prompt), "came": came, "times": times, "counts": counts}


def wait_for(url):
    for _ in range(600):
        try:
            if DIRECTLY.open(url + "/health", timeout=2).status == 200:
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{url} does not answer")


def ask_all(url, trace):
    wait_for(url)
    ask(url, time.perf_counter(), (-1, 0, 0, 4, trace[0][4][:64]))  # it has run once
    with concurrent.futures.ThreadPoolExecutor(len(trace)) as pool:
        start = time.perf_counter()
        return {"requests": list(pool.map(lambda request: ask(url, start, request), trace))}


def serve_llama(o, trace):
    if o.server:
        return ask_all(o.server, trace)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [o.llama_server, "-m", o.model, "-t", str(o.threads), "-tb", str(o.threads), "-np", str(o.running),
               "-c", str(o.tokens), "-kvu", "-fa", "on", "--no-webui", "--port", port]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            return ask_all("http://127.0.0.1:" + port, trace)
        finally:
            server.terminate()


# ---- figures

def part_of(numbers, share):
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def gaps(request):
    return [b - a for a, b in zip(request["times"], request["times"][1:])]


def gaps_beside(requests, least):
    """Between ids of one request while the prompt of another, of at least so many ids, was waiting or read."""
    spans = [(r["came"], r["times"][0]) for r in requests if r["prompt"] >= least]
    return [b - a for r in requests for a, b in zip(r["times"], r["times"][1:])
            if any(a < end and b > begin and r["came"] != begin for begin, end in spans)]


def line_of(name, numbers):
    p50, p95, p99 = (1000 * part_of(numbers, share) for share in (0.5, 0.95, 0.99))
    return f"{name} {p50:.1f} / {p95:.1f} / {p99:.1f} ms, p99 {p99 / p50:.1f} of the median; "


def say(name, found):
    requests = found["requests"]
    n = sum(sum(r.get("counts", [1] * len(r["times"]))) for r in requests)
    end = max(r["times"][-1] for r in requests)
    every = [gap for r in requests for gap in gaps(r)]
    beside = gaps_beside(requests, 2000)
    print(f"{name}: {len(requests)} requests, {sum(r['prompt'] for r in requests)} ids of prompts and {n} of answers in "
          f"{end:.1f} s: {n / end:.0f} ids/s;\n   "
          + line_of("first id", [r["times"][0] - r["came"] for r in requests]) + line_of("\n    between ids", every)
          + line_of("\n    between ids while a prompt of 2000 or more arrives", beside), flush=True)


def run_trace(o):
    trace, found = make_trace(o), {}
    if o.serve:
        found["skald"] = serve(o, trace)
    if o.llama_server or o.server:
        found["llama.cpp"] = serve_llama(o, trace)
    for name in found:
        say(name, found[name])
    return found


# ---- what is read once is not read again

def first_id(request):
    return 1000 * (request["times"][0] - request["came"])


def median(numbers):
    return part_of(numbers, 0.5)


def bench(o, test, *arguments):
    command = [o.skald, "bench", "-m", o.model, "-t", str(o.threads), *map(str, arguments), "--json"]
    records = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return next(r["tokens_per_second"]["median"] for r in records if r["test"] == test)


def read_alone(o):
    """Milliseconds for 32 rows behind 2000 that are there, by the calls of a host."""
    return 32000 / bench(o, "prefill", "-p", 32, "-n", 1, "-b", 1, "-d", 2000, "-r", 3)


def run_beginnings(o):
    """Requests one after the other in one engine, three times with other ids; milliseconds to the first id, in the median."""
    draw, found = random.Random(o.seed), {"alone": [], "shared": [], "cancelled": [], "warm": []}
    for _ in range(3):
        found["alone"].append(read_alone(o))
        one, two, three = (ids(draw, o, 2000) for _ in range(3))
        own = [ids(draw, o, 32) for _ in range(4)]
        answers = serve(o, [(-1, 0, 0, 4, one + own[0]), (0, 9000, 0, 4, one + own[1]),
                            (1, 9000, 0, 0, two), (2, 9000, 0, 4, two + own[2]),
                            (3, 9000, 1800, 4, three), (4, 9000, 0, 4, three + own[3][:1])], rows=128)["requests"]
        found["shared"].append(first_id(answers[1]))
        found["warm"].append(first_id(answers[3]))
        found["cancelled"].append(answers[5]["read"])
    alone, shared, warm = (median(found[name]) for name in ("alone", "shared", "warm"))
    print(f"2032 ids, of which 2000 are shared: first id after {shared:.2f} ms, after a warm-up {warm:.2f} ms; 32 rows behind "
          f"2000 by skald_step {alone:.2f} ms: {shared / alone:.2f} and {warm / alone:.2f} of it\n2000 ids cancelled behind "
          f"1800, again with one more, chunks of 128: {max(found['cancelled'])} computed", flush=True)
    return found


# ---- how many fit, and how long a step takes

def run_room(o):
    """All requests at once, in a cache of 8 times the longest: that many would run if each had its longest reserved."""
    draw, longest = random.Random(o.seed), 4400
    trace = [(-1, 0, 0, between(draw, 10, 400), ids(draw, o, between(draw, 50, 4000))) for _ in range(64)]
    found = serve(o, trace, running=64, tokens=8 * longest, no_sharing=1)
    print(f"a cache of 8 x {longest}: {found['most_running']} of 64 ran at once, {found['preempted']} gave way", flush=True)
    return found


def run_steps(o):
    found = {}
    for microseconds in (300, 2000):
        late = serve(o, make_trace(o), microseconds=microseconds)["late"]
        found[microseconds] = late
        p50, p99, most = (1e6 * part_of(late, share) for share in (0.5, 0.99, 1))
        many = sum(more > 250e-6 for more in late)
        print(f"budget {microseconds} us, {len(late)} steps: beyond it by {p50:.0f}, p99 {p99:.0f}, at most {most:.0f} us, "
              f"{many} by more than 250",
              flush=True)
    return found


def run_wall(o):
    """What `skald bench` says of decoding, against the time that passes outside: two lengths, so that loading falls out. It
    goes through the work twice, once before it measures."""
    found = {}
    for batch in (8, 32):
        inside, outside = [], []
        for steps in (32, 544):
            begin = time.perf_counter()
            inside.append(2 * steps * batch / bench(o, "decode", "-p", 0, "-n", steps, "-b", batch, "-d", 128, "-r", 1))
            outside.append(time.perf_counter() - begin)
        found[batch] = (outside[1] - outside[0]) / (inside[1] - inside[0])
        print(f"{batch} sequences: {2 * 512 * batch / (inside[1] - inside[0]):.0f} ids/s; outside time is {found[batch]:.3f} of "
              "that of the bench", flush=True)
    return found


def main():
    o = read_options()
    found = {part: globals()["run_" + part](o) for part in o.part.split(",")}
    if o.save:
        with open(o.save, "w", encoding="utf-8") as file:
            json.dump(found, file)


if __name__ == "__main__":
    main()
