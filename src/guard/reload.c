/* SIGHUP: scripts and limits are read anew; nothing is dropped. Design 5.4. They are read beside the loop, which
 * enforces deadlines (3.4). */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#define SLOW_MS 10000u

/* The worker's. */
struct job {
    const char *config_file; /* of the command line */
    struct bw_guard_store store;
    uint32_t open_count;
    char (*open)[BW_NAME_MAX + 1]; /* groups that are open: of them nothing is read but the site file */
    struct bw_problems problems;
    struct bw_site_config *fresh;  /* NULL: it is refused for them */
    struct bw_guard_files *files;  /* of each group that it names and that is not open */
};

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
                       "group %s cannot be kept without the site file (see reach.write_failed): restart "
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
        (void)snprintf(out_why, size, "%s has changed, which needs %s", key,
                       bw_site_key_takes(key));
        return false;
    }
    group = bw_guard_machine_refuses(&program->machine, named, to);
    if (group != NULL) {
        (void)snprintf(
            out_why, size, "group %s %s", group->guard->group,
            named(group, to) == BW_GUARDED_MISSING
                ? bw_keeps_sentence(bw_guarded_keeps(group))
                : "has another `started_by`, `stop_method` or `container_tool`, or other `units`: restart the "
                  "guard to change that");
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

static void take(struct bw_guard_program *program, struct job *job)
{
    struct bw_site_config *before = program->config;
    struct bw_site_config *config = job->fresh;

    job->fresh = NULL;
    program->config = config;
    program->log.level = config->log_level;
    take_over(program, before, config);
    bw_site_config_free(before);
    for (uint32_t i = 0; i < config->group_count && !program->is_closing; i++) {
        const struct bw_group_config *group = &config->groups[i];
        struct bw_diag diag = {0};

        if (bw_guard_program_find(program, group->name) == NULL &&
            bw_guard_program_add(program, group, &job->files[i], false, &diag) != BW_OK)
            bw_log_error(&program->log, "group.load_failed",
                         "group=%s error=%s does=\"the others go on without it\"", group->name,
                         bw_log_quote(diag.text));
    }
    bw_log_info(&program->log, "config.reloaded", "file=%s groups=%u",
                bw_log_quote(program->config_file), (unsigned)config->group_count);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void clear(void *of)
{
    struct job *job = of;

    bw_site_config_free(job->fresh);
    bw_problems_deinit(&job->problems);
    free(job->files);
    free(job->open);
    *job = (struct job){.fresh = NULL};
}

static bool is_open(const struct job *job, const char *group)
{
    for (uint32_t i = 0; i < job->open_count; i++)
        if (strcmp(job->open[i], group) == 0)
            return true;
    return false;
}

/* On the thread. */
static void read_files(void *of)
{
    struct job *job = of;

    if (bw_site_config_load(job->config_file, BW_CONFIG_HERE, &job->fresh, &job->problems) != BW_OK)
        return;
    job->files = calloc(job->fresh->group_count + 1, sizeof job->files[0]); /* of none as well */
    BW_ASSERT(job->files != NULL);
    for (uint32_t i = 0; i < job->fresh->group_count; i++) {
        const struct bw_group_config *group = &job->fresh->groups[i];

        if (!is_open(job, group->name))
            bw_guard_files_read(&job->store, job->fresh, group, &job->files[i]);
    }
}

static void on_slow(uv_timer_t *timer)
{
    struct bw_guard_program *program = timer->data;

    if (program->reload.is_slow)
        return; /* that is said */
    program->reload.is_slow = true;
    bw_log_warn(&program->log, "config.read_stalled",
                "file=%s does=\"what was read before stays in force\"",
                bw_log_quote(program->config_file));
}

static void begin(struct bw_guard_program *program)
{
    struct bw_guard_reload *reload = &program->reload;
    struct job *job = bw_worker_job(reload->files);

    reload->is_wanted = false;
    bw_problems_init(&job->problems);
    job->config_file = program->config_file;
    job->store = program->store;
    job->open = calloc(program->group_count + 1, sizeof job->open[0]);
    BW_ASSERT(job->open != NULL);
    job->open_count = program->group_count;
    for (uint32_t i = 0; i < job->open_count; i++)
        (void)bw_copy_text(job->open[i], sizeof job->open[i], program->groups[i]->machine.group);
    BW_ASSERT(uv_timer_start(&reload->timer, on_slow, SLOW_MS, 0) == 0); /* it has a callback */
    bw_worker_begin(reload->files, read_files);
}

static void on_read(void *of, void *user)
{
    struct bw_guard_program *program = user;
    struct bw_guard_reload *reload = &program->reload;
    struct job *job = of;
    char why[BW_NAME_MAX + 320];

    (void)uv_timer_stop(&reload->timer); /* cannot fail */
    bw_problems_log(&job->problems, &program->log);
    if (job->fresh == NULL)
        bw_log_error(&program->log, "config.refused",
                     "file=%s does=\"the running configuration stays\"",
                     bw_log_quote(program->config_file));
    else if (!can_take(program, job->fresh, why, sizeof why))
        bw_log_error(&program->log, "config.refused",
                     "file=%s why=%s does=\"the running configuration stays\"",
                     bw_log_quote(program->config_file), bw_log_quote(why));
    else
        take(program, job);
    clear(job);
    if (reload->is_wanted && !program->is_closing) {
        begin(program);
    } else if (reload->is_slow) { /* all that was asked for meanwhile has its outcome, too */
        reload->is_slow = false;
        bw_log_info(&program->log, "files.answer", "does=\"the site file was read\"");
    }
}

void bw_guard_reload(struct bw_guard_program *program)
{
    struct bw_guard_reload *reload = &program->reload;

    if (reload->files == NULL)
        return; /* a caretaker goes by what was kept; or it is closing */
    if (bw_worker_is_busy(reload->files))
        reload->is_wanted = true;
    else
        begin(program);
}

enum bw_err bw_guard_reload_open(struct bw_guard_program *program, struct bw_diag *diag)
{
    struct bw_guard_reload *reload = &program->reload;
    const enum bw_err err = bw_worker_open(&reload->files, &program->loop, sizeof(struct job),
                                           clear, on_read, program, diag);

    if (err != BW_OK)
        return err;
    BW_ASSERT(uv_timer_init(&program->loop, &reload->timer) == 0); /* memory of ours, nothing else */
    reload->timer.data = program;
    return BW_OK;
}

bool bw_guard_reload_close(struct bw_guard_program *program)
{
    struct bw_guard_reload *reload = &program->reload;
    const bool is_at_work = bw_worker_close(reload->files);

    if (reload->files != NULL)
        uv_close((uv_handle_t *)&reload->timer, NULL);
    reload->files = NULL;
    return is_at_work;
}
