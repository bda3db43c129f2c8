/* agent_rig.h - an agent's machine (machine/agent.h) with two groups and three witnesses; clocks, witnesses,
 * disk and guard are what a test makes of them. For the tests of the machine; include it after cmocka.h. */
#ifndef BW_TEST_AGENT_RIG_H
#define BW_TEST_AGENT_RIG_H

#include <stdio.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/machine/agent.h>

#define MS         BW_NS_PER_MS
#define RIG_GROUPS 2

struct rig {
    struct bw_agent_machine machine;
    struct bw_group_agent groups[RIG_GROUPS];
    struct bw_sync_group sync_groups[RIG_GROUPS];
    struct bw_agent_group kept[RIG_GROUPS];
    struct bw_agent_state state;
    struct bw_prng chance;
    uint64_t now_ms;
    uint64_t raw_behind_ms; /* the other clock is so far from it */
    uint64_t boot_behind_ms;
    uint64_t step_ms; /* each look at the clocks finds them so much later */
    char log[8192];   /* what was asked for since `forget`: "MAKE SYNC:0 POLL:1 ..." */
    struct bw_sync sync;                          /* the newest that was made */
    struct bw_sync_group sent_groups[RIG_GROUPS]; /* its groups */
    struct bw_id saving_cluster;                  /* of the newest SAVE */
    uint64_t saving_generation;
    uint64_t saving_epoch[RIG_GROUPS];
    struct bw_kept_members found; /* of before this start */
    struct bw_kept_members keeping; /* of the newest KEEP */
    struct bw_guard_message arm; /* the newest that was sent */
    struct bw_site_event mirror; /* what was made of the newest reading */
    enum bw_err connect_err;
    bool guard_reads_nothing;
    uint64_t after;              /* of the newest poll */
    uint32_t limit_ms;           /* of the newest sync */
    enum bw_agent_action_kind refused; /* of those of a fence; STEPPED: none */
};

static const struct bw_id rig_cluster = {{9}};
static const struct bw_id rig_instance = {{1}};
static const struct bw_id rig_boot = {{3}};
static const struct bw_id rig_site_boot = {{4}};
static const struct bw_id rig_session = {{5}};

/* ---- what it asks for ---- */

static inline void jot(struct rig *rig, const char *word, uint32_t number)
{
    const size_t used = strlen(rig->log);

    (void)snprintf(rig->log + used, sizeof rig->log - used, "%s:%u ", word, number);
}

static inline void jot_step(struct rig *rig, const struct bw_agent_action *action)
{
    static const char *const words[] = {
        [BW_SITE_EVENT_TICK] = "tick",
        [BW_SITE_EVENT_ORDER] = "order",
        [BW_SITE_EVENT_CONFIRMED] = "confirmed",
        [BW_SITE_EVENT_SAVED] = "saved",
        [BW_SITE_EVENT_GUARD_STATE] = "state",
        [BW_SITE_EVENT_GUARD_LOST] = "lost",
        [BW_SITE_EVENT_GUARD_MESSAGE] = "message",
        [BW_SITE_EVENT_MIRROR_READ] = "mirror",
        [BW_SITE_EVENT_OWN_FENCE_ENDED] = "fenced",
        [BW_SITE_EVENT_OTHER_SERVES] = "other",
        [BW_SITE_EVENT_REMOTE_FENCE] = "asked",
        [BW_SITE_EVENT_SECOND] = "second",
    };

    jot(rig, words[action->step->event->kind], action->group);
    if (action->step->event->kind == BW_SITE_EVENT_MIRROR_READ)
        rig->mirror = *action->step->event;
}

static inline void jot_save(struct rig *rig, const struct bw_agent_state *state)
{
    jot(rig, "SAVE", 0);
    rig->saving_cluster = state->cluster_id;
    rig->saving_generation = state->generation;
    for (uint32_t i = 0; i < RIG_GROUPS; i++)
        rig->saving_epoch[i] = state->groups[i].memory.epoch;
}

