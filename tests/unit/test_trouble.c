/* trouble: what needs attention begins and ends with the facts; the book knows since when, how
 * often and who has seen it. Design 5.2. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/base/feature_level.h>

#include "core_world.h"
#include "trouble_book.h"

static struct world world;

/* ---- what is so ---- */

static struct bw_troubles look(const struct bw_trouble_facts *facts)
{
    struct bw_troubles troubles;

    bw_troubles_of_group(world_group(&world), &world.watches[0], &world.witness.leadership, facts,
                         world.now, &troubles);
    assert_int_equal(troubles.count, world_group(&world)->spec.site_count + 1);
    assert_string_equal(troubles.list[0].subject, "");
    return troubles;
}

static void a_calm_group_has_none(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};
    struct bw_troubles troubles;

    (void)state;
    world_begin(&world, 2);
    troubles = look(&calm);
    for (uint32_t i = 0; i < troubles.count; i++)
        assert_int_equal(troubles.list[i].bits, 0);
}

/* For an hour after the last time, also where its site is not heard any more; and no longer than
 * its epoch. */
static void a_local_restart_is_an_alarm_for_an_hour(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.restarts = (struct bw_restarts){
        .epoch = world_group(&world)->epoch, .count = 1, .age_ms = 1000};
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, BIT(LOCAL_RESTARTS));
    assert_int_equal(look(&calm).list[2].bits, 0);
    world_pass_ms(&world, 3590 * 1000);
    assert_int_equal(look(&calm).list[1].bits, BIT(LOCAL_RESTARTS));
    world_pass_ms(&world, 10 * 1000);
    assert_int_equal(look(&calm).list[1].bits, 0);

    world.sites[A].report.restarts = (struct bw_restarts){.epoch = world_group(&world)->epoch,
                                                          .count = 2};
    world_sync_all(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 10 * 1000);
    assert_int_equal(look(&calm).list[1].bits, BIT(LOCAL_RESTARTS) | BIT(NOT_CONNECTED));
    world_pass_ms(&world, 10 * 1000);
    assert_string_equal(world_act(&world), "A3");
    assert_int_equal(look(&calm).list[1].bits, BIT(NOT_CONNECTED));
    assert_string_equal(world_act(&world), "A9");
    assert_int_equal(look(&calm).list[2].bits, BIT(NOT_SERVING)); /* it is none of the next one */
}

/* It is for people: the first of the two clocks that shows an hour ends it. */
static void the_hour_of_a_local_restart_is_over_by_either_clock(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.restarts = (struct bw_restarts){.epoch = world_group(&world)->epoch,
                                                          .count = 1};
    world_sync_all(&world);
    world.now.boot_ns += BW_RESTARTS_SHOWN_NS;
    assert_int_equal(look(&calm).list[1].bits, BIT(NOT_CONNECTED));
}

static void each_fact_is_its_own_alarm(void **state)
{
    const struct bw_trouble_facts facts = {.lacking = 1u << C, .maintenance_left_ms = 60000};
    struct bw_troubles troubles;

    (void)state;
    world_begin(&world, 3);
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world.sites[B].report.alarms = 1u << BW_ALARM_ROGUE_START;
    world.sites[B].report.guard_alive = false;
    world.sites[B].certificate_left_s = 86400;
    world.sites[C].is_mute = true;
    world_pass_ms(&world, 10000);
    troubles = look(&facts);
    assert_int_equal(troubles.list[0].bits, BIT(NO_FAILOVER) | BIT(MAINTENANCE_ENDS));
    assert_int_equal(troubles.list[1].bits, BIT(NOT_SERVING));
    assert_int_equal(troubles.list[2].bits,
                     BIT(ROGUE_START) | BIT(GUARD_LOST) | BIT(CERTIFICATE_ENDS));
    assert_int_equal(troubles.list[3].bits, BIT(GROUP_UNKNOWN));
    assert_int_equal(troubles.list[3].rogue_starts, 0); /* nobody says so */
    troubles = look(&(struct bw_trouble_facts){.may_fail_over = true});
    assert_int_equal(troubles.list[0].bits, 0);
    assert_int_equal(troubles.list[3].bits, BIT(NOT_CONNECTED));
}

