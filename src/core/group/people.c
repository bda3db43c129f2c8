#include <breakwater/core/people.h>

#include <stddef.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/name.h>

#define OPERATOR_PREFIX "operator/"
#define VIEWER_PREFIX   "viewer/"

/* ---- lines and words ---- */

const char *bw_people_next(const char *line)
{
    while (*line != '\0' && *line != '\n')
        line++;
    return line + (*line == '\n');
}

bool bw_people_word(const char **at, char out_word[BW_PERSON_TEXT_BYTES])
{
    size_t size = 0;

    while ((*at)[size] != '\0' && (*at)[size] != ' ' && (*at)[size] != '\n')
        size++;
    if (size == 0 || size >= BW_PERSON_TEXT_BYTES)
        return false;
    memcpy(out_word, *at, size);
    out_word[size] = '\0';
    *at += size + ((*at)[size] == ' ');
    return true;
}

static bool is_operator(const char *name)
{
    return strncmp(name, OPERATOR_PREFIX, strlen(OPERATOR_PREFIX)) == 0;
}

static bool is_person_name(const char *name)
{
    if (is_operator(name))
        return bw_name_is_valid(name + strlen(OPERATOR_PREFIX));
    return strncmp(name, VIEWER_PREFIX, strlen(VIEWER_PREFIX)) == 0 && bw_name_is_valid(name + strlen(VIEWER_PREFIX));
}

static const char *name_of(const char *line, char out_name[BW_PERSON_TEXT_BYTES])
{
    out_name[0] = '\0';
    (void)bw_people_word(&line, out_name); /* "": it has none */
    return out_name;
}

const char *bw_people_find(const char *people, const char *name)
{
    char own[BW_PERSON_TEXT_BYTES];

    for (; *people != '\0'; people = bw_people_next(people))
        if (strcmp(name_of(people, own), name) == 0)
            return people;
    return NULL;
}

/* ---- making and checking a list ---- */

static uint32_t count_lines(const char *people)
{
    uint32_t count = 0;

    for (; *people != '\0'; people = bw_people_next(people))
        count++;
    return count;
}

static enum bw_err check_line(const char *name, const char *const *groups, uint32_t group_count, size_t *out_size)
{
    if (group_count > BW_PERSON_GROUPS_MAX)
        return BW_ERR_LIMIT;
    if (!is_person_name(name))
        return BW_ERR_INVALID;
    *out_size = strlen(name) + 1;
    for (uint32_t i = 0; i < group_count; i++) {
        if (!bw_name_is_valid(groups[i]))
            return BW_ERR_INVALID;
        *out_size += strlen(groups[i]) + 1;
    }
    return BW_OK;
}

static char *put_word(char *at, const char *word, char end)
{
    const size_t size = strlen(word);

    memcpy(at, word, size + 1);
    at[size] = end;
    return at + size + 1;
}

enum bw_err bw_people_add(struct bw_people *people, const char *name, const char *const *groups, uint32_t group_count)
{
    const size_t used = strlen(people->text);
    char *at = people->text;
    char other[BW_PERSON_TEXT_BYTES];
    size_t size;
    enum bw_err err = check_line(name, groups, group_count, &size);

    if (err != BW_OK)
        return err;
    if (bw_people_find(people->text, name) != NULL)
        return BW_ERR_EXISTS;
    if (count_lines(people->text) == BW_PEOPLE_MAX || used + size > BW_PEOPLE_BYTES_MAX)
        return BW_ERR_LIMIT;
    while (*at != '\0' && strcmp(name_of(at, other), name) < 0)
        at += bw_people_next(at) - at;
    memmove(at + size, at, used - (size_t)(at - people->text) + 1);
    at = put_word(at, name, group_count > 0 ? ' ' : '\n');
    for (uint32_t i = 0; i < group_count; i++)
        at = put_word(at, groups[i], i + 1 < group_count ? ' ' : '\n');
    return BW_OK;
}

/* The line is as bw_people_add writes it, and `name` comes before its own, which replaces it. */
static bool is_line_sound(const char *line, char name[BW_PERSON_TEXT_BYTES])
{
    char before[BW_PERSON_TEXT_BYTES];
    char group[BW_PERSON_TEXT_BYTES];
    const char *at = line;
    uint32_t count = 0;

    memcpy(before, name, sizeof before);
    if (!bw_people_word(&at, name) || !is_person_name(name) || strcmp(before, name) >= 0)
        return false;
    for (; bw_people_word(&at, group); count++)
        if (count == BW_PERSON_GROUPS_MAX || !bw_name_is_valid(group))
            return false;
    return *at == '\n' && at[-1] != ' ';
}

enum bw_err bw_people_check(const char *text)
{
    char name[BW_PERSON_TEXT_BYTES] = "";
    const char *at = text;

    if (strlen(text) > BW_PEOPLE_BYTES_MAX || count_lines(text) > BW_PEOPLE_MAX)
        return BW_ERR_INVALID;
    for (const char *line = text; *line != '\0'; line = bw_people_next(line))
        if (!is_line_sound(line, name))
            return BW_ERR_INVALID;
    return bw_people_who_may(&at, NULL, true) != NULL ? BW_OK : BW_ERR_REFUSED;
}

/* ---- who may what ---- */

static struct bw_scope scope_of(const char *line)
{
    const char *at = line;
    char word[BW_PERSON_TEXT_BYTES];

    (void)bw_people_word(&at, word); /* its name */
    /* 5.3: a line without groups is for everything. */
    return (struct bw_scope){.is_everything = *at == '\n', .person = line};
}

struct bw_scope bw_people_scope(const char *people, const char *name)
{
    const char *line = bw_people_find(people, name);

    /* 5.3: once there is a list, it names everybody. */
    return line != NULL ? scope_of(line) : (struct bw_scope){.is_everything = *people == '\0'};
}

bool bw_scope_has(const struct bw_scope *scope, const char *group)
{
    const char *at = scope->person;
    char word[BW_PERSON_TEXT_BYTES];

    if (scope->is_everything)
        return true;
    if (at == NULL)
        return false;
    (void)bw_people_word(&at, word); /* the name */
    while (bw_people_word(&at, word))
        if (strcmp(word, group) == 0)
            return true;
    return false;
}

const char *bw_people_who_may(const char **at, const char *group, bool changes)
{
    while (**at != '\0') {
        const char *line = *at;
        const struct bw_scope scope = scope_of(line);

        *at = bw_people_next(line);
        if (changes && !is_operator(line))
            continue;
        if (group != NULL ? bw_scope_has(&scope, group) : scope.is_everything)
            return line;
    }
    return NULL;
}
