#include "transfer/etag.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { HEX = 2 * DIGEST_MD5_BYTES };

bool etag_parse(struct etag *out, const char *text)
{
    uint64_t n_parts = 0;
    size_t size;

    if (strnlen(text, HEX) < HEX || (text[HEX] != '\0' && text[HEX] != '-') ||
        (text[HEX] == '-' && (text_parse_u64(text + HEX + 1, &n_parts) != 0 ||
                              n_parts == 0 || n_parts > UINT32_MAX)))
        return false;
    out->n_parts = (uint32_t)n_parts;
    return text_parse_hex(text, HEX, out->md5, sizeof out->md5, &size) == 0;
}

void etag_format(char out[STORE_ETAG_MAX], const struct etag *etag)
{
    struct text text = {0};

    text_add_hex(&text, etag->md5, sizeof etag->md5);
    if (etag->n_parts > 0)
        text_add_format(&text, "-%u", etag->n_parts);
    memcpy(out, text_string(&text), text.size + 1);
    text_free(&text);
}

bool etag_of_parts(struct etag *out, const struct etag *parts, uint32_t n)
{
    struct md5 md5;

    md5_init(&md5);
    for (uint32_t i = 0; i < n; i++)
        md5_add(&md5, parts[i].md5, sizeof parts[i].md5);
    out->n_parts = n;
    return md5_end(&md5, out->md5);
}
