#include "driver/rates.h"

#define HORIZON_US 10000000

void sl_rates_add(sl_rates *r, int64_t from_us, int64_t end_us, int64_t rows)
{
    uint64_t at = r->count++ % SL_RATES_BATCHES;
    r->batches[at].from_us = from_us;
    r->batches[at].end_us = end_us;
    r->batches[at].rows = rows;
}

void sl_rates_get(const sl_rates *r, int64_t now_us, double *ret_input,
                  double *ret_processed)
{
    int64_t horizon_us = HORIZON_US, oldest_us = now_us, work_us = 0, rows = 0;
    *ret_input = *ret_processed = 0;
    for (uint64_t i = 0; i < r->count && i < SL_RATES_BATCHES; i++) {
        uint64_t at = (r->count - 1 - i) % SL_RATES_BATCHES;
        int64_t from_us = r->batches[at].from_us, end_us = r->batches[at].end_us;
        if (i == 0 && 3 * (end_us - from_us) > horizon_us)
            horizon_us = 3 * (end_us - from_us);
        if (now_us - end_us > horizon_us)
            break;
        oldest_us = from_us;
        work_us += end_us - from_us;
        rows += r->batches[at].rows;
    }
    if (now_us > oldest_us)
        *ret_input = (double)rows * 1e6 / (double)(now_us - oldest_us);
    if (work_us > 0)
        *ret_processed = (double)rows * 1e6 / (double)work_us;
}
