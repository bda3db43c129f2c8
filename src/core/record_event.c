/* record_event.c - what an event of the record may say, and the words for it. Design 3.1. */
#include <breakwater/core/record.h>

#include <breakwater/base/name.h>

/* By kind; NULL: NONE. */
static const char *const words[] = {
#define X(name, word) [BW_RECORD_##name] = (word),
    BW_RECORD_LIST(X)
#undef X
};

static bool is_kind(unsigned kind)
{
    return kind != BW_RECORD_NONE && kind < sizeof words / sizeof words[0];
}

const char *bw_record_word(enum bw_record_kind kind)
{
    return is_kind(kind) ? words[kind] : "unlisted";
}

static bool are_keys_sound(const struct bw_record_event *event)
{
    uint32_t last = 0;

    if (event->key_count > BW_RECORD_KEYS_MAX)
        return false;
    for (uint32_t i = 0; i < event->key_count; i++) {
        if (event->keys[i].key <= last || event->keys[i].key > BW_RECORD_KEYS_MAX)
            return false;
        last = event->keys[i].key;
    }
    return true;
}

static bool are_sites_sound(const struct bw_record_event *event)
{
    if (event->site_count > BW_RECORD_SITES_MAX)
        return false;
    for (uint32_t i = 0; i < event->site_count; i++)
        if (!bw_name_is_valid(event->sites[i].name) ||
            (!event->sites[i].was && !event->sites[i].is))
            return false;
    return true;
}

const char *bw_record_event_unsound(const struct bw_record_event *event)
{
    if (!is_kind(event->kind))
        return "there is no such kind";
    if (event->index == 0)
        return "it has no log index";
    if (!are_keys_sound(event))
        return "its keys are not those of a spec, in their order";
    if (!are_sites_sound(event))
        return "a site of it neither was there nor is";
    return NULL;
}
