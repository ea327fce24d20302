/* measure - run a command and say what it cost; or say what the machine can do now.
 *
 *   measure run OUT COMMAND...   runs it, writes JSON to OUT: wall, user and system
 *                                seconds, peak resident bytes, how many processes it was,
 *                                when it was started
 *   measure probe DIR            JSON: loop rate of one thread, of two at once, and the
 *                                median of 50 appends with fdatasync in DIR
 *
 * A program of its own because a child's peak memory starts at that of the process it was
 * forked from: this one has next to none.
 *
 * Processor time is of the command and of those of its children it waited for.  Memory of
 * one process is what the kernel says when it has ended; of several, the peak of each as
 * last seen, added: they are looked at every 20 ms, new ones are looked for at first as
 * often and then every 500 ms. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROBE_S 0.15
#define SYNCS 50

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double of_timeval(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* ---- the processes of a command ---- */

#define LOOK_MS 20
#define LOOKS_PER_SEARCH 25
#define FIRST_SEARCHES 10 /* one each look: when children are started */
#define PROCESSES_MAX 512

struct process {
    pid_t pid;
    long long peak_kib; /* greatest resident memory, as last seen */
};

/* The first is the command; members are never removed. */
static struct process family[PROCESSES_MAX];
static int family_count;

static int is_of_family(pid_t pid)
{
    for (int i = 0; i < family_count; i++)
        if (family[i].pid == pid)
            return 1;
    return 0;
}

/* 0: it is gone. */
static pid_t parent_of(pid_t pid)
{
    char path[64], line[512];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    const char *name_end =
        fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : 0;
    if (name_end == NULL || sscanf(name_end, ") %*c %d", &parent) != 1)
        parent = 0;
    fclose(file);
    return parent;
}

/* Children of those known; of these the children the next time. */
static void find_children(void)
{
    DIR *dir = opendir("/proc");
    if (dir == NULL)
        return;
    for (struct dirent *e; (e = readdir(dir)) != NULL && family_count < PROCESSES_MAX;) {
        pid_t pid = (pid_t)atoi(e->d_name);
        if (pid > 0 && !is_of_family(pid) && is_of_family(parent_of(pid)))
            family[family_count++] = (struct process){ .pid = pid };
    }
    closedir(dir);
}

static void look_at(struct process *p)
{
    char path[64], line[256];
    long long kib;
    snprintf(path, sizeof path, "/proc/%d/status", (int)p->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmHWM: %lld", &kib) == 1) {
            p->peak_kib = kib;
            break;
        }
    fclose(file);
}

static long long family_peak_kib(void)
{
    long long sum = 0;
    for (int i = 0; i < family_count; i++)
        sum += family[i].peak_kib;
    return sum;
}

/* ---- run ---- */

static pid_t child;

/* A measured command is stopped through us. */
static void forward(int signal_number)
{
    if (child > 0)
        kill(child, signal_number);
}

/* Sleeps until the child changes state, or the time is over. */
static void wait_for_news(int ms)
{
    sigset_t set;
    struct timespec t = { .tv_nsec = ms * 1000000L };
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigtimedwait(&set, NULL, &t);
}

/* False: it could not be waited for. */
static int watch_until_end(int *ret_status, struct rusage *ret_used)
{
    pid_t ended = 0;
    family[family_count++] = (struct process){ .pid = child };
    for (int looks = 0; ended == 0; looks++) {
        wait_for_news(LOOK_MS);
        if (looks < FIRST_SEARCHES || looks % LOOKS_PER_SEARCH == 0)
            find_children();
        for (int i = 0; i < family_count; i++)
            look_at(&family[i]);
        ended = wait4(child, ret_status, WNOHANG, ret_used);
    }
    return ended == child;
}

static int run(const char *out, char **command)
{
    struct rusage used;
    int status;
    sigset_t news, before;
    struct sigaction action = { .sa_handler = forward };
    double wall_started = seconds(CLOCK_REALTIME), from = seconds(CLOCK_MONOTONIC);
    sigemptyset(&news);
    sigaddset(&news, SIGCHLD);
    sigprocmask(SIG_BLOCK, &news, &before);
    child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(command[0], command);
        fprintf(stderr, "measure: cannot run %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int is_over = child > 0 && watch_until_end(&status, &used);
    double wall = seconds(CLOCK_MONOTONIC) - from;
    FILE *file = is_over ? fopen(out, "w") : NULL;
    if (file == NULL) {
        fprintf(stderr, "measure: cannot run, or write %s: %s\n", out, strerror(errno));
        return 126;
    }
    long long together = family_peak_kib();
    fprintf(file,
            "{\"started\":%.6f,\"wall\":%.6f,\"user\":%.6f,\"system\":%.6f,"
            "\"peak_bytes\":%lld,\"processes\":%d}\n",
            wall_started, wall, of_timeval(used.ru_utime), of_timeval(used.ru_stime),
            (together > used.ru_maxrss ? together : used.ru_maxrss) * 1024, family_count);
    fclose(file);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- probe ---- */

/* Millions of steps of a dependent chain in a second. */
static void *loop_rate(void *user)
{
    double *ret = (double *)user;
    uint64_t z = 1, steps = 0;
    double from = seconds(CLOCK_MONOTONIC), took;
    do {
        for (int i = 0; i < 100000; i++)
            z = z * UINT64_C(6364136223846793005) + 1442695040888963407u;
        steps += 100000;
    } while ((took = seconds(CLOCK_MONOTONIC) - from) < PROBE_S);
    *ret = (double)(steps + (z == 0)) / took / 1e6;
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double sync_us(const char *dir)
{
    double took[SYNCS] = { 0 };
    char name[4096], block[512] = { 0 };
    snprintf(name, sizeof name, "%s/probe", dir);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (int i = 0; fd >= 0 && i < SYNCS; i++) {
        double from = seconds(CLOCK_MONOTONIC);
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block || fdatasync(fd) != 0)
            return -1;
        took[i] = (seconds(CLOCK_MONOTONIC) - from) * 1e6;
    }
    if (fd < 0)
        return -1;
    close(fd);
    unlink(name);
    qsort(took, SYNCS, sizeof *took, compare);
    return took[SYNCS / 2];
}

static int probe(const char *dir)
{
    double alone, pair[2];
    pthread_t thread;
    loop_rate(&alone);
    if (pthread_create(&thread, NULL, loop_rate, &pair[0]) != 0)
        return 1;
    loop_rate(&pair[1]);
    pthread_join(thread, NULL);
    printf("{\"loop_rate\":%.0f,\"two_thread_scaling\":%.2f,\"sync_us\":%.0f}\n", alone,
           (pair[0] + pair[1]) / alone, sync_us(dir));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 4 && strcmp(argv[1], "run") == 0)
        return run(argv[2], argv + 3);
    if (argc == 3 && strcmp(argv[1], "probe") == 0)
        return probe(argv[2]);
    fprintf(stderr, "usage: measure run OUT COMMAND... | measure probe DIR\n");
    return 2;
}
