/* An agent and its witnesses: with which of them, polls for orders, renewals and reports, what is believed of an answer. */
#include "agent_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/core/counters.h>

static bool agent_take_answer(struct bw_agent_machine *machine, uint32_t witness,
                              enum bw_agent_exchange exchange, const struct bw_sync_answer *answer);

/* ---- witnesses ---- */

#define RETRY_NS_MIN    (100 * BW_NS_PER_MS)
#define RETRY_NS_MAX    (2 * BW_NS_PER_S)
#define ANSWER_NS_SHORT (1 * BW_NS_PER_S) /* without news, an answer sooner than this is a fault   \
                                           */
#define KEEP_AGAIN_NS   (30 * BW_NS_PER_S) /* a disk that would not have them is asked so often */
#define POLL_LIMIT_MS ((BW_AGENT_POLL_WAIT_S + 5) * 1000u)

/* NOLINTNEXTLINE(misc-redundant-expression): today they are the same number */
_Static_assert(2 * BW_WITNESSES_MAX <= BW_AGENT_WITNESSES_MAX,
               "all configured witnesses have a place, and all members beside them");

/* ---- which ----------------------------------------------------------------------------------- */

static struct bw_agent_witness *find(struct bw_agent_machine *machine, const char *address)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (machine->witnesses[i].used && strcmp(machine->witnesses[i].address, address) == 0)
            return &machine->witnesses[i];
    return NULL;
}

/* NULL: it cannot be used; said. */
static struct bw_agent_witness *add(struct bw_agent_machine *machine, const char *address)
{
    for (uint32_t i = 0; i < BW_AGENT_WITNESSES_MAX; i++) {
        struct bw_agent_witness *witness = &machine->witnesses[i];
        const struct bw_agent_action use = {
            .kind = BW_AGENT_ACTION_USE_WITNESS, .witness = i, .text = address};

        if (witness->used)
            continue;
        if (bw_agent_ask(machine, &use, NULL) != BW_OK)
            return NULL;
        *witness = (struct bw_agent_witness){
            .used = true,
            .is_answering = true, /* so that its first failure is said */
            .poll_at = bw_agent_now(machine),
        };
        BW_ASSERT(bw_copy_text(witness->address, sizeof witness->address, address)); /* it is one */
        return witness;
    }
    bw_agent_note(machine, BW_AGENT_NOTE_WITNESS_IGNORED, 0, address);
    return NULL;
}

/* One that was about to go, and whose poll has ended already, is polled again. */
static void keep(struct bw_agent_machine *machine, struct bw_agent_witness *witness)
{
    witness->is_gone = false;
    if (!witness->is_polled && bw_instant_is_never(witness->poll_at))
        witness->poll_at = bw_agent_now(machine);
}

static void mark_all_gone(struct bw_agent_machine *machine, bool configured)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (machine->witnesses[i].used && machine->witnesses[i].is_configured == configured)
            machine->witnesses[i].is_gone = true;
}

/* Frees the slot of a witness that is gone, with its last exchange. */
static void release(struct bw_agent_witness *witness)
{
    if (witness->is_gone && !witness->is_polled && witness->sync_count == 0)
        witness->used = false;
}

static void release_gone(struct bw_agent_machine *machine)
{
    for (uint32_t i = 0; i < BW_AGENT_WITNESSES_MAX; i++) {
        struct bw_agent_witness *witness = &machine->witnesses[i];

        if (!witness->used || !witness->is_gone)
            continue;
        witness->poll_at = BW_INSTANT_NEVER;
        if (witness->is_polled)
            bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_CANCEL_POLL,
                                                             .witness = i});
        witness->is_polled = false;
        release(witness);
    }
}

enum bw_err bw_agent_machine_use_witnesses(struct bw_agent_machine *machine,
                                           const char *const *addresses, uint32_t count,
                                           struct bw_diag *diag)
{
    uint32_t found = 0;

