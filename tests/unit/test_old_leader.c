/* L15 of safe_io with libraft's own code: what a follower answers to a leader of an old term, and
 * what becomes of that answer. I3: what is committed is on a majority. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <breakwater/consensus/safe_io.h>

#define OLD_TERM 4
#define TERM     5
#define LEADER   1
#define FOLLOWER 3
/* What the stack holds where libraft writes nothing: beyond each log. */
#define PAINT       0xa5
#define PAINT_BYTES 16384

/* ---- one member of three, whose disk and network are the test's ------------------------------ */

struct member {
    struct bw_safe_io safe;
    struct raft raft;
    struct raft_fsm fsm;
    struct bw_vote vote;
    raft_time now_ms;
    raft_io_tick_cb tick;
    raft_io_recv_cb receive;
    struct raft_io_append *append;
    struct raft_message sent; /* the last one */
};

static struct member *member_of(struct raft_io *io)
{
    return io->impl;
}

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)io, (void)id, (void)address;
    return 0;
}

static void io_close(struct raft_io *io, raft_io_close_cb done)
{
    struct member *member = member_of(io);

    if (member->append != NULL)
        member->append->cb(member->append, RAFT_CANCELED);
    done(io);
}

/* The log of each is the configuration that all have started with. */
static int io_load(struct raft_io *io, raft_term *term, raft_id *vote,
                   struct raft_snapshot **snapshot, raft_index *start, struct raft_entry *entries[],
                   size_t *count)
{
    struct raft_configuration configuration;
    struct raft_entry *entry = raft_calloc(1, sizeof *entry);

    assert_non_null(entry);
    raft_configuration_init(&configuration);
    assert_int_equal(raft_configuration_add(&configuration, 1, "1", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&configuration, 2, "2", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&configuration, 3, "3", RAFT_VOTER), 0);
    entry->term = 1;
    entry->type = RAFT_CHANGE;
    assert_int_equal(raft_configuration_encode(&configuration, &entry->buf), 0);
    entry->batch = entry->buf.base;
    raft_configuration_close(&configuration);
    *term = member_of(io)->vote.term;
    *vote = 0;
    *snapshot = NULL;
    *start = 1;
    *entries = entry;
    *count = 1;
    return 0;
}

static int io_start(struct raft_io *io, unsigned tick_ms, raft_io_tick_cb tick,
                    raft_io_recv_cb receive)
{
    (void)tick_ms;
    member_of(io)->tick = tick;
    member_of(io)->receive = receive;
    return 0;
}

static int io_set_term(struct raft_io *io, raft_term term)
{
    (void)io, (void)term;
    return 0;
}

static int io_set_vote(struct raft_io *io, raft_id vote)
{
    (void)io, (void)vote;
    return 0;
}

static int io_send(struct raft_io *io, struct raft_io_send *request,
                   const struct raft_message *message, raft_io_send_cb done)
{
    member_of(io)->sent = *message;
    done(request, 0);
    return 0;
}

static int io_append(struct raft_io *io, struct raft_io_append *request,
                     const struct raft_entry entries[], unsigned count, raft_io_append_cb done)
{
    (void)entries, (void)count;
    request->cb = done;
    member_of(io)->append = request;
    return 0;
}

static int io_truncate(struct raft_io *io, raft_index index)
{
    (void)io, (void)index;
    return 0;
}

static raft_time io_time(struct raft_io *io)
{
    return member_of(io)->now_ms;
}

static int io_random(struct raft_io *io, int min, int max)
{
    (void)io, (void)max;
    return min;
}

static enum bw_err store_load(void *user, struct bw_vote *out_vote, struct bw_diag *diag)
{
    (void)diag;
    *out_vote = ((struct member *)user)->vote;
    return BW_OK;
}

static enum bw_err store_save(void *user, struct bw_vote vote, struct bw_diag *diag)
{
    (void)diag;
    ((struct member *)user)->vote = vote;
    return BW_OK;
}

static void on_stop(void *user, enum bw_stop why, const char *message)
{
    (void)user, (void)why;
    fail_msg("stopped: %s", message);
}

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buffer, void **result)
{
    (void)fsm, (void)buffer, (void)result;
    return 0;
}

static struct member *start(raft_id id, const char *address, raft_term term)
{
    struct member *member = calloc(1, sizeof *member);
    const struct bw_safe_io_config config = {
        .store = {.load = store_load, .save = store_save, .user = member},
        .stop = on_stop,
        .user = member};

    assert_non_null(member);
    member->vote.term = term;
    member->fsm = (struct raft_fsm){.version = 1, .apply = fsm_apply};
    member->safe.io = (struct raft_io){.version = 2,
                                       .impl = member,
                                       .init = io_init,
                                       .close = io_close,
                                       .load = io_load,
                                       .start = io_start,
                                       .set_term = io_set_term,
                                       .set_vote = io_set_vote,
                                       .send = io_send,
                                       .append = io_append,
                                       .truncate = io_truncate,
                                       .time = io_time,
                                       .random = io_random};
    bw_safe_io_wrap(&member->safe, &config);
    assert_int_equal(raft_init(&member->raft, &member->safe.io, &member->fsm, id, address), 0);
    assert_int_equal(raft_start(&member->raft), 0);
    return member;
}

static void end(struct member *member)
{
    raft_close(&member->raft, NULL);
    free(member);
}

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
