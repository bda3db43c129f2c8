/* config: a hostile file gives errors, within bounds, and never a crash. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/prng.h>
#include <breakwater/config/groups_config.h>
#include <breakwater/config/site_config.h>
#include <breakwater/config/witness_config.h>

/* Parses `text` as site.yaml; the first problem's text is `expected`, or there is none. */
static void assert_first_problem(const char *text, size_t size, const char *expected)
{
    struct bw_config_arena arena = {0};
    struct bw_site_config config;
    struct bw_problems problems;
    struct bw_document document;

    bw_problems_init(&problems);
    bw_document_parse(&document, "hostile.yaml", text, size, &problems);
    (void)bw_schema_load(&bw_site_config_table, &document, &arena, &config);
    assert_true(problems.error_count > 0);
    assert_non_null(strstr(problems.listed[0].text, expected));
    bw_document_deinit(&document);
    bw_config_arena_deinit(&arena);
    bw_problems_deinit(&problems);
}

static char *repeated(const char *piece, size_t count)
{
    const size_t length = strlen(piece);
    char *text = malloc(length * count + 1);

    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * length, piece, length);
    text[length * count] = '\0';
    return text;
}

static void assert_repeated(const char *piece, size_t count, const char *expected)
{
    char *text = repeated(piece, count);

    assert_first_problem(text, strlen(text), expected);
    free(text);
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    (void)state;
    assert_first_problem("a: \0b", 5, "a NUL character");
    assert_first_problem("a: \x1b[31m", 8, "a control character");
    assert_first_problem("a: \xff", 4, "not UTF-8");
    assert_first_problem("a: \xc0\xaf", 5, "not UTF-8");
    assert_first_problem("a: \xed\xa0\x80", 6, "not UTF-8");
    assert_first_problem("a: \xf5\x80\x80\x80", 7, "not UTF-8");
    assert_first_problem("a: \xe2\x82", 5, "not UTF-8");
    assert_first_problem("a: b\rc: d", 9, "a control character");
    assert_first_problem("a: \xe2\x80\xa8", 6, "an unusual line break");
    assert_first_problem("a: \xe2\x80\xae", 6, "changes the direction");
    assert_first_problem("a: \"\\0\"", 7, "a NUL character");
    assert_first_problem("a: \"\\u202e\"", 11, "changes the direction");
}

static void line_ends_of_other_systems_are_fine(void **state)
{
    struct bw_problems problems;
    struct bw_document document;
    const char *text = "\xef\xbb\xbf"
                       "cluster: prod\r\nsite: dc-a\r\n";

    (void)state;
    bw_problems_init(&problems);
    bw_document_parse(&document, "dos.yaml", text, strlen(text), &problems);
    assert_int_equal(problems.error_count, 0);
    assert_int_equal(document.root->count, 2);
    bw_document_deinit(&document);
    bw_problems_deinit(&problems);
}

static void depth_size_and_number_are_bounded(void **state)
{
    (void)state;
    assert_repeated("[", 500000, "nested deeper than 16 levels");
    assert_repeated("- ", 500000, "nested deeper than 16 levels");
    assert_repeated("{a: ", 200000, "nested deeper than 16 levels");
    assert_repeated("? ", 100000, "nested deeper than 16 levels");
    assert_repeated("- a\n", 200000, "more than 100000 values");
    assert_repeated("x", BW_CONFIG_FILE_BYTES_MAX + 1, "larger than 1 MiB");
    assert_repeated("x", BW_CONFIG_FILE_BYTES_MAX, "expected a mapping");
    assert_repeated("x: 1\n", 40000, "unknown key");
}

static void a_tab_as_indentation_is_named(void **state)
{
    const char *text = "cluster: prod\ntls:\n\tca: ca.pem\n";

    (void)state;
    assert_first_problem(text, strlen(text), "indent with spaces, not with tabs");
}

static void fifty_problems_are_listed_and_the_rest_counted(void **state)
{
    char *text = repeated("nonsense: 1\n", 120);
    struct bw_config_arena arena = {0};
    struct bw_site_config config;
    struct bw_problems problems;
    struct bw_document document;
    char *printed = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&printed, &size);

    (void)state;
    bw_problems_init(&problems);
    bw_document_parse(&document, "many.yaml", text, strlen(text), &problems);
    (void)bw_schema_load(&bw_site_config_table, &document, &arena, &config);
    bw_problems_print(&problems, "nothing was started", out);
    assert_int_equal(fclose(out), 0);

    assert_int_equal(problems.listed_count, BW_PROBLEMS_LISTED_MAX);
    assert_int_equal(problems.error_count, 126); /* and the six required keys */
    assert_non_null(strstr(printed, "\n76 more errors are not listed\n"
                                    "126 problems in many.yaml; nothing was started\n"));

    free(printed);
    free(text);
    bw_document_deinit(&document);
    bw_config_arena_deinit(&arena);
    bw_problems_deinit(&problems);
}

