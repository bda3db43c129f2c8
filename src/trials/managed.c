/* What a trial sees and ends of a service that another manager runs, as the guard does (design 3.4,
 * `units`, `containers`): by the look that the guard takes, and by its KILL. */
#include "sandbox.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/units.h>

#define END_NS   (UINT64_C(10) * BW_NS_PER_S)
#define PAUSE_MS 50
#define SIGNALED_MAX 1024 /* what is beyond runs on: then a status says more than it would */

bool bw_sandbox_is_managed(const struct bw_sandbox *sandbox)
{
    return sandbox->group->enforce == BW_REACH_UNITS ||
           sandbox->group->enforce == BW_REACH_CONTAINERS;
}

/* One for a sandbox, which ends with its process. */
static struct bw_units *units_of(struct bw_sandbox *sandbox, struct bw_diag *diag)
{
    const struct bw_group_config *group = sandbox->group;

    if (sandbox->units != NULL)
        return sandbox->units;
    sandbox->units = calloc(1, sizeof *sandbox->units);
    BW_ASSERT(sandbox->units != NULL);
    if (bw_units_init(sandbox->units, &sandbox->runner,
                      group->enforce == BW_REACH_CONTAINERS ? BW_UNITS_OF_COMPOSE
                                                            : BW_UNITS_OF_SYSTEMD,
                      group->units, group->unit_count, group->container_tool, diag) == BW_OK)
        return sandbox->units;
    free(sandbox->units);
    sandbox->units = NULL;
    return NULL;
}

struct look {
    bool is_done;
    enum bw_err err;
    struct bw_diag *diag;
};

static void on_looked(struct bw_units *units, enum bw_err err, const struct bw_diag *diag,
                      void *user)
{
    struct look *look = user;

    (void)units;
    look->is_done = true;
    look->err = err;
    *look->diag = *diag;
}

static enum bw_err look_at(struct bw_sandbox *sandbox, struct bw_units *units, struct bw_diag *diag)
{
    struct look look = {.diag = diag};
    enum bw_err err = bw_units_look(units, on_looked, &look, diag);

    if (err != BW_OK)
        return err;
    while (!look.is_done)
        (void)uv_run(&sandbox->loop, UV_RUN_ONCE); /* the limit of the look bounds it */
    for (size_t i = 0; look.err == BW_OK && i < units->count; i++)
        if (units->units[i].activity == BW_UNIT_UNKNOWN)
            look.err = bw_diag_set(diag, BW_ERR_UNKNOWN,
                                   "unit %s: %s does not know it, or not its state",
                                   units->units[i].name, bw_units_manager_name(units));
    return look.err;
}

enum bw_err bw_sandbox_see_units(struct bw_sandbox *sandbox, uint32_t *out_up, struct bw_diag *diag)
{
    struct bw_units *units = units_of(sandbox, diag);
    const struct bw_unit *again;
    enum bw_err err;

    *out_up = 0;
    if (units == NULL)
        return diag->err;
    err = look_at(sandbox, units, diag);
    if (err != BW_OK)
        return err;
    for (size_t i = 0; i < units->count; i++)
        *out_up += units->units[i].activity == BW_UNIT_UP;
    again = bw_units_that_comes_again(units);
    if (again != NULL)
        return bw_diag_set(diag, BW_ERR_REFUSED, "%s: %s: %s starts it again by itself: %s",
                           again->name, bw_unit_comes_again(again), bw_units_manager_name(units),
                           bw_units_restart_advice(units));
    return BW_OK;
}

void bw_sandbox_signal_units(struct bw_sandbox *sandbox, int signal)
{
    struct bw_diag diag = {0};
    struct bw_units *units = units_of(sandbox, &diag);
    pid_t pids[SIGNALED_MAX];
    size_t count = 0;

    if (units == NULL || look_at(sandbox, units, &diag) != BW_OK ||
        bw_units_list(units, pids, SIGNALED_MAX, &count, NULL) != BW_OK)
        return;
    for (size_t i = 0; i < count && i < SIGNALED_MAX; i++)
        (void)kill(pids[i], signal); /* it may have just ended */
}

enum bw_err bw_sandbox_end_units(struct bw_sandbox *sandbox, struct bw_diag *diag)
{
    const struct bw_instant limit = bw_instant_add(bw_clock_now(), END_NS);
    struct bw_units *units = units_of(sandbox, diag);
    enum bw_err err;

    if (units == NULL)
        return diag->err;
    do {
        (void)!bw_units_kill_now(units, NULL); /* looked at again */
        err = look_at(sandbox, units, diag);
        if (err == BW_OK && bw_units_are_down(units))
            return BW_OK;
        (void)bw_sandbox_pause(sandbox, PAUSE_MS); /* interrupted, it only looks sooner */
    } while (!bw_instant_right_is_over(bw_clock_now(), limit));
    return err != BW_OK ? err : bw_diag_set(diag, BW_ERR_TIMEOUT, "still up 10 s after their KILL");
}
