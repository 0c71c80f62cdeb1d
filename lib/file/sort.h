/* Sorting of index lists without memory and without a bad case: heap sort, n log n for any input. */
#ifndef SK_FILE_SORT_H
#define SK_FILE_SORT_H
#include "base/watch.h"

/* Below, at or above 0, as the item numbered `a` belongs before, beside or behind the one numbered `b`. */
typedef int sk_order_fn(const void *user, uint32_t a, uint32_t b);

/* Fills index[n] with the numbers 0 to n - 1 in that order. CANCELLED: in some order. */
skald_status sk_sort(uint32_t *index, uint32_t n, sk_order_fn *order, const void *user, sk_watch *watch,
                     skald_report *why);
#endif
