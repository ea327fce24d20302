/* parse.h - SQL text to unresolved statements (engine/plan/unresolved.h).
 *
 * Spark SQL's dialect with Spark 4's streaming clauses (docs/sql.md).  No name is
 * resolved here: a table that does not exist parses.  Keywords are not reserved: they
 * count where the grammar expects them.
 *
 * Owns:   everything made is in the arena given; statement texts are copied there.
 * Thread: any.
 * Errors: SL_EPARSE with line, column and what was expected; SL_ELIMIT past
 * SL_SQL_DEPTH_MAX or SL_SQL_BYTES_MAX.  No input crashes it (fuzz target:
 * tests/fuzz/fuzz_sql.c). */

#ifndef SL_ENGINE_SQL_PARSE_H
#define SL_ENGINE_SQL_PARSE_H

#include "engine/plan/unresolved.h"

/* Where to go on in a script of statements. Start with { .line = 1, .column = 1 }. */
typedef struct sl_sql_cursor {
    size_t offset;
    uint32_t line, column;
} sl_sql_cursor;

/* The next statement after *cursor; *ret = NULL at the end of the text. On a syntax error
 * the cursor still moves behind the statement's ';', so that a caller may go on with the
 * next one. */
SL_CHECKED sl_code sl_sql_parse_next(const char *text, size_t length,
                                     sl_sql_cursor *cursor, sl_arena *arena,
                                     const sl_statement **ret, sl_error *err);

/* True if the text ends inside a statement (no ';' yet, or inside a quote or comment):
 * what an interactive shell asks before it prompts for more. */
bool sl_sql_is_incomplete(const char *text, size_t length);

/* "id STRING, ts TIMESTAMP" or "STRUCT<...>"'s inside: a schema by DDL. */
SL_CHECKED sl_code sl_sql_parse_schema(const char *text, size_t length, sl_arena *arena,
                                       const sl_schema **ret, sl_error *err);

/* The error as a person reads it: "[CLASS] message SQLSTATE: 42601 (line 3, pos 7)", then
 * the line of the text with a caret below, if it has a position. */
void sl_sql_error_text(const sl_error *e, const char *text, size_t length, sl_bytes *out);

#endif /* SL_ENGINE_SQL_PARSE_H */
