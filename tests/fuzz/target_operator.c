/* What people ask a witness that leads: each of its routes, with any path segment, query and body.
 * The first byte says which route and whether a plan is asked for; then the segment, the query and
 * the body, each but the last ended by a newline. Proposals are applied at once. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/machine/witness_operator.h>
#include <breakwater/wire/log_entry.h>
#include <breakwater/wire/snapshot.h>

#include "../../src/witness/api_operator.h"
#include "../support/wire_fill.h"
#include "fuzz.h"

#define GROUPS 3
#define SNAPSHOT_BYTES (64 * 1024) /* more than that many groups need */

extern const struct bw_http_route bw_operator_routes[];
extern const size_t bw_operator_route_count;

static struct bw_group groups[GROUPS];
static struct bw_watch watches[GROUPS];
static struct bw_sync_answer_group answer_groups[GROUPS];
static struct bw_group groups_at_first[GROUPS];
static struct bw_watch watches_at_first[GROUPS];
static struct bw_program program;
static struct bw_trouble_book alarms;
static struct bw_cluster cluster_at_first;
static struct bw_witness core_at_first;
static uint8_t snapshot_at_first[SNAPSHOT_BYTES];
static size_t snapshot_at_first_size;
static struct bw_witness_config config = {.cluster = "prod",
                                          .name = "w1",
                                          .witness_count = 1,
                                          .witnesses = {{.name = "w1", .id = 1,
                                                         .address = "w1.example.net:7400"}},
                                          .election_timeout_ms = 1000};
static uint64_t now_ms = 1;
static unsigned answers;
static unsigned proposals;
static bool is_deferred;
static bool is_submitted;
static struct bw_command submitted;
static struct bw_witness_request request_of_it;

/* ---- what is played: the server below, the log behind ---- */

void __wrap_bw_http_respond(struct bw_http_request *request, int status, const char *content_type,
                            const void *body, size_t size);
void __wrap_bw_http_respond_with(struct bw_http_request *request, int status, const char *fields,
                                 const char *content_type, const void *body, size_t size);
void __wrap_bw_http_respond_body(struct bw_http_request *request, int status, const char *fields,
                                 const char *content_type, struct bw_http_body *body);
void __wrap_bw_http_respond_error(struct bw_http_request *request, int status, const char *error,
                                  const char *hint);
void __wrap_bw_http_tell_refused(const struct bw_http_request *request, int status,
                                 const char *error);
void __wrap_bw_http_defer(struct bw_http_request *request, uint32_t deadline_ms,
                          const struct bw_http_later *later, void *user);
void __wrap_bw_drive_refresh(struct bw_program *of);
enum bw_err __wrap_bw_program_ask(struct bw_program *of, int group, const struct bw_wish *wish,
                                  const char *remote, struct bw_proposer *proposer,
                                  struct bw_diag *diag);
void __wrap_bw_node_get_status(const struct bw_raft_node *node, struct bw_node_status *out_status);
bool __wrap_bw_agents_is_too_early(struct bw_program *of, struct bw_http_request *request);
uint64_t __wrap_bw_credentials_left_s(const struct bw_credentials *credentials, struct bw_wall now);

/* Every answer is a JSON document; one that says no says why. */
void __wrap_bw_http_respond(struct bw_http_request *request, int status, const char *content_type,
                            const void *body, size_t size)
{
    json_t *document = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
    const char *error = json_string_value(json_object_get(document, "error"));

    (void)request;
    answers++;
    FUZZ_CHECK(strcmp(content_type, BW_JSON_TYPE) == 0 && json_is_object(document));
    FUZZ_CHECK(status >= 200 && status < 600 && status != 500);
    FUZZ_CHECK(status < 300 ? error == NULL : error != NULL && error[0] != '\0');
    json_decref(document);
}

void __wrap_bw_http_respond_with(struct bw_http_request *request, int status, const char *fields,
                                 const char *content_type, const void *body, size_t size)
{
    (void)fields;
    __wrap_bw_http_respond(request, status, content_type, body, size);
}

