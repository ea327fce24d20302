/* a IN (b, c, ...): true if equal to one; else null if a or one of the others is null.
 *
 * A list of more than a few constants is put into a hash set once, kept with the result's
 * register, so that a row costs one look-up however long the list is; shorter ones are
 * compared one after another, vector by vector. */
#include "base/alloc.h"
#include "base/hash.h"
#include "engine/expr/kernels_compare_private.h"

#define SET_LEAST 8 /* constants from which a look-up is cheaper than comparisons */

/* Open addressing over the constants; items hold 1 + the argument's number. */
typedef struct sl_in_set {
    uint64_t mask;
    bool has_null;
    uint32_t *items;
    uint64_t *hashes;
} sl_in_set;

void sl_in_set__free(void *set)
{
    sl_in_set *s = set;
    if (s == NULL)
        return;
    sl_free(s->items);
    sl_free(s->hashes);
    sl_free(s);
}

static uint64_t mix(uint64_t v)
{
    v ^= v >> 32;
    v *= UINT64_C(0xd6e8feb86659fd93);
    v ^= v >> 32;
    v *= UINT64_C(0xd6e8feb86659fd93);
    return v ^ (v >> 32);
}

/* Equal values have equal hashes: -0.0 is 0.0, every NaN is one. */
static uint64_t hash_real(double v)
{
    uint64_t bits;
    v = v != v ? (double)__builtin_nan("") : v + 0.0;
    memcpy(&bits, &v, sizeof bits);
    return mix(bits);
}

static uint64_t hash_row(const sl_vector *v, uint32_t row)
{
    size_t at = (size_t)row * sl_vector__stride(v);
    switch (sl_storage__of(v->type)) {
    case SL_I8:
        return mix((uint64_t)SL_VALUES(int8_t, v)[at]);
    case SL_I16:
        return mix((uint64_t)SL_VALUES(int16_t, v)[at]);
    case SL_I32:
        return mix((uint64_t)SL_VALUES(int32_t, v)[at]);
    case SL_I64:
        return mix((uint64_t)SL_VALUES(int64_t, v)[at]);
    case SL_F32:
        return hash_real((double)SL_VALUES(float, v)[at]);
    case SL_F64:
        return hash_real(SL_VALUES(double, v)[at]);
    default: {
        const sl_string_view *text = &SL_VALUES(sl_string_view, v)[at];
        return sl_hash64(sl_string_data(text), text->length);
    }
    }
}

static bool is_hashed(const sl_vector *v)
{
    return sl_storage__of(v->type) <= SL_F64 || sl_storage__of(v->type) == SL_TEXT;
}

static sl_in_set *make_set(const sl_kernel_call *c)
{
    sl_in_set *s = sl_calloc(1, sizeof *s);
    s->mask = 15;
    while (s->mask < 2 * (uint64_t)c->arg_count)
        s->mask = 2 * s->mask + 1;
    s->items = sl_calloc(s->mask + 1, sizeof *s->items);
    s->hashes = sl_calloc(s->mask + 1, sizeof *s->hashes);
    for (uint32_t k = 1; k < c->arg_count; k++) {
        const sl_vector *v = c->args[k];
        if (!sl_vector__valid(v, 0)) {
            s->has_null = true;
            continue;
        }
        uint64_t hash = hash_row(v, 0), at = hash & s->mask;
        while (s->items[at] != 0)
            at = (at + 1) & s->mask;
        s->items[at] = k + 1;
        s->hashes[at] = hash;
    }
    return s;
}

static bool contains(const sl_in_set *s, const sl_kernel_call *c, uint32_t row)
{
    uint64_t hash = hash_row(c->args[0], row), at = hash & s->mask;
    for (; s->items[at] != 0; at = (at + 1) & s->mask) {
        const sl_vector *v = c->args[s->items[at] - 1];
        if (s->hashes[at] == hash && sl_vector__compare(c->args[0], row, v, 0) == 0)
            return true;
    }
    return false;
}

static bool wants_set(const sl_kernel_call *c)
{
    if (c->arg_count <= SET_LEAST || !is_hashed(c->args[0]))
        return false;
    for (uint32_t k = 1; k < c->arg_count; k++)
        if (!c->args[k]->is_constant)
            return false;
    return true;
}

static void look_up(const sl_kernel_call *c, const sl_in_set *s, uint64_t *found,
                    uint64_t *validity)
{
    const sl_vector *x = c->args[0];
    sl_rows rows = sl_rows__of(NULL, x->validity, c->rows);
    uint32_t i;
    while (sl_rows__next(&rows, &i))
        if (contains(s, c, i))
            sl_bitmap_set(found, i);
    for (size_t w = 0; w < sl_bitmap_words(c->rows); w++)
        validity[w] = sl_vector__valid_word(x, w) & (s->has_null ? found[w] : UINT64_MAX);
}

static void compare_all(const sl_kernel_call *c, uint64_t *found, uint64_t *validity)
{
    const sl_vector *x = c->args[0];
    size_t words_count = sl_bitmap_words(c->rows);
    uint64_t equal[SL_CHUNK_ROWS_MAX / 64];
    bool is_void = x->type->id == SL_TYPE_VOID;
    memset(validity, 0xff, words_count * 8);
    for (uint32_t k = 1; k < c->arg_count; k++) {
        sl_compare__equal(x, c->args[k], equal, c->rows);
        for (size_t w = 0; w < words_count; w++) {
            uint64_t valid = is_void ? 0 : sl_vector__valid_word(c->args[k], w);
            found[w] |= equal[w] & valid;
            validity[w] &= valid;
        }
    }
    for (size_t w = 0; w < words_count; w++) {
        uint64_t valid = is_void ? 0 : sl_vector__valid_word(x, w);
        validity[w] = valid & (validity[w] | found[w]);
    }
}

sl_code sl_kernel__in(sl_kernel_call *c, sl_error *err)
{
    uint64_t *validity;
    void *found;
    SL_TRY(sl_register__values(c->out, c->rows, &found, err));
    SL_TRY(sl_register__validity(c->out, c->rows, &validity, err));
    if (!wants_set(c)) {
        compare_all(c, found, validity);
        return SL_OK;
    }
    if (c->out->kept == NULL) {
        c->out->kept = make_set(c);
        c->out->free_kept = sl_in_set__free;
    }
    look_up(c, c->out->kept, found, validity);
    return SL_OK;
}
