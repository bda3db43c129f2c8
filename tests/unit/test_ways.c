/* ways: whose give-back ends an epoch at once, and who waits until nobody else can hold it (3.5). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "core_world.h"

static struct world world;
static struct world_site copy; /* of dc-a's machine: the same state directory, another boot */

#define W2 UINT64_C(2)
#define W3 UINT64_C(3)

#define assert_rule(rule) assert_string_equal(world_decide(&world), rule)
#define assert_acts(rule) assert_string_equal(world_act(&world), rule)
#define assert_waits(id)                                                                           \
    do {                                                                                           \
        assert_string_equal(world_decide(&world), "A0");                                           \
        assert_true(world_holds(&world, id, -1));                                                  \
        assert_true(world.decision.wake_in_ns != UINT64_MAX);                                      \
    } while (0)

/* dc-a serves; a copy of its machine wakes up, which has renewed nothing. */
static void begin_with_copy(void)
{
    world_begin(&world, 2);
    copy = world.sites[A];
    copy.session.bytes[0] = 90;
    copy.boot_id.bytes[0] = 91;
    copy.number = 0;
    copy.exchanges[0].number = 0;
    copy.renew_epoch = 0;
    copy.report.service = BW_SERVICE_STOPPED;
    copy.report.armed_epoch = 0;
    copy.report.serving_epoch_started = false;
}

static bool sync_copy(void)
{
    struct world_site original = world.sites[A];
    bool was_confirmed;

    world.sites[A] = copy;
    was_confirmed = world_sync(&world, A);
    copy = world.sites[A];
    world.sites[A] = original;
    return was_confirmed;
}

static void give_back(struct world_site *site, const char *position)
{
    site->renew_epoch = 0;
    site->released = (struct bw_released){.epoch = world_group(&world)->epoch,
                                          .reason = BW_REASON_REBOOT,
                                          .past_no_return = true};
    (void)strcpy(site->released.position, position);
}

/* I1, 3.5. */
static void a_copy_of_the_machine_ends_nothing_that_the_original_renews(void **state)
{
    (void)state;
    begin_with_copy();
    give_back(&copy, "");

    for (int i = 0; i < 60; i++) {
        (void)sync_copy();
        assert_waits("release_wait");
        world_pass_ms(&world, 500);
    }
}

/* I1, 3.5, 3.3. */
static void a_copy_is_believed_when_the_original_cannot_hold_it_any_more(void **state)
{
    uint64_t wait_ms;
    (void)state;
    begin_with_copy();
    give_back(&copy, "42");
    wait_ms = world_wait_of_terms_ms(&world);
    assert_true(world_sync(&world, A)); /* the last that is heard of it */
    world.sites[A].is_mute = true;
    world_wait_ms(&world, 1000);
    (void)sync_copy();
    world_wait_ms(&world, wait_ms - 1000 - 1);
    assert_rule("A0");

    world_wait_ms(&world, 1);
    assert_rule("A1");
    assert_string_equal(world.decision.command.position, "42");
}

static void the_holders_own_word_counts_at_once_beside_a_copy(void **state)
{
    (void)state;
    begin_with_copy();
    give_back(&copy, "7");
    (void)sync_copy();
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "42");
    (void)sync_copy();

    for (int i = 0; i < 2; i++) { /* whichever spoke first */
        struct bw_contact *const sessions = world_watch(&world)->reports[A].by_instance;
        const struct bw_contact first = sessions[0];

        assert_rule("A1");
        assert_string_equal(world.decision.command.position, "42");
        sessions[0] = sessions[1];
        sessions[1] = first;
    }
}

/* 3.5: the copy of a machine that renews no more waits for the renewals that an earlier leader may
 * have confirmed. */
static void a_new_leader_counts_for_others_from_its_own_begin(void **state)
{
    (void)state;
    begin_with_copy();
    give_back(&copy, "");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 1000);
    world_lead_anew(&world);
    (void)sync_copy();
    world_wait_ms(&world, world_wait_of_terms_ms(&world) - 1);
    assert_rule("A0");

    world_wait_ms(&world, 1);
    assert_rule("A1");
}

