/* room_watch.h - is there room on the disk again? libraft, which finds none for its next segment, tries again in its own
 * time, and one that found none at its start never does (L3 of safe_io.h): a restart makes the segments anew, and ends
 * with an error where the disk is full still. So as much as a start takes is tried first, in a thread of its own: a disk
 * that hangs holds nobody up.
 *
 * Another watch says why a snapshot is not written, which libraft does not: it tries what libraft does, a file without a
 * name, and no other. */
#ifndef BW_CONSENSUS_ROOM_WATCH_H
#define BW_CONSENSUS_ROOM_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/obs/log.h>

#define BW_ROOM_WATCH_TRY_MS 10000 /* between two tries */

enum bw_room {
    BW_ROOM_LOG,      /* its segments */
    BW_ROOM_SNAPSHOT, /* of the state */
};

struct bw_room_watch {
    enum bw_room kind;
    uv_loop_t *loop;
    const char *dir;
    struct bw_log *log;
    uv_work_t work;
    size_t bytes;       /* that the newest try wants */
    struct bw_diag why; /* of it; BW_OK: there was room */
    bool is_trying;     /* the thread has both */
    bool has_tried;
    char told[BW_DIAG_TEXT_BYTES]; /* why there is none, since it is asked for; "": nothing yet */
    uint64_t begun_ms; /* of the loop, like the next: when the newest try began */
    uint64_t tried_ms; /* and was over */
    uint64_t asked_ms; /* when somebody asked last */
    void (*on_closed)(void *user);
    void *on_closed_user;
};

/* `dir` and `log` (may be NULL) are kept. */
void bw_room_watch_open(struct bw_room_watch *watch, uv_loop_t *loop, enum bw_room kind, const char *dir,
                        struct bw_log *log);
/* Asked again and again while it matters: begins a try when it is time for one. True: the newest, which was just now,
 * has found room for so many bytes, and has given it back. Logs why there is none, and again once the reason is another; of
 * a snapshot also that there is some, since it was not written all the same. */
bool bw_room_watch_has_room(struct bw_room_watch *watch, size_t bytes);
/* Asked no more. `on_closed` comes, perhaps at once, when no thread uses the watch. */
void bw_room_watch_close(struct bw_room_watch *watch, void (*on_closed)(void *user), void *user);

#endif
