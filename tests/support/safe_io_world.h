/* safe_io_world.h - safe_io over a backend that does what the test says. One `world` at a time, of
 * setup and teardown. For the tests of safe_io; include it after cmocka.h. */
#ifndef BW_TEST_SAFE_IO_WORLD_H
#define BW_TEST_SAFE_IO_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/consensus/safe_io.h>

struct world {
    struct bw_safe_io safe;
    raft_time now_ms;
    /* backend */
    struct bw_vote metadata;
    char writes[256]; /* "s1 t1 ..." in order: s = own store, t = set_term, v = set_vote */
    int fail;         /* what the next backend write returns */
    struct raft_io_append *append;
    struct raft_io_snapshot_put *put;
    struct raft_io_snapshot_get *get;
    struct raft_message sent;
    struct raft_io_send *sending;
    unsigned sent_count;
    raft_io_tick_cb tick;
    raft_io_recv_cb receive;
    struct raft_entry *entries;
    size_t entry_count;
    /* own store */
    struct bw_vote vote;
    enum bw_err vote_load, vote_save, cut, begin_log;
    struct bw_commit_mark mark; /* on its disk */
    unsigned marks;             /* that were noted */
    /* what came out */
    unsigned stops;
    enum bw_stop why;
    char message[512];
    bool is_full; /* has_room says no */
    unsigned asked; /* has_room */
    unsigned told;  /* that a snapshot stands still */
    size_t told_bytes;
    unsigned behind;
    unsigned appended, append_status;
    uint64_t checked; /* the cut */
    unsigned logs_begun;
    unsigned put_done;
    int put_status;
    struct raft_snapshot *got;
    int got_status;
    unsigned received;
    struct raft_message last_received;
    unsigned send_done;
    int send_status;
};

static struct world *world;

static inline void note(const char *format, ...)
{
    size_t used = strlen(world->writes);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(world->writes + used, sizeof world->writes - used, format, args);
    va_end(args);
}

static inline int backend_load(struct raft_io *io, raft_term *term, raft_id *vote,
                               struct raft_snapshot **snapshot, raft_index *start,
                               struct raft_entry *entries[], size_t *count)
{
    (void)io;
    *term = world->metadata.term;
    *vote = world->metadata.vote;
    *snapshot = NULL;
    *start = 1;
    *entries = world->entries;
    *count = world->entry_count;
    world->entries = NULL;
    return 0;
}

static inline int backend_set_term(struct raft_io *io, raft_term term)
{
    (void)io;
    note("t%llu ", term);
    return world->fail;
}

static inline int backend_set_vote(struct raft_io *io, raft_id vote)
{
    (void)io;
    note("v%llu ", vote);
    return world->fail;
}

static inline int backend_append(struct raft_io *io, struct raft_io_append *request,
                                 const struct raft_entry entries[], unsigned count,
                                 raft_io_append_cb done)
{
    (void)io, (void)entries, (void)count;
    if (world->fail != 0)
        return world->fail;
    request->cb = done;
    world->append = request;
    return 0;
}

static inline int backend_truncate(struct raft_io *io, raft_index index)
{
    (void)io, (void)index;
    return world->fail;
}

static inline int backend_put(struct raft_io *io, unsigned trailing,
                              struct raft_io_snapshot_put *request,
                              const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb done)
{
    (void)io, (void)trailing, (void)snapshot;
    if (world->fail != 0)
        return world->fail;
    request->cb = done;
    world->put = request;
    return 0;
}

static inline int backend_get(struct raft_io *io, struct raft_io_snapshot_get *request,
                              raft_io_snapshot_get_cb done)
{
    (void)io;
    if (world->fail != 0)
        return world->fail;
    request->cb = done;
    world->get = request;
    return 0;
}

