#ifndef BENCH_SINK_BUCKET_H
#define BENCH_SINK_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/*
 * What the sink remembers: of every object the size, of those that are kept the bytes;
 * and open multipart uploads.  Keys are "bucket/key".  Any thread may call; strings of
 * a callback are valid during it, and it must not call back.
 */
struct bucket;

enum { BUCKET_ETAG_MAX = 40, BUCKET_ID_MAX = 24, BUCKET_PARTS_MAX = 10000 };

struct bucket *bucket_new(void); /* for as long as the process runs */

struct object {
    uint64_t size;
    int64_t modified_s;
    char
        etag[BUCKET_ETAG_MAX]; /* of kept bytes the MD5; else no MD5, which some clients
                                   would compare with theirs */
    bool is_kept;
};

/* bytes NULL: not kept, size alone counts.  Returns false, and does nothing, when
 * if_absent is set and the key is there. */
bool bucket_put(struct bucket *b, const char *key, uint64_t size,
                const struct text *bytes, bool if_absent, struct object *out);

/* bytes may be NULL; else what is kept is appended. */
bool bucket_get(struct bucket *b, const char *key, struct object *out,
                struct text *bytes);
void bucket_delete(struct bucket *b, const char *key);

/* One page of a listing.  A group (name ends in the delimiter) has object NULL. */
struct bucket_page {
    const char *prefix, *after, *delimiter; /* "" for none */
    uint64_t most;
    void (*each)(void *ctx, const char *name, const struct object *object);
    void *ctx;
};
/* True when there is more; *last is then where the next page begins. */
bool bucket_list(struct bucket *b, const struct bucket_page *page, struct text *last);

/* ---- multipart uploads; false: there is no such upload ---- */

void bucket_begin(struct bucket *b, const char *key, bool has_crc32c,
                  char id[BUCKET_ID_MAX]);
bool bucket_part(struct bucket *b, const char *id, unsigned number, uint64_t size,
                 const struct text *bytes, struct object *out);

/* number_of(ctx) gives the parts in order, then 0. */
bool bucket_complete(struct bucket *b, const char *id, unsigned (*number_of)(void *ctx),
                     void *ctx, struct object *out);
bool bucket_abort(struct bucket *b, const char *id);

struct upload_info {
    const char *key;
    char id[BUCKET_ID_MAX];
    int64_t begun_s;
    bool has_crc32c;
};
void bucket_uploads(struct bucket *b, const char *prefix,
                    void (*each)(void *ctx, const struct upload_info *upload),
                    void *ctx);
bool bucket_parts(struct bucket *b, const char *id, unsigned after,
                  void (*each)(void *ctx, unsigned number, const struct object *part),
                  void *ctx, struct upload_info *out);

#endif
