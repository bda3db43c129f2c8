#include <breakwater/core/people.h>

#include <stddef.h>
#include <string.h>

#include <breakwater/base/assert.h>

#define OPERATOR_PREFIX "operator/"

/* 5.3: an entry without groups is for everything. A list that names none by mistake is refused before it
 * gets here (config/witness_config.c). */
static bool is_for_everything(const struct bw_person *person)
{
    return person->group_count == 0;
}

struct bw_scope bw_people_scope(const struct bw_people *people, const char *name)
{
    for (uint32_t i = 0; i < people->count; i++) {
        const struct bw_person *person = &people->list[i];

        if (strcmp(person->name, name) == 0)
            return (struct bw_scope){.is_everything = is_for_everything(person), .person = person};
    }
    /* 5.3: once there is a list, it names everybody. */
    return (struct bw_scope){.is_everything = people->count == 0};
}

bool bw_scope_has(const struct bw_scope *scope, const char *group)
{
    if (scope->is_everything)
        return true;
    for (uint32_t i = 0; scope->person != NULL && i < scope->person->group_count; i++)
        if (strcmp(scope->person->groups[i], group) == 0)
            return true;
    return false;
}

const struct bw_person *bw_people_who_may(const struct bw_people *people, const char *group,
                                          bool changes, uint32_t *at)
{
    BW_ASSERT(*at <= people->count);
    while (*at < people->count) {
        const struct bw_person *person = &people->list[(*at)++];
        const struct bw_scope scope = {.is_everything = is_for_everything(person), .person = person};
        const bool is_operator =
            strncmp(person->name, OPERATOR_PREFIX, strlen(OPERATOR_PREFIX)) == 0;

        if (changes && !is_operator)
            continue;
        if (group != NULL ? bw_scope_has(&scope, group) : scope.is_everything)
            return person;
    }
    return NULL;
}
