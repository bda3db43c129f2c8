/* people.h - which groups an operator or viewer may see and change. Design 5.3. Pure.
 *
 * The list is text: a line for each person, in the order of their names, with the name as in the certificate and the
 * groups: "operator/anna harbor orders\n"; without groups: everything, and the cluster as a whole. Without a list, "",
 * every certificate of the cluster counts. Once it has a line, it names everybody: who is not in it may nothing. */
#ifndef BW_CORE_PEOPLE_H
#define BW_CORE_PEOPLE_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/err.h>
#include <breakwater/base/limits.h>

#define BW_PEOPLE_MAX        256 /* entries of the list */
#define BW_PERSON_GROUPS_MAX 64  /* groups of one entry */
#define BW_PERSON_TEXT_BYTES (10 + BW_NAME_MAX + 1) /* "operator/anna" */

struct bw_people {
    char text[BW_PEOPLE_BYTES_MAX + 1];
};

/* Adds a line at its place. BW_ERR_INVALID: a name is none. BW_ERR_EXISTS: that person is there. BW_ERR_LIMIT: more than
 * BW_PEOPLE_MAX, BW_PERSON_GROUPS_MAX or BW_PEOPLE_BYTES_MAX. */
BW_MUST_CHECK enum bw_err bw_people_add(struct bw_people *people, const char *name,
                                        const char *const *groups, uint32_t group_count);
/* Exactly what bw_people_add makes, with an operator for everything: whom an applied list needs, or nobody could change
 * it again. BW_ERR_INVALID: it is malformed. BW_ERR_REFUSED: it has no such operator. */
BW_MUST_CHECK enum bw_err bw_people_check(const char *text);
#define BW_PEOPLE_LOCKED "names no operator without groups: nobody could change the list again"

/* Reading: the line after `line`, "": there is none; and the words of a line, name first: copies the one at `*at`, and
 * moves beyond it; false: there are no more. */
const char *bw_people_next(const char *line);
bool bw_people_word(const char **at, char out_word[BW_PERSON_TEXT_BYTES]);
/* The line of that person; NULL: there is none. */
const char *bw_people_find(const char *people, const char *name);

/* What one caller may see and change. Zeroed: nothing. */
struct bw_scope {
    bool is_everything;
    const char *person; /* the line that says so; NULL: there is no list, or it has none */
};

/* `name` as in the list; compared byte by byte. Borrows `people`. */
struct bw_scope bw_people_scope(const char *people, const char *name);
/* That group is among what the caller may; whether it exists is another matter. */
bool bw_scope_has(const struct bw_scope *scope, const char *group);

/* The line of the next person from `*at` on that may: `group` (NULL: the cluster as a whole), to change it or only to
 * see it. Moves `*at`, a line, beyond it; NULL: no more. For people who are told whom to ask. */
const char *bw_people_who_may(const char **at, const char *group, bool changes);

#endif