static inline enum bw_err jot_message(struct rig *rig, const struct bw_guard_message *message)
{
    const bool is_arm = message->kind == BW_GUARD_MESSAGE_ARM;

    if (is_arm && rig->guard_reads_nothing)
        return BW_ERR_BUSY;
    if (is_arm)
        rig->arm = *message;
    jot(rig, is_arm ? "ARM" : message->kind == BW_GUARD_MESSAGE_HELLO ? "HELLO" : "SAY",
        (uint32_t)message->kind);
    return BW_OK;
}

static inline enum bw_err jot_fence(struct rig *rig, const struct bw_agent_action *action)
{
    static const char *const words[] = {
        [BW_AGENT_ACTION_FENCE_OPEN] = "OPEN",         [BW_AGENT_ACTION_FENCE_STEPPED] = "fence",
        [BW_AGENT_ACTION_FENCE_RUN] = "RUN",           [BW_AGENT_ACTION_FENCE_KILL_RUN] = "KILL_RUN",
        [BW_AGENT_ACTION_FENCE_LOOK] = "LOOK",         [BW_AGENT_ACTION_FENCE_TERM] = "TERM",
        [BW_AGENT_ACTION_FENCE_KILL_ONCE] = "ONCE",    [BW_AGENT_ACTION_FENCE_KILL] = "KILL",
        [BW_AGENT_ACTION_FENCE_CLOSE] = "SHUT",
    };

    if (action->kind == BW_AGENT_ACTION_FENCE_STEPPED)
        return BW_OK;
    jot(rig, words[action->kind],
        action->kind == BW_AGENT_ACTION_FENCE_OPEN || action->kind == BW_AGENT_ACTION_FENCE_CLOSE
            ? action->group
        : action->kind == BW_AGENT_ACTION_FENCE_RUN ? (uint32_t)action->fence->script
                                                    : (uint32_t)action->means);
    return action->kind == rig->refused ? BW_ERR_IO : BW_OK;
}

static inline enum bw_err rig_emit(void *user, const struct bw_agent_action *action,
                                   struct bw_diag *diag)
{
    struct rig *rig = user;

    switch (action->kind) {
    case BW_AGENT_ACTION_STEPPED:
        jot_step(rig, action);
        break;
    case BW_AGENT_ACTION_NOTE:
        jot(rig, "note", (uint32_t)action->note);
        break;
    case BW_AGENT_ACTION_USE_WITNESS:
        jot(rig, "USE", action->witness);
        return strchr(action->text, ':') != NULL ? BW_OK : BW_ERR_INVALID;
    case BW_AGENT_ACTION_MAKE_SYNC:
        rig->sync = *action->sync;
        memcpy(rig->sent_groups, action->sync->groups, sizeof rig->sent_groups);
        jot(rig, "MAKE", (uint32_t)action->sync->number);
        break;
    case BW_AGENT_ACTION_SEND_SYNC:
        rig->limit_ms = action->limit_ms;
        jot(rig, "SYNC", action->witness);
        break;
    case BW_AGENT_ACTION_POLL:
        rig->after = action->number;
        jot(rig, "POLL", action->witness);
        break;
    case BW_AGENT_ACTION_CANCEL_POLL:
        jot(rig, "CANCEL", action->witness);
        break;
    case BW_AGENT_ACTION_CONNECT_GUARD:
        jot(rig, "CONNECT", 0);
        return rig->connect_err == BW_OK ? BW_OK : bw_diag_set(diag, rig->connect_err, "no guard");
    case BW_AGENT_ACTION_SEND_GUARD:
        return jot_message(rig, action->message);
    case BW_AGENT_ACTION_CLOSE_GUARD:
        jot(rig, "CLOSE", 0);
        break;
    case BW_AGENT_ACTION_SAVE:
        jot_save(rig, action->state);
        break;
    case BW_AGENT_ACTION_KEEP_MEMBERS:
        rig->keeping = *action->members;
        jot(rig, "KEEP", action->members->member_count);
        break;
    case BW_AGENT_ACTION_READ_MIRRORS:
        jot(rig, "READ", action->group_count);
        break;
    case BW_AGENT_ACTION_END:
        jot(rig, "END", action->is_restart);
        break;
    case BW_AGENT_ACTION_FENCE_OPEN:
    case BW_AGENT_ACTION_FENCE_STEPPED:
    case BW_AGENT_ACTION_FENCE_RUN:
    case BW_AGENT_ACTION_FENCE_KILL_RUN:
    case BW_AGENT_ACTION_FENCE_LOOK:
    case BW_AGENT_ACTION_FENCE_TERM:
    case BW_AGENT_ACTION_FENCE_KILL_ONCE:
    case BW_AGENT_ACTION_FENCE_KILL:
    case BW_AGENT_ACTION_FENCE_CLOSE:
        return jot_fence(rig, action);
    }
    return BW_OK;
}

