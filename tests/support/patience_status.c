/* The exit status of a test program if each failed test of it failed in a wait: PATIENCE_STATUS. cmocka returns only how
 * many tests have failed, so each part of a test (setup, body, teardown) is run through this file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "patience.h"

#include <dlfcn.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

/* One test, or a fixture of a group. */
struct parts {
    const struct CMUnitTest *test;
    unsigned begun;
    unsigned ended;          /* returned well, or failed in a wait */
    unsigned waited_in_vain; /* of ended */
};

typedef int run_group(const char *name, const struct CMUnitTest *tests, size_t count,
                      CMFixtureFunction set_up, CMFixtureFunction tear_down);

static struct parts *running;
static struct parts *of_tests;
static size_t next_test;
static struct parts of_set_up;
static CMFixtureFunction group_set_up, group_tear_down;
static int excused; /* failed tests of this program in which nothing but waits failed */
static pid_t owner;

void patience_record(void)
{
    if (running == NULL)
        return; /* outside of a test: cmocka ends the program */
    running->ended++;
    running->waited_in_vain++;
}

static int run_fixture(CMFixtureFunction fixture, void **state)
{
    int result;

    running->begun++;
    result = fixture(state);
    running->ended += result == 0;
    return result;
}

/* Of each test, also without a setup of its own: it is the next one. */
static int set_up_test(void **state)
{
    running = &of_tests[next_test++];
    return running->test->setup_func != NULL ? run_fixture(running->test->setup_func, state) : 0;
}

static void run_body(void **state)
{
    running->begun++;
    running->test->test_func(state);
    running->ended++;
}

static int tear_down_test(void **state)
{
    return run_fixture(running->test->teardown_func, state);
}

static int set_up_group(void **state)
{
    running = &of_set_up;
    return run_fixture(group_set_up, state);
}

/* cmocka counts no failure of it. */
static int tear_down_group(void **state)
{
    running = NULL;
    return group_tear_down(state);
}

static bool is_excused(const struct parts *parts)
{
    return parts->waited_in_vain > 0 && parts->ended == parts->begun;
}

/* Instead of cmocka's, which does the rest. Runs only the tests that TEST_FILTER names (a pattern: * and ?); unset: all. */
int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *const tests, const size_t count,
                            CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
    run_group *const cmocka = (run_group *)dlsym(RTLD_NEXT, "_cmocka_run_group_tests");
    const char *filter = getenv("TEST_FILTER");
    struct CMUnitTest *chosen = calloc(count + 1, sizeof *chosen);
    size_t chosen_count = 0;
    int failed;

    of_tests = calloc(count + 1, sizeof *of_tests);
    BW_ASSERT(cmocka != NULL && chosen != NULL && of_tests != NULL);
    for (size_t i = 0; i < count; i++) {
        if (filter != NULL && fnmatch(filter, tests[i].name, 0) != 0)
            continue;
        of_tests[chosen_count].test = &tests[i];
        chosen[chosen_count] = tests[i];
        chosen[chosen_count].setup_func = set_up_test;
        chosen[chosen_count].test_func = run_body;
        chosen[chosen_count].teardown_func = tests[i].teardown_func != NULL ? tear_down_test : NULL;
        chosen_count++;
    }
    next_test = 0;
    of_set_up = (struct parts){0};
    group_set_up = set_up;
    group_tear_down = tear_down;
    failed = cmocka(name, chosen, chosen_count, set_up != NULL ? set_up_group : NULL,
                    tear_down != NULL ? tear_down_group : NULL);
    running = NULL;
    excused += is_excused(&of_set_up);
    for (size_t i = 0; i < chosen_count; i++)
        excused += is_excused(&of_tests[i]);
    free(of_tests);
    free(chosen);
    return failed;
}

static void end_with_status(int status, void *unused)
{
    (void)unused;
    if (getpid() != owner || status == 0)
        return;
    if (status == excused) {
        (void)fflush(NULL);
        _exit(PATIENCE_STATUS);
    }
    if (status == PATIENCE_STATUS) { /* so many tests have failed */
        (void)fflush(NULL);
        _exit(1);
    }
}

__attribute__((constructor)) static void watch_exit(void)
{
    owner = getpid();
    BW_ASSERT(on_exit(end_with_status, NULL) == 0);
}
