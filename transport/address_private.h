/* address_private.h - what an address text means, and why it may not be used.
 * Thread: any. */

#ifndef SL_TRANSPORT_ADDRESS_PRIVATE_H
#define SL_TRANSPORT_ADDRESS_PRIVATE_H

#include "base/error.h"
#include "base/fs.h"

typedef enum sl_address_kind {
    SL_ADDRESS_NAME, /* cannot be dialled */
    SL_ADDRESS_TCP,
    SL_ADDRESS_IPC,
} sl_address_kind;

SL_CHECKED sl_code sl_address__parse(const char *address, sl_address_kind *ret,
                                     sl_error *err);
/* Before an ipc address is bound: removes the socket file of a dead process; SL_EEXISTS
 * if a living one listens, or if something that is no socket is there. */
SL_CHECKED sl_code sl_address__make_free(const char *address, sl_error *err);

#endif /* SL_TRANSPORT_ADDRESS_PRIVATE_H */
