/* L15 of safe_io with libraft's own code: what a follower answers to a leader of an old term, and
 * what becomes of that answer. I3: what is committed is on a majority. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "raft_member.h"

#define OLD_TERM 4
#define TERM     5
#define LEADER   1
#define FOLLOWER 3
/* What the stack holds where libraft writes nothing: beyond each log. */
#define PAINT       0xa5
#define PAINT_BYTES 16384

/* ---- its story ------------------------------------------------------------------------------- */

/* Frames that a call leaves behind are whatever was there before. */
static void __attribute__((noinline)) paint_stack(void)
{
    volatile uint8_t paint[PAINT_BYTES];

    for (size_t i = 0; i < sizeof paint; i++)
        paint[i] = PAINT;
    assert_int_equal(paint[sizeof paint - 1], PAINT);
}

/* What a member of TERM answers to the leader of OLD_TERM. */
static struct raft_append_entries_result answer_to(struct raft_message message)
{
    struct member *follower = start(FOLLOWER, "3", TERM);
    struct raft_message sent;

    message.server_id = LEADER;
    message.server_address = "1";
    paint_stack();
    follower->receive(&follower->safe.io, &message);
    sent = follower->sent;
    assert_int_equal(sent.type, RAFT_APPEND_ENTRIES_RESULT);
    assert_int_equal(sent.server_id, LEADER);
    assert_int_equal(follower->safe.counts.refusals_filled, 1);
    end(follower);
    return sent.append_entries_result;
}

static struct raft_message snapshot(void)
{
    struct raft_message message = {
        .type = RAFT_INSTALL_SNAPSHOT,
        .install_snapshot = {
            .term = OLD_TERM, .last_index = 9, .last_term = OLD_TERM, .conf_index = 1}};

    raft_configuration_init(&message.install_snapshot.conf);
    message.install_snapshot.data = (struct raft_buffer){.base = raft_malloc(8), .len = 8};
    assert_non_null(message.install_snapshot.data.base);
    return message;
}

static struct raft_message entries_after(raft_index index)
{
    return (struct raft_message){
        .type = RAFT_APPEND_ENTRIES,
        .append_entries = {.term = OLD_TERM, .prev_log_index = index, .prev_log_term = 1}};
}

/* Member 1 leads TERM by the vote of member 2; entry 2 is on its disk, and on no other. */
static struct member *start_leader(struct raft_apply *apply)
{
    struct member *leader = start(LEADER, "1", OLD_TERM);
    struct raft_message vote = {.type = RAFT_REQUEST_VOTE_RESULT,
                                .server_id = 2,
                                .server_address = "2",
                                .request_vote_result = {.term = TERM, .vote_granted = true}};
    struct raft_buffer buffer = {.base = raft_calloc(1, 8), .len = 8};

    leader->now_ms = 10000;
    leader->tick(&leader->safe.io);
    leader->receive(&leader->safe.io, &vote);
    assert_int_equal(raft_state(&leader->raft), RAFT_LEADER);
    assert_int_equal(raft_current_term(&leader->raft), TERM);
    assert_non_null(buffer.base);
    assert_int_equal(raft_apply(&leader->raft, apply, &buffer, 1, NULL), 0);
    return leader;
}

static raft_index committed_by(struct raft_append_entries_result answer)
{
    static struct raft_apply apply;
    struct member *leader = start_leader(&apply);
    struct raft_io_append *append = leader->append;
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES_RESULT,
                                   .server_id = FOLLOWER,
                                   .server_address = "3",
                                   .append_entries_result = answer};
    raft_index committed;

    leader->append = NULL;
    append->cb(append, 0);
    leader->receive(&leader->safe.io, &message);
    committed = raft_commit_index(&leader->raft);
    end(leader);
    return committed;
}

/* The leader of OLD_TERM was elected again, in TERM, before it hears how its snapshot fared. */
static void a_refused_snapshot_commits_nothing(void **state)
{
    (void)state;
    assert_int_equal(committed_by(answer_to(snapshot())), 1);
}

static void refused_entries_at_the_beginning_of_the_log_commit_nothing(void **state)
{
    (void)state;
    assert_int_equal(committed_by(answer_to(entries_after(0))), 1);
}

/* So that the two above cannot pass by themselves: an acknowledgement does commit. */
static void an_acknowledgement_commits(void **state)
{
    (void)state;
    assert_int_equal(
        committed_by((struct raft_append_entries_result){.term = TERM, .last_log_index = 2}), 2);
}

static void a_refusal_tells_the_term_and_no_index_of_its_own(void **state)
{
    struct raft_append_entries_result answer = answer_to(entries_after(7));

    (void)state;
    assert_int_equal(answer.term, TERM);
    assert_true(answer.rejected > answer.last_log_index);
    assert_int_equal(answer.last_log_index, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_snapshot_commits_nothing),
        cmocka_unit_test(refused_entries_at_the_beginning_of_the_log_commit_nothing),
        cmocka_unit_test(an_acknowledgement_commits),
        cmocka_unit_test(a_refusal_tells_the_term_and_no_index_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
