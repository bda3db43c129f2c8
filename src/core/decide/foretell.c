/* foretell.c - time goes on from wait to wait, and the arbiter is asked again after each. Design 4.
 */
#include <breakwater/core/foretell.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "claims.h"
#include "evaluation.h"
#include "watch.h"

/* Each wait is one of the gates of an evaluation, or one look of one agent of the holder. */
#define WAITS_MAX (BW_GATES_MAX + BW_AGENTS_PER_SITE_MAX)
/* What goes on to come was always heard just now: later than any wait of a group ends. */
#define GOES_ON_NS (UINT64_C(1) << 61)
#define SOON_NS (60 * BW_NS_PER_S) /* beside the rest of a lease */

struct passing {
    const struct bw_group *group;
    struct bw_watch *watch;
    struct bw_instant now;
    struct bw_instant ever; /* when what goes on is heard */
    uint64_t freshness_ns;
    bool hears[BW_SITES_MAX][BW_AGENTS_PER_SITE_MAX]; /* goes on to hear answers */
    uint64_t
        since_ns; /* since the newest wait ended; looks that were made before it tell nothing new */
};

static bool is_fresh(const struct passing *passing, struct bw_instant at)
{
    return !bw_instant_right_is_over(passing->now, bw_instant_add(at, passing->freshness_ns));
}

/* A session that was heard, and not since a later one of its instance has begun: that one has
 * followed it. */
static bool goes_on(const struct passing *passing, int site, const struct bw_contact *contact)
{
    const struct bw_site_reports *reports = &passing->watch->reports[site];

    if (!contact->used || !is_fresh(passing, contact->received))
        return false;
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *other = &reports->by_instance[i];

        if (other != contact && other->used && bw_id_equal(other->instance, contact->instance) &&
            is_fresh(passing, other->received) &&
            bw_instant_is_later(other->first_received, contact->received))
            return false;
    }
    return true;
}

/* Its renewals are confirmed, now and later (3.2.2). */
static bool is_renewed_by(const struct passing *passing, const struct bw_contact *contact)
{
    const struct bw_group *group = passing->group;
    const struct bw_watch *watch = passing->watch;
    const int holder = bw_spec_find_site(&group->spec, group->holder_site);
    struct bw_claimed claimed;

    if (contact->report.armed_epoch != group->epoch &&
        bw_claims_find_other(group, watch, holder, group->holder_instance, &claimed))
        return false; /* no first renewal beside the claim of another site (3.2.2) */
    return contact->renew_epoch == group->epoch &&
           bw_watch_may_renew(watch, group, contact->instance, contact->boot_id);
}

/* While its data is what others lag behind, they are measured again and again. */
static void go_on_measuring(struct passing *passing, int holder)
{
    for (int site = 0; site < (int)passing->group->spec.site_count; site++) {
        const struct bw_site_reports *reports = &passing->watch->reports[site];
        const struct bw_contact *newest = bw_site_reports_newest(reports);

        if (site != holder && newest != NULL && goes_on(passing, site, newest))
            bw_watch_sample_lag(passing->watch, site, newest, passing->ever);
    }
    passing->watch->served_contact = passing->ever;
}

static void go_on_renewing(struct passing *passing)
{
    const int holder = bw_spec_find_site(&passing->group->spec, passing->group->holder_site);

    if (passing->group->phase == BW_PHASE_VACANT || holder < 0)
        return;
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_site_reports *reports = &passing->watch->reports[holder];
        const struct bw_contact *contact = &reports->by_instance[i];

        if (!goes_on(passing, holder, contact) || !is_renewed_by(passing, contact))
            continue;
        passing->watch->confirmed_epoch = passing->group->epoch;
        passing->watch->last_confirmed = passing->ever;
        if (contact->report.armed_epoch == passing->group->epoch &&
            contact->report.serving_epoch_started)
            go_on_measuring(passing, holder);
    }
}

static void go_on_reporting(struct passing *passing, int site)
{
    struct bw_site_reports *reports = &passing->watch->reports[site];
    bool is_speaking[BW_AGENTS_PER_SITE_MAX];

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++)
        is_speaking[i] = goes_on(passing, site, &reports->by_instance[i]);
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        struct bw_contact *contact = &reports->by_instance[i];

        if (!is_speaking[i])
            continue;
        contact->received = passing->ever;
        passing->hears[site][i] = is_fresh(passing, contact->answered_received);
    }
}

