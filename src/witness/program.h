/* program.h - a running witness: what its files share.
 *
 *   program.c    life: open, signals, close      reload.c     configuration and certificates anew
 *   raft_link.c  TLS streams for Raft            found.c, ask.c  `witness init`
 *   fsm.c        log entries and snapshots <-> the cluster
 *   drive.c      the machine's clocks, requests and wake-ups
 *   api_agent.c  syncs, also through a follower, and polls   health.c     /healthz, /readyz
 *   api_people.c what people read and ask for    api_apply.c  the specs that they apply
 *   exposition.c /metrics               reads.c      long documents, made rarely and shared
 *
 * Everything belongs to the loop's thread. The machine (machine/witness.h) decides; nothing here does. */
#ifndef BW_WITNESS_PROGRAM_H
#define BW_WITNESS_PROGRAM_H


#include <uv.h>

#include <breakwater/config/witness_config.h>
#include <breakwater/consensus/node.h>
#include <breakwater/machine/witness.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/http_client.h>
#include <breakwater/net/http_server.h>
#include <breakwater/obs/log.h>
#include <breakwater/os/file_look.h>
#include <breakwater/sys/deadline.h>
#include <breakwater/sys/heartbeat.h>

#include "reads.h"

struct bw_api_call;
struct bw_raft_links;

/* drive.c: when the machine is to be stepped. */
struct bw_drive {
    uv_idle_t settle;           /* active while it is unsettled */
    struct bw_deadline wake;
    struct bw_instant wake_at;  /* of `wake`; never: it is not set */
    bool has_wake;              /* it was initialised */
    uint8_t entry[BW_COMMAND_BYTES_MAX]; /* the command that is being submitted */
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
    struct bw_witness_machine machine;
    struct bw_group *groups; /* the machine's: BW_GROUPS_MAX zeroed places; untouched ones cost no
                                memory */
    struct bw_watch *watches;                   /* likewise */
    struct bw_sync_answer_group *answer_groups; /* likewise */
    struct bw_drive drive;
    struct bw_api_call *answered; /* api_agent.c: their answers leave when the step is over */

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

/* ---- drive.c ---- */

/* Who waits for a proposal's outcome, in memory of its own until then. BW_OK: it was applied as entry
 * `index`, and `applied` says what it did (also: nothing). BW_ERR_UNKNOWN: leadership was lost on the
 * way, it may commit yet. BW_ERR_LIMIT: a majority is short of disk, it was not taken. `applied` is NULL
 * unless BW_OK. */
struct bw_proposer {
    void (*on_done)(struct bw_proposer *proposer, enum bw_err err, uint64_t index,
                    const struct bw_applied *applied);
};

BW_MUST_CHECK enum bw_err bw_drive_init(struct bw_program *program, struct bw_diag *diag);
void bw_drive_close(struct bw_program *program);
/* The configuration says who the members are. */
void bw_drive_use_members(struct bw_program *program);
void bw_drive_step(struct bw_program *program, const struct bw_witness_event *event);
/* What was applied within Raft's step is settled in the loop's next turn. */
void bw_drive_settle_soon(struct bw_program *program);

/* bw_witness_machine_propose. BW_OK: `proposer` (may be NULL) hears of the outcome exactly once, never
 * from within this call. */
BW_MUST_CHECK enum bw_err bw_program_propose(struct bw_program *program,
                                             const struct bw_command *command,
                                             struct bw_proposer *proposer, struct bw_diag *diag);
/* A person's wish (bw_witness_ask), acted on where it can be. */
BW_MUST_CHECK enum bw_err bw_program_ask(struct bw_program *program, int group,
                                         const struct bw_wish *wish, struct bw_diag *diag);
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

/* ---- api_agent.c ---- */
extern const struct bw_http_route bw_agent_routes[];
extern const size_t bw_agent_route_count;
/* What the machine asks for about a call. */
enum bw_err bw_agents_relay(struct bw_witness_call *call, const struct bw_member *leader);
void bw_agents_answer(struct bw_witness_call *call, const struct bw_sync_answer *answer);
void bw_agents_pass_on(struct bw_witness_call *call);
void bw_agents_refuse(struct bw_witness_call *call, enum bw_witness_refusal why);
/* After each step. */
void bw_agents_send_answers(struct bw_program *program);
/* 503 while this witness does not know which cluster it belongs to: a fresh one, or one that waits
 * for the first leader. True: it was answered. */
bool bw_agents_is_too_early(struct bw_program *program, struct bw_http_request *request);

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
