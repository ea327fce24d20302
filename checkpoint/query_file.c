#include "checkpoint/query_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/text.h"
#include "checkpoint/layout.h"
#include "objects/durable_dir.h"

#define QUERY_FILE_BYTES_MAX ((size_t)SL_SQL_BYTES_MAX * 8)
#define CHECKSUM_CHARS 16

void sl_query_id_make(uint64_t high, uint64_t low, char ret_text[SL_QUERY_ID_CHARS + 1])
{
    high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x4000); /* version 4 */
    low = (low & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);
    snprintf(ret_text, SL_QUERY_ID_CHARS + 1,
             "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
             high >> 32, (high >> 16) & 0xffff, high & 0xffff, low >> 48,
             low & UINT64_C(0xffffffffffff));
}

/* Over the meaning, not the text: an editor may change spaces, not values. */
static void checksum_text(const sl_query_file *q, char ret_text[CHECKSUM_CHARS + 1])
{
    sl_bytes b = { 0 };
    sl_bytes_u32(&b, SL_QUERY_FILE_FORMAT);
    sl_bytes_string(&b, q->query_id);
    sl_bytes_string(&b, q->name);
    sl_bytes_string(&b, q->sql);
    sl_bytes_string(&b, q->plan_fingerprint);
    sl_bytes_u32(&b, q->key_group_count);
    sl_bytes_u32(&b, q->partition_count);
    sl_bytes_i64(&b, q->created_wall_us);
    for (uint32_t i = 0; i < q->setting_count; i++) {
        sl_bytes_string(&b, q->settings[i].name);
        sl_bytes_string(&b, q->settings[i].value);
    }
    snprintf(ret_text, CHECKSUM_CHARS + 1, "%016" PRIx64,
             sl_hash64(b.data, b.size_bytes));
    sl_bytes_deinit(&b);
}

static sl_code encode(const sl_query_file *q, sl_bytes *out, sl_error *err)
{
    char checksum[CHECKSUM_CHARS + 1];
    checksum_text(q, checksum);
    json_t *settings = json_array();
    for (uint32_t i = 0; i < q->setting_count; i++)
        json_array_append_new(settings,
                              json_pack("{s:s, s:s}", "name", q->settings[i].name,
                                        "value", q->settings[i].value));
    json_t *top = json_pack(
        "{s:s, s:i, s:s, s:s?, s:s, s:s, s:I, s:I, s:I, s:o, s:s}", "what",
        "sluice checkpoint", "formatVersion", SL_QUERY_FILE_FORMAT, "queryId",
        q->query_id, "name", q->name, "sql", q->sql, "planFingerprint",
        q->plan_fingerprint, "keyGroups", (json_int_t)q->key_group_count,
        "statePartitions", (json_int_t)q->partition_count, "createdWallUs",
        (json_int_t)q->created_wall_us, "settings", settings, "checksum", checksum);
    if (!top)
        return sl_fail(err, SL_EINVAL, "the query's text or settings are not UTF-8");
    char *text = json_dumps(top, JSON_INDENT(2));
    json_decref(top);
    if (!text)
        return sl_fail(err, SL_ENOMEM, "no memory for query.json");
    sl_bytes_text(out, text);
    sl_bytes_char(out, '\n');
    free(text);
    return SL_OK;
}

sl_code sl_query_file_create(sl_fs *fs, const char *root, const sl_query_file *q,
                             sl_failpoints failpoints, sl_error *err)
{
    sl_checkpoint_path path;
    SL_TRY(sl_layout_query_file(root, &path, err));
    SL_TRY(sl_durable_dir_make(fs, root, 1, err));
    sl_bytes text = { 0 };
    sl_code code = encode(q, &text, err);
    if (code == SL_OK) {
        sl_failpoint_pass(failpoints, "query-file.create");
        code = sl_fs_write_new(fs, path.text, sl_bytes_span(&text), err);
    }
    sl_bytes_deinit(&text);
    return code;
}

/* No query.json: fine for a new place, damage where other pieces of a checkpoint stand.
 */
static sl_code fail_missing(sl_fs *fs, const char *root, const char *path, sl_error *err)
{
    static sl_code (*const pieces[])(const char *, sl_checkpoint_path *, sl_error *) = {
        sl_layout_journal, sl_layout_journal_head, sl_layout_sinks, sl_layout_state
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        sl_checkpoint_path piece;
        sl_file_info info;
        SL_TRY(pieces[i](root, &piece, err));
        sl_error why;
        sl_code code = sl_fs_stat(fs, piece.text, &info, &why);
        if (code == SL_OK)
            return sl_fail(
                err, SL_ECORRUPT,
                "%s is missing although %s is there: restore it from a copy of "
                "the checkpoint, or use a new checkpoint location",
                path, piece.text);
        if (code != SL_ENOTFOUND) {
            if (err)
                *err = why;
            return code;
        }
    }
    return sl_fail(err, SL_ENOTFOUND, "%s does not exist: this is no checkpoint", path);
}

static const char *text_of(const json_t *top, const char *name, sl_arena *arena)
{
    const json_t *v = json_object_get(top, name);
    return json_is_string(v) ? sl_arena_strdup(arena, json_string_value(v)) : NULL;
}

