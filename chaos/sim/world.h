/* world.h - the simulated world: true time, machines with their own clocks and disks, processes that
 * freeze and die, and the network between them. Everything in it follows from one seed.
 *
 * One thread, no real clock, no real file, no source of chance but the world's streams. True time is
 * what nobody in the world can read: processes see only their machine's pair of clocks.
 *
 * A process acts only in its events: `on_start`, `on_wake`, `on_message` and what it has posted to
 * itself. The world calls them one at a time; while a process is frozen they are held back, timers
 * before messages when it thaws; when it dies they are dropped. */
#ifndef BW_SIM_WORLD_H
#define BW_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/base/instant.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>
#include <breakwater/base/prng.h>
#include <breakwater/core/command.h>

#define SIM_FIRST_WITNESSES 3 /* machines that come first in `hosts`; of all others those of witnesses come last */
#define SIM_WITNESSES_MAX 8 /* machines that may be witnesses, one after another */
#define SIM_SITES_MAX  4 /* the last of a world is no site: its machine is there for a clone of one */
#define SIM_GROUPS_MAX 16
#define SIM_SPARES_AT  (SIM_FIRST_WITNESSES + SIM_SITES_MAX) /* in `hosts`: the other witnesses */
#define SIM_SECONDS_AT                                                                             \
    (SIM_SPARES_AT + SIM_WITNESSES_MAX - SIM_FIRST_WITNESSES) /* ... of second enforcers */
#define SIM_HOSTS_MAX  (SIM_SECONDS_AT + SIM_SITES_MAX - 1)
#define SIM_AGENTS_MAX 2 /* at one site: the second is a fault */
#define SIM_FILES_MAX  48
#define SIM_MS         BW_NS_PER_MS
#define SIM_S          (1000 * SIM_MS)

struct sim_world;
struct sim_host;
struct sim_process;
struct sim_checks;   /* check.h */
struct sim_coverage; /* coverage.h */

/* ---- what the seed has drawn, before anything runs -------------------------------------------- */

struct sim_setting {
    uint64_t seed;
    bool is_liveness; /* bounded faults, then calm; else unlimited faults */
    bool is_storm;    /* the witnesses have no peace */
    uint64_t length_ns;
    const char *often; /* a name of incidents of which every second is; NULL: as they are weighed */
    uint32_t founder_count; /* witnesses of the beginning: 3 or 5 */
    bool begins_old;        /* everything is of the release before, and is upgraded (upgrade.h) */
    uint32_t site_count, group_count;
    struct bw_terms terms; /* of every group at the beginning */
    uint32_t ttl_ms_max;   /* of any spec in this run */
    uint32_t election_timeout_ms, heartbeat_ms;
    uint32_t trip_ms, loss_per_million; /* between any two of witnesses and sites, at all times */
    uint32_t snapshot_threshold, snapshot_trailing;
    uint32_t check_interval_ms, failure_threshold, local_restarts;
    uint64_t script_limit_ns[16]; /* by enum bw_action_kind */
    bool has_fence_script, has_readiness_script, has_verify_script, has_rejoin_script;
    bool has_remote_fence_script;
    bool has_questions; /* witnesses ask each other for their terms (3.2.2) */
    bool has_point; /* starts hold before a point of no return (4), by some of its site files */
    /* Each site has a second enforcer, on another machine; what it serves outlives the machine of
     * its guard (3.4). */
    bool has_second_enforcer;
    bool is_reach_remote;                          /* and its site file says so */
    bool has_condition_script, condition_is_shown; /* shown: it alarms, and is no veto (4) */
};

/* ---- machines ---------------------------------------------------------------------------------- */

/* One clock: what it showed at `since` (true time), and how fast it runs from there. */
struct sim_clock {
    uint64_t shown_ns, since_ns;
    int32_t rate_ppm; /* error of the rate, -100000..100000 */
    bool is_stopped;
};

struct sim_file {
    char name[48]; /* "" free */
    bool is_volatile; /* in /run: gone after a reboot */
    uint8_t *bytes;
    size_t size;
    uint64_t version; /* > 0; another content is another version, on whichever machine */
};

