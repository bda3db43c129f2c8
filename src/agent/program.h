/* program.h - a running agent: what its files share.
 *
 *   program.c    life: open, signals, close           reload.c     SIGHUP, changed certificates
 *   store.c      what must not be forgotten           saves.c      that on its way to the disk
 *   groups.c     events in, actions carried out      mirrors.c    what an absent guard has armed
 *   trace.c      what a step changed, as log lines    own_fence.c  the fence without the guard
 *   guard_link.c the connection to the guard          witnesses.c  whom to speak with
 *   sync.c       renewals and reports, out            orders.c     long polls
 *   answer.c     what witnesses say, in               own_units.c  the units that it ends
 *
 * Everything belongs to the loop's thread. The machine (core/site.h) decides; nothing here does. */
#ifndef BW_AGENT_PROGRAM_H
#define BW_AGENT_PROGRAM_H

#include <uv.h>

#include <breakwater/agent/agent.h>
#include <breakwater/base/prng.h>
#include <breakwater/config/site_config.h>
#include <breakwater/core/site.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/http_client.h>
#include <breakwater/obs/log.h>
#include <breakwater/sys/deadline.h>
#include <breakwater/sys/heartbeat.h>
#include <breakwater/sys/script.h>
#include <breakwater/sys/unit_reach.h>
#include <breakwater/sys/unix_socket.h>
#include <breakwater/sys/worker.h>
#include <breakwater/wire/state.h>

struct bw_agent;
struct bw_agent_fence;    /* own_fence.c */
struct bw_agent_save_job;   /* saves.c */
struct bw_agent_mirror_job; /* mirrors.c */
struct bw_agent_reload_job; /* reload.c */

/* ---- store.c: the state directory (3.7) ---------------------------------------------------- */

struct bw_agent_store {
    int dir;  /* -1: not open */
    int lock; /* -1: not locked */
    char path[512];
    char file[BW_NAME_MAX + 8]; /* CLUSTER.state: another cluster's is never taken for ours */
    struct bw_agent_state state;
    uint32_t group_capacity;
    uint8_t *buffer; /* BW_AGENT_STATE_BYTES_MAX */
};

/* Locks the directory and loads what is kept there, or makes a new instance. Says on the log what
 * it found. BW_ERR_BUSY: another agent runs. Any other error: a person must act, `diag` says how.
 */
BW_MUST_CHECK enum bw_err bw_agent_store_open(struct bw_agent_store *store,
                                              const struct bw_site_config *config,
                                              struct bw_id boot_id, struct bw_log *log,
                                              struct bw_diag *diag);
/* The place of `group`, made if there is none: for each configured group once, before the first
 * save. Pointers are good until the next call that makes one. NULL: the limit is met. */
struct bw_agent_group *bw_agent_store_group(struct bw_agent_store *store, const char *group);
/* All of it as bytes for the disk. */
BW_MUST_CHECK enum bw_err bw_agent_store_encode(const struct bw_agent_state *state,
                                                uint8_t *buffer, size_t *out_size,
                                                struct bw_diag *diag);
/* Such bytes to the disk, which may hang: not on the loop. BW_ERR_UNKNOWN: the process must end. */
BW_MUST_CHECK enum bw_err bw_agent_store_write(int dir, const char *file, const uint8_t *bytes,
                                               size_t size, struct bw_diag *diag);
void bw_agent_store_close(struct bw_agent_store *store);

/* ---- saves.c: the state on its way to the disk (3.4) --------------------------------------------
 *
 * A thread of its own writes; whatever waits while it is at work goes with the next write, for all
 * groups at once. */

/* mirrors.c: what an absent guard has armed, read beside the loop (3.4). */
struct bw_agent_mirrors {
    bool is_open;
    struct bw_worker *reader; /* NULL: not open */
    struct bw_agent_mirror_job *job;
    struct bw_deadline unanswered; /* what has not answered by then cannot be read */
    bool is_hung; /* at the end: a reading that hangs is never ours again */
};
BW_MUST_CHECK enum bw_err bw_agent_mirrors_open(struct bw_agent *agent, struct bw_diag *diag);
void bw_agent_mirrors_close(struct bw_agent *agent);
void bw_agent_mirrors_free(struct bw_agent *agent);

