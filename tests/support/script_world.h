/* script_world.h - real scripts run by the product's runner, and what its callbacks saw of them. For
 * test_script and test_script_life; include it after cmocka.h. */
#ifndef BW_TEST_SCRIPT_WORLD_H
#define BW_TEST_SCRIPT_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>
#include <breakwater/sys/process_tree.h>
#include <breakwater/sys/script.h>

#include "janitor.h"
#include "lacking.h"
#include "patience.h"

/* For what must come to be, on a slow machine; and until bash has set a trap, there. */
#define LOOK_US     5000
#define WAIT_MS     20000 /* for what must happen, on an idle machine: patience.h */
#define TRAP_SET_NS (4 * BW_NS_PER_S)

struct fixture {
    bool by_scan;
    uv_loop_t loop;
    struct bw_script_runner runner;
    struct bw_reach reach;
    char dir[64];
    struct bw_diag diag;
    /* what the callbacks saw */
    int begun_count;
    int ended_count;
    int line_count;
    char lines[4096];
    struct bw_script_result result; /* its pointers are gone; the texts are copied below */
    char first_line[BW_SCRIPT_FIRST_LINE_BYTES];
    char last_line[BW_SCRIPT_FIRST_LINE_BYTES];
    char tail[BW_SCRIPT_TAIL_BYTES_MAX];
    char why[BW_DIAG_TEXT_BYTES];
    size_t kept_bytes;
    bool kill_on_begun;
};

/* ---- callbacks ------------------------------------------------------------------------------- */

static inline void on_begun(struct bw_script_run *run, void *user)
{
    struct fixture *f = user;

    f->begun_count++;
    if (f->kill_on_begun)
        bw_script_kill(run);
}

static inline void on_line(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                    size_t bytes, void *user)
{
    struct fixture *f = user;
    size_t used = strlen(f->lines);

    (void)run;
    f->line_count++;
    if (used + bytes + 4 < sizeof f->lines)
        sprintf(f->lines + used, "%c:%.*s\n", stream == BW_SCRIPT_STDOUT ? 'o' : 'e', (int)bytes,
                line);
}

static inline void on_end(struct bw_script_run *run, const struct bw_script_result *result, void *user)
{
    struct fixture *f = user;

    (void)run;
    f->ended_count++;
    f->result = *result;
    strcpy(f->first_line, result->first_line);
    memset(f->last_line, 0, sizeof f->last_line);
    if (result->last_line_bytes > 0)
        memcpy(f->last_line, result->last_line, result->last_line_bytes);
    strcpy(f->why, result->diag->text);
    (void)bw_script_tail(&result->kept, f->tail, sizeof f->tail);
    f->kept_bytes = result->kept.head_bytes + result->kept.tail_bytes[0] +
                    result->kept.tail_bytes[1];
}

/* ---- set up ---------------------------------------------------------------------------------- */

/* The test's own initial state says by which means: NULL, by cgroup. */
static inline int set_up(void **state)
{
    static struct fixture fixture;
    static int number;
    struct fixture *f = &fixture;
    char tag[32];

    *f = (struct fixture){.by_scan = *state != NULL, .dir = "/tmp/bw-script-XXXXXX"};
    assert_non_null(mkdtemp(f->dir));
    snprintf(tag, sizeof tag, "test-%ld-%d", (long)getpid(), number++);
    janitor_add_dir(f->dir);
    janitor_add_cgroups(tag);
    assert_int_equal(bw_reach_open(&f->reach, tag, "g", f->by_scan, &f->diag), BW_OK);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(bw_script_runner_init(&f->runner, &f->loop, true, &f->diag), BW_OK);
    *state = f;
    return 0;
}

static inline struct fixture *fixture_of(void **state)
{
    struct fixture *f = *state;

    if (!f->by_scan && f->reach.means != BW_REACH_BY_CGROUP)
        skip_lacking("cgroups");
    return f;
}

static inline char *path_in(struct fixture *f, const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    return path;
}

static inline void end_all(struct fixture *f)
{
    struct patience patience = patience_begin(WAIT_MS);
    bool is_empty = false;

    while (!is_empty) {
        if (patience_is_over(&patience))
            patience_fail("the reach is empty");
        assert_int_equal(bw_reach_signal(&f->reach, BW_REACH_ALL, SIGKILL, &f->diag), BW_OK);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ; /* strays of this test; its runs are over */
        assert_int_equal(bw_reach_is_empty(&f->reach, BW_REACH_ALL, &is_empty, &f->diag), BW_OK);
        usleep(LOOK_US); /* between two looks at a condition */
    }
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    bw_script_runner_close(&f->runner, NULL, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    end_all(f);
    janitor_forget(f->reach.tag);
    bw_reach_close(&f->reach);
    janitor_remove_dir(f->dir);
    janitor_forget(f->dir);
    return 0;
}

static inline void write_script(struct fixture *f, const char *text, mode_t mode)
{
    int fd = open(path_in(f, "script.sh"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static inline struct bw_script_spec spec_of(struct fixture *f)
{
    return (struct bw_script_spec){
        .path = path_in(f, "script.sh"),
        .reach = &f->reach,
        .slot = BW_REACH_ACTION,
        .limit_ns = 60 * BW_NS_PER_S,
        .kill_grace_ns = 300 * BW_NS_PER_MS,
        .on_begun = on_begun,
        .on_line = on_line,
        .on_end = on_end,
        .user = f,
    };
}

static inline struct bw_script_run *start(struct fixture *f, const struct bw_script_spec *spec)
{
    struct bw_script_run *run = NULL;

    if (bw_script_start(&f->runner, spec, &run, &f->diag) != BW_OK)
        fail_msg("%s", f->diag.text);
    return run;
}

static inline void run_until_end(struct fixture *f)
{
    while (f->ended_count == 0 && uv_run(&f->loop, UV_RUN_ONCE) != 0)
        ; /* 0: nothing is left to wait for */
    assert_int_equal(f->ended_count, 1);
}

static inline void run_to_end(struct fixture *f, const struct bw_script_spec *spec)
{
    bw_script_go(start(f, spec), BW_INSTANT_NEVER);
    run_until_end(f);
}

static inline void run_text(struct fixture *f, const char *text)
{
    struct bw_script_spec spec = spec_of(f);

    write_script(f, text, 0755);
    run_to_end(f, &spec);
}

static inline size_t count_in(struct fixture *f, enum bw_reach_slot slot)
{
    size_t count = 0;

    assert_int_equal(bw_reach_list(&f->reach, slot, NULL, 0, &count, &f->diag), BW_OK);
    return count;
}

static inline bool exists(struct fixture *f, const char *name)
{
    return access(path_in(f, name), F_OK) == 0;
}

/* Each test by cgroup and by scan. */
#define BOTH(name)                                                                                 \
    {#name " by cgroup", name, set_up, tear_down, NULL},                                           \
    {                                                                                              \
#name " by scan", name, set_up, tear_down, (void *)(uintptr_t)1                            \
    }

#endif
