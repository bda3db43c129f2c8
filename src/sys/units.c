#include <breakwater/sys/units.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/sys/cgroup.h>

#define GRACE_NS BW_NS_PER_S /* a systemctl that hangs is owed no more */

/* ---- names ------------------------------------------------------------------------------------
 */

/* systemd.unit(5): letters, digits, ":-_.\@", and a suffix. No leading '-': it is no option. */
static bool is_unit_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789:-_.\\@";
    size_t length = strlen(name);

    return length > 0 && length < BW_UNIT_NAME_BYTES && name[0] != '-' &&
           strspn(name, allowed) == length && strchr(name, '.') != NULL && name[length - 1] != '.';
}

enum bw_err bw_units_init(struct bw_units *units, struct bw_script_runner *runner,
                          const char *const *names, size_t count, uint64_t limit_ns,
                          struct bw_diag *diag)
{
    static const char *const paths[] = {"/usr/bin/systemctl", "/bin/systemctl"};

    *units = (struct bw_units){.runner = runner, .limit_ns = limit_ns};
    if (count == 0 || count > BW_UNITS_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%zu units: expected 1 to %d", count, BW_UNITS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!is_unit_name(names[i]))
            return bw_diag_set(diag, BW_ERR_INVALID,
                               "%s: not the name of a unit (expected something like "
                               "harbor.service)",
                               names[i]);
        BW_ASSERT(bw_copy_text(units->units[i].name, BW_UNIT_NAME_BYTES, names[i]));
    }
    units->count = count;
    bw_cgroup_manager_root(units->root);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && units->systemctl == NULL; i++)
        if (access(paths[i], X_OK) == 0)
            units->systemctl = paths[i];
    if (units->systemctl == NULL)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND,
                           "no %s on this machine: reach `units` needs systemd", paths[0]);
    return BW_OK;
}

/* ---- where a unit comes up ---------------------------------------------------------------------
 */

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

/* What systemd says of one that is up is never doubted; of one that is not, its slice says where it will be, unless
 * that was seen already and is the same slice still. */
static void take_cgroup(const struct bw_units *units, struct bw_unit *unit,
                        const struct bw_unit *seen)
{
    const bool is_moved = unit->slice[0] != '\0' && (strcmp(unit->slice, seen->slice) != 0 ||
                                                     strcmp(unit->id, seen->id) != 0);

    if (seen->cgroup[0] != '\0')
        memcpy(unit->cgroup, seen->cgroup, sizeof unit->cgroup);
    else if (seen->slice[0] != '\0' && (unit->cgroup[0] == '\0' || is_moved))
        (void)place_in_slice(units, unit, seen->slice,
                             seen->id[0] != '\0' ? seen->id : unit->name); /* "": known once it is up */
    if (seen->slice[0] == '\0')
        return;
    memcpy(unit->slice, seen->slice, sizeof unit->slice);
    memcpy(unit->id, seen->id, sizeof unit->id);
}

/* ---- one systemctl ----------------------------------------------------------------------------
 */

static void note_said(struct bw_units_call *call, const char *line, size_t bytes)
{
    if (bytes > sizeof call->said - 1)
        bytes = sizeof call->said - 1; /* for a person, who can ask systemctl for the rest */
    memcpy(call->said, line, bytes);
    call->said[bytes] = '\0';
}

static enum bw_err judge(const struct bw_units_call *call, const struct bw_script_result *result,
                         struct bw_diag *diag)
{
    switch (result->how) {
    case BW_SCRIPT_EXITED:
        if (result->code == 0)
            return BW_OK;
        return bw_diag_set(diag, BW_ERR_IO, "systemctl: exit status %d: %s", result->code,
                           call->said);
    case BW_SCRIPT_TIMED_OUT:
        return bw_diag_set(diag, BW_ERR_TIMEOUT,
                           "systemctl: no answer in time (does systemd hang?)");
    case BW_SCRIPT_KILLED:
        return bw_diag_set(diag, BW_ERR_CANCELED, "systemctl: canceled");
    case BW_SCRIPT_SIGNALED:
        return bw_diag_set(diag, BW_ERR_IO, "systemctl: ended by signal %d", result->code);
    case BW_SCRIPT_TOO_LATE:
    case BW_SCRIPT_NOT_STARTED:
        break;
    }
    return bw_diag_set(diag, BW_ERR_IO, "systemctl: not started: %s", result->diag->text);
}

