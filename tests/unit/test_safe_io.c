/* safe_io: each rule L1..L14 against a scripted backend. I3: what was decided survives. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/consensus/safe_io.h>

/* ---- the world: a backend that does what the test says ----------------------------------------
 */

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
    enum bw_err vote_load, vote_save;
    /* what came out */
    unsigned stops;
    enum bw_stop why;
    char message[256];
    unsigned behind;
    unsigned appended, append_status;
    unsigned put_done;
    struct raft_snapshot *got;
    int got_status;
    unsigned received;
    struct raft_message last_received;
    unsigned send_done;
    int send_status;
};

static struct world *world;

static void note(const char *format, ...)
{
    size_t used = strlen(world->writes);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(world->writes + used, sizeof world->writes - used, format, args);
    va_end(args);
}

static int backend_load(struct raft_io *io, raft_term *term, raft_id *vote,
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

static int backend_set_term(struct raft_io *io, raft_term term)
{
    (void)io;
    note("t%llu ", term);
    return world->fail;
}

static int backend_set_vote(struct raft_io *io, raft_id vote)
{
    (void)io;
    note("v%llu ", vote);
    return world->fail;
}

static int backend_append(struct raft_io *io, struct raft_io_append *request,
                          const struct raft_entry entries[], unsigned count, raft_io_append_cb done)
{
    (void)io, (void)entries, (void)count;
    if (world->fail != 0)
        return world->fail;
    request->cb = done;
    world->append = request;
    return 0;
}

static int backend_truncate(struct raft_io *io, raft_index index)
{
    (void)io, (void)index;
    return world->fail;
}

static int backend_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *request,
                       const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb done)
{
    (void)io, (void)trailing, (void)snapshot;
    if (world->fail != 0)
        return world->fail;
    request->cb = done;
    world->put = request;
    return 0;
}

static int backend_get(struct raft_io *io, struct raft_io_snapshot_get *request,
                       raft_io_snapshot_get_cb done)
{
    (void)io;
    if (world->fail != 0)
        return world->fail;
    request->cb = done;
    world->get = request;
    return 0;
}

static int backend_send(struct raft_io *io, struct raft_io_send *request,
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

static int backend_start(struct raft_io *io, unsigned tick_ms, raft_io_tick_cb tick,
                         raft_io_recv_cb receive)
{
    (void)io, (void)tick_ms;
    world->tick = tick;
    world->receive = receive;
    return 0;
}

static int backend_bootstrap(struct raft_io *io, const struct raft_configuration *configuration)
{
    (void)io, (void)configuration;
    note("boot ");
    return world->fail;
}

static void backend_close(struct raft_io *io, raft_io_close_cb done)
{
    done(io);
}

static raft_time backend_time(struct raft_io *io)
{
    (void)io;
    return world->now_ms;
}

static enum bw_err store_load(void *user, struct bw_vote *out_vote, struct bw_diag *diag)
{
    (void)user;
    if (world->vote_load != BW_OK)
        return bw_diag_set(diag, world->vote_load, "scripted");
    *out_vote = world->vote;
    return BW_OK;
}

static enum bw_err store_save(void *user, struct bw_vote vote, struct bw_diag *diag)
{
    (void)user;
    note("s%llu/%llu ", (unsigned long long)vote.term, (unsigned long long)vote.vote);
    if (world->vote_save != BW_OK)
        return bw_diag_set(diag, world->vote_save, "scripted");
    world->vote = vote;
    world->vote_load = BW_OK;
    return BW_OK;
}

static void on_stop(void *user, enum bw_stop why, const char *message)
{
    (void)user;
    world->stops++;
    world->why = why;
    (void)snprintf(world->message, sizeof world->message, "%s", message);
}

static void on_behind(void *user, uint64_t peer, uint64_t match, uint64_t commit)
{
    (void)user, (void)match, (void)commit;
    assert_int_equal(peer, 2);
    world->behind++;
}

static void on_append(struct raft_io_append *request, int status)
{
    (void)request;
    world->appended++;
    world->append_status = (unsigned)status;
}

static void on_put(struct raft_io_snapshot_put *request, int status)
{
    (void)request, (void)status;
    world->put_done++;
}

static void on_get(struct raft_io_snapshot_get *request, struct raft_snapshot *snapshot, int status)
{
    (void)request;
    world->got = snapshot;
    world->got_status = status;
}

static void on_sent(struct raft_io_send *request, int status)
{
    (void)request;
    world->send_done++;
    world->send_status = status;
}

static void on_tick(struct raft_io *io)
{
    (void)io;
}

static void on_receive(struct raft_io *io, struct raft_message *message)
{
    (void)io;
    world->received++;
    world->last_received = *message;
}

static struct raft_io *io(void)
{
    return &world->safe.io;
}

static int load(void)
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
static int setup(void **state)
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
    struct bw_safe_io_config config = {.store = {.load = store_load, .save = store_save},
                                       .stop = on_stop,
                                       .on_peer_behind = on_behind};

    world = calloc(1, sizeof *world);
    world->now_ms = 1000;
    world->metadata = world->vote = (struct bw_vote){4, 2};
    world->safe.io = backend;
    bw_safe_io_wrap(&world->safe, &config);
    assert_int_equal(load(), 0);
    assert_int_equal(io()->start(io(), 100, on_tick, on_receive), 0);
    *state = world;
    return 0;
}

