/* scenarios.c - what is broken, and what must then be true. Each is judged by the records of the
 * services and by what its scripts wrote in their journals. */
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <breakwater/sys/clock.h>

/* A run of a scenario, from the moment at which the cluster serves. */
struct run {
    struct bw_dev *dev;
    uint32_t old;   /* the primary's site */
    uint32_t other; /* the standby's */
    uint64_t old_epoch;
    uint64_t fault_boot_ns;
    struct bw_dev_view before;
};

typedef enum bw_err steps(struct run *run, struct bw_diag *diag);

enum ending {
    ENDS_ELSEWHERE, /* the other site serves, after a lapse */
    ENDS_MOVED,     /* the other site serves, as asked */
    ENDS_UNCHANGED, /* the same site serves, and no script ran */
};

struct scenario {
    const char *name;
    const char *help;
    steps *run;
    enum ending ending;
};

/* ---- what is waited for ---------------------------------------------------------------------- */

static bool other_serves(struct bw_dev *dev, void *user)
{
    const struct run *run = user;
    const struct bw_dev_view *view = &dev->view;

    return view->is_from_leader && view->epoch > run->old_epoch &&
           strcmp(view->holder, dev->sites[run->other].name) == 0 &&
           view->sites[run->other].is_serving && bw_dev_service_lives(&dev->sites[run->other]);
}

static bool old_stands_by(struct bw_dev *dev, void *user)
{
    const struct run *run = user;
    const struct bw_dev_site_view *site = &dev->view.sites[run->old];

    return dev->view.is_from_leader && site->is_connected && site->has_guard && !site->is_primary &&
           strcmp(site->service, "stopped") == 0 && !bw_dev_service_lives(&dev->sites[run->old]);
}

static enum bw_err wait_for_takeover(struct run *run, struct bw_diag *diag)
{
    return bw_dev_wait(run->dev, other_serves, run, 0, "the other site to serve", diag);
}

static enum bw_err wait_for_standby(struct run *run, struct bw_diag *diag)
{
    return bw_dev_wait(run->dev, old_stands_by, run, 0, "the old primary to stand by", diag);
}

static void break_now(struct run *run)
{
    run->fault_boot_ns = bw_clock_now().boot_ns;
}

/* ---- the scenarios --------------------------------------------------------------------------- */

static enum bw_err kill_site(struct run *run, struct bw_diag *diag)
{
    struct bw_dev *dev = run->dev;
    enum bw_err err;

    break_now(run);
    bw_dev_kill(bw_dev_process(dev, BW_LAB_AGENT, run->old), SIGKILL);
    bw_dev_kill(bw_dev_process(dev, BW_LAB_GUARD, run->old), SIGKILL);
    err = bw_dev_kill_service(dev, run->old, diag);
    if (err != BW_OK)
        return err;
    bw_dev_say(dev, "killed agent, guard and service of %s at once", dev->sites[run->old].name);
    return wait_for_takeover(run, diag);
}

static void cut(struct run *run, bool is_cut)
{
    bw_relay_cut(run->dev, run->old, is_cut);
    bw_relay_cut(run->dev, BW_DEV_ANNOUNCED, is_cut); /* where it could find the witnesses too */
}

static enum bw_err cut_site(struct run *run, struct bw_diag *diag)
{
    struct bw_dev *dev = run->dev;
    enum bw_err err;

    break_now(run);
    cut(run, true);
    bw_dev_say(dev, "cut %s off from every witness; its processes live", dev->sites[run->old].name);
    err = wait_for_takeover(run, diag);
    if (err != BW_OK)
        return err;
    cut(run, false);
    bw_dev_say(dev, "healed the network");
    return wait_for_standby(run, diag);
}

static enum bw_err freeze_agent(struct run *run, struct bw_diag *diag)
{
    struct bw_dev *dev = run->dev;
    struct bw_dev_process *agent = bw_dev_process(dev, BW_LAB_AGENT, run->old);
    enum bw_err err;

    break_now(run);
    if (kill(agent->pid, SIGSTOP) != 0)
        return bw_diag_set(diag, BW_ERR_IO, "the agent of %s has ended", agent->name);
    bw_dev_say(dev, "froze the agent of %s", agent->name);
    err = wait_for_takeover(run, diag);
    if (err == BW_OK && kill(agent->pid, SIGCONT) != 0)
        err = bw_diag_set(diag, BW_ERR_IO, "the agent of %s has ended", agent->name);
    if (err != BW_OK)
        return err;
    bw_dev_say(dev, "thawed the agent of %s", agent->name);
    return wait_for_standby(run, diag);
}

