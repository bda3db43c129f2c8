/* witness_agents.c - src/witness/{api_agent,poll,answer}.c in the simulator: syncs that wait for a
 * proof, syncs passed on by a follower, long polls for orders. Design 3.2, 5.3. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/mutant.h>
#include <breakwater/wire/sync.h>

#include "check.h"
#include "check_reports.h"
#include "witness_program.h"

#define PROOF_MS    3000 /* as there: then it is answered without a confirmation */
#define RELAY_MS    2000
#define POLL_BYTES  12
#define POLL_MS_MAX 60000

/* ---- who waits ---- */

/* The connection of one that has died since is gone, and so is what it asked for. */
static bool is_gone(const struct sim_pending *pending)
{
    return pending->to->health == SIM_DEAD || pending->to->life != pending->to_life;
}

static struct sim_pending *pend(const struct sim_witness *witness,
                                const struct sim_message *message, enum sim_channel channel,
                                uint32_t wait_ms, struct sim_pending **list)
{
    struct sim_pending *pending = calloc(1, sizeof *pending);
    struct bw_instant now = sim_now(witness->process);

    BW_ASSERT(pending != NULL);
    *pending = (struct sim_pending){.next = *list,
                                    .to = message->from,
                                    .to_life = message->from_life,
                                    .channel = channel,
                                    .tag = message->tag,
                                    .until = bw_instant_add(now, wait_ms * BW_NS_PER_MS),
                                    .received = now};
    *list = pending;
    return pending;
}

static void free_pending(struct sim_pending *pending)
{
    bw_sync_deinit(&pending->sync);
    free(pending);
}

static void unlink_pending(struct sim_pending **list, const struct sim_pending *pending)
{
    while (*list != pending)
        list = &(*list)->next;
    *list = pending->next;
}

static void forget_gone(struct sim_pending **list, uint32_t *count)
{
    while (*list != NULL) {
        struct sim_pending *pending = *list;

        if (!is_gone(pending)) {
            list = &pending->next;
            continue;
        }
        *list = pending->next;
        --*count;
        free_pending(pending);
    }
}

void sim_agents_forget_gone(struct sim_witness *witness)
{
    forget_gone(&witness->syncs, &witness->sync_count);
    forget_gone(&witness->polls, &witness->poll_count);
}

void sim_agents_free(struct sim_witness *witness)
{
    struct sim_pending *lists[] = {witness->syncs, witness->polls};

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (struct sim_pending *pending = lists[i]; pending != NULL;) {
            struct sim_pending *next = pending->next;

            free_pending(pending);
            pending = next;
        }
}

/* ---- answers ---- */

/* What an answer goes to. */
struct recipient {
    struct sim_process *to;
    enum sim_channel channel;
    uint64_t tag;
};

static struct recipient recipient_of(const struct sim_pending *pending)
{
    return (struct recipient){pending->to, pending->channel, pending->tag};
}

static void answer_error(struct sim_witness *witness, struct recipient recipient)
{
    sim_send(witness->process, recipient.to, recipient.channel, recipient.tag, NULL, 0);
}

static void tell_members(const struct sim_witness *witness, struct bw_sync_answer *answer)
{
    static const char *const addresses[SIM_WITNESSES] = {"w1:7400", "w2:7400", "w3:7400"};
    const struct sim_world *world = sim_witness_world(witness);

    answer->member_count = SIM_WITNESSES;
    for (uint32_t i = 0; i < SIM_WITNESSES; i++) {
        struct bw_member *member = &answer->members[i];

        member->id = i + 1;
        memcpy(member->name, world->hosts[i].name, sizeof member->name);
        BW_ASSERT(bw_copy_text(member->address, sizeof member->address, addresses[i]));
    }
}

/* `groups` has room for all of the answer. */
static void begin_answer(const struct sim_witness *witness, struct bw_sync_answer_group *groups,
                         struct bw_sync_answer *out_answer)
{
    int leader = sim_witness_leader(witness);

    *out_answer = (struct bw_sync_answer){.cluster_id = witness->cluster.id,
                                          .generation = witness->cluster.generation,
                                          .is_leader = witness->machine.leadership.leads,
                                          .applied_index = witness->cluster.applied_index,
                                          .groups = groups};
    if (leader >= 0)
        memcpy(out_answer->leader, sim_witness_world(witness)->hosts[leader].name,
               sizeof out_answer->leader);
    BW_ASSERT(bw_copy_text(out_answer->witness, sizeof out_answer->witness,
                           witness->process->host->name));
    tell_members(witness, out_answer);
}

