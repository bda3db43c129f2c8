/* What a guard shows to who looks at it without a hello: `gate`, `condition`, `status --site`.
 * Nothing is changed by it; each answer is about one group, and made from what is in memory: no
 * deadline waits for it. */
#include "program.h"

#include <stdio.h>
#include <string.h>

#include <breakwater/base/utf8.h>
#include <breakwater/core/may_run.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>

/* ---- what scripts came to
 * ------------------------------------------------------------------------ */

/* The last line of `text` that has anything in it, cut where `out` ends. */
static void copy_last_line(char *out, size_t size, const char *text)
{
    size_t end = strlen(text);
    size_t begin;
    size_t bytes;

    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r' || text[end - 1] == ' '))
        end--;
    begin = end;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    bytes = end - begin < size ? end - begin : bw_utf8_whole(text + begin, size - 1);
    memcpy(out, text + begin, bytes);
    out[bytes] = '\0';
}

static bool is_shown(enum bw_action_kind action)
{
    return bw_action_is_action(action) || action == BW_ACTION_VERIFY;
}

void bw_guard_shown_note_end(struct bw_guard_work *work)
{
    struct bw_guard_group *group = work->group;
    const struct bw_guard_run_ended *ended = &work->ended;
    struct bw_guard_script_end end = {.action = work->run.action,
                                      .result = ended->result,
                                      .exit_status = ended->exit_status,
                                      .duration_ms = ended->duration_ms,
                                      .ended_at = bw_clock_now()};

    copy_last_line(end.line, sizeof end.line, ended->tail[0] != '\0' ? ended->tail : ended->line);
    if (is_shown(end.action))
        group->shown.action = end;
    if (ended->result != BW_RUN_OK && ended->result != BW_RUN_KILLED)
        group->shown.failure = end;
    if (end.action != BW_ACTION_STATUS || ended->result == BW_RUN_KILLED)
        return; /* what somebody has ended in the middle has seen nothing (3.2.4) */
    group->shown.service = ended->result == BW_RUN_OK && !bw_line_is_unhealthy(ended->line)
                               ? bw_service_of_line(ended->line)
                               : BW_SERVICE_UNKNOWN; /* 5.3: no clients are sent to what does not do its work */
    group->shown.service_at = end.ended_at;
}

/* ---- the answer
 * ---------------------------------------------------------------------------------- */

static const struct bw_guarded *find(struct bw_guard_program *program,
                                     const struct bw_guard_message *message)
{
    struct bw_guard_machine *machine = &program->machine;
    const struct bw_guarded *group;

    if (message->group[0] == '\0')
        return machine->first;
    group = bw_guard_machine_find(machine, message->group);
    return group != NULL && message->show.next ? group->next : group;
}

void bw_guard_shown_answer(struct bw_guard_program *program, const struct bw_guard_message *message,
                           struct bw_guard_message *out_answer)
{
    const struct bw_guard_session *session = &program->machine.session;
    const struct bw_guarded *guarded = find(program, message);
    struct bw_guard_shown *shown = &out_answer->shown;

    memset(out_answer, 0, sizeof *out_answer);
    out_answer->kind = BW_GUARD_MESSAGE_SHOWN;
    if (guarded != NULL) {
        const struct bw_guard_group *group = guarded->owner;

        bw_guard_shown_get(guarded->guard, shown);
        memcpy(out_answer->group, guarded->guard->group, sizeof out_answer->group);
        shown->nobodys = !bw_guard_machine_is_known(&program->machine, guarded);
        shown->service = group->shown.service;
        shown->service_at = group->shown.service_at;
        shown->action = group->shown.action;
        shown->failure = group->shown.failure;
    }
    memcpy(shown->site, session->own.site, sizeof shown->site);
    shown->boot_id = session->own.boot_id;
    shown->time_namespace = session->own.time_namespace;
    shown->has_agent = session->agent != 0;
    if (shown->has_agent)
        shown->agent_contact_at = program->agent_contact_at;
}
