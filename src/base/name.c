#include <breakwater/base/name.h>

#include <stddef.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/limits.h>

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool bw_name_is_valid(const char *name)
{
    size_t length = 0;

    if (!is_alphanumeric(name[0]))
        return false;
    for (; name[length] != '\0'; length++) {
        const char c = name[length];

        if (length == BW_NAME_MAX)
            return false;
        if (!is_alphanumeric(c) && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

#define HOST_BYTES_MAX  253
#define LABEL_BYTES_MAX 63
#define DIGITS          "0123456789"
#define HEX_DIGITS      DIGITS "abcdefABCDEF"

static bool is_label(const char *label, size_t length)
{
    if (length == 0 || length > LABEL_BYTES_MAX || label[0] == '-' || label[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_alphanumeric(label[i]) && label[i] != '-' && label[i] != '_')
            return false;
    return true;
}

static bool is_number(const char *label)
{
    const bool is_hex = label[0] == '0' && (label[1] == 'x' || label[1] == 'X');

    return label[strspn(label, DIGITS)] == '\0' || (is_hex && label[2 + strspn(label + 2, HEX_DIGITS)] == '\0');
}

bool bw_host_name_is_valid(const char *name)
{
    const char *label = name;

    if (strlen(name) > HOST_BYTES_MAX)
        return false;
    for (const char *dot = strchr(label, '.'); dot != NULL; dot = strchr(label, '.')) {
        if (!is_label(label, (size_t)(dot - label)))
            return false;
        label = dot + 1;
    }
    return is_label(label, strlen(label)) && !is_number(label);
}

/* ---- ids ---- */

bool bw_id_equal(struct bw_id a, struct bw_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

bool bw_id_is_none(struct bw_id id)
{
    return bw_id_equal(id, (struct bw_id){{0}});
}

void bw_id_format(struct bw_id id, char out_text[BW_ID_TEXT_BYTES])
{
    bw_hex_encode(id.bytes, sizeof id.bytes, out_text);
}

bool bw_id_parse(const char *text, struct bw_id *out_id)
{
    return bw_hex_decode(text, out_id->bytes, sizeof out_id->bytes);
}
