/* Which groups a guard guards, and with what: as it begins, cannot begin, is reloaded (3.4, 5.4). */
#include <breakwater/machine/guard_found.h>

#include <breakwater/base/assert.h>

/* ---- one group ---------------------------------------------------------------------------------- */

static void take_from_mirror(struct bw_guard_memory *memory, const struct bw_guard_mirror *mirror)
{
    memory->epoch_seen = mirror->armed_epoch;
    memory->serial = mirror->armed_serial;
    memory->ended_epoch = 0;
    memory->instance = mirror->armed_instance;
    memory->enforced = true;
}

static bool is_armed(const struct bw_guard_found *found)
{
    return found->mirror_err == BW_OK && found->mirror.armed_epoch != 0;
}

/* A mirror of another boot speaks of clocks and processes that are gone; with one that cannot be read there is no
 * deadline: an enforced group that serves is then fenced (3.4). */
static bool is_mirror_unreadable(const struct bw_guard_found *found)
{
    return found->mirror_err != BW_OK && found->mirror_err != BW_ERR_NOT_FOUND &&
           found->mirror_err != BW_ERR_STALE;
}

enum bw_err bw_guarded_begin(const struct bw_guard_machine *machine, struct bw_guarded *group,
                             const struct bw_guard_found *found, bool is_kept,
                             struct bw_guarded_start *out_start)
{
    struct bw_guarded_start start = {.memory = found->memory,
                                     .is_new = found->is_new,
                                     .has_mirror = found->mirror_err == BW_OK,
                                     .is_damaged = found->memory_err != BW_OK,
                                     .is_mirror_unreadable = is_mirror_unreadable(found)};
    bool is_behind;

    /* A lease that is not over is enforced, whatever has become of the memory: its mirror is enough. */
    if (start.is_damaged && (!is_armed(found) || (found->memory_err != BW_ERR_CORRUPT && !is_kept)))
        return found->memory_err;
    if (start.is_damaged)
        start.memory = (struct bw_guard_memory){0};
    group->is_unread = start.is_damaged && found->memory_err != BW_ERR_CORRUPT;
    group->kept = start.memory;
    if (is_armed(found))
        group->armed_by = found->armed_by;
    start.is_foreign = bw_guard_machine_is_foreign(machine, group) &&
                       !bw_id_is_none(machine->session.own.cluster_id);
    is_behind = !start.is_foreign && !group->is_unread && is_armed(found) &&
                found->mirror.armed_epoch > start.memory.epoch_seen;
    start.is_lost = is_behind && !found->is_mirror_alone;
    if (start.is_foreign || group->is_unread || is_behind)
        take_from_mirror(&start.memory, &found->mirror);
    start.is_new = start.is_new && !is_behind;
    *out_start = start;
    return BW_OK;
}

/* ---- which groups -------------------------------------------------------------------------------- */

void bw_guard_opening_init(struct bw_guard_opening *opening, bool is_caretaker)
{
    *opening = (struct bw_guard_opening){
        .phase = is_caretaker ? BW_OPENING_MIRRORS : BW_OPENING_NAMED, .failed = BW_OK};
}

void bw_guard_opening_on_failed(struct bw_guard_opening *opening, enum bw_err err)
{
    BW_ASSERT(opening->phase == BW_OPENING_NAMED);
    BW_ASSERT(err != BW_OK);
    if (opening->failed == BW_OK)
        opening->failed = err;
}

/* What is damaged of one group is no reason to leave the others without a guard: its agent hears of no such group,
 * renews nothing of it, and its site is no candidate. Only without any there is no guard, and the caretaker
 * enforces them all. */
void bw_guard_opening_next(struct bw_guard_opening *opening, uint32_t group_count)
{
    switch (opening->phase) {
    case BW_OPENING_NAMED:
        opening->phase = BW_OPENING_FORGOTTEN;
        break;
    case BW_OPENING_FORGOTTEN:
        if (opening->failed == BW_OK)
            opening->phase = BW_OPENING_READY;
        else
            opening->phase = group_count == 0 ? BW_OPENING_NOTHING : BW_OPENING_UNLOADED;
        break;
    case BW_OPENING_UNLOADED:
        opening->phase = BW_OPENING_READY;
        break;
    case BW_OPENING_MIRRORS:
        opening->phase = group_count == 0 ? BW_OPENING_NOTHING : BW_OPENING_READY;
        break;
    case BW_OPENING_READY:
    case BW_OPENING_NOTHING:
        BW_ASSERT(false); /* all were looked at */
    }
}

bool bw_guard_opening_looks_at(const struct bw_guard_opening *opening, bool is_guarded,
                               bool is_named)
{
    if (opening->phase == BW_OPENING_FORGOTTEN && is_named)
        return false; /* if it was not loaded, that was said already */
    return !is_guarded;
}

/* A lease may be enforced; or, where it is known by what, what an epoch that was not ended has left (3.2.4). A
 * mirror may be older than the memory of an epoch's end; an end that was refused is none. */
static bool may_serve(const struct bw_guard_found *found)
{
    const struct bw_guard_memory *memory = &found->memory;
    const uint64_t ended_epoch = found->memory_err == BW_OK ? memory->ended_epoch : 0;

    if (is_armed(found) && (found->mirror.armed_serial != 0 || found->mirror.armed_epoch > ended_epoch ||
                            (found->mirror.armed_epoch == ended_epoch && !found->mirror.stop_seen)))
        return true;
    return found->memory_err == BW_OK && memory->enforced && memory->epoch_seen > ended_epoch &&
           found->is_reach_kept;
}

