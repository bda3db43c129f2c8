/* The systemd units, or containers, of a group, for the fence that the agent runs without its
 * guard: that one reaches everything too (3.4). Open as long as the agent runs, because systemctl
 * or docker may be at work beyond the end of a fence. */
#include "program.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

static void say_news(const struct bw_agent_served *served, enum bw_err err, const struct bw_diag *diag)
{
    struct bw_log *log = &served->agent->log;

    switch (bw_unit_reach_news(served->units, err, diag)) {
    case BW_UNITS_NO_NEWS:
        return;
    case BW_UNITS_UNSEEN:
        bw_log_warn(log, "units.probe_failed", "group=%s error=%s", served->config->name,
                    bw_log_quote(diag->text));
        return;
    case BW_UNITS_SEEN_AGAIN:
        bw_log_info(log, "units.seen", "group=%s", served->config->name);
        return;
    }
}

static void on_looked(enum bw_err err, const struct bw_diag *diag, void *user)
{
    struct bw_agent_served *served = user;

    if (served->config != NULL)
        say_news(served, err, diag);
}

static void on_killed(enum bw_err err, const struct bw_diag *diag, void *user)
{
    bw_agent_fence_on_units_killed(user, err, diag);
}

/* Where their processes are is learned now, too: their manager may hang when a fence has to know
 * it. */
void bw_agent_units_open(struct bw_agent_served *served)
{
    static const struct bw_unit_reach_events events = {on_looked, on_killed};
    struct bw_agent *agent = served->agent;
    struct bw_diag diag = {0};

    if (served->config->unit_count == 0 || served->units != NULL)
        return;
    served->units = calloc(1, sizeof *served->units);
    BW_ASSERT(served->units != NULL);
    if (bw_unit_reach_init(served->units, &agent->loop, &agent->runner,
                           served->config->enforce == BW_REACH_CONTAINERS ? BW_UNITS_OF_COMPOSE
                                                                          : BW_UNITS_OF_SYSTEMD,
                           served->config->units, served->config->unit_count,
                           served->config->container_tool, &events, served, &diag) == BW_OK) {
        bw_unit_reach_look(served->units);
        return;
    }
    free(served->units);
    served->units = NULL;
    bw_log_error(&agent->log, "units.query_failed",
                 "group=%s error=%s does=\"without its guard, only its scripts end the service\"",
                 served->config->name, bw_log_quote(diag.text));
}

bool bw_agent_units_are(const struct bw_agent_served *served, const struct bw_group_config *config)
{
    const struct bw_units *units = served->units != NULL ? &served->units->units : NULL;
    bool is_same = units == NULL || (units->name_count == config->unit_count &&
                                     units->is_tool_given == (config->container_tool != NULL) &&
                                     (config->container_tool == NULL ||
                                      strcmp(units->tool, config->container_tool) == 0));

    for (size_t i = 0; units != NULL && is_same && i < units->name_count; i++)
        is_same = strcmp(units->names[i], config->units[i]) == 0;
    return is_same;
}

void bw_agent_units_close(struct bw_agent *agent)
{
    for (uint32_t i = 0; i < agent->machine.group_count; i++)
        if (agent->served[i].units != NULL)
            bw_unit_reach_close(agent->served[i].units);
}

void bw_agent_units_free(struct bw_agent *agent)
{
    for (uint32_t i = 0; i < agent->machine.group_count; i++)
        free(agent->served[i].units);
}
