/* consent.c - before a person's order is carried out, the other witnesses are asked whether they
 * would let him. Design 5.3. Each judges by its own file, and a leader that has not reread its own
 * yet would let in whom the others refuse: so one no is enough. Who is not heard, does not answer
 * within a second, or is of a release that knows no such question, has no say: at night one witness
 * may be down. That a question could not be put, for want of room here, is no silence of theirs:
 * the order is refused. What can be refused without asking is refused first, and of one person the
 * others are asked about one order at a time: whoever may order little leaves room to those who may
 * order the rest. */
#include "consent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/machine/witness_operator.h>
#include <breakwater/net/revoked.h>

#include "api_operator.h"

#define CONSENT_MS       1000
#define CONNECT_MS       1000
#define ANSWER_BYTES_MAX 4096

/* So many orders are asked about at once, each of another person; others wait, for their own
 * person's turn TURN_MS and for room ROOM_MS at most, and are looked at again every LOOK_MS. */
#define CONSENTS_MAX 4
#define TURN_MS      4000
#define ROOM_MS      500
#define LOOK_MS      20
#define BACK_MS      1 /* to the loop, from inside the client */

_Static_assert(CONSENTS_MAX *(BW_WITNESSES_MAX - 1) < BW_HTTP_EXCHANGES_MAX,
               "the client takes them all, and has room for what else it sends");

struct asked {
    struct bw_consent *consent;
    struct bw_http_exchange *exchange; /* NULL: not asked, or it has ended */
    char name[BW_NAME_MAX + 1];
};

struct bw_consent {
    struct bw_program *program;
    struct bw_http_request *request;
    bw_http_handler *handler;
    char *question;
    char who[BW_PERSON_TEXT_BYTES];
    uint64_t turn_until_ms;  /* uv_now: how long it waits for an earlier order of the same person */
    uint64_t room_until_ms;  /* and how long for room, once that has ended */
    bool is_counted;         /* in the program's, until it ends */
    struct bw_consent *next; /* of those */
    struct asked asked[BW_WITNESSES_MAX];
    struct bw_http_refused refused; /* error "": nobody says no */
};

static void on_gone(struct bw_http_request *request, void *user);
static void on_deadline(struct bw_http_request *request, void *user);

static const struct bw_http_later later = {.on_gone = on_gone, .on_deadline = on_deadline};

/* ---- the end ---- */

static void forget(struct bw_consent *consent)
{
    struct bw_consent **at = &consent->program->consents;

    if (!consent->is_counted)
        return;
    while (*at != consent)
        at = &(*at)->next;
    *at = consent->next;
}

/* Nobody is heard any more. */
static void free_consent(struct bw_consent *consent)
{
    for (size_t i = 0; i < BW_WITNESSES_MAX; i++) {
        struct bw_http_exchange *exchange = consent->asked[i].exchange;

        consent->asked[i].exchange = NULL; /* on_answered, which this calls, sees that it is over */
        if (exchange != NULL)
            bw_http_exchange_cancel(exchange);
    }
    forget(consent);
    free(consent->question);
    free(consent);
}

/* Its time counts as that of orders (reads.h). */
static void carry_out(struct bw_program *program, struct bw_http_request *request, bw_http_handler *handler)
{
    const struct bw_read_clock clock = bw_reads_order_clock(program, request);

    handler(request, program);
    bw_reads_written(program, &clock);
}

static void conclude(struct bw_consent *consent)
{
    struct bw_http_request *request = consent->request;
    struct bw_program *program = consent->program;
    bw_http_handler *handler = consent->handler;
    struct bw_http_refused refused = consent->refused;

    free_consent(consent);
    /* Our own file may have been reread meanwhile. */
    if (refused.error[0] == '\0' && bw_people_may(request, &refused, program))
        carry_out(program, request, handler);
    else
        bw_http_respond_error(request, 403, refused.error, refused.hint);
}

static void refuse_for_now(struct bw_consent *consent, const char *why)
{
    struct bw_http_request *request = consent->request;

    free_consent(consent);
    bw_operator_refuse(request, 503, "busy", why, "nothing was changed; again in a moment");
}

/* ---- asking ---- */

