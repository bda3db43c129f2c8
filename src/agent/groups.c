/* The driver of the agent's machine: its clocks, what it asks for, its groups, and what it exchanges. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/net/address.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>
#include <breakwater/wire/sync.h>

static enum bw_err guard_link_connect(struct bw_agent *agent, struct bw_diag *diag);
static enum bw_err guard_link_send(struct bw_agent *agent,
                                   const struct bw_guard_message *message);
static void guard_link_close(struct bw_agent *agent);
static enum bw_err agent_use_witness(struct bw_agent *agent, uint32_t witness,
                                     const char *address);
static enum bw_err agent_make_sync(struct bw_agent *agent, struct bw_sync *sync);
static enum bw_err agent_send_sync(struct bw_agent *agent, uint32_t witness,
                                   uint32_t limit_ms, struct bw_diag *diag);
static enum bw_err agent_poll(struct bw_agent *agent, uint32_t witness, uint64_t after,
                              uint32_t limit_ms, struct bw_diag *diag);
static void agent_cancel_poll(struct bw_agent *agent, uint32_t witness);

/* ---- groups ---- */

/* ---- what the machine asks for --------------------------------------------------------------- */

static struct bw_instant now(void *user)
{
    (void)user;
    return bw_clock_now();
}

static int64_t wall_ms(void *user)
{
    (void)user;
    return bw_clock_wall().unix_ms;
}

static enum bw_err emit(void *user, const struct bw_agent_action *action, struct bw_diag *diag)
{
    struct bw_agent *agent = user;

    switch (action->kind) {
    case BW_AGENT_ACTION_STEPPED:
        bw_agent_say_step(agent, action->step);
        return BW_OK;
    case BW_AGENT_ACTION_NOTE:
        bw_agent_say_note(agent, action);
        return BW_OK;
    case BW_AGENT_ACTION_USE_WITNESS:
        return agent_use_witness(agent, action->witness, action->text);
    case BW_AGENT_ACTION_MAKE_SYNC:
        return agent_make_sync(agent, action->sync);
    case BW_AGENT_ACTION_SEND_SYNC:
        return agent_send_sync(agent, action->witness, action->limit_ms, diag);
    case BW_AGENT_ACTION_POLL:
        return agent_poll(agent, action->witness, action->number, action->limit_ms, diag);
    case BW_AGENT_ACTION_CANCEL_POLL:
        agent_cancel_poll(agent, action->witness);
        return BW_OK;
    case BW_AGENT_ACTION_CONNECT_GUARD:
        return guard_link_connect(agent, diag);
    case BW_AGENT_ACTION_SEND_GUARD:
        return guard_link_send(agent, action->message);
    case BW_AGENT_ACTION_CLOSE_GUARD:
        guard_link_close(agent);
        return BW_OK;
    case BW_AGENT_ACTION_SAVE:
        bw_agent_saves_begin(agent, action->state);
        return BW_OK;
    case BW_AGENT_ACTION_KEEP_MEMBERS:
        bw_agent_keep_members(agent, action->members);
        return BW_OK;
    case BW_AGENT_ACTION_READ_MIRRORS:
        bw_agent_mirrors_begin(agent, action->groups, action->group_count);
        return BW_OK;
    case BW_AGENT_ACTION_END:
        bw_agent_stop(agent, action->is_restart ? BW_DAEMON_RESTART : BW_DAEMON_STOPPED);
        return BW_OK;
    case BW_AGENT_ACTION_FENCE_OPEN:
    case BW_AGENT_ACTION_FENCE_STEPPED:
    case BW_AGENT_ACTION_FENCE_RUN:
    case BW_AGENT_ACTION_FENCE_KILL_RUN:
    case BW_AGENT_ACTION_FENCE_LOOK:
    case BW_AGENT_ACTION_FENCE_TERM:
    case BW_AGENT_ACTION_FENCE_KILL_ONCE:
    case BW_AGENT_ACTION_FENCE_KILL:
    case BW_AGENT_ACTION_FENCE_CLOSE:
        return bw_agent_fence_do(&agent->served[action->group], action);
    }
    return BW_OK;
}

/* ---- what happens ---------------------------------------------------------------------------- */

void bw_agent_set_wake(struct bw_agent *agent)
{
    bw_deadline_set(&agent->wake, bw_agent_machine_wake_at(&agent->machine), BW_DEADLINE_RIGHT);
}

