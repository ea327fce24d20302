/* measure - run a command and say what it cost; or say what the machine can do now.
 *
 *   measure run OUT COMMAND...   runs it, writes JSON to OUT: wall, user and system
 *                                seconds, peak resident bytes, when it was started
 *   measure probe DIR            JSON: loop rate of one thread, of two at once, and the
 *                                median of 50 appends with fdatasync in DIR
 *
 * A program of its own because a child's peak memory starts at that of the process it was
 * forked from: this one has next to none.  Only the command itself is counted, with those
 * of its children it waited for. */
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

/* ---- run ---- */

static pid_t child;

/* A measured command is stopped through us. */
static void forward(int signal_number)
{
    if (child > 0)
        kill(child, signal_number);
}

static int run(const char *out, char **command)
{
    struct rusage used;
    int status;
    struct sigaction action = { .sa_handler = forward };
    double wall_started = seconds(CLOCK_REALTIME), from = seconds(CLOCK_MONOTONIC);
    child = fork();
    if (child == 0) {
        execvp(command[0], command);
        fprintf(stderr, "measure: cannot run %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    while (child > 0 && wait4(child, &status, 0, &used) < 0)
        if (errno != EINTR)
            child = -1;
    double wall = seconds(CLOCK_MONOTONIC) - from;
    FILE *file = child > 0 ? fopen(out, "w") : NULL;
    if (file == NULL) {
        fprintf(stderr, "measure: cannot run, or write %s: %s\n", out, strerror(errno));
        return 126;
    }
    fprintf(file,
            "{\"started\":%.6f,\"wall\":%.6f,\"user\":%.6f,\"system\":%.6f,"
            "\"peak_bytes\":%lld}\n",
            wall_started, wall, of_timeval(used.ru_utime), of_timeval(used.ru_stime),
            (long long)used.ru_maxrss * 1024);
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
