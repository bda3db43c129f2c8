/* config_scope.h - how much of the machine a file is judged by. */
#ifndef BW_CONFIG_CONFIG_SCOPE_H
#define BW_CONFIG_CONFIG_SCOPE_H

/* HERE: as the daemon that reads it would. A file that others can change (os/path_owner.h) is refused.
 * OFFLINE: the file alone is judged; scripts need not exist here, and a `scripts:` file that is not here is
 * a warning. */
enum bw_config_scope { BW_CONFIG_HERE, BW_CONFIG_OFFLINE };

#endif
