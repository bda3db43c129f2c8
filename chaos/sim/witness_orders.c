/* witness_orders.c - what operators order of a witness, and what its supervisor does: what is HTTP and signals
 * in src/witness. The machine judges and goes on by itself (machine/witness_operator.h). */
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "check.h"
#include "check_cluster.h"
#include "witness_program.h"

/* NULL: it takes no apply, and `out_err` says why. */
static struct sim_witness *who_may_change(const struct sim_process *process, enum bw_err *out_err)
{
    struct sim_witness *witness = sim_witness_able(process);

    *out_err = witness == NULL ? BW_ERR_UNREACHABLE : BW_ERR_NOT_LEADER;
    return witness != NULL &&
                   bw_witness_machine_standing(&witness->machine) == BW_WITNESS_MAY_CHANGE
               ? witness
               : NULL;
}

/* ---- specs ---- */

static void tell_problem(void *user, const char *path, const char *text)
{
    const struct sim_process *process = user;

    sim_count(sim_world_of(process), "apply:refused");
    sim_tell(sim_world_of(process), process->name, "takes no spec: %s: %s", path, text);
}

static void end_apply(struct sim_apply *apply)
{
    *apply->previous = apply->next;
    if (apply->next != NULL)
        apply->next->previous = apply->previous;
    free(apply);
}

static void begin_apply(struct sim_witness *witness, struct sim_apply *apply)
{
    apply->next = witness->applies;
    apply->previous = &witness->applies;
    if (apply->next != NULL)
        apply->next->previous = &apply->next;
    witness->applies = apply;
    bw_apply_begin(&witness->machine, &apply->order);
}

static void on_apply(struct sim_process *process, void *payload)
{
    struct sim_witness *witness = process->state;
    struct sim_apply *apply = payload;
    const struct bw_apply_problems problems = {.user = process, .add = tell_problem};
    struct bw_diag diag = {0};

    apply->order.items = apply->items;
    if (bw_witness_machine_standing(&witness->machine) == BW_WITNESS_MAY_CHANGE &&
        bw_apply_may_begin(&witness->machine, &diag) == BW_OK &&
        bw_apply_judge(&witness->machine, &apply->order, &problems) == 0)
        begin_apply(witness, apply);
    else
        free(apply);
    sim_witness_turn(process);
}

enum bw_err sim_witness_apply(struct sim_process *process, const struct bw_apply_item *items,
                              size_t count)
{
    struct sim_apply *apply;
    enum bw_err err;

    BW_ASSERT(count <= SIM_GROUPS_MAX);
    if (who_may_change(process, &err) == NULL)
        return err;
    apply = calloc(1, sizeof *apply);
    BW_ASSERT(apply != NULL);
    memcpy(apply->items, items, count * sizeof items[0]);
    apply->order.count = count;
    BW_ASSERT(bw_copy_text(apply->order.by, sizeof apply->order.by, "operator/anna"));
    sim_later(process, 0, on_apply, apply, free);
    return BW_OK;
}

/* What is known to be so is in the log: its requests were held against that, each as it ended. */
static void check_items(const struct sim_witness *witness, const struct bw_apply *order)
{
    for (size_t i = 0; i < order->count; i++) {
        const struct bw_apply_item *item = &order->items[i];
        const bool is_so = item->outcome == BW_APPLY_CREATED || item->outcome == BW_APPLY_CHANGED;

        if (is_so && (item->index == 0 || item->index > witness->machine.cluster.applied_index))
            sim_fail(sim_witness_world(witness), "witness",
                     "%s says that %s was %s, and has applied nothing like it",
                     witness->process->name, item->spec.name,
                     bw_apply_outcome_word(item->outcome));
    }
}

void sim_orders_on_applied(struct sim_witness *witness, struct bw_apply *order)
{
    const enum bw_err result = bw_apply_result(order);

    check_items(witness, order);
    sim_count(sim_witness_world(witness), result == BW_OK          ? "apply:done"
                                          : result == BW_ERR_STALE ? "apply:stale"
                                                                   : "apply:unknown");
    sim_tell(sim_witness_world(witness), witness->process->name, "an apply is over: %s",
             bw_err_text(result));
    end_apply((struct sim_apply *)order);
}

