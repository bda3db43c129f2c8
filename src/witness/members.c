/* Which witnesses there are: those that this one knows, who is to join and to leave. Design 3.9. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/base/name.h>
#include <breakwater/consensus/node.h>
#include <breakwater/net/address.h>
#include <breakwater/os/random.h>
#include <breakwater/sys/clock.h>
#include <breakwater/witness/json.h>
#include <breakwater/witness/witness.h>

/* ---- the directory ---- */

/* Which witnesses this one knows, and how to reach them: by its file, by the roster (which names
 * those that came later), and by what other members have said of still later ones. Design 3.9. */

static const struct bw_roster no_roster;

static const struct bw_roster *roster_of(const struct bw_program *program)
{
    return program->node != NULL ? bw_node_roster(program->node) : &no_roster;
}

static uint64_t version_of(const struct bw_program *program)
{
    return program->node != NULL ? bw_node_roster_version(program->node) : 0;
}

/* ---- building it ---- */

static bool has(const struct bw_directory *directory, uint32_t id, const char *name)
{
    for (uint32_t i = 0; i < directory->count; i++)
        if (directory->list[i].config.id == id ||
            strcmp(directory->list[i].config.name, name) == 0)
            return true;
    return false;
}

static void put(struct bw_directory *directory, const struct bw_witness_member_config *config,
                bool is_member, const struct bw_directory *before)
{
    struct bw_known *known = &directory->list[directory->count];

    if (directory->count == BW_KNOWN_MAX || has(directory, config->id, config->name))
        return;
    *known = (struct bw_known){.config = *config, .is_member = is_member};
    for (uint32_t i = 0; i < before->count; i++)
        if (before->list[i].config.id == config->id) {
            known->level = before->list[i].level;
            memcpy(known->release, before->list[i].release, sizeof known->release);
            known->has_certificate = before->list[i].has_certificate;
            known->certificate_left_s = before->list[i].certificate_left_s;
            known->committed = before->list[i].committed;
            known->unreached = before->list[i].unreached;
            known->certificate_received = before->list[i].certificate_received;
        }
    directory->count++;
}

/* What a file and the roster both say of a witness. */
#define COPY_TEXT(to, from, text)                                                                  \
    do {                                                                                           \
        _Static_assert(sizeof(to)->text == sizeof(from)->text, "of the same size");                \
        memcpy((to)->text, (from)->text, sizeof(to)->text);                                        \
    } while (0)
#define COPY_TEXTS(to, from)                                                                       \
    do {                                                                                           \
        COPY_TEXT(to, from, name);                                                                 \
        COPY_TEXT(to, from, address);                                                              \
        COPY_TEXT(to, from, raft);                                                                 \
        COPY_TEXT(to, from, failure_domain);                                                       \
    } while (0)

struct bw_witness_member_config bw_member_config_of(const struct bw_roster_member *member)
{
    struct bw_witness_member_config config = {.id = (uint32_t)member->id};

    COPY_TEXTS(&config, member);
    return config;
}

struct bw_roster_member bw_roster_member_of(const struct bw_witness_member_config *config,
                                            struct bw_id incarnation)
{
    struct bw_roster_member member = {.id = config->id, .incarnation = incarnation};

    COPY_TEXTS(&member, config);
    return member;
}

/* Once for each, until the file is read again. */
static void warn_of(struct bw_program *program, const struct bw_witness_member_config *own,
                    bool is_other)
{
    struct bw_directory *directory = &program->directory;

    for (uint32_t i = 0; i < directory->outdated_count; i++)
        if (directory->outdated[i] == own->id)
            return;
    directory->outdated[directory->outdated_count++] = own->id; /* of a file: there are no more */
    bw_log_warn(&program->log, "members.file_outdated", "name=%s id=%" PRIu32 " why=%s", own->name,
                own->id,
                bw_log_quote(is_other ? "the cluster knows another name for this id"
                                      : "it was removed from the cluster: take it out of the file"));
}

/* The file says where a member lives, so that it may move; but not who is one. */
static void put_file(struct bw_program *program, struct bw_directory *directory,
                     const struct bw_directory *before)
{
    const struct bw_witness_config *file = program->config;
    const struct bw_roster *roster = roster_of(program);
    const bool is_second = roster->id_max != 0;

    for (uint32_t i = 0; i < file->witness_count; i++) {
        const struct bw_witness_member_config *own = &file->witnesses[i];
        const struct bw_roster_member *member = bw_roster_find(roster, own->id);
        const bool is_other = is_second && member != NULL && strcmp(member->name, own->name) != 0;

        if (i == file->self || (!bw_roster_has_removed(roster, own->id) && !is_other))
            put(directory, own, roster->count == 0 || member != NULL, before);
        else
            warn_of(program, own, is_other);
    }
}

