/* breakwater gate, condition: what a real guard shows to who looks at it without a hello.
 * Design 3.4, 5.2. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <breakwater/sys/clock.h>

#include "guard_rig.h"
#include "lacking.h"

#define FENCE_MS   5000
#define LONG_MS    1900000 /* no test takes that long */
#define OUTPUT_MAX 16384

struct result {
    int exit;
    char out[OUTPUT_MAX];
    char err[OUTPUT_MAX];
};

static void read_all(const char *path, char out[OUTPUT_MAX])
{
    FILE *file = fopen(path, "r");
    size_t size;

    assert_non_null(file);
    size = fread(out, 1, OUTPUT_MAX - 1, file);
    out[size] = '\0';
    assert_int_equal(fclose(file), 0);
}

/* The shell runs it, with $B for the program, $S for the guard's socket and $C for its file. */
static pid_t begin(struct rig *rig, const char *command)
{
    char text[2048];
    pid_t child;

    (void)snprintf(text, sizeof text,
                   "exec >%s/out 2>%s/err; B=%s/breakwater; S=%s/run/guard.sock; C=%s/site.yaml; %s",
                   rig->dir, rig->dir, getenv("BREAKWATER_BUILD"), rig->dir, rig->dir, command);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGPIPE, SIG_DFL); /* whoever runs the tests may have it ignored */
        (void)execl("/bin/sh", "sh", "-c", text, (char *)NULL);
        _exit(127);
    }
    return child;
}

/* The rig's agent goes on meanwhile. */
static struct result finish(struct rig *rig, pid_t child)
{
    static struct result result;
    int status = 0;

    while (waitpid(child, &status, WNOHANG) == 0)
        rig_turn(rig);
    assert_true(WIFEXITED(status));
    result.exit = WEXITSTATUS(status);
    read_all(rig_path(rig, "out"), result.out);
    read_all(rig_path(rig, "err"), result.err);
    return result;
}

static struct result ask(struct rig *rig, const char *command)
{
    return finish(rig, begin(rig, command));
}

static void expect(struct rig *rig, const char *command, int exit, const char *out, const char *err)
{
    const struct result result = ask(rig, command);

    if (result.exit != exit || strstr(result.out, out) == NULL || strstr(result.err, err) == NULL)
        fail_msg("%s: exit %d, stdout \"%s\", stderr \"%s\"", command, result.exit, result.out,
                 result.err);
}

#define GATE      "$B gate --group g --socket $S"
#define CONDITION "$B condition --group g --socket $S"

/* The loop that breakwater-condition(1) prints, once, where systemctl says what it is told to. */
#define LOOP                                                                                                           \
    "timeout() { shift 2; $B \"$@\" --socket $S; }; systemctl() { echo \"systemctl $*\"; }; "                            \
    "eval \"$(sed -n 's/--group harbor/--group g/; /case .*breakwater condition/,/esac/p' "                             \
    "\"$BREAKWATER_SOURCE/deploy/man/breakwater-condition.1\")\""

static void it_may_run_while_a_lease_lives(void **state) /* 3.4 */
{
    struct rig *rig = *state;

    rig_guard_start(rig);
    rig_greet(rig);
    expect(rig, GATE, 6, "", "g may not run at ");
    expect(rig, CONDITION, 0, "stop\n", "this site has no lease");
    expect(rig, LOOP, 0, "systemctl stop harbor.service\n", "this site has no lease");
    (void)rig_arm(&rig->agent, 1, LONG_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);

    expect(rig, GATE, 0, "this site has a lease, epoch 1, for 18", "");
    expect(rig, CONDITION, 1, "", "its guard starts it"); /* I1, 3.4, driver */
    assert_int_equal(ask(rig, CONDITION).out[0], '\0');
    expect(rig, LOOP, 0, "", "its guard starts it");
    assert_string_equal(ask(rig, LOOP).out, ""); /* nor is what serves under its lease stopped */
    expect(rig, "$B gate --group h --socket $S", 6, "", "knows no such group");

    rig_agent_close(&rig->agent); /* a lease lives on without an agent */
    expect(rig, GATE, 0, "this site has a lease", "");
}

