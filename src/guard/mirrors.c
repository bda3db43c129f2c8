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

    if (!round->is_made_again && bw_guard_store_make_mirrors_again(round->store, &diag) != BW_OK) {
        file->diag = diag;
        return;
    }
    round->is_made_again = true;
    file->err = BW_OK;
    file->diag = (struct bw_diag){0};
    bw_guard_store_write_mirror(round->store, file);
}

static void write_round(void *of)
{
    struct bw_guard_mirror_round *round = of;

    for (uint32_t i = 0; i < round->count; i++) {
        struct bw_guard_file_copy *file = &round->writes[i].file;

        bw_guard_store_write_mirror(round->store, file);
        if (is_dir_gone(file))
            write_again(round, file);
    }
}

static void take(struct bw_guard_mirror_write *write)
{
    struct bw_guard_place *place = write->place;
    const bool ok = write->file.err == BW_OK;

    if (ok && write->file.reach.bytes != NULL)
        place->reach_mirrored = write->file.reach.version;
    free(write->file.reach.bytes);
    if (!ok)
        bw_log_error(&place->program->log, "mirror.unsaved",
                     "group=%s error=%s does=\"what rests on it is refused\"", place->config->name,
                     bw_log_quote(write->file.diag.text));
    bw_enforcing_on_written(&place->program->machine.enforcing, &place->at.enforcing, write->number,
                            &write->order, ok);
}

/* The others are written too, with what each is ended by; and the socket of our enforcer was there. */
static void want_all(struct bw_guard_program *program)
{
    bw_log_error(&program->log, "mirrors.made_again",
                 "dir=%s error=\"somebody has removed it\" does=\"writes all mirrors again\"",
                 bw_log_quote(program->store.mirror_path));
    for (uint32_t i = 0; i < program->place_count; i++) {
        struct bw_enforcing_place *place = &program->places[i]->at.enforcing;

        program->places[i]->reach_mirrored = 0;
        bw_enforcing_on_mirror(&program->machine.enforcing, place, place->wanted);
    }
    bw_guard_enforcer_replace(program);
}

static void on_round_written(void *of, void *user)
{
    struct bw_guard_program *program = user;
    struct bw_guard_mirror_round *round = of;

    BW_CRASH_POINT(GUARD_AFTER_MIRROR);
    for (uint32_t i = 0; i < round->count; i++)
        take(&round->writes[i]);
    bw_enforcing_on_round_written(&program->machine.enforcing);
    if (round->is_made_again && !program->is_closing)
        want_all(program);
    free(round);
}

static void add(struct bw_guard_mirror_round *round, struct bw_guard_place *place)
{
    struct bw_guard_mirror_write *write = &round->writes[round->count];

    if (!bw_enforcing_begin_write(&place->program->machine.enforcing, &place->at.enforcing,
                                  &write->number, &write->order))
        return;
    round->count++;
    write->place = place;
    write->file.reach = bw_guard_reach_copy(place, place->reach_mirrored);
    bw_guard_store_prepare_mirror(&place->program->store, place->config->name,
                                  &place->machine.mirror,
                                  bw_guard_machine_is_foreign(&place->program->machine, &place->at)
                                      ? place->at.armed_by
                                      : place->program->store.cluster_id,
                                  &write->file);
}

void bw_guard_mirrors_write(struct bw_guard_program *program)
{
    struct bw_guard_mirrors *mirrors = &program->mirrors;
    const uint32_t due_count = program->machine.enforcing.due_count;
    struct bw_guard_mirror_round *round = /* and one that `add` looks at in vain */
        malloc(sizeof *round + (due_count + 1) * sizeof round->writes[0]);

    BW_ASSERT(round != NULL);
    round->store = &program->store;
    round->is_made_again = false;
    round->count = 0;
    for (uint32_t i = 0; i < program->place_count; i++)
        add(round, program->places[i]);
    BW_ASSERT(round->count == due_count);
    BW_CRASH_POINT(GUARD_BEFORE_MIRROR);
    bw_worker_begin(mirrors->worker, write_round, round);
}

enum bw_err bw_guard_mirrors_open(struct bw_guard_program *program, struct bw_diag *diag)
{
    struct bw_guard_mirrors *mirrors = &program->mirrors;

    return bw_worker_open(&mirrors->worker, &program->loop, on_round_written, program, diag);
}

void bw_guard_mirrors_close(struct bw_guard_program *program)
{
    struct bw_guard_mirrors *mirrors = &program->mirrors;

    if (mirrors->worker == NULL)
        return;
    mirrors->is_lost = bw_worker_close(mirrors->worker);
    mirrors->worker = NULL;
}