void sim_orders_free(struct sim_witness *witness)
{
    while (witness->applies != NULL)
        end_apply(witness->applies);
}

/* ---- commands without an order of their own ---- */

static void on_submit(struct sim_process *process, void *payload)
{
    struct sim_witness *witness = process->state;
    struct bw_diag diag = {0};

    if (bw_witness_machine_propose(&witness->machine, payload, NULL, &diag) != BW_OK)
        sim_tell(sim_world_of(process), process->name, "%s", diag.text);
    free(payload);
    sim_witness_turn(process);
}

enum bw_err sim_witness_submit(struct sim_process *process, const struct bw_command *command)
{
    enum bw_err err;

    if (who_may_change(process, &err) == NULL)
        return err;
    sim_later(process, 0, on_submit, sim_raft_copy(command, sizeof *command), free);
    return BW_OK;
}

/* ---- moves ---- */

static void on_asked(struct sim_process *process, void *payload)
{
    (void)payload;
    sim_witness_turn(process);
}

static void on_wish_done(struct bw_witness_machine *machine, struct bw_proposer *proposer,
                         enum bw_err err, uint64_t index, const struct bw_applied *applied)
{
    const struct sim_asker *asker = (const struct sim_asker *)proposer;
    struct sim_witness *witness = machine->driver.user;

    if (err == BW_OK && applied->rule != NULL && !sim_is_doomed(witness->process))
        sim_check_wish_accepted(witness->process, asker->group, index);
}

/* He looks first what would come of it: that leaves nothing behind, and the order is told the same. */
static enum bw_err plan(struct sim_witness *witness, int group, const struct bw_wish *wish)
{
    struct bw_wish_plan *would = calloc(1, sizeof *would);
    struct bw_diag diag = {0};
    enum bw_err err;

    BW_ASSERT(would != NULL);
    err = bw_witness_machine_plan(&witness->machine, group, wish, would, &diag);
    free(would);
    return err;
}

struct asking {
    int group;
    const struct bw_wish *wish;
    struct sim_asker *asker;
    struct bw_diag *diag;
    enum bw_err planned;
    enum bw_err err;
};

static void ask(struct sim_process *process, void *user)
{
    struct sim_witness *witness = process->state;
    struct asking *asking = user;

    asking->planned = plan(witness, asking->group, asking->wish);
    asking->err = bw_witness_machine_ask(&witness->machine, asking->group, asking->wish,
                                         &asking->asker->proposer, asking->diag);
}

/* What becomes of a proposal that the log does not take, no plan can say. */
static bool is_as_planned(const struct asking *asking)
{
    return asking->err == asking->planned ||
           (asking->planned == BW_OK &&
            (asking->err == BW_ERR_LIMIT || asking->err == BW_ERR_NO_ROOM || asking->err == BW_ERR_NOT_LEADER ||
             asking->err == BW_ERR_UNKNOWN));
}

enum bw_err sim_witness_ask(struct sim_process *process, const char *group,
                            const struct bw_wish *wish, struct bw_diag *diag)
{
    enum bw_err err;
    struct sim_witness *witness = who_may_change(process, &err);
    struct asking asking = {.wish = wish, .diag = diag};
    uint32_t number;

    if (witness == NULL)
        return bw_diag_set(diag, err, "it does not lead, or does not answer");
    asking.group = bw_cluster_find(&witness->machine.cluster, group);
    if (asking.group < 0)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "there is no group %s", group);
    number = (uint32_t)sim_group_find(sim_world_of(process), group);
    asking.asker = &witness->askers[number];
    *asking.asker = (struct sim_asker){.proposer.on_done = on_wish_done, .group = number};
    sim_process_ask(process, ask, &asking);
    if (process->health == SIM_DEAD)
        return bw_diag_set(diag, BW_ERR_UNKNOWN, "it ended while it was asked");
    err = asking.err;
    if (!is_as_planned(&asking))
        sim_fail(sim_world_of(process), "witness", "%s plans a move of %s (%s) and says of it: %s",
                 process->name, group, bw_err_text(asking.planned), bw_err_text(err));
    if (err != BW_OK)
        return err;
    sim_later(process, 0, on_asked, NULL, NULL);
    return BW_OK;
}

