/* machine/witness: what is decided and proposed, and how it ends, before any of it has a socket, a log or a disk
 * (3.1-3.3, 3.9). Who calls it: test_witness_calls. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "witness_rig.h"

/* ---- which cluster this is -------------------------------------------------------------------- */

static void a_leader_without_an_id_offers_one_and_one_alone(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    lead(&rig, 2);
    assert_asks(&rig, "SUBMIT:");
    assert_int_equal(rig.commands[0].kind, BW_COMMAND_FOUND);
    assert_true(bw_id_equal(rig.commands[0].cluster_id, rig_cluster));
    assert_string_equal(rig.commands[0].by, "witness/w1");
    assert_int_equal(rig.commands[0].unix_ms, 1700000000000);
    live_until(&rig, rig.now_ms + 2 * BW_WITNESS_FOUND_MS);
    assert_int_equal(rig.request_count, 1);

    end_request(&rig, BW_ERR_UNKNOWN);
    live_until(&rig, rig.now_ms + BW_WITNESS_FOUND_MS);
    assert_int_equal(rig.request_count, 1); /* again, once nobody knows what became of it */
    end_request(&rig, BW_OK);
    assert_true(bw_witness_machine_knows_cluster(&rig.machine));
    forget(&rig);
    live_until(&rig, rig.now_ms + 2 * BW_WITNESS_FOUND_MS);
    assert_asks_not(&rig, "SUBMIT:");
}

static void a_log_of_another_cluster_is_not_applied(void **state)
{
    struct bw_command found = rig_found();
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    rig_open(&rig);
    found.cluster_id.bytes[0] = 1;
    assert_int_equal(bw_witness_machine_admit(&rig.machine, &found, &diag), BW_ERR_REFUSED);
    found = rig_found();
    found.election_timeout_ms = 2000;
    assert_int_equal(bw_witness_machine_admit(&rig.machine, &found, &diag), BW_ERR_REFUSED);
    found = rig_found();
    assert_int_equal(bw_witness_machine_admit(&rig.machine, &found, &diag), BW_OK);
}

static void a_snapshot_of_another_cluster_is_not_taken(void **state)
{
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(bw_witness_machine_restored(&rig.machine, &diag), BW_OK);
    rig.machine.cluster.election_timeout_ms = 2000;
    assert_int_equal(bw_witness_machine_restored(&rig.machine, &diag), BW_ERR_REFUSED);
    rig.machine.cluster.election_timeout_ms = 1000;
    rig.machine.cluster.id.bytes[0] = 1;
    assert_int_equal(bw_witness_machine_restored(&rig.machine, &diag), BW_ERR_REFUSED);
}

/* It may hold what this witness has not applied: an order that a site waits for. */
static void after_a_snapshot_whoever_polls_hears_what_is_new(void **state)
{
    struct bw_diag diag = {0};
    struct caller caller;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    make_poll(&rig, rig.index, 20000, &caller);
    give(&rig, BW_WITNESS_EVENT_POLL, &caller);
    rig.groups[0].changed_index = rig.index + 5; /* as the snapshot has it */
    assert_int_equal(bw_witness_machine_restored(&rig.machine, &diag), BW_OK);
    settle(&rig);
    assert_ptr_equal(rig.answered, &caller.call);
}

static void each_group_that_has_changed_is_told_of(void **state)
{
    struct bw_command spec = {.kind = BW_COMMAND_SET_SPEC};
    struct caller caller;
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    make_poll(&rig, rig.index + 1, 20000, &caller);
    give(&rig, BW_WITNESS_EVENT_POLL, &caller);
    spec.spec_version = rig.groups[0].spec_version;
    spec.spec = rig.groups[0].spec;
    spec.spec.renew_interval_ms += 1;
    (void)strcpy(spec.group, "harbor");
    assert_non_null(apply(&rig, &spec).rule); /* not newer than what it has */
    spec.spec_version = 0;
    (void)strcpy(spec.group, "shop");
    (void)strcpy(spec.spec.name, "shop");
    assert_non_null(apply(&rig, &spec).rule);
    settle(&rig);
    assert_ptr_equal(rig.answered, &caller.call);
    assert_string_equal(rig.answered_groups[0].name, "shop");
}

static void what_only_a_newer_witness_can_apply_stops_this_one(void **state)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL, .feature_level = 1000};
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(bw_witness_machine_admit(&rig.machine, &raise, &diag), BW_ERR_VERSION);
    rig.machine.cluster.feature_level = 1000; /* as a snapshot has it */
    assert_int_equal(bw_witness_machine_restored(&rig.machine, &diag), BW_ERR_VERSION);
}

/* ---- proposals -------------------------------------------------------------------------------- */

