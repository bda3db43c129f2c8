#include "at_site.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/unix_socket.h>
#include <breakwater/wire/guard_message.h>

#include "api.h"

/* ---- one connection, until it is over
 * -------------------------------------------------------------
 */

struct talk;
struct talk_part {
    void (*say)(struct talk *talk); /* the first */
    void (*hear)(struct talk *talk, const uint8_t *data, size_t size);
};

struct talk {
    const struct talk_part *part;
    void *of; /* the part's */
    uint32_t limit_ms;
    uv_loop_t loop;
    uv_timer_t timer;
    struct bw_unix_connection *connection;
    enum bw_err err;
    struct bw_diag *diag;
    bool is_over;
};

static void finish(struct talk *talk, enum bw_err err, const char *why)
{
    if (talk->is_over)
        return;
    talk->is_over = true;
    talk->err = err == BW_OK ? BW_OK : bw_diag_set(talk->diag, err, "%s", why);
    uv_close((uv_handle_t *)&talk->timer, NULL);
    if (talk->connection != NULL)
        bw_unix_close(talk->connection);
}

static void on_late(uv_timer_t *timer)
{
    struct talk *talk = timer->data;
    char why[64];

    (void)snprintf(why, sizeof why, "it has not answered for %" PRIu32 ".%" PRIu32 " s",
                   talk->limit_ms / 1000, talk->limit_ms % 1000 / 100);
    finish(talk, BW_ERR_TIMEOUT, why);
}

static void say(struct talk *talk, const void *data, size_t size)
{
    if (bw_unix_send(talk->connection, data, size, NULL) != BW_OK)
        finish(talk, BW_ERR_LIMIT, "the question is too long");
}

static void on_connected(struct bw_unix_connection *connection, void *user)
{
    struct talk *talk = user;

    (void)connection;
    talk->part->say(talk);
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct talk *talk = user;

    (void)connection;
    if (!talk->is_over)
        talk->part->hear(talk, data, size);
}

/* That it closes a connection is no sign that nobody listens: others may have taken the place. */
static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct talk *talk = user;

    (void)connection;
    talk->connection = NULL;
    finish(talk, err == BW_OK ? BW_ERR_BUSY : err,
           err == BW_OK ? "it closed the connection" : diag->text);
}

static enum bw_err talk_with(const char *path, const struct talk_part *part, void *of,
                             uint32_t limit_ms, struct bw_diag *diag)
{
    static const struct bw_unix_events events = {
        .on_connected = on_connected, .on_message = on_message, .on_closed = on_closed};
    struct talk talk = {.part = part, .of = of, .limit_ms = limit_ms, .diag = diag};
    enum bw_err err;

    BW_ASSERT(uv_loop_init(&talk.loop) == 0); /* a command without descriptors can do nothing */
    BW_ASSERT(uv_timer_init(&talk.loop, &talk.timer) == 0);
    talk.timer.data = &talk;
    BW_ASSERT(uv_timer_start(&talk.timer, on_late, limit_ms, 0) == 0);
    err = bw_unix_connect(&talk.loop, path, &events, &talk, &talk.connection, diag);
    if (err != BW_OK)
        finish(&talk, err, diag->text);
    (void)uv_run(&talk.loop, UV_RUN_DEFAULT); /* until all is closed */
    BW_ASSERT(uv_loop_close(&talk.loop) == 0);
    return talk.err;
}

/* ---- a question to the agent
 * ----------------------------------------------------------------------
 */

struct question {
    char *text;
    json_t *answer;
};

static void say_question(struct talk *talk)
{
    const struct question *question = talk->of;

    say(talk, question->text, strlen(question->text));
}

static void hear_answer(struct talk *talk, const uint8_t *data, size_t size)
{
    struct question *question = talk->of;

    question->answer = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(question->answer))
        finish(talk, BW_OK, "");
    else
        finish(talk, BW_ERR_CORRUPT, "its answer is invalid");
}

/* Waits some seconds for the answer of the agent, a JSON object that is the caller's.
 * BW_ERR_TIMEOUT, and what bw_unix_connect knows. */
static enum bw_err ask_site(const char *path, const json_t *request, json_t **out_answer,
                            struct bw_diag *diag)
{
    static const struct talk_part part = {say_question, hear_answer};
    struct question question = {.text = json_dumps(request, JSON_COMPACT)};
    enum bw_err err;

    BW_ASSERT(question.text != NULL);
    err = talk_with(path, &part, &question, BW_AT_SITE_WAIT_MS, diag);
    free(question.text);
    if (err == BW_OK)
        *out_answer = question.answer;
    else
        json_decref(question.answer);
    return err;
}

/* ---- what the guard shows
 * -------------------------------------------------------------------------
 */

