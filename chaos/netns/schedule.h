/* schedule.h - when what is broken: the scenarios, and random. */
#ifndef BW_CHAOS_SCHEDULE_H
#define BW_CHAOS_SCHEDULE_H

#include <stdio.h>

#include "fault.h"

/* Where a step strikes. What is not a fixed node is found when the step begins. */
enum bw_step_target {
    BW_STEP_NODE,              /* `node`, with `peer` where the fault strikes a pair */
    BW_STEP_HOLDER,            /* the site that serves the first group */
    BW_STEP_STANDBY,           /* the first other site */
    BW_STEP_LEADER,            /* the witness that leads */
    BW_STEP_FOLLOWER,          /* the first other witness */
    BW_STEP_HOLDER_AND_LEADER, /* the pair, in this order */
    BW_STEP_LEADER_AND_HOLDER,
    BW_STEP_HOLDER_AND_STANDBY,
    BW_STEP_LEADER_AND_FOLLOWER,
};

struct bw_step {
    const char *fault; /* by name; NULL ends a list */
    enum bw_step_target target;
    uint32_t at_percent;     /* of a lease, since the round began */
    uint32_t length_percent; /* of a lease */
    uint32_t node;
    uint32_t peer;
    bool is_after_stop; /* `at_percent` counts from when a stop script began in this round */
};
#define BW_SCHEDULE_STEPS_MAX 8
/* From when, for how long; an order has no length. */
#define BW_STEP(what, where, at, length)                                                           \
    {                                                                                              \
        .fault = (what), .target = BW_STEP_##where, .at_percent = (at), .length_percent = (length) \
    }
#define BW_STEP_AT(what, number, at, length)                                                       \
    {                                                                                              \
        .fault = (what), .target = BW_STEP_NODE, .node = (number), .at_percent = (at),             \
        .length_percent = (length)                                                                 \
    }

/* One round of a scenario that measures how long nobody serves the first group. Its faults end once
 * another site serves it. Either it is the measure of the rounds after it, or in it nobody may be
 * missing for longer than that measure and so much more. */
struct bw_measured_round {
    const char *words;
    struct bw_step steps[3];
    bool is_measure;
    bool is_in_percent_of_measure; /* when its steps begin; else of a lease, as everywhere */
    uint32_t more_lease_percent;   /* of a wait for an end of the lease (design 3.3) */
    uint32_t more_elections;
    uint32_t more_renewals;
    uint32_t more_ms;
    uint32_t stops_max; /* so many stop scripts may begin in it; 0: not counted */
};
extern const struct bw_measured_round bw_leader_rounds[]; /* a NULL ends each list */
extern const struct bw_measured_round bw_hung_stop_rounds[];
extern const struct bw_measured_round bw_restart_rounds[];
extern const struct bw_measured_round bw_weather_rounds[];

/* What must come of it besides the promises. */
enum bw_scenario_end {
    BW_SCENARIO_ANY,
    BW_SCENARIO_MOVES,   /* the first group is served by another site before its faults have ended */
    BW_SCENARIO_STAYS,   /* no service of any group ends or begins */
    BW_SCENARIO_FIRST_STAYS, /* no service of the first group does, one of another does */
    BW_SCENARIO_ORDERS,  /* what an operator orders is not refused */
    BW_SCENARIO_SETTLES, /* within the bound every other site could take over again, too */
    BW_SCENARIO_CRASHES, /* its crash point is passed */
};

struct bw_scenario {
    const char *name;
    const char *words;
    enum bw_scenario_end end;
    struct bw_step steps[BW_SCHEDULE_STEPS_MAX];
    bool is_postgres;        /* with PostgreSQL as the service */
    const struct bw_measured_round *rounds; /* of one that measures, instead of `steps` */
    enum bw_lab_terms terms;    /* SCALED: those that are asked for */
    struct bw_hub_link weather; /* likewise where it is perfect */
    const char *crash_point; /* NULL: none */
    enum bw_lab_role crash_role;
};

/* Every scenario that has a name of its own. Besides, `only-FAULT` is one for each fault, and
 * `crash-POINT` for each point of crash_point.h, and `postgres-FAULT`. */
