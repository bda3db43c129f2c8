/* revoked: which certificates an entry means, and which entries mean none. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <breakwater/net/revoked.h>

#include "test_pki.h"

static struct test_pki pki;

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

static X509 *issue(const char *uri)
{
    char path[TEST_PKI_PATH_BYTES];
    FILE *file;
    X509 *certificate;

    test_pki_issue_uri(&pki, "leaf.pem", uri, path);
    file = fopen(path, "r");
    assert_non_null(file);
    certificate = PEM_read_X509(file, NULL, NULL, NULL);
    assert_non_null(certificate);
    (void)fclose(file);
    return certificate;
}

/* Of one entry. */
static bool means(const char *entry, const X509 *certificate)
{
    struct bw_revoked *revoked = NULL;
    struct bw_diag diag = {0};
    bool does;

    if (bw_revoked_new(&entry, 1, &revoked, &diag) != BW_OK)
        fail_msg("%s: %s", entry, diag.text);
    does = bw_revoked_has(revoked, certificate);
    bw_revoked_free(revoked);
    return does;
}

static void a_name_means_every_certificate_of_it_and_of_nobody_else(void **state)
{
    X509 *anna = issue("breakwater://prod/operator/anna");
    X509 *newer = issue("breakwater://prod/operator/anna");
    X509 *agent = issue("breakwater://prod/agent/dc-a/anna");

    (void)state;
    assert_true(means("operator/anna", anna));
    assert_true(means("operator/anna", newer));
    assert_false(means("operator/anna", agent));
    assert_false(means("viewer/anna", anna));
    assert_false(means("operator/ann", anna));
    assert_true(means("agent/dc-a/anna", agent));
    assert_false(means("agent/dc-b/anna", agent));
    X509_free(anna);
    X509_free(newer);
    X509_free(agent);
}

static void a_serial_means_that_one_certificate_however_it_is_written(void **state)
{
    static const uint8_t serial[] = {0x9a, 0x0b, 0xff, 0x00};
    X509 *first = issue("breakwater://prod/witness/w1");
    X509 *second = issue("breakwater://prod/witness/w1");
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);

    (void)state;
    assert_non_null(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(first)));
    assert_true(means("serial:9a0bff00", first));
    assert_true(means("serial:9A:0B:FF:00", first));
    assert_true(means("serial:00009a0bff00", first));
    assert_false(means("serial:9a0bff00", second));
    assert_false(means("serial:9a0bff", first));
    assert_false(means("serial:0b:ff:00", first));
    BN_free(number);
    X509_free(first);
    X509_free(second);
}

static void a_serial_that_another_has_seen_means_the_same(void **state)
{
    static const char *const entries[] = {"serial:00:9A:0B:FF:00", "operator/bob"};
    struct bw_revoked *revoked = NULL;

    (void)state;
    assert_int_equal(bw_revoked_new(entries, 2, &revoked, NULL), BW_OK);
    assert_true(bw_revoked_has_entry(revoked, "serial:9a0bff00"));
    assert_false(bw_revoked_has_entry(revoked, "serial:9a0bff01"));
    bw_revoked_free(revoked);
}

static void of_several_entries_each_counts_and_of_none_nothing_does(void **state)
{
    static const char *const entries[] = {"viewer/bob", "operator/anna", "witness/w9"};
    X509 *anna = issue("breakwater://prod/operator/anna");
    X509 *carl = issue("breakwater://prod/operator/carl");
    struct bw_revoked *revoked = NULL;

    (void)state;
    assert_int_equal(bw_revoked_new(entries, 3, &revoked, NULL), BW_OK);
    assert_true(bw_revoked_has(revoked, anna));
    assert_false(bw_revoked_has(revoked, carl));
    assert_false(bw_revoked_has(NULL, anna));
    assert_true(bw_revoked_has_entry(revoked, "operator/anna"));
    assert_false(bw_revoked_has_entry(revoked, "viewer/anna"));
    assert_false(bw_revoked_has_entry(revoked, "operator/carl"));
    assert_false(bw_revoked_has_entry(revoked, "operator/"));
    assert_false(bw_revoked_has_entry(NULL, "operator/anna"));
    bw_revoked_free(bw_revoked_keep(revoked)); /* the other owner has it still */
    assert_true(bw_revoked_has(revoked, anna));
    bw_revoked_free(revoked);
    X509_free(anna);
    X509_free(carl);
}

static void what_means_nothing_is_refused_by_its_own_words(void **state)
{
    static const char *const wrong[] = {"",
                                        "anna",
                                        "operator/",
                                        "operator/anna/x",
                                        "agent/anna",
                                        "admin/anna",
                                        "breakwater://prod/operator/anna",
                                        "operator/an na",
                                        "serial:",
                                        "serial:0",
                                        "serial:00",
                                        "serial:0x10",
                                        "serial:zz",
                                        "serial:010203040506070809101112131415161718192021",
                                        "Serial:10"};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bw_revoked *revoked = NULL;
        struct bw_diag diag = {0};

        assert_int_equal(bw_revoked_new(&wrong[i], 1, &revoked, &diag), BW_ERR_INVALID);
        assert_null(revoked);
        assert_non_null(strstr(diag.text, wrong[i]));
    }
}

static void more_entries_than_the_limit_are_refused(void **state)
{
    static const char *entries[BW_REVOKED_MAX + 1];
    struct bw_revoked *revoked = NULL;

    (void)state;
    for (size_t i = 0; i < BW_REVOKED_MAX + 1; i++)
        entries[i] = "operator/anna";
    assert_int_equal(bw_revoked_new(entries, BW_REVOKED_MAX + 1, &revoked, NULL), BW_ERR_LIMIT);
    assert_int_equal(bw_revoked_new(entries, BW_REVOKED_MAX, &revoked, NULL), BW_OK);
    bw_revoked_free(revoked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_means_every_certificate_of_it_and_of_nobody_else),
        cmocka_unit_test(a_serial_means_that_one_certificate_however_it_is_written),
        cmocka_unit_test(a_serial_that_another_has_seen_means_the_same),
        cmocka_unit_test(of_several_entries_each_counts_and_of_none_nothing_does),
        cmocka_unit_test(what_means_nothing_is_refused_by_its_own_words),
        cmocka_unit_test(more_entries_than_the_limit_are_refused),
    };

    return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
