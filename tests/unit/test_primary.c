/* primary: whether clients may be sent to a site (design 5.3), from what its guard shows. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/core/may_run.h>

#define MS             BW_NS_PER_MS
#define BEGIN_MS       1000000
#define TTL_MS         15000
#define FENCE_MS       5000
#define LOOK_MS        40000
#define TIME_NAMESPACE 11

static const struct bw_id boot = {{7}};
static const struct bw_primary_limits limits = {.look_ns = LOOK_MS * MS};
static const struct bw_primary_limits verifying = {.has_verify = true, .look_ns = LOOK_MS * MS};

static struct bw_instant at_ms(uint64_t ms)
{
    return (struct bw_instant){ms * MS, ms * MS};
}

/* Its lease lives, and it was seen to serve a second ago. */
static struct bw_guard_shown serving(void)
{
    return (struct bw_guard_shown){.boot_id = boot,
                                   .time_namespace = TIME_NAMESPACE,
                                   .has_agent = true,
                                   .enforced = true,
                                   .epoch_seen = 2,
                                   .ended_epoch = 1,
                                   .armed_epoch = 2,
                                   .armed_end = at_ms(BEGIN_MS + TTL_MS),
                                   .fence_ms = FENCE_MS,
                                   .service = BW_SERVICE_STARTED,
                                   .service_at = at_ms(BEGIN_MS - 1000)};
}

static enum bw_primary judge(const struct bw_guard_shown *shown, const struct bw_primary_limits *of,
                             struct bw_instant now)
{
    return bw_primary(bw_may_run(true, shown, boot, TIME_NAMESPACE, now), shown, of, now);
}

static void what_may_run_and_is_seen_to_serve_is_primary(void **state)
{
    const struct bw_guard_shown shown = serving();

    (void)state;
    assert_int_equal(judge(&shown, &limits, at_ms(BEGIN_MS)), BW_PRIMARY_YES);
    assert_string_equal(bw_primary_word(BW_PRIMARY_YES), "primary");
    assert_string_equal(bw_primary_sentence(BW_PRIMARY_YES),
                        "it may run here, and is seen to serve");
}

/* From D - F on nothing begins here, and nobody is sent here: on either clock (1). */
static void from_its_fence_window_on_it_is_none(void **state) /* I1 */
{
    const struct bw_guard_shown shown = serving();
    struct bw_instant now = at_ms(BEGIN_MS);

    (void)state;
    assert_int_equal(judge(&shown, &limits, at_ms(BEGIN_MS + TTL_MS - FENCE_MS - 1)),
                     BW_PRIMARY_YES);
    assert_int_equal(judge(&shown, &limits, at_ms(BEGIN_MS + TTL_MS - FENCE_MS)),
                     BW_PRIMARY_MAY_NOT_RUN);
    now.raw_ns += (TTL_MS - FENCE_MS) * MS;
    assert_int_equal(judge(&shown, &limits, now), BW_PRIMARY_MAY_NOT_RUN);
}

/* Whatever forbids it to run: it serves still, and is none. */
static void what_may_not_run_is_none_though_it_serves(void **state) /* I1 */
{
    const struct bw_guard_shown shown = serving();

    (void)state;
    for (int i = 0; i < BW_MAY_RUN_COUNT; i++) {
        const enum bw_may_run may_run = (enum bw_may_run)i;

        assert_int_equal(bw_primary(may_run, &shown, &limits, at_ms(BEGIN_MS)),
                         may_run == BW_MAY_RUN_LEASE || may_run == BW_MAY_RUN_OVERRIDE
                             ? BW_PRIMARY_YES
                             : BW_PRIMARY_MAY_NOT_RUN);
    }
}

static void unknown_is_never_yes(void **state)
{
    struct bw_guard_shown shown = serving();

    (void)state;
    shown.service = BW_SERVICE_UNKNOWN;
    assert_int_equal(judge(&shown, &limits, at_ms(BEGIN_MS)), BW_PRIMARY_NOT_SERVING);
    shown.service = BW_SERVICE_STOPPED;
    assert_int_equal(judge(&shown, &limits, at_ms(BEGIN_MS)), BW_PRIMARY_NOT_SERVING);
}

