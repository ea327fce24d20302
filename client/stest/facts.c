#include "client/stest/facts_private.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "engine/columnar/value_text.h"

static const json_t *step(const json_t *from, const char *part)
{
    if (json_is_array(from))
        return json_array_get(from, (size_t)strtoul(part, NULL, 10));
    return json_object_get(from, part);
}

static const json_t *find(const json_t *root, const char *key, sl_arena *arena)
{
    static const char *const places[] = { "",     "eventTime", "stateOperators.0",
                                          "sink", "sources.0", "durationMs" };
    const json_t *found = NULL;
    for (size_t i = 0; found == NULL && i < sizeof places / sizeof *places; i++) {
        char *path = sl_arena_printf(arena, "%s%s%s", places[i],
                                     *places[i] != '\0' ? "." : "", key);
        char *rest = path;
        found = root;
        for (char *part = strtok_r(path, ".", &rest); part != NULL && found != NULL;
             part = strtok_r(NULL, ".", &rest))
            found = step(found, part);
    }
    return found;
}

static bool is_number(const char *text)
{
    double number;
    return sl_double_from_text(text, strlen(text), &number);
}

static const char *in_seconds(const char *text, sl_arena *arena)
{
    int64_t us;
    if (!sl_timestamp_parse(text, strlen(text), sl_time_zone_utc(), &us))
        return text;
    if (us % 1000000 == 0)
        return sl_arena_printf(arena, "%lld", (long long)(us / 1000000));
    return sl_arena_printf(arena, "%.3f", (double)us / 1e6);
}

const char *stest_fact_of(const char *progress_json, const char *key, const char *like,
                          sl_arena *arena)
{
    json_t *root = json_loads(progress_json, 0, NULL);
    const json_t *v = root != NULL ? find(root, key, arena) : NULL;
    const char *text = NULL;
    if (json_is_string(v)) {
        text = sl_arena_strdup(arena, json_string_value(v));
        if (is_number(like))
            text = in_seconds(text, arena);
    } else if (json_is_real(v)) {
        char number[32];
        sl_double_java(json_real_value(v), number);
        text = sl_arena_strdup(arena, number);
    } else if (v != NULL) {
        char *dump = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_PRESERVE_ORDER);
        text = dump != NULL ? sl_arena_strdup(arena, dump) : NULL;
        free(dump);
    }
    json_decref(root);
    return text;
}
