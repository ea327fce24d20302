#include "base/options.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/text.h"

/* Filled before the first set is made, then only read (see live_sets). */
static const sl_option_def **registry; /* ordered by name */
static uint32_t registry_count;
static _Atomic uint32_t live_sets;

typedef struct setting {
    char *text; /* NULL: the default */
    int64_t number;
    bool is_auto;
} setting;

struct sl_options {
    setting *settings; /* one for each definition, same order */
};

/* ---- definitions ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const sl_option_def *const *)a)->name,
                  (*(const sl_option_def *const *)b)->name);
}

static bool find_index(const char *name, uint32_t *ret)
{
    uint32_t low = 0, high = registry_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(registry[middle]->name, name);
        if (order == 0) {
            *ret = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool find_index_or_alias(const char *name, uint32_t *ret)
{
    if (find_index(name, ret))
        return true;
    for (uint32_t i = 0; i < registry_count; i++) {
        if (registry[i]->alias && strcmp(registry[i]->alias, name) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool is_registered(const sl_option_def *def)
{
    for (uint32_t i = 0; i < registry_count; i++)
        if (registry[i] == def)
            return true;
    return false;
}

void sl_options_register(const sl_option_def *defs, uint32_t count)
{
    SL_ASSERT(atomic_load(&live_sets) == 0);
    registry = sl_realloc(registry, (registry_count + count) * sizeof registry[0]);
    for (uint32_t i = 0; i < count; i++)
        if (!is_registered(&defs[i]))
            registry[registry_count++] = &defs[i];
    qsort(registry, registry_count, sizeof registry[0], by_name);
    for (uint32_t i = 1; i < registry_count; i++)
        SL_ASSERT(strcmp(registry[i - 1]->name, registry[i]->name) != 0);
}

uint32_t sl_options_def_count(void)
{
    return registry_count;
}

const sl_option_def *sl_options_def(uint32_t i)
{
    SL_ASSERT(i < registry_count);
    return registry[i];
}

const sl_option_def *sl_options_find_def(const char *name_or_alias)
{
    uint32_t i;
    return find_index_or_alias(name_or_alias, &i) ? registry[i] : NULL;
}

/* ---- values ---- */

/* The member of "a|b|c" that equals text without regard to case. */
static bool find_enum(const char *values, const char *text, char **ret_canonical)
{
    for (const char *at = values; *at;) {
        size_t length = strcspn(at, "|");
        if (strlen(text) == length) {
            char *word = sl_strdup(at);
            word[length] = '\0';
            if (sl_text_equal_nocase(word, text)) {
                *ret_canonical = word;
                return true;
            }
            sl_free(word);
        }
        at += length + (at[length] == '|');
    }
    return false;
}

/* What a bare number of a duration option means. */
static int64_t default_unit_us(const sl_option_def *def)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = { { "us", 1 }, { "ms", 1000 }, { "s", 1000000 } };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (def->unit_or_values && strcmp(def->unit_or_values, units[i].name) == 0)
            return units[i].us;
    return 1000; /* Spark's durations are milliseconds when bare */
}

static sl_code parse_number(const sl_option_def *def, const char *text, int64_t *ret,
                            sl_error *err)
{
    switch (def->type) {
    case SL_OPTION_BOOL: {
        bool value;
        SL_TRY(sl_bool_parse(text, &value, err));
        *ret = value;
        return SL_OK;
    }
    case SL_OPTION_INT:
        return sl_int64_parse(text, ret, err);
    case SL_OPTION_SIZE:
        return sl_size_parse(text, ret, err);
    case SL_OPTION_DURATION:
        return sl_duration_parse(text, default_unit_us(def), ret, err);
    default:
        *ret = 0;
        return SL_OK;
    }
}

