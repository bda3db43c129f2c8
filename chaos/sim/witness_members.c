/* witness_members.c - members that change. What is HTTP in src/witness is a message here; what core/members.h and
 * machine/witness_members.h decide and consensus/voter.h does is the product's. */
#include "witness_members.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "check.h"
#include "check_cluster.h"
#include "checks.h"
#include "upgrade.h"
#include "witness_program.h"

static uint64_t now_ms(const struct sim_witness *witness)
{
    return bw_ns_to_ms(sim_now(witness->process).raw_ns);
}

static uint32_t election_ms(const struct sim_witness *witness)
{
    return sim_witness_world(witness)->setting.election_timeout_ms;
}

static struct bw_voter *voter_of(const struct sim_witness *witness)
{
    return (struct bw_voter *)(uintptr_t)&witness->node.voter;
}

static const struct bw_roll *roll_of(const struct sim_witness *witness)
{
    return &witness->node.voter.roll;
}

/* ---- who is known (directory.c) ----------------------------------------------------------------- */

void sim_members_put_texts(struct bw_roster_member *member, const struct sim_host *host)
{
    (void)snprintf(member->name, sizeof member->name, "%s", host->name);
    (void)snprintf(member->address, sizeof member->address, "%s:%d", host->name, SIM_WITNESS_PORT);
    (void)snprintf(member->raft, sizeof member->raft, "%s:%d", host->name, SIM_WITNESS_PORT + 1);
}

/* The number of a name "w3". */
static uint32_t machine_named(const char *name)
{
    BW_ASSERT(name[0] == 'w' && name[1] > '0' && name[1] <= '0' + SIM_WITNESSES_MAX);
    return (uint32_t)(name[1] - '1');
}

static int place_in_file(const struct sim_witness_disk *disk, uint64_t id)
{
    for (uint32_t i = 0; i < disk->file_count; i++)
        if (disk->file[i].id == id)
            return (int)i;
    return -1;
}

bool sim_members_knows(const struct sim_witness *witness, uint64_t id)
{
    const struct bw_roster *roster = &roll_of(witness)->roster;

    if (bw_roster_has_removed(roster, id) && roster->id_max != 0)
        return false;
    if (place_in_file(witness->disk, id) >= 0 ||
        (roster->id_max != 0 && bw_roster_find(roster, id) != NULL))
        return true;
    for (uint32_t i = 0; i < witness->members.later_count; i++)
        if (witness->members.later[i].id == id)
            return true;
    return false;
}

static void use_one(const struct sim_witness *witness, uint64_t id, uint32_t machine,
                    struct bw_member *out_member)
{
    const struct sim_host *host = sim_witness_host(sim_witness_world(witness), machine);
    const bool is_in_file = place_in_file(witness->disk, id) >= 0;

    *out_member = (struct bw_member){.id = id};
    memcpy(out_member->name, host->name, sizeof out_member->name);
    (void)snprintf(out_member->address, sizeof out_member->address, "%s:%" PRIu32, host->name,
                   is_in_file ? witness->disk->port : SIM_WITNESS_PORT);
}

void sim_members_use(struct sim_witness *witness)
{
    const struct bw_roster *roster = &roll_of(witness)->roster;
    struct bw_member members[BW_WITNESSES_MAX];
    uint32_t count = 0;

    if (roster->id_max != 0)
        for (; count < roster->count; count++)
            use_one(witness, roster->members[count].id, machine_named(roster->members[count].name),
                    &members[count]);
    else
        for (; count < witness->disk->file_count && count < BW_WITNESSES_MAX; count++)
            use_one(witness, witness->disk->file[count].id, witness->disk->file[count].machine,
                    &members[count]);
    bw_witness_machine_set_members(&witness->machine, members, count);
    witness->members.roster_version = roll_of(witness)->version;
}

static void refresh(struct sim_witness *witness)
{
    if (witness->members.roster_version != roll_of(witness)->version)
        sim_members_use(witness);
}

static void hear_of(struct sim_witness *witness, const struct sim_later_member *later)
{
    struct sim_members *members = &witness->members;

    if (sim_members_knows(witness, later->id) || members->later_count == SIM_WITNESSES_MAX ||
        later->id <= roll_of(witness)->roster.id_max)
        return;
    members->later[members->later_count++] = *later;
    sim_count(sim_witness_world(witness), "members:heard_of");
}

