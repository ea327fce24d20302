/* variance and standard deviation, of the population and of a sample.
 *
 * State and buffers: { n, mean, m2 }, m2 the sum of squared distances from the mean;
 * joined by Chan's formula, in the order of Spark's CentralMomentAgg, so that results are
 * the same to the last bit.  Partials are merged in (slice, block) order. */
#include <math.h>

#include "engine/expr/aggregate_private.h"

typedef struct moments {
    double n, mean, m2;
} moments;

static double value_at(const sl_column *c, uint32_t row)
{
    return sl_column_f64(c)[row];
}

static sl_code update(const sl_agg_call *c, sl_error *err)
{
    (void)err;
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t row = sl_agg__row(c, i);
        if (!sl_column_is_valid(c->column, row))
            continue;
        moments *s = sl_agg__state(c, i);
        double delta = value_at(c->column, row) - s->mean;
        s->n += 1;
        double step = delta / s->n;
        s->mean += step;
        s->m2 += delta * (delta - step);
    }
    return SL_OK;
}

static sl_code partial(const sl_agg_call *c, sl_error *err)
{
    for (uint32_t k = 0; k < 3; k++) {
        void *values;
        uint64_t *validity;
        sl_code code = sl_column_alloc(c->agg->buffer_types[k], c->n, false, c->budget,
                                       &c->ret[k], &values, &validity, err);
        if (code != SL_OK) {
            while (k-- > 0)
                sl_column_release(&c->ret[k]);
            return code;
        }
        double *out = values;
        for (uint32_t i = 0; i < c->n; i++) {
            const moments *s = sl_agg__state(c, i);
            out[i] = k == 0 ? s->n : k == 1 ? s->mean : s->m2;
        }
    }
    return SL_OK;
}

static sl_code merge(const sl_agg_call *c, sl_error *err)
{
    (void)err;
    for (uint32_t i = 0; i < c->n; i++) {
        moments *s = sl_agg__state(c, i);
        double n = value_at(&c->column[0], i), mean = value_at(&c->column[1], i);
        double m2 = value_at(&c->column[2], i), all = s->n + n;
        double delta = mean - s->mean, step = all == 0 ? 0 : delta / all;
        s->mean += step * n;
        s->m2 += m2 + delta * step * s->n * n;
        s->n = all;
    }
    return SL_OK;
}

/* "var_pop", "stddev_samp", ...: what the name asks for. */
static bool is_population(const sl_agg *a)
{
    const char *name = a->name;
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, "_pop") == 0;
}

static sl_code result(const sl_agg_call *c, sl_error *err)
{
    void *values;
    uint64_t *validity;
    bool population = is_population(c->agg), root = c->agg->name[0] == 's';
    SL_TRY(sl_column_alloc(c->agg->result_type, c->n, true, c->budget, c->ret, &values,
                           &validity, err));
    double *out = values;
    for (uint32_t i = 0; i < c->n; i++) {
        const moments *s = sl_agg__state(c, i);
        double among = population ? s->n : s->n - 1;
        out[i] = among > 0 ? s->m2 / among : 0;
        if (root)
            out[i] = sqrt(out[i]);
        if (!(among > 0))
            sl_bitmap_clear(validity, i);
    }
    return SL_OK;
}

static sl_code resolve(sl_call_site *s, sl_agg *a, sl_error *err)
{
    SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_DOUBLE), err));
    a->arg = s->args[0];
    a->result_type = sl_type_of(SL_TYPE_DOUBLE);
    a->result_nullable = true;
    a->needs_order = true;
    a->state_width = sizeof(moments);
    a->buffer_count = 3;
    for (uint32_t k = 0; k < 3; k++)
        a->buffer_types[k] = sl_type_of(SL_TYPE_DOUBLE);
    return SL_OK;
}

#define MOMENT(name, usage)                                                              \
    {                                                                                    \
        name, 1, 1, usage, resolve, update, partial, merge, result                       \
    }

const sl_agg_class sl_agg__classes_moments[7] = {
    MOMENT("variance", "variance(a): of a sample; null below two values"),
    MOMENT("var_samp", "var_samp(a): as variance(a)"),
    MOMENT("var_pop", "var_pop(a): variance of the population"),
    MOMENT("stddev", "stddev(a): standard deviation of a sample; null below two values"),
    MOMENT("std", "std(a): as stddev(a)"),
    MOMENT("stddev_samp", "stddev_samp(a): as stddev(a)"),
    MOMENT("stddev_pop", "stddev_pop(a): standard deviation of the population"),
};
