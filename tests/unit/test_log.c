/* log: one event is one line whatever the values hold, and nobody waits for its reader. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/obs/log.h>

#define HANGS_S 10 /* a writer that waits for as long waits for ever */

struct reader {
    int read_fd;
    int write_fd; /* stderr of whoever logs, and of others beside it */
    struct bw_log log;
    char text[4 * BW_LOG_LINE_BYTES_MAX];
};

/* A log of its own, with the reader's file on stderr. */
static void init_log(const struct reader *reader, struct bw_log *out_log)
{
    const int stderr_before = dup(STDERR_FILENO);

    assert_true(stderr_before >= 0);
    assert_int_equal(dup2(reader->write_fd, STDERR_FILENO), STDERR_FILENO);
    bw_log_init(out_log, "agent", BW_LOG_INFO);
    assert_int_equal(dup2(stderr_before, STDERR_FILENO), STDERR_FILENO);
    (void)close(stderr_before);
    if (!out_log->is_own)
        out_log->fd = reader->write_fd; /* what was stderr meanwhile */
}

static int open_on(void **state, int read_fd, int write_fd)
{
    struct reader *reader = calloc(1, sizeof *reader);

    assert_non_null(reader);
    assert_int_equal(fcntl(read_fd, F_SETFL, O_NONBLOCK), 0);
    reader->read_fd = read_fd;
    reader->write_fd = write_fd;
    init_log(reader, &reader->log);
    *state = reader;
    return 0;
}

static int open_reader(void **state)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    return open_on(state, fds[0], fds[1]);
}

static int open_socket(void **state)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return open_on(state, fds[0], fds[1]);
}

static int open_terminal(void **state)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    int slave;

    assert_true(master >= 0);
    assert_int_equal(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    return open_on(state, master, slave);
}

static int close_reader(void **state)
{
    struct reader *reader = *state;

    bw_log_deinit(&reader->log);
    (void)close(reader->read_fd);
    (void)close(reader->write_fd);
    free(reader);
    return 0;
}

/* What was logged since the last call, at most a buffer full. */
static const char *logged(struct reader *reader)
{
    ssize_t size = read(reader->read_fd, reader->text, sizeof reader->text - 1);

    reader->text[size < 0 ? 0 : size] = '\0';
    return reader->text;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, text, 0, NULL, 0) != 0)
        fail_msg("'%s' does not match '%s'", text, pattern);
    regfree(&regex);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void line_is_logfmt_with_a_utc_time_in_milliseconds(void **state)
{
    struct reader *reader = *state;

    bw_log_warn(&reader->log, "lease.ending", "group=%s left_ms=%d", "harbor", 42);

    assert_matches(logged(reader), "^ts=20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
                                   "\\.[0-9]{3}Z level=warn event=lease\\.ending component=agent "
                                   "group=harbor left_ms=42\n$");
}

static void journal_line_begins_with_its_priority(void **state)
{
    struct reader *reader = *state;
    reader->log.journal = true;
    reader->log.level = BW_LOG_DEBUG;

    bw_log_error(&reader->log, "a.b", "c=%d", 1);
    bw_log_warn(&reader->log, "a.b", "c=%d", 2);
    bw_log_info(&reader->log, "a.b", "c=%d", 3);
    bw_log_debug(&reader->log, "a.b", "c=%d", 4);

    assert_string_equal(logged(reader), "<3>level=error event=a.b component=agent c=1\n"
                                        "<4>level=warn event=a.b component=agent c=2\n"
                                        "<6>level=info event=a.b component=agent c=3\n"
                                        "<7>level=debug event=a.b component=agent c=4\n");
}

static void level_above_the_chosen_one_is_silent(void **state)
{
    struct reader *reader = *state;

    bw_log_debug(&reader->log, "a.b", "c=%d", 1);
    bw_log_info(NULL, "a.b", "c=%d", 1);

    assert_string_equal(logged(reader), "");
}