static void build(struct bw_program *program)
{
    struct bw_directory *directory = &program->directory;
    const struct bw_directory before = *directory;
    const struct bw_roster *roster = roster_of(program);

    directory->count = 0;
    put_file(program, directory, &before);
    for (unsigned i = 0; i < roster->count && roster->id_max != 0; i++) {
        const struct bw_witness_member_config config = bw_member_config_of(&roster->members[i]);

        put(directory, &config, true, &before);
    }
    for (uint32_t i = 0; i < directory->later_count; i++)
        if (!bw_roster_has_removed(roster, directory->later[i].id))
            put(directory, &directory->later[i], false, &before);
    directory->version = version_of(program);
    directory->is_built = true;
    bw_drive_use_members(program);
}

void bw_directory_rebuild(struct bw_program *program)
{
    program->directory.outdated_count = 0;
    build(program);
}

void bw_directory_refresh(struct bw_program *program)
{
    if (!program->directory.is_built || program->directory.version != version_of(program))
        build(program);
}

/* A member has named `config`, which is newer than all that is known here. */
static void directory_hear(struct bw_program *program, const struct bw_witness_member_config *config)
{
    struct bw_directory *directory = &program->directory;

    if (has(directory, config->id, config->name) || directory->later_count == BW_WITNESSES_MAX ||
        config->id <= roster_of(program)->id_max)
        return;
    directory->later[directory->later_count++] = *config;
    bw_log_info(&program->log, "members.heard_of", "name=%s id=%" PRIu32 " address=%s",
                config->name, config->id, config->address);
    build(program);
}

/* The addresses of a roster are those of the day on which it was written, and who moves is in no order. */
void bw_directory_roster(const struct bw_program *program, struct bw_roster *out_roster)
{
    *out_roster = *roster_of(program);
    for (unsigned i = 0; i < out_roster->count && out_roster->id_max != 0; i++) {
        struct bw_roster_member *member = &out_roster->members[i];
        const struct bw_witness_member_config *config = bw_program_member(program, member->id);

        if (config != NULL) {
            COPY_TEXT(member, config, address);
            COPY_TEXT(member, config, raft);
        }
    }
}

bool bw_directory_complete(const struct bw_program *program, struct bw_roster *out_roster,
                           struct bw_diag *diag)
{
    bw_directory_roster(program, out_roster);
    if (out_roster->id_max != 0 || out_roster->count == 0)
        return out_roster->count > 0;
    for (unsigned i = 0; i < out_roster->count; i++) {
        struct bw_roster_member *member = &out_roster->members[i];
        const int at = bw_directory_find(program, member->id);

        if (at < 0) {
            (void)bw_diag_set(diag, BW_ERR_REFUSED,
                              "the file of %s does not name the witness of id %" PRIu64
                              ": give all witnesses the same `witnesses`",
                              program->config->name, member->id);
            return false;
        }
        *member = bw_roster_member_of(&program->directory.list[at].config, member->incarnation);
        out_roster->id_max = member->id; /* they are in order */
    }
    return true;
}

/* ---- asking it ---- */

const struct bw_witness_member_config *bw_program_member(const struct bw_program *program,
                                                         uint64_t id)
{
    const int at = bw_directory_find(program, id);

    return at >= 0 ? &program->directory.list[at].config : NULL;
}

const struct bw_witness_member_config *bw_program_member_named(const struct bw_program *program,
                                                               const char *name)
{
    for (uint32_t i = 0; i < program->directory.count; i++)
        if (strcmp(program->directory.list[i].config.name, name) == 0)
            return &program->directory.list[i].config;
    return NULL;
}

bool bw_program_is_self(const struct bw_program *program,
                        const struct bw_witness_member_config *member)
{
    return strcmp(member->name, program->config->name) == 0;
}

void bw_directory_note_level(struct bw_program *program, uint64_t id, uint64_t level)
{
    const int at = bw_directory_find(program, id);

    if (at >= 0)
        program->directory.list[at].level = level < UINT32_MAX ? (uint32_t)level : UINT32_MAX;
}

uint32_t bw_directory_level(const struct bw_program *program, uint64_t id)
{
    const int at = bw_directory_find(program, id);

    return at >= 0 ? program->directory.list[at].level : 0;
}

void bw_directory_note_release(struct bw_program *program, uint64_t id,
                               const char release[BW_HELLO_RELEASE_BYTES])
{
    const int at = bw_directory_find(program, id);

    if (at >= 0)
        memcpy(program->directory.list[at].release, release, BW_HELLO_RELEASE_BYTES);
}

