/* What a driver, two workers and a client do with frames that are not what the other side
 * sent.  All are real, in virtual time, each on a network of its own; between them stands
 * this target, which passes messages on.  The input says what happens to which:
 *
 *   OFFSET SIZE MEANING (of each operation, as many as there are)
 *   0      1    direction (3 bits), messages that pass untouched before (5 bits)
 *   1      1    what happens (enum op)
 *   2      2    where
 *   4      1    a value
 *   5      1    bytes that follow, for INSERT and OWN
 *
 * A changed payload gets a right sum again, so it comes through to where it is acted on.
 * Nothing may crash, hang or leak, and in the end the driver answers an honest client. */
#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "client/api/client_private.h"
#include "connectors/memory_table.h"
#include "driver/driver.h"
#include "proto/frame.h"
#include "proto/messages.h"
#include "tests/fuzz/fuzz.h"
#include "worker/worker.h"

#define WALL_US INT64_C(1577836800000000)
#define SECONDS 12 /* of virtual time */
#define OPS_MAX 64u
#define KEPT 8u

enum machine { DRIVER, CLIENT, WORKER_1, WORKER_2, MACHINES };

static const char *const addresses[MACHINES] = { "driver", "c1", "w1", "w2" };

/* Who talks to whom; the other way is the next. */
static const struct {
    enum machine from, to;
} directions[] = {
    { DRIVER, WORKER_1 },   { WORKER_1, DRIVER },   { DRIVER, WORKER_2 },
    { WORKER_2, DRIVER },   { DRIVER, CLIENT },     { CLIENT, DRIVER },
    { WORKER_1, WORKER_2 }, { WORKER_2, WORKER_1 },
};
#define DIRECTIONS 8u

enum op { FLIP, CUT, INSERT, TWICE, DROP, SPOIL, NEST, GROW, KIND, AGAIN, OWN, BIG, OPS };

struct operation {
    uint8_t skip, op, value;
    uint16_t where;
    sl_span bytes;
};

struct world;

/* On the network of one machine, what stands for another one there: hears what the first
 * says to the second. */
struct end {
    struct world *world;
    enum machine of, as;
    sl_channel *channel; /* NULL: not met yet */
    struct operation ops[OPS_MAX];
    uint32_t op_count, next, passed;
    sl_bytes kept[KEPT]; /* the last messages, as they were */
    uint32_t kept_count;
};

struct world {
    sl_fs_virtual *files;
    sl_host *host;
    sl_kv_factory kv;
    sl_memory_tables *memory;
    sl_local_network *networks[MACHINES];
    sl_driver *driver;
    sl_worker *workers[2];
    sl_client client;
    struct end ends[DIRECTIONS];
    sl_call calls[8];
    sl_cmsg_request requests[8];
};

/* ---- changes ---- */

/* To the machine that the message was meant for, from what stands for its sender there.
 */
static void send(struct end *e, const sl_bytes *frame)
{
    struct end *other = &e->world->ends[(size_t)(e - e->world->ends) ^ 1];
    if (other->channel != NULL && frame->size_bytes > 0)
        (void)!sl_channel_send(other->channel, addresses[other->of], sl_bytes_span(frame),
                               NULL);
}

static void send_sealed(struct end *to, uint8_t kind, const sl_bytes *payload)
{
    sl_bytes frame = { 0 };
    sl_frame_append(&frame, SL_PROTOCOL_VERSION, kind, sl_bytes_span(payload));
    send(to, &frame);
    sl_bytes_deinit(&frame);
}

/* Of a shuffle (docs/formats/shuffle.md): its sum is in its head. */
static bool is_shuffle(sl_span frame)
{
    return frame.size_bytes >= 4 && memcmp(frame.data, "SLB1", 4) == 0;
}

