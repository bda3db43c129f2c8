/* members.c - who is to join and to leave, on the loop: what machine/witness_members.h decides is
 * asked of the node, step by step, by whoever leads. Design 3.9. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#include "join.h"

static uint64_t live_ms(const struct bw_program *program)
{
    return bw_members_live_ms(program->config->election_timeout_ms);
}

bool bw_members_hears(const struct bw_program *program, const struct bw_node_peer *peer)
{
    return peer->is_in_contact && peer->last_contact_ms < live_ms(program);
}

/* ---- in words ---- */

static uint64_t behind_of(const struct bw_program *program, uint64_t id)
{
    struct bw_node_status status;

    bw_node_get_status(program->node, &status);
    return bw_node_peer_behind(&status, bw_node_peer(&status, id));
}

static const struct bw_roster_member *who_joins(const struct bw_roster *roster,
                                                const struct bw_members_facts *facts)
{
    for (unsigned i = 0; i < facts->count; i++) {
        const struct bw_roster_member *member = bw_roster_find(roster, facts->list[i].id);

        if (facts->list[i].role == BW_MEMBER_STANDBY && member != NULL && !member->is_leaving)
            return member;
    }
    return NULL;
}

static void tell_step(const struct bw_program *program, const struct bw_roster *roster,
                      const struct bw_members_facts *facts, const struct bw_members_step *step,
                      char out_text[BW_MEMBERS_TEXT_BYTES])
{
    const struct bw_roster_member *member = bw_roster_find(roster, step->id);
    const struct bw_roster_member *joins = who_joins(roster, facts);
    const char *name = member != NULL ? member->name : "";
    static const char *const words[] = {
        [BW_MEMBERS_ADD] = "joins, without a vote",
        [BW_MEMBERS_FEED] = "is sent the log",
        [BW_MEMBERS_PROMOTE] = "is to vote",
        [BW_MEMBERS_HAND_OVER] = "hands leadership over, to be removed",
        [BW_MEMBERS_REMOVE] = "is removed",
        [BW_MEMBERS_FORGET] = "is taken out of the roster"};

    out_text[0] = '\0';
    if (step->kind == BW_MEMBERS_WAIT && joins != NULL &&
        (step->id == 0 || (step->id == joins->id && bw_members_fact(facts, step->id)->is_live)))
        (void)snprintf(out_text, BW_MEMBERS_TEXT_BYTES, "%s catches up: %" PRIu64 " entries behind",
                       joins->name, behind_of(program, joins->id));
    else if (step->kind == BW_MEMBERS_WAIT)
        (void)snprintf(out_text, BW_MEMBERS_TEXT_BYTES, "%s", step->why);
    else if (step->kind == BW_MEMBERS_MARK)
        (void)snprintf(out_text, BW_MEMBERS_TEXT_BYTES, "who has heard of the last change");
    else if (step->kind != BW_MEMBERS_NOTHING)
        (void)snprintf(out_text, BW_MEMBERS_TEXT_BYTES, "%s %s", name, words[step->kind]);
}

void bw_members_look(const struct bw_program *program, const struct bw_roster *roster,
                     struct bw_members_facts *out_facts, struct bw_members_step *out_step,
                     char out_text[BW_MEMBERS_TEXT_BYTES])
{
    bw_node_look_at_members(program->node, live_ms(program), out_facts);
    bw_members_next(roster, out_facts, out_step);
    tell_step(program, roster, out_facts, out_step, out_text);
}

/* ---- steps ---- */

static void on_tick(uv_timer_t *timer);

static void tick_in(struct bw_program *program, uint64_t ms)
{
    (void)uv_timer_start(&program->members.tick, on_tick, ms, 0); /* has a callback */
}

/* A member that leads: looks at once what is to be done next. */
static void go_on(struct bw_program *program)
{
    if (!program->is_closing && program->members.tick.data != NULL)
        tick_in(program, 0);
}

