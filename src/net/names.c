#include "names_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/net/address.h>

#define FRESH_MS    1000  /* an answer that is so young is not asked for again */
#define FORESEEN_MS 60000
#define AGAIN_MS    10000 /* a lookup that takes longer gets a second one beside it: the resolver's file may have been mended */
#define LOOKUPS_MAX 2     /* of one name at once */

struct name {
    char host[BW_ADDRESS_MAX + 1]; /* "": a free place */
    struct sockaddr_storage addresses[BW_NAME_ADDRESSES_MAX];
    size_t count;
    struct sockaddr_storage good; /* led to the peer last; AF_UNSPEC: none has */
    unsigned running;             /* lookups */
    uint64_t begun;               /* how many there were; the number of the newest */
    uint64_t answered;            /* the number of the one that `addresses` are of; 0: of none */
    uint64_t begun_ms;
    uint64_t answered_ms;
    uint64_t used_ms;
};

struct bw_names {
    struct job_desk *desk; /* NULL: it is not open */
    struct name names[BW_NAMES_MAX];
    struct bw_names_wait *waits;
    struct bw_names_file file; /* name "": nothing is kept */
    struct bw_log *log;
    bool is_saving;
    bool is_unsaved; /* what is kept may have changed since the save that is under way was begun */
    bool is_save_failed; /* and that was told */
    char saved[BW_NAMES_BYTES_MAX]; /* what was given to the newest save, or loaded */
    size_t saved_size;
};

struct lookup {
    struct job job;
    struct name *name; /* the loop's */
    uint64_t number;
    char host[BW_ADDRESS_MAX + 1];
    int result; /* EAI_* */
    struct sockaddr_storage addresses[BW_NAME_ADDRESSES_MAX];
    size_t count;
};

struct save {
    struct job job;
    struct bw_names_file file;
    enum bw_err err;
    struct bw_diag diag;
    size_t size;
    char bytes[BW_NAMES_BYTES_MAX];
};

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    const struct sockaddr_in *a4 = (const struct sockaddr_in *)a, *b4 = (const struct sockaddr_in *)b;
    const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a, *b6 = (const struct sockaddr_in6 *)b;

    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET)
        return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
    return a->ss_family == AF_INET6 && memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0 &&
           a6->sin6_scope_id == b6->sin6_scope_id;
}

bool bw_names_has(const struct sockaddr_storage *list, size_t count, const struct sockaddr_storage *address)
{
    for (size_t i = 0; i < count; i++)
        if (is_same(&list[i], address))
            return true;
    return false;
}

static void add(struct sockaddr_storage list[BW_NAME_ADDRESSES_MAX], size_t *count,
                const struct sockaddr_storage *address)
{
    if (*count < BW_NAME_ADDRESSES_MAX && !bw_names_has(list, *count, address))
        list[(*count)++] = *address;
}

/* Without its port. False: of no family that can be dialed. */
static bool copy_address(struct sockaddr_storage *out, const struct sockaddr *address)
{
    memset(out, 0, sizeof *out);
    if (address->sa_family == AF_INET) {
        memcpy(out, address, sizeof(struct sockaddr_in));
        ((struct sockaddr_in *)out)->sin_port = 0;
    } else if (address->sa_family == AF_INET6) {
        memcpy(out, address, sizeof(struct sockaddr_in6));
        ((struct sockaddr_in6 *)out)->sin6_port = 0;
    }
    return out->ss_family != AF_UNSPEC;
}

/* Those that were known keep their order: who has moved one of them to the end had a reason. Then what is new, and last
 * the good one, so that an answer which leads nowhere takes nothing away. */
