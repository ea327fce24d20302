/* hash_table.c - slots point to entries.
 *
 *     slots (power of two, linear probing)        entries, in pages of 256
 *     +-----+----+                                +------+--------+----------+-------+
 *     | tag | id | ----------- id ------------->  | hash | length | key      | value |
 *     +-----+----+                                +------+--------+----------+-------+
 *
 * A tag is 32 mixed bits of the hash; its low bits are the home slot, so growing and
 * removing never touch an entry.  The mix matters: all keys of one table may share the
 * bits of the hash that chose their partition.  Keys of up to 20 bytes lie in the entry
 * itself, longer ones in key slabs.  Removal shifts the probe run back: no tombstones.
 * Entries come in chunks of 256, 768, 3072, then 4096 and at last 32768, so that a table
 * of a few keys stays small while addresses never change.
 *
 * Cost: a hit touches one slot line and one entry line.  A block of keys asks for all its
 * slot lines, then for all its entry lines, then compares: over a million keys that is a
 * third of the time of one key after the other with prefetches some keys ahead, since it
 * does not matter how long a key takes. */

#include "base/hash_table.h"

#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bitmap.h"

enum {
    PAGE_SHIFT = 8,
    PAGE_ENTRIES = 1 << PAGE_SHIFT,
    CHUNK_ENTRIES_SOME = 4096, /* a chunk of a table of some size */
    CHUNK_ENTRIES_MAX = 32768, /* and of a large one */
    LINE_BYTES = 64,
    HUGE_PAGE_BYTES = 2 << 20,
    SLOTS_MIN = 64,
    SLOTS_SMALL = 8192,
    NEAR_KEY_BYTES = 20,
    KEY_SLAB_BYTES_MIN = 4096,
    KEY_SLAB_BYTES_MAX = 1 << 20,
    BLOCK_KEYS = 64, /* probed together: that many misses in flight */
};

#define ENTRIES_MAX (UINT32_C(1) << 31)
#define LENGTH_FREE UINT32_MAX /* of an entry in the free list */

typedef struct slot {
    uint32_t tag;
    uint32_t id; /* SL_ENTRY_NONE: empty */
} slot;

typedef struct entry {
    uint64_t hash;               /* of a free entry: the next free id */
    uint32_t length;             /* of the key */
    uint8_t key[NEAR_KEY_BYTES]; /* or, of a longer key, its address from byte 4 */
} entry;

static_assert(sizeof(entry) == 32, "value slots behind it are 8-byte aligned");

typedef struct key_slab {
    uint8_t *data;
    size_t capacity_bytes;
} key_slab;

struct sl_hash_table {
    slot *slots;
    uint64_t slot_count;
    uint32_t mask;
    uint32_t live_count;
    uint32_t grow_at; /* live_count that needs more slots */

    uint32_t id_end;
    uint32_t id_capacity;
    uint32_t free_head; /* SL_ENTRY_NONE: empty */
    uint32_t value_width;
    size_t stride; /* bytes of an entry with its value slot */
    uint8_t **pages;
    uint32_t page_capacity; /* of the array above */

    key_slab *slabs;
    uint32_t slab_count, slab_capacity, slab_current;
    size_t slab_used; /* of the current one */
    size_t far_used;  /* key bytes handed out since the last compaction */
    size_t far_live;  /* of those, still a key */

    sl_budget *budget;
    int64_t charged_bytes;
};

/* ---- memory: charge first, then ask the system ---- */

/* Whole lines; from 2 MiB on, huge pages if the system has any: a large table is read at
 * random, and a miss of the TLB costs as much as one of the cache. */
