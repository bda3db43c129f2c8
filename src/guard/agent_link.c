/* The agents that connect: at most one of them controls. Design 3.4. */
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>

/* A welcome of many groups is told as fast as it is read. */
#define WELCOME_QUEUE_BYTES_MAX (BW_UNIX_QUEUE_BYTES_MAX / 2)
#define WELCOME_PAUSE_NS        (2 * BW_NS_PER_MS)

static long pid_of(const struct bw_guard_peer *peer)
{
    return (long)bw_unix_peer_pid(peer->connection);
}

/* ---- sending ------------------------------------------------------------------------------- */

static void drop(struct bw_guard_peer *peer)
{
    peer->is_failing = true;
    bw_unix_close(peer->connection);
}

static void send_to(struct bw_guard_peer *peer, const struct bw_guard_message *message)
{
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;
    enum bw_err err;

    if (peer->is_failing)
        return;
    err = bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag);
    if (err == BW_OK)
        err = bw_unix_send(peer->connection, bytes, size, &diag);
    if (err == BW_OK)
        return;
    /* An agent that missed a message must not believe that it has heard everything. */
    bw_log_error(&peer->program->log, "agent.unreachable",
                 "pid=%ld error=%s does=\"its connection is closed\"", pid_of(peer),
                 bw_log_quote(diag.text));
    drop(peer);
}

/* NULL: it is closed. */
static struct bw_guard_peer *find(const struct bw_guard_program *program, uint64_t number)
{
    struct bw_guard_peer *peer = program->peers;

    while (peer != NULL && peer->number != number)
        peer = peer->next;
    return peer;
}

void bw_guard_agents_send(struct bw_guard_program *program, const struct bw_guard_message *message)
{
    struct bw_guard_peer *agent = find(program, program->machine.session.agent);

    if (agent != NULL)
        send_to(agent, message);
}

void bw_guard_agents_drop(struct bw_guard_program *program, uint64_t number)
{
    struct bw_guard_peer *peer = find(program, number);

    if (peer != NULL && !peer->is_failing)
        drop(peer);
}

/* ---- what machine/guard_session.h has to be done ------------------------------------------------ */

void bw_guard_agents_refuse_hello(struct bw_guard_program *program,
                                  const struct bw_session_refusal *refusal)
{
    const struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_HELLO_REFUSED,
                                             .refused.why = refusal->why};
    struct bw_guard_peer *peer = find(program, refusal->connection);

    if (peer == NULL)
        return;
    bw_log_warn(&program->log, "agent.refused", "pid=%ld site=%s generation=%" PRIu64 " why=%s",
                pid_of(peer), bw_log_quote(refusal->hello.site), refusal->hello.generation,
                bw_log_quote(refusal->text));
    send_to(peer, &message);
    if (!peer->is_failing)
        drop(peer); /* what the socket took, it delivers */
}

static void begin_pin(struct bw_guard_program *program)
{
    struct bw_guard_pin *pin = bw_worker_job(program->pins);

    pin->store = program->store;
    pin->store.cluster_id = program->machine.session.pinning.cluster_id;
    pin->store.generation = program->machine.session.pinning.generation;
    pin->diag = (struct bw_diag){0};
    bw_worker_begin(program->pins, bw_guard_store_pin);
}

static void say_welcome(struct bw_guard_peer *peer)
{
    struct bw_guard_program *program = peer->program;
    const struct bw_guard_session *session = &program->machine.session;
    const struct bw_guard_message welcome = {
        .kind = BW_GUARD_MESSAGE_WELCOME,
        .welcome = {.boot_id = session->own.boot_id,
                    .time_namespace = session->own.time_namespace,
                    .feature_level = BW_FEATURE_LEVEL_NEWEST}};
    char id[BW_ID_TEXT_BYTES];

    bw_id_format(session->hello.session, id);
    bw_log_info(&program->log, "agent.connected", "pid=%ld session=%s generation=%" PRIu64 "%s",
                pid_of(peer), id, session->hello.generation,
                session->replaces ? " replaces=yes" : "");
    send_to(peer, &welcome);
}

