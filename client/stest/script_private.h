/* script_private.h - the text of a .stest file as a list of items.
 *
 * The format is docs/stest.md.  Parsing looks at the shape of lines only: SQL is cut at
 * its ';' and not read, names are not resolved.  Items keep their line numbers, so that
 * messages can point at them and --update can rewrite them.
 *
 * Owns: everything is in the arena given, but for the text, which is borrowed. */

#ifndef SL_CLIENT_STEST_SCRIPT_PRIVATE_H
#define SL_CLIENT_STEST_SCRIPT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

typedef enum stest_kind {
    STEST_SQL,
    STEST_CASE,     /* text: its title */
    STEST_SKIP,     /* name: a flag, text: the reason */
    STEST_INPUT,    /* name, text: "(a INT, ...)" */
    STEST_FEED,     /* name, body: rows */
    STEST_FILE,     /* name: path, body: lines */
    STEST_REMOVE,   /* name: path */
    STEST_EXPECT,   /* name: query or NULL, shape, body: rows */
    STEST_ERROR,    /* of the statement before: condition, line, column, text */
    STEST_FAILS,    /* name: query; condition, text */
    STEST_PROGRESS, /* name: query, batch, facts */
    STEST_RUN,
    STEST_ADVANCE, /* us */
    STEST_TAKE,    /* us: batches take that long */
    STEST_RESTART,
    STEST_CRASH, /* name: failpoint, pass */
    STEST_START, /* name: query */
    STEST_ENDED, /* name: query */
} stest_kind;

typedef enum stest_shape { STEST_ROWS, STEST_NOTHING, STEST_NO_BATCH } stest_shape;

typedef struct stest_fact {
    const char *key, *value;
} stest_fact;

typedef struct stest_item {
    stest_kind kind;
    uint32_t line, line_end; /* [line, line_end), from 1 */
    const char *name, *text;
    const char *const *body; /* lines, trimmed at the right */
    uint32_t body_count;
    uint32_t body_line; /* of body[0] */
    stest_shape shape;
    bool any_order;
    int64_t us;
    int64_t batch;         /* PROGRESS: -1 the last */
    uint32_t pass;         /* CRASH: from 1 */
    const char *condition; /* ERROR, FAILS */
    uint32_t at_line, at_column;
    const stest_fact *facts;
    uint32_t fact_count;
} stest_item;

typedef struct stest_script {
    const char *path;
    const char *const *lines;
    uint32_t line_count;
    const stest_item *items;
    uint32_t item_count;
} stest_script;

/* SL_EPARSE with the line in err->line. */
SL_CHECKED sl_code stest_script_parse(const char *path, const char *text, size_t length,
                                      sl_arena *arena, stest_script *ret, sl_error *err);

/* Is the first word of a line the name of a directive? */
bool stest_is_directive(const char *line);
/* "batch 3" between the rows of an expectation. */
bool stest_is_batch_line(const char *line, int64_t *ret_batch);

#endif /* SL_CLIENT_STEST_SCRIPT_PRIVATE_H */
