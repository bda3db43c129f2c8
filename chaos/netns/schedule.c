/* schedule.c - one stretch of faults after another, each followed by calm. */
#include "schedule.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/instant.h>

#include "postgres.h"
#include "ways.h"

#define TURN_MS        50  /* conditions are looked at this often */
#define ASK_MS         300 /* the witnesses are, while waiting */
#define ASK_LIMIT_MS   3000
#define STATUS_BYTES   (64 * 1024)
#define BEGIN_LIMIT_MS 120000
/* Of the bound: what starting processes and scripts may take on a machine that does other things
 * too; the programs may be built with sanitizers. */
#define LOAD_MS 15000
/* A server that starts and is promoted; one that is rewound and follows again. */
#define SERVER_START_MS  10000
#define SERVER_FOLLOW_MS 60000
#define MOVE_LEASES_MAX  8  /* after so many a move that is measured is given up */
#define MOVE_LEASES_LONG 5  /* and after so many it is said what it waits for */
#define SLOW_FENCE_S     UINT64_C(60) /* no candidate for so long, and twice that the next time */
#define SLOW_ROUNDS_MAX  7            /* up to about an hour */
#define TRIPS            40 /* round trips of the weather in that time, of them some for what was lost */
#define ALONE_ELECTIONS  4
#define ALONE_TRIPS      10 /* dials, handshakes, orders, proofs */
#define ALONE_LOAD_MS    2000
#define ELECTIONS        10 /* timeouts until one of three is elected, split votes included */

/* ---- what the witnesses say: for waiting, and for the bound; never for the verdict ----------- */

struct view {
    bool is_settled;   /* every group is held, every other site could take over */
    bool is_fence_slow; /* a site is no candidate, since its last fence took longer than F */
    char why_not[128]; /* the first thing that is not as it should be; "": all is */
    uint64_t epochs[BW_LAB_GROUPS_MAX];
};

static void unsettle(struct view *view, const char *group, const char *site, const char *what,
                     const json_t *ids)
{
    char *list = ids == NULL ? NULL : json_dumps(ids, JSON_COMPACT);

    view->is_settled = false;
    if (view->why_not[0] == '\0')
        (void)snprintf(view->why_not, sizeof view->why_not, "%s at %s %s %s", group, site, what,
                       list == NULL ? "" : list); /* cut: for people */
    free(list);
}

static bool is_among(const json_t *ids, const char *id)
{
    const json_t *one;
    size_t i;

    json_array_foreach(ids, i, one)
    {
        if (strcmp(json_string_value(one), id) == 0)
            return true;
    }
    return false;
}

static void take_group(const struct bw_lab *lab, const json_t *group, struct view *view)
{
    const char *name = json_string_value(json_object_get(group, "name"));
    const json_t *holder = json_object_get(group, "holder");
    const bool ends_by_time = !json_is_false(json_object_get(json_object_get(group, "end"), "by_time"));
    const char *seen = json_string_value(json_object_get(json_object_get(group, "last"), "reach_seen"));
    const json_t *site;
    size_t i;

    for (uint32_t g = 0; g < lab->options->group_count; g++)
        if (name != NULL && strcmp(name, lab->groups[g]) == 0)
            view->epochs[g] = (uint64_t)json_integer_value(json_object_get(group, "epoch"));
    /* A holder that is lost before its first look is committed waits for a person, by design (3.4).
     */
    if (!ends_by_time && seen != NULL && strcmp(seen, "unseen") == 0)
        unsettle(view, name == NULL ? "" : name, "the holder", "is not seen to be within reach", NULL);
    if (!json_is_string(holder))
        unsettle(view, name == NULL ? "" : name, "any site", "is not held", NULL);
    json_array_foreach(json_object_get(group, "sites"), i, site)
    {
        const char *role = json_string_value(json_object_get(site, "role"));
        const bool is_primary = role != NULL && strcmp(role, "primary") == 0;

        if (is_among(json_object_get(site, "blocked_by"), "fence_too_slow"))
            view->is_fence_slow = true;
        if (!json_is_true(json_object_get(site, is_primary ? "serving" : "eligible")))
            unsettle(view, name == NULL ? "" : name,
                     json_string_value(json_object_get(site, "name")),
                     is_primary ? "is not serving" : "is not eligible",
                     json_object_get(site, "blocked_by"));
    }
}

