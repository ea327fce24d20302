/* WATERMARK col DELAY OF interval: spark 1.3, rules M1, M2, M9.  On a batch plan it is
 * checked and then has no effect. */
#include <inttypes.h>

#include "engine/plan/analyze_private.h"

#define DAY_US INT64_C(86400000000)
#define DAYS_PER_MONTH 31 /* spark:M2 */

static bool has_watermark(const sl_logical *n)
{
    if (n->kind == SL_LOGICAL_WATERMARK)
        return true;
    for (uint32_t i = 0; i < n->input_count; i++) {
        if (has_watermark(n->inputs[i]))
            return true;
    }
    return false;
}

static sl_code read_delay(const sl_relation *r, int64_t *ret, sl_error *err)
{
    int32_t months;
    int64_t us;
    SL_TRY(sl_plan__duration(r->delay, &months, &us, err));
    if (__builtin_add_overflow((int64_t)months * DAYS_PER_MONTH * DAY_US, us, &us))
        return sl_plan__at(err, r->delay->pos,
                           sl_fail(err, SL_EINVAL,
                                   "the watermark's delay is out of range: make it "
                                   "shorter"));
    if (us < 0)
        return sl_plan__at(
            err, r->delay->pos,
            sl_fail(err, SL_EINVAL,
                    "requirement failed: delay threshold (INTERVAL "
                    "%.200s) should not be negative.",
                    r->delay->literal.text != NULL ? r->delay->literal.text : "?"));
    *ret = us;
    return SL_OK;
}

static sl_code find_column(sl_analyzer *a, const sl_relation *r, const sl_named *input,
                           uint32_t *ret, sl_error *err)
{
    sl_uexpr name = {
        .kind = SL_U_NAME, .pos = r->pos, .part_count = r->part_count, .parts = r->parts
    };
    sl_scope s = { .a = a, .input = input, .clause = "WATERMARK" };
    const sl_expr *e;
    SL_TRY(sl_plan__resolve_name(&s, &name, &e, err));
    const sl_field *f =
        e->kind == SL_EXPR_COLUMN ? &input->node->schema->fields[e->column] : NULL;
    bool fits = f != NULL && (f->is_window || e->type->id == SL_TYPE_TIMESTAMP ||
                              e->type->id == SL_TYPE_TIMESTAMP_NTZ);
    if (!fits)
        return sl_plan__at(err, r->pos,
                           sl_fail_as(err, SL_EANALYSIS,
                                      "EVENT_TIME_IS_NOT_ON_TIMESTAMP_TYPE", "42K09",
                                      "The event time `%.100s` has the invalid type "
                                      "\"%s\", but expected \"TIMESTAMP\"%s.",
                                      e->pretty, sl_plan__type_sql(a->arena, e->type),
                                      f == NULL ? " in a column of its own" : ""));
    *ret = e->column;
    return SL_OK;
}

sl_code sl_plan__watermark(sl_analyzer *a, const sl_relation *r, const sl_named *input,
                           sl_named *ret, sl_error *err)
{
    uint32_t column;
    int64_t delay_us = 0;
    SL_TRY(find_column(a, r, input, &column, err));
    SL_TRY(read_delay(r, &delay_us, err));
    *ret = *input;
    if (!input->node->streaming)
        return SL_OK;
    if (has_watermark(input->node))
        return sl_plan__at(err, r->pos,
                           sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_3076",
                                      "42000",
                                      "Redefining watermark is disallowed. The stream "
                                      "below has one already: keep one WATERMARK per "
                                      "stream."));
    SL_TRY(sl_plan__count_scan(a, r->pos, err)); /* bounds the number of watermarks */
    a->scan_count--;

    uint32_t id = a->watermark_count++;
    sl_schema *schema = SL_ARENA_NEW(a->arena, sl_schema);
    sl_field *fields = sl_arena_memdup(a->arena, input->node->schema->fields,
                                       input->node->schema->field_count * sizeof *fields);
    fields[column].has_watermark = true;
    fields[column].watermark_delay_us = delay_us;
    fields[column].watermark_id = id;
    *schema =
        (sl_schema){ .field_count = input->node->schema->field_count, .fields = fields };
    sl_logical *n = sl_logical__new(a->arena, SL_LOGICAL_WATERMARK, r->pos, input->node);
    n->schema = schema;
    n->u.watermark.column = column;
    n->u.watermark.id = id;
    a->watermarks[id] =
        (sl_watermark_plan){ .column = fields[column].name, .delay_us = delay_us };
    ret->node = n;
    return SL_OK;
}
