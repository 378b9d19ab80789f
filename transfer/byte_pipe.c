/*
 * A ring of chunks under one lock.
 *
 *     loop: put -> slots[first + n]        thread: slots[first] -> lent
 *
 * The chunk that the thread has been lent stays in its slot until it asks for the next:
 * a zip's reader goes back by a few bytes within it.  A seek out of it empties the ring
 * and raises `is_wanted`; until the loop has seen that, it puts into the void.
 */
#include "transfer/byte_pipe.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct slot {
    uint8_t *bytes;
    uint64_t offset;
    size_t size;
};

struct byte_pipe {
    struct loop *loop;
    void (*news)(void *ctx);
    void *ctx;
    struct deferred told;

    uv_mutex_t lock; /* guards the rest */
    uv_cond_t filled;
    struct slot slots[BYTE_PIPE_SLOTS];
    unsigned first, n; /* the lent one is the first of them */
    bool is_lent;
    uint64_t put_offset; /* of the next byte to be put */
    bool wants_room, wants_hunger, is_hungry, is_telling;
    bool is_wanted;
    uint64_t wanted;
    bool is_ended, is_aborted;
    struct error err; /* at the end */

    uint64_t offset; /* the thread's: of its next byte */
};

struct byte_pipe *byte_pipe_new(struct loop *loop, void (*news)(void *ctx), void *ctx)
{
    struct byte_pipe *p = mem_new(1, sizeof *p);

    p->loop = loop;
    p->news = news;
    p->ctx = ctx;
    uv_mutex_init(&p->lock);
    uv_cond_init(&p->filled);
    for (unsigned i = 0; i < BYTE_PIPE_SLOTS; i++)
        p->slots[i].bytes = mem_buffer(BYTE_PIPE_CHUNK);
    return p;
}

void byte_pipe_free(struct byte_pipe *p)
{
    if (p == NULL)
        return;
    for (unsigned i = 0; i < BYTE_PIPE_SLOTS; i++)
        free(p->slots[i].bytes);
    uv_cond_destroy(&p->filled);
    uv_mutex_destroy(&p->lock);
    free(p);
}

/* ---- the loop's side ---- */

static void on_told(void *ctx)
{
    struct byte_pipe *p = ctx;

    uv_mutex_lock(&p->lock);
    p->is_telling = false;
    uv_mutex_unlock(&p->lock);
    p->news(p->ctx);
}

/* With the lock held. */
static void tell(struct byte_pipe *p)
{
    if (p->is_telling)
        return;
    p->is_telling = true;
    loop_post(p->loop, &p->told, on_told, p);
}

static void store(struct byte_pipe *p, struct span bytes)
{
    struct slot *slot = &p->slots[(p->first + p->n++) % BYTE_PIPE_SLOTS];

    memcpy(slot->bytes, bytes.data, bytes.size);
    slot->size = bytes.size;
    slot->offset = p->put_offset;
    p->put_offset += bytes.size;
    uv_cond_signal(&p->filled);
}

bool byte_pipe_put(struct byte_pipe *p, struct span bytes)
{
    bool has_room;

    uv_mutex_lock(&p->lock);
    has_room = p->is_wanted || p->is_aborted || p->n < BYTE_PIPE_SLOTS;
    if (!has_room)
        p->wants_room = true;
    else if (!p->is_wanted && !p->is_aborted && bytes.size > 0)
        store(p, bytes);
    uv_mutex_unlock(&p->lock);
    return has_room;
}

bool byte_pipe_is_hungry(struct byte_pipe *p)
{
    bool is_hungry;

    uv_mutex_lock(&p->lock);
    is_hungry = p->is_hungry;
    p->wants_hunger = !is_hungry;
    uv_mutex_unlock(&p->lock);
    return is_hungry;
}

void byte_pipe_end(struct byte_pipe *p, const struct error *err)
{
    uv_mutex_lock(&p->lock);
    if (!p->is_wanted) {
        p->is_ended = true;
        error_keep_first(&p->err, err);
        uv_cond_signal(&p->filled);
    }
    uv_mutex_unlock(&p->lock);
}