/* What the disk does to the next writes of one process; all zero: it is well. Set by faults. */
struct sim_disk_faults {
    uint8_t fail_percent;    /* BW_ERR_IO: nothing was written */
    uint8_t unknown_percent; /* BW_ERR_UNKNOWN: written or not, the writer must end */
    bool is_full;            /* BW_ERR_IO for everything that grows */
    uint32_t slow_ms;        /* each write takes up to so long, and its process with it */
    uint8_t run_fail_percent; /* of volatile files: /run is full */
    uint64_t hung_until_ns, run_hung_until_ns; /* true time: what is written before is, then */
    uint8_t hang_percent;    /* of a witness's log writes: never finished (fault L3) */
    uint32_t read_ms;        /* a witness reads its snapshot for so long */
};

enum sim_host_kind { SIM_HOST_WITNESS, SIM_HOST_SITE, SIM_HOST_SECOND };

struct sim_host {
    struct sim_world *world;
    enum sim_host_kind kind;
    uint32_t index;  /* in world->hosts */
    uint32_t number; /* of its kind: witness 0.., site 0..; of a second enforcer: its site's */
    uint32_t machine; /* what its machine id says: a clone has that of the original */
    uint32_t installed; /* the newest feature level that the programs on its disk know: of who starts from now on */
    char name[BW_NAME_MAX + 1]; /* "w1", "site-a" */
    bool is_up, is_suspended;
    bool is_lost; /* nobody boots it, until somebody does whom everybody has told not to */
    uint32_t boots;
    struct bw_id boot_id; /* of its kernel */
    const struct sim_host *kernel_of; /* NULL: it has one of its own. A copy of a state directory has it not */
    struct sim_clock boot, raw; /* CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW */
    struct bw_instant shown;    /* by both, at true time `shown_at_ns` */
    uint64_t shown_at_ns;       /* 0: they were set since */
    bool has_strayed;    /* some time its clocks did not both run within the drift of the terms */
    uint64_t strayed_ns; /* until then */
    struct sim_file files[SIM_FILES_MAX];
    struct bw_prng chance; /* of what happens on this machine */
    void *services;        /* a site's: service.h; NULL at a witness */
};

/* The machine's clocks now. */
struct bw_instant sim_clock_now(const struct sim_host *host);
/* True time at which a right that ends at `at` is over (either clock), at the rates of now;
 * UINT64_MAX: never. Not before now. */
uint64_t sim_clock_reaches(const struct sim_host *host, struct bw_instant at);

/* ---- processes --------------------------------------------------------------------------------- */

/* One message as it arrives; the bytes are good until return. */
enum sim_channel {
    SIM_CHANNEL_SYNC,         /* agent -> witness: bw_sync_encode; tag: the request */
    SIM_CHANNEL_SYNC_ANSWER,  /* back: bw_sync_answer_encode; tag of the request; size 0: an error
                                 answer */
    SIM_CHANNEL_POLL,         /* agent -> witness: 8 bytes `after` (host order), 4 bytes wait_ms */
    SIM_CHANNEL_POLL_ANSWER,  /* back, as a sync answer */
    SIM_CHANNEL_RELAY,        /* witness -> witness: bw_relay_encode; tag of the relaying witness */
    SIM_CHANNEL_RELAY_ANSWER, /* back */
    SIM_CHANNEL_JOIN, /* witness -> witness: it asks to join, or whether it still belongs there;
                         tag: its id */
    SIM_CHANNEL_JOIN_ANSWER, /* back; tag of the word */
    SIM_CHANNEL_GUARD,       /* agent <-> guard on one machine: bw_guard_message_encode; tag: the
                                connection, see guard.h */
    SIM_CHANNEL_SECOND,      /* second enforcer -> agent: bw_second_ask_encode; tag: when it left */
    SIM_CHANNEL_SECOND_ANSWER, /* back: bw_second_answer_encode; tag of the question */
};
struct sim_message {
    struct sim_process *from;
    uint32_t from_life; /* the sender's `life` when it left */
    enum sim_channel channel;
    uint64_t tag;
    size_t size;
    const uint8_t *bytes;
};

struct sim_process_ops {
    const char *role; /* "witness", "agent", "guard", "child"; static */
    /* The program begins: makes its state in process->state from what the machine's disk holds. */
    void (*on_start)(struct sim_process *process);
    /* The instant asked for with sim_wake_at may be reached (either clock); never early. */
    void (*on_wake)(struct sim_process *process);
    void (*on_message)(struct sim_process *process, const struct sim_message *message);
    /* It dies, now, wherever it is: frees process->state. Must not act on the world. Never called
     * from within another of these calls of the same process. */
    void (*on_death)(struct sim_process *process);
};

