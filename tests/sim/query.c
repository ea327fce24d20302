#include "tests/sim/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define WINDOW_S 60
#define SLIDE_S 20
#define RULE "-------------------------------------------\n"

static const struct {
    const char *name, *mode, *sink, *select, *after;
    uint32_t sources;
    int64_t slide_s; /* 0: no window */
} kinds[SIM_KINDS] = {
#define WINDOW_COUNT(window, from)                                                       \
    "SELECT CAST(" window ".start AS STRING) AS w, id, count(*) AS n, "                  \
    "CAST(max(ts) AS STRING) AS m FROM " from " GROUP BY " window ", id"
#define LATE(table) "STREAM " table " WATERMARK ts DELAY OF INTERVAL 1 MINUTE"
#define COUNT "SELECT id, count(*) AS n FROM STREAM t GROUP BY id"
    [SIM_WINDOWS] = { "windows", "append", "json",
                      WINDOW_COUNT("window(ts, '1 minute')", LATE("t")), "", 1,
                      WINDOW_S },
    [SIM_SLIDING] = { "sliding", "append", "json",
                      WINDOW_COUNT("window(ts, '1 minute', '20 seconds')", LATE("t")), "",
                      1, SLIDE_S },
    [SIM_UNION] = { "union", "append", "json",
                    WINDOW_COUNT("window(ts, '1 minute')",
                                 "(SELECT id, ts FROM " LATE(
                                     "t") " UNION ALL SELECT id, ts FROM " LATE("u") ")"),
                    "", 2, WINDOW_S },
    [SIM_FILTER] = { "filter", "append", "json",
                     "SELECT id, CAST(ts AS STRING) AS t FROM STREAM t "
                     "WHERE NOT id LIKE 'k%1%'",
                     "", 1, 0 },
    [SIM_UPDATE] = { "update", "update", "console",
                     WINDOW_COUNT("window(ts, '1 minute')", LATE("t")), "", 1, WINDOW_S },
    [SIM_COMPLETE] = { "complete", "complete", "console", COUNT, "", 1, 0 },
    [SIM_MEMORY] = { "memory", "complete", "memory", COUNT, "SELECT id, n FROM q%u;", 1,
                     0 },
};

const char *sim_kind_name(sim_kind kind)
{
    return kinds[kind].name;
}

bool sim_is_console(sim_kind kind)
{
    return strcmp(kinds[kind].sink, "console") == 0;
}

void sim_query_sql(sim_kind kind, uint32_t index, const sim_input *in, sl_bytes *out)
{
    for (uint32_t i = 0; i < kinds[kind].sources; i++)
        sl_bytes_printf(out,
                        "CREATE TABLE %c (id STRING, ts TIMESTAMP) USING json OPTIONS "
                        "(path '/in%u', maxFilesPerTrigger %u);\n",
                        i == 0 ? 't' : 'u', i, in->files_per_batch);
    sl_bytes_printf(out,
                    "CREATE STREAMING QUERY q%u OUTPUT MODE %s TRIGGER AVAILABLE NOW "
                    "CHECKPOINT LOCATION '/cp%u' INTO %s",
                    index, kinds[kind].mode, index, kinds[kind].sink);
    if (sim_is_console(kind))
        sl_bytes_text(out, " OPTIONS (truncate false, numRows 1000000)");
    else if (strcmp(kinds[kind].sink, "json") == 0)
        sl_bytes_printf(out, " OPTIONS (path '/out%u')", index);
    sl_bytes_printf(out, " AS %s;\n", kinds[kind].select);
    if (*kinds[kind].after != '\0')
        sl_bytes_printf(out, "SELECT id, n FROM q%u;\n", index);
}

/* ---- lines ---- */

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Append the lines of text to out, sorted. */
static void sort_lines(const sl_bytes *text, sl_bytes *out)
{
    size_t count = 0;
    for (size_t i = 0; i < text->size_bytes; i++)
        count += text->data[i] == '\n';
    char **lines = (char **)sl_calloc(count + 1, sizeof *lines);
    char *copy = sl_strdup(
             text->size_bytes == 0 ? "" : sl_bytes_cstr((sl_bytes *)(uintptr_t)text)),
         *at = copy;
    for (size_t i = 0; i < count; i++) {
        lines[i] = at;
        at = strchr(at, '\n');
        *at++ = '\0';
    }
    if (count > 0)
        qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++)
        sl_bytes_printf(out, "%s\n", lines[i]);
    sl_free(copy);
    sl_free(lines);
}

