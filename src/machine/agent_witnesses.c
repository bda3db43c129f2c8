/* Which witnesses an agent speaks with, whether they answer, and polls for orders. */
#include "agent_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

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

void bw_agent_witnesses_learn(struct bw_agent_machine *machine, const struct bw_sync_answer *answer)
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

void bw_agent_witness_failed(struct bw_agent_machine *machine, uint32_t number, const char *text)
{
    struct bw_agent_witness *witness = &machine->witnesses[number];

    if (witness->is_answering)
        bw_agent_note(machine, BW_AGENT_NOTE_WITNESS_SILENT, number, text);
    witness->is_answering = false;
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
    bw_agent_witness_failed(machine, number, diag.text);
    back_off(machine, witness);
}

void bw_agent_witnesses_serve(struct bw_agent_machine *machine)
{
    const struct bw_instant now = bw_agent_now(machine);

    for (uint32_t i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (machine->witnesses[i].used && !machine->witnesses[i].is_polled &&
            bw_instant_wait_is_over(now, machine->witnesses[i].poll_at))
            poll_now(machine, i);
}

static void on_poll_answered(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    struct bw_agent_witness *witness = &machine->witnesses[event->witness];
    const uint64_t before = newest_index(machine);
    bool is_fine = !event->is_unreadable;

    if (event->answer != NULL)
        is_fine = bw_agent_take_answer(machine, event->witness, BW_AGENT_POLL, event->answer);
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
            (void)bw_agent_take_answer(machine, event->witness, BW_AGENT_SYNC, event->answer);
        if (witness->missed_sync)
            bw_agent_sync_now(machine);
    }
    release(witness);
}

void bw_agent_on_unanswered(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    struct bw_agent_witness *witness = &machine->witnesses[event->witness];

    end_exchange(witness, event->exchange);
    bw_agent_witness_failed(machine, event->witness, event->text);
    if (event->exchange == BW_AGENT_POLL)
        back_off(machine, witness);
    release(witness);
}
