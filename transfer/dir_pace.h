#ifndef TRANSFER_DIR_PACE_H
#define TRANSFER_DIR_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

/*
 * Writing to a file:// store under a limit (--bwlimit): how many bytes may be written
 * now, all writers together.  Who gets none waits in line.  All on the loop.
 */
struct dir_pace;

/* A place in the line; zeroed: none.  It stays where it is while it waits. */
struct dir_turn {
    /* So many bytes, at least one, may be written now.  From the loop, never from
     * inside a call. */
    void (*come)(void *ctx, size_t n);
    void *ctx;

    /* Private. */
    bool is_waiting;
    size_t want;
    struct dir_turn *next;
};

struct dir_pace *dir_pace_new(struct loop *loop, uint64_t rate);

/* Nobody waits any more.  The memory goes while the loop runs on. */
void dir_pace_free(struct dir_pace *p);

/* Bytes a second; 0: no limit. */
void dir_pace_set_rate(struct dir_pace *p, uint64_t rate);

/* How many of want bytes (at least one) may be written now.  0: turn->come() follows. */
size_t dir_pace_take(struct dir_pace *p, struct dir_turn *turn, size_t want);

/* It does not follow.  False: he did not wait. */
bool dir_pace_leave(struct dir_pace *p, struct dir_turn *turn);

#endif
