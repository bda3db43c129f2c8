#include <breakwater/base/name.h>

#include <stddef.h>

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
