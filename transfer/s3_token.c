/*
 * Each upload's object carries a random token as metadata, so that after a doubtful
 * completion the object can be told from an older one of the same size.  Tokens are
 * kept for the uploads that were created by this process: a later one goes by the ETag.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/s3_attempt.h"

enum { TOKENS_MAX = 4096 }; /* of uploads that are neither completed nor aborted */

struct s3_token {
    struct s3_token *next;
    char value[S3_TOKEN_MAX];
    char upload_id[];
};

const char s3_token_header[] = "x-amz-meta-grid-upload"; /* no '_': Ceph makes it '-' */

/* The newest come first; what is beyond the limit is forgotten. */
static void trim(struct s3 *s3)
{
    struct s3_token *t = s3->tokens;

    for (unsigned i = 1; t != NULL && i < TOKENS_MAX; i++)
        t = t->next;
    if (t == NULL)
        return;
    free(t->next); /* there is one too many at most */
    t->next = NULL;
}

void s3_token_add(struct s3 *s3, const char *upload_id, const char *token)
{
    size_t size = strlen(upload_id) + 1;
    struct s3_token *t = mem_new(1, sizeof *t + size);

    memcpy(t->upload_id, upload_id, size);
    memcpy(t->value, token, strnlen(token, S3_TOKEN_MAX - 1));
    t->next = s3->tokens;
    s3->tokens = t;
    trim(s3);
}

const char *s3_token_find(const struct s3 *s3, const char *upload_id)
{
    for (const struct s3_token *t = s3->tokens; t != NULL; t = t->next)
        if (strcmp(t->upload_id, upload_id) == 0)
            return t->value;
    return "";
}

void s3_token_drop(struct s3 *s3, const char *upload_id)
{
    for (struct s3_token **link = &s3->tokens; *link != NULL; link = &(*link)->next) {
        struct s3_token *t = *link;

        if (strcmp(t->upload_id, upload_id) != 0)
            continue;
        *link = t->next;
        free(t);
        return;
    }
}

void s3_token_free_all(struct s3 *s3)
{
    while (s3->tokens != NULL) {
        struct s3_token *t = s3->tokens;

        s3->tokens = t->next;
        free(t);
    }
}
