/* config/script_hint.c: what the text of a start script lets one guess. Design 3.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/config/script_hint.h>

static void assert_hint(const char *text, enum bw_script_hint_kind kind, const char *word,
                        const char *unit, uint32_t line)
{
    const struct bw_script_hint hint = bw_script_hint_of(text);

    assert_int_equal(hint.kind, kind);
    assert_string_equal(hint.word, word);
    assert_string_equal(hint.unit, unit);
    assert_int_equal(hint.line, line);
}

static void a_unit_is_named_where_it_is_plain(void **state)
{
    (void)state;
    assert_hint("#!/bin/sh\nset -e\nsystemctl start harbor\n", BW_SCRIPT_HINT_UNIT, "systemctl",
                "harbor.service", 3);
    assert_hint("/usr/bin/systemctl --no-block restart pg.target || exit 1", BW_SCRIPT_HINT_UNIT,
                "systemctl", "pg.target", 1);
    assert_hint("systemctl enable --now \"harbor\"", BW_SCRIPT_HINT_UNIT, "systemctl",
                "harbor.service", 1);
    assert_hint("systemctl start \"$UNIT\"", BW_SCRIPT_HINT_UNIT, "systemctl", "", 1);
}

static void what_runs_elsewhere_is_named(void **state)
{
    (void)state;
    assert_hint("\n  exec kubectl scale --replicas=3 deploy/core\n", BW_SCRIPT_HINT_ELSEWHERE,
                "kubectl", "", 2);
    assert_hint("if docker compose up -d; then :; fi", BW_SCRIPT_HINT_CONTAINERS, "docker", "", 1);
    assert_hint("x=$(/usr/bin/ssh db1 start)", BW_SCRIPT_HINT_ELSEWHERE, "ssh", "", 1);
}

static void nothing_is_guessed_of_the_rest(void **state)
{
    static const char *const texts[] = {
        "", "\n\n", "# systemctl start harbor", "exec /opt/harbor/bin/server # not docker",
        "systemctl status harbor", "systemctl daemon-reload", "./kubectl.sh", "dockerd-less",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_hint(texts[i], BW_SCRIPT_HINT_NONE, "", "", 0);
    assert_int_equal(bw_script_hint_read("/nowhere/start.sh").kind, BW_SCRIPT_HINT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_is_named_where_it_is_plain),
        cmocka_unit_test(what_runs_elsewhere_is_named),
        cmocka_unit_test(nothing_is_guessed_of_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
