/* unix_socket: whole messages or an end that says why, whatever the other side does (design 3.4).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/sys/unix_socket.h>

#include "lacking.h"
#include "patience.h"

struct side {
    struct bw_unix_connection *connection; /* NULL once closed */
    int connected_count;
    int message_count;
    int closed_count;
    enum bw_err closed_err;
    size_t last_size;
    uint8_t last[BW_UNIX_MESSAGE_BYTES_MAX];
    bool echoes;
    bool closes_on_message;
};

struct fixture {
    char dir[64];
    char path[80];
    uv_loop_t loop;
    struct bw_unix_listener listener;
    bool is_listening;
    struct side guard; /* the newest accepted */
    struct side agent;
    struct bw_diag diag;
};

/* ---- callbacks ------------------------------------------------------------------------------- */

static void on_connected(struct bw_unix_connection *connection, void *user)
{
    struct side *side = user;

    (void)connection;
    side->connected_count++;
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct side *side = user;

    side->message_count++;
    side->last_size = size;
    memcpy(side->last, data, size);
    if (side->echoes)
        assert_int_equal(bw_unix_send(connection, data, size, NULL), BW_OK);
    if (side->closes_on_message)
        bw_unix_close(connection);
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct side *side = user;

    (void)connection;
    (void)diag;
    side->closed_count++;
    side->closed_err = err;
    side->connection = NULL;
}

static const struct bw_unix_events events = {on_connected, on_message, on_closed};

static const struct bw_unix_events *on_accepted(struct bw_unix_listener *listener,
                                                struct bw_unix_connection *connection, void *user,
                                                void **out_user)
{
    struct fixture *f = user;

    (void)listener;
    f->guard.connection = connection;
    *out_user = &f->guard;
    return &events;
}

/* ---- set up ---------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof f);
    strcpy(f.dir, "/tmp/bw-unix-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    snprintf(f.path, sizeof f.path, "%s/s", f.dir);
    assert_int_equal(uv_loop_init(&f.loop), 0);
    assert_int_equal(bw_unix_listen(&f.listener, &f.loop, f.path, on_accepted, &f, &f.diag), BW_OK);
    f.is_listening = true;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->guard.connection != NULL)
        bw_unix_close(f->guard.connection);
    if (f->agent.connection != NULL)
        bw_unix_close(f->agent.connection);
    if (f->is_listening)
        bw_unix_listener_close(&f->listener, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    (void)unlink(f->path); /* most tests left none */
    return rmdir(f->dir);
}

static void connect_agent(struct fixture *f)
{
    assert_int_equal(
        bw_unix_connect(&f->loop, f->path, &events, &f->agent, &f->agent.connection, &f->diag),
        BW_OK);
}

static void run_until(struct fixture *f, const int *counter, int count)
{
    while (*counter < count)
        assert_int_not_equal(uv_run(&f->loop, UV_RUN_ONCE), 0);
}

static void connect_both(struct fixture *f)
{
    connect_agent(f);
    run_until(f, &f->agent.connected_count, 1);
    while (f->guard.connection == NULL)
        (void)uv_run(&f->loop, UV_RUN_ONCE); /* it is on its way */
}

/* A client that writes whatever a test wants. */
static int connect_raw(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true(bw_copy_text(address.sun_path, sizeof address.sun_path, f->path));
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void frame(uint8_t *out, const char *payload, size_t size)
{
    bw_put_u32le(out, (uint32_t)size);
    bw_put_u32le(out + 4, bw_crc32c(bw_crc32c(0, out, 4), payload, size));
    memcpy(out + 8, payload, size);
}

static void on_end(uv_timer_t *timer)
{
    (void)timer; /* it is not active any more: that is looked at */
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void messages_of_all_sizes_arrive_whole_both_ways(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 4096, BW_UNIX_MESSAGE_BYTES_MAX};
    static uint8_t data[BW_UNIX_MESSAGE_BYTES_MAX];
    struct fixture *f = *state;

    f->guard.echoes = true;
    connect_both(f);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(data, (int)i + 1, sizeof data);
        assert_int_equal(bw_unix_send(f->agent.connection, data, sizes[i], &f->diag), BW_OK);
        run_until(f, &f->agent.message_count, (int)i + 1);
        assert_int_equal(f->agent.last_size, sizes[i]);
        assert_memory_equal(f->agent.last, data, sizes[i]);
    }
    assert_int_equal(bw_unix_peer_pid(f->guard.connection), getpid());
}