    mark_all_gone(machine, true);
    for (uint32_t i = 0; i < count; i++) {
        struct bw_agent_witness *witness = find(machine, addresses[i]);

        if (witness == NULL)
            witness = add(machine, addresses[i]);
        if (witness == NULL)
            continue;
        witness->is_configured = true;
        keep(machine, witness);
        found++;
    }
    release_gone(machine);
    return found > 0 ? BW_OK
                     : bw_diag_set(diag, BW_ERR_INVALID, "not one of the witnesses can be used");
}

static void use_members(struct bw_agent_machine *machine, const struct bw_member *members,
                        uint32_t count)
{
    mark_all_gone(machine, false);
    for (uint32_t i = 0; i < count; i++) {
        const char *address = members[i].address;
        struct bw_agent_witness *witness = find(machine, address);

        if (address[0] == '\0')
            continue;
        if (witness == NULL)
            witness = add(machine, address);
        if (witness != NULL && !witness->is_configured)
            keep(machine, witness);
    }
    release_gone(machine);
}

/* ---- the members, over a restart ---------------------------------------------------------------- */

static bool is_same_list(const struct bw_kept_members *kept, const struct bw_kept_members *newest)
{
    if (!bw_id_equal(kept->cluster_id, newest->cluster_id) ||
        kept->member_count != newest->member_count ||
        kept->feature_level != newest->feature_level ||
        kept->longest_wait_ms != newest->longest_wait_ms)
        return false;
    for (uint32_t i = 0; i < newest->member_count; i++)
        if (kept->members[i].id != newest->members[i].id ||
            strcmp(kept->members[i].name, newest->members[i].name) != 0 ||
            strcmp(kept->members[i].address, newest->members[i].address) != 0)
            return false;
    return true;
}

static void say_members(struct bw_agent_machine *machine, enum bw_agent_note note,
                        const struct bw_kept_members *kept)
{
    bw_agent_emit(machine, &(struct bw_agent_action){
                               .kind = BW_AGENT_ACTION_NOTE, .note = note, .members = kept});
}

/* 3.9: whom to ask, never whom to believe: an answer says itself of which cluster and generation it is. So it does
 * not matter of which generation they were told; those of another cluster are none of ours, and without a state of
 * our own, which would take the first word that it hears, only the site file says whom to hear. */
void bw_agent_members_recall(struct bw_agent_machine *machine)
{
    const struct bw_kept_members *kept = machine->setup.members;

    if (kept == NULL)
        return;
    machine->kept = *kept;
    if (bw_id_is_none(machine->setup.state->cluster_id) ||
        !bw_id_equal(kept->cluster_id, machine->setup.state->cluster_id))
        return;
    machine->feature_level = kept->feature_level;
    bw_agent_overrides_hear_wait(machine, kept->longest_wait_ms);
    say_members(machine, BW_AGENT_NOTE_MEMBERS_RECALLED, kept);
    use_members(machine, kept->members, kept->member_count);
}

static void keep_members(struct bw_agent_machine *machine, const struct bw_sync_answer *answer)
{
    struct bw_kept_members newest = {.cluster_id = answer->cluster_id,
                                     .member_count = answer->member_count,
                                     .feature_level = answer->feature_level,
                                     .longest_wait_ms = machine->longest_wait_ms};

    memcpy(newest.members, answer->members, answer->member_count * sizeof newest.members[0]);
    if (machine->is_keeping || is_same_list(&machine->kept, &newest) ||
        !bw_instant_wait_is_over(bw_agent_now(machine), machine->keep_after))
        return;
    machine->keeping = newest;
    machine->is_keeping = true;
    say_members(machine, BW_AGENT_NOTE_MEMBERS_CHANGED, &machine->keeping);
    bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_KEEP_MEMBERS,
                                                     .members = &machine->keeping});
}

/* Nothing rests on it: where the disk refuses, or does not know, the next word of a leader is kept again. */
void bw_agent_on_members_kept(struct bw_agent_machine *machine, enum bw_err err)
{
    BW_ASSERT(machine->is_keeping);
    machine->is_keeping = false;
    if (err == BW_OK)
        machine->kept = machine->keeping;
    else
        machine->keep_after = bw_instant_add(bw_agent_now(machine), KEEP_AGAIN_NS);
}

