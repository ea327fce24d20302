/* Running a program over a chunk: one pass over the instructions, a register each. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "engine/expr/program_private.h"

struct sl_program_run {
    const sl_program *program; /* borrowed */
    sl_budget *budget;
    sl_register *registers;
    const sl_vector **operands; /* operand i of the program as a vector */
    const sl_eval_context *context;
    const sl_chunk *in;
    bool selection_ready; /* for this chunk */
    uint64_t selection[SL_CHUNK_ROWS_MAX / 64];
};

void sl_program_run_free(sl_program_run *r)
{
    if (r == NULL)
        return;
    for (uint32_t i = 0; i < r->program->instruction_count; i++)
        sl_register__deinit(&r->registers[i]);
    sl_free(r->registers);
    sl_free(r->operands);
    sl_free(r);
}

sl_code sl_program_run_new(const sl_program *p, sl_budget *budget, sl_program_run **ret,
                           sl_error *err)
{
    sl_program_run *r = sl_calloc(1, sizeof *r);
    r->program = p;
    r->budget = budget;
    r->registers = sl_calloc((size_t)p->instruction_count + 1, sizeof *r->registers);
    r->operands = sl_calloc((size_t)p->operand_count + 1, sizeof(sl_vector *));
    for (uint32_t i = 0; i < p->operand_count; i++)
        r->operands[i] = &r->registers[p->operands[i]].vector;
    sl_code code = SL_OK;
    for (uint32_t i = 0; i < p->instruction_count && code == SL_OK; i++) {
        const sl_instruction *ins = &p->instructions[i];
        sl_register *out = &r->registers[i];
        sl_register__init(
            out, ins->kind == SL_INS_MASK ? sl_type_of(SL_TYPE_BOOLEAN) : ins->expr->type,
            budget);
        if (ins->kind == SL_INS_LITERAL)
            code = sl_register__constant(out, &ins->expr->literal, err);
    }
    if (code != SL_OK) {
        sl_program_run_free(r);
        return code;
    }
    *ret = r;
    return SL_OK;
}

/* ---- errors ---- */

sl_code sl_call__fail(const sl_kernel_call *c, const char *condition,
                      const char *sqlstate, sl_error *err, const char *fmt, ...)
{
    char text[900];
    va_list list;
    va_start(list, fmt);
    vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    return sl_error__at(err, sl_fail_as(err, SL_EARITH, condition, sqlstate, "%s", text),
                        c->expr->pos);
}

sl_code sl_call__own_validity(sl_kernel_call *c, uint64_t **ret, sl_error *err)
{
    if (c->out->vector.validity != NULL) { /* the AND of the arguments is our own */
        *ret = (uint64_t *)(void *)c->out->validity->data;
        return SL_OK;
    }
    SL_TRY(sl_register__validity(c->out, c->rows, ret, err));
    memset(*ret, 0xff, sl_bitmap_words(c->rows) * 8);
    return SL_OK;
}

/* ---- masks ---- */

/* The rows of a mask: NULL = all. The selection becomes a bitmap when first asked for. */
static const uint64_t *rows_of_mask(sl_program_run *r, uint32_t mask)
{
    if (mask != 0)
        return r->registers[mask - 1].vector.values;
    const sl_chunk *in = r->in;
    if (in->selection == NULL)
        return NULL;
    if (!r->selection_ready) {
        memset(r->selection, 0, sl_bitmap_words(in->row_count) * 8);
        for (uint32_t i = 0; i < in->selected; i++)
            sl_bitmap_set(r->selection, in->selection[i]);
        r->selection_ready = true;
    }
    return r->selection;
}

static bool mask_is_empty(sl_program_run *r, uint32_t mask)
{
    if (mask == 0)
        return r->in->selected == 0;
    const uint64_t *bits = r->registers[mask - 1].vector.values;
    sl_rows rows = sl_rows__of(bits, NULL, r->in->row_count);
    uint32_t row;
    return !sl_rows__next(&rows, &row);
}

static sl_code run_mask(sl_program_run *r, const sl_instruction *ins, sl_register *out,
                        sl_error *err)
{
    void *p;
    sl_register__reset(out);
    SL_TRY(sl_register__values(out, r->in->row_count, &p, err));
    uint64_t *bits = p;
    const sl_vector *by = r->operands[ins->operand];
    const uint64_t *parent = rows_of_mask(r, ins->mask);
    const uint64_t *values = by->type->id == SL_TYPE_BOOLEAN ? by->values : sl_bits__none;
    for (size_t w = 0; w < sl_bitmap_words(r->in->row_count); w++) {
        uint64_t valid = by->type->id == SL_TYPE_VOID ? 0 : sl_vector__valid_word(by, w);
        uint64_t keep = 0;
        switch (ins->mask_kind) {
        case SL_MASK_TRUE:
            keep = valid & values[w];
            break;
        case SL_MASK_NOT_TRUE:
            keep = ~(valid & values[w]);
            break;
        case SL_MASK_NOT_FALSE:
            keep = ~(valid & ~values[w]);
            break;
        case SL_MASK_NULL:
            keep = ~valid;
            break;
        }
        bits[w] = parent != NULL ? parent[w] & keep : keep;
    }
    return SL_OK;
}

