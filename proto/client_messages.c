/* The only file that meets the code generated from client.proto. */
#include "proto/client_messages.h"

#include <string.h>

#include "base/limits.h"
#include "gen/client.pb-c.h"
#include "proto/frame.h"
#include "proto/pack_private.h"

static Sl__Pb__ClientError *error_out(sl_arena *a, const sl_cmsg_error *e)
{
    if (e->code == 0)
        return NULL;
    Sl__Pb__ClientError *m = SL_ARENA_NEW(a, Sl__Pb__ClientError);
    sl__pb__client_error__init(m);
    m->code = e->code;
    m->line = e->line;
    m->column = e->column;
    m->condition = sl_proto__text(e->condition);
    m->sqlstate = sl_proto__text(e->sqlstate);
    m->text = sl_proto__text(e->text);
    return m;
}

static sl_cmsg_error error_in(const Sl__Pb__ClientError *m)
{
    if (m == NULL)
        return (sl_cmsg_error){ .condition = "", .sqlstate = "", .text = "" };
    return (sl_cmsg_error){ m->code,      m->line,     m->column,
                            m->condition, m->sqlstate, m->text };
}

/* ---- one pair of functions a message ---- */

static ProtobufCMessage *hello_out(sl_arena *a, const sl_cmsg_hello *s)
{
    Sl__Pb__ClientHello *m = SL_ARENA_NEW(a, Sl__Pb__ClientHello);
    sl__pb__client_hello__init(m);
    m->incarnation = s->incarnation;
    m->protocol_version = s->protocol_version;
    m->user = sl_proto__text(s->user);
    m->directory = sl_proto__text(s->directory);
    SL_PROTO__ROWS(a, Sl__Pb__ClientSetting, sl__pb__client_setting__init,
                   s->setting_count, settings)
    for (uint32_t i = 0; i < s->setting_count; i++) {
        settings[i].name = sl_proto__text(s->settings[i].name);
        settings[i].value = sl_proto__text(s->settings[i].value);
    }
    m->n_settings = s->setting_count;
    m->settings = settings_ptr;
    m->n_attach = s->attach_count;
    m->attach = (char **)(uintptr_t)s->attach;
    return &m->base;
}

static void hello_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    const Sl__Pb__ClientHello *m = (const Sl__Pb__ClientHello *)from;
    uint32_t n = (uint32_t)m->n_settings;
    sl_cmsg_setting *settings = SL_ARENA_ARRAY(a, sl_cmsg_setting, n + 1);
    for (uint32_t i = 0; i < n; i++)
        settings[i] = (sl_cmsg_setting){ m->settings[i]->name, m->settings[i]->value };
    ret->u.hello = (sl_cmsg_hello){ .incarnation = m->incarnation,
                                    .protocol_version = m->protocol_version,
                                    .user = m->user,
                                    .directory = m->directory,
                                    .setting_count = n,
                                    .settings = settings,
                                    .attach_count = (uint32_t)m->n_attach,
                                    .attach = (const char *const *)m->attach };
}

static ProtobufCMessage *welcome_out(sl_arena *a, const sl_cmsg_welcome *s)
{
    Sl__Pb__ClientWelcome *m = SL_ARENA_NEW(a, Sl__Pb__ClientWelcome);
    sl__pb__client_welcome__init(m);
    m->session = s->session;
    m->server_version = sl_proto__text(s->server_version);
    m->error = error_out(a, &s->error);
    return &m->base;
}

static void welcome_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    const Sl__Pb__ClientWelcome *m = (const Sl__Pb__ClientWelcome *)from;
    (void)a;
    ret->u.welcome =
        (sl_cmsg_welcome){ m->session, m->server_version, error_in(m->error) };
}

static ProtobufCMessage *request_out(sl_arena *a, const sl_cmsg_request *s)
{
    Sl__Pb__ClientRequest *m = SL_ARENA_NEW(a, Sl__Pb__ClientRequest);
    sl__pb__client_request__init(m);
    m->id = s->id;
    m->kind = (uint32_t)s->kind;
    m->text = sl_proto__text(s->text);
    m->name = sl_proto__text(s->name);
    m->number = s->number;
    m->flag = s->flag;
    m->line = s->line;
    m->column = s->column;
    return &m->base;
}

