/* What load balancers ask (5.3): is this site the group's primary? The guard is asked anew for each
 * request, over a connection of its own and without a hello, as `gate` asks it (3.4), and what it
 * shows is judged by clocks read after its answer was. What the agent knows of its lease is not
 * enough: it does not know at once of a fence that its guard has begun by itself, nor that the
 * guard has died or hangs; whoever asks that guard gets no answer, which is no.
 *
 * One question at a time, about each group once, at most each 50 ms: whoever asks the agent as
 * often as he likes makes neither of the two work more than that. A guard that has not answered in
 * its time is asked no more before it has: then who asks hears no at once. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/core/primary.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>

#define ROUND_MS  50   /* from one question to the next */
#define LIMIT_MS  1000 /* for the guard: what it has not said by then is no */
#define AGAIN_MS  1000 /* between two tries to listen */
#define WHY_BYTES BW_PLAIN_TEXT_BYTES_MAX

#define GUARD_SILENT "the guard does not say that it may run here: "
#define IT_IS_LATE   "it has not answered for 1.0 s"

/* A request that waits for what the guard says. */
struct waiting {
    struct bw_plain_request *request; /* NULL: free */
    uint32_t group;                   /* of the machine */
    bool is_asked;                    /* the question about its group left after it had come */
};

struct bw_agent_health {
    struct bw_agent *agent;
    struct bw_plain_server *server;   /* NULL: nobody is answered */
    uv_timer_t round;                 /* the next question, or the guard's time is over */
    uv_timer_t again;                 /* tries to listen */
    bool is_said;                     /* the log was told that it cannot listen */
    uint64_t begun_ms;                /* the newest question; the loop's time */
    struct bw_unix_connection *guard; /* NULL: nothing is asked just now */
    bool is_silent; /* what it was asked is owed for too long: nobody waits for it any more */
    uint32_t asked[BW_PLAIN_CONNECTIONS_MAX]; /* of the machine: it answers in this order */
    uint32_t asked_count;
    uint32_t answered_count;
    struct waiting waiting[BW_PLAIN_CONNECTIONS_MAX];
    struct health_said {
        bool is_said;
        enum bw_primary primary;
        enum bw_may_run may_run;
    } said[BW_SITE_GROUPS_MAX]; /* what the log was told last, of each group of the machine */
};

static void plan_round(struct bw_agent_health *health);

/* ---- answers ------------------------------------------------------------------------------------
 */

static const char *name_of(const struct bw_agent_health *health, uint32_t group)
{
    return health->agent->machine.groups[group].site.group;
}

/* To all that waits. */
static void answer_no(struct bw_agent_health *health, const char *why)
{
    char text[WHY_BYTES];

    for (size_t i = 0; i < BW_PLAIN_CONNECTIONS_MAX; i++) {
        struct waiting *waiting = &health->waiting[i];
        struct bw_plain_request *request = waiting->request;

        if (request == NULL)
            continue;
        waiting->request = NULL;
        (void)snprintf(text, sizeof text, "no: %s: %s", name_of(health, waiting->group), why);
        bw_plain_respond(request, 503, text);
    }
}

static bool any_waits(const struct bw_agent_health *health)
{
    for (size_t i = 0; i < BW_PLAIN_CONNECTIONS_MAX; i++)
        if (health->waiting[i].request != NULL)
            return true;
    return false;
}

/* One line for each change, not for each request. */
static void log_change(struct bw_agent_health *health, uint32_t group, enum bw_primary primary,
                       enum bw_may_run may_run)
{
    struct health_said *said = &health->said[group];

    if (said->is_said && said->primary == primary && said->may_run == may_run)
        return;
    *said = (struct health_said){.is_said = true, .primary = primary, .may_run = may_run};
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
    return ms * BW_NS_PER_MS;
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
                                        .look_ns = look_ns(config)};
    may_run = bw_may_run(shown->group[0] != '\0', &shown->shown, agent->boot_id,
                         agent->time_namespace, now);
    primary = bw_primary(may_run, &shown->shown, &limits, now);
    log_change(health, group, primary, may_run);
    (void)snprintf(text, WHY_BYTES, "%s: %s at %s: %s", primary == BW_PRIMARY_YES ? "yes" : "no",
                   name, agent->config->site,
                   primary == BW_PRIMARY_MAY_NOT_RUN ? bw_may_run_sentence(may_run)
                                                     : bw_primary_sentence(primary));
    return primary == BW_PRIMARY_YES;
}

/* ---- the guard ----------------------------------------------------------------------------------
 */

