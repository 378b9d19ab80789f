/*
 * The verbs of S3 that the clients under test use, for any bucket, addressed by path.
 * No request is refused for its signature.
 */
#include "bench/sink/verbs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/sink/proof.h"
#include "bench/sink/xml.h"

struct exchange {
    const struct verbs *verbs;
    const struct request *r;
    struct answer *answer;
    struct text headers, body; /* of the answer */
    int status;
};

/* The key within its bucket; NULL: the bucket itself. */
static const char *key_of(const struct wire_head *head)
{
    const char *slash = strchr(head->path, '/');

    return slash == NULL || slash[1] == '\0' ? NULL : slash + 1;
}

static bool is_data(const struct wire_head *head)
{
    return strstr(head->path, "/data/") != NULL;
}

bool verbs_keeps(const struct wire_head *head)
{
    return strcmp(head->method, "PUT") != 0 || !is_data(head);
}

static void refuse(struct exchange *x, int status, const char *code)
{
    x->status = status;
    text_clear(&x->body);
    text_add_format(&x->body, "%s<Error><Code>%s</Code><Message>%s</Message></Error>",
                    xml_declaration, code, code);
}

static void add_object_headers(struct exchange *x, const struct object *o)
{
    text_add_format(&x->headers, "ETag: \"%s\"\r\nLast-Modified: ", o->etag);
    wire_add_date(&x->headers, o->modified_s);
    text_add(&x->headers, "\r\n");
}

/* ---- objects ---- */

/* The payload of a request; NULL: not kept.  False: refused. */
static bool take_body(struct exchange *x, struct text *room, const struct text **bytes)
{
    const char *code = NULL;

    *bytes = NULL;
    if (verbs_keeps(&x->r->head)) {
        code = proof_check(&x->r->head, x->verbs->secret, &x->r->body, room);
        *bytes = room;
    }
    if (code != NULL)
        refuse(x, 400, code);
    return code == NULL;
}

static void put(struct exchange *x, const struct text *bytes)
{
    char condition[WIRE_VALUE_MAX];
    uint64_t size = bytes != NULL ? bytes->size : x->r->body_size;
    struct object o;

    if (!bucket_put(x->verbs->bucket, x->r->head.path, size, bytes,
                    wire_header(&x->r->head, "if-none-match", condition), &o))
        refuse(x, 412, "PreconditionFailed");
    else
        text_add_format(&x->headers, "ETag: \"%s\"\r\n", o.etag);
}

static void put_part(struct exchange *x, const char *number, const struct text *bytes)
{
    char id[WIRE_VALUE_MAX];
    uint64_t n = 0, size = bytes != NULL ? bytes->size : x->r->body_size;
    struct object o;

    wire_query(&x->r->head, "uploadId", id);
    (void)text_parse_u64(number, &n); /* no part has 0 */
    if (n > BUCKET_PARTS_MAX ||
        !bucket_part(x->verbs->bucket, id, (unsigned)n, size, bytes, &o))
        refuse(x, 404, "NoSuchUpload");
    else
        text_add_format(&x->headers, "ETag: \"%s\"\r\n", o.etag);
}

static void on_put(struct exchange *x)
{
    char value[WIRE_VALUE_MAX];
    struct text room = {0};
    const struct text *bytes;

    if (key_of(&x->r->head) == NULL)
        return; /* every bucket is there */
    if (wire_header(&x->r->head, "x-amz-copy-source", value)) {
        refuse(x, 501, "NotImplemented");
        return;
    }
    if (take_body(x, &room, &bytes)) {
        if (wire_query(&x->r->head, "partNumber", value))
            put_part(x, value, bytes);
        else
            put(x, bytes);
        if (wire_header(&x->r->head, "x-amz-checksum-crc32c", value))
            text_add_format(&x->headers, "x-amz-checksum-crc32c: %s\r\n", value);
    }
    text_free(&room);
}

