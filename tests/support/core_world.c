#include "core_world.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/wire/log_entry.h>

static const char *const names[] = {"dc-a", "dc-b", "dc-c"};

static struct bw_spec spec_of(uint32_t site_count)
{
    static const uint32_t priorities[] = {100, 50, 10};
    struct bw_spec spec;

    bw_spec_defaults(&spec);
    (void)strcpy(spec.name, "harbor");
    spec.site_count = site_count;
    for (uint32_t i = 0; i < site_count; i++) {
        (void)strcpy(spec.sites[i].name, names[i]);
        spec.sites[i].priority = priorities[i];
    }
    return spec;
}

static struct bw_report eligible_report(void)
{
    return (struct bw_report){
        .guard_alive = true,
        .service = BW_SERVICE_STOPPED,
        .service_age_ms = 0,
        .condition = BW_CONDITION_START,
        .has_readiness = true,
        .ready = true,
        .ready_age_ms = 100,
        .has_lag = true,
        .lag_ms = 400,
        .check_interval_ms = 10000,
        .reach = BW_REACH_UNITS,
        .reach_works = true,
        .sight = {.seen = BW_REACH_INSIDE, .proved = true, .digest = 1},
        .fence_bound_ms = 3000,
        .joined_epoch = UINT64_MAX,
        .gives_position = true,
    };
}

struct bw_group *world_group(struct world *world)
{
    return &world->groups[0];
}

struct bw_watch *world_watch(struct world *world)
{
    return &world->watches[0];
}

void world_wait_ms(struct world *world, uint64_t ms)
{
    world->now = bw_instant_add(world->now, ms * BW_NS_PER_MS);
}

/* As a witness hears of it; one that no log takes as it is. */
static struct bw_command over_the_wire(const struct bw_command *command)
{
    static uint8_t bytes[BW_COMMAND_BYTES_MAX];
    struct bw_command heard;
    struct bw_diag diag = {0};
    size_t size = 0;

    if (bw_log_entry_encode(command, bytes, sizeof bytes, &size, &diag) == BW_ERR_INVALID)
        return *command;
    BW_ASSERT(diag.err == BW_OK);
    BW_ASSERT(bw_log_entry_decode(bytes, size, &heard, &diag) == BW_OK);
    return heard;
}

const char *world_apply(struct world *world, const struct bw_command *command)
{
    const struct bw_command heard = over_the_wire(command);

    world->applied = bw_cluster_apply(&world->cluster, ++world->index, &heard);
    bw_witness_on_applied(&world->witness, &heard, &world->applied, world->now);
    return world->applied.rule != NULL ? world->applied.rule->id : "-";
}

void world_know_spec(struct world *world)
{
    for (int site = 0; site < WORLD_SITES; site++) {
        world->sites[site].report.spec_version = world->groups[0].spec_version;
        world->sites[site].report.let_go_index = world->groups[0].let_go_index;
    }
}

void world_set_spec(struct world *world, const struct bw_spec *spec, const char *initial_primary)
{
    struct bw_command command = {.kind = BW_COMMAND_SET_SPEC, .spec = *spec};

    (void)strcpy(command.group, "harbor");
    (void)strcpy(command.site, initial_primary);
    BW_ASSERT(strcmp(world_apply(world, &command), "-") != 0);
    world_know_spec(world);
}

void world_set_mode(struct world *world, enum bw_mode mode)
{
    struct bw_command command = {.kind = BW_COMMAND_SET_MODE, .mode = mode};

    (void)strcpy(command.group, "harbor");
    BW_ASSERT(strcmp(world_apply(world, &command), "-") != 0);
    world_know_spec(world);
}

void world_lead_anew(struct world *world)
{
    bw_witness_on_not_leading(&world->witness);
    bw_witness_on_leading(&world->witness, world->witness.leadership.term + 1, world->now);
}

void world_init(struct world *world, uint32_t site_count)
{
    struct bw_command found = {
        .kind = BW_COMMAND_FOUND, .election_timeout_ms = 1000, .feature_level = 1};
    struct bw_spec spec = spec_of(site_count);

    memset(world, 0, sizeof(*world));
    world->now = (struct bw_instant){1000 * BW_NS_PER_S, 900 * BW_NS_PER_S};
    bw_cluster_init(&world->cluster, world->groups, 2);
    bw_witness_init(&world->witness, "w1", &world->cluster, world->watches, world->now);
    found.cluster_id.bytes[0] = 7;
    (void)strcpy(found.cluster_name, "prod");
    (void)world_apply(world, &found);
    for (int site = 0; site < WORLD_SITES; site++) {
        world->sites[site].instance.bytes[0] = (uint8_t)(site + 1);
        world->sites[site].session.bytes[0] = (uint8_t)(site + 1);
        world->sites[site].boot_id.bytes[0] = (uint8_t)(site + 1);
        world->sites[site].report = eligible_report();
        world->sites[site].is_mute = site >= (int)site_count;
    }
    bw_witness_on_leading(&world->witness, 1, world->now);
    world_set_spec(world, &spec, "");
    world_wait_ms(world, 60000);
    world_sync_all(world);
}

