/* scenarios.c - the tables of what is broken when, and random. */
#include "schedule.h"

#include <string.h>

#include <breakwater/base/crash_point.h>

#define ONLY_PREFIX     "only-"
#define CRASH_PREFIX    "crash-"
#define POSTGRES_PREFIX "postgres-"

struct crash_point {
    const char *name;
    enum bw_lab_role role;
    const char *words;
};
static const struct crash_point crash_points[] = {
#define X(point, name, role, words) {name, BW_LAB_##role, words},
    BW_CRASH_POINT_LIST(X)
#undef X
};
#define CRASH_POINT_COUNT (sizeof crash_points / sizeof crash_points[0])

/* Times in percent of a lease. */
#define SCENARIO(named, meaning, ending, ...)                                                      \
    {                                                                                              \
        .name = (named), .words = (meaning), .end = BW_SCENARIO_##ending, .steps = { __VA_ARGS__ } \
    }
const struct bw_scenario bw_scenario_table[] = {
    SCENARIO(
        "one_way-holder_fences",
        "the primary's site can send to nobody and hears all: it ends by itself, another serves",
        MOVES, BW_STEP("mute", HOLDER, 0, 400)),
    SCENARIO(
        "one_way_in-holder_fences",
        "the primary's site hears nobody, all that it sends arrives: it must not be granted again",
        MOVES, BW_STEP("deaf", HOLDER, 0, 400)),
    SCENARIO("isolated-other_serves", "the primary's site is cut off in silence and lives", MOVES,
             BW_STEP("isolated", HOLDER, 0, 400)),
    SCENARIO("bridge-nothing_moves", "the two sites cannot see each other, both see all witnesses",
             STAYS, BW_STEP("apart", HOLDER_AND_STANDBY, 0, 300)),
    SCENARIO("leader_link_cut-nothing_moves",
             "the primary's site and the leading witness are apart: another witness relays", STAYS,
             BW_STEP("apart", HOLDER_AND_LEADER, 0, 300)),
    SCENARIO("witnesses_apart-nothing_moves",
             "the leading witness and another one are apart, and the third sees both: it goes on leading", STAYS,
             BW_STEP("apart", LEADER_AND_FOLLOWER, 0, 300)),
    SCENARIO("firewall_forgets-nothing_moves",
             "every connection of a witness carries nothing any more, in silence, and is not ended: others are made in time",
             STAYS, BW_STEP_AT("forgotten", 0, 0, 400), BW_STEP_AT("forgotten", 1, 0, 400),
             BW_STEP_AT("forgotten", 2, 0, 400)),
    SCENARIO("leader_lost-nothing_moves",
             "the leading witness dies and stays dead: no service ends", STAYS,
             BW_STEP("witness-down", LEADER, 0, 300)),
    SCENARIO(
        "old_leader-late_word",
        "the leading witness stands still for longer than a lease, and goes on when another leads",
        ANY, BW_STEP("witness-frozen", LEADER, 0, 220), BW_STEP("mute", HOLDER, 20, 380)),
    SCENARIO("ring-one_serves", "witnesses and sites in a circle, each sees its neighbours only",
             ANY, BW_STEP("ring", NODE, 0, 400)),
    SCENARIO("frozen_agent-guard_fences",
             "the primary's agent stands still: its guard has the service down in time", MOVES,
             BW_STEP("agent-frozen", HOLDER, 0, 400)),
    SCENARIO("frozen_guard-agent_fences",
             "the primary's guard stands still: its agent has the service down in time", MOVES,
             BW_STEP("guard-frozen", HOLDER, 0, 400)),
    SCENARIO("dead_agent_cut_off-guard_fences", "the primary's site is cut off and its agent dies",
             MOVES, BW_STEP("mute", HOLDER, 0, 400), BW_STEP("agent-down", HOLDER, 20, 380)),
    SCENARIO("dead_guard_cut_off-agent_fences", "the primary's site is cut off and its guard dies",
             MOVES, BW_STEP("mute", HOLDER, 0, 400), BW_STEP("guard-down", HOLDER, 20, 380)),
    SCENARIO("both_daemons_dead-service_ends",
             "the primary's agent and guard die and nobody starts them: the service ends in time",
             MOVES, BW_STEP("daemons-down", HOLDER, 0, 400)),
    SCENARIO("both_daemons_stopped-service_ends",
             "the primary's agent and guard are stopped: the service ends in time", MOVES,
             BW_STEP("daemons-stopped", HOLDER, 0, 400)),
    SCENARIO("both_daemons_refuse-service_ends",
             "the primary's agent and guard are restarted with a file that does not parse", MOVES,
             BW_STEP("daemons-refused", HOLDER, 0, 400)),
    /* The first group goes, and its guard cannot write down that it has ended; another one comes,
     * and its agent cannot write down the epoch. A third one is there. */
    SCENARIO(
        "both_disks_hang-other_serves",
        "no fsync of the primary's agent and guard comes back while groups move to and from it",
        MOVES, BW_STEP("site-hung-disk", HOLDER, 0, 400), BW_STEP("switchover", STANDBY, 10, 0),
        BW_STEP_AT("switchover", BW_LAB_WITNESSES, 11, 0)),
    SCENARIO(
        "both_disks_hang-first_stays",
        "no fsync of the primary's agent and guard comes back while a group moves to it: what it "
        "serves already stays",
        FIRST_STAYS, BW_STEP("site-hung-disk", HOLDER, 0, 400),
        BW_STEP("switchover", HOLDER, 10, 0)),
    SCENARIO("agent_disk_hangs-other_serves",
             "no fsync of the primary's agent comes back while groups move to and from it", MOVES,
             BW_STEP("agent-hung-disk", HOLDER, 0, 400), BW_STEP("switchover", HOLDER, 10, 0),
             BW_STEP("switchover", STANDBY, 60, 0)),
    SCENARIO("guard_disk_hangs-other_serves",
             "no fsync of the primary's guard comes back while groups move to and from it", MOVES,
             BW_STEP("guard-hung-disk", HOLDER, 0, 400), BW_STEP("switchover", HOLDER, 10, 0),
             BW_STEP("switchover", STANDBY, 60, 0)),
    SCENARIO("script_dir_hangs-one_serves",
             "the file system of the primary's scripts hangs, and its site is cut off", ANY,
             BW_STEP("site-hung-scripts", HOLDER, 0, 400), BW_STEP("mute", HOLDER, 20, 380)),
    SCENARIO("deaf_fence-killed_in_time",
             "the primary's site is cut off and its fence script does not end", MOVES,
             BW_STEP("fence-hangs", HOLDER, 0, 450), BW_STEP("isolated", HOLDER, 20, 400)),
    SCENARIO("lying_fence-killed_in_time",
             "the primary's site is cut off, its fence script does nothing and says that it did",
             MOVES, BW_STEP("fence-lies", HOLDER, 0, 450), BW_STEP("isolated", HOLDER, 20, 400)),
    SCENARIO("host_lost-other_serves",
             "the primary's machine loses power, and boots when another serves", MOVES,
             BW_STEP("host-lost", HOLDER, 0, 400)),
    SCENARIO("host_back_at_once-one_serves",
             "the primary's machine boots before its lease could have ended", ANY,
             BW_STEP("host-lost", HOLDER, 0, 20)),
    SCENARIO("copied-nothing_moves",
             "a copy of the primary's machine wakes up and gives back what the original holds",
             STAYS, BW_STEP("copied", HOLDER, 0, 250)),
    SCENARIO("copied_in_boot-nothing_moves",
             "daemons begin on a copy of the primary's state, beside the original on its kernel",
             STAYS, BW_STEP("copied-in-boot", HOLDER, 0, 250)),
    SCENARIO("copied_in_boot_while_cut_off-one_serves",
             "the same while the original is cut off, and serves until its lease ends", MOVES,
             BW_STEP("isolated", HOLDER, 0, 350), BW_STEP("copied-in-boot", HOLDER, 10, 300)),
    SCENARIO("copied_while_cut_off-one_serves",
             "the same while the original is cut off, and serves until its lease ends", MOVES,
             BW_STEP("isolated", HOLDER, 0, 350), BW_STEP("copied", HOLDER, 10, 300)),
    /* w1 hears nothing of the epoch that w2 and w3 grant to the other site; then that site is cut
     * off, w3 is down, w2 has forgotten it, and w1 is back with the first site, which knows nothing
     * of it. */
    SCENARIO(
        "wiped_witness-no_epoch_twice",
        "an epoch is known to a site that is cut off, a witness that is down, and one that has "
        "lost its disk: it is granted to nobody else",
        MOVES, BW_STEP_AT("isolated", BW_LAB_WITNESSES, 0, 210), BW_STEP_AT("isolated", 0, 0, 210),
        BW_STEP_AT("isolated", BW_LAB_WITNESSES + 1, 200, 200),
        BW_STEP_AT("witness-down", 2, 200, 200), BW_STEP_AT("witness-wiped", 1, 200, 200)),
    SCENARIO("two_slow_disks-no_split", "two witnesses have disks on which each fsync takes 300 ms",
             ANY, BW_STEP("witness-slow-disk", LEADER, 0, 400),
             BW_STEP("witness-slow-disk", FOLLOWER, 0, 400)),
    SCENARIO("slow_clock_cut_off-in_time",
             "the primary's clocks run too slow, as far as is allowed, and its site is cut off",
             MOVES, BW_STEP("slow", HOLDER, 0, 600), BW_STEP("isolated", HOLDER, 150, 400)),
    SCENARIO("switchover_while_mute-one_serves",
             "an operator moves a group while the primary's site can send to nobody", ANY,
             BW_STEP("switchover", STANDBY, 0, 0), BW_STEP("mute", HOLDER, 5, 300)),
    SCENARIO(
        "greedy_agent-nothing_moves",
        "the standby's agent and an operator hold 300 connections to each witness: nothing ends",
        STAYS, BW_STEP("greedy-agent", STANDBY, 0, 300),
        BW_STEP("greedy-operator", STANDBY, 20, 280)),
    /* Site 0 serves the first group. */
    SCENARIO("unseen_end-other_serves",
             "a planned move whose stop, fence and status fail: a kill is proved to end the service, and time hands it over",
             MOVES, BW_STEP_AT("all-fail", BW_LAB_WITNESSES, 0, 300), BW_STEP("switchover", STANDBY, 20, 0)),
    {.name = "leader_lost_midway-goes_on",
     .words = "failovers in which the leading witness dies, at five moments: each goes on",
     .rounds = bw_leader_rounds},
    {.name = "hung_stop-limit_once",
     .words = "a planned move whose stop script never ends costs its limit, once",
     .rounds = bw_hung_stop_rounds},
    {.name = "restarted_midway-no_wait",
     .words = "planned moves in which the agent, or the leading witness, is started anew: no wait",
     .rounds = bw_restart_rounds},
    /* Site 1 takes the first group and has it started elsewhere; then all of its scripts fail. */
    SCENARIO(
        "outside-force_release_ends_it",
        "a service that its guard does not reach, and a planned move whose stop, fence and status "
        "fail: held, until its machine is switched off and an operator vouches for that",
        MOVES, BW_STEP_AT("outside", BW_LAB_WITNESSES + 1, 0, 700),
        BW_STEP_AT("switchover", BW_LAB_WITNESSES + 1, 10, 0),
        BW_STEP_AT("all-fail", BW_LAB_WITNESSES + 1, 200, 500),
        BW_STEP_AT("switchover", BW_LAB_WITNESSES, 220, 0),
        BW_STEP_AT("force-release-early", BW_LAB_WITNESSES + 1, 400, 0),
        BW_STEP_AT("host-lost", BW_LAB_WITNESSES + 1, 420, 280),
        BW_STEP_AT("force-release", BW_LAB_WITNESSES + 1, 550, 0)),
    SCENARIO("helper_left-nobody_else",
             "a start leaves a process where its guard reaches it, and the service runs elsewhere: agent and guard die, and "
             "time hands nothing over",
             MOVES, BW_STEP_AT("outside-with-helper", BW_LAB_WITNESSES + 1, 0, 700),
             BW_STEP_AT("switchover", BW_LAB_WITNESSES + 1, 10, 0),
             BW_STEP_AT("daemons-down", BW_LAB_WITNESSES + 1, 250, 350)),
    /* Site 0 serves the first group; site 1 overrides. */
    SCENARIO("claim_cut_off-nobody_else",
             "a site serves by an override that the leader has heard of, cannot be adopted, and is cut off", MOVES,
             BW_STEP_AT("witness-down", 1, 0, 300), BW_STEP_AT("witness-down", 2, 0, 300),
             BW_STEP_AT("override", BW_LAB_WITNESSES + 1, 130, 0),
             BW_STEP_AT("status-unknown", BW_LAB_WITNESSES + 1, 275, 425),
             BW_STEP_AT("claim-awaited", BW_LAB_WITNESSES + 1, 320, 0),
             BW_STEP_AT("isolated", BW_LAB_WITNESSES + 1, 330, 370)),
    SCENARIO("claim_resumed-nobody_else",
             "the same, and it is not adopted as its group is paused; while it is cut off an operator resumes the group",
             MOVES, BW_STEP("paused", NODE, 0, 460), BW_STEP_AT("witness-down", 1, 10, 290),
             BW_STEP_AT("witness-down", 2, 10, 290), BW_STEP_AT("override", BW_LAB_WITNESSES + 1, 140, 0),
             BW_STEP_AT("claim-awaited", BW_LAB_WITNESSES + 1, 320, 0),
             BW_STEP_AT("isolated", BW_LAB_WITNESSES + 1, 330, 370)),
    SCENARIO("claim_new_leader-nobody_else", "the same, and another witness leads before the group is resumed", MOVES,
             BW_STEP("paused", NODE, 0, 500), BW_STEP_AT("witness-down", 1, 10, 290),
             BW_STEP_AT("witness-down", 2, 10, 290), BW_STEP_AT("override", BW_LAB_WITNESSES + 1, 140, 0),
             BW_STEP_AT("claim-awaited", BW_LAB_WITNESSES + 1, 320, 0),
             BW_STEP_AT("isolated", BW_LAB_WITNESSES + 1, 330, 370), BW_STEP("witness-down", LEADER, 350, 350)),
    SCENARIO("override_rebooted-one_serves",
             "a site serves by an override that nobody has heard of, loses power and boots without a network: it starts "
             "nothing",
             MOVES, BW_STEP_AT("witness-down", 1, 0, 300), BW_STEP_AT("witness-down", 2, 0, 300),
             BW_STEP_AT("override", BW_LAB_WITNESSES + 1, 130, 0),
             BW_STEP_AT("isolated", BW_LAB_WITNESSES + 1, 285, 415),
             BW_STEP_AT("host-lost", BW_LAB_WITNESSES + 1, 290, 90)),
    SCENARIO("scripts_writable-nothing_moves",
             "others than root can write the primary's scripts, and have: none runs, it serves on",
             STAYS, BW_STEP("scripts-writable", HOLDER, 0, 300)),
    SCENARIO(
        "scripts_missing-one_serves",
        "the primary's scripts vanish, and its site is cut off: its guard ends what it reaches",
        ANY, BW_STEP("scripts-missing", HOLDER, 0, 500), BW_STEP("isolated", HOLDER, 20, 350)),
    SCENARIO("guards_restarted-ready_again",
             "the guards die and are started anew while each holds a group: ready for the others",
             SETTLES, BW_STEP("guard-killed", HOLDER, 0, 0),
             BW_STEP("guard-killed", STANDBY, 100, 0)),
    SCENARIO("thawed_then_cut_off-other_serves",
             "the primary's site stands still for a moment, catches up, and is cut off later",
             MOVES, BW_STEP("site-frozen", HOLDER, 0, 20), BW_STEP("isolated", HOLDER, 200, 400)),
    {.name = "far_agent_restarts-nothing_moves",
     .words = "400 ms of round trip between all nodes, under the default terms: the primary's agent dies twice",
     .end = BW_SCENARIO_STAYS,
     .steps = {BW_STEP("agent-killed", HOLDER, 10, 0), BW_STEP("agent-killed", HOLDER, 110, 0),
               /* a lease passes, and all sees that it is renewed */
               BW_STEP("lossy-lightly", STANDBY, 220, 100)},
     .terms = BW_LAB_TERMS_DEFAULT,
     .weather = {.delay_ms = 200}},
    SCENARIO("thin_snapshot-nothing_moves",
             "a witness behind 256 kbit/s gets a snapshot of more than a MiB: it catches up, and leadership stays",
             STAYS, BW_STEP("thin-snapshot", FOLLOWER, 0, 0)),
    /* A struck connection has to be dialed anew, by whoever has not forgotten where it was. */
    SCENARIO("names_silent-nothing_moves", "no name server answers, and the leading witness is started anew: no service ends",
             STAYS, BW_STEP("names-silent", NODE, 0, 300), BW_STEP("witness-killed", LEADER, 30, 0)),
    SCENARIO("names_gone-nothing_moves", "no name is there any more, and the leading witness is started anew: no service ends",
             STAYS, BW_STEP("names-gone", NODE, 0, 300), BW_STEP("witness-killed", LEADER, 30, 0)),
    SCENARIO("witness_moved-nothing_moves",
             "the leading witness gets another address, which its name has from then on: no service ends", STAYS,
             BW_STEP("witness-moved", LEADER, 0, 300)),
    SCENARIO("everything_flaps-one_serves",
             "the links of a site and of the leader flap while an agent dies again and again", ANY,
             BW_STEP("flapping", HOLDER, 0, 500), BW_STEP("flapping", LEADER, 0, 400),
             BW_STEP("agent-killed", HOLDER, 50, 0), BW_STEP("agent-killed", HOLDER, 200, 0)),
};
const uint32_t bw_scenario_count = sizeof bw_scenario_table / sizeof bw_scenario_table[0];

