#include <breakwater/obs/log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/instant.h>
#include <breakwater/base/utf8.h>

_Static_assert(BW_LOG_LINE_BYTES_MAX <= PIPE_BUF, "a pipe takes a line whole or not at all");

#define CUT_MARK "..."
#define QUOTE_BUFFERS 4

struct line {
    char text[BW_LOG_LINE_BYTES_MAX]; /* the last byte is for the newline */
    size_t size;
    bool is_cut;
};

/* How systemd (sd-daemon(3)) and people call the levels. */
static const struct {
    const char *journal_prefix;
    const char *name;
} levels[] = {
    [BW_LOG_ERROR] = {"<3>", "error"},
    [BW_LOG_WARN] = {"<4>", "warn"},
    [BW_LOG_INFO] = {"<6>", "info"},
    [BW_LOG_DEBUG] = {"<7>", "debug"},
};

/* systemd.exec(5): JOURNAL_STREAM is "device:inode" of the stream that the journal gave us. Another
 * file on stderr (a redirection) means that nobody reads the prefix. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    char expected[64];

    if (stream == NULL || fstat(fd, &status) != 0)
        return false;
    (void)snprintf(expected, sizeof expected, "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino); /* two 20-digit numbers fit */
    return strcmp(stream, expected) == 0;
}

static bool has_type(int fd, mode_t type)
{
    struct stat status;

    return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == type;
}

/* Whoever shares our stderr would find O_NONBLOCK on it as well, and may not know what to do with EAGAIN: so a
 * terminal and a pipe are opened once more. -1: it is another kind of file, or is not ours to open. */
static int open_own(void)
{
    if (!has_type(STDERR_FILENO, S_IFIFO) && isatty(STDERR_FILENO) == 0)
        return -1;
    return open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void bw_log_init(struct bw_log *log, const char *component, enum bw_log_level level)
{
    const int own = open_own();

    *log = (struct bw_log){
        .fd = own >= 0 ? own : STDERR_FILENO,
        .is_own = own >= 0,
        .is_socket = has_type(STDERR_FILENO, S_IFSOCK),
        .level = level,
        .journal = is_journal(STDERR_FILENO),
    };
    (void)snprintf(log->component, sizeof log->component, "%s", component); /* cut, as promised */
}

void bw_log_deinit(struct bw_log *log)
{
    if (log->is_own)
        (void)close(log->fd); /* what it took is the reader's */
    log->is_own = false;
    log->fd = -1;
}

__attribute__((format(printf, 2, 0))) static void append_args(struct line *line, const char *format,
                                                              va_list args)
{
    const size_t room = sizeof line->text - line->size;
    const int wanted = vsnprintf(line->text + line->size, room, format, args);

    if (wanted < 0)
        return; /* nothing that can be shown; what stands before it is still worth reading */
    if ((size_t)wanted < room) {
        line->size += (size_t)wanted;
        return;
    }
    line->size = sizeof line->text - 1;
    line->is_cut = true;
}

__attribute__((format(printf, 2, 3))) static void append(struct line *line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    append_args(line, format, args);
    va_end(args);
}

static void append_time(struct line *line)
{
    struct timespec now;
    struct tm utc;
    char seconds[32];

    if (clock_gettime(CLOCK_REALTIME, &now) != 0 || gmtime_r(&now.tv_sec, &utc) == NULL ||
        strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc) == 0) {
        append(line, "ts=unknown ");
        return;
    }
    append(line, "ts=%s.%03uZ ", seconds, (unsigned)bw_ns_to_ms((uint64_t)now.tv_nsec));
}

