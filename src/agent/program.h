/* program.h - a running agent: what its files share.
 *
 *   program.c    life: open, signals, close           reload.c     SIGHUP, changed certificates
 *   groups.c     what drives the machine: its clocks, what it asks for, its groups; syncs and polls over HTTPS, and
 *                messages over the guard's socket
 *   store.c      the state directory and the boot, saves, the guard's mirrors
 *   step_log.c   what happened, as log lines
 *   own_fence.c  the fence without the guard          own_units.c  the units that it ends
 *   persons.c    a person at this machine: override
 *   second.c     what a second enforcer asks
 *   asking.c     the guard, for who asks the agent from outside:
 *   health.c     load balancers, over plain HTTP
 *   admission.c  API servers of Kubernetes, over HTTPS
 *
 * Everything belongs to the loop's thread. The machine (machine/agent.h) decides; nothing here
 * does. */
#ifndef BW_AGENT_PROGRAM_H
#define BW_AGENT_PROGRAM_H

#include <uv.h>

#include <breakwater/agent/agent.h>
#include <breakwater/base/prng.h>
#include <breakwater/config/site_config.h>
#include <breakwater/core/may_run.h>
#include <breakwater/machine/agent.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/http_client.h>
#include <breakwater/net/http_server.h>
#include <breakwater/net/names.h>
#include <breakwater/net/plain_server.h>
#include <breakwater/net/tls_context.h>
#include <breakwater/obs/log.h>
#include <breakwater/reload/reload.h>
#include <breakwater/sys/deadline.h>
#include <breakwater/sys/heartbeat.h>
#include <breakwater/sys/kept_listener.h>
#include <breakwater/sys/script.h>
#include <breakwater/sys/unit_reach.h>
#include <breakwater/sys/unix_socket.h>
#include <breakwater/sys/worker.h>
#include <breakwater/wire/state.h>

#include "admission_review.h"

struct bw_agent;
struct bw_agent_fence;    /* own_fence.c */
struct bw_agent_asking;   /* asking.c */
struct bw_agent_health;   /* health.c */

/* ---- store.c: the state directory (3.7) ---------------------------------------------------- */

struct bw_agent_store {
    int dir;  /* -1: not open */
    int lock; /* -1: not locked */
    char path[512];
    char file[BW_NAME_MAX + 8]; /* CLUSTER.state: another cluster's is never taken for ours */
    char members_file[BW_NAME_MAX + sizeof BW_KEPT_MEMBERS_SUFFIX];
    char names_file[BW_NAME_MAX + sizeof BW_NAMES_FILE_SUFFIX];
    struct bw_kept_members members; /* all zero: there are none, or they cannot be read */
    struct bw_agent_state state;
    struct bw_id boot_id; /* of the site */
    bool is_reserved; /* `state` has room for BW_GROUPS_MAX groups, which never move */
    uint8_t *buffer; /* BW_AGENT_STATE_BYTES_MAX */
};

/* Locks the directory and loads what is kept there, or makes a new instance. Says on the log what
 * it found. BW_ERR_BUSY: another agent runs. Any other error: a person must act, `diag` says how.
 */
BW_MUST_CHECK enum bw_err bw_agent_store_open(struct bw_agent_store *store,
                                              const struct bw_site_config *config,
                                              struct bw_id kernel_boot_id, struct bw_log *log,
                                              struct bw_diag *diag);
/* Room for all groups that there can be: from here on they stay where they are. False: no memory.
 */
BW_MUST_CHECK bool bw_agent_store_reserve(struct bw_agent_store *store);
/* Whether it can remember the groups of `config` beside all that it was ever told of. */
bool bw_agent_store_has_room(const struct bw_agent_store *store,
                             const struct bw_site_config *config);
/* The entry of `group`, made if there is none, once there is room. Good as long as the store. */
struct bw_agent_group *bw_agent_store_group(struct bw_agent_store *store, const char *group);
/* Likewise the list of members: nothing rests on what becomes of it. */
void bw_agent_store_close(struct bw_agent_store *store);

/* ---- store.c, store.c: what may hang, on threads of their own (3.4) ----------------------- */

BW_MUST_CHECK enum bw_err bw_agent_saves_open(struct bw_agent *agent, struct bw_diag *diag);
void bw_agent_saves_begin(struct bw_agent *agent, const struct bw_agent_state *state);
/* On a thread of its own: what a lease rests on does not wait for it. */
void bw_agent_keep_members(struct bw_agent *agent, const struct bw_kept_members *members);
BW_MUST_CHECK enum bw_err bw_agent_mirrors_open(struct bw_agent *agent, struct bw_diag *diag);
#define BW_AGENT_MIRRORS_PATH_BYTES 512
/* The guard's mirror of `group`; `dir`: RUN_DIR/SITE-guard. */
void bw_agent_mirrors_begin(struct bw_agent *agent, const uint32_t *groups, uint32_t count);

/* ---- groups.c ------------------------------------------------------------------------------- */

