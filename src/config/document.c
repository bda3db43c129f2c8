/* A file of YAML: its text, its tree, its places. */
#include <breakwater/config/document.h>

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/utf8.h>

#include "config_file.h"

/* ---- YAML events to a tree ---- */

struct builder {
    struct bw_document *document;
    yaml_parser_t parser;
    struct bw_node *open;  /* the innermost list or mapping that has not ended */
    struct bw_node **tail; /* where the next node goes */
    struct bw_node **tails[BW_CONFIG_DEPTH_MAX];
    uint32_t depth;
    uint32_t node_count;
    uint32_t documents;
};

/* A place in the text as a node, so that a problem can be noted there. */
static struct bw_node spot(yaml_mark_t mark, uint32_t width)
{
    return (struct bw_node){
        .line = (uint32_t)mark.line + 1, .column = (uint32_t)mark.column + 1, .width = width};
}

static void fail_at(struct builder *builder, yaml_mark_t mark, const char *text)
{
    struct bw_node at = spot(mark, 1);

    bw_document_problem(builder->document, false, &at, "", "%s", text);
}

/* A tab where libyaml finds no token is somebody's indentation. */
static const char *tab_hint(const struct bw_document *document, yaml_mark_t mark)
{
    const char *line = document->text;

    for (size_t i = 0; i < mark.line && line != NULL; i++) {
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    if (line == NULL || line[strspn(line, " ")] != '\t')
        return "";
    return " (indent with spaces, not with tabs)";
}

static void note_syntax(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    struct bw_node at = spot(parser->problem_mark, 1);
    const char *problem = parser->problem != NULL ? parser->problem : "it cannot be read";
    const char *hint = tab_hint(builder->document, parser->problem_mark);

    if (parser->context == NULL)
        bw_document_problem(builder->document, false, &at, "", "not YAML: %s%s", problem, hint);
    else
        bw_document_problem(builder->document, false, &at, "",
                            "not YAML: %s %s that begins in line %zu%s", problem, parser->context,
                            parser->context_mark.line + 1, hint);
}

/* Puts a node into the list or mapping that is open. NULL: too many. */
static struct bw_node *add(struct builder *builder, const yaml_event_t *event,
                           enum bw_node_kind kind)
{
    struct bw_node *node;
    uint32_t width = 1;

    if (builder->node_count == BW_CONFIG_NODES_MAX) {
        fail_at(builder, event->start_mark, "more than 100000 values in one file");
        return NULL;
    }
    builder->node_count++;
    if (kind == BW_NODE_SCALAR && event->end_mark.line == event->start_mark.line &&
        event->end_mark.column > event->start_mark.column)
        width = (uint32_t)(event->end_mark.column - event->start_mark.column);
    node = bw_config_arena_take(&builder->document->arena, sizeof *node);
    *node = spot(event->start_mark, width);
    node->kind = kind;
    node->text = "";
    node->parent = builder->open;
    *builder->tail = node;
    builder->tail = &node->next;
    if (builder->open != NULL)
        builder->open->count++;
    return node;
}

static void refuse(struct builder *builder, struct bw_node *node, const char *text)
{
    node->refused = true;
    bw_document_problem(builder->document, false, node, "", "%s", text);
}

/* Anchors and tags would let a file say more than what stands where it stands. */
static void refuse_extras(struct builder *builder, struct bw_node *node, const yaml_char_t *anchor,
                          const yaml_char_t *tag)
{
    if (anchor != NULL)
        refuse(builder, node, "anchors (&name) are not used here; write the value out");
    else if (tag != NULL)
        refuse(builder, node, "tags (!name) are not used here; write the value alone");
}

static bool add_scalar(struct builder *builder, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    struct bw_node *node = add(builder, event, BW_NODE_SCALAR);
    const char *why;
    size_t offset = 0;

    if (node == NULL)
        return false;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    refuse_extras(builder, node, event->data.scalar.anchor, event->data.scalar.tag);
    why = bw_text_check(value, event->data.scalar.length, &offset); /* escapes in "..." */
    if (why != NULL)
        refuse(builder, node, why);
    else
        node->text = bw_config_arena_copy(&builder->document->arena, value);
    return true;
}

static bool tree_begin(struct builder *builder, const yaml_event_t *event, enum bw_node_kind kind,
                  const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct bw_node *node;

    if (builder->depth == BW_CONFIG_DEPTH_MAX) {
        fail_at(builder, event->start_mark, "nested deeper than 16 levels");
        return false;
    }
    node = add(builder, event, kind);
    if (node == NULL)
        return false;
    refuse_extras(builder, node, anchor, tag);
    builder->tails[builder->depth++] = builder->tail;
    builder->open = node;
    builder->tail = &node->first;
    return true;
}

static void end(struct builder *builder)
{
    BW_ASSERT(builder->depth > 0);
    if (builder->open->kind == BW_NODE_MAP)
        builder->open->count /= 2; /* keys and values were counted one by one */
    builder->open = builder->open->parent;
    builder->tail = builder->tails[--builder->depth];
}

/* One event. False: the tree is of no use. */
static bool take(struct builder *builder, const yaml_event_t *event)
{
    struct bw_node *node;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++builder->documents == 1)
            return true;
        fail_at(builder, event->start_mark, "a second document; a file can hold only one");
        return false;
    case YAML_ALIAS_EVENT:
        node = add(builder, event, BW_NODE_SCALAR);
        if (node != NULL)
            refuse(builder, node, "aliases (*name) are not used here; write the value out");
        return node != NULL;
    case YAML_SCALAR_EVENT:
        return add_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return tree_begin(builder, event, BW_NODE_LIST, event->data.sequence_start.anchor,
                     event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return tree_begin(builder, event, BW_NODE_MAP, event->data.mapping_start.anchor,
                     event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        end(builder);
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    }
    return false;
}

/* Sets document->root from its text, which is UTF-8 without control characters; leaves it NULL,
 * with a problem noted, when the text is not YAML or meets a limit. */
static void build_tree(struct bw_document *document)
{
    struct builder builder = {.document = document};
    struct bw_node *root = NULL;
    bool is_good = true;
    bool has_ended = false;

    builder.tail = &root;
    BW_ASSERT(yaml_parser_initialize(&builder.parser) == 1);
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)document->text,
                                 document->size);
    while (is_good && !has_ended) {
        yaml_event_t event;

        if (yaml_parser_parse(&builder.parser, &event) == 0) {
            note_syntax(&builder);
            is_good = false;
            break;
        }
        has_ended = event.type == YAML_STREAM_END_EVENT;
        is_good = take(&builder, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&builder.parser);
    if (is_good && root == NULL)
        bw_problems_add_file(document->problems, false, document->file, "is empty: it has no configuration");
    document->root = is_good ? root : NULL;
}

