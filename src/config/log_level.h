/* log_level.h - the words of `log_level:`, the same in every file. */
#ifndef BW_CONFIG_LOG_LEVEL_H
#define BW_CONFIG_LOG_LEVEL_H

#include <breakwater/obs/log.h>

#include <breakwater/config/schema.h>

static const struct bw_key_word bw_log_level_words[] = {
    {"error", BW_LOG_ERROR},
    {"warn", BW_LOG_WARN},
    {"info", BW_LOG_INFO},
    {"debug", BW_LOG_DEBUG},
    {0},
};

#endif
