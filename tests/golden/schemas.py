"""Schemas of the JSON-Schema-Test-Suite against the jsonschema package: each compiles or is refused with keyword and
pointer; what is written under a schema that compiles is valid.

usage: schemas.py SUITE PROGRAM [N]     by hand; not part of the tests

SUITE is json/tests/draft2020-12 of the sources of jsonschema 4.26.0 on PyPI, PROGRAM is build/release/tests/test_rooms_schema,
N answers are written for each schema (9): from random logits, from such that prefer what is never said, and from such that never
want to end. Needs jsonschema with its format checks: pip install 'jsonschema[format]'.
"""
import glob
import json
import os
import subprocess
import sys
import tempfile

import jsonschema

# What the library is to honour; the others may be refused.
REQUIRED = set("""additionalProperties allOf anyOf boolean_schema const default defs enum exclusiveMaximum exclusiveMinimum format
infinite-loop-detection items maxItems maxLength maxProperties maximum minItems minLength minProperties minimum multipleOf oneOf
pattern patternProperties prefixItems properties ref required type""".split())


def main():
    suite, program, n = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "9"
    schemas = []
    for path in sorted(glob.glob(os.path.join(suite, "*.json")) + glob.glob(os.path.join(suite, "optional/format/*.json"))):
        name = os.path.basename(path)[:-5] if "optional" not in path else "format/" + os.path.basename(path)[:-5]
        with open(path, encoding="utf-8") as file:
            schemas += [(name, group["schema"]) for group in json.load(file)]
    with tempfile.TemporaryDirectory() as folder:
        lines, texts = os.path.join(folder, "schemas"), os.path.join(folder, "texts")
        with open(lines, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(schema) + "\n" for _, schema in schemas)
        subprocess.run([program, lines, texts, n], check=True)
        with open(texts, encoding="utf-8") as file:
            answers = [json.loads(line) for line in file]
    compiled, wanted, n_texts, problems = {}, {}, 0, []
    for (name, schema), answer in zip(schemas, answers, strict=True):
        wanted[name] = wanted.get(name, 0) + 1
        if answer["why"]:
            if not (answer["why"].startswith("JSON schema, ") or answer["why"].startswith("grammar: rule #")):
                problems.append(f"{name}: refused without keyword and pointer: {answer['why']}")
            if "-v" in sys.argv:
                print(name, json.dumps(schema)[:150], "->", answer["why"])
            continue
        compiled[name] = compiled.get(name, 0) + 1
        checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        for text in answer["texts"]:
            n_texts += 1
            try:
                error = next(checker.iter_errors(json.loads(text)), None)
            except Exception as broken:
                error = broken
            if error is not None:
                problems.append(f"{name}: {json.dumps(schema)[:300]}\n  {text[:300]!r}: {str(error)[:200]}")
    for group in sorted(wanted):
        print(f"{group:32} {compiled.get(group, 0):3} of {wanted[group]:3}{'' if group in REQUIRED else '   not required'}")
    required = [group for group in wanted if group in REQUIRED]
    good, total = sum(compiled.get(g, 0) for g in required), sum(wanted[g] for g in required)
    print(f"required keywords: {good} of {total} schemas compile, {100 * good / total:.1f} %; all: {sum(compiled.values())} of "
          f"{len(schemas)}; {n_texts} texts, {len(problems)} problems")
    for problem in problems[:40]:
        print(problem)
    return bool(problems) or good < 0.75 * total


if __name__ == "__main__":
    sys.exit(main())
