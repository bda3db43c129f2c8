#include "columns.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/utf8.h>
#include <breakwater/config/scalar.h>
#include <breakwater/consensus/hello.h>
#include <breakwater/core/explain.h>
#include <breakwater/core/override.h>

#include "alarm_lines.h"
#include "api.h"
#include "wrap.h"

#define CELL_BYTES  512
#define COLUMNS_MAX 9
#define HOUR_S      3600
#define DAY_S       86400
#define WARN_S      (30 * DAY_S)

/* ---- columns ---- */

/* Rows of text with one number of columns; all zero at the beginning. */
struct table {
    char **cells; /* rows * columns, ours */
    size_t columns;
    size_t rows;
};

/* A row of `columns` texts (copied). */
static void add_row(struct table *table, size_t columns, const char *const *texts)
{
    char **grown;

    BW_ASSERT(columns > 0 && columns <= COLUMNS_MAX);
    BW_ASSERT(table->rows == 0 || table->columns == columns);
    grown = realloc(table->cells, (table->rows + 1) * columns * sizeof *grown);
    BW_ASSERT(grown != NULL); /* a command without memory can say nothing */
    table->cells = grown;
    table->columns = columns;
    for (size_t i = 0; i < columns; i++) {
        grown[table->rows * columns + i] = strdup(texts[i]);
        BW_ASSERT(grown[table->rows * columns + i] != NULL);
    }
    table->rows++;
}

static size_t width_of(const char *text)
{
    return bw_utf8_columns(text, strlen(text));
}

/* Each column as wide as its widest text; the table is empty then. */
static void print_table(struct table *table, FILE *out)
{
    size_t widths[COLUMNS_MAX] = {0};

    for (size_t i = 0; i < table->rows * table->columns; i++) {
        const size_t width = width_of(table->cells[i]);

        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        const size_t column = i % table->columns;
        const bool is_last = column + 1 == table->columns;

        (void)fprintf(out, "%s%*s", table->cells[i],
                      is_last ? 0 : (int)(widths[column] - width_of(table->cells[i]) + 2), "");
        if (is_last)
            (void)fputc('\n', out); /* a failed write stays in `out` */
        free(table->cells[i]);
    }
    free(table->cells);
    *table = (struct table){0};
}

/* ---- texts ---- */

