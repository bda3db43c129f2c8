/* log.h - one event, one line, one place.
 *
 * A line is `ts=... level=... event=noun.happened component=... key=value ...` on stderr (logfmt);
 * under systemd (JOURNAL_STREAM names stderr) `<N>` replaces the time stamp. Waits for no reader: a line
 * that a pipe, a socket or a terminal does not take at once is lost, and the next one that it takes comes
 * after `log.lost` with the count. Two kinds of file are waited for, since no call on Linux writes to them
 * otherwise: one on a disk that hangs, and the terminal of another user (one that this process may not open
 * once more) which nobody reads. Thread rule: the loop's thread only. */
#ifndef BW_OBS_LOG_H
#define BW_OBS_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define BW_LOG_LINE_BYTES_MAX 4096 /* with its newline; not over PIPE_BUF: a line stays whole */

enum bw_log_level { BW_LOG_ERROR, BW_LOG_WARN, BW_LOG_INFO, BW_LOG_DEBUG };

/* Where and from which level on; one per process. `component` ("witness", "agent", ...) is kept. */
struct bw_log {
    int fd;         /* stderr's, or one of its own that leads there and never waits */
    bool is_own;
    bool is_socket;
    bool is_torn;   /* it took a part of a line, and no newline since */
    enum bw_log_level level;
    bool journal;
    char component[32];
    uint64_t lost_count; /* lines that `fd` did not take since it last took one */
};

/* Logs to what is stderr by now. A component that does not fit is cut. */
void bw_log_init(struct bw_log *log, const char *component, enum bw_log_level level);
/* What is logged afterwards is lost. */
void bw_log_deinit(struct bw_log *log);

/* Writes one line of at most BW_LOG_LINE_BYTES_MAX (longer: cut, marked "..."). `event` is a
 * stable name. `format` gives "key=value key=value"; values that people or peers wrote go through
 * bw_log_quote; a control byte that comes without it shows as `?`, so that nobody forges a line.
 * errno stays as it was. log == NULL: nothing happens. */
void bw_log_write(struct bw_log *log, enum bw_log_level level, const char *event,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

#define bw_log_error(log, ...) bw_log_write((log), BW_LOG_ERROR, __VA_ARGS__)
#define bw_log_warn(log, ...) bw_log_write((log), BW_LOG_WARN, __VA_ARGS__)
#define bw_log_info(log, ...) bw_log_write((log), BW_LOG_INFO, __VA_ARGS__)
#define bw_log_debug(log, ...) bw_log_write((log), BW_LOG_DEBUG, __VA_ARGS__)

/* A quoted, escaped copy of `text` (as \xNN: what bw_utf8_is_hidden knows, and bytes that are no
 * UTF-8) for one %s of one log call: four buffers in turn, each good until the fourth call after
 * it. Text that does not fit in a line is cut, marked "..."; NULL is quoted as "". */
const char *bw_log_quote(const char *text);

/* What others cause as often as they like, told at a bounded rate: BW_SUMMARY_BURST at once,
 * then one every BW_SUMMARY_MS, each with the number that it stands for. So nobody fills a disk by being
 * refused, and a first look at the log still has single events. Pure. */

#define BW_SUMMARY_BURST 10
#define BW_SUMMARY_MS    10000

/* Zeroed at the beginning. */
struct bw_summary {
    uint64_t suppressed_count;
    uint64_t spent_count; /* of the burst */
    uint64_t since_ms;    /* of the last one that came back to the burst */
};

/* Counts one event. 0: say nothing now, else how many there were since the last that was told.
 * `now_ms` never goes back. */
uint64_t bw_summary_add(struct bw_summary *summary, uint64_t now_ms);
/* The same without a new event: for the last ones of a flood, which no later one tells. */
uint64_t bw_summary_flush(struct bw_summary *summary, uint64_t now_ms);

#endif
