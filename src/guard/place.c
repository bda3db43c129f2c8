/* One group of the site: its machine, and everything of it that can be ended. */
#include "program.h"
#include "proof.h"

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
        .kill_grace_ns = config->kill_grace_ms * BW_NS_PER_MS,
        .reach = config->enforce,
        .digest = config->digest,
    };
    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        out_limits->has_script[action] = config->scripts[action] != NULL;
        out_limits->timeout_ns[action] = config->timeout_ms[action] * BW_NS_PER_MS;
    }
}

void bw_guard_place_configure(struct bw_guard_place *place, const struct bw_group_config *config)
{
    const bool is_proved = place->machine.limits.reach_works; /* `enforce` has not changed */
    const uint64_t proof = place->machine.limits.proof; /* a trial needs the guard to be down */

    place->config = config;
    place->config_number++;
    get_limits(config, &place->machine.limits);
    place->machine.limits.reach_works = is_proved;
    place->machine.limits.proof = proof;
    for (int action = 0; action < BW_ACTION_COUNT; action++)
        place->has_warned_shell[action] = false;
    bw_guard_reach_keep(place);
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
 * that it started; status then says whether that was the service. */
static bool has_left(const struct bw_guard_mirror *mirror, enum bw_reach_slot slot)
{
    return slot != BW_REACH_SERVICE || is_alive(&mirror->children[BW_GUARD_SLOT_ACTION]);
}

/* One round of KILL. True: nothing is left of them. */
static bool end_round(struct bw_guard_place *place, const struct bw_guard_mirror *mirror)
{
    bool is_gone = true;

    for (int slot = 0; slot < BW_REACH_SLOTS; slot++) {
        bool is_empty = false;

        if (slot == BW_REACH_SERVICE && !has_left(mirror, BW_REACH_SERVICE))
            continue;
        if (bw_reach_is_empty(&place->reach, (enum bw_reach_slot)slot, &is_empty, NULL) == BW_OK &&
            is_empty)
            continue;
        is_gone = false;
        (void)!bw_reach_signal(&place->reach, (enum bw_reach_slot)slot, SIGKILL, NULL); /* again */
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

/* Blocks, normally for some milliseconds. */
static void end_left_behind(struct bw_guard_place *place, const struct bw_guard_mirror *mirror)
{
    const struct timespec pause = {.tv_nsec = LOOK_PAUSE_NS};
    struct bw_instant *until = &place->program->left_behind_until;
    struct bw_instant limit;
    const struct bw_guard_child *action = &mirror->children[BW_GUARD_SLOT_ACTION];

    if (until->boot_ns == 0) /* of the first group; all others have what is left of it */
        *until = bw_instant_add(bw_clock_now(), LEFT_BEHIND_NS);
    limit = *until;
    if (is_alive(action))
        bw_log_warn(&place->program->log, "run.left_behind",
                    "group=%s epoch=%" PRIu64 " action=%s pid=%d does=\"it is ended\"",
                    place->config->name, action->epoch, bw_action_word(action->action),
                    (int)action->pid);
    if (mirror->armed_epoch != 0) /* a deadline waits for nobody */
        limit = bw_instant_min(limit, bw_instant_sub(mirror->armed_end, mirror->fence_ns));
    while (!end_round(place, mirror)) {
        if (bw_instant_right_is_over(bw_clock_now(), limit)) {
            bw_log_error(&place->program->log, "run.undying",
                         "group=%s does=\"goes on; the fence will meet it\"", place->config->name);
            return;
        }
        (void)nanosleep(&pause, NULL); /* a shorter pause only looks sooner */
    }
}

/* ---- open ---------------------------------------------------------------------------------- */

static void take_from_mirror(struct bw_guard_memory *memory, const struct bw_guard_mirror *mirror)
{
    memory->epoch_seen = mirror->armed_epoch;
    memory->ended_epoch = 0;
    memory->instance = mirror->armed_instance;
    memory->enforced = true;
}

static enum bw_err load(struct bw_guard_place *place, bool is_kept,
                        struct bw_guard_memory *out_memory,
                        struct bw_guard_mirror *out_mirror, bool *out_has_mirror,
                        struct bw_diag *diag)
{
    const struct bw_guard_store *store = &place->program->store;
    struct bw_log *log = &place->program->log;
    const char *group = place->config->name;
    struct bw_diag why = {0};
    bool is_new = false;
    struct bw_id cluster_id = {{0}};
    const enum bw_err damage = bw_guard_store_load(store, group, out_memory, &is_new, diag);
    enum bw_err err = bw_guard_store_load_mirror(store, group, out_mirror, &cluster_id, &why);

    /* A lease that is not over is enforced, whatever has become of the memory: its mirror is enough. */
    if ((damage == BW_ERR_CORRUPT || (damage != BW_OK && is_kept)) && err == BW_OK &&
        out_mirror->armed_epoch != 0) {
        place->at.is_unread = damage != BW_ERR_CORRUPT;
        bw_log_error(log, "state.damaged", "group=%s error=%s", group, bw_log_quote(diag->text));
        *diag = (struct bw_diag){0};
        *out_memory = (struct bw_guard_memory){0};
    } else if (damage != BW_OK) {
        return damage;
    }
    place->at.kept = *out_memory;
    if (err == BW_OK && out_mirror->armed_epoch != 0)
        place->at.armed_by = cluster_id;
    *out_has_mirror = err == BW_OK;
    /* A mirror of another boot speaks of clocks and processes that are gone; with one that cannot
     * be read there is no deadline: an enforced group that serves is then fenced (3.4). */
    if (err != BW_OK && err != BW_ERR_NOT_FOUND && err != BW_ERR_STALE)
        bw_log_warn(log, "mirror.unreadable",
                    "group=%s error=%s does=\"goes on without; what serves is fenced\"", group,
                    bw_log_quote(why.text));
    if (bw_guard_machine_is_foreign(&place->program->machine, &place->at) &&
        !bw_id_is_none(store->cluster_id)) {
        bw_log_error(log, "mirror.foreign",
                     "group=%s epoch=%" PRIu64 " error=\"another cluster's guard armed it, and is gone\" "
                     "does=\"enforces it to its deadline, then forgets it; no agent hears of the group "
                     "before\"",
                     group, out_mirror->armed_epoch);
        take_from_mirror(out_memory, out_mirror);
    } else if (place->at.is_unread) {
        take_from_mirror(out_memory, out_mirror);
    } else if (*out_has_mirror && out_mirror->armed_epoch > out_memory->epoch_seen) {
        bw_log_error(log, "state.lost",
                     "group=%s epoch=%" PRIu64 " does=\"%s is younger than the mirror: epoch and "
                     "deadline are taken from the mirror\"",
                     group, out_mirror->armed_epoch, store->state_path);
        take_from_mirror(out_memory, out_mirror);
        is_new = false;
    }
    bw_log_info(log, "group.loaded",
                "group=%s new=%s epoch_seen=%" PRIu64 " ended_epoch=%" PRIu64
                " enforced=%s armed_epoch=%" PRIu64,
                group, is_new ? "yes" : "no", out_memory->epoch_seen, out_memory->ended_epoch,
                out_memory->enforced ? "yes" : "no",
                *out_has_mirror ? out_mirror->armed_epoch : UINT64_C(0));
    return BW_OK;
}

static void reach_killed(struct bw_guard_place *place, enum bw_err err, const struct bw_diag *diag)
{
    if (err != BW_OK)
        bw_log_error(&place->program->log, "reach.unkilled",
                     "group=%s error=%s does=\"the fence counts as failed and is tried again\"",
                     place->config->name, bw_log_quote(diag->text));
    bw_guard_machine_on_reach_killed(&place->program->machine, &place->at, err == BW_OK, bw_clock_now());
    bw_guard_go_on(place->program, false);
}

static void on_killed(struct bw_reach_kill *kill, enum bw_err err, const struct bw_diag *diag,
                      void *user)
{
    struct bw_guard_place *place = user;

    struct bw_diag none = {0};

    (void)kill;
    if (err != BW_OK || place->config->unit_count == 0)
        reach_killed(place, err, diag);
    else if (place->unit_reach != NULL) /* they were killed before; now they must be seen */
        bw_unit_reach_kill(place->unit_reach);
    else
        reach_killed(place, bw_diag_set(&none, BW_ERR_UNKNOWN, "its units cannot be seen"), &none);
}

void bw_guard_place_kill_reach(struct bw_guard_place *place)
{
    struct bw_diag diag = {0};

    if (place->unit_reach != NULL && bw_units_kill_now(&place->unit_reach->units, &diag) != BW_OK)
        bw_log_warn(&place->program->log, "units.unkilled",
                    "group=%s error=%s does=\"tries again\"", place->config->name,
                    bw_log_quote(diag.text));
    bw_reach_kill_start(&place->kill, BW_REACH_SERVED);
}

/* ---- its units ------------------------------------------------------------------------------- */

static void set_proved(struct bw_guard_place *place)
{
    const bool is_proved = place->is_reach_proved &&
                           (place->config->unit_count == 0 || place->are_units_seen);

    if (is_proved && !place->machine.limits.reach_works)
        bw_log_info(&place->program->log, "reach.works", "group=%s by=%s units=%u",
                    place->config->name,
                    place->reach.means == BW_REACH_BY_CGROUP ? "cgroup" : "scan",
                    (unsigned)place->config->unit_count);
    place->machine.limits.reach_works = is_proved;
}

/* Once, until it is mended. */
static void warn_of_restarts(struct bw_guard_place *place)
{
    const struct bw_unit *unit = bw_units_that_comes_again(&place->unit_reach->units);

    if (unit != NULL && !place->has_warned_restart)
        bw_log_error(&place->program->log, "units.come_again",
                     "group=%s unit=%s why=%s does=\"systemd starts it again after its end, so it counts "
                     "as outside of the reach: time alone hands nothing over\" next=\"write Restart=no without "
                     "RestartForceExitStatus=, and mask what triggers or upholds it\"",
                     place->config->name, unit->name, bw_log_quote(bw_unit_comes_again(unit)));
    place->has_warned_restart = unit != NULL;
}

void bw_guard_units_look_again(struct bw_guard_place *place)
{
    const struct bw_instant now = bw_clock_now();

    if (!bw_instant_wait_is_over(now, bw_instant_add(place->units_looked_at, LOOK_AGAIN_NS)))
        return;
    place->units_looked_at = now;
    bw_unit_reach_look(place->unit_reach);
}

/* Once seen, the units can be ended; a look that fails later is met by the fence, not by a proof.
 */
static void on_units_looked(enum bw_err err, const struct bw_diag *diag, void *user)
{
    struct bw_guard_place *place = user;

    if (err != BW_OK) {
        bw_log_error(&place->program->log, "units.unseen", "group=%s error=%s%s",
                     place->config->name, bw_log_quote(diag->text),
                     place->are_units_seen ? ""
                                           : " does=\"the site is not eligible until they were\"");
        return;
    }
    warn_of_restarts(place);
    bw_guard_enforcer_tell_reach(place);
    if (place->are_units_seen)
        return;
    place->are_units_seen = true;
    set_proved(place);
    bw_guard_machine_greet_again(&place->program->machine);
}

static void on_units_killed(enum bw_err err, const struct bw_diag *diag, void *user)
{
    reach_killed(user, err, diag);
}

static void open_units(struct bw_guard_place *place)
{
    static const struct bw_unit_reach_events events = {on_units_looked, on_units_killed};
    struct bw_guard_program *program = place->program;
    struct bw_diag diag = {0};

    if (place->config->unit_count == 0)
        return;
    place->unit_reach = calloc(1, sizeof *place->unit_reach);
    BW_ASSERT(place->unit_reach != NULL);
    if (bw_unit_reach_init(place->unit_reach, &program->loop, &program->runner,
                           place->config->units, place->config->unit_count, &events, place,
                           &diag) == BW_OK)
        return;
    free(place->unit_reach);
    place->unit_reach = NULL;
    bw_log_error(&program->log, "units.unreachable",
                 "group=%s error=%s does=\"the site is not eligible\"", place->config->name,
                 bw_log_quote(diag.text));
}

/* ---- what a trial has proved ------------------------------------------------------------------ */

static uint64_t read_proof(const struct bw_guard_place *place)
{
    const struct bw_site_config *config = place->program->config;
    struct bw_guard_proof_owner owner = {
        .cluster = config->cluster, .site = config->site, .group = place->config->name};
    struct bw_diag diag = {0};
    uint64_t digest;

    if (bw_clock_machine_id(&owner.machine_id, &diag) != BW_OK)
        return 0; /* none could have been kept */
    digest = bw_guard_proof_read(place->program->store.state_dir, &owner, &diag);
    if (digest == 0 && diag.text[0] == '\0')
        return 0; /* there was no trial */
    if (digest == place->config->digest)
        bw_log_info(&place->program->log, "reach.proof",
                    "group=%s does=\"seen inside it is ended by the kill of its reach alone\"",
                    place->config->name);
    else
        bw_log_warn(&place->program->log, "reach.proof",
                    "group=%s why=%s does=\"proves nothing; breakwater-chaos scripts makes another\"",
                    place->config->name,
                    bw_log_quote(digest == 0 ? diag.text : "its scripts, env, enforce or units were "
                                                           "others when it was made"));
    return digest;
}

/* ---- handles --------------------------------------------------------------------------------- */

/* Frees the place when it fails. */
static enum bw_err open_handles(struct bw_guard_place *place, struct bw_diag *diag)
{
    const enum bw_err err = bw_reach_kill_init(&place->kill, &place->program->loop, &place->reach,
                                               on_killed, place, diag);

    place->has_handles = err == BW_OK;
    if (err != BW_OK)
        bw_guard_place_free(place);
    return err;
}

enum bw_err bw_guard_place_open(struct bw_guard_program *program,
                                const struct bw_group_config *config, bool is_kept,
                                struct bw_guard_place **out_place, struct bw_diag *diag)
{
    struct bw_guard_place *place = calloc(1, sizeof *place);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror = {0};
    struct bw_guard_limits limits;
    struct bw_diag why = {0};
    char tag[BW_REACH_TAG_BYTES];
    bool has_mirror = false;
    enum bw_err err;

    if (place == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "make room for group %s", config->name);
    place->program = program;
    place->config = config;
    for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++) {
        place->work[slot].place = place;
        place->work[slot].slot = (enum bw_guard_slot)slot;
    }
    bw_reach_tag(program->config->cluster, program->store.site, tag);
    err = load(place, is_kept, &memory, &mirror, &has_mirror, diag);
    if (err == BW_OK)
        err = bw_reach_open(&place->reach, tag, config->name, false, &why);
    if (err != BW_OK) {
        bw_guard_place_free(place);
        return err;
    }
    err = open_handles(place, diag);
    if (err != BW_OK)
        return err;
    if (place->reach.means == BW_REACH_BY_SCAN)
        bw_log_warn(&program->log, "reach.by_scan",
                    "group=%s why=%s does=\"processes are found by their environment\"",
                    config->name, bw_log_quote(why.text));
    bw_guard_reach_keep(place);
    end_left_behind(place, &mirror);
    get_limits(config, &limits);
    limits.proof = read_proof(place);
    bw_guard_init(&place->machine, config->name, &limits, &memory, has_mirror ? &mirror : NULL,
                  bw_clock_now());
    open_units(place);
    *out_place = place;
    return BW_OK;
}

/* ---- its proof ----------------------------------------------------------------------------- */

/* Once, until it is proved: each end of a script, and each hello, asks again. */
static void say_unproved(struct bw_guard_place *place, const struct bw_guard_place *because_of)
{
    if (place->has_said_unproved)
        return;
    place->has_said_unproved = true;
    bw_log_warn(&place->program->log, "reach.not_tried",
                "group=%s why=\"the fence window of group %s is near or has begun\" does=\"the site is "
                "not eligible until its reach was tried\"",
                place->config->name, because_of->config->name);
}

static enum bw_guard_proof take_proof(struct bw_guard_place *place)
{
    place->program->is_means_proved[place->reach.means] = true; /* it is the machine's, not a group's */
    place->is_reach_proved = true;
    set_proved(place);
    return place->machine.limits.reach_works ? BW_GUARD_PROOF_WORKS : BW_GUARD_PROOF_UNTRIED;
}

enum bw_guard_proof bw_guard_place_prove(struct bw_guard_place *place, bool is_late)
{
    struct bw_guard_program *program = place->program;
    struct bw_diag diag = {0};
    const struct bw_guarded *because_of;
    uint32_t limit_ms;

    if (place->unit_reach != NULL && !place->are_units_seen && !(is_late && place->is_reach_proved))
        bw_unit_reach_look(place->unit_reach);
    if (place->is_reach_proved || place->work[BW_GUARD_SLOT_ACTION].script != NULL)
        return BW_GUARD_PROOF_UNTRIED;
    if (program->is_means_proved[place->reach.means])
        return take_proof(place);
    limit_ms = bw_guard_machine_proof_ms(&program->machine, bw_clock_now(), &because_of);
    if (limit_ms == 0) {
        say_unproved(place, because_of->owner);
        return BW_GUARD_PROOF_UNTRIED; /* after a script has ended, or with the next hello */
    }
    if (bw_reach_prove(&place->reach, limit_ms, &diag) == BW_OK)
        return take_proof(place);
    bw_log_error(&program->log, "reach.fails",
                 "group=%s error=%s does=\"the site is not eligible until it is\"",
                 place->config->name, bw_log_quote(diag.text));
    return BW_GUARD_PROOF_FAILED;
}

/* ---- close --------------------------------------------------------------------------------- */

void bw_guard_place_close(struct bw_guard_place *place)
{
    if (!place->has_handles)
        return;
    place->has_handles = false;
    bw_reach_kill_close(&place->kill, NULL);
    if (place->unit_reach != NULL)
        bw_unit_reach_close(place->unit_reach);
}

void bw_guard_place_free(struct bw_guard_place *place)
{
    if (place == NULL)
        return;
    bw_reach_close(&place->reach);
    free(place->unit_reach);
    free(place->save);
    free(place->reach_bytes);
    free(place);
}
