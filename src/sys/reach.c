#include <breakwater/sys/reach.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/process_tree.h>

#define SCAN_PAUSE_MS_MAX 64 /* a look at thousands of processes takes its time */

#define BEGUN "begun"
#define ASIDE "journal" /* what goes there writes one */

static const char *const slot_names[BW_REACH_SLOTS] = {"service", "action", "fence", "observe"};

/* ---- open and close -------------------------------------------------------------------------- */

static enum bw_err open_cgroups(struct bw_reach *reach, struct bw_diag *diag)
{
    enum bw_err err = bw_cgroup_open(&reach->all, reach->tag, reach->group, diag);

    for (int i = 0; i < BW_REACH_SLOTS && err == BW_OK; i++)
        err = bw_cgroup_open_below(&reach->slots[i], &reach->all, slot_names[i], diag);
    if (err == BW_OK)
        err = bw_cgroup_open_below(&reach->begun, &reach->slots[BW_REACH_SERVICE], BEGUN, diag);
    if (err == BW_OK)
        (void)!bw_cgroup_open_below(&reach->aside, &reach->all, ASIDE, NULL); /* then nobody goes there */
    return err;
}

/* False: it cannot be. */
static bool make_if_gone(const struct bw_cgroup *cgroup, bool *was_gone)
{
    if (access(cgroup->path, F_OK) == 0)
        return true;
    *was_gone = true;
    return bw_cgroup_make_again(cgroup);
}

bool bw_reach_make_again(const struct bw_reach *reach)
{
    bool was_gone = false;

    if (reach->means != BW_REACH_BY_CGROUP)
        return false;
    for (int i = 0; i < BW_REACH_SLOTS; i++)
        if (!make_if_gone(&reach->slots[i], &was_gone))
            return false;
    if (reach->aside.path[0] != '\0')
        (void)make_if_gone(&reach->aside, &was_gone); /* else nobody goes there */
    return make_if_gone(&reach->begun, &was_gone) && was_gone;
}

static void close_cgroups(struct bw_reach *reach)
{
    for (int i = 0; i < BW_REACH_SLOTS; i++)
        bw_cgroup_remove_if_empty(&reach->slots[i]);
    bw_cgroup_remove_if_empty(&reach->aside);
    bw_cgroup_remove_if_empty(&reach->all);
}

void bw_reach_tag(const char *cluster, const char *site, char out_tag[BW_REACH_TAG_BYTES])
{
    const int length = snprintf(out_tag, BW_REACH_TAG_BYTES, "%s@%s", site, cluster);

    BW_ASSERT(length > 0 && length < BW_REACH_TAG_BYTES); /* of valid names */
}

/* Names are safe in a path; a tag is two of them. */
static bool is_tag(const char *tag)
{
    const char *at = strchr(tag, '@');
    char site[BW_NAME_MAX + 1];

    if (at == NULL)
        return bw_name_is_valid(tag);
    if ((size_t)(at - tag) >= sizeof site)
        return false;
    memcpy(site, tag, (size_t)(at - tag));
    site[at - tag] = '\0';
    return bw_name_is_valid(site) && bw_name_is_valid(at + 1);
}

enum bw_err bw_reach_open(struct bw_reach *reach, const char *tag, const char *group,
                          bool only_scan, struct bw_diag *diag)
{
    *reach = (struct bw_reach){.means = BW_REACH_BY_SCAN};
    if (!is_tag(tag) || !bw_name_is_valid(group))
        return bw_diag_set(diag, BW_ERR_INVALID, "reach of group %s: not a valid name", group);
    BW_ASSERT(bw_copy_text(reach->tag, sizeof reach->tag, tag));
    BW_ASSERT(bw_copy_text(reach->group, sizeof reach->group, group));
    if (only_scan)
        return BW_OK;
    if (open_cgroups(reach, diag) == BW_OK)
        reach->means = BW_REACH_BY_CGROUP;
    else
        close_cgroups(reach);
    return BW_OK;
}

void bw_reach_set_key(struct bw_reach *reach, const char *key)
{
    BW_ASSERT(bw_copy_text(reach->key, sizeof reach->key, key));
}

void bw_reach_close(struct bw_reach *reach)
{
    close_cgroups(reach);
}

