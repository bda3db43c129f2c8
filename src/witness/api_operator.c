/* api_operator.c - what people read: status, history, explanations; and the routes of all that they
 * may ask for. Design 4, 5.3. Any witness answers a question from its own
 * state; only the leader takes an order, and the others name it. */
#include "api_operator.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/utf8.h>
#include <breakwater/config/scalar.h>
#include <breakwater/machine/witness_operator.h>
#include <breakwater/sys/clock.h>


/* ---- looking ---- */

static bool is_in_contact(const struct bw_program *program, const struct bw_node_status *status,
                          uint64_t id)
{
    const struct bw_node_peer *peer = bw_node_peer(status, id);

    return peer != NULL && bw_members_hears(program, peer);
}

static const char *role_of(const struct bw_program *program, const struct bw_node_status *status,
                           const struct bw_operator_member *member, const char *leader)
{
    if (leader != NULL && strcmp(member->name, leader) == 0)
        return "leader";
    if (member->is_self)
        return status->role == BW_NODE_CANDIDATE ? "candidate" : "follower";
    return program->machine.core.leadership.leads && member->is_in_contact ? "follower" : "unknown";
}

static bool has_no_vote(const struct bw_node_status *status, uint64_t id)
{
    const struct bw_node_peer *peer = bw_node_peer(status, id);

    return peer == NULL || !peer->is_voter;
}

/* This witness's own, by its file; another's, by what it says. */
static void look_at_certificate(const struct bw_program *program, struct bw_instant now,
                                struct bw_operator_member *member)
{
    if (member->is_self)
        member->certificate_left_s = bw_program_certificate_left_s(program);
    member->is_certificate_known = member->is_self ||
                                   bw_directory_certificate(program, member->id, now,
                                                            &member->certificate_left_s);
}

static void look_at_connection(const struct bw_program *program, struct bw_instant now,
                               const struct bw_witness_member_config *config, struct bw_operator_member *member)
{
    const struct bw_unreached *unreached = bw_unreached_of(program, config->id);

    member->raft_address = config->raft;
    if (unreached == NULL || member->is_self)
        return;
    member->unreached_why = unreached->why;
    member->unreached_ms = bw_ns_to_ms(bw_instant_elapsed_ns(now, unreached->since));
}

/* 5.3: below that level none can be applied. */
static bool lacks_applied_people(const struct bw_program *program)
{
    const struct bw_cluster *cluster = &program->machine.cluster;

    return program->config->people.count > 0 && cluster->people_version == 0 &&
           cluster->feature_level >= BW_PEOPLE_LEVEL;
}

void bw_operator_look(const struct bw_program *program, const struct bw_scope *scope,
                      struct bw_operator_view *out_view)
{
    const struct bw_witness_config *config = program->config;
    const struct bw_member *leader = bw_witness_machine_leader(&program->machine);
    const bool leads = program->machine.core.leadership.leads;
    struct bw_node_status status;

    bw_node_get_status(program->node, &status);
    *out_view = (struct bw_operator_view){.machine = &program->machine.core,
                                          .cluster = config->cluster,
                                          .self = config->name,
                                          .leader = leader != NULL ? leader->name : NULL,
                                          .leader_address = leader != NULL ? leader->address : NULL,
                                          .term = status.term,
                                          .voters_in_contact = leads ? 1 : 0,
                                          .voters = status.voter_count,
                                          .callers = &program->callers,
                                          .alarms = program->alarms,
                                          .scope = *scope,
                                          .now = bw_clock_now()};
    for (uint32_t i = 0; i < program->directory.count; i++) {
        const struct bw_witness_member_config *from = &program->directory.list[i].config;
        struct bw_operator_member *member = &out_view->members[out_view->member_count];

        if (!program->directory.list[i].is_member || out_view->member_count == BW_WITNESSES_MAX)
            continue;
        out_view->member_count++;
        *member = (struct bw_operator_member){
            .name = from->name,
            .address = from->address,
            .failure_domain = from->failure_domain,
            .id = from->id,
            .is_self = bw_program_is_self(program, from),
            .is_in_contact = is_in_contact(program, &status, from->id)};
        member->has_no_vote = leads && !member->is_self && has_no_vote(&status, from->id);
        member->role = role_of(program, &status, member, out_view->leader);
        member->is_disk_low = member->is_self && (status.lacks_room || status.is_snapshot_stalled);
        member->is_people_not_applied = member->is_self && lacks_applied_people(program);
        if (leads && !member->is_self && bw_node_lacks(program->node, program->directory.list[i].committed))
            member->decided_index = program->directory.list[i].committed.index;
        look_at_connection(program, out_view->now, from, member);
        look_at_certificate(program, out_view->now, member);
    }
    for (unsigned i = 0; i < status.peer_count && leads; i++)
        if (status.peers[i].is_voter && is_in_contact(program, &status, status.peers[i].id))
            out_view->voters_in_contact++;
}

