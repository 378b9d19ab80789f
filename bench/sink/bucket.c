/*
 * Objects lie in a hash table; their order is made when a listing asks for it and a key
 * has come or gone since.  Open uploads are few: a list.  One lock over all of it, held
 * for microseconds.
 */
#include "bench/sink/bucket.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "manifest/digest_md5.h"

enum { SLOTS_MIN = 1024 };

struct entry {
    struct object object;
    char *bytes;
    struct entry *next; /* in the same slot */
    char key[];
};

struct part {
    bool is_there;
    struct object object;
    struct text bytes;
};

struct upload {
    struct upload *next;
    uint64_t serial;
    int64_t begun_s;
    bool has_crc32c;
    struct part *parts; /* [number - 1] */
    unsigned n_parts;
    char key[];
};

struct bucket {
    pthread_mutex_t lock;
    struct entry **slots;
    size_t n_slots, n_entries; /* n_slots is a power of two */
    struct entry **sorted;     /* NULL: not in order any more */
    struct upload *uploads;
    uint64_t n_begun;
};

struct bucket *bucket_new(void)
{
    struct bucket *b = mem_new(1, sizeof *b);

    pthread_mutex_init(&b->lock, NULL);
    b->n_slots = SLOTS_MIN;
    b->slots = mem_new(b->n_slots, sizeof(struct entry *));
    return b;
}

static void free_entry(struct entry *e)
{
    free(e->bytes);
    free(e);
}

static void free_upload(struct upload *u)
{
    for (unsigned i = 0; i < u->n_parts; i++)
        text_free(&u->parts[i].bytes);
    free(u->parts);
    free(u);
}

/* ---- the table ---- */

/* FNV-1a */
static size_t slot_of(const struct bucket *b, const char *key)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * 0x100000001b3u;
    return (size_t)(hash ^ hash >> 32) & (b->n_slots - 1);
}

static struct entry **find(struct bucket *b, const char *key)
{
    struct entry **at = &b->slots[slot_of(b, key)];

