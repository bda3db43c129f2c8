/* lab.h - a whole cluster in a box: three witnesses and some sites, each a node with a network of
 * its own, and groups of ledger services whose records tell what happened.
 *
 *   setup.c     certificates, configuration, scripts       process.c   starting, ending,
 * supervising fault.c     what can be broken, and how                schedule.c  when: scenarios,
 * random verdict.c   what the records say                       report.c, page.c   telling it
 *
 * One thread; everything happens inside of bw_lab_turn or the call itself. All instants are
 * CLOCK_BOOTTIME of the harness, the one clock of the machine that all nodes run on. */
#ifndef BW_CHAOS_LAB_H
#define BW_CHAOS_LAB_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>
#include <breakwater/base/prng.h>
#include <breakwater/lab/plan.h>
#include <breakwater/lab/process.h>

#include "box.h"
#include "hub.h"

#define BW_LAB_CLUSTER "chaos"
#define BW_LAB_GROUPS_MAX 16
#define BW_LAB_SPARES_MAX (BW_WITNESSES_MAX - BW_LAB_WITNESSES) /* machines for witnesses to come */
#define BW_LAB_NODES_MAX  (BW_LAB_WITNESSES + BW_LAB_SITES_MAX + 1 + BW_LAB_SPARES_MAX)
#define BW_LAB_PROCESSES  (BW_LAB_WITNESSES + 2 * BW_LAB_SITES_MAX + BW_LAB_SPARES_MAX)
#define BW_LAB_CLIENTS    4 /* of a PostgreSQL lab: inside and outside of each site */
/* Told and drawn at most; further ones are counted, and the report says how many. */
#define BW_LAB_EVENTS_MAX 100000
#define BW_LAB_TEXT_BYTES 160
/* After this, what ended is started anew, as a supervisor of services would. */
#define BW_LAB_RESTART_MS 200
/* A line of it, with the shift of the node's clocks in ns, begins each life of a process in its
 * log. */
#define BW_LAB_START_MARK "chaos.started shift_ns="

struct bw_lab_process {
    enum bw_lab_role role;
    uint32_t node;
    char name[BW_NAME_MAX + 1]; /* w1, alpha/agent: of its files too, with '-' */
    char config[BW_LAB_PATH_BYTES];
    char log[BW_LAB_PATH_BYTES];
    char faults[BW_LAB_PATH_BYTES];      /* what fault_preload.c obeys */
    const char *disk_fault;              /* a line for it; "": none */
    char crash_at[BW_NAME_MAX + 1];      /* this life's crash point; "": none */
    char next_crash_at[BW_NAME_MAX + 1]; /* that of the next start */
    pid_t pid;                           /* 0: does not run */
    uint32_t hold_count;                 /* faults that keep it from being started */
    bool is_killed;                      /* by us: its end surprises nobody */
    bool may_refuse;                     /* its file was spoiled: to refuse it is right */
    bool is_given_up;                    /* it asked for a person: never started again */
    uint64_t start_at_ns;                /* when it is started anew; 0: not waiting */
    uint64_t started_ns;                 /* the last time */
    uint32_t start_count;
    uint32_t crash_count; /* at a crash point */
};

struct bw_lab_node {
    char name[BW_NAME_MAX + 1];
    char dir[BW_LAB_PATH_BYTES];     /* its files; a site's scripts and pid files too */
    char state[BW_LAB_PATH_BYTES];   /* what must survive: a small tmpfs of its own */
    char boot_id[BW_LAB_PATH_BYTES]; /* what it sees as /proc/sys/kernel/random/boot_id */
    int64_t boot_shift_ns;           /* its clocks since boot show so much more than ours */
    int time_namespace;              /* -1: ours */
    uint32_t boot_count;
    int wall_shift_s; /* its wall clock shows so much more */
    bool is_elsewhere; /* its machine has moved to another address */
};

/* A node's clocks show, of our instant t at or after `from_ns`, t + shift + (t - from) * ppm / 1e6.
 */
struct bw_lab_rate {
    uint64_t from_ns;
    int64_t ppm;
    int64_t shift_ns;
};
struct bw_lab_drift {
    struct bw_lab_rate before;
    struct bw_lab_rate after;
};

#define BW_LAB_SCRIPT_S 10 /* script_timeout: a start that hangs is killed then */
/* Of a lab with data: longer than the slow stop. */
#define BW_LAB_STOP_TIMEOUT_MS   3000
#define BW_LAB_STOP_TIMEOUT_TEXT "3s"
#define BW_LAB_LEASE_MS_MIN                                                                        \
    1200 /* election_timeout is a twelfth of it, and has a least of its own */