struct bw_agent_saves {
    struct bw_worker *disk; /* NULL: not open */
    struct bw_agent_save_job *job;
    bool is_answering; /* what is asked for meanwhile goes together */
    bool is_hung;      /* at the end: the disk still has the job */
    bool wants_cluster; /* id and generation that a leader told of: known when they are durable */
    struct bw_id cluster_id;
    uint64_t generation;
};
BW_MUST_CHECK enum bw_err bw_agent_saves_open(struct bw_agent *agent, struct bw_diag *diag);
void bw_agent_saves_close(struct bw_agent *agent);
void bw_agent_saves_free(struct bw_agent *agent); /* after the loop */
struct bw_agent_place;
/* SAVED follows, once for all that was asked for until then. */
void bw_agent_saves_group(struct bw_agent_place *place, uint64_t number);
/* MIRROR_READ follows, never before this returns. */
void bw_agent_mirrors_want(struct bw_agent_place *place);
void bw_agent_saves_cluster(struct bw_agent *agent, struct bw_id cluster_id, uint64_t generation);

/* ---- groups.c: one machine per group -------------------------------------------------------- */

struct bw_agent_place {
    struct bw_agent *agent;
    const struct bw_group_config *config;
    struct bw_agent_group *kept; /* in the store */
    struct bw_site site;
    struct bw_instant wake_at;
    bool save_waits;      /* for the next write */
    uint64_t save_number; /* of the newest SAVE */
    uint64_t save_begun;  /* that is in the write under way; 0: none */
    bool mirror_waits;   /* is to be read */
    bool mirror_is_read; /* by the thread, now */
    bool is_mirror_news; /* it says something else than when it was read before */
    bool has_read_mirror;
    enum bw_err mirror_err; /* of the newest reading */
    uint64_t mirror_epoch;
    bool has_arm; /* held back: the guard has not read what was sent before */
    struct bw_guard_message arm;
    struct bw_agent_fence *own_fence; /* NULL: none runs */
    struct bw_unit_reach *units;    /* NULL: the group names none, or there is no systemctl */
};

/* Makes the places of all configured groups. BW_ERR_LIMIT, BW_ERR_NOMEM. */
BW_MUST_CHECK enum bw_err bw_agent_places_init(struct bw_agent *agent, struct bw_diag *diag);
struct bw_agent_place *bw_agent_place_find(struct bw_agent *agent, const char *group);
/* Hands `event` to the machine with the instant read now, carries out what it asks for, and does
 * the same for the events that follow from that. Never called from within itself. */
void bw_agent_step(struct bw_agent_place *place, const struct bw_site_event *event);
/* The wake-up of the earliest place. */
void bw_agent_on_wake(struct bw_deadline *deadline, void *user);
/* From own_fence.c, from the loop. */
void bw_agent_on_own_fence_ended(struct bw_agent_place *place, uint64_t epoch, bool ok);
void bw_agent_limits_get(const struct bw_group_config *config, struct bw_site_limits *out_limits);

/* ---- trace.c -------------------------------------------------------------------------------- */

/* What a step may change, as it was before. */
struct bw_agent_trace {
    struct bw_instant now;
    enum bw_tenure tenure;
    uint64_t order_index;
    enum bw_order_kind order_kind;
    uint64_t epoch;
    bool given_back;
    bool lease_alive;
    bool enforced;
    uint32_t alarms;
};
void bw_agent_trace_begin(const struct bw_agent_place *place, struct bw_instant now,
                          struct bw_agent_trace *out_trace);
void bw_agent_trace_end(const struct bw_agent_place *place, const struct bw_agent_trace *trace,
                        const struct bw_site_event *event, const struct bw_site_actions *actions);

/* ---- own_fence.c ----------------------------------------------------------------------------- */

/* Begins; BW_SITE_EVENT_OWN_FENCE_ENDED follows, from the loop. While one of an earlier epoch runs,
 * after that. */
