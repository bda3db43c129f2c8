/* program.h - a running witness: what its files share.
 *
 *   program.c    life: open, signals, close      reload.c     configuration and certificates anew
 *   raft_link.c  TLS streams for Raft, and who was refused, in the log
 *   members.c    which witnesses are known, who is to join and to leave, `witness init`; with ask.c
 *   api_members.c  what people order of the members
 *   recovery.c, saved.c  `recover`, `snapshot`   api_snapshot.c  GET /v1/snapshot
 *   api_group.c  a group's mode, maintenance and end   awaited.c  answers that come with the
 * outcome fsm.c        log entries and snapshots <-> the cluster drive.c      the machine's clocks,
 * requests and wake-ups api_agent.c  syncs, also through a follower, and polls   health.c /healthz,
 * /readyz api_operator.c what people read and ask for    api_apply.c  the specs that they apply
 *   metrics_text.c /metrics               reads.c      long documents, made rarely and shared
 *   people.c     which groups a caller may see and change
 *   alarms.c     since when something needs attention, and who has seen it
 *   unreached.c  which witnesses this one cannot connect to, and why
 *
 * Everything belongs to the loop's thread. The machine (machine/witness.h) decides; nothing here
 * does. */
#ifndef BW_WITNESS_PROGRAM_H
#define BW_WITNESS_PROGRAM_H

#include <uv.h>

#include <breakwater/config/witness_config.h>
#include <breakwater/consensus/node.h>
#include <breakwater/machine/witness.h>
#include <breakwater/machine/witness_members.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/http_client.h>
#include <breakwater/net/http_server.h>
#include <breakwater/net/names.h>
#include <breakwater/obs/log.h>
#include <breakwater/reload/reload.h>
#include <breakwater/sys/deadline.h>
#include <breakwater/sys/heartbeat.h>
#include <breakwater/sys/script.h>
#include <breakwater/sys/worker.h>

#include "people.h"
#include "reads.h"

struct bw_api_apply;
struct bw_api_call;
struct bw_raft_links;

/* drive.c: when the machine is to be stepped. */
struct bw_drive {
    uv_idle_t settle;           /* active while it is unsettled */
    struct bw_deadline wake;
    struct bw_instant wake_at;  /* of `wake`; never: it is not set */
    bool is_over;               /* the program is closed after the step */
    bool has_wake;              /* it was initialised */
    uint8_t entry[BW_COMMAND_BYTES_MAX]; /* the command that is being submitted */
};

/* Events that others cause as often as they like, told at a bounded rate: raft_link.c. X(NAME, word) */
#define BW_REFUSED_LIST(X)                                                                         \
    X(HANDSHAKE, "handshakes")                                                                     \
    X(EVICTED, "evictions")                                                                        \
    X(STRANGER, "strangers")                                                                       \
    X(CALLER, "callers")                                                                           \
    X(ORDER, "orders")                                                                             \
    X(RAFT_PEER, "raft_peers")                                                                     \
    X(RAFT_MESSAGE, "raft_messages")                                                               \
    X(RAFT_WITNESS, "raft_witnesses")                                                              \
    X(JOINER, "joiners")
enum bw_refused {
#define X(name, word) BW_REFUSED_##name,
    BW_REFUSED_LIST(X)
#undef X
        BW_REFUSED_COUNT
};