static void agent_witnesses_learn(struct bw_agent_machine *machine, const struct bw_sync_answer *answer)
{
    if (answer->member_count == 0)
        return;
    use_members(machine, answer->members, answer->member_count);
    keep_members(machine, answer);
}

/* ---- do they answer? ------------------------------------------------------------------------- */

static void note_answers(struct bw_agent_machine *machine, uint32_t number)
{
    struct bw_agent_witness *witness = &machine->witnesses[number];

    if (!witness->is_answering)
        bw_agent_note(machine, BW_AGENT_NOTE_WITNESS_ANSWERS, number, NULL);
    witness->is_answering = true;
}

static void agent_witness_failed(struct bw_agent_machine *machine, uint32_t number, const char *text)
{
    struct bw_agent_witness *witness = &machine->witnesses[number];

    if (witness->is_answering)
        bw_agent_note(machine, BW_AGENT_NOTE_WITNESS_SILENT, number, text);
    witness->is_answering = false;
}

/* The witness at this address, which only a leader told, answers at one of the site file. It is asked there alone, while it
 * answers: the same order, and the same confirmation, would come twice. */
static bool is_asked_elsewhere(const struct bw_agent_machine *machine, const struct bw_agent_witness *witness)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX && !witness->is_configured && witness->name[0] != '\0'; i++) {
        const struct bw_agent_witness *other = &machine->witnesses[i];

        if (other->used && !other->is_gone && other->is_configured && other->is_answering &&
            strcmp(other->name, witness->name) == 0)
            return true;
    }
    return false;
}

/* ---- polls for orders ------------------------------------------------------------------------ */

/* The log index of the newest order that we heard of, over all groups. */
static uint64_t newest_index(const struct bw_agent_machine *machine)
{
    uint64_t newest = 0;

    for (uint32_t i = 0; i < machine->group_count; i++)
        if (machine->groups[i].site.order.index > newest)
            newest = machine->groups[i].site.order.index;
    return newest;
}

static void poll_after(struct bw_agent_machine *machine, struct bw_agent_witness *witness,
                       uint64_t delay_ns)
{
    if (!witness->is_gone)
        witness->poll_at = bw_instant_add(bw_agent_now(machine), delay_ns);
}

/* Between half and all of a delay that doubles: agents that lost the same witness come back one by
 * one. */
static void back_off(struct bw_agent_machine *machine, struct bw_agent_witness *witness)
{
    uint64_t *delay_ns = &witness->poll_retry_ns;

    *delay_ns = *delay_ns == 0 ? RETRY_NS_MIN : *delay_ns * 2;
    if (*delay_ns > RETRY_NS_MAX)
        *delay_ns = RETRY_NS_MAX;
    poll_after(machine, witness,
               *delay_ns / 2 + bw_prng_below(machine->setup.chance, *delay_ns / 2 + 1));
}

static void poll_now(struct bw_agent_machine *machine, uint32_t number)
{
    struct bw_agent_witness *witness = &machine->witnesses[number];
    struct bw_diag diag = {0};
    const struct bw_agent_action poll = {.kind = BW_AGENT_ACTION_POLL,
                                         .witness = number,
                                         .number = newest_index(machine),
                                         .limit_ms = POLL_LIMIT_MS};

    witness->poll_at = BW_INSTANT_NEVER;
    witness->poll_begun = bw_agent_now(machine);
    witness->is_polled = bw_agent_ask(machine, &poll, &diag) == BW_OK;
    if (witness->is_polled)
        return;
    agent_witness_failed(machine, number, diag.text);
    back_off(machine, witness);
}