static sl_code get_memory(sl_hash_table *t, size_t size_bytes, void **ret, sl_error *err)
{
    SL_TRY(sl_budget_charge(t->budget, (int64_t)size_bytes, err));
    bool is_huge = size_bytes >= HUGE_PAGE_BYTES;
    void *p = sl_try_aligned_alloc(is_huge ? HUGE_PAGE_BYTES : LINE_BYTES, size_bytes);
    if (p && is_huge) /* advice: to be refused is fine */
        (void)madvise(p, size_bytes & ~((size_t)HUGE_PAGE_BYTES - 1), MADV_HUGEPAGE);
    if (!p) {
        sl_budget_release(t->budget, (int64_t)size_bytes);
        return sl_fail(err, SL_ENOMEM,
                       "the system gave no memory for %zu bytes of a hash table of %u "
                       "entries",
                       size_bytes, t->live_count);
    }
    t->charged_bytes += (int64_t)size_bytes;
    *ret = p;
    return SL_OK;
}

static void give_memory_back(sl_hash_table *t, void *p, size_t size_bytes)
{
    if (!p)
        return;
    sl_free(p);
    sl_budget_release(t->budget, (int64_t)size_bytes);
    t->charged_bytes -= (int64_t)size_bytes;
}

/* ---- entries ---- */

static inline entry *entry_at(const sl_hash_table *t, uint32_t id)
{
    return (entry *)(void *)(t->pages[id >> PAGE_SHIFT] +
                             (size_t)(id & (PAGE_ENTRIES - 1)) * t->stride);
}

static inline uint8_t *value_of(entry *e)
{
    return (uint8_t *)(e + 1);
}

static inline const uint8_t *key_of(const entry *e)
{
    if (e->length <= NEAR_KEY_BYTES)
        return e->key;
    const uint8_t *far;
    memcpy(&far, e->key + 4, sizeof far);
    return far;
}

static void set_far_key(entry *e, const uint8_t *far)
{
    memcpy(e->key + 4, &far, sizeof far);
}

