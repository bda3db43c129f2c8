/* on_event.c - a script of the operator's that is told what was committed, and which alarms begin
 * and end: for those without Prometheus. Design 5.3. Only the leader runs it, one run at a time,
 * from the loop and never within a step; what it does not take in time is dropped and counted.
 * Nothing waits for it. */
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/rules.h>
#include <breakwater/sys/clock.h>
#include <breakwater/witness/json.h>

#define LIMIT_NS ((uint64_t)BW_EVENT_LIMIT_MS * BW_NS_PER_MS)
#define GRACE_NS (2 * BW_NS_PER_S)
#define PAUSE_MS 20 /* the step that told of it is over by then */

/* ---- what is told ---- */

/* For people; what sites and boots are seen to be changes nothing for them. */
static bool is_worth_telling(enum bw_command_kind kind)
{
    return kind != BW_COMMAND_FOUND && kind != BW_COMMAND_BOOT && kind != BW_COMMAND_REACH;
}

/* On the heap; NULL: memory is short, or it is longer than any event is. Takes `event`. */
static char *text_of(json_t *event)
{
    char *text = event != NULL ? json_dumps(event, JSON_COMPACT) : NULL;

    json_decref(event);
    if (text != NULL && strlen(text) <= BW_SCRIPT_INPUT_BYTES_MAX)
        return text;
    free(text);
    return NULL;
}

/* What was asked for, and how that ended; null: it is no Wish and no WishOver. */
static json_t *wish_json(const struct bw_group *group, const struct bw_command *command)
{
    const struct bw_wish_over *over = group != NULL ? bw_group_wish_over(group) : NULL;

    if (command->kind == BW_COMMAND_WISH)
        return json_pack("{s:s, s:n}", "kind", bw_wish_word(command->wish), "end");
    if (command->kind != BW_COMMAND_WISH_OVER || over == NULL || over->index != command->wish_index)
        return json_null();
    return json_pack("{s:s, s:s}", "kind", bw_wish_word(over->kind), "end",
                     bw_wish_end_word(over->end));
}

static char *event_text(const struct bw_program *program, uint64_t index,
                        const struct bw_command *command, const struct bw_applied *applied)
{
    const struct bw_group *group = applied->group >= 0 ? &program->groups[applied->group] : NULL;
    const bool is_there = group != NULL &&
                          group->spec.name[0] != '\0'; /* it may have been deleted */
    const char *site = command->site[0] != '\0' ? command->site : command->target;
    char time[BW_TIME_TEXT_BYTES];

    bw_json_time(command->unix_ms, time);
    /* clang-format off */
    return text_of(json_pack(
        "{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:I, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:n}",
        "schema", "breakwater.event/v1",
        "cluster", program->config->cluster,
        "witness", program->config->name,
        "index", (json_int_t)index,
        "time", time,
        "event", bw_command_word(command->kind),
        "rule", applied->rule->id,
        "meaning", bw_json_text(bw_rule_find(applied->rule->id)->sentence),
        "group", bw_json_name_or_null(command->group),
        "epoch", (json_int_t)command->epoch,
        "site", bw_json_name_or_null(site),
        "reason", bw_reason_word(command->reason),
        "by", bw_json_text(command->by),
        "text", bw_json_text(command->text),
        "phase", is_there ? json_string(bw_phase_word(group->phase)) : json_null(),
        "holder", bw_json_name_or_null(is_there ? group->holder_site : NULL),
        "wish", wish_json(group, command),
        "alarm"));
    /* clang-format on */
}

static json_t *alarm_json(const struct bw_trouble_entry *entry)
{
    char since[BW_TIME_TEXT_BYTES];
    char ended[BW_TIME_TEXT_BYTES];

    bw_json_time(entry->since_unix_ms, since);
    bw_json_time(entry->ended_unix_ms, ended);
    return json_pack("{s:s, s:o, s:I, s:s, s:s?}", "alarm", bw_trouble_word(entry->trouble), "of",
                     bw_json_name_or_null(entry->subject), "count", (json_int_t)entry->count,
                     "since", since, "ended", entry->is_on ? NULL : ended);
}

/* `group` NULL: one of the witnesses' alarms. */
static char *alarm_text(const struct bw_program *program, const struct bw_group *group,
                        const struct bw_trouble_entry *entry, bool is_ack)
{
    const bool is_site = group != NULL && entry->subject[0] != '\0';
    char time[BW_TIME_TEXT_BYTES];

    bw_json_time(is_ack         ? bw_clock_wall().unix_ms
                 : entry->is_on ? entry->since_unix_ms
                                : entry->ended_unix_ms,
                 time);
    /* clang-format off */
    return text_of(json_pack(
        "{s:s, s:s, s:s, s:I, s:s, s:s, s:n, s:s, s:o, s:I, s:o, s:s, s:o, s:o, s:o, s:o, s:n, s:o}",
        "schema", "breakwater.event/v1",
        "cluster", program->config->cluster,
        "witness", program->config->name,
        "index", (json_int_t)program->machine.cluster.applied_index,
        "time", time,
        "event", is_ack ? "AlarmAcknowledged" : entry->is_on ? "AlarmBegan" : "AlarmEnded",
        "rule",
        "meaning", bw_trouble_meaning(entry->trouble),
        "group", bw_json_name_or_null(group != NULL ? group->spec.name : NULL),
        "epoch", (json_int_t)(group != NULL ? group->epoch : 0),
        "site", bw_json_name_or_null(is_site ? entry->subject : NULL),
        "reason", bw_reason_word(BW_REASON_NONE),
        "by", bw_json_text(is_ack ? entry->acked_by : ""),
        "text", bw_json_text(is_ack ? entry->acked_text : ""),
        "phase", group != NULL ? json_string(bw_phase_word(group->phase)) : json_null(),
        "holder", bw_json_name_or_null(group != NULL ? group->holder_site : NULL),
        "wish",
        "alarm", alarm_json(entry)));
    /* clang-format on */
}

