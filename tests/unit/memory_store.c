/*
 * An attempt waits a few turns, moves its payload chunk by chunk, waits again, takes
 * its effect and answers.  One that is to fail does so before, in the middle, or - the
 * answer was lost - after its effect.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "dice.h"
#include "manifest/digest.h"
#include "memory_store.h"
#include "transfer/etag.h"

enum failing { FAIL_NEVER, FAIL_BEFORE, FAIL_MIDWAY, FAIL_AFTER };

struct attempt {
    struct store_op *op;
    struct memory_store *m;
    struct deferred soon;
    void (*then)(struct attempt *a); /* when the hops are over */
    unsigned hops;
    bool is_cancelled, is_moving; /* is_moving: the body or the sink has the chunk */
    enum failing failing;
    struct error failure;
    uint8_t *bytes; /* of the body */
    uint64_t n_bytes;
    struct memory_object *object; /* get: a copy of what stood there */
};

/* ---- what is stored ---- */

static void add_md5_etag(char out[STORE_ETAG_MAX], const void *bytes, uint64_t size)
{
    struct etag etag = {0};
    struct md5 md5;

    md5_init(&md5);
    md5_add(&md5, bytes, (size_t)size);
    assert_true(md5_end(&md5, etag.md5));
    etag_format(out, &etag);
}

/* Of an object in parts. */
static void add_md5_etag_of(char out[STORE_ETAG_MAX], const struct store_op *op)
{
    struct etag *parts = mem_new(op->n_parts, sizeof *parts), whole;

    for (size_t i = 0; i < op->n_parts; i++)
        assert_true(etag_parse(&parts[i], op->parts[i].etag));
    assert_true(etag_of_parts(&whole, parts, (uint32_t)op->n_parts));
    etag_format(out, &whole);
    free(parts);
}

static void add_etag(struct memory_store *m, char etag[STORE_ETAG_MAX],
                     const void *bytes, uint64_t size)
{
    struct digest digest = digest_of_bytes(bytes, (size_t)size);
    struct text hex = {0};

    text_add_hex(&hex, digest.bytes, sizeof digest.bytes);
    if (m->store != NULL && store_limits(m->store)->is_local)
        snprintf(etag, STORE_ETAG_MAX, "%s", text_string(&hex));
    else if (m->has_md5_etags)
        add_md5_etag(etag, bytes, size);
    else
        snprintf(etag, STORE_ETAG_MAX, "\"%u-%.8s\"", ++m->n_made, text_string(&hex));
    text_free(&hex);
}

struct memory_object *memory_store_find(const struct memory_store *m, const char *key)
{
    struct memory_object *o = m->objects;

    while (o != NULL && strcmp(o->key, key) != 0)
        o = o->next;
    return o;
}

void memory_store_delete(struct memory_store *m, const char *key)
{
    for (struct memory_object **link = &m->objects; *link != NULL;
         link = &(*link)->next) {
        struct memory_object *o = *link;

        if (strcmp(o->key, key) != 0)
            continue;
        *link = o->next;
        free(o->key);
        free(o->bytes);
        free(o);
        return;
    }
}

/* bytes: taken over. */
static void set_object(struct memory_store *m, const char *key, uint8_t *bytes,
                       uint64_t size)
{
    struct memory_object *o = mem_new(1, sizeof *o);

    memory_store_delete(m, key);
    o->key = mem_copy_string(key);
    o->bytes = bytes;
    o->size = size;
    add_etag(m, o->etag, bytes, size);
    o->modified_ms = 1000 * (int64_t)++m->n_changes;
    o->next = m->objects;
    m->objects = o;
}

static uint8_t *copy_bytes(const void *bytes, uint64_t size)
{
    uint8_t *copy = mem_buffer((size_t)size + 1);

    if (size > 0)
        memcpy(copy, bytes, (size_t)size);
    return copy;
}

void memory_store_put(struct memory_store *m, const char *key, const void *bytes,
                      uint64_t size)
{
    set_object(m, key, copy_bytes(bytes, size), size);
}

struct memory_upload *memory_store_upload(const struct memory_store *m, const char *id)
{
    struct memory_upload *u = m->uploads;

