#include "awaited.h"

#include <stdlib.h>

#include "api_operator.h"

static void on_gone(struct bw_http_request *request, void *user)
{
    struct bw_awaited *awaited = user;

    (void)request;
    awaited->request = NULL; /* what was asked for goes on */
}

static void on_deadline(struct bw_http_request *request, void *user)
{
    struct bw_awaited *awaited = user;

    awaited->request = NULL;
    awaited->answer_late(request);
}

static const struct bw_http_later later = {.on_gone = on_gone, .on_deadline = on_deadline};

static void on_done(struct bw_witness_machine *machine, struct bw_proposer *proposer,
                    enum bw_err err, uint64_t index, const struct bw_applied *applied)
{
    struct bw_awaited *awaited = (struct bw_awaited *)proposer;

    (void)machine; /* its driver's, which is in the middle of a step */
    awaited->err = err == BW_OK && applied != NULL && applied->rule == NULL ? applied->err : err;
    awaited->index = index;
    awaited->next = awaited->program->awaited;
    awaited->program->awaited = awaited;
}

void bw_awaited_init(struct bw_awaited *awaited, struct bw_program *program,
                     struct bw_http_request *request)
{
    awaited->proposer.on_done = on_done;
    awaited->program = program;
    awaited->request = request;
}

bool bw_awaited_refuse(struct bw_awaited *awaited)
{
    if (awaited->err == BW_ERR_UNKNOWN)
        awaited->answer_late(awaited->request);
    else if (awaited->err != BW_OK)
        bw_operator_refuse_err(awaited->program, awaited->request, awaited->err,
                               awaited->err == BW_ERR_STALE
                                   ? "another operator has changed it; look at the plan again"
                                   : bw_err_text(awaited->err));
    return awaited->err != BW_OK;
}

void bw_awaited_begin(struct bw_awaited *awaited, enum bw_err err, uint32_t limit_ms)
{
    if (err == BW_OK) {
        bw_http_defer(awaited->request, limit_ms, &later, awaited);
        return;
    }
    awaited->err = err;
    awaited->answer(awaited);
    free(awaited);
}

void bw_program_answer_awaited(struct bw_program *program)
{
    while (program->awaited != NULL) {
        struct bw_awaited *awaited = program->awaited;

        program->awaited = awaited->next;
        if (awaited->request != NULL)
            awaited->answer(awaited);
        free(awaited);
    }
}
