/* saved: what a saved state says beside the state, and whom a cluster that begins anew from it knows. 3.9. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/witness/recovery.h>

#include "janitor.h"

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    (void)strcpy(dir, "/tmp/bw-test-saved-XXXXXX");
    assert_non_null(mkdtemp(dir));
    janitor_add_dir(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    janitor_remove_dir(dir);
    return 0;
}

/* 2 was removed, and so was 9. */
static struct bw_roster second_roster(void)
{
    struct bw_roster roster = {.count = 2, .id_max = 9};

    for (unsigned i = 0; i < 2; i++) {
        struct bw_roster_member *member = &roster.members[i];

        *member = (struct bw_roster_member){.id = i == 0 ? 1 : 5, .incarnation = {{(uint8_t)(i + 1)}}};
        (void)snprintf(member->name, sizeof member->name, "w%u", (unsigned)member->id);
        (void)snprintf(member->address, sizeof member->address, "w%u:7400", (unsigned)member->id);
        (void)snprintf(member->raft, sizeof member->raft, "w%u:7401", (unsigned)member->id);
    }
    return roster;
}

/* As a leader of the cluster "prod" answers. */
static json_t *save(const struct bw_roster *roster)
{
    struct bw_group group;
    struct bw_cluster cluster;
    json_t *document;

    memset(&group, 0, sizeof group);
    bw_cluster_init(&cluster, &group, 1);
    cluster.id = (struct bw_id){{9}};
    (void)strcpy(cluster.name, "prod");
    cluster.election_timeout_ms = 1000;
    cluster.applied_index = 40;
    document = bw_saved_encode(&cluster, roster, 7, "w1", 5);
    assert_non_null(document);
    return document;
}

/* Into an empty directory of w1, whose file names itself only. */
static void restore(struct bw_witness_recovery *recovery, const json_t *document,
                    struct bw_witness_config *config)
{
    struct bw_saved saved;
    struct bw_diag diag = {0};

    *config = (struct bw_witness_config){.cluster = "prod",
                                         .data_dir = dir,
                                         .witness_count = 1,
                                         .witnesses = {{.id = 1, .name = "w1", .address = "new:7400",
                                                        .raft = "new:7401"}}};
    assert_int_equal(bw_witness_recovery_init(recovery, &diag), BW_OK);
    assert_int_equal(bw_saved_decode(document, &saved, &recovery->cluster, &diag), BW_OK);
    assert_int_equal(saved.term, 7);
    assert_int_equal(bw_witness_recovery_open_empty(recovery, config, &saved, &diag), BW_OK);
}

/* Nobody who was removed before gets its id back: its old disk would be believed. */
static void no_id_that_was_ever_given_is_free_after_a_restore(void **state)
{
    const struct bw_roster roster = second_roster();
    json_t *document = save(&roster);
    struct bw_witness_recovery recovery;
    struct bw_witness_config config;

    (void)state;
    restore(&recovery, document, &config);

    assert_int_equal(recovery.alone.id_max, 9);
    assert_int_equal(recovery.alone.count, 1);
    assert_int_equal(recovery.alone.members[0].id, 1);
    assert_string_equal(recovery.alone.members[0].raft, "new:7401");
    bw_witness_recovery_close(&recovery);
    json_decref(document);
}

/* A cluster whose members never changed knows no highest id: those that it began with are given. */
static void the_ids_of_a_first_roster_are_given_too(void **state)
{
    const struct bw_roster roster = {
        .count = 3,
        .members = {{.id = 1, .incarnation = {{1}}}, {.id = 2, .incarnation = {{2}}},
                    {.id = 4, .incarnation = {{3}}}}};
    json_t *document = save(&roster);
    struct bw_witness_recovery recovery;
    struct bw_witness_config config;

    (void)state;
    restore(&recovery, document, &config);

    assert_int_equal(recovery.alone.id_max, 4);
    bw_witness_recovery_close(&recovery);
    json_decref(document);
}

