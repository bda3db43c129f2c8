/* program.h - a running witness: what its files share.
 *
 *   program.c    life: open, signals, reload, close          raft_link.c  TLS streams for Raft
 *   decide.c     the machine's wishes carried out: barriers, proposals, wake-ups
 *   fsm.c        log entries and snapshots <-> the cluster
 *   api_agent.c  sync, orders, relay                          api_people.c JSON for people
 *   json.c       the cluster as JSON                          exposition.c /metrics, health
 *
 * Everything belongs to the loop's thread. The machine (core/witness.h) decides; nothing here does. */
#ifndef BW_WITNESS_PROGRAM_H
#define BW_WITNESS_PROGRAM_H

#include <uv.h>

#include <breakwater/config/witness_config.h>
#include <breakwater/consensus/node.h>
#include <breakwater/core/witness.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/http_client.h>
#include <breakwater/net/http_server.h>
#include <breakwater/obs/log.h>
#include <breakwater/sys/deadline.h>

/* A command on its way through the log. */
typedef void (*bw_proposal_done)(void *user, enum bw_err err, const struct bw_applied *applied);

struct bw_program {
    uv_loop_t *loop;
    const char *config_file;
    struct bw_witness_config *config;
    struct bw_credentials *credentials;
    struct bw_log log;

    struct bw_raft_node *node;
    struct bw_transport *transport;
    struct bw_raft_listener *raft_listener; /* raft_link.c */
    struct bw_http_server *api;
    struct bw_http_client *relay; /* to the leader, when an agent reaches only us */

    struct bw_cluster cluster;
    struct bw_witness machine;
    struct bw_group *groups;   /* BW_GROUPS_MAX places; untouched ones cost no memory */
    struct bw_watch *watches;
    struct bw_deadline wake;   /* the earliest of all groups' wake-ups */
    uint64_t barrier_on_its_way; /* its number; 0: none */

    struct bw_pending_sync *syncs; /* api_agent.c: answered when their barrier is proved */
    struct bw_pending_poll *polls; /* api_agent.c: long polls for orders */
    struct bw_exposition *exposition; /* exposition.c: counters */
    bool closing;
};

/* ---- decide.c ---- */
/* Something happened (applied, sync, tick, role): evaluate `group`, or all with -1. */
void bw_program_decide(struct bw_program *program, int group);
/* Submits `command`; `by` and `unix_ms` are filled in where empty. `on_done` exactly once, with
 * BW_ERR_UNKNOWN when leadership was lost on the way. */
void bw_program_propose(struct bw_program *program, const struct bw_command *command,
                        bw_proposal_done on_done, void *user);
/* A sync with renewals waits: submit a barrier when none is on its way. */
void bw_program_want_proof(struct bw_program *program);

/* ---- fsm.c ---- */
struct bw_fsm_ops bw_program_fsm(void);
/* What the newest applied entry did, for decide.c. */

/* ---- api_agent.c ---- */
extern const struct bw_http_route bw_agent_routes[];
extern const size_t bw_agent_route_count;
void bw_program_on_proved(struct bw_program *program);   /* answers the syncs that it covers */
void bw_program_on_changed(struct bw_program *program, int group); /* wakes the long polls */

/* ---- api_people.c, exposition.c ---- */
extern const struct bw_http_route bw_people_routes[];
extern const size_t bw_people_route_count;
extern const struct bw_http_route bw_exposition_routes[];
extern const size_t bw_exposition_route_count;

#endif