void __wrap_bw_http_respond_body(struct bw_http_request *request, int status, const char *fields,
                                 const char *content_type, struct bw_http_body *body)
{
    __wrap_bw_http_respond_with(request, status, fields, content_type, body->text, body->size);
}

void __wrap_bw_http_respond_error(struct bw_http_request *request, int status, const char *error,
                                  const char *hint)
{
    (void)request;
    (void)hint;
    FUZZ_CHECK(status >= 400 && error[0] != '\0');
    answers++;
}

void __wrap_bw_http_tell_refused(const struct bw_http_request *request, int status, const char *error)
{
    (void)request;
    FUZZ_CHECK(status >= 400 && error[0] != '\0');
}

void __wrap_bw_http_defer(struct bw_http_request *request, uint32_t deadline_ms,
                          const struct bw_http_later *later, void *user)
{
    (void)request;
    (void)user;
    FUZZ_CHECK(deadline_ms > 0 && later->on_gone != NULL && later->on_deadline != NULL);
    is_deferred = true;
}

void __wrap_bw_drive_refresh(struct bw_program *of)
{
    (void)of; /* no time passes */
}

/* Whatever a person may propose can be written to the log, and reads back as it was meant. */
static enum bw_err submit(const struct bw_witness_action *action)
{
    static uint8_t entry[BW_COMMAND_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;

    if (action->request->proposer == NULL)
        return BW_ERR_LIMIT; /* what follows by itself is not asked for here */
    FUZZ_CHECK(!is_submitted); /* one after the other */
    proposals++;
    FUZZ_CHECK(bw_log_entry_encode(action->command, entry, sizeof entry, &size, &diag) == BW_OK);
    FUZZ_CHECK(bw_log_entry_decode(entry, size, &submitted, &diag) == BW_OK);
    FUZZ_CHECK(wire_is_equal(&bw_shape_log_entry, action->command, &submitted));
    request_of_it = *action->request;
    is_submitted = true;
    return BW_OK;
}

static enum bw_err emit(void *user, const struct bw_witness_action *action, struct bw_diag *diag)
{
    (void)user;
    (void)diag;
    if (action->kind == BW_WITNESS_ACTION_SUBMIT)
        return submit(action);
    if (action->kind == BW_WITNESS_ACTION_APPLIED)
        bw_operator_on_applied(&program, action->apply);
    return action->kind == BW_WITNESS_ACTION_PROVE ? BW_ERR_LIMIT : BW_OK;
}

/* What was proposed is applied, and so is what is proposed after it. */
static void end_proposals(void)
{
    while (is_submitted) {
        const struct bw_witness_request request = request_of_it;
        const uint64_t index = program.machine.cluster.applied_index + 1;

        is_submitted = false;
        now_ms = 20000;
        FUZZ_CHECK(bw_witness_machine_apply(&program.machine, index, &submitted).rule !=
                   NULL); /* it was tried on a copy first */
        bw_witness_machine_step(&program.machine,
                                &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_ENDED,
                                                           .request = &request,
                                                           .index = index});
        bw_log_entry_release(&submitted);
    }
    bw_operator_send_applied(&program);
    bw_program_answer_awaited(&program);
}

enum bw_err __wrap_bw_program_ask(struct bw_program *of, int group, const struct bw_wish *wish,
                                  const char *remote, struct bw_proposer *proposer,
                                  struct bw_diag *diag)
{
    const enum bw_err err = proposer == NULL
                                ? bw_witness_ask(&of->machine.core, group, wish,
                                                 fuzz_instant_ms(20000), diag)
                                : bw_witness_machine_ask(&of->machine, group, wish, proposer, diag);

    FUZZ_CHECK(remote[0] != '\0');
    fuzz_check_outcome(err, diag);
    FUZZ_CHECK(fuzz_is_text(wish->to, sizeof wish->to) && fuzz_is_text(wish->by, sizeof wish->by));
    FUZZ_CHECK(fuzz_is_text(wish->text, sizeof wish->text));
    for (const char *at = wish->text; *at != '\0'; at++)
        FUZZ_CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
    return err;
}

