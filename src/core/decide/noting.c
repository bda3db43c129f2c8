/* noting.c - what a leader tells the record beside its commands: how an epoch came to serve, and on
 * what its grant rested. By the sites' own words, as this witness heard them; nothing is decided by
 * it. Design 3.1. */
#include <breakwater/core/witness.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>

#include "gates.h"
#include "watch.h"

/* ---- how an epoch came to serve ---- */

static bool is_known(struct bw_instant at)
{
    return at.boot_ns != 0;
}

/* Under an epoch that is known to have left the data alone nobody served: whoever waits has waited since
 * the one before it, be the next one its way back (3.6) or another failover. */
static bool is_passed_over(const struct bw_epoch_timeline *timeline, const struct bw_group *group)
{
    return group->last_end.epoch == timeline->epoch && !group->last_end.past_no_return && !is_known(timeline->served);
}

static void begin_epoch(struct bw_epoch_timeline *timeline, const struct bw_group *group)
{
    const bool is_next = timeline->epoch + 1 == group->epoch;
    const bool is_over = is_next && is_passed_over(timeline, group);
    const struct bw_epoch_timeline before = *timeline;

    BW_ASSERT(group->epoch > timeline->epoch); /* I2: nothing is heard of one that is over */
    *timeline = (struct bw_epoch_timeline){.epoch = group->epoch, .noted_epoch = before.noted_epoch};
    if (!is_next)
        return;
    timeline->served_before = is_over ? before.served_before : before.served;
    timeline->stopped_before = is_over ? before.stopped_before : before.stopped;
}

/* What is heard first after a gap may have been so for long. */
static bool has_followed(const struct bw_watch *watch, const struct bw_group *group, int site)
{
    return watch->data_before_epoch == group->epoch &&
           !bw_instant_is_beyond(watch->connected_since[site], watch->grant_applied);
}

static void take_first(struct bw_instant *at, bool is_so, bool has_followed, struct bw_instant now)
{
    if (is_so && has_followed && !is_known(*at))
        *at = now;
}

/* It was made after the answered sync was received. What lay in a cut link for long is received
 * when its ages have long ceased to be true. */
static bool is_prompt(const struct bw_contact *contact, const struct bw_spec *spec)
{
    return contact->answered_number != 0 &&
           bw_instant_elapsed_ns(contact->received, contact->answered_received) <=
               bw_ms_to_ns((uint64_t)spec->renew_interval_ms + spec->request_timeout_ms);
}

/* Of the site whose epoch was the one before: what it says of that, whenever it can be heard again.
 */
static void take_word_of_before(struct bw_epoch_timeline *timeline,
                                const struct bw_contact *contact, const struct bw_spec *spec)
{
    const uint64_t age_ns = bw_ms_to_ns(contact->report.seen_age_ms);
    const struct bw_instant at = bw_instant_sub(contact->received, age_ns);

    if (!is_prompt(contact, spec))
        return;
    if (bw_instant_is_later(at, timeline->served_before))
        timeline->served_before = at;
    timeline->surely_before = bw_instant_sub(contact->answered_received, age_ns);
    timeline->is_reported = contact->report.service == BW_SERVICE_STOPPED;
}

/* Between what was seen to have ended and what was seen not to have begun nobody served: the ages of both are
 * counted so that this is never longer than it was. */
static void take_stopped(struct bw_epoch_timeline *timeline, const struct bw_contact *contact)
{
    const uint64_t age_ns = bw_ms_to_ns(contact->report.service_age_ms);

    if (contact->report.service == BW_SERVICE_STARTED)
        timeline->stopped = (struct bw_instant){0};
    if (contact->report.service != BW_SERVICE_STOPPED)
        return;
    if (!is_known(timeline->stopped))
        timeline->stopped = bw_instant_sub(contact->received, age_ns);
    if (!is_known(timeline->started) && contact->answered_number != 0)
        timeline->down = bw_instant_sub(contact->answered_received, age_ns);
}

static uint32_t sum(uint32_t a, uint32_t b)
{
    return a < UINT32_MAX - b ? a + b : UINT32_MAX;
}

/* An agent that begins anew counts anew. What an older one said may be overtaken on its way, and
 * counts no more. */
static void take_restarts(struct bw_epoch_timeline *timeline, const struct bw_contact *contact)
{
    const struct bw_restarts *reported = &contact->report.restarts;

    if (reported->epoch != timeline->epoch ||
        bw_instant_is_later(timeline->restarts_since, contact->first_received))
        return;
    if (!bw_id_equal(timeline->restarts_session, contact->session)) {
        timeline->restarts_before = sum(timeline->restarts_before, timeline->restarts_reported);
        timeline->restarts_reported = 0;
        timeline->restarts_session = contact->session;
        timeline->restarts_since = contact->first_received;
    }
    if (reported->count <= timeline->restarts_reported)
        return;
    timeline->restarts_reported = reported->count;
    timeline->restarted = bw_instant_sub(contact->received, bw_ms_to_ns(reported->age_ms));
}