/* Nothing that it has said is fresh any more. */
static void fall_silent(struct bw_site_reports *reports)
{
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        reports->by_instance[i].received = (struct bw_instant){0, 0};
        reports->by_instance[i].answered_received = (struct bw_instant){0, 0};
    }
}

/* What a site says is as old at each instant as it is now: the newest answer that it has heard goes
 * along with the clock. */
static void pass(struct passing *passing, uint64_t duration_ns)
{
    BW_ASSERT(duration_ns > 0 &&
              duration_ns < GOES_ON_NS); /* time goes on, and what goes on to come is ahead */
    passing->now = bw_instant_add(passing->now, duration_ns);
    for (uint32_t site = 0; site < passing->group->spec.site_count; site++)
        for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
            struct bw_contact *contact = &passing->watch->reports[site].by_instance[i];

            if (passing->hears[site][i])
                contact->answered_received = bw_instant_add(contact->answered_received,
                                                            duration_ns);
        }
}

/* What goes on to be told of the holder's service is made after its lease one day. 0: it is, or
 * nothing is told. */
static uint64_t next_look(const struct passing *passing, const struct bw_evaluation *eval)
{
    const int holder = passing->group->phase != BW_PHASE_VACANT ? bw_eval_holder_index(eval) : -1;
    uint64_t next_ns = 0;

    for (size_t i = 0; holder >= 0 && i < BW_AGENTS_PER_SITE_MAX; i++) {
        const uint64_t lacks_ns = bw_eval_next_look_ns(
            eval, &passing->watch->reports[holder].by_instance[i]);

        if (passing->hears[holder][i] && lacks_ns > 0 && (next_ns == 0 || lacks_ns < next_ns))
            next_ns = lacks_ns;
    }
    return next_ns;
}

/* Until the arbiter asks to be woken, or such a look is made. 0: nothing is left to wait for. */
static uint64_t next_wait(const struct passing *passing, const struct bw_evaluation *eval,
                          uint64_t wake_in_ns)
{
    const uint64_t look_ns = next_look(passing, eval);
    const uint64_t wait_ns = look_ns != 0 && look_ns < wake_in_ns ? look_ns : wake_in_ns;

    return wait_ns < GOES_ON_NS / 2 ? wait_ns : 0;
}

static struct passing begin(const struct bw_group *group, const struct bw_watch *watch,
                            struct bw_instant now, int silent, struct bw_foretelling *room)
{
    struct passing passing = {
        .group = &room->group,
        .watch = &room->watch,
        .now = now,
        .ever = bw_instant_add(now, GOES_ON_NS),
        .freshness_ns = group->phase == BW_PHASE_VACANT ? bw_policy_freshness_ns(group)
                                                        : bw_policy_longer_freshness_ns(group),
    };

    room->group = *group;
    room->watch = *watch;
    room->watch.proposing_count = 0;
    if (silent >= 0)
        fall_silent(&room->watch.reports[silent]);
    go_on_renewing(&passing);
    for (uint32_t site = 0; site < group->spec.site_count; site++)
        go_on_reporting(&passing, (int)site);
    return passing;
}

/* To the next decision. False: time alone brings none. */
static bool go_on(struct passing *passing, const struct bw_leadership *leadership,
                  struct bw_decision *out_decision)
{
    const struct bw_evaluation eval = {
        .group = passing->group, .watch = passing->watch, .leadership = leadership};

    for (int waits = 0; waits <= WAITS_MAX; waits++) {
        uint64_t wait_ns;

        bw_arbiter_decide(passing->group, passing->watch, leadership, passing->now, out_decision);
        if (out_decision->acts)
            return true;
        wait_ns = next_wait(passing, &eval, out_decision->wake_in_ns);
        if (wait_ns == 0)
            return false;
        pass(passing, wait_ns);
    }
    return false; /* whatever the reports say: of so many waits nothing is told */
}

static struct bw_foretold foretold_of(const struct bw_decision *decision, struct bw_instant from,
                                      struct bw_instant now)
{
    BW_ASSERT(decision->acts && decision->rule != NULL);
    BW_ASSERT(!bw_instant_is_later(from, now));
    return (struct bw_foretold){.acts = true,
                                .after_ns = bw_instant_elapsed_ns(now, from),
                                .command = decision->command,
                                .rule = decision->rule};
}

