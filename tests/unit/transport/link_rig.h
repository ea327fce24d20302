/* link_rig.h - one world for tests of channels: a host, a network, ends that record what
 * they get; over each kind of link. */

#ifndef SL_TESTS_LINK_RIG_H
#define SL_TESTS_LINK_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/channel.h"
#include "transport/link_zmq.h"

enum link_kind { LINK_LOCAL, LINK_LOSSY, LINK_IPC, LINK_TCP };

struct rig {
    enum link_kind kind;
    sl_fs_virtual *fs;
    sl_host *host;
    sl_local_network *local;
    sl_zmq_network *zmq;
    sl_network *network;
    char directory[64]; /* of ipc sockets */
    uint64_t seed, random;
    uint32_t loss_percent;
    bool stop;
    bool (*until)(void *user);
    void *user;
    int64_t give_up_us;
};

/* What an end got. Messages hold their number first. */
struct end {
    struct rig *rig;
    sl_channel *channel;
    uint32_t received, peers, ups, downs, rooms;
    uint64_t bytes;
    bool out_of_order, damaged;
    char last_from[SL_ADDRESS_BYTES_MAX + 1];
    uint64_t last_incarnation;
    bool echoes;
};

static inline uint64_t rig_random(struct rig *r)
{
    uint64_t z = (r->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline int64_t rig_no_time(void *user)
{
    (void)user;
    return 0;
}

static inline uint32_t rig_faulty(void *user, const char *from, const char *to,
                                  int64_t *ret_delay_us)
{
    struct rig *r = (struct rig *)user;
    (void)from;
    (void)to;
    uint32_t draw = (uint32_t)(rig_random(r) % 100);
    uint32_t copies = draw < r->loss_percent ? 0 : draw > 90 ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++)
        ret_delay_us[i] = (int64_t)(rig_random(r) % 3000);
    return copies;
}

static inline bool rig_is_virtual(const struct rig *r)
{
    return r->kind == LINK_LOCAL || r->kind == LINK_LOSSY;
}

static inline struct rig *rig_new(enum link_kind kind)
{
    struct rig *r = (struct rig *)calloc(1, sizeof *r);
    r->kind = kind;
    r->seed = r->random = 20260101u + (uint64_t)kind;
    if (rig_is_virtual(r)) {
        r->fs = sl_fs_virtual_new(rig_no_time, NULL);
        r->host = sl_host_virtual_new(r->seed, 0, sl_fs_virtual_fs(r->fs),
                                      (sl_host_virtual_hooks){ 0 });
        r->local = sl_local_network_new();
        r->network = sl_local_network_of(r->local);
        r->loss_percent = 10;
        if (kind == LINK_LOSSY)
            sl_local_network_set_faults(
                r->local, (sl_link_faults){ .copies = rig_faulty, .user = r });
    } else {
        assert_int_equal(sl_host_real_new(&r->host, NULL), SL_OK);
        assert_int_equal(sl_zmq_network_new(100, &r->zmq, NULL), SL_OK);
        r->network = sl_zmq_network_of(r->zmq);
        strcpy(r->directory, "/tmp/sluice-link-XXXXXX");
        assert_non_null(mkdtemp(r->directory));
    }
    return r;
}

static inline void rig_free(struct rig *r)
{
    sl_local_network_free(r->local);
    sl_zmq_network_free(r->zmq);
    sl_host_free(r->host);
    sl_fs_virtual_free(r->fs);
    if (r->directory[0] != '\0')
        assert_int_equal(rmdir(r->directory), 0); /* sockets are gone */
    free(r);
}

/* An address of this link for a name; TCP gets any free port. */
static inline void rig_address(const struct rig *r, const char *name, char *ret)
{
    if (r->kind == LINK_IPC)
        snprintf(ret, SL_ADDRESS_BYTES_MAX, "ipc://%s/%s", r->directory, name);
    else
        snprintf(ret, SL_ADDRESS_BYTES_MAX, "%s",
                 r->kind == LINK_TCP ? "tcp://127.0.0.1:0" : name);
}

/* ---- events ---- */

static inline void rig_check(void *user)
{
    struct rig *r = (struct rig *)user;
    int64_t now_us = sl_host_mono_us(r->host);
    r->stop = r->until(r->user) || now_us > r->give_up_us;
    if (!r->stop)
        (void)sl_host_timer(r->host, r, now_us + 200, rig_check, r);
}

/* Run until it holds; false: it never did, in a time no healthy run needs. */
static inline bool rig_until(struct rig *r, bool (*until)(void *user), void *user)
{
    r->until = until;
    r->user = user;
    r->stop = false;
    r->give_up_us =
        sl_host_mono_us(r->host) + (rig_is_virtual(r) ? INT64_C(3600000000) : 60000000);
    rig_check(r);
    (void)sl_host_run_until(r->host, &r->stop);
    return until(user);
}

struct rig_pause {
    struct rig *rig;
    int64_t until_us;
};

static inline bool rig_paused(void *user)
{
    struct rig_pause *p = (struct rig_pause *)user;
    return sl_host_mono_us(p->rig->host) >= p->until_us;
}

static inline void rig_run_for(struct rig *r, int64_t us)
{
    struct rig_pause p = { r, sl_host_mono_us(r->host) + us };
    assert_true(rig_until(r, rig_paused, &p));
}

/* ---- ends ---- */

static inline void end_on_message(void *user, const char *from, uint64_t incarnation,
                                  sl_blob *frame)
{
    struct end *e = (struct end *)user;
    uint32_t number;
    assert_true(frame->size_bytes >= sizeof number);
    memcpy(&number, frame->data, sizeof number);
    if (number != e->received)
        e->out_of_order = true;
    for (size_t i = sizeof number; i < frame->size_bytes; i += 4093)
        if (frame->data[i] != (uint8_t)(number + i))
            e->damaged = true;
    e->received++;
    e->bytes += frame->size_bytes;
    snprintf(e->last_from, sizeof e->last_from, "%s", from);
    e->last_incarnation = incarnation;
    if (e->echoes)
        assert_int_equal(sl_channel_send_blob(e->channel, from, frame, NULL), SL_OK);
}

static inline void end_on_peer(void *user, const char *from, uint64_t incarnation)
{
    struct end *e = (struct end *)user;
    e->peers++;
    snprintf(e->last_from, sizeof e->last_from, "%s", from);
    e->last_incarnation = incarnation;
}

static inline void end_on_link(void *user, const char *peer, uint64_t incarnation,
                               bool up)
{
    struct end *e = (struct end *)user;
    (void)peer;
    (void)incarnation;
    e->ups += up;
    e->downs += !up;
}

static inline void end_on_room(void *user, const char *to)
{
    (void)to;
    ((struct end *)user)->rooms++;
}

static inline void end_open_at(struct rig *r, struct end *e, const char *address,
                               uint64_t incarnation)
{
    sl_channel_callbacks callbacks = { .on_message = end_on_message,
                                       .on_peer = end_on_peer,
                                       .on_link = end_on_link,
                                       .on_room = end_on_room,
                                       .user = e };
    sl_error err = { 0 };
    *e = (struct end){ .rig = r };
    if (sl_channel_new(r->host, r->network, address, incarnation, callbacks, &e->channel,
                       &err) != SL_OK)
        fail_msg("%s", err.text);
}

static inline void end_open(struct rig *r, struct end *e, const char *name,
                            uint64_t incarnation)
{
    char address[SL_ADDRESS_BYTES_MAX + 1];
    rig_address(r, name, address);
    end_open_at(r, e, address, incarnation);
}

static inline const char *end_address(const struct end *e)
{
    return sl_channel_address(e->channel);
}

/* Message `number` of so many bytes. */
static inline sl_blob *numbered(uint32_t number, size_t size_bytes)
{
    sl_bytes b = { 0 };
    sl_bytes_reserve(&b, size_bytes);
    sl_bytes_append(&b, &number, sizeof number);
    while (b.size_bytes < size_bytes)
        sl_bytes_u8(&b, (uint8_t)(number + b.size_bytes));
    return sl_blob_take(&b);
}

static inline void send_numbers_of(struct end *from, const char *to, uint32_t begin,
                                   uint32_t end, size_t size_bytes)
{
    for (uint32_t i = begin; i < end; i++) {
        sl_blob *b = numbered(i, size_bytes);
        assert_int_equal(sl_channel_send_blob(from->channel, to, b, NULL), SL_OK);
        sl_blob_unref(b);
    }
}

static inline void send_numbers(struct end *from, const char *to, uint32_t begin,
                                uint32_t end)
{
    send_numbers_of(from, to, begin, end, 4);
}

struct want {
    const struct end *end;
    uint32_t received;
};

static inline bool has_received(void *user)
{
    const struct want *w = (const struct want *)user;
    return w->end->received >= w->received;
}

static inline void expect_received(struct rig *r, struct end *e, uint32_t count)
{
    struct want w = { e, count };
    if (!rig_until(r, has_received, &w))
        fail_msg("%u of %u messages came (seed %llu)", e->received, count,
                 (unsigned long long)r->seed);
    assert_int_equal(e->received, count);
    assert_false(e->out_of_order);
    assert_false(e->damaged);
}

static inline bool has_peer(void *user)
{
    return ((const struct end *)user)->peers > 0;
}

static inline bool has_downs(void *user)
{
    return ((const struct end *)user)->downs > 0;
}

static inline bool has_rooms(void *user)
{
    return ((const struct end *)user)->rooms > 0;
}

#endif /* SL_TESTS_LINK_RIG_H */
