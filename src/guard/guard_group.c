/* One group of the site: its machine, and everything of it that can be ended. */
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/process_tree.h>

/* How long the start of a guard waits, in all, for what its predecessor left to die. */
#define LEFT_BEHIND_NS (2 * BW_NS_PER_S)
#define LOOK_PAUSE_NS  5000000
/* How soon it is noticed that systemd starts a unit again by itself (Restart= was changed). */
#define LOOK_AGAIN_NS (5 * BW_NS_PER_S)

/* ---- what it is told once ------------------------------------------------------------------ */

static void get_limits(const struct bw_group_config *config, struct bw_guard_limits *out_limits)
{
    *out_limits = (struct bw_guard_limits){
        .kill_grace_ns = bw_ms_to_ns(config->kill_grace_ms),
        .reach = config->enforce,
        .digest = config->digest,
        .has_point = bw_group_config_has_point(config),
        .loop_delay_ns = bw_group_config_loop_delay_ns(config),
    };
    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        out_limits->has_script[action] = bw_group_config_has(config, action);
        out_limits->timeout_ns[action] = bw_ms_to_ns(config->timeout_ms[action]);
    }
}

/* 3.4: what a KILL was proved to end is what these scripts start. */
static void tell_voided(const struct bw_guard_group *group)
{
    bw_log_warn(&group->program->log, "reach.proof", "group=%s does=\"%s\" next=%s", group->config->name,
                "what was read again voids the proof: if this site is lost as primary, an operator has to act",
                "\"breakwater prove GROUP, at the primary, restarts the service once\"");
}

void bw_guard_group_configure(struct bw_guard_group *group, const struct bw_group_config *config)
{
    const bool was_proved = bw_guard_sight(&group->machine).proved;
    struct bw_guard_limits limits;

    group->config = config;
    get_limits(config, &limits);
    if (was_proved && limits.digest != group->machine.limits.digest)
        tell_voided(group);
    bw_guarded_configure(&group->program->machine, &group->at, &limits);
    for (int action = 0; action < BW_ACTION_COUNT; action++)
        group->has_warned_shell[action] = false;
    bw_guard_reach_keep(group);
    free(group->left);
    group->left = NULL;
}

bool bw_guard_group_may_part(const struct bw_guard_group *group)
{
    return group->left != NULL || group->is_reach_kept;
}

void bw_guard_group_part(struct bw_guard_group *group)
{
    if (group->left == NULL)
        group->left = bw_guard_reach_copy_config(group);
    BW_ASSERT(group->left != NULL); /* it was encoded here */
    group->config = group->left;
}

/* ---- what a predecessor left running (3.4: ends what ran) ---------------------------------- */

static bool is_alive(const struct bw_guard_child *child)
{
    struct bw_process process;

    return child->action != BW_ACTION_NONE &&
           bw_process_read(child->pid, &process, NULL) == BW_OK &&
           process.start_ticks == child->start_time && !process.is_dead;
}

/* A script that has ended leaves nothing but the service. One that still runs is ended with all
 * that it started; status then says whether that was the service. So is what a start by steps has
 * left whose process is gone, and nobody has seen why: killed, its steps run on (5.1). A remote fence begins and ends
 * nothing here (3.3), where a standby may serve: it ends alone. */
static bool ends_started(const struct bw_guard_child *action, const struct bw_guard_files *files)
{
    return (is_alive(action) && action->action != BW_ACTION_REMOTE_FENCE) || files->has_broken_start;
}

/* One round of KILL. True: nothing is left of them. */
static bool end_round(struct bw_guard_group *group, const struct bw_guard_mirror *mirror,
                      bool with_started)
{
    bool is_gone = true;

    for (int slot = 0; slot < BW_REACH_SLOTS; slot++) {
        bool is_empty = false;

        if (slot == BW_REACH_SERVICE && !with_started)
            continue;
        if (bw_reach_is_empty(&group->reach, (enum bw_reach_slot)slot, &is_empty, NULL) == BW_OK &&
            is_empty)
            continue;
        is_gone = false;
        (void)!bw_reach_signal(&group->reach, (enum bw_reach_slot)slot, SIGKILL, NULL); /* again */
    }
    for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++) {
        const struct bw_guard_child *child = &mirror->children[slot];

        if (!is_alive(child))
            continue;
        is_gone = false;
        (void)!bw_process_signal(child->pid, child->start_time, SIGKILL,
                                 NULL); /* looked at again */
    }
    return is_gone;
}

