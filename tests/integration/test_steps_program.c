/* The process that runs steps, with a channel that nobody reads for a while. Design 5.1, steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/steps/steps.h>

#include "janitor.h"
#include "lacking.h"
#include "patience.h"
#include "stuck_disk.h"

#define LIMIT_MS 60000 /* of a step: none runs so long */
#define WAIT_MS 20000 /* for what must happen, on an idle machine: patience.h */

static char directory[32];
static int channel[2];
static pid_t child;
static char disk[64]; /* "": no journal is kept */
static pid_t server = -1; /* of the disk */
static struct stuck_process stuck = {.fd = -1};
static const char *first_script = ">\"$0.done\"";

static void put(const char *name, const char *text, char *out_path, size_t size)
{
    FILE *out;

    (void)snprintf(out_path, size, "%s/%s", directory, name);
    out = fopen(out_path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(out_path, 0755), 0);
}

/* `first`, then `last`, which is the point of no return. */
static int make_plan(void)
{
    static struct bw_steps_plan plan;
    const int file = memfd_create("plan", MFD_CLOEXEC);

    plan = (struct bw_steps_plan){.size = sizeof plan,
                                  .action = BW_ACTION_START,
                                  .epoch = 1,
                                  .is_held = true,
                                  .kill_grace_ms = 100,
                                  .count = 2};
    for (uint32_t i = 0; i < plan.count; i++) {
        struct bw_steps_item *item = &plan.items[i];
        const char *name = i == 0 ? "first" : "last";
        char text[256];

        (void)strcpy(item->name, name);
        (void)snprintf(text, sizeof text, "#!/bin/sh\n%s\n", i == 0 ? first_script : ">\"$0.done\"");
        put(name, text, item->script, sizeof item->script);
        item->timeout_ms = LIMIT_MS;
    }
    plan.items[1].rule = (struct bw_step_rule){.needs = 1, .is_point = true};
    if (stuck.pid > 0 || disk[0] != '\0') { /* a plain list */
        plan.is_held = false;
        plan.items[0].rule.retries = 1;
        plan.items[1].rule.is_point = false;
    }
    if (disk[0] != '\0') { /* whose journal goes there */
        (void)snprintf(plan.directory, sizeof plan.directory, "%s", disk);
        (void)snprintf(plan.journal, sizeof plan.journal, "g.steps");
    }
    assert_true(file >= 0);
    assert_int_equal(write(file, &plan, sizeof plan), sizeof plan);
    return file;
}

static void begin(void)
{
    const char *build = getenv("BREAKWATER_BUILD");
    const int plan = make_plan();
    char path[512];

    assert_non_null(build);
    (void)snprintf(path, sizeof path, "%s/breakwater", build);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const int own = fcntl(channel[1], F_DUPFD, BW_SCRIPT_FD_CHANNEL + 1);

        (void)dup2(plan, STDIN_FILENO);
        (void)dup2(own, BW_SCRIPT_FD_CHANNEL);
        (void)execl(path, path, BW_STEPS_VERB, (char *)NULL);
        _exit(127);
    }
    (void)close(plan);
    (void)close(channel[1]);
}

static int set_up(void **state)
{
    (void)state;
    (void)strcpy(directory, "/tmp/breakwater-steps-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    janitor_add_dir(directory);
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel);
}

static int tear_down(void **state)
{
    (void)state;
    if (child > 0) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
    child = 0;
    return close(channel[0]);
}

static bool is_there(const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

/* It has no child, and waits: what it had to say it has tried to. */
static bool is_idle(void)
{
    char path[64];
    char text[512] = "";
    FILE *in;

    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)child, (int)child);
    in = fopen(path, "r");
    if (in == NULL || fgets(text, sizeof text, in) != NULL) {
        if (in != NULL)
            (void)fclose(in);
        return false;
    }
    (void)fclose(in);
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    in = fopen(path, "r");
    if (in == NULL)
        return false;
    if (fgets(text, sizeof text, in) == NULL)
        text[0] = '\0';
    (void)fclose(in);
    return strstr(text, ") S ") != NULL;
}

