/* Without a file a change is applied at once; with one it is a record, and reading the
 * records applies them, those of this process too (memory_log_private.h). */
#include "connectors/memory_table.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/text.h"
#include "connectors/memory/memory_log_private.h"

/* A record: u8 kind, string name, then by kind. */
enum change {
    CREATE = 1 /* schema */,
    APPEND /* chunk */,
    TRUNCATE,
    DROP,
    LAST_BATCH,
    DROP_ALL
};

typedef struct memory_table {
    struct memory_table *next;
    char *name;
    const sl_schema *schema; /* in the arena of all */
    sl_chunk **chunks;       /* without selection */
    uint32_t count, capacity;
    int64_t rows, last_batch;
} memory_table;

struct sl_memory_tables {
    pthread_mutex_t lock;
    sl_arena *schemas; /* also of dropped tables: their rows may still be in use */
    memory_table *tables;
    sl_memory_log *log; /* NULL: of this process alone */
};

sl_memory_tables *sl_memory_tables_new(void)
{
    sl_memory_tables *t = (sl_memory_tables *)sl_calloc(1, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    t->schemas = sl_arena_new();
    return t;
}

static void clear(memory_table *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        sl_chunk_unref(t->chunks[i]);
    t->count = 0;
    t->rows = 0;
}

static void table_free(memory_table *t)
{
    clear(t);
    sl_free(t->chunks);
    sl_free(t->name);
    sl_free(t);
}

static void drop_all(sl_memory_tables *t);

void sl_memory_tables_free(sl_memory_tables *t)
{
    if (t == NULL)
        return;
    drop_all(t);
    sl_memory_log__close(t->log);
    pthread_mutex_destroy(&t->lock);
    sl_arena_free(t->schemas);
    sl_free(t);
}

static memory_table *find(sl_memory_tables *t, const char *name)
{
    for (memory_table *m = t->tables; m != NULL; m = m->next)
        if (sl_text_equal_nocase(m->name, name))
            return m;
    return NULL;
}

static sl_code fail_missing(const char *name, sl_error *err)
{
    return sl_fail(err, SL_ENOTFOUND, "there is no memory table %s", name);
}

/* ---- changes; Locks: t->lock held ---- */

static void drop(sl_memory_tables *t, const char *name)
{
    memory_table *m = find(t, name);
    memory_table **at = &t->tables;
    if (m == NULL)
        return;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    table_free(m);
}

static void drop_all(sl_memory_tables *t)
{
    while (t->tables != NULL) {
        memory_table *m = t->tables;
        t->tables = m->next;
        table_free(m);
    }
}

static void create(sl_memory_tables *t, const char *name, const sl_schema *schema)
{
    memory_table *m = (memory_table *)sl_calloc(1, sizeof *m);
    drop(t, name);
    m->name = sl_strdup(name);
    m->last_batch = -1;
    m->schema = sl_schema_copy(schema, t->schemas);
    m->next = t->tables;
    t->tables = m;
}

static void append(memory_table *m, const sl_chunk *flat)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity == 0 ? 16 : m->capacity * 2;
        m->chunks = (sl_chunk **)sl_realloc(m->chunks, m->capacity * sizeof *m->chunks);
    }
    m->chunks[m->count++] = sl_chunk_retype(flat, m->schema);
    m->rows += flat->row_count;
}

/* ---- a shared file ---- */

static sl_code apply_append(memory_table *m, sl_span bytes, sl_error *err)
{
    sl_chunk *chunk;
    SL_TRY(sl_chunk_read(bytes, m->schema, NULL, &chunk, err));
    append(m, chunk);
    sl_chunk_unref(chunk);
    return SL_OK;
}

static sl_code apply(void *user, sl_span record, sl_error *err)
{
    sl_memory_tables *t = (sl_memory_tables *)user;
    sl_arena *arena = sl_arena_new();
    sl_reader r = sl_reader_of(record);
    uint8_t kind = sl_read_u8(&r);
    const char *name = sl_read_string(&r, arena);
    memory_table *m = name != NULL ? find(t, name) : NULL;
    sl_schema *schema;
    sl_code code = SL_OK;
    if (name == NULL)
        code = sl_fail(err, SL_ECORRUPT, "a record of shared memory tables is no record");
    else if (kind == CREATE && (code = sl_schema_read(&r, arena, &schema, err)) == SL_OK)
        create(t, name, schema);
    else if (kind == APPEND && m != NULL)
        code = apply_append(m, sl_read_bytes(&r, r.size_bytes - r.at), err);
    else if (kind == TRUNCATE && m != NULL)
        clear(m);
    else if (kind == DROP)
        drop(t, name);
    else if (kind == DROP_ALL)
        drop_all(t);
    else if (kind == LAST_BATCH && m != NULL)
        m->last_batch = sl_read_i64(&r);
    sl_arena_free(arena);
    return code;
}

