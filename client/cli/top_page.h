/* top_page.h - the page of `sluice top`: a cluster's status (sl_client_cluster_status) as
 * lines of text that fit a terminal.  Thread: any. */

#ifndef SL_CLIENT_CLI_TOP_PAGE_H
#define SL_CLIENT_CLI_TOP_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

typedef struct sl_top_view {
    uint32_t columns; /* lines are cut there; 0: whole */
    uint32_t rows;    /* the page is cut there, saying what is left out; 0: whole */
    bool has_colour;  /* escape sequences for headings and states */
    const char *address;
    const char *note; /* a line below the head; NULL: none */
} sl_top_view;

/* Append the page: lines that end in '\n'. SL_ECORRUPT: `json` is no status. */
SL_CHECKED sl_code sl_top_page(const char *json, const sl_top_view *view, sl_bytes *out,
                               sl_error *err);

#endif /* SL_CLIENT_CLI_TOP_PAGE_H */
