/* recovery: a data directory is the old one or the new one, whole, whenever the power goes (3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <raft.h>

#include <breakwater/consensus/node.h>
#include <breakwater/consensus/recovery.h>
#include <breakwater/core/counters.h>
#include <breakwater/consensus/vote.h>

#include "janitor.h"
#include "killed_at.h"

#define INDEX 1800000000000

static char dir[64];
static const struct bw_id old_incarnation = {{1}};
static const struct bw_id new_incarnation = {{2}};
static const uint8_t state_bytes[] = "what is left";

/* ---- what is done there: 0 is well ---- */

static int make_old(void)
{
    struct bw_node_founding founding = {.data_dir = dir,
                                        .member_ids = {1, 2, 3},
                                        .member_count = 3,
                                        .identity = {.cluster_id = {{7}},
                                                     .cluster = "prod",
                                                     .witness_id = 3,
                                                     .election_timeout_ms = 1000,
                                                     .incarnation = old_incarnation}};

    return bw_node_bootstrap(&founding, NULL) == BW_OK ? 0 : 1;
}

static struct bw_recovery_beginning beginning(void)
{
    return (struct bw_recovery_beginning){.identity = {.cluster_id = {{7}},
                                                       .cluster = "prod",
                                                       .witness_id = 3,
                                                       .election_timeout_ms = 1000,
                                                       .incarnation = new_incarnation},
                                          .term = 9,
                                          .index = INDEX,
                                          .old_roster = {.count = 2,
                                                         .members = {{.id = 2, .incarnation = {{5}}},
                                                                     {.id = 3, .incarnation = {{1}}}}},
                                          .state = state_bytes,
                                          .state_size = sizeof state_bytes,
                                          .old_generation = 1};
}

/* As `breakwater recover` does it: what was begun is finished, else it is made. */
static int make_new(void)
{
    const struct bw_recovery_beginning wanted = beginning();
    struct bw_diag diag = {0};
    struct bw_data_dir open;
    enum bw_err err = bw_data_dir_lock(&open, dir, &diag);

    if (err == BW_OK)
        err = bw_recovery_is_begun(&open) ? bw_recovery_finish(&open, &diag)
                                          : bw_recovery_write(&open, &wanted, &diag);
    bw_data_dir_close(&open);
    return err == BW_OK ? 0 : 1;
}

/* As `breakwater recover --undo` does it, of generation 5 made of generation 1. */
static int undo_new(void)
{
    struct bw_diag diag = {0};
    struct bw_data_dir open;
    enum bw_err err = bw_data_dir_lock(&open, dir, &diag);
    uint64_t aside = 0;

    if (err == BW_OK && bw_recovery_is_begun(&open)) {
        err = bw_recovery_finish(&open, &diag);
    } else if (err == BW_OK) {
        err = bw_recovery_find_aside(&open, 5, &aside, &diag);
        if (err == BW_OK)
            err = aside == 1 ? bw_recovery_undo(&open, 5, aside, &diag) : BW_ERR_NOT_FOUND;
    }
    bw_data_dir_close(&open);
    return err == BW_OK ? 0 : 1;
}

static enum bw_err take_entry(void *user, uint64_t index, uint64_t term, const uint8_t *data,
                              size_t size, struct bw_diag *diag)
{
    (void)user, (void)index, (void)term, (void)data, (void)size, (void)diag;
    return BW_OK;
}

static enum bw_err no_snapshot(void *user, uint8_t **out_data, size_t *out_size)
{
    (void)user, (void)out_data, (void)out_size;
    return BW_ERR_INVALID;
}

static enum bw_err take_state(void *user, const uint8_t *data, size_t size, struct bw_diag *diag)
{
    bool *is_right = user;

    (void)diag;
    *is_right = size == sizeof state_bytes && memcmp(data, state_bytes, size) == 0;
    return BW_OK;
}

static const struct bw_fsm_ops ops = {
    .apply = take_entry, .snapshot = no_snapshot, .restore = take_state};

static bool read_dir(struct bw_recovery_found *found, bool *is_right)
{
    struct bw_data_dir_identity identity;
    struct bw_diag diag = {0};
    struct bw_data_dir open;
    enum bw_err err = bw_data_dir_open(&open, dir, &identity, &diag);

    *is_right = false;
    if (err == BW_OK)
        err = bw_recovery_read(&open, &ops, is_right, found, &diag);
    bw_data_dir_close(&open);
    return err == BW_OK;
}

