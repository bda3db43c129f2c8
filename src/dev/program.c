/* program.c - the life of a development cluster: made, started, broken, ended, removed. */
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/own_process.h>

#define TICK_MS    10 /* conditions are looked at this often at least */
#define ASK_TICKS  5
#define SHOW_TICKS 25
#define LOOP_TURNS 100000 /* until all handles are closed: each turn closes some */

/* All keep the inequality of design 4: lease_ttl - F >= 2*renew + request + 4*election + 4*margin,
 * and leave the fence script a limit that ends before the TERM of its fence window. A measured lag counts for three
 * check intervals: longer than a stall.
 *
 *    lease     F  renew request election margin check fence script, kill grace */
#define TIMINGS_LIST(X)                                                                            \
    X(5000, 1000, 500, 500, 300, 100, 1000, 600, 100)                                              \
    X(1000, 200, 100, 100, 100, 25, 300, 125, 20)                                                  \
    X(500, 100, 30, 50, 50, 20, 150, 60, 10)
#define TIMINGS(ttl, f, renew, request, election, margin, check, fence_script, grace)              \
    {.election_timeout_ms = (election),                                                            \
     .lease_ttl_ms = (ttl),                                                                        \
     .fence_timeout_ms = (f),                                                                      \
     .renew_interval_ms = (renew),                                                                 \
     .request_timeout_ms = (request),                                                              \
     .margin_ms = (margin),                                                                        \
     .check_interval_ms = (check),                                                                 \
     .fence_script_ms = (fence_script),                                                            \
     .kill_grace_ms = (grace),                                                                     \
     .retry_backoff_ms = 1000},
static const struct bw_lab_timings timings[] = {TIMINGS_LIST(TIMINGS)};
#define LEASE(ttl, ...) (ttl),
const uint32_t bw_dev_leases_ms[] = {TIMINGS_LIST(LEASE) 0};
#define KEEPS_INEQUALITY(ttl, f, renew, request, election, margin, ...)                            \
    _Static_assert((ttl) - (f) >= 2 * (renew) + (request) + 4 * (election) + 4 * (margin),         \
                   "the loss of one witness starts no script");
TIMINGS_LIST(KEEPS_INEQUALITY)

/* ---- the loop -------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct bw_dev *dev = handle->data;

    if (number == SIGCHLD)
        bw_dev_reap(dev);
    else
        dev->is_interrupted = true;
}

static void on_tick(uv_timer_t *timer)
{
    static uint32_t ticks;
    struct bw_dev *dev = timer->data;

    ticks++;
    if (ticks % ASK_TICKS == 0)
        bw_dev_client_ask(dev);
    if (ticks % SHOW_TICKS == 0)
        bw_dev_screen_show(dev);
}

static void close_loop(struct bw_dev *dev)
{
    bw_dev_client_close(dev);
    bw_relay_close(dev);
    for (size_t i = 0; i < sizeof dev->signals / sizeof dev->signals[0]; i++)
        uv_close((uv_handle_t *)&dev->signals[i], NULL);
    uv_close((uv_handle_t *)&dev->tick, NULL);
    for (int turn = 0; turn < LOOP_TURNS && uv_run(&dev->loop, UV_RUN_ONCE) != 0; turn++)
        continue;
    BW_ASSERT(uv_loop_close(&dev->loop) == 0);
}

static enum bw_err open_loop(struct bw_dev *dev, struct bw_diag *diag)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    int err = uv_loop_init(&dev->loop);

    if (err != 0)
        return bw_diag_set(diag, BW_ERR_IO, "make a loop: %s", uv_strerror(err));
    BW_ASSERT(uv_timer_init(&dev->loop, &dev->tick) == 0); /* cannot fail */
    dev->tick.data = dev;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        BW_ASSERT(uv_signal_init(&dev->loop, &dev->signals[i]) == 0); /* once the loop is there */
        dev->signals[i].data = dev;
        if (err == 0 && !(numbers[i] == SIGHUP && bw_hangup_is_ignored()))
            err = uv_signal_start(&dev->signals[i], on_signal, numbers[i]);
    }
    if (err == 0)
        err = uv_timer_start(&dev->tick, on_tick, TICK_MS, TICK_MS);
    if (err == 0)
        return BW_OK;
    close_loop(dev);
    return bw_diag_set(diag, BW_ERR_IO, "loop: %s", uv_strerror(err));
}

