#include "client/cluster/master.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"
#include "transport/link_zmq.h"

#define WORKERS_MAX 256

static sl_code unknown(const char *text, sl_error *err)
{
    return sl_fail(
        err, SL_EINVAL,
        "master '%.80s' is not known: use local, local[N] with N from 1 to %d, "
        "local[*], local-cluster[WORKERS,SLOTS], sluice://HOST:PORT or ipc://PATH",
        text, SL_EXECUTORS_MAX);
}

/* "12" of n characters, from 1 to max. */
static bool take_number(const char *text, size_t n, int64_t max, uint32_t *ret)
{
    char number[24] = { 0 };
    int64_t v;
    if (n == 0 || n >= sizeof number)
        return false;
    memcpy(number, text, n);
    if (sl_int64_parse(number, &v, NULL) != SL_OK || v < 1 || v > max)
        return false;
    *ret = (uint32_t)v;
    return true;
}

static bool take_slots(const char *text, size_t n, uint32_t *ret)
{
    if (n == 1 && *text == '*') {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        *ret = processors < 1                  ? 1
               : processors > SL_EXECUTORS_MAX ? SL_EXECUTORS_MAX
                                               : (uint32_t)processors;
        return true;
    }
    return take_number(text, n, SL_EXECUTORS_MAX, ret);
}

sl_code sl_master_address(const char *text, char *ret, sl_error *err)
{
    const char *rest = text;
    int n;
    if (strncmp(text, "ipc://", 6) == 0 || strncmp(text, "tcp://", 6) == 0) {
        n = snprintf(ret, 200, "%s", text);
    } else {
        if (strncmp(text, "sluice://", 9) == 0)
            rest = text + 9;
        const char *colon = strrchr(rest, ':');
        uint32_t port;
        if (colon == NULL || colon == rest ||
            (!take_number(colon + 1, strlen(colon + 1), 65535, &port) &&
             strcmp(colon, ":0") != 0))
            return sl_fail(err, SL_EINVAL,
                           "address '%.80s' is not HOST:PORT, sluice://HOST:PORT or "
                           "ipc://PATH",
                           text);
        n = snprintf(ret, 200, "tcp://%s", rest);
    }
    if (n >= 200)
        return sl_fail(err, SL_EINVAL, "address '%.40s...' is too long", text);
    return sl_zmq_address_check(ret, err);
}

sl_code sl_master_parse(const char *text, sl_master *ret, sl_error *err)
{
    static const char cluster[] = "local-cluster[";
    size_t n = strlen(text);
    *ret = (sl_master){ .kind = SL_MASTER_LOCAL, .slots = 1 };
    if (strcmp(text, "local") == 0)
        return SL_OK;
    if (strncmp(text, "local[", 6) == 0 && text[n - 1] == ']')
        return take_slots(text + 6, n - 7, &ret->slots) ? SL_OK : unknown(text, err);
    if (strncmp(text, cluster, sizeof cluster - 1) == 0 && text[n - 1] == ']') {
        const char *from = text + sizeof cluster - 1, *comma = strchr(from, ',');
        ret->kind = SL_MASTER_LOCAL_CLUSTER;
        if (comma == NULL ||
            !take_number(from, (size_t)(comma - from), WORKERS_MAX, &ret->workers) ||
            !take_slots(comma + 1, (size_t)(text + n - 1 - (comma + 1)), &ret->slots))
            return unknown(text, err);
        return SL_OK;
    }
    if (strncmp(text, "sluice://", 9) != 0 && strncmp(text, "ipc://", 6) != 0)
        return unknown(text, err);
    ret->kind = SL_MASTER_REMOTE;
    return sl_master_address(text, ret->address, err);
}
