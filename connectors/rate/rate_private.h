/* rate_private.h - what the sources rate and rate-micro-batch share: rows (timestamp,
 * value) that follow from numbers alone.
 *
 * A slice is partition p of n of the values [begin, end): begin + p, begin + p + n, ...
 * Its bytes hold everything a row is made of, so that any reader at any time makes the
 * same rows.
 *
 *   version u8 = 1 | partition u32 | partitions u32 | begin i64 | end i64 | start_ms i64
 *   | ms_per_value f64
 *
 * Units:  *_ms milliseconds since 1970-01-01 UTC.
 * Source: spark.md 4.3, 4.4. */

#ifndef SL_CONNECTORS_RATE_RATE_PRIVATE_H
#define SL_CONNECTORS_RATE_RATE_PRIVATE_H

#include "connectors/source_plan.h"

#define SL_RATE__PARTITIONS_MAX 4096

typedef struct sl_rate_slice {
    uint32_t partition, partitions;
    int64_t begin, end;  /* values */
    int64_t start_ms;    /* timestamp of value `begin` */
    double ms_per_value; /* 0: all rows carry start_ms */
} sl_rate_slice;

void sl_rate__slice_write(const sl_rate_slice *s, sl_bytes *out);
SL_CHECKED sl_code sl_rate__slice_read(sl_span bytes, sl_rate_slice *ret, sl_error *err);

/* timestamp TIMESTAMP, value BIGINT. */
extern const sl_schema sl_rate__schema;
/* What both sources can do. The columns of CREATE TABLE, if given, must be these. */
SL_CHECKED sl_code sl_rate__describe(const sl_schema *given, sl_source_caps *ret,
                                     sl_error *err);

/* Option numPartitions: 0 = not given. */
SL_CHECKED sl_code sl_rate__partitions(const sl_option_list *l, int64_t *ret,
                                       sl_error *err);
/* A whole number >= least, else Spark's message. */
SL_CHECKED sl_code sl_rate__number(const sl_option_list *l, const char *name,
                                   int64_t fallback, int64_t least, int64_t *ret,
                                   sl_error *err);

/* The slices of a batch's values; option_partitions as above. In arena. */
void sl_rate__cut(sl_rate_slice whole, int64_t option_partitions, sl_arena *arena,
                  sl_source_batch *b);

#endif /* SL_CONNECTORS_RATE_RATE_PRIVATE_H */