static const struct bw_dev_process *find_failed(const struct bw_dev *dev)
{
    for (uint32_t i = 0; i < BW_DEV_PROCESSES; i++)
        if (dev->processes[i].has_failed)
            return &dev->processes[i];
    return NULL;
}

static enum bw_err complain_failed(const struct bw_dev_process *process, struct bw_diag *diag)
{
    const bool by_signal = WIFSIGNALED(process->wait_status);

    return bw_diag_set(
        diag, BW_ERR_IO, "%s %s ended by itself (%s %d), see %s", bw_lab_role_word(process->role),
        process->name, by_signal ? "signal" : "status",
        by_signal ? WTERMSIG(process->wait_status) : WEXITSTATUS(process->wait_status),
        process->log);
}

enum bw_err bw_dev_wait(struct bw_dev *dev, bw_dev_condition *is_true, void *user,
                        uint32_t timeout_ms, const char *what, struct bw_diag *diag)
{
    const uint64_t begun_ns = bw_clock_now().boot_ns;
    uint64_t limit_ns = dev->deadline_boot_ns;

    if (timeout_ms > 0 && begun_ns + bw_ms_to_ns(timeout_ms) < limit_ns)
        limit_ns = begun_ns + bw_ms_to_ns(timeout_ms);
    for (;;) {
        const struct bw_dev_process *failed = find_failed(dev);
        const uint64_t now_ns = bw_clock_now().boot_ns;

        if (dev->is_interrupted)
            return bw_diag_set(diag, BW_ERR_CANCELED, "interrupted");
        if (failed != NULL)
            return complain_failed(failed, diag);
        if (is_true(dev, user))
            return BW_OK;
        if (now_ns >= limit_ns)
            return bw_diag_set(diag, BW_ERR_TIMEOUT, "waited %.1f s for %s",
                               (double)(now_ns - begun_ns) / (double)BW_NS_PER_S, what);
        (void)uv_run(&dev->loop, UV_RUN_ONCE); /* the tick ends each turn */
    }
}

/* ---- starting -------------------------------------------------------------------------------- */

static bool has_leader(struct bw_dev *dev, void *user)
{
    (void)user;
    return dev->view.is_from_leader;
}

/* One site serves and the other could take over. */
static bool is_ready(struct bw_dev *dev, void *user)
{
    const struct bw_dev_view *view = &dev->view;
    const int holder = view->is_from_leader ? bw_dev_find_site(dev, view->holder) : -1;
    const struct bw_dev_site_view *standby;

    (void)user;
    if (holder < 0 || strcmp(view->phase, "GRANTED") != 0)
        return false;
    standby = &view->sites[1 - holder];
    return view->sites[holder].is_serving && bw_dev_service_lives(&dev->sites[holder]) &&
           standby->is_connected && standby->blocked_by[0] == '\0';
}

static enum bw_err start_witnesses(struct bw_dev *dev, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++)
        err = bw_dev_spawn(dev, bw_dev_process(dev, BW_LAB_WITNESS, i), diag);
    if (err == BW_OK)
        err = bw_dev_client_open(dev, diag);
    return err == BW_OK ? bw_dev_wait(dev, has_leader, NULL, 0, "a witness to lead", diag) : err;
}

static enum bw_err apply_group(struct bw_dev *dev, struct bw_diag *diag)
{
    return bw_dev_client_change(dev, "PUT", "/v1/groups",
                                json_pack("{s:[o]}", "groups", bw_dev_client_spec(dev)), diag);
}

static enum bw_err start_sites(struct bw_dev *dev, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_DEV_SITES && err == BW_OK; i++)
        err = bw_dev_spawn(dev, bw_dev_process(dev, BW_LAB_GUARD, i), diag);
    for (uint32_t i = 0; i < BW_DEV_SITES && err == BW_OK; i++)
        err = bw_dev_spawn(dev, bw_dev_process(dev, BW_LAB_AGENT, i), diag);
    return err;
}