/* The roster in its second form, with the names that the file has for the first one. */
static bool complete(const struct sim_witness *witness, struct bw_roster *out_roster)
{
    struct sim_world *world = sim_witness_world(witness);

    *out_roster = roll_of(witness)->roster;
    if (out_roster->id_max != 0 || out_roster->count == 0)
        return out_roster->count > 0;
    for (unsigned i = 0; i < out_roster->count; i++) {
        const int place = place_in_file(witness->disk, out_roster->members[i].id);

        if (place < 0)
            return false;
        sim_members_put_texts(&out_roster->members[i],
                  sim_witness_host(world, witness->disk->file[place].machine));
        out_roster->id_max = out_roster->members[i].id;
    }
    return true;
}

/* ---- what a leader does (members.c) ------------------------------------------------------------- */

static void see(const struct sim_witness *witness, struct bw_members_facts *out_facts)
{
    bw_voter_look_at_members(voter_of(witness), now_ms(witness),
                             bw_members_live_ms(election_ms(witness)), out_facts);
}

static void tick_in(struct sim_witness *witness, uint64_t ms);

static void on_roster_done(void *user, enum bw_err err, uint64_t index)
{
    struct sim_witness *witness = user;

    witness->members.state.is_submitting = false;
    if (witness->machine.is_closed || sim_is_doomed(witness->process))
        return;
    sim_count(sim_witness_world(witness),
              err == BW_OK ? "members:roster" : "members:roster_unknown");
    sim_tell(sim_witness_world(witness), witness->process->name, "a roster, entry %" PRIu64 ": %s",
             index, bw_err_text(err));
    tick_in(witness, 0);
}

static enum bw_err submit(struct sim_witness *witness, const struct bw_roster *roster)
{
    enum bw_err err;

    if (sim_is_doomed(witness->process))
        return BW_ERR_NOT_LEADER;
    sim_check_level_of_change(witness->process);
    BW_ASSERT(!witness->members.state.is_submitting);
    err = bw_voter_apply_roster(voter_of(witness), roster, on_roster_done, witness);
    witness->members.state.is_submitting = err == BW_OK;
    return err;
}

static enum bw_err carry_out(struct sim_witness *witness, const struct bw_members_action *action)
{
    switch (action->kind) {
    case BW_MEMBERS_ACTION_NONE:
        break;
    case BW_MEMBERS_ACTION_CHANGE:
        sim_check_level_of_change(witness->process);
        return bw_voter_change(voter_of(witness), action->step.kind, action->step.id);
    case BW_MEMBERS_ACTION_HAND_OVER:
        return sim_node_transfer(&witness->node, 0);
    case BW_MEMBERS_ACTION_SUBMIT:
        return submit(witness, &action->roster);
    }
    return BW_OK;
}

static void tell(struct sim_witness *witness, const struct bw_members_step *step)
{
    static const char *const words[] = {
        [BW_MEMBERS_NOTHING] = "nothing", [BW_MEMBERS_WAIT] = "waits",
        [BW_MEMBERS_MARK] = "marks",      [BW_MEMBERS_ADD] = "adds",
        [BW_MEMBERS_FEED] = "feeds",      [BW_MEMBERS_PROMOTE] = "promotes", [BW_MEMBERS_HAND_OVER] = "hands over before removing",
        [BW_MEMBERS_REMOVE] = "removes",  [BW_MEMBERS_FORGET] = "forgets"};
    sim_count(sim_witness_world(witness), step->rule);
    sim_tell(sim_witness_world(witness), witness->process->name, "members: %s %" PRIu64 " (%s) %s",
             words[step->kind], step->id, step->rule, step->why);
}

/* True: something is under way. */
static bool lead(struct sim_witness *witness)
{
    struct bw_witness_members *members = &witness->members.state;
    const struct bw_roster roster = roll_of(witness)->roster;
    const bool is_ready = bw_voter_is_ready(voter_of(witness));
    struct bw_members_action action;
    struct bw_members_facts facts;
    bool is_busy;

    if (is_ready)
        see(witness, &facts);
    is_busy = bw_witness_members_lead(members, &roster, is_ready ? &facts : NULL, now_ms(witness),
                                      &action);
    if (action.is_news)
        tell(witness, &action.step);
    bw_witness_members_on_taken(members, carry_out(witness, &action), now_ms(witness));
    return is_busy;
}

