/* The second enforcer's machine: its questions, its file, its groups. Design 3.4. */
#include <breakwater/machine/second.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#define REFUSED_AGAIN_NS (100 * BW_NS_PER_MS)

static struct bw_instant now_of(const struct bw_second_machine *machine)
{
    return machine->setup.driver.now(machine->setup.driver.user);
}

static enum bw_err ask_driver(struct bw_second_machine *machine,
                              const struct bw_second_machine_action *action)
{
    struct bw_diag unread = {0}; /* whoever drives has said it */

    return machine->setup.driver.emit(machine->setup.driver.user, action, &unread);
}

static void emit(struct bw_second_machine *machine, const struct bw_second_machine_action *action)
{
    BW_ASSERT(ask_driver(machine, action) == BW_OK);
}

/* ---- questions ------------------------------------------------------------------------------- */

static void ask_now(struct bw_second_machine *machine)
{
    struct bw_instant at = now_of(machine);

    machine->has_news = true;
    if (machine->is_asking)
        return;
    if (machine->has_asked)
        at = bw_instant_max(at, bw_instant_add(machine->asked, BW_SECOND_DISTANCE_NS));
    machine->ask_at = bw_instant_min(machine->ask_at, at);
}

/* The instant is read before the question leaves: what is left is counted from it (3.4). */
static void ask(struct bw_second_machine *machine)
{
    const struct bw_instant now = now_of(machine);
    const struct bw_second_ask ask = {.session = machine->setup.session,
                                      .boot_id = machine->setup.boot_id,
                                      .group_count = machine->group_count,
                                      .groups = machine->setup.ask_groups};
    const struct bw_second_machine_action action = {
        .kind = BW_SECOND_MACHINE_ASK, .ask = &ask, .limit_ms = machine->limit_ms};

    for (uint32_t i = 0; i < machine->group_count; i++) {
        memcpy(ask.groups[i].name, machine->groups[i].name, sizeof ask.groups[i].name);
        bw_second_say(&machine->groups[i].second, now, &ask.groups[i].report);
    }
    machine->asked = now;
    machine->has_asked = true;
    machine->has_news = false;
    machine->ask_at = bw_instant_add(now, bw_ms_to_ns(machine->interval_ms));
    machine->is_asking = ask_driver(machine, &action) == BW_OK;
}

/* ---- warnings -------------------------------------------------------------------------------- */

static bool has_to_warn(const struct bw_second_machine *machine)
{
    for (uint32_t i = 0; i < machine->group_count; i++)
        if (bw_second_warns_of(&machine->groups[i].second) != 0)
            return true;
    return false;
}

/* What an agent says, or a file: of no spec it is longer, whoever holds a key. What it says of its leases counts all
 * the same. */
static uint32_t possible_ms(uint32_t said_ms)
{
    return said_ms < BW_PACE_MS_MAX ? said_ms : BW_PACE_MS_MAX;
}

/* None of its reports may be stale before the next (3.3), whatever an agent says that was made anew: it knows nothing of
 * the terms. */
static uint32_t interval_ms_of(const struct bw_second_served *own)
{
    const uint32_t kept_ms = possible_ms(own->second.memory.interval_ms);

    return kept_ms != 0 ? kept_ms : BW_SECOND_INTERVAL_MS_MIN;
}

/* The shorter one. 0: nothing was said. */
static uint32_t shorter_ms(uint32_t ms, uint32_t kept_ms)
{
    return kept_ms != 0 && kept_ms < ms ? kept_ms : ms;
}

/* As an agent of the site, and another instance than the one whose epoch it is: it renews and gives
 * back nothing, and what it does not know it says to be unknown (3.3). */
