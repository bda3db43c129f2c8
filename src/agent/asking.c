/* What the guard says now, for who asks the agent from outside (health.c, admission.c). The guard
 * is asked anew for each request, over a connection of its own and without a hello, as `gate` asks
 * it (3.4). What the agent knows of its lease is not enough: it does not know at once of a fence
 * that its guard has begun by itself, nor that the guard has died or hangs; whoever asks that guard
 * gets no answer, which is no.
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
#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>

#define ROUND_MS      50   /* from one question to the next */
#define LIMIT_MS      1000 /* for the guard: what it has not said by then is no */
#define QUESTIONS_MAX (BW_PLAIN_CONNECTIONS_MAX + BW_AGENT_ADMISSIONS_MAX)

#define GUARD_SILENT "the guard does not say that it may run here: "
#define IT_IS_LATE   "it has not answered for 1.0 s"
#define WHY_BYTES    512

/* A request that waits for what the guard says. */
struct question {
    bw_agent_on_shown *on_shown; /* NULL: free */
    void *request;
    uint32_t group; /* of the machine */
    bool is_asked;  /* the question about its group left after it had come */
};

struct bw_agent_asking {
    struct bw_agent *agent;
    uv_timer_t round;                 /* the next question, or the guard's time is over */
    uint64_t begun_ms;                /* the newest question; the loop's time */
    struct bw_unix_connection *guard; /* NULL: nothing is asked just now */
    bool is_silent; /* what it was asked is owed for too long: nobody waits for it any more */
    uint32_t asked[QUESTIONS_MAX]; /* of the machine: it answers in this order */
    uint32_t asked_count;
    uint32_t answered_count;
    struct question questions[QUESTIONS_MAX];
};

static void plan_round(struct bw_agent_asking *asking);

/* ---- answers --------------------------------------------------------------------------------- */

static void tell(struct bw_agent_asking *asking, struct question *question,
                 const struct bw_guard_message *shown, const char *why)
{
    const struct question asked = *question;

    question->on_shown = NULL;
    asked.on_shown(asking->agent, asked.group, shown, why, asked.request);
}

/* To all that waits. */
static void say_unknown(struct bw_agent_asking *asking, const char *why)
{
    char text[WHY_BYTES];

    (void)snprintf(text, sizeof text, GUARD_SILENT "%.*s", (int)(sizeof text - sizeof GUARD_SILENT),
                   why);
    for (size_t i = 0; i < QUESTIONS_MAX; i++)
        if (asking->questions[i].on_shown != NULL)
            tell(asking, &asking->questions[i], NULL, text);
}

static bool any_waits(const struct bw_agent_asking *asking)
{
    for (size_t i = 0; i < QUESTIONS_MAX; i++)
        if (asking->questions[i].on_shown != NULL)
            return true;
    return false;
}

static const char *name_of(const struct bw_agent_asking *asking, uint32_t group)
{
    return asking->agent->machine.groups[group].site.group;
}

enum bw_may_run bw_agent_may_run(const struct bw_agent *agent, const struct bw_guard_message *shown,
                                 struct bw_instant now)
{
    return bw_may_run(shown->group[0] != '\0', &shown->shown, agent->kernel_boot_id, agent->time_namespace,
                      now);
}

/* ---- the guard ------------------------------------------------------------------------------- */

static void let_guard_go(struct bw_agent_asking *asking)
{
    struct bw_unix_connection *guard = asking->guard;

    asking->guard = NULL;
    asking->is_silent = false;
    if (guard != NULL)
        bw_unix_close(guard);
}

static void end_round(struct bw_agent_asking *asking)
{
    let_guard_go(asking);
    plan_round(asking);
}

/* Also to who has come since: a guard that does not answer one says nothing to another. */
static void fail_round(struct bw_agent_asking *asking, const char *why)
{
    let_guard_go(asking);
    (void)uv_timer_stop(&asking->round); /* always 0 */
    say_unknown(asking, why);
}

static bool send_show(struct bw_agent_asking *asking, uint32_t group)
{
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_SHOW};
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    size_t size;

    asking->asked[asking->asked_count++] = group;
    return bw_copy_text(message.group, sizeof message.group, name_of(asking, group)) &&
           bw_guard_message_encode(&message, bytes, sizeof bytes, &size, NULL) == BW_OK &&
           bw_unix_send(asking->guard, bytes, size, NULL) == BW_OK;
}

/* About each group once, for all who have asked about it until now. */
static void on_connected(struct bw_unix_connection *connection, void *user)
{
    struct bw_agent_asking *asking = user;

    if (connection != asking->guard)
        return;
    for (size_t i = 0; i < QUESTIONS_MAX; i++) {
        const struct question *question = &asking->questions[i];

        if (question->on_shown == NULL || question->is_asked)
            continue;
        if (!send_show(asking, question->group)) {
            fail_round(asking, "the question could not be sent");
            return;
        }
        for (size_t j = i; j < QUESTIONS_MAX; j++)
            if (asking->questions[j].on_shown != NULL &&
                asking->questions[j].group == question->group)
                asking->questions[j].is_asked = true;
    }
    if (asking->asked_count == 0) /* they have gone meanwhile, or were told no */
        end_round(asking);
}