static enum bw_err kill_guard(struct run *run, struct bw_diag *diag)
{
    struct bw_dev *dev = run->dev;
    struct bw_dev_process *guard = bw_dev_process(dev, BW_LAB_GUARD, run->old);
    enum bw_err err;

    break_now(run);
    bw_dev_kill(guard, SIGKILL);
    bw_dev_say(dev, "killed the guard of %s; its agent and its service live", guard->name);
    err = wait_for_takeover(run, diag);
    if (err == BW_OK)
        err = bw_dev_spawn(dev, guard, diag);
    if (err != BW_OK)
        return err;
    bw_dev_say(dev, "started the guard of %s again", guard->name);
    return wait_for_standby(run, diag);
}

static enum bw_err switchover(struct run *run, struct bw_diag *diag)
{
    struct bw_dev *dev = run->dev;
    const char *to = dev->sites[run->other].name;
    char path[2 * BW_NAME_MAX];
    enum bw_err err;

    (void)snprintf(path, sizeof path, "/v1/groups/%s/switchover", dev->group); /* short, ours */
    break_now(run);
    err = bw_dev_client_change(dev, "POST", path,
                               json_pack("{s:s, s:s}", "to", to, "reason", "dev scenario"), diag);
    if (err != BW_OK)
        return err;
    bw_dev_say(dev, "asked for a switchover to %s", to);
    err = wait_for_takeover(run, diag);
    return err == BW_OK ? wait_for_standby(run, diag) : err;
}

static bool another_leads(struct bw_dev *dev, void *user)
{
    const struct run *run = user;

    return dev->view.is_from_leader && strcmp(dev->view.leader, run->before.leader) != 0;
}

/* Two whole leases, counted from the loss: what was to lapse because of it would have. */
static bool two_leases_have_passed(struct bw_dev *dev, void *user)
{
    const struct run *run = user;
    const uint64_t wait_ns = 2 * bw_ms_to_ns((uint64_t)dev->plan.timings.lease_ttl_ms);

    return bw_clock_now().boot_ns - run->fault_boot_ns > wait_ns && dev->view.is_from_leader &&
           dev->view.boot_ns > run->fault_boot_ns + wait_ns;
}

static enum bw_err lose_witness(struct run *run, struct bw_diag *diag)
{
    struct bw_dev *dev = run->dev;
    struct bw_dev_process *leader = NULL;
    enum bw_err err;

    for (uint32_t i = 0; i < BW_LAB_WITNESSES; i++)
        if (strcmp(bw_dev_process(dev, BW_LAB_WITNESS, i)->name, dev->view.leader) == 0)
            leader = bw_dev_process(dev, BW_LAB_WITNESS, i);
    if (leader == NULL)
        return bw_diag_set(diag, BW_ERR_UNKNOWN, "no witness leads");
    break_now(run);
    bw_dev_kill(leader, SIGKILL);
    bw_dev_say(dev, "killed witness %s, which led", leader->name);
    err = bw_dev_wait(dev, another_leads, run, 0, "another witness to lead", diag);
    if (err == BW_OK)
        err = bw_dev_wait(dev, two_leases_have_passed, run, 0, "two leases to pass", diag);
    if (err == BW_OK &&
        (dev->view.epoch != run->old_epoch || !bw_dev_service_lives(&dev->sites[run->old])))
        err = bw_diag_set(diag, BW_ERR_UNKNOWN,
                          "%s does not serve under epoch %" PRIu64 " any more",
                          dev->sites[run->old].name, run->old_epoch);
    return err;
}

/* lint: a table */
static const struct scenario scenarios[] = {
    {"kill-site", "agent, guard and service of the primary die at once", kill_site, ENDS_ELSEWHERE},
    {"cut-site", "the primary's site loses its network to the witnesses, and lives", cut_site,
     ENDS_ELSEWHERE},
    {"freeze-agent", "the primary's agent is stopped (SIGSTOP), and goes on after the takeover",
     freeze_agent, ENDS_ELSEWHERE},
    {"kill-guard", "the primary's guard dies, its agent and service live", kill_guard,
     ENDS_ELSEWHERE},
    {"switchover", "a planned move to the other site", switchover, ENDS_MOVED},
    {"lose-witness", "the leading witness dies: no script may run", lose_witness, ENDS_UNCHANGED},
};
#define SCENARIO_COUNT (sizeof scenarios / sizeof scenarios[0])