static int is_old(void)
{
    struct bw_recovery_found found;
    bool is_right;

    return read_dir(&found, &is_right) && found.last_index == 1 && found.term == 1 &&
                   bw_id_equal(found.identity.incarnation, old_incarnation) &&
                   found.voter_count == 3 && found.voters[0] == 1 && found.voters[2] == 3
               ? 0
               : 1;
}

static int is_new(void)
{
    struct bw_recovery_found found;
    bool is_right;

    return read_dir(&found, &is_right) && is_right && found.last_index == INDEX &&
                   found.last_term == 9 && found.term == 9 && found.voter_count == 1 &&
                   bw_id_equal(found.identity.incarnation, new_incarnation)
               ? 0
               : 1;
}

/* What was begun says whom the cluster had. */
static int has_old_roster(void)
{
    struct bw_roster roster = {.count = 0};
    bool is_known = false;
    struct bw_data_dir open;
    enum bw_err err = bw_data_dir_lock(&open, dir, NULL);

    if (err == BW_OK)
        err = bw_recovery_begun_roster(&open, &roster, &is_known, &(bool){false}, NULL);
    bw_data_dir_close(&open);
    return err == BW_OK && is_known && roster.count == 2 && roster.members[0].id == 2 &&
                   roster.members[1].id == 3
               ? 0
               : 1;
}

