/* What must hold of a group between its commands, fact by fact: each is broken by hand, and named. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core_fixture.h"

/* `change` breaks a copy of the group, and `fact` is what is then said not to hold. */
#define BREAKS(of, change, fact)                                                                  \
    do {                                                                                          \
        struct bw_group broken = (of).group;                                                      \
        const char *wrong;                                                                        \
                                                                                                  \
        assert_null(bw_group_unsound(&broken));                                                   \
        change;                                                                                   \
        wrong = bw_group_unsound(&broken);                                                        \
        assert_non_null(wrong);                                                                   \
        assert_string_equal(wrong, fact);                                                         \
        assert_false(bw_group_is_sound(&broken));                                                 \
    } while (0)

static struct bw_history_entry *newest(struct bw_group *group)
{
    return &group->history[(group->history_first + group->history_count - 1) % BW_HISTORY_MAX];
}

static void lists_are_within_their_bounds(void **state)
{
    const struct group_run run = group_run_granted("dc-a");
    struct bw_group full = run.group;

    (void)state;
    BREAKS(run, broken.history_count = BW_HISTORY_MAX + 1, "the group's history: it fits its ring");
    BREAKS(run, broken.history_first = BW_HISTORY_MAX, "the group's history: it begins in its ring");
    BREAKS(run, broken.voucher_count = BW_VOUCHERS_MAX + 1,
           "the group's vouchers: they fit their list");
    BREAKS(run, broken.spec.site_count = BW_SITES_MAX + 1,
           "the group's spec: its sites fit their list");
    BREAKS(run, broken.boot_count = BW_BOOTS_MAX + 1, "the group's boots: they fit their list");
    BREAKS(run, broken.has_more_boots = true,
           "the group's boots: more than are kept there are only when the list is full");
    full.voucher_count = BW_VOUCHERS_MAX;
    full.boot_count = BW_BOOTS_MAX;
    full.has_more_boots = true;
    assert_null(bw_group_unsound(&full));
}

static void epochs_of_the_history_only_grow(void **state) /* I2 */
{
    struct group_run run = group_run_granted("dc-a");

    (void)state;
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    BREAKS(run, newest(&broken)->epoch = broken.epoch + 1,
           "the group's history: its epochs only grow, up to the group's own");
    BREAKS(run, broken.history[broken.history_first].epoch = newest(&broken)->epoch,
           "the group's history: its epochs only grow, up to the group's own");
    BREAKS(run, newest(&broken)->epoch = broken.history[broken.history_first].epoch,
           "the group's history: its epochs only grow, up to the group's own");
}

static void a_vacant_group_is_held_by_nobody(void **state) /* I1, 3.1 */
{
    struct group_run run = group_run_granted("dc-a");

    (void)state;
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    BREAKS(run, strcpy(broken.holder_site, "dc-a"), "the vacant group: nobody holds it");
    BREAKS(run, newest(&broken)->ended_index = 0,
           "the vacant group: its newest epoch has ended");
}

static void a_held_group_is_held_by_whom_its_epoch_was_granted_to(void **state) /* I1 */
{
    const struct group_run run = group_run_granted("dc-a");

    (void)state;
    BREAKS(run, broken.history_count = 0, "the held group: it has a history");
    BREAKS(run, broken.epoch++, "the held group: its epoch is the newest of its history");
    BREAKS(run, newest(&broken)->ended_index = 7, "the held group: its newest epoch is open");
    BREAKS(run, strcpy(broken.holder_site, "dc-b"),
           "the held group: its holder is whom its epoch was granted to");
    BREAKS(run, strcpy(broken.spec.sites[0].name, "dc-x"),
           "the held group: its holder is in the spec");
    BREAKS(run, broken.holder_instance = (struct bw_id){{0}},
           "the held group: an instance of its holder is known");
    BREAKS(run, broken.boot_count = 0, "the held group: a boot of its holder is known");
    BREAKS(run, broken.terms.fence_ms = broken.terms.ttl_ms,
           "the held group: its fence window is shorter than its lease");
    BREAKS(run, broken.terms.no_return = (enum bw_no_return)(BW_NO_RETURN_PASSED + 1),
           "an open epoch has passed its point of no return, or has not");
    BREAKS(run, broken.spec.mode = BW_MODE_OBSERVE, "the held group: it is not only observed");
}

