/* config: what people read about their files. Every tests/golden/config/NAME.yaml has beside it the
 * NAME.txt that loading it prints, byte for byte. BREAKWATER_GOLDEN=write writes them anew. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/config/answers_config.h>
#include <breakwater/config/cli_config.h>
#include <breakwater/config/config_kind.h>
#include <breakwater/config/groups_config.h>
#include <breakwater/config/site_config.h>
#include <breakwater/config/witness_config.h>
#include <breakwater/generate/generate.h>

#define ELECTION_TIMEOUT_MS 1000

static enum bw_err load(enum bw_config_kind kind, const char *file, struct bw_problems *problems)
{
    struct bw_witness_config *witness = NULL;
    struct bw_site_config *site = NULL;
    struct bw_groups_config *groups = NULL;
    struct bw_cli_config *cli = NULL;
    enum bw_err err = BW_ERR_INVALID;

    switch (kind) {
    case BW_CONFIG_KIND_WITNESS:
        err = bw_witness_config_load(file, BW_CONFIG_OFFLINE, &witness, problems);
        break;
    case BW_CONFIG_KIND_SITE:
        err = bw_site_config_load(file, BW_CONFIG_OFFLINE, &site, problems);
        if (err == BW_OK)
            bw_site_variables_check(file, site, problems);
        break;
    case BW_CONFIG_KIND_GROUPS:
        err = bw_groups_config_load(file, ELECTION_TIMEOUT_MS, &groups, problems);
        break;
    case BW_CONFIG_KIND_SEVEN_KEYS:
        err = bw_seven_keys_load(file, BW_CONFIG_OFFLINE, &site, problems);
        break;
    case BW_CONFIG_KIND_UNKNOWN:
    case BW_CONFIG_KIND_CLI:
        err = bw_cli_config_load(file, BW_CONFIG_OFFLINE, &cli, problems);
        break;
    }
    bw_witness_config_free(witness);
    bw_site_config_free(site);
    bw_groups_config_free(groups);
    bw_cli_config_free(cli);
    return err;
}

/* The directory of the golden files, which differs from machine to machine, is shown as DIR. */
static char *without_directory(const char *text, const char *directory)
{
    char *out = calloc(1, strlen(text) + 1);
    size_t used = 0;

    assert_non_null(out);
    while (*text != '\0') {
        if (strncmp(text, directory, strlen(directory)) == 0) {
            memcpy(out + used, "DIR", 3);
            used += 3;
            text += strlen(directory);
        } else {
            out[used++] = *text++;
        }
    }
    return out;
}

/* What `check` would print about the file, with its kind first and the verdict last. */
static char *transcript(const char *file)
{
    char directory[4096];
    static const char *const words[] = {
#define X(name, word) [BW_CONFIG_KIND_##name] = word,
        BW_CONFIG_KIND_LIST(X)
#undef X
    };
    struct bw_problems scratch;
    struct bw_problems problems;
    struct bw_document document;
    enum bw_config_kind kind;
    char *text = NULL;
    char *result;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    enum bw_err err;

    assert_non_null(out);
    assert_non_null(getcwd(directory, sizeof directory));
    bw_problems_init(&scratch);
    bw_problems_init(&problems);
    assert_int_equal(bw_document_open(&document, file, &scratch), BW_OK);
    kind = bw_config_kind_detect(&document);
    bw_document_deinit(&document);
    bw_problems_deinit(&scratch);
    fprintf(out, "kind: %s\n", words[kind]);
    err = load(kind, file, &problems);
    bw_problems_print(&problems, "nothing was started", out);
    assert_int_equal(err == BW_OK, problems.error_count == 0);
    fprintf(out, "%s\n", err == BW_OK ? "loaded" : "refused");
    bw_problems_deinit(&problems);
    assert_int_equal(fclose(out), 0);
    result = without_directory(text, directory);
    free(text);
    return result;
}

static char *read_text(const char *file)
{
    static char text[65536];
    FILE *in = fopen(file, "r");

    text[0] = '\0';
    if (in != NULL) {
        text[fread(text, 1, sizeof text - 1, in)] = '\0';
        assert_int_equal(fclose(in), 0);
    }
    return text;
}