/* 3.5: a later session on the same boot is the earlier one's successor. */
static void an_agent_or_a_leader_that_restarts_costs_no_wait(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].session.bytes[0] = 77;
    world.sites[A].number = 0;
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "42");
    assert_rule("A1");

    world_lead_anew(&world);
    assert_rule("A1");
}

/* ---- passed on by a witness ---- */

/* I1, 3.5: any witness's key alone would end any lease. */
static void a_give_back_that_a_witness_passes_on_waits_for_direct_renewals(void **state)
{
    (void)state;
    begin_with_copy();
    copy = world.sites[A]; /* in the holder's name: session, boot and all */
    copy.relayed_by = W2;
    copy.number += 1000000;
    give_back(&copy, "");

    for (int i = 0; i < 60; i++) {
        assert_true(world_sync(&world, A));
        (void)sync_copy();
        assert_waits("release_wait");
        world_wait_ms(&world, 500);
    }
}

static void a_site_that_one_witness_speaks_for_gives_back_at_once(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].relayed_by = W2;
    world_sync_all(&world);
    assert_acts("A6");
    world_serve(&world, A);
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "42");
    assert_rule("A1");

    /* Another leader cannot know what came directly before its time. */
    world_lead_anew(&world);
    world_sync_all(&world);
    assert_waits("release_wait");
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 1000);
    assert_rule("A1");
}

static void every_way_that_renewed_must_have_passed_it_on(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].relayed_by = W2;
    world_sync_all(&world);
    assert_acts("A6");
    world_serve(&world, A);
    world.sites[A].relayed_by = W3;
    assert_true(world_sync(&world, A));
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "42");
    assert_waits("release_wait");

    /* The same bytes, by the other witness too. */
    world.sites[A].relayed_by = W2;
    world.sites[A].number--;
    (void)world_sync(&world, A);
    assert_rule("A1");
}

static void other_words_passed_on_do_not_join_those_of_another_witness(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].relayed_by = W2;
    world_sync_all(&world);
    assert_acts("A6");
    world_serve(&world, A);
    world.sites[A].relayed_by = W3;
    assert_true(world_sync(&world, A));
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "42");
    world.sites[A].relayed_by = W2;
    (void)strcpy(world.sites[A].released.position, "9");
    (void)world_sync(&world, A);

    assert_waits("release_wait");
}

static void what_came_directly_stands(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "42");
    world.sites[A].relayed_by = W2;
    (void)strcpy(world.sites[A].released.position, "9");
    (void)world_sync(&world, A);

    assert_rule("A1");
    assert_string_equal(world.decision.command.position, "42");
}

/* ---- boots ---- */

/* 3.5: the boot is committed before its first confirmation leaves. */
static void a_candidate_that_rebooted_is_renewed_once_its_boot_is_committed(void **state)
{
    (void)state;
    world_init(&world, 2);
    assert_acts("A6");
    world.sites[A].boot_id.bytes[0] = 91;
    world.sites[A].renew_epoch = 1;
    assert_false(world_sync(&world, A));

    assert_acts("A30");
    assert_non_null(world.decision.from);
    assert_true(bw_id_equal(world.decision.from->boot_id, world.sites[A].boot_id));
    assert_int_equal(world_group(&world)->boot_count, 2);
    assert_true(world_sync(&world, A));

    /* Nothing was ever renewed from the boot that the grant names. */
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "");
    assert_rule("A1");
}

/* I1: a copy made before the grant knows nothing of it, and would begin the epoch a second time. */
static void a_copy_begins_no_epoch_that_the_original_holds(void **state)
{
    (void)state;
    begin_with_copy();
    copy.renew_epoch = world_group(&world)->epoch;

    for (int i = 0; i < 60; i++) {
        assert_false(sync_copy());
        assert_waits("release_wait");
        world_pass_ms(&world, 500);
    }
    assert_int_equal(world_group(&world)->boot_count, 1);
}

/* I1: neither of two machines has renewed the epoch yet, and one is committed: the other is confirmed no
 * more, be it the one that the grant names; and asks, and waits, as the first would have. */