/* ---- by name --------------------------------------------------------------------------------- */

static enum bw_step_target usual_place(enum bw_fault_target target)
{
    switch (target) {
    case BW_FAULT_AT_NODE:
    case BW_FAULT_AT_SITE:
        return BW_STEP_HOLDER;
    case BW_FAULT_AT_WITNESS:
        return BW_STEP_LEADER;
    case BW_FAULT_AT_PAIR:
        return BW_STEP_HOLDER_AND_LEADER;
    case BW_FAULT_AT_ALL:
        return BW_STEP_NODE;
    }
    return BW_STEP_NODE;
}

/* The guard itself comes to TERM and KILL only where the agent, which would have fenced before,
 * stands still. A guard that dies then leaves its enforcer. */
static void leave_guard_alone(struct bw_scenario *scenario)
{
    static const char *const points[] = {"guard-before-term", "guard-after-term",
                                         "guard-after-kill"};
    bool is_one = false;

    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        is_one = is_one || strcmp(points[i], scenario->crash_point) == 0;
    if (!is_one)
        return;
    scenario->steps[1] = (struct bw_step)BW_STEP("fence-hangs", HOLDER, 200, 270);
    scenario->steps[2] = (struct bw_step)BW_STEP("agent-frozen", HOLDER, 220, 250);
}