static void on_closed(struct raft_io *closed)
{
    (void)closed;
}

static int teardown(void **state)
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

static void pass(unsigned ticks, unsigned step_ms)
{
    for (unsigned i = 0; i < ticks; i++) {
        world->now_ms += step_ms;
        world->tick(io());
    }
}

static struct raft_entry *entries_of(const enum raft_entry_type *types, unsigned count)
{
    struct raft_entry *entries = raft_calloc(count, sizeof *entries);
    void *batch = raft_malloc(8);

    for (unsigned i = 0; i < count; i++)
        entries[i] = (struct raft_entry){
            .term = 4, .type = types[i], .buf = {batch, 8}, .batch = batch};
    return entries;
}

static void append(struct raft_io_append *request, raft_index index, enum raft_entry_type type)
{
    struct raft_entry entry = {.term = 4, .type = type};

    assert_int_equal(io()->truncate(io(), index), 0);
    assert_int_equal(io()->append(io(), request, &entry, 1, on_append), 0);
}

/* ---- L1 ---------------------------------------------------------------------------------------
 */

static void a_failed_write_of_term_or_vote_stops_the_witness(void **state)
{
    (void)state;
    world->fail = RAFT_IOERR;

    assert_int_equal(io()->set_term(io(), 5), 0);

    assert_int_equal(world->stops, 1);
    assert_int_equal(world->why, BW_STOP_RESTART);
}

static void a_pair_that_is_not_durable_never_reaches_the_backend(void **state)
{
    (void)state;
    world->vote_save = BW_ERR_IO;

    assert_int_equal(io()->set_term(io(), 5), 0);

    assert_int_equal(world->stops, 1);
    assert_string_equal(world->writes, "s5/0 ");
}

static void a_stopped_witness_sends_and_writes_nothing(void **state)
{
    static struct raft_io_send send;
    static struct raft_io_append request;
    struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = 2};

    (void)state;
    bw_safe_io_stop(&world->safe, BW_STOP_PERSON, "test");

    assert_int_equal(io()->set_term(io(), 9), 0);
    assert_int_equal(io()->send(io(), &send, &message, on_sent), 0);
    append(&request, 2, RAFT_COMMAND);

    assert_string_equal(world->writes, "");
    assert_int_equal(world->sent_count, 0);
    assert_int_equal(world->send_done, 1);
    assert_null(world->append);
    assert_int_equal(world->appended, 0);
    io()->close(io(), on_closed);
    assert_int_equal(world->appended, 1);
    assert_int_equal(world->append_status, RAFT_CANCELED);
}

/* The backend would make a client whose timer outlives it (seen as use after free). */
static void nothing_is_sent_once_the_close_has_begun(void **state)
{
    static struct raft_io_send send;
    struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = 2};

    (void)state;
    io()->close(io(), on_closed);

    assert_int_equal(io()->send(io(), &send, &message, on_sent), 0);

    assert_int_equal(world->sent_count, 0);
    assert_int_equal(world->send_status, RAFT_CANCELED);
}