static void take_addresses(struct name *name, const struct sockaddr_storage *answer, size_t count)
{
    struct sockaddr_storage list[BW_NAME_ADDRESSES_MAX];
    size_t used = 0;

    for (size_t i = 0; i < name->count; i++)
        if (bw_names_has(answer, count, &name->addresses[i]))
            add(list, &used, &name->addresses[i]);
    for (size_t i = 0; i < count; i++)
        add(list, &used, &answer[i]);
    if (name->good.ss_family != AF_UNSPEC && !bw_names_has(list, used, &name->good)) {
        used = used < BW_NAME_ADDRESSES_MAX ? used : BW_NAME_ADDRESSES_MAX - 1;
        add(list, &used, &name->good);
    }
    memcpy(name->addresses, list, used * sizeof list[0]);
    name->count = used;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Or nothing at all: there is nothing to look up. */
static bool is_numeric(const char *host, struct sockaddr_storage *out_address)
{
    struct bw_address address = {.port = 0};

    memset(out_address, 0, sizeof *out_address);
    return host[0] == '\0' ||
           (bw_copy_text(address.host, sizeof address.host, host) && bw_address_is_numeric(&address, out_address));
}

static struct name *find(struct bw_names *names, const char *host)
{
    for (size_t i = 0; i < BW_NAMES_MAX; i++)
        if (strcasecmp(names->names[i].host, host) == 0)
            return &names->names[i];
    return NULL;
}

static bool is_waited_for(const struct bw_names *names, const struct name *name)
{
    for (const struct bw_names_wait *wait = names->waits; wait != NULL; wait = wait->next)
        if (wait->of == name)
            return true;
    return false;
}

/* NULL: it is too long, or all places are being looked up. */
static struct name *want(struct bw_names *names, const char *host)
{
    struct name *name = find(names, host);
    struct name *oldest = NULL;

    for (size_t i = 0; name == NULL && i < BW_NAMES_MAX; i++) {
        struct name *place = &names->names[i];

        if (place->running == 0 && !is_waited_for(names, place) && (oldest == NULL || place->used_ms < oldest->used_ms))
            oldest = place;
    }
    if (name == NULL && oldest != NULL && strlen(host) <= BW_ADDRESS_MAX) {
        memset(oldest, 0, sizeof *oldest);
        (void)bw_copy_text(oldest->host, sizeof oldest->host, host); /* fits */
        name = oldest;
    }
    if (name != NULL)
        name->used_ms = now_ms();
    return name;
}

size_t bw_names_get(struct bw_names *names, const char *host,
                    struct sockaddr_storage out_addresses[BW_NAME_ADDRESSES_MAX])
{
    struct name *name;

    if (is_numeric(host, &out_addresses[0]))
        return out_addresses[0].ss_family != AF_UNSPEC;
    name = find(names, host);
    if (name == NULL)
        return 0;
    name->used_ms = now_ms();
    memcpy(out_addresses, name->addresses, name->count * sizeof out_addresses[0]);
    return name->count;
}

/* ---- who waits ------------------------------------------------------------------------------- */

static void put_wait(struct bw_names_wait **list, struct bw_names_wait *wait)
{
    wait->next = *list;
    wait->previous = list;
    if (wait->next != NULL)
        wait->next->previous = &wait->next;
    *list = wait;
}

void bw_names_give_up(struct bw_names_wait *wait)
{
    if (wait->previous == NULL)
        return;
    *wait->previous = wait->next;
    if (wait->next != NULL)
        wait->next->previous = wait->previous;
    wait->previous = NULL;
}

/* They may give each other up, and wait anew, meanwhile. */
static void tell(struct bw_names *names, const struct name *name, const char *failure)
{
    struct bw_names_wait *told = NULL;
    struct bw_names_wait *next;

    for (struct bw_names_wait *wait = names->waits; wait != NULL; wait = next) {
        next = wait->next;
        if (wait->of != name)
            continue;
        bw_names_give_up(wait);
        put_wait(&told, wait);
    }
    while (told != NULL) {
        struct bw_names_wait *wait = told;

        bw_names_give_up(wait);
        wait->on_end(wait, failure);
    }
}

static void save(struct bw_names *names);

/* ---- lookups --------------------------------------------------------------------------------- */

/* On the thread. */
static void run_lookup(struct job *job)
{
    struct lookup *lookup = (struct lookup *)job;
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    struct sockaddr_storage address;

    lookup->result = getaddrinfo(lookup->host, NULL, &hints, &list);
    if (lookup->result != 0)
        return;
    for (const struct addrinfo *item = list; item != NULL; item = item->ai_next)
        if (copy_address(&address, item->ai_addr))
            add(lookup->addresses, &lookup->count, &address);
    freeaddrinfo(list);
}

static void free_lookup(struct job *job)
{
    free(job);
}

/* On the loop. */
static void on_looked_up(struct bw_names *names, struct job *job)
{
    const struct lookup *lookup = (const struct lookup *)job;
    struct name *name = lookup->name;
    const char *failure = NULL;

    name->running--;
    if (lookup->result != 0)
        failure = gai_strerror(lookup->result);
    else if (lookup->count == 0)
        failure = "no address";
    if (failure == NULL && lookup->number > name->answered) {
        take_addresses(name, lookup->addresses, lookup->count);
        name->answered = lookup->number;
        name->answered_ms = now_ms();
        if (name->good.ss_family == AF_UNSPEC)
            save(names);
    }
    if (failure == NULL || name->running == 0)
        tell(names, name, failure);
}

static bool begin_lookup(struct bw_names *names, struct name *name)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);

    if (lookup == NULL)
        return false;
    lookup->job = (struct job){.run = run_lookup, .on_done = on_looked_up, .free = free_lookup};
    lookup->name = name;
    lookup->number = name->begun + 1;
    memcpy(lookup->host, name->host, sizeof lookup->host);
    if (!bw_job_begin(names->desk, &lookup->job)) {
        free(lookup);
        return false;
    }
    name->running++;
    name->begun++;
    name->begun_ms = now_ms();
    return true;
}

