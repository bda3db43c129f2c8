/* api_members.c - GET /v1/members, POST /v1/members (people order), and POST /v1/witness/join (a witness says that
 * it is there). Design 3.9, 5.3. */
#include "api_operator.h"
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/base/name.h>
#include <breakwater/net/address.h>
#include <breakwater/sys/clock.h>

/* ---- reading what it says ---- */

static bool read_id(const json_t *body, const char *key, struct bw_id *out_id)
{
    const char *text = json_string_value(json_object_get(body, key));

    return text != NULL && bw_id_parse(text, out_id) && !bw_id_is_none(*out_id);
}

static bool read_applicant(const json_t *body, const char *name, struct bw_applicant *out,
                           struct bw_id *out_cluster_id)
{
    const json_int_t id = json_integer_value(json_object_get(body, "id"));
    const json_int_t level = json_integer_value(json_object_get(body, "feature_level"));
    const json_int_t election_ms = json_integer_value(json_object_get(body, "election_timeout_ms"));
    struct bw_roster_member *member = &out->member;
    char own_name[BW_NAME_MAX + 1];

    *out = (struct bw_applicant){.member = {.id = (uint64_t)id},
                                 .level = (uint32_t)level,
                                 .election_timeout_ms = (uint32_t)election_ms};
    return election_ms >= 0 && election_ms <= UINT32_MAX && id > 0 && id <= UINT32_MAX &&
           level > 0 && level <= UINT32_MAX &&
           bw_json_read_text(body, "name", own_name, sizeof own_name) &&
           strcmp(own_name, name) == 0 && bw_name_is_valid(name) &&
           bw_copy_text(member->name, sizeof member->name, name) &&
           read_id(body, "incarnation", &member->incarnation) &&
           read_id(body, "cluster_id", out_cluster_id) &&
           bw_json_read_text(body, "address", member->address, sizeof member->address) &&
           bw_address_is_valid(member->address) &&
           bw_json_read_text(body, "raft", member->raft, sizeof member->raft) &&
           bw_address_is_valid(member->raft) &&
           bw_json_read_text(body, "failure_domain", member->failure_domain,
                             sizeof member->failure_domain) &&
           (member->failure_domain[0] == '\0' || bw_name_is_valid(member->failure_domain)) &&
           bw_json_read_text(body, "version", out->version, sizeof out->version);
}

/* ---- answering it ---- */

static json_t *id_or_null(struct bw_id id)
{
    char text[BW_ID_TEXT_BYTES];

    bw_id_format(id, text);
    return bw_id_is_none(id) ? json_null() : json_string(text);
}

static json_t *list_reachable(const struct bw_program *program)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < program->directory.count; i++) {
        const struct bw_known *known = &program->directory.list[i];

        if (known->is_member)
            list = bw_json_append(list, json_pack("{s:s, s:I, s:s, s:s}", "name",
                                                  known->config.name, "id",
                                                  (json_int_t)known->config.id, "address",
                                                  known->config.address, "raft",
                                                  known->config.raft));
    }
    return list;
}

/* Cluster, generation and highest id: by them it judges whether to believe that it was removed. */
static void answer_join(const struct bw_program *program, struct bw_http_request *request,
                        uint64_t id, const struct bw_join_answer *answer)
{
    bw_operator_answer(
        request, answer->standing == BW_JOIN_REFUSED ? 409 : 200,
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:I}", "schema", "breakwater.join/v1",
                  "standing", bw_join_standing_word(answer->standing), "text",
                  bw_json_text(answer->words.text), "members",
                  answer->names_members ? list_reachable(program) : json_array(), "cluster_id",
                  id_or_null(program->machine.cluster.id), "generation",
                  (json_int_t)program->machine.cluster.generation, "id", (json_int_t)id, "id_max",
                  (json_int_t)bw_node_applied_roster(program->node)->id_max));
}

/* What the machine judges by; `roster` and `lacks` must stay as long. */
static struct bw_members_sight sight_of(struct bw_program *program, struct bw_roster *roster,
                                        struct bw_diag *lacks)
{
    return (struct bw_members_sight){
        .now_ms = uv_now(&program->loop),
        .cluster = &program->machine.cluster,
        .applied = bw_node_applied_roster(program->node),
        .roster = bw_directory_complete(program, roster, lacks) ? roster : NULL,
        .lacks = lacks->text};
}

