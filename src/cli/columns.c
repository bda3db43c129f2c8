#include "columns.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/utf8.h>
#include <breakwater/config/scalar.h>
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

    out_text[0] = '\0';
    append(out_text, "%s", bw_json_member(site, "service"));
    if (json_is_integer(json_object_get(readiness, "lag_ms"))) {
        char lag[BW_SECONDS_BYTES];

        append(out_text, ", lag %s", bw_seconds(bw_json_number(readiness, "lag_ms"), lag));
    }
    if (json_is_object(readiness) && !bw_json_truth(readiness, "ready"))
        append(out_text, ", not ready");
}

static void add_site(struct table *table, const json_t *group, const json_t *site)
{
    const bool is_primary = strcmp(bw_json_member(site, "role"), "primary") == 0;
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
    } else if (is_primary) {
        (void)snprintf(lease, sizeof lease, "unknown");
    }
    add_row(table, 6,
                 (const char *const[]){name, is_primary ? "primary" : "standby", service, lease,
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

    if (!is_slow && strcmp(word, "fast") != 0)
        return;
    bw_warn(verdict, bw_trouble_word(BW_TROUBLE_CLOCK_RATE), bw_json_member(site, "name"),
            "%s: its clocks run %s against those of the witness that answered: %+" PRId64
            " to %+" PRId64 " ppm, allowed are %+" PRId64 " to %+" PRId64 "%s",
            bw_json_member(site, "name"), word, bw_json_number(rate, "lower_ppm"),
            bw_json_number(rate, "upper_ppm"), bw_json_number(rate, "lower_limit_ppm"),
            bw_json_number(rate, "upper_limit_ppm"),
            is_slow ? "; a lease of it may last longer than is waited for" : "");
}

/* "ends in 12 days". */
static void format_end(json_int_t left_s, char out_text[CELL_BYTES])
{
    out_text[0] = '\0';
    if (left_s == 0)
        append(out_text, "has ended");
    else if (left_s >= 2 * DAY_S)
        append(out_text, "ends in %" PRId64 " days", (int64_t)(left_s / DAY_S));
    else if (left_s >= 2 * HOUR_S)
        append(out_text, "ends in %" PRId64 " hours", (int64_t)(left_s / HOUR_S));
    else
        append(out_text, "ends in %" PRId64 " min", (int64_t)((left_s + 59) / 60));
}

/* Design 3.8: as the log does, from 30 days before. `then`: what its end comes to. */
static void warn_of_certificate(const char *whose, const json_t *left_s, const char *then,
                                struct bw_verdict *verdict)
{
    const json_int_t left = json_integer_value(left_s);
    char end[CELL_BYTES];

    if (!json_is_integer(left_s) || left >= WARN_S)
        return;
    format_end(left, end);
    bw_warn(verdict, bw_trouble_word(BW_TROUBLE_CERTIFICATE_ENDS), whose,
            "%s: its certificate %s%s%s", whose, end,
            left <= 1 ? ", or its file was replaced by one that the next start would refuse (breakwater check FILE, there)" : "",
            left < DAY_S ? then : "");
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
                  "  where the CA is:  breakwater pki renew --dir DIR %s\n",
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
        strcmp(word, bw_second_word(BW_SECOND_IS_NONE)) == 0 ||
        strcmp(word, bw_second_word(BW_SECOND_IS_SEEN)) == 0)
        return;
    bw_warn(verdict, bw_trouble_word(BW_TROUBLE_SECOND_ENFORCER_LOST), bw_json_member(site, "name"),
            "%s: its second enforcer is not counted on: %s", bw_json_member(site, "name"), word);
}

/* Asked for it serves nothing by that yet, and what ends is adopted by nobody; nor is it while the group is
 * observed. */
