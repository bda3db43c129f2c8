/* page.c - the status page at /: for people who would rather look. Three files, made into the
 * program when it is built; what they show they ask for at /v1/status and /v1/history, as whoever
 * looks. Design 5.3. */
#include "program.h"

#include "page_files.h"

/* Nothing but what comes from here, nothing inline, and no page of others around it. */
#define HEAD_FIELDS                                                                                \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "           \
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "                     \
    "frame-ancestors 'none'\r\n"                                                                   \
    "X-Frame-Options: DENY\r\n"                                                                    \
    "Referrer-Policy: no-referrer\r\n"                                                             \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                  \
    "Cross-Origin-Resource-Policy: same-origin\r\n"

static void on_html(struct bw_http_request *request, void *user)
{
    (void)user; /* it is the same for everybody */
    bw_http_respond_with(request, 200, HEAD_FIELDS, "text/html; charset=utf-8", page_html,
                         sizeof page_html);
}

static void on_script(struct bw_http_request *request, void *user)
{
    (void)user;
    bw_http_respond_with(request, 200, HEAD_FIELDS, "text/javascript; charset=utf-8", page_js,
                         sizeof page_js);
}

static void on_style(struct bw_http_request *request, void *user)
{
    (void)user;
    bw_http_respond_with(request, 200, HEAD_FIELDS, "text/css; charset=utf-8", page_css,
                         sizeof page_css);
}

/* Who may ask for status at all; what he sees of it is judged there. */
const struct bw_http_route bw_page_routes[] = {
    {"GET", "/", BW_ROLES_ANY, BW_HTTP_ABOUT_NOTHING, on_html},
    {"GET", "/page.js", BW_ROLES_ANY, BW_HTTP_ABOUT_NOTHING, on_script},
    {"GET", "/page.css", BW_ROLES_ANY, BW_HTTP_ABOUT_NOTHING, on_style},
};
const size_t bw_page_route_count = sizeof bw_page_routes / sizeof bw_page_routes[0];
