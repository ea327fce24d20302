/* Unit tests of connectors/memory_table.h: tables of one process, and of several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "connectors/memory_table.h"

static char path[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/sluice-tables-XXXXXX");
    int fd = mkstemp(path);
    close(fd);
    return fd < 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static const sl_schema *schema_n(void)
{
    static sl_field field = { .name = "n", .nullable = true };
    static sl_schema schema = { 1, &field };
    field.type = sl_type_of(SL_TYPE_INT);
    return &schema;
}

static void append(sl_memory_tables *t, const char *name, int32_t from, int32_t to)
{
    sl_chunk_builder b;
    assert_int_equal(
        sl_chunk_builder_init(&b, schema_n(), (uint32_t)(to - from), NULL, NULL), SL_OK);
    for (int32_t i = from; i < to; i++)
        assert_int_equal(sl_column_builder_i32(&b.columns[0], i, NULL), SL_OK);
    sl_chunk *c = sl_chunk_builder_finish(&b, (uint32_t)(to - from));
    assert_int_equal(sl_memory_table_append(t, name, c, NULL), SL_OK);
    sl_chunk_unref(c);
}

/* Rows [from, to) of a table are from, from + 1, ... */
static void assert_rows(sl_memory_tables *t, const char *name, int64_t from, int64_t to)
{
    sl_chunk **chunks = NULL;
    uint32_t count = 0;
    int64_t at = from;
    assert_int_equal(sl_memory_table_rows_get(t, name, from, to, &chunks, &count, NULL),
                     SL_OK);
    for (uint32_t i = 0; i < count; i++) {
        sl_chunk *flat = NULL;
        assert_int_equal(sl_chunk_flatten(chunks[i], NULL, &flat, NULL), SL_OK);
        for (uint32_t row = 0; row < flat->row_count; row++)
            assert_int_equal(sl_column_i32(&flat->columns[0])[row], at++);
        sl_chunk_unref(flat);
        sl_chunk_unref(chunks[i]);
    }
    sl_free(chunks);
    assert_int_equal(at, to);
}

static sl_memory_tables *open_shared(void)
{
    sl_memory_tables *t = NULL;
    sl_error err;
    if (sl_memory_tables_new_shared(path, &t, &err) != SL_OK)
        fail_msg("%s", err.text);
    return t;
}

static void shared__each_sees_what_the_other_changed(void **state)
{
    (void)state;
    sl_arena *arena = sl_arena_new();
    sl_memory_tables *a = open_shared(), *b = open_shared();
    assert_int_equal(sl_memory_table_rows(b, "t"), -1);
    assert_null(sl_memory_table_schema(b, "t", arena));
    assert_int_equal(sl_memory_table_create(a, "t", schema_n(), NULL), SL_OK);
    append(a, "T", 0, 3);
    append(b, "t", 3, 5);
    append(a, "t", 5, 6);
    assert_int_equal(sl_memory_table_rows(a, "t"), 6);
    assert_rows(a, "t", 0, 6);
    assert_rows(b, "t", 2, 6);
    assert_string_equal(sl_memory_table_schema(b, "t", arena)->fields[0].name, "n");
    sl_memory_table_set_last_batch(b, "t", 7);
    assert_int_equal(sl_memory_table_last_batch(a, "t"), 7);
    sl_memory_table_truncate(a, "t");
    assert_int_equal(sl_memory_table_rows(b, "t"), 0);
    assert_int_equal(sl_memory_table_last_batch(b, "t"), 7);
    assert_int_equal(sl_memory_table_create(b, "u", schema_n(), NULL), SL_OK);
    const char *const *names;
    assert_int_equal(sl_memory_tables_names(a, arena, &names), 2);
    assert_true(strcmp(names[0], "u") == 0 || strcmp(names[1], "u") == 0);
    assert_true(strcmp(names[0], "t") == 0 || strcmp(names[1], "t") == 0);
    sl_memory_table_drop(b, "t");
    assert_int_equal(sl_memory_table_rows(a, "t"), -1);
    assert_int_equal(sl_memory_table_rows(a, "u"), 0);
    sl_memory_tables_clear(a);
    assert_int_equal(sl_memory_table_rows(b, "u"), -1);
    assert_int_equal(sl_memory_tables_names(b, arena, &names), 0);
    sl_memory_tables_free(a);
    sl_memory_tables_free(b);
    sl_arena_free(arena);
}

static void shared__who_comes_later_finds_all(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        sl_memory_tables *t = open_shared();
        if (sl_memory_table_create(t, "t", schema_n(), NULL) != SL_OK)
            _exit(1);
        append(t, "t", 0, 4);
        _exit(0); /* as one that was killed */
    }
    int status = 1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    sl_memory_tables *t = open_shared();
    assert_rows(t, "t", 0, 4);
    sl_memory_tables_free(t);
}

/* Cut at each byte of the last record: it is as if it had not been written, and the next
 * change stands in its place. */
static void shared__a_record_cut_by_a_death_never_was(void **state)
{
    (void)state;
    sl_memory_tables *t = open_shared();
    struct stat before, after;
    assert_int_equal(sl_memory_table_create(t, "t", schema_n(), NULL), SL_OK);
    append(t, "t", 0, 2);
    stat(path, &before);
    append(t, "t", 2, 9);
    stat(path, &after);
    sl_memory_tables_free(t);
    for (off_t size = after.st_size - 1; size >= before.st_size; size--) {
        assert_int_equal(truncate(path, size), 0);
        t = open_shared();
        assert_int_equal(sl_memory_table_rows(t, "t"), 2);
        append(t, "t", 2, 9);
        sl_memory_tables_free(t);
        t = open_shared();
        assert_rows(t, "t", 0, 9);
        sl_memory_tables_free(t);
        assert_int_equal(truncate(path, after.st_size), 0);
    }
}

static void shared__a_table_that_is_not_there_and_a_file_that_cannot_be_are_told(void **x)
{
    (void)x;
    sl_memory_tables *t = open_shared(), *none = NULL;
    sl_chunk **chunks;
    uint32_t count;
    sl_error err;
    assert_int_equal(sl_memory_table_rows_get(t, "t", 0, 1, &chunks, &count, &err),
                     SL_ENOTFOUND);
    sl_memory_tables_free(t);
    assert_int_equal(sl_memory_tables_new_shared("/no/such/dir/tables", &none, &err),
                     SL_ENOTFOUND);
    assert_null(none);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(shared__each_sees_what_the_other_changed),
        T(shared__who_comes_later_finds_all),
        T(shared__a_record_cut_by_a_death_never_was),
        T(shared__a_table_that_is_not_there_and_a_file_that_cannot_be_are_told),
    };
    return cmocka_run_group_tests_name("connectors/memory_table", tests, NULL, NULL);
}
