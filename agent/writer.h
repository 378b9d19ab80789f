#ifndef AGENT_WRITER_H
#define AGENT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A file descriptor or log file written by a thread of its own, from a bounded queue,
 * so that a reader who does not read never holds up who writes.  Any thread may call.
 */
struct writer;

/* What becomes of bytes that the other side is slow to take. */
enum writer_urgency {
    WRITER_IF_IDLE, /* dropped when a few KiB wait: progress, frames of a display */
    WRITER_IF_ROOM, /* dropped when 256 KiB wait: warnings, log lines */
    WRITER_ALWAYS   /* kept: for the few things that must be said */
};

/* fd is borrowed and stays open; its flags are left alone. */
struct writer *writer_open(int fd);

/* Opened by the thread: appended to, mode 0600; renamed to "<path>.1" above max_bytes.
 */
struct writer *writer_open_file(const char *path, uint64_t max_bytes);

/* All of the bytes are queued (true), or none. */
bool writer_put(struct writer *w, const char *bytes, size_t size,
                enum writer_urgency urgency);

/* 0, or the errno that ended it: from then on everything is thrown away. */
int writer_error(struct writer *w);

/* Throw away what waits and what is still to come: its reader has gone. */
void writer_stop(struct writer *w);

/*
 * Write what waits, but no longer than until `deadline` (of uv_hrtime()), and free.  A
 * thread that hangs in a write is left behind.  Returns what writer_error() would then.
 */
int writer_close(struct writer *w, uint64_t deadline);

#endif
