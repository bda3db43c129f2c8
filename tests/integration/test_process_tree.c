/* process_tree: who belongs to it, by real processes (design 3.4, reach). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/sys/process_tree.h>

#define MEMBERS_MAX 16
#define SLEEP_S     "120" /* ends by itself, whatever happens to the test */

struct family {
    char mark[64];
    pid_t leader; /* of a session of its own, without the mark */
    pid_t marked; /* with it, in that session */
    pid_t other;  /* without it, in that session */
};

static void be_sleep(const char *mark)
{
    char *const arguments[] = {(char *)"sleep", (char *)SLEEP_S, NULL};
    char *const environment[] = {(char *)mark, NULL};

    (void)execve("/bin/sleep", arguments, environment);
    _exit(127);
}

/* The leader tells the pids of its children, and lives until its input ends. */
static void lead(const char *mark, int in, int out)
{
    pid_t children[2];
    char byte;

    if (setsid() < 0)
        _exit(1);
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0)
            be_sleep(i == 0 ? mark : NULL);
    }
    if (write(out, children, sizeof children) != sizeof children)
        _exit(1);
    _exit(read(in, &byte, 1) == 0 ? 0 : 1);
}

static int to_leader = -1;

static int set_up(void **state)
{
    static struct family family;
    int in[2];
    int out[2];
    pid_t children[2];

    (void)snprintf(family.mark, sizeof family.mark, BW_PROCESS_MARK "tree-%ld", (long)getpid());
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    family.leader = fork();
    assert_true(family.leader >= 0);
    if (family.leader == 0) {
        (void)close(in[1]);
        lead(family.mark, in[0], out[1]);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    to_leader = in[1];
    assert_int_equal(read(out[0], children, sizeof children), sizeof children);
    (void)close(out[0]);
    family.marked = children[0];
    family.other = children[1];
    *state = &family;
    return 0;
}

/* The leader ends by itself; its children are not ours to reap. */
static void end_leader(struct family *family)
{
    if (to_leader < 0)
        return;
    (void)close(to_leader);
    to_leader = -1;
    assert_int_equal(waitpid(family->leader, NULL, 0), family->leader);
}

static int tear_down(void **state)
{
    struct family *family = *state;

    (void)kill(family->marked, SIGKILL);
    (void)kill(family->other, SIGKILL);
    end_leader(family);
    return 0;
}

/* Until the marked one has come to its exec. */
static bool has_member(const struct family *family, pid_t pid)
{
    const struct bw_process_tree tree = {.mark = family->mark};
    pid_t pids[MEMBERS_MAX];
    size_t count = 0;
    bool has_marked = false;
    bool has = false;

    while (!has_marked) {
        assert_int_equal(bw_process_tree_round(&tree, 0, pids, MEMBERS_MAX, &count, NULL), BW_OK);
        has = false;
        for (size_t i = 0; i < count; i++) {
            has_marked = has_marked || pids[i] == family->marked;
            has = has || pids[i] == pid;
        }
    }
    return has;
}

/* A guard whose child has just come to its exec must not be taken for what it has started. */
static void who_leads_a_session_is_no_member_because_a_member_is_in_it(void **state)
{
    struct family *family = *state;

    assert_false(has_member(family, family->leader));
    assert_false(has_member(family, family->other));
}

static void in_a_session_whose_leader_has_gone_all_are_members(void **state)
{
    struct family *family = *state;

    end_leader(family);

    assert_true(has_member(family, family->other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_leads_a_session_is_no_member_because_a_member_is_in_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(in_a_session_whose_leader_has_gone_all_are_members, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
