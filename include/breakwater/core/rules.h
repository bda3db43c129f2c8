/* rules.h - what each rule id says, and where the design says it. Pure.
 *
 * `rule=S31` in a log line names the place in the code that decided: A the steps of the arbiter, C
 * and G the rows of the tables of cluster and group, F the agent's own fence, L what safe_io does
 * for libraft, M the steps by which members change, S the site, U V W the guard (leases; runs; fences).
 * Ids are stable and public; one is retired (rules.c has those), never reused. Gates have names instead,
 * and their own list (explain.h). */
#ifndef BW_CORE_RULES_H
#define BW_CORE_RULES_H

#include <stddef.h>

struct bw_rule {
    const char *id;
    const char *section; /* of the design */
    const char *sentence;
    const char *rare;    /* why a campaign of the simulator need not fire it; NULL: it has to */
};

/* All of them, in the order of the manual page. */
const struct bw_rule *bw_rules(size_t *out_count);

/* NULL when there is no such id. */
const struct bw_rule *bw_rule_find(const char *id);

#endif
