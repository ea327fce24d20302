#include <string.h>

#include "base/alloc.h"
#include "objects/kv_memory_private.h"

static int compare(sl_span a, sl_span b)
{
    size_t common = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return (a.size_bytes > b.size_bytes) - (a.size_bytes < b.size_bytes);
}

void sl_kv__map_deinit(sl_kv__map *m)
{
    for (size_t i = 0; i < m->count; i++)
        sl_free(m->rows[i].bytes);
    sl_free(m->rows);
    *m = (sl_kv__map){ 0 };
}

size_t sl_kv__map_seek(const sl_kv__map *m, sl_span key, bool *ret_found)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(sl_kv__key(&m->rows[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (ret_found)
        *ret_found = low < m->count && compare(sl_kv__key(&m->rows[low]), key) == 0;
    return low;
}

static sl_kv__row make_row(sl_span key, sl_span value)
{
    sl_kv__row row = { sl_alloc(key.size_bytes + value.size_bytes + 1), key.size_bytes,
                       value.size_bytes };
    if (key.size_bytes > 0)
        memcpy(row.bytes, key.data, key.size_bytes);
    if (value.size_bytes > 0)
        memcpy(row.bytes + key.size_bytes, value.data, value.size_bytes);
    return row;
}

void sl_kv__map_put(sl_kv__map *m, sl_span key, sl_span value)
{
    bool is_found = false;
    size_t at = sl_kv__map_seek(m, key, &is_found);
    sl_kv__row row = make_row(key, value);
    if (is_found) {
        sl_free(m->rows[at].bytes);
        m->rows[at] = row;
        return;
    }
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? 2 * m->capacity : 64;
        m->rows = sl_realloc(m->rows, m->capacity * sizeof *m->rows);
    }
    memmove(m->rows + at + 1, m->rows + at, (m->count - at) * sizeof *m->rows);
    m->rows[at] = row;
    m->count++;
}

void sl_kv__map_remove(sl_kv__map *m, sl_span key)
{
    bool is_found = false;
    size_t at = sl_kv__map_seek(m, key, &is_found);
    if (!is_found)
        return;
    sl_free(m->rows[at].bytes);
    m->count--;
    memmove(m->rows + at, m->rows + at + 1, (m->count - at) * sizeof *m->rows);
}
