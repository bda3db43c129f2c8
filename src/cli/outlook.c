#include "outlook.h"

#include <inttypes.h>
#include <string.h>

#include "api.h"

/* Where time alone ends nothing; `after_fence`: who would follow. NULL: of an older witness, which does not
 * say. */
static void print_after_fence(const json_t *after_fence, FILE *out)
{
    if (json_is_string(after_fence))
        (void)fprintf(out,
                      "Failover to %s: not by time alone, but once a fence from another site has seen "
                      "the end.",
                      bw_json_shown(after_fence));
    else if (json_is_null(after_fence))
        (void)fputs("Failover: not by itself: a fence from another site ends the epoch, and then nobody "
                    "follows without a person.",
                    out);
    else
        (void)fputs("Failover: not by time alone; a fence from another site ends the epoch.", out);
}

void bw_print_failover(const json_t *status, const json_t *group, FILE *out)
{
    const json_t *failover = json_object_get(group, "failover");
    const char *self = bw_json_member(status, "answered_by");
    const char *leader = bw_json_member(status, "leader");
    const bool is_possible = bw_json_truth(failover, "possible");
    const char *to = is_possible ? bw_json_member(failover, "to") : "nobody";

    if (!is_possible && bw_json_member(json_object_get(group, "end"), "remote_fence")[0] != '\0')
        print_after_fence(json_object_get(failover, "after_fence"), out);
    else if (!is_possible &&
             json_is_false(json_object_get(json_object_get(group, "end"), "by_time")))
        (void)fprintf(out, "Failover: once %s gives the group back or its end is seen; not by time.",
                      bw_json_member(group, "holder"));
    else if (!bw_json_truth(status, "leads") && leader[0] == '\0')
        (void)fprintf(out,
                      "Failover: without a quorum nothing is decided; %s, which knows no leader, "
                      "would choose %s.",
                      self, to);
    else if (!bw_json_truth(status, "leads"))
        (void)fprintf(out, "Failover: %s decides; %s, which answers here, would choose %s.", leader,
                      self, to);
    else if (is_possible)
        (void)fprintf(out, "Failover to %s: possible.", to);
    else if (bw_json_member(failover, "to")[0] != '\0')
        (void)fprintf(out, "Failover: not possible now; to %s in %" PRId64 " min.",
                      bw_json_member(failover, "to"),
                      bw_json_number(failover, "after_ms") / 60000 + 1);
    else
        (void)fputs("Failover: not possible now.", out);
}

void bw_tell_remote_fence(const json_t *end, FILE *out)
{
    const char *fence = bw_json_member(end, "remote_fence");

    if (fence[0] != '\0')
        (void)fprintf(out, "  a fence from another site ends it, too: %s\n", fence);
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

    if (by[0] != '\0')
        (void)fprintf(verdict->out, "Epoch %" PRId64 " was closed on the word of %s%s%s.\n",
                      bw_json_number(group, "epoch"), by, text[0] != '\0' ? ": " : "", text);
    if (!json_is_false(json_object_get(end, "by_time")))
        return;
    if (strcmp(bw_json_member(group, "phase"), "CLOSING") != 0 && !is_lost &&
        bw_json_truth(holder, "connected")) {
        (void)fprintf(verdict->out,
                      "Should %s be lost, time alone does not end its epoch: %s.\n"
                      "  Then, once that site is off:  %s\n",
                      site, bw_json_member(end, "why"), bw_json_member(end, "way"));
        bw_tell_remote_fence(end, verdict->out);
        return;
    }
    bw_warn(verdict, bw_trouble_word(BW_TROUBLE_NEEDS_PERSON), NULL,
            "%s: time alone does not end epoch %" PRId64 " at %s: %s (gate %s)", name,
            bw_json_number(group, "epoch"), site, bw_json_member(end, "why"),
            bw_json_member(end, "gate"));
    if (is_lost)
        (void)fprintf(
            verdict->out,
            "  who speaks for %s has not the state that could give it back (an agent made anew, "
            "or a second enforcer); once nothing of %s "
            "runs there:  %s\n",
            site, name, bw_json_member(end, "way"));
    else
        (void)fprintf(verdict->out,
                      "  it ends when %s gives it back; or, once that site is off:  %s\n", site,
                      bw_json_member(end, "way"));
    bw_tell_remote_fence(end, verdict->out);
    if (bw_json_number(end, "lease_may_live_ms") > 0)
        (void)fprintf(verdict->out, "  a lease of it may live for %" PRId64 ".%d s more\n",
                      bw_json_number(end, "lease_may_live_ms") / 1000,
                      (int)(bw_json_number(end, "lease_may_live_ms") % 1000 / 100));
}

/* 3.6: a stop that was ordered is finished, and its target is granted by nobody meanwhile. */
static void tell_pause(const json_t *group, const char *name, FILE *out)
{
    const char *target = bw_json_member(group, "target");

    if (target[0] == '\0')
        (void)fprintf(out, "%s is paused: nothing moves, leases and fences stay.\n", name);
    else if (strcmp(bw_json_member(group, "phase"), "VACANT") == 0)
        (void)fprintf(out,
                      "%s is paused in its move to %s: nobody serves, and nobody is granted but by a "
                      "failover until:  breakwater resume %s\n",
                      name, target, name);
    else
        (void)fprintf(out,
                      "%s is paused in its move to %s: %s goes on stopping, and nobody is granted "
                      "but by a failover until:  breakwater resume %s\n",
                      name, target, bw_json_member(group, "holder"), name);
}

void bw_tell_mode(const json_t *group, const char *name, FILE *out)
{
    char mode[16];

    (void)snprintf(mode, sizeof mode, "%.15s", bw_json_member(group, "mode"));
    if (strcmp(mode, "observe") == 0)
        (void)fprintf(out, "%s is only observed: nothing is executed.\n", name);
    else if (strcmp(mode, "paused") == 0)
        tell_pause(group, name, out);
    else if (strcmp(mode, "manual") == 0)
        (void)fprintf(out, "%s is manual: a lost holder is followed on `breakwater failover %s`%s.\n",
                      name, name,
                      json_is_false(json_object_get(json_object_get(group, "end"), "by_time"))
                          ? ", once its epoch is ended (above)"
                          : "");
}
