/* members.c - rounds: who is lost, how it is replaced, and what happens in the middle of it. */
#include "members.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/instant.h>

#define TURN_MS       20
#define CARRY_MS      180000 /* for one order, whatever happens meanwhile */
#define PAUSE_MS      200    /* before an order is given again */
#define MIDDLE_MS     800    /* within it the command is interrupted, the leader killed */
#define UNSAFE        6      /* exit status: refused */
#define CYCLE         10     /* rounds: */
#define GROW_AT       4      /*   from here on there are five */
#define SHRINK_AT     8      /*   until here */
#define OUTPUT_FILE   "members.out"
#define OUTPUT_BYTES  4096

/* ---- chance ---------------------------------------------------------------------------------- */

static bool happens(struct bw_members *members, uint32_t percent)
{
    return bw_prng_below(&members->prng, 100) < percent;
}

static uint32_t count_members(const struct bw_members *members)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < members->machine_count; i++)
        count += members->machines[i].id != 0;
    return count;
}

/* One that is a member, and has its disk; often the leader. */
static struct bw_machine *choose(struct bw_members *members, uint32_t percent_leader)
{
    struct bw_machine *leader = bw_machine_of(members, members->view.leader);
    struct bw_machine *list[BW_MACHINES_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < members->machine_count; i++)
        if (members->machines[i].id != 0 && !members->machines[i].is_lost)
            list[count++] = &members->machines[i];
    if (leader != NULL && !leader->is_lost && happens(members, percent_leader))
        return leader;
    return list[bw_prng_below(&members->prng, count)]; /* two have one at least */
}

/* ---- an order -------------------------------------------------------------------------------- */

/* `breakwater members WORD NAME [NEW] --yes`. */
struct order {
    const char *word;
    uint32_t id;
    uint32_t new_id; /* 0: takes one name */
    uint64_t interrupt_ns; /* after it began; 0: never */
    uint64_t kill_ns;      /* the same, of whoever leads as it begins */
};

static enum bw_err begin(struct bw_members *members, const struct order *order,
                         const char *wait, struct bw_lab_job *job, struct bw_diag *diag)
{
    char name[16];
    char new_name[16];
    char path[BW_LAB_PATH_BYTES];
    const char *const words[] = {"members", order->word,      name, "--yes", "--wait-timeout", wait,
                                 order->new_id == 0 ? NULL : new_name, NULL};
    const enum bw_err err = bw_lab_path(path, members->lab->dir, OUTPUT_FILE, diag);

    (void)snprintf(name, sizeof name, "w%" PRIu32, order->id);
    (void)snprintf(new_name, sizeof new_name, "w%" PRIu32, order->new_id);
    return err == BW_OK ? bw_lab_begin_command(members->lab, job, words, path, diag) : err;
}

static bool is_due(const struct bw_lab_job *job, uint64_t after_ns, bool was_done)
{
    return after_ns != 0 && !was_done && bw_lab_now_ns() - job->begun_ns >= after_ns;
}

/* Until the command ends, and what was to happen meanwhile has. True: it was interrupted. */
static bool disturb(struct bw_members *members, const struct order *order, struct bw_lab_job *job)
{
    struct bw_machine *leader = bw_machine_of(members, members->view.leader);
    const uint64_t begun_ns = job->begun_ns;
    bool is_interrupted = false;
    bool is_killed = leader == NULL || leader->is_lost || order->kill_ns == 0;

    while (job->pid != 0 || (!is_killed && bw_lab_now_ns() - begun_ns < order->kill_ns)) {
        if (is_due(job, order->kill_ns, is_killed)) {
            bw_machine_kill(members, leader);
            members->leader_kill_count++;
            is_killed = true;
        }
        if (job->pid != 0 && is_due(job, order->interrupt_ns, is_interrupted)) {
            (void)kill(job->pid, SIGKILL); /* ours, not reaped yet: it is this one */
            members->interrupt_count++;
            is_interrupted = true;
        }
        bw_lab_turn(members->lab, bw_lab_now_ns() + bw_ms_to_ns(TURN_MS));
    }
    return is_interrupted;
}