static struct bw_sync_answer_group *add_group(const struct sim_witness *witness,
                                              struct bw_sync_answer *answer, int place,
                                              const char *site)
{
    const struct bw_group *group = &witness->groups[place];
    struct bw_sync_answer_group *told = &answer->groups[answer->group_count++];

    memcpy(told->name, group->spec.name, sizeof told->name);
    bw_order_derive(group, site, witness->cluster.applied_index, &told->order);
    return told;
}

static void send_answer(struct sim_witness *witness, struct recipient recipient,
                        const struct bw_sync_answer *answer)
{
    struct bw_diag diag = {0};
    size_t size = 0;

    if (bw_sync_answer_encode(answer, witness->bytes, sizeof witness->bytes, &size, &diag) !=
        BW_OK) {
        sim_fail(sim_witness_world(witness), "witness", "%s cannot encode an answer: %s",
                 witness->process->name, diag.text);
        return;
    }
    if (!sim_crash_point(witness->process, "crash:answer"))
        sim_send(witness->process, recipient.to, recipient.channel, recipient.tag, witness->bytes,
                 size);
}

/* ---- a sync ---- */

static void let_go(const struct sim_witness *witness, struct bw_sync_answer *answer,
                   const char *name, const char *site)
{
    struct bw_sync_answer_group *told = &answer->groups[answer->group_count++];

    (void)bw_copy_text(told->name, sizeof told->name, name); /* as long as the one it comes from */
    bw_order_derive(NULL, site, witness->cluster.applied_index, &told->order);
}

/* How a sync came, and what its answer may say. */
struct arrival {
    uint64_t relayed_by; /* id of the witness that passed it on; 0: directly */
    bool has_waited;
    uint64_t proof;
    struct bw_instant received;
};

static void answer_group(struct sim_witness *witness, const struct bw_sync *sync,
                         const struct bw_sync_group *said, const struct arrival *arrival,
                         struct bw_sync_answer *answer)
{
    int place = bw_cluster_find(&witness->cluster, said->name);
    struct bw_instant now = sim_now(witness->process);
    struct bw_sync_answer_group *told;
    int group;

    if (place < 0) {
        if (answer->is_leader && bw_proof_covers(&witness->machine.proof, arrival->proof))
            let_go(witness, answer, said->name, sync->site);
        return;
    }
    told = add_group(witness, answer, place, sync->site);
    told->other_serves_epoch = bw_witness_other_serves(&witness->machine, place, sync->site, now);
    if (said->renew_epoch == 0 || arrival->proof == 0)
        return;
    if (!bw_witness_confirm(&witness->machine, sync, said, arrival->relayed_by, arrival->proof,
                            arrival->received, now))
        return;
    told->confirmed_epoch = said->renew_epoch;
    group = sim_group_find(sim_witness_world(witness), said->name);
    if (group >= 0)
        sim_check_confirms(witness->process, sync, (uint32_t)group, said->renew_epoch,
                           &witness->groups[place].terms, witness->machine.leadership.term,
                           arrival->received);
}

/* As there: `proof` 0 confirms nothing, and one that has waited in vain is not told that this
 * witness leads. */
static void answer_sync(struct sim_witness *witness, struct recipient recipient,
                        const struct bw_sync *sync, const struct arrival *arrival)
{
    struct bw_sync_answer_group *groups = calloc(sync->group_count + 1, sizeof *groups);
    struct bw_sync_answer answer;

    BW_ASSERT(groups != NULL);
    begin_answer(witness, groups, &answer);
    answer.is_leader = answer.is_leader && (arrival->proof != 0 || !arrival->has_waited);
    answer.session = sync->session;
    answer.number = sync->number;
    for (uint32_t i = 0; i < sync->group_count; i++)
        answer_group(witness, sync, &sync->groups[i], arrival, &answer);
    send_answer(witness, recipient, &answer);
    free(groups);
}

/* Takes `pending`, which is in the list of syncs. */
static void finish_sync(struct sim_witness *witness, struct sim_pending *pending, uint64_t proof)
{
    const struct arrival arrival = {.relayed_by = pending->relayed_by,
                                    .has_waited = true,
                                    .proof = proof,
                                    .received = pending->received};

    unlink_pending(&witness->syncs, pending);
    witness->sync_count--;
    if (!is_gone(pending) && !sim_is_doomed(witness->process))
        answer_sync(witness, recipient_of(pending), &pending->sync, &arrival);
    free_pending(pending);
}

