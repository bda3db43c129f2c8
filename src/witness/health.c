/* health.c - /healthz: the loop turns; /readyz: this witness takes part. Design 5.3. A witness
 * without a quorum is alive and not ready: to restart it would help nobody. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BEHIND_MAX 1000 /* entries committed and not applied */
#define TEXT_BYTES 256
#define TEXT_TYPE  "text/plain; charset=utf-8"

static void on_healthz(struct bw_http_request *request, void *user)
{
    (void)user;
    bw_http_respond(request, 200, TEXT_TYPE, "ok\n", 3);
}

/* Why this witness is not ready, in words; false: it is. */
static bool find_reason(const struct bw_program *program, const struct bw_node_status *status,
                        char out_text[TEXT_BYTES])
{
    if (program->machine.is_leaving || program->is_closing)
        (void)snprintf(out_text, TEXT_BYTES, "this witness is ending\n");
    else if (!status->is_voter)
        (void)snprintf(out_text, TEXT_BYTES, "this witness has no vote\n");
    else if (bw_node_is_bare(program->node))
        (void)snprintf(out_text, TEXT_BYTES,
                       "the cluster waits for its members: it starts after all witnesses are up\n");
    else if (bw_id_is_none(program->machine.cluster.id))
        (void)snprintf(out_text, TEXT_BYTES, "this witness has no connection to its cluster yet\n");
    else if (program->machine.core.leadership.leads && !bw_witness_machine_is_ready(&program->machine))
        (void)snprintf(out_text, TEXT_BYTES, "this witness leads, and its log has taken nothing for 5 s or longer\n");
    else if (bw_witness_machine_leader(&program->machine) == NULL && status->lacks_room)
        (void)snprintf(out_text, TEXT_BYTES, "no leader is known, and this disk has no room for the log\n");
    else if (bw_witness_machine_leader(&program->machine) == NULL)
        (void)snprintf(out_text, TEXT_BYTES, "no leader is known: is there a majority?\n");
    else if (status->commit_index - status->applied_index > BEHIND_MAX)
        (void)snprintf(out_text, TEXT_BYTES, "%" PRIu64 " committed entries are not applied yet\n",
                       status->commit_index - status->applied_index);
    else
        return false;
    return true;
}

static void on_readyz(struct bw_http_request *request, void *user)
{
    const struct bw_program *program = user;
    char text[TEXT_BYTES] = "ok\n";
    struct bw_node_status status;
    bool is_unready;

    bw_node_get_status(program->node, &status);
    is_unready = find_reason(program, &status, text);
    bw_http_respond(request, is_unready ? 503 : 200, TEXT_TYPE, text, strlen(text));
}

const struct bw_http_route bw_health_routes[] = {
    {"GET", "/healthz", BW_ROLES_ANY, BW_HTTP_ABOUT_NOTHING, on_healthz},
    {"GET", "/readyz", BW_ROLES_ANY, BW_HTTP_ABOUT_NOTHING, on_readyz},
};
const size_t bw_health_route_count = sizeof bw_health_routes / sizeof bw_health_routes[0];
