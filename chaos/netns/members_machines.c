/* members_machines.c - the machines on which witnesses run, and what `breakwater members` says. */
#include "members.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/instant.h>

#define TURN_MS    50
#define ASK_MS     150 /* between two looks, while waiting */
#define COMMAND_MS 20000
#define END_MS     60000 /* one that was removed learns of it from those whom it asks */
#define AGREE_MS   120000
#define TEXT_BYTES (64 * 1024)

/* ---- machines -------------------------------------------------------------------------------- */

enum bw_err bw_members_log_path(const struct bw_lab *lab, uint32_t id,
                                char out_path[BW_LAB_PATH_BYTES], struct bw_diag *diag)
{
    char file[32];

    (void)snprintf(file, sizeof file, "w%" PRIu32 ".log", id);
    return bw_lab_path(out_path, lab->dir, file, diag);
}

/* The founders' machines, and the spare ones. Each log is of one witness from here on. */
enum bw_err bw_machines_init(struct bw_members *members, struct bw_diag *diag)
{
    struct bw_lab *lab = members->lab;
    enum bw_err err = BW_OK;

    members->machine_count = BW_LAB_WITNESSES + lab->options->spare_count;
    members->next_id = BW_LAB_WITNESSES + 1;
    for (uint32_t i = 0; i < members->machine_count && err == BW_OK; i++) {
        const bool founds = i < BW_LAB_WITNESSES;
        const uint32_t node = founds ? i : bw_lab_spare_node(lab, i - BW_LAB_WITNESSES);

        if (!founds)
            err = bw_lab_add_witness(lab, node, diag);
        if (err == BW_OK)
            members->machines[i] = (struct bw_machine){
                .process = bw_lab_process(lab, BW_LAB_WITNESS, node), .id = founds ? i + 1 : 0};
        if (!founds && err == BW_OK)
            members->machines[i].process->hold_count++;
    }
    return err;
}

struct bw_machine *bw_machine_of(struct bw_members *members, uint32_t id)
{
    for (uint32_t i = 0; i < members->machine_count; i++)
        if (members->machines[i].id == id && id != 0)
            return &members->machines[i];
    return NULL;
}

static struct bw_machine *find_free(struct bw_members *members)
{
    for (uint32_t i = 0; i < members->machine_count; i++)
        if (members->machines[i].id == 0)
            return &members->machines[i];
    return NULL;
}

static enum bw_err data_dir_of(const struct bw_members *members, const struct bw_machine *machine,
                               char out_path[BW_LAB_PATH_BYTES], struct bw_diag *diag)
{
    return bw_lab_path(out_path, members->lab->nodes[machine->process->node].state, "data", diag);
}

/* Names all who are members now, dead or alive, and itself. */
static enum bw_err write_config(struct bw_members *members, const struct bw_machine *machine,
                                struct bw_diag *diag)
{
    struct bw_lab_member list[BW_MACHINES_MAX];
    char data_dir[BW_LAB_PATH_BYTES];
    uint32_t count = 0;
    uint32_t own = 0;
    enum bw_err err = data_dir_of(members, machine, data_dir, diag);

    for (uint32_t i = 0; i < members->machine_count; i++) {
        const struct bw_machine *other = &members->machines[i];

        if (other->id == 0)
            continue;
        if (other == machine)
            own = count;
        list[count] = (struct bw_lab_member){.id = other->id,
                                             .at = members->lab->plan.witnesses[0]}; /* its ports */
        bw_lab_host(members->lab, other->process->node, list[count].at.host);
        count++;
    }
    if (err == BW_OK)
        err = bw_lab_issue_member(&members->lab->plan, &list[own], diag);
    return err == BW_OK ? bw_lab_write_member(&members->lab->plan, list, count, own,
                                              machine->process->config, data_dir, NULL, diag)
                        : err;
}

static enum bw_err init(struct bw_members *members, const struct bw_machine *machine,
                        struct bw_diag *diag)
{
    char id[BW_ID_TEXT_BYTES];
    char text[1024];
    const char *const words[] = {members->lab->options->program,
                                 "witness",
                                 "init",
                                 "-c",
                                 machine->process->config,
                                 "--cluster-id",
                                 id,
                                 "--join",
                                 NULL};
    int status;