static void fill(void)
{
    const struct bw_steps_note note = {.kind = BW_STEPS_NOTE_BEGUN};

    while (send(channel[1], &note, sizeof note, MSG_DONTWAIT) > 0)
        continue;
    assert_int_equal(errno, EAGAIN);
}

static bool hears_it_ask(void)
{
    struct pollfd poll_for = {.fd = channel[0], .events = POLLIN};
    struct patience patience = patience_begin(WAIT_MS);
    struct bw_steps_note note;

    for (;;) {
        if (patience_is_over(&patience))
            patience_fail("it asks to pass");
        if (poll(&poll_for, 1, 100) != 1)
            continue;
        if (recv(channel[0], &note, sizeof note, 0) != sizeof note)
            return false; /* it is gone */
        if (note.kind == BW_STEPS_NOTE_ASKS_TO_PASS && note.step == 1)
            return true;
    }
}

static void one_whose_question_was_lost_asks_again(void **state)
{
    const char byte = BW_STEPS_PASS;
    struct patience patience;
    int status = -1;

    (void)state;
    fill();
    begin();
    patience = patience_begin(WAIT_MS);
    while (!(is_there("first.done") && is_idle())) {
        if (patience_is_over(&patience))
            patience_fail("the first step is done");
        (void)usleep(10000);
    }

    assert_true(hears_it_ask());
    assert_true(hears_it_ask()); /* nobody has answered */
    assert_false(is_there("last.done"));
    assert_int_equal(send(channel[0], &byte, sizeof byte, MSG_NOSIGNAL), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    child = 0;
    assert_int_equal(status, 0);
    assert_true(is_there("last.done"));
}

/* ---- a disk that hangs ---- */

static int tear_down_disk(void **state)
{
    if (server >= 0)
        stuck_disk_close(server, disk);
    server = -1;
    disk[0] = '\0';
    return tear_down(state);
}

static void run_all(void)
{
    struct patience patience;
    int status = -1;

    begin();

    patience = patience_begin(WAIT_MS);
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (patience_is_over(&patience))
            patience_fail("all steps end");
        (void)usleep(10000);
    }

    child = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(is_there("first.done") && is_there("last.done"));
}

/* A journal says what need not be done again, and no more: where it cannot be written nobody waits for it. */
static void one_whose_journal_cannot_be_written_ends_all_the_same(void **state)
{
    (void)state;
    (void)snprintf(disk, sizeof disk, "%s/disk", directory);
    assert_int_equal(mkdir(disk, 0700), 0);
    server = stuck_disk_open(disk);
    if (server < 0)
        skip_lacking("fuse");
    run_all();
}

/* ---- a process that /proc does not answer for ---- */

static int tear_down_stuck(void **state)
{
    stuck_process_close(&stuck);
    first_script = ">\"$0.done\"";
    return tear_down(state);
}

/* What a step has left is looked for among all processes, and none of those that are not ours holds a start up. */
static void one_that_cannot_see_what_a_step_has_left_goes_on(void **state)
{
    (void)state;
    if (!stuck_process_open(&stuck))
        skip_lacking("fuse");
    run_all();
}

static void one_that_cannot_see_what_a_failed_try_has_left_tries_again(void **state)
{
    (void)state;
    first_script = "[ $BREAKWATER_STEP_RUN = 2 ] || exit 1\n>\"$0.done\"";
    if (!stuck_process_open(&stuck))
        skip_lacking("fuse");
    run_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_whose_question_was_lost_asks_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_whose_journal_cannot_be_written_ends_all_the_same, set_up,
                                        tear_down_disk),
        cmocka_unit_test_setup_teardown(one_that_cannot_see_what_a_step_has_left_goes_on, set_up,
                                        tear_down_stuck),
        cmocka_unit_test_setup_teardown(one_that_cannot_see_what_a_failed_try_has_left_tries_again, set_up,
                                        tear_down_stuck),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
