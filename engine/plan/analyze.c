#include "engine/plan/analyze.h"

#include "engine/plan/analyze_private.h"

/* Everything made is in `arena`, which the physical plan takes over. */
static sl_code analyze(const sl_plan_request *request, sl_analyzer *a,
                       const sl_logical **ret, sl_error *err)
{
    sl_named root;
    const sl_view_scope view = { .name = request->view };
    sl_place top = { .views = request->view != NULL ? &view : NULL };
    a->watermarks = SL_ARENA_ARRAY(a->arena, sl_watermark_plan, SL_SOURCES_MAX);
    SL_TRY(sl_plan__relation(a, request->query, top, &root, err));
    *ret = root.node;
    return SL_OK;
}

static sl_analyzer analyzer_of(const sl_plan_request *request, sl_arena *arena)
{
    return (sl_analyzer){ .arena = arena,
                          .catalog = request->catalog,
                          .case_sensitive = request->case_sensitive,
                          .mode = request->mode };
}

/* What EXPLAIN EXTENDED shows before the physical plan. */
static void trace(const sl_plan_request *request, const char *title,
                  const sl_logical *plan)
{
    if (request->trace == NULL)
        return;
    sl_bytes_printf(request->trace, "== %s Logical Plan ==\n", title);
    if (plan != NULL)
        sl_logical__print(plan, request->trace);
    else
        sl_relation_print(request->query, request->trace);
    sl_bytes_char(request->trace, '\n');
}

static const sl_logical *optimize(sl_arena *arena, const sl_logical *plan)
{
    plan = sl_optimize__constants(arena, plan);
    plan = sl_optimize__pushdown(arena, plan);
    plan = sl_optimize__projections(arena, plan);
    plan = sl_optimize__constants(arena, plan); /* what is constant only now */
    return sl_optimize__pruning(arena, plan);
}

sl_code sl_plan_query(const sl_plan_request *request, sl_physical_plan **ret,
                      sl_error *err)
{
    sl_arena *arena = sl_arena_new();
    sl_analyzer a = analyzer_of(request, arena);
    const sl_logical *plan;
    sl_physical_plan *physical;
    sl_code code;
    trace(request, "Parsed", NULL);
    SL_TRY_GOTO(analyze(request, &a, &plan, err), fail);
    trace(request, "Analyzed", plan);
    SL_TRY_GOTO(sl_plan__check_streaming(request, plan, err), fail);
    plan = optimize(arena, plan);
    trace(request, "Optimized", plan);
    SL_TRY_GOTO(sl_plan__physical(request, &a, plan, &physical, err), fail);
    *ret = physical;
    return SL_OK;
fail:
    sl_arena_free(arena);
    return code;
}

sl_code sl_plan_schema(const sl_plan_request *request, sl_arena *arena,
                       const sl_schema **ret, sl_error *err)
{
    sl_arena *scratch = sl_arena_new();
    sl_analyzer a = analyzer_of(request, scratch);
    const sl_logical *plan;
    sl_code code = analyze(request, &a, &plan, err);
    if (code == SL_OK)
        *ret = sl_schema_copy(plan->schema, arena);
    sl_arena_free(scratch);
    return code;
}
