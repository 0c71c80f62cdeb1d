#!/bin/bash
# Builds the fuzz targets with clang and lets each run: tests/fuzz/run.sh SECONDS [TARGET...]. What it finds stays in
# FUZZ_DIR (build/fuzz), as does each target's corpus, so that a later run goes on from there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [TARGET...]}
shift
all="adapter answer calls conversation gguf grammar json model schema state template text vocab"
[ $# -gt 0 ] || set -- $all
folder=${FUZZ_DIR:-$root/build/fuzz}
clang=${CLANG:-clang}

sanitize=address,undefined
cmake -S "$root" -B "$folder/lib" -DCMAKE_C_COMPILER="$clang" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSKALD_TESTS=OFF \
    -DSKALD_PROGRAMS=OFF -DSKALD_SANITIZE="fuzzer-no-link,$sanitize" >/dev/null
cmake --build "$folder/lib" --target skald_static -j "$(nproc)" >/dev/null

flags="-std=c11 -O1 -g -DSKALD_STATIC -D_POSIX_C_SOURCE=200809L -I$root/include -I$root/lib -I$root/tests -I$root
    -DSK_TEST_DATA=\"$root/tests/golden/data\" -fno-sanitize-recover=all"
library=$folder/lib/lib/libskald.a
for target in $all; do mkdir -p "$folder/seeds/$target"; done
$clang $flags -fsanitize=fuzzer-no-link,$sanitize "$here/make_seeds.c" "$library" -o "$folder/make_seeds" -lpthread -ldl
"$folder/make_seeds" "$folder/seeds"

# A template, a NUL and a conversation; the number of a template and a conversation; a family, where to cut, and an answer.
data=$root/tests/golden/data
for file in "$data"/chat/*.jinja; do
    { cat "$file"; printf '\0'; sed -n 3p "$data/chat/conversations.jsonl"; } >"$folder/seeds/template/$(basename "$file")"
done
n=0
while IFS= read -r line; do
    printf "\\$(printf %o $n)%s" "$line" >"$folder/seeds/conversation/$n"
    n=$((n + 1))
done <"$data/chat/conversations.jsonl"
printf '\1\177<tool_call>{"name": "f", "arguments": {"a": [1, "}"]}}</tool_call>x' >"$folder/seeds/answer/hermes"
printf '\2\177<|python_tag|>{"name": "f", "parameters": {}}' >"$folder/seeds/answer/llama3"
printf '\3\177[TOOL_CALLS] [{"name": "f", "arguments": {}}][TOOL_CALLS]f[ARGS]{}' >"$folder/seeds/answer/mistral"
printf '\5\177<|channel|>commentary to=f <|constrain|>json<|message|>{}<|call|>' >"$folder/seeds/answer/harmony"

{ cat "$data/peft/llama_gqa_tied/adapter_config.json"; printf '\0'; cat "$data/peft/llama_gqa_tied/adapter_model.safetensors"; } >"$folder/seeds/adapter/peft"

printf 'root ::= "a" [^b-d\\n]* (x | "\\u00e9"){2,3} # c\nx ::= <[3]> x? | .\n' >"$folder/seeds/grammar/rules"
printf 'root ::= [^b-d\\n] x* (x | "ab"){2,7}\nx ::= <[3]> x? | root\n' >"$folder/seeds/grammar/named"
printf '{"type":"object","properties":{"a":{"$ref":"#/$defs/x"},"b":{"enum":["p",1]}},"required":["b"],"additionalProperties":false,"$defs":{"x":{"anyOf":[{"type":"number","minimum":0.5,"maximum":3},{"type":"string","pattern":"^a[b-d]+$"}]}}}' >"$folder/seeds/schema/object"
printf '{"type":"array","prefixItems":[{"type":"string","format":"date"}],"items":{"oneOf":[{"type":"null"},{"type":"string","maxLength":4}]},"maxItems":3,"minItems":1}' >"$folder/seeds/schema/list"

fuzz() { # target
    local target=$1 corpus=$folder/corpus/$1 log=$folder/$1.log state=ok result=0 options
    $clang $flags -fsanitize=fuzzer,$sanitize "$here/$target.c" "$library" -o "$folder/fuzz_$target" -lpthread -ldl
    # what hangs is a finding: an ambiguous grammar that takes half a second otherwise takes 20 under sanitizers
    options="-max_total_time=$seconds -timeout=90 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix=$folder/$target-"
    case $target in
    adapter | gguf) options="$options -max_len=16384 -dict=$here/gguf.dict" ;;
    calls) options="$options -max_len=512" ;;
    model) options="$options -max_len=65536 -dict=$here/gguf.dict" ;;
    *) options="$options -max_len=4096" ;;
    esac
    mkdir -p "$corpus"
    "$folder/fuzz_$target" $options "$corpus" "$folder/seeds/$target" >"$log" 2>&1 || state=FAILED result=1
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
    printf 'fuzz %-6s %s seconds, %s executions, %s edges: %s\n' "$target" "$seconds" "${runs:-no}" "${edges:-no}" $state
    [ $state = ok ] || tail -40 "$log"
    return $result
}

# As many at once as there are processors.
failed=0
running=()
for target; do
    fuzz "$target" &
    running+=($!)
    [ ${#running[@]} -ge "$(nproc)" ] || continue
    wait "${running[0]}" || failed=1
    running=("${running[@]:1}")
done
for job in "${running[@]}"; do wait "$job" || failed=1; done
exit $failed
