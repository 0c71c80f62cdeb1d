/* The language of templates: what it writes (as jinja2 3.1.6 does, set up as transformers has it), and which bytes are the
 * conversation's. */
#include "template/template.h"
#include "support/check.h"
#include "support/memory.h"

static host_memory host;

typedef struct {
    const char *template_text, *json, *wanted;
} written;

/* clang-format off */
static const written writes[] = {
    {"a{# x #}b{#- y -#} c",
     "",
     "abc"},
    {"x\n  {% if true %}\n  y\n  {% endif %}\nz\n",
     "",
     "x\n  y\nz"},
    {"x\n  {%+ if true %}\ny{%- endif %}  \n z",
     "",
     "x\n  y  \n z"},
    {"a  {{- 1 -}}  b {{ 2 }} c",
     "",
     "a1b 2 c"},
    {"a \n {%- raw %}{{ no }}{% endraw -%} \n b",
     "",
     "a{{ no }}b"},
    {"{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 % 3 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 6 / 2 }}",
     "",
     "6 1 -4 2 3.5 1024 3.0"},
    {"{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 3 > 2 > 1 > 0 }} {{ not not 1 }} {{ 1 == 1.0 }} {{ true == 1 }}",
     "",
     "True False True True True True"},
    {"{{ 'a' if x else 'b' }}{{ 'c' if y }}{{ 'd' if 0 else 'e' if 0 else 'f' }}",
     "{\"x\": 1}",
     "af"},
    {"{{ a or b }} {{ a and b }} {{ none or 0 }} {{ 1 and 2 and 3 }}",
     "{\"a\": \"\", \"b\": \"B\"}",
     "B  0 3"},
    {"{{ 'a' ~ 1 ~ none ~ true ~ 1.5 }} {{ 'x' * 3 }} {{ [1] + [2] }} {{ (1,) }} {{ {'a': [1, 'b\\'\"', none, true]} }}",
     "",
     "a1NoneTrue1.5 xxx [1, 2] (1,) {'a': [1, 'b\\'\"', None, True]}"},
    {"{{ '\303\251\\n\\t\\x41\\u00e9\\101' }} {{ ['\303\251\\n', \"it's\", '\\u200b'] }}",
     "",
     "\303\251\n\tA\303\251A ['\303\251\\n', \"it's\", '\\u200b']"},
    {"{{ x[0] }}{{ x[-1] }}{{ x[1:] }}{{ x[::-1] }}{{ x[:-1] }}{{ x[5] }}{{ x[-9:2] }}{{ x[3:1:-1] }}",
     "{\"x\": [\"a\", \"b\", \"c\", \"d\"]}",
     "ad['b', 'c', 'd']['d', 'c', 'b', 'a']['a', 'b', 'c']['a', 'b']['d', 'c']"},
    {"{{ s[0] }}{{ s[-1] }}{{ s[1:3] }}{{ s[::-1] }}{{ s[9] }}",
     "{\"s\": \"a\\u00e9\\u65e5z\"}",
     "az\303\251\346\227\245z\346\227\245\303\251a"},
    {"{% for x in [1,2,3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
     "",
     "103TrueFalse32;212FalseFalse313;321FalseTrue32;"},
    {"{% for x in [] %}a{% else %}b{% endfor %}{% for k, v in d.items() %}{{ k }}={{ v }},{% endfor %}",
     "{\"d\": {\"a\": 1, \"b\": null}}",
     "ba=1,b=None,"},
    {"{% for x in range(10) if x % 2 %}{% if x == 7 %}{% break %}{% endif %}{% if x == 3 %}{% continue %}{% endif %}{{ x }}/{{ loop.length }} {% endfor %}",
     "",
     "1/5 5/5 "},
    {"{% set x = 1 %}{% for i in [1,2] %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}",
     "",
     "12 13 1"},
    {"{% set ns = namespace(n=0, l=[]) %}{% for i in [1,2] %}{% set ns.n = ns.n + i %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.n }}{{ ns.l }}",
     "",
     "3[1, 2]"},
    {"{% set x %}a{{ 1 }}b {% endset %}[{{ x }}]{% set y | trim | upper %} q {% endset %}[{{ y }}]",
     "",
     "[a1b ][Q]"},
    {"{% macro f(a, b=a ~ 'x', c='d') %}{{ a }}{{ b }}{{ c }} {% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(1, c=3) }}{{ f(b=1, a=0) }}{{ f() }}",
     "",
     "11xd 12d 11x3 01d xd "},
    {"{% macro f(varargs, kwargs='k') %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1) }}{{ varargs }}{{ caller }}", "", "1k"},
    {"{% macro fac(n) %}{{ 1 if n < 2 else n * (fac(n - 1) | int) }}{% endmacro %}{{ fac(10) }}",
     "",
     "3628800"},
    {"{% set a, b = [1, 2] %}{{ a }}{{ b }}{% with c = 3, d = 4 %}{{ c }}{{ d }}{% endwith %}{{ c }}",
     "",
     "1234"},
    {"{% filter upper %}abc{{ 'd' }}{% endfilter %}",
     "",
     "ABCD"},
    {"{% generation %}{% set q = 1 %}g{{ q }}{% endgeneration %}{{ q }}",
     "",
     "g1"},
    {"{{ x is defined }}{{ y is defined }}{{ x is none }}{{ x is string }}{{ [] is sequence }}{{ {} is mapping }}{{ 1 is number }}{{ true is integer }}{{ true is boolean }}{{ 1.5 is float }}{{ 'a' is iterable }}{{ 3 is odd }}{{ 4 is divisibleby 2 }}{{ 1 is in [1] }}{{ y is not defined }}",
     "{\"x\": \"s\"}",
     "TrueFalseFalseTrueTrueTrueTrueFalseTrueTrueTrueTrueTrueTrueTrue"},
    {"{{ ' a ' | trim }}|{{ 'ab' | upper }}|{{ 'hello wORLD-x' | title }}|{{ 'hELLO' | capitalize }}|{{ [1,2] | join(', ') }}|{{ x | default('d') }}|{{ '' | default('e', true) }}|{{ 'aXbX' | replace('X', 'y') }}",
     "",
     "a|AB|Hello World-X|Hello|1, 2|d|e|ayby"},
    {"{{ [3,1,2] | sort }}{{ ['b','A','c'] | sort }}{{ [1,2,2,'A','a'] | unique | list }}{{ {'b':1,'A':2} | dictsort }}{{ [1,2] | reverse | list }}{{ 'abc' | reverse }}{{ [1,2] | first }}{{ [1,2] | last }}{{ [] | first }}",
     "",
     "[1, 2, 3]['A', 'b', 'c'][1, 2, 'A'][('A', 2), ('b', 1)][2, 1]cba12"},
    {"{{ l | map(attribute='a') | list }}{{ l | selectattr('a', 'equalto', 1) | list | length }}{{ l | rejectattr('b') | list }}{{ l | selectattr('b', 'defined') | list | length }}{{ ['1','2'] | map('int') | sum }}{{ [1,0,2] | select | list }}{{ l | map(attribute='b.c', default=7) | list }}",
     "{\"l\": [{\"a\": 1, \"b\": {\"c\": 2}}, {\"a\": 3, \"b\": {}}]}",
     "[1, 3]1[{'a': 3, 'b': {}}]23[1, 2][2, 7]"},
    {"{{ '42' | int + 1 }}{{ 'x' | int(7) }}{{ '3.9' | int }}{{ '1e3' | float }}{{ 3.7 | int }}{{ '-5' | int }}{{ 5 | float }}",
     "",
     "43731000.03-55.0"},
    {"{{ d | tojson }}|{{ d | tojson(indent=2) }}|{{ d | tojson(separators=(',', ':')) }}|{{ '\303\251\"<&' | tojson }}|{{ '\303\251\360\237\230\200' | tojson(ensure_ascii=true) }}|{{ {'b':1,'a':2} | tojson(sort_keys=true) }}",
     "{\"d\": {\"a\": [1, 2.5, null, true, \"x\\n\"], \"e\": {}, \"l\": []}}",
     "{\"a\": [1, 2.5, null, true, \"x\\n\"], \"e\": {}, \"l\": []}|{\n  \"a\": [\n    1,\n    2.5,\n    null,\n    true,\n    \"x\\n\"\n  ],\n  \"e\": {},\n  \"l\": []\n}|{\"a\":[1,2.5,null,true,\"x\\n\"],\"e\":{},\"l\":[]}|\"\303\251\\\"<&\"|\"\\u00e9\\ud83d\\ude00\"|{\"a\": 2, \"b\": 1}"},
    {"{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb\n' | indent(1, blank=true) }}|{{ '%s-%d' | format('a', 3) }}|{{ 'x%sy' % 5 }}",
     "",
     "a\n    b\n\n    c|  a\n  b|a\n \n b\n |a-3|x5y"},
    {"{{ ' ab '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'a,b,,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a b c'.split(' ', 1) }}|{{ 'a.b.c'.rsplit('.', 1) }}|{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x','bc')) }}|{{ 'aaa'.replace('a','b',2) }}|{{ 'they\\'re'.title() }}|{{ 'a'.join(['1','2']) }}|{{ 'abcb'.find('b') }}{{ 'abcb'.rfind('b') }}{{ 'abab'.count('ab') }}",
     "",
     "ab|a|['a', 'b', '', 'c']|['a', 'b']|['a', 'b c']|['a.b', 'c']|TrueTrue|bba|They'Re|1a2|132"},
    {"{{ '{} {1} {n} {{x}}'.format('a', 'b', n=3) if 0 else '{0} {1} {n} {{x}}'.format('a', 'b', n=3) }}{{ 'a\nb\r\nc'.splitlines() }}{{ 'a-b-c'.partition('-') }}{{ 'a-b-c'.rpartition('-') }}{{ '12'.isdigit() }}{{ 'pre-x'.removeprefix('pre-') }}",
     "",
     "a b 3 {x}['a', 'b', 'c']('a', '-', 'b-c')('a-b', '-', 'c')Truex"},
    {"{{ d.get('a') }}{{ d.get('z') }}{{ d.get('z', 5) }}{{ d.keys() | list }}{{ d.values() | list }}{{ d['a'] }}{{ d.a }}{{ d.nothing is defined }}{{ d.items is mapping }}{{ 'a' in d }}{{ 'z' not in d }}",
     "{\"d\": {\"a\": 1, \"items\": {}}}",
     "1None5['a', 'items'][1, {}]11FalseFalseTrueTrue"},
    {"{{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1e15 }} {{ 1.5e-7 }} {{ 0.0001 }} {{ 123456789.123 }} {{ 5e-324 }} {{ 1.7976931348623157e308 }} {{ 100.0 / 3 }}",
     "",
     "1.0 0.30000000000000004 1e+16 1000000000000000.0 1.5e-07 0.0001 123456789.123 5e-324 1.7976931348623157e+308 33.333333333333336"},
    {"{{ strftime_now('%Y-%m-%d %H:%M:%S %b %B %a %A %j %-d %I %p %y') }}",
     "",
     "2026-02-03 04:05:06 Feb February Tue Tuesday 034 3 04 AM 26"},
    {"{{ '\303\204\303\226'.lower() }}{{ '\303\244\303\266\320\226\320\266' | upper }}{{ '\357\254\201\307\206' | length }}{{ '\303\251a' | capitalize }}",
     "",
     "\303\244\303\266\303\204\303\226\320\226\320\2262\303\211a"},
    {"{{ range(3) | list }}{{ range(5, 0, -2) | list }}{{ dict(a=1) }}{{ [1,2,3] | length }}{{ '\303\251\346\227\245' | length }}{{ {} | length }}",
     "",
     "[0, 1, 2][5, 3, 1]{'a': 1}320"},
    {"{{ \"a\" \"b\" 'c' }}{{ [1, 2,] }}{{ (1, 2) }}{{ () }}{{ 1, 2 }}",
     "",
     "abc[1, 2](1, 2)()(1, 2)"},
    {"{{ '<b>' | safe + '<' }}{{ '<' + ('>' | safe) }}",
     "",
     "<b>&lt;&lt;>"},
    {"{{ m[0].role }}{{ m.0.role }}{{ m[0]['content'][0].text }}",
     "{\"m\": [{\"role\": \"user\", \"content\": [{\"text\": \"hi\"}]}]}",
     "useruserhi"},
    {"{% for a in [1,2] %}{% for b in 'xy' %}{{ loop.index }}{{ loop.first }}{% endfor %}{{ loop.index }}{{ loop.cycle('o','e') }}{% endfor %}",
     "",
     "1True2False1o1True2False2e"},
    {"{{ x.y.z if x.y is defined else 'no' }}{{ u ~ 'x' }}{{ u | length }}{{ u | list }}{{ 'a' in u }}{{ u == none }}{{ not u }}{{ u | string }}",
     "{\"x\": {}}",
     "nox0[]FalseFalseTrue"},
    {"a\r\nb\rc{{ 'x\r\ny' }}\r\n",
     "",
     "a\nb\ncx\ny"},
    {"{{ true }}{{ none }}{{ [true, none] }}{{ 0x1F }}{{ 1_000 }}{{ +5 }}{{ - 5 }}{{ 10 - -5 }}",
     "",
     "TrueNone[True, None]3110005-515"},
    {"{{ [[1,2],[0,9]] | sort | tojson }}{{ [3,1] | min }}{{ ['b','C'] | max }}{{ -3 | abs }}{{ l | sort(attribute='n', reverse=true) | map(attribute='n') | join('') }}{{ l | sum(attribute='n') }}",
     "{\"l\": [{\"n\": 1}, {\"n\": 3}, {\"n\": 2}]}",
     "[[0, 9], [1, 2]]1C33216"},
    {"{{ 'a.txt'.removesuffix('.txt') }}|{{ 'a'.removesuffix('b') }}|{{ 'xya'.removeprefix('xy') }}|{{ 'xya'.removeprefix('y') }}",
     "",
     "a|a|a|xya"},
    {"{{ 'aB'.upper() }}|{{ 'hELLO'.capitalize() }}|{{ 'a b'.title() }}",
     "",
     "AB|Hello|A B"},
    {"{{ [1, 2, 1, 1.0].count(1) }}|{{ {'a': 1}.copy() }}|{{ 'abcabc'.count('bc') }}|{{ 'aXbXc'.rsplit('X', 1) }}|{{ 'aXbXc'.split('X', 1) }}",
     "",
     "3|{'a': 1}|2|['aXb', 'c']|['a', 'bXc']"},
    {"{{ -0.0 }}|{{ -1.5 }}|{{ 0 - 0.0 }}",
     "",
     "-0.0|-1.5|0.0"},
    {"{{ 4 is even }}|{{ 3 is even }}|{{ 3 is odd }}|{{ 9 is divisibleby 3 }}|{{ 'aB' is lower }}|{{ 'ab' is lower }}|{{ 'AB' is upper }}|{{ 'A1' is upper }}|{{ '1' is upper }}|{{ x is sameas none }}|{{ none is sameas none }}|{{ true is sameas true }}",
     "{\"x\": 1}",
     "True|False|True|True|False|True|True|True|False|False|True|True"},
    {"{{ [[1, 2], [3, 4]] | map(attribute='1') | list }}|{{ [[5, 6]] | map(attribute=0) | list }}|{{ xs | join(', ', attribute='n') }}",
     "{\"xs\": [{\"n\": 1}, {\"n\": \"z\"}]}",
     "[2, 4]|[5]|1, z"},
    {"{{ 5 - 2.5 }}|{{ -5 % 3 }}|{{ 5 % -3 }}|{{ -7 // 2 }}|{{ 1.5 + 1 }}|{{ 3 * 1.5 }}|{{ 7 % -1 }}",
     "",
     "2.5|1|-1|-4|2.5|4.5|0"},
    {"{{ '%s' % 'a' }}|{{ '%s-%r' % ('a', 'b') }}",
     "",
     "a|a-'b'"},
    {"{{ dict(a=1, b=2) }}|{{ dict({'x': 1}, y=2) }}|{{ [1, 2] == [1, 2] }}|{{ [1] < [2] }}|{{ [1, 2] < [1] }}|{{ 'a' < 'b' }}|{{ {'a': 1} == {'a': 1.0} }}|{{ [1] == (1,) }}",
     "",
     "{'a': 1, 'b': 2}|{'x': 1, 'y': 2}|True|True|False|True|True|False"},
    {"{{ [3, 1, 2] | sort }}|{{ ['b', 'A', 'c'] | sort }}|{{ ['b', 'A'] | sort(case_sensitive=true) }}|{{ [1, 2, 3] | sort(reverse=true) }}|{{ xs | sort(attribute='n') | map(attribute='n') | list }}",
     "{\"xs\": [{\"n\": 2}, {\"n\": 1}]}",
     "[1, 2, 3]|['A', 'b', 'c']|['A', 'b']|[3, 2, 1]|[1, 2]"},
    {"{{ [1, 2, 3, 4] | select('even') | list }}|{{ [1, 2, 3] | reject('odd') | list }}|{{ ['a', '', none] | select | list }}|{{ xs | selectattr('n', 'equalto', 1) | list }}|{{ xs | rejectattr('n') | list }}",
     "{\"xs\": [{\"n\": 1}, {\"n\": 0}]}",
     "[2, 4]|[2]|['a']|[{'n': 1}]|[{'n': 0}]"},
    {"{{ [1, 1, 2] | unique | list }}|{{ ['a', 'A'] | unique | list }}",
     "",
     "[1, 2]|['a']"},
    {"{{ [1, 5, 3] | max }}|{{ [4, 2] | min }}|{{ [1, 2] | sum }}|{{ xs | sum(attribute='n') }}|{{ [1, 2] | sum(start=10) }}|{{ [[1]] | sum(start=[]) }}",
     "{\"xs\": [{\"n\": 2}, {\"n\": 1}]}",
     "5|2|3|3|13|[1]"},
    {"{{ -1.5 | abs }}|{{ '3' | int }}|{{ 'x' | int(7) }}|{{ '2.5' | float }}|{{ 'x' | float(1.5) }}|{{ 3.9 | int }}",
     "",
     "1.5|3|7|2.5|1.5|3"},
    {"{{ 'a\\nb' | indent }}|{{ 'a\\n\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent(2, blank=true) }}",
     "",
     "a\012    b|  a\012\012  b|a\012  \012  b"},
    {"{{ '<b>' | safe }}|{{ 'a' | string }}",
     "",
     "<b>|a"},
    {"{{ [1, 2] | first }}|{{ [1, 2] | last }}|{{ 'ab' | first }}|{{ 'ab' | last }}|{{ [] | first }}|{{ 'abc' | reverse }}|{{ [1, 2] | reverse | list }}|{{ {'b': 1, 'a': 2} | dictsort }}|{{ {'b': 1, 'a': 2} | dictsort(by='value') }}|{{ {'b': 1, 'a': 2} | dictsort(reverse=true) }}|{{ {'a': 1} | items | list }}",
     "",
     "1|2|a|b||cba|[2, 1]|[('a', 2), ('b', 1)]|[('b', 1), ('a', 2)]|[('b', 1), ('a', 2)]|[('a', 1)]"},
    {"{{ 1 in [1] }}|{{ 'a' in 'cat' }}|{{ 'k' in {'k': 1} }}|{{ 2 not in [1] }}|{{ 1 is in [1] }}|{{ 1 is eq 1 }}|{{ 1 is ne 1 }}|{{ 1 is lt 2 }}|{{ 1 is le 1 }}|{{ 1 is gt 2 }}|{{ 1 is ge 2 }}|{{ 1 is number }}|{{ 1.5 is float }}|{{ true is boolean }}|{{ 1 is integer }}|{{ true is integer }}|{{ 'a' is string }}|{{ {} is mapping }}|{{ [] is sequence }}|{{ 'a' is iterable }}|{{ 1 is iterable }}|{{ none is none }}|{{ x is defined }}|{{ x is undefined }}|{{ true is true }}|{{ false is false }}|{{ range is callable }}",
     "",
     "True|True|True|True|True|True|False|True|True|False|False|True|True|True|True|False|True|True|True|True|False|True|False|True|True|True|True"},
    {"{{ ' a '.strip() }}|{{ 'xax'.strip('x') }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'xxa'.lstrip('x') }}|{{ 'axx'.rstrip('x') }}|{{ 'a,b'.split(',') }}|{{ ' a  b '.split() }}|{{ ' a  b c'.split(none, 1) }}|{{ 'a-b'.partition('-') }}|{{ 'a-b-c'.rpartition('-') }}|{{ 'ab'.partition('-') }}|{{ 'ab'.rpartition('-') }}|{{ 'a\\nb\\r\\nc'.splitlines() }}",
     "",
     "a|a|a | a|a|a|['a', 'b']|['a', 'b']|['a', 'b c']|('a', '-', 'b')|('a-b', '-', 'c')|('ab', '', '')|('', '', 'ab')|['a', 'b', 'c']"},
    {"{{ 'abc'.find('c') }}|{{ 'abc'.find('x') }}|{{ 'abcb'.rfind('b') }}|{{ 'abc'.index('b') }}|{{ 'a'.isdigit() }}|{{ '12'.isdigit() }}|{{ 'a1'.isalnum() }}|{{ 'ab'.isalpha() }}|{{ ' '.isspace() }}",
     "",
     "2|-1|3|1|False|True|True|True|True"},
    {"{{ 'ab'.startswith('a') }}|{{ 'ab'.endswith('b') }}|{{ 'ab'.startswith(('x', 'a')) }}|{{ ','.join(['a', 'b']) }}|{{ 'aXX'.replace('X', 'y', 1) }}|{{ '{} {}'.format('a', 1) }}",
     "",
     "True|True|True|a,b|ayX|a 1"},
    {"{{ {'a': 1}.get('a') }}|{{ {'a': 1}.get('b') }}|{{ {'a': 1}.get('b', 2) }}|{{ {'a': 1}.keys() | list }}|{{ {'a': 1}.values() | list }}|{{ [3, 4].index(4) }}|{{ (1, 2).count(2) }}|{{ (3, 4).index(4) }}",
     "",
     "1|None|2|['a']|[1]|1|1|1"},
    {"{{ {'a': [1, 2.5, true, none, 'q\"']} | tojson }}|{{ [1e300, 1e-7, 123456789012345680.0, 0.1] | tojson }}|{{ [] | tojson }}|{{ {} | tojson }}",
     "",
     "{\"a\": [1, 2.5, true, null, \"q\\\"\"]}|[1e+300, 1e-07, 1.2345678901234568e+17, 0.1]|[]|{}"},
    {"{{ 1e16 }}|{{ 1e15 }}|{{ 0.0001 }}|{{ 0.00001 }}|{{ 1.0 }}|{{ 1e22 }}|{{ 123456.789 }}|{{ 1 / 3 }}|{{ 10 / 5 }}|{{ [1e300 * 1e10] }}",
     "",
     "1e+16|1000000000000000.0|0.0001|1e-05|1.0|1e+22|123456.789|0.3333333333333333|2.0|[inf]"},
    {"{{ x.y is defined }}|{{ x['y'] }}|{{ x.y | default('d') }}|{{ (x | default('e')).z is defined }}|{{ xs.0 }}|{{ xs[0]['n'] }}|{{ xs[-1].n }}",
     "{\"x\": {}, \"xs\": [{\"n\": 1}]}",
     "False||d|False|{'n': 1}|1|1"},
};
/* clang-format on */