/* 3.9: until its word says that it has, something of before may still run there. */
static void a_site_that_has_not_let_go_is_said_while_the_group_is_only_observed(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world_set_mode(&world, BW_MODE_OBSERVE);
    world_stop(&world, A);
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, 0);
    world.sites[A].report.let_go_index--;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, BIT(NOT_LET_GO));
    assert_int_equal(look(&calm).list[2].bits, 0);
    world.sites[B].is_mute = true; /* what it has confirmed is not heard any more */
    world_pass_ms(&world, 10000);
    assert_int_equal(look(&calm).list[2].bits, BIT(NOT_CONNECTED) | BIT(NOT_LET_GO));
    world.sites[B].is_mute = false;
    world_sync_all(&world);
    world_set_mode(&world, BW_MODE_MANUAL);
    world.sites[A].report.let_go_index--;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, 0);
}

static void a_site_that_is_heard_through_another_witness_is_said(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world.sites[B].relayed_by = 7;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, 0);
    assert_int_equal(look(&calm).list[2].bits, BIT(RELAYED));
}

/* 4: whose word counts nobody knows, so nothing that one of them says is told. */
static void of_several_agents_at_a_site_nothing_else_is_said(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.guard_alive = false;
    world_sync_all(&world);
    world.sites[B].instance.bytes[1] ^= 1;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[2].bits, BIT(SEVERAL_AGENTS));
}

/* 3.8: beyond what the lease allows for, to either side. */
static void a_clock_that_runs_too_fast_or_too_slow_is_said(void **state)
{
    static const struct {
        int32_t ppm;
        uint64_t bits;
    } rates[] = {{-500000, BIT(CLOCK_RATE)}, {0, 0}, {500000, BIT(CLOCK_RATE)}};
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        world_watch(&world)->rates[B].bounds = (struct bw_rate_bounds){
            .is_known = true, .lower_ppm = rates[i].ppm, .upper_ppm = rates[i].ppm};
        assert_int_equal(look(&calm).list[2].bits, rates[i].bits);
    }
}

/* Within 60 days, and the time since it was said counts. */
static void a_certificate_that_ends_is_said_for_sixty_days(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world.sites[B].certificate_left_s = BW_CERTIFICATE_ENDS_S + 1;
    world_sync_all(&world);
    world_wait_ms(&world, 1000);
    assert_int_equal(look(&calm).list[2].bits, 0);
    world_wait_ms(&world, 1000);
    assert_int_equal(look(&calm).list[2].bits, BIT(CERTIFICATE_ENDS));
    world.sites[B].certificate_left_s = 0; /* it does not say */
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[2].bits, 0);
}

static void a_maintenance_that_ends_within_ten_minutes_is_said(void **state)
{
    struct bw_trouble_facts facts = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    facts.maintenance_left_ms = BW_MAINTENANCE_ENDS_MS + 1;
    assert_int_equal(look(&facts).list[0].bits, 0);
    facts.maintenance_left_ms = BW_MAINTENANCE_ENDS_MS;
    assert_int_equal(look(&facts).list[0].bits, BIT(MAINTENANCE_ENDS));
    facts.maintenance_left_ms = 1;
    assert_int_equal(look(&facts).list[0].bits, BIT(MAINTENANCE_ENDS));
    world_set_mode(&world, BW_MODE_OBSERVE); /* it goes on being shown, so it can be acknowledged */
    assert_int_equal(look(&facts).list[0].bits, BIT(MAINTENANCE_ENDS));
}

/* 3.9: nobody was ever asked to let go of what was only observed. */
static void a_group_that_was_never_granted_is_let_go_by_nobody(void **state)
{
    (void)state;
    world_init(&world, 2);
    world_group(&world)->spec.mode = BW_MODE_OBSERVE; /* as it was created */
    assert_int_equal(world_group(&world)->let_go_index, 0);
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 10000);
    assert_int_equal(look(&(struct bw_trouble_facts){0}).list[2].bits, BIT(NOT_CONNECTED));
}

/* That nobody would follow by itself is news where somebody should, and while there is whom to follow. */
static void no_failover_is_said_where_one_could_be_missed(void **state)
{
    const struct bw_trouble_facts nobody = {.may_fail_over = false};

    (void)state;
    world_begin(&world, 2);
    assert_int_equal(look(&nobody).list[0].bits, BIT(NO_FAILOVER));
    world_set_mode(&world, BW_MODE_MANUAL);
    world_sync_all(&world);
    assert_int_equal(look(&nobody).list[0].bits, 0);
    world_set_mode(&world, BW_MODE_AUTO);
    world_sync_all(&world);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    assert_int_equal(look(&nobody).list[0].bits, BIT(NO_ACTIVE_SITE));
}

