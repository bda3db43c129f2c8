#include <breakwater/base/err.h>

const char *bw_err_text(enum bw_err err)
{
    switch (err) {
#define X(name, text)                                                                             \
    case name:                                                                                    \
        return text;
        BW_ERR_LIST(X)
#undef X
    }
    return "an unlisted error";
}
