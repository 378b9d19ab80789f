/*
 * expat calls us for each element; fields[] says which of them matter, by their own
 * name and their parent's.  Text is collected for the innermost element only: in S3's
 * documents no element has both text and children that matter.
 *
 * Keys are decoded at the end of the document, as some servers tell only behind the
 * entries that they were encoded.
 */
#include "transfer/s3_xml.h"

#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "base/mem.h"

enum {
    DEPTH_MAX = 8,
    TEXT_MAX = 16 << 10 /* one element's text: a key of 1,024 bytes is 3,072 escaped */
};

enum field {
    FIELD_NONE,
    FIELD_ITEM, /* begins an item */
    FIELD_KEY,
    FIELD_SIZE,
    FIELD_ETAG,
    FIELD_MODIFIED,
    FIELD_NUMBER,
    FIELD_CRC32C,
    FIELD_UPLOAD_ID,
    FIELD_TRUNCATED,
    FIELD_NEXT,
    FIELD_NEXT_UPLOAD,
    FIELD_ENCODING,
    FIELD_ANSWER_ETAG,
    FIELD_ANSWER_UPLOAD_ID,
    FIELD_ANSWER_CRC32C,
    FIELD_ALGORITHM,
    FIELD_ACCOUNT,
    FIELD_ACCESS_KEY,
    FIELD_SECRET_KEY,
    FIELD_SESSION_TOKEN,
    FIELD_EXPIRATION,
    FIELD_REFUSED,
    FIELD_CODE,
    FIELD_MESSAGE,
    FIELD_REGION,
    FIELD_ENDPOINT
};

struct s3_xml {
    XML_Parser parser;
    struct s3_answer *answer;
    bool has_begun; /* something else than white space came */
    bool has_failed;
    bool is_encoded;
    uint64_t n_bytes;
    unsigned depth;
    char names[DEPTH_MAX][S3_XML_NAME_MAX]; /* of the open elements */
    struct text text;                       /* of the innermost */
    struct store_item *item;                /* being filled, else NULL */
};

static const struct {
    const char *parent, *name;
    enum field field;
} fields[] = {
    {"ListBucketResult", "Contents", FIELD_ITEM},
    {"Contents", "Key", FIELD_KEY},
    {"Contents", "Size", FIELD_SIZE},
    {"Contents", "ETag", FIELD_ETAG},
    {"Contents", "LastModified", FIELD_MODIFIED},
    {"ListBucketResult", "CommonPrefixes", FIELD_ITEM},
    {"CommonPrefixes", "Prefix", FIELD_KEY},
    {"ListBucketResult", "IsTruncated", FIELD_TRUNCATED},
    {"ListBucketResult", "NextContinuationToken", FIELD_NEXT},
    {"ListBucketResult", "EncodingType", FIELD_ENCODING},
    {"ListMultipartUploadsResult", "Upload", FIELD_ITEM},
    {"Upload", "Key", FIELD_KEY},
    {"Upload", "UploadId", FIELD_UPLOAD_ID},
    {"Upload", "Initiated", FIELD_MODIFIED},
    {"ListMultipartUploadsResult", "IsTruncated", FIELD_TRUNCATED},
    {"ListMultipartUploadsResult", "NextKeyMarker", FIELD_NEXT},
    {"ListMultipartUploadsResult", "NextUploadIdMarker", FIELD_NEXT_UPLOAD},
    {"ListMultipartUploadsResult", "EncodingType", FIELD_ENCODING},
    {"ListPartsResult", "Part", FIELD_ITEM},
    {"Part", "PartNumber", FIELD_NUMBER},
    {"Part", "Size", FIELD_SIZE},
    {"Part", "ETag", FIELD_ETAG},
    {"Part", "LastModified", FIELD_MODIFIED},
    {"Part", "ChecksumCRC32C", FIELD_CRC32C},
    {"ListPartsResult", "ChecksumAlgorithm", FIELD_ALGORITHM},
    {"ListPartsResult", "IsTruncated", FIELD_TRUNCATED},
    {"ListPartsResult", "NextPartNumberMarker", FIELD_NEXT},
    {"InitiateMultipartUploadResult", "UploadId", FIELD_ANSWER_UPLOAD_ID},
    {"CompleteMultipartUploadResult", "ETag", FIELD_ANSWER_ETAG},
    {"CopyObjectResult", "ETag", FIELD_ANSWER_ETAG},
    {"CopyPartResult", "ETag", FIELD_ANSWER_ETAG},
    {"CopyPartResult", "ChecksumCRC32C", FIELD_ANSWER_CRC32C},
    {"GetCallerIdentityResult", "Account", FIELD_ACCOUNT},
    {"Credentials", "AccessKeyId", FIELD_ACCESS_KEY},
    {"Credentials", "SecretAccessKey", FIELD_SECRET_KEY},
    {"Credentials", "SessionToken", FIELD_SESSION_TOKEN},
    {"Credentials", "Expiration", FIELD_EXPIRATION},
    {"DeleteResult", "Error", FIELD_REFUSED},
    {"ErrorResponse", "Error", FIELD_REFUSED},
    {"Error", "Key", FIELD_KEY},
    {"Error", "Code", FIELD_CODE},
    {"Error", "Message", FIELD_MESSAGE},
    {"Error", "Region", FIELD_REGION},
    {"Error", "Endpoint", FIELD_ENDPOINT},
};