/* A planned move, a lease that ends, a move: between them they come by every point. */
static bool find_crash(const char *name, struct bw_scenario *out)
{
    for (size_t i = 0; i < CRASH_POINT_COUNT; i++) {
        const struct crash_point *point = &crash_points[i];

        if (strcmp(point->name, name + sizeof CRASH_PREFIX - 1) != 0)
            continue;
        *out = (struct bw_scenario){
            .name = name,
            .words = point->words,
            .end = BW_SCENARIO_CRASHES,
            .steps = {BW_STEP("switchover", STANDBY, 50, 0), BW_STEP("mute", HOLDER, 200, 250),
                      BW_STEP("switchover", STANDBY, 600, 0)},
            .crash_point = point->name,
            .crash_role = point->role,
        };
        leave_guard_alone(out);
        return true;
    }
    return false;
}

static bool find_postgres(const char *name, struct bw_scenario *out)
{
    const struct bw_fault *fault = bw_fault_find(name + sizeof POSTGRES_PREFIX - 1);

    if (fault == NULL)
        return false;
    *out = (struct bw_scenario){
        .name = name,
        .words = fault->words,
        /* An order that is refused shows nothing; what a fault comes to is open. */
        .end = fault == bw_fault_find("switchover") ? BW_SCENARIO_ORDERS : BW_SCENARIO_ANY,
        .is_postgres = true,
        .steps = {{.fault = fault->name,
                   .target = fault == bw_fault_find("switchover") ? BW_STEP_STANDBY
                                                                  : usual_place(fault->target),
                   .at_percent = 20,
                   .length_percent = 250}},
    };
    return true;
}

