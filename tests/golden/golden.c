/* golden [--refresh] FILE...: SQL and what it must answer, as data.
 *
 * A file is a list of cases over one session, in order:
 *
 *   === the name of the case (spark:U7)
 *   SELECT ...;                     one statement or more
 *   ---
 *   +---+                           all they answer: tables, plans, trees, console
 *   ...                             output, and errors with class, SQLSTATE, line,
 *                                   column and caret; "OK" where there is nothing to say
 *
 * Text before the first case sets the session up and must not fail.  A failing statement
 * does not end its case.  --refresh writes the answers into the files: read the diff
 * before you commit it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "sluice/sluice.h"

enum { FILE_BYTES_MAX = 1 << 24 };

struct runner {
    bool refresh;
    sl_client *client;
    sl_bytes answer;      /* of the case that runs */
    char directory[4096]; /* of the process, with a final '/' */
    uint32_t cases, failed;
};

static void die(const char *file, const char *what)
{
    fprintf(stderr, "%s: %s\n", file, what);
    exit(2);
}

static void read_file(const char *name, sl_bytes *out)
{
    FILE *f = fopen(name, "rb");
    if (f == NULL)
        die(name, "cannot be opened");
    sl_bytes_reserve(out, FILE_BYTES_MAX + 1);
    size_t n = fread(out->data, 1, FILE_BYTES_MAX, f);
    if (ferror(f) || !feof(f))
        die(name, "cannot be read, or has more than 16 MiB");
    fclose(f);
    out->size_bytes = n;
    out->data[n] = 0;
}

static int on_print(void *user, const char *text, size_t length)
{
    sl_bytes_append(&((struct runner *)user)->answer, text, length);
    return 0;
}

/* Paths are told whole; the answers must be the same wherever the tree lies. */
static void append_relative(struct runner *r, const char *text)
{
    size_t n = strlen(r->directory);
    const char *at;
    while ((at = strstr(text, r->directory)) != NULL) {
        sl_bytes_append(&r->answer, text, (size_t)(at - text));
        text = at + n;
    }
    sl_bytes_text(&r->answer, text);
}

static void take_text(struct runner *r, char *text)
{
    size_t n = strlen(text);
    append_relative(r, text);
    if (n == 0 || text[n - 1] != '\n')
        sl_bytes_char(&r->answer, '\n');
    sl_client_text_free(text);
}

static void take_result(struct runner *r, const sl_client_result *result)
{
    switch (sl_client_result_kind_of(result)) {
    case SL_CLIENT_NONE:
        sl_bytes_text(&r->answer, "OK\n");
        break;
    case SL_CLIENT_ROWS:
    case SL_CLIENT_TEXT:
        take_text(r, sl_client_result_show(result, 1000, 0));
        break;
    }
}

/* All statements of a text; how many failed. */
static uint32_t run_text(struct runner *r, const char *sql, size_t length)
{
    sl_client_place place = SL_CLIENT_PLACE_START;
    uint32_t failed = 0;
    for (;;) {
        sl_client_result *result = NULL;
        sl_client_error e;
        if (sl_client_next(r->client, sql, length, &place, &result, &e) != SL_CLIENT_OK) {
            take_text(r, sl_client_error_text(&e, sql, length));
            failed++;
        } else if (result == NULL) {
            return failed;
        } else {
            take_result(r, result);
            sl_client_result_free(result);
        }
    }
}

/* ---- cases ---- */

/* The start of the line after the one that begins with `mark`, from `at` on; *ret_line is
 * the start of that line. NULL: there is none. */
static const char *find_line(const char *at, const char *mark, const char **ret_line)
{
    while (*at != '\0') {
        const char *end = strchr(at, '\n');
        const char *next = end != NULL ? end + 1 : at + strlen(at);
        if (strncmp(at, mark, strlen(mark)) == 0) {
            *ret_line = at;
            return next;
        }
        at = next;
    }
    return NULL;
}

static void report(const char *file, const char *title, size_t title_length,
                   const char *expected, size_t length, const sl_bytes *got)
{
    printf("%s: %.*s\n-- expected\n%.*s-- got\n%s\n", file, (int)title_length, title,
           (int)length, expected, sl_bytes_cstr(got));
}

/* The case whose title is the line at `title`; `out` gets it with its answer. */
static const char *run_case(struct runner *r, const char *file, const char *title,
                            const char *sql, sl_bytes *out)
{
    const char *split, *next;
    const char *expected = find_line(sql, "---\n", &split);
    if (expected == NULL)
        die(file, "a case without a line '---'");
    if (find_line(expected, "=== ", &next) == NULL)
        next = expected + strlen(expected);

    sl_bytes_clear(&r->answer);
    run_text(r, sql, (size_t)(split - sql));
    sl_bytes_append(out, title, (size_t)(expected - title));
    sl_bytes_append(out, r->answer.data, r->answer.size_bytes);
    size_t length = (size_t)(next - expected);
    bool same =
        length == r->answer.size_bytes && memcmp(expected, r->answer.data, length) == 0;
    r->cases++;
    if (!same && !r->refresh) {
        r->failed++;
        report(file, title, strcspn(title, "\n"), expected, length, &r->answer);
    }
    return next;
}

static void open_client(struct runner *r, const char *file)
{
    static const sl_client_setting settings[] = {
        { "sluice.state.partitions", "4" },
        { "sluice.session.timeZone", "UTC" },
    };
    const sl_client_config config = { .master = "local[1]",
                                      .settings = settings,
                                      .setting_count = 2,
                                      .print = on_print,
                                      .print_user = r };
    sl_client_error e;
    if (sl_client_open(&config, &r->client, &e) != SL_CLIENT_OK)
        die(file, e.message);
}

static void run_file(struct runner *r, const char *file)
{
    sl_bytes text = { 0 }, out = { 0 };
    const char *title, *next;
    read_file(file, &text);
    const char *start = sl_bytes_cstr(&text);
    const char *sql = find_line(start, "=== ", &title);
    if (sql == NULL)
        die(file, "no case: a line that begins with '=== '");
    open_client(r, file);
    if (run_text(r, start, (size_t)(title - start)) != 0)
        die(file, sl_bytes_cstr(&r->answer));
    sl_bytes_append(&out, start, (size_t)(title - start));
    for (; sql != NULL; sql = find_line(next, "=== ", &title))
        next = run_case(r, file, title, sql, &out);
    sl_client_close(r->client);
    if (r->refresh) {
        FILE *f = fopen(file, "wb");
        if (f == NULL || fwrite(out.data, 1, out.size_bytes, f) != out.size_bytes ||
            fclose(f) != 0)
            die(file, "cannot be written");
    }
    sl_bytes_deinit(&text);
    sl_bytes_deinit(&out);
}

int main(int argc, char **argv)
{
    struct runner r = { 0 };
    int first = 1;
    if (argc > 1 && strcmp(argv[1], "--refresh") == 0) {
        r.refresh = true;
        first++;
    }
    if (getcwd(r.directory, sizeof r.directory - 1) == NULL)
        die("golden", "there is no working directory");
    strcat(r.directory, "/");
    if (first == argc)
        die("golden", "which files? golden [--refresh] tests/golden/cases/*.golden");
    for (int i = first; i < argc; i++)
        run_file(&r, argv[i]);
    sl_bytes_deinit(&r.answer);
    printf("%u cases, %u failed\n", r.cases, r.failed);
    return r.failed == 0 ? 0 : 1;
}