static inline struct bw_instant rig_now(void *user)
{
    struct rig *rig = user;

    rig->now_ms += rig->step_ms;
    return (struct bw_instant){(rig->now_ms - rig->boot_behind_ms) * MS,
                               (rig->now_ms - rig->raw_behind_ms) * MS};
}

static inline bool has_asked(const struct rig *rig, const char *words)
{
    return strstr(rig->log, words) != NULL;
}
#define assert_asks(rig, words)                                                                    \
    do {                                                                                           \
        if (!has_asked((rig), (words)))                                                            \
            fail_msg("%s is not in: %s", (words), (rig)->log);                                     \
    } while (0)
#define assert_asks_not(rig, words)                                                                \
    do {                                                                                           \
        if (has_asked((rig), (words)))                                                             \
            fail_msg("%s is in: %s", (words), (rig)->log);                                         \
    } while (0)
static inline void forget(struct rig *rig)
{
    rig->log[0] = '\0';
}

/* ---- what happens ---- */

static inline void happen(struct rig *rig, struct bw_agent_event event)
{
    bw_agent_machine_step(&rig->machine, &event);
}
static inline void wake(struct rig *rig)
{
    happen(rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_WAKE});
}
/* Time goes on until then, and it is woken whenever it asks for that. */
static inline void live_until(struct rig *rig, uint64_t until_ms)
{
    for (int i = 0; i < 10000; i++) {
        const uint64_t at_ns = bw_agent_machine_wake_at(&rig->machine).boot_ns;
        const uint64_t at_ms = at_ns / MS + (at_ns % MS != 0);

        if (at_ms > until_ms) {
            rig->now_ms = until_ms;
            return;
        }
        if (at_ms > rig->now_ms)
            rig->now_ms = at_ms;
        wake(rig);
    }
    fail_msg("it asks to be woken without end");
}
static inline void saved(struct rig *rig, enum bw_err err)
{
    happen(rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_SAVED, .err = err});
}
static inline void guard_says(struct rig *rig, struct bw_guard_message message)
{
    happen(rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_MESSAGE, .message = &message});
}

static inline void guard_welcomes_with(struct rig *rig, bool enforced)
{
    happen(rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CONNECTED});
    guard_says(rig, (struct bw_guard_message){.kind = BW_GUARD_MESSAGE_WELCOME,
                                              .welcome = {.boot_id = rig_boot,
                                                          .time_namespace = 1,
                                                          .feature_level = 1}});
    for (uint32_t i = 0; i < RIG_GROUPS; i++) {
        struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_GROUP_STATE,
                                           .state = {.enforced = enforced}};

        memset(message.state.has_script, true, sizeof message.state.has_script);
        (void)snprintf(message.group, sizeof message.group, "%s", rig->kept[i].name);
        guard_says(rig, message);
    }
    guard_says(rig, (struct bw_guard_message){.kind = BW_GUARD_MESSAGE_WELCOME_DONE});
}

static inline void guard_welcomes(struct rig *rig)
{
    guard_welcomes_with(rig, false);
}