/* An agent that comes in the middle of a list. */
static void tell_steps(struct bw_guard_program *program)
{
    for (uint32_t i = 0; i < program->group_count; i++)
        bw_guard_steps_tell(&program->groups[i]->work[BW_GUARD_SLOT_ACTION]);
}

void bw_guard_agents_execute(struct bw_guard_program *program,
                               const struct bw_session_action *action)
{
    const struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_WELCOME_DONE};
    struct bw_guard_peer *peer = find(program, action->connection);

    if (action->kind == BW_SESSION_PIN)
        begin_pin(program);
    else if (action->kind == BW_SESSION_CLOSE)
        bw_guard_agents_drop(program, action->connection);
    else if (action->kind == BW_SESSION_WELCOME && peer != NULL)
        say_welcome(peer);
    else if (action->kind == BW_SESSION_DONE && peer != NULL) {
        send_to(peer, &done);
        tell_steps(program);
    }
}

bool bw_guard_agents_may_greet(struct bw_guard_program *program)
{
    const struct bw_guard_session *session = &program->machine.session;
    const struct bw_guard_peer *agent = find(program, session->agent);

    if (session->phase != BW_SESSION_GREETING || agent == NULL)
        return true;
    if (agent->is_failing)
        return false;
    if (bw_unix_queued_bytes(agent->connection) <= WELCOME_QUEUE_BYTES_MAX)
        return true;
    bw_deadline_set(&program->welcome_more, bw_instant_add(bw_clock_now(), WELCOME_PAUSE_NS),
                    BW_DEADLINE_WAIT);
    return false;
}

static void on_welcome_more(struct bw_deadline *deadline, void *user)
{
    (void)deadline;
    bw_guard_go_on(user, false);
}

static void on_pinned(void *of, void *user)
{
    struct bw_guard_program *program = user;
    const struct bw_guard_pin *pin = of;

    if (pin->err == BW_OK) {
        program->store.cluster_id = pin->store.cluster_id;
        program->store.generation = pin->store.generation;
    }
    bw_guard_machine_on_pinned(&program->machine, pin->err == BW_OK, pin->diag.text);
    bw_guard_go_on(program, false);
}

/* ---- messages ------------------------------------------------------------------------------ */

void bw_guard_agents_refuse(struct bw_guard_program *program,
                            const struct bw_guard_machine_action *action)
{
    struct bw_guard_peer *peer = find(program, action->connection);

    if (peer == NULL)
        return;
    bw_log_warn(&program->log, "agent.refused", "pid=%ld group=%s refusal=%s", pid_of(peer),
                action->message->group, bw_refusal_word(action->why));
    if (action->refusal != NULL)
        send_to(peer, action->refusal);
}

static bool is_an_agents(enum bw_guard_message_kind kind)
{
    return kind == BW_GUARD_MESSAGE_HELLO || kind == BW_GUARD_MESSAGE_ARM ||
           kind == BW_GUARD_MESSAGE_RUN || kind == BW_GUARD_MESSAGE_END ||
           kind == BW_GUARD_MESSAGE_LET_GO || kind == BW_GUARD_MESSAGE_PASS;
}

/* A new reader takes the place of the oldest where there are too many: they never keep an agent
 * out. */
static void limit_readers(struct bw_guard_program *program)
{
    uint32_t count = 0;

    for (struct bw_guard_peer *peer = program->peers; peer != NULL; peer = peer->next) {
        if (peer->is_reader && !peer->is_failing && ++count > BW_GUARD_READERS_MAX)
            drop(peer);
    }
}

