#include "check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The machine itself is known by its boot alone, which the agent compares; an address of its own
 * gives it away. */
static bool is_own_address(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0 ||
           strncmp(address, "localhost:", 10) == 0;
}

/* A place to listen at, and nowhere to go. */
static bool is_any_address(const char *address)
{
    return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
}

static void check_agent_address(struct bw_check_lines *lines, const char *file,
                                const struct bw_site_config *site)
{
    const char *agent = site->second.agent;

    if (is_any_address(agent)) {
        bw_check_line(lines, BW_CHECK_FAIL, file,
                      "second_enforcer.agent: %s is where an agent listens, and no machine's "
                      "address: write the one by "
                      "which this machine reaches the agent's",
                      agent);
        return;
    }
    bw_check_line(lines, is_own_address(agent) ? BW_CHECK_WARN : BW_CHECK_OK, file,
                  "second enforcer %s of site %s asks the agent at %s%s", site->name, site->site,
                  agent,
                  is_own_address(agent)
                      ? ", on its own machine, with which it would be lost: run it on another one"
                      : ": it must not run on that agent's machine, with which it would be lost");
}

void bw_check_second(struct bw_check_lines *lines, const char *file,
                     const struct bw_site_config *site)
{
    if (site->second.agent[0] == '\0')
        return;
    check_agent_address(lines, file, site);
    if (site->second.listen[0] != '\0')
        bw_check_line(lines, BW_CHECK_WARN, file,
                      "second_enforcer has listen, the agent's, beside agent: the second enforcer "
                      "needs a file of its "
                      "own, with a name, a certificate (agent/%s/NAME) and a state_dir of its own",
                      site->site);
    for (uint32_t i = 0; i < site->group_count; i++)
        if (site->groups[i].scripts[BW_ACTION_FENCE] == NULL)
            bw_check_line(lines, BW_CHECK_FAIL, site->groups[i].name,
                          "a second enforcer has only fence_script, and there is none: it does not "
                          "start with "
                          "this file");
}

/* ---- beside the guard's file ----------------------------------------------------------------- */

static bool is_second(const struct bw_site_config *site)
{
    return site->second.agent[0] != '\0' && site->second.listen[0] == '\0';
}

static FILE *open_script(const char *path)
{
    const int fd = bw_script_file_open(path);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;

    if (file == NULL && fd >= 0)
        (void)close(fd); /* nothing was read */
    return file;
}

/* The one that cannot be read is another one. */
static bool are_same_bytes(const char *path, const char *other_path)
{
    FILE *file = open_script(path);
    FILE *other = file != NULL ? open_script(other_path) : NULL;
    bool are_same = other != NULL;
    int byte = 0;

    while (are_same && byte != EOF) {
        byte = getc(file);
        are_same = byte == getc(other);
    }
    if (file != NULL)
        (void)fclose(file); /* only read from */
    if (other != NULL)
        (void)fclose(other);
    return are_same;
}

static void check_script(struct bw_check_lines *lines, enum bw_config_scope scope,
                         enum bw_action_kind kind, const struct bw_group_config *guards,
                         const struct bw_group_config *own, const char *second)
{
    const char *guards_script = guards->scripts[kind];
    const char *script = own->scripts[kind];

    if (guards_script == NULL || script == NULL || strcmp(guards_script, script) == 0)
        return; /* what is not here was said, or need not be */
    if (are_same_bytes(guards_script, script))
        return; /* also of two machines, whose folders lie here beside each other */
    bw_check_line(lines, BW_CHECK_WARN, own->name,
                  "%s of second enforcer %s is %s, and its guard's is %s%s: %s",
                  bw_script_key(kind), second, script, guards_script,
                  scope == BW_CONFIG_HERE ? ", of other bytes" : "",
                  kind == BW_ACTION_FENCE
                      ? "it has to end the same service; give both the same script, or make sure"
                      : "it has to see the same service; give both the same script, or make sure");
}

static const char *value_of(const struct bw_group_config *group, const char *name)
{
    for (uint32_t i = 0; i < group->env_count; i++)
        if (strcmp(group->env[i].name, name) == 0)
            return group->env[i].value;
    return NULL;
}

/* The names of what is another thing in `other`, or is missing there. */
static void note_differences(const struct bw_group_config *group,
                             const struct bw_group_config *other, bool is_missing_only, char *names,
                             size_t size)
{
    for (uint32_t i = 0; i < group->env_count; i++) {
        const char *value = value_of(other, group->env[i].name);
        const size_t used = strlen(names);

        if (value == NULL || (!is_missing_only && strcmp(value, group->env[i].value) != 0))
            (void)snprintf(names + used, size - used, "%s%s", used > 0 ? ", " : "",
                           group->env[i].name); /* cut is fine: some are named */
    }
}

static void check_env(struct bw_check_lines *lines, const struct bw_group_config *guards,
                      const struct bw_group_config *own, const char *second)
{
    char names[512] = "";

    note_differences(guards, own, false, names, sizeof names);
    note_differences(own, guards, true, names, sizeof names);
    if (names[0] != '\0')
        bw_check_line(lines, BW_CHECK_WARN, own->name,
                      "env of second enforcer %s differs from its guard's in %s: its scripts would "
                      "look at, and "
                      "end, another service; write the same in both files, but for what is another "
                      "path on its "
                      "machine",
                      second, names);
}

void bw_check_second_pair(struct bw_check_lines *lines, enum bw_config_scope scope,
                          const char *file, const struct bw_site_config *site,
                          const char *other_file, const struct bw_site_config *other)
{
    const struct bw_site_config *own = is_second(site) ? site : other;
    const struct bw_site_config *guards = own == site ? other : site;
    const uint32_t warned = lines->warned_count;

    if (strcmp(site->site, other->site) != 0 || strcmp(site->cluster, other->cluster) != 0 ||
        !is_second(own) || is_second(guards))
        return;
    for (uint32_t i = 0; i < own->group_count; i++) {
        const struct bw_group_config *group = &own->groups[i];
        const struct bw_group_config *of_guard = bw_site_config_find(guards, group->name);

        if (of_guard == NULL)
            continue;
        check_script(lines, scope, BW_ACTION_STATUS, of_guard, group, own->name);
        check_script(lines, scope, BW_ACTION_FENCE, of_guard, group, own->name);
        check_env(lines, of_guard, group, own->name);
    }
    if (lines->warned_count == warned)
        bw_check_line(lines, BW_CHECK_OK, own == site ? file : other_file,
                      "its second enforcer %s looks and fences as %s says", own->name,
                      own == site ? other_file : file);
}

/* ---- beside the group's ---------------------------------------------------------------------- */

void bw_check_second_grade(struct bw_check_lines *lines, const struct bw_spec *spec,
                           const struct bw_site_config *const *sites, size_t count)
{
    for (size_t i = 0; i < count && spec->handover_by_time == BW_HANDOVER_NEVER; i++) {
        const struct bw_site_config *site = sites[i];

        if (bw_site_config_find(site, spec->name) == NULL ||
            (site->second.listen[0] == '\0' && site->second.agent[0] == '\0'))
            continue;
        bw_check_line(lines, BW_CHECK_WARN, spec->name,
                      "at %s: there is a second enforcer, and handover_by_time is never: it ends what a "
                      "lost site left "
                      "behind, but time hands the group over to nobody: it waits for the site, for "
                      "a fence from "
                      "another one (remote_fence_script) or for a person (confirm-fenced). With "
                      "handover_by_time: proved "
                      "it is handed over",
                      site->site);
        return; /* once a group */
    }
}
