#include "client/cluster/metrics_file.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/metrics.h"

struct sl_metrics_file {
    sl_job job;
    sl_host *host;
    char *path, *part; /* written first, renamed then */
    int64_t interval_us;
    void (*refresh)(void *user);
    void *user;
    sl_lane lane;
    sl_bytes text;
    bool failed; /* the last time: said once */
    sl_code code;
    sl_error error;
};

static sl_code write_text(const sl_metrics_file *f, sl_error *err)
{
    FILE *out = fopen(f->part, "w");
    if (out == NULL)
        return sl_fail_errno(err, errno, "cannot write %s", f->part);
    bool is_whole =
        fwrite(f->text.data, 1, f->text.size_bytes, out) == f->text.size_bytes;
    if (fclose(out) != 0 || !is_whole)
        return sl_fail_errno(err, errno, "cannot write %s", f->part);
    if (rename(f->part, f->path) != 0)
        return sl_fail_errno(err, errno, "cannot rename %s to %s", f->part, f->path);
    return SL_OK;
}

static void make_text(sl_metrics_file *f)
{
    f->refresh(f->user);
    sl_bytes_clear(&f->text);
    sl_metrics_text(&f->text);
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

sl_metrics_file *sl_metrics_file_new(sl_host *host, const char *path, int64_t interval_us,
                                     void (*refresh)(void *user), void *user)
{
    sl_metrics_file *f = (sl_metrics_file *)sl_calloc(1, sizeof *f);
    sl_bytes part = { 0 };
    sl_bytes_printf(&part, "%s.part", path);
    f->host = host;
    f->path = sl_strdup(path);
    f->part = sl_strdup(sl_bytes_cstr(&part));
    f->interval_us = interval_us;
    f->refresh = refresh;
    f->user = user;
    f->lane = sl_host_lane(host, "metrics");
    sl_bytes_deinit(&part);
    on_time(f);
    return f;
}

void sl_metrics_file_free(sl_metrics_file *f)
{
    sl_error err;
    if (f == NULL)
        return;
    sl_host_close_owner(f->host, f);
    make_text(f);
    if (write_text(f, &err) != SL_OK && !f->failed)
        log_warn("METRICS-FILE", "%s", err.text);
    sl_bytes_deinit(&f->text);
    sl_free(f->path);
    sl_free(f->part);
    sl_free(f);
}
