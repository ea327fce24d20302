/* window_counts - a program that runs sluice inside itself.
 *
 * Reads the JSON files of a directory twice: as a batch, row by row through the Arrow C
 * stream interface, and as a stream, counted by ten-minute windows into a table of this
 * process, which is then read like any other.
 *
 * usage: window_counts DIRECTORY      (examples/mobile/input, for one) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/sluice.h>

static void die(const char *what, const sl_client_error *e)
{
    fprintf(stderr, "%s: [%s] %s\n", what, e->error_class, e->message);
    exit((int)e->status);
}

/* ---- rows, as Arrow has them ---- */

static void print_value(const struct ArrowSchema *s, const struct ArrowArray *a,
                        int64_t row)
{
    const unsigned char *valid = (const unsigned char *)a->buffers[0];
    if (valid != NULL && (valid[row / 8] >> (row % 8) & 1) == 0) {
        printf("null");
    } else if (strcmp(s->format, "u") == 0) { /* utf8: offsets, then bytes */
        const int32_t *offsets = (const int32_t *)a->buffers[1];
        printf("%.*s", (int)(offsets[row + 1] - offsets[row]),
               (const char *)a->buffers[2] + offsets[row]);
    } else if (strcmp(s->format, "l") == 0) {
        printf("%lld", (long long)((const int64_t *)a->buffers[1])[row]);
    } else {
        printf("<%s>", s->format);
    }
}

static void print_rows(sl_client *c, const char *sql)
{
    struct ArrowArrayStream rows;
    struct ArrowSchema schema;
    struct ArrowArray chunk;
    sl_client_error e;
    if (sl_client_execute(c, sql, &rows, &e) != SL_CLIENT_OK)
        die(sql, &e);
    if (rows.get_schema(&rows, &schema) != 0) {
        fprintf(stderr, "%s\n", rows.get_last_error(&rows));
        exit(1);
    }
    while (rows.get_next(&rows, &chunk) == 0 && chunk.release != NULL) {
        for (int64_t row = 0; row < chunk.length; row++)
            for (int64_t i = 0; i < chunk.n_children; i++) {
                print_value(schema.children[i], chunk.children[i], row);
                printf(i + 1 < chunk.n_children ? "  " : "\n");
            }
        chunk.release(&chunk);
    }
    schema.release(&schema);
    rows.release(&rows);
}

/* ---- */

int main(int argc, char **argv)
{
    static const sl_client_setting settings[] = { { "sluice.state.partitions", "2" } };
    sl_client_config config = { .master = "local[2]",
                                .settings = settings,
                                .setting_count = 1 };
    sl_client_error e;
    sl_client *c;
    char sql[4096], id[37], *progress;
    bool ended;

    if (argc != 2) {
        fprintf(stderr, "usage: window_counts DIRECTORY\n");
        return 2;
    }
    if (sl_client_open(&config, &c, &e) != SL_CLIENT_OK)
        die("open", &e);

    snprintf(sql, sizeof sql,
             "CREATE TABLE events (id STRING, action STRING, ts TIMESTAMP) USING json "
             "OPTIONS (path '%s', maxFilesPerTrigger 1)",
             argv[1]);
    if (sl_client_execute(c, sql, NULL, &e) != SL_CLIENT_OK)
        die("CREATE TABLE", &e);

    puts("batch:");
    print_rows(c, "SELECT action, count(*) FROM events GROUP BY action ORDER BY action");

    if (sl_client_start(c,
                        "CREATE STREAMING QUERY counts OUTPUT MODE complete "
                        "TRIGGER AVAILABLE NOW INTO memory AS "
                        "SELECT window(ts, '10 minutes') AS w, action, count(*) AS n "
                        "FROM STREAM events GROUP BY window(ts, '10 minutes'), action",
                        id, &e) != SL_CLIENT_OK)
        die("CREATE STREAMING QUERY", &e);
    do { /* a program may do something else meanwhile */
        if (sl_client_await(c, id, 100, &ended, &e) != SL_CLIENT_OK)
            die("await", &e);
    } while (!ended);

    puts("stream:");
    print_rows(c, "SELECT date_format(w.start, 'HH:mm'), action, n FROM counts "
                  "ORDER BY w.start, action");

    if (sl_client_query_progress(c, "counts", 1, &progress, &e) != SL_CLIENT_OK)
        die("progress", &e);
    printf("last progress has %s\n",
           strstr(progress, "\"batchId\":2") != NULL ? "batch 2" : "another batch");
    sl_client_text_free(progress);
    sl_client_close(c);
    return 0;
}
