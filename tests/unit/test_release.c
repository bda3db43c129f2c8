/* a witness of an older release, whose program knows level 1 only: what it founds, reads and raises. Design 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "witness_rig.h"

#include <breakwater/machine/witness_operator.h>

static void begin_older(struct rig *rig)
{
    rig_begin(rig);
    rig->machine.feature_level = 1;
}

static void what_an_older_one_founds_is_of_its_level(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig.machine.feature_level = 1;
    lead(&rig, 2);
    live_until(&rig, rig.now_ms + 2 * BW_WITNESS_FOUND_MS);
    assert_int_equal(rig.commands[0].kind, BW_COMMAND_FOUND);
    assert_int_equal(rig.commands[0].feature_level, 1);
}

static void an_older_one_stops_at_what_a_newer_one_reads(void **state)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL, .feature_level = 2};
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    begin_older(&rig);
    assert_int_equal(bw_witness_machine_admit(&rig.machine, &raise, &diag), BW_ERR_VERSION);
    rig.machine.cluster.feature_level = 2; /* as a snapshot has it */
    assert_int_equal(bw_witness_machine_restored(&rig.machine, &diag), BW_ERR_VERSION);
    rig.machine.feature_level = 2; /* it was upgraded */
    assert_int_equal(bw_witness_machine_admit(&rig.machine, &raise, &diag), BW_OK);
    assert_int_equal(bw_witness_machine_restored(&rig.machine, &diag), BW_OK);
}

static void an_older_leader_raises_nothing(void **state)
{
    const struct bw_level_party all = {.kind = BW_LEVEL_WITNESS, .name = "w1", .level = 2};
    const struct bw_level_order order = {.to = 2, .by = "operator/anna", .text = ""};
    const uint32_t levels[] = {0, 2, 2};
    struct bw_level_party parties[16];
    struct bw_diag diag = {0};
    struct rig rig;

    (void)state;
    begin_older(&rig);
    lead(&rig, 2);
    assert_int_equal(bw_witness_machine_raise_level(&rig.machine, &all, 1, &order, &diag),
                     BW_ERR_EXISTS);
    assert_true(bw_witness_machine_parties(&rig.machine, levels, parties) > 0);
    assert_int_equal(parties[0].level, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_older_one_founds_is_of_its_level),
        cmocka_unit_test(an_older_one_stops_at_what_a_newer_one_reads),
        cmocka_unit_test(an_older_leader_raises_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
