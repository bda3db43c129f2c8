#include "pg_client.h"

#include <stdlib.h>

#ifdef BW_HAVE_LIBPQ

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#include <breakwater/base/bytes.h>
#include <breakwater/sys/clock.h>

#define PAUSE_MS      5
#define PAUSE_LOST_MS 30
#define LINE_BYTES    256
#define LABELS_MAX    8
#define ROWS_MAX      4000000

bool bw_pg_client_is_built(void)
{
    return true;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct session {
    const struct bw_pg_client *client;
    PGconn *connection; /* NULL: none */
    uint64_t epoch;     /* as the start script of this site was told last */
    int acks;
    int beats; /* -1: none */
};

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * (long)BW_NS_PER_MS};

    (void)nanosleep(&pause, NULL); /* only a pause */
}

static uint64_t read_epoch(const char *path)
{
    FILE *file = fopen(path, "re");
    uint64_t epoch = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%" SCNu64, &epoch) != 1)
        epoch = 0;      /* never started yet */
    (void)fclose(file); /* only read from */
    return epoch;
}

static int open_file(const struct session *session, const char *suffix)
{
    char path[1024];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s%s", session->client->records, session->client->label,
                   suffix); /* both are bounded */
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        _exit(EXIT_FAILURE); /* who cannot remember must not write */
    return fd;
}

/* A file of beats holds one epoch after another; each session looks which one it is. */
static void look_at_epoch(struct session *session)
{
    char suffix[48];
    uint64_t epoch;

    if (session->client->epoch_file[0] == '\0')
        return;
    epoch = read_epoch(session->client->epoch_file);
    if (epoch == session->epoch)
        return;
    session->epoch = epoch;
    if (session->beats >= 0)
        (void)close(session->beats); /* its last line is written */
    (void)snprintf(suffix, sizeof suffix, "-%06" PRIu64 ".beats", epoch);
    session->beats = open_file(session, suffix);
}

static void write_line(int fd, const char *line, int length)
{
    if (write(fd, line, (size_t)length) != length)
        _exit(EXIT_FAILURE);
}

/* False: the session is over. */
static bool insert(struct session *session, uint32_t number)
{
    char text[LINE_BYTES];
    const uint64_t sent_ns = bw_clock_now().boot_ns;
    uint64_t received_ns;
    PGresult *result;
    bool is_done;
    int length;

    (void)snprintf(text, sizeof text, "INSERT INTO acknowledged VALUES ('%s', %" PRIu32 ")",
                   session->client->label, number);
    result = PQexec(session->connection, text);
    received_ns = bw_clock_now().boot_ns;
    is_done = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (!is_done)
        return PQstatus(session->connection) == CONNECTION_OK;
    length = snprintf(text, sizeof text, "%s %" PRIu32 " %" PRIu64 " %" PRIu64 "\n",
                      session->client->label, number, sent_ns, received_ns);
    write_line(session->acks, text, length);
    if (session->beats >= 0) {
        length = snprintf(text, sizeof text, "%s %020" PRIu64 " %020" PRIu64 "\n",
                          session->client->site, session->epoch, received_ns);
        write_line(session->beats, text, length);
    }
    return true;
}

/* A server that is shut down says so to each session: the story tells that already. */
static void pass_over(void *user, const char *text)
{
    (void)user;
    (void)text;
}

static void connect_again(struct session *session)
{
    PQfinish(session->connection); /* accepts NULL */
    session->connection = PQconnectdb(session->client->connection);
    if (PQstatus(session->connection) == CONNECTION_OK) {
        (void)PQsetNoticeProcessor(session->connection, pass_over, NULL); /* there was one before */
        look_at_epoch(session);
        return;
    }
    PQfinish(session->connection);
    session->connection = NULL;
}

void bw_pg_client_run(const struct bw_pg_client *client)
{
    struct session session = {.client = client, .epoch = UINT64_MAX, .beats = -1};

    session.acks = open_file(&session, ".acks");
    for (uint32_t number = 1; number <= client->rows_max; number++) {
        if (session.connection == NULL)
            connect_again(&session);
        if (session.connection == NULL) {
            pause_ms(PAUSE_LOST_MS);
            continue;
        }
        look_at_epoch(&session);
        if (!insert(&session, number)) {
            PQfinish(session.connection);
            session.connection = NULL;
        }
        pause_ms(PAUSE_MS);
    }
    _exit(EXIT_SUCCESS);
}

/* ---- what is lost ---------------------------------------------------------------------------- */

/* Which rows of one label a server has: a bit each. */
struct rows {
    char label[2 * BW_NAME_MAX];
    uint8_t *bits;
};