    while (u != NULL && strcmp(u->id, id) != 0)
        u = u->next;
    return u;
}

struct memory_upload *memory_store_create(struct memory_store *m, const char *key,
                                          uint64_t part_size)
{
    struct memory_upload *u = mem_new(1, sizeof *u), **last = &m->uploads;

    snprintf(u->id, sizeof u->id, "upload-%u", ++m->n_made);
    u->key = mem_copy_string(key);
    u->part_size = part_size;
    while (*last != NULL)
        last = &(*last)->next;
    *last = u;
    return u;
}

static void free_part(struct memory_part *part)
{
    free(part->bytes);
    memset(part, 0, sizeof *part);
}

void memory_store_set_part(struct memory_store *m, struct memory_upload *u,
                           uint32_t number, const void *bytes, uint64_t size)
{
    struct memory_part *part = &u->parts[number - 1];

    assert_in_range(number, 1, MEMORY_PARTS_MAX);
    free_part(part);
    part->bytes = copy_bytes(bytes, size);
    part->size = size;
    add_etag(m, part->etag, bytes, size);
}

static void end_upload(struct memory_upload *u, int state)
{
    u->state = state;
    for (size_t i = 0; i < MEMORY_PARTS_MAX; i++)
        free_part(&u->parts[i]);
}

void memory_store_forget(struct memory_store *m, struct memory_upload *u)
{
    if (u->state != UPLOAD_OPEN)
        return;
    m->n_forgotten++;
    end_upload(u, UPLOAD_FORGOTTEN);
}

unsigned memory_store_count_open(const struct memory_store *m)
{
    unsigned n = 0;

    for (const struct memory_upload *u = m->uploads; u != NULL; u = u->next)
        n += u->state == UPLOAD_OPEN;
    return n;
}

void memory_store_free(struct memory_store *m)
{
    while (m->objects != NULL)
        memory_store_delete(m, m->objects->key);
    while (m->uploads != NULL) {
        struct memory_upload *u = m->uploads;

        m->uploads = u->next;
        end_upload(u, UPLOAD_ABORTED);
        free(u->key);
        free(u);
    }
}

/* ---- the end of an attempt ---- */

static void end_attempt(struct attempt *a, const struct error *outcome)
{
    struct store_op *op = a->op;
    struct error err = {0};

    if (outcome != NULL)
        err = *outcome; /* it may be a part of the attempt */
    a->m->n_under_way--;
    op->attempt = NULL;
    free(a->bytes);
    if (a->object != NULL) {
        free(a->object->bytes);
        free(a->object);
    }
    free(a);
    store_attempt_done(op, outcome != NULL ? &err : NULL);
}

static void on_hop(void *ctx)
{
    struct attempt *a = ctx;

    if (a->hops-- > 0)
        loop_defer(a->op->store->loop, &a->soon, on_hop, a);
    else
        a->then(a);
}

static void hop(struct attempt *a, void (*then)(struct attempt *))
{
    a->then = then;
    a->hops = a->is_cancelled ? 0 : roll(6);
    loop_defer(a->op->store->loop, &a->soon, on_hop, a);
}

/* The wish may be heard, or come too late. */
static bool is_cancelled(struct attempt *a)
{
    struct error err;

    if (!a->is_cancelled || roll(3) == 0)
        return false;
    error_set(&err, ERROR_CANCELLED, 0, "cancelled");
    end_attempt(a, &err);
    return true;
}

/* ---- effects ---- */

static bool begins_with(const char *string, const char *prefix)
{
    return strncmp(string, prefix, strlen(prefix)) == 0;
}

/* On a file system: does a file stand where a folder must be, or the reverse? */
static bool is_blocked(const struct memory_store *m, const char *key)
{
    for (const struct memory_object *o = m->objects; m->has_folders && o != NULL;
         o = o->next) {
        size_t n = strlen(o->key), n_key = strlen(key);

        if ((begins_with(key, o->key) && key[n] == '/') ||
            (begins_with(o->key, key) && o->key[n_key] == '/'))
            return true;
    }
    return false;
}

static struct memory_upload *find_upload(struct attempt *a, struct error *err)
{
    struct memory_upload *u = memory_store_upload(a->m, a->op->upload_id);

