/* breakwater enter: runs a command where the guard ends a group's service. For what another
 * supervisor starts (runit, pg_ctlcluster), which would else be outside of the guard's
 * reach. Design 3.4. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/config/site_config.h>
#include <breakwater/sys/reach.h>

#include "gate.h"
#include "inherited.h"
#include "options.h"
#include "verbs.h"

struct enter_values {
    const char *config;
};

static const struct bw_option enter_options[] = {
    BW_OPTION_TEXT(struct enter_values, config, "config", 'c', "FILE", "site file of the guard"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command enter_command = {
    .name = "enter",
    .operands = "GROUP -- COMMAND [ARGUMENT]...",
    .operands_min = 2,
    .operands_max = 4096,
    .help =
        "Runs COMMAND as a part of GROUP: enter joins the cgroup of the guard's starts, asks the guard\n"
        "like gate does, and executes COMMAND; the guard then stops COMMAND with the group. For a\n"
        "service of runit or another supervisor (supervisord is untested): use enter as the last line\n"
        "of its run script, as root or as the user of the guard.\n"
        "Exit status: that of COMMAND; 6 it may not run, 5 the guard does not answer, 1 the cgroup\n"
        "cannot be joined, 126 or 127 COMMAND cannot be executed.",
    .options = enter_options,
};

static enum bw_exit fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "error: enter: %s: %s\n", what, why);
    return BW_EXIT_FAILED;
}

/* ---- there, and on --------------------------------------------------------------------------- */

/* Into the guard's own cgroup, or nowhere: in one that was made here the guard would end nothing. Without cgroups a
 * process is found by its environment, which is that of the command only once that runs. */
static enum bw_err go_in(const struct bw_site_config *site, const char *group, struct bw_diag *diag)
{
    char tag[BW_REACH_TAG_BYTES];
    struct bw_diag why = {0};
    int door = -1;
    enum bw_err err;

    bw_reach_tag(site->cluster, site->site, tag);
    err = bw_reach_find_door(tag, group, BW_REACH_SERVICE, &door, &why);
    if (err != BW_OK)
        return bw_diag_set(diag, err,
                           "the guard's cgroup cannot be reached from here (%.200s): run the guard as root, "
                           "or use stop_method: units",
                           why.text);
    if (!bw_reach_enter(door))
        err = bw_diag_errno(diag, errno, "join the guard's cgroup");
    (void)close(door); /* entered, or not */
    return err;
}

/* FINE: it may run here; else it was said why not. */
static enum bw_exit ask(const struct bw_site_config *site, const char *group)
{
    struct bw_gate_verdict verdict;
    char why[BW_GATE_WHY_BYTES];

    bw_gate_ask(site->guard_socket, group, BW_GATE_ASK_MS, &verdict);
    if (!bw_gate_is_yes(&verdict))
        (void)fprintf(stderr, "%s\n", bw_gate_why(&verdict, why));
    return bw_gate_exit(&verdict);
}

/* Asked once more when it is there: a KILL that comes between the answer and the command finds it
 * (3.4). Asked before, so that what may not run here is nothing that a fence has to end. */
static enum bw_exit enter(const struct bw_site_config *site, const char *group, char **command)
{
    struct bw_diag diag = {0};
    enum bw_exit exit = ask(site, group);

    if (exit != BW_EXIT_FINE)
        return exit;
    if (go_in(site, group, &diag) != BW_OK)
        return fail(group, diag.text);
    exit = ask(site, group);
    if (exit != BW_EXIT_FINE)
        return exit;
    bw_inherited_give_back(); /* its supervisor has begun it with that, and it may rest on it */
    (void)execvp(command[0], command);
    (void)fprintf(stderr, "error: enter: run %s: %s\n", command[0], strerror(errno));
    return (enum bw_exit)(errno == ENOENT ? 127 : 126); /* as a shell has it */
}

enum bw_exit bw_verb_enter(int argc, char **argv)
{
    struct enter_values values = {0};
    struct bw_operands operands;
    const struct bw_group_config *group;
    struct bw_site_config *site = NULL;
    struct bw_problems problems;
    enum bw_exit exit;
    enum bw_err err;

    if (!bw_options_parse(&enter_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (values.config == NULL)
        return bw_usage_error(&enter_command, "needs -c FILE");
    bw_problems_init(&problems);
    err = bw_site_config_load(values.config, BW_CONFIG_OFFLINE, &site, &problems);
    if (err != BW_OK)
        bw_problems_print(&problems, "nothing was run", stderr);
    bw_problems_deinit(&problems);
    if (err != BW_OK)
        return BW_EXIT_FAILED;
    group = bw_site_config_find(site, operands.items[0]);
    if (group == NULL)
        exit = fail(operands.items[0], "this site file has no such group");
    else if (group->enforce != BW_REACH_CGROUP)
        exit = fail(operands.items[0], "enter needs stop_method: cgroup; this group has another one");
    else
        exit = enter(site, group->name, operands.items + 1);
    bw_site_config_free(site);
    return exit;
}
