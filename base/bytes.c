#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields are copied as they are");

sl_span sl_span_text(const char *text)
{
    return sl_span_of(text, text ? strlen(text) : 0);
}

bool sl_span_equal(sl_span a, sl_span b)
{
    return a.size_bytes == b.size_bytes &&
           (a.size_bytes == 0 || memcmp(a.data, b.data, a.size_bytes) == 0);
}

void sl_bytes_deinit(sl_bytes *b)
{
    sl_free(b->data);
    *b = (sl_bytes){ 0 };
}

void sl_bytes_clear(sl_bytes *b)
{
    b->size_bytes = 0;
    if (b->data)
        b->data[0] = '\0';
}

void sl_bytes_reserve(sl_bytes *b, size_t more_bytes)
{
    SL_ASSERT(more_bytes < SIZE_MAX / 2 - b->size_bytes);
    size_t needed = b->size_bytes + more_bytes + 1; /* the NUL past the end */
    if (needed <= b->capacity_bytes)
        return;
    size_t capacity = b->capacity_bytes ? b->capacity_bytes * 2 : 64;
    if (capacity < needed)
        capacity = needed;
    b->data = sl_realloc(b->data, capacity);
    b->capacity_bytes = capacity;
    b->data[b->size_bytes] = '\0';
}

void sl_bytes_append(sl_bytes *b, const void *data, size_t size_bytes)
{
    if (size_bytes == 0)
        return;
    sl_bytes_reserve(b, size_bytes);
    memcpy(b->data + b->size_bytes, data, size_bytes);
    b->size_bytes += size_bytes;
    b->data[b->size_bytes] = '\0';
}

void sl_bytes_text(sl_bytes *b, const char *text)
{
    sl_bytes_append(b, text, strlen(text));
}

void sl_bytes_char(sl_bytes *b, char c)
{
    sl_bytes_append(b, &c, 1);
}

void sl_bytes_printf(sl_bytes *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    sl_bytes_reserve(b, 64);
    size_t room = b->capacity_bytes - b->size_bytes;
    int length = vsnprintf((char *)b->data + b->size_bytes, room, fmt, args);
    va_end(args);
    SL_ASSERT(length >= 0);
    if ((size_t)length >= room) {
        sl_bytes_reserve(b, (size_t)length);
        vsnprintf((char *)b->data + b->size_bytes, (size_t)length + 1, fmt, again);
    }
    va_end(again);
    b->size_bytes += (size_t)length;
}

void sl_bytes_u8(sl_bytes *b, uint8_t v)
{
    sl_bytes_append(b, &v, sizeof v);
}

void sl_bytes_u16(sl_bytes *b, uint16_t v)
{
    sl_bytes_append(b, &v, sizeof v);
}

void sl_bytes_u32(sl_bytes *b, uint32_t v)
{
    sl_bytes_append(b, &v, sizeof v);
}

void sl_bytes_u64(sl_bytes *b, uint64_t v)
{
    sl_bytes_append(b, &v, sizeof v);
}

void sl_bytes_i64(sl_bytes *b, int64_t v)
{
    sl_bytes_append(b, &v, sizeof v);
}

void sl_bytes_f64(sl_bytes *b, double v)
{
    sl_bytes_append(b, &v, sizeof v);
}

void sl_bytes_blob(sl_bytes *b, sl_span blob)
{
    SL_ASSERT(blob.size_bytes < UINT32_MAX);
    sl_bytes_u32(b, (uint32_t)blob.size_bytes);
    sl_bytes_append(b, blob.data, blob.size_bytes);
}

void sl_bytes_string(sl_bytes *b, const char *text)
{
    if (text)
        sl_bytes_blob(b, sl_span_text(text));
    else
        sl_bytes_u32(b, UINT32_MAX);
}

sl_span sl_read_bytes(sl_reader *r, size_t n)
{
    if (r->failed || n > r->size_bytes - r->at) {
        r->failed = true;
        return (sl_span){ NULL, 0 };
    }
    sl_span found = { n ? r->data + r->at : NULL, n };
    r->at += n;
    return found;
}

/* Copy a field of n bytes, or leave `field` (zero) as it is. */
static void read_field(sl_reader *r, void *field, size_t n)
{
    sl_span found = sl_read_bytes(r, n);
    if (found.data)
        memcpy(field, found.data, n);
}

uint8_t sl_read_u8(sl_reader *r)
{
    uint8_t v = 0;
    read_field(r, &v, sizeof v);
    return v;
}

uint16_t sl_read_u16(sl_reader *r)
{
    uint16_t v = 0;
    read_field(r, &v, sizeof v);
    return v;
}

uint32_t sl_read_u32(sl_reader *r)
{
    uint32_t v = 0;
    read_field(r, &v, sizeof v);
    return v;
}

uint64_t sl_read_u64(sl_reader *r)
{
    uint64_t v = 0;
    read_field(r, &v, sizeof v);
    return v;
}

int64_t sl_read_i64(sl_reader *r)
{
    int64_t v = 0;
    read_field(r, &v, sizeof v);
    return v;
}

double sl_read_f64(sl_reader *r)
{
    double v = 0;
    read_field(r, &v, sizeof v);
    return v;
}

sl_span sl_read_blob(sl_reader *r)
{
    uint32_t size_bytes = sl_read_u32(r);
    return sl_read_bytes(r, size_bytes);
}

char *sl_read_string(sl_reader *r, sl_arena *arena)
{
    uint32_t length = sl_read_u32(r);
    if (r->failed || length == UINT32_MAX)
        return NULL;
    sl_span text = sl_read_bytes(r, length);
    if (r->failed)
        return NULL;
    return sl_arena_strndup(arena, (const char *)text.data, text.size_bytes);
}

uint32_t sl_read_count(sl_reader *r, size_t least_bytes)
{
    uint32_t count = sl_read_u32(r);
    if (r->failed)
        return 0;
    if (least_bytes > 0 && count > (r->size_bytes - r->at) / least_bytes) {
        r->failed = true;
        return 0;
    }
    return count;
}

bool sl_reader_done(const sl_reader *r)
{
    return !r->failed && r->at == r->size_bytes;
}
