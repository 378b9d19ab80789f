#include "manifest/digest_md5.h"

#include <openssl/evp.h>

void md5_init(struct md5 *m)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx != NULL && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    m->state = ctx;
}

void md5_add(struct md5 *m, const void *bytes, size_t size)
{
    if (m->state != NULL && EVP_DigestUpdate(m->state, bytes, size) != 1)
        md5_free(m);
}

bool md5_end(struct md5 *m, uint8_t out[DIGEST_MD5_BYTES])
{
    unsigned size = 0;
    bool is_good = m->state != NULL && EVP_DigestFinal_ex(m->state, out, &size) == 1;

    md5_free(m);
    return is_good && size == DIGEST_MD5_BYTES;
}

void md5_free(struct md5 *m)
{
    EVP_MD_CTX_free(m->state);
    m->state = NULL;
}