/* What the machine does not know of a group. */
struct bw_agent_served {
    struct bw_agent *agent;
    uint32_t group; /* of the machine */
    const struct bw_group_config *config; /* NULL: the site file no longer names it */
    enum bw_reach_kind enforce;           /* what it was proved with, also while nothing names it */
    struct bw_agent_fence *own_fence; /* NULL: none runs */
    struct bw_unit_reach *units;    /* NULL: the group names none, or there is no systemctl */
    uint32_t looks_otherwise; /* in so many looks in a row its guard had read another site file */
};

/* Makes the machine with all configured groups. BW_ERR_LIMIT, BW_ERR_NOMEM. */
BW_MUST_CHECK enum bw_err bw_agent_groups_init(struct bw_agent *agent, struct bw_diag *diag);
void bw_agent_groups_free(struct bw_agent *agent);
/* The site file was read again. NULL: its groups can be taken. Otherwise why not, and of which
 * group. */
const char *bw_agent_groups_refuse(const struct bw_agent *agent, const struct bw_site_config *fresh,
                                   const char **out_group);
/* Of a file that is not refused, and stays as long as the agent: the groups that it names no more
 * are left, those of before get its limits, and further ones begin. */
void bw_agent_groups_take(struct bw_agent *agent, const struct bw_site_config *fresh);
/* Now and then: whether its guard has read the site file that this agent has. Says so where it lasts. */
void bw_agent_groups_look(struct bw_agent *agent);
BW_MUST_CHECK enum bw_err bw_agent_use_witnesses(struct bw_agent *agent, struct bw_diag *diag);
/* Hands `event` to the machine. From the loop, never from what the machine asked for. */
void bw_agent_happen(struct bw_agent *agent, const struct bw_agent_event *event);
/* The machine's wake-up is set as it asks for. */
void bw_agent_set_wake(struct bw_agent *agent);
void bw_agent_on_wake(struct bw_deadline *deadline, void *user);

/* ---- step_log.c ------------------------------------------------------------------------------ */

void bw_agent_say_step(struct bw_agent *agent, const struct bw_agent_step *step);
void bw_agent_say_note(struct bw_agent *agent, const struct bw_agent_action *note);

/* ---- own_fence.c: what BW_AGENT_ACTION_FENCE_* ask for -------------------------------------- */

BW_MUST_CHECK enum bw_err bw_agent_fence_do(struct bw_agent_served *served,
                                            const struct bw_agent_action *action);
/* While looks by marks, or at units, are under way. */
void bw_agent_fences_on_look(struct bw_deadline *deadline, void *user);
/* From own_units.c, from the loop: their KILL has ended, well or not. */
void bw_agent_fence_on_units_killed(struct bw_agent_served *served, enum bw_err err,
                                    const struct bw_diag *diag);

/* ---- persons.c ------------------------------------------------------------------------------- */

#define BW_AGENT_PERSONS_MAX BW_UNIX_CONNECTIONS_MAX
void bw_agent_persons_open(struct bw_agent *agent);
void bw_agent_persons_close(struct bw_agent *agent);

/* ---- second.c -------------------------------------------------------------------------------- */

/* Listens where the site file says that one may ask, unless it does; what hinders it is said once. */
void bw_agent_second_serve(struct bw_agent *agent);
void bw_agent_second_close(struct bw_agent *agent);
void bw_agent_second_use_credentials(struct bw_agent *agent); /* those of the agent, which are new */

/* ---- asking.c -------------------------------------------------------------------------------- */

/* What the guard showed of `group` (of the machine), read just now, to a question that was sent
 * after ask_guard was called; NULL: it said nothing, and `why` says why. Once, and at once where it
 * is known to be silent. */
typedef void bw_agent_on_shown(struct bw_agent *agent, uint32_t group,
                               const struct bw_guard_message *shown, const char *why,
                               void *request);
/* At most BW_PLAIN_CONNECTIONS_MAX of health.c, and BW_AGENT_ADMISSIONS_MAX of admission.c. */
void bw_agent_ask_guard(struct bw_agent *agent, uint32_t group, bw_agent_on_shown *on_shown,
                        void *request);
/* It has gone, and waits: nobody is told. */
void bw_agent_unask_guard(struct bw_agent *agent, const void *request);
/* `why`, to all that wait with `on_shown`. */
void bw_agent_tell_all(struct bw_agent *agent, bw_agent_on_shown *on_shown, const char *why);
enum bw_may_run bw_agent_may_run(const struct bw_agent *agent, const struct bw_guard_message *shown,
                                 struct bw_instant now);
void bw_agent_asking_open(struct bw_agent *agent);
void bw_agent_asking_close(struct bw_agent *agent); /* whoever asked has gone */
void bw_agent_asking_free(struct bw_agent *agent);  /* after the loop */

/* ---- admission.c ----------------------------------------------------------------------------- */