/* ---- one that was removed ends ------------------------------------------------------------------ */

static void end_removed(struct sim_witness *witness, const char *by)
{
    struct sim_process *process = witness->process;

    sim_count(sim_witness_world(witness), "members:removed");
    sim_tell(sim_witness_world(witness), process->name, "was removed from the cluster (%s)", by);
    sim_check_removed(process);
    if (sim_file_save(process, SIM_REMOVED_FILE, false, "", 0) != BW_OK)
        sim_tell(sim_witness_world(witness), process->name, "could not write that down");
    sim_process_keep_down(process); /* exit status 70: no supervisor starts it again */
}

/* ---- asking (join.c) ---------------------------------------------------------------------------- */

struct asking {
    uint64_t id;
    struct bw_id incarnation;
    struct bw_id cluster_id; /* that its directory was made for */
    uint32_t level;
    uint32_t election_timeout_ms;
};

struct answer {
    enum bw_join_standing standing;
    struct bw_id cluster_id;
    uint64_t generation, id_max; /* of who answers, as applied there */
    uint32_t count;
    struct sim_later_member members[BW_WITNESSES_MAX];
};

static struct bw_id cluster_of(const struct sim_witness *witness)
{
    return witness->disk->founding->founding.cluster_id;
}

static struct answer answer_of(const struct sim_witness *witness, enum bw_join_standing standing)
{
    return (struct answer){.standing = standing,
                           .cluster_id = cluster_of(witness),
                           .generation = witness->machine.cluster.generation,
                           .id_max = roll_of(witness)->applied.id_max};
}

/* The hello of who was removed is answered so (consensus/hello.h). */
void sim_witness_part(struct sim_process *process, uint64_t id)
{
    struct sim_witness *witness = process->state;
    struct sim_process *from = sim_witness_of_id(sim_witness_world(witness), id);
    const struct answer answer = answer_of(witness, BW_JOIN_REMOVED);

    if (from == NULL || !bw_roster_has_removed(&roll_of(witness)->applied, id))
        return;
    sim_check_roster(process, &roll_of(witness)->applied);
    sim_count(sim_witness_world(witness), "members:parted");
    sim_send(process, from, SIM_CHANNEL_JOIN_ANSWER, id, &answer, sizeof answer);
}

static bool is_removal(const struct sim_witness *witness, const struct answer *answer,
                       uint64_t from)
{
    const struct bw_members_removal removal = {.cluster_id = answer->cluster_id,
                                               .generation = answer->generation,
                                               .id = witness->disk->id,
                                               .id_max = answer->id_max,
                                               .from = from};
    const struct bw_members_hearer hearer = bw_voter_hearer(voter_of(witness), cluster_of(witness),
                                                            witness->machine.cluster.generation);

    return answer->standing == BW_JOIN_REMOVED && bw_members_believes_removal(&removal, &hearer);
}

static void ask(struct sim_witness *witness, uint32_t machine)
{
    struct sim_process *to = sim_witness_world(witness)->witnesses[machine];
    const struct asking asking = {.id = witness->disk->id,
                                  .incarnation = witness->disk->incarnation,
                                  .cluster_id = cluster_of(witness),
                                  .level = witness->process->level,
                                  .election_timeout_ms = election_ms(witness)};

    if (to != witness->process)
        sim_send(witness->process, to, SIM_CHANNEL_JOIN, asking.id, &asking, sizeof asking);
}

/* By file, roster and what it was told: at each machine once. */
static void ask_all(struct sim_witness *witness)
{
    const struct bw_roster *roster = &roll_of(witness)->roster;
    uint32_t machines = 0;

    for (uint32_t i = 0; i < witness->disk->file_count; i++)
        machines |= 1u << witness->disk->file[i].machine;
    for (unsigned i = 0; roster->id_max != 0 && i < roster->count; i++)
        machines |= 1u << machine_named(roster->members[i].name);
    for (uint32_t i = 0; i < witness->members.later_count; i++)
        machines |= 1u << witness->members.later[i].machine;
    for (uint32_t i = 0; i < SIM_WITNESSES_MAX; i++)
        if ((machines >> i & 1) != 0)
            ask(witness, i);
}

