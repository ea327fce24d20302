#include "base/budget.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/assert.h"

void sl_budget_init(sl_budget *b, sl_budget *parent, const char *name,
                    int64_t limit_bytes)
{
    SL_ASSERT(limit_bytes >= 0);
    b->parent = parent;
    b->limit_bytes = limit_bytes;
    snprintf(b->name, sizeof b->name, "%s", name);
    atomic_init(&b->used_bytes, 0);
    atomic_init(&b->peak_bytes, 0);
}

static void raise_peak(sl_budget *b, int64_t used_bytes)
{
    int64_t peak = atomic_load_explicit(&b->peak_bytes, memory_order_relaxed);
    while (peak < used_bytes && !atomic_compare_exchange_weak_explicit(
                                    &b->peak_bytes, &peak, used_bytes,
                                    memory_order_relaxed, memory_order_relaxed))
        continue;
}

/* Add to one account unless that passes its limit; *ret_seen = what was used before. */
static bool add_within_limit(sl_budget *b, int64_t bytes, int64_t *ret_seen)
{
    int64_t used = atomic_load_explicit(&b->used_bytes, memory_order_relaxed);
    do {
        if (used > b->limit_bytes || bytes > b->limit_bytes - used) {
            *ret_seen = used;
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &b->used_bytes, &used, used + bytes, memory_order_relaxed, memory_order_relaxed));
    raise_peak(b, used + bytes);
    return true;
}

sl_code sl_budget_charge(sl_budget *b, int64_t bytes, sl_error *err)
{
    SL_ASSERT(bytes >= 0);
    if (bytes == 0)
        return SL_OK;

    for (sl_budget *account = b; account; account = account->parent) {
        int64_t used = 0;
        if (add_within_limit(account, bytes, &used))
            continue;
        for (sl_budget *undo = b; undo != account; undo = undo->parent)
            atomic_fetch_sub_explicit(&undo->used_bytes, bytes, memory_order_relaxed);
        return sl_fail(err, SL_EBUDGET,
                       "memory budget '%s' is spent: %" PRId64 " of %" PRId64
                       " bytes are in use and %" PRId64
                       " more were asked for; raise that limit or give the query less "
                       "to hold",
                       account->name, used, account->limit_bytes, bytes);
    }
    return SL_OK;
}

void sl_budget_force(sl_budget *b, int64_t bytes)
{
    SL_ASSERT(bytes >= 0);
    for (; b; b = b->parent) {
        int64_t before =
            atomic_fetch_add_explicit(&b->used_bytes, bytes, memory_order_relaxed);
        raise_peak(b, before + bytes);
    }
}

void sl_budget_release(sl_budget *b, int64_t bytes)
{
    SL_ASSERT(bytes >= 0);
    for (; b; b = b->parent) {
        int64_t before =
            atomic_fetch_sub_explicit(&b->used_bytes, bytes, memory_order_relaxed);
        SL_ASSERT(before >= bytes);
    }
}

int64_t sl_budget_used(const sl_budget *b)
{
    return atomic_load_explicit(&b->used_bytes, memory_order_relaxed);
}