/* ---- documents ---- */

struct mark {
    const char *path;
    struct bw_node *node;
};

/* ---- reading ------------------------------------------------------------------------------- */

/* Every character is one that may be there; otherwise a problem is noted at the first that is not.
 */
static bool check_text(struct bw_document *document)
{
    struct bw_node at = {.line = 1, .column = 1, .width = 1};
    size_t offset = 0;
    const char *why = bw_text_check(document->text, document->size, &offset);

    if (why == NULL)
        return true;
    for (size_t i = 0; i < offset; i++) {
        at.column += !bw_utf8_continues(document->text[i]);
        if (document->text[i] == '\n') {
            at.line++;
            at.column = 1;
        }
    }
    bw_document_problem(document, false, &at, "", "%s", why);
    return false;
}

static void set_directory(struct bw_document *document, const char *file)
{
    const char *slash = strrchr(file, '/');
    char current[4096];

    if (file[0] == '/') {
        document->directory = bw_config_arena_format(&document->arena, "%.*s",
                                                     slash == file ? 1 : (int)(slash - file), file);
        return;
    }
    if (getcwd(current, sizeof current) == NULL)
        (void)bw_copy_text(current, sizeof current, "."); /* paths stay relative to it */
    if (slash == NULL)
        document->directory = bw_config_arena_copy(&document->arena, current);
    else
        document->directory = bw_config_arena_format(&document->arena, "%s/%.*s", current,
                                                     (int)(slash - file), file);
}

static void begin(struct bw_document *document, const char *file, struct bw_problems *problems)
{
    *document = (struct bw_document){.problems = problems, .text = ""};
    document->file = bw_config_arena_copy(&document->arena, file);
    document->file_index = bw_problems_file(problems, file);
    set_directory(document, file);
}