static void message_in_single_bytes_arrives_whole(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[13];
    int fd = connect_raw(f);

    frame(bytes, "hello", 5);
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(f->guard.message_count, 0);
        assert_int_equal(write(fd, bytes + i, 1), 1);
        (void)uv_run(&f->loop, UV_RUN_NOWAIT); /* it may or may not have come yet */
    }
    run_until(f, &f->guard.message_count, 1);
    assert_memory_equal(f->guard.last, "hello", 5);
    assert_int_equal(close(fd), 0);
    run_until(f, &f->guard.closed_count, 1);
    assert_int_equal(f->guard.closed_err, BW_OK);
}

static void any_flipped_bit_of_a_message_is_no_message(void **state)
{
    struct fixture *f = *state;

    for (size_t bit = 0; bit < 8 * 13; bit++) {
        uint8_t bytes[13];
        int fd = connect_raw(f);

        f->guard.closed_count = 0;
        frame(bytes, "hello", 5);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        run_until(f, &f->guard.closed_count, 1);
        assert_true(f->guard.closed_err == BW_ERR_CORRUPT || f->guard.closed_err == BW_ERR_LIMIT);
        assert_int_equal(f->guard.message_count, 0);
        assert_int_equal(close(fd), 0);
    }
}

static void announced_size_beyond_the_limit_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    uint8_t head[8];
    int fd = connect_raw(f);

    memset(head, 0xff, sizeof head);
    bw_put_u32le(head, BW_UNIX_MESSAGE_BYTES_MAX + 1);
    assert_int_equal(write(fd, head, sizeof head), sizeof head);
    run_until(f, &f->guard.closed_count, 1);
    assert_int_equal(f->guard.closed_err, BW_ERR_LIMIT);
    assert_int_equal(close(fd), 0);
}

static void end_in_the_middle_of_a_message_is_told_apart_from_an_end(void **state)
{
    struct fixture *f = *state;
    int fd = connect_raw(f);

    assert_int_equal(write(fd, "\5\0\0\0", 4), 4);
    assert_int_equal(close(fd), 0);
    run_until(f, &f->guard.closed_count, 1);
    assert_int_equal(f->guard.closed_err, BW_ERR_CORRUPT);
}

/* The other side does not read: a bounded queue, then an error, and what was queued arrives. */
static void slow_reader_fills_a_bounded_queue_and_no_more(void **state)
{
    static uint8_t data[10000];
    struct fixture *f = *state;
    int fd = connect_raw(f);
    enum bw_err err = BW_OK;
    size_t sent = 0;
    size_t got = 0;

    while (f->guard.connection == NULL)
        (void)uv_run(&f->loop, UV_RUN_ONCE); /* it is on its way */
    while (err == BW_OK) {
        err = bw_unix_send(f->guard.connection, data, sizeof data, &f->diag);
        sent += err == BW_OK ? sizeof data + BW_UNIX_HEAD_BYTES : 0;
        (void)uv_run(&f->loop, UV_RUN_NOWAIT); /* the kernel takes what it takes */
        assert_true(sent < 64 * 1024 * 1024);
    }
    assert_int_equal(err, BW_ERR_LIMIT);
    assert_int_equal(f->guard.closed_count, 0);
    while (got < sent) {
        uint8_t buffer[4096];
        ssize_t part = read(fd, buffer, sizeof buffer);

        assert_true(part > 0);
        got += (size_t)part;
        (void)uv_run(&f->loop, UV_RUN_NOWAIT); /* the queue moves up */
    }
    assert_int_equal(got, sent);
    assert_int_equal(close(fd), 0);
}