/* ---- what the rows say ---- */

/* A row in a group: a sliding window has it in several. */
struct member {
    int64_t start_s;
    uint32_t key, batch;
    int64_t second;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *x = (const struct member *)a, *y = (const struct member *)b;
    if (x->start_s != y->start_s)
        return x->start_s < y->start_s ? -1 : 1;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->batch > y->batch) - (x->batch < y->batch);
}

/* Every row in each of its windows (in window 0 if there are none), groups together, the
 * batches of a group in order. */
static struct member *members_of(sim_kind kind, const sim_input *in, size_t *ret_count)
{
    int64_t slide = kinds[kind].slide_s;
    struct member *all = (struct member *)sl_calloc(
        in->row_count * (size_t)(slide == 0 ? 1 : WINDOW_S / slide) + 1, sizeof *all);
    size_t count = 0;
    for (uint32_t i = 0; i < in->row_count; i++) {
        const sim_row *r = &in->rows[i];
        struct member m = { 0, r->key, r->batch, r->second };
        if (r->source >= kinds[kind].sources)
            continue;
        if (slide == 0) {
            all[count++] = m;
            continue;
        }
        m.start_s = r->second / slide * slide;
        for (; m.start_s > r->second - WINDOW_S; m.start_s -= slide)
            all[count++] = m;
    }
    qsort(all, count, sizeof *all, compare_members);
    *ret_count = count;
    return all;
}

/* The watermark after all rows: of the slower source. */
static int64_t last_watermark_s(sim_kind kind, const sim_input *in)
{
    int64_t least = in->newest_s[0];
    for (uint32_t i = 1; i < kinds[kind].sources; i++)
        least = in->newest_s[i] < least ? in->newest_s[i] : least;
    return least - SIM_DELAY_S;
}

struct group {
    const struct member *first; /* count members */
    size_t count;
};

static void print_closed_window(const sim_input *in, const struct group *g, sl_bytes *out)
{
    char start[32], key[64], newest[32];
    int64_t newest_s = 0;
    for (size_t i = 0; i < g->count; i++)
        newest_s = g->first[i].second > newest_s ? g->first[i].second : newest_s;
    sim_time_text(g->first->start_s, start);
    sim_time_text(newest_s, newest);
    sim_key_text(in, g->first->key, key);
    sl_bytes_printf(out, "{\"w\":\"%s\",\"id\":\"%s\",\"n\":%zu,\"m\":\"%s\"}\n", start,
                    key, g->count, newest);
}

/* The group's row after each batch that had rows of it. */
static void print_updates(const sim_input *in, const struct group *g, sl_bytes *out)
{
    char start[32], key[64], newest[32];
    int64_t newest_s = 0;
    sim_time_text(g->first->start_s, start);
    sim_key_text(in, g->first->key, key);
    for (size_t i = 0; i < g->count; i++) {
        const struct member *m = &g->first[i];
        newest_s = m->second > newest_s ? m->second : newest_s;
        if (i + 1 < g->count && m[1].batch == m->batch)
            continue;
        sim_time_text(newest_s, newest);
        sl_bytes_printf(out, "%04u|%s|%s|%zu|%s|\n", m->batch, start, key, i + 1, newest);
    }
}

/* The group's row in each batch from its first. */
static void print_complete(const sim_input *in, const struct group *g, sl_bytes *out)
{
    char key[64];
    size_t n = 0;
    sim_key_text(in, g->first->key, key);
    for (uint32_t batch = 0; batch < in->batches[0]; batch++) {
        while (n < g->count && g->first[n].batch <= batch)
            n++;
        if (n > 0)
            sl_bytes_printf(out, "%04u|%s|%zu|\n", batch, key, n);
    }
}

static void print_filtered(const sim_input *in, sl_bytes *out)
{
    for (uint32_t i = 0; i < in->row_count; i++) {
        char key[64], time[32];
        sim_key_text(in, in->rows[i].key, key);
        sim_time_text(in->rows[i].second, time);
        if (in->rows[i].source == 0 && strchr(key, '1') == NULL)
            sl_bytes_printf(out, "{\"id\":\"%s\",\"t\":\"%s\"}\n", key, time);
    }
}

static void print_group(sim_kind kind, const sim_input *in, const struct group *g,
                        sl_bytes *out)
{
    char key[64];
    switch (kind) {
    case SIM_UPDATE:
        print_updates(in, g, out);
        break;
    case SIM_COMPLETE:
        print_complete(in, g, out);
        break;
    case SIM_MEMORY:
        sim_key_text(in, g->first->key, key);
        sl_bytes_printf(out, "0000|%s|%zu|\n", key, g->count);
        break;
    default:
        if (g->first->start_s + WINDOW_S <= last_watermark_s(kind, in))
            print_closed_window(in, g, out);
    }
}

