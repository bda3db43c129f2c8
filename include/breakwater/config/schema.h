/* schema.h - the one table of keys: what a file may say, checked, loaded and described by the same
 * rows.
 *
 * A row names a key, its kind, its range, its default and where it goes in a struct. From the table
 * come the loading with every problem at once, and the reference for people. */
#ifndef BW_CONFIG_SCHEMA_H
#define BW_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <breakwater/config/document.h>

/* X(NAME, word, what lies at `offset`) */
#define BW_KEY_KIND_LIST(X)                                                                       \
    X(NAME, "name")         /* char[BW_NAME_MAX + 1] */                                           \
    X(TEXT, "text")         /* const char *, min..max bytes */                                    \
    X(PATH, "path")         /* const char *, absolute, at most `max` bytes */                     \
    X(ADDRESS, "address")   /* char[BW_ADDRESS_MAX + 1], HOST:PORT; min 0 allows port 0 */        \
    X(DURATION, "duration") /* uint32_t milliseconds, min..max */                                 \
    X(NUMBER, "number")     /* uint32_t, min..max */                                              \
    X(BOOL, "bool")         /* bool; with `words` these instead of true and false */              \
    X(WORD, "word")         /* an enum, one of `words` */                                         \
    X(MAP, "mapping")       /* the struct of `table` */                                           \
    X(LIST, "list")         /* pointer to items (scalars: const char *), min..max of them */        \
    X(ENV, "variables")     /* const struct bw_env_entry *, NAME: text; at most `max` */

enum bw_key_kind {
#define X(name, word) BW_KEY_##name,
    BW_KEY_KIND_LIST(X)
#undef X
};

struct bw_env_entry {
    const char *name;
    const char *value;
};

struct bw_key_word {
    const char *word; /* NULL ends the list */
    uint32_t value;
};

struct bw_key {
    const char *name;
    enum bw_key_kind kind;
    bool required;
    size_t offset;
    uint32_t min;
    uint32_t max;
    /* Value when the key is absent, as one would write it; NULL: what the table's `init` left. */
    const char *absent;
    const char *absent_note; /* said in the reference in place of the value, such as "script_timeout" */
    const char *example;     /* shown when a required key is missing */
    const char *help;
    /* WORD and BOOL: all values. DURATION and NUMBER: names of particular values ("never" for 0). */
    const struct bw_key_word *words;
    const struct bw_table *table; /* MAP; LIST of mappings */
    enum bw_key_kind item;        /* LIST: kind of an item (TEXT, ADDRESS or MAP) */
    size_t count_offset;          /* LIST, ENV: uint32_t, how many */
    bool in_place;                /* LIST of mappings: the struct holds `max` items itself */
};

struct bw_table {
    const char *name; /* "witness.yaml", "groups[]" */
    const char *help;
    const struct bw_key *keys;
    size_t key_count;
    size_t size;         /* of the struct */
    void (*init)(void *); /* sets what has no `absent`; NULL: all zero */
};

/* Loads the document into `out`, a zeroed struct of the table's size. Strings and lists are taken
 * from `arena`. Notes every problem with the document; those of single keys leave the field as
 * `init` made it. Every value's place is marked for bw_document_fail. True when `out` is whole:
 * false means that the document has errors, and that only further checks may look at `out`. */
bool bw_schema_load(const struct bw_table *table, struct bw_document *document,
                    struct bw_config_arena *arena, void *out);

/* The reference: each key with kind, range, default and help; nested tables below. For the manual
 * page and `help`. */
void bw_schema_print_reference(const struct bw_table *table, FILE *out);

/* Keys of a table counted, nested ones too, as a document gives them: "12 keys". */
uint32_t bw_schema_count_given(const struct bw_document *document);

#define BW_KEY_COUNT(keys) (sizeof(keys) / sizeof((keys)[0]))

#endif