void bw_epoch_timeline_take(struct bw_watch *watch, const struct bw_group *group, int site,
                            const struct bw_contact *contact, bool serves)
{
    struct bw_epoch_timeline *timeline = &watch->timeline;
    const struct bw_report *report = &contact->report;
    const bool follows = has_followed(watch, group, site);
    const struct bw_instant now = contact->received;
    struct bw_instant look;

    if (timeline->epoch != group->epoch) /* before its first one both are 0 */
        begin_epoch(timeline, group);
    if (contact->report.seen_epoch + 1 == group->epoch &&
        group->last_end.epoch + 1 == group->epoch &&
        strcmp(group->spec.sites[site].name, group->last_end.site) == 0)
        take_word_of_before(timeline, contact, &group->spec);
    if (strcmp(group->spec.sites[site].name, group->holder_site) != 0 || /* of whom there may be none */
        !bw_id_equal(contact->instance, group->holder_instance))
        return;
    take_first(&timeline->armed, report->armed_epoch == group->epoch, follows, now);
    take_first(&timeline->started, serves, follows, now);
    take_first(&timeline->verified, serves && report->verified, true, now);
    take_stopped(timeline, contact);
    take_restarts(timeline, contact);
    if (report->phases_epoch == group->epoch)
        memcpy(timeline->phase_ms, report->phase_ms, sizeof timeline->phase_ms);
    if (!serves || report->service != BW_SERVICE_STARTED)
        return;
    look = bw_instant_sub(now, bw_ms_to_ns(report->service_age_ms));
    BW_ASSERT(!bw_instant_is_beyond(look, now)); /* an age is no future, whoever says it */
    if (bw_instant_is_later(look, timeline->served))
        timeline->served = look;
}

/* Since `since`, at least 1: 0 says that it is not known. */
static uint64_t span_ms(struct bw_instant at, struct bw_instant since)
{
    const uint64_t ms = bw_ns_to_ms(bw_instant_elapsed_ns(at, since));

    return !is_known(at) || !is_known(since) ? 0 : ms == 0 ? 1 : ms;
}

