#include <breakwater/base/id.h>

#include <string.h>

#include <breakwater/base/bytes.h>

bool bw_id_equal(struct bw_id a, struct bw_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

bool bw_id_is_none(struct bw_id id)
{
    return bw_id_equal(id, (struct bw_id){{0}});
}

void bw_id_format(struct bw_id id, char out_text[BW_ID_TEXT_BYTES])
{
    bw_hex_encode(id.bytes, sizeof id.bytes, out_text);
}

bool bw_id_parse(const char *text, struct bw_id *out_id)
{
    return bw_hex_decode(text, out_id->bytes, sizeof out_id->bytes);
}
