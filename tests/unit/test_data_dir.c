/* data_dir: a witness is made whole or not at all, whenever its making is cut short; and what has been a witness is
 * never taken for one that was not finished (3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include <breakwater/consensus/node.h>

#include "janitor.h"
#include "killed_at.h"

#define STEPS_MAX 200

static char dir[64];

/* ---- what is done there: 0 is well ---- */

static struct bw_diag said; /* by what ran in this process */

static enum bw_err make(enum bw_roll_origin origin)
{
    struct bw_node_founding founding = {.data_dir = dir,
                                        .member_ids = {1, 2, 3},
                                        .member_count = 3,
                                        .identity = {.cluster_id = {{7}},
                                                     .cluster = "prod",
                                                     .witness_id = 3,
                                                     .election_timeout_ms = 1000,
                                                     .incarnation = {{1}},
                                                     .origin = origin}};

    said = (struct bw_diag){0};
    return origin == BW_ROLL_JOINING ? bw_node_prepare(&founding, &said) : bw_node_bootstrap(&founding, &said);
}

static int make_founder(void)
{
    return make(BW_ROLL_FOUNDER) == BW_OK ? 0 : 1;
}

static int make_joiner(void)
{
    return make(BW_ROLL_JOINING) == BW_OK ? 0 : 1;
}

static enum bw_err look(void)
{
    struct bw_data_dir_identity identity;

    said = (struct bw_diag){0};
    return bw_data_dir_look(dir, &identity, &said);
}

