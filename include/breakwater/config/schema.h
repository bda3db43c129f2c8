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
enum bw_key_kind {
    BW_KEY_NAME,      /* char[BW_NAME_MAX + 1] */
    BW_KEY_TEXT,      /* const char *, min..max bytes */
    BW_KEY_PATH,      /* const char *, absolute, at most `max` bytes */
    BW_KEY_ADDRESS,   /* char[BW_ADDRESS_MAX + 1], HOST:PORT; min 0 allows port 0 */
    BW_KEY_DURATION,  /* uint32_t milliseconds, min..max */
    BW_KEY_NUMBER,    /* uint32_t, min..max */
    BW_KEY_BOOL,      /* bool; with `words` these instead of true and false */
    BW_KEY_WORD,      /* an enum, one of `words` */
    BW_KEY_MAP,       /* the struct of `table` */
    BW_KEY_LIST,      /* pointer to items (scalars: const char *), min..max of them */
    BW_KEY_ENV,       /* const struct bw_env_entry *, NAME: text; at most `max` */
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
    enum bw_key_kind item; /* LIST: kind of an item (TEXT, ADDRESS or MAP) */
    bool required;
    bool in_place; /* LIST of mappings: the struct holds `max` items itself */
    uint32_t min;
    uint32_t max; /* 0: no bound */
    size_t offset;
    size_t count_offset; /* LIST, ENV: uint32_t, how many */
    /* Value when the key is absent, as one would write it; NULL: what the table's `init` left. */
    const char *absent;
    const char *absent_note; /* said in the reference in place of the value ("script_timeout") */
    const char *example;     /* shown when a required key is missing */
    const char *help;
    /* WORD and BOOL: all values. DURATION and NUMBER: names of particular values ("never"). */
    const struct bw_key_word *words;
    const struct bw_table *table; /* MAP; LIST of mappings */
};

/* A row: BW_KEY(DURATION, "lease_margin", offsetof(struct bw_spec, margin_ms), .help = "...") */
#define BW_KEY(is, word, at, ...)                                                                  \
    {                                                                                              \
        .name = (word), .kind = BW_KEY_##is, .offset = (at), __VA_ARGS__                           \
    }

/* A key that is no longer read, and what to write. */
struct bw_retired_key {
    const char *name;
    const char *instead;
};

struct bw_table {
    const char *name; /* "witness.yaml", "groups[]" */
    const char *help;
    const struct bw_key *keys;
    size_t key_count;
    size_t size;         /* of the struct */
    void (*init)(void *); /* sets what has no `absent`; NULL: all zero */
    const struct bw_retired_key *retired; /* ends with no name; NULL: there is none */
    bool is_part; /* no key of it is required, for the rest is written elsewhere, and described there */
    size_t described_elsewhere; /* so many keys at its end are those of another table */
};

/* Loads the document into `out`, a struct of the table's size. Strings and lists are taken from
 * `arena`. Notes every problem with the document; a value with a problem leaves its field as it is
 * when the key is absent. Every value's place is marked for bw_document_fail; a key that a
 * suggestion named is marked too, with what was meant for it. False: the document is no mapping, and
 * `out` has only what absent keys mean. Whether there were errors: problems->error_count. */
bool bw_schema_load(const struct bw_table *table, struct bw_document *document,
                    struct bw_config_arena *arena, void *out);

/* A reload: the first of `names` (keys of the table's own level that have one value each, ended by NULL)
 * whose value in `fresh` is not that in `old`; NULL: none. Both are structs that were loaded by `table`. */
const char *bw_schema_first_change(const struct bw_table *table, const char *const *names,
                                   const void *old, const void *fresh);

/* The reference: each key with kind, range, default and help; nested tables below. For the manual
 * page and `help`. A failed write stays in ferror(out). */
void bw_schema_print_reference(const struct bw_table *table, FILE *out);

#define BW_KEY_COUNT(keys) (sizeof(keys) / sizeof((keys)[0]))

#endif
