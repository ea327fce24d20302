/* window() and window_time(): spark 1.1, rules W1, W8-W14.
 *
 * All window() calls of one node must mean the same window (W11); they are found before
 * anything else of the node is resolved, so that the column `window` can be named. */
#include <inttypes.h>

#include "base/text.h"
#include "engine/plan/analyze_private.h"

static bool is_window_call(const sl_uexpr *u)
{
    return u->kind == SL_U_CALL && u->over == NULL && u->part_count == 1 &&
           sl_text_equal_nocase(u->parts[0], "window");
}

static sl_code months_refused(const sl_uexpr *u, sl_error *err)
{
    return sl_plan__at(err, u->pos,
                       sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_3231", "42K09",
                                  "Intervals greater than a month is not supported (%s).",
                                  u->literal.text != NULL ? u->literal.text : "months"));
}

static sl_code read_durations(const sl_uexpr *u, sl_window_spec *w, sl_error *err)
{
    int64_t *targets[] = { &w->size_us, &w->slide_us, &w->start_us };
    for (uint32_t i = 1; i < u->arg_count; i++) {
        int32_t months;
        SL_TRY(sl_plan__duration(u->args[i], &months, targets[i - 1], err));
        if (months != 0)
            return months_refused(u->args[i], err);
    }
    if (u->arg_count < 3)
        w->slide_us = w->size_us;
    return SL_OK;
}

static sl_code out_of_range(const sl_uexpr *u, const char *what, int64_t value,
                            sl_error *err)
{
    return sl_plan__at(
        err, u->pos,
        sl_fail_as(
            err, SL_EANALYSIS, "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "42K09",
            "Cannot resolve \"window\" due to data type mismatch: The `%s` must be "
            "between (0, 9223372036854775807] (current value = %" PRId64 "L).",
            what, value));
}

static sl_code violated(const sl_uexpr *u, const char *left, int64_t left_us,
                        const char *op, const char *right, int64_t right_us,
                        sl_error *err)
{
    return sl_plan__at(
        err, u->pos,
        sl_fail_as(err, SL_EANALYSIS, "DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION",
                   "42K09",
                   "Cannot resolve \"window\" due to data type mismatch: The `%s` "
                   "(%" PRId64 "L) must be %s the `%s` (%" PRId64 "L).",
                   left, left_us, op, right, right_us));
}

/* spark:W8 */
static sl_code check_durations(const sl_uexpr *u, const sl_window_spec *w, sl_error *err)
{
    if (w->size_us <= 0)
        return out_of_range(u, "window_duration", w->size_us, err);
    if (w->slide_us <= 0)
        return out_of_range(u, "slide_duration", w->slide_us, err);
    if (w->slide_us > w->size_us)
        return violated(u, "slide_duration", w->slide_us, "<=", "window_duration",
                        w->size_us, err);
    if (w->start_us >= w->slide_us || w->start_us <= -w->slide_us) {
        bool least = w->start_us == INT64_MIN;
        int64_t size = w->start_us < 0 && !least ? -w->start_us : w->start_us;
        return violated(u, "abs(start_time)", least ? INT64_MAX : size, "<",
                        "slide_duration", w->slide_us, err);
    }
    if ((w->size_us - 1) / w->slide_us + 1 > SL_WINDOWS_PER_ROW_MAX)
        return sl_plan__at(
            err, u->pos,
            sl_fail(err, SL_ELIMIT,
                    "window(): a row would belong to more than %d windows; "
                    "make the slide longer",
                    SL_WINDOWS_PER_ROW_MAX));
    return SL_OK;
}

/* The time a window column, or the text or date in a column, stands for; its mark. */
static sl_code resolve_time(sl_scope *s, const sl_uexpr *arg, uint32_t depth,
                            const sl_expr **ret, sl_field *ret_mark, sl_error *err)
{
    const sl_expr *e;
    sl_arena *arena = s->a->arena;
    SL_TRY(sl_plan__resolve(s, arg, depth, &e, err));
    int64_t window_us;
    sl_plan__output_field(s, "", e, ret_mark, &window_us);
    if (ret_mark->is_window) /* W12 */
        SL_TRY(sl_expr_call(arena, "window_time", &e, 1, arg->pos, &e, err));
    if (e->type->id == SL_TYPE_STRING || e->type->id == SL_TYPE_DATE) {
        SL_TRY(sl_expr_cast(arena, e, sl_type_of(SL_TYPE_TIMESTAMP), true, &e, err));
        *ret_mark = (sl_field){ 0 }; /* a cast is a new column */
    }
    if (e->type->id != SL_TYPE_TIMESTAMP && e->type->id != SL_TYPE_TIMESTAMP_NTZ)
        return sl_plan__at(
            err, arg->pos,
            sl_fail_as(err, SL_EANALYSIS, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                       "42K09",
                       "Cannot resolve \"window(%.100s)\" due to data type mismatch: The "
                       "first parameter requires the (\"TIMESTAMP\" or \"TIMESTAMP "
                       "WITHOUT TIME ZONE\") type, however \"%.100s\" has the type "
                       "\"%s\".",
                       e->pretty, e->pretty, sl_plan__type_sql(arena, e->type)));
    *ret = e;
    return SL_OK;
}