/* 3.4: what another supervisor starts is the guard's to end, and is not begun where it may not run. */
static void what_enters_ends_with_the_lease(void **state)
{
    struct rig *rig = *state;
    pid_t child;

    expect(rig, "$B enter -c $C g -- echo ran", 5, "", "no permission from the guard");
    rig_guard_start(rig);
    rig_greet(rig);
    expect(rig, "$B enter -c $C g -- echo ran", 6, "", "this site has no lease");
    const struct bw_instant end = rig_arm(&rig->agent, 1, 9000, 3000);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    child = begin(rig, "cd \"$(dirname $C)\"; $B enter -c $C g -- sh -c 'trap : TERM; "
                       "while :; do cut -d\" \" -f1 /proc/uptime >>beats; sleep 0.02; done'");
    assert_int_equal(finish(rig, child).exit, 128 + SIGKILL);
    assert_true(rig_last_beat_ms(rig) > 0);
    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
    expect(rig, "$B enter -c $C g -- echo ran", 6, "", "may not run");

    (void)rig_arm(&rig->agent, 2, LONG_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 2);
    (void)rig_run(&rig->agent, 2, BW_ACTION_START);
    expect(rig, "$B enter -c $C g -- echo ran", 0, "ran\n", "");
    expect(rig, "$B enter -c $C h -- echo ran", 1, "", "has no such group");
    expect(rig, "$B enter -c $C g -- /nowhere/it", 127, "", "run /nowhere/it: No such file");
    /* The guard says yes, and has no cgroup of that name: one that was made for it would be nobody's to end. */
    expect(rig, "sed 's/^site: .*/site: nowhere/' $C >$C.other; $B enter -c $C.other g -- echo ran", 1, "",
           "the guard's cgroup cannot be reached from here");
    expect(rig, "find /sys/fs/cgroup -name 'breakwater-nowhere@*'", 0, "", "");
    expect(rig, "$B enter g -- echo ran", 2, "", "needs -c FILE");
    expect(rig, "sed 's/stop_method: cgroup/stop_method: containers\\n    containers: [g]/' $C >$C.other; "
                "$B enter -c $C.other g -- echo ran",
           1, "", "enter needs stop_method: cgroup");
}

/* 3.4: its supervisor has begun it with that. A service of it that nobody may dump, or that reads no end of a pipe, is
 * another one. */
static void what_enters_is_begun_with_what_was_found(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "found.sh", 0755,
            "#!/bin/sh\numask\nulimit -S -c\ncat /proc/self/coredump_filter\n"
            "grep '^Sig[BI]' /proc/self/status\n");
    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    expect(rig,
           "cd \"$(dirname $C)\"; umask 002; ulimit -S -c \"$(ulimit -H -c)\"; echo 0x33 >/proc/self/coredump_filter; "
           "./found.sh >alone; ASAN_OPTIONS=$ASAN_OPTIONS:disable_coredump=0 $B enter -c $C g -- ./found.sh >entered; diff alone entered && "
           "grep -qx 0002 entered && grep -qx 00000033 entered && echo the same",
           0, "the same\n", "");
}

/* One line, and never 0. */
static void on_any_doubt_it_may_not(void **state)
{
    struct rig *rig = *state;
    struct result result;

    expect(rig, GATE, 5, "", "no permission from the guard at ");
    expect(rig, CONDITION, 0, "stop\n", "no permission from the guard");
    expect(rig, "$B condition --socket $S", 0, "stop\n", "needs --group");
    expect(rig, "$B condition --group g --socket $S --colour", 0, "stop\n", "colour");
    expect(rig, "$B condition --group 'g h' --socket $S", 0, "stop\n", "not a valid name of a group");
    expect(rig, "$B condition --group g --socket $S/nowhere", 0, "stop\n", "no permission from the guard");
    expect(rig, CONDITION " <&-", 0, "stop\n", "no permission from the guard"); /* of what it was begun with */
    expect(rig, CONDITION " 2>&-", 0, "stop\n", "");
    expect(rig, CONDITION " >&-", 1, "", "writing the output failed");
    expect(rig, GATE " <&- >&- 2>&-", 5, "", "");
    result = ask(rig, GATE);
    assert_ptr_equal(strchr(result.err, '\n'), result.err + strlen(result.err) - 1);
}