static sl_code check_range(const sl_option_def *def, int64_t number, sl_error *err)
{
    bool has_range = def->type == SL_OPTION_INT || def->type == SL_OPTION_SIZE ||
                     def->type == SL_OPTION_DURATION;
    if (!has_range || (def->min == 0 && def->max == 0) ||
        (number >= def->min && number <= def->max))
        return SL_OK;
    const char *unit = def->type == SL_OPTION_SIZE       ? " bytes"
                       : def->type == SL_OPTION_DURATION ? " us"
                                                         : "";
    return sl_fail(err, SL_EOPTION,
                   "%" PRId64 "%s is outside of %" PRId64 " to %" PRId64 "%s", number,
                   unit, def->min, def->max, unit);
}

/* *ret_text is the caller's. */
static sl_code parse_setting(const sl_option_def *def, const char *text, setting *ret,
                             sl_error *err)
{
    setting s = { 0 };
    sl_code code = SL_OK;
    if (strcmp(def->default_text, "auto") == 0 && sl_text_equal_nocase(text, "auto")) {
        s.is_auto = true;
        s.text = sl_strdup("auto");
    } else if (def->type == SL_OPTION_ENUM) {
        if (!find_enum(def->unit_or_values, text, &s.text))
            code = sl_fail(err, SL_EOPTION, "'%.200s' is not one of %s", text,
                           def->unit_or_values);
    } else {
        code = parse_number(def, text, &s.number, err);
        if (code == SL_OK)
            code = check_range(def, s.number, err);
        if (code == SL_OK)
            s.text = sl_strdup(text);
    }
    if (code != SL_OK) {
        if (err)
            sl_fail(err, SL_EOPTION, "option '%s': %s", def->name, err->text);
        return SL_EOPTION;
    }
    *ret = s;
    return SL_OK;
}

/* A default that does not parse is a bug in a .def list. */
static void set_default(sl_options *o, uint32_t i)
{
    setting parsed = { 0 };
    sl_error err = { 0 };
    if (registry[i]->default_text[0] || registry[i]->type != SL_OPTION_STRING) {
        sl_code code =
            parse_setting(registry[i], registry[i]->default_text, &parsed, &err);
        if (code != SL_OK)
            fprintf(stderr, "sluice: default of %s\n", err.text);
        SL_ASSERT(code == SL_OK);
    }
    sl_free(parsed.text);
    sl_free(o->settings[i].text);
    parsed.text = NULL;
    o->settings[i] = parsed;
}

/* ---- sets ---- */

sl_options *sl_options_new(void)
{
    sl_options *o = sl_calloc(1, sizeof *o);
    o->settings = sl_calloc(registry_count, sizeof o->settings[0]);
    atomic_fetch_add(&live_sets, 1);
    for (uint32_t i = 0; i < registry_count; i++)
        set_default(o, i);
    return o;
}

sl_options *sl_options_copy(const sl_options *o)
{
    sl_options *copy = sl_calloc(1, sizeof *copy);
    copy->settings = sl_calloc(registry_count, sizeof copy->settings[0]);
    atomic_fetch_add(&live_sets, 1);
    for (uint32_t i = 0; i < registry_count; i++) {
        copy->settings[i] = o->settings[i];
        if (o->settings[i].text)
            copy->settings[i].text = sl_strdup(o->settings[i].text);
    }
    return copy;
}

void sl_options_free(sl_options *o)
{
    if (!o)
        return;
    for (uint32_t i = 0; i < registry_count; i++)
        sl_free(o->settings[i].text);
    sl_free(o->settings);
    sl_free(o);
    atomic_fetch_sub(&live_sets, 1);
}

static sl_code fail_unknown(const char *name, sl_error *err)
{
    const char **names = sl_alloc(2 * (size_t)registry_count * sizeof names[0]);
    uint32_t count = 0;
    for (uint32_t i = 0; i < registry_count; i++) {
        names[count++] = registry[i]->name;
        if (registry[i]->alias)
            names[count++] = registry[i]->alias;
    }
    const char *nearest = sl_text_nearest(name, names, count);
    sl_free(names);
    if (nearest)
        return sl_fail(err, SL_EOPTION, "unknown option '%.200s'; did you mean '%s'?",
                       name, nearest);
    return sl_fail(err, SL_EOPTION,
                   "unknown option '%.200s'; `sluice options` lists them all", name);
}

