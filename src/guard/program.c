/* The life of a guard: start, signals, end. */
#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/notify.h>
#include <breakwater/sys/own_process.h>
#include <breakwater/sys/reach.h>

static void guard_caretake(const struct bw_site_config *config, bool with_others);
static void guard_program_look_at(struct bw_guard_program *program, const char *group);
static void guard_program_look_at_all(struct bw_guard_program *program, int dir, const char *suffix);
static void guard_program_free_forgotten(struct bw_guard_program *program);

/* ---- life ---- */

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
        bw_log_warn(&program->log, "service_manager.notify_failed", "state=%s error=%s", state,
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
                bw_ns_to_ms(bw_instant_left_ns(bw_clock_now(), mirror->armed_end)), keeper);
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
        bw_log_error(&program->log, "group.load_failed",
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
        guard_program_look_at_all(program, program->store.state_dir, BW_GUARD_MEMORY_SUFFIX);
        break;
    case BW_OPENING_UNLOADED:
        for (uint32_t i = 0; i < program->config->group_count; i++)
            guard_program_look_at(program, program->config->groups[i].name);
        break;
    case BW_OPENING_MIRRORS:
        guard_program_look_at_all(program, program->store.mirror_dir, BW_GUARD_MIRROR_SUFFIX);
        break;
    case BW_OPENING_READY:
    case BW_OPENING_NOTHING:
        break;
    }
}

/* All that are to be guarded as it begins. False: none could be. */
BW_MUST_CHECK static bool guard_program_open_groups(struct bw_guard_program *program, bool is_caretaker)
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
        bw_log_warn(&program->log, "limits.open_files_low",
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

/* Runner, signals, threads: what places need. */
BW_MUST_CHECK static enum bw_err guard_program_equip(struct bw_guard_program *program, struct bw_diag *diag)
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
        err = guard_program_equip(program, diag);
    if (err == BW_OK)
        err = bw_guard_reload_open(program, diag);
    if (err != BW_OK)
        return err;
    if (!guard_program_open_groups(program, false))
        return bw_diag_set(diag, program->opening.failed, "a group could not be loaded, see above");
    bw_guard_enforcer_open(program);
    err = bw_guard_agents_listen(program, diag);
    if (err != BW_OK)
        return err;
    if (geteuid() == 0 && bw_oom_protect(diag) != BW_OK)
        bw_log_warn(&program->log, "guard.protect_failed",
                    "error=%s does=\"goes on; the kernel may end it when memory runs out\"",
                    bw_log_quote(diag->text));
    bw_log_info(&program->log, "guard.ready", "site=%s groups=%u socket=%s", program->store.site,
                (unsigned)program->group_count, bw_log_quote(program->config->guard_socket));
    bw_guard_dirs_say_unguarded(program);
    tell_manager(program, "READY=1");
    bw_heartbeat_open(&program->heartbeat, &program->loop, NULL, NULL);
    return BW_OK;
}

static void guard_program_free(struct bw_guard_program *program)
{
    for (uint32_t i = 0; i < program->group_count; i++)
        bw_guard_group_free(program->groups[i]);
    free(program->groups);
    guard_program_free_forgotten(program);
    if (!program->is_at_work) /* else all ends with the process, whenever the disk answers */
        bw_guard_store_unlock(&program->store);
    if (!program->is_at_work && !program->is_reading)
        bw_guard_store_close(&program->store);
    bw_site_config_free(program->config);
    bw_log_deinit(&program->log);
    free(program);
}

static struct bw_guard_program *guard_program_make(struct bw_site_config *config)
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

/* Runs `program` on its loop until it ends. */
static enum bw_daemon_end guard_program_turn(struct bw_guard_program *program,
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
        bw_log_error(&program->log, "guard.start_failed", "error=%s", bw_log_quote(diag.text));
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
        program = guard_program_make(config);
        program->config_file = config_file;
        end = guard_program_turn(program, start);
        if (end != BW_DAEMON_STOPPED)
            program->config = NULL; /* the caretaker's */
        guard_program_free(program);
    } else {
        /* Of a file that is refused for what it names, a script say, it is still known whose mirrors are
         * ours. All was said before. */
        config = bw_site_config_take(config_file, BW_CONFIG_OFFLINE, NULL);
    }
    if (end == BW_DAEMON_STOPPED)
        return end;
    /* What may pass is tried again: it may be the living guard's own site, and no reason to look after others. */
    guard_caretake(config, end == BW_DAEMON_CONFIG);
    bw_site_config_free(config);
    return end;
}