const char *bw_directory_release(const struct bw_program *program, uint64_t id)
{
    const int at = bw_directory_find(program, id);

    return at >= 0 ? program->directory.list[at].release : "";
}

void bw_directory_note_certificate(struct bw_program *program, uint64_t id, uint64_t left_s)
{
    const int at = bw_directory_find(program, id);
    struct bw_known *known = at >= 0 ? &program->directory.list[at] : NULL;

    if (known == NULL)
        return;
    known->has_certificate = true;
    known->certificate_left_s = left_s;
    known->certificate_received = bw_clock_now();
}

void bw_directory_note_committed(struct bw_program *program, uint64_t id, struct bw_commit_mark mark)
{
    const int at = bw_directory_find(program, id);

    if (at >= 0)
        program->directory.list[at].committed = mark;
}

bool bw_directory_certificate(const struct bw_program *program, uint64_t id, struct bw_instant now,
                              uint64_t *out_left_s)
{
    const int at = bw_directory_find(program, id);
    const struct bw_known *known = at >= 0 ? &program->directory.list[at] : NULL;
    uint64_t passed_s;

    if (known == NULL || !known->has_certificate)
        return false;
    passed_s = bw_instant_elapsed_ns(now, known->certificate_received) / BW_NS_PER_S;
    *out_left_s = known->certificate_left_s > passed_s ? known->certificate_left_s - passed_s : 0;
    return true;
}

/* ---- asking to join ---- */

/* POST /v1/witness/join, from the side of who asks: one that is to join tells every member that it is
 * there, until an operator has it added; and one that hears of no leader learns whether it was removed, or who
 * has come since. Design 3.9. */

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
        directory_hear(program, &config);
}

static void tell_member(struct bw_program *program, const char *from, const char *text)
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
        tell_member(program, from, text);
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

/* Asks the others when this witness is in no roster that it knows, or has known no leader for long. */
static void join_look(struct bw_program *program)
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

/* ---- asking a newcomer back ---- */

/* One that asks to join is asked back at its `address`: ports that were mixed up are seen before it
 * is given an id. Silence says nothing: it may be out of reach from here alone. Design 3.9. */

#define NEWCOMER_CONNECT_MS       1000
#define NEWCOMER_MS                                                                                  \
    5000 /* beyond the time after which a listener for Raft gives up waiting for a hello */
#define NEWCOMER_BYTES_MAX (64 * 1024)

struct look {
    struct bw_program *program;
    struct bw_applicant *slot; /* of the program, which stays as long */
    struct bw_roster_member asked;
};

/* It took the request, and what came back is no HTTP, or nothing. */
static bool is_no_http(const struct bw_http_answer *answer)
{
    return answer->err == BW_ERR_CORRUPT ||
           (answer->err == BW_ERR_UNREACHABLE && answer->may_have_arrived);
}

static void on_looked(void *user, const struct bw_http_answer *answer)
{
    struct look *look = user;
    const struct bw_roster_member *asked = &look->asked;
    char why[BW_DIAG_TEXT_BYTES];

    if (is_no_http(answer))
        (void)snprintf(
            why, sizeof why,
            "what answers at its address %s does not speak HTTP: are `address` and `raft` of %s swapped in its "
            "`witnesses`? (`address` is for agents, operators and other witnesses; `raft`, %s, is for Raft)",
            asked->address, asked->name, asked->raft);
    if (!look->program->is_closing)
        bw_applicant_on_looked(look->slot, asked, is_no_http(answer) ? why : NULL);
    free(look);
}

void bw_newcomer_look(struct bw_program *program, struct bw_applicant *slot)
{
    char url[BW_ADDRESS_MAX + 64];
    const struct bw_http_call request = {.method = "GET",
                                         .url = url,
                                         .timeout_ms = NEWCOMER_MS,
                                         .connect_timeout_ms = NEWCOMER_CONNECT_MS,
                                         .response_bytes_max = NEWCOMER_BYTES_MAX};
    struct look *look = calloc(1, sizeof *look);
    struct bw_diag diag = {0};

    (void)snprintf(url, sizeof url, "https://%s/healthz", slot->member.address);
    if (look != NULL)
        *look = (struct look){.program = program, .slot = slot, .asked = slot->member};
    if (look != NULL &&
        bw_http_client_send(&program->relay, &request, on_looked, look, &diag) != NULL)
        return;
    free(look);
    bw_applicant_on_not_looked(slot);
}

/* ---- `witness init` ---- */

/* `witness init`: the data directory of a founding member, or of one that is to join, once.
 * Design 3.9. */

