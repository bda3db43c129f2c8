/* reach.h - what a guard can end by itself, of one group: all that its scripts ever started.
 * Design 3.4 (reach `cgroup`; for `units` see units.h). */
#ifndef BW_SYS_REACH_H
#define BW_SYS_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <uv.h>

#include <breakwater/base/limits.h>
#include <breakwater/sys/cgroup.h>
#include <breakwater/sys/deadline.h>
#include <breakwater/sys/scan.h>

/* Where in a group's reach a script runs. What a start script leaves behind IS the service; what a
 * status script leaves behind is garbage: so each has a place of its own. */
enum bw_reach_slot {
    BW_REACH_SERVICE, /* start, rejoin: what they leave behind lives here */
    BW_REACH_ACTION,  /* stop, route */
    BW_REACH_FENCE,   /* fence: it runs while all the others are being ended */
    BW_REACH_OBSERVE, /* status, readiness, condition, verify */
    BW_REACH_ALL,     /* for signals and questions, not for running: the whole group */
    BW_REACH_SERVED,  /* likewise: SERVICE and ACTION, which a fence ends. What looks, or fences, is left
                         alone: the guard and its agent without it may fence at once (3.2.4) */
};
#define BW_REACH_SLOTS 4

/* How: CGROUP is exact. SCAN (no writable cgroup v2) finds processes by an environment mark,
 * session and ancestry (process_tree.h); with it, children of this process that show no mark at all
 * count as every group's service, so that a fence ends too much rather than too little, and what
 * has hidden itself before a restart of the guard is out of reach. */
enum bw_reach_means { BW_REACH_BY_CGROUP, BW_REACH_BY_SCAN };

/* What tells guards on one machine apart: SITE@CLUSTER. Two clusters may well have a site, and a group, of
 * the same name; neither may end what is the other's. */
#define BW_REACH_TAG_BYTES (2 * BW_NAME_MAX + 2)
void bw_reach_tag(const char *cluster, const char *site, char out_tag[BW_REACH_TAG_BYTES]);

/* A part of the marks that no other user can know: who plants one without it is nobody's process. ANY finds the marks of
 * any key, and those of before there were keys. */
#define BW_REACH_KEY_BYTES 33
#define BW_REACH_KEY_ANY   "*"

/* In the caller's memory, open to close. */
struct bw_reach {
    enum bw_reach_means means;
    char tag[BW_REACH_TAG_BYTES];
    char group[BW_NAME_MAX + 1];
    char key[BW_REACH_KEY_BYTES]; /* "": its marks have none */
    struct bw_cgroup all;
    struct bw_cgroup slots[BW_REACH_SLOTS];
    struct bw_cgroup begun; /* below SERVICE's: where its runs begin */
    struct bw_cgroup aside; /* in no slot, for bw_reach_aside; "": it could not be made */
};

/* `tag` is a valid name, or a tag of the above; like `group` it stays the same over restarts, or what ran before is not found again. Takes BY_CGROUP where it works, else
 * BY_SCAN; `only_scan` forces the latter. Then `diag` says why, with BW_OK. */
BW_MUST_CHECK enum bw_err bw_reach_open(struct bw_reach *reach, const char *tag, const char *group,
                                        bool only_scan, struct bw_diag *diag);
/* Before anything runs in it. */
void bw_reach_set_key(struct bw_reach *reach, const char *key);
/* A door, as bw_reach_open_door has it, to what another process has opened with these, by its cgroups alone; makes
 * nothing. BW_ERR_NOT_FOUND: it has none that can be reached from here. */
BW_MUST_CHECK enum bw_err bw_reach_find_door(const char *tag, const char *group, enum bw_reach_slot slot,
                                             int *out_door, struct bw_diag *diag);
/* Somebody may remove cgroups in which nothing runs: whoever ends another guard of this site, a clean-up
 * of the machine. True: some were gone, and all are there again; what was opened of them before (a
 * cgroup.kill, say) is of no use any more. */
bool bw_reach_make_again(const struct bw_reach *reach);
/* Ends nothing; removes empty cgroups. Accepts one that was never opened (all zero). */
void bw_reach_close(struct bw_reach *reach);

/* Where what a script in `slot` starts lives on: what it is told. What is begun in SERVICE, and all that this forks, is
 * in a cgroup of its own below the one that all others are told: however young, it is never taken for what a stop or a
 * fence has started to stay (3.2.4). NULL: there are no cgroups. */
const char *bw_reach_service_cgroup(const struct bw_reach *reach, enum bw_reach_slot slot);
/* Where a process of ours goes that a script's slot shall not be held up by, whatever holds up that process: by
 * bw_cgroup_open_door. NULL: there are no cgroups, or somebody is there yet. Whom no cgroup holds bw_process_disown
 * takes out of a slot. */
const struct bw_cgroup *bw_reach_aside(const struct bw_reach *reach);
/* The living processes of SERVICE by where they are, as bw_reach_list. By cgroups alone. */
BW_MUST_CHECK enum bw_err bw_reach_list_begun(const struct bw_reach *reach, pid_t *out_pids, size_t pids_max,
                                              size_t *out_count, struct bw_diag *diag);
/* Brings what runs in SERVICE itself, beside where its runs begin, there: from then on what it forks begins there, too.
 * What is in other cgroups below SERVICE stays: whoever made these has put limits on it. Nothing without cgroups. */
