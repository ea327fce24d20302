/* min and max of structs; min_by(x, y) and max_by(x, y), which are the x of the least or
 * largest <y, x> with a y.
 *
 * State: a blob with the bytes of row_key.h, whose order is that of the rows. Buffer:
 * those bytes as BINARY, null if there was no value. */
#include "base/alloc.h"
#include "engine/columnar/row_key.h"
#include "engine/expr/aggregate_private.h"

static bool wants_max(const sl_agg *a)
{
    return a->name[1] == 'a'; /* max, max_by */
}

static bool is_by(const sl_agg *a)
{
    return a->result_type != a->arg->type;
}

/* Keep the bytes if they are better than those of slot i. */
static sl_code offer(const sl_agg_call *c, uint32_t i, const uint8_t *data,
                     uint32_t length, sl_error *err)
{
    sl_agg_blob blob;
    memcpy(&blob, c->slots[i] + c->agg->blob_offset, sizeof blob);
    if (blob.length_plus_1 != 0) {
        uint32_t old = (uint32_t)blob.length_plus_1 - 1;
        int order = memcmp(data, blob.data, length < old ? length : old);
        if (order == 0)
            order = length < old ? -1 : length > old;
        if (wants_max(c->agg) ? order <= 0 : order >= 0)
            return SL_OK;
    }
    return c->set_blob(c->user, c->slots[i], c->agg->blob_offset, data, length, err);
}

static sl_code update(const sl_agg_call *c, sl_error *err)
{
    sl_row_keys keys = { 0 };
    const sl_column *column = c->column;
    sl_code code = sl_row_keys_encode(&keys, &column, 1, c->selection, c->n, err);
    for (uint32_t i = 0; i < c->n && code == SL_OK; i++) {
        uint32_t from = keys.offsets[i], to = keys.offsets[i + 1];
        if (sl_column_is_valid(column, sl_agg__row(c, i)))
            code = offer(c, i, keys.data + from, to - from, err);
    }
    sl_row_keys_deinit(&keys);
    return code;
}

static sl_code merge(const sl_agg_call *c, sl_error *err)
{
    const sl_string_view *values = c->column->values;
    for (uint32_t i = 0; i < c->n; i++) {
        if (sl_column_is_valid(c->column, i))
            SL_TRY(offer(c, i, (const uint8_t *)sl_string_data(&values[i]),
                         values[i].length, err));
    }
    return SL_OK;
}

static sl_span bytes_of(const sl_agg_call *c, uint32_t i)
{
    sl_agg_blob blob;
    memcpy(&blob, c->slots[i] + c->agg->blob_offset, sizeof blob);
    return blob.length_plus_1 == 0
               ? (sl_span){ 0 }
               : sl_span_of(blob.data, (size_t)blob.length_plus_1 - 1);
}

static sl_code partial(const sl_agg_call *c, sl_error *err)
{
    sl_column_builder b;
    SL_TRY(sl_column_builder_init(&b, c->agg->buffer_types[0], c->n, c->budget, err));
    for (uint32_t i = 0; i < c->n; i++) {
        sl_span bytes = bytes_of(c, i);
        sl_code code = bytes.data == NULL
                           ? sl_column_builder_null(&b, err)
                           : sl_column_builder_string(&b, (const char *)bytes.data,
                                                      (uint32_t)bytes.size_bytes, err);
        if (code != SL_OK) {
            sl_column_builder_deinit(&b);
            return code;
        }
    }
    sl_column_builder_finish(&b, c->ret);
    return SL_OK;
}

/* One row: the struct, or behind its mark <y, x>, of which y goes. */
static sl_code put_row(const sl_agg_call *c, uint32_t i, sl_column_builder *out,
                       sl_column_builder *ignored, sl_error *err)
{
    static const int64_t no_windows[2];
    sl_span bytes = bytes_of(c, i);
    const sl_type *type = c->agg->arg->type;
    if (bytes.data == NULL)
        return sl_column_builder_null(out, err);
    if (!is_by(c->agg))
        return sl_row_keys_decode(&bytes, 1, &type, no_windows, 1, out, err);
    bytes.data++; /* the mark of a struct that is not null */
    bytes.size_bytes--;
    const sl_type *types[2] = { type->fields[0].type, type->fields[1].type };
    sl_column_builder both[2] = { *ignored, *out };
    sl_code code = sl_row_keys_decode(&bytes, 1, types, no_windows, 2, both, err);
    *ignored = both[0];
    *out = both[1];
    return code;
}

