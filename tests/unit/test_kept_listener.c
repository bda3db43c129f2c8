/* kept_listener: who looks for a daemon at its socket's path finds it there again, whoever has tidied up; and nobody
 * who answers there is sent away (design 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <breakwater/sys/kept_listener.h>

#define LOOK_MS 5

struct fixture {
    char dir[64];      /* of the test */
    char run_dir[80];  /* in it, made by the test */
    char path[96];     /* in that */
    char other[80];
    char log_file[80];
    uv_loop_t loop;
    uv_timer_t tick; /* so that no turn of the loop waits for ever */
    struct bw_log log;
    struct bw_kept_listener kept;
    struct bw_unix_connection *accepted; /* the newest; NULL: closed, or none */
    int accepted_count;
    int message_count;
    struct bw_diag diag;
};

/* ---- callbacks ---------------------------------------------------------------------------------- */

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    (void)connection;
    (void)data;
    (void)size;
    ((struct fixture *)user)->message_count++;
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct fixture *f = user;

    (void)err;
    (void)diag;
    if (f->accepted == connection)
        f->accepted = NULL;
}

static const struct bw_unix_events *on_accepted(struct bw_unix_listener *listener,
                                                struct bw_unix_connection *connection, void *user,
                                                void **out_user)
{
    static const struct bw_unix_events events = {.on_message = on_message, .on_closed = on_closed};
    struct fixture *f = user;

    (void)listener;
    f->accepted = connection;
    f->accepted_count++;
    *out_user = f;
    return &events;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* the turn is over: that is all */
}

/* ---- set up ------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof f);
    (void)strcpy(f.dir, "/tmp/bw-kept-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.run_dir, sizeof f.run_dir, "%s/run", f.dir);
    (void)snprintf(f.path, sizeof f.path, "%s/s", f.run_dir);
    (void)snprintf(f.other, sizeof f.other, "%s/other", f.dir);
    (void)snprintf(f.log_file, sizeof f.log_file, "%s/log", f.dir);
    assert_int_equal(mkdir(f.run_dir, 0700), 0);
    bw_log_init(&f.log, "guard", BW_LOG_INFO);
    bw_log_deinit(&f.log); /* its file is another than stderr */
    f.log.fd = open(f.log_file, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    assert_true(f.log.fd >= 0);
    assert_int_equal(uv_loop_init(&f.loop), 0);
    assert_int_equal(uv_timer_init(&f.loop, &f.tick), 0);
    assert_int_equal(uv_timer_start(&f.tick, on_tick, 1, 1), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];

    bw_kept_listener_close(&f->kept);
    if (f->accepted != NULL)
        bw_unix_close(f->accepted);
    uv_close((uv_handle_t *)&f->tick, NULL);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(close(f->log.fd), 0);
    (void)snprintf(command, sizeof command, "rm -r '%s'", f->dir);
    return system(command);
}

static enum bw_err open_kept(struct fixture *f, const char *dir)
{
    const struct bw_kept_config config = {.path = f->path,
                                          .dir = dir,
                                          .look_ms = LOOK_MS,
                                          .on_accepted = on_accepted,
                                          .user = f,
                                          .log = &f->log};

    return bw_kept_listener_open(&f->kept, &f->loop, &config, &f->diag);
}

/* A client; -1: nobody answers. */
static int connect_to(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", f->path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    assert_int_equal(close(fd), 0);
    return -1;
}

