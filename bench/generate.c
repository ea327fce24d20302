/* generate - input of the benchmarks: JSON lines, the same bytes for the same arguments.
 *
 * Row i is a function of the seed and i alone, so files are made in any order by any
 * thread.  Event time advances a second every 1,000 rows, with up to 30 seconds of
 * disorder.  Files get modification times a second apart, in the order of their names:
 * that is the order in which a stream reads them.
 *
 *   --shape actions  {"id":"phone7","action":"open","ts":"2018-03-02T10:02:33"}
 *   --shape keys     {"k":"k7","v":42,"ts":"2018-03-02T10:02:33"}
 *
 * --expect FILE writes what the benchmark's query must say, counted while generating and
 * not from the JSON: lines of window start (seconds since 1970; 0 without a window), key,
 * rows and sum of v, tab-separated.  The last line of standard output is JSON: rows,
 * files, bytes, groups and a hash over the files in order. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define BASE_S INT64_C(1519984800) /* 2018-03-02 10:00:00 UTC */
#define MTIME_S INT64_C(1577836800)
#define ROWS_PER_SECOND 1000u
#define DISORDER_S 30u
#define ROW_BYTES_MAX 96u
#define TIME_CHARS 19u
#define THREADS_MAX 8u
#define ROWS_MAX UINT64_C(10000000000)
#define GROUPS_MAX UINT64_C(200000000)

static const char *const actions[] = { "close", "crash", "open", "swipe" };

struct settings {
    const char *dir, *expect;
    uint64_t rows, files, keys, seed, window_s;
    int is_actions;
    uint64_t group_keys, windows; /* groups = windows x group_keys */
    char *times;                  /* TIME_CHARS for each second */
};

struct group {
    uint64_t rows, sum;
};

struct maker {
    pthread_t thread;
    const struct settings *s;
    atomic_uint_fast64_t *next_file;
    struct group *groups;
    uint64_t *hashes; /* of each file */
    uint64_t bytes;
    char *buffer;
};

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "generate: cannot %s %s: %s\n", what, name, strerror(errno));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL)
        fail("allocate", "memory");
    return p;
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* 0 .. n-1 from 32 random bits */
static uint64_t below(uint32_t bits, uint64_t n)
{
    return (bits * n) >> 32;
}

static char *put_text(char *at, const char *text, size_t length)
{
    memcpy(at, text, length);
    return at + length;
}

static char *put_number(char *at, uint64_t n)
{
    char digits[20];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

#define PUT(at, literal) put_text(at, literal, sizeof(literal) - 1)

static char *put_row(struct maker *m, char *at, uint64_t row)
{
    const struct settings *s = m->s;
    uint64_t a = mix(s->seed + (row + 1) * UINT64_C(0x9E3779B97F4A7C15));
    uint64_t b = mix(a + UINT64_C(0xD1B54A32D192ED03));
    uint64_t late = below((uint32_t)a, DISORDER_S + 1), second = row / ROWS_PER_SECOND;
    uint64_t key = below((uint32_t)(a >> 32), s->keys);
    uint64_t value = below((uint32_t)b, 1000), action = b >> 62;
    second = second > late ? second - late : 0;
    if (s->is_actions) {
        at = put_number(PUT(at, "{\"id\":\"phone"), key);
        at = PUT(at, "\",\"action\":\"");
        at = put_text(at, actions[action], strlen(actions[action]));
        at = PUT(at, "\",\"ts\":\"");
        key = action;
        value = 0;
    } else {
        at = put_number(PUT(at, "{\"k\":\"k"), key);
        at = put_number(PUT(at, "\",\"v\":"), value);
        at = PUT(at, ",\"ts\":\"");
    }
    at = put_text(at, s->times + second * TIME_CHARS, TIME_CHARS);
    uint64_t window = s->window_s == 0 ? 0 : second / s->window_s;
    struct group *g = &m->groups[window * s->group_keys + key];
    g->rows++;
    g->sum += value;
    return PUT(at, "\"}\n");
}

static void write_file(struct maker *m, uint64_t file)
{
    const struct settings *s = m->s;
    char temp[4096], name[4096];
    uint64_t row = s->rows * file / s->files, end = s->rows * (file + 1) / s->files;
    char *at = m->buffer;
    for (; row < end; row++)
        at = put_row(m, at, row);
    size_t size = (size_t)(at - m->buffer);
    struct timespec time = { .tv_sec = MTIME_S + (time_t)file };
    snprintf(temp, sizeof temp, "%s/.part-%05llu", s->dir, (unsigned long long)file);
    snprintf(name, sizeof name, "%s/part-%05llu.json", s->dir, (unsigned long long)file);
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        fail("create", temp);
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, m->buffer + done, size - done);
        if (n < 0)
            fail("write", temp);
        done += (size_t)n;
    }
    if (futimens(fd, (struct timespec[2]){ time, time }) != 0 || close(fd) != 0 ||
        rename(temp, name) != 0)
        fail("write", name);
    m->hashes[file] = XXH64(m->buffer, size, 0);
    m->bytes += size;
}

static void *make_files(void *user)
{
    struct maker *m = (struct maker *)user;
    uint64_t file;
    while ((file = atomic_fetch_add(m->next_file, 1)) < m->s->files)
        write_file(m, file);
    return NULL;
}

