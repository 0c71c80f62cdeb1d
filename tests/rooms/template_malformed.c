/* Templates that are wrong: each must be refused with line, column and a sentence, when it is compiled or when it is run,
 * soon, and nothing may be kept. Where jinja2 accepts what is missing here the status is UNSUPPORTED. */
#define SK_ALLOW_LIBC_MEMORY
#include "template/template.h"
#include "support/check.h"
#include "support/memory.h"
#include "support/vocab.h"
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 20
#else
#define SLOWER 1
#endif

static host_memory host;

static skald_status run(sk_template_output *out, const char *text, const sk_template_input *in, skald_report *why) {
    sk_template *t;
    skald_status status = sk_template_create(&t, &host.allocator, text, strlen(text), why);
    *out = (sk_template_output){0};
    if (status == SKALD_OK) status = sk_template_run(out, t, &host.allocator, in, why);
    sk_template_free(t, &host.allocator);
    return status;
}

#define F SKALD_FORMAT
#define U SKALD_UNSUPPORTED
#define A SKALD_ARGUMENT

/* clang-format off */
static const struct {
    const char *template_text;
    skald_status status;
    uint32_t line, column;
    const char *said;
} refusals[] = {
    {"a {{ b", F, 1, 3, "the tag does not end"},
    {"a\n {% if x %}\n", F, 2, 2, "block does not end"},
    {"{% for x in y %}{% endif %}", F, 1, 26, "closes or continues nothing"},
    {"{% endfor %}", F, 1, 11, "closes or continues nothing"},
    {"{% else %}", F, 1, 9, "else continues nothing"},
    {"{% if a %}{% else %}{% elif b %}{% endif %}", F, 1, 29, "behind else"},
    {"{# a\n", F, 1, 1, "the comment does not end"},
    {"{% raw %}", F, 1, 1, "the raw block does not end"},
    {"\n\n{{ 'abc }}", F, 3, 4, "the string does not end"},
    {"{{ '\\xZZ' }}", F, 1, 5, "escape"},
    {"{{ a b }}", F, 1, 6, "\"}}\" is missing"},
    {"{{ }}", F, 1, 4, "an expression is missing"},
    {"{{ (1 }}", F, 1, 7, "\")\" is missing"},
    {"{{ 1) }}", F, 1, 5, "a bracket closes"},
    {"{{ a[ }}", F, 1, 7, "\"]\" is missing"},
    {"{{ a. }}", F, 1, 7, "behind the point"},
    {"{{ $ }}", F, 1, 4, "means nothing"},
    {"\xc3\xa9\xe6\x97\xa5 {{ $ }}", F, 1, 7, "means nothing"},
    {"{{ 1 + }}", F, 1, 8, "a value is missing"},
    {"{{ 99999999999999999999 }}", F, 1, 4, "too large"},
    {"{{ a | }}", F, 1, 8, "the name of a filter"},
    {"{{ a | nosuch }}", U, 1, 8, "filter \"nosuch\""},
    {"{{ a is nosuch }}", U, 1, 9, "test \"nosuch\""},
    {"{% include 'x' %}", U, 1, 4, "\"include\""},
    {"{% nosuch %}", F, 1, 4, "unknown tag"},
    {"{% set %}", F, 1, 8, "a name is missing"},
    {"{% set a, b %}", F, 1, 13, "is missing"},
    {"{% for x y %}", F, 1, 10, "\"in\" is missing"},
    {"{% for x in y recursive %}{% endfor %}", F, 1, 15, "recursive"},
    {"{% break %}", F, 1, 10, "no loop"},
    {"{% macro f(a %}", F, 1, 15, "is missing"},
    {"{% macro (a) %}", F, 1, 10, "the macro's name"},
    {"{{ f(a=1, 2) }}", F, 1, 11, "without a name"},
    {"{{ f(*a) }}", F, 1, 6, "unpacked"},
    {"\n {{ a.b.c }}", F, 2, 9, "\"b\" is undefined"},
    {"{{ a + 1 }}", F, 1, 6, "does not work"},
    {"{{ 1 / 0 }}", F, 1, 6, "division by zero"},
    {"{{ 9223372036854775807 + 1 }}", F, 1, 24, "too large"},
    {"{{ 'a' < 1 }}", F, 1, 8, "no order"},
    {"{% for x in 5 %}{% endfor %}", F, 1, 1, "cannot be gone through"},
    {"{{ nosuch() }}", F, 1, 10, "\"nosuch\" is undefined"},
    {"{% set a, b = [1] %}", F, 1, 1, "1 values for 2 names"},
    {"{% set x.y = 1 %}", F, 1, 1, "a namespace"},
    {"{{ [].append(1) }}", U, 1, 13, "may not be changed"},
    {"{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", F, 1, 35, "takes 1 arguments"},
    {"{{ raise_exception('no ' ~ 1) }}", A, 1, 19, "refuses: no 1"},
    {"{{ strftime_now('%Y') }}", F, 1, 16, "\"strftime_now\" is undefined"},
    {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", F, 1, 20, "too deep"},
    {"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", F, 1, 28, "steps"},
    {"{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", F,
     1, 76, "bytes"},
    {"{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}", F, 1,
     58, "deep"},
    {"{{ range(999999) }}", F, 1, 9, "range of more"},
    {"{{ 'a' * 999999999999 }}", F, 1, 8, ""},

    /* what cannot be compiled */
    {"{{", F, 1, 1, "the tag does not end"},
    {"{%", F, 1, 1, "the tag does not end"},
    {"{#", F, 1, 1, "the comment does not end"},
    {"{{ 'a", F, 1, 4, "the string does not end"},
    {"{{ \"a' }}", F, 1, 4, "the string does not end"},
    {"{% if %}{% endif %}", F, 1, 7, "an expression is missing"},
    {"{% if a %}", F, 1, 1, "this block does not end"},
    {"{% if a %}{% elif %}{% endif %}", F, 1, 19, "an expression is missing"},
    {"{% for %}", F, 1, 8, "a name is missing"},
    {"{% for x in %}", F, 1, 13, "an expression is missing"},
    {"{% for x in y %}", F, 1, 1, "this block does not end"},
    {"{% for x in y %}{% else %}{% else %}{% endfor %}", F, 1, 35, "else continues nothing"},
    {"{% for x, in y", F, 1, 1, "the tag does not end"},
    {"{% set x = %}", F, 1, 12, "an expression is missing"},
    {"{% set 1 = 2 %}", F, 1, 8, "a name is missing"},
    {"{% set x %}a", F, 1, 1, "this block does not end"},
    {"{% set x | nosuch %}a{% endset %}", U, 1, 12, "filter \"nosuch\" is not offered"},
    {"{% macro f() %}", F, 1, 1, "this block does not end"},
    {"{% macro f(1) %}{% endmacro %}", F, 1, 12, "a parameter is missing"},
    {"{% macro f(a=) %}{% endmacro %}", F, 1, 14, "a value is missing"},
    {"{% filter %}{% endfilter %}", F, 1, 11, "the name of a filter is missing"},
    {"{% filter upper %}a", F, 1, 1, "this block does not end"},
    {"{% filter nosuch %}{% endfilter %}", U, 1, 11, "filter \"nosuch\" is not offered"},
    {"{% generation %}a", F, 1, 1, "this block does not end"},
    {"{% with a = 1 %}a", F, 1, 1, "this block does not end"},
    {"{% with a %}{% endwith %}", F, 1, 11, "\"=\" is missing"},
    {"{% if a %}{% else %}{% else %}{% endif %}", F, 1, 29, "else continues nothing"},
    {"{% if a %}{% endfor %}", F, 1, 21, "this tag closes or continues nothing"},
    {"{% for x in y %}{% endif %}{% endfor %}", F, 1, 26, "this tag closes or continues nothing"},
    {"{% continue %}", F, 1, 13, "no loop to leave or continue"},
    {"{% for x in y %}{% set z %}{% break %}{% endset %}{% endfor %}", F, 1, 37, "no loop to leave or continue"},
    {"{% endset %}", F, 1, 11, "this tag closes or continues nothing"},
    {"{% endmacro %}", F, 1, 13, "this tag closes or continues nothing"},
    {"{% endfilter %}", F, 1, 14, "this tag closes or continues nothing"},
    {"{% endwith %}", F, 1, 12, "this tag closes or continues nothing"},
    {"{% endgeneration %}", F, 1, 18, "this tag closes or continues nothing"},
    {"{% extends 'a' %}", U, 1, 4, "the tag \"extends\" is not offered"},
    {"{% block x %}{% endblock %}", U, 1, 4, "the tag \"block\" is not offered"},
    {"{% import 'a' as b %}", U, 1, 4, "the tag \"import\" is not offered"},
    {"{% from 'a' import b %}", U, 1, 4, "the tag \"from\" is not offered"},
    {"{% call f() %}{% endcall %}", U, 1, 4, "the tag \"call\" is not offered"},
    {"{% autoescape true %}{% endautoescape %}", U, 1, 4, "the tag \"autoescape\" is not offered"},
    {"{% do x %}", U, 1, 4, "the tag \"do\" is not offered"},
    {"{% 'if' %}", F, 1, 4, "the name of a tag is missing"},
    {"{% %}", F, 1, 4, "the name of a tag is missing"},
    {"{% if a } %}", F, 1, 9, "a bracket closes that was not opened"},
    {"{% if a }}", F, 1, 9, "a bracket closes that was not opened"},
    {"{{ a %}", F, 1, 7, "a bracket closes that was not opened"},
    {"{% raw %}{{ a }}{% endra %}", F, 1, 1, "the raw block does not end"},
    {"{% set a = 1, %}{% set b = %}", F, 1, 28, "an expression is missing"},
    {"{{ a if }}", F, 1, 9, "a value is missing"},
    {"{{ a if b else }}", F, 1, 16, "a value is missing"},
    {"{{ not }}", F, 1, 8, "a value is missing"},
    {"{{ a and }}", F, 1, 10, "a value is missing"},
    {"{{ a or }}", F, 1, 9, "a value is missing"},
    {"{{ a ~ }}", F, 1, 8, "a value is missing"},
    {"{{ a ** }}", F, 1, 9, "a value is missing"},
    {"{{ a in }}", F, 1, 9, "a value is missing"},
    {"{{ a not b }}", F, 1, 6, "\"}}\" is missing"},
    {"{{ a is }}", F, 1, 9, "the name of a test is missing"},
    {"{{ a is not }}", F, 1, 13, "the name of a test is missing"},
    {"{{ a is defined is defined }}", F, 1, 17, "tests cannot be chained"},
    {"{{ a == }}", F, 1, 9, "a value is missing"},
    {"{{ a < > b }}", F, 1, 8, "a value is missing"},
    {"{{ [1, 2 }}", F, 1, 10, "\"]\" is missing"},
    {"{{ [1 2] }}", F, 1, 7, "\",\" is missing"},
    {"{{ {1 2} }}", F, 1, 7, "\":\" is missing"},
    {"{{ {1: } }}", F, 1, 8, "a value is missing"},
    {"{{ {1: 2 3: 4} }}", F, 1, 10, "\",\" is missing"},
    {"{{ f(a b) }}", F, 1, 8, "\",\" is missing"},
    {"{{ f(a=) }}", F, 1, 8, "a value is missing"},
    {"{{ f(**a) }}", F, 1, 6, "unpacked arguments are not offered"},
    {"{{ a[1:2:3:4] }}", F, 1, 11, "\"]\" is missing"},
    {"{{ a[] }}", F, 1, 6, "an index is missing"},
    {"{{ a.'b' }}", F, 1, 6, "a name or number is missing behind the point"},
    {"{{ a..b }}", F, 1, 6, "a name or number is missing behind the point"},
    {"{{ '\\u12' }}", F, 1, 5, "the escape is not one"},
    {"{{ '\\N{DASH}' }}", F, 1, 5, "the escape is not one"},
    {"{{ 1e999 }}", F, 1, 4, "the number is too large"},
    {"{{ 012 }}", F, 1, 4, "a number begins with 0"},
    {"{{ 0xffffffffffffffff }}", F, 1, 4, "the number is too large"},
    {"{{ a ; b }}", F, 1, 6, "\"}}\" is missing"},
    {"{{ ! }}", F, 1, 4, "this character means nothing here"},
    {"{{ a & b }}", F, 1, 6, "this character means nothing here"},
    {"{{ a => b }}", F, 1, 6, "\"}}\" is missing"},
    {"{{ a ? b : c }}", F, 1, 6, "this character means nothing here"},
    {"{{ ) }}", F, 1, 4, "a bracket closes that was not opened"},
    {"{{ (] }}", F, 1, 5, "\")\" is missing"},
    {"{{ {] }}", F, 1, 5, "\"}\" is missing"},
    {"{{ 'a' | upper | }}", F, 1, 18, "the name of a filter is missing"},
    {"{{ 'a' | upper( }}", F, 1, 17, "\")\" is missing"},
    {"{{ 'a' | 5 }}", F, 1, 10, "the name of a filter is missing"},
    {"{{ 5 is 6 }}", F, 1, 9, "the name of a test is missing"},
    /* bytes that are no UTF-8 */
    {"a\xff", F, 1, 2, "this byte is no UTF-8"},
    {"a\n{{ '\xc3' }}", F, 2, 5, "this byte is no UTF-8"},
    {"{{ \xe2\x82 }}", F, 1, 4, "this byte is no UTF-8"},
    {"\n\n \xed\xa0\x80", F, 3, 2, "this byte is no UTF-8"},
    {"\xc0\xaf", F, 1, 1, "this byte is no UTF-8"},
    {"{# \xf4\x90\x80\x80 #}", F, 1, 4, "this byte is no UTF-8"},
    /* what cannot be run */
    {"{{ 1 + 'a' }}", F, 1, 6, "the operator does not work on an int and a str"},
    {"{{ 'a' - 'b' }}", F, 1, 8, "the operator does not work on a str and a str"},
    {"{{ none + 1 }}", F, 1, 9, "the operator does not work on None and an int"},
    {"{{ [1] * 'a' }}", F, 1, 8, "the operator does not work on a list and a str"},
    {"{{ {} < {} }}", F, 1, 7, "a dict and a dict have no order"},
    {"{{ [1] < ['a'] }}", F, 1, 8, "an int and a str have no order"},
    {"{{ -'a' }}", F, 1, 4, "the operator does not work on an int and a str"},
    {"{{ nosuch + 1 }}", F, 1, 11, "\"nosuch\" is undefined"},
    {"{{ nosuch.a }}", F, 1, 11, "\"nosuch\" is undefined"},
    {"{{ nosuch[0] }}", F, 1, 11, "\"nosuch\" is undefined"},
    {"{{ nosuch[1:] }}", F, 1, 11, "\"nosuch\" is undefined"},
    {"{{ a.b.c }}", F, 1, 8, "\"b\" is undefined"},
    {"{{ a['b']['c'] }}", F, 1, 11, "\"b\" is undefined"},
    {"{{ 5 | length }}", F, 1, 8, "an int has no length"},
    {"{{ 1 in 5 }}", F, 1, 6, "an int cannot be gone through"},
    {"{{ 1 in 'a' }}", F, 1, 6, "an int cannot be in a str"},
    {"{{ 'abc'['a':] }}", F, 1, 10, "a slice goes by ints, not by a str"},
    {"{{ 'abc'[::0] }}", F, 1, 10, "the step of a slice is 0"},
    {"{{ [1, 'a'] | sort }}", F, 1, 15, "an int and a str have no order"},
    {"{{ [1, 'a'] | sum }}", F, 1, 15, "the operator does not work on an int and a str"},
    {"{{ 5 | join }}", F, 1, 8, "an int cannot be gone through"},
    {"{{ ['a'] | map }}", F, 1, 12, "map takes a filter or an attribute"},
    {"{{ ['a'] | map('nosuch') }}", U, 1, 12, "filter \"nosuch\" is not offered"},
    {"{{ '0x1f' | int(base=16) }}", U, 1, 13, "int with a base is not offered"},
    {"{{ ['a'] | map('map', 'upper') }}", U, 1, 12, "map of map is not offered"},
    {"{{ ['a'] | select('nosuch') }}", U, 1, 12, "test \"nosuch\" is not offered"},
    {"{{ ['a'] | selectattr }}", F, 1, 12, "the name of an attribute is missing"},
    {"{{ 5 | dictsort }}", F, 1, 8, "dictsort of an int"},
    {"{{ 5 | items }}", F, 1, 8, "items of an int"},
    {"{{ 'a' | attr }}", F, 1, 10, "attr takes a name"},
    {"{{ 'a' | replace('b') }}", F, 1, 10, "replace takes two texts"},
    {"{{ 'a' | indent(9999) }}", F, 1, 10, "an indent of more than 1024"},
    {"{{ 'a' | indent('x', 1, 2) | indent(none) }}", F, 1, 30, "an int is expected, None is given"},
    {"{{ 'a' | tojson(indent=65) }}", F, 1, 10, "an indent of more than 64"},
    {"{{ 'a' | tojson(separators='x') }}", F, 1, 10, "separators are two texts"},
    {"{{ range | tojson }}", F, 1, 12, "a function has no JSON"},
    {"{{ range }}", F, 1, 1, "a function cannot be written"},
    {"{{ 5() }}", F, 1, 5, "an int cannot be called"},
    {"{{ 'a'() }}", F, 1, 7, "a str cannot be called"},
    {"{{ a.b() }}", F, 1, 7, "\"b\" is undefined and cannot be called"},
    {"{{ 'a'.nosuch() }}", F, 1, 14, "\"nosuch\" is undefined and cannot be called"},
    {"{{ 'a'.split('') }}", F, 1, 13, "a separator that is not empty is expected"},
    {"{{ 'a'.join([1]) }}", F, 1, 12, "join of strs, not of an int"},
    {"{{ 'a'.index('b') }}", F, 1, 13, "the text is not found"},
    {"{{ 'a'.zfill(3) }}", U, 1, 13, "this method of a str is not offered"},
    {"{{ 'a'.startswith(1) }}", F, 1, 18, "a str or a tuple of them is expected"},
    {"{{ [1].index(2) }}", F, 1, 13, "the value is not in the list"},
    {"{{ {}.pop('a') }}", U, 1, 10, "a dict may not be changed"},
    {"{{ {}.get() }}", F, 1, 10, "get takes one or two arguments"},
    {"{{ '%d' % 'a' }}", F, 1, 9, "%d of a str"},
    {"{{ '%q' % 1 }}", U, 1, 9, "of formats only %s, %d, %r are offered"},
    {"{{ '%s %s' % 'a' }}", F, 1, 12, "too few values for the format"},
    {"{{ '%s' % (1, 2) }}", F, 1, 9, "too many values for the format"},
    {"{{ '{} {}'.format(1) }}", F, 1, 18, "the format has no value for \"\""},
    {"{{ '{:>3}'.format(1) }}", U, 1, 18, "of formats only {}, {0} and {name} are offered"},
    {"{{ '{'.format(1) }}", F, 1, 14, "a brace of the format stands alone"},
    {"{{ '%(a)s' | format(a=1) }}", U, 1, 14, "format by names is not offered"},
    {"{{ range() }}", F, 1, 9, "range takes one to three arguments"},
    {"{{ range(1, 2, 0) }}", F, 1, 9, "range by these numbers"},
    {"{{ range('a') }}", F, 1, 9, "an int is expected, a str is given"},
    {"{{ range(9007199254740993) }}", F, 1, 9, "range by these numbers"},
    {"{{ dict(1) }}", F, 1, 8, "a dict or named arguments are expected"},
    {"{{ namespace(1) }}", F, 1, 13, "a dict or named arguments are expected"},
    {"{{ {[]: 1} }}", F, 1, 5, "a list cannot be a key"},
    {"{{ 2 ** -1 }}", U, 1, 6, "powers below zero are not offered"},
    {"{{ 2 ** 64 }}", F, 1, 6, "a number grows too large"},
    {"{{ 1 % 0 }}", F, 1, 6, "a division by zero"},
    {"{{ 1 // 0 }}", F, 1, 6, "a division by zero"},
    {"{{ 1.5 // 2 }}", U, 1, 8, "this operator is not offered for floats"},
    {"{{ -9223372036854775807 - 2 }}", F, 1, 25, "a number grows too large"},
    {"{{ 9223372036854775807 * 2 }}", F, 1, 24, "a number grows too large"},
    {"{{ (-9223372036854775807 - 1) // -1 }}", F, 1, 31, "a number grows too large"},
    {"{{ 3 is divisibleby 0 }}", F, 1, 9, "a division by zero"},
    {"{{ 3 is divisibleby 'a' }}", F, 1, 9, "divisible by a str"},
    {"{{ 'a' is odd }}", F, 1, 11, "too many values for the format"},
    {"{% for a, b in [1] %}{% endfor %}", F, 1, 1, "an int cannot be gone through"},
    {"{% for a, b in ['abc'] %}{% endfor %}", F, 1, 1, "3 values for 2 names"},
    {"{% for x in 1.5 %}{% endfor %}", F, 1, 1, "a float cannot be gone through"},
    {"{% set a.b = 1 %}", F, 1, 1, "attributes are set on a namespace, \"a\" is a dict"},
    {"{% set ns = namespace() %}{% set ns.a.b = 1 %}", F, 1, 38, "\"=\" is missing"},
    {"{% macro f(a) %}{% endmacro %}{{ f(b=1) }}", F, 1, 35, "the macro takes no argument \"b\" here"},
    {"{% macro f(a) %}{% endmacro %}{{ f(1, a=1) }}", F, 1, 35, "the macro takes no argument \"a\" here"},
    {"{% macro f() %}{{ varargs }}{% endmacro %}", U, 1, 19, "a macro's \"varargs\" is not offered"},
    {"{% macro f(a) %}{% if a %}{{ kwargs.x }}{% endif %}{% endmacro %}", U, 1, 30, "a macro's \"kwargs\" is not offered"},
    {"{% macro f(varargs) %}{{ varargs }}{{ caller() }}{% endmacro %}", U, 1, 39, "a macro's \"caller\""},
    {"{% macro f(a=caller) %}{% endmacro %}", U, 1, 14, "a macro's \"caller\""},
    {"{% macro f() %}{% endmacro %}{{ f.name }}", U, 1, 35, "\"name\" of a macro is not offered"},
    {"{% macro f() %}{% endmacro %}{{ f['arguments'] }}", U, 1, 35, "\"arguments\" of a macro is not offered"},
    {"{{ f(1) }}{% macro f(a) %}{% endmacro %}", F, 1, 5, "\"f\" is undefined and cannot be called"},
    {"{{ loop.index }}", F, 1, 9, "\"loop\" is undefined"},
    {"{% for x in [1] %}{{ loop() }}{% endfor %}", F, 1, 26, "a loop cannot be called"},
    {"{% for x in [1] %}{{ loop.cycle() }}{% endfor %}", F, 1, 32, "nothing to cycle through"},
    {"{% for x in [1] %}{{ loop.changed(1) }}{% endfor %}", U, 1, 34, "this method of a loop is not offered"},
    {"{{ raise_exception() }}", A, 1, 19, "the template refuses: no reason"},
    {"{{ raise_exception('a' * 5) }}", A, 1, 19, "the template refuses: aaaaa"},
    {"{{ strftime_now() }}", F, 1, 16, "\"strftime_now\" is undefined and cannot be called"},
    {"{% if 0 %}{{ 1 | nosuch }}{% endif %}{% if 1 %}{{ 1 | nosuch }}{% endif %}", U, 1, 55, "filter \"nosuch\" is not offered"},
    {"{% if 1 %}{{ 1 is nosuch }}{% endif %}", U, 1, 19, "test \"nosuch\" is not offered"},
    /* what does not end, or not soon */
    {"{% for i in range(99999) %}{% for j in range(99999) %}{% for k in range(99999) %}{% endfor %}{% endfor %}{% endfor %}", F, 1, 72, "1048576 steps"},
    {"{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}", F, 1, 58, "macros call each other too deep"},
    {"{% macro f(n) %}{{ f(n + 1) ~ f(n + 1) }}{% endmacro %}{{ f(0) }}", F, 1, 21, "macros call each other too deep"},
    {"{% for x in range(99999) %}{{ 'a' * 10000 }}{% endfor %}", F, 1, 35, "1048576 steps"},
    {"{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] | join %}{% endfor %}", F, 1, 85, "67108864 bytes"},
    {"{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}", F, 1, 75, "1048576 steps"},
    {"{% set ns = namespace(l=[1]) %}{% for i in range(70) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}", F, 1, 97, "67108864 bytes"},
    {"{% set ns = namespace(l=[1]) %}{% for i in range(70) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}", F, 1, 107, "67108864 bytes"},
    {"{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(70) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}", F, 1, 141, "1048576 steps"},
    {"{{ 'a' * 9999999 * 99 }}", F, 1, 8, "1048576 steps"},
    {"{{ [1] * 99999999 }}", F, 1, 8, "a number grows too large"},
    {"{{ [1] * 9223372036854775807 }}", F, 1, 8, "a number grows too large"},
    {"{{ ('a' * 99999).replace('', 'b' * 99999) }}", F, 1, 25, "67108864 bytes"},
    {"{{ range(99999) | map('string') | join(',' * 9999) }}", F, 1, 35, "67108864 bytes"},
    {"{{ (['a' * 999] * 999) | join('b' * 99999) }}", F, 1, 26, "67108864 bytes"},
};
/* clang-format on */

static void check_refusal(const char *text, skald_status status, uint32_t line, uint32_t column, const char *said) {
    static const char data[] = "{\"a\": {}}";
    skald_report why = {.size = sizeof why};
    sk_template_output out;
    char place[64];
    const sk_template_input in = {.json = data,
                                  .n_json_bytes = sizeof data - 1,
                                  .n_steps_most = 1 << 20,
                                  .n_bytes_most = 64 << 20};
    skald_status got = run(&out, text, &in, &why);
    snprintf(place, sizeof place, "template line %u, column %u: ", line, column);
    CHECK_SAID(got == status && why.status == status, "%.80s gives %d, expected %d", text, got, status);
    CHECK_SAID(strncmp(why.text, place, strlen(place)) == 0, "%.80s: \"%s\" has not the place %s", text, why.text,
               place);
    CHECK_SAID(strstr(why.text, said) != NULL, "%.80s: \"%s\" does not say \"%s\"", text, why.text, said);
    if (got == SKALD_OK) sk_template_output_free(&out, &host.allocator);
}

/* Nested deeper than anybody writes: each is refused, and with little stack. */
static void check_nesting(void) {
    static char text[70000];
    static const struct {
        const char *before, *middle, *after;
    } nests[] = {{"(", "1", ")"},           {"[", "1", "]"},      {"{1:", "1", "}"},
                 {"a[", "1", "]"},          {"f(", "1", ")"},     {"-", "1", ""},
                 {"1 if 1 else ", "1", ""}, {"1 if (", "1", ")"}, {"a is in ([", "1", "])"}};
    for (size_t k = 0; k < sizeof nests / sizeof *nests; k++) {
        char *at = text + sprintf(text, "{{ ");
        for (int i = 0; i < 1000; i++) at += sprintf(at, "%s", nests[k].before);
        at += sprintf(at, "%s", nests[k].middle);
        for (int i = 0; i < 1000; i++) at += sprintf(at, "%s", nests[k].after);
        sprintf(at, " }}");
        sk_template *t;
        skald_report why = {.size = sizeof why};
        CHECK_EQUAL(sk_template_create(&t, &host.allocator, text, strlen(text), &why), SKALD_FORMAT);
        CHECK_SAID(strstr(why.text, "too deep") != NULL, "%s: %s", nests[k].before, why.text);
    }
    char *at = text;
    for (int i = 0; i < 1000; i++) at += sprintf(at, "{%% if 1 %%}");
    sk_template *t;
    CHECK_EQUAL(sk_template_create(&t, &host.allocator, text, strlen(text), NULL), SKALD_FORMAT);
}

/* ---- nothing is slow: what a machine does between two of its steps is counted too */

#define LONG "'aaaaaaaaaaaaaaaa' * "

static const struct {
    const char *note, *template_text;
} slow[] = {
    {"a text that nearly stands at each place",
     "{% set t = " LONG "60000 %}{% set p = " LONG
     "30000 ~ 'b' %}{{ p in t }}{{ t.count(p) }}{{ t.partition(p) | length }}"},
    {"the same for split and replace", "{% set t = " LONG "60000 %}{% set p = " LONG
                                       "30000 ~ 'b' %}{{ t.split(p) | length }}{{ t.replace(p, '') == t }}"},
    {"the same from the right",
     "{% set t = " LONG "60000 %}{% set p = " LONG "30000 ~ 'b' %}{{ t.rfind(p) }}{{ t.rsplit(p) | length }}"},
    {"many characters to strip",
     "{% set t = 'bbbbbbbb' * 60000 %}{% set c = " LONG "30000 ~ 'b' %}{{ t.strip(c) }}{{ t | trim(c) }}"},
    {"equal texts, again and again",
     "{% set t = " LONG
     "250000 %}{% set u = t ~ '' %}{% for i in range(90000) %}{% if t != u %}x{% endif %}{% endfor %}"},
    {"the order of equal texts, again and again",
     "{% set t = " LONG
     "250000 %}{% set u = t ~ '' %}{% for i in range(90000) %}{% if t < u %}x{% endif %}{% endfor %}"},
    {"a long beginning, again and again",
     "{% set t = " LONG
     "250000 %}{% set u = t ~ '' %}{% for i in range(90000) %}{{ '' if t.startswith(u) }}{% endfor %}"},
    {"a long list, again and again",
     "{% set l = range(90000) | list %}{% for i in range(90000) %}{% set x = l.index(89999) %}{% endfor %}"},
    {"formats that say nothing",
     "{% set f = '{0}' * 99999 %}{% for i in range(90000) %}{{ f.format('') }}{% endfor %}"},
    {"numbers of many digits",
     "{% set n = '0000000000000000' * 60000 %}{% for i in range(90000) %}{{ '' if n | int }}{% endfor %}"},
    {"fractions of many digits",
     "{% set n = '0.00000000000000' ~ '0000000000000000' * 60000 %}{% for i in range(90000) %}{{ '' if n | float }}{% endfor %}"},
    {"an empty text many times", "{{ '' * 9000000000000000000 }}"},
};

static void check_soon(const char *text, const char *note, bool endless) {
    const double most = 4.0 * SLOWER;
    const clock_t begin = clock();
    skald_report why = {.size = sizeof why};
    sk_template_output out;
    const sk_template_input in = {.n_steps_most = (20 << 20) / SLOWER};
    const skald_status status = run(&out, text, &in, &why);
    const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    CHECK_SAID(seconds < most, "%s: %.1f seconds", note, seconds);
    CHECK_SAID(status == SKALD_OK || strstr(why.text, "steps") || strstr(why.text, "too deep"), "%s: %s", note,
               why.text);
    CHECK_SAID(endless == (status == SKALD_FORMAT), "%s %s", note, endless ? "does not take many steps" : why.text);
    if (status == SKALD_OK) sk_template_output_free(&out, &host.allocator);
}

/* Conditions in a row, of which each moves the code of those before it; names behind thousands of others. */
static void check_slow(void) {
    enum { ROOM = 200000 };
    char *text = malloc(ROOM), *at = text;
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++)
        check_soon(slow[i].template_text, slow[i].note, i + 1 < sizeof slow / sizeof *slow);
    at += sprintf(at, "{{ a");
    for (int i = 0; i < 30000; i++) at += sprintf(at, " if a");
    sprintf(at, " }}");
    check_soon(text, "conditions in a row", true);
    at = text;
    for (int k = 0; k < 12; k++) {
        at += sprintf(at, "{%% for x in [1] %%}");
        for (int i = 0; i < 500; i++) at += sprintf(at, "{%% set a%d = 1 %%}", 40 * k + i);
    }
    at += sprintf(at, "{%% for i in range(90000) %%}{%% for j in range(900) %%}{{ zz }}{%% endfor %%}{%% endfor %%}");
    for (int k = 0; k < 12; k++) at += sprintf(at, "{%% endfor %%}");
    check_soon(text, "names behind thousands of others", true);
    free(text);
}