static void nobody_proposes_but_a_leader(void **state)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL, .feature_level = 2};
    struct bw_proposer proposer = {.on_done = NULL};
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    assert_int_equal(bw_witness_machine_propose(&rig.machine, &raise, NULL, &diag),
                     BW_ERR_NOT_LEADER);
    lead(&rig, 2);
    assert_int_equal(bw_witness_machine_propose(&rig.machine, &raise, &proposer, &diag), BW_OK);
    assert_ptr_equal(rig.requests[0].proposer, &proposer);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    assert_int_equal(bw_witness_machine_propose(&rig.machine, &raise, NULL, &diag),
                     BW_ERR_NOT_LEADER);
    bw_witness_machine_close(&rig.machine);
    lead(&rig, 3);
    assert_int_equal(bw_witness_machine_propose(&rig.machine, &raise, NULL, &diag),
                     BW_ERR_NOT_LEADER);
}

/* The lease of epoch 1 that nobody renews: its end is proposed once, whatever becomes of the proposal. */
static void lead_until_its_end_is_proposed(struct rig *rig)
{
    rig_begin(rig);
    rig_grant(rig);
    lead(rig, 2);
    settle(rig);
    assert_asks_not(rig, "SUBMIT:");
    live_until(rig, rig->now_ms + 120000);
    assert_int_equal(rig->request_count, 1);
    assert_int_equal(rig->commands[0].kind, BW_COMMAND_CLOSE); /* it never said that it armed */
}

static void one_proposal_of_a_group_is_on_its_way_at_most(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    lead_until_its_end_is_proposed(&rig);
    forget(&rig);
    make_sync(&rig, &caller);
    caller.group.renew_epoch = 0;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    settle(&rig);
    live_until(&rig, rig.now_ms + 60000);
    assert_asks_not(&rig, "SUBMIT:");
}

static void what_the_log_refuses_is_proposed_again_in_a_moment(void **state)
{
    struct rig rig;

    (void)state;
    lead_until_its_end_is_proposed(&rig);
    rig.err = BW_ERR_LIMIT;
    forget(&rig);
    end_request(&rig, BW_ERR_LIMIT);
    assert_asks_not(&rig, "SUBMIT:");
    live_until(&rig, rig.now_ms + BW_PROPOSAL_RETRY_MS);
    assert_asks(&rig, "SUBMIT:");
    assert_asks(&rig, "not_taken:0");
    rig.err = BW_OK;
    live_until(&rig, rig.now_ms + BW_PROPOSAL_RETRY_MS);
    assert_int_equal(rig.request_count, 1);
}

static unsigned times_asked(const struct rig *rig, const char *word)
{
    unsigned count = 0;

    for (const char *at = strstr(rig->log, word); at != NULL; at = strstr(at + 1, word))
        count++;
    return count;
}

/* A full disk stays so for a while: neither the log of the leader nor its time is filled with it. */
static void what_finds_no_room_is_proposed_ever_less_often_and_told_once(void **state)
{
    struct rig rig;

    (void)state;
    lead_until_its_end_is_proposed(&rig);
    rig.err = BW_ERR_NO_ROOM;
    end_request(&rig, BW_ERR_NO_ROOM);
    forget(&rig);
    live_until(&rig, rig.now_ms + 60000);
    assert_int_equal(times_asked(&rig, "not_taken:0"), 1);
    assert_int_equal(times_asked(&rig, "decided:"), 1);
    assert_in_range(times_asked(&rig, "SUBMIT:"), 60000 / BW_PROPOSAL_RETRY_MS_MAX, 30);

    rig.err = BW_OK;
    forget(&rig);
    live_until(&rig, rig.now_ms + BW_PROPOSAL_RETRY_MS_MAX);
    assert_int_equal(rig.request_count, 1);
    assert_int_equal(times_asked(&rig, "decided:"), 1); /* the log has it, that it was taken */
    rig.err = BW_ERR_NO_ROOM;
    end_request(&rig, BW_ERR_UNKNOWN);
    forget(&rig);
    live_until(&rig, rig.now_ms + BW_PROPOSAL_RETRY_MS); /* as soon as ever */
    assert_int_equal(times_asked(&rig, "not_taken:0"), 1);
}

static void what_was_applied_is_followed_by_a_barrier(void **state)
{
    struct rig rig;

    (void)state;
    lead_until_its_end_is_proposed(&rig);
    forget(&rig);
    end_request(&rig, BW_OK);
    assert_asks(&rig, "BARRIER:"); /* the followers learn of it now */
    assert_int_equal(rig.groups[0].phase, BW_PHASE_CLOSING);
}