static void warn_of_override(const json_t *group, const json_t *site, struct bw_verdict *verdict)
{
    const char *word = bw_json_member(site, "override");
    const char *of = bw_json_member(site, "name");
    const char *name = bw_json_member(group, "name");

    if (strcmp(word, bw_override_word(BW_OVERRIDE_WAITING)) == 0)
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_OVERRIDE), of,
                "%s: an OVERRIDE was asked for there: its manual lease begins once no other lease can "
                "live any more; to take that back, there: breakwater override %s -c SITE.yaml --end",
                of, name);
    else if (strcmp(word, bw_override_word(BW_OVERRIDE_ENDING)) == 0)
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_OVERRIDE), of,
                "%s: its OVERRIDE ends: what it served is fenced, until the end was seen", of);
    else if (strcmp(bw_json_member(group, "mode"), bw_mode_word(BW_MODE_OBSERVE)) == 0)
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_OVERRIDE), of,
                "%s: OVERRIDES: an operator gave it a manual lease. The group is observed: nobody adopts "
                "what it serves; to end it, there: breakwater override %s -c SITE.yaml --end",
                of, name);
    else
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_OVERRIDE), of,
                "%s: OVERRIDES: an operator gave it a manual lease. The witnesses adopt what "
                "it serves once no other site does (not while the group is paused; in manual by a failover); to end "
                "it, there: breakwater override %s -c SITE.yaml --end",
                of, name);
}

/* Why it cannot show that it serves; what its scripts have printed is in what bw_site_facts prints. */
static void warn_of_health(const json_t *group, const json_t *site, struct bw_verdict *verdict)
{
    static const struct {
        enum bw_unhealthy why;
        const char *text;
    } whys[] = {
        {BW_UNHEALTHY_UNKNOWN, "its status does not say whether it runs"},
        {BW_UNHEALTHY_UNHEALTHY, "its status says that it runs and does not do its work"},
        {BW_UNHEALTHY_CONDITION, "its condition script says stop"},
    };
    const json_t *unhealthy = json_object_get(site, "unhealthy");
    const char *of = bw_json_member(site, "name");
    char since[CELL_BYTES] = "";

    if (bw_find_alarm(verdict->alarms, bw_trouble_word(BW_TROUBLE_UNHEALTHY), of) == NULL)
        return;
    if (json_is_integer(json_object_get(unhealthy, "for_ms")))
        append(since, ", for %s", bw_passed(bw_json_number(unhealthy, "for_ms") / 1000));
    for (size_t i = 0; i < sizeof whys / sizeof whys[0]; i++)
        if (strcmp(bw_unhealthy_word(whys[i].why), bw_json_member(unhealthy, "why")) == 0)
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_UNHEALTHY), of, "%s: holds epoch %" PRId64 " unhealthy%s: %s", of,
                    bw_json_number(group, "epoch"), since, whys[i].text);
}