static void drop(struct bw_program *program)
{
    struct bw_on_event *events = &program->on_event;

    program->counters.events_dropped++;
    if (!events->is_dropping) /* one line until it keeps up again */
        bw_log_warn(&program->log, "event.dropped", "count=%" PRIu64 " does=%s",
                    program->counters.events_dropped,
                    bw_log_quote("its script does not keep up; history has what it was not told"));
    events->is_dropping = true;
}

/* ---- telling it ---- */

static void on_tick(uv_timer_t *timer);

static void soon(struct bw_on_event *events)
{
    if (events->run == NULL && events->count > 0 && !uv_is_closing((uv_handle_t *)&events->tick))
        (void)uv_timer_start(&events->tick, on_tick, PAUSE_MS, 0); /* has a callback: always 0 */
}

static void on_ended(struct bw_script_run *run, const struct bw_script_result *result, void *user)
{
    struct bw_program *program = user;
    const bool is_good = result->how == BW_SCRIPT_EXITED && result->code == 0;
    char tail[128];

    (void)run; /* it is the only one */
    program->on_event.run = NULL;
    if (is_good) {
        program->counters.events_delivered++;
    } else {
        program->counters.events_failed++;
        (void)bw_script_tail(&result->kept, tail, sizeof tail);
        bw_log_warn(&program->log, "event.script_failed", "how=%s code=%d error=%s tail=%s",
                    bw_log_quote(bw_script_how_text(result->how)), result->code,
                    bw_log_quote(result->diag->text), bw_log_quote(tail));
    }
    soon(&program->on_event);
}

static void on_tick(uv_timer_t *timer)
{
    struct bw_program *program = timer->data;
    struct bw_on_event *events = &program->on_event;
    char *text = events->queue[events->first];
    const struct bw_script_spec spec = {.path = program->config->on_event,
                                        .input = text,
                                        .input_bytes = strlen(text),
                                        .refuses_writable = true,
                                        .limit_ns = LIMIT_NS,
                                        .kill_grace_ns = GRACE_NS,
                                        .on_end = on_ended,
                                        .user = program};
    struct bw_diag diag = {0};

    events->first = (events->first + 1) % BW_EVENTS_MAX;
    events->count--;
    events->is_dropping = events->is_dropping && events->count > 0;
    if (spec.path == NULL) {
        free(text); /* a reload took it away */
    } else if (bw_script_start(&events->runner, &spec, &events->run, &diag) == BW_OK) {
        free(text); /* the child has it */
        bw_script_go(events->run, BW_INSTANT_NEVER);
        return;
    } else {
        free(text);
        program->counters.events_failed++;
        bw_log_warn(&program->log, "event.script_failed", "how=%s code=0 error=%s tail=\"\"",
                    bw_log_quote(bw_script_how_text(BW_SCRIPT_NOT_STARTED)),
                    bw_log_quote(diag.text));
    }
    soon(events);
}

static void put_last(struct bw_on_event *events, char *text)
{
    events->queue[(events->first + events->count++) % BW_EVENTS_MAX] = text;
    soon(events);
}

void bw_on_event_tell(struct bw_program *program, uint64_t index, const struct bw_command *command,
                      const struct bw_applied *applied)
{
    struct bw_on_event *events = &program->on_event;
    char *text;

    if (program->config->on_event == NULL || program->is_closing ||
        !is_worth_telling(command->kind))
        return;
    text = events->count < BW_EVENTS_MAX ? event_text(program, index, command, applied) : NULL;
    if (text == NULL) {
        drop(program);
        return;
    }
    put_last(events, text);
}

bool bw_on_event_tell_alarm(struct bw_program *program, const struct bw_group *group,
                            const struct bw_trouble_entry *entry, bool is_ack)
{
    struct bw_on_event *events = &program->on_event;
    char *text;

    if (program->config->on_event == NULL || program->is_closing ||
        events->count >= BW_EVENTS_MAX / 2)
        return false;
    text = alarm_text(program, group, entry, is_ack);
    if (text != NULL)
        put_last(events, text);
    return text != NULL;
}

/* ---- life ---- */

enum bw_err bw_on_event_open(struct bw_program *program, struct bw_diag *diag)
{
    struct bw_on_event *events = &program->on_event;
    const enum bw_err err = bw_script_runner_init(&events->runner, &program->loop, false, diag);

    if (err != BW_OK)
        return err;
    (void)uv_timer_init(&program->loop, &events->tick); /* cannot fail */
    events->tick.data = program;
    events->is_open = true;
    return BW_OK;
}

void bw_on_event_close(struct bw_program *program)
{
    struct bw_on_event *events = &program->on_event;

    if (!events->is_open)
        return;
    events->is_open = false;
    uv_close((uv_handle_t *)&events->tick, NULL);
    bw_script_runner_close(&events->runner, NULL, NULL);
    while (events->count > 0) {
        free(events->queue[events->first]);
        events->first = (events->first + 1) % BW_EVENTS_MAX;
        events->count--;
    }
}