void bw_agent_witnesses_serve(struct bw_agent_machine *machine)
{
    const struct bw_instant now = bw_agent_now(machine);

    for (uint32_t i = 0; i < BW_AGENT_WITNESSES_MAX; i++) {
        struct bw_agent_witness *witness = &machine->witnesses[i];

        if (!witness->used || witness->is_polled || !bw_instant_wait_is_over(now, witness->poll_at))
            continue;
        if (is_asked_elsewhere(machine, witness))
            poll_after(machine, witness, RETRY_NS_MAX);
        else
            poll_now(machine, i);
    }
}

static void on_poll_answered(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    struct bw_agent_witness *witness = &machine->witnesses[event->witness];
    const uint64_t before = newest_index(machine);
    bool is_fine = !event->is_unreadable;

    if (event->answer != NULL)
        is_fine = agent_take_answer(machine, event->witness, BW_AGENT_POLL, event->answer);
    if (is_fine && newest_index(machine) == before &&
        bw_instant_elapsed_ns(bw_agent_now(machine), witness->poll_begun) < ANSWER_NS_SHORT)
        is_fine = false;
    if (is_fine) {
        witness->poll_retry_ns = 0;
        poll_after(machine, witness, 0);
    } else {
        back_off(machine, witness);
    }
}

/* ---- an exchange has ended ------------------------------------------------------------------- */

static void end_exchange(struct bw_agent_witness *witness, enum bw_agent_exchange exchange)
{
    if (exchange == BW_AGENT_POLL) {
        BW_ASSERT(witness->is_polled);
        witness->is_polled = false;
        return;
    }
    BW_ASSERT(witness->sync_count > 0);
    witness->sync_count--;
}

void bw_agent_on_answered(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    struct bw_agent_witness *witness = &machine->witnesses[event->witness];

    end_exchange(witness, event->exchange);
    note_answers(machine, event->witness);
    if (event->exchange == BW_AGENT_POLL) {
        on_poll_answered(machine, event);
    } else {
        if (event->answer != NULL)
            (void)agent_take_answer(machine, event->witness, BW_AGENT_SYNC, event->answer);
        if (witness->missed_sync)
            bw_agent_sync_now(machine);
    }
    release(witness);
}

void bw_agent_on_unanswered(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    struct bw_agent_witness *witness = &machine->witnesses[event->witness];

    end_exchange(witness, event->exchange);
    agent_witness_failed(machine, event->witness, event->text);
    if (event->exchange == BW_AGENT_POLL)
        back_off(machine, witness);
    release(witness);
}

/* ---- syncs ---- */

/* Renewals and reports on their way out: how often, and what one sync says (3.2). */

/* Before an order has said otherwise. */
#define INTERVAL_NS_ABSENT (1 * BW_NS_PER_S)
#define REQUEST_MS_ABSENT  1000u

/* ---- how often ------------------------------------------------------------------------------- */

static void take_smaller(uint32_t *smallest, uint32_t value)
{
    if (value != 0 && (*smallest == 0 || value < *smallest))
        *smallest = value;
}

/* The smallest of all groups, of the terms that each epoch was granted with and of those that the
 * newest orders have; 0: nobody has said. */
static uint32_t smallest_term(const struct bw_agent_machine *machine, bool of_request_timeout)
{
    uint32_t smallest = 0;

    for (uint32_t i = 0; i < machine->group_count; i++) {
        const struct bw_site *site = &machine->groups[i].site;
        const struct bw_terms *terms[] = {&site->memory.terms, &site->order.terms};
        const bool is_held = site->memory.epoch != 0 && !site->memory.given_back;

        for (int t = is_held ? 0 : 1; t < 2; t++)
            take_smaller(&smallest, of_request_timeout ? terms[t]->request_timeout_ms
                                                       : terms[t]->renew_interval_ms);
    }
    return smallest;
}

uint64_t bw_agent_renew_interval_ns(const struct bw_agent_machine *machine)
{
    const uint64_t interval_ns = bw_ms_to_ns(smallest_term(machine, false));

    if (interval_ns == 0)
        return INTERVAL_NS_ABSENT;
    return interval_ns > BW_AGENT_SYNC_DISTANCE_NS ? interval_ns : BW_AGENT_SYNC_DISTANCE_NS;
}