/* members.c: the witnesses that this one knows. */
#define BW_KNOWN_MAX 24
/* unreached.c: whether this one's own connection to it can be made. */
#define BW_UNREACHED_BYTES 160
struct bw_unreached {
    bool is_so; /* the newest dial has failed */
    bool is_logged;
    struct bw_instant since;
    struct bw_instant logged;
    char why[BW_UNREACHED_BYTES]; /* the newest dial */
};
struct bw_known {
    struct bw_witness_member_config config;
    bool is_member; /* by the roster, or by the file as long as there is none */
    uint32_t level; /* the newest that it knows; 0: not met (api_level.c) */
    char release[BW_HELLO_RELEASE_BYTES]; /* that it runs; "": it has not said */
    bool has_certificate;                 /* it has said how long its own holds: */
    uint64_t certificate_left_s;          /* so long, when it said so */
    struct bw_instant certificate_received;
    struct bw_unreached unreached;
    struct bw_commit_mark committed; /* what it knew to be decided as it was dialed last (L33); index 0: it has not said */
};
struct bw_directory {
    struct bw_known list[BW_KNOWN_MAX]; /* those of the file first */
    uint32_t count;
    struct bw_witness_member_config later[BW_WITNESSES_MAX]; /* by other members: of later ones */
    uint32_t later_count;
    uint32_t outdated[BW_WITNESSES_MAX]; /* ids in the file that it was told of */
    uint32_t outdated_count;
    uint64_t version; /* of the roster that it was made of */
    bool is_built;
};

/* members.c, api_members.c: who is to join, and the change under way. */
struct bw_members {
    struct bw_witness_members state; /* what it decides by (machine/witness_members.h) */
    uv_timer_t tick;
    char logged_join[BW_DIAG_TEXT_BYTES]; /* the answer that was logged last */
};

/* Since the start; for people and /metrics. */
struct bw_witness_counters {
    uint64_t applied[BW_COMMAND_COUNT]; /* a row fired, whoever proposed it */
    uint64_t no_ops;
    uint64_t proposals[BW_COMMAND_COUNT];
    uint64_t proposals_failed; /* refused by the log, or their fate is unknown */
    uint64_t terms_led;
    uint64_t barriers; /* proofs of leadership by an entry of the log */
    uint64_t questions; /* by the terms of the others */
    uint64_t proofs_failed;
    uint64_t syncs; /* received from agents and relays, well-formed */
    uint64_t syncs_refused;
    uint64_t renewals_confirmed;
    uint64_t renewals_unconfirmed; /* of those that waited for this leader's proof */
    uint64_t relays_sent;
    uint64_t relays_failed;
    uint64_t raft_peers_refused; /* certificate of nobody whom we know, or no handshake */
    uint64_t events_delivered;   /* to the script of on_event, which exited with 0 */
    uint64_t events_failed;
    uint64_t events_dropped;
    uint64_t reloads;
    uint64_t reloads_failed;
    bool is_file_taken; /* the newest that was read; and its certificate, or a newer one: */
    bool is_certificate_taken;
    int64_t last_good_reload_unix_ms; /* the start counts */
};

/* metrics_text.c: what only /metrics wants to know. */
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

/* on_event.c: what its script is still to be told. */
#define BW_EVENTS_MAX     64
#define BW_EVENT_LIMIT_MS 30000 /* of one run */
struct bw_waiting_event {
    json_t *event;
    char group[BW_NAME_MAX + 1]; /* "": of the cluster */
    uint64_t lost;               /* later ones of this group that found no place */
};
struct bw_on_event {
    struct bw_script_runner runner;
    struct bw_script_run *run; /* NULL: none */
    uv_timer_t tick;
    struct bw_waiting_event queue[BW_EVENTS_MAX]; /* oldest first */
    size_t count;
    bool is_dropping; /* and it was said */
    bool is_open;
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
    struct bw_http_client relay;  /* to the leader, when an agent reaches only us; members.c */
    bool has_relay;               /* it was initialised */
    struct bw_names *names;       /* of the other witnesses, for both; kept in the data directory */

    struct bw_directory directory;
    struct bw_members members;
    struct bw_witness_machine machine;
    struct bw_group *groups; /* the machine's: BW_GROUPS_MAX zeroed places; untouched ones cost no
                                memory */
    struct bw_watch *watches;                   /* likewise */
    struct bw_sync_answer_group *answer_groups; /* likewise */
    struct bw_record_room *record;              /* likewise */
    struct bw_drive drive;
    struct bw_api_call *answered; /* api_agent.c: their answers leave when the step is over */
    struct bw_api_apply *applied; /* api_apply.c: likewise */
    struct bw_awaited *awaited; /* awaited.c: likewise */

