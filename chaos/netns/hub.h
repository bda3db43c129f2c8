/* hub.h - the network between the nodes: a process that carries each IPv4 packet from one node's
 * tun device to another's, and does to it what the link's row says. Nothing else connects the
 * nodes.
 *
 * Every ordered pair of nodes has a row of its own, so that each fault can be one way. Rows lie in
 * memory shared with the process: what is written there holds from the next packet on. */
#ifndef BW_CHAOS_HUB_H
#define BW_CHAOS_HUB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <breakwater/base/diag.h>

#define BW_HUB_NODES_MAX 12
/* Packets on their way at most; one more is lost, as on any link whose queue is full. */
#define BW_HUB_QUEUE_MAX 16384
/* What a link with a rate keeps back at most; more is lost. */
#define BW_HUB_QUEUE_MS_MAX 1000

/* One direction. All zero: perfect. Shares are in percent of packets. */
struct bw_hub_link {
    uint32_t down;      /* 1: everything is lost, in silence */
    uint32_t reset;     /* 1: every TCP packet is answered with a reset, nothing passes */
    uint32_t loss;      /* lost */
    uint32_t duplicate; /* arrive twice */
    uint32_t reorder;   /* overtake those that are delayed */
    uint32_t corrupt;   /* one bit is flipped: the checksum shows it */
    uint32_t mangle;    /* two words are swapped: the checksum does not show it */
    uint32_t delay_ms;
    uint32_t jitter_ms; /* more or less of it */
    uint32_t rate_kbit; /* per second; 0: no limit */
    uint32_t mtu;       /* larger packets vanish; 0: none do */
    uint32_t forgets;   /* 1: what TCP connections of before it carry is lost, in silence; those that begin now pass */
};

/* In the caller's memory, open to close. */
struct bw_hub {
    uint32_t count;
    int devices[BW_HUB_NODES_MAX];
    int namespaces[BW_HUB_NODES_MAX];              /* network namespaces, to be entered by setns */
    uint32_t addresses[BW_HUB_NODES_MAX];          /* at home; network order */
    uint32_t elsewhere[BW_HUB_NODES_MAX];          /* once it has moved */
    struct bw_hub_link (*links)[BW_HUB_NODES_MAX]; /* [from][to], shared with the process */
    struct bw_hub_link weather; /* of each link between two of the first nodes, when nothing is broken */
    uint32_t weather_count;     /* so many nodes; 0: all links are perfect then */
    pid_t pid;
};

/* Makes `count` network namespaces, each with lo and a tun device of the address 10.77.0.(i + 1),
 * and starts the process. BW_ERR_NOT_FOUND: this machine has no /dev/net/tun. */
BW_MUST_CHECK enum bw_err bw_hub_open(struct bw_hub *hub, uint32_t count, uint64_t seed,
                                      struct bw_diag *diag);
/* Ends the process; the namespaces go with the last process in them. */
void bw_hub_close(struct bw_hub *hub);

/* All links as the weather has them, perfect without any. */
void bw_hub_heal(struct bw_hub *hub);

#define BW_HUB_ADDRESS_BYTES 16
void bw_hub_address(uint32_t node, char out_text[BW_HUB_ADDRESS_BYTES]);
/* 10.77.0.(i + 101): what a node has instead once it has moved. */
void bw_hub_address_elsewhere(uint32_t node, char out_text[BW_HUB_ADDRESS_BYTES]);
/* Gives a node that one, or the first one back; what is sent to the other is swallowed from then on. */
BW_MUST_CHECK enum bw_err bw_hub_move(const struct bw_hub *hub, uint32_t node, bool is_elsewhere,
                                      struct bw_diag *diag);

#endif
