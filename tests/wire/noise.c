/* noise ADDRESS SEED ROUNDS - what nobody should send to a driver's or worker's port:
 * bytes that are no ZeroMQ, ZeroMQ messages that are no packets, packets that are no
 * messages, messages changed at random.  Ends with 0 once all of it is sent. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "base/hash.h"
#include "base/limits.h"
#include "proto/client_messages.h"
#include "proto/frame.h"
#include "proto/messages.h"
#include "transport/channel_head_private.h"

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16) % below;
}

static void fill(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)draw(256);
}

/* ---- no ZeroMQ ---- */

static int dial(const char *address)
{
    union {
        struct sockaddr any;
        struct sockaddr_in tcp;
        struct sockaddr_un ipc;
    } to = { 0 };
    socklen_t size = sizeof to.tcp;
    if (strncmp(address, "ipc://", 6) == 0) {
        to.ipc.sun_family = AF_UNIX;
        memcpy(to.ipc.sun_path, address + 6,
               strnlen(address + 6, sizeof to.ipc.sun_path - 1));
        size = sizeof to.ipc;
    } else if (strncmp(address, "tcp://127.0.0.1:", 16) == 0) {
        to.tcp.sin_family = AF_INET;
        to.tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.tcp.sin_port = htons((uint16_t)atoi(address + 16));
    }
    int fd = socket(to.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, &to.any, size) != 0) {
        perror(address);
        exit(1);
    }
    return fd;
}

static void send_raw(const char *address, uint32_t rounds)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const uint8_t greeting[] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3 };
    uint8_t bytes[4096];
    for (uint32_t i = 0; i < rounds; i++) {
        int fd = dial(address);
        uint32_t kind = draw(4), n = 1 + draw(sizeof bytes);
        fill(bytes, sizeof bytes);
        if (kind == 0)
            (void)!send(fd, http, sizeof http - 1, MSG_NOSIGNAL);
        else if (kind == 1)
            (void)!send(fd, greeting, 1 + draw(sizeof greeting), MSG_NOSIGNAL);
        else if (kind == 2 && send(fd, greeting, sizeof greeting, MSG_NOSIGNAL) > 0)
            (void)!send(fd, bytes, n, MSG_NOSIGNAL);
        else if (kind == 3)
            (void)!send(fd, bytes, n, MSG_NOSIGNAL);
        close(fd);
    }
}

/* ---- ZeroMQ ---- */

static void *context;

static void *open_dealer(const char *address, const char *id)
{
    void *s = zmq_socket(context, ZMQ_DEALER);
    int linger = 2000;
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(s, ZMQ_SNDTIMEO, &linger, sizeof linger);
    if (id != NULL)
        zmq_setsockopt(s, ZMQ_ROUTING_ID, id, strlen(id));
    if (zmq_connect(s, address) != 0) {
        fprintf(stderr, "%s: %s\n", address, zmq_strerror(zmq_errno()));
        exit(1);
    }
    return s;
}

static void send_part(void *s, const void *bytes, size_t count, bool more)
{
    (void)!zmq_send(s, bytes, count, more ? ZMQ_SNDMORE : 0);
}

/* No packets: wrong shapes and heads. */
static void send_shapes(void *s, uint32_t rounds)
{
    uint8_t bytes[8192];
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t parts = 1 + draw(5);
        fill(bytes, sizeof bytes);
        if (draw(2) == 0)
            memcpy(bytes, "SLC2", 4);
        for (uint32_t p = 0; p < parts; p++)
            send_part(s, bytes, draw(3) == 0 ? SL_LINK_HEAD_BYTES : draw(sizeof bytes),
                      p + 1 < parts);
    }
}

static uint64_t incarnation, sequence;

/* A packet as a channel of ours sends it; sometimes one that lies about its place. */
static void send_packet(void *s, sl_span body)
{
    uint8_t packet[SL_LINK_HEAD_BYTES + 2048];
    sl_channel_head h = { .sender = incarnation,
                          .sequence = ++sequence,
                          .body_bytes = (uint32_t)body.size_bytes,
                          .body_crc = sl_crc32c(0, body.data, body.size_bytes) };
    sl_channel__write_head(&h, packet);
    memcpy(packet + SL_LINK_HEAD_BYTES, body.data, body.size_bytes);
    send_part(s, packet, SL_LINK_HEAD_BYTES + body.size_bytes, false);
    if (draw(4) != 0)
        return;
    h.receiver = draw(2) == 0 ? 0 : random_state;
    h.sequence = draw(2) == 0 ? UINT64_MAX : sequence + 1 + draw(100);
    h.ack = random_state;
    h.flags = (uint16_t)draw(65536);
    sl_channel__write_head(&h, packet);
    send_part(s, packet, SL_LINK_HEAD_BYTES + body.size_bytes, false);
}