static const struct scenario *find(const char *name)
{
    for (size_t i = 0; i < SCENARIO_COUNT; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

bool bw_dev_scenario_exists(const char *name)
{
    return find(name) != NULL;
}

void bw_dev_scenarios_print(FILE *out)
{
    for (size_t i = 0; i < SCENARIO_COUNT; i++)
        (void)fprintf(out, "  %-14s%s\n", scenarios[i].name, scenarios[i].help);
}

/* ---- judging --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void fail(struct bw_dev_outcome *outcome,
                                                       const char *format, ...)
{
    va_list values;

    if (!outcome->is_ok)
        return; /* the first reason is the one worth reporting */
    outcome->is_ok = false;
    va_start(values, format);
    (void)vsnprintf(outcome->why_not, sizeof outcome->why_not, format, values);
    va_end(values);
}

static uint32_t count_runs(const struct bw_dev *dev)
{
    static const char *const words[] = {"start", "stop", "fence"};
    uint32_t count = 0;

    for (uint32_t site = 0; site < BW_DEV_SITES; site++)
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            count += bw_lab_count_lines(dev->sites[site].journal, words[i]);
    return count;
}

/* From the fault to the last record of whoever serves in the end. */
static bool find_outage(const struct run *run, const struct bw_judge *judge, const char *site,
                        struct bw_dev_outcome *outcome)
{
    uint64_t until_ns;

    return !bw_judge_served_until(judge, site, &until_ns) || until_ns <= run->fault_boot_ns ||
           bw_judge_gap_us(judge, run->fault_boot_ns, until_ns, &outcome->outage_us) == BW_OK;
}

static void judge_move(const struct run *run, const struct bw_judge *judge,
                       struct bw_dev_outcome *outcome)
{
    struct bw_timeline *timeline = &outcome->timeline;
    const char *other = run->dev->sites[run->other].name;
    uint64_t at_ns;

    if (bw_judge_served_until(judge, run->dev->sites[run->old].name, &at_ns))
        bw_timeline_set(timeline, BW_PHASE_OF_MOVE_LAST_BEAT, at_ns);
    if (bw_judge_serves_after(judge, other, run->fault_boot_ns, &at_ns))
        bw_timeline_set(timeline, BW_PHASE_OF_MOVE_SERVING, at_ns);
    else
        fail(outcome, "%s never served", other);
}

static void judge_records(const struct run *run, const struct scenario *scenario,
                          const struct bw_judge *judge, struct bw_dev_outcome *outcome)
{
    const uint64_t two_leases_ns = 2 * bw_ms_to_ns((uint64_t)run->dev->plan.timings.lease_ttl_ms);
    const uint32_t server = scenario->ending == ENDS_UNCHANGED ? run->old : run->other;
    bool epochs_grow = false;
    uint64_t at_ns;

    outcome->beat_count = judge->beat_count;
    if (!find_outage(run, judge, run->dev->sites[server].name, outcome) ||
        bw_judge_epochs_grow(judge, &epochs_grow) != BW_OK)
        fail(outcome, "out of memory");
    if (outcome->overlap_us > 0) {
        outcome->is_ok = true; /* whatever failed before matters less */
        fail(outcome, "two sites served at once for %" PRIu64 " us", outcome->overlap_us);
    }
    if (!epochs_grow)
        fail(outcome, "a service of a lower epoch began after one of a higher");
    if (scenario->ending != ENDS_UNCHANGED)
        judge_move(run, judge, outcome);
    else if (!bw_judge_serves_after(judge, run->dev->sites[run->old].name,
                                    run->fault_boot_ns + two_leases_ns, &at_ns))
        fail(outcome, "%s did not go on serving", run->dev->sites[run->old].name);
}

static enum bw_err judge(const struct run *run, const struct scenario *scenario,
                         struct bw_dev_outcome *outcome, struct bw_diag *diag)
{
    struct bw_judge records;
    enum bw_err err;

    bw_judge_init(&records);
    err = bw_judge_add_dir(&records, run->dev->records_dir, diag);
    if (err == BW_OK && bw_judge_overlap_us(&records, &outcome->overlap_us) != BW_OK)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "judge the records: out of memory");
    if (err == BW_OK)
        judge_records(run, scenario, &records, outcome);
    bw_judge_deinit(&records);
    return err;
}

/* The lease ended one TTL after its last renewal was sent, or before, if the agent says so: without
 * its guard it counts from what the guard had acknowledged. An agent that was killed or frozen says
 * nothing, or too late. A planned move ends no lease. */
