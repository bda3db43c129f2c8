/* witness_apply.c - the specs of any number of groups: judged together, then committed one after the
 * other. Design 3.9, 5.3. */
#include <breakwater/machine/witness_operator.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/base/words.h>
#include <breakwater/core/expiry.h>

#include "witness_internal.h"

#define PATH_BYTES 64
#define TEXT_BYTES BW_DIAG_TEXT_BYTES

BW_WORDS(bw_apply_outcome_word, enum bw_apply_outcome, BW_APPLY_OUTCOME_LIST, "unlisted")

/* ---- what is wrong --------------------------------------------------------------------------- */

struct findings {
    const struct bw_apply_problems *problems;
    size_t count;
};

__attribute__((format(printf, 3, 4))) static void add(struct findings *findings, const char *path,
                                                      const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;

    findings->count++;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    findings->problems->add(findings->problems->user, path, text);
}

/* Why the group's state does not take the spec, in words. */
static void explain_refusal(const struct bw_witness_machine *machine, int at,
                            const struct bw_apply_item *item, const char *path,
                            struct findings *findings)
{
    const struct bw_group *group = &machine->cluster.groups[at];
    const struct bw_spec *spec = &item->spec;
    const bool is_holder_out = group->holder_site[0] != '\0' &&
                               bw_spec_find_site(spec, group->holder_site) < 0;
    const bool is_named_late = item->initial_primary[0] != '\0' && !group->first_grant;
    struct bw_diag diag = {0};

    if (group->phase == BW_PHASE_CLOSING && (is_holder_out || !is_named_late)) {
        (void)bw_witness_refuse_closing(machine, at, &diag); /* whose words are what is wanted */
        add(findings, path, "%s", diag.text);
    } else if (is_holder_out)
        add(findings, path, "%s is primary of %s, and cannot leave it; move the group first (breakwater switchover)",
            group->holder_site, spec->name);
    else if (group->phase == BW_PHASE_REVOKING && !bw_spec_is_candidate(spec, group->target))
        add(findings, path,
            "%s is being moved to %s, which has to stay a candidate until the end of the move. To cancel the move: "
            "breakwater cancel %s",
            spec->name, group->target, spec->name);
    else if (is_named_late)
        add(findings, "initial_primary",
            "%s has had a primary, so --initial-primary does not apply: run apply without it. To move the group, "
            "use switchover or failover", spec->name);
    else
        add(findings, path,
            "the new timings do not fit the terms of the open epoch %" PRIu64 " (lease_ttl %" PRIu32 " ms, fence_window "
            "%" PRIu32 " ms), which keeps them until its end", group->epoch, group->terms.ttl_ms,
            group->terms.fence_ms);
}

/* ---- judging --------------------------------------------------------------------------------- */

static bool is_of_these_sites(const struct bw_spec *spec, const struct bw_spec *next)
{
    for (uint32_t i = 0; i < next->site_count; i++)
        if (bw_spec_find_site(spec, next->sites[i].name) < 0)
            return false;
    return true;
}

const char *bw_apply_first_primary(const struct bw_group *group, const struct bw_apply_item *item)
{
    const bool is_named = item->initial_primary[0] != '\0';

    if (is_named || group == NULL || !group->first_grant ||
        !bw_spec_is_candidate(&item->spec, group->initial_primary) ||
        !is_of_these_sites(&group->spec, &item->spec) ||
        (item->spec.mode == BW_MODE_OBSERVE && group->spec.mode != BW_MODE_OBSERVE))
        return item->initial_primary;
    return group->initial_primary;
}

static struct bw_command command_of(const struct bw_apply *apply, const struct bw_group *group,
                                    const struct bw_apply_item *item)
{
    struct bw_command command = {
        .kind = BW_COMMAND_SET_SPEC, .spec_version = item->version, .spec = item->spec};

    memcpy(command.group, item->spec.name, sizeof command.group);
    (void)bw_copy_text(command.site, sizeof command.site, bw_apply_first_primary(group, item)); /* of that size */
    memcpy(command.by, apply->by, sizeof command.by);
    return command;
}

/* Named for those of a file that wait for their first grant, or said again after an answer that was lost. */
static void drop_late_name(const struct bw_group *group, struct bw_apply_item *item)
{
    item->is_named_late = item->initial_primary[0] != '\0' && !group->first_grant &&
                          bw_spec_is_equal(&group->spec, &item->spec);
    if (item->is_named_late)
        item->initial_primary[0] = '\0';
}

static bool is_as_wanted(const struct bw_group *group, const struct bw_apply_item *item)
{
    return bw_spec_is_equal(&group->spec, &item->spec) &&
           (item->initial_primary[0] == '\0' ||
            strcmp(item->initial_primary, group->initial_primary) == 0);
}

/* 3.9: who changes what he has not seen undoes what somebody else has done. False: it was told. */
static bool is_made_from_this(const struct bw_apply_item *item, const char *path,
                              struct findings *findings)
{
    const char *name = item->spec.name;

