/* The check loop of the replaced program (5.2). */
#include <breakwater/machine/standalone.h>

#include <breakwater/base/assert.h>

void bw_standalone_init(struct bw_standalone *machine, uint32_t failure_threshold)
{
    BW_ASSERT(failure_threshold > 0);
    *machine = (struct bw_standalone){.failure_threshold = failure_threshold};
}

enum bw_action_kind bw_standalone_on_due(struct bw_standalone *machine)
{
    if (machine->running != BW_ACTION_NONE)
        return BW_ACTION_NONE; /* never two at once: a script may take longer than the interval */
    machine->running = BW_ACTION_CONDITION;
    return BW_ACTION_CONDITION;
}

/* A check that failed, or said anything else, calls nothing, and counts for nothing. */
static enum bw_action_kind on_answer(struct bw_standalone *machine, bool ok, const char *line)
{
    if (!ok)
        return BW_ACTION_NONE;
    if (bw_line_is_word(line, "start")) {
        machine->stop_count = 0;
        machine->wants_start = true;
        return BW_ACTION_STATUS;
    }
    if (!bw_line_is_word(line, "stop"))
        return BW_ACTION_NONE;
    machine->wants_start = false;
    if (machine->stop_count < machine->failure_threshold)
        machine->stop_count++;
    return machine->stop_count == machine->failure_threshold ? BW_ACTION_STATUS : BW_ACTION_NONE;
}

/* A status that failed changes nothing. One that ended well says of the service that it is there, unless it says
 * `stopped`: so a stop needs no word, and a start needs this one. */
static enum bw_action_kind on_status(struct bw_standalone *machine, bool ok, const char *line)
{
    const enum bw_service service = ok ? bw_service_of_line(line) : BW_SERVICE_UNKNOWN;

    machine->lacks_word = machine->wants_start ? service == BW_SERVICE_UNKNOWN : !ok;
    if (machine->wants_start)
        return service == BW_SERVICE_STOPPED ? BW_ACTION_START : BW_ACTION_NONE;
    return ok && service != BW_SERVICE_STOPPED ? BW_ACTION_STOP : BW_ACTION_NONE;
}

enum bw_action_kind bw_standalone_on_end(struct bw_standalone *machine, bool ok, const char *line)
{
    const enum bw_action_kind ended = machine->running;

    BW_ASSERT(ended != BW_ACTION_NONE);
    machine->running = BW_ACTION_NONE;
    machine->lacks_word = false;
    if (ended == BW_ACTION_CONDITION)
        machine->running = on_answer(machine, ok, line);
    else if (ended == BW_ACTION_STATUS)
        machine->running = on_status(machine, ok, line);
    return machine->running; /* what START and STOP came to the next status says */
}
