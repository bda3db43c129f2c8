/* members: who was removed, and whose word for it a witness believes. Design 3.9. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "members_world.h"

static const struct bw_id cluster = {{7}};

/* What a witness says whose newest applied roster has w1, w2, w4 and w5: w3 was removed. */
static struct bw_members_removal removal_of(uint64_t id)
{
    return (struct bw_members_removal){
        .cluster_id = cluster, .generation = 2, .id = id, .id_max = 5};
}

static void who_was_removed_is_told_and_nobody_who_is_merely_unknown(void **state)
{
    (void)state;
    begin(5);
    roster.members[2] = roster.members[3];
    roster.members[3] = roster.members[4];
    roster.count = 4;
    assert_true(bw_roster_has_removed(&roster, 3));
    assert_false(bw_roster_has_removed(&roster, 4));
    assert_false(bw_roster_has_removed(&roster, 6)); /* added since, and this one lags */
    roster.id_max = 0; /* of the first form: nobody was ever removed */
    assert_false(bw_roster_has_removed(&roster, 3));
}

/* It knows of none yet. */
static void a_roster_of_nobody_has_removed_nobody(void **state)
{
    const struct bw_roster nobody = {.id_max = 3};

    (void)state;
    assert_false(bw_roster_has_removed(&nobody, 3));
}

/* By witness 3, which knows no leader. */
static bool believes(const struct bw_members_removal *removal, struct bw_id of, uint64_t generation)
{
    const struct bw_members_hearer hearer = {
        .cluster_id = of, .id = 3, .generation = generation, .applied = &roster};

    return bw_members_believes_removal(removal, &hearer);
}

/* The lie of one member, or a cluster that was begun anew by mistake, would end a majority for
 * good. */
static void who_leads_or_follows_another_does_not_believe_that_it_was_removed(void **state)
{
    struct bw_members_hearer hearer = {
        .cluster_id = cluster, .id = 3, .generation = 2, .applied = &roster};
    struct bw_members_removal removal;

    (void)state;
    begin(3);
    removal = removal_of(3);
    removal.from = 1;
    assert_true(bw_members_believes_removal(&removal, &hearer));
    hearer.leader = 3;
    assert_false(bw_members_believes_removal(&removal, &hearer));
    hearer.leader = 2;
    assert_false(bw_members_believes_removal(&removal, &hearer));
    removal.generation++;
    assert_false(bw_members_believes_removal(&removal, &hearer));
    hearer.leader = 1;
    assert_true(bw_members_believes_removal(&removal, &hearer));
}

/* Ids need not be given in order: below the highest may be one that nobody has had. */
static void who_has_an_empty_log_was_never_a_member(void **state)
{
    struct bw_members_hearer hearer = {
        .cluster_id = cluster, .id = 3, .is_bare = true, .applied = &roster};
    const struct bw_members_removal removal = removal_of(3);

    (void)state;
    begin(3);
    assert_false(bw_members_believes_removal(&removal, &hearer));
    hearer.is_bare = false;
    assert_true(bw_members_believes_removal(&removal, &hearer));
}

static void a_removal_is_believed_of_this_cluster_and_generation_or_a_newer_one(void **state)
{
    struct bw_members_removal removal = removal_of(3);

    (void)state;
    begin(3);
    assert_true(believes(&removal, cluster, 2));
    assert_true(believes(&removal, cluster, 1));
    assert_true(believes(&removal, cluster, 0)); /* nothing applied yet */
    removal.cluster_id = (struct bw_id){{8}};
    assert_false(believes(&removal, cluster, 2));
    removal.cluster_id = (struct bw_id){{0}};
    assert_false(believes(&removal, removal.cluster_id, 2));
    removal = removal_of(2); /* meant for another one */
    assert_false(believes(&removal, cluster, 2));
}

/* Before the recovery id 3 was somebody else's, who was removed. */
static void what_an_older_generation_has_removed_is_another(void **state)
{
    struct bw_members_removal removal = removal_of(3);

    (void)state;
    begin(3);
    assert_false(believes(&removal, cluster, 3));
    removal.generation = 0;
    assert_false(believes(&removal, cluster, 0));
}

/* It would have come before one that names this witness. */
static void a_removal_that_contradicts_the_own_roster_is_not_believed(void **state)
{
    struct bw_members_removal removal = removal_of(3);

    (void)state;
    begin(6);
    assert_false(believes(&removal, cluster, 2));
    assert_true(believes(&removal, cluster, 1));
    removal.id_max = 2; /* an id that it does not know of was removed by nobody */
    begin(2);
    assert_false(believes(&removal, cluster, 2));
}

/* The newest id that was given may be the one that was removed, too. */
static void a_removal_by_a_roster_as_old_as_the_own_is_believed(void **state)
{
    struct bw_members_removal removal = removal_of(3);

    (void)state;
    begin(5);
    assert_true(believes(&removal, cluster, 2));
    begin(3);
    removal.id_max = 3;
    assert_true(believes(&removal, cluster, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_removed_is_told_and_nobody_who_is_merely_unknown),
        cmocka_unit_test(a_roster_of_nobody_has_removed_nobody),
        cmocka_unit_test(who_leads_or_follows_another_does_not_believe_that_it_was_removed),
        cmocka_unit_test(who_has_an_empty_log_was_never_a_member),
        cmocka_unit_test(a_removal_is_believed_of_this_cluster_and_generation_or_a_newer_one),
        cmocka_unit_test(what_an_older_generation_has_removed_is_another),
        cmocka_unit_test(a_removal_that_contradicts_the_own_roster_is_not_believed),
        cmocka_unit_test(a_removal_by_a_roster_as_old_as_the_own_is_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