static void of_two_boots_only_the_newest_renews(void **state)
{
    (void)state;
    world_init(&world, 2);
    assert_acts("A6");
    world.sites[A].renew_epoch = 1;
    copy = world.sites[A];
    copy.session.bytes[0] = 90;
    copy.boot_id.bytes[0] = 91;
    copy.number = 0;
    assert_false(sync_copy());
    assert_acts("A30");

    assert_true(sync_copy());
    for (int i = 0; i < 20; i++) {
        assert_false(world_sync(&world, A));
        assert_waits("release_wait");
        world_pass_ms(&world, 500);
        assert_true(sync_copy());
    }
    assert_int_equal(world_group(&world)->boot_count, 2);
}

/* I1: what is confirmed until the other is committed would be held by both. */
static void once_another_boot_is_proposed_the_old_one_is_confirmed_no_more(void **state)
{
    struct bw_proposal proposal;

    (void)state;
    world_init(&world, 2);
    assert_acts("A6");
    world.sites[A].renew_epoch = 1;
    copy = world.sites[A];
    copy.session.bytes[0] = 90;
    copy.boot_id.bytes[0] = 91;
    copy.number = 0;
    assert_false(sync_copy());
    assert_rule("A30");
    bw_witness_on_proposing(&world.witness, &world.decision.command, &proposal);

    assert_false(world_sync(&world, A));

    /* Whether it came to nothing is not known: it may be committed late, and is asked for again. */
    assert_int_equal(bw_witness_on_proposed(&world.witness, &proposal, NULL), BW_PROPOSAL_RETRY);
    assert_false(world_sync(&world, A));
    assert_acts("A30");
    assert_true(sync_copy());
    assert_false(world_sync(&world, A));
}

static void with_more_boots_than_are_kept_whoever_renewed_is_waited_for(void **state)
{
    struct bw_command command = {.kind = BW_COMMAND_BOOT, .group = "harbor", .epoch = 1};
    (void)state;
    world_begin(&world, 2);
    for (uint8_t i = 0; i < BW_BOOTS_MAX; i++) {
        command.boot_id.bytes[0] = (uint8_t)(100 + i);
        assert_string_equal(world_apply(&world, &command), "G55");
    }
    assert_int_equal(world_group(&world)->boot_count, BW_BOOTS_MAX);
    assert_true(world_group(&world)->has_more_boots);
    assert_string_equal(world_apply(&world, &command), "-"); /* it is the newest */
    command.boot_id.bytes[0] = 200;
    assert_string_equal(world_apply(&world, &command), "G55");
    for (uint8_t i = 0; i + 1 < BW_BOOTS_MAX; i++) /* the oldest makes room */
        assert_int_equal(world_group(&world)->boots[i].id.bytes[0], 101 + i);
    assert_int_equal(world_group(&world)->boots[BW_BOOTS_MAX - 1].id.bytes[0], 200);

    world_lead_anew(&world);
    world_pass_ms(&world, 1000);
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "");
    assert_waits("release_wait");
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 1000);
    assert_rule("A1");
}

/* 3.5. */
static void a_held_epoch_is_not_given_back_while_another_boot_speaks(void **state)
{
    (void)state;
    begin_with_copy();
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = 1;
    world_sync_all(&world);
    assert_acts("A2");
    give_back(&copy, "");
    copy.released.held_index = world_group(&world)->held_index;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 1000);
    (void)sync_copy();
    assert_waits("release_boot");

    world.sites[A].is_mute = true;
    world_pass_ms(&world, 10000);
    (void)sync_copy();
    assert_rule("A1");
}

/* What its guard does not reach: no time ends it, and no word of somebody else may. */
static void see_outside(void)
{
    world.sites[A].report.sight = (struct bw_reach_sight){
        .seen = BW_REACH_OUTSIDE, .epoch = world_group(&world)->epoch, .digest = 1};
    world_sync_all(&world);
    assert_acts("A20");
    assert_int_equal(world_group(&world)->sight.seen, BW_REACH_OUTSIDE);
}

