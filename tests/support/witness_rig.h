/* witness_rig.h - a witness's machine (machine/witness.h), one of three; clocks, log, leader and agents are
 * what a test makes of them. For the tests of the machine; include it after cmocka.h. */
#ifndef BW_TEST_WITNESS_RIG_H
#define BW_TEST_WITNESS_RIG_H

#include <stdio.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/machine/witness.h>

#define MS           BW_NS_PER_MS
#define RIG_GROUPS   4
#define RIG_REQUESTS 16

struct rig {
    struct bw_witness_machine machine;
    struct bw_group groups[RIG_GROUPS];
    struct bw_watch watches[RIG_GROUPS];
    struct bw_sync_answer_group answer_groups[RIG_GROUPS];
    uint64_t now_ms;
    uint64_t leader; /* as the log says */
    uint64_t index;  /* of the newest entry */
    enum bw_err err; /* of what can be refused */
    char log[8192];  /* what was asked for since `forget`: "SUBMIT:3 PROVE:1 ...", BARRIER where it has to be one */
    struct bw_witness_request requests[RIG_REQUESTS]; /* on their way */
    struct bw_command commands[RIG_REQUESTS];         /* their commands */
    uint32_t request_count;
    /* the newest answer */
    struct bw_sync_answer answer;
    struct bw_sync_answer_group answered_groups[RIG_GROUPS];
    const struct bw_witness_call *answered;
    enum bw_witness_refusal refusal;
    char member[BW_NAME_MAX + 1]; /* to which the newest relay went */
    const struct bw_apply *applied; /* that is over */
};

static const struct bw_id rig_cluster = {{9}};

/* ---- what it asks for ---- */

static inline void jot(struct rig *rig, const char *word, uint64_t number)
{
    const size_t used = strlen(rig->log);

    (void)snprintf(rig->log + used, sizeof rig->log - used, "%s:%u ", word, (unsigned)number);
}

static inline void jot_request(struct rig *rig, const struct bw_witness_action *action)
{
    const bool is_proof = action->kind == BW_WITNESS_ACTION_PROVE;
    const uint32_t at = rig->request_count;

    jot(rig, !is_proof ? "SUBMIT" : action->request->by_log ? "BARRIER" : "PROVE",
        is_proof ? action->request->proof : (uint64_t)action->command->kind);
    if (rig->err != BW_OK)
        return;
    assert_true(at < RIG_REQUESTS);
    rig->requests[at] = *action->request;
    if (!is_proof)
        rig->commands[at] = *action->command;
    rig->request_count++;
}

static inline void jot_answer(struct rig *rig, const struct bw_witness_action *action)
{
    rig->answer = *action->answer;
    memcpy(rig->answered_groups, action->answer->groups,
           action->answer->group_count * sizeof rig->answered_groups[0]);
    rig->answer.groups = rig->answered_groups;
    rig->answered = action->call;
    jot(rig, "ANSWER", action->answer->group_count);
}

static inline enum bw_err rig_emit(void *user, const struct bw_witness_action *action,
                                   struct bw_diag *diag)
{
    struct rig *rig = user;

    (void)diag; /* no more is said */
    switch (action->kind) {
    case BW_WITNESS_ACTION_SUBMIT:
    case BW_WITNESS_ACTION_PROVE:
        jot_request(rig, action);
        return rig->err;
    case BW_WITNESS_ACTION_RELAY:
        (void)snprintf(rig->member, sizeof rig->member, "%s", action->member->name);
        jot(rig, "RELAY", action->member->id);
        return rig->err;
    case BW_WITNESS_ACTION_ANSWER:
        jot_answer(rig, action);
        break;
    case BW_WITNESS_ACTION_PASS_ON:
        rig->answered = action->call;
        jot(rig, "PASS_ON", 0);
        break;
    case BW_WITNESS_ACTION_REFUSE:
        rig->refusal = action->refusal;
        rig->answered = action->call;
        jot(rig, "REFUSE", (uint64_t)action->refusal);
        break;
    case BW_WITNESS_ACTION_DECIDED:
        jot(rig, "decided", (uint64_t)action->decision->command.kind);
        break;
    case BW_WITNESS_ACTION_NOT_TAKEN:
        jot(rig, "not_taken", (uint64_t)action->group);
        break;
    case BW_WITNESS_ACTION_REMOTE_FENCE:
        jot(rig, "remote_fence", (uint64_t)action->group);
        break;
    case BW_WITNESS_ACTION_NOT_FOUNDED:
        jot(rig, "not_founded", 0);
        break;
    case BW_WITNESS_ACTION_REPORTED:
        jot(rig, "heard", action->call->relayed_by);
        break;
    case BW_WITNESS_ACTION_CONFIRMED:
        jot(rig, "confirmed", action->is_new_way);
        break;
    case BW_WITNESS_ACTION_UNCONFIRMED:
        jot(rig, "unconfirmed", 0);
        break;
    case BW_WITNESS_ACTION_APPLIED:
        rig->applied = action->apply;
        jot(rig, "APPLIED", 0);
        break;
    case BW_WITNESS_ACTION_TRANSFER:
        jot(rig, "TRANSFER", action->peer);
        return rig->err;
    case BW_WITNESS_ACTION_END:
        jot(rig, "END", 0);
        break;
    }
    return BW_OK;
}