static void warn(struct bw_second_machine *machine, struct bw_instant now)
{
    const struct bw_second_setup *setup = &machine->setup;
    struct bw_sync sync = {.instance = setup->session,
                           .session = setup->session,
                           .boot_id = setup->boot_id,
                           .number = ++machine->warnings,
                           .wants_relay = true, /* whoever leads is not in its file, perhaps, or not in its reach */
                           .feature_level = setup->feature_level,
                           .groups = setup->sync_groups};
    uint32_t interval_ms = machine->interval_ms;
    uint32_t limit_ms = machine->limit_ms;

    (void)bw_copy_text(sync.site, sizeof sync.site, setup->site); /* names */
    (void)bw_copy_text(sync.agent, sizeof sync.agent, setup->name);
    for (uint32_t i = 0; i < machine->group_count; i++) {
        const uint64_t epoch = bw_second_warns_of(&machine->groups[i].second);
        struct bw_sync_group *group = &sync.groups[sync.group_count];

        if (epoch == 0)
            continue;
        interval_ms = shorter_ms(interval_ms, interval_ms_of(&machine->groups[i]));
        limit_ms = shorter_ms(limit_ms, machine->groups[i].second.memory.limit_ms);
        *group = (struct bw_sync_group){.report = {.epoch_seen = epoch,
                                                   .enforced = true,
                                                   .service = BW_SERVICE_UNKNOWN,
                                                   .service_age_ms = UINT32_MAX,
                                                   .ready_age_ms = UINT32_MAX,
                                                   .check_interval_ms = interval_ms_of(&machine->groups[i])}};
        memcpy(group->name, machine->groups[i].name, sizeof group->name);
        sync.group_count++;
    }
    machine->warn_at = bw_instant_add(now, bw_ms_to_ns(interval_ms));
    emit(machine, &(struct bw_second_machine_action){.kind = BW_SECOND_MACHINE_WARN,
                                                     .sync = &sync,
                                                     .limit_ms = limit_ms});
}

static void warn_if_due(struct bw_second_machine *machine)
{
    const struct bw_instant now = now_of(machine);

    if (has_to_warn(machine) && bw_instant_right_is_over(now, machine->warn_at))
        warn(machine, now);
}

/* ---- a step of one group --------------------------------------------------------------------- */

static void save_group(struct bw_second_served *own, uint64_t number)
{
    *own->kept = own->second.memory;
    own->save_waits = number;
}

static void drop_mirror(struct bw_second_served *own)
{
    *own->mirror = (struct bw_second_mirror){0};
    own->mirror_waits = true;
}

static void execute(struct bw_second_machine *machine, uint32_t group,
                    const struct bw_second_action *wanted)
{
    struct bw_second_served *own = &machine->groups[group];
    struct bw_second_machine_action action = {.group = group};

    switch (wanted->kind) {
    case BW_SECOND_ACTION_SAVE:
        save_group(own, wanted->number);
        return;
    case BW_SECOND_ACTION_MIRROR:
        if (own->second.phase == BW_SECOND_IDLE) {
            drop_mirror(own);
            return;
        }
        *own->mirror = (struct bw_second_mirror){.cluster_id = own->second.memory.cluster_id,
                                                 .epoch = own->second.memory.epoch,
                                                 .fence_ns = own->second.memory.fence_ns,
                                                 .end = own->second.end};
        own->mirror_waits = true;
        return;
    case BW_SECOND_ACTION_ASK_NOW:
        ask_now(machine);
        return;
    case BW_SECOND_ACTION_LOOK:
        action.kind = BW_SECOND_MACHINE_LOOK;
        own->look_refused = ask_driver(machine, &action) != BW_OK;
        return;
    case BW_SECOND_ACTION_FENCE:
        action.kind = BW_SECOND_MACHINE_FENCE;
        action.epoch = wanted->epoch;
        action.limit_ns = wanted->limit_ns;
        action.restarts = wanted->restarts;
        own->fence_refused = ask_driver(machine, &action) != BW_OK;
        return;
    /* What is due is done before what has come is heard: a kill of the script whose end that is (3.4) has nothing
     * left to end, and its end follows at once. */
    case BW_SECOND_ACTION_KILL_LOOK:
        if (own->is_look_over || own->look_refused)
            return;
        action.kind = BW_SECOND_MACHINE_KILL_LOOK;
        break;
    case BW_SECOND_ACTION_KILL_FENCE:
        if (own->is_fence_over || own->fence_refused)
            return;
        action.kind = BW_SECOND_MACHINE_KILL_FENCE;
        break;
    }
    emit(machine, &action);
}

