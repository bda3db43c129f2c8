#include <breakwater/sys/units.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/sys/cgroup.h>
#include <breakwater/sys/process_tree.h>

#include "script_output.h"
#include "unit_manager.h"

#define GRACE_NS BW_NS_PER_S /* a tool that hangs is owed no more */
/* Of what a look prints. The runner tells no more lines than twice that: what it left out would be
 * missed. */
#define OUTPUT_BYTES_MAX (BW_SCRIPT_HALF_BYTES / 2)

static const struct bw_unit_manager *const managers[] = {
    [BW_UNITS_OF_SYSTEMD] = &bw_unit_manager_systemd,
    [BW_UNITS_OF_COMPOSE] = &bw_unit_manager_compose,
};

/* ---- who, and where -------------------------------------------------------------------------- */

static enum bw_err take_names(struct bw_units *units, const char *const *names, size_t count,
                              struct bw_diag *diag)
{
    if (count == 0 || count > BW_UNITS_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%zu %s: expected 1 to %d", count,
                           units->manager->noun, BW_UNITS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!units->manager->is_name(names[i]))
            return bw_diag_set(diag, BW_ERR_INVALID, "%s: not %s", names[i],
                               units->manager->expected);
        BW_ASSERT(bw_copy_text(units->names[i], BW_UNIT_NAME_BYTES, names[i]));
    }
    units->name_count = count;
    return BW_OK;
}

/* One that is not there may be later: each look asks anew. Of one that was found, or was given, its child says whether it
 * is still there: its file system may hang, and no loop waits for that (3.4). */
static void take_tool(struct bw_units *units)
{
    const char *tool = units->tool[0] != '\0' ? NULL : units->manager->find_tool();

    if (tool != NULL)
        (void)bw_copy_text(units->tool, sizeof units->tool, tool); /* fits: one of ours */
}

enum bw_err bw_units_init(struct bw_units *units, struct bw_script_runner *runner,
                          enum bw_units_of of, const char *const *names, size_t count,
                          const char *tool, struct bw_diag *diag)
{
    enum bw_err err;

    memset(units, 0, sizeof *units);
    units->runner = runner;
    units->manager = managers[of];
    units->invocations = "/run/systemd/units";
    units->limit_ns = managers[of]->limit_ns;
    err = take_names(units, names, count, diag);
    if (err != BW_OK)
        return err;
    if (of == BW_UNITS_OF_SYSTEMD) {
        for (size_t i = 0; i < count; i++)
            memcpy(units->units[i].name, units->names[i], BW_UNIT_NAME_BYTES);
        units->count = count;
    }
    bw_cgroup_manager_root(units->root);
    units->is_tool_given = tool != NULL;
    if (tool != NULL && !bw_copy_text(units->tool, sizeof units->tool, tool))
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: longer than %zu bytes", tool,
                           sizeof units->tool - 1);
    take_tool(units);
    return BW_OK;
}

const char *bw_units_find_tool(enum bw_units_of of)
{
    return managers[of]->find_tool();
}

static const char *tool_name(const struct bw_units *units)
{
    const char *slash = strrchr(units->tool, '/');

    return slash != NULL ? slash + 1 : units->tool;
}

const char *bw_units_manager_name(const struct bw_units *units)
{
    return units->manager->name != NULL ? units->manager->name : tool_name(units);
}

const char *bw_units_restart_advice(const struct bw_units *units)
{
    return units->manager->advice;
}

/* ---- one call of the tool -------------------------------------------------------------------- */

static void note_last_line(struct bw_units_call *call, const char *line, size_t bytes)
{
    if (bytes > sizeof call->last_line - 1)
        bytes = sizeof call->last_line - 1; /* for a person, who can ask the tool for the rest */
    memcpy(call->last_line, line, bytes);
    call->last_line[bytes] = '\0';
}

static enum bw_err judge(const struct bw_units *units, const struct bw_units_call *call,
                         const struct bw_script_result *result, struct bw_diag *diag)
{
    const char *tool = tool_name(units);

    switch (result->how) {
    case BW_SCRIPT_EXITED:
        if (result->code == 0)
            return BW_OK;
        return bw_diag_set(diag, BW_ERR_IO, "%s: exit status %d: %s", tool, result->code,
                           call->last_line);
    case BW_SCRIPT_TIMED_OUT:
        return bw_diag_set(diag, BW_ERR_TIMEOUT, "%s: no answer in time (does %s hang?)", tool,
                           bw_units_manager_name(units));
    case BW_SCRIPT_KILLED:
        return bw_diag_set(diag, BW_ERR_CANCELED, "%s: canceled", tool);
    case BW_SCRIPT_SIGNALED:
        return bw_diag_set(diag, BW_ERR_IO, "%s: ended by signal %d", tool, result->code);
    case BW_SCRIPT_TOO_LATE:
    case BW_SCRIPT_NOT_STARTED:
        break;
    }
    return bw_diag_set(diag, BW_ERR_IO, "%s: not started: %s", tool, result->diag->text);
}