void bw_agent_happen(struct bw_agent *agent, const struct bw_agent_event *event)
{
    if (agent->is_closing)
        return;
    bw_agent_machine_step(&agent->machine, event);
    bw_agent_set_wake(agent);
}

void bw_agent_on_wake(struct bw_deadline *deadline, void *user)
{
    (void)deadline;
    bw_agent_happen(user, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_WAKE});
}

/* ---- its groups ------------------------------------------------------------------------------ */

static void limits_get(const struct bw_group_config *config, struct bw_site_limits *out_limits)
{
    memset(out_limits, 0, sizeof *out_limits);
    out_limits->check_interval_ns = bw_ms_to_ns(config->check_interval_ms);
    out_limits->failure_threshold = config->failure_threshold;
    out_limits->local_restarts = config->local_restarts;
    out_limits->kill_grace_ns = bw_ms_to_ns(config->kill_grace_ms);
    out_limits->start_goes_on = config->start_steps.count != 0;
    out_limits->condition_is_shown = config->condition_use == BW_CONDITION_USE_SHOW ||
                                     (config->condition_use == BW_CONDITION_USE_UNSET &&
                                      config->seven_keys_file != NULL);
    out_limits->condition_is_health = config->condition_use == BW_CONDITION_USE_HEALTH;
    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        out_limits->has_script[action] = bw_group_config_has(config, action);
        out_limits->timeout_ns[action] = bw_ms_to_ns(config->timeout_ms[action]);
    }
}

static void warn_of_unconfigured(struct bw_agent *agent)
{
    const struct bw_agent_state *state = &agent->store.state;

    for (uint32_t i = 0; i < state->group_count; i++) {
        const struct bw_agent_group *group = &state->groups[i];

        if (bw_site_config_find(agent->config, group->name) == NULL && group->memory.epoch != 0 &&
            !group->memory.given_back)
            bw_log_warn(&agent->log, "group.not_configured",
                        "group=%s epoch=%llu does=\"neither renewed nor given back\" "
                        "next=\"name it in the site file again\"",
                        group->name, (unsigned long long)group->memory.epoch);
    }
}

static enum bw_err make_room(struct bw_agent *agent, struct bw_diag *diag)
{
    agent->served = calloc(BW_SITE_GROUPS_MAX, sizeof *agent->served);
    agent->groups = calloc(BW_SITE_GROUPS_MAX, sizeof *agent->groups);
    agent->sync_groups = calloc(BW_SITE_GROUPS_MAX, sizeof *agent->sync_groups);
    agent->sync = malloc(BW_SYNC_BYTES_MAX);
    if (agent->served == NULL || agent->groups == NULL || agent->sync_groups == NULL ||
        agent->sync == NULL || !bw_agent_store_reserve(&agent->store))
        return bw_diag_set(diag, BW_ERR_NOMEM, "room for %d groups", BW_SITE_GROUPS_MAX);
    if (!bw_agent_store_has_room(&agent->store, agent->config))
        return bw_diag_set(diag, BW_ERR_LIMIT,
                           "the agent remembers %d groups already, configured or not: move "
                           "%s/%s away once this site holds nothing",
                           BW_GROUPS_MAX, agent->store.path, agent->store.file);
    return BW_OK;
}

static void init_machine(struct bw_agent *agent)
{
    bw_agent_machine_init(&agent->machine, &(struct bw_agent_setup){
                                               .driver = {.user = agent,
                                                          .now = now, .wall_ms = wall_ms,
                                                          .emit = emit},
                                               .site = agent->config->site,
                                               .name = agent->config->name,
                                               .feature_level = BW_FEATURE_LEVEL_NEWEST,
                                               .session = agent->session,
                                               .kernel_boot_id = agent->kernel_boot_id,
                                               .time_namespace = agent->time_namespace,
                                               .boot_id = agent->store.boot_id,
                                               .state = &agent->store.state,
                                               .members = &agent->store.members,
                                               .chance = &agent->jitter,
                                               .groups = agent->groups,
                                               .sync_groups = agent->sync_groups,
                                               .group_max = BW_SITE_GROUPS_MAX,
                                           });
}

enum bw_err bw_agent_groups_init(struct bw_agent *agent, struct bw_diag *diag)
{
    const struct bw_site_config *config = agent->config;
    enum bw_err err;

