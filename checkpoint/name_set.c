#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "checkpoint/name_set_private.h"

void sl_name_set__deinit(sl_name_set *s)
{
    for (uint32_t i = 0; i < s->capacity; i++)
        sl_free(s->slots[i]);
    sl_free(s->slots);
    *s = (sl_name_set){ 0 };
}

/* The slot of a name: where it is, or the free one where it would go. */
static uint32_t find(const sl_name_set *s, const char *name)
{
    uint32_t mask = s->capacity - 1;
    uint32_t at = (uint32_t)sl_hash64(name, strlen(name)) & mask;
    while (s->slots[at] && strcmp(s->slots[at], name) != 0)
        at = (at + 1) & mask;
    return at;
}

static void grow(sl_name_set *s)
{
    sl_name_set bigger = { .capacity = s->capacity ? 2 * s->capacity : 64,
                           .count = s->count };
    bigger.slots = sl_calloc(bigger.capacity, sizeof bigger.slots[0]);
    for (uint32_t i = 0; i < s->capacity; i++) {
        if (s->slots[i])
            bigger.slots[find(&bigger, s->slots[i])] = s->slots[i];
    }
    sl_free(s->slots);
    *s = bigger;
}

bool sl_name_set__add(sl_name_set *s, const char *name)
{
    if (2 * (s->count + 1) > s->capacity)
        grow(s);
    uint32_t at = find(s, name);
    if (s->slots[at])
        return false;
    s->slots[at] = sl_strdup(name);
    s->count++;
    return true;
}

bool sl_name_set__has(const sl_name_set *s, const char *name)
{
    return s->capacity > 0 && s->slots[find(s, name)] != NULL;
}
