#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "engine/expr/aggregate_private.h"
#include "engine/expr/vector_private.h"

static const sl_function functions[SL_FUNCTION_COUNT] = {
#define X(id, name, resolve, signature, kernel, flags, usage)                            \
    { name, sl_resolve__##resolve, signature, sl_kernel__##kernel, flags, usage },
#include "engine/expr/functions.def"
#undef X
};

const sl_function *sl_function__get(sl_function_id id)
{
    SL_DASSERT(id < SL_FUNCTION_COUNT);
    return &functions[id];
}

const sl_function *sl_function__find(const char *name)
{
    for (uint32_t i = 0; i < SL_FUNCTION_COUNT; i++) {
        if (sl_text_equal_nocase(functions[i].name, name))
            return &functions[i];
    }
    return NULL;
}

bool sl_function_exists(const char *name)
{
    const sl_function *f = sl_function__find(name);
    return f != NULL && (f->flags & SL_FN_INTERNAL) == 0;
}

/* Scalar functions first, then aggregates. */
uint32_t sl_function_count(void)
{
    return SL_FUNCTION_COUNT + sl_agg__class_count();
}

const char *sl_function_name(uint32_t i)
{
    if (i < SL_FUNCTION_COUNT)
        return functions[i].name;
    const sl_agg_class *class = sl_agg__class(i - SL_FUNCTION_COUNT);
    return class != NULL ? class->name : NULL;
}

const char *sl_function_usage(uint32_t i)
{
    if (i < SL_FUNCTION_COUNT)
        return functions[i].usage;
    const sl_agg_class *class = sl_agg__class(i - SL_FUNCTION_COUNT);
    return class != NULL ? class->usage : NULL;
}