static void read_output(const struct bw_members *members, char text[OUTPUT_BYTES])
{
    char path[BW_LAB_PATH_BYTES];
    struct bw_diag diag = {0};
    FILE *file = bw_lab_path(path, members->lab->dir, OUTPUT_FILE, &diag) == BW_OK
                     ? fopen(path, "re")
                     : NULL;
    const size_t size = file != NULL ? fread(text, 1, OUTPUT_BYTES - 1, file) : 0;

    text[size] = '\0';
    if (file != NULL)
        (void)fclose(file); /* only read from */
}

/* The names of those that were removed are not kept: an order to remove one that is gone is refused. */
static bool is_gone(struct bw_members *members, const struct order *order)
{
    if (strcmp(order->word, "remove") != 0 || !bw_members_read(members))
        return false;
    for (uint32_t i = 0; i < members->view.member_count; i++)
        if (members->view.members[i] == order->id)
            return false;
    return true;
}

/* Given again until it is done, as its own text says. `*out_was_again`: more than once. */
static enum bw_err carry(struct bw_members *members, struct order order, bool *out_was_again,
                         struct bw_diag *diag)
{
    const uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(CARRY_MS);
    char text[OUTPUT_BYTES] = "";

    *out_was_again = false;
    while (bw_lab_now_ns() < until_ns) {
        struct bw_lab_job job;
        const enum bw_err err = begin(members, &order, "60s", &job, diag);

        if (err != BW_OK)
            return err;
        if (!disturb(members, &order, &job) && job.status == 0)
            return BW_OK;
        read_output(members, text);
        order.interrupt_ns = 0;
        order.kill_ns = 0;
        *out_was_again = true;
        if (is_gone(members, &order))
            return BW_OK;
        bw_lab_turn(members->lab, bw_lab_now_ns() + bw_ms_to_ns(PAUSE_MS));
    }
    return bw_diag_set(diag, BW_ERR_TIMEOUT,
                       "members %s w%" PRIu32 " is not done after %d s; the last time: %.200s",
                       order.word, order.id, CARRY_MS / 1000, text);
}

static uint64_t chance_ns(struct bw_members *members, uint32_t percent)
{
    const bool is_drawn = happens(members, percent);
    const uint64_t at_ns = bw_ms_to_ns(1 + bw_prng_below(&members->prng, MIDDLE_MS));

    return is_drawn ? at_ns : 0; /* both drawn always: the seed goes on alike */
}

/* ---- what a round does ----------------------------------------------------------------------- */

/* While one of three is lost nobody may be removed: never fewer than two live voters. It is refused, or,
 * where the loss was not noticed yet, it waits; then it is taken back. */
static enum bw_err try_unsafe_removal(struct bw_members *members, struct bw_diag *diag)
{
    const struct bw_machine *other = choose(members, 0);
    const struct order order = {.word = "remove", .id = other->id};
    struct bw_lab_job job;
    bool was_again;
    const enum bw_err err = begin(members, &order, "1s", &job, diag);

    if (err != BW_OK)
        return err;
    (void)disturb(members, &order, &job);
    if (job.status == 0)
        bw_lab_say(members->lab, BW_LAB_PROBLEM, -1, -1,
                   "w%" PRIu32 " was removed although only one other voter lives", other->id);
    members->refusal_count += job.status != 0;
    return job.status == UNSAFE
               ? BW_OK
               : carry(members, (struct order){.word = "add", .id = other->id}, &was_again, diag);
}

static void note_times(const struct bw_members *members, struct bw_replacement *replacement)
{
    char text[OUTPUT_BYTES];
    const char *voted;
    double voted_s;

    read_output(members, text);
    voted = strstr(text, "voted after ");
    /* NOLINTNEXTLINE(cert-err34-c): what our own programs print: its numbers are in range */
    if (voted == NULL || sscanf(voted, "voted after %lf s", &voted_s) != 1)
        return; /* it was too quick for a look */
    replacement->has_to_vote = true;
    replacement->to_vote_ms = (uint64_t)(voted_s * 1000 + 0.5);
}