static enum field field_of(const char *parent, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (strcmp(fields[i].name, name) == 0 && strcmp(fields[i].parent, parent) == 0)
            return fields[i].field;
    return FIELD_NONE;
}

/* Of the innermost element; the outermost has none above it. */
static enum field innermost(const struct s3_xml *xml)
{
    return xml->depth >= 2
               ? field_of(xml->names[xml->depth - 2], xml->names[xml->depth - 1])
               : FIELD_NONE;
}

static void give_up(struct s3_xml *xml)
{
    xml->has_failed = true;
    XML_StopParser(xml->parser, XML_FALSE);
}

/* ---- values ---- */

/* As much of it as fits: for people's eyes and for codes, which are short. */
static void copy_cut(char *out, size_t room, const char *text)
{
    size_t n = strnlen(text, room - 1);

    memcpy(out, text, n);
    out[n] = '\0';
}

/* -1 where it does not fit: what is cut would be another value. */
static int copy_whole(char *out, size_t room, const char *text, size_t size)
{
    if (size >= room)
        return -1;
    memcpy(out, text, size);
    out[size] = '\0';
    return 0;
}

/* Without the quotes around it. */
static int copy_etag(char out[STORE_ETAG_MAX], const struct text *text)
{
    const char *etag = text_string(text);
    size_t size = text->size;

    if (size >= 2 && etag[0] == '"' && etag[size - 1] == '"') {
        etag++;
        size -= 2;
    }
    return copy_whole(out, STORE_ETAG_MAX, etag, size);
}

static void replace(char **out, struct text *text)
{
    free(*out);
    *out = text_take(text);
}

/* Of four bytes, the highest first; what is no such thing is not known. */
static uint32_t crc32c_of(const struct text *text)
{
    uint8_t bytes[4];
    size_t size;

    if (text_parse_base64(text_string(text), text->size, bytes, sizeof bytes, &size) !=
            0 ||
        size != sizeof bytes)
        return 0;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | bytes[3];
}

static int fill_item(struct store_item *item, enum field field, struct text *text)
{
    uint64_t number;

    switch (field) {
    case FIELD_KEY:
        replace(&item->key, text);
        return 0;
    case FIELD_UPLOAD_ID:
        replace(&item->upload_id, text);
        return 0;
    case FIELD_SIZE:
        return text_parse_u64(text_string(text), &item->size);
    case FIELD_ETAG:
        return copy_etag(item->etag, text);
    case FIELD_MODIFIED:
        (void)text_parse_time(text_string(text), &item->modified_ms); /* else unknown */
        return 0;
    case FIELD_NUMBER:
        if (text_parse_u64(text_string(text), &number) != 0 || number > UINT32_MAX)
            return -1;
        item->number = (uint32_t)number;
        return 0;
    case FIELD_CRC32C:
        item->crc32c = crc32c_of(text);
        return 0;
    default:
        return 0;
    }
}

