/* Frames that came before their exchange was made: TASKs reach workers at different
 * times, and a peer sends the first blocks of a target without being asked.
 *
 * What a peer may send unasked is little for each target (SL_SHUFFLE_START_BYTES), but
 * nobody here has checked it yet: all together are bounded.  Over the bound the exchange
 * whose frame came first loses all that is kept for it, and is told when it is made: its
 * attempt fails and is tried again.  An attempt that was here is remembered by run and
 * stage, so that late frames of it are not taken for early ones.
 */
#include <string.h>

#include "base/alloc.h"
#include "shuffle/exchange_private.h"

#define KEPT_MAX 65536u
#define KEPT_BYTES_MAX ((size_t)64 << 20)
#define BROKEN_MAX 256u

typedef struct kept {
    struct kept *next;
    char *address;
    uint64_t incarnation;
    sl_shuffle_head head;
    sl_blob *frame; /* of a block */
} kept;

/* The newest attempt that was here, of a run's stage. */
typedef struct newest {
    struct newest *next;
    sl_shuffle_id id;
} newest;

struct sl_xearlies {
    kept *first, **last;
    uint32_t count;
    size_t bytes;
    newest *newest;
    sl_shuffle_id broken[BROKEN_MAX]; /* a ring: exchanges whose frames were dropped */
    uint32_t broken_count;
};

bool sl_shuffle__is_older(const sl_shuffle_id *a, const sl_shuffle_id *b)
{
    if (a->run != b->run || a->stage != b->stage)
        return false;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch;
    return a->batch != b->batch ? a->batch < b->batch : a->attempt < b->attempt;
}

static size_t bytes_of(const kept *k)
{
    return sizeof *k + strlen(k->address) + (k->frame != NULL ? k->frame->size_bytes : 0);
}

/* Takes it off the list. */
static kept *take(sl_xearlies *e, kept **at)
{
    kept *k = *at;
    *at = k->next;
    if (e->last == &k->next)
        e->last = at;
    e->count--;
    e->bytes -= bytes_of(k);
    return k;
}

static void kept_free(kept *k)
{
    sl_blob_unref(k->frame);
    sl_free(k->address);
    sl_free(k);
}

static bool is_broken(const sl_xearlies *e, const sl_shuffle_id *id)
{
    uint32_t count = e->broken_count < BROKEN_MAX ? e->broken_count : BROKEN_MAX;
    for (uint32_t i = 0; i < count; i++)
        if (sl_shuffle__same(&e->broken[i], id))
            return true;
    return false;
}

static void break_oldest(sl_xearlies *e)
{
    sl_shuffle_id id = e->first->head.id;
    e->broken[e->broken_count++ % BROKEN_MAX] = id;
    for (kept **at = &e->first; *at != NULL;) {
        if (sl_shuffle__same(&(*at)->head.id, &id))
            kept_free(take(e, at));
        else
            at = &(*at)->next;
    }
}

static bool was_here(const sl_xearlies *e, const sl_shuffle_id *id)
{
    for (const newest *n = e->newest; n != NULL; n = n->next)
        if (n->id.run == id->run && n->id.stage == id->stage)
            return !sl_shuffle__is_older(&n->id, id);
    return false;
}

bool sl_shuffle__early_keep(sl_xearlies *e, const char *from, uint64_t incarnation,
                            const sl_shuffle_head *h, sl_blob *frame)
{
    if (was_here(e, &h->id))
        return false;
    if (is_broken(e, &h->id))
        return true;
    kept *k = sl_calloc(1, sizeof *k);
    *k = (kept){ .address = sl_strdup(from),
                 .incarnation = incarnation,
                 .head = *h,
                 .frame = frame != NULL ? sl_blob_ref(frame) : NULL };
    *e->last = k;
    e->last = &k->next;
    e->count++;
    e->bytes += bytes_of(k);
    while (e->count > KEPT_MAX || e->bytes > KEPT_BYTES_MAX)
        break_oldest(e);
    return true;
}

static void remember(sl_xearlies *e, const sl_shuffle_id *id)
{
    newest *n = e->newest;
    while (n != NULL && (n->id.run != id->run || n->id.stage != id->stage))
        n = n->next;
    if (n == NULL) {
        n = sl_calloc(1, sizeof *n);
        n->next = e->newest;
        e->newest = n;
    }
    n->id = *id;
}

bool sl_shuffle__early_take(sl_xearlies *e, const sl_shuffle_id *id,
                            sl_shuffle_early_fn fn, void *user)
{
    remember(e, id);
    for (kept **at = &e->first; *at != NULL;) {
        bool same = sl_shuffle__same(&(*at)->head.id, id);
        if (!same && !sl_shuffle__is_older(&(*at)->head.id, id)) {
            at = &(*at)->next;
            continue;
        }
        kept *k = take(e, at);
        if (same)
            fn(user, k->address, k->incarnation, &k->head, k->frame);
        kept_free(k);
    }
    return !is_broken(e, id);
}

void sl_shuffle__early_forget_run(sl_xearlies *e, uint64_t run)
{
    for (kept **at = &e->first; *at != NULL;) {
        if ((*at)->head.id.run == run)
            kept_free(take(e, at));
        else
            at = &(*at)->next;
    }
    for (newest **at = &e->newest; *at != NULL;) {
        newest *n = *at;
        if (n->id.run != run) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        sl_free(n);
    }
}

void sl_shuffle__early_forget_peer(sl_xearlies *e, const char *address, uint64_t lost,
                                   uint64_t living)
{
    for (kept **at = &e->first; *at != NULL;) {
        const kept *k = *at;
        bool gone = strcmp(k->address, address) == 0 &&
                    (lost == 0 || k->incarnation == lost) &&
                    (living == 0 || k->incarnation != living);
        if (gone)
            kept_free(take(e, at));
        else
            at = &(*at)->next;
    }
}

sl_xearlies *sl_shuffle__early_new(void)
{
    sl_xearlies *e = sl_calloc(1, sizeof *e);
    e->last = &e->first;
    return e;
}

void sl_shuffle__early_free(sl_xearlies *e)
{
    if (e == NULL)
        return;
    while (e->first != NULL)
        kept_free(take(e, &e->first));
    while (e->newest != NULL) {
        newest *n = e->newest;
        e->newest = n->next;
        sl_free(n);
    }
    sl_free(e);
}