void sim_agents_on_proved(struct sim_witness *witness)
{
    const struct bw_witness *machine = &witness->machine;
    struct sim_pending *next;

    for (struct sim_pending *pending = witness->syncs; pending != NULL; pending = next) {
        next = pending->next;
        if (pending->proof == 0)
            continue;
        if (!machine->leadership.leads)
            finish_sync(witness, pending, 0);
        else if (bw_proof_covers(&machine->proof, pending->proof))
            finish_sync(witness, pending, pending->proof);
    }
}

/* ---- through a follower ---- */

static void on_relayed(struct sim_witness *witness, const struct sim_message *message)
{
    struct sim_pending *pending = witness->syncs;

    while (pending != NULL && (pending->relay_number == 0 || pending->relay_number != message->tag))
        pending = pending->next;
    if (pending == NULL)
        return; /* it has been answered, or comes twice */
    if (message->size == 0 || is_gone(pending)) {
        finish_sync(witness, pending, 0);
        return;
    }
    sim_count(sim_witness_world(witness), "relay:answered");
    sim_send(witness->process, pending->to, pending->channel, pending->tag, message->bytes,
             message->size);
    unlink_pending(&witness->syncs, pending);
    witness->sync_count--;
    free_pending(pending);
}

/* True: the sync was taken, and is answered with what the leader says, or as a follower's. */
static bool relay(struct sim_witness *witness, const struct sim_message *message,
                  const struct bw_sync *sync)
{
    struct bw_relay envelope = {.sync = (uint8_t *)(uintptr_t)message->bytes, /* only read */
                                .sync_size = message->size};
    struct sim_world *world = sim_witness_world(witness);
    int leader = sim_witness_leader(witness);
    struct sim_pending *pending;
    struct bw_diag diag = {0};
    size_t size = 0;

    if (leader < 0 || world->witnesses[leader] == witness->process ||
        witness->sync_count >= SIM_PENDING_MAX)
        return false;
    pending = pend(witness, message, SIM_CHANNEL_SYNC_ANSWER, RELAY_MS, &witness->syncs);
    witness->sync_count++;
    pending->sync = *sync;
    pending->relay_number = ++witness->relay_number;
    memcpy(envelope.site, sync->site, sizeof envelope.site);
    memcpy(envelope.agent, sync->agent, sizeof envelope.agent);
    BW_ASSERT(bw_relay_encode(&envelope, witness->bytes, sizeof witness->bytes, &size, &diag) ==
              BW_OK);
    sim_count(world, "relay:sent");
    sim_send(witness->process, world->witnesses[leader], SIM_CHANNEL_RELAY, pending->relay_number,
             witness->bytes, size);
    return true;
}

/* ---- what comes in ---- */

static bool is_of_this_cluster(const struct sim_witness *witness, const struct bw_sync *sync)
{
    if (bw_id_is_none(witness->cluster.id))
        return false; /* it has not heard from its cluster yet */
    if (!bw_id_is_none(sync->cluster_id) && !bw_id_equal(sync->cluster_id, witness->cluster.id))
        return false;
    return sync->generation <= witness->cluster.generation;
}

static bool names_unknown_group(const struct sim_witness *witness, const struct bw_sync *sync)
{
    for (uint32_t i = 0; i < sync->group_count; i++)
        if (bw_cluster_find(&witness->cluster, sync->groups[i].name) < 0)
            return true;
    return false;
}

/* What is measured rests on exchanges of at most this age: the slots, each as long as it may get. */
#define RATE_MEMORY_NS ((BW_RATE_SLOTS + 2) * 2 * BW_RATE_SLOT_NS)

/* Design 3.8: a site is called slow or fast only when its clocks or those of the witness were so. */
static void check_rate(struct sim_witness *witness, const struct bw_sync *sync, int place)
{
    struct sim_world *world = sim_witness_world(witness);
    const struct bw_spec *spec = &witness->groups[place].spec;
    const int site = bw_spec_find_site(spec, sync->site);
    enum bw_rate_verdict verdict;

    if (site < 0)
        return;
    verdict = bw_rate_judge(&witness->machine.watches[place].rates[site].bounds,
                            spec->max_clock_drift_ppm);
    if (verdict == BW_RATE_UNKNOWN)
        return;
    sim_count(world, verdict == BW_RATE_SLOW   ? "rate:slow"
                     : verdict == BW_RATE_FAST ? "rate:fast"
                                               : "rate:within");
    if (verdict == BW_RATE_WITHIN)
        return;
    for (uint32_t i = 0; i < world->host_count; i++) {
        const struct sim_host *host = &world->hosts[i];
        const bool is_theirs = host == witness->process->host || strcmp(host->name, sync->site) == 0;

        if (is_theirs && !sim_clock_is_steady(host, RATE_MEMORY_NS))
            return;
    }
    sim_fail(world, "rate", "%s calls the clocks of %s %s, and they never were",
             witness->process->host->name, sync->site, bw_rate_word(verdict));
}