/* 3.3: what time alone does not end waits for a person once its site is lost; several agents there are no
 * loss. */
static void a_lost_site_whose_epoch_does_not_end_by_itself_needs_a_person(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_NEVER;
    assert_int_equal(look(&calm).list[0].bits, 0);
    assert_int_equal(look(&(struct bw_trouble_facts){0}).list[0].bits, 0); /* none would be by itself */
    world.sites[B].report.remote_fence.limit_ms = 30000;
    world_sync_all(&world);
    assert_int_equal(look(&(struct bw_trouble_facts){0}).list[0].bits, BIT(NO_FAILOVER));
    assert_int_equal(look(&(struct bw_trouble_facts){.may_follow_fence = true}).list[0].bits, 0);
    world.sites[B].report.remote_fence.limit_ms = 0;
    world_sync_all(&world);
    world.sites[A].instance.bytes[1] ^= 1;
    (void)world_sync(&world, A);
    assert_int_equal(look(&calm).list[0].bits, 0);
    assert_int_equal(look(&calm).list[1].bits, BIT(SEVERAL_AGENTS));
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 10000);
    assert_int_equal(look(&calm).list[0].bits, BIT(NEEDS_PERSON));
    assert_int_equal(look(&calm).list[1].bits, BIT(NOT_CONNECTED));
}

static void a_group_of_as_many_sites_as_there_may_be_is_looked_at_whole(void **state)
{
    const struct bw_trouble_facts facts = {.may_fail_over = true, .lacking = 1u << (BW_SITES_MAX - 1)};
    struct bw_troubles troubles;
    struct bw_spec *spec;

    (void)state;
    world_begin(&world, 2);
    spec = &world_group(&world)->spec;
    for (spec->site_count = 2; spec->site_count < BW_SITES_MAX; spec->site_count++)
        memset(spec->sites[spec->site_count].name, 'a' + (int)spec->site_count, BW_NAME_MAX);
    troubles = look(&facts);
    assert_int_equal(troubles.list[1].bits, 0);
    assert_int_equal(troubles.list[BW_SITES_MAX - 1].bits, BIT(NOT_CONNECTED));
    assert_int_equal(troubles.list[BW_SITES_MAX].bits, BIT(GROUP_UNKNOWN));
}

static void a_held_group_needs_a_person(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A2");
    assert_int_equal(look(&(struct bw_trouble_facts){0}).list[0].bits,
                     BIT(NO_ACTIVE_SITE) | BIT(NEEDS_PERSON));
}

/* 3.4: while it is committed that one is seen, time alone ends what its guard cannot; one that is
 * there and does not count is said, of the site that holds the group. */
static void a_second_enforcer_that_is_counted_on_takes_the_place_of_the_reach(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world.sites[A].report.alarms = 1u << BW_ALARM_OUTSIDE_REACH;
    world.sites[A].report.second = BW_SECOND_IS_SEEN;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, BIT(OUTSIDE_REACH)); /* not committed */
    world_group(&world)->terms.second_enforcer = true;
    assert_int_equal(look(&calm).list[1].bits, 0);
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_NEVER;
    assert_int_equal(look(&calm).list[1].bits, BIT(OUTSIDE_REACH));
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_PROVED;

    for (int word = BW_SECOND_IS_NONE + 1; word < BW_SECOND_IS_SEEN; word++) {
        world.sites[A].report.second = (enum bw_second_word)word;
        world.sites[B].report.second = (enum bw_second_word)word;
        world_sync_all(&world);
        assert_int_equal(look(&calm).list[1].bits, BIT(OUTSIDE_REACH) | BIT(SECOND_ENFORCER_LOST));
        assert_int_equal(look(&calm).list[2].bits, 0);
    }
    world.sites[A].report.second = BW_SECOND_IS_NONE;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, BIT(OUTSIDE_REACH));
}

/* 3.4: what was seen in this epoch is not taken back by scripts that came later and have started nothing:
 * an upgrade that changes a shipped script is no alarm. */
static void changed_scripts_are_an_alarm_where_time_waits_for_what_they_start(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_group(&world)->sight.seen, BW_REACH_INSIDE);
    world.sites[A].report.alarms = 1u << BW_ALARM_REACH_UNSEEN;
    world.sites[B].report.alarms = 1u << BW_ALARM_REACH_UNSEEN; /* as what it holds is another's */
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, 0);
    assert_int_equal(look(&calm).list[2].bits, BIT(REACH_UNSEEN));

    world_group(&world)->sight.seen = BW_REACH_UNSEEN;
    assert_int_equal(look(&calm).list[1].bits, BIT(REACH_UNSEEN));
    world_group(&world)->held = true; /* a person is asked for all that is known of it */
    assert_int_equal(look(&calm).list[1].bits, BIT(REACH_UNSEEN));
}