static void a_failed_append_stops_the_witness(void **state)
{
    static struct raft_io_append request;

    (void)state;
    append(&request, 2, RAFT_COMMAND);
    world->append->cb(world->append, RAFT_IOERR);
    world->append = NULL;

    assert_int_equal(world->stops, 1);
    assert_int_equal(world->append_status, RAFT_CANCELED);
}

static void an_append_that_is_not_taken_stops_the_witness(void **state)
{
    static struct raft_io_append request;
    struct raft_entry entry = {.type = RAFT_COMMAND};

    (void)state;
    world->fail = RAFT_NOSPACE;

    assert_int_equal(io()->append(io(), &request, &entry, 1, on_append), 0);

    assert_int_equal(world->stops, 1);
    assert_int_equal(world->appended, 0);
}

static void a_truncation_that_fails_stops_the_witness(void **state)
{
    (void)state;
    world->fail = RAFT_IOERR;

    assert_int_equal(io()->truncate(io(), 7), 0);

    assert_int_equal(world->stops, 1);
}

/* ---- L2, L10 ----------------------------------------------------------------------------------
 */

static void what_is_durable_is_not_written_again(void **state)
{
    (void)state;

    assert_int_equal(io()->set_term(io(), 4), 0);
    assert_int_equal(io()->set_vote(io(), 2), 0);

    assert_string_equal(world->writes, "");
    assert_int_equal(world->safe.counts.writes_skipped, 2);
}

static void own_file_is_written_before_the_backends(void **state)
{
    (void)state;

    assert_int_equal(io()->set_term(io(), 5), 0);
    assert_int_equal(io()->set_vote(io(), 3), 0);

    assert_string_equal(world->writes, "s5/0 t5 s5/3 v3 ");
}

static void a_second_vote_in_a_term_stops_the_witness(void **state)
{
    (void)state;

    assert_int_equal(io()->set_vote(io(), 3), 0);

    assert_int_equal(world->stops, 1);
    assert_int_equal(world->why, BW_STOP_PERSON);
    assert_string_equal(world->writes, "");
}

static void a_term_that_goes_back_stops_the_witness(void **state)
{
    (void)state;

    assert_int_equal(io()->set_term(io(), 3), 0);

    assert_int_equal(world->stops, 1);
    assert_string_equal(world->writes, "");
}

static void own_pair_outranks_a_backend_that_is_behind(void **state)
{
    (void)state;
    world->vote = (struct bw_vote){7, 3};

    assert_int_equal(load(), 0);

    assert_string_equal(world->writes, "t7 v3 ");
    assert_int_equal(world->safe.counts.votes_repaired, 1);
}

static void load_refuses(struct bw_vote metadata, enum bw_err err, struct bw_vote own, bool has_log)
{
    static const enum raft_entry_type types[] = {RAFT_CHANGE};

    world->metadata = metadata;
    world->vote = own;
    world->vote_load = err;
    if (has_log) {
        world->entries = entries_of(types, 1);
        world->entry_count = 1;
    }
    assert_int_equal(load(), RAFT_CORRUPT);
    assert_true(strlen(io()->errmsg) > 0);
    world->entry_count = 0;
}

static void load_refuses_what_may_have_forgotten_a_vote(void **state)
{
    const struct bw_vote none = {0};

    (void)state;
    load_refuses((struct bw_vote){4, 2}, BW_ERR_NOT_FOUND, none, true);
    load_refuses((struct bw_vote){4, 2}, BW_ERR_NOT_FOUND, none, false);
    load_refuses(none, BW_ERR_NOT_FOUND, none, true);
    load_refuses((struct bw_vote){4, 2}, BW_ERR_CORRUPT, none, true);
    load_refuses((struct bw_vote){4, 2}, BW_ERR_IO, none, true);
    load_refuses(none, BW_OK, (struct bw_vote){4, 2}, true); /* metadata lost */
    load_refuses((struct bw_vote){UINT64_MAX - 3, 2}, BW_OK, (struct bw_vote){4, 2}, true);
    load_refuses((struct bw_vote){4, 3}, BW_OK, (struct bw_vote){4, 2}, true); /* two votes */
    load_refuses((struct bw_vote){3, 0}, BW_OK, (struct bw_vote){3, 0}, true); /* log of term 4 */
}

