/* Which output modes a streaming plan and its sink allow: spark:U3, U20, A4. */
#include "base/text.h"
#include "engine/plan/analyze_private.h"

const char *sl_output_mode_text(sl_output_mode mode)
{
    static const char *const texts[] = { "append", "update", "complete" };
    return texts[mode];
}

static sl_code unsupported(sl_output_mode mode, const char *operation, sl_sql_pos pos,
                           const char *advice, sl_error *err)
{
    return sl_plan__at(
        err, pos,
        sl_fail_as(err, SL_EANALYSIS, "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION",
                   "42KDE",
                   "Invalid streaming output mode: %s. This output mode is not supported "
                   "for %s on streaming DataFrames/DataSets. %s",
                   sl_output_mode_text(mode), operation, advice));
}

static sl_code check_sink(const sl_plan_request *request, sl_sql_pos pos, sl_error *err)
{
    const sl_sink_info *sink = request->sink;
    if (sink == NULL)
        return SL_OK;
    bool takes = request->mode == SL_OUTPUT_APPEND   ? sink->append
                 : request->mode == SL_OUTPUT_UPDATE ? sink->update
                                                     : sink->complete;
    if (takes)
        return SL_OK;
    return sl_plan__at(
        err, pos,
        sl_fail_as(err, SL_EANALYSIS, "STREAMING_OUTPUT_MODE.UNSUPPORTED_DATASOURCE",
                   "42KDE",
                   "Invalid streaming output mode: %s. This output mode is "
                   "not supported in Data Source %.100s, which takes%s%s%s.",
                   sl_output_mode_text(request->mode), sink->connector,
                   sink->append ? " append" : "", sink->update ? " update" : "",
                   sink->complete ? " complete" : ""));
}

/* Append lets rows out when time has passed them, so each aggregation needs an event
 * time. */
static sl_code check_append(const sl_logical *n, sl_error *err)
{
    for (uint32_t i = 0; i < n->input_count; i++)
        SL_TRY(check_append(n->inputs[i], err));
    if (n->kind != SL_LOGICAL_AGGREGATE || !n->streaming ||
        n->u.aggregate.event_time_key >= 0)
        return SL_OK;
    return unsupported(SL_OUTPUT_APPEND, "streaming aggregations without watermark",
                       n->pos,
                       "Group by an event-time column with a WATERMARK, or by a window "
                       "over it; or use OUTPUT MODE update or complete.",
                       err);
}

/* *ret: stateful operators on the longest way down. */
static sl_code check_chains(const sl_plan_request *request, const sl_logical *n,
                            bool *ret_aggregate, sl_error *err)
{
    bool below = false;
    for (uint32_t i = 0; i < n->input_count; i++) {
        bool one;
        SL_TRY(check_chains(request, n->inputs[i], &one, err));
        below = below || one;
    }
    bool aggregate = n->kind == SL_LOGICAL_AGGREGATE && n->streaming;
    if (aggregate && below)
        return sl_plan__at(
            err, n->pos,
            sl_fail_as(err, SL_EANALYSIS, "_LEGACY_ERROR_TEMP_3102", "42KDE",
                       "Detected pattern of possible 'correctness' issue due to global "
                       "watermark. The query contains stateful operation which can emit "
                       "rows older than the current watermark plus allowed late record "
                       "delay, which are \"late rows\" in downstream stateful operations "
                       "and these rows can be discarded. An aggregation over an "
                       "aggregation needs OUTPUT MODE append, not %s.",
                       sl_output_mode_text(request->mode)));
    *ret_aggregate = below || aggregate;
    return SL_OK;
}

sl_code sl_plan__check_output_mode(const sl_plan_request *request, const sl_logical *plan,
                                   sl_error *err)
{
    SL_TRY(check_sink(request, plan->pos, err));
    if (request->mode == SL_OUTPUT_APPEND)
        return check_append(plan, err);
    bool aggregate;
    SL_TRY(check_chains(request, plan, &aggregate, err));
    if (request->mode == SL_OUTPUT_COMPLETE && !aggregate)
        return unsupported(SL_OUTPUT_COMPLETE, "no streaming aggregations", plan->pos,
                           "Use OUTPUT MODE append.", err);
    return SL_OK;
}
