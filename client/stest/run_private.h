/* run_private.h - one case of a script, item by item.
 *
 * Thread: main. */

#ifndef SL_CLIENT_STEST_RUN_PRIVATE_H
#define SL_CLIENT_STEST_RUN_PRIVATE_H

#include "client/stest/script_private.h"
#include "client/stest/world_private.h"

/* Lines [line, line_end) of the file shall become `text`. */
typedef struct stest_edit {
    uint32_t line, line_end;
    const char *text;
} stest_edit;

typedef struct stest_result {
    bool passed;
    bool beyond_edits;   /* not passed, and no edit would mend it */
    const char *skipped; /* NULL: not */
    sl_bytes diagnosis;  /* lines for "# " */
    stest_edit *edits;   /* ascending; with want_edits: what would make it pass */
    uint32_t edit_count, edit_capacity;
} stest_result;

/* Items [from, to) of the script. `arena` keeps the texts of edits. */
void stest_run(const stest_script *script, uint32_t from, uint32_t to,
               const stest_config *config, bool want_edits, sl_arena *arena,
               stest_result *ret);
void stest_result_deinit(stest_result *r);

/* The script with the edits made. */
void stest_apply_edits(const stest_script *script, const stest_edit *edits,
                       uint32_t count, sl_bytes *out);

#endif /* SL_CLIENT_STEST_RUN_PRIVATE_H */
