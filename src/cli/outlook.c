#include "columns.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/core/explain.h>
#include <breakwater/core/report.h>
#include <breakwater/core/trouble.h>

#include "alarm_lines.h"
#include "api.h"

const char *bw_state_text(const json_t *group, char out_text[BW_STATE_TEXT_BYTES])
{
    const bool is_held = bw_json_truth(group, "held");

    for (enum bw_phase phase = 0; phase < BW_PHASE_COUNT; phase++)
        if (strcmp(bw_json_member(group, "phase"), bw_phase_word(phase)) == 0) {
            (void)snprintf(out_text, BW_STATE_TEXT_BYTES, "%s%s", bw_phase_state(phase, is_held),
                           is_held ? " (fence not confirmed)" : "");
            for (char *at = out_text; (at = strchr(at, '_')) != NULL;)
                *at = ' ';
            return out_text;
        }
    (void)snprintf(out_text, BW_STATE_TEXT_BYTES, "%.40s", bw_json_member(group, "phase")); /* of another release */
    return out_text;
}

/* Prints the names of the sites whose probe found this, after `before`; returns their number. A witness writes `unknown`
 * for a site that is not connected or has two agents. */
static int print_probed(const json_t *group, enum bw_service service, const char *before, FILE *out)
{
    const json_t *site;
    int count = 0;
    size_t i;

    json_array_foreach(json_object_get(group, "sites"), i, site)
        if (bw_service_of_line(bw_json_member(site, "service")) == service)
            (void)fprintf(out, "%s%s", count++ == 0 ? before : ", ", bw_json_member(site, "name"));
    return count;
}

/* Prints the site whose start or stop is under way; 0: there is none. */
static int print_steps(const json_t *group, FILE *out)
{
    const json_t *site;
    int count = 0;
    size_t i;

    json_array_foreach(json_object_get(group, "sites"), i, site)
        if (json_is_object(json_object_get(site, "steps")))
            (void)fprintf(out, "%s%s at %s (probe: %s)", count++ == 0 ? "" : ", ",
                          strcmp(bw_json_member(json_object_get(site, "steps"), "action"), "stop") == 0 ? "stopping" : "starting",
                          bw_json_member(site, "name"), bw_json_member(site, "service"));
    return count;
}

void bw_print_service(const json_t *group, const char *known_by, FILE *out)
{
    (void)fputs("Service: ", out);
    if (print_steps(group, out) == 0 && print_probed(group, BW_SERVICE_STARTED, "runs at ", out) == 0) {
        if (print_probed(group, BW_SERVICE_UNKNOWN, "unknown at ", out) == 0)
            (void)fputs("down, stopped at every site", out);
        else
            (void)print_probed(group, BW_SERVICE_STOPPED, "; stopped at ", out);
    }
    if (known_by != NULL)
        (void)fprintf(out, ", as %s last knew", known_by);
    (void)fputs(".\n", out);
}

const char *bw_mode_text(const json_t *group)
{
    const char *word = bw_json_member(group, "mode");
    enum bw_mode mode;

    return bw_mode_parse(word, &mode) ? bw_mode_shown(mode) : word;
}

void bw_show_next(const json_t *next, FILE *out)
{
    if (json_is_object(next))
        (void)fprintf(out, "%s%s.\n", bw_json_truth(next, "will_act") ? "Next: " : "", bw_json_member(next, "text"));
}

bool bw_group_is_open(const json_t *group)
{
    const char *phase = bw_json_member(group, "phase");

    return strcmp(phase, bw_phase_word(BW_PHASE_VACANT)) != 0 && strcmp(phase, bw_phase_word(BW_PHASE_CLOSING)) != 0;
}

/* Why a failover to no site is possible now. */
static const char *no_failover(const json_t *group)
{
    static const struct {
        enum bw_mode mode;
        const char *text;
    } modes[] = {{BW_MODE_OBSERVE, "the group is unmanaged"},
                 {BW_MODE_PAUSED, "the group is paused"},
                 {BW_MODE_MANUAL, "the mode is manual"}};

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(bw_json_member(group, "mode"), bw_mode_word(modes[i].mode)) == 0)
            return modes[i].text;
    return bw_group_is_open(group) ? "no standby is eligible" : "no site is eligible";
}