static enum bw_err replace(struct bw_members *members, struct bw_machine *old, struct bw_diag *diag)
{
    struct bw_replacement *replacement = &members->replacements[members->replacement_count];
    struct order order = {.word = "replace",
                          .id = old->id,
                          .interrupt_ns = chance_ns(members, 25),
                          .kill_ns = chance_ns(members, 25)};
    struct bw_machine *new = NULL;
    bool was_again = false;
    enum bw_err err = bw_machine_join(members, &new, diag);

    *replacement = (struct bw_replacement){.old_id = old->id, .was_alive = !old->is_lost};
    if (err == BW_OK)
        err = bw_members_wait_applicant(members, new->id, diag);
    if (err != BW_OK)
        return err;
    order.new_id = new->id;
    replacement->new_id = new->id;
    err = carry(members, order, &was_again, diag);
    if (err != BW_OK)
        return err;
    replacement->was_disturbed = was_again || order.kill_ns != 0 || order.interrupt_ns != 0;
    if (!replacement->was_disturbed)
        note_times(members, replacement);
    members->replacement_count++;
    bw_lab_say(members->lab, BW_LAB_NOTE, -1, -1, "%" PRIu32 " w%" PRIu32 " (%s) -> w%" PRIu32 "%s",
               members->replacement_count, replacement->old_id,
               replacement->was_alive ? "it runs" : "its disk is lost", replacement->new_id,
               replacement->was_disturbed ? ", disturbed" : "");
    err = bw_machine_free(members, old, diag);
    return err == BW_OK ? bw_members_wait_agreed(members, diag) : err;
}

static enum bw_err grow(struct bw_members *members, struct bw_diag *diag)
{
    struct bw_machine *new = NULL;
    bool was_again;
    enum bw_err err = bw_machine_join(members, &new, diag);

    if (err == BW_OK)
        err = bw_members_wait_applicant(members, new->id, diag);
    if (err == BW_OK)
        err = carry(members,
                    (struct order){.word = "add",
                                   .id = new->id,
                                   .interrupt_ns = chance_ns(members, 25),
                                   .kill_ns = chance_ns(members, 25)},
                    &was_again, diag);
    return err == BW_OK ? bw_members_wait_agreed(members, diag) : err;
}

static enum bw_err shrink(struct bw_members *members, struct bw_diag *diag)
{
    struct bw_machine *old = choose(members, 30);
    bool was_again;
    enum bw_err err = carry(members,
                            (struct order){.word = "remove",
                                           .id = old->id,
                                           .interrupt_ns = chance_ns(members, 25),
                                           .kill_ns = chance_ns(members, 25)},
                            &was_again, diag);

    if (err == BW_OK)
        err = bw_machine_free(members, old, diag);
    return err == BW_OK ? bw_members_wait_agreed(members, diag) : err;
}

/* From three to five, and from five to three. */
static enum bw_err resize(struct bw_members *members, uint32_t wanted, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    while (err == BW_OK && count_members(members) < wanted)
        err = grow(members, diag);
    while (err == BW_OK && count_members(members) > wanted)
        err = shrink(members, diag);
    if (err == BW_OK)
        bw_lab_say(members->lab, BW_LAB_NOTE, -1, -1, "%" PRIu32 " witnesses", wanted);
    return err;
}

static enum bw_err lead(struct bw_members *members, uint32_t id, struct bw_diag *diag)
{
    bool was_again;
    enum bw_err err = carry(members, (struct order){.word = "lead", .id = id}, &was_again, diag);

    members->lead_count += err == BW_OK;
    if (err == BW_OK && !bw_members_read(members))
        bw_lab_turn(members->lab, bw_lab_now_ns() + bw_ms_to_ns(PAUSE_MS)); /* seen at the next */
    return err;
}

