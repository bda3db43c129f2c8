/* unit_reach.h - the systemd units, or the containers, of one group, as a part of what its guard,
 * and its agent without it, can end: looked at before they have to be ended, and ended until a look
 * has seen them down. Design 3.4 (`units`, `containers`). */
#ifndef BW_SYS_UNIT_REACH_H
#define BW_SYS_UNIT_REACH_H

#include <stdbool.h>

#include <uv.h>

#include <breakwater/sys/deadline.h>
#include <breakwater/sys/units.h>

#define BW_UNIT_REACH_KILL_NS (2 * BW_NS_PER_S) /* until units that stay up are a failure */
#define BW_UNIT_REACH_GAP_NS  (UINT64_C(20) * BW_NS_PER_MS) /* between rounds of KILL */
#define BW_UNIT_REACH_WATCH_NS (UINT64_C(250) * BW_NS_PER_MS) /* between looks while one is watched for */

struct bw_unit_reach_events {
    /* After a look that was asked for: BW_OK when their manager has told the state of every unit.
     */
    void (*on_looked)(enum bw_err err, const struct bw_diag *diag, void *user);
    /* Once for each kill: BW_OK when all units were seen down after it. */
    void (*on_killed)(enum bw_err err, const struct bw_diag *diag, void *user);
};

/* In the caller's memory; the loop's from init until its loop has ended after close. */
struct bw_unit_reach {
    struct bw_units units;
    struct bw_deadline again; /* the next round of a kill */
    const struct bw_unit_reach_events *events;
    void *user;
    bool is_closing;
    bool is_look_wanted; /* by bw_unit_reach_look */
    bool is_look_again;  /* by one that came while a look was at work */
    bool is_watching;
    bool is_killing;
    bool is_kill_look; /* the look at work began after its KILL: only then it says something */
    struct bw_instant kill_limit;
    char unseen[256]; /* what bw_unit_reach_news has said; "": nothing, or that they are seen again */
    uint64_t looks_begun;
    uint64_t looks_ended; /* the newest of these that has: what `units` holds is of it; one is at work at a time */
};

/* `events` and `user` are kept; the rest as bw_units_init. On an error nothing is left that needs
 * closing. */
BW_MUST_CHECK enum bw_err
bw_unit_reach_init(struct bw_unit_reach *reach, uv_loop_t *loop, struct bw_script_runner *runner,
                   enum bw_units_of of, const char *const *names, size_t count, const char *tool,
                   const struct bw_unit_reach_events *events, void *user, struct bw_diag *diag);
/* Learns the units' cgroups. While a look is at work, another begins when it has ended: what it saw
 * may be older than the question. on_looked, once for each look, may come before it returns, when
 * the tool cannot be run. */
void bw_unit_reach_look(struct bw_unit_reach *reach);
/* What a look has to tell people that the one before had not told: that they cannot be seen, or for another reason;
 * that they are seen again. `err` and `diag` as on_looked has them. */
enum bw_units_news { BW_UNITS_NO_NEWS, BW_UNITS_UNSEEN, BW_UNITS_SEEN_AGAIN };
enum bw_units_news bw_unit_reach_news(struct bw_unit_reach *reach, enum bw_err err,
                                      const struct bw_diag *diag);
/* A look that was asked for has not ended: what is known of the units may be older than that. */
bool bw_unit_reach_is_looking(const struct bw_unit_reach *reach);
/* While something begins: looks on and on, so that the cgroup of a unit that comes up is known soon, and not
 * only once what begins has ended. False: no more than is asked for. */
void bw_unit_reach_watch(struct bw_unit_reach *reach, bool is_wanted);
/* Takes back what their manager has been ordered and has not begun, by the last look; not waited for. */
void bw_unit_reach_cancel(struct bw_unit_reach *reach);
/* TERM, and the same; not waited for. */
BW_MUST_CHECK enum bw_err bw_unit_reach_term(struct bw_unit_reach *reach, struct bw_diag *diag);
/* KILL, at once and without their manager, again until a look has seen all down; what only their manager
 * holds is taken back by it, after a look. on_killed is never
 * called before it returns. While one is at work: its limit begins anew. */
void bw_unit_reach_kill(struct bw_unit_reach *reach);
/* Callbacks end here. Calls of the tool at work are the runner's to end. */
void bw_unit_reach_close(struct bw_unit_reach *reach);

#endif
