#include "http_target.h"

#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include <breakwater/base/bytes.h>
#include <breakwater/net/address.h>

static bool get_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    bool is_got;

    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return false;
    is_got = bw_copy_text(out, size, text);
    curl_free(text);
    return is_got;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    const bool is_there = curl_url_get(url, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return is_there;
}

static void note_name(struct bw_http_target *target)
{
    struct bw_address address;
    struct sockaddr_storage numeric;

    target->name[0] = '\0';
    if (bw_address_parse(target->where, &address, NULL) == BW_OK && !bw_address_is_numeric(&address, &numeric))
        memcpy(target->name, address.host, sizeof target->name);
}

bool bw_http_target_of(const char *text, struct bw_http_target *out)
{
    CURLU *url = curl_url();
    char host[BW_HTTP_WHERE_BYTES - 6]; /* IPv6: in brackets */
    char scheme[8];
    bool is_good = false;

    if (url != NULL && strlen(text) <= BW_HTTP_URL_BYTES_MAX &&
        curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
        is_good = get_part(url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) &&
                  strcmp(scheme, "https") == 0 && !has_part(url, CURLUPART_USER) &&
                  get_part(url, CURLUPART_HOST, 0, host, sizeof host) &&
                  get_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, out->port, sizeof out->port);
    if (is_good)
        (void)snprintf(out->where, sizeof out->where, "%s:%s", host, out->port); /* sized for it */
    curl_url_cleanup(url);
    if (is_good)
        note_name(out);
    return is_good;
}