    struct bw_callers callers; /* api_agent.c */
    struct bw_on_event on_event;
    struct bw_reads reads;
    struct bw_witness_counters counters;
    struct bw_meter meter;
    struct bw_trouble_book *alarms; /* alarms.c */
    uint32_t alarms_next;           /* the group that was looked at last */
    struct bw_summary refused[BW_REFUSED_COUNT];

    uv_signal_t signals[3];  /* SIGTERM SIGINT SIGHUP */
    uv_timer_t housekeeping; /* certificate files and dates */
    uv_timer_t foreseeing;   /* names of the other witnesses */
    struct bw_heartbeat heartbeat;
    struct bw_reload reload;
    bool is_closing;
};

/* The witness of that id or name, this one too; NULL: it is not known here. */
const struct bw_witness_member_config *bw_program_member(const struct bw_program *program,
                                                         uint64_t id);
/* Its name; "" of 0 (nobody passed it on), "unknown" of no member. For the log. */
const char *bw_program_name_of(const struct bw_program *program, uint64_t id);
const struct bw_witness_member_config *bw_program_member_named(const struct bw_program *program,
                                                               const char *name);

/* ---- members.c ---- */

/* After the file was read; and once in a while: the roster may have changed. */
void bw_directory_rebuild(struct bw_program *program);
void bw_directory_refresh(struct bw_program *program);
/* Of a roster of the second form. */
struct bw_witness_member_config bw_member_config_of(const struct bw_roster_member *member);
struct bw_roster_member bw_roster_member_of(const struct bw_witness_member_config *config,
                                            struct bw_id incarnation);
/* The roster; one of the second form with the addresses at which this witness reaches its members: its file may be
 * newer than the last change. */
void bw_directory_roster(const struct bw_program *program, struct bw_roster *out_roster);
/* The same with names and addresses, as the second form has them. False: a member of the first one is not in
 * the file, or there is no roster. */
BW_MUST_CHECK bool bw_directory_complete(const struct bw_program *program,
                                         struct bw_roster *out_roster, struct bw_diag *diag);
bool bw_program_is_self(const struct bw_program *program,
                        const struct bw_witness_member_config *member);
/* Its place in the list of the directory; -1: not known. */
static inline int bw_directory_find(const struct bw_program *program, uint64_t id)
{
    for (uint32_t i = 0; i < program->directory.count; i++)
        if (program->directory.list[i].config.id == id)
            return (int)i;
    return -1;
}
void bw_directory_note_level(struct bw_program *program, uint64_t id, uint64_t level);
uint32_t bw_directory_level(const struct bw_program *program, uint64_t id); /* 0: unknown */
void bw_directory_note_release(struct bw_program *program, uint64_t id,
                               const char release[BW_HELLO_RELEASE_BYTES]);
const char *bw_directory_release(const struct bw_program *program, uint64_t id); /* "": unknown */
void bw_directory_note_committed(struct bw_program *program, uint64_t id, struct bw_commit_mark mark);
void bw_directory_note_certificate(struct bw_program *program, uint64_t id, uint64_t left_s);
/* Of another witness, by what it said last and the time that has passed. False: it has not said. */
bool bw_directory_certificate(const struct bw_program *program, uint64_t id, struct bw_instant now,
                              uint64_t *out_left_s);

/* ---- unreached.c ---- */