static void begin_line(struct line *line, const struct bw_log *log, enum bw_log_level level,
                       const char *event)
{
    line->size = 0;
    line->is_cut = false;
    if (log->journal)
        append(line, "%s", levels[level].journal_prefix);
    else
        append_time(line);
    append(line, "level=%s event=%s component=%s ", levels[level].name, event, log->component);
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static void end_line(struct line *line)
{
    if (line->is_cut) {
        line->size = bw_utf8_whole(line->text, sizeof line->text - sizeof CUT_MARK);
        memcpy(line->text + line->size, CUT_MARK, strlen(CUT_MARK));
        line->size += strlen(CUT_MARK);
    }
    for (size_t i = 0; i < line->size; i++)
        if (is_control(line->text[i]))
            line->text[i] = '?';
    line->text[line->size++] = '\n';
}

/* A reader of our stderr that froze or died must not take a guard with it: the file is asked first, and not written
 * to (SIGPIPE) once poll reports an error or a hang-up. That alone is not enough: a terminal is writable while it has
 * any room, not that of a line, and another process may be faster. So whoever can is asked not to wait. */
static bool send_bytes(struct bw_log *log, const char *text, size_t size)
{
    struct pollfd output = {.fd = log->fd, .events = POLLOUT};
    size_t sent = 0;

    while (sent < size && poll(&output, 1, 0) == 1 && output.revents == POLLOUT) {
        const ssize_t written =
            log->is_socket ? send(log->fd, text + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL)
                           : write(log->fd, text + sent, size - sent);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            break;
        sent += (size_t)written;
    }
    if (sent > 0)
        log->is_torn = sent < size;
    return sent == size;
}

/* What a terminal took of a line that was lost stays alone on its line. */
static bool send_line(struct bw_log *log, const struct line *line)
{
    if (log->is_torn && !send_bytes(log, "\n", 1))
        return false;
    return send_bytes(log, line->text, line->size);
}

static bool send_lost_count(struct bw_log *log)
{
    struct line line;

    begin_line(&line, log, BW_LOG_WARN, "log.lost");
    append(&line, "lines=%" PRIu64, log->lost_count);
    end_line(&line);
    if (!send_line(log, &line))
        return false;
    log->lost_count = 0;
    return true;
}

void bw_log_write(struct bw_log *log, enum bw_log_level level, const char *event,
                  const char *format, ...)
{
    const int errno_before = errno;
    struct line line;
    va_list args;

    if (log == NULL || level > log->level)
        return;
    begin_line(&line, log, level, event);
    va_start(args, format);
    append_args(&line, format, args);
    va_end(args);
    end_line(&line);
    if ((log->lost_count > 0 && !send_lost_count(log)) || !send_line(log, &line))
        log->lost_count++;
    errno = errno_before;
}

/* Bytes of the character beyond ASCII that `text` begins with; 0: it is no UTF-8, or one that a
 * terminal obeys or does not show. */
static size_t shown_bytes(const char *text)
{
    uint32_t point = 0;
    const size_t size = bw_utf8_decode(text, strnlen(text, 4), &point);

    return size > 0 && !bw_utf8_is_hidden(point) ? size : 0;
}

/* Writes the quoted form of the character at `text`, of *out_taken bytes, to `out`; its size, 1 to 4. */
static size_t escape(const char *text, size_t *out_taken, char out[5])
{
    const unsigned char first = (unsigned char)text[0];
    const size_t shown = first >= 0x80 ? shown_bytes(text) : 0;

    *out_taken = shown > 0 ? shown : 1;
    if (shown > 0)
        memcpy(out, text, shown);
    if (shown > 0)
        return shown;
    if (first == '"' || first == '\\')
        return (size_t)snprintf(out, 5, "\\%c", first);
    if (is_control(text[0]) || first >= 0x80)
        return (size_t)snprintf(out, 5, "\\x%02x", (unsigned)first);
    return (size_t)snprintf(out, 5, "%c", first);
}

const char *bw_log_quote(const char *text)
{
    static char buffers[QUOTE_BUFFERS][BW_LOG_LINE_BYTES_MAX];
    static unsigned next;
    char *buffer = buffers[next++ % QUOTE_BUFFERS];
    const size_t room = BW_LOG_LINE_BYTES_MAX - sizeof CUT_MARK "\""; /* for mark, quote, NUL */
    size_t size = 0;
    size_t taken;

    buffer[size++] = '"';
    for (const char *at = text == NULL ? "" : text; *at != '\0'; at += taken) {
        char escaped[5];
        const size_t escaped_size = escape(at, &taken, escaped);

        if (size + escaped_size > room) {
            memcpy(buffer + size, CUT_MARK, strlen(CUT_MARK));
            size += strlen(CUT_MARK);
            break;
        }
        memcpy(buffer + size, escaped, escaped_size);
        size += escaped_size;
    }
    buffer[size++] = '"';
    buffer[size] = '\0';
    return buffer;
}

/* ---- events that others cause, at a bounded rate ---- */

/* Takes one of the burst, after those that have come back with time. */
static bool take(struct bw_summary *summary, uint64_t now_ms)
{
    const uint64_t back = (now_ms - summary->since_ms) / BW_SUMMARY_MS;

    if (back >= summary->spent_count) {
        summary->spent_count = 0;
        summary->since_ms = now_ms;
    } else {
        summary->spent_count -= back;
        summary->since_ms += back * BW_SUMMARY_MS;
    }
    if (summary->spent_count == BW_SUMMARY_BURST)
        return false;
    summary->spent_count++;
    return true;
}

uint64_t bw_summary_flush(struct bw_summary *summary, uint64_t now_ms)
{
    const uint64_t count = summary->suppressed_count;

    if (count == 0 || !take(summary, now_ms))
        return 0;
    summary->suppressed_count = 0;
    return count;
}

uint64_t bw_summary_add(struct bw_summary *summary, uint64_t now_ms)
{
    summary->suppressed_count++;
    return bw_summary_flush(summary, now_ms);
}