#define AGAIN_MS 50 /* until the next try, where the guard has closed the connection */
#define GROUPS_MAX                                                                                 \
    (4 * BW_GROUPS_MAX) /* of those that no file names any more, some may be shown, too */

struct showing {
    const char *group; /* NULL: all */
    bw_at_site_hear hear;
    void *user;
    uint32_t count; /* heard */
};

static void ask_for(struct talk *talk, const char *group, bool is_next)
{
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_SHOW, .show.next = is_next};
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    size_t size;

    if (!bw_copy_text(message.group, sizeof message.group, group) ||
        bw_guard_message_encode(&message, bytes, sizeof bytes, &size, talk->diag) != BW_OK)
        finish(talk, BW_ERR_INVALID, "GROUP is not a valid name of a group");
    else
        say(talk, bytes, size);
}

static void say_show(struct talk *talk)
{
    const struct showing *showing = talk->of;

    ask_for(talk, showing->group != NULL ? showing->group : "", showing->group == NULL);
}

static void hear_shown(struct talk *talk, const uint8_t *data, size_t size)
{
    struct showing *showing = talk->of;
    struct bw_guard_message message;
    struct bw_diag diag = {0};
    const enum bw_err err = bw_guard_message_decode(data, size, &message, &diag);

    if (err != BW_OK || message.kind != BW_GUARD_MESSAGE_SHOWN) {
        finish(talk, err != BW_OK ? err : BW_ERR_CORRUPT,
               err != BW_OK ? diag.text : "its answer is invalid");
        return;
    }
    if (showing->group != NULL && message.group[0] != '\0' &&
        strcmp(message.group, showing->group) != 0) {
        finish(talk, BW_ERR_CORRUPT, "its answer is about another group");
        return;
    }
    showing->count++;
    showing->hear(&message, showing->user);
    if (showing->group != NULL || message.group[0] == '\0')
        finish(talk, BW_OK, "");
    else if (showing->count > GROUPS_MAX)
        finish(talk, BW_ERR_LIMIT, "it reports more groups than a guard can have");
    else
        ask_for(talk, message.group, true);
}

enum bw_err bw_at_site_show(const char *path, const char *group, uint32_t limit_ms,
                            bw_at_site_hear hear, void *user, struct bw_diag *diag)
{
    static const struct talk_part part = {say_show, hear_shown};
    struct showing showing = {.group = group, .hear = hear, .user = user};
    const uint64_t end_ms = bw_api_now_ms() + limit_ms;
    enum bw_err err;

    for (;;) {
        const uint64_t now_ms = bw_api_now_ms();

        err = talk_with(path, &part, &showing, now_ms < end_ms ? (uint32_t)(end_ms - now_ms) : 1,
                        diag);
        if ((err != BW_ERR_BUSY && err != BW_ERR_IO) || showing.count > 0 ||
            bw_api_now_ms() + AGAIN_MS >= end_ms)
            break;
        bw_api_pause(AGAIN_MS);
    }
    if (err == BW_ERR_BUSY)
        return bw_diag_set(diag, err,
                           "it closes the connection (an older release, or too many requests?)");
    return err;
}

/* ---- a verb at a site ------------------------------------------------------------------------ */

bool bw_at_site_is_named(const struct bw_at_site *at, const char *file)
{
    if (file == NULL)
        (void)bw_usage_error(at->command, "needs -c FILE: the site file of this site's agent");
    else if (!bw_name_is_valid(at->group))
        (void)bw_usage_error(at->command, "GROUP is not a valid name of a group");
    return file != NULL && bw_name_is_valid(at->group);
}

enum bw_exit bw_at_site_run(struct bw_at_site *at, const char *file, bool is_unasked, enum bw_exit (*go)(const void *run),
                            const void *run)
{
    struct bw_site_config *config;
    enum bw_exit status;

    if (!bw_confirm_is_possible(at->command, is_unasked))
        return BW_EXIT_USAGE;
    config = bw_site_config_take(file, BW_CONFIG_HERE, "nothing was changed");
    if (config == NULL)
        return BW_EXIT_CONFIG;
    at->config = config;
    if (bw_agent_socket_path(config, at->path))
        status = go(run);
    else
        status = bw_usage_error(at->command, "run_dir is too long for a socket in it");
    bw_site_config_free(config);
    return status;
}

json_t *bw_at_site_request(const struct bw_at_site *at, const char *verb, const char *reason)
{
    const struct passwd *entry = getpwuid(getuid());
    json_t *request = json_pack("{s:s, s:s, s:s, s:I, s:s*}", "verb", verb, "group", at->group, "by",
                                entry != NULL ? entry->pw_name : "an unnamed user", "boot_ms",
                                (json_int_t)bw_ns_to_ms(bw_clock_now().boot_ns), "reason", reason);

    if (request == NULL)
        (void)bw_usage_error(at->command, "--reason is not UTF-8");
    return request;
}

