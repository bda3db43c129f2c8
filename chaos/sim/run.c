/* run.c - one seed from beginning to end. */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "plan.h"
#include "story.h"

const char *sim_mode_word(enum sim_mode mode)
{
    return mode == SIM_MODE_SAFETY ? "safety" : "liveness";
}

static void leave_out(struct sim_plan *plan, const struct sim_order *order)
{
    for (uint32_t i = 0; i < order->left_out_count; i++)
        if (order->left_out[i] < plan->count)
            plan->incidents[order->left_out[i]].is_left_out = true;
}

static void note(const struct sim_world *world, struct sim_result *out_result)
{
    out_result->has_failed = world->has_failed;
    memcpy(out_result->property, world->story->property, sizeof out_result->property);
    memcpy(out_result->failure, world->story->failure, sizeof out_result->failure);
    out_result->lived_ns = world->now_ns - SIM_BEGIN_NS;
    out_result->events = world->events;
    out_result->hash = world->hash;
    out_result->incident_count = world->plan->count;
    out_result->tally = *sim_checks_tally(world);
}

void sim_result_init(struct sim_result *out_result, const struct sim_order *order)
{
    memset(out_result, 0, sizeof *out_result);
    out_result->seed = order->seed;
    out_result->mode = order->mode;
    out_result->length_ns = order->length_ns;
    if (order->often != NULL)
        BW_ASSERT(bw_copy_text(out_result->often, sizeof out_result->often, order->often));
}

void sim_run(const struct sim_order *order, struct sim_result *out_result,
             struct sim_coverage *coverage, FILE *out)
{
    struct sim_setting setting;
    struct sim_world *world;

    sim_result_init(out_result, order);
    sim_setting_draw(&setting, order->seed, order->mode == SIM_MODE_LIVENESS, order->length_ns,
                     order->often);
    world = sim_world_new(&setting);
    BW_ASSERT(world != NULL);
    world->tells = order->story_lines > 0;
    leave_out(world->plan, order);
    sim_world_run(world, SIM_BEGIN_NS + order->length_ns);
    if (!world->has_failed)
        sim_checks_at_end(world);
    note(world, out_result);
    for (uint32_t i = 0; coverage != NULL && i < SIM_COVERAGE_MAX; i++)
        sim_coverage_add(coverage, world->coverage->entries[i].name,
                         world->coverage->entries[i].count);
    if (order->story_lines > 0)
        sim_story_print(world->story, out, order->story_lines);
    sim_world_free(world);
}

void sim_run_apart(const struct sim_order *order, struct sim_result *out_result)
{
    int ends[2];
    int status = 0;
    ssize_t got;
    pid_t child;

    sim_result_init(out_result, order);
    out_result->has_failed = true;
    (void)snprintf(out_result->property, sizeof out_result->property, "crash");
    BW_ASSERT(pipe(ends) == 0);
    (void)fflush(NULL);
    child = fork();
    BW_ASSERT(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        sim_run(order, out_result, NULL, stdout);
        (void)fflush(stdout);
        _exit(write(ends[1], out_result, sizeof *out_result) == (ssize_t)sizeof *out_result ? 0
                                                                                           : 1);
    }
    (void)close(ends[1]);
    got = read(ends[0], out_result, sizeof *out_result); /* less than PIPE_BUF: whole or not at all */
    (void)close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (got != (ssize_t)sizeof *out_result)
        (void)snprintf(out_result->failure, sizeof out_result->failure,
                       "the program itself ended: %s %d", WIFSIGNALED(status) ? "signal" : "status",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}