static bool take_status(struct bw_lab *lab, int witness, struct view *view)
{
    static char text[STATUS_BYTES];
    char endpoint[BW_LAB_HOST_BYTES + 8];
    const char *words[6] = {"status", "-o", "json"};
    json_t *status;
    const json_t *groups;
    const json_t *one;
    size_t i;

    if (witness >= 0) {
        const struct bw_lab_witness *at = &lab->plan.witnesses[witness];

        (void)snprintf(endpoint, sizeof endpoint, "%s:%u", at->host, at->api_port);
        words[3] = "--endpoint";
        words[4] = endpoint;
    }
    (void)bw_lab_ask(lab, words, ASK_LIMIT_MS, text, sizeof text); /* 3 and 4 are answers too */
    status = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
    groups = json_object_get(status, "groups");
    view->is_settled = view->is_settled && json_array_size(groups) == lab->options->group_count;
    json_array_foreach(groups, i, one) take_group(lab, one, view);
    json_decref(status);
    return status != NULL;
}

/* Each group alone: while a witness writes the status of a thousand groups it does nothing else, and it refuses the next one. */
static bool take_groups(struct bw_lab *lab, uint32_t witness, struct view *view)
{
    bool is_answered = true;

    for (uint32_t i = 0; i < lab->options->group_count; i++) {
        char path[128];
        json_t *document;
        const json_t *group;

        (void)snprintf(path, sizeof path, "/v1/groups/%s", lab->groups[i]);
        document = bw_lab_fetch(lab, witness, path);
        group = json_object_get(document, "group");
        if (group != NULL)
            take_group(lab, group, view);
        is_answered = is_answered && group != NULL;
        json_decref(document);
    }
    view->is_settled = view->is_settled && is_answered;
    return is_answered;
}

/* `witness` -1: of the leader. False: nobody answered. */
static bool ask_at(struct bw_lab *lab, int witness, struct view *out_view)
{
    bool is_answered = false;

    *out_view = (struct view){.is_settled = true};
    if (!lab->has_more_groups)
        return take_status(lab, witness, out_view);
    if (witness >= 0)
        return take_groups(lab, (uint32_t)witness, out_view);
    for (uint32_t i = 0; i < BW_LAB_WITNESSES; i++)
        is_answered = take_groups(lab, i, out_view) || is_answered;
    return is_answered;
}

static bool ask(struct bw_lab *lab, struct view *out_view)
{
    return ask_at(lab, -1, out_view);
}

/* What keeps the leader from acting, by its own words. */
static void tell_what_holds(struct bw_lab *lab)
{
    static char text[STATUS_BYTES];

    for (uint32_t group = 0; group < lab->options->group_count; group++) {
        const char *const words[] = {"explain", lab->groups[group], NULL};
        char *rest = text;
        char *line;

        (void)bw_lab_ask(lab, words, ASK_LIMIT_MS, text, sizeof text); /* an error is told, too */
        while ((line = strsep(&rest, "\n")) != NULL)
            if (line[0] != '\0')
                bw_lab_say(lab, BW_LAB_NOTE, -1, -1, "    %s", line);
    }
}

/* It asked for a person, as one whose disk was lost: it answers nobody. */
static bool is_given_up(const struct bw_lab *lab, int witness)
{
    char name[16];

    (void)snprintf(name, sizeof name, "w%d", witness + 1);
    for (uint32_t i = 0; i < lab->process_count; i++)
        if (lab->processes[i].role == BW_LAB_WITNESS && strcmp(lab->processes[i].name, name) == 0)
            return lab->processes[i].is_given_up;
    return false;
}

