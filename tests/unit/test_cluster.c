/* cluster: what the log decides beside the table of one group (design 3.1, 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/expiry.h>

#include "core_fixture.h"

static struct bw_group groups[3];
static struct bw_cluster cluster;

static struct bw_applied apply(struct bw_command command)
{
    return bw_cluster_apply(&cluster, cluster.applied_index + 1, &command);
}

/* What is refused names the group that it is about, -1 for none. */
#define assert_err(command, wanted)                                                                \
    do {                                                                                           \
        const struct bw_applied refused = apply(command);                                          \
                                                                                                   \
        assert_int_equal(refused.err, wanted);                                                     \
        assert_int_equal(refused.group, bw_cluster_find(&cluster, (command).group));               \
    } while (0)
#define assert_fires(command, wanted) assert_string_equal(apply(command).rule->id, wanted)

static void begin(void)
{
    memset(groups, 0, sizeof groups);
    bw_cluster_init(&cluster, groups, 3);
    assert_fires(fixture_found(), "C1");
}

static struct bw_command create(const char *name)
{
    struct bw_command command = {.kind = BW_COMMAND_SET_SPEC, .spec = fixture_spec()};

    strcpy(command.group, name);
    strcpy(command.spec.name, name);
    return command;
}

static void a_cluster_is_founded_once(void **state) /* 3.9 */
{
    struct bw_command again = fixture_found();

    (void)state;
    begin();
    again.cluster_id.bytes[1] = 7;
    assert_err(again, BW_ERR_EXISTS);

    assert_int_equal(cluster.id.bytes[1], 0);
    assert_string_equal(cluster.name, "prod");
    assert_int_equal(cluster.generation, 1);
    assert_int_equal(cluster.election_timeout_ms, FIXTURE_ELECTION_MS);
    assert_int_equal(cluster.no_op_count, 1);
}

static void nothing_is_applied_before_the_cluster_is_founded(void **state)
{
    struct bw_command nameless = fixture_found();
    struct bw_command hasty = fixture_found();

    (void)state;
    memset(groups, 0, sizeof groups);
    bw_cluster_init(&cluster, groups, 3);
    nameless.cluster_name[0] = '\0';
    hasty.election_timeout_ms = BW_ELECTION_TIMEOUT_MS_MIN - 1;

    assert_err(create("harbor"), BW_ERR_REFUSED);
    assert_err(nameless, BW_ERR_INVALID);
    assert_err(hasty, BW_ERR_INVALID);
    assert_int_equal(cluster.applied_index, 3);
    assert_int_equal(cluster.no_op_count, 3);
}

static void an_unsafe_spec_cannot_be_committed(void **state) /* I1, design 4 */
{
    struct bw_command unsafe = create("harbor");

    (void)state;
    begin();
    unsafe.spec.lease_ttl_ms = 899;
    assert_err(unsafe, BW_ERR_INVALID);
    assert_int_equal(cluster.group_count, 0);

    assert_fires(create("harbor"), "C2");
    assert_err(unsafe, BW_ERR_INVALID);
    assert_int_equal(groups[0].spec.lease_ttl_ms, 1000);
}

static void a_spec_is_of_the_group_that_it_names(void **state)
{
    struct bw_command other = create("harbor");

    (void)state;
    begin();
    strcpy(other.spec.name, "registry");
    assert_err(other, BW_ERR_INVALID);
}

static void groups_are_bounded_and_found_by_name(void **state)
{
    (void)state;
    begin();
    assert_int_equal(apply(create("a")).group, 0);
    assert_int_equal(apply(create("b")).group, 1);
    assert_int_equal(apply(create("c")).group, 2);
    assert_err(create("d"), BW_ERR_LIMIT);
    assert_int_equal(apply(create("d")).group, -1);
    assert_int_equal(bw_cluster_find(&cluster, "b"), 1);
    assert_int_equal(bw_cluster_find(&cluster, ""), -1);
    assert_err(fixture_command(&(struct bw_group){.spec = {.name = "x"}}, BW_COMMAND_DELETE),
               BW_ERR_NOT_FOUND);
}

