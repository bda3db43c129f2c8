/* units: what systemd starts again by itself after a KILL, from the lines of `systemctl show`. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/sys/units.h>

struct row {
    const char *lines[4];
    const char *again; /* NULL: nothing starts it */
};

static const struct row rows[] = {
    {{"Restart=no", "RestartPreventExitStatus=", "TriggeredBy="}, NULL},
    {{"Restart=on-success", "TriggeredBy="}, NULL}, /* a KILL is no clean end */
    {{"Restart=on-watchdog"}, NULL},
    {{"Restart=on-failure", "RestartPreventExitStatus=", "TriggeredBy="}, "Restart=on-failure"},
    {{"Restart=on-abnormal"}, "Restart=on-abnormal"},
    {{"Restart=on-abort"}, "Restart=on-abort"},
    {{"Restart=always"}, "Restart=always"},
    {{"Restart=on-full-moon"}, "Restart=on-full-moon"}, /* a word of a later systemd */
    {{"Restart=on-failure", "RestartPreventExitStatus=3 KILL"}, NULL},
    {{"RestartPreventExitStatus=KILL", "Restart=always"}, NULL}, /* in any order */
    {{"Restart=always", "RestartPreventExitStatus=3 SKILL KILLED"}, "Restart=always"},
    {{"Restart=no", "TriggeredBy=shop.socket"}, "TriggeredBy=shop.socket"},
    /* What triggers it does not ask how it ended. */
    {{"Restart=always", "RestartPreventExitStatus=KILL", "TriggeredBy=shop.timer"},
     "TriggeredBy=shop.timer"},
    {{"TriggeredBy=shop.timer", "Restart=always", "RestartPreventExitStatus=KILL"},
     "TriggeredBy=shop.timer"},
    {{"ActiveState=active", "LoadState=loaded"}, NULL}, /* a target or a slice has no Restart= */
    {{"Restart", "TriggeredBy", "", "=always"}, NULL},
};

static void what_systemd_starts_again_is_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bw_unit unit = {0};

        for (size_t n = 0; n < 4 && rows[i].lines[n] != NULL; n++)
            bw_unit_take_line(&unit, rows[i].lines[n], strlen(rows[i].lines[n]));
        if (rows[i].again == NULL)
            assert_null(bw_unit_comes_again(&unit));
        else
            assert_string_equal(bw_unit_comes_again(&unit), rows[i].again);
    }
}

static void a_long_line_is_cut(void **state)
{
    struct bw_unit unit = {0};
    char line[4096] = "TriggeredBy=";

    (void)state;
    memset(line + strlen(line), 'x', sizeof line - strlen("TriggeredBy="));
    bw_unit_take_line(&unit, line, sizeof line);
    assert_int_equal(strlen(bw_unit_comes_again(&unit)), BW_UNIT_AGAIN_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_systemd_starts_again_is_told_apart),
        cmocka_unit_test(a_long_line_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
