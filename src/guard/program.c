/* The life of a guard: start, signals, end. */
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/notify.h>
#include <breakwater/sys/own_process.h>

#define FILES_OWN 128 /* sockets, directories, the enforcer */

/* ---- the groups ---------------------------------------------------------------------------- */

struct bw_guard_group *bw_guard_program_find(const struct bw_guard_program *program,
                                             const char *group)
{
    for (uint32_t i = 0; i < program->group_count; i++) {
        if (strcmp(program->groups[i]->machine.group, group) == 0)
            return program->groups[i];
    }
    return NULL;
}

enum bw_err bw_guard_program_add(struct bw_guard_program *program,
                                 const struct bw_group_config *config,
                                 const struct bw_guard_files *files, bool is_kept,
                                 struct bw_diag *diag)
{
    const size_t count = program->group_count;
    struct bw_guard_group *group;
    struct bw_guard_group **groups = realloc(program->groups,
                                             (count + 1) * sizeof(struct bw_guard_group *));
    enum bw_err err;

    if (groups == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "make room for group %s", config->name);
    program->groups = groups;
    err = bw_guard_group_open(program, config, files, is_kept, &group, diag);
    if (err != BW_OK)
        return err;
    groups[program->group_count++] = group;
    bw_guard_machine_add(&program->machine, &group->at, &group->machine, group);
    bw_guard_enforcer_tell_reach(group);
    bw_guard_go_on(program, false);
    return BW_OK;
}

/* ---- the end ------------------------------------------------------------------------------- */

static void tell_manager(struct bw_guard_program *program, const char *state)
{
    struct bw_diag diag = {0};

    if (bw_notify(state, &diag) != BW_OK)
        bw_log_warn(&program->log, "manager.untold", "state=%s error=%s", state,
                    bw_log_quote(diag.text));
}

static void close_turns(struct bw_guard_program *program)
{
    if (!program->has_turns)
        return;
    program->has_turns = false;
    bw_deadline_close(&program->wake, NULL);
    uv_close((uv_handle_t *)&program->prepare, NULL);
}

/* The service is left alone. The mirror stays as it is: a successor resumes the deadlines, and
 * reports what runs now as interrupted. */
static void begin_close(struct bw_guard_program *program)
{
    struct bw_worker *const workers[] = {program->disk, program->pins};

    if (program->is_closing)
        return;
    program->is_closing = true;
    for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++)
        program->is_at_work |= bw_worker_close(workers[i]);
    program->is_at_work |= bw_guard_mirrors_close(program);
    program->is_reading = bw_guard_reload_close(program);
    close_turns(program);
    bw_guard_enforcer_close(program);
    bw_guard_agents_close(program);
    bw_heartbeat_close(&program->heartbeat);
    for (uint32_t i = 0; i < program->group_count; i++)
        bw_guard_group_close(program->groups[i]);
    if (program->has_runner)
        bw_script_runner_close(&program->runner, NULL, NULL);
    for (int i = 0; i < BW_GUARD_SIGNALS && program->has_signals; i++)
        uv_close((uv_handle_t *)&program->signals[i], NULL);
    program->has_signals = false;
}

void bw_guard_program_look(struct bw_guard_program *program)
{
    program->is_ending |=
        program->is_caretaker && bw_guard_machine_is_over(&program->machine, bw_clock_now());
    if (!program->is_ending || program->is_closing)
        return;
    if (bw_guard_machine_may_end(&program->machine))
        begin_close(program);
}