static void warn_of_site(const json_t *group, const json_t *site, struct bw_verdict *verdict)
{
    const bool is_primary = strcmp(bw_json_member(site, "role"), "primary") == 0;
    json_t *alarm;
    size_t i;

    json_array_foreach(json_object_get(site, "alarms"), i, alarm) {
        if (json_is_string(alarm) && strcmp(json_string_value(alarm), "override") == 0)
            warn_of_override(group, site, verdict);
        else if (!json_is_string(alarm) ||
                 !bw_site_alarm_is_fact(group, site, json_string_value(alarm)))
            bw_warn(verdict, bw_json_shown(alarm), bw_json_member(site, "name"), "%s: alarm %s",
                    bw_json_member(site, "name"),
                    json_is_string(alarm) ? bw_json_shown(alarm) : "?");
    }
    bw_tell_of_steps(site, verdict->out);
    bw_tell_of_failures(site, "", verdict->out);
    bw_warn_of_restarts(site, verdict);
    if (strcmp(bw_json_member(group, "mode"), "observe") == 0 &&
        !bw_json_truth(site, "group_unknown") && json_is_false(json_object_get(site, "let_go")))
        bw_warn(
            verdict, bw_trouble_word(BW_TROUBLE_NOT_LET_GO), bw_json_member(site, "name"),
            "%s: has not let go of the service yet%s; start nothing by hand anywhere until it has",
            bw_json_member(site, "name"), bw_json_truth(site, "connected") ? "" : ", or is not heard to have");
    if (!bw_json_truth(site, "connected")) {
        if (bw_json_truth(site, "group_unknown"))
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_GROUP_UNKNOWN),
                    bw_json_member(site, "name"),
                    "%s: its agent is connected, and its site file has no group %s",
                    bw_json_member(site, "name"), bw_json_member(group, "name"));
        else if (json_is_integer(json_object_get(site, "heard_ms")))
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_NOT_CONNECTED),
                    bw_json_member(site, "name"), "%s: not connected, last heard %" PRId64 " s ago",
                    bw_json_member(site, "name"), bw_json_number(site, "heard_ms") / 1000);
        else
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_NOT_CONNECTED),
                    bw_json_member(site, "name"), "%s: not connected, never heard by this witness",
                    bw_json_member(site, "name"));
        return;
    }
    if (bw_json_truth(site, "several_agents"))
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_SEVERAL_AGENTS), bw_json_member(site, "name"),
                "%s: more than one agent speaks for it", bw_json_member(site, "name"));
    else if (!bw_json_truth(site, "guard"))
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_GUARD_LOST), bw_json_member(site, "name"),
                "%s: its guard does not answer", bw_json_member(site, "name"));
    if (bw_find_alarm(verdict->alarms, bw_trouble_word(BW_TROUBLE_RELAYED),
                      json_string_value(json_object_get(site, "name"))) != NULL)
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_RELAYED), bw_json_member(site, "name"),
                "%s: it reaches the witness that answers through another one alone",
                bw_json_member(site, "name"));
    if (is_primary && bw_find_alarm(verdict->alarms, bw_trouble_word(BW_TROUBLE_REACH_UNPROVED),
                                    json_string_value(json_object_get(site, "name"))) != NULL)
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_REACH_UNPROVED), bw_json_member(site, "name"),
                "%s: no kill by its guard was ever seen to stop this service: no automatic failover if %s is lost",
                bw_json_member(site, "name"), bw_json_member(site, "name"));
    warn_of_second(group, site, verdict);
    bw_site_facts(group, site, verdict->out);
    warn_of_clocks(site, verdict);
    warn_of_certificate(bw_json_member(site, "name"), json_object_get(site, "certificate_left_s"),
                        "; an expired one ends in a fence", verdict);
    if (is_primary && strcmp(bw_json_member(site, "service"), "started") != 0)
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_NOT_SERVING), bw_json_member(site, "name"),
                "%s: holds epoch %" PRId64 " and its service is %s", bw_json_member(site, "name"),
                bw_json_number(group, "epoch"), bw_json_member(site, "service"));
    warn_of_health(group, site, verdict);
}

static void print_outlook(const json_t *status, const json_t *group, int64_t now_unix_ms, FILE *out)
{
    const json_t *last = json_object_get(group, "last");
    const char *previous = bw_json_member(last, "previous_site");
    char age[CELL_BYTES];

    bw_print_failover(status, group, out);
    if (json_is_object(last) && format_age(bw_json_member(last, "time"), now_unix_ms, age))
        (void)fprintf(out, "   Last: %s, %s%s%s, %s.", age, previous,
                      previous[0] != '\0' ? " -> " : "", bw_json_member(last, "site"),
                      bw_json_member(last, "reason"));
    (void)fputc('\n', out);
    if (bw_json_truth(json_object_get(group, "next"), "acts"))
        (void)fprintf(out, "Next: %s.\n", bw_json_member(json_object_get(group, "next"), "text"));
}

#define MAINTENANCE_ENDS_SOON_MS (10 * 60 * 1000)

/* Of the group as a whole (site NULL), or of one site of it: it ends by itself, and not by
 * surprise. */
static void warn_of_maintenance(const json_t *of, const char *group, const char *site,
                                struct bw_verdict *verdict)
{
    const int64_t left_ms = bw_json_number(of, "maintenance_left_ms");
    char left[BW_DURATION_TEXT_BYTES];

