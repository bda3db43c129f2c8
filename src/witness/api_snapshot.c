/* api_snapshot.c - GET /v1/snapshot: the state, by a leader that has proved that it still leads. Design 3.2.2,
 * 3.9. */
#include <stdlib.h>

#include <breakwater/sys/clock.h>
#include <breakwater/witness/saved.h>

#include "api_operator.h"
#include "awaited.h"

#define PROOF_MS 5000 /* a round trip is enough; then it is refused */

static void refuse_unproved(struct bw_http_request *request)
{
    bw_operator_refuse(request, 503, "unproved",
                       "a majority did not confirm this witness as the leader after the request, so its state may "
                       "be old; nothing was saved",
                       "see breakwater status; try again when a majority of the witnesses is connected");
}

static void send_state(struct bw_program *program, struct bw_http_request *request)
{
    struct bw_json_buffer buffer = {0};
    struct bw_read_clock clock;
    struct bw_roster roster; /* whom a restore asks, and where */

    if (!bw_reads_may_write(program, request, &clock))
        return;
    bw_directory_roster(program, &roster);
    bw_json_put(&buffer, bw_saved_encode(&program->machine.cluster, &roster,
                                         program->machine.core.leadership.term, program->config->name,
                                         bw_clock_wall().unix_ms));
    bw_json_put_text(&buffer, "\n", 1);
    bw_reads_written(program, &clock);
    bw_reads_send(program, request, &buffer);
}

static void answer(struct bw_awaited *asked)
{
    struct bw_program *program = asked->program;

    if (asked->err == BW_OK)
        send_state(program, asked->request);
    else if (asked->err == BW_ERR_NOT_LEADER)
        bw_operator_refuse_err(program, asked->request, asked->err, NULL);
    else
        refuse_unproved(asked->request);
}

void bw_operator_on_snapshot(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    struct bw_awaited *asked;

    if (!bw_operator_may_change(program, request)) /* one that does not lead may be behind */
        return;
    asked = calloc(1, sizeof *asked);
    if (asked == NULL) {
        bw_operator_answer(request, 503, NULL);
        return;
    }
    bw_awaited_init(asked, program, request);
    asked->answer = answer;
    asked->answer_late = refuse_unproved;
    bw_awaited_begin(asked, bw_witness_machine_prove(&program->machine, &asked->proposer),
                     PROOF_MS);
}
