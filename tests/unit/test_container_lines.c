/* containers: what a look prints of them, line by line. Design 3.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/sys/units.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct bw_unit seen[4];
static size_t count;

static int begin(void **state)
{
    (void)state;
    memset(seen, 0, sizeof seen);
    count = 0;
    return 0;
}

static bool take(const char *line)
{
    return bw_container_take_line(seen, 4, &count, line, strlen(line));
}

static void each_state_has_its_meaning(void **state)
{
    static const struct {
        const char *line;
        enum bw_unit_activity activity;
    } rows[] = {
        {"container " ID " running 42 no//core", BW_UNIT_UP},
        {"container " ID " paused 42 no//core", BW_UNIT_UP},
        {"container " ID " restarting 0 always//core", BW_UNIT_UP},
        {"container " ID " removing 0 no//core", BW_UNIT_UP},
        {"container " ID " stopping 42 /core", BW_UNIT_UP},
        {"container " ID " initialized 42 /core", BW_UNIT_UP},
        {"container " ID " created 0 no//core", BW_UNIT_DOWN},
        {"container " ID " configured 0 /core", BW_UNIT_DOWN},
        {"container " ID " exited 0 no//core", BW_UNIT_DOWN},
        {"container " ID " stopped 0 /core", BW_UNIT_DOWN},
        {"container " ID " dead 0 no//core", BW_UNIT_DOWN},
        {"container " ID " hibernating 0 no//core", BW_UNIT_UNKNOWN}, /* a word of a later one */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)begin(state);
        assert_true(take(rows[i].line));
        assert_int_equal(count, 1);
        assert_int_equal(seen[0].activity, rows[i].activity);
        assert_string_equal(seen[0].name, "core");
        assert_string_equal(seen[0].id, ID);
    }
}

static void a_restart_policy_may_start_it_again(void **state)
{
    (void)state;
    assert_true(take("container " ID " running 42 no//core"));
    assert_null(bw_unit_comes_again(&seen[0]));
    assert_true(take("container " ID " running 42 unless-stopped//core"));
    assert_string_equal(bw_unit_comes_again(&seen[1]), "restart: unless-stopped");
    assert_true(take("container " ID " exited 0 on-failure//core"));
    assert_string_equal(bw_unit_comes_again(&seen[2]), "restart: on-failure");
    assert_true(take("container " ID " exited 0 /")); /* Podman without one; and no name */
    assert_null(bw_unit_comes_again(&seen[3]));
    assert_string_equal(seen[3].name, ID);
}

static void its_cgroup_is_one_that_is_named_for_it(void **state)
{
    static const struct {
        const char *line;
        const char *cgroup;
    } rows[] = {
        {"0::/docker/" ID, "/docker/" ID},
        {"0::/system.slice/docker-" ID ".scope", "/system.slice/docker-" ID ".scope"},
        {"0::/machine.slice/libpod-" ID ".scope/container", "/machine.slice/libpod-" ID ".scope"},
        {"9:name=systemd:/docker/" ID, "/docker/" ID},
        {"4:memory:/docker/" ID, ""}, /* another hierarchy of version 1 */
        {"0::/", ""},                 /* would be the whole machine */
        {"0::/user.slice/other", ""}, /* another process has that number by now */
        {"0::" ID, ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)begin(state);
        assert_true(take("container " ID " running 42 no//core"));
        assert_true(take(rows[i].line));
        assert_string_equal(seen[0].cgroup, rows[i].cgroup);
    }
}

static void version_2_wins_over_the_other(void **state)
{
    (void)state;
    assert_true(take("container " ID " running 42 no//core"));
    assert_true(take("0::/new/" ID));
    assert_true(take("1:name=systemd:/old/" ID));
    assert_string_equal(seen[0].cgroup, "/new/" ID);
}

static void what_is_not_understood_is_no_answer(void **state)
{
    static const char *const bad[] = {
        "",
        "container",
        "container ",
        "container " ID,
        "container " ID " running",
        "container " ID " running 42",
        "container ../../x running 42 no//core",
        "container abc running 42 no//core",
        "Error: no such object",
        "0::/docker/" ID,
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(take(bad[i]));
    assert_int_equal(count, 0);
}

static void more_than_there_is_room_for_is_no_answer(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_true(take("container " ID " running 42 no//core"));
    assert_false(take("container " ID " running 42 no//core"));
}

static void a_long_path_is_not_known(void **state)
{
    static char line[4096] = "0::/";

    (void)state;
    memset(line + 4, 'x', sizeof line - 5);
    memcpy(line + sizeof line - 1 - strlen(ID), ID, strlen(ID));
    assert_true(take("container " ID " running 42 no//core"));
    assert_true(take(line));
    assert_string_equal(seen[0].cgroup, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_state_has_its_meaning, begin),
        cmocka_unit_test_setup(a_restart_policy_may_start_it_again, begin),
        cmocka_unit_test_setup(its_cgroup_is_one_that_is_named_for_it, begin),
        cmocka_unit_test_setup(version_2_wins_over_the_other, begin),
        cmocka_unit_test_setup(what_is_not_understood_is_no_answer, begin),
        cmocka_unit_test_setup(more_than_there_is_room_for_is_no_answer, begin),
        cmocka_unit_test_setup(a_long_path_is_not_known, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