static void let_guard_go(struct bw_agent_health *health)
{
    struct bw_unix_connection *guard = health->guard;

    health->guard = NULL;
    health->is_silent = false;
    if (guard != NULL)
        bw_unix_close(guard);
}

static void end_round(struct bw_agent_health *health)
{
    let_guard_go(health);
    plan_round(health);
}

static void say_unknown(struct bw_agent_health *health, const char *why)
{
    char text[WHY_BYTES];

    (void)snprintf(text, sizeof text, GUARD_SILENT "%.*s", (int)(sizeof text - sizeof GUARD_SILENT),
                   why);
    answer_no(health, text);
}

/* Also to who has come since: a guard that does not answer one says nothing to another. */
static void fail_round(struct bw_agent_health *health, const char *why)
{
    let_guard_go(health);
    (void)uv_timer_stop(&health->round); /* always 0 */
    say_unknown(health, why);
}

static bool send_show(struct bw_agent_health *health, uint32_t group)
{
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_SHOW};
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    size_t size;

    health->asked[health->asked_count++] = group;
    return bw_copy_text(message.group, sizeof message.group, name_of(health, group)) &&
           bw_guard_message_encode(&message, bytes, sizeof bytes, &size, NULL) == BW_OK &&
           bw_unix_send(health->guard, bytes, size, NULL) == BW_OK;
}

/* About each group once, for all who have asked about it until now. */
static void on_connected(struct bw_unix_connection *connection, void *user)
{
    struct bw_agent_health *health = user;

    if (connection != health->guard)
        return;
    for (size_t i = 0; i < BW_PLAIN_CONNECTIONS_MAX; i++) {
        const struct waiting *waiting = &health->waiting[i];

        if (waiting->request == NULL || waiting->is_asked)
            continue;
        if (!send_show(health, waiting->group)) {
            fail_round(health, "the question could not be sent");
            return;
        }
        for (size_t j = i; j < BW_PLAIN_CONNECTIONS_MAX; j++)
            if (health->waiting[j].request != NULL && health->waiting[j].group == waiting->group)
                health->waiting[j].is_asked = true;
    }
    if (health->asked_count == 0) /* they have gone meanwhile, or were told no */
        end_round(health);
}

static void answer(struct bw_agent_health *health, uint32_t group,
                   const struct bw_guard_message *shown)
{
    char text[WHY_BYTES];
    const bool is_primary = judge(health, group, shown, text);

    for (size_t i = 0; i < BW_PLAIN_CONNECTIONS_MAX; i++) {
        struct waiting *waiting = &health->waiting[i];
        struct bw_plain_request *request = waiting->request;

        if (request == NULL || !waiting->is_asked || waiting->group != group)
            continue;
        waiting->request = NULL;
        bw_plain_respond(request, is_primary ? 200 : 503, text);
    }
}

/* The guard answers in order, and names no group that it does not know. */
static bool is_about(const struct bw_agent_health *health, const struct bw_guard_message *shown)
{
    return shown->kind == BW_GUARD_MESSAGE_SHOWN && health->answered_count < health->asked_count &&
           (shown->group[0] == '\0' ||
            strcmp(shown->group, name_of(health, health->asked[health->answered_count])) == 0);
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct bw_agent_health *health = user;
    struct bw_guard_message shown;

    if (connection != health->guard)
        return;
    if (health->is_silent) { /* it answers again: what it says here is older than any request */
        end_round(health);
        return;
    }
    if (bw_guard_message_decode(data, size, &shown, NULL) != BW_OK || !is_about(health, &shown)) {
        fail_round(health, "what it says is no answer");
        return;
    }
    answer(health, health->asked[health->answered_count++], &shown);
    if (health->answered_count == health->asked_count)
        end_round(health);
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct bw_agent_health *health = user;

    if (connection != health->guard)
        return;
    health->guard = NULL;
    fail_round(health, err == BW_OK ? "it closed the connection" : diag->text);
}

static void begin_round(struct bw_agent_health *health)
{
    static const struct bw_unix_events events = {
        .on_connected = on_connected, .on_message = on_message, .on_closed = on_closed};
    struct bw_agent *agent = health->agent;
    struct bw_diag diag = {0};

    health->begun_ms = uv_now(&agent->loop);
    health->asked_count = health->answered_count = 0;
    if (bw_unix_connect(&agent->loop, agent->config->guard_socket, &events, health, &health->guard,
                        &diag) == BW_OK)
        return;
    health->guard = NULL;
    fail_round(health, diag.text);
}