/* ---- templates of known models, cut off and with a byte changed: whole, or refused with a place */

static void check_bent(const char *text, size_t n, uint32_t *n_refused) {
    skald_report why = {.size = sizeof why};
    sk_template *t;
    const skald_status status = sk_template_create(&t, &host.allocator, text, n, &why);
    CHECK((status == SKALD_OK) == (t != NULL));
    if (!t) ++*n_refused;
    if (!t) CHECK_SAID(strncmp(why.text, "template line ", 14) == 0, "\"%s\" has no place", why.text);
    sk_template_free(t, &host.allocator);
}

static void check_known(void) {
    static const char *const names[] = {"deepseek-v3.1", "gemma-3", "gpt-oss", "llama-3.1", "mistral-nemo", "qwen3"};
    static const char signs[] = "{}%'\"(|\xff";
    uint32_t n_refused = 0, n_bent = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        size_t n = 0;
        snprintf(path, sizeof path, "%s/chat/%s.jinja", SK_TEST_DATA, names[i]);
        char *text = test_read(path, &n);
        uint32_t whole = 0;
        if (!CHECK_SAID(text != NULL, "%s cannot be read", path)) continue;
        check_bent(text, n, &whole);
        CHECK_EQUAL(whole, 0);
        for (size_t at = 1; at < n; at += 7 * SLOWER, n_bent += 2) {
            const char kept = text[at];
            check_bent(text, at, &n_refused);
            text[at] = signs[at % (sizeof signs - 1)];
            check_bent(text, n, &n_refused);
            text[at] = kept;
        }
        free(text);
    }
    CHECK_SAID(n_refused > n_bent / 2, "%u of %u refused", n_refused, n_bent);
    printf("%zu templates that are wrong; of %u bent ones of known models %u are refused\n",
           sizeof refusals / sizeof *refusals, n_bent, n_refused);
}

int main(void) {
    memory_init(&host);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        check_refusal(refusals[i].template_text, refusals[i].status, refusals[i].line, refusals[i].column,
                      refusals[i].said);
    check_nesting();
    check_slow();
    check_known();
    CHECK(host.live == 0 && host.n_mistakes == 0);
    return sk_checked();
}