static void a_move_has_a_target_while_it_is_under_way(void **state) /* 3.6 */
{
    const struct group_run vacant = group_run_vacant();
    const struct group_run granted = group_run_granted("dc-a");
    const struct group_run revoking = group_run_revoking("dc-a", "dc-b");
    const struct group_run closing = group_run_closing("dc-a");

    (void)state;
    BREAKS(vacant, strcpy(broken.target_origin, "dc-a"),
           "the vacant group: a move that is under way has a target");
    BREAKS(vacant, broken.rolling_back = true,
           "the vacant group: a move that is under way has a target");
    BREAKS(granted, strcpy(broken.target, "dc-b"), "the granted group: no move is under way");
    BREAKS(granted, broken.rolling_back = true, "the granted group: none is on its way back");
    BREAKS(revoking, broken.target[0] = '\0', "the group that is revoked: its move has a target");
    BREAKS(revoking, broken.rolling_back = true,
           "the group that is revoked: its move is on its way there");
    BREAKS(closing, strcpy(broken.target, "dc-b"), "the group that is closed: no move is under way");
    BREAKS(closing, strcpy(broken.target_origin, "dc-a"),
           "the group that is closed: no move is under way");
    BREAKS(closing, broken.rolling_back = true,
           "the group that is closed: none is on its way back");
    BREAKS(granted, broken.phase = BW_PHASE_COUNT, "the group's phase: it is one of the list");
}

static void a_wish_is_one_for_a_move_from_the_newest_epoch(void **state) /* 4 */
{
    struct group_run wished = group_run_granted("dc-a");

    (void)state;
    wished.group.wish_count = 1;
    wished.group.wishes[0] = (struct bw_wish){
        .kind = BW_WISH_FAILOVER, .index = 7, .epoch = wished.group.epoch};
    BREAKS(wished, broken.wish_count = BW_WISHES_MAX + 1, "the group's wish: there is one at most");
    BREAKS(wished, broken.wish_over_count = BW_WISHES_MAX + 1,
           "the group's wish: there is one at most");
    BREAKS(wished, broken.wishes[0].kind = BW_WISH_FORCE_RELEASE,
           "the group's wish: a move is what is asked for");
    BREAKS(wished, broken.wishes[0].index = 0, "the group's wish: an entry of the log made it");
    BREAKS(wished, broken.wishes[0].epoch--, "the group's wish: it is of the newest epoch");
    BREAKS(wished, broken.spec.mode = BW_MODE_OBSERVE, "the group's wish: it is not only observed");
    wished.group.wishes[0].kind = BW_WISH_SWITCHOVER;
    wished.group.wish_over_count = BW_WISHES_MAX;
    assert_null(bw_group_unsound(&wished.group));
}

static void only_a_closed_group_is_held_and_only_an_open_one_adopted(void **state) /* 3.1, 3.3, H13 */
{
    const struct group_run vacant = group_run_vacant();
    const struct group_run granted = group_run_granted("dc-a");
    const struct group_run revoking = group_run_revoking("dc-a", "dc-b");
    const struct group_run held = group_run_held("dc-a");
    struct group_run closed = group_run_adopting("dc-a");

    (void)state;
    BREAKS(granted, broken.held = true; broken.held_index = 7,
           "the group: only one that is closed is held");
    BREAKS(held, broken.held_index = 0, "the group: one that is held names the failed fence");
    BREAKS(held, broken.held = false, "the group: one that is held names the failed fence");
    BREAKS(vacant, broken.recovered_index = 7; broken.first_grant = false,
           "the group: one that was recovered awaits its first grant");
    BREAKS(vacant, broken.adopting = true,
           "the group: an adoption is of an open epoch that is not moved");
    BREAKS(revoking, broken.adopting = true,
           "the group: an adoption is of an open epoch that is not moved");
    assert_string_not_equal(group_run_apply(&closed, fixture_command(&closed.group, BW_COMMAND_CLOSE)),
                            "no-op");
    assert_true(closed.group.adopting);
    assert_null(bw_group_unsound(&closed.group));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_within_their_bounds),
        cmocka_unit_test(epochs_of_the_history_only_grow),
        cmocka_unit_test(a_vacant_group_is_held_by_nobody),
        cmocka_unit_test(a_held_group_is_held_by_whom_its_epoch_was_granted_to),
        cmocka_unit_test(a_move_has_a_target_while_it_is_under_way),
        cmocka_unit_test(a_wish_is_one_for_a_move_from_the_newest_epoch),
        cmocka_unit_test(only_a_closed_group_is_held_and_only_an_open_one_adopted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