enum sim_health { SIM_DEAD, SIM_ABLE, SIM_FROZEN };

struct sim_process {
    struct sim_host *host;
    const struct sim_process_ops *ops;
    char name[2 * BW_NAME_MAX + 2]; /* "w1", "agent-a", "guard-a" */
    uint32_t index;                 /* in world->processes */
    enum sim_health health;
    uint32_t life;       /* grows with each start */
    uint32_t level;      /* the newest feature level that its program knows: what was installed at its start */
    bool is_doomed;      /* dies when its present event is over */
    bool is_stopped;     /* frozen by a fault, until it is thawed */
    bool saves_beside;   /* a thread of its own writes: a slow disk does not hold it up */
    bool is_supervised;  /* started again when it dies; set by who made it */
    bool is_kept_down;   /* but not now */
    uint64_t thaw_at_ns; /* end of a stall; 0: none */
    uint32_t crash_per_million; /* at each crash point; set by faults */
    const char *crash_at;       /* dies at the next crash point of this name, and stays down */
    struct sim_disk_faults disk;
    struct sim_event *held_first, *held_last; /* what came while it was frozen */
    uint32_t held_count;
    void *state;     /* the program's */
    void *user;      /* set by who made it */
    struct bw_prng chance; /* of what this process meets */
    struct bw_instant wake_at; /* BW_INSTANT_NEVER: none */
    uint64_t wake_number;
};

/* Makes a process that is dead; at most SIM_PROCESSES_MAX in a world. */
#define SIM_PROCESSES_MAX 96
struct sim_process *sim_process_new(struct sim_world *world, struct sim_host *host,
                                    const char *name, const struct sim_process_ops *ops,
                                    void *user);
void sim_process_start(struct sim_process *process); /* no-op unless dead, on a machine that runs */
/* Somebody asks it from outside, and hears at once: what it does to itself meanwhile happens
 * afterwards. It may be dead then. */
void sim_process_ask(struct sim_process *process, void (*ask)(struct sim_process *, void *),
                     void *user);
/* From anywhere: a process that is in an event of its own dies when that is over. */
void sim_process_kill(struct sim_process *process);
/* Killed, and not started by anybody until it is let return. */
void sim_process_keep_down(struct sim_process *process);
void sim_process_let_return(struct sim_process *process);
void sim_process_freeze(struct sim_process *process);
/* On a machine that sleeps it goes on when that resumes. */
void sim_process_thaw(struct sim_process *process);
/* Frozen for so long: a slow disk, a page fault, a scheduler that has others to serve. */
void sim_process_stall(struct sim_process *process, uint64_t ns);

/* True: it was killed within the present event (a crash point below, or its own will). Whoever acts
 * for it must do nothing more. */
static inline bool sim_is_doomed(const struct sim_process *process)
{
    return process->is_doomed || process->health == SIM_DEAD;
}
/* A place where a crash is worth a try: before and after each durable write and each message that
 * something rests on. `where`: static, counted in the coverage as "crash:where". True: it is doomed. */
bool sim_crash_point(struct sim_process *process, const char *where);

/* Replaces the one wake of this process; BW_INSTANT_NEVER: none. */
void sim_wake_at(struct sim_process *process, struct bw_instant at);
static inline struct bw_instant sim_now(const struct sim_process *process)
{
    return sim_clock_now(process->host);
}

/* ---- later ------------------------------------------------------------------------------------- */

typedef void (*sim_later_fn)(struct sim_process *process, void *payload);
typedef void (*sim_drop_fn)(void *payload);

/* Calls `fn` for this life of `process` after `delay_ns` of true time; then the payload is fn's. If
 * the process dies before, `drop` (may be NULL) gets it. */
void sim_later(struct sim_process *process, uint64_t delay_ns, sim_later_fn fn, void *payload,
               sim_drop_fn drop);

/* ---- the network ------------------------------------------------------------------------------- */

/* Sends bytes (copied), over the network or inside one machine (then in order, never lost, and read
 * even after its sender died). Nobody tells the sender what became of it. */
void sim_send(struct sim_process *from, struct sim_process *to, enum sim_channel channel,
              uint64_t tag, const void *bytes, size_t size);
/* The same for something that is no bytes: `fn` gets one of the copies. `copy` makes another one of
 * `payload` for a message that arrives twice; `payload` is taken. */
void sim_net_post(struct sim_process *from, struct sim_process *to, sim_later_fn fn, void *payload,
                  void *(*copy)(const void *payload), sim_drop_fn drop);

