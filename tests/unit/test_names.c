/* Addresses of peers that are known by name: which is dialed first, what a slow lookup leaves behind, and what a restart
 * finds (design 5.3). The resolver is this file's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <breakwater/net/names.h>

#include "patience.h"

#define WAIT_MS 20000
#define NAME    "w1.lab.test"

/* ---- the resolver ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held: no answer comes */
static pthread_mutex_t answer_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *answer; /* addresses with a blank between; NULL: EAI_AGAIN */

static void set_answer(const char *text)
{
    assert_int_equal(pthread_mutex_lock(&answer_lock), 0);
    answer = text;
    assert_int_equal(pthread_mutex_unlock(&answer_lock), 0);
}

static struct addrinfo *one(const char *text)
{
    struct addrinfo *item = calloc(1, sizeof *item + sizeof(struct sockaddr_in6));

    if (item == NULL)
        abort();
    item->ai_addr = (struct sockaddr *)(item + 1);
    item->ai_family = item->ai_addr->sa_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    item->ai_addrlen = item->ai_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (inet_pton(item->ai_family, text,
                  item->ai_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)item->ai_addr)->sin6_addr
                                              : (void *)&((struct sockaddr_in *)item->ai_addr)->sin_addr) != 1)
        abort();
    return item;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    char text[256] = "";
    char *rest = text;
    struct addrinfo **end = out;

    (void)name, (void)service, (void)hints;
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    (void)pthread_mutex_lock(&answer_lock);
    if (answer != NULL)
        (void)snprintf(text, sizeof text, "%s", answer);
    (void)pthread_mutex_unlock(&answer_lock);
    *out = NULL;
    for (char *word; (word = strsep(&rest, " ")) != NULL && word[0] != '\0'; end = &(*end)->ai_next)
        *end = one(word);
    return *out != NULL ? 0 : EAI_AGAIN;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;

        free(list);
        list = next;
    }
}

/* ---- a memory on a loop ---- */

struct fixture {
    uv_loop_t loop;
    struct bw_log log;
    struct bw_names *names;
    char dir[64];
};

struct waiter {
    struct bw_names_wait wait; /* first */
    unsigned told;
    char failure[64];
};

static void on_end(struct bw_names_wait *wait, const char *failure)
{
    struct waiter *waiter = (struct waiter *)wait;

    waiter->told++;
    (void)snprintf(waiter->failure, sizeof waiter->failure, "%s", failure != NULL ? failure : "");
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    set_answer(NULL);
    bw_log_init(&f->log, "test", BW_LOG_ERROR);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/breakwater-names.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(bw_names_open_kept(&f->names, &f->loop, f->dir, BW_NAMES_FILE, &f->log, NULL), BW_OK);
    *state = f;
    return 0;
}

static void close_names(struct fixture *f)
{
    bw_names_close(f->names);
    bw_names_free(f->names);
    f->names = NULL;
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct patience patience = patience_begin(WAIT_MS);

    close_names(f);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    (void)snprintf(path, sizeof path, "%s/names", f->dir);
    while (rmdir(f->dir) != 0) { /* a write that was under way may end later */
        (void)unlink(path);
        if (patience_is_over(&patience))
            patience_fail("the folder is empty");
    }
    free(f);
    return 0;
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer;
}

static void wait_until(struct fixture *f, const char *what, bool (*is_so)(const struct fixture *f, const void *of), const void *of)
{
    struct patience patience = patience_begin(WAIT_MS);
    uv_timer_t beat;

    assert_int_equal(uv_timer_init(&f->loop, &beat), 0);
    assert_int_equal(uv_timer_start(&beat, on_beat, 5, 5), 0);
    while (!is_so(f, of)) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
        if (patience_is_over(&patience))
            patience_fail(what);
    }
    uv_close((uv_handle_t *)&beat, NULL);
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

static bool is_told(const struct fixture *f, const void *of)
{
    (void)f;
    return ((const struct waiter *)of)->told > 0;
}

static struct sockaddr_storage address_of(const char *text)
{
    struct addrinfo *item = one(text);
    struct sockaddr_storage address = {0};

