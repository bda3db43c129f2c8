/* maintenance.h - how long a group or a site may be left alone. Design 3.9. */
#ifndef BW_CORE_MAINTENANCE_H
#define BW_CORE_MAINTENANCE_H

#define BW_MAINTENANCE_MS_MAX   (30ull * 24 * 3600 * 1000) /* it always has an end */
#define BW_MAINTENANCE_MAX_TEXT "720h (30 days)"

#endif
