/* witness: what a person may ask for, each refusal in its words, how long a wish lasts, and what moves with a
 * site's name (design 3.6, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "core_world.h"

static struct world world;

static void assert_refused(enum bw_wish_kind kind, const char *to, enum bw_err err, const char *text)
{
    struct bw_diag diag = {0};

    assert_int_equal(world_ask(&world, kind, to, false, &diag), err);
    assert_string_equal(diag.text, text);
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
}

static const enum bw_wish_kind kinds[] = {BW_WISH_FAILOVER, BW_WISH_SWITCHOVER, BW_WISH_FORCE_RELEASE};
#define EACH_KIND(to, err, text)                                                                   \
    do {                                                                                           \
        for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++)                       \
            assert_refused(kinds[kind], to, err, text);                                            \
    } while (0)

static void what_every_wish_needs_is_refused_in_its_words(void **state)
{
    struct bw_wish wish = {.kind = BW_WISH_FAILOVER};
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 2);
    assert_refused(BW_WISH_NONE, "dc-b", BW_ERR_INVALID, "nothing was asked for");
    EACH_KIND("dc-x", BW_ERR_NOT_FOUND, "dc-x is not a site of harbor; see: breakwater status harbor");
    world.cluster.group_count = 2; /* a group that was, and is no more */
    assert_int_equal(bw_witness_ask(&world.witness, 1, &wish, world.now, &diag), BW_ERR_NOT_FOUND);
    assert_string_equal(diag.text, "there is no such group; see: breakwater status");
    bw_witness_on_not_leading(&world.witness);
    EACH_KIND("dc-b", BW_ERR_NOT_LEADER, "this witness does not lead; ask the leader");

    world_begin(&world, 2);
    world_stop(&world, A);
    world_set_mode(&world, BW_MODE_OBSERVE);
    EACH_KIND(
        "dc-b", BW_ERR_REFUSED,
        "harbor is unmanaged, so no request is carried out; first: breakwater mode harbor auto");
}

static void a_failover_is_refused_in_its_words(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_begin(&world, 2);
    assert_refused(BW_WISH_FAILOVER, "", BW_ERR_REFUSED,
                   "dc-a is primary of harbor in epoch 1 and is alive (15000 ms of lease left); use switchover");
    spec = world_group(&world)->spec;
    spec.sites[1].never_candidate = true;
    world_set_spec(&world, &spec, "");
    assert_refused(BW_WISH_FAILOVER, "dc-b", BW_ERR_REFUSED,
                   "dc-b has `failover_candidate: false` in the spec of harbor; to allow it, change the spec (breakwater apply)");
}

static void a_switchover_is_refused_in_its_words(void **state)
{
    (void)state;
    world_init(&world, 2);
    assert_refused(BW_WISH_SWITCHOVER, "dc-b", BW_ERR_REFUSED,
                   "harbor has no primary, so there is nothing to move; use failover");
    world_begin(&world, 2);
    assert_refused(BW_WISH_SWITCHOVER, "", BW_ERR_INVALID,
                   "switchover needs a target; use --to SITE");
    assert_refused(BW_WISH_SWITCHOVER, "dc-a", BW_ERR_EXISTS, "dc-a is primary of harbor already");
    world_group(&world)->adopting = true;
    assert_refused(BW_WISH_SWITCHOVER, "dc-b", BW_ERR_BUSY,
                   "dc-a is still adopting harbor; wait for its end");
    world_group(&world)->adopting = false;
    world_group(&world)->sight.proved = world.sites[A].report.sight.proved = false;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_refused(BW_WISH_SWITCHOVER, "dc-b", BW_ERR_REFUSED,
                   "dc-a does not know whether harbor runs there (status unknown): if nobody confirms its end, no site "
                   "serves until a person does. See what would happen: breakwater switchover harbor --to dc-b --plan; "
                   "accept it: the same with --accept-outage");
    world_set_mode(&world, BW_MODE_PAUSED);
    assert_refused(BW_WISH_SWITCHOVER, "dc-b", BW_ERR_REFUSED,
                   "harbor is paused; first: breakwater resume harbor");

    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    (void)world_act(&world);
    world_watch(&world)->wish = (struct bw_wish){0};
    assert_refused(BW_WISH_SWITCHOVER, "dc-b", BW_ERR_BUSY,
                   "a move of harbor to dc-b is in progress; wait for its end");
}

/* 4: a wish is of one epoch and lasts its time; what waits for a lapse has two leases more. */
static void a_wish_lasts_its_time_in_its_epoch(void **state)
{
    static const uint32_t timeouts_ms[] = {0, 7000};
    struct bw_watch *watch;

    (void)state;
    world_begin(&world, 2);
    watch = world_watch(&world);
    for (size_t i = 0; i < 3; i++)
        for (size_t t = 0; t < 2; t++) {
            const struct bw_group *group = world_group(&world);
            const uint64_t last_ms = (t == 0 ? group->spec.switchover_timeout_ms : timeouts_ms[t]) +
                                     (kinds[i] == BW_WISH_SWITCHOVER ? 0 : 2 * group->spec.lease_ttl_ms);
            const struct bw_instant last = bw_instant_add(world.now, last_ms * BW_NS_PER_MS);

            watch->wish = (struct bw_wish){
                .kind = kinds[i], .epoch = group->epoch, .timeout_ms = timeouts_ms[t]};
            watch->wish_since = world.now;
            assert_int_equal(bw_policy_wish(group, watch, world.now), kinds[i]);
            assert_int_equal(bw_policy_wish(group, watch, bw_instant_sub(last, 1)), kinds[i]);
            assert_int_equal(bw_policy_wish(group, watch, last), BW_WISH_NONE);
            watch->wish.epoch++;
            assert_int_equal(bw_policy_wish(group, watch, world.now), BW_WISH_NONE);
            watch->wish.epoch -= 2;
            assert_int_equal(bw_policy_wish(group, watch, world.now), BW_WISH_NONE);
        }
    /* What it waits for lapses by what the epoch has, whatever the spec says since. */
    watch->wish = (struct bw_wish){.kind = BW_WISH_FORCE_RELEASE, .epoch = world_group(&world)->epoch};
    world_group(&world)->terms.ttl_ms = 300000;
    assert_int_equal(bw_policy_wish(world_group(&world), watch, bw_instant_add(world.now, 600000 * BW_NS_PER_MS)),
                     BW_WISH_FORCE_RELEASE);
}

