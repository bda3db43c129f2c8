/* on_event.c - a script of the operator's that is told what was committed, and which alarms begin
 * and end: for those without Prometheus. Design 5.3. Only the leader runs it, one run at a time,
 * from the loop and never within a step. The queue is bounded. A full queue loses the newest event of
 * the group that has most in it, so that no group takes the place of another; what was lost is counted, and
 * told with the last event of that group before it. Nothing waits for the script. */
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
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

static json_t *event_json(const struct bw_program *program, uint64_t index,
                        const struct bw_command *command, const struct bw_applied *applied)
{
    const struct bw_group *group = applied->group >= 0 ? &program->groups[applied->group] : NULL;
    const bool is_there = group != NULL &&
                          group->spec.name[0] != '\0'; /* it may have been deleted */
    const char *site = command->site[0] != '\0' ? command->site : command->target;
    char time[BW_TIME_TEXT_BYTES];

    bw_json_time(command->unix_ms, time);
    /* clang-format off */
    return json_pack(
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
        "alarm");
    /* clang-format on */
}

/* Has the old word as `alarm`, for scripts that exist, and the word as `name`. */
static json_t *alarm_json(const struct bw_trouble_entry *entry)
{
    char since[BW_TIME_TEXT_BYTES];
    char ended[BW_TIME_TEXT_BYTES];

    bw_json_time(entry->since_unix_ms, since);
    bw_json_time(entry->ended_unix_ms, ended);
    return json_pack("{s:s, s:s, s:o, s:I, s:s, s:s?}", "alarm", bw_trouble_text(entry->trouble)->old_word, "name",
                     bw_trouble_word(entry->trouble), "of", bw_json_name_or_null(entry->subject), "count",
                     (json_int_t)entry->count, "since", since, "ended", entry->is_on ? NULL : ended);
}

/* `group` NULL: one of the witnesses' alarms. */
static json_t *alarm_event_json(const struct bw_program *program, const struct bw_group *group,
                        const struct bw_trouble_entry *entry, bool is_ack)
{
    const bool is_site = group != NULL && entry->subject[0] != '\0';
    char time[BW_TIME_TEXT_BYTES];

    bw_json_time(is_ack         ? bw_clock_wall().unix_ms
                 : entry->is_on ? entry->since_unix_ms
                                : entry->ended_unix_ms,
                 time);
    /* clang-format off */
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:s, s:s, s:n, s:s, s:o, s:I, s:o, s:s, s:o, s:o, s:o, s:o, s:n, s:o}",
        "schema", "breakwater.event/v1",
        "cluster", program->config->cluster,
        "witness", program->config->name,
        "index", (json_int_t)program->machine.cluster.applied_index,
        "time", time,
        "event", is_ack ? "AlarmAcknowledged" : entry->is_on ? "AlarmBegan" : "AlarmEnded",
        "rule",
        "meaning", bw_trouble_text(entry->trouble)->meaning,
        "group", bw_json_name_or_null(group != NULL ? group->spec.name : NULL),
        "epoch", (json_int_t)(group != NULL ? group->epoch : 0),
        "site", bw_json_name_or_null(is_site ? entry->subject : NULL),
        "reason", bw_reason_word(BW_REASON_NONE),
        "by", bw_json_text(is_ack ? entry->acked_by : ""),
        "text", bw_json_text(is_ack ? entry->acked_text : ""),
        "phase", group != NULL ? json_string(bw_phase_word(group->phase)) : json_null(),
        "holder", bw_json_name_or_null(group != NULL ? group->holder_site : NULL),
        "wish",
        "alarm", alarm_json(entry));
    /* clang-format on */
}

/* ---- what waits ---- */

static size_t waiting_of(const struct bw_on_event *events, const char *group)
{
    size_t count = 0;

    for (size_t i = 0; i < events->count; i++)
        count += strcmp(events->queue[i].group, group) == 0;
    return count;
}

/* The newest event of the group that has most of them. NULL: none waits. */
static struct bw_waiting_event *newest_of_most(struct bw_on_event *events)
{
    struct bw_waiting_event *found = NULL;
    size_t most = 0;

    for (size_t i = 0; i < events->count; i++) {
        const size_t count = waiting_of(events, events->queue[i].group);

        if (count < most)
            continue;
        most = count;
        found = &events->queue[i];
    }
    return found;
}

static void take_out(struct bw_on_event *events, struct bw_waiting_event *event)
{
    const size_t at = (size_t)(event - events->queue);

    json_decref(event->event);
    events->count--;
    memmove(event, event + 1, (events->count - at) * sizeof *event);
}

