/* machine/agent: what cannot be true is believed of no witness (3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/counters.h>

#include "agent_rig.h"

/* Of a site that may accept. */
static void begin_enforced(struct rig *rig)
{
    begin(rig, 1);
    guard_welcomes_with(rig, true);
    saved(rig, BW_OK);
    saved(rig, BW_OK);
    wake(rig);
    forget(rig);
}

/* All of it is dropped, and the next true one is heard. */
static void assert_refused(struct rig *rig, const struct reply *made_up)
{
    struct reply reply;

    answered(rig, 0, made_up);
    assert_asks(rig, "note:3"); /* WITNESS_REFUSED */
    assert_asks_not(rig, "order:");
    assert_asks_not(rig, "confirmed:");
    assert_asks_not(rig, "SAVE");
    forget(rig);
    rig->now_ms += 3000;
    wake(rig);
    answered(rig, 1, reply_of(rig, BW_ORDER_RUN, 7, &reply));
    assert_asks(rig, "order:0");
    assert_asks(rig, "order:1");
}

/* ---- numbers that only grow --------------------------------------------------------------------- */

#define INDEX_LAST bw_counter_index_last(1) /* the rig's generation */
#define EPOCH_LAST bw_counter_epoch_last(1)

/* One answer of one witness, leader or not, would have it obey nobody any more: a recovery is above it. */
#define TAKES_UP_TO(member, kind, last)                                                            \
    do {                                                                                           \
        const uint64_t made_up[] = {(last) + 1, (UINT64_C(1) << 62) + 1, UINT64_MAX};              \
        struct reply reply;                                                                        \
        struct rig rig;                                                                            \
                                                                                                   \
        for (size_t i = 0; i < sizeof made_up / sizeof made_up[0]; i++) {                          \
            begin_enforced(&rig);                                                                  \
            reply_of(&rig, (kind), 7, &reply);                                                     \
            reply.answer.is_leader = i % 2 == 0;                                                   \
            reply.groups[1].member = made_up[i];                                                   \
            assert_refused(&rig, &reply);                                                          \
        }                                                                                          \
        begin_enforced(&rig);                                                                      \
        reply_of(&rig, (kind), 7, &reply);                                                         \
        reply.groups[1].member = (last);                                                           \
        answered(&rig, 0, &reply);                                                                 \
        assert_asks_not(&rig, "note:3");                                                           \
        assert_asks(&rig, "order:1");                                                              \
    } while (0)

static void an_index_that_no_log_has_come_to_is_not_taken(void **state)
{
    (void)state;
    TAKES_UP_TO(order.index, BW_ORDER_RUN, INDEX_LAST);
    TAKES_UP_TO(order.spec_version, BW_ORDER_STAND_BY, INDEX_LAST);
    TAKES_UP_TO(order.let_go_index, BW_ORDER_LET_GO, INDEX_LAST); /* its guard keeps it, too */
    TAKES_UP_TO(order.held_index, BW_ORDER_STOP, INDEX_LAST);
    TAKES_UP_TO(remote_fence.held_index, BW_ORDER_STAND_BY, INDEX_LAST);
}

static void an_epoch_that_no_recovery_has_come_to_is_not_taken(void **state)
{
    (void)state;
    TAKES_UP_TO(order.epoch, BW_ORDER_RUN, EPOCH_LAST);
    TAKES_UP_TO(order.let_go_epoch, BW_ORDER_LET_GO, EPOCH_LAST);
    TAKES_UP_TO(confirmed_epoch, BW_ORDER_RUN, EPOCH_LAST);
    TAKES_UP_TO(other_serves_epoch, BW_ORDER_STAND_BY, EPOCH_LAST); /* rejoined after, durably */
    TAKES_UP_TO(remote_fence.epoch, BW_ORDER_STAND_BY, EPOCH_LAST);
}