    if (left_ms <= 0)
        return;
    bw_duration_format(
        left_ms < UINT32_MAX - 1000 ? (uint32_t)((left_ms + 999) / 1000 * 1000) : UINT32_MAX, left);
    if (left_ms > MAINTENANCE_ENDS_SOON_MS)
        (void)fprintf(verdict->out, "%s%s%s is in maintenance for another %s.\n", group,
                      site != NULL ? ": " : "", site != NULL ? site : "", left);
    else
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_MAINTENANCE_ENDS), NULL,
                "%s%s%s is in maintenance, which ends in %s; longer: breakwater maintenance %s%s%s "
                "--for D",
                group, site != NULL ? ": " : "", site != NULL ? site : "", left, group,
                site != NULL ? " --site " : "", site != NULL ? site : "");
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
    const char *way = bw_json_member(next, "way");

    if (way[0] != '\0' && strcmp(way, bw_json_member(end, "way")) != 0)
        (void)fprintf(out, "  a person can:  %s\n", way);
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
        (void)fputs("  no connected site has a readiness_script, so the lag is unknown. Give the sites one;\n"
                    "  or, if a loss of data is acceptable, write on_lag: allow into groups.yaml, then:\n"
                    "  breakwater apply -f groups.yaml\n",
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
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_SEVERAL_SERVE), NULL,
                "%s: its service runs at %d sites at once: %s", name, count, where);
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
    json_t *claim;
    size_t i;

    json_array_foreach(json_object_get(group, "claims"), i, claim)
    {
        char site[BW_NAME_MAX + 1];

        (void)snprintf(site, sizeof site, "%s", bw_json_member(claim, "site"));
        if (site[0] == '\0')
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_OVERRIDE), NULL,
                    "%s: more claims than are kept; no site becomes primary until each one has ended: breakwater "
                    "force-release %s --site SITE",
                    name, name);
        else if (is_word(claim, "claim", bw_claim_kind_word(BW_CLAIM_AHEAD)))
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_DECISIONS_LOST), site,
                    "%s: reports a decision about %s that the witnesses have lost; until this is resolved no other site becomes "
                    "primary",
                    site, name);
        else if (is_word(claim, "claim", bw_claim_kind_word(BW_CLAIM_OUTSIDE)))
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_OVERRIDE), site,
                    "%s: may serve, and the spec of %s lacks it; no site becomes primary until %s reports that it has "
                    "stopped. Apply the spec that has it; or, if its machine is off: breakwater force-release %s --site %s",
                    site, name, site, name, site);
        else if (!bw_json_truth(bw_json_find(json_object_get(group, "sites"), "name", site), "connected"))
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_OVERRIDE), site,
                    "%s: may serve: it reported an OVERRIDE, and is not connected; no other site becomes primary until %s "
                    "reports the end. Reconnect it; or, if its machine is off: breakwater force-release %s --site %s",
                    site, site, name, site);
    }
}

static void warn_of_group(const json_t *group, struct bw_verdict *verdict)
{
    const bool is_observed = is_word(group, "mode", "observe");
    const bool is_open = !is_word(group, "phase", "VACANT") && !is_word(group, "phase", "CLOSING");
    char name[BW_NAME_MAX + 1]; /* what bw_json_member gives is gone after sixteen more */

    (void)snprintf(name, sizeof name, "%s", bw_json_member(group, "name"));
    warn_of_several(group, name, verdict);
    warn_of_claims(group, name, verdict);
    bw_warn_of_end(group, verdict);
    warn_of_maintenances(group, name, verdict);
    bw_tell_mode(group, name, verdict->out);
    if (is_observed)
        return;
    if (!is_open) {
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_NO_ACTIVE_SITE), NULL, "%s: no site is active",
                name);
        bw_verdict_worsen(verdict, BW_EXIT_NO_SITE); /* also where somebody knows: it is so */
        bw_show_way(json_object_get(group, "next"), json_object_get(group, "end"), verdict->out);
    } else if (is_word(group, "mode", "auto") && !may_follow(group)) {
        bw_warn(verdict, bw_trouble_word(BW_TROUBLE_NO_FAILOVER), NULL,
                "%s: no other site could take over", name);
        tell_of_unmeasured(group, verdict->out);
    }
}

static void print_group(const json_t *status, const json_t *group, int64_t now_unix_ms,
                        struct bw_verdict *verdict)
{
    const json_t *wish = json_object_get(group, "wish");
    const char *target = bw_json_member(group, "target");
    struct table table = {0};
    json_t *site;
    size_t i;