uint32_t bw_agent_request_timeout_ms(const struct bw_agent_machine *machine)
{
    const uint32_t timeout_ms = smallest_term(machine, true);

    return timeout_ms != 0 ? timeout_ms : REQUEST_MS_ABSENT;
}

/* ---- one sync -------------------------------------------------------------------------------- */

static bool has_free_slot(const struct bw_agent_witness *witness)
{
    return witness->used && !witness->is_gone && witness->sync_count < BW_AGENT_SYNCS_MAX;
}

static bool any_free_slot(const struct bw_agent_machine *machine)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (has_free_slot(&machine->witnesses[i]))
            return true;
    return false;
}

/* Whether a relayed answer came says nothing: a leader whom only what is passed on reaches is to hear each sync. */
static bool wants_relay(const struct bw_agent_machine *machine, struct bw_instant now)
{
    const uint64_t limit_ns = bw_agent_renew_interval_ns(machine) * 3 / 2;

    return bw_instant_elapsed_ns(now, machine->leader_direct) >= limit_ns;
}

/* A sync that leaves right after `sent`. False: whoever drives cannot make it, and has said so. */
static bool make_sync(struct bw_agent_machine *machine, struct bw_instant sent)
{
    const struct bw_agent_setup *setup = &machine->setup;
    const struct bw_guard_link *guard = &machine->guard;
    struct bw_sync sync = {
        .cluster_id = setup->state->cluster_id,
        .generation = setup->state->generation,
        .instance = setup->state->instance,
        .session = setup->session,
        .boot_id = setup->boot_id,
        .feature_level = setup->feature_level,
        .guard_level = guard->state == BW_GUARD_LINK_OPEN ? guard->feature_level : 0,
        .number = bw_renewals_add(&machine->renewals, sent),
        .wants_relay = wants_relay(machine, sent),
        .exchange_count = machine->exchanges.count,
        .groups = setup->sync_groups,
    };

    if (!sync.wants_relay)
        machine->unrelayed = sync.number;
    memcpy(sync.exchanges, machine->exchanges.list, sizeof sync.exchanges);
    memcpy(sync.site, machine->site, sizeof sync.site);
    memcpy(sync.agent, machine->name, sizeof sync.agent);
    for (uint32_t i = 0; i < machine->group_count; i++)
        if (!machine->groups[i].is_left)
            bw_site_sync_get(&machine->groups[i].site, sent,
                             &setup->sync_groups[sync.group_count++]);
    return bw_agent_ask(machine,
                        &(struct bw_agent_action){.kind = BW_AGENT_ACTION_MAKE_SYNC, .sync = &sync},
                        NULL) == BW_OK;
}

static void send_to(struct bw_agent_machine *machine, uint32_t number)
{
    struct bw_agent_witness *witness = &machine->witnesses[number];
    struct bw_diag diag = {0};
    const struct bw_agent_action send = {.kind = BW_AGENT_ACTION_SEND_SYNC,
                                         .witness = number,
                                         .limit_ms = BW_AGENT_ANSWER_LIMITS *
                                                     bw_agent_request_timeout_ms(machine)};

    if (bw_agent_ask(machine, &send, &diag) != BW_OK) {
        agent_witness_failed(machine, number, diag.text);
        return;
    }
    witness->sync_count++;
    witness->missed_sync = false;
}

static void sync_all(struct bw_agent_machine *machine)
{
    const struct bw_instant sent = bw_agent_now(machine); /* before anything of it leaves (3.2.1) */
    const bool has_any = any_free_slot(machine);

    machine->sync_sent = sent;
    machine->has_sent = true;
    if (has_any && !make_sync(machine, sent))
        return;
    for (uint32_t i = 0; i < BW_AGENT_WITNESSES_MAX; i++) {
        struct bw_agent_witness *witness = &machine->witnesses[i];

        if (is_asked_elsewhere(machine, witness))
            witness->missed_sync = false;
        else if (has_free_slot(witness))
            send_to(machine, i);
        else if (witness->used)
            witness->missed_sync = true;
    }
}

