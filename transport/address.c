#include "transport/address_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/link.h"
#include "transport/link_zmq.h"

#define IPC_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static bool is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static sl_code check_tcp(const char *address, sl_error *err)
{
    const char *host = address + strlen("tcp://");
    const char *colon = strrchr(host, ':');
    char text[SL_ADDRESS_BYTES_MAX];
    if (colon == NULL || colon == host || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || strlen(colon + 1) > 5 ||
        strtol(colon + 1, NULL, 10) > 65535)
        return sl_fail(err, SL_EINVAL,
                       "address '%s' has no port: write tcp://HOST:PORT with a port from "
                       "0 to 65535",
                       address);
    size_t length = (size_t)(colon - host);
    if (host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    }
    memcpy(text, host, length);
    text[length] = '\0';
    if (!is_loopback(text))
        return sl_fail(err, SL_EINVAL,
                       "address '%s' is not of this host: only loopback (127.0.0.0/8, "
                       "::1, localhost) and ipc can be used, because messages are not "
                       "encrypted and peers have no keys yet",
                       address);
    return SL_OK;
}

static sl_code check_ipc(const char *address, sl_error *err)
{
    const char *path = address + strlen("ipc://");
    if (path[0] != '/')
        return sl_fail(err, SL_EINVAL,
                       "address '%s' needs an absolute path: ipc:///DIRECTORY/NAME",
                       address);
    if (strlen(path) > IPC_PATH_MAX)
        return sl_fail(err, SL_EINVAL,
                       "the path of address '%s' has %zu bytes, a socket's may have %zu: "
                       "choose a shorter directory",
                       address, strlen(path), IPC_PATH_MAX);
    return SL_OK;
}

sl_code sl_address__parse(const char *address, sl_address_kind *ret, sl_error *err)
{
    size_t length = strlen(address);
    if (length == 0 || length > SL_ADDRESS_BYTES_MAX)
        return sl_fail(err, SL_EINVAL, "an address has 1 to %u bytes, not %zu",
                       SL_ADDRESS_BYTES_MAX, length);
    if (strncmp(address, "tcp://", 6) == 0) {
        SL_TRY(check_tcp(address, err));
        *ret = SL_ADDRESS_TCP;
        return SL_OK;
    }
    if (strncmp(address, "ipc://", 6) == 0) {
        SL_TRY(check_ipc(address, err));
        *ret = SL_ADDRESS_IPC;
        return SL_OK;
    }
    if (strstr(address, "://") != NULL)
        return sl_fail(err, SL_EINVAL,
                       "address '%s' is of no known kind: use tcp://HOST:PORT or "
                       "ipc:///DIRECTORY/NAME",
                       address);
    *ret = SL_ADDRESS_NAME;
    return SL_OK;
}

sl_code sl_zmq_address_check(const char *address, sl_error *err)
{
    sl_address_kind kind;
    return sl_address__parse(address, &kind, err);
}

/* libzmq removes whatever is at the path before it binds, also a living process's socket:
 * so ask first.  Two processes that ask at the same moment can still both bind; who needs
 * more holds a lock of its own (a driver: its registry's). */
sl_code sl_address__make_free(const char *address, sl_error *err)
{
    const char *path = address + strlen("ipc://");
    struct stat st;
    if (lstat(path, &st) != 0)
        return SL_OK; /* binding says if the directory is missing */
    if (!S_ISSOCK(st.st_mode))
        return sl_fail(err, SL_EEXISTS,
                       "'%s' is there and is no socket: remove it, or "
                       "choose another address",
                       path);
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    strcpy(to.sun_path, path); /* length was checked */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return sl_fail_errno(err, errno, "cannot make a socket");
    bool living = connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EAGAIN;
    close(fd);
    if (living)
        return sl_fail(err, SL_EEXISTS, "another process listens at '%s'", address);
    if (unlink(path) != 0 && errno != ENOENT)
        return sl_fail_errno(err, errno, "cannot remove the stale socket '%s'", path);
    return SL_OK;
}