const char *bw_reach_service_cgroup(const struct bw_reach *reach, enum bw_reach_slot slot)
{
    if (reach->means != BW_REACH_BY_CGROUP)
        return NULL;
    return slot == BW_REACH_SERVICE ? reach->begun.path : reach->slots[BW_REACH_SERVICE].path;
}

const struct bw_cgroup *bw_reach_aside(const struct bw_reach *reach)
{
    bool is_empty = false;

    if (reach->means != BW_REACH_BY_CGROUP || reach->aside.path[0] == '\0' ||
        bw_cgroup_is_empty(&reach->aside, &is_empty, NULL) != BW_OK || !is_empty)
        return NULL;
    return &reach->aside;
}

enum bw_err bw_reach_list_begun(const struct bw_reach *reach, pid_t *out_pids, size_t pids_max,
                                size_t *out_count, struct bw_diag *diag)
{
    BW_ASSERT(reach->means == BW_REACH_BY_CGROUP);
    return bw_cgroup_list(&reach->begun, out_pids, pids_max, out_count, diag);
}

enum bw_err bw_reach_gather(const struct bw_reach *reach, struct bw_diag *diag)
{
    if (reach->means != BW_REACH_BY_CGROUP)
        return BW_OK;
    return bw_cgroup_move(&reach->slots[BW_REACH_SERVICE], &reach->begun, diag);
}

enum bw_err bw_reach_list_others(const struct bw_reach *reach, pid_t *out_pids, size_t pids_max,
                                 size_t *out_count, struct bw_diag *diag)
{
    BW_ASSERT(reach->means == BW_REACH_BY_CGROUP);
    return bw_cgroup_list_but(&reach->slots[BW_REACH_SERVICE], &reach->begun, out_pids, pids_max, out_count, diag);
}

/* ---- going in -------------------------------------------------------------------------------- */

void bw_reach_mark(const struct bw_reach *reach, enum bw_reach_slot slot,
                   char out_mark[BW_REACH_MARK_BYTES])
{
    /* What several slots have in common is the beginning of their marks. */
    static const char *const ends[] = {
        [BW_REACH_SERVICE] = "served/service", [BW_REACH_ACTION] = "served/action",
        [BW_REACH_FENCE] = "fence",            [BW_REACH_OBSERVE] = "observe",
        [BW_REACH_ALL] = "",                   [BW_REACH_SERVED] = "served/"};
    int length = snprintf(out_mark, BW_REACH_MARK_BYTES, BW_PROCESS_MARK "%s/%s/%s%s%s", reach->tag, reach->group,
                          reach->key, reach->key[0] == '\0' ? "" : "/", ends[slot]);

    BW_ASSERT(length > 0 && length < BW_REACH_MARK_BYTES);
}

/* Not at other doors: nobody but a start has a right to have what stands still in there go on. */
static void thaw_service(const struct bw_reach *reach)
{
    bw_cgroup_thaw(&reach->all);
    bw_cgroup_thaw(&reach->slots[BW_REACH_SERVICE]);
    bw_cgroup_thaw(&reach->begun);
}

enum bw_err bw_reach_open_door(const struct bw_reach *reach, enum bw_reach_slot slot, int *out_door,
                               struct bw_diag *diag)
{
    BW_ASSERT(slot < BW_REACH_SLOTS);
    if (reach->means == BW_REACH_BY_CGROUP && slot == BW_REACH_SERVICE)
        thaw_service(reach);
    if (reach->means == BW_REACH_BY_CGROUP)
        return bw_cgroup_open_door(slot == BW_REACH_SERVICE ? &reach->begun : &reach->slots[slot], out_door, diag);
    *out_door = -1;
    return BW_OK;
}