void bw_print_failover(const json_t *status, const json_t *group, FILE *out)
{
    const json_t *failover = json_object_get(group, "failover");
    const char *self = bw_json_member(status, "answered_by");
    const char *leader = bw_json_member(status, "leader");
    const bool leads = bw_json_truth(status, "leads");
    const bool is_possible = bw_json_truth(failover, "possible");
    const char *to = is_possible ? bw_json_member(failover, "to") : "no site";
    const bool is_fenced = !is_possible && bw_json_member(json_object_get(group, "end"), "remote_fence")[0] != '\0';

    if (is_fenced && json_is_string(json_object_get(failover, "after_fence")))
        (void)fprintf(out, "Failover: automatic to %s, after a fence from another site has confirmed the stop.",
                      bw_json_member(failover, "after_fence"));
    else if (!is_fenced && !is_possible && json_is_false(json_object_get(json_object_get(group, "end"), "by_time")))
        (void)fprintf(out, "Failover: not automatic: %sthe stop of %s needs a confirmation.", bw_group_is_open(group) ? "after a loss, " : "",
                      bw_json_member(group, "holder"));
    else if (!is_fenced && !leads && leader[0] == '\0')
        (void)fprintf(out,
                      "Failover: not possible without a quorum; %s knows no leader.", self);
    else if (!is_fenced && !leads)
        (void)fprintf(out, "Failover: decided by the leader, %s; %s expects %s.", leader, self, to);
    else if (is_possible)
        (void)fprintf(out, bw_group_is_open(group) ? "Failover: automatic to %s if %s fails." : "Failover: automatic to %s.", to,
                      bw_json_member(group, "holder"));
    else if (!is_fenced && bw_json_member(failover, "to")[0] != '\0')
        (void)fprintf(out, "Failover: automatic to %s, but only in %" PRId64 " min.",
                      bw_json_member(failover, "to"),
                      bw_json_number(failover, "after_ms") / 60000 + 1);
    else
        (void)fprintf(out, "Failover: not automatic: %s.", no_failover(group));
}

void bw_tell_remote_fence(const json_t *end, FILE *out)
{
    const char *fence = bw_json_member(end, "remote_fence");

    if (fence[0] != '\0')
        (void)fprintf(out, "  Fence from another site: %s\n", fence);
}

bool bw_end_attests(const json_t *end)
{
    return strstr(bw_json_member(end, "suggested_command"), "--service-is-stopped") != NULL;
}

void bw_warn_of_end(const json_t *group, struct bw_verdict *verdict)
{
    const json_t *end = json_object_get(group, "end");
    const json_t *holder = bw_json_find_holder(group);
    const char *name = bw_json_member(group, "name");
    const char *site = bw_json_member(group, "holder");
    const char *by = bw_json_member(end, "vouched_by");
    const char *text = bw_json_member(end, "vouched_text");
    const bool is_lost = json_is_false(json_object_get(end, "by_holder"));
    const bool is_fenced = bw_json_member(end, "remote_fence")[0] != '\0';
    char fix[512];

    if (by[0] != '\0')
        (void)fprintf(verdict->out,
                      json_is_object(json_object_get(group, "request"))
                          ? "Epoch %" PRId64 " ends after its leases have expired: %s confirmed that %s is off%s%s.\n"
                          : "The leader changed before epoch %" PRId64 " ended, after %s had confirmed that %s is off%s%s. Confirm it "
                            "again, as below.\n",
                      bw_json_number(group, "epoch"), by, site, text[0] != '\0' ? ": " : "", text);
    if (!json_is_false(json_object_get(end, "by_time")))
        return;
    if (strcmp(bw_json_member(group, "phase"), "CLOSING") != 0 && !is_lost &&
        bw_json_truth(holder, "connected")) {
        (void)fprintf(verdict->out, "If %s fails, %s: %s.\n", site,
                      is_fenced ? "the end of its lease is not enough" : "failover is manual", bw_json_member(end, "why"));
        bw_tell_remote_fence(end, verdict->out);
        (void)fprintf(verdict->out, "  %s, power %s off, then run:\n           %s\n",
                      is_fenced ? "If that fence fails" : "In that case", site, bw_json_member(end, "suggested_command"));
        return;
    }
    (void)snprintf(fix, sizeof fix,
                   is_lost ? "the agent of SITE has lost its state, so its report cannot confirm the stop. Check at SITE that GROUP is "
                             "stopped, then:\n%s"
                   : is_fenced ? "wait for the fence from another site (below) or for SITE to return; or power SITE off, then:\n%s"
                   : !bw_json_truth(holder, "connected") ? "wait for SITE to return; or power SITE off, then:\n%s"
                   : bw_end_attests(end) ? "stop GROUP at SITE, and repair status_script: the next probe then confirms the stop. If you have seen "
                                 "yourself that GROUP is stopped there:\n%s\nOr power SITE off, then:\n"
                                 "breakwater confirm-fenced GROUP --site SITE"
                               : "stop GROUP at SITE: the next probe there confirms the stop. Or power SITE off, then:\n%s",
                   bw_json_member(end, "suggested_command"));
    verdict->needs_operator = true;
    bw_warn(verdict, BW_TROUBLE_NEEDS_PERSON, NULL, &(struct bw_remedy){.fix = fix},
            is_fenced ? "%s: the failover from %s (epoch %" PRId64 ") waits for a confirmed stop: %s"
                      : "%s: no automatic failover from %s (epoch %" PRId64 "): %s",
            name, site, bw_json_number(group, "epoch"), bw_json_member(end, "why"));
    bw_tell_remote_fence(end, verdict->out);
}

