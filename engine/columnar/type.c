#include "engine/columnar/type.h"

#include <string.h>

#include "base/assert.h"
#include "base/text.h"

#define SCALAR(name) [SL_TYPE_##name] = { .id = SL_TYPE_##name }

static const sl_type scalars[SL_TYPE_COUNT] = {
    SCALAR(VOID),
    SCALAR(BOOLEAN),
    SCALAR(BYTE),
    SCALAR(SHORT),
    SCALAR(INT),
    SCALAR(LONG),
    SCALAR(FLOAT),
    SCALAR(DOUBLE),
    SCALAR(STRING),
    SCALAR(BINARY),
    SCALAR(DATE),
    SCALAR(TIMESTAMP),
    SCALAR(TIMESTAMP_NTZ),
    SCALAR(INTERVAL_DAY_TIME),
    SCALAR(INTERVAL_YEAR_MONTH),
};

static bool is_nested(sl_type_id id)
{
    return id == SL_TYPE_STRUCT || id == SL_TYPE_ARRAY || id == SL_TYPE_MAP;
}

const sl_type *sl_type_of(sl_type_id id)
{
    SL_ASSERT(id < SL_TYPE_COUNT && id != SL_TYPE_DECIMAL && !is_nested(id));
    return &scalars[id];
}

const sl_type *sl_type_struct(sl_arena *arena, const sl_field *fields, uint32_t count)
{
    sl_type *t = SL_ARENA_NEW(arena, sl_type);
    t->id = SL_TYPE_STRUCT;
    t->field_count = count;
    if (count != 0)
        t->fields = sl_arena_memdup(arena, fields, count * sizeof *fields);
    return t;
}

#define WINDOW_FIELDS(t)                                                                 \
    {                                                                                    \
        { .name = "start", .type = &scalars[t], .nullable = true },                      \
        {                                                                                \
            .name = "end", .type = &scalars[t], .nullable = true                         \
        }                                                                                \
    }

const sl_type *sl_type_window(const sl_type *time_type)
{
    static const sl_field fields[2] = WINDOW_FIELDS(SL_TYPE_TIMESTAMP);
    static const sl_field fields_ntz[2] = WINDOW_FIELDS(SL_TYPE_TIMESTAMP_NTZ);
    static const sl_type window = { .id = SL_TYPE_STRUCT,
                                    .field_count = 2,
                                    .fields = fields };
    static const sl_type window_ntz = { .id = SL_TYPE_STRUCT,
                                        .field_count = 2,
                                        .fields = fields_ntz };
    SL_ASSERT(time_type->id == SL_TYPE_TIMESTAMP ||
              time_type->id == SL_TYPE_TIMESTAMP_NTZ);
    return time_type->id == SL_TYPE_TIMESTAMP ? &window : &window_ntz;
}

bool sl_type_equal(const sl_type *a, const sl_type *b)
{
    if (a == b)
        return true;
    if (a->id != b->id || a->field_count != b->field_count)
        return false;
    if (a->id == SL_TYPE_DECIMAL)
        return a->precision == b->precision && a->scale == b->scale;
    for (uint32_t i = 0; i < a->field_count; i++) {
        if (a->id == SL_TYPE_STRUCT && strcmp(a->fields[i].name, b->fields[i].name) != 0)
            return false;
        if (!sl_type_equal(a->fields[i].type, b->fields[i].type))
            return false;
    }
    return true;
}

bool sl_type_is_integral(const sl_type *t)
{
    return t->id >= SL_TYPE_BYTE && t->id <= SL_TYPE_LONG;
}

bool sl_type_is_numeric(const sl_type *t)
{
    return t->id >= SL_TYPE_BYTE && t->id <= SL_TYPE_DECIMAL;
}

uint32_t sl_type_width(const sl_type *t)
{
    static const uint8_t widths[SL_TYPE_COUNT] = {
        [SL_TYPE_BYTE] = 1,
        [SL_TYPE_SHORT] = 2,
        [SL_TYPE_INT] = 4,
        [SL_TYPE_LONG] = 8,
        [SL_TYPE_FLOAT] = 4,
        [SL_TYPE_DOUBLE] = 8,
        [SL_TYPE_STRING] = 16,
        [SL_TYPE_BINARY] = 16,
        [SL_TYPE_DATE] = 4,
        [SL_TYPE_TIMESTAMP] = 8,
        [SL_TYPE_TIMESTAMP_NTZ] = 8,
        [SL_TYPE_INTERVAL_DAY_TIME] = 8,
        [SL_TYPE_INTERVAL_YEAR_MONTH] = 4,
    };
    return widths[t->id];
}

static int32_t found(uint32_t count, uint32_t at)
{
    return count == 0 ? -1 : count == 1 ? (int32_t)at : -2;
}

int32_t sl_schema_find(const sl_schema *s, const char *name)
{
    uint32_t exact = 0, exact_at = 0, loose = 0, loose_at = 0;
    for (uint32_t i = 0; i < s->field_count; i++) {
        if (strcmp(s->fields[i].name, name) == 0) {
            exact++;
            exact_at = i;
        } else if (sl_text_equal_nocase(s->fields[i].name, name)) {
            loose++;
            loose_at = i;
        }
    }
    return exact != 0 ? found(exact, exact_at) : found(loose, loose_at);
}

static const sl_field *copy_fields(const sl_field *fields, uint32_t count,
                                   sl_arena *arena)
{
    if (count == 0)
        return NULL;
    sl_field *copy = sl_arena_memdup(arena, fields, count * sizeof *fields);
    for (uint32_t i = 0; i < count; i++) {
        copy[i].name =
            fields[i].name != NULL ? sl_arena_strdup(arena, fields[i].name) : NULL;
        copy[i].type = sl_type_copy(fields[i].type, arena);
    }
    return copy;
}

const sl_type *sl_type_copy(const sl_type *t, sl_arena *arena)
{
    if (t->id != SL_TYPE_DECIMAL && !is_nested(t->id))
        return &scalars[t->id];
    sl_type *copy = sl_arena_memdup(arena, t, sizeof *t);
    copy->fields = copy_fields(t->fields, t->field_count, arena);
    return copy;
}

sl_schema *sl_schema_copy(const sl_schema *s, sl_arena *arena)
{
    sl_schema *copy = SL_ARENA_NEW(arena, sl_schema);
    copy->field_count = s->field_count;
    copy->fields = copy_fields(s->fields, s->field_count, arena);
    return copy;
}