sl_code sl_memory_tables_new_shared(const char *path, sl_memory_tables **ret,
                                    sl_error *err)
{
    sl_memory_tables *t = sl_memory_tables_new();
    sl_code code = sl_memory_log__open(path, apply, t, &t->log, err);
    if (code == SL_OK)
        *ret = t;
    else
        sl_memory_tables_free(t);
    return code;
}

/* What others changed is there too. A file that cannot be read is told where the change
 * or the rows are asked for. Locks: t->lock held. */
static memory_table *find_now(sl_memory_tables *t, const char *name)
{
    if (t->log != NULL)
        (void)!sl_memory_log__read(t->log, NULL);
    return find(t, name);
}

static void begin_record(sl_bytes *record, enum change kind, const char *name)
{
    sl_bytes_u8(record, (uint8_t)kind);
    sl_bytes_string(record, name);
}

static sl_code write_record(sl_memory_tables *t, sl_bytes *record, sl_error *err)
{
    pthread_mutex_lock(&t->lock);
    sl_code code = sl_memory_log__append(t->log, sl_bytes_span(record), err);
    pthread_mutex_unlock(&t->lock);
    sl_bytes_deinit(record);
    return code;
}

/* ---- as callers see them ---- */

sl_code sl_memory_table_create(sl_memory_tables *t, const char *name,
                               const sl_schema *schema, sl_error *err)
{
    if (t->log != NULL) {
        sl_bytes record = { 0 };
        begin_record(&record, CREATE, name);
        sl_schema_write(schema, &record);
        return write_record(t, &record, err);
    }
    pthread_mutex_lock(&t->lock);
    create(t, name, schema);
    pthread_mutex_unlock(&t->lock);
    return SL_OK;
}

void sl_memory_table_drop(sl_memory_tables *t, const char *name)
{
    if (t->log != NULL) {
        sl_bytes record = { 0 };
        begin_record(&record, DROP, name);
        (void)!write_record(t, &record, NULL);
        return;
    }
    pthread_mutex_lock(&t->lock);
    drop(t, name);
    pthread_mutex_unlock(&t->lock);
}

void sl_memory_tables_clear(sl_memory_tables *t)
{
    if (t->log != NULL) {
        sl_bytes record = { 0 };
        begin_record(&record, DROP_ALL, "");
        (void)!write_record(t, &record, NULL);
        return;
    }
    pthread_mutex_lock(&t->lock);
    drop_all(t);
    pthread_mutex_unlock(&t->lock);
}

const sl_schema *sl_memory_table_schema(sl_memory_tables *t, const char *name,
                                        sl_arena *arena)
{
    pthread_mutex_lock(&t->lock);
    memory_table *m = find_now(t, name);
    const sl_schema *s = m != NULL ? sl_schema_copy(m->schema, arena) : NULL;
    pthread_mutex_unlock(&t->lock);
    return s;
}

static sl_code append_shared(sl_memory_tables *t, const char *name, const sl_chunk *flat,
                             sl_error *err)
{
    sl_bytes record = { 0 };
    pthread_mutex_lock(&t->lock);
    bool exists = find_now(t, name) != NULL;
    pthread_mutex_unlock(&t->lock);
    if (!exists)
        return fail_missing(name, err);
    begin_record(&record, APPEND, name);
    sl_chunk_write(flat, &record);
    return write_record(t, &record, err);
}

sl_code sl_memory_table_append(sl_memory_tables *t, const char *name, sl_chunk *chunk,
                               sl_error *err)
{
    sl_chunk *flat;
    SL_TRY(sl_chunk_flatten(chunk, NULL, &flat, err));
    if (t->log != NULL) {
        sl_code code = append_shared(t, name, flat, err);
        sl_chunk_unref(flat);
        return code;
    }
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    if (m != NULL)
        append(m, flat);
    pthread_mutex_unlock(&t->lock);
    sl_chunk_unref(flat);
    return m != NULL ? SL_OK : fail_missing(name, err);
}

