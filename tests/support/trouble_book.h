/* trouble_book.h - a book of alarms for each claim. Include it after cmocka.h. */
#ifndef BW_TEST_TROUBLE_BOOK_H
#define BW_TEST_TROUBLE_BOOK_H

#include <stdlib.h>

#include <breakwater/core/trouble.h>

#define BIT(name) (UINT64_C(1) << BW_TROUBLE_##name)

static struct bw_trouble_book *book;

static inline int begin(void **state)
{
    (void)state;
    book = calloc(1, sizeof *book);
    assert_non_null(book);
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    free(book);
    return 0;
}

#define WITH_BOOK(claim) cmocka_unit_test_setup_teardown(claim, begin, end)

#endif