static void a_witness_that_never_took_part_loads(void **state)
{
    (void)state;
    world->metadata = world->vote = (struct bw_vote){0};
    world->vote_load = BW_ERR_NOT_FOUND;

    assert_int_equal(load(), 0);
}

static void bootstrap_refuses_where_there_was_a_vote(void **state)
{
    struct raft_configuration configuration;

    (void)state;
    raft_configuration_init(&configuration);

    assert_int_equal(io()->bootstrap(io(), &configuration), RAFT_CANTBOOTSTRAP);
    assert_string_equal(world->writes, "");

    world->vote_load = BW_ERR_NOT_FOUND;
    assert_int_equal(io()->bootstrap(io(), &configuration), 0);
    assert_string_equal(world->writes, "s1/0 boot ");
}

/* ---- L3 ---------------------------------------------------------------------------------------
 */

static void an_append_without_progress_for_3_s_stops_the_witness(void **state)
{
    static struct raft_io_append request;

    (void)state;
    append(&request, 2, RAFT_COMMAND);
    pass(29, 100);
    assert_int_equal(world->stops, 0);
    pass(2, 100);
    assert_int_equal(world->stops, 1);
    assert_int_equal(world->why, BW_STOP_RESTART);
}

static void a_frozen_process_is_not_a_hanging_disk(void **state)
{
    static struct raft_io_append request;

    (void)state;
    append(&request, 2, RAFT_COMMAND);
    pass(1, 3600 * 1000);
    pass(5, 100);

    assert_int_equal(world->stops, 0);
}

static void progress_starts_the_count_again(void **state)
{
    static struct raft_io_append request;

    (void)state;
    for (int i = 0; i < 10; i++) {
        append(&request, (raft_index)(2 + i), RAFT_COMMAND);
        pass(20, 100);
        world->append->cb(world->append, 0);
        world->append = NULL;
    }

    assert_int_equal(world->stops, 0);
    assert_int_equal(world->appended, 10);
}

/* ---- L4, L8 -----------------------------------------------------------------------------------
 */

static struct raft_message install_message(void)
{
    struct raft_message message = {.type = RAFT_INSTALL_SNAPSHOT, .server_id = 2};

    raft_configuration_init(&message.install_snapshot.conf);
    message.install_snapshot.data.base = raft_malloc(8);
    message.install_snapshot.data.len = 8;
    return message;
}

static void install_during_a_snapshot_write_is_dropped(void **state)
{
    static struct raft_io_snapshot_put request;
    struct raft_snapshot snapshot = {.index = 10, .term = 4, .configuration_index = 1};
    struct raft_message message = install_message();

    (void)state;
    assert_int_equal(io()->snapshot_put(io(), 5, &request, &snapshot, on_put), 0);
    world->receive(io(), &message); /* freed, or the leak checker says so */
    assert_int_equal(world->received, 0);
    assert_int_equal(world->safe.counts.installs_dropped, 1);

    world->put->cb(world->put, 0);
    world->put = NULL;
    message = install_message();
    world->receive(io(), &message);
    assert_int_equal(world->received, 1);
    raft_free(message.install_snapshot.data.base);
}

static void an_install_that_cannot_be_written_stops_the_witness(void **state)
{
    static struct raft_io_snapshot_put request;
    struct raft_snapshot snapshot = {.index = 10, .term = 4, .configuration_index = 1};

    (void)state;
    world->fail = RAFT_NOMEM;

    /* an error would be freed twice by the library */
    assert_int_equal(io()->snapshot_put(io(), 0, &request, &snapshot, on_put), 0);

    assert_int_equal(world->stops, 1);
}

