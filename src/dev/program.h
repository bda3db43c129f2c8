/* program.h - a development cluster: what its files share.
 *
 *   program.c     life: open, loop, wait, close    setup.c   directory, ports, plan, certificates
 *   supervisor.c  the processes                    scripts.c the demo service's scripts
 *   relay.c       the network that can be cut      client.c  what the witnesses say, orders to them
 *   scenarios.c   what is broken, and what must    report.c  the story and its figures
 *                 then be true                     screen.c  the live status
 *   timeline.c    what the logs say of a move
 *
 * Its plan, its files, how a daemon is started, the demo service and the judge of its records are those
 * of every lab (breakwater/lab).
 *
 * Everything belongs to the loop's thread; waiting turns the loop. */
#ifndef BW_DEV_PROGRAM_H
#define BW_DEV_PROGRAM_H

#include <uv.h>

#include <breakwater/base/limits.h>
#include <breakwater/dev/dev.h>
#include <breakwater/dev/timeline.h>
#include <breakwater/lab/judge.h>
#include <breakwater/lab/plan.h>
#include <breakwater/lab/process.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/http_client.h>
#include <breakwater/sys/reach.h>

#define BW_DEV_CLUSTER   "dev"
#define BW_DEV_SITES     2
#define BW_DEV_PROCESSES (BW_LAB_WITNESSES + 2 * BW_DEV_SITES)
#define BW_DEV_RELAY_DOORS                                                                         \
    (BW_DEV_SITES + 1) /* each site's own, and the one that everybody is told */
#define BW_DEV_ANNOUNCED BW_DEV_SITES

struct bw_dev;
struct bw_relay;

/* ---- supervisor.c ---------------------------------------------------------------------------- */

struct bw_dev_process {
    enum bw_lab_role role;
    char name[BW_NAME_MAX + 1]; /* w1, alpha */
    char config[BW_LAB_PATH_BYTES];
    char log[BW_LAB_PATH_BYTES];
    pid_t pid;             /* 0: not running */
    bool is_wanted;        /* its end is a failure of the run */
    bool has_failed;       /* it ended though it was wanted */
    int wait_status;       /* once it has ended */
    uint64_t rss_anon_kib; /* bw_dev_measure; 0: never */
};

/* A witness: index 0..2. A site's agent or guard: index 0..1. */
struct bw_dev_process *bw_dev_process(struct bw_dev *dev, enum bw_lab_role role, uint32_t index);

/* Starts it, wanted. Its output is appended to its log. It dies with this process. */
BW_MUST_CHECK enum bw_err bw_dev_spawn(struct bw_dev *dev, struct bw_dev_process *process,
                                       struct bw_diag *diag);
/* Not wanted any more; sends the signal. Nothing happens to one that has ended. */
void bw_dev_kill(struct bw_dev_process *process, int signal);
/* Asks who has ended. From the loop, on SIGCHLD. */
void bw_dev_reap(struct bw_dev *dev);
/* RssAnon of all that run. */
void bw_dev_measure(struct bw_dev *dev);
/* KILL to the whole service of a site until nothing of it is left. Blocks, at most 2 s. */
BW_MUST_CHECK enum bw_err bw_dev_kill_service(struct bw_dev *dev, uint32_t site,
                                              struct bw_diag *diag);
/* Ends all processes and services. */
void bw_dev_end_all(struct bw_dev *dev);

/* ---- setup.c, scripts.c ---------------------------------------------------------------------- */

struct bw_dev_site {
    char name[BW_NAME_MAX + 1];
    char dir[BW_LAB_PATH_BYTES];
    char pid_file[BW_LAB_PATH_BYTES];
    char journal[BW_LAB_PATH_BYTES]; /* one line for each run of start, stop and fence */
};