static size_t add_names(const struct bw_units *units, const char **args, size_t used)
{
    for (size_t i = 0; i < units->name_count; i++)
        args[used++] = units->names[i];
    return used;
}

/* With `args`, `used` of them. */
static enum bw_err call_tool(struct bw_units *units, struct bw_units_call *call,
                             struct bw_script_spec spec,
                             const char *args[BW_UNIT_MANAGER_ARGS_MAX + BW_UNITS_MAX + 1],
                             size_t used, struct bw_diag *diag)
{
    enum bw_err err;

    args[used] = NULL;
    spec.args = args;
    spec.limit_ns = units->limit_ns;
    spec.kill_grace_ns = GRACE_NS;
    spec.user = units;
    call->last_line[0] = '\0';
    err = bw_script_start(units->runner, &spec, &call->run, diag);
    if (err == BW_OK)
        bw_script_go(call->run, BW_INSTANT_NEVER);
    return err;
}

static void end_call(struct bw_units *units, struct bw_units_call *call, enum bw_err err,
                     const struct bw_diag *diag)
{
    call->run = NULL;
    call->on_done(units, err, diag, call->user);
}

/* ---- look ------------------------------------------------------------------------------------ */

static void on_look_line(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                         size_t bytes, void *user)
{
    struct bw_units *units = user;

    (void)run;
    units->output_bytes += bytes + 1;
    if (units->output_bytes > OUTPUT_BYTES_MAX)
        units->is_too_much = true;
    if (stream == BW_SCRIPT_STDERR)
        note_last_line(&units->look, line, bytes);
    else
        units->manager->take_line(units, line, bytes);
}

enum bw_err bw_unit_count_processes(const struct bw_unit *unit, size_t *out_count,
                                    struct bw_diag *diag)
{
    struct bw_cgroup cgroup;
    enum bw_err err = bw_cgroup_find(&cgroup, unit->cgroup, diag);

    if (err == BW_ERR_NOT_FOUND) {
        *out_count = 0; /* the manager removes the cgroup of a unit that has ended */
        return BW_OK;
    }
    return err == BW_OK ? bw_cgroup_list(&cgroup, NULL, 0, out_count, diag) : err;
}

void bw_unit_judge_left(struct bw_unit *unit)
{
    size_t count = 0;

    if (unit->activity != BW_UNIT_DOWN || unit->cgroup[0] == '\0')
        return;
    if (bw_unit_count_processes(unit, &count, NULL) != BW_OK)
        unit->activity = BW_UNIT_UNKNOWN;
    else if (count > 0)
        unit->activity = BW_UNIT_UP;
}

static void on_look_end(struct bw_script_run *run, const struct bw_script_result *result,
                        void *user)
{
    struct bw_units *units = user;
    struct bw_diag diag = {0};
    enum bw_err err = judge(units, &units->look, result, &diag);

    (void)run;
    if (err == BW_OK && units->is_too_much)
        err = bw_diag_set(&diag, BW_ERR_INVALID,
                          "%s: its answer is not understood, or has more than %d %s",
                          tool_name(units), BW_UNITS_SEEN_MAX, units->manager->noun);
    if (err == BW_OK)
        err = units->manager->take_over(units, &diag);
    for (size_t i = 0; err != BW_OK && i < units->count; i++)
        units->units[i].activity = BW_UNIT_UNKNOWN;
    units->is_seen = err == BW_OK;
    end_call(units, &units->look, err, &diag);
}

enum bw_err bw_units_look(struct bw_units *units, bw_units_on_done on_done, void *user,
                          struct bw_diag *diag)
{
    const struct bw_unit_manager *manager = units->manager;
    struct bw_script_spec spec = {.on_line = on_look_line, .on_end = on_look_end};
    const char *args[BW_UNIT_MANAGER_ARGS_MAX + BW_UNITS_MAX + 1];

