/* SIGHUP: scripts and limits are read anew; nothing is dropped. Design 5.4. */
#include "program.h"

#include <stdio.h>

static enum bw_guarded_named named(const struct bw_guarded *guarded, void *user)
{
    const struct bw_guard_group *group = guarded->owner;
    const struct bw_group_config *to = bw_site_config_find(user, group->config->name);

    if (to == NULL)
        return bw_site_config_find(group->program->config, group->config->name) != NULL ? BW_GUARDED_MISSING
                                                                                       : BW_GUARDED_UNNAMED;
    return bw_group_config_has_same_reach(group->config, to) ? BW_GUARDED_NAMED
                                                             : BW_GUARDED_OTHERWISE;
}

static bool can_part(const struct bw_guard_program *program, const struct bw_site_config *to,
                     char *out_why, size_t size)
{
    for (uint32_t i = 0; i < program->group_count; i++) {
        const struct bw_guard_group *group = program->groups[i];

        if (bw_site_config_find(to, group->machine.group) != NULL || bw_guard_group_may_part(group))
            continue;
        (void)snprintf(out_why, size,
                       "group %s cannot be kept without the site file (see reach.unkept): restart "
                       "the guard to take it out",
                       group->machine.group);
        return false;
    }
    return true;
}

/* Groups that were left keep their places. */
static bool has_room(const struct bw_guard_program *program, const struct bw_site_config *to,
                     char *out_why, size_t size)
{
    uint32_t count = program->group_count;

    for (uint32_t i = 0; i < to->group_count; i++)
        count += bw_guard_program_find(program, to->groups[i].name) == NULL;
    if (count <= BW_GROUPS_MAX)
        return true;
    (void)snprintf(out_why, size,
                   "more than %d groups were named since this guard began: restart it, which is no "
                   "outage",
                   BW_GROUPS_MAX);
    return false;
}

static bool can_take(const struct bw_guard_program *program, struct bw_site_config *to,
                     char *out_why, size_t size)
{
    static const char *const fixed[] = {"cluster", "site",         "state_dir",
                                        "run_dir", "guard_socket", NULL};
    const struct bw_guarded *group;
    const char *key = bw_schema_first_change(&bw_site_config_table, fixed, program->config, to);

    if (key != NULL) {
        (void)snprintf(out_why, size, "%s has changed: restart the guard to change that", key);
        return false;
    }
    group = bw_guard_machine_refuses(&program->machine, named, to);
    if (group != NULL) {
        (void)snprintf(
            out_why, size, "group %s %s", group->guard->group,
            named(group, to) == BW_GUARDED_MISSING
                ? bw_keeps_sentence(bw_guarded_keeps(group))
                : "has another `enforce` or other `units`: restart the guard to change that");
        return false;
    }
    return can_part(program, to, out_why, size) && has_room(program, to, out_why, size);
}

/* Those that it names no more, and those of before. */
static void take_over(struct bw_guard_program *program, const struct bw_site_config *before,
                      const struct bw_site_config *config)
{
    for (uint32_t i = 0; i < program->group_count; i++) {
        struct bw_guard_group *group = program->groups[i];
        const struct bw_group_config *to = bw_site_config_find(config, group->machine.group);

        if (to != NULL) {
            bw_guard_group_configure(group, to);
            bw_guard_machine_take_again(&program->machine, &group->at);
        } else if (bw_site_config_find(before, group->machine.group) != NULL) {
            bw_log_info(&program->log, "group.left", "group=%s does=\"no agent hears of it any more\"",
                        group->machine.group);
            bw_guard_group_part(group);
            bw_guard_machine_leave(&program->machine, &group->at);
        }
    }
}

static void take(struct bw_guard_program *program, struct bw_site_config *config)
{
    struct bw_site_config *before = program->config;

    program->config = config;
    program->log.level = config->log_level;
    take_over(program, before, config);
    bw_site_config_free(before);
    for (uint32_t i = 0; i < config->group_count; i++) {
        const char *name = config->groups[i].name;
        struct bw_diag diag = {0};

        if (bw_guard_program_find(program, name) == NULL &&
            bw_guard_program_add(program, &config->groups[i], false, &diag) != BW_OK)
            bw_log_error(&program->log, "group.unloaded",
                         "group=%s error=%s does=\"the others go on without it\"", name,
                         bw_log_quote(diag.text));
    }
}

void bw_guard_program_reload(struct bw_guard_program *program)
{
    struct bw_site_config *config = bw_site_config_take(program->config_file, BW_CONFIG_HERE,
                                                        "the running configuration stays");
    char why[BW_NAME_MAX + 320];

    if (config == NULL) {
        bw_log_error(&program->log, "config.refused",
                     "file=%s does=\"the running configuration stays\"",
                     bw_log_quote(program->config_file));
    } else if (!can_take(program, config, why, sizeof why)) {
        bw_log_error(&program->log, "config.refused",
                     "file=%s why=%s does=\"the running configuration stays\"",
                     bw_log_quote(program->config_file), bw_log_quote(why));
        bw_site_config_free(config);
    } else {
        take(program, config);
        bw_log_info(&program->log, "config.reloaded", "file=%s groups=%u",
                    bw_log_quote(program->config_file), (unsigned)config->group_count);
    }
}