static bool is_pending(const struct bw_consent *consent)
{
    for (size_t i = 0; i < BW_WITNESSES_MAX; i++)
        if (consent->asked[i].exchange != NULL)
            return true;
    return false;
}

static void note_no(struct bw_consent *consent, const char *witness, const char *why)
{
    (void)snprintf(consent->refused.error, sizeof consent->refused.error, "%s says no: %.160s",
                   witness, why);
    (void)snprintf(consent->refused.hint, sizeof consent->refused.hint,
                   "the witnesses' files differ, or this one was not reread: breakwater check of all of "
                   "them together; a witness whose word is not to count: tls.revoked");
}

/* True: somebody there refuses. What is no yes is a no. */
static bool is_no(const struct bw_http_answer *answer, char *out_why, size_t size)
{
    json_t *body;
    const char *why;
    bool is_yes;

    if (answer->err != BW_OK || answer->status != 200)
        return false; /* silence */
    body = json_loadb(answer->body, answer->body_size, 0, NULL);
    why = json_string_value(json_object_get(body, "why"));
    is_yes = json_is_true(json_object_get(body, "may"));
    (void)snprintf(out_why, size, "%s", why != NULL ? why : "it gives no reason");
    json_decref(body);
    return !is_yes;
}

static void on_answered(void *user, const struct bw_http_answer *answer)
{
    struct asked *asked = user;
    struct bw_consent *consent = asked->consent;
    char why[192];

    if (asked->exchange == NULL)
        return; /* it is over */
    asked->exchange = NULL;
    if (is_no(answer, why, sizeof why))
        note_no(consent, asked->name, why);
    /* Not from here: a reload that trusts that witness no more is in the middle of its work. */
    if (consent->refused.error[0] != '\0' || !is_pending(consent))
        bw_http_defer(consent->request, BACK_MS, &later, consent);
}

/* False: there is no room for the question. One that has no usable address is silent. */
static bool ask_one(struct bw_consent *consent, size_t number,
                    const struct bw_witness_member_config *member)
{
    struct asked *asked = &consent->asked[number];
    char url[BW_ADDRESS_MAX + 64];
    struct bw_diag diag = {0};
    const struct bw_http_call call = {.method = "POST",
                                      .url = url,
                                      .content_type = BW_JSON_TYPE,
                                      .body = consent->question,
                                      .body_size = strlen(consent->question),
                                      .timeout_ms = CONSENT_MS,
                                      .connect_timeout_ms = CONNECT_MS,
                                      .response_bytes_max = ANSWER_BYTES_MAX};

    (void)snprintf(url, sizeof url, "https://%s/v1/people/may", member->address);
    (void)snprintf(asked->name, sizeof asked->name, "%s", member->name);
    asked->consent = consent;
    asked->exchange = bw_http_client_send(&consent->program->relay, &call, on_answered, asked,
                                          &diag);
    return asked->exchange != NULL || diag.err == BW_ERR_INVALID;
}

static bool ask_all(struct bw_consent *consent)
{
    const struct bw_program *program = consent->program;
    struct bw_node_status status;
    bool are_asked = true;

    bw_node_get_status(program->node, &status);
    for (unsigned i = 0; i < status.peer_count && i < BW_WITNESSES_MAX; i++) {
        const struct bw_witness_member_config *member =
            bw_program_member(program, status.peers[i].id);

        if (bw_members_hears(program, &status.peers[i]) && member != NULL &&
            !bw_program_is_self(program, member))
            are_asked = ask_one(consent, i, member) && are_asked;
    }
    return are_asked;
}

static bool is_persons_turn(const struct bw_consent *consent)
{
    for (const struct bw_consent *at = consent->program->consents; at != NULL; at = at->next)
        if (strcmp(at->who, consent->who) == 0)
            return false;
    return true;
}

static bool is_room(const struct bw_program *program)
{
    unsigned count = 0;

    for (const struct bw_consent *at = program->consents; at != NULL; at = at->next)
        count++;
    return count < CONSENTS_MAX;
}