/* 3.6: a stop that was ordered is finished, and its target is granted by nobody meanwhile. */
static void tell_pause(const json_t *group, const char *name, FILE *out)
{
    const char *target = bw_json_member(group, "target");

    if (target[0] == '\0')
        (void)fprintf(out, "%s is paused: no failover and no switchover; a lost lease is still fenced.\n", name);
    else if (strcmp(bw_json_member(group, "phase"), bw_phase_word(BW_PHASE_VACANT)) == 0)
        (void)fprintf(out,
                      "%s is paused in the middle of a move to %s: no site serves.\n"
                      "  continue:  breakwater resume %s\n"
                      "  or choose a site:  breakwater failover %s --to SITE\n",
                      name, target, name, name);
    else
        (void)fprintf(out,
                      "%s is paused in the middle of a move to %s. If %s has begun to stop, it completes the stop, and no site serves until you "
                      "resume; else the move is canceled, and %s stays primary.\n"
                      "  continue:  breakwater resume %s\n",
                      name, target, bw_json_member(group, "holder"), bw_json_member(group, "holder"), name);
}

void bw_tell_mode(const json_t *group, const char *name, FILE *out)
{
    char mode[16];

    (void)snprintf(mode, sizeof mode, "%.15s", bw_json_member(group, "mode"));
    if (strcmp(mode, "observe") == 0)
        (void)fprintf(out,
                      "%s is unmanaged: breakwater does not start, stop or fence it. To end this:\n"
                      "           breakwater mode %s auto\n",
                      name, name);
    else if (strcmp(mode, "paused") == 0)
        tell_pause(group, name, out);
    else if (strcmp(mode, "manual") == 0)
        (void)fprintf(out, "%s is manual: if the primary is lost, run `breakwater failover %s`%s.\n",
                      name, name,
                      json_is_false(json_object_get(json_object_get(group, "end"), "by_time"))
                          ? " after its epoch has ended (above)"
                          : "");
}

/* ---- data that a failover left behind ---- */

bool bw_left_data_behind(const json_t *entry)
{
    const json_t *lag = json_object_get(entry, "lag");
    const char *previous = bw_json_member(entry, "previous_site");

    return previous[0] != '\0' && strcmp(previous, bw_json_member(entry, "site")) != 0 &&
           strcmp(bw_json_member(entry, "reason"), bw_reason_word(BW_REASON_ROLLBACK)) != 0 &&
           !json_is_true(json_object_get(entry, "planned")) && (!json_is_object(lag) || bw_json_number(lag, "lag_ms") > 0);
}

/* A status has no lag of a failover: the report has it. */
void bw_tell_data_behind(const json_t *group, const char *name, FILE *out)
{
    const json_t *last = json_object_get(group, "last");
    const json_t *site = bw_json_find(json_object_get(group, "sites"), "name", bw_json_member(last, "previous_site"));

    if (site == NULL || strcmp(bw_json_member(last, "site"), bw_json_member(group, "holder")) != 0 || !bw_left_data_behind(last) ||
        (bw_json_truth(site, "connected") && !bw_json_truth(site, "rejoining") &&
         !bw_json_has(json_object_get(site, "blocked_by"), bw_gate_word(BW_GATE_ID_REJOINING))))
        return;
    (void)fprintf(out,
                  "%s may hold data that %s does not have, and a rejoin of %s can destroy it. What to do: breakwater-runbook(7), DATA LEFT AT THE "
                  "OLD PRIMARY. See how much:\n"
                  "           breakwater report %s\n",
                  bw_json_member(site, "name"), bw_json_member(last, "site"), bw_json_member(site, "name"), name);
}