    warn_of_unconfigured(agent);
    err = make_room(agent, diag);
    if (err != BW_OK)
        return err;
    init_machine(agent);
    for (uint32_t i = 0; i < config->group_count; i++) {
        const char *name = config->groups[i].name;
        struct bw_site_limits limits;

        agent->served[i] = (struct bw_agent_served){.agent = agent,
                                                    .group = i,
                                                    .config = &config->groups[i],
                                                    .enforce = config->groups[i].enforce};
        limits_get(&config->groups[i], &limits);
        bw_agent_machine_add_group(&agent->machine, name, &limits,
                                   config->groups[i].unit_count > 0,
                                   &bw_agent_store_group(&agent->store, name)->memory);
    }
    return BW_OK;
}

/* ---- the site file is read again (5.4) ------------------------------------------------------- */

/* Of a group that is named again, too: its units are open, and its fences go by them. */
static bool has_same_reach(const struct bw_agent *agent, const struct bw_group_config *config)
{
    for (uint32_t i = 0; i < agent->machine.group_count; i++) {
        const struct bw_agent_served *served = &agent->served[i];

        if (strcmp(agent->machine.groups[i].site.group, config->name) != 0)
            continue;
        if (served->config != NULL)
            return bw_group_config_has_same_reach(served->config, config);
        return served->enforce == config->enforce && bw_agent_units_are(served, config);
    }
    return true;
}

static bool has_room(const struct bw_agent *agent, const struct bw_site_config *fresh)
{
    const char *names[BW_SITE_GROUPS_MAX];

    for (uint32_t i = 0; i < fresh->group_count; i++)
        names[i] = fresh->groups[i].name;
    return bw_agent_machine_has_room(&agent->machine, names, fresh->group_count) &&
           bw_agent_store_has_room(&agent->store, fresh);
}

const char *bw_agent_groups_refuse(const struct bw_agent *agent, const struct bw_site_config *fresh,
                                   const char **out_group)
{
    *out_group = "";
    for (uint32_t i = 0; i < agent->machine.group_count; i++) {
        const struct bw_group_agent *own = &agent->machine.groups[i];
        enum bw_keeps keeps;

        *out_group = own->site.group;
        if (own->is_left || bw_site_config_find(fresh, own->site.group) != NULL)
            continue;
        keeps = bw_agent_machine_keeps(&agent->machine, i);
        if (keeps != BW_KEEPS_NOTHING)
            return bw_keeps_sentence(keeps);
    }
    for (uint32_t i = 0; i < fresh->group_count; i++) {
        *out_group = fresh->groups[i].name;
        if (!has_same_reach(agent, &fresh->groups[i]))
            return "its `started_by`, `stop_method` or `units` have changed: that needs a restart of guard "
                   "and "
                   "agent, which is no outage";
    }
    *out_group = "";
    return has_room(agent, fresh)
               ? NULL
               : "more groups were named since this agent began than it has room "
                 "for: restart it, which is no outage";
}

static void leave(struct bw_agent *agent, uint32_t group)
{
    bw_log_info(&agent->log, "group.left", "group=%s does=\"this site no longer takes part in it\"",
                agent->machine.groups[group].site.group);
    bw_agent_machine_leave_group(&agent->machine, group);
    agent->served[group].config = NULL;
}

static void take(struct bw_agent *agent, const struct bw_group_config *config)
{
    struct bw_site_memory *kept = &bw_agent_store_group(&agent->store, config->name)->memory;
    struct bw_agent_served *served;
    struct bw_site_limits limits;
    int group;

    limits_get(config, &limits);
    group = bw_agent_machine_take_group(&agent->machine, config->name, &limits,
                                        config->unit_count > 0, kept);
    BW_ASSERT(group >= 0); /* the file would have been refused */
    served = &agent->served[group];
    served->agent = agent;
    served->group = (uint32_t)group;
    served->config = config;
    served->enforce = config->enforce;
    bw_agent_units_open(served);
    bw_log_info(&agent->log, "group.taken", "group=%s epoch=%llu", config->name,
                (unsigned long long)kept->epoch);
}

void bw_agent_groups_take(struct bw_agent *agent, const struct bw_site_config *fresh)
{
    for (uint32_t i = 0; i < agent->machine.group_count; i++) {
        const struct bw_group_agent *own = &agent->machine.groups[i];
        const struct bw_group_config *config = bw_site_config_find(fresh, own->site.group);
        struct bw_site_limits limits;

        if (own->is_left)
            continue;
        if (config == NULL) {
            leave(agent, i);
            continue;
        }
        agent->served[i].config = config;
        limits_get(config, &limits);
        bw_agent_machine_set_limits(&agent->machine, i, &limits);
    }
    for (uint32_t i = 0; i < fresh->group_count; i++)
        if (bw_agent_machine_find(&agent->machine, fresh->groups[i].name) < 0)
            take(agent, &fresh->groups[i]);
}

