/* The options of the file source, as Spark names them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "connectors/file/file_private.h"
#include "formats/json_options.h"

#define DAY_US INT64_C(86400000000)

static const char *const names[] = {
    "path",
    "maxFilesPerTrigger",
    "maxBytesPerTrigger",
    "latestFirst",
    "fileNameOnly",
    "maxFileAge",
    "maxCachedFiles",
    "discardCachedInputRatio",
    "cleanSource",
    "sourceArchiveDir",
    "recursiveFileLookup",
    "pathGlobFilter",
    "modifiedAfter",
    "modifiedBefore",
    "ignoreMissingFiles",
    "ignoreCorruptFiles",
};

uint32_t sl_file__option_names(const char **ret)
{
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ret[n++] = names[i];
    for (uint32_t i = 0; i < sl_json_read_option_count && n < SL_OPTION_NAMES_MAX; i++)
        ret[n++] = sl_json_read_option_names[i];
    return n;
}

const char *sl_file__absolute(const char *path, sl_arena *arena)
{
    if (strncmp(path, "file://", 7) == 0)
        path += 7;
    sl_bytes out = { 0 };
    if (*path != '/') {
        char *cwd = getcwd(NULL, 0);
        sl_bytes_text(&out, cwd != NULL ? cwd : "");
        sl_bytes_char(&out, '/');
        free(cwd);
    }
    sl_bytes_text(&out, path);
    while (out.size_bytes > 1 && out.data[out.size_bytes - 1] == '/')
        out.data[--out.size_bytes] = '\0';
    const char *text = sl_arena_strdup(arena, sl_bytes_cstr(&out));
    sl_bytes_deinit(&out);
    return text;
}

/* ---- one option each ---- */

static sl_code read_age(const sl_option_list *l, int64_t *ret, sl_error *err)
{
    const char *text = sl_option_list_get(l, "maxFileAge");
    int64_t us = 7 * DAY_US;
    if (text != NULL && (sl_duration_parse(text, 1000, &us, NULL) != SL_OK || us < 0))
        return sl_fail(err, SL_EOPTION,
                       "option 'maxFileAge' is '%.100s'; it must be a time such as '7d' "
                       "or '12 hours'",
                       text);
    *ret = us;
    return SL_OK;
}

static sl_code read_ratio(const sl_option_list *l, double *ret, sl_error *err)
{
    const char *text = sl_option_list_get(l, "discardCachedInputRatio");
    char *end = NULL;
    double ratio = text != NULL ? strtod(text, &end) : 0.2;
    if (text != NULL && (end == text || *end != '\0' || !(ratio >= 0 && ratio <= 1)))
        return sl_fail(err, SL_EOPTION,
                       "option 'discardCachedInputRatio' is '%.100s'; it must be a "
                       "number from 0 to 1",
                       text);
    *ret = ratio;
    return SL_OK;
}

static sl_code read_moment(const sl_option_list *l, const char *name, bool streaming,
                           const sl_time_zone *zone, int64_t fallback, int64_t *ret,
                           sl_error *err)
{
    const char *text = sl_option_list_get(l, name);
    int64_t us = fallback;
    if (text != NULL && streaming)
        return sl_fail(err, SL_EOPTION,
                       "option '%s' is not allowed in file stream sources", name);
    if (text != NULL && !sl_timestamp_parse(text, strlen(text), zone, &us))
        return sl_fail(err, SL_EOPTION,
                       "The timestamp provided for the '%s' option is invalid. The "
                       "expected format is 'YYYY-MM-DDTHH:mm:ss', but the provided "
                       "timestamp: %.100s",
                       name, text);
    *ret = us;
    return SL_OK;
}

/* What Spark leaves out silently would be rows lost without a word (docs/differences.md).
 */
static sl_code refuse_silent_loss(const sl_option_list *l, const char *name,
                                  sl_error *err)
{
    bool on = false;
    SL_TRY(sl_option_list_bool(l, name, false, &on, err));
    if (!on)
        return SL_OK;
    return sl_fail(err, SL_EUNSUPPORTED,
                   "option '%s' true is not supported: a file that was planned and "
                   "cannot be read would be lost without a word; leave it false",
                   name);
}

/* Does one of two absolute paths lie in the other? */
static bool overlap(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), least = n < m ? n : m;
    const char *longer = n < m ? b : a;
    return strncmp(a, b, least) == 0 &&
           (longer[least] == '\0' || longer[least] == '/' || least == 1);
}

/* The part of a path before its first glob. */
static const char *fixed_part(const char *path, sl_arena *arena)
{
    size_t n = strcspn(path, "*?[{");
    if (path[n] == '\0')
        return path;
    while (n > 1 && path[n - 1] != '/')
        n--;
    return sl_arena_strndup(arena, path, n > 1 ? n - 1 : 1);
}

