/* arena.h - memory freed all at once, named by its lifetime (query_arena, batch_arena,
 * chunk_arena).  In SL_DEBUG builds every block is its own malloc, so that a sanitizer
 * sees use after reset.
 *
 * Owns:   all blocks.  Things that need closing register a callback with
 * sl_arena_defer(). Thread: owner thread. Errors: allocation never returns NULL: when the
 * system gives no memory the process ends with a message.  Large, data-dependent memory
 * is charged to a budget first (base/budget.h) and fails there with an error instead. */

#ifndef SL_BASE_ARENA_H
#define SL_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct sl_arena sl_arena;

sl_arena *sl_arena_new(void);
void sl_arena_free(sl_arena *a); /* NULL is fine */
void sl_arena_reset(sl_arena *a);
size_t sl_arena_bytes(const sl_arena *a); /* of the blocks it holds */

void *sl_arena_alloc(sl_arena *a, size_t size_bytes); /* 16-byte aligned, not zeroed */
void *sl_arena_calloc(sl_arena *a, size_t count,
                      size_t size_bytes); /* zeroed; checks overflow */
void *sl_arena_memdup(sl_arena *a, const void *bytes, size_t size_bytes);
char *sl_arena_strdup(sl_arena *a, const char *text);
char *sl_arena_strndup(sl_arena *a, const char *text, size_t length);
char *sl_arena_printf(sl_arena *a, const char *fmt, ...) SL_PRINTF(2, 3);

/* Call fn(user) at the next reset or free, last registered first. */
void sl_arena_defer(sl_arena *a, void (*fn)(void *user), void *user);

#define SL_ARENA_NEW(arena, T) ((T *)sl_arena_calloc((arena), 1, sizeof(T)))
#define SL_ARENA_ARRAY(arena, T, n) ((T *)sl_arena_calloc((arena), (n), sizeof(T)))

#endif /* SL_BASE_ARENA_H */
