/* credentials: what is wrong with a certificate is said in words, before anything uses it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <breakwater/net/credentials.h>
#include <breakwater/net/tls_context.h>

#include "test_pki.h"

#define URI "breakwater://prod/witness/w1"

static struct test_pki pki;

static struct bw_wall now_wall(void)
{
    return (struct bw_wall){.unix_ms = (int64_t)time(NULL) * 1000};
}

static int make_pki(void **state)
{
    (void)state;
    test_pki_init(&pki);
    return 0;
}

static int drop_pki(void **state)
{
    (void)state;
    test_pki_deinit(&pki);
    return 0;
}

static void assert_refused(const char *ca, const char *identity, enum bw_err expected,
                           const char *words)
{
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};

    assert_int_equal(bw_credentials_load(ca, identity, &credentials, &diag), expected);
    assert_null(credentials);
    if (strstr(diag.text, words) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", diag.text, words);
}

static void append_file(const char *path, const char *more)
{
    FILE *from = fopen(more, "r");
    FILE *to = fopen(path, "a");
    int c;

    assert_non_null(from);
    assert_non_null(to);
    while ((c = fgetc(from)) != EOF)
        fputc(c, to);
    fclose(from);
    fclose(to);
}

static void good_files_give_identity_dates_and_text(void **state)
{
    struct bw_credentials *credentials = NULL;
    struct ssl_ctx_st *context = NULL;
    struct bw_diag diag = {0};
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    test_pki_issue_uri(&pki, "w1.pem", URI, path);
    assert_int_equal(bw_credentials_load(pki.ca_path, path, &credentials, &diag), BW_OK);
    assert_string_equal(bw_credentials_identity(credentials)->name, "w1");
    assert_in_range(bw_credentials_days_left(credentials, now_wall()), 89, 90);
    assert_int_equal(
        bw_credentials_check(credentials, "prod", BW_ROLE_BIT(BW_ROLE_WITNESS), now_wall(), &diag),
        BW_OK);
    assert_non_null(strstr(bw_credentials_ca_pem(credentials), "BEGIN CERTIFICATE"));
    assert_non_null(strstr(bw_credentials_chain_pem(credentials), "BEGIN CERTIFICATE"));
    assert_null(strstr(bw_credentials_chain_pem(credentials), "PRIVATE"));
    assert_non_null(strstr(bw_credentials_key_pem(credentials), "BEGIN PRIVATE KEY"));
    for (int kind = BW_TLS_SERVER_OPTIONAL; kind <= BW_TLS_CLIENT; kind++) {
        assert_int_equal(
            bw_tls_context_new(credentials, (enum bw_tls_context_kind)kind, &context, &diag),
            BW_OK);
        bw_tls_context_free(context);
    }
    bw_credentials_free(credentials);
}

static void several_cas_in_one_file_are_all_trusted(void **state)
{
    struct bw_credentials *credentials = NULL;
    struct test_pki other;
    struct bw_diag diag = {0};
    char path[TEST_PKI_PATH_BYTES];
    char cas[TEST_PKI_PATH_BYTES];

    (void)state;
    test_pki_init(&other);
    test_pki_issue_uri(&other, "w1.pem", URI, path);
    test_pki_join_cas(&pki, &other, "both.pem", cas);
    assert_int_equal(bw_credentials_load(cas, path, &credentials, &diag), BW_OK);
    bw_credentials_free(credentials);
    test_pki_deinit(&other);
}

static void key_that_others_can_read_is_refused(void **state)
{
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    test_pki_issue_uri(&pki, "open.pem", URI, path);
    assert_int_equal(chmod(path, 0640), 0);
    assert_refused(pki.ca_path, path, BW_ERR_REFUSED, "chmod 600");
    assert_int_equal(chmod(path, 0604), 0);
    assert_refused(pki.ca_path, path, BW_ERR_REFUSED, "chmod 600");
}

static void files_that_cannot_be_used_are_refused_in_words(void **state)
{
    struct test_pki other;
    char path[TEST_PKI_PATH_BYTES];
    char second[TEST_PKI_PATH_BYTES];
    char missing[TEST_PKI_PATH_BYTES + 16];

    (void)state;
    test_pki_init(&other);
    test_pki_issue_uri(&pki, "good.pem", URI, path);
    (void)snprintf(missing, sizeof missing, "%s/missing.pem", pki.dir);
    assert_refused(pki.ca_path, missing, BW_ERR_NOT_FOUND, "missing.pem");
    assert_refused(missing, path, BW_ERR_NOT_FOUND, "missing.pem");
    assert_refused(pki.ca_path, "/dev/null", BW_ERR_INVALID, "not a regular file");
    assert_refused(other.ca_path, path, BW_ERR_AUTH, "no CA in");
    assert_refused(path, path, BW_ERR_INVALID, "is not a CA's");
    assert_int_equal(chmod(pki.ca_path, 0600), 0);
    assert_refused(pki.ca_path, pki.ca_path, BW_ERR_INVALID, "no private key");

    test_pki_issue_uri(&pki, "second.pem", URI, second);
    append_file(path, second);
    assert_refused(pki.ca_path, path, BW_ERR_INVALID, "more than one private key");
    test_pki_issue(&pki, "none.pem", &(struct test_leaf){.uris = {NULL}}, path);
    assert_refused(pki.ca_path, path, BW_ERR_AUTH, "exactly one");
    test_pki_deinit(&other);
}

static void key_of_another_certificate_is_refused(void **state)
{
    char certificate[TEST_PKI_PATH_BYTES];
    char key[TEST_PKI_PATH_BYTES];
    char mixed[TEST_PKI_PATH_BYTES + 16];
    char line[256];
    FILE *to;
    FILE *from;

    (void)state;
    test_pki_issue_uri(&pki, "a.pem", URI, certificate);
    test_pki_issue_uri(&pki, "b.pem", URI, key);
    (void)snprintf(mixed, sizeof mixed, "%s/mixed.pem", pki.dir);
    to = fopen(mixed, "w");
    assert_non_null(to);
    assert_int_equal(chmod(mixed, 0600), 0);
    from = fopen(certificate, "r");
    while (fgets(line, sizeof line, from) != NULL && strstr(line, "PRIVATE") == NULL)
        fputs(line, to);
    fclose(from);
    from = fopen(key, "r");
    for (int in_key = 0; fgets(line, sizeof line, from) != NULL;) {
        in_key |= strstr(line, "PRIVATE") != NULL;
        if (in_key)
            fputs(line, to);
    }
    fclose(from);
    fclose(to);
    assert_refused(pki.ca_path, mixed, BW_ERR_INVALID, "does not belong");
}

static void damaged_certificate_is_refused(void **state)
{
    char path[TEST_PKI_PATH_BYTES];
    FILE *file;

    (void)state;
    test_pki_issue_uri(&pki, "damaged.pem", URI, path);
    file = fopen(path, "r+");
    assert_int_equal(fseek(file, 60, SEEK_SET), 0);
    fputs("!!!!", file);
    fclose(file);
    assert_refused(pki.ca_path, path, BW_ERR_INVALID, "damaged");
}

/* The dates are judged apart from the loading, so that a wrong clock stops no program by itself. */
static void seconds_left_are_whole_and_none_once_it_has_ended(void **state)
{
    static const struct {
        int64_t before_ms;
        uint64_t left_s;
    } cases[] = {{86400000, 86400}, {2000, 2}, {1999, 1}, {1000, 1},
                 {999, 0},          {0, 0},    {-1, 0},   {-86400000, 0}};
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};
    char path[TEST_PKI_PATH_BYTES];
    struct bw_wall end;

    (void)state;
    test_pki_issue_uri(&pki, "left.pem", URI, path);
    assert_int_equal(bw_credentials_load(pki.ca_path, path, &credentials, &diag), BW_OK);
    end = bw_credentials_expiry(credentials);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct bw_wall now = {.unix_ms = end.unix_ms - cases[i].before_ms};

        assert_int_equal(bw_credentials_left_s(credentials, now), cases[i].left_s);
    }
    bw_credentials_free(credentials);
}