static void look_whether_to_ask(struct sim_witness *witness)
{
    const struct bw_roll *roll = roll_of(witness);
    const struct bw_join_reason reason = {.now_ms = now_ms(witness),
                                          .election_timeout_ms = election_ms(witness),
                                          .has_leader = bw_voter_follows(voter_of(witness)) != 0,
                                          .is_bare = bw_roll_is_bare(roll),
                                          .is_joining = roll->origin == BW_ROLL_JOINING,
                                          .is_named = bw_roster_find(&roll->roster, roll->self) !=
                                                      NULL};

    if (bw_witness_members_asks(&witness->members.state, &reason))
        ask_all(witness);
}

/* ---- being asked (api_members.c) ---------------------------------------------------------------- */

static struct bw_members_sight sight_of(const struct sim_witness *witness, struct bw_roster *roster)
{
    return (struct bw_members_sight){.now_ms = now_ms(witness),
                                     .cluster = &witness->machine.cluster,
                                     .applied = &roll_of(witness)->applied,
                                     .roster = complete(witness, roster) ? roster : NULL,
                                     .lacks = ""};
}

static void put_members(const struct sim_witness *witness, struct answer *answer)
{
    for (; answer->count < witness->machine.member_count; answer->count++) {
        const struct bw_member *member = &witness->machine.members[answer->count];

        answer->members[answer->count] = (struct sim_later_member){
            .id = member->id, .machine = machine_named(member->name)};
    }
}

static void on_join(struct sim_witness *witness, const struct sim_message *message)
{
    struct bw_witness_members *members = &witness->members.state;
    struct bw_join_answer judged;
    struct bw_members_sight sight;
    struct bw_applicant joiner;
    struct bw_roster roster;
    struct asking asking;
    struct answer answer;

    if (!bw_witness_machine_knows_cluster(&witness->machine))
        return; /* 503 */
    memcpy(&asking, message->bytes, sizeof asking);
    joiner = (struct bw_applicant){.member = {.id = asking.id, .incarnation = asking.incarnation},
                                   .level = asking.level,
                                   .election_timeout_ms = asking.election_timeout_ms};
    sim_members_put_texts(&joiner.member, message->from->host);
    refresh(witness);
    sim_check_roster(witness->process, &roll_of(witness)->applied);
    sight = sight_of(witness, &roster);
    bw_witness_members_on_join(members, &sight, &joiner, asking.cluster_id, &judged);
    if (judged.looks) /* no addresses are mixed up here */
        bw_applicant_on_looked(judged.noted, &joiner.member, NULL);
    answer = answer_of(witness, judged.standing);
    if (judged.names_members)
        put_members(witness, &answer);
    sim_send(witness->process, message->from, SIM_CHANNEL_JOIN_ANSWER, message->tag, &answer,
             sizeof answer);
}

static void on_join_answer(struct sim_witness *witness, const struct sim_message *message)
{
    struct answer answer;

    if (message->tag != witness->disk->id)
        return; /* that was for another directory */
    memcpy(&answer, message->bytes, sizeof answer);
    if (is_removal(witness, &answer, sim_witness_id(message->from))) {
        end_removed(witness, message->from->name);
        return;
    }
    for (uint32_t i = 0; i < answer.count; i++)
        hear_of(witness, &answer.members[i]);
    if (answer.standing == BW_JOIN_LOOKED_AT)
        bw_witness_members_ask_again(&witness->members.state);
}

void sim_members_on_message(struct sim_witness *witness, const struct sim_message *message)
{
    if (witness->process->level < BW_MEMBERS_LEVEL)
        return; /* 404: it knows no such call */
    if (message->channel == SIM_CHANNEL_JOIN)
        on_join(witness, message);
    else
        on_join_answer(witness, message);
}

/* ---- its loop ----------------------------------------------------------------------------------- */

static void on_tick(struct sim_process *process, void *payload);

static void tick_in(struct sim_witness *witness, uint64_t ms)
{
    witness->members.tick++;
    sim_later(witness->process, ms * SIM_MS, on_tick, (void *)witness->members.tick, NULL);
}