/* An answer of a leader to the newest sync that orders `kind` for all groups. */
struct reply {
    struct bw_sync_answer answer;
    struct bw_sync_answer_group groups[RIG_GROUPS];
};
static inline struct reply *reply_of(const struct rig *rig, enum bw_order_kind kind,
                                     uint64_t index, struct reply *out_reply)
{
    const struct bw_terms terms = {.ttl_ms = 10000,
                                   .fence_ms = 2000,
                                   .drift_ppm = 1000,
                                   .margin_ms = 250,
                                   .renew_interval_ms = 2000,
                                   .request_timeout_ms = 1000};

    memset(out_reply, 0, sizeof *out_reply);
    out_reply->answer = (struct bw_sync_answer){.cluster_id = rig_cluster,
                                                .generation = 1,
                                                .session = rig_session,
                                                .number = rig->sync.number,
                                                .is_leader = true,
                                                .witness = "w1",
                                                .group_count = RIG_GROUPS,
                                                .groups = out_reply->groups};
    for (uint32_t i = 0; i < RIG_GROUPS; i++) {
        memcpy(out_reply->groups[i].name, rig->kept[i].name, sizeof out_reply->groups[i].name);
        out_reply->groups[i].order = (struct bw_order){
            .kind = kind, .index = index, .epoch = 1, .instance = rig_instance, .terms = terms};
    }
    return out_reply;
}
static inline void answered(struct rig *rig, uint32_t witness, const struct reply *reply)
{
    happen(rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_ANSWERED,
                                        .witness = witness,
                                        .exchange = BW_AGENT_SYNC,
                                        .answer = &reply->answer});
}

/* ---- beginning ---- */

static const char *const rig_addresses[] = {"w1:7400", "w2:7400", "w3:7400"};

/* Of a cluster that it knows, or (`generation` 0) of none yet. `found`: the members of before this start, or
 * NULL. */
static inline void begin_with(struct rig *rig, uint64_t generation,
                              const struct bw_kept_members *found)
{
    const struct bw_site_limits limits = {
        .check_interval_ns = 5000 * MS,
        .failure_threshold = 3,
        .has_script = {[BW_ACTION_START] = true, [BW_ACTION_STOP] = true, [BW_ACTION_STATUS] = true}};

    memset(rig, 0, sizeof *rig);
    if (found != NULL)
        rig->found = *found;
    rig->now_ms = 3600000;
    bw_prng_init(&rig->chance, 7);
    (void)snprintf(rig->kept[0].name, sizeof rig->kept[0].name, "harbor");
    (void)snprintf(rig->kept[1].name, sizeof rig->kept[1].name, "shop");
    rig->state = (struct bw_agent_state){.site = "a",
                                         .instance = rig_instance,
                                         .group_count = RIG_GROUPS,
                                         .groups = rig->kept};
    if (generation != 0) {
        rig->state.cluster_id = rig_cluster;
        rig->state.generation = generation;
    }
    bw_agent_machine_init(&rig->machine,
                          &(struct bw_agent_setup){
                              .driver = {.user = rig, .now = rig_now, .emit = rig_emit},
                              .site = "a",
                              .name = "a1",
                              .feature_level = BW_FEATURE_LEVEL_NEWEST,
                              .session = rig_session,
                              .kernel_boot_id = rig_boot,
                              .time_namespace = 1,
                              .boot_id = rig_site_boot,
                              .state = &rig->state,
                              .members = found != NULL ? &rig->found : NULL,
                              .chance = &rig->chance,
                              .groups = rig->groups,
                              .sync_groups = rig->sync_groups,
                              .group_max = RIG_GROUPS,
                          });
    for (uint32_t i = 0; i < RIG_GROUPS; i++)
        bw_agent_machine_add_group(&rig->machine, rig->kept[i].name, &limits, i == 1,
                                   &rig->kept[i].memory);
    assert_int_equal(bw_agent_machine_use_witnesses(&rig->machine, rig_addresses, 3, NULL), BW_OK);
    bw_agent_machine_begin(&rig->machine);
}

static inline void begin(struct rig *rig, uint64_t generation)
{
    begin_with(rig, generation, NULL);
}

/* It has said its first sync to all, polls all, and its guard is there. */
static inline void begin_welcomed(struct rig *rig)
{
    begin(rig, 1);
    guard_welcomes(rig);
    wake(rig);
    forget(rig);
}

#endif
