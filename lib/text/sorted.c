#include "text/sorted.h"
#include <string.h>

static int compare(const sk_vocab *v, uint32_t a, uint32_t b) {
    uint32_t n = sk_vocab_length(v, a), m = sk_vocab_length(v, b);
    int order = memcmp(v->bytes + v->start[a], v->bytes + v->start[b], n < m ? n : m);
    return order ? order : n != m ? (n < m ? -1 : 1) : a < b ? -1 : a > b;
}

static void sift(const sk_vocab *v, uint32_t *ids, uint32_t root, uint32_t n) {
    for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && compare(v, ids[child], ids[child + 1]) < 0) child++;
        if (compare(v, ids[root], ids[child]) >= 0) return;
        uint32_t id = ids[root];
        ids[root] = ids[child];
        ids[child] = id;
    }
}

void sk_sort_tokens(const sk_vocab *v, uint32_t *ids, uint32_t n) { /* heap sort: libc's qsort may allocate */
    for (uint32_t i = n / 2; i-- > 0;) sift(v, ids, i, n);
    for (uint32_t end = n; end-- > 1;) {
        uint32_t id = ids[0];
        ids[0] = ids[end];
        ids[end] = id;
        sift(v, ids, 0, end);
    }
}

/* The first of the range whose byte at `depth` is at least `byte`. */
static uint32_t lower(const sk_vocab *v, const uint32_t *sorted, sk_range range, uint32_t depth, uint32_t byte) {
    while (range.low < range.high) {
        uint32_t middle = range.low + (range.high - range.low) / 2, id = sorted[middle];
        bool less = sk_vocab_length(v, id) <= depth || v->bytes[v->start[id] + depth] < byte;
        if (less) range.low = middle + 1;
        else range.high = middle;
    }
    return range.low;
}

sk_range sk_narrow(const sk_vocab *v, const uint32_t *sorted, sk_range range, uint32_t depth, uint8_t byte) {
    range.low = lower(v, sorted, range, depth, byte);
    range.high = lower(v, sorted, range, depth, byte + 1u);
    return range;
}