/* ---- calls ---- */

/* A strict function's result is null where an argument is. */
static sl_code and_validity(sl_kernel_call *c, sl_error *err)
{
    uint64_t *out = NULL;
    size_t words = sl_bitmap_words(c->rows);
    for (uint32_t i = 0; i < c->arg_count; i++) {
        const sl_vector *v = c->args[i];
        const uint64_t *valid = v->type->id == SL_TYPE_VOID ? sl_bits__none : v->validity;
        if (valid == NULL)
            continue;
        if (out == NULL) {
            SL_TRY(sl_register__validity(c->out, c->rows, &out, err));
            memcpy(out, valid, words * 8);
            continue;
        }
        for (size_t w = 0; w < words; w++)
            out[w] &= valid[w];
    }
    return SL_OK;
}

/* Bit 0 of a one-row bitmap for every row. */
static const uint64_t *spread_bit(const uint64_t *bits)
{
    if (bits == NULL)
        return NULL;
    return bits[0] & 1 ? sl_bits__all : sl_bits__none;
}

/* The result was computed for one row: let it stand for all. */
static void make_constant(sl_vector *v)
{
    v->is_constant = true;
    v->validity =
        v->validity != NULL && (v->validity[0] & 1) ? NULL : spread_bit(v->validity);
    if (v->type->id == SL_TYPE_BOOLEAN)
        v->values = spread_bit(v->values);
}

static bool is_constant_call(const sl_kernel_call *c)
{
    if ((c->expr->function->flags & SL_FN_RANDOM) != 0 ||
        c->expr->type->id == SL_TYPE_STRUCT)
        return false;
    for (uint32_t i = 0; i < c->arg_count; i++) {
        if (!c->args[i]->is_constant)
            return false;
    }
    return true;
}

static sl_code run_call(sl_program_run *r, const sl_instruction *ins, sl_register *out,
                        sl_error *err)
{
    const sl_function *f = ins->expr->function;
    sl_kernel_call c = { .expr = ins->expr,
                         .args = r->operands + ins->operand,
                         .arg_count = ins->operand_count,
                         .out = out,
                         .rows = r->in->row_count,
                         .context = r->context };
    sl_register__reset(out);
    bool once = is_constant_call(&c);
    if (once && mask_is_empty(r, ins->mask)) {
        sl_value null = { .type = ins->expr->type, .is_null = true };
        return sl_register__constant(out, &null, err);
    }
    if (once)
        c.rows = 1;
    else
        c.active = rows_of_mask(r, ins->mask);
    if ((f->flags & SL_FN_STRICT) != 0)
        SL_TRY(and_validity(&c, err));
    SL_TRY(f->kernel(&c, err));
    if (once)
        make_constant(&out->vector);
    return SL_OK;
}

static sl_code load_column(sl_program_run *r, const sl_expr *e, sl_register *out,
                           sl_error *err)
{
    if (e->column >= r->in->column_count ||
        !sl_type_equal(r->in->columns[e->column].type, e->type))
        return sl_fail(err, SL_EINTERNAL,
                       "the expression reads column %u as %s, which the input of %u "
                       "columns does not have",
                       e->column, sl_type_tree_name(e->type), r->in->column_count);
    sl_register__bind(out, &r->in->columns[e->column]);
    return SL_OK;
}

static sl_code run_all(sl_program_run *r, const sl_eval_context *context,
                       const sl_chunk *in, sl_error *err)
{
    const sl_program *p = r->program;
    r->context = context;
    r->in = in;
    r->selection_ready = false;
    for (uint32_t i = 0; i < p->instruction_count; i++) {
        const sl_instruction *ins = &p->instructions[i];
        sl_register *out = &r->registers[i];
        if (ins->kind == SL_INS_CALL)
            SL_TRY(run_call(r, ins, out, err));
        else if (ins->kind == SL_INS_COLUMN)
            SL_TRY(load_column(r, ins->expr, out, err));
        else if (ins->kind == SL_INS_MASK)
            SL_TRY(run_mask(r, ins, out, err));
    }
    return SL_OK;
}

