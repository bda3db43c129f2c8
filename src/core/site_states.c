/* The doors: a state of a site's machine changes by a row of its table, and in no other way. */
#include "site_states.h"

#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>

#include "site_internal.h"

struct row {
    unsigned from; /* bits of states */
    unsigned event;
    unsigned to;
};

/* The one row that `from` has for `event`. */
static unsigned take_row(struct bw_site *site, enum bw_site_table table, const struct row *rows,
                         size_t count, unsigned from, unsigned event)
{
    size_t found = count;

    BW_ASSERT(count <= 32 && from < 32); /* bits of rows_taken, and of a row's states */
    for (size_t i = 0; i < count; i++) {
        if ((rows[i].from & (1u << from)) == 0 || rows[i].event != event)
            continue;
        BW_ASSERT(found == count);
        found = i;
    }
    BW_ASSERT(found < count);
    site->rows_taken[table] |= UINT32_C(1) << found;
    return rows[found].to;
}

#define ROW(P, from, event, to, why) {(from), P##_EVENT_##event, P##_##to},
#define DOOR(TABLE, member, type, P)                                                              \
    void bw_site_##member##_move(struct bw_site *site, enum type##_event event)                   \
    {                                                                                             \
        static const struct row rows[] = {BW_SITE_##TABLE##_ROWS(ROW, P)};                        \
                                                                                                  \
        site->member = (enum type)take_row(site, BW_SITE_TABLE_##TABLE, rows,                     \
                                           sizeof rows / sizeof rows[0], site->member, event);    \
    }
BW_SITE_TABLE_LIST(DOOR)

#define COUNT(TABLE, member, type, P) +1
_Static_assert(BW_SITE_TABLES == 0 BW_SITE_TABLE_LIST(COUNT), "rows_taken has a word for each");
_Static_assert(BW_TENURE_NONE == 0, "a site that begins holds nothing");

BW_NAMES(bw_tenure_word, enum bw_tenure, BW_TENURE_LIST, "?")