/* It answered once, and hangs since; who asks does not hang with it. */
static void a_guard_that_hangs_vouches_for_nothing(void **state)
{
    struct rig *rig = *state;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    expect(rig, GATE, 0, "this site has a lease", "");
    assert_int_equal(kill(rig->guard, SIGSTOP), 0);
    expect(rig, CONDITION, 0, "stop\n", "it has not answered for 5.0 s");
    assert_int_equal(kill(rig->guard, SIGCONT), 0);
    expect(rig, GATE, 0, "this site has a lease", "");
}

static void it_waits_until_it_may_and_no_longer(void **state)
{
    struct rig *rig = *state;
    struct result result;
    pid_t waiting;

    rig_guard_start(rig);
    rig_greet(rig);
    expect(rig, GATE " --wait 700ms", 6, "", "waits: g may not run");
    expect(rig, GATE " --wait soon", 2, "", "expected a duration");

    waiting = begin(rig, GATE " --wait 60s");
    while (!rig_has(rig, "err", "waits: g may not run"))
        rig_turn(rig);
    (void)rig_arm(&rig->agent, 1, LONG_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    result = finish(rig, waiting);
    assert_int_equal(result.exit, 0);
    assert_non_null(strstr(result.out, "this site has a lease"));
}

static void once_it_is_fenced_it_may_not(void **state) /* I1 */
{
    struct rig *rig = *state;
    struct bw_guard_run_ended stop;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    stop = rig_run(&rig->agent, 1, BW_ACTION_FENCE);
    assert_int_equal(stop.result, BW_RUN_OK);

    expect(rig, GATE, 6, "", "the guard fences the service, or has fenced it");
}

/* Within 80 columns, and as its schema says. */
static void status_shows_what_the_guard_knows(void **state) /* 5.2 */
{
    struct rig *rig = *state;
    struct result result;

    expect(rig, "$B status --site --socket $S", 5, "", "does not answer at ");
    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    result = ask(rig,
                 "$B status --site --socket $S | tee /dev/stderr | awk 'length > 80 { bad = 1 } "
                 "END { exit bad }'");
    assert_int_equal(result.exit, 0);
    if (strstr(result.err, "may run:  yes: this site has a lease") == NULL ||
        strstr(result.err, "lease:    epoch 1, ends in 18") == NULL ||
        strstr(result.err, "service:  started, seen ") == NULL ||
        strstr(result.err, "script:   start: ok (exit 0), ") == NULL ||
        strstr(result.err, "kill:     by cgroup, not tested") == NULL ||
        strstr(result.err, "failed:") != NULL)
        fail_msg("%s", result.err);

    rig_put(rig, "status.sh", 0755,
            "#!/bin/sh\necho 'cannot open the \033[31mdatabase' >&2\nexit 3\n");
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).result, BW_RUN_FAILED);
    expect(rig, "$B status --site --socket $S g", 0, "failed:   status: failed (exit 3), ", "");
    expect(rig, "$B status --site --socket $S g", 0, "cannot open the ?[31mdatabase", "");
    expect(rig, "$B status --site --socket $S g", 0, "service:  unknown, seen ", "");
    expect(rig, "$B status --site --socket $S h", 1, "", "knows no group \"h\"");
    expect(rig, "$B status --socket $S", 2, "", "--socket goes with --site");
}

/* Its instants mean nothing there; that it has looked they do not deny. */
static void what_another_time_namespace_sees_has_no_age(void **state)
{
    struct rig *rig = *state;

    if (system("unshare -T --fork true 2>/dev/null") != 0)
        skip_lacking("times");
    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    expect(rig, "unshare -T --boottime 1000 --fork $B status --site --socket $S", 3,
           "service:  started, when is not known\n", "");
}

static void a_lease_that_ran_out_is_shown_as_over(void **state)
{
    struct rig *rig = *state;
    pid_t child;

    (void)rig_serve(rig, 8000, 1000); /* to look at it takes a second on a slow machine */
    expect(rig, "$B status --site --socket $S", 0, "the guard has 1 group; the agent is connected to the guard\n",
           "");
    child = begin(rig, "until $B status --site --socket $S | grep -F 'epoch 1, expired'; do "
                       "sleep 0.1; done; $B status --site --socket $S");
    assert_int_equal(finish(rig, child).exit, 3);
}

