#include <breakwater/sys/unit_reach.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/sys/clock.h>

static void on_told(struct bw_units *units, enum bw_err err, const struct bw_diag *diag, void *user)
{
    (void)units; /* what came of it is for a look to say */
    (void)err;
    (void)diag;
    (void)user;
}

/* ---- the end of a look --------------------------------------------------------------------- */

/* An answer that leaves one unit open is none. */
static enum bw_err judge_look(const struct bw_units *units, enum bw_err err, struct bw_diag *diag)
{
    if (err != BW_OK)
        return err;
    for (size_t i = 0; i < units->count; i++) {
        if (units->units[i].activity == BW_UNIT_UNKNOWN)
            return bw_diag_set(diag, BW_ERR_UNKNOWN,
                               "unit %s: %s does not know it, or not its state",
                               units->units[i].name, bw_units_manager_name(units));
    }
    return BW_OK;
}

static void watch_on(struct bw_unit_reach *reach)
{
    if (reach->is_watching && !reach->is_killing && !reach->is_closing)
        bw_deadline_set(&reach->again, bw_instant_add(bw_clock_now(), BW_UNIT_REACH_WATCH_NS),
                        BW_DEADLINE_RIGHT);
}

static void end_kill(struct bw_unit_reach *reach, enum bw_err err, const struct bw_diag *diag)
{
    reach->is_killing = false;
    bw_deadline_clear(&reach->again);
    watch_on(reach);
    reach->events->on_killed(err, diag, reach->user);
}

static void continue_kill(struct bw_unit_reach *reach, enum bw_err err, struct bw_diag *diag)
{
    const struct bw_instant now = bw_clock_now();

    if (err == BW_ERR_BUSY)
        err = bw_diag_set(diag, BW_ERR_TIMEOUT, "%s has not answered since the KILL",
                          bw_units_manager_name(&reach->units));
    if (err == BW_OK && bw_units_are_down(&reach->units)) {
        end_kill(reach, BW_OK, diag);
    } else if (bw_instant_right_is_over(now, reach->kill_limit)) {
        if (err == BW_OK)
            err = bw_diag_set(diag, BW_ERR_TIMEOUT,
                              "units are still up after %d ms of SIGKILL (does %s start them "
                              "again? %s)",
                              (int)bw_ns_to_ms(BW_UNIT_REACH_KILL_NS),
                              bw_units_manager_name(&reach->units),
                              bw_units_restart_advice(&reach->units));
        end_kill(reach, err, diag);
    } else {
        bw_unit_reach_cancel(reach); /* what is ordered and not begun has nothing to kill */
        bw_deadline_set(&reach->again, bw_instant_add(now, BW_UNIT_REACH_GAP_NS),
                        BW_DEADLINE_RIGHT);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): one that cannot begin is not looked for again, so at most twice */
static void end_look(struct bw_unit_reach *reach, enum bw_err err, const struct bw_diag *why)
{
    struct bw_diag diag = *why;
    const bool is_wanted = reach->is_look_wanted;
    const bool is_again = reach->is_look_again;
    const bool is_kill_look = reach->is_kill_look;

    if (reach->is_closing)
        return;
    err = judge_look(&reach->units, err, &diag);
    reach->looks_ended = reach->looks_begun;
    reach->is_look_wanted = is_again;
    reach->is_look_again = false;
    reach->is_kill_look = false;
    if (is_wanted)
        reach->events->on_looked(err, &diag, reach->user);
    if (reach->is_killing && is_kill_look && !reach->is_closing)
        continue_kill(reach, err, &diag);
    if (is_again && !reach->is_closing)
        bw_unit_reach_look(reach);
    else
        watch_on(reach);
}

static void on_looked(struct bw_units *units, enum bw_err err, const struct bw_diag *diag,
                      void *user)
{
    (void)units;
    end_look(user, err, diag);
}

/* One that begins while a KILL goes on comes after its first round, whoever has asked for it. */
static enum bw_err begin_look(struct bw_unit_reach *reach, struct bw_diag *diag)
{
    const enum bw_err err = bw_units_look(&reach->units, on_looked, reach, diag);

    if (err == BW_OK)
        reach->is_kill_look = reach->is_killing;
    if (err != BW_ERR_BUSY) /* one that cannot begin ends at once */
        reach->looks_begun++;
    return err;
}

/* ---- rounds of KILL ------------------------------------------------------------------------ */

/* What it cannot kill, the look afterwards sees up, or cannot see: either is no success. */
static void on_again(struct bw_deadline *deadline, void *user)
{
    struct bw_unit_reach *reach = user;
    struct bw_diag diag = {0};
    enum bw_err err;

    (void)deadline;
    if (!reach->is_killing) {
        if (reach->is_watching)
            bw_unit_reach_look(reach);
        return;
    }
    (void)!bw_units_kill_now(&reach->units, NULL);
    err = begin_look(reach, &diag);
    if (err == BW_OK || reach->is_kill_look)
        return; /* its end is the answer: it has a limit of its own */
    continue_kill(reach, err, &diag); /* busy: what that look sees may be older, and it may never end */
}

/* ---- the caller's side --------------------------------------------------------------------- */

enum bw_err bw_unit_reach_init(struct bw_unit_reach *reach, uv_loop_t *loop,
                               struct bw_script_runner *runner, enum bw_units_of of,
                               const char *const *names, size_t count, const char *tool,
                               const struct bw_unit_reach_events *events, void *user,
                               struct bw_diag *diag)
{
    enum bw_err err;

    *reach = (struct bw_unit_reach){.events = events, .user = user};
    err = bw_units_init(&reach->units, runner, of, names, count, tool, diag);
    return err == BW_OK ? bw_deadline_init(&reach->again, loop, on_again, reach, diag) : err;
}

/* NOLINTNEXTLINE(misc-no-recursion): see end_look */
void bw_unit_reach_look(struct bw_unit_reach *reach)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    reach->is_look_wanted = true;
    err = begin_look(reach, &diag);
    if (err == BW_ERR_BUSY)
        reach->is_look_again = true;
    else if (err != BW_OK)
        end_look(reach, err, &diag);
}

