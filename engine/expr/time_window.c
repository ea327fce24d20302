/* window_start(ts, size, slide, start): the start of the latest window that a time falls
 * into (spark:W2-W4): ts - ((ts - start) mod slide), the remainder never negative. The
 * windows before it start one slide earlier each; the window operator makes them.
 *
 * The quotient is guessed with one multiplication by 1 / slide and put right by one
 * comparison each way: exact for |ts - start| < 2^52 us (142 years around 1970); beyond
 * that the hardware divides. */
#include "engine/expr/vector_private.h"

static inline int64_t remainder_exact(int64_t x, int64_t slide)
{
    int64_t r = x % slide;
    return r < 0 ? r + slide : r;
}

SL_HOT static void starts(const int64_t *restrict ts, int64_t slide, int64_t start,
                          int64_t *restrict out, uint32_t n)
{
    const double inverse = 1.0 / (double)slide;
    const int64_t limit = INT64_C(1) << 52;
    for (uint32_t i = 0; i < n; i++) {
        int64_t x = (int64_t)((uint64_t)ts[i] - (uint64_t)start), r;
        if (__builtin_expect(x < limit && x > -limit, 1)) {
            int64_t q = (int64_t)((double)x * inverse); /* off by one at most */
            r = x - q * slide;
            r += r < 0 ? slide : 0;
            r -= r >= slide ? slide : 0;
            r += r < 0 ? slide : 0;
        } else {
            r = remainder_exact(x, slide);
        }
        out[i] = (int64_t)((uint64_t)ts[i] - (uint64_t)r);
    }
}

sl_code sl_kernel__window_start(sl_kernel_call *c, sl_error *err)
{
    const int64_t *ts = c->args[0]->values, *slides = c->args[2]->values;
    const int64_t *offsets = c->args[3]->values;
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    int64_t *out = p;
    if (!c->args[2]->is_constant || !c->args[3]->is_constant || slides[0] <= 0)
        return sl_error__at(err,
                            sl_fail(err, SL_EINVAL,
                                    "window_start needs a constant slide above 0 and a "
                                    "constant start"),
                            c->expr->pos);
    if (c->args[0]->is_constant) {
        starts(ts, slides[0], offsets[0], out, 1);
        for (uint32_t i = 1; i < c->rows; i++)
            out[i] = out[0];
        return SL_OK;
    }
    starts(ts, slides[0], offsets[0], out, c->rows);
    return SL_OK;
}
