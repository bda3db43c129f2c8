/* Reach `units`: what systemctl(1) says of systemd's units. */
#include "unit_manager.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/sys/process_tree.h>

/* ---- names ----------------------------------------------------------------------------------- */

/* systemd.unit(5): letters, digits, ":-_.\@", and a suffix. No leading '-': it is no option. */
static bool is_unit_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789:-_.\\@";
    size_t length = strlen(name);

    return length > 0 && length < BW_UNIT_NAME_BYTES && name[0] != '-' &&
           strspn(name, allowed) == length && strchr(name, '.') != NULL && name[length - 1] != '.';
}

static const char *find_tool(void)
{
    static const char *const paths[] = {"/usr/bin/systemctl", "/bin/systemctl"};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    return NULL;
}

/* ---- where a unit comes up ------------------------------------------------------------------- */

/* Adds to a text that has its end already; false: there is no room. */
static bool append(char *out, size_t room, const char *text, size_t bytes)
{
    const size_t used = strlen(out);

    if (used + bytes >= room)
        return false;
    memcpy(out + used, text, bytes);
    out[used + bytes] = '\0';
    return true;
}

/* systemd.slice(5): a-b.slice is below a.slice; -.slice is the root. */
static bool append_slice(char *out, size_t room, const char *slice)
{
    static const char suffix[] = ".slice";
    bool fits = true;

    if (strcmp(slice, "-.slice") == 0)
        return true;
    for (const char *dash = strchr(slice, '-'); dash != NULL; dash = strchr(dash + 1, '-'))
        fits = fits && append(out, room, "/", 1) &&
               append(out, room, slice, (size_t)(dash - slice)) &&
               append(out, room, suffix, strlen(suffix));
    return fits && append(out, room, "/", 1) && append(out, room, slice, strlen(slice));
}

/* A name that could be taken for a file of the kernel's: systemd puts "_" before it. */
static bool is_escaped(const char *name)
{
    static const char *const kernels[] = {"cgroup", "cpu",    "cpuacct", "cpuset", "io",
                                          "blkio",  "memory", "devices", "pids"};
    const size_t bytes = strcspn(name, ".");

    if (name[0] == '_' || name[0] == '.' || strncmp(name, "bpf-", 4) == 0)
        return true;
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++)
        if (strlen(kernels[i]) == bytes && memcmp(name, kernels[i], bytes) == 0)
            return true;
    return false;
}

/* False, and "": its path is too long. */
static bool place_in_slice(const struct bw_units *units, struct bw_unit *unit, const char *slice,
                           const char *name)
{
    const size_t room = sizeof unit->cgroup;

    unit->cgroup[0] = '\0';
    if (append(unit->cgroup, room, units->root, strlen(units->root)) &&
        append_slice(unit->cgroup, room, slice) &&
        append(unit->cgroup, room, "/_", is_escaped(name) ? 2 : 1) &&
        append(unit->cgroup, room, name, strlen(name)))
        return true;
    unit->cgroup[0] = '\0';
    return false;
}

/* What systemd says of one that is up is never doubted; of one that is not, its slice says where it
 * will be, unless that was seen already and is the same slice still. */
static void take_cgroup(const struct bw_units *units, struct bw_unit *unit,
                        const struct bw_unit *seen)
{
    const bool is_moved = unit->slice[0] != '\0' && (strcmp(unit->slice, seen->slice) != 0 ||
                                                     strcmp(unit->id, seen->id) != 0);

    if (seen->cgroup[0] != '\0')
        memcpy(unit->cgroup, seen->cgroup, sizeof unit->cgroup);
    else if (seen->slice[0] != '\0' && (unit->cgroup[0] == '\0' || is_moved))
        (void)place_in_slice(units, unit, seen->slice,
                             seen->id[0] != '\0' ? seen->id
                                                 : unit->name); /* "": known once it is up */
    if (seen->slice[0] == '\0')
        return;
    memcpy(unit->slice, seen->slice, sizeof unit->slice);
    memcpy(unit->id, seen->id, sizeof unit->id);
}

/* ---- look ------------------------------------------------------------------------------------ */

