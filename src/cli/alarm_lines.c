#include "alarm_lines.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "api.h"

void bw_verdict_worsen(struct bw_verdict *verdict, enum bw_exit exit)
{
    if (exit > verdict->exit) /* 0, 3, 4: the larger is the worse */
        verdict->exit = exit;
}

const char *bw_passed(int64_t seconds)
{
    static char text[32];

    if (seconds < 0)
        seconds = 0; /* another machine's clock */
    if (seconds < 120)
        (void)snprintf(text, sizeof text, "%" PRId64 " s", seconds);
    else if (seconds < 2 * 3600)
        (void)snprintf(text, sizeof text, "%" PRId64 " min", seconds / 60);
    else if (seconds < 2 * 86400)
        (void)snprintf(text, sizeof text, "%" PRId64 " h", seconds / 3600);
    else
        (void)snprintf(text, sizeof text, "%" PRId64 " days", seconds / 86400);
    return text;
}

const char *bw_times(int64_t count)
{
    static char text[32];

    (void)snprintf(text, sizeof text, "%" PRId64 " times", count);
    return count == 1 ? "once" : count == 2 ? "twice" : text;
}

const char *bw_seconds(int64_t ms, char out_text[BW_SECONDS_BYTES])
{
    (void)snprintf(out_text, BW_SECONDS_BYTES, "%" PRId64 ".%d s", ms / 1000,
                   (int)(ms % 1000 / 100));
    return out_text;
}

static bool is_text(const json_t *value, const char *text)
{
    const char *held = json_string_value(value);

    return strcmp(held != NULL ? held : "", text) == 0;
}

const json_t *bw_find_alarm(const json_t *alarms, enum bw_trouble trouble, const char *of)
{
    json_t *alarm;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)alarms, i, alarm)
    { /* the macro takes no const; it only reads */
        const char *word = json_string_value(json_object_get(alarm, "alarm"));
        enum bw_trouble read;

        if (json_is_integer(json_object_get(alarm, "on_ms")) && word != NULL &&
            bw_trouble_parse(word, &read) && read == trouble &&
            is_text(json_object_get(alarm, "subject"), of != NULL ? of : ""))
            return alarm;
    }
    return NULL;
}

static void tell_alarm(enum bw_trouble trouble, const json_t *alarm, FILE *out)
{
    const json_t *acked = json_object_get(alarm, "acknowledged");
    const int64_t count = bw_json_number(alarm, "count");
    const char *text = bw_json_member(acked, "text");

    (void)fprintf(out, " (%s", bw_trouble_word(trouble));
    if (alarm != NULL)
        (void)fprintf(out, ", alarm on for %s", bw_passed(bw_json_number(alarm, "on_ms") / 1000));
    if (count > 1)
        (void)fprintf(out, ", raised %s", bw_times(count));
    if (json_is_object(acked))
        (void)fprintf(out, "; acknowledged by %s%s%s", bw_json_member(acked, "by"),
                      text[0] != '\0' ? ": " : "", text);
    (void)fputs(")\n", out);
}

void bw_warn(struct bw_verdict *verdict, enum bw_trouble trouble, const char *of, const struct bw_remedy *own,
             const char *format, ...)
{
    const json_t *alarm = bw_find_alarm(verdict->alarms, trouble, of);
    const bool is_seen = json_is_object(json_object_get(alarm, "acknowledged"));
    char subject[BW_NAME_MAX + 1]; /* what bw_json_member gives is gone after sixteen more */
    va_list args;

    (void)snprintf(subject, sizeof subject, "%s", of != NULL ? of : "");
    if (!is_seen)
        bw_verdict_worsen(verdict, BW_EXIT_WARNINGS);
    (void)fputs(is_seen ? "- " : "! ", verdict->out);
    va_start(args, format);
    (void)vfprintf(verdict->out, format, args);
    va_end(args);
    tell_alarm(trouble, alarm, verdict->out);
    if (!is_seen)
        bw_tell_remedy(trouble, own, verdict->group, of != NULL ? subject : NULL, verdict->out);
}

/* ---- what happened at a site ---- */

/* Returns the failure of a script that raised this alarm at the site; NULL: none is known. */
static const json_t *failure_of(const json_t *site, enum bw_trouble trouble)
{
    static const struct {
        enum bw_trouble trouble;
        enum bw_action_kind action;
    } scripts[] = {
        {BW_TROUBLE_FENCE_FAILED, BW_ACTION_FENCE},   {BW_TROUBLE_STATUS_UNKNOWN, BW_ACTION_STATUS},
        {BW_TROUBLE_CONDITION_FAILED, BW_ACTION_CONDITION}, {BW_TROUBLE_START_FAILED, BW_ACTION_VERIFY},
        {BW_TROUBLE_START_FAILED, BW_ACTION_START},   {BW_TROUBLE_STOP_FAILED, BW_ACTION_STOP},
        {BW_TROUBLE_REJOIN_FAILED, BW_ACTION_REJOIN},
    };

    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        const json_t *failure = scripts[i].trouble != trouble
                                    ? NULL
                                    : bw_json_find(json_object_get(site, "failures"), "action", bw_action_word(scripts[i].action));

        if (failure != NULL)
            return failure;
    }
    return NULL;
}

void bw_warn_as_listed(struct bw_verdict *verdict, enum bw_trouble trouble, const char *of)
{
    const json_t *failure =
        of == NULL ? NULL : failure_of(bw_json_find(json_object_get(verdict->group, "sites"), "name", of), trouble);

    bw_warn(verdict, trouble, of, NULL, "%s: %s", of != NULL ? of : bw_json_member(verdict->group, "name"),
            failure != NULL ? bw_json_member(failure, "text") : bw_trouble_text(trouble)->what);
}