void bw_foretell(const struct bw_group *group, const struct bw_watch *watch,
                 const struct bw_leadership *leadership, struct bw_instant now,
                 struct bw_foretelling *room, struct bw_foretold *out_foretold)
{
    struct passing passing = begin(group, watch, now, -1, room);

    *out_foretold = (struct bw_foretold){.command = {.kind = BW_COMMAND_COUNT}, .rule = "A0"};
    if (go_on(&passing, leadership, &room->decision))
        *out_foretold = foretold_of(&room->decision, now, passing.now);
}

/* As the log would have it, if nothing else came in between. */
static void apply(struct passing *passing, struct bw_foretelling *room)
{
    const struct bw_command command = room->decision.command;
    const uint64_t index = room->group.changed_index + 1;

    if (command.kind == BW_COMMAND_CLAIM || command.kind == BW_COMMAND_CLAIM_OVER)
        bw_group_apply_claim(&room->group, index, &command);
    else
        BW_ASSERT(bw_group_apply(&room->group, index, &command) != NULL); /* A's gate `row` */
    bw_watch_on_applied(&room->watch, &room->group, &command, index, passing->now);
}

/* From command to command. True: the last of the course is a Grant. */
static bool go_on_to_grant(struct passing *passing, const struct bw_leadership *leadership,
                           struct bw_foretelling *room, struct bw_instant from,
                           struct bw_foretold_course *out_course)
{
    out_course->count = 0;
    while (out_course->count < BW_FORETOLD_MAX && go_on(passing, leadership, &room->decision)) {
        out_course->decisions[out_course->count++] = foretold_of(&room->decision, from,
                                                                 passing->now);
        if (room->decision.command.kind == BW_COMMAND_GRANT)
            return true;
        apply(passing, room);
    }
    return false;
}

void bw_foretell_loss(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_instant now,
                      struct bw_foretelling *room, struct bw_foretold *out_foretold)
{
    const int holder = group->phase == BW_PHASE_VACANT
                           ? -1
                           : bw_spec_find_site(&group->spec, group->holder_site);
    struct passing passing = begin(group, watch, now, holder, room);
    struct bw_foretold_course course;

    *out_foretold = (struct bw_foretold){.command = {.kind = BW_COMMAND_COUNT}, .rule = "A0"};
    if (go_on_to_grant(&passing, leadership, room, now, &course))
        *out_foretold = course.decisions[course.count - 1];
}

/* What A32 would commit. False: nobody can be asked to see that end. */
static bool fence(struct passing *passing, const struct bw_leadership *leadership,
                  struct bw_foretelling *room)
{
    const struct bw_evaluation eval = {
        .group = &room->group, .watch = &room->watch, .leadership = leadership, .now = passing->now};
    struct bw_end_waits waits;

    if (room->group.phase != BW_PHASE_CLOSING ||
        !bw_arbiter_end_waits_for(&room->group, &room->watch, leadership, &waits) ||
        !waits.has_remote_fence || !bw_eval_reaches_remote_fence(&eval))
        return false;
    room->decision.command = (struct bw_command){.kind = BW_COMMAND_FENCED,
                                                 .epoch = room->group.epoch,
                                                 .reason = BW_REASON_SITE_LOST};
    BW_COPY_FIELD(room->decision.command.group, room->group.spec.name);
    apply(passing, room);
    return true;
}

void bw_foretell_fenced(const struct bw_group *group, const struct bw_watch *watch,
                        const struct bw_leadership *leadership, struct bw_instant now,
                        struct bw_foretelling *room, struct bw_foretold *out_foretold)
{
    const int holder = bw_spec_find_site(&group->spec, group->holder_site);
    struct passing passing = begin(group, watch, now, holder, room);
    struct bw_foretold_course course;

    *out_foretold = (struct bw_foretold){.command = {.kind = BW_COMMAND_COUNT}, .rule = "A0"};
    if (!go_on_to_grant(&passing, leadership, room, now, &course) &&
        fence(&passing, leadership, room) &&
        go_on_to_grant(&passing, leadership, room, now, &course))
        *out_foretold = course.decisions[course.count - 1];
}

/* ---- what a person asks for ---- */

void bw_foretell_wish(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_instant now,
                      const struct bw_wish *wish, struct bw_foretelling *room,
                      struct bw_foretold_course *out_course)
{
    struct passing passing = begin(group, watch, now, -1, room);