void bw_agent_fence_start(struct bw_agent_place *place, const struct bw_site_action *action);
/* From own_units.c, from the loop. */
void bw_agent_fence_on_units_killed(struct bw_agent_place *place, enum bw_err err,
                                    const struct bw_diag *diag);

/* ---- own_units.c ----------------------------------------------------------------------------- */

/* Once the runner is open; what cannot be reached is said on the log. */
void bw_agent_units_open(struct bw_agent *agent);
void bw_agent_units_close(struct bw_agent *agent);
void bw_agent_units_free(struct bw_agent *agent); /* after the loop */

/* ---- guard_link.c ---------------------------------------------------------------------------- */

enum bw_guard_link_state {
    BW_GUARD_LINK_IDLE, /* waits for `timer` to connect */
    BW_GUARD_LINK_CONNECTING,
    BW_GUARD_LINK_GREETING, /* hello was said */
    BW_GUARD_LINK_WELCOME,  /* its state is being read */
    BW_GUARD_LINK_OPEN,
    BW_GUARD_LINK_CLOSED, /* the agent ends */
};
struct bw_guard_link {
    enum bw_guard_link_state state;
    struct bw_unix_connection *connection; /* NULL: none */
    struct bw_deadline timer;              /* to connect again, or for the answer to hello */
    uint64_t retry_ns;
    struct bw_instant opened; /* its newest welcome was read whole */
    uint32_t feature_level;   /* the newest that this guard knows, by its welcome */
    bool is_told_lost; /* GUARD_LOST was said since it was last there */
    bool is_said;      /* its absence is in the log */
};
BW_MUST_CHECK enum bw_err bw_guard_link_open(struct bw_agent *agent, struct bw_diag *diag);
void bw_guard_link_send(struct bw_agent *agent, const struct bw_guard_message *message);
/* Cluster id or generation has changed: says hello anew. */
void bw_guard_link_greet_again(struct bw_agent *agent);
void bw_guard_link_close(struct bw_agent *agent);

/* ---- witnesses.c ----------------------------------------------------------------------------- */

/* Configured ones and those that a leader told us of: bounded, so that all their exchanges fit into
 * one client. */
#define BW_AGENT_WITNESSES_MAX 10
#define BW_AGENT_SYNCS_MAX     2 /* unanswered, per witness */

struct bw_agent_witness {
    struct bw_agent *agent;
    bool used;
    bool is_configured;
    bool is_gone; /* neither configured nor told any more: ends with its last exchange */
    char address[BW_ADDRESS_MAX + 1];
    uint32_t sync_count;           /* unanswered */
    bool missed_sync;              /* the newest sync found both slots taken */
    struct bw_http_exchange *poll; /* NULL: none under way */
    struct bw_instant poll_begun;
    struct bw_deadline poll_timer; /* the next poll */
    bool has_poll_timer;
    uint64_t poll_retry_ns;
    bool is_answering; /* as the log last said */
    uint32_t failed_in_a_row;
    const char *refusal; /* why its answers are dropped, as the log last said; NULL: they are not */
};
BW_MUST_CHECK enum bw_err bw_agent_witnesses_configure(struct bw_agent *agent,
                                                       struct bw_diag *diag);
/* The members as a leader told them. */
void bw_agent_witnesses_told(struct bw_agent *agent, const struct bw_sync_answer *answer);
/* The outcome of an exchange, for the log: once per change. `text` says why it failed. */
void bw_agent_witness_answered(struct bw_agent_witness *witness);
void bw_agent_witness_failed(struct bw_agent_witness *witness, const char *text);
/* An exchange has ended: frees the place of a witness that is gone. */
void bw_agent_witness_release(struct bw_agent_witness *witness);
void bw_agent_witnesses_close(struct bw_agent *agent);

/* ---- sync.c, orders.c, answer.c -------------------------------------------------------------- */

/* Between two syncs, however much news there is. */
#define BW_AGENT_SYNC_DISTANCE_NS (2 * BW_NS_PER_MS)
/* Before an order has said otherwise. */
#define BW_AGENT_INTERVAL_NS_ABSENT (1 * BW_NS_PER_S)
#define BW_AGENT_REQUEST_MS_ABSENT  1000u

