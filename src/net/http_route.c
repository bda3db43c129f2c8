#include "http_private.h"

#include <stdio.h>
#include <string.h>

bool bw_http_refuse(struct refusal *refusal, int status, const char *error, const char *hint)
{
    refusal->status = status;
    refusal->error = error;
    refusal->hint = hint;
    refusal->fields[0] = '\0';
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Percent-decodes `size` bytes. False when badly escaped, with a control byte, or too long. */
static bool decode(const char *text, size_t size, bool plus_is_blank, char *out, size_t out_size)
{
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (byte == '%') {
            int high = size - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = size - i > 2 ? hex_digit(text[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            byte = (unsigned char)(high * 16 + low);
            i += 2;
        } else if (byte == '+' && plus_is_blank) {
            byte = ' ';
        }
        if (byte < 0x20 || byte == 0x7f || used + 1 >= out_size)
            return false;
        out[used++] = (char)byte;
    }
    out[used] = '\0';
    return true;
}

enum bw_err bw_http_query(const struct bw_http_request *request, const char *key, char *out_value,
                          size_t size)
{
    const char *found = NULL;
    size_t found_size = 0;
    const char *item = request->query;

    while (*item != '\0') {
        size_t item_size = strcspn(item, "&");
        const char *equals = memchr(item, '=', item_size);
        size_t name_size = equals != NULL ? (size_t)(equals - item) : item_size;

        if (name_size == strlen(key) && memcmp(item, key, name_size) == 0) {
            if (found != NULL)
                return BW_ERR_INVALID;
            found = equals != NULL ? equals + 1 : item + item_size;
            found_size = item_size - (size_t)(found - item);
        }
        item += item_size + (item[item_size] == '&');
    }
    if (found == NULL)
        return BW_ERR_NOT_FOUND;
    return decode(found, found_size, true, out_value, size) ? BW_OK : BW_ERR_INVALID;
}

/* `path` against `pattern`, segment by segment; {…} segments go to `segments`. */
static bool match(const char *pattern, const char *path,
                  char segments[BW_HTTP_SEGMENTS_MAX][BW_NAME_MAX + 1])
{
    unsigned count = 0;

    while (*pattern == '/' && *path == '/') {
        size_t pattern_size = strcspn(++pattern, "/");
        size_t path_size = strcspn(++path, "/");

        if (pattern[0] == '{') {
            if (path_size == 0 || count == BW_HTTP_SEGMENTS_MAX ||
                !decode(path, path_size, false, segments[count++], BW_NAME_MAX + 1))
                return false;
        } else if (pattern_size != path_size || memcmp(pattern, path, path_size) != 0) {
            return false;
        }
        pattern += pattern_size;
        path += path_size;
    }
    return *pattern == '\0' && *path == '\0';
}

/* In place: path and query end with NUL. */
static bool split_target(struct exchange *exchange, struct refusal *refusal)
{
    char *target = exchange->target;
    char *question;

    for (size_t i = 0; i < exchange->target_size; i++) {
        if (target[i] <= 0x20 || target[i] == 0x7f || target[i] == '#')
            return bw_http_refuse(refusal, 400, "the target has a byte that cannot be there", NULL);
    }
    if (target[0] != '/')
        return bw_http_refuse(refusal, 400, "the target is not a path", NULL);
    question = strchr(target, '?');
    exchange->request.path = target;
    exchange->request.query = "";
    if (question != NULL) {
        *question = '\0';
        exchange->request.query = question + 1;
    }
    return true;
}

/* The routes of one path: the one for `method`, else NULL with the methods there are. */
static const struct bw_http_route *find_route(const struct bw_http_server_config *config,
                                              struct bw_http_request *request, const char *method,
                                              char allowed[64])
{
    size_t used = 0;

    allowed[0] = '\0';
    for (size_t i = 0; i < config->route_count; i++) {
        const struct bw_http_route *route = &config->routes[i];

        if (!match(route->pattern, request->path, request->segments))
            continue;
        if (strcmp(route->method, method) == 0)
            return route;
        int wrote = snprintf(allowed + used, 64 - used, "%s%s",
                             used > 0 ? ", " : "Allow: ", route->method);

        if (wrote > 0 && used + (size_t)wrote < 64 - 2)
            used += (size_t)wrote;
        allowed[used] = '\0';
    }
    if (used > 0)
        memcpy(allowed + used, "\r\n", 3);
    return NULL;
}

static bool refuse_stranger(struct refusal *refusal, bool has_certificate)
{
    return bw_http_refuse(
        refusal, 401,
        has_certificate ? "your certificate names no identity of this cluster"
                        : "a client certificate is needed",
        has_certificate ? "it needs exactly one URI: breakwater://CLUSTER/ROLE/NAME, with this "
                          "cluster's name"
                        : "show one that `breakwater pki issue` made (option --identity)");
}

/* The program's own judgement of a caller whose role has the right. */
static bool may(const struct bw_http_server_config *config, const struct bw_http_request *request,
                struct refusal *out_refusal)
{
    struct bw_http_refused *refused = &out_refusal->refused;

    if (config->may == NULL)
        return true;
    *refused = (struct bw_http_refused){.error = "", .hint = ""};
    if (config->may(request, refused, config->user))
        return true;
    return bw_http_refuse(out_refusal, 403, refused->error,
                          refused->hint[0] != '\0' ? refused->hint : NULL);
}

bool bw_http_route_request(const struct bw_http_server_config *config, struct exchange *exchange,
                           const char *method, bool has_certificate, struct refusal *out_refusal)
{
    struct bw_http_request *request = &exchange->request;
    const struct bw_http_route *route;
    char allowed[64];

    if (!split_target(exchange, out_refusal))
        return false;
    request->is_head = strcmp(method, "HEAD") == 0;
    route = find_route(config, request, request->is_head ? "GET" : method, allowed);
    if (request->peer == NULL && (route == NULL || route->roles != BW_HTTP_OPEN))
        return refuse_stranger(out_refusal, has_certificate);
    if (route == NULL && allowed[0] == '\0')
        return bw_http_refuse(out_refusal, 404, BW_HTTP_NO_SUCH_PATH, NULL);
    if (route == NULL) {
        (void)bw_http_refuse(out_refusal, 405, "this method does not go with this path", NULL);
        memcpy(out_refusal->fields, allowed, sizeof allowed);
        return false;
    }
    request->route = route;
    if (route->roles != BW_HTTP_OPEN &&
        (request->peer == NULL || (route->roles & BW_ROLE_BIT(request->peer->role)) == 0))
        return bw_http_refuse(out_refusal, 403, "your certificate's role has no right to do this",
                              NULL);
    return may(config, request, out_refusal);
}