static void a_snapshot_with_an_older_configuration_is_refused(void **state)
{
    static struct raft_io_append request;
    static struct raft_io_snapshot_put put;
    struct raft_snapshot snapshot = {.index = 7, .term = 4, .configuration_index = 1};

    (void)state;
    append(&request, 6, RAFT_CHANGE);
    assert_int_equal(io()->snapshot_put(io(), 5, &put, &snapshot, on_put), RAFT_BUSY);
    snapshot.index = 5; /* does not cover the change */
    assert_int_equal(io()->snapshot_put(io(), 5, &put, &snapshot, on_put), 0);
    world->put->cb(world->put, 0);
    snapshot = (struct raft_snapshot){.index = 7, .term = 4, .configuration_index = 6};
    assert_int_equal(io()->snapshot_put(io(), 5, &put, &snapshot, on_put), 0);

    assert_int_equal(world->safe.counts.snapshots_refused, 1);
}

static void a_forgotten_change_still_counts(void **state)
{
    static struct raft_io_append request;
    static struct raft_io_snapshot_put put;
    struct raft_snapshot snapshot = {.index = 12, .term = 4, .configuration_index = 1};

    (void)state;
    for (raft_index i = 11; i < 11 + BW_SAFE_IO_CHANGES_MAX + 1; i++) {
        append(&request, i, RAFT_CHANGE);
        world->append->cb(world->append, 0);
        world->append = NULL;
    }
    assert_int_equal(world->safe.change_forgotten, 11);
    snapshot.index = 11;

    assert_int_equal(io()->snapshot_put(io(), 5, &put, &snapshot, on_put), RAFT_BUSY);
}

/* ---- L5, L6 -----------------------------------------------------------------------------------
 */

static void a_newer_snapshot_is_sent_under_its_own_term(void **state)
{
    static struct raft_io_snapshot_get get;
    static struct raft_io_send send;
    struct raft_snapshot snapshot = {.index = 482, .term = 9};
    struct raft_message message = {.type = RAFT_INSTALL_SNAPSHOT, .server_id = 2};

    (void)state;
    assert_int_equal(io()->snapshot_get(io(), &get, on_get), 0);
    world->get->cb(world->get, &snapshot, 0);
    message.install_snapshot.last_index = 482;
    message.install_snapshot.last_term = 8;
    assert_int_equal(io()->send(io(), &send, &message, on_sent), 0);

    assert_int_equal(world->sent.install_snapshot.last_term, 9);
    assert_int_equal(world->safe.counts.terms_patched, 1);
}

/* What libraft does with a snapshot it got, see legacyLoadSnapshotCb. */
static void send_what_was_got(struct raft_message *message, struct raft_io_send *send)
{
    message->install_snapshot.last_index = world->got->index;
    message->install_snapshot.data = world->got->bufs[0];
    message->install_snapshot.conf = world->got->configuration;
    raft_free(world->got->bufs);
    raft_free(world->got);
    assert_int_equal(io()->send(io(), send, message, on_sent), 0);
    raft_configuration_close(&message->install_snapshot.conf);
    raft_free(message->install_snapshot.data.base);
}

static void a_snapshot_that_cannot_be_read_is_never_sent(void **state)
{
    static struct raft_io_snapshot_get get;
    static struct raft_io_send send;
    struct raft_message message = {.type = RAFT_INSTALL_SNAPSHOT, .server_id = 2};

    (void)state;
    assert_int_equal(io()->snapshot_get(io(), &get, on_get), 0);
    world->get->cb(world->get, NULL, RAFT_IOERR);
    assert_int_equal(world->got_status, 0);
    send_what_was_got(&message, &send);
    world->fail = RAFT_NOMEM;
    assert_int_equal(io()->snapshot_get(io(), &get, on_get), 0);
    send_what_was_got(&message, &send);

    assert_int_equal(world->sent_count, 0);
    assert_int_equal(world->send_done, 2);
    assert_int_equal(world->safe.counts.reads_failed, 2);
}

/* ---- L7 ---------------------------------------------------------------------------------------
 */

static void a_batch_is_cut_before_a_configuration_that_is_not_first(void **state)
{
    static const enum raft_entry_type types[] = {RAFT_CHANGE, RAFT_COMMAND, RAFT_CHANGE,
                                                 RAFT_CHANGE};
    struct raft_entry *entries = entries_of(types, 4);
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES, .server_id = 2};

    (void)state;
    message.append_entries.entries = entries;
    message.append_entries.n_entries = 4;
    world->receive(io(), &message);

    assert_int_equal(world->last_received.append_entries.n_entries, 2);
    raft_free(entries[0].batch);
    raft_free(entries);
}