    if (!item->has_made_from || item->made_from == item->version)
        return true;
    if (item->version == 0)
        add(findings, path,
            "%s was deleted, and this is from its version %" PRIu64 "; look at the plan again. Without `version`, "
            "apply creates the group again",
            name, item->made_from);
    else if (item->made_from == 0)
        add(findings, path, "another operator has created %s; look at the plan again",
            name);
    else
        add(findings, path,
            "%s has changed: it is at version %" PRIu64 ", and this is from version %" PRIu64 "; start again from the "
            "present file, and look at the plan: breakwater groups %s",
            name, item->version, item->made_from, name);
    return false;
}

/* 3.9: what the reports, the clock and what is on its way to the log say of it now. Judged when it is asked for, and
 * again when its turn comes: of all this nothing raises the version that it is bound to. */
static void judge_moment(const struct bw_witness_machine *machine, int at, const struct bw_apply_item *item,
                         const char *path, struct findings *findings)
{
    const struct bw_group *group = &machine->cluster.groups[at];
    const struct bw_site_reports *reports = machine->core.watches[at].reports;
    const struct bw_instant now = bw_witness_now(machine);
    const bool is_named = item->initial_primary[0] != '\0';
    struct bw_diag claimed = {0};
    const char *leaves = NULL, *elsewhere = NULL;
    struct bw_diag diag = {0};

    if (group->first_grant && !is_named)
        leaves = bw_reports_leaves_unstopped(&group->spec, reports, &item->spec, group->epoch != 0, now);
    if (is_named)
        elsewhere = bw_reports_started_elsewhere(&group->spec, reports, item->initial_primary, now);
    if (bw_witness_refuse_claimed(&machine->core, at, &item->spec, &claimed) != BW_OK)
        add(findings, path, "a site leaves %s: %s", item->spec.name, claimed.text);
    else if (leaves != NULL)
        add(findings, path,
            "%s leaves %s, and its stop there is not confirmed. Stop the service on that site while the site is in "
            "the spec. Or, if the service is stopped there, choose the first primary: --initial-primary SITE",
            leaves, item->spec.name);
    if (group->spec.mode == BW_MODE_OBSERVE && item->spec.mode != BW_MODE_OBSERVE &&
        !bw_witness_has_let_go(machine, at)) {
        bw_witness_say_letting_go(machine, at, &diag);
        add(findings, path, "%s", diag.text);
    }
    if (item->spec.mode == BW_MODE_OBSERVE && bw_witness_refuse_let_go(machine, at, &diag) != BW_OK)
        add(findings, path, "%s", diag.text);
    if (elsewhere != NULL)
        add(findings, "initial_primary", "%s reports that %s runs there already", elsewhere,
            item->spec.name);
}

/* Below BW_UNHEALTHY_LEVEL nobody is moved for that, and no spec may say so: what the file says by default is left out.
 * False: it was told. */
static bool take_level(const struct bw_witness_machine *machine, const struct bw_group *group,
                       struct bw_apply_item *item, const char *path, struct findings *findings)
{
    struct bw_spec defaults;

    if (machine->cluster.feature_level >= BW_UNHEALTHY_LEVEL ||
        (group != NULL && group->spec.unhealthy_after_ms == item->spec.unhealthy_after_ms))
        return true;
    bw_spec_defaults(&defaults);
    if (item->spec.unhealthy_after_ms == defaults.unhealthy_after_ms)
        item->spec.unhealthy_after_ms = 0;
    if (item->spec.unhealthy_after_ms == 0)
        return true;
    add(findings, path, "unhealthy_after needs feature level %d, and this cluster is at %" PRIu32
        ": breakwater feature-level raise", BW_UNHEALTHY_LEVEL, machine->cluster.feature_level);
    return false;
}

static void judge(const struct bw_witness_machine *machine, struct bw_apply *apply, size_t number,
                  struct findings *findings)
{
    struct bw_apply_item *item = &apply->items[number];
    const int at = bw_cluster_find(&machine->cluster, item->spec.name);
    const struct bw_group *group = at >= 0 ? &machine->cluster.groups[at] : NULL;
    struct bw_command command;
    struct bw_diag diag = {0};
    char path[PATH_BYTES];
    enum bw_err err;