/* "bytes=5-", "bytes=5-9"; false: no range, or one that the sink does not know. */
static bool read_range(const struct exchange *x, uint64_t size, uint64_t *from,
                       uint64_t *end)
{
    char value[WIRE_VALUE_MAX], *after;
    unsigned long long last;

    *from = 0;
    *end = size;
    if (!wire_header(&x->r->head, "range", value) || strncmp(value, "bytes=", 6) != 0)
        return false;
    *from = strtoull(value + 6, &after, 10);
    if (after == value + 6 || *after != '-')
        return false;
    last = strtoull(after + 1, NULL, 10);
    if (after[1] != '\0' && last < size)
        *end = last + 1;
    return true;
}

/* What was put from DIR/rest as .../data/rest. */
static int open_served(const struct exchange *x)
{
    struct text path = {0};
    int file;

    if (x->verbs->serve == NULL || !is_data(&x->r->head))
        return -1;
    text_add(&path, x->verbs->serve);
    text_add(&path, strstr(x->r->head.path, "/data/") + strlen("/data"));
    file = open(text_string(&path), O_RDONLY | O_CLOEXEC);
    text_free(&path);
    return file;
}

static void on_get(struct exchange *x, bool is_head)
{
    struct text bytes = {0};
    struct object o;
    uint64_t from, end;

    if (!bucket_get(x->verbs->bucket, x->r->head.path, &o, is_head ? NULL : &bytes)) {
        refuse(x, 404, "NoSuchKey");
        return;
    }
    if (read_range(x, o.size, &from, &end)) {
        if (from >= o.size) {
            refuse(x, 416, "InvalidRange");
            text_free(&bytes);
            return;
        }
        x->status = 206;
        text_add_format(&x->headers, "Content-Range: bytes %llu-%llu/%llu\r\n",
                        (unsigned long long)from, (unsigned long long)end - 1,
                        (unsigned long long)o.size);
    }
    add_object_headers(x, &o);
    x->answer->stream_size = end - from;
    if (o.is_kept) {
        if (!is_head)
            text_add_bytes(&x->body, text_string(&bytes) + from, end - from);
    } else if (!is_head) {
        x->answer->offset = from;
        x->answer->file = open_served(x);
    }
    text_free(&bytes);
}

/* ---- the document bodies ---- */

static void on_delete_batch(struct exchange *x)
{
    struct text path = {0}, key = {0};
    const char *at = text_string(&x->r->body);
    size_t bucket = strcspn(x->r->head.path, "/");

    while ((at = xml_next(at, "Key", &key)) != NULL) {
        text_clear(&path);
        text_add_bytes(&path, x->r->head.path, bucket);
        text_add_format(&path, "/%s", text_string(&key));
        bucket_delete(x->verbs->bucket, text_string(&path));
    }
    text_add_format(&x->body, "%s<DeleteResult/>", xml_declaration);
    text_free(&path);
    text_free(&key);
}

