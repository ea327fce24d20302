/* The YAML file of a cluster: what it gives, and where it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cluster/config.h"
#include "client/cluster/local.h"

struct file {
    char directory[64], path[96];
};

static int make_file(void **state)
{
    struct file *f = (struct file *)calloc(1, sizeof *f);
    snprintf(f->directory, sizeof f->directory, "/tmp/sluice-config-XXXXXX");
    assert_non_null(f);
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof f->path, "%s/c.yaml", f->directory);
    *state = f;
    return 0;
}

static int remove_file(void **state)
{
    struct file *f = (struct file *)*state;
    unlink(f->path);
    rmdir(f->directory);
    free(f);
    return 0;
}

static sl_code read_text(const struct file *f, const char *text, sl_cluster_config *ret,
                         sl_error *err)
{
    FILE *out = fopen(f->path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    return sl_cluster_config_read(f->path, ret, err);
}

/* It is refused, at this place, with this in the text. */
static void assert_refused(const struct file *f, const char *text, const char *place,
                           const char *why)
{
    sl_cluster_config c;
    sl_error err;
    char begin[128];
    assert_int_not_equal(read_text(f, text, &c, &err), SL_OK);
    snprintf(begin, sizeof begin, "%s:%s: ", f->path, place);
    if (strncmp(err.text, begin, strlen(begin)) != 0 || strstr(err.text, why) == NULL)
        fail_msg("'%s' gives: %s", text, err.text);
}

static void read__gives_what_the_file_says(void **state)
{
    const struct file *f = (const struct file *)*state;
    sl_cluster_config c;
    sl_error err;
    char directory[128];
    assert_int_equal(read_text(f,
                               "name: two # a comment\n"
                               "directory: ./x/y\n"
                               "driver:\n  bind: localhost:9\n"
                               "workers: { count: 3, slots: 4, memory: 1GiB }\n"
                               "settings:\n"
                               "  sluice.worker.deadAfter: 7 s\n"
                               "  spark.sql.shuffle.partitions: 12\n",
                               &c, &err),
                     SL_OK);
    snprintf(directory, sizeof directory, "%s/x/y", f->directory);
    assert_string_equal(c.name, "two");
    assert_string_equal(c.directory, directory);
    assert_string_equal(c.bind, "tcp://localhost:9");
    assert_int_equal(c.worker_count, 3);
    assert_int_equal(c.slots, 4);
    assert_string_equal(c.memory, "1GiB");
    assert_int_equal(c.setting_count, 2);
    assert_string_equal(c.settings[0].name, "sluice.worker.deadAfter");
    assert_string_equal(c.settings[0].value, "7 s");
    assert_string_equal(c.settings[1].value, "12");
    sl_cluster_config_deinit(&c);
}

static void read__gives_defaults_for_all_that_is_absent(void **state)
{
    static const char *const texts[] = { "", "# nothing\n", "---\n",
                                         "driver:\nworkers:\nsettings:\n" };
    const struct file *f = (const struct file *)*state;
    for (uint32_t i = 0; i < 4; i++) {
        sl_cluster_config c;
        sl_error err;
        assert_int_equal(read_text(f, texts[i], &c, &err), SL_OK);
        assert_string_equal(c.name, "local");
        assert_string_equal(c.bind, "tcp://127.0.0.1:7077");
        assert_int_equal(c.worker_count, 2);
        assert_true(c.slots >= 1);
        assert_null(c.memory);
        assert_int_equal(c.setting_count, 0);
        sl_cluster_config_deinit(&c);
    }
}

static void read__resolves_a_directory_above_the_file(void **state)
{
    const struct file *f = (const struct file *)*state;
    sl_cluster_config c;
    sl_error err;
    assert_int_equal(read_text(f, "directory: ../beside", &c, &err), SL_OK);
    assert_string_equal(c.directory, "/tmp/beside");
    sl_cluster_config_deinit(&c);
    assert_int_equal(read_text(f, "directory: /a/b", &c, &err), SL_OK);
    assert_string_equal(c.directory, "/a/b");
    sl_cluster_config_deinit(&c);
}

static void read__names_the_nearest_of_an_unknown_key(void **state)
{
    const struct file *f = (const struct file *)*state;
    assert_refused(f, "nmae: x\n", "1:1", "did you mean 'name'?");
    assert_refused(f, "name: x\nworkers:\n  slot: 1\n", "3:3", "did you mean 'slots'?");
    assert_refused(f, "driver:\n  bnd: x\n", "2:3", "did you mean 'bind'?");
    assert_refused(f, "settings:\n  a: 1\n", "2:3", "unknown option 'a'");
    assert_refused(f, "settings:\n  sluice.worker.deadAftr: 1 s\n", "2:3",
                   "did you mean 'sluice.worker.deadAfter'?");
}

