/* budget.h - the memory ledger: who holds how many bytes of a stated limit.
 *
 * A tree of accounts (process > query > operator); charging a child charges its parents.
 * A charge that would pass any limit on the way changes nothing and fails with
 * SL_EBUDGET naming the account and the limit.
 *
 * Units:  bytes.   Thread: any (atomics).   Source: ours, design.md section 11. */

#ifndef SL_BASE_BUDGET_H
#define SL_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

typedef struct sl_budget {
    struct sl_budget *parent; /* borrowed, outlives this */
    char name[48];
    int64_t limit_bytes; /* INT64_MAX = none */
    _Atomic int64_t used_bytes;
    _Atomic int64_t peak_bytes;
} sl_budget;

void sl_budget_init(sl_budget *b, sl_budget *parent, const char *name,
                    int64_t limit_bytes);
SL_CHECKED sl_code sl_budget_charge(sl_budget *b, int64_t bytes,
                                    sl_error *err); /* b NULL: SL_OK */
void sl_budget_force(sl_budget *b,
                     int64_t bytes); /* cannot be refused: counted past the limit */
void sl_budget_release(sl_budget *b,
                       int64_t bytes); /* asserts that so much was charged */
int64_t sl_budget_used(const sl_budget *b);

#endif /* SL_BASE_BUDGET_H */
