/* libyaml makes a tree of nodes; each mapping has a table of the keys it may have, and
 * each key a function that takes its value. */
#include "client/cluster/config.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/options.h"
#include "base/text.h"
#include "client/cluster/master.h"

#define CONFIG_BYTES_MAX (1 << 20)
#define NAME_BYTES_MAX 63
#define MEMORY_LEAST (16 << 20)
#define KEYS_MAX 8

struct reader {
    sl_cluster_config *config;
    yaml_document_t document;
    sl_options *options; /* settings are tried here */
};

typedef sl_code take_value(struct reader *r, yaml_node_t *value, sl_error *err);

struct key {
    const char *name;
    take_value *take;
};

/* Put FILE:LINE:COLUMN before the message. */
static sl_code fail_at(const struct reader *r, yaml_mark_t at, sl_error *err)
{
    return sl_error_prefix(err, "%s:%zu:%zu", r->config->path, at.line + 1,
                           at.column + 1);
}

static sl_code wrong(const struct reader *r, const yaml_node_t *node, sl_error *err,
                     const char *key, const char *wanted)
{
    (void)sl_fail(err, SL_EINVAL, "'%s' wants %s", key, wanted);
    return fail_at(r, node->start_mark, err);
}

static bool is_scalar(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE &&
           strlen((const char *)n->data.scalar.value) == n->data.scalar.length;
}

static const char *text_of(const yaml_node_t *n)
{
    return (const char *)n->data.scalar.value;
}

/* ---- mappings ---- */

static sl_code unknown_key(const struct reader *r, const yaml_node_t *node,
                           const struct key *keys, uint32_t count, sl_error *err)
{
    const char *names[KEYS_MAX];
    for (uint32_t i = 0; i < count; i++)
        names[i] = keys[i].name;
    const char *near = sl_text_nearest(text_of(node), names, count);
    if (near != NULL)
        (void)sl_fail(err, SL_EINVAL, "unknown key '%.80s'; did you mean '%s'?",
                      text_of(node), near);
    else
        (void)sl_fail(err, SL_EINVAL, "unknown key '%.80s'; '%s' is one that is known",
                      text_of(node), keys[0].name);
    return fail_at(r, node->start_mark, err);
}

/* libyaml lets a key stand twice. */
static sl_code check_once(struct reader *r, const yaml_node_t *map,
                          const yaml_node_pair_t *pair, sl_error *err)
{
    const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
    if (!is_scalar(key)) {
        (void)sl_fail(err, SL_EINVAL, "a key here is a plain word");
        return fail_at(r, key->start_mark, err);
    }
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *other = yaml_document_get_node(&r->document, p->key);
        if (strcmp(text_of(other), text_of(key)) == 0) {
            (void)sl_fail(err, SL_EINVAL, "'%.80s' is given twice, first in line %zu",
                          text_of(key), other->start_mark.line + 1);
            return fail_at(r, key->start_mark, err);
        }
    }
    return SL_OK;
}

static bool is_empty(const yaml_node_t *n)
{
    return is_scalar(n) && *text_of(n) == '\0' &&
           n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static sl_code take_mapping(struct reader *r, yaml_node_t *map, const char *name,
                            const struct key *keys, uint32_t count, sl_error *err)
{
    if (is_empty(map))
        return SL_OK; /* all of it is commented out */
    if (map->type != YAML_MAPPING_NODE)
        return wrong(r, map, err, name, "lines of KEY: VALUE");
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start;
         p < map->data.mapping.pairs.top; p++) {
        SL_TRY(check_once(r, map, p, err));
        const yaml_node_t *key = yaml_document_get_node(&r->document, p->key);
        uint32_t i = 0;
        while (i < count && strcmp(keys[i].name, text_of(key)) != 0)
            i++;
        if (i == count)
            return unknown_key(r, key, keys, count, err);
        SL_TRY(keys[i].take(r, yaml_document_get_node(&r->document, p->value), err));
    }
    return SL_OK;
}

/* ---- values ---- */

static sl_code take_number(struct reader *r, const yaml_node_t *v, const char *key,
                           int64_t max, uint32_t *ret, sl_error *err)
{
    int64_t n;
    if (is_scalar(v) && sl_int64_parse(text_of(v), &n, NULL) == SL_OK && n >= 1 &&
        n <= max) {
        *ret = (uint32_t)n;
        return SL_OK;
    }
    (void)sl_fail(err, SL_EINVAL, "'%s' wants a number from 1 to %lld, not '%.80s'", key,
                  (long long)max, is_scalar(v) ? text_of(v) : "a list or mapping");
    return fail_at(r, v->start_mark, err);
}

