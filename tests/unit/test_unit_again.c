/* units: what systemd may start again by itself after it was ended, from the lines of `systemctl show`. */
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
    {{"Restart=no", "RestartForceExitStatus=", "RestartPreventExitStatus=", "TriggeredBy="}, NULL},
    {{"Restart=no", "RestartPreventExitStatus=KILL"}, NULL},
    {{"Restart=on-failure", "TriggeredBy="}, "Restart=on-failure"},
    {{"Restart=always"}, "Restart=always"},
    {{"Restart=on-abnormal"}, "Restart=on-abnormal"},
    {{"Restart=on-abort"}, "Restart=on-abort"},
    {{"Restart=on-full-moon"}, "Restart=on-full-moon"}, /* a word of a later systemd */
    /* Its end by the TERM that goes before a KILL, or by itself, is one that they start it after. */
    {{"Restart=on-success"}, "Restart=on-success"},
    {{"Restart=on-watchdog"}, "Restart=on-watchdog"},
    {{"Restart=always", "RestartPreventExitStatus=KILL"}, "Restart=always"},
    {{"RestartPreventExitStatus=TERM KILL", "Restart=on-failure"}, "Restart=on-failure"}, /* exit 143 */
    {{"Restart=no", "RestartForceExitStatus=KILL"}, "RestartForceExitStatus=KILL"},
    {{"RestartForceExitStatus=3 KILL", "Restart=no"}, "RestartForceExitStatus=3 KILL"},
    /* What triggers or upholds it does not ask how it ended. */
    {{"Restart=no", "TriggeredBy=shop.socket"}, "TriggeredBy=shop.socket"},
    {{"TriggeredBy=shop.timer", "Restart=no", "RestartForceExitStatus="}, "TriggeredBy=shop.timer"},
    {{"Restart=no", "UpheldBy=shop.target"}, "UpheldBy=shop.target"},
    {{"Restart=no", "UpheldBy=", "TriggeredBy="}, NULL},
    /* Nor does anybody know what is started there: it may start it. */
    {{"Restart=no", "OnFailure=shop-again.service"}, "OnFailure=shop-again.service"},
    {{"Restart=no", "OnSuccess=shop-next.service"}, "OnSuccess=shop-next.service"},
    {{"Restart=no", "OnFailureOf=other.service"}, "OnFailureOf=other.service"},
    {{"Restart=no", "OnSuccessOf=other.service"}, "OnSuccessOf=other.service"},
    {{"Restart=no", "OnFailure=", "OnSuccess=", "OnFailureOf="}, NULL},
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

static void what_came_again_is_told_apart(void **state)
{
    static const struct {
        const char *before, *after;
        bool is_restarted;
    } cases[] = {
        {"NRestarts=0", "NRestarts=0", false},  {"NRestarts=0", "NRestarts=1", true},
        {"NRestarts=2", "NRestarts=2", false}, /* started by a script while it waited for its restart */
        {"NRestarts=2", "NRestarts=0", false}, /* by a script, as ever */
        {"NRestarts=2", "NRestarts=13", true},  {"NRestarts=0", "NRestarts=", false},
        {"NRestarts=0", "NRestarts=-1", false}, {"NRestarts=0", "NRestarts=99999999999", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bw_units units = {.count = 1};

        units.units[0].activity = BW_UNIT_UP;
        bw_unit_take_line(&units.units[0], cases[i].before, strlen(cases[i].before));
        bw_units_note_restarts(&units);
        bw_unit_take_line(&units.units[0], cases[i].after, strlen(cases[i].after));
        assert_int_equal(bw_units_is_any_restarted(&units), cases[i].is_restarted);
        units.units[0].activity = BW_UNIT_DOWN;
        assert_false(bw_units_is_any_restarted(&units));
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
        cmocka_unit_test(what_came_again_is_told_apart),
        cmocka_unit_test(a_long_line_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