static inline uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(((hash ^ (hash >> 32)) * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static inline uint32_t load32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* Keys are short: comparing words that overlap beats a call. */
static inline bool bytes_equal(const uint8_t *a, const uint8_t *b, uint32_t length)
{
    if (length >= 8 && length <= 16)
        return ((load64(a) ^ load64(b)) |
                (load64(a + length - 8) ^ load64(b + length - 8))) == 0;
    if (length >= 4 && length < 8)
        return ((load32(a) ^ load32(b)) |
                (load32(a + length - 4) ^ load32(b + length - 4))) == 0;
    if (length > 16 && length <= 32)
        return ((load64(a) ^ load64(b)) | (load64(a + 8) ^ load64(b + 8)) |
                (load64(a + length - 16) ^ load64(b + length - 16)) |
                (load64(a + length - 8) ^ load64(b + length - 8))) == 0;
    return length == 0 || memcmp(a, b, length) == 0;
}

static inline bool entry_is(const entry *e, uint64_t hash, const uint8_t *key,
                            uint32_t length)
{
    return e->hash == hash && e->length == length && bytes_equal(key_of(e), key, length);
}

/* Entries of the chunk that starts at this id. */
static uint32_t chunk_entries(uint32_t first_id)
{
    switch (first_id) {
    case 0:
        return 256;
    case 256:
        return 768;
    case 1024:
        return 3072;
    default:
        return first_id < CHUNK_ENTRIES_MAX ? CHUNK_ENTRIES_SOME : CHUNK_ENTRIES_MAX;
    }
}

static sl_code reserve_pages(sl_hash_table *t, uint32_t page_count, sl_error *err)
{
    if (page_count <= t->page_capacity)
        return SL_OK;
    uint32_t capacity = t->page_capacity ? t->page_capacity * 2 : 16;
    while (capacity < page_count)
        capacity *= 2;
    void *grown = NULL;
    SL_TRY(get_memory(t, capacity * sizeof t->pages[0], &grown, err));
    if (t->pages)
        memcpy(grown, t->pages, t->page_capacity * sizeof t->pages[0]);
    give_memory_back(t, t->pages, t->page_capacity * sizeof t->pages[0]);
    t->pages = grown;
    t->page_capacity = capacity;
    return SL_OK;
}

static sl_code add_chunk(sl_hash_table *t, sl_error *err)
{
    if (t->id_capacity >= ENTRIES_MAX - CHUNK_ENTRIES_MAX)
        return sl_fail(err, SL_ELIMIT, "a hash table holds at most %u entries",
                       ENTRIES_MAX);
    uint32_t entries = chunk_entries(t->id_capacity);
    uint32_t page = t->id_capacity >> PAGE_SHIFT;
    SL_TRY(reserve_pages(t, page + entries / PAGE_ENTRIES, err));
    void *chunk = NULL;
    SL_TRY(get_memory(t, entries * t->stride, &chunk, err));
    for (uint32_t i = 0; i < entries / PAGE_ENTRIES; i++)
        t->pages[page + i] = (uint8_t *)chunk + (size_t)i * PAGE_ENTRIES * t->stride;
    t->id_capacity += entries;
    return SL_OK;
}

/* ---- slots ---- */

static sl_code set_slots(sl_hash_table *t, uint64_t slot_count, sl_error *err)
{
    void *memory = NULL;
    SL_TRY(get_memory(t, slot_count * sizeof(slot), &memory, err));
    slot *slots = memory;
    memset(slots, 0xff, slot_count * sizeof(slot));
    uint32_t mask = (uint32_t)(slot_count - 1);
    for (uint64_t i = 0; i < t->slot_count; i++) {
        if (t->slots[i].id == SL_ENTRY_NONE)
            continue;
        uint32_t at = t->slots[i].tag & mask;
        while (slots[at].id != SL_ENTRY_NONE)
            at = (at + 1) & mask;
        slots[at] = t->slots[i];
    }
    give_memory_back(t, t->slots, t->slot_count * sizeof(slot));
    t->slots = slots;
    t->slot_count = slot_count;
    t->mask = mask;
    /* In a small table probes are cheap to keep short, and what ends one is foreseen. */
    t->grow_at = (uint32_t)(slot_count / 16 * (slot_count <= SLOTS_SMALL ? 5 : 10));
    return SL_OK;
}

/* ---- keys longer than an entry ---- */

static sl_code add_key_slab(sl_hash_table *t, size_t least_bytes, sl_error *err)
{
    if (t->slab_count == t->slab_capacity) {
        uint32_t capacity = t->slab_capacity ? t->slab_capacity * 2 : 8;
        void *grown = NULL;
        SL_TRY(get_memory(t, capacity * sizeof t->slabs[0], &grown, err));
        if (t->slabs)
            memcpy(grown, t->slabs, t->slab_count * sizeof t->slabs[0]);
        give_memory_back(t, t->slabs, t->slab_capacity * sizeof t->slabs[0]);
        t->slabs = grown;
        t->slab_capacity = capacity;
    }
    size_t capacity_bytes = t->slab_count ? t->slabs[t->slab_count - 1].capacity_bytes * 2
                                          : KEY_SLAB_BYTES_MIN;
    if (capacity_bytes > KEY_SLAB_BYTES_MAX)
        capacity_bytes = KEY_SLAB_BYTES_MAX;
    if (capacity_bytes < least_bytes)
        capacity_bytes = least_bytes;
    void *data = NULL;
    SL_TRY(get_memory(t, capacity_bytes, &data, err));
    t->slabs[t->slab_count++] =
        (key_slab){ .data = data, .capacity_bytes = capacity_bytes };
    return SL_OK;
}

/* Slabs behind the current one are empty (left by a clear). */
static sl_code alloc_far_key(sl_hash_table *t, uint32_t length, uint8_t **ret,
                             sl_error *err)
{
    uint32_t current = t->slab_current;
    size_t used = t->slab_used;
    while (current < t->slab_count && t->slabs[current].capacity_bytes - used < length) {
        current++;
        used = 0;
    }
    if (current == t->slab_count)
        SL_TRY(add_key_slab(t, length, err));
    *ret = t->slabs[current].data + used;
    t->slab_current = current;
    t->slab_used = used + length;
    t->far_used += length;
    t->far_live += length;
    return SL_OK;
}

/* Copy the living long keys into one new slab.  Needs memory for a moment: if there is
 * none, the garbage stays for now. */
static void compact_keys(sl_hash_table *t)
{
    size_t room = t->far_live + t->far_live / 4 + KEY_SLAB_BYTES_MIN;
    void *memory = NULL;
    if (get_memory(t, room, &memory, NULL) != SL_OK)
        return;
    uint8_t *data = memory;
    size_t used = 0;
    for (uint32_t id = 0; id < t->id_end; id++) {
        entry *e = entry_at(t, id);
        if (e->length == LENGTH_FREE || e->length <= NEAR_KEY_BYTES)
            continue;
        memcpy(data + used, key_of(e), e->length);
        set_far_key(e, data + used);
        used += e->length;
    }
    SL_ASSERT(used == t->far_live);
    for (uint32_t i = 0; i < t->slab_count; i++)
        give_memory_back(t, t->slabs[i].data, t->slabs[i].capacity_bytes);
    t->slabs[0] = (key_slab){ .data = data, .capacity_bytes = room };
    t->slab_count = 1;
    t->slab_current = 0;
    t->slab_used = t->far_used = used;
}

/* ---- life ---- */

sl_code sl_hash_table_new(uint32_t value_width, sl_budget *budget, sl_hash_table **ret,
                          sl_error *err)
{
    if (value_width > (1u << 20))
        return sl_fail(err, SL_ELIMIT, "a hash table value of %u bytes is too wide",
                       value_width);
    sl_hash_table *t = sl_try_alloc(sizeof *t);
    if (!t)
        return sl_fail(err, SL_ENOMEM, "the system gave no memory for a hash table");
    *t = (sl_hash_table){
        .budget = budget,
        .free_head = SL_ENTRY_NONE,
        .value_width = value_width,
        .stride = sizeof(entry) + (((size_t)value_width + 7) & ~(size_t)7),
    };
    sl_code code = set_slots(t, SLOTS_MIN, err);
    if (code != SL_OK) {
        sl_hash_table_free(t);
        return code;
    }
    *ret = t;
    return SL_OK;
}

void sl_hash_table_free(sl_hash_table *t)
{
    if (!t)
        return;
    for (uint32_t id = 0; id < t->id_capacity;) {
        uint32_t entries = chunk_entries(id);
        give_memory_back(t, t->pages[id >> PAGE_SHIFT], entries * t->stride);
        id += entries;
    }
    give_memory_back(t, t->pages, t->page_capacity * sizeof t->pages[0]);
    for (uint32_t i = 0; i < t->slab_count; i++)
        give_memory_back(t, t->slabs[i].data, t->slabs[i].capacity_bytes);
    give_memory_back(t, t->slabs, t->slab_capacity * sizeof t->slabs[0]);
    give_memory_back(t, t->slots, t->slot_count * sizeof(slot));
    SL_ASSERT(t->charged_bytes == 0);
    sl_free(t);
}

void sl_hash_table_clear(sl_hash_table *t)
{
    memset(t->slots, 0xff, t->slot_count * sizeof(slot));
    t->live_count = 0;
    t->id_end = 0;
    t->free_head = SL_ENTRY_NONE;
    t->slab_current = 0;
    t->slab_used = t->far_used = t->far_live = 0;
}

/* ---- one batch ---- */

static inline uint32_t find(const sl_hash_table *t, uint64_t hash, const uint8_t *key,
                            uint32_t length, uint32_t *ret_at)
{
    uint32_t tag = tag_of(hash);
    uint32_t at = tag & t->mask;
    for (;; at = (at + 1) & t->mask) {
        slot s = t->slots[at];
        if (s.id == SL_ENTRY_NONE ||
            (s.tag == tag && entry_is(entry_at(t, s.id), hash, key, length))) {
            *ret_at = at;
            return s.id;
        }
    }
}

/* What a block of keys probably is: the first slot of each key's run with its tag.  A
 * guess costs two passes, in each of which all misses of the block are in flight. */
static inline void guess(const sl_hash_table *t, const uint64_t *hashes, uint32_t count,
                         uint32_t *ret_ids)
{
    uint32_t tags[BLOCK_KEYS];
    for (uint32_t i = 0; i < count; i++) {
        tags[i] = tag_of(hashes[i]);
        __builtin_prefetch(&t->slots[tags[i] & t->mask]);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = tags[i] & t->mask;
        slot s = t->slots[at];
        while (s.tag != tags[i] && s.id != SL_ENTRY_NONE) {
            at = (at + 1) & t->mask;
            s = t->slots[at];
        }
        ret_ids[i] = s.id;
        if (s.id != SL_ENTRY_NONE)
            __builtin_prefetch(entry_at(t, s.id));
    }
}

/* Everything that can fail comes before the first change. */
static __attribute__((noinline)) sl_code insert(sl_hash_table *t, uint64_t hash,
                                                const uint8_t *key, uint32_t length,
                                                uint32_t at, uint32_t *ret_id,
                                                sl_error *err)
{
    if (length > INT32_MAX)
        return sl_fail(err, SL_ELIMIT, "a key of %u bytes is too long", length);
    if (t->free_head == SL_ENTRY_NONE && t->id_end == t->id_capacity)
        SL_TRY(add_chunk(t, err));
    if (t->live_count >= t->grow_at) {
        SL_TRY(set_slots(t, t->slot_count * 2, err));
        at = tag_of(hash) & t->mask;
        while (t->slots[at].id != SL_ENTRY_NONE)
            at = (at + 1) & t->mask;
    }
    uint8_t *far = NULL;
    if (length > NEAR_KEY_BYTES)
        SL_TRY(alloc_far_key(t, length, &far, err));

    uint32_t id = t->free_head;
    entry *e;
    if (id != SL_ENTRY_NONE) {
        e = entry_at(t, id);
        t->free_head = (uint32_t)e->hash;
    } else {
        id = t->id_end++;
        e = entry_at(t, id);
    }
    e->hash = hash;
    e->length = length;
    if (far)
        set_far_key(e, far);
    if (length > 0)
        memcpy(far ? far : e->key, key, length);
    memset(value_of(e), 0, t->stride - sizeof(entry));
    t->slots[at] = (slot){ .tag = tag_of(hash), .id = id };
    t->live_count++;
    *ret_id = id;
    return SL_OK;
}

/* The guess was wrong, or the key is not there: insert it, unless an earlier key of the
 * block just did. */
static __attribute__((noinline)) sl_code upsert_one(sl_hash_table *t, uint64_t hash,
                                                    const uint8_t *key, uint32_t length,
                                                    uint32_t *ret_id, bool *ret_new,
                                                    sl_error *err)
{
    uint32_t at, id = find(t, hash, key, length, &at);
    *ret_new = id == SL_ENTRY_NONE;
    if (*ret_new)
        SL_TRY(insert(t, hash, key, length, at, &id, err));
    *ret_id = id;
    return SL_OK;
}

sl_code sl_hash_table_upsert_many(sl_hash_table *t, const sl_key_batch *keys,
                                  uint32_t *ret_ids, uint64_t *ret_new, sl_error *err)
{
    if (ret_new)
        memset(ret_new, 0, sl_bitmap_words(keys->count) * sizeof ret_new[0]);
    for (uint32_t from = 0; from < keys->count; from += BLOCK_KEYS) {
        uint32_t end = keys->count - from < BLOCK_KEYS ? keys->count : from + BLOCK_KEYS;
        guess(t, keys->hashes + from, end - from, ret_ids + from);
        for (uint32_t i = from; i < end; i++) {
            const uint8_t *key = keys->data + keys->offsets[i];
            uint32_t length = keys->offsets[i + 1] - keys->offsets[i];
            if (ret_ids[i] != SL_ENTRY_NONE &&
                entry_is(entry_at(t, ret_ids[i]), keys->hashes[i], key, length))
                continue;
            bool is_new;
            SL_TRY(
                upsert_one(t, keys->hashes[i], key, length, &ret_ids[i], &is_new, err));
            if (is_new && ret_new)
                sl_bitmap_set(ret_new, i);
        }
    }
    return SL_OK;
}

void sl_hash_table_get_many(const sl_hash_table *t, const sl_key_batch *keys,
                            uint32_t *ret_ids)
{
    for (uint32_t from = 0; from < keys->count; from += BLOCK_KEYS) {
        uint32_t end = keys->count - from < BLOCK_KEYS ? keys->count : from + BLOCK_KEYS;
        guess(t, keys->hashes + from, end - from, ret_ids + from);
        for (uint32_t i = from; i < end; i++) {
            const uint8_t *key = keys->data + keys->offsets[i];
            uint32_t at, length = keys->offsets[i + 1] - keys->offsets[i];
            if (ret_ids[i] != SL_ENTRY_NONE &&
                !entry_is(entry_at(t, ret_ids[i]), keys->hashes[i], key, length))
                ret_ids[i] = find(t, keys->hashes[i], key, length, &at);
        }
    }
}

/* Close the gap at `hole`: a later slot of the run moves into it unless its home lies
 * behind the hole. */
static void shift_back(sl_hash_table *t, uint32_t hole)
{
    for (uint32_t at = (hole + 1) & t->mask; t->slots[at].id != SL_ENTRY_NONE;
         at = (at + 1) & t->mask) {
        uint32_t home = t->slots[at].tag & t->mask;
        if (((at - home) & t->mask) >= ((at - hole) & t->mask)) {
            t->slots[hole] = t->slots[at];
            hole = at;
        }
    }
    t->slots[hole].id = SL_ENTRY_NONE;
}

void sl_hash_table_remove(sl_hash_table *t, uint32_t id)
{
    SL_ASSERT(sl_hash_table_is_live(t, id));
    entry *e = entry_at(t, id);
    uint32_t at = tag_of(e->hash) & t->mask;
    while (t->slots[at].id != id)
        at = (at + 1) & t->mask;
    shift_back(t, at);

    if (e->length > NEAR_KEY_BYTES)
        t->far_live -= e->length;
    e->hash = t->free_head;
    e->length = LENGTH_FREE;
    t->free_head = id;
    t->live_count--;
    size_t garbage = t->far_used - t->far_live;
    if (garbage > t->far_used / 2 && garbage > 64 * (size_t)1024)
        compact_keys(t);
}

/* ---- what is there ---- */

uint32_t sl_hash_table_count(const sl_hash_table *t)
{
    return t->live_count;
}

uint32_t sl_hash_table_id_end(const sl_hash_table *t)
{
    return t->id_end;
}

bool sl_hash_table_is_live(const sl_hash_table *t, uint32_t id)
{
    return id < t->id_end && entry_at(t, id)->length != LENGTH_FREE;
}

uint8_t *sl_hash_table_value(const sl_hash_table *t, uint32_t id)
{
    SL_DASSERT(sl_hash_table_is_live(t, id));
    return value_of(entry_at(t, id));
}

sl_span sl_hash_table_key(const sl_hash_table *t, uint32_t id)
{
    SL_DASSERT(sl_hash_table_is_live(t, id));
    const entry *e = entry_at(t, id);
    return (sl_span){ key_of(e), e->length };
}

uint64_t sl_hash_table_hash(const sl_hash_table *t, uint32_t id)
{
    SL_DASSERT(sl_hash_table_is_live(t, id));
    return entry_at(t, id)->hash;
}

int64_t sl_hash_table_bytes(const sl_hash_table *t)
{
    return t->charged_bytes;
}

void sl_hash_table_values(const sl_hash_table *t, const uint32_t *ids, uint32_t count,
                          uint8_t **ret_slots)
{
    for (uint32_t i = 0; i < count; i++)
        ret_slots[i] = value_of(entry_at(t, ids[i]));
}

static_assert(NEAR_KEY_BYTES >= 12, "as the header says of keys");

void sl_hash_table_keys(const sl_hash_table *t, const uint32_t *ids, uint32_t count,
                        sl_span *ret_keys)
{
    for (uint32_t i = 0; i < count; i++) {
        const entry *e = entry_at(t, ids[i]);
        ret_keys[i] = (sl_span){ key_of(e), e->length };
    }
}

void sl_hash_table_hashes(const sl_hash_table *t, uint32_t first, uint32_t count,
                          uint64_t *ret_hashes)
{
    for (uint32_t i = 0; i < count; i++)
        ret_hashes[i] = entry_at(t, first + i)->hash;
}
