/* journal-head: two slots of 512 bytes, written in turn.  A torn write spoils one slot,
 * the other still holds the commit before.  It is never synced: it costs nothing, and
 * after a power cut an older head only proves less. */

#include <string.h>

#include "base/hash.h"
#include "checkpoint/journal_private.h"
#include "checkpoint/layout.h"
#include "checkpoint/record_parts_private.h"

#define SLOT_BYTES 512
#define SLOT_CRC_AT (SLOT_BYTES - 4)
#define HEAD_MAGIC "SLHEAD01"

static void encode_slot(const sl_journal *j, const sl_journal__head *h,
                        uint8_t slot[SLOT_BYTES])
{
    sl_bytes b = { 0 };
    sl_bytes_append(&b, HEAD_MAGIC, 8);
    sl_bytes_u64(&b, h->sequence);
    sl_bytes_i64(&b, h->batch);
    sl_bytes_u64(&b, h->epoch);
    sl_record__put_hash(&b, h->hash);
    sl_bytes_u64(&b, sl_hash64(j->query_id, strlen(j->query_id)));
    memset(slot, 0, SLOT_BYTES);
    memcpy(slot, b.data, b.size_bytes);
    sl_bytes_clear(&b);
    sl_bytes_u32(&b, sl_crc32c(0, slot, SLOT_CRC_AT));
    memcpy(slot + SLOT_CRC_AT, b.data, 4);
    sl_bytes_deinit(&b);
}

static bool decode_slot(const sl_journal *j, const uint8_t *slot, sl_journal__head *ret)
{
    sl_reader crc = sl_reader_of(sl_span_of(slot + SLOT_CRC_AT, 4));
    if (memcmp(slot, HEAD_MAGIC, 8) != 0 ||
        sl_read_u32(&crc) != sl_crc32c(0, slot, SLOT_CRC_AT))
        return false;
    sl_reader r = sl_reader_of(sl_span_of(slot + 8, SLOT_CRC_AT - 8));
    sl_journal__head h = { .sequence = sl_read_u64(&r) };
    h.batch = sl_read_i64(&r);
    h.epoch = sl_read_u64(&r);
    h.hash = sl_record__get_hash(&r);
    if (sl_read_u64(&r) != sl_hash64(j->query_id, strlen(j->query_id)))
        return false;
    *ret = h;
    return true;
}

static sl_code read_slots(const sl_journal *j, sl_file *file, sl_journal__head *ret,
                          bool *ret_found, sl_error *err)
{
    uint8_t slots[2 * SLOT_BYTES] = { 0 };
    size_t got = 0;
    SL_TRY(sl_file_read(file, 0, slots, sizeof slots, &got, err));
    bool is_found = false;
    for (size_t i = 0; i < 2; i++) {
        sl_journal__head h;
        if (decode_slot(j, slots + i * SLOT_BYTES, &h) &&
            (!is_found || h.sequence > ret->sequence)) {
            *ret = h;
            is_found = true;
        }
    }
    *ret_found = is_found;
    return SL_OK;
}

sl_code sl_journal__head_read(const sl_journal *j, sl_journal__head *ret, bool *ret_found,
                              bool *ret_exists, sl_error *err)
{
    sl_checkpoint_path path;
    SL_TRY(sl_layout_journal_head(j->root, &path, err));
    sl_file *file = NULL;
    sl_error why;
    sl_code code = sl_fs_open(j->fs, path.text, SL_OPEN_READ, &file, &why);
    *ret_found = false;
    *ret_exists = code != SL_ENOTFOUND;
    if (code == SL_ENOTFOUND)
        return SL_OK;
    if (code == SL_OK)
        code = read_slots(j, file, ret, ret_found, &why);
    sl_file_close(file);
    if (code != SL_OK && err)
        *err = why;
    return code;
}

void sl_journal__head_write(sl_journal *j)
{
    sl_checkpoint_path path;
    if (!j->head_file &&
        (sl_layout_journal_head(j->root, &path, NULL) != SL_OK ||
         sl_fs_open(j->fs, path.text, SL_OPEN_WRITE, &j->head_file, NULL) != SL_OK))
        return;
    sl_journal__head h = { .sequence = j->head_sequence + 1,
                           .batch = j->last_commit,
                           .epoch = j->epoch_max,
                           .hash = j->last_hash };
    uint8_t slot[SLOT_BYTES];
    encode_slot(j, &h, slot);
    sl_failpoint_pass(j->failpoints, "journal.head");
    int64_t at = (int64_t)(h.sequence % 2) * SLOT_BYTES;
    if (sl_file_write_at(j->head_file, at, slot, sizeof slot, NULL) == SL_OK)
        j->head_sequence = h.sequence;
}
