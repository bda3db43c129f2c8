/* chrony: how fast the clock may turn, from chrony's own file (design 3.8). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/config/chrony.h>

static enum bw_err slew_of(const char *text, uint32_t *out_ppm)
{
    char file[] = "/tmp/breakwater-chrony-XXXXXX";
    const int fd = mkstemp(file);
    struct bw_diag diag = {0};
    enum bw_err err;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    err = bw_chrony_slew_ppm(file, out_ppm, &diag);
    assert_int_equal(unlink(file), 0);
    return err;
}

static void the_last_maxslewrate_counts_rounded_up(void **state)
{
    uint32_t ppm = 0;

    (void)state;
    assert_int_equal(slew_of("# x\nmaxslewrate 500\n  MaxSlewRate\t1000.5 \nmakestep 1 3\n", &ppm),
                     BW_OK);
    assert_int_equal(ppm, 1001);
}

static void without_maxslewrate_it_is_chronys_own(void **state)
{
    uint32_t ppm = 0;

    (void)state;
    assert_int_equal(slew_of("#maxslewrate 500\nmaxslewrates 1\npool a iburst\n", &ppm), BW_OK);
    assert_int_equal(ppm, BW_CHRONY_SLEW_PPM_ABSENT);
}

static void what_is_no_rate_is_refused(void **state)
{
    static const char *const bad[] = {"maxslewrate x\n",   "maxslewrate 1 2\n", "maxslewrate -1\n",
                                      "maxslewrate nan\n", "maxslewrate 1e9\n", "maxslewrate \n"};
    uint32_t ppm = 7;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(slew_of(bad[i], &ppm), BW_ERR_INVALID);
    assert_int_equal(ppm, 7);
}

static void no_file_is_not_found(void **state)
{
    struct bw_diag diag = {0};
    uint32_t ppm = 0;

    (void)state;
    assert_int_equal(bw_chrony_slew_ppm("/tmp/breakwater-no-such-file", &ppm, &diag),
                     BW_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_maxslewrate_counts_rounded_up),
        cmocka_unit_test(without_maxslewrate_it_is_chronys_own),
        cmocka_unit_test(what_is_no_rate_is_refused),
        cmocka_unit_test(no_file_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