static sl_code too_many(sl_sql_pos pos, sl_error *err)
{
    return sl_plan__at(err, pos,
                       sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_1039", "42000",
                                  "Multiple time/session window expressions would result "
                                  "in a cartesian product of rows, therefore they are "
                                  "currently not supported."));
}

static sl_code add_window(sl_scope *s, const sl_uexpr *u, uint32_t depth, sl_error *err)
{
    sl_window_spec w = { 0 };
    sl_field mark;
    if (u->arg_count < 2 || u->arg_count > 4 || u->star || u->distinct)
        return sl_plan__at(
            err, u->pos,
            sl_fail_as(err, SL_EANALYSIS, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                       "The `window` requires [2, 3, 4] parameters but the "
                       "actual number is %u.",
                       u->arg_count));
    for (uint32_t i = 0; i < u->arg_count; i++) { /* window(window(..)..) in one node */
        if (is_window_call(u->args[i]))
            return too_many(u->pos, err);
    }
    SL_TRY(resolve_time(s, u->args[0], depth + 1, &w.time, &mark, err));
    SL_TRY(read_durations(u, &w, err));
    SL_TRY(check_durations(u, &w, err));
    if (s->window != NULL) {
        bool same =
            s->window->size_us == w.size_us && s->window->slide_us == w.slide_us &&
            s->window->start_us == w.start_us && sl_expr_equal(s->window->time, w.time);
        return same ? SL_OK : too_many(u->pos, err);
    }
    s->window = sl_arena_memdup(s->a->arena, &w, sizeof w);
    s->window_field = (sl_field){ .name = "window",
                                  .type = sl_type_window(w.time->type),
                                  .is_window = true,
                                  .has_watermark = mark.has_watermark,
                                  .watermark_delay_us = mark.watermark_delay_us,
                                  .watermark_id = mark.watermark_id };
    return SL_OK;
}

sl_code sl_plan__collect_windows(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                                 sl_error *err)
{
    if (depth >= SL_SQL_DEPTH_MAX)
        return sl_plan__too_deep(u->pos, err);
    if (is_window_call(u))
        return add_window(s, u, depth, err);
    for (uint32_t i = 0; i < u->arg_count; i++)
        SL_TRY(sl_plan__collect_windows(s, u->args[i], depth + 1, err));
    if (u->kind == SL_U_CALL && u->filter != NULL)
        SL_TRY(sl_plan__collect_windows(s, u->filter, depth + 1, err));
    return SL_OK;
}

/* spark:W13. Beside GROUP BY it must itself be a key. */
sl_code sl_plan__window_time(sl_scope *s, const sl_uexpr *u, uint32_t depth,
                             const sl_expr **ret, sl_error *err)
{
    sl_arena *arena = s->a->arena;
    const sl_expr *w, *e;
    sl_field mark;
    int64_t window_us;
    if (u->arg_count != 1)
        return sl_plan__at(err, u->pos,
                           sl_fail_as(err, SL_EANALYSIS,
                                      "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                                      "The `window_time` requires 1 parameters but the "
                                      "actual number is %u.",
                                      u->arg_count));
    SL_TRY(sl_plan__resolve(s, u->args[0], depth, &w, err));
    sl_plan__output_field(s, "", w, &mark, &window_us);
    if (!mark.is_window)
        return sl_plan__at(
            err, u->pos,
            sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_3101", "42K09",
                       "The input is not a correct window column: %.200s", w->pretty));
    SL_TRY(sl_plan__at(err, u->pos,
                       sl_expr_call(arena, "window_time", &w, 1, u->pos, &e, err)));
    bool is_key = !s->grouped || s->inside_aggregate;
    for (uint32_t i = 0; i < s->key_count && !is_key; i++)
        is_key = sl_expr_equal(s->keys[i], e);
    if (!is_key)
        return sl_plan__missing_aggregation(s, e, err);
    sl_time_mark *t = SL_ARENA_NEW(arena, sl_time_mark);
    *t = (sl_time_mark){ .expr = e, .field = mark, .next = s->time_marks };
    s->time_marks = t;
    *ret = e;
    return SL_OK;
}

const sl_logical *sl_plan__with_window(const sl_scope *s)
{
    const sl_logical *input = s->input->node;
    if (s->window == NULL)
        return input;
    sl_arena *arena = s->a->arena;
    uint32_t n = input->schema->field_count;
    sl_logical *node =
        sl_logical__new(arena, SL_LOGICAL_WINDOW, s->window->time->pos, input);
    sl_schema *schema = SL_ARENA_NEW(arena, sl_schema);
    sl_field *fields = SL_ARENA_ARRAY(arena, sl_field, n + 1);
    int64_t *window_us = SL_ARENA_ARRAY(arena, int64_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        fields[i] = input->schema->fields[i];
        window_us[i] = input->window_us[i];
    }
    fields[n] = s->window_field;
    window_us[n] = s->window->size_us;
    *schema = (sl_schema){ .field_count = n + 1, .fields = fields };
    node->schema = schema;
    node->window_us = window_us;
    node->u.window = *s->window;
    return node;
}
