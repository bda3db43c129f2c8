/* people.h - which groups an operator or viewer may see and change. Design 5.3. Pure.
 *
 * The list is of the witness's configuration. As long as it is empty, whoever has a certificate of the
 * cluster may what its role says. Once it has an entry, it names everybody: who is not in it may nothing. */
#ifndef BW_CORE_PEOPLE_H
#define BW_CORE_PEOPLE_H

#include <stdbool.h>
#include <stdint.h>

#define BW_PEOPLE_MAX        256 /* entries of the list */
#define BW_PERSON_GROUPS_MAX 64  /* groups of one entry */

struct bw_person {
    const char *name;    /* as in the certificate: "operator/anna", "viewer/board" */
    const char **groups; /* names */
    uint32_t group_count; /* 0: all groups, and the cluster as a whole */
};

struct bw_people {
    const struct bw_person *list;
    uint32_t count;
};

/* What one caller may see and change. Zeroed: nothing. */
struct bw_scope {
    bool is_everything;
    const struct bw_person *person; /* the entry that says so; NULL: there is no list, or it has none */
};

/* `name` as in struct bw_person; compared byte by byte. Borrows `people`. */
struct bw_scope bw_people_scope(const struct bw_people *people, const char *name);
/* That group is among what the caller may; whether it exists is another matter. */
bool bw_scope_has(const struct bw_scope *scope, const char *group);

/* The next entry from `*at` on that may: `group` (NULL: the cluster as a whole), to change it or only to see
 * it. Moves `*at` beyond it; NULL: no more. For people who are told whom to ask. */
const struct bw_person *bw_people_who_may(const struct bw_people *people, const char *group,
                                          bool changes, uint32_t *at);

#endif
