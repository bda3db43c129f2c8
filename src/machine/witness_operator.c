/* witness_operator.c - who may change something; moves and their plans; the feature level. Design 4, 5.3. */
#include <breakwater/machine/witness_operator.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/core/expiry.h>

#include "witness_internal.h"

enum bw_witness_standing bw_witness_machine_standing(const struct bw_witness_machine *machine)
{
    if (!bw_witness_machine_knows_cluster(machine))
        return BW_WITNESS_TOO_EARLY;
    if (machine->core.leadership.leads)
        return BW_WITNESS_MAY_CHANGE;
    return bw_witness_machine_leader(machine) != NULL ? BW_WITNESS_FOLLOWS : BW_WITNESS_LEADERLESS;
}

/* ---- how often ------------------------------------------------------------------------------- */

#define CHANGE_INTERVAL_NS ((uint64_t)BW_CHANGE_INTERVAL_MS * BW_NS_PER_MS)

/* The generic cell rate algorithm (ITU-T I.371): one instant for each group, one interval later with each change. */
enum bw_err bw_witness_may_change(const struct bw_witness_machine *machine, int group, struct bw_diag *diag)
{
    const uint64_t ahead_ns = bw_instant_left_ns(bw_witness_now(machine), machine->changes_until[group]);
    const uint64_t ahead_max_ns = (BW_CHANGES_MAX - 1) * CHANGE_INTERVAL_NS;

    if (ahead_ns <= ahead_max_ns)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_BUSY,
                       "%s was changed too often: %d changes at once are accepted, then one in each %d ms; try "
                       "again in %" PRIu64 " ms",
                       machine->cluster.groups[group].spec.name, BW_CHANGES_MAX, BW_CHANGE_INTERVAL_MS,
                       bw_ns_to_ms(ahead_ns - ahead_max_ns + BW_NS_PER_MS - 1));
}

void bw_witness_count_change(struct bw_witness_machine *machine, int group)
{
    struct bw_instant *until = &machine->changes_until[group];

    *until = bw_instant_add(bw_instant_max(*until, bw_witness_now(machine)), CHANGE_INTERVAL_NS);
}

/* ---- moves ----------------------------------------------------------------------------------- */

/* Notes it only where it can come true (4), and not too often (5.3). */
static enum bw_err note(struct bw_witness_machine *machine, int group, const struct bw_wish *wish,
                        struct bw_diag *diag)
{
    struct bw_watch *watch = &machine->core.watches[group];
    const struct bw_wish wish_before = watch->wish;
    const struct bw_instant since_before = watch->wish_since;
    const struct bw_instant now = bw_witness_now(machine);
    enum bw_err err = bw_witness_may_change(machine, group, diag);

    if (err == BW_OK)
        err = bw_witness_ask(&machine->core, group, wish, now, diag);
    if (err != BW_OK)
        return err;
    err = bw_foretell_judge_wish(&machine->cluster.groups[group], watch, &machine->core.leadership,
                                 now, wish, &machine->foretelling, diag);
    if (err != BW_OK) {
        watch->wish = wish_before;
        watch->wish_since = since_before;
    }
    return err;
}

bool bw_witness_machine_keeps_wish(const struct bw_witness_machine *machine, enum bw_wish_kind kind)
{
    return machine->cluster.feature_level >= BW_WISH_LEVEL && kind != BW_WISH_FORCE_RELEASE;
}

/* Judged like one that is noted, and kept by all or by none. */
static enum bw_err propose_wish(struct bw_witness_machine *machine, int group,
                                const struct bw_wish *wish, struct bw_proposer *proposer,
                                struct bw_diag *diag)
{
    const struct bw_group *now = &machine->cluster.groups[group];
    struct bw_command command = {.kind = BW_COMMAND_WISH,
                                 .epoch = now->epoch,
                                 .spec_version = now->spec_version,
                                 .wish = wish->kind,
                                 .accept_data_loss = wish->accept_data_loss,
                                 .duration_ms = wish->timeout_ms,
                                 .request_id = wish->id};
    enum bw_err err;