    room->watch.wish = *wish;
    room->watch.wish.epoch = group->epoch;
    room->watch.wish_since = now;
    (void)go_on_to_grant(&passing, leadership, room, now, out_course);
}

const struct bw_command *bw_foretold_grant(const struct bw_foretold_course *course)
{
    const struct bw_command *last;

    if (course->count == 0)
        return NULL;
    last = &course->decisions[course->count - 1].command;
    return last->kind == BW_COMMAND_GRANT ? last : NULL;
}

/* The Grant by which the wish comes true; NULL: none. */
static const struct bw_command *granted_by(const struct bw_wish *wish, const struct bw_foretold_course *course)
{
    const struct bw_command *grant = bw_foretold_grant(course);

    return grant != NULL && (wish->to[0] == '\0' || strcmp(wish->to, grant->site) == 0) ? grant : NULL;
}

/* How many gates keep the site from it (-1: the whole group), and which is the first. */
static uint32_t count_holds(const struct bw_decision *decision, int site, const struct bw_gate **out_first)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < decision->gate_count; i++) {
        const struct bw_gate *gate = &decision->gates[i];

        if (gate->verdict != BW_GATE_HOLD || gate->site != site ||
            gate->id == BW_GATE_ID_CANDIDATE)
            continue;
        if (count++ == 0)
            *out_first = gate;
    }
    return count;
}

/* Of the site that is named, or of the one that is heard and lacks least; else of the group. */
static void tell_what_fails(const struct bw_foretelling *room, int named, struct bw_instant now,
                            char *out_text, size_t size)
{
    const struct bw_spec *spec = &room->group.spec;
    const struct bw_gate *gate = NULL;
    uint32_t least = UINT32_MAX;

    for (int site = 0; site < (int)spec->site_count; site++) {
        const bool may_be = named >= 0 ? site == named
                                       : bw_policy_connected(&room->group, &room->watch, site,
                                                             now) != NULL;
        const struct bw_gate *first = NULL;
        const uint32_t count = count_holds(&room->decision, site, &first);

        if (may_be && count > 0 && count < least) {
            least = count;
            gate = first;
        }
    }
    if (gate == NULL)
        (void)count_holds(&room->decision, -1, &gate);
    if (gate != NULL)
        bw_gate_tell(gate, &room->group, out_text, size);
    else
        (void)snprintf(out_text, size, "no site is eligible");
}

static void tell_failover(const struct bw_group *group, const char *to, bool accept_data_loss,
                          char *out_text, size_t size)
{
    (void)snprintf(out_text, size, "breakwater failover %s%s%s%s", group->spec.name,
                   to[0] != '\0' ? " --to " : "", to,
                   accept_data_loss ? " --accept-data-loss" : "");
}

/* Who gets it instead: by itself, or where the mode keeps that from coming by a failover that names nobody. */
static void tell_instead(const struct bw_group *group, const struct bw_watch *watch,
                         const struct bw_leadership *leadership, struct bw_instant now,
                         struct bw_foretelling *room, char *out_text, size_t size)
{
    static const struct bw_wish wishes[] = {{.kind = BW_WISH_NONE}, {.kind = BW_WISH_FAILOVER}};
    struct bw_foretold_course course;

    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        bw_foretell_wish(group, watch, leadership, now, &wishes[i], room, &course);
        if (bw_foretold_grant(&course) == NULL)
            continue;
        if (wishes[i].kind == BW_WISH_NONE)
            (void)snprintf(out_text, size, "%s becomes primary without a failover. ",
                           bw_foretold_grant(&course)->site);
        else
            (void)snprintf(out_text, size, "To make %s primary: breakwater failover %s. ",
                           bw_foretold_grant(&course)->site, group->spec.name);
        return;
    }
}

enum bw_err bw_foretell_judge_wish(const struct bw_group *group, const struct bw_watch *watch,
                                   const struct bw_leadership *leadership, struct bw_instant now,
                                   const struct bw_wish *wish, struct bw_foretelling *room,
                                   struct bw_diag *diag)
{
    const struct bw_instant reports_due = bw_instant_add(leadership->leader_since,
                                                         bw_policy_freshness_ns(group));
    struct bw_wish waiving = *wish;
    struct bw_foretold_course course;
    const struct bw_command *grant;
    char way[3 * BW_NAME_MAX] = "", without[2 * BW_NAME_MAX + 64] = "", fails[384];
    const char *what = "See";