/* They are asked whether they run: one that does knows more than the file. */
static void whom_the_saved_roster_names_is_asked(void **state)
{
    const struct bw_roster roster = second_roster();
    struct bw_witness_member_config members[BW_WITNESSES_ASKED_MAX];
    json_t *document = save(&roster);
    struct bw_witness_recovery recovery;
    struct bw_witness_config config;

    (void)state;
    restore(&recovery, document, &config);

    assert_int_equal(bw_witness_recovery_members(&recovery, &config, members), 2);
    assert_int_equal(members[1].id, 5);
    assert_string_equal(members[1].raft, "w5:7401");
    config.witnesses[config.witness_count] = (struct bw_witness_member_config){.id = 7, .name = "w7"};
    config.witness_count++; /* the file knows one that came later */
    assert_int_equal(bw_witness_recovery_members(&recovery, &config, members), 3);
    assert_int_equal(members[2].id, 7);
    bw_witness_recovery_close(&recovery);
    json_decref(document);
}

static void a_saved_state_without_its_members_is_refused(void **state)
{
    static const char *const broken[] = {"", "AAAA", "no base64"};
    const struct bw_roster roster = second_roster();
    struct bw_witness_recovery recovery;
    struct bw_saved saved;
    struct bw_diag diag = {0};

    (void)state;
    assert_int_equal(bw_witness_recovery_init(&recovery, &diag), BW_OK);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        json_t *document = save(&roster);

        assert_int_equal(json_object_set_new(document, "members", json_string(broken[i])), 0);
        assert_int_equal(bw_saved_decode(document, &saved, &recovery.cluster, &diag),
                         BW_ERR_INVALID);
        assert_non_null(strstr(diag.text, "its members are damaged"));
        json_decref(document);
    }
    bw_witness_recovery_close(&recovery);
}

/* Takes `document`. */
static void assert_refused(json_t *document, const char *words)
{
    struct bw_witness_recovery recovery;
    struct bw_saved saved;
    struct bw_diag diag = {0};

    assert_non_null(document);
    assert_int_equal(bw_witness_recovery_init(&recovery, &diag), BW_OK);
    assert_int_not_equal(bw_saved_decode(document, &saved, &recovery.cluster, &diag), BW_OK);
    assert_non_null(strstr(diag.text, words));
    bw_witness_recovery_close(&recovery);
    json_decref(document);
}

/* A terminal obeys what it is shown. */
static void a_file_that_says_what_no_name_or_address_says_is_refused(void **state)
{
    struct bw_roster roster = second_roster();
    json_t *document = save(&roster);

    (void)state;
    assert_int_equal(json_object_set_new(document, "witness", json_string("w1\x1b[2J")), 0);
    assert_refused(document, "it is not a saved state");
    (void)strcpy(roster.members[1].raft, "w5\x1b[2J:7401");
    assert_refused(save(&roster), "its members are damaged");
    roster = second_roster();
    (void)strcpy(roster.members[1].failure_domain, "\x1b[2J");
    assert_refused(save(&roster), "its members are damaged");
}

/* It would be restored, and never start, or leave no id to anybody. */
static void a_file_whose_numbers_nobody_comes_to_is_refused(void **state)
{
    struct bw_roster roster = second_roster();
    struct bw_group group;
    struct bw_cluster cluster;

    (void)state;
    roster.id_max = UINT64_MAX;
    assert_refused(save(&roster), "impossible ids");
    roster.id_max = 9;
    memset(&group, 0, sizeof group);
    bw_cluster_init(&cluster, &group, 1);
    cluster.id = (struct bw_id){{9}};
    (void)strcpy(cluster.name, "prod");
    cluster.election_timeout_ms = 1000;
    cluster.feature_level = 99;
    assert_refused(bw_saved_encode(&cluster, &roster, 7, "w1", 5), "feature level 99");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_id_that_was_ever_given_is_free_after_a_restore, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_ids_of_a_first_roster_are_given_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whom_the_saved_roster_names_is_asked, set_up, tear_down),
        cmocka_unit_test(a_saved_state_without_its_members_is_refused),
        cmocka_unit_test(a_file_that_says_what_no_name_or_address_says_is_refused),
        cmocka_unit_test(a_file_whose_numbers_nobody_comes_to_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