static void control_byte_in_a_value_forges_no_line(void **state)
{
    struct reader *reader = *state;

    bw_log_info(&reader->log, "a.b", "reason=%s", "x\nlevel=error event=forged\x1b[2J");

    assert_int_equal(count_lines(logged(reader)), 1);
    assert_matches(reader->text, "reason=x\\?level=error event=forged\\?\\[2J\n$");
}

static void quoted_value_is_escaped(void **state)
{
    (void)state;

    assert_string_equal(bw_log_quote("a \"b\" \\ \n\x7f\xc3\xbc"),
                        "\"a \\\"b\\\" \\\\ \\x0a\\x7f\xc3\xbc\"");
    assert_string_equal(bw_log_quote(NULL), "\"\"");
    /* No UTF-8: alone, cut short, overlong, a surrogate, beyond the last. */
    assert_string_equal(bw_log_quote("\x80z"), "\"\\x80z\"");
    assert_string_equal(bw_log_quote("\xc3"), "\"\\xc3\"");
    assert_string_equal(bw_log_quote("\xe2\x82z"), "\"\\xe2\\x82z\"");
    assert_string_equal(bw_log_quote("\xc1\xbf"), "\"\\xc1\\xbf\"");
    assert_string_equal(bw_log_quote("\xe0\x9f\xbf"), "\"\\xe0\\x9f\\xbf\"");
    assert_string_equal(bw_log_quote("\xf0\x8f\xbf\xbf"), "\"\\xf0\\x8f\\xbf\\xbf\"");
    assert_string_equal(bw_log_quote("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");
    assert_string_equal(bw_log_quote("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\"");
    assert_string_equal(bw_log_quote("\xff"), "\"\\xff\"");
    /* The last ones that are. */
    assert_string_equal(bw_log_quote("\xc2\xa0\xe0\xa0\x80\xed\x9f\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
                        "\"\xc2\xa0\xe0\xa0\x80\xed\x9f\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"");
    /* A control character that terminals obey: CSI in one. */
    assert_string_equal(bw_log_quote("\xc2\x9b" "2J\xc2\x80"), "\"\\xc2\\x9b" "2J\\xc2\\x80\"");
}

static void four_quoted_values_live_side_by_side(void **state)
{
    struct reader *reader = *state;

    bw_log_info(&reader->log, "a.b", "%s %s %s %s", bw_log_quote("1"), bw_log_quote("2"),
                bw_log_quote("3"), bw_log_quote("4"));

    assert_matches(logged(reader), " \"1\" \"2\" \"3\" \"4\"\n$");
}

static void quoted_value_too_long_is_cut_and_says_so(void **state)
{
    char text[2 * BW_LOG_LINE_BYTES_MAX];
    const char *quoted;
    (void)state;

    for (size_t shift = 0; shift < 4;
         shift++) { /* characters of two bytes, all ways to tear them */
        memset(text, 'x', shift);
        for (size_t i = shift; i + 2 < sizeof text; i += 2)
            memcpy(text + i, "\xc3\xbc", 3);
        quoted = bw_log_quote(text);
        assert_true(strlen(quoted) < BW_LOG_LINE_BYTES_MAX);
        assert_true(strlen(quoted) > BW_LOG_LINE_BYTES_MAX - 8);
        assert_string_equal(quoted + strlen(quoted) - 6, "\xc3\xbc...\"");
    }
}

static void line_too_long_is_cut_and_says_so(void **state)
{
    struct reader *reader = *state;
    char text[2 * BW_LOG_LINE_BYTES_MAX];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    bw_log_info(&reader->log, "a.b", "value=%s", text);

    assert_int_equal(strlen(logged(reader)), BW_LOG_LINE_BYTES_MAX);
    assert_matches(reader->text, "x\\.\\.\\.\n$");
}

static void continuation_bytes_do_not_hide_a_line(void **state)
{
    struct reader *reader = *state;
    char text[2 * BW_LOG_LINE_BYTES_MAX];

    memset(text, 0x80, sizeof text);
    text[sizeof text - 1] = '\0';
    bw_log_info(&reader->log, "a.b", "value=%s", text);

    assert_non_null(strstr(logged(reader), "event=a.b"));
    assert_true(strlen(reader->text) > BW_LOG_LINE_BYTES_MAX - 8);
}

static void full_pipe_loses_lines_and_the_next_line_tells_how_many(void **state)
{
    struct reader *reader = *state;
    int written_count = 0;

    while (reader->log.lost_count == 0 && written_count < 1 << 20) { /* no call of these blocks */
        bw_log_info(&reader->log, "a.b", "number=%d", written_count);
        written_count++;
    }
    assert_int_equal(reader->log.lost_count, 1);
    bw_log_info(&reader->log, "a.b", "number=%d", -1);
    assert_int_equal(reader->log.lost_count, 2);
    while (*logged(reader) != '\0')
        ;
    bw_log_info(&reader->log, "c.d", "number=%d", 1);

    assert_matches(logged(reader), "level=warn event=log\\.lost component=agent lines=2\n"
                                   "ts=[^ ]+ level=info event=c\\.d component=agent number=1\n$");
    assert_int_equal(reader->log.lost_count, 0);
}

static void reader_that_is_gone_neither_kills_nor_changes_errno(void **state)
{
    struct reader *reader = *state;

    assert_int_equal(close(reader->read_fd), 0); /* SIGPIPE is not ignored here */
    reader->read_fd = -1;
    errno = ENOENT;
    bw_log_info(&reader->log, "a.b", "c=%d", 1);

    assert_int_equal(errno, ENOENT);
    assert_int_equal(reader->log.lost_count, 1);
}

static void closed_stderr_is_no_error(void **state)
{
    struct reader *reader = *state;

    bw_log_deinit(&reader->log);
    assert_int_equal(reader->log.fd, -1);
    bw_log_info(&reader->log, "a.b", "c=%d", 1);

    assert_int_equal(reader->log.lost_count, 1);
}

/* ---- a reader that reads nothing --------------------------------------------------------------- */

/* Whoever else has it for its stderr, too: it comes between the log's question and the log's write. -1: nobody. */
static int other_writer = -1;

static void fill(int fd)
{
    static const char block[512];
    ssize_t taken;

    do {
        taken = send(fd, block, sizeof block, MSG_DONTWAIT);
        if (taken < 0 && errno == ENOTSOCK)
            taken = write(fd, block, sizeof block);
    } while (taken > 0);
}

/* In place of libc's. The log never waits in it. */
int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    const struct timespec at_once = {.tv_nsec = 0};
    const int result = ppoll(fds, count, timeout_ms == 0 ? &at_once : NULL, NULL);

    if (other_writer >= 0)
        fill(other_writer);
    return result;
}

/* In a process of its own, which is killed where it waits: logs lines until one is lost. */
static void assert_loses_a_line_rather_than_to_wait(struct reader *reader)
{
    const pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(HANGS_S);
        while (reader->log.lost_count == 0)
            bw_log_info(&reader->log, "a.b", "text=%0777d", 0); /* no part of a power of two */
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void terminal_that_nobody_reads_is_not_waited_for(void **state)
{
    assert_loses_a_line_rather_than_to_wait(*state);
}

/* As guard and enforcer, or agent and guard of a container, have it. */
static void another_writer_that_is_faster_is_not_waited_for(void **state)
{
    struct reader *reader = *state;
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", reader->write_fd);
    other_writer = reader->log.is_socket ? fcntl(reader->write_fd, F_DUPFD_CLOEXEC, 0)
                                         : open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(other_writer >= 0);
    assert_loses_a_line_rather_than_to_wait(reader);
    (void)close(other_writer);
    other_writer = -1;
}

/* It may be a shell's, which knows nothing of EAGAIN. */
static void who_shares_stderr_finds_it_as_it_was(void **state)
{
    const struct reader *reader = *state;

    assert_int_equal(fcntl(reader->write_fd, F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fcntl(reader->log.fd, F_GETFD), FD_CLOEXEC);
}

/* A terminal takes a part of a line. What it takes comes to its reader by and by. */
static void line_after_a_torn_one_begins_anew(void **state)
{
    static char text[1 << 20];
    struct reader *reader = *state;
    const char *lost = NULL;
    size_t used = 0;

    for (int i = 0; i < 1 << 16 && !reader->log.is_torn; i++)
        bw_log_info(&reader->log, "a.b", "text=%0777d", 0);
    assert_true(reader->log.is_torn);
    for (int i = 0; i < 1 << 20 && lost == NULL; i++) {
        const ssize_t got = read(reader->read_fd, text + used, sizeof text - 1 - used);

        used += got > 0 ? (size_t)got : 0;
        if (got <= 0 && reader->log.lost_count > 0)
            bw_log_info(&reader->log, "c.d", "number=%d", 1);
        lost = strstr(text, "level=warn event=log.lost component=agent lines=");
    }

    assert_non_null(lost);
    while (lost > text && lost[-1] != '\n')
        lost--;
    assert_matches(lost, "^ts=[^ ]+ level=warn event=log\\.lost ");
}

/* ---- what stderr is ---------------------------------------------------------------------------- */

/* Init with JOURNAL_STREAM as given and the reader's pipe on stderr. */
static bool takes_for_journal(struct reader *reader, const char *stream)
{
    struct bw_log log;

    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    init_log(reader, &log);
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
    bw_log_deinit(&log);
    return log.journal;
}

static void journal_is_believed_only_when_it_names_stderr(void **state)
{
    struct reader *reader = *state;
    struct stat status;
    char stream[64];

    assert_int_equal(fstat(reader->write_fd, &status), 0);
    (void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    assert_true(takes_for_journal(reader, stream));
    (void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino + 1);
    assert_false(takes_for_journal(reader, stream));
    assert_false(takes_for_journal(reader, ""));
    assert_false(takes_for_journal(reader, "nonsense"));
}

static void component_too_long_is_cut(void **state)
{
    struct bw_log log;
    (void)state;

    bw_log_init(&log, "a-component-name-longer-than-thirty-one", BW_LOG_INFO);
    bw_log_deinit(&log);

    assert_string_equal(log.component, "a-component-name-longer-than-th");
}

int main(void)
{
#define WITH_READER(test) cmocka_unit_test_setup_teardown(test, open_reader, close_reader)
    const struct CMUnitTest tests[] = {
        WITH_READER(line_is_logfmt_with_a_utc_time_in_milliseconds),
        WITH_READER(journal_line_begins_with_its_priority),
        WITH_READER(level_above_the_chosen_one_is_silent),
        WITH_READER(control_byte_in_a_value_forges_no_line),
        cmocka_unit_test(quoted_value_is_escaped),
        WITH_READER(four_quoted_values_live_side_by_side),
        cmocka_unit_test(quoted_value_too_long_is_cut_and_says_so),
        WITH_READER(line_too_long_is_cut_and_says_so),
        WITH_READER(continuation_bytes_do_not_hide_a_line),
        WITH_READER(full_pipe_loses_lines_and_the_next_line_tells_how_many),
        WITH_READER(reader_that_is_gone_neither_kills_nor_changes_errno),
        WITH_READER(closed_stderr_is_no_error),
        cmocka_unit_test_setup_teardown(terminal_that_nobody_reads_is_not_waited_for, open_terminal,
                                        close_reader),
        WITH_READER(another_writer_that_is_faster_is_not_waited_for),
        cmocka_unit_test_setup_teardown(another_writer_that_is_faster_is_not_waited_for, open_socket,
                                        close_reader),
        WITH_READER(who_shares_stderr_finds_it_as_it_was),
        cmocka_unit_test_setup_teardown(who_shares_stderr_finds_it_as_it_was, open_terminal, close_reader),
        cmocka_unit_test_setup_teardown(line_after_a_torn_one_begins_anew, open_terminal, close_reader),
        WITH_READER(journal_is_believed_only_when_it_names_stderr),
        cmocka_unit_test(component_too_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
