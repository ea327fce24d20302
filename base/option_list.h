/* option_list.h - the OPTIONS (name value, ...) of a table or sink: names are
 * case-insensitive, values are text, each name once.  Immutable once built; memory
 * belongs to an arena. Thread: any. */

#ifndef SL_BASE_OPTION_LIST_H
#define SL_BASE_OPTION_LIST_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

#define SL_OPTION_NAMES_MAX 128 /* options a table or sink may know */

typedef struct sl_option_pair {
    const char *name, *value;
    uint32_t line, column; /* in the SQL text; 0 = none */
} sl_option_pair;

typedef struct sl_option_list {
    uint32_t count;
    const sl_option_pair *pairs;
} sl_option_list;

const char *sl_option_list_get(const sl_option_list *l,
                               const char *name); /* NULL if absent */
SL_CHECKED sl_code sl_option_list_int(const sl_option_list *l, const char *name,
                                      int64_t fallback, int64_t min, int64_t max,
                                      int64_t *ret, sl_error *err);
SL_CHECKED sl_code sl_option_list_bool(const sl_option_list *l, const char *name,
                                       bool fallback, bool *ret, sl_error *err);
/* SL_EOPTION naming `what`, the unknown name (with its position) and the nearest of
 * known[]. */
SL_CHECKED sl_code sl_option_list_check(const sl_option_list *l, const char *what,
                                        const char *const *known, uint32_t known_count,
                                        sl_error *err);
void sl_option_list_write(const sl_option_list *l, sl_bytes *out);
SL_CHECKED sl_code sl_option_list_read(sl_reader *r, sl_arena *arena, sl_option_list *ret,
                                       sl_error *err);

#endif /* SL_BASE_OPTION_LIST_H */
