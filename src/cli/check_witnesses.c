/* Files that disagree on who is who elect two leaders, or none. Design 3.9, 5.4. */
#include "check_witnesses.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/config/scalar.h>

static const struct bw_witness_member_config *find(const struct bw_witness_config *config,
                                                   const char *name)
{
    for (uint32_t i = 0; i < config->witness_count; i++)
        if (strcmp(config->witnesses[i].name, name) == 0)
            return &config->witnesses[i];
    return NULL;
}

/* Names may lead to one place by two ways, so another address alone proves nothing. */
static void compare_members(struct bw_check_lines *lines, const char *file, const char *other_file,
                            const struct bw_witness_member_config *member,
                            const struct bw_witness_member_config *other)
{
    if (member->id != other->id)
        bw_check_line(lines, BW_CHECK_FAIL, file,
                      "says that witness %s has id %" PRIu32 ", %s that it has id %" PRIu32,
                      member->name, member->id, other_file, other->id);
    if (strcmp(member->raft, other->raft) != 0)
        bw_check_line(lines, BW_CHECK_WARN, file,
                      "says that witness %s has raft address %s, %s that it has %s", member->name,
                      member->raft, other_file, other->raft);
    if (strcmp(member->address, other->address) != 0)
        bw_check_line(lines, BW_CHECK_WARN, file,
                      "says that witness %s has address %s, %s that it has %s", member->name,
                      member->address, other_file, other->address);
}

static void compare_lists(struct bw_check_lines *lines, const char *file,
                          const struct bw_witness_config *config, const char *other_file,
                          const struct bw_witness_config *other)
{
    for (uint32_t i = 0; i < config->witness_count; i++) {
        const struct bw_witness_member_config *member = &config->witnesses[i];
        const struct bw_witness_member_config *same = find(other, member->name);

        if (same != NULL)
            compare_members(lines, file, other_file, member, same);
        else
            bw_check_line(lines, BW_CHECK_FAIL, file, "has a witness %s, which is not in %s",
                          member->name, other_file);
    }
    for (uint32_t i = 0; i < other->witness_count; i++)
        if (find(config, other->witnesses[i].name) == NULL)
            bw_check_line(lines, BW_CHECK_FAIL, file, "has no witness %s, which is in %s",
                          other->witnesses[i].name, other_file);
}

static const struct bw_person *find_person(const struct bw_people *people, const char *name)
{
    for (uint32_t i = 0; i < people->count; i++)
        if (strcmp(people->list[i].name, name) == 0)
            return &people->list[i];
    return NULL;
}

/* Each group of the one is also of the other. */
static bool is_within(const struct bw_person *person, const struct bw_person *other)
{
    const struct bw_scope scope = {.is_everything = other->group_count == 0, .person = other};

    for (uint32_t i = 0; i < person->group_count; i++)
        if (!bw_scope_has(&scope, person->groups[i]))
            return false;
    return person->group_count > 0 || scope.is_everything;
}

/* Whom one refuses the other would let in. 5.3 */
static void compare_people(struct bw_check_lines *lines, const char *file,
                           const struct bw_people *people, const char *other_file,
                           const struct bw_people *other)
{
    if (people->count > 0 && other->count == 0) {
        bw_check_line(lines, BW_CHECK_FAIL, file, "says under people who may speak, %s does not",
                      other_file);
        return;
    }
    for (uint32_t i = 0; i < people->count; i++) {
        const struct bw_person *person = &people->list[i];
        const struct bw_person *same = find_person(other, person->name);

        if (same == NULL)
            bw_check_line(lines, BW_CHECK_FAIL, file, "has %s under people, %s has not",
                          person->name, other_file);
        else if (!is_within(person, same))
            bw_check_line(lines, BW_CHECK_FAIL, file,
                          "lets %s speak for groups for which %s does not", person->name,
                          other_file);
    }
}

void bw_check_witness_pair(struct bw_check_lines *lines, const char *file,
                           const struct bw_witness_config *config, const char *other_file,
                           const struct bw_witness_config *other)
{
    char own[BW_DURATION_TEXT_BYTES];
    char its[BW_DURATION_TEXT_BYTES];

    if (strcmp(config->name, other->name) == 0)
        bw_check_line(lines, BW_CHECK_FAIL, file, "is of witness %s, and so is %s", config->name,
                      other_file);
    bw_duration_format(config->election_timeout_ms, own);
    bw_duration_format(other->election_timeout_ms, its);
    if (config->election_timeout_ms != other->election_timeout_ms)
        bw_check_line(lines, BW_CHECK_FAIL, file,
                      "has election_timeout %s, %s has %s; it must be the same at all witnesses",
                      own, other_file, its);
    compare_lists(lines, file, config, other_file, other);
    compare_people(lines, file, &config->people, other_file, &other->people);
    compare_people(lines, other_file, &other->people, file, &config->people);
}