enum bw_err bw_reach_find_door(const char *tag, const char *group, enum bw_reach_slot slot,
                               int *out_door, struct bw_diag *diag)
{
    char below[BW_NAME_MAX + 24];
    struct bw_cgroup cgroup;
    enum bw_err err = BW_ERR_NOT_FOUND;

    BW_ASSERT(slot < BW_REACH_SLOTS);
    if (!is_tag(tag) || !bw_name_is_valid(group))
        return bw_diag_set(diag, BW_ERR_INVALID, "reach of group %s: not a valid name", group);
    (void)snprintf(below, sizeof below, "%s/%s/" BEGUN, group, slot_names[slot]); /* fits: a valid name */
    if (slot == BW_REACH_SERVICE)
        err = bw_cgroup_find_made(&cgroup, tag, below, NULL);
    if (err != BW_OK) { /* of a guard of before there is none */
        below[strlen(below) - strlen("/" BEGUN)] = '\0';
        err = bw_cgroup_find_made(&cgroup, tag, below, diag);
    }
    return err == BW_OK ? bw_cgroup_open_door(&cgroup, out_door, diag) : err;
}

bool bw_reach_enter(int door)
{
    return door < 0 || bw_cgroup_enter(door);
}

/* ---- signals and questions ------------------------------------------------------------------- */

static const struct bw_cgroup *cgroup_of(const struct bw_reach *reach, enum bw_reach_slot slot)
{
    return slot == BW_REACH_ALL ? &reach->all : &reach->slots[slot];
}

static bool has_strays(enum bw_reach_slot slot)
{
    return slot != BW_REACH_ACTION && slot != BW_REACH_FENCE && slot != BW_REACH_OBSERVE;
}

static enum bw_err scan_round(const struct bw_reach *reach, enum bw_reach_slot slot, int signal,
                              pid_t *out_pids, size_t pids_max, size_t *out_count,
                              struct bw_diag *diag)
{
    char mark[BW_REACH_MARK_BYTES];
    const struct bw_process_tree tree = {.mark = mark, .with_strays = has_strays(slot)};

    bw_reach_mark(reach, slot, mark);
    return bw_process_tree_round(&tree, signal, out_pids, pids_max, out_count, diag);
}

static const enum bw_reach_slot served[] = {BW_REACH_SERVICE, BW_REACH_ACTION};

/* Of a cgroup for each, whatever the first one comes to. */
static enum bw_err signal_served(const struct bw_reach *reach, int signal, struct bw_diag *diag)
{
    enum bw_err first = bw_cgroup_signal(cgroup_of(reach, served[0]), signal, diag);
    enum bw_err second = bw_cgroup_signal(cgroup_of(reach, served[1]), signal,
                                          first == BW_OK ? diag : NULL);

    return first != BW_OK ? first : second;
}

static enum bw_err list_served(const struct bw_reach *reach, pid_t *out_pids, size_t pids_max,
                               size_t *out_count, struct bw_diag *diag)
{
    size_t first = 0;
    size_t second = 0;
    enum bw_err err = bw_cgroup_list(cgroup_of(reach, served[0]), out_pids, pids_max, &first, diag);
    const size_t used = first < pids_max ? first : pids_max;

    if (err == BW_OK)
        err = bw_cgroup_list(cgroup_of(reach, served[1]),
                             out_pids != NULL ? out_pids + used : NULL, pids_max - used, &second,
                             diag);
    *out_count = first + second;
    return err;
}

enum bw_err bw_reach_signal(const struct bw_reach *reach, enum bw_reach_slot slot, int signal,
                            struct bw_diag *diag)
{
    size_t count;

    if (reach->means == BW_REACH_BY_CGROUP && slot == BW_REACH_SERVED)
        return signal_served(reach, signal, diag);
    if (reach->means == BW_REACH_BY_CGROUP)
        return bw_cgroup_signal(cgroup_of(reach, slot), signal, diag);
    return scan_round(reach, slot, signal, NULL, 0, &count, diag);
}

enum bw_err bw_reach_list(const struct bw_reach *reach, enum bw_reach_slot slot, pid_t *out_pids,
                          size_t pids_max, size_t *out_count, struct bw_diag *diag)
{
    if (reach->means == BW_REACH_BY_CGROUP && slot == BW_REACH_SERVED)
        return list_served(reach, out_pids, pids_max, out_count, diag);
    if (reach->means == BW_REACH_BY_CGROUP)
        return bw_cgroup_list(cgroup_of(reach, slot), out_pids, pids_max, out_count, diag);
    return scan_round(reach, slot, 0, out_pids, pids_max, out_count, diag);
}