/* NULL: go on. "": not yet. Else why it is refused. */
static const char *waits_for(struct bw_consent *consent)
{
    const uint64_t now_ms = uv_now(&consent->program->loop);

    if (!is_persons_turn(consent)) {
        consent->room_until_ms = now_ms + ROOM_MS;
        return now_ms < consent->turn_until_ms
                   ? ""
                   : "the other witnesses are still being asked about earlier orders of yours";
    }
    if (is_room(consent->program))
        return NULL;
    return now_ms < consent->room_until_ms
               ? ""
               : "the other witnesses are still being asked about other orders";
}

/* Asks, as soon as it may. */
static void go_on(struct bw_consent *consent)
{
    struct bw_program *program = consent->program;
    const char *why = waits_for(consent);

    if (why != NULL && why[0] != '\0')
        refuse_for_now(consent, why);
    else if (why != NULL)
        bw_http_defer(consent->request, LOOK_MS, &later, consent);
    if (why != NULL)
        return;
    consent->next = program->consents;
    program->consents = consent;
    consent->is_counted = true;
    if (!ask_all(consent))
        refuse_for_now(consent, "the other witnesses could not be asked");
    else if (!is_pending(consent))
        conclude(consent);
    else
        bw_http_defer(consent->request, CONSENT_MS, &later, consent);
}

static void on_gone(struct bw_http_request *request, void *user)
{
    (void)request;
    free_consent(user);
}

/* Who was silent has no say. */
static void on_deadline(struct bw_http_request *request, void *user)
{
    struct bw_consent *consent = user;

    (void)request;
    if (consent->is_counted)
        conclude(consent);
    else
        go_on(consent);
}

/* ---- the question ---- */

static json_t *groups_of(const struct bw_http_request *request, const json_t *body)
{
    json_t *names = json_array();
    json_t *group;
    size_t i;

    if (request->route->about == BW_HTTP_ABOUT_GROUP)
        return bw_json_append(names, bw_json_text(request->segments[0]));
    if (request->route->about != BW_HTTP_ABOUT_GROUPS)
        return names;
    json_array_foreach(json_object_get(body, "groups"), i, group) {
        const char *name = json_string_value(json_object_get(group, "name"));

        if (name != NULL)
            names = bw_json_append(names, json_string(name));
    }
    return names;
}

/* Takes `groups`. NULL: no memory. */
static char *write_question(const struct bw_http_request *request, json_t *groups)
{
    char who[BW_PERSON_TEXT_BYTES];
    char serial[BW_REVOKED_SERIAL_BYTES];
    json_t *question;
    char *text;

    bw_people_name(request->peer, who);
    bw_revoked_format_serial(request->certificate, serial);
    question = json_pack("{s:s, s:s, s:b, s:o}", "who", who, "certificate", serial, "cluster",
                         request->route->about == BW_HTTP_ABOUT_CLUSTER, "groups", groups);
    text = question != NULL ? json_dumps(question, JSON_COMPACT) : NULL;
    json_decref(question);
    return text;
}

/* The first of them that is none of the caller's is refused here, without asking anybody. */
static bool are_callers(const struct bw_program *program, const struct bw_http_request *request,
                        const json_t *groups)
{
    const struct bw_scope scope = bw_people_scope_of(program, request);

    for (size_t i = 0; i < json_array_size(groups); i++)
        if (!bw_scope_has(&scope, json_string_value(json_array_get(groups, i))))
            return false;
    return true;
}

/* A plan changes nothing, nor does a query that cannot be read, and who does not lead answers so. */
static bool is_order(const struct bw_program *program, const struct bw_http_request *request)
{
    char plan[8] = "";
    const enum bw_err err = bw_http_query(request, "plan", plan, sizeof plan);

    if (err == BW_ERR_INVALID || strcmp(plan, "1") == 0)
        return false;
    return bw_witness_machine_standing(&program->machine) == BW_WITNESS_MAY_CHANGE;
}

static bool is_group_there(const struct bw_program *program, const struct bw_http_request *request)
{
    return request->route->about != BW_HTTP_ABOUT_GROUP ||
           bw_cluster_find(&program->machine.cluster, request->segments[0]) >= 0;
}

/* False: the handler needs nobody's consent, or will refuse the order anyway. Else `*out_groups` is
 * what it is about; NULL: no memory. */