enum bw_err bw_witness_found(const struct bw_witness_config *config, struct bw_id cluster_id,
                             bool joins, struct bw_id *out_cluster_id, struct bw_diag *diag)
{
    struct bw_node_founding founding = {.data_dir = config->data_dir,
                                        .member_count = config->witness_count};
    struct bw_data_dir_identity *identity = &founding.identity;
    enum bw_err err;

    identity->origin = joins                       ? BW_ROLL_JOINING
                       : bw_id_is_none(cluster_id) ? BW_ROLL_FOUNDER
                                                   : BW_ROLL_FOUNDING;
    identity->incarnation = bw_random_id();
    identity->cluster_id = bw_id_is_none(cluster_id) ? bw_random_id() : cluster_id;
    identity->witness_id = config->witnesses[config->self].id;
    identity->election_timeout_ms = config->election_timeout_ms;
    BW_ASSERT(bw_copy_text(identity->cluster, sizeof identity->cluster, config->cluster));
    for (uint32_t i = 0; i < config->witness_count; i++)
        founding.member_ids[i] = config->witnesses[i].id;
    err = joins ? bw_node_prepare(&founding, diag) : bw_node_bootstrap(&founding, diag);
    if (err == BW_OK)
        *out_cluster_id = identity->cluster_id;
    return err;
}

/* ---- members ---- */

static uint64_t live_ms(const struct bw_program *program)
{
    return bw_members_live_ms(program->config->election_timeout_ms);
}

bool bw_members_hears(const struct bw_program *program, const struct bw_node_peer *peer)
{
    return peer->is_in_contact && peer->last_contact_ms < live_ms(program);
}

/* ---- in words ---- */

static uint64_t behind_of(const struct bw_program *program, uint64_t id)
{
    struct bw_node_status status;

    bw_node_get_status(program->node, &status);
    return bw_node_peer_behind(&status, bw_node_peer(&status, id));
}

static const struct bw_roster_member *who_joins(const struct bw_roster *roster,
                                                const struct bw_members_facts *facts)
{
    for (unsigned i = 0; i < facts->count; i++) {
        const struct bw_roster_member *member = bw_roster_find(roster, facts->list[i].id);

        if (facts->list[i].role == BW_MEMBER_STANDBY && member != NULL && !member->is_leaving)
            return member;
    }
    return NULL;
}

static void tell_step(const struct bw_program *program, const struct bw_roster *roster,
                      const struct bw_members_facts *facts, const struct bw_members_step *step,
                      char out_text[BW_MEMBERS_TEXT_BYTES])
{
    const struct bw_roster_member *member = bw_roster_find(roster, step->id);
    const struct bw_roster_member *joins = who_joins(roster, facts);
    const char *name = member != NULL ? member->name : "";
    static const char *const words[] = {
        [BW_MEMBERS_ADD] = "joins, without a vote",
        [BW_MEMBERS_FEED] = "is sent the log",
        [BW_MEMBERS_PROMOTE] = "gets its vote",
        [BW_MEMBERS_HAND_OVER] = "transfers the leadership before its removal",
        [BW_MEMBERS_REMOVE] = "is removed",
        [BW_MEMBERS_FORGET] = "is taken out of the list of witnesses"};

    out_text[0] = '\0';
    if (step->kind == BW_MEMBERS_WAIT && joins != NULL &&
        (step->id == 0 || (step->id == joins->id && bw_members_fact(facts, step->id)->is_live)))
        (void)snprintf(out_text, BW_MEMBERS_TEXT_BYTES, "%s catches up: %" PRIu64 " entries behind",
                       joins->name, behind_of(program, joins->id));
    else if (step->kind == BW_MEMBERS_WAIT)
        (void)snprintf(out_text, BW_MEMBERS_TEXT_BYTES, "%s", step->why);
    else if (step->kind == BW_MEMBERS_MARK)
        (void)snprintf(out_text, BW_MEMBERS_TEXT_BYTES, "the leader checks which witnesses have the last change");
    else if (step->kind != BW_MEMBERS_NOTHING)
        (void)snprintf(out_text, BW_MEMBERS_TEXT_BYTES, "%s %s", name, words[step->kind]);
}

void bw_members_look(const struct bw_program *program, const struct bw_roster *roster,
                     struct bw_members_facts *out_facts, struct bw_members_step *out_step,
                     char out_text[BW_MEMBERS_TEXT_BYTES])
{
    bw_node_look_at_members(program->node, live_ms(program), out_facts);
    bw_members_next(roster, out_facts, out_step);
    tell_step(program, roster, out_facts, out_step, out_text);
}

