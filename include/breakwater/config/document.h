/* document.h - one YAML file as a tree that knows its lines and columns.
 *
 * The file is hostile: at most 1 MiB, UTF-8 without control characters, one document, 16 levels, no
 * aliases, anchors, tags or merged keys. Everything is a scalar, a list or a mapping; what a scalar
 * means is decided by the key (scalar.h), never by its looks. */
#ifndef BW_CONFIG_DOCUMENT_H
#define BW_CONFIG_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/config/problems.h>

#define BW_CONFIG_FILE_BYTES_MAX (1024 * 1024)
#define BW_CONFIG_DEPTH_MAX 16
#define BW_CONFIG_NODES_MAX 100000

/* Memory that lives as long as what was loaded: freed in one go, never piece by piece. */
struct bw_config_arena {
    struct bw_config_block *blocks;
};

/* Zeroed, aligned for any type; ends the process when there is no memory: a configuration is at
 * most 1 MiB. Freed with the arena. */
void *bw_config_arena_take(struct bw_config_arena *arena, size_t size);
char *bw_config_arena_copy(struct bw_config_arena *arena, const char *text);
char *bw_config_arena_format(struct bw_config_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bw_config_arena_deinit(struct bw_config_arena *arena);

enum bw_node_kind { BW_NODE_SCALAR, BW_NODE_LIST, BW_NODE_MAP };

struct bw_node {
    enum bw_node_kind kind;
    uint32_t line;   /* from 1 */
    uint32_t column; /* from 1 */
    uint32_t width;  /* characters on the first line, at least 1 */
    bool quoted;     /* '…' or "…": text even where it looks like null */
    bool refused;    /* an alias or the like: a problem was noted, its value means nothing */
    bool faulty;     /* an error was noted here or inside */
    const char *text;       /* scalar: NUL-terminated, without NUL inside; "" otherwise */
    struct bw_node *first;  /* list: items. Map: key, value, key, value… */
    struct bw_node *next;
    struct bw_node *parent;
    uint32_t count;         /* list: items. Map: pairs */
};

/* Returns the node after `at` in the file, among `top` and all below it. NULL: `at` is the last. */
struct bw_node *bw_node_after(const struct bw_node *top, const struct bw_node *at);
/* Returns the value of `key`. NULL: `map` is NULL or no map, or has no such key. */
struct bw_node *bw_node_value(const struct bw_node *map, const char *key);

struct bw_document {
    struct bw_config_arena arena;
    struct bw_problems *problems; /* kept; where problems are noted */
    const char *file;             /* as the person wrote it */
    const char *directory;        /* absolute; relative paths in the file start here */
    uint32_t file_index;
    const char *text;
    size_t size;
    struct bw_node *root; /* NULL when the file could not be read as YAML */
    void *marks;          /* path → node; see bw_document_find */
};

/* Reads FILE. Problems go to `problems`, which must outlive the document. BW_OK also when the text
 * is not YAML (then `root` is NULL and a problem says so); otherwise the file could not be read, a
 * problem says that too, and the document is empty. Always `bw_document_deinit` it. */
enum bw_err bw_document_open(struct bw_document *document, const char *file,
                             struct bw_problems *problems);
/* The same from memory, of a file that would be called `file`. */
void bw_document_parse(struct bw_document *document, const char *file, const char *text,
                       size_t size, struct bw_problems *problems);
void bw_document_deinit(struct bw_document *document);

#define BW_QUOTE_BYTES 72
/* A value as an error message shows it: cut after 60 bytes, line breaks and tabs made visible. */
const char *bw_document_quote(const char *text, char out_quote[BW_QUOTE_BYTES]);

/* Notes a problem of a node, and for an error that the node is faulty. `path` names the key for people ("groups[0].name"; "": none). */
void bw_document_problem(struct bw_document *document, bool is_warning, struct bw_node *node,
                         const char *path, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Remembers, and finds again, the node of a value by its path: a check of several keys together
 * points at the one it is about. NULL: not in the file. */
void bw_document_mark(struct bw_document *document, const char *path, struct bw_node *node);
struct bw_node *bw_document_find(const struct bw_document *document, const char *path);
/* The key is in the file and nothing is wrong with its value, so that more can be asked of it. */
bool bw_document_is_sound(const struct bw_document *document, const char *path);

/* Notes an error or a warning about the key at `path`, at its value, or where it is absent at the
 * nearest mapping around it. */
void bw_document_fail(struct bw_document *document, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void bw_document_warn(struct bw_document *document, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
