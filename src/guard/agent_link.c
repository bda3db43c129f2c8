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

void bw_guard_agents_send(struct bw_guard_program *program, const struct bw_guard_message *message)
{
    if (program->agent != NULL)
        send_to(program->agent, message);
}

void bw_guard_agents_greet_again(struct bw_guard_program *program)
{
    if (program->agent != NULL && !program->agent->is_failing)
        drop(program->agent);
}

/* ---- hello --------------------------------------------------------------------------------- */

/* NULL: it is welcome. Otherwise what is wrong, and `out_why`. */
static const char *judge_hello(const struct bw_guard_program *program,
                               const struct bw_guard_hello *hello, enum bw_refusal *out_why)
{
    const struct bw_guard_store *store = &program->store;
    const bool is_pinned = !bw_id_is_none(store->cluster_id);

    if (bw_id_is_none(hello->session) || bw_id_is_none(hello->instance)) {
        *out_why = BW_REFUSAL_NO_HELLO;
        return "it has no session or no instance";
    }
    if (!bw_id_equal(hello->boot_id, store->boot_id) ||
        hello->time_namespace != store->time_namespace) {
        *out_why = BW_REFUSAL_NO_HELLO;
        return "its clocks are of another boot or time namespace than this guard's";
    }
    if (strcmp(hello->site, store->site) != 0) {
        *out_why = BW_REFUSAL_WRONG_INSTANCE;
        return "it is of another site";
    }
    if (bw_id_is_none(hello->cluster_id))
        return NULL; /* no witness has answered it yet: it has nothing to arm */
    if (is_pinned && !bw_id_equal(hello->cluster_id, store->cluster_id)) {
        *out_why = BW_REFUSAL_WRONG_INSTANCE;
        return "it is of another cluster than this guard's state directory";
    }
    if (is_pinned && hello->generation < store->generation) {
        *out_why = BW_REFUSAL_OLD_EPOCH;
        return "its cluster's generation is lower than one seen here (was it restored?)";
    }
    return NULL;
}

static void refuse_hello(struct bw_guard_peer *peer, const struct bw_guard_hello *hello,
                         enum bw_refusal why, const char *text)
{
    const struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_HELLO_REFUSED,
                                             .refused.why = why};

    bw_log_warn(&peer->program->log, "agent.refused",
                "pid=%ld site=%s generation=%" PRIu64 " why=%s", pid_of(peer),
                bw_log_quote(hello->site), hello->generation, bw_log_quote(text));
    send_to(peer, &message);
    if (!peer->is_failing)
        drop(peer); /* what the socket took, it delivers */
}

/* What groups were told by an older connection is void (3.4). */
static void forget_agent(struct bw_guard_program *program)
{
    const struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};

    program->agent = NULL;
    bw_deadline_clear(&program->welcome_more);
    for (uint32_t i = 0; i < program->place_count && !program->is_closing; i++)
        bw_guard_place_step(program->places[i], &gone);
}

static void continue_welcome(struct bw_guard_program *program)
{
    const struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_WELCOME_DONE};
    struct bw_guard_peer *agent = program->agent;
    struct bw_guard_place *place;
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_HELLO, .hello = program->hello};

    while (!agent->is_failing && program->welcomed_count < program->place_count) {
        if (bw_unix_queued_bytes(agent->connection) > WELCOME_QUEUE_BYTES_MAX) {
            bw_deadline_set(&program->welcome_more,
                            bw_instant_add(bw_clock_now(), WELCOME_PAUSE_NS), BW_DEADLINE_WAIT);
            return;
        }
        place = program->places[program->welcomed_count++];
        if (bw_guard_place_is_nobodys(place))
            continue;
        bw_guard_place_step(place, &event);
        if (program->is_closing)
            return;
    }
    send_to(agent, &done);
}

static void on_welcome_more(struct bw_deadline *deadline, void *user)
{
    struct bw_guard_program *program = user;

    (void)deadline;
    if (program->agent != NULL && !program->is_closing)
        continue_welcome(program);
}