/* I1, 3.4, 3.5: the wait for the holder's lease says nothing of a service that outlives it. */
static void what_time_does_not_end_is_not_given_back_on_the_word_of_one_witness(void **state)
{
    (void)state;
    begin_with_copy();
    see_outside();
    copy = world.sites[A];
    copy.relayed_by = W2;
    copy.number += 1000000;
    give_back(&copy, "");
    copy.report.service = BW_SERVICE_STOPPED;
    world.sites[A].is_mute = true;
    (void)sync_copy();
    (void)sync_copy(); /* said twice it is the word of one all the same */
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 30000);
    assert_true(strcmp(world_decide(&world), "A1") != 0);
    assert_true(world_holds(&world, "release_way", -1));

    copy.relayed_by = W3; /* the same bytes */
    copy.number--;
    (void)sync_copy();
    assert_rule("A1");
}

static void what_time_does_not_end_is_not_given_back_while_another_boot_speaks(void **state)
{
    (void)state;
    begin_with_copy();
    see_outside();
    world.sites[A].renew_epoch = 0;
    give_back(&copy, "");
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 1000);
    (void)sync_copy();
    assert_true(strcmp(world_decide(&world), "A1") != 0);
    assert_true(world_holds(&world, "release_boot", -1));
}

/* I1, 3.5: a copy that is gone ends nothing later, when the machine that renewed on falls silent. */
static void what_a_copy_gave_back_before_the_machine_renewed_again_is_no_give_back(void **state)
{
    (void)state;
    begin_with_copy();
    see_outside();
    give_back(&copy, "");
    (void)sync_copy();
    for (int i = 0; i < 5; i++) {
        world_pass_ms(&world, 1000);
        (void)world_sync(&world, A);
        assert_string_equal(world_decide(&world), "A0");
    }
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 30000);
    assert_true(strcmp(world_decide(&world), "A1") != 0);
    assert_true(world_holds(&world, "release_boot", -1));

    (void)sync_copy();
    assert_rule("A1");
}

/* 3.1, 3.4: time would end what runs on elsewhere. */
static void a_copy_does_not_say_that_the_service_is_inside(void **state)
{
    (void)state;
    begin_with_copy();
    see_outside();
    copy.report.sight = (struct bw_reach_sight){
        .seen = BW_REACH_INSIDE, .epoch = world_group(&world)->epoch, .digest = 1};
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 8000); /* what it said is not fresh any more */
    (void)sync_copy();
    assert_rule("A0");

    world.sites[A].is_mute = false;
    world.sites[A].report.sight = copy.report.sight;
    (void)world_sync(&world, A);
    assert_rule("A20");
}

/* 3.5: it would be a renewal of an epoch that another site is granted above. */
static void from_its_proposal_on_nothing_is_renewed(void **state)
{
    struct bw_proposal proposal;
    (void)state;
    begin_with_copy();
    assert_true(world_sync(&world, A));
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "");
    assert_rule("A1");
    bw_witness_on_proposing(&world.witness, &world.decision.command, &proposal);
    world.sites[A].renew_epoch = world_group(&world)->epoch;

    assert_false(world_sync(&world, A));
}

/* 3.9: what a copy says of a let-go says nothing of the machine that holds on. */
static void a_copy_does_not_confirm_a_let_go(void **state)
{
    (void)state;
    begin_with_copy();
    world_set_mode(&world, BW_MODE_OBSERVE);
    world_set_mode(&world, BW_MODE_AUTO);
    world.sites[A].is_mute = true;
    copy.report.let_go_index = world_group(&world)->let_go_index;
    copy.report.spec_version = world_group(&world)->spec_version;
    for (int i = 0; i < 8; i++) {
        world_pass_ms(&world, 500);
        (void)sync_copy();
        assert_rule("A0");
    }
    assert_true(world_holds(&world, "let_go", -1));
}

