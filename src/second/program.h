/* program.h - a running second enforcer: what its files share.
 *
 *   program.c    life: open, signals, close; what drives the machine
 *   exchanges.c  questions to the agent, and warnings to the witnesses
 *   scripts.c    looks and fences
 *   store.c      the state directory, the mirror  reload.c    SIGHUP, changed certificates
 *
 * Everything belongs to the loop's thread. The machine (machine/second.h) decides; nothing here
 * does. */
#ifndef BW_SECOND_PROGRAM_H
#define BW_SECOND_PROGRAM_H

#include <uv.h>

#include <breakwater/machine/second.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/http_client.h>
#include <breakwater/net/names.h>
#include <breakwater/obs/log.h>
#include <breakwater/reload/reload.h>
#include <breakwater/second/second.h>
#include <breakwater/sys/deadline.h>
#include <breakwater/sys/heartbeat.h>
#include <breakwater/sys/script.h>
#include <breakwater/sys/worker.h>

struct bw_second_program;

/* What the machine does not know of a group. */
struct bw_second_group_of {
    struct bw_second_program *program;
    uint32_t group; /* of the machine */
    const struct bw_group_config *config;
    struct bw_reach reach;      /* where its scripts run: it starts nothing else */
    struct bw_script_run *look; /* NULL: none runs */
    struct bw_script_run *fence;
};

struct bw_second_store {
    int dir;  /* -1: not open */
    int lock; /* -1: not locked */
    char path[512];
    char file[BW_NAME_MAX + 8];
    char names_file[BW_NAME_MAX + sizeof BW_NAMES_FILE_SUFFIX];
    struct bw_second_state state; /* an entry for each group that it ever had, and for those of its file */
    int mirror_dir;               /* -1: a restart resumes nothing */
    int mirror_lock;
    char mirror_path[512];
    char mirror_file[BW_NAME_MAX + 8];
    struct bw_second_mirror_file found;  /* as it was read when it began */
    struct bw_second_mirror_file mirror; /* an entry for each group */
};

/* A witness to which it warns. */
struct bw_second_warned {
    struct bw_second_program *program;
    const char *address; /* the configuration's */
    uint32_t unanswered; /* in flight */
    bool is_refused;     /* the log was told that it takes none */
};

#define BW_SECOND_SIGNALS 3
struct bw_second_program {
    uv_loop_t loop;
    const char *config_file;
    struct bw_site_config *config;
    struct bw_credentials *credentials;
    struct bw_log log;
    struct bw_id session;
    struct bw_second_store store;
    struct bw_second_machine machine;
    struct bw_second_group_of *groups;
    struct bw_deadline wake;
    struct bw_names *names; /* of the agent and of the witnesses, for both: */
    struct bw_http_client client;
    struct bw_http_client witnesses; /* to which it warns; their answers are for the log alone */
    struct bw_second_warned warned[BW_WITNESSES_MAX]; /* each witness of the configuration */
    bool is_unanswered; /* the log was told that the agent does not answer */
    struct bw_script_runner runner;
    struct bw_worker *disk; /* NULL: not open */
    struct bw_worker *mirrors; /* likewise, or there is none */
    bool is_unmirrored;        /* the log was told that it cannot be written */
    uv_timer_t looks; /* at the certificate files */
    struct bw_reload reload;
    uv_signal_t signals[BW_SECOND_SIGNALS];
    uv_async_t ending;
    struct bw_heartbeat heartbeat;
    bool is_ending; /* once what it has begun is over, see bw_second_stop */
    bool is_closing;
    enum bw_daemon_end end;
};

/* ---- program.c ---- */

/* Hands `event` to the machine. From the loop, never from what the machine asked for. */
void bw_second_happen(struct bw_second_program *program,
                      const struct bw_second_machine_event *event);
/* Ends the loop with `end`: to begin anew once no fence script runs, to be stopped after the fences that have begun, or
 * when told so twice. */
void bw_second_stop(struct bw_second_program *program, enum bw_daemon_end end);
/* It begins anew no more, until a file that nobody has judged yet is: that one it would begin with. */
void bw_second_stay(struct bw_second_program *program);

/* The log is told that a restart resumes nothing. */
void bw_second_say_unmirrored(struct bw_second_program *program, const struct bw_diag *diag);

/* ---- exchanges.c ---- */

BW_MUST_CHECK enum bw_err bw_second_ask_agent(struct bw_second_program *program,
                                              const struct bw_second_ask *ask, uint32_t limit_ms);

/* To every witness of the site file, but one that has not answered two. */
void bw_second_warn(struct bw_second_program *program, const struct bw_sync *sync,
                    uint32_t limit_ms);

/* ---- scripts.c ---- */

BW_MUST_CHECK enum bw_err bw_second_scripts_open(struct bw_second_group_of *group,
                                                 struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_second_look(struct bw_second_group_of *group);
BW_MUST_CHECK enum bw_err bw_second_fence(struct bw_second_group_of *group, const struct bw_second_machine_action *action);

/* ---- store.c ---- */

/* Locks the directory and loads what is kept there. BW_ERR_BUSY: another one runs. */
BW_MUST_CHECK enum bw_err bw_second_store_open(struct bw_second_store *store,
                                               const struct bw_site_config *config,
                                               struct bw_diag *diag);
struct bw_second_memory *bw_second_store_group(struct bw_second_store *store, const char *group);
/* For each group of `config` beside those that it ever had. */
bool bw_second_store_has_room(const struct bw_second_store *store, const struct bw_site_config *config);
/* Without it all goes on, and a restart resumes nothing. Then the groups' places, once for each. */
BW_MUST_CHECK enum bw_err bw_second_store_open_mirror(struct bw_second_store *store,
                                                      const struct bw_site_config *config,
                                                      struct bw_diag *diag);
struct bw_second_mirror *bw_second_store_mirror(struct bw_second_store *store, const char *group);
void bw_second_store_close(struct bw_second_store *store);
BW_MUST_CHECK enum bw_err bw_second_saves_open(struct bw_second_program *program,
                                               struct bw_diag *diag);
void bw_second_saves_begin(struct bw_second_program *program, const struct bw_second_state *state);
BW_MUST_CHECK enum bw_err bw_second_mirrors_begin(struct bw_second_program *program,
                                                  const struct bw_second_mirror_file *mirror);

/* Can it begin with this file? Beside what every site file has to say. */
BW_MUST_CHECK enum bw_err bw_second_config_check(const struct bw_site_config *config,
                                                 struct bw_diag *diag);

/* ---- reload.c ---- */

/* Those that its configuration names; and notes how they look. */
BW_MUST_CHECK enum bw_err bw_second_credentials_load(struct bw_second_program *program,
                                                     struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_second_reload_open(struct bw_second_program *program,
                                                struct bw_diag *diag);
void bw_second_reload_close(struct bw_second_program *program);
void bw_second_reload(struct bw_second_program *program); /* SIGHUP: files are read beside the loop */

#endif