    if (units->look.run != NULL)
        return bw_diag_set(diag, BW_ERR_BUSY, "%s is at work", tool_name(units));
    take_tool(units);
    if (units->tool[0] == '\0') {
        units->is_seen = false;
        for (size_t i = 0; i < units->count; i++)
            units->units[i].activity = BW_UNIT_UNKNOWN;
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "%s", units->manager->no_tool);
    }
    memset(units->seen, 0, sizeof units->seen);
    units->seen_count = 0;
    units->is_new_block = true;
    units->is_too_much = false;
    units->output_bytes = 0;
    spec.path = manager->shell != NULL ? manager->shell : units->tool;
    units->look.on_done = on_done;
    units->look.user = user;
    return call_tool(units, &units->look, spec, args,
                     add_names(units, args, manager->look_arguments(units, args)), diag);
}

bool bw_units_are_known(const struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        if (units->units[i].activity == BW_UNIT_UNKNOWN)
            return false;
    return units->is_seen;
}

bool bw_units_is_any_coming(const struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        if (units->units[i].activity == BW_UNIT_UP && !units->units[i].is_settled)
            return true;
    return false;
}

static bool has_no_process(const struct bw_unit *unit)
{
    size_t count = 0;

    return unit->cgroup[0] == '\0' || (bw_unit_count_processes(unit, &count, NULL) == BW_OK && count == 0);
}

bool bw_units_is_any_bare(const struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        if (units->units[i].activity == BW_UNIT_UP && units->units[i].is_settled &&
            has_no_process(&units->units[i]))
            return true;
    return false;
}

void bw_units_note_restarts(struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        units->units[i].restarts_before = units->units[i].restarts;
}

bool bw_units_is_any_restarted(const struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        if (units->units[i].activity == BW_UNIT_UP &&
            units->units[i].restarts > units->units[i].restarts_before)
            return true;
    return false;
}

static bool read_invocation(const char *folder, const struct bw_unit *unit, char out_id[BW_UNIT_INVOCATION_BYTES])
{
    char path[2 * BW_UNIT_NAME_BYTES];
    ssize_t bytes;

    if (snprintf(path, sizeof path, "%s/invocation:%s", folder, unit->id[0] != '\0' ? unit->id : unit->name) >=
        (int)sizeof path)
        return false;
    bytes = readlink(path, out_id, BW_UNIT_INVOCATION_BYTES - 1);
    if (bytes <= 0)
        return false;
    out_id[bytes] = '\0';
    return true;
}

/* Each start of a unit is another invocation, and has another main process, if any. */
static bool may_be_newer(const char *invocations, const struct bw_unit *unit)
{
    char newest[BW_UNIT_INVOCATION_BYTES];
    struct bw_process now;

    if (has_no_process(unit))
        return false;
    if (unit->invocation[0] != '\0' && read_invocation(invocations, unit, newest))
        return strcmp(newest, unit->invocation) != 0;
    if (unit->main_pid == 0)
        return unit->is_main_gone && bw_unit_comes_again(unit) != NULL;
    return bw_process_read(unit->main_pid, &now, NULL) != BW_OK || now.is_dead ||
           now.start_ticks != unit->main_start_ticks;
}

bool bw_units_is_any_newer(const struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        if (may_be_newer(units->invocations, &units->units[i]))
            return true;
    return false;
}

bool bw_units_are_down(const struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        if (units->units[i].activity != BW_UNIT_DOWN)
            return false;
    return units->is_seen;
}

const char *bw_unit_comes_again(const struct bw_unit *unit)
{
    if (unit->again[0] == '\0')
        return NULL;
    return unit->again;
}

const struct bw_unit *bw_units_that_comes_again(const struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        if (bw_unit_comes_again(&units->units[i]) != NULL)
            return &units->units[i];
    return NULL;
}

/* ---- signals, and what is taken back ------------------------------------------------------------- */

/* Of the two that tell nothing but how they went: which this is. */
static struct bw_units_call *order_of(struct bw_units *units, const struct bw_script_run *run)
{
    BW_ASSERT(run == units->signal.run || run == units->cancel.run);
    return run == units->cancel.run ? &units->cancel : &units->signal;
}

static void on_order_line(struct bw_script_run *run, enum bw_script_stream stream,
                          const char *line, size_t bytes, void *user)
{
    if (stream == BW_SCRIPT_STDERR)
        note_last_line(order_of(user, run), line, bytes);
}