static enum bw_err start(struct bw_dev *dev, struct bw_diag *diag)
{
    enum bw_err err = bw_dev_set_up(dev, diag);

    if (err == BW_OK)
        err = start_witnesses(dev, diag);
    if (err == BW_OK)
        err = apply_group(dev, diag);
    if (err == BW_OK)
        err = start_sites(dev, diag);
    if (err != BW_OK)
        return err;
    return bw_dev_wait(dev, is_ready, NULL, 0, "one site to serve and the other to be ready", diag);
}

/* ---- one run --------------------------------------------------------------------------------- */

static bool never(struct bw_dev *dev, void *user)
{
    (void)dev;
    (void)user;
    return false;
}

/* Until someone has seen enough. A process that ends is a thing to look at, then. */
static enum bw_err look_on(struct bw_dev *dev, struct bw_diag *diag)
{
    enum bw_err err;

    bw_dev_screen_hint(dev);
    dev->deadline_boot_ns = UINT64_MAX;
    do {
        for (uint32_t i = 0; i < BW_DEV_PROCESSES; i++) {
            struct bw_dev_process *process = &dev->processes[i];

            if (process->has_failed)
                bw_dev_say(dev, "%s of %s has ended", bw_lab_role_word(process->role),
                           process->name);
            process->has_failed = false;
            process->is_wanted = process->pid != 0;
        }
        err = bw_dev_wait(dev, never, NULL, 0, "an end", diag);
    } while (err == BW_ERR_IO);
    return err == BW_ERR_CANCELED ? BW_OK : err;
}

static enum bw_err run_on(struct bw_dev *dev, struct bw_dev_outcome *out_outcome,
                          struct bw_diag *diag)
{
    enum bw_err err = start(dev, diag);

    if (err != BW_OK)
        return err;
    bw_dev_say(dev, "%s serves, the other site could take over", dev->view.holder);
    if (dev->options->scenario == NULL)
        return look_on(dev, diag);
    return bw_dev_scenario_run(dev, dev->options->scenario, out_outcome, diag);
}

/* Of run i of several: each has a directory of its own below. */
static enum bw_err dir_of_run(const char *dir, uint32_t run, uint32_t run_count,
                              char out_dir[BW_LAB_PATH_BYTES], struct bw_diag *diag)
{
    char name[32];

    (void)snprintf(name, sizeof name, "run-%" PRIu32, run + 1);
    if (run_count > 1)
        return bw_lab_path(out_dir, dir, name, diag);
    (void)snprintf(out_dir, BW_LAB_PATH_BYTES, "%s", dir); /* its length is checked where used */
    return BW_OK;
}

static void name_cluster(struct bw_dev *dev)
{
    /* cgroups and marks are named after site and group: unlike those of any other run. */
    (void)snprintf(dev->group, sizeof dev->group, "ledger-%ld", (long)getpid());
    for (size_t i = 0; i < sizeof timings / sizeof timings[0]; i++)
        if (timings[i].lease_ttl_ms == dev->options->lease_ttl_ms)
            dev->plan.timings = timings[i];
    BW_ASSERT(dev->plan.timings.lease_ttl_ms != 0); /* one of bw_dev_leases_ms */
    dev->deadline_boot_ns = bw_clock_now().boot_ns +
                            bw_ms_to_ns((uint64_t)dev->options->timeout_ms);
}

/* A directory of ours goes, unless it can tell what went wrong. */
static void leave_dir(struct bw_dev *dev, bool is_fine)
{
    if (!dev->is_dir_ours)
        return;
    if (is_fine)
        bw_lab_remove_tree(dev->dir);
    else
        bw_dev_say(dev, "kept %s", dev->dir);
}

static enum bw_err run_once(const struct bw_dev_options *options, const char *program,
                            struct bw_dev_outcome *out_outcome, struct bw_diag *diag)
{
    struct bw_dev *dev = calloc(1, sizeof *dev);
    enum bw_err err;

