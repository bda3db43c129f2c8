/* metrics_text: what /metrics says of a failover is what status, the page and the alarm say of it (design 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/obs/metrics.h>

#include "operator_text.h"

#define FAILOVER "\nbreakwater_group_failover_possible{group=\"harbor\"} "

/* As /metrics has it: '0' or '1'. */
static char metric(void)
{
    static char all[256 * 1024];
    const struct bw_operator_view view = view_of_calm_leader();
    struct bw_metrics metrics;
    const char *text, *at;
    size_t size;

    bw_metrics_init(&metrics);
    bw_view_write_metrics(&view, &metrics);
    assert_int_equal(bw_metrics_get(&metrics, &text, &size, NULL), BW_OK);
    assert_true(size < sizeof all);
    memcpy(all, text, size);
    all[size] = '\0';
    bw_metrics_deinit(&metrics);
    at = strstr(all, FAILOVER);
    assert_non_null(at);
    return at[strlen(FAILOVER)];
}

/* As the document has it: who would take over without a person. */
static const char *follower(void)
{
    static char name[BW_NAME_MAX + 1];
    const struct bw_operator_view view = view_of_calm_leader();
    json_t *status = status_of(&view);
    const json_t *failover = json_object_get(bw_json_find_group(status, "harbor"), "failover");
    const char *to = bw_json_truth(failover, "possible") ? bw_json_member(failover, "to")
                                                         : bw_json_member(failover, "after_fence");

    (void)snprintf(name, sizeof name, "%s", to[0] != '\0' ? to : "nobody");
    json_decref(status);
    return name;
}

static void assert_follows(const char *who)
{
    assert_string_equal(follower(), who);
    assert_int_equal(metric(), strcmp(who, "nobody") == 0 ? '0' : '1');
}

static void make_b_lag(uint64_t lag_ms)
{
    world.sites[B].report.lag_ms = lag_ms;
    world_sync_all(&world);
}

static void a_follower_by_time_is_counted(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_follows("dc-b");
    make_b_lag(999999);
    assert_follows("nobody");
}

/* 3.3: it waits for no person. */
static void a_follower_after_a_fence_from_another_site_is_counted(void **state)
{
    (void)state;
    begin_with_handover_never();
    assert_follows("nobody"); /* a person alone ends its epoch */
    world.sites[B].report.remote_fence.limit_ms = 30000;
    world_sync_all(&world);
    assert_follows("dc-b");
    make_b_lag(999999);
    assert_follows("nobody");
    make_b_lag(400);
    world_set_mode(&world, BW_MODE_MANUAL);
    world_sync_all(&world);
    assert_follows("nobody");
}

/* 3.8: one that waits keeps the others from a grant, and goes on itself where it hears a leader. */
static void beside_an_override_that_waits_all_say_the_same(void **state)
{
    (void)state;
    world_begin(&world, 3);
    world.sites[C].report.override = BW_OVERRIDE_WAITING;
    world_sync_all(&world);
    assert_follows("dc-c");
    world.sites[C].is_deaf = true;
    world_pass_ms(&world, 10000);
    assert_follows("nobody");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_by_time_is_counted),
        cmocka_unit_test(a_follower_after_a_fence_from_another_site_is_counted),
        cmocka_unit_test(beside_an_override_that_waits_all_say_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, free_printed);
}