sl_code sl_program_eval(sl_program_run *r, const sl_eval_context *context,
                        const sl_chunk *in, sl_column *ret_columns, sl_error *err)
{
    SL_TRY(run_all(r, context, in, err));
    const sl_program *p = r->program;
    for (uint32_t i = 0; i < p->result_count; i++) {
        const sl_instruction *ins = &p->instructions[p->results[i]];
        sl_code code = SL_OK;
        if (ins->kind == SL_INS_COLUMN)
            sl_column_ref(&in->columns[ins->expr->column], &ret_columns[i]);
        else
            code = sl_vector__to_column(&r->registers[p->results[i]].vector,
                                        in->row_count, r->budget, &ret_columns[i], err);
        if (code != SL_OK) {
            while (i-- > 0)
                sl_column_release(&ret_columns[i]);
            return code;
        }
    }
    return SL_OK;
}

static uint32_t rows_of_bits(const uint64_t *values, const sl_vector *v, uint32_t rows,
                             uint16_t *ret_rows)
{
    uint32_t count = 0;
    for (uint32_t base = 0; base < rows; base += 64) {
        uint64_t word = values[base / 64] & sl_vector__valid_word(v, base / 64);
        if (rows - base < 64)
            word &= (UINT64_C(1) << (rows - base)) - 1;
        for (; word != 0; word &= word - 1)
            ret_rows[count++] = (uint16_t)(base + (uint32_t)__builtin_ctzll(word));
    }
    return count;
}

static uint32_t rows_of_selection(const uint64_t *values, const sl_vector *v,
                                  const sl_chunk *in, uint16_t *ret_rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < in->selected; i++) {
        uint16_t row = in->selection[i];
        ret_rows[count] = row; /* kept if the bit is set: no branch to mispredict */
        count += sl_bitmap_get(values, row) &&
                 (v->validity == NULL || sl_bitmap_get(v->validity, row));
    }
    return count;
}

sl_code sl_program_filter(sl_program_run *r, const sl_eval_context *context,
                          const sl_chunk *in, uint16_t *ret_rows, uint32_t *ret_count,
                          sl_error *err)
{
    SL_ASSERT(r->program->result_count == 1);
    SL_TRY(run_all(r, context, in, err));
    const sl_vector *v = &r->registers[r->program->results[0]].vector;
    if (v->type->id != SL_TYPE_BOOLEAN)
        return sl_fail(err, SL_EINTERNAL, "a filter of type %s",
                       sl_type_tree_name(v->type));
    *ret_count = in->selection == NULL
                     ? rows_of_bits(v->values, v, in->row_count, ret_rows)
                     : rows_of_selection(v->values, v, in, ret_rows);
    return SL_OK;
}

/* ---- one constant ---- */

static void value_of_row(const sl_column *c, sl_arena *arena, sl_value *ret)
{
    *ret = (sl_value){ .type = c->type, .is_null = !sl_column_is_valid(c, 0) };
    if (ret->is_null)
        return;
    switch (sl_storage__of(c->type)) {
    case SL_I8:
        ret->i64 = *(const int8_t *)c->values;
        break;
    case SL_I16:
        ret->i64 = *(const int16_t *)c->values;
        break;
    case SL_I32:
        ret->i64 = *sl_column_i32(c);
        break;
    case SL_I64:
        ret->i64 = *sl_column_i64(c);
        break;
    case SL_F32:
        ret->f64 = (double)*(const float *)c->values;
        break;
    case SL_F64:
        ret->f64 = *sl_column_f64(c);
        break;
    case SL_BITS:
        ret->i64 = sl_bitmap_get(c->values, 0);
        break;
    case SL_TEXT:
        ret->length = sl_column_strings(c)->length;
        ret->text =
            sl_arena_strndup(arena, sl_string_data(sl_column_strings(c)), ret->length);
        break;
    default:
        break;
    }
}

sl_code sl_expr_evaluate(const sl_expr *e, const sl_eval_context *context,
                         sl_arena *arena, sl_value *ret, sl_error *err)
{
    sl_program *p = NULL;
    sl_program_run *r = NULL;
    sl_column column = { 0 };
    sl_chunk *one_row = NULL;
    sl_code code = sl_program_compile(&e, 1, &p, err);
    if (code != SL_OK)
        return code;
    SL_TRY_GOTO(sl_program_run_new(p, NULL, &r, err), out);
    one_row = sl_chunk_new(0, 1);
    SL_TRY_GOTO(sl_program_eval(r, context, one_row, &column, err), out);
    value_of_row(&column, arena, ret);

out:
    sl_column_release(&column);
    sl_chunk_unref(one_row);
    sl_program_run_free(r);
    sl_program_free(p);
    return code;
}
