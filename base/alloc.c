#include "base/alloc.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls until one is refused; 0 = never. */
static _Atomic uint64_t calls_until_failure;

static _Noreturn void die_without_memory(size_t size_bytes)
{
    fprintf(stderr, "sluice: the system gave no memory for %zu bytes; giving up\n",
            size_bytes);
    abort();
}

void *sl_alloc(size_t size_bytes)
{
    void *p = malloc(size_bytes ? size_bytes : 1);
    if (!p)
        die_without_memory(size_bytes);
    return p;
}

void *sl_calloc(size_t count, size_t size_bytes)
{
    void *p = count && size_bytes ? calloc(count, size_bytes) : calloc(1, 1);
    if (!p)
        die_without_memory(size_bytes);
    return p;
}

void *sl_realloc(void *p, size_t size_bytes)
{
    void *grown = realloc(p, size_bytes ? size_bytes : 1);
    if (!grown)
        die_without_memory(size_bytes);
    return grown;
}

char *sl_strdup(const char *text)
{
    size_t size_bytes = strlen(text) + 1;
    return memcpy(sl_alloc(size_bytes), text, size_bytes);
}

void sl_free(void *p)
{
    free(p);
}

static bool must_fail(void)
{
    if (atomic_load_explicit(&calls_until_failure, memory_order_relaxed) == 0)
        return false;
    /* A sweep runs one thread at a time: two racing decrements would only shift it. */
    return atomic_fetch_sub(&calls_until_failure, 1) == 1;
}

void *sl_try_alloc(size_t size_bytes)
{
    if (must_fail())
        return NULL;
    return malloc(size_bytes ? size_bytes : 1);
}

void *sl_try_aligned_alloc(size_t alignment, size_t size_bytes)
{
    if (must_fail())
        return NULL;
    void *p = NULL;
    return posix_memalign(&p, alignment, size_bytes ? size_bytes : 1) == 0 ? p : NULL;
}

void sl_alloc_fail_after(uint64_t nth)
{
    atomic_store(&calls_until_failure, nth);
}

void sl_alloc_configure(void)
{
#ifdef M_TRIM_THRESHOLD
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
#endif
}
