#include "apply_means.h"

#include <stdio.h>
#include <string.h>

#define PATH_BYTES (BW_NAME_MAX + 64)

/* The meanings that are not plain from the key and its values. */
static const struct {
    const char *key;
    const char *to;
    const char *means;
} meanings[] = {
    {"mode", "auto", "failover is automatic again: no operator is asked"},
    {"mode", "manual", "an operator has to approve each failover to another site"},
    {"mode", "paused", "no failover, no move and no local restart; a lost lease is still fenced"},
    {"mode", "observe", "the group is unmanaged: its service is neither started, stopped nor fenced"},
    {"on_lag", "allow", "an automatic failover may lose any amount of data: max_lag does not hold it"},
    {"on_lag", "refuse", "an automatic failover waits until the lag is within max_lag"},
    {"handover_by_time", "always", "another site may start while the service of a lost site still runs"},
    {"handover_by_time", "never", "the loss of a site always needs an operator or a fence from another site"},
};

static const char *meaning_of(const char *key, const json_t *to)
{
    for (size_t i = 0; json_is_string(to) && i < sizeof meanings / sizeof meanings[0]; i++)
        if (strcmp(meanings[i].key, key) == 0 && strcmp(meanings[i].to, json_string_value(to)) == 0)
            return meanings[i].means;
    return NULL;
}

/* Of the newest first, the one that has made the key what it is; NULL: the record does not reach back so far. */
static const json_t *find_author(const json_t *history, const char *key, const json_t *value)
{
    json_t *change;
    size_t i;

    json_array_foreach(json_object_get(history, "changes"), i, change) {
        const json_t *one = bw_json_find(json_object_get(change, "changes"), "key", key);

        if (one != NULL)
            return json_equal(json_object_get(one, "to"), value) != 0 ? change : NULL;
    }
    return NULL;
}

static void tell_author(const json_t *author)
{
    if (author == NULL || bw_json_member(author, "by")[0] == '\0')
        return;
    (void)printf("    ! set by %s", bw_json_member(author, "by"));
    (void)printf(" at %s", bw_json_member(author, "time"));
    if (bw_json_member(author, "text")[0] != '\0')
        (void)printf(": %s", bw_json_member(author, "text"));
    (void)puts("; this change undoes it");
}

/* The record of the changes; NULL: there is none to be had, and the plan says less. */
static json_t *fetch_history(struct bw_api *api, const char *group)
{
    char path[PATH_BYTES];
    json_t *history = NULL;

    (void)snprintf(path, sizeof path, "/v1/groups/%.*s/history?n=100", BW_NAME_MAX, group);
    return bw_api_fetch(api, "GET", path, NULL, &history) == BW_EXIT_FINE ? history : NULL;
}

void bw_apply_tell_means(struct bw_api *api, const json_t *group)
{
    json_t *history = NULL;
    bool is_fetched = false;
    json_t *change;
    size_t i;

    json_array_foreach(json_object_get(group, "changes"), i, change) {
        const char *key = json_string_value(json_object_get(change, "key"));
        const char *means = key == NULL ? NULL : meaning_of(key, json_object_get(change, "to"));

        if (means == NULL || json_is_null(json_object_get(change, "from")) || json_object_get(change, "from") == NULL)
            continue; /* of a group that is new nothing is undone */
        if (!is_fetched)
            history = fetch_history(api, json_string_value(json_object_get(group, "name")));
        is_fetched = true;
        (void)printf("    %s %s means: %s\n", key, json_string_value(json_object_get(change, "to")), means);
        tell_author(find_author(history, key, json_object_get(change, "from")));
    }
    json_decref(history);
}

const char *bw_apply_find_leaving(struct bw_api *api, const json_t *group)
{
    const json_t *change = bw_json_find(json_object_get(group, "changes"), "key", "sites");
    const json_t *known = bw_json_find_group(api->status, json_string_value(json_object_get(group, "name")));
    json_t *site;
    size_t i;

    json_array_foreach(json_object_get(change, "from"), i, site) {
        const char *name = json_string_value(json_object_get(site, "name"));

        if (name != NULL && bw_json_find(json_object_get(change, "to"), "name", name) == NULL &&
            json_is_true(json_object_get(bw_json_find(json_object_get(known, "sites"), "name", name), "connected")))
            return name;
    }
    return NULL;
}
