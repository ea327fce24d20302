/* rates.h - rows a second of a query, lately.
 *
 * The newest report of a query says little of it: every other batch may be one without
 * data.  This looks at the batches of the last ten seconds, or of three times the last
 * one if that is longer; of many short ones at the last 64.
 *
 * Thread: loop thread. */

#ifndef SL_DRIVER_RATES_H
#define SL_DRIVER_RATES_H

#include <stdint.h>

#define SL_RATES_BATCHES 64u

typedef struct sl_rates {
    struct {
        int64_t from_us, end_us; /* of its trigger; mono */
        int64_t rows;
    } batches[SL_RATES_BATCHES]; /* a ring */
    uint64_t count;              /* ever */
} sl_rates;

void sl_rates_add(sl_rates *r, int64_t from_us, int64_t end_us, int64_t rows);
/* Rows that came in a second, and rows a second of work; 0 if there was none. */
void sl_rates_get(const sl_rates *r, int64_t now_us, double *ret_input,
                  double *ret_processed);

#endif /* SL_DRIVER_RATES_H */
