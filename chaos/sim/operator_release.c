/* operator_release.c - people who vouch that a site is off (force-release): rightly, of a machine
 * that has no power, or that was made anew beside its claim; or wrongly, of one whose agent answers and cannot say what runs there. */
#include <string.h>

#include <breakwater/base/bytes.h>

#include "checks.h"
#include "machine.h"
#include "net.h"
#include "operator.h"
#include "override.h"
#include "site.h"
#include "witness.h"

#define ASK_NS  (1 * SIM_S)
#define MEND_NS (3 * SIM_S)
#define LOOKS_BEFORE_NAMING 15 /* of MEND_NS: what comes by itself comes first */
#define LOOK_NS (5 * SIM_MS)

/* What runs where only its own scripts end it is the one thing that a wrong word cannot be borne
 * for: he looks there first, and at what the scripts that lie there would start. */
static bool would_vouch(const struct sim_host *host, uint32_t group)
{
    return (!host->is_up && !sim_service_is_serving(host, group)) ||
           (!sim_service_is_outside(host, group) &&
            !sim_scripts_start_outside(sim_machine(host), group, sim_site_scripts(host, group)));
}

static bool force_release(struct sim_world *world, uint32_t group, const struct sim_host *host, uint64_t epoch)
{
    struct bw_wish wish = {.kind = BW_WISH_FORCE_RELEASE, .epoch = epoch};
    struct bw_diag diag = {0};

    wish.holder_is_off = host->is_up || epoch % 2 == 0;
    (void)bw_copy_text(wish.to, sizeof wish.to, host->name);
    (void)bw_copy_text(wish.by, sizeof wish.by, "operator/anna");
    (void)bw_copy_text(wish.text, sizeof wish.text, "simulated");
    if (sim_witness_ask(sim_operator_leader(world), world->group_names[group], &wish, &diag) == BW_OK)
        return true;
    sim_tell(world, "PEOPLE", "no force-release: %s", diag.text);
    return false;
}

bool sim_operator_vouch(struct sim_world *world, uint32_t group, uint64_t epoch)
{
    const struct bw_group *found = sim_operator_group(world, group);
    struct sim_host *host = found == NULL ? NULL : sim_operator_holder(world, found);

    if (host == NULL || found->epoch != epoch || !would_vouch(host, group) ||
        !force_release(world, group, host, epoch))
        return false;
    sim_count(world, host->is_up ? "people:vouch_wrongly" : "people:vouch");
    return true;
}

void sim_operator_blind(struct sim_world *world, uint32_t site, uint64_t until_ns)
{
    sim_checks_disturb(world, site, until_ns);
    sim_site_set_script_faults(sim_site(world, site),
                               &(struct sim_script_faults){.wrong_word_percent = 100});
}

/* ---- a machine is off, and somebody says so ---- */

/* What he remembers between two looks. */
static uint64_t noted(uint64_t group, const struct sim_host *host, uint64_t epoch)
{
    return group | (uint64_t)host->index << 8 | epoch << 16;
}

static void end_and_vouch(struct sim_world *world, const struct sim_host *host, uint32_t group,
                          uint64_t epoch)
{
    if (sim_service_is_serving(host, group)) /* it outlives the machine: he ends it himself */
        (void)sim_service_fenced(world, host->name, group, epoch, "somebody has ended it");
    (void)sim_operator_vouch(world, group, epoch);
}

/* Until its epoch is over: only then may the machine boot. */
static void vouch_until_over(struct sim_world *world, uint64_t note)
{
    const uint32_t group = note & 0xff;
    struct sim_host *host = &world->hosts[note >> 8 & 0xff];
    const struct bw_group *found = sim_operator_group(world, group);

    if (host->is_up)
        return; /* somebody else has booted it: it says itself what it is */
    if (found != NULL && (found->epoch != note >> 16 || found->phase == BW_PHASE_VACANT)) {
        sim_host_boot(host);
        return;
    }
    end_and_vouch(world, host, group, note >> 16);
    sim_world_at(world, world->now_ns + ASK_NS, vouch_until_over, note);
}

/* The machine overrides nothing, and its site has a claim (3.8). */
static bool has_left_claim(const struct bw_group *group, const struct sim_host *host, uint32_t number)
{
    for (uint32_t i = 0; i < group->claim_count; i++)
        if (bw_claim_stands(&group->claims[i]) && strcmp(group->claims[i].site, host->name) == 0)
            return sim_override_kept(host, number) == SIM_OVERRIDE_NONE;
    return false;
}

static void vouch_for_claim(struct sim_world *world, const struct sim_host *host, uint32_t group, uint64_t epoch)
{
    if (would_vouch(host, group) && force_release(world, group, host, epoch))
        sim_count(world, "people:vouch_for_claim");
}