/* A connection to that witness has come to nothing, or was made: told once for each change. */
void bw_unreached_note(struct bw_program *program, uint64_t id, const char *why);
void bw_unreached_over(struct bw_program *program, uint64_t id);
/* A member that cannot be reached, and why; NULL: it can be, or was not dialed. */
#define BW_NOT_BEGUN_BYTES 512
/* True: its cluster has not begun, and `out_text` says for whom it waits. */
bool bw_unreached_begins_late(struct bw_program *program, char out_text[BW_NOT_BEGUN_BYTES]);
const struct bw_unreached *bw_unreached_of(const struct bw_program *program, uint64_t id);

/* ---- members.c ---- */

void bw_members_open(struct bw_program *program);
void bw_members_close(struct bw_program *program); /* also if it was never opened, and twice */
/* Live (core/members.h). */
bool bw_members_hears(const struct bw_program *program, const struct bw_node_peer *peer);
/* Submits it; no other one is on its way. */
BW_MUST_CHECK enum bw_err bw_members_submit(struct bw_program *program,
                                            const struct bw_roster *roster);
/* The next step, and in words what is waited for ("": nothing is under way). */
#define BW_MEMBERS_TEXT_BYTES 320
void bw_members_look(const struct bw_program *program, const struct bw_roster *roster,
                     struct bw_members_facts *out_facts, struct bw_members_step *out_step,
                     char out_text[BW_MEMBERS_TEXT_BYTES]);

/* ---- api_members.c ---- */
extern const struct bw_http_route bw_members_routes[];
extern const size_t bw_members_route_count;

/* ---- program.c ---- */

/* Everything up to the loop; `program` is zeroed. On an error `*out_status` is the exit status, the
 * reason was told, and bw_program_end is still due. */
BW_MUST_CHECK bool bw_program_begin(struct bw_program *program, const char *config_file,
                                    int *out_status);
/* Closes what there is; in any state, and twice. The loop runs out of handles soon after. */
void bw_program_close(struct bw_program *program);
/* Closes, runs the loop to its end, and frees all but `program` itself. */
void bw_program_end(struct bw_program *program);

/* ---- raft_link.c ---- */

/* Counts one event; 0: say nothing now, else how many there were since the last that was told. */
uint64_t bw_refused_add(struct bw_program *program, enum bw_refused kind);
/* Every few seconds: those that no later event would tell. */
void bw_refused_flush(struct bw_program *program);
/* The server's callbacks. */
void bw_refused_on_handshake_failed(const char *remote, enum bw_err why, const char *text,
                                    void *user);
void bw_refused_on_evicted(const char *remote, const struct bw_identity *identity,
                           enum bw_http_eviction why, void *user);
void bw_refused_on_request(const struct bw_http_request *request, int status, const char *error,
                           void *user);

/* ---- drive.c ---- */

BW_MUST_CHECK enum bw_err bw_drive_init(struct bw_program *program, struct bw_diag *diag);
void bw_drive_close(struct bw_program *program);
/* The machine's word for what a configuration says of the members, and whether it may take that now. */
BW_MUST_CHECK enum bw_err bw_drive_judge_members(const struct bw_program *program,
                                                 const struct bw_witness_config *config,
                                                 struct bw_diag *diag);
/* The program's configuration says who they are. */
void bw_drive_use_members(struct bw_program *program);
void bw_drive_step(struct bw_program *program, const struct bw_witness_event *event);
/* What was applied within Raft's step is settled in the loop's next turn. */
void bw_drive_settle_soon(struct bw_program *program);

/* The machine was asked for something outside of a step. */
void bw_drive_refresh(struct bw_program *program);
/* A person's wish (bw_witness_machine_ask). `remote`: where it came from. */
BW_MUST_CHECK enum bw_err bw_program_ask(struct bw_program *program, int group,
                                         const struct bw_wish *wish, const char *remote,
                                         struct bw_proposer *proposer, struct bw_diag *diag);
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
/* This witness's own is a new one: whoever has dialed it is told how long that holds. */
void bw_raft_links_tell_certificate(struct bw_raft_links *links);
/* bw_node_say_fn, of the program. */
bool bw_raft_links_say(void *program, uint64_t to, const uint8_t words[BW_HELLO_BYTES]);
/* Whoever was removed, by what is applied here, is told so on the connections that it has made, which end. */
void bw_raft_links_part(struct bw_raft_links *links);
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
/* How long its own certificate holds; 0 also if its file has one that the next start would refuse. */
uint64_t bw_program_certificate_left_s(const struct bw_program *program);
/* Says so in the log when the certificate in use does not name the address at which this witness is
 * dialed. */
