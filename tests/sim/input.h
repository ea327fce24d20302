/* input.h - the rows of a schedule, as files and as they are: what every query of it
 * reads and what its result is counted from.
 *
 * Disorder stays within the watermark's delay, so no row is ever late.  Batches are known
 * beforehand: files are read in order, files_per_batch of each source at a time. */

#ifndef SL_TESTS_SIM_INPUT_H
#define SL_TESTS_SIM_INPUT_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/fs.h"

#define SIM_SOURCES 2u                  /* /in0, /in1 */
#define SIM_EPOCH_S INT64_C(1577836800) /* 2020-01-01 00:00:00 UTC */
#define SIM_DELAY_S 60

typedef struct sim_row {
    uint32_t source, batch, key;
    int64_t second; /* after the epoch */
} sim_row;

typedef struct sim_input {
    sim_row *rows;
    uint32_t row_count;
    uint32_t files_per_batch;
    uint32_t batches[SIM_SOURCES];
    int64_t newest_s[SIM_SOURCES];
    bool is_large; /* thousands of long keys: deltas go to segments */
} sim_input;

/* Draw an input and write its files. */
void sim_input_make(sim_input *in, sl_fs *fs, uint64_t (*random)(void *user), void *user);
void sim_input_deinit(sim_input *in);
/* "k7", or a long one. */
void sim_key_text(const sim_input *in, uint32_t key, char ret[64]);
/* "2020-01-01 00:01:40" */
void sim_time_text(int64_t second, char ret[32]);

#endif /* SL_TESTS_SIM_INPUT_H */
