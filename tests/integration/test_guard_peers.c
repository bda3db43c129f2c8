/* breakwater guard: who may speak with it. The real program. Design 3.4, 3.9. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "faults.h"
#include "guard_rig.h"
#include "lacking.h"

#define FENCE_MS 5000
#define LONG_MS  1900000 /* no test takes that long */

static void a_second_agent_replaces_the_first(void **state)
{
    struct rig *rig = *state;
    struct rig_agent second;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    rig_agent_init(rig, &second);
    rig_agent_connect(rig, &second);
    rig_agent_greet(&second);
    rig_wait(&second, BW_GUARD_MESSAGE_WELCOME_DONE, 1);
    rig_wait_closed(&rig->agent);

    assert_int_equal(second.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_epoch, 1);
    assert_string_equal(rig_run(&second, 1, BW_ACTION_STATUS).line, "started");
    rig_agent_close(&second);
}

/* 3.4, 3.9: what a hello makes durable may take as long as the disk does; who controls goes on. */
static void a_hello_that_waits_for_the_disk_holds_up_nobody(void **state)
{
    struct rig *rig = *state;
    struct rig_agent second;

    faults_begin(rig_path(rig, "faults"));
    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    faults_end();
    faults_say(rig_path(rig, "faults"), "hang state 3600000\n");
    rig_agent_init(rig, &second);
    second.hello.generation++;
    rig_agent_connect(rig, &second);
    rig_agent_greet(&second);
    for (unsigned i = 2; i < 5; i++) {
        (void)rig_arm(&rig->agent, 1, LONG_MS, FENCE_MS);
        rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, i);
    }
    assert_int_equal(second.count[BW_GUARD_MESSAGE_WELCOME], 0);

    faults_say(rig_path(rig, "faults"), "");
    rig_wait(&second, BW_GUARD_MESSAGE_WELCOME_DONE, 1);
    rig_wait_closed(&rig->agent);
    rig_agent_close(&second);
}

static void expect_refused_hello(struct rig *rig, const struct bw_guard_hello *hello)
{
    struct rig_agent stranger;

    rig_agent_init(rig, &stranger);
    stranger.hello = *hello;
    rig_agent_connect(rig, &stranger);
    rig_agent_greet(&stranger);
    rig_wait(&stranger, BW_GUARD_MESSAGE_HELLO_REFUSED, 1);
    rig_wait_closed(&stranger);
}

/* 3.9: agents of another cluster, an older generation; 3.4: clocks of another boot. */
static void a_wrong_cluster_generation_site_or_boot_is_refused(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_hello hello;

    rig_guard_start(rig);
    rig_greet(rig);
    hello = rig->agent.hello;
    hello.cluster_id.bytes[0] ^= 2;
    expect_refused_hello(rig, &hello);
    hello = rig->agent.hello;
    hello.generation--;
    expect_refused_hello(rig, &hello);
    hello = rig->agent.hello;
    hello.site[0] = 'x';
    expect_refused_hello(rig, &hello);
    hello = rig->agent.hello;
    hello.boot_id.bytes[0] ^= 1;
    expect_refused_hello(rig, &hello);
    hello = rig->agent.hello;
    hello.time_namespace++;
    expect_refused_hello(rig, &hello);

    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
    (void)rig_guard_end(rig, SIGTERM); /* and it is remembered */
    rig_guard_start(rig);
    hello = rig->agent.hello;
    hello.cluster_id.bytes[0] ^= 2;
    expect_refused_hello(rig, &hello);
}

static void before_a_hello_everything_is_refused(void **state)
{
    struct rig *rig = *state;
    struct rig_agent mute;

    rig_guard_start(rig);
    rig_agent_init(rig, &mute);
    rig_agent_connect(rig, &mute);

    (void)rig_arm(&mute, 1, LONG_MS, FENCE_MS);
    rig_wait(&mute, BW_GUARD_MESSAGE_ARM_REFUSED, 1);

    assert_int_equal(mute.last[BW_GUARD_MESSAGE_ARM_REFUSED].refused.why, BW_REFUSAL_NO_HELLO);
    rig_agent_close(&mute);
}

