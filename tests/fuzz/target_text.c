/* Everything small that is read from text: durations, numbers, truths, addresses, names, ids, hex,
 * identities in a URI, the characters of a configuration, chrony's configuration, a start script,
 * bytes that are shown. The first byte says which. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/base/utf8.h>
#include <breakwater/config/chrony.h>
#include <breakwater/config/document.h>
#include <breakwater/config/scalar.h>
#include <breakwater/config/script_hint.h>
#include <breakwater/core/spec.h>
#include <breakwater/core/trouble.h>
#include <breakwater/net/address.h>
#include <breakwater/net/roles.h>

#include "../../src/config/config_file.h"
#include "fuzz.h"

static void run_duration(const char *text)
{
    char again[BW_DURATION_TEXT_BYTES];
    uint32_t ms = 0;
    uint32_t ms_again = 0;

    if (!bw_duration_parse(text, &ms))
        return;
    bw_duration_format(ms, again);
    FUZZ_CHECK(bw_duration_parse(again, &ms_again) && ms == ms_again);
}

static void run_number(const char *text)
{
    char again[16];
    uint32_t number = 0;

    if (!bw_number_parse(text, &number))
        return;
    (void)snprintf(again, sizeof again, "%u", (unsigned)number);
    FUZZ_CHECK(strcmp(text, again) == 0); /* there is one way to write it */
}

/* Words of which there are a few. */
static void run_truth(const char *text)
{
    enum bw_mode mode = BW_MODE_AUTO;
    enum bw_trouble trouble;
    bool truth = false;

    if (bw_mode_parse(text, &mode))
        FUZZ_CHECK(strcmp(text, bw_mode_word(mode)) == 0);
    if (bw_trouble_parse(text, &trouble))
        FUZZ_CHECK(strcmp(text, bw_trouble_word(trouble)) == 0);

    if (bw_truth_parse(text, &truth))
        FUZZ_CHECK(strcmp(text, truth ? "true" : "false") == 0);
}

/* What a configuration takes for an address, the network takes too. */
static void run_address(const char *text)
{
    const char *why = NULL;
    struct bw_address address;
    struct sockaddr_storage numeric;
    struct bw_diag diag = {0};
    const bool is_good = bw_address_check(text, true, &why);
    const enum bw_err err = bw_address_parse(text, &address, &diag);

    fuzz_check_outcome(err, &diag);
    FUZZ_CHECK(is_good || (why != NULL && why[0] != '\0'));
    FUZZ_CHECK(!is_good || err == BW_OK);
    if (err != BW_OK)
        return;
    FUZZ_CHECK(fuzz_is_text(address.host, sizeof address.host) && address.host[0] != '\0');
    if (is_good)
        FUZZ_CHECK(bw_address_has_numeric_host(text) == bw_address_is_numeric(&address, &numeric));
    if (bw_address_is_numeric(&address, &numeric)) {
        char again[BW_ADDRESS_TEXT_BYTES];

        bw_address_format((const struct sockaddr *)&numeric, again);
        FUZZ_CHECK(bw_address_parse(again, &address, &diag) == BW_OK);
    }
}

static void run_words(const char *text)
{
    char copy[BW_QUOTE_BYTES];
    const char *second = strchr(text, ' ');
    uint32_t distance;

    FUZZ_CHECK(fuzz_is_text(bw_document_quote(text, copy), sizeof copy));
    FUZZ_CHECK(!bw_name_is_valid(text) || strlen(text) <= BW_NAME_MAX);
    FUZZ_CHECK(!bw_env_name_is_valid(text) || strlen(text) <= BW_NAME_MAX);
    FUZZ_CHECK(!bw_name_is_valid(text) || strpbrk(text, "/ \t\n'\"$\\") == NULL);
    if (second == NULL || strlen(text) > 127)
        return;
    (void)snprintf(copy, sizeof copy, "%.*s", (int)(second - text < 70 ? second - text : 70), text);
    distance = bw_word_distance(copy, second + 1);
    FUZZ_CHECK(distance == bw_word_distance(second + 1, copy));
    FUZZ_CHECK(distance == UINT32_MAX || distance <= 63);
}

static void run_id(const char *text)
{
    char again[BW_ID_TEXT_BYTES];
    struct bw_id id;
    uint8_t bytes[8];
    char hex[17];

    if (bw_id_parse(text, &id)) {
        bw_id_format(id, again);
        FUZZ_CHECK(strcasecmp(text, again) == 0);
    }
    if (bw_hex_decode(text, bytes, sizeof bytes)) {
        bw_hex_encode(bytes, sizeof bytes, hex);
        FUZZ_CHECK(strcasecmp(text, hex) == 0);
    }
}

