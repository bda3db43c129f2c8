/* program.h - a running witness: what its files share.
 *
 *   program.c    life: open, signals, close      reload.c     configuration and certificates anew
 *   raft_link.c  TLS streams for Raft            found.c, ask.c  `witness init`
 *   fsm.c        log entries and snapshots <-> the cluster
 *   decide.c     the machine's decisions, proposals and wake-ups carried out
 *   api_agent.c  sync, also through a follower   poll.c       long polls for orders
 *   answer.c     what a sync or a poll is told   health.c     /healthz, /readyz
 *   api_people.c what people read and ask for    api_apply.c  the specs that they apply
 *   exposition.c /metrics               reads.c      long documents, made rarely and shared
 *
 * Everything belongs to the loop's thread. The machine (core/witness.h) decides; nothing here does.
 * Nothing in fsm.c may submit: what was applied is noted and settled in the loop's next turn. */
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
#include <breakwater/os/file_look.h>
#include <breakwater/sys/deadline.h>
#include <breakwater/sys/heartbeat.h>

#include "reads.h"

#define BW_PENDING_SYNCS_MAX 256
#define BW_PENDING_POLLS_MAX 256
#define BW_POLL_WAIT_MS_MAX  60000
#define BW_PROTOBUF_TYPE     "application/protobuf"

struct bw_pending_sync;
struct bw_pending_poll;
struct bw_raft_links;

/* What an applied entry did, until its proposer was told. Between an entry and the end of its
 * proposal no more entries are applied than a node has requests. */
#define BW_APPLIED_NOTES (2 * BW_NODE_REQUESTS_MAX)
struct bw_applied_note {
    uint64_t index;
    struct bw_applied applied;
};

/* decide.c: which groups are to be looked at, and when. */
struct bw_agenda {
    struct bw_instant due[BW_GROUPS_MAX];           /* evaluate then at the latest */
    uint64_t dirty[BW_GROUPS_MAX / 64];             /* evaluate in the next turn */
    uint64_t changed[BW_GROUPS_MAX / 64];           /* and tell the long polls */
    uv_idle_t settle;                               /* active while anything is dirty or changed */
    struct bw_deadline wake;                        /* the earliest of `due` */
    bool has_wake;                                  /* it was initialised */
    bool is_founding;                               /* Found is on its way */
    struct bw_decision decision;                    /* the last one made; too large for a stack */
    struct bw_applied_note notes[BW_APPLIED_NOTES]; /* at index % BW_APPLIED_NOTES */
    uint8_t entry[BW_COMMAND_BYTES_MAX];
};

/* What may be told once in a while, however often it happens. */
struct bw_summary {
    uint64_t untold_count;
    uint64_t told_ms; /* uv_now; 0: never */
};

/* Since the start; for people and /metrics. */
struct bw_witness_counters {
    uint64_t applied[BW_COMMAND_COUNT]; /* a row fired, whoever proposed it */
    uint64_t no_ops;
    uint64_t proposals[BW_COMMAND_COUNT];
    uint64_t proposals_failed; /* refused by the log, or their fate is unknown */
    uint64_t terms_led;
    uint64_t barriers;
    uint64_t barriers_failed;
    uint64_t syncs; /* received from agents and relays, well-formed */
    uint64_t syncs_refused;
    uint64_t renewals_confirmed;
    uint64_t renewals_unconfirmed; /* of those that waited for this leader's proof */
    uint64_t polls_answered;
    uint64_t relays_sent;
    uint64_t relays_failed;
    uint64_t relays_received;
    uint64_t raft_peers_refused; /* certificate of nobody whom we know, or no handshake */
    uint64_t api_handshakes_failed;
    uint64_t reloads;
    uint64_t reloads_failed;
    bool is_last_reload_good;
    int64_t last_good_reload_unix_ms; /* the start counts */
};

/* exposition.c: what only /metrics wants to know. */
#define BW_METER_REQUESTS_MAX 256
#define BW_METER_LAGS         10
struct bw_request_count {
    const char *pattern; /* of the route */
    int status;
    uint64_t count;
};
struct bw_meter {
    uv_timer_t tick;
    uint64_t due_ns; /* uv_hrtime at which the next tick belongs */
    uint64_t lags_ns[BW_METER_LAGS];
    uint32_t lag_next;
    int64_t started_unix_ms;
    uint32_t request_count;
    struct bw_request_count requests[BW_METER_REQUESTS_MAX];
    uint64_t other_requests; /* found no place */
    uint64_t handshakes_failed[BW_ERR_VERSION + 1];
};

struct bw_program {
    uv_loop_t loop;
    const char *config_file;
    struct bw_witness_config *config;
    struct bw_credentials *credentials;
    struct bw_log log;