/* Every witness sees it so: a lag counts by what a leader has itself heard, and the next one may
 * lead in a moment. */
static bool is_settled(struct bw_lab *lab, struct view *out_view)
{
    for (int i = 0; i < BW_LAB_WITNESSES; i++)
        if (!is_given_up(lab, i) && (!ask_at(lab, i, out_view) || !out_view->is_settled))
            return false;
    return true;
}

static bool all_served(const struct bw_lab *lab)
{
    for (uint32_t group = 0; group < lab->options->group_count; group++)
        if (bw_lab_find_holder(lab, group) < 0)
            return false;
    return true;
}

/* From then on what the witnesses say is of processes as they are now; UINT64_MAX: one is missing.
 */
static uint64_t fresh_from_ns(const struct bw_lab *lab, uint64_t calm_ns)
{
    const uint64_t fresh_ns = (3 * (uint64_t)lab->plan.timings.renew_interval_ms +
                               lab->plan.timings.request_timeout_ms) *
                              BW_NS_PER_MS;
    uint64_t from_ns = calm_ns;

    for (uint32_t i = 0; i < lab->process_count; i++) {
        const struct bw_lab_process *process = &lab->processes[i];

        if (process->pid == 0 && !process->is_given_up)
            return UINT64_MAX;
        if (process->started_ns > from_ns)
            from_ns = process->started_ns;
    }
    return from_ns + fresh_ns;
}

/* Turns until every group is served and settled; false: not before `until_ns`, and `out_why_not`
 * says what was last seen. */
static bool wait_settled(struct bw_lab *lab, uint64_t until_ns, char out_why_not[128])
{
    const uint64_t calm_ns = bw_lab_now_ns();
    uint64_t ask_at_ns = 0;

    (void)bw_copy_text(out_why_not, 128,
                       "a group is not served, or a process does not run"); /* fits */

    for (;;) {
        const uint64_t now_ns = bw_lab_now_ns();
        struct view view;

        if (now_ns >= until_ns)
            return false;
        if (all_served(lab) && now_ns >= ask_at_ns && now_ns >= fresh_from_ns(lab, calm_ns)) {
            if (is_settled(lab, &view))
                return true;
            (void)bw_copy_text(out_why_not, 128, view.why_not); /* of the same size */
            ask_at_ns = bw_lab_now_ns() + bw_ms_to_ns(ASK_MS);
        }
        bw_lab_turn(lab, bw_lab_now_ns() + bw_ms_to_ns(TURN_MS));
    }
}

/* ---- beginning ------------------------------------------------------------------------------- */

static enum bw_err start_role(struct bw_lab *lab, enum bw_lab_role role, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < lab->process_count && err == BW_OK; i++)
        if (lab->processes[i].role == role)
            err = bw_lab_start(lab, &lab->processes[i], diag);
    return err;
}

/* A cluster without a leader refuses; it has one soon. */
static enum bw_err apply(struct bw_lab *lab, uint64_t until_ns, struct bw_diag *diag)
{
    enum bw_err err;

    do {
        err = bw_lab_apply(lab, diag);
        if (err != BW_OK)
            bw_lab_turn(lab, bw_lab_now_ns() + bw_ms_to_ns(TURN_MS));
    } while (err != BW_OK && bw_lab_now_ns() < until_ns);
    return err;
}

enum bw_err bw_run_begin(struct bw_run *run, struct bw_lab *lab, struct bw_diag *diag)
{
    uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(BEGIN_LIMIT_MS);
    char why_not[128];
    enum bw_err err;

