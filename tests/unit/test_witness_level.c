/* witness_operator: how the feature level is raised (design 5.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "witness_orders.h"

static const struct bw_level_party *party(const struct bw_level_party *parties, size_t count,
                                          enum bw_level_kind kind, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (parties[i].kind == kind && strcmp(parties[i].name, name) == 0)
            return &parties[i];
    fail_msg("%s is not among them", name);
    return NULL;
}

static void everybody_is_asked_once_and_counts_by_the_least_that_it_knows(void **state)
{
    const struct bw_command other = {.kind = BW_COMMAND_SET_SPEC, .group = "mail"};
    const uint32_t levels[] = {0, 5, 0};
    struct bw_level_party parties[16];
    struct bw_command mail = other;
    struct caller caller;
    struct rig rig;
    size_t count;

    (void)state;
    begin(&rig);
    mail.spec = rig.groups[0].spec;
    (void)strcpy(mail.spec.name, "mail");
    assert_non_null(apply(&rig, &mail).rule);
    make_sync(&rig, &caller);
    caller.sync.feature_level = 3;
    caller.sync.guard_level = 2;
    caller.group.renew_epoch = 0;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller); /* of harbor, not of mail */

    assert_true(bw_witness_machine_parties_max(&rig.machine) <= 16);
    count = bw_witness_machine_parties(&rig.machine, levels, parties);
    assert_int_equal(count, 3 + 2 + 2);
    assert_int_equal(party(parties, count, BW_LEVEL_WITNESS, "w1")->level, BW_FEATURE_LEVEL_NEWEST);
    assert_int_equal(party(parties, count, BW_LEVEL_WITNESS, "w2")->level, 5);
    assert_int_equal(party(parties, count, BW_LEVEL_WITNESS, "w3")->level, 0);
    assert_int_equal(party(parties, count, BW_LEVEL_AGENT, "dc-a")->level, 3);
    assert_int_equal(party(parties, count, BW_LEVEL_GUARD, "dc-a")->level, 2);
    assert_int_equal(party(parties, count, BW_LEVEL_AGENT, "dc-b")->level, 0);

    (void)strcpy(caller.group.name, "mail"); /* by an agent that is older */
    caller.sync.number++;
    caller.sync.feature_level = 2;
    caller.sync.guard_level = 1;
    give(&rig, BW_WITNESS_EVENT_SYNC, &caller);
    count = bw_witness_machine_parties(&rig.machine, levels, parties);
    assert_int_equal(party(parties, count, BW_LEVEL_AGENT, "dc-a")->level, 2);
    assert_int_equal(party(parties, count, BW_LEVEL_GUARD, "dc-a")->level, 1);
}

/* Thousands of sites: their number is no factor twice. */
static void every_site_is_there_once_by_its_name(void **state)
{
    static const char *const names[] = {"m", "c", "z", "a", "b", "m"};
    struct bw_command command = {.kind = BW_COMMAND_SET_SPEC, .group = "mail"};
    const uint32_t levels[3] = {0};
    struct bw_level_party parties[3 + 2 * (2 + 6)];
    struct rig rig;
    size_t count;

    (void)state;
    begin(&rig);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i += 2) {
        command.spec = rig.groups[0].spec;
        (void)snprintf(command.group, sizeof command.group, "mail-%zu", i);
        (void)strcpy(command.spec.name, command.group);
        (void)strcpy(command.spec.sites[0].name, names[i]);
        (void)strcpy(command.spec.sites[1].name, names[i + 1]);
        assert_non_null(apply(&rig, &command).rule);
    }
    assert_int_equal(bw_witness_machine_parties_max(&rig.machine), sizeof parties / sizeof parties[0]);

    count = bw_witness_machine_parties(&rig.machine, levels, parties);

    assert_int_equal(count, 3 + 2 * (2 + 5));
    for (size_t i = 3; i < count; i += 2) {
        assert_int_equal(parties[i].kind, BW_LEVEL_AGENT);
        assert_int_equal(parties[i + 1].kind, BW_LEVEL_GUARD);
        assert_string_equal(parties[i].name, parties[i + 1].name);
        assert_true(i == 3 || strcmp(parties[i - 1].name, parties[i].name) < 0);
    }
}

static const struct bw_level_party alone = {
    .kind = BW_LEVEL_WITNESS, .name = "w1", .level = BW_FEATURE_LEVEL_NEWEST};