/* 3.3: what was only seen inside waits for a person if its site is lost; a second enforcer, or a word that time is always or
 * never enough, leaves nothing to prove. */
static void a_primary_whose_end_no_kill_has_proved_is_an_alarm(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    assert_int_equal(look(&calm).list[1].bits, 0);
    world.witness.leadership.feature_level = BW_PROOF_LEVEL;
    world_group(&world)->sight.proved = false;
    assert_int_equal(look(&calm).list[1].bits, BIT(REACH_UNPROVED));
    assert_int_equal(look(&calm).list[2].bits, 0);
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_ALWAYS;
    assert_int_equal(look(&calm).list[1].bits, 0);
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_NEVER;
    assert_int_equal(look(&calm).list[1].bits, 0);
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_PROVED;
    world_group(&world)->terms.second_enforcer = true;
    assert_int_equal(look(&calm).list[1].bits & BIT(REACH_UNPROVED), 0);
    world_group(&world)->terms.second_enforcer = false;
    world.witness.leadership.feature_level = BW_PROOF_LEVEL - 1; /* below the level */
    assert_int_equal(look(&calm).list[1].bits, 0);
}

/* It counts as long as the epoch that it would end is open: also while that is given back for a move. */
static void a_second_enforcer_is_missed_until_its_epoch_closes(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world.sites[A].report.second = BW_SECOND_IS_SILENT;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, BIT(SECOND_ENFORCER_LOST));
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, &diag), BW_OK);
    assert_string_equal(world_act(&world), "A11");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_REVOKING);
    assert_int_equal(look(&calm).list[1].bits, BIT(SECOND_ENFORCER_LOST));
    world_group(&world)->phase = BW_PHASE_CLOSING;
    assert_int_equal(look(&calm).list[1].bits, 0);
}

/* 3.9: nothing is enforced yet, so no guard ends it: people have to hear of it. */
static void two_sites_that_serve_are_said_in_every_mode(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 3);
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[0].bits, BIT(SEVERAL_SERVE));
    world_group(&world)->spec.mode = BW_MODE_OBSERVE;
    assert_int_equal(look(&calm).list[0].bits, BIT(SEVERAL_SERVE));
    world.sites[B].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[0].bits, 0);
}

/* ---- the book ---- */

static void note(uint32_t index, const char *of, const char *subject, uint64_t bits, uint64_t s)
{
    struct bw_troubles troubles = {.of = of, .count = 1};

    troubles.list[0].subject = subject;
    troubles.list[0].bits = bits;
    bw_trouble_book_note(book, index, &troubles,
                         (struct bw_instant){s * BW_NS_PER_S, s * BW_NS_PER_S}, (int64_t)s * 1000);
}

static void an_alarm_begins_and_ends_with_its_fact_and_is_counted(void **state)
{
    const struct bw_trouble_entry *entry;

    (void)state;
    note(0, "g", "dc-a", BIT(NOT_CONNECTED), 100);
    note(0, "g", "dc-a", BIT(NOT_CONNECTED), 101);
    entry = bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_NOT_CONNECTED);
    assert_non_null(entry);
    assert_int_equal(entry->since_unix_ms, 100000);
    assert_int_equal(entry->count, 1);

    note(0, "g", "dc-a", 0, 110);
    assert_null(bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_NOT_CONNECTED));
    entry = bw_trouble_book_first(book, 0, "g");
    assert_int_equal(entry->ended_unix_ms, 110000);

    note(0, "g", "dc-a", BIT(NOT_CONNECTED), 120);
    assert_int_equal(entry->count, 2);
    assert_int_equal(entry->since_unix_ms, 120000);
    assert_int_equal(entry->ended_unix_ms, 0);
    assert_null(bw_trouble_book_next(book, entry));
    assert_null(bw_trouble_book_first(book, 1, ""));
}

/* The alarms of a chain, on or over, each once. */
static uint64_t bits_of(uint32_t index)
{
    const struct bw_trouble_entry *entry;
    uint64_t bits = 0;

    for (entry = bw_trouble_book_first(book, index, book->chains[index].of); entry != NULL;
         entry = bw_trouble_book_next(book, entry)) {
        assert_int_equal(bits >> entry->trouble & 1, 0);
        bits |= UINT64_C(1) << entry->trouble;
    }
    return bits;
}