void __wrap_bw_node_get_status(const struct bw_raft_node *node, struct bw_node_status *out_status)
{
    (void)node;
    *out_status = (struct bw_node_status){.term = 3, .voter_count = 1};
}

uint64_t __wrap_bw_credentials_left_s(const struct bw_credentials *credentials, struct bw_wall now)
{
    (void)credentials; /* there are none */
    (void)now;
    return 86400;
}

bool __wrap_bw_agents_is_too_early(struct bw_program *of, struct bw_http_request *request)
{
    (void)of;
    (void)request;
    return false;
}

/* ---- the world ---- */

static struct bw_instant now(void *user)
{
    (void)user;
    return fuzz_instant_ms(now_ms);
}

static int64_t wall_ms(void *user)
{
    (void)user;
    return 1700000000000;
}

/* All that is replicated, without the padding of its structs. */
static size_t write_snapshot(uint8_t *out)
{
    size_t size;

    FUZZ_CHECK(bw_snapshot_encode(&program.machine.cluster, out, SNAPSHOT_BYTES, &size, NULL) == BW_OK);
    return size;
}

static bool is_as_at_first(void)
{
    static uint8_t snapshot[SNAPSHOT_BYTES];
    const size_t size = write_snapshot(snapshot);

    return size == snapshot_at_first_size && memcmp(snapshot, snapshot_at_first, size) == 0;
}

static void apply(const struct bw_command *command)
{
    const uint64_t index = program.machine.cluster.applied_index + 1;
    const struct bw_applied applied = bw_witness_machine_apply(&program.machine, index, command);

    FUZZ_CHECK(applied.rule != NULL);
}

static void open_world(void)
{
    struct bw_command found = {.kind = BW_COMMAND_FOUND, .election_timeout_ms = 1000, .feature_level = 1,
                               .cluster_id = {{7}}, .cluster_name = "prod"};
    struct bw_command spec = {.kind = BW_COMMAND_SET_SPEC, .group = "harbor"};
    struct bw_command grant = {.kind = BW_COMMAND_GRANT, .group = "harbor", .site = "dc-a",
                               .instance = {{1}}, .boot_id = {{2}}, .epoch = 1, .reason = BW_REASON_FIRST_GRANT};

    const struct bw_witness_setup setup = {.driver = {.now = now, .wall_ms = wall_ms, .emit = emit},
                                           .name = "w1",
                                           .feature_level = BW_FEATURE_LEVEL_NEWEST,
                                           .groups = groups,
                                           .watches = watches,
                                           .group_max = GROUPS,
                                           .answer_groups = answer_groups,
                                           .answer_group_max = GROUPS};
    const struct bw_member member = {.id = 1, .name = "w1", .address = "w1.example.net:7400"};

    program.config = &config;
    program.groups = groups;
    program.watches = watches;
    program.alarms = &alarms;
    bw_log_init(&program.log, "witness", BW_LOG_ERROR);
    bw_witness_machine_init(&program.machine, &setup);
    bw_witness_machine_set_members(&program.machine, &member, 1);
    now_ms = 10000;
    apply(&found);
    bw_spec_defaults(&spec.spec);
    (void)strcpy(spec.spec.name, "harbor");
    spec.spec.site_count = 2;
    (void)strcpy(spec.spec.sites[0].name, "dc-a");
    (void)strcpy(spec.spec.sites[1].name, "dc-b");
    spec.spec.sites[0].priority = 100;
    spec.spec.sites[1].priority = 50;
    apply(&spec);
    (void)strcpy(spec.group, "registry");
    (void)strcpy(spec.spec.name, "registry");
    apply(&spec);
    grant.spec_version = groups[0].spec_version;
    grant.terms = bw_terms_of_spec(&groups[0].spec);
    apply(&grant);
    bw_witness_on_leading(&program.machine.core, 3, fuzz_instant_ms(10000));
    memcpy(groups_at_first, groups, sizeof groups);
    memcpy(watches_at_first, watches, sizeof watches);
    cluster_at_first = program.machine.cluster;
    core_at_first = program.machine.core;
    snapshot_at_first_size = write_snapshot(snapshot_at_first);
}

