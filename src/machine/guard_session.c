/* Which agent controls a guard: hello, and what the others are told (3.4, 3.9). */
#include <breakwater/machine/guard_session.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/counters.h>

void bw_guard_session_init(struct bw_guard_session *session, const struct bw_guard_identity *own)
{
    memset(session, 0, sizeof *session);
    session->own = *own;
}

/* ---- hello ----------------------------------------------------------------------------------- */

/* NULL: it is welcome. Otherwise what is wrong, and `out_why`. */
static const char *judge(const struct bw_guard_identity *own, const struct bw_guard_hello *hello,
                         enum bw_refusal *out_why)
{
    const bool is_pinned = !bw_id_is_none(own->cluster_id);

    *out_why = BW_REFUSAL_NO_HELLO;
    if (bw_id_is_none(hello->session) || bw_id_is_none(hello->instance))
        return "it has no session or no instance";
    if (!bw_id_equal(hello->boot_id, own->boot_id) || hello->time_namespace != own->time_namespace)
        return "its clocks are of another boot or time namespace than this guard's";
    *out_why = BW_REFUSAL_WRONG_INSTANCE;
    if (strcmp(hello->site, own->site) != 0)
        return "it is of another site";
    if (hello->generation > BW_GENERATION_MAX) {
        *out_why = BW_REFUSAL_NO_HELLO;
        return "its cluster's generation is above all that a cluster comes to: it was made up";
    }
    if (bw_id_is_none(hello->cluster_id))
        return NULL; /* no witness has answered it yet: it has nothing to arm */
    if (is_pinned && !bw_id_equal(hello->cluster_id, own->cluster_id))
        return "it is of another cluster than this guard's state directory";
    *out_why = BW_REFUSAL_OLD_EPOCH;
    if (is_pinned && hello->generation < own->generation)
        return "its cluster's generation is lower than one seen here (was it restored?)";
    return NULL;
}

/* From here on agents of another cluster, or of a lower generation, are refused. */
static bool is_pinned_to(const struct bw_guard_identity *own, const struct bw_guard_hello *hello)
{
    return bw_id_is_none(hello->cluster_id) || (bw_id_equal(own->cluster_id, hello->cluster_id) &&
                                                own->generation == hello->generation);
}

bool bw_guard_session_on_hello(struct bw_guard_session *session, uint64_t connection,
                               const struct bw_guard_hello *hello,
                               struct bw_session_refusal *out_refusal)
{
    enum bw_refusal why;
    const char *text = judge(&session->own, hello, &why);

    BW_ASSERT(connection != 0);
    if (text != NULL) {
        *out_refusal = (struct bw_session_refusal){
            .connection = connection, .hello = *hello, .why = why, .text = text};
        return false;
    }
    if (!is_pinned_to(&session->own, hello)) {
        session->pin_from = connection; /* the newest; whoever controls until then goes on */
        session->pin_hello = *hello;
        session->wants_pin = !session->is_pinning; /* else it is judged again when that is written */
        return true;
    }
    session->pin_from = 0; /* an older hello, if one waits, is over with this one */
    session->hello = *hello;
    session->next_agent = connection;
    session->replaces = session->agent != 0 && session->agent != connection;
    session->phase = session->replaces ? BW_SESSION_REPLACING : BW_SESSION_VOIDING;
    return true;
}

bool bw_guard_session_on_pinned(struct bw_guard_session *session, bool ok, const char *text,
                                struct bw_session_refusal *out_refusal)
{
    const struct bw_guard_hello hello = session->pin_hello;
    const uint64_t from = session->pin_from;

    BW_ASSERT(session->is_pinning);
    session->is_pinning = false;
    session->pin_from = 0;
    if (ok) {
        session->own.cluster_id = session->pinning.cluster_id;
        session->own.generation = session->pinning.generation;
    }
    if (from == 0)
        return true; /* it was closed meanwhile */
    if (ok)
        return bw_guard_session_on_hello(session, from, &hello, out_refusal);
    *out_refusal = (struct bw_session_refusal){
        .connection = from, .hello = hello, .why = BW_REFUSAL_NOT_DURABLE, .text = text};
    return false;
}

