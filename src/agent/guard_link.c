#include "program.h"

#include <string.h>

#include <breakwater/base/crash_point.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>

#define RETRY_NS_MIN (50 * BW_NS_PER_MS)
#define RETRY_NS_MAX (1 * BW_NS_PER_S)
#define HELLO_NS_MAX (1 * BW_NS_PER_S) /* without a word, from connecting to the end of the welcome */
/* A connection that is lost sooner was no good one: the next attempt waits longer. Two agents of one
 * site throw each other off at most once in RETRY_NS_MAX. */
#define STEADY_NS    (10 * BW_NS_PER_S)

/* Beyond so much that the guard has not read, arms wait in their groups. */
#define ARM_QUEUE_BYTES_MAX (64 * 1024)
#define ARM_PAUSE_MS        2

static const struct bw_unix_events events;

/* ---- losing it ------------------------------------------------------------------------------- */

static void tell_lost(struct bw_agent *agent)
{
    const struct bw_site_event lost = {.kind = BW_SITE_EVENT_GUARD_LOST};

    if (agent->guard.is_told_lost)
        return;
    agent->guard.is_told_lost = true;
    for (uint32_t i = 0; i < agent->place_count; i++)
        bw_agent_step(&agent->places[i], &lost);
}

static void retry_later(struct bw_agent *agent)
{
    struct bw_guard_link *link = &agent->guard;
    const struct bw_instant now = bw_clock_now();

    if (link->state == BW_GUARD_LINK_OPEN &&
        bw_instant_elapsed_ns(now, link->opened) >= STEADY_NS)
        link->retry_ns = RETRY_NS_MIN;
    link->state = BW_GUARD_LINK_IDLE;
    bw_deadline_set(&link->timer, bw_instant_add(now, link->retry_ns), BW_DEADLINE_WAIT);
    link->retry_ns = link->retry_ns * 2 < RETRY_NS_MAX ? link->retry_ns * 2 : RETRY_NS_MAX;
}

/* What comes from a connection that was given up is nobody's. */
static void drop_connection(struct bw_agent *agent)
{
    struct bw_unix_connection *connection = agent->guard.connection;

    agent->guard.connection = NULL;
    for (uint32_t i = 0; i < agent->place_count; i++)
        agent->places[i].has_arm = false; /* another guard, another hello: void */
    if (connection != NULL)
        bw_unix_close(connection);
}

static void lose(struct bw_agent *agent, const char *why)
{
    struct bw_guard_link *link = &agent->guard;

    if (link->state == BW_GUARD_LINK_CLOSED)
        return;
    drop_connection(agent);
    if (!link->is_said)
        bw_log_error(&agent->log, "guard.lost", "socket=%s why=%s does=\"no renewals without it\"",
                     bw_log_quote(agent->config->guard_socket), bw_log_quote(why));
    link->is_said = true;
    retry_later(agent);
    tell_lost(agent);
}

/* ---- speaking -------------------------------------------------------------------------------- */

/* The newest arm of a group says all that the older ones did: while the guard does not read, only that
 * one waits, here, and no queue grows with the time that it takes. */
static bool hold_back(struct bw_agent *agent, const struct bw_guard_message *message)
{
    struct bw_agent_place *place = message->kind == BW_GUARD_MESSAGE_ARM
                                       ? bw_agent_place_find(agent, message->group)
                                       : NULL;

    if (place == NULL || agent->guard.state != BW_GUARD_LINK_OPEN)
        return false;
    place->has_arm = bw_unix_queued_bytes(agent->guard.connection) > ARM_QUEUE_BYTES_MAX;
    if (!place->has_arm)
        return false;
    place->arm = *message;
    if (!agent->guard.timer.is_set) /* an open link has no other use for it */
        bw_deadline_set(&agent->guard.timer,
                        bw_instant_add(bw_clock_now(), ARM_PAUSE_MS * BW_NS_PER_MS),
                        BW_DEADLINE_RIGHT);
    return true;
}

static void send_held_back(struct bw_agent *agent)
{
    for (uint32_t i = 0; i < agent->place_count; i++) {
        struct bw_agent_place *place = &agent->places[i];

        if (!place->has_arm)
            continue;
        place->has_arm = false;
        bw_guard_link_send(agent, &place->arm); /* held back again where it has to be */
    }
}