/* ---- facts of a site ---- */

static void tell_of_cut(const json_t *site, FILE *out)
{
    char limit[BW_SECONDS_BYTES];
    char cut[BW_SECONDS_BYTES];

    const bool is_inside = strcmp(bw_json_member(site, "reach"), "remote") != 0 &&
                           strcmp(bw_json_member(site, "reach_seen"), "inside") == 0;

    if (json_is_integer(json_object_get(site, "fence_cut_ms")))
        (void)fprintf(
            out, "%s: if the lease ends, fence_script has %s %s; its own limit is %s. If fence_script needs longer, raise "
                 "fence_window in groups.yaml.\n",
            bw_json_member(site, "name"), bw_seconds(bw_json_number(site, "fence_cut_ms"), cut),
            is_inside ? "before the guard sends TERM to the service" : "until the deadline",
            bw_seconds(bw_json_number(site, "fence_limit_ms"), limit));
}

static bool has_loop(const json_t *site)
{
    return json_is_integer(json_object_get(site, "loop_delay_ms"));
}

/* Who is to be looked at when it does not start. */
static void tell_of_loop(const json_t *group, const json_t *site, FILE *out)
{
    if (has_loop(site))
        (void)fprintf(out,
                      "%s: an external loop starts the service (started_by: external). On %s, see the answer that it gets:\n"
                      "           breakwater condition --group %s\n",
                      bw_json_member(site, "name"), bw_json_member(site, "name"), bw_json_member(group, "name"));
}

static bool is_primary(const json_t *site)
{
    return strcmp(bw_json_member(site, "role"), "primary") == 0;
}

/* What its guard cannot end another machine of the site does (3.4). */
static bool has_second(const json_t *group, const json_t *site)
{
    return is_primary(site) && bw_json_truth(json_object_get(group, "end"), "by_time") &&
           strcmp(bw_json_member(site, "second_enforcer"), bw_second_word(BW_SECOND_IS_SEEN)) == 0;
}

/* Scripts that came later and have started nothing take nothing from the epoch that is open (3.4). */
static bool is_epoch_kept(const json_t *group, const json_t *site)
{
    const json_t *end = json_object_get(group, "end");

    return is_primary(site) && bw_json_truth(end, "by_time");
}

bool bw_site_alarm_is_fact(const json_t *group, const json_t *site, enum bw_trouble trouble)
{
    if (trouble == BW_TROUBLE_OUTSIDE_REACH)
        return has_second(group, site);
    return trouble == BW_TROUBLE_REACH_UNSEEN && is_epoch_kept(group, site);
}

static void tell_of_second(const json_t *group, const json_t *site, FILE *out)
{
    const bool is_outside = strcmp(bw_json_member(site, "reach_seen"), "outside") == 0 ||
                            strcmp(bw_json_member(site, "reach"), "remote") == 0;

    if (is_outside && has_second(group, site))
        (void)fprintf(out, "%s: the guard cannot stop this service; its second enforcer can\n",
                      bw_json_member(site, "name"));
}

static void tell_of_unseen(const json_t *group, const json_t *site, FILE *out)
{
    json_t *alarm;
    size_t i;

    json_array_foreach(json_object_get(site, "alarms"), i, alarm)
    {
        enum bw_trouble trouble;

        if (!bw_trouble_parse(bw_json_shown(alarm), &trouble) || trouble != BW_TROUBLE_REACH_UNSEEN ||
            !bw_site_alarm_is_fact(group, site, trouble))
            continue;
        (void)fprintf(out,
                      "%s: scripts changed since the service started (%s). Automatic failover still works for the "
                      "running service. After the next start it has to be tested again, which restarts the service once:\n"
                      "           breakwater prove %s -c /etc/breakwater/site.yaml\n",
                      bw_json_member(site, "name"), bw_trouble_word(trouble), bw_json_member(group, "name"));
    }
}

void bw_site_facts(const json_t *group, const json_t *site, FILE *out)
{
    tell_of_cut(site, out);
    tell_of_loop(group, site, out);
    tell_of_second(group, site, out);
    tell_of_unseen(group, site, out);
}