/* Of a name in the directory. */
static const char *path_of(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static bool has(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static void put(const char *name)
{
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static void assert_whole(bool has_log)
{
    struct bw_data_dir_identity identity;
    struct bw_data_dir open;
    bool is_there = !has_log;

    assert_int_equal(bw_data_dir_open(&open, dir, &identity, NULL), BW_OK);
    assert_int_equal(bw_data_dir_has_log(&open, &is_there, NULL), BW_OK);
    bw_data_dir_close(&open);
    assert_int_equal(is_there, has_log);
    assert_int_equal(has("vote"), has_log);
    assert_false(has("unfinished"));
}

/* ---- claims ---- */

static int set_up(void **state)
{
    (void)state;
    (void)strcpy(dir, "/dev/shm/bw-data-dir-XXXXXX"); /* no disk: it is made some hundred times */
    if (mkdtemp(dir) == NULL) {
        (void)strcpy(dir, "/tmp/bw-data-dir-XXXXXX");
        if (mkdtemp(dir) == NULL)
            return -1;
    }
    janitor_add_dir(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    janitor_remove_dir(dir);
    return 0;
}

static void again(void **state)
{
    assert_int_equal(tear_down(state), 0);
    assert_int_equal(set_up(state), 0);
}

/* How often it was cut short before it was a witness. */
static unsigned cut_short_everywhere(void **state, int (*what)(void), bool has_log)
{
    unsigned count = 0;

    for (long n = 0; apart(what, n) != 0; n++) {
        assert_true(n < STEPS_MAX);
        if (!has("identity")) {
            count++;
            assert_int_equal(look(), BW_ERR_NOT_FOUND);
            assert_int_equal(apart(what, -1), 0);
        }
        assert_whole(has_log);
        again(state);
    }
    assert_whole(has_log);
    return count;
}

static void wherever_its_making_is_cut_short_a_witness_can_be_made_there(void **state)
{
    const unsigned founder = cut_short_everywhere(state, make_founder, true);
    unsigned joiner;

    again(state);
    joiner = cut_short_everywhere(state, make_joiner, false);

    print_message("cut short %u times with a log, %u without one\n", founder, joiner);
    assert_true(founder > 10);
    assert_true(joiner > 3);
}

/* Just before its identity has its name: nothing else is left to be done. */
static void leave_unfinished(void **state)
{
    long n = 0;

    while (apart(make_founder, n) != 0 && !has("identity")) {
        assert_true(n++ < STEPS_MAX);
        again(state);
    }
    assert_true(n > 0);
    again(state);
    assert_int_equal(apart(make_founder, n - 1), -1);
    assert_true(has("vote"));
    assert_false(has("identity"));
}

static void what_clears_an_unfinished_one_may_be_cut_short_too(void **state)
{
    unsigned count = 0;
    bool is_done = false;

    for (long n = 0; !is_done; n++) {
        assert_true(n < STEPS_MAX);
        leave_unfinished(state);
        is_done = apart(make_founder, n) == 0;
        if (!has("identity")) {
            count++;
            assert_int_equal(apart(make_founder, -1), 0);
        }
        assert_whole(true);
        again(state);
    }
    assert_true(count > 15); /* more than in an empty one */
}

static void an_unfinished_one_does_not_start_and_says_what_makes_it(void **state)
{
    leave_unfinished(state);

    assert_int_equal(look(), BW_ERR_NOT_FOUND);
    assert_non_null(strstr(said.text, "not finished"));
    assert_non_null(strstr(said.text, "`breakwater witness init`"));
}

/* I2, 3.9: it would have forgotten what it promised. */
static void one_that_lost_its_identity_is_not_taken_for_an_unfinished_one(void **state)
{
    static int (*const makes[])(void) = {make_founder, make_joiner};

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(apart(makes[i], -1), 0);
        assert_int_equal(unlink(path_of("identity")), 0);

        assert_int_equal(make(BW_ROLL_FOUNDING), BW_ERR_EXISTS);
        assert_non_null(strstr(said.text, "is not empty"));
        assert_true(has("raft"));
        assert_int_equal(has("vote"), makes[i] == make_founder);
        assert_false(has("unfinished"));
        again(state);
    }
}

/* Whoever put the mark there: beside an identity it says nothing. */
static void a_witness_with_the_mark_is_a_witness(void **state)
{
    (void)state;
    assert_int_equal(apart(make_founder, -1), 0);
    put("unfinished");

    assert_int_equal(make(BW_ROLL_FOUNDING), BW_ERR_EXISTS);
    assert_non_null(strstr(said.text, "it holds identity"));
    assert_true(has("vote"));
    assert_int_equal(look(), BW_OK);
}

/* Of a witness that has run there is more, also where its identity has its name in memory alone. */
static void what_else_is_in_an_unfinished_one_is_left_alone(void **state)
{
    static const char *const foreign[] = {"notes", "bare", "removed", "generation-1", "raft/open-1",
                                          "raft/metadata2", "raft/snapshot-1-1-1"};

    for (unsigned i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        leave_unfinished(state);
        put(foreign[i]);

        assert_int_equal(make(BW_ROLL_FOUNDER), BW_ERR_EXISTS);
        assert_non_null(strstr(said.text, strrchr(foreign[i], '/') != NULL ? strrchr(foreign[i], '/') + 1 : foreign[i]));
        assert_true(has(foreign[i]));
        assert_true(has("vote"));
        again(state);
    }
}

/* Between the old identity and the new one there is none; `recover` goes on there, and nothing else. */
static void one_whose_recovery_was_begun_is_told_to_go_on_with_it(void **state)
{
    (void)state;
    assert_int_equal(apart(make_founder, -1), 0);
    put("recovery");
    assert_int_equal(unlink(path_of("identity")), 0);

    assert_int_equal(make(BW_ROLL_FOUNDING), BW_ERR_REFUSED);
    assert_non_null(strstr(said.text, "run `breakwater recover` once more"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wherever_its_making_is_cut_short_a_witness_can_be_made_there),
        TEST(what_clears_an_unfinished_one_may_be_cut_short_too),
        TEST(an_unfinished_one_does_not_start_and_says_what_makes_it),
        TEST(one_that_lost_its_identity_is_not_taken_for_an_unfinished_one),
        TEST(a_witness_with_the_mark_is_a_witness),
        TEST(what_else_is_in_an_unfinished_one_is_left_alone),
        TEST(one_whose_recovery_was_begun_is_told_to_go_on_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