/* Whoever reloads both does it one after the other: a moment is nothing. */
void bw_agent_groups_look(struct bw_agent *agent)
{
    for (uint32_t i = 0; i < agent->machine.group_count; i++) {
        const struct bw_site *site = &agent->machine.groups[i].site;

        if (!bw_site_guard_reads_otherwise(site))
            agent->served[i].looks_otherwise = 0;
        else if (++agent->served[i].looks_otherwise == 2)
            bw_log_warn(&agent->log, "guard.differs",
                        "group=%s does=\"a script that only one of agent and guard has read is not run\" "
                        "next=\"reload both: systemctl reload breakwater-guard breakwater-agent\"",
                        site->group);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

void bw_agent_groups_free(struct bw_agent *agent)
{
    free(agent->served);
    free(agent->groups);
    free(agent->sync_groups);
    free(agent->sync);
}

enum bw_err bw_agent_use_witnesses(struct bw_agent *agent, struct bw_diag *diag)
{
    const struct bw_site_config *config = agent->config;

    return bw_agent_machine_use_witnesses(&agent->machine, config->witnesses, config->witness_count,
                                          diag);
}

/* ---- syncs and polls over HTTPS ---- */

#define POLL_CONNECT_MS 2000u
#define HANDSHAKE_MS_MIN 1000 /* a machine with much to do may need as long, whatever the terms are */
#define REFUSAL_BYTES   256 /* of the words in a log line */

_Static_assert(BW_AGENT_WITNESSES_MAX *(BW_AGENT_SYNCS_MAX + 1) <= BW_HTTP_EXCHANGES_MAX,
               "all their exchanges fit into one client");

/* ---- what comes back ------------------------------------------------------------------------- */

static void unanswered(struct bw_agent_caller *caller, enum bw_agent_exchange exchange,
                       const char *text)
{
    bw_agent_happen(caller->agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_UNANSWERED,
                                                            .witness = caller->witness,
                                                            .exchange = exchange,
                                                            .text = text});
}

static void answered(struct bw_agent_caller *caller, enum bw_agent_exchange exchange,
                     const struct bw_http_answer *http)
{
    struct bw_agent_event event = {
        .kind = BW_AGENT_EVENT_ANSWERED, .witness = caller->witness, .exchange = exchange};
    struct bw_sync_answer answer = {0};
    struct bw_diag diag = {0};

    if (http->status == 200) {
        event.is_unreadable = bw_sync_answer_decode(http->body, http->body_size, &answer, &diag) !=
                              BW_OK;
        event.answer = event.is_unreadable ? NULL : &answer;
    }
    if (event.is_unreadable)
        bw_log_warn(&caller->agent->log, "answer.decode_failed", "address=%s error=%s",
                    caller->agent->machine.witnesses[caller->witness].address,
                    bw_log_quote(diag.text));
    bw_agent_happen(caller->agent, &event);
    bw_sync_answer_deinit(&answer);
}

/* With the witness's own words, if there are any: {"error": TEXT}. */
static void refused(struct bw_agent_caller *caller, enum bw_agent_exchange exchange,
                    const struct bw_http_answer *http)
{
    json_t *body = json_loadb((const char *)http->body, http->body_size, 0, NULL);
    const char *why = json_string_value(json_object_get(body, "error"));
    char text[REFUSAL_BYTES];

    (void)snprintf(text, sizeof text, "it answered a %s with HTTP %d%s%s",
                   exchange == BW_AGENT_SYNC ? "sync" : "poll", http->status,
                   why != NULL ? ": " : "", why != NULL ? why : ""); /* cut is fine */
    json_decref(body);
    unanswered(caller, exchange, text);
}

static void on_done(struct bw_agent_caller *caller, enum bw_agent_exchange exchange,
                    const struct bw_http_answer *http)
{
    const bool is_nothing_new = exchange == BW_AGENT_POLL && http->status == 204;

    if (http->err == BW_ERR_CANCELED)
        return; /* by the machine, or the agent ends */
    if (http->err != BW_OK) {
        unanswered(caller, exchange, http->text);
    } else if (http->status == 200 || is_nothing_new) {
        answered(caller, exchange, http);
    } else {
        refused(caller, exchange, http);
    }
}

static void on_sync_done(void *user, const struct bw_http_answer *http)
{
    on_done(user, BW_AGENT_SYNC, http);
}

static void on_poll_done(void *user, const struct bw_http_answer *http)
{
    struct bw_agent_caller *caller = user;

    caller->poll = NULL;
    on_done(caller, BW_AGENT_POLL, http);
}

/* ---- what goes out --------------------------------------------------------------------------- */

BW_MUST_CHECK static enum bw_err agent_use_witness(struct bw_agent *agent, uint32_t witness, const char *address)
{
    struct bw_address parsed;
    struct bw_diag diag = {0};
    enum bw_err err = bw_address_parse(address, &parsed, &diag);

    if (err != BW_OK)
        bw_log_warn(&agent->log, "witness.ignored", "address=%s error=%s", bw_log_quote(address),
                    bw_log_quote(diag.text));
    agent->callers[witness] = (struct bw_agent_caller){.agent = agent, .witness = witness};
    return err;
}

/* At least 1, also when it has ended, or when the file that the next start reads has one that cannot be used: 0 would say
 * nothing of it. */
static uint64_t certificate_left_s(const struct bw_agent *agent)
{
    const uint64_t left_s = bw_credentials_left_s(agent->credentials, bw_clock_wall());

    return left_s > 0 && !agent->is_certificate_refused ? left_s : 1;
}

BW_MUST_CHECK static enum bw_err agent_make_sync(struct bw_agent *agent, struct bw_sync *sync)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    sync->certificate_left_s = certificate_left_s(agent);
    err = bw_sync_encode(sync, agent->sync, BW_SYNC_BYTES_MAX, &agent->sync_size, &diag);
    if (err == BW_ERR_LIMIT) { /* renewals come before what is for people */
        for (uint32_t i = 0; i < sync->group_count; i++) {
            sync->groups[i].report.failure_count = 0;
            sync->groups[i].report.steps.count = 0;
        }
        err = bw_sync_encode(sync, agent->sync, BW_SYNC_BYTES_MAX, &agent->sync_size, &diag);
    }
    if (err != BW_OK)
        bw_log_error(&agent->log, "sync.send_failed", "error=%s", bw_log_quote(diag.text));
    return err;
}