enum bw_units_news bw_unit_reach_news(struct bw_unit_reach *reach, enum bw_err err,
                                      const struct bw_diag *diag)
{
    char why[sizeof reach->unseen] = "";
    const bool were_unseen = reach->unseen[0] != '\0';

    if (err != BW_OK)
        (void)snprintf(why, sizeof why, "%.*s", (int)sizeof why - 1, diag->text); /* its beginning tells */
    if (strcmp(why, reach->unseen) == 0)
        return BW_UNITS_NO_NEWS;
    memcpy(reach->unseen, why, sizeof why);
    if (err != BW_OK)
        return BW_UNITS_UNSEEN;
    return were_unseen ? BW_UNITS_SEEN_AGAIN : BW_UNITS_NO_NEWS;
}

bool bw_unit_reach_is_looking(const struct bw_unit_reach *reach)
{
    return reach->is_look_wanted;
}

void bw_unit_reach_watch(struct bw_unit_reach *reach, bool is_wanted)
{
    if (reach->is_closing)
        return;
    reach->is_watching = is_wanted;
    if (reach->is_watching)
        bw_unit_reach_look(reach);
    else if (!reach->is_killing)
        bw_deadline_clear(&reach->again);
}

void bw_unit_reach_cancel(struct bw_unit_reach *reach)
{
    struct bw_diag diag = {0};

    (void)!bw_units_cancel(&reach->units, on_told, reach, &diag); /* a look says what is left of it */
}

enum bw_err bw_unit_reach_term(struct bw_unit_reach *reach, struct bw_diag *diag)
{
    bw_unit_reach_cancel(reach);
    return bw_units_signal(&reach->units, SIGTERM, on_told, reach, diag);
}

void bw_unit_reach_kill(struct bw_unit_reach *reach)
{
    const struct bw_instant now = bw_clock_now();

    reach->kill_limit = bw_instant_add(now, BW_UNIT_REACH_KILL_NS);
    reach->is_killing = true;
    reach->is_kill_look = false;
    (void)!bw_units_kill_now(&reach->units, NULL); /* as in on_again */
    bw_deadline_set(&reach->again, bw_instant_add(now, 1), BW_DEADLINE_RIGHT);
}

void bw_unit_reach_close(struct bw_unit_reach *reach)
{
    if (reach->is_closing)
        return;
    reach->is_closing = true;
    reach->is_killing = false;
    bw_deadline_close(&reach->again, NULL);
}