bool bw_scenario_find(const char *name, struct bw_scenario *out)
{
    const struct bw_fault *fault = NULL;

    if (strncmp(name, POSTGRES_PREFIX, sizeof POSTGRES_PREFIX - 1) == 0)
        return find_postgres(name, out);
    if (strncmp(name, CRASH_PREFIX, sizeof CRASH_PREFIX - 1) == 0)
        return find_crash(name, out);

    for (uint32_t i = 0; i < bw_scenario_count; i++)
        if (strcmp(bw_scenario_table[i].name, name) == 0) {
            *out = bw_scenario_table[i];
            return true;
        }
    if (strncmp(name, ONLY_PREFIX, sizeof ONLY_PREFIX - 1) == 0)
        fault = bw_fault_find(name + sizeof ONLY_PREFIX - 1);
    if (fault == NULL)
        return false;
    *out = (struct bw_scenario){
        .name = name,
        .words = fault->words,
        .end = BW_SCENARIO_ANY,
        .steps = {{.fault = fault->name,
                   .target = usual_place(fault->target),
                   .length_percent = 350},
                  /* What is wrong shows when something has to be done. */
                  BW_STEP("switchover", STANDBY, 50, 0)},
    };
    if (fault->part == BW_FAULT_OF_DISK && fault->target == BW_FAULT_AT_WITNESS) {
        out->steps[0].target = BW_STEP_FOLLOWER; /* who then has to vote, and to say so durably */
        out->steps[2] = (struct bw_step)BW_STEP("witness-down", LEADER, 120, 150);
    }
    return true;
}