    *run = (struct bw_run){.lab = lab,
                           .rounds = calloc(BW_ROUNDS_MAX, sizeof *run->rounds),
                           .known_leader = -1};
    if (run->rounds == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    err = bw_name_server_start(lab, diag);
    if (err == BW_OK)
        err = start_role(lab, BW_LAB_WITNESS, diag);
    if (err == BW_OK)
        err = apply(lab, until_ns, diag);
    if (err == BW_OK && lab->options->is_postgres)
        err = bw_postgres_make_servers(lab, diag);
    until_ns = bw_lab_now_ns() + bw_ms_to_ns(BEGIN_LIMIT_MS); /* each step of the servers has a limit of its own */
    if (err == BW_OK)
        err = start_role(lab, BW_LAB_GUARD, diag);
    if (err == BW_OK)
        err = start_role(lab, BW_LAB_AGENT, diag);
    if (err == BW_OK && lab->options->is_postgres)
        err = bw_postgres_start_clients(lab, diag);
    if (err == BW_OK && !wait_settled(lab, until_ns, why_not))
        err = bw_diag_set(diag, BW_ERR_TIMEOUT,
                          "waited %d s for every group to be served and every other site ready: %s",
                          BEGIN_LIMIT_MS / 1000, why_not);
    run->served_ns = bw_lab_now_ns();
    if (err == BW_OK)
        bw_lab_say(lab, BW_LAB_NOTE, -1, -1, "every group is served, the others could take over");
    return err;
}

enum bw_err bw_run_count(struct bw_run *run, struct bw_diag *diag)
{
    if (!run->lab->options->is_postgres)
        return BW_OK;
    bw_postgres_stop_clients(run->lab);
    return bw_postgres_count_lost(run->lab, &run->acknowledged_count, &run->lost_count, diag);
}

void bw_run_arm_crash(struct bw_run *run, enum bw_lab_role role, const char *point)
{
    struct bw_lab *lab = run->lab;
    bool is_waiting = true;

    for (uint32_t i = 0; i < lab->process_count; i++) {
        struct bw_lab_process *process = &lab->processes[i];

        if (process->role != role)
            continue;
        (void)bw_copy_text(process->next_crash_at, sizeof process->next_crash_at, point);
        bw_lab_kill(lab, process);
    }
    while (is_waiting) { /* a supervisor's pause, no longer */
        bw_lab_turn(lab, bw_lab_now_ns() + bw_ms_to_ns(TURN_MS));
        is_waiting = false;
        for (uint32_t i = 0; i < lab->process_count; i++)
            is_waiting = is_waiting || lab->processes[i].next_crash_at[0] != '\0';
    }
}

void bw_run_end(struct bw_run *run)
{
    free(run->rounds);
    run->rounds = NULL;
}

/* ---- one step -------------------------------------------------------------------------------- */

static uint32_t any_other(uint32_t node, uint32_t from, uint32_t count)
{
    return node == from && count > 1 ? from + 1 : from;
}

/* Where nobody serves or leads just then, the first site and the first witness stand for it. */
static void find_place(struct bw_lab *lab, int known_leader, const struct bw_step *step,
                       uint32_t *out_node, uint32_t *out_peer)
{
    const bool wants_leader = step->target == BW_STEP_LEADER || step->target == BW_STEP_FOLLOWER ||
                              step->target == BW_STEP_HOLDER_AND_LEADER ||
                              step->target == BW_STEP_LEADER_AND_HOLDER ||
                              step->target == BW_STEP_LEADER_AND_FOLLOWER;
    const int site = bw_lab_find_holder(lab, 0);
    const int leader = known_leader >= 0 || !wants_leader ? known_leader : bw_lab_find_leader(lab);
    const uint32_t holder = bw_lab_site_node(site < 0 ? 0 : (uint32_t)site);
    const uint32_t first = leader < 0 ? 0 : (uint32_t)leader;

    *out_node = step->node;
    *out_peer = step->peer;
    switch (step->target) {
    case BW_STEP_NODE:
        return;
    case BW_STEP_HOLDER:
        *out_node = holder;
        return;
    case BW_STEP_STANDBY:
        *out_node = any_other(holder, BW_LAB_WITNESSES, lab->options->site_count);
        return;
    case BW_STEP_LEADER:
        *out_node = first;
        return;
    case BW_STEP_FOLLOWER:
        *out_node = any_other(first, 0, BW_LAB_WITNESSES);
        return;
    case BW_STEP_HOLDER_AND_LEADER:
        *out_node = holder;
        *out_peer = first;
        return;
    case BW_STEP_LEADER_AND_HOLDER:
        *out_node = first;
        *out_peer = holder;
        return;
    case BW_STEP_HOLDER_AND_STANDBY:
        *out_node = holder;
        *out_peer = any_other(holder, BW_LAB_WITNESSES, lab->options->site_count);
        return;
    case BW_STEP_LEADER_AND_FOLLOWER:
        *out_node = first;
        *out_peer = any_other(first, 0, BW_LAB_WITNESSES);
        return;
    }
}

static enum bw_err begin_step(struct bw_run *run, const struct bw_step *step, struct bw_diag *diag)
{
    struct bw_lab *lab = run->lab;
    const struct bw_fault *kind = bw_fault_find(step->fault);
    const uint64_t length_ns = bw_ms_to_ns(lab->plan.timings.lease_ttl_ms) * step->length_percent /
                               100;
    const char *why_not;
    uint32_t node;
    uint32_t peer;

