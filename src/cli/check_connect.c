/* A port that is closed, a name that leads nowhere, a certificate that has ended or is of another
 * cluster: found out here, and not by the first fault that needs the other end. Design 5.3, 5.4. */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>
#include <uv.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/config/scalar.h>
#include <breakwater/consensus/data_dir.h>
#include <breakwater/consensus/hello.h>
#include <breakwater/consensus/stop.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/http_client.h>
#include <breakwater/net/tls_stream.h>
#include <breakwater/wire/guard_message.h>
#include <breakwater/witness/witness.h>

#include "at_site.h"

/* Who dials, and what is said of it. */
struct dialler {
    struct bw_check_lines *lines;
    const char *file;
    struct bw_credentials *credentials;
    struct bw_check_trip *longest; /* NULL: who gives commands, from wherever */
};

/* False: that its certificate cannot be used was said with it. */
static bool open_dialler(struct dialler *dialler, struct bw_check_lines *lines, const char *file,
                         const struct bw_tls_config *tls, struct bw_check_trip *longest)
{
    struct bw_diag diag = {0};

    *dialler = (struct dialler){.lines = lines, .file = file, .longest = longest};
    if (bw_credentials_load(tls->ca, tls->identity, &dialler->credentials, &diag) == BW_OK &&
        bw_credentials_revoke(dialler->credentials, tls->revoked, tls->revoked_count, &diag) ==
            BW_OK)
        return true;
    bw_credentials_free(dialler->credentials);
    bw_check_line(lines, BW_CHECK_FAIL, file, "nothing was dialled: %s", diag.text);
    return false;
}

/* ---- HTTPS ----------------------------------------------------------------------------------- */

static void note_trip(const struct dialler *dialler, const char *address, uint64_t us)
{
    struct bw_check_trip *longest = dialler->longest;

    if (longest == NULL || us <= longest->us)
        return;
    longest->us = us;
    longest->file = dialler->file;
    (void)bw_copy_text(longest->address, sizeof longest->address, address); /* it is one */
}

void bw_check_trip_borne(struct bw_check_lines *lines, const struct bw_check_trip *trip, const struct bw_spec *spec,
                         uint32_t election_timeout_ms, bool is_default)
{
    const uint32_t most_ms = bw_spec_trip_ms_max(spec, election_timeout_ms);
    const uint64_t trip_ms = trip->us / 1000 + (trip->us % 1000 != 0);
    const bool is_borne = trip_ms <= most_ms;
    const char *whose = is_default ? trip->file : spec->name;
    char most[BW_DURATION_TEXT_BYTES];
    char longest[BW_DURATION_TEXT_BYTES];
    char needed[BW_DURATION_TEXT_BYTES];

    if (trip->us == 0)
        return; /* nobody answered, which was printed */
    bw_duration_format(most_ms, most);
    bw_duration_format((uint32_t)trip_ms, longest);
    bw_duration_format((uint32_t)(2 * trip_ms), needed);
    if (is_borne)
        bw_check_line(lines, BW_CHECK_OK, whose, "longest round trip %s (%s); %s allow up to %s", longest,
                      trip->address, is_default ? "the default timings" : "its timings", most);
    else
        bw_check_line(lines, spec->lease_ttl_ms < BW_CHECK_SHORT_LEASE_MS ? BW_CHECK_FAIL : BW_CHECK_WARN, whose,
                      "longest round trip %s (%s); %s allow up to %s. Leases may end although nothing has failed. Set "
                      "request_timeout in groups.yaml and election_timeout in witness.yaml (it is fixed by `witness "
                      "init`) to at least %s",
                      longest, trip->address, is_default ? "the default timings" : "its timings", most, needed);
}

static enum bw_err get(const struct dialler *dialler, const char *address, const char *path, struct bw_http_reply *out_reply,
                       struct bw_diag *diag)
{
    char url[BW_ADDRESS_MAX + 32];
    const struct bw_http_call call = {.method = "GET",
                                      .url = url,
                                      .timeout_ms = BW_CHECK_CONNECT_MS,
                                      .connect_timeout_ms = BW_CHECK_CONNECT_MS,
                                      .lookup_timeout_ms = BW_CHECK_LOOKUP_MS,
                                      .response_bytes_max = BW_BODY_BYTES_MAX};

