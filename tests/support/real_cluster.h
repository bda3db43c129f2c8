/* real_cluster.h - the programs as people run them: three witnesses, and sites with an agent and a
 * guard each, around one group "harbor" whose service is a shell loop. The scripts keep a journal of
 * what they were told, the service a record of when it lived: verdicts come from those two. Any
 * failure here ends the test, and says where the logs are. */
#ifndef TEST_REAL_CLUSTER_H
#define TEST_REAL_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include <breakwater/sys/cgroup.h>

#include "test_port.h"
#include "trio.h"

#define REAL_SITES_MAX  3
#define REAL_WAIT_MS    40000 /* for what must happen, on an idle machine: patience.h */
#define REAL_PATH_BYTES 192
/* No renewal for 6 s, an election in it, ends no lease; a report counts for 2.3 s. */
#define REAL_TTL_MS     8000
#define REAL_FENCE_MS   2000
#define REAL_RENEW_MS   400
#define REAL_REQUEST_MS 1500

struct real_site {
    char name[32];
    char dir[96];
    pid_t agent; /* 0: none runs */
    pid_t guard;
    pid_t second_agent; /* beside the first one, with a state of its own */
    char boot_id[40];   /* that its processes see; "": the machine's */
    bool has_units;     /* see real_play_systemd */
    pid_t systemd;      /* plays it; 0: none */
    bool is_proved;     /* its guard has a trial's proof, of the scripts as they were when it first ran */
    bool has_loop;      /* see real_use_loop */
    bool has_remote_fence;
    struct test_port second_port; /* where its agent answers a second enforcer; 0: nowhere */
    pid_t enforcer;       /* the second one; 0: none runs */
    pid_t loop;         /* 0: none runs */
    struct bw_cgroup unit; /* of harbor.service */
};

struct real_cluster {
    struct trio trio;
    char dir[64];
    struct bw_credentials *operator;
    struct real_site sites[REAL_SITES_MAX];
    int site_count;
    bool has_readiness;
    json_t *spec;  /* of the group, as `real_apply` sends it: tests edit it */
    json_t *group; /* as the leader last showed it; NULL: no leader answered */
    int led;       /* the witness that did: it is asked first */
};

/* `has_readiness`: sites have a readiness script, which
 * compares the file `position` with the target's position. Witnesses run; agents and guards do not.
 */
void real_cluster_init(struct real_cluster *cluster, int site_count, bool has_readiness);
void real_cluster_deinit(struct real_cluster *cluster);

/* ---- processes ---- */

void real_start_guard(struct real_cluster *cluster, int site);
void real_start_agent(struct real_cluster *cluster, int site);
void real_start_second_agent(struct real_cluster *cluster, int site);
void real_start_sites(struct real_cluster *cluster); /* all agents and guards */
/* Sends `signal` (0: none) and waits for the end: exit status, or 128 + the signal that it died of. */
int real_end(pid_t *pid, int signal);
/* True: processes can be given another boot id on this machine (root, mount
 * namespaces, a machine id). */
bool real_can_fake_boot(void);
/* From here the service of a site is the unit harbor.service, with `stop_method: units`: a process of ours
 * plays systemd and starts it in a cgroup that its guard did not make, and agent and guard find a
 * systemctl that tells of it and cannot stop it. Before they are started; false: not possible on
 * this machine (no root, no cgroups, no systemctl to put it over), which was said. */
bool real_play_systemd(struct real_cluster *cluster, int site);
/* From here the service is started by a loop of its own (`started_by: external`), which asks
 * `breakwater condition` a few times a second; its site has a played systemd. real_start_sites
 * begins it. */
void real_use_loop(struct real_cluster *cluster, int site);
/* From here the site can end the service at another one. Before it is started. */
void real_use_remote_fence(struct real_cluster *cluster, int site);
/* From here the agent of the site answers a second enforcer. Before the site is started. */
void real_use_second_enforcer(struct real_cluster *cluster, int site);
/* Beside the site's others; `elsewhere`: as another machine sees the world (real_can_fake_boot). */
void real_start_second_enforcer(struct real_cluster *cluster, int site, bool elsewhere);
void real_start_loop(struct real_cluster *cluster, int site);
/* Agent, guard, loop and what serves: all of the site that holds the group at once, after it was
 * committed where its service was seen; of one that nobody saw, a person says that it is over (3.4). */
void real_lose_holder(struct real_cluster *cluster, int site);
/* Forgets what the agent of a site keeps; what its guard keeps stays. */
void real_lose_agent_state(struct real_cluster *cluster, int site);
/* What a boot clears: the directory in /run. */
void real_clear_run(struct real_cluster *cluster, int site);

/* ---- people ---- */

