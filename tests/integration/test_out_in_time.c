/* out within 2 s: whoever's certificate counts no more is out of every connection that is open, at three real
 * witnesses and on their own sockets: an operator's and a witness's HTTP, and Raft as the leader dials the
 * witness and as that dials the leader. By name, by serial, with the end of its CA, and with its own. Design
 * 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/net/revoked.h>
#include <breakwater/sys/clock.h>

#include "patience.h"
#include "test_https.h"
#include "trio_life.h"

#define OUT_MS          2000
#define SERIAL_BYTES    (7 + 2 * BW_REVOKED_SERIAL_MAX + 1) /* "serial:", digits, NUL */
#define GET_STATUS      "GET /v1/status HTTP/1.1\r\nHost: w\r\n\r\n"
#define INODES_MAX      256
#define SHORT_LIFE_S    20
#define OPERATOR        "breakwater://prod/operator/anna"
#define TCP_ESTABLISHED 1

/* ---- Raft's connections, as the kernel has them */

struct inodes {
    size_t count;
    unsigned long list[INODES_MAX];
};

static bool has_inode(const struct inodes *inodes, unsigned long inode)
{
    for (size_t i = 0; i < inodes->count; i++)
        if (inodes->list[i] == inode)
            return true;
    return false;
}

static void read_inodes(pid_t pid, struct inodes *out)
{
    char path[64];
    char target[64];
    const struct dirent *entry;
    DIR *dir;

    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    assert_non_null(dir);
    out->count = 0;
    while ((entry = readdir(dir)) != NULL) {
        const ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);

        if (size <= 0 || out->count == INODES_MAX)
            continue;
        target[size] = '\0';
        if (sscanf(target, "socket:[%lu]", &out->list[out->count]) == 1)
            out->count++;
    }
    (void)closedir(dir);
}

struct tcp {
    unsigned local, remote; /* ports */
    unsigned long inode;
};

/* The next one that is established; false: no more. */
static bool next_tcp(FILE *file, struct tcp *out)
{
    char line[512];
    unsigned state;

    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, " %*d: %*x:%x %*x:%x %x %*x:%*x %*x:%*x %*x %*u %*u %lu", &out->local,
                   &out->remote, &state, &out->inode) == 4 &&
            state == TCP_ESTABLISHED)
            return true;
    return false;
}

/* The port from which `pid` has dialed `to`; 0: it has not. */
static unsigned find_dialed(pid_t pid, uint16_t to, unsigned long *out_inode)
{
    struct inodes inodes;
    struct tcp tcp;
    unsigned found = 0;
    FILE *file;

    read_inodes(pid, &inodes);
    file = fopen("/proc/net/tcp", "r");
    assert_non_null(file);
    while (found == 0 && next_tcp(file, &tcp))
        if (tcp.remote == to && has_inode(&inodes, tcp.inode)) {
            found = tcp.local;
            *out_inode = tcp.inode;
        }
    (void)fclose(file);
    return found;
}

/* The other end of what was dialed from `port`; 0: not there yet. */
static unsigned long find_taken(uint16_t own, unsigned port)
{
    unsigned long inode = 0;
    struct tcp tcp;
    FILE *file = fopen("/proc/net/tcp", "r");

    assert_non_null(file);
    while (inode == 0 && next_tcp(file, &tcp))
        if (tcp.local == own && tcp.remote == port)
            inode = tcp.inode;
    (void)fclose(file);
    return inode;
}

/* ---- who is watched */

enum watched { OPERATOR_HTTP, WITNESS_HTTP, RAFT_OUT, RAFT_IN, WATCHED_COUNT };

static const char *const words[] = {[OPERATOR_HTTP] = "the operator's HTTP",
                                    [WITNESS_HTTP] = "the witness's HTTP",
                                    [RAFT_OUT] = "Raft, as the leader dials it",
                                    [RAFT_IN] = "Raft, as it dials the leader"};

static struct {
    int leader;
    int peer; /* the witness that is to be out */
    struct test_https clients[2];
    struct ssl_ctx_st *contexts[2];
    char serials[2][SERIAL_BYTES];
    int64_t ends_s[2]; /* of their certificates, since 1970 */
    unsigned long links[WATCHED_COUNT]; /* inodes at the leader */
    double out_ms[WATCHED_COUNT];
} scene;

static int64_t end_of(const X509 *certificate)
{
    struct tm tm;

    assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm), 1);
    return (int64_t)timegm(&tm);
}

/* As `revoked` of a witness's file names it. */
static void format_serial(const X509 *certificate, char out_text[SERIAL_BYTES])
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);

    (void)strcpy(out_text, "serial:");
    bw_hex_encode(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial), out_text + strlen("serial:"));
}

