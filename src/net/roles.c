#include <breakwater/net/roles.h>

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/name.h>

#define SCHEME "breakwater://"

static const char *const role_words[] = {
#define X(name, word) [name] = word,
    BW_ROLE_LIST(X)
#undef X
};
#define ROLE_COUNT (sizeof role_words / sizeof role_words[0])

const char *bw_role_text(enum bw_role role)
{
    BW_ASSERT((size_t)role < ROLE_COUNT);
    return role_words[role];
}

/* Takes the text up to the next '/' (or, for the `last` part, all that is left) from *rest. */
static bool take_name(const char **rest, bool last, char out_name[BW_NAME_MAX + 1])
{
    const char *slash = strchr(*rest, '/');
    size_t size = slash != NULL ? (size_t)(slash - *rest) : strlen(*rest);

    if (last != (slash == NULL) || size > BW_NAME_MAX)
        return false;
    memcpy(out_name, *rest, size);
    out_name[size] = '\0';
    *rest += last ? size : size + 1;
    return bw_name_is_valid(out_name);
}

static bool role_of_word(const char *word, enum bw_role *out_role)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (strcmp(word, role_words[i]) == 0) {
            *out_role = (enum bw_role)i;
            return true;
        }
    }
    return false;
}

bool bw_identity_parse(const char *uri, size_t size, struct bw_identity *out_identity)
{
    struct bw_identity identity = {0};
    char text[BW_IDENTITY_TEXT_BYTES];
    char word[BW_NAME_MAX + 1];
    const char *rest = text + strlen(SCHEME);

    if (size >= sizeof text || memchr(uri, '\0', size) != NULL)
        return false;
    memcpy(text, uri, size);
    text[size] = '\0';
    if (strncmp(text, SCHEME, strlen(SCHEME)) != 0 || !take_name(&rest, false, identity.cluster) ||
        !take_name(&rest, false, word) || !role_of_word(word, &identity.role))
        return false;
    if (identity.role == BW_ROLE_AGENT && !take_name(&rest, false, identity.site))
        return false;
    if (!take_name(&rest, true, identity.name))
        return false;
    *out_identity = identity;
    return true;
}

void bw_identity_format(const struct bw_identity *identity, char out_text[BW_IDENTITY_TEXT_BYTES])
{
    bool agent = identity->role == BW_ROLE_AGENT;
    int size = snprintf(out_text, BW_IDENTITY_TEXT_BYTES, SCHEME "%s/%s/%s%s%s", identity->cluster,
                        bw_role_text(identity->role), agent ? identity->site : "", agent ? "/" : "",
                        identity->name);

    BW_ASSERT(size > 0 && size < BW_IDENTITY_TEXT_BYTES);
}

/* The only URI among `names`; NULL with the count when there are none or several. */
static const ASN1_IA5STRING *only_uri(const GENERAL_NAMES *names, int *out_count)
{
    const ASN1_IA5STRING *found = NULL;

    *out_count = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_URI) {
            found = name->d.uniformResourceIdentifier;
            (*out_count)++;
        }
    }
    return *out_count == 1 ? found : NULL;
}

enum bw_err bw_identity_of_certificate(const struct x509_st *certificate,
                                       struct bw_identity *out_identity, struct bw_diag *diag)
{
    /* NULL also when the extension is there twice: no identity. */
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const ASN1_IA5STRING *uri;
    enum bw_err err = BW_OK;
    int count;

    uri = only_uri(names, &count);
    if (uri == NULL)
        err = bw_diag_set(diag, BW_ERR_AUTH,
                          "the certificate has %d URI names, and an identity needs exactly one "
                          "(breakwater://CLUSTER/ROLE/NAME)",
                          count);
    else if (!bw_identity_parse((const char *)ASN1_STRING_get0_data(uri),
                                (size_t)ASN1_STRING_length(uri), out_identity))
        err = bw_diag_set(diag, BW_ERR_AUTH,
                          "the URI in the certificate is not of the form "
                          "breakwater://CLUSTER/witness/NAME, .../agent/SITE/NAME, "
                          ".../operator/NAME or .../viewer/NAME");
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return err;
}