    if (dev == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    dev->options = options;
    (void)snprintf(dev->program, sizeof dev->program, "%s", program); /* of the same size */
    name_cluster(dev);
    bw_dev_screen_open(dev);
    err = open_loop(dev, diag);
    if (err != BW_OK)
        goto end;
    err = run_on(dev, out_outcome, diag);
    bw_dev_screen_leave(dev);
    bw_dev_end_all(dev);
    close_loop(dev);
    leave_dir(dev, err == BW_ERR_CANCELED ||
                       (err == BW_OK && (options->scenario == NULL || out_outcome->is_ok)));
    if (err == BW_OK && options->scenario != NULL)
        bw_dev_report_print(out_outcome, dev->screen.out);
end:
    free(dev);
    return err;
}

/* ---- all runs -------------------------------------------------------------------------------- */

static enum bw_err make_parents(const struct bw_dev_options *options, struct bw_diag *diag)
{
    const char *const dirs[] = {options->dir, options->records_dir};

    for (size_t i = 0; i < 2 && options->run_count > 1; i++)
        if (dirs[i] != NULL && mkdir(dirs[i], 0700) != 0 && errno != EEXIST)
            return bw_diag_errno(diag, errno, "create %s", dirs[i]);
    return BW_OK;
}

static enum bw_err run_number(const struct bw_dev_options *options, uint32_t run,
                              const char *program, struct bw_dev_outcome *out_outcome,
                              struct bw_diag *diag)
{
    char dir[BW_LAB_PATH_BYTES];
    char records_dir[BW_LAB_PATH_BYTES];
    struct bw_dev_options own = *options;
    enum bw_err err = BW_OK;

    if (options->dir != NULL) {
        err = dir_of_run(options->dir, run, options->run_count, dir, diag);
        own.dir = dir;
    }
    if (err == BW_OK && options->records_dir != NULL) {
        err = dir_of_run(options->records_dir, run, options->run_count, records_dir, diag);
        own.records_dir = records_dir;
    }
    return err == BW_OK ? run_once(&own, program, out_outcome, diag) : err;
}

static enum bw_err find_program(char out_program[BW_LAB_PATH_BYTES], struct bw_diag *diag)
{
    const ssize_t length = readlink("/proc/self/exe", out_program, BW_LAB_PATH_BYTES);

    if (length < 0)
        return bw_diag_errno(diag, errno, "read /proc/self/exe");
    if (length >= BW_LAB_PATH_BYTES)
        return bw_diag_set(diag, BW_ERR_LIMIT, "the path of this program is too long");
    out_program[length] = '\0';
    return BW_OK;
}

static enum bw_err run_all(const struct bw_dev_options *options, const char *program,
                           struct bw_dev_outcome *outcomes, struct bw_diag *diag)
{
    bool is_ok = true;
    enum bw_err err = make_parents(options, diag);

    for (uint32_t run = 0; run < options->run_count && err == BW_OK; run++) {
        err = run_number(options, run, program, &outcomes[run], diag);
        is_ok = is_ok && outcomes[run].is_ok;
    }
    if (err != BW_OK || options->scenario == NULL)
        return err;
    if (options->is_json)
        err = bw_dev_report_json(options->scenario, outcomes, options->run_count, stdout, diag);
    if (err == BW_OK && !is_ok)
        err = bw_diag_set(diag, BW_ERR_UNKNOWN, "scenario %s did not end as it must",
                          options->scenario);
    return err;
}

enum bw_err bw_dev_run(const struct bw_dev_options *options, struct bw_diag *diag)
{
    struct bw_dev_outcome *outcomes = calloc(options->run_count, sizeof *outcomes);
    char program[BW_LAB_PATH_BYTES];
    enum bw_err err = find_program(program, diag);

    BW_ASSERT(options->run_count > 0);
    if (outcomes == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    /* Who loses its parent becomes our child, is asked for its end, and is ended with us. */
    if (err == BW_OK && prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        err = bw_diag_errno(diag, errno, "become a subreaper");
    if (err == BW_OK)
        err = run_all(options, program, outcomes, diag);
    free(outcomes);
    return err;
}