    assert_non_null(u);
    assert_string_equal(u->key, a->op->key);
    if (u->state == UPLOAD_OPEN && roll(100) < a->m->forget_percent)
        memory_store_forget(a->m, u);
    if (u->state == UPLOAD_OPEN || u->state == UPLOAD_COMPLETED)
        return u;
    error_set(err, ERROR_NOT_FOUND, 404, "no such upload");
    return NULL;
}

static int put(struct attempt *a, struct error *err)
{
    struct store_op *op = a->op;

    if (is_blocked(a->m, op->key))
        return error_set(err, ERROR_CONFLICT, 0, "something stands there");
    set_object(a->m, op->key, a->bytes, a->n_bytes);
    a->bytes = NULL;
    a->m->n_puts++;
    memcpy(op->answer.etag, a->m->objects->etag, STORE_ETAG_MAX);
    return 0;
}

static int create_upload(struct attempt *a, struct error *err)
{
    struct store_op *op = a->op;
    struct memory_upload *u;

    (void)err;
    assert_true(op->part_size > 0);
    u = memory_store_create(a->m, op->key, op->part_size);
    free(op->answer.upload_id); /* of an attempt whose answer was lost */
    op->answer.upload_id = mem_copy_string(u->id);
    return 0;
}

static int upload_part(struct attempt *a, struct error *err)
{
    struct store_op *op = a->op;
    struct memory_upload *u = find_upload(a, err);

    if (u == NULL)
        return -1;
    if (u->state != UPLOAD_OPEN)
        return error_set(err, ERROR_NOT_FOUND, 404, "completed already");
    assert_int_equal(op->part_size, u->part_size);
    assert_int_equal(op->offset, (op->part.number - 1) * u->part_size);
    assert_true(a->n_bytes <= u->part_size);
    memory_store_set_part(a->m, u, op->part.number, a->bytes, a->n_bytes);
    a->m->n_parts++;
    memcpy(op->answer.etag, u->parts[op->part.number - 1].etag, STORE_ETAG_MAX);
    return 0;
}

/* What is to be copied; NULL: that is refused. */
static const struct memory_object *find_source(struct attempt *a, uint64_t size,
                                               struct error *err)
{
    struct store_op *op = a->op;
    const struct store_from *from = &op->from;
    const struct memory_store *m = from->bucket != NULL ? a->m->elsewhere : a->m;
    const struct memory_object *o = memory_store_find(m, from->key);

    op->copy_refused = true;
    if (roll(100) < a->m->refuse_percent) {
        static const enum error_kind kinds[] = {ERROR_NOT_FOUND, ERROR_CONFLICT,
                                                ERROR_AUTH, ERROR_UNUSABLE};
        error_set(err, kinds[roll(ARRAY_SIZE(kinds))], 0, "it is not copied");
        return NULL;
    }
    if (o == NULL) {
        error_set(err, ERROR_NOT_FOUND, 404, "nothing there to copy");
        return NULL;
    }
    if (o->size != from->size || (from->etag != NULL && from->etag[0] != '\0' &&
                                  strcmp(o->etag, from->etag) != 0)) {
        error_set(err, ERROR_CONFLICT, 412, "another object");
        return NULL;
    }
    assert_true(from->offset <= o->size && size <= o->size - from->offset);
    op->copy_refused = false;
    op->answer.is_pinned = from->etag != NULL && roll(3) > 0;
    store_copied(op, size);
    return o;
}

static int copy_object(struct attempt *a, struct error *err)
{
    const struct memory_object *o = find_source(a, a->op->from.size, err);

    if (o == NULL)
        return -1;
    if (is_blocked(a->m, a->op->key))
        return error_set(err, ERROR_CONFLICT, 0, "something stands there");
    set_object(a->m, a->op->key, copy_bytes(o->bytes, o->size), o->size);
    a->m->n_copies++;
    memcpy(a->op->answer.etag, a->m->objects->etag, STORE_ETAG_MAX);
    return 0;
}