static enum bw_found_verdict judge_forgotten(const struct bw_guard_found *found)
{
    if (may_serve(found))
        return BW_FOUND_GUARDED;
    return BW_FOUND_OVER;
}

enum bw_found_verdict bw_guard_opening_judge(const struct bw_guard_opening *opening,
                                             const struct bw_guard_found *found)
{
    if (opening->phase == BW_OPENING_FORGOTTEN)
        return judge_forgotten(found);
    if (is_mirror_unreadable(found))
        return BW_FOUND_UNREADABLE;
    return is_armed(found) ? BW_FOUND_GUARDED : BW_FOUND_LEFT;
}

/* ---- beside the mirrors of its own name ------------------------------------------------------------ */

bool bw_guard_found_has_deadline(const struct bw_guard_found *found, struct bw_instant now)
{
    return is_armed(found) && !bw_instant_wait_is_over(now, found->mirror.armed_end);
}

bool bw_guard_found_is_unended(const struct bw_guard_found *found, struct bw_instant now)
{
    return bw_guard_found_has_deadline(found, now) ||
           (is_armed(found) && (!found->mirror.stop_seen || found->mirror.script_due));
}

/* Until shortly before its window who enforces it has nothing to do, and its guard could renew it. From then on the deadline
 * is kept, whoever may be about to begin. */
static enum bw_found_care care_for_armed(const struct bw_guard_mirror *mirror, uint64_t free_ns, struct bw_instant now)
{
    const uint64_t begin_ns = bw_ms_to_ns(BW_CARETAKER_BEGIN_MS);

    if (free_ns >= bw_ms_to_ns(BW_GUARD_AWAY_MS) ||
        bw_instant_left_ns(now, bw_instant_sub(mirror->armed_end, mirror->fence_ns)) <= begin_ns)
        return BW_CARE_NOW;
    return BW_CARE_AWAIT;
}

/* What is over is left where it is known to be another site's, also if nobody has seen its end: by the same scripts
 * a site of another name may serve since, and would be ended at each start of ours. */
enum bw_found_care bw_guard_found_care(const struct bw_guard_found *found, bool is_beside, uint64_t free_ns,
                                       struct bw_instant now)
{
    if (is_mirror_unreadable(found))
        return free_ns >= bw_ms_to_ns(BW_GUARD_AWAY_MS) ? BW_CARE_NOW : BW_CARE_AWAIT;
    if (!is_armed(found) || (is_beside && !bw_guard_found_has_deadline(found, now)))
        return BW_CARE_NOTHING;
    return care_for_armed(&found->mirror, free_ns, now);
}

/* ---- the site file is read anew ------------------------------------------------------------------- */

enum bw_keeps bw_guarded_keeps(const struct bw_guarded *group)
{
    const enum bw_keeps keeps = bw_guard_keeps(group->guard);

    if (keeps != BW_KEEPS_NOTHING)
        return keeps;
    return group->is_saving ? BW_KEEPS_SAVE : BW_KEEPS_NOTHING;
}

/* Taking a group out of the file does not end its lease: without a guard it would serve on after D (3.2.4). By what
 * it is ended is what was proved, and what its enforcer was told. */
static bool refuses(const struct bw_guarded *group, enum bw_guarded_named named)
{
    switch (named) {
    case BW_GUARDED_NAMED:
    case BW_GUARDED_UNNAMED:
        return false;
    case BW_GUARDED_MISSING:
        return !group->is_left && bw_guarded_keeps(group) != BW_KEEPS_NOTHING;
    case BW_GUARDED_OTHERWISE:
        break;
    }
    return true;
}

const struct bw_guarded *
bw_guard_machine_refuses(const struct bw_guard_machine *machine,
                         enum bw_guarded_named (*named)(const struct bw_guarded *group, void *user),
                         void *user)
{
    for (const struct bw_guarded *group = machine->first; group != NULL; group = group->next)
        if (refuses(group, named(group, user)))
            return group;
    return NULL;
}

void bw_guarded_configure(struct bw_guard_machine *machine, struct bw_guarded *group,
                          const struct bw_guard_limits *limits)
{
    struct bw_guard_limits next = *limits;

    if (bw_guard_says_otherwise(&group->guard->limits, limits))
        bw_guard_machine_greet_again(machine);
    next.reach_works = group->guard->limits.reach_works; /* `stop_method` has not changed */
    next.proof = group->guard->limits.proof;             /* a trial needs the guard to be down */
    group->guard->limits = next;
    group->config_number++;
}

uint64_t bw_guarded_digest(const struct bw_guarded *group, enum bw_guard_slot slot, uint64_t digest)
{
    return group->run_config_number[slot] == group->config_number ? digest : 0;
}

/* ---- a caretaker's end ---------------------------------------------------------------------------- */

bool bw_guard_machine_is_over(const struct bw_guard_machine *machine, struct bw_instant now)
{
    for (const struct bw_guarded *group = machine->first; group != NULL; group = group->next)
        if (!bw_guarded_is_over(group, now))
            return false;
    return true;
}
