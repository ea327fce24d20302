#include "checkpoint/snapshot_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/frame_private.h"
#include "checkpoint/layout.h"
#include "checkpoint/record_parts_private.h"
#include "objects/durable_dir.h"

#define SNAPSHOT_FILE_BYTES_MAX ((size_t)16 << 20)

/* The frame's context: which snapshot of which partition. The query id stands inside. */
#define FRAME_KEY "snapshot"

sl_code sl_snapshot_file_encode(const sl_snapshot_file *f, sl_bytes *out, sl_error *err)
{
    sl_bytes b = { 0 };
    sl_bytes_u32(&b, SL_SNAPSHOT_FORMAT);
    sl_bytes_string(&b, f->query_id);
    sl_bytes_u32(&b, f->partition);
    sl_bytes_i64(&b, f->batch);
    sl_bytes_u64(&b, f->state_id);
    sl_bytes_u64(&b, f->row_count);
    sl_bytes_u64(&b, f->row_bytes);
    sl_bytes_u64(&b, f->row_sum);
    sl_bytes_u32(&b, f->table_count);
    for (uint32_t i = 0; i < f->table_count; i++) {
        sl_bytes_string(&b, f->tables[i].local_name);
        sl_bytes_string(&b, f->tables[i].content_name);
    }
    sl_code code = SL_OK;
    if (b.size_bytes > SNAPSHOT_FILE_BYTES_MAX - SL_FRAME__HEADER_BYTES)
        code = sl_fail(err, SL_ELIMIT, "a snapshot of %u tables is too large to list",
                       f->table_count);
    else
        sl_frame__encode(SL_FRAME__SNAPSHOT, SL_SNAPSHOT_FORMAT, "", FRAME_KEY,
                         sl_bytes_span(&b), out);
    sl_bytes_deinit(&b);
    return code;
}

static bool is_file_name(const char *text)
{
    return text && text[0] != '\0' && text[0] != '.' && !strchr(text, '/');
}

sl_code sl_snapshot_file_decode(sl_span bytes, sl_arena *arena, sl_snapshot_file *ret,
                                sl_error *err)
{
    sl_span payload;
    size_t size = 0;
    SL_TRY(sl_frame__decode(bytes, SL_FRAME__SNAPSHOT, SL_SNAPSHOT_FORMAT, "", FRAME_KEY,
                            "snapshot manifest", &payload, &size, err));
    sl_reader r = sl_record__reader(payload, arena);
    sl_snapshot_file f = { 0 };
    SL_TRY(sl_record__check_format("snapshot", sl_read_u32(&r), SL_SNAPSHOT_FORMAT, err));
    f.query_id = sl_record__get_text(&r, arena);
    f.partition = sl_read_u32(&r);
    f.batch = sl_read_i64(&r);
    f.state_id = sl_read_u64(&r);
    f.row_count = sl_read_u64(&r);
    f.row_bytes = sl_read_u64(&r);
    f.row_sum = sl_read_u64(&r);
    f.table_count = sl_read_count(&r, 8);
    sl_snapshot_table *tables = SL_ARENA_ARRAY(arena, sl_snapshot_table, f.table_count);
    for (uint32_t i = 0; i < f.table_count && !r.failed; i++) {
        tables[i].local_name = sl_record__get_text(&r, arena);
        tables[i].content_name = sl_record__get_text(&r, arena);
        /* They become paths: nothing may lead out of a directory. */
        r.failed = r.failed || !is_file_name(tables[i].local_name) ||
                   !is_file_name(tables[i].content_name);
    }
    f.tables = tables;
    r.failed = r.failed || size != bytes.size_bytes;
    SL_TRY(sl_record__check_done("snapshot", &r, err));
    *ret = f;
    return SL_OK;
}

sl_code sl_snapshot_file_write(sl_fs *fs, const char *root, const char *name,
                               const sl_snapshot_file *f, sl_failpoints failpoints,
                               sl_snapshot_place *ret, sl_error *err)
{
    sl_checkpoint_path dir, path;
    SL_TRY(sl_layout_partition(root, f->partition, &dir, err));
    SL_TRY(sl_layout_snapshot(root, f->partition, name, &path, err));
    SL_TRY(sl_durable_dir_make(fs, dir.text, 2, err));
    sl_bytes bytes = { 0 };
    sl_code code = sl_snapshot_file_encode(f, &bytes, err);
    if (code == SL_OK) {
        sl_failpoint_pass(failpoints, "snapshot.manifest");
        code = sl_fs_write_new(fs, path.text, sl_bytes_span(&bytes), err);
    }
    if (code == SL_OK)
        *ret = (sl_snapshot_place){ .kind = SL_SNAPSHOT_MANIFEST,
                                    .batch = f->batch,
                                    .state_id = f->state_id,
                                    .manifest = name,
                                    .hash = sl_hash128_of(bytes.data, bytes.size_bytes),
                                    .size_bytes = bytes.size_bytes };
    sl_bytes_deinit(&bytes);
    return code;
}

static sl_code check_snapshot(sl_span bytes, const char *path, uint32_t partition,
                              const sl_snapshot_place *place, sl_arena *arena,
                              sl_snapshot_file *ret, sl_error *err)
{
    sl_hash128 hash = sl_hash128_of(bytes.data, bytes.size_bytes);
    if (bytes.size_bytes != place->size_bytes || !sl_record__same_hash(hash, place->hash))
        return sl_fail(err, SL_ECORRUPT,
                       "%s does not have the size and hash that its commit names", path);
    sl_snapshot_file f;
    if (sl_snapshot_file_decode(bytes, arena, &f, err) != SL_OK)
        return sl_error_prefix(err, "%s", path);
    if (f.partition != partition || f.batch != place->batch ||
        f.state_id != place->state_id)
        return sl_fail(err, SL_ECORRUPT,
                       "%s is of partition %u after batch %" PRId64
                       ", its commit says partition %u after batch %" PRId64,
                       path, f.partition, f.batch, partition, place->batch);
    *ret = f;
    return SL_OK;
}

sl_code sl_snapshot_file_read(sl_fs *fs, const char *root, uint32_t partition,
                              const sl_snapshot_place *place, sl_arena *arena,
                              sl_snapshot_file *ret, sl_error *err)
{
    if (place->kind != SL_SNAPSHOT_MANIFEST || !is_file_name(place->manifest))
        return sl_fail(err, SL_EINVAL, "partition %u has no snapshot manifest",
                       partition);
    sl_checkpoint_path path;
    SL_TRY(sl_layout_snapshot(root, partition, place->manifest, &path, err));
    sl_bytes bytes = { 0 };
    sl_error local;
    sl_error *why = err ? err : &local;
    sl_code code = sl_fs_read_all(fs, path.text, SNAPSHOT_FILE_BYTES_MAX, &bytes, why);
    if (code == SL_OK)
        code = check_snapshot(sl_bytes_span(&bytes), path.text, partition, place, arena,
                              ret, why);
    sl_bytes_deinit(&bytes);
    return code;
}