/* ---- L12, L13, L14
 * -----------------------------------------------------------------------------------
 */

static raft_term term_answered(struct raft_request_vote_result result)
{
    static struct raft_io_send send;
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE_RESULT, .server_id = 2, .request_vote_result = result};

    assert_int_equal(io()->send(io(), &send, &message, on_sent), 0);
    world->sending->cb(world->sending, 0);
    world->sending = NULL;
    return world->sent.request_vote_result.term;
}

/* I3: without it three witnesses that hear each other may never elect a leader again (seen in the
 * simulator: the longest log at term 127, its pre-votes refused by terms 141 and 147). */
static void a_refused_pre_vote_tells_the_term_that_refused_it(void **state)
{
    (void)state;
    assert_int_equal(term_answered((struct raft_request_vote_result){.term = 3, .pre_vote = true}),
                     4);
    assert_int_equal(world->safe.counts.terms_told, 1);
    /* What is granted, or refused for another reason, keeps the term that was asked for. */
    assert_int_equal(term_answered((struct raft_request_vote_result){.term = 5, .pre_vote = true}),
                     5);
    assert_int_equal(term_answered((struct raft_request_vote_result){
                         .term = 5, .pre_vote = true, .vote_granted = true}),
                     5);
    assert_int_equal(term_answered((struct raft_request_vote_result){.term = 4}), 4);
    assert_int_equal(world->safe.counts.terms_told, 1);
}

/* I3: else what is submitted to that leader is acknowledged by another leader's entry (seen in the
 * simulator). */
static void a_vote_tells_no_capacity(void **state)
{
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE_RESULT,
        .server_id = 2,
        .request_vote_result = {.term = 4, .vote_granted = true, .features = 1, .capacity = 3}};

    (void)state;
    world->receive(io(), &message);

    assert_int_equal(world->received, 1);
    assert_true(world->last_received.request_vote_result.vote_granted);
    assert_int_equal(world->last_received.request_vote_result.features, 0);
}

static raft_index commit_heard(raft_index prev, unsigned count, raft_index commit)
{
    static const enum raft_entry_type types[2] = {RAFT_COMMAND, RAFT_COMMAND};
    struct raft_entry *entries = count > 0 ? entries_of(types, count) : NULL;
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES,
                                   .server_id = 2,
                                   .append_entries = {.term = 4,
                                                      .prev_log_index = prev,
                                                      .leader_commit = commit,
                                                      .entries = entries,
                                                      .n_entries = count}};

    world->receive(io(), &message);
    if (count > 0)
        raft_free(entries[0].batch);
    raft_free(entries);
    return world->last_received.append_entries.leader_commit;
}

/* I3: else entries are applied twice after a restart (seen in the simulator: a follower at 12795
 * was probed at 12763 by a leader at 12809, and took a snapshot of 12795 under the index 12763). */
static void a_leaders_commit_counts_up_to_what_its_message_vouches_for(void **state)
{
    (void)state;
    assert_int_equal(commit_heard(12763, 0, 12809), 12763);
    assert_int_equal(commit_heard(12763, 2, 12809), 12765);
    assert_int_equal(commit_heard(12763, 2, 12764), 12764);
}

/* ---- L11 and sending --------------------------------------------------------------------------
 */

static void heard(raft_id peer)
{
    struct raft_message message = {.type = RAFT_REQUEST_VOTE_RESULT, .server_id = peer};

    world->receive(io(), &message);
}

/* raft_match_index reads libraft's own progress array, so a real leader plays this in
 * tests/integration; here: what was heard when. */
static void a_peer_is_heard_when_it_speaks(void **state)
{
    (void)state;
    assert_int_equal(bw_safe_io_heard_ms(&world->safe, 2), 0);
    world->now_ms = 5000;
    heard(2);
    assert_int_equal(bw_safe_io_heard_ms(&world->safe, 2), 5000);
    assert_int_equal(bw_safe_io_heard_ms(&world->safe, 3), 0);
}

