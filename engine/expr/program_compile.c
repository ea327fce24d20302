/* From trees to a list of instructions.
 *
 * Equal subexpressions share a register when the earlier one was computed for at least
 * the rows the later one needs: its mask is an ancestor of the later mask. Expressions
 * that cannot fail are computed under mask 0 always, since more rows do no harm. */
#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "engine/expr/program_private.h"

#define INSTRUCTIONS_MAX (1u << 20)

typedef struct compiler {
    sl_program *p;
    uint32_t instruction_capacity, operand_capacity;
    uint64_t *hashes;  /* of each instruction's expression */
    uint32_t *buckets; /* heads of chains, instruction + 1 */
    uint32_t *next;    /* chain */
    uint32_t bucket_count;
} compiler;

static sl_code emit(compiler *c, sl_instruction ins, uint32_t *ret, sl_error *err)
{
    sl_program *p = c->p;
    if (p->instruction_count == INSTRUCTIONS_MAX)
        return sl_fail(err, SL_ELIMIT, "expressions of more than %u instructions",
                       INSTRUCTIONS_MAX);
    if (p->instruction_count == c->instruction_capacity) {
        c->instruction_capacity =
            c->instruction_capacity ? 2 * c->instruction_capacity : 32;
        p->instructions = sl_realloc(p->instructions,
                                     c->instruction_capacity * sizeof *p->instructions);
        c->hashes = sl_realloc(c->hashes, c->instruction_capacity * sizeof *c->hashes);
        c->next = sl_realloc(c->next, c->instruction_capacity * sizeof *c->next);
    }
    c->hashes[p->instruction_count] = 0;
    c->next[p->instruction_count] = 0;
    *ret = p->instruction_count;
    p->instructions[p->instruction_count++] = ins;
    return SL_OK;
}

static uint32_t add_operands(compiler *c, const uint32_t *registers, uint32_t count)
{
    sl_program *p = c->p;
    while (p->operand_count + count > c->operand_capacity) {
        c->operand_capacity = c->operand_capacity != 0 ? 2 * c->operand_capacity : 64;
        p->operands = sl_realloc(p->operands, c->operand_capacity * sizeof *p->operands);
    }
    uint32_t at = p->operand_count;
    for (uint32_t i = 0; i < count; i++)
        p->operands[p->operand_count++] = registers[i];
    return at;
}

/* ---- sharing ---- */

static uint64_t hash_expr(const sl_expr *e)
{
    uint64_t h = sl_hash_mix((uint64_t)e->kind, (uint64_t)e->type->id);
    if (e->kind == SL_EXPR_COLUMN)
        return sl_hash_mix(h, e->column);
    if (e->kind == SL_EXPR_LITERAL) {
        if (e->type->id == SL_TYPE_STRING && !e->literal.is_null)
            return sl_hash_mix(h, sl_hash64(e->literal.text, e->literal.length));
        return sl_hash_mix(h, (uint64_t)e->literal.i64);
    }
    h = sl_hash_mix(h, sl_hash64(e->function->name, strlen(e->function->name)));
    for (uint32_t i = 0; i < e->arg_count; i++) /* shallow: depth is checked by equal */
        h = sl_hash_mix(h, e->args[i]->kind == SL_EXPR_COLUMN ? e->args[i]->column
                                                              : e->args[i]->size);
    return h;
}

static bool mask_covers(const sl_program *p, uint32_t wide, uint32_t mask)
{
    while (mask != wide && mask != 0)
        mask = p->instructions[mask - 1].mask;
    return mask == wide;
}

static bool find_shared(compiler *c, const sl_expr *e, uint64_t hash, uint32_t mask,
                        uint32_t *ret)
{
    for (uint32_t i = c->buckets[hash % c->bucket_count]; i != 0; i = c->next[i - 1]) {
        const sl_instruction *ins = &c->p->instructions[i - 1];
        if (c->hashes[i - 1] == hash && mask_covers(c->p, ins->mask, mask) &&
            (e->is_random ? ins->expr == e : sl_expr_equal(ins->expr, e))) {
            *ret = i - 1;
            return true;
        }
    }
    return false;
}

static void remember(compiler *c, uint32_t instruction, uint64_t hash)
{
    uint32_t *head = &c->buckets[hash % c->bucket_count];
    c->hashes[instruction] = hash;
    c->next[instruction] = *head;
    *head = instruction + 1;
}

/* ---- expressions ---- */

static sl_code compile(compiler *c, const sl_expr *e, uint32_t mask, uint32_t *ret,
                       sl_error *err);

static sl_code narrow(compiler *c, uint32_t parent, sl_mask_kind kind, uint32_t by,
                      uint32_t *ret, sl_error *err)
{
    sl_instruction ins = { .kind = SL_INS_MASK,
                           .mask_kind = kind,
                           .mask = parent,
                           .operand = add_operands(c, &by, 1),
                           .operand_count = 1 };
    uint32_t at;
    SL_TRY(emit(c, ins, &at, err));
    *ret = at + 1;
    return SL_OK;
}