static void a_group_made_again_begins_above_every_epoch_it_had(void **state) /* I2, 3.1 Delete */
{
    (void)state;
    begin();
    assert_fires(create("a"), "C2");
    assert_fires(create("b"), "C2");
    for (int i = 0; i < 3; i++) {
        assert_fires(fixture_grant(&groups[0], "dc-a"), "G1");
        assert_fires(fixture_command(&groups[0], BW_COMMAND_EXPIRED), "G4");
    }
    assert_fires(fixture_command(&groups[0], BW_COMMAND_DELETE), "G34");
    assert_fires(fixture_command(&groups[1], BW_COMMAND_DELETE), "G34");

    assert_int_equal(cluster.epoch_floor, 3);
    assert_int_equal(bw_cluster_find(&cluster, "a"), -1);
    assert_int_equal(apply(create("a")).group, 0);
    assert_int_equal(groups[0].epoch, 3);
    assert_true(groups[0].first_grant);
    assert_int_equal(groups[0].history_count, 0);
    assert_int_equal(fixture_grant(&groups[0], "dc-b").epoch, 4);
}

/* I1, 3.9, H17: whoever was let go is waited for, also by a group that is made anew. */
static void a_group_made_again_keeps_the_longest_wait_for_who_was_let_go(void **state)
{
    struct bw_command with_longer = create("a");
    uint64_t longer_ns;

    (void)state;
    begin();
    with_longer.spec.lease_ttl_ms += 5000;
    assert_fires(with_longer, "C2");
    assert_fires(create("b"), "C2");
    for (int i = 0; i < 2; i++) {
        assert_fires(fixture_grant(&groups[i], "dc-a"), "G1");
        assert_fires(fixture_set_mode(&groups[i], BW_MODE_OBSERVE), "G26");
    }
    longer_ns = bw_expiry_wait_ns(&groups[0].let_go_terms);
    assert_true(longer_ns > bw_expiry_wait_ns(&groups[1].let_go_terms) + BW_NS_PER_S);

    assert_fires(fixture_command(&groups[0], BW_COMMAND_DELETE), "G34");
    assert_fires(fixture_command(&groups[1], BW_COMMAND_DELETE), "G34");

    assert_int_equal(apply(create("b")).group, 0);
    assert_in_range(bw_expiry_wait_ns(&groups[0].let_go_terms), longer_ns,
                    longer_ns + BW_NS_PER_MS);
    assert_string_equal(groups[0].let_go_site, "");
    assert_fires(fixture_grant(&groups[0], "dc-b"), "G1");
    assert_int_equal(groups[0].let_go_terms.ttl_ms, 0);
}

static void a_group_whose_holder_gave_it_back_leaves_no_wait_behind(void **state) /* 3.9 */
{
    (void)state;
    begin();
    assert_fires(create("a"), "C2");
    assert_fires(fixture_grant(&groups[0], "dc-a"), "G1");
    assert_fires(fixture_command(&groups[0], BW_COMMAND_EXPIRED), "G4");
    assert_fires(fixture_set_mode(&groups[0], BW_MODE_OBSERVE), "G24");
    assert_fires(fixture_command(&groups[0], BW_COMMAND_DELETE), "G34");

    assert_int_equal(apply(create("a")).group, 0);

    assert_int_equal(groups[0].let_go_terms.ttl_ms, 0);
}

static void a_group_that_is_granted_is_not_deleted(void **state) /* I1, 3.1 */
{
    (void)state;
    begin();
    assert_fires(create("a"), "C2");
    assert_fires(fixture_grant(&groups[0], "dc-a"), "G1");

    assert_err(fixture_command(&groups[0], BW_COMMAND_DELETE), BW_ERR_REFUSED);
    assert_int_equal(groups[0].phase, BW_PHASE_GRANTED);
}