    (void)snprintf(url, sizeof url, "https://%s%s", address, path);
    return bw_http_client_call(dialler->credentials, &call, out_reply, diag);
}

static void dial_https(const struct dialler *dialler, const char *whose, const char *address)
{
    struct bw_http_reply reply;
    struct bw_diag diag = {0};
    const enum bw_err err = get(dialler, address, "/healthz", &reply, &diag);

    if (err != BW_OK)
        bw_check_line(dialler->lines, BW_CHECK_FAIL, dialler->file, "dialled %s: %s", whose,
                      diag.text);
    else if (reply.status != 200)
        bw_check_line(dialler->lines, BW_CHECK_WARN, dialler->file,
                      "dialled %s: %s: it answers with HTTP status %d", whose, address,
                      reply.status);
    else
        bw_check_line(dialler->lines, BW_CHECK_OK, dialler->file, "dialled %s: %s answers, round trip %.1f ms", whose,
                      address, (double)reply.trip_us / 1000.0);
    if (err == BW_OK)
        note_trip(dialler, address, reply.trip_us);
    bw_http_reply_deinit(&reply);
}

/* ---- Raft: TLS, and no word of it ----------------------------------------------------------- */

struct raft_dial {
    const struct dialler *dialler;
    const struct bw_witness_member_config *member;
    bool is_over; /* it was judged */
};

static bool is_whom_we_want(const struct raft_dial *dial, const struct bw_identity *peer)
{
    const struct bw_identity *own = bw_credentials_identity(dial->dialler->credentials);

    return peer != NULL && peer->role == BW_ROLE_WITNESS &&
           strcmp(peer->cluster, own->cluster) == 0 && strcmp(peer->name, dial->member->name) == 0;
}

static void on_ready(struct bw_tls_stream *stream, void *user)
{
    struct raft_dial *dial = user;
    const struct bw_identity *peer = bw_tls_stream_peer(stream);
    char theirs[BW_IDENTITY_TEXT_BYTES] = "nobody";

    if (peer != NULL)
        bw_identity_format(peer, theirs);
    if (is_whom_we_want(dial, peer))
        bw_check_line(dial->dialler->lines, BW_CHECK_OK, dial->dialler->file,
                      "dialled witness %s, Raft: %s answers", dial->member->name,
                      dial->member->raft);
    else
        bw_check_line(dial->dialler->lines, BW_CHECK_FAIL, dial->dialler->file,
                      "dialled witness %s, Raft: %s is %s", dial->member->name, dial->member->raft,
                      theirs);
    dial->is_over = true;
    bw_tls_stream_close(stream, BW_OK, "");
}

static void on_data(struct bw_tls_stream *stream, const uint8_t *data, size_t size, void *user)
{
    (void)stream;
    (void)data; /* nothing was asked */
    (void)size;
    (void)user;
}

static void on_closed(struct bw_tls_stream *stream, enum bw_err why, const char *text, void *user)
{
    const struct raft_dial *dial = user;

    (void)stream;
    (void)why;
    if (!dial->is_over)
        bw_check_line(dial->dialler->lines, BW_CHECK_FAIL, dial->dialler->file,
                      "dialled witness %s, Raft: %s: %s", dial->member->name, dial->member->raft,
                      text);
}

static void dial_raft(const struct dialler *dialler, const struct bw_witness_member_config *member)
{
    static const struct bw_tls_stream_events events = {
        .on_ready = on_ready, .on_data = on_data, .on_closed = on_closed};
    struct raft_dial dial = {.dialler = dialler, .member = member};
    struct bw_tls_stream_config config = {.events = &events,
                                          .user = &dial,
                                          .handshake_ms = BW_CHECK_CONNECT_MS / 2,
                                          .dial_ms = BW_CHECK_CONNECT_MS / 2,
                                          .lookup_ms = BW_CHECK_LOOKUP_MS,
                                          .names = bw_names_new()};
    struct bw_tls_stream *stream = NULL;
    struct bw_diag diag = {0};
    uv_loop_t loop;

    /* epoll and memory: without them nothing runs */
    BW_ASSERT(uv_loop_init(&loop) == 0 && config.names != NULL && bw_names_open(config.names, &loop, NULL) == BW_OK);
    if (bw_tls_context_new(dialler->credentials, BW_TLS_CLIENT, &config.context, &diag) != BW_OK ||
        bw_tls_stream_connect(&loop, member->raft, &config, &stream, &diag) != BW_OK)
        bw_check_line(dialler->lines, BW_CHECK_FAIL, dialler->file,
                      "dialled witness %s, Raft: %s: %s", member->name, member->raft, diag.text);
    (void)uv_run(&loop, UV_RUN_DEFAULT); /* 0: nothing is left */
    bw_names_close(config.names);
    bw_names_free(config.names);
    (void)uv_run(&loop, UV_RUN_DEFAULT); /* likewise */
    BW_ASSERT(uv_loop_close(&loop) == 0);
    bw_tls_context_free(config.context);
}