static void on_begin(struct exchange *x)
{
    char algorithm[WIRE_VALUE_MAX], id[BUCKET_ID_MAX];

    wire_header(&x->r->head, "x-amz-checksum-algorithm", algorithm);
    bucket_begin(x->verbs->bucket, x->r->head.path, strcmp(algorithm, "CRC32C") == 0,
                 id);
    text_add_format(&x->body,
                    "%s<InitiateMultipartUploadResult><Bucket>bench</Bucket><Key>",
                    xml_declaration);
    xml_add(&x->body, key_of(&x->r->head));
    text_add_format(
        &x->body, "</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id);
}

struct part_numbers {
    const char *at;
    struct text text;
};

static unsigned next_part_number(void *ctx)
{
    struct part_numbers *numbers = ctx;
    uint64_t number;

    numbers->at = xml_next(numbers->at, "PartNumber", &numbers->text);
    if (numbers->at == NULL)
        return 0;
    return text_parse_u64(text_string(&numbers->text), &number) == 0 &&
                   number <= BUCKET_PARTS_MAX
               ? (unsigned)number
               : BUCKET_PARTS_MAX + 1;
}

static void on_complete(struct exchange *x, const char *id)
{
    struct part_numbers numbers = {.at = text_string(&x->r->body)};
    struct object o;

    if (!bucket_complete(x->verbs->bucket, id, next_part_number, &numbers, &o)) {
        refuse(x, 404, "NoSuchUpload");
    } else {
        text_add_format(&x->body,
                        "%s<CompleteMultipartUploadResult><Bucket>bench</Bucket><Key>",
                        xml_declaration);
        xml_add(&x->body, key_of(&x->r->head));
        text_add_format(&x->body,
                        "</Key><ETag>\"%s\"</ETag></CompleteMultipartUploadResult>",
                        o.etag);
    }
    text_free(&numbers.text);
}

static void on_post(struct exchange *x)
{
    const struct wire_head *head = &x->r->head;
    char value[WIRE_VALUE_MAX];

    if (key_of(head) == NULL && wire_query(head, "delete", value))
        on_delete_batch(x);
    else if (key_of(head) != NULL && wire_query(head, "uploads", value))
        on_begin(x);
    else if (key_of(head) != NULL && wire_query(head, "uploadId", value))
        on_complete(x, value);
    else
        refuse(x, 501, "NotImplemented");
}

static void on_delete(struct exchange *x)
{
    char id[WIRE_VALUE_MAX];

    x->status = 204;
    if (wire_query(&x->r->head, "uploadId", id)) {
        if (!bucket_abort(x->verbs->bucket, id))
            refuse(x, 404, "NoSuchUpload");
    } else if (key_of(&x->r->head) != NULL) {
        bucket_delete(x->verbs->bucket, x->r->head.path);
    }
}

static void on_get_any(struct exchange *x)
{
    const struct wire_head *head = &x->r->head;
    char value[WIRE_VALUE_MAX];

    if (key_of(head) == NULL) {
        xml_answer_bucket(&x->body, x->verbs->bucket, head);
    } else if (wire_query(head, "uploadId", value)) {
        if (!xml_answer_parts(&x->body, x->verbs->bucket, head, value))
            refuse(x, 404, "NoSuchUpload");
    } else {
        on_get(x, false);
    }
}

/* ---- the face ---- */

/* stream_size stands for the body of a HEAD, too, and for bytes that are in x->body. */
static void finish(struct exchange *x, bool is_head)
{
    struct answer *answer = x->answer;
    uint64_t size = answer->stream_size;

    if (x->body.size > 0 || x->status >= 300)
        size = x->body.size;
    wire_add_status(&answer->text, x->status);
    text_add_bytes(&answer->text, text_string(&x->headers), x->headers.size);
    if (x->status != 204)
        text_add_format(&answer->text, "Content-Length: %llu\r\n",
                        (unsigned long long)size);
    text_add(&answer->text,
             x->body.size > 0 ? "Content-Type: application/xml\r\n\r\n" : "\r\n");
    if (!is_head)
        text_add_bytes(&answer->text, text_string(&x->body), x->body.size);
    if (is_head || x->body.size > 0 || x->status >= 300)
        answer->stream_size = 0;
}

void verbs_answer(const struct verbs *v, const struct request *r, struct answer *answer)
{
    struct exchange x = {.verbs = v, .r = r, .answer = answer, .status = 200};
    const char *method = r->head.method;
    bool is_head = strcmp(method, "HEAD") == 0;

    if (strcmp(method, "PUT") == 0)
        on_put(&x);
    else if (strcmp(method, "GET") == 0)
        on_get_any(&x);
    else if (is_head && key_of(&r->head) != NULL)
        on_get(&x, true);
    else if (strcmp(method, "POST") == 0)
        on_post(&x);
    else if (strcmp(method, "DELETE") == 0)
        on_delete(&x);
    else if (!is_head)
        refuse(&x, 501, "NotImplemented");
    finish(&x, is_head);
    text_free(&x.headers);
    text_free(&x.body);
}