/* As far as this caller may see. */
static void look_for(const struct bw_program *program, const struct bw_http_request *request,
                     struct bw_operator_view *out_view)
{
    const struct bw_scope scope = bw_people_scope_of(program, request);

    bw_operator_look(program, &scope, out_view);
}

/* ---- answering ---- */

void bw_operator_answer(struct bw_http_request *request, int status, json_t *value)
{
    struct bw_json_buffer buffer = {0};

    bw_json_put(&buffer, value);
    bw_json_put_text(&buffer, "\n", 1);
    if (buffer.is_failed)
        bw_http_respond_error(request, 503, "this witness is short of memory",
                              "ask another witness");
    else
        bw_http_respond(request, status, BW_JSON_TYPE, buffer.text, buffer.size);
    free(buffer.text);
}

void bw_operator_refuse(struct bw_http_request *request, int status, const char *code,
                        const char *error, const char *hint)
{
    json_t *body = json_pack("{s:o, s:s}", "error", bw_json_text(error), "code", code);

    bw_http_tell_refused(request, status, error);
    if (hint != NULL && body != NULL && json_object_set_new(body, "hint", json_string(hint)) != 0) {
        json_decref(body);
        body = NULL;
    }
    bw_operator_answer(request, status, body);
}

static void refuse_follower(const struct bw_program *program, struct bw_http_request *request)
{
    const struct bw_member *leader = bw_witness_machine_leader(&program->machine);

    if (bw_witness_machine_standing(&program->machine) != BW_WITNESS_FOLLOWS) {
        bw_operator_refuse(request, 503, "no_leader",
                           "no leader is known: is there a majority of witnesses?",
                           "see status; ask again when there is a leader");
        return;
    }
    bw_operator_answer(request, 421,
                       json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "error",
                                 "this witness does not lead, so it changes nothing", "hint",
                                 "ask the leader", "code", "not_leader", "leader", "name",
                                 leader->name, "address", leader->address));
}

void bw_operator_refuse_err(const struct bw_program *program, struct bw_http_request *request,
                            enum bw_err err, const char *text)
{
    static const struct {
        enum bw_err err;
        int status;
        const char *code;
        const char *hint;
    } refusals[] = {
        {BW_ERR_NOT_FOUND, 404, "not_found", NULL},
        {BW_ERR_INVALID, 422, "invalid", NULL},
        {BW_ERR_REFUSED, 409, "refused", NULL},
        {BW_ERR_BUSY, 409, "busy", NULL},
        {BW_ERR_EXISTS, 409, "exists", NULL},
        {BW_ERR_STALE, 409, "stale", NULL},
        {BW_ERR_UNKNOWN, 503, "unknown", "see breakwater history for the result"},
    };

    if (err == BW_ERR_NOT_LEADER) {
        refuse_follower(program, request);
        return;
    }
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (refusals[i].err == err) {
            bw_operator_refuse(request, refusals[i].status, refusals[i].code, text,
                               refusals[i].hint);
            return;
        }
    bw_operator_refuse(request, 503, "failed", text, NULL);
}

static void refuse_problems(struct bw_http_request *request,
                                 const struct bw_json_problems *problems)
{
    char error[96];

    (void)snprintf(error, sizeof error, "%zu problem%s; nothing was changed", problems->count,
                   problems->count == 1 ? "" : "s");
    bw_http_tell_refused(request, 422, error);
    bw_operator_answer(request, 422,
                       json_pack("{s:s, s:s, s:I, s:O}", "error", error, "code", "invalid",
                                 "problem_count", (json_int_t)problems->count, "problems",
                                 problems->problems));
}

bool bw_operator_end_problems(struct bw_http_request *request, struct bw_json_problems *problems)
{
    const bool is_good = problems->count == 0;

    if (!is_good)
        refuse_problems(request, problems);
    bw_json_problems_deinit(problems);
    return is_good;
}

/* ---- asking ---- */

json_t *bw_operator_body(struct bw_http_request *request)
{
    json_error_t error;
    json_t *body;
    char text[JSON_ERROR_TEXT_LENGTH + 64];

    if (request->body_size == 0)
        return json_object();
    body = json_loadb((const char *)request->body, request->body_size, JSON_REJECT_DUPLICATES,
                      &error);
    if (json_is_object(body))
        return body;
    if (body == NULL)
        (void)snprintf(text, sizeof text, "the body is no JSON: %d:%d: %s", error.line,
                       error.column, error.text);
    else
        (void)snprintf(text, sizeof text, "the body is no JSON object");
    json_decref(body);
    bw_operator_refuse(request, 400, "invalid", text, "nothing was changed");
    return NULL;
}

