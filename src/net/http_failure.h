/* http_failure.h - libcurl's verdicts in our words. Private to net. */
#ifndef BW_NET_HTTP_FAILURE_H
#define BW_NET_HTTP_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#include <breakwater/base/diag.h>

/* What is known about a transfer that failed. */
struct bw_http_failure {
    CURL *easy;
    CURLcode code;
    uint64_t after_ms;   /* of a timeout */
    bool has_connected;  /* TCP stood, TLS had begun */
    const char *detail;  /* libcurl's error buffer; may be "" */
    const char *where;   /* "HOST:PORT" */
    const char *cluster; /* ours */
};

/* Fills `out_diag` with "HOST:PORT: what happened"; returns its err. Never BW_OK. */
enum bw_err bw_http_failure_describe(const struct bw_http_failure *failure,
                                     struct bw_diag *out_diag);

#endif
