"""Schemas of the JSON-Schema-Test-Suite against the jsonschema package: each compiles or is refused with keyword and pointer; what is
written under a schema that compiles is valid.

usage: schemas.py SUITE PROGRAM [MODEL.gguf]      needs jsonschema[format], with MODEL pyskald and numpy too

SUITE is json/tests/draft2020-12 of the sources of jsonschema 4.26.0 on PyPI, PROGRAM is build/release/tests/test_rooms_schema. For
each schema it writes 30 answers: from random logits, from such that prefer what is never said, and from such that never want to end. MODEL
writes 4: its likeliest ids, two draws, and the ids it thinks least likely.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import jsonschema

# What the library is to honour; the others may be refused.
REQUIRED = set("""additionalProperties allOf anyOf boolean_schema const default defs enum exclusiveMaximum exclusiveMinimum format
infinite-loop-detection items maxItems maxLength maxProperties maximum minItems minLength minProperties minimum multipleOf oneOf
pattern patternProperties prefixItems properties ref required type""".split())


def schemas_of(suite):
    """[(keyword, schema)]"""
    schemas = []
    for path in sorted(glob.glob(os.path.join(suite, "*.json")) + glob.glob(os.path.join(suite, "optional/format/*.json"))):
        name = os.path.basename(path)[:-5] if "optional" not in path else "format/" + os.path.basename(path)[:-5]
        with open(path, encoding="utf-8") as file:
            schemas += [(name, group["schema"]) for group in json.load(file)]
    return schemas


def written_by_program(program, schemas):
    """For each schema (why it is refused, or "", and texts)."""
    with tempfile.TemporaryDirectory() as folder:
        lines, texts = os.path.join(folder, "schemas"), os.path.join(folder, "texts")
        with open(lines, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(schema) + "\n" for _, schema in schemas)
        subprocess.run([program, lines, texts, "30"], check=True)
        with open(texts, encoding="utf-8") as file:
            return [(answer["why"], answer["texts"]) for answer in map(json.loads, file)]


def written_by_model(path, schemas):
    """The same by a model, 16 answers at once, which have as much room as they need, or more."""
    import numpy
    import pyskald

    def turned(logits, *_):
        row = numpy.frombuffer(logits, numpy.float32)
        numpy.negative(row, out=row)

    ways = [({}, 24), ({"sampling": pyskald.Sampling(temperature=0.8, seed=1)}, 100),
            ({"sampling": pyskald.Sampling(temperature=2.0, seed=2)}, 60), ({"stage": turned}, 40)]
    model = pyskald.Model(path)
    engine = pyskald.Engine(model, n_running=16, n_requests=len(ways) * len(schemas), n_tokens=1 << 15, n_text=1 << 21)
    texts, found = {}, []
    for _, schema in schemas:
        numbers = []
        try:
            grammar = pyskald.Grammar.json_schema(model, schema)
        except pyskald.SkaldError as refused:
            found.append((str(refused), numbers))
            continue
        prompt = f"The schema {json.dumps(schema)[:1000]} describes a text of JSON. Such a text is: "
        for options, n_tokens in ways:
            request = {"prompt": prompt, "grammar": grammar, **options}
            try:
                number = engine.submit(n_tokens=n_tokens, **request)
            except pyskald.ArgumentError as short:
                number = engine.submit(n_tokens=int(re.search(r"may take (\d+) tokens", str(short))[1]), **request)
            numbers.append(number)
            texts[number] = ""
        found.append(("", numbers))
    for event in engine.run():
        assert event.kind in (pyskald.Happened.TOKEN, pyskald.Happened.STOP, pyskald.Happened.LENGTH), event
        texts[event.request] += event.text
    return [(why, [texts[number] for number in numbers]) for why, numbers in found]


def error_in(schema, text):
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    try:
        return next(checker.iter_errors(json.loads(text)), None)
    except Exception as broken:  # no JSON, or the package itself
        return broken


def problems_of(schemas, answers):
    for (name, schema), (why, texts) in zip(schemas, answers, strict=True):
        if why and not (why.startswith("JSON schema, ") or why.startswith("grammar: rule #")):
            yield f"{name}: refused without keyword and pointer: {why}"
        for text in texts:
            if error := error_in(schema, text):
                yield f"{name}: {json.dumps(schema)[:300]}\n  {text[:300]!r}: {str(error)[:200]}"


def share(counts):
    return f"{counts[0]} of {counts[1]} schemas compile, {100 * counts[0] / counts[1]:.1f} %"


def main():
    suite, program, *model = sys.argv[1:]
    schemas = schemas_of(suite)
    answers = written_by_program(program, schemas)
    counts = {}
    for (name, schema), (why, _) in zip(schemas, answers):
        group = counts.setdefault(name, [0, 0])
        group[0] += not why
        group[1] += 1
        if why:
            print(name, json.dumps(schema)[:150], "->", why)
    for name, (good, all_of_it) in sorted(counts.items()):
        print(f"{name:32} {good:3} of {all_of_it:3}{'' if name in REQUIRED else '   not required'}")
    required = [sum(column) for column in zip(*(counts[name] for name in counts if name in REQUIRED))]
    print(f"required keywords: {share(required)}; all: {share([sum(column) for column in zip(*counts.values())])}")
    problems = []
    for who, written in [("drawn logits", answers), *(("the model", written_by_model(path, schemas)) for path in model)]:
        found = list(problems_of(schemas, written))
        print(f"{who}: {sum(len(texts) for _, texts in written)} texts, {len(found)} problems")
        problems += found
    print("\n".join(problems[:40]))
    return bool(problems) or required[0] < 0.75 * required[1]


if __name__ == "__main__":
    sys.exit(main())