static void message_too_large_is_not_sent(void **state)
{
    static uint8_t data[BW_UNIX_MESSAGE_BYTES_MAX + 1];
    struct fixture *f = *state;

    connect_both(f);
    assert_int_equal(bw_unix_send(f->agent.connection, data, sizeof data, &f->diag), BW_ERR_LIMIT);
}

static void connection_may_be_closed_from_inside_a_callback(void **state)
{
    struct fixture *f = *state;

    f->guard.closes_on_message = true;
    connect_both(f);
    assert_int_equal(bw_unix_send(f->agent.connection, "a", 1, &f->diag), BW_OK);
    assert_int_equal(bw_unix_send(f->agent.connection, "b", 1, &f->diag), BW_OK);
    run_until(f, &f->guard.closed_count, 1);
    assert_int_equal(f->guard.closed_err, BW_ERR_CANCELED);
    assert_int_equal(f->guard.message_count, 1);
    run_until(f, &f->agent.closed_count, 1);
}

static void nobody_listening_is_unreachable(void **state)
{
    struct fixture *f = *state;

    strcat(f->path, "-none");
    connect_agent(f);
    run_until(f, &f->agent.closed_count, 1);
    assert_int_equal(f->agent.closed_err, BW_ERR_UNREACHABLE);
    f->path[strlen(f->path) - 5] = '\0';
}

static void connections_beyond_the_limit_are_closed(void **state)
{
    struct fixture *f = *state;
    int fds[BW_UNIX_CONNECTIONS_MAX + 1];
    char byte;

    for (int i = 0; i <= BW_UNIX_CONNECTIONS_MAX; i++) {
        fds[i] = connect_raw(f);
        f->guard.connection = NULL;
        for (int turn = 0; turn < 50 && f->guard.connection == NULL; turn++)
            (void)uv_run(&f->loop, UV_RUN_NOWAIT); /* the last one never gets that far */
        assert_int_equal(f->guard.connection == NULL, i == BW_UNIX_CONNECTIONS_MAX);
    }
    assert_int_equal(read(fds[BW_UNIX_CONNECTIONS_MAX], &byte, 1), 0);
    for (int i = 0; i <= BW_UNIX_CONNECTIONS_MAX; i++)
        assert_int_equal(close(fds[i]), 0);
    run_until(f, &f->guard.closed_count, BW_UNIX_CONNECTIONS_MAX);
}

/* Of what is short for a while nobody becomes deaf, nor is whoever came meanwhile sent away. */
static void who_connects_while_no_descriptor_is_free_is_heard_afterwards(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    struct rlimit few;
    uint8_t bytes[13];
    int fd;

    (void)uv_run(&f->loop, UV_RUN_NOWAIT); /* the loop has its own descriptors */
    fd = connect_raw(f);
    frame(bytes, "hello", 5);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int turn = 0; turn < 50; turn++)
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_null(f->guard.connection);

    run_until(f, &f->guard.message_count, 1);

    assert_memory_equal(f->guard.last, "hello", 5);
    assert_int_equal(close(fd), 0);
    run_until(f, &f->guard.closed_count, 1);
}

