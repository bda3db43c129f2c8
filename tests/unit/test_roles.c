/* roles: a certificate names exactly one identity, or none (design 5.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <breakwater/net/roles.h>

#include "test_pki.h"

static void each_form_is_read_and_written_back(void **state)
{
    const char *uris[] = {
        "breakwater://prod/witness/w1",
        "breakwater://prod/agent/dc-a/agent-1",
        "breakwater://prod/operator/anna",
        "breakwater://prod.eu_1/viewer/0",
    };
    const enum bw_role roles[] = {BW_ROLE_WITNESS, BW_ROLE_AGENT, BW_ROLE_OPERATOR, BW_ROLE_VIEWER};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct bw_identity identity;
        char text[BW_IDENTITY_TEXT_BYTES];

        assert_true(bw_identity_parse(uris[i], strlen(uris[i]), &identity));
        assert_int_equal(identity.role, roles[i]);
        assert_string_equal(identity.site, roles[i] == BW_ROLE_AGENT ? "dc-a" : "");
        bw_identity_format(&identity, text);
        assert_string_equal(text, uris[i]);
    }
}

static void anything_else_is_no_identity(void **state)
{
    const char *uris[] = {
        "",
        "breakwater://",
        "breakwater://prod",
        "breakwater://prod/",
        "breakwater://prod/witness",
        "breakwater://prod/witness/",
        "breakwater://prod/witness/w1/",
        "breakwater://prod/witness/w1/x",
        "breakwater:///witness/w1",
        "breakwater://prod//w1",
        "breakwater://prod/agent/dc-a",
        "breakwater://prod/agent/dc-a/",
        "breakwater://prod/agent//a",
        "breakwater://prod/agent/dc-a/a/b",
        "breakwater://prod/root/w1",
        "breakwater://prod/Witness/w1",
        "Breakwater://prod/witness/w1",
        "breakwater:/prod/witness/w1",
        " breakwater://prod/witness/w1",
        "breakwater://prod/witness/w1 ",
        "breakwater://prod/witness/w%31",
        "breakwater://prod/witness/..",
        "breakwater://prod/witness/w1?x",
        "breakwater://user@prod/witness/w1",
        "breakwater://prod:1/witness/w1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        struct bw_identity identity;

        memset(&identity, 0x5a, sizeof identity);
        if (bw_identity_parse(uris[i], strlen(uris[i]), &identity))
            fail_msg("accepted: %s", uris[i]);
        assert_int_equal(identity.cluster[0], 0x5a); /* outputs are untouched by an error */
    }
}

static void longest_names_fit_and_longer_ones_do_not(void **state)
{
    char name[BW_NAME_MAX + 2];
    char uri[4 * sizeof name];
    char text[BW_IDENTITY_TEXT_BYTES];
    struct bw_identity identity;

    (void)state;
    memset(name, 'a', sizeof name);
    name[BW_NAME_MAX] = '\0';
    (void)snprintf(uri, sizeof uri, "breakwater://%s/agent/%s/%s", name, name, name);
    assert_true(bw_identity_parse(uri, strlen(uri), &identity));
    bw_identity_format(&identity, text);
    assert_string_equal(text, uri);

    name[BW_NAME_MAX] = 'a';
    name[BW_NAME_MAX + 1] = '\0';
    (void)snprintf(uri, sizeof uri, "breakwater://prod/witness/%s", name);
    assert_false(bw_identity_parse(uri, strlen(uri), &identity));
}

static void embedded_nul_is_no_identity(void **state)
{
    const char uri[] = "breakwater://prod/witness/w1\0.evil";
    struct bw_identity identity;

    (void)state;
    assert_false(bw_identity_parse(uri, sizeof uri - 1, &identity));
}

static enum bw_err identity_of(const struct test_leaf *leaf, struct bw_identity *out_identity)
{
    struct test_pki pki;
    char path[TEST_PKI_PATH_BYTES];
    FILE *file;
    X509 *certificate;
    enum bw_err err;

    test_pki_init(&pki);
    test_pki_issue(&pki, "leaf.pem", leaf, path);
    file = fopen(path, "r");
    assert_non_null(file);
    certificate = PEM_read_X509(file, NULL, NULL, NULL);
    assert_non_null(certificate);
    fclose(file);
    err = bw_identity_of_certificate(certificate, out_identity, NULL);
    X509_free(certificate);
    test_pki_deinit(&pki);
    return err;
}

static void certificate_with_one_uri_has_an_identity(void **state)
{
    const struct test_leaf leaf = {.uris = {"breakwater://prod/agent/dc-a/a1"}};
    struct bw_identity identity;

    (void)state;
    assert_int_equal(identity_of(&leaf, &identity), BW_OK);
    assert_string_equal(identity.site, "dc-a");
    assert_string_equal(identity.name, "a1");
}

static void certificate_without_exactly_one_good_uri_has_none(void **state)
{
    const char with_nul[] = "breakwater://prod/operator/a\0nna";
    const struct test_leaf leaves[] = {
        {.uris = {NULL}, .common_name = "breakwater://prod/operator/anna"},
        {.uris = {"breakwater://prod/viewer/a", "breakwater://prod/operator/a"}},
        {.uris = {"breakwater://prod/viewer/a", "https://example.net/"}},
        {.uris = {"https://example.net/"}},
        {.uris = {with_nul}, .uri_bytes = sizeof with_nul - 1},
    };
    struct bw_identity identity;

    (void)state;
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
        assert_int_equal(identity_of(&leaves[i], &identity), BW_ERR_AUTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_read_and_written_back),
        cmocka_unit_test(anything_else_is_no_identity),
        cmocka_unit_test(longest_names_fit_and_longer_ones_do_not),
        cmocka_unit_test(embedded_nul_is_no_identity),
        cmocka_unit_test(certificate_with_one_uri_has_an_identity),
        cmocka_unit_test(certificate_without_exactly_one_good_uri_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
