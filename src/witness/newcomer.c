/* newcomer.c - one that asks to join is asked back at its `address`: ports that were mixed up are seen before it
 * is given an id. Silence says nothing: it may be out of reach from here alone. Design 3.9. */
#include "newcomer.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNECT_MS       1000
#define ANSWER_MS                                                                                  \
    5000 /* beyond the time after which a listener for Raft gives up waiting for a hello */
#define ANSWER_BYTES_MAX (64 * 1024)

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
            "what answers at its address %s speaks no HTTP: are `address` and `raft` of %s "
            "swapped in its `witnesses`? (agents, people and other witnesses ask at "
            "`address`; at `raft`, %s, witnesses speak Raft)",
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
                                         .timeout_ms = ANSWER_MS,
                                         .connect_timeout_ms = CONNECT_MS,
                                         .response_bytes_max = ANSWER_BYTES_MAX};
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