static void on_round(uv_timer_t *timer)
{
    struct bw_agent_health *health = timer->data;

    if (health->guard != NULL) {
        health->is_silent = true;
        say_unknown(health, IT_IS_LATE);
        return;
    }
    begin_round(health);
    if (health->guard != NULL)
        (void)uv_timer_start(timer, on_round, LIMIT_MS, 0); /* has a callback */
}

/* The next question, where somebody waits for one and none is under way. */
static void plan_round(struct bw_agent_health *health)
{
    const uint64_t now_ms = uv_now(&health->agent->loop);
    const uint64_t next_ms = health->begun_ms + ROUND_MS;

    if (health->guard != NULL)
        return;
    if (any_waits(health))
        (void)uv_timer_start(&health->round, on_round, next_ms > now_ms ? next_ms - now_ms : 0, 0);
    else
        (void)uv_timer_stop(&health->round); /* both have a callback, or are always 0 */
}

/* ---- requests -----------------------------------------------------------------------------------
 */

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

static struct waiting *find_waiting(struct bw_agent_health *health,
                                    const struct bw_plain_request *request)
{
    for (size_t i = 0; i < BW_PLAIN_CONNECTIONS_MAX; i++)
        if (health->waiting[i].request == request)
            return &health->waiting[i];
    return NULL;
}

static void on_request(struct bw_plain_request *request, const char *path, void *user)
{
    struct bw_agent_health *health = user;
    const int group = group_of_path(health->agent, path);
    struct waiting *waiting = find_waiting(health, NULL);

    BW_ASSERT(waiting != NULL); /* there are as many as connections that wait for an answer */
    if (group < 0)
        bw_plain_respond(request, 404, "this site knows no such group (/v1/groups/GROUP/primary)");
    else if (health->agent->served[group].config == NULL)
        bw_plain_respond(request, 503, "no: the site file names this group no more");
    else if (health->is_silent)
        bw_plain_respond(request, 503, "no: " GUARD_SILENT IT_IS_LATE " and more");
    else {
        *waiting = (struct waiting){.request = request, .group = (uint32_t)group};
        plan_round(health);
    }
}

static void on_gone(struct bw_plain_request *request, void *user)
{
    struct waiting *waiting = find_waiting(user, request);

    BW_ASSERT(waiting != NULL);
    waiting->request = NULL;
}

/* ---- listening ----------------------------------------------------------------------------------
 */

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
        health->is_said = false;
        return;
    }
    if (!health->is_said)
        bw_log_error(&agent->log, "health.unheard",
                     "error=%s does=\"goes on, and tries again; load balancers hear nothing, which "
                     "is no\"",
                     bw_log_quote(diag.text));
    health->is_said = true;
}

static void on_again(uv_timer_t *timer)
{
    try_to_listen(timer->data);
}

static void stop_listening(struct bw_agent_health *health, const char *why)
{
    struct bw_plain_server *server = health->server;

    answer_no(health, why);
    plan_round(health);
    health->server = NULL;
    if (server != NULL)
        bw_plain_server_close(server);
}

static bool is_same_port(const char *address, const char *other)
{
    const char *port = strrchr(address, ':');
    const char *other_port = strrchr(other, ':');

    return port != NULL && other_port != NULL && strcmp(port, other_port) == 0;
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
    if (is_same_port(address, old))
        stop_listening(health, elsewhere);
    if (address[0] != '\0')
        err = listen_at(health, address, &server, diag);
    if (err != BW_OK) {
        try_to_listen(health); /* as before */
        return err;
    }
    stop_listening(health, elsewhere);
    health->server = server;
    health->is_said = false;
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
    BW_ASSERT(uv_timer_init(&agent->loop, &health->round) == 0); /* they only note it */
    BW_ASSERT(uv_timer_init(&agent->loop, &health->again) == 0);
    health->round.data = health;
    health->again.data = health;
    BW_ASSERT(uv_timer_start(&health->again, on_again, AGAIN_MS, AGAIN_MS) == 0);
    try_to_listen(health);
}

void bw_agent_health_close(struct bw_agent *agent)
{
    struct bw_agent_health *health = agent->health;

    stop_listening(health, "the agent is ending");
    let_guard_go(health);
    uv_close((uv_handle_t *)&health->round, NULL);
    uv_close((uv_handle_t *)&health->again, NULL);
}

void bw_agent_health_free(struct bw_agent *agent)
{
    free(agent->health);
    agent->health = NULL;
}