/* A poll's answer is one, too: nothing of it was asked for. */
static void nor_is_it_of_a_poll(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_enforced(&rig);
    reply_of(&rig, BW_ORDER_RUN, UINT64_MAX, &reply);
    reply.answer.session = (struct bw_id){{0}};
    reply.answer.number = 0;
    reply.answer.is_leader = false;
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_ANSWERED,
                                         .witness = 0,
                                         .exchange = BW_AGENT_POLL,
                                         .answer = &reply.answer});
    assert_asks(&rig, "note:3");
    assert_asks_not(&rig, "order:");
}

/* As a release of before has numbered a recovery: by seconds and milliseconds of a clock. */
static void a_generation_that_was_numbered_by_a_clock_is_followed(void **state)
{
    const uint64_t second = 1800000000;
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_enforced(&rig);
    rig.state.generation = second;
    reply_of(&rig, BW_ORDER_RUN, second * 1000 + 5000000, &reply);
    reply.answer.generation = second;
    reply.groups[0].order.epoch = second + 500;
    answered(&rig, 0, &reply);
    assert_asks(&rig, "order:0");
    assert_asks_not(&rig, "note:3");
}

/* ---- terms ------------------------------------------------------------------------------------- */

/* 5.4: three times that limit is more than there are numbers for, and ended the process. */
static void terms_that_no_spec_may_have_are_refused_and_the_agent_goes_on(void **state)
{
    static const enum bw_order_kind kinds[] = {BW_ORDER_RUN, BW_ORDER_STOP, BW_ORDER_STAND_BY, BW_ORDER_LET_GO};
    struct reply reply;
    struct rig rig;

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        begin_enforced(&rig);
        reply_of(&rig, kinds[i], 7, &reply);
        reply.groups[1].order.terms.request_timeout_ms = 0x60000000;
        assert_refused(&rig, &reply);
        rig.now_ms += 3000;
        wake(&rig);
        assert_asks(&rig, "SYNC:0");
        assert_int_equal(rig.limit_ms, 3000);
    }
}

static void whoever_holds_an_epoch_has_terms(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    for (int kind = BW_ORDER_RUN; kind <= BW_ORDER_STOP; kind++) {
        begin_enforced(&rig);
        reply_of(&rig, (enum bw_order_kind)kind, 7, &reply);
        reply.groups[0].order.terms = (struct bw_terms){0};
        assert_refused(&rig, &reply);
    }
}

/* 3.9: of a group that is not there. */
static void whoever_lets_go_may_be_told_none(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_enforced(&rig);
    reply_of(&rig, BW_ORDER_LET_GO, 7, &reply);
    reply.groups[0].order.terms = reply.groups[1].order.terms = (struct bw_terms){0};
    answered(&rig, 0, &reply);
    assert_asks(&rig, "order:0");
    assert_asks_not(&rig, "note:3");
}

static void what_is_refused_again_is_said_once(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_enforced(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    reply.groups[0].order.terms.ttl_ms = UINT32_MAX;
    answered(&rig, 0, &reply);
    assert_asks(&rig, "note:3");
    forget(&rig);
    rig.now_ms += 3000;
    wake(&rig);
    reply.answer.number = rig.sync.number;
    answered(&rig, 0, &reply);
    assert_asks_not(&rig, "note:3");
    assert_asks_not(&rig, "order:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_that_no_log_has_come_to_is_not_taken),
        cmocka_unit_test(an_epoch_that_no_recovery_has_come_to_is_not_taken),
        cmocka_unit_test(nor_is_it_of_a_poll),
        cmocka_unit_test(a_generation_that_was_numbered_by_a_clock_is_followed),
        cmocka_unit_test(terms_that_no_spec_may_have_are_refused_and_the_agent_goes_on),
        cmocka_unit_test(whoever_holds_an_epoch_has_terms),
        cmocka_unit_test(whoever_lets_go_may_be_told_none),
        cmocka_unit_test(what_is_refused_again_is_said_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