static void a_failed_send_is_a_lost_message(void **state)
{
    static struct raft_io_send send;
    struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = 2};

    (void)state;
    world->fail = RAFT_NOMEM;

    assert_int_equal(io()->send(io(), &send, &message, on_sent), 0);

    assert_int_equal(world->send_done, 1);
    assert_int_equal(world->send_status, RAFT_CANCELED);
}

static void a_peer_that_takes_nothing_lets_nothing_pile_up(void **state)
{
    struct raft_io_send sends[BW_SAFE_IO_SENDS_MAX + 1] = {0};
    struct raft_io_send *inner[BW_SAFE_IO_SENDS_MAX + 1];
    struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = 2};

    (void)state;
    for (unsigned i = 0; i <= BW_SAFE_IO_SENDS_MAX; i++) {
        assert_int_equal(io()->send(io(), &sends[i], &message, on_sent), 0);
        inner[i] = world->sending;
    }
    assert_int_equal(world->sent_count, BW_SAFE_IO_SENDS_MAX);
    assert_int_equal(world->send_done, 1);
    for (unsigned i = 0; i < BW_SAFE_IO_SENDS_MAX; i++)
        inner[i]->cb(inner[i], 0);
    world->sending = NULL;
    assert_int_equal(world->send_done, BW_SAFE_IO_SENDS_MAX + 1);
}

static void one_snapshot_at_a_time_goes_to_a_peer(void **state)
{
    static struct raft_io_send first, second;
    struct raft_message message = {.type = RAFT_INSTALL_SNAPSHOT, .server_id = 2};

    (void)state;
    assert_int_equal(io()->send(io(), &first, &message, on_sent), 0);
    assert_int_equal(io()->send(io(), &second, &message, on_sent), 0);
    assert_int_equal(world->sent_count, 1);
    world->sending->cb(world->sending, 0);
    assert_int_equal(io()->send(io(), &second, &message, on_sent), 0);
    assert_int_equal(world->sent_count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_failed_write_of_term_or_vote_stops_the_witness),
        TEST(a_pair_that_is_not_durable_never_reaches_the_backend),
        TEST(a_stopped_witness_sends_and_writes_nothing),
        TEST(a_failed_append_stops_the_witness),
        TEST(an_append_that_is_not_taken_stops_the_witness),
        TEST(a_truncation_that_fails_stops_the_witness),
        TEST(what_is_durable_is_not_written_again),
        TEST(own_file_is_written_before_the_backends),
        TEST(a_second_vote_in_a_term_stops_the_witness),
        TEST(a_term_that_goes_back_stops_the_witness),
        TEST(own_pair_outranks_a_backend_that_is_behind),
        TEST(load_refuses_what_may_have_forgotten_a_vote),
        TEST(a_witness_that_never_took_part_loads),
        TEST(bootstrap_refuses_where_there_was_a_vote),
        TEST(an_append_without_progress_for_3_s_stops_the_witness),
        TEST(a_frozen_process_is_not_a_hanging_disk),
        TEST(progress_starts_the_count_again),
        TEST(install_during_a_snapshot_write_is_dropped),
        TEST(an_install_that_cannot_be_written_stops_the_witness),
        TEST(a_snapshot_with_an_older_configuration_is_refused),
        TEST(a_forgotten_change_still_counts),
        TEST(a_newer_snapshot_is_sent_under_its_own_term),
        TEST(a_snapshot_that_cannot_be_read_is_never_sent),
        TEST(a_batch_is_cut_before_a_configuration_that_is_not_first),
        TEST(a_refused_pre_vote_tells_the_term_that_refused_it),
        TEST(a_vote_tells_no_capacity),
        TEST(a_leaders_commit_counts_up_to_what_its_message_vouches_for),
        TEST(a_peer_is_heard_when_it_speaks),
        TEST(nothing_is_sent_once_the_close_has_begun),
        TEST(a_failed_send_is_a_lost_message),
        TEST(a_peer_that_takes_nothing_lets_nothing_pile_up),
        TEST(one_snapshot_at_a_time_goes_to_a_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
