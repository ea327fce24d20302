/* make_seeds.c - writes the first inputs of the fuzz targets whose bytes no person
 * writes: `make_seeds tests/fuzz/corpus`. Run again after a format changes; the target
 * sql and json have theirs as text files. */
#include <sys/stat.h>

#include "base/alloc.h"
#include "checkpoint/query_file.h"
#include "checkpoint/snapshot_file.h"
#include "connectors/file/file_slice_private.h"
#include "engine/columnar/row_key.h"
#include "engine/plan/analyze.h"
#include "engine/sql/parse.h"
#include "proto/frame.h"
#include "proto/messages.h"
#include "statestore/delta.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/checkpoint/journal_fixture.h"

static const char *root;

static void write_seed(const char *target, const char *name, const sl_bytes *bytes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, target);
    (void)mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", root, target, name);
    FILE *f = fopen(path, "wb");
    FUZZ_CHECK(f != NULL);
    FUZZ_CHECK(fwrite(bytes->data, 1, bytes->size_bytes, f) == bytes->size_bytes);
    FUZZ_CHECK(fclose(f) == 0);
}

/* ---- plans, and what is in them ---- */

static const char TABLE[] =
    "b BOOLEAN, i INT, l BIGINT, d DOUBLE, s STRING, ts TIMESTAMP, "
    "p STRUCT<a: INT, q: STRING>";
static const char *const QUERIES[] = {
    "SELECT s, l + 1 AS n, upper(s), p.a FROM t WHERE i BETWEEN 1 AND 5 OR s LIKE 'a%'",
    "SELECT s, count(*), sum(l), avg(d), min(ts) FROM t GROUP BY s HAVING count(*) > 1 "
    "ORDER BY s DESC LIMIT 7",
    "SELECT window(ts, '10 minutes', '5 minutes') AS w, s, count(*) FROM STREAM t "
    "WATERMARK ts DELAY OF INTERVAL 1 MINUTE GROUP BY window(ts, '10 minutes', '5 "
    "minutes'), s",
    "SELECT CASE WHEN b THEN cast(s AS INT) ELSE coalesce(i, 0) END FROM t UNION ALL "
    "VALUES (1), (2)",
};

static sl_code find_table(void *user, const char *name, bool streaming,
                          const sl_table_info **ret, sl_error *err)
{
    (void)name;
    (void)streaming;
    (void)err;
    *ret = user;
    return SL_OK;
}

static uint32_t list_tables(void *user, const char *const **ret)
{
    (void)user;
    *ret = NULL;
    return 0;
}

static void write_exprs(const sl_physical_plan *plan, uint32_t number)
{
    for (uint32_t i = 0, n = 0; i < plan->stage_count; i++)
        for (uint32_t k = 0; k < plan->stages[i].op_count; k++) {
            const sl_op_plan *op = &plan->stages[i].ops[k];
            for (uint32_t e = 0; op->kind == SL_OP_PROJECT && e < op->u.project.count;
                 e++) {
                sl_bytes bytes = { 0 };
                char name[40];
                sl_expr_write(op->u.project.exprs[e], &bytes);
                snprintf(name, sizeof name, "q%u-%u", number, n++);
                if (op->u.project.exprs[e]->kind != SL_EXPR_COLUMN)
                    write_seed("expr", name, &bytes);
                sl_bytes_deinit(&bytes);
            }
        }
}

static void write_plans(sl_arena *arena)
{
    sl_table_info t = { .name = "t",
                        .connector = "json",
                        .can_batch = true,
                        .can_stream = true,
                        .schema_given = true };
    FUZZ_CHECK(sl_sql_parse_schema(TABLE, strlen(TABLE), arena, &t.schema, NULL) ==
               SL_OK);
    const sl_catalog catalog = { .table = find_table, .names = list_tables, .user = &t };
    const sl_sink_info sink = { .connector = "console",
                                .append = true,
                                .update = true,
                                .complete = true,
                                .to_driver = true };
    for (uint32_t i = 0; i < sizeof QUERIES / sizeof *QUERIES; i++) {
        const sl_statement *s = NULL;
        sl_sql_cursor cursor = { .line = 1, .column = 1 };
        sl_physical_plan *plan = NULL;
        sl_bytes bytes = { 0 };
        sl_error err = { 0 };
        char name[16];
        FUZZ_CHECK(sl_sql_parse_next(QUERIES[i], strlen(QUERIES[i]), &cursor, arena, &s,
                                     NULL) == SL_OK);
        sl_plan_request r = { .query = s->query,
                              .catalog = &catalog,
                              .streaming_query = i == 2,
                              .mode = i == 2 ? SL_OUTPUT_UPDATE : SL_OUTPUT_APPEND,
                              .sink = i == 2 ? &sink : NULL,
                              .sink_connector = i == 2 ? "console" : "",
                              .result_rows_max = -1 };
        sl_code code = sl_plan_query(&r, &plan, &err);
        if (code != SL_OK)
            fprintf(stderr, "%s\n", err.text);
        FUZZ_CHECK(code == SL_OK);
        sl_physical_write(plan, &bytes);
        snprintf(name, sizeof name, "q%u", i);
        write_seed("plan", name, &bytes);
        write_exprs(plan, i);
        sl_bytes_deinit(&bytes);
        sl_physical_free(plan);
    }
}