static void begin_again(void)
{
    memcpy(groups, groups_at_first, sizeof groups);
    memcpy(watches, watches_at_first, sizeof watches);
    program.machine.cluster = cluster_at_first;
    program.machine.core = core_at_first;
    for (uint32_t i = 0; i < GROUPS; i++) /* of no group: all is forgotten */
        bw_trouble_book_note(&alarms, i, &(struct bw_troubles){.of = ""}, fuzz_instant_ms(now_ms),
                             wall_ms(NULL));
    answers = proposals = 0;
    is_deferred = false;
}

/* ---- one request ---- */

/* The text up to the next newline. */
static char *cut_line(const uint8_t **data, size_t *size)
{
    const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
    const size_t length = end != NULL ? (size_t)(end - *data) : *size;
    char *line = fuzz_text(*data, length);

    *data += end != NULL ? length + 1 : length;
    *size -= end != NULL ? length + 1 : length;
    return line;
}

/* A spec that is taken is written as what is taken again. */
static void check_spec(const json_t *value)
{
    struct bw_json_problems problems;
    struct bw_spec first;
    struct bw_spec second;
    json_t *again;

    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    bw_json_problems_init(&problems);
    if (bw_spec_json_decode(value, "groups[0]", 1000, &first, &problems)) {
        fuzz_check_shape(&bw_shape_spec, &first);
        again = bw_spec_json_encode(&first);
        FUZZ_CHECK(again != NULL &&
                   bw_spec_json_decode(again, "groups[0]", 1000, &second, &problems));
        FUZZ_CHECK(wire_is_equal(&bw_shape_spec, &first, &second));
        json_decref(again);
        again = bw_spec_json_changes(&first, &second);
        FUZZ_CHECK(json_array_size(again) == 0);
        json_decref(again);
    } else {
        FUZZ_CHECK(problems.count > 0 && json_array_size(problems.problems) > 0);
    }
    FUZZ_CHECK(json_array_size(problems.problems) <= BW_JSON_PROBLEMS_MAX);
    bw_json_problems_deinit(&problems);
}

static void ask(const struct bw_http_route *route, char *segment, const char *query,
                const uint8_t *body, size_t size)
{
    static const struct bw_identity anna = {
        .cluster = "prod", .role = BW_ROLE_OPERATOR, .name = "anna"};
    struct bw_http_request request = {.route = route,
                                      .path = route->pattern,
                                      .query = query,
                                      .body = body,
                                      .body_size = size,
                                      .peer = &anna,
                                      .remote = "192.0.2.1:40000",
                                      .received = fuzz_instant_ms(20000)};

    bw_reads_deinit(&program.reads); /* each document is written anew */
    segment[strlen(segment) > BW_NAME_MAX ? BW_NAME_MAX : strlen(segment)] = '\0';
    (void)strcpy(request.segments[0], segment);
    route->handler(&request, &program);
    end_proposals();
    FUZZ_CHECK(answers == 1);
    FUZZ_CHECK(proposals == 0 || (is_deferred && strcmp(route->method, "GET") != 0));
    FUZZ_CHECK(proposals > 0 || is_as_at_first());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bw_http_route *route;
    json_t *body;
    const json_t *spec;
    char *segment;
    char *query;

    if (size == 0)
        return 0;
    if (program.config == NULL)
        open_world();
    begin_again();
    route = &bw_operator_routes[data[0] % bw_operator_route_count];
    data++;
    size--;
    segment = cut_line(&data, &size);
    query = cut_line(&data, &size);
    ask(route, segment, query, data, size);
    free(segment);
    free(query);
    body = json_loadb((const char *)data, size, 0, NULL);
    spec = json_object_get(body, "groups");
    spec = json_is_array(spec) ? json_array_get(spec, 0) : body;
    if (spec != NULL)
        check_spec(spec);
    json_decref(body);
    return 0;
}