/* The value of `key=` when the line begins so. */
static bool take_value(const char *line, size_t bytes, const char *key, const char **out_value,
                       size_t *out_bytes)
{
    size_t length = strlen(key);

    if (bytes < length || memcmp(line, key, length) != 0)
        return false;
    *out_value = line + length;
    *out_bytes = bytes - length;
    return true;
}

static bool is_word(const char *value, size_t bytes, const char *word)
{
    return strlen(word) == bytes && memcmp(value, word, bytes) == 0;
}

static enum bw_unit_activity activity_of(const char *value, size_t bytes)
{
    static const char *const up[] = {"active",       "reloading",   "activating",
                                     "deactivating", "maintenance", "refreshing"};

    if (is_word(value, bytes, "inactive") || is_word(value, bytes, "failed"))
        return BW_UNIT_DOWN;
    for (size_t i = 0; i < sizeof up / sizeof up[0]; i++)
        if (is_word(value, bytes, up[i]))
            return BW_UNIT_UP;
    return BW_UNIT_UNKNOWN;
}

/* systemd.service(5): only Restart=no starts nothing, whatever its end was. No exit status exempts
 * the others: before a KILL goes a TERM, which may end it by any status, and one that ended by
 * itself just before is started after RestartSec=, when the KILL has found nothing. */
static bool is_restart(const char *line, size_t bytes)
{
    const char *value;
    size_t value_bytes;

    return take_value(line, bytes, "Restart=", &value, &value_bytes) &&
           !is_word(value, value_bytes, "no");
}

/* RestartForceExitStatus= wins over Restart=no; a socket, a timer, a path or a unit that upholds it
 * does not ask how it ended; what its own end starts, or that of another one, may be or start it.
 */
static bool is_other_start(const char *line, size_t bytes)
{
    static const char *const keys[] = {"RestartForceExitStatus=",
                                       "TriggeredBy=",
                                       "UpheldBy=",
                                       "OnFailure=",
                                       "OnSuccess=",
                                       "OnFailureOf=",
                                       "OnSuccessOf="};
    const char *value;
    size_t value_bytes;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (take_value(line, bytes, keys[i], &value, &value_bytes))
            return value_bytes > 0;
    return false;
}

static void take_name(char out_name[BW_UNIT_NAME_BYTES], const char *value, size_t bytes)
{
    if (bytes < BW_UNIT_NAME_BYTES) /* systemd has no longer ones */
        (void)snprintf(out_name, BW_UNIT_NAME_BYTES, "%.*s", (int)bytes, value);
}

static void take_state(struct bw_unit *unit, const char *value, size_t bytes)
{
    unit->activity = activity_of(value, bytes);
    unit->is_settled = is_word(value, bytes, "active");
}

static bool is_number(const char *value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (value[i] < '0' || value[i] > '9')
            return false;
    return bytes > 0;
}

/* Of what is no number nothing is known: then its age alone tells (3.2.4). */
static uint32_t count_of(const char *value, size_t bytes)
{
    uint32_t count = 0;

    if (!is_number(value, bytes) || bytes > 9)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        count = 10 * count + (uint32_t)(value[i] - '0');
    return count;
}

static void take_job(struct bw_unit *unit, const char *value, size_t bytes)
{
    unit->has_job = bytes > 0 && !is_word(value, bytes, "0");
    if (unit->has_job && bytes < BW_UNIT_JOB_BYTES && is_number(value, bytes))
        (void)snprintf(unit->job, sizeof unit->job, "%.*s", (int)bytes, value);
}