static void write_chunk(sl_arena *arena)
{
    const sl_schema *schema = NULL;
    sl_chunk_builder b;
    sl_bytes bytes = { 0 };
    FUZZ_CHECK(sl_sql_parse_schema(TABLE, strlen(TABLE), arena, &schema, NULL) == SL_OK);
    FUZZ_CHECK(sl_chunk_builder_init(&b, schema, 3, NULL, NULL) == SL_OK);
    sl_code code = SL_OK;
    for (uint32_t row = 0; row < 3; row++) {
        sl_column_builder *c = b.columns;
        code |= sl_column_builder_bool(&c[0], row & 1, NULL);
        code |= row == 1 ? sl_column_builder_null(&c[1], NULL)
                         : sl_column_builder_i32(&c[1], (int32_t)row, NULL);
        code |= sl_column_builder_i64(&c[2], -1, NULL);
        code |= sl_column_builder_f64(&c[3], 1.5, NULL);
        code |= sl_column_builder_string(&c[4], "longer than twelve", 3 + 7 * row, NULL);
        code |= sl_column_builder_i64(&c[5], 1000000, NULL);
        code |= sl_column_builder_i32(&c[6].children[0], 7, NULL);
        code |= sl_column_builder_null(&c[6].children[1], NULL);
        code |= sl_column_builder_struct(&c[6], NULL);
    }
    FUZZ_CHECK(code == SL_OK);
    sl_chunk *chunk = sl_chunk_builder_finish(&b, 3);
    sl_schema_write(schema, &bytes);
    size_t schema_bytes = bytes.size_bytes;
    sl_chunk_write(chunk, &bytes);
    write_seed("chunk", "three-rows", &bytes);
    bytes.size_bytes = schema_bytes;
    sl_chunk_write_enveloped(chunk, &bytes); /* past a checksum no mutation comes */
    write_seed("chunk", "three-rows-enveloped", &bytes);
    sl_chunk_unref(chunk);
    sl_bytes_deinit(&bytes);
}

/* ---- messages ---- */

static void write_message(const char *name, const sl_message *m)
{
    sl_bytes frame = { 0 }, payload = { 0 };
    char plain[64];
    sl_message_encode(m, &frame);
    write_seed("messages", name, &frame);
    sl_bytes_u8(&payload, (uint8_t)m->kind);
    sl_bytes_append(&payload, frame.data + SL_FRAME_HEADER_BYTES,
                    frame.size_bytes - SL_FRAME_HEADER_BYTES);
    snprintf(plain, sizeof plain, "%s-payload", name);
    write_seed("messages", plain, &payload);
    sl_bytes_deinit(&frame);
    sl_bytes_deinit(&payload);
}