    (void)fprintf(verdict->out, "\nGROUP %s   phase %s%s   epoch %" PRId64 "   mode %s   %s\n",
                  bw_json_member(group, "name"), bw_json_member(group, "phase"),
                  bw_json_truth(group, "held") ? ", held" : "", bw_json_number(group, "epoch"),
                  bw_json_member(group, "mode"), bw_json_member(group, "reason"));
    if (target[0] != '\0')
        (void)fprintf(verdict->out, "On its way to %s.\n", target);
    if (json_is_object(wish))
        (void)fprintf(verdict->out, "Asked for by %s: %s%s%s%s.\n", bw_json_member(wish, "by"),
                      bw_json_member(wish, "kind"),
                      bw_json_member(wish, "to")[0] == '\0'                        ? ""
                      : strcmp(bw_json_member(wish, "kind"), "force-release") == 0 ? " of "
                                                                                   : " to ",
                      bw_json_member(wish, "to"),
                      bw_json_number(wish, "index") == 0 ? "; it ends with this leader" : "");
    add_row(&table, 6,
                 (const char *const[]){"SITE", "ROLE", "SERVICE", "LEASE", "ELIGIBLE", "BLOCKED BY"});
    json_array_foreach(json_object_get(group, "sites"), i, site) {
        add_site(&table, group, site);
    }
    print_table(&table, verdict->out);
    print_outlook(status, group, now_unix_ms, verdict->out);
    verdict->alarms = json_object_get(group, "alarms");
    verdict->group = group;
    warn_of_group(group, verdict);
    json_array_foreach(json_object_get(group, "sites"), i, site) {
        warn_of_site(group, site, verdict);
    }
}

void bw_print_unreached(const char *from, const char *to, const json_t *unreached, FILE *out)
{
    (void)fprintf(out, "%s cannot connect to %s at %s, for %" PRId64 " s: %s\n", from, to,
                  bw_json_member(unreached, "raft_address"), bw_json_number(unreached, "since_ms_ago") / 1000,
                  bw_json_member(unreached, "why"));
}

static void print_witnesses(const json_t *status, struct bw_verdict *verdict)
{
    struct table table = {0};
    json_t *member;
    size_t i;

    (void)fputc('\n', verdict->out);
    add_row(&table, 5, (const char *const[]){"WITNESS", "ID", "ZONE", "ROLE", "HEARS"});
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
                            json_object_get(member, "certificate_left_s"),
                            "; with an expired one nobody speaks with it", verdict);
        if (json_is_true(json_object_get(member, "disk_low")))
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_DISK_LOW), bw_json_member(member, "name"),
                    "witness %s: its disk has no room for the log, or has taken no snapshot for half a minute",
                    bw_json_member(member, "name"));
        if (json_is_true(json_object_get(member, "people_not_applied")))
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_PEOPLE_NOT_APPLIED), bw_json_member(member, "name"),
                    "witness %s has a list people in its file, and no list is applied", bw_json_member(member, "name"));
        if (json_is_integer(json_object_get(member, "decided_index")))
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_DECISIONS_LOST), bw_json_member(member, "name"),
                    "witness %s has the decided log entry %" PRId64
                    ", which the leader lacks: another witness has lost part of its log",
                    bw_json_member(member, "name"), bw_json_number(member, "decided_index"));
        if (json_is_false(json_object_get(member, "heard")))
            bw_warn(verdict, bw_trouble_word(BW_TROUBLE_WITNESS_LOST), bw_json_member(member, "name"),
                    "witness %s is not heard by %s", bw_json_member(member, "name"), bw_json_member(status, "answered_by"));
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
        (void)fprintf(out, "   as %s knows it, which does not lead\n",
                      bw_json_member(status, "answered_by"));
}

/* Who is limited to some groups is told so: what is not shown may be there. */
static void print_limits(const json_t *status, FILE *out)
{
    json_t *names = json_object_get(status, "limited_to");
    json_t *name;
    size_t i;

    if (!json_is_array(names))
        return;
    (void)fputs("This certificate may see only:", out);
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
    json_t *one;
    size_t i;

    bw_wrap_begin(&wrapped, out);
    out = wrapped.stream;
    verdict.out = out;
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