/* ---- mirrors without a guard ---- */

/* Mirrors whose guard cannot start: its file does not parse, its state cannot be read. What it has armed is
 * enforced all the same, until it is over; nothing new is. Design 3.4, "mirrors are self-sufficient". */

#define RUN_DIR "/run/breakwater"

/* ---- one directory ----------------------------------------------------------------------------- */

static enum bw_err start_caretaker(struct bw_guard_program *program, struct bw_diag *diag)
{
    enum bw_err err = guard_program_equip(program, diag);

    if (err != BW_OK)
        return err;
    if (!guard_program_open_groups(program, true)) {
        program->is_ending = true;
        return BW_OK;
    }
    bw_log_error(
        &program->log, "guard.enforcing",
        "site=%s groups=%u error=\"this guard cannot start\" does=\"enforces what is armed in "
        "its mirrors until it is over, then ends\" next=\"mend what was said, and restart it\"",
        program->store.site, (unsigned)program->group_count);
    bw_guard_enforcer_open(program);
    return BW_OK;
}

/* One whose guard lives is that guard's, also where that is between two lives: the file may name another one's. `known`:
 * what it says of it. False: it was told to end before all of it was over. */
static bool care_for_dir(const char *path, const struct bw_site_config *known, bool is_beside)
{
    struct bw_site_config *config = calloc(1, sizeof *config);
    struct bw_guard_program *program;
    struct bw_diag diag = {0};
    bool is_over;

    BW_ASSERT(config != NULL);
    config->log_level = known != NULL ? known->log_level : BW_LOG_INFO;
    if (known != NULL)
        (void)bw_copy_text(config->cluster, sizeof config->cluster, known->cluster);
    program = guard_program_make(config);
    program->is_caretaker = true;
    program->is_beside = is_beside;
    if (known != NULL)
        (void)bw_copy_text(program->store.site, sizeof program->store.site, known->site);
    if (!bw_guard_dirs_await(program, path)) {
        guard_program_free(program);
        return true;
    }
    if (bw_guard_store_open_mirrors(&program->store, path, &diag) == BW_OK)
        (void)guard_program_turn(program, start_caretaker);
    else
        bw_log_info(&program->log, "mirrors.left", "dir=%s error=%s", bw_log_quote(path),
                    bw_log_quote(diag.text));
    is_over = bw_guard_machine_is_over(&program->machine, bw_clock_now());
    guard_program_free(program);
    return is_over;
}

/* ---- which ------------------------------------------------------------------------------------- */

/* Where systemd says that our files in /run are; else where they are by default. */
static void find_all(struct bw_guard_dirs *found)
{
    const char *list = getenv("RUNTIME_DIRECTORY");
    char copy[4096];
    char *rest = NULL;

    if (list == NULL || list[0] == '\0' || !bw_copy_text(copy, sizeof copy, list)) {
        bw_guard_dirs_find(RUN_DIR, found);
        return;
    }
    for (char *dir = strtok_r(copy, ":", &rest); dir != NULL; dir = strtok_r(NULL, ":", &rest))
        bw_guard_dirs_find(dir, found);
}

/* Each by a process of its own: a caretaker of several sites is several. */
static void care_for_others(const struct bw_guard_dirs *found, bool is_beside)
{
    for (uint32_t i = 1; i < found->count; i++) {
        if (fork() != 0)
            continue;
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)care_for_dir(found->paths[i], NULL, is_beside); /* its end is what is waited for */
        _exit(0);
    }
}

/* Its own first; then the others in its run_dir, whatever their names: the one in the file may be what is wrong. */
static void find_beside(const struct bw_site_config *config, bool with_others, struct bw_guard_dirs *found)
{
    (void)snprintf(found->paths[found->count++], sizeof found->paths[0], "%s/%s" BW_GUARD_DIR_SUFFIX,
                   config->run_dir, config->site);
    if (with_others)
        bw_guard_dirs_find(config->run_dir, found);
}

/* The mirrors whose guard cannot start: TERM, fence and KILL at their instants, as it would have. Returns when
 * all are over, or on SIGTERM. `config`: what is known of the site; NULL: the file tells nothing, and all that is
 * found is taken care of. `with_others`: those of other names in its run_dir too, of which no guard lives. */