static void write_messages(void)
{
    const sl_msg_attempt at = { .query = 1, .epoch = 2, .batch = 3, .attempt = 1 };
    const sl_msg_slice slice = { 0, 1, sl_span_text("slice") };
    const sl_msg_delta delta = {
        .batch = 2, .state_id = 9, .segment = "seg", .offset = 128, .length_bytes = 64
    };
    const sl_msg_partition partition = { .base_batch = 2,
                                         .base_state_id = 9,
                                         .has_recipe = true,
                                         .snapshot = "1.man",
                                         .delta_count = 1,
                                         .deltas = &delta };
    const int64_t late[] = { 0, 5 };
    sl_message m = { .kind = SL_MSG_TASK };
    m.u.task = (sl_msg_task){ .at = at,
                              .batch_time_us = 7,
                              .state_op_count = 2,
                              .late_us = late,
                              .evict_us = late,
                              .slice_count = 1,
                              .slices = &slice,
                              .partition_count = 1,
                              .partitions = &partition,
                              .inline_output = true };
    write_message("task", &m);
    const sl_msg_state_done state = { .state_id = 10, .has_delta = true, .delta = delta };
    const sl_msg_file file = { .staged = "a",
                               .target = "b",
                               .content = sl_span_text("{}") };
    m = (sl_message){ .kind = SL_MSG_DONE };
    m.u.done = (sl_msg_done){
        .at = at, .state_count = 1, .states = &state, .file_count = 1, .files = &file
    };
    write_message("done", &m);
    const sl_msg_setting setting = { "sluice.session.timezone", "UTC" };
    m = (sl_message){ .kind = SL_MSG_DEPLOY };
    m.u.deploy = (sl_msg_deploy){ .query = 1,
                                  .fragment = sl_span_text("plan"),
                                  .query_id = FIXTURE_QUERY,
                                  .checkpoint = "/c",
                                  .partitions = 2,
                                  .setting_count = 1,
                                  .settings = &setting };
    write_message("deploy", &m);
    m = (sl_message){ .kind = SL_MSG_FAILED };
    m.u.failed = (sl_msg_failed){
        .at = at, .code = SL_EDATA, .condition = "C", .sqlstate = "22023", .text = "text"
    };
    write_message("failed", &m);
    m = (sl_message){ .kind = SL_MSG_REGISTER };
    m.u.reg = (sl_msg_register){ .incarnation = 5,
                                 .protocol_version = 1,
                                 .slots = 2,
                                 .host = "h",
                                 .pid = 1,
                                 .name = "n",
                                 .fence_us = 4000000 };
    write_message("register", &m);
}

/* ---- the checkpoint ---- */

static void write_records(void)
{
    sl_bytes bytes = { 0 };
    const sl_snapshot_table table = { "000012.sst", "0123456789abcdef" };
    const sl_snapshot_file f = { .query_id = FIXTURE_QUERY,
                                 .batch = 5,
                                 .state_id = 6,
                                 .row_count = 1,
                                 .tables = &table,
                                 .table_count = 1 };
    sl_bytes_u8(&bytes, 3);
    FUZZ_CHECK(sl_snapshot_file_encode(&f, &bytes, NULL) == SL_OK);
    write_seed("records", "snapshot", &bytes);
    static const char *const SAMPLES[] = { "tests/unit/checkpoint/samples/offsets-1.bin",
                                           "tests/unit/checkpoint/samples/commit-1.bin" };
    for (uint8_t i = 0; i < 2; i++) {
        sl_bytes sample = { 0 };
        FUZZ_CHECK(sl_fs_read_all(sl_fs_posix(), SAMPLES[i], 1 << 20, &sample, NULL) ==
                   SL_OK);
        sl_bytes_clear(&bytes);
        sl_bytes_u8(&bytes, i);
        sl_bytes_append(&bytes, sample.data, sample.size_bytes);
        write_seed("records", i == 0 ? "offsets" : "commit", &bytes);
        sl_bytes_deinit(&sample);
    }
    sl_bytes_deinit(&bytes);
}

static void write_delta(void)
{
    sl_bytes bytes = { 0 };
    uint8_t head[SL_STATE_DELTA_HEADER_BYTES] = { 0 };
    sl_bytes_append(&bytes, head, sizeof head);
    sl_bytes_u32(&bytes, 1); /* operator, width, rows, bytes */
    sl_bytes_u32(&bytes, 8);
    sl_bytes_u64(&bytes, 2);
    sl_bytes_u64(&bytes, 8 + 3 + 8 + 8 + 2);
    sl_bytes_u32(&bytes, 3);
    sl_bytes_u32(&bytes, 8);
    sl_bytes_append(&bytes, "key12345678", 11);
    sl_bytes_u32(&bytes, 2 | SL_STATE_ROW_REMOVED);
    sl_bytes_u32(&bytes, 0);
    sl_bytes_append(&bytes, "k2", 2);
    const sl_state_delta_header h = {
        .kind = SL_STATE_DELTA,
        .group_end = 4096,
        .batch = 3,
        .state_id = 4,
        .row_count = 2,
        .body_bytes = bytes.size_bytes - sizeof head,
        .section_count = 1,
    };
    sl_state_delta_seal(&h, bytes.data);
    write_seed("delta", "two-rows", &bytes);
    sl_bytes_deinit(&bytes);
}