static inline int backend_send(struct raft_io *io, struct raft_io_send *request,
                               const struct raft_message *message, raft_io_send_cb done)
{
    (void)io;
    if (world->fail != 0)
        return world->fail;
    request->cb = done;
    world->sending = request;
    world->sent = *message;
    world->sent_count++;
    return 0;
}

static inline int backend_start(struct raft_io *io, unsigned tick_ms, raft_io_tick_cb tick,
                                raft_io_recv_cb receive)
{
    (void)io, (void)tick_ms;
    world->tick = tick;
    world->receive = receive;
    return 0;
}

static inline int backend_bootstrap(struct raft_io *io,
                                    const struct raft_configuration *configuration)
{
    (void)io, (void)configuration;
    note("boot ");
    return world->fail;
}

static inline void backend_close(struct raft_io *io, raft_io_close_cb done)
{
    done(io);
}

static inline raft_time backend_time(struct raft_io *io)
{
    (void)io;
    return world->now_ms;
}

static inline enum bw_err store_load(void *user, struct bw_vote *out_vote, struct bw_diag *diag)
{
    (void)user;
    if (world->vote_load != BW_OK)
        return bw_diag_set(diag, world->vote_load, "scripted");
    *out_vote = world->vote;
    return BW_OK;
}

static inline enum bw_err store_save(void *user, struct bw_vote vote, struct bw_diag *diag)
{
    (void)user;
    note("s%llu/%llu ", (unsigned long long)vote.term, (unsigned long long)vote.vote);
    if (world->vote_save != BW_OK)
        return bw_diag_set(diag, world->vote_save, "scripted");
    world->vote = vote;
    world->vote_load = BW_OK;
    return BW_OK;
}

static inline enum bw_err store_note_cut(void *user, uint64_t index, struct bw_diag *diag)
{
    (void)user;
    note("c%llu ", (unsigned long long)index);
    return world->vote_save == BW_OK ? BW_OK : bw_diag_set(diag, world->vote_save, "scripted");
}

static inline enum bw_err store_begin_log(void *user, struct bw_diag *diag)
{
    (void)user;
    world->logs_begun += world->put_done == 0; /* before anybody hears of it */
    return world->begin_log == BW_OK ? BW_OK : bw_diag_set(diag, world->begin_log, "scripted");
}

static inline void store_note_commit(void *user, struct bw_commit_mark mark)
{
    (void)user;
    world->marks++;
    world->mark = mark;
}

static inline struct bw_commit_mark store_load_commit(void *user)
{
    (void)user;
    return world->mark;
}

static inline enum bw_err store_check_cut(void *user, uint64_t index, struct bw_diag *diag)
{
    (void)user;
    world->checked = index;
    return world->cut == BW_OK ? BW_OK : bw_diag_set(diag, world->cut, "scripted");
}

static inline void on_stop(void *user, enum bw_stop why, const char *message)
{
    (void)user;
    world->stops++;
    world->why = why;
    (void)snprintf(world->message, sizeof world->message, "%s", message);
}

static inline bool has_room(void *user)
{
    (void)user;
    world->asked++;
    return !world->is_full;
}

static inline void on_snapshot_stalled(void *user, size_t bytes)
{
    (void)user;
    world->told++;
    world->told_bytes = bytes;
}

static inline void on_behind(void *user, uint64_t peer, uint64_t match, uint64_t commit)
{
    (void)user, (void)match, (void)commit;
    assert_int_equal(peer, 2);
    world->behind++;
}

static inline void on_append(struct raft_io_append *request, int status)
{
    (void)request;
    world->appended++;
    world->append_status = (unsigned)status;
}

static inline void on_put(struct raft_io_snapshot_put *request, int status)
{
    (void)request;
    world->put_done++;
    world->put_status = status;
}

static inline void on_get(struct raft_io_snapshot_get *request, struct raft_snapshot *snapshot,
                          int status)
{
    (void)request;
    world->got = snapshot;
    world->got_status = status;
}

static inline void on_sent(struct raft_io_send *request, int status)
{
    (void)request;
    world->send_done++;
    world->send_status = status;
}