    while (*at != NULL && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

static void grow(struct bucket *b)
{
    struct entry **old = b->slots;
    size_t n = b->n_slots;

    b->n_slots *= 2;
    b->slots = mem_new(b->n_slots, sizeof(struct entry *));
    for (size_t i = 0; i < n; i++) {
        while (old[i] != NULL) {
            struct entry *e = old[i], **slot = &b->slots[slot_of(b, e->key)];
            old[i] = e->next;
            e->next = *slot;
            *slot = e;
        }
    }
    free(old);
}

static void disorder(struct bucket *b)
{
    free(b->sorted);
    b->sorted = NULL;
}

static struct entry *find_or_add(struct bucket *b, const char *key)
{
    struct entry **at = find(b, key), *e;

    if (*at != NULL)
        return *at;
    if (b->n_entries++ == b->n_slots) {
        grow(b);
        at = find(b, key);
    }
    e = mem_new(1, sizeof *e + strlen(key) + 1);
    memcpy(e->key, key, strlen(key) + 1);
    *at = e;
    disorder(b);
    return e;
}

static void describe(struct object *out, uint64_t size, const struct text *bytes)
{
    uint8_t md5[DIGEST_MD5_BYTES] = {0};
    struct md5 state;

    *out = (struct object){
        .size = size, .modified_s = time(NULL), .is_kept = bytes != NULL};
    snprintf(out->etag, sizeof out->etag, "not-kept");
    if (bytes == NULL)
        return;
    md5_init(&state);
    md5_add(&state, bytes->data, bytes->size);
    md5_end(&state, md5);
    for (size_t i = 0; i < sizeof md5; i++)
        snprintf(out->etag + 2 * i, 3, "%02x", md5[i]);
}

static void store(struct bucket *b, const char *key, const struct object *object,
                  const struct text *bytes)
{
    struct entry *e = find_or_add(b, key);

    free(e->bytes);
    e->bytes = bytes == NULL ? NULL : mem_copy_bytes(text_string(bytes), bytes->size);
    e->object = *object;
}

bool bucket_put(struct bucket *b, const char *key, uint64_t size,
                const struct text *bytes, bool if_absent, struct object *out)
{
    bool may;

    describe(out, size, bytes);
    pthread_mutex_lock(&b->lock);
    may = !if_absent || *find(b, key) == NULL;
    if (may)
        store(b, key, out, bytes);
    pthread_mutex_unlock(&b->lock);
    return may;
}

bool bucket_get(struct bucket *b, const char *key, struct object *out,
                struct text *bytes)
{
    struct entry *e;

    pthread_mutex_lock(&b->lock);
    e = *find(b, key);
    if (e != NULL) {
        *out = e->object;
        if (bytes != NULL && e->bytes != NULL)
            text_add_bytes(bytes, e->bytes, e->object.size);
    }
    pthread_mutex_unlock(&b->lock);
    return e != NULL;
}

void bucket_delete(struct bucket *b, const char *key)
{
    struct entry **at, *e;

    pthread_mutex_lock(&b->lock);
    at = find(b, key);
    e = *at;
    if (e != NULL) {
        *at = e->next;
        free_entry(e);
        b->n_entries--;
        disorder(b);
    }
    pthread_mutex_unlock(&b->lock);
}

/* ---- listings ---- */

static int compare(const void *left, const void *right)
{
    const struct entry *const *a = left, *const *b = right;

    return strcmp((*a)->key, (*b)->key);
}

static void sort(struct bucket *b)
{
    size_t n = 0;

    if (b->sorted != NULL)
        return;
    b->sorted = mem_new(b->n_entries + 1, sizeof(struct entry *));
    for (size_t i = 0; i < b->n_slots; i++)
        for (struct entry *e = b->slots[i]; e != NULL; e = e->next)
            b->sorted[n++] = e;
    qsort(b->sorted, n, sizeof(struct entry *), compare);
}

/* The first that is not before key. */
static size_t lower_bound(const struct bucket *b, const char *key)
{
    size_t low = 0, high = b->n_entries;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(b->sorted[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool begins_with(const char *string, const char *start)
{
    return strncmp(string, start, strlen(start)) == 0;
}

static bool ends_with(const char *string, const char *end)
{
    size_t n = strlen(string), m = strlen(end);

    return m > 0 && n >= m && strcmp(string + n - m, end) == 0;
}

/* The length of the group that the key belongs to; 0: none. */
static size_t group_size(const struct bucket_page *page, const char *key)
{
    const char *at;

    if (page->delimiter[0] == '\0')
        return 0;
    at = strstr(key + strlen(page->prefix), page->delimiter);
    return at == NULL ? 0 : (size_t)(at - key) + strlen(page->delimiter);
}

/* Seen on an earlier page, or part of the group that ended it or was the last here. */
static bool is_passed(const struct bucket_page *page, const char *key,
                      const struct text *last)
{
    const char *group = text_string(last);

    if (ends_with(group, page->delimiter))
        return begins_with(key, group);
    return strcmp(key, page->after) <= 0;
}

bool bucket_list(struct bucket *b, const struct bucket_page *page, struct text *last)
{
    uint64_t n = 0;
    bool has_more = false;

    pthread_mutex_lock(&b->lock);
    sort(b);
    text_clear(last);
    text_add(last, page->after);
    for (size_t i = lower_bound(
             b, strcmp(page->after, page->prefix) > 0 ? page->after : page->prefix);
         i < b->n_entries && begins_with(b->sorted[i]->key, page->prefix); i++) {
        const struct entry *e = b->sorted[i];
        size_t group = group_size(page, e->key);

        if (is_passed(page, e->key, last))
            continue;
        has_more = n++ == page->most;
        if (has_more)
            break;
        text_clear(last);
        text_add_bytes(last, e->key, group > 0 ? group : strlen(e->key));
        page->each(page->ctx, text_string(last), group > 0 ? NULL : &e->object);
    }
    pthread_mutex_unlock(&b->lock);
    return has_more;
}

/* ---- uploads ---- */

static void write_id(char id[BUCKET_ID_MAX], uint64_t serial)
{
    snprintf(id, BUCKET_ID_MAX, "%llu", (unsigned long long)serial);
}

static struct upload **find_upload(struct bucket *b, const char *id)
{
    uint64_t serial = 0;
    struct upload **at = &b->uploads;

    (void)text_parse_u64(id, &serial); /* no upload has 0 */
    while (*at != NULL && (*at)->serial != serial)
        at = &(*at)->next;
    return at;
}

void bucket_begin(struct bucket *b, const char *key, bool has_crc32c,
                  char id[BUCKET_ID_MAX])
{
    struct upload *u = mem_new(1, sizeof *u + strlen(key) + 1);

    memcpy(u->key, key, strlen(key) + 1);
    u->begun_s = time(NULL);
    u->has_crc32c = has_crc32c;
    pthread_mutex_lock(&b->lock);
    u->serial = ++b->n_begun;
    u->next = b->uploads;
    b->uploads = u;
    pthread_mutex_unlock(&b->lock);
    write_id(id, u->serial);
}

static void make_room(struct upload *u, unsigned number)
{
    if (number <= u->n_parts)
        return;
    u->parts = mem_resize(u->parts, number, sizeof *u->parts);
    memset(u->parts + u->n_parts, 0, (number - u->n_parts) * sizeof *u->parts);
    u->n_parts = number;
}

bool bucket_part(struct bucket *b, const char *id, unsigned number, uint64_t size,
                 const struct text *bytes, struct object *out)
{
    struct upload *u;

    if (number == 0 || number > BUCKET_PARTS_MAX)
        return false;
    describe(out, size, bytes);
    pthread_mutex_lock(&b->lock);
    u = *find_upload(b, id);
    if (u != NULL) {
        struct part *part;

        make_room(u, number);
        part = &u->parts[number - 1];
        part->is_there = true;
        part->object = *out;
        text_clear(&part->bytes);
        if (bytes != NULL)
            text_add_bytes(&part->bytes, bytes->data, bytes->size);
    }
    pthread_mutex_unlock(&b->lock);
    return u != NULL;
}

bool bucket_complete(struct bucket *b, const char *id, unsigned (*number_of)(void *ctx),
                     void *ctx, struct object *out)
{
    struct text bytes = {0};
    uint64_t size = 0;
    bool is_kept = true, is_sound = true;
    unsigned number;
    struct upload **at, *u;

    pthread_mutex_lock(&b->lock);
    at = find_upload(b, id);
    u = *at;
    while (u != NULL && is_sound && (number = number_of(ctx)) != 0) {
        is_sound = number <= u->n_parts && u->parts[number - 1].is_there;
        if (is_sound) {
            const struct part *part = &u->parts[number - 1];
            size += part->object.size;
            is_kept = is_kept && part->object.is_kept;
            text_add_bytes(&bytes, text_string(&part->bytes), part->bytes.size);
        }
    }
    if (u != NULL && is_sound) {
        describe(out, size, is_kept ? &bytes : NULL);
        store(b, u->key, out, is_kept ? &bytes : NULL);
        *at = u->next;
        free_upload(u);
    }
    pthread_mutex_unlock(&b->lock);
    text_free(&bytes);
    return u != NULL && is_sound;
}

bool bucket_abort(struct bucket *b, const char *id)
{
    struct upload **at, *u;

    pthread_mutex_lock(&b->lock);
    at = find_upload(b, id);
    u = *at;
    if (u != NULL) {
        *at = u->next;
        free_upload(u);
    }
    pthread_mutex_unlock(&b->lock);
    return u != NULL;
}

static struct upload_info info_of(const struct upload *u)
{
    struct upload_info info = {
        .key = u->key, .begun_s = u->begun_s, .has_crc32c = u->has_crc32c};

    write_id(info.id, u->serial);
    return info;
}

void bucket_uploads(struct bucket *b, const char *prefix,
                    void (*each)(void *ctx, const struct upload_info *upload),
                    void *ctx)
{
    pthread_mutex_lock(&b->lock);
    for (const struct upload *u = b->uploads; u != NULL; u = u->next) {
        struct upload_info info = info_of(u);

        if (begins_with(u->key, prefix))
            each(ctx, &info);
    }
    pthread_mutex_unlock(&b->lock);
}

bool bucket_parts(struct bucket *b, const char *id, unsigned after,
                  void (*each)(void *ctx, unsigned number, const struct object *part),
                  void *ctx, struct upload_info *out)
{
    const struct upload *u;

    pthread_mutex_lock(&b->lock);
    u = *find_upload(b, id);
    for (unsigned i = after; u != NULL && i < u->n_parts; i++)
        if (u->parts[i].is_there)
            each(ctx, i + 1, &u->parts[i].object);
    if (u != NULL) {
        *out = info_of(u);
        out->key = NULL; /* the upload may end now */
    }
    pthread_mutex_unlock(&b->lock);
    return u != NULL;
}