static int copy_part(struct attempt *a, struct error *err)
{
    struct store_op *op = a->op;
    struct memory_upload *u = find_upload(a, err);
    const struct memory_object *o;

    if (u == NULL)
        return -1;
    if (u->state != UPLOAD_OPEN)
        return error_set(err, ERROR_NOT_FOUND, 404, "completed already");
    assert_int_equal(op->part_size, u->part_size);
    assert_int_equal(op->offset, (op->part.number - 1) * u->part_size);
    assert_true(op->part.size <= u->part_size);
    o = find_source(a, op->part.size, err);
    if (o == NULL)
        return -1;
    memory_store_set_part(a->m, u, op->part.number, o->bytes + op->from.offset,
                          op->part.size);
    a->m->n_copied_parts++;
    memcpy(op->answer.etag, u->parts[op->part.number - 1].etag, STORE_ETAG_MAX);
    return 0;
}

static uint8_t *join_parts(const struct store_op *op, const struct memory_upload *u,
                           uint64_t *size)
{
    uint8_t *bytes = mem_buffer((size_t)op->size + 1);

    *size = 0;
    for (uint32_t i = 0; i < op->n_parts; i++) {
        const struct memory_part *part = &u->parts[i];

        assert_int_equal(op->parts[i].number, i + 1);
        assert_non_null(part->bytes);
        assert_string_equal(op->parts[i].etag, part->etag);
        assert_int_equal(op->parts[i].size, part->size);
        assert_true(*size + part->size <= op->size);
        assert_true(i + 1 == op->n_parts || part->size == u->part_size);
        memcpy(bytes + *size, part->bytes, (size_t)part->size);
        *size += part->size;
    }
    assert_int_equal(*size, op->size);
    return bytes;
}

/* The first answer was lost: settled by looking at the object. */
static int complete_again(struct attempt *a, const struct memory_upload *u,
                          struct error *err)
{
    const struct memory_object *o = memory_store_find(a->m, a->op->key);

    if (o == NULL || strcmp(o->etag, u->parts[0].etag) != 0)
        return error_set(err, ERROR_NOT_FOUND, 404, "no such upload");
    memcpy(a->op->answer.etag, o->etag, sizeof o->etag);
    return 0;
}

static int complete_upload(struct attempt *a, struct error *err)
{
    struct store_op *op = a->op;
    struct memory_upload *u = find_upload(a, err);
    uint8_t *bytes;
    uint64_t size;

    if (u == NULL)
        return -1;
    if (u->state == UPLOAD_COMPLETED)
        return complete_again(a, u, err);
    if (is_blocked(a->m, op->key))
        return error_set(err, ERROR_CONFLICT, 0, "something stands there");
    bytes = join_parts(op, u, &size);
    set_object(a->m, op->key, bytes, size);
    if (a->m->has_md5_etags && !store_limits(a->m->store)->is_local)
        add_md5_etag_of(a->m->objects->etag, op);
    end_upload(u, UPLOAD_COMPLETED);
    memcpy(u->parts[0].etag, a->m->objects->etag, STORE_ETAG_MAX);
    a->m->n_completions++;
    memcpy(op->answer.etag, a->m->objects->etag, STORE_ETAG_MAX);
    return 0;
}

static int abort_upload(struct attempt *a, struct error *err)
{
    struct memory_upload *u = memory_store_upload(a->m, a->op->upload_id);

    (void)err;
    if (u != NULL && u->state == UPLOAD_OPEN)
        end_upload(u, UPLOAD_ABORTED);
    return 0;
}

static int delete_objects(struct attempt *a, struct error *err)
{
    (void)err;
    for (size_t i = 0; i < a->op->n_keys; i++)
        memory_store_delete(a->m, a->op->keys[i]);
    a->m->n_deletes++;
    return 0;
}

static int head(struct attempt *a, struct error *err)
{
    const struct memory_object *o = memory_store_find(a->m, a->op->key);

    if (o == NULL)
        return error_set(err, ERROR_NOT_FOUND, 404, "no such object");
    a->op->answer.size = o->size;
    a->op->answer.modified_ms = o->modified_ms;
    memcpy(a->op->answer.etag, o->etag, sizeof o->etag);
    return 0;
}

/* ---- listings: the cursor is how many were looked at ---- */