/* Peers refuse it from the end of its CA on, and close what is open: that end is told as its own would be (5.3). */
static void a_certificate_ends_with_the_last_ca_that_vouches_for_it(void **state)
{
    struct bw_credentials *credentials = NULL;
    struct bw_wall end;
    struct bw_diag diag = {0};
    char path[TEST_PKI_PATH_BYTES];
    char cas[TEST_PKI_PATH_BYTES];
    char later[TEST_PKI_PATH_BYTES];

    (void)state;
    test_pki_issue_uri(&pki, "w1.pem", URI, path);
    test_pki_write_ca(&pki, "ends.pem", 5 * 86400 + 3600, cas);
    assert_int_equal(bw_credentials_load(cas, path, &credentials, &diag), BW_OK);
    assert_int_equal(bw_credentials_days_left(credentials, now_wall()), 5);
    end = bw_credentials_expiry(credentials);
    assert_int_equal(bw_credentials_check(credentials, "prod", BW_ROLE_BIT(BW_ROLE_WITNESS), end, &diag), BW_ERR_AUTH);
    assert_non_null(strstr(diag.text, "the certificate of the CA that vouches for it expired"));
    end.unix_ms -= 1000;
    assert_int_equal(bw_credentials_check(credentials, "prod", BW_ROLE_BIT(BW_ROLE_WITNESS), end, &diag), BW_OK);
    bw_credentials_free(credentials);

    /* The same CA was made to last: whoever has both in the file trusts it for longer. */
    test_pki_write_ca(&pki, "later.pem", 60 * 86400 + 3600, later);
    append_file(cas, later);
    assert_int_equal(bw_credentials_load(cas, path, &credentials, &diag), BW_OK);
    assert_int_equal(bw_credentials_days_left(credentials, now_wall()), 60);
    bw_credentials_free(credentials);
    append_file(cas, pki.ca_path);
    assert_int_equal(bw_credentials_load(cas, path, &credentials, &diag), BW_OK);
    assert_in_range(bw_credentials_days_left(credentials, now_wall()), 89, 90);
    bw_credentials_free(credentials);

    test_pki_write_ca(&pki, "over.pem", -3600, cas); /* a daemon does not begin with it */
    assert_int_equal(bw_credentials_load(cas, path, &credentials, &diag), BW_OK);
    assert_int_equal(bw_credentials_check(credentials, "prod", BW_ROLE_BIT(BW_ROLE_WITNESS), now_wall(), &diag), BW_ERR_AUTH);
    bw_credentials_free(credentials);
}

