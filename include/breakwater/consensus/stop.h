/* stop.h - why a witness must end now, whatever else it is doing. */
#ifndef BW_CONSENSUS_STOP_H
#define BW_CONSENSUS_STOP_H

/* The value is the exit status of the process. */
enum bw_stop {
    BW_STOP_RESTART = 75, /* the disk failed or stands still; a fresh start may go on */
    BW_STOP_PERSON = 70   /* a restart meets the same again: a person must act */
};

/* The end of each text about a witness that has forgotten what it has said or taken, or may have: it
 * must never vote again, and another one takes its place. */
#define BW_WITNESS_LOST                                                                            \
    "this witness must not take part again: leave it stopped, and replace it while the others "    \
    "are "                                                                                         \
    "a majority. Give a new witness a name and an id that were never used, in an empty data_dir; " \
    "as "                                                                                          \
    "the user who is to run it (runuser -u breakwater --): "                                       \
    "breakwater witness init --join -c FILE --cluster-id HEX (`breakwater members` prints it); "   \
    "start it; then: "                                                                             \
    "breakwater members replace OLD NEW"

/* The end of each text of one that has a decision which the others have lost. */
#define BW_DECISIONS_LOST                                                                          \
    "Another witness has lost part of its log (its directory is of an earlier moment). To keep what " \
    "was decided: stop the other witnesses, run here `breakwater recover -c FILE`, start this one, " \
    "and make the others anew. To give it up: make this one anew; if a site still knows of the decision (status: " \
    "decisions_lost), recover another witness instead, or restore there what `breakwater snapshot save` has saved"

/* There is no directory, or nothing in it: a new witness, or one whose disk is lost. */
#define BW_WITNESS_NEW                                                                             \
    "for a new cluster `breakwater witness init` makes it, as the witness's user; where this "     \
    "witness had one, it is lost: " BW_WITNESS_LOST

/* Of one that an operator has removed. */
#define BW_WITNESS_REMOVED                                                                         \
    "this witness was removed from the cluster, or that was recovered without it: its directory "  \
    "is "                                                                                          \
    "of no use any more, and it never votes again; to have a witness here, make a new one under "  \
    "a "                                                                                           \
    "new name and id (breakwater witness init --join, as its user)"

/* Must not return in a program: it prints `message` and calls _exit((int)why), without any
 * unwinding. Where it does return (tests, the simulator), the member behind it is mute from then
 * on: it sends nothing, writes nothing and applies nothing, and waits to be closed. */
typedef void (*bw_stop_fn)(void *user, enum bw_stop why, const char *message);

#endif