struct memory_cursor {
    struct store_cursor cursor;
    size_t next;
};

static void end_list(struct store *store, struct store_op *op)
{
    assert_ptr_equal(op->cursor->store, store);
    free(op->cursor);
    op->cursor = NULL;
}

static size_t cursor_next(const struct store_op *op)
{
    return op->cursor != NULL ? ((struct memory_cursor *)op->cursor)->next : 0;
}

static void cursor_set(struct attempt *a, size_t next, bool is_end)
{
    struct store_op *op = a->op;

    if (is_end) {
        if (op->cursor != NULL)
            end_list(a->op->store, op);
        return;
    }
    if (op->cursor == NULL)
        op->cursor = mem_new(1, sizeof(struct memory_cursor));
    op->cursor->store = op->store;
    ((struct memory_cursor *)op->cursor)->next = next;
}

static int compare_keys(const void *left, const void *right)
{
    return strcmp(((const struct store_item *)left)->key,
                  ((const struct store_item *)right)->key);
}

/* Flat ones; the cursor is the last key. */
struct key_cursor {
    struct store_cursor cursor;
    char key[200];
};

static int list_objects(struct attempt *a, struct error *err)
{
    struct key_cursor *c = (struct key_cursor *)a->op->cursor;
    const char *after = c != NULL ? c->key : "";
    struct store_items all = {0};

    (void)err;
    assert_true(a->op->is_flat);
    for (const struct memory_object *o = a->m->objects; o != NULL; o = o->next) {
        struct store_item *item;

        if (!begins_with(o->key, a->op->key) || strcmp(o->key, after) <= 0)
            continue;
        item = store_items_add(&all);
        item->key = mem_copy_string(o->key);
        item->size = o->size;
        item->modified_ms = o->modified_ms;
        memcpy(item->etag, o->etag, sizeof o->etag);
    }
    if (all.n > 0)
        qsort(all.items, all.n, sizeof *all.items, compare_keys);
    if (all.n <= a->m->page) {
        if (c != NULL)
            end_list(a->op->store, a->op);
    } else {
        while (all.n > a->m->page)
            free(all.items[--all.n].key);
        if (c == NULL)
            c = mem_new(1, sizeof *c);
        c->cursor.store = a->op->store;
        snprintf(c->key, sizeof c->key, "%s", all.items[all.n - 1].key);
        a->op->cursor = &c->cursor;
    }
    store_items_answer(&all, a->op);
    return 0;
}

static int list_uploads(struct attempt *a, struct error *err)
{
    struct store_items items = {0};
    const struct memory_upload *u = a->m->uploads;
    size_t at = 0, first = cursor_next(a->op);

    (void)err;
    for (; u != NULL && (at < first || items.n < a->m->page); u = u->next, at++) {
        struct store_item *item;

        if (at < first || u->state != UPLOAD_OPEN || !begins_with(u->key, a->op->key))
            continue;
        item = store_items_add(&items);
        item->key = mem_copy_string(u->key);
        item->upload_id = mem_copy_string(u->id);
    }
    cursor_set(a, at, u == NULL);
    store_items_answer(&items, a->op);
    return 0;
}

static int list_parts(struct attempt *a, struct error *err)
{
    struct store_items items = {0};
    const struct memory_upload *u = find_upload(a, err);
    size_t at = cursor_next(a->op);

    if (u == NULL)
        return -1;
    for (; at < MEMORY_PARTS_MAX && items.n < a->m->page; at++) {
        struct store_item *item;

        if (u->parts[at].bytes == NULL)
            continue;
        item = store_items_add(&items);
        item->number = (uint32_t)at + 1;
        item->size = u->parts[at].size;
        memcpy(item->etag, u->parts[at].etag, sizeof item->etag);
    }
    cursor_set(a, at, at == MEMORY_PARTS_MAX);
    store_items_answer(&items, a->op);
    return 0;
}