    bw_id_format(members->lab->cluster_id, id);
    status = bw_lab_run(members->lab, machine->process->node, words, COMMAND_MS, text, sizeof text);
    return status == 0 ? BW_OK
                       : bw_diag_set(diag, BW_ERR_REFUSED, "witness init --join: status %d: %s",
                                     status, text);
}

enum bw_err bw_machine_join(struct bw_members *members, struct bw_machine **out,
                            struct bw_diag *diag)
{
    struct bw_machine *machine = find_free(members);
    struct bw_lab_process *process;
    enum bw_err err;

    BW_ASSERT(machine != NULL); /* there is one more than there are ever members */
    process = machine->process;
    machine->id = members->next_id++;
    (void)snprintf(process->name, sizeof process->name, "w%" PRIu32, machine->id);
    err = bw_members_log_path(members->lab, machine->id, process->log, diag);
    if (err == BW_OK)
        err = write_config(members, machine, diag);
    if (err == BW_OK)
        err = init(members, machine, diag);
    process->hold_count = 0;
    process->is_given_up = false;
    process->start_count = 0;
    if (err == BW_OK)
        err = bw_lab_start(members->lab, process, diag);
    *out = machine;
    return err;
}

void bw_machine_kill(struct bw_members *members, struct bw_machine *machine)
{
    bw_lab_kill(members->lab, machine->process);
    if (members->kill_count < BW_KILLS_MAX) /* a replacement has a few: enough */
        members->kills[members->kill_count++] =
            (struct bw_kill){.id = machine->id, .at_ms = bw_members_wall_ms()};
}

static bool wait_ended(struct bw_members *members, const struct bw_machine *machine)
{
    const uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(END_MS);

    while (machine->process->pid != 0 && bw_lab_now_ns() < until_ns)
        bw_lab_turn(members->lab, bw_lab_now_ns() + bw_ms_to_ns(TURN_MS));
    return machine->process->pid == 0;
}

enum bw_err bw_machine_lose(struct bw_members *members, struct bw_machine *machine,
                            struct bw_diag *diag)
{
    char data_dir[BW_LAB_PATH_BYTES];
    enum bw_err err = data_dir_of(members, machine, data_dir, diag);

    machine->is_lost = true;
    machine->process->hold_count = 1;
    bw_machine_kill(members, machine);
    if (!wait_ended(members, machine))
        return bw_diag_set(diag, BW_ERR_TIMEOUT, "%s does not end by KILL", machine->process->name);
    if (err == BW_OK)
        bw_lab_remove_tree(data_dir);
    return err;
}

enum bw_err bw_machine_free(struct bw_members *members, struct bw_machine *machine,
                            struct bw_diag *diag)
{
    struct bw_lab_process *process = machine->process;
    const uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(END_MS);
    char data_dir[BW_LAB_PATH_BYTES];
    const enum bw_err err = data_dir_of(members, machine, data_dir, diag);

    while (!machine->is_lost && !process->is_given_up && bw_lab_now_ns() < until_ns)
        bw_lab_turn(members->lab, bw_lab_now_ns() + bw_ms_to_ns(TURN_MS));
    if (!machine->is_lost && !process->is_given_up)
        bw_lab_say(members->lab, BW_LAB_PROBLEM, (int)process->node, -1,
                   "%s was removed, and has not ended after %d s", process->name, END_MS / 1000);
    process->hold_count = 1;
    if (process->pid != 0)
        bw_machine_kill(members, machine);
    if (!wait_ended(members, machine))
        return bw_diag_set(diag, BW_ERR_TIMEOUT, "%s does not end by KILL", process->name);
    if (err == BW_OK)
        bw_lab_remove_tree(data_dir);
    machine->id = 0;
    machine->is_lost = false;
    return err;
}

/* ---- what they say --------------------------------------------------------------------------- */

/* wID; 0: another name. */
static uint32_t id_of(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "name"));

    return name != NULL && name[0] == 'w' ? (uint32_t)strtoul(name + 1, NULL, 10) : 0;
}