static void all_alarms_of_a_group_are_found_one_after_another(void **state)
{
    (void)state;
    note(3, "g", "dc-a", BIT(NOT_CONNECTED) | BIT(START_FAILED) | BIT(STOP_FAILED), 100);
    note(4, "h", "dc-a", BIT(CLOCK_RATE), 100);
    assert_int_equal(bits_of(3), BIT(NOT_CONNECTED) | BIT(START_FAILED) | BIT(STOP_FAILED));
    assert_int_equal(bits_of(4), BIT(CLOCK_RATE));
}

#define DAY_S (24 * UINT64_C(3600))

/* One that goes on, and one that is over for less than a day, stay where another is forgotten. */
static void only_what_is_over_for_a_day_is_forgotten(void **state)
{
    (void)state;
    note(0, "g", "dc-a", BIT(NOT_CONNECTED) | BIT(START_FAILED) | BIT(STOP_FAILED), 100);
    note(0, "g", "dc-a", BIT(NOT_CONNECTED) | BIT(STOP_FAILED), 200);
    note(0, "g", "dc-a", BIT(NOT_CONNECTED), 300);
    note(0, "g", "dc-a", BIT(NOT_CONNECTED) | BIT(CLOCK_RATE), 400);
    assert_int_equal(bits_of(0),
                     BIT(NOT_CONNECTED) | BIT(START_FAILED) | BIT(STOP_FAILED) | BIT(CLOCK_RATE));
    note(0, "g", "dc-a", BIT(NOT_CONNECTED) | BIT(CLOCK_RATE), 200 + DAY_S);
    assert_int_equal(bits_of(0), BIT(NOT_CONNECTED) | BIT(STOP_FAILED) | BIT(CLOCK_RATE));
    note(0, "g", "dc-a", BIT(NOT_CONNECTED) | BIT(CLOCK_RATE), 9 * DAY_S);
    assert_int_equal(bits_of(0), BIT(NOT_CONNECTED) | BIT(CLOCK_RATE));
    assert_int_equal(bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_NOT_CONNECTED)->since_unix_ms,
                     100000);
}

static void a_day_is_one_by_both_clocks(void **state)
{
    const struct bw_troubles calm = {.of = "g", .count = 1, .list = {{.subject = "dc-a"}}};
    struct bw_instant now = {200 * BW_NS_PER_S, 200 * BW_NS_PER_S};

    (void)state;
    note(0, "g", "dc-a", BIT(START_FAILED), 100);
    note(0, "g", "dc-a", 0, 200);
    now.boot_ns += BW_TROUBLE_KEPT_NS;
    bw_trouble_book_note(book, 0, &calm, now, 1);
    assert_int_equal(bits_of(0), BIT(START_FAILED));
    now.raw_ns += BW_TROUBLE_KEPT_NS;
    bw_trouble_book_note(book, 0, &calm, now, 1);
    assert_int_equal(bits_of(0), 0);
}

/* The same alarm of another site is another one. */
static void an_alarm_is_of_its_site_alone(void **state)
{
    struct bw_troubles troubles = {.of = "g",
                                   .count = 2,
                                   .list = {{.subject = "dc-a", .bits = BIT(START_FAILED)},
                                            {.subject = "dc-b", .bits = BIT(START_FAILED)}}};

    (void)state;
    bw_trouble_book_note(book, 0, &troubles, (struct bw_instant){1, 1}, 1000);
    troubles.list[0].bits = 0;
    bw_trouble_book_note(book, 0, &troubles, (struct bw_instant){2, 2}, 2000);
    assert_null(bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_START_FAILED));
    assert_int_equal(bw_trouble_book_find(book, 0, "dc-b", BW_TROUBLE_START_FAILED)->since_unix_ms,
                     1000);
    assert_null(bw_trouble_book_find(book, 0, "dc-b", BW_TROUBLE_STOP_FAILED));
}

