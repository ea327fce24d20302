#include "base/failpoint_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"

#define TEXT_BYTES_MAX 256

struct sl_failpoint {
    char *name; /* SLUICE_FAILPOINT; NULL */
    uint64_t nth;
    _Atomic uint64_t passes;
    char *path; /* SLUICE_FAILPOINT_FILE; NULL */
};

/* "name" or "name:3"; names hold no colon. */
static bool parse(const char *text, size_t *ret_length, uint64_t *ret_nth)
{
    size_t length = strcspn(text, ":");
    *ret_length = length;
    *ret_nth = 1;
    if (text[length] != ':')
        return true;
    char *end = NULL;
    errno = 0;
    long long nth = strtoll(text + length + 1, &end, 10);
    *ret_nth = (uint64_t)nth;
    return errno == 0 && nth >= 1 && *end == '\0';
}

sl_code sl_failpoint_from_environment(sl_failpoint **ret, sl_error *err)
{
    const char *text = getenv("SLUICE_FAILPOINT");
    const char *path = getenv("SLUICE_FAILPOINT_FILE");
    bool has_text = text != NULL && *text != '\0';
    bool has_path = path != NULL && *path != '\0';
    size_t length = 0;
    uint64_t nth = 0;
    *ret = NULL;
    if (has_text && !parse(text, &length, &nth))
        return sl_fail(err, SL_EINVAL,
                       "SLUICE_FAILPOINT is '%.200s'; it must be name or name:nth "
                       "with nth from 1",
                       text);
    if (!has_text && !has_path)
        return SL_OK;
    sl_failpoint *f = (sl_failpoint *)sl_calloc(1, sizeof *f);
    if (has_text) {
        f->name = sl_strdup(text);
        f->name[length] = '\0';
        f->nth = nth;
    }
    f->path = has_path ? sl_strdup(path) : NULL;
    *ret = f;
    return SL_OK;
}

void sl_failpoint_free(sl_failpoint *f)
{
    if (f == NULL)
        return;
    sl_free(f->name);
    sl_free(f->path);
    sl_free(f);
}

_Noreturn static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) /* nothing may happen after the point */
        pause();
}

/* Under the file's lock: is this the pass it waits for? */
static bool count_down(int fd, const char *name)
{
    char text[TEXT_BYTES_MAX];
    size_t length;
    uint64_t left;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (*text == '\0' || !parse(text, &length, &left) || strlen(name) != length ||
        strncmp(text, name, length) != 0)
        return false;
    n = snprintf(text, sizeof text, "%s:%llu", name, (unsigned long long)left - 1);
    if (ftruncate(fd, 0) != 0)
        return false;
    return left == 1 || pwrite(fd, text, (size_t)n, 0) != n;
}

static void pass_file(const char *path, const char *name)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX) == 0 && count_down(fd, name))
        die();
    close(fd);
}

void sl_failpoint_pass(sl_failpoint *f, const char *name)
{
    if (__builtin_expect(f == NULL, 1))
        return;
    if (f->path != NULL)
        pass_file(f->path, name);
    if (f->name != NULL && strcmp(name, f->name) == 0 &&
        atomic_fetch_add(&f->passes, 1) + 1 == f->nth)
        die();
}
