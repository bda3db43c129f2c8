#include <breakwater/config/scalar.h>

#include <arpa/inet.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool bw_number_parse(const char *text, uint32_t *out_number)
{
    uint64_t number = 0;

    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; *text != '\0'; text++) {
        if (!is_digit(*text))
            return false;
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > UINT32_MAX)
            return false;
    }
    *out_number = (uint32_t)number;
    return true;
}

bool bw_truth_parse(const char *text, bool *out_truth)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return false;
    *out_truth = text[0] == 't';
    return true;
}

bool bw_address_check(const char *text, bool may_be_port_0, const char **out_why)
{
    char host[BW_ADDRESS_MAX + 1];
    struct in6_addr address;
    struct in_addr address4;
    char *colon;
    uint32_t port;
    size_t length;

    *out_why = "is longer than 255 bytes";
    if (!bw_copy_text(host, sizeof host, text))
        return false;
    *out_why = "is a URL; write HOST:PORT";
    if (strstr(host, "://") != NULL)
        return false;
    *out_why = "has no port; write HOST:PORT";
    colon = strrchr(host, ':');
    if (colon == NULL || strchr(colon, ']') != NULL)
        return false;
    *colon = '\0';
    *out_why = "has no port from 1 to 65535";
    if (!bw_number_parse(colon + 1, &port) || port > 65535 || (port == 0 && !may_be_port_0))
        return false;
    length = strlen(host);
    if (host[0] == '[') {
        *out_why = "has no IPv6 address in its brackets";
        if (host[length - 1] != ']')
            return false;
        host[length - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, &address) == 1;
    }
    *out_why = "is an IPv6 address without brackets; write [ADDRESS]:PORT";
    if (strchr(host, ':') != NULL)
        return false;
    *out_why = "has no host name or address before its port";
    return inet_pton(AF_INET, host, &address4) == 1 || bw_host_name_is_valid(host);
}

bool bw_address_is_same_port(const char *address, const char *other)
{
    const char *port = strrchr(address, ':');
    const char *other_port = strrchr(other, ':');

    return port != NULL && other_port != NULL && strcmp(port, other_port) == 0;
}

bool bw_address_has_numeric_host(const char *text)
{
    char host[BW_ADDRESS_MAX + 1];
    struct in_addr address;

    if (text[0] == '[')
        return true;
    if (!bw_copy_text(host, sizeof host, text))
        return false;
    host[strcspn(host, ":")] = '\0';
    return inet_pton(AF_INET, host, &address) == 1;
}

bool bw_env_name_is_valid(const char *name)
{
    if (!is_letter(name[0]) && name[0] != '_')
        return false;
    for (size_t length = 0; name[length] != '\0'; length++) {
        if (length == BW_NAME_MAX)
            return false;
        if (!is_letter(name[length]) && !is_digit(name[length]) && name[length] != '_')
            return false;
    }
    return true;
}

#define WORD_MAX 63

static char folded(char c)
{
    if (c == '-')
        return '_';
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t bw_word_distance(const char *a, const char *b)
{
    uint32_t cost[WORD_MAX + 1][WORD_MAX + 1];
    const size_t a_length = strnlen(a, WORD_MAX + 1);
    const size_t b_length = strnlen(b, WORD_MAX + 1);

    if (a_length > WORD_MAX || b_length > WORD_MAX)
        return UINT32_MAX;
    for (size_t i = 0; i <= a_length; i++)
        cost[i][0] = (uint32_t)i;
    for (size_t j = 0; j <= b_length; j++)
        cost[0][j] = (uint32_t)j;
    for (size_t i = 1; i <= a_length; i++) {
        for (size_t j = 1; j <= b_length; j++) {
            const char x = folded(a[i - 1]);
            const char y = folded(b[j - 1]);
            uint32_t best = cost[i - 1][j - 1] + (x != y);

            best = least(best, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && x == folded(b[j - 2]) && y == folded(a[i - 2]))
                best = least(best, cost[i - 2][j - 2] + 1);
            cost[i][j] = best;
        }
    }
    return cost[a_length][b_length];
}
