/* cluster.json and master. They tell of processes of this boot, so a crash of the host
 * needs no more than a whole file: written beside and renamed over. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "client/cluster/fleet_private.h"

#define RECORD_FORMAT 1
#define RECORD_BYTES_MAX (1 << 20)
#define PATH_BYTES 4400

static void path_of(const sl_fleet *f, const char *name, char ret[PATH_BYTES])
{
    snprintf(ret, PATH_BYTES, "%s/%s", f->config->directory, name);
}

/* ---- write ---- */

static sl_code write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return SL_EIO;
        text += n;
        length -= (size_t)n;
    }
    return SL_OK;
}

static sl_code replace(const sl_fleet *f, const char *name, const char *text,
                       sl_error *err)
{
    char path[PATH_BYTES], beside[PATH_BYTES + 8];
    path_of(f, name, path);
    snprintf(beside, sizeof beside, "%s.new", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return sl_fail_errno(err, errno, "cannot write %s", beside);
    sl_code code = write_all(fd, text, strlen(text));
    int reason = errno;
    if (close(fd) != 0 && code == SL_OK) {
        code = SL_EIO;
        reason = errno;
    }
    if (code == SL_OK && rename(beside, path) != 0) {
        code = SL_EIO;
        reason = errno;
    }
    return code == SL_OK ? SL_OK : sl_fail_errno(err, reason, "cannot write %s", path);
}

static void process_json(const sl_fleet_process *p, const char *key, sl_json *j)
{
    sl_json_open(j, key, '{');
    if (p->number > 0)
        sl_json_key_int(j, "number", p->number);
    sl_json_key_int(j, "pid", p->id.pid);
    sl_json_key_int(j, "startTicks", (int64_t)p->id.start_ticks);
    sl_json_key_string(j, "bootId", p->id.boot);
    sl_json_key_string(j, "address", p->address);
    sl_json_close(j, '}');
}

sl_code sl_fleet__record_write(const sl_fleet *f, sl_error *err)
{
    sl_bytes text = { 0 };
    char line[sizeof f->master + 1];
    sl_json j;
    sl_json_begin(&j, &text);
    sl_json_open(&j, NULL, '{');
    sl_json_key_int(&j, "format", RECORD_FORMAT);
    sl_json_key_string(&j, "master", f->master);
    process_json(&f->processes[0], "driver", &j);
    sl_json_open(&j, "workers", '[');
    for (uint32_t i = 1; i < f->count; i++)
        process_json(&f->processes[i], NULL, &j);
    sl_json_close(&j, ']');
    sl_json_close(&j, '}');
    sl_bytes_char(&text, '\n');
    snprintf(line, sizeof line, "%s\n", f->master);
    sl_code code = replace(f, "cluster.json", sl_bytes_cstr(&text), err);
    if (code == SL_OK && f->master[0] != '\0')
        code = replace(f, "master", line, err);
    sl_bytes_deinit(&text);
    return code;
}

sl_code sl_fleet__record_remove(const sl_fleet *f, sl_error *err)
{
    static const char *const names[] = { "master", "cluster.json" };
    for (uint32_t i = 0; i < 2; i++) {
        char path[PATH_BYTES];
        path_of(f, names[i], path);
        if (unlink(path) != 0 && errno != ENOENT)
            return sl_fail_errno(err, errno, "cannot remove %s", path);
    }
    return SL_OK;
}

/* ---- read ---- */

static bool take_process(json_t *o, bool is_worker, sl_fleet_process *ret)
{
    json_int_t pid, ticks, number = 0;
    const char *boot, *address;
    if (json_unpack(o, "{s:I, s:I, s:s, s:s, s?:I}", "pid", &pid, "startTicks", &ticks,
                    "bootId", &boot, "address", &address, "number", &number) != 0 ||
        pid < 0 || pid > INT32_MAX || ticks < 0 || number < 0 || number > UINT32_MAX ||
        (number > 0) != is_worker)
        return false;
    *ret = (sl_fleet_process){ .number = (uint32_t)number,
                               .id = { (pid_t)pid, (uint64_t)ticks, "" } };
    snprintf(ret->id.boot, sizeof ret->id.boot, "%s", boot);
    snprintf(ret->address, sizeof ret->address, "%s", address);
    if (is_worker)
        snprintf(ret->name, sizeof ret->name, "worker-%u", ret->number);
    else
        snprintf(ret->name, sizeof ret->name, "driver");
    return true;
}

static bool take_record(sl_fleet *f, json_t *root)
{
    json_t *driver, *workers;
    const char *master;
    int format;
    if (json_unpack(root, "{s:i, s:s, s:o, s:o}", "format", &format, "master", &master,
                    "driver", &driver, "workers", &workers) != 0 ||
        format != RECORD_FORMAT || !take_process(driver, false, &f->processes[0]) ||
        !json_is_array(workers) || json_array_size(workers) > SL_CLUSTER_WORKERS_MAX)
        return false;
    snprintf(f->master, sizeof f->master, "%s", master);
    f->count = 1;
    for (size_t i = 0; i < json_array_size(workers); i++)
        if (!take_process(json_array_get(workers, i), true, &f->processes[f->count++]))
            return false;
    return true;
}

sl_code sl_fleet__record_read(sl_fleet *f, sl_error *err)
{
    char path[PATH_BYTES];
    sl_bytes text = { 0 };
    path_of(f, "cluster.json", path);
    f->count = 0;
    f->master[0] = '\0';
    sl_code code = sl_fs_read_all(sl_fs_posix(), path, RECORD_BYTES_MAX, &text, err);
    if (code == SL_ENOTFOUND)
        return SL_OK;
    if (code != SL_OK)
        return code;
    json_t *root = json_loadb((const char *)text.data, text.size_bytes,
                              JSON_REJECT_DUPLICATES, NULL);
    if (root == NULL || !take_record(f, root)) {
        f->count = 0;
        code = sl_fail(err, SL_ECORRUPT,
                       "%s is not a record of format %d: end the processes it names by "
                       "hand, then remove it",
                       path, RECORD_FORMAT);
    }
    json_decref(root);
    sl_bytes_deinit(&text);
    return code;
}
