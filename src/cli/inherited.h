/* inherited.h - what this program finds as it begins and changes for itself, and what it becomes is begun with. */
#ifndef BW_CLI_INHERITED_H
#define BW_CLI_INHERITED_H

#include <stdbool.h>

/* Once, at the beginning: no SIGPIPE, SIGUSR1 nor SIGUSR2, what is made here nobody else can change (5.4), and no private key is in a core dump
 * (5.3). False: that last one could not be had. */
bool bw_inherited_change(void);

/* True if no module of the machine is loaded: a program that is linked statically runs beside another libc than its own, for
 * which the modules of nsswitch.conf and openssl.cnf are made. Once, before any name is resolved. */
bool bw_load_no_modules(void);

/* As it was found, right before another program takes this one's place. */
void bw_inherited_give_back(void);

#endif