static void parse(struct bw_document *document, const char *text, size_t size)
{
    char *copy;

    if (size > BW_CONFIG_FILE_BYTES_MAX) {
        bw_problems_add_file(document->problems, false, document->file,
                             "is larger than 1 MiB; this is not a configuration");
        return;
    }
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3; /* the mark that some editors put in front */
        size -= 3;
    }
    copy = bw_config_arena_take(&document->arena, size + 1);
    memcpy(copy, text, size);
    document->text = copy;
    document->size = size;
    if (check_text(document))
        build_tree(document);
}

void bw_document_parse(struct bw_document *document, const char *file, const char *text,
                       size_t size, struct bw_problems *problems)
{
    begin(document, file, problems);
    parse(document, text, size);
}

/* Reads up to the limit and one byte more. False with errno on failure. */
static bool read_all(int fd, char *buffer, size_t size, size_t *out_used)
{
    size_t used = 0;

    while (used < size) {
        const ssize_t got = read(fd, buffer + used, size - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    *out_used = used;
    return true;
}

static enum bw_err note_unreadable(struct bw_document *document, int os_errno)
{
    struct bw_diag diag = {0};
    const enum bw_err err = bw_diag_errno(&diag, os_errno, "cannot be read");

    bw_problems_add_file(document->problems, false, document->file, "%s", diag.text);
    return err;
}

enum bw_err bw_document_open(struct bw_document *document, const char *file,
                             struct bw_problems *problems)
{
    const size_t room = BW_CONFIG_FILE_BYTES_MAX + 1;
    struct stat status;
    enum bw_err err = BW_OK;
    size_t used = 0;
    char *buffer;
    int fd;

    begin(document, file, problems);
    fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return note_unreadable(document, errno);
    buffer = malloc(room);
    BW_ASSERT(buffer != NULL);
    if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
        bw_problems_add_file(problems, false, file, "is not a file");
        err = BW_ERR_INVALID;
    } else if (!read_all(fd, buffer, room, &used)) {
        err = note_unreadable(document, errno);
    } else {
        parse(document, buffer, used);
    }
    free(buffer);
    (void)close(fd); /* read only: nothing is left that close could lose */
    return err;
}

/* Nodes and paths are in the arena. */
static void keep(void *mark)
{
    (void)mark;
}

void bw_document_deinit(struct bw_document *document)
{
    tdestroy(document->marks, keep);
    document->marks = NULL;
    bw_config_arena_deinit(&document->arena);
    document->root = NULL;
}

/* ---- places -------------------------------------------------------------------------------- */

struct bw_node *bw_node_after(const struct bw_node *top, const struct bw_node *at)
{
    if (at->first != NULL)
        return at->first;
    for (; at != top; at = at->parent)
        if (at->next != NULL)
            return at->next;
    return NULL;
}

struct bw_node *bw_node_value(const struct bw_node *map, const char *key)
{
    const struct bw_node *at = map != NULL && map->kind == BW_NODE_MAP ? map->first : NULL;

    while (at != NULL && strcmp(at->text, key) != 0)
        at = at->next->next;
    return at != NULL ? at->next : NULL;
}

static int compare_places(const void *left, const void *right)
{
    return strcmp(((const struct mark *)left)->path, ((const struct mark *)right)->path);
}

void bw_document_mark(struct bw_document *document, const char *path, struct bw_node *node)
{
    struct mark *mark = bw_config_arena_take(&document->arena, sizeof *mark);

    mark->path = bw_config_arena_copy(&document->arena, path);
    mark->node = node;
    BW_ASSERT(tsearch(mark, &document->marks, compare_places) != NULL);
}

struct bw_node *bw_document_find(const struct bw_document *document, const char *path)
{
    const struct mark wanted = {.path = path};
    struct mark *const *found = tfind(&wanted, &document->marks, compare_places);

    return found == NULL ? NULL : (*found)->node;
}

bool bw_document_is_sound(const struct bw_document *document, const char *path)
{
    const struct bw_node *node = bw_document_find(document, path);

    return node != NULL && !node->faulty;
}

/* ---- problems ------------------------------------------------------------------------------ */

const char *bw_document_quote(const char *text, char out_quote[BW_QUOTE_BYTES])
{
    size_t used = 0;

    for (; *text != '\0' && used < 60; text++) {
        const unsigned char byte = (unsigned char)*text;

        if (byte < 0x20 || byte == 0x7f) { /* from an escape in "…" */
            out_quote[used++] = '\\';
            if (byte == '\n')
                out_quote[used++] = 'n';
            else
                out_quote[used++] = "t?"[byte != '\t'];
        } else {
            out_quote[used++] = *text;
        }
    }
    if (*text != '\0') {
        while (used > 0 && bw_utf8_continues(text[0])) {
            text--; /* not in the middle of a character */
            used--;
        }
        memcpy(out_quote + used, "...", 3);
        used += 3;
    }
    out_quote[used] = '\0';
    return out_quote;
}

#define EXCERPT_CHARACTERS_MAX 90 /* of up to 4 bytes */
#define EXCERPT_BEFORE_MAX     60

/* Copies the line of the node, or the part of a long one that has the column in it. */
static void set_excerpt(const struct bw_document *document, struct bw_problem *problem)
{
    const char *end = document->text + document->size;
    const char *line = document->text;
    uint32_t column = 1;
    uint32_t count = 0;
    size_t used = 0;

    for (uint32_t i = 1; i < problem->line && line < end; i++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));

        line = newline == NULL ? end : newline + 1;
    }
    for (; column + EXCERPT_BEFORE_MAX < problem->column && line < end && *line != '\n'; column++) {
        do
            line++;
        while (line < end && bw_utf8_continues(*line));
    }
    problem->excerpt_column = problem->column - column + 1;
    for (; line < end && *line != '\n' && *line != '\r'; line++) {
        const unsigned char byte = (unsigned char)*line;

        if (!bw_utf8_continues(*line) && count++ == EXCERPT_CHARACTERS_MAX)
            break;
        if (used + 1 == sizeof problem->excerpt)
            break;
        problem->excerpt[used++] = *line;
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            problem->excerpt[used - 1] = '?';
    }
    while (used > 0 && problem->excerpt[used - 1] == ' ')
        used--;
    problem->excerpt[used] = '\0';
    if (count > EXCERPT_CHARACTERS_MAX)
        count = EXCERPT_CHARACTERS_MAX;
    if (problem->excerpt_column + problem->width > count + 1)
        problem->width = problem->excerpt_column > count ? 1 : count + 1 - problem->excerpt_column;
}