/* ---- the guard of this machine --------------------------------------------------------------- */

struct shown {
    struct bw_check_lines *lines;
    const struct bw_site_config *config;
    uint32_t named_count; /* of the groups that it guards, those of the file */
};

/* 3.4: a KILL was proved to end what other scripts start. */
static void check_proof(const struct shown *shown, const struct bw_group_config *group, const struct bw_reach_sight *sight)
{
    if (sight->proved && sight->digest != group->digest)
        bw_check_line(shown->lines, BW_CHECK_WARN, group->name,
                      "the kill was tested with other scripts or keys (start_script, status_script, env, stop_method, units or "
                      "containers have changed): if this site is lost as primary, an operator has to act. After the reload, test "
                      "the kill again at the primary; this kills the service and starts it again:  "
                      "breakwater prove %s -c /etc/breakwater/site.yaml",
                      group->name);
}

static void hear(const struct bw_guard_message *message, void *user)
{
    struct shown *shown = user;

    const struct bw_group_config *group = message->group[0] != '\0' && !message->shown.nobodys
                                              ? bw_site_config_find(shown->config, message->group)
                                              : NULL;

    if (group == NULL)
        return;
    shown->named_count++;
    check_proof(shown, group, &message->shown.sight);
}

/* ---- its enforcer: asked what it holds, which changes nothing ---- */

/* What a guard that comes later would say last; it has handed nothing over before. One that hangs
 * up at once is heard to. -1: errno says why. */
static int ask_enforcer(int dir, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static struct bw_enforcer_message question; /* large */
    uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    size_t size;
    int os_errno;

    question = (struct bw_enforcer_message){.kind = BW_ENFORCER_MESSAGE_RELIEVE};
    size = bw_enforcer_message_encode(&question, frame);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%.31s", dir, name);
    if (fd < 0 || (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
                   (send(fd, frame, size, MSG_NOSIGNAL) == (ssize_t)size || errno == EPIPE)))
        return fd;
    os_errno = errno;
    (void)close(fd); /* nothing was heard */
    errno = os_errno;
    return -1;
}

/* False: nobody listens there any more; the next guard takes the name away. */
static bool dial_enforcer(struct bw_check_lines *lines, const char *file, int dir, const char *name)
{
    static struct bw_enforcer_message answer; /* large */
    uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    const int fd = ask_enforcer(dir, name);
    struct pollfd waits = {.fd = fd, .events = POLLIN};
    ssize_t got;

    if (fd < 0 && errno == ECONNREFUSED)
        return false;
    if (fd < 0) {
        bw_check_line(lines, BW_CHECK_FAIL, file, "dialled the enforcer: %.31s: %s", name,
                      strerror(errno));
        return true;
    }
    if (poll(&waits, 1, BW_CHECK_CONNECT_MS) != 1) {
        bw_check_line(
            lines, BW_CHECK_FAIL, file,
            "dialled the enforcer: %.31s does not answer: what it is to kill at the deadline "
            "goes on if it stands still; systemctl restart breakwater-guard makes another",
            name);
    } else {
        got = recv(fd, frame, sizeof frame, MSG_DONTWAIT);
        if (got > 0 && bw_enforcer_message_decode(frame, (size_t)got, &answer) == BW_OK &&
            answer.kind == BW_ENFORCER_MESSAGE_KEPT)
            bw_check_line(lines, BW_CHECK_OK, file,
                          "dialled the enforcer: %.31s answers, it holds %" PRIu64 " deadline%s",
                          name, answer.number, answer.number == 1 ? "" : "s");
        else if (got > 0)
            bw_check_line(
                lines, BW_CHECK_FAIL, file,
                "dialled the enforcer: %.31s says what is no answer: is it of another release?",
                name);
        else
            bw_check_line(
                lines, BW_CHECK_WARN, file,
                "dialled the enforcer: %.31s closed the connection: it has ended this moment, or "
                "speaks with its own user alone; check once more, as the user of the guard",
                name);
    }
    (void)close(fd); /* it was heard, or not */
    return true;
}

