/* A person at the site's machine, over a socket of the agent's own: what override would do, do it,
 * end it (3.8), and the proof of what ends its service (3.4). One JSON object a message; only root and the agent's own user are heard
 * (sys/unix_socket.h). */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>

#define TICK_MS         1000
#define SAY_AGAIN_TICKS 60 /* that it overrides: red in the log, as long as it does */

bool bw_agent_socket_path(const struct bw_site_config *config, char out_path[BW_AGENT_SOCKET_BYTES])
{
    const int length = snprintf(out_path, BW_AGENT_SOCKET_BYTES, "%s/%s-agent.socket",
                                config->run_dir, config->site);

    return length > 0 && length < BW_AGENT_SOCKET_BYTES;
}

/* ---- what there is to say -------------------------------------------------------------------- */

static uint32_t for_ms_of(const json_t *request)
{
    const json_int_t for_ms = json_integer_value(json_object_get(request, "for_ms"));

    return for_ms > 0 && for_ms <= BW_OVERRIDE_FOR_MS_MAX ? (uint32_t)for_ms : 0;
}

static json_t *describe(const struct bw_agent *agent, uint32_t group, uint32_t for_ms,
                        enum bw_override_refusal refusal)
{
    const struct bw_agent_machine *machine = &agent->machine;
    const struct bw_site *site = &machine->groups[group].site;
    const struct bw_instant now = bw_clock_now();
    uint64_t left_ns;
    const enum bw_override_waits waits = bw_site_override_waits(site, now, &left_ns);

    /* clang-format off */
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:b, s:b, s:b, s:b, s:s, s:I, s:I, s:I}",
        "site", agent->config->site,
        "group", site->group,
        "refusal", bw_override_refusal_word(refusal),
        "may", bw_override_refusal_word(bw_agent_machine_judge_override(machine, group, for_ms)),
        "may_end", bw_override_refusal_word(bw_site_judge_override_end(site)),
        "state", bw_override_word(bw_site_override_report(site)),
        "waits", bw_override_waits_word(waits),
        "left_ms", (json_int_t)bw_ns_to_ms(left_ns),
        "wait_ms", (json_int_t)bw_agent_machine_override_wait_ms(machine, group),
        "silent_ms", (json_int_t)bw_ns_to_ms(bw_instant_elapsed_ns(now, machine->leader_contact)),
        "epoch", (json_int_t)site->memory.epoch,
        "service", bw_service_word(site->service),
        "open", site->memory.epoch != 0 && !site->memory.given_back,
        "durable", site->save == BW_SITE_SAVE_KEPT,
        "guard", bw_site_is_greeted(site),
        "adopted", site->tenure != BW_TENURE_NONE,
        "over", bw_override_over_word(site->override_over),
        "serial", (json_int_t)site->memory.override_serial,
        "lives_ms", (json_int_t)bw_ns_to_ms(bw_site_override_left_ns(site, now)),
        "fence_ms", (json_int_t)bw_ns_to_ms(bw_site_override_fence_ns(site)));
    /* clang-format on */
}

static json_t *describe_refused(const struct bw_agent_witness *witness)
{
    char id[BW_ID_TEXT_BYTES];

    bw_id_format(witness->refused_cluster_id, id);
    return json_pack("{s:s, s:s, s:s, s:I}", "address", witness->address, "why", witness->refusal, "cluster_id", id,
                     "generation", (json_int_t)witness->refused_generation);
}

/* Which cluster it follows, and whose answers it drops. */
static json_t *describe_witnesses(const struct bw_agent *agent)
{
    const struct bw_agent_machine *machine = &agent->machine;
    const uint64_t silent_ns = bw_instant_elapsed_ns(bw_clock_now(), machine->leader_contact);
    json_t *refused = json_array();
    char id[BW_ID_TEXT_BYTES];

    for (uint32_t i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (machine->witnesses[i].used && machine->witnesses[i].refusal != NULL)
            (void)json_array_append_new(refused, describe_refused(&machine->witnesses[i])); /* no memory: one less is shown */
    bw_id_format(machine->setup.state->cluster_id, id);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:o}", "site", agent->config->site, "state_dir", agent->config->state_dir,
                     "cluster_id", id, "generation", (json_int_t)machine->setup.state->generation, "silent_ms",
                     (json_int_t)bw_ns_to_ms(silent_ns), "refused", refused);
}

/* ---- what is asked --------------------------------------------------------------------------- */