static void send_shuffle(struct end *to, uint8_t kind, const sl_bytes *rest)
{
    sl_bytes frame = { 0 };
    sl_bytes_append(&frame, "SLB1\1", 5);
    sl_bytes_u8(&frame, kind);
    sl_bytes_append(&frame, rest->data, rest->size_bytes);
    if (frame.size_bytes >= 80) {
        uint32_t sum = sl_crc32c(0, frame.data, 72);
        for (int i = 0; i < 4; i++)
            frame.data[72 + i] = (uint8_t)(sum >> 8 * i);
    }
    send(to, &frame);
    sl_bytes_deinit(&frame);
}

static void insert(sl_bytes *b, size_t at, const void *data, size_t size)
{
    sl_bytes out = { 0 };
    if (b->size_bytes == 0) {
        sl_bytes_append(b, data, size);
        return;
    }
    sl_bytes_append(&out, b->data, at);
    sl_bytes_append(&out, data, size);
    sl_bytes_append(&out, b->data + at, b->size_bytes - at);
    sl_bytes_deinit(b);
    *b = out;
}

/* Fields within fields, each as long as what is left. */
static void nest(sl_bytes *b, uint32_t depth)
{
    sl_bytes_clear(b);
    for (uint32_t i = 0; i < depth; i++) {
        uint8_t head[] = { 0x0A, 0x80, 0x80, 0x00 };
        uint32_t left = 4 * (depth - 1 - i);
        head[1] = (uint8_t)(0x80 | (left & 0x7F));
        head[2] = (uint8_t)(0x80 | ((left >> 7) & 0x7F));
        head[3] = (uint8_t)(left >> 14);
        sl_bytes_append(b, head, sizeof head);
    }
}

static void change_payload(struct end *to, const struct operation *o, sl_span frame)
{
    static const uint8_t most[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                    0xFF, 0xFF, 0xFF, 0xFF, 0x01 };
    static const uint8_t zeros[1024];
    size_t head = is_shuffle(frame) ? 6 : SL_FRAME_HEADER_BYTES;
    sl_bytes p = { 0 };
    uint8_t kind = frame.data[5];
    sl_bytes_append(&p, frame.data + head, frame.size_bytes - head);
    size_t at = p.size_bytes > 0 ? o->where % p.size_bytes : 0;
    switch ((enum op)o->op) {
    case FLIP:
        if (p.size_bytes > 0)
            p.data[at] ^= o->value;
        break;
    case CUT:
        p.size_bytes = at;
        break;
    case INSERT:
        insert(&p, at, o->bytes.data, o->bytes.size_bytes);
        break;
    case NEST:
        nest(&p, o->where);
        break;
    case GROW: /* a field nobody knows, of up to 256 KiB */
        sl_bytes_append(&p, (const uint8_t[]){ 0xFA, 0x7F, 0x80, 0x80, o->value & 0xF },
                        5);
        for (uint32_t i = 0; i < 16u * (o->value & 0xF); i++)
            sl_bytes_append(&p, zeros, sizeof zeros);
        break;
    case KIND:
        kind = o->value;
        break;
    case BIG:
        if (p.size_bytes > 0) {
            p.data[at] = most[0];
            insert(&p, at, most, sizeof most - 1);
            p.data[at + sizeof most - 1] = most[sizeof most - 1];
        }
        break;
    default:
        break;
    }
    if (is_shuffle(frame))
        send_shuffle(to, kind, &p);
    else
        send_sealed(to, kind, &p);
    sl_bytes_deinit(&p);
}

static void apply(struct end *w, const struct operation *o, sl_span frame)
{
    sl_bytes whole = { 0 };
    sl_bytes_append(&whole, frame.data, frame.size_bytes);
    switch ((enum op)o->op) {
    case TWICE:
        send(w, &whole);
        send(w, &whole);
        break;
    case DROP:
        break;
    case SPOIL:
        whole.data[o->where % whole.size_bytes] ^= o->value;
        send(w, &whole);
        break;
    case AGAIN:
        send(w, &w->kept[o->where % KEPT]);
        send(w, &whole);
        break;
    case OWN: {
        sl_bytes own = { 0 };
        sl_bytes_append(&own, o->bytes.data, o->bytes.size_bytes);
        send_sealed(w, o->value, &own);
        send(w, &whole);
        sl_bytes_deinit(&own);
        break;
    }
    default:
        if (frame.size_bytes >= SL_FRAME_HEADER_BYTES)
            change_payload(w, o, frame);
    }
    sl_bytes_deinit(&whole);
}

