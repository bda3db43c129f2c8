/* consensus/trace_watch: what libraft says to its trace, and the time of retry that it reads right after (L3 of
 * safe_io.h). Its setter is taken over here. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <raft/uv.h>

#include "safe_io_world.h"

#include "../../src/consensus/trace_watch.h"

static unsigned retry_ms;
static struct bw_trace_watch watch;
static uv_loop_t loop;

void raft_uv_set_disk_retry(struct raft_io *io, unsigned msecs)
{
    assert_ptr_equal(io, &world->safe.io);
    retry_ms = msecs;
}

static void hear(const char *message)
{
    const struct raft_tracer_info info = {.version = 1, .diagnostic = {.level = 5, .message = message, .file = "f"}};

    watch.tracer.emit(&watch.tracer, RAFT_TRACER_DIAGNOSTIC, &info);
}

static int set_up(void **state)
{
    assert_int_equal(setup(state), 0);
    retry_ms = BW_TRACE_WATCH_RETRY_MS;
    assert_int_equal(uv_loop_init(&loop), 0);
    bw_trace_watch_open(&watch, &loop, &world->safe);
    return 0;
}

static int tear_down(void **state)
{
    bw_trace_watch_close(&watch, NULL, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return teardown(state);
}

static void a_snapshot_that_failed_is_tried_again_soon(void **state)
{
    (void)state;
    hear("retry snapshot write");
    assert_int_equal(retry_ms, 31000);
    bw_trace_watch_turn(&watch);
    assert_int_equal(retry_ms, BW_TRACE_WATCH_RETRY_MS);
}

/* Its retry would come before the stop where the process was frozen meanwhile, and writes anywhere. */
static void an_entry_that_failed_is_not_tried_again_soon_though_a_snapshot_failed_in_the_same_turn(void **state)
{
    (void)state;
    hear("retry snapshot write");
    hear("retry failed write (write failed: -5)");
    assert_int_equal(retry_ms, BW_TRACE_WATCH_RETRY_MS);
    bw_trace_watch_turn(&watch);
    assert_int_equal(retry_ms, BW_TRACE_WATCH_RETRY_MS);

    hear("retry failed write (write failed: -5)");
    hear("retry snapshot write");
    assert_int_equal(retry_ms, 31000);
}

/* A snapshot that libraft tries again later, for ever where no file is without a name, is not what holds an append up. */
static void an_append_has_no_longer_while_a_snapshot_waits_to_be_tried_again(void **state)
{
    static struct raft_io_append request;
    static struct raft_io_snapshot_put put;
    struct raft_snapshot snapshot = {.index = 1, .term = 4};

    (void)state;
    assert_int_equal(io()->snapshot_put(io(), 5, &put, &snapshot, on_put), 0);
    append(&request, 2, RAFT_COMMAND);
    pass(200, 100);
    hear("retry snapshot write");
    pass(29, 100); /* its own time begins now */
    assert_int_equal(world->stops, 0);
    pass(2, 100);
    assert_int_equal(world->stops, 1);
    assert_non_null(strstr(world->message, "no log entry"));
}

static void an_append_has_longer_again_once_the_snapshot_is_tried_again(void **state)
{
    static struct raft_io_append request;
    static struct raft_io_snapshot_put put;
    struct raft_snapshot snapshot = {.index = 1, .term = 4};

    (void)state;
    assert_int_equal(io()->snapshot_put(io(), 5, &put, &snapshot, on_put), 0);
    hear("retry snapshot write");
    pass(310, 100);
    append(&request, 2, RAFT_COMMAND);
    pass(200, 100);
    assert_int_equal(world->stops, 0);
}

/* Appends wait behind it until it is written, whatever it does meanwhile. */
static void an_append_has_longer_while_an_install_waits_to_be_tried_again(void **state)
{
    static struct raft_io_append request;
    static struct raft_io_snapshot_put put;
    struct raft_snapshot snapshot = {.index = 1, .term = 4};

    (void)state;
    assert_int_equal(io()->snapshot_put(io(), 0, &put, &snapshot, on_put), 0);
    append(&request, 2, RAFT_COMMAND);
    hear("retry snapshot write");
    pass(299, 100);
    assert_int_equal(world->stops, 0);
    pass(2, 100);
    assert_int_equal(world->stops, 1);
}

static bool does_libraft_say(const char *words)
{
    Dl_info info;
    struct stat status;
    FILE *file;
    char *bytes;
    bool is_there;

    assert_int_not_equal(dladdr((void *)(uintptr_t)raft_uv_init, &info), 0);
    file = fopen(info.dli_fname, "re");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &status), 0);
    bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fileno(file), 0);
    assert_true(bytes != MAP_FAILED);
    is_there = memmem(bytes, (size_t)status.st_size, words, strlen(words)) != NULL;
    (void)munmap(bytes, (size_t)status.st_size);
    (void)fclose(file);
    return is_there;
}

/* The third one is no text of its own in it; test_consensus_faults needs it. */
static void what_is_listened_for_is_what_libraft_says(void **state)
{
    (void)state;
    assert_true(does_libraft_say("retry failed write (%s)"));
    assert_true(does_libraft_say("truncate segment %s"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_snapshot_that_failed_is_tried_again_soon),
        TEST(an_entry_that_failed_is_not_tried_again_soon_though_a_snapshot_failed_in_the_same_turn),
        TEST(an_append_has_no_longer_while_a_snapshot_waits_to_be_tried_again),
        TEST(an_append_has_longer_again_once_the_snapshot_is_tried_again),
        TEST(an_append_has_longer_while_an_install_waits_to_be_tried_again),
        TEST(what_is_listened_for_is_what_libraft_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