static int dial(const struct rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s",
                   rig_path(rig, "run/guard.sock"));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static void expect_hung_up(struct rig *rig, const void *bytes, size_t size)
{
    const struct timeval patience = {.tv_sec = 60};
    const int fd = dial(rig);
    char answer[16];

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
    assert_true(recv(fd, answer, sizeof answer, 0) <= 0);
    assert_int_equal(close(fd), 0);
}

static void garbage_and_oversized_messages_close_the_connection_only(void **state)
{
    struct rig *rig = *state;
    struct rig_agent chatty;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    expect_hung_up(rig, "GET / HTTP/1.1\r\n\r\n", 18);
    expect_hung_up(rig, "\xff\xff\xff\xff\0\0\0\0", 8);
    rig_agent_init(rig, &chatty);
    rig_agent_connect(rig, &chatty);
    assert_int_equal(bw_unix_send(chatty.connection, "\x01\x02\x03", 3, NULL), BW_OK);
    rig_wait_closed(&chatty);
    rig_agent_connect(rig, &chatty);
    const struct bw_guard_message not_an_agents = {
        .kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1, .group = "g"};
    rig_send(&chatty, &not_an_agents);
    rig_wait_closed(&chatty);

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
}

static void silent_connections_keep_nobody_out(void **state)
{
    struct rig *rig = *state;
    int fds[12];

    rig_guard_start(rig);
    rig_greet(rig);
    for (size_t i = 0; i < 12; i++)
        fds[i] = dial(rig);
    rig_greet(rig);

    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(close(fds[i]), 0);
}

/* Even where file modes would let it in. */
static void another_users_process_is_not_heard(void **state)
{
    struct rig *rig = *state;
    int status;
    pid_t child;

    if (geteuid() != 0)
        skip_lacking("root"); /* only root can become somebody else */
    rig_guard_start(rig);
    rig_greet(rig);
    assert_int_equal(chmod(rig->dir, 0755), 0);
    assert_int_equal(chmod(rig_path(rig, "run"), 0755), 0);
    assert_int_equal(chmod(rig_path(rig, "run/guard.sock"), 0666), 0);
    child = fork();
    if (child == 0) {
        char byte;
        int fd;

        if (setgid(65534) != 0 || setuid(65534) != 0 || (fd = dial(rig)) < 0)
            _exit(2);
        _exit(recv(fd, &byte, 1, 0) <= 0 ? 0 : 1);
    }
    while (waitpid(child, &status, WNOHANG) == 0)
        rig_turn(rig);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
}

/* Whoever tidies up /run takes away the one way to a guard whose restart would cost something. */
static void a_guard_whose_run_directory_is_removed_is_found_there_again(void **state)
{
    struct rig *rig = *state;
    struct rig_agent second;
    struct stat st;
    char command[256];

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    (void)snprintf(command, sizeof command, "until rm -r '%s'; do :; done", rig_path(rig, "run"));
    assert_int_equal(system(command), 0);
    rig_agent_init(rig, &second);
    second.hello.instance = rig->agent.hello.instance;
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started"); /* still connected */

    rig_agent_connect(rig, &second);
    rig_agent_greet(&second);
    rig_wait(&second, BW_GUARD_MESSAGE_WELCOME_DONE, 1);

    assert_int_equal(second.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_epoch, 1);
    assert_int_equal(stat(rig_path(rig, "run"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(rig_has(rig, "log", "event=socket.made_again"));
    rig_agent_close(&second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_second_agent_replaces_the_first),
        TEST(a_wrong_cluster_generation_site_or_boot_is_refused),
        TEST(before_a_hello_everything_is_refused),
        TEST(garbage_and_oversized_messages_close_the_connection_only),
        TEST(silent_connections_keep_nobody_out),
        TEST(a_hello_that_waits_for_the_disk_holds_up_nobody),
        TEST(another_users_process_is_not_heard),
        TEST(a_guard_whose_run_directory_is_removed_is_found_there_again),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
