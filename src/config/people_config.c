#include <breakwater/config/people_config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/name.h>

#define PERSON_NAME_BYTES_MAX (9 + BW_NAME_MAX) /* "operator/" and a name */

static const struct bw_key person_keys[] = {
    BW_KEY(TEXT, "name", offsetof(struct bw_person, name), .required = true, .min = 1,
           .max = PERSON_NAME_BYTES_MAX, .example = "operator/anna",
           .help = "the end of the certificate's URI: operator/NAME or viewer/NAME"),
    BW_KEY(LIST, "groups", offsetof(struct bw_person, groups), .item = BW_KEY_TEXT, .min = 1,
           .max = BW_PERSON_GROUPS_MAX, .count_offset = offsetof(struct bw_person, group_count),
           .absent_note = "all groups, and what concerns the cluster as a whole",
           .help = "the only groups that the viewer may see and the operator may change"),
};

const struct bw_table bw_person_table = {
    .name = "people[]",
    .help = "an operator or viewer",
    .keys = person_keys,
    .key_count = BW_KEY_COUNT(person_keys),
    .size = sizeof(struct bw_person),
};

static void check_person(struct bw_people_config *config, struct bw_document *document, uint32_t index)
{
    const struct bw_person *person = &config->list[index];
    struct bw_people alone = {.text = ""};
    char quote[BW_QUOTE_BYTES];
    char path[64];

    for (uint32_t i = 0; i < person->group_count; i++) {
        (void)snprintf(path, sizeof path, "people[%" PRIu32 "].groups[%" PRIu32 "]", index, i);
        if (bw_document_is_sound(document, path) && !bw_name_is_valid(person->groups[i]))
            bw_document_fail(document, path, "\"%s\" is not a valid name of a group",
                             bw_document_quote(person->groups[i], quote));
    }
    (void)snprintf(path, sizeof path, "people[%" PRIu32 "].name", index);
    if (!bw_document_is_sound(document, path))
        return;
    if (bw_people_add(&alone, person->name, NULL, 0) != BW_OK)
        bw_document_fail(document, path, "\"%s\" is neither operator/NAME nor viewer/NAME",
                         bw_document_quote(person->name, quote));
    for (uint32_t i = 0; i < index; i++) {
        if (config->list[i].name == NULL || strcmp(config->list[i].name, person->name) != 0)
            continue;
        bw_document_fail(document, path, "\"%s\" is also the name of people[%" PRIu32 "]",
                         bw_document_quote(person->name, quote), i);
        break;
    }
}

bool bw_people_config_check(struct bw_people_config *config, struct bw_document *document)
{
    for (uint32_t i = 0; i < config->count; i++)
        check_person(config, document, i);
    if (!bw_document_is_sound(document, "people"))
        return false;
    for (uint32_t i = 0; i < config->count; i++) {
        const struct bw_person *person = &config->list[i];

        if (bw_people_add(&config->people, person->name, person->groups, person->group_count) == BW_OK)
            continue;
        bw_document_fail(document, "people", "the list has more than %d bytes", BW_PEOPLE_BYTES_MAX);
        return false;
    }
    return true;
}
