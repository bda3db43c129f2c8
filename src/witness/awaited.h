/* awaited.h - a request that is answered once the machine has told what came of what it asked for: a command,
 * or a proof of leadership (machine/witness.h). The loop's thread only. */
#ifndef BW_WITNESS_AWAITED_H
#define BW_WITNESS_AWAITED_H

#include "program.h"

/* First in the memory of who answers: malloc'd, freed here once all is over. */
struct bw_awaited {
    struct bw_proposer proposer;
    struct bw_awaited *next; /* that is over: program->awaited */
    struct bw_program *program;
    struct bw_http_request *request; /* NULL: answered, or the client is gone */
    enum bw_err err;                 /* of the outcome; of a command that did nothing, why */
    uint64_t index;                  /* of a command */
    void (*answer)(struct bw_awaited *awaited);
    void (*answer_late)(struct bw_http_request *request); /* its time is over; the outcome comes to nobody */
};

/* Before it is given to the machine. */
void bw_awaited_init(struct bw_awaited *awaited, struct bw_program *program,
                     struct bw_http_request *request);
/* Of an outcome that is a refusal, or is not known: says so. False: it was done, and is to be
 * answered. */
bool bw_awaited_refuse(struct bw_awaited *awaited);
/* The machine took it (BW_OK): its answer follows, within `limit_ms`. Otherwise it is answered now. */
void bw_awaited_begin(struct bw_awaited *awaited, enum bw_err err, uint32_t limit_ms);

#endif
