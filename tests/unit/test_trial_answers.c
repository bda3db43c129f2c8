/* What the witnesses answer, as a trial judges it. Design 3.9. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elsewhere.h"

#define CALM_SITE "\"connected\": true, \"several_agents\": false, \"service\": \"stopped\", \"override\": \"none\""

static char *text;

/* The answer of a witness: what differs from a group that is observed and stopped everywhere is put last, and counts. */
static json_t *answer(bool leads, const char *group, const char *at_a, const char *at_b)
{
    char whole[4096];
    json_t *status;

    (void)snprintf(whole, sizeof whole,
                   "{\"schema\": \"breakwater.status/v2\", \"answered_by\": \"%s\", \"leads\": %s, \"groups\": [{"
                   "\"name\": \"shop\", \"phase\": \"VACANT\", \"mode\": \"observe\", \"holder\": null, \"epoch\": 7, %s "
                   "\"sites\": [{\"name\": \"dc-a\", \"last_seen_ms\": 8000, \"let_go\": true, " CALM_SITE "%s}, "
                   "{\"name\": \"dc-b\", \"last_seen_ms\": null, \"let_go\": null, " CALM_SITE "%s}]}]}",
                   leads ? "w1" : "w2", leads ? "true" : "false", group, at_a, at_b);
    status = json_loads(whole, 0, NULL);
    assert_non_null(status);
    return status;
}

static enum bw_elsewhere judge(json_t *first, json_t *second, const char *group)
{
    const struct bw_elsewhere_answer answers[] = {{.address = "w1:1", .status = first, .why = "connection refused"},
                                                  {.address = "w2:1", .status = second, .why = "connection refused"}};
    enum bw_elsewhere verdict;
    size_t size;
    FILE *out;

    free(text);
    text = NULL;
    out = open_memstream(&text, &size);
    assert_non_null(out);
    verdict = bw_elsewhere_judge(answers, 2, "dc-b", group, out);
    assert_int_equal(fclose(out), 0);
    json_decref(first);
    json_decref(second);
    return verdict;
}

static void assert_judged(enum bw_elsewhere verdict, enum bw_elsewhere wanted, const char *says)
{
    if (verdict != wanted || strstr(text, says) == NULL)
        fail_msg("%d, wanted %d and \"%s\": %s", (int)verdict, (int)wanted, says, text);
}

static void stopped_everywhere_by_the_leader_is_nobody(void **state)
{
    (void)state;
    assert_int_equal(judge(answer(true, "", "", ""), NULL, "shop"), BW_ELSEWHERE_NOBODY);
    assert_string_equal(text, "");
}

/* What the site says of itself is looked for at its own machine. */
static void its_own_service_and_silence_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(judge(answer(true, "", "", ", \"connected\": false, \"service\": \"started\""), NULL, "shop"),
                     BW_ELSEWHERE_NOBODY);
}

static void what_may_serve_is_refused(void **state)
{
    static const struct {
        const char *group;
        const char *at_a;
        const char *at_b;
        const char *says;
    } faults[] = {
        {"", ", \"service\": \"started\"", "", "dc-a reports that its service is started (from w1)"},
        {"", ", \"override\": \"waiting\"", "", "dc-a reports an override (from w1)"},
        {"", "", ", \"override\": \"overriding\"", "dc-b reports an override (from w1)"},
        {"\"phase\": \"CLOSING\", \"holder\": \"dc-a\",", "", "", "dc-a holds epoch 7 (phase CLOSING)"},
        {"\"mode\": \"auto\",", "", "", "its mode is auto"},
        {"\"mode\": \"paused\",", "", "", "its mode is paused"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        assert_judged(judge(answer(true, faults[i].group, faults[i].at_a, faults[i].at_b), NULL, "shop"),
                      BW_ELSEWHERE_TAKEN, faults[i].says);
}

static void what_is_not_known_an_operator_confirms(void **state)
{
    static const struct {
        const char *at_a;
        const char *says;
    } faults[] = {
        {", \"connected\": false", "dc-a is not connected (last report 8 s ago)"},
        {", \"connected\": false, \"last_seen_ms\": null", "dc-a is not connected (no report yet)"},
        {", \"several_agents\": true", "several agents report for dc-a"},
        {", \"service\": \"unknown\"", "dc-a reports its service as unknown"},
        {", \"let_go\": false", "dc-a has not confirmed that it let the group go"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        assert_judged(judge(answer(true, "", faults[i].at_a, ""), NULL, "shop"), BW_ELSEWHERE_UNKNOWN, faults[i].says);
    assert_judged(judge(answer(true, "", "", ""), NULL, "other"), BW_ELSEWHERE_UNKNOWN, "do not know this group");
    assert_judged(judge(NULL, NULL, "shop"), BW_ELSEWHERE_UNKNOWN, "not asked: w2:1: connection refused");
}

static void a_follower_is_believed_that_a_site_serves_and_not_that_none_does(void **state)
{
    (void)state;
    assert_judged(judge(answer(true, "", "", ""), answer(false, "", ", \"service\": \"started\"", ""), "shop"),
                  BW_ELSEWHERE_TAKEN, "dc-a reports that its service is started (from w2)");
    assert_judged(judge(NULL, answer(false, "", "", ""), "shop"), BW_ELSEWHERE_UNKNOWN, "no leader of the witnesses answers");
    assert_judged(judge(NULL, answer(false, "\"mode\": \"auto\",", "", ""), "shop"), BW_ELSEWHERE_TAKEN, "its mode is auto");
    /* One that lags has the state of before. */
    assert_int_equal(judge(answer(true, "", "", ""), answer(false, "\"mode\": \"auto\",", "", ""), "shop"),
                     BW_ELSEWHERE_NOBODY);
}

static void a_site_is_named_once_however_many_say_it(void **state)
{
    const char *first;

    (void)state;
    (void)judge(answer(true, "", ", \"service\": \"started\"", ""), answer(false, "", ", \"service\": \"started\"", ""), "shop");
    first = strstr(text, "dc-a reports");
    assert_non_null(first);
    assert_null(strstr(first + 1, "dc-a reports"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_everywhere_by_the_leader_is_nobody),
        cmocka_unit_test(its_own_service_and_silence_do_not_count),
        cmocka_unit_test(what_may_serve_is_refused),
        cmocka_unit_test(what_is_not_known_an_operator_confirms),
        cmocka_unit_test(a_follower_is_believed_that_a_site_serves_and_not_that_none_does),
        cmocka_unit_test(a_site_is_named_once_however_many_say_it),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(text);
    return failed;
}
