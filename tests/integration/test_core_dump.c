/* The private keys of real programs are in no core dump. Design 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "lacking.h"
#include "patience.h"
#include "trio.h"

#define KEY_BYTES   32 /* of P-256 */
#define FORMS       3
#define WAIT_MS     20000 /* for what must happen, on an idle machine: patience.h */
#define PAUSE_US    20000

static struct trio trio;
static char before[512]; /* the directory of the test program */
static struct rlimit limit_before;

/* As one who wants dumps: what the daemons do about them is theirs. */
static int set_up(void **state)
{
    const char *options = getenv("ASAN_OPTIONS");
    struct rlimit limit;
    char all[512];

    (void)state;
    trio_init(&trio);
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit_before), 0);
    limit = limit_before;
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_CORE, &limit), 0);
    (void)snprintf(all, sizeof all, "%s:disable_coredump=0", options != NULL ? options : "");
    assert_int_equal(setenv("ASAN_OPTIONS", all, 1), 0);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(trio.pki.dir), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)!system("rm -f core core.*"); /* most tests make none */
    assert_int_equal(chdir(before), 0);
    assert_int_equal(setrlimit(RLIMIT_CORE, &limit_before), 0);
    trio_deinit(&trio);
    return 0;
}

/* ---- a process ------------------------------------------------------------------------------------- */

static bool has_line(pid_t pid, const char *file, const char *text)
{
    char path[64];
    char line[256];
    bool is_there = false;
    FILE *in;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    in = fopen(path, "re");
    while (in != NULL && !is_there && fgets(line, sizeof line, in) != NULL)
        is_there = strncmp(line, text, strlen(text)) == 0;
    if (in != NULL)
        (void)fclose(in); /* only read from */
    return is_there;
}

static bool is_protected(pid_t pid)
{
    return has_line(pid, "coredump_filter", "00000000\n") &&
           has_line(pid, "limits", "Max core file size        1 ");
}

static void set_filter(pid_t pid, const char *text)
{
    char path[64];
    FILE *out;

    (void)snprintf(path, sizeof path, "/proc/%d/coredump_filter", (int)pid);
    out = fopen(path, "we");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void lift_limit(pid_t pid)
{
    const struct rlimit all = limit_before.rlim_max == RLIM_INFINITY
                                  ? (struct rlimit){RLIM_INFINITY, RLIM_INFINITY}
                                  : (struct rlimit){limit_before.rlim_max, limit_before.rlim_max};

    assert_int_equal(prlimit(pid, RLIMIT_CORE, &all, NULL), 0);
}

/* For the `times`-th time with this log. Then it has its key. */
static pid_t start_witness(unsigned times)
{
    trio_start(&trio, 0, TRIO_EXECUTED);
    trio_logs_times(&trio, 0, "event=witness.started", times);
    return trio.pids[0];
}

/* True: the kernel says that it has dumped it. */
static bool dumps(pid_t pid)
{
    int status = 0;

    assert_int_equal(kill(pid, SIGABRT), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    trio.pids[0] = 0;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    return WCOREDUMP(status);
}

/* ---- the key --------------------------------------------------------------------------------------- */

struct forms {
    uint8_t bytes[FORMS][KEY_BYTES];
};

/* As it is written, as numbers are kept in memory, and as text. */
static void read_key(struct forms *out_forms)
{
    BIGNUM *secret = NULL;
    EVP_PKEY *key;
    FILE *in = fopen("w1.pem", "re");
    char line[128];

    assert_non_null(in);
    key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    assert_non_null(key);
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
    assert_int_equal(BN_bn2binpad(secret, out_forms->bytes[0], KEY_BYTES), KEY_BYTES);
    assert_int_equal(BN_bn2lebinpad(secret, out_forms->bytes[1], KEY_BYTES), KEY_BYTES);
    BN_clear_free(secret);
    EVP_PKEY_free(key);
    rewind(in);
    do
        assert_non_null(fgets(line, sizeof line, in));
    while (strstr(line, "PRIVATE KEY") == NULL);
    assert_non_null(fgets(line, sizeof line, in)); /* the algorithm */
    assert_non_null(fgets(line, sizeof line, in)); /* of the number: the first bytes */
    memcpy(out_forms->bytes[2], line, KEY_BYTES);
    (void)fclose(in); /* only read from */
}

/* In the core file that has just been written. */
static bool is_key_dumped(const struct forms *forms)
{
    bool is_found = false;
    struct stat status;
    glob_t files;
    void *core;
    int fd;

    assert_int_equal(glob("core*", 0, NULL, &files), 0);
    assert_int_equal(files.gl_pathc, 1);
    fd = open(files.gl_pathv[0], O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &status), 0);
    core = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_true(core != MAP_FAILED);
    for (int i = 0; i < FORMS; i++)
        is_found |= memmem(core, (size_t)status.st_size, forms->bytes[i], KEY_BYTES) != NULL;
    assert_int_equal(munmap(core, (size_t)status.st_size), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(files.gl_pathv[0]), 0);
    globfree(&files);
    return is_found;
}

/* ---- the claims ------------------------------------------------------------------------------------ */

static void no_dump_is_written_of_a_witness(void **state)
{
    const pid_t pid = start_witness(1);

    (void)state;
    assert_true(has_line(pid, "limits", "Max core file size        1 "));
    set_filter(pid, "0x33"); /* so that the limit alone is seen */
    assert_false(dumps(pid));
    assert_int_not_equal(access("core", F_OK), 0);
}

/* Into a socket, or because somebody has raised the limit. The second dump shows that one is found. */
static void a_dump_that_is_written_all_the_same_has_no_key(void **state)
{
    struct forms forms;
    pid_t pid;

    (void)state;
    if (system("p=$(cat /proc/sys/kernel/core_pattern); [ \"${p#core}\" != \"$p\" ] && [ \"$(ulimit -Hc)\" = "
               "unlimited ]") != 0)
        skip_lacking("corefiles");
    read_key(&forms);
    pid = start_witness(1);
    lift_limit(pid);
    assert_true(dumps(pid));
    assert_false(is_key_dumped(&forms));

    pid = start_witness(2);
    lift_limit(pid);
    set_filter(pid, "0x33");
    assert_true(dumps(pid));
    assert_true(is_key_dumped(&forms));
}

/* A command has an operator's key. It asks one who never answers. */
static void a_command_is_protected_like_a_daemon(void **state)
{
    char command[256];
    int fd;
    pid_t pid;
    struct patience patience;
    bool was_protected;

    (void)state;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(listen(fd, 1), 0); /* at a port of the kernel's choice */
    {
        struct sockaddr_storage at;
        socklen_t size = sizeof at;
        uint16_t port;

        assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
        memcpy(&port, (const char *)&at + 2, sizeof port); /* of sockaddr_in */
        (void)snprintf(command, sizeof command,
                       "exec \"$BREAKWATER_BUILD/breakwater\" status --endpoint 127.0.0.1:%u --ca ca.pem "
                       "--identity w1.pem",
                       (unsigned)((port & 0xff) << 8 | port >> 8));
    }
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    patience = patience_begin(WAIT_MS);
    while (!is_protected(pid) && !patience_is_over(&patience)) {
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it still asks */
        (void)usleep(PAUSE_US);
    }
    was_protected = is_protected(pid);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    assert_int_equal(close(fd), 0);
    if (!was_protected)
        patience_fail("the command is protected");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(no_dump_is_written_of_a_witness),
        CLAIM(a_dump_that_is_written_all_the_same_has_no_key),
        CLAIM(a_command_is_protected_like_a_daemon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