/* Takes `fd`: the folder of the guard's mirrors, where each enforcer has its socket. */
static void dial_enforcers(struct bw_check_lines *lines, const char *file, int fd)
{
    DIR *list = fdopendir(fd);
    struct dirent *entry;
    uint32_t count = 0;

    if (list == NULL)
        (void)close(fd); /* only read from */
    while (list != NULL && (entry = readdir(list)) != NULL)
        if (bw_enforcer_is_name(entry->d_name))
            count += dial_enforcer(lines, file, fd, entry->d_name);
    if (count == 0)
        bw_check_line(lines, BW_CHECK_FAIL, file,
                      "dialled the enforcer: none listens; without one the guard acknowledges no "
                      "deadline: journalctl -u breakwater-guard");
    if (list != NULL)
        (void)closedir(list); /* only read from */
}

static void look_at_mirrors(struct bw_check_lines *lines, const char *file,
                            const struct bw_site_config *config)
{
    char path[512];
    const int length = snprintf(path, sizeof path, "%s/%s-guard", config->run_dir, config->site);
    const int fd = length > 0 && (size_t)length < sizeof path
                       ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                       : -1;

    if (fd < 0)
        bw_check_line(
            lines, BW_CHECK_FAIL, file,
            "the guard's mirrors in %s cannot be read: %s; without its guard the agent would "
            "not know what is armed",
            path, strerror(errno));
    else
        dial_enforcers(lines, file, fd);
}

static void dial_guard(struct bw_check_lines *lines, const char *file,
                       const struct bw_site_config *config)
{
    struct shown shown = {.lines = lines, .config = config};
    struct bw_diag diag = {0};

    if (access(config->guard_socket, F_OK) != 0 && errno == ENOENT) {
        bw_check_line(lines, BW_CHECK_WARN, file, "dialled the guard: none runs here (no %s)",
                      config->guard_socket);
        return;
    }
    if (bw_at_site_show(config->guard_socket, NULL, BW_CHECK_CONNECT_MS, hear, &shown, &diag) !=
        BW_OK) {
        bw_check_line(lines, BW_CHECK_FAIL, file, "dialled the guard: %s: %s", config->guard_socket,
                      diag.text);
        return;
    }
    look_at_mirrors(lines, file, config);
    if (shown.named_count == config->group_count)
        bw_check_line(lines, BW_CHECK_OK, file,
                      "dialled the guard: %s answers, it guards all groups", config->guard_socket);
    else
        bw_check_line(lines, BW_CHECK_WARN, file,
                      "dialled the guard: %s answers, and guards %" PRIu32 " of the %" PRIu32
                      " groups: SIGHUP makes it read the file again",
                      config->guard_socket, shown.named_count, config->group_count);
}

/* ---- each kind of file ----------------------------------------------------------------------- */

/* A directory that is not there yet may be one that was lost (3.9). */
static void ask_about_id(struct bw_check_lines *lines, const char *file, const struct bw_witness_config *config)
{
    struct bw_witness_answer answers[BW_WITNESSES_ASKED_MAX];
    char path[BW_DATA_DIR_PATH_MAX + sizeof "/" BW_DATA_DIR_IDENTITY];
    struct bw_diag diag = {0};
    uint32_t count = 0;

    (void)snprintf(path, sizeof path, "%s/" BW_DATA_DIR_IDENTITY, config->data_dir);
    if (access(path, F_OK) == 0 ||
        bw_witness_ask_others(config, config->witnesses, config->witness_count, (struct bw_id){{0}}, answers, &count,
                              &diag) != BW_OK)
        return;
    for (uint32_t i = 0; i < count; i++)
        if (answers[i].has_used_id)
            bw_check_line(lines, BW_CHECK_FAIL, file, "%s has no identity, and witness %s %s: " BW_WITNESS_LOST,
                          config->data_dir, answers[i].name, answers[i].text);
}

