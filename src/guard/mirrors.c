/* Mirrors on their way to /run, from a thread of their own: a file system that does not answer holds up
 * what rests on them, an arm and a start, and nothing else. Design 3.4. */
#include "program.h"

#include <errno.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/crash_point.h>

/* Somebody has removed their directory under us: nothing could be written there ever again. */
static bool is_dir_gone(const struct bw_guard_file_copy *file)
{
    return file->err != BW_OK && file->diag.os_errno == ENOENT;
}

static void write_again(struct bw_guard_mirror_round *round, struct bw_guard_file_copy *file)
{
    struct bw_diag diag = {0};

    if (!round->is_made_again &&
        bw_guard_store_make_mirrors_again(&round->store, &diag) != BW_OK) {
        file->diag = diag;
        return;
    }
    round->is_made_again = true;
    file->err = BW_OK;
    file->diag = (struct bw_diag){0};
    bw_guard_store_write_mirror(&round->store, file);
}

static void write_round(void *of)
{
    struct bw_guard_mirror_round *round = of;

    for (uint32_t i = 0; i < round->count; i++) {
        struct bw_guard_file_copy *file = &round->writes[i].file;

        bw_guard_store_write_mirror(&round->store, file);
        if (is_dir_gone(file))
            write_again(round, file);
    }
}

static void take(const struct bw_guard_mirror_write *write)
{
    struct bw_guard_group *group = write->group;
    const bool ok = write->file.err == BW_OK;

    if (ok && write->file.reach.bytes != NULL)
        group->reach_mirrored = write->file.reach.version;
    if (!ok)
        bw_log_error(&group->program->log, "mirror.unsaved",
                     "group=%s error=%s does=\"what rests on it is refused\"", group->config->name,
                     bw_log_quote(write->file.diag.text));
    bw_enforcing_on_written(&group->program->machine.enforcing, &group->at.enforcing, write->number,
                            &write->order, ok);
}

/* The others are written too, with what each is ended by; and the socket of our enforcer was there. */
static void want_all(struct bw_guard_program *program)
{
    bw_log_error(&program->log, "mirrors.made_again",
                 "dir=%s error=\"somebody has removed it\" does=\"writes all mirrors again\"",
                 bw_log_quote(program->store.mirror_path));
    for (uint32_t i = 0; i < program->group_count; i++) {
        struct bw_enforcing_group *group = &program->groups[i]->at.enforcing;

        program->groups[i]->reach_mirrored = 0;
        bw_enforcing_on_mirror(&program->machine.enforcing, group, group->wanted);
    }
    bw_guard_enforcer_replace(program);
}

static void clear_round(void *of)
{
    struct bw_guard_mirror_round *round = of;

    for (uint32_t i = 0; i < round->count; i++)
        free(round->writes[i].file.reach.bytes);
    free(round->writes);
}

static void on_round_written(void *of, void *user)
{
    struct bw_guard_program *program = user;
    struct bw_guard_mirror_round *round = of;

    BW_CRASH_POINT(GUARD_AFTER_MIRROR);
    for (uint32_t i = 0; i < round->count; i++)
        take(&round->writes[i]);
    bw_enforcing_on_round_written(&program->machine.enforcing);
    clear_round(round);
    if (round->is_made_again && !program->is_closing)
        want_all(program);
}

static void add(struct bw_guard_mirror_round *round, struct bw_guard_group *group)
{
    struct bw_guard_mirror_write *write = &round->writes[round->count];

    if (!bw_enforcing_begin_write(&group->program->machine.enforcing, &group->at.enforcing,
                                  &write->number, &write->order))
        return;
    round->count++;
    write->group = group;
    write->file.reach = bw_guard_reach_copy(group, group->reach_mirrored);
    bw_guard_store_prepare_mirror(&group->program->store, group->config->name,
                                  &group->machine.mirror,
                                  bw_guard_machine_is_foreign(&group->program->machine, &group->at)
                                      ? group->at.armed_by
                                      : group->program->store.cluster_id,
                                  &write->file);
}

void bw_guard_mirrors_write(struct bw_guard_program *program)
{
    const uint32_t due_count = program->machine.enforcing.due_count;
    struct bw_guard_mirror_round *round = bw_worker_job(program->mirrors);

    round->is_made_again = false;
    round->count = 0;
    round->writes = /* and one that `add` looks at in vain */
        malloc((due_count + 1) * sizeof round->writes[0]);
    BW_ASSERT(round->writes != NULL);
    for (uint32_t i = 0; i < program->group_count; i++)
        add(round, program->groups[i]);
    BW_ASSERT(round->count == due_count);
    BW_CRASH_POINT(GUARD_BEFORE_MIRROR);
    bw_worker_begin(program->mirrors, write_round);
}

enum bw_err bw_guard_mirrors_open(struct bw_guard_program *program, struct bw_diag *diag)
{
    const enum bw_err err =
        bw_worker_open(&program->mirrors, &program->loop, sizeof(struct bw_guard_mirror_round),
                       clear_round, on_round_written, program, diag);

    if (err == BW_OK)
        ((struct bw_guard_mirror_round *)bw_worker_job(program->mirrors))->store = program->store;
    return err;
}