/* All that it held or claimed, one after another, before it may boot: each boot would leave the others to be
 * mended. */
static void vouch_for_all(struct sim_world *world, uint64_t index)
{
    struct sim_host *host = &world->hosts[index];
    bool is_any_left = false;

    if (host->is_up)
        return;
    for (uint32_t i = 0; i < world->setting.group_count; i++) {
        const struct bw_group *found = sim_operator_group(world, i);
        const bool is_held = found != NULL && sim_operator_holder(world, found) == host;

        if (found == NULL || (!is_held && !has_left_claim(found, host, i)))
            continue;
        is_any_left = true;
        if (is_held) {
            end_and_vouch(world, host, i, found->epoch);
            continue;
        }
        if (sim_service_is_serving(host, i))
            (void)sim_service_fenced(world, host->name, i, found->epoch, "somebody has ended it");
        vouch_for_claim(world, host, i, found->epoch);
    }
    if (is_any_left)
        sim_world_at(world, world->now_ns + ASK_NS, vouch_for_all, index);
    else
        sim_host_boot(host);
}

/* Time does not end it (3.3, 3.4), and the site may be without what it needs to give it back: a fence
 * failed, or no kill has proved that its guard ends the service. */
static bool may_need_a_person(const struct bw_group *group)
{
    return group->phase == BW_PHASE_CLOSING &&
           (group->held || group->sight.seen != BW_REACH_INSIDE || !group->sight.proved);
}
void sim_operator_mend(struct sim_world *world, uint64_t group)
{
    const struct bw_group *found = sim_operator_group(world, (uint32_t)group);
    struct sim_host *host = found == NULL ? NULL : sim_operator_holder(world, found);

    if (host == NULL || !may_need_a_person(found) || !host->is_up)
        return;
    sim_host_lose_power(host);
    sim_world_at(world, world->now_ns + ASK_NS, vouch_for_all, host->index);
}

/* A first grant that one site keeps away for good: it can neither end what it once began nor say that it has.
 * Somebody has a look at the others, and names one after another until it is granted (3.9). */
static void name_one(struct sim_world *world, uint32_t group, uint64_t tries)
{
    const struct bw_group *found = sim_operator_group(world, group);

    if (tries < LOOKS_BEFORE_NAMING || found == NULL || found->phase != BW_PHASE_VACANT ||
        !found->first_grant)
        return;
    (void)sim_operator_name(world, group, (uint32_t)(tries % world->setting.site_count));
}

/* Whose data was the newest is lost with its machine, is no candidate any more, or nobody knows how much the others lack
 * of it: no site is granted by itself, nor one that was named. Somebody takes one after another as it is, until it is
 * granted (4). */
static void take_one(struct sim_world *world, uint32_t group, uint64_t tries)
{
    struct sim_process *leader = sim_operator_leader(world);
    const struct bw_group *found = sim_operator_group(world, group);
    struct bw_wish wish = {.kind = BW_WISH_FAILOVER, .accept_data_loss = true};
    struct bw_diag diag = {0};

    if (leader == NULL || found == NULL || found->phase != BW_PHASE_VACANT ||
        tries < (found->first_grant ? 2 * LOOKS_BEFORE_NAMING : LOOKS_BEFORE_NAMING))
        return;
    (void)bw_copy_text(wish.to, sizeof wish.to, sim_site(world, (uint32_t)(tries % world->setting.site_count))->name);
    (void)bw_copy_text(wish.by, sizeof wish.by, "operator/anna");
    if (sim_witness_ask(leader, world->group_names[group], &wish, &diag) == BW_OK)
        sim_count(world, "people:take_as_it_is");
}

/* A machine that was made anew knows nothing of the claim: no report of it ends that (3.8). Where nothing serves,
 * somebody says so; else the machine is switched off first. */
static void end_claims(struct sim_world *world, uint32_t group, uint64_t tries)
{
    const struct bw_group *found = sim_operator_group(world, group);

    if (tries < LOOKS_BEFORE_NAMING || found == NULL || found->phase != BW_PHASE_VACANT || sim_clone(world)->is_up)
        return;
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        struct sim_host *host = sim_site(world, site);

        if (!has_left_claim(found, host, group))
            continue;
        if (would_vouch(host, group) && !sim_service_is_serving(host, group)) {
            vouch_for_claim(world, host, group, found->epoch);
        } else if (host->is_up) {
            sim_host_lose_power(host);
            sim_world_at(world, world->now_ns + ASK_NS, vouch_for_all, host->index);
        }
        return;
    }
}

void sim_operator_end_claims(struct sim_world *world, uint32_t group)
{
    end_claims(world, group, LOOKS_BEFORE_NAMING);
}