/* A start that is ended here may be gone on with (5.1, steps). */
static void note_interrupted(struct bw_guard_group *group, const struct bw_guard_mirror *mirror)
{
    const struct bw_guard_child *action = &mirror->children[BW_GUARD_SLOT_ACTION];

    if (action->action == BW_ACTION_START)
        group->interrupted = (struct bw_steps_interrupted){
            .epoch = action->epoch, .run = bw_steps_run_id(action->pid, action->start_time)};
}

/* Blocks, normally for some milliseconds. */
static void end_left_behind(struct bw_guard_group *group, const struct bw_guard_files *files)
{
    const struct bw_guard_mirror *mirror = &files->found.mirror;
    const struct timespec pause = {.tv_nsec = LOOK_PAUSE_NS};
    struct bw_instant *until = &group->program->left_behind_until;
    struct bw_instant limit;
    const struct bw_guard_child *action = &mirror->children[BW_GUARD_SLOT_ACTION];
    const bool with_started = ends_started(action, files);

    if (until->boot_ns == 0) /* of the first group; all others have what is left of it */
        *until = bw_instant_add(bw_clock_now(), LEFT_BEHIND_NS);
    limit = *until;
    if (with_started || is_alive(action))
        bw_log_warn(&group->program->log, "run.left_behind",
                    "group=%s epoch=%" PRIu64 " action=%s pid=%d does=\"%s\"", group->config->name,
                    action->epoch, bw_action_word(action->action), (int)action->pid,
                    is_alive(action)
                        ? "it is ended"
                        : "it is gone, and was not seen to be done: what it left is ended");
    if (mirror->armed_epoch != 0) /* a deadline waits for nobody */
        limit = bw_instant_min(limit, bw_instant_sub(mirror->armed_end, mirror->fence_ns));
    while (!end_round(group, mirror, with_started)) {
        if (bw_instant_right_is_over(bw_clock_now(), limit)) {
            bw_log_error(&group->program->log, "script.unkillable",
                         "group=%s does=\"goes on; the fence will meet it\"", group->config->name);
            return;
        }
        (void)nanosleep(&pause, NULL); /* a shorter pause only looks sooner */
    }
}

/* ---- open ---------------------------------------------------------------------------------- */

static void say_found(const struct bw_guard_group *group, const struct bw_guard_files *files,
                      const struct bw_guarded_start *start)
{
    struct bw_log *log = &group->program->log;
    const char *name = group->config->name;
    const uint64_t armed_epoch = files->found.mirror.armed_epoch;

    if (start->is_damaged)
        bw_log_error(log, "state.damaged", "group=%s error=%s", name,
                     bw_log_quote(files->memory_diag.text));
    if (start->is_mirror_unreadable)
        bw_log_warn(log, "deadline_file.read_failed",
                    "group=%s error=%s does=\"goes on without; what serves is fenced\"", name,
                    bw_log_quote(files->mirror_diag.text));
    if (start->is_foreign)
        bw_log_error(
            log, "mirror.foreign",
            "group=%s epoch=%" PRIu64 " error=\"another cluster's guard armed it, and is gone\" "
            "does=\"enforces it to its deadline, then forgets it; no agent hears of the group "
            "before\"",
            name, armed_epoch);
    if (start->is_lost)
        bw_log_error(log, "state.lost",
                     "group=%s epoch=%" PRIu64 " does=\"%s is younger than the mirror: epoch and "
                     "deadline are taken from the mirror\"",
                     name, armed_epoch, group->program->store.state_path);
    bw_log_info(log, "group.loaded",
                "group=%s new=%s seen_epoch=%" PRIu64 " ended_epoch=%" PRIu64
                " enforced=%s armed_epoch=%" PRIu64,
                name, start->is_new ? "yes" : "no", start->memory.epoch_seen,
                start->memory.ended_epoch, start->memory.enforced ? "yes" : "no", armed_epoch);
}

static enum bw_err load(struct bw_guard_group *group, const struct bw_guard_files *files,
                        bool is_kept, struct bw_guarded_start *out_start, struct bw_diag *diag)
{
    const enum bw_err err = bw_guarded_begin(&group->program->machine, &group->at, &files->found,
                                             is_kept, out_start);

    if (err != BW_OK)
        *diag = files->memory_diag;
    else
        say_found(group, files, out_start);
    return err;
}

