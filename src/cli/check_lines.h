/* check_lines.h - what `check` prints: one line for each thing that was looked at. */
#ifndef BW_CLI_CHECK_LINES_H
#define BW_CLI_CHECK_LINES_H

#include <stdint.h>

#define BW_CHECK_VERDICT_LIST(X)                                                                   \
    X(OK, "ok") X(WARN, "WARN") X(FAIL, "FAIL")
enum bw_check_verdict {
#define X(name, word) BW_CHECK_##name,
    BW_CHECK_VERDICT_LIST(X)
#undef X
};

struct bw_check_lines {
    uint32_t failed_count;
    uint32_t warned_count;
};

/* Prints "VERDICT SUBJECT TEXT" to stdout and counts it. */
void bw_check_line(struct bw_check_lines *lines, enum bw_check_verdict verdict, const char *subject,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