static sl_code result(const sl_agg_call *c, sl_error *err)
{
    sl_column_builder out, ignored = { 0 };
    SL_TRY(sl_column_builder_init(&out, c->agg->result_type, c->n, c->budget, err));
    sl_code code = SL_OK;
    if (is_by(c->agg))
        code = sl_column_builder_init(&ignored, c->agg->arg->type->fields[0].type, c->n,
                                      c->budget, err);
    for (uint32_t i = 0; i < c->n && code == SL_OK; i++)
        code = put_row(c, i, &out, &ignored, err);
    if (is_by(c->agg))
        sl_column_builder_deinit(&ignored);
    if (code != SL_OK) {
        sl_column_builder_deinit(&out);
        return code;
    }
    sl_column_builder_finish(&out, c->ret);
    return SL_OK;
}

/* ---- types ---- */

void sl_agg__over_struct(sl_agg *a, const sl_expr *arg, const sl_type *result_type)
{
    a->arg = arg;
    a->result_type = result_type;
    a->result_nullable = true;
    a->state_width = 16;
    a->has_blob = true;
    a->buffer_count = 1;
    a->buffer_types[0] = sl_type_of(SL_TYPE_BINARY);
}

/* if(y is null, null, named_struct('by', y, 'value', x)); read back from a fragment it is
 * the only argument. */
static sl_code resolve_by(sl_call_site *s, sl_agg *a, sl_error *err)
{
    const sl_type *t = s->args[0]->type;
    if (s->arg_count == 1) {
        bool ours = t->id == SL_TYPE_STRUCT && t->field_count == 2 &&
                    strcmp(t->fields[0].name, "by") == 0 &&
                    strcmp(t->fields[1].name, "value") == 0;
        if (!ours)
            return sl_fail_as(
                err, SL_EANALYSIS, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                "The `%s` requires 2 parameters but the actual number is 1.", s->name);
        sl_agg__over_struct(a, s->args[0], t->fields[1].type);
        return SL_OK;
    }
    const sl_type *by = s->args[1]->type;
    if (!sl_type__is_ordered(by) || !sl_type__is_ordered(t))
        return sl_coerce__mismatch(
            s, "INVALID_ORDERING_TYPE", err,
            "The `%s` does not support ordering on type \"%s\".", s->name,
            sl_type__name(s->arena, sl_type__is_ordered(by) ? t : by));
    sl_value names[2] = {
        { .type = sl_type_of(SL_TYPE_STRING), .text = "by", .length = 2 },
        { .type = sl_type_of(SL_TYPE_STRING), .text = "value", .length = 5 }
    };
    const sl_expr *pair[4] = { sl_expr_literal(s->arena, &names[0], NULL, s->pos),
                               s->args[1],
                               sl_expr_literal(s->arena, &names[1], NULL, s->pos),
                               s->args[0] };
    const sl_expr *choice[3], *arg;
    SL_TRY(sl_expr__call_id(s->arena, SL_F_IS_NOT_NULL, &s->args[1], 1, s->pos,
                            &choice[0], err));
    SL_TRY(
        sl_expr__call_id(s->arena, SL_F_NAMED_STRUCT, pair, 4, s->pos, &choice[1], err));
    choice[2] = sl_expr__null(s->arena, sl_type_of(SL_TYPE_VOID), s->pos);
    SL_TRY(sl_expr__call_id(s->arena, SL_F_IF, choice, 3, s->pos, &arg, err));
    sl_agg__over_struct(a, arg, t);
    return SL_OK;
}

static sl_code resolve_extreme(sl_call_site *s, sl_agg *a, sl_error *err)
{
    sl_agg__over_struct(a, s->args[0], s->args[0]->type);
    (void)err;
    return SL_OK;
}

/* Chosen by the resolver of min and max for structs. */
const sl_agg_class sl_agg__class_min_struct = { "min",           1,      1,       "",
                                                resolve_extreme, update, partial, merge,
                                                result };
const sl_agg_class sl_agg__class_max_struct = { "max",           1,      1,       "",
                                                resolve_extreme, update, partial, merge,
                                                result };

const sl_agg_class sl_agg__classes_by[2] = {
    { "min_by", 1, 2, "min_by(x, y): x of the row with the least y", resolve_by, update,
      partial, merge, result },
    { "max_by", 1, 2, "max_by(x, y): x of the row with the largest y", resolve_by, update,
      partial, merge, result },
};