static void request_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    const Sl__Pb__ClientRequest *m = (const Sl__Pb__ClientRequest *)from;
    (void)a;
    ret->u.request = (sl_cmsg_request){ .id = m->id,
                                        .kind = (sl_request_kind)m->kind,
                                        .text = m->text,
                                        .name = m->name,
                                        .number = m->number,
                                        .flag = m->flag,
                                        .line = m->line,
                                        .column = m->column };
}

static void query_fill(sl_arena *a, Sl__Pb__ClientQuery *m, const sl_cmsg_query *q)
{
    m->name = sl_proto__text(q->name);
    m->id = sl_proto__text(q->id);
    m->run_id = sl_proto__text(q->run_id);
    m->state = q->state;
    m->message = sl_proto__text(q->message);
    m->is_data_available = q->is_data_available;
    m->is_trigger_active = q->is_trigger_active;
    m->last_batch = q->last_batch;
    m->checkpoint = sl_proto__text(q->checkpoint);
    m->sql = sl_proto__text(q->sql);
    m->error = error_out(a, &q->error);
}

static sl_cmsg_query query_in(const Sl__Pb__ClientQuery *m)
{
    if (m == NULL)
        return (sl_cmsg_query){ .name = "",
                                .id = "",
                                .run_id = "",
                                .message = "",
                                .checkpoint = "",
                                .sql = "",
                                .error = error_in(NULL) };
    return (sl_cmsg_query){ .name = m->name,
                            .id = m->id,
                            .run_id = m->run_id,
                            .state = m->state,
                            .message = m->message,
                            .is_data_available = m->is_data_available,
                            .is_trigger_active = m->is_trigger_active,
                            .last_batch = m->last_batch,
                            .checkpoint = m->checkpoint,
                            .sql = m->sql,
                            .error = error_in(m->error) };
}

static ProtobufCMessage *answer_out(sl_arena *a, const sl_cmsg_answer *s)
{
    Sl__Pb__ClientAnswer *m = SL_ARENA_NEW(a, Sl__Pb__ClientAnswer);
    sl__pb__client_answer__init(m);
    m->id = s->id;
    m->kind = s->kind;
    m->error = error_out(a, &s->error);
    m->text = sl_proto__text(s->text);
    m->note = sl_proto__text(s->note);
    m->schema = sl_proto__bytes(s->schema);
    m->chunk_count = s->chunk_count;
    m->zone = sl_proto__text(s->zone);
    SL_PROTO__ROWS(a, Sl__Pb__ClientQuery, sl__pb__client_query__init, s->query_count,
                   queries)
    for (uint32_t i = 0; i < s->query_count; i++)
        query_fill(a, &queries[i], &s->queries[i]);
    m->n_queries = s->query_count;
    m->queries = queries_ptr;
    return &m->base;
}

static void answer_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    const Sl__Pb__ClientAnswer *m = (const Sl__Pb__ClientAnswer *)from;
    uint32_t n = (uint32_t)m->n_queries;
    sl_cmsg_query *queries = SL_ARENA_ARRAY(a, sl_cmsg_query, n + 1);
    for (uint32_t i = 0; i < n; i++)
        queries[i] = query_in(m->queries[i]);
    ret->u.answer = (sl_cmsg_answer){ .id = m->id,
                                      .kind = m->kind,
                                      .error = error_in(m->error),
                                      .text = m->text,
                                      .note = m->note,
                                      .schema = sl_proto__span(m->schema),
                                      .chunk_count = m->chunk_count,
                                      .zone = m->zone,
                                      .query_count = n,
                                      .queries = queries };
}

static ProtobufCMessage *chunk_out(sl_arena *a, const sl_cmsg_chunk *s)
{
    Sl__Pb__ClientChunk *m = SL_ARENA_NEW(a, Sl__Pb__ClientChunk);
    sl__pb__client_chunk__init(m);
    m->id = s->id;
    m->index = s->index;
    m->chunk = sl_proto__bytes(s->chunk);
    return &m->base;
}

static void chunk_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    const Sl__Pb__ClientChunk *m = (const Sl__Pb__ClientChunk *)from;
    (void)a;
    ret->u.chunk = (sl_cmsg_chunk){ m->id, m->index, sl_proto__span(m->chunk) };
}

