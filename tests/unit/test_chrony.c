/* chrony: how fast the clock may turn, from chrony's own file (design 3.8). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/config/chrony.h>

static char dir[] = "/tmp/breakwater-chrony-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    memcpy(dir + sizeof dir - sizeof "XXXXXX", "XXXXXX", sizeof "XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[64];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* `%s` in `text` is the folder of the test. */
static void put(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "we");

    assert_non_null(file);
    for (; *text != '\0'; text++) {
        if (strncmp(text, "%s", 2) != 0)
            (void)fputc(*text, file);
        else if (fputs(dir, file) >= 0)
            text++;
    }
    assert_int_equal(fclose(file), 0);
}

static void make_dir(const char *name)
{
    assert_int_equal(mkdir(path_of(name), 0700), 0);
}

static enum bw_err read_slew(struct bw_chrony_slew *out_slew)
{
    struct bw_diag diag = {0};

    return bw_chrony_slew(path_of("chrony.conf"), out_slew, &diag);
}

static enum bw_err slew_of(const char *text, uint32_t *out_ppm)
{
    struct bw_chrony_slew slew = {.ppm = *out_ppm};
    enum bw_err err;

    put("chrony.conf", text);
    err = read_slew(&slew);
    *out_ppm = slew.ppm;
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
    struct bw_chrony_slew slew;

    (void)state;
    assert_int_equal(read_slew(&slew), BW_ERR_NOT_FOUND);
}

/* As Debian's file has it, whose own lines come after it. */
static void what_a_confdir_sets_counts(void **state)
{
    struct bw_chrony_slew slew;

    (void)state;
    make_dir("conf.d");
    put("chrony.conf", "confdir %s/conf.d\nsourcedir %s/conf.d\nmakestep 1 3\n");
    put("conf.d/local.conf", "maxslewrate 100000\n");
    put("conf.d/local.sources", "maxslewrate 7\n");
    assert_int_equal(read_slew(&slew), BW_OK);
    assert_int_equal(slew.ppm, 100000);
    assert_string_equal(slew.file, path_of("conf.d/local.conf"));

    put("chrony.conf", "confdir %s/conf.d %s/none\nmaxslewrate 500\n");
    assert_int_equal(read_slew(&slew), BW_OK);
    assert_int_equal(slew.ppm, 500);
    assert_string_equal(slew.file, path_of("chrony.conf"));
}

/* In the order of their names; of two of one name that of the first folder. */
static void files_of_a_confdir_are_read_as_chrony_does(void **state)
{
    struct bw_chrony_slew slew;

    (void)state;
    make_dir("one");
    make_dir("two");
    put("chrony.conf", "ConfDir %s/one\t%s/two\n");
    put("one/b.conf", "maxslewrate 1\n");
    put("two/a.conf", "maxslewrate 2\n");
    put("two/b.conf", "maxslewrate 3\n");
    assert_int_equal(read_slew(&slew), BW_OK);
    assert_int_equal(slew.ppm, 1);
    put("two/c.conf", "maxslewrate 4\n");
    put("one/d", "maxslewrate 5\n");
    assert_int_equal(read_slew(&slew), BW_OK);
    assert_int_equal(slew.ppm, 4);
}

static void what_is_included_counts_where_it_is(void **state)
{
    struct bw_chrony_slew slew;

    (void)state;
    put("chrony.conf", "maxslewrate 1\ninclude %s/more-*\ninclude %s/none-*\n");
    put("more-1", "maxslewrate 2\ninclude %s/last\n");
    put("last", "maxslewrate 3\n");
    assert_int_equal(read_slew(&slew), BW_OK);
    assert_int_equal(slew.ppm, 3);
    put("more-2", "maxslewrate 4\n");
    assert_int_equal(read_slew(&slew), BW_OK);
    assert_int_equal(slew.ppm, 4);
}

static void a_circle_or_a_pipe_holds_nobody_up(void **state)
{
    struct bw_chrony_slew slew = {.ppm = 7};

    (void)state;
    put("chrony.conf", "include %s/chrony.conf\n");
    assert_int_equal(read_slew(&slew), BW_ERR_LIMIT);
    put("chrony.conf", "include %s/pipe\n");
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    assert_int_equal(read_slew(&slew), BW_ERR_INVALID);
    assert_int_equal(slew.ppm, 7);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_maxslewrate_counts_rounded_up),
        TEST(without_maxslewrate_it_is_chronys_own),
        TEST(what_is_no_rate_is_refused),
        TEST(no_file_is_not_found),
        TEST(what_a_confdir_sets_counts),
        TEST(files_of_a_confdir_are_read_as_chrony_does),
        TEST(what_is_included_counts_where_it_is),
        TEST(a_circle_or_a_pipe_holds_nobody_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