static void read_view(const json_t *document, struct bw_members_view *out)
{
    const char *leader = json_string_value(json_object_get(document, "leader"));
    const json_t *member;
    size_t i;

    *out = (struct bw_members_view){
        .leader = leader != NULL && leader[0] == 'w' ? (uint32_t)strtoul(leader + 1, NULL, 10) : 0,
        .is_settled = json_is_true(json_object_get(document, "settled"))};
    json_array_foreach(json_object_get(document, "members"), i, member)
    {
        const char *role = json_string_value(json_object_get(member, "role"));

        if (out->member_count == BW_WITNESSES_MAX)
            break;
        out->members[out->member_count] = id_of(member);
        out->votes[out->member_count++] = role != NULL && (strcmp(role, "voter") == 0 ||
                                                           strcmp(role, "leader") == 0);
    }
    json_array_foreach(json_object_get(document, "applicants"), i, member)
        if (out->applicant_count < BW_WITNESSES_MAX)
            out->applicants[out->applicant_count++] = id_of(member);
}

/* 3.9: never fewer than two live voters. Those with a disk run, or are about to be started anew. */
static void judge_voters(struct bw_members *members)
{
    const struct bw_members_view *view = &members->view;
    uint32_t count = 0;

    for (uint32_t i = 0; i < view->member_count; i++) {
        const struct bw_machine *machine = bw_machine_of(members, view->members[i]);

        count += view->votes[i] && machine != NULL && !machine->is_lost;
    }
    if (count < 2)
        bw_lab_say(members->lab, BW_LAB_PROBLEM, -1, -1,
                   "only %" PRIu32 " of those that vote have a disk", count);
}

bool bw_members_read(struct bw_members *members)
{
    static const char *const words[] = {"members", "-o", "json", NULL};
    static char text[TEXT_BYTES];
    json_t *document;
    const int status = bw_lab_ask(members->lab, words, COMMAND_MS, text, sizeof text);

    document = status == 0 ? json_loads(text, 0, NULL) : NULL;
    if (document == NULL)
        return false;
    read_view(document, &members->view);
    json_decref(document);
    judge_voters(members);
    return true;
}

static bool agrees(struct bw_members *members)
{
    const struct bw_members_view *view = &members->view;
    uint32_t count = 0;

    for (uint32_t i = 0; i < members->machine_count; i++)
        count += members->machines[i].id != 0;
    for (uint32_t i = 0; i < view->member_count; i++)
        if (!view->votes[i] || bw_machine_of(members, view->members[i]) == NULL)
            return false;
    return view->is_settled && view->leader != 0 && count == view->member_count;
}

static bool has_applicant(const struct bw_members_view *view, uint32_t id)
{
    for (uint32_t i = 0; i < view->applicant_count; i++)
        if (view->applicants[i] == id)
            return true;
    return false;
}

/* `id` 0: until fact and wish agree. */
static bool wait_until(struct bw_members *members, uint32_t id)
{
    const uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(AGREE_MS);

    do {
        if (bw_members_read(members) &&
            (id == 0 ? agrees(members) : has_applicant(&members->view, id)))
            return true;
        bw_lab_turn(members->lab, bw_lab_now_ns() + bw_ms_to_ns(ASK_MS));
    } while (bw_lab_now_ns() < until_ns);
    return false;
}

enum bw_err bw_members_wait_agreed(struct bw_members *members, struct bw_diag *diag)
{
    return wait_until(members, 0)
               ? BW_OK
               : bw_diag_set(diag, BW_ERR_TIMEOUT,
                             "after %d s the members are still not those that were ordered",
                             AGREE_MS / 1000);
}

enum bw_err bw_members_wait_applicant(struct bw_members *members, uint32_t id, struct bw_diag *diag)
{
    return wait_until(members, id) ? BW_OK
                                   : bw_diag_set(diag, BW_ERR_TIMEOUT,
                                                 "after %d s nobody knows that w%" PRIu32
                                                 " asks to join",
                                                 AGREE_MS / 1000, id);
}
