#include <breakwater/base/words.h>
#include <breakwater/core/feature_level.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>

#define NAMES_BYTES 256 /* of those whom a refusal names */

BW_WORDS(bw_level_kind_word, enum bw_level_kind, BW_LEVEL_KIND_LIST, "unlisted")

enum bw_err bw_feature_level_admit(uint32_t level, uint32_t newest, struct bw_diag *diag)
{
    if (level <= newest)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_VERSION,
                       "the cluster's feature level is %" PRIu32 ", this program knows %" PRIu32
                       " at most; written by a newer breakwater",
                       level, newest);
}

bool bw_feature_level_suffices(uint32_t known, uint32_t level)
{
    return known == 0 || known >= level;
}

static uint32_t lower(uint32_t level, uint32_t other)
{
    return other < level ? other : level;
}

void bw_feature_level_of_site(const struct bw_site_reports *reports, struct bw_instant now,
                              uint64_t freshness_ns, uint32_t *out_agent, uint32_t *out_guard)
{
    uint32_t agent = UINT32_MAX;
    uint32_t guard = UINT32_MAX;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];

        if (!contact->used ||
            bw_instant_right_is_over(now, bw_instant_add(contact->received, freshness_ns)))
            continue;
        agent = lower(agent, contact->feature_level);
        guard = lower(guard, contact->guard_level);
    }
    *out_agent = agent != UINT32_MAX ? agent : 0;
    *out_guard = guard != UINT32_MAX ? guard : 0;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool is_party(const char *name, const struct bw_level_party *parties, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(parties[i].name, name) == 0)
            return true;
    return false;
}

/* Those whom a refusal is about, as far as they fit. */
struct named {
    char text[NAMES_BYTES];
    size_t count;
};

static void name_one(struct named *named, const struct bw_level_party *party)
{
    char one[BW_NAME_MAX + 32];
    const size_t used = strlen(named->text);

    (void)snprintf(one, sizeof one, "%s%s %s", named->count > 0 ? ", " : "",
                   bw_level_kind_word(party->kind), party->name);
    named->count++;
    if (used + strlen(one) < sizeof named->text)
        memcpy(named->text + used, one, strlen(one) + 1);
}

enum bw_err bw_feature_level_judge(uint32_t level, uint32_t newest,
                                   const struct bw_level_party *parties, size_t count,
                                   const char *const *without, size_t without_count,
                                   struct bw_diag *diag)
{
    const uint32_t wanted = level + 1;
    struct named old = {0};
    struct named silent = {0};

    if (level >= newest)
        return bw_diag_set(diag, BW_ERR_EXISTS,
                           "the feature level is %" PRIu32
                           ", the newest that this program knows: there is nothing to raise",
                           level);
    BW_ASSERT(wanted > level && wanted <= newest);
    for (size_t i = 0; i < without_count; i++)
        if (!is_party(without[i], parties, count))
            return bw_diag_set(diag, BW_ERR_NOT_FOUND,
                               "--skip %.*s: no witness and no site of a spec has that name",
                               BW_NAME_MAX, without[i]);
    for (size_t i = 0; i < count; i++) {
        if (parties[i].level >= wanted)
            continue;
        if (parties[i].level != 0)
            name_one(&old, &parties[i]);
        else if (!is_among(parties[i].name, without, without_count))
            name_one(&silent, &parties[i]);
    }
    if (old.count > 0)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "level %" PRIu32 " is unknown to %zu members (%s): upgrade them first",
                           wanted, old.count, old.text);
    if (silent.count > 0)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%zu are not connected, so their feature level is unknown (%s): bring them "
                           "back, or, if they are upgraded before they come back, add --skip NAME "
                           "for each name",
                           silent.count, silent.text);
    return BW_OK;
}
