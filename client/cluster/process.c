#include "client/cluster/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

/* The first bytes of a small file of /proc; "" if there is none. */
static void read_small(const char *path, char *ret, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, ret, size - 1) : 0;
    ret[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

static void boot_id(char ret[SL_BOOT_ID_BYTES + 1])
{
    read_small("/proc/sys/kernel/random/boot_id", ret, SL_BOOT_ID_BYTES + 1);
    ret[strcspn(ret, "\n")] = '\0';
}

/* "PID (NAME) STATE ...": the name may have anything in it, so read behind the last ')'.
 * False: there is no such process, or only what is left of it. */
static bool start_of(pid_t pid, uint64_t *ret_ticks)
{
    char path[64], stat[1024], state;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    read_small(path, stat, sizeof stat);
    const char *rest = strrchr(stat, ')');
    return rest != NULL &&
           sscanf(rest,
                  ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                  "%*d %*d %" SCNu64,
                  &state, ret_ticks) == 2 &&
           state != 'Z' && state != 'X';
}

sl_process_id sl_process_identify(pid_t pid)
{
    sl_process_id id = { .pid = pid };
    if (pid <= 0 || !start_of(pid, &id.start_ticks))
        return (sl_process_id){ .pid = 0 };
    boot_id(id.boot);
    return id;
}

/* A descriptor of that very process, or -1. */
static int open_process(const sl_process_id *id)
{
    char boot[SL_BOOT_ID_BYTES + 1];
    uint64_t ticks;
    if (id->pid <= 0)
        return -1;
    boot_id(boot);
    int fd = pidfd_open(id->pid, 0);
    if (fd >= 0 && strcmp(boot, id->boot) == 0 && start_of(id->pid, &ticks) &&
        ticks == id->start_ticks)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

bool sl_process_is_alive(const sl_process_id *id)
{
    int fd = open_process(id);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

bool sl_process_signal(const sl_process_id *id, int number)
{
    int fd = open_process(id);
    if (fd < 0)
        return false;
    bool sent = pidfd_send_signal(fd, number, NULL, 0) == 0;
    close(fd);
    return sent;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool sl_process_wait(const sl_process_id *id, int timeout_ms)
{
    int64_t end = now_ms() + timeout_ms;
    int fd = open_process(id);
    if (fd < 0)
        return true;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int got;
    do {
        int64_t left = end - now_ms();
        got = poll(&p, 1, left > 0 ? (int)left : 0);
    } while (got < 0 && errno == EINTR);
    close(fd);
    return got > 0;
}