static skald_status run(sk_template_output *out, const char *text, const sk_template_input *in, skald_report *why) {
    sk_template *t;
    skald_status status = sk_template_create(&t, &host.allocator, text, strlen(text), why);
    *out = (sk_template_output){0};
    if (status == SKALD_OK) status = sk_template_run(out, t, &host.allocator, in, why);
    sk_template_free(t, &host.allocator);
    return status;
}

static void check_writes(void) {
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        const written *w = &writes[i];
        skald_report why = {.size = sizeof why};
        sk_template_output out;
        const sk_template_input in = {.json = w->json, .n_json_bytes = strlen(w->json), .local_seconds = 1770091506};
        skald_status status = run(&out, w->template_text, &in, &why);
        CHECK_SAID(status == SKALD_OK, "%s: %s", w->template_text, why.text);
        CHECK_SAID(out.n_bytes == strlen(w->wanted) && memcmp(out.text, w->wanted, out.n_bytes) == 0,
                   "%s gives \"%.*s\", expected \"%s\"", w->template_text, (int)out.n_bytes, out.text, w->wanted);
        sk_template_output_free(&out, &host.allocator);
    }
}

/* ---- where bytes came from: d is data, - is the template's */

static const struct {
    const char *template_text, *text, *marks;
} origins[] = {
    {"<|{{ s }}|>", "<|a<b|>", "--ddd--"},
    {"{{ '<' + s + '>' }}", "<a<b>", "-ddd-"},
    {"{{ '<' ~ s ~ 1 ~ '>' }}", "<a<b1>", "-ddd--"},
    {"{{ s | upper }}{{ ('x' ~ s) | replace('<', '>>') }}", "A<Bxa>>b", "ddd-d--d"},
    {"{% set t = 'p' + s %}{{ t[1:] }}{{ t[0] }}{{ t[::-1] }}", "a<bpb<ap", "ddd-ddd-"},
    {"{{ ['<', s, '>'] | join(s) }}", "<a<ba<ba<b>", "-ddddddddd-"},
    {"{{ [s] | tojson }}", "[\"a<b\"]", "ddddddd"},
    {"{% macro m(x) %}<{{ x }}>{% endmacro %}{% set t %}{{ m(s) }}{% endset %}{{ t }}", "<a<b>", "-ddd-"},
    {"{{ (s ~ '<c').split('<')[1:] | join('<') }}", "b<c", "d--"},
    {"{{ '%s|%s' | format(s, 'x') }}{{ '{0}!'.format(s) }}", "a<b|xa<b!", "ddd--ddd-"},
    {"{{ (' ' ~ s ~ ' ') | trim }}{{ s | string | safe }}", "a<ba<b", "dddddd"},
    {"{{ '<|' + messages[0].role + '|>' }}", "<|user|>", "--------"},
    {"{{ '<|' + messages[1].role + '|>' }}", "<|us|r|>", "--dddd--"},
    {"{{ '<|' + m.role + '|>' }}", "<|user|>", "--dddd--"},
    {"{{ '<|' + messages[0].arguments.role + '|>' }}", "<|end|>", "--ddd--"},
    {"{{ s if s in ['a<b'] else '-' }}", "a<b", "ddd"},
    {"{{ bos }}{{ s }}", "<s>a<b", "---ddd"},
    {"{{ m | list | first }}{{ m.items() | list }}", "role[('role', 'user')]", "dddddddddddddddddddddd"},
};