    memcpy(&address, item->ai_addr, item->ai_addrlen);
    free(item);
    return address;
}

static void note(struct fixture *f, const char *text, bool is_good)
{
    const struct sockaddr_storage address = address_of(text);

    bw_names_note(f->names, NAME, (const struct sockaddr *)&address, is_good);
}

static const char *known(struct fixture *f)
{
    static char text[256];
    struct sockaddr_storage addresses[BW_NAME_ADDRESSES_MAX];
    const size_t count = bw_names_get(f->names, NAME, addresses);
    size_t size = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char one_of[INET6_ADDRSTRLEN];
        const void *bytes = addresses[i].ss_family == AF_INET
                                ? (const void *)&((const struct sockaddr_in *)&addresses[i])->sin_addr
                                : (const void *)&((const struct sockaddr_in6 *)&addresses[i])->sin6_addr;

        assert_non_null(inet_ntop(addresses[i].ss_family, bytes, one_of, sizeof one_of));
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", i > 0 ? " " : "", one_of);
    }
    return text;
}

/* A lookup from begin to end, unless the answer of before is so young that there is none. */
static void look_up(struct fixture *f, const char *text)
{
    struct waiter waiter = {.wait.on_end = on_end};
    const uint64_t end_ns = uv_hrtime() + UINT64_C(1100000000);

    set_answer(text);
    while (!bw_names_look(f->names, NAME, &waiter.wait) && uv_hrtime() < end_ns)
        (void)usleep(1000);
    wait_until(f, "the lookup ends", is_told, &waiter);
}

/* ---- which is first ---- */

static void who_waits_is_told_and_gets_the_answer(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(known(f), "");
    look_up(f, "2001:db8::1 192.0.2.1");
    assert_string_equal(known(f), "2001:db8::1 192.0.2.1");
}

static void a_failure_is_told_and_takes_nothing_away(void **state)
{
    struct fixture *f = *state;
    struct waiter waiter = {.wait.on_end = on_end};

    note(f, "192.0.2.1", true);
    assert_true(bw_names_look(f->names, NAME, &waiter.wait));
    wait_until(f, "the lookup ends", is_told, &waiter);
    assert_string_not_equal(waiter.failure, "");
    assert_string_equal(known(f), "192.0.2.1");
}

static void the_address_that_was_good_last_is_first_however_an_answer_is_sorted(void **state)
{
    struct fixture *f = *state;

    look_up(f, "192.0.2.1 192.0.2.2");
    note(f, "192.0.2.2", true);
    assert_string_equal(known(f), "192.0.2.2 192.0.2.1");
    look_up(f, "192.0.2.1 192.0.2.2");
    assert_string_equal(known(f), "192.0.2.2 192.0.2.1");
}

/* The answer may be wrong, and the certificate decides who is there: the old one stays behind it. */
static void a_moved_name_is_dialed_at_its_newest_address_and_then_at_the_good_one(void **state)
{
    struct fixture *f = *state;

    look_up(f, "192.0.2.1");
    note(f, "192.0.2.1", true);
    look_up(f, "192.0.2.9");
    assert_string_equal(known(f), "192.0.2.9 192.0.2.1");
    note(f, "192.0.2.9", true);
    look_up(f, "192.0.2.9");
    assert_string_equal(known(f), "192.0.2.9");
}

static void an_address_that_leads_nowhere_becomes_the_last(void **state)
{
    struct fixture *f = *state;

    look_up(f, "2001:db8::1 192.0.2.1 192.0.2.2");
    note(f, "2001:db8::1", false);
    assert_string_equal(known(f), "192.0.2.1 192.0.2.2 2001:db8::1");
    note(f, "192.0.2.77", false); /* of before the last answer */
    assert_string_equal(known(f), "192.0.2.1 192.0.2.2 2001:db8::1");
}

static void an_answer_has_at_most_six_addresses(void **state)
{
    struct fixture *f = *state;

    note(f, "192.0.2.99", true);
    look_up(f, "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7");
    assert_string_equal(known(f), "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.99");
}