/* The whole answer's, or that of a key that could not be deleted. */
static int fill_fault(struct s3_xml *xml, enum field field)
{
    struct s3_answer *a = xml->answer;
    bool is_refused = xml->depth > 2;
    struct s3_fault *fault = is_refused ? &a->refused : &a->fault;
    const char *text = text_string(&xml->text);

    if (is_refused && a->n_refused > 1)
        return 0; /* the first is enough */
    switch (field) {
    case FIELD_KEY:
        if (is_refused)
            replace(&a->refused_key, &xml->text);
        return 0;
    case FIELD_CODE:
        copy_cut(fault->code, sizeof fault->code, text);
        return 0;
    case FIELD_MESSAGE:
        copy_cut(fault->message, sizeof fault->message, text);
        return 0;
    case FIELD_REGION:
        copy_cut(fault->region, sizeof fault->region, text);
        return 0;
    case FIELD_ENDPOINT:
        copy_cut(fault->endpoint, sizeof fault->endpoint, text);
        return 0;
    default:
        return 0;
    }
}

/* What STS gives out. */
static int fill_keys(struct s3_answer *a, enum field field, struct text *text)
{
    switch (field) {
    case FIELD_ACCESS_KEY:
        replace(&a->access_key, text);
        return 0;
    case FIELD_SECRET_KEY:
        replace(&a->secret_key, text);
        return 0;
    case FIELD_SESSION_TOKEN:
        replace(&a->session_token, text);
        return 0;
    case FIELD_EXPIRATION:
        return text_parse_time(text_string(text), &a->expires_at_ms);
    default:
        return 0;
    }
}

static int fill_answer(struct s3_xml *xml, enum field field)
{
    struct s3_answer *a = xml->answer;
    struct text *text = &xml->text;

    switch (field) {
    case FIELD_TRUNCATED:
        a->is_truncated = strcmp(text_string(text), "true") == 0;
        return 0;
    case FIELD_NEXT:
        replace(&a->next, text);
        return 0;
    case FIELD_NEXT_UPLOAD:
        replace(&a->next_upload, text);
        return 0;
    case FIELD_ENCODING:
        xml->is_encoded = strcmp(text_string(text), "url") == 0;
        return 0;
    case FIELD_ANSWER_ETAG:
        return copy_etag(a->etag, text);
    case FIELD_ANSWER_UPLOAD_ID:
        if (text->size >= STORE_UPLOAD_ID_MAX)
            return -1;
        replace(&a->upload_id, text);
        return 0;
    case FIELD_ANSWER_CRC32C:
        a->crc32c = crc32c_of(text);
        return 0;
    case FIELD_ALGORITHM:
        copy_cut(a->algorithm, sizeof a->algorithm, text_string(text));
        return 0;
    case FIELD_ACCOUNT:
        return copy_whole(a->account, sizeof a->account, text_string(text), text->size);
    default:
        return fill_keys(a, field, text);
    }
}

/* ---- what expat sees ---- */

/* Without a namespace's prefix. */
static const char *local_name(const char *name)
{
    const char *colon = strchr(name, ':');

    return colon != NULL ? colon + 1 : name;
}

static void XMLCALL on_begin(void *ctx, const XML_Char *full_name,
                             const XML_Char **attributes)
{
    struct s3_xml *xml = ctx;
    const char *name = local_name(full_name);
    enum field field;

    (void)attributes;
    text_clear(&xml->text);
    if (xml->depth == DEPTH_MAX) {
        give_up(xml);
        return;
    }
    copy_cut(xml->names[xml->depth++], S3_XML_NAME_MAX, name);
    if (xml->depth == 1)
        copy_cut(xml->answer->root, sizeof xml->answer->root, name);
    field = innermost(xml);
    if (field == FIELD_ITEM)
        xml->item = store_items_add(&xml->answer->items);
    else if (field == FIELD_REFUSED)
        xml->answer->n_refused++;
}

static void XMLCALL on_text(void *ctx, const XML_Char *bytes, int size)
{
    struct s3_xml *xml = ctx;

    if (xml->text.size + (size_t)size > TEXT_MAX)
        give_up(xml);
    else
        text_add_bytes(&xml->text, bytes, (size_t)size);
}

static void XMLCALL on_end(void *ctx, const XML_Char *name)
{
    struct s3_xml *xml = ctx;
    enum field field = innermost(xml);
    int status = 0;

    (void)name;
    if (field == FIELD_ITEM)
        xml->item = NULL;
    else if (strcmp(xml->names[xml->depth > 1 ? xml->depth - 2 : 0], "Error") == 0)
        status = fill_fault(xml, field);
    else if (xml->item != NULL)
        status = fill_item(xml->item, field, &xml->text);
    else
        status = fill_answer(xml, field);
    xml->depth--;
    text_clear(&xml->text);
    if (status != 0)
        give_up(xml);
}

