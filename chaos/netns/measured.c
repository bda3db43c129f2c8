/* measured.c - scenarios of several rounds, in which what is missed in one is the measure of the
 * others: the machine, its load and its programs are the same. */
#include "schedule.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/instant.h>

#define PERCENT 100

/* A site's machine is lost for as long as nobody else serves; given up after this. */
#define LOST BW_STEP("host-lost", HOLDER, 0, 800)
/* A witness that begins to lead waits anew for the end of the lease (design 3.3), and hears the
 * sites first; all of this once. */
#define LEADER_LOST(tenth)                                                                         \
    {                                                                                              \
        .words = "its leader is lost at " #tenth " tenths of it",                                  \
        .steps = {LOST, BW_STEP("witness-killed", LEADER, 10 * (tenth), 0)},                       \
        .is_in_percent_of_measure = true, .more_lease_percent = 100, .more_elections = 10,         \
        .more_renewals = 3, .more_ms = 2000                                                        \
    }
const struct bw_measured_round bw_leader_rounds[] = {
    {.words = "a failover", .steps = {LOST}, .is_measure = true},
    LEADER_LOST(0),
    LEADER_LOST(2),
    LEADER_LOST(4),
    LEADER_LOST(6),
    LEADER_LOST(8),
    {.words = NULL},
};

/* KILL after the limit, the fence and its look, and the stop's position take less than the limit would take
 * once more. */
const struct bw_measured_round bw_hung_stop_rounds[] = {
    {.words = "a planned move",
     .steps = {BW_STEP("switchover", STANDBY, 0, 0)},
     .is_measure = true,
     .stops_max = 1},
    {.words = "a planned move whose stop ends the service, and hangs",
     .steps = {BW_STEP("stop-hangs-late", HOLDER, 0, 800), BW_STEP("switchover", STANDBY, 0, 0)},
     .more_ms = 2 * BW_LAB_STOP_TIMEOUT_MS - 100,
     .stops_max = 1},
    {.words = NULL},
};

/* The stop takes longer than an election, so that nothing of the restart must be seen. A program built with
 * sanitizers takes its time to begin on a machine that does other things too: by far less than a lease, which
 * is what somebody waits for whom the restart has cost the move. */
#define STRUCK_MIDWAY(meaning, of, where, percent)                                                 \
    {                                                                                              \
        .words = (meaning),                                                                        \
        .steps = {BW_STEP("stop-slow", HOLDER, 0, 600),                                            \
                  BW_STEP("switchover", STANDBY, 0, 0),                                            \
                  {.fault = (of),                                                                  \
                   .target = BW_STEP_##where,                                                      \
                   .at_percent = (percent),                                                        \
                   .is_after_stop = true}},                                                        \
        .more_renewals = 1, .more_lease_percent = 50, .more_ms = BW_LAB_RESTART_MS                 \
    }
const struct bw_measured_round bw_restart_rounds[] = {
    {.words = "a planned move with a slow stop",
     .steps = {BW_STEP("stop-slow", HOLDER, 0, 600), BW_STEP("switchover", STANDBY, 0, 0)},
     .is_measure = true},
    STRUCK_MIDWAY("its agent is started anew as the stop begins", "agent-killed", HOLDER, 0),
    STRUCK_MIDWAY("its agent is started anew as the stop ends", "agent-killed", HOLDER, 60),
    STRUCK_MIDWAY("its leader is started anew as the stop begins", "witness-killed", LEADER, 0),
    {.words = NULL},
};

/* The cost of a failover and of a planned move in this weather. */
const struct bw_measured_round bw_weather_rounds[] = {
    {.words = "a failover", .steps = {LOST}, .is_measure = true},
    {.words = "a planned move", .steps = {BW_STEP("switchover", STANDBY, 0, 0)}, .is_measure = true},
    {.words = NULL},
};

void bw_run_calm(struct bw_run *run, uint32_t length_ms)
{
    const uint64_t end_ns = bw_lab_now_ns() + bw_ms_to_ns(length_ms);

    bw_lab_say(run->lab, BW_LAB_NOTE, -1, -1, "-- nothing is broken for %" PRIu32 " s", length_ms / 1000);
    while (bw_lab_now_ns() < end_ns)
        bw_lab_turn(run->lab, end_ns);
    run->calm_end_ns = bw_lab_now_ns();
}

enum bw_err bw_run_measured(struct bw_run *run, const struct bw_measured_round *rounds,
                            struct bw_diag *diag)
{
    struct bw_lab *lab = run->lab;
    uint64_t measure_ns = 0;
    enum bw_err err = BW_OK;

    for (; rounds->words != NULL && err == BW_OK; rounds++) {
        struct bw_round *round = &run->rounds[run->round_count];
        struct bw_step steps[BW_SCHEDULE_STEPS_MAX] = {{0}};

        memcpy(steps, rounds->steps, sizeof rounds->steps);
        for (size_t i = 0; rounds->is_in_percent_of_measure && i < BW_SCHEDULE_STEPS_MAX; i++)
            steps[i].at_percent = (uint32_t)(steps[i].at_percent * measure_ns /
                                             bw_ms_to_ns(lab->plan.timings.lease_ttl_ms));
        bw_lab_say(lab, BW_LAB_NOTE, -1, -1, "-- %s", rounds->words);
        run->known_leader = bw_lab_find_leader(lab);
        round->measured = rounds;
        round->stops_before = bw_lab_count_stops(lab);
        err = bw_run_round(run, steps, false, diag);
        round->stop_count = bw_lab_count_stops(lab) - round->stops_before;
        if (rounds->is_measure)
            measure_ns = round->moved_ns > round->begun_ns ? round->moved_ns - round->begun_ns : 0;
    }
    run->known_leader = -1;
    return err;
}
