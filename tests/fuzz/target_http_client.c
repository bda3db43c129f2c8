/* HTTP as our client sees it: the real client and libcurl over a unix socket, without TLS. Records:
 * 1 what the server says, in as many pieces as there are; afterwards it hangs up. Field 2 bounds the
 * answer, field 3 makes it a POST. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <curl/curl.h>

#include <breakwater/net/http_client.h>

#include "../../src/net/http_transfer.h"
#include "fuzz.h"

#define ANSWER_MAX (64 * 1024)

static struct {
    uv_loop_t loop;
    struct bw_http_client client;
    char name[64]; /* of the abstract socket */
    int listener;
    int server; /* our end; -1: nobody has connected */
    const uint8_t *data; /* the input */
    size_t size;
    unsigned done;
    size_t bytes_max;
} world;

bool __real_bw_http_transfer_prepare(struct bw_http_exchange *exchange,
                                     const struct bw_http_call *call);
bool __wrap_bw_http_transfer_prepare(struct bw_http_exchange *exchange,
                                     const struct bw_http_call *call);

/* All as in the program, but for the transport: no TLS, and a socket of this process. */
bool __wrap_bw_http_transfer_prepare(struct bw_http_exchange *exchange,
                                     const struct bw_http_call *call)
{
    return __real_bw_http_transfer_prepare(exchange, call) &&
           curl_easy_setopt(exchange->easy, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(exchange->easy, CURLOPT_URL, "http://w1.example.net:7400/v1/x") ==
               CURLE_OK &&
           curl_easy_setopt(exchange->easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
           curl_easy_setopt(exchange->easy, CURLOPT_ABSTRACT_UNIX_SOCKET, world.name) == CURLE_OK;
}

static void on_done(void *user, const struct bw_http_answer *answer)
{
    (void)user;
    world.done++;
    FUZZ_CHECK(answer->err <= BW_ERR_VERSION && answer->body != NULL && answer->text != NULL);
    FUZZ_CHECK(answer->body[answer->body_size] == '\0');
    FUZZ_CHECK(answer->body_size <= world.bytes_max);
    if (answer->err == BW_OK) {
        FUZZ_CHECK(answer->status >= 100 && answer->status <= 999 && answer->text[0] == '\0');
        return;
    }
    FUZZ_CHECK(answer->status == 0 && answer->body_size == 0 && answer->text[0] != '\0');
}

static void open_listener(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size;

    (void)snprintf(world.name, sizeof world.name, "breakwater-fuzz-%ld", (long)getpid());
    (void)snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", world.name);
    size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(world.name));
    world.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    FUZZ_CHECK(world.listener >= 0);
    FUZZ_CHECK(bind(world.listener, (const struct sockaddr *)&address, size) == 0);
    FUZZ_CHECK(listen(world.listener, 4) == 0);
}

static void open_client(void)
{
    struct bw_diag diag = {0};

    FUZZ_CHECK(uv_loop_init(&world.loop) == 0);
    FUZZ_CHECK(bw_http_client_init(&world.client, &world.loop, NULL, &diag) == BW_OK);
    world.client.identity = calloc(1, sizeof *world.client.identity);
    FUZZ_CHECK(world.client.identity != NULL);
    world.client.identity->ca_pem = strdup("none");
    world.client.identity->chain_pem = strdup("none");
    world.client.identity->key_pem = strdup("none");
    (void)strcpy(world.client.identity->cluster, "prod");
    open_listener();
}

/* The options of the call; what is said comes later. */
static bool read_options(void)
{
    struct fuzz_records records = {world.data, world.size};
    struct fuzz_record record;
    bool is_post = false;

    world.bytes_max = ANSWER_MAX;
    while (fuzz_record_next(&records, &record)) {
        if (record.number == 2)
            world.bytes_max = record.value % 256;
        else if (record.number == 3)
            is_post = true;
    }
    return is_post;
}

/* Once somebody has connected, the whole of it: it fits into the socket's buffer. */
static void say_all(void)
{
    struct fuzz_records records = {world.data, world.size};
    struct fuzz_record record;

    if (world.server >= 0)
        return;
    world.server = accept4(world.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (world.server < 0)
        return;
    while (fuzz_record_next(&records, &record))
        if (record.number == 1 && record.data != NULL && record.size > 0)
            FUZZ_CHECK(send(world.server, record.data, record.size, MSG_NOSIGNAL) ==
                       (ssize_t)record.size);
    FUZZ_CHECK(shutdown(world.server, SHUT_WR) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bw_http_call call = {.method = "GET",
                                .url = "https://127.0.0.1:7400/v1/x", /* no name to look up */
                                .timeout_ms = 60000,
                                .connect_timeout_ms = 60000};
    struct bw_diag diag = {0};

    if (world.client.loop == NULL)
        open_client();
    if (size == 0 || size > 32 * 1024)
        return 0;
    world.data = data + 1;
    world.size = size - 1;
    world.server = -1;
    if (read_options()) {
        call.method = "POST";
        call.content_type = "application/protobuf";
        call.body = "body";
        call.body_size = 4;
    }
    call.response_bytes_max = world.bytes_max;
    world.done = 0;
    FUZZ_CHECK(bw_http_client_send(&world.client, &call, on_done, NULL, &diag) != NULL);
    while (world.done == 0) {
        (void)uv_run(&world.loop, UV_RUN_ONCE); /* the limit of a minute ends it at the latest */
        say_all();
    }
    FUZZ_CHECK(world.done == 1 && world.server >= 0);
    FUZZ_CHECK(close(world.server) == 0);
    return 0;
}