/* Another daemon that lives. */
static int listen_as_another(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", f->path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

static int count_in_log(const struct fixture *f, const char *text)
{
    static char log[64 * 1024];
    const ssize_t size = pread(f->log.fd, log, sizeof log - 1, 0);
    int count = 0;

    assert_true(size >= 0);
    log[size] = '\0';
    for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void run_until_log(struct fixture *f, const char *text, int count)
{
    while (count_in_log(f, text) < count)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
}

/* Many looks, of which none changes anything. */
static void run_for_looks(struct fixture *f)
{
    const uint64_t end_ms = (uv_update_time(&f->loop), uv_now(&f->loop) + 20 * LOOK_MS);

    while (uv_now(&f->loop) < end_ms)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
}

static void assert_answers(struct fixture *f)
{
    const int before = f->accepted_count;
    const int fd = connect_to(f);

    assert_true(fd >= 0);
    while (f->accepted_count == before)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(close(fd), 0);
    while (f->accepted != NULL)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
}

/* ---- claims ------------------------------------------------------------------------------------- */

static void a_socket_that_was_removed_is_there_again_and_who_was_connected_still_is(void **state)
{
    static const uint8_t empty[BW_UNIX_HEAD_BYTES] = {0, 0, 0, 0, 0xc7, 0x4b, 0x67, 0x48};
    struct fixture *f = *state;
    struct bw_unix_connection *first;
    struct stat st;
    int fd;

    assert_int_equal(open_kept(f, NULL), BW_OK);
    fd = connect_to(f);
    while (f->accepted == NULL)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    first = f->accepted;
    assert_int_equal(unlink(f->path), 0);

    run_until_log(f, "event=socket.made_again", 1);

    assert_int_equal(lstat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(write(fd, empty, sizeof empty), sizeof empty);
    while (f->message_count == 0) {
        assert_ptr_equal(f->accepted, first);
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_answers(f);
    bw_unix_close(first);
    assert_int_equal(close(fd), 0);
    run_for_looks(f);
    assert_int_equal(count_in_log(f, "event="), 1);
    assert_int_equal(count_in_log(f, "error=\"somebody has removed it\""), 1);
}

static void a_socket_that_stays_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct stat before, after;

    assert_int_equal(open_kept(f, NULL), BW_OK);
    assert_int_equal(lstat(f->path, &before), 0);

    run_for_looks(f);

    assert_int_equal(lstat(f->path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(count_in_log(f, "event="), 0);
    assert_int_equal(f->accepted_count, 0);
}

static void another_daemon_that_answers_there_is_left_alone_until_it_goes(void **state)
{
    struct fixture *f = *state;
    int other;

    assert_int_equal(open_kept(f, NULL), BW_OK);
    assert_int_equal(unlink(f->path), 0);
    other = listen_as_another(f);

    run_until_log(f, "event=socket.listen_failed", 1);
    run_for_looks(f);

    assert_int_equal(f->accepted_count, 0);
    assert_int_equal(close(connect_to(f)), 0);
    assert_int_equal(count_in_log(f, "another process answers there"), 1);
    assert_int_equal(count_in_log(f, "event=socket.made_again"), 0);
    assert_int_equal(close(other), 0); /* its file is left, as when it is killed */
    run_until_log(f, "event=socket.made_again", 1);
    assert_answers(f);
    assert_int_equal(count_in_log(f, "another file was in its place"), 1);
}

static void a_directory_that_was_removed_is_made_again_for_its_owner_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(open_kept(f, f->run_dir), BW_OK);
    assert_int_equal(unlink(f->path), 0);
    (void)rmdir(f->run_dir); /* it may be back already */

    run_until_log(f, "event=socket.made_again", 1);

    assert_answers(f);
    assert_int_equal(lstat(f->run_dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void without_its_directory_it_says_what_to_do_and_tries_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_kept(f, NULL), BW_OK);
    assert_int_equal(rename(f->run_dir, f->other), 0);

    run_until_log(f, "event=socket.listen_failed", 1);
    run_for_looks(f);

    assert_int_equal(count_in_log(f, "event="), 1);
    assert_int_equal(count_in_log(f, "next=\"see to its directory"), 1);
    assert_int_equal(mkdir(f->run_dir, 0700), 0);
    run_until_log(f, "event=socket.made_again", 1);
    assert_answers(f);
}

/* As an agent begins whose guard has not made the directory yet: nothing is said of it here. */
static void one_that_cannot_listen_yet_does_once_it_can(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(rmdir(f->run_dir), 0);
    assert_int_not_equal(open_kept(f, NULL), BW_OK);
    assert_non_null(f->kept.worker);
    run_for_looks(f);
    assert_int_equal(mkdir(f->run_dir, 0700), 0);
    while (!f->kept.is_listening)
        (void)uv_run(&f->loop, UV_RUN_ONCE);

    assert_answers(f);
    assert_int_equal(count_in_log(f, "event="), 0);
}

static void a_path_that_is_too_long_is_not_opened(void **state)
{
    struct fixture *f = *state;
    char path[200];
    const struct bw_kept_config config = {
        .path = path, .on_accepted = on_accepted, .user = f, .log = &f->log};

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';

    assert_int_equal(bw_kept_listener_open(&f->kept, &f->loop, &config, &f->diag), BW_ERR_LIMIT);
    assert_null(f->kept.worker);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_socket_that_was_removed_is_there_again_and_who_was_connected_still_is),
        TEST(a_socket_that_stays_is_left_alone),
        TEST(another_daemon_that_answers_there_is_left_alone_until_it_goes),
        TEST(a_directory_that_was_removed_is_made_again_for_its_owner_alone),
        TEST(without_its_directory_it_says_what_to_do_and_tries_again),
        TEST(one_that_cannot_listen_yet_does_once_it_can),
        TEST(a_path_that_is_too_long_is_not_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
