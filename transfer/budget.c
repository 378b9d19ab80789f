/*
 * A ring of waiting leases, served from its head only: a large lease at the head holds
 * up the small ones behind it, and so is never starved by them.
 *
 *     NONE --take--> WAITING --it fits--> GRANTED --next turn of the loop--> HELD
 *      ^                |                                                     |
 *      +---withdraw-----+-------------------------give------------------------+
 *
 * The bytes are allocated when a lease is granted, not before: what waits costs
 * nothing.
 */
#include "transfer/budget.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct budget {
    struct loop *loop;
    size_t limit;
    size_t in_use;
    struct lease queue; /* sentinel of the ring of waiting leases */
};

static void on_granted(void *ctx)
{
    struct lease *lease = ctx;

    lease->state = LEASE_HELD;
    lease->granted(lease, lease->ctx);
}

static void unlink_lease(struct lease *lease)
{
    lease->prev->next = lease->next;
    lease->next->prev = lease->prev;
}

/* Grant from the head of the queue for as long as the head fits. */
static void grant(struct budget *budget)
{
    struct lease *lease;

    while ((lease = budget->queue.next) != &budget->queue) {
        if (lease->size > budget->limit - budget->in_use)
            return;
        unlink_lease(lease);
        budget->in_use += lease->size;
        lease->bytes.data = mem_buffer(lease->size);
        lease->bytes.size = lease->size;
        lease->state = LEASE_GRANTED;
        loop_defer(budget->loop, &lease->soon, on_granted, lease);
    }
}

struct budget *budget_new(struct loop *loop, size_t limit_bytes)
{
    struct budget *budget = mem_new(1, sizeof *budget);

    budget->loop = loop;
    budget->limit = limit_bytes;
    budget->queue.prev = budget->queue.next = &budget->queue;
    return budget;
}

void budget_free(struct budget *budget)
{
    if (budget == NULL)
        return;
    assert(budget->in_use == 0 && budget->queue.next == &budget->queue);
    free(budget);
}

void budget_take(struct budget *budget, struct lease *lease, size_t size,
                 void (*granted)(struct lease *lease, void *ctx), void *ctx)
{
    assert(lease->state == LEASE_NONE && size <= budget->limit);
    lease->budget = budget;
    lease->granted = granted;
    lease->ctx = ctx;
    lease->size = size;
    lease->state = LEASE_WAITING;
    lease->prev = budget->queue.prev;
    lease->next = &budget->queue;
    lease->prev->next = lease->next->prev = lease;
    grant(budget);
}

bool budget_withdraw(struct lease *lease)
{
    if (lease->state != LEASE_WAITING)
        return false;
    unlink_lease(lease);
    lease->state = LEASE_NONE;
    grant(lease->budget); /* it may have been what held up the others */
    return true;
}

void budget_give(struct lease *lease)
{
    if (lease->state == LEASE_NONE)
        return;
    assert(lease->state == LEASE_HELD);
    lease->budget->in_use -= lease->size;
    free(lease->bytes.data);
    lease->bytes = (struct span){NULL, 0};
    lease->state = LEASE_NONE;
    grant(lease->budget);
}

void budget_shrink(struct lease *lease, size_t size)
{
    assert(lease->state == LEASE_HELD && size <= lease->size);
    if (size == lease->size)
        return;
    lease->budget->in_use -= lease->size - size;
    lease->size = size;
    lease->bytes.data = mem_resize(lease->bytes.data, size > 0 ? size : 1, 1);
    lease->bytes.size = size;
    grant(lease->budget);
}

size_t budget_limit(const struct budget *budget)
{
    return budget->limit;
}

size_t budget_in_use(const struct budget *budget)
{
    return budget->in_use;
}