/* ---- steps ---- */

static void on_tick(uv_timer_t *timer);

static void tick_in(struct bw_program *program, uint64_t ms)
{
    (void)uv_timer_start(&program->members.tick, on_tick, ms, 0); /* has a callback */
}

/* A member that leads: looks at once what is to be done next. */
static void go_on(struct bw_program *program)
{
    if (!program->is_closing && program->members.tick.data != NULL)
        tick_in(program, 0);
}

static void on_roster_done(void *user, enum bw_err err, uint64_t index)
{
    struct bw_program *program = user;

    program->members.state.is_submitting = false;
    bw_log_write(&program->log, err == BW_OK ? BW_LOG_INFO : BW_LOG_WARN, "members.roster",
                 "index=%" PRIu64 " outcome=%s", index, bw_log_quote(bw_err_text(err)));
    if (program->is_closing)
        return;
    bw_directory_refresh(program);
    go_on(program);
}

enum bw_err bw_members_submit(struct bw_program *program, const struct bw_roster *roster)
{
    enum bw_err err;

    BW_ASSERT(!program->members.state.is_submitting);
    err = bw_node_apply_roster(program->node, roster, on_roster_done, program);
    program->members.state.is_submitting = err == BW_OK;
    return err;
}

static enum bw_err carry_out(struct bw_program *program, const struct bw_members_action *action)
{
    switch (action->kind) {
    case BW_MEMBERS_ACTION_NONE:
        break;
    case BW_MEMBERS_ACTION_CHANGE:
        return bw_node_change(program->node, action->step.kind, action->step.id);
    case BW_MEMBERS_ACTION_HAND_OVER:
        return bw_node_transfer(program->node, 0);
    case BW_MEMBERS_ACTION_SUBMIT:
        return bw_members_submit(program, &action->roster);
    }
    return BW_OK;
}

static void tell(struct bw_program *program, const struct bw_roster *roster,
                 const struct bw_members_facts *facts, const struct bw_members_step *step)
{
    char text[BW_MEMBERS_TEXT_BYTES];

    tell_step(program, roster, facts, step, text);
    bw_log_info(&program->log, "members.step", "rule=%s id=%" PRIu64 " why=%s", step->rule,
                step->id, bw_log_quote(text));
}

/* True: something is under way. */
static bool lead(struct bw_program *program)
{
    struct bw_witness_members *members = &program->members.state;
    const struct bw_roster *roster = bw_node_roster(program->node);
    const bool is_ready = bw_node_is_ready(program->node);
    struct bw_members_action action;
    struct bw_members_facts facts;
    bool is_busy;

    if (is_ready)
        bw_node_look_at_members(program->node, live_ms(program), &facts);
    is_busy = bw_witness_members_lead(members, roster, is_ready ? &facts : NULL,
                                      uv_now(&program->loop), &action);
    BW_ASSERT(is_ready || !action.is_news); /* who does not lead yet takes no step */
    if (action.is_news)
        tell(program, roster, &facts, &action.step);
    bw_witness_members_on_taken(members, carry_out(program, &action), uv_now(&program->loop));
    return is_busy;
}

/* ---- the end of one that was removed ---- */

void bw_members_end_removed(struct bw_program *program, const char *by)
{
    struct bw_diag diag = {0};

    if (bw_node_mark_removed(program->node, &diag) != BW_OK)
        bw_log_error(&program->log, "members.not_marked", "error=%s", bw_log_quote(diag.text));
    bw_log_error(&program->log, "witness.removed", "exit_status=%d by=%s why=%s",
                 (int)BW_STOP_PERSON, by, bw_log_quote(BW_WITNESS_REMOVED));
    _exit((int)BW_STOP_PERSON);
}

static void on_tick(uv_timer_t *timer)
{
    struct bw_program *program = timer->data;
    bool is_busy;

    bw_directory_refresh(program);
    if (bw_node_is_removed(program->node))
        bw_members_end_removed(program, "log");
    bw_raft_links_part(program->links);
    is_busy = lead(program);
    join_look(program);
    tick_in(program, bw_witness_members_tick_ms(is_busy));
}

void bw_members_open(struct bw_program *program)
{
    BW_ASSERT(uv_timer_init(&program->loop, &program->members.tick) == 0); /* cannot fail */
    program->members.tick.data = program;
    tick_in(program, bw_witness_members_tick_ms(true));
}

void bw_members_close(struct bw_program *program)
{
    uv_handle_t *tick = (uv_handle_t *)&program->members.tick;

    if (tick->data != NULL && !uv_is_closing(tick))
        uv_close(tick, NULL);
}