bool bw_operator_read_order(struct bw_http_request *request, char out_by[BW_REASON_MAX + 1],
                            bw_operator_read_fn *read, void *into)
{
    json_t *body = bw_operator_body(request);
    struct bw_json_problems problems;
    bool is_good;

    if (body == NULL)
        return false;
    bw_json_problems_init(&problems);
    bw_operator_name(request, out_by);
    read(body, into, &problems);
    is_good = bw_operator_end_problems(request, &problems);
    json_decref(body);
    return is_good;
}

bool bw_operator_is_key(const char *known, const char *key)
{
    while (*known != '\0') {
        const size_t length = strcspn(known, ",");

        if (strlen(key) == length && memcmp(known, key, length) == 0)
            return true;
        known += length;
        known += strspn(known, ", ");
    }
    return false;
}

void bw_operator_note_unknown(const json_t *body, const char *known,
                              struct bw_json_problems *problems)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)body, key, value)
    { /* only read */
        if (!bw_operator_is_key(known, key))
            bw_json_problem(problems, "body", "unknown key \"%.63s\"; known: %s", key, known);
    }
}

bool bw_operator_may_change(struct bw_program *program, struct bw_http_request *request)
{
    if (bw_agents_is_too_early(program, request))
        return false;
    if (bw_witness_machine_standing(&program->machine) == BW_WITNESS_MAY_CHANGE)
        return true;
    refuse_follower(program, request);
    return false;
}

bool bw_operator_is_plan(struct bw_http_request *request, bool *out_is_plan)
{
    char value[8] = "";
    const enum bw_err err = bw_http_query(request, "plan", value, sizeof value);

    if (err == BW_ERR_NOT_FOUND || (err == BW_OK && strcmp(value, "0") == 0)) {
        *out_is_plan = false;
        return true;
    }
    if (err == BW_OK && strcmp(value, "1") == 0) {
        *out_is_plan = true;
        return true;
    }
    bw_operator_refuse(request, 400, "invalid", "plan is 1 or 0, once", "nothing was changed");
    return false;
}

json_t *bw_operator_change_body(struct bw_program *program, struct bw_http_request *request,
                                bool *out_is_plan)
{
    if (!bw_operator_may_change(program, request) || !bw_operator_is_plan(request, out_is_plan))
        return NULL;
    return bw_operator_body(request);
}

void bw_operator_name(const struct bw_http_request *request, char out_by[BW_REASON_MAX + 1])
{
    (void)snprintf(out_by, BW_REASON_MAX + 1, "%s/%s", bw_role_text(request->peer->role),
                   request->peer->name);
}

int bw_operator_find_group(const struct bw_program *program, struct bw_http_request *request)
{
    const int group_index = bw_cluster_find(&program->machine.cluster, request->segments[0]);
    char text[128];

    if (group_index >= 0)
        return group_index;
    (void)snprintf(text, sizeof text, "there is no group \"%s\"", request->segments[0]);
    bw_operator_refuse(request, 404, "not_found", text, "see status");
    return -1;
}

/* ---- reading ---- */

static void write_status(struct bw_program *program, const struct bw_scope *scope,
                         uint32_t unused, struct bw_json_buffer *out_buffer)
{
    struct bw_operator_view view;

    (void)unused; /* there is one of it */
    bw_operator_look(program, scope, &view);
    bw_json_status(&view, out_buffer);
}

static void on_status(struct bw_http_request *request, void *user)
{
    if (!bw_agents_is_too_early(user, request))
        bw_reads_answer(user, request, BW_READ_STATUS, 0, BW_JSON_TYPE, write_status);
}

static void write_all_groups(struct bw_program *program, const struct bw_scope *scope,
                             uint32_t unused, struct bw_json_buffer *out_buffer)
{
    struct bw_operator_view view;

    (void)unused; /* there is one of it */
    bw_operator_look(program, scope, &view);
    bw_json_groups(&view, out_buffer);
}

static void on_groups(struct bw_http_request *request, void *user)
{
    if (!bw_agents_is_too_early(user, request))
        bw_reads_answer(user, request, BW_READ_GROUPS, 0, BW_JSON_TYPE, write_all_groups);
}

/* -1: it was answered. */
static int find_known_group(struct bw_program *program, struct bw_http_request *request)
{
    return bw_agents_is_too_early(program, request) ? -1 : bw_operator_find_group(program, request);
}