    struct bw_transport *transport;
    struct bw_raft_node *node;
    struct bw_raft_links *links; /* raft_link.c */
    struct bw_http_server *api;
    struct bw_http_route *routes; /* all tables as one */
    struct bw_http_client relay;  /* to the leader, when an agent reaches only us */
    bool has_relay;               /* it was initialised */

    uint32_t witness_levels[BW_WITNESSES_MAX]; /* the newest that each knows, in the order of the
                                                  file; 0: not met (api_level.c) */
    struct bw_cluster cluster;
    struct bw_witness machine;
    struct bw_group *groups; /* BW_GROUPS_MAX zeroed places; untouched ones cost no memory */
    struct bw_watch *watches;
    struct bw_agenda agenda;

    struct bw_pending_sync *syncs; /* api_agent.c: answered when their barrier is proved */
    unsigned sync_count;
    struct bw_pending_poll *polls; /* api_agent.c: long polls for orders */
    unsigned poll_count;

    struct bw_callers callers; /* api_agent.c */
    struct bw_reads reads;
    struct bw_witness_counters counters;
    struct bw_meter meter;
    struct bw_summary handshake_summary;
    struct bw_summary eviction_summary;
    struct bw_summary peer_summary;
    struct bw_summary message_summary;
    struct bw_summary identity_summary;

    uv_signal_t signals[3];  /* SIGTERM SIGINT SIGHUP */
    uv_timer_t housekeeping; /* certificate files and dates */
    struct bw_heartbeat heartbeat;
    uv_timer_t leaving;      /* how long the end waits for another leader */
    bool is_leaving;
    struct bw_file_look ca_look; /* of the files that are in use */
    struct bw_file_look identity_look;
    int64_t days_warned; /* of the certificate's end: the last threshold told */
    bool is_closing;
};

/* The one of the configured witnesses that leads, as far as this one knows; NULL: unknown. Itself
 * only once it may act (ready). */
const struct bw_witness_member_config *bw_program_leader(const struct bw_program *program);
/* The member of that id or name; NULL: none. */
const struct bw_witness_member_config *bw_program_member(const struct bw_program *program,
                                                         uint64_t id);
/* Who speaks, for the log: "SITE/AGENT", and "-> WITNESS" when that passed it on (`relayed_by`: its id,
 * or 0). */
#define BW_FROM_TEXT_BYTES (3 * (BW_NAME_MAX + 1) + 8)
void bw_program_tell_from(const struct bw_program *program, const char *site, const char *agent,
                          uint64_t relayed_by, char out_text[BW_FROM_TEXT_BYTES]);
const struct bw_witness_member_config *bw_program_member_named(const struct bw_program *program,
                                                               const char *name);

/* Counts one event; 0: say nothing now, else how many there were since the last that was told. */
uint64_t bw_summary_add(struct bw_summary *summary, const uv_loop_t *loop);

/* ---- program.c ---- */

/* Everything up to the loop; `program` is zeroed. On an error `*out_status` is the exit status, the
 * reason was told, and bw_program_end is still due. */
BW_MUST_CHECK bool bw_program_begin(struct bw_program *program, const char *config_file,
                                    int *out_status);
/* Closes what there is; in any state, and twice. The loop runs out of handles soon after. */
void bw_program_close(struct bw_program *program);
/* Closes, runs the loop to its end, and frees all but `program` itself. */
void bw_program_end(struct bw_program *program);

/* ---- decide.c ---- */

/* A command on its way through the log. BW_OK: it was applied as entry `index`, and `applied` says
 * what it did (also: nothing). BW_ERR_UNKNOWN: leadership was lost on the way, it may commit yet.
 * BW_ERR_LIMIT: a majority is short of disk, it was not taken. `applied` is NULL unless BW_OK. */
typedef void (*bw_proposal_done)(void *user, enum bw_err err, uint64_t index,
                                 const struct bw_applied *applied);

/* Submits `command` (copied); `by` and `unix_ms` are filled in where empty. BW_OK: `on_done` (may
 * be NULL) follows exactly once, never from within this call. Otherwise nothing was submitted:
 * BW_ERR_NOT_LEADER, BW_ERR_LIMIT, BW_ERR_INVALID (cannot be encoded), BW_ERR_NOMEM. */
BW_MUST_CHECK enum bw_err bw_program_propose(struct bw_program *program,
                                             const struct bw_command *command,
                                             bw_proposal_done on_done, void *user,
                                             struct bw_diag *diag);
/* A person's wish (bw_witness_ask), acted on at once where it can be. */
BW_MUST_CHECK enum bw_err bw_program_ask(struct bw_program *program, int group,
                                         const struct bw_wish *wish, struct bw_diag *diag);

