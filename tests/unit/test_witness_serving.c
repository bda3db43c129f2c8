/* witness: whose word counts as the holder's: each part of it alone makes another of it (design 3.5, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "core_world.h"

static struct world world;
static struct bw_sync_group sync_group;

static struct bw_sync sync_of(int site, const char *name)
{
    struct bw_sync sync = {.cluster_id = world.cluster.id,
                           .generation = world.cluster.generation,
                           .instance = world.sites[site].instance,
                           .session = world.sites[site].session,
                           .boot_id = world.sites[site].boot_id,
                           .number = ++world.sites[site].number,
                           .group_count = 1,
                           .groups = &sync_group};

    sync_group = (struct bw_sync_group){.renew_epoch = world_group(&world)->epoch,
                                        .report = world.sites[site].report};
    strcpy(sync_group.name, "harbor");
    strcpy(sync.site, name);
    return sync;
}

/* Whether this sync is one of a holder that serves: it alone moves served_contact. */
static bool serves(const struct bw_sync *sync)
{
    struct bw_watch *watch = world_watch(&world);

    world_wait_ms(&world, 100);
    watch->served_contact = (struct bw_instant){0, 0};
    (void)bw_witness_on_sync(&world.witness, sync, 0, world.now);
    return watch->served_contact.boot_ns == world.now.boot_ns;
}

/* 4: what others lag behind is the data of the holder, of this epoch, armed and started. */
static void whoever_is_not_the_holder_in_every_way_does_not_serve(void **state)
{
    struct bw_sync sync;

    (void)state;
    world_begin(&world, 2);
    sync = sync_of(A, "dc-a");
    assert_true(serves(&sync));
    for (int step = -1; step <= 1; step += 2) {
        sync = sync_of(A, "dc-a");
        sync_group.renew_epoch += (uint64_t)step;
        assert_false(serves(&sync));
        sync = sync_of(A, "dc-a");
        sync_group.report.armed_epoch += (uint64_t)step;
        assert_false(serves(&sync));
    }
    sync = sync_of(A, "dc-a");
    sync_group.report.serving_epoch_started = false;
    assert_false(serves(&sync));
    sync = sync_of(A, "dc-a");
    sync.instance.bytes[15] ^= 1;
    assert_false(serves(&sync));
    sync = sync_of(A, "dc-b"); /* the holder's instance under another site's certificate */
    assert_false(serves(&sync));
}

static uint32_t contacts_of(int site)
{
    uint32_t count = 0;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++)
        count += world_watch(&world)->reports[site].by_instance[i].used;
    return count;
}

/* 3.5, 3.7: a copy of a machine says the same but for one of these. */
static void another_instance_session_or_boot_is_another_contact(void **state)
{
    (void)state;
    for (int part = 0; part < 4; part++) {
        struct bw_sync sync;

        world_begin(&world, 2);
        assert_int_equal(contacts_of(A), 1);
        sync = sync_of(A, "dc-a");
        sync.instance.bytes[15] ^= part == 1;
        sync.session.bytes[15] ^= part == 2;
        sync.boot_id.bytes[15] ^= part == 3;
        (void)bw_witness_on_sync(&world.witness, &sync, 0, world.now);
        assert_int_equal(contacts_of(A), part == 0 ? 1 : 2);
    }
}

static const struct bw_contact *released(uint64_t by, uint64_t epoch, const char *position)
{
    struct bw_sync sync = sync_of(A, "dc-a");

    sync_group.renew_epoch = 0;
    sync_group.released = (struct bw_released){
        .epoch = epoch, .reason = BW_REASON_SERVICE_DOWN, .past_no_return = true};
    strcpy(sync_group.released.position, position);
    (void)bw_witness_on_sync(&world.witness, &sync, by, world.now);
    return bw_site_reports_newest(&world_watch(&world)->reports[A]);
}

/* 3.5: by whom a give-back has come; nothing vouches for what was not given back. */
static void each_witness_that_passes_a_give_back_on_is_noted_once(void **state)
{
    const struct bw_contact *contact;

    (void)state;
    world_begin(&world, 2);
    contact = released(7, 0, "");
    assert_int_equal(contact->released_by.count, 0);
    assert_false(contact->released_by.directly);
    contact = released(0, 0, "");
    assert_false(contact->released_by.directly);

    for (uint64_t by = 1; by <= BW_WITNESSES_MAX + 1; by++) {
        (void)released(by, 1, "0/1");
        contact = released(by, 1, "0/1");
        assert_int_equal(contact->released_by.count, by < BW_WITNESSES_MAX ? by : BW_WITNESSES_MAX);
        assert_false(contact->released_by.directly);
    }
    contact = released(9, 1, "0/2"); /* other words: it speaks for itself alone */
    assert_int_equal(contact->released_by.count, 1);
    assert_int_equal(contact->released_by.witnesses[0], 9);
    contact = released(0, 1, "0/3");
    assert_int_equal(contact->released_by.count, 0);
    assert_true(contact->released_by.directly);
    contact = released(9, 1, "0/4"); /* what was heard directly is not talked over */
    assert_true(contact->released_by.directly);
    assert_string_equal(contact->released.position, "0/3");
}

/* 3.9, H13: an observation made at the very instant of an end was made after it. */
static void an_observation_counts_from_the_instant_of_the_end_on(void **state)
{
    (void)state;
    for (int late_ms = -1; late_ms <= 1; late_ms++) {
        struct bw_group *group;
        struct bw_watch *watch;
        const struct bw_contact *contact;

        world_begin(&world, 2);
        world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
        assert_string_equal(world_act(&world), "A1");
        world_sync_all(&world);
        group = world_group(&world);
        watch = world_watch(&world);
        group->first_grant = true;
        contact = bw_site_reports_newest(&watch->reports[A]);
        watch->phase_applied = bw_instant_sub(contact->answered_received,
                                              contact->report.service_age_ms * BW_NS_PER_MS);
        watch->phase_applied = late_ms > 0 ? bw_instant_sub(watch->phase_applied, BW_NS_PER_MS)
                               : late_ms < 0 ? bw_instant_add(watch->phase_applied, BW_NS_PER_MS)
                                             : watch->phase_applied;
        (void)world_decide(&world);
        assert_int_equal(world_holds(&world, "reported", A), late_ms < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_not_the_holder_in_every_way_does_not_serve),
        cmocka_unit_test(another_instance_session_or_boot_is_another_contact),
        cmocka_unit_test(each_witness_that_passes_a_give_back_on_is_noted_once),
        cmocka_unit_test(an_observation_counts_from_the_instant_of_the_end_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