static void open_client(enum watched who, const char *path)
{
    struct test_answer answer;
    const X509 *certificate;

    scene.contexts[who] = test_pki_client(trio.pki.ca_path, path);
    certificate = SSL_CTX_get0_certificate(scene.contexts[who]);
    format_serial(certificate, scene.serials[who]);
    scene.ends_s[who] = end_of(certificate);
    assert_true(test_https_open(&scene.clients[who], trio.api[scene.leader], scene.contexts[who]));
    assert_true(test_https_say(&scene.clients[who], GET_STATUS));
    test_https_hear(&scene.clients[who], false, &answer);
    assert_int_equal(answer.status, 200);
}

/* Both are there, and have been for a while: each has greeted. */
static void find_links(void)
{
    const pid_t leader = trio.pids[scene.leader];
    const pid_t peer = trio.pids[scene.peer];
    struct inodes inodes;
    unsigned long at_peer;
    unsigned port;

    for (struct patience patience = patience_begin(TRIO_WAIT_MS);;) {
        if (patience_is_over(&patience))
            patience_fail("the leader and w%d are connected", scene.peer + 1);
        port = find_dialed(peer, trio.raft[scene.leader], &at_peer);
        scene.links[RAFT_IN] = port != 0 ? find_taken(trio.raft[scene.leader], port) : 0;
        if (scene.links[RAFT_IN] != 0 &&
            find_dialed(leader, trio.raft[scene.peer], &scene.links[RAFT_OUT]) != 0)
            break;
        (void)usleep(20000);
    }
    (void)usleep(300000);
    read_inodes(leader, &inodes);
    assert_true(has_inode(&inodes, scene.links[RAFT_IN]));
    assert_true(has_inode(&inodes, scene.links[RAFT_OUT]));
}

static void open_all(const char *operator_path, const char *witness_path)
{
    open_client(OPERATOR_HTTP, operator_path);
    open_client(WITNESS_HTTP, witness_path);
    find_links();
}

/* A client sees the server's end; what the leader has closed of Raft's is none of its files any more. */
static bool is_open(enum watched who, const struct inodes *inodes)
{
    struct pollfd poll_fd;

    if (who >= RAFT_OUT)
        return has_inode(inodes, scene.links[who]);
    poll_fd = (struct pollfd){.fd = scene.clients[who].fd, .events = POLLRDHUP};
    return poll(&poll_fd, 1, 0) == 0;
}

/* Of each connection, when it was gone: since `begun` of the clock on the wall. */
static void wait_until_out(int64_t begun_ms)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);
    size_t open_count = WATCHED_COUNT;
    struct inodes inodes;

    for (int i = 0; i < WATCHED_COUNT; i++)
        scene.out_ms[i] = -1e9;
    while (open_count > 0) {
        const int64_t now_ms = bw_clock_wall().unix_ms;

        if (patience_is_over(&patience))
            patience_fail("%zu connections are closed", open_count);
        open_count = 0;
        read_inodes(trio.pids[scene.leader], &inodes);
        for (int i = 0; i < WATCHED_COUNT; i++) {
            if (scene.out_ms[i] > -1e9)
                continue;
            if (is_open((enum watched)i, &inodes))
                open_count++;
            else
                scene.out_ms[i] = (double)(now_ms - begun_ms);
        }
        (void)usleep(2000);
    }
}

static void tell_and_judge(const char *what, enum watched who, double out_ms)
{
    print_message("%s: %s was closed after %.0f ms\n", what, words[who], out_ms);
    assert_true(out_ms <= OUT_MS);
}

static void close_all(void)
{
    for (int i = 0; i < 2; i++) {
        test_https_close(&scene.clients[i]);
        SSL_CTX_free(scene.contexts[i]);
    }
}

static bool is_let_in(enum watched who)
{
    struct test_https client;
    struct test_answer answer = {0};

    if (test_https_open(&client, trio.api[scene.leader], scene.contexts[who]) &&
        test_https_say(&client, GET_STATUS))
        test_https_hear(&client, false, &answer);
    test_https_close(&client);
    return answer.status == 200;
}

static void judge_all(const char *what, int64_t begun_ms)
{
    wait_until_out(begun_ms);
    for (int i = 0; i < WATCHED_COUNT; i++)
        tell_and_judge(what, (enum watched)i, scene.out_ms[i]);
    assert_false(is_let_in(OPERATOR_HTTP));
    assert_false(is_let_in(WITNESS_HTTP));
    close_all();
}

static void choose(void)
{
    scene.leader = trio_leader(&trio);
    scene.peer = (scene.leader + 1) % TRIO_WITNESSES;
}

static void own_path(int i, char out_path[TRIO_PATH_BYTES])
{
    char name[16];

    (void)snprintf(name, sizeof name, "w%d.pem", (unsigned char)i + 1);
    trio_path(&trio, name, out_path);
}

/* ---- claims */

static void open_revocable(void)
{
    char operator_path[TEST_PKI_PATH_BYTES];
    char witness_path[TRIO_PATH_BYTES];

    test_pki_issue_uri(&trio.pki, "anna.pem", OPERATOR, operator_path);
    own_path(scene.peer, witness_path);
    open_all(operator_path, witness_path);
}

