#include "client/cluster/metrics_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"

struct sl_metrics_file {
    sl_job job;
    sl_host *host;
    char *path, *part; /* written first, renamed then */
    bool is_of_cluster;
    char labels[SL_PROCESS_NAME_BYTES_MAX + 16]; /* "process=\"worker-1\""; "" none */
    ino_t inode;                                 /* what we put there; 0 nothing yet */
    bool is_shared; /* somebody else writes it too: said once */
    int64_t interval_us;
    void (*refresh)(void *user);
    void *user;
    sl_lane lane;
    sl_bytes text;
    bool failed; /* the last time: said once */
    sl_code code;
    sl_error error;
};

/* Another process has put its own in place of ours. */
static void look_for_others(sl_metrics_file *f)
{
    struct stat now;
    if (f->inode == 0 || f->is_shared || stat(f->path, &now) != 0 ||
        now.st_ino == f->inode)
        return;
    f->is_shared = true;
    log_warn("METRICS-FILE",
             "another process writes %s too: give each worker of a host a --name of its "
             "own",
             f->path);
}

static sl_code write_text(sl_metrics_file *f, sl_error *err)
{
    struct stat made;
    look_for_others(f);
    FILE *out = fopen(f->part, "w");
    if (out == NULL)
        return sl_fail_errno(err, errno, "cannot write %s", f->part);
    bool is_whole =
        fwrite(f->text.data, 1, f->text.size_bytes, out) == f->text.size_bytes;
    is_whole = fstat(fileno(out), &made) == 0 && is_whole;
    if (fclose(out) != 0 || !is_whole)
        return sl_fail_errno(err, errno, "cannot write %s", f->part);
    if (rename(f->part, f->path) != 0)
        return sl_fail_errno(err, errno, "cannot rename %s to %s", f->part, f->path);
    f->inode = made.st_ino;
    return SL_OK;
}

static void make_text(sl_metrics_file *f)
{
    f->refresh(f->user);
    sl_bytes_clear(&f->text);
    sl_metrics_text(f->labels, &f->text);
}

static void run(sl_job *job)
{
    sl_metrics_file *f = (sl_metrics_file *)job;
    f->code = write_text(f, &f->error);
}

static void on_time(void *user);

static void done(sl_job *job)
{
    sl_metrics_file *f = (sl_metrics_file *)job;
    if (f->code != SL_OK && !f->failed)
        log_warn("METRICS-FILE", "%s", f->error.text);
    f->failed = f->code != SL_OK;
    (void)sl_host_timer(f->host, f, sl_host_mono_us(f->host) + f->interval_us, on_time,
                        f);
}

static void on_time(void *user)
{
    sl_metrics_file *f = (sl_metrics_file *)user;
    make_text(f);
    f->job = (sl_job){ .name = "metrics-file", .run = run, .done = done, .owner = f };
    sl_host_submit(f->host, f->lane, &f->job);
}

/* ---- names ---- */

sl_code sl_process_name_check(const char *name, sl_error *err)
{
    if (sl_text_is_name(name, SL_PROCESS_NAME_BYTES_MAX))
        return SL_OK;
    return sl_fail(err, SL_EINVAL,
                   "--name '%.80s': 1 to %d letters, digits, '_', '.' and '-'", name,
                   SL_PROCESS_NAME_BYTES_MAX);
}

/* "/dir/sluice.prom" of worker-1 -> "/dir/sluice.worker-1.prom". */
static char *path_of(const char *path, const char *process)
{
    sl_bytes b = { 0 };
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(path, '.');
    size_t stem = dot != NULL && (slash == NULL || dot > slash + 1) && dot != path
                      ? (size_t)(dot - path)
                      : strlen(path);
    if (process != NULL)
        sl_bytes_printf(&b, "%.*s.%s%s", (int)stem, path, process, path + stem);
    else
        sl_bytes_text(&b, path);
    char *text = sl_strdup(sl_bytes_cstr(&b));
    sl_bytes_deinit(&b);
    return text;
}

/* ---- life ---- */

sl_metrics_file *sl_metrics_file_new(sl_host *host, const sl_options *options,
                                     const char *process, void (*refresh)(void *user),
                                     void *user)
{
    const char *path =
        options != NULL ? sl_options_text(options, "sluice.metrics.file") : "";
    if (*path == '\0')
        return NULL;
    sl_metrics_file *f = (sl_metrics_file *)sl_calloc(1, sizeof *f);
    sl_bytes part = { 0 };
    f->host = host;
    f->path = path_of(path, process);
    sl_bytes_printf(&part, "%s.part", f->path);
    f->part = sl_strdup(sl_bytes_cstr(&part));
    f->is_of_cluster = process != NULL;
    if (process != NULL)
        snprintf(f->labels, sizeof f->labels, "process=\"%.63s\"", process);
    f->interval_us = sl_options_int(options, "sluice.metrics.interval");
    f->refresh = refresh;
    f->user = user;
    f->lane = sl_host_lane(host, "metrics");
    sl_bytes_deinit(&part);
    on_time(f);
    return f;
}

static void write_last(sl_metrics_file *f)
{
    sl_error err;
    make_text(f);
    if (write_text(f, &err) != SL_OK && !f->failed)
        log_warn("METRICS-FILE", "%s", err.text);
}

static void remove_own(const sl_metrics_file *f)
{
    struct stat now;
    if (f->inode != 0 && stat(f->path, &now) == 0 && now.st_ino == f->inode)
        (void)unlink(f->path);
}

void sl_metrics_file_free(sl_metrics_file *f)
{
    if (f == NULL)
        return;
    sl_host_close_owner(f->host, f);
    if (!f->is_of_cluster)
        write_last(f);
    else
        remove_own(f);
    sl_bytes_deinit(&f->text);
    sl_free(f->path);
    sl_free(f->part);
    sl_free(f);
}