static void step_once(struct bw_second_machine *machine, uint32_t group,
                      const struct bw_second_event *event)
{
    struct bw_second_served *own = &machine->groups[group];
    const struct bw_second before = own->second;
    struct bw_second_actions actions;

    bw_second_step(&own->second, event, now_of(machine), &actions);
    own->wake_at = actions.wake_at;
    for (uint32_t i = 0; i <= actions.count; i++)
        emit(machine, &(struct bw_second_machine_action){
                          .kind = BW_SECOND_MACHINE_STEPPED,
                          .group = group,
                          .rule = i < actions.count ? actions.list[i].rule : NULL,
                          .second = &own->second,
                          .before = &before});
    for (uint32_t i = 0; i < actions.count; i++)
        execute(machine, group, &actions.list[i]);
}

/* What could not be begun has ended without a result. On a machine on which even that takes its time the next try
 * may be due by then: it waits for a step of its own. */
static void tell_refused(struct bw_second_machine *machine, uint32_t group)
{
    struct bw_second_served *own = &machine->groups[group];

    for (int turn = 0; turn < 4 && (own->look_refused || own->fence_refused); turn++) {
        const struct bw_second_event refused = {.kind = own->look_refused ? BW_SECOND_EVENT_LOOKED
                                                                          : BW_SECOND_EVENT_FENCED};

        if (own->look_refused)
            own->look_refused = false;
        else
            own->fence_refused = false;
        step_once(machine, group, &refused);
    }
    if (own->look_refused || own->fence_refused)
        own->wake_at = bw_instant_min(own->wake_at,
                                      bw_instant_add(now_of(machine), REFUSED_AGAIN_NS));
}

static void step_group(struct bw_second_machine *machine, uint32_t group,
                       const struct bw_second_event *event)
{
    step_once(machine, group, event);
    tell_refused(machine, group);
}

/* ---- what has come --------------------------------------------------------------------------- */

static const struct bw_second_lease *lease_of(const struct bw_second_answer *answer,
                                              const char *group)
{
    for (uint32_t i = 0; i < answer->group_count; i++)
        if (strcmp(answer->groups[i].name, group) == 0)
            return &answer->groups[i].lease;
    return NULL;
}

static void on_answered(struct bw_second_machine *machine, const struct bw_second_answer *answer)
{
    const uint32_t interval_ms = answer != NULL ? possible_ms(answer->interval_ms) : 0;
    const uint32_t limit_ms = answer != NULL ? possible_ms(answer->limit_ms) : 0;

    machine->is_asking = false;
    if (answer != NULL) {
        machine->interval_ms = interval_ms > 0 ? interval_ms : BW_SECOND_INTERVAL_MS_ABSENT;
        machine->limit_ms = limit_ms > 0 ? limit_ms : BW_SECOND_LIMIT_MS_ABSENT;
    }
    for (uint32_t i = 0; answer != NULL && i < machine->group_count; i++) {
        const struct bw_second_lease *lease = lease_of(answer, machine->groups[i].name);

        if (lease != NULL)
            step_group(machine, i,
                       &(struct bw_second_event){.kind = BW_SECOND_EVENT_ANSWERED,
                                                 .lease = lease,
                                                 .cluster_id = answer->cluster_id,
                                                 .asked = machine->asked,
                                                 .interval_ms = interval_ms,
                                                 .limit_ms = limit_ms});
    }
    if (machine->has_news)
        ask_now(machine);
}