static void guard_caretake(const struct bw_site_config *config, bool with_others)
{
    static struct bw_guard_dirs found; /* once a process */

    if (config != NULL)
        find_beside(config, with_others, &found);
    else
        find_all(&found);
    care_for_others(&found, config != NULL);
    if (found.count > 0 && access(found.paths[0], F_OK) == 0 &&
        !care_for_dir(found.paths[0], config, false))
        return; /* they are told to end, too */
    while (found.count > 1 && wait(NULL) > 0)
        continue;
}

/* ---- groups that no file names ---- */

/* Groups that the file does not name (any more), or whose guard cannot start. Taking one out of the file does not end its lease:
 * without a guard it would serve on after D. Design 3.2.4, 3.4. */

#define KILL_GRACE_MS 1000

bool bw_guard_file_group(const char *file, const char *suffix, char out_group[BW_NAME_MAX + 1])
{
    const size_t length = strlen(file);
    const size_t ending = strlen(suffix);

    if (length <= ending || length - ending > BW_NAME_MAX ||
        strcmp(file + length - ending, suffix) != 0)
        return false;
    memcpy(out_group, file, length - ending);
    out_group[length - ending] = '\0';
    return bw_name_is_valid(out_group);
}

/* Of the cluster and the site whose mirrors these are: what names its cgroups. */
static void take_names(struct bw_guard_program *program, const struct bw_guard_reach_file *file)
{
    if (program->config->cluster[0] == '\0')
        (void)bw_copy_text(program->config->cluster, sizeof program->config->cluster,
                           file->cluster);
    if (program->store.site[0] == '\0')
        (void)bw_copy_text(program->store.site, sizeof program->store.site, file->site);
}

/* By what it is ended, and not by its names alone. */
static bool is_kept(const struct bw_guard_reach_file *file)
{
    return file != NULL && file->script_count > 0;
}

/* As the file names it; where it does not, its fence is the kill of everything in reach: of that which was `kept`, else of
 * its cgroup. Takes `kept`, which may be NULL. */
static struct bw_group_config *unkept(const struct bw_guard_program *program, const char *group,
                                      struct bw_group_config *kept)
{
    const struct bw_group_config *named = bw_site_config_find(program->config, group);
    struct bw_group_config *config;

    if (named == NULL && kept != NULL)
        return kept;
    free(kept);
    config = calloc(1, sizeof *config);
    BW_ASSERT(config != NULL);
    if (named != NULL) {
        *config = *named; /* a reload replaces both */
        return config;
    }
    (void)bw_copy_text(config->name, sizeof config->name, group);
    config->enforce = BW_REACH_CGROUP;
    config->kill_grace_ms = KILL_GRACE_MS;
    return config;
}

/* A place for a group, as it was kept. */
static enum bw_err guard_kept(struct bw_guard_program *program, const char *group,
                              struct bw_diag *diag)
{
    struct bw_group_config **list =
        realloc(program->forgotten, (program->forgotten_count + 1) * sizeof(struct bw_group_config *));
    struct bw_group_config *config = NULL;
    const struct bw_guard_reach_file *file = NULL;
    struct bw_guard_files files;
    struct bw_diag why = {0};

    BW_ASSERT(list != NULL);
    program->forgotten = list;
    if (bw_guard_reach_config(&program->store, group, &config, &file, &why) == BW_OK)
        take_names(program, file);
    if (!is_kept(file)) {
        bw_log_error(&program->log, "reach.write_failed",
                     "group=%s error=%s does=\"%s\"", group,
                     bw_log_quote(file != NULL ? "its guard could not keep its scripts" : why.text),
                     bw_site_config_find(program->config, group) != NULL
                         ? "it is ended by what the site file names now"
                         : "no script of it is run: only what is in its reach is killed");
        config = unkept(program, group, config);
    }
    list[program->forgotten_count++] = config;
    if (program->config->cluster[0] == '\0' || program->store.site[0] == '\0')
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "nothing says of which cluster it is");
    bw_guard_files_read(&program->store, program->config, config, &files);
    return bw_guard_program_add(program, config, &files, true, diag);
}

/* A guard that was killed leaves its groups' cgroups for the next one, which takes those of the groups
 * that it has. What still runs in one keeps it. */