static void take_applicant(struct bw_program *program, struct bw_http_request *request,
                           const struct bw_applicant *joiner, struct bw_id cluster_id)
{
    struct bw_roster roster;
    struct bw_diag lacks = {0};
    const struct bw_members_sight sight = sight_of(program, &roster, &lacks);
    struct bw_join_answer answer;
    uint64_t count = 0;

    bw_witness_members_on_join(&program->members.state, &sight, joiner, cluster_id, &answer);
    if (answer.is_news)
        count = bw_refused_add(program, BW_REFUSED_JOINER);
    if (count > 0)
        bw_log_info(&program->log, "members.asks_to_join",
                    "name=%s id=%" PRIu64 " raft_address=%s version=%s next=%s count=%" PRIu64,
                    joiner->member.name, joiner->member.id, bw_log_quote(joiner->member.raft),
                    bw_log_quote(joiner->version), bw_log_quote(answer.noted->why), count);
    if (answer.looks)
        bw_newcomer_look(program, answer.noted);
    answer_join(program, request, joiner->member.id, &answer);
}

static void on_join(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    struct bw_applicant joiner;
    struct bw_id cluster_id;
    json_t *body;

    if (bw_agents_is_too_early(program, request))
        return;
    body = bw_operator_body(request);
    if (body == NULL)
        return;
    bw_directory_refresh(program);
    if (read_applicant(body, request->peer->name, &joiner, &cluster_id))
        take_applicant(program, request, &joiner, cluster_id);
    else
        bw_operator_refuse(request, 400, "invalid",
                           "this is not a report of a witness about itself, or the certificate is another's",
                           NULL);
    json_decref(body);
}

/* ---- what people read ---- */

static const char *role_of(const struct bw_members_facts *facts, uint64_t id, bool leads)
{
    static const char *const words[] = {[BW_MEMBER_ABSENT] = "absent",
                                        [BW_MEMBER_SPARE] = "joining",
                                        [BW_MEMBER_STANDBY] = "joining",
                                        [BW_MEMBER_VOTER] = "voter"};

    return leads ? "leader" : words[bw_members_fact(facts, id)->role];
}

/* Why this witness cannot connect to it; null: it can. */
static json_t *describe_unreached(const struct bw_unreached *unreached, const char *raft_address)
{
    if (unreached == NULL)
        return json_null();
    return json_pack("{s:s, s:I, s:o}", "raft_address", raft_address, "since_ms_ago",
                     (json_int_t)bw_ns_to_ms(bw_instant_elapsed_ns(bw_clock_now(), unreached->since)), "why",
                     bw_json_text(unreached->why));
}

static json_t *describe(const struct bw_program *program, const struct bw_roster_member *member,
                        const struct bw_members_facts *facts, const struct bw_node_status *status)
{
    const bool is_self = member->id == facts->self;
    const bool leads = status->role == BW_NODE_LEADER;
    const uint32_t level = is_self ? BW_FEATURE_LEVEL_NEWEST
                                   : bw_directory_level(program, member->id);
    const char *version = is_self ? BW_VERSION : bw_directory_release(program, member->id);
    const struct bw_node_peer *peer = bw_node_peer(status, member->id);

    return json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "name", member->name, "id",
        (json_int_t)member->id, "address", member->address, "failure_domain",
        member->failure_domain, "role", role_of(facts, member->id, is_self && leads), "standing",
        member->is_leaving ? "leaving" : "member", "is_self", is_self, "incarnation",
        id_or_null(member->incarnation), "version",
        version[0] != '\0' ? json_string(version) : json_null(), "feature_level",
        bw_json_number_or_null(level != 0, level), "behind",
        bw_json_number_or_null(leads && !is_self && peer != NULL, bw_node_peer_behind(status, peer)),
        "heard_ms_ago",
        bw_json_number_or_null(!is_self && peer != NULL && peer->is_in_contact,
                       peer != NULL ? peer->last_contact_ms : 0),
        "unreached", describe_unreached(is_self ? NULL : bw_unreached_of(program, member->id), member->raft));
}