static void who_is_revoked_by_name_is_out_in_time(void **state)
{
    char entries[64];
    int64_t begun_ms;

    (void)state;
    choose();
    open_revocable();
    (void)snprintf(entries, sizeof entries, "[operator/anna, witness/w%d]", scene.peer + 1);
    begun_ms = bw_clock_wall().unix_ms;
    trio_revoke(&trio, scene.leader, entries);
    judge_all("revoked by name", begun_ms);
}

static void who_is_revoked_by_serial_is_out_in_time(void **state)
{
    char entries[2 * SERIAL_BYTES + 16];
    int64_t begun_ms;

    (void)state;
    choose();
    open_revocable();
    (void)snprintf(entries, sizeof entries, "['%s', '%s']", scene.serials[0], scene.serials[1]);
    begun_ms = bw_clock_wall().unix_ms;
    trio_revoke(&trio, scene.leader, entries);
    judge_all("revoked by serial", begun_ms);
}

static void reload_all(unsigned times)
{
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        trio_signal(&trio, i, SIGHUP);
        trio_logs_times(&trio, i, "what=configuration", times);
    }
}

/* A new CA beside the old one, which has issued the certificates of anna and the witness, and is then trusted
 * no more. */
static void whose_ca_is_trusted_no_more_is_out_in_time(void **state)
{
    struct test_pki other;
    struct test_pki here; /* the new CA, and our directory */
    char path[TEST_PKI_PATH_BYTES];
    char command[512];
    char name[16];
    char uri[64];
    int64_t begun_ms;

    (void)state;
    choose();
    test_pki_init(&other);
    here = other;
    memcpy(here.dir, trio.pki.dir, sizeof here.dir);
    test_pki_join_cas(&here, &trio.pki, "ca.pem", path);
    reload_all(1);
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        if (i == scene.peer)
            continue;
        (void)snprintf(name, sizeof name, "w%d.pem", i + 1);
        (void)snprintf(uri, sizeof uri, "breakwater://prod/witness/w%d", i + 1);
        test_pki_issue_uri(&here, name, uri, path);
    }
    reload_all(2);
    open_revocable();
    (void)snprintf(command, sizeof command, "cp '%s' '%s/next' && mv '%s/next' '%s'", other.ca_path,
                   trio.pki.dir, trio.pki.dir, trio.pki.ca_path);
    begun_ms = bw_clock_wall().unix_ms;
    assert_int_equal(system(command), 0);
    trio_signal(&trio, scene.leader, SIGHUP);
    judge_all("CA ended", begun_ms);
    test_pki_deinit(&other);
}

/* Nobody reloads anything: each connection ends with the certificate that its peer showed. */
static void whose_certificate_ends_is_out_in_time(void **state)
{
    struct test_leaf leaf = {.begins_s = -3600, .ends_s = SHORT_LIFE_S};
    char operator_path[TEST_PKI_PATH_BYTES];
    char witness_path[TEST_PKI_PATH_BYTES];
    char name[24];
    char uri[64];
    int64_t begun_ms;

    (void)state;
    choose();
    (void)trio_stop(&trio, scene.peer, SIGTERM);
    (void)snprintf(name, sizeof name, "w%d.pem", scene.peer + 1);
    (void)snprintf(uri, sizeof uri, "breakwater://prod/witness/w%d", scene.peer + 1);
    leaf.uris[0] = uri;
    test_pki_issue(&trio.pki, name, &leaf, witness_path);
    leaf.uris[0] = OPERATOR;
    test_pki_issue(&trio.pki, "anna.pem", &leaf, operator_path);
    trio_start(&trio, scene.peer, TRIO_EXECUTED);
    open_all(operator_path, witness_path);
    begun_ms = bw_clock_wall().unix_ms;
    assert_true(begun_ms < scene.ends_s[WITNESS_HTTP] * 1000);
    wait_until_out(begun_ms);
    for (int i = 0; i < WATCHED_COUNT; i++) {
        const int64_t end_s = scene.ends_s[i == OPERATOR_HTTP ? OPERATOR_HTTP : WITNESS_HTTP];
        const double out_ms = scene.out_ms[i] + (double)(begun_ms - end_s * 1000);

        tell_and_judge("its certificate ended", (enum watched)i, out_ms);
        assert_true(out_ms > -1500); /* and not long before: its end is known to the second */
    }
    assert_false(is_let_in(OPERATOR_HTTP));
    assert_false(is_let_in(WITNESS_HTTP));
    close_all();
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, trio_set_up_led, trio_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(who_is_revoked_by_name_is_out_in_time),
        CLAIM(who_is_revoked_by_serial_is_out_in_time),
        CLAIM(whose_ca_is_trusted_no_more_is_out_in_time),
        CLAIM(whose_certificate_ends_is_out_in_time),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