static inline struct bw_instant rig_now(void *user)
{
    const struct rig *rig = user;

    return (struct bw_instant){rig->now_ms * MS, rig->now_ms * MS};
}

static inline int64_t rig_wall_ms(void *user)
{
    (void)user;
    return 1700000000000;
}

static inline uint64_t rig_leader(void *user)
{
    return ((const struct rig *)user)->leader;
}

static inline void forget(struct rig *rig)
{
    rig->log[0] = '\0';
    rig->answered = NULL;
}

#define assert_asks(rig, word)     assert_non_null(strstr((rig)->log, word))
#define assert_asks_not(rig, word) assert_null(strstr((rig)->log, word))

/* ---- events ---- */

static inline void happen(struct rig *rig, enum bw_witness_event_kind kind)
{
    bw_witness_machine_step(&rig->machine, &(struct bw_witness_event){.kind = kind});
}

static inline void settle(struct rig *rig)
{
    assert_true(bw_witness_machine_is_unsettled(&rig->machine));
    happen(rig, BW_WITNESS_EVENT_SETTLE);
}

static inline struct bw_applied apply(struct rig *rig, const struct bw_command *command)
{
    return bw_witness_machine_apply(&rig->machine, ++rig->index, command);
}

/* The oldest request ends; a command was applied if `err` is BW_OK, and a proof that need not be a barrier was none. */
static inline void end_request(struct rig *rig, enum bw_err err)
{
    const struct bw_witness_request request = rig->requests[0];
    const struct bw_command command = rig->commands[0];

    assert_true(rig->request_count > 0);
    rig->request_count--;
    memmove(rig->requests, rig->requests + 1, rig->request_count * sizeof rig->requests[0]);
    memmove(rig->commands, rig->commands + 1, rig->request_count * sizeof rig->commands[0]);
    if (err == BW_OK && request.proof == 0)
        (void)apply(rig, &command);
    bw_witness_machine_step(&rig->machine, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_ENDED,
                                                                      .request = &request,
                                                                      .err = err,
                                                                      .index = request.proof == 0 || request.by_log
                                                                                   ? rig->index
                                                                                   : 0});
}

static inline void lead(struct rig *rig, uint64_t term)
{
    bw_witness_machine_step(
        &rig->machine, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_LEADING, .term = term});
}

/* ---- life ---- */

static inline void rig_open(struct rig *rig)
{
    const struct bw_witness_setup setup = {.driver = {.user = rig,
                                                      .now = rig_now,
                                                      .wall_ms = rig_wall_ms,
                                                      .leader = rig_leader,
                                                      .emit = rig_emit},
                                           .name = "w1",
                                           .feature_level = BW_FEATURE_LEVEL_NEWEST,
                                           .groups = rig->groups,
                                           .watches = rig->watches,
                                           .group_max = RIG_GROUPS,
                                           .answer_groups = rig->answer_groups,
                                           .answer_group_max = RIG_GROUPS};
    const struct bw_witness_founding founding = {
        .cluster_id = rig_cluster, .cluster = "prod", .election_timeout_ms = 1000};
    const struct bw_member members[] = {{.id = 1, .name = "w1", .address = "w1:7400"},
                                        {.id = 2, .name = "w2", .address = "w2:7400"},
                                        {.id = 3, .name = "w3", .address = "w3:7400"}};

    memset(rig, 0, sizeof *rig);
    rig->now_ms = 1000;
    bw_witness_machine_init(&rig->machine, &setup);
    bw_witness_machine_set_founding(&rig->machine, &founding);
    bw_witness_machine_set_members(&rig->machine, members, 3);
}

