/* connector_fixture.h - a world for a connector: virtual files, a clock moved by hand,
 * options from text, and the nth call of the file system failing. */

#ifndef SL_TESTS_CONNECTOR_FIXTURE_H
#define SL_TESTS_CONNECTOR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "connectors/connectors_private.h"
#include "connectors/registry.h"

#define SECOND_NS INT64_C(1000000000)
#define START_S INT64_C(1600000000)

typedef struct world {
    int64_t now_ns;
    sl_fs_virtual *v;
    sl_fs *fs;
    sl_arena *arena;
    sl_option_pair pairs[16];
    sl_option_list options;
    uint64_t calls, fail_at; /* 1 = the first; 0 = none */
    sl_code fail_code;
    sl_error err;
    struct sl_memory_tables *memory;
} world;

static int64_t world_now_ns(void *user)
{
    return ((world *)user)->now_ns;
}

static int64_t world_now_us(void *user)
{
    return ((world *)user)->now_ns / 1000;
}

static sl_code world_before(void *user, const char *operation, const char *path,
                            sl_error *err)
{
    world *w = (world *)user;
    if (++w->calls != w->fail_at)
        return SL_OK;
    return sl_fail(err, w->fail_code, "injected failure of %s %s", operation, path);
}

static int world_set_up(void **state)
{
    world *w = (world *)sl_calloc(1, sizeof *w);
    w->now_ns = START_S * SECOND_NS;
    w->v = sl_fs_virtual_new(world_now_ns, w);
    w->fs = sl_fs_virtual_fs(w->v);
    w->arena = sl_arena_new();
    w->fail_code = SL_EIO;
    sl_fs_virtual_set_faults(w->v, (sl_fs_faults){ world_before, w });
    *state = w;
    return 0;
}

static int world_tear_down(void **state)
{
    world *w = (world *)*state;
    sl_fs_virtual_free(w->v);
    sl_arena_free(w->arena);
    sl_free(w);
    return 0;
}

/* name, value, name, value, ..., NULL. */
static inline const sl_option_list *options_of(world *w, ...)
{
    va_list args;
    const char *name;
    uint32_t n = 0;
    va_start(args, w);
    while ((name = va_arg(args, const char *)) != NULL)
        w->pairs[n++] =
            (sl_option_pair){ .name = name, .value = va_arg(args, const char *) };
    va_end(args);
    w->options = (sl_option_list){ n, w->pairs };
    return &w->options;
}

static inline sl_source_env env_of(world *w)
{
    return (sl_source_env){ .fs = w->fs,
                            .wall_us = world_now_us,
                            .user = w,
                            .zone = sl_time_zone_utc(),
                            .slice_bytes = 1 << 20,
                            .memory = w->memory };
}

/* A file as if moved into the directory now. */
static inline void put_file(world *w, const char *path, const char *content)
{
    char dir[512];
    snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = '\0';
    if (*dir != '\0')
        assert_int_equal(sl_fs_make_dirs(w->fs, dir, NULL), SL_OK);
    assert_int_equal(sl_fs_write_new(w->fs, path, sl_span_text(content), NULL), SL_OK);
}

static inline void pass_seconds(world *w, int64_t seconds)
{
    w->now_ns += seconds * SECOND_NS;
}

/* The message has the words. */
static inline void assert_says(const world *w, const char *words)
{
    if (strstr(w->err.text, words) == NULL)
        fail_msg("'%s' does not say '%s'", w->err.text, words);
}

/* All rows of a slice, a line each, values as show() has them with | between. */
static inline void read_slice(world *w, const char *connector, const sl_schema *schema,
                              sl_span slice, uint32_t chunk_rows, sl_bytes *out)
{
    uint32_t columns[64];
    for (uint32_t i = 0; i < schema->field_count; i++)
        columns[i] = i;
    sl_read_request q = { .fs = w->fs,
                          .connector = connector,
                          .options = w->options,
                          .schema = schema,
                          .columns = columns,
                          .column_count = schema->field_count,
                          .slice = slice,
                          .chunk_rows = chunk_rows,
                          .zone = sl_time_zone_utc(),
                          .memory = w->memory };
    sl_source_reader *r;
    sl_chunk *chunk;
    assert_int_equal(sl_source_reader_open(&q, &r, &w->err), SL_OK);
    for (;;) {
        assert_int_equal(sl_source_reader_next(r, &chunk, &w->err), SL_OK);
        if (chunk == NULL)
            break;
        for (uint32_t i = 0; i < chunk->row_count; i++) {
            for (uint32_t c = 0; c < chunk->column_count; c++) {
                sl_bytes_text(out, c == 0 ? "" : "|");
                sl_value_text(&chunk->columns[c], i, sl_time_zone_utc(), out);
            }
            sl_bytes_char(out, '\n');
        }
        sl_chunk_unref(chunk);
    }
    sl_source_reader_close(r);
}

#define W(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

#endif /* SL_TESTS_CONNECTOR_FIXTURE_H */