static void a_fate_of_another_term_changes_nothing(void **state)
{
    struct rig rig;

    (void)state;
    lead_until_its_end_is_proposed(&rig);
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    lead(&rig, 5);
    settle(&rig);
    forget(&rig);
    end_request(&rig, BW_ERR_UNKNOWN);
    assert_string_equal(rig.log, "");
}

/* ---- the end ---------------------------------------------------------------------------------- */

static void a_closed_machine_asks_for_nothing(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_with_sync(&rig, &caller);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    bw_witness_machine_close(&rig.machine);
    forget(&rig);
    end_request(&rig, BW_OK);
    happen(&rig, BW_WITNESS_EVENT_WAKE);
    assert_string_equal(rig.log, "");
    assert_true(bw_instant_is_never(bw_witness_machine_wake_at(&rig.machine)));
    give(&rig, BW_WITNESS_EVENT_GONE, &caller);
    assert_null(rig.machine.syncs);
}

/* ---- giving leadership up --------------------------------------------------------------------- */

static void a_leader_hands_over_before_it_ends(void **state)
{
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    happen(&rig, BW_WITNESS_EVENT_LEAVE);
    assert_string_equal(rig.log, "TRANSFER:0 ");
    rig.now_ms += 100;
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    assert_asks(&rig, "END:");
}

static void nobody_takes_over_and_it_ends_all_the_same(void **state)
{
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    happen(&rig, BW_WITNESS_EVENT_LEAVE);
    live_until(&rig, rig.now_ms + 2 * 1000 - 1); /* two election timeouts */
    assert_asks_not(&rig, "END:");
    live_until(&rig, rig.now_ms + 1);
    assert_asks(&rig, "END:");
}

static void whoever_is_asked_twice_or_does_not_lead_ends_at_once(void **state)
{
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    happen(&rig, BW_WITNESS_EVENT_LEAVE);
    assert_asks_not(&rig, "END:");
    happen(&rig, BW_WITNESS_EVENT_LEAVE);
    assert_string_equal(rig.log, "TRANSFER:0 END:0 ");

    rig_begin(&rig); /* follows */
    happen(&rig, BW_WITNESS_EVENT_LEAVE);
    assert_string_equal(rig.log, "END:0 ");

    begin_leading(&rig);
    rig.err = BW_ERR_BUSY; /* nobody could take it */
    happen(&rig, BW_WITNESS_EVENT_LEAVE);
    assert_string_equal(rig.log, "TRANSFER:0 END:0 ");
}

static void a_leader_hands_over_for_a_peer_behind_and_goes_on(void **state)
{
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    bw_witness_machine_step(&rig.machine, &(struct bw_witness_event){
                                              .kind = BW_WITNESS_EVENT_BEHIND, .peer = 3});
    assert_string_equal(rig.log, "TRANSFER:3 ");
    happen(&rig, BW_WITNESS_EVENT_NOT_LEADING);
    assert_asks_not(&rig, "END:");
    live_until(&rig, rig.now_ms + 5000);
    assert_asks_not(&rig, "END:");
}

/* dc-b could be granted, if it were known how far it lags. */
static void sync_of_a_standby(struct rig *rig, uint64_t number)
{
    struct caller caller;

    make_sync(rig, &caller);
    (void)strcpy(caller.call.site, "dc-b");
    (void)strcpy(caller.sync.site, "dc-b");
    caller.sync.instance = (struct bw_id){{7}};
    caller.sync.number = number;
    caller.sync.exchange_count = number > 1;
    caller.sync.exchanges[0] = (struct bw_exchange){
        .witness = "w1", .number = number - 1, .sent = {1, 1}};
    caller.group.renew_epoch = 0;
    caller.group.report = (struct bw_report){.guard_alive = true,
                                             .service = BW_SERVICE_STOPPED,
                                             .condition = BW_CONDITION_START,
                                             .has_readiness = true,
                                             .ready = true,
                                             .has_lag = true,
                                             .check_interval_ms = 10000,
                                             .reach = BW_REACH_UNITS,
                                             .reach_works = true,
                                             .sight = {.seen = BW_REACH_INSIDE},
                                             .joined_epoch = UINT64_MAX,
                                             .spec_version = rig->groups[0].spec_version};
    give(rig, BW_WITNESS_EVENT_SYNC, &caller);
    if (bw_witness_machine_is_unsettled(&rig->machine))
        settle(rig);
}