static void read__refuses_a_worker_that_lets_go_after_it_was_given_up(void **state)
{
    const struct file *f = (const struct file *)*state;
    assert_refused(f, "settings:\n  sluice.worker.deadAfter: 2 s\n", "2:3",
                   "fenceAfter (4 s) must be less than sluice.worker.deadAfter (2 s)");
    assert_refused(f,
                   "settings:\n  sluice.worker.deadAfter: 2 s\n"
                   "  sluice.worker.fenceAfter: 2 s\n",
                   "2:3", "must be less");
}

static void read__refuses_values_where_they_stand(void **state)
{
    const struct file *f = (const struct file *)*state;
    assert_refused(f, "workers:\n  count: 0\n", "2:10", "1 to 256, not '0'");
    assert_refused(f, "workers:\n  count: [1]\n", "2:10", "not 'a list or mapping'");
    assert_refused(f, "workers:\n  slots: many\n", "2:10", "not 'many'");
    assert_refused(f, "workers:\n  memory: 1k\n", "2:11", "16m at least");
    assert_refused(f, "workers:\n  memory: much\n", "2:11", "much");
    assert_refused(f, "workers: 3\n", "1:10", "lines of KEY: VALUE");
    assert_refused(f, "settings:\n  sluice.worker.deadAfter: soon\n", "2:3", "soon");
    assert_refused(f, "name: ''\n", "1:7", "1 to 63 bytes");
    assert_refused(f, "name: a\nname: b\n", "2:1", "given twice, first in line 1");
    assert_refused(f, "[a]: b\n", "1:1", "a plain word");
    assert_refused(f, "- a\n", "1:1", "lines of KEY: VALUE");
}

static void read__refuses_what_is_not_one_yaml_document(void **state)
{
    const struct file *f = (const struct file *)*state;
    assert_refused(f, "name: [a\n", "2:1", "not YAML");
    assert_refused(f, "name: a\n--- \nname: b\n", "3:1", "a second document");
    assert_refused(f, "name: *a\n", "1:7", "not YAML");
}

static void read__refuses_an_address_of_another_host_with_the_reason(void **state)
{
    const struct file *f = (const struct file *)*state;
    assert_refused(f, "driver:\n  bind: 0.0.0.0:7077\n", "2:9",
                   "messages are not encrypted");
    assert_refused(f, "driver:\n  bind: 10.1.2.3:7077\n", "2:9", "only loopback");
    assert_refused(f, "driver:\n  bind: example.org:1\n", "2:9", "only loopback");
    assert_refused(f, "driver:\n  bind: 127.0.0.1\n", "2:9", "HOST:PORT");
    assert_refused(f, "driver:\n  bind: ipc://x\n", "2:9", "absolute path");
}

static void read__says_which_file_is_not_there(void **state)
{
    sl_error err;
    sl_cluster_config c;
    (void)state;
    assert_int_equal(sl_cluster_config_read("/nowhere/c.yaml", &c, &err), SL_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nowhere/c.yaml"));
}

static void the_files_of_the_repository__are_read(void **state)
{
    static const char *const paths[] = { "cluster-configs/local.yaml",
                                         "cluster-configs/three-workers.yaml" };
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        sl_cluster_config c;
        sl_error err;
        if (sl_cluster_config_read(paths[i], &c, &err) != SL_OK)
            fail_msg("%s", err.text);
        assert_int_equal(c.worker_count, 2 + i);
        sl_cluster_config_deinit(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__gives_what_the_file_says),
        cmocka_unit_test(read__gives_defaults_for_all_that_is_absent),
        cmocka_unit_test(read__resolves_a_directory_above_the_file),
        cmocka_unit_test(read__names_the_nearest_of_an_unknown_key),
        cmocka_unit_test(read__refuses_a_worker_that_lets_go_after_it_was_given_up),
        cmocka_unit_test(read__refuses_values_where_they_stand),
        cmocka_unit_test(read__refuses_what_is_not_one_yaml_document),
        cmocka_unit_test(read__refuses_an_address_of_another_host_with_the_reason),
        cmocka_unit_test(read__says_which_file_is_not_there),
        cmocka_unit_test(the_files_of_the_repository__are_read),
    };
    sl_local_register_options();
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