static void on_tick(struct sim_process *process, void *payload)
{
    struct sim_witness *witness = process->state;
    bool is_busy;

    if ((uintptr_t)payload != witness->members.tick)
        return; /* another one was due before it */
    refresh(witness);
    sim_check_roster(process, &roll_of(witness)->applied);
    if (bw_roll_is_removed(roll_of(witness))) {
        end_removed(witness, "by its log");
        return;
    }
    is_busy = lead(witness);
    if (!sim_is_doomed(process))
        look_whether_to_ask(witness);
    sim_witness_turn(process);
    if (!sim_is_doomed(process))
        tick_in(witness, bw_witness_members_tick_ms(is_busy));
}

void sim_members_begin(struct sim_witness *witness)
{
    tick_in(witness, bw_witness_members_tick_ms(true));
}

/* ---- orders ------------------------------------------------------------------------------------- */

static void work_out(struct sim_witness *witness, const struct bw_members_order *order,
                     struct bw_members_outcome *out_outcome)
{
    struct bw_members_facts facts = {.count = 0};
    struct bw_roster roster;
    const struct bw_members_sight sight = sight_of(witness, &roster);

    if (sight.roster != NULL)
        see(witness, &facts);
    bw_witness_members_judge_order(&witness->members.state, &sight, &facts, order, out_outcome);
}

static void give_lead(struct sim_witness *witness, struct bw_members_outcome *outcome)
{
    outcome->err = sim_node_transfer(&witness->node, outcome->id);
    if (outcome->err == BW_OK)
        sim_count(sim_witness_world(witness), "transfer:asked");
}

static void take_order(struct sim_witness *witness, const struct bw_members_order *order)
{
    struct bw_members_outcome outcome;
    const bool changes = order->kind != BW_MEMBERS_ORDER_LEAD;

    work_out(witness, order, &outcome);
    if (outcome.err == BW_OK && changes)
        outcome.err = submit(witness, &outcome.wanted);
    else if (outcome.err == BW_OK)
        give_lead(witness, &outcome);
    sim_tell(sim_witness_world(witness), witness->process->name, "is told to %s %s: %s%s%s",
             bw_members_order_word(order->kind), order->name, bw_err_text(outcome.err),
             outcome.diag.text[0] != '\0' ? ": " : "", outcome.diag.text);
    if (changes)
        sim_count(sim_witness_world(witness),
                  outcome.err == BW_OK ? "members:taken" : "members:refused");
}

static void on_order(struct sim_process *process, void *payload)
{
    struct sim_witness *witness = process->state;

    if (bw_voter_is_ready(voter_of(witness)))
        take_order(witness, payload);
    free(payload);
    sim_witness_turn(process);
}

bool sim_members_order(struct sim_process *process, enum bw_members_order_kind kind, uint32_t who,
                       uint32_t old)
{
    struct sim_world *world = sim_world_of(process);
    struct bw_members_order order = {.kind = kind};

    if (sim_witness_able(process) == NULL || process->level < BW_MEMBERS_LEVEL)
        return false;
    (void)snprintf(order.name, sizeof order.name, "%s", sim_witness_host(world, who)->name);
    if (kind == BW_MEMBERS_ORDER_REPLACE)
        (void)snprintf(order.old, sizeof order.old, "%s", sim_witness_host(world, old)->name);
    sim_later(process, 0, on_order, sim_raft_copy(&order, sizeof order), free);
    return true;
}

const struct bw_roster *sim_members_roster(const struct sim_process *process)
{
    const struct sim_witness *witness = sim_witness_able(process);

    return witness == NULL || roll_of(witness)->roster.count == 0 ? NULL
                                                                  : &roll_of(witness)->roster;
}

bool sim_members_look(const struct sim_process *process, struct bw_members_facts *out_facts,
                      struct bw_members_step *out_step)
{
    const struct sim_witness *witness = sim_witness_able(process);

    if (witness == NULL || roll_of(witness)->roster.count == 0)
        return false;
    see(witness, out_facts);
    bw_members_next(&roll_of(witness)->roster, out_facts, out_step);
    return true;
}