static void the_ways_are_bounded_and_those_beyond_are_another(void **state)
{
    static struct bw_ways ways;
    const struct bw_instant first = {10, 10};
    const struct bw_instant later = {20, 20};
    struct bw_ways_known known = {.group = world_group(&world), .ways = &ways};
    struct bw_contact contact = {.used = true, .boot_id = {{1}}, .released_by = {.directly = true}};
    struct bw_instant since;
    (void)state;
    world_begin(&world, 2);
    known.was_granted_here = true;
    for (uint64_t i = 0; i < BW_WAYS_MAX; i++) {
        const struct bw_way way = {.boot_id = {{1}}, .relayed_by = i};

        assert_true(bw_ways_note(&ways, &way, first));
        assert_false(bw_ways_note(&ways, &way, later));
    }
    assert_false(bw_ways_others_since(&known, &contact, &since));

    assert_false(bw_ways_note(&ways, &(struct bw_way){.boot_id = {{9}}}, later));
    assert_true(bw_ways_others_since(&known, &contact, &since));
    assert_int_equal(since.boot_ns, later.boot_ns);
}

/* This leader granted it: nobody can have confirmed what it does not know of, whichever way that came. */
static void of_an_epoch_granted_here_every_way_is_known(void **state)
{
    static struct bw_ways ways;
    struct bw_ways_known known = {.ways = &ways, .leader_since = {7, 7}};
    const struct bw_contact relayed = {
        .used = true, .boot_id = {{1}}, .released_by = {.witnesses = {W2, W3}, .count = 2}};
    struct bw_instant since;
    (void)state;
    world_begin(&world, 2);
    known.group = world_group(&world);
    assert_true(bw_ways_others_since(&known, &relayed, &since));
    assert_int_equal(since.boot_ns, 7);

    known.was_granted_here = true;
    assert_false(bw_ways_others_since(&known, &relayed, &since));
}

static void a_give_back_names_the_witness_that_passed_it_on(void **state)
{
    struct bw_contact contact = {.relayed_by = W3};
    (void)state;
    assert_int_equal(bw_ways_relayed_by(&contact), W3);
    contact.released.epoch = 1;
    assert_int_equal(bw_ways_relayed_by(&contact), 0);
    contact.released_by = (struct bw_released_by){.witnesses = {W2, W3}, .count = 2};
    assert_int_equal(bw_ways_relayed_by(&contact), W2);
    contact.released_by.directly = true;
    assert_int_equal(bw_ways_relayed_by(&contact), 0);
}

/* 3.1: nor does time where the policy asks for more than a lapsed lease. */
static void what_the_policy_wants_fenced_is_not_given_back_on_the_word_of_one_witness(void **state)
{
    (void)state;
    begin_with_copy();
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_NEVER;
    copy = world.sites[A];
    copy.relayed_by = W2;
    copy.number += 1000000;
    give_back(&copy, "");
    copy.report.service = BW_SERVICE_STOPPED;
    world.sites[A].is_mute = true;
    (void)sync_copy();
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 30000);

    assert_true(strcmp(world_decide(&world), "A1") != 0);
    assert_true(world_holds(&world, "release_way", -1));
}

/* Of several the one that may be believed first, whichever was heard first. */
static void a_word_that_is_vouched_for_is_believed_beside_one_that_is_not(void **state)
{
    (void)state;
    begin_with_copy();
    see_outside();
    copy.boot_id = world.sites[A].boot_id; /* the same machine, whose agent has restarted */
    world.sites[A].relayed_by = W2;
    world.sites[A].number += 1000000;
    give_back(&world.sites[A], "1");
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    (void)world_sync(&world, A);
    world.sites[A].is_mute = true;
    assert_true(strcmp(world_decide(&world), "A1") != 0);
    give_back(&copy, "2");
    (void)sync_copy();

    assert_rule("A1");
    assert_string_equal(world.decision.command.position, "2");
}

/* 3.5: of a group without a boot that is committed nobody is known to be the only one. */
static void without_a_committed_boot_nobody_is_the_sole_holder(void **state)
{
    const struct bw_contact contact = {.used = true, .boot_id = {{1}}};
    struct bw_group group = {.boot_count = 0};

    (void)state;
    assert_false(bw_ways_is_sole_holder(&group, &contact));
    group.boot_count = 1;
    group.boots[0].id = contact.boot_id;
    assert_true(bw_ways_is_sole_holder(&group, &contact));
}