BW_MUST_CHECK static enum bw_err agent_send_sync(struct bw_agent *agent, uint32_t witness, uint32_t limit_ms,
                                                    struct bw_diag *diag)
{
    char url[BW_ADDRESS_MAX + 64];
    const struct bw_http_call call = {
        .method = "POST",
        .url = url,
        .content_type = "application/protobuf",
        .body = agent->sync,
        .body_size = agent->sync_size,
        .timeout_ms = limit_ms,
        .connect_timeout_ms = limit_ms,
        .handshake_timeout_ms = limit_ms > HANDSHAKE_MS_MIN ? limit_ms : HANDSHAKE_MS_MIN,
        .response_bytes_max = BW_BODY_BYTES_MAX,
    };

    (void)snprintf(url, sizeof url, "https://%s/v1/agent/sync",
                   agent->machine.witnesses[witness].address); /* fits */
    if (bw_http_client_send(&agent->client, &call, on_sync_done, &agent->callers[witness], diag) ==
        NULL)
        return diag->err;
    BW_CRASH_POINT(AGENT_AFTER_SYNC);
    return BW_OK;
}

BW_MUST_CHECK static enum bw_err agent_poll(struct bw_agent *agent, uint32_t witness, uint64_t after,
                                               uint32_t limit_ms, struct bw_diag *diag)
{
    struct bw_agent_caller *caller = &agent->callers[witness];
    char url[BW_ADDRESS_MAX + 96];
    const struct bw_http_call call = {
        .method = "GET",
        .url = url,
        .timeout_ms = limit_ms,
        .connect_timeout_ms = POLL_CONNECT_MS,
        .response_bytes_max = BW_BODY_BYTES_MAX,
    };

    (void)snprintf(url, sizeof url, "https://%s/v1/agent/orders?after=%" PRIu64 "&wait=%us",
                   agent->machine.witnesses[witness].address, after,
                   BW_AGENT_POLL_WAIT_S); /* fits */
    caller->poll = bw_http_client_send(&agent->client, &call, on_poll_done, caller, diag);
    return caller->poll != NULL ? BW_OK : diag->err;
}

static void agent_cancel_poll(struct bw_agent *agent, uint32_t witness)
{
    bw_http_exchange_cancel(agent->callers[witness].poll); /* its end is nobody's */
}

/* ---- messages over the guard's socket ---- */

