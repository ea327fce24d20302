/* Blocks in a list, newest first; allocation bumps the newest.  Blocks double from 4 KiB
 * to 1 MiB.  A request too big for that gets a block of its own behind the newest one, so
 * that the rest of the newest is not lost.  A reset keeps the newest block: an arena that
 * is reset per chunk stops asking malloc for anything.  With SL_DEBUG every request is a
 * block. */

#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { ALIGNMENT = 16, BLOCK_BYTES_MIN = 4096, BLOCK_BYTES_MAX = 1 << 20 };

typedef struct block {
    alignas(ALIGNMENT) struct block *next;
    size_t capacity_bytes;
} block;

static_assert(sizeof(block) % ALIGNMENT == 0, "data after the header is aligned");

typedef struct deferred {
    struct deferred *next;
    void (*fn)(void *user);
    void *user;
} deferred;

struct sl_arena {
    block *blocks;
    size_t used_bytes; /* of the newest block */
    size_t held_bytes; /* of all blocks */
    deferred *deferred;
};

sl_arena *sl_arena_new(void)
{
    return sl_calloc(1, sizeof(sl_arena));
}

static void free_blocks(block *b)
{
    while (b) {
        block *next = b->next;
        sl_free(b);
        b = next;
    }
}

/* Callbacks may register more callbacks; those run too. */
static void run_deferred(sl_arena *a)
{
    while (a->deferred) {
        deferred *d = a->deferred;
        a->deferred = d->next;
        d->fn(d->user);
    }
}

void sl_arena_free(sl_arena *a)
{
    if (!a)
        return;
    run_deferred(a);
    free_blocks(a->blocks);
    sl_free(a);
}

void sl_arena_reset(sl_arena *a)
{
    run_deferred(a);
    a->used_bytes = 0;
    if (!a->blocks)
        return;
#ifdef SL_DEBUG
    free_blocks(a->blocks);
    a->blocks = NULL;
    a->held_bytes = 0;
#else
    free_blocks(a->blocks->next);
    a->blocks->next = NULL;
    a->held_bytes = a->blocks->capacity_bytes;
#endif
}

size_t sl_arena_bytes(const sl_arena *a)
{
    return a->held_bytes;
}

static block *new_block(sl_arena *a, size_t capacity_bytes)
{
    SL_ASSERT(capacity_bytes <= SIZE_MAX - sizeof(block));
    block *b = sl_alloc(sizeof(block) + capacity_bytes);
    b->next = NULL;
    b->capacity_bytes = capacity_bytes;
    a->held_bytes += capacity_bytes;
    return b;
}

static void push_block(sl_arena *a, block *b)
{
    b->next = a->blocks;
    a->blocks = b;
}

#ifdef SL_DEBUG
void *sl_arena_alloc(sl_arena *a, size_t size_bytes)
{
    push_block(a, new_block(a, size_bytes));
    return a->blocks + 1;
}
#else
static void *alloc_in_new_block(sl_arena *a, size_t size_bytes)
{
    size_t usual = a->blocks ? a->blocks->capacity_bytes * 2 : BLOCK_BYTES_MIN;
    if (usual > BLOCK_BYTES_MAX)
        usual = BLOCK_BYTES_MAX;
    if (size_bytes > usual / 4) {
        block *own = new_block(a, size_bytes);
        if (!a->blocks) { /* becomes the newest, and is full */
            push_block(a, own);
            a->used_bytes = size_bytes;
        } else {
            own->next = a->blocks->next;
            a->blocks->next = own;
        }
        return own + 1;
    }
    push_block(a, new_block(a, usual));
    a->used_bytes = size_bytes;
    return a->blocks + 1;
}

void *sl_arena_alloc(sl_arena *a, size_t size_bytes)
{
    SL_ASSERT(size_bytes <= SIZE_MAX - ALIGNMENT);
    size_t rounded = (size_bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    block *b = a->blocks;
    if (!b || rounded > b->capacity_bytes || b->capacity_bytes - rounded < a->used_bytes)
        return alloc_in_new_block(a, rounded);
    void *p = (char *)(b + 1) + a->used_bytes;
    a->used_bytes += rounded;
    return p;
}
#endif

void *sl_arena_calloc(sl_arena *a, size_t count, size_t size_bytes)
{
    SL_ASSERT(size_bytes == 0 || count <= SIZE_MAX / size_bytes);
    return memset(sl_arena_alloc(a, count * size_bytes), 0, count * size_bytes);
}

void *sl_arena_memdup(sl_arena *a, const void *bytes, size_t size_bytes)
{
    void *copy = sl_arena_alloc(a, size_bytes);
    if (size_bytes > 0)
        memcpy(copy, bytes, size_bytes);
    return copy;
}

char *sl_arena_strndup(sl_arena *a, const char *text, size_t length)
{
    SL_ASSERT(length < SIZE_MAX);
    char *copy = sl_arena_alloc(a, length + 1);
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *sl_arena_strdup(sl_arena *a, const char *text)
{
    return sl_arena_strndup(a, text, strlen(text));
}

char *sl_arena_printf(sl_arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    SL_ASSERT(length >= 0);
    char *text = sl_arena_alloc(a, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, fmt, again);
    va_end(again);
    return text;
}

void sl_arena_defer(sl_arena *a, void (*fn)(void *user), void *user)
{
    deferred *d = sl_arena_alloc(a, sizeof *d);
    *d = (deferred){ .next = a->deferred, .fn = fn, .user = user };
    a->deferred = d;
}
