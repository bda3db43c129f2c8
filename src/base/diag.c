#include <breakwater/base/diag.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* snprintf that shows that something is missing. */
static void format_text(char *out, size_t size, const char *format, va_list args)
{
    int wanted = vsnprintf(out, size, format, args);

    if (wanted >= 0 && (size_t)wanted >= size)
        memcpy(out + size - 4, "...", 4);
}

static void append_text(char *out, size_t size, const char *text)
{
    size_t used = strlen(out);
    int wanted = snprintf(out + used, size - used, "%s", text);

    if (wanted >= 0 && (size_t)wanted >= size - used)
        memcpy(out + size - 4, "...", 4);
}

enum bw_err bw_diag_set(struct bw_diag *diag, enum bw_err err, const char *format, ...)
{
    va_list args;

    if (diag == NULL)
        return err;
    diag->err = err;
    diag->os_errno = 0;
    va_start(args, format);
    format_text(diag->text, sizeof diag->text, format, args);
    va_end(args);
    return err;
}

static enum bw_err err_of_errno(int os_errno)
{
    switch (os_errno) {
    case ENOENT:
        return BW_ERR_NOT_FOUND;
    case EEXIST:
        return BW_ERR_EXISTS;
    case ENOMEM:
    case EMFILE: /* of this process, or of the machine: it may pass, as no limit of an input does */
    case ENFILE:
        return BW_ERR_NOMEM;
    case EACCES:
    case EPERM:
        return BW_ERR_REFUSED;
    case ETIMEDOUT:
        return BW_ERR_TIMEOUT;
    default:
        return BW_ERR_IO;
    }
}

enum bw_err bw_diag_errno(struct bw_diag *diag, int os_errno, const char *format, ...)
{
    va_list args;
    enum bw_err err = err_of_errno(os_errno);

    if (diag == NULL)
        return err;
    diag->err = err;
    diag->os_errno = os_errno;
    va_start(args, format);
    format_text(diag->text, sizeof diag->text, format, args);
    va_end(args);
    append_text(diag->text, sizeof diag->text, ": ");
    append_text(diag->text, sizeof diag->text, strerror(os_errno));
    return err;
}

enum bw_err bw_diag_wrap(struct bw_diag *diag, enum bw_err err, const char *format, ...)
{
    va_list args;
    char outer[BW_DIAG_TEXT_BYTES];

    if (diag == NULL)
        return err;
    va_start(args, format);
    format_text(outer, sizeof outer, format, args);
    va_end(args);
    append_text(outer, sizeof outer, ": ");
    append_text(outer, sizeof outer, diag->text);
    memcpy(diag->text, outer, sizeof outer);
    diag->err = err;
    return err;
}