#define BW_AGENT_ADMISSIONS_MAX 8 /* requests that wait: to be read, then for the guard */
enum bw_agent_admission_phase { BW_ADMISSION_UNREAD, BW_ADMISSION_READING, BW_ADMISSION_ASKING };
struct bw_agent_admissions {
    struct bw_http_server *server; /* NULL: nobody is answered */
    struct bw_worker *reader;      /* NULL: not open */
    bool is_refused;               /* the log was told that it cannot listen */
    struct bw_summary failed;      /* handshakes */
    struct bw_agent_admission {
        struct bw_agent *agent;
        struct bw_http_request *request; /* NULL: free */
        uint32_t group;                  /* of the machine */
        enum bw_agent_admission_phase phase;
        char uid[BW_ADMISSION_UID_BYTES];
    } waiting[BW_AGENT_ADMISSIONS_MAX];
    struct {
        bool is_logged;
        enum bw_admission admission;
        enum bw_may_run may_run;
    } logged[BW_SITE_GROUPS_MAX]; /* what the log was told last, of each group of the machine */
};
/* Listens where the site file says that API servers may ask, unless it does; what hinders it is
 * said once. */
void bw_agent_admission_serve(struct bw_agent *agent);
void bw_agent_admission_close(struct bw_agent *agent);
void bw_agent_admission_use_credentials(struct bw_agent *agent); /* likewise */

/* ---- health.c -------------------------------------------------------------------------------- */

void bw_agent_health_open(struct bw_agent *agent);
/* `health_listen` of a file that is not the agent's yet. On an error, which `diag` says, all is as
 * before. */
BW_MUST_CHECK enum bw_err bw_agent_health_change(struct bw_agent *agent, const char *address,
                                                 struct bw_diag *diag);
void bw_agent_health_close(struct bw_agent *agent);
void bw_agent_health_free(struct bw_agent *agent); /* after the loop */

/* ---- own_units.c ----------------------------------------------------------------------------- */

/* Once the runner is open; what cannot be reached is said on the log. */
void bw_agent_units_open(struct bw_agent_served *served);
/* Whether `config` names the units that are open, or were when a file named the group. */
bool bw_agent_units_are(const struct bw_agent_served *served, const struct bw_group_config *config);
void bw_agent_units_close(struct bw_agent *agent);
void bw_agent_units_free(struct bw_agent *agent); /* after the loop */

/* ---- groups.c ----------------------------------------------------------------------------- */

/* By the machine's number of the witness. */
struct bw_agent_caller {
    struct bw_agent *agent;
    uint32_t witness;
    struct bw_http_exchange *poll; /* NULL: none under way */
};

/* ---- reload.c -------------------------------------------------------------------------------- */

/* Those that its configuration names; and notes how they look. */
BW_MUST_CHECK enum bw_err bw_agent_credentials_load(struct bw_agent *agent, struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_agent_reload_open(struct bw_agent *agent, struct bw_diag *diag);
void bw_agent_reload_close(struct bw_agent *agent);
/* `server`, or NULL, goes on with the agent's credentials, which are new. */
void bw_agent_renew_server(struct bw_agent *agent, struct bw_http_server *server,
                           enum bw_tls_context_kind kind);
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
    struct bw_id kernel_boot_id;
    uint64_t time_namespace;
    struct bw_id session;
    struct bw_agent_store store;
    struct bw_worker *disk;    /* the state goes there; NULL: not open */
    struct bw_worker *keeper;  /* the list of members, likewise */
    struct bw_worker *mirrors; /* reads the guard's; NULL: not open */
    struct bw_agent_machine machine;
    struct bw_group_agent *groups; /* the machine's */
    struct bw_sync_group *sync_groups;
    struct bw_agent_served *served; /* one for each of its groups */
    struct bw_deadline wake;
    struct bw_deadline fence_looks;
    struct bw_http_client client;
    struct bw_names *names; /* of the witnesses, for it */
    struct bw_script_runner runner;
    struct bw_unix_connection *guard; /* NULL: none */
    struct bw_agent_caller callers[BW_AGENT_WITNESSES_MAX];
    uint8_t *sync; /* the bytes of the newest; BW_SYNC_BYTES_MAX */
    size_t sync_size;
    uv_timer_t looks; /* at the certificate files */
    struct bw_reload reload;
    bool is_reload_told; /* the manager waits to hear that this agent is ready again */
    bool is_certificate_refused; /* the file has another one, which a restart would refuse */
    uv_signal_t signals[BW_AGENT_SIGNALS];
    struct bw_heartbeat heartbeat;
    struct bw_kept_listener socket; /* for persons */
    struct bw_unix_connection *persons[BW_AGENT_PERSONS_MAX]; /* NULL: free */
    uv_timer_t persons_timer;
    uint64_t persons_ticks;
    bool is_second_refused; /* the log was told that it cannot listen */
    struct bw_summary second_failed, second_evicted; /* handshakes, connections */
    struct bw_http_server *second; /* for second enforcers; NULL: not open */
    struct bw_agent_asking *asking; /* NULL: not open */
    struct bw_agent_health *health; /* likewise */
    struct bw_agent_admissions admissions;
    uv_async_t ending; /* closes everything in a turn of its own */
    bool is_closing;
    enum bw_daemon_end end;
};

/* Ends the loop with `end`. */
void bw_agent_stop(struct bw_agent *agent, enum bw_daemon_end end);
/* The service manager, if there is one. */
void bw_agent_tell_manager(struct bw_agent *agent, const char *state);

#endif
