/* raft_member.h - one member of three: libraft's own code below safe_io, over a disk and a network that are the test's.
 * Include it after cmocka.h. */
#ifndef BW_TEST_RAFT_MEMBER_H
#define BW_TEST_RAFT_MEMBER_H

#include <stdlib.h>
#include <string.h>

#include <breakwater/consensus/safe_io.h>

#define MEMBERS 3

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
    unsigned messages[MEMBERS + 1]; /* with entries, to each */
    struct raft_append_entries entries[MEMBERS + 1]; /* the last of them; without what they hold */
};

static inline struct member *member_of(struct raft_io *io)
{
    return io->impl;
}

static inline int io_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)io, (void)id, (void)address;
    return 0;
}

static inline void io_close(struct raft_io *io, raft_io_close_cb done)
{
    struct member *member = member_of(io);

    if (member->append != NULL)
        member->append->cb(member->append, RAFT_CANCELED);
    done(io);
}

/* The log of each is the configuration that all have started with. */
static inline int io_load(struct raft_io *io, raft_term *term, raft_id *vote,
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

static inline int io_start(struct raft_io *io, unsigned tick_ms, raft_io_tick_cb tick,
                    raft_io_recv_cb receive)
{
    (void)tick_ms;
    member_of(io)->tick = tick;
    member_of(io)->receive = receive;
    return 0;
}

static inline int io_set_term(struct raft_io *io, raft_term term)
{
    (void)io, (void)term;
    return 0;
}

static inline int io_set_vote(struct raft_io *io, raft_id vote)
{
    (void)io, (void)vote;
    return 0;
}

static inline int io_send(struct raft_io *io, struct raft_io_send *request,
                   const struct raft_message *message, raft_io_send_cb done)
{
    struct member *member = member_of(io);

    member->sent = *message;
    if (message->type == RAFT_APPEND_ENTRIES && message->append_entries.n_entries > 0) {
        member->messages[message->server_id]++;
        member->entries[message->server_id] = message->append_entries;
        member->entries[message->server_id].entries = NULL;
    }
    done(request, 0);
    return 0;
}

static inline int io_append(struct raft_io *io, struct raft_io_append *request,
                     const struct raft_entry entries[], unsigned count, raft_io_append_cb done)
{
    (void)entries, (void)count;
    request->cb = done;
    member_of(io)->append = request;
    return 0;
}

static inline int io_truncate(struct raft_io *io, raft_index index)
{
    (void)io, (void)index;
    return 0;
}

static inline raft_time io_time(struct raft_io *io)
{
    return member_of(io)->now_ms;
}

static inline int io_random(struct raft_io *io, int min, int max)
{
    (void)io, (void)max;
    return min;
}

static inline enum bw_err store_load(void *user, struct bw_vote *out_vote, struct bw_diag *diag)
{
    (void)diag;
    *out_vote = ((struct member *)user)->vote;
    return BW_OK;
}

static inline enum bw_err store_save(void *user, struct bw_vote vote, struct bw_diag *diag)
{
    (void)diag;
    ((struct member *)user)->vote = vote;
    return BW_OK;
}

static inline void on_stop(void *user, enum bw_stop why, const char *message)
{
    (void)user, (void)why;
    fail_msg("stopped: %s", message);
}

static inline int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buffer, void **result)
{
    (void)fsm, (void)buffer, (void)result;
    return 0;
}

static inline struct member *start(raft_id id, const char *address, raft_term term)
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

static inline void end(struct member *member)
{
    raft_close(&member->raft, NULL);
    free(member);
}

#endif