BW_MUST_CHECK enum bw_err bw_dev_set_up(struct bw_dev *dev, struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_dev_write_scripts(struct bw_dev *dev, const struct bw_dev_site *site,
                                               struct bw_diag *diag);
/* The service of a site lives, as its pid file and /proc say. */
bool bw_dev_service_lives(const struct bw_dev_site *site);

/* ---- relay.c --------------------------------------------------------------------------------- */

/* A door of TCP forwarders to all witnesses: what agents dial instead of the witnesses themselves.
 * Cut: nothing is read, written or accepted any more, and no connection is closed: silence. */
BW_MUST_CHECK enum bw_err bw_relay_open(struct bw_dev *dev, struct bw_diag *diag);
void bw_relay_cut(struct bw_dev *dev, uint32_t door, bool is_cut);
void bw_relay_close(struct bw_dev *dev);

/* ---- client.c -------------------------------------------------------------------------------- */

struct bw_dev_site_view {
    bool is_primary;
    bool is_connected;
    bool has_guard;
    bool is_serving; /* it says that its start under the current epoch was confirmed */
    bool has_service; /* its process lives */
    char service[16]; /* as its newest report has it */
    char blocked_by[160]; /* comma-separated */
};
/* What a witness last said of the group. */
struct bw_dev_view {
    bool is_known;
    bool is_from_leader;
    uint64_t boot_ns; /* when it was received */
    char leader[BW_NAME_MAX + 1];
    char phase[32];
    char holder[BW_NAME_MAX + 1];
    uint64_t epoch;
    uint64_t lease_left_ms;
    struct bw_dev_site_view sites[BW_DEV_SITES];
};

struct bw_dev_client {
    struct bw_http_client http;
    struct bw_credentials *credentials;
    bool is_open;
    struct bw_http_exchange *status; /* under way */
    uint32_t asked;                  /* the witness that is asked next, or was last */
    struct bw_http_exchange *change; /* under way */
    enum bw_err change_err;          /* how it ended */
    int change_status;
    char change_text[512];
};

BW_MUST_CHECK enum bw_err bw_dev_client_open(struct bw_dev *dev, struct bw_diag *diag);
/* Asks for the status, unless that is under way; the view changes when it comes. */
void bw_dev_client_ask(struct bw_dev *dev);
/* Sends a change, JSON, to the leader and waits for its answer. Takes `body`; NULL: no memory.
 * BW_ERR_REFUSED: it answered no, `diag` has its words. */
struct json_t;
BW_MUST_CHECK enum bw_err bw_dev_client_change(struct bw_dev *dev, const char *method,
                                               const char *path, struct json_t *body,
                                               struct bw_diag *diag);
/* The group's spec as JSON; NULL: no memory. */
struct json_t *bw_dev_client_spec(const struct bw_dev *dev);
void bw_dev_client_close(struct bw_dev *dev);
/* Index of a site's name, or -1. */
int bw_dev_find_site(const struct bw_dev *dev, const char *name);

/* ---- screen.c -------------------------------------------------------------------------------- */

#define BW_DEV_EVENTS 8
struct bw_dev_screen {
    FILE *out;
    bool is_live;                    /* a terminal: redrawn in place */
    uint32_t lines;                  /* drawn, to be drawn over */
    char events[BW_DEV_EVENTS][256]; /* the last, in a ring */
    uint64_t event_count;
    uint64_t begun_boot_ns;
};
void bw_dev_screen_open(struct bw_dev *dev);
/* Says what the new view shows that the one before did not. */
void bw_dev_screen_compare(struct bw_dev *dev, const struct bw_dev_view *before);
/* Says one thing that happened. */
void bw_dev_say(struct bw_dev *dev, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Draws the state anew, where that can be done in place. */
void bw_dev_screen_show(struct bw_dev *dev);
/* What is drawn stays; further text goes below it. */
void bw_dev_screen_leave(struct bw_dev *dev);
/* How to try things by hand. */
void bw_dev_screen_hint(struct bw_dev *dev);

/* ---- scenarios.c ----------------------------------------------------------------------------- */

/* One run and what came of it. */
struct bw_dev_outcome {
    bool is_ok;
    char why_not[512]; /* "" when it is */
    uint64_t overlap_us;
    uint64_t outage_us; /* the longest time after the fault in which no service recorded a beat */
    uint64_t beat_count;
    struct bw_timeline timeline;
    struct {
        enum bw_lab_role role;
        char name[BW_NAME_MAX + 1];
        uint64_t rss_anon_kib;
    } processes[BW_DEV_PROCESSES];
};

/* Runs the scenario of that name on a cluster that serves, and judges it. The result is what went
 * wrong with the judging; whether the scenario ended well is in `out_outcome`. */
BW_MUST_CHECK enum bw_err bw_dev_scenario_run(struct bw_dev *dev, const char *name,
                                              struct bw_dev_outcome *out_outcome,
                                              struct bw_diag *diag);

/* ---- report.c -------------------------------------------------------------------------------- */

void bw_dev_report_print(const struct bw_dev_outcome *outcome, FILE *out);
/* The one last line. */
BW_MUST_CHECK enum bw_err bw_dev_report_json(const char *scenario,
                                             const struct bw_dev_outcome *outcomes, uint32_t count,
                                             FILE *out, struct bw_diag *diag);

/* ---- program.c ------------------------------------------------------------------------------- */

struct bw_dev {
    uv_loop_t loop;
    const struct bw_dev_options *options;
    struct bw_lab_plan plan;
    char group[BW_NAME_MAX + 1]; /* unlike any other run's: cgroups are named after it */
    char dir[BW_LAB_PATH_BYTES];
    char records_dir[BW_LAB_PATH_BYTES];
    char program[BW_LAB_PATH_BYTES]; /* our own executable */
    bool is_dir_ours;                /* made by us, removed at the end */
    uint16_t relay_ports[BW_DEV_RELAY_DOORS][BW_LAB_WITNESSES];
    struct bw_dev_site sites[BW_DEV_SITES];
    struct bw_dev_process processes[BW_DEV_PROCESSES];
    struct bw_relay *relay;
    struct bw_dev_client client;
    struct bw_dev_view view;
    struct bw_dev_screen screen;
    uv_signal_t signals[4]; /* SIGINT SIGTERM SIGHUP SIGCHLD */
    uv_timer_t tick;
    uint64_t deadline_boot_ns; /* of the run */
    bool is_interrupted;
};

/* Turns the loop until `is_true`. BW_ERR_TIMEOUT, "waited N s for WHAT"; BW_ERR_CANCELED on SIGINT;
 * BW_ERR_IO when a wanted process has ended. `timeout_ms` 0: as long as the run may last. */
typedef bool bw_dev_condition(struct bw_dev *dev, void *user);
BW_MUST_CHECK enum bw_err bw_dev_wait(struct bw_dev *dev, bw_dev_condition *is_true, void *user,
                                      uint32_t timeout_ms, const char *what, struct bw_diag *diag);

#endif