enum bw_err bw_reach_list_marked(const struct bw_reach *reach, enum bw_reach_slot slot,
                                 pid_t *out_pids, size_t pids_max, size_t *out_count,
                                 struct bw_diag *diag)
{
    char mark[BW_REACH_MARK_BYTES];
    const struct bw_process_tree tree = {.mark = mark};

    if (reach->means == BW_REACH_BY_CGROUP)
        return bw_cgroup_list(cgroup_of(reach, slot), out_pids, pids_max, out_count, diag);
    bw_reach_mark(reach, slot, mark);
    return bw_process_tree_round(&tree, 0, out_pids, pids_max, out_count, diag);
}

enum bw_err bw_reach_is_empty(const struct bw_reach *reach, enum bw_reach_slot slot,
                              bool *out_empty, struct bw_diag *diag)
{
    size_t count = 0;
    enum bw_err err = BW_OK;

    if (reach->means == BW_REACH_BY_CGROUP && slot == BW_REACH_SERVED) {
        err = bw_cgroup_is_empty(cgroup_of(reach, served[0]), out_empty, diag);
        return err == BW_OK && *out_empty
                   ? bw_cgroup_is_empty(cgroup_of(reach, served[1]), out_empty, diag)
                   : err;
    }
    if (reach->means == BW_REACH_BY_CGROUP)
        return bw_cgroup_is_empty(cgroup_of(reach, slot), out_empty, diag);
    /* Twice: a pid that wraps round may be born behind the reader of /proc as its parent dies. */
    for (int i = 0; i < 2 && err == BW_OK && count == 0; i++)
        err = scan_round(reach, slot, 0, NULL, 0, &count, diag);
    if (err == BW_OK)
        *out_empty = count == 0;
    return err;
}

enum bw_err bw_reach_scan(const struct bw_reach *reach, enum bw_reach_slot slot,
                          int signal, struct bw_scan **out_scan, struct bw_diag *diag)
{
    char mark[BW_REACH_MARK_BYTES];

    bw_reach_mark(reach, slot, mark);
    return bw_scan_begin(signal, mark, has_strays(slot), out_scan, diag);
}

enum bw_err bw_reach_signal_soon(const struct bw_reach *reach, enum bw_reach_slot slot, int signal,
                                 struct bw_diag *diag)
{
    return reach->means == BW_REACH_BY_CGROUP ? bw_reach_signal(reach, slot, signal, diag)
                                              : bw_reach_scan(reach, slot, signal, NULL, diag);
}

/* ---- the proof ------------------------------------------------------------------------------- */

/* Two processes: one stays, one leaves its session. They end by themselves after a minute, should who proves die over
 * it. */
void bw_reach_probe(void)
{
    const pid_t other = fork();

    if (other < 0 || (other == 0 && setsid() < 0))
        _exit(1);
    (void)sleep(60);
    _exit(0);
}

/* This program itself: an image may lack all others, and a file system that hangs holds up none. It is executed anew
 * because only then a process shows a mark. Async-signal-safe. */
__attribute__((noreturn)) static void run_probe(int door, char *const *envp)
{
    char *const argv[] = {(char *)"breakwater", (char *)BW_REACH_PROBE_VERB, NULL};

    if (bw_reach_enter(door) && setsid() >= 0)
        (void)execve("/proc/self/exe", argv, envp);
    _exit(127);
}

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000};

    (void)nanosleep(&pause, NULL); /* a shorter pause only looks sooner */
}

/* Waits until `slot` ACTION has at least `want_min` processes, or none when 0; `signal` goes out in
 * every round. Reaps the probe as it dies; *probe is then 0, as its pid may be another's. One that is waited for
 * and has ended does not come: that takes no time of its own. */
