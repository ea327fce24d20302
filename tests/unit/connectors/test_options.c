/* docs/sources-and-sinks.md against the code's lists of options; run from the root of the
 * tree. */
#include "tests/unit/connectors/connector_fixture.h"

static const char DOC[] = "docs/sources-and-sinks.md";

static int read_doc(void **state)
{
    sl_bytes *doc = (sl_bytes *)sl_calloc(1, sizeof *doc);
    if (sl_fs_read_all(sl_fs_posix(), DOC, 1 << 20, doc, NULL) != SL_OK)
        return -1;
    *state = doc;
    return 0;
}

static int free_doc(void **state)
{
    sl_bytes_deinit((sl_bytes *)*state);
    sl_free(*state);
    return 0;
}

/* The section "## Source `json`..." up to the next. */
static char *section(const sl_bytes *doc, const char *kind, const char *name)
{
    char title[80];
    snprintf(title, sizeof title, "## %s `%s`", kind, name);
    const char *from = strstr(sl_bytes_cstr(doc), title);
    if (from == NULL)
        fail_msg("%s has no section %s", DOC, title);
    assert_non_null(from);
    const char *end = strstr(from + strlen(title), "\n## ");
    size_t n = end != NULL ? (size_t)(end - from) : strlen(from);
    char *text = (char *)sl_calloc(n + 1, 1);
    memcpy(text, from, n);
    return text;
}

static bool names_option(const char *line, const char *name)
{
    char quoted[80];
    snprintf(quoted, sizeof quoted, "`%s`", name);
    return strstr(line, quoted) != NULL;
}

static void check_documented(const char *text, const char *const *names, uint32_t count,
                             const char *what)
{
    for (uint32_t i = 0; i < count; i++) {
        bool found = false;
        for (const char *at = text; !found && (at = strstr(at, "\n| `")) != NULL; at++) {
            char line[1024];
            snprintf(line, sizeof line, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
            *strchr(line + 1, '|') = '\0'; /* the first cell */
            found = names_option(line, names[i]);
        }
        if (!found)
            fail_msg("%s does not explain the option %s of the %s", DOC, names[i], what);
    }
}

/* Every `name` in the first cell of a row is one of ours. */
static void check_known(const char *text, const char *const *names, uint32_t count,
                        const char *what)
{
    for (const char *at = text; (at = strstr(at, "\n| `")) != NULL;) {
        const char *end = strchr(at + 3, '|');
        for (at += 3; at < end && *at == '`'; at += strspn(at, "` ")) {
            const char *close = strchr(at + 1, '`');
            size_t n = (size_t)(close - at - 1);
            bool known = false;
            for (uint32_t i = 0; i < count && !known; i++)
                known = strlen(names[i]) == n && strncmp(names[i], at + 1, n) == 0;
            if (!known)
                fail_msg("%s explains %.*s, which is no option of the %s", DOC, (int)n,
                         at + 1, what);
            at = close + 1;
            while (*at == ' ')
                at++;
        }
    }
}

static void check(const sl_bytes *doc, const char *kind, const char *name,
                  uint32_t (*option_names)(const char **))
{
    const char *names[SL_OPTION_NAMES_MAX];
    char what[80];
    snprintf(what, sizeof what, "%s %s", kind, name);
    uint32_t count = option_names(names);
    char *text = section(doc, kind, name);
    check_documented(text, names, count, what);
    check_known(text, names, count, what);
    sl_free(text);
}

static void docs__explain_every_option_and_no_other(void **state)
{
    uint32_t checked = 0;
    for (uint32_t i = 0; i < sl_connector_count(); i++) {
        const sl_connector *c = sl_connector_get(i);
        if (strcmp(c->name, "values") == 0)
            continue; /* made by VALUES (...), not by a user */
        if (c->source != NULL && ++checked)
            check((const sl_bytes *)*state, "Source", c->name, c->source->option_names);
        if (c->sink != NULL && ++checked)
            check((const sl_bytes *)*state, "Sink", c->name, c->sink->option_names);
    }
    assert_true(checked >= 8);
}

static void find__an_unknown_connector_names_the_nearest(void **state)
{
    const sl_source_class *source;
    const sl_sink_class *sink;
    sl_error err;
    (void)state;
    assert_int_equal(sl_source_class_find("rat", &source, &err), SL_EANALYSIS);
    assert_string_equal(err.text, "Failed to find the data source: rat. Did you mean "
                                  "rate?");
    assert_int_equal(sl_sink_class_find("kafkaesque", &sink, &err), SL_EANALYSIS);
    assert_string_equal(err.condition, "DATA_SOURCE_NOT_FOUND");
    assert_non_null(strstr(err.text, "Known: json, memory, console, noop"));
    assert_int_equal(sl_source_class_find("console", &source, &err), SL_EANALYSIS);
    assert_int_equal(sl_source_class_find("JSON", &source, &err), SL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(docs__explain_every_option_and_no_other, read_doc,
                                        free_doc),
        cmocka_unit_test(find__an_unknown_connector_names_the_nearest),
    };
    (void)world_set_up;
    (void)world_tear_down;
    return cmocka_run_group_tests_name("connectors/options", tests, NULL, NULL);
}