    BW_ASSERT(kind != NULL);
    why_not = bw_fault_why_not(lab, kind);
    if (why_not != NULL) {
        run->left_out_count++; /* of a campaign: a scenario is not begun without them */
        bw_lab_say(lab, BW_LAB_NOTE, -1, -1, "left out: %s: %s", kind->name, why_not);
        return BW_OK;
    }
    find_place(lab, run->known_leader, step, &node, &peer);
    return bw_fault_begin(lab, &run->faults, kind, node, peer, bw_lab_now_ns() + length_ns, diag);
}

/* ---- one round ------------------------------------------------------------------------------- */

static bool is_any_on(const struct bw_faults *faults)
{
    for (uint32_t i = 0; i < BW_LAB_FAULTS_MAX; i++)
        if (faults->list[i].kind != NULL)
            return true;
    return false;
}

/* When a step begins; UINT64_MAX: not known yet. */
static uint64_t due_ns_of(const struct bw_lab *lab, const struct bw_round *round,
                          const struct bw_step *step)
{
    const uint64_t from_ns = step->is_after_stop ? round->stop_begun_ns : round->begun_ns;

    if (step->is_after_stop && from_ns == 0)
        return UINT64_MAX;
    return from_ns + step->at_percent * (bw_ms_to_ns(lab->plan.timings.lease_ttl_ms) / 100);
}

/* Once, while the faults that it waits for are on. */
static void look_at_length(struct bw_run *run, struct bw_round *round)
{
    const struct bw_lab *lab = run->lab;
    const uint64_t long_ns = bw_ms_to_ns(MOVE_LEASES_LONG * lab->plan.timings.lease_ttl_ms);

    if (round->is_logged || round->moved_ns != 0 || bw_lab_now_ns() < round->begun_ns + long_ns)
        return;
    round->is_logged = true;
    bw_lab_say(run->lab, BW_LAB_NOTE, -1, -1,
               "no other site serves after %d leases; the leader says:", MOVE_LEASES_LONG);
    tell_what_holds(run->lab);
}

/* What a round that measures waits for. Its faults end once another site serves. */
static void look_at_service(struct bw_run *run, struct bw_round *round, int first_holder,
                            bool are_all_begun)
{
    const int holder = bw_lab_find_holder(run->lab, 0);

    if (round->stop_begun_ns == 0 && bw_lab_count_stops(run->lab) > round->stops_before)
        round->stop_begun_ns = bw_lab_now_ns();
    if (round->moved_ns == 0 && holder >= 0 && holder != first_holder)
        round->moved_ns = bw_lab_now_ns();
    look_at_length(run, round);
    for (uint32_t i = 0; are_all_begun && round->moved_ns != 0 && i < BW_LAB_FAULTS_MAX; i++)
        run->faults.list[i].end_at_ns = 0; /* of those that are on */
}

/* A planned move needs no fault: it is waited for, too. */
static bool is_awaited(const struct bw_lab *lab, const struct bw_round *round)
{
    return round->measured != NULL && round->moved_ns == 0 &&
           bw_lab_now_ns() < round->begun_ns + MOVE_LEASES_MAX * lab->plan.timings.lease_ttl_ms *
                                                   BW_NS_PER_MS;
}

static enum bw_err run_steps(struct bw_run *run, const struct bw_step *steps,
                             struct bw_round *round, struct bw_diag *diag)
{
    struct bw_lab *lab = run->lab;
    const int first_holder = bw_lab_find_holder(lab, 0);
    uint32_t next = 0;
    enum bw_err err = BW_OK;