    BW_COPY_FIELD(command.group, now->spec.name);
    BW_COPY_FIELD(command.target, wish->to);
    BW_COPY_FIELD(command.by, wish->by);
    BW_COPY_FIELD(command.text, wish->text);
    err = bw_proposals_try(machine, &machine->foretelling.group, group, &command);
    if (err != BW_OK)
        return bw_diag_set(diag, err, "the state of %s does not allow it: %s", now->spec.name,
                           bw_err_text(err));
    return bw_witness_machine_propose(machine, &command, proposer, diag);
}

enum bw_err bw_witness_machine_ask(struct bw_witness_machine *machine, int group,
                                   const struct bw_wish *wish, struct bw_proposer *proposer,
                                   struct bw_diag *diag)
{
    struct bw_watch *watch = &machine->core.watches[group];
    const struct bw_wish wish_before = watch->wish;
    const struct bw_instant since_before = watch->wish_since;
    enum bw_err err;

    if (bw_witness_machine_keeps_wish(machine, wish->kind) &&
        bw_group_wish_of(&machine->cluster.groups[group], wish->id) != 0)
        return bw_diag_set(diag, BW_ERR_EXISTS, "this request was accepted before");
    err = note(machine, group, wish, diag);
    if (err != BW_OK)
        return err;
    bw_witness_count_change(machine, group);
    if (wish->kind == BW_WISH_FORCE_RELEASE && machine->cluster.feature_level < BW_CLAIM_LEVEL)
        bw_witness_forget_claims(&machine->core, group, wish->to);
    if (!bw_witness_machine_keeps_wish(machine, wish->kind)) {
        bw_agenda_touch(machine, group);
        return BW_OK;
    }
    watch->wish = wish_before; /* 4: it counts once it is committed */
    watch->wish_since = since_before;
    return propose_wish(machine, group, wish, proposer, diag);
}

enum bw_err bw_witness_machine_plan(struct bw_witness_machine *machine, int group,
                                    const struct bw_wish *wish, struct bw_wish_plan *out_plan,
                                    struct bw_diag *diag)
{
    struct bw_watch *watch = &machine->core.watches[group];
    const struct bw_wish wish_before = watch->wish;
    const struct bw_instant since_before = watch->wish_since;
    const struct bw_instant now = bw_witness_now(machine);
    const enum bw_err err = note(machine, group, wish, diag);

    bw_witness_decide(&machine->core, group, now, &out_plan->decision);
    out_plan->course.count = 0;
    if (err == BW_OK)
        bw_foretell_wish(&machine->cluster.groups[group], watch, &machine->core.leadership, now,
                         wish, &machine->foretelling, &out_plan->course);
    watch->wish = wish_before;
    watch->wish_since = since_before;
    return err;
}

/* ---- the feature level ----------------------------------------------------------------------- */

size_t bw_witness_machine_parties_max(const struct bw_witness_machine *machine)
{
    const struct bw_cluster *cluster = &machine->cluster;
    size_t sites = 0;

    for (uint32_t group = 0; group < cluster->group_count; group++)
        sites += cluster->groups[group].spec.site_count;
    return machine->member_count + 2 * sites;
}

struct parties {
    struct bw_level_party *list;
    size_t count;
};

static void add(struct parties *parties, enum bw_level_kind kind, const char *name, uint32_t level)
{
    struct bw_level_party *party = &parties->list[parties->count++];

    *party = (struct bw_level_party){.kind = kind, .level = level};
    (void)bw_copy_text(party->name, sizeof party->name, name); /* a checked name */
}

/* By name, and an agent before a guard: a site's stand together then. */
static int compare_parties(const struct bw_level_party *a, const struct bw_level_party *b)
{
    const int names = strcmp(a->name, b->name);

    return names != 0 ? names : (a->kind > b->kind) - (a->kind < b->kind);
}