json_t *bw_at_site_answer(const struct bw_at_site *at, json_t *request, struct bw_diag *diag)
{
    json_t *answer = NULL;

    if (request != NULL && ask_site(at->path, request, &answer, diag) == BW_OK &&
        bw_json_member(answer, "error")[0] != '\0') {
        (void)fprintf(stderr, "error: %s: %s: %s; nothing was changed\n", at->command->name, at->group,
                      bw_json_member(answer, "error"));
        json_decref(answer);
        answer = NULL;
    }
    json_decref(request);
    return answer;
}

/* ---- whether the site follows ---- */

json_t *bw_followed_ask(const char *path)
{
    json_t *request = json_pack("{s:s, s:s}", "verb", "witnesses", "group", "");
    json_t *answer = NULL;
    struct bw_diag diag = {0};

    if (request != NULL && ask_site(path, request, &answer, &diag) != BW_OK)
        answer = NULL;
    json_decref(request);
    if (json_is_array(json_object_get(answer, "refused")))
        return answer;
    json_decref(answer);
    return NULL;
}

static bool is_of_ours(const json_t *answer, const json_t *witness)
{
    return strcmp(bw_json_member(witness, "cluster_id"), bw_json_member(answer, "cluster_id")) == 0;
}

/* The one whose way out counts: of this site's cluster, if any is. */
static const json_t *choose(const json_t *answer)
{
    const json_t *refused = json_object_get(answer, "refused");
    const json_t *witness;
    size_t i;

    json_array_foreach(refused, i, witness)
        if (is_of_ours(answer, witness))
            return witness;
    return json_array_get(refused, 0);
}

static void say_other_cluster(const json_t *answer, const json_t *witness, const char *before,
                              char out_what[BW_FOLLOWED_TEXT_BYTES], char out_fix[BW_FOLLOWED_TEXT_BYTES])
{
    const char *state = bw_json_member(answer, "state_dir");

    (void)snprintf(out_what, BW_FOLLOWED_TEXT_BYTES,
                   "%s is a witness of cluster %s, generation %" PRId64 "; this site follows cluster %s, generation %" PRId64,
                   bw_json_member(witness, "address"), bw_json_member(witness, "cluster_id"),
                   bw_json_number(witness, "generation"), bw_json_member(answer, "cluster_id"),
                   bw_json_number(answer, "generation"));
    (void)snprintf(out_fix, BW_FOLLOWED_TEXT_BYTES,
                   "%sif every witness was re-created, stop the service on this machine and re-create this site's state:"
                   "%s  systemctl stop breakwater-agent breakwater-guard"
                   "%s  rm -r %s/agent %s/guard"
                   "%s  systemctl start breakwater-guard breakwater-agent",
                   before, before, before, state, state, before);
}

static void say_generation(const json_t *answer, const json_t *witness, const char *before,
                           char out_what[BW_FOLLOWED_TEXT_BYTES], char out_fix[BW_FOLLOWED_TEXT_BYTES])
{
    const int64_t ours = bw_json_number(answer, "generation");
    const int64_t theirs = bw_json_number(witness, "generation");

    (void)snprintf(out_what, BW_FOLLOWED_TEXT_BYTES, "%s answers in generation %" PRId64 "; this site follows generation %" PRId64
                   " (%s)", bw_json_member(witness, "address"), theirs, ours, bw_json_member(witness, "why"));
    if (theirs < ours)
        (void)snprintf(out_fix, BW_FOLLOWED_TEXT_BYTES,
                       "%sstart the witness that was recovered last; or, on the only witness that is left, stopped, as its user:"
                       "%s  breakwater recover -c /etc/breakwater/witness.yaml --above %" PRId64, before, before, ours);
    else
        (void)snprintf(out_fix, BW_FOLLOWED_TEXT_BYTES,
                       "%sits certificate may be in wrong hands: revoke it (tls.revoked) at witnesses and sites, and replace "
                       "that witness", before);
}

bool bw_followed_is_none(const json_t *answer, const char *before, char out_what[BW_FOLLOWED_TEXT_BYTES],
                         char out_fix[BW_FOLLOWED_TEXT_BYTES])
{
    const json_t *witness = answer != NULL ? choose(answer) : NULL;

    if (witness == NULL || bw_json_number(answer, "silent_ms") < BW_WITNESSES_SILENT_MS)
        return false;
    if (is_of_ours(answer, witness))
        say_generation(answer, witness, before, out_what, out_fix);
    else
        say_other_cluster(answer, witness, before, out_what, out_fix);
    return true;
}