/* 5.3: after the first apply a list in a file counts for nothing. */
static void check_people(const struct dialler *dialler, const char *address)
{
    struct bw_http_reply reply;
    struct bw_diag diag = {0};
    const enum bw_err err = get(dialler, address, "/v1/people", &reply, &diag);
    json_t *document = err == BW_OK ? json_loadb(reply.body, reply.body_size, 0, NULL) : NULL;
    const json_int_t version = json_integer_value(json_object_get(document, "version"));

    if (version > 0)
        bw_check_line(dialler->lines, BW_CHECK_WARN, dialler->file,
                      "people counts for nothing: list version %" JSON_INTEGER_FORMAT
                      " is applied (as reported by %s); remove people from this file", version, address);
    json_decref(document);
    bw_http_reply_deinit(&reply);
}

/* Reads what the witness reports of its own connections: a witness of another cluster answers here as any other. */
static void check_unreached(const struct dialler *dialler, const char *address)
{
    struct bw_http_reply reply;
    struct bw_diag diag = {0};
    const enum bw_err err = get(dialler, address, "/v1/members", &reply, &diag);
    json_t *document = err == BW_OK ? json_loadb(reply.body, reply.body_size, 0, NULL) : NULL;
    json_t *member;
    size_t i;

    if (err == BW_OK && reply.status == 503 && json_is_string(json_object_get(document, "error")))
        bw_check_line(dialler->lines, BW_CHECK_FAIL, dialler->file, "%s: %s", address,
                      json_string_value(json_object_get(document, "error")));
    json_array_foreach(json_object_get(document, "members"), i, member)
    {
        const char *name = json_string_value(json_object_get(member, "name"));
        const char *by = json_string_value(json_object_get(document, "witness"));
        const char *why = json_string_value(json_object_get(json_object_get(member, "unreached"), "why"));

        if (name != NULL && by != NULL && why != NULL)
            bw_check_line(dialler->lines, strstr(why, BW_HELLO_FOREIGN) != NULL ? BW_CHECK_FAIL : BW_CHECK_WARN,
                          dialler->file, "%s cannot connect to the witness %s: %s", by, name, why);
    }
    json_decref(document);
    bw_http_reply_deinit(&reply);
}

void bw_check_connect_witness(struct bw_check_lines *lines, const char *file,
                              const struct bw_witness_config *config, struct bw_check_trip *longest)
{
    struct dialler dialler;
    char whose[BW_NAME_MAX + 16];

    if (!open_dialler(&dialler, lines, file, &config->tls, longest))
        return;
    ask_about_id(lines, file, config);
    for (uint32_t i = 0; i < config->witness_count; i++) {
        if (i == config->self)
            continue;
        (void)snprintf(whose, sizeof whose, "witness %s", config->witnesses[i].name);
        dial_https(&dialler, whose, config->witnesses[i].address);
        dial_raft(&dialler, &config->witnesses[i]);
        check_unreached(&dialler, config->witnesses[i].address);
        if (config->people.count > 0)
            check_people(&dialler, config->witnesses[i].address);
    }
    bw_credentials_free(dialler.credentials);
}

void bw_check_connect_site(struct bw_check_lines *lines, const char *file,
                           const struct bw_site_config *config, struct bw_check_trip *longest)
{
    struct dialler dialler;

    dial_guard(lines, file, config);
    if (!open_dialler(&dialler, lines, file, &config->tls, longest))
        return;
    for (uint32_t i = 0; i < config->witness_count; i++) {
        dial_https(&dialler, "a witness", config->witnesses[i]);
        check_unreached(&dialler, config->witnesses[i]);
    }
    bw_credentials_free(dialler.credentials);
}

void bw_check_connect_cli(struct bw_check_lines *lines, const char *file,
                          const struct bw_cli_config *config)
{
    struct dialler dialler;

    if (!open_dialler(&dialler, lines, file, &config->tls, NULL))
        return;
    for (uint32_t i = 0; i < config->endpoint_count; i++) {
        dial_https(&dialler, "a witness", config->endpoints[i]);
        check_unreached(&dialler, config->endpoints[i]);
    }
    bw_credentials_free(dialler.credentials);
}
