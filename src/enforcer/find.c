/* Enforcers as somebody finds them who does not hold their sockets: by their command line. */
#include <breakwater/enforcer/enforcer.h>

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_enforcer_of(const char *pid, const char *site)
{
    char path[64], wanted[128], line[256];
    int length, fd;
    ssize_t got;

    (void)snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
    length = snprintf(wanted, sizeof wanted, "breakwater%cenforcer%c%s%c", 0, 0, site, 0);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false; /* it has ended */
    got = read(fd, line, sizeof line);
    (void)close(fd); /* only read from */
    return got == length && memcmp(line, wanted, (size_t)length) == 0;
}

void bw_enforcer_end_all(const char *site)
{
    DIR *list = opendir("/proc");
    const struct dirent *entry;

    while (list != NULL && (entry = readdir(list)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) && is_enforcer_of(entry->d_name, site))
            (void)kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL); /* gone: as wanted */
    if (list != NULL)
        (void)closedir(list); /* only read from */
}