static void a_numeric_host_is_looked_up_by_nobody(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage addresses[BW_NAME_ADDRESSES_MAX];

    assert_false(bw_names_look(f->names, "192.0.2.1", NULL));
    assert_int_equal(bw_names_get(f->names, "192.0.2.1", addresses), 1);
    assert_int_equal(bw_names_get(f->names, "2001:db8::1", addresses), 1);
}

/* ---- slow lookups ---- */

static bool is_known(const struct fixture *f, const void *of)
{
    return strcmp(known((struct fixture *)f), of) == 0;
}

static void an_answer_that_comes_after_all_have_given_up_is_kept(void **state)
{
    struct fixture *f = *state;
    struct waiter waiter = {.wait.on_end = on_end};

    set_answer("192.0.2.1");
    assert_int_equal(pthread_mutex_lock(&gate), 0);
    assert_true(bw_names_look(f->names, NAME, &waiter.wait));
    bw_names_give_up(&waiter.wait);
    bw_names_give_up(&waiter.wait);
    assert_int_equal(pthread_mutex_unlock(&gate), 0);
    wait_until(f, "the late answer is kept", is_known, "192.0.2.1");
    assert_int_equal(waiter.told, 0);
}

static void a_lookup_that_hangs_keeps_nobody_from_closing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(pthread_mutex_lock(&gate), 0);
    assert_true(bw_names_look(f->names, NAME, NULL));
    close_names(f);
    assert_int_equal(bw_names_open_kept(&f->names, &f->loop, f->dir, BW_NAMES_FILE, &f->log, NULL), BW_OK);
    assert_int_equal(pthread_mutex_unlock(&gate), 0);
    look_up(f, "192.0.2.1");
}

static void a_memory_that_is_full_forgets_what_was_used_least_lately(void **state)
{
    struct fixture *f = *state;
    const struct sockaddr_storage address = address_of("192.0.2.1");
    struct sockaddr_storage addresses[BW_NAME_ADDRESSES_MAX];

    for (int i = 0; i <= BW_NAMES_MAX; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "w%d.lab.test", i);
        bw_names_note(f->names, name, (const struct sockaddr *)&address, true);
        (void)usleep(1500); /* they are told apart by milliseconds */
        assert_int_equal(bw_names_get(f->names, "w0.lab.test", addresses), 1);
    }
    assert_int_equal(bw_names_get(f->names, "w1.lab.test", addresses), 0);
    assert_int_equal(bw_names_get(f->names, "w2.lab.test", addresses), 1);
}

/* ---- a restart ---- */

static bool has_file(const struct fixture *f, const void *of)
{
    char path[128];
    char text[128] = "";
    int fd;

    (void)snprintf(path, sizeof path, "%s/names", f->dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        assert_true(read(fd, text, sizeof text - 1) >= 0);
        (void)close(fd);
    }
    return memmem(text, sizeof text, of, strlen(of)) != NULL;
}

static void the_good_address_is_known_after_a_restart(void **state)
{
    struct fixture *f = *state;

    note(f, "192.0.2.1", true);
    note(f, "192.0.2.2", true); /* while the first is being written */
    wait_until(f, "it is written", has_file, NAME " 192.0.2.2\n");
    close_names(f);
    assert_int_equal(bw_names_open_kept(&f->names, &f->loop, f->dir, BW_NAMES_FILE, &f->log, NULL), BW_OK);
    assert_string_equal(known(f), "192.0.2.2");
}

static void a_damaged_file_costs_nothing_but_its_content(void **state)
{
    struct fixture *f = *state;
    char path[128];
    int fd;

    note(f, "192.0.2.1", true);
    wait_until(f, "it is written", has_file, NAME " 192.0.2.1\n");
    close_names(f);
    (void)snprintf(path, sizeof path, "%s/names", f->dir);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 20), 1);
    (void)close(fd);
    assert_int_equal(bw_names_open_kept(&f->names, &f->loop, f->dir, BW_NAMES_FILE, &f->log, NULL), BW_OK);
    assert_string_equal(known(f), "");
    note(f, "192.0.2.3", true);
    wait_until(f, "it is written anew", has_file, NAME " 192.0.2.3\n");
}

