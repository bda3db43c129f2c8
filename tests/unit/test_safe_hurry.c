/* L34 of safe_io with libraft's own code: a new entry leaves at once, to each follower that has all before it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "raft_member.h"

#define TERM         5
#define LEADER       1
#define PROMPT       2 /* a follower that answers at once */
#define LATE         3 /* one that answers after the leader's next check of the majority */
#define HEARTBEAT_MS 100

static struct member *leader;

static void answer(raft_id from, raft_index last)
{
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES_RESULT,
                                   .server_id = from,
                                   .server_address = from == PROMPT ? "2" : "3",
                                   .append_entries_result = {.term = TERM, .last_log_index = last}};

    leader->receive(&leader->safe.io, &message);
}

static void tick(void)
{
    leader->now_ms += HEARTBEAT_MS;
    leader->tick(&leader->safe.io);
}

static raft_index submit(struct raft_apply *apply)
{
    struct raft_buffer buffer = {.base = raft_calloc(1, 8), .len = 8};

    assert_non_null(buffer.base);
    assert_int_equal(raft_apply(&leader->raft, apply, &buffer, 1, NULL), 0);
    return raft_last_index(&leader->raft);
}

static void write_it(void)
{
    struct raft_io_append *append = leader->append;

    leader->append = NULL;
    append->cb(append, 0);
}

/* Leads; entry 2 is on every disk. */
static int setup(void **state)
{
    static struct raft_apply apply;
    const struct raft_message vote = {.type = RAFT_REQUEST_VOTE_RESULT,
                                      .server_id = PROMPT,
                                      .server_address = "2",
                                      .request_vote_result = {.term = TERM, .vote_granted = true}};
    struct raft_message message = vote;

    (void)state;
    leader = start(LEADER, "1", TERM - 1);
    raft_set_heartbeat_timeout(&leader->raft, HEARTBEAT_MS);
    leader->now_ms = 10000;
    leader->tick(&leader->safe.io);
    leader->receive(&leader->safe.io, &message);
    assert_int_equal(raft_state(&leader->raft), RAFT_LEADER);
    answer(PROMPT, 1);
    answer(LATE, 1);
    assert_int_equal(submit(&apply), 2);
    write_it();
    answer(PROMPT, 2);
    answer(LATE, 2);
    memset(leader->messages, 0, sizeof leader->messages);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    end(leader);
    return 0;
}

/* It answers each heartbeat, but after the leader has counted whom it hears: libraft probes it from then on. */
static void answer_late(raft_index last)
{
    tick();
    answer(PROMPT, last);
    tick();
    answer(PROMPT, last);
    answer(LATE, last);
}

static void a_new_entry_leaves_at_once_to_a_follower_that_answers_late(void **state)
{
    static struct raft_apply apply;
    raft_index index;

    (void)state;
    answer_late(2);
    index = submit(&apply);
    assert_int_equal(leader->messages[PROMPT], 1);
    assert_int_equal(leader->messages[LATE], 0); /* libraft keeps it until its next heartbeat */

    bw_safe_io_hurry(&leader->safe);

    assert_int_equal(leader->messages[PROMPT], 1);
    assert_int_equal(leader->messages[LATE], 1);
    assert_int_equal(leader->entries[LATE].prev_log_index, index - 1);
    assert_int_equal(leader->entries[LATE].prev_log_term, TERM);
    assert_int_equal(leader->entries[LATE].n_entries, 1);
    assert_int_equal(leader->entries[LATE].term, TERM);
    assert_int_equal(leader->safe.counts.entries_hurried, 1);
}

/* With its own disk it is a majority, before libraft would have sent it anything. */
static void its_answer_commits(void **state)
{
    static struct raft_apply apply;
    raft_index index;

    (void)state;
    answer_late(2);
    index = submit(&apply);
    bw_safe_io_hurry(&leader->safe);
    write_it();
    assert_int_equal(raft_commit_index(&leader->raft), index - 1);
    answer(LATE, index);
    assert_int_equal(raft_commit_index(&leader->raft), index);
}

static void what_libraft_has_sent_is_not_sent_again(void **state)
{
    static struct raft_apply apply;

    (void)state;
    (void)submit(&apply);
    bw_safe_io_hurry(&leader->safe);
    bw_safe_io_hurry(&leader->safe);
    assert_int_equal(leader->messages[PROMPT], 1);
    assert_int_equal(leader->messages[LATE], 1);
    assert_int_equal(leader->safe.counts.entries_hurried, 0);
}

/* It would refuse what it has nothing before of. */
static void a_follower_that_lacks_an_entry_before_gets_it_from_libraft(void **state)
{
    static struct raft_apply apply[2];

    (void)state;
    answer_late(2);
    (void)submit(&apply[0]);
    write_it();
    (void)submit(&apply[1]);
    bw_safe_io_hurry(&leader->safe);
    assert_int_equal(leader->messages[LATE], 0);
    tick();
    assert_int_equal(leader->messages[LATE], 1);
    assert_int_equal(leader->entries[LATE].n_entries, 2);
}

/* libraft frees its copy then. */
static void what_is_written_meanwhile_is_left_to_libraft(void **state)
{
    static struct raft_apply apply;

    (void)state;
    answer_late(2);
    (void)submit(&apply);
    write_it();
    bw_safe_io_hurry(&leader->safe);
    assert_int_equal(leader->messages[LATE], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_entry_leaves_at_once_to_a_follower_that_answers_late),
        TEST(its_answer_commits),
        TEST(what_libraft_has_sent_is_not_sent_again),
        TEST(a_follower_that_lacks_an_entry_before_gets_it_from_libraft),
        TEST(what_is_written_meanwhile_is_left_to_libraft),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