/* What the clocks of a puppet show, whose rate never changed. */
static struct bw_instant clock_of(const struct world *world, const struct world_site *puppet)
{
    const int64_t boot_us = (int64_t)(world->now.boot_ns / 1000);
    const int64_t raw_us = (int64_t)(world->now.raw_ns / 1000);

    return (struct bw_instant){
        (uint64_t)(boot_us * (1000000 + puppet->clock_ppm) / 1000),
        (uint64_t)(raw_us * (1000000 + puppet->clock_ppm) / 1000)};
}

/* Messages take no time here. Of a puppet that is not timed the answer came before it was asked for,
 * which measures nothing. */
static void note_exchange(const struct world *world, struct world_site *puppet, const struct bw_sync *sync)
{
    const struct bw_instant shown = clock_of(world, puppet);
    struct bw_exchange *own = &puppet->exchanges[0];
    struct bw_exchange *timed = puppet->timed_by != NULL ? &puppet->exchanges[1] : own;

    *own = (struct bw_exchange){.number = puppet->number,
                                .sent = {1, 1},
                                .receipt = bw_witness_receipt(&world->witness, sync, world->now)};
    (void)strcpy(own->witness, world->witness.name);
    if (!puppet->is_timed)
        return;
    timed->number = puppet->number;
    timed->sent = timed->answered = shown;
    if (puppet->timed_by != NULL)
        (void)strcpy(timed->witness, puppet->timed_by);
}

bool world_sync(struct world *world, int site)
{
    struct world_site *puppet = &world->sites[site];
    struct bw_sync_group group = {
        .renew_epoch = puppet->renew_epoch, .released = puppet->released, .report = puppet->report};
    struct bw_sync sync = {.cluster_id = world->cluster.id,
                           .generation = puppet->generation != 0 ? puppet->generation
                                                                 : world->cluster.generation,
                           .instance = puppet->instance,
                           .session = puppet->session,
                           .boot_id = puppet->boot_id,
                           .number = ++puppet->number,
                           .certificate_left_s = puppet->certificate_left_s,
                           .exchange_count = puppet->exchanges[1].number != 0   ? 2
                                             : puppet->exchanges[0].number != 0 ? 1
                                                                                : 0,
                           .exchanges = {puppet->exchanges[0], puppet->exchanges[1]},
                           .group_count = 1,
                           .groups = &group};
    uint64_t proof;

    (void)strcpy(group.name, "harbor");
    (void)strcpy(sync.site, names[site]);
    proof = bw_witness_on_sync(&world->witness, &sync, puppet->relayed_by, world->now);
    if (!puppet->is_deaf)
        note_exchange(world, puppet, &sync);
    if (proof == 0)
        return false;
    bw_witness_on_proof(&world->witness, bw_proof_on_submitted(&world->witness.proof));
    return bw_witness_confirm(&world->witness, &sync, &group, puppet->relayed_by, proof, world->now,
                              world->now);
}

void world_sync_all(struct world *world)
{
    for (int round = 0; round < 2; round++) {
        world_wait_ms(world, 1);
        for (int site = 0; site < WORLD_SITES; site++)
            if (!world->sites[site].is_mute)
                (void)world_sync(world, site);
    }
}

void world_without_readiness(struct world *world)
{
    for (size_t site = 0; site < sizeof world->sites / sizeof world->sites[0]; site++) {
        world->sites[site].report.has_readiness = false;
        world->sites[site].report.ready = false;
        world->sites[site].report.has_lag = false;
    }
}

void world_pass_ms(struct world *world, uint64_t ms)
{
    while (ms >= 500) {
        world_wait_ms(world, 500 - 2);
        world_sync_all(world);
        ms -= 500;
    }
    world_wait_ms(world, ms);
}

const char *world_decide(struct world *world)
{
    uint64_t wake_in_ns; /* as the witness's machine does before each decision (3.3) */

    bw_witness_follow_remote_fence(&world->witness, 0, world->now, &wake_in_ns, &world->news);
    bw_witness_decide(&world->witness, 0, world->now, &world->decision);
    return world->decision.rule;
}

const char *world_act(struct world *world)
{
    const char *rule = world_decide(world);
    struct bw_proposal proposal;

    if (!world->decision.acts)
        return rule;
    bw_witness_on_proposing(&world->witness, &world->decision.command, &proposal);
    BW_ASSERT(strcmp(world_apply(world, &world->decision.command), "-") != 0);
    BW_ASSERT(bw_witness_on_proposed(&world->witness, &proposal, &world->applied) ==
              BW_PROPOSAL_GO_ON);
    return rule;
}