extern const struct bw_scenario bw_scenario_table[];
extern const uint32_t bw_scenario_count;
/* Fills `out` by name; false: there is none. */
bool bw_scenario_find(const char *name, struct bw_scenario *out);
/* Why a scenario cannot be shown here: what the first fault that cannot be made lacks, named in
 * `out_fault`; NULL: it can. */
const char *bw_scenario_why_not(const struct bw_lab *lab, const struct bw_scenario *scenario,
                                const char **out_fault);
void bw_scenario_print_all(FILE *out);

/* ---- running --------------------------------------------------------------------------------- */

#define BW_ROUNDS_MAX 20000 /* of random; more are not begun, and that is said */

/* One stretch of faults and the calm after it. */
struct bw_round {
    uint64_t begun_ns;
    uint64_t calm_ns;                     /* when the last fault had ended */
    uint64_t bound_ns[BW_LAB_GROUPS_MAX]; /* after it each group must be served again */
    uint64_t end_ns;
    bool is_settled;
    const struct bw_measured_round *measured; /* NULL: of another kind */
    const struct bw_fault *alone;             /* the one fault of a round of random; NULL: several, or no such round */
    uint64_t alone_most_ns;                   /* so long may nobody serve a group in it */
    uint64_t moved_ns;                        /* when another site was seen to serve; 0: never */
    bool is_logged;                           /* what it waits for, that long */
    uint64_t stop_begun_ns;                   /* when a stop script was seen to have begun */
    uint32_t stops_before;                    /* scripts begun until then, and in the round */
    uint32_t stop_count;
};

struct bw_run {
    struct bw_lab *lab;
    struct bw_faults faults;
    struct bw_round *rounds; /* on the heap */
    uint32_t round_count;
    uint32_t slow_round_count;   /* of them: those that waited for a site with a slow fence */
    uint32_t left_out_count;     /* steps whose fault cannot be made on this machine */
    uint64_t acknowledged_count; /* rows, of a PostgreSQL lab */
    uint64_t lost_count;         /* of these */
    uint64_t served_ns;          /* when every group was served for the first time */
    uint64_t calm_end_ns;        /* from then until here nothing was broken; 0: nobody asked for it */
    uint64_t end_ns;
    int known_leader; /* of the round, asked before it; -1: is asked for when it is needed */
};

/* Starts all processes, and waits until every group is served and could be taken over. */
BW_MUST_CHECK enum bw_err bw_run_begin(struct bw_run *run, struct bw_lab *lab,
                                       struct bw_diag *diag);
/* Every daemon of the role dies, and once more when it next comes to the point; waits until each
 * has been started with that in mind. */
void bw_run_arm_crash(struct bw_run *run, enum bw_lab_role role, const char *point);
/* Nothing is broken for so long, but for the weather. */
void bw_run_calm(struct bw_run *run, uint32_t length_ms);
/* One round: the steps, then calm until every group is served, or its bound is over. `is_random`: a fault that is
 * alone in it is held to what one alone may cost. */
BW_MUST_CHECK enum bw_err bw_run_round(struct bw_run *run, const struct bw_step *steps, bool is_random,
                                       struct bw_diag *diag);
/* The rounds of a scenario that measures, one after the other. */
BW_MUST_CHECK enum bw_err bw_run_measured(struct bw_run *run,
                                          const struct bw_measured_round *rounds,
                                          struct bw_diag *diag);
/* After the last round: of a PostgreSQL lab, stops the clients and counts what is lost. */
BW_MUST_CHECK enum bw_err bw_run_count(struct bw_run *run, struct bw_diag *diag);
void bw_run_end(struct bw_run *run);

/* Weather that terms with this limit bear; the same numbers, the same weather. */
struct bw_hub_link bw_random_weather(uint64_t seed, uint32_t request_timeout_ms);
/* The steps of round `round` of the seed: the same numbers, the same steps, whatever happens. */
void bw_random_steps(uint64_t seed, uint32_t round, const struct bw_lab *lab,
                     struct bw_step out_steps[BW_SCHEDULE_STEPS_MAX]);

#endif