/* Beyond so much that the guard has not read, arms wait. */
#define ARM_QUEUE_BYTES_MAX (64 * 1024)

/* ---- listening ------------------------------------------------------------------------------- */

static void happen(struct bw_agent *agent, enum bw_agent_event_kind kind, const char *text)
{
    bw_agent_happen(agent, &(struct bw_agent_event){.kind = kind, .text = text});
}

/* What comes from a connection that was given up is nobody's. */
static void on_connected(struct bw_unix_connection *connection, void *user)
{
    struct bw_agent *agent = user;

    if (connection == agent->guard)
        happen(agent, BW_AGENT_EVENT_GUARD_CONNECTED, NULL);
}

static void pass_crash_point(enum bw_guard_message_kind kind)
{
    if (kind == BW_GUARD_MESSAGE_ARMED)
        BW_CRASH_POINT(AGENT_ON_ARMED);
    if (kind == BW_GUARD_MESSAGE_RUN_ENDED)
        BW_CRASH_POINT(AGENT_ON_RUN_ENDED);
    if (kind == BW_GUARD_MESSAGE_EPOCH_ENDED)
        BW_CRASH_POINT(AGENT_ON_EPOCH_ENDED);
    if (kind == BW_GUARD_MESSAGE_FENCE_BEGUN)
        BW_CRASH_POINT(AGENT_ON_FENCE_BEGUN);
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct bw_agent *agent = user;
    struct bw_guard_message message;
    struct bw_diag diag = {0};

    if (connection != agent->guard)
        return;
    if (bw_guard_message_decode(data, size, &message, &diag) != BW_OK) {
        happen(agent, BW_AGENT_EVENT_GUARD_GARBLED, diag.text);
        return;
    }
    pass_crash_point(message.kind);
    bw_agent_happen(
        agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_MESSAGE, .message = &message});
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct bw_agent *agent = user;

    if (connection != agent->guard)
        return;
    agent->guard = NULL;
    happen(agent, BW_AGENT_EVENT_GUARD_CLOSED,
           err == BW_OK ? "it closed the connection" : diag->text);
}

static const struct bw_unix_events events = {
    .on_connected = on_connected, .on_message = on_message, .on_closed = on_closed};

/* ---- speaking -------------------------------------------------------------------------------- */

BW_MUST_CHECK static enum bw_err guard_link_connect(struct bw_agent *agent, struct bw_diag *diag)
{
    return bw_unix_connect(&agent->loop, agent->config->guard_socket, &events, agent, &agent->guard,
                           diag);
}

static void send_now(struct bw_agent *agent, const struct bw_guard_message *message)
{
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;
    enum bw_err err = bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag);

    if (err == BW_OK)
        err = bw_unix_send(agent->guard, bytes, size, &diag);
    if (err == BW_OK)
        return;
    bw_log_error(&agent->log, "guard.send_failed", "group=%s error=%s", message->group,
                 bw_log_quote(diag.text));
    bw_unix_close(agent->guard); /* on_closed follows: a guard that misses a word is lost */
}

/* BW_ERR_BUSY: an arm, and the guard has not read what was sent before. */
BW_MUST_CHECK static enum bw_err guard_link_send(struct bw_agent *agent, const struct bw_guard_message *message)
{
    const bool is_arm = message->kind == BW_GUARD_MESSAGE_ARM;
    const bool is_run = message->kind == BW_GUARD_MESSAGE_RUN &&
                        (message->run.action == BW_ACTION_START ||
                         message->run.action == BW_ACTION_STOP);

    if (is_arm && bw_unix_queued_bytes(agent->guard) > ARM_QUEUE_BYTES_MAX)
        return BW_ERR_BUSY;
    if (is_arm)
        BW_CRASH_POINT(AGENT_BEFORE_ARM);
    if (is_run)
        BW_CRASH_POINT(AGENT_BEFORE_RUN);
    if (message->kind == BW_GUARD_MESSAGE_END)
        BW_CRASH_POINT(AGENT_BEFORE_END);
    send_now(agent, message);
    if (is_arm)
        BW_CRASH_POINT(AGENT_AFTER_ARM);
    if (is_run)
        BW_CRASH_POINT(AGENT_AFTER_RUN);
    return BW_OK;
}

static void guard_link_close(struct bw_agent *agent)
{
    struct bw_unix_connection *connection = agent->guard;

    agent->guard = NULL;
    if (connection != NULL)
        bw_unix_close(connection);
}