static void on_group(struct bw_http_request *request, void *user)
{
    const int group_index = find_known_group(user, request);
    struct bw_operator_view view;

    if (group_index < 0)
        return;
    look_for(user, request, &view);
    bw_operator_answer(request, 200, bw_json_group_document(&view, group_index));
}

/* At most so many entries; 0: it was answered. */
static uint32_t read_count_max(struct bw_http_request *request)
{
    char value[16] = "";
    const enum bw_err err = bw_http_query(request, "n", value, sizeof value);
    uint32_t count_max = UINT32_MAX;

    if (err == BW_ERR_NOT_FOUND)
        return UINT32_MAX;
    if (err == BW_OK && bw_number_parse(value, &count_max) && count_max > 0)
        return count_max;
    bw_operator_refuse(request, 400, "invalid", "n is a whole number of at least 1", NULL);
    return 0;
}

static void write_history(struct bw_program *program, const struct bw_scope *scope,
                          uint32_t count_max, struct bw_json_buffer *out_buffer)
{
    struct bw_operator_view view;

    bw_operator_look(program, scope, &view);
    bw_json_history(&view, NULL, count_max, out_buffer);
}

static void on_history(struct bw_http_request *request, void *user)
{
    uint32_t count_max;

    if (bw_agents_is_too_early(user, request))
        return;
    count_max = read_count_max(request);
    if (count_max > 0)
        bw_reads_answer(user, request, BW_READ_HISTORY, count_max, BW_JSON_TYPE, write_history);
}

/* It is, or was: what a deleted group did is still on record. */
static bool is_recorded(const struct bw_program *program, const char *group)
{
    const struct bw_record *record = program->machine.cluster.record;

    return record != NULL && bw_record_find(record, group) != NULL;
}

static void on_group_history(struct bw_http_request *request, void *user)
{
    const bool is_known = is_recorded(user, request->segments[0]) || find_known_group(user, request) >= 0;
    const uint32_t count_max = is_known ? read_count_max(request) : 0;
    struct bw_operator_view view;
    struct bw_json_buffer buffer = {0};
    struct bw_read_clock clock;

    if (count_max == 0 || !bw_reads_may_write(user, request, &clock))
        return;
    look_for(user, request, &view);
    bw_json_history(&view, request->segments[0], count_max, &buffer);
    bw_reads_written(user, &clock);
    bw_reads_send(user, request, &buffer);
}

static void on_report(struct bw_http_request *request, void *user)
{
    const char *group = request->segments[0];
    char value[24] = "0";
    const enum bw_err err = bw_http_query(request, "epoch", value, sizeof value);
    char *end = value;
    const unsigned long long epoch = strtoull(value, &end, 10);
    struct bw_operator_view view;
    struct bw_read_clock clock;
    json_t *report;

    if (!is_recorded(user, group) && find_known_group(user, request) < 0)
        return;
    if ((err != BW_OK && err != BW_ERR_NOT_FOUND) || *end != '\0' || value[0] < '0' ||
        value[0] > '9' || epoch > INT64_MAX) {
        bw_operator_refuse(request, 400, "invalid", "epoch is the number of one", NULL);
        return;
    }
    if (!bw_reads_may_write(user, request, &clock))
        return;
    look_for(user, request, &view);
    report = bw_json_report(&view, group, (uint64_t)epoch);
    bw_reads_written(user, &clock);
    if (report == NULL)
        bw_operator_refuse(request, 404, "not_found", "that epoch is not on record", "see history");
    else
        bw_operator_answer(request, 200, report);
}

static void on_explain(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    const int group_index = find_known_group(program, request);
    struct bw_decision *decision;
    struct bw_operator_view view;
    struct bw_read_clock clock;

    if (group_index < 0 || !bw_reads_may_write(program, request, &clock))
        return;
    decision = malloc(sizeof *decision);
    if (decision == NULL) {
        bw_operator_answer(request, 503, NULL);
        return;
    }
    look_for(program, request, &view);
    bw_witness_decide(&program->machine.core, group_index, view.now, decision);
    bw_operator_answer(request, 200, bw_json_explain(&view, group_index, decision));
    free(decision);
    bw_reads_written(program, &clock);
}

/* ---- what people write ---- */

void bw_operator_read_text(const json_t *body, const char *key, char *out, size_t size,
                           struct bw_json_problems *problems)
{
    const json_t *value = json_object_get(body, key);