static void encode(uint32_t kind, sl_bytes *out)
{
    static const sl_msg_slice slices[] = { { 0, 0, { (const uint8_t *)"abc", 3 } } };
    sl_message m = { .kind = (sl_message_kind)kind };
    sl_cmsg c = { .kind = SL_CMSG_REQUEST };
    if (kind >= SL_CMSG_FIRST) {
        c.u.request = (sl_cmsg_request){
            .id = 1, .kind = SL_REQUEST_EXECUTE, .text = "SELECT 1", .name = ""
        };
        sl_cmsg_encode(&c, out);
        return;
    }
    if (kind == SL_MSG_TASK)
        m.u.task =
            (sl_msg_task){ .at = { 1, 1, 0, 0 }, .slice_count = 1, .slices = slices };
    else if (kind == SL_MSG_DEPLOY)
        m.u.deploy = (sl_msg_deploy){ .query = 1,
                                      .fragment = { (const uint8_t *)"plan", 4 },
                                      .query_id = "",
                                      .checkpoint = "" };
    else if (kind == SL_MSG_REJECTED)
        m.u.rejected = (sl_msg_rejected){ "because", false };
    else if (kind == SL_MSG_UNDEPLOY)
        m.u.undeploy = (sl_msg_undeploy){ 1 };
    else
        m = (sl_message){ .kind = SL_MSG_HEARTBEAT };
    sl_message_encode(&m, out);
}

/* Messages in right packets: whole ones that are not for the receiver to heed, then
 * changed ones.  No REGISTER: that would be a worker like another. */
static void send_messages(void *s, uint32_t rounds)
{
    static const uint8_t kinds[] = { SL_MSG_UNDEPLOY, SL_MSG_REJECTED,  SL_MSG_DEPLOY,
                                     SL_MSG_TASK,     SL_MSG_HEARTBEAT, SL_CMSG_REQUEST };
    for (uint32_t i = 0; i < rounds; i++) {
        sl_bytes frame = { 0 }, changed = { 0 };
        encode(kinds[i % sizeof kinds], &frame);
        if (i >= sizeof kinds)
            for (uint32_t k = draw(4); k < 4; k++)
                frame.data[draw((uint32_t)frame.size_bytes)] = (uint8_t)draw(256);
        if (i >= sizeof kinds && draw(2) == 0) { /* with a checksum that is right */
            uint8_t kind = (uint8_t)(SL_MSG_HEARTBEAT + draw(100));
            sl_frame_append(&changed, SL_PROTOCOL_VERSION, kind,
                            sl_span_of(frame.data + SL_FRAME_HEADER_BYTES,
                                       frame.size_bytes - SL_FRAME_HEADER_BYTES));
            send_packet(s, sl_bytes_span(&changed));
        } else {
            send_packet(s, sl_bytes_span(&frame));
        }
        sl_bytes_deinit(&frame);
        sl_bytes_deinit(&changed);
    }
}

static void send_too_much(const char *address)
{
    size_t size = SL_FRAME_BYTES_MAX + (8u << 20);
    uint8_t *bytes = (uint8_t *)calloc(1, size);
    void *s = open_dealer(address, NULL);
    send_part(s, bytes, size, false);
    free(bytes);
    usleep(200000);
    int none = 0; /* it is sent again and again as the receiver closes the connection */
    zmq_setsockopt(s, ZMQ_LINGER, &none, sizeof none);
    zmq_close(s);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: noise ADDRESS SEED ROUNDS\n");
        return 2;
    }
    const char *address = argv[1];
    uint32_t rounds = (uint32_t)strtoul(argv[3], NULL, 10);
    char id[64];
    random_state = strtoull(argv[2], NULL, 10) * UINT64_C(0x9E3779B97F4A7C15) + 1;
    context = zmq_ctx_new();
    send_raw(address, rounds / 10 + 4);
    void *nameless = open_dealer(address, NULL), *odd = open_dealer(address, "@@@");
    send_shapes(nameless, rounds);
    send_shapes(odd, rounds);
    incarnation = random_state | 1;
    snprintf(id, sizeof id, "%016llx@noise-%u", (unsigned long long)incarnation,
             draw(1000));
    void *named = open_dealer(address, id);
    send_messages(named, rounds);
    send_shapes(named, rounds);
    send_too_much(address);
    zmq_close(nameless);
    zmq_close(odd);
    zmq_close(named);
    zmq_ctx_term(context);
    return 0;
}