static sl_code read_clean(const sl_option_list *l, sl_arena *arena, sl_file_options *o,
                          sl_error *err)
{
    const char *clean = sl_option_list_get(l, "cleanSource");
    const char *dir = sl_option_list_get(l, "sourceArchiveDir");
    o->clean = SL_FILE_CLEAN_OFF;
    if (clean == NULL || sl_text_equal_nocase(clean, "off"))
        return SL_OK;
    if (sl_text_equal_nocase(clean, "delete")) {
        o->clean = SL_FILE_CLEAN_DELETE;
        return SL_OK;
    }
    if (!sl_text_equal_nocase(clean, "archive"))
        return sl_fail(err, SL_EOPTION,
                       "Invalid mode for clean source option 'cleanSource': %.100s; it "
                       "must be one of archive, delete, off",
                       clean);
    if (dir == NULL || *dir == '\0')
        return sl_fail(err, SL_EOPTION,
                       "Archive mode must be used with 'sourceArchiveDir' option.");
    o->clean = SL_FILE_CLEAN_ARCHIVE;
    o->archive_dir = sl_file__absolute(dir, arena);
    if (overlap(o->archive_dir, fixed_part(o->path, arena)))
        return sl_fail(err, SL_EOPTION,
                       "sourceArchiveDir %s and the source's path %s overlap: archived "
                       "files would be read again; choose a directory outside",
                       o->archive_dir, o->path);
    return SL_OK;
}

/* ---- all ---- */

static sl_code read_limits(const sl_option_list *l, sl_file_options *o, sl_error *err)
{
    SL_TRY(
        sl_option_list_int(l, "maxFilesPerTrigger", 0, 1, INT64_MAX, &o->files_max, err));
    SL_TRY(
        sl_option_list_int(l, "maxBytesPerTrigger", 0, 1, INT64_MAX, &o->bytes_max, err));
    SL_TRY(sl_option_list_int(l, "maxCachedFiles", 10000, 0, UINT32_MAX, &o->cached_max,
                              err));
    SL_TRY(sl_option_list_bool(l, "latestFirst", false, &o->latest_first, err));
    SL_TRY(read_age(l, &o->age_max_us, err));
    SL_TRY(read_ratio(l, &o->discard_ratio, err));
    if (o->files_max != 0 && o->bytes_max != 0)
        return sl_fail(err, SL_EOPTION,
                       "maxFilesPerTrigger and maxBytesPerTrigger cannot both be given");
    if (o->latest_first && (o->files_max != 0 || o->bytes_max != 0))
        o->age_max_us = INT64_MAX; /* old files wait behind new ones: none is too old */
    return SL_OK;
}

sl_code sl_file__options_read(const sl_option_list *l, bool streaming,
                              const sl_time_zone *zone, sl_arena *arena,
                              sl_file_options *ret, sl_error *err)
{
    const char *known[SL_OPTION_NAMES_MAX];
    const char *path = sl_option_list_get(l, "path");
    const char *filter = sl_option_list_get(l, "pathGlobFilter");
    sl_json_options json;
    sl_file_options o = { 0 };
    SL_TRY(
        sl_option_list_check(l, "json source", known, sl_file__option_names(known), err));
    SL_TRY(sl_json_read_options(l, &json, err));
    if (path == NULL || *path == '\0')
        return sl_fail_as(
            err, SL_EOPTION, "MISSING_OPTION", "42000",
            "the json source needs the option path: OPTIONS (path '<directory>')");
    o.path = sl_file__absolute(path, arena);
    o.glob_filter = filter != NULL ? sl_arena_strdup(arena, filter) : NULL;
    SL_TRY(read_limits(l, &o, err));
    SL_TRY(sl_option_list_bool(l, "fileNameOnly", false, &o.name_only, err));
    SL_TRY(sl_option_list_bool(l, "recursiveFileLookup", false, &o.recursive, err));
    SL_TRY(refuse_silent_loss(l, "ignoreMissingFiles", err));
    SL_TRY(refuse_silent_loss(l, "ignoreCorruptFiles", err));
    if (json.zone != NULL)
        zone = json.zone;
    SL_TRY(read_moment(l, "modifiedAfter", streaming, zone, INT64_MIN,
                       &o.modified_after_us, err));
    SL_TRY(read_moment(l, "modifiedBefore", streaming, zone, INT64_MAX,
                       &o.modified_before_us, err));
    SL_TRY(read_clean(l, arena, &o, err));
    *ret = o;
    return SL_OK;
}