void bw_agent_sync_serve(struct bw_agent_machine *machine)
{
    if (!bw_instant_right_is_over(bw_agent_now(machine), machine->sync_at))
        return;
    sync_all(machine);
    machine->sync_at = bw_instant_add(machine->sync_sent, bw_agent_renew_interval_ns(machine));
}

void bw_agent_sync_now(struct bw_agent_machine *machine)
{
    const struct bw_instant now = bw_agent_now(machine);
    struct bw_instant at = now;

    if (machine->has_sent)
        at = bw_instant_max(at, bw_instant_add(machine->sync_sent, BW_AGENT_SYNC_DISTANCE_NS));
    if (bw_instant_left_ns(now, at) < bw_instant_left_ns(now, machine->sync_at))
        machine->sync_at = at;
}

/* ---- answers ---- */

/* What a witness answers: whether it is of our cluster, and what is believed of it (3.2, 3.9). */

/* ---- is it of our cluster? (3.9) ------------------------------------------------------------- */

static bool refuse(struct bw_agent_machine *machine, uint32_t number,
                   const struct bw_sync_answer *answer, const char *why)
{
    struct bw_agent_witness *witness = &machine->witnesses[number];
    const bool is_noted = witness->refusal != NULL && strcmp(witness->refusal, why) == 0;

    witness->refusal = why;
    witness->refused_cluster_id = answer->cluster_id;
    witness->refused_generation = answer->generation;
    if (!is_noted)
        bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_NOTE,
                                                         .note = BW_AGENT_NOTE_WITNESS_REFUSED,
                                                         .witness = number,
                                                         .answer = answer,
                                                         .text = why});
    return false;
}

/* What is taken is on disk for good, and no answer of a lower generation is heard again. A follower waits for its
 * leader, as we do. */
static bool take_generation(struct bw_agent_machine *machine, uint32_t witness, const struct bw_sync_answer *answer)
{
    if (!bw_generation_may_follow(machine->setup.state->generation, answer->generation))
        return refuse(machine, witness, answer, "a generation too far above ours: it was made up");
    if (answer->is_leader)
        bw_agent_saves_cluster(machine, answer->cluster_id, answer->generation);
    return false;
}

static bool is_of_our_cluster(struct bw_agent_machine *machine, uint32_t witness,
                              const struct bw_sync_answer *answer)
{
    const struct bw_agent_state *state = machine->setup.state;

    if (bw_id_is_none(answer->cluster_id))
        return refuse(machine, witness, answer, "it names no cluster");
    /* Only a leader speaks for a cluster not known yet, or for a newer beginning of it. Durable before anything of
     * an answer counts. */
    if (bw_id_is_none(state->cluster_id))
        return take_generation(machine, witness, answer);
    if (!bw_id_equal(answer->cluster_id, state->cluster_id))
        return refuse(machine, witness, answer, "another cluster");
    if (answer->generation < state->generation)
        return refuse(machine, witness, answer, "a generation that was recovered from since");
    if (answer->generation > state->generation)
        return take_generation(machine, witness, answer);
    return true;
}

/* One whose key is in wrong hands may say anything, leader or not: what cannot be true is no part of what it says. */
static bool is_believed(struct bw_agent_machine *machine, uint32_t witness, const struct bw_sync_answer *answer)
{
    const char *why;

    if (!is_of_our_cluster(machine, witness, answer))
        return false;
    why = bw_sync_answer_made_up(answer);
    if (why != NULL)
        return refuse(machine, witness, answer, why);
    machine->witnesses[witness].refusal = NULL;
    return true;
}

/* ---- what it says ---------------------------------------------------------------------------- */

