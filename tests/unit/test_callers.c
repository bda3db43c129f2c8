/* callers: which agents speak, and which groups their site files have. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/witness/callers.h>

#define FRESH_NS (3 * BW_NS_PER_S)

static struct bw_callers callers;

static struct bw_instant at(uint64_t seconds)
{
    return (struct bw_instant){seconds * BW_NS_PER_S, seconds * BW_NS_PER_S};
}

static void speak(const char *site, const char *agent, const char *group, uint64_t seconds)
{
    struct bw_sync_group groups[2] = {{.name = "other"}};
    struct bw_sync sync = {.group_count = group != NULL ? 2 : 1, .groups = groups};

    (void)snprintf(sync.site, sizeof sync.site, "%s", site);
    (void)snprintf(sync.agent, sizeof sync.agent, "%s", agent);
    if (group != NULL)
        (void)snprintf(groups[1].name, sizeof groups[1].name, "%s", group);
    bw_callers_note(&callers, &sync, at(seconds));
}

static bool lacks(const char *site, uint64_t seconds)
{
    return bw_callers_lack(&callers, site, "harbor", at(seconds), FRESH_NS);
}

static void a_site_lacks_what_none_of_its_speaking_agents_has(void **state)
{
    (void)state;
    callers = (struct bw_callers){0};
    assert_false(lacks("dc-a", 1)); /* nobody spoke: nothing is known */
    speak("dc-a", "agent-1", NULL, 10);
    assert_true(lacks("dc-a", 11));
    assert_false(lacks("dc-b", 11));
    assert_false(lacks("dc-a", 14)); /* long ago */

    speak("dc-a", "agent-2", "harbor", 11);
    speak("dc-a", "agent-1", NULL, 11);
    assert_false(lacks("dc-a", 12));
    speak("dc-a", "agent-1", NULL, 14);
    assert_true(lacks("dc-a", 15)); /* the one that has it is silent */
    speak("dc-a", "agent-1", "harbor", 16);
    assert_false(lacks("dc-a", 16));
    bw_callers_deinit(&callers);
}

static void of_too_many_the_one_heard_longest_ago_is_forgotten(void **state)
{
    char site[BW_NAME_MAX + 1];

    (void)state;
    callers = (struct bw_callers){0};
    for (uint64_t i = 0; i < BW_CALLERS_MAX + 1; i++) {
        (void)snprintf(site, sizeof site, "dc-%u", (unsigned)i);
        speak(site, "agent-1", NULL, 100);
        if (i > 0)
            speak("dc-0", "agent-1", NULL, 101);
    }

    assert_true(lacks("dc-0", 101));
    assert_true(lacks(site, 101));
    assert_false(lacks("dc-1", 101));
    bw_callers_deinit(&callers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_lacks_what_none_of_its_speaking_agents_has),
        cmocka_unit_test(of_too_many_the_one_heard_longest_ago_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
