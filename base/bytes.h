/* bytes.h - a growing byte string, and bounded readers and writers of little-endian
 * fields. Every on-disk record and fragment blob is built with the writer and taken apart
 * with the reader: a read past the end sets `failed` and yields zeros, checked once at
 * the end.
 *
 * Thread: owner thread. */

#ifndef SL_BASE_BYTES_H
#define SL_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A borrowed run of bytes. */
typedef struct sl_span {
    const uint8_t *data;
    size_t size_bytes;
} sl_span;

static inline sl_span sl_span_of(const void *data, size_t size_bytes)
{
    return (sl_span){ (const uint8_t *)data, size_bytes };
}
sl_span sl_span_text(const char *text); /* without the final NUL */
bool sl_span_equal(sl_span a, sl_span b);

/* Growing bytes: zero-initialise, append, _deinit. data stays NUL-terminated past size.
 */
typedef struct sl_bytes {
    uint8_t *data;
    size_t size_bytes, capacity_bytes;
} sl_bytes;

void sl_bytes_deinit(sl_bytes *b);
void sl_bytes_clear(sl_bytes *b);
void sl_bytes_reserve(sl_bytes *b, size_t more_bytes);
void sl_bytes_append(sl_bytes *b, const void *data, size_t size_bytes);
void sl_bytes_text(sl_bytes *b, const char *text);
void sl_bytes_char(sl_bytes *b, char c);
void sl_bytes_printf(sl_bytes *b, const char *fmt, ...) SL_PRINTF(2, 3);
void sl_bytes_u8(sl_bytes *b, uint8_t v);
void sl_bytes_u16(sl_bytes *b, uint16_t v);
void sl_bytes_u32(sl_bytes *b, uint32_t v);
void sl_bytes_u64(sl_bytes *b, uint64_t v);
void sl_bytes_i64(sl_bytes *b, int64_t v);
void sl_bytes_f64(sl_bytes *b, double v);
void sl_bytes_blob(sl_bytes *b, sl_span blob); /* u32 length, bytes */
void sl_bytes_string(sl_bytes *b,
                     const char *text); /* as blob; NULL as length UINT32_MAX */
static inline sl_span sl_bytes_span(const sl_bytes *b)
{
    return (sl_span){ b->data, b->size_bytes };
}
static inline const char *sl_bytes_cstr(const sl_bytes *b)
{
    return b->data ? (const char *)b->data : "";
}

typedef struct sl_reader {
    const uint8_t *data;
    size_t size_bytes, at;
    bool failed;
} sl_reader;

static inline sl_reader sl_reader_of(sl_span s)
{
    return (sl_reader){ .data = s.data, .size_bytes = s.size_bytes };
}
uint8_t sl_read_u8(sl_reader *r);
uint16_t sl_read_u16(sl_reader *r);
uint32_t sl_read_u32(sl_reader *r);
uint64_t sl_read_u64(sl_reader *r);
int64_t sl_read_i64(sl_reader *r);
double sl_read_f64(sl_reader *r);
sl_span sl_read_blob(sl_reader *r);            /* borrowed from the input */
sl_span sl_read_bytes(sl_reader *r, size_t n); /* borrowed */
struct sl_arena;
char *sl_read_string(sl_reader *r,
                     struct sl_arena *arena); /* NULL if written as NULL, or failed */
/* A count that promises `count * least_bytes` more bytes; fails (returns 0) if they
 * cannot be there. */
uint32_t sl_read_count(sl_reader *r, size_t least_bytes);
bool sl_reader_done(const sl_reader *r); /* all consumed and not failed */

#endif /* SL_BASE_BYTES_H */