static void a_late_delete_spares_the_group_made_again(void **state) /* 3.1 */
{
    struct bw_command delete;

    (void)state;
    begin();
    assert_fires(create("a"), "C2");
    delete = fixture_command(&groups[0], BW_COMMAND_DELETE);
    assert_fires(delete, "G34");
    assert_fires(create("a"), "C2");

    assert_err(delete, BW_ERR_STALE);
    assert_int_equal(bw_cluster_find(&cluster, "a"), 0);
}

static void a_spec_for_a_group_that_has_gone_does_not_make_it_again(void **state)
{
    struct bw_command edit = create("a");

    (void)state;
    begin();
    edit.spec_version = 7;
    assert_err(edit, BW_ERR_STALE);
    assert_int_equal(cluster.group_count, 0);
}

static void the_holders_site_cannot_leave_the_spec(void **state) /* I1, 3.9 */
{
    (void)state;
    begin();
    assert_fires(create("a"), "C2");
    assert_fires(fixture_grant(&groups[0], "dc-a"), "G1");

    assert_err(fixture_set_spec(&groups[0], "dc-a"), BW_ERR_REFUSED);
    assert_fires(fixture_set_spec(&groups[0], "dc-b"), "G19");
}

static void a_new_spec_must_suit_the_pinned_terms_too(void **state) /* 3.9 */
{
    struct bw_command slower;

    (void)state;
    begin();
    assert_fires(create("a"), "C2");
    assert_fires(fixture_grant(&groups[0], "dc-a"), "G1");
    slower = fixture_set_spec(&groups[0], "");
    slower.spec.lease_ttl_ms = 90000;
    slower.spec.renew_interval_ms = 10000;

    assert_err(slower, BW_ERR_REFUSED);
    assert_fires(fixture_command(&groups[0], BW_COMMAND_EXPIRED), "G4");
    assert_fires(slower, "G18");
}

static void what_is_about_another_epoch_or_version_is_stale(void **state) /* 3.1 */
{
    struct bw_command grant;
    struct bw_command mode;

    (void)state;
    begin();
    assert_fires(create("a"), "C2");
    grant = fixture_grant(&groups[0], "dc-a");
    mode = fixture_set_mode(&groups[0], BW_MODE_MANUAL);
    assert_fires(mode, "G24");

    assert_err(mode, BW_ERR_STALE);
    assert_err(grant, BW_ERR_STALE);
    assert_err(fixture_command(&groups[0], BW_COMMAND_EXPIRED), BW_ERR_REFUSED);
    assert_int_equal(cluster.no_op_count, 3);
}

static void an_initial_primary_is_a_candidate_of_its_spec(void **state) /* 3.9 */
{
    struct bw_command wish = create("a");

    (void)state;
    begin();
    strcpy(wish.site, "dc-x");
    assert_err(wish, BW_ERR_INVALID);
    strcpy(wish.site, "dc-b");
    assert_fires(wish, "C2");
    assert_string_equal(groups[0].initial_primary, "dc-b");
}

/* 3.9: kept in milliseconds, rounded up, and no longer than that. */
static void a_wait_that_is_kept_is_rounded_up_to_a_millisecond(void **state)
{
    struct bw_command command = create("a");

    (void)state;
    begin();
    command.spec.lease_ttl_ms = 999999; /* of a drift of 1 ppm: 2 ms more, exactly */
    command.spec.max_clock_drift_ppm = 1;
    assert_fires(command, "C2");
    assert_fires(fixture_grant(&groups[0], "dc-a"), "G1");
    assert_fires(fixture_set_mode(&groups[0], BW_MODE_OBSERVE), "G26");
    assert_fires(fixture_command(&groups[0], BW_COMMAND_DELETE), "G34");
    assert_int_equal(cluster.let_go_wait_ms, 999999 + 2 + command.spec.margin_ms);

    begin();
    command.spec.lease_ttl_ms = 999998;
    assert_fires(command, "C2");
    assert_fires(fixture_grant(&groups[0], "dc-a"), "G1");
    assert_fires(fixture_set_mode(&groups[0], BW_MODE_OBSERVE), "G26");
    assert_fires(fixture_command(&groups[0], BW_COMMAND_DELETE), "G34");
    assert_int_equal(cluster.let_go_wait_ms, 999998 + 2 + command.spec.margin_ms);
}