static void make_times(struct settings *s)
{
    uint64_t seconds = s->rows / ROWS_PER_SECOND + 1;
    s->times = (char *)allocate(seconds, TIME_CHARS);
    for (uint64_t i = 0; i < seconds; i++) {
        time_t t = (time_t)(BASE_S + (int64_t)i);
        struct tm tm;
        char text[64];
        gmtime_r(&t, &tm);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
        memcpy(s->times + i * TIME_CHARS, text, TIME_CHARS);
    }
    s->windows = s->window_s == 0 ? 1 : (seconds - 1) / s->window_s + 1;
    s->group_keys = s->is_actions ? 4 : s->keys;
    if (s->windows * s->group_keys > GROUPS_MAX) {
        fprintf(stderr, "generate: %llu windows x %llu keys is more than %llu groups\n",
                (unsigned long long)s->windows, (unsigned long long)s->group_keys,
                (unsigned long long)GROUPS_MAX);
        exit(2);
    }
}

static void write_expected(const struct settings *s, const struct group *groups)
{
    FILE *out = fopen(s->expect, "w");
    if (out == NULL)
        fail("create", s->expect);
    for (uint64_t i = 0; i < s->windows * s->group_keys; i++) {
        uint64_t key = i % s->group_keys;
        int64_t start =
            s->window_s == 0 ? 0 : BASE_S + (int64_t)(i / s->group_keys * s->window_s);
        if (groups[i].rows == 0)
            continue;
        if (s->is_actions)
            fprintf(out, "%lld\t%s", (long long)start, actions[key]);
        else
            fprintf(out, "%lld\tk%llu", (long long)start, (unsigned long long)key);
        fprintf(out, "\t%llu\t%llu\n", (unsigned long long)groups[i].rows,
                (unsigned long long)groups[i].sum);
    }
    if (fclose(out) != 0)
        fail("write", s->expect);
}

static void run(struct settings *s)
{
    struct maker makers[THREADS_MAX] = { 0 };
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t threads = processors < 1                   ? 1
                       : processors > (long)THREADS_MAX ? THREADS_MAX
                                                        : (uint32_t)processors;
    atomic_uint_fast64_t next_file = 0;
    uint64_t *hashes = (uint64_t *)allocate(s->files, sizeof *hashes);
    uint64_t bytes = 0, groups = 0;
    make_times(s);
    for (uint32_t i = 0; i < threads; i++) {
        makers[i] = (struct maker){ .s = s, .next_file = &next_file, .hashes = hashes };
        makers[i].groups = (struct group *)allocate(s->windows * s->group_keys,
                                                    sizeof *makers[i].groups);
        makers[i].buffer = (char *)allocate(s->rows / s->files + 1, ROW_BYTES_MAX);
        if (pthread_create(&makers[i].thread, NULL, make_files, &makers[i]) != 0)
            fail("start", "a thread");
    }
    for (uint32_t i = 0; i < threads; i++) {
        pthread_join(makers[i].thread, NULL);
        bytes += makers[i].bytes;
        free(makers[i].buffer);
    }
    for (uint64_t g = 0; g < s->windows * s->group_keys; g++) {
        for (uint32_t i = 1; i < threads; i++) {
            makers[0].groups[g].rows += makers[i].groups[g].rows;
            makers[0].groups[g].sum += makers[i].groups[g].sum;
        }
        groups += makers[0].groups[g].rows > 0;
    }
    if (s->expect != NULL)
        write_expected(s, makers[0].groups);
    printf("{\"rows\":%llu,\"files\":%llu,\"bytes\":%llu,\"groups\":%llu,"
           "\"xxh64\":\"%016llx\"}\n",
           (unsigned long long)s->rows, (unsigned long long)s->files,
           (unsigned long long)bytes, (unsigned long long)groups,
           (unsigned long long)XXH64(hashes, s->files * sizeof *hashes, 0));
    for (uint32_t i = 0; i < threads; i++)
        free(makers[i].groups);
    free(hashes);
    free(s->times);
}

static void usage(const char *what, const char *value)
{
    fprintf(stderr,
            "generate: %s%s%s\n"
            "usage: generate DIR [--shape actions|keys] [--rows N] [--files N] "
            "[--keys N]\n"
            "                [--window SECONDS] [--seed N] [--expect FILE]\n"
            "DIR must exist. --window 0 (the default): groups have no window.\n",
            what, value != NULL ? " " : "", value != NULL ? value : "");
    exit(2);
}

static uint64_t number(const char *name, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n < min || n > max)
        usage(name, "wants a whole number in its range");
    return n;
}

static void set(struct settings *s, const char *name, const char *value)
{
    if (value == NULL)
        usage(name, "wants a value");
    if (strcmp(name, "--rows") == 0)
        s->rows = number(name, value, 1, ROWS_MAX);
    else if (strcmp(name, "--files") == 0)
        s->files = number(name, value, 1, 1000000);
    else if (strcmp(name, "--keys") == 0)
        s->keys = number(name, value, 1, 100000000);
    else if (strcmp(name, "--window") == 0)
        s->window_s = number(name, value, 0, 86400);
    else if (strcmp(name, "--seed") == 0)
        s->seed = number(name, value, 0, UINT64_MAX);
    else if (strcmp(name, "--expect") == 0)
        s->expect = value;
    else if (strcmp(name, "--shape") == 0 && strcmp(value, "actions") == 0)
        s->is_actions = 1;
    else if (strcmp(name, "--shape") == 0 && strcmp(value, "keys") == 0)
        s->is_actions = 0;
    else
        usage("does not know", name);
}

int main(int argc, char **argv)
{
    struct settings s = { .rows = 1000000, .files = 8, .keys = 1000, .seed = 42 };
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            set(&s, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
            i++;
        } else if (s.dir == NULL) {
            s.dir = argv[i];
        } else {
            usage("one directory, not also", argv[i]);
        }
    }
    if (s.dir == NULL)
        usage("wants a directory", NULL);
    run(&s);
    return 0;
}
