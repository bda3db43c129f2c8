/* guard: the descriptors by which an enforcer ends a group are all there, or are not sent (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../src/guard/program.h"
#include "janitor.h"
#include "lacking.h"

static struct bw_guard_group guarded;
static struct bw_unit_reach unit_reach;
static struct bw_enforcer_message message;
static int fds[BW_ENFORCER_MEANS_MAX];

static const char *const names[] = {"cgroup.procs", "cgroup.kill"};

static struct bw_cgroup *const ended[] = {
    &guarded.reach.begun, &guarded.reach.slots[BW_REACH_SERVICE], &guarded.reach.slots[BW_REACH_ACTION]};
#define ENDED (sizeof ended / sizeof ended[0])

static const char *file_of(const struct bw_cgroup *cgroup, const char *name)
{
    static char file[sizeof cgroup->path + 16];

    (void)snprintf(file, sizeof file, "%s/%s", cgroup->path, name);
    return file;
}

static char folder[32];

/* The files of a cgroup, in a folder that is none. */
static void put(size_t which)
{
    (void)snprintf(ended[which]->path, sizeof ended[which]->path, "%s/%zu", folder, which);
    assert_int_equal(mkdir(ended[which]->path, 0700), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        FILE *made = fopen(file_of(ended[which], names[i]), "w");

        assert_non_null(made);
        assert_int_equal(fclose(made), 0);
    }
}

/* Of none that is ended is there a file any more to which a KILL could be written. */
static void drop_kill_files(void)
{
    for (size_t i = 0; i < ENDED; i++)
        assert_int_equal(unlink(file_of(ended[i], "cgroup.kill")), 0);
}

static int begin(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/bw-means-XXXXXX");
    assert_non_null(mkdtemp(folder));
    memset(&guarded, 0, sizeof guarded);
    guarded.reach.means = BW_REACH_BY_CGROUP;
    for (size_t i = 0; i < ENDED; i++)
        put(i);
    return 0;
}

static int end(void **state)
{
    (void)state;
    janitor_remove_dir(folder);
    return 0;
}

/* How many of them are open; -1: not all. */
static int open_means(void)
{
    bool is_full;
    const bool is_whole = bw_guard_means_open(&guarded, fds, message.means, &message.means_count, &is_full);

    for (uint32_t i = 0; i < message.means_count; i++)
        assert_int_equal(close(fds[i]), 0);
    assert_false(is_full);
    return is_whole ? (int)message.means_count : -1;
}