static void reach_killed(struct bw_guard_group *group, enum bw_err err, const struct bw_diag *diag)
{
    if (err != BW_OK)
        bw_log_error(&group->program->log, "reach.kill_failed",
                     "group=%s error=%s does=\"the fence counts as failed and is tried again\"",
                     group->config->name, bw_log_quote(diag->text));
    bw_guard_machine_on_reach_killed(&group->program->machine, &group->at, err == BW_OK,
                                     bw_clock_now());
    bw_guard_go_on(group->program, false);
}

static void on_killed(struct bw_reach_kill *kill, enum bw_err err, const struct bw_diag *diag,
                      void *user)
{
    struct bw_guard_group *group = user;

    struct bw_diag none = {0};

    (void)kill;
    if (err != BW_OK || group->config->unit_count == 0)
        reach_killed(group, err, diag);
    else if (group->unit_reach != NULL) /* they were killed before; now they must be seen */
        bw_unit_reach_kill(group->unit_reach);
    else
        reach_killed(group, bw_diag_set(&none, BW_ERR_UNKNOWN, "its units cannot be seen"), &none);
}

void bw_guard_group_kill_reach(struct bw_guard_group *group)
{
    struct bw_diag diag = {0};

    if (group->unit_reach != NULL && bw_units_kill_now(&group->unit_reach->units, &diag) != BW_OK)
        bw_log_warn(&group->program->log, "units.kill_failed",
                    "group=%s error=%s does=\"tries again\"", group->config->name,
                    bw_log_quote(diag.text));
    if (group->unit_reach != NULL)
        group->unit_reach->is_killing = false; /* one that is under way says nothing of this one */
    bw_reach_kill_start(&group->kill, BW_REACH_SERVED);
}

/* ---- its units ------------------------------------------------------------------------------- */

static void set_proved(struct bw_guard_group *group)
{
    const bool is_proved = bw_guard_reach_works(
        group->is_reach_proved, group->config->unit_count > 0, group->are_units_seen);

    if (is_proved && !group->machine.limits.reach_works)
        bw_log_info(&group->program->log, "reach.works", "group=%s by=%s units=%u",
                    group->config->name,
                    group->reach.means == BW_REACH_BY_CGROUP ? "cgroup" : "scan",
                    (unsigned)group->config->unit_count);
    group->machine.limits.reach_works = is_proved;
}

/* Once, until it is mended. */
static void warn_of_restarts(struct bw_guard_group *group)
{
    const struct bw_unit *unit = bw_units_that_comes_again(&group->unit_reach->units);

    if (unit != NULL && !group->has_warned_restart)
        bw_log_error(
            &group->program->log, "units.come_again",
            "group=%s unit=%s why=%s does=\"%s starts it again after its end, so it counts "
            "as outside of the reach: time alone hands nothing over\" next=%s",
            group->config->name, unit->name, bw_log_quote(bw_unit_comes_again(unit)),
            bw_units_manager_name(&group->unit_reach->units),
            bw_log_quote(bw_units_restart_advice(&group->unit_reach->units)));
    group->has_warned_restart = unit != NULL;
}

void bw_guard_units_look_again(struct bw_guard_group *group)
{
    const struct bw_instant now = bw_clock_now();

    if (!bw_instant_wait_is_over(now, bw_instant_add(group->units_looked_at, LOOK_AGAIN_NS)))
        return;
    group->units_looked_at = now;
    bw_unit_reach_look(group->unit_reach);
}

static void say_news(struct bw_guard_group *group, enum bw_err err, const struct bw_diag *diag)
{
    struct bw_log *log = &group->program->log;

    switch (bw_unit_reach_news(group->unit_reach, err, diag)) {
    case BW_UNITS_NO_NEWS:
        return;
    case BW_UNITS_UNSEEN:
        bw_log_error(log, "units.probe_failed", "group=%s error=%s%s", group->config->name,
                     bw_log_quote(diag->text),
                     group->are_units_seen ? ""
                                           : " does=\"the site is not eligible until they were\"");
        return;
    case BW_UNITS_SEEN_AGAIN:
        bw_log_info(log, "units.seen", "group=%s", group->config->name);
        return;
    }
}

/* Once seen, the units can be ended; a look that fails later is met by the fence, not by a proof.
 */
