/* record_event.h - one event of the record as bytes, a RecordEvent of proto/snapshot.proto. Design
 * 3.1. The same event gives the same bytes on every witness, and no others are taken for it. What
 * is converted lies on the stack: nothing is taken from the heap. */
#ifndef BW_WIRE_RECORD_EVENT_H
#define BW_WIRE_RECORD_EVENT_H

#include <breakwater/base/diag.h>
#include <breakwater/core/record.h>

/* How every record is kept. */
extern const struct bw_record_codec bw_record_codec;

/* At most BW_RECORD_EVENT_BYTES_MAX; `out` NULL: only how many. BW_ERR_INVALID: a value that could
 * not be read again. BW_ERR_LIMIT: larger than out_max. */
BW_MUST_CHECK enum bw_err bw_record_event_encode(const struct bw_record_event *event, void *out,
                                                 size_t out_max, size_t *out_size,
                                                 struct bw_diag *diag);
/* Of bytes that come from outside: what they say is sound, and is written in these bytes and no
 * others. BW_ERR_VERSION: of a newer breakwater. BW_ERR_CORRUPT, BW_ERR_LIMIT; `out_event` is
 * then untouched. */
BW_MUST_CHECK enum bw_err bw_record_event_decode(const void *data, size_t size,
                                                 struct bw_record_event *out_event,
                                                 struct bw_diag *diag);

#endif