static void set_lapse(const struct run *run, enum ending ending, struct bw_timeline *timeline)
{
    const uint64_t ttl_ns = bw_ms_to_ns((uint64_t)run->dev->plan.timings.lease_ttl_ms);
    const uint64_t end_ns = timeline->boot_ns[BW_PHASE_OF_MOVE_LAST_RENEWAL] + ttl_ns;

    if (ending == ENDS_MOVED) {
        timeline->is_known[BW_PHASE_OF_MOVE_LAPSE] = false;
        timeline->is_known[BW_PHASE_OF_MOVE_LAST_RENEWAL] = false;
        return;
    }
    if (timeline->is_known[BW_PHASE_OF_MOVE_LAST_RENEWAL] &&
        (!timeline->is_known[BW_PHASE_OF_MOVE_LAPSE] ||
         timeline->boot_ns[BW_PHASE_OF_MOVE_LAPSE] > end_ns))
        bw_timeline_set(timeline, BW_PHASE_OF_MOVE_LAPSE, end_ns);
}

static enum bw_err read_logs(const struct run *run, enum ending ending,
                             struct bw_timeline *timeline, struct bw_diag *diag)
{
    struct bw_dev *dev = run->dev;
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++)
        err = bw_timeline_take_file(timeline, BW_TIMELINE_WITNESS,
                                    bw_dev_process(dev, BW_LAB_WITNESS, i)->log, diag);
    if (err == BW_OK)
        err = bw_timeline_take_file(timeline, BW_TIMELINE_OLD_AGENT,
                                    bw_dev_process(dev, BW_LAB_AGENT, run->old)->log, diag);
    if (err == BW_OK)
        err = bw_timeline_take_file(timeline, BW_TIMELINE_NEW_AGENT,
                                    bw_dev_process(dev, BW_LAB_AGENT, run->other)->log, diag);
    if (err == BW_OK)
        set_lapse(run, ending, timeline);
    return err;
}

/* ---- one run --------------------------------------------------------------------------------- */

static void note_processes(struct bw_dev *dev, struct bw_dev_outcome *outcome)
{
    bw_dev_measure(dev);
    for (uint32_t i = 0; i < BW_DEV_PROCESSES; i++) {
        outcome->processes[i].role = dev->processes[i].role;
        outcome->processes[i].rss_anon_kib = dev->processes[i].rss_anon_kib;
        memcpy(outcome->processes[i].name, dev->processes[i].name,
               sizeof outcome->processes[i].name);
    }
}

/* Where to look when it went wrong. */
static void explain_failure(struct bw_dev *dev, const struct bw_diag *diag,
                            struct bw_dev_outcome *outcome)
{
    fail(outcome, "%s; phase %s, holder %s; see the logs in %s", diag->text,
         dev->view.phase[0] == '\0' ? "unknown" : dev->view.phase,
         dev->view.holder[0] == '\0' ? "none" : dev->view.holder, dev->dir);
}

enum bw_err bw_dev_scenario_run(struct bw_dev *dev, const char *name,
                                struct bw_dev_outcome *out_outcome, struct bw_diag *diag)
{
    const struct scenario *scenario = find(name);
    const int holder = bw_dev_find_site(dev, dev->view.holder);
    struct run run = {.dev = dev, .before = dev->view, .old_epoch = dev->view.epoch};
    const uint32_t runs_before = count_runs(dev);
    enum bw_err err;

    if (scenario == NULL || holder < 0)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "no such scenario, or no site serves");
    run.old = (uint32_t)holder;
    run.other = 1 - run.old;
    *out_outcome = (struct bw_dev_outcome){.is_ok = true};
    note_processes(dev, out_outcome);
    err = scenario->run(&run, diag);
    if (err == BW_ERR_CANCELED)
        return err;
    if (err != BW_OK)
        explain_failure(dev, diag, out_outcome);
    if (scenario->ending == ENDS_UNCHANGED && count_runs(dev) != runs_before)
        fail(out_outcome, "a start, stop or fence script ran; see the journals in %s", dev->dir);
    out_outcome->timeline = (struct bw_timeline){
        .old_epoch = run.old_epoch,
        .new_epoch = dev->view.epoch > run.old_epoch ? dev->view.epoch : run.old_epoch + 1,
        .origin = scenario->ending == ENDS_ELSEWHERE ? BW_PHASE_OF_MOVE_LAST_RENEWAL
                                                     : BW_PHASE_OF_MOVE_REQUEST};
    if (scenario->ending == ENDS_MOVED)
        bw_timeline_set(&out_outcome->timeline, BW_PHASE_OF_MOVE_REQUEST, run.fault_boot_ns);
    bw_dev_end_all(dev); /* so that the records are whole */
    err = judge(&run, scenario, out_outcome, diag);
    if (err == BW_OK && scenario->ending != ENDS_UNCHANGED)
        err = read_logs(&run, scenario->ending, &out_outcome->timeline, diag);
    return err;
}