static void a_new_beginning_is_loud_again(void **state)
{
    struct bw_trouble_entry *entry;

    (void)state;
    note(0, "g", "dc-a", BIT(START_FAILED), 100);
    entry = bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_START_FAILED);
    strcpy(entry->acked_by, "operator/anna");
    strcpy(entry->acked_text, "known");
    note(0, "g", "dc-a", BIT(START_FAILED) | BIT(STOP_FAILED), 101);
    assert_string_equal(entry->acked_by, "operator/anna");
    assert_string_equal(bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_STOP_FAILED)->acked_by,
                        "");
    note(0, "g", "dc-a", 0, 102);
    note(0, "g", "dc-a", BIT(START_FAILED), 103);
    assert_string_equal(entry->acked_by, "");
    assert_string_equal(entry->acked_text, "");
}

/* Who has seen the last one has not seen this one. */
static void one_more_rogue_start_is_loud_again(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};
    struct bw_trouble_entry *entry;
    struct bw_troubles troubles;

    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.alarms = 1u << BW_ALARM_ROGUE_START;
    world.sites[B].report.rogue_starts = 1;
    for (int second = 0; second < 2; second++) {
        world_sync_all(&world);
        troubles = look(&calm);
        bw_trouble_book_note(book, 0, &troubles, world.now, 1000 + second);
        entry = bw_trouble_book_find(book, 0, "dc-b", BW_TROUBLE_ROGUE_START);
        assert_int_equal(entry->count, 1);
        strcpy(entry->acked_by, "operator/anna");
    }
    world.sites[B].report.rogue_starts = 2;
    world_sync_all(&world);
    troubles = look(&calm);
    bw_trouble_book_note(book, 0, &troubles, world.now, 9000);

    assert_int_equal(entry->count, 2);
    assert_int_equal(entry->since_unix_ms, 9000);
    assert_string_equal(entry->acked_by, "");
}

/* By whichever of its agents: none of them knows how often it was before. */
static void one_more_local_restart_is_loud_again(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};
    struct bw_trouble_entry *entry;
    struct bw_troubles troubles;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.restarts = (struct bw_restarts){
        .epoch = world_group(&world)->epoch, .count = 1, .age_ms = 0};
    for (uint32_t agent = 0; agent < 2; agent++) {
        world.sites[A].session.bytes[1] = (uint8_t)agent;
        world_sync_all(&world);
        troubles = look(&calm);
        assert_int_equal(troubles.list[1].restarts, agent + 1);
        bw_trouble_book_note(book, 0, &troubles, world.now, 1000);
        entry = bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_LOCAL_RESTARTS);
        assert_non_null(entry);
        assert_int_equal(entry->count, agent + 1);
        assert_string_equal(entry->acked_by, "");
        strcpy(entry->acked_by, "operator/anna");
    }
}

static void what_is_over_is_forgotten_after_a_day_and_with_its_group(void **state)
{
    (void)state;
    note(0, "g", "dc-a", BIT(START_FAILED), 100);
    note(0, "g", "dc-a", 0, 200);
    note(0, "g", "dc-a", 0, 200 + 24 * 3600 - 1);
    assert_non_null(bw_trouble_book_first(book, 0, "g"));
    assert_null(bw_trouble_book_first(book, 0, "other")); /* what is there now by another name has none of them */
    note(0, "g", "dc-a", 0, 200 + 24 * 3600);
    assert_null(bw_trouble_book_first(book, 0, "g"));

    note(0, "g", "dc-a", BIT(START_FAILED), 90000);
    note(0, "other", "dc-a", BIT(START_FAILED), 90001);
    assert_int_equal(bw_trouble_book_first(book, 0, "other")->since_unix_ms, 90001000);
    assert_int_equal(bw_trouble_book_first(book, 0, "other")->count, 1);
    note(0, "other", "dc-b", 0, 90002); /* a site that is not of the group any more */
    assert_null(bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_START_FAILED));
}

static void what_stands_beyond_the_subjects_that_count_is_none(void **state)
{
    struct bw_troubles troubles = {.of = "g", .count = 1};

    (void)state;
    troubles.list[0].subject = "dc-a";
    troubles.list[1].subject = "dc-b";
    troubles.list[1].bits = BIT(START_FAILED);
    bw_trouble_book_note(book, 0, &troubles, (struct bw_instant){BW_NS_PER_S, BW_NS_PER_S}, 1000);
    assert_null(bw_trouble_book_first(book, 0, "g"));
}