static enum bw_err call_systemctl(struct bw_units *units, struct bw_units_call *call,
                                  struct bw_script_spec spec, const char *const *options,
                                  size_t option_count, struct bw_diag *diag)
{
    const char *args[8 + BW_UNITS_MAX];
    size_t used = 0;
    enum bw_err err;

    for (size_t i = 0; i < option_count; i++)
        args[used++] = options[i];
    args[used++] = "--";
    for (size_t i = 0; i < units->count; i++)
        args[used++] = units->units[i].name;
    args[used] = NULL;
    spec.path = units->systemctl;
    spec.args = args;
    spec.limit_ns = units->limit_ns;
    spec.kill_grace_ns = GRACE_NS;
    spec.user = units;
    call->said[0] = '\0';
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

/* ---- look -------------------------------------------------------------------------------------
 */

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

/* systemd.service(5): only Restart=no starts nothing, whatever its end was. No exit status exempts the
 * others: before a KILL goes a TERM, which may end it by any status, and one that ended by itself
 * just before is started after RestartSec=, when the KILL has found nothing. */
static bool is_restart(const char *line, size_t bytes)
{
    const char *value;
    size_t value_bytes;

    return take_value(line, bytes, "Restart=", &value, &value_bytes) &&
           !is_word(value, value_bytes, "no");
}

/* RestartForceExitStatus= wins over Restart=no; a socket, a timer, a path or a unit that upholds it
 * does not ask how it ended; what its own end starts, or that of another one, may be or start it. */
static bool is_other_start(const char *line, size_t bytes)
{
    static const char *const keys[] = {"RestartForceExitStatus=", "TriggeredBy=", "UpheldBy=",
                                       "OnFailure=", "OnSuccess=", "OnFailureOf=", "OnSuccessOf="};
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

void bw_unit_take_line(struct bw_unit *unit, const char *line, size_t bytes)
{
    const char *value;
    size_t value_bytes;

    if (take_value(line, bytes, "ActiveState=", &value, &value_bytes))
        unit->activity = activity_of(value, value_bytes);
    else if (take_value(line, bytes, "ControlGroup=", &value, &value_bytes) && value_bytes > 1 &&
             value_bytes < BW_UNIT_CGROUP_BYTES)
        (void)snprintf(unit->cgroup, sizeof unit->cgroup, "%.*s", (int)value_bytes, value);
    else if (take_value(line, bytes, "Job=", &value, &value_bytes))
        unit->has_job = value_bytes > 0 && !is_word(value, value_bytes, "0");
    else if (take_value(line, bytes, "Slice=", &value, &value_bytes))
        take_name(unit->slice, value, value_bytes);
    else if (take_value(line, bytes, "Id=", &value, &value_bytes))
        take_name(unit->id, value, value_bytes);
    else if (take_value(line, bytes, "LoadState=", &value, &value_bytes))
        unit->is_loaded = is_word(value, value_bytes, "loaded") ||
                          is_word(value, value_bytes, "masked");
    else if (is_restart(line, bytes) || is_other_start(line, bytes))
        (void)snprintf(unit->again, sizeof unit->again, "%.*s", (int)bytes, line); /* cut: for people */
}

/* `systemctl show` answers in the order of its arguments, one block each, an empty line between. */
static void on_look_line(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                         size_t bytes, void *user)
{
    struct bw_units *units = user;

    (void)run;
    if (stream == BW_SCRIPT_STDERR) {
        note_said(&units->look, line, bytes);
        return;
    }
    if (bytes == 0) {
        units->is_new_block = true;
        return;
    }
    if (units->is_new_block) {
        units->seen_count++;
        units->is_new_block = false;
    }
    if (units->seen_count > units->count)
        return; /* more than was asked for: an error at the end */
    bw_unit_take_line(&units->seen[units->seen_count - 1], line, bytes);
}

static enum bw_err count_processes(const struct bw_unit *unit, size_t *out_count,
                                   struct bw_diag *diag)
{
    struct bw_cgroup cgroup;
    enum bw_err err = bw_cgroup_find(&cgroup, unit->cgroup, diag);

    if (err == BW_ERR_NOT_FOUND) {
        *out_count = 0; /* systemd removes the cgroup of a unit that has ended */
        return BW_OK;
    }
    return err == BW_OK ? bw_cgroup_list(&cgroup, NULL, 0, out_count, diag) : err;
}

/* A unit that is inactive but has processes left is not down (KillMode=process, none), nor one whose start waits in
 * systemd's queue: what was ordered may begin after any look (3.2.4). */
static void take_over(struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++) {
        struct bw_unit *unit = &units->units[i];
        const struct bw_unit *seen = &units->seen[i];
        size_t count = 0;

        unit->activity = seen->is_loaded ? seen->activity : BW_UNIT_UNKNOWN;
        memcpy(unit->again, seen->again, sizeof unit->again);
        take_cgroup(units, unit, seen);
        if (unit->activity == BW_UNIT_DOWN && seen->has_job)
            unit->activity = BW_UNIT_UP;
        if (unit->activity != BW_UNIT_DOWN || unit->cgroup[0] == '\0')
            continue;
        if (count_processes(unit, &count, NULL) != BW_OK)
            unit->activity = BW_UNIT_UNKNOWN;
        else if (count > 0)
            unit->activity = BW_UNIT_UP;
    }
}

static void on_look_end(struct bw_script_run *run, const struct bw_script_result *result,
                        void *user)
{
    struct bw_units *units = user;
    struct bw_diag diag = {0};
    enum bw_err err = judge(&units->look, result, &diag);

    (void)run;
    if (err == BW_OK && units->seen_count != units->count)
        err = bw_diag_set(&diag, BW_ERR_INVALID,
                          "systemctl show: %zu answers for %zu units: it is not understood",
                          units->seen_count, units->count);
    if (err == BW_OK)
        take_over(units);
    else
        for (size_t i = 0; i < units->count; i++)
            units->units[i].activity = BW_UNIT_UNKNOWN;
    end_call(units, &units->look, err, &diag);
}

enum bw_err bw_units_look(struct bw_units *units, bw_units_on_done on_done, void *user,
                          struct bw_diag *diag)
{
    static const char *const options[] = {"show", BW_UNIT_PROPERTIES};
    const struct bw_script_spec spec = {.on_line = on_look_line, .on_end = on_look_end};

    if (units->look.run != NULL)
        return bw_diag_set(diag, BW_ERR_BUSY, "systemctl show is at work");
    memset(units->seen, 0, sizeof units->seen);
    units->seen_count = 0;
    units->is_new_block = true;
    units->look.on_done = on_done;
    units->look.user = user;
    return call_systemctl(units, &units->look, spec, options, 2, diag);
}

bool bw_units_are_down(const struct bw_units *units)
{
    for (size_t i = 0; i < units->count; i++)
        if (units->units[i].activity != BW_UNIT_DOWN)
            return false;
    return units->count > 0;
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

/* ---- signals ----------------------------------------------------------------------------------
 */

static void on_signal_line(struct bw_script_run *run, enum bw_script_stream stream,
                           const char *line, size_t bytes, void *user)
{
    struct bw_units *units = user;

    (void)run;
    if (stream == BW_SCRIPT_STDERR)
        note_said(&units->signal, line, bytes);
}

static void on_signal_end(struct bw_script_run *run, const struct bw_script_result *result,
                          void *user)
{
    struct bw_units *units = user;
    struct bw_diag diag = {0};
    enum bw_err err = judge(&units->signal, result, &diag);

    (void)run;
    end_call(units, &units->signal, err, &diag);
}

enum bw_err bw_units_signal(struct bw_units *units, int signal, bw_units_on_done on_done,
                            void *user, struct bw_diag *diag)
{
    char option[24];
    /* All processes of a unit is what it does unless told otherwise; the option's name has changed
     * with the versions (--kill-who, --kill-whom). */
    const char *const options[] = {"kill", option};
    const struct bw_script_spec spec = {.on_line = on_signal_line, .on_end = on_signal_end};

    if (units->signal.run != NULL)
        return bw_diag_set(diag, BW_ERR_BUSY, "systemctl kill is at work");
    (void)snprintf(option, sizeof option, "--signal=%d", signal); /* fits any int */
    units->signal.on_done = on_done;
    units->signal.user = user;
    return call_systemctl(units, &units->signal, spec, options, 2, diag);
}

enum bw_err bw_units_kill_now(const struct bw_units *units, struct bw_diag *diag)
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
            err = bw_cgroup_signal(&cgroup, SIGKILL, diag);
        if (err != BW_OK && err != BW_ERR_NOT_FOUND)
            first = err; /* the others are killed all the same */
    }
    return first;
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