static bool settings_of(const json_t *top, sl_arena *arena, sl_query_file *q)
{
    const json_t *list = json_object_get(top, "settings");
    if (!json_is_array(list))
        return false;
    q->setting_count = (uint32_t)json_array_size(list);
    sl_setting *settings = SL_ARENA_ARRAY(arena, sl_setting, q->setting_count);
    for (uint32_t i = 0; i < q->setting_count; i++) {
        const json_t *one = json_array_get(list, i);
        settings[i].name = text_of(one, "name", arena);
        settings[i].value = text_of(one, "value", arena);
        if (!settings[i].name || !settings[i].value)
            return false;
    }
    q->settings = settings;
    return true;
}

static bool count_of(const json_t *top, const char *name, uint32_t max, uint32_t *ret)
{
    const json_t *v = json_object_get(top, name);
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0 || n > (json_int_t)max)
        return false;
    *ret = (uint32_t)n;
    return true;
}

static sl_code decode(const json_t *top, const char *path, sl_arena *arena,
                      sl_query_file *ret, sl_error *err)
{
    const json_t *format = json_object_get(top, "formatVersion");
    if (!json_is_integer(format))
        return sl_fail(
            err, SL_ECORRUPT,
            "%s has no formatVersion: it is damaged or not sluice's; restore it "
            "from a copy of the checkpoint",
            path);
    if (json_integer_value(format) != SL_QUERY_FILE_FORMAT)
        return sl_fail(err, SL_EINCOMPATIBLE,
                       "%s has format version %" PRId64
                       ", this sluice reads %d: use a newer sluice, or a new checkpoint "
                       "location",
                       path, (int64_t)json_integer_value(format), SL_QUERY_FILE_FORMAT);
    sl_query_file q = { 0 };
    q.query_id = text_of(top, "queryId", arena);
    q.name = text_of(top, "name", arena);
    q.sql = text_of(top, "sql", arena);
    q.plan_fingerprint = text_of(top, "planFingerprint", arena);
    q.created_wall_us = json_integer_value(json_object_get(top, "createdWallUs"));
    const char *stored = text_of(top, "checksum", arena);
    bool is_whole =
        q.query_id && q.sql && q.plan_fingerprint && stored &&
        count_of(top, "keyGroups", UINT16_MAX + 1, &q.key_group_count) &&
        count_of(top, "statePartitions", SL_STATE_PARTITIONS_MAX, &q.partition_count) &&
        settings_of(top, arena, &q);
    char checksum[CHECKSUM_CHARS + 1] = "";
    if (is_whole)
        checksum_text(&q, checksum);
    if (!is_whole || strcmp(checksum, stored) != 0)
        return sl_fail(err, SL_ECORRUPT,
                       "%s is damaged or was edited (%s): restore it from a copy of the "
                       "checkpoint",
                       path, is_whole ? "its checksum is wrong" : "a field is missing");
    if (q.key_group_count != SL_KEY_GROUPS)
        return sl_fail(
            err, SL_EINCOMPATIBLE,
            "%s has %u key groups, this sluice has %d: use the sluice that made "
            "it, or a new checkpoint location",
            path, q.key_group_count, SL_KEY_GROUPS);
    *ret = q;
    return SL_OK;
}

sl_code sl_query_file_read(sl_fs *fs, const char *root, sl_arena *arena,
                           sl_query_file *ret, sl_error *err)
{
    sl_checkpoint_path path;
    SL_TRY(sl_layout_query_file(root, &path, err));
    sl_bytes text = { 0 };
    sl_error why;
    sl_code code = sl_fs_read_all(fs, path.text, QUERY_FILE_BYTES_MAX, &text, &why);
    if (code != SL_OK) {
        sl_bytes_deinit(&text);
        if (code == SL_ENOTFOUND)
            return fail_missing(fs, root, path.text, err);
        if (err)
            *err = why;
        return code;
    }
    json_error_t where;
    json_t *top = json_loadb((const char *)text.data, text.size_bytes,
                             JSON_REJECT_DUPLICATES, &where);
    sl_bytes_deinit(&text);
    if (!top)
        return sl_fail(err, SL_ECORRUPT,
                       "%s is not JSON (line %d: %s): restore it from a copy of the "
                       "checkpoint",
                       path.text, where.line, where.text);
    code = decode(top, path.text, arena, ret, err);
    json_decref(top);
    return code;
}

sl_code sl_query_file_check_plan(const sl_query_file *stored, const char *root,
                                 const char *plan_fingerprint, sl_error *err)
{
    if (strcmp(stored->plan_fingerprint, plan_fingerprint) == 0)
        return SL_OK;
    return sl_fail(
        err, SL_EINCOMPATIBLE,
        "%s/query.json is of another query: its sources, grouping, aggregates "
        "or output columns differ (plan %s, now %s); run the query it was made "
        "for, or use a new checkpoint location",
        root, stored->plan_fingerprint, plan_fingerprint);
}

const char *sl_query_file_setting(const sl_query_file *q, const char *name)
{
    for (uint32_t i = 0; i < q->setting_count; i++) {
        if (strcmp(q->settings[i].name, name) == 0)
            return q->settings[i].value;
    }
    return NULL;
}
