/* Where a port may listen (link_zmq.h): loopback and socket files, and what is said of
 * everything else. */
#include "tests/unit/transport/link_rig.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fs.h"

static int set_up(void **state)
{
    *state = rig_new(LINK_IPC);
    return 0;
}

static int tear_down(void **state)
{
    rig_free((struct rig *)*state);
    return 0;
}

static void nothing(void *user, const char *from, uint64_t incarnation, sl_blob *frame)
{
    (void)user;
    (void)from;
    (void)incarnation;
    (void)frame;
}

static sl_code try_to_open(struct rig *r, const char *address, sl_error *err)
{
    sl_channel *c;
    *err = (sl_error){ .code = SL_OK };
    sl_code code =
        sl_channel_new(r->host, r->network, address, 7,
                       (sl_channel_callbacks){ .on_message = nothing }, &c, err);
    if (code == SL_OK)
        sl_channel_free(c);
    return code;
}

static void expect_refused(struct rig *r, const char *address, sl_code code,
                           const char *reason)
{
    sl_error err;
    sl_code got = try_to_open(r, address, &err);
    if (got != code || strstr(err.text, reason) == NULL)
        fail_msg("'%s': code %d, \"%s\"; expected code %d and \"%s\"", address, (int)got,
                 err.text, (int)code, reason);
}

static void expect_opened(struct rig *r, const char *address)
{
    sl_error err;
    if (try_to_open(r, address, &err) != SL_OK)
        fail_msg("'%s': %s", address, err.text);
}