/* 3.9: each bound of what founds a cluster refuses by itself. */
static void a_cluster_is_founded_within_every_bound(void **state)
{
    struct bw_command found[] = {fixture_found(), fixture_found(), fixture_found()};

    (void)state;
    found[0].election_timeout_ms = BW_ELECTION_TIMEOUT_MS_MAX + 1;
    found[1].feature_level = 0;
    found[2].election_timeout_ms = BW_ELECTION_TIMEOUT_MS_MIN - 1;
    memset(groups, 0, sizeof groups);
    bw_cluster_init(&cluster, groups, 3);
    for (size_t i = 0; i < 3; i++)
        assert_err(found[i], BW_ERR_INVALID);
    assert_true(bw_id_is_none(cluster.id));
}

/* 3.9: only what sets a spec is compared with the open epoch; of other commands the field means nothing. */
static void what_sets_no_spec_is_not_judged_by_one(void **state)
{
    struct bw_command command;

    (void)state;
    begin();
    (void)apply(create("harbor"));
    command = fixture_grant(&groups[0], "dc-a");
    assert_fires(command, "G1");
    command = fixture_set_mode(&groups[0], BW_MODE_PAUSED);
    command.spec = (struct bw_spec){0};
    assert_fires(command, "G24");
}

/* 3.5: what another instance gave back is about another holder: stale, and not refused by the table. */
static void a_give_back_of_another_instance_is_stale(void **state)
{
    struct bw_command command = create("harbor");

    (void)state;
    begin();
    assert_fires(command, "C2");
    command = (struct bw_command){.kind = BW_COMMAND_GRANT,
                                  .group = "harbor",
                                  .epoch = 1,
                                  .spec_version = groups[0].spec_version,
                                  .instance = {{1}},
                                  .boot_id = {{1}},
                                  .terms = bw_terms_of_spec(&groups[0].spec)};
    strcpy(command.site, groups[0].spec.sites[0].name);
    assert_fires(command, "G1");
    command = (struct bw_command){
        .kind = BW_COMMAND_RELEASED, .group = "harbor", .epoch = 1, .instance = {{2}}};
    assert_err(command, BW_ERR_STALE);
    command.epoch = 2;
    command.instance.bytes[0] = 1;
    assert_err(command, BW_ERR_STALE);
    command.epoch = 1;
    assert_true(apply(command).rule != NULL);
}

/* I1, 3.9: nor by a spec that only looks on. */
static void a_spec_that_observes_keeps_the_holders_site_too(void **state)
{
    struct bw_command command;

    (void)state;
    begin();
    assert_fires(create("a"), "C2");
    assert_fires(fixture_grant(&groups[0], "dc-a"), "G1");
    command = fixture_set_spec(&groups[0], "dc-a");
    command.spec.mode = BW_MODE_OBSERVE;
    assert_err(command, BW_ERR_REFUSED);
    assert_string_equal(groups[0].holder_site, "dc-a");
}