static void check_origins(void) {
    static const char data[] = "{\"s\": \"a<b\", \"m\": {\"role\": \"user\"}, \"messages\": [{\"role\": \"user\", "
                               "\"arguments\": {\"role\": \"end\"}}, {\"role\": \"us|r\"}]}";
    const sk_template_variable bos = {"bos", "<s>", 3};
    const sk_template_input in = {.json = data, .n_json_bytes = sizeof data - 1, .variables = &bos, .n_variables = 1};
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        sk_template_output out;
        skald_report why = {.size = sizeof why};
        char marks[128] = "";
        CHECK_SAID(run(&out, origins[i].template_text, &in, &why) == SKALD_OK, "%s", why.text);
        for (size_t k = 0; k < out.n_bytes && k < sizeof marks - 1; k++) marks[k] = out.from_data[k] ? 'd' : '-';
        CHECK_SAID(out.n_bytes == strlen(origins[i].text) && memcmp(out.text, origins[i].text, out.n_bytes) == 0,
                   "%s gives %.*s", origins[i].template_text, (int)out.n_bytes, out.text);
        CHECK_SAID(strcmp(marks, origins[i].marks) == 0, "%s: %.*s comes from %s, expected %s",
                   origins[i].template_text, (int)out.n_bytes, out.text, marks, origins[i].marks);
        sk_template_output_free(&out, &host.allocator);
    }
}

