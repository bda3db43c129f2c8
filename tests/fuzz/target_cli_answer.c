/* The answers of a witness as the commands print them. First byte: status, one group's, history,
 * explanation, all of an explanation; then the JSON document. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../../src/cli/api.h"
#include "../../src/cli/columns.h"
#include "fuzz.h"

#define NOW_UNIX_MS INT64_C(1767690842123)

/* What a peer wrote moves no cursor and sets no colour. */
static void check_printed(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const unsigned char byte = (unsigned char)text[i];

        FUZZ_CHECK((byte >= 0x20 && byte != 0x7f) || byte == '\n');
        /* U+0080 to U+009F in UTF-8. */
        FUZZ_CHECK(byte != 0xc2 || i + 1 >= size || (unsigned char)text[i + 1] >= 0xa0);
    }
}

static void show(unsigned which, const json_t *document, FILE *out)
{
    enum bw_exit exit = BW_EXIT_FINE;

    switch (which) {
    case 0:
        exit = bw_show_status(document, NULL, NOW_UNIX_MS, out);
        break;
    case 1:
        exit = bw_show_status(document, "harbor", NOW_UNIX_MS, out);
        (void)bw_json_find_group(document, "harbor");
        break;
    case 2:
        bw_show_history(document, out);
        break;
    default:
        bw_show_explain(document, which == 4, out);
        break;
    }
    FUZZ_CHECK(exit == BW_EXIT_FINE || exit == BW_EXIT_WARNINGS || exit == BW_EXIT_NO_SITE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *document;
    char *text = NULL;
    size_t text_size = 0;
    FILE *out;

    if (size == 0)
        return 0;
    document = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(document)) {
        json_decref(document); /* bw_api takes nothing else for an answer */
        return 0;
    }
    out = open_memstream(&text, &text_size);
    FUZZ_CHECK(out != NULL);
    show(data[0] % 5, document, out);
    FUZZ_CHECK(fclose(out) == 0);
    check_printed(text, text_size);
    free(text);
    json_decref(document);
    return 0;
}