#define BW_LAB_LEASE_MS_MAX 60000

/* One line of the story. `node` or `process` -1: of none. */
enum bw_lab_event_kind {
    BW_LAB_FAULT,   /* began */
    BW_LAB_HEAL,    /* a fault ended */
    BW_LAB_STARTED, /* a process */
    BW_LAB_ENDED,
    BW_LAB_FROZEN,
    BW_LAB_THAWED,
    BW_LAB_NOTE,
    BW_LAB_PROBLEM, /* what no fault explains: a violation */
};
struct bw_lab_event {
    uint64_t at_ns;
    enum bw_lab_event_kind kind;
    int node;
    int process;
    char text[BW_LAB_TEXT_BYTES];
};

/* The terms that leases are granted on. */
enum bw_lab_terms {
    BW_LAB_TERMS_SCALED,  /* short ones: all follows lease_ttl_ms */
    BW_LAB_TERMS_DEFAULT, /* as where groups.yaml and witness.yaml say nothing */
    BW_LAB_TERMS_FAR,     /* for round trips of a second: breakwater.yaml(5), "Round trips" */
};

struct bw_lab_options {
    const char *program;  /* the breakwater that is put to the test */
    const char *self;     /* this program: its ledger is the service */
    const char *preload;  /* fault_preload.so; NULL: faults that need it are left out */
    uint32_t site_count;  /* 2 to BW_LAB_SITES_MAX */
    uint32_t group_count; /* 1 to BW_LAB_GROUPS_MAX */
    uint32_t spare_count; /* machines on which no witness runs at first; the last nodes */
    enum bw_lab_terms terms;
    uint32_t lease_ttl_ms;      /* of scaled terms */
    struct bw_hub_link weather; /* of each link between witnesses and sites, while nothing is broken */
    uint64_t seed;
    bool is_postgres; /* one group of two PostgreSQL servers (postgres.h); the lease is theirs */
    bool has_data;    /* a readiness script measures the service's data, stopped or not */
};

/* A program that runs beside the lab's own turns, until it ends or is killed. In the caller's memory. */
struct bw_lab_job {
    pid_t pid;  /* 0: it has ended */
    int status; /* once it has: its exit status; -1: a signal ended it */
    uint64_t begun_ns;
    uint64_t ended_ns;
    struct bw_lab_job *next;
};

/* On the heap or static: large. bw_lab_open to bw_lab_close. */
struct bw_lab {
    const struct bw_box *box;
    const struct bw_lab_options *options;
    struct bw_lab_plan plan;
    char dir[BW_LAB_PATH_BYTES]; /* everything of this lab */
    char records[BW_LAB_PATH_BYTES];
    struct bw_id cluster_id;
    struct bw_hub hub;
    char zone[BW_LAB_PATH_BYTES]; /* what the name server of the nodes reads (zone.h) */
    pid_t name_server;            /* 0: this machine cannot have one; then nodes are known by address */
    uint32_t node_count; /* witnesses, sites, the one from which commands are given, and spare ones */
    struct bw_lab_node nodes[BW_LAB_NODES_MAX];
    struct bw_lab_drift drifts[BW_LAB_NODES_MAX];
    uint32_t process_count;
    struct bw_lab_process processes[BW_LAB_PROCESSES];
    struct bw_lab_job *jobs; /* those that run */
    pid_t clients[BW_LAB_CLIENTS]; /* 0: none */
    pid_t copy;                    /* of a site's machine: above all its processes; 0: none */
    char groups[BW_LAB_GROUPS_MAX][BW_NAME_MAX + 1];
    struct bw_lab_event *events; /* on the heap */
    uint32_t event_count;
    uint64_t event_lost_count;
    uint32_t problem_count;
    uint64_t begun_ns;
    struct bw_prng prng; /* of boot ids and the like */
    bool has_more_groups; /* the witnesses have some that are nobody's here (ways_snapshot.c) */
    uint32_t lead_count; /* how often a witness had begun to lead by then */
};

/* ---- setup.c --------------------------------------------------------------------------------- */

/* Makes all that is needed before the first process: network, certificates, configuration, scripts.
 * `dir` is new. */
BW_MUST_CHECK enum bw_err bw_lab_open(struct bw_lab *lab, const struct bw_box *box,
                                      const struct bw_lab_options *options, const char *dir,
                                      struct bw_diag *diag);