void world_serve(struct world *world, int site)
{
    struct world_site *puppet = &world->sites[site];
    uint64_t epoch = world->groups[0].epoch;

    puppet->renew_epoch = epoch;
    puppet->released = (struct bw_released){0};
    (void)world_sync(world, site);
    puppet->report.epoch_seen = epoch;
    puppet->report.enforced = true;
    puppet->report.armed_epoch = epoch;
    puppet->report.start_begun = true;
    puppet->report.service = BW_SERVICE_STARTED;
    puppet->report.serving_epoch_started = true;
    puppet->report.verified = true;
    puppet->report.has_lag = false;
    world_sync_all(world);
}

void world_stop(struct world *world, int site)
{
    struct world_site *puppet = &world->sites[site];

    puppet->renew_epoch = 0;
    puppet->report.armed_epoch = 0;
    puppet->report.start_begun = false;
    puppet->report.serving_epoch_started = false;
    puppet->report.verified = false;
    puppet->report.service = BW_SERVICE_STOPPED;
    puppet->report.has_fence_or_stop_succeeded = true;
}

void world_give_back(struct world *world, int site, enum bw_reason reason, bool past_no_return,
                     const char *position)
{
    struct world_site *puppet = &world->sites[site];

    world_stop(world, site);
    puppet->report.epoch_seen = world->groups[0].epoch;
    puppet->released = (struct bw_released){
        .epoch = world->groups[0].epoch, .reason = reason, .past_no_return = past_no_return};
    (void)strcpy(puppet->released.position, position);
    world_sync_all(world);
}

void world_move_to_b(struct world *world)
{
    BW_ASSERT(world_ask(world, BW_WISH_SWITCHOVER, "dc-b", false, NULL) == BW_OK);
    BW_ASSERT(strcmp(world_act(world), "A11") == 0);
    world_give_back(world, A, BW_REASON_SWITCHOVER, true, "4711");
    BW_ASSERT(strcmp(world_act(world), "A1") == 0);
    world->sites[A].released = (struct bw_released){0};
    world->sites[B].report.prepared_index = world_group(world)->changed_index;
    world_sync_all(world);
    BW_ASSERT(strcmp(world_act(world), "A7") == 0);
    world->sites[A].report.has_lag = true;
    world_serve(world, B);
}

void world_begin_with(struct world *world, uint32_t site_count, const struct bw_spec *changes)
{
    world_init(world, site_count);
    if (changes != NULL)
        world_set_spec(world, changes, "");
    world_sync_all(world);
    BW_ASSERT(strcmp(world_act(world), "A6") == 0);
    BW_ASSERT(strcmp(world->groups[0].holder_site, "dc-a") == 0);
    world_serve(world, A);
    world_pass_ms(world, 5000);
}

void world_begin(struct world *world, uint32_t site_count)
{
    world_begin_with(world, site_count, NULL);
}

uint64_t world_wait_of_terms_ms(struct world *world)
{
    return (bw_expiry_wait_ns(&world->groups[0].terms) + BW_NS_PER_MS - 1) / BW_NS_PER_MS;
}

enum bw_err world_ask(struct world *world, enum bw_wish_kind kind, const char *to,
                      bool accept_data_loss, struct bw_diag *diag)
{
    struct bw_wish wish = {.kind = kind, .accept_data_loss = accept_data_loss};

    (void)strcpy(wish.to, to);
    (void)strcpy(wish.by, "operator/anna");
    return bw_witness_ask(&world->witness, 0, &wish, world->now, diag);
}

const struct bw_gate *world_gate(const struct world *world, const char *id, int site)
{
    const struct bw_gate *found = NULL;

    for (uint32_t i = 0; i < world->decision.gate_count; i++)
        if (strcmp(bw_gate_id_text(world->decision.gates[i].id), id) == 0 && world->decision.gates[i].site == site)
            found = &world->decision.gates[i];
    return found;
}

bool world_holds(const struct world *world, const char *id, int site)
{
    const struct bw_gate *gate = world_gate(world, id, site);

    return gate != NULL && gate->verdict == BW_GATE_HOLD;
}

static bool is_held_by(const struct bw_gate *gate)
{
    return gate->site < 0 && gate->verdict == BW_GATE_HOLD;
}

const char *world_verdict(const struct bw_decision *decision)
{
    const char *step = "A0";
    bool is_held = false;

    for (uint32_t i = 0; i < decision->gate_count; i++) {
        const struct bw_gate *gate = &decision->gates[i];

        if (strcmp(gate->step, "A0") == 0) {
            if (is_held_by(gate))
                return "A0";
            continue;
        }
        if (strcmp(gate->step, step) != 0) {
            if (strcmp(step, "A0") != 0 && !is_held)
                return step;
            step = gate->step;
            is_held = false;
        }
        is_held = is_held || is_held_by(gate);
    }
    return is_held ? "A0" : step;
}
