/* machine/agent: what cannot be true is believed of no witness (3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

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
        assert_int_equal(rig.limit_ms, 1000);
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
        cmocka_unit_test(terms_that_no_spec_may_have_are_refused_and_the_agent_goes_on),
        cmocka_unit_test(whoever_holds_an_epoch_has_terms),
        cmocka_unit_test(whoever_lets_go_may_be_told_none),
        cmocka_unit_test(what_is_refused_again_is_said_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