static void dates_role_and_cluster_are_checked_in_words(void **state)
{
    const struct test_leaf expired = {.uris = {URI}, .begins_s = -7200, .ends_s = -3600};
    const struct test_leaf early = {.uris = {URI}, .begins_s = 3600, .ends_s = 7200};
    const unsigned witness = BW_ROLE_BIT(BW_ROLE_WITNESS);
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    test_pki_issue(&pki, "dates.pem", &expired, path);
    assert_int_equal(bw_credentials_load(pki.ca_path, path, &credentials, &diag), BW_OK);
    assert_int_equal(bw_credentials_check(credentials, "prod", witness, now_wall(), &diag),
                     BW_ERR_AUTH);
    assert_non_null(strstr(diag.text, "expired"));
    assert_int_equal(bw_credentials_days_left(credentials, now_wall()), -1);
    bw_credentials_free(credentials);

    test_pki_issue(&pki, "dates.pem", &early, path);
    assert_int_equal(bw_credentials_load(pki.ca_path, path, &credentials, &diag), BW_OK);
    assert_int_equal(bw_credentials_check(credentials, "prod", witness, now_wall(), &diag),
                     BW_ERR_AUTH);
    assert_non_null(strstr(diag.text, "not valid before"));
    assert_int_equal(bw_credentials_check(credentials, "test", witness, now_wall(), &diag),
                     BW_ERR_AUTH);
    assert_non_null(strstr(diag.text, "cluster \"prod\""));
    assert_int_equal(
        bw_credentials_check(credentials, "prod", BW_ROLE_BIT(BW_ROLE_AGENT), now_wall(), &diag),
        BW_ERR_AUTH);
    assert_non_null(strstr(diag.text, "role witness"));
    bw_credentials_free(credentials);
}

/* Of w1, whose file is `path`. */
static struct bw_own_certificate issue_own(char path[TEST_PKI_PATH_BYTES])
{
    test_pki_issue_uri(&pki, "w1.pem", URI, path);
    return (struct bw_own_certificate){.ca = pki.ca_path,
                                       .identity = path,
                                       .cluster = "prod",
                                       .role = BW_ROLE_WITNESS,
                                       .site = "",
                                       .name = "w1"};
}

static void a_daemons_own_is_the_one_that_its_file_names(void **state)
{
    struct bw_own_certificate own;
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    own = issue_own(path);

    assert_int_equal(bw_credentials_load_own(&own, now_wall(), &credentials, &diag), BW_OK);
    bw_credentials_free(credentials);
    own.name = "w2";
    assert_int_equal(bw_credentials_load_own(&own, now_wall(), &credentials, &diag), BW_ERR_AUTH);
    assert_non_null(strstr(diag.text, "the certificate is of witness w1"));
    own.name = "w1";
    own.role = BW_ROLE_AGENT;
    assert_int_equal(bw_credentials_load_own(&own, now_wall(), &credentials, &diag), BW_ERR_AUTH);
}

/* 5.4: a renewed certificate that came while this machine's clock was behind is taken once it is right, though nobody
 * touches the file again; what is wrong is said once, and when somebody asks. */
