/* typed_page.h - a page whose commands a test types: each line of its blocks of one kind is one of the test's. */
#ifndef TYPED_PAGE_H
#define TYPED_PAGE_H

#include <stddef.h>

struct typed_page {
    const char *page;         /* from the top of the tree */
    const char *fence;        /* what begins such a block: "```sh recover" */
    const char *const *lines; /* in any order; a line of `systemctl` is not asked for */
    size_t count;
};

/* Fails where the page has another command, or does not have one of these. */
void typed_page_check(const struct typed_page *page);

/* Puts `to` in the place of each `from`; fails where that does not fit. */
void typed_page_put(char *text, size_t size, const char *from, const char *to);

#endif
