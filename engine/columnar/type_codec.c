/* Fragment bytes of a type:
 *   u8 id | DECIMAL: u8 precision, u8 scale | STRUCT, ARRAY, MAP: u32 count, fields
 * a field: string name | u8 flags (1 nullable, 2 is_window, 4 has_watermark)
 *          | with a watermark: i64 delay_us, u32 id | type
 * a schema: u32 count, fields. */
#include "engine/columnar/type.h"

#include <string.h>

#include "base/limits.h"

enum { FLAG_NULLABLE = 1, FLAG_WINDOW = 2, FLAG_WATERMARK = 4, FLAGS_ALL = 7 };

#define FIELD_BYTES_MIN 6 /* name length, flags, type id */

static void write_fields(const sl_field *fields, uint32_t count, sl_bytes *out)
{
    sl_bytes_u32(out, count);
    for (uint32_t i = 0; i < count; i++) {
        const sl_field *f = &fields[i];
        sl_bytes_string(out, f->name != NULL ? f->name : "");
        sl_bytes_u8(out, (uint8_t)((f->nullable ? FLAG_NULLABLE : 0) |
                                   (f->is_window ? FLAG_WINDOW : 0) |
                                   (f->has_watermark ? FLAG_WATERMARK : 0)));
        if (f->has_watermark) {
            sl_bytes_i64(out, f->watermark_delay_us);
            sl_bytes_u32(out, f->watermark_id);
        }
        sl_type_write(f->type, out);
    }
}

void sl_type_write(const sl_type *t, sl_bytes *out)
{
    sl_bytes_u8(out, (uint8_t)t->id);
    if (t->id == SL_TYPE_DECIMAL) {
        sl_bytes_u8(out, t->precision);
        sl_bytes_u8(out, t->scale);
    } else if (t->id >= SL_TYPE_STRUCT) {
        write_fields(t->fields, t->field_count, out);
    }
}

void sl_schema_write(const sl_schema *s, sl_bytes *out)
{
    write_fields(s->fields, s->field_count, out);
}

static sl_code read_type(sl_reader *r, uint32_t depth, sl_arena *arena,
                         const sl_type **ret, sl_error *err);

static sl_code read_field(sl_reader *r, uint32_t depth, sl_arena *arena, sl_field *ret,
                          sl_error *err)
{
    ret->name = sl_read_string(r, arena);
    uint8_t flags = sl_read_u8(r);
    if (ret->name == NULL || (flags & ~FLAGS_ALL) != 0)
        return sl_fail(err, SL_ECORRUPT,
                       "type: a field at byte %zu has no name or flags 0x%x", r->at,
                       flags);
    ret->nullable = (flags & FLAG_NULLABLE) != 0;
    ret->is_window = (flags & FLAG_WINDOW) != 0;
    ret->has_watermark = (flags & FLAG_WATERMARK) != 0;
    if (ret->has_watermark) {
        ret->watermark_delay_us = sl_read_i64(r);
        ret->watermark_id = sl_read_u32(r);
    }
    return read_type(r, depth, arena, &ret->type, err);
}

static sl_code read_fields(sl_reader *r, uint32_t depth, sl_arena *arena,
                           const sl_field **ret, uint32_t *ret_count, sl_error *err)
{
    uint32_t count = sl_read_count(r, FIELD_BYTES_MIN);
    if (r->failed || count > SL_COLUMNS_MAX)
        return sl_fail(err, SL_ECORRUPT, "type: bad field count at byte %zu", r->at);
    sl_field *fields = count != 0 ? SL_ARENA_ARRAY(arena, sl_field, count) : NULL;
    for (uint32_t i = 0; i < count; i++)
        SL_TRY(read_field(r, depth, arena, &fields[i], err));
    *ret = fields;
    *ret_count = count;
    return SL_OK;
}

static sl_code read_type(sl_reader *r, uint32_t depth, sl_arena *arena,
                         const sl_type **ret, sl_error *err)
{
    if (depth > SL_TYPE_DEPTH_MAX)
        return sl_fail(err, SL_ECORRUPT, "type: nested deeper than %d",
                       SL_TYPE_DEPTH_MAX);
    uint8_t id = sl_read_u8(r);
    if (r->failed || id >= SL_TYPE_COUNT)
        return sl_fail(err, SL_ECORRUPT, "type: cut short or unknown id %u at byte %zu",
                       id, r->at);
    if (id != SL_TYPE_DECIMAL && id < SL_TYPE_STRUCT) {
        *ret = sl_type_of((sl_type_id)id);
        return SL_OK;
    }

    sl_type t = { .id = (sl_type_id)id };
    if (id == SL_TYPE_DECIMAL) {
        t.precision = sl_read_u8(r);
        t.scale = sl_read_u8(r);
    } else {
        SL_TRY(read_fields(r, depth + 1, arena, &t.fields, &t.field_count, err));
    }
    bool fits = id == SL_TYPE_DECIMAL ? t.precision <= 38 && t.scale <= t.precision
                : id == SL_TYPE_ARRAY ? t.field_count == 1
                : id == SL_TYPE_MAP   ? t.field_count == 2
                                      : true;
    if (r->failed || !fits)
        return sl_fail(err, SL_ECORRUPT, "type: bad parameters of type id %u at byte %zu",
                       id, r->at);
    *ret = sl_arena_memdup(arena, &t, sizeof t);
    return SL_OK;
}

sl_code sl_type_read(sl_reader *r, sl_arena *arena, const sl_type **ret, sl_error *err)
{
    return read_type(r, 1, arena, ret, err);
}

sl_code sl_schema_read(sl_reader *r, sl_arena *arena, sl_schema **ret, sl_error *err)
{
    sl_schema s = { 0 };
    SL_TRY(read_fields(r, 1, arena, &s.fields, &s.field_count, err));
    *ret = sl_arena_memdup(arena, &s, sizeof s);
    return SL_OK;
}