/* 4: the site that served is lost, and this leader was away while it could be heard. */
static void a_leader_that_knows_too_little_hands_over_once(void **state)
{
    const struct bw_command expired = {
        .kind = BW_COMMAND_EXPIRED, .group = "harbor", .epoch = 1, .reason = BW_REASON_SITE_LOST};
    struct bw_command counted;
    struct rig rig;

    (void)state;
    begin_leading(&rig);
    counted = expired;
    counted.past_no_return = true;
    counted.spec_version = rig.groups[0].spec_version;
    assert_non_null(apply(&rig, &counted).rule);
    settle(&rig);
    rig.now_ms += 60000;
    rig.err = BW_ERR_BUSY; /* nobody takes it yet */
    sync_of_a_standby(&rig, 1);
    for (uint64_t number = 2; number <= 4; number++) {
        sync_of_a_standby(&rig, number);
        assert_asks_not(&rig, "TRANSFER:"); /* the others may be connected again, too */
        rig.now_ms += 1000;
    }
    sync_of_a_standby(&rig, 5);
    assert_asks(&rig, "TRANSFER:0 ");

    forget(&rig);
    rig.err = BW_OK;
    sync_of_a_standby(&rig, 6);
    assert_asks(&rig, "TRANSFER:0 ");
    forget(&rig);
    sync_of_a_standby(&rig, 7);
    assert_asks_not(&rig, "TRANSFER:");
    assert_asks_not(&rig, "SUBMIT:");
}

static void until_it_ends_it_answers_and_proposes(void **state)
{
    struct caller caller;
    struct rig rig;

    (void)state;
    begin_with_sync(&rig, &caller);
    happen(&rig, BW_WITNESS_EVENT_LEAVE);
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    end_request(&rig, BW_OK);
    assert_int_equal(rig.answered_groups[0].confirmed_epoch, 1);
}

/* ---- its configuration anew ------------------------------------------------------------------- */

static void addresses_may_change_and_who_the_witnesses_are_may_not(void **state)
{
    struct bw_member members[] = {{.id = 1, .name = "w1", .address = "w1:7401"},
                                  {.id = 2, .name = "w2", .address = "w2:7401"},
                                  {.id = 3, .name = "w3", .address = "w3:7401"}};
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    rig_begin(&rig);
    rig.leader = 2;
    assert_int_equal(bw_witness_machine_judge_members(&rig.machine, members, 3, &diag), BW_OK);
    assert_string_equal(bw_witness_machine_leader(&rig.machine)->address, "w2:7400"); /* judged */
    bw_witness_machine_set_members(&rig.machine, members, 3);
    assert_string_equal(bw_witness_machine_leader(&rig.machine)->address, "w2:7401"); /* taken */
    assert_int_equal(bw_witness_machine_judge_members(&rig.machine, members, 2, &diag),
                     BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "changes by `breakwater members add`, `replace` and `remove`"));
    members[1].id = 4;
    assert_int_equal(bw_witness_machine_judge_members(&rig.machine, members, 3, &diag),
                     BW_ERR_REFUSED);
    members[1].id = 2;
    (void)strcpy(members[2].name, "w4");
    assert_int_equal(bw_witness_machine_judge_members(&rig.machine, members, 3, &diag),
                     BW_ERR_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_without_an_id_offers_one_and_one_alone),
        cmocka_unit_test(a_log_of_another_cluster_is_not_applied),
        cmocka_unit_test(a_snapshot_of_another_cluster_is_not_taken),
        cmocka_unit_test(what_only_a_newer_witness_can_apply_stops_this_one),
        cmocka_unit_test(nobody_proposes_but_a_leader),
        cmocka_unit_test(one_proposal_of_a_group_is_on_its_way_at_most),
        cmocka_unit_test(what_the_log_refuses_is_proposed_again_in_a_moment),
        cmocka_unit_test(what_finds_no_room_is_proposed_ever_less_often_and_told_once),
        cmocka_unit_test(what_was_applied_is_followed_by_a_barrier),
        cmocka_unit_test(a_fate_of_another_term_changes_nothing),
        cmocka_unit_test(after_a_snapshot_whoever_polls_hears_what_is_new),
        cmocka_unit_test(each_group_that_has_changed_is_told_of),
        cmocka_unit_test(a_closed_machine_asks_for_nothing),
        cmocka_unit_test(a_leader_hands_over_before_it_ends),
        cmocka_unit_test(nobody_takes_over_and_it_ends_all_the_same),
        cmocka_unit_test(whoever_is_asked_twice_or_does_not_lead_ends_at_once),
        cmocka_unit_test(a_leader_hands_over_for_a_peer_behind_and_goes_on),
        cmocka_unit_test(a_leader_that_knows_too_little_hands_over_once),
        cmocka_unit_test(until_it_ends_it_answers_and_proposes),
        cmocka_unit_test(addresses_may_change_and_who_the_witnesses_are_may_not),
    };

    return cmocka_run_group_tests_name("witness_machine", tests, NULL, NULL);
}