static void on_units_looked(enum bw_err err, const struct bw_diag *diag, void *user)
{
    struct bw_guard_group *group = user;

    say_news(group, err, diag);
    if (err != BW_OK)
        return;
    const bool were_seen = group->are_units_seen;

    group->are_units_seen = true;
    warn_of_restarts(group);
    bw_guard_enforcer_tell_reach(group);
    if (were_seen)
        return;
    set_proved(group);
    bw_guard_machine_greet_again(&group->program->machine);
}

static void on_units_killed(enum bw_err err, const struct bw_diag *diag, void *user)
{
    reach_killed(user, err, diag);
}

static void open_units(struct bw_guard_group *group)
{
    static const struct bw_unit_reach_events events = {on_units_looked, on_units_killed};
    struct bw_guard_program *program = group->program;
    struct bw_diag diag = {0};

    if (group->config->unit_count == 0)
        return;
    group->unit_reach = calloc(1, sizeof *group->unit_reach);
    BW_ASSERT(group->unit_reach != NULL);
    if (bw_unit_reach_init(group->unit_reach, &program->loop, &program->runner,
                           group->config->enforce == BW_REACH_CONTAINERS ? BW_UNITS_OF_COMPOSE
                                                                         : BW_UNITS_OF_SYSTEMD,
                           group->config->units, group->config->unit_count,
                           group->config->container_tool, &events, group, &diag) == BW_OK)
        return;
    free(group->unit_reach);
    group->unit_reach = NULL;
    bw_log_error(&program->log, "units.query_failed",
                 "group=%s error=%s does=\"the site is not eligible\"", group->config->name,
                 bw_log_quote(diag.text));
}

/* ---- what a trial has proved ------------------------------------------------------------------ */

/* An earlier release made its digest of more scripts: what that one kept of the very scripts that lie there counts. */
static uint64_t digest_of_now(const struct bw_group_config *config, uint64_t kept)
{
    return kept != 0 && config->digest != 0 && kept == bw_group_config_digest_of_all(config) ? config->digest : kept;
}

static uint64_t take_trial(const struct bw_guard_group *group, const struct bw_guard_files *files)
{
    const uint64_t digest = digest_of_now(group->config, files->proof);

    if (digest == 0 && files->proof_diag.text[0] == '\0')
        return 0; /* there was no trial */
    if (digest != 0 && group->config->digest == 0)
        return digest; /* known by what was kept of it: the first look tells which scripts are there */
    if (digest != 0 && digest == group->config->digest)
        bw_log_info(&group->program->log, "reach.proof",
                    "group=%s does=\"seen inside it is ended by the kill of its reach alone\"",
                    group->config->name);
    else
        bw_log_warn(
            &group->program->log, "reach.proof",
            "group=%s why=%s does=\"proves nothing\" next=\"breakwater prove GROUP, at the primary; while it is stopped everywhere: breakwater-chaos scripts\"",
            group->config->name,
            bw_log_quote(digest == 0 ? files->proof_diag.text
                                     : "its scripts, env, stop_method or units were "
                                       "others when it was made"));
    return digest;
}

/* ---- handles --------------------------------------------------------------------------------- */

/* Frees the place when it fails. */
static enum bw_err open_handles(struct bw_guard_group *group, struct bw_diag *diag)
{
    const enum bw_err err = bw_reach_kill_init(&group->kill, &group->program->loop, &group->reach,
                                               on_killed, group, diag);

    group->has_handles = err == BW_OK;
    if (err != BW_OK)
        bw_guard_group_free(group);
    return err;
}

enum bw_err bw_guard_group_open(struct bw_guard_program *program,
                                const struct bw_group_config *config,
                                const struct bw_guard_files *files, bool is_kept,
                                struct bw_guard_group **out_group, struct bw_diag *diag)
{
    struct bw_guard_group *group = calloc(1, sizeof *group);
    struct bw_guarded_start start;
    struct bw_guard_limits limits;
    struct bw_diag why = {0};
    char tag[BW_REACH_TAG_BYTES];
    enum bw_err err;

