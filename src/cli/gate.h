/* gate.h - may this site run a group now? As its guard shows it, at the moment of the answer.
 * Design 3.4. */
#ifndef BW_CLI_GATE_H
#define BW_CLI_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/core/guard_link.h>
#include <breakwater/core/may_run.h>

#include "options.h"

#define BW_GATE_ASK_MS 5000 /* a guard that has not answered by then does not vouch for anything   \
                             */
#define BW_GATE_WHY_BYTES (BW_DIAG_TEXT_BYTES + 256)

/* What the guard said, and what follows from it. */
struct bw_gate_verdict {
    const char *group; /* as they were asked for */
    const char *socket;
    bool is_known; /* else `diag` says why nothing is */
    enum bw_may_run may_run;
    struct bw_guard_shown shown;
    uint64_t left_ms; /* of the lease */
    struct bw_diag diag;
};

/* Keeps the two names. */
void bw_gate_ask(const char *socket, const char *group, uint32_t limit_ms,
                 struct bw_gate_verdict *out_verdict);
bool bw_gate_is_yes(const struct bw_gate_verdict *verdict);
/* One line, without its end. */
const char *bw_gate_why(const struct bw_gate_verdict *verdict, char out_text[BW_GATE_WHY_BYTES]);
/* FINE only for yes. */
enum bw_exit bw_gate_exit(const struct bw_gate_verdict *verdict);

#endif