static ProtobufCMessage *credit_out(sl_arena *a, const sl_cmsg_credit *s)
{
    Sl__Pb__ClientCredit *m = SL_ARENA_NEW(a, Sl__Pb__ClientCredit);
    sl__pb__client_credit__init(m);
    m->id = s->id;
    m->taken = s->taken;
    return &m->base;
}

static void credit_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    const Sl__Pb__ClientCredit *m = (const Sl__Pb__ClientCredit *)from;
    (void)a;
    ret->u.credit = (sl_cmsg_credit){ m->id, m->taken };
}

static ProtobufCMessage *hear_out(sl_arena *a, const sl_cmsg_hear *s)
{
    Sl__Pb__ClientHear *m = SL_ARENA_NEW(a, Sl__Pb__ClientHear);
    sl__pb__client_hear__init(m);
    m->reports = s->reports;
    return &m->base;
}

static void hear_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    (void)a;
    ret->u.hear.reports = ((const Sl__Pb__ClientHear *)from)->reports;
}

static ProtobufCMessage *event_out(sl_arena *a, const sl_cmsg_event *s)
{
    Sl__Pb__ClientEvent *m = SL_ARENA_NEW(a, Sl__Pb__ClientEvent);
    Sl__Pb__ClientQuery *q = SL_ARENA_NEW(a, Sl__Pb__ClientQuery);
    sl__pb__client_event__init(m);
    sl__pb__client_query__init(q);
    query_fill(a, q, &s->query);
    m->kind = s->kind;
    m->query = q;
    m->progress = sl_proto__text(s->progress);
    m->is_own = s->is_own;
    return &m->base;
}

static void event_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    const Sl__Pb__ClientEvent *m = (const Sl__Pb__ClientEvent *)from;
    (void)a;
    ret->u.event = (sl_cmsg_event){ m->kind, query_in(m->query), m->progress, m->is_own };
}

static ProtobufCMessage *print_out(sl_arena *a, const sl_cmsg_print *s)
{
    Sl__Pb__ClientPrint *m = SL_ARENA_NEW(a, Sl__Pb__ClientPrint);
    sl__pb__client_print__init(m);
    m->id = s->id;
    m->text = sl_proto__bytes(s->text);
    return &m->base;
}

static void print_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    const Sl__Pb__ClientPrint *m = (const Sl__Pb__ClientPrint *)from;
    (void)a;
    ret->u.print = (sl_cmsg_print){ m->id, sl_proto__span(m->text) };
}

static ProtobufCMessage *printed_out(sl_arena *a, const sl_cmsg_printed *s)
{
    Sl__Pb__ClientPrinted *m = SL_ARENA_NEW(a, Sl__Pb__ClientPrinted);
    sl__pb__client_printed__init(m);
    m->id = s->id;
    m->failed = s->failed;
    return &m->base;
}

static void printed_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    const Sl__Pb__ClientPrinted *m = (const Sl__Pb__ClientPrinted *)from;
    (void)a;
    ret->u.printed = (sl_cmsg_printed){ m->id, m->failed };
}

static ProtobufCMessage *ping_out(sl_arena *a)
{
    Sl__Pb__ClientPing *m = SL_ARENA_NEW(a, Sl__Pb__ClientPing);
    sl__pb__client_ping__init(m);
    return &m->base;
}

static ProtobufCMessage *bye_out(sl_arena *a)
{
    Sl__Pb__ClientBye *m = SL_ARENA_NEW(a, Sl__Pb__ClientBye);
    sl__pb__client_bye__init(m);
    return &m->base;
}

static void nothing_in(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret)
{
    (void)from;
    (void)a;
    (void)ret;
}

/* ---- the table of messages ---- */

