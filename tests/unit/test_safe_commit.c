/* What a witness knows to be decided is not taken from its log, by a leader that has never heard of it. Design 3.9 (L33). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "safe_io_world.h"

static void write_all(void)
{
    struct raft_io_append *request = world->append;

    world->append = NULL;
    request->cb(request, 0);
}

/* Entries 1 to 5 are here, the last one not on the disk yet, and `commit` are known to be decided. */
static void decide(struct raft_io_append *request, raft_index commit)
{
    static struct raft raft;

    for (raft_index index = 1; index <= 5; index++) {
        if (index > 1)
            write_all();
        append(request, index, RAFT_COMMAND);
    }
    raft = (struct raft){.commit_index = commit};
    io()->data = &raft;
    pass(1, 100);
}

static void what_is_decided_and_on_this_disk_is_noted_once_a_second(void **state)
{
    static struct raft_io_append request;

    (void)state;
    decide(&request, 5);
    assert_int_equal(world->marks, 1);
    assert_int_equal(world->mark.index, 4); /* two others have the fifth */
    assert_int_equal(world->mark.term, 4);

    write_all();
    pass(9, 100);
    assert_int_equal(world->marks, 1);
    pass(1, 100);
    assert_int_equal(world->marks, 2);
    assert_int_equal(world->mark.index, 5);
    pass(20, 100);
    assert_int_equal(world->marks, 2);
    io()->data = NULL;
}

static void leader_that_removes_what_was_decided_is_refused(void **state)
{
    static struct raft_io_append request;

    (void)state;
    decide(&request, 3);
    write_all();
    io()->data = NULL;

    assert_int_equal(io()->truncate(io(), 4), 0);
    assert_int_equal(world->stops, 0); /* of that nobody knew */
    assert_int_equal(io()->truncate(io(), 3), 0);
    assert_int_equal(world->stops, 1);
    assert_int_equal(world->safe.counts.decisions_missed, 1);
    assert_int_equal(world->why, BW_STOP_PERSON);
    assert_non_null(strstr(world->message, "entry 3 (term 4) was decided"));
    assert_non_null(strstr(world->message, "breakwater recover"));
    assert_string_equal(strrchr(world->writes, 'c'), "c4 "); /* nothing was cut after that */
}

static void log_that_lacks_what_was_decided_is_not_started(void **state)
{
    static const enum raft_entry_type types[] = {RAFT_COMMAND};
    const struct bw_commit_mark marks[] = {{1, 4}, {2, 4}, {1, 3}, {0, 0}};
    static const int loads[] = {0, RAFT_CORRUPT, RAFT_CORRUPT, 0};

    (void)state;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        world->mark = marks[i];
        world->entries = entries_of(types, 1);
        world->entry_count = 1;
        world->safe.term_count = 0;
        assert_int_equal(load(), loads[i]);
        if (loads[i] != 0)
            assert_non_null(strstr(io()->errmsg, "was decided"));
    }
    assert_int_equal(world->safe.counts.decisions_missed, 2);
}

static void snapshot_of_an_older_term_than_what_was_decided_is_refused(void **state)
{
    static struct raft_io_append request;
    static struct raft_io_snapshot_put put;
    const struct raft_snapshot snapshot = {.index = 9, .term = 3};

    (void)state;
    decide(&request, 3);
    write_all();
    io()->data = NULL;

    assert_int_equal(io()->snapshot_put(io(), 0, &put, &snapshot, on_put), 0);
    assert_int_equal(world->stops, 1);
    assert_int_equal(world->why, BW_STOP_PERSON);
    assert_null(world->put);
}

/* A leader has all that was decided. */
static void leader_that_lacks_what_another_knows_to_be_decided_is_told_by_index_or_term(void **state)
{
    static struct raft_io_append request;

    (void)state;
    decide(&request, 3);
    write_all();
    io()->data = NULL;

    assert_false(bw_safe_io_lacks_entry(&world->safe, (struct bw_commit_mark){0, 0}));
    assert_false(bw_safe_io_lacks_entry(&world->safe, (struct bw_commit_mark){5, 4}));
    assert_true(bw_safe_io_lacks_entry(&world->safe, (struct bw_commit_mark){6, 4})); /* it ends before that */
    assert_true(bw_safe_io_lacks_entry(&world->safe, (struct bw_commit_mark){5, 3})); /* it has another one there */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_decided_and_on_this_disk_is_noted_once_a_second),
        TEST(leader_that_removes_what_was_decided_is_refused),
        TEST(log_that_lacks_what_was_decided_is_not_started),
        TEST(snapshot_of_an_older_term_than_what_was_decided_is_refused),
        TEST(leader_that_lacks_what_another_knows_to_be_decided_is_told_by_index_or_term),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