static int take_effect(struct attempt *a, struct error *err)
{
    switch (a->op->verb) {
    case STORE_PUT:
        return put(a, err);
    case STORE_CREATE_UPLOAD:
        return create_upload(a, err);
    case STORE_UPLOAD_PART:
        return upload_part(a, err);
    case STORE_COPY:
        return copy_object(a, err);
    case STORE_COPY_PART:
        return copy_part(a, err);
    case STORE_COMPLETE_UPLOAD:
        return complete_upload(a, err);
    case STORE_ABORT_UPLOAD:
        return abort_upload(a, err);
    case STORE_LIST_PARTS:
        return list_parts(a, err);
    case STORE_LIST_UPLOADS:
        return list_uploads(a, err);
    case STORE_LIST:
        return list_objects(a, err);
    case STORE_HEAD:
        return head(a, err);
    case STORE_DELETE:
        return delete_objects(a, err);
    default:
        return 0;
    }
}

/* The effect cannot be taken back, but the answer may get lost. */
static void answer(struct attempt *a)
{
    if (a->op->verb == STORE_CREATE_UPLOAD)
        a->m->n_orphans++;
    if (is_cancelled(a))
        return;
    if (a->op->verb == STORE_CREATE_UPLOAD && a->failing != FAIL_AFTER)
        a->m->n_orphans--;
    end_attempt(a, a->failing == FAIL_AFTER ? &a->failure : NULL);
}

static void finish(struct attempt *a)
{
    struct error err;

    if (is_cancelled(a))
        return;
    if (a->failing == FAIL_MIDWAY) {
        end_attempt(a, &a->failure);
        return;
    }
    if (a->m->on_effect != NULL)
        a->m->on_effect(a->m->ctx, a->op);
    if (take_effect(a, &err) != 0)
        end_attempt(a, &err);
    else
        answer(a);
}

/* ---- payload ---- */

static void read_more(struct attempt *a);

static void on_body_read(void *ctx, const struct error *err)
{
    struct attempt *a = ctx;
    size_t n = a->op->buffer.bytes.size;
    uint64_t left = a->op->body->size - a->n_bytes;

    a->is_moving = false;
    if (err != NULL) {
        a->op->body_failed = true;
        end_attempt(a, err);
        return;
    }
    n = left < n ? (size_t)left : n;
    memcpy(a->bytes + a->n_bytes, a->op->buffer.bytes.data, n);
    a->n_bytes += n;
    store_sent(a->op, n);
    read_more(a);
}

static void read_more(struct attempt *a)
{
    struct body *body = a->op->body;
    struct span chunk = a->op->buffer.bytes;

    if (is_cancelled(a))
        return;
    if (a->n_bytes == body->size || (a->failing == FAIL_MIDWAY && roll(3) == 0)) {
        hop(a, finish);
        return;
    }
    if (body->size - a->n_bytes < chunk.size)
        chunk.size = (size_t)(body->size - a->n_bytes);
    a->is_moving = true;
    body->read(body, chunk, NULL, on_body_read, a);
}

static void write_more(struct attempt *a);

static void on_written(void *ctx, const struct error *err)
{
    struct attempt *a = ctx;

    a->is_moving = false;
    if (err != NULL) {
        a->op->body_failed = true;
        end_attempt(a, err);
        return;
    }
    write_more(a);
}

static void write_more(struct attempt *a)
{
    struct store_op *op = a->op;
    uint64_t at = op->offset + op->taken, end = a->object->size;
    struct span chunk = op->buffer.bytes;

    if (op->size < end - op->offset)
        end = op->offset + op->size;
    if (is_cancelled(a))
        return;
    if (at == end) {
        end_attempt(a, a->failing == FAIL_AFTER ? &a->failure : NULL);
    } else if (a->failing == FAIL_MIDWAY && roll(3) == 0) {
        end_attempt(a, &a->failure);
    } else {
        if (end - at < chunk.size)
            chunk.size = (size_t)(end - at);
        memcpy(chunk.data, a->object->bytes + at, chunk.size);
        if (roll(100) < a->m->flip_percent)
            chunk.data[roll((unsigned)chunk.size)] ^= 1;
        store_received(op, chunk.size);
        op->taken += chunk.size;
        a->is_moving = true;
        op->sink->write(op->sink, chunk, on_written, a);
    }
}