static void write_text(const char *file, const char *text)
{
    FILE *out = fopen(file, "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static int enter_golden(void **state)
{
    const char *source = getenv("BREAKWATER_SOURCE");
    char directory[4096];

    (void)state;
    if (source == NULL)
        return -1;
    (void)snprintf(directory, sizeof directory, "%s/tests/golden/config", source);
    return chdir(directory);
}

static void compare(const char *expected_file, const char *text)
{
    const char *mode = getenv("BREAKWATER_GOLDEN");

    if (mode != NULL && strcmp(mode, "write") == 0)
        write_text(expected_file, text);
    else
        assert_string_equal(text, read_text(expected_file));
}

/* NAME.yaml has its transcript in NAME.txt. Frees it. */
static void compare_transcript(const char *file, char *text)
{
    char expected_file[256];

    print_message("%s\n", file);
    (void)snprintf(expected_file, sizeof expected_file, "%.*s.txt", (int)(strlen(file) - strlen(".yaml")), file);
    compare(expected_file, text);
    free(text);
}

static void every_file_gives_its_transcript(void **state)
{
    glob_t found;

    (void)state;
    assert_int_equal(glob("*.yaml", 0, NULL, &found), 0);
    assert_true(found.gl_pathc > 20);
    for (size_t i = 0; i < found.gl_pathc; i++)
        compare_transcript(found.gl_pathv[i], transcript(found.gl_pathv[i]));
    globfree(&found);
}

/* What `generate` would print about the answers. Names ending in .invalid are resolved nowhere (RFC 6761). The folder NAME.made is
 * what an earlier run has left for NAME.yaml. */
static char *answers_transcript(const char *file)
{
    char directory[4096];
    char *result;
    struct bw_problems problems;
    struct bw_answers *answers;
    static struct bw_tree made;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    bw_problems_init(&problems);
    answers = bw_answers_load(file, "../../../deploy", &problems);
    if (answers != NULL)
        bw_generate_resolve(answers);
    (void)snprintf(made.dir, sizeof made.dir, "%.*s.made", (int)(strlen(file) - strlen(".yaml")), file);
    if (answers != NULL && access(made.dir, F_OK) == 0)
        bw_generate_compare(answers, &made);
    bw_problems_print(&problems, "nothing was written", out);
    fprintf(out, "%s\n", answers != NULL && problems.error_count == 0 ? "loaded" : "refused");
    bw_answers_free(answers);
    bw_problems_deinit(&problems);
    assert_int_equal(fclose(out), 0);
    assert_non_null(getcwd(directory, sizeof directory));
    result = without_directory(text, directory);
    free(text);
    return result;
}

/* One file for each kind of wrong answer: line, caret and what to write. */
static void every_wrong_answer_is_shown_with_what_to_write(void **state)
{
    glob_t found;

    (void)state;
    assert_int_equal(chdir("../answers"), 0);
    assert_int_equal(setenv("RES_OPTIONS", "timeout:1 attempts:1", 1), 0);
    assert_int_equal(glob("*.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *text = answers_transcript(found.gl_pathv[i]);
        char *why = strstr(text, "cannot be resolved here (");

        if (why != NULL) { /* which of them is said depends on the network */
            why = strchr(why, '(') + 1;
            memmove(why, strchr(why, ')'), strlen(strchr(why, ')')) + 1);
        }
        compare_transcript(found.gl_pathv[i], text);
    }
    globfree(&found);
    assert_int_equal(chdir("../config"), 0);
}

static void the_reference_is_printed_from_the_tables(void **state)
{
    static const struct bw_table *const tables[] = {&bw_witness_config_table, &bw_site_config_table,
                                                    &bw_groups_config_table, &bw_cli_config_table,
                                                    &bw_seven_keys_table, &bw_answers_table,
                                                    &bw_set_table};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        fprintf(out, "%s", i > 0 ? "\n" : "");
        bw_schema_print_reference(tables[i], out);
    }
    assert_int_equal(fclose(out), 0);

    compare("reference.txt", text);

    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_gives_its_transcript),
        cmocka_unit_test(every_wrong_answer_is_shown_with_what_to_write),
        cmocka_unit_test(the_reference_is_printed_from_the_tables),
    };

    return cmocka_run_group_tests(tests, enter_golden, NULL);
}