static void note(struct bw_document *document, bool is_warning, struct bw_node *node,
                 const char *path, const char *format, va_list args)
{
    struct bw_problem *problem = bw_problems_add(document->problems, is_warning);
    int used = 0;
    int wanted;

    for (struct bw_node *up = node; up != NULL && !is_warning; up = up->parent)
        up->faulty = true;
    if (problem == NULL)
        return;
    problem->file = document->file_index;
    if (node != NULL) {
        problem->line = node->line;
        problem->column = node->column;
        problem->width = node->width;
        set_excerpt(document, problem);
    }
    if (path[0] != '\0')
        used = snprintf(problem->text, sizeof problem->text, "%s: ", path);
    BW_ASSERT(used >= 0 && (size_t)used < sizeof problem->text);
    wanted = vsnprintf(problem->text + used, sizeof problem->text - (size_t)used, format, args);
    if (wanted >= 0 && (size_t)used + (size_t)wanted >= sizeof problem->text)
        memcpy(problem->text + sizeof problem->text - 4, "...", 4);
}

void bw_document_problem(struct bw_document *document, bool is_warning, struct bw_node *node,
                         const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    note(document, is_warning, node, path, format, args);
    va_end(args);
}

/* The node at `path`, or the nearest one around it. */
static struct bw_node *nearest(const struct bw_document *document, const char *path)
{
    char around[256];
    size_t length;

    if (!bw_copy_text(around, sizeof around, path))
        return document->root;
    for (length = strlen(around); length > 0; length--) {
        struct bw_node *node;

        if (around[length] != '\0' && around[length] != '.' && around[length] != '[')
            continue;
        around[length] = '\0';
        node = bw_document_find(document, around);
        if (node != NULL)
            return node;
    }
    return document->root;
}

void bw_document_fail(struct bw_document *document, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    note(document, false, nearest(document, path), path, format, args);
    va_end(args);
}

void bw_document_warn(struct bw_document *document, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    note(document, true, nearest(document, path), path, format, args);
    va_end(args);
}