static const char *why_not(const struct bw_lab *lab, const struct bw_step *steps, size_t count,
                           const char **out_fault)
{
    for (size_t i = 0; i < count && steps[i].fault != NULL; i++) {
        const char *why = bw_fault_why_not(lab, bw_fault_find(steps[i].fault));

        if (why != NULL) {
            *out_fault = steps[i].fault;
            return why;
        }
    }
    return NULL;
}

const char *bw_scenario_why_not(const struct bw_lab *lab, const struct bw_scenario *scenario,
                                const char **out_fault)
{
    const struct bw_measured_round *round = scenario->rounds;
    const char *why = why_not(lab, scenario->steps, BW_SCHEDULE_STEPS_MAX, out_fault);

    for (; why == NULL && round != NULL && round->words != NULL; round++)
        why = why_not(lab, round->steps, sizeof round->steps / sizeof round->steps[0], out_fault);
    return why;
}

void bw_scenario_print_all(FILE *out)
{
    (void)fputs("scenarios:\n", out);
    for (uint32_t i = 0; i < bw_scenario_count; i++)
        (void)fprintf(out, "  %-34s %s\n", bw_scenario_table[i].name, bw_scenario_table[i].words);
    (void)fputs("faults, each a scenario of its own by the name " ONLY_PREFIX
                "FAULT (! outside of what is promised,\n"
                "an overlap is only reported; + drawn by `random`):\n",
                out);
    for (uint32_t i = 0; i < bw_fault_count; i++)
        (void)fprintf(out, "  %c%c %-20s %s\n",
                      bw_fault_table[i].scope == BW_FAULT_BEYOND ? '!' : ' ',
                      bw_fault_table[i].is_random ? '+' : ' ', bw_fault_table[i].name,
                      bw_fault_table[i].words);
    (void)fputs("with PostgreSQL servers as the service: " POSTGRES_PREFIX "FAULT\n", out);
    (void)fputs("crash points, each a scenario by the name " CRASH_PREFIX
                "POINT; the program must be built with BW_CRASH_POINTS:\n",
                out);
    for (size_t i = 0; i < CRASH_POINT_COUNT; i++)
        (void)fprintf(out, "     %-22s %s: %s\n", crash_points[i].name,
                      bw_lab_role_word(crash_points[i].role), crash_points[i].words);
}