    BW_ASSERT(machine->cluster.groups != NULL);
    (void)snprintf(path, sizeof path, "groups[%zu]", number);
    item->version = group != NULL ? group->spec_version : 0;
    item->outcome = BW_APPLY_UNCHANGED;
    if (group != NULL && item->keeps_mode)
        item->spec.mode = group->spec.mode;
    if (!take_level(machine, group, item, path, findings))
        return;
    if (group != NULL)
        drop_late_name(group, item);
    if (group != NULL && is_as_wanted(group, item))
        return; /* whatever it was made from: nothing is undone */
    if (!is_made_from_this(item, path, findings))
        return;
    item->outcome = group != NULL ? BW_APPLY_CHANGED : BW_APPLY_CREATED;
    if (group != NULL) {
        if (bw_witness_may_change(machine, at, &diag) != BW_OK)
            add(findings, path, "%s", diag.text);
        judge_moment(machine, at, item, path, findings);
    }
    command = command_of(apply, group, item);
    err = bw_proposals_try(machine, &apply->trial, at, &command);
    if (err == BW_ERR_REFUSED && group != NULL)
        explain_refusal(machine, at, item, path, findings);
    else if (err != BW_OK)
        add(findings, path, "%s", bw_err_text(err));
}

size_t bw_apply_judge(const struct bw_witness_machine *machine, struct bw_apply *apply,
                                const struct bw_apply_problems *problems)
{
    const struct bw_cluster *cluster = &machine->cluster;
    struct findings findings = {.problems = problems};
    size_t count = 0;

    for (uint32_t i = 0; i < cluster->group_count; i++)
        count += cluster->groups[i].spec.name[0] != '\0';
    for (size_t i = 0; i < apply->count; i++) {
        judge(machine, apply, i, &findings);
        count += apply->items[i].outcome == BW_APPLY_CREATED;
    }
    if (count > cluster->group_capacity)
        add(&findings, "groups", "%zu groups would be more than %" PRIu32, count,
            cluster->group_capacity);
    return findings.count;
}

/* ---- committing ------------------------------------------------------------------------------ */

static void tell_nobody(void *user, const char *path, const char *text)
{
    (void)user;
    (void)path;
    (void)text; /* who applies it again is told */
}

static bool may_commit(const struct bw_witness_machine *machine, int at, const struct bw_apply_item *item)
{
    const struct bw_apply_problems unread = {.add = tell_nobody};
    struct findings findings = {.problems = &unread};

    if (item->version == 0)
        return false; /* to create it would be to write over it: 0 is any version */
    judge_moment(machine, at, item, "", &findings);
    return findings.count == 0;
}

/* Proposes the next one that changes anything. Of those that are left when this witness leads no more
 * none was sent: that is known, and said. */
static void propose_next(struct bw_witness_machine *machine, struct bw_apply *apply)
{
    for (; apply->next < apply->count; apply->next++) {
        struct bw_apply_item *item = &apply->items[apply->next];
        const int at = bw_cluster_find(&machine->cluster, item->spec.name);
        struct bw_command command;
        struct bw_diag diag = {0};
        enum bw_err err;

        if (item->outcome == BW_APPLY_UNCHANGED)
            continue;
        if (at >= 0 && !may_commit(machine, at, item)) {
            item->outcome = BW_APPLY_FAILED;
            item->err = BW_ERR_STALE;
            continue;
        }
        command = command_of(apply, at >= 0 ? &machine->cluster.groups[at] : NULL, item);
        err = bw_witness_machine_propose(machine, &command, &apply->proposer, &diag);
        if (err == BW_OK) {
            if (at >= 0)
                bw_witness_count_change(machine, at);
            return;
        }
        item->outcome = BW_APPLY_NOT_SENT;
        item->err = err;
    }
    machine->is_applying = false;
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_APPLIED,
                                                                 .apply = apply});
}

static void on_done(struct bw_witness_machine *machine, struct bw_proposer *proposer,
                    enum bw_err err, uint64_t index, const struct bw_applied *applied)
{
    struct bw_apply *apply = (struct bw_apply *)proposer;
    struct bw_apply_item *item = &apply->items[apply->next];

    if (err != BW_OK) {
        item->outcome = BW_APPLY_UNKNOWN;
        item->err = err;
    } else if (applied->rule == NULL) {
        item->outcome = BW_APPLY_FAILED;
        item->err = applied->err;
    } else {
        item->index = index;
    }
    apply->next++;
    propose_next(machine, apply);
}

enum bw_err bw_apply_may_begin(const struct bw_witness_machine *machine, struct bw_diag *diag)
{
    if (!machine->is_applying)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_BUSY,
                       "another apply is being committed; try again in a moment");
}

void bw_apply_begin(struct bw_witness_machine *machine, struct bw_apply *apply)
{
    BW_ASSERT(!machine->is_stepping);
    BW_ASSERT(!machine->is_applying);
    machine->is_applying = true;
    apply->proposer.on_done = on_done;
    apply->next = 0;
    propose_next(machine, apply);
}

enum bw_err bw_apply_result(const struct bw_apply *apply)
{
    enum bw_err result = BW_OK;

    for (size_t i = 0; i < apply->count; i++) {
        const enum bw_apply_outcome outcome = apply->items[i].outcome;

        if (outcome == BW_APPLY_UNKNOWN || outcome == BW_APPLY_NOT_SENT)
            return BW_ERR_UNKNOWN;
        if (outcome == BW_APPLY_FAILED)
            result = BW_ERR_STALE;
    }
    return result;
}