/* Arguments of AND, OR, COALESCE: each is evaluated only where those before it have not
 * decided. */
static sl_code compile_lazy(compiler *c, const sl_expr *e, uint32_t mask,
                            sl_mask_kind undecided, uint32_t *registers, sl_error *err)
{
    uint32_t last_failing = 0;
    for (uint32_t i = 1; i < e->arg_count; i++) {
        if (e->args[i]->can_fail)
            last_failing = i;
    }
    for (uint32_t i = 0; i < e->arg_count; i++) {
        SL_TRY(compile(c, e->args[i], mask, &registers[i], err));
        if (i < last_failing)
            SL_TRY(narrow(c, mask, undecided, registers[i], &mask, err));
    }
    return SL_OK;
}

static sl_code compile_case(compiler *c, const sl_expr *e, uint32_t mask,
                            uint32_t *registers, sl_error *err)
{
    uint32_t i = 0, taken;
    for (; i + 1 < e->arg_count; i += 2) {
        SL_TRY(compile(c, e->args[i], mask, &registers[i], err));
        taken = mask;
        if (e->args[i + 1]->can_fail)
            SL_TRY(narrow(c, mask, SL_MASK_TRUE, registers[i], &taken, err));
        SL_TRY(compile(c, e->args[i + 1], taken, &registers[i + 1], err));
        bool more = false;
        for (uint32_t k = i + 2; k < e->arg_count; k++)
            more = more || e->args[k]->can_fail;
        if (more)
            SL_TRY(narrow(c, mask, SL_MASK_NOT_TRUE, registers[i], &mask, err));
    }
    if (i < e->arg_count)
        SL_TRY(compile(c, e->args[i], mask, &registers[i], err));
    return SL_OK;
}

static sl_code compile_arguments(compiler *c, const sl_expr *e, uint32_t mask,
                                 uint32_t *registers, sl_error *err)
{
    if (sl_expr__is_call(e, SL_F_CASE))
        return compile_case(c, e, mask, registers, err);
    if (sl_expr__is_call(e, SL_F_AND))
        return compile_lazy(c, e, mask, SL_MASK_NOT_FALSE, registers, err);
    if (sl_expr__is_call(e, SL_F_OR))
        return compile_lazy(c, e, mask, SL_MASK_NOT_TRUE, registers, err);
    if (sl_expr__is_call(e, SL_F_COALESCE))
        return compile_lazy(c, e, mask, SL_MASK_NULL, registers, err);
    for (uint32_t i = 0; i < e->arg_count; i++)
        SL_TRY(compile(c, e->args[i], mask, &registers[i], err));
    return SL_OK;
}

static sl_code compile(compiler *c, const sl_expr *e, uint32_t mask, uint32_t *ret,
                       sl_error *err)
{
    if (mask != 0 && !e->can_fail)
        mask = 0;
    uint64_t hash = hash_expr(e);
    if (find_shared(c, e, hash, mask, ret))
        return SL_OK;

    sl_instruction ins = { .kind = e->kind == SL_EXPR_COLUMN    ? SL_INS_COLUMN
                                   : e->kind == SL_EXPR_LITERAL ? SL_INS_LITERAL
                                                                : SL_INS_CALL,
                           .mask = mask,
                           .expr = e,
                           .operand_count = e->arg_count };
    if (e->arg_count != 0) {
        uint32_t *registers = sl_alloc(e->arg_count * sizeof *registers);
        sl_code code = compile_arguments(c, e, mask, registers, err);
        if (code == SL_OK)
            ins.operand = add_operands(c, registers, e->arg_count);
        sl_free(registers);
        SL_TRY(code);
    }
    SL_TRY(emit(c, ins, ret, err));
    remember(c, *ret, hash);
    return SL_OK;
}

sl_code sl_program_compile(const sl_expr *const *exprs, uint32_t count, sl_program **ret,
                           sl_error *err)
{
    sl_program *p = sl_calloc(1, sizeof *p);
    uint64_t nodes = 16;
    for (uint32_t i = 0; i < count; i++)
        nodes += exprs[i]->size;
    compiler c = { .p = p, .bucket_count = nodes < 65536 ? (uint32_t)nodes : 65536 };
    c.buckets = sl_calloc(c.bucket_count, sizeof *c.buckets);
    p->results = sl_calloc((size_t)count + 1, sizeof *p->results);
    p->result_count = count;
    sl_code code = SL_OK;
    for (uint32_t i = 0; i < count && code == SL_OK; i++)
        code = compile(&c, exprs[i], 0, &p->results[i], err);
    sl_free(c.buckets);
    sl_free(c.hashes);
    sl_free(c.next);
    if (code != SL_OK) {
        sl_program_free(p);
        return code;
    }
    *ret = p;
    return SL_OK;
}

void sl_program_free(sl_program *p)
{
    if (p == NULL)
        return;
    sl_free(p->instructions);
    sl_free(p->operands);
    sl_free(p->results);
    sl_free(p);
}