static json_t *list_members(const struct bw_program *program, const struct bw_roster *roster,
                            const struct bw_members_facts *facts,
                            const struct bw_node_status *status)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < roster->count; i++)
        list = bw_json_append(list, describe(program, &roster->members[i], facts, status));
    return list;
}

/* Those that may be added, or those that are refused, with the reason. */
static json_t *list_applicants(const struct bw_program *program, bool is_refused)
{
    json_t *list = json_array();

    for (size_t i = 0; i < BW_APPLICANTS_MAX; i++) {
        const struct bw_applicant *applicant = &program->members.state.applicants[i];
        const struct bw_roster_member *member = &applicant->member;

        if (bw_applicant_is_here(applicant, uv_now(&program->loop)) &&
            is_refused == bw_applicant_cannot_join(applicant) &&
            (is_refused || applicant->look == BW_LOOK_DONE) &&
            (is_refused || bw_roster_find(bw_node_roster(program->node), member->id) == NULL))
            list = bw_json_append(
                list, json_pack("{s:s, s:I, s:s, s:s, s:o, s:s, s:I, s:o}", "name", member->name,
                                "id", (json_int_t)member->id, "address", member->address,
                                "failure_domain", member->failure_domain, "incarnation",
                                id_or_null(member->incarnation), "version", applicant->version,
                                "feature_level", (json_int_t)applicant->level, "why",
                                is_refused ? bw_json_text(applicant->why) : json_null()));
    }
    return list;
}

static void on_members(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    const struct bw_member *leader = bw_witness_machine_leader(&program->machine);
    struct bw_roster roster;
    struct bw_members_facts facts;
    struct bw_members_step step;
    struct bw_members_count count;
    struct bw_node_status status;
    struct bw_diag diag = {0};
    char text[BW_MEMBERS_TEXT_BYTES];

    if (bw_agents_is_too_early(program, request))
        return;
    bw_directory_refresh(program);
    if (!bw_directory_complete(program, &roster, &diag)) {
        bw_operator_refuse(request, 503, "failed",
                           diag.text[0] != '\0' ? diag.text : "the list of witnesses is not known yet", NULL);
        return;
    }
    bw_members_look(program, &roster, &facts, &step, text);
    count = bw_members_count(&facts);
    bw_node_get_status(program->node, &status);
    bw_operator_answer(
        request, 200,
        json_pack("{s:s, s:s, s:o, s:o, s:b, s:b, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "schema",
                  "breakwater.members/v1", "witness", program->config->name, "cluster_id",
                  id_or_null(program->machine.cluster.id), "leader",
                  bw_json_name_or_null(leader != NULL ? leader->name : NULL), "settled",
                  step.kind == BW_MEMBERS_NOTHING && !program->members.state.is_submitting,
                  "handing_over", status.is_handing_over, "waits_for", text[0] != '\0' ? bw_json_text(text) : json_null(), "voters",
                  (json_int_t)count.voters, "live", (json_int_t)count.live, "may_fail",
                  (json_int_t)count.may_fail, "feature_level",
                  (json_int_t)program->machine.cluster.feature_level, "members",
                  list_members(program, &roster, &facts, &status), "applicants",
                  list_applicants(program, false), "refused", list_applicants(program, true)));
}

/* ---- what people order ---- */

/* An order, and as whose reason. */
struct order {
    struct bw_members_order what;
    char text[BW_REASON_MAX + 1];
};

/* What it comes to, and by what that was judged. */
struct verdict {
    struct bw_roster roster; /* as it is now */
    struct bw_members_facts facts;
    struct bw_members_outcome outcome;
};

static void read_kind(const json_t *body, struct bw_members_order *order,
                      struct bw_json_problems *problems)
{
    const char *word = json_string_value(json_object_get(body, "do"));

    order->kind = BW_MEMBERS_ORDER_COUNT;
    for (int i = 0; word != NULL && i < BW_MEMBERS_ORDER_COUNT; i++)
        if (strcmp(word, bw_members_order_word((enum bw_members_order_kind)i)) == 0)
            order->kind = (enum bw_members_order_kind)i;
    if (order->kind == BW_MEMBERS_ORDER_COUNT)
        bw_json_problem(problems, "do", "is add, remove, replace or lead");
}