/* Takes the groups of `sync`. */
static void take_sync(struct sim_witness *witness, const struct sim_message *message,
                      struct bw_sync *sync, uint64_t relayed_by)
{
    struct bw_witness *machine = &witness->machine;
    const bool may_relay = relayed_by == 0;
    const enum sim_channel channel = may_relay ? SIM_CHANNEL_SYNC_ANSWER : SIM_CHANNEL_RELAY_ANSWER;
    struct arrival arrival = {.relayed_by = relayed_by, .received = sim_now(witness->process)};
    uint64_t proof = bw_witness_on_sync(machine, sync, relayed_by, arrival.received);

    sim_check_hears(witness->process, sync);

    for (uint32_t i = 0; i < sync->group_count; i++) {
        int place = bw_cluster_find(&witness->cluster, sync->groups[i].name);

        if (place < 0)
            continue;
        sim_witness_touch(witness, place);
        check_rate(witness, sync, place);
    }
    if (proof == 0 && machine->leadership.leads && names_unknown_group(witness, sync))
        proof = bw_proof_want(&machine->proof);
    if (!machine->leadership.leads && may_relay && sync->wants_relay &&
        relay(witness, message, sync))
        return;
    if (proof != 0 && witness->sync_count < SIM_PENDING_MAX && !BW_MUTANT(BARRIER)) {
        struct sim_pending *pending = pend(witness, message, channel, PROOF_MS, &witness->syncs);

        witness->sync_count++;
        pending->sync = *sync;
        pending->proof = proof;
        pending->relayed_by = relayed_by;
        sim_witness_want_proof(witness);
        return;
    }
    arrival.proof = BW_MUTANT(BARRIER) ? proof : 0;
    answer_sync(witness, (struct recipient){message->from, channel, message->tag}, sync, &arrival);
    bw_sync_deinit(sync);
}

/* An agent speaks for the site of its certificate: that of its machine. */
static void on_sync(struct sim_witness *witness, const struct sim_message *message)
{
    struct recipient recipient = {message->from, SIM_CHANNEL_SYNC_ANSWER, message->tag};
    struct bw_diag diag = {0};
    struct bw_sync sync;

    if (bw_sync_decode(message->bytes, message->size, &sync, &diag) != BW_OK) {
        sim_fail(sim_witness_world(witness), "witness", "a sync of %s cannot be read: %s",
                 message->from->name, diag.text);
        return;
    }
    if (strcmp(sync.site, message->from->host->name) == 0 && is_of_this_cluster(witness, &sync)) {
        take_sync(witness, message, &sync, 0);
        return;
    }
    answer_error(witness, recipient);
    bw_sync_deinit(&sync);
}

/* As its certificate names it. */
static uint64_t witness_id(const struct sim_witness *witness, const struct sim_process *from)
{
    const struct sim_world *world = sim_witness_world(witness);

    for (uint32_t i = 0; i < SIM_WITNESSES; i++)
        if (world->witnesses[i]->host == from->host)
            return i + 1;
    BW_ASSERT(false);
    return 0;
}

/* Never relayed again: a witness that does not lead says so. */
static void on_relay(struct sim_witness *witness, const struct sim_message *message)
{
    struct recipient recipient = {message->from, SIM_CHANNEL_RELAY_ANSWER, message->tag};
    struct bw_diag diag = {0};
    struct bw_relay relayed;
    struct bw_sync sync;
    enum bw_err err = bw_relay_decode(message->bytes, message->size, &relayed, &diag);

    if (err == BW_OK) {
        err = bw_sync_decode(relayed.sync, relayed.sync_size, &sync, &diag);
        bw_relay_deinit(&relayed); /* the names stay */
    }
    if (err != BW_OK) {
        sim_fail(sim_witness_world(witness), "witness", "a relay of %s cannot be read: %s",
                 message->from->name, diag.text);
        return;
    }
    if (strcmp(sync.site, relayed.site) == 0 && strcmp(sync.agent, relayed.agent) == 0 &&
        is_of_this_cluster(witness, &sync)) {
        take_sync(witness, message, &sync, witness_id(witness, message->from));
        return;
    }
    answer_error(witness, recipient);
    bw_sync_deinit(&sync);
}

