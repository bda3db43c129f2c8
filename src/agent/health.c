/* What load balancers ask (5.3): is this site the group's primary? What the guard shows (asking.c)
 * is judged by clocks read after its answer was. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/scalar.h>
#include <breakwater/core/may_run.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>

#define AGAIN_MS  1000 /* between two tries to listen */
#define WHY_BYTES BW_PLAIN_TEXT_BYTES_MAX

struct bw_agent_health {
    struct bw_agent *agent;
    struct bw_plain_server *server; /* NULL: nobody is answered */
    uv_timer_t again;               /* tries to listen */
    bool is_logged;                 /* the log was told that it cannot listen */
    struct health_logged {
        bool is_logged;
        enum bw_primary primary;
        enum bw_may_run may_run;
    } logged[BW_SITE_GROUPS_MAX]; /* what the log was told last, of each group of the machine */
};

/* ---- answers --------------------------------------------------------------------------------- */

static const char *name_of(const struct bw_agent_health *health, uint32_t group)
{
    return health->agent->machine.groups[group].site.group;
}

/* One line for each change, not for each request. */
static void log_change(struct bw_agent_health *health, uint32_t group, enum bw_primary primary,
                       enum bw_may_run may_run)
{
    struct health_logged *logged = &health->logged[group];

    if (logged->is_logged && logged->primary == primary && logged->may_run == may_run)
        return;
    *logged = (struct health_logged){.is_logged = true, .primary = primary, .may_run = may_run};
    bw_log_info(&health->agent->log, "health.answer", "group=%s health=%s may_run=%s",
                name_of(health, group), bw_primary_word(primary), bw_may_run_word(may_run));
}

/* How old a look can be before the next one has ended: that is due check_interval after this one
 * began, and waits for those before it. */
static uint64_t look_ns(const struct bw_group_config *config)
{
    static const enum bw_action_kind looks[] = {BW_ACTION_STATUS, BW_ACTION_VERIFY,
                                                BW_ACTION_READINESS, BW_ACTION_CONDITION};
    uint64_t ms = config->check_interval_ms;

    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++)
        if (config->scripts[looks[i]] != NULL)
            ms += (uint64_t)config->timeout_ms[looks[i]] + config->kill_grace_ms;
    return bw_ms_to_ns(ms);
}

/* What follows from `shown`, which was read just now. False: no; `text` says why. */
static bool judge(struct bw_agent_health *health, uint32_t group,
                  const struct bw_guard_message *shown, char text[WHY_BYTES])
{
    const struct bw_agent *agent = health->agent;
    const struct bw_group_config *config = agent->served[group].config;
    const struct bw_instant now = bw_clock_now();
    const char *name = name_of(health, group);
    struct bw_primary_limits limits;
    enum bw_may_run may_run;
    enum bw_primary primary;

    if (config == NULL) { /* it has left while the guard was asked */
        (void)snprintf(text, WHY_BYTES, "no: %s: the site file names it no more", name);
        return false;
    }
    limits = (struct bw_primary_limits){.has_verify = config->scripts[BW_ACTION_VERIFY] != NULL,
                                        .is_verified = agent->machine.groups[group].site.verified,
                                        .look_ns = look_ns(config)};
    may_run = bw_agent_may_run(agent, shown, now);
    primary = bw_primary(may_run, &shown->shown, &limits, now);
    log_change(health, group, primary, may_run);
    (void)snprintf(text, WHY_BYTES, "%s: %s at %s: %s", primary == BW_PRIMARY_YES ? "yes" : "no",
                   name, agent->config->site,
                   primary == BW_PRIMARY_MAY_NOT_RUN ? bw_may_run_sentence(may_run)
                                                     : bw_primary_sentence(primary));
    return primary == BW_PRIMARY_YES;
}