static void run_identity(const uint8_t *data, size_t size)
{
    struct bw_identity identity;
    char again[BW_IDENTITY_TEXT_BYTES];

    if (!bw_identity_parse((const char *)data, size, &identity))
        return;
    FUZZ_CHECK(bw_name_is_valid(identity.cluster) && bw_name_is_valid(identity.name));
    FUZZ_CHECK(identity.role <= BW_ROLE_VIEWER);
    FUZZ_CHECK(identity.role == BW_ROLE_AGENT ? bw_name_is_valid(identity.site)
                                              : identity.site[0] == '\0');
    bw_identity_format(&identity, again);
    FUZZ_CHECK(strlen(again) == size && memcmp(again, data, size) == 0);
}

/* What is shown of a stranger's bytes is whole characters, none of which a terminal obeys or hides,
 * within its limit, and shown again the same. */
static void run_shown(const uint8_t *data, size_t size)
{
    char plain[64];
    char again[sizeof plain];
    size_t length;

    bw_utf8_plain(plain, sizeof plain, (const char *)data, size);
    FUZZ_CHECK(fuzz_is_text(plain, sizeof plain));
    length = strlen(plain);
    for (size_t at = 0; at < length;) {
        uint32_t point = 0;
        const size_t taken = bw_utf8_decode(plain + at, length - at, &point);

        FUZZ_CHECK(taken > 0 && taken <= 4 && taken <= length - at && point <= 0x10ffff);
        FUZZ_CHECK(!bw_utf8_is_hidden(point));
        at += taken;
    }
    bw_utf8_plain(again, sizeof again, plain, length);
    FUZZ_CHECK(strcmp(plain, again) == 0);
}

static void run_characters(const uint8_t *data, size_t size)
{
    size_t offset = SIZE_MAX;
    const char *why = bw_text_check((const char *)data, size, &offset);

    run_shown(data, size);
    if (why != NULL) {
        FUZZ_CHECK(why[0] != '\0' && offset < size);
        return;
    }
    for (size_t i = 0; i < size; i++)
        FUZZ_CHECK((data[i] >= 0x20 && data[i] != 0x7f) || data[i] == '\n' || data[i] == '\t' ||
                   data[i] == '\r');
}

static void run_chrony(const uint8_t *data, size_t size)
{
    struct bw_diag diag = {0};
    struct bw_chrony_slew slew = {0};
    const enum bw_err err = bw_chrony_slew(fuzz_file(0, data, size), &slew, &diag);

    fuzz_check_outcome(err, &diag);
    FUZZ_CHECK(slew.ppm <= 1000000);
}

/* A unit that is proposed can be written into site.yaml as it is; from a file it is the same. */
static void run_script_hint(const uint8_t *data, size_t size)
{
    const struct bw_script_hint hint = bw_script_hint_read(fuzz_file(0, data, size));
    char *text = fuzz_text(data, size);
    const struct bw_script_hint again = bw_script_hint_of(text);

    FUZZ_CHECK(memchr(hint.word, '\0', sizeof hint.word) != NULL);
    FUZZ_CHECK(memchr(hint.unit, '\0', sizeof hint.unit) != NULL);
    FUZZ_CHECK((hint.kind == BW_SCRIPT_HINT_NONE) == (hint.word[0] == '\0'));
    FUZZ_CHECK(hint.unit[0] == '\0' || hint.kind == BW_SCRIPT_HINT_UNIT);
    for (const char *at = hint.unit; *at != '\0'; at++)
        FUZZ_CHECK((unsigned char)*at > 0x20 && (unsigned char)*at < 0x7f);
    if (memchr(data, '\0', size) == NULL)
        FUZZ_CHECK(hint.kind == again.kind && hint.line == again.line &&
                   strcmp(hint.unit, again.unit) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const of_text[])(const char *text) = {run_duration, run_number, run_truth,
                                                        run_address,  run_words,  run_id};
    static void (*const of_bytes[])(const uint8_t *data, size_t size) = {
        run_identity, run_characters, run_chrony, run_script_hint};
    const unsigned texts = sizeof of_text / sizeof of_text[0];
    const unsigned all = texts + sizeof of_bytes / sizeof of_bytes[0];
    unsigned which;
    char *text;

    if (size == 0)
        return 0;
    which = data[0] % all;
    if (which >= texts) {
        of_bytes[which - texts](data + 1, size - 1);
        return 0;
    }
    text = fuzz_text(data + 1, size - 1);
    of_text[which](text);
    free(text);
    return 0;
}