    for (;;) {
        const bool are_all_begun = next == BW_SCHEDULE_STEPS_MAX || steps[next].fault == NULL;

        if (err != BW_OK ||
            (are_all_begun && !is_any_on(&run->faults) && !is_awaited(lab, round)))
            return err;
        if (!are_all_begun && steps[next].is_after_stop && round->stop_begun_ns == 0 &&
            !is_any_on(&run->faults))
            return bw_diag_set(diag, BW_ERR_TIMEOUT, "no stop script began in the round");
        err = bw_fault_end_due(lab, &run->faults, bw_lab_now_ns(), diag);
        bw_fault_turn(lab, &run->faults);
        for (; err == BW_OK && next < BW_SCHEDULE_STEPS_MAX && steps[next].fault != NULL &&
               due_ns_of(lab, round, &steps[next]) <= bw_lab_now_ns();
             next++)
            err = begin_step(run, &steps[next], diag);
        if (round->measured != NULL)
            look_at_service(run, round, first_holder,
                            next == BW_SCHEDULE_STEPS_MAX || steps[next].fault == NULL);
        bw_lab_turn(lab, bw_lab_now_ns() + bw_ms_to_ns(TURN_MS / 5));
    }
}

/* From calm until a group is served again, at most (design 3.3, 4): daemons are started and greet
 * each other, a leader is elected and hears every site anew, the lease of a holder that never comes
 * back runs out, a start that hung when its fault was over is killed in its time, and starts that
 * failed are not tried again at once. */
static uint64_t bound_ns_of(const struct bw_lab *lab, uint32_t unserved_epochs, bool may_start_hang)
{
    const struct bw_lab_timings *t = &lab->plan.timings;
    const uint64_t lease_ms = (uint64_t)t->lease_ttl_ms * 1001 / 999 + t->margin_ms;
    const uint32_t doubled = unserved_epochs < 12 ? unserved_epochs : 12;
    const uint64_t script_s = lab->options->is_postgres ? BW_POSTGRES_SCRIPT_S : BW_LAB_SCRIPT_S;

    return (BW_LAB_RESTART_MS + (uint64_t)ELECTIONS * t->election_timeout_ms +
            2 * (uint64_t)t->renew_interval_ms + t->request_timeout_ms + lease_ms +
            t->check_interval_ms + ((uint64_t)t->retry_backoff_ms << doubled) + LOAD_MS +
            TRIPS * (uint64_t)bw_lab_trip_ms(lab) +
            (may_start_hang ? script_s * 1000 : 0) +
            (lab->options->is_postgres ? SERVER_START_MS : 0)) *
           BW_NS_PER_MS;
}

/* One that has begun hangs on when the fault is over. */
static bool may_start_hang_in(const struct bw_step *steps)
{
    for (uint32_t i = 0; i < BW_SCHEDULE_STEPS_MAX && steps[i].fault != NULL; i++)
        if (strcmp(steps[i].fault, "start-hangs") == 0)
            return true;
    return false;
}

/* A site whose fence was slower than F is no candidate for a minute, the next time for two (3.8): a
 * disk that hangs, or a machine that has no time, makes it so. Where that holds a group back when
 * the bound is over, the bound is longer by it. */
static uint64_t slow_fence_ns(struct bw_run *run)
{
    struct view view;

    if (!ask(run->lab, &view) || !view.is_fence_slow)
        return 0;
    run->slow_round_count += run->slow_round_count < SLOW_ROUNDS_MAX;
    return (SLOW_FENCE_S << (run->slow_round_count - 1)) * BW_NS_PER_S;
}

static void lengthen(struct bw_lab *lab, struct bw_round *round, uint64_t more_ns)
{
    for (uint32_t group = 0; group < lab->options->group_count; group++)
        round->bound_ns[group] += more_ns;
    bw_lab_say(lab, BW_LAB_NOTE, -1, -1,
               "a fence took too long: %.0f s more until its site is a candidate again",
               (double)more_ns / (double)BW_NS_PER_S);
}

/* One fault alone costs the lease at most, and what finds that out and starts the service elsewhere: an election, and the
 * looks and messages on the way. A machine that does other things too may stand still for a moment. */
static uint64_t alone_most_ns_of(const struct bw_lab *lab)
{
    const struct bw_lab_timings *t = &lab->plan.timings;

    return ((uint64_t)t->lease_ttl_ms * 1001 / 999 + t->margin_ms + ALONE_ELECTIONS * (uint64_t)t->election_timeout_ms +
            2 * (uint64_t)t->renew_interval_ms + t->request_timeout_ms + t->check_interval_ms +
            ALONE_TRIPS * (uint64_t)bw_lab_trip_ms(lab) + ALONE_LOAD_MS) *
           BW_NS_PER_MS;
}

enum bw_err bw_run_round(struct bw_run *run, const struct bw_step *steps, bool is_random, struct bw_diag *diag)
{
    struct bw_lab *lab = run->lab;
    struct bw_round *round = &run->rounds[run->round_count];
    struct view before;
    struct view after = {0};
    uint64_t most_ns = 0;
    uint64_t more_ns;
    char why_not[128];
    enum bw_err err;

