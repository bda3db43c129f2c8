/* script_hint.h - what the text of a start script lets one guess of where its service will live.
 * Design 3.4: a guard ends what is in its reach; what systemd, a container engine, a cluster or
 * another host runs is none of the script's processes. A hint, no proof: only a trial measures. */
#ifndef BW_CONFIG_SCRIPT_HINT_H
#define BW_CONFIG_SCRIPT_HINT_H

#include <stdint.h>

enum bw_script_hint_kind {
    BW_SCRIPT_HINT_NONE,       /* nothing of the kind, or the file cannot be read */
    BW_SCRIPT_HINT_UNIT,       /* systemctl start: the service is a unit */
    BW_SCRIPT_HINT_CONTAINERS, /* docker, podman: the service may be compose's containers */
    BW_SCRIPT_HINT_ELSEWHERE   /* docker, kubectl, ssh ...: no process of this script serves */
};

struct bw_script_hint {
    enum bw_script_hint_kind kind;
    uint32_t line;
    char word[32];  /* "kubectl" */
    char unit[128]; /* as stop_method: units wants it; "": its name is not plain in the text */
};

/* Reads at most the first 64 KiB of `file`; comments do not count. The first hit is told. */
struct bw_script_hint bw_script_hint_read(const char *file);
/* The same of a text. */
struct bw_script_hint bw_script_hint_of(const char *text);

#endif