/* Ends every process of the box. The directory stays until the box ends, the events (the caller's
 * to free) until then. */
void bw_lab_close(struct bw_lab *lab);
/* Before the first guard runs: shows at each site that a kill of the reach ends the service, by a trial, without which time
 * hands nothing over. Design 3.3, 3.4. */
BW_MUST_CHECK enum bw_err bw_lab_prove_sites(struct bw_lab *lab, struct bw_diag *diag);
/* Gives the group specs to the witnesses. */
BW_MUST_CHECK enum bw_err bw_lab_apply(struct bw_lab *lab, struct bw_diag *diag);

/* A process for the witness of a machine that had none; nothing is started. */
BW_MUST_CHECK enum bw_err bw_lab_add_witness(struct bw_lab *lab, uint32_t node,
                                             struct bw_diag *diag);

/* The round trip that the weather makes, without what is lost. */
uint32_t bw_lab_trip_ms(const struct bw_lab *lab);
/* By what others know a node: a name, or its address. */
void bw_lab_host(const struct bw_lab *lab, uint32_t node, char out_host[BW_LAB_HOST_BYTES]);
uint32_t bw_lab_site_node(uint32_t site);
uint32_t bw_lab_spare_node(const struct bw_lab *lab, uint32_t spare);
uint32_t bw_lab_command_node(const struct bw_lab *lab);
/* ---- process.c ------------------------------------------------------------------------------- */

struct bw_lab_process *bw_lab_process(struct bw_lab *lab, enum bw_lab_role role, uint32_t node);
BW_MUST_CHECK enum bw_err bw_lab_start(struct bw_lab *lab, struct bw_lab_process *process,
                                       struct bw_diag *diag);
/* KILL, expected; it is started anew unless held. */
void bw_lab_kill(struct bw_lab *lab, struct bw_lab_process *process);
/* KILL to every service process of a site, until none is left; at most 2 s. */
void bw_lab_kill_services(struct bw_lab *lab, uint32_t site);
/* Signals the service process of one group at a site; false: there is none. */
bool bw_lab_signal_service(struct bw_lab *lab, uint32_t site, uint32_t group, int signal);
/* Which site's service of the group lives, by its pid file; -1: none. The lowest of several. */
int bw_lab_find_holder(const struct bw_lab *lab, uint32_t group);
/* How many stop scripts have begun at all sites, by their own record. */
uint32_t bw_lab_count_stops(const struct bw_lab *lab);
/* Which witness leads, by its own word (asked of all); -1: none says so. */
int bw_lab_find_leader(struct bw_lab *lab);
/* Reaps, restarts, and waits: until that instant, or for less. */
void bw_lab_turn(struct bw_lab *lab, uint64_t until_ns);
/* Forks a child of the harness at a node, which ends with the harness. Returns 0 in the child, which is
 * in the node; its pid, which the lab's turn reaps; or -1, with errno. A child that cannot enter exits
 * with 127. */
pid_t bw_lab_fork(const struct bw_lab *lab, uint32_t node);
/* Runs a program at a node, at most `timeout_ms`. `out_text` gets what it printed, cut at `size`.
 * Returns its exit status; -1: it did not end in time. */
int bw_lab_run(struct bw_lab *lab, uint32_t node, const char *const *words, uint32_t timeout_ms,
               char *out_text, size_t size);
/* The same, a command line of breakwater, from the command node. At most 16 words. */
int bw_lab_command(struct bw_lab *lab, const char *const *words, uint32_t timeout_ms,
                   char *out_text, size_t size);
/* The same, and only what it printed on standard output: of `-o json`. */
int bw_lab_ask(struct bw_lab *lab, const char *const *words, uint32_t timeout_ms, char *out_text,
               size_t size);
/* Begins a command line of breakwater at the command node, whose output goes to the file `output`; its
 * end is noted by the lab's turn. */
BW_MUST_CHECK enum bw_err bw_lab_begin_command(struct bw_lab *lab, struct bw_lab_job *job,
                                               const char *const *words, const char *output,
                                               struct bw_diag *diag);
/* Has a child of the harness (bw_lab_fork) noted in the same way. */
void bw_lab_watch(struct bw_lab *lab, struct bw_lab_job *job, pid_t pid);

/* Waits for a child of the harness; its exit status, -1 where a signal ended it. */
int bw_lab_wait_child(pid_t pid);

uint64_t bw_lab_now_ns(void);
/* Notes and prints one line of the story. */
void bw_lab_say(struct bw_lab *lab, enum bw_lab_event_kind kind, int node, int process,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
