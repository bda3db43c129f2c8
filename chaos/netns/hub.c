#include "hub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/instant.h>
#include <breakwater/base/prng.h>
#include <breakwater/sys/clock.h>

#define PACKET_BYTES_MAX 2048 /* the devices' MTU is 1500 */
#define BURST_MAX        64   /* packets of one node before the next has its turn */
#define IP_TCP           6
#define TCP_HEADER_BYTES 20
#define TCP_FLAG_RST     0x04
#define TCP_FLAG_ACK     0x10
#define TCP_FLAG_SYN     0x02

struct packet {
    uint64_t at_ns;
    uint64_t number; /* of two with one time the older goes first */
    uint32_t to;
    uint32_t size;
    uint8_t *data;
};

/* The process's own. */
struct carrier {
    const struct bw_hub *hub;
    struct bw_prng prng;
    struct packet heap[BW_HUB_QUEUE_MAX]; /* the next one first */
    uint32_t heap_count;
    uint64_t packet_count;
    uint64_t busy_until_ns[BW_HUB_NODES_MAX][BW_HUB_NODES_MAX]; /* of links with a rate */
    bool forgets[BW_HUB_NODES_MAX][BW_HUB_NODES_MAX];           /* links, when their last packet came */
    /* Of two nodes (the lower first): ports of whoever began a connection since. */
    uint8_t begun[BW_HUB_NODES_MAX][BW_HUB_NODES_MAX][(UINT16_MAX + 1) / 8];
};

/* ---- the queue: a heap ----------------------------------------------------------------------- */