/* ---- the host's memory and words */

static void check_input(void) {
    static const char *const wrong[] = {"[]",           "{", "{\"a\": 1e999}", "{\"a\": 99999999999999999999}", "\"a\"",
                                        "{\"a\": \xff}"};
    static const skald_message said[] = {{"user", "hi {{ x }}"}, {"assistant", "\xff"}};
    sk_template_output out;
    skald_report why = {.size = sizeof why};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const sk_template_input in = {.json = wrong[i], .n_json_bytes = strlen(wrong[i])};
        CHECK_EQUAL(run(&out, "x", &in, &why), SKALD_ARGUMENT);
        CHECK_SAID(strncmp(why.text, "JSON at byte ", 13) == 0 && why.status == SKALD_ARGUMENT, "%s: %s", wrong[i],
                   why.text);
    }
    const sk_template_input in = {.messages = said, .n_messages = 2, .open = 1};
    CHECK_EQUAL(run(&out,
                    "{% for m in messages %}{{ m.role }}:{{ m.content | trim }};{% endfor %}{{ tools }}{{ documents }}"
                    "{{ add_generation_prompt }}",
                    &in, &why),
                SKALD_OK);
    static const char want[] = "user:hi {{ x }};assistant:\xff;NoneNoneTrue";
    CHECK(out.n_bytes == sizeof want - 1 && memcmp(out.text, want, out.n_bytes) == 0);
    sk_template_output_free(&out, &host.allocator);
}

static void check_memory(void) {
    static const char text[] = "{% macro f(x) %}{{ x * 40000 }}{% endmacro %}{{ f('abc') }}{{ [a] | tojson }}";
    static const char data[] = "{\"a\": [1, {\"b\": \"c\"}]}";
    const sk_template_input in = {.json = data, .n_json_bytes = sizeof data - 1};
    bool done = false;
    for (long at = 1; !done && at < 100; at++) {
        skald_report why = {.size = sizeof why};
        sk_template_output out;
        memory_init(&host);
        host.refuse_at = at;
        skald_status status = run(&out, text, &in, &why);
        done = host.n_refused == 0;
        CHECK_EQUAL(status, done ? SKALD_OK : SKALD_MEMORY);
        if (!done) CHECK(strstr(why.text, "memory") != NULL);
        if (done) sk_template_output_free(&out, &host.allocator);
        CHECK_EQUAL(host.live, 0);
        CHECK_EQUAL(host.n_mistakes, 0);
    }
    CHECK(done);
}

int main(void) {
    memory_init(&host);
    check_writes();
    check_origins();
    check_input();
    CHECK_EQUAL(host.live, 0);
    check_memory();
    return sk_checked();
}