void sim_operator_mend_again(struct sim_world *world, uint64_t note)
{
    const uint32_t group = note & 0xff;
    const uint64_t tries = note >> 8;

    sim_operator_mend(world, group);
    end_claims(world, group, tries);
    name_one(world, group, tries);
    take_one(world, group, tries);
    sim_world_at(world, world->now_ns + MEND_NS, sim_operator_mend_again, group | (tries + 1) << 8);
}

/* ---- rightly, as an incident: where time ends the epoch he is told so, and waits ---- */

static bool force(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group;
    struct sim_host *host;

    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    group = sim_operator_group(world, incident->a);
    host = group == NULL ? NULL : sim_operator_holder(world, group);
    if (host == NULL || !host->is_up)
        return false;
    incident->b = host->index;
    sim_host_lose_power(host);
    sim_world_at(world, world->now_ns + ASK_NS, vouch_until_over,
                 noted(incident->a, host, group->epoch));
    return true;
}
static void boot_again(struct sim_world *world, struct sim_incident *incident)
{
    sim_host_boot(&world->hosts[incident->b]);
}

/* ---- wrongly: of a holder that renews, and whose status says nothing ---- */

/* In the middle of a proof, which confirms what was received before: the leader has proposed an end
 * since (3.2.2). His client has heard no answer, and sends the very same again when it is over (3.1). */
static bool is_proving(struct sim_world *world)
{
    for (uint32_t w = 0; w < world->witness_count; w++)
        if (sim_witness_is_proving(world->witnesses[w]))
            return true;
    return false;
}
static uint64_t vouch_in_proof(struct sim_world *world, struct sim_incident *incident)
{
    if (!is_proving(world))
        return SIM_MS / 2;
    return sim_operator_vouch(world, incident->a, incident->c) ? 0 : LOOK_NS;
}
static bool wrong_word(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group;
    const struct sim_host *host;

    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    incident->look = vouch_in_proof;
    group = sim_operator_group(world, incident->a);
    host = group == NULL ? NULL : sim_operator_holder(world, group);
    if (host == NULL || !would_vouch(host, incident->a))
        return false;
    incident->b = host->number;
    incident->c = group->epoch;
    sim_operator_blind(world, incident->b, incident->until_ns);
    return true;
}
static void ask_again(struct sim_world *world, struct sim_incident *incident)
{
    (void)sim_operator_vouch(world, incident->a, incident->c);
    sim_site_clear_script_faults(sim_site(world, incident->b));
}

/* ---- of one that is cut off and cannot end its service, and is heard again once he has spoken: what it
 * says then counts more than his word (3.1) ---- */

static uint64_t vouch_and_cut_off(struct sim_world *world, struct sim_incident *incident)
{
    if (!sim_operator_vouch(world, incident->a, incident->c))
        return 200 * SIM_MS;
    incident->stage = 1;
    sim_net_cut_around(world, sim_site(world, incident->b)->index, true, true, false);
    return 0;
}
static bool word_unfenced(struct sim_world *world, struct sim_incident *incident)
{
    const struct sim_script_faults faults = {
        .fence_fails_percent = 100, /* and a stop that says it has done what it has not */
        .lie_percent = 100,
        .unfenced_until_ns = sim_plan_excused_until(world, incident)};
    const struct bw_group *group;
    const struct sim_host *host;
    struct bw_spec spec;

    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    incident->look = vouch_and_cut_off;
    group = sim_operator_group(world, incident->a);
    host = group == NULL ? NULL : sim_operator_holder(world, group);
    if (host == NULL || !would_vouch(host, incident->a) || !sim_service_is_serving(host, incident->a))
        return false;
    spec = group->spec;
    spec.handover_by_time = BW_HANDOVER_NEVER; /* else time is enough, and nobody is asked */
    if (!sim_operator_apply_spec(world, &spec))
        return false;
    incident->b = host->number;
    incident->c = group->epoch;
    incident->stage = 0;
    sim_checks_disturb(world, incident->b, incident->until_ns);
    sim_site_set_script_faults(sim_site(world, incident->b), &faults);
    sim_net_cut_around(world, host->index, true, true, true);
    return true;
}
static void fenced_again(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == 0)
        sim_net_cut_around(world, sim_site(world, incident->b)->index, true, true, false);
    sim_site_clear_script_faults(sim_site(world, incident->b));
    sim_operator_spec_as_at_first(world, incident->a);
}

const struct sim_incident_kind sim_operator_release[] = {
    {"word-unfenced", SIM_OUTSIDE, true, 4, 20000, 60000, word_unfenced, fenced_again},
    {"force-release", SIM_PEOPLE, true, 6, 8000, 60000, force, boot_again},
    {"wrong-word", SIM_PEOPLE, true, 4, 3000, 60000, wrong_word, ask_again},
    {.name = NULL},
};