/* ---- random ---------------------------------------------------------------------------------- */

/* What keeps a site from its lease, surely: without one of these nothing moves. */
static const char *const strong[] = {"isolated",   "mute",         "deaf",
                                     "refused",    "agent-frozen", "guard-frozen",
                                     "agent-down", "guard-down",   "host-lost"};

static uint32_t draw_node(struct bw_prng *prng, const struct bw_lab *lab,
                          enum bw_fault_target target)
{
    const uint32_t sites = lab->options->site_count;

    switch (target) {
    case BW_FAULT_AT_WITNESS:
        return (uint32_t)bw_prng_below(prng, BW_LAB_WITNESSES);
    case BW_FAULT_AT_SITE:
        return bw_lab_site_node((uint32_t)bw_prng_below(prng, sites));
    case BW_FAULT_AT_NODE:
    case BW_FAULT_AT_PAIR:
    case BW_FAULT_AT_ALL:
        return (uint32_t)bw_prng_below(prng, BW_LAB_WITNESSES + (uint64_t)sites);
    }
    return 0;
}

/* One part of a node is struck once at a time. */
static bool is_taken(const struct bw_step *steps, uint32_t count, const struct bw_fault *kind,
                     uint32_t node)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct bw_fault *other = bw_fault_find(steps[i].fault);

        if ((steps[i].node == node && other->part == kind->part) ||
            (other == kind && kind->is_single))
            return true;
    }
    return false;
}