static uint32_t moment_ms(struct bw_instant at, struct bw_instant since)
{
    const uint64_t ms = span_ms(at, since);

    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* When this witness has itself seen the epoch before end; zeros: it has not. */
static struct bw_instant ended_before(const struct bw_watch *watch)
{
    for (size_t i = 0; i < BW_HISTORY_MAX; i++)
        if (watch->grants[i].epoch + 1 == watch->timeline.epoch)
            return watch->grants[i].ended;
    return (struct bw_instant){0};
}

static uint64_t late_ms(const struct bw_watch *watch)
{
    const struct bw_epoch_timeline *timeline = &watch->timeline;
    const struct bw_instant ended = ended_before(watch);

    return timeline->is_reported && is_known(ended) && bw_instant_is_beyond(timeline->surely_before, ended)
               ? span_ms(timeline->surely_before, ended)
               : 0;
}

/* From the end of the epoch before, or when its service was seen to have stopped, to this grant, or when its service was
 * seen not to run yet. 0: not known. */
static uint64_t least_ms(const struct bw_watch *watch, uint64_t outage_ms)
{
    const struct bw_epoch_timeline *timeline = &watch->timeline;
    struct bw_instant from = ended_before(watch);
    struct bw_instant until = watch->grant_is_found ? (struct bw_instant){0} : watch->grant_applied;
    uint64_t ms;

    if (!is_known(from) || (is_known(timeline->stopped_before) && bw_instant_is_beyond(from, timeline->stopped_before)))
        from = timeline->stopped_before;
    if (bw_instant_is_beyond(timeline->down, until))
        until = timeline->down;
    if (late_ms(watch) != 0 || !is_known(from) || !bw_instant_is_beyond(until, from))
        return 0;
    ms = span_ms(until, from);
    return ms < outage_ms ? ms : outage_ms;
}

static uint32_t restarts_of(const struct bw_epoch_timeline *timeline)
{
    return sum(timeline->restarts_before, timeline->restarts_reported);
}

/* No outage that could be measured: it ran, and was adopted (3.9), or a person's word had it serve, from when nobody here
 * could hear (3.8). */
static bool has_run_on(const struct bw_group *group)
{
    const struct bw_history_entry *newest = bw_group_history_at(group, 0);

    return newest != NULL && (newest->adopted || newest->why_granted == BW_REASON_OVERRIDE);
}

static struct bw_note note_of(const struct bw_group *group, const struct bw_watch *watch, uint32_t level,
                              struct bw_instant now)
{
    const struct bw_epoch_timeline *timeline = &watch->timeline;
    const bool has_followed = is_known(timeline->armed) || is_known(timeline->started);

    struct bw_note note = {
        .armed_ms = moment_ms(timeline->armed, watch->grant_applied),
        .started_ms = moment_ms(timeline->started, watch->grant_applied),
        .verified_ms = has_followed ? moment_ms(timeline->verified, watch->grant_applied) : 0,
        .outage_ms = has_run_on(group)
                         ? 0
                         : span_ms(timeline->verified, timeline->served_before),
        .is_reported = timeline->is_reported,
        .late_ms = late_ms(watch),
        .restarts = restarts_of(timeline),
        .restart_age_ms = moment_ms(now, timeline->restarted),
    };

    BW_ASSERT(is_known(timeline->verified)); /* nothing is noted before */
    if (level >= BW_LEAST_LEVEL)
        note.least_ms = least_ms(watch, note.outage_ms);
    memcpy(note.phase_ms, timeline->phase_ms, sizeof note.phase_ms);
    return note;
}

/* Once that it serves, and once more where the site before comes back with its own word later. */
static bool is_noted(const struct bw_epoch_timeline *timeline, const struct bw_record_chain *chain)
{
    const bool is_on_record = chain != NULL && chain->noted_epoch >= timeline->epoch;
    const bool is_report_on_record = chain != NULL && chain->reported_epoch >= timeline->epoch;

    if (timeline->is_reported)
        return is_report_on_record ||
               (timeline->noted_epoch == timeline->epoch && timeline->has_noted_report);
    return is_on_record || timeline->noted_epoch == timeline->epoch;
}

static uint32_t restarts_on_record(const struct bw_record_chain *chain, uint64_t epoch)
{
    return chain != NULL && chain->noted_epoch == epoch ? chain->noted_restarts : 0;
}

/* A service that dies again and again must not fill the record: one by one it tells of the first,
 * and from then on of no less than seven eighths of them. */
static bool are_restarts_noted(const struct bw_epoch_timeline *timeline,
                               const struct bw_record_chain *chain)
{
    const uint32_t on_record = restarts_on_record(chain, timeline->epoch);
    const uint32_t proposed = timeline->noted_epoch == timeline->epoch ? timeline->noted_restarts
                                                                       : 0;
    const uint32_t noted = on_record > proposed ? on_record : proposed;
    const uint32_t count = restarts_of(timeline);

    return count <= noted || count - noted < noted / 8;
}

bool bw_witness_note_due(const struct bw_witness *witness, int group, struct bw_instant now,
                         struct bw_command *out_command)
{
    const struct bw_cluster *cluster = witness->cluster;
    const struct bw_group *state = &cluster->groups[group];
    const struct bw_watch *watch = &witness->watches[group];
    const struct bw_epoch_timeline *timeline = &watch->timeline;
    const struct bw_record_chain *chain;

    if (cluster->record == NULL || cluster->feature_level < BW_RECORD_LEVEL ||
        !witness->leadership.leads || watch->proposing_count != 0 ||
        state->phase == BW_PHASE_VACANT || timeline->epoch != state->epoch ||
        !is_known(timeline->verified))
        return false;
    chain = bw_record_find(cluster->record, state->spec.name);
    if (is_noted(timeline, chain) && are_restarts_noted(timeline, chain))
        return false;
    *out_command = (struct bw_command){
        .kind = BW_COMMAND_NOTE, .epoch = state->epoch, .note = note_of(state, watch, cluster->feature_level, now)};
    BW_COPY_FIELD(out_command->group, state->spec.name);
    return true;
}

void bw_epoch_timeline_noted(struct bw_epoch_timeline *timeline, const struct bw_command *command)
{
    BW_ASSERT(command->kind == BW_COMMAND_NOTE);
    timeline->noted_epoch = command->epoch;
    timeline->has_noted_report = command->note.is_reported;
    timeline->noted_restarts = command->note.restarts;
}

void bw_witness_restarted(const struct bw_witness *witness, int group,
                          struct bw_restarted *out_restarted)
{
    const struct bw_cluster *cluster = witness->cluster;
    const struct bw_group *state = &cluster->groups[group];
    const struct bw_epoch_timeline *timeline = &witness->watches[group].timeline;
    const bool is_current = timeline->epoch == state->epoch;
    uint32_t on_record = 0;

    *out_restarted = (struct bw_restarted){0};
    if (state->phase == BW_PHASE_VACANT)
        return;
    if (cluster->record != NULL)
        on_record = restarts_on_record(bw_record_find(cluster->record, state->spec.name),
                                       state->epoch);
    out_restarted->count = is_current ? restarts_of(timeline) : 0;
    if (out_restarted->count > 0)
        out_restarted->since = timeline->restarted;
    if (on_record > out_restarted->count)
        out_restarted->count = on_record;
}

/* ---- on what a grant rested ---- */

/* Words, as far as they fit whole; what does not is said to be missing. */
struct words {
    char *text;
    size_t max; /* bytes, without the NUL */
    bool is_cut;
};
#define CUT      "; ..."
#define CUT_SIZE (sizeof CUT - 1)

static void append(struct words *words, const char *separator, const char *word)
{
    const size_t used = strlen(words->text);

    BW_ASSERT(used <= words->max);
    if (words->is_cut)
        return;
    words->is_cut = used + strlen(separator) + strlen(word) + CUT_SIZE > words->max;
    if (words->is_cut)
        (void)snprintf(words->text + used, words->max + 1 - used, CUT);
    else
        (void)snprintf(words->text + used, words->max + 1 - used, "%s%s", separator, word);
    BW_ASSERT(strlen(words->text) <= words->max); /* whole, or said to be cut */
}

static bool is_of_step(const struct bw_gate *gate, const char *rule)
{
    BW_ASSERT(gate->step != NULL); /* each gate of a decision has one */
    return strcmp(gate->step, rule) == 0;
}

/* "dc-a: not_connected, guard_down". A site that was not looked at is not named. */
static void tell_site(const char *name, const struct bw_decision *decision, int site,
                      struct words *words)
{
    bool is_looked_at = false;
    bool is_held = false;

    for (uint32_t i = 0; i < decision->gate_count; i++) {
        const struct bw_gate *gate = &decision->gates[i];

        if (gate->site != site || !is_of_step(gate, decision->rule))
            continue;
        is_looked_at = true;
        if (gate->verdict != BW_GATE_HOLD)
            continue;
        if (!is_held) {
            append(words, words->text[0] != '\0' ? "; " : "", name);
            append(words, ": ", bw_gate_word(gate->id));
        } else
            append(words, ", ", bw_gate_word(gate->id));
        is_held = true;
    }
    if (is_looked_at && !is_held) {
        append(words, words->text[0] != '\0' ? "; " : "", name);
        append(words, ": ", "eligible, less preferred");
    }
}

/* Which gates of the group, or of the site, would have held it if nobody had asked. */
static void tell_waived(const struct bw_decision *unasked, const char *rule, int site,
                        struct words *words)
{
    for (uint32_t i = 0; i < unasked->gate_count; i++) {
        const struct bw_gate *gate = &unasked->gates[i];

        if (gate->verdict != BW_GATE_HOLD || (gate->site >= 0 && gate->site != site) ||
            !is_of_step(gate, rule) ||
            gate->id == BW_GATE_ID_CANDIDATE)
            continue;
        append(words, words->text[0] != '\0' ? ", " : "", bw_gate_word(gate->id));
    }
}

/* What was not measured beside the newest data says nothing of what is lost. */
static void tell_lag(const struct bw_loss *loss, struct bw_instant now, struct bw_command *command)
{
    uint64_t age_ms;

    if (loss->kind != BW_LOSS_MEASURED)
        return;
    age_ms = bw_ns_to_ms(bw_instant_elapsed_ns(now, loss->measured));
    command->has_lag = true;
    command->lag_ms = loss->ms;
    command->lag_age_ms = age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX;
}

void bw_witness_describe_grant(const struct bw_witness *witness, int group, struct bw_instant now,
                               struct bw_decision *decision, struct bw_decision *scratch)
{
    const struct bw_group *state = &witness->cluster->groups[group];
    const struct bw_watch *watch = &witness->watches[group];
    struct bw_command *command = &decision->command;
    const int site = bw_spec_find_site(&state->spec, command->site);
    struct words why = {.text = command->why, .max = BW_WHY_MAX};
    struct words waived = {.text = command->waived, .max = BW_REASON_MAX};
    struct bw_loss loss;

    if (command->kind != BW_COMMAND_GRANT || witness->cluster->record == NULL || site < 0 ||
        witness->cluster->feature_level < BW_RECORD_LEVEL)
        return;
    for (int other = 0; other < (int)state->spec.site_count; other++)
        if (other != site)
            tell_site(state->spec.sites[other].name, decision, other, &why);
    bw_policy_loss(state, watch, &witness->leadership, site, &loss);
    tell_lag(&loss, now, command);
    if (command->reason != BW_REASON_FAILOVER)
        return;
    bw_arbiter_decide_unasked(state, watch, &witness->leadership, now, scratch);
    tell_waived(scratch, decision->rule, site, &waived);
}