static void open__refuses_every_address_but_loopback_and_says_why(void **state)
{
    static const char *const others[] = {
        "tcp://0.0.0.0:0",       "tcp://192.0.2.1:7077", "tcp://[::]:0", "tcp://*:0",
        "tcp://[2001:db8::1]:1", "tcp://example.org:80", "tcp://eth0:0", "tcp://127.1:0",
        "tcp://128.0.0.1:0",     "tcp://localhost.:0",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        expect_refused(*state, others[i], SL_EINVAL,
                       "only loopback (127.0.0.0/8, ::1, localhost) and ipc can be used, "
                       "because messages are not encrypted");
    expect_opened(*state, "tcp://127.0.0.1:0");
    expect_opened(*state, "tcp://localhost:0");
}

static void dial__refuses_another_host_too(void **state)
{
    struct rig *r = (struct rig *)*state;
    struct end e;
    sl_error err;
    end_open(r, &e, "one", 1);
    sl_blob *b = numbered(0, 4);
    sl_code code = sl_channel_send_blob(e.channel, "tcp://192.0.2.1:7077", b, &err);
    assert_int_equal(code, SL_EINVAL);
    assert_non_null(strstr(err.text, "only loopback"));
    sl_blob_unref(b);
    sl_channel_free(e.channel);
}

static void open__says_what_an_address_lacks(void **state)
{
    static const char *const portless[] = {
        "tcp://127.0.0.1", "tcp://127.0.0.1:",      "tcp://127.0.0.1:x",  "tcp://:7077",
        "tcp://",          "tcp://127.0.0.1:70000", "tcp://127.0.0.1:-1",
    };
    char longest[SL_ADDRESS_BYTES_MAX + 2];
    for (size_t i = 0; i < sizeof portless / sizeof *portless; i++)
        expect_refused(*state, portless[i], SL_EINVAL, "with a port from 0 to 65535");
    expect_refused(*state, "ipc://relative", SL_EINVAL, "needs an absolute path");
    expect_refused(*state, "udp://127.0.0.1:1", SL_EINVAL, "is of no known kind");
    expect_refused(*state, "", SL_EINVAL, "1 to 200 bytes, not 0");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    expect_refused(*state, longest, SL_EINVAL, "1 to 200 bytes, not 201");
}

static void open__with_port_0_takes_a_free_one_and_names_it(void **state)
{
    struct rig *r = (struct rig *)*state;
    struct end one, two;
    end_open_at(r, &one, "tcp://127.0.0.1:0", 1);
    end_open_at(r, &two, "tcp://127.0.0.1:0", 2);
    assert_string_not_equal(end_address(&one), end_address(&two));
    assert_true(atoi(strrchr(end_address(&one), ':') + 1) > 0);
    expect_refused(r, end_address(&one), SL_EEXISTS, end_address(&one));
    send_numbers(&one, end_address(&two), 0, 10);
    expect_received(r, &two, 10);
    sl_channel_free(one.channel);
    sl_channel_free(two.channel);
}

static void open__refuses_a_socket_path_that_is_too_long(void **state)
{
    struct rig *r = (struct rig *)*state;
    char address[256], name[128];
    memset(name, 'n', sizeof name);
    name[107 - strlen(r->directory) - 1] = '\0'; /* 107 bytes in all */
    snprintf(address, sizeof address, "ipc://%s/%s", r->directory, name);
    expect_opened(r, address);
    strcat(address, "n");
    expect_refused(r, address, SL_EINVAL,
                   "has 108 bytes, a socket's may have 107: choose a shorter directory");
}

/* A socket file whose process was killed. */
static void leave_stale_socket(const char *path)
{
    pid_t child = fork(); /* only system calls in it: no thread of ZeroMQ is needed */
    assert_true(child >= 0);
    if (child == 0) {
        struct sockaddr_un at = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (strlen(path) >= sizeof at.sun_path)
            _exit(1);
        memcpy(at.sun_path, path, strlen(path));
        if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
            listen(fd, 1) != 0)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(access(path, F_OK), 0);
}

static void open__replaces_the_socket_of_a_dead_process(void **state)
{
    struct rig *r = (struct rig *)*state;
    struct end one, two;
    char address[SL_ADDRESS_BYTES_MAX + 1];
    rig_address(r, "stale", address);
    leave_stale_socket(address + strlen("ipc://"));
    end_open_at(r, &one, address, 1);
    end_open(r, &two, "two", 2);
    send_numbers(&two, address, 0, 5);
    expect_received(r, &one, 5);
    struct stat st;
    assert_int_equal(stat(address + strlen("ipc://"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600); /* other users stay out */
    sl_channel_free(one.channel);
    sl_channel_free(two.channel);
}

static void open__leaves_a_living_socket_alone(void **state)
{
    struct rig *r = (struct rig *)*state;
    struct end one, two;
    char address[SL_ADDRESS_BYTES_MAX + 1];
    rig_address(r, "living", address);
    end_open_at(r, &one, address, 1);
    expect_refused(r, address, SL_EEXISTS, "another process listens at 'ipc://");
    end_open(r, &two, "two", 2);
    send_numbers(&two, address, 0, 5);
    expect_received(r, &one, 5);
    sl_channel_free(one.channel);
    sl_channel_free(two.channel);
}

static void open__leaves_a_file_that_is_no_socket_alone(void **state)
{
    struct rig *r = (struct rig *)*state;
    char address[SL_ADDRESS_BYTES_MAX + 1], text[8] = { 0 };
    rig_address(r, "notes.txt", address);
    const char *path = address + strlen("ipc://");
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "precious", 8), 8);
    close(fd);
    expect_refused(r, address, SL_EEXISTS, "is there and is no socket");
    fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, text, sizeof text), 8);
    assert_memory_equal(text, "precious", 8);
    close(fd);
    assert_int_equal(unlink(path), 0);
    expect_refused(r, "ipc:///no/such/directory/s", SL_EIO, "/no/such/directory/s");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(open__refuses_every_address_but_loopback_and_says_why),
        T(dial__refuses_another_host_too),
        T(open__says_what_an_address_lacks),
        T(open__with_port_0_takes_a_free_one_and_names_it),
        T(open__refuses_a_socket_path_that_is_too_long),
        T(open__replaces_the_socket_of_a_dead_process),
        T(open__leaves_a_living_socket_alone),
        T(open__leaves_a_file_that_is_no_socket_alone),
    };
    return cmocka_run_group_tests_name("transport/addresses", tests, NULL, NULL);
}
