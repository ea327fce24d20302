/* alloc.h - malloc that ends the process with a message instead of returning NULL, and
 * can be told to fail for fault sweeps (sl_alloc_fail_after in debug builds makes the
 * checked variants return NULL, which their callers turn into SL_ENOMEM). */

#ifndef SL_BASE_ALLOC_H
#define SL_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

void *sl_alloc(size_t size_bytes);
void *sl_calloc(size_t count, size_t size_bytes);
void *sl_realloc(void *p, size_t size_bytes);
char *sl_strdup(const char *text);
void sl_free(void *p);

/* May return NULL: for data-dependent sizes whose failure must be an error, not the end.
 */
void *sl_try_alloc(size_t size_bytes);
void *sl_try_aligned_alloc(size_t alignment, size_t size_bytes); /* free with sl_free */

/* Called once, when a process starts: keep some freed memory for the next batch rather
 * than give it to the system and have fresh pages cleared again. */
void sl_alloc_configure(void);

/* Tests: the nth sl_try_* call from now (1 = next) fails once; 0 turns it off. */
void sl_alloc_fail_after(uint64_t nth);

#endif /* SL_BASE_ALLOC_H */
