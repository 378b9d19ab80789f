/*
 * What is remembered of each open upload.  It can all be lost: a token that is not known
 * is replaced by the ETag (s3_upload.c), and the upload's checksum is asked for
 * (s3_put.c).
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/s3_attempt.h"

enum { MEMOS_MAX = 4096 }; /* of uploads that are neither completed nor aborted */

const char s3_token_header[] = "x-amz-meta-grid-upload"; /* no '_': Ceph makes it '-' */

/* The newest come first; what is beyond the limit is forgotten. */
static void trim(struct s3 *s3)
{
    struct s3_memo *m = s3->memos;

    for (unsigned i = 1; m != NULL && i < MEMOS_MAX; i++)
        m = m->next;
    if (m == NULL)
        return;
    free(m->next); /* there is one too many at most */
    m->next = NULL;
}

struct s3_memo *s3_memo_find(const struct s3 *s3, const char *upload_id)
{
    struct s3_memo *m = s3->memos;

    while (m != NULL && strcmp(m->upload_id, upload_id) != 0)
        m = m->next;
    return m;
}

struct s3_memo *s3_memo_make(struct s3 *s3, const char *upload_id)
{
    size_t size = strlen(upload_id) + 1;
    struct s3_memo *m = s3_memo_find(s3, upload_id);

    if (m != NULL)
        return m;
    m = mem_new(1, sizeof *m + size);
    memcpy(m->upload_id, upload_id, size);
    m->next = s3->memos;
    s3->memos = m;
    trim(s3);
    return m;
}

void s3_memo_drop(struct s3 *s3, const char *upload_id)
{
    for (struct s3_memo **link = &s3->memos; *link != NULL; link = &(*link)->next) {
        struct s3_memo *m = *link;

        if (strcmp(m->upload_id, upload_id) != 0)
            continue;
        *link = m->next;
        free(m);
        return;
    }
}

void s3_memo_free_all(struct s3 *s3)
{
    while (s3->memos != NULL) {
        struct s3_memo *m = s3->memos;

        s3->memos = m->next;
        free(m);
    }
}
