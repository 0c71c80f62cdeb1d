/* What filters.c and lists.c share: filters by name. */
#ifndef SK_TEMPLATE_FILTERS_H
#define SK_TEMPLATE_FILTERS_H
#include "template/machine.h"

typedef bool sk_filter_fn(sk_run *r, sk_value *out, sk_value v, const sk_arguments *a);

typedef struct sk_named_filter {
    const char *name;
    sk_filter_fn *apply;
} sk_named_filter;

extern const sk_named_filter sk_list_filters[]; /* ends with a NULL name */
#endif