/* Told with the newest of its group that waits; of a group without one the log and the counter tell. */
static void lose(struct bw_program *program, const char *group, uint64_t count)
{
    struct bw_on_event *events = &program->on_event;

    program->counters.events_dropped++;
    for (size_t i = events->count; i-- > 0;)
        if (strcmp(events->queue[i].group, group) == 0) {
            events->queue[i].lost += count;
            break;
        }
    if (!events->is_dropping) /* one line until it keeps up again */
        bw_log_warn(&program->log, "event.dropped", "group=%s count=%" PRIu64 " does=%s", bw_log_quote(group),
                    program->counters.events_dropped,
                    bw_log_quote("its script does not keep up; history has what it was not told"));
    events->is_dropping = true;
}

/* Another group has so many more that one less of them leaves it no fewer. */
static bool is_outdone(struct bw_on_event *events, const char *group)
{
    return waiting_of(events, newest_of_most(events)->group) > waiting_of(events, group) + 1;
}

/* False: this group has most of what waits already. */
static bool make_room(struct bw_program *program, const char *group)
{
    struct bw_on_event *events = &program->on_event;
    struct bw_waiting_event *newest;
    struct bw_waiting_event lost;

    if (events->count < BW_EVENTS_MAX)
        return true;
    if (!is_outdone(events, group))
        return false;
    newest = newest_of_most(events);
    lost = *newest;
    take_out(events, newest);
    lose(program, lost.group, lost.lost + 1);
    return true;
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

/* On the heap; NULL: memory is short, or it is longer than any event is. */
static char *text_of(struct bw_waiting_event *waiting)
{
    char *text = json_object_set_new(waiting->event, "lost", json_integer((json_int_t)waiting->lost)) == 0
                     ? json_dumps(waiting->event, JSON_COMPACT)
                     : NULL;

    if (text != NULL && strlen(text) <= BW_SCRIPT_INPUT_BYTES_MAX)
        return text;
    free(text);
    return NULL;
}

static bool start(struct bw_program *program, const char *text, struct bw_diag *diag)
{
    const struct bw_script_spec spec = {.path = program->config->on_event,
                                        .input = text,
                                        .input_bytes = text != NULL ? strlen(text) : 0,
                                        .refuses_writable = true,
                                        .limit_ns = LIMIT_NS,
                                        .kill_grace_ns = GRACE_NS,
                                        .on_end = on_ended,
                                        .user = program};

    if (text == NULL)
        return bw_diag_set(diag, BW_ERR_LIMIT, "the event could not be written") == BW_OK;
    return bw_script_start(&program->on_event.runner, &spec, &program->on_event.run, diag) == BW_OK;
}

static void on_tick(uv_timer_t *timer)
{
    struct bw_program *program = timer->data;
    struct bw_on_event *events = &program->on_event;
    const bool is_wanted = program->config->on_event != NULL; /* a reload may have taken it away */
    char *text = is_wanted ? text_of(&events->queue[0]) : NULL;
    struct bw_diag diag = {0};

    take_out(events, &events->queue[0]);
    events->is_dropping = events->is_dropping && events->count > 0;
    if (is_wanted && start(program, text, &diag)) {
        bw_script_go(events->run, BW_INSTANT_NEVER);
    } else if (is_wanted) {
        program->counters.events_failed++;
        bw_log_warn(&program->log, "event.script_failed", "how=%s code=0 error=%s tail=\"\"",
                    bw_log_quote(bw_script_how_text(BW_SCRIPT_NOT_STARTED)),
                    bw_log_quote(diag.text));
    }
    free(text); /* the child has it */
    soon(events);
}

/* Takes `event`; NULL: memory is short. */
static bool put_last(struct bw_program *program, const char *group, json_t *event)
{
    struct bw_on_event *events = &program->on_event;

    if (event == NULL || !make_room(program, group)) {
        json_decref(event);
        return false;
    }
    events->queue[events->count] = (struct bw_waiting_event){.event = event};
    BW_ASSERT(bw_copy_text(events->queue[events->count].group, BW_NAME_MAX + 1, group));
    events->count++;
    soon(events);
    return true;
}

void bw_on_event_tell(struct bw_program *program, uint64_t index, const struct bw_command *command,
                      const struct bw_applied *applied)
{
    if (program->config->on_event != NULL && !program->is_closing && is_worth_telling(command->kind) &&
        !put_last(program, command->group, event_json(program, index, command, applied)))
        lose(program, command->group, 1);
}

/* Alarms wait in their book: they take half of the queue, and more only where one group fills it. */
static bool has_room_for_alarm(struct bw_on_event *events, const char *group)
{
    return events->count < BW_EVENTS_MAX / 2 || is_outdone(events, group);
}

bool bw_on_event_tell_alarm(struct bw_program *program, const struct bw_group *group,
                            const struct bw_trouble_entry *entry, bool is_ack)
{
    const char *name = group != NULL ? group->spec.name : "";

    return program->config->on_event != NULL && !program->is_closing &&
           has_room_for_alarm(&program->on_event, name) &&
           put_last(program, name, alarm_event_json(program, group, entry, is_ack));
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
    while (events->count > 0)
        take_out(events, &events->queue[events->count - 1]);
}
