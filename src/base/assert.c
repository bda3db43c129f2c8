#include <breakwater/base/assert.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* write(2) of static pieces: nothing here may allocate or lock, the process is already wrong. */
static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));

    (void)written; /* there is nobody left to tell */
}

void bw_assert_failed(const char *fact, const char *file, int line)
{
    char digits[12];
    char *at = digits + sizeof digits - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + line % 10);
        line /= 10;
    } while (line > 0 && at > digits);
    say("breakwater: bug: this must hold: ");
    say(fact);
    say(" (");
    say(file);
    say(":");
    say(at);
    say("); the process ends\n");
    abort();
}
