"""Samples to Markdown tables and pictures. A figure is the median of its rounds, a ratio the median of the ratios
within each round, since what runs a second later meets the same machine."""
from statistics import median

from draw import BLACK, GREY, chart


def of_kind(samples, kind):
    return [s for s in samples if s["kind"] == kind]


def unique(values):
    return list(dict.fromkeys(values))


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def digits(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def rounds_of(samples, **wanted):
    """Round -> value of the samples that have all that is wanted."""
    return {s["round"]: s["value"] for s in samples if all(s.get(key) == value for key, value in wanted.items())}


def paired(over, under):
    """The median of the ratios in the rounds that both were in."""
    both = [over[r] / under[r] for r in over if r in under and under[r]]
    return median(both) if both else None


def case(sample):
    return {key: sample[key] for key in ("test", "threads", "batch", "depth", "cache")}


def case_name(c):
    cache = "" if c["cache"] == "f16" else f", {c['cache']} cache"
    what = c["test"] if c["batch"] == 1 else f"{c['test']}, {c['batch']} sequences"
    return f"{what}{cache}"


class Rates:
    """Tokens per second of everybody in the same cases."""

    def __init__(self, samples, group):
        self.rates = [s for s in of_kind(samples, "rate") if s["group"] == group]
        self.streams = of_kind(samples, "stream")
        self.engines = unique(s["engine"] for s in self.rates)
        self.cases = sorted(unique_cases(self.rates), key=lambda c: (c["cache"] != "f16", c["cache"], c["depth"],
                                                                     c["batch"], c["test"] != "prefill", c["threads"]))

    def read_roof(self, c, own):
        """The larger of the two roofs, each the median of its samples."""
        other = [s["read"] for s in self.streams if s["threads"] == c["threads"]]
        return max([median(s["read_roof"] for s in own)] + ([median(other)] if other else []))

    def row(self, c):
        found = {engine: rounds_of(self.rates, engine=engine, **c) for engine in self.engines}
        cells = [digits(median(found[e].values())) if found[e] else "-" for e in self.engines]
        peers = {e: median(found[e].values()) for e in self.engines if e != "skald" and found[e]}
        best = max(peers, key=peers.get) if peers else None
        ratio = paired(found["skald"], found[best]) if best and found.get("skald") else None
        own = [s for s in self.rates if s["engine"] == "skald" and case(s) == c]
        beside = ["-"] * 5
        if own:
            roof = self.read_roof(c, own)
            share = median(s["value"] * s["bytes_per_token"] for s in own) / roof
            beside = [f"{share:.0%}", f"{median(s['int8_roof_share'] for s in own):.0%}", f"{roof * 1e-9:.1f}",
                      f"{median(s['int8_roof'] for s in own) * 1e-12:.2f}",
                      f"{median(s['barrier_ns'] for s in own):.0f}" if c["threads"] > 1 else "-"]
        return [case_name(c), str(c["depth"]), str(c["threads"]), *cells, f"{ratio:.2f}" if ratio else "-", *beside]

    def markdown(self):
        head = ["tokens/s", "depth", "threads", *self.engines, "to the best peer", "of read roof", "of int8 roof",
                "read GB/s", "int8 TOPS", "barrier ns"]
        rows = [head] + [self.row(c) for c in self.cases]
        if self.engines == ["skald"]:
            without = head.index("to the best peer")
            rows = [row[:without] + row[without + 1:] for row in rows]
        return table(rows[0], rows[1:])

    def series(self, test, key):
        """A line for each engine and cache: [(depth or batch, tokens per second)]."""
        lines = []
        for engine in self.engines:
            for cache in unique(s["cache"] for s in self.rates):
                mine = [s for s in self.rates if s["engine"] == engine and s["test"] == test and s["cache"] == cache]
                points = [(at, median(s["value"] for s in mine if s[key] == at)) for at in unique(s[key] for s in mine)]
                if points:
                    lines.append({"name": engine if cache == "f16" else f"{engine}, {cache}", "points": points})
        return lines


def unique_cases(rates):
    return list({tuple(case(s).values()): case(s) for s in rates}.values())


# ---- one function for each part of the page: Markdown, and pictures by name


def short_part(samples):
    return Rates(samples, "short").markdown(), {}


def batch_part(samples):
    rates = Rates(samples, "batch")
    one = rates.cases[0]
    picture = chart(f"Decode of many sequences, {one['threads']} threads, {one['depth']} tokens before", "sequences",
                    "tokens/s of all", rates.series("decode", "batch"), x_base=2)
    return rates.markdown(), {"batch": picture}


def depth_part(samples):
    """The figures at depth 0 are those of the first table, where they have as many threads."""
    rates = Rates(samples, "depth")
    threads = rates.cases[0]["threads"]
    shallow = [{**s, "group": "depth"} for s in of_kind(samples, "rate")
               if s["group"] == "short" and s["threads"] == threads]
    deep_engines = unique(s["engine"] for s in rates.rates)
    whole = Rates(samples + [s for s in shallow if s["engine"] in deep_engines], "depth")
    pictures = {test: chart(f"{title}, {threads} threads", "tokens before", "tokens/s", whole.series(test, "depth"))
                for test, title in [("prefill", "Prefill of 512 tokens at depth"), ("decode", "Decode at depth")]}
    return rates.markdown(), {f"depth-{test}": picture for test, picture in pictures.items()}


def start_part(samples):
    starts = of_kind(samples, "start")
    engines = unique(s["engine"] for s in starts)
    rounds = {e: rounds_of(starts, engine=e) for e in engines}
    rows = []
    for e in engines:
        values = sorted(rounds[e].values())
        ratio = paired(rounds[e], rounds["skald"]) if e != "skald" and "skald" in rounds else None
        rows.append([e, f"{median(values) * 1e3:.0f}", f"{values[0] * 1e3:.0f}", f"{values[-1] * 1e3:.0f}",
                     str(len(values)), f"{ratio:.2f}" if ratio else "-"])
    return table(["start to first token, ms", "median", "least", "most", "pairs", "to skald"], rows), {}


def rows_part(samples):
    rows = of_kind(samples, "rows")
    counts = sorted(unique(s["rows"] for s in rows))
    at = {n: median(s["value"] for s in rows if s["rows"] == n) for n in counts}
    steps = [(at[n + 1] / at[n], n + 1) for n in counts if n + 1 in at]
    worst, where = max(steps)
    shown = [n for n in (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64) if n in at]
    text = table(["rows in a step"] + [str(n) for n in shown],
                 [["ms"] + [f"{at[n] * 1e3:.2f}" for n in shown],
                  ["tokens/s"] + [f"{n / at[n]:.0f}" for n in shown]])
    above = [f"{n} ({step:.2f})" for step, n in steps if step > 1.15]
    text += f"\nOne row more costs at most {worst:.2f} times as much, at {where} rows; 1.15 is exceeded at: " \
            f"{', '.join(above) if above else 'none'}.\n"
    picture = chart(f"A step of n rows, {rows[0]['threads']} threads", "rows", "ms",
                    [{"name": "skald", "points": [(n, at[n] * 1e3) for n in counts]}])
    return text, {"rows": picture}


def beside_part(samples):
    beside = of_kind(samples, "beside")
    most, rows = max(s["threads"] for s in beside), []
    for test in unique(s["test"] for s in beside):
        one, many = (rounds_of(beside, test=test, threads=n) for n in (1, most))
        pairs = sorted(many[r] / one[r] for r in one if r in many)
        rows.append([test, digits(median(one.values())), digits(median(many.values())), f"{median(pairs):.2f}",
                     f"{pairs[0]:.2f}", f"{pairs[-1]:.2f}", str(len(pairs))])
    head = ["beside a spinning process, tokens/s", "1 thread", f"{most} threads", "ratio", "least", "most", "pairs"]
    return table(head, rows), {}


def kernels_part(samples):
    """The roofs of one thread hardly change within a minute: the median of all that were measured."""
    rows = of_kind(samples, "kernel")
    matmul, attend = [[r for r in rows if r["kernel"].startswith("attend") == yes] for yes in (False, True)]
    read = median(r["read_roof_gb_per_second"] for r in rows)
    roof = {kind: median(r["multiply_roof_gops"] for r in rows if r["multiply"] == kind)
            for kind in unique(r["multiply"] for r in rows)}
    cells = []
    for name in unique(r["kernel"] for r in matmul):
        mine = {r["rows"]: r for r in matmul if r["kernel"] == name}
        least, most = mine[min(mine)], mine[max(mine)]
        cells.append([name, f"{least['gb_per_second']:.1f}", f"{least['gb_per_second'] / read:.0%}",
                      f"{most['gops']:.0f}", f"{most['gops'] / roof[most['multiply']]:.0%} {most['multiply']}"])
    roofs = [f"{kind} roof {gops:.0f} GOPS" for kind, gops in roof.items()]
    text = f"Read roof of one thread {read:.1f} GB/s; {'; '.join(roofs)}.\n\n"
    text += table(["kernel, 1 thread", "1 row, GB/s", "of read roof", f"{max(r['rows'] for r in matmul)} rows, GOPS",
                   "of its roof"], cells)
    levels = {r["kernel"].split("/")[1] for r in matmul}
    attend = [r for r in attend if r["kernel"].split("/")[1] in levels]
    shapes = unique((r["kernel"].split("/")[0], r["rows"]) for r in attend)
    levels = unique(r["kernel"].split("/")[1] for r in attend)
    if attend:
        found = {(*r["kernel"].split("/"), r["rows"]): r["gops"] for r in attend}
        text += "\n" + table(["attention of a cached block, GOPS"] + levels + ["of fma roof"],
                             [[f"{name}, {n} rows"] + [f"{found[name, level, n]:.0f}" for level in levels]
                              + [f"{found[name, levels[-1], n] / roof['fma']:.0%}"] for name, n in shapes])
    return text, {"roofline": roofline(matmul, read, roof)}


def roofline(rows, read, roof):
    """Kernels of the best level as lines over their row counts, below the roofs."""
    level = rows[-1]["kernel"].split("/")[1]
    names = [f"{name}/{level}" for name in ("q4_0", "q4_1", "q5_0", "q8_0", "q4_k", "q6_k", "f16")]
    chosen = [r for r in rows if r["kernel"] in names]
    series = [{"name": name, "points": [(r["ops_per_byte"], r["gops"]) for r in chosen if r["kernel"] == name]}
              for name in unique(r["kernel"] for r in chosen)]
    end = max(r["ops_per_byte"] for r in chosen)
    for kind, ink in [("int8", BLACK), ("fma", GREY)]:
        if kind in roof:
            series.append({"name": f"{kind} {roof[kind]:.0f} GOPS, {read:.0f} GB/s", "dash": "7 4", "ink": ink,
                           "points": [(1, read), (roof[kind] / read, roof[kind]), (end, roof[kind])]})
    return chart("Kernels below their roofs, 1 thread", "operations per byte of weights", "GOPS", series, 10, 10)


PARTS = {"short": short_part, "batch": batch_part, "depth": depth_part, "start": start_part, "rows": rows_part,
         "beside": beside_part, "kernels": kernels_part}


def machine_part(record):
    machine, lines = record["machine"], []
    lines.append(f"{machine['cpu']}, {machine['processors']} processors, {machine['memory_gib']} GiB, "
                 f"{machine['system']}; flags: {' '.join(machine['flags'])}. Model: {record['model']}. "
                 f"{record['date']}, {record['seconds']} s.\n")
    rows = []
    for label, about in record["programs"].items():
        flags = "; ".join(f"{kind} {flags}" for kind, flags in about.get("flags", {}).items() if flags)
        rows.append([label, about.get("version", "-"), about["compiler"], flags or "-"])
    lines.append("| program | version | compiler | flags |\n|---|---|---|---|\n"
                 + "".join("| " + " | ".join(row) + " |\n" for row in rows))
    streams = [s for s in record["samples"] if s["kind"] == "stream"]
    roofs = [[str(n)] + [f"{median(s[key] for s in streams if s['threads'] == n) * 1e-9:.1f}"
                         for key in ("read", "copy", "triad")] for n in sorted(unique(s["threads"] for s in streams))]
    if roofs:
        lines.append(table(["STREAM-like roof, GB/s; threads", "read", "copy", "triad"], roofs))
    lines += [f"Left out: {note}.\n" for note in record["notes"]]
    return "\n".join(lines)