static void on_order_end(struct bw_script_run *run, const struct bw_script_result *result,
                         void *user)
{
    struct bw_units *units = user;
    struct bw_units_call *call = order_of(units, run);
    struct bw_diag diag = {0};
    enum bw_err err = judge(units, call, result, &diag);

    end_call(units, call, err, &diag);
}

/* By the cgroups in which they were seen, or would be. */
static enum bw_err signal_now(const struct bw_units *units, int signal, struct bw_diag *diag)
{
    enum bw_err first = BW_OK;

    for (size_t i = 0; i < units->count; i++) {
        const struct bw_unit *unit = &units->units[i];
        struct bw_cgroup cgroup;
        enum bw_err err;

        if (unit->cgroup[0] == '\0') {
            if (unit->activity != BW_UNIT_DOWN) /* else it has none because it never ran */
                first = bw_diag_set(diag, BW_ERR_UNKNOWN, "unit %s: its cgroup is not known",
                                    unit->name);
            continue;
        }
        err = bw_cgroup_find(&cgroup, unit->cgroup, diag);
        if (err == BW_OK)
            err = bw_cgroup_signal(&cgroup, signal, diag);
        if (err != BW_OK && err != BW_ERR_NOT_FOUND)
            first = err; /* the others are signaled all the same */
    }
    return first;
}

enum bw_err bw_units_signal(struct bw_units *units, int signal, bw_units_on_done on_done,
                            void *user, struct bw_diag *diag)
{
    char option[24];
    /* All processes of a unit is what it does unless told otherwise; the option's name has changed
     * with the versions (--kill-who, --kill-whom). */
    const char *args[BW_UNIT_MANAGER_ARGS_MAX + BW_UNITS_MAX + 1] = {"kill", option, "--"};
    const struct bw_script_spec spec = {
        .path = units->tool, .on_line = on_order_line, .on_end = on_order_end};

    if (units->signal.run != NULL)
        return bw_diag_set(diag, BW_ERR_BUSY, "systemctl kill is at work");
    units->signal.on_done = on_done;
    units->signal.user = user;
    if (units->manager->has_no_signal) {
        struct bw_diag done_diag = {0};

        end_call(units, &units->signal, signal_now(units, signal, &done_diag), &done_diag);
        return BW_OK;
    }
    (void)snprintf(option, sizeof option, "--signal=%d", signal); /* fits any int */
    return call_tool(units, &units->signal, spec, args, add_names(units, args, 3), diag);
}

/* By its number, which systemd gives no other one: what was ordered since, by a person, stays. */
enum bw_err bw_units_cancel(struct bw_units *units, bw_units_on_done on_done, void *user,
                            struct bw_diag *diag)
{
    const char *args[BW_UNIT_MANAGER_ARGS_MAX + BW_UNITS_MAX + 1] = {"cancel", "--"};
    const struct bw_script_spec spec = {
        .path = units->tool, .on_line = on_order_line, .on_end = on_order_end};
    size_t used = 2;

    for (size_t i = 0; i < units->count; i++)
        if (units->units[i].job[0] != '\0' && used < BW_UNIT_MANAGER_ARGS_MAX + BW_UNITS_MAX)
            args[used++] = units->units[i].job;
    if (used == 2)
        return BW_OK;
    if (units->cancel.run != NULL)
        return bw_diag_set(diag, BW_ERR_BUSY, "systemctl cancel is at work");
    units->cancel.on_done = on_done;
    units->cancel.user = user;
    return call_tool(units, &units->cancel, spec, args, used, diag);
}

enum bw_err bw_units_kill_now(const struct bw_units *units, struct bw_diag *diag)
{
    return signal_now(units, SIGKILL, diag);
}

enum bw_err bw_units_list(const struct bw_units *units, pid_t *out_pids, size_t pids_max,
                          size_t *out_count, struct bw_diag *diag)
{
    size_t total = 0;

    for (size_t i = 0; i < units->count; i++) {
        size_t skip = total < pids_max ? total : pids_max;
        struct bw_cgroup cgroup;
        size_t count = 0;
        enum bw_err err = BW_ERR_NOT_FOUND;

        if (units->units[i].cgroup[0] != '\0')
            err = bw_cgroup_find(&cgroup, units->units[i].cgroup, diag);
        if (err == BW_OK)
            err = bw_cgroup_list(&cgroup, out_pids + skip, pids_max - skip, &count, diag);
        if (err != BW_OK && err != BW_ERR_NOT_FOUND)
            return err;
        total += count;
    }
    *out_count = total;
    return BW_OK;
}
