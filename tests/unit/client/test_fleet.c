/* The fleet's record and lock; tests/cli/cluster_cli.sh has the processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "client/cluster/fleet_private.h"

struct place {
    char directory[64];
    sl_cluster_config config;
};

static int make_place(void **state)
{
    struct place *p = (struct place *)calloc(1, sizeof *p);
    assert_non_null(p);
    snprintf(p->directory, sizeof p->directory, "/tmp/sluice-fleet-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    p->config = (sl_cluster_config){ .path = "c.yaml",
                                     .name = "t",
                                     .directory = p->directory,
                                     .bind = "tcp://127.0.0.1:0",
                                     .worker_count = 1,
                                     .slots = 1 };
    *state = p;
    return 0;
}

static int remove_place(void **state)
{
    struct place *p = (struct place *)*state;
    assert_int_equal(sl_fs_remove_tree(sl_fs_posix(), p->directory, NULL), SL_OK);
    free(p);
    return 0;
}

static void write_record(const struct place *p, const char *text)
{
    char path[96];
    snprintf(path, sizeof path, "%s/cluster.json", p->directory);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void open__refuses_a_second_change_but_not_a_look(void **state)
{
    const struct place *p = (const struct place *)*state;
    sl_fleet *first, *second;
    sl_error err;
    assert_int_equal(sl_fleet_open(&p->config, true, &first, &err), SL_OK);
    assert_int_equal(sl_fleet_open(&p->config, true, &second, &err), SL_EBUSY);
    assert_string_equal(err.condition, "CLUSTER_BUSY");
    assert_int_equal(sl_fleet_open(&p->config, false, &second, &err), SL_OK);
    assert_int_equal(sl_fleet_count(second), 0);
    sl_fleet_close(second);
    sl_fleet_close(first);
    assert_int_equal(sl_fleet_open(&p->config, true, &first, &err), SL_OK);
    sl_fleet_close(first);
}

static void record__is_read_as_it_was_written(void **state)
{
    const struct place *p = (const struct place *)*state;
    sl_fleet *f, *again;
    sl_error err;
    assert_int_equal(sl_fleet_open(&p->config, true, &f, &err), SL_OK);
    f->count = 3;
    snprintf(f->master, sizeof f->master, "sluice://127.0.0.1:5");
    f->processes[0] = (sl_fleet_process){ .name = "driver",
                                          .id = { 11, 22, "boot" },
                                          .address = "tcp://127.0.0.1:5" };
    f->processes[1] = (sl_fleet_process){ .number = 1, .id = { 12, 23, "boot" } };
    f->processes[2] = (sl_fleet_process){ .number = 7, .id = { 13, 24, "other" } };
    assert_int_equal(sl_fleet__record_write(f, &err), SL_OK);
    assert_int_equal(sl_fleet_open(&p->config, false, &again, &err), SL_OK);
    assert_int_equal(sl_fleet_count(again), 3);
    assert_string_equal(sl_fleet_master(again), "sluice://127.0.0.1:5");
    assert_string_equal(sl_fleet_at(again, 0)->name, "driver");
    assert_string_equal(sl_fleet_at(again, 0)->address, "tcp://127.0.0.1:5");
    assert_string_equal(sl_fleet_at(again, 2)->name, "worker-7");
    assert_int_equal(sl_fleet_at(again, 2)->id.pid, 13);
    assert_int_equal(sl_fleet_at(again, 2)->id.start_ticks, 24);
    assert_string_equal(sl_fleet_at(again, 2)->id.boot, "other");
    sl_fleet_close(again);
    assert_int_equal(sl_fleet__record_remove(f, &err), SL_OK);
    assert_int_equal(sl_fleet__record_read(f, &err), SL_OK);
    assert_int_equal(sl_fleet_count(f), 0);
    sl_fleet_close(f);
}

static void record__that_cannot_be_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"format\":2,\"master\":\"\",\"driver\":{},\"workers\":[]}",
        "{\"format\":1,\"master\":\"\",\"driver\":{},\"workers\":[]}",
        "{\"format\":1,\"master\":\"\",\"driver\":{\"pid\":-1,\"startTicks\":1,"
        "\"bootId\":"
        "\"\",\"address\":\"\"},\"workers\":[]}",
        "{\"format\":1,\"master\":\"\",\"driver\":{\"pid\":1,\"startTicks\":1,\"bootId\":"
        "\"\",\"address\":\"\"},\"workers\":[{\"pid\":1}]}",
        "{\"format\":1,\"master\":\"\",\"driver\":{\"pid\":1,\"startTicks\":1,\"bootId\":"
        "\"\",\"address\":\"\"},\"workers\":7}",
    };
    const struct place *p = (const struct place *)*state;
    for (uint32_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        sl_fleet *f;
        sl_error err;
        write_record(p, texts[i]);
        if (sl_fleet_open(&p->config, false, &f, &err) != SL_ECORRUPT)
            fail_msg("not refused: %s", texts[i]);
        assert_non_null(strstr(err.text, "cluster.json is not a record of format 1"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open__refuses_a_second_change_but_not_a_look,
                                        make_place, remove_place),
        cmocka_unit_test_setup_teardown(record__is_read_as_it_was_written, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(record__that_cannot_be_is_refused, make_place,
                                        remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