void sl_memory_table_truncate(sl_memory_tables *t, const char *name)
{
    if (t->log != NULL) {
        sl_bytes record = { 0 };
        begin_record(&record, TRUNCATE, name);
        (void)!write_record(t, &record, NULL);
        return;
    }
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    if (m != NULL)
        clear(m);
    pthread_mutex_unlock(&t->lock);
}

int64_t sl_memory_table_rows(sl_memory_tables *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    memory_table *m = find_now(t, name);
    int64_t rows = m != NULL ? m->rows : -1;
    pthread_mutex_unlock(&t->lock);
    return rows;
}

uint32_t sl_memory_tables_names(sl_memory_tables *t, sl_arena *arena,
                                const char *const **ret_names)
{
    uint32_t n = 0;
    pthread_mutex_lock(&t->lock);
    (void)find_now(t, ""); /* reads what others changed */
    for (const memory_table *m = t->tables; m != NULL; m = m->next)
        n++;
    const char **names = SL_ARENA_ARRAY(arena, const char *, n + (size_t)1);
    n = 0;
    for (const memory_table *m = t->tables; m != NULL; m = m->next)
        names[n++] = sl_arena_strdup(arena, m->name);
    pthread_mutex_unlock(&t->lock);
    *ret_names = names;
    return n;
}

/* Rows [from, to) of one chunk as a chunk of its own. */
static sl_code part_of(sl_chunk *c, int64_t from, int64_t to, sl_chunk **ret,
                       sl_error *err)
{
    if (from == 0 && to == c->row_count) {
        *ret = sl_chunk_ref(c);
        return SL_OK;
    }
    uint16_t rows[SL_CHUNK_ROWS_MAX];
    uint32_t n = 0;
    for (int64_t r = from; r < to; r++)
        rows[n++] = (uint16_t)r;
    return sl_chunk_select(c, rows, n, ret, err);
}

sl_code sl_memory_table_rows_get(sl_memory_tables *t, const char *name, int64_t from,
                                 int64_t to, sl_chunk ***ret_chunks, uint32_t *ret_count,
                                 sl_error *err)
{
    pthread_mutex_lock(&t->lock);
    sl_code code = t->log != NULL ? sl_memory_log__read(t->log, err) : SL_OK;
    memory_table *m = find(t, name);
    if (code == SL_OK && m == NULL)
        code = fail_missing(name, err);
    sl_chunk **chunks =
        (sl_chunk **)sl_calloc((m != NULL ? m->count : 0) + 1, sizeof *chunks);
    uint32_t count = 0;
    int64_t at = 0;
    for (uint32_t i = 0; code == SL_OK && i < m->count; i++) {
        int64_t n = m->chunks[i]->row_count;
        int64_t first = from > at ? from - at : 0, end = to - at < n ? to - at : n;
        at += n;
        if (first < end)
            code = part_of(m->chunks[i], first, end, &chunks[count], err);
        count += code == SL_OK && first < end ? 1 : 0;
    }
    pthread_mutex_unlock(&t->lock);
    if (code != SL_OK) {
        while (count > 0)
            sl_chunk_unref(chunks[--count]);
        sl_free(chunks);
        return code;
    }
    *ret_chunks = chunks;
    *ret_count = count;
    return SL_OK;
}

int64_t sl_memory_table_last_batch(sl_memory_tables *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    memory_table *m = find_now(t, name);
    int64_t batch = m != NULL ? m->last_batch : -1;
    pthread_mutex_unlock(&t->lock);
    return batch;
}

void sl_memory_table_set_last_batch(sl_memory_tables *t, const char *name, int64_t batch)
{
    if (t->log != NULL) {
        sl_bytes record = { 0 };
        begin_record(&record, LAST_BATCH, name);
        sl_bytes_i64(&record, batch);
        (void)!write_record(t, &record, NULL);
        return;
    }
    pthread_mutex_lock(&t->lock);
    memory_table *m = find(t, name);
    if (m != NULL)
        m->last_batch = batch;
    pthread_mutex_unlock(&t->lock);
}
