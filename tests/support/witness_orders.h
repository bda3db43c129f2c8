/* witness_orders.h - what an operator gives a witness that leads: specs, judged and begun, and what
 * was refused. For the tests of witness_operator; include it after cmocka.h. */
#ifndef BW_TEST_WITNESS_ORDERS_H
#define BW_TEST_WITNESS_ORDERS_H

#include <breakwater/machine/witness_operator.h>

#include "witness_rig.h"

#define ITEMS RIG_GROUPS

/* An operator's specs, and what is wrong with them. */
struct order {
    struct bw_apply apply;
    struct bw_apply_item items[ITEMS];
    char problems[2048];
};

static inline void order_begin(const struct rig *rig, struct order *order, const char *const *names)
{
    *order = (struct order){.apply = {.by = "operator/anna"}};
    order->apply.items = order->items;
    for (size_t i = 0; names[i] != NULL; i++) {
        struct bw_spec *spec = &order->items[order->apply.count++].spec;

        *spec = rig->groups[0].spec;
        (void)snprintf(spec->name, sizeof spec->name, "%s", names[i]);
    }
}

static inline void note_problem(void *user, const char *path, const char *text)
{
    struct order *order = user;
    const size_t used = strlen(order->problems);

    (void)snprintf(order->problems + used, sizeof order->problems - used, "%s: %s\n", path, text);
}

static inline size_t judge(const struct rig *rig, struct order *order)
{
    order->problems[0] = '\0';
    return bw_apply_judge(&rig->machine, &order->apply,
                          &(struct bw_apply_problems){.user = order, .add = note_problem});
}

/* Judged and begun. */
static inline void order_give(struct rig *rig, struct order *order)
{
    assert_int_equal(judge(rig, order), 0);
    forget(rig);
    bw_apply_begin(&rig->machine, &order->apply);
}

static inline void assert_refuses(const struct rig *rig, struct order *order, const char *problem)
{
    assert_int_equal(judge(rig, order), 1);
    if (strstr(order->problems, problem) == NULL)
        fail_msg("%s", order->problems);
}

static inline void begin(struct rig *rig)
{
    rig_begin(rig);
    lead(rig, 2);
    settle(rig);
    forget(rig);
}

/* What it reports of the service, which is fresh. */
static inline void report(struct rig *rig, const char *site, enum bw_service service)
{
    struct caller caller;

    make_sync(rig, &caller);
    (void)strcpy(caller.call.site, site);
    (void)strcpy(caller.sync.site, site);
    rig->now_ms += 100;
    caller.call.received = rig_now(rig);
    caller.sync.number = rig->now_ms;
    caller.group.renew_epoch = 0;
    caller.group.report = (struct bw_report){.service = service};
    give(rig, BW_WITNESS_EVENT_SYNC, &caller);
    forget(rig);
}

/* dc-a holds harbor, and gives it back for dc-b. */
static inline void begin_move(struct rig *rig, enum bw_reason reason)
{
    struct bw_command revoke = {.kind = BW_COMMAND_REVOKE,
                                .group = "harbor",
                                .epoch = 1,
                                .target = "dc-b",
                                .planned = true,
                                .reason = reason};

    begin(rig);
    rig_grant(rig);
    revoke.spec_version = rig->groups[0].spec_version;
    assert_non_null(apply(rig, &revoke).rule);
}

#endif
