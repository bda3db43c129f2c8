#include <breakwater/wire/frame.h>

#include <inttypes.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#define LENGTH_AT 4
#define CRC_AT    8

static uint32_t crc_of(const uint8_t *frame, size_t payload_size)
{
    return bw_crc32c(bw_crc32c(0, frame, CRC_AT), frame + BW_FRAME_HEAD_BYTES, payload_size);
}

void bw_frame_seal(uint8_t *frame, uint32_t magic, size_t payload_size)
{
    BW_ASSERT(payload_size <= UINT32_MAX);
    bw_put_u32le(frame, magic);
    bw_put_u32le(frame + LENGTH_AT, (uint32_t)payload_size);
    bw_put_u32le(frame + CRC_AT, crc_of(frame, payload_size));
}

enum bw_err bw_frame_measure(const uint8_t *head, uint32_t magic, size_t payload_max,
                             size_t *out_frame_size, struct bw_diag *diag)
{
    const uint32_t length = bw_get_u32le(head + LENGTH_AT);

    if (bw_get_u32le(head) != magic)
        return bw_diag_set(diag, BW_ERR_CORRUPT,
                           "frame: begins with 0x%08" PRIx32 ", not 0x%08" PRIx32,
                           bw_get_u32le(head), magic);
    if (length > payload_max)
        return bw_diag_set(diag, BW_ERR_LIMIT, "frame: %" PRIu32 " bytes; at most %zu", length,
                           payload_max);
    *out_frame_size = BW_FRAME_HEAD_BYTES + (size_t)length;
    return BW_OK;
}

enum bw_err bw_frame_open(const void *data, size_t size, uint32_t magic, size_t payload_max,
                          struct bw_frame *out_frame, struct bw_diag *diag)
{
    const uint8_t *bytes = data;
    size_t frame_size = 0;
    enum bw_err err;

    if (size < BW_FRAME_HEAD_BYTES)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "frame: cut: %zu bytes", size);
    err = bw_frame_measure(bytes, magic, payload_max, &frame_size, diag);
    if (err != BW_OK)
        return err;
    if (size < frame_size)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "frame: cut: %zu of %zu bytes", size, frame_size);
    if (crc_of(bytes, frame_size - BW_FRAME_HEAD_BYTES) != bw_get_u32le(bytes + CRC_AT))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "frame: the checksum is wrong");
    *out_frame = (struct bw_frame){
        .payload = bytes + BW_FRAME_HEAD_BYTES,
        .payload_size = frame_size - BW_FRAME_HEAD_BYTES,
        .size = frame_size,
    };
    return BW_OK;
}
