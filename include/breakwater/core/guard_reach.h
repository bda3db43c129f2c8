/* guard_reach.h - what a guard makes of what is seen in a group's reach: facts in, verdict out.
 * Design 3.2.4, 3.4. Pure. */
#ifndef BW_CORE_GUARD_REACH_H
#define BW_CORE_GUARD_REACH_H

#include <stdbool.h>

#include <breakwater/core/guard.h>

/* Does this run ask whether anything that a start has left is there? Only a look whose word is
 * `started` does (3.4); before its `line` is known (`is_before`) it may be that one. */
bool bw_guard_asks_populated(enum bw_action_kind action, bool is_before, const char *line);

/* Something waits for what a look at its units tells next, a stop, a fence or the end of an epoch: one every few
 * seconds, as beside what serves, is not enough. */
bool bw_guard_awaits_units(const struct bw_guard *guard);

struct bw_populated_facts {
    enum bw_populated here;  /* a process in the group's own cgroup, or by its mark */
    bool are_containers;     /* a part of the reach are the containers of a project */
    bool comes_again;        /* the manager of its units starts one of them again by itself */
    enum bw_populated units; /* one of its units is up; NO where it has none */
};
/* What the shell looks for is not all that may serve: where it cannot tell, that is UNKNOWN. */
enum bw_populated bw_guard_populated(const struct bw_populated_facts *facts);

/* Of what runs right now where starts run. */
struct bw_left_facts {
    bool is_groups_own; /* a cgroup: by a scan the service of another group, if it hides its
                           environment, could be taken for it */
    bool is_known;      /* all that run there were looked at */
    bool is_begun;      /* one that is not dead was found where starts begin, and what they fork stays */
    bool is_other;      /* one was found beside that: brought there by a stop or fence, or by itself */
    uint64_t oldest;    /* the first of these others' start times, as bw_guard_is_of_start has it */
};
/* Before a run of `action` begins (`is_before`), or once it has ended: is all that runs beside where starts begin brought
 * there? Of a start it is then, as what it promotes where it runs, and so is what it forks while a stop runs, however
 * young. Nothing that a stop or a fence has brought up to stay, and has yet to be judged by, is ever brought there. */
bool bw_guard_gathers(const struct bw_guard *guard, enum bw_action_kind action, bool is_before);
/* Does anything run there that a start has left (3.2.4)? Not known is never no. */
bool bw_guard_is_left(const struct bw_guard *guard, const struct bw_left_facts *facts);

#endif