/* What this guard will not be there for. Whoever is not known to keep the deadline is not promised. */
static void say_left(const struct bw_guard_group *group)
{
    struct bw_guard_program *program = group->program;
    const struct bw_guard_mirror *mirror = &group->machine.mirror;
    char keeper[128] = "no enforcer is known to have its deadline: start a guard";

    if (mirror->armed_epoch == 0 || group->machine.fence != BW_FENCE_NONE)
        return;
    if (bw_enforcing_has(&program->machine.enforcing, &group->at.enforcing))
        (void)snprintf(keeper, sizeof keeper,
                       "pid %ld ends what is in reach at the end of its lease, unless a guard is started before",
                       (long)program->enforcer.pid); /* fits any pid */
    bw_log_warn(&program->log, "deadline.left",
                "group=%s epoch=%" PRIu64 " left_ms=%" PRIu64 " does=\"the service is left alone; %s\"",
                group->config->name, mirror->armed_epoch,
                bw_instant_left_ns(bw_clock_now(), mirror->armed_end) / BW_NS_PER_MS, keeper);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct bw_guard_program *program = signal->data;

    if (number == SIGHUP) {
        bw_guard_reload(program);
        return;
    }
    bw_log_info(&program->log, "guard.ending", "signal=%s", sigabbrev_np(number));
    for (uint32_t i = 0; i < program->group_count; i++)
        say_left(program->groups[i]);
    if (program->is_ending) {
        begin_close(program);
        return;
    }
    program->is_ending = true;
    tell_manager(program, "STOPPING=1");
    bw_guard_program_look(program);
    if (!program->is_closing)
        bw_log_warn(&program->log, "guard.fencing",
                    "does=\"ends when the fence has; a second signal ends it now\"");
}

/* ---- the start ----------------------------------------------------------------------------- */

static void on_wake(struct bw_deadline *deadline, void *user)
{
    struct bw_guard_program *program = user;

    (void)deadline;
    bw_guard_machine_on_wake(&program->machine);
    bw_guard_go_on(program, false);
}

/* Before the loop waits: all that the messages of one turn have changed and armed, in as few writes and frames
 * as it takes. */
static void on_prepare(uv_prepare_t *prepare)
{
    bw_guard_go_on(prepare->data, true);
}

static enum bw_err open_turns(struct bw_guard_program *program, struct bw_diag *diag)
{
    const enum bw_err err =
        bw_deadline_init(&program->wake, &program->loop, on_wake, program, diag);

    if (err != BW_OK)
        return err;
    BW_ASSERT(uv_prepare_init(&program->loop, &program->prepare) == 0); /* cannot fail */
    program->prepare.data = program;
    BW_ASSERT(uv_prepare_start(&program->prepare, on_prepare) == 0);
    program->has_turns = true;
    return BW_OK;
}

