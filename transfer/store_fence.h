#ifndef TRANSFER_STORE_FENCE_H
#define TRANSFER_STORE_FENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

/*
 * Whether we may still write.  Who owns what lies in the store is the agent's affair: it
 * looks from time to time and says until when that is good (store_write_until()).  Past
 * that, nothing that changes the store is begun, and what is under way is broken off,
 * until it has looked again: this process may have been stopped, or the machine asleep,
 * or the network away, while another took over.  And whoever takes over begins only when
 * the other must have noticed (store_write_from()).
 *
 * Part of store.c.  On the loop; time is loop_boot_ms(), which goes on in a suspend.
 */
struct store;
struct store_op;

struct store_fence {
    uint64_t from_ms, until_ms; /* 0: no such limit */
    uint64_t seen_ms;           /* when the timer ran last */
    bool is_up;                 /* the time has passed */
    uv_timer_t timer;           /* its data is the store */
};

void store_fence_init(struct store *store);

/* Must op wait? */
bool store_fence_holds(const struct store *store, const struct store_op *op);

#endif