static enum bw_err wait_for_count(const struct bw_reach *reach, size_t want_min, int signal,
                                  uint32_t limit_ms, pid_t *probe, struct bw_diag *diag)
{
    const struct bw_instant limit = bw_instant_add(bw_clock_now(), bw_ms_to_ns(limit_ms));
    size_t count = 0;
    int status = 0;

    do {
        enum bw_err err = BW_OK;

        if (signal != 0)
            err = bw_reach_signal(reach, BW_REACH_ACTION, signal, diag);
        if (*probe > 0 && waitpid(*probe, &status, WNOHANG) == *probe)
            *probe = 0;
        if (err == BW_OK)
            err = bw_reach_list(reach, BW_REACH_ACTION, NULL, 0, &count, diag);
        if (err != BW_OK)
            return err;
        if (want_min > 0 ? count >= want_min : count == 0)
            return BW_OK;
        if (want_min > 0 && *probe == 0)
            return bw_diag_set(diag, BW_ERR_IO, "a probe has ended by itself, by %s %d",
                               WIFSIGNALED(status) ? "signal" : "exit status",
                               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        pause_ms(2);
    } while (!bw_instant_right_is_over(bw_clock_now(), limit));
    return bw_diag_set(diag, BW_ERR_TIMEOUT, "expected %s%zu processes of a probe, %zu are there",
                       want_min > 0 ? "at least " : "", want_min, count);
}

enum bw_err bw_reach_prove(struct bw_reach *reach, uint32_t limit_ms, struct bw_diag *diag)
{
    char mark[BW_REACH_MARK_BYTES];
    char **envp;
    int door;
    pid_t probe;
    enum bw_err err, ended;
    enum bw_err opened = bw_reach_open_door(reach, BW_REACH_ACTION, &door, diag);

    if (opened != BW_OK)
        return bw_diag_wrap(diag, opened, "prove the reach of group %s", reach->group);
    bw_reach_mark(reach, BW_REACH_ACTION, mark);
    envp = bw_process_environment(mark);
    probe = envp == NULL ? -1 : fork(); /* both leave errno */
    if (probe == 0)
        run_probe(door, envp);
    err = probe < 0 ? bw_diag_errno(diag, errno, "fork a probe") : BW_OK;
    free(envp);
    if (door >= 0)
        (void)close(door); /* written to by the child only */
    if (probe > 0) {
        err = wait_for_count(reach, 2, 0, limit_ms / 2, &probe, diag);
        ended = wait_for_count(reach, 0, SIGKILL, limit_ms / 2, &probe, err == BW_OK ? diag : NULL);
        err = err == BW_OK ? ended : err;
    }
    if (probe > 0) {
        (void)kill(probe, SIGKILL); /* ours and not reaped: it is still that process */
        (void)waitpid(probe, NULL, 0);
    }
    return err == BW_OK ? BW_OK
                        : bw_diag_wrap(diag, err, "prove the reach of group %s", reach->group);
}

/* ---- ending all ------------------------------------------------------------------------------ */

static void schedule_round(struct bw_reach_kill *kill, uint64_t pause_ms_wanted)
{
    bw_deadline_set(&kill->deadline, bw_instant_add(bw_clock_now(), bw_ms_to_ns(pause_ms_wanted)),
                    BW_DEADLINE_RIGHT);
}

static void end_kill(struct bw_reach_kill *kill, enum bw_err err, const struct bw_diag *diag)
{
    kill->is_running = false;
    bw_scan_free(kill->scan);
    kill->scan = NULL;
    kill->on_killed(kill, err, diag, kill->user);
}

/* KILL to all that /proc shows of the slot, which takes its time: on the thread of scan.h, or here where
 * there is none. */
static enum bw_err begin_scan(struct bw_reach_kill *kill)
{
    bw_scan_free(kill->scan);
    kill->scan = NULL;
    kill->scan_pause_ms = 1;
    kill->scan_limit = bw_instant_add(bw_clock_now(), BW_SCAN_NS);
    if (bw_reach_scan(kill->reach, kill->slot, SIGKILL, &kill->scan, NULL) == BW_OK)
        return BW_OK;
    return bw_reach_signal(kill->reach, kill->slot, SIGKILL, NULL);
}

/* One round: is it empty? What is not gets KILL. False: the look at it is under way. */
static bool end_round(struct bw_reach_kill *kill, enum bw_err *out_err, bool *out_empty,
                      struct bw_diag *diag)
{
    if (kill->scan != NULL) {
        if (!bw_scan_is_over(kill->scan, out_err, out_empty, diag))
            return false;
        kill->has_found = kill->has_found || (*out_err == BW_OK && !*out_empty);
        kill->left_count = bw_scan_found(kill->scan, kill->left);
        if (*out_err != BW_OK || !*out_empty)
            (void)!begin_scan(kill); /* what failed fails again, or not, in a round */
        return true;
    }
    *out_err = bw_reach_is_empty(kill->reach, kill->slot, out_empty, diag);
    if (*out_err == BW_OK && !*out_empty)
        *out_err = bw_reach_signal(kill->reach, kill->slot, SIGKILL, diag);
    return true;
}

static void go_on_searching(struct bw_reach_kill *kill)
{
    struct bw_diag diag = {0};

    if (!kill->is_patient && bw_instant_right_is_over(bw_clock_now(), kill->scan_limit)) {
        end_kill(kill,
                 bw_diag_set(&diag, BW_ERR_TIMEOUT,
                             "group %s: the search for its processes has not ended in %d s (does /proc answer for "
                             "each process, as ps asks?)",
                             kill->reach->group, (int)(BW_SCAN_NS / BW_NS_PER_S)),
                 &diag);
        return;
    }
    kill->scan_pause_ms = kill->scan_pause_ms < SCAN_PAUSE_MS_MAX ? 2 * kill->scan_pause_ms
                                                                  : SCAN_PAUSE_MS_MAX;
    schedule_round(kill, kill->scan_pause_ms);
}

static void on_round_due(struct bw_deadline *deadline, void *user)
{
    struct bw_reach_kill *kill = user;
    struct bw_diag diag = {0};
    bool is_empty = false;
    enum bw_err err = BW_OK;

    (void)deadline;
    if (!end_round(kill, &err, &is_empty, &diag)) {
        go_on_searching(kill);
        return;
    }
    if (err == BW_OK && is_empty) {
        end_kill(kill, BW_OK, &diag);
        return;
    }
    if (++kill->round >= BW_REACH_KILL_ROUNDS_MAX) {
        if (err == BW_OK)
            err = bw_diag_set(&diag, BW_ERR_TIMEOUT,
                              "group %s: processes are still there after %d rounds of SIGKILL",
                              kill->reach->group, kill->round);
        end_kill(kill, err, &diag);
        return;
    }
    schedule_round(kill, BW_REACH_KILL_PAUSE_MS);
}

enum bw_err bw_reach_kill_init(struct bw_reach_kill *kill, uv_loop_t *loop,
                               const struct bw_reach *reach, bw_reach_on_killed on_killed,
                               void *user, struct bw_diag *diag)
{
    *kill = (struct bw_reach_kill){.reach = reach, .on_killed = on_killed, .user = user};
    return bw_deadline_init(&kill->deadline, loop, on_round_due, kill, diag);
}

void bw_reach_kill_start(struct bw_reach_kill *kill, enum bw_reach_slot slot)
{
    bool is_empty = true;
    enum bw_err err;

    if (kill->is_running && kill->slot != slot)
        slot = BW_REACH_ALL;
    kill->is_running = true;
    kill->slot = slot;
    kill->round = 0;
    kill->left_count = 0;
    kill->has_found = kill->reach->means == BW_REACH_BY_CGROUP &&
                      bw_reach_is_empty(kill->reach, slot, &is_empty, NULL) == BW_OK && !is_empty;
    err = kill->reach->means == BW_REACH_BY_CGROUP
              ? bw_reach_signal(kill->reach, slot, SIGKILL, NULL)
              : begin_scan(kill);
    schedule_round(kill, err == BW_OK ? 1 : 0); /* what failed fails again, or not, in a round */
}

static void on_deadline_closed(struct bw_deadline *deadline, void *user)
{
    struct bw_reach_kill *kill = user;

    (void)deadline;
    if (kill->on_closed != NULL)
        kill->on_closed(kill, kill->user);
}

void bw_reach_kill_close(struct bw_reach_kill *kill,
                         void (*on_closed)(struct bw_reach_kill *kill, void *user))
{
    if (kill->deadline.is_closing)
        return;
    kill->is_running = false;
    bw_scan_free(kill->scan);
    kill->scan = NULL;
    kill->on_closed = on_closed;
    bw_deadline_close(&kill->deadline, on_deadline_closed);
}