static void a_certificate_that_could_not_be_used_is_tried_again(void **state)
{
    struct bw_own_certificate own;
    const struct bw_wall early = {.unix_ms = now_wall().unix_ms - INT64_C(86400000) * 3650};
    struct bw_certificate_look look;
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    own = issue_own(path);
    look = (struct bw_certificate_look){.ca = {0}}; /* another one was in use */

    assert_int_equal(bw_credentials_read_again(&own, early, false, &look, &credentials, &diag),
                     BW_ERR_AUTH);
    assert_non_null(strstr(diag.text, "is not valid before"));
    assert_int_equal(bw_credentials_read_again(&own, early, false, &look, &credentials, &diag), BW_OK);
    assert_null(credentials); /* still not, which was said */
    assert_int_equal(bw_credentials_read_again(&own, early, true, &look, &credentials, &diag),
                     BW_ERR_AUTH);
    assert_int_equal(bw_credentials_read_again(&own, now_wall(), false, &look, &credentials, &diag),
                     BW_OK);
    assert_non_null(credentials);
    bw_credentials_free(credentials);
    assert_int_equal(bw_credentials_read_again(&own, now_wall(), false, &look, &credentials, &diag),
                     BW_OK);
    assert_null(credentials); /* it is in use */
}

/* ---- whom two files take back ---- */

static struct bw_own_certificate taking_back(const char *const *list, uint32_t count)
{
    return (struct bw_own_certificate){.ca = "ca.pem",
                                       .identity = "w1.pem",
                                       .revoked = list,
                                       .revoked_count = count,
                                       .cluster = "prod",
                                       .role = BW_ROLE_WITNESS,
                                       .site = "",
                                       .name = "w1"};
}

/* 5.3: until the certificate of the fresh file is in. */
static void whom_either_file_takes_back_is_in_the_list_of_both(void **state)
{
    static const char *const before[] = {"operator/anna", "operator/bob"};
    static const char *const after[] = {"operator/carl", "operator/bob"};
    const struct bw_own_certificate own = taking_back(before, 2);
    struct bw_own_certificate fresh = taking_back(after, 2);
    struct bw_own_certificate *both;

    (void)state;
    fresh.identity = "other.pem";
    both = bw_own_certificate_with(&own, &fresh);

    assert_non_null(both);
    assert_string_equal(both->identity, "w1.pem"); /* the one in use */
    assert_int_equal(both->revoked_count, 3);
    assert_string_equal(both->revoked[0], "operator/carl");
    assert_string_equal(both->revoked[1], "operator/bob");
    assert_string_equal(both->revoked[2], "operator/anna");
    free(both);
}

static void a_file_that_takes_nobody_else_back_changes_no_list(void **state)
{
    static const char *const before[] = {"operator/anna", "operator/bob"};
    const struct bw_own_certificate own = taking_back(before, 2);
    struct bw_own_certificate fresh = taking_back(before + 1, 1);

    (void)state;
    assert_null(bw_own_certificate_with(&own, &fresh));
    fresh.revoked_count = 0;
    assert_null(bw_own_certificate_with(&own, &fresh));
}

/* Whom the fresh file names is never left out. */
static void where_both_lists_are_too_long_the_fresh_one_is_whole(void **state)
{
    static char names[2 * BW_REVOKED_MAX][24];
    static const char *lists[2 * BW_REVOKED_MAX];
    const struct bw_own_certificate own = taking_back(lists, BW_REVOKED_MAX);
    const struct bw_own_certificate fresh = taking_back(lists + BW_REVOKED_MAX, BW_REVOKED_MAX - 1);
    struct bw_own_certificate *both;
    struct bw_revoked *revoked = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        (void)snprintf(names[i], sizeof names[i], "operator/o%zu", i);
        lists[i] = names[i];
    }
    both = bw_own_certificate_with(&own, &fresh);

    assert_non_null(both);
    assert_int_equal(both->revoked_count, BW_REVOKED_MAX);
    for (uint32_t i = 0; i < fresh.revoked_count; i++)
        assert_string_equal(both->revoked[i], fresh.revoked[i]);
    assert_string_equal(both->revoked[BW_REVOKED_MAX - 1], own.revoked[0]);
    assert_int_equal(bw_revoked_new(both->revoked, both->revoked_count, &revoked, NULL), BW_OK);
    bw_revoked_free(revoked);
    free(both);
}