static enum bw_override_refusal override(struct bw_agent *agent, uint32_t group, bool is_end,
                                         const json_t *request, long pid)
{
    const struct bw_site *site = &agent->machine.groups[group].site;
    const uint32_t for_ms = for_ms_of(request);
    const enum bw_override_refusal refusal =
        is_end        ? bw_site_judge_override_end(site)
        : for_ms == 0 ? BW_OVERRIDE_REFUSAL_FOR
                      : bw_agent_machine_judge_override(&agent->machine, group, for_ms);
    const char *by = json_string_value(json_object_get(request, "by"));
    const char *reason = json_string_value(json_object_get(request, "reason"));

    bw_log_warn(&agent->log, is_end ? "override.end_asked" : "override.asked",
                "group=%s by=%s text=%s for_ms=%" PRIu32 " pid=%ld refusal=%s", site->group,
                bw_log_quote(by != NULL ? by : ""), bw_log_quote(reason != NULL ? reason : ""), for_ms, pid,
                bw_override_refusal_word(refusal));
    if (refusal != BW_OVERRIDE_REFUSAL_NONE)
        return refusal;
    bw_agent_happen(agent, &(struct bw_agent_event){.kind = is_end ? BW_AGENT_EVENT_OVERRIDE_END
                                                                   : BW_AGENT_EVENT_OVERRIDE,
                                                    .group = group,
                                                    .for_ms = for_ms,
                                                    .unix_ms = (int64_t)time(NULL) * 1000});
    return BW_OVERRIDE_REFUSAL_NONE;
}

/* ---- the proof of what ends its service (3.4) ------------------------------------------------ */

static json_t *describe_proof(const struct bw_agent *agent, uint32_t group, enum bw_proof_word refusal)
{
    const struct bw_site *site = &agent->machine.groups[group].site;
    const struct bw_instant now = bw_clock_now();

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:s, s:I}", "site", agent->config->site, "group",
                     site->group, "refusal", bw_proof_word(refusal), "may",
                     bw_proof_word(bw_agent_machine_judge_proof(&agent->machine, group)), "word",
                     bw_proof_word(site->proof_word), "restarts", bw_site_proof_restarts(site, now),
                     "by_second", bw_site_proves_second(site, now), "proved",
                     site->guard.sight.proved, "open", site->memory.epoch != 0 && !site->memory.given_back, "serving",
                     site->tenure == BW_TENURE_SERVING, "service", bw_service_word(site->service), "epoch",
                     (json_int_t)site->memory.epoch);
}

static enum bw_proof_word prove(struct bw_agent *agent, uint32_t group, const json_t *request, long pid)
{
    const enum bw_proof_word refusal = bw_agent_machine_judge_proof(&agent->machine, group);
    const char *by = json_string_value(json_object_get(request, "by"));
    const char *reason = json_string_value(json_object_get(request, "reason"));

    bw_log_warn(&agent->log, "prove.asked", "group=%s by=%s text=%s pid=%ld refusal=%s",
                agent->machine.groups[group].site.group, bw_log_quote(by != NULL ? by : ""),
                bw_log_quote(reason != NULL ? reason : ""), pid, bw_proof_word(refusal));
    if (refusal == BW_PROOF_WORD_NONE)
        bw_agent_happen(agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_PROVE, .group = group});
    return refusal;
}

/* Who asked waits no longer than that, and has acted elsewhere since. By the clock of this machine
 * and boot. */
static bool is_timely(const json_t *request)
{
    const json_int_t now_ms = (json_int_t)bw_ns_to_ms(bw_clock_now().boot_ns);
    const json_int_t asked_ms = json_integer_value(json_object_get(request, "boot_ms"));

    return asked_ms > 0 && asked_ms <= now_ms && now_ms - asked_ms <= BW_AT_SITE_WAIT_MS;
}

static json_t *answer(struct bw_agent *agent, const json_t *request, long pid)
{
    const char *verb = json_string_value(json_object_get(request, "verb"));
    const char *name = json_string_value(json_object_get(request, "group"));
    const int group = name != NULL ? bw_agent_machine_find(&agent->machine, name) : -1;
    enum bw_override_refusal refusal = BW_OVERRIDE_REFUSAL_NONE;

    if (verb != NULL && strcmp(verb, "witnesses") == 0)
        return describe_witnesses(agent); /* it changes nothing: whoever asked may have gone */
    if (verb == NULL || name == NULL)
        return json_pack("{s:s}", "error", "a request has a verb and a group");
    if (!is_timely(request))
        return json_pack("{s:s}", "error", "it was asked for too long ago: whoever asked has gone");
    if (group < 0)
        return json_pack("{s:s}", "error", "the site file of this agent has no such group");
    if (strcmp(verb, "override") == 0 || strcmp(verb, "end") == 0)
        refusal = override(agent, (uint32_t)group, strcmp(verb, "end") == 0, request, pid);
    else if (strcmp(verb, "prove") == 0)
        return describe_proof(agent, (uint32_t)group, prove(agent, (uint32_t)group, request, pid));
    else if (strcmp(verb, "proof") == 0)
        return describe_proof(agent, (uint32_t)group, BW_PROOF_WORD_NONE);
    else if (strcmp(verb, "look") != 0)
        return json_pack("{s:s}", "error", "this agent knows look, override, end, proof, prove and witnesses");
    return describe(agent, (uint32_t)group, for_ms_of(request), refusal);
}

