/* What cannot run on a stream: spark 1.13, rules U1, U2, U7, U8, U10 (U4 and U9 are
 * refused where the call is resolved). */
#include "base/text.h"
#include "engine/plan/analyze_private.h"

static sl_code refuse(sl_sql_pos pos, sl_error *err, const char *text)
{
    return sl_plan__at(
        err, pos,
        sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_3102", "42KDE", "%s", text));
}

static sl_code check_sort(const sl_plan_request *request, const sl_logical *n,
                          sl_error *err)
{
    if (request->mode == SL_OUTPUT_COMPLETE && sl_logical__has_aggregate(n))
        return SL_OK;
    return refuse(
        n->pos, err,
        "Sorting is not supported on streaming DataFrames/Datasets, unless it is "
        "on aggregated DataFrame/Dataset in Complete output mode");
}

static sl_code check_limit(const sl_plan_request *request, const sl_logical *n,
                           sl_error *err)
{
    if (n->u.limit.offset != 0)
        return refuse(n->pos, err,
                      "Offset is not supported on streaming DataFrames/Datasets");
    if (n->u.limit.limit >= 0 && request->mode == SL_OUTPUT_UPDATE)
        return refuse(
            n->pos, err,
            "Limits are not supported on streaming DataFrames/Datasets in Update "
            "output mode");
    return SL_OK;
}

static sl_code check_union(const sl_logical *n, sl_error *err)
{
    for (uint32_t i = 0; i < n->input_count; i++) {
        if (!n->inputs[i]->streaming)
            return refuse(n->pos, err,
                          "Union between streaming and batch DataFrames/Datasets is not "
                          "supported");
    }
    return SL_OK;
}

static sl_code check_node(const sl_plan_request *request, const sl_logical *n,
                          sl_error *err)
{
    for (uint32_t i = 0; i < n->input_count; i++)
        SL_TRY(check_node(request, n->inputs[i], err));
    if (!n->streaming)
        return SL_OK;
    switch (n->kind) {
    case SL_LOGICAL_SORT:
        return check_sort(request, n, err);
    case SL_LOGICAL_LIMIT:
        return check_limit(request, n, err);
    case SL_LOGICAL_UNION:
        return check_union(n, err);
    default:
        return SL_OK;
    }
}

/* Spark's file sinks refuse two columns of one name. */
static sl_code check_sink_columns(const sl_plan_request *request, const sl_logical *plan,
                                  sl_error *err)
{
    const sl_schema *s = plan->schema;
    if (request->sink == NULL || request->sink->to_driver ||
        sl_text_equal_nocase(request->sink->connector, "noop"))
        return SL_OK;
    for (uint32_t i = 0; i < s->field_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (sl_text_equal_nocase(s->fields[i].name, s->fields[j].name))
                return sl_plan__at(
                    err, plan->pos,
                    sl_fail_as(err, SL_EANALYSIS, "COLUMN_ALREADY_EXISTS", "42711",
                               "The column `%.100s` already exists. Choose "
                               "another name or rename the existing "
                               "column.",
                               s->fields[i].name));
        }
    }
    return SL_OK;
}

sl_code sl_plan__check_streaming(const sl_plan_request *request, const sl_logical *plan,
                                 sl_error *err)
{
    if (!request->streaming_query) {
        if (plan->streaming)
            return refuse(plan->pos, err,
                          "Queries with streaming sources must be executed with "
                          "writeStream.start(), or from a streaming table or flow "
                          "definition within a Spark Declarative Pipeline. Write CREATE "
                          "STREAMING QUERY ... AS, or read the table without STREAM.");
        return SL_OK;
    }
    if (!plan->streaming)
        return sl_plan__at(err, plan->pos,
                           sl_fail_as(err, SL_EANALYSIS, "WRITE_STREAM_NOT_ALLOWED",
                                      "42601",
                                      "`writeStream` can be called only on streaming "
                                      "Dataset/DataFrame. Read at least one table with "
                                      "FROM STREAM."));
    SL_TRY(check_sink_columns(request, plan, err));
    SL_TRY(check_node(request, plan, err));
    return sl_plan__check_output_mode(request, plan, err);
}