void bw_guard_session_on_closed(struct bw_guard_session *session, uint64_t connection)
{
    BW_ASSERT(connection != 0);
    if (connection == session->pin_from)
        session->pin_from = 0;
    if (connection == session->next_agent)
        session->next_agent = 0; /* whom it replaces does not come back */
    if (connection != session->agent)
        return;
    session->agent = 0;
    if (session->phase == BW_SESSION_REPLACING)
        session->phase = BW_SESSION_VOIDING;
    else if (session->phase != BW_SESSION_VOIDING)
        session->phase = BW_SESSION_ENDING;
}

/* ---- what is next ---------------------------------------------------------------------------- */

static bool begin_pin(struct bw_guard_session *session)
{
    if (!session->wants_pin)
        return false;
    session->wants_pin = false;
    if (session->pin_from == 0)
        return false; /* it was closed meanwhile */
    session->is_pinning = true;
    session->pinning.cluster_id = session->pin_hello.cluster_id;
    session->pinning.generation = session->pin_hello.generation;
    return true;
}

/* What groups were told by an older connection is void (3.4). */
static bool replace_next(struct bw_guard_session *session, uint32_t group_count, bool may_greet,
                         struct bw_session_action *out)
{
    switch (session->phase) {
    case BW_SESSION_REPLACING:
        session->phase = BW_SESSION_VOIDING;
        out->kind = BW_SESSION_CLOSE;
        out->connection = session->agent;
        session->agent = 0;
        return true;
    case BW_SESSION_VOIDING:
        session->phase = session->next_agent != 0 ? BW_SESSION_PROVING : BW_SESSION_AT_REST;
        session->agent = 0; /* also where it says hello once more */
        out->kind = BW_SESSION_GONE;
        return true;
    case BW_SESSION_PROVING:
        session->phase = BW_SESSION_WELCOMING;
        out->kind = BW_SESSION_PROVE;
        return true;
    case BW_SESSION_WELCOMING:
        session->phase = session->next_agent != 0 ? BW_SESSION_GREETING : BW_SESSION_AT_REST;
        session->agent = session->next_agent;
        session->next_agent = 0;
        session->greeted_count = 0;
        if (session->agent == 0)
            return false; /* it has ended meanwhile */
        out->kind = BW_SESSION_WELCOME;
        out->connection = session->agent;
        return true;
    case BW_SESSION_GREETING:
        if (!may_greet)
            return false;
        out->connection = session->agent;
        out->kind = BW_SESSION_GREET;
        out->group = session->greeted_count;
        if (session->greeted_count++ < group_count)
            return true;
        session->phase = BW_SESSION_AT_REST;
        out->kind = BW_SESSION_DONE;
        return true;
    case BW_SESSION_ENDING:
        session->phase = BW_SESSION_AT_REST;
        out->kind = BW_SESSION_GONE;
        return true;
    case BW_SESSION_AT_REST:
        break;
    }
    return false;
}

bool bw_guard_session_next(struct bw_guard_session *session, uint32_t group_count, bool may_greet,
                           struct bw_session_action *out_action)
{
    *out_action = (struct bw_session_action){.connection = 0};
    if (begin_pin(session)) {
        out_action->kind = BW_SESSION_PIN;
        return true;
    }
    return replace_next(session, group_count, may_greet, out_action);
}

/* ---- refusals -------------------------------------------------------------------------------- */

bool bw_guard_refuse(const struct bw_guard_message *message, enum bw_refusal why,
                     struct bw_guard_message *out_answer)
{
    *out_answer = (struct bw_guard_message){.epoch = message->epoch};
    memcpy(out_answer->group, message->group, sizeof out_answer->group);
    if (message->kind == BW_GUARD_MESSAGE_ARM) {
        out_answer->kind = BW_GUARD_MESSAGE_ARM_REFUSED;
        out_answer->epoch = message->arm.epoch;
        out_answer->refused.number = message->arm.number;
        out_answer->refused.why = why;
    } else if (message->kind == BW_GUARD_MESSAGE_RUN) {
        out_answer->kind = BW_GUARD_MESSAGE_RUN_ENDED;
        out_answer->ended = (struct bw_guard_run_ended){.epoch = message->run.epoch,
                                                        .action = message->run.action,
                                                        .run_id = message->run.run_id,
                                                        .result = BW_RUN_REFUSED,
                                                        .refusal = why,
                                                        .exit_status = -1};
    } else if (message->kind == BW_GUARD_MESSAGE_END) {
        out_answer->kind = BW_GUARD_MESSAGE_END_REFUSED;
        out_answer->refused.why = why;
    } else {
        return false;
    }
    return true;
}
