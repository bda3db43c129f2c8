/* safe_io: what a witness writes, L1-L4, L8, L10 and L27, each rule against a scripted backend. I3:
 * what was decided survives. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "safe_io_world.h"

/* ---- L1 -------------------------------------------------------------------------------------- */

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

/* ---- L24 ------------------------------------------------------------------------------------- */

static void write_all(void)
{
    struct raft_io_append *request = world->append;

    world->append = NULL;
    request->cb(request, 0);
}

/* Entries 1 to 5; the last one is on its way to the disk. */
static void write_five(struct raft_io_append *request)
{
    for (raft_index index = 1; index <= 5; index++) {
        if (index > 1)
            write_all();
        append(request, index, RAFT_COMMAND);
    }
}

/* And once only: a witness that has had a log has had one. */
static void the_first_entry_is_announced_before_anybody_hears_of_it(void **state)
{
    static struct raft_io_append request;

    (void)state;
    append(&request, 1, RAFT_COMMAND);
    assert_int_equal(world->logs_begun, 0); /* a disk without room for it leaves no log */
    write_all();
    assert_int_equal(world->logs_begun, 1);
    write_five(&request);
    assert_int_equal(world->logs_begun, 1);
    write_all();
    append(&request, 6, RAFT_COMMAND);
    assert_int_equal(world->logs_begun, 1);
    write_all();
}

static void an_installed_snapshot_is_announced_too(void **state)
{
    static struct raft_io_snapshot_put request;
    struct raft_snapshot snapshot = {.index = 9, .term = 2};

    (void)state;
    assert_int_equal(io()->snapshot_put(io(), 0, &request, &snapshot, on_put), 0);
    world->put->cb(world->put, 0);
    world->put = NULL;
    assert_int_equal(world->logs_begun, 1);
}

static void of_what_cannot_be_announced_nobody_hears(void **state)
{
    static struct raft_io_append request;

    (void)state;
    world->begin_log = BW_ERR_IO;
    append(&request, 1, RAFT_COMMAND);
    write_all();
    assert_int_equal(world->append_status, RAFT_CANCELED);
    assert_int_equal(world->stops, 1);
    assert_int_equal(world->why, BW_STOP_RESTART);
}

/* Until an append that follows it is on disk: what comes before that could be half of it. */
static void a_truncation_is_noted_before_it_begins_until_the_next_append_is_written(void **state)
{
    static struct raft_io_append request;

    (void)state;
    write_five(&request);
    write_all();
    assert_int_equal(io()->truncate(io(), 6), 0); /* as before every append: nothing is there */
    assert_string_equal(world->writes, "");

    append(&request, 3, RAFT_COMMAND);
    assert_string_equal(world->writes, "c3 ");
    write_all();
    assert_string_equal(world->writes, "c3 c0 ");
    assert_int_equal(world->append_status, 0);
    assert_int_equal(world->stops, 0);
}

static void an_append_of_before_the_truncation_does_not_end_its_note(void **state)
{
    static struct raft_io_append request;

    (void)state;
    write_five(&request);
    assert_int_equal(io()->truncate(io(), 3), 0);
    write_all();

    assert_string_equal(world->writes, "c3 ");
}

/* L30: libraft does not say so, and goes on. */
static void a_truncation_that_has_failed_stops_the_witness_and_its_note_stays(void **state)
{
    static struct raft_io_append request;

    (void)state;
    write_five(&request);
    write_all();
    assert_int_equal(world->checked, 0);
    append(&request, 3, RAFT_COMMAND);
    world->cut = BW_ERR_IO;

    write_all();

    assert_int_equal(world->checked, 3);
    assert_int_equal(world->stops, 1);
    assert_int_equal(world->why, BW_STOP_RESTART);
    assert_int_equal(world->append_status, RAFT_CANCELED);
    assert_string_equal(world->writes, "c3 ");
}

/* The append behind the first cut, on its way to the disk as the second one comes. */
static struct raft_io_append *cut_twice(struct raft_io_append *request)
{
    struct raft_io_append *first;