bool byte_pipe_wanted(struct byte_pipe *p, uint64_t *offset)
{
    bool is_wanted;

    uv_mutex_lock(&p->lock);
    is_wanted = p->is_wanted;
    if (is_wanted)
        *offset = p->put_offset = p->wanted;
    p->is_wanted = false;
    uv_mutex_unlock(&p->lock);
    return is_wanted;
}

void byte_pipe_abort(struct byte_pipe *p, const struct error *err)
{
    uv_mutex_lock(&p->lock);
    p->is_aborted = true;
    error_keep_first(&p->err, err);
    uv_cond_signal(&p->filled);
    uv_mutex_unlock(&p->lock);
}

/* ---- the thread's side ---- */

/* With the lock held. */
static void give_back(struct byte_pipe *p)
{
    if (!p->is_lent)
        return;
    p->is_lent = false;
    p->first = (p->first + 1) % BYTE_PIPE_SLOTS;
    p->n--;
    if (p->wants_room) {
        p->wants_room = false;
        tell(p);
    }
}

/* The rest of the first slot from p->offset on: false where nothing is left. */
static bool lend(struct byte_pipe *p, struct span *bytes)
{
    struct slot *slot = &p->slots[p->first];

    if (p->n == 0 || p->offset < slot->offset || p->offset >= slot->offset + slot->size)
        return false;
    bytes->data = slot->bytes + (p->offset - slot->offset);
    bytes->size = (size_t)(slot->offset + slot->size - p->offset);
    p->offset += bytes->size;
    p->is_lent = true;
    return true;
}

/* With the lock held. */
static void await_bytes(struct byte_pipe *p)
{
    p->is_hungry = true;
    if (p->wants_hunger) {
        p->wants_hunger = false;
        tell(p);
    }
    uv_cond_wait(&p->filled, &p->lock);
    p->is_hungry = false;
}

int byte_pipe_get(struct byte_pipe *p, struct span *bytes, struct error *err)
{
    int status = 0;

    *bytes = (struct span){NULL, 0};
    uv_mutex_lock(&p->lock);
    while (!p->is_aborted && !lend(p, bytes)) {
        if (p->is_lent)
            give_back(p);
        else if (p->is_ended)
            break;
        else
            await_bytes(p);
    }
    if (bytes->size == 0 && p->err.kind != ERROR_NONE) {
        *err = p->err;
        status = -1;
    }
    uv_mutex_unlock(&p->lock);
    return status;
}

uint64_t byte_pipe_offset(const struct byte_pipe *p)
{
    return p->offset;
}

/* Is it in the chunk that is lent? */
static bool is_in_hand(struct byte_pipe *p, uint64_t offset)
{
    const struct slot *slot = &p->slots[p->first];
    bool is_in_hand;

    uv_mutex_lock(&p->lock);
    is_in_hand =
        p->is_lent && offset >= slot->offset && offset <= slot->offset + slot->size;
    uv_mutex_unlock(&p->lock);
    return is_in_hand;
}

static int read_up_to(struct byte_pipe *p, uint64_t offset, struct error *err)
{
    struct span bytes;

    while (p->offset < offset) {
        if (byte_pipe_get(p, &bytes, err) != 0)
            return -1;
        if (bytes.size == 0)
            return 0; /* behind the end: the next get says so */
    }
    p->offset = offset; /* within what was lent last */
    return 0;
}

static void want(struct byte_pipe *p, uint64_t offset)
{
    uv_mutex_lock(&p->lock);
    p->n = 0;
    p->is_lent = p->is_ended = p->wants_room = false;
    if (!p->is_aborted)
        error_clear(&p->err);
    p->is_wanted = true;
    p->wanted = p->offset = offset;
    tell(p);
    uv_mutex_unlock(&p->lock);
}

int byte_pipe_seek(struct byte_pipe *p, uint64_t offset, struct error *err)
{
    if (is_in_hand(p, offset))
        p->offset = offset;
    else if (offset >= p->offset && offset - p->offset < BYTE_PIPE_CHUNK)
        return read_up_to(p, offset, err);
    else
        want(p, offset);
    return 0;
}