/* Nothing is changed by it, and the machine does not hear of it. */
static void show(struct bw_guard_peer *peer, const struct bw_guard_message *message)
{
    struct bw_guard_message answer;

    peer->is_reader = true;
    limit_readers(peer->program);
    if (bw_unix_queued_bytes(peer->connection) > BW_GUARD_READER_BYTES_MAX) {
        drop(peer);
        return;
    }
    bw_guard_shown_answer(peer->program, message, &answer);
    send_to(peer, &answer);
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct bw_guard_peer *peer = user;
    struct bw_guard_program *program = peer->program;
    struct bw_guard_message message;
    struct bw_diag diag = {0};
    bool is_read;

    (void)connection;
    if (program->is_closing || peer->is_failing)
        return;
    is_read = bw_guard_message_decode(data, size, &message, &diag) == BW_OK;
    if (is_read && message.kind == BW_GUARD_MESSAGE_SHOW && !peer->is_agent) {
        show(peer, &message);
        return;
    }
    if (!is_read || !is_an_agents(message.kind) || peer->is_reader) {
        bw_log_warn(&program->log, "agent.protocol_error",
                    "pid=%ld error=%s does=\"its connection is closed\"", pid_of(peer),
                    bw_log_quote(diag.text[0] != '\0' ? diag.text : "not an agent's to say"));
        drop(peer);
        return;
    }
    peer->is_agent = true;
    if (message.kind == BW_GUARD_MESSAGE_ARM)
        BW_CRASH_POINT(GUARD_ON_ARM);
    bw_guard_machine_on_message(&program->machine, peer->number, &message);
    if (peer->number == program->machine.session.agent)
        program->agent_contact_at = bw_clock_now();
    bw_guard_go_on(program, false);
}

/* ---- connections --------------------------------------------------------------------------- */

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct bw_guard_peer *peer = user;
    struct bw_guard_program *program = peer->program;
    struct bw_guard_peer **link = &program->peers;

    (void)connection;
    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    if (err != BW_OK && err != BW_ERR_CANCELED && !peer->is_reader)
        bw_log_warn(&program->log, "agent.broken", "error=%s", bw_log_quote(diag->text));
    if (peer->number == program->machine.session.agent)
        bw_log_warn(&program->log, "agent.gone",
                    "does=\"goes on; what is armed is fenced at its deadline\"");
    bw_guard_machine_on_closed(&program->machine, peer->number);
    free(peer);
    bw_guard_go_on(program, false);
}

/* One that never says hello must not keep others out. */
static void limit_strangers(struct bw_guard_program *program)
{
    uint32_t count = 0;

    for (struct bw_guard_peer *peer = program->peers; peer != NULL; peer = peer->next) {
        if (peer->number == program->machine.session.agent || peer->is_failing || peer->is_reader ||
            ++count <= BW_GUARD_STRANGERS_MAX)
            continue;
        bw_log_warn(&program->log, "agent.silent",
                    "pid=%ld does=\"closed: %d others have connected since and none said hello\"",
                    pid_of(peer), BW_GUARD_STRANGERS_MAX);
        drop(peer);
    }
}

static const struct bw_unix_events *on_accepted(struct bw_unix_listener *listener,
                                                struct bw_unix_connection *connection, void *user,
                                                void **out_user)
{
    static const struct bw_unix_events events = {.on_message = on_message, .on_closed = on_closed};
    struct bw_guard_program *program = user;
    struct bw_guard_peer *peer = calloc(1, sizeof *peer);

    (void)listener;
    if (peer == NULL || program->is_closing) {
        free(peer);
        return NULL;
    }
    *peer = (struct bw_guard_peer){
        .program = program,
        .number = ++program->peer_count,
        .connection = connection,
        .next = program->peers};
    program->peers = peer;
    limit_strangers(program);
    *out_user = peer;
    return &events;
}

enum bw_err bw_guard_agents_listen(struct bw_guard_program *program, struct bw_diag *diag)
{
    enum bw_err err = bw_deadline_init(&program->welcome_more, &program->loop, on_welcome_more,
                                       program, diag);

    if (err != BW_OK)
        return err;
    program->has_welcome_more = true;
    err = bw_worker_open(&program->pins, &program->loop, sizeof(struct bw_guard_pin), NULL,
                         on_pinned, program, diag);
    if (err != BW_OK)
        return err;
    return bw_kept_listener_open(
        &program->socket, &program->loop,
        &(struct bw_kept_config){.path = program->config->guard_socket,
                                 .dir = program->config->run_dir, /* as store.c makes it at the start */
                                 .on_accepted = on_accepted,
                                 .user = program,
                                 .log = &program->log},
        diag);
}

void bw_guard_agents_close(struct bw_guard_program *program)
{
    bw_kept_listener_close(&program->socket);
    for (struct bw_guard_peer *peer = program->peers; peer != NULL; peer = peer->next)
        drop(peer);
    if (program->has_welcome_more)
        bw_deadline_close(&program->welcome_more, NULL);
    program->has_welcome_more = false;
}
