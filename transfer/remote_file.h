#ifndef TRANSFER_REMOTE_FILE_H
#define TRANSFER_REMOTE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "transfer/byte_pipe.h"
#include "transfer/http.h"

/*
 * The bytes behind a URL, into a pipe, from the first to the last or from wherever the
 * pipe's reader wants to go on.
 *
 * Connections that break, servers that answer 5xx or 429, and a web page that stands in
 * the file's place for a while (a portal) are waited out: where the server honours Range
 * the next request goes on behind the last byte, else it begins again and what the pipe
 * has had is passed over.  Both only while size, ETag and Last-Modified are what they
 * were: else ERROR_CHANGED.  What cannot become better (403, 404, a certificate) ends it
 * at once.
 *
 * Redirects are followed, ten at most, to http and https.  User and password of the URL
 * go to its own host alone, and into no message.
 */
struct remote_file;

struct remote_file_options {
    struct loop *loop;
    const char *url;
    const char *ca_file;       /* NULL: the system's */
    uint64_t first_contact_ms; /* how long may nobody answer: at first, */
    uint64_t outage_ms;        /* and later?  0: for ever */

    /* It has begun to come, or, err, has not.  Once. */
    void (*opened)(void *ctx, const struct error *err);
    void *ctx;
};

struct remote_file_info { /* as of opened() */
    bool has_size, can_seek;
    uint64_t size;
    const char *validator; /* ETag or Last-Modified; "": the server gives none */
};

struct remote_file_state {
    uint64_t bytes_fetched; /* of bodies, those fetched twice too */
    uint64_t requests, retries;
    const struct error *away;            /* why nothing comes; NULL: it does */
    uint64_t away_since_ms, next_try_ms; /* loop_now_ms() */
};

/* The options' strings are copied.  ERROR_USAGE: no such URL, or CA file. */
int remote_file_open(struct remote_file **out,
                     const struct remote_file_options *options, struct error *err);
struct byte_pipe *remote_file_pipe(struct remote_file *file);
void remote_file_info(const struct remote_file *file, struct remote_file_info *out);
void remote_file_state(const struct remote_file *file, struct remote_file_state *out);

/* Nobody reads the pipe any more.  closed() follows, on the loop, and the file is gone. */
void remote_file_close(struct remote_file *file, void (*closed)(void *ctx), void *ctx);

#endif
