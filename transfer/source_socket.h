#ifndef TRANSFER_SOURCE_SOCKET_H
#define TRANSFER_SOURCE_SOCKET_H

#include "transfer/source.h"

/*
 * Files that another program has and gives piece by piece over a unix socket: those of a
 * page in a browser, through `grid ui`.  It is asked a line of JSON,
 *
 *     {"ask":7,"do":"list","after":"a/b"}       what comes behind this path, some of it
 *     {"ask":8,"do":"open","path":"a/c"}        is it there, and what is it now?
 *     {"ask":9,"do":"read","path":"a/c","offset":0,"size":262144}
 *
 * many at once, and answers, in any order, with lines and bytes:
 *
 *     9 begin SIZE MODIFIED_MS     what the file is now; a second one of the same
 *                                  question begins it anew
 *     9 bytes N, then N bytes      of the range; of list, of the listing
 *     9 end
 *     9 fail gone|unreadable TEXT
 *
 * A listing is entries in path order, "file SIZE MODIFIED_MS PATH" or "dir 0 0 PATH",
 * each with a NUL behind it, and where nothing follows "end" as the last.
 *
 * Nothing is answered for as long as the page is away.  When the socket is closed, lost()
 * runs once, and what is under way ends with ERROR_CANCELLED.
 */
struct source_socket_events {
    void (*lost)(void *ctx);
};

int source_open_socket(struct source **out, struct loop *loop, const char *path,
                       const struct source_socket_events *events, void *ctx,
                       struct error *err);

#endif
