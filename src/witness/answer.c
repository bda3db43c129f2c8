/* answer.c - what a sync or a poll is told: orders from committed state. Design 5.3. */
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/wire/sync.h>

static void tell_members(const struct bw_program *program, struct bw_sync_answer *answer)
{
    const struct bw_witness_config *config = program->config;

    _Static_assert(sizeof answer->members[0].address == sizeof config->witnesses[0].address,
                   "an address is copied whole");
    answer->member_count = config->witness_count;
    for (uint32_t i = 0; i < config->witness_count; i++) {
        const struct bw_witness_member_config *from = &config->witnesses[i];
        struct bw_member *to = &answer->members[i];

        to->id = from->id;
        memcpy(to->name, from->name, sizeof to->name);
        memcpy(to->address, from->address, sizeof to->address);
    }
}

struct bw_sync_answer *bw_answer_new(const struct bw_program *program, uint32_t group_max)
{
    const struct bw_witness_member_config *leader = bw_program_leader(program);
    struct bw_sync_answer *answer = calloc(1, sizeof *answer);

    if (answer == NULL)
        return NULL;
    answer->groups = calloc(group_max > 0 ? group_max : 1, sizeof answer->groups[0]);
    if (answer->groups == NULL) {
        free(answer);
        return NULL;
    }
    answer->cluster_id = program->cluster.id;
    answer->generation = program->cluster.generation;
    answer->is_leader = program->machine.leadership.leads;
    answer->applied_index = program->cluster.applied_index;
    if (leader != NULL)
        memcpy(answer->leader, leader->name, sizeof answer->leader);
    memcpy(answer->witness, program->config->name, sizeof answer->witness);
    tell_members(program, answer);
    return answer;
}

void bw_answer_free(struct bw_sync_answer *answer)
{
    if (answer == NULL)
        return;
    free(answer->groups);
    free(answer);
}

struct bw_sync_answer_group *bw_answer_add(const struct bw_program *program,
                                           struct bw_sync_answer *answer, int place,
                                           const char *site)
{
    const struct bw_group *group = &program->groups[place];
    struct bw_sync_answer_group *told = &answer->groups[answer->group_count++];

    memcpy(told->name, group->spec.name, sizeof told->name);
    bw_order_derive(group, site, program->cluster.applied_index, &told->order);
    return told;
}

void bw_answer_send(struct bw_program *program, struct bw_http_request *request,
                    struct bw_sync_answer *answer)
{
    struct bw_diag diag = {0};
    uint8_t *body = NULL;
    size_t size = 0;
    enum bw_err err = bw_sync_answer_encode(answer, NULL, 0, &size, &diag);

    if (err == BW_OK) {
        body = malloc(size > 0 ? size : 1);
        err = body == NULL ? bw_diag_set(&diag, BW_ERR_NOMEM, "no memory for %zu bytes", size)
                           : bw_sync_answer_encode(answer, body, size, &size, &diag);
    }
    bw_answer_free(answer);
    if (err == BW_OK) {
        bw_http_respond(request, 200, BW_PROTOBUF_TYPE, body, size);
    } else {
        bw_log_error(&program->log, "answer.failed", "remote=%s why=%s", request->remote,
                     bw_log_quote(diag.text));
        bw_http_respond_error(request, err == BW_ERR_NOMEM ? 503 : 500, diag.text, NULL);
    }
    free(body);
}

bool bw_answer_is_too_early(struct bw_program *program, struct bw_http_request *request)
{
    if (!bw_id_is_none(program->cluster.id))
        return false;
    bw_http_respond_error(request, 503, "this witness has not heard from its cluster yet",
                          "ask another witness, or again in a moment");
    return true;
}
