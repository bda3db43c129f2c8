/* unhealthy.c - a holder that cannot show that it serves. Design 3.6, 4. Pure. */
#include <breakwater/core/witness.h>

#include <string.h>

#include <breakwater/base/assert.h>

#include "evaluation.h"

bool bw_witness_may_end_unseen(const struct bw_witness *witness, int group_index,
                               const struct bw_wish *wish, struct bw_instant now)
{
    const struct bw_group *group = bw_group_at(witness, group_index);
    const struct bw_contact *contact;

    if (wish->kind != BW_WISH_SWITCHOVER || group->phase != BW_PHASE_GRANTED)
        return false;
    contact = bw_policy_connected(group, &witness->watches[group_index],
                                  bw_spec_find_site(&group->spec, group->holder_site), now);
    return contact != NULL && contact->report.service == BW_SERVICE_UNKNOWN;
}

enum bw_err bw_witness_check_outage(const struct bw_witness *witness, int group_index,
                                    const struct bw_wish *wish, struct bw_instant now, struct bw_diag *diag)
{
    const struct bw_group *group = bw_group_at(witness, group_index);

    if (wish->accept_outage || !bw_witness_may_end_unseen(witness, group_index, wish, now))
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "%s does not know whether %s runs there (status unknown): if nobody confirms its end, no site "
                       "serves until a person does. See what would happen: breakwater switchover %s --to %s --plan; "
                       "accept it: the same with --accept-outage",
                       group->holder_site, group->spec.name, group->spec.name, wish->to);
}

/* ---- moved by itself (4) --------------------------------------------------------------------- */

#define WAIT_MAX_NS (24 * 3600 * BW_NS_PER_S)
#define HEALED_NS   (3600 * BW_NS_PER_S)

/* A move that ended where it had begun: the start at its target failed (3.6). */
static bool has_come_back(const struct bw_history_entry *entry)
{
    return entry->planned && strcmp(entry->site, entry->previous_site) == 0;
}

/* The moves for this reason that the newest epochs are of, one after the other, with the starts that failed between them;
 * `site` (NULL: any): was one of them to there? */
static uint32_t count_moves(const struct bw_group *group, const char *site, bool *out_is_there)
{
    uint32_t count = 0;

    *out_is_there = false;
    for (uint32_t number = 0; number < group->history_count; number++) {
        const struct bw_history_entry *entry = bw_group_history_at(group, number);

        if (entry->why_granted == BW_REASON_UNHEALTHY) {
            count++;
            *out_is_there |= site != NULL && strcmp(entry->site, site) == 0;
        } else if (!has_come_back(entry) && !bw_reason_is_failed_start(entry->why_granted)) {
            break;
        }
    }
    return count;
}

static uint64_t unhealthy_ns(const struct bw_contact *holder, struct bw_instant now)
{
    return bw_ms_to_ns(holder->report.unhealthy_ms) + bw_instant_elapsed_ns(now, holder->received);
}

/* Each move for this reason is an outage, and what was its reason may be at both sites: so the next one of the group waits
 * twice as long each time. An hour of health in this epoch ends that, as does any other grant. */
static uint64_t wait_ns(const struct bw_evaluation *eval, const struct bw_contact *holder)
{
    const uint64_t held_ns = bw_instant_elapsed_ns(eval->now, eval->watch->grant_applied);
    const uint64_t sick_ns = unhealthy_ns(holder, eval->now);
    uint64_t wait = bw_ms_to_ns(eval->group->spec.unhealthy_after_ms);
    bool is_there;

    if (held_ns > sick_ns && held_ns - sick_ns >= HEALED_NS)
        return wait;
    for (uint32_t moves = count_moves(eval->group, NULL, &is_there); moves > 0 && wait < WAIT_MAX_NS; moves--)
        wait *= 2;
    return wait < WAIT_MAX_NS ? wait : WAIT_MAX_NS;
}

/* The state of a group that was moved to a site for this reason. */
enum moved { MOVED_NOT, MOVED_WAITS, MOVED_SERVES, MOVED_FAILS };

static enum moved find_moved(const struct bw_evaluation *eval, uint32_t index, const char *site)
{
    const struct bw_group *group = &eval->leadership->groups[index];
    const struct bw_watch *watch = &eval->leadership->watches[index];
    const uint64_t proved_ns = bw_ms_to_ns(group->spec.unhealthy_after_ms);
    const struct bw_contact *holder;
    bool is_there;