/* One turn says that it is short, and none of the next ones asks again at once. */
static void a_loop_that_lacks_a_descriptor_does_not_spin(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    struct rlimit few;
    uv_timer_t end;
    int turns = 0;
    int fd;

    fd = connect_raw(f);
    assert_int_equal(uv_timer_init(&f->loop, &end), 0);
    assert_int_equal(uv_timer_start(&end, on_end, 350, 0), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (; uv_is_active((uv_handle_t *)&end); turns++)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    uv_close((uv_handle_t *)&end, NULL);
    (void)uv_run(&f->loop, UV_RUN_NOWAIT); /* which lets go of it */

    assert_in_range(turns, 1, 20);
    assert_int_equal(close(fd), 0);
}

static void socket_is_for_its_owner_and_removed_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(lstat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    bw_unix_listener_close(&f->listener, NULL);
    f->is_listening = false;
    assert_int_equal(lstat(f->path, &st), -1);
}

static void second_listener_is_busy_and_leaves_the_first_alone(void **state)
{
    struct fixture *f = *state;
    struct bw_unix_listener second;

    assert_int_equal(bw_unix_listen(&second, &f->loop, f->path, on_accepted, f, &f->diag),
                     BW_ERR_BUSY);
    f->guard.echoes = true;
    connect_both(f);
}

static void abandoned_socket_is_taken_over_and_other_files_are_not(void **state)
{
    struct fixture *f = *state;
    struct bw_unix_listener second;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    bw_unix_listener_close(&f->listener, NULL);
    f->is_listening = false;
    assert_true(bw_copy_text(address.sun_path, sizeof address.sun_path, f->path));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(close(fd), 0); /* like a process that was killed */
    assert_int_equal(bw_unix_listen(&second, &f->loop, f->path, on_accepted, f, &f->diag), BW_OK);
    bw_unix_listener_close(&second, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(close(open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    assert_int_equal(bw_unix_listen(&second, &f->loop, f->path, on_accepted, f, &f->diag),
                     BW_ERR_EXISTS);
    assert_int_equal(access(f->path, F_OK), 0);
}

static void path_too_long_is_an_error_and_not_cut(void **state)
{
    struct fixture *f = *state;
    struct bw_unix_listener second;
    char path[200];

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(bw_unix_listen(&second, &f->loop, path, on_accepted, f, &f->diag),
                     BW_ERR_LIMIT);
    assert_int_equal(
        bw_unix_connect(&f->loop, path, &events, &f->agent, &f->agent.connection, &f->diag),
        BW_ERR_LIMIT);
}

/* Whoever gets past the file's mode is asked for his name. */
static void process_of_another_user_is_not_heard(void **state)
{
    struct fixture *f = *state;
    struct patience patience;
    int rc = -1;
    pid_t other;

    if (geteuid() != 0)
        skip_lacking("root");
    f->guard.echoes = true;
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(chmod(f->path, 0666), 0);
    other = fork();
    if (other == 0) {
        uint8_t bytes[13];
        char byte;
        int fd;

        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(1);
        fd = connect_raw(f);
        frame(bytes, "hello", 5);
        (void)!send(fd, bytes, sizeof bytes, MSG_NOSIGNAL); /* it may be closed already */
        _exit(read(fd, &byte, 1) <= 0 ? 0 : 2);
    }
    patience = patience_begin(20000);
    while (waitpid(other, &rc, WNOHANG) == 0) {
        if (patience_is_over(&patience))
            patience_fail("the other user's process ends");
        (void)uv_run(&f->loop, UV_RUN_NOWAIT); /* until it has seen the end */
        usleep(1000);
    }
    assert_int_equal(rc, 0);
    assert_null(f->guard.connection);
    assert_int_equal(f->guard.message_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_of_all_sizes_arrive_whole_both_ways),
        TEST(message_in_single_bytes_arrives_whole),
        TEST(any_flipped_bit_of_a_message_is_no_message),
        TEST(announced_size_beyond_the_limit_ends_the_connection),
        TEST(end_in_the_middle_of_a_message_is_told_apart_from_an_end),
        TEST(slow_reader_fills_a_bounded_queue_and_no_more),
        TEST(message_too_large_is_not_sent),
        TEST(connection_may_be_closed_from_inside_a_callback),
        TEST(nobody_listening_is_unreachable),
        TEST(connections_beyond_the_limit_are_closed),
        TEST(who_connects_while_no_descriptor_is_free_is_heard_afterwards),
        TEST(a_loop_that_lacks_a_descriptor_does_not_spin),
        TEST(socket_is_for_its_owner_and_removed_at_the_end),
        TEST(second_listener_is_busy_and_leaves_the_first_alone),
        TEST(abandoned_socket_is_taken_over_and_other_files_are_not),
        TEST(path_too_long_is_an_error_and_not_cut),
        TEST(process_of_another_user_is_not_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
