/* consensus: a leader proves that it leads by the terms of the others, on three real members in one process. What they say
 * to each other for it passes here from node to node. Design 3.2.2. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "test_witness.h"

#define WAIT_MS 30000 /* for what must happen, on an idle machine: patience.h */

static struct test_cluster cluster;
static struct test_witness witnesses[TEST_WITNESSES];
static uv_loop_t loop;
static struct {
    bool is_lost;   /* what is said does not arrive */
    bool is_none;   /* there is no connection that takes it */
    bool is_higher; /* answers are of a newer term */
    unsigned questions, answers;
} said;

/* ---- helpers ---- */

/* As a link would bring it. */
static bool say(struct test_witness *witness, uint64_t to, const struct bw_term_word *word)
{
    struct test_witness *other = &witnesses[to - 1];
    struct bw_term_word sent = *word;

    if (said.is_none || other->node == NULL)
        return false;
    said.questions += word->term == 0;
    said.answers += word->term != 0;
    sent.term += word->term != 0 && said.is_higher;
    if (!said.is_lost)
        bw_node_hear_term(other->node, witness->id, &sent);
    return true;
}

static int setup(void **state)
{
    (void)state;
    memset(&said, 0, sizeof said);
    test_witnesses_found(witnesses, &cluster, &loop);
    for (uint64_t id = 1; id <= TEST_WITNESSES; id++) {
        witnesses[id - 1].say = say;
        assert_int_equal(test_witness_start(&witnesses[id - 1], &cluster, id, &loop, NULL), BW_OK);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_witnesses_end(witnesses, &cluster, &loop);
    return 0;
}

static struct test_witness *leader(void)
{
    for (int i = 0; i < TEST_WITNESSES; i++)
        if (witnesses[i].node != NULL && bw_node_is_ready(witnesses[i].node))
            return &witnesses[i];
    return NULL;
}

static struct bw_node_status status_of(const struct test_witness *witness)
{
    struct bw_node_status status;

    bw_node_get_status(witness->node, &status);
    return status;
}

/* There is a leader, and nothing is on its way in its log. */
static bool is_at_rest(void *user)
{
    const struct test_witness *first = leader();
    const struct bw_node_status status = first == NULL ? (struct bw_node_status){0} : status_of(first);

    (void)user;
    return first != NULL && status.applied_index == status.last_index;
}

static struct test_witness *leader_at_rest(void)
{
    test_run_until(&loop, is_at_rest, NULL, WAIT_MS, "a leader whose log is applied");
    return leader();
}

struct outcome {
    unsigned done;
    enum bw_err err;
    uint64_t index;
};

static void on_done(void *user, enum bw_err err, uint64_t index)
{
    *(struct outcome *)user = (struct outcome){.done = ((struct outcome *)user)->done + 1, .err = err, .index = index};
}

static bool is_done(void *user)
{
    return ((struct outcome *)user)->done > 0;
}

static struct outcome prove(struct test_witness *witness)
{
    struct outcome outcome = {0};

    assert_int_equal(bw_node_prove(witness->node, on_done, &outcome), BW_OK);
    assert_int_equal(outcome.done, 0); /* never from within */
    test_run_until(&loop, is_done, &outcome, WAIT_MS, "the end of the proof");
    return outcome;
}

/* The same of whoever leads then: a machine that stands still may end a leadership in between. */
static struct outcome prove_by(struct test_witness **out_leader)
{
    struct outcome outcome;

    do {
        *out_leader = leader_at_rest();
        outcome = prove(*out_leader);
    } while (outcome.err == BW_ERR_UNKNOWN);
    assert_int_equal(outcome.err, BW_OK);
    return outcome;
}

/* ---- the claims ---- */

static void a_log_at_rest_gets_no_entry_for_a_proof(void **state)
{
    struct test_witness *first = leader_at_rest();
    const uint64_t index = status_of(first).last_index;

    (void)state;
    for (int i = 0; i < 20; i++) {
        const struct outcome outcome = prove(first);

        assert_int_equal(outcome.err, BW_OK);
        assert_int_equal(outcome.index, 0);
    }
    assert_int_equal(status_of(first).last_index, index);
    assert_int_equal(said.questions, 40);
    assert_int_equal(said.answers, 40);
}

static void one_of_three_that_is_gone_is_not_needed(void **state)
{
    struct test_witness *first = leader_at_rest();

    (void)state;
    test_witness_stop(&witnesses[first->id % TEST_WITNESSES]);
    assert_int_equal(prove_by(&first).index, 0);
    assert_true(said.answers >= 1);
}

/* As if the other was of an older release. */
static void where_too_few_can_be_asked_a_barrier_proves_it(void **state)
{
    struct test_witness *first;
    struct outcome outcome;

    (void)state;
    said.is_none = true;
    outcome = prove_by(&first);
    assert_int_equal(outcome.index, status_of(first).last_index);
}

static void where_nobody_answers_in_time_a_barrier_proves_it(void **state)
{
    struct test_witness *first = leader_at_rest();
    const uint64_t begin_ms = uv_now(&loop);

    (void)state;
    said.is_lost = true;
    assert_int_not_equal(prove_by(&first).index, 0);
    assert_true(uv_now(&loop) - begin_ms >= cluster.election_ms / 2);
    said.is_lost = false;
    assert_int_equal(prove_by(&first).index, 0); /* the next one is asked again */
}

static void answers_of_a_higher_term_prove_nothing(void **state)
{
    struct test_witness *first;

    (void)state;
    said.is_higher = true;
    assert_int_not_equal(prove_by(&first).index, 0); /* that of the barrier: in truth nobody was elected */
}

/* Else the state would be older than what a barrier finds. */
static void what_is_on_its_way_in_the_log_is_waited_for(void **state)
{
    struct test_witness *first = leader_at_rest();
    struct outcome command = {0};
    struct outcome proof;

    (void)state;
    assert_int_equal(test_witness_submit(first, 7, on_done, &command), BW_OK);
    proof = prove(first);
    assert_int_equal(command.done, 1);
    assert_true(proof.index > command.index);
    assert_int_equal(said.questions, 0);
}

static void a_follower_proves_nothing_and_a_close_leaves_it_unknown(void **state)
{
    struct test_witness *first = leader_at_rest();
    struct outcome outcome = {0};

    (void)state;
    assert_int_equal(bw_node_prove(witnesses[first->id % TEST_WITNESSES].node, on_done, &outcome), BW_ERR_NOT_LEADER);
    said.is_lost = true;
    assert_int_equal(bw_node_prove(first->node, on_done, &outcome), BW_OK);
    test_witness_stop(first);
    assert_int_equal(outcome.done, 1);
    assert_int_equal(outcome.err, BW_ERR_UNKNOWN);
}

static bool has_lost_quorum(void *user)
{
    return !bw_node_is_ready(((struct test_witness *)user)->node);
}

/* A question ends when its witness leads no more, and proves nothing. */
static void who_steps_down_has_proved_nothing(void **state)
{
    struct test_witness *first = leader_at_rest();
    struct outcome outcome = {0};

    (void)state;
    said.is_lost = true;
    assert_int_equal(bw_node_prove(first->node, on_done, &outcome), BW_OK);
    assert_int_equal(bw_node_transfer(first->node, 0), BW_OK);
    test_run_until(&loop, has_lost_quorum, first, WAIT_MS, "another leads");
    test_run_until(&loop, is_done, &outcome, WAIT_MS, "the end of the proof");
    assert_int_not_equal(outcome.err, BW_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_log_at_rest_gets_no_entry_for_a_proof),
        TEST(one_of_three_that_is_gone_is_not_needed),
        TEST(where_too_few_can_be_asked_a_barrier_proves_it),
        TEST(where_nobody_answers_in_time_a_barrier_proves_it),
        TEST(answers_of_a_higher_term_prove_nothing),
        TEST(what_is_on_its_way_in_the_log_is_waited_for),
        TEST(a_follower_proves_nothing_and_a_close_leaves_it_unknown),
        TEST(who_steps_down_has_proved_nothing),
    };

    return cmocka_run_group_tests_name("consensus_terms", tests, NULL, NULL);
}
