/*
 * Documents are written straight from the bucket's callbacks.  What clients send is
 * searched for the few elements that matter, not parsed.
 */
#include "bench/sink/xml.h"

#include <stdio.h>
#include <string.h>

const char xml_declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

enum { PAGE = 1000 };

static const struct {
    char plain;
    const char *escaped;
} escapes[] = {{'&', "&amp;"},  {'<', "&lt;"},    {'>', "&gt;"},
               {'"', "&quot;"}, {'\'', "&apos;"}, {'\r', "&#13;"}};

void xml_add(struct text *out, const char *string)
{
    for (; *string != '\0'; string++) {
        size_t i = 0;

        while (i < sizeof escapes / sizeof *escapes && escapes[i].plain != *string)
            i++;
        if (i < sizeof escapes / sizeof *escapes)
            text_add(out, escapes[i].escaped);
        else
            text_add_bytes(out, string, 1);
    }
}

static void add_unescaped(struct text *out, const char *from, const char *end)
{
    while (from < end) {
        size_t i = 0, n = 1;

        while (i < sizeof escapes / sizeof *escapes &&
               strncmp(from, escapes[i].escaped, strlen(escapes[i].escaped)) != 0)
            i++;
        if (i < sizeof escapes / sizeof *escapes) {
            n = strlen(escapes[i].escaped);
            text_add_bytes(out, &escapes[i].plain, 1);
        } else {
            text_add_bytes(out, from, 1);
        }
        from += n;
    }
}

const char *xml_next(const char *at, const char *name, struct text *out)
{
    char tag[40];
    const char *end;

    snprintf(tag, sizeof tag, "<%s>", name);
    at = strstr(at, tag);
    if (at == NULL)
        return NULL;
    at += strlen(tag);
    end = strchr(at, '<');
    if (end == NULL)
        return NULL;
    text_clear(out);
    add_unescaped(out, at, end);
    return end;
}

/* ---- listings ---- */

struct listing {
    struct text *out;
    size_t bucket; /* bytes of "bucket/" before each key */
    bool is_encoded;
};

static void add_key(const struct listing *l, const char *key)
{
    if (l->is_encoded)
        text_add_uri(l->out, key, strlen(key), true);
    else
        xml_add(l->out, key);
}

static void add_time(struct text *out, const char *name, int64_t time_s)
{
    char time[TEXT_TIME_MAX];

    text_time(time, time_s * 1000);
    text_add_format(out, "<%s>%s</%s>", name, time, name);
}

static void add_object(void *ctx, const char *name, const struct object *o)
{
    struct listing *l = ctx;

    text_add(l->out, o == NULL ? "<CommonPrefixes><Prefix>" : "<Contents><Key>");
    add_key(l, name + l->bucket);
    if (o == NULL) {
        text_add(l->out, "</Prefix></CommonPrefixes>");
        return;
    }
    text_add(l->out, "</Key>");
    add_time(l->out, "LastModified", o->modified_s);
    text_add_format(l->out,
                    "<ETag>&quot;%s&quot;</ETag><Size>%llu</Size>"
                    "<StorageClass>STANDARD</StorageClass></Contents>",
                    o->etag, (unsigned long long)o->size);
}

/* "bucket/" and the parameter. */
static void full_key(struct text *out, const struct wire_head *head, const char *name)
{
    char value[WIRE_VALUE_MAX];

    text_add_bytes(out, head->path, strcspn(head->path, "/"));
    wire_query(head, name, value);
    text_add_format(out, "/%s", value);
}

/* Where the page begins: the token is the last name of the page before. */
static void page_start(struct text *out, const struct wire_head *head)
{
    static const char *const names[] = {"continuation-token", "start-after", "marker"};
    char value[WIRE_VALUE_MAX];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (wire_query(head, names[i], value)) {
            full_key(out, head, names[i]);
            return;
        }
    }
}

static void add_more(struct listing *l, bool has_more, const char *last)
{
    text_add_format(l->out, "<IsTruncated>%s</IsTruncated>",
                    has_more ? "true" : "false");
    if (!has_more)
        return;
    text_add(l->out, "<NextContinuationToken>");
    xml_add(l->out, last + l->bucket);
    text_add(l->out, "</NextContinuationToken><NextMarker>");
    add_key(l, last + l->bucket);
    text_add(l->out, "</NextMarker>");
}

