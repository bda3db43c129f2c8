/* lacking.h - a case that cannot be shown here: one answer, whatever is missing. After cmocka.h. */
#ifndef BW_TEST_LACKING_H
#define BW_TEST_LACKING_H

/* `need` is a name of tests/hygiene/may_skip, by which tests/run judges whether the machine lacks it. */
#define skip_lacking(need)                                                                        \
    do {                                                                                          \
        print_message("skipped: this machine lacks " need "\n");                                  \
        skip();                                                                                   \
    } while (0)

/* Where a fixture finds out: of the whole program. */
#define exit_lacking(need)                                                                        \
    do {                                                                                          \
        print_message("skipped: this machine lacks " need "\n");                                  \
        exit(77);                                                                                 \
    } while (0)

#endif