static void on_shown(struct bw_agent *agent, uint32_t group, const struct bw_guard_message *shown,
                     const char *why, void *user)
{
    char text[WHY_BYTES];
    bool is_primary = false;

    if (shown != NULL)
        is_primary = judge(agent->health, group, shown, text);
    else
        (void)snprintf(text, sizeof text, "no: %s: %s", name_of(agent->health, group), why);
    bw_plain_respond(user, is_primary ? 200 : 503, text);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* "/v1/groups/GROUP/primary": the machine's number of the group; -1: there is no such path. */
static int group_of_path(const struct bw_agent *agent, const char *path)
{
    static const char before[] = "/v1/groups/";
    static const char after[] = "/primary";
    char name[BW_NAME_MAX + 1];
    size_t size;

    if (strncmp(path, before, sizeof before - 1) != 0)
        return -1;
    path += sizeof before - 1;
    size = strcspn(path, "/");
    if (size == 0 || size > BW_NAME_MAX || strcmp(path + size, after) != 0)
        return -1;
    memcpy(name, path, size);
    name[size] = '\0';
    for (uint32_t i = 0; i < agent->machine.group_count; i++)
        if (strcmp(agent->machine.groups[i].site.group, name) == 0)
            return (int)i;
    return -1;
}

static void on_request(struct bw_plain_request *request, const char *path, void *user)
{
    struct bw_agent_health *health = user;
    const int group = group_of_path(health->agent, path);

    if (group < 0)
        bw_plain_respond(request, 404, "this site knows no such group (/v1/groups/GROUP/primary)");
    else if (health->agent->served[group].config == NULL)
        bw_plain_respond(request, 503, "no: the site file names this group no more");
    else
        bw_agent_ask_guard(health->agent, (uint32_t)group, on_shown, request);
}

static void on_gone(struct bw_plain_request *request, void *user)
{
    const struct bw_agent_health *health = user;

    bw_agent_unask_guard(health->agent, request);
}

/* ---- listening ------------------------------------------------------------------------------- */

static enum bw_err listen_at(struct bw_agent_health *health, const char *address,
                             struct bw_plain_server **out_server, struct bw_diag *diag)
{
    const struct bw_plain_server_config config = {
        .listen = address, .on_request = on_request, .on_gone = on_gone, .user = health};

    return bw_plain_server_open(&health->agent->loop, &config, out_server, diag);
}

/* Nothing but this answer hangs on it: an agent that cannot listen holds its leases all the same,
 * and tries again. */
static void try_to_listen(struct bw_agent_health *health)
{
    struct bw_agent *agent = health->agent;
    const char *address = agent->config->health_listen;
    struct bw_diag diag = {0};

    if (address[0] == '\0' || health->server != NULL)
        return;
    if (listen_at(health, address, &health->server, &diag) == BW_OK) {
        bw_log_info(&agent->log, "health.listening", "address=%s", bw_log_quote(address));
        health->is_logged = false;
        return;
    }
    if (!health->is_logged)
        bw_log_error(&agent->log, "health.listen_failed",
                     "error=%s does=\"goes on, and tries again; load balancers hear nothing, which "
                     "is no\"",
                     bw_log_quote(diag.text));
    health->is_logged = true;
}

static void on_again(uv_timer_t *timer)
{
    try_to_listen(timer->data);
}

static void stop_listening(struct bw_agent_health *health, const char *why)
{
    struct bw_plain_server *server = health->server;

    bw_agent_tell_all(health->agent, on_shown, why);
    health->server = NULL;
    if (server != NULL)
        bw_plain_server_close(server);
}

/* The new address is there before the old one is given up; but where only the host differs the two
 * may not be had at once. */
enum bw_err bw_agent_health_change(struct bw_agent *agent, const char *address,
                                   struct bw_diag *diag)
{
    static const char elsewhere[] = "the agent is told to listen elsewhere";
    struct bw_agent_health *health = agent->health;
    const char *old = agent->config->health_listen;
    struct bw_plain_server *server = NULL;
    enum bw_err err = BW_OK;

    if (strcmp(address, old) == 0)
        return BW_OK;
    if (bw_address_is_same_port(address, old))
        stop_listening(health, elsewhere);
    if (address[0] != '\0')
        err = listen_at(health, address, &server, diag);
    if (err != BW_OK) {
        try_to_listen(health); /* as before */
        return err;
    }
    stop_listening(health, elsewhere);
    health->server = server;
    health->is_logged = false;
    if (server != NULL)
        bw_log_info(&agent->log, "health.listening", "address=%s", bw_log_quote(address));
    return BW_OK;
}

void bw_agent_health_open(struct bw_agent *agent)
{
    struct bw_agent_health *health = calloc(1, sizeof *health);

    BW_ASSERT(health != NULL);
    agent->health = health;
    health->agent = agent;
    BW_ASSERT(uv_timer_init(&agent->loop, &health->again) == 0); /* it only notes it */
    health->again.data = health;
    BW_ASSERT(uv_timer_start(&health->again, on_again, AGAIN_MS, AGAIN_MS) == 0);
    try_to_listen(health);
}

void bw_agent_health_close(struct bw_agent *agent)
{
    struct bw_agent_health *health = agent->health;

    stop_listening(health, "the agent is ending");
    uv_close((uv_handle_t *)&health->again, NULL);
}

void bw_agent_health_free(struct bw_agent *agent)
{
    free(agent->health);
    agent->health = NULL;
}