/* ---- disks ------------------------------------------------------------------------------------- */

/* For what is written beside the process: how long this save takes it (`is_volatile`: in /run), when
 * its turn comes at `begin_ns`. */
uint64_t sim_disk_takes_ns(struct sim_process *process, bool is_volatile, uint64_t begin_ns);
/* Replaces file `name` of the process's machine as os/durable does: after BW_OK the new content
 * survives everything, before that the old or the new one does, whole. BW_ERR_IO: the old one is
 * there. BW_ERR_UNKNOWN: one of them is; the process must end. A slow disk stalls the process. Has
 * crash points before and after. A volatile one (in /run) is quick and does not survive a reboot. */
BW_MUST_CHECK enum bw_err sim_file_save(struct sim_process *process, const char *name,
                                        bool is_volatile, const void *bytes, size_t size);
/* NULL: there is none. Good until the next save. */
const struct sim_file *sim_file_load(const struct sim_host *host, const char *name);
void sim_file_remove(struct sim_host *host, const char *name);
/* As a person copies it; false: there is no `from`. */
bool sim_file_copy(struct sim_host *host, const char *from, const char *to);

/* ---- the world --------------------------------------------------------------------------------- */

struct sim_world {
    struct sim_setting setting;
    uint64_t now_ns;  /* true time; begins at an hour, so that nothing is ever before zero */
    uint64_t end_ns;
    uint64_t events;
    uint64_t hash; /* of everything that has happened */
    struct sim_host hosts[SIM_HOSTS_MAX];
    uint32_t host_count; /* the first witnesses, and sites */
    struct sim_process *processes[SIM_PROCESSES_MAX];
    uint32_t process_count;
    struct sim_process *witnesses[SIM_WITNESSES_MAX]; /* each on a machine of its own */
    uint32_t witnesses_listed; /* bits: by the site files, whose agents ask at those first */
    uint64_t generation; /* the newest that a person has begun; 0: the founding one */
    uint32_t witness_count; /* of them that are one or were: the first ones */
    struct {
        uint32_t level;       /* the feature level, by whoever has applied most; 0: there is no cluster yet */
        uint32_t orders_open; /* to raise it, that nobody has judged yet */
        bool is_ordered;      /* one was taken: it may come true at any time */
        uint32_t ended;       /* bits: witnesses that nobody starts before they are upgraded */
    } upgrade;
    struct sim_process *agents[SIM_SITES_MAX][SIM_AGENTS_MAX]; /* [1]: NULL unless a fault made it */
    struct sim_process *guards[SIM_SITES_MAX];
    struct sim_process *second_enforcers[SIM_SITES_MAX]; /* NULL: it has none (second.h) */
    struct sim_second_site *seconds;                     /* likewise */
    char group_names[SIM_GROUPS_MAX][BW_NAME_MAX + 1];
    struct bw_prng chance; /* of what belongs to no machine */
    uint64_t file_versions; /* given so far */
    struct sim_checks *checks;
    struct sim_coverage *coverage;
    bool tells;    /* the story is wanted: sim_tell writes */
    bool has_failed;
    struct sim_queue *queue; /* world.c's own, and those of net.c, story.c, plan.c */
    struct sim_net *net;
    struct sim_story *story;
    struct sim_plan *plan;
    struct sim_process *acting; /* in an event of its own; NULL: the world itself acts */
};

static inline struct sim_world *sim_world_of(const struct sim_process *process)
{
    return process->host->world;
}
struct sim_host *sim_site(struct sim_world *world, uint32_t number);
struct sim_host *sim_witness_host(struct sim_world *world, uint32_t number);
/* The machine of the second enforcer of this site. */
static inline struct sim_host *sim_second_host(struct sim_world *world, uint32_t site)
{
    return &world->hosts[SIM_SECONDS_AT + site];
}
/* Machines that faults are drawn for: sites, witnesses that founded or came later, and those of
 * second enforcers. */
static inline uint32_t sim_host_count(const struct sim_world *world)
{
    return world->host_count + world->witness_count - SIM_FIRST_WITNESSES +
           (world->setting.has_second_enforcer ? world->setting.site_count : 0);
}
static inline uint32_t sim_host_index(const struct sim_world *world, uint32_t number)
{
    const uint32_t witnesses_end = world->host_count + world->witness_count - SIM_FIRST_WITNESSES;

    if (number >= witnesses_end)
        return SIM_SECONDS_AT + number - witnesses_end;
    return number < world->host_count ? number : SIM_SPARES_AT + number - world->host_count;
}
/* Of an index in `hosts`: not the clone's, nor one that no machine has. Also of a witness that is still to
 * come, so that what is done to all of them can be undone. */