static bool is_fresh(const struct name *name, uint64_t now)
{
    return name->answered != 0 && now - name->answered_ms < FRESH_MS;
}

static bool is_due(const struct name *name, uint64_t now)
{
    return name->running == 0 || (name->running < LOOKUPS_MAX && now - name->begun_ms >= AGAIN_MS);
}

bool bw_names_look(struct bw_names *names, const char *host, struct bw_names_wait *wait)
{
    struct sockaddr_storage numeric;
    struct name *name = is_numeric(host, &numeric) ? NULL : want(names, host);
    const uint64_t now = now_ms();

    BW_ASSERT(names->desk != NULL);
    if (name == NULL || is_fresh(name, now))
        return false;
    if (is_due(name, now) && !begin_lookup(names, name) && name->running == 0)
        return false;
    if (wait != NULL) {
        wait->of = name;
        put_wait(&names->waits, wait);
    }
    return true;
}

void bw_names_foresee(struct bw_names *names, const char *text)
{
    struct bw_address address;
    const struct name *name;

    if (bw_address_parse(text, &address, NULL) != BW_OK)
        return;
    name = find(names, address.host);
    if (name == NULL || name->answered == 0 || now_ms() - name->answered_ms >= FORESEEN_MS)
        (void)bw_names_look(names, address.host, NULL);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* On the thread. */
static void run_save(struct job *job)
{
    struct save *save = (struct save *)job;

    save->err = bw_names_file_save(&save->file, save->bytes, save->size, &save->diag);
}

static void free_save(struct job *job)
{
    struct save *save = (struct save *)job;

    if (save->file.dir >= 0)
        (void)close(save->file.dir); /* a directory */
    free(save);
}

/* On the loop. One that failed is tried again with the next change. */
static void on_saved(struct bw_names *names, struct job *job)
{
    const struct save *done = (const struct save *)job;

    names->is_saving = false;
    if (done->err != BW_OK && !names->is_save_failed)
        bw_log_warn(names->log, "names.write_failed",
                    "file=%s error=%s does=\"after a restart it looks up the names of its peers before it dials\"",
                    names->file.name, bw_log_quote(done->diag.text));
    names->is_save_failed = done->err != BW_OK;
    if (done->err != BW_OK)
        names->saved_size = 0;
    if (names->is_unsaved && done->err == BW_OK)
        save(names);
}

static size_t collect(const struct bw_names *names, struct bw_name_kept out[BW_NAMES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < BW_NAMES_MAX; i++) {
        const struct name *name = &names->names[i];

        if (name->host[0] == '\0' || name->count == 0)
            continue;
        memcpy(out[count].host, name->host, sizeof out[count].host);
        out[count++].address = name->good.ss_family != AF_UNSPEC ? name->good : name->addresses[0];
    }
    return count;
}

/* The kept addresses may have changed. */
static void save(struct bw_names *names)
{
    struct bw_name_kept kept[BW_NAMES_MAX];
    struct save *job;

    names->is_unsaved = true;
    if (names->file.name[0] == '\0' || names->is_saving || names->desk == NULL)
        return;
    job = calloc(1, sizeof *job);
    if (job == NULL)
        return;
    job->job = (struct job){.run = run_save, .on_done = on_saved, .free = free_save};
    job->file = names->file;
    job->file.dir = fcntl(names->file.dir, F_DUPFD_CLOEXEC, 0); /* its own: a disk that hangs outlives who opened it */
    job->size = bw_names_encode(kept, collect(names, kept), job->bytes);
    names->is_unsaved = job->size != names->saved_size || memcmp(job->bytes, names->saved, job->size) != 0;
    memcpy(names->saved, job->bytes, job->size);
    names->saved_size = job->size;
    if (!names->is_unsaved || job->file.dir < 0 || !bw_job_begin(names->desk, &job->job)) {
        names->saved_size = names->is_unsaved ? 0 : names->saved_size;
        free_save(&job->job);
        return;
    }
    names->is_unsaved = false;
    names->is_saving = true;
}

static void take_kept(struct bw_names *names, const struct bw_name_kept *kept, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct name *name = want(names, kept[i].host);

        if (name == NULL || name->count > 0)
            continue;
        name->good = kept[i].address;
        add(name->addresses, &name->count, &name->good);
    }
}

