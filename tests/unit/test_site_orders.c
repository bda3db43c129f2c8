/* site: which order counts, and for what (5.3, 3.7, 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

/* A witness that is behind tells of what was committed before. */
static void a_lower_index_never_replaces_a_higher_one(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.index = 20;
    order(&world, BW_ORDER_STAND_BY, 1);
    world.index = 15;

    order(&world, BW_ORDER_RUN, 1);

    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
    assert_int_equal(world.site.order.index, 21);
    assert_int_equal(world.site.order.kind, BW_ORDER_STAND_BY);
}

/* What is not in the log may change beside it: the newest word counts. */
static void of_two_of_one_index_the_newer_one_counts(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STAND_BY, 1);
    struct world world;

    (void)state;
    begin(&world);
    tell_order(&world, of);
    of.prepare = true;
    world.index--;
    tell_order(&world, of);
    assert_true(world.site.order.prepare);
}

/* What it was ordered in the life before it is ordered still, with the same index. */
static void the_order_that_was_acted_on_counts_again_after_a_restart(void **state)
{
    struct bw_site_memory memory = held;
    struct world world;

    (void)state;
    memory.order_index = 11;
    begin_with(&world, &memory);
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.index, 11);
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);

    begin_with(&world, &memory);
    world.index = 9; /* and what was ordered before that does not */
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
}

/* A state that was read before the grant was committed. */
static void to_stand_by_after_an_older_epoch_ends_none_of_its_own(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STAND_BY, 0);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    order(&world, BW_ORDER_STAND_BY, 1);
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
}

/* 3.9: durably, so that nothing is begun by hand after a restart. */
static void an_epoch_of_another_site_makes_this_one_enforced(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STAND_BY, 1);
    struct world world;

    (void)state;
    begin(&world);
    tell_order(&world, of);
    assert_false(world.site.kept.enforced);
    of.others_epoch = true;
    tell_order(&world, of);
    assert_true(world.site.kept.enforced);
}

/* Its guard may have lost the message: each step asks for it again, once. */
static void a_let_go_is_asked_for_in_each_step_until_it_is_done(void **state)
{
    struct bw_order of = order_to(BW_ORDER_LET_GO, 0);
    struct world world;

    (void)state;
    begin(&world);
    of.let_go_index = 20;
    tell_order(&world, of);
    assert_asked(&world, "LET_GO");
    tick_at(&world, world.now_ms + 1);
    assert_string_equal(world.log, "LET_GO ");
    from_guard(&world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_LET_GO_DONE,
                                                  .let_go_index = 20});
    tick_at(&world, world.now_ms + 1);
    assert_not_asked(&world, "LET_GO");
}

/* 5.3: a witness that knows no order says none, whatever its log has come to. */
static void an_order_that_is_none_takes_no_others_place(void **state)
{
    const struct bw_order none = {.kind = BW_ORDER_NONE, .index = 99, .epoch = 5};
    struct world world;

    (void)state;
    begin_leased(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &none});
    assert_int_equal(world.site.order.kind, BW_ORDER_RUN);
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.site.order.kind, BW_ORDER_STOP);
}

/* A poll brings the same order again and again: nothing is looked at for that. */
static void the_same_order_is_no_news(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STAND_BY, 1);
    struct world world;

    (void)state;
    begin(&world);
    of.prepare = true;
    tell_order(&world, of);
    status(&world, "stopped");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");
    world.index--;
    tell_order(&world, of);
    assert_not_asked(&world, "RUN:");
    tell_order(&world, of);
    assert_asked(&world, "RUN:readiness");
}

/* 5.1: its plan, too, not only its reason. */
static void a_stop_that_was_ordered_tells_its_script_of_the_order(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STOP, 1);
    struct world world;

    (void)state;
    begin_serving(&world);
    of.reason = BW_REASON_SWITCHOVER;
    of.planned = true;
    tell_order(&world, of);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_int_equal(world.sent_run.run.facts.reason, BW_REASON_SWITCHOVER);
    assert_true(world.sent_run.run.facts.planned);
}

static const struct bw_site_memory has_served = {
    .epoch = 1, .boot_id = {{3}}, .start_begun = true, .given_back = true, .enforced = true};

/* 3.8: two in a row, without an epoch between. */
static void a_look_before_an_epoch_is_none_of_a_rogue_in_it(void **state)
{
    struct world world;

    (void)state;
    begin_with(&world, &has_served);
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    status(&world, "started");
    order(&world, BW_ORDER_RUN, 2);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    status(&world, "started");
    assert_not_asked(&world, "RUN:fence");
    status(&world, "started");
    assert_asked(&world, "RUN:fence");
}

/* ---- who serves elsewhere (4) ---------------------------------------------------------------- */

static void serves_elsewhere(struct world *world, uint64_t epoch)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = epoch});
}

static void begin_that_follows(struct world *world)
{
    begin_with(world, &has_served);
    world->site.limits.has_script[BW_ACTION_REJOIN] = true;
    order(world, BW_ORDER_STAND_BY, 2);
}

/* A witness that is behind says so of an epoch that is over. */
static void what_served_before_is_followed_by_nobody(void **state)
{
    struct world world;

    (void)state;
    begin_that_follows(&world);
    serves_elsewhere(&world, 4);
    serves_elsewhere(&world, 2);
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    assert_asked(&world, "rejoin");
    assert_int_equal(world.sent_run.run.epoch, 4);
}

static void what_served_before_makes_the_newer_word_no_younger(void **state)
{
    struct world world;

    (void)state;
    begin_that_follows(&world);
    serves_elsewhere(&world, 4);
    tick_at(&world, world.now_ms + 3000);
    serves_elsewhere(&world, 2);
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    assert_not_asked(&world, "rejoin");
    serves_elsewhere(&world, 4);
    assert_asked(&world, "rejoin");
}

/* ---- an event is what its kind says ---------------------------------------------------------- */

/* What a shell has left in the members of other kinds says nothing. */
static void nothing_is_heard_of_an_event_but_what_its_kind_says(void **state)
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_with(&world, &held); /* whose guard is away: the mirror is read */
    assert_int_equal(world.site.deadline, BW_SITE_DEADLINE_UNKNOWN);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_GUARD_MESSAGE,
                                           .message = &begun,
                                           .ok = true,
                                           .mirror_epoch = 1,
                                           .mirror_end = at_ms(world.now_ms + TTL_MS)});
    assert_int_equal(world.site.deadline, BW_SITE_DEADLINE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lower_index_never_replaces_a_higher_one),
        cmocka_unit_test(of_two_of_one_index_the_newer_one_counts),
        cmocka_unit_test(the_order_that_was_acted_on_counts_again_after_a_restart),
        cmocka_unit_test(to_stand_by_after_an_older_epoch_ends_none_of_its_own),
        cmocka_unit_test(a_let_go_is_asked_for_in_each_step_until_it_is_done),
        cmocka_unit_test(an_epoch_of_another_site_makes_this_one_enforced),
        cmocka_unit_test(an_order_that_is_none_takes_no_others_place),
        cmocka_unit_test(the_same_order_is_no_news),
        cmocka_unit_test(a_stop_that_was_ordered_tells_its_script_of_the_order),
        cmocka_unit_test(a_look_before_an_epoch_is_none_of_a_rogue_in_it),
        cmocka_unit_test(what_served_before_is_followed_by_nobody),
        cmocka_unit_test(what_served_before_makes_the_newer_word_no_younger),
        cmocka_unit_test(nothing_is_heard_of_an_event_but_what_its_kind_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