/* ---- the file ---- */

static void what_is_written_is_read(void **state)
{
    struct bw_name_kept kept[] = {{.host = "w1.lab.test", .address = address_of("192.0.2.1")},
                                  {.host = "w2.lab.test", .address = address_of("2001:db8::2")}};
    struct bw_name_kept read[BW_NAMES_MAX];
    char bytes[BW_NAMES_BYTES_MAX];
    char again[BW_NAMES_BYTES_MAX];
    size_t count;
    const size_t size = bw_names_encode(kept, 2, bytes);

    (void)state;
    assert_int_equal(bw_names_decode(bytes, size, read, &count, NULL), BW_OK);
    assert_int_equal(count, 2);
    assert_int_equal(bw_names_encode(read, count, again), size);
    assert_memory_equal(bytes, again, size);
}

static void all_names_of_the_greatest_length_fit(void **state)
{
    static struct bw_name_kept kept[BW_NAMES_MAX];
    static struct bw_name_kept read[BW_NAMES_MAX];
    char bytes[BW_NAMES_BYTES_MAX];
    size_t count;

    (void)state;
    for (size_t i = 0; i < BW_NAMES_MAX; i++) {
        memset(kept[i].host, 'a', BW_ADDRESS_MAX);
        kept[i].address = address_of("2001:db8:1111:2222:3333:4444:5555:6666");
    }
    assert_int_equal(bw_names_decode(bytes, bw_names_encode(kept, BW_NAMES_MAX, bytes), read, &count, NULL), BW_OK);
    assert_int_equal(count, BW_NAMES_MAX);
}

static void everything_else_is_refused(void **state)
{
    static const char *const texts[] = {"w1", "w1 192.0.2.1", "w1 192.0.2.1 \n", "w1 192.0.2.1:1\n", " 192.0.2.1\n",
                                        "w1 w2\n", "192.0.2.1 192.0.2.1\n", "w1  192.0.2.1\n", "w1\t192.0.2.1\n",
                                        "w1 192.0.2.1\n\n", "a/b 192.0.2.1\n", "\033[2J 192.0.2.1\n", "w1 [::1]\n",
                                        "w1 ::1\n\0"};
    char full[BW_NAMES_BYTES_MAX] = "";
    struct bw_name_kept read[BW_NAMES_MAX];
    struct bw_diag diag;
    size_t count;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const size_t size = strlen(texts[i]) + (i + 1 == sizeof texts / sizeof texts[0]); /* the last with its NUL */

        if (bw_names_decode(texts[i], size, read, &count, &diag) != BW_ERR_CORRUPT || count != 0)
            fail_msg("read: %s", texts[i]);
    }
    for (size_t i = 0; i <= BW_NAMES_MAX; i++)
        strcat(full, "w1 192.0.2.1\n");
    assert_int_equal(bw_names_decode(full, strlen(full), read, &count, &diag), BW_ERR_CORRUPT);
    assert_int_equal(bw_names_decode("", 0, read, &count, &diag), BW_OK);
    assert_int_equal(count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_waits_is_told_and_gets_the_answer),
        TEST(a_failure_is_told_and_takes_nothing_away),
        TEST(the_address_that_was_good_last_is_first_however_an_answer_is_sorted),
        TEST(a_moved_name_is_dialed_at_its_newest_address_and_then_at_the_good_one),
        TEST(an_address_that_leads_nowhere_becomes_the_last),
        TEST(an_answer_has_at_most_six_addresses),
        TEST(a_numeric_host_is_looked_up_by_nobody),
        TEST(an_answer_that_comes_after_all_have_given_up_is_kept),
        TEST(a_lookup_that_hangs_keeps_nobody_from_closing),
        TEST(a_memory_that_is_full_forgets_what_was_used_least_lately),
        TEST(the_good_address_is_known_after_a_restart),
        TEST(a_damaged_file_costs_nothing_but_its_content),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(all_names_of_the_greatest_length_fit),
        cmocka_unit_test(everything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
