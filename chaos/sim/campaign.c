/* campaign.c - a parent that hands out seeds, and children that live through them. */
#include "campaign.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#include "expected.h"
#include "resume.h"

#define PROGRESS_NS (10 * UINT64_C(1000000000))

struct child {
    pid_t pid;
    int to, from; /* orders to it, reports from it; -1: closed */
    bool is_busy;
    bool is_listed;
    struct sim_order order; /* `often` is of the campaign, which its fork has too */
};

struct report {
    struct sim_result result;
    struct sim_coverage coverage;
};

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

static uint64_t real_ns(void)
{
    struct timespec now;

    BW_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* All or nothing; false at the end of the stream. */
static bool read_whole(int fd, void *out, size_t size)
{
    uint8_t *at = out;

    while (size > 0) {
        const ssize_t got = read(fd, at, size);

        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        at += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return true;
}
static bool write_whole(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;

    while (size > 0) {
        const ssize_t put = write(fd, at, size);

        if (put < 0 && errno != EINTR)
            return false;
        at += put > 0 ? put : 0;
        size -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

/* ---- a child ---- */

static void live(int from_parent, int to_parent)
{
    struct report *report = malloc(sizeof *report);
    struct sim_order order;

    BW_ASSERT(report != NULL);
    while (read_whole(from_parent, &order, sizeof order)) {
        memset(report, 0, sizeof *report);
        sim_run(&order, &report->result, &report->coverage, stdout);
        if (!write_whole(to_parent, report, sizeof *report))
            break;
    }
    free(report);
    _exit(0);
}

static void start_child(struct child *children, uint32_t at, uint32_t count)
{
    int down[2], up[2];
    struct child *child = &children[at];

    BW_ASSERT(pipe(down) == 0 && pipe(up) == 0);
    (void)fflush(NULL);
    child->pid = fork();
    BW_ASSERT(child->pid >= 0);
    if (child->pid == 0) {
        (void)signal(SIGINT, SIG_IGN); /* the parent ends us */
        for (uint32_t i = 0; i < count; i++)
            if (i != at && children[i].pid != 0) {
                (void)close(children[i].to);
                (void)close(children[i].from);
            }
        (void)close(down[1]);
        (void)close(up[0]);
        live(down[0], up[1]);
    }
    (void)close(down[0]);
    (void)close(up[1]);
    child->to = down[1];
    child->from = up[0];
    child->is_busy = false;
}

static int end_child(struct child *child)
{
    int status = 0;

    (void)close(child->to);
    (void)close(child->from);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    child->pid = 0;
    child->is_busy = false;
    return status;
}

/* ---- the parent ---- */

static enum sim_mode mode_of(const struct sim_campaign *campaign, uint64_t seed)
{
    if (campaign->is_safety && campaign->is_liveness)
        return seed % 4 == 0 ? SIM_MODE_LIVENESS : SIM_MODE_SAFETY;
    return campaign->is_liveness ? SIM_MODE_LIVENESS : SIM_MODE_SAFETY;
}

static bool has_all_fired(const struct sim_campaign *campaign)
{
    for (uint32_t i = 0; sim_expected(i) != NULL; i++)
        if (sim_coverage_get(&campaign->coverage, sim_expected(i)) == 0)
            return false;
    return true;
}

static bool wants_more(const struct sim_campaign *campaign, uint64_t begun_ns)
{
    if (is_interrupted || (campaign->failure_count > 0 && !campaign->goes_on))
        return false;
    if (campaign->ends_covered && has_all_fired(campaign))
        return false;
    if (campaign->listed_next < campaign->listed_count)
        return true;
    if (campaign->seed_count > 0 &&
        campaign->next_seed >= campaign->first_seed + campaign->seed_count)
        return false;
    if (campaign->hours > 0 && campaign->lived_ns >= campaign->hours * 3600 * SIM_S)
        return false;
    return campaign->for_s == 0 ||
           real_ns() - begun_ns < campaign->for_s * UINT64_C(1000000000);
}

static void hand_out(struct sim_campaign *campaign, struct child *child)
{
    child->order = (struct sim_order){.length_ns = campaign->length_ns, .often = campaign->often};
    child->is_listed = campaign->listed_next < campaign->listed_count;
    child->is_busy = true;
    if (child->is_listed) {
        const struct sim_listed *listed = &campaign->listed[campaign->listed_next++];

        child->order.seed = listed->seed;
        child->order.mode = listed->mode;
        child->order.length_ns = listed->length_ns;
        child->order.often = listed->often[0] == '\0' ? NULL : listed->often;
    } else {
        child->order.seed = campaign->next_seed++;
        child->order.mode = mode_of(campaign, child->order.seed);
    }
    /* A dead one is seen by its report. */
    (void)write_whole(child->to, &child->order, sizeof child->order);
}

static void add_tally(struct sim_tally *sum, const struct sim_tally *one)
{
    sum->grants += one->grants;
    sum->failovers += one->failovers;
    sum->starts += one->starts;
    sum->overlaps_outside += one->overlaps_outside;
    sum->committed += one->committed;
    sum->acknowledged += one->acknowledged;
    sum->elections += one->elections;
    sum->settled += one->settled;
}

static void note_failure(struct sim_campaign *campaign, const struct sim_result *result)
{
    if (campaign->failure_count < SIM_FAILURES_MAX)
        campaign->failures[campaign->failure_count] = *result;
    campaign->failure_count++;
    (void)fprintf(stderr, "seed %" PRIu64 " (%s) fails: %s: %s\n", result->seed,
                  sim_mode_word(result->mode), result->property, result->failure);
}

static void take_report(struct sim_campaign *campaign, const struct report *report)
{
    const struct sim_result *result = &report->result;

    campaign->run_count++;
    campaign->lived_ns += result->lived_ns;
    campaign->events += result->events;
    add_tally(&campaign->tally, &result->tally);
    for (uint32_t i = 0; i < SIM_COVERAGE_MAX; i++)
        sim_coverage_add(&campaign->coverage, report->coverage.entries[i].name,
                         report->coverage.entries[i].count);
    if (result->has_failed)
        note_failure(campaign, result);
}

/* A child that ended by itself has met a defect of the product, or of this program. */
static void take_death(struct sim_campaign *campaign, const struct child *child, int status)
{
    struct sim_result result;

    sim_result_init(&result, &child->order);
    result.has_failed = true;
    (void)snprintf(result.property, sizeof result.property, "crash");
    (void)snprintf(result.failure, sizeof result.failure, "the program itself ended: %s %d",
                   WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    note_failure(campaign, &result);
}

static void tell_progress(const struct sim_campaign *campaign, uint64_t begun_ns)
{
    const double seconds = (double)(real_ns() - begun_ns) / 1e9;
    const double hours = (double)campaign->lived_ns / 3.6e12;

    (void)fprintf(stderr,
                  "%7.0f s: %.1f h simulated (%.2f h/s), %" PRIu64 " seeds, %" PRIu64
                  " failovers, %" PRIu64 " failures\n",
                  seconds, hours, hours / seconds, campaign->run_count, campaign->tally.failovers,
                  campaign->failure_count);
}

/* The lowest seed that has not been lived through: where to go on. */
static uint64_t lowest_open(const struct sim_campaign *campaign, const struct child *children)
{
    uint64_t lowest = campaign->next_seed;

    for (uint32_t i = 0; i < campaign->jobs; i++)
        if (children[i].is_busy && !children[i].is_listed && children[i].order.seed < lowest)
            lowest = children[i].order.seed;
    return lowest;
}

static void work(struct sim_campaign *campaign, struct child *children, struct report *report)
{
    const uint64_t begun_ns = real_ns();
    uint64_t printed_ns = begun_ns;
    uint32_t busy = 0;

    for (uint32_t i = 0; i < campaign->jobs; i++)
        start_child(children, i, campaign->jobs);
    do {
        struct pollfd polled[SIM_JOBS_MAX];

        for (uint32_t i = 0; i < campaign->jobs; i++) {
            if (!children[i].is_busy && wants_more(campaign, begun_ns)) {
                hand_out(campaign, &children[i]);
                busy++;
            }
            polled[i] = (struct pollfd){.fd = children[i].from, .events = POLLIN};
        }
        if (busy == 0)
            break;
        if (poll(polled, campaign->jobs, 1000) < 0)
            BW_ASSERT(errno == EINTR);
        for (uint32_t i = 0; i < campaign->jobs; i++) {
            if (!children[i].is_busy || (polled[i].revents & (POLLIN | POLLHUP)) == 0)
                continue;
            if (read_whole(children[i].from, report, sizeof *report)) {
                take_report(campaign, report);
                children[i].is_busy = false;
            } else {
                const struct child dead = children[i];

                take_death(campaign, &dead, end_child(&children[i]));
                start_child(children, i, campaign->jobs);
            }
            busy--;
        }
        if (real_ns() - printed_ns >= PROGRESS_NS) {
            printed_ns = real_ns();
            tell_progress(campaign, begun_ns);
        }
    } while (true);
    campaign->next_seed = lowest_open(campaign, children);
    for (uint32_t i = 0; i < campaign->jobs; i++)
        (void)end_child(&children[i]);
    campaign->real_ns += real_ns() - begun_ns;
}

int sim_campaign_run(struct sim_campaign *campaign)
{
    const struct sigaction action = {.sa_handler = on_signal};
    struct child *children = calloc(SIM_JOBS_MAX, sizeof *children);
    struct report *report = malloc(sizeof *report);
    struct bw_diag diag = {0};

    BW_ASSERT(children != NULL && report != NULL);
    BW_ASSERT(sigaction(SIGINT, &action, NULL) == 0 && sigaction(SIGTERM, &action, NULL) == 0);
    BW_ASSERT(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    campaign->next_seed = campaign->first_seed;
    /* Saved at once: what is found out at the end of a campaign is lost. */
    if (campaign->resume_path != NULL && (sim_resume_load(campaign, &diag) != BW_OK ||
                                          sim_resume_save(campaign, &diag) != BW_OK)) {
        (void)fprintf(stderr, "breakwater-sim: %s\n", diag.text);
        free(children);
        free(report);
        return 2;
    }
    work(campaign, children, report);
    free(children);
    free(report);
    if (campaign->resume_path != NULL && sim_resume_save(campaign, &diag) != BW_OK) {
        (void)fprintf(stderr, "breakwater-sim: %s\n", diag.text);
        return 2;
    }
    return campaign->failure_count > 0 ? 1 : 0;
}