    write_five(request);
    write_all();
    append(request, 4, RAFT_COMMAND);
    first = world->append;
    assert_int_equal(io()->truncate(io(), 4), 0);
    return first;
}

static void of_two_truncations_the_one_that_has_failed_is_noted(void **state)
{
    static struct raft_io_append request;
    struct raft_io_append *first;

    (void)state;
    first = cut_twice(&request);
    world->cut = BW_ERR_IO;
    first->cb(first, 0);
    world->append = NULL;

    assert_string_equal(world->writes, "c4 c0 c4 ");
    assert_int_equal(world->stops, 1);
}

static void two_truncations_at_once_have_no_note(void **state)
{
    static struct raft_io_append request;
    struct raft_io_append *first;

    (void)state;
    first = cut_twice(&request);
    assert_string_equal(world->writes, "c4 c0 ");
    first->cb(first, 0);
    world->append = NULL;

    assert_string_equal(world->writes, "c4 c0 ");
}

static void a_truncation_that_cannot_be_noted_does_not_begin(void **state)
{
    static struct raft_io_append request;

    (void)state;
    write_five(&request);
    write_all();
    world->vote_save = BW_ERR_IO;
    world->fail = RAFT_IOERR; /* it would be said by this */

    assert_int_equal(io()->truncate(io(), 3), 0);

    assert_int_equal(world->stops, 1);
    assert_string_equal(world->writes, "c3 ");
}

/* ---- L2, L10 --------------------------------------------------------------------------------- */

static void what_is_durable_is_not_written_again(void **state)
{
    (void)state;

    assert_int_equal(io()->set_term(io(), 4), 0);
    assert_int_equal(io()->set_vote(io(), 2), 0);

    assert_string_equal(world->writes, "");
    assert_int_equal(world->safe.counts.writes_skipped, 2);
}

/* As a candidate's and a voter's step has it: on a slow disk each save is a part of an election. */
static void a_term_and_the_vote_of_its_step_are_saved_at_once(void **state)
{
    static struct raft raft = {.current_term = 5, .voted_for = 3};

    (void)state;
    io()->data = &raft;

    assert_int_equal(io()->set_term(io(), 5), 0);
    assert_int_equal(world->vote.term, 5);
    assert_int_equal(world->vote.vote, 3);
    assert_int_equal(io()->set_vote(io(), 3), 0);

    assert_string_equal(world->writes, "s5/3 t5 ");
    assert_int_equal(world->stops, 0);
    assert_int_equal(io()->set_vote(io(), 2), 0);
    assert_int_equal(world->stops, 1);
}