    if (wish->kind != BW_WISH_FAILOVER || !bw_instant_wait_is_over(now, reports_due))
        return BW_OK;
    bw_foretell_wish(group, watch, leadership, now, wish, room, &course);
    if (granted_by(wish, &course) != NULL)
        return BW_OK;
    tell_what_fails(room, bw_spec_find_site(&group->spec, wish->to), now, fails, sizeof fails);
    tell_instead(group, watch, leadership, now, room, without, sizeof without);
    waiving.accept_data_loss = true;
    bw_foretell_wish(group, watch, leadership, now, &waiving, room, &course);
    grant = granted_by(&waiving, &course);
    if (!wish->accept_data_loss && grant != NULL) {
        what = "To accept the loss of data";
        tell_failover(group, grant->site, true, way, sizeof way);
    } else {
        (void)snprintf(way, sizeof way, "breakwater explain %s", group->spec.name);
    }
    return bw_diag_set(diag, BW_ERR_REFUSED, "%s. %s%s: %s", fails, without, what, way);
}

/* ---- the way on ---- */

/* Does it come true? With data loss the command names the site that it would be. */
static bool is_way(const struct bw_group *group, const struct bw_watch *watch,
                   const struct bw_leadership *leadership, struct bw_instant now,
                   const struct bw_wish *wish, struct bw_foretelling *room, char *out_text,
                   size_t size)
{
    struct bw_foretold_course course;
    const struct bw_command *grant;

    bw_foretell_wish(group, watch, leadership, now, wish, room, &course);
    grant = granted_by(wish, &course);
    if (grant == NULL)
        return false;
    tell_failover(group, wish->accept_data_loss ? grant->site : "", wish->accept_data_loss, out_text, size);
    return true;
}

bool bw_foretold_is_soon(const struct bw_group *group, const struct bw_foretold *foretold)
{
    const uint64_t lease_ns = group->phase == BW_PHASE_VACANT ? 0 : bw_expiry_wait_ns(&group->terms);

    return foretold->acts && foretold->after_ns <= lease_ns + SOON_NS;
}

bool bw_foretell_way(const struct bw_group *group, const struct bw_watch *watch,
                     const struct bw_leadership *leadership, struct bw_instant now,
                     struct bw_foretelling *room, char *out_text, size_t size)
{
    struct bw_wish wish = {.kind = BW_WISH_FAILOVER};
    struct bw_foretold loss;
    struct bw_end_waits waits;
    enum bw_holder_answer answer;
    uint64_t fresh_left_ns;

    if (!leadership->leads || group->spec.mode == BW_MODE_OBSERVE)
        return false;
    answer = bw_arbiter_holder_answer(group, watch, now, &fresh_left_ns);
    if (answer == BW_HOLDER_STARTED)
        return false;
    if (bw_arbiter_end_waits_for(group, watch, leadership, &waits)) {
        if (answer == BW_HOLDER_ANSWERS && !waits.is_lost && !waits.is_unseen)
            return false; /* it can end what it holds itself, and no person's word is taken beside it */
        bw_end_way(group, &waits, out_text, size);
        return true;
    }
    bw_foretell_loss(group, watch, leadership, now, room, &loss);
    if (bw_foretold_is_soon(group, &loss))
        return false;
    for (int waives = 0; waives <= 1; waives++) {
        wish.accept_data_loss = waives != 0;
        if (is_way(group, watch, leadership, now, &wish, room, out_text, size))
            return true;
    }
    for (uint32_t site = 0; site < group->spec.site_count; site++) { /* where a rejoin is owed */
        memcpy(wish.to, group->spec.sites[site].name, sizeof wish.to);
        if (is_way(group, watch, leadership, now, &wish, room, out_text, size))
            return true;
    }
    return false;
}

