/* file_private.h - what the files of the file source share: its options, listing a path,
 * and the set of files it has seen (spark.md 4.1).
 *
 * Units: *_us microseconds since 1970-01-01 UTC; modification times of files are compared
 * in nanoseconds for order and in microseconds for age. */

#ifndef SL_CONNECTORS_FILE_FILE_PRIVATE_H
#define SL_CONNECTORS_FILE_FILE_PRIVATE_H

#include "base/hash_table.h"
#include "connectors/source_plan.h"

/* ---- options ---- */

typedef enum sl_file_clean {
    SL_FILE_CLEAN_OFF,
    SL_FILE_CLEAN_DELETE,
    SL_FILE_CLEAN_ARCHIVE
} sl_file_clean;

typedef struct sl_file_options {
    const char *path;             /* absolute */
    int64_t files_max, bytes_max; /* a batch; 0: no limit */
    int64_t age_max_us;           /* INT64_MAX: no horizon */
    int64_t cached_max;           /* listed, unread files kept for later batches */
    double discard_ratio;         /* fewer than this * files_max left: list again */
    bool latest_first, name_only, recursive;
    const char *glob_filter; /* NULL: none */
    sl_file_clean clean;
    const char *archive_dir;                       /* absolute; SL_FILE_CLEAN_ARCHIVE */
    int64_t modified_after_us, modified_before_us; /* batch; exclusive */
} sl_file_options;

uint32_t sl_file__option_names(const char **ret_names); /* those of JSON too */
/* Everything is checked; texts are copied to arena. */
SL_CHECKED sl_code sl_file__options_read(const sl_option_list *l, bool streaming,
                                         const sl_time_zone *zone, sl_arena *arena,
                                         sl_file_options *ret, sl_error *err);
/* "file://" taken off, made absolute, slashes at the end taken off. In arena. */
const char *sl_file__absolute(const char *path, sl_arena *arena);

/* ---- listing ---- */

typedef struct sl_found_file {
    char *path;
    sl_file_info info;
} sl_found_file;

typedef struct sl_file_list {
    sl_found_file *items;
    uint32_t count, capacity;
} sl_file_list;

void sl_file__list_add(sl_file_list *l, const char *path, const sl_file_info *info);
void sl_file__list_truncate(sl_file_list *l, uint32_t count);
void sl_file__list_free(sl_file_list *l);

bool sl_file__is_glob(const char *path);
/* Hadoop's globs on one name: * ? [a-c] [^x] {a,b} and \ before any of them. */
bool sl_file__glob_matches(const char *pattern, const char *name);
/* Is there something to read? A glob may match nothing yet when streaming. */
SL_CHECKED sl_code sl_file__path_check(sl_fs *fs, const char *path, bool streaming,
                                       sl_error *err);
/* Files of options->path, oldest first, ties by path. PATH_NOT_FOUND if the path is gone;
 * a glob that matches nothing is an empty list. */
SL_CHECKED sl_code sl_file__list(sl_fs *fs, const sl_file_options *options,
                                 sl_file_list *ret, sl_error *err);

/* ---- files seen ---- */

/* FS2: a file is new if it is not older than the horizon and not in the set. The horizon
 * is the newest file's time less maxFileAge and never goes back; what is older leaves
 * the set, which therefore stays bounded. */
typedef struct sl_file_seen {
    sl_hash_table *table; /* identity -> mtime_us */
    bool name_only;
    int64_t age_max_us, newest_us, horizon_us; /* INT64_MIN: none */
    uint64_t added;                            /* since the last sweep */
    int64_t swept_us; /* what is older has left the set; INT64_MIN: nothing has */
} sl_file_seen;

SL_CHECKED sl_code sl_file__seen_init(sl_file_seen *s, const sl_file_options *options,
                                      sl_error *err);
void sl_file__seen_deinit(sl_file_seen *s);
bool sl_file__seen_is_new(const sl_file_seen *s, const char *path, int64_t mtime_us);
SL_CHECKED sl_code sl_file__seen_add(sl_file_seen *s, const char *path, int64_t mtime_us,
                                     sl_error *err);
void sl_file__seen_purge(sl_file_seen *s); /* move the horizon, let go of what is older */

#endif /* SL_CONNECTORS_FILE_FILE_PRIVATE_H */