static void on_message(void *user, const char *from, uint64_t incarnation, sl_blob *blob)
{
    struct end *e = (struct end *)user;
    sl_span frame = sl_blob_span(blob);
    (void)from;
    (void)incarnation;
    sl_bytes *kept = &e->kept[e->kept_count++ % KEPT];
    sl_bytes_clear(kept);
    sl_bytes_append(kept, frame.data, frame.size_bytes);
    if (e->next < e->op_count && e->passed++ >= e->ops[e->next].skip) {
        e->passed = 0;
        apply(e, &e->ops[e->next++], frame);
    } else {
        send(e, kept);
    }
}

/* ---- the world ---- */

static int64_t file_ns(void *user)
{
    return *(int64_t *)user += 1000;
}

static sl_code drop_text(void *user, const char *text, size_t length, sl_error *err)
{
    (void)user;
    (void)text;
    (void)length;
    (void)err;
    return SL_OK;
}

static int drop_print(void *user, const char *text, size_t length)
{
    (void)user;
    (void)text;
    (void)length;
    return 0;
}

static void open_end(struct end *e, uint64_t incarnation);

/* A machine that is met is met elsewhere under its own number. */
static void on_peer(void *user, const char *from, uint64_t incarnation)
{
    struct end *met = (struct end *)user;
    if (strcmp(from, addresses[met->of]) != 0)
        return;
    for (uint32_t i = 0; i < DIRECTIONS; i++) {
        struct end *e = &met->world->ends[i];
        if (e->as == met->of && e->channel == NULL)
            open_end(e, incarnation);
    }
}

static void open_end(struct end *e, uint64_t incarnation)
{
    sl_channel_callbacks callbacks = { .on_message = on_message,
                                       .on_peer = on_peer,
                                       .user = e };
    sl_network *network = sl_local_network_of(e->world->networks[e->of]);
    if (sl_channel_new(e->world->host, network, addresses[e->as], incarnation, callbacks,
                       &e->channel, NULL) != SL_OK)
        abort();
}

/* What a machine dials must be there: the driver. */
static void start_between(struct world *w)
{
    for (uint32_t m = 0; m < MACHINES; m++)
        w->networks[m] = sl_local_network_new();
    for (uint32_t i = 0; i < DIRECTIONS; i++) {
        struct end *e = &w->ends[i];
        e->world = w;
        e->of = directions[i].from;
        e->as = directions[i].to;
        if (e->as == DRIVER)
            open_end(e, 77 + i);
    }
}

static void start_client(struct world *w)
{
    sl_client *c = &w->client;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    c->host = w->host;
    c->network = sl_local_network_of(w->networks[CLIENT]);
    c->driver_address = sl_strdup("driver");
    c->options = sl_options_new();
    c->print = drop_print;
    if (sl_client__connect(c, "c1", NULL) != SL_OK)
        abort();
}

static void start_worker(struct world *w, enum machine m, const char *work_dir,
                         sl_worker **ret)
{
    sl_worker_config config = { .address = addresses[m],
                                .driver_address = "driver",
                                .slots = 1,
                                .memory_bytes = 64 << 20,
                                .kv = &w->kv,
                                .work_dir = work_dir,
                                .heartbeat_us = 500000,
                                .fence_us = 4000000 };
    if (sl_worker_new(w->host, sl_local_network_of(w->networks[m]), &config, ret, NULL) !=
        SL_OK)
        abort();
}

