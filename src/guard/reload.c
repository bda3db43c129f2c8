/* SIGHUP: scripts and limits are read anew; nothing is dropped. Design 5.4. */
#include "program.h"

#include <stdio.h>

static bool can_take(const struct bw_guard_program *program, const struct bw_site_config *to,
                     char *out_why, size_t size)
{
    static const char *const fixed[] = {"cluster", "site",         "state_dir",
                                        "run_dir", "guard_socket", NULL};
    const char *key = bw_schema_first_change(&bw_site_config_table, fixed, program->config, to);

    if (key != NULL) {
        (void)snprintf(out_why, size, "%s has changed", key);
        return false;
    }
    for (uint32_t i = 0; i < program->place_count; i++) {
        const struct bw_group_config *from = program->places[i]->config;
        const struct bw_group_config *group = bw_site_config_find(to, from->name);

        if (group != NULL && bw_group_config_has_same_reach(from, group))
            continue;
        (void)snprintf(out_why, size, "group %s %s", from->name,
                       group == NULL ? "is missing" : "has another `enforce` or other `units`");
        return false;
    }
    return true;
}

static void take(struct bw_guard_program *program, struct bw_site_config *config)
{
    struct bw_site_config *before = program->config;

    program->config = config;
    program->log.level = config->log_level;
    for (uint32_t i = 0; i < program->place_count; i++) {
        struct bw_guard_place *place = program->places[i];

        bw_guard_place_configure(place, bw_site_config_find(config, place->machine.group));
    }
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
    struct bw_site_config *config = NULL;
    struct bw_problems problems;
    char why[BW_NAME_MAX + 64];
    enum bw_err err;

    bw_problems_init(&problems);
    err = bw_site_config_load(program->config_file, BW_CONFIG_HERE, &config, &problems);
    bw_problems_print(&problems, "the running configuration stays", stderr);
    bw_problems_deinit(&problems);
    if (err != BW_OK) {
        bw_log_error(&program->log, "config.refused",
                     "file=%s does=\"the running configuration stays\"",
                     bw_log_quote(program->config_file));
    } else if (!can_take(program, config, why, sizeof why)) {
        bw_log_error(&program->log, "config.refused",
                     "file=%s why=%s does=\"the running configuration stays; restart the guard to "
                     "change that\"",
                     bw_log_quote(program->config_file), bw_log_quote(why));
        bw_site_config_free(config);
    } else {
        take(program, config);
        bw_log_info(&program->log, "config.reloaded", "file=%s groups=%u",
                    bw_log_quote(program->config_file), (unsigned)program->place_count);
    }
}
