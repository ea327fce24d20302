#include "transport/zmq_packet_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "transport/link_zmq.h"

/* ---- routing ids ---- */

void sl_zmq__make_id(uint64_t incarnation, const char *address, char *ret)
{
    snprintf(ret, SL_ZMQ_ID_BYTES_MAX + 1, "%016" PRIx64 "@%s", incarnation, address);
}

bool sl_zmq__read_id(const char *id, uint64_t *ret_incarnation, const char **ret_address)
{
    char digits[17] = { 0 };
    if (strlen(id) < 18 || id[16] != '@' || strspn(id, "0123456789abcdef") != 16)
        return false;
    memcpy(digits, id, 16);
    *ret_incarnation = strtoull(digits, NULL, 16);
    *ret_address = id + 17;
    return true;
}

/* ---- out ---- */

/* A network thread of ZeroMQ lets go of a body it has sent. */
static void let_go(void *data, void *blob)
{
    (void)data;
    sl_blob_unref((sl_blob *)blob);
}

static int send_part(void *socket, zmq_msg_t *part, bool more)
{
    if (zmq_msg_send(part, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0)
        return 0;
    int reason = errno;
    zmq_msg_close(part);
    return reason;
}

static int send_id(void *socket, const char *id)
{
    zmq_msg_t part;
    size_t length = strlen(id);
    SL_ASSERT(zmq_msg_init_size(&part, length) == 0);
    memcpy(zmq_msg_data(&part), id, length);
    return send_part(socket, &part, true);
}

/* Once the first part is taken the queue has room for the others: its mark counts whole
 * messages. */
int sl_zmq__send(void *socket, const char *id, const uint8_t *head, sl_blob *body)
{
    zmq_msg_t part;
    size_t inlined =
        body != NULL && body->size_bytes < SL_ZMQ_COPY_BYTES ? body->size_bytes : 0;
    bool apart = body != NULL && inlined == 0;
    int reason = id != NULL ? send_id(socket, id) : 0;
    if (reason != 0)
        return reason;
    SL_ASSERT(zmq_msg_init_size(&part, SL_LINK_HEAD_BYTES + inlined) == 0);
    memcpy(zmq_msg_data(&part), head, SL_LINK_HEAD_BYTES);
    if (inlined > 0)
        memcpy((uint8_t *)zmq_msg_data(&part) + SL_LINK_HEAD_BYTES, body->data, inlined);
    reason = send_part(socket, &part, apart);
    if (reason != 0 || !apart)
        return reason;
    SL_ASSERT(zmq_msg_init_data(&part, (void *)(uintptr_t)body->data, body->size_bytes,
                                let_go, sl_blob_ref(body)) == 0);
    return send_part(socket, &part, false);
}

bool sl_zmq__probe(void *router, const char *id)
{
    zmq_msg_t empty;
    int reason = send_id(router, id);
    if (reason != 0)
        return reason == EAGAIN; /* its queue is full: it lives */
    zmq_msg_init(&empty);
    (void)send_part(router, &empty, false);
    return true;
}

/* ---- in ---- */

static void close_message(void *message)
{
    zmq_msg_close((zmq_msg_t *)message);
    sl_free(message);
}

/* NULL: nothing is there. */
static zmq_msg_t *receive_part(void *socket)
{
    zmq_msg_t *m = (zmq_msg_t *)sl_alloc(sizeof *m);
    int n;
    zmq_msg_init(m);
    do
        n = zmq_msg_recv(m, socket, ZMQ_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return m;
    close_message(m);
    return NULL;
}

/* A message from `at` on becomes the body; the message is taken. */
static sl_blob *body_of(zmq_msg_t *m, size_t at)
{
    const uint8_t *data = (const uint8_t *)zmq_msg_data(m);
    return sl_blob_wrap(sl_span_of(data + at, zmq_msg_size(m) - at), close_message, m);
}

/* Parts arrive together; more of them than a packet has are read and thrown away. */
static sl_zmq_got drop_rest(void *socket, bool more)
{
    while (more) {
        zmq_msg_t *m = receive_part(socket);
        more = m != NULL && zmq_msg_more(m);
        if (m != NULL)
            close_message(m);
    }
    return SL_ZMQ_BAD;
}

static sl_zmq_got receive_id(void *socket, sl_zmq_packet *ret)
{
    zmq_msg_t *m = receive_part(socket);
    if (m == NULL)
        return SL_ZMQ_NOTHING;
    size_t length = zmq_msg_size(m);
    bool more = zmq_msg_more(m) != 0;
    bool good = more && length <= SL_ZMQ_ID_BYTES_MAX &&
                memchr(zmq_msg_data(m), '\0', length) == NULL;
    if (good) {
        memcpy(ret->id, zmq_msg_data(m), length);
        ret->id[length] = '\0';
    }
    close_message(m);
    return good ? SL_ZMQ_PACKET : drop_rest(socket, more);
}

sl_zmq_got sl_zmq__receive(void *socket, bool is_router, sl_zmq_packet *ret)
{
    ret->body = NULL;
    ret->id[0] = '\0';
    if (is_router) {
        sl_zmq_got got = receive_id(socket, ret);
        if (got != SL_ZMQ_PACKET)
            return got;
    }
    zmq_msg_t *m = receive_part(socket);
    if (m == NULL)
        return SL_ZMQ_NOTHING;
    bool more = zmq_msg_more(m) != 0;
    size_t size = zmq_msg_size(m);
    if (size == 0 && !more) {
        close_message(m);
        return SL_ZMQ_EMPTY;
    }
    if (size < SL_LINK_HEAD_BYTES || (more && size > SL_LINK_HEAD_BYTES)) {
        close_message(m);
        return drop_rest(socket, more);
    }
    memcpy(ret->head, zmq_msg_data(m), SL_LINK_HEAD_BYTES);
    if (size > SL_LINK_HEAD_BYTES)
        ret->body = body_of(m, SL_LINK_HEAD_BYTES);
    else
        close_message(m);
    if (!more)
        return SL_ZMQ_PACKET;
    m = receive_part(socket);
    more = m != NULL && zmq_msg_more(m);
    if (m == NULL || more || zmq_msg_size(m) == 0) {
        if (m != NULL)
            close_message(m);
        return drop_rest(socket, more);
    }
    ret->body = body_of(m, 0);
    return SL_ZMQ_PACKET;
}