/* 3.3, 3.5: where time ends the epoch, a copy that still speaks keeps nobody waiting for longer
 * than the lease: of two that gave it back the holder's own word counts, although the copy spoke
 * last. */
static void where_time_ends_it_a_copy_that_speaks_delays_no_give_back(void **state)
{
    uint64_t wait_ms;

    (void)state;
    begin_with_copy();
    give_back(&copy, "7");
    wait_ms = world_wait_of_terms_ms(&world);
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "42");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, wait_ms - 1000);
    (void)sync_copy();

    assert_rule("A1");
    assert_string_equal(world.decision.command.position, "42");
}

/* 3.5: of two give-backs that are alike but for the reason, each has the word of one witness alone.
 */
static void another_reason_passed_on_does_not_join_that_of_another_witness(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].relayed_by = W2;
    world_sync_all(&world);
    assert_acts("A6");
    world_serve(&world, A);
    world.sites[A].relayed_by = W3;
    assert_true(world_sync(&world, A));
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "42");
    world.sites[A].relayed_by = W2;
    world.sites[A].released.reason = BW_REASON_START_FAILED;
    (void)world_sync(&world, A);

    assert_waits("release_wait");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_of_the_machine_ends_nothing_that_the_original_renews),
        cmocka_unit_test(a_copy_is_believed_when_the_original_cannot_hold_it_any_more),
        cmocka_unit_test(the_holders_own_word_counts_at_once_beside_a_copy),
        cmocka_unit_test(a_new_leader_counts_for_others_from_its_own_begin),
        cmocka_unit_test(an_agent_or_a_leader_that_restarts_costs_no_wait),
        cmocka_unit_test(a_give_back_that_a_witness_passes_on_waits_for_direct_renewals),
        cmocka_unit_test(a_site_that_one_witness_speaks_for_gives_back_at_once),
        cmocka_unit_test(every_way_that_renewed_must_have_passed_it_on),
        cmocka_unit_test(other_words_passed_on_do_not_join_those_of_another_witness),
        cmocka_unit_test(what_came_directly_stands),
        cmocka_unit_test(a_candidate_that_rebooted_is_renewed_once_its_boot_is_committed),
        cmocka_unit_test(a_copy_begins_no_epoch_that_the_original_holds),
        cmocka_unit_test(of_two_boots_only_the_newest_renews),
        cmocka_unit_test(once_another_boot_is_proposed_the_old_one_is_confirmed_no_more),
        cmocka_unit_test(with_more_boots_than_are_kept_whoever_renewed_is_waited_for),
        cmocka_unit_test(a_held_epoch_is_not_given_back_while_another_boot_speaks),
        cmocka_unit_test(what_time_does_not_end_is_not_given_back_on_the_word_of_one_witness),
        cmocka_unit_test(what_time_does_not_end_is_not_given_back_while_another_boot_speaks),
        cmocka_unit_test(what_a_copy_gave_back_before_the_machine_renewed_again_is_no_give_back),
        cmocka_unit_test(a_copy_does_not_say_that_the_service_is_inside),
        cmocka_unit_test(from_its_proposal_on_nothing_is_renewed),
        cmocka_unit_test(a_copy_does_not_confirm_a_let_go),
        cmocka_unit_test(the_ways_are_bounded_and_those_beyond_are_another),
        cmocka_unit_test(of_an_epoch_granted_here_every_way_is_known),
        cmocka_unit_test(a_give_back_names_the_witness_that_passed_it_on),
        cmocka_unit_test(what_the_policy_wants_fenced_is_not_given_back_on_the_word_of_one_witness),
        cmocka_unit_test(a_word_that_is_vouched_for_is_believed_beside_one_that_is_not),
        cmocka_unit_test(without_a_committed_boot_nobody_is_the_sole_holder),
        cmocka_unit_test(where_time_ends_it_a_copy_that_speaks_delays_no_give_back),
        cmocka_unit_test(another_reason_passed_on_does_not_join_that_of_another_witness),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
