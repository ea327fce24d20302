/* limits.h - every hard ceiling of sluice in one place: name, value, reason. */

#ifndef SL_BASE_LIMITS_H
#define SL_BASE_LIMITS_H

#include <assert.h>

#define SL_CHUNK_ROWS_MAX                                                                \
    16384 /* fits uint16_t row numbers; 8K-16K is the best size (perf:B4) */
#define SL_CHUNK_ROWS                                                                    \
    8192                    /* what readers aim at; a setting makes it smaller for tests \
                             */
#define SL_COLUMNS_MAX 4096 /* columns of a table or projection */
#define SL_TYPE_DEPTH_MAX 32       /* nesting of a type */
#define SL_SQL_BYTES_MAX (4 << 20) /* one SQL text */
#define SL_SQL_DEPTH_MAX 500 /* nesting of expressions and queries: bounds recursion */
#define SL_IDENTIFIER_BYTES_MAX 255
#define SL_PROCESS_NAME_BYTES_MAX 63 /* --name: part of file names and labels */
#define SL_KEY_BYTES_MAX (1 << 20)   /* one encoded grouping key */
#define SL_STRING_BYTES_MAX (1u << 30)
#define SL_ROW_BYTES_MAX (256u << 20) /* one input line */
#define SL_KEY_GROUPS 4096            /* fixed when a query is created */
#define SL_STATE_PARTITIONS_MAX 4096
#define SL_STAGES_MAX 64
#define SL_SOURCES_MAX 64
#define SL_SLICES_MAX (1 << 20) /* slices of one batch */
#define SL_EXECUTORS_MAX 256
#define SL_FRAME_BYTES_MAX (64u << 20)      /* one message between processes */
#define SL_TASK_SLICE_BYTES_MAX (60u << 20) /* slices of a TASK; the rest is its plan */
#define SL_RESULT_BYTES_MAX (8u << 20) /* aim of one RESULT; one larger row is fine */
#define SL_RESULT_WINDOW_BYTES                                                           \
    (16u << 20) /* result rows a worker has on their way per attempt */
#define SL_PROTO_DEPTH_MAX                                                               \
    64 /* protobuf-c overflows the stack at depth 10,000 (rel:L13) */
#define SL_INLINE_DELTA_BYTES                                                            \
    (64 << 10) /* deltas of a worker below this ride in the commit */
#define SL_WINDOWS_PER_ROW_MAX 100000 /* ceil(window / slide) */
#define SL_BATCH_ATTEMPTS_MAX 4
#define SL_PARTITION_DEATHS_MAX 3 /* in a row, then the query fails */

static_assert(SL_RESULT_BYTES_MAX < SL_FRAME_BYTES_MAX, "a result is one message");
static_assert(SL_CHUNK_ROWS <= SL_CHUNK_ROWS_MAX, "readers make legal chunks");
static_assert(SL_CHUNK_ROWS_MAX <= 65536, "row numbers are uint16_t");

#endif /* SL_BASE_LIMITS_H */