static void read_name(const json_t *body, const char *key, char *out, size_t size,
                      struct bw_json_problems *problems)
{
    bw_operator_read_text(body, key, out, size, problems);
    if (!bw_name_is_valid(out))
        bw_json_problem(problems, key, "is not a valid name of a witness");
}

static bool read_order(struct bw_http_request *request, const json_t *body, struct order *order)
{
    static const char *const keys[] = {"do", "name", "old", "reason"};
    struct bw_members_order *what = &order->what;
    struct bw_json_problems problems;
    const char *key;
    json_t *value;

    bw_json_problems_init(&problems);
    read_kind(body, what, &problems);
    read_name(body, "name", what->name, sizeof what->name, &problems);
    if (what->kind == BW_MEMBERS_ORDER_REPLACE)
        read_name(body, "old", what->old, sizeof what->old, &problems);
    bw_operator_read_text(body, "reason", order->text, sizeof order->text, &problems);
    json_object_foreach((json_t *)(uintptr_t)body, key, value) { /* only read */
        bool is_known = false;

        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
            is_known = is_known ||
                       (strcmp(key, keys[i]) == 0 &&
                        (what->kind == BW_MEMBERS_ORDER_REPLACE || strcmp(key, "old") != 0));
        if (!is_known)
            bw_json_problem(&problems, "body",
                            "unknown key \"%.63s\"; known: do, name, old (of replace), reason", key);
    }
    return bw_operator_end_problems(request, &problems);
}

static void work_out(struct bw_program *program, const struct bw_members_order *order,
                     struct verdict *verdict)
{
    struct bw_members_step step;
    char text[BW_MEMBERS_TEXT_BYTES];
    struct bw_diag lacks = {0};
    struct bw_members_sight sight;

    bw_directory_refresh(program);
    sight = sight_of(program, &verdict->roster, &lacks);
    if (sight.roster != NULL)
        bw_members_look(program, sight.roster, &verdict->facts, &step, text);
    bw_witness_members_judge_order(&program->members.state, &sight, &verdict->facts, order,
                                   &verdict->outcome);
}

/* ---- the plan ---- */

static json_t *step_of(const char *text, const char *name, struct bw_members_count count)
{
    char line[160];

    (void)snprintf(line, sizeof line, "%s%s%s", name, name[0] != '\0' ? " " : "", text);
    return json_pack("{s:s, s:I, s:I, s:I}", "text", line, "voters", (json_int_t)count.voters,
                     "live", (json_int_t)count.live, "may_fail", (json_int_t)count.may_fail);
}

/* Who is there, while it joins, and after: with how many that may fail then. */
static json_t *list_steps(const struct bw_members_order *order, const struct verdict *verdict)
{
    const struct bw_roster *wanted = &verdict->outcome.wanted;
    const struct bw_members_count now = bw_members_count(&verdict->facts);
    const struct bw_members_count halfway = bw_members_count_after(wanted, &verdict->facts, true);
    const struct bw_members_count after = bw_members_count_after(wanted, &verdict->facts, false);
    const bool has_new = wanted->count > verdict->roster.count;
    json_t *steps = bw_json_append(json_array(), step_of("now", "", now));

    if (order->kind == BW_MEMBERS_ORDER_LEAD)
        return bw_json_append(steps, step_of("leads", order->name, now));
    if (has_new) {
        steps = bw_json_append(steps, step_of("joins, without a vote, and catches up",
                                              order->name, now));
        steps = bw_json_append(steps, step_of("votes", order->name, halfway));
    }
    if (order->kind == BW_MEMBERS_ORDER_REPLACE)
        steps = bw_json_append(steps, step_of("is removed", order->old, after));
    if (order->kind == BW_MEMBERS_ORDER_REMOVE)
        steps = bw_json_append(steps, step_of("is removed", order->name, after));
    return steps;
}

