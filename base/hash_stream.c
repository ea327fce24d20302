#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "base/hash_private.h"

struct sl_hash_stream {
    XXH3_state_t *state;
};

sl_hash_stream *sl_hash_stream_new(void)
{
    sl_hash_stream *s = sl_alloc(sizeof *s);
    s->state = XXH3_createState();
    XXH3_128bits_reset_withSeed(s->state, SL_HASH__SEED);
    return s;
}

void sl_hash_stream_add(sl_hash_stream *s, const void *data, size_t size_bytes)
{
    XXH3_128bits_update(s->state, data, size_bytes);
}

sl_hash128 sl_hash_stream_end(sl_hash_stream *s)
{
    XXH128_hash_t h = XXH3_128bits_digest(s->state);
    XXH3_freeState(s->state);
    sl_free(s);
    return (sl_hash128){ .low = h.low64, .high = h.high64 };
}