static void a_term_has_no_vote_of_another(void **state)
{
    static struct raft raft = {.current_term = 4, .voted_for = 2};

    (void)state;
    io()->data = &raft;

    assert_int_equal(io()->set_term(io(), 5), 0);

    assert_int_equal(world->vote.term, 5);
    assert_int_equal(world->vote.vote, 0);
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

/* A log of one change of members, by which 2 votes, and 3 with it or not. */
static void log_members(int role_of_3)
{
    struct raft_configuration configuration;

    raft_configuration_init(&configuration);
    assert_int_equal(raft_configuration_add(&configuration, 2, "2", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&configuration, 3, "3", role_of_3), 0);
    world->entries = raft_malloc(sizeof *world->entries);
    world->entries[0] = (struct raft_entry){.term = 4, .type = RAFT_CHANGE};
    assert_int_equal(raft_configuration_encode(&configuration, &world->entries[0].buf), 0);
    world->entries[0].batch = world->entries[0].buf.base;
    world->entry_count = 1;
    raft_configuration_close(&configuration);
}

/* L28: what it had sent in the term of before, and not written itself, is another leader's. */
static void the_only_voter_begins_a_term_of_its_own(void **state)
{
    struct raft raft = {.id = 2};

    (void)state;
    world->safe.io.data = &raft;
    world->metadata = world->vote = (struct bw_vote){4, 2};
    log_members(RAFT_VOTER);
    assert_int_equal(load(), 0);
    assert_string_equal(world->writes, "");
    log_members(RAFT_STANDBY);
    assert_int_equal(load(), 0);
    assert_string_equal(world->writes, "s5/2 t5 v2 ");
    assert_int_equal(world->safe.counts.terms_begun, 1);

    world->safe.config.is_offline = true; /* looked at by a person, who is told that nothing changes */
    log_members(RAFT_STANDBY);
    assert_int_equal(load(), 0);
    assert_int_equal(world->safe.counts.terms_begun, 1);
    world->safe.config.is_offline = false;

    raft.id = 3; /* the joining one, of the same log */
    log_members(RAFT_STANDBY);
    assert_int_equal(load(), 0);
    assert_int_equal(world->safe.counts.terms_begun, 1);
    world->safe.io.data = NULL;
    world->entry_count = 0;
}

static void a_term_that_cannot_be_begun_durably_is_no_start(void **state)
{
    struct raft raft = {.id = 2};

    (void)state;
    world->safe.io.data = &raft;
    world->metadata = world->vote = (struct bw_vote){4, 2};
    world->vote_save = BW_ERR_IO;
    log_members(RAFT_STANDBY);
    assert_int_equal(load(), RAFT_IOERR);
    world->safe.io.data = NULL;
    world->entry_count = 0;
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

/* ---- L3 -------------------------------------------------------------------------------------- */

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

/* It shares the disk with the snapshot, or waits behind it. */
static void an_append_has_longer_while_a_snapshot_is_written(void **state)
{
    static struct raft_io_append request;
    static struct raft_io_snapshot_put put;
    struct raft_snapshot snapshot = {.index = 1, .term = 4};

    (void)state;
    assert_int_equal(io()->snapshot_put(io(), 5, &put, &snapshot, on_put), 0);
    append(&request, 2, RAFT_COMMAND);
    pass(200, 100);
    assert_false(bw_safe_io_is_stuck(&world->safe));
    world->put->cb(world->put, 0);
    world->put = NULL;
    assert_false(bw_safe_io_is_stuck(&world->safe)); /* its own time begins now */
    pass(29, 100);
    assert_int_equal(world->stops, 0);
    pass(2, 100);
    assert_int_equal(world->stops, 1);
    assert_non_null(strstr(world->message, "no log entry"));
}

static void write_one(struct raft_io_append *request, raft_index index)
{
    append(request, index, RAFT_COMMAND);
    pass(1, 100);
    write_all();
}

/* A restart would meet the same disk, and so would those of all members at once. That it is told anew with each entry that
 * is written would be never. */
static void a_snapshot_that_stands_still_is_told_and_stops_nobody(void **state)
{
    static struct raft_io_append request;
    static struct raft_io_snapshot_put put;
    struct raft_buffer buffers[2] = {{.len = 1000}, {.len = 24}};
    struct raft_snapshot snapshot = {.index = 1, .term = 4, .bufs = buffers, .n_bufs = 2};

    (void)state;
    assert_int_equal(io()->snapshot_put(io(), 5, &put, &snapshot, on_put), 0);
    for (raft_index index = 2; index <= 300; index++)
        write_one(&request, index);
    assert_int_equal(world->told, 0);
    for (raft_index index = 301; index <= 1000; index++)
        write_one(&request, index);
    assert_int_equal(world->stops, 0);
    assert_int_equal(world->told, 700);
    assert_int_equal(world->told_bytes, 1024);
    assert_true(bw_safe_io_is_put_stalled(&world->safe));
    assert_false(bw_safe_io_lacks_room(&world->safe)); /* of the log nothing is said */

    world->put->cb(world->put, 0);
    world->put = NULL;
    pass(1, 100);
    assert_int_equal(world->told, 700);
    assert_false(bw_safe_io_is_put_stalled(&world->safe));
}

/* The library looks for it again after ten minutes (node.c), or never. */
static void once_there_is_room_what_has_none_reserved_is_started_again(void **state)
{
    (void)state;
    world->is_full = true;
    io()->capacity = BW_SAFE_IO_CAPACITY_KIB_MIN - 1;
    pass(299, 100);
    assert_int_equal(world->asked, 0);
    assert_false(bw_safe_io_lacks_room(&world->safe));
    pass(6000, 100);
    assert_true(bw_safe_io_lacks_room(&world->safe));
    assert_true(world->asked > 0);
    assert_int_equal(world->stops, 0);
    world->is_full = false;
    pass(1, 100);
    assert_int_equal(world->stops, 1);
    assert_int_equal(world->why, BW_STOP_RESTART);
    assert_non_null(strstr(world->message, "no room is reserved for the log"));
}

static void a_moment_without_reserved_room_stops_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        io()->capacity = 0;
        pass(200, 100);
        io()->capacity = BW_SAFE_IO_CAPACITY_KIB_MIN;
        pass(1, 100);
    }

    assert_int_equal(world->stops, 0);
    assert_int_equal(world->asked, 0);
}