/* 3.9: which cluster a guard serves is durable before an agent of it is welcome. */
static void begin_pin(struct bw_guard_program *program)
{
    const struct bw_guard_store *store = &program->store;
    struct bw_guard_pin *pin;

    if (bw_worker_is_busy(program->pins))
        return; /* when that is written, this hello is judged again */
    pin = calloc(1, sizeof *pin);
    BW_ASSERT(pin != NULL);
    pin->state_dir = store->state_dir;
    memcpy(pin->state_path, store->state_path, sizeof pin->state_path);
    memcpy(pin->site, store->site, sizeof pin->site);
    pin->cluster_id = program->pin_hello.cluster_id;
    pin->generation = program->pin_hello.generation;
    program->pin = pin;
    bw_worker_begin(program->pins, bw_guard_store_pin, pin);
}

static void on_hello(struct bw_guard_peer *peer, const struct bw_guard_hello *hello)
{
    struct bw_guard_program *program = peer->program;
    struct bw_guard_peer *before = program->agent;
    const struct bw_guard_message welcome = {
        .kind = BW_GUARD_MESSAGE_WELCOME,
        .welcome = {.boot_id = program->store.boot_id,
                    .time_namespace = program->store.time_namespace,
                    .feature_level = BW_FEATURE_LEVEL_NEWEST}};
    char session[BW_ID_TEXT_BYTES];
    enum bw_refusal why = BW_REFUSAL_NONE;
    const char *text = judge_hello(program, hello, &why);

    if (text != NULL) {
        refuse_hello(peer, hello, why, text);
        return;
    }
    if (!bw_id_is_none(hello->cluster_id) &&
        !bw_guard_store_is_pinned(&program->store, hello->cluster_id, hello->generation)) {
        program->pin_peer = peer; /* the newest; whoever controls until then goes on */
        program->pin_hello = *hello;
        begin_pin(program);
        return;
    }
    program->pin_peer = NULL; /* an older hello, if one waits, is over with this one */
    bw_id_format(hello->session, session);
    bw_log_info(&program->log, "agent.welcome", "pid=%ld session=%s generation=%" PRIu64 "%s",
                pid_of(peer), session, hello->generation,
                before != NULL && before != peer ? " replaces=yes" : "");
    if (before != NULL && before != peer)
        drop(before);
    forget_agent(program);
    for (uint32_t i = 0; i < program->place_count; i++)
        bw_guard_place_prove(program->places[i]);
    program->agent = peer;
    program->hello = *hello;
    program->welcomed_count = 0;
    send_to(peer, &welcome);
    continue_welcome(program);
}

static void on_pinned(void *of, void *user)
{
    struct bw_guard_program *program = user;
    struct bw_guard_pin *pin = of;
    struct bw_guard_peer *peer = program->pin_peer;

    program->pin = NULL;
    program->pin_peer = NULL;
    bw_guard_program_serve_deadlines(program);
    if (pin->err == BW_OK) {
        program->store.cluster_id = pin->cluster_id;
        program->store.generation = pin->generation;
    }
    if (peer != NULL && !peer->is_failing && !program->is_closing) {
        if (pin->err == BW_OK)
            on_hello(peer, &program->pin_hello);
        else
            refuse_hello(peer, &program->pin_hello, BW_REFUSAL_NOT_DURABLE, pin->diag.text);
    }
    free(pin);
}

/* ---- messages ------------------------------------------------------------------------------ */

/* What no machine hears: before a hello, or about a group that is not in our file. */
static void refuse(struct bw_guard_peer *peer, const struct bw_guard_message *message,
                   enum bw_refusal why)
{
    struct bw_guard_message answer = {.epoch = message->epoch};

    memcpy(answer.group, message->group, sizeof answer.group);
    bw_log_warn(&peer->program->log, "agent.refused", "pid=%ld group=%s why=%s", pid_of(peer),
                message->group, bw_refusal_word(why));
    switch (message->kind) {
    case BW_GUARD_MESSAGE_ARM:
        answer.kind = BW_GUARD_MESSAGE_ARM_REFUSED;
        answer.epoch = message->arm.epoch;
        answer.refused.number = message->arm.number;
        answer.refused.why = why;
        break;
    case BW_GUARD_MESSAGE_RUN:
        answer.kind = BW_GUARD_MESSAGE_RUN_ENDED;
        answer.ended = (struct bw_guard_run_ended){.epoch = message->run.epoch,
                                                   .action = message->run.action,
                                                   .run_id = message->run.run_id,
                                                   .result = BW_RUN_REFUSED,
                                                   .refusal = why,
                                                   .exit_status = -1};
        break;
    case BW_GUARD_MESSAGE_END:
        answer.kind = BW_GUARD_MESSAGE_END_REFUSED;
        answer.refused.why = why;
        break;
    default: /* a let-go has no refusal: its agent asks again */
        return;
    }
    send_to(peer, &answer);
}