    if (group->spec.name[0] == '\0' || strcmp(group->spec.name, eval->group->spec.name) == 0)
        return MOVED_NOT;
    if (group->target_reason == BW_REASON_UNHEALTHY && strcmp(group->target, site) == 0)
        return MOVED_WAITS;
    (void)count_moves(group, site, &is_there);
    if (!is_there)
        return MOVED_NOT;
    holder = group->phase == BW_PHASE_GRANTED
                 ? bw_policy_connected(group, watch, bw_spec_find_site(&group->spec, group->holder_site), eval->now)
                 : NULL;
    if (holder == NULL || holder->report.unhealthy != BW_UNHEALTHY_NOT)
        return MOVED_FAILS;
    if (strcmp(group->holder_site, site) != 0) /* its start failed there, and it serves elsewhere again */
        return MOVED_FAILS;
    if (!holder->report.serving_epoch_started || holder->report.armed_epoch != group->epoch)
        return MOVED_WAITS;
    return bw_instant_wait_is_over(eval->now, bw_instant_add(watch->grant_applied, proved_ns)) ? MOVED_SERVES
                                                                                               : MOVED_WAITS;
}

/* What both sites share makes many groups unhealthy at once: one is moved first, and each that serves at its target for as
 * long as it waited lets two more go there. Where one fails, no more do. */
static bool judge_same_fault(struct bw_evaluation *eval, int site)
{
    const char *name = eval->group->spec.sites[site].name;
    uint32_t counts[MOVED_FAILS + 1] = {0};
    const char *word = NULL;

    for (uint32_t i = 0; eval->leadership->groups != NULL && i < eval->leadership->groups_max; i++)
        counts[find_moved(eval, i, name)]++;
    if (counts[MOVED_FAILS] > 0)
        word = "another group that moved there for the same reason does not serve there";
    else if (counts[MOVED_WAITS] >= (counts[MOVED_SERVES] > 0 ? 2 * counts[MOVED_SERVES] : 1))
        word = "another group moved there for the same reason, and must serve for a while first";
    return word == NULL || bw_gate_plain(&eval->list, BW_GATE_ID_SAME_FAULT, site, false, word);
}

/* Ready as for any planned move; of a holder that does not know what it serves no final position will come, so the lag has
 * to pass as after a loss. -1: nobody is. */
static int find_target(struct bw_evaluation *eval, const struct bw_contact *holder)
{
    const enum bw_role role = holder->report.service == BW_SERVICE_UNKNOWN ? BW_ROLE_UNPLANNED : BW_ROLE_TARGET;
    int best = -1;

    for (int site = 0; site < (int)eval->group->spec.site_count; site++) {
        bool may;

        if (site == bw_eval_holder_index(eval))
            continue;
        may = bw_eval_judge(eval, site, role).eligible;
        may &= judge_same_fault(eval, site);
        if (!bw_policy_has_newest_data(eval->group, eval->watch, site))
            may &= bw_policy_judge_change(eval->group, eval->watch, site, eval->now, &eval->list);
        if (may && (best < 0 || bw_policy_prefers(eval->group, eval->watch, site, best)))
            best = site;
    }
    return best;
}

bool bw_decide_unhealthy(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_spec *spec = &eval->group->spec;
    const struct bw_contact *holder = bw_eval_connected_holder(eval);
    int target;

    if (spec->unhealthy_after_ms == 0 || holder == NULL || holder->report.unhealthy == BW_UNHEALTHY_NOT)
        return false;
    bw_eval_judge_quiet(eval);
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_MODE, -1, spec->mode == BW_MODE_AUTO, bw_mode_shown(spec->mode));
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_MAINTENANCE, -1,
                        !bw_eval_is_maintained(eval, bw_eval_holder_index(eval)), NULL);
    (void)bw_gate_wait(&eval->list, BW_GATE_ID_UNHEALTHY, -1,
                       bw_instant_sub(holder->received, bw_ms_to_ns(holder->report.unhealthy_ms)),
                       wait_ns(eval, holder), eval->now, bw_unhealthy_word(holder->report.unhealthy));
    bw_policy_judge_holder(holder, &eval->list);
    target = find_target(eval, holder);
    (void)bw_gate_value(&eval->list, BW_GATE_ID_CANDIDATE, -1, target >= 0, BW_UNIT_SITE, target, -1, NULL);
    bw_eval_complete_revoke(eval, target, BW_REASON_UNHEALTHY, command);
    return true;
}

bool bw_eval_has_no_last_word(const struct bw_evaluation *eval)
{
    const struct bw_group *group = eval->group;
    const int origin = bw_spec_find_site(&group->spec, group->target_origin);
    const struct bw_contact *contact;

    if (group->target_reason == BW_REASON_UNHEALTHY)
        return true;
    contact = origin >= 0 ? bw_policy_connected(group, eval->watch, origin, eval->now) : NULL;
    return contact != NULL && contact->report.service == BW_SERVICE_UNKNOWN;
}