static void begin_get(struct attempt *a)
{
    const struct memory_object *o = memory_store_find(a->m, a->op->key);
    struct error err;

    if (o == NULL) {
        error_set(&err, ERROR_NOT_FOUND, 404, "no such object");
        end_attempt(a, &err);
        return;
    }
    a->object = mem_new(1, sizeof *a->object);
    a->object->bytes = copy_bytes(o->bytes, o->size);
    a->object->size = a->op->answer.size = o->size;
    a->op->answer.modified_ms = o->modified_ms;
    memcpy(a->op->answer.etag, o->etag, sizeof o->etag);
    assert_true(a->op->offset + a->op->taken <= o->size);
    write_more(a);
}

/* ---- the kind ---- */

static void begin(struct attempt *a)
{
    if (is_cancelled(a))
        return;
    if (a->failing == FAIL_BEFORE)
        end_attempt(a, &a->failure);
    else if (a->op->verb == STORE_GET)
        begin_get(a);
    else if (a->op->body != NULL)
        read_more(a);
    else
        hop(a, finish);
}

static void draw_failure(struct attempt *a)
{
    if (a->m->refusal != ERROR_NONE) {
        a->failing = FAIL_BEFORE;
        error_set(&a->failure, a->m->refusal, 0, "refused");
    } else if (a->m->is_away) {
        a->failing = roll(2) == 0 ? FAIL_BEFORE : FAIL_MIDWAY;
        error_set(&a->failure, ERROR_NETWORK, 0, "nobody there");
    } else if (roll(100) < a->m->bad_percent) {
        static const enum error_kind kinds[] = {ERROR_TRANSIENT, ERROR_TRANSIENT,
                                                ERROR_THROTTLED, ERROR_NETWORK};
        a->failing = (enum failing)(FAIL_BEFORE + roll(3));
        error_set(&a->failure, kinds[roll(ARRAY_SIZE(kinds))], 0, "bad luck");
        if (a->failing == FAIL_AFTER && a->op->verb == STORE_LIST)
            a->failing = FAIL_BEFORE; /* its effect is the cursor's, which is ours */
    }
}

static void memory_attempt(struct store *store, struct store_op *op)
{
    struct attempt *a = mem_new(1, sizeof *a);

    assert_null(op->attempt);
    a->op = op;
    a->m = store->impl;
    a->m->n_attempts++;
    a->m->n_under_way++;
    op->attempt = a;
    if (op->body != NULL)
        a->bytes = mem_buffer((size_t)op->body->size + 1);
    draw_failure(a);
    hop(a, begin);
}

static void memory_cancel(struct store *store, struct store_op *op)
{
    struct attempt *a = op->attempt;

    (void)store;
    assert_false(a->is_cancelled);
    a->is_cancelled = true;
    a->hops = roll(2);
}

static int memory_open(struct store *store, const char *url, struct error *err)
{
    (void)store, (void)url, (void)err;
    return 0;
}

static void memory_close(struct store *store)
{
    assert_int_equal(((struct memory_store *)store->impl)->n_under_way, 0);
}

static const struct store_kind memory_kind = {.scheme = "memory://",
                                              .jobs = 8,
                                              .jobs_max = 16,
                                              .open = memory_open,
                                              .close = memory_close,
                                              .attempt = memory_attempt,
                                              .cancel = memory_cancel,
                                              .end_list = end_list};

/* Without the waiting, and with fewer attempts to give up after. */
static int64_t brief_delay(const struct error *err, unsigned attempt, uint32_t random,
                           unsigned retry_after_s)
{
    int64_t delay_ms = retry_delay_ms(err, attempt, random, retry_after_s);

    return delay_ms > 0 ? 0 : delay_ms;
}

void memory_store_open(struct memory_store *m, const struct store_options *options,
                       const struct store_limits *limits)
{
    struct error err;

    assert_int_equal(
        store_open_kind(&m->store, options, &memory_kind, "memory://", &err), 0);
    m->store->impl = m;
    m->store->limits = *limits;
    m->store->delay_ms = brief_delay;
    m->store->random = roll(10000) + 1;
    if (m->page == 0)
        m->page = 1 + roll(4);
}

void memory_store_close(struct memory_store *m)
{
    store_close(m->store);
    m->store = NULL;
}
