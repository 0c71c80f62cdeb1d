/* Heap sort (Williams, 1964): a hostile file cannot make it slow, and unlike some qsort it asks for no memory. */
#include "file/sort.h"

static void sink(uint32_t *index, uint32_t at, uint32_t n, sk_order_fn *order, const void *user) {
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && order(user, index[child], index[child + 1]) < 0) child++;
        if (order(user, index[at], index[child]) >= 0) return;
        uint32_t swap = index[at];
        index[at] = index[child];
        index[child] = swap;
    }
}

skald_status sk_sort(uint32_t *index, uint32_t n, sk_order_fn *order, const void *user, sk_watch *watch,
                     skald_report *why) {
    skald_status status = SKALD_OK;
    for (uint32_t i = 0; i < n; i++) index[i] = i;
    for (uint32_t i = n / 2; i-- > 0 && status == SKALD_OK; status = sk_watch_look(watch, why))
        sink(index, i, n, order, user);
    for (uint32_t end = n; end-- > 1 && status == SKALD_OK; status = sk_watch_look(watch, why)) {
        uint32_t last = index[end];
        index[end] = index[0];
        index[0] = last;
        sink(index, 0, end, order, user);
    }
    return status;
}