struct bw_hub_link bw_random_weather(uint64_t seed, uint32_t request_timeout_ms)
{
    static const uint32_t tenths[] = {0, 1, 2, 3}; /* one way, of a request's limit */
    static const uint32_t shares[] = {0, 0, 1, 1, 2};
    static const uint32_t rates_kbit[] = {0, 0, 2000, 512};
    static const uint32_t orders[] = {0, 0, 2, 10, 25}; /* packets that overtake, of 100 */
    struct bw_prng prng;
    struct bw_hub_link weather = {0};

    bw_prng_init(&prng, ~seed);
    weather.delay_ms = request_timeout_ms / 10 * tenths[bw_prng_below(&prng, sizeof tenths / sizeof tenths[0])];
    weather.jitter_ms = weather.delay_ms / 4;
    weather.loss = shares[bw_prng_below(&prng, sizeof shares / sizeof shares[0])];
    weather.reorder = orders[bw_prng_below(&prng, sizeof orders / sizeof orders[0])];
    weather.reorder = weather.delay_ms > 0 ? weather.reorder : 0; /* there is nothing to overtake */
    weather.rate_kbit = rates_kbit[bw_prng_below(&prng, sizeof rates_kbit / sizeof rates_kbit[0])];
    return weather;
}

void bw_random_steps(uint64_t seed, uint32_t round, const struct bw_lab *lab,
                     struct bw_step out_steps[BW_SCHEDULE_STEPS_MAX])
{
    struct bw_prng prng;
    uint32_t wanted;
    uint32_t count = 0;
    uint32_t at_percent = 0;

    bw_prng_init(&prng, seed + UINT64_C(0x9e3779b97f4a7c15) * round);
    wanted = 1 + (uint32_t)bw_prng_below(&prng, 5);
    memset(out_steps, 0, BW_SCHEDULE_STEPS_MAX * sizeof *out_steps);
    for (uint32_t tries = 0; tries < 64 && count < wanted; tries++) {
        const bool is_strong = count == 0 && bw_prng_below(&prng, 10) < 7;
        const struct bw_fault *kind =
            is_strong
                ? bw_fault_find(strong[bw_prng_below(&prng, sizeof strong / sizeof strong[0])])
                : &bw_fault_table[bw_prng_below(&prng, bw_fault_count)];
        const uint32_t node = draw_node(&prng, lab, is_strong ? BW_FAULT_AT_SITE : kind->target);
        const uint32_t peer = draw_node(&prng, lab, BW_FAULT_AT_NODE);
        const uint32_t length = 50 + (uint32_t)bw_prng_below(&prng, is_strong ? 300 : 250);
        const uint32_t gap = (uint32_t)bw_prng_below(&prng, 80);

        if (!kind->is_random || is_taken(out_steps, count, kind, node) ||
            (kind->target == BW_FAULT_AT_PAIR && node == peer))
            continue;
        at_percent += count == 0 ? 0 : gap;
        out_steps[count++] = (struct bw_step){.fault = kind->name,
                                              .target = BW_STEP_NODE,
                                              .at_percent = at_percent,
                                              .length_percent = is_strong ? 100 + length : length,
                                              .node = node,
                                              .peer = peer};
    }
}