void bw_guard_link_send(struct bw_agent *agent, const struct bw_guard_message *message)
{
    struct bw_guard_link *link = &agent->guard;
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;
    enum bw_err err;

    if (link->connection == NULL)
        return; /* GUARD_LOST is on its way, and voids what was asked of it */
    if (hold_back(agent, message))
        return;
    err = bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag);
    if (err == BW_OK)
        err = bw_unix_send(link->connection, bytes, size, &diag);
    if (err == BW_OK)
        return;
    bw_log_error(&agent->log, "guard.unsent", "group=%s error=%s", message->group,
                 bw_log_quote(diag.text));
    bw_unix_close(link->connection); /* on_closed follows: a guard that misses a word is lost */
}

static void say_hello(struct bw_agent *agent)
{
    const struct bw_agent_state *state = &agent->store.state;
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_HELLO};

    message.hello.cluster_id = state->cluster_id;
    message.hello.generation = state->generation;
    memcpy(message.hello.site, state->site, sizeof message.hello.site);
    message.hello.instance = state->instance;
    message.hello.session = agent->session;
    message.hello.boot_id = agent->boot_id;
    message.hello.time_namespace = agent->time_namespace;
    bw_guard_link_send(agent, &message);
}

/* ---- listening ------------------------------------------------------------------------------- */

/* A welcome has one word of each group: of many it takes long, and goes on as long as words come. */
static void give_more_time(struct bw_agent *agent)
{
    bw_deadline_set(&agent->guard.timer, bw_instant_add(bw_clock_now(), HELLO_NS_MAX),
                    BW_DEADLINE_WAIT);
}

/* Its instants and ours may be compared, or it is of no use (1). */
static void on_welcome(struct bw_agent *agent, const struct bw_guard_message *message)
{
    agent->guard.feature_level = message->welcome.feature_level;
    if (bw_id_equal(message->welcome.boot_id, agent->boot_id) &&
        message->welcome.time_namespace == agent->time_namespace)
        agent->guard.state = BW_GUARD_LINK_WELCOME;
    else
        lose(agent, "guard and agent do not have the same clocks: run both in one time namespace");
}

static void on_group_state(struct bw_agent *agent, const struct bw_guard_message *message)
{
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_STATE,
                                        .state = &message->state};
    struct bw_agent_place *place = bw_agent_place_find(agent, message->group);

    if (place != NULL)
        bw_agent_step(place, &event);
}

static void on_welcome_done(struct bw_agent *agent)
{
    struct bw_guard_link *link = &agent->guard;

    link->state = BW_GUARD_LINK_OPEN;
    link->opened = bw_clock_now();
    link->is_said = false;
    bw_deadline_clear(&link->timer);
    for (uint32_t i = 0; i < agent->place_count; i++)
        if (!agent->places[i].site.guard_greeted)
            bw_log_error(&agent->log, "guard.unaware",
                         "group=%s text=\"the guard does not know this group: restart it, so that "
                         "it reads the site file\"",
                         agent->places[i].config->name);
    bw_log_info(&agent->log, "guard.greeted", "pid=%d", (int)bw_unix_peer_pid(link->connection));
}

static void on_group_message(struct bw_agent *agent, const struct bw_guard_message *message)
{
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_MESSAGE, .message = message};
    struct bw_agent_place *place = bw_agent_place_find(agent, message->group);

    if (message->kind == BW_GUARD_MESSAGE_ARMED)
        BW_CRASH_POINT(AGENT_ON_ARMED);
    if (message->kind == BW_GUARD_MESSAGE_RUN_ENDED)
        BW_CRASH_POINT(AGENT_ON_RUN_ENDED);
    if (message->kind == BW_GUARD_MESSAGE_EPOCH_ENDED)
        BW_CRASH_POINT(AGENT_ON_EPOCH_ENDED);
    if (message->kind == BW_GUARD_MESSAGE_FENCE_BEGUN)
        BW_CRASH_POINT(AGENT_ON_FENCE_BEGUN);

    if (place != NULL)
        bw_agent_step(place, &event);
}