static void on_saved(struct bw_second_machine *machine, bool ok)
{
    machine->is_saving = false;
    for (uint32_t i = 0; i < machine->group_count; i++) {
        const uint64_t number = machine->groups[i].save_begun;

        machine->groups[i].save_begun = 0;
        if (number != 0)
            step_group(machine, i,
                       &(struct bw_second_event){
                           .kind = BW_SECOND_EVENT_SAVED, .number = number, .ok = ok});
    }
}

/* What a step asked the disk for goes out at its end, for all groups at once. */
static void save_if_due(struct bw_second_machine *machine)
{
    bool is_due = false;

    if (machine->is_saving)
        return;
    for (uint32_t i = 0; i < machine->group_count; i++) {
        struct bw_second_served *own = &machine->groups[i];

        is_due = is_due || own->save_waits != 0;
        own->save_begun = own->save_waits;
        own->save_waits = 0;
    }
    if (!is_due)
        return;
    machine->is_saving = true;
    emit(machine, &(struct bw_second_machine_action){.kind = BW_SECOND_MACHINE_SAVE,
                                                     .state = machine->setup.state});
}

static void mirror_if_due(struct bw_second_machine *machine)
{
    bool is_due = false;

    if (machine->is_mirroring)
        return;
    for (uint32_t i = 0; i < machine->group_count; i++) {
        is_due = is_due || machine->groups[i].mirror_waits;
        machine->groups[i].mirror_waits = false;
    }
    if (is_due)
        machine->is_mirroring = ask_driver(machine, &(struct bw_second_machine_action){
                                                        .kind = BW_SECOND_MACHINE_MIRROR,
                                                        .mirror = machine->setup.mirror}) == BW_OK;
}

static void serve_due(struct bw_second_machine *machine)
{
    const struct bw_instant now = now_of(machine);

    for (uint32_t i = 0; i < machine->group_count; i++)
        if (bw_instant_right_is_over(now, machine->groups[i].wake_at))
            step_group(machine, i, &(struct bw_second_event){.kind = BW_SECOND_EVENT_TICK});
}