static void take_group(struct bw_agent_machine *machine, const struct bw_sync_answer_group *sent,
                       const struct bw_site_event *confirmed)
{
    const int group = bw_agent_find_group(machine, sent->name);
    const struct bw_site_event order = {.kind = BW_SITE_EVENT_ORDER, .order = &sent->order};
    const struct bw_site_event other = {.kind = BW_SITE_EVENT_OTHER_SERVES,
                                        .epoch = sent->other_serves_epoch};
    const struct bw_site_event asked = {.kind = BW_SITE_EVENT_REMOTE_FENCE,
                                        .ask = &sent->remote_fence};
    struct bw_site_event event = *confirmed;

    if (group < 0)
        return; /* a group of this site that is not in the site file: `check` tells */
    machine->groups[group].site.keeps_told = machine->feature_level >= BW_AHEAD_LEVEL;
    if (machine->feature_level >= BW_PROOF_LEVEL) /* a leader of before may still say a lower one */
        machine->groups[group].site.needs_proof = true;
    bw_agent_step_group(machine, (uint32_t)group, &order);
    event.epoch = sent->confirmed_epoch;
    if (event.number != 0 && event.epoch != 0)
        bw_agent_step_group(machine, (uint32_t)group, &event);
    if (other.epoch != 0)
        bw_agent_step_group(machine, (uint32_t)group, &other);
    if (event.number != 0 && sent->remote_fence.epoch != 0)
        bw_agent_step_group(machine, (uint32_t)group, &asked);
}

/* That it is heard (4), and what it measures our clocks by (3.8). */
static void note_exchange(struct bw_agent_machine *machine, const struct bw_sync_answer *answer,
                          struct bw_instant sent, struct bw_instant received)
{
    struct bw_exchange exchange = {
        .number = answer->number, .sent = sent, .answered = received, .receipt = answer->receipt};

    memcpy(exchange.witness, answer->witness, sizeof exchange.witness);
    bw_exchanges_note(&machine->exchanges, &exchange);
}

/* 5.3: not one that another has passed on. Polls never are, nor syncs that do not want it: their answers name who is
 * at this address. Where that is not known yet it counts as direct: the next sync, which nobody passes on, tells. */
static bool answers_itself(struct bw_agent_machine *machine, uint32_t number,
                           enum bw_agent_exchange exchange, const struct bw_sync_answer *answer)
{
    struct bw_agent_witness *witness = &machine->witnesses[number];

    if (exchange == BW_AGENT_POLL || answer->number == machine->unrelayed)
        memcpy(witness->name, answer->witness, sizeof witness->name);
    return witness->name[0] == '\0' || strcmp(witness->name, answer->witness) == 0;
}

/* False: it was dropped. 3.2.3: the instant of a confirmed renewal is the one we noted when we sent it. */
static bool agent_take_answer(struct bw_agent_machine *machine, uint32_t witness,
                                 enum bw_agent_exchange exchange, const struct bw_sync_answer *answer)
{
    const bool is_sync = exchange == BW_AGENT_SYNC;
    const struct bw_instant received = bw_agent_now(machine);
    struct bw_site_event confirmed = {.kind = BW_SITE_EVENT_CONFIRMED};
    bool is_direct;

    if (is_sync && bw_renewals_find(&machine->renewals, answer->session, answer->number,
                                    &confirmed.sent) != BW_OK) {
        bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_NOTE,
                                                         .note = BW_AGENT_NOTE_ANSWER_DROPPED,
                                                         .witness = witness,
                                                         .number = answer->number});
        return false;
    }
    if (!is_believed(machine, witness, answer))
        return false;
    is_direct = answers_itself(machine, witness, exchange, answer);
    if (is_sync)
        note_exchange(machine, answer, confirmed.sent, received);
    if (is_sync && answer->is_leader) {
        confirmed.number = answer->number; /* from a leader only: otherwise 0, and not counted */
        machine->leader_contact = received;
        if (is_direct)
            machine->leader_direct = received;
        machine->feature_level = answer->feature_level;
        bw_agent_overrides_hear_wait(machine, answer->longest_wait_ms);
        agent_witnesses_learn(machine, answer);
        bw_agent_overrides_answered(machine);
    }
    for (uint32_t i = 0; i < answer->group_count; i++)
        take_group(machine, &answer->groups[i], &confirmed);
    return true;
}
