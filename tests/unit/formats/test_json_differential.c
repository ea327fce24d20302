/* The scanner, the general parser, simdjson and jansson held against each other on random
 * documents, well-formed and damaged.  SLUICE_SEED repeats a run, SLUICE_ROUNDS makes it
 * longer. */
#include "tests/unit/formats/json_fixture.h"

#include <jansson.h>

#include "base/text.h"
#include "formats/json_private.h"

#define SCHEMA                                                                           \
    "id STRING, n BIGINT, i INT, d DOUBLE, t TIMESTAMP, b BOOLEAN, p STRUCT<x: INT, "    \
    "s: STRING>, day DATE, `_corrupt_record` STRING"

static uint64_t first_seed(void)
{
    const char *text = getenv("SLUICE_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20180302;
    print_message("SLUICE_SEED=%" PRIu64 "\n", seed);
    return seed;
}

static int rounds(int fallback)
{
    const char *text = getenv("SLUICE_ROUNDS");
    return text != NULL ? atoi(text) : fallback;
}

/* ---- random documents ---- */

static void put(sl_bytes *out, const char *text)
{
    sl_bytes_append(out, text, strlen(text));
}

static const char *pick(const char *const *from, size_t count, uint64_t *seed)
{
    return from[random64(seed) % count];
}
#define PICK(list, seed) pick(list, sizeof(list) / sizeof *(list), seed)

static void put_number(sl_bytes *out, uint64_t *seed)
{
    static const char *const EDGES[] = {
        "0",
        "-0",
        "-0.0",
        "1e400",
        "-1e-400",
        "2147483647",
        "2147483648",
        "1E+2",
        "1.0",
        "0.1",
        "1e5",
        "0e0",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551616",
        "123456789012345678901234567890",
        "0.1234567890123456789012345",
        "1e99999999999999999999",
        "4.9e-324",
        "9007199254740993",
        "999999999999999999",
        "1000000000000000000",
        "01",
        "+1",
        "1.",
        ".1",
        "-",
        "1e",
        "NaN",
        "-Infinity",
    };
    char text[40];
    uint64_t r = random64(seed);
    if (r % 4 == 0) {
        put(out, PICK(EDGES, seed));
        return;
    }
    int64_t v = (int64_t)random64(seed) >> (r >> 8) % 64;
    if (r % 4 == 1)
        snprintf(text, sizeof text, "%.*g", (int)(r >> 16) % 17 + 1,
                 (double)v / (double)(1 + (r >> 32) % 1000));
    else
        snprintf(text, sizeof text, "%" PRId64, v);
    put(out, text);
}

static void put_text(sl_bytes *out, uint64_t *seed)
{
    static const char *const PIECES[] = {
        "a",
        "b",
        "long piece of text ",
        "\\n",
        "\\\\",
        "\\\"",
        "\\/",
        "\\u0041",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\u0000",
        "\xc3\xa9",
        "\xf0\x9f\x98\x80",
        "{",
        "}",
        ",",
        ":",
        "[",
        "2020-01-01",
        " ",
        "'",
        "\\'",
        "\\x",
        "\x01",
        "\xff",
        "\xe2\x82",
    };
    sl_bytes_char(out, '"');
    uint64_t r = random64(seed);
    uint64_t kinds = r % 8 == 0 ? sizeof PIECES / sizeof *PIECES : r % 8 < 3 ? 18 : 3;
    for (uint64_t i = (r >> 8) % 7; i > 0; i--)
        put(out, PIECES[random64(seed) % kinds]);
    sl_bytes_char(out, '"');
}

static void put_time(sl_bytes *out, uint64_t *seed)
{
    static const char *const FORMS[] = {
        "2020-%02u-%02uT%02u:%02u:%02u.000Z",
        "2020-%02u-%02u %02u:%02u:%02u",
        "2020-%u-%u",
        "2020-%02u-%02uT%02u:%02u:%02u.123456+0200",
        "T%02u:%02u",
        "%u",
    };
    char text[80];
    uint64_t r = random64(seed);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
    snprintf(text, sizeof text, PICK(FORMS, seed), (unsigned)(r % 14),
             (unsigned)(r >> 8) % 33, (unsigned)(r >> 16) % 25, (unsigned)(r >> 24) % 61,
             (unsigned)(r >> 32) % 61);
#pragma GCC diagnostic pop
    sl_bytes_char(out, '"');
    put(out, text);
    sl_bytes_char(out, '"');
}

static void put_value(sl_bytes *out, uint64_t *seed, uint32_t depth);

static void put_object(sl_bytes *out, uint64_t *seed, uint32_t depth)
{
    static const char *const KEYS[] = { "\"x\":",     "\"s\":",       "\"x\" : ",
                                        "\"other\":", "\"\\u0073\":", "\"\":" };
    sl_bytes_char(out, '{');
    for (uint64_t i = random64(seed) % 4; i > 0; i--) {
        put(out, PICK(KEYS, seed));
        put_value(out, seed, depth + 1);
        if (i > 1)
            put(out, ",");
    }
    sl_bytes_char(out, '}');
}

static void put_value(sl_bytes *out, uint64_t *seed, uint32_t depth)
{
    static const char *const WORDS[] = { "true", "false", "null", "null" };
    uint64_t r = random64(seed) % (depth < 4 ? 10 : 7);
    if (r < 3) {
        put_text(out, seed);
    } else if (r < 5) {
        put_number(out, seed);
    } else if (r == 5) {
        put_time(out, seed);
    } else if (r == 6) {
        put(out, PICK(WORDS, seed));
    } else if (r < 9) {
        put_object(out, seed, depth);
    } else {
        sl_bytes_char(out, '[');
        for (uint64_t i = random64(seed) % 3; i > 0; i--) {
            put_value(out, seed, depth + 1);
            put(out, i > 1 ? ", " : "");
        }
        sl_bytes_char(out, ']');
    }
}

/* A family of lines: the same keys, order and spaces, so that they can be scanned. */
typedef struct family {
    uint32_t keys[8], count, spaces;
    uint32_t odd; /* of 16 values are not what their column wants */
} family;

static family random_family(uint64_t *seed)
{
    family f = { .count = (uint32_t)(random64(seed) % 9),
                 .spaces = random64(seed) % 3 == 0 ? (uint32_t)random64(seed) : 0,
                 .odd = (uint32_t[]){ 0, 1, 1, 8 }[random64(seed) % 4] };
    for (uint32_t i = 0; i < f.count; i++)
        f.keys[i] = (uint32_t)(random64(seed) % 11);
    return f;
}

static void put_space(sl_bytes *out, const family *f, uint32_t at)
{
    if ((f->spaces >> at % 32 & 1) != 0)
        put(out, at % 3 == 0 ? "  " : at % 3 == 1 ? "\t" : " ");
}

/* What the column wants. */
static void put_fitting(sl_bytes *out, uint32_t key, uint64_t *seed)
{
    char text[40];
    int64_t v = (int64_t)random64(seed);
    switch (key) {
    case 1:
    case 2:
        snprintf(text, sizeof text, "%" PRId64, v >> (key == 1 ? v & 31 : 32 + (v & 31)));
        break;
    case 3:
        snprintf(text, sizeof text, "%.*g", (int)(v & 15) + 1, (double)v / 1e15);
        break;
    case 4:
    case 7:
        snprintf(text, sizeof text, "\"2020-%02d-%02dT%02d:00:00.000Z\"",
                 (int)(v & 7) + 1, (int)(v >> 8 & 15) + 1, (int)(v >> 16 & 15));
        break;
    case 5:
        snprintf(text, sizeof text, "%s", v & 1 ? "true" : "false");
        break;
    case 6:
        snprintf(text, sizeof text, "{\"x\":%d,\"s\":\"%d\"}", (int)(v & 255), (int)v);
        break;
    default:
        snprintf(text, sizeof text, "\"%.*s\"", (int)(v & 31),
                 "a piece of text or even a longer");
    }
    put(out, text);
}

static void put_for_key(sl_bytes *out, uint32_t key, const family *f, uint64_t *seed)
{
    uint64_t r = random64(seed);
    if (r % 16 >= f->odd)
        put_fitting(out, key, seed);
    else if ((r >> 8) % 8 == 0)
        put_value(out, seed, 0);
    else if ((r >> 8) % 8 == 1)
        put(out, "null");
    else if (key == 0 || key > 7)
        put_text(out, seed);
    else if (key < 4)
        put_number(out, seed);
    else if (key == 4 || key == 7)
        put_time(out, seed);
    else
        put_object(out, seed, 0);
}

static void put_line(sl_bytes *out, const family *f, uint64_t *seed)
{
    static const char *const KEYS[] = {
        "\"id\"",
        "\"n\"",
        "\"i\"",
        "\"d\"",
        "\"t\"",
        "\"b\"",
        "\"p\"",
        "\"day\"",
        "\"zz\"",
        "\"\\u006e\"",
        "\"a key of more than thirty-two bytes in all\"",
    };
    put_space(out, f, 0);
    sl_bytes_char(out, '{');
    for (uint32_t i = 0; i < f->count; i++) {
        put_space(out, f, 4 * i + 1);
        put(out, KEYS[f->keys[i]]);
        put_space(out, f, 4 * i + 2);
        sl_bytes_char(out, ':');
        put_space(out, f, 4 * i + 3);
        put_for_key(out, f->keys[i], f, seed);
        put_space(out, f, 4 * i + 4);
        if (i + 1 < f->count)
            sl_bytes_char(out, ',');
    }
    sl_bytes_char(out, '}');
    put_space(out, f, 5);
}

/* Damage: a byte lost, added, changed; a tail lost; a piece doubled. */
static void damage(sl_bytes *line, size_t from, uint64_t *seed)
{
    static const char BYTES[] = "\"\"\\\\{}[],::eE.-+019 \t\r\n'/\0\x80\xff\xc3tfnN";
    size_t length = line->size_bytes - from;
    if (length == 0)
        return;
    uint8_t *p = line->data + from;
    size_t at = (size_t)(random64(seed) % length);
    uint8_t byte = (uint8_t)BYTES[random64(seed) % (sizeof BYTES - 1)];
    switch (random64(seed) % 5) {
    case 0:
        memmove(p + at, p + at + 1, length - at - 1);
        line->size_bytes--;
        break;
    case 1:
        sl_bytes_char(line, ' ');
        p = line->data + from;
        memmove(p + at + 1, p + at, length - at);
        p[at] = byte;
        break;
    case 2:
        p[at] = byte;
        break;
    case 3:
        line->size_bytes = from + at;
        break;
    default: {
        char piece[64];
        size_t n = length - at < sizeof piece ? length - at : sizeof piece;
        memcpy(piece, p + at, n);
        sl_bytes_append(line, piece, n);
    }
    }
}

static void random_text(sl_bytes *out, uint64_t *seed)
{
    static const char *const ENDS[] = { "\n", "\n", "\n", "\n", "\r\n", "\r", "\n\n" };
    family families[12];
    uint64_t count = random64(seed) % 12 + 1;
    for (uint64_t i = 0; i < count; i++)
        families[i] = random_family(seed);
    uint64_t damaged = random64(seed) % 4; /* of 16 lines */
    if (random64(seed) % 16 == 0)
        put(out, "\xef\xbb\xbf");
    for (uint64_t i = random64(seed) % 60; i > 0; i--) {
        size_t from = out->size_bytes;
        bool in_array = random64(seed) % 32 == 0;
        put(out, in_array ? "[" : "");
        put_line(out, &families[random64(seed) % count], seed);
        if (in_array) {
            put(out, ", ");
            put_line(out, &families[random64(seed) % count], seed);
            put(out, "]");
        }
        if (random64(seed) % 16 < damaged)
            damage(out, from, seed);
        if (i > 1 || random64(seed) % 2 == 0)
            put(out, PICK(ENDS, seed));
    }
}

/* ---- scanner against general parser ---- */

static void random_case(json_case *c, uint64_t *seed)
{
    static const size_t BLOCKS[] = { 0, 1, 64, 300, 5000 };
    uint64_t r = random64(seed);
    c->chunk_rows = (uint32_t)(r % 5 == 0 ? 1 : r % 5 == 1 ? 3 : 1000);
    c->block_bytes = BLOCKS[(r >> 8) % 5];
    c->row_bytes_max = (r >> 16) % 16 == 0 ? 150 : 0;
    c->options.mode = (r >> 24) % 4 == 0 ? SL_JSON_DROPMALFORMED : SL_JSON_PERMISSIVE;
    c->options.allow_comments = (r >> 32) % 8 == 0;
    c->options.allow_unquoted_names = (r >> 36) % 8 == 0;
    c->options.allow_single_quotes = (r >> 40) % 2 == 0;
    c->options.allow_control_chars = (r >> 44) % 8 == 0;
    c->options.allow_non_numeric = (r >> 48) % 2 == 0;
}

/* Both outputs must be the same bytes; else say where they part and which seed it was. */
static void assert_same_rows(uint64_t seed, sl_bytes *text, sl_bytes *a, sl_bytes *b)
{
    const char *p = sl_bytes_cstr(a), *q = sl_bytes_cstr(b);
    if (strcmp(p, q) == 0)
        return;
    size_t row = 1, from = 0;
    for (size_t i = 0; p[i] == q[i]; i++)
        if (p[i] == '\n') {
            row++;
            from = i + 1;
        }
    fprintf(stderr, "%s\nrow %zu: %.*s\nagainst %.*s\n", sl_bytes_cstr(text), row,
            (int)strcspn(p + from, "\n"), p + from, (int)strcspn(q + from, "\n"),
            q + from);
    fail_msg("SLUICE_SEED=%" PRIu64 ": row %zu differs", seed, row);
}

static void scanner__gives_the_rows_of_the_general_parser(void **state)
{
    (void)state;
    uint64_t seed = first_seed();
    int64_t rows = 0, scanned = 0, malformed = 0;
    for (int round = rounds(1500); round > 0; round--) {
        uint64_t at = seed;
        sl_bytes text = { 0 }, fast = { 0 }, slow = { 0 };
        json_case c = json_case_of(SCHEMA);
        random_text(&text, &seed);
        random_case(&c, &seed);
        const char *data = sl_bytes_cstr(&text);
        OK(read_json(&c, data, text.size_bytes, &fast, NULL));
        json_case g = c;
        g.general_only = true;
        g.block_bytes = 0;
        OK(read_json(&g, data, text.size_bytes, &slow, NULL));
        assert_same_rows(at, &text, &fast, &slow);
        assert_int_equal(c.stats.malformed_rows, g.stats.malformed_rows);
        assert_int_equal(c.stats.rows, g.stats.rows);
        assert_int_equal(g.stats.scanned_rows, 0);
        rows += c.stats.rows;
        scanned += c.stats.scanned_rows;
        malformed += c.stats.malformed_rows;
        sl_bytes_deinit(&text);
        sl_bytes_deinit(&fast);
        sl_bytes_deinit(&slow);
    }
    print_message("%" PRId64 " rows, %" PRId64 " scanned, %" PRId64 " malformed\n", rows,
                  scanned, malformed);
    assert_true(scanned * 4 > rows && malformed * 10 > rows); /* both ways are tried */
}

/* Rows of any division into ranges are the rows of the whole file. */
static void reader__gives_each_row_once_to_random_ranges(void **state)
{
    (void)state;
    uint64_t seed = first_seed() + 1;
    for (int round = rounds(1500) / 2; round > 0; round--) {
        uint64_t at = seed;
        sl_bytes text = { 0 }, whole = { 0 }, parts = { 0 };
        json_case c = json_case_of(SCHEMA);
        random_text(&text, &seed);
        random_case(&c, &seed);
        const char *data = sl_bytes_cstr(&text);
        OK(read_json(&c, data, text.size_bytes, &whole, NULL));
        uint64_t step = random64(&seed) % (text.size_bytes / 2 + 1) + 1;
        for (uint64_t begin = 0; begin < text.size_bytes; begin = (uint64_t)c.end) {
            c.begin = (int64_t)begin;
            c.end = (int64_t)(begin + random64(&seed) % step + 1);
            OK(read_json(&c, data, text.size_bytes, &parts, NULL));
        }
        assert_same_rows(at, &text, &whole, &parts);
        sl_bytes_deinit(&text);
        sl_bytes_deinit(&whole);
        sl_bytes_deinit(&parts);
    }
}

/* ---- general parser against simdjson ---- */

/* What simdjson refuses by its own limits: numbers past 64 bits or the doubles, a half of
 * a surrogate pair. */
static bool past_its_limits(const char *p, const char *end)
{
    uint32_t digits = 0;
    bool exponent = false; /* of the digits */
    for (; p < end; p++) {
        if (*p >= '0' && *p <= '9') {
            digits++;
        } else {
            exponent = *p == 'e' || *p == 'E' || (exponent && (*p == '+' || *p == '-'));
            digits = 0;
        }
        if (digits > (exponent ? 2u : 17u))
            return true;
        if (*p == '\\' && end - p > 2 && p[1] == 'u' && (p[2] | 0x20) == 'd')
            return true;
    }
    return false;
}

static void parser__accepts_what_simdjson_accepts(void **state)
{
    (void)state;
    uint64_t seed = first_seed() + 2;
    json_case c = json_case_of("a INT");
    c.options.allow_single_quotes = c.options.allow_non_numeric = false;
    uint32_t good = 0, bad = 0;
    for (int round = rounds(1500) * 20; round > 0; round--) {
        uint64_t at = seed;
        sl_bytes line = { 0 };
        family f = random_family(&seed);
        put_line(&line, &f, &seed);
        if (random64(&seed) % 2 == 0)
            damage(&line, 0, &seed);
        size_t length = line.size_bytes;
        const char *data = sl_bytes_cstr(&line);
        sl_json__cursor cursor = { data, data + length, &c.options };
        sl_json__token token;
        sl_json__skip_space(&cursor);
        bool ours =
            sl_json__utf8_valid(data, length) && sl_json__read_token(&cursor, 0, &token);
        sl_json__skip_space(&cursor);
        ours = ours && cursor.at == cursor.end;
        if (!past_its_limits(data, data + length)) {
            if (ours != sl_json__strict_valid(data, length))
                fail_msg("SLUICE_SEED=%" PRIu64 ": we say %s to\n%s", at,
                         ours ? "good" : "bad", data);
            good += ours;
            bad += !ours;
        }
        sl_bytes_deinit(&line);
    }
    assert_true(good > 1000 && bad > 1000);
}

/* ---- values against jansson ---- */

/* The row jansson makes of the columns n, d, id; false if it cannot say. */
static bool expected_row(const json_t *o, sl_bytes *out)
{
    const json_t *n = json_object_get(o, "n"), *d = json_object_get(o, "d");
    const json_t *id = json_object_get(o, "id");
    char text[40];
    if (id != NULL && !json_is_string(id) && !json_is_null(id))
        return false; /* raw text, which it does not keep */
    snprintf(text, sizeof text, json_is_integer(n) ? "%lld" : "null",
             json_integer_value(n));
    put(out, text);
    put(out, "|");
    if (json_is_number(d)) {
        bool negative_zero = json_is_integer(d) && json_integer_value(d) == 0;
        if (negative_zero)
            return false; /* -0 is an integer there */
        sl_json_double(out, json_number_value(d));
    } else {
        put(out, "null");
    }
    put(out, "|");
    if (json_is_string(id))
        sl_json_string(out, json_string_value(id), json_string_length(id));
    else
        put(out, "null");
    put(out, "\n");
    return true;
}

static void reader__gives_the_values_jansson_gives(void **state)
{
    (void)state;
    uint64_t seed = first_seed() + 3;
    uint32_t compared = 0;
    for (int round = rounds(1500) * 10; round > 0; round--) {
        uint64_t at = seed;
        sl_bytes line = { 0 }, expected = { 0 }, out = { 0 };
        family f = random_family(&seed);
        put_line(&line, &f, &seed);
        if (random64(&seed) % 4 == 0)
            damage(&line, 0, &seed);
        const char *data = sl_bytes_cstr(&line);
        json_t *doc = strcspn(data, "\r\n") == line.size_bytes /* and no NUL */
                          ? json_loadb(data, line.size_bytes, JSON_ALLOW_NUL, NULL)
                          : NULL;
        if (json_is_object(doc) && expected_row(doc, &expected)) {
            json_case c = json_case_of("n BIGINT, d DOUBLE, id STRING");
            OK(read_json(&c, data, line.size_bytes, &out, NULL));
            assert_same_rows(at, &line, &out, &expected);
            compared++;
        }
        json_decref(doc);
        sl_bytes_deinit(&line);
        sl_bytes_deinit(&expected);
        sl_bytes_deinit(&out);
    }
    assert_true(compared > 1000);
}

/* ---- stage 1 ---- */

static void index__is_the_same_by_every_kernel(void **state)
{
    (void)state;
    uint64_t seed = first_seed() + 4;
    static const char *const CAPS[] = { "scalar", "avx2" };
    sl_json__index_kernel *kernels[2];
    for (int i = 0; i < 2; i++) { /* what this processor lacks is the one before */
        setenv("SLUICE_CPU", CAPS[i], 1);
        kernels[i] = sl_json__index_pick();
    }
    unsetenv("SLUICE_CPU");
    assert_ptr_equal(kernels[0], sl_json__index_scalar);
    assert_ptr_equal(kernels[1], sl_json__index_pick());
    for (int round = 0; round < 3000; round++) {
        sl_json__index_kernel *fast = kernels[1];
        static const char BYTES[] = "aaaaaaaa\"\\\n\r\t\x1f\x20\x7f\x80\xff\0,";
        size_t n = (size_t)(random64(&seed) % 300);
        uint8_t *data = sl_alloc(n + 64);
        uint64_t kinds = random64(&seed) % (sizeof BYTES - 1) + 1;
        for (size_t i = 0; i < n + 64; i++)
            data[i] = (uint8_t)BYTES[random64(&seed) % kinds];
        sl_json__index a = { .positions = sl_alloc((n + 128) * sizeof(uint32_t)) };
        sl_json__index b = { .positions = sl_alloc((n + 128) * sizeof(uint32_t)) };
        fast(data, n, &a);
        sl_json__index_scalar(data, n, &b);
        assert_int_equal(a.count, b.count);
        assert_int_equal(a.ascii, b.ascii);
        assert_memory_equal(a.positions, b.positions, a.count * sizeof(uint32_t));
        sl_free(a.positions);
        sl_free(b.positions);
        sl_free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scanner__gives_the_rows_of_the_general_parser),
        cmocka_unit_test(reader__gives_each_row_once_to_random_ranges),
        cmocka_unit_test(parser__accepts_what_simdjson_accepts),
        cmocka_unit_test(reader__gives_the_values_jansson_gives),
        cmocka_unit_test(index__is_the_same_by_every_kernel),
    };
    return cmocka_run_group_tests_name("formats/json differential", tests, NULL, NULL);
}