/* What each decision comes to, behind the name of its site, or of the one that holds the group. */
static const struct {
    enum bw_command_kind kind;
    const char *text;
} coming[] = {
    {BW_COMMAND_GRANT, " becomes primary"},
    {BW_COMMAND_EXPIRED, "'s lease is not renewed, and expires"},
    {BW_COMMAND_CLOSE, "'s epoch is closed, its end needs a confirmation"},
    {BW_COMMAND_RELEASED, "'s release is committed"},
    {BW_COMMAND_FENCED, "'s fence from another site is committed"},
    {BW_COMMAND_FORCED, "'s epoch ends on the operator's confirmation"},
    {BW_COMMAND_ADOPTED, "'s running service is adopted"},
    {BW_COMMAND_BOOT, "'s new boot is committed"},
    {BW_COMMAND_REACH, "'s report of where its service runs is committed"},
    {BW_COMMAND_SECOND_ENFORCER, "'s report of its second enforcer is committed"},
    {BW_COMMAND_PASSED, "'s point of no return is committed"},
    {BW_COMMAND_CLAIM, "'s claim is committed"},
    {BW_COMMAND_CLAIM_OVER, "'s claim ends"},
};

static void describe(const struct bw_foretold *foretold, const struct bw_group *group, char *out_text, size_t size)
{
    const struct bw_command *command = &foretold->command;
    const char *site = command->site[0] != '\0' ? command->site : group->holder_site;

    (void)snprintf(out_text, size, "%s of %s", bw_command_word(command->kind), site);
    for (size_t i = 0; i < sizeof coming / sizeof coming[0]; i++)
        if (coming[i].kind == command->kind)
            (void)snprintf(out_text, size, "%s%s", site, coming[i].text);
    if (command->kind == BW_COMMAND_UNREVOKE)
        (void)snprintf(out_text, size, "the switchover is canceled");
    else if (command->kind == BW_COMMAND_REVOKE)
        (void)snprintf(out_text, size, "%s stops for a move to %s", group->holder_site, command->target);
    else if (command->kind == BW_COMMAND_MAINTENANCE)
        (void)snprintf(out_text, size, "the maintenance of %s ends",
                       command->site[0] != '\0' ? command->site : "the group");
    else if (command->kind == BW_COMMAND_FENCE_FAILED) /* a forecast goes on with what is: its fence may still succeed */
        (void)snprintf(out_text, size, "%s is blocked%s", group->holder_site,
                       foretold->after_ns > 0 ? ", unless a fence confirms the stop before," : " by a failed fence");
}

/* Nothing is to come by itself. */
static void describe_wait(const struct bw_group *group, char *out_text, size_t size)
{
    switch (group->phase) {
    case BW_PHASE_GRANTED:
        (void)snprintf(out_text, size, "Waiting until the request can be carried out");
        return;
    case BW_PHASE_REVOKING:
        (void)snprintf(out_text, size, "Waiting until %s reports that its service has stopped", group->holder_site);
        return;
    case BW_PHASE_CLOSING:
        (void)snprintf(out_text, size, "Waiting until the stop of %s is confirmed", group->holder_site);
        return;
    case BW_PHASE_VACANT:
    case BW_PHASE_COUNT:
        break;
    }
    if (group->spec.mode == BW_MODE_PAUSED)
        (void)snprintf(out_text, size, "Waiting for an operator: the group is paused");
    else if (group->spec.mode == BW_MODE_MANUAL)
        (void)snprintf(out_text, size, "Waiting for an operator: the mode is manual");
    else
        (void)snprintf(out_text, size, "Waiting until a site is eligible, or an operator chooses one");
}

void bw_foretold_text(const struct bw_foretold *foretold, const struct bw_group *group, bool is_requested,
                      char *out_text, size_t size)
{
    const uint64_t after_ms = bw_ns_to_ms(foretold->after_ns);
    char what[BW_NAME_MAX + 96], when[48] = "now";

    BW_ASSERT(size > 0);
    if (after_ms > 0)
        (void)snprintf(when, sizeof when, "in %" PRIu64 ".%u s", after_ms / 1000, (unsigned)(after_ms % 1000 / 100));
    if (foretold->acts) {
        describe(foretold, group, what, sizeof what);
        if (foretold->command.kind == BW_COMMAND_UNREVOKE && after_ms > 0)
            (void)snprintf(out_text, size, "%s %s if %s has not begun to stop", what, when, group->holder_site);
        else
            (void)snprintf(out_text, size, "%s %s", what, when);
    } else if (group->spec.mode == BW_MODE_OBSERVE)
        (void)snprintf(out_text, size, "Next: the group stays unmanaged");
    else if (group->phase == BW_PHASE_GRANTED && !is_requested)
        (void)snprintf(out_text, size, "Next: %s stays primary", group->holder_site);
    else
        describe_wait(group, out_text, size);
}