static inline bool sim_host_is_meant(const struct sim_world *world, uint32_t index)
{
    return index < world->host_count || index >= SIM_SPARES_AT;
}
static inline uint32_t sim_any_witness(const struct sim_world *world, struct bw_prng *chance)
{
    return (uint32_t)bw_prng_below(chance, world->witness_count);
}
/* The machine that is off until one of a site is cloned onto it (clone.c): another number, not among those
 * below site_count, and the name of the site. It is in no `host_count`. */
static inline struct sim_host *sim_clone(struct sim_world *world)
{
    return sim_site(world, world->setting.site_count);
}
/* Sites and the clone, for who looks at each machine. */
static inline uint32_t sim_machine_count(const struct sim_world *world)
{
    return world->setting.site_count + 1;
}
/* A copy of all that the disk of this site has, under its name, boots on the spare machine. False: there is
 * a clone already, or no such machine runs. */
bool sim_clone_begin(struct sim_world *world, uint32_t site, bool has_own_kernel);
/* It is switched off, and nothing is left of it. */
void sim_clone_end(struct sim_world *world);
/* What all wall clocks show. */
static inline int64_t sim_wall_ms(const struct sim_world *world)
{
    return INT64_C(1800000000000) + (int64_t)(world->now_ns / SIM_MS);
}
/* The number of the group of this name; -1: there is none. */
int sim_group_find(const struct sim_world *world, const char *name);

/* One line of the story in words, kept only when it is wanted (a failing seed is run again with it).
 * `who`: a process or host name. */
void sim_tell(struct sim_world *world, const char *who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A check has failed: in words; the run ends after the present event. */
void sim_fail(struct sim_world *world, const char *property, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Mixes a number into the hash of the run. */
void sim_mix(struct sim_world *world, uint64_t value);
/* Something of a table has fired: "G12", "S22", "fault:cut". `name` is copied or static; cheap. */
void sim_count(struct sim_world *world, const char *name);

/* ---- what the world itself does ---------------------------------------------------------------- */

/* Calls `fn` at that true time, whatever process lives then; `argument` says what it is about. */
typedef void (*sim_world_fn)(struct sim_world *world, uint64_t argument);
void sim_world_at(struct sim_world *world, uint64_t at_ns, sim_world_fn fn, uint64_t argument);

/* What follows from a seed; `length_ns` of true time. */
void sim_setting_draw(struct sim_setting *out_setting, uint64_t seed, bool is_liveness,
                      uint64_t length_ns, const char *often);
/* A world of this setting with its machines and processes, nothing started. NULL: no memory. */
struct sim_world *sim_world_new(const struct sim_setting *setting);
void sim_world_free(struct sim_world *world);
/* Starts everything and lives until `until_ns` of true time, or until a check has failed. */
void sim_world_run(struct sim_world *world, uint64_t until_ns);

/* A machine loses power: its processes and all that was not durable are gone. */
void sim_host_lose_power(struct sim_host *host);
void sim_host_boot(struct sim_host *host);
/* Every process of the machine, and no clock. */
void sim_host_freeze(struct sim_host *host, bool is_frozen);
/* Sleep: BOOTTIME goes on, RAW and every process stand still. */
void sim_host_suspend(struct sim_host *host);
void sim_host_resume(struct sim_host *host);
/* Neither of its clocks strays now, or did in the last `within_ns`. */
bool sim_clock_is_steady(const struct sim_host *host, uint64_t within_ns);
/* Another rate from now on, -100000..100000 ppm. */
void sim_clock_set_rates(struct sim_host *host, int32_t boot_ppm, int32_t raw_ppm);

static inline struct bw_id sim_new_id(struct bw_prng *prng)
{
    struct bw_id id;

    for (int i = 0; i < BW_ID_BYTES; i++)
        id.bytes[i] = (uint8_t)bw_prng_next(prng);
    id.bytes[0] |= 1; /* never none */
    return id;
}

static inline bool sim_chance(struct bw_prng *prng, uint32_t per_million)
{
    return bw_prng_below(prng, 1000000) < per_million;
}

#endif
