/* stop.h - why a witness must end now, whatever else it is doing. */
#ifndef BW_CONSENSUS_STOP_H
#define BW_CONSENSUS_STOP_H

/* The value is the exit status of the process. */
enum bw_stop {
    BW_STOP_RESTART = 75, /* the disk failed or stands still; a fresh start may go on */
    BW_STOP_PERSON = 70   /* a restart meets the same again: a person must act */
};

/* The end of each text about a witness that has forgotten what it has said or taken, or may have: it
 * must never vote again, and there is no way yet to put another in its place. */
#define BW_WITNESS_LOST                                                                            \
    "this witness must not take part again: leave it stopped; the others go on while they are a "  \
    "majority, and this version cannot replace it"

/* Must not return in a program: it prints `message` and calls _exit((int)why), without any
 * unwinding. Where it does return (tests, the simulator), the member behind it is mute from then
 * on: it sends nothing, writes nothing and applies nothing, and waits to be closed. */
typedef void (*bw_stop_fn)(void *user, enum bw_stop why, const char *message);

#endif