    if (group == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "make room for group %s", config->name);
    group->program = program;
    group->config = config;
    for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++) {
        group->work[slot].group = group;
        group->work[slot].slot = (enum bw_guard_slot)slot;
    }
    bw_reach_tag(program->config->cluster, program->store.site, tag);
    err = load(group, files, is_kept, &start, diag);
    if (err == BW_OK)
        err = bw_reach_open(&group->reach, tag, config->name, false, &why);
    if (err != BW_OK) {
        bw_guard_group_free(group);
        return err;
    }
    bw_reach_set_key(&group->reach, program->store.reach_key);
    group->at.means = (uint32_t)group->reach.means;
    err = open_handles(group, diag);
    if (err != BW_OK)
        return err;
    if (group->reach.means == BW_REACH_BY_SCAN)
        bw_log_warn(&program->log, "reach.by_scan",
                    "group=%s why=%s does=\"processes are found by their environment\"",
                    config->name, bw_log_quote(why.text));
    bw_guard_reach_keep(group);
    end_left_behind(group, files);
    note_interrupted(group, &files->found.mirror);
    get_limits(config, &limits);
    limits.proof = take_trial(group, files);
    group->has_trial = limits.proof != 0;
    start.memory.sight.digest = digest_of_now(config, start.memory.sight.digest);
    bw_guard_init(&group->machine, config->name, &limits, &start.memory,
                  start.has_mirror ? &files->found.mirror : NULL, bw_clock_now());
    open_units(group);
    *out_group = group;
    return BW_OK;
}

/* ---- its proof ----------------------------------------------------------------------------- */

/* Once, until it is proved: each end of a script, and each hello, asks again. */
static void say_unproved(struct bw_guard_group *group, const struct bw_guard_group *because_of)
{
    if (group->has_logged_unproved)
        return;
    group->has_logged_unproved = true;
    bw_log_warn(
        &group->program->log, "reach.not_tried",
        "group=%s why=\"the fence window of group %s is near or has begun\" does=\"the site is "
        "not eligible until its reach was tried\"",
        group->config->name, because_of->config->name);
}

static enum bw_guard_proof take_proof(struct bw_guard_group *group)
{
    group->program->is_means_proved[group->reach.means] =
        true; /* it is the machine's, not a group's */
    group->is_reach_proved = true;
    set_proved(group);
    return group->machine.limits.reach_works ? BW_GUARD_PROOF_WORKS : BW_GUARD_PROOF_UNTRIED;
}

enum bw_guard_proof bw_guard_group_prove(struct bw_guard_group *group, bool is_late)
{
    struct bw_guard_program *program = group->program;
    struct bw_diag diag = {0};
    const struct bw_guarded *because_of;

    if (group->unit_reach != NULL && !group->are_units_seen && !(is_late && group->is_reach_proved))
        bw_unit_reach_look(group->unit_reach);
    const struct bw_guard_proof_facts facts = {
        .is_proved = group->is_reach_proved,
        .is_action_running = group->work[BW_GUARD_SLOT_ACTION].script != NULL,
        .is_means_proved = program->is_means_proved[group->reach.means],
        .limit_ms = bw_guard_machine_proof_ms(&program->machine, bw_clock_now(), &because_of)};

    switch (bw_guard_proof_next(&facts)) {
    case BW_GUARD_PROOF_REST:
        return BW_GUARD_PROOF_UNTRIED;
    case BW_GUARD_PROOF_TAKE:
        return take_proof(group);
    case BW_GUARD_PROOF_NEAR:
        say_unproved(group, because_of->owner);
        return BW_GUARD_PROOF_UNTRIED; /* after a script has ended, or with the next hello */
    case BW_GUARD_PROOF_TRY:
        break;
    }
    if (bw_reach_prove(&group->reach, facts.limit_ms, &diag) == BW_OK)
        return take_proof(group);
    bw_log_error(&program->log, "reach.fails",
                 "group=%s error=%s does=\"the site is not eligible for any group that is ended this way until one of "
                 "them has proved it, which is tried again after 30 s\"",
                 group->config->name, bw_log_quote(diag.text));
    return BW_GUARD_PROOF_FAILED;
}

/* ---- close --------------------------------------------------------------------------------- */

void bw_guard_group_close(struct bw_guard_group *group)
{
    if (!group->has_handles)
        return;
    group->has_handles = false;
    bw_reach_kill_close(&group->kill, NULL);
    if (group->unit_reach != NULL)
        bw_unit_reach_close(group->unit_reach);
}

void bw_guard_group_free(struct bw_guard_group *group)
{
    if (group == NULL)
        return;
    bw_reach_close(&group->reach);
    free(group->unit_reach);
    free(group->save.file.reach.bytes);
    free(group->reach_bytes);
    free(group->left);
    free(group);
}