static void answer(struct bw_agent_asking *asking, uint32_t group,
                   const struct bw_guard_message *shown)
{
    for (size_t i = 0; i < QUESTIONS_MAX; i++) {
        struct question *question = &asking->questions[i];

        if (question->on_shown == NULL || !question->is_asked || question->group != group)
            continue;
        tell(asking, question, shown, NULL);
    }
}

/* The guard answers in order, and names no group that it does not know. */
static bool is_about(const struct bw_agent_asking *asking, const struct bw_guard_message *shown)
{
    return shown->kind == BW_GUARD_MESSAGE_SHOWN && asking->answered_count < asking->asked_count &&
           (shown->group[0] == '\0' ||
            strcmp(shown->group, name_of(asking, asking->asked[asking->answered_count])) == 0);
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct bw_agent_asking *asking = user;
    struct bw_guard_message shown;

    if (connection != asking->guard)
        return;
    if (asking->is_silent) { /* it answers again: what it says here is older than any request */
        end_round(asking);
        return;
    }
    if (bw_guard_message_decode(data, size, &shown, NULL) != BW_OK || !is_about(asking, &shown)) {
        fail_round(asking, "what it says is no answer");
        return;
    }
    answer(asking, asking->asked[asking->answered_count++], &shown);
    if (asking->answered_count == asking->asked_count)
        end_round(asking);
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct bw_agent_asking *asking = user;

    if (connection != asking->guard)
        return;
    asking->guard = NULL;
    fail_round(asking, err == BW_OK ? "it closed the connection" : diag->text);
}

static void begin_round(struct bw_agent_asking *asking)
{
    static const struct bw_unix_events events = {
        .on_connected = on_connected, .on_message = on_message, .on_closed = on_closed};
    struct bw_agent *agent = asking->agent;
    struct bw_diag diag = {0};

    asking->begun_ms = uv_now(&agent->loop);
    asking->asked_count = asking->answered_count = 0;
    if (bw_unix_connect(&agent->loop, agent->config->guard_socket, &events, asking, &asking->guard,
                        &diag) == BW_OK)
        return;
    asking->guard = NULL;
    fail_round(asking, diag.text);
}

static void on_round(uv_timer_t *timer)
{
    struct bw_agent_asking *asking = timer->data;

    if (asking->guard != NULL) {
        asking->is_silent = true;
        say_unknown(asking, IT_IS_LATE);
        return;
    }
    begin_round(asking);
    if (asking->guard != NULL)
        (void)uv_timer_start(timer, on_round, LIMIT_MS, 0); /* has a callback */
}

/* The next question, where somebody waits for one and none is under way. */
static void plan_round(struct bw_agent_asking *asking)
{
    const uint64_t now_ms = uv_now(&asking->agent->loop);
    const uint64_t next_ms = asking->begun_ms + ROUND_MS;

    if (asking->guard != NULL)
        return;
    if (any_waits(asking))
        (void)uv_timer_start(&asking->round, on_round, next_ms > now_ms ? next_ms - now_ms : 0, 0);
    else
        (void)uv_timer_stop(&asking->round); /* both have a callback, or are always 0 */
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct question *find(struct bw_agent_asking *asking, const void *request)
{
    for (size_t i = 0; i < QUESTIONS_MAX; i++)
        if (asking->questions[i].on_shown != NULL && asking->questions[i].request == request)
            return &asking->questions[i];
    return NULL;
}

void bw_agent_ask_guard(struct bw_agent *agent, uint32_t group, bw_agent_on_shown *on_shown,
                        void *request)
{
    struct bw_agent_asking *asking = agent->asking;

    if (asking->is_silent) {
        on_shown(agent, group, NULL, GUARD_SILENT IT_IS_LATE " and more", request);
        return;
    }
    for (size_t i = 0; i < QUESTIONS_MAX; i++)
        if (asking->questions[i].on_shown == NULL) {
            asking->questions[i] = (struct question){
                .on_shown = on_shown, .request = request, .group = group};
            plan_round(asking);
            return;
        }
    BW_ASSERT(false); /* there are as many as requests that wait for an answer */
}

void bw_agent_unask_guard(struct bw_agent *agent, const void *request)
{
    struct question *question = find(agent->asking, request);

    BW_ASSERT(question != NULL);
    question->on_shown = NULL;
}

void bw_agent_tell_all(struct bw_agent *agent, bw_agent_on_shown *on_shown, const char *why)
{
    struct bw_agent_asking *asking = agent->asking;

    for (size_t i = 0; i < QUESTIONS_MAX; i++)
        if (asking->questions[i].on_shown == on_shown)
            tell(asking, &asking->questions[i], NULL, why);
    plan_round(asking);
}

void bw_agent_asking_open(struct bw_agent *agent)
{
    struct bw_agent_asking *asking = calloc(1, sizeof *asking);

    BW_ASSERT(asking != NULL);
    agent->asking = asking;
    asking->agent = agent;
    BW_ASSERT(uv_timer_init(&agent->loop, &asking->round) == 0); /* it only notes it */
    asking->round.data = asking;
}

void bw_agent_asking_close(struct bw_agent *agent)
{
    let_guard_go(agent->asking);
    uv_close((uv_handle_t *)&agent->asking->round, NULL);
}

void bw_agent_asking_free(struct bw_agent *agent)
{
    free(agent->asking);
    agent->asking = NULL;
}