static sl_code take_name(struct reader *r, yaml_node_t *v, sl_error *err)
{
    if (!is_scalar(v) || *text_of(v) == '\0' || strlen(text_of(v)) > NAME_BYTES_MAX)
        return wrong(r, v, err, "name", "a word of 1 to 63 bytes");
    r->config->name = sl_arena_strdup(r->config->arena, text_of(v));
    return SL_OK;
}

static sl_code take_directory(struct reader *r, yaml_node_t *v, sl_error *err)
{
    if (!is_scalar(v) || *text_of(v) == '\0' || strlen(text_of(v)) >= PATH_MAX / 2)
        return wrong(r, v, err, "directory", "a path");
    r->config->directory = sl_arena_strdup(r->config->arena, text_of(v));
    return SL_OK;
}

static sl_code take_bind(struct reader *r, yaml_node_t *v, sl_error *err)
{
    char address[200];
    if (!is_scalar(v))
        return wrong(r, v, err, "bind", "HOST:PORT or ipc:///PATH");
    if (sl_master_address(text_of(v), address, err) != SL_OK)
        return fail_at(r, v->start_mark, err);
    r->config->bind = sl_arena_strdup(r->config->arena, address);
    return SL_OK;
}

static sl_code take_count(struct reader *r, yaml_node_t *v, sl_error *err)
{
    return take_number(r, v, "count", SL_CLUSTER_WORKERS_MAX, &r->config->worker_count,
                       err);
}

static sl_code take_slots(struct reader *r, yaml_node_t *v, sl_error *err)
{
    return take_number(r, v, "slots", SL_EXECUTORS_MAX, &r->config->slots, err);
}

static sl_code take_memory(struct reader *r, yaml_node_t *v, sl_error *err)
{
    int64_t bytes;
    if (!is_scalar(v))
        return wrong(r, v, err, "memory", "a size such as 1GiB");
    if (sl_size_parse(text_of(v), &bytes, err) != SL_OK)
        return fail_at(r, v->start_mark, err);
    if (bytes < MEMORY_LEAST)
        return wrong(r, v, err, "memory", "16m at least");
    r->config->memory = sl_arena_strdup(r->config->arena, text_of(v));
    return SL_OK;
}

static sl_code take_setting(struct reader *r, const yaml_node_t *key,
                            const yaml_node_t *value, sl_error *err)
{
    sl_cluster_config *c = r->config;
    if (!is_scalar(value))
        return wrong(r, value, err, text_of(key), "one value");
    if (sl_options_set(r->options, text_of(key), text_of(value), err) != SL_OK)
        return fail_at(r, key->start_mark, err);
    if (c->setting_count == SL_CLUSTER_SETTINGS_MAX) {
        (void)sl_fail(err, SL_ELIMIT, "more than %d settings", SL_CLUSTER_SETTINGS_MAX);
        return fail_at(r, key->start_mark, err);
    }
    c->settings[c->setting_count++] =
        (sl_cluster_setting){ sl_arena_strdup(c->arena, text_of(key)),
                              sl_arena_strdup(c->arena, text_of(value)) };
    return SL_OK;
}

sl_code sl_cluster_settings_check(const sl_options *o, sl_error *err)
{
    if (sl_options_int(o, "sluice.worker.fenceAfter") <
        sl_options_int(o, "sluice.worker.deadAfter"))
        return SL_OK;
    return sl_fail(err, SL_EINVAL,
                   "sluice.worker.fenceAfter (%s) must be less than "
                   "sluice.worker.deadAfter (%s): a worker lets go before the driver "
                   "gives its state to another",
                   sl_options_text(o, "sluice.worker.fenceAfter"),
                   sl_options_text(o, "sluice.worker.deadAfter"));
}

/* Where: the settings' first line. */
static sl_code check_settings(struct reader *r, yaml_node_t *map, sl_error *err)
{
    if (sl_cluster_settings_check(r->options, err) == SL_OK)
        return SL_OK;
    return fail_at(r, map->start_mark, err);
}

static sl_code take_settings(struct reader *r, yaml_node_t *map, sl_error *err)
{
    if (is_empty(map))
        return SL_OK;
    if (map->type != YAML_MAPPING_NODE)
        return wrong(r, map, err, "settings", "lines of NAME: VALUE");
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start;
         p < map->data.mapping.pairs.top; p++) {
        SL_TRY(check_once(r, map, p, err));
        SL_TRY(take_setting(r, yaml_document_get_node(&r->document, p->key),
                            yaml_document_get_node(&r->document, p->value), err));
    }
    return check_settings(r, map, err);
}

static sl_code take_driver(struct reader *r, yaml_node_t *map, sl_error *err)
{
    static const struct key keys[] = { { "bind", take_bind } };
    return take_mapping(r, map, "driver", keys, 1, err);
}