/* ---- long polls ---- */

static bool is_news(const struct sim_witness *witness, int place, const char *site, uint64_t after)
{
    const struct bw_group *group = &witness->groups[place];

    return group->spec.name[0] != '\0' && group->changed_index > after &&
           bw_spec_find_site(&group->spec, site) >= 0;
}

static void answer_poll(struct sim_witness *witness, struct recipient recipient, uint64_t after)
{
    const char *site = recipient.to->host->name;
    struct bw_sync_answer_group groups[SIM_PLACES] = {0};
    struct bw_sync_answer answer;

    begin_answer(witness, groups, &answer);
    for (int place = 0; place < (int)witness->cluster.group_count; place++)
        if (is_news(witness, place, site, after))
            (void)add_group(witness, &answer, place, site);
    send_answer(witness, recipient, &answer);
}

static void finish_poll(struct sim_witness *witness, struct sim_pending *poll)
{
    unlink_pending(&witness->polls, poll);
    witness->poll_count--;
    if (!is_gone(poll) && !sim_is_doomed(witness->process))
        answer_poll(witness, recipient_of(poll), poll->after);
    free_pending(poll);
}

void sim_polls_on_changed(struct sim_witness *witness, int place)
{
    struct sim_pending *next;

    for (struct sim_pending *poll = witness->polls; poll != NULL; poll = next) {
        next = poll->next;
        if (is_news(witness, place, poll->to->host->name, poll->after))
            finish_poll(witness, poll);
    }
}

static void on_poll(struct sim_witness *witness, const struct sim_message *message)
{
    struct recipient recipient = {message->from, SIM_CHANNEL_POLL_ANSWER, message->tag};
    bool has_news = false;
    struct sim_pending *poll;
    uint64_t after;
    uint32_t wait_ms;

    BW_ASSERT(message->size == POLL_BYTES);
    memcpy(&after, message->bytes, sizeof after);
    memcpy(&wait_ms, message->bytes + sizeof after, sizeof wait_ms);
    if (bw_id_is_none(witness->cluster.id) || wait_ms > POLL_MS_MAX) {
        answer_error(witness, recipient);
        return;
    }
    for (int place = 0; place < (int)witness->cluster.group_count; place++)
        has_news = has_news || is_news(witness, place, message->from->host->name, after);
    if (wait_ms == 0 || has_news) {
        answer_poll(witness, recipient, after);
    } else if (witness->poll_count >= SIM_PENDING_MAX) {
        answer_error(witness, recipient);
    } else {
        poll = pend(witness, message, SIM_CHANNEL_POLL_ANSWER, wait_ms, &witness->polls);
        poll->after = after;
        witness->poll_count++;
    }
}

void sim_agents_on_message(struct sim_witness *witness, const struct sim_message *message)
{
    switch (message->channel) {
    case SIM_CHANNEL_SYNC:
        on_sync(witness, message);
        break;
    case SIM_CHANNEL_RELAY:
        on_relay(witness, message);
        break;
    case SIM_CHANNEL_RELAY_ANSWER:
        on_relayed(witness, message);
        break;
    case SIM_CHANNEL_POLL:
        on_poll(witness, message);
        break;
    case SIM_CHANNEL_SYNC_ANSWER:
    case SIM_CHANNEL_POLL_ANSWER:
    case SIM_CHANNEL_GUARD:
        BW_ASSERT(false); /* not for a witness */
    }
}

/* ---- time ---- */

struct bw_instant sim_agents_due(const struct sim_witness *witness)
{
    struct bw_instant first = BW_INSTANT_NEVER;

    for (const struct sim_pending *pending = witness->syncs; pending; pending = pending->next)
        first = bw_instant_min(first, pending->until);
    for (const struct sim_pending *pending = witness->polls; pending; pending = pending->next)
        first = bw_instant_min(first, pending->until);
    return first;
}

void sim_agents_serve_due(struct sim_witness *witness, struct bw_instant now)
{
    struct sim_pending *next;

    for (struct sim_pending *pending = witness->syncs; pending != NULL; pending = next) {
        next = pending->next;
        if (is_gone(pending) || bw_instant_wait_is_over(now, pending->until))
            finish_sync(witness, pending, 0);
    }
    for (struct sim_pending *poll = witness->polls; poll != NULL; poll = next) {
        next = poll->next;
        if (is_gone(poll) || bw_instant_wait_is_over(now, poll->until))
            finish_poll(witness, poll); /* nothing new: an answer without groups */
    }
}