/* As people see it (GET /v1/members). */
bool sim_members_has_asked(const struct sim_process *leader, uint32_t who)
{
    const struct sim_witness *witness = sim_witness_able(leader);
    const struct bw_applicant *applicant = NULL;

    if (witness != NULL)
        applicant = bw_applicant_find(&witness->members.state,
                                      sim_witness_host(sim_world_of(leader), who)->name,
                                      now_ms(witness));
    return applicant != NULL && !bw_applicant_cannot_join(applicant) &&
           applicant->look == BW_LOOK_DONE;
}

/* ---- the feature level ---- */

/* Src/witness/api_level.c in the simulator: what a witness has heard of the releases of the others,
 * and the order to raise the feature level. Design 5.3. */

#define WITHOUT_MAX 32

void sim_level_received(struct sim_witness *witness, uint64_t id, uint32_t level)
{
    uint32_t at = 0;

    while (at + 1 < SIM_LEVELS_MAX && witness->levels[at].id != 0 && witness->levels[at].id != id)
        at++;
    witness->levels[at] = (struct sim_peer_level){.id = id, .level = level};
}

/* 0: it is not heard now, or has not said. */
static uint32_t level_of(const struct sim_witness *witness, const struct bw_members_facts *facts,
                         uint64_t id)
{
    bool is_live = false;

    for (unsigned i = 0; i < facts->count; i++)
        is_live = is_live || (facts->list[i].id == id && facts->list[i].is_live);
    for (uint32_t i = 0; is_live && i < SIM_LEVELS_MAX; i++)
        if (witness->levels[i].id == id)
            return witness->levels[i].level;
    return 0;
}

struct parties {
    struct bw_level_party *list;
    size_t count;
};

static struct parties gather(const struct sim_witness *witness)
{
    const struct bw_witness_machine *machine = &witness->machine;
    uint32_t levels[BW_WITNESSES_MAX] = {0};
    struct bw_members_facts facts = {.count = 0};
    struct bw_members_step step;
    struct parties parties = {
        .list = calloc(bw_witness_machine_parties_max(machine), sizeof *parties.list)};

    BW_ASSERT(parties.list != NULL);
    (void)sim_members_look(witness->process, &facts, &step); /* none is live, where it has no roster */
    for (uint32_t i = 0; i < machine->member_count; i++)
        levels[i] = level_of(witness, &facts, machine->members[i].id);
    parties.count = bw_witness_machine_parties(machine, levels, parties.list);
    return parties;
}

/* Who is silent, and was upgraded: the person who did that says so. */
static size_t name_silent(struct sim_world *world, const struct parties *parties,
                          const char *out_names[WITHOUT_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < parties->count && count < WITHOUT_MAX; i++)
        if (parties->list[i].level == 0 && sim_upgrade_is_done(world, parties->list[i].name))
            out_names[count++] = parties->list[i].name;
    return count;
}

static void end_order(void *payload)
{
    struct sim_world *world = payload;

    world->upgrade.orders_open--;
}

static void on_raise(struct sim_process *process, void *payload)
{
    struct sim_witness *witness = process->state;
    struct sim_world *world = sim_world_of(process);
    const struct parties parties = gather(witness);
    const char *without[WITHOUT_MAX];
    const struct bw_level_order order = {.to = witness->machine.cluster.feature_level + 1,
                                         .without = without,
                                         .without_count = name_silent(world, &parties, without),
                                         .by = "operator/anna",
                                         .text = "simulated"};
    struct bw_diag diag = {0};
    enum bw_err err = BW_ERR_NOT_LEADER;

    if (bw_witness_machine_standing(&witness->machine) == BW_WITNESS_MAY_CHANGE)
        err = bw_witness_machine_raise_level(&witness->machine, parties.list, parties.count, &order,
                                             &diag);
    sim_tell(world, process->name, "is told to raise the feature level, without %zu: %s%s%s",
             order.without_count, bw_err_text(err), diag.text[0] != '\0' ? ": " : "", diag.text);
    sim_count(world, err == BW_OK ? "level:ordered" : "level:refused");
    if (err == BW_OK)
        world->upgrade.is_ordered = true;
    free(parties.list);
    end_order(payload);
    sim_witness_turn(process);
}

bool sim_level_raise(struct sim_process *process)
{
    struct sim_world *world = sim_world_of(process);

    if (sim_witness_able(process) == NULL)
        return false;
    world->upgrade.orders_open++;
    sim_later(process, 0, on_raise, world, end_order);
    return true;
}
