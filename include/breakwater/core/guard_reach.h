/* guard_reach.h - what a guard makes of what is seen in a group's reach: facts in, verdict out.
 * Design 3.2.4, 3.4. Pure. */
#ifndef BW_CORE_GUARD_REACH_H
#define BW_CORE_GUARD_REACH_H

#include <stdbool.h>

#include <breakwater/core/guard.h>

/* Does this run ask whether anything that a start has left is there? Only a look whose word is
 * `started` does (3.4); before its `line` is known (`is_before`) it may be that one. */
bool bw_guard_asks_populated(enum bw_action_kind action, bool is_before, const char *line);

struct bw_populated_facts {
    enum bw_populated here;  /* a process in the group's own cgroup, or by its mark */
    bool are_containers;     /* a part of the reach are the containers of a project */
    bool comes_again;        /* the manager of its units starts one of them again by itself */
    enum bw_populated units; /* one of its units is up; NO where it has none */
};
/* What the shell looks for is not all that may serve: where it cannot tell, that is UNKNOWN. */
enum bw_populated bw_guard_populated(const struct bw_populated_facts *facts);

#endif