static enum bw_err keep(struct bw_names *names, const char *path, const char *file, struct bw_log *log,
                        struct bw_diag *diag)
{
    struct bw_name_kept kept[BW_NAMES_MAX];
    struct bw_diag why = {0};
    size_t count;
    enum bw_err err;

    names->log = log;
    BW_ASSERT(bw_copy_text(names->file.name, sizeof names->file.name, file));
    names->file.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (names->file.dir < 0)
        return bw_diag_errno(diag, errno, "open %s", path);
    err = bw_names_file_load(&names->file, kept, &count, &why);
    if (err != BW_OK && err != BW_ERR_NOT_FOUND)
        bw_log_warn(log, "names.damaged",
                    "file=%s error=%s does=\"looks up the names of its peers before it dials, and writes the file anew\"",
                    file, bw_log_quote(why.text));
    take_kept(names, kept, count);
    return BW_OK;
}

void bw_names_note(struct bw_names *names, const char *host, const struct sockaddr *address, bool is_good)
{
    struct sockaddr_storage noted;
    struct sockaddr_storage list[BW_NAME_ADDRESSES_MAX] = {0};
    struct sockaddr_storage numeric;
    struct name *name = is_numeric(host, &numeric) ? NULL : want(names, host);
    size_t count = 0;

    if (name == NULL || !copy_address(&noted, address))
        return;
    if (is_good)
        add(list, &count, &noted);
    for (size_t i = 0; i < name->count; i++)
        if (!is_same(&name->addresses[i], &noted))
            add(list, &count, &name->addresses[i]);
    if (!is_good && bw_names_has(name->addresses, name->count, &noted))
        add(list, &count, &noted);
    memcpy(name->addresses, list, count * sizeof list[0]);
    name->count = count;
    if (!is_good || is_same(&name->good, &noted))
        return;
    name->good = noted;
    save(names);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct bw_names *bw_names_new(void)
{
    struct bw_names *names = calloc(1, sizeof *names);

    if (names != NULL)
        names->file.dir = -1;
    return names;
}

enum bw_err bw_names_open(struct bw_names *names, uv_loop_t *loop, struct bw_diag *diag)
{
    return bw_job_desk_open(&names->desk, names, loop, diag);
}

void bw_names_close(struct bw_names *names)
{
    if (names == NULL || names->desk == NULL)
        return;
    BW_ASSERT(names->waits == NULL);
    bw_job_desk_close(names->desk);
    names->desk = NULL;
    names->is_saving = false;
    for (size_t i = 0; i < BW_NAMES_MAX; i++)
        names->names[i].running = 0;
}

void bw_names_free(struct bw_names *names)
{
    if (names == NULL)
        return;
    BW_ASSERT(names->desk == NULL);
    if (names->file.dir >= 0)
        (void)close(names->file.dir); /* a directory */
    free(names);
}

enum bw_err bw_names_open_kept(struct bw_names **out_names, uv_loop_t *loop, const char *path, const char *file,
                               struct bw_log *log, struct bw_diag *diag)
{
    struct bw_names *names = bw_names_new();
    enum bw_err err = names != NULL ? keep(names, path, file, log, diag)
                                    : bw_diag_set(diag, BW_ERR_NOMEM, "names: out of memory");

    if (err == BW_OK)
        err = bw_names_open(names, loop, diag);
    if (err == BW_OK)
        *out_names = names;
    else
        bw_names_free(names);
    return err;
}