static void a_level_is_raised_by_one_and_only_where_it_is_still_wanted(void **state)
{
    struct bw_level_order order = {.to = BW_FEATURE_LEVEL_NEWEST, .by = "operator/anna", .text = "new"};
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    begin(&rig);
    rig.machine.cluster.feature_level = BW_FEATURE_LEVEL_NEWEST;
    assert_int_equal(bw_witness_machine_raise_level(&rig.machine, &alone, 1, &order, &diag),
                     BW_ERR_EXISTS); /* it is the newest */
    rig.machine.cluster.feature_level = BW_FEATURE_LEVEL_NEWEST - 1; /* as an older one founded it */
    order.to = BW_FEATURE_LEVEL_NEWEST + 1;
    assert_int_equal(bw_witness_machine_raise_level(&rig.machine, &alone, 1, &order, &diag),
                     BW_ERR_STALE);
    assert_int_equal(bw_witness_machine_judge_level(&rig.machine, &alone, 1, &order, &diag),
                     BW_ERR_STALE);
    assert_int_equal(bw_witness_machine_judge_level(&rig.machine, &alone, 1, NULL, &diag), BW_OK);
    order.to = BW_FEATURE_LEVEL_NEWEST - 1; /* somebody else has raised it by now */
    assert_int_equal(bw_witness_machine_judge_level(&rig.machine, &alone, 1, &order, &diag),
                     BW_ERR_STALE);
    assert_int_equal(rig.request_count, 0);
    order.to = BW_FEATURE_LEVEL_NEWEST;
    assert_int_equal(bw_witness_machine_raise_level(&rig.machine, &alone, 1, &order, &diag), BW_OK);
    assert_int_equal(rig.request_count, 1);
    assert_int_equal(rig.commands[0].kind, BW_COMMAND_RAISE_LEVEL);
    assert_int_equal(rig.commands[0].feature_level, BW_FEATURE_LEVEL_NEWEST);
    assert_string_equal(rig.commands[0].by, "operator/anna");
    assert_string_equal(rig.commands[0].text, "new");
}

static void whoever_was_not_heard_is_named_or_left_out_by_name(void **state)
{
    const struct bw_level_party parties[] = {alone, {.kind = BW_LEVEL_AGENT, .name = "dc-b"}};
    const char *const without[] = {"dc-b"};
    struct bw_level_order order = {.to = BW_FEATURE_LEVEL_NEWEST, .by = "operator/anna", .text = ""};
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    begin(&rig);
    rig.machine.cluster.feature_level = BW_FEATURE_LEVEL_NEWEST - 1;
    assert_int_equal(bw_witness_machine_raise_level(&rig.machine, parties, 2, &order, &diag),
                     BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "agent dc-b"));
    assert_int_equal(rig.request_count, 0);
    order.without = without;
    order.without_count = 1;
    assert_int_equal(bw_witness_machine_raise_level(&rig.machine, parties, 2, &order, &diag), BW_OK);
}

/* 5.3: an older witness stops when it reads that key. What a file says by default is left out below the level. */
static void below_its_level_no_spec_has_unhealthy_after(void **state)
{
    static const char *const names[] = {"added", NULL};
    struct bw_spec defaults;
    struct order order;
    struct rig rig;

    (void)state;
    bw_spec_defaults(&defaults);
    begin(&rig);
    for (uint32_t level = BW_UNHEALTHY_LEVEL - 1; level <= BW_UNHEALTHY_LEVEL; level++) {
        rig.machine.cluster.feature_level = level;
        order_begin(&rig, &order, names);
        order.items[0].spec.unhealthy_after_ms = defaults.unhealthy_after_ms;
        assert_int_equal(judge(&rig, &order), 0);
        assert_int_equal(order.items[0].spec.unhealthy_after_ms,
                         level < BW_UNHEALTHY_LEVEL ? 0 : defaults.unhealthy_after_ms);
        order.items[0].spec.unhealthy_after_ms = 60000;
        if (level < BW_UNHEALTHY_LEVEL)
            assert_refuses(&rig, &order, "unhealthy_after needs feature level 3");
        else
            assert_int_equal(judge(&rig, &order), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_its_level_no_spec_has_unhealthy_after),
        cmocka_unit_test(everybody_is_asked_once_and_counts_by_the_least_that_it_knows),
        cmocka_unit_test(every_site_is_there_once_by_its_name),
        cmocka_unit_test(a_level_is_raised_by_one_and_only_where_it_is_still_wanted),
        cmocka_unit_test(whoever_was_not_heard_is_named_or_left_out_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