/* With room for so many more descriptors. */
static int open_means_within(int room)
{
    struct rlimit old, few;
    const int lowest = dup(0);
    int count;

    assert_true(lowest >= 0);
    assert_int_equal(close(lowest), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    few.rlim_cur = (rlim_t)(lowest + room);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    count = open_means();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    return count;
}

static void assert_opened_whole_or_not(int count, int room_min)
{
    for (int room = 0; room < room_min; room++)
        assert_int_equal(open_means_within(room), -1);
    assert_int_equal(open_means_within(room_min), count);
    assert_int_equal(open_means(), count);
}

static void means_that_cannot_be_opened_are_not_passed_over(void **state)
{
    (void)state;
    assert_opened_whole_or_not(6, 6); /* of what starts began, of what went in since, of a stop that runs */

    drop_kill_files(); /* as of a kernel before 5.14 */
    assert_opened_whole_or_not(3, 4); /* to see that there is none takes a number, too */
    for (int i = 0; i < 3; i++)
        assert_int_equal(message.means[i], BW_ENFORCER_BY_PROCS);
}

/* Who may read who is in a cgroup ends them one by one: a hierarchy that is mounted to be read only, another's unit. */
static void a_kill_file_that_may_not_be_written_to_is_no_lack(void **state)
{
    (void)state;
    drop_kill_files();
    for (size_t i = 0; i < ENDED; i++)
        assert_int_equal(mkdir(file_of(ended[i], "cgroup.kill"), 0700), 0); /* not by root either */

    assert_opened_whole_or_not(3, 4);
}

/* 3.4: no deadline is taken of a group that cannot be ended. */
static void a_cgroup_that_neither_lists_nor_ends_its_processes_is_a_lack(void **state)
{
    (void)state;
    drop_kill_files();
    assert_int_equal(open_means(), 3);
    assert_int_equal(unlink(file_of(ended[0], "cgroup.procs")), 0);
    assert_int_equal(mkdir(file_of(ended[0], "cgroup.procs"), 0700), 0); /* it can be opened, and not read */

    assert_int_equal(open_means(), -1);
}

/* By a scan, what does not run needs no descriptor. */
static void a_unit_that_has_ended_is_no_lack(void **state)
{
    (void)state;
    memset(&guarded, 0, sizeof guarded);
    guarded.reach.means = BW_REACH_BY_SCAN;
    (void)snprintf(guarded.reach.tag, sizeof guarded.reach.tag, "nowhere@nobody");
    (void)snprintf(guarded.reach.group, sizeof guarded.reach.group, "g");
    guarded.unit_reach = &unit_reach;
    unit_reach.units.count = 2; /* one that never ran, one whose cgroup is gone */
    (void)snprintf(unit_reach.units.units[1].cgroup, BW_UNIT_CGROUP_BYTES, "/bw-none.slice/x.service");

    assert_int_equal(open_means(), 0);
    assert_int_equal(open_means_within(1), -1);
}

/* For what is in cgroups below: a kernel without cgroup.kill ends nothing there. */
static void its_own_cgroups_are_told_by_path_too(void **state)
{
    const char *service = guarded.reach.slots[BW_REACH_SERVICE].path;
    const char *action = guarded.reach.slots[BW_REACH_ACTION].path;
    bool is_full = true;

    (void)state;
    assert_true(bw_guard_means_paths(&guarded, &message, &is_full));
    assert_false(is_full);
    assert_string_equal(message.paths, service);
    assert_string_equal(message.paths + strlen(service) + 1, action);
    assert_int_equal(message.path_bytes, strlen(service) + strlen(action) + 2);
}

/* Below whatever of it exists: a slice is made with the first of its units. */
static void where_units_come_up_is_told_before_they_are_up(void **state)
{
    static const char first[] = "/bw-none.slice/bw-none-x.slice/x.service";
    static const char second[] = "/y.service";
    bool is_full = true;
    size_t bytes;

    (void)state;
    memset(&guarded, 0, sizeof guarded);
    memset(&unit_reach, 0, sizeof unit_reach);
    guarded.reach.means = BW_REACH_BY_SCAN;
    guarded.unit_reach = &unit_reach;
    unit_reach.units.count = 3; /* of one nothing is known */
    (void)snprintf(unit_reach.units.units[0].cgroup, BW_UNIT_CGROUP_BYTES, "%s", first);
    (void)snprintf(unit_reach.units.units[2].cgroup, BW_UNIT_CGROUP_BYTES, "%s", second);
    assert_true(bw_guard_means_paths(&guarded, &message, &is_full));
    assert_false(is_full);
    if (message.path_bytes == 0)
        skip_lacking("cgroups");
    bytes = strlen(message.paths) + 1;
    assert_string_equal(message.paths + bytes - sizeof first, first);
    assert_string_equal(message.paths + message.path_bytes - sizeof second, second);
    assert_int_equal(message.path_bytes, bytes + strlen(message.paths + bytes) + 1);
}

static void units_for_whose_paths_there_is_no_room_are_said(void **state)
{
    bool is_full = false;

    (void)state;
    memset(&guarded, 0, sizeof guarded);
    memset(&unit_reach, 0, sizeof unit_reach);
    guarded.reach.means = BW_REACH_BY_SCAN;
    guarded.unit_reach = &unit_reach;
    unit_reach.units.count = BW_UNITS_MAX;
    for (int i = 0; i < BW_UNITS_MAX; i++)
        (void)snprintf(unit_reach.units.units[i].cgroup, BW_UNIT_CGROUP_BYTES, "/%0*d.service",
                       BW_UNIT_NAME_BYTES - 10, i);
    assert_true(bw_guard_means_paths(&guarded, &message, &is_full));
    if (message.path_bytes == 0)
        skip_lacking("cgroups");
    assert_true(is_full);
    assert_in_range(message.path_bytes, 1, BW_ENFORCER_PATHS_BYTES);
    assert_int_equal(message.paths[message.path_bytes - 1], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(means_that_cannot_be_opened_are_not_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(a_kill_file_that_may_not_be_written_to_is_no_lack, begin, end),
        cmocka_unit_test_setup_teardown(a_cgroup_that_neither_lists_nor_ends_its_processes_is_a_lack, begin, end),
        cmocka_unit_test(a_unit_that_has_ended_is_no_lack),
        cmocka_unit_test_setup_teardown(its_own_cgroups_are_told_by_path_too, begin, end),
        cmocka_unit_test(where_units_come_up_is_told_before_they_are_up),
        cmocka_unit_test(units_for_whose_paths_there_is_no_room_are_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