static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int has_internal)
{
    (void)name, (void)system, (void)public, (void)has_internal;
    give_up(ctx);
}

/* ---- the face ---- */

static void wipe(char **secret)
{
    if (*secret != NULL)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

void s3_answer_free(struct s3_answer *answer)
{
    wipe(&answer->access_key);
    wipe(&answer->secret_key);
    wipe(&answer->session_token);
    store_items_free(&answer->items);
    free(answer->next);
    free(answer->next_upload);
    free(answer->refused_key);
    free(answer->upload_id);
    answer->upload_id = NULL;
    answer->next = answer->next_upload = answer->refused_key = NULL;
}

struct s3_xml *s3_xml_new(struct s3_answer *answer)
{
    struct s3_xml *xml = mem_new(1, sizeof *xml);

    xml->answer = answer;
    xml->parser = XML_ParserCreate(NULL);
    if (xml->parser == NULL)
        abort(); /* no memory, which is never NULL elsewhere */
    XML_SetUserData(xml->parser, xml);
    XML_SetElementHandler(xml->parser, on_begin, on_end);
    XML_SetCharacterDataHandler(xml->parser, on_text);
    XML_SetStartDoctypeDeclHandler(xml->parser, on_doctype);
    return xml;
}

void s3_xml_free(struct s3_xml *xml)
{
    if (xml == NULL)
        return;
    XML_ParserFree(xml->parser);
    text_free(&xml->text);
    free(xml);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void s3_xml_add(struct s3_xml *xml, const void *bytes, size_t size)
{
    const char *at = bytes;

    while (!xml->has_begun && size > 0 && is_space(*at)) {
        at++;
        size--;
    }
    if (size == 0 || xml->has_failed)
        return;
    xml->has_begun = true;
    xml->n_bytes += size;
    if (xml->n_bytes > S3_XML_BYTES_MAX || size > INT32_MAX ||
        XML_Parse(xml->parser, at, (int)size, XML_FALSE) != XML_STATUS_OK)
        xml->has_failed = true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that "%2F" stands for; 0 where it is no such thing. */
static unsigned escaped_byte(const char *at)
{
    int high = hex_digit(at[1]);
    int low = high >= 0 ? hex_digit(at[2]) : -1;

    return low >= 0 ? (unsigned)high << 4 | (unsigned)low : 0;
}

/* In place.  A '+' is a space, as AWS and others write it; theirs for '+' is %2B. */
static int decode(char *key)
{
    unsigned char *out = (unsigned char *)key;

    for (const char *in = key; in != NULL && *in != '\0'; in++) {
        if (*in == '%') {
            *out = (unsigned char)escaped_byte(in);
            if (*out++ == 0)
                return -1;
            in += 2;
        } else {
            *out++ = *in == '+' ? ' ' : (unsigned char)*in;
        }
    }
    if (key != NULL)
        *out = '\0';
    return 0;
}

/* The key marker is encoded as the keys are; a continuation token never is. */
static int decode_keys(struct s3_answer *a)
{
    bool is_marker = strcmp(a->root, "ListMultipartUploadsResult") == 0;

    for (size_t i = 0; i < a->items.n; i++)
        if (decode(a->items.items[i].key) != 0)
            return -1;
    return is_marker ? decode(a->next) : 0;
}

/* Without them an item is none. */
static int check_items(const struct s3_answer *a)
{
    bool are_parts = strcmp(a->root, "ListPartsResult") == 0;
    bool are_uploads = strcmp(a->root, "ListMultipartUploadsResult") == 0;

    for (size_t i = 0; i < a->items.n; i++) {
        const struct store_item *item = &a->items.items[i];
        if (are_parts ? item->number == 0 : item->key == NULL)
            return -1;
        if (are_uploads && item->upload_id == NULL)
            return -1;
    }
    return 0;
}

int s3_xml_end(struct s3_xml *xml, struct error *err)
{
    struct s3_answer *a = xml->answer;

    if (xml->has_begun && !xml->has_failed)
        xml->has_failed = XML_Parse(xml->parser, "", 0, XML_TRUE) != XML_STATUS_OK;
    if (!xml->has_failed && xml->is_encoded)
        xml->has_failed = decode_keys(a) != 0;
    if (!xml->has_failed)
        xml->has_failed = check_items(a) != 0;
    if (xml->has_failed)
        return error_set(err, ERROR_CORRUPT, 0, "the answer is no XML of S3");
    return 0;
}