BW_MUST_CHECK enum bw_err bw_agenda_init(struct bw_program *program, struct bw_diag *diag);
void bw_agenda_close(struct bw_program *program);
/* Something was heard about `group`: it is evaluated in the loop's next turn. */
void bw_agenda_touch(struct bw_program *program, int group);
/* Committed state of `group` has changed: evaluated, and told to the long polls. -1: all. */
void bw_agenda_change(struct bw_program *program, int group);
/* Entry `index` was applied: kept until its proposer was told. */
void bw_agenda_note(struct bw_program *program, uint64_t index, const struct bw_applied *applied);
/* Something waits for a proof of leadership: submits a barrier unless one is on its way. */
void bw_program_want_proof(struct bw_program *program);
/* A leader of a cluster without an id tells everybody which cluster this is; else nothing. */
void bw_program_found(struct bw_program *program);
/* The node's events. */
void bw_program_on_role(struct bw_program *program, enum bw_node_role role, uint64_t term);
void bw_program_on_ready_to_lead(struct bw_program *program, uint64_t term);

/* ---- fsm.c ---- */
struct bw_fsm_ops bw_program_fsm(void);

/* ---- raft_link.c ---- */

/* Listens on the configuration's raft_listen. The contexts are kept. */
BW_MUST_CHECK enum bw_err bw_raft_links_open(struct bw_program *program,
                                             struct ssl_ctx_st *server_context,
                                             struct ssl_ctx_st *client_context,
                                             struct bw_diag *diag);
extern const struct bw_link_ops bw_raft_link_ops; /* its user is the program */
/* New links use these (kept); old ones go on. */
void bw_raft_links_set_contexts(struct bw_raft_links *links, struct ssl_ctx_st *server_context,
                                struct ssl_ctx_st *client_context);
/* Stops listening, and closes what the transport has not adopted. Accepts NULL. */
void bw_raft_links_close(struct bw_raft_links *links);
/* After the loop has ended. Accepts NULL. */
void bw_raft_links_free(struct bw_raft_links *links);

/* ---- reload.c ---- */

struct bw_tls_contexts {
    struct ssl_ctx_st *api;
    struct ssl_ctx_st *raft_server;
    struct ssl_ctx_st *raft_client;
};
/* The files that `config` names, checked: this witness's certificate, for this cluster, valid now.
 */
BW_MUST_CHECK enum bw_err bw_program_load_credentials(const struct bw_witness_config *config,
                                                      struct bw_credentials **out_credentials,
                                                      struct bw_tls_contexts *out_contexts,
                                                      struct bw_diag *diag);
void bw_tls_contexts_free(struct bw_tls_contexts *contexts);
/* Remembers the files as they are, so that a change is noticed. */
void bw_program_note_files(struct bw_program *program);
/* SIGHUP: the configuration file and all that it names. A bad one changes nothing. */
void bw_program_reload(struct bw_program *program);
/* Every few seconds: certificates if their files have changed, and warnings of their end. */
void bw_program_look_at_files(struct bw_program *program);

/* ---- answer.c ---- */

/* An answer without groups yet, with room for `group_max`; NULL: no memory. */
struct bw_sync_answer *bw_answer_new(const struct bw_program *program, uint32_t group_max);
void bw_answer_free(struct bw_sync_answer *answer);
/* Adds a group that exists at `place`, with its order for `site`. */
struct bw_sync_answer_group *bw_answer_add(const struct bw_program *program,
                                           struct bw_sync_answer *answer, int place,
                                           const char *site);
/* Encodes it and answers the request with it; frees it. */
void bw_answer_send(struct bw_program *program, struct bw_http_request *request,
                    struct bw_sync_answer *answer);
/* 503 while this witness does not know which cluster it belongs to: a fresh one, or one that waits
 * for the first leader. True: it was answered. */
bool bw_answer_is_too_early(struct bw_program *program, struct bw_http_request *request);

/* ---- api_agent.c ---- */
extern const struct bw_http_route bw_agent_routes[];
extern const size_t bw_agent_route_count;
/* Answers the syncs that the newest proof covers; all that wait for one, as a follower, if it leads
 * no more. */
void bw_agents_on_proved(struct bw_program *program);

/* ---- poll.c ---- */
extern const struct bw_http_route bw_poll_routes[];
extern const size_t bw_poll_route_count;
/* Wakes the long polls that `group`'s order is news for. */
void bw_polls_on_changed(struct bw_program *program, int group);

/* ---- api_people.c ---- */
extern const struct bw_http_route bw_people_routes[];
extern const size_t bw_people_route_count;

/* ---- exposition.c ---- */
extern const struct bw_http_route bw_metrics_routes[];
extern const size_t bw_metrics_route_count;
void bw_meter_open(struct bw_program *program);
void bw_meter_close(struct bw_program *program); /* also if it was never opened, and twice */
void bw_meter_on_answered(const struct bw_http_request *request, int status, void *user);
void bw_meter_on_handshake_failed(struct bw_program *program, enum bw_err why);

/* ---- health.c ---- */
extern const struct bw_http_route bw_health_routes[];
extern const size_t bw_health_route_count;

#endif