static bool is_before(const struct packet *a, const struct packet *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

static void swap(struct packet *a, struct packet *b)
{
    const struct packet kept = *a;

    *a = *b;
    *b = kept;
}

static void push(struct carrier *carrier, const struct packet *packet)
{
    uint32_t at = carrier->heap_count;

    if (at == BW_HUB_QUEUE_MAX) {
        free(packet->data); /* lost */
        return;
    }
    carrier->heap[at] = *packet;
    carrier->heap_count++;
    for (; at > 0 && is_before(&carrier->heap[at], &carrier->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&carrier->heap[at], &carrier->heap[(at - 1) / 2]);
}

static struct packet pop(struct carrier *carrier)
{
    const struct packet first = carrier->heap[0];
    uint32_t child;

    carrier->heap[0] = carrier->heap[--carrier->heap_count];
    for (uint32_t at = 0; (child = 2 * at + 1) < carrier->heap_count; at = child) {
        if (child + 1 < carrier->heap_count &&
            is_before(&carrier->heap[child + 1], &carrier->heap[child]))
            child++;
        if (!is_before(&carrier->heap[child], &carrier->heap[at]))
            break;
        swap(&carrier->heap[child], &carrier->heap[at]);
    }
    return first;
}

/* ---- what happens to a packet ---------------------------------------------------------------- */

static bool hits(struct carrier *carrier, uint32_t percent)
{
    return percent > 0 && bw_prng_below(&carrier->prng, 100) < percent;
}

/* Where the payload of an IPv4 packet begins; its size when there is none. */
static uint32_t payload_of(const uint8_t *data, uint32_t size)
{
    const uint32_t ip_bytes = (data[0] & 15U) * 4U;
    uint32_t at = ip_bytes + 8;

    if (data[9] == IP_TCP && size > ip_bytes + 12)
        at = ip_bytes + (data[ip_bytes + 12] >> 4U) * 4U;
    return at < size ? at : size;
}

static void damage(struct carrier *carrier, const struct bw_hub_link *link, uint8_t *data,
                   uint32_t size)
{
    const uint32_t from = payload_of(data, size);
    const uint32_t words = (size - from) / 2;

    if (size > from && hits(carrier, link->corrupt))
        data[from + bw_prng_below(&carrier->prng, size - from)] ^=
            (uint8_t)(1U << bw_prng_below(&carrier->prng, 8));
    if (words >= 2 && hits(carrier, link->mangle)) {
        uint8_t *a = data + from + 2 * bw_prng_below(&carrier->prng, words);
        uint8_t *b = data + from + 2 * bw_prng_below(&carrier->prng, words);
        uint8_t kept[2];

        memcpy(kept, a, 2);
        memmove(a, b, 2);
        memcpy(b, kept, 2);
    }
}

/* When it leaves a link with a rate; 0: its queue is full. */
static uint64_t pass_rate(struct carrier *carrier, uint32_t from, uint32_t to, uint32_t size,
                          uint64_t now_ns)
{
    uint64_t *busy_ns = &carrier->busy_until_ns[from][to];
    const uint32_t rate_kbit = carrier->hub->links[from][to].rate_kbit;

    if (rate_kbit == 0)
        return now_ns;
    if (*busy_ns < now_ns)
        *busy_ns = now_ns;
    *busy_ns += bw_ms_to_ns((uint64_t)size * 8) / rate_kbit; /* bits by bits a millisecond */
    return *busy_ns - now_ns > bw_ms_to_ns(BW_HUB_QUEUE_MS_MAX) ? 0 : *busy_ns;
}

static void carry(struct carrier *carrier, uint32_t from, uint32_t to, const uint8_t *data,
                  uint32_t size)
{
    const struct bw_hub_link *link = &carrier->hub->links[from][to];
    const uint64_t now_ns = bw_clock_now().boot_ns;
    struct packet packet = {.at_ns = pass_rate(carrier, from, to, size, now_ns),
                            .number = ++carrier->packet_count,
                            .to = to,
                            .size = size};
    int64_t delay_ms = link->delay_ms;

    if (packet.at_ns == 0)
        return;
    packet.data = malloc(size);
    if (packet.data == NULL)
        return; /* lost */
    memcpy(packet.data, data, size);
    damage(carrier, link, packet.data, size);
    if (link->jitter_ms > 0)
        delay_ms += (int64_t)bw_prng_below(&carrier->prng, 2 * (uint64_t)link->jitter_ms + 1) -
                    link->jitter_ms;
    if (delay_ms > 0 && !hits(carrier, link->reorder))
        packet.at_ns += bw_ms_to_ns((uint64_t)delay_ms);
    push(carrier, &packet);
}

/* ---- a reset --------------------------------------------------------------------------------- */

static uint32_t add_words(uint32_t sum, const uint8_t *data, uint32_t size)
{
    for (uint32_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)data[i] << 8U | data[i + 1];
    return sum;
}

static void put_checksum(uint8_t *out, uint32_t sum)
{
    while (sum >> 16U != 0)
        sum = (sum & 0xffffU) + (sum >> 16U);
    out[0] = (uint8_t)(~sum >> 8U);
    out[1] = (uint8_t)~sum;
}

/* What a machine without that connection would say to it (RFC 9293, 3.5.2): to the sender's device,
 * at once. */
static void answer_reset(const struct bw_hub *hub, uint32_t from, const uint8_t *data,
                         uint32_t size)
{
    const uint32_t ip_bytes = (data[0] & 15U) * 4U;
    const uint8_t *tcp = data + ip_bytes;
    uint8_t answer[20 + TCP_HEADER_BYTES] = {0x45, 0, 0, sizeof answer, 0, 0, 0x40, 0, 64, IP_TCP};
    uint8_t *out = answer + 20;
    uint32_t next;

    if (data[9] != IP_TCP || size < ip_bytes + TCP_HEADER_BYTES || (tcp[13] & TCP_FLAG_RST) != 0)
        return;
    memcpy(answer + 12, data + 16, 4);
    memcpy(answer + 16, data + 12, 4);
    memcpy(out, tcp + 2, 2);
    memcpy(out + 2, tcp, 2);
    if ((tcp[13] & TCP_FLAG_ACK) != 0) {
        memcpy(out + 4, tcp + 8, 4); /* its acknowledgement is our sequence number */
        out[13] = TCP_FLAG_RST;
    } else {
        memcpy(&next, tcp + 4, 4);
        next = htonl(ntohl(next) + size - ip_bytes - (tcp[12] >> 4U) * 4U +
                     ((tcp[13] & TCP_FLAG_SYN) != 0));
        memcpy(out + 8, &next, 4);
        out[13] = TCP_FLAG_RST | TCP_FLAG_ACK;
    }
    out[12] = TCP_HEADER_BYTES / 4 << 4;
    put_checksum(answer + 10, add_words(0, answer, 20));
    put_checksum(out + 16, add_words(add_words(IP_TCP + TCP_HEADER_BYTES, answer + 12, 8), out,
                                     TCP_HEADER_BYTES));
    (void)!write(hub->devices[from], answer, sizeof answer); /* its queue is full: a loss */
}

/* ---- a firewall that forgets ----------------------------------------------------------------- */

/* True for what belongs to a TCP connection that began before the link's row said so. Ports of servers are below those from
 * which connections begin. */
static bool is_forgotten(struct carrier *carrier, uint32_t from, uint32_t to, const uint8_t *data, uint32_t size)
{
    const bool forgets = carrier->hub->links[from][to].forgets != 0;
    uint8_t *begun = carrier->begun[from < to ? from : to][from < to ? to : from];
    const uint32_t ip_bytes = (data[0] & 15U) * 4U;
    const uint8_t *tcp = data + ip_bytes;
    uint32_t port;

    if (forgets && !carrier->forgets[from][to] && !carrier->forgets[to][from])
        memset(begun, 0, sizeof carrier->begun[0][0]);
    carrier->forgets[from][to] = forgets;
    if (!forgets || data[9] != IP_TCP || size < ip_bytes + TCP_HEADER_BYTES)
        return false;
    port = (uint32_t)tcp[0] << 8U | tcp[1];
    if (port < ((uint32_t)tcp[2] << 8U | tcp[3]))
        port = (uint32_t)tcp[2] << 8U | tcp[3];
    if ((tcp[13] & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN)
        begun[port / 8] |= (uint8_t)(1U << port % 8);
    return (begun[port / 8] & 1U << port % 8) == 0;
}

/* ---- the process ----------------------------------------------------------------------------- */

static void take_packet(struct carrier *carrier, uint32_t from, const uint8_t *data, uint32_t size)
{
    const struct bw_hub *hub = carrier->hub;
    const struct bw_hub_link *link;
    uint32_t address;
    uint32_t to = 0;

    if (size < 20 || data[0] >> 4U != 4 || size < (data[0] & 15U) * 4U)
        return; /* IPv6's own chatter */
    memcpy(&address, data + 16, sizeof address);
    while (to < hub->count && hub->addresses[to] != address && hub->elsewhere[to] != address)
        to++;
    if (to == hub->count || to == from)
        return;
    link = &hub->links[from][to];
    if (link->reset != 0)
        answer_reset(hub, from, data, size);
    if (link->down != 0 || link->reset != 0 || (link->mtu != 0 && size > link->mtu) ||
        is_forgotten(carrier, from, to, data, size) || hits(carrier, link->loss))
        return;
    carry(carrier, from, to, data, size);
    if (hits(carrier, link->duplicate))
        carry(carrier, from, to, data, size);
}

static void drain(struct carrier *carrier, uint32_t from)
{
    uint8_t data[PACKET_BYTES_MAX];

    for (int i = 0; i < BURST_MAX; i++) {
        const ssize_t size = read(carrier->hub->devices[from], data, sizeof data);

        if (size <= 0)
            return; /* nothing more, or the device is down: poll says when there is */
        take_packet(carrier, from, data, (uint32_t)size);
    }
}

static void deliver(struct carrier *carrier)
{
    while (carrier->heap_count > 0 && carrier->heap[0].at_ns <= bw_clock_now().boot_ns) {
        const struct packet packet = pop(carrier);

        /* A device whose queue is full: a loss. */
        (void)!write(carrier->hub->devices[packet.to], packet.data, packet.size);
        free(packet.data);
    }
}

__attribute__((noreturn)) static void carry_all(const struct bw_hub *hub, uint64_t seed)
{
    struct carrier *carrier = calloc(1, sizeof *carrier);
    struct pollfd polls[BW_HUB_NODES_MAX];

    if (carrier == NULL || prctl(PR_SET_NAME, "hub") != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        _exit(EXIT_FAILURE);
    carrier->hub = hub;
    bw_prng_init(&carrier->prng, seed);
    for (uint32_t i = 0; i < hub->count; i++)
        polls[i] = (struct pollfd){.fd = hub->devices[i], .events = POLLIN};
    for (;;) {
        struct timespec wait = {.tv_sec = 1};

        if (carrier->heap_count > 0) {
            const uint64_t now_ns = bw_clock_now().boot_ns;
            const uint64_t at_ns = carrier->heap[0].at_ns;

            wait.tv_sec = 0;
            wait.tv_nsec = at_ns <= now_ns ? 0 : (long)((at_ns - now_ns) % BW_NS_PER_S);
        }
        if (ppoll(polls, hub->count, &wait, NULL) < 0 && errno != EINTR)
            _exit(EXIT_FAILURE);
        deliver(carrier);
        for (uint32_t i = 0; i < hub->count; i++)
            if ((polls[i].revents & POLLIN) != 0)
                drain(carrier, i);
        deliver(carrier);
    }
}

/* ---- namespaces and devices ------------------------------------------------------------------ */

void bw_hub_address(uint32_t node, char out_text[BW_HUB_ADDRESS_BYTES])
{
    (void)snprintf(out_text, BW_HUB_ADDRESS_BYTES, "10.77.0.%u", (unsigned)(node + 1) & 0xffU);
}

void bw_hub_address_elsewhere(uint32_t node, char out_text[BW_HUB_ADDRESS_BYTES])
{
    (void)snprintf(out_text, BW_HUB_ADDRESS_BYTES, "10.77.0.%u", (unsigned)(node + 101) & 0xffU);
}

static enum bw_err raise_device(const char *name, const char *address, struct bw_diag *diag)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {0};
    struct sockaddr_in in = {.sin_family = AF_INET};
    bool is_fine = fd >= 0;

    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (is_fine && address != NULL) {
        is_fine = inet_pton(AF_INET, address, &in.sin_addr) == 1;
        memcpy(&request.ifr_addr, &in, sizeof in);
        is_fine = is_fine && ioctl(fd, SIOCSIFADDR, &request) == 0;
        in.sin_addr.s_addr = htonl(0xffffff00U);
        memcpy(&request.ifr_netmask, &in, sizeof in);
        is_fine = is_fine && ioctl(fd, SIOCSIFNETMASK, &request) == 0;
    }
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    is_fine = is_fine && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (!is_fine)
        (void)bw_diag_errno(diag, errno, "configure the network device %s", name);
    if (fd >= 0)
        (void)close(fd); /* only a handle */
    return is_fine ? BW_OK : BW_ERR_IO;
}

/* In a new network namespace, which this process leaves again. */
static enum bw_err make_node(struct bw_hub *hub, uint32_t node, struct bw_diag *diag)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    char address[BW_HUB_ADDRESS_BYTES];
    enum bw_err err;

    bw_hub_address_elsewhere(node, address);
    hub->elsewhere[node] = inet_addr(address);
    bw_hub_address(node, address);
    hub->addresses[node] = inet_addr(address);
    if (unshare(CLONE_NEWNET) != 0)
        return bw_diag_errno(diag, errno, "make a network namespace");
    hub->namespaces[node] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    hub->devices[node] = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (hub->devices[node] < 0)
        return bw_diag_errno(diag, errno, "open /dev/net/tun");
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "wan0");
    if (hub->namespaces[node] < 0 || ioctl(hub->devices[node], TUNSETIFF, &request) != 0)
        return bw_diag_errno(diag, errno, "make a tun device");
    err = raise_device("lo", NULL, diag);
    return err == BW_OK ? raise_device("wan0", address, diag) : err;
}

enum bw_err bw_hub_open(struct bw_hub *hub, uint32_t count, uint64_t seed, struct bw_diag *diag)
{
    const size_t links_size = sizeof(struct bw_hub_link[BW_HUB_NODES_MAX][BW_HUB_NODES_MAX]);
    const int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    enum bw_err err = BW_OK;

    BW_ASSERT(count > 0 && count <= BW_HUB_NODES_MAX);
    *hub = (struct bw_hub){.count = count};
    memset(hub->devices, -1, sizeof hub->devices);
    memset(hub->namespaces, -1, sizeof hub->namespaces);
    hub->links = mmap(NULL, links_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (own < 0 || hub->links == MAP_FAILED) {
        hub->links = NULL;
        err = bw_diag_errno(diag, errno, "prepare the network");
    }
    for (uint32_t i = 0; i < count && err == BW_OK; i++)
        err = make_node(hub, i, diag);
    if (own >= 0 && setns(own, CLONE_NEWNET) != 0 && err == BW_OK)
        err = bw_diag_errno(diag, errno, "return to the own network namespace");
    if (own >= 0)
        (void)close(own); /* only a handle */
    if (err == BW_OK) {
        (void)fflush(NULL); /* so that the child has nothing of ours to write */
        hub->pid = fork();
        if (hub->pid == 0)
            carry_all(hub, seed);
        if (hub->pid < 0)
            err = bw_diag_errno(diag, errno, "start the hub");
    }
    if (err != BW_OK)
        bw_hub_close(hub);
    return err;
}

enum bw_err bw_hub_move(const struct bw_hub *hub, uint32_t node, bool is_elsewhere, struct bw_diag *diag)
{
    const int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    char address[BW_HUB_ADDRESS_BYTES];
    enum bw_err err = BW_OK;

    if (is_elsewhere)
        bw_hub_address_elsewhere(node, address);
    else
        bw_hub_address(node, address);
    if (own < 0 || setns(hub->namespaces[node], CLONE_NEWNET) != 0)
        err = bw_diag_errno(diag, errno, "enter a network namespace");
    if (err == BW_OK)
        err = raise_device("wan0", address, diag);
    if (own >= 0 && setns(own, CLONE_NEWNET) != 0 && err == BW_OK)
        err = bw_diag_errno(diag, errno, "return to the own network namespace");
    if (own >= 0)
        (void)close(own); /* only a handle */
    return err;
}

void bw_hub_heal(struct bw_hub *hub)
{
    memset(hub->links, 0, sizeof(struct bw_hub_link[BW_HUB_NODES_MAX][BW_HUB_NODES_MAX]));
    for (uint32_t from = 0; from < hub->weather_count; from++)
        for (uint32_t to = 0; to < hub->weather_count; to++)
            hub->links[from][to] = hub->weather;
}

void bw_hub_close(struct bw_hub *hub)
{
    if (hub->pid > 0) {
        (void)kill(hub->pid, SIGKILL); /* ours, not asked for its end yet */
        (void)waitpid(hub->pid, NULL, 0);
    }
    for (uint32_t i = 0; i < hub->count; i++) {
        if (hub->devices[i] >= 0)
            (void)close(hub->devices[i]); /* the device goes with it */
        if (hub->namespaces[i] >= 0)
            (void)close(hub->namespaces[i]); /* only a handle */
    }
    if (hub->links != NULL)
        (void)munmap(hub->links, sizeof(struct bw_hub_link[BW_HUB_NODES_MAX][BW_HUB_NODES_MAX]));
    *hub = (struct bw_hub){0};
}