/* Sends the spec to the leader, until a leader answers; the HTTP status. `answer` may be NULL. */
int real_apply_status(struct real_cluster *cluster, char *answer, size_t size);
void real_apply(struct real_cluster *cluster); /* must be taken */
/* The same, with site 0 as the first primary. Which site is first is otherwise a matter of who was
 * quick. */
void real_apply_first(struct real_cluster *cluster);
/* POST /v1/groups/harbor/`verb`; the HTTP status. */
/* Leaves the proof of a trial at the site, whose guard has not begun. */
void real_prove(struct real_cluster *cluster, int site);
int real_order(struct real_cluster *cluster, const char *verb, const char *body);
int real_switchover(struct real_cluster *cluster, int site, unsigned timeout_ms);
/* Asks until the move is seen to have begun: a leader that has heard of a site too long ago refuses it
 * (409), and one that is replaced at once has forgotten it. */
void real_begin_switchover(struct real_cluster *cluster, int site, unsigned timeout_ms);
void real_spec_number(struct real_cluster *cluster, const char *key, int value);
void real_spec_text(struct real_cluster *cluster, const char *key, const char *value);

/* Starts the sites, applies with site 0 as the first primary, and waits until it serves epoch 1 and
 * every other site is enforced. */
void real_serve(struct real_cluster *cluster);

/* ---- what the leader shows ---- */

/* What the leader answers to a GET of `path`, freed by the caller; NULL: nobody leads. */
char *real_get(struct real_cluster *cluster, const char *path);
bool real_look(struct real_cluster *cluster); /* refreshes `group`; false: nobody leads */
typedef bool real_condition(struct real_cluster *cluster, int site);
/* Looks until `is_met`; the group is fresh then. */
void real_until(struct real_cluster *cluster, real_condition *is_met, int site, const char *what);
/* As long as the lease could last, and longer: true, if `holds` did at each look with a leader, of which the last
 * is kept. Fails where none answers in the end: of the first three witnesses one has to lead. */
bool real_for_a_lease(struct real_cluster *cluster, real_condition *holds, int site);
int64_t real_number(const struct real_cluster *cluster, const char *key);
bool real_says(const struct real_cluster *cluster, const char *key, const char *text);
const json_t *real_site_json(const struct real_cluster *cluster, int site);
bool real_site_flag(const struct real_cluster *cluster, int site, const char *key);
/* The list `key` of the site ("alarms", "blocked_by") has `word`. */
bool real_site_lists(const struct real_cluster *cluster, int site, const char *key,
                     const char *word);
/* How the epoch ended, from the history: grade and reason must be these. */
void real_assert_ended(struct real_cluster *cluster, int64_t epoch, const char *ended_by,
                       const char *reason);
/* Common conditions: the site holds the group and its service is seen to serve. */
bool real_serves(struct real_cluster *cluster, int site);
bool real_some_site_serves(struct real_cluster *cluster, int any);
/* Epoch 1 is still the site's, and its service lives. */
bool real_keeps_epoch_1(struct real_cluster *cluster, int site);
bool real_is_vacant(struct real_cluster *cluster, int site);
bool real_is_enforced(struct real_cluster *cluster, int site);
bool real_is_connected(struct real_cluster *cluster, int site);

/* ---- the service and its scripts (real_service.c) ---- */

/* A file of the site: what the scripts and the service do is said by files (see real_scripts.c). */
void real_put(const struct real_cluster *cluster, int site, const char *file, const char *text);
void real_drop(const struct real_cluster *cluster, int site, const char *file);
/* Starts the service behind breakwater's back. */
void real_start_by_hand(const struct real_cluster *cluster, int site);
/* Its process; 0: it does not live. */
pid_t real_service(const struct real_cluster *cluster, int site);
bool real_service_lives(struct real_cluster *cluster, int site);
bool real_service_is_gone(struct real_cluster *cluster, int site);
void real_kill_service(const struct real_cluster *cluster, int site);
/* How often the journal of the site has a line that begins with `word`. */
int real_runs(const struct real_cluster *cluster, int site, const char *word);
bool real_journal_has(const struct real_cluster *cluster, int site, const char *text);
/* When the service first, and last, recorded that it served, in ms of CLOCK_BOOTTIME; 0: never. */
uint64_t real_first_beat_ms(const struct real_cluster *cluster, int site);
uint64_t real_last_beat_ms(const struct real_cluster *cluster, int site);
/* D on the same clock: a TTL after the newest renewal that the site's agent read a confirmation of. */
uint64_t real_lease_end_ms(const struct real_cluster *cluster, int site);
/* No start, stop or fence was ever run there. */
bool real_is_untouched(const struct real_cluster *cluster, int site);
/* I1: from what the services recorded themselves, no two sites ever served at once. */
void real_assert_no_overlap(const struct real_cluster *cluster);

/* Writes the scripts of one site (real_scripts.c). */
void real_write_scripts(const struct real_site *site);

#endif
