#include <stdio.h>
#include <string.h>

#include "parts.h"

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-"
#define FILLED_BYTES 8192

/* ---- texts ----------------------------------------------------------------------------------- */

/* Plain where no reader of YAML takes it for anything else. JSON's quotes are YAML's, too. */
void bw_yaml_text(FILE *out, const char *text)
{
    if (text[0] != '\0' && text[0] != '-' && strspn(text, PLAIN) == strlen(text)) {
        (void)fputs(text, out);
        return;
    }
    (void)putc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            (void)fprintf(out, "\\%c", *text);
        else if (*text == '\n')
            (void)fputs("\\n", out);
        else if (*text == '\t')
            (void)fputs("\\t", out);
        else
            (void)putc(*text, out);
    }
    (void)putc('"', out);
}

static const char *filling_of(const char **at, const struct bw_fillings *fillings)
{
    const struct {
        const char *name, *value;
    } all[] = {{"$SCRIPTS", fillings->scripts},
               {"$SITE", fillings->site},
               {"$ADDRESS", fillings->address},
               {"$PEERS", fillings->peers},
               {"$PEER_ADDRESSES", fillings->peer_addresses}};
    const size_t length = 1 + strspn(*at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strlen(all[i].name) != length || strncmp(*at, all[i].name, length) != 0)
            continue;
        *at += length;
        return all[i].value;
    }
    return NULL;
}

bool bw_fill(const char *text, const struct bw_fillings *fillings, char *out, size_t size)
{
    size_t used = 0;

    while (*text != '\0') {
        const char *value = *text == '$' ? filling_of(&text, fillings) : NULL;
        const size_t length = value != NULL ? strlen(value) : 1;

        if (used + length >= size)
            return false;
        memcpy(out + used, value != NULL ? value : text, length);
        used += length;
        text += value == NULL;
    }
    out[used] = '\0';
    return true;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void put_scalar(FILE *out, const struct bw_node *node, const struct bw_fillings *fillings)
{
    char filled[FILLED_BYTES];

    bw_yaml_text(out, bw_fill(node->text, fillings, filled, sizeof filled) ? filled : node->text);
}

/* One level of lists and mappings in a line, as in {needs: [a, b]}. */
static void put_inline(FILE *out, const struct bw_node *node, const struct bw_fillings *fillings)
{
    const bool is_map = node->kind == BW_NODE_MAP;

    if (node->kind == BW_NODE_SCALAR) {
        put_scalar(out, node, fillings);
        return;
    }
    (void)putc(is_map ? '{' : '[', out);
    for (const struct bw_node *at = node->first; at != NULL; at = at->next) {
        (void)fputs(at == node->first ? "" : ", ", out);
        if (is_map) {
            bw_yaml_text(out, at->text);
            (void)fputs(": ", out);
            at = at->next;
        }
        if (at->kind == BW_NODE_LIST) {
            (void)putc('[', out);
            for (const struct bw_node *item = at->first; item != NULL; item = item->next) {
                (void)fputs(item == at->first ? "" : ", ", out);
                put_scalar(out, item, fillings);
            }
            (void)putc(']', out);
        } else {
            put_scalar(out, at, fillings);
        }
    }
    (void)putc(is_map ? '}' : ']', out);
}

void bw_yaml_pair(FILE *out, const char *key, const struct bw_node *value, unsigned indent, const struct bw_fillings *fillings)
{
    const bool is_long = value->kind == BW_NODE_LIST && value->first != NULL && value->first->kind == BW_NODE_MAP;

    (void)fprintf(out, "%*s%s:", (int)indent, "", key);
    if (is_long) {
        (void)putc('\n', out);
        for (const struct bw_node *item = value->first; item != NULL; item = item->next) {
            (void)fprintf(out, "%*s- ", (int)indent + 2, "");
            put_inline(out, item, fillings);
            (void)putc('\n', out);
        }
        return;
    }
    if (value->kind == BW_NODE_MAP) {
        (void)putc('\n', out);
        for (const struct bw_node *name = value->first; name != NULL; name = name->next->next) {
            (void)fprintf(out, "%*s", (int)indent + 2, "");
            bw_yaml_text(out, name->text);
            (void)fputs(": ", out);
            put_inline(out, name->next, fillings);
            (void)putc('\n', out);
        }
        return;
    }
    (void)putc(' ', out);
    put_inline(out, value, fillings);
    (void)putc('\n', out);
}