static void answer_objects(struct listing *l, struct bucket *b,
                           const struct wire_head *head)
{
    struct text prefix = {0}, after = {0}, last = {0};
    char delimiter[WIRE_VALUE_MAX], most[WIRE_VALUE_MAX];
    struct bucket_page page = {.most = PAGE, .each = add_object, .ctx = l};

    full_key(&prefix, head, "prefix");
    page_start(&after, head);
    wire_query(head, "delimiter", delimiter);
    if (wire_query(head, "max-keys", most))
        (void)text_parse_u64(most, &page.most);
    if (page.most > PAGE)
        page.most = PAGE;
    page.prefix = text_string(&prefix);
    page.after = text_string(&after);
    page.delimiter = delimiter;
    text_add(l->out, "<ListBucketResult>");
    if (l->is_encoded)
        text_add(l->out, "<EncodingType>url</EncodingType>");
    text_add(l->out, "<Name>bench</Name><Prefix>");
    add_key(l, page.prefix + l->bucket);
    text_add_format(l->out, "</Prefix><MaxKeys>%llu</MaxKeys>",
                    (unsigned long long)page.most);
    add_more(l, bucket_list(b, &page, &last), text_string(&last));
    text_add(l->out, "</ListBucketResult>");
    text_free(&prefix);
    text_free(&after);
    text_free(&last);
}

static void add_upload(void *ctx, const struct upload_info *u)
{
    struct listing *l = ctx;

    text_add(l->out, "<Upload><Key>");
    add_key(l, u->key + l->bucket);
    text_add_format(l->out, "</Key><UploadId>%s</UploadId>", u->id);
    add_time(l->out, "Initiated", u->begun_s);
    text_add(l->out, "</Upload>");
}

static void answer_uploads(struct listing *l, struct bucket *b,
                           const struct wire_head *head)
{
    struct text prefix = {0};

    full_key(&prefix, head, "prefix");
    text_add(l->out, "<ListMultipartUploadsResult>");
    if (l->is_encoded)
        text_add(l->out, "<EncodingType>url</EncodingType>");
    bucket_uploads(b, text_string(&prefix), add_upload, l);
    text_add(l->out, "<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>");
    text_free(&prefix);
}

void xml_answer_bucket(struct text *out, struct bucket *b, const struct wire_head *head)
{
    char value[WIRE_VALUE_MAX];
    struct listing l = {.out = out, .bucket = strcspn(head->path, "/") + 1};

    text_add(out, xml_declaration);
    wire_query(head, "encoding-type", value);
    l.is_encoded = strcmp(value, "url") == 0;
    if (head->path[0] == '\0')
        text_add(out, "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>");
    else if (wire_query(head, "location", value))
        text_add(out, "<LocationConstraint/>");
    else if (wire_query(head, "uploads", value))
        answer_uploads(&l, b, head);
    else
        answer_objects(&l, b, head);
}

/* ---- parts ---- */

static void add_part(void *ctx, unsigned number, const struct object *part)
{
    struct text *out = ctx;

    text_add_format(out, "<Part><PartNumber>%u</PartNumber>", number);
    add_time(out, "LastModified", part->modified_s);
    text_add_format(out, "<ETag>&quot;%s&quot;</ETag><Size>%llu</Size></Part>",
                    part->etag, (unsigned long long)part->size);
}

bool xml_answer_parts(struct text *out, struct bucket *b, const struct wire_head *head,
                      const char *id)
{
    char value[WIRE_VALUE_MAX];
    struct upload_info info;
    uint64_t after = 0;

    wire_query(head, "part-number-marker", value);
    (void)text_parse_u64(value, &after);
    text_add_format(out, "%s<ListPartsResult><IsTruncated>false</IsTruncated>",
                    xml_declaration);
    if (!bucket_parts(b, id,
                      after > BUCKET_PARTS_MAX ? BUCKET_PARTS_MAX : (unsigned)after,
                      add_part, out, &info))
        return false;
    if (info.has_crc32c)
        text_add(out, "<ChecksumAlgorithm>CRC32C</ChecksumAlgorithm>");
    text_add(out, "</ListPartsResult>");
    return true;
}