static void on_decoded(struct bw_agent *agent, const struct bw_guard_message *message)
{
    const enum bw_guard_link_state state = agent->guard.state;
    const bool is_welcomed = state == BW_GUARD_LINK_WELCOME || state == BW_GUARD_LINK_OPEN;

    switch (message->kind) {
    case BW_GUARD_MESSAGE_WELCOME:
        if (state == BW_GUARD_LINK_GREETING)
            on_welcome(agent, message);
        return;
    case BW_GUARD_MESSAGE_GROUP_STATE:
        if (state == BW_GUARD_LINK_WELCOME) {
            give_more_time(agent);
            agent->guard.is_told_lost = false; /* of some group it is there: it can be lost again */
            on_group_state(agent, message);
        }
        return;
    case BW_GUARD_MESSAGE_WELCOME_DONE:
        if (state == BW_GUARD_LINK_WELCOME)
            on_welcome_done(agent);
        return;
    case BW_GUARD_MESSAGE_HELLO_REFUSED:
        lose(agent, bw_refusal_word(message->refused.why));
        return;
    case BW_GUARD_MESSAGE_ARMED:
    case BW_GUARD_MESSAGE_ARM_REFUSED:
    case BW_GUARD_MESSAGE_RUN_BEGUN:
    case BW_GUARD_MESSAGE_RUN_ENDED:
    case BW_GUARD_MESSAGE_EPOCH_ENDED:
    case BW_GUARD_MESSAGE_END_REFUSED:
    case BW_GUARD_MESSAGE_LET_GO_DONE:
    case BW_GUARD_MESSAGE_FENCE_BEGUN:
    case BW_GUARD_MESSAGE_FENCE_ENDED:
        if (is_welcomed)
            on_group_message(agent, message);
        return;
    case BW_GUARD_MESSAGE_HELLO:
    case BW_GUARD_MESSAGE_ARM:
    case BW_GUARD_MESSAGE_RUN:
    case BW_GUARD_MESSAGE_END:
    case BW_GUARD_MESSAGE_LET_GO:
        lose(agent, "it said what only an agent says");
        return;
    }
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct bw_agent *agent = user;
    struct bw_guard_message message;
    struct bw_diag diag = {0};

    if (connection != agent->guard.connection)
        return;
    /* Deadlines go before messages: what is due is not undone by what waited in a queue (3.4). */
    (void)bw_deadline_serve(&agent->wake);
    if (bw_guard_message_decode(data, size, &message, &diag) == BW_OK)
        on_decoded(agent, &message);
    else
        lose(agent, diag.text);
}

static void on_connected(struct bw_unix_connection *connection, void *user)
{
    struct bw_agent *agent = user;

    if (connection != agent->guard.connection)
        return;
    agent->guard.state = BW_GUARD_LINK_GREETING;
    say_hello(agent);
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct bw_agent *agent = user;

    if (connection != agent->guard.connection)
        return;
    agent->guard.connection = NULL;
    lose(agent, err == BW_OK ? "it closed the connection" : diag->text);
}

static const struct bw_unix_events events = {
    .on_connected = on_connected, .on_message = on_message, .on_closed = on_closed};

/* ---- connecting ------------------------------------------------------------------------------ */

static void connect_now(struct bw_agent *agent)
{
    struct bw_guard_link *link = &agent->guard;
    struct bw_diag diag = {0};

    link->state = BW_GUARD_LINK_CONNECTING;
    bw_deadline_set(&link->timer, bw_instant_add(bw_clock_now(), HELLO_NS_MAX), BW_DEADLINE_WAIT);
    if (bw_unix_connect(&agent->loop, agent->config->guard_socket, &events, agent,
                        &link->connection, &diag) == BW_OK)
        return;
    link->connection = NULL;
    lose(agent, diag.text);
}

static void on_timer(struct bw_deadline *deadline, void *user)
{
    struct bw_agent *agent = user;

    (void)deadline;
    if (agent->guard.state == BW_GUARD_LINK_IDLE)
        connect_now(agent);
    else if (agent->guard.state == BW_GUARD_LINK_OPEN)
        send_held_back(agent);
    else
        lose(agent, "no answer to hello for a second");
}

enum bw_err bw_guard_link_open(struct bw_agent *agent, struct bw_diag *diag)
{
    struct bw_guard_link *link = &agent->guard;
    enum bw_err err = bw_deadline_init(&link->timer, &agent->loop, on_timer, agent, diag);

    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "the connection to the guard");
    link->retry_ns = RETRY_NS_MIN;
    connect_now(agent);
    return BW_OK;
}

void bw_guard_link_greet_again(struct bw_agent *agent)
{
    struct bw_guard_link *link = &agent->guard;

    if (link->connection == NULL || link->state == BW_GUARD_LINK_CONNECTING)
        return; /* the next hello says it */
    /* On the same connection: the guard is not lost, and its new welcome voids what was before. */
    link->state = BW_GUARD_LINK_GREETING;
    bw_deadline_set(&link->timer, bw_instant_add(bw_clock_now(), HELLO_NS_MAX), BW_DEADLINE_WAIT);
    say_hello(agent);
}

void bw_guard_link_close(struct bw_agent *agent)
{
    agent->guard.state = BW_GUARD_LINK_CLOSED;
    drop_connection(agent);
    bw_deadline_close(&agent->guard.timer, NULL);
}