__attribute__((format(printf, 2, 3))) static void append(char out_text[CELL_BYTES],
                                                         const char *format, ...)
{
    const size_t used = strlen(out_text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(out_text + used, CELL_BYTES - used, format, args);
    va_end(args);
}

static void join(const json_t *list, char out_text[CELL_BYTES])
{
    json_t *item;
    size_t i;

    out_text[0] = '\0';
    json_array_foreach((json_t *)list, i, item) { /* the macro takes no const; it only reads */
        append(out_text, "%s%.63s", i > 0 ? " " : "",
               json_is_string(item) ? bw_json_shown(item) : "?");
    }
    if (out_text[0] == '\0')
        append(out_text, "-");
}

/* "6 days ago" of an RFC 3339 time; false: it is none. */
static bool format_age(const char *time_text, int64_t now_unix_ms, char out_text[CELL_BYTES])
{
    struct tm parts = {0};
    int64_t seconds;

    if (strptime(time_text, "%Y-%m-%dT%H:%M:%S", &parts) == NULL)
        return false;
    seconds = now_unix_ms / 1000 - (int64_t)timegm(&parts);
    out_text[0] = '\0';
    append(out_text, "%s ago", bw_passed(seconds));
    return true;
}

/* ---- status ---- */

static bool is_word(const json_t *object, const char *key, const char *word)
{
    return strcmp(bw_json_member(object, key), word) == 0;
}

static void describe_service(const json_t *site, char out_text[CELL_BYTES])
{
    const json_t *readiness = json_object_get(site, "readiness");
    const json_t *steps = json_object_get(site, "steps"); /* while they run */

    out_text[0] = '\0';
    if (is_word(steps, "action", "start") || is_word(steps, "action", "stop"))
        append(out_text, "%s (probe: %s)", is_word(steps, "action", "start") ? "starting" : "stopping",
               bw_json_member(site, "service"));
    else
        append(out_text, "%s", bw_json_member(site, "service"));
    if (bw_json_truth(site, "connected") && !bw_json_truth(site, "guard")) {
        append(out_text, " (last known)");
        return;
    }
    if (json_is_integer(json_object_get(readiness, "lag_ms")) && !is_word(site, "role", "primary")) {
        char lag[BW_SECONDS_BYTES];

        append(out_text, ", %s %s", bw_json_has(json_object_get(site, "blocked_by"), bw_gate_word(BW_GATE_ID_LAG_UNKNOWN)) ? "last lag" : "lag",
               bw_seconds(bw_json_number(readiness, "lag_ms"), lag));
    }
    if (json_is_object(readiness) && !bw_json_truth(readiness, "ready"))
        append(out_text, ", not ready");
}

static void add_site(struct table *table, const json_t *group, const json_t *site)
{
    const bool is_primary = strcmp(bw_json_member(site, "role"), "primary") == 0;
    const bool is_closing = is_word(group, "phase", bw_phase_word(BW_PHASE_CLOSING)); /* then no site may run */
    char service[CELL_BYTES];
    char left[BW_SECONDS_BYTES];
    char lease[48] = "-";
    char blocked_by[CELL_BYTES];
    char name[BW_NAME_MAX + 1];

    (void)snprintf(name, sizeof name, "%.63s", bw_json_member(site, "name"));
    describe_service(site, service);
    join(json_object_get(site, "blocked_by"), blocked_by);
    if (is_primary && json_is_integer(json_object_get(group, "lease_remaining_ms"))) {
        (void)snprintf(lease, sizeof lease, "%s left",
                       bw_seconds(bw_json_number(group, "lease_remaining_ms"), left));
    } else if (is_primary && json_is_integer(json_object_get(json_object_get(group, "end"), "lease_may_live_ms"))) {
        const int64_t most_ms = bw_json_number(json_object_get(group, "end"), "lease_may_live_ms");

        (void)snprintf(lease, sizeof lease, "%s%s", most_ms > 0 ? bw_seconds(most_ms, left) : "expired", most_ms > 0 ? " left at most" : "");
    } else if (is_primary) {
        (void)snprintf(lease, sizeof lease, "unknown");
    }
    add_row(table, 6,
                 (const char *const[]){name, is_primary && is_closing ? "ending" : is_primary ? "primary" : "standby", service, lease,
                                       is_primary                         ? "-"
                                       : bw_json_truth(site, "eligible") ? "yes"
                                                                          : "no",
                                       is_primary ? "-" : blocked_by});
}

static void warn_of_clocks(const json_t *site, struct bw_verdict *verdict)
{
    const json_t *rate = json_object_get(site, "clock_rate");
    const char *word = bw_json_member(rate, "verdict");
    const bool is_slow = strcmp(word, "slow") == 0;
    static const struct bw_remedy slow = {.effect = "SITE may still serve while another site starts: split-brain"};
    static const struct bw_remedy fast = {.effect = "SITE ends its lease too early: a needless outage"};

    if (!is_slow && strcmp(word, "fast") != 0)
        return;
    bw_warn(verdict, BW_TROUBLE_CLOCK_RATE, bw_json_member(site, "name"), is_slow ? &slow : &fast,
            "%s: its clock is at least %" PRId64 " ppm too %s compared with %s, limit %" PRId64 " ppm",
            bw_json_member(site, "name"),
            is_slow ? -bw_json_number(rate, "upper_ppm") : bw_json_number(rate, "lower_ppm"), word, verdict->answered_by,
            is_slow ? -bw_json_number(rate, "lower_limit_ppm") : bw_json_number(rate, "upper_limit_ppm"));
}

/* "expires in 12 days". */
static void format_end(json_int_t left_s, char out_text[CELL_BYTES])
{
    out_text[0] = '\0';
    if (left_s == 0)
        append(out_text, "has expired");
    else if (left_s >= 2 * DAY_S)
        append(out_text, "expires in %" PRId64 " days", (int64_t)(left_s / DAY_S));
    else if (left_s >= 2 * HOUR_S)
        append(out_text, "expires in %" PRId64 " hours", (int64_t)(left_s / HOUR_S));
    else
        append(out_text, "expires in %" PRId64 " min", (int64_t)((left_s + 59) / 60));
}

/* Design 3.8: as the log does, from BW_CERTIFICATE_ENDS_DAYS before. `effect`: of its end; NULL: what the list says. */
static void warn_of_certificate(const char *whose, const json_t *left_s, const char *effect,
                                struct bw_verdict *verdict)
{
    static const char replaced_fix[] = "see whether the file was replaced by one that the next start would refuse; on "
                                       "SITE:\nbreakwater check FILE\n"
                                       "If it has expired, renew it on the machine with the CA:\n"
                                       "breakwater pki renew --dir DIR FILE";
    const json_int_t left = json_integer_value(left_s);
    char end[CELL_BYTES];

    if (!json_is_integer(left_s) || left >= WARN_S)
        return;
    format_end(left, end);
    bw_warn(verdict, BW_TROUBLE_CERTIFICATE_ENDS, whose,
            &(struct bw_remedy){.effect = effect, .fix = left <= 1 ? replaced_fix : NULL}, "%s: its certificate %s%s", whose, end,
            left <= 1 ? ", or its file was replaced by an unusable one" : "");
}

/* Of whom asks: no witness knows it as an alarm, since it is nobody's but his. */
static void warn_of_caller(const json_t *status, struct bw_verdict *verdict)
{
    const json_t *caller = json_object_get(status, "caller");
    const json_t *left_s = json_object_get(caller, "certificate_left_s");
    char end[CELL_BYTES];

    if (!json_is_integer(left_s) || json_integer_value(left_s) >= WARN_S)
        return;
    format_end(json_integer_value(left_s), end);
    bw_verdict_worsen(verdict, BW_EXIT_WARNINGS);
    (void)fprintf(verdict->out,
                  "! your own certificate, %s/%s, %s\n"
                  "  effect:  then the witnesses reject your commands\n"
                  "  fix:     on the machine with the CA:\n"
                  "           breakwater pki renew --dir DIR %s\n",
                  bw_json_member(caller, "role"), bw_json_member(caller, "name"), end,
                  bw_json_member(caller, "file"));
}

/* While an epoch is open there: what would end its service if its machine were lost does not count.
 */
static void warn_of_second(const json_t *group, const json_t *site, struct bw_verdict *verdict)
{
    const char *word = bw_json_member(site, "second_enforcer");
    const char *phase = bw_json_member(group, "phase");
    const bool is_open = strcmp(phase, bw_phase_word(BW_PHASE_GRANTED)) == 0 ||
                         strcmp(phase, bw_phase_word(BW_PHASE_REVOKING)) == 0;

    if (!is_open || strcmp(bw_json_member(site, "role"), "primary") != 0 || word[0] == '\0' ||
        (strcmp(word, bw_second_word(BW_SECOND_IS_UNTESTED)) == 0 &&
         strcmp(bw_json_member(site, "reach_seen"), bw_reach_seen_word(BW_REACH_INSIDE)) == 0) ||
        strcmp(word, bw_second_word(BW_SECOND_IS_NONE)) == 0 ||
        strcmp(word, bw_second_word(BW_SECOND_IS_SEEN)) == 0)
        return;
    bw_warn(verdict, BW_TROUBLE_SECOND_ENFORCER_LOST, bw_json_member(site, "name"), NULL, "%s: %s",
            bw_json_member(site, "name"), bw_second_text(word));
}

/* One that was only asked for serves nothing yet; one that ends is adopted by nobody, nor is one while the group is
 * observed. */
static void warn_of_override(const json_t *group, const json_t *site, struct bw_verdict *verdict)
{
    static const char end[] = "to end it, on SITE:\nbreakwater override GROUP -c /etc/breakwater/site.yaml --stop";
    static const struct bw_remedy waiting = {
        .effect = "SITE will serve without a lease after every other lease has expired",
        .fix = "to cancel it, on SITE:\nbreakwater override GROUP -c /etc/breakwater/site.yaml --stop"};
    static const struct bw_remedy ending = {
        .effect = "no site but SITE can become primary until the guard of SITE confirms the stop",
        .fix = "wait; the fence is retried. On SITE:\njournalctl -u breakwater-guard"};
    static const struct bw_remedy observed = {.effect = "while the group is unmanaged, no site becomes primary", .fix = end};
    static const struct bw_remedy serving = {.effect = "SITE becomes primary after every other site has stopped (if the "
                                                       "group is paused: not before; in mode manual: by a failover)",
                                             .fix = end};
    const char *word = bw_json_member(site, "override");
    const char *of = bw_json_member(site, "name");

    if (strcmp(word, bw_override_word(BW_OVERRIDE_WAITING)) == 0)
        bw_warn(verdict, BW_TROUBLE_OVERRIDE, of, &waiting, "%s: an OVERRIDE was requested and waits", of);
    else if (strcmp(word, bw_override_word(BW_OVERRIDE_ENDING)) == 0)
        bw_warn(verdict, BW_TROUBLE_OVERRIDE, of, &ending, "%s: its OVERRIDE ends: the guard there fences the service", of);
    else
        bw_warn(verdict, BW_TROUBLE_OVERRIDE, of,
                strcmp(bw_json_member(group, "mode"), bw_mode_word(BW_MODE_OBSERVE)) == 0 ? &observed : &serving,
                "%s: may serve without a lease (operator OVERRIDE)", of);
}

/* For an alarm that follows from the end that needs an operator: its own fix waits. */
static const struct bw_remedy blocked = {.see = "manual_action_required"};

/* Why it cannot show that it serves; what its scripts have printed is in what bw_site_facts prints. */
static void warn_of_health(const json_t *site, struct bw_verdict *verdict)
{
    static const struct {
        enum bw_unhealthy why;
        const char *text;
    } whys[] = {
        {BW_UNHEALTHY_UNKNOWN, "status_script does not report whether the service runs"},
        {BW_UNHEALTHY_UNHEALTHY, "status_script reports that the service runs but does not work"},
        {BW_UNHEALTHY_CONDITION, "condition_check_script says stop"},
    };
    const json_t *unhealthy = json_object_get(site, "unhealthy");
    const char *of = bw_json_member(site, "name");

    if (bw_find_alarm(verdict->alarms, BW_TROUBLE_UNHEALTHY, of) == NULL)
        return;
    for (size_t i = 0; i < sizeof whys / sizeof whys[0]; i++)
        if (strcmp(bw_unhealthy_word(whys[i].why), bw_json_member(unhealthy, "why")) == 0)
            bw_warn(verdict, BW_TROUBLE_UNHEALTHY, of, verdict->needs_operator ? &blocked : NULL, "%s: the primary %s show that it %s: %s", of,
                    verdict->needs_operator ? "could not" : "cannot", verdict->needs_operator ? "served" : "serves", whys[i].text);
}

static void warn_of_site(const json_t *group, const json_t *site, struct bw_verdict *verdict)
{
    static const struct bw_remedy unsure = {.effect = "users may have no service"};
    static const struct bw_remedy unknown = {.see = "status_unknown"};
    static const struct bw_remedy starting = {.see = "its start"};
    const bool is_primary = strcmp(bw_json_member(site, "role"), "primary") == 0;
    json_t *alarm;
    size_t i;

    json_array_foreach(json_object_get(site, "alarms"), i, alarm) {
        enum bw_trouble trouble;

        if (!bw_trouble_parse(bw_json_shown(alarm), &trouble)) { /* of a newer witness */
            bw_verdict_worsen(verdict, BW_EXIT_WARNINGS);
            (void)fprintf(verdict->out, "! %s: alarm %s\n", bw_json_member(site, "name"), bw_json_shown(alarm));
        } else if (trouble == BW_TROUBLE_OVERRIDE)
            warn_of_override(group, site, verdict);
        else if (is_primary && verdict->needs_operator) /* to be repaired after the group serves again */
            bw_warn(verdict, trouble, bw_json_member(site, "name"), &blocked, "%s: %s", bw_json_member(site, "name"),
                    bw_trouble_text(trouble)->what);
        else if (!bw_site_alarm_is_fact(group, site, trouble))
            bw_warn_as_listed(verdict, trouble, bw_json_member(site, "name"));
    }
    bw_tell_of_steps(site, verdict->out);
    bw_tell_of_failures(site, true, "", verdict->out);
    bw_warn_of_restarts(site, verdict);
    if (strcmp(bw_json_member(group, "mode"), "observe") == 0 &&
        !bw_json_truth(site, "group_unknown") && json_is_false(json_object_get(site, "let_go")))
        bw_warn(verdict, BW_TROUBLE_NOT_LET_GO, bw_json_member(site, "name"), NULL,
                "%s: %s", bw_json_member(site, "name"),
                bw_json_truth(site, "connected") ? "has not released the service to manual control yet"
                                                 : "has not reported that it released the service to manual control");
    if (!bw_json_truth(site, "connected")) {
        if (bw_json_truth(site, "group_unknown"))
            bw_warn(verdict, BW_TROUBLE_GROUP_UNKNOWN, bw_json_member(site, "name"), NULL,
                    "%s: its agent is connected, but its site.yaml has no group %s", bw_json_member(site, "name"),
                    bw_json_member(group, "name"));
        else if (json_is_integer(json_object_get(site, "last_seen_ms")))
            bw_warn(verdict, BW_TROUBLE_NOT_CONNECTED, bw_json_member(site, "name"), NULL,
                    "%s: not connected, last report %" PRId64 " s ago", bw_json_member(site, "name"),
                    bw_json_number(site, "last_seen_ms") / 1000);
        else
            bw_warn(verdict, BW_TROUBLE_NOT_CONNECTED, bw_json_member(site, "name"), NULL,
                    "%s: not connected, never reported to this witness", bw_json_member(site, "name"));
        return;
    }
    if (bw_json_truth(site, "several_agents"))
        bw_warn_as_listed(verdict, BW_TROUBLE_SEVERAL_AGENTS, bw_json_member(site, "name"));
    else if (!bw_json_truth(site, "guard"))
        bw_warn_as_listed(verdict, BW_TROUBLE_GUARD_LOST, bw_json_member(site, "name"));
    if (bw_find_alarm(verdict->alarms, BW_TROUBLE_RELAYED, json_string_value(json_object_get(site, "name"))) != NULL)
        bw_warn(verdict, BW_TROUBLE_RELAYED, bw_json_member(site, "name"), NULL,
                "%s: no direct connection to %s, only through another witness", bw_json_member(site, "name"),
                verdict->answered_by);
    if (is_primary &&
        bw_find_alarm(verdict->alarms, BW_TROUBLE_REACH_UNPROVED, json_string_value(json_object_get(site, "name"))) != NULL)
        bw_warn_as_listed(verdict, BW_TROUBLE_REACH_UNPROVED, bw_json_member(site, "name"));
    warn_of_second(group, site, verdict);
    bw_site_facts(group, site, verdict->out);
    warn_of_clocks(site, verdict);
    warn_of_certificate(bw_json_member(site, "name"), json_object_get(site, "certificate_left_s"),
                        "after that, SITE cannot renew a lease; a service that runs there is fenced", verdict);
    if (is_primary && strcmp(bw_json_member(site, "service"), "started") != 0)
        bw_warn(verdict, BW_TROUBLE_NOT_SERVING, bw_json_member(site, "name"),
                verdict->needs_operator                                                        ? &blocked
                : json_is_object(json_object_get(site, "steps"))                                       ? &starting
                : bw_json_has(json_object_get(site, "alarms"), bw_trouble_word(BW_TROUBLE_STATUS_UNKNOWN)) ? &unknown
                : strcmp(bw_json_member(site, "service"), "unknown") == 0                       ? &unsure
                                                                                                : NULL,
                "%s: %s primary (epoch %" PRId64 "), and its service is %s", bw_json_member(site, "name"),
                is_word(group, "phase", bw_phase_word(BW_PHASE_CLOSING)) ? "was" : "is", bw_json_number(group, "epoch"),
                bw_json_member(site, "service"));
    warn_of_health(site, verdict);
}

static void print_outlook(const json_t *status, const json_t *group, int64_t now_unix_ms, FILE *out)
{
    const json_t *last = json_object_get(group, "last");
    const char *previous = bw_json_member(last, "previous_site");
    char age[CELL_BYTES];

    bw_print_failover(status, group, out);
    if (json_is_object(last) && format_age(bw_json_member(last, "time"), now_unix_ms, age))
        (void)fprintf(out, "   Last change: %s, %s%s%s, %s.", age, previous,
                      previous[0] != '\0' ? " -> " : "", bw_json_member(last, "site"),
                      bw_reason_of(last));
    (void)fputc('\n', out);
    bw_show_next(json_object_get(group, "next"), out);
}

#define MAINTENANCE_ENDS_SOON_MS (10 * 60 * 1000)

/* Of the group as a whole (site NULL), or of one site of it: it ends by itself, and not by
 * surprise. */
static void warn_of_maintenance(const json_t *of, const char *group, const char *site,
                                struct bw_verdict *verdict)
{
    const int64_t left_ms = bw_json_number(of, "maintenance_left_ms");
    char left[BW_DURATION_TEXT_BYTES];
    char fix[BW_NAME_MAX + 96];

    if (left_ms <= 0)
        return;
    (void)snprintf(fix, sizeof fix, "to extend it:\nbreakwater maintenance GROUP%s%s --for DURATION",
                   site != NULL ? " --site " : "", site != NULL ? site : "");
    bw_duration_format(
        left_ms < UINT32_MAX - 1000 ? (uint32_t)((left_ms + 999) / 1000 * 1000) : UINT32_MAX, left);
    if (left_ms > MAINTENANCE_ENDS_SOON_MS)
        (void)fprintf(verdict->out, "%s%s%s is in maintenance for another %s.\n", group,
                      site != NULL ? ": " : "", site != NULL ? site : "", left);
    else
        bw_warn(verdict, BW_TROUBLE_MAINTENANCE_ENDS, NULL, &(struct bw_remedy){.fix = fix},
                "%s%s%s is in maintenance, which ends in %s", group, site != NULL ? ": " : "", site != NULL ? site : "", left);
}

static void warn_of_maintenances(const json_t *group, const char *name, struct bw_verdict *verdict)
{
    json_t *site;
    size_t i;

    warn_of_maintenance(group, name, NULL, verdict);
    json_array_foreach(json_object_get(group, "sites"), i, site)
    {
        warn_of_maintenance(site, name, bw_json_member(site, "name"), verdict);
    }
}

void bw_show_way(const json_t *next, const json_t *end, FILE *out)
{
    const char *way = bw_json_member(next, "suggested_command");

    if (way[0] != '\0' && strcmp(way, bw_json_member(end, "suggested_command")) != 0)
        (void)fprintf(out, "  an operator can:  %s\n", way);
}

/* Then no lag is known of a site that could follow, and `on_lag` decides. */
static void tell_of_unmeasured(const json_t *group, FILE *out)
{
    json_t *site;
    size_t i;

    json_array_foreach(json_object_get(group, "sites"), i, site)
    {
        if (json_is_object(json_object_get(site, "readiness")))
            return;
    }
    json_array_foreach(json_object_get(group, "sites"), i, site)
    {
        const json_t *blocked_by = json_object_get(site, "blocked_by");

        if (!bw_json_has(blocked_by, bw_gate_word(BW_GATE_ID_LAG_UNKNOWN)) &&
            !bw_json_has(blocked_by, bw_gate_word(BW_GATE_ID_LAG)))
            continue;
        (void)fputs("  No connected site has a readiness_script, so the lag is unknown. Add one to site.yaml of each site.\n"
                    "  Only if each later failover may lose data, set on_lag: allow in groups.yaml:\n"
                    "           breakwater apply -f groups.yaml\n",
                    out);
        return;
    }
}

/* The worst that can be, whoever may serve among them. */
static void warn_of_several(const json_t *group, const char *name, struct bw_verdict *verdict)
{
    char where[BW_SITES_MAX * (BW_NAME_MAX + 2)] = "";
    size_t used = 0;
    int count = 0;
    json_t *site;
    size_t i;

    json_array_foreach(json_object_get(group, "sites"), i, site)
    {
        if (!bw_json_truth(site, "connected") || !is_word(site, "service", "started"))
            continue;
        used += (size_t)snprintf(where + used, used < sizeof where ? sizeof where - used : 0,
                                 "%s%s", count++ > 0 ? ", " : "", bw_json_member(site, "name"));
        if (used >= sizeof where)
            break; /* names that no spec has */
    }
    if (count > 1)
        bw_warn(verdict, BW_TROUBLE_SEVERAL_SERVE, NULL, NULL,
                "%s: split-brain: the service runs at %d sites: %s", name, count, where);
}

/* By time, or once a fence from another site has seen the end; where only a person ends it that is said
 * elsewhere, and an older witness does not say who follows the fence. */
static bool may_follow(const json_t *group)
{
    const json_t *failover = json_object_get(group, "failover");
    const json_t *end = json_object_get(group, "end");

    if (!json_is_false(json_object_get(end, "by_time")))
        return bw_json_truth(failover, "possible");
    return bw_json_member(end, "remote_fence")[0] == '\0' ||
           !json_is_null(json_object_get(failover, "after_fence"));
}

/* A site with a claim that is connected has a line of its own (warn_of_override). */
static void warn_of_claims(const json_t *group, const char *name, struct bw_verdict *verdict)
{
    static const char effect[] = "no other site becomes primary until SITE reports that it has stopped";
    static const struct bw_remedy too_many = {
        .effect = "no site becomes primary until each claim has ended",
        .fix = "for each site that is off:\nbreakwater confirm-fenced GROUP --site SITE"};
    static const struct bw_remedy outside = {
        .effect = effect,
        .fix = "apply a spec that has SITE:\nbreakwater apply -f groups.yaml\n"
               "or, if its machine is off:\nbreakwater confirm-fenced GROUP --site SITE"};
    static const struct bw_remedy away = {
        .effect = effect,
        .fix = "reconnect SITE; or, if its machine is off:\nbreakwater confirm-fenced GROUP --site SITE"};
    json_t *claim;
    size_t i;

    json_array_foreach(json_object_get(group, "claims"), i, claim)
    {
        char site[BW_NAME_MAX + 1];

        (void)snprintf(site, sizeof site, "%s", bw_json_member(claim, "site"));
        if (site[0] == '\0')
            bw_warn(verdict, BW_TROUBLE_OVERRIDE, NULL, &too_many, "%s: more sites claim to serve than a group can have", name);
        else if (is_word(claim, "claim", bw_claim_kind_word(BW_CLAIM_AHEAD)))
            bw_warn(verdict, BW_TROUBLE_DECISIONS_LOST, site, NULL,
                    "%s: reports a decision about %s that the witnesses have lost", site, name);
        else if (is_word(claim, "claim", bw_claim_kind_word(BW_CLAIM_OUTSIDE)))
            bw_warn(verdict, BW_TROUBLE_OVERRIDE, site, &outside, "%s: may serve, but is not in the spec of %s", site, name);
        else if (!bw_json_truth(bw_json_find(json_object_get(group, "sites"), "name", site), "connected"))
            bw_warn(verdict, BW_TROUBLE_OVERRIDE, site, &away, "%s: may serve: it reported an OVERRIDE, and is not connected",
                    site);
    }
}

static void warn_of_group(const json_t *group, struct bw_verdict *verdict)
{
    static const struct bw_remedy paused = {.see = "the pause"};
    const bool is_observed = is_word(group, "mode", "observe");
    char name[BW_NAME_MAX + 1]; /* what bw_json_member gives is gone after sixteen more */

    (void)snprintf(name, sizeof name, "%s", bw_json_member(group, "name"));
    warn_of_several(group, name, verdict);
    warn_of_claims(group, name, verdict);
    bw_warn_of_end(group, verdict);
    warn_of_maintenances(group, name, verdict);
    bw_tell_mode(group, name, verdict->out);
    if (is_observed)
        return;
    bw_tell_data_behind(group, name, verdict->out);
    if (!bw_group_is_open(group)) {
        bw_warn(verdict, BW_TROUBLE_NO_ACTIVE_SITE, NULL,
                verdict->needs_operator                                  ? &blocked
                : is_word(group, "mode", bw_mode_word(BW_MODE_PAUSED)) ? &paused
                                                                         : NULL,
                "%s: no site is primary", name);
        bw_verdict_worsen(verdict, BW_EXIT_NO_SITE); /* also where somebody knows: it is so */
        if (!is_word(group, "mode", bw_mode_word(BW_MODE_PAUSED))) /* bw_tell_mode has the ways */
            bw_show_way(json_object_get(group, "next"), json_object_get(group, "end"), verdict->out);
    } else if (is_word(group, "mode", "auto") && !may_follow(group)) {
        bw_warn_as_listed(verdict, BW_TROUBLE_NO_FAILOVER, NULL);
        tell_of_unmeasured(group, verdict->out);
    }
}

static void print_group(const json_t *status, const json_t *group, int64_t now_unix_ms,
                        struct bw_verdict *verdict)
{
    const json_t *wish = json_object_get(group, "request");
    const char *target = bw_json_member(group, "target");
    const enum bw_exit before = verdict->exit;
    char state[BW_STATE_TEXT_BYTES];
    struct table table = {0};
    json_t *site;
    size_t i;

    (void)fprintf(verdict->out, "\nGROUP %s   state %s   epoch %" PRId64 "   mode %s   reason %s\n",
                  bw_json_member(group, "name"), bw_state_text(group, state), bw_json_number(group, "epoch"),
                  bw_mode_text(group), bw_reason_of(group));
    bw_print_service(group, bw_json_member(status, "leader")[0] == '\0' ? verdict->answered_by : NULL, verdict->out);
    if (target[0] != '\0' && !is_word(group, "mode", bw_mode_word(BW_MODE_PAUSED)))
        (void)fprintf(verdict->out, is_word(group, "phase", bw_phase_word(BW_PHASE_CLOSING)) ? "Move to %s, after a confirmed stop.\n"
                                                                                              : "Move to %s in progress.\n", target);
    if (json_is_object(wish))
        (void)fprintf(verdict->out, "Requested by %s: %s%s%s%s.\n", bw_json_member(wish, "by"),
                      bw_json_member(wish, "kind"),
                      bw_json_member(wish, "to")[0] == '\0'                        ? ""
                      : strcmp(bw_json_member(wish, "kind"), "force-release") == 0 ? " of "
                                                                                   : " to ",
                      bw_json_member(wish, "to"),
                      bw_json_number(wish, "index") == 0 ? "; a change of leader cancels it" : "");
    add_row(&table, 6,
                 (const char *const[]){"SITE", "ROLE", "SERVICE", "LEASE", "ELIGIBLE", "BLOCKED BY"});
    json_array_foreach(json_object_get(group, "sites"), i, site) {
        add_site(&table, group, site);
    }
    print_table(&table, verdict->out);
    print_outlook(status, group, now_unix_ms, verdict->out);
    verdict->alarms = json_object_get(group, "alarms");
    verdict->group = group;
    verdict->needs_operator = false;
    verdict->exit = BW_EXIT_FINE; /* this group's own, first */
    warn_of_group(group, verdict);
    json_array_foreach(json_object_get(group, "sites"), i, site) {
        warn_of_site(group, site, verdict);
    }
    bw_verdict_worsen(verdict, before);
}

void bw_print_unreached(const char *from, const char *to, const json_t *unreached, FILE *out)
{
    (void)fprintf(out, "%s cannot connect to %s at %s, for %" PRId64 " s: %s\n", from, to,
                  bw_json_member(unreached, "raft_address"), bw_json_number(unreached, "since_ms_ago") / 1000,
                  bw_json_member(unreached, "why"));
}

/* Why the witness that answers cannot connect to that one; "": it can, or has not tried. */
static const char *why_unreached(const json_t *status, const json_t *member)
{
    const json_t *self = bw_json_find(json_object_get(status, "witnesses"), "name", bw_json_member(status, "answered_by"));

    return bw_json_member(bw_json_find(json_object_get(self, "unreached"), "name", bw_json_member(member, "name")), "why");
}

static void print_witnesses(const json_t *status, struct bw_verdict *verdict)
{
    static const struct bw_remedy unreached_fix = {.fix = "repair what the line above names. If WITNESS is down, on WITNESS:\n"
                                                          "systemctl start breakwater-witness\n"
                                                          "If WITNESS is lost for good:\nbreakwater members replace WITNESS NEW"};
    static const struct bw_remedy replace = {.fix = "create a witness with a new id in its place (breakwater-members(1)), then:\n"
                                                    "breakwater members replace WITNESS NEW"};
    struct table table = {0};
    json_t *member;
    size_t i;

    (void)fputc('\n', verdict->out);
    add_row(&table, 5, (const char *const[]){"WITNESS", "ID", "ZONE", "ROLE", "REACHES"});
    json_array_foreach(json_object_get(status, "witnesses"), i, member) {
        const char *zone = bw_json_member(member, "failure_domain");
        char id[24];
        char hears[CELL_BYTES] = "unknown";

        (void)snprintf(id, sizeof id, "%" PRId64, bw_json_number(member, "id"));
        if (json_is_array(json_object_get(member, "reaches")))
            join(json_object_get(member, "reaches"), hears);
        add_row(&table, 5,
                     (const char *const[]){bw_json_member(member, "name"), id,
                                           zone[0] != '\0' ? zone : "-",
                                           bw_json_member(member, "role"), hears});
    }
    print_table(&table, verdict->out);
    json_array_foreach(json_object_get(status, "witnesses"), i, member) {
        json_t *unreached;
        size_t j;

        json_array_foreach(json_object_get(member, "unreached"), j, unreached)
            bw_print_unreached(bw_json_member(member, "name"), bw_json_member(unreached, "name"), unreached, verdict->out);
    }
    verdict->alarms = json_object_get(status, "alarms");
    verdict->group = NULL;
    json_array_foreach(json_object_get(status, "witnesses"), i, member) {
        verdict->group = member;
        warn_of_certificate(bw_json_member(member, "name"),
                            json_object_get(member, "certificate_left_s"), NULL, verdict);
        if (json_is_true(json_object_get(member, "disk_low")))
            bw_warn_as_listed(verdict, BW_TROUBLE_DISK_LOW, bw_json_member(member, "name"));
        if (json_is_true(json_object_get(member, "people_not_applied")))
            bw_warn_as_listed(verdict, BW_TROUBLE_PEOPLE_NOT_APPLIED, bw_json_member(member, "name"));
        if (json_is_integer(json_object_get(member, "decided_index")))
            bw_warn(verdict, BW_TROUBLE_DECISIONS_LOST, bw_json_member(member, "name"), NULL,
                    "%s: has the committed log entry %" PRId64
                    ", which the leader lacks: another witness has lost part of its log",
                    bw_json_member(member, "name"), bw_json_number(member, "decided_index"));
        if (json_is_false(json_object_get(member, "heard")) && strstr(why_unreached(status, member), BW_HELLO_FOREIGN) != NULL)
            bw_warn(verdict, BW_TROUBLE_WITNESS_LOST, bw_json_member(member, "name"), &replace,
                    "%s: the witness was created for another cluster", bw_json_member(member, "name"));
        else if (json_is_false(json_object_get(member, "heard")))
            bw_warn(verdict, BW_TROUBLE_WITNESS_LOST, bw_json_member(member, "name"),
                    why_unreached(status, member)[0] != '\0' ? &unreached_fix : NULL, "%s (%s) cannot reach the witness %s",
                    bw_json_member(status, "answered_by"), bw_json_truth(status, "leads") ? "leader" : "not the leader",
                    bw_json_member(member, "name"));
    }
    verdict->group = NULL;
    bw_warn_of_reach(status, verdict);
}

static void print_cluster(const json_t *status, FILE *out)
{
    const json_t *quorum = json_object_get(status, "quorum");
    char leader[BW_NAME_MAX + 1];
    const char *zone;

    (void)snprintf(leader, sizeof leader, "%.63s", bw_json_member(status, "leader"));
    zone = bw_json_member(bw_json_find(json_object_get(status, "witnesses"), "name", leader),
                          "failure_domain");
    (void)fprintf(out, "CLUSTER %s   leader %s", bw_json_member(status, "cluster"),
                  leader[0] != '\0' ? leader : "unknown");
    if (zone[0] != '\0')
        (void)fprintf(out, " (%s)", zone);
    (void)fprintf(out, "   term %" PRId64, bw_json_number(status, "term"));
    if (json_is_integer(json_object_get(quorum, "have")))
        (void)fprintf(out, "   quorum %" PRId64 " of %" PRId64 "\n", bw_json_number(quorum, "have"),
                      bw_json_number(quorum, "of"));
    else
        (void)fprintf(out, "   as reported by %s (not the leader)\n",
                      bw_json_member(status, "answered_by"));
    if (leader[0] == '\0')
        (void)fputs("! no leader is known\n"
                    "  effect:  no lease is renewed; a primary stops its service when its lease ends\n"
                    "  fix:     start the missing witnesses, or repair the network between the witnesses\n",
                    out);
}

/* Who is limited to some groups is told so: what is not shown may be there. */
static void print_limits(const json_t *status, FILE *out)
{
    json_t *names = json_object_get(status, "limited_to");
    json_t *name;
    size_t i;

    if (!json_is_array(names))
        return;
    (void)fputs("This certificate may see only the groups:", out);
    json_array_foreach(names, i, name) {
        (void)fprintf(out, "%s %s", i > 0 ? "," : "", bw_json_shown(name));
    }
    (void)fputc('\n', out);
}

enum bw_exit bw_show_status(const json_t *status, const char *group, int64_t now_unix_ms,
                             FILE *out)
{
    struct bw_verdict verdict = {.exit = BW_EXIT_FINE};
    json_t *groups = json_object_get(status, "groups");
    struct bw_wrapped wrapped;
    char answered_by[BW_NAME_MAX + 1];
    json_t *one;
    size_t i;

    bw_wrap_begin(&wrapped, out);
    out = wrapped.stream;
    verdict.out = out;
    (void)snprintf(answered_by, sizeof answered_by, "%s", bw_json_member(status, "answered_by"));
    verdict.answered_by = answered_by;
    print_cluster(status, out);
    print_limits(status, out);
    json_array_foreach(groups, i, one) {
        if (group == NULL || strcmp(bw_json_member(one, "name"), group) == 0)
            print_group(status, one, now_unix_ms, &verdict);
    }
    if (json_array_size(groups) == 0 && json_is_array(json_object_get(status, "limited_to")))
        (void)fputs("\nNone of these groups is there yet\n", out);
    else if (json_array_size(groups) == 0)
        (void)fputs("\nNo groups yet; next: breakwater apply -f groups.yaml\n", out);
    print_witnesses(status, &verdict);
    warn_of_caller(status, &verdict);
    bw_wrap_end(&wrapped);
    return verdict.exit;
}