void bw_second_machine_step(struct bw_second_machine *machine,
                            const struct bw_second_machine_event *event)
{
    BW_ASSERT(!machine->is_stepping); /* emit never calls back */
    machine->is_stepping = true;
    if (event->kind == BW_SECOND_MACHINE_LOOKED)
        machine->groups[event->group].is_look_over = true;
    if (event->kind == BW_SECOND_MACHINE_FENCED)
        machine->groups[event->group].is_fence_over = true;
    serve_due(machine); /* deadlines go before answers (3.4) */
    switch (event->kind) {
    case BW_SECOND_MACHINE_WAKE:
        break;
    case BW_SECOND_MACHINE_ANSWERED:
        on_answered(machine, event->answer);
        break;
    case BW_SECOND_MACHINE_SAVED:
        on_saved(machine, event->ok);
        break;
    case BW_SECOND_MACHINE_MIRRORED:
        machine->is_mirroring = false;
        break;
    case BW_SECOND_MACHINE_LOOKED:
        machine->groups[event->group].is_look_over = false; /* it is told now */
        step_group(machine, event->group,
                   &(struct bw_second_event){.kind = BW_SECOND_EVENT_LOOKED,
                                             .service = event->service,
                                             .digest = event->digest});
        break;
    case BW_SECOND_MACHINE_FENCED:
        machine->groups[event->group].is_fence_over = false;
        step_group(machine, event->group,
                   &(struct bw_second_event){.kind = BW_SECOND_EVENT_FENCED, .ok = event->ok});
        break;
    }
    if (!machine->is_asking && bw_instant_right_is_over(now_of(machine), machine->ask_at))
        ask(machine);
    warn_if_due(machine);
    save_if_due(machine);
    mirror_if_due(machine);
    machine->is_stepping = false;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct bw_second_mirror bw_second_mirror_of(const struct bw_second_mirror_file *found,
                                            const struct bw_second_mirror_file *own,
                                            const char *group)
{
    if (strcmp(found->site, own->site) != 0 || !bw_id_equal(found->boot_id, own->boot_id) ||
        found->time_namespace != own->time_namespace)
        return (struct bw_second_mirror){0};
    for (uint32_t i = 0; i < found->group_count; i++)
        if (strcmp(found->groups[i].name, group) == 0)
            return found->groups[i].mirror;
    return (struct bw_second_mirror){0};
}

void bw_second_machine_init(struct bw_second_machine *machine, const struct bw_second_setup *setup)
{
    *machine = (struct bw_second_machine){.setup = *setup,
                                          .groups = setup->groups,
                                          .interval_ms = BW_SECOND_INTERVAL_MS_ABSENT,
                                          .limit_ms = BW_SECOND_LIMIT_MS_ABSENT,
                                          .warn_at = BW_INSTANT_NEVER};
    machine->ask_at = now_of(machine);
}

/* An agent that is there answers before. Not one that did not while the window came: who warned then is heard no more. */
static struct bw_instant first_warning_at(const struct bw_second_served *own, struct bw_instant now)
{
    const uint64_t interval_ns = bw_ms_to_ns(interval_ms_of(own));

    if (own->second.was_due)
        return now;
    return bw_instant_add(now, interval_ns < BW_SECOND_GRACE_NS / 4 ? interval_ns : BW_SECOND_GRACE_NS / 4);
}

/* Until an agent says otherwise it goes on as it was told. */
static void take_kept_pace(struct bw_second_machine *machine, const struct bw_second_memory *kept)
{
    if (kept->epoch == 0 || kept->is_over)
        return;
    machine->interval_ms = shorter_ms(machine->interval_ms, kept->interval_ms);
    machine->limit_ms = shorter_ms(machine->limit_ms, kept->limit_ms);
}

void bw_second_machine_add_group(struct bw_second_machine *machine, const char *group,
                                 const struct bw_second_limits *limits,
                                 struct bw_second_memory *kept, struct bw_second_mirror *mirror)
{
    struct bw_second_served *own = &machine->groups[machine->group_count++];

    BW_ASSERT(machine->group_count <= machine->setup.group_max);
    *own = (struct bw_second_served){.kept = kept, .mirror = mirror, .wake_at = now_of(machine)};
    BW_ASSERT(bw_copy_text(own->name, sizeof own->name, group));
    bw_second_init(&own->second, limits, kept, mirror, BW_SECOND_GRACE_NS, now_of(machine));
    if (own->second.phase == BW_SECOND_IDLE && mirror->epoch != 0)
        drop_mirror(own); /* it ended before it was written that this is over */
    take_kept_pace(machine, &own->second.memory);
    machine->warn_at = bw_instant_min(machine->warn_at, first_warning_at(own, now_of(machine)));
}

struct bw_instant bw_second_machine_wake_at(const struct bw_second_machine *machine)
{
    struct bw_instant at = machine->is_asking ? BW_INSTANT_NEVER : machine->ask_at;

    if (has_to_warn(machine))
        at = bw_instant_min(at, machine->warn_at);
    for (uint32_t i = 0; i < machine->group_count; i++)
        at = bw_instant_min(at, machine->groups[i].wake_at);
    return at;
}

static bool does_run(const struct bw_second *second)
{
    return second->fence != BW_SECOND_RUN_NONE || second->phase == BW_SECOND_LOOKING ||
           second->proof == BW_SECOND_PROOF_AFTER;
}

uint32_t bw_second_machine_fences(const struct bw_second_machine *machine, struct bw_instant now)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < machine->group_count; i++) {
        const struct bw_second *second = &machine->groups[i].second;
        const bool is_tried = second->phase == BW_SECOND_SCRIPT &&
                              !bw_instant_wait_is_over(now, bw_instant_add(second->end, BW_SECOND_FINISHES_NS));

        count += is_tried || does_run(second);
    }
    return count;
}

uint32_t bw_second_machine_runs(const struct bw_second_machine *machine)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < machine->group_count; i++)
        count += does_run(&machine->groups[i].second);
    return count;
}