    BW_ASSERT(run->round_count < BW_ROUNDS_MAX);
    (void)ask(lab, &before); /* silence: then every epoch counts as unserved, a longer bound */
    run->round_count++;
    round->begun_ns = bw_lab_now_ns();
    if (is_random && steps[1].fault == NULL)
        round->alone = bw_fault_find(steps[0].fault);
    round->alone_most_ns = alone_most_ns_of(lab);
    err = run_steps(run, steps, round, diag);
    if (err != BW_OK)
        return err;
    round->calm_ns = bw_lab_now_ns();
    (void)ask(lab, &after);
    for (uint32_t group = 0; group < lab->options->group_count; group++) {
        const uint64_t epochs = after.epochs[group] > before.epochs[group]
                                    ? after.epochs[group] - before.epochs[group]
                                    : 0;

        round->bound_ns[group] = bound_ns_of(lab, epochs < UINT32_MAX ? (uint32_t)epochs : 0,
                                             may_start_hang_in(steps));
        most_ns = round->bound_ns[group] > most_ns ? round->bound_ns[group] : most_ns;
    }
    if (lab->options->is_postgres)
        most_ns += bw_ms_to_ns(SERVER_FOLLOW_MS);
    round->is_settled = wait_settled(lab, round->calm_ns + most_ns, why_not);
    more_ns = round->is_settled ? 0 : slow_fence_ns(run);
    if (more_ns > 0) {
        lengthen(lab, round, more_ns);
        most_ns += more_ns;
        round->is_settled = wait_settled(lab, round->calm_ns + most_ns, why_not);
    }
    if (!round->is_settled) {
        bw_lab_say(lab, BW_LAB_NOTE, -1, -1, "not settled %.1f s after the last fault: %s",
                   (double)most_ns / (double)BW_NS_PER_S, why_not);
        tell_what_holds(lab);
    }
    round->end_ns = bw_lab_now_ns();
    run->end_ns = round->end_ns;
    return BW_OK;
}