static void on_roster_done(void *user, enum bw_err err, uint64_t index)
{
    struct bw_program *program = user;

    program->members.state.is_submitting = false;
    bw_log_write(&program->log, err == BW_OK ? BW_LOG_INFO : BW_LOG_WARN, "members.roster",
                 "index=%" PRIu64 " outcome=%s", index, bw_log_quote(bw_err_text(err)));
    if (program->is_closing)
        return;
    bw_directory_refresh(program);
    go_on(program);
}

enum bw_err bw_members_submit(struct bw_program *program, const struct bw_roster *roster)
{
    enum bw_err err;

    BW_ASSERT(!program->members.state.is_submitting);
    err = bw_node_apply_roster(program->node, roster, on_roster_done, program);
    program->members.state.is_submitting = err == BW_OK;
    return err;
}

static enum bw_err carry_out(struct bw_program *program, const struct bw_members_action *action)
{
    switch (action->kind) {
    case BW_MEMBERS_ACTION_NONE:
        break;
    case BW_MEMBERS_ACTION_CHANGE:
        return bw_node_change(program->node, action->step.kind, action->step.id);
    case BW_MEMBERS_ACTION_HAND_OVER:
        return bw_node_transfer(program->node, 0);
    case BW_MEMBERS_ACTION_SUBMIT:
        return bw_members_submit(program, &action->roster);
    }
    return BW_OK;
}

static void tell(struct bw_program *program, const struct bw_roster *roster,
                 const struct bw_members_facts *facts, const struct bw_members_step *step)
{
    char text[BW_MEMBERS_TEXT_BYTES];

    tell_step(program, roster, facts, step, text);
    bw_log_info(&program->log, "members.step", "rule=%s id=%" PRIu64 " why=%s", step->rule,
                step->id, bw_log_quote(text));
}

/* True: something is under way. */
static bool lead(struct bw_program *program)
{
    struct bw_witness_members *members = &program->members.state;
    const struct bw_roster *roster = bw_node_roster(program->node);
    const bool is_ready = bw_node_is_ready(program->node);
    struct bw_members_action action;
    struct bw_members_facts facts;
    bool is_busy;

    if (is_ready)
        bw_node_look_at_members(program->node, live_ms(program), &facts);
    is_busy = bw_witness_members_lead(members, roster, is_ready ? &facts : NULL,
                                      uv_now(&program->loop), &action);
    BW_ASSERT(is_ready || !action.is_news); /* who does not lead yet takes no step */
    if (action.is_news)
        tell(program, roster, &facts, &action.step);
    bw_witness_members_on_taken(members, carry_out(program, &action), uv_now(&program->loop));
    return is_busy;
}

/* ---- the end of one that was removed ---- */

void bw_members_end_removed(struct bw_program *program, const char *by)
{
    struct bw_diag diag = {0};

    if (bw_node_mark_removed(program->node, &diag) != BW_OK)
        bw_log_error(&program->log, "members.not_marked", "error=%s", bw_log_quote(diag.text));
    bw_log_error(&program->log, "witness.removed", "exit_status=%d by=%s why=%s",
                 (int)BW_STOP_PERSON, by, bw_log_quote(BW_WITNESS_REMOVED));
    _exit((int)BW_STOP_PERSON);
}

static void on_tick(uv_timer_t *timer)
{
    struct bw_program *program = timer->data;
    bool is_busy;

    bw_directory_refresh(program);
    if (bw_node_is_removed(program->node))
        bw_members_end_removed(program, "log");
    bw_raft_links_part(program->links);
    is_busy = lead(program);
    bw_join_look(program);
    tick_in(program, bw_witness_members_tick_ms(is_busy));
}

void bw_members_open(struct bw_program *program)
{
    BW_ASSERT(uv_timer_init(&program->loop, &program->members.tick) == 0); /* cannot fail */
    program->members.tick.data = program;
    tick_in(program, bw_witness_members_tick_ms(true));
}

void bw_members_close(struct bw_program *program)
{
    uv_handle_t *tick = (uv_handle_t *)&program->members.tick;

    if (tick->data != NULL && !uv_is_closing(tick))
        uv_close(tick, NULL);
}
