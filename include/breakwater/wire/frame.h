/* frame.h - bytes that say where they end and whether they are whole: magic, length (u32 LE each),
 * CRC-32C of both and of the payload (u32 LE), payload. A bare protobuf message does neither: it can
 * be cut between two fields and still parse. Pure. */
#ifndef BW_WIRE_FRAME_H
#define BW_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>

#define BW_FRAME_HEAD_BYTES 12

/* The magics: the bytes "BWL1", "BWS1", "BWSG", "BWSR" and "BWSE". */
#define BW_FRAME_LOG_ENTRY      UINT32_C(0x314c5742)
#define BW_FRAME_SNAPSHOT_HEAD  UINT32_C(0x31535742)
#define BW_FRAME_SNAPSHOT_GROUP UINT32_C(0x47535742)
#define BW_FRAME_SNAPSHOT_BLOCK UINT32_C(0x52535742)
#define BW_FRAME_SNAPSHOT_END   UINT32_C(0x45535742)

/* Writes the head of a frame whose `payload_size` bytes stand behind it already. */
void bw_frame_seal(uint8_t *frame, uint32_t magic, size_t payload_size);

/* How long the frame is that begins with these BW_FRAME_HEAD_BYTES bytes, head included: for who reads
 * from a stream. BW_ERR_CORRUPT: another magic. BW_ERR_LIMIT: a payload of more than `payload_max`. */
BW_MUST_CHECK enum bw_err bw_frame_measure(const uint8_t *head, uint32_t magic, size_t payload_max,
                                           size_t *out_frame_size, struct bw_diag *diag);

/* A frame that `data` begins with. */
struct bw_frame {
    const uint8_t *payload; /* inside `data` */
    size_t payload_size;
    size_t size; /* head included; more data may follow */
};
/* As measure; BW_ERR_CORRUPT also when bytes are missing or changed. */
BW_MUST_CHECK enum bw_err bw_frame_open(const void *data, size_t size, uint32_t magic,
                                        size_t payload_max, struct bw_frame *out_frame,
                                        struct bw_diag *diag);

#endif