void sim_query_expected(sim_kind kind, const sim_input *in, sl_bytes *out)
{
    sl_bytes lines = { 0 };
    size_t count = 0;
    struct member *all = members_of(kind, in, &count);
    for (size_t i = 0, end; kind != SIM_FILTER && i < count; i = end) {
        for (end = i; end < count && all[end].start_s == all[i].start_s &&
                      all[end].key == all[i].key;)
            end++;
        struct group g = { &all[i], end - i };
        print_group(kind, in, &g, &lines);
    }
    if (kind == SIM_FILTER)
        print_filtered(in, &lines);
    sort_lines(&lines, out);
    sl_bytes_deinit(&lines);
    sl_free(all);
}

/* ---- what came out ---- */

static void read_files(uint32_t index, sl_fs *fs, sl_bytes *out)
{
    sl_dir_entry *entries;
    size_t count = 0;
    char dir[16], path[512];
    snprintf(dir, sizeof dir, "/out%u", index);
    if (sl_fs_list(fs, dir, &entries, &count, NULL) != SL_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        sl_bytes one = { 0 };
        snprintf(path, sizeof path, "%s/%s", dir, entries[i].name);
        if (strncmp(entries[i].name, "part-", 5) == 0 &&
            sl_fs_read_all(fs, path, 1 << 26, &one, NULL) == SL_OK)
            sl_bytes_append(out, one.data, one.size_bytes);
        sl_bytes_deinit(&one);
    }
    sl_fs_entries_free(entries, count);
}

/* "|a  |b |" -> "<batch>|a|b|" of each row below the header of a table. */
static void table_rows(const char *text, const char *end, uint32_t batch, sl_bytes *out)
{
    bool is_header = true;
    for (const char *line = text; line < end; line = strchr(line, '\n') + 1) {
        const char *stop = strchr(line, '\n');
        if (*line != '|')
            continue;
        if (is_header) {
            is_header = false;
            continue;
        }
        sl_bytes_printf(out, "%04u", batch);
        for (const char *cell = line; cell + 1 < stop; cell = strchr(cell + 1, '|')) {
            const char *from = cell + 1, *to = strchr(from, '|');
            while (from < to && *from == ' ')
                from++;
            while (to > from && to[-1] == ' ')
                to--;
            sl_bytes_char(out, '|');
            sl_bytes_append(out, from, (size_t)(to - from));
        }
        sl_bytes_text(out, "|\n");
    }
}

/* Blocks of batches 0, 1, 2, ...: the last one may come again, the same. */
static bool console_rows(const char *text, sl_bytes *out)
{
    static const char head[] = RULE "Batch: ";
    const char *last = NULL;
    size_t last_bytes = 0;
    long next = 0;
    while (*text != '\0') {
        const char *end = strstr(text + 1, head);
        end = end != NULL ? end : text + strlen(text);
        if (strncmp(text, head, sizeof head - 1) != 0) {
            printf("the console shows no block at: %.200s\n", text);
            return false;
        }
        long batch = strtol(text + sizeof head - 1, NULL, 10);
        size_t bytes = (size_t)(end - text);
        if (batch == next - 1 && bytes == last_bytes && memcmp(text, last, bytes) == 0) {
            text = end;
            continue;
        }
        if (batch != next) {
            printf("the console shows batch %ld %s\n", batch,
                   batch == next - 1 ? "again with other rows" : "out of order");
            return false;
        }
        table_rows(text, end, (uint32_t)batch, out);
        last = text;
        last_bytes = bytes;
        text = end;
        next++;
    }
    return true;
}

bool sim_query_result(sim_kind kind, uint32_t index, sl_fs *fs, const sl_bytes *shown,
                      sl_bytes *out)
{
    sl_bytes lines = { 0 };
    const char *text = shown->size_bytes == 0 ? "" : (const char *)shown->data;
    bool ok = true;
    if (sim_is_console(kind))
        ok = console_rows(text, &lines);
    else if (kind == SIM_MEMORY)
        table_rows(text, text + strlen(text), 0, &lines);
    else
        read_files(index, fs, &lines);
    if (ok)
        sort_lines(&lines, out);
    sl_bytes_deinit(&lines);
    return ok;
}