static sl_code take_workers(struct reader *r, yaml_node_t *map, sl_error *err)
{
    static const struct key keys[] = { { "count", take_count },
                                       { "slots", take_slots },
                                       { "memory", take_memory } };
    return take_mapping(r, map, "workers", keys, 3, err);
}

static sl_code take_file(struct reader *r, sl_error *err)
{
    static const struct key keys[] = { { "name", take_name },
                                       { "directory", take_directory },
                                       { "driver", take_driver },
                                       { "workers", take_workers },
                                       { "settings", take_settings } };
    yaml_node_t *root = yaml_document_get_root_node(&r->document);
    return root == NULL ? SL_OK : take_mapping(r, root, "the file", keys, 5, err);
}

/* ---- the file ---- */

/* "./x/../y" of a directory that may not be there yet: only its beginning is resolved. */
static sl_code make_absolute(sl_cluster_config *c, sl_error *err)
{
    char path[PATH_MAX], beside[PATH_MAX];
    snprintf(path, sizeof path, "%s", c->path);
    if (realpath(dirname(path), beside) == NULL)
        return sl_fail(err, SL_ENOTFOUND, "cannot find the directory of %s", c->path);
    const char *rest = c->directory;
    char *up;
    if (*rest == '/')
        return SL_OK;
    for (;;) { /* "..", "." are taken off, so that what status shows reads well */
        if (strncmp(rest, "./", 2) == 0)
            rest += 2;
        else if (strncmp(rest, "../", 3) == 0 && (up = strrchr(beside, '/')) != NULL)
            rest += 3, *up = '\0';
        else
            break;
    }
    size_t length = strlen(beside) + strlen(rest) + 2;
    char *whole = (char *)sl_arena_alloc(c->arena, length);
    snprintf(whole, length, "%s/%s", beside, rest);
    c->directory = whole;
    return SL_OK;
}

static sl_code fail_yaml(const struct reader *r, const yaml_parser_t *p, sl_error *err)
{
    (void)sl_fail(err, SL_EINVAL, "not YAML: %s%s%s",
                  p->problem != NULL ? p->problem : "out of memory",
                  p->context != NULL ? ", " : "", p->context != NULL ? p->context : "");
    return fail_at(r, p->problem_mark, err);
}

/* There is one document, or none. */
static sl_code check_alone(struct reader *r, yaml_parser_t *parser, sl_error *err)
{
    yaml_document_t next;
    sl_code code = SL_OK;
    if (!yaml_parser_load(parser, &next))
        return fail_yaml(r, parser, err);
    const yaml_node_t *root = yaml_document_get_root_node(&next);
    if (root != NULL) {
        (void)sl_fail(err, SL_EINVAL,
                      "a second document: the file describes one cluster");
        code = fail_at(r, root->start_mark, err);
    }
    yaml_document_delete(&next);
    return code;
}

static sl_code parse(struct reader *r, sl_span text, sl_error *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return sl_fail(err, SL_ENOMEM, "no memory to read %s", r->config->path);
    yaml_parser_set_input_string(&parser, text.data, text.size_bytes);
    sl_code code = SL_OK;
    if (!yaml_parser_load(&parser, &r->document)) {
        code = fail_yaml(r, &parser, err);
    } else {
        code = take_file(r, err);
        if (code == SL_OK && yaml_document_get_root_node(&r->document) != NULL)
            code = check_alone(r, &parser, err);
        yaml_document_delete(&r->document);
    }
    yaml_parser_delete(&parser);
    return code;
}

sl_code sl_cluster_config_read(const char *path, sl_cluster_config *ret, sl_error *err)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    sl_cluster_config c = { .arena = sl_arena_new(),
                            .name = "local",
                            .directory = "sluice-cluster",
                            .bind = "tcp://127.0.0.1:7077",
                            .worker_count = 2 };
    c.slots = processors < 1                  ? 1
              : processors > SL_EXECUTORS_MAX ? SL_EXECUTORS_MAX
                                              : (uint32_t)processors;
    c.path = sl_arena_strdup(c.arena, path);
    struct reader r = { .config = &c, .options = sl_options_new() };
    sl_bytes text = { 0 };
    sl_code code = sl_fs_read_all(sl_fs_posix(), path, CONFIG_BYTES_MAX, &text, err);
    if (code == SL_OK)
        code = parse(&r, sl_bytes_span(&text), err);
    if (code == SL_OK)
        code = make_absolute(&c, err);
    sl_bytes_deinit(&text);
    sl_options_free(r.options);
    if (code != SL_OK)
        sl_arena_free(c.arena);
    else
        *ret = c;
    return code;
}

void sl_cluster_config_deinit(sl_cluster_config *c)
{
    sl_arena_free(c->arena);
    *c = (sl_cluster_config){ .arena = NULL };
}