static void what_it_shows_as_json_is_as_its_schema_says(void **state)
{
    struct rig *rig = *state;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    rig_put(rig, "stop.sh", 0755, "#!/bin/sh\nexit 4\n");
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_FAILED);
    expect(rig,
           "D=$(dirname $(dirname $S)); $B status --site --socket $S -o json >$D/one && "
           "printf '{\"asked\": \"status --site\", \"answer\": %s}\\n' \"$(tr -d '\\n' <$D/one)\" "
           ">$D/all && "
           "cat $D/one && "
           "if /usr/bin/python3 -c 'import jsonschema'; then "
           "$BREAKWATER_SOURCE/tests/support/validate $D/all >&2; fi",
           0, "\"exit_status\": 4", "");
}

/* Readers that stay, or never read, are those who have to go; none of them keeps an agent out. */
static void readers_keep_nobody_out(void **state) /* 3.4 */
{
    struct rig *rig = *state;
    struct bw_guard_message show = {.kind = BW_GUARD_MESSAGE_SHOW, .group = "g"};
    struct rig_agent readers[12];

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    for (size_t i = 0; i < 12; i++) {
        rig_agent_init(rig, &readers[i]);
        rig_agent_connect(rig, &readers[i]);
        rig_send(&readers[i], &show);
        rig_wait(&readers[i], BW_GUARD_MESSAGE_SHOWN, 1);
        assert_int_equal(readers[i].last[BW_GUARD_MESSAGE_SHOWN].shown.armed_epoch, 1);
    }
    rig_wait_closed(&readers[0]);
    assert_non_null(readers[11].connection);
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    rig_greet(rig); /* a new session of the agent gets in beside them */
    expect(rig, GATE, 0, "this site has a lease", "");
    for (size_t i = 0; i < 12; i++)
        rig_agent_close(&readers[i]);
}

/* Who looks says nothing else, and an agent does not look: each is hung up on. */
static void a_reader_is_no_agent(void **state) /* 3.4 */
{
    struct rig *rig = *state;
    struct bw_guard_message show = {.kind = BW_GUARD_MESSAGE_SHOW, .group = "g"};
    struct rig_agent reader;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    rig_agent_init(rig, &reader);
    rig_agent_connect(rig, &reader);
    rig_send(&reader, &show);
    rig_wait(&reader, BW_GUARD_MESSAGE_SHOWN, 1);
    rig_agent_greet(&reader);
    rig_wait_closed(&reader);
    assert_int_equal(reader.count[BW_GUARD_MESSAGE_WELCOME], 0);

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    rig_send(&rig->agent, &show);
    rig_wait_closed(&rig->agent);
}

/* A socket of somebody else's at that path: what it says is not asked for. */
static void the_socket_of_another_user_is_not_believed(void **state)
{
    struct rig *rig = *state;
    char path[100];
    pid_t child;

    if (geteuid() != 0)
        skip_lacking("root"); /* only root can become somebody else */
    (void)snprintf(path, sizeof path, "%s/theirs", rig->dir);
    assert_int_equal(chmod(rig->dir, 01777), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        if (setgid(65534) != 0 || setuid(65534) != 0 ||
            bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0)
            _exit(2);
        (void)pause();
        _exit(0);
    }
    while (access(path, F_OK) != 0)
        rig_turn(rig);

    expect(rig, "$B gate --group g --socket $(dirname $(dirname $S))/theirs", 5, "",
           "only root and user 0 may talk here");
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_may_run_while_a_lease_lives),
        TEST(what_enters_ends_with_the_lease),
        TEST(what_enters_is_begun_with_what_was_found),
        TEST(on_any_doubt_it_may_not),
        TEST(a_guard_that_hangs_vouches_for_nothing),
        TEST(it_waits_until_it_may_and_no_longer),
        TEST(once_it_is_fenced_it_may_not),
        TEST(status_shows_what_the_guard_knows),
        TEST(what_another_time_namespace_sees_has_no_age),
        TEST(a_lease_that_ran_out_is_shown_as_over),
        TEST(what_it_shows_as_json_is_as_its_schema_says),
        TEST(readers_keep_nobody_out),
        TEST(a_reader_is_no_agent),
        TEST(the_socket_of_another_user_is_not_believed),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
