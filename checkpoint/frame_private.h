/* frame_private.h - the envelope of every record in the journal, the manifest logs and
 * the snapshot manifests: magic, version, kind, length, checksum.
 *
 *   OFFSET SIZE MEANING
 *   0      4    "SLCK"
 *   4      2    version of the payload's format
 *   6      2    kind
 *   8      4    payload length
 *   12     4    0
 *   16     8    checksum: XXH3-64 of context, of bytes 0-15 and of the payload, mixed
 *   24     n    payload
 *
 * The context is the query id and the record's key: a record of another query, or moved
 * to another key, does not pass.  All numbers little-endian. */

#ifndef SL_CHECKPOINT_FRAME_PRIVATE_H
#define SL_CHECKPOINT_FRAME_PRIVATE_H

#include "base/bytes.h"
#include "base/error.h"

#define SL_FRAME__HEADER_BYTES 24

typedef enum sl_frame__kind {
    SL_FRAME__OFFSETS = 1,
    SL_FRAME__COMMIT = 2,
    SL_FRAME__EPOCH = 3,
    SL_FRAME__SEEN = 4,
    SL_FRAME__MANIFEST = 5,
    SL_FRAME__SNAPSHOT = 6,
} sl_frame__kind;

/* Append the frame to out. */
void sl_frame__encode(sl_frame__kind kind, uint16_t version, const char *query_id,
                      const char *key, sl_span payload, sl_bytes *out);
/* The frame at the start of bytes; *ret_size is its whole length. SL_ECORRUPT, or
 * SL_EINCOMPATIBLE if whole and of a newer version; the message names `where`. */
SL_CHECKED sl_code sl_frame__decode(sl_span bytes, sl_frame__kind kind,
                                    uint16_t version_max, const char *query_id,
                                    const char *key, const char *where,
                                    sl_span *ret_payload, size_t *ret_size,
                                    sl_error *err);

#endif /* SL_CHECKPOINT_FRAME_PRIVATE_H */