    if (value == NULL)
        return;
    if (!json_is_string(value)) {
        bw_json_problem(problems, key, "not a text");
        return;
    }
    for (const char *at = json_string_value(value);
         *at != '\0';) { /* UTF-8: jansson takes no other */
        uint32_t point = 0;
        const size_t taken = bw_utf8_decode(at, strlen(at), &point);

        at += taken;
        if (taken == 0 || bw_utf8_is_hidden(point)) {
            bw_json_problem(problems, key,
                            "has a control character, or an invisible one (U+%04X)",
                            (unsigned)point);
            return;
        }
    }
    if (!bw_copy_text(out, size, json_string_value(value)))
        bw_json_problem(problems, key, "longer than %zu bytes", size - 1);
}

/* ---- orders ---- */

#define ORDER(name, handler)                                                                \
    static void name(struct bw_http_request *request, void *user)                                  \
    {                                                                                              \
        bw_reads_order(user, request, handler);                                                    \
    }

ORDER(on_failover, bw_operator_on_failover)
ORDER(on_switchover, bw_operator_on_switchover)
ORDER(on_force_release, bw_operator_on_force_release)
ORDER(on_apply, bw_operator_on_apply)
ORDER(on_people, bw_operator_on_set_people)
ORDER(on_raise_level, bw_operator_on_raise_level)
ORDER(on_mode, bw_operator_on_mode)
ORDER(on_maintenance, bw_operator_on_maintenance)
ORDER(on_delete, bw_operator_on_delete)
ORDER(on_ack, bw_operator_on_ack)
ORDER(on_cancel, bw_operator_on_cancel)

#define CHANGES (BW_ROLE_BIT(BW_ROLE_OPERATOR) | BW_HTTP_JSON)

const struct bw_http_route bw_operator_routes[] = {
    {"GET", "/v1/status", BW_ROLES_ANY, BW_HTTP_ABOUT_GROUPS, on_status},
    {"GET", "/v1/groups", BW_ROLES_ANY, BW_HTTP_ABOUT_GROUPS, on_groups},
    {"GET", "/v1/history", BW_ROLES_ANY, BW_HTTP_ABOUT_GROUPS, on_history},
    {"GET", "/v1/groups/{name}", BW_ROLES_ANY, BW_HTTP_ABOUT_GROUP, on_group},
    {"GET", "/v1/groups/{name}/history", BW_ROLES_ANY, BW_HTTP_ABOUT_GROUP, on_group_history},
    {"GET", "/v1/groups/{name}/report", BW_ROLES_ANY, BW_HTTP_ABOUT_GROUP, on_report},
    {"GET", "/v1/groups/{name}/explain", BW_ROLES_ANY, BW_HTTP_ABOUT_GROUP, on_explain},
    {"GET", "/v1/feature-level", BW_ROLES_ANY, BW_HTTP_ABOUT_CLUSTER, bw_operator_on_level},
    {"POST", "/v1/feature-level/raise", CHANGES, BW_HTTP_ABOUT_CLUSTER, on_raise_level},
    {"GET", "/v1/snapshot", BW_ROLE_BIT(BW_ROLE_OPERATOR), BW_HTTP_ABOUT_CLUSTER,
     bw_operator_on_snapshot},
    {"PUT", "/v1/groups", CHANGES, BW_HTTP_ABOUT_GROUPS, on_apply},
    {"POST", "/v1/groups/{name}/failover", CHANGES, BW_HTTP_ABOUT_GROUP, on_failover},
    {"POST", "/v1/groups/{name}/switchover", CHANGES, BW_HTTP_ABOUT_GROUP, on_switchover},
    {"POST", "/v1/groups/{name}/force-release", CHANGES, BW_HTTP_ABOUT_GROUP, on_force_release},
    {"POST", "/v1/groups/{name}/ack", CHANGES, BW_HTTP_ABOUT_GROUP, on_ack},
    {"POST", "/v1/groups/{name}/cancel", CHANGES, BW_HTTP_ABOUT_GROUP, on_cancel},
    {"POST", "/v1/groups/{name}/mode", CHANGES, BW_HTTP_ABOUT_GROUP, on_mode},
    {"POST", "/v1/groups/{name}/maintenance", CHANGES, BW_HTTP_ABOUT_GROUP, on_maintenance},
    {"POST", "/v1/groups/{name}/delete", CHANGES, BW_HTTP_ABOUT_GROUP, on_delete},
    {"GET", "/v1/people", BW_ROLES_ANY, BW_HTTP_ABOUT_CLUSTER, bw_operator_on_people},
    {"POST", "/v1/people", CHANGES, BW_HTTP_ABOUT_CLUSTER, on_people},
};
const size_t bw_operator_route_count = sizeof bw_operator_routes / sizeof bw_operator_routes[0];
