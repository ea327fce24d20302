/* aggregate.h - aggregate functions as vector kernels over value slots.
 *
 * A group's state is a slot of bytes (zeroed = empty) inside some hash table; each
 * aggregate owns state_width bytes of it at its offset.  Life of a value: update() from
 * input rows (map side) -> partial() into buffer columns (what is shuffled) -> merge()
 * into slots (reduce side and state)
 * -> result() as a column.
 *
 * Shape:   slots[i] is the group's slot for the i-th row given; offsets into it are
 * 8-byte aligned. A state may hold one blob (string min/max): 16 bytes { const uint8_t
 * *data; uint64_t length_plus_1 } (0 = none) at blob_offset; the owner of the slots
 * stores bytes through set_blob. Thread:  stateless; any. Source:  Spark's results and
 * types: count long; sum long/double (ANSI overflow is an error); avg double; min, max of
 * any ordered type; first, last later. */

#ifndef SL_ENGINE_EXPR_AGGREGATE_H
#define SL_ENGINE_EXPR_AGGREGATE_H

#include "engine/columnar/chunk.h"
#include "engine/expr/expr.h"

#define SL_AGG_BUFFERS_MAX 4

typedef struct sl_agg_class sl_agg_class;

typedef struct sl_agg_blob {
    const uint8_t *data;
    uint64_t length_plus_1; /* 0 = no value */
} sl_agg_blob;

/* Copy bytes somewhere that lives as long as the slot and point the blob at slot + offset
 * to it. */
typedef sl_code (*sl_agg_set_blob)(void *user, uint8_t *slot, uint32_t blob_offset,
                                   const void *data, uint32_t length, sl_error *err);

typedef struct sl_agg {
    const sl_agg_class *class;
    const char *name;        /* "count" */
    const sl_expr *arg;      /* already cast; NULL for count(*) */
    const sl_type *arg_type; /* NULL for count(*) */
    const sl_type *result_type;
    bool result_nullable;
    bool needs_order; /* floating sums: partials must be merged in (slice, block) order */
    uint32_t state_width; /* multiple of 8 */
    uint32_t offset;      /* in the slot: set by sl_agg_layout */
    bool has_blob;
    uint32_t blob_offset; /* in the slot: set by sl_agg_layout */
    uint32_t buffer_count;
    const sl_type *buffer_types[SL_AGG_BUFFERS_MAX];
    const char *pretty; /* "count(1)", "sum(x)" */
    bool distinct;      /* over distinct arguments: planned away (analyze_distinct.c) */
    sl_sql_pos pos;
} sl_agg;

bool sl_aggregate_exists(const char *name);
/* Resolve name(args); is_star for count(*). distinct is refused by the caller where not
 * supported. */
SL_CHECKED sl_code sl_agg_resolve(sl_arena *arena, const char *name, bool is_star,
                                  const sl_expr *const *args, uint32_t arg_count,
                                  sl_sql_pos pos, sl_agg *ret, sl_error *err);
/* Assign offsets; returns the width of the whole slot. */
uint32_t sl_agg_layout(sl_agg *aggs, uint32_t count);

/* arg: the argument column (NULL for count(*)); row i of the n given is selection[i], or
 * i. */
SL_CHECKED sl_code sl_agg_update(const sl_agg *a, uint8_t *const *slots,
                                 const sl_column *arg, const uint16_t *selection,
                                 uint32_t n, sl_agg_set_blob set_blob, void *user,
                                 sl_error *err);
/* Buffer columns from slots: ret_columns has room for buffer_count. */
SL_CHECKED sl_code sl_agg_partial(const sl_agg *a, uint8_t *const *slots, uint32_t n,
                                  sl_budget *budget, sl_column *ret_columns,
                                  sl_error *err);
/* buffers: this aggregate's buffer columns, no selection. */
SL_CHECKED sl_code sl_agg_merge(const sl_agg *a, uint8_t *const *slots,
                                const sl_column *buffers, uint32_t n,
                                sl_agg_set_blob set_blob, void *user, sl_error *err);
SL_CHECKED sl_code sl_agg_result(const sl_agg *a, uint8_t *const *slots, uint32_t n,
                                 sl_budget *budget, sl_column *ret_column, sl_error *err);

void sl_agg_write(const sl_agg *a, sl_bytes *out); /* fragment codec, with arg */
SL_CHECKED sl_code sl_agg_read(sl_reader *r, sl_arena *arena, sl_agg *ret, sl_error *err);

#endif /* SL_ENGINE_EXPR_AGGREGATE_H */