void bw_tell_of_failures(const json_t *site, bool is_below_alarms, const char *before, FILE *out)
{
    json_t *failure;
    size_t i;

    json_array_foreach(json_object_get(site, "failures"), i, failure)
    {
        bool is_told = false;
        json_t *alarm;
        size_t j;

        json_array_foreach(json_object_get(site, "alarms"), j, alarm)
        {
            enum bw_trouble trouble;

            is_told = is_told || (is_below_alarms && bw_trouble_parse(bw_json_shown(alarm), &trouble) &&
                                  failure_of(site, trouble) == failure);
        }
        if (!is_told)
            (void)fprintf(out, "%s%s: %s\n", before, bw_json_member(site, "name"), bw_json_member(failure, "text"));
    }
}

void bw_tell_of_steps(const json_t *site, FILE *out)
{
    const json_t *steps = json_object_get(site, "steps");
    const char *name = bw_json_member(site, "name");
    const char *phase = bw_json_member(steps, "phase");
    const int64_t done = bw_json_number(steps, "done");
    const int64_t count = bw_json_number(steps, "count");
    const int64_t running = bw_json_number(steps, "running");
    const int64_t attempt = bw_json_number(steps, "attempt");

    if (!json_is_object(steps))
        return;
    (void)fprintf(out, "%s: %s, ", name,
                  strcmp(bw_json_member(steps, "action"), "stop") == 0 ? "stopping" : "starting");
    if (running == 0) {
        (void)fprintf(out, "%" PRId64 " of %" PRId64 " steps are done%s\n", done, count,
                      json_is_true(json_object_get(steps, "at_point_of_no_return"))
                          ? "; waiting until a majority of the witnesses has committed the point of no return"
                          : "");
        return;
    }
    (void)fprintf(out, "step %" PRId64 " of %" PRId64 ": %s", done + 1, count,
                  bw_json_member(steps, "step"));
    if (strcmp(phase, "none") != 0)
        (void)fprintf(out, " (%s)", phase);
    (void)fprintf(out, ", %" PRId64 " s", bw_json_number(steps, "for_ms") / 1000);
    if (attempt > 1)
        (void)fprintf(out, ", attempt %" PRId64, attempt);
    if (running > 1)
        (void)fprintf(out, "; %" PRId64 " more in parallel", running - 1);
    (void)fputc('\n', out);
}

#define RESTARTS_BYTES 160

/* False: there were none. */
static bool describe_restarts(const json_t *site, char out_text[RESTARTS_BYTES])
{
    const json_t *restarts = json_object_get(site, "restarts");
    const json_t *ago_ms = json_object_get(restarts, "ago_ms");
    const int64_t count = bw_json_number(restarts, "count");
    char last[64] = "";

    if (!json_is_object(restarts))
        return false;
    if (json_is_integer(ago_ms))
        (void)snprintf(last, sizeof last, ", last %s ago",
                       bw_passed(json_integer_value(ago_ms) / 1000));
    (void)snprintf(out_text, RESTARTS_BYTES,
                   "the service ended and was restarted %s in this epoch%s", bw_times(count), last);
    return true;
}

void bw_warn_of_restarts(const json_t *site, struct bw_verdict *verdict)
{
    const json_t *ago_ms = json_object_get(json_object_get(site, "restarts"), "ago_ms");
    const char *name = bw_json_member(site, "name");
    char text[RESTARTS_BYTES];

    if (!json_is_integer(ago_ms) ||
        json_integer_value(ago_ms) >= (json_int_t)bw_ns_to_ms(BW_RESTARTS_SHOWN_NS))
        bw_tell_of_restarts(site, "", verdict->out);
    else if (describe_restarts(site, text))
        bw_warn(verdict, BW_TROUBLE_LOCAL_RESTARTS, name, NULL, "%s: %s", name, text);
}

void bw_tell_of_restarts(const json_t *site, const char *before, FILE *out)
{
    char text[RESTARTS_BYTES];

    if (describe_restarts(site, text))
        (void)fprintf(out, "%s%s: %s\n", before, bw_json_member(site, "name"), text);
}

/* ---- which witnesses a site is connected to ---- */

static void warn_of_site(const json_t *status, const char *site, struct bw_verdict *verdict)
{
    const char *hears = NULL;
    size_t answered = 0;
    size_t count = 0;
    json_t *member;
    size_t i;

    json_array_foreach(json_object_get(status, "witnesses"), i, member)
    {
        const json_t *names = json_object_get(member, "reaches");

        answered += json_is_array(names);
        if (!bw_json_has(names, site))
            continue;
        hears = json_string_value(json_object_get(member, "name"));
        count++;
    }
    if (count == 1 && answered > 1 && hears != NULL)
        bw_warn(verdict, BW_TROUBLE_ONE_WITNESS, site, NULL, "%s: only %s reaches the site; %zu other witness%s", site,
                hears, answered - 1, answered == 2 ? " runs" : "es run");
}

void bw_warn_of_reach(const json_t *status, struct bw_verdict *verdict)
{
    json_t *warned = json_array(); /* a site is in many groups */
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(status, "groups"), i, group)
    {
        json_t *site;
        size_t j;

        json_array_foreach(json_object_get(group, "sites"), j, site)
        {
            json_t *name = json_object_get(site, "name");

            if (!json_is_string(name) || bw_json_has(warned, json_string_value(name)) ||
                json_array_append(warned, name) != 0)
                continue;
            warn_of_site(status, bw_json_shown(name), verdict);
        }
    }
    json_decref(warned);
}
