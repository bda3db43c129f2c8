/* What of an answer a text names. Design 5.2. */
#include <string.h>

#include "api.h"

static bool is(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

bool bw_json_has(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (is(json_array_get(list, i), text))
            return true;
    return false;
}

json_t *bw_json_find(const json_t *list, const char *key, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);

        if (is(json_object_get(item, key), text))
            return item;
    }
    return NULL;
}

json_t *bw_json_find_group(const json_t *status, const char *name)
{
    return bw_json_find(json_object_get(status, "groups"), "name", name);
}

const json_t *bw_json_find_holder(const json_t *group)
{
    return bw_json_find(json_object_get(group, "sites"), "name", bw_json_member(group, "holder"));
}
