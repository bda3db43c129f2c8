/* join.c - POST /v1/witness/join, from the side of who asks: one that is to join tells every member that it is
 * there, until an operator has it added; and one that hears of no leader learns whether it was removed, or who
 * has come since. Design 3.9. */
#include "join.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/base/name.h>
#include <breakwater/net/address.h>
#include <breakwater/witness/json.h>

#define CONNECT_MS       1000
#define ANSWER_MS        2000
#define ANSWER_BYTES_MAX (64 * 1024)

struct bw_join_call {
    struct bw_program *program;
    char to[BW_NAME_MAX + 1];
};

/* ---- the answer ---- */

static void hear_of(struct bw_program *program, const json_t *member)
{
    const json_int_t id = json_integer_value(json_object_get(member, "id"));
    struct bw_witness_member_config config = {.id = (uint32_t)id};

    if (id > 0 && id <= UINT32_MAX &&
        bw_json_read_text(member, "name", config.name, sizeof config.name) &&
        bw_json_read_text(member, "address", config.address, sizeof config.address) &&
        bw_json_read_text(member, "raft", config.raft, sizeof config.raft) &&
        bw_name_is_valid(config.name) && bw_address_is_valid(config.address) &&
        bw_address_is_valid(config.raft))
        bw_directory_hear(program, &config);
}

static void tell(struct bw_program *program, const char *from, const char *text)
{
    struct bw_members *members = &program->members;

    if (strcmp(members->logged_join, text) == 0)
        return;
    (void)snprintf(members->logged_join, sizeof members->logged_join, "%.*s",
                   (int)sizeof members->logged_join - 1, text);
    bw_log_info(&program->log, "members.join", "name=%s answer=%s", from, bw_log_quote(text));
}

/* Who speaks has been authenticated as the witness that was asked; asked is who knows no leader. */
static bool is_removal(const struct bw_program *program, const json_t *answer)
{
    const struct bw_members_hearer hearer = bw_node_hearer(program->node,
                                                           program->machine.cluster.generation);
    struct bw_members_removal removal = {
        .generation = (uint64_t)json_integer_value(json_object_get(answer, "generation")),
        .id = (uint64_t)json_integer_value(json_object_get(answer, "id")),
        .id_max = (uint64_t)json_integer_value(json_object_get(answer, "id_max"))};
    const char *cluster_id = json_string_value(json_object_get(answer, "cluster_id"));

    return cluster_id != NULL && bw_id_parse(cluster_id, &removal.cluster_id) &&
           bw_members_believes_removal(&removal, &hearer);
}

static void take_answer(struct bw_program *program, const char *from, const json_t *answer)
{
    const char *standing = json_string_value(json_object_get(answer, "standing"));
    const char *text = json_string_value(json_object_get(answer, "text"));
    const json_t *member;
    size_t i;

    if (standing == NULL || text == NULL)
        return;
    if (strcmp(standing, bw_join_standing_word(BW_JOIN_REMOVED)) == 0 &&
        is_removal(program, answer))
        bw_members_end_removed(program, from);
    json_array_foreach(json_object_get(answer, "members"), i, member)
        hear_of(program, member);
    if (strcmp(standing, bw_join_standing_word(BW_JOIN_LOOKED_AT)) == 0)
        bw_witness_members_ask_again(&program->members.state);
    else
        tell(program, from, text);
}

static void on_answered(void *user, const struct bw_http_answer *answer)
{
    struct bw_join_call *call = user;
    json_t *body = NULL;

    /* An older witness does not know this request, and one that was removed itself says nothing. */
    if (answer->err == BW_OK && (answer->status == 200 || answer->status == 409))
        body = json_loadb(answer->body, answer->body_size, JSON_REJECT_DUPLICATES, NULL);
    if (!call->program->is_closing && body != NULL)
        take_answer(call->program, call->to, body);
    json_decref(body);
    free(call);
}

/* ---- asking ---- */

static char *make_body(const struct bw_program *program)
{
    const struct bw_data_dir_identity *identity = bw_node_identity(program->node);
    const struct bw_witness_member_config *own =
        &program->config->witnesses[program->config->self];
    char cluster_id[BW_ID_TEXT_BYTES];
    char incarnation[BW_ID_TEXT_BYTES];
    json_t *body;
    char *text;

    bw_id_format(identity->cluster_id, cluster_id);
    bw_id_format(identity->incarnation, incarnation);
    body = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "name", own->name, "id",
                     (json_int_t)own->id, "incarnation", incarnation, "cluster_id", cluster_id,
                     "address", own->address, "raft", own->raft, "failure_domain",
                     own->failure_domain, "version", BW_VERSION, "feature_level",
                     (json_int_t)BW_FEATURE_LEVEL_NEWEST, "election_timeout_ms",
                     (json_int_t)identity->election_timeout_ms);
    text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}

static void ask_one(struct bw_program *program, const struct bw_witness_member_config *to,
                    const char *body)
{
    char url[BW_ADDRESS_MAX + 64];
    const struct bw_http_call request = {.method = "POST",
                                         .url = url,
                                         .content_type = "application/json",
                                         .body = body,
                                         .body_size = strlen(body),
                                         .timeout_ms = ANSWER_MS,
                                         .connect_timeout_ms = CONNECT_MS,
                                         .response_bytes_max = ANSWER_BYTES_MAX};
    struct bw_join_call *call = calloc(1, sizeof *call);
    struct bw_diag diag = {0};

    if (call == NULL)
        return; /* in the next round */
    call->program = program;
    memcpy(call->to, to->name, sizeof call->to);
    (void)snprintf(url, sizeof url, "https://%s/v1/witness/join", to->address);
    if (bw_http_client_send(&program->relay, &request, on_answered, call, &diag) == NULL) {
        bw_log_debug(&program->log, "members.not_asked", "name=%s error=%s", to->name,
                     bw_log_quote(diag.text));
        free(call);
    }
}

static void ask_all(struct bw_program *program)
{
    const struct bw_directory directory = program->directory; /* an answer may change it */
    char *body = make_body(program);

    for (uint32_t i = 0; i < directory.count && body != NULL; i++)
        if (!bw_program_is_self(program, &directory.list[i].config))
            ask_one(program, &directory.list[i].config, body);
    free(body);
}

/* ---- when ---- */

void bw_join_look(struct bw_program *program)
{
    const struct bw_data_dir_identity *identity = bw_node_identity(program->node);
    const struct bw_join_reason reason = {
        .now_ms = uv_now(&program->loop),
        .election_timeout_ms = program->config->election_timeout_ms,
        .has_leader = bw_node_follows(program->node) != 0,
        .is_bare = bw_node_is_bare(program->node),
        .is_joining = identity->origin == BW_ROLL_JOINING,
        .is_named = bw_roster_find(bw_node_roster(program->node), identity->witness_id) != NULL};

    if (bw_witness_members_asks(&program->members.state, &reason))
        ask_all(program);
}