static void write_manifest(void)
{
    sl_bytes bytes = { 0 };
    sl_bytes_u8(&bytes, 2); /* two records of the same length */
    for (int64_t batch = 0; batch < 2; batch++) {
        sl_bytes_u32(&bytes, 1);
        sl_bytes_u64(&bytes, (uint64_t)batch);
        sl_bytes_u64(&bytes, (uint64_t)(batch - 1));
        sl_bytes_u64(&bytes, 1);
        sl_bytes_u64(&bytes, 1000);
        sl_bytes_u32(&bytes, 1);
        sl_bytes_u32(&bytes, 4);
        sl_bytes_append(&bytes, "file", 4);
        for (int i = 0; i < 4; i++)
            sl_bytes_u64(&bytes, 10);
    }
    write_seed("manifest", "two-records", &bytes);
    sl_bytes_deinit(&bytes);
}

static void write_query_file(void)
{
    const sl_setting setting = { "sluice.session.timezone", "UTC" };
    const sl_query_file q = { .query_id = FIXTURE_QUERY,
                              .name = "q",
                              .sql = "SELECT 1",
                              .plan_fingerprint = "0123456789abcdef0123456789abcdef",
                              .key_group_count = 4096,
                              .partition_count = 2,
                              .settings = &setting,
                              .setting_count = 1 };
    char dir[] = "/tmp/sluice-seeds-XXXXXX", path[64];
    sl_bytes bytes = { 0 };
    FUZZ_CHECK(mkdtemp(dir) != NULL);
    FUZZ_CHECK(sl_query_file_create(sl_fs_posix(), dir, &q, (sl_failpoints){ 0 }, NULL) ==
               SL_OK);
    snprintf(path, sizeof path, "%s/query.json", dir);
    FUZZ_CHECK(sl_fs_read_all(sl_fs_posix(), path, 1 << 20, &bytes, NULL) == SL_OK);
    write_seed("query_file", "query.json", &bytes);
    FUZZ_CHECK(sl_fs_remove_tree(sl_fs_posix(), dir, NULL) == SL_OK);
    sl_bytes_deinit(&bytes);
}

static void write_texts(void)
{
    static const char *const TEXTS[] = { "2020-02-29T12:34:56.789+02:00",
                                         "-0.5e10",
                                         "INTERVAL '1' DAY",
                                         "1 day 2 hours",
                                         "Europe/Prague",
                                         "infinity" };
    for (uint32_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        sl_bytes bytes = { 0 };
        char name[16];
        sl_bytes_u8(&bytes, 5);
        sl_bytes_append(&bytes, TEXTS[i], strlen(TEXTS[i]));
        snprintf(name, sizeof name, "text%u", i);
        write_seed("bytes", name, &bytes);
        sl_bytes_deinit(&bytes);
    }
    const sl_file_slice s = { .path = "/in/a.json", .size_bytes = 100, .end = 50 };
    sl_bytes bytes = { 0 };
    sl_bytes_u8(&bytes, 0);
    sl_file_slice__write(&s, &bytes);
    write_seed("bytes", "slice", &bytes);
    sl_bytes_deinit(&bytes);
}

/* One for each thing that can happen to a frame, in every direction, early and late. */
static void write_wire(void)
{
    static const char *const ops[] = { "flip", "cut",  "insert", "twice", "drop", "spoil",
                                       "nest", "grow", "kind",   "again", "own",  "big" };
    for (uint8_t op = 0; op < sizeof ops / sizeof *ops; op++) {
        sl_bytes bytes = { 0 };
        for (uint8_t i = 0; i < 24; i++) {
            sl_bytes_u8(&bytes, (uint8_t)(i % 8 | (i / 8 % 3) << 3));
            sl_bytes_u8(&bytes, op);
            sl_bytes_u8(&bytes, (uint8_t)(i * 5));
            sl_bytes_u8(&bytes, op == 6 ? (uint8_t)(i / 2) : 0); /* nest: how deep */
            sl_bytes_u8(&bytes, (uint8_t)(op == 8 || op == 10 ? i % 16 : 1u << i % 8));
            sl_bytes_u8(&bytes, op == 2 || op == 10 ? 4 : 0);
            if (op == 2 || op == 10)
                sl_bytes_append(&bytes, "\x08\x7f\x12\x00", 4);
        }
        write_seed("wire", ops[op], &bytes);
        sl_bytes_deinit(&bytes);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_seeds DIR (from the top of the tree)\n");
        return 2;
    }
    root = argv[1];
    sl_arena *arena = sl_arena_new();
    write_plans(arena);
    write_chunk(arena);
    write_messages();
    write_records();
    write_delta();
    write_manifest();
    write_query_file();
    write_texts();
    write_wire();
    sl_arena_free(arena);
    return 0;
}