/* A second one may be lost where there are five: it is replaced after the first. */
static enum bw_err lose(struct bw_members *members, struct bw_machine *first, struct bw_diag *diag)
{
    const bool is_second_too = happens(members, 30) && count_members(members) >= 5;
    enum bw_err err = bw_machine_lose(members, first, diag);

    if (err == BW_OK && is_second_too &&
        members->replacement_count + 1 < members->options.replacements)
        err = bw_machine_lose(members, choose(members, 30), diag);
    return err;
}

static enum bw_err play_round(struct bw_members *members, struct bw_diag *diag)
{
    const bool is_alive = happens(members, 20);
    const bool tries = happens(members, 20);
    struct bw_machine *old;
    enum bw_err err = BW_OK;

    if (happens(members, 15))
        err = lead(members, choose(members, 0)->id, diag);
    old = choose(members, 35);
    if (err == BW_OK && !is_alive)
        err = lose(members, old, diag);
    if (err == BW_OK && !is_alive && tries && count_members(members) == 3)
        err = try_unsafe_removal(members, diag);
    if (err == BW_OK)
        err = replace(members, old, diag);
    for (uint32_t i = 0; i < members->machine_count && err == BW_OK; i++)
        if (members->machines[i].is_lost)
            err = replace(members, &members->machines[i], diag);
    return err == BW_OK ? bw_writers_look(members, diag) : err;
}

/* Every witness that is left leads once, and is asked for everything. */
static enum bw_err ask_each(struct bw_members *members, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < members->machine_count && err == BW_OK; i++) {
        if (members->machines[i].id == 0)
            continue;
        err = lead(members, members->machines[i].id, diag);
        if (err == BW_OK)
            err = bw_writers_look(members, diag);
    }
    return err;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static enum bw_err play_rounds(struct bw_members *members, struct bw_diag *diag)
{
    enum bw_err err = bw_members_wait_agreed(members, diag);

    for (uint32_t round = 0; err == BW_OK &&
                             members->replacement_count < members->options.replacements;
         round++) {
        if (round % CYCLE == GROW_AT)
            err = resize(members, 5, diag);
        if (err == BW_OK && round % CYCLE == SHRINK_AT) {
            err = resize(members, BW_LAB_WITNESSES, diag);
            members->grown_count += err == BW_OK;
        }
        if (err == BW_OK)
            err = play_round(members, diag);
    }
    return err;
}

/* Each is a problem of the story, which the verdict counts. */
static void tell_broken(const struct bw_members *members)
{
    const struct bw_entries *entries = &members->entries;

    for (uint32_t i = 0; i < BW_ENTRIES_TEXTS_MAX && entries->texts[i][0] != '\0'; i++)
        bw_lab_say(members->lab, BW_LAB_PROBLEM, -1, -1, "%s", entries->texts[i]);
}

enum bw_err bw_members_play(struct bw_members *members, struct bw_run *run,
                            const struct bw_members_options *options, struct bw_diag *diag)
{
    enum bw_err err;

    members->lab = run->lab;
    members->options = *options;
    bw_prng_init(&members->prng, run->lab->options->seed);
    members->replacements = calloc(options->replacements + 1, sizeof *members->replacements);
    members->kills = calloc(BW_KILLS_MAX, sizeof *members->kills);
    if (members->replacements == NULL || members->kills == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    err = bw_machines_init(members, diag);
    if (err == BW_OK)
        err = bw_writers_start(members, diag);
    if (err == BW_OK)
        err = play_rounds(members, diag);
    if (err == BW_OK)
        err = bw_writers_stop(members, diag);
    if (err == BW_OK)
        err = ask_each(members, diag);
    if (err == BW_OK)
        bw_entries_end(&members->entries);
    tell_broken(members);
    run->end_ns = bw_lab_now_ns();
    return err == BW_OK ? bw_members_read_logs(members, diag) : err;
}

void bw_members_deinit(struct bw_members *members)
{
    bw_entries_deinit(&members->entries);
    free(members->replacements);
    free(members->kills);
    members->replacements = NULL;
    members->kills = NULL;
}