static const struct codec {
    const char *name;
    const ProtobufCMessageDescriptor *schema;
    void (*in)(const ProtobufCMessage *from, sl_arena *a, sl_cmsg *ret);
} codecs[SL_CMSG_END - SL_CMSG_FIRST] = {
#define AT(kind) [SL_CMSG_##kind - SL_CMSG_FIRST]
    AT(HELLO) = { "HELLO", &sl__pb__client_hello__descriptor, hello_in },
    AT(WELCOME) = { "WELCOME", &sl__pb__client_welcome__descriptor, welcome_in },
    AT(REQUEST) = { "REQUEST", &sl__pb__client_request__descriptor, request_in },
    AT(ANSWER) = { "ANSWER", &sl__pb__client_answer__descriptor, answer_in },
    AT(CHUNK) = { "CHUNK", &sl__pb__client_chunk__descriptor, chunk_in },
    AT(CREDIT) = { "CREDIT", &sl__pb__client_credit__descriptor, credit_in },
    AT(EVENT) = { "EVENT", &sl__pb__client_event__descriptor, event_in },
    AT(PRINT) = { "PRINT", &sl__pb__client_print__descriptor, print_in },
    AT(PRINTED) = { "PRINTED", &sl__pb__client_printed__descriptor, printed_in },
    AT(PING) = { "PING", &sl__pb__client_ping__descriptor, nothing_in },
    AT(BYE) = { "BYE", &sl__pb__client_bye__descriptor, nothing_in },
    AT(HEAR) = { "HEAR", &sl__pb__client_hear__descriptor, hear_in },
#undef AT
};

const char *sl_cmsg_kind_name(sl_cmsg_kind kind)
{
    return kind >= SL_CMSG_FIRST && kind < SL_CMSG_END ? codecs[kind - SL_CMSG_FIRST].name
                                                       : "UNKNOWN";
}

static ProtobufCMessage *message_out(sl_arena *a, const sl_cmsg *m)
{
    switch (m->kind) {
    case SL_CMSG_HELLO:
        return hello_out(a, &m->u.hello);
    case SL_CMSG_WELCOME:
        return welcome_out(a, &m->u.welcome);
    case SL_CMSG_REQUEST:
        return request_out(a, &m->u.request);
    case SL_CMSG_ANSWER:
        return answer_out(a, &m->u.answer);
    case SL_CMSG_CHUNK:
        return chunk_out(a, &m->u.chunk);
    case SL_CMSG_CREDIT:
        return credit_out(a, &m->u.credit);
    case SL_CMSG_EVENT:
        return event_out(a, &m->u.event);
    case SL_CMSG_PRINT:
        return print_out(a, &m->u.print);
    case SL_CMSG_PRINTED:
        return printed_out(a, &m->u.printed);
    case SL_CMSG_PING:
        return ping_out(a);
    case SL_CMSG_HEAR:
        return hear_out(a, &m->u.hear);
    case SL_CMSG_BYE:
    case SL_CMSG_END:
        break;
    }
    return bye_out(a);
}

void sl_cmsg_encode(const sl_cmsg *m, sl_bytes *out)
{
    sl_arena *a = sl_arena_new();
    sl_proto__pack(message_out(a, m), SL_CLIENT_PROTOCOL_VERSION, (uint8_t)m->kind, out);
    sl_arena_free(a);
}

bool sl_cmsg_is(sl_span frame)
{
    return frame.size_bytes >= SL_FRAME_HEADER_BYTES && frame.data[5] >= SL_CMSG_FIRST;
}

sl_code sl_cmsg_decode(sl_span frame, sl_arena *arena, sl_cmsg *ret, sl_error *err)
{
    sl_frame f;
    ProtobufCMessage *pb;
    SL_TRY(sl_frame_parse(frame, &f, err));
    if (f.version != SL_CLIENT_PROTOCOL_VERSION)
        return sl_fail(err, SL_EINCOMPATIBLE,
                       "peer speaks client protocol version %u, this is version %d",
                       f.version, SL_CLIENT_PROTOCOL_VERSION);
    if (f.kind < SL_CMSG_FIRST || f.kind >= SL_CMSG_END)
        return sl_fail(err, SL_ECORRUPT, "client message kind %u is unknown", f.kind);
    const struct codec *c = &codecs[f.kind - SL_CMSG_FIRST];
    SL_TRY(sl_proto__unpack(f.payload, c->schema, c->name, arena, &pb, err));
    ret->kind = (sl_cmsg_kind)f.kind;
    c->in(pb, arena, ret);
    return SL_OK;
}