/* ---- L4, L8 ---------------------------------------------------------------------------------- */

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

/* L27: libraft frees what it was sent when it has restored it, which it does not once it closes. */
static void an_install_that_ends_in_a_close_was_given_up(void **state)
{
    static struct raft_io_snapshot_put request;
    struct raft_snapshot snapshot = {.index = 10, .term = 4, .configuration_index = 1};

    (void)state;
    assert_int_equal(io()->snapshot_put(io(), 0, &request, &snapshot, on_put), 0);
    io()->close(io(), on_closed);
    world->put->cb(world->put, 0);
    world->put = NULL;

    assert_int_equal(world->put_done, 1);
    assert_int_equal(world->put_status, RAFT_CANCELED);
    assert_int_equal(world->stops, 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_failed_write_of_term_or_vote_stops_the_witness),
        TEST(a_pair_that_is_not_durable_never_reaches_the_backend),
        TEST(a_stopped_witness_sends_and_writes_nothing),
        TEST(a_failed_append_stops_the_witness),
        TEST(a_truncation_is_noted_before_it_begins_until_the_next_append_is_written),
        TEST(an_append_of_before_the_truncation_does_not_end_its_note),
        TEST(a_truncation_that_has_failed_stops_the_witness_and_its_note_stays),
        TEST(of_two_truncations_the_one_that_has_failed_is_noted),
        TEST(two_truncations_at_once_have_no_note),
        TEST(a_truncation_that_cannot_be_noted_does_not_begin),
        TEST(the_first_entry_is_announced_before_anybody_hears_of_it),
        TEST(an_installed_snapshot_is_announced_too),
        TEST(of_what_cannot_be_announced_nobody_hears),
        TEST(an_append_that_is_not_taken_stops_the_witness),
        TEST(a_truncation_that_fails_stops_the_witness),
        TEST(what_is_durable_is_not_written_again),
        TEST(a_term_and_the_vote_of_its_step_are_saved_at_once),
        TEST(a_term_has_no_vote_of_another),
        TEST(own_file_is_written_before_the_backends),
        TEST(a_second_vote_in_a_term_stops_the_witness),
        TEST(a_term_that_goes_back_stops_the_witness),
        TEST(own_pair_outranks_a_backend_that_is_behind),
        TEST(load_refuses_what_may_have_forgotten_a_vote),
        TEST(the_only_voter_begins_a_term_of_its_own),
        TEST(a_term_that_cannot_be_begun_durably_is_no_start),
        TEST(a_witness_that_never_took_part_loads),
        TEST(bootstrap_refuses_where_there_was_a_vote),
        TEST(an_append_without_progress_for_3_s_stops_the_witness),
        TEST(a_frozen_process_is_not_a_hanging_disk),
        TEST(progress_starts_the_count_again),
        TEST(an_append_has_longer_while_a_snapshot_is_written),
        TEST(a_snapshot_that_stands_still_is_told_and_stops_nobody),
        TEST(once_there_is_room_what_has_none_reserved_is_started_again),
        TEST(a_moment_without_reserved_room_stops_nobody),
        TEST(install_during_a_snapshot_write_is_dropped),
        TEST(an_install_that_cannot_be_written_stops_the_witness),
        TEST(an_install_that_ends_in_a_close_was_given_up),
        TEST(a_snapshot_with_an_older_configuration_is_refused),
        TEST(a_forgotten_change_still_counts),
        TEST(nothing_is_sent_once_the_close_has_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
