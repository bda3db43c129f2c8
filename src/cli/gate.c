/* breakwater gate and condition: may this site run the group now? For units, init containers, and
 * the program that breakwater replaces. They report what the guard shows; what ends a service is
 * the guard. Design 3.4, 5.2. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>
#include <breakwater/config/site_config.h>
#include <breakwater/sys/clock.h>

#include "api.h"
#include "at_site.h"
#include "gate.h"
#include "verbs.h"

#define LOOK_MS 500  /* between two looks, with --wait */

struct gate_values {
    const char *group;
    const char *socket;
    const char *wait;
};

#define GROUP_OPTION                                                                               \
    BW_OPTION_TEXT(struct gate_values, group, "group", 'g', "GROUP", "the group to check")
#define SOCKET_OPTION                                                                              \
    BW_OPTION_TEXT(struct gate_values, socket, "socket", 0, "PATH",                                \
                   "the guard's socket (" BW_GUARD_SOCKET_ABSENT ")")

static const struct bw_option gate_options[] = {
    GROUP_OPTION,
    SOCKET_OPTION,
    BW_OPTION_TEXT(struct gate_values, wait, "wait", 0, "D",
                   "repeat the check until this site may run the group, for at most D"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command gate_command = {
    .name = "gate",
    .operands = "",
    .help =
        "Exits with 0 only if this site may run GROUP now: the site has a lease, before the fence window,\n"
        "or an operator's override is in force and the agent has begun it. Otherwise, and in each\n"
        "doubt, gate fails with one line that gives the reason. For ExecStartPre= and init containers.\n"
        "Exit status: 0 it may run, 6 it may not, 5 the guard does not answer.",
    .options = gate_options,
};

static const struct bw_option condition_options[] = {
    GROUP_OPTION,
    SOCKET_OPTION,
    BW_OPTIONS_END,
};

static const struct bw_cli_command condition_command = {
    .name = "condition",
    .operands = "",
    .help =
        "Prints \"start\" if this site may run a group that a loop of yours starts (started_by: external),\n"
        "and \"stop\" if it may not, by the rules of gate. It can be the condition_check_script of the\n"
        "replaced program. If the site may run the group, and the guard starts it, condition prints\n"
        "nothing and exits with 1. In each doubt, and after wrong usage, it prints \"stop\" with exit\n"
        "status 0, because the replaced program ignores a check that fails, and would continue to\n"
        "serve. The reason is on standard error.",
    .options = condition_options,
};

/* ---- asking ---------------------------------------------------------------------------------- */

static void hear(const struct bw_guard_message *shown, void *user)
{
    struct bw_gate_verdict *verdict = user;
    const struct bw_instant now = bw_clock_now();
    struct bw_id boot_id;
    uint64_t time_namespace;

    if (bw_clock_boot_id(&boot_id, &verdict->diag) != BW_OK ||
        bw_clock_time_namespace(&time_namespace, &verdict->diag) != BW_OK)
        return;
    verdict->is_known = true;
    verdict->shown = shown->shown;
    verdict->may_run = bw_may_run(shown->group[0] != '\0', &shown->shown, boot_id, time_namespace,
                                  now);
    verdict->left_ms = bw_ns_to_ms(bw_instant_left_ns(now, shown->shown.armed_end));
}

void bw_gate_ask(const char *socket, const char *group, uint32_t limit_ms,
                 struct bw_gate_verdict *out_verdict)
{
    struct bw_diag diag = {0};

    *out_verdict = (struct bw_gate_verdict){.group = group, .socket = socket};
    if (bw_at_site_show(socket, group, limit_ms, hear, out_verdict, &diag) == BW_OK)
        return;
    out_verdict->is_known = false;
    out_verdict->diag = diag;
}

bool bw_gate_is_yes(const struct bw_gate_verdict *verdict)
{
    return verdict->is_known && bw_may_run_is_yes(verdict->may_run);
}

const char *bw_gate_why(const struct bw_gate_verdict *verdict, char out_text[BW_GATE_WHY_BYTES])
{
    if (!verdict->is_known)
        (void)snprintf(out_text, BW_GATE_WHY_BYTES,
                       "%s may not run here: no permission from the guard at %s: %s",
                       verdict->group, verdict->socket, verdict->diag.text);
    else if (verdict->may_run == BW_MAY_RUN_LEASE)
        (void)snprintf(out_text, BW_GATE_WHY_BYTES,
                       "%s may run at %s: %s, epoch %" PRIu64 ", for %" PRIu64 ".%" PRIu64
                       " s more unless it is renewed",
                       verdict->group, verdict->shown.site, bw_may_run_sentence(verdict->may_run),
                       verdict->shown.armed_epoch, verdict->left_ms / 1000,
                       verdict->left_ms % 1000 / 100);
    else
        (void)snprintf(out_text, BW_GATE_WHY_BYTES, "%s %s run at %s: %s", verdict->group,
                       bw_gate_is_yes(verdict) ? "may" : "may not", verdict->shown.site,
                       bw_may_run_sentence(verdict->may_run));
    return out_text;
}

enum bw_exit bw_gate_exit(const struct bw_gate_verdict *verdict)
{
    if (bw_gate_is_yes(verdict))
        return BW_EXIT_FINE;
    return verdict->is_known ? BW_EXIT_UNSAFE : BW_EXIT_NO_QUORUM;
}

/* ---- gate ------------------------------------------------------------------------------------ */

/* The two verbs have these options in common. */
static bool is_usable(const struct bw_cli_command *command, struct gate_values *values)
{
    if (values->socket == NULL)
        values->socket = BW_GUARD_SOCKET_ABSENT;
    if (values->group != NULL && bw_name_is_valid(values->group))
        return true;
    (void)bw_usage_error(command, values->group == NULL ? "needs --group GROUP"
                                                        : "--group: not a valid name of a group");
    return false;
}

static uint32_t until(uint64_t end_ms)
{
    const uint64_t now_ms = bw_api_now_ms();

    return now_ms < end_ms ? (uint32_t)(end_ms - now_ms) : 0;
}

/* Looks until it may, or the time is over; says why not, where that has changed. */
static void wait_for(const struct gate_values *values, uint32_t wait_ms,
                     struct bw_gate_verdict *verdict)
{
    const uint64_t end_ms = bw_api_now_ms() + wait_ms;
    char last[BW_GATE_WHY_BYTES] = "";
    char now[BW_GATE_WHY_BYTES];

    while (!bw_gate_is_yes(verdict) && until(end_ms) > 0) {
        if (strcmp(bw_gate_why(verdict, now), last) != 0)
            (void)fprintf(stderr, "waits: %s\n", now);
        (void)memcpy(last, now, sizeof last);
        bw_api_pause(until(end_ms) < LOOK_MS ? until(end_ms) : LOOK_MS);
        bw_gate_ask(values->socket, values->group,
                    until(end_ms) < BW_GATE_ASK_MS ? until(end_ms) + LOOK_MS : BW_GATE_ASK_MS,
                    verdict);
    }
}

enum bw_exit bw_verb_gate(int argc, char **argv)
{
    struct gate_values values = {0};
    struct bw_operands operands;
    uint32_t wait_ms = 0;
    struct bw_gate_verdict verdict;
    char text[BW_GATE_WHY_BYTES];
    enum bw_exit exit;

    if (!bw_options_parse(&gate_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!is_usable(&gate_command, &values))
        return BW_EXIT_USAGE;
    if (values.wait != NULL && !bw_duration_parse(values.wait, &wait_ms))
        return bw_usage_error(&gate_command, "--wait %s: expected a duration such as 30s",
                              values.wait);
    bw_gate_ask(values.socket, values.group, BW_GATE_ASK_MS, &verdict);
    wait_for(&values, wait_ms, &verdict);
    (void)fprintf(bw_gate_is_yes(&verdict) ? stdout : stderr, "%s\n", bw_gate_why(&verdict, text));
    return bw_gate_exit(&verdict);
}

/* ---- condition ------------------------------------------------------------------------------- */

/* The old program takes the last word for what counts, and a check that fails for none at all. */
static enum bw_exit print_stop(void)
{
    (void)puts("stop");
    return BW_EXIT_FINE;
}

enum bw_exit bw_verb_condition(int argc, char **argv)
{
    struct gate_values values = {0};
    struct bw_operands operands;
    struct bw_gate_verdict verdict;
    char text[BW_GATE_WHY_BYTES];
    enum bw_exit exit;

    if (!bw_options_parse(&condition_command, argc, argv, &values, &operands, &exit))
        return exit == BW_EXIT_FINE ? exit : print_stop(); /* FINE: --help */
    if (!is_usable(&condition_command, &values))
        return print_stop();
    bw_gate_ask(values.socket, values.group, BW_GATE_ASK_MS, &verdict);
    (void)fprintf(stderr, "%s\n", bw_gate_why(&verdict, text));
    if (!bw_gate_is_yes(&verdict))
        return print_stop();
    if (!bw_may_run_by_loop(verdict.may_run, &verdict.shown)) {
        (void)fprintf(stderr, "its guard starts it, not a loop (that needs started_by: external)\n");
        return BW_EXIT_FAILED; /* a check that fails changes nothing at the old program */
    }
    (void)puts("start");
    return BW_EXIT_FINE;
}