static void start(struct world *w, int64_t *clock)
{
    static const char rows[] = "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":2}\n";
    *w = (struct world){ .files = sl_fs_virtual_new(file_ns, clock) };
    sl_fs *fs = sl_fs_virtual_fs(w->files);
    w->host = sl_host_virtual_new(3, WALL_US, fs, (sl_host_virtual_hooks){ 0 });
    w->kv = sl_kv_memory(fs);
    w->memory = sl_memory_tables_new();
    if (sl_fs_make_dirs(fs, "/in", NULL) != SL_OK ||
        sl_fs_write_new(fs, "/in/1.json", sl_span_text(rows), NULL) != SL_OK ||
        sl_fs_write_new(fs, "/in/2.json", sl_span_text(rows), NULL) != SL_OK)
        abort();
    start_between(w);
    sl_driver_config driver = { .address = "driver",
                                .kv = &w->kv,
                                .temp_dir = "/tmp",
                                .memory = w->memory,
                                .directory = "/driver",
                                .print = drop_text };
    if (sl_driver_new(w->host, sl_local_network_of(w->networks[DRIVER]), &driver,
                      &w->driver, NULL) != SL_OK)
        abort();
    start_worker(w, WORKER_1, "/work1", &w->workers[0]);
    start_worker(w, WORKER_2, "/work2", &w->workers[1]);
    start_client(w);
}

static void end(struct world *w)
{
    sl_client *c = &w->client;
    sl_client__disconnect(c);
    for (size_t i = 0; i < sizeof w->calls / sizeof *w->calls; i++) {
        sl_client_result_free(w->calls[i].result);
        if (w->calls[i].queries != NULL)
            sl_client_queries_free(w->calls[i].queries->items);
    }
    sl_options_free(c->options);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    sl_driver_free(w->driver);
    sl_worker_free(w->workers[0]);
    sl_worker_free(w->workers[1]);
    for (uint32_t i = 0; i < DIRECTIONS; i++) {
        sl_channel_free(w->ends[i].channel);
        for (uint32_t k = 0; k < KEPT; k++)
            sl_bytes_deinit(&w->ends[i].kept[k]);
    }
    for (uint32_t m = 0; m < MACHINES; m++)
        sl_local_network_free(w->networks[m]);
    sl_host_free(w->host);
    sl_memory_tables_free(w->memory);
    sl_fs_virtual_free(w->files);
}

/* ---- what they talk about ---- */

static const char *const statements[] = {
    "SET sluice.state.partitions = 2",
    "CREATE TABLE t (id STRING, n BIGINT) USING json OPTIONS (path '/in', "
    "maxFilesPerTrigger 1)",
    "CREATE STREAMING QUERY q OUTPUT MODE complete TRIGGER PROCESSING TIME '1 second' "
    "CHECKPOINT LOCATION '/cp' INTO memory AS SELECT id, count(*) AS c FROM STREAM t "
    "GROUP BY id",
    "CREATE STREAMING QUERY r TRIGGER AVAILABLE NOW CHECKPOINT LOCATION '/cr' INTO json "
    "OPTIONS (path '/out') AS SELECT id, n FROM STREAM t WHERE n > 1",
    "SELECT id, sum(n) AS s FROM t GROUP BY id ORDER BY id",
    NULL, /* QUERIES */
    "STOP STREAMING QUERY q",
};

static void talk(struct world *w)
{
    for (uint32_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        w->requests[i] =
            (sl_cmsg_request){ .kind = statements[i] != NULL ? SL_REQUEST_EXECUTE
                                                             : SL_REQUEST_QUERIES,
                               .text = statements[i] != NULL ? statements[i] : "",
                               .name = "",
                               .flag = true,
                               .line = 1,
                               .column = 1 };
        w->calls[i] = (sl_call){ .request = &w->requests[i],
                                 .role = i < 2 ? SL_ROLE_CONTEXT : SL_ROLE_ANY,
                                 .client = &w->client };
        sl_client__submit(&w->calls[i]);
        for (uint32_t k = 0; k < 20 && !w->calls[i].is_done; k++)
            sl_host_virtual_advance(w->host, SECONDS * 1000000 / 20 / 7);
    }
}