/* What cannot be taken back. */
static json_t *note_of(const struct bw_members_order *order, const struct verdict *verdict)
{
    const char *name = order->kind == BW_MEMBERS_ORDER_REPLACE ? order->old : order->name;
    const struct bw_roster_member *member = bw_roster_find_name(&verdict->roster, name);
    const bool votes = member != NULL &&
                       bw_members_fact(&verdict->facts, member->id)->role == BW_MEMBER_VOTER;
    char text[BW_DIAG_TEXT_BYTES];

    if (verdict->outcome.err != BW_OK || member == NULL || order->kind == BW_MEMBERS_ORDER_ADD ||
        order->kind == BW_MEMBERS_ORDER_LEAD)
        return json_null();
    (void)snprintf(
        text, sizeof text,
        "%s%s: its id %" PRIu64 " is never used again; a witness on that machine needs a new "
        "name, the id %" PRIu64 " or a higher one, and an empty data_dir (breakwater witness "
        "init --join)",
        name, votes ? "" : " is given up before it has a vote", member->id,
        verdict->outcome.wanted.id_max + 1);
    return json_string(text);
}

static void answer_plan(struct bw_http_request *request, const struct bw_members_order *order,
                        const struct verdict *verdict)
{
    const struct bw_members_outcome *outcome = &verdict->outcome;

    bw_operator_answer(
        request, 200,
        json_pack("{s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:o}", "schema",
                  "breakwater.members-plan/v1", "do", bw_members_order_word(order->kind),
                  "possible", outcome->err == BW_OK, "already", outcome->err == BW_ERR_EXISTS,
                  "looking", outcome->is_looking, "refused",
                  outcome->err != BW_OK ? bw_json_text(outcome->diag.text) : json_null(), "steps",
                  list_steps(order, verdict), "note", note_of(order, verdict)));
}

/* ---- doing it ---- */

static void submit_order(struct bw_program *program, struct bw_http_request *request,
                         const struct order *order, struct bw_members_outcome *outcome)
{
    const struct bw_members_order *what = &order->what;
    char by[BW_REASON_MAX + 1];

    bw_operator_name(request, by);
    if (outcome->err == BW_OK && what->kind == BW_MEMBERS_ORDER_LEAD)
        outcome->err = bw_node_transfer(program->node, outcome->id);
    else if (outcome->err == BW_OK)
        outcome->err = bw_members_submit(program, &outcome->wanted);
    if (outcome->err != BW_OK && outcome->err != BW_ERR_EXISTS) {
        bw_operator_refuse_err(program, request, outcome->err,
                               outcome->diag.text[0] != '\0' ? outcome->diag.text
                                                             : bw_err_text(outcome->err));
        return;
    }
    if (outcome->err == BW_OK)
        bw_log_info(&program->log, "members.ordered",
                    "asked=%s name=%s old_name=%s by=%s remote=%s text=%s",
                    bw_members_order_word(what->kind), what->name, bw_log_quote(what->old),
                    bw_log_quote(by), request->remote, bw_log_quote(order->text));
    bw_operator_answer(request, 202,
                       json_pack("{s:s, s:s, s:s, s:b}", "schema", "breakwater.accepted/v1", "do",
                                 bw_members_order_word(what->kind), "name", what->name, "already",
                                 outcome->err == BW_ERR_EXISTS));
}

static void take_order(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    struct order order = {0};
    struct verdict verdict = {.roster = {.count = 0}};
    bool is_plan = false;
    json_t *body = bw_operator_change_body(program, request, &is_plan);

    if (body == NULL)
        return;
    if (read_order(request, body, &order)) {
        work_out(program, &order.what, &verdict);
        if (is_plan)
            answer_plan(request, &order.what, &verdict);
        else
            submit_order(program, request, &order, &verdict.outcome);
    }
    json_decref(body);
}

static void on_order(struct bw_http_request *request, void *user)
{
    bw_reads_order(user, request, take_order);
}

const struct bw_http_route bw_members_routes[] = {
    {"GET", "/v1/members", BW_ROLES_ANY, BW_HTTP_ABOUT_CLUSTER, on_members},
    {"POST", "/v1/members", BW_ROLE_BIT(BW_ROLE_OPERATOR) | BW_HTTP_JSON, BW_HTTP_ABOUT_CLUSTER,
     on_order},
    {"POST", "/v1/witness/join", BW_ROLE_BIT(BW_ROLE_WITNESS) | BW_HTTP_JSON, BW_HTTP_ABOUT_SELF,
     on_join},
};
const size_t bw_members_route_count = sizeof bw_members_routes / sizeof bw_members_routes[0];
