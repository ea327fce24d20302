#include "objects/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "objects/durable_dir.h"

#define DIR_LEVELS 2 /* state/segments of a checkpoint */
#define MIB UINT64_C(1048576)
#define SEGMENT_MAGIC "SLSEGMT1"
#define RECORD_MAGIC UINT32_C(0x52534c53) /* "SLSR" */
#define WRITER_ID_CHARS_MAX 48
#define QUERY_ID_CHARS_MAX 39
#define RECORD_CRC_AT 4
#define HEADER_CRC_AT (SL_SEGMENT_HEADER_BYTES - 4)

struct sl_segment_writer {
    sl_fs *fs;
    char *dir;
    char writer_id[WRITER_ID_CHARS_MAX + 1];
    char query_id[QUERY_ID_CHARS_MAX + 1];
    uint64_t preallocate_bytes, bytes_max;
    sl_failpoints failpoints;
    bool is_dir_durable;
    sl_file *file; /* NULL between segments */
    char name[SL_SEGMENT_NAME_MAX];
    uint64_t next_number;
    uint64_t end;  /* where the next record goes */
    bool is_named; /* the file's name is durable */
    bool has_unsynced;
    bool has_lost; /* references were given out that can never be valid */
};

static bool is_plain_name(const char *text, size_t chars_max)
{
    size_t n = strlen(text);
    if (n == 0 || n > chars_max)
        return false;
    return strspn(text,
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
           n;
}

sl_code sl_segment_writer_new(const sl_segment_options *options, sl_segment_writer **ret,
                              sl_error *err)
{
    if (!is_plain_name(options->writer_id, WRITER_ID_CHARS_MAX))
        return sl_fail(err, SL_EINVAL,
                       "segment writer id '%s' is not 1 to %d letters, digits, _ or -",
                       options->writer_id, WRITER_ID_CHARS_MAX);
    if (strlen(options->query_id) > QUERY_ID_CHARS_MAX)
        return sl_fail(err, SL_EINVAL, "query id '%s' is longer than %d characters",
                       options->query_id, QUERY_ID_CHARS_MAX);
    sl_segment_writer *w = sl_calloc(1, sizeof *w);
    w->fs = options->fs;
    w->dir = sl_strdup(options->dir);
    snprintf(w->writer_id, sizeof w->writer_id, "%s", options->writer_id);
    snprintf(w->query_id, sizeof w->query_id, "%s", options->query_id);
    w->preallocate_bytes =
        options->preallocate_bytes ? options->preallocate_bytes : 4 * MIB;
    w->bytes_max = options->bytes_max ? options->bytes_max : 64 * MIB;
    w->failpoints = options->failpoints;
    *ret = w;
    return SL_OK;
}

/* Done with this file. The preallocated rest goes back if all of it is synced. */
static void end_segment(sl_segment_writer *w, bool is_healthy)
{
    if (!w->file)
        return;
    if (is_healthy && !w->has_unsynced)
        (void)!sl_file_truncate(w->file, (int64_t)w->end, NULL);
    sl_file_close(w->file);
    w->file = NULL;
    w->has_unsynced = false;
}

void sl_segment_writer_free(sl_segment_writer *w)
{
    if (!w)
        return;
    end_segment(w, true);
    sl_free(w->dir);
    sl_free(w);
}

const char *sl_segment_writer_current(const sl_segment_writer *w)
{
    return w->file ? w->name : NULL;
}

static void encode_header(const sl_segment_writer *w,
                          uint8_t header[SL_SEGMENT_HEADER_BYTES])
{
    sl_bytes b = { 0 };
    sl_bytes_append(&b, SEGMENT_MAGIC, 8);
    sl_bytes_u32(&b, SL_SEGMENT_FORMAT);
    sl_bytes_u32(&b, SL_SEGMENT_HEADER_BYTES);
    memset(header, 0, SL_SEGMENT_HEADER_BYTES);
    memcpy(header, b.data, b.size_bytes);
    memcpy(header + 16, w->query_id, strlen(w->query_id));
    memcpy(header + 56, w->writer_id, strlen(w->writer_id));
    sl_bytes_clear(&b);
    sl_bytes_u32(&b, sl_crc32c(0, header, HEADER_CRC_AT));
    memcpy(header + HEADER_CRC_AT, b.data, 4);
    sl_bytes_deinit(&b);
}

static sl_code start_segment(sl_segment_writer *w, sl_error *err)
{
    if (!w->is_dir_durable)
        SL_TRY(sl_durable_dir_make(w->fs, w->dir, DIR_LEVELS, err));
    w->is_dir_durable = true;
    sl_bytes path = { 0 };
    sl_code code = SL_EEXISTS;
    sl_error why;
    /* Names of an earlier life of this writer are skipped; they are few. */
    for (int tries = 0; tries < 10000 && code == SL_EEXISTS; tries++) {
        snprintf(w->name, sizeof w->name, "%s-%06" PRIu64 ".seg", w->writer_id,
                 w->next_number++);
        sl_bytes_clear(&path);
        sl_bytes_printf(&path, "%s/%s", w->dir, w->name);
        code = sl_fs_open(w->fs, sl_bytes_cstr(&path), SL_OPEN_CREATE, &w->file, &why);
    }
    sl_bytes_deinit(&path);
    if (code != SL_OK) {
        if (err)
            *err = why;
        return code;
    }
    sl_failpoint_pass(w->failpoints, "segment.create");
    /* Only a saving: a disk too full for it may still take the deltas. */
    (void)!sl_file_allocate(w->file, (int64_t)w->preallocate_bytes, NULL);
    uint8_t header[SL_SEGMENT_HEADER_BYTES];
    encode_header(w, header);
    w->is_named = false;
    w->end = sizeof header;
    code = sl_file_write_at(w->file, 0, header, sizeof header, err);
    if (code != SL_OK)
        end_segment(w, false);
    return code;
}

static void encode_record_head(int64_t batch, uint64_t length, sl_hash128 hash,
                               sl_bytes *out)
{
    size_t at = out->size_bytes;
    sl_bytes_u32(out, RECORD_MAGIC);
    sl_bytes_u32(out, 0);
    sl_bytes_i64(out, batch);
    sl_bytes_u64(out, length);
    sl_bytes_u64(out, hash.low);
    sl_bytes_u64(out, hash.high);
    sl_bytes_u64(out, 0);
    uint32_t crc = sl_crc32c(0, out->data + at, SL_SEGMENT_RECORD_BYTES);
    sl_bytes crc_bytes = { 0 };
    sl_bytes_u32(&crc_bytes, crc);
    memcpy(out->data + at + RECORD_CRC_AT, crc_bytes.data, 4);
    sl_bytes_deinit(&crc_bytes);
}

static uint64_t padded(uint64_t size)
{
    return (size + 7) & ~UINT64_C(7);
}

sl_code sl_segment_append(sl_segment_writer *w, int64_t batch, sl_span payload,
                          sl_segment_ref *ret, sl_error *err)
{
    if (!w->file)
        SL_TRY(start_segment(w, err));
    sl_hash128 hash = sl_hash128_of(payload.data, payload.size_bytes);
    sl_bytes head = { 0 };
    encode_record_head(batch, payload.size_bytes, hash, &head);
    sl_failpoint_pass(w->failpoints, "segment.append");
    sl_code code =
        sl_file_write_at(w->file, (int64_t)w->end, head.data, head.size_bytes, err);
    sl_bytes_deinit(&head);
    uint64_t at = w->end + SL_SEGMENT_RECORD_BYTES;
    if (code == SL_OK && payload.size_bytes > 0)
        code =
            sl_file_write_at(w->file, (int64_t)at, payload.data, payload.size_bytes, err);
    if (code != SL_OK) {
        w->has_lost = w->has_lost || w->has_unsynced;
        end_segment(w, false);
        return code;
    }
    w->has_unsynced = true;
    w->end = at + padded(payload.size_bytes);
    *ret = (sl_segment_ref){ .offset = at,
                             .length_bytes = payload.size_bytes,
                             .hash = hash };
    memcpy(ret->name, w->name, sizeof ret->name);
    return SL_OK;
}

void sl_segment_abandon(sl_segment_writer *w)
{
    w->has_lost = false;
}

sl_code sl_segment_sync(sl_segment_writer *w, sl_error *err)
{
    if (w->has_lost) {
        w->has_lost = false;
        return sl_fail(err, SL_EIO,
                       "segment in %s: an append failed, so what was appended before it "
                       "is lost; append again",
                       w->dir);
    }
    if (!w->file || !w->has_unsynced)
        return SL_OK;
    sl_failpoint_pass(w->failpoints, "segment.sync");
    sl_code code = sl_file_sync(w->file, err);
    if (code == SL_OK && !w->is_named) {
        code = sl_fs_sync_dir(w->fs, w->dir, err);
        w->is_named = code == SL_OK;
    }
    if (code != SL_OK) {
        end_segment(w, false);
        return code;
    }
    sl_failpoint_pass(w->failpoints, "segment.synced");
    w->has_unsynced = false;
    if (w->end >= w->bytes_max)
        end_segment(w, true);
    return SL_OK;
}

/* ---- reading ---- */

static sl_code check_header(sl_file *file, const char *path, sl_error *err)
{
    uint8_t h[SL_SEGMENT_HEADER_BYTES];
    size_t got = 0;
    SL_TRY(sl_file_read(file, 0, h, sizeof h, &got, err));
    if (got < sizeof h || memcmp(h, SEGMENT_MAGIC, 8) != 0)
        return sl_fail(err, SL_ECORRUPT, "%s is not a state segment (damaged header)",
                       path);
    sl_reader r = sl_reader_of(sl_span_of(h, sizeof h));
    (void)sl_read_bytes(&r, 8);
    uint32_t format = sl_read_u32(&r);
    sl_reader tail = sl_reader_of(sl_span_of(h + HEADER_CRC_AT, 4));
    if (sl_read_u32(&tail) != sl_crc32c(0, h, HEADER_CRC_AT))
        return sl_fail(err, SL_ECORRUPT, "%s: the header's checksum is wrong", path);
    if (format > SL_SEGMENT_FORMAT)
        return sl_fail(
            err, SL_EINCOMPATIBLE,
            "%s has segment format %u, this sluice reads up to %d: use a newer "
            "one",
            path, format, SL_SEGMENT_FORMAT);
    return SL_OK;
}

static bool decode_record_head(const uint8_t *h, int64_t *ret_batch, uint64_t *ret_length,
                               sl_hash128 *ret_hash)
{
    uint8_t copy[SL_SEGMENT_RECORD_BYTES];
    memcpy(copy, h, sizeof copy);
    memset(copy + RECORD_CRC_AT, 0, 4);
    sl_reader r = sl_reader_of(sl_span_of(h, SL_SEGMENT_RECORD_BYTES));
    uint32_t magic = sl_read_u32(&r), crc = sl_read_u32(&r);
    *ret_batch = sl_read_i64(&r);
    *ret_length = sl_read_u64(&r);
    ret_hash->low = sl_read_u64(&r);
    ret_hash->high = sl_read_u64(&r);
    return magic == RECORD_MAGIC && crc == sl_crc32c(0, copy, sizeof copy);
}

static sl_code read_payload(sl_file *file, const char *path, const sl_segment_ref *ref,
                            sl_bytes *ret, sl_error *err)
{
    sl_file_info info;
    SL_TRY(sl_file_info_get(file, &info, err));
    uint64_t size = (uint64_t)info.size_bytes;
    if (ref->offset > size || ref->length_bytes > size - ref->offset)
        return sl_fail(err, SL_ECORRUPT,
                       "%s is %" PRIu64 " bytes, but a commit names %" PRIu64
                       " bytes at offset %" PRIu64,
                       path, size, ref->length_bytes, ref->offset);
    sl_bytes_clear(ret);
    sl_bytes_reserve(ret, (size_t)ref->length_bytes + 1);
    size_t got = 0;
    SL_TRY(sl_file_read(file, (int64_t)ref->offset, ret->data, (size_t)ref->length_bytes,
                        &got, err));
    ret->size_bytes = got;
    ret->data[got] = 0;
    sl_hash128 hash = sl_hash128_of(ret->data, got);
    if (got != ref->length_bytes || hash.low != ref->hash.low ||
        hash.high != ref->hash.high)
        return sl_fail(err, SL_ECORRUPT,
                       "%s: %" PRIu64 " bytes at offset %" PRIu64
                       " do not have the hash the commit names",
                       path, ref->length_bytes, ref->offset);
    return SL_OK;
}

sl_code sl_segment_read(sl_fs *fs, const char *dir, const sl_segment_ref *ref,
                        sl_bytes *ret, sl_error *err)
{
    sl_bytes path = { 0 };
    sl_file *file = NULL;
    sl_bytes_printf(&path, "%s/%s", dir, ref->name);
    sl_code code = sl_fs_open(fs, sl_bytes_cstr(&path), SL_OPEN_READ, &file, err);
    if (code == SL_OK)
        code = check_header(file, sl_bytes_cstr(&path), err);
    if (code == SL_OK)
        code = read_payload(file, sl_bytes_cstr(&path), ref, ret, err);
    sl_file_close(file);
    sl_bytes_deinit(&path);
    return code;
}

static sl_code scan_records(sl_file *file, const char *name, sl_segment_record_fn fn,
                            void *user, sl_error *err)
{
    sl_file_info info;
    SL_TRY(sl_file_info_get(file, &info, err));
    uint64_t size = (uint64_t)info.size_bytes;
    uint64_t at = SL_SEGMENT_HEADER_BYTES;
    while (at + SL_SEGMENT_RECORD_BYTES <= size) {
        uint8_t h[SL_SEGMENT_RECORD_BYTES];
        size_t got = 0;
        SL_TRY(sl_file_read(file, (int64_t)at, h, sizeof h, &got, err));
        int64_t batch = 0;
        sl_segment_ref ref = { .offset = at + SL_SEGMENT_RECORD_BYTES };
        if (got < sizeof h ||
            !decode_record_head(h, &batch, &ref.length_bytes, &ref.hash) ||
            ref.length_bytes > size - ref.offset)
            break;
        snprintf(ref.name, sizeof ref.name, "%s", name);
        fn(user, batch, &ref);
        at = ref.offset + padded(ref.length_bytes);
    }
    return SL_OK;
}

sl_code sl_segment_scan(sl_fs *fs, const char *dir, const char *name,
                        sl_segment_record_fn fn, void *user, sl_error *err)
{
    sl_bytes path = { 0 };
    sl_file *file = NULL;
    sl_bytes_printf(&path, "%s/%s", dir, name);
    sl_code code = sl_fs_open(fs, sl_bytes_cstr(&path), SL_OPEN_READ, &file, err);
    if (code == SL_OK)
        code = check_header(file, sl_bytes_cstr(&path), err);
    if (code == SL_OK)
        code = scan_records(file, name, fn, user, err);
    sl_file_close(file);
    sl_bytes_deinit(&path);
    return code;
}