/* As `cancel` does. */
static void on_take_back(struct sim_process *process, void *payload)
{
    struct sim_witness *witness = process->state;
    struct bw_group_change *change = payload;
    const int group = bw_cluster_find(&witness->machine.cluster, change->command.group);
    struct bw_diag diag = {0};
    enum bw_err err = group < 0 ? BW_ERR_NOT_FOUND
                                : bw_witness_machine_judge_change(&witness->machine, group, change,
                                                                  &diag);

    if (err == BW_OK && !bw_witness_machine_forget_wish(&witness->machine, group))
        err = bw_witness_machine_change(&witness->machine, group, change, NULL, &diag);
    if (err == BW_OK)
        sim_count(sim_world_of(process), "wish:taken_back");
    sim_tell(sim_world_of(process), process->name, "is to take back what was asked for: %s",
             bw_err_text(err));
    free(payload);
    sim_witness_turn(process);
}

enum bw_err sim_witness_take_back(struct sim_process *process, const struct bw_command *unrevoke)
{
    const struct bw_group_change change = {.command = *unrevoke};
    enum bw_err err;

    if (who_may_change(process, &err) == NULL)
        return err;
    sim_later(process, 0, on_take_back, sim_raft_copy(&change, sizeof change), free);
    return BW_OK;
}

/* ---- what its supervisor and its peers say ---- */

static void on_leave(struct sim_process *process, void *payload)
{
    (void)payload;
    sim_witness_happen(process->state,
                       &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_LEAVE});
    sim_witness_turn(process);
}

void sim_witness_leave(struct sim_process *process)
{
    if (sim_witness_able(process) != NULL)
        sim_later(process, 0, on_leave, NULL, NULL);
}

static void on_behind(struct sim_process *process, void *payload)
{
    sim_witness_happen(process->state,
                       &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_BEHIND,
                                                  .peer = (uintptr_t)payload});
    sim_witness_turn(process);
}

void sim_witness_say_behind(struct sim_process *process, uint32_t behind)
{
    if (sim_witness_able(process) != NULL)
        sim_later(process, 0, on_behind, (void *)(uintptr_t)(behind + 1), NULL);
}

struct new_file {
    uint32_t port;
    bool is_bad;
};

static void on_reload(struct sim_process *process, void *payload)
{
    struct sim_witness *witness = process->state;
    const struct new_file *file = payload;
    struct bw_member members[BW_WITNESSES_MAX];
    struct bw_diag diag = {0};
    const uint32_t count = witness->machine.member_count;
    const bool is_bad = file->is_bad && count > 1;

    memcpy(members, witness->machine.members, sizeof members);
    if (is_bad) { /* two of them have changed their ids */
        members[0].id = witness->machine.members[1].id;
        members[1].id = witness->machine.members[0].id;
    }
    if (bw_witness_machine_judge_members(&witness->machine, members, count, &diag) != BW_OK)
        sim_count(sim_witness_world(witness), "reload:refused");
    else if (is_bad)
        sim_fail(sim_witness_world(witness), "members",
                 "%s believes a file that the witnesses are others than is committed (5.4)",
                 process->name);
    else
        witness->disk->port = file->port;
    sim_members_use(witness);
    free(payload);
    sim_witness_turn(process);
}

void sim_witness_reload(struct sim_process *process, uint32_t port, bool is_bad)
{
    const struct new_file file = {.port = port, .is_bad = is_bad};

    if (sim_witness_able(process) != NULL)
        sim_later(process, 0, on_reload, sim_raft_copy(&file, sizeof file), free);
}
