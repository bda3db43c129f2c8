#include "yaml_tree.h"

#include "text_check.h"

#include <string.h>
#include <yaml.h>

#include <breakwater/base/assert.h>

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

static bool begin(struct builder *builder, const yaml_event_t *event, enum bw_node_kind kind,
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
        fail_at(builder, event->start_mark, "a second document; a file holds one");
        return false;
    case YAML_ALIAS_EVENT:
        node = add(builder, event, BW_NODE_SCALAR);
        if (node != NULL)
            refuse(builder, node, "aliases (*name) are not used here; write the value out");
        return node != NULL;
    case YAML_SCALAR_EVENT:
        return add_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return begin(builder, event, BW_NODE_LIST, event->data.sequence_start.anchor,
                     event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return begin(builder, event, BW_NODE_MAP, event->data.mapping_start.anchor,
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

void bw_yaml_tree_build(struct bw_document *document)
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
        bw_problems_add_file(document->problems, false, document->file, "holds no configuration");
    document->root = is_good ? root : NULL;
}
