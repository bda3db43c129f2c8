/* people.c - what of the cluster a caller may see and change: his certificate's name, held against the list that was
 * applied. Design 5.3. Each request is judged anew, by the list that is in force as it comes: so an open connection is
 * worth no more than a new one. */
#include "people.h"

#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "program.h"

#define NAMED_MAX 4 /* names, before "and so many more" */

static const struct bw_scope everything = {.is_everything = true};

/* "operator/anna" */
static void name_of(const struct bw_identity *identity, char out_name[BW_PERSON_TEXT_BYTES])
{
    (void)snprintf(out_name, BW_PERSON_TEXT_BYTES, "%s/%s", bw_role_text(identity->role),
                   identity->name);
}

const char *bw_people_of(const struct bw_program *program)
{
    return bw_cluster_people(&program->machine.cluster, &program->config->people.people);
}

static bool is_person(const struct bw_identity *identity)
{
    return identity->role == BW_ROLE_OPERATOR || identity->role == BW_ROLE_VIEWER;
}

struct bw_scope bw_people_scope_of(const struct bw_program *program,
                                   const struct bw_http_request *request)
{
    char name[BW_PERSON_TEXT_BYTES];

    /* What is open to everybody is so also for somebody with a certificate; agents and witnesses are no
     * people. */
    if (request->route->roles == BW_HTTP_OPEN || !is_person(request->peer))
        return everything;
    name_of(request->peer, name);
    return bw_people_scope(bw_people_of(program), name);
}

/* ---- in words ---- */

struct words {
    char *text;
    size_t size;
    size_t used;
};

static void say(struct words *words, const char *text)
{
    const int wrote = snprintf(words->text + words->used, words->size - words->used, "%s", text);

    if (wrote > 0)
        words->used += (size_t)wrote;
    if (words->used >= words->size)
        words->used = words->size - 1; /* cut; the bounds below leave room for all */
}

static void say_more(struct words *words, uint32_t count)
{
    char text[24];

    if (count == 0)
        return;
    (void)snprintf(text, sizeof text, " and %u more", count);
    say(words, text);
}

static void say_groups(struct words *words, const char *person)
{
    char word[BW_PERSON_TEXT_BYTES];
    uint32_t count = 0;

    (void)bw_people_word(&person, word); /* the name */
    for (; bw_people_word(&person, word); count++) {
        if (count >= NAMED_MAX)
            continue;
        say(words, count > 0 ? ", " : "");
        say(words, word);
    }
    say_more(words, count > NAMED_MAX ? count - NAMED_MAX : 0);
}

/* Who can, by the same list. */
static void say_who(struct words *words, const char *people, const char *group, bool changes)
{
    char name[BW_PERSON_TEXT_BYTES];
    const char *person;
    uint32_t count = 0;

    while ((person = bw_people_who_may(&people, group, changes)) != NULL) {
        if (++count > 2 || !bw_people_word(&person, name))
            continue;
        say(words, count > 1 ? ", " : "");
        say(words, name);
    }
    if (count == 0)
        say(words, "no operator");
    else
        say_more(words, count > 2 ? count - 2 : 0);
    say(words, " can; all rights: breakwater people");
}

bool bw_people_refuse(const struct bw_program *program, const struct bw_http_request *request,
                      const char *group, struct bw_http_refused *out_refused)
{
    const struct bw_scope scope = bw_people_scope_of(program, request);
    const bool changes = strcmp(request->route->method, "GET") != 0;
    struct words error = {out_refused->error, sizeof out_refused->error, 0};
    struct words hint = {out_refused->hint, sizeof out_refused->hint, 0};
    char name[BW_PERSON_TEXT_BYTES];

    name_of(request->peer, name);
    say(&error, name);
    if (scope.person == NULL) {
        say(&error, " has no rights in this cluster");
    } else {
        say(&error, changes ? " may change only " : " may see only ");
        say_groups(&error, scope.person);
        say(&error, group != NULL ? ", not " : ", not what concerns the whole cluster");
        say(&error, group != NULL ? group : "");
    }
    say_who(&hint, bw_people_of(program), group, changes);
    return false;
}

/* ---- the judgement ---- */

bool bw_people_may(const struct bw_http_request *request, struct bw_http_refused *out_refused,
                   void *user)
{
    const struct bw_program *program = user;
    const struct bw_scope scope = bw_people_scope_of(program, request);

    switch (request->route->about) {
    case BW_HTTP_ABOUT_NOTHING:
    case BW_HTTP_ABOUT_SELF:
        return true;
    case BW_HTTP_ABOUT_GROUP: /* the same words whether there is such a group or not */
        return bw_scope_has(&scope, request->segments[0]) ||
               bw_people_refuse(program, request, request->segments[0], out_refused);
    case BW_HTTP_ABOUT_GROUPS:
        return scope.is_everything || scope.person != NULL ||
               bw_people_refuse(program, request, NULL, out_refused);
    case BW_HTTP_ABOUT_CLUSTER:
        return scope.is_everything || bw_people_refuse(program, request, NULL, out_refused);
    case BW_HTTP_ABOUT_UNSET:
        break;
    }
    BW_ASSERT(false); /* no server opens with such a route */
    return false;
}