static void remove_reach(const struct bw_guard_program *program, const char *group)
{
    struct bw_reach reach;
    char tag[BW_REACH_TAG_BYTES];

    bw_reach_tag(program->config->cluster, program->store.site, tag);
    if (bw_reach_open(&reach, tag, group, false, NULL) == BW_OK)
        bw_reach_close(&reach);
}

static void guard_forgotten(struct bw_guard_program *program, const char *group, bool by_scripts)
{
    struct bw_diag diag = {0};

    bw_log_error(&program->log, "group.forgotten",
                 "group=%s error=\"the site file does not name it, and its lease was not given back\" "
                 "does=\"it is fenced at its deadline%s\" "
                 "next=\"name it again, or switch it over or let it go first\"",
                 group, by_scripts ? ", by the scripts and units that it had" : "");
    if (guard_kept(program, group, &diag) != BW_OK)
        bw_log_error(&program->log, "group.load_failed", "group=%s error=%s", group,
                     bw_log_quote(diag.text));
}

static void say_unenforced(struct bw_guard_program *program, const char *group,
                           const struct bw_diag *diag)
{
    bw_log_error(&program->log, "deadline_file.enforce_failed", "group=%s error=%s", group,
                 bw_log_quote(diag->text));
}

static void guard_mirror(struct bw_guard_program *program, const char *group, uint64_t epoch)
{
    struct bw_diag diag = {0};

    if (guard_kept(program, group, &diag) != BW_OK)
        say_unenforced(program, group, &diag);
    else if (!program->is_caretaker)
        bw_log_warn(&program->log, "mirror.enforced",
                    "group=%s epoch=%" PRIu64 " does=\"it is fenced at its deadline; no agent hears of it\"",
                    group, epoch);
}

static bool is_reach_kept(const struct bw_guard_program *program, const char *group)
{
    struct bw_group_config *config = NULL;
    const struct bw_guard_reach_file *file = NULL;
    struct bw_diag diag = {0};
    bool by_scripts;

    if (bw_guard_reach_config(&program->store, group, &config, &file, &diag) != BW_OK)
        return false;
    by_scripts = is_kept(file);
    free(config);
    return by_scripts;
}

/* program.c: what the opening's phase makes of `group`, and of each with a file in `dir` that ends in `suffix`. */
static void guard_program_look_at(struct bw_guard_program *program, const char *group)
{
    const bool is_forgotten = program->opening.phase == BW_OPENING_FORGOTTEN;
    struct bw_guard_found found;
    struct bw_diag memory_diag = {0};
    struct bw_diag mirror_diag = {0};

    if (!bw_guard_opening_looks_at(&program->opening, bw_guard_program_find(program, group) != NULL,
                                   bw_site_config_find(program->config, group) != NULL))
        return;
    bw_guard_store_find(&program->store, group, &found, &memory_diag, &mirror_diag);
    if (program->is_beside && found.mirror_err == BW_OK &&
        !bw_guard_found_has_deadline(&found, bw_clock_now()))
        return; /* another site may serve by the same scripts since: that was said */
    found.is_reach_kept = is_forgotten && is_reach_kept(program, group);
    switch (bw_guard_opening_judge(&program->opening, &found)) {
    case BW_FOUND_LEFT:
        break;
    case BW_FOUND_GUARDED:
        if (is_forgotten)
            guard_forgotten(program, group, found.is_reach_kept);
        else
            guard_mirror(program, group, found.mirror.armed_epoch);
        break;
    case BW_FOUND_OVER:
        remove_reach(program, group);
        break;
    case BW_FOUND_UNREADABLE:
        say_unenforced(program, group, &mirror_diag);
        break;
    }
}

static void guard_program_look_at_all(struct bw_guard_program *program, int dir, const char *suffix)
{
    char group[BW_NAME_MAX + 1];
    const int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (list == NULL) {
        bw_log_error(&program->log, "state.list_failed", "error=%s", strerror(errno));
        if (fd >= 0)
            (void)close(fd); /* only read from */
        return;
    }
    while ((entry = readdir(list)) != NULL)
        if (bw_guard_file_group(entry->d_name, suffix, group))
            guard_program_look_at(program, group);
    (void)closedir(list); /* only read from */
}

static void guard_program_free_forgotten(struct bw_guard_program *program)
{
    for (uint32_t i = 0; i < program->forgotten_count; i++)
        free(program->forgotten[i]);
    free(program->forgotten);
}