static inline struct bw_command rig_found(void)
{
    return (struct bw_command){.kind = BW_COMMAND_FOUND,
                               .cluster_id = rig_cluster,
                               .cluster_name = "prod",
                               .election_timeout_ms = 1000,
                               .feature_level = 1};
}

/* It knows the cluster, and has the group "harbor" of dc-a and dc-b. */
static inline void rig_begin(struct rig *rig)
{
    const struct bw_command found = rig_found();
    struct bw_command spec = {.kind = BW_COMMAND_SET_SPEC, .group = "harbor"};

    rig_open(rig);
    assert_non_null(apply(rig, &found).rule);
    bw_spec_defaults(&spec.spec);
    (void)strcpy(spec.spec.name, "harbor");
    spec.spec.site_count = 2;
    (void)strcpy(spec.spec.sites[0].name, "dc-a");
    (void)strcpy(spec.spec.sites[1].name, "dc-b");
    spec.spec.sites[0].priority = 100;
    spec.spec.sites[1].priority = 50;
    assert_non_null(apply(rig, &spec).rule);
    settle(rig);
    forget(rig);
}

/* And grants epoch 1 to dc-a. */
static inline void rig_grant(struct rig *rig)
{
    struct bw_command grant = {.kind = BW_COMMAND_GRANT,
                               .group = "harbor",
                               .site = "dc-a",
                               .instance = {{1}},
                               .boot_id = {{2}},
                               .epoch = 1,
                               .reason = BW_REASON_FIRST_GRANT};

    grant.spec_version = rig->groups[0].spec_version;
    grant.terms = bw_terms_of_spec(&rig->groups[0].spec);
    assert_non_null(apply(rig, &grant).rule);
    settle(rig);
    forget(rig);
}

/* ---- agents ---- */

struct caller {
    struct bw_witness_call call;
    struct bw_sync sync;
    struct bw_sync_group group;
};

/* A sync of dc-a that renews epoch 1 of harbor. */
static inline void make_sync(const struct rig *rig, struct caller *out)
{
    *out = (struct caller){
        .call = {.site = "dc-a", .agent = "a1", .received = rig_now((void *)(uintptr_t)rig)},
        .sync = {.cluster_id = rig_cluster, .generation = 1, .site = "dc-a", .agent = "a1",
                 .instance = {{1}}, .session = {{5}}, .boot_id = {{2}}, .number = 7,
                 .group_count = 1},
        .group = {.name = "harbor", .renew_epoch = 1, .report = {.armed_epoch = 1}}};
    out->sync.groups = &out->group;
    out->call.sync = &out->sync;
}

static inline void make_poll(const struct rig *rig, uint64_t after, uint32_t wait_ms,
                             struct caller *out)
{
    *out = (struct caller){.call = {.site = "dc-a",
                                    .agent = "a1",
                                    .after = after,
                                    .wait_ms = wait_ms,
                                    .received = rig_now((void *)(uintptr_t)rig)}};
}

static inline void give(struct rig *rig, enum bw_witness_event_kind kind, struct caller *caller)
{
    bw_witness_machine_step(&rig->machine,
                            &(struct bw_witness_event){.kind = kind, .call = &caller->call});
}

static inline void relayed(struct rig *rig, struct caller *caller, bool ok)
{
    bw_witness_machine_step(&rig->machine,
                            &(struct bw_witness_event){
                                .kind = BW_WITNESS_EVENT_RELAYED, .call = &caller->call, .ok = ok});
}

/* It leads, with epoch 1 granted, and has asked for nothing yet. */
static inline void begin_leading(struct rig *rig)
{
    rig_begin(rig);
    rig_grant(rig);
    lead(rig, 2);
    settle(rig);
    rig->now_ms += 100;
    forget(rig);
}

static inline void begin_with_sync(struct rig *rig, struct caller *caller)
{
    begin_leading(rig);
    make_sync(rig, caller);
}

/* Time passes until then, and it is woken when it asks for that, and never else. */
static inline void live_until(struct rig *rig, uint64_t until_ms)
{
    for (int i = 0; i < 100000; i++) {
        const uint64_t at_ns = bw_witness_machine_wake_at(&rig->machine).boot_ns;
        const uint64_t at_ms = at_ns / MS + (at_ns % MS != 0);

        if (at_ms > until_ms || strstr(rig->log, "END:") != NULL) { /* it is not driven any more */
            rig->now_ms = until_ms;
            return;
        }
        if (at_ms > rig->now_ms)
            rig->now_ms = at_ms;
        happen(rig, BW_WITNESS_EVENT_WAKE);
    }
    fail_msg("it asks to be woken without end");
}

#endif