void bw_program_judge_address(struct bw_program *program);
void bw_tls_contexts_free(struct bw_tls_contexts *contexts);
/* Before they are read for the first time: a change is noticed from here on. */
BW_MUST_CHECK enum bw_err bw_program_reload_open(struct bw_program *program, struct bw_diag *diag);
/* SIGHUP: the configuration file and all that it names, which are read beside the loop. A bad one changes nothing that
 * is in force. */
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
/* "ADDRESS:PORT" of whoever made the call; "gone" once the connection is. */
const char *bw_agents_remote(const struct bw_witness_call *call);
/* After each step. */
void bw_agents_send_answers(struct bw_program *program);
/* 503 while this witness does not know which cluster it belongs to: a fresh one, or one that waits
 * for the first leader. True: it was answered. */
bool bw_agents_is_too_early(struct bw_program *program, struct bw_http_request *request);

/* ---- api_operator.c ---- */
extern const struct bw_http_route bw_operator_routes[];
extern const size_t bw_operator_route_count;
/* The machine is done with it; it is answered after the step. */
void bw_operator_on_applied(struct bw_program *program, struct bw_apply *order);
/* After each step. */
void bw_operator_send_applied(struct bw_program *program);
void bw_program_answer_awaited(struct bw_program *program);

/* ---- alarms.c ---- */

/* What needs attention now: once a second. */
void bw_alarms_look(struct bw_program *program);

/* ---- metrics_text.c ---- */
extern const struct bw_http_route bw_metrics_routes[];
extern const size_t bw_metrics_route_count;
void bw_meter_open(struct bw_program *program);
void bw_meter_close(struct bw_program *program); /* also if it was never opened, and twice */
void bw_meter_on_answered(const struct bw_http_request *request, int status, void *user);
void bw_meter_on_handshake_failed(struct bw_program *program, enum bw_err why);

/* ---- health.c ---- */
extern const struct bw_http_route bw_health_routes[];
extern const size_t bw_health_route_count;

/* ---- on_event.c ---- */
BW_MUST_CHECK enum bw_err bw_on_event_open(struct bw_program *program, struct bw_diag *diag);
void bw_on_event_close(struct bw_program *program); /* also if it was never opened, and twice */
/* This witness leads and has applied it: a row fired. Neither waits nor forks. */
void bw_on_event_tell(struct bw_program *program, uint64_t index, const struct bw_command *command,
                      const struct bw_applied *applied);
/* This witness leads: an alarm has begun or ended, or a person has seen it. `group` NULL: it is of
 * a witness. False: it finds no room now (half of it is kept for what is committed), or there is no
 * script. Neither waits nor forks. */
bool bw_on_event_tell_alarm(struct bw_program *program, const struct bw_group *group,
                            const struct bw_trouble_entry *entry, bool is_ack);

/* ---- page.c ---- */
extern const struct bw_http_route bw_page_routes[];
extern const size_t bw_page_route_count;

/* Between members.c, members.c and api_members.c. */

/* Marks the directory and ends the process with 70; `by`: who says that it was removed. */
void bw_members_end_removed(struct bw_program *program, const char *by) __attribute__((noreturn));

/* Whether one that asks to join answers where it says. Design 3.9. */

/* Asks at the `address` that whoever is noted in `slot` gives, at most a few seconds, and tells the
 * machine what came of it. */
void bw_newcomer_look(struct bw_program *program, struct bw_applicant *slot);

#endif
