/*
 * The documents that we send.  What XML cannot hold is kept out by s3_xml_can_hold():
 * such keys are deleted one by one.
 */
#include <string.h>

#include "transfer/s3_xml.h"

static void put_escaped(struct text *out, const char *string)
{
    for (; *string != '\0'; string++) {
        switch (*string) {
        case '&':
            text_add(out, "&amp;");
            break;
        case '<':
            text_add(out, "&lt;");
            break;
        case '>':
            text_add(out, "&gt;");
            break;
        case '\r': /* a parser would make it \n */
            text_add(out, "&#13;");
            break;
        default:
            text_add_bytes(out, string, 1);
            break;
        }
    }
}

static void put_crc32c(struct text *out, uint32_t crc)
{
    const uint8_t bytes[] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16),
                             (uint8_t)(crc >> 8), (uint8_t)crc};

    text_add(out, "<ChecksumCRC32C>");
    text_add_base64(out, bytes, sizeof bytes);
    text_add(out, "</ChecksumCRC32C>");
}

void s3_xml_put_parts(struct text *out, const struct store_part *parts, size_t n,
                      bool with_crc32c)
{
    text_add(out, "<CompleteMultipartUpload "
                  "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < n; i++) {
        text_add_format(out, "<Part><PartNumber>%u</PartNumber><ETag>\"",
                        parts[i].number);
        put_escaped(out, parts[i].etag);
        text_add(out, "\"</ETag>");
        if (with_crc32c)
            put_crc32c(out, parts[i].crc32c);
        text_add(out, "</Part>");
    }
    text_add(out, "</CompleteMultipartUpload>");
}

bool s3_xml_can_hold(const char *key)
{
    for (const char *at = key; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20)
            return false; /* \t, \n and \r are legal, but not every server keeps them */
    /* U+FFFE and U+FFFF are no characters. */
    return text_is_utf8(key, strlen(key)) && strstr(key, "\xef\xbf\xbe") == NULL &&
           strstr(key, "\xef\xbf\xbf") == NULL;
}

void s3_xml_put_keys(struct text *out, const char *prefix, const char *const *keys,
                     size_t n)
{
    text_add(out, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                  "<Quiet>true</Quiet>");
    for (size_t i = 0; i < n; i++) {
        text_add(out, "<Object><Key>");
        put_escaped(out, prefix);
        put_escaped(out, keys[i]);
        text_add(out, "</Key></Object>");
    }
    text_add(out, "</Delete>");
}

void s3_xml_put_location(struct text *out, const char *region)
{
    text_add(out,
             "<CreateBucketConfiguration "
             "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>");
    put_escaped(out, region);
    text_add(out, "</LocationConstraint></CreateBucketConfiguration>");
}