/* 4: of whoever holds it, and as long as the epoch is renewed. An agent of before the feature level knows one reason. */
static void a_holder_that_cannot_show_that_it_serves_is_told(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.unhealthy = BW_UNHEALTHY_UNHEALTHY;
    world.sites[B].report.alarms = 1u << BW_ALARM_STATUS_UNKNOWN;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, BIT(UNHEALTHY));
    assert_int_equal(look(&calm).list[2].bits, BIT(STATUS_UNKNOWN));
    world.sites[A].report.unhealthy = BW_UNHEALTHY_NOT;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world.sites[A].report.alarms = 1u << BW_ALARM_STATUS_UNKNOWN;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, BIT(UNHEALTHY) | BIT(STATUS_UNKNOWN) | BIT(NOT_SERVING));
}

/* What is over makes room for what is on, what weighs less for what weighs more; what finds none is counted. */
static void the_book_is_bounded(void **state)
{
    const uint64_t all = UINT64_MAX >> (64 - BW_TROUBLE_COUNT);
    uint32_t kept = 0;

    (void)state;
    note(0, "g0", "dc-a", all, 1);
    note(0, "g0", "dc-a", 0, 3); /* at the very moment at which its room is needed */
    for (uint32_t index = 1; index < BW_GROUPS_MAX; index++) {
        char name[16];

        (void)snprintf(name, sizeof name, "g%u", index);
        note(index, name, "dc-a", all, 3);
    }
    assert_null(bw_trouble_book_first(book, 0, "g0"));
    for (uint32_t i = 0; i < BW_TROUBLES_MAX; i++)
        kept += book->entries[i].is_on;
    assert_int_equal(kept, BW_TROUBLES_MAX);
    assert_non_null(bw_trouble_book_find(book, BW_GROUPS_MAX - 1, "dc-a", BW_TROUBLE_SEVERAL_SERVE));
    assert_non_null(bw_trouble_book_find(book, BW_GROUPS_MAX - 1, "dc-a", BW_TROUBLE_OVERRIDE));
    assert_null(bw_trouble_book_find(book, BW_GROUPS_MAX - 1, "dc-a", BW_TROUBLE_START_FAILED));
    assert_int_equal(book->chains[BW_GROUPS_MAX - 1].left_out, BW_TROUBLE_COUNT - 4);
    for (uint32_t index = 1; index < BW_GROUPS_MAX; index++) { /* what was given up is counted now */
        char name[16];

        (void)snprintf(name, sizeof name, "g%u", index);
        note(index, name, "dc-a", all, 4);
    }
    assert_int_equal(bw_trouble_book_left_out(book),
                     (BW_GROUPS_MAX - 1) * BW_TROUBLE_COUNT - BW_TROUBLES_MAX);
    note(1, "g1", "dc-a", 0, 5);
    assert_int_equal(book->chains[1].left_out, 0);
    note(0, "g0", "dc-a", BIT(START_FAILED), 6);
    assert_non_null(bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_START_FAILED));
}

/* Only where what is over has made no room: nothing that is on is given up for what finds some. */
static void what_is_over_makes_room_before_what_weighs_less(void **state)
{
    const uint64_t all = UINT64_MAX >> (64 - BW_TROUBLE_COUNT);
    uint32_t index = 1;

    (void)state;
    note(0, "g0", "dc-a", all, 1);
    for (uint32_t left = BW_TROUBLES_MAX - BW_TROUBLE_COUNT; left > 0; index++) {
        const uint32_t count = left < BW_TROUBLE_COUNT ? left : BW_TROUBLE_COUNT;

        note(index, "g", "dc-a", UINT64_MAX >> (64 - count), 1);
        left -= count;
    }
    assert_int_equal(book->used, BW_TROUBLES_MAX);
    note(0, "g0", "dc-a", 0, 3);
    note(index, "new", "dc-a", BIT(SEVERAL_SERVE), 3);

    assert_non_null(bw_trouble_book_find(book, index, "dc-a", BW_TROUBLE_SEVERAL_SERVE));
    assert_int_equal(book->used, BW_TROUBLES_MAX - BW_TROUBLE_COUNT + 1);
}