/* A look that nobody repeats is believed until the next one should have ended; by both clocks. */
static void an_old_look_is_not_believed(void **state)
{
    struct bw_guard_shown shown = serving();
    const uint64_t end_ms = BEGIN_MS - 1000 + LOOK_MS;
    struct bw_instant now = at_ms(end_ms - 1);

    (void)state;
    shown.armed_end = at_ms(BEGIN_MS + 10 * LOOK_MS);
    assert_int_equal(judge(&shown, &limits, now), BW_PRIMARY_YES);
    assert_int_equal(judge(&shown, &limits, at_ms(end_ms)), BW_PRIMARY_OLD_LOOK);
    now.boot_ns += MS;
    assert_int_equal(judge(&shown, &limits, now), BW_PRIMARY_OLD_LOOK);
}

static void while_it_is_started_a_look_proves_nothing(void **state) /* 3.2.4 */
{
    struct bw_guard_shown shown = serving();

    (void)state;
    shown.running = BW_ACTION_START;
    assert_int_equal(judge(&shown, &limits, at_ms(BEGIN_MS)), BW_PRIMARY_STARTING);
    shown.running = BW_ACTION_STOP;
    assert_int_equal(judge(&shown, &limits, at_ms(BEGIN_MS)), BW_PRIMARY_MAY_NOT_RUN);
}

/* 4: a start is believed once it is verified. A guard that has begun since knows neither; what was adopted is verified
 * as well. */
static void a_start_is_believed_once_it_is_verified(void **state)
{
    const struct bw_primary_limits verified = {
        .has_verify = true, .is_verified = true, .look_ns = LOOK_MS * MS};
    struct bw_guard_shown shown = serving();

    (void)state;
    assert_int_equal(judge(&shown, &verifying, at_ms(BEGIN_MS)), BW_PRIMARY_UNVERIFIED);
    assert_int_equal(judge(&shown, &verified, at_ms(BEGIN_MS)), BW_PRIMARY_YES);
    shown.action = (struct bw_guard_script_end){.action = BW_ACTION_START, .result = BW_RUN_OK};
    assert_int_equal(judge(&shown, &verifying, at_ms(BEGIN_MS)), BW_PRIMARY_UNVERIFIED);
    assert_int_equal(judge(&shown, &verified, at_ms(BEGIN_MS)), BW_PRIMARY_UNVERIFIED); /* by one before */
    assert_int_equal(judge(&shown, &limits, at_ms(BEGIN_MS)), BW_PRIMARY_YES);
    shown.action = (struct bw_guard_script_end){.action = BW_ACTION_VERIFY,
                                                .result = BW_RUN_FAILED};
    assert_int_equal(judge(&shown, &verifying, at_ms(BEGIN_MS)), BW_PRIMARY_UNVERIFIED);
    shown.action.result = BW_RUN_OK;
    assert_int_equal(judge(&shown, &verifying, at_ms(BEGIN_MS)), BW_PRIMARY_YES);
    shown.action = (struct bw_guard_script_end){.action = BW_ACTION_STOP, .result = BW_RUN_FAILED};
    assert_int_equal(judge(&shown, &verifying, at_ms(BEGIN_MS)), BW_PRIMARY_YES); /* it serves on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_run_and_is_seen_to_serve_is_primary),
        cmocka_unit_test(from_its_fence_window_on_it_is_none),
        cmocka_unit_test(what_may_not_run_is_none_though_it_serves),
        cmocka_unit_test(unknown_is_never_yes),
        cmocka_unit_test(an_old_look_is_not_believed),
        cmocka_unit_test(while_it_is_started_a_look_proves_nothing),
        cmocka_unit_test(a_start_is_believed_once_it_is_verified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