/* 4: nobody else gets what one name was asked for, however short it is. */
static void a_failover_to_another_name_grants_nobody(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_set_mode(&world, BW_MODE_MANUAL); /* nothing happens by itself */
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_act(&world), "A3");
    world_watch(&world)->wish = (struct bw_wish){
        .kind = BW_WISH_FAILOVER, .to = "b", .accept_data_loss = true, .epoch = world_group(&world)->epoch};
    world_watch(&world)->wish_since = world.now;

    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "asked", A));
    assert_true(world_holds(&world, "asked", B));
    assert_int_equal(world_gate(&world, "candidate", -1)->value, -1);
}

/* 4: whoever would get the group without the wish gets it beside one that cannot come true, and by
 * no person's word. */
static void a_wish_stands_in_the_way_of_nothing(void **state)
{
    (void)state;
    world_begin(&world, 3);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_act(&world), "A3");
    world.sites[C].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    world_watch(&world)->wish = (struct bw_wish){.kind = BW_WISH_FAILOVER,
                                                 .to = "dc-c",
                                                 .by = "operator/anna",
                                                 .epoch = world_group(&world)->epoch};
    world_watch(&world)->wish_since = world.now;

    assert_string_equal(world_decide(&world), "A9");
    assert_string_equal(world.decision.command.site, "dc-b");
    assert_string_equal(world.decision.command.by, "");
    assert_int_not_equal(world.decision.command.reason, BW_REASON_FAILOVER);

    world.sites[C].report.service = BW_SERVICE_STOPPED; /* it can: then it is what was asked for */
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A9");
    assert_string_equal(world.decision.command.site, "dc-c");
    assert_string_equal(world.decision.command.by, "operator/anna");

    world_set_mode(&world, BW_MODE_MANUAL); /* neither: the explanation is that of the wish */
    world.sites[C].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "asked", B));
    assert_true(world_holds(&world, "service", C));
}

/* 3.9: of three sites one goes, the others change places, and one is new. */
static void all_that_is_known_of_a_site_moves_with_its_name(void **state)
{
    struct bw_watch *watch;
    struct bw_watch before;
    struct bw_spec spec;

    (void)state;
    world_init(&world, 3);
    watch = world_watch(&world);
    spec = world_group(&world)->spec;
    for (int site = 0; site < 3; site++) {
        watch->lag[site].lag_ms = 100 + (uint32_t)site;
        watch->connected_since[site].boot_ns = 200 + (uint64_t)site;
        watch->two_way_since[site].boot_ns = 250 + (uint64_t)site;
        watch->maintenance_applied[site].boot_ns = 300 + (uint64_t)site;
        watch->rates[site].bounds.upper_ppm = 400 + site;
    }
    before = *watch;
    spec.sites[0] = world_group(&world)->spec.sites[2];
    spec.sites[2] = world_group(&world)->spec.sites[0];
    strcpy(spec.sites[1].name, "dc-n");

    world_set_spec(&world, &spec, "");

    for (int to = 0; to < BW_SITES_MAX; to++) {
        static const struct bw_watch none;
        const struct bw_watch *from = to == 0 || to == 2 ? &before : &none;
        const int at = to == 0 ? 2 : to == 2 ? 0 : 1;

        assert_memory_equal(&watch->lag[to], &from->lag[at], sizeof from->lag[at]);
        assert_memory_equal(&watch->reports[to], &from->reports[at], sizeof from->reports[at]);
        assert_memory_equal(&watch->rates[to], &from->rates[at], sizeof from->rates[at]);
        assert_int_equal(watch->connected_since[to].boot_ns, from->connected_since[at].boot_ns);
        assert_int_equal(watch->two_way_since[to].boot_ns, from->two_way_since[at].boot_ns);
        assert_int_equal(watch->maintenance_applied[to].boot_ns, from->maintenance_applied[at].boot_ns);
        assert_string_equal(watch->sites[to], to < 3 ? spec.sites[to].name : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_every_wish_needs_is_refused_in_its_words),
        cmocka_unit_test(a_failover_is_refused_in_its_words),
        cmocka_unit_test(a_switchover_is_refused_in_its_words),
        cmocka_unit_test(a_wish_lasts_its_time_in_its_epoch),
        cmocka_unit_test(a_failover_to_another_name_grants_nobody),
        cmocka_unit_test(a_wish_stands_in_the_way_of_nothing),
        cmocka_unit_test(all_that_is_known_of_a_site_moves_with_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