static bool has(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void assert_new(void)
{
    assert_int_equal(apart(is_new, -1), 0);
    assert_true(has("generation-1/identity"));
    assert_true(has("generation-1/vote"));
    assert_true(has("generation-1/raft"));
    assert_false(has("recovery"));
    assert_false(has("recovery.new"));
}

/* ---- claims ---- */

static int set_up(void **state)
{
    (void)state;
    (void)strcpy(dir, "/dev/shm/bw-recovery-XXXXXX"); /* no disk: it is made some hundred times */
    if (mkdtemp(dir) == NULL) {
        (void)strcpy(dir, "/tmp/bw-recovery-XXXXXX");
        if (mkdtemp(dir) == NULL)
            return -1;
    }
    janitor_add_dir(dir);
    return apart(make_old, -1);
}

static int tear_down(void **state)
{
    (void)state;
    janitor_remove_dir(dir);
    return 0;
}

static void write_bytes(const char *name, const uint8_t *bytes, size_t size)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, size, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static void write_long_ago(const char *name, int64_t unix_s)
{
    const struct timespec times[2] = {{.tv_sec = unix_s, .tv_nsec = 7}, {.tv_sec = unix_s, .tv_nsec = 7}};
    char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* A crash has torn its last write, and come between the two places of its term: what reads it mends both. */
static void what_only_reads_leaves_the_time_of_the_last_write(void **state)
{
    uint8_t torn[200] = {[0] = 1, [8 ... 199] = 0xa5};
    uint8_t vote[BW_VOTE_BYTES];
    struct bw_recovery_found found;
    bool is_right;

    (void)state;
    bw_vote_encode((struct bw_vote){.term = 9}, vote);
    write_bytes("vote", vote, sizeof vote);
    write_bytes("raft/open-1", torn, sizeof torn);
    write_long_ago("raft/metadata1", 1000000000);
    write_long_ago("raft/0000000000000001-0000000000000001", 1000000001);
    write_long_ago("raft/open-1", 1000000002);

    assert_true(read_dir(&found, &is_right));
    assert_int_equal(found.written_unix_s, 1000000002);
    assert_int_equal(found.torn_segments, 1);
    assert_true(found.torn_bytes > 0);
    assert_false(has("raft/open-1"));
    assert_true(has("raft/metadata2"));

    assert_true(read_dir(&found, &is_right));
    assert_int_equal(found.written_unix_s, 1000000002);
    assert_int_equal(found.torn_segments, 0);
}

static void the_new_directory_holds_the_state_and_one_voter(void **state)
{
    (void)state;
    assert_int_equal(apart(is_old, -1), 0);
    assert_int_equal(apart(make_new, -1), 0);
    assert_new();
}

static void again(void **state)
{
    assert_int_equal(tear_down(state), 0);
    assert_int_equal(set_up(state), 0);
}

/* Before the mark all is as it was; behind it nothing but the recovery opens the directory. */
static void wherever_it_is_cut_short_the_next_run_does_the_right_thing(void **state)
{
    unsigned before_count = 0;
    unsigned behind_count = 0;

    for (long n = 0; apart(make_new, n) != 0; n++) {
        assert_true(n < 200);
        if (has("recovery")) {
            behind_count++;
            assert_int_equal(apart(has_old_roster, -1), 0);
            assert_int_equal(apart(is_old, -1), 1);
            assert_int_equal(apart(is_new, -1), 1);
        } else if (has("generation-1/identity")) {
            assert_int_equal(apart(is_new, -1), 0); /* only the last fsync is missing */
            again(state);
            continue;
        } else {
            before_count++;
            assert_int_equal(apart(is_old, -1), 0);
        }
        assert_int_equal(apart(make_new, -1), 0);
        assert_new();
        again(state);
    }
    assert_new();
    print_message("cut short %u times before the mark, %u behind it\n", before_count, behind_count);
    assert_true(before_count > 10);
    assert_true(behind_count > 5);
}

/* And the run that goes on with it. */
static void one_that_goes_on_may_be_cut_short_too(void **state)
{
    unsigned count = 0;
    long first = 0; /* the step that is just behind the mark */

    for (long n = 0;; n++) {
        while (apart(make_new, first) != 0 && !has("recovery")) {
            first++;
            again(state);
        }
        if (apart(make_new, n) == 0)
            break;
        count += has("recovery");
        assert_true(n < 200);
        if (has("recovery"))
            assert_int_equal(apart(make_new, -1), 0);
        assert_new();
        again(state);
    }
    assert_new();
    assert_true(count > 5);
}

static void write_mark(const void *bytes, size_t size)
{
    char path[128];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/recovery", dir);
    out = fopen(path, "w");
    assert_non_null(out);
    assert_true(size == 0 || fwrite(bytes, size, 1, out) == 1);
    assert_int_equal(fclose(out), 0);
}

static void remove_mark(void)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/recovery", dir);
    assert_int_equal(unlink(path), 0);
}

static void assert_undone(void)
{
    assert_int_equal(apart(is_old, -1), 0);
    assert_true(has("generation-5/identity"));
    assert_false(has("generation-1"));
    assert_false(has("recovery"));
    assert_false(has("recovery.new"));
}

static void wherever_an_undo_is_cut_short_the_next_run_does_the_right_thing(void **state)
{
    unsigned before_count = 0;
    unsigned behind_count = 0;

    for (long n = 0;; n++) {
        assert_true(n < 200);
        assert_int_equal(apart(make_new, -1), 0);
        write_bytes("notes", (const uint8_t *)"new", 3); /* beside what is made anew */
        write_bytes("generation-1/notes", (const uint8_t *)"old", 3);
        if (apart(undo_new, n) == 0)
            break;
        if (has("recovery")) {
            behind_count++;
            assert_int_equal(apart(is_old, -1), 1);
            assert_int_equal(apart(is_new, -1), 1);
            assert_int_equal(apart(undo_new, -1), 0);
        } else if (has("generation-1")) {
            before_count++;
            assert_int_equal(apart(is_new, -1), 0);
            assert_int_equal(apart(undo_new, -1), 0);
        }
        assert_undone();
        assert_true(has("notes") && has("generation-5/notes"));
        again(state);
    }
    assert_undone();
    print_message("cut short %u times before the mark, %u behind it\n", before_count, behind_count);
    assert_true(before_count >= 2);
    assert_true(behind_count > 5);
}

/* 3.9: the term of its election is on its disk before a witness leads. */
static void what_nobody_has_led_from_is_told_by_its_log(void **state)
{
    const uint64_t generation = UINT64_C(1) << 25;
    struct bw_recovery_found found = {.term = 9, .last_term = 9, .last_index = bw_counter_index_first(generation)};

    (void)state;
    assert_true(bw_recovery_is_unspoken(&found, generation));
    assert_false(bw_recovery_is_unspoken(&found, generation + 1)); /* no recovery, or one of a release of before */
    found.term++;
    assert_false(bw_recovery_is_unspoken(&found, generation)); /* it stood for election */
    found.last_term++;
    found.last_index++;
    assert_false(bw_recovery_is_unspoken(&found, generation)); /* and wrote */
}

static void a_mark_that_cannot_be_read_changes_nothing(void **state)
{
    (void)state;
    write_mark("something\n", 10);
    assert_int_equal(apart(make_new, -1), 1);
    remove_mark();
    assert_int_equal(apart(is_old, -1), 0);
}

static enum bw_err mark_says(struct bw_roster *roster, bool *is_known)
{
    struct bw_data_dir open;
    enum bw_err err = bw_data_dir_lock(&open, dir, NULL);

    if (err == BW_OK)
        err = bw_recovery_begun_roster(&open, roster, is_known, &(bool){false}, NULL);
    bw_data_dir_close(&open);
    return err;
}

/* Whoever is asked by half a list is asked too little. */
static void a_mark_that_was_cut_or_changed_is_noticed(void **state)
{
    const struct bw_recovery_beginning wanted = beginning();
    uint8_t mark[BW_RECOVERY_MARK_BYTES_MAX];
    const size_t size = bw_recovery_encode_mark(&wanted, mark);
    struct bw_roster roster;
    bool is_known;

    (void)state;
    for (size_t cut = 0; cut < size; cut++) {
        write_mark(mark, cut);
        assert_int_equal(mark_says(&roster, &is_known), BW_ERR_CORRUPT);
    }
    for (size_t at = 0; at < size; at++) {
        mark[at] ^= 1;
        write_mark(mark, size);
        assert_int_equal(mark_says(&roster, &is_known), BW_ERR_CORRUPT);
        mark[at] ^= 1;
    }
    write_mark(mark, size);
    assert_int_equal(mark_says(&roster, &is_known), BW_OK);
    assert_true(is_known && roster.count == 2);
    remove_mark();
}

static void a_mark_may_have_no_roster_by_its_log_or_its_release(void **state)
{
    static const char of_older[] = "breakwater recovery 1\nold generation 1\n";
    struct bw_recovery_beginning wanted = beginning();
    uint8_t mark[BW_RECOVERY_MARK_BYTES_MAX];
    struct bw_roster roster;
    bool is_known;

    (void)state;
    wanted.old_roster.count = 0;
    write_mark(mark, bw_recovery_encode_mark(&wanted, mark));
    assert_int_equal(mark_says(&roster, &is_known), BW_OK);
    assert_true(is_known && roster.count == 0);
    write_mark(of_older, sizeof of_older - 1);
    assert_int_equal(mark_says(&roster, &is_known), BW_OK);
    assert_true(!is_known && roster.count == 0);
    remove_mark();
}

/* Who is sent the log, and votes once it has caught up, is not counted before; and the newest counts, committed or not. */
static void who_votes_is_in_the_newest_configuration(void **state)
{
    struct bw_recovery_found found = {.term = 0};
    struct raft_configuration newest;
    struct raft_entry entries[2] = {{.term = 4, .type = RAFT_CHANGE}, {.term = 4, .type = RAFT_BARRIER}};
    bool is_right;

    (void)state;
    raft_configuration_init(&newest);
    assert_int_equal(raft_configuration_add(&newest, 1, "1", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&newest, 4, "4", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&newest, 5, "5", RAFT_SPARE), 0);
    assert_int_equal(raft_configuration_encode(&newest, &entries[0].buf), 0);
    assert_int_equal(bw_beginning_take_log(&ops, &is_right, 4, NULL, 8, entries, 2, &found, NULL),
                     BW_OK);
    assert_int_equal(found.voter_count, 2);
    assert_true(found.voters[0] == 1 && found.voters[1] == 4);
    raft_configuration_close(&newest);
    raft_free(entries[0].buf.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_only_reads_leaves_the_time_of_the_last_write, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_new_directory_holds_the_state_and_one_voter, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            wherever_it_is_cut_short_the_next_run_does_the_right_thing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_goes_on_may_be_cut_short_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            wherever_an_undo_is_cut_short_the_next_run_does_the_right_thing, set_up, tear_down),
        cmocka_unit_test(what_nobody_has_led_from_is_told_by_its_log),
        cmocka_unit_test_setup_teardown(a_mark_that_cannot_be_read_changes_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_mark_that_was_cut_or_changed_is_noticed, set_up,
                                        tear_down),
        cmocka_unit_test(who_votes_is_in_the_newest_configuration),
        cmocka_unit_test_setup_teardown(a_mark_may_have_no_roster_by_its_log_or_its_release, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
