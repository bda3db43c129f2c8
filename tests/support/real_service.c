/* The service of a site as it shows itself: its process, its scripts' journal, its own record. */
#include "real_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "real_files.h"

void real_put(const struct real_cluster *cluster, int site, const char *file, const char *text)
{
    char path[REAL_PATH_BYTES];
    char fresh[REAL_PATH_BYTES];

    real_path(&cluster->sites[site], file, path);
    real_path(&cluster->sites[site], "put.new", fresh);
    real_write_file(fresh, 0644, text);
    assert_int_equal(rename(fresh, path), 0); /* a script never reads half of it */
}

void real_drop(const struct real_cluster *cluster, int site, const char *file)
{
    char path[REAL_PATH_BYTES];

    real_path(&cluster->sites[site], file, path);
    assert_int_equal(unlink(path), 0);
}

void real_start_by_hand(const struct real_cluster *cluster, int site)
{
    char path[REAL_PATH_BYTES];
    int status = 0;
    pid_t pid;

    real_path(&cluster->sites[site], "hand.sh", path);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl(path, path, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

pid_t real_service(const struct real_cluster *cluster, int site)
{
    char path[REAL_PATH_BYTES];
    char line[256] = "";
    FILE *file;
    int pid = 0;
    ssize_t got;
    int fd;

    real_path(&cluster->sites[site], "pid", path);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &pid) != 1)
        pid = 0;
    (void)fclose(file); /* only read from */
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    fd = pid > 1 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    got = read(fd, line, sizeof line - 1);
    (void)close(fd); /* only read from */
    real_path(&cluster->sites[site], "service.sh", path);
    return got > 4 && strcmp(line, "sh") == 0 && strcmp(line + 3, path) == 0 ? pid : 0;
}

bool real_service_lives(struct real_cluster *cluster, int site)
{
    return real_service(cluster, site) > 0;
}

bool real_service_is_gone(struct real_cluster *cluster, int site)
{
    return real_service(cluster, site) == 0;
}

void real_kill_service(const struct real_cluster *cluster, int site)
{
    const pid_t pid = real_service(cluster, site);

    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void find_beats(const struct real_cluster *cluster, int site, uint64_t *out_first_ms,
                       uint64_t *out_last_ms)
{
    uint64_t whole, part;
    int used;

    *out_first_ms = 0;
    *out_last_ms = 0;
    for (const char *at = real_read(cluster, site, "beats");
         sscanf(at, "%" SCNu64 ".%2" SCNu64 " %*d\n%n", &whole, &part, &used) == 2; at += used) {
        *out_last_ms = whole * 1000 + part * 10;
        if (*out_first_ms == 0)
            *out_first_ms = *out_last_ms;
    }
}

uint64_t real_last_beat_ms(const struct real_cluster *cluster, int site)
{
    uint64_t first_ms, last_ms;

    find_beats(cluster, site, &first_ms, &last_ms);
    return last_ms;
}

uint64_t real_first_beat_ms(const struct real_cluster *cluster, int site)
{
    uint64_t first_ms, last_ms;

    find_beats(cluster, site, &first_ms, &last_ms);
    return first_ms;
}

uint64_t real_lease_end_ms(const struct real_cluster *cluster, int site)
{
    uint64_t sent_ns = 0, newest_ns = 0;

    for (const char *at = real_read(cluster, site, "agent.log");
         (at = strstr(at, " sent_boot_ns=")) != NULL; at++) {
        assert_int_equal(sscanf(at, " sent_boot_ns=%" SCNu64, &sent_ns), 1);
        newest_ns = sent_ns > newest_ns ? sent_ns : newest_ns;
    }
    assert_true(newest_ns > 0);
    return newest_ns / BW_NS_PER_MS +
           (uint64_t)json_integer_value(json_object_get(cluster->spec, "lease_ttl_ms"));
}

int real_runs(const struct real_cluster *cluster, int site, const char *word)
{
    const size_t length = strlen(word);
    int count = 0;

    for (const char *at = real_read(cluster, site, "journal"); at != NULL && *at != '\0';
         at = strchr(at, '\n') == NULL ? NULL : strchr(at, '\n') + 1)
        count += strncmp(at, word, length) == 0 && at[length] == ' ';
    return count;
}

bool real_journal_has(const struct real_cluster *cluster, int site, const char *text)
{
    return strstr(real_read(cluster, site, "journal"), text) != NULL;
}

bool real_is_untouched(const struct real_cluster *cluster, int site)
{
    return *real_read(cluster, site, "journal") == '\0';
}

/* One life of one service, in hundredths of seconds of CLOCK_BOOTTIME. */
struct life {
    int site;
    int pid;
    long first;
    long last;
};

static size_t read_lives(const struct real_cluster *cluster, int site, struct life *lives,
                         size_t count, size_t max)
{
    long whole, part;
    int pid;
    int used;

    for (const char *at = real_read(cluster, site, "beats");
         sscanf(at, "%ld.%2ld %d\n%n", &whole, &part, &pid, &used) == 3; at += used) {
        struct life *life = NULL;

        for (size_t i = 0; i < count; i++)
            if (lives[i].site == site && lives[i].pid == pid)
                life = &lives[i];
        if (life == NULL) {
            assert_true(count < max);
            life = &lives[count++];
            *life = (struct life){site, pid, whole * 100 + part, 0};
        }
        life->last = whole * 100 + part;
    }
    return count;
}

void real_assert_no_overlap(const struct real_cluster *cluster)
{
    struct life lives[64];
    size_t count = 0;

    for (int site = 0; site < cluster->site_count; site++)
        count = read_lives(cluster, site, lives, count, 64);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if (lives[i].site != lives[j].site && lives[i].first <= lives[j].first &&
                lives[i].last > lives[j].first)
                fail_msg("two sites served at once: site %d from %ld to %ld, site %d from %ld",
                         lives[i].site, lives[i].first, lives[i].last, lives[j].site,
                         lives[j].first);
}
