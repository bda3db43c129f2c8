/* The facts of a witness between its steps: each is broken by hand, and named (3.2.2, 3.3, 3.5). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "core_world.h"

static struct world world;

static struct bw_watch *watch_of_group(void)
{
    return &world.witness.watches[0];
}

/* `change` breaks the witness, `fact` is what is then said not to hold; afterwards all is as it was. */
#define BREAKS(change, fact)                                                                      \
    do {                                                                                          \
        const struct bw_witness witness = world.witness;                                          \
        const struct bw_watch watch = *watch_of_group();                                             \
        const char *wrong;                                                                        \
                                                                                                  \
        assert_null(bw_witness_unsound(&world.witness, 0));                                       \
        change;                                                                                   \
        wrong = bw_witness_unsound(&world.witness, 0);                                            \
        assert_non_null(wrong);                                                                   \
        assert_string_equal(wrong, fact);                                                         \
        world.witness = witness;                                                                  \
        *watch_of_group() = watch;                                                                   \
    } while (0)

static void a_proof_is_one_that_was_asked_for(void **state) /* 3.2.2 */
{
    (void)state;
    world_begin(&world, 2);
    BREAKS(world.witness.proof.proved = world.witness.proof.submitted + 1, "the witness's proof: what is proved was asked for");
    BREAKS(world.witness.proof.on_its_way = world.witness.proof.submitted + 1,
           "the witness's proof: what is on its way was asked for");
    BREAKS(world.witness.leadership.proved = world.witness.proof.proved + 1,
           "the witness's proof: it counts only what is proved");
}

static void a_leader_has_a_term_and_remembers_its_own_group(void **state) /* 3.1, 3.3 */
{
    (void)state;
    world_begin(&world, 2);
    BREAKS(world.witness.leadership.term = 0, "the witness: a leader has a term");
    BREAKS((void)strcpy(watch_of_group()->name, "other"), "the witness's group: what it remembers is about this group");
}

static void a_follower_has_forgotten_its_term(void **state) /* 3.3 */
{
    (void)state;
    world_begin(&world, 2);
    bw_witness_on_not_leading(&world.witness);
    BREAKS(watch_of_group()->proposing_count = 1, "the follower's group: no proposal of it is on its way");
    BREAKS(watch_of_group()->confirmed_epoch = 1, "the follower's group: no renewal of it is confirmed");
    BREAKS(watch_of_group()->ended_epoch = 1, "the follower's group: nothing of it is remembered as proposed");
    BREAKS(watch_of_group()->boot_epoch = 1, "the follower's group: nothing of it is remembered as proposed");
    BREAKS(watch_of_group()->remote_fence.ask.epoch = 1, "the follower's group: nobody is asked for its fence");
}

static void a_leader_confirms_and_ends_what_was_granted(void **state) /* 3.2.2, 3.5 */
{
    (void)state;
    world_begin(&world, 2);
    const uint64_t beyond = world_group(&world)->epoch + 1;

    BREAKS(watch_of_group()->confirmed_epoch = beyond, "the leader's group: a confirmed epoch was granted");
    BREAKS(watch_of_group()->ended_epoch = beyond, "the leader's group: an epoch that is ended was granted");
    BREAKS(watch_of_group()->boot_epoch = beyond, "the leader's group: an epoch whose boot is proposed was granted");
    BREAKS((watch_of_group()->confirmed_epoch = 1, watch_of_group()->last_confirmed = (struct bw_instant){0, 0}),
           "the leader's group: a confirmed renewal was received");
    BREAKS((watch_of_group()->confirmed_epoch = 1, watch_of_group()->last_confirmed = world.now, watch_of_group()->ways.count = 0),
           "the leader's group: a confirmed renewal came by a way that is kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proof_is_one_that_was_asked_for),
        cmocka_unit_test(a_leader_has_a_term_and_remembers_its_own_group),
        cmocka_unit_test(a_follower_has_forgotten_its_term),
        cmocka_unit_test(a_leader_confirms_and_ends_what_was_granted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