static inline void on_tick(struct raft_io *io)
{
    (void)io;
}

static inline void on_receive(struct raft_io *io, struct raft_message *message)
{
    (void)io;
    world->received++;
    world->last_received = *message;
}

static inline struct raft_io *io(void)
{
    return &world->safe.io;
}

static inline int load(void)
{
    raft_term term;
    raft_id vote;
    struct raft_snapshot *snapshot;
    raft_index start;
    struct raft_entry *entries;
    size_t count;
    int rv = io()->load(io(), &term, &vote, &snapshot, &start, &entries, &count);

    if (rv != 0)
        return rv;
    assert_int_equal(term, world->vote.term);
    assert_int_equal(vote, world->vote.vote);
    for (size_t i = 0; i < count; i++)
        raft_free(entries[i].batch);
    raft_free(entries);
    return 0;
}

/* A witness in term 4 that has voted for 2, started. */
static inline int setup(void **state)
{
    static const struct raft_io backend = {.version = 2,
                                           .load = backend_load,
                                           .set_term = backend_set_term,
                                           .set_vote = backend_set_vote,
                                           .append = backend_append,
                                           .truncate = backend_truncate,
                                           .snapshot_put = backend_put,
                                           .snapshot_get = backend_get,
                                           .send = backend_send,
                                           .start = backend_start,
                                           .bootstrap = backend_bootstrap,
                                           .close = backend_close,
                                           .time = backend_time};
    struct bw_safe_io_config config = {.store = {.load = store_load,
                                                 .save = store_save,
                                                 .note_cut = store_note_cut,
                                                 .check_cut = store_check_cut,
                                                 .begin_log = store_begin_log,
                                                 .note_commit = store_note_commit,
                                                 .load_commit = store_load_commit},
                                       .stop = on_stop,
                                       .has_room = has_room,
                                       .on_snapshot_stalled = on_snapshot_stalled,
                                       .on_peer_behind = on_behind};

    world = calloc(1, sizeof *world);
    world->now_ms = 1000;
    world->metadata = world->vote = (struct bw_vote){4, 2};
    world->safe.io = backend;
    world->safe.io.capacity = BW_SAFE_IO_CAPACITY_KIB_MIN;
    bw_safe_io_wrap(&world->safe, &config);
    assert_int_equal(load(), 0);
    assert_int_equal(io()->start(io(), 100, on_tick, on_receive), 0);
    *state = world;
    return 0;
}

static inline void on_closed(struct raft_io *closed)
{
    (void)closed;
}

static inline int teardown(void **state)
{
    (void)state;
    io()->close(io(), on_closed);
    if (world->append != NULL)
        world->append->cb(world->append, RAFT_CANCELED);
    if (world->put != NULL)
        world->put->cb(world->put, RAFT_CANCELED);
    if (world->sending != NULL)
        world->sending->cb(world->sending, RAFT_CANCELED);
    free(world);
    return 0;
}

static inline void pass(unsigned ticks, unsigned step_ms)
{
    for (unsigned i = 0; i < ticks; i++) {
        world->now_ms += step_ms;
        world->tick(io());
    }
}

static inline struct raft_entry *entries_of(const enum raft_entry_type *types, unsigned count)
{
    struct raft_entry *entries = raft_calloc(count, sizeof *entries);
    void *batch = raft_malloc(8);

    for (unsigned i = 0; i < count; i++)
        entries[i] = (struct raft_entry){
            .term = 4, .type = types[i], .buf = {batch, 8}, .batch = batch};
    return entries;
}

static inline void append(struct raft_io_append *request, raft_index index,
                          enum raft_entry_type type)
{
    struct raft_entry entry = {.term = 4, .type = type};

    assert_int_equal(io()->truncate(io(), index), 0);
    assert_int_equal(io()->append(io(), request, &entry, 1, on_append), 0);
}

#endif