/* 5.4: they would choose whom the daemon believes. */
static void a_daemon_refuses_a_ca_file_that_others_can_change(void **state)
{
    struct bw_own_certificate own;
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    own = issue_own(path);
    assert_int_equal(chmod(pki.ca_path, 0664), 0);

    assert_int_equal(bw_credentials_load_own(&own, now_wall(), &credentials, &diag), BW_ERR_REFUSED);

    assert_int_equal(chmod(pki.ca_path, 0644), 0);
    assert_non_null(strstr(diag.text, "ca.pem: others can change it: "));
    assert_non_null(strstr(diag.text, "; run: chmod go-w "));
    assert_int_equal(bw_credentials_load_own(&own, now_wall(), &credentials, &diag), BW_OK);
    bw_credentials_free(credentials);
}

/* Whoever dials it would refuse it: an address by its bytes, a name by its letters, never by what
 * merely looks like it. */
static void a_certificate_that_does_not_name_its_address_is_told_so(void **state)
{
    static const char *const good[] = {"127.0.0.1:7400", "localhost:7400", "LOCALHOST:1"};
    static const char *const bad[] = {"127.0.0.2:7400", "w1.example.net:7400", "[::1]:7400",
                                      "localhost.example.net:7400", "leaf:7400"};
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    test_pki_issue_uri(&pki, "w1.pem", URI, path);
    assert_int_equal(bw_credentials_load(pki.ca_path, path, &credentials, &diag), BW_OK);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(bw_credentials_check_address(credentials, good[i], &diag), BW_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(bw_credentials_check_address(credentials, bad[i], &diag), BW_ERR_AUTH);
    assert_int_equal(bw_credentials_check_address(credentials, bad[0], &diag), BW_ERR_AUTH);
    assert_non_null(strstr(diag.text, "does not name 127.0.0.2, at which"));
    assert_non_null(
        strstr(diag.text, "breakwater pki issue witness/w1 --dir DIR --san ip:127.0.0.2"));
    assert_int_equal(bw_credentials_check_address(credentials, bad[1], &diag), BW_ERR_AUTH);
    assert_non_null(strstr(diag.text, "--san dns:w1.example.net"));
    bw_credentials_free(credentials);
}

static void the_end_of_a_certificate_is_news_once_for_each_threshold(void **state)
{
    static const struct {
        int64_t days;
        bool is_news;
        int64_t passed; /* the least threshold that is */
    } looks[] = {{60, false, INT64_MAX}, {59, true, 60}, {30, false, 60}, {29, true, 30}, {28, false, 30}, {6, true, 7},
                 {0, true, 1},           {-1, true, 0},  {-2, false, 0},  {80, false, INT64_MAX},
                 {29, true, 30}}; /* at last a new one */
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};
    char path[TEST_PKI_PATH_BYTES];
    int64_t days_warned = INT64_MAX;
    int64_t days;

    (void)state;
    test_pki_issue_uri(&pki, "ends.pem", URI, path);
    assert_int_equal(bw_credentials_load(pki.ca_path, path, &credentials, &diag), BW_OK);
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        struct bw_wall now = bw_credentials_expiry(credentials);

        now.unix_ms -= looks[i].days * INT64_C(86400000) + INT64_C(3600000);
        assert_int_equal(bw_credentials_end_is_news(credentials, now, &days_warned, &days),
                         looks[i].is_news);
        assert_int_equal(days, looks[i].days);
        assert_int_equal(days_warned, looks[i].passed);
    }
    bw_credentials_free(credentials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_give_identity_dates_and_text),
        cmocka_unit_test(several_cas_in_one_file_are_all_trusted),
        cmocka_unit_test(key_that_others_can_read_is_refused),
        cmocka_unit_test(files_that_cannot_be_used_are_refused_in_words),
        cmocka_unit_test(key_of_another_certificate_is_refused),
        cmocka_unit_test(damaged_certificate_is_refused),
        cmocka_unit_test(a_certificate_ends_with_the_last_ca_that_vouches_for_it),
        cmocka_unit_test(dates_role_and_cluster_are_checked_in_words),
        cmocka_unit_test(seconds_left_are_whole_and_none_once_it_has_ended),
        cmocka_unit_test(a_daemons_own_is_the_one_that_its_file_names),
        cmocka_unit_test(a_certificate_that_could_not_be_used_is_tried_again),
        cmocka_unit_test(whom_either_file_takes_back_is_in_the_list_of_both),
        cmocka_unit_test(a_file_that_takes_nobody_else_back_changes_no_list),
        cmocka_unit_test(where_both_lists_are_too_long_the_fresh_one_is_whole),
        cmocka_unit_test(a_daemon_refuses_a_ca_file_that_others_can_change),
        cmocka_unit_test(a_certificate_that_does_not_name_its_address_is_told_so),
        cmocka_unit_test(the_end_of_a_certificate_is_news_once_for_each_threshold),
    };

    return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