struct honest {
    sl_channel *channel;
    bool is_welcome, is_answered;
};

static void honest_heard(void *user, const char *from, uint64_t incarnation, sl_blob *b)
{
    struct honest *h = (struct honest *)user;
    sl_arena *arena = sl_arena_new();
    sl_cmsg m;
    (void)from;
    (void)incarnation;
    FUZZ_CHECK(sl_cmsg_decode(sl_blob_span(b), arena, &m, NULL) == SL_OK);
    h->is_welcome = h->is_welcome || m.kind == SL_CMSG_WELCOME;
    h->is_answered = h->is_answered || m.kind == SL_CMSG_ANSWER;
    sl_arena_free(arena);
}

static void say(struct honest *h, const sl_cmsg *m)
{
    sl_bytes frame = { 0 };
    sl_cmsg_encode(m, &frame);
    FUZZ_CHECK(sl_channel_send(h->channel, "driver", sl_bytes_span(&frame), NULL) ==
               SL_OK);
    sl_bytes_deinit(&frame);
}

static void check_that_it_answers(struct world *w)
{
    struct honest h = { .channel = NULL };
    sl_channel_callbacks callbacks = { .on_message = honest_heard, .user = &h };
    sl_cmsg hello = { .kind = SL_CMSG_HELLO }, ask = { .kind = SL_CMSG_REQUEST };
    hello.u.hello = (sl_cmsg_hello){ .incarnation = 5,
                                     .protocol_version = SL_CLIENT_PROTOCOL_VERSION,
                                     .user = "",
                                     .directory = "" };
    ask.u.request =
        (sl_cmsg_request){ .id = 1, .kind = SL_REQUEST_CLUSTER, .text = "", .name = "" };
    FUZZ_CHECK(sl_channel_new(w->host, sl_local_network_of(w->networks[DRIVER]), "honest",
                              5, callbacks, &h.channel, NULL) == SL_OK);
    say(&h, &hello);
    say(&h, &ask);
    sl_host_virtual_advance(w->host, 1000000);
    FUZZ_CHECK(h.is_welcome && h.is_answered);
    sl_channel_free(h.channel);
}

/* ---- input ---- */

static void read_operations(struct world *w, const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (size - at >= 6) {
        const uint8_t *o = data + at;
        struct end *e = &w->ends[o[0] & 7];
        size_t extra = o[5] < size - at - 6 ? o[5] : size - at - 6;
        if (e->op_count == OPS_MAX)
            break;
        e->ops[e->op_count++] = (struct operation){ .skip = o[0] >> 3,
                                                    .op = o[1] % OPS,
                                                    .where = (uint16_t)(o[2] | o[3] << 8),
                                                    .value = o[4],
                                                    .bytes = sl_span_of(o + 6, extra) };
        at += 6;
        if (o[1] % OPS == INSERT || o[1] % OPS == OWN)
            at += extra;
    }
}

/* Nothing was done to it: it must be the talk it is meant to be. */
static void check_the_talk(const struct world *w)
{
    for (uint32_t i = 0; i < sizeof statements / sizeof *statements; i++)
        FUZZ_CHECK(w->calls[i].is_done && w->calls[i].error.code == SL_OK);
    for (uint32_t i = 0; i < DIRECTIONS; i++)
        FUZZ_CHECK(w->ends[i].kept_count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_ready;
    static struct world w;
    int64_t clock = WALL_US * 1000;
    if (!is_ready) {
        sl_driver_register_options();
        sl_log_set_level(SL_LOG_OFF);
        is_ready = true;
    }
    start(&w, &clock);
    read_operations(&w, data, size);
    talk(&w);
    if (size == 0)
        check_the_talk(&w);
    check_that_it_answers(&w);
    end(&w);
    return 0;
}
