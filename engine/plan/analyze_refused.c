/* Relations that parse and do not run yet.  Their inputs are resolved first, so that a
 * wrong name in them is told before; over streams that Spark refuses too the words are
 * Spark's: spark 1.13, rules U8, U10, U12. */
#include "engine/plan/analyze_private.h"

static sl_code refuse_as_spark(const sl_relation *r, sl_error *err, const char *text)
{
    return sl_plan__at(
        err, r->pos,
        sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_3102", "42KDE", "%s", text));
}

static sl_code not_yet(const sl_relation *r, const char *what, sl_error *err)
{
    return sl_plan__at(err, r->pos,
                       sl_fail_as(err, SL_EUNSUPPORTED, "UNSUPPORTED_FEATURE", "0A000",
                                  "%s is not supported yet", what));
}

/* Two streams are joined in append mode only. */
static sl_code refuse_stream_join(const sl_analyzer *a, const sl_relation *r,
                                  sl_error *err)
{
    static const char *const modes[] = { "Append", "Update", "Complete" };
    if (a->mode == SL_OUTPUT_APPEND)
        return not_yet(r, "JOIN of two streams", err);
    return refuse_as_spark(
        r, err,
        sl_arena_printf(a->arena,
                        "Join between two streaming DataFrames/Datasets is not supported "
                        "in %s output mode, only in Append output mode",
                        modes[a->mode]));
}

/* One side is a stream, the other a table. */
static sl_code refuse_static_join(const sl_analyzer *a, const sl_relation *r,
                                  bool left_streams, sl_error *err)
{
    const char *left = left_streams ? "a streaming" : "a static";
    const char *right = left_streams ? "a static" : "a streaming";
    switch (r->join) {
    case SL_JOIN_FULL_OUTER:
        return refuse_as_spark(
            r, err,
            sl_arena_printf(a->arena,
                            "FullOuter joins with streaming DataFrames/Datasets on the "
                            "%s and a static DataFrame/Dataset on the %s is not "
                            "supported",
                            left_streams ? "left" : "right",
                            left_streams ? "right" : "left"));
    case SL_JOIN_LEFT_ANTI:
        if (left_streams)
            break;
        return refuse_as_spark(r, err,
                               "LeftAnti joins with a streaming DataFrame/Dataset on the "
                               "right are not supported");
    case SL_JOIN_LEFT_OUTER:
    case SL_JOIN_LEFT_SEMI:
        if (left_streams)
            break;
        return refuse_as_spark(
            r, err,
            sl_arena_printf(a->arena,
                            "%s join with a streaming DataFrame/Dataset on the right and "
                            "a static DataFrame/Dataset on the left is not supported",
                            r->join == SL_JOIN_LEFT_OUTER ? "LeftOuter" : "LeftSemi"));
    case SL_JOIN_RIGHT_OUTER:
        if (!left_streams)
            break;
        return refuse_as_spark(
            r, err,
            "RightOuter join with a streaming DataFrame/Dataset on the left and a static "
            "DataFrame/DataSet on the right not supported");
    default:
        break;
    }
    return not_yet(r, sl_arena_printf(a->arena, "JOIN of %s with %s table", left, right),
                   err);
}

sl_code sl_plan__refuse_relation(sl_analyzer *a, const sl_relation *r, sl_place place,
                                 sl_error *err)
{
    sl_named in[2] = { 0 };
    for (uint32_t i = 0; i < r->input_count && i < 2; i++)
        SL_TRY(sl_plan__relation(a, r->inputs[i], place, &in[i], err));
    bool left = in[0].node->streaming,
         right = r->input_count > 1 && in[1].node->streaming;
    switch (r->kind) {
    case SL_REL_SAMPLE:
        return left ? refuse_as_spark(
                          r, err,
                          "Sampling is not supported on streaming DataFrames/Datasets")
                    : not_yet(r, "TABLESAMPLE", err);
    case SL_REL_EXCEPT:
        return right ? refuse_as_spark(r, err,
                                       "Except on a streaming DataFrame/Dataset on the "
                                       "right is not supported")
                     : not_yet(r, "EXCEPT", err);
    case SL_REL_INTERSECT:
        return left && right
                   ? refuse_as_spark(r, err,
                                     "Intersect of streaming DataFrames/Datasets is not "
                                     "supported")
                   : not_yet(r, "INTERSECT", err);
    default:
        if (left && right)
            return refuse_stream_join(a, r, err);
        return left || right ? refuse_static_join(a, r, left, err)
                             : not_yet(r, "JOIN", err);
    }
}