/* 5.3: it goes up by one, and is about no group. */
static void a_level_that_is_not_the_next_is_stale(void **state)
{
    struct bw_command command = {.kind = BW_COMMAND_RAISE_LEVEL};
    struct bw_applied applied;

    (void)state;
    begin();
    for (uint32_t level = 0; level < 4; level++) {
        command.feature_level = level;
        if (level == cluster.feature_level + 1)
            continue;
        assert_err(command, BW_ERR_STALE);
    }
    command.feature_level = cluster.feature_level + 1;
    applied = apply(command);
    assert_string_equal(applied.rule->id, "C3");
    assert_int_equal(applied.group, -1);
    cluster.feature_level = UINT32_MAX; /* no level is the next one */
    command.feature_level = 0;
    assert_err(command, BW_ERR_STALE);
}

/* ---- who may do what (5.3) ---- */

static struct bw_command people_of(const char *text, uint64_t version)
{
    static char copy[BW_PEOPLE_BYTES_MAX + 1];

    strcpy(copy, text);
    return (struct bw_command){.kind = BW_COMMAND_SET_PEOPLE,
                               .spec_version = version,
                               .people = copy,
                               .people_size = strlen(copy)};
}

static void begin_at(uint32_t level)
{
    begin();
    cluster.feature_level = level;
}

static void who_may_do_what_is_applied_from_its_level_on(void **state)
{
    struct bw_applied applied;

    (void)state;
    begin_at(BW_PEOPLE_LEVEL - 1);
    assert_err(people_of("operator/root\n", 0), BW_ERR_REFUSED);
    assert_int_equal(cluster.people_version, 0);
    assert_string_equal(cluster.people.text, "");

    begin_at(BW_PEOPLE_LEVEL);
    applied = apply(people_of("operator/root\n", 0));
    assert_string_equal(applied.rule->id, "C10");
    assert_int_equal(applied.group, -1);
    assert_int_equal(cluster.people_version, 1);
    assert_string_equal(cluster.people.text, "operator/root\n");
}

static void a_list_made_from_another_one_is_stale(void **state)
{
    (void)state;
    begin_at(BW_PEOPLE_LEVEL);
    assert_fires(people_of("operator/root\n", 0), "C10");
    assert_err(people_of("operator/mallory\n", 0), BW_ERR_STALE);
    assert_err(people_of("operator/mallory\n", 2), BW_ERR_STALE);
    assert_string_equal(cluster.people.text, "operator/root\n");
    assert_fires(people_of("operator/anna\n", 1), "C10");
    assert_string_equal(cluster.people.text, "operator/anna\n");
}

static void no_list_is_applied_that_nobody_could_change_again(void **state)
{
    (void)state;
    begin_at(BW_PEOPLE_LEVEL);
    assert_fires(people_of("operator/root\n", 0), "C10");
    assert_err(people_of("operator/root harbor\nviewer/board\n", 1), BW_ERR_REFUSED);
    assert_err(people_of("operator/root", 1), BW_ERR_INVALID);
    assert_string_equal(cluster.people.text, "operator/root\n");
    assert_int_equal(cluster.people_version, 1);
}

static void the_applied_list_counts_and_no_file(void **state)
{
    const struct bw_people of_file = {.text = "operator/anna\n"};
    const struct bw_people none = {.text = ""};

    (void)state;
    begin_at(BW_PEOPLE_LEVEL);
    assert_string_equal(bw_cluster_people(&cluster, &of_file), "operator/anna\n");
    assert_string_equal(bw_cluster_people(&cluster, &none), "");
    assert_fires(people_of("operator/root\n", 0), "C10");
    assert_string_equal(bw_cluster_people(&cluster, &of_file), "operator/root\n");
    assert_string_equal(bw_cluster_people(&cluster, &none), "operator/root\n");
}

/* 3.9 */
static void a_recovery_keeps_who_may_do_what(void **state)
{
    uint64_t index;

    (void)state;
    begin_at(BW_PEOPLE_LEVEL);
    assert_fires(people_of("operator/root\n", 0), "C10");
    assert_int_equal(bw_cluster_recover(&cluster, cluster.applied_index, &(struct bw_recovery_way){.chance = 5}, &index),
                     BW_OK);
    assert_int_equal(cluster.people_version, 1);
    assert_string_equal(cluster.people.text, "operator/root\n");
}