static bool is_an_agents(enum bw_guard_message_kind kind)
{
    return kind == BW_GUARD_MESSAGE_HELLO || kind == BW_GUARD_MESSAGE_ARM ||
           kind == BW_GUARD_MESSAGE_RUN || kind == BW_GUARD_MESSAGE_END ||
           kind == BW_GUARD_MESSAGE_LET_GO;
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct bw_guard_peer *peer = user;
    struct bw_guard_program *program = peer->program;
    struct bw_guard_message message;
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MESSAGE, .message = &message};
    struct bw_guard_place *place;
    struct bw_diag diag = {0};

    (void)connection;
    bw_guard_program_serve_deadlines(program);
    if (program->is_closing || peer->is_failing)
        return;
    if (bw_guard_message_decode(data, size, &message, &diag) != BW_OK ||
        !is_an_agents(message.kind)) {
        bw_log_warn(&program->log, "agent.senseless",
                    "pid=%ld error=%s does=\"its connection is closed\"", pid_of(peer),
                    bw_log_quote(diag.text[0] != '\0' ? diag.text : "not an agent's to say"));
        drop(peer);
        return;
    }
    if (message.kind == BW_GUARD_MESSAGE_HELLO) {
        on_hello(peer, &message.hello);
        return;
    }
    if (message.kind == BW_GUARD_MESSAGE_ARM)
        BW_CRASH_POINT(GUARD_ON_ARM);
    place = bw_guard_program_find(program, message.group);
    if (peer != program->agent)
        refuse(peer, &message, BW_REFUSAL_NO_HELLO);
    else if (place == NULL || bw_guard_place_is_nobodys(place))
        refuse(peer, &message, BW_REFUSAL_NO_GROUP);
    else
        bw_guard_place_step(place, &event);
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
    if (err != BW_OK && err != BW_ERR_CANCELED)
        bw_log_warn(&program->log, "agent.broken", "error=%s", bw_log_quote(diag->text));
    if (peer == program->pin_peer)
        program->pin_peer = NULL;
    if (peer == program->agent) {
        bw_log_warn(&program->log, "agent.gone",
                    "does=\"goes on; what is armed is fenced at its deadline\"");
        forget_agent(program);
    }
    free(peer);
}

/* One that never says hello must not keep others out. */
static void limit_strangers(struct bw_guard_program *program)
{
    uint32_t count = 0;

    for (struct bw_guard_peer *peer = program->peers; peer != NULL; peer = peer->next) {
        if (peer == program->agent || peer->is_failing || ++count <= BW_GUARD_STRANGERS_MAX)
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
        .program = program, .connection = connection, .next = program->peers};
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
    err = bw_worker_open(&program->pins, &program->loop, on_pinned, program, diag);
    if (err != BW_OK)
        return err;
    err = bw_unix_listen(&program->listener, &program->loop, program->config->guard_socket,
                         on_accepted, program, diag);
    program->is_listening = err == BW_OK;
    return err;
}

void bw_guard_agents_close(struct bw_guard_program *program)
{
    if (program->is_listening)
        bw_unix_listener_close(&program->listener, NULL);
    program->is_listening = false;
    for (struct bw_guard_peer *peer = program->peers; peer != NULL; peer = peer->next)
        drop(peer);
    program->agent = NULL;
    program->pin_peer = NULL;
    program->is_pinning = program->pins != NULL && bw_worker_close(program->pins);
    program->pins = NULL;
    if (!program->is_pinning)
        free(program->pin);
    if (program->has_welcome_more)
        bw_deadline_close(&program->welcome_more, NULL);
    program->has_welcome_more = false;
}