/* ---- the socket ------------------------------------------------------------------------------ */

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct bw_agent *agent = user;
    json_t *request;
    json_t *reply;
    char *text;

    if (agent->is_closing)
        return;
    request = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    reply = json_is_object(request) ? answer(agent, request, (long)bw_unix_peer_pid(connection))
                                    : json_pack("{s:s}", "error", "a request is one JSON object");
    text = reply != NULL ? json_dumps(reply, JSON_COMPACT) : NULL;
    if (text == NULL || bw_unix_send(connection, text, strlen(text), NULL) != BW_OK)
        bw_unix_close(connection); /* who hears nothing knows that nothing was said */
    free(text);
    json_decref(reply);
    json_decref(request);
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct bw_agent *agent = user;

    if (err != BW_OK && err != BW_ERR_CANCELED)
        bw_log_warn(&agent->log, "person.broken", "error=%s", bw_log_quote(diag->text));
    for (int i = 0; i < BW_AGENT_PERSONS_MAX; i++)
        if (agent->persons[i] == connection)
            agent->persons[i] = NULL;
}

static const struct bw_unix_events *on_accepted(struct bw_unix_listener *listener,
                                                struct bw_unix_connection *connection, void *user,
                                                void **out_user)
{
    static const struct bw_unix_events events = {.on_message = on_message, .on_closed = on_closed};
    struct bw_agent *agent = user;

    (void)listener;
    *out_user = agent;
    for (int i = 0; i < BW_AGENT_PERSONS_MAX && !agent->is_closing; i++)
        if (agent->persons[i] == NULL) {
            agent->persons[i] = connection;
            return &events;
        }
    return NULL;
}

static void say_again(struct bw_agent *agent)
{
    for (uint32_t i = 0; i < agent->machine.group_count; i++) {
        const struct bw_site *site = &agent->machine.groups[i].site;
        uint64_t left_ns;
        const enum bw_override_waits waits = bw_site_override_waits(site, bw_clock_now(), &left_ns);

        if (bw_site_override_report(site) != BW_OVERRIDE_NONE)
            bw_log_warn(&agent->log, "override.stands",
                        "group=%s state=%s serial=%" PRIu64 " for_ms=%" PRIu64 " waits=%s left_ms=%" PRIu64
                        " service=%s",
                        site->group, bw_override_word(bw_site_override_report(site)),
                        site->memory.override_serial,
                        bw_ns_to_ms(bw_site_override_left_ns(site, bw_clock_now())),
                        bw_override_waits_word(waits), bw_ns_to_ms(left_ns),
                        bw_service_word(site->service));
    }
}

/* Without it the agent does all but hear a person: it goes on, and tries again, for its directory may not be made
 * yet: the guard makes it; or hang, which may keep no renewal (3.4). */
static void listen_to_persons(struct bw_agent *agent)
{
    char path[BW_AGENT_SOCKET_BYTES];
    const struct bw_kept_config config = {
        .path = path, .begins_later = true, .on_accepted = on_accepted, .user = agent, .log = &agent->log};

    if (bw_agent_socket_path(agent->config, path))
        (void)!bw_kept_listener_open(&agent->socket, &agent->loop, &config,
                                    NULL); /* say_unheard has it, when it has lasted a while */
    else
        (void)bw_diag_set(&agent->socket.diag, BW_ERR_LIMIT,
                          "%s/%s-agent.socket is longer than a socket's path may be",
                          agent->config->run_dir, agent->config->site);
}

/* One that was there, and is no more, is not said here. */
static void say_unheard(struct bw_agent *agent)
{
    if (!agent->socket.is_listening)
        bw_log_warn(&agent->log, "operator_socket.listen_failed",
                    "error=%s does=\"goes on; breakwater override cannot speak to it\"",
                    bw_log_quote(agent->socket.diag.text));
}

static void on_tick(uv_timer_t *timer)
{
    struct bw_agent *agent = timer->data;

    agent->persons_ticks++;
    if (agent->socket.worker == NULL) /* no thread could be had for it */
        listen_to_persons(agent);
    if (agent->persons_ticks == SAY_AGAIN_TICKS / 2)
        say_unheard(agent);
    if (agent->persons_ticks % SAY_AGAIN_TICKS == 0)
        say_again(agent);
}

void bw_agent_persons_open(struct bw_agent *agent)
{
    BW_ASSERT(uv_timer_init(&agent->loop, &agent->persons_timer) == 0); /* it only notes it */
    agent->persons_timer.data = agent;
    BW_ASSERT(uv_timer_start(&agent->persons_timer, on_tick, TICK_MS, TICK_MS) == 0);
    listen_to_persons(agent);
}

void bw_agent_persons_close(struct bw_agent *agent)
{
    bw_kept_listener_close(&agent->socket);
    for (int i = 0; i < BW_AGENT_PERSONS_MAX; i++)
        if (agent->persons[i] != NULL)
            bw_unix_close(agent->persons[i]);
    uv_close((uv_handle_t *)&agent->persons_timer, NULL);
}