static struct rows *find_rows(struct rows rows[LABELS_MAX], const char *label)
{
    for (size_t i = 0; i < LABELS_MAX; i++) {
        if (rows[i].bits != NULL && strcmp(rows[i].label, label) == 0)
            return &rows[i];
        if (rows[i].bits != NULL)
            continue;
        rows[i].bits = calloc(ROWS_MAX / 8 + 1, 1);
        return rows[i].bits != NULL && bw_copy_text(rows[i].label, sizeof rows[i].label, label)
                   ? &rows[i]
                   : NULL;
    }
    return NULL;
}

static enum bw_err take_table(const PGresult *result, struct rows rows[LABELS_MAX],
                              struct bw_diag *diag)
{
    for (int i = 0; i < PQntuples(result); i++) {
        const unsigned long number = strtoul(PQgetvalue(result, i, 1), NULL, 10);
        struct rows *of_label = find_rows(rows, PQgetvalue(result, i, 0));

        if (of_label == NULL || number > ROWS_MAX)
            return bw_diag_set(diag, BW_ERR_LIMIT, "more labels or rows than clients write");
        of_label->bits[number / 8] |= (uint8_t)(1U << number % 8);
    }
    return BW_OK;
}

static enum bw_err read_table(const char *connection, struct rows rows[LABELS_MAX],
                              struct bw_diag *diag)
{
    PGconn *server = PQconnectdb(connection);
    PGresult *result = PQstatus(server) == CONNECTION_OK
                           ? PQexec(server, "SELECT label, number FROM acknowledged")
                           : NULL;
    enum bw_err err = PQresultStatus(result) == PGRES_TUPLES_OK
                          ? take_table(result, rows, diag)
                          : bw_diag_set(diag, BW_ERR_UNREACHABLE, "read the table: %s",
                                        PQerrorMessage(server));

    PQclear(result);
    PQfinish(server);
    return err;
}

static enum bw_err count_file(const char *path, struct rows rows[LABELS_MAX],
                              uint64_t *acknowledged, uint64_t *lost, struct bw_diag *diag)
{
    FILE *file = fopen(path, "re");
    char line[LINE_BYTES];

    if (file == NULL)
        return bw_diag_errno(diag, errno, "open %s", path);
    while (fgets(line, sizeof line, file) != NULL) {
        char label[2 * BW_NAME_MAX];
        const struct rows *of_label;
        uint32_t number;

        if (strchr(line, '\n') == NULL || sscanf(line, "%125s %" SCNu32, label, &number) != 2)
            continue; /* the last one, cut by the kill */
        of_label = find_rows(rows, label);
        (*acknowledged)++;
        *lost += of_label == NULL || number > ROWS_MAX ||
                 (of_label->bits[number / 8] & 1U << number % 8) == 0;
    }
    (void)fclose(file); /* only read from */
    return BW_OK;
}

enum bw_err bw_pg_count_lost(const char *connection, const char *records,
                             uint64_t *out_acknowledged, uint64_t *out_lost, struct bw_diag *diag)
{
    struct rows rows[LABELS_MAX] = {0};
    uint64_t acknowledged = 0;
    uint64_t lost = 0;
    char pattern[1024];
    glob_t files;
    enum bw_err err = read_table(connection, rows, diag);

    (void)snprintf(pattern, sizeof pattern, "%s/*.acks", records);
    if (err == BW_OK && glob(pattern, 0, NULL, &files) != 0)
        err = bw_diag_set(diag, BW_ERR_NOT_FOUND, "no client wrote to %s", records);
    else if (err == BW_OK) {
        for (size_t i = 0; i < files.gl_pathc && err == BW_OK; i++)
            err = count_file(files.gl_pathv[i], rows, &acknowledged, &lost, diag);
        globfree(&files);
    }
    for (size_t i = 0; i < LABELS_MAX; i++)
        free(rows[i].bits);
    if (err != BW_OK)
        return err;
    *out_acknowledged = acknowledged;
    *out_lost = lost;
    return BW_OK;
}

#else

bool bw_pg_client_is_built(void)
{
    return false;
}

void bw_pg_client_run(const struct bw_pg_client *client)
{
    (void)client;
    exit(EXIT_FAILURE);
}

enum bw_err bw_pg_count_lost(const char *connection, const char *records,
                             uint64_t *out_acknowledged, uint64_t *out_lost, struct bw_diag *diag)
{
    (void)connection;
    (void)records;
    (void)out_acknowledged;
    (void)out_lost;
    return bw_diag_set(diag, BW_ERR_NOT_FOUND, "built without libpq");
}

#endif
