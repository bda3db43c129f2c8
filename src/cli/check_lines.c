#include "check_lines.h"

#include <stdarg.h>
#include <stdio.h>

#include <breakwater/base/words.h>

static BW_WORDS(word_of, enum bw_check_verdict, BW_CHECK_VERDICT_LIST, "FAIL")

void bw_check_line(struct bw_check_lines *lines, enum bw_check_verdict verdict, const char *subject,
                   const char *format, ...)
{
    va_list args;

    lines->failed_count += verdict == BW_CHECK_FAIL;
    lines->warned_count += verdict == BW_CHECK_WARN;
    (void)printf("%-7s%-19s ", word_of(verdict), subject); /* a failed write stays in stdout */
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}
