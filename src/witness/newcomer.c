/* newcomer.c - one that asks to join is asked back at its `address`: ports that were mixed up are seen before it
 * is given an id. Silence says nothing: it may be out of reach from here alone. Design 3.9. */
#include "newcomer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>

#define CONNECT_MS       1000
#define ANSWER_MS                                                                                  \
    5000 /* beyond the time after which a listener for Raft gives up waiting for a hello */
#define ANSWER_BYTES_MAX (64 * 1024)

struct look {
    struct bw_program *program;
    struct bw_roster_member asked;
};

/* The slot of the one that was asked; NULL: it has none any more, or another one's words are in it.
 */
static struct bw_applicant *slot_of(const struct look *look)
{
    struct bw_witness_members *members = &look->program->members.state;

    for (size_t i = 0; i < BW_APPLICANTS_MAX; i++) {
        struct bw_applicant *applicant = &members->applicants[i];

        if (applicant->heard_ms != 0 &&
            bw_id_equal(applicant->member.incarnation, look->asked.incarnation) &&
            strcmp(applicant->member.name, look->asked.name) == 0 &&
            strcmp(applicant->member.address, look->asked.address) == 0)
            return applicant;
    }
    return NULL;
}

/* It took the request, and what came back is no HTTP, or nothing. */
static bool is_no_http(const struct bw_http_answer *answer)
{
    return answer->err == BW_ERR_CORRUPT ||
           (answer->err == BW_ERR_UNREACHABLE && answer->may_have_arrived);
}

static void on_looked(void *user, const struct bw_http_answer *answer)
{
    struct look *look = user;
    struct bw_applicant *applicant = look->program->is_closing ? NULL : slot_of(look);

    if (applicant != NULL && is_no_http(answer)) {
        applicant->look = BW_LOOK_FAILED;
        (void)snprintf(applicant->why, sizeof applicant->why,
                       "what answers at its address %s speaks no HTTP: are `address` and `raft` of %s "
                       "swapped in its `witnesses`? (agents, people and other witnesses ask at "
                       "`address`; at `raft`, %s, witnesses speak Raft)",
                       look->asked.address, look->asked.name, look->asked.raft);
    } else if (applicant != NULL) {
        applicant->look = BW_LOOK_DONE;
    }
    free(look);
}

void bw_newcomer_look(struct bw_program *program, struct bw_applicant *applicant)
{
    char url[BW_ADDRESS_MAX + 64];
    const struct bw_http_call request = {.method = "GET",
                                         .url = url,
                                         .timeout_ms = ANSWER_MS,
                                         .connect_timeout_ms = CONNECT_MS,
                                         .response_bytes_max = ANSWER_BYTES_MAX};
    struct look *look = calloc(1, sizeof *look);
    struct bw_diag diag = {0};

    applicant->look = BW_LOOK_BEGUN;
    (void)snprintf(url, sizeof url, "https://%s/healthz", applicant->member.address);
    if (look != NULL)
        *look = (struct look){.program = program, .asked = applicant->member};
    if (look != NULL &&
        bw_http_client_send(&program->relay, &request, on_looked, look, &diag) != NULL)
        return;
    free(look);
    applicant->look = BW_LOOK_NONE; /* it asks again */
}