void bw_unit_take_line(struct bw_unit *unit, const char *line, size_t bytes)
{
    const char *value;
    size_t value_bytes;

    if (take_value(line, bytes, "ActiveState=", &value, &value_bytes))
        take_state(unit, value, value_bytes);
    else if (take_value(line, bytes, "ControlGroup=", &value, &value_bytes) && value_bytes > 1 &&
             value_bytes < BW_UNIT_CGROUP_BYTES)
        (void)snprintf(unit->cgroup, sizeof unit->cgroup, "%.*s", (int)value_bytes, value);
    else if (take_value(line, bytes, "Job=", &value, &value_bytes))
        take_job(unit, value, value_bytes);
    else if (take_value(line, bytes, "NRestarts=", &value, &value_bytes))
        unit->restarts = count_of(value, value_bytes);
    else if (take_value(line, bytes, "MainPID=", &value, &value_bytes))
        unit->main_pid = (pid_t)count_of(value, value_bytes); /* 0: it has none */
    else if (take_value(line, bytes, "InvocationID=", &value, &value_bytes) && value_bytes < BW_UNIT_INVOCATION_BYTES)
        (void)snprintf(unit->invocation, sizeof unit->invocation, "%.*s", (int)value_bytes, value);
    else if (take_value(line, bytes, "Slice=", &value, &value_bytes))
        take_name(unit->slice, value, value_bytes);
    else if (take_value(line, bytes, "Id=", &value, &value_bytes))
        take_name(unit->id, value, value_bytes);
    else if (take_value(line, bytes, "LoadState=", &value, &value_bytes))
        unit->is_loaded = is_word(value, value_bytes, "loaded") ||
                          is_word(value, value_bytes, "masked");
    else if (is_restart(line, bytes) || is_other_start(line, bytes))
        (void)snprintf(unit->again, sizeof unit->again, "%.*s", (int)bytes,
                       line); /* cut: for people */
}

/* `systemctl show` answers in the order of its arguments, one block each, an empty line between. */
static void take_line(struct bw_units *units, const char *line, size_t bytes)
{
    if (bytes == 0) {
        units->is_new_block = true;
        return;
    }
    if (units->is_new_block && units->seen_count == units->count) {
        units->is_too_much = true; /* more than was asked for */
        return;
    }
    if (units->is_new_block) {
        units->seen_count++;
        units->is_new_block = false;
    }
    bw_unit_take_line(&units->seen[units->seen_count - 1], line, bytes);
}

/* One that is gone already tells nothing of what runs there later. */
static void take_main(struct bw_unit *unit, const struct bw_unit *seen)
{
    struct bw_process process = {.start_ticks = 0};

    unit->is_main_gone = seen->main_pid != 0 &&
                         (bw_process_read(seen->main_pid, &process, NULL) != BW_OK || process.is_dead);
    unit->main_pid = unit->is_main_gone ? 0 : seen->main_pid;
    unit->main_start_ticks = process.start_ticks;
}

/* A unit that is inactive but has processes left is not down (KillMode=process, none), nor one
 * whose start waits in systemd's queue: what was ordered may begin after any look (3.2.4). */
static enum bw_err take_over(struct bw_units *units, struct bw_diag *diag)
{
    if (units->seen_count != units->count)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "systemctl show: %zu answers for %zu units: it is not understood",
                           units->seen_count, units->count);
    for (size_t i = 0; i < units->count; i++) {
        struct bw_unit *unit = &units->units[i];
        const struct bw_unit *seen = &units->seen[i];

        unit->activity = seen->is_loaded ? seen->activity : BW_UNIT_UNKNOWN;
        memcpy(unit->again, seen->again, sizeof unit->again);
        unit->is_settled = seen->is_settled && !seen->has_job;
        unit->restarts = seen->restarts;
        if (seen->restarts < unit->restarts_before)
            unit->restarts_before = 0; /* it was started by an order since: systemd counts anew */
        memcpy(unit->invocation, seen->invocation, sizeof unit->invocation);
        take_main(unit, seen);
        take_cgroup(units, unit, seen);
        unit->job[0] = '\0';
        if (unit->activity == BW_UNIT_DOWN && seen->has_job) {
            unit->activity = BW_UNIT_UP;
            memcpy(unit->job, seen->job, sizeof unit->job);
        }
        bw_unit_judge_left(unit);
    }
    return BW_OK;
}

static size_t look_arguments(const struct bw_units *units, const char **out_args)
{
    (void)units;
    out_args[0] = "show";
    out_args[1] = BW_UNIT_PROPERTIES;
    out_args[2] = "--";
    return 3;
}

const struct bw_unit_manager bw_unit_manager_systemd = {
    .name = "systemd",
    .noun = "units",
    .expected = "the name of a unit (expected something like harbor.service)",
    .no_tool = "no systemctl on this machine: reach `units` needs systemd",
    .advice =
        "write Restart=no without RestartForceExitStatus=, and mask what triggers or upholds it",
    .limit_ns = UINT64_C(2) * BW_NS_PER_S,
    .is_name = is_unit_name,
    .find_tool = find_tool,
    .look_arguments = look_arguments,
    .take_line = take_line,
    .take_over = take_over,
};