sl_code sl_options_set(sl_options *o, const char *name, const char *value, sl_error *err)
{
    uint32_t i;
    if (!find_index_or_alias(name, &i))
        return fail_unknown(name, err);
    setting parsed;
    SL_TRY(parse_setting(registry[i], value, &parsed, err));
    sl_free(o->settings[i].text);
    o->settings[i] = parsed;
    return SL_OK;
}

sl_code sl_options_unset(sl_options *o, const char *name, sl_error *err)
{
    uint32_t i;
    if (!find_index_or_alias(name, &i))
        return fail_unknown(name, err);
    set_default(o, i);
    return SL_OK;
}

static void environment_name(const char *name, char *ret, size_t size)
{
    size_t i = 0;
    for (; name[i] && i + 1 < size; i++) {
        char c = name[i];
        bool is_word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        ret[i] = !is_word ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    ret[i] = '\0';
}

sl_code sl_options_from_environment(sl_options *o, sl_error *err)
{
    for (uint32_t i = 0; i < registry_count; i++) {
        if (strncmp(registry[i]->name, "sluice.", 7) != 0)
            continue;
        char variable[256];
        environment_name(registry[i]->name, variable, sizeof variable);
        const char *value = getenv(variable);
        if (!value)
            continue;
        sl_code code = sl_options_set(o, registry[i]->name, value, err);
        if (code != SL_OK) {
            sl_error_prefix(err, "environment variable %s", variable);
            return code;
        }
    }
    return SL_OK;
}

/* ---- reading ---- */

static uint32_t known_index(const char *name)
{
    uint32_t i = 0;
    bool found = find_index(name, &i);
    SL_ASSERT(found);
    return i;
}

bool sl_options_bool(const sl_options *o, const char *name)
{
    uint32_t i = known_index(name);
    SL_ASSERT(registry[i]->type == SL_OPTION_BOOL);
    return o->settings[i].number != 0;
}

int64_t sl_options_int(const sl_options *o, const char *name)
{
    uint32_t i = known_index(name);
    sl_option_type type = registry[i]->type;
    SL_ASSERT(type == SL_OPTION_INT || type == SL_OPTION_SIZE ||
              type == SL_OPTION_DURATION);
    return o->settings[i].number;
}

const char *sl_options_text(const sl_options *o, const char *name)
{
    uint32_t i = known_index(name);
    return o->settings[i].text ? o->settings[i].text : registry[i]->default_text;
}

bool sl_options_is_auto(const sl_options *o, const char *name)
{
    return o->settings[known_index(name)].is_auto;
}

bool sl_options_is_set(const sl_options *o, const char *name)
{
    return o->settings[known_index(name)].text != NULL;
}

/* ---- the reference table ---- */

static const char *type_name(const sl_option_def *def)
{
    static const char *const names[] = { "bool",     "int",    "size",
                                         "duration", "string", "enum" };
    return names[def->type];
}

/* A '|' would end the cell. */
static void append_cell(sl_bytes *out, const char *text, const char *quote)
{
    sl_bytes_text(out, "| ");
    if (text && text[0]) {
        sl_bytes_text(out, quote);
        for (; *text; text++) {
            if (*text == '|')
                sl_bytes_char(out, '\\');
            sl_bytes_char(out, *text);
        }
        sl_bytes_text(out, quote);
        sl_bytes_char(out, ' ');
    }
}

void sl_options_table(sl_bytes *out)
{
    sl_bytes_text(out, "| name | type | default | unit or values | also | meaning |\n"
                       "|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < registry_count; i++) {
        const sl_option_def *def = registry[i];
        append_cell(out, def->name, "`");
        append_cell(out, type_name(def), "");
        append_cell(out, def->default_text, "`");
        append_cell(out, def->unit_or_values, "");
        append_cell(out, def->alias, "`");
        append_cell(out, def->meaning, "");
        sl_bytes_text(out, "|\n");
    }
}