static void open_signals(struct bw_guard_program *program)
{
    static const int numbers[BW_GUARD_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

    for (int i = 0; i < BW_GUARD_SIGNALS; i++) {
        int rc = uv_signal_init(&program->loop, &program->signals[i]);

        BW_ASSERT(rc == 0); /* the runner has opened the loop's signal pipe already */
        program->signals[i].data = program;
        rc = uv_signal_start(&program->signals[i], on_signal, numbers[i]);
        BW_ASSERT(rc == 0);
    }
    program->has_signals = true;
}

static void open_named(struct bw_guard_program *program)
{
    for (uint32_t i = 0; i < program->config->group_count; i++) {
        const struct bw_group_config *group = &program->config->groups[i];
        struct bw_guard_files files;
        struct bw_diag diag = {0};
        enum bw_err err;

        bw_guard_files_read(&program->store, program->config, group, &files);
        err = bw_guard_program_add(program, group, &files, false, &diag);
        if (err == BW_OK)
            continue;
        bw_log_error(&program->log, "group.unloaded",
                     "group=%s error=%s does=\"the others are guarded, this group is not\" "
                     "next=\"once another site holds it: move that file away and restart the guard\"",
                     group->name, bw_log_quote(diag.text));
        bw_guard_opening_on_failed(&program->opening, err);
    }
}

static void look_at(struct bw_guard_program *program)
{
    switch (program->opening.phase) {
    case BW_OPENING_NAMED:
        open_named(program);
        break;
    case BW_OPENING_FORGOTTEN:
        bw_guard_program_look_at_all(program, program->store.state_dir, BW_GUARD_MEMORY_SUFFIX);
        break;
    case BW_OPENING_UNLOADED:
        for (uint32_t i = 0; i < program->config->group_count; i++)
            bw_guard_program_look_at(program, program->config->groups[i].name);
        break;
    case BW_OPENING_MIRRORS:
        bw_guard_program_look_at_all(program, program->store.mirror_dir, BW_GUARD_MIRROR_SUFFIX);
        break;
    case BW_OPENING_READY:
    case BW_OPENING_NOTHING:
        break;
    }
}

bool bw_guard_program_open_groups(struct bw_guard_program *program, bool is_caretaker)
{
    struct bw_guard_opening *opening = &program->opening;

    bw_guard_opening_init(opening, is_caretaker);
    while (opening->phase != BW_OPENING_READY && opening->phase != BW_OPENING_NOTHING) {
        look_at(program);
        bw_guard_opening_next(opening, program->group_count);
    }
    return opening->phase == BW_OPENING_READY;
}

/* With too few, the fences of all groups at once would lack them. */
static void raise_files(struct bw_guard_program *program)
{
    const uint64_t wanted = (uint64_t)program->config->group_count * BW_FILES_PER_GROUP + FILES_OWN;
    const uint64_t allowed = bw_files_raise();

    if (allowed < wanted)
        bw_log_warn(&program->log, "files.few",
                    "allowed=%" PRIu64 " wanted=%" PRIu64 " groups=%u does=\"goes on; raise the hard "
                    "limit of open files (LimitNOFILE=, ulimit -Hn), or have fewer groups\"",
                    allowed, wanted, (unsigned)program->config->group_count);
}

static void on_reader_failed(int os_errno, void *user)
{
    struct bw_guard_program *program = user;

    bw_log_warn(&program->log, "output.reader_failed",
                "error=%s does=\"this guard reads what services print, and tries again each second; until then a service "
                "that prints ends with this guard\"",
                bw_log_quote(strerror(os_errno)));
}

enum bw_err bw_guard_program_equip(struct bw_guard_program *program, struct bw_diag *diag)
{
    enum bw_err err;

    raise_files(program);
    err = bw_script_runner_init(&program->runner, &program->loop, true, diag);

    if (err != BW_OK)
        return err;
    bw_script_runner_keep_output(&program->runner, on_reader_failed, program);
    program->has_runner = true;
    open_signals(program);
    err = bw_guard_saves_open(program, diag);
    if (err == BW_OK)
        err = open_turns(program, diag);
    if (err == BW_OK)
        err = bw_guard_mirrors_open(program, diag);
    return err;
}

static void begin_machine(struct bw_guard_program *program)
{
    const struct bw_guard_store *store = &program->store;
    struct bw_guard_identity own = {.boot_id = store->boot_id,
                                    .time_namespace = store->time_namespace,
                                    .cluster_id = store->cluster_id,
                                    .generation = store->generation};

    memcpy(own.site, store->site, sizeof own.site);
    bw_guard_machine_init(&program->machine, &own);
}

static enum bw_err start(struct bw_guard_program *program, struct bw_diag *diag)
{
    enum bw_err err = bw_guard_store_open(&program->store, program->config, diag);

    if (err == BW_OK)
        begin_machine(program);
    if (err == BW_OK)
        err = bw_guard_program_equip(program, diag);
    if (err == BW_OK)
        err = bw_guard_reload_open(program, diag);
    if (err != BW_OK)
        return err;
    if (!bw_guard_program_open_groups(program, false))
        return bw_diag_set(diag, program->opening.failed, "a group could not be loaded, see above");
    bw_guard_enforcer_open(program);
    err = bw_guard_agents_listen(program, diag);
    if (err != BW_OK)
        return err;
    if (geteuid() == 0 && bw_oom_protect(diag) != BW_OK)
        bw_log_warn(&program->log, "guard.unprotected",
                    "error=%s does=\"goes on; the kernel may end it when memory runs out\"",
                    bw_log_quote(diag->text));
    bw_log_info(&program->log, "guard.ready", "site=%s groups=%u socket=%s", program->store.site,
                (unsigned)program->group_count, bw_log_quote(program->config->guard_socket));
    bw_guard_dirs_say_unguarded(program);
    tell_manager(program, "READY=1");
    bw_heartbeat_open(&program->heartbeat, &program->loop, NULL, NULL);
    return BW_OK;
}

void bw_guard_program_free(struct bw_guard_program *program)
{
    for (uint32_t i = 0; i < program->group_count; i++)
        bw_guard_group_free(program->groups[i]);
    free(program->groups);
    bw_guard_program_free_forgotten(program);
    if (!program->is_at_work) /* else all ends with the process, whenever the disk answers */
        bw_guard_store_unlock(&program->store);
    if (!program->is_at_work && !program->is_reading)
        bw_guard_store_close(&program->store);
    bw_site_config_free(program->config);
    bw_log_deinit(&program->log);
    free(program);
}

struct bw_guard_program *bw_guard_program_make(struct bw_site_config *config)
{
    static const struct bw_guard_identity nobody; /* until the state is read, and for a caretaker */
    struct bw_guard_program *program = calloc(1, sizeof *program);

    BW_ASSERT(program != NULL);
    bw_guard_machine_init(&program->machine, &nobody);
    program->config = config;
    program->enforcer.fd = -1;
    program->store.state_dir = program->store.mirror_dir = -1;
    program->store.lock = program->store.mirror_lock = -1;
    bw_log_init(&program->log, "guard", config->log_level);
    return program;
}

enum bw_daemon_end bw_guard_program_turn(struct bw_guard_program *program,
                                         enum bw_err (*begin)(struct bw_guard_program *program,
                                                              struct bw_diag *diag))
{
    enum bw_daemon_end end = BW_DAEMON_STOPPED;
    struct bw_diag diag = {0};
    enum bw_err err;
    int rc = uv_loop_init(&program->loop);

    BW_ASSERT(rc == 0);
    err = begin(program, &diag);
    if (err != BW_OK) {
        bw_log_error(&program->log, "guard.unstarted", "error=%s", bw_log_quote(diag.text));
        end = bw_err_may_pass(err) ? BW_DAEMON_RESTART : BW_DAEMON_CONFIG;
        begin_close(program);
    }
    bw_guard_program_look(program);
    (void)uv_run(&program->loop, UV_RUN_DEFAULT); /* until every handle is closed */
    rc = uv_loop_close(&program->loop);
    BW_ASSERT(rc == 0);
    return end;
}

enum bw_daemon_end bw_guard_program_run(const char *config_file)
{
    struct bw_site_config *config =
        bw_site_config_take(config_file, BW_CONFIG_HERE, "nothing was started");
    enum bw_daemon_end end = BW_DAEMON_CONFIG;
    struct bw_guard_program *program;

    if (config != NULL) {
        program = bw_guard_program_make(config);
        program->config_file = config_file;
        end = bw_guard_program_turn(program, start);
        if (end != BW_DAEMON_STOPPED)
            program->config = NULL; /* the caretaker's */
        bw_guard_program_free(program);
    } else {
        /* Of a file that is refused for what it names, a script say, it is still known whose mirrors are
         * ours. All was said before. */
        config = bw_site_config_take(config_file, BW_CONFIG_OFFLINE, NULL);
    }
    if (end == BW_DAEMON_STOPPED)
        return end;
    /* What may pass is tried again: it may be the living guard's own site, and no reason to look after others. */
    bw_guard_caretake(config, end == BW_DAEMON_CONFIG);
    bw_site_config_free(config);
    return end;
}