static bool is_to_be_asked(const struct bw_program *program, const struct bw_http_request *request,
                           json_t **out_groups)
{
    const bool is_empty = request->body_size == 0;
    bool is_good;
    json_t *body;

    if (!is_order(program, request) || !is_group_there(program, request))
        return false;
    body = is_empty ? NULL
                    : json_loadb((const char *)request->body, request->body_size,
                                 JSON_REJECT_DUPLICATES, NULL);
    is_good = is_empty || json_is_object(body);
    *out_groups = is_good ? groups_of(request, body) : NULL;
    json_decref(body);
    if (is_good && are_callers(program, request, *out_groups))
        return true;
    json_decref(*out_groups);
    return false;
}

void bw_consent_then(struct bw_program *program, struct bw_http_request *request,
                     bw_http_handler *handler)
{
    struct bw_consent *consent;
    struct bw_read_clock clock;
    bool is_asked;
    json_t *groups;
    char *question;

    if (!bw_reads_may_order(program, request, &clock))
        return;
    is_asked = is_to_be_asked(program, request, &groups);
    bw_reads_written(program, &clock);
    if (!is_asked) {
        carry_out(program, request, handler);
        return;
    }
    consent = calloc(1, sizeof *consent);
    question = write_question(request, groups);
    if (consent == NULL || question == NULL) {
        free(consent);
        free(question);
        bw_operator_answer(request, 503, NULL);
        return;
    }
    *consent = (struct bw_consent){.program = program,
                                   .request = request,
                                   .handler = handler,
                                   .question = question,
                                   .turn_until_ms = uv_now(&program->loop) + TURN_MS,
                                   .room_until_ms = uv_now(&program->loop) + ROOM_MS};
    bw_people_name(request->peer, consent->who);
    go_on(consent);
}

/* ---- the answer ---- */

/* Why this witness would not let him; false: it would. */
static bool find_no(const struct bw_program *program, const char *who, json_t *question,
                    char *out_why, size_t size)
{
    const struct bw_scope scope = bw_people_scope(&program->config->people, who);
    const struct bw_revoked *revoked = bw_credentials_revoked(program->credentials);
    const char *certificate = json_string_value(json_object_get(question, "certificate"));
    json_t *group;
    size_t i;

    if (bw_revoked_has_entry(revoked, who) ||
        (certificate != NULL && bw_revoked_has_entry(revoked, certificate))) {
        (void)snprintf(out_why, size, "the certificate of %s is revoked", who);
        return true;
    }
    if (!scope.is_everything && scope.person == NULL) {
        (void)snprintf(out_why, size, "%s is none of the people who may speak here", who);
        return true;
    }
    if (!scope.is_everything && json_is_true(json_object_get(question, "cluster"))) {
        (void)snprintf(out_why, size, "%s may not change what concerns the whole cluster", who);
        return true;
    }
    json_array_foreach(json_object_get(question, "groups"), i, group) {
        if (json_is_string(group) && bw_scope_has(&scope, json_string_value(group)))
            continue;
        (void)snprintf(out_why, size, "%s may not change %.63s", who,
                       json_is_string(group) ? json_string_value(group) : "what is no name");
        return true;
    }
    return false;
}

static void on_may(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    json_t *question = bw_operator_body(request);
    const char *who = json_string_value(json_object_get(question, "who"));
    char why[256];

    if (question == NULL)
        return; /* it was answered */
    if (who == NULL || strlen(who) >= BW_PERSON_TEXT_BYTES)
        bw_operator_refuse(request, 400, "invalid", "who is asked about?", NULL);
    else if (find_no(program, who, question, why, sizeof why))
        bw_operator_answer(request, 200, json_pack("{s:b, s:o}", "may", 0, "why", bw_json_text(why)));
    else
        bw_operator_answer(request, 200, json_pack("{s:b}", "may", 1));
    json_decref(question);
}

const struct bw_http_route bw_consent_routes[] = {
    {"POST", "/v1/people/may", BW_ROLE_BIT(BW_ROLE_WITNESS) | BW_HTTP_JSON, BW_HTTP_ABOUT_SELF,
     on_may},
};
const size_t bw_consent_route_count = sizeof bw_consent_routes / sizeof bw_consent_routes[0];
