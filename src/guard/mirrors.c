/* Mirrors on their way to /run, from a thread of their own: a file system that does not answer holds up
 * what rests on them, an arm and a start, and nothing else. Design 3.4. */
#include "program.h"

#include <errno.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/base/mutant.h>

/* Somebody has removed their directory under us: nothing could be written there ever again. */
static bool is_dir_gone(const struct bw_guard_file_copy *file)
{
    return file->err != BW_OK && file->diag.os_errno == ENOENT && !BW_MUTANT(MIRRORS_AGAIN);
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

/* True: MIRRORED is to be said. False: the enforcer has to hold it first. */
static bool take(struct bw_guard_mirror_write *write)
{
    struct bw_guard_place *place = write->place;

    place->mirror_number = write->number;
    if (write->file.err == BW_OK && write->file.reach.bytes != NULL)
        place->reach_mirrored = write->file.reach.version;
    free(write->file.reach.bytes);
    if (write->file.err == BW_OK) {
        place->mirrored = write->order;
        bw_guard_enforcer_look(place);
        place->awaits_enforcer = !bw_guard_enforcer_has(place);
        return !place->awaits_enforcer;
    }
    bw_log_error(&place->program->log, "mirror.unsaved",
                 "group=%s error=%s does=\"what rests on it is refused\"", place->config->name,
                 bw_log_quote(write->file.diag.text));
    return true;
}

/* The others are written too, with what each is ended by; and the socket of our enforcer was there. */
static void want_all(struct bw_guard_program *program)
{
    bw_log_error(&program->log, "mirrors.made_again",
                 "dir=%s error=\"somebody has removed it\" does=\"writes all mirrors again\"",
                 bw_log_quote(program->store.mirror_path));
    for (uint32_t i = 0; i < program->place_count; i++) {
        program->places[i]->reach_mirrored = 0;
        bw_guard_mirrors_want(program->places[i], program->places[i]->mirror_wanted);
    }
    bw_guard_enforcer_replace(program);
}

static void on_round_written(void *of, void *user)
{
    struct bw_guard_program *program = user;
    struct bw_guard_mirror_round *round = of;

    BW_CRASH_POINT(GUARD_AFTER_MIRROR);
    program->mirrors.is_writing = false;
    for (uint32_t i = 0; i < round->count; i++)
        if (take(&round->writes[i]) && !program->is_closing)
            bw_guard_place_mirrored(round->writes[i].place, round->writes[i].file.err == BW_OK);
    if (round->is_made_again && !program->is_closing)
        want_all(program);
    free(round);
    bw_guard_program_look(program);
}

static void add(struct bw_guard_mirror_round *round, struct bw_guard_place *place)
{
    struct bw_guard_mirror_write *write = &round->writes[round->count++];
    const struct bw_guard_mirror *mirror = &place->machine.mirror;

    place->is_mirror_due = false;
    write->place = place;
    write->number = place->mirror_wanted;
    write->order = (struct bw_enforcer_order){
        .epoch = mirror->armed_epoch, .end = mirror->armed_end, .fence_ns = mirror->fence_ns};
    write->file.reach = bw_guard_reach_copy(place, place->reach_mirrored);
    bw_guard_store_prepare_mirror(&place->program->store, place->config->name, mirror,
                                  bw_guard_place_is_foreign(place) ? place->mirror_cluster
                                                                   : place->program->store.cluster_id,
                                  &write->file);
}

static void begin_round(struct bw_guard_program *program)
{
    struct bw_guard_mirrors *mirrors = &program->mirrors;
    struct bw_guard_mirror_round *round =
        malloc(sizeof *round + mirrors->due * sizeof round->writes[0]);

    BW_ASSERT(round != NULL);
    round->store = &program->store;
    round->is_made_again = false;
    round->count = 0;
    for (uint32_t i = 0; i < program->place_count; i++)
        if (program->places[i]->is_mirror_due)
            add(round, program->places[i]);
    mirrors->due = 0;
    mirrors->is_writing = true;
    BW_CRASH_POINT(GUARD_BEFORE_MIRROR);
    bw_worker_begin(mirrors->worker, write_round, round);
}

static void forget_foreign(struct bw_guard_program *program)
{
    program->has_foreign = bw_id_is_none(program->store.cluster_id); /* a hello will tell */
    for (uint32_t i = 0; i < program->place_count; i++) {
        bw_guard_place_forget_foreign(program->places[i]);
        program->has_foreign |= bw_guard_place_is_foreign(program->places[i]);
    }
}

/* Before the loop waits: all that the messages of one turn have changed. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct bw_guard_program *program = prepare->data;

    if (program->has_foreign && !program->is_closing)
        forget_foreign(program);
    if (program->mirrors.due > 0 && !program->mirrors.is_writing && !program->is_closing)
        begin_round(program);
}

void bw_guard_mirrors_want(struct bw_guard_place *place, uint64_t number)
{
    place->mirror_wanted = number;
    if (place->is_mirror_due)
        return;
    place->is_mirror_due = true;
    place->program->mirrors.due++;
}

bool bw_guard_mirrors_are_due(const struct bw_guard_program *program)
{
    return program->mirrors.worker != NULL &&
           (program->mirrors.due > 0 || program->mirrors.is_writing);
}

enum bw_err bw_guard_mirrors_open(struct bw_guard_program *program, struct bw_diag *diag)
{
    struct bw_guard_mirrors *mirrors = &program->mirrors;
    const enum bw_err err =
        bw_worker_open(&mirrors->worker, &program->loop, on_round_written, program, diag);

    if (err != BW_OK)
        return err;
    BW_ASSERT(uv_prepare_init(&program->loop, &mirrors->prepare) == 0); /* cannot fail */
    mirrors->prepare.data = program;
    BW_ASSERT(uv_prepare_start(&mirrors->prepare, on_prepare) == 0);
    return BW_OK;
}

void bw_guard_mirrors_close(struct bw_guard_program *program)
{
    struct bw_guard_mirrors *mirrors = &program->mirrors;

    if (mirrors->worker == NULL)
        return;
    mirrors->is_lost = bw_worker_close(mirrors->worker);
    mirrors->worker = NULL;
    uv_close((uv_handle_t *)&mirrors->prepare, NULL);
}