/* ---- random changes ------------------------------------------------------------------------ */

#define MUTATIONS 3000
#define TEXT_BYTES       8192

static size_t read_golden(const char *name, char text[TEXT_BYTES])
{
    char path[4096];
    FILE *in;
    size_t size;

    (void)snprintf(path, sizeof path, "%s/tests/golden/config/%s", getenv("BREAKWATER_SOURCE"),
                   name);
    in = fopen(path, "r");
    assert_non_null(in);
    size = fread(text, 1, TEXT_BYTES / 2, in);
    assert_int_equal(fclose(in), 0);
    return size;
}

static size_t mutate(struct bw_prng *prng, char text[TEXT_BYTES], size_t size)
{
    static const char spice[] = "{}[]:,-?*&!|>'\"%@`#\n \t0~\\x\xff\xc3";
    const uint64_t changes = 1 + bw_prng_below(prng, 6);

    for (uint64_t i = 0; i < changes && size > 1; i++) {
        const size_t at = bw_prng_below(prng, size);
        const size_t length = 1 + bw_prng_below(prng, size - at < 40 ? size - at : 40);

        switch (bw_prng_below(prng, 4)) {
        case 0: /* another byte */
            text[at] = spice[bw_prng_below(prng, sizeof spice)];
            break;
        case 1: /* a piece is gone */
            memmove(text + at, text + at + length, size - at - length);
            size -= length;
            break;
        case 2: /* a piece twice */
            if (size + length < TEXT_BYTES) {
                memmove(text + at + length, text + at, size - at);
                size += length;
            }
            break;
        case 3: /* the end is gone */
            if (bw_prng_below(prng, 8) == 0)
                size = at + 1;
            break;
        }
    }
    return size;
}

static void load_as(const char *name, const char *file, struct bw_problems *problems)
{
    struct bw_witness_config *witness = NULL;
    struct bw_groups_config *groups = NULL;
    struct bw_site_config *site = NULL;
    enum bw_err err;

    if (strncmp(name, "witness", 7) == 0)
        err = bw_witness_config_load(file, BW_CONFIG_OFFLINE, &witness, problems);
    else if (strncmp(name, "groups", 6) == 0)
        err = bw_groups_config_load(file, 1000, &groups, problems);
    else if (strncmp(name, "site", 4) == 0)
        err = bw_site_config_load(file, BW_CONFIG_OFFLINE, &site, problems);
    else
        err = bw_seven_keys_load(file, BW_CONFIG_OFFLINE, &site, problems);
    assert_int_equal(err == BW_OK, problems->error_count == 0);
    bw_witness_config_free(witness);
    bw_groups_config_free(groups);
    bw_site_config_free(site);
}

static void changed_files_load_or_are_refused(void **state)
{
    static const char *const names[] = {"witness_example.yaml", "groups_all_keys.yaml",
                                        "site_all_keys.yaml",   "seven_sample.yaml",
                                        "site_problems.yaml",   "yaml_alias.yaml"};
    char file[] = "/tmp/breakwater-config-XXXXXX";
    const int fd = mkstemp(file);
    FILE *nowhere = fopen("/dev/null", "w");
    struct bw_prng prng;

    (void)state;
    assert_true(fd >= 0);
    assert_non_null(nowhere);
    bw_prng_init(&prng, 20240229);
    for (unsigned rounds = 0; rounds < MUTATIONS; rounds++) {
        const char *name = names[rounds % (sizeof names / sizeof names[0])];
        struct bw_problems problems;
        char text[TEXT_BYTES];
        const size_t size = mutate(&prng, text, read_golden(name, text));

        assert_int_equal(pwrite(fd, text, size, 0), size);
        assert_int_equal(ftruncate(fd, (off_t)size), 0);
        bw_problems_init(&problems);
        load_as(name, file, &problems);
        bw_problems_print(&problems, "nothing was started", nowhere);
        bw_problems_deinit(&problems);
    }
    assert_int_equal(fclose(nowhere), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(line_ends_of_other_systems_are_fine),
        cmocka_unit_test(depth_size_and_number_are_bounded),
        cmocka_unit_test(a_tab_as_indentation_is_named),
        cmocka_unit_test(fifty_problems_are_listed_and_the_rest_counted),
        cmocka_unit_test(changed_files_load_or_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