/* 3.9: the terms that an epoch was granted are what a spec has to suit, to the millisecond; and one by which
 * the group is only watched has nothing to suit. */
static void a_spec_may_ask_for_all_of_the_pinned_lease(void **state)
{
    struct bw_command command;
    bool is_exact = false;

    (void)state;
    begin();
    assert_fires(create("a"), "C2");
    assert_fires(fixture_grant(&groups[0], "dc-a"), "G1");
    for (uint32_t margin_ms = 20; margin_ms < 10000; margin_ms++) {
        struct bw_spec as_pinned;
        uint64_t wanted_ms;

        command = fixture_set_spec(&groups[0], "");
        command.spec.lease_ttl_ms = 90000;
        command.spec.margin_ms = margin_ms;
        command.spec.fence_timeout_ms = groups[0].terms.fence_ms / 2;
        as_pinned = command.spec;
        as_pinned.fence_timeout_ms = groups[0].terms.fence_ms;
        wanted_ms = bw_spec_lease_ttl_ms_min(&as_pinned, FIXTURE_ELECTION_MS);
        is_exact = is_exact || wanted_ms == groups[0].terms.ttl_ms;
        if (wanted_ms > groups[0].terms.ttl_ms) {
            assert_err(command, BW_ERR_REFUSED);
            break;
        }
        assert_int_equal(apply(command).err, BW_OK);
    }
    assert_true(is_exact);
    command.spec.mode = BW_MODE_OBSERVE;
    assert_int_equal(apply(command).err, BW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_is_founded_once),
        cmocka_unit_test(nothing_is_applied_before_the_cluster_is_founded),
        cmocka_unit_test(an_unsafe_spec_cannot_be_committed),
        cmocka_unit_test(a_spec_is_of_the_group_that_it_names),
        cmocka_unit_test(groups_are_bounded_and_found_by_name),
        cmocka_unit_test(a_group_made_again_begins_above_every_epoch_it_had),
        cmocka_unit_test(a_group_made_again_keeps_the_longest_wait_for_who_was_let_go),
        cmocka_unit_test(a_group_whose_holder_gave_it_back_leaves_no_wait_behind),
        cmocka_unit_test(a_group_that_is_granted_is_not_deleted),
        cmocka_unit_test(a_late_delete_spares_the_group_made_again),
        cmocka_unit_test(a_spec_for_a_group_that_has_gone_does_not_make_it_again),
        cmocka_unit_test(the_holders_site_cannot_leave_the_spec),
        cmocka_unit_test(a_new_spec_must_suit_the_pinned_terms_too),
        cmocka_unit_test(what_is_about_another_epoch_or_version_is_stale),
        cmocka_unit_test(an_initial_primary_is_a_candidate_of_its_spec),
        cmocka_unit_test(a_wait_that_is_kept_is_rounded_up_to_a_millisecond),
        cmocka_unit_test(a_cluster_is_founded_within_every_bound),
        cmocka_unit_test(what_sets_no_spec_is_not_judged_by_one),
        cmocka_unit_test(a_give_back_of_another_instance_is_stale),
        cmocka_unit_test(a_spec_may_ask_for_all_of_the_pinned_lease),
        cmocka_unit_test(a_spec_that_observes_keeps_the_holders_site_too),
        cmocka_unit_test(a_level_that_is_not_the_next_is_stale),
        cmocka_unit_test(who_may_do_what_is_applied_from_its_level_on),
        cmocka_unit_test(a_list_made_from_another_one_is_stale),
        cmocka_unit_test(no_list_is_applied_that_nobody_could_change_again),
        cmocka_unit_test(the_applied_list_counts_and_no_file),
        cmocka_unit_test(a_recovery_keeps_who_may_do_what),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