BW_MUST_CHECK enum bw_err bw_reach_gather(const struct bw_reach *reach, struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_reach_list_others(const struct bw_reach *reach, pid_t *out_pids, size_t pids_max,
                                               size_t *out_count, struct bw_diag *diag);

/* Shows that it works here: starts a probe of two processes, one of which leaves its session, sees them,
 * ends them and sees them gone. Blocks, usually 20 ms, at most `limit_ms` and a look at the
 * processes: BW_ERR_TIMEOUT then. What a late probe leaves ends by itself within a minute. The probe is this
 * program with the verb, whose `main` has to call bw_reach_probe. */
#define BW_REACH_PROBE_VERB "reach-probe"
#define BW_REACH_PROOF_MS   5000 /* enough anywhere */
__attribute__((noreturn)) void bw_reach_probe(void);
BW_MUST_CHECK enum bw_err bw_reach_prove(struct bw_reach *reach, uint32_t limit_ms,
                                         struct bw_diag *diag);

/* The environment entry that a child in `slot` must carry. `slot` ALL: what all entries begin with.
 */
#define BW_REACH_MARK_BYTES (48 + 3 * BW_NAME_MAX + BW_REACH_KEY_BYTES)
void bw_reach_mark(const struct bw_reach *reach, enum bw_reach_slot slot,
                   char out_mark[BW_REACH_MARK_BYTES]);
/* A descriptor to be inherited by a forked child, -1 where none is needed; the child calls
 * bw_reach_enter with it before anything else (async-signal-safe; false with errno). That of SERVICE is thawed. */
BW_MUST_CHECK enum bw_err bw_reach_open_door(const struct bw_reach *reach, enum bw_reach_slot slot,
                                             int *out_door, struct bw_diag *diag);
bool bw_reach_enter(int door);

/* One round of `signal` to all in `slot`. */
BW_MUST_CHECK enum bw_err bw_reach_signal(const struct bw_reach *reach, enum bw_reach_slot slot,
                                          int signal, struct bw_diag *diag);
/* The living processes in `slot`: at most `pids_max` pids, and how many there are. An error is
 * never "none". */
BW_MUST_CHECK enum bw_err bw_reach_list(const struct bw_reach *reach, enum bw_reach_slot slot,
                                        pid_t *out_pids, size_t pids_max, size_t *out_count,
                                        struct bw_diag *diag);
/* Those that are surely this group's: by a scan the ones that belong to its mark, without the children
 * of this process that show none. */
BW_MUST_CHECK enum bw_err bw_reach_list_marked(const struct bw_reach *reach,
                                               enum bw_reach_slot slot, pid_t *out_pids,
                                               size_t pids_max, size_t *out_count,
                                               struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_reach_is_empty(const struct bw_reach *reach, enum bw_reach_slot slot,
                                            bool *out_empty, struct bw_diag *diag);

/* One round by marks, whatever the means, on the thread of scan.h. */
BW_MUST_CHECK enum bw_err bw_reach_scan(const struct bw_reach *reach, enum bw_reach_slot slot,
                                        int signal, struct bw_scan **out_scan, struct bw_diag *diag);
/* As bw_reach_signal, without waiting for a search: BW_OK says no more than that it was asked for. */
BW_MUST_CHECK enum bw_err bw_reach_signal_soon(const struct bw_reach *reach, enum bw_reach_slot slot,
                                               int signal, struct bw_diag *diag);

/* ---- ending all, until none is left ---------------------------------------------------------- */

#define BW_REACH_KILL_ROUNDS_MAX 100
#define BW_REACH_KILL_PAUSE_MS   20

struct bw_reach_kill;
/* BW_OK: seen empty. BW_ERR_TIMEOUT: after all rounds (at least 2 s) something is still there, or a search has
 * not ended in BW_SCAN_NS, as the diag says; anything else: it could not be seen. Never called from start. */
typedef void (*bw_reach_on_killed)(struct bw_reach_kill *kill, enum bw_err err,
                                   const struct bw_diag *diag, void *user);

/* An activity on the loop: KILL to all in a slot, again until none is left. Keeps `reach`, which
 * must outlive it. Starts with init, ends with close (which stops the rounds, not the dying). */
struct bw_reach_kill {
    struct bw_deadline deadline;
    const struct bw_reach *reach;
    enum bw_reach_slot slot;
    struct bw_scan *scan; /* BY_SCAN: a round under way */
    struct bw_instant scan_limit;
    bool is_patient; /* the caller's, once: a search is waited for, however long it takes */
    uint64_t scan_pause_ms;
    bool has_found; /* something was there that had to be ended */
    pid_t left[BW_SCAN_FOUND_MAX]; /* BY_SCAN: by the newest round that has seen them */
    size_t left_count;
    int round;
    bool is_running;
    bw_reach_on_killed on_killed;
    void (*on_closed)(struct bw_reach_kill *kill, void *user);
    void *user;
};

BW_MUST_CHECK enum bw_err bw_reach_kill_init(struct bw_reach_kill *kill, uv_loop_t *loop,
                                             const struct bw_reach *reach,
                                             bw_reach_on_killed on_killed, void *user,
                                             struct bw_diag *diag);
/* BY_CGROUP the first round is sent before it returns; BY_SCAN it has been asked for: one look at all
 * processes, on a thread of its own, serves all that wait for it. While running: widens to ALL where the slots differ,
 * begins to count anew, and still ends in one call. */
void bw_reach_kill_start(struct bw_reach_kill *kill, enum bw_reach_slot slot);
void bw_reach_kill_close(struct bw_reach_kill *kill,
                         void (*on_closed)(struct bw_reach_kill *kill, void *user));

#endif