static void what_keeps_somebody_waiting_is_kept_before_what_only_may_come_to_matter(void **state)
{
    const uint64_t heavy = BIT(SEVERAL_SERVE) | BIT(FENCE_FAILED) | BIT(ROGUE_START) | BIT(OVERRIDE) |
                           BIT(NO_ACTIVE_SITE) | BIT(NEEDS_PERSON) | BIT(NOT_SERVING);
    const uint64_t light = UINT64_MAX >> (64 - BW_TROUBLE_COUNT) & ~heavy;
    const uint32_t lightest = light & -light;
    uint32_t index = 0;

    (void)state;
    while (book->used + BW_TROUBLE_COUNT <= BW_TROUBLES_MAX)
        note(index++, "g", "dc-a", light, 1);
    while (book->used < BW_TROUBLES_MAX)
        note(index++, "g", "dc-a", lightest, 1);
    note(index, "late", "dc-a", lightest, 2);
    assert_null(bw_trouble_book_find(book, index, "dc-a", (enum bw_trouble)__builtin_ctz(lightest)));
    note(index, "new", "dc-a", BIT(NOT_SERVING), 2);
    assert_non_null(bw_trouble_book_find(book, index, "dc-a", BW_TROUBLE_NOT_SERVING));
    assert_int_equal(book->used, BW_TROUBLES_MAX);
}

static void each_alarm_has_a_word_that_is_read_again(void **state)
{
    enum bw_trouble read;

    (void)state;
    for (int i = 0; i < BW_TROUBLE_COUNT; i++) {
        assert_true(bw_trouble_parse(bw_trouble_word((enum bw_trouble)i), &read));
        assert_int_equal(read, i);
        assert_true(bw_trouble_parse(bw_trouble_text((enum bw_trouble)i)->old_word, &read)); /* for one release */
        assert_int_equal(read, i);
    }
    assert_true(bw_trouble_parse("several_serve", &read));
    assert_string_equal(bw_trouble_word(read), "split_brain");
    assert_false(bw_trouble_parse("", &read));
    assert_false(bw_trouble_parse("unlisted", &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calm_group_has_none),
        cmocka_unit_test(a_local_restart_is_an_alarm_for_an_hour),
        cmocka_unit_test(the_hour_of_a_local_restart_is_over_by_either_clock),
        cmocka_unit_test(each_fact_is_its_own_alarm),
        cmocka_unit_test(a_site_that_has_not_let_go_is_said_while_the_group_is_only_observed),
        cmocka_unit_test(a_site_that_is_heard_through_another_witness_is_said),
        cmocka_unit_test(of_several_agents_at_a_site_nothing_else_is_said),
        cmocka_unit_test(a_clock_that_runs_too_fast_or_too_slow_is_said),
        cmocka_unit_test(a_certificate_that_ends_is_said_for_sixty_days),
        cmocka_unit_test(a_maintenance_that_ends_within_ten_minutes_is_said),
        cmocka_unit_test(a_group_that_was_never_granted_is_let_go_by_nobody),
        cmocka_unit_test(no_failover_is_said_where_one_could_be_missed),
        cmocka_unit_test(a_lost_site_whose_epoch_does_not_end_by_itself_needs_a_person),
        cmocka_unit_test(a_group_of_as_many_sites_as_there_may_be_is_looked_at_whole),
        cmocka_unit_test(a_held_group_needs_a_person),
        cmocka_unit_test(a_second_enforcer_that_is_counted_on_takes_the_place_of_the_reach),
        cmocka_unit_test(a_primary_whose_end_no_kill_has_proved_is_an_alarm),
        cmocka_unit_test(changed_scripts_are_an_alarm_where_time_waits_for_what_they_start),
        cmocka_unit_test(a_second_enforcer_is_missed_until_its_epoch_closes),
        cmocka_unit_test(two_sites_that_serve_are_said_in_every_mode),
        WITH_BOOK(an_alarm_begins_and_ends_with_its_fact_and_is_counted),
        WITH_BOOK(all_alarms_of_a_group_are_found_one_after_another),
        WITH_BOOK(only_what_is_over_for_a_day_is_forgotten),
        WITH_BOOK(a_day_is_one_by_both_clocks),
        WITH_BOOK(an_alarm_is_of_its_site_alone),
        WITH_BOOK(a_new_beginning_is_loud_again),
        WITH_BOOK(one_more_rogue_start_is_loud_again),
        WITH_BOOK(one_more_local_restart_is_loud_again),
        WITH_BOOK(what_is_over_is_forgotten_after_a_day_and_with_its_group),
        WITH_BOOK(what_stands_beyond_the_subjects_that_count_is_none),
        cmocka_unit_test(a_holder_that_cannot_show_that_it_serves_is_told),
        WITH_BOOK(the_book_is_bounded),
        WITH_BOOK(what_is_over_makes_room_before_what_weighs_less),
        WITH_BOOK(what_keeps_somebody_waiting_is_kept_before_what_only_may_come_to_matter),
        cmocka_unit_test(each_alarm_has_a_word_that_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