/* Of a heap of `count`, all but the one `at` in its place. */
static void sift(struct bw_level_party *heap, size_t count, size_t at)
{
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        const struct bw_level_party moved = heap[at];

        if (child + 1 < count && compare_parties(&heap[child], &heap[child + 1]) < 0)
            child++;
        if (compare_parties(&moved, &heap[child]) >= 0)
            return;
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

/* By heap: without memory of its own, and the time of thousands of sites is no square of their number. */
static void sort_parties(struct bw_level_party *list, size_t count)
{
    for (size_t at = count / 2; at-- > 0;)
        sift(list, count, at);
    while (count-- > 1) {
        const struct bw_level_party last = list[0];

        list[0] = list[count];
        list[count] = last;
        sift(list, count, 0);
    }
}

/* A site may stand in many groups, and its agent be heard in some of them only: of those from `first` on each
 * is there once, with the oldest level that was heard. */
static void join_same(struct parties *parties, size_t first)
{
    size_t count = first;

    sort_parties(parties->list + first, parties->count - first);
    for (size_t i = first; i < parties->count; i++) {
        const struct bw_level_party *party = &parties->list[i];
        struct bw_level_party *last = count > first ? &parties->list[count - 1] : NULL;

        if (last == NULL || compare_parties(last, party) != 0)
            parties->list[count++] = *party;
        else if (last->level == 0 || (party->level != 0 && party->level < last->level))
            last->level = party->level;
    }
    parties->count = count;
}

static void add_sites(struct parties *parties, const struct bw_witness_machine *machine, int group,
                      struct bw_instant now)
{
    const struct bw_group *state = &machine->cluster.groups[group];
    const struct bw_spec *spec = &state->spec;

    for (uint32_t site = 0; site < spec->site_count; site++) {
        const uint64_t fresh_ns = bw_policy_freshness_of_ns(state, (int)site);
        uint32_t agent;
        uint32_t guard;

        bw_feature_level_of_site(&machine->core.watches[group].reports[site], now, fresh_ns, &agent,
                                 &guard);
        add(parties, BW_LEVEL_AGENT, spec->sites[site].name, agent);
        add(parties, BW_LEVEL_GUARD, spec->sites[site].name, guard);
    }
}

size_t bw_witness_machine_parties(const struct bw_witness_machine *machine, const uint32_t *levels,
                                  struct bw_level_party *out_parties)
{
    const struct bw_instant now = bw_witness_now(machine);
    struct parties parties = {.list = out_parties};

    for (uint32_t i = 0; i < machine->member_count; i++) {
        const bool is_self = strcmp(machine->members[i].name, machine->name) == 0;

        add(&parties, BW_LEVEL_WITNESS, machine->members[i].name,
            is_self ? machine->feature_level : levels[i]);
    }
    for (uint32_t group = 0; group < machine->cluster.group_count; group++)
        add_sites(&parties, machine, (int)group, now);
    join_same(&parties, machine->member_count);
    return parties.count;
}

enum bw_err bw_witness_machine_judge_level(const struct bw_witness_machine *machine,
                                           const struct bw_level_party *parties, size_t count,
                                           const struct bw_level_order *order, struct bw_diag *diag)
{
    const uint32_t level = machine->cluster.feature_level;
    const enum bw_err err = bw_feature_level_judge(level, machine->feature_level, parties, count,
                                                   order != NULL ? order->without : NULL,
                                                   order != NULL ? order->without_count : 0, diag);

    if (err == BW_OK && order != NULL && order->to != level + 1)
        return bw_diag_set(diag, BW_ERR_STALE, "the feature level is %" PRIu32 " now", level);
    return err;
}

enum bw_err bw_witness_machine_raise_level(struct bw_witness_machine *machine,
                                           const struct bw_level_party *parties, size_t count,
                                           const struct bw_level_order *order, struct bw_diag *diag)
{
    struct bw_command command = {.kind = BW_COMMAND_RAISE_LEVEL, .feature_level = order->to};
    const enum bw_err err = bw_witness_machine_judge_level(machine, parties, count, order, diag);

    if (err != BW_OK)
        return err;
    BW_ASSERT(bw_copy_text(command.by, sizeof command.by, order->by));
    BW_ASSERT(bw_copy_text(command.text, sizeof command.text, order->text));
    return bw_witness_machine_propose(machine, &command, NULL, diag);
}