struct bw_agent_sync {
    struct bw_deadline timer;
    struct bw_renewals renewals;
    struct bw_sync_group *groups; /* one per place */
    struct bw_instant sent;       /* the newest */
    bool has_sent;
    struct bw_exchanges exchanges;
    struct bw_instant leader_heard;
};
BW_MUST_CHECK enum bw_err bw_agent_sync_open(struct bw_agent *agent, struct bw_diag *diag);
void bw_agent_sync_now(struct bw_agent *agent); /* coalesced */
uint64_t bw_agent_renew_interval_ns(const struct bw_agent *agent);
uint32_t bw_agent_request_timeout_ms(const struct bw_agent *agent);

void bw_agent_orders_poll(struct bw_agent_witness *witness);

enum bw_answer_kind { BW_ANSWER_TO_SYNC, BW_ANSWER_TO_POLL };
/* What `witness` answered: decoded, checked, and handed to the machines. False: it was dropped. */
bool bw_agent_take_answer(struct bw_agent_witness *witness, enum bw_answer_kind kind,
                          const void *body, size_t size);

/* ---- reload.c -------------------------------------------------------------------------------- */

/* What a certificate file looked like; another look means that it was replaced. */
struct bw_file_look {
    uint64_t device, inode, size;
    int64_t modified_ns;
};
struct bw_agent_reload {
    uv_timer_t timer; /* looks at the certificate files */
    struct bw_file_look ca;
    struct bw_file_look identity;
    struct bw_worker *files; /* NULL: not open */
    struct bw_agent_reload_job *job; /* the thread's; NULL: none */
    const struct bw_agent_reload_job *looked; /* that at the newest look */
    bool wants_config, wants_certificates, wants_look;
    bool is_slow;      /* the log was told that files do not answer */
    int64_t days_said; /* the warning threshold that the log was told of; INT64_MAX: none */
};
BW_MUST_CHECK enum bw_err bw_agent_credentials_load(const struct bw_site_config *config,
                                                    struct bw_credentials **out_credentials,
                                                    struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_agent_reload_open(struct bw_agent *agent, struct bw_diag *diag);
void bw_agent_reload_close(struct bw_agent *agent);
void bw_agent_reload(struct bw_agent *agent); /* SIGHUP: the files are read beside the loop */

/* ---- the agent ------------------------------------------------------------------------------- */

#define BW_AGENT_SIGNALS 3
struct bw_agent {
    uv_loop_t loop;
    const char *config_file;
    struct bw_site_config *config;
    struct bw_credentials *credentials;
    struct bw_log log;
    struct bw_prng jitter;
    struct bw_id boot_id;
    uint64_t time_namespace;
    struct bw_id session;
    struct bw_agent_store store;
    struct bw_agent_saves saves;
    struct bw_agent_mirrors mirrors;
    struct bw_agent_place *places;
    uint32_t place_count;
    uint32_t last_found; /* place of the last lookup: answers come in our order */
    bool is_stepping;
    struct bw_site_actions actions; /* of the step under way */
    struct bw_deadline wake;        /* the earliest of all places' */
    struct bw_http_client client;
    struct bw_script_runner runner;
    struct bw_guard_link guard;
    struct bw_agent_witness witnesses[BW_AGENT_WITNESSES_MAX];
    struct bw_agent_sync sync;
    struct bw_agent_reload reload;
    uv_signal_t signals[BW_AGENT_SIGNALS];
    struct bw_heartbeat heartbeat;
    uv_async_t ending; /* closes everything in a turn of its own */
    uint32_t own_fences_running;
    bool is_ending; /* SIGTERM came; own fences are finished first */
    bool is_closing;
    enum bw_agent_end end;
};

/* Ends the loop with `end`; the first call counts. */
void bw_agent_stop(struct bw_agent *agent, enum bw_agent_end end);
/* The service manager, if there is one. */
void bw_agent_tell_manager(struct bw_agent *agent, const char *state);
/* From own_fence.c: one less runs. */
void bw_agent_own_fence_gone(struct bw_agent *agent);

#endif
