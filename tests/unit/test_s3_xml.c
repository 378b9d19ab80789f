/*
 * S3's XML: what servers send, good and bad, and what we send.  Mutations of good
 * documents must neither crash the parser nor be taken for more than they say;
 * test_s3_xml SEED runs one story of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "transfer/s3_xml.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS   " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static int parse_pieces(struct s3_answer *out, const char *xml, size_t size,
                        size_t piece)
{
    struct s3_xml *parser;
    struct error err;
    int status;

    memset(out, 0, sizeof *out);
    parser = s3_xml_new(out);
    for (size_t at = 0; at < size; at += piece)
        s3_xml_add(parser, xml + at, size - at < piece ? size - at : piece);
    status = s3_xml_end(parser, &err);
    if (status != 0)
        assert_int_equal(err.kind, ERROR_CORRUPT);
    s3_xml_free(parser);
    return status;
}

static int parse(struct s3_answer *out, const char *xml)
{
    return parse_pieces(out, xml, strlen(xml), 1 << 20);
}

static const char list_page[] = HEAD
    "<ListBucketResult" NS "><Name>b</Name><Prefix>p%2F</Prefix><KeyCount>3</KeyCount>"
    "<MaxKeys>3</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</"
    "IsTruncated>"
    "<NextContinuationToken>1/ab+c%3D=</NextContinuationToken>"
    "<Contents><Key>p%2Fa+b%2Bc%25</Key><LastModified>2026-11-22T14:41:54.000Z</"
    "LastModified>"
    "<ETag>&quot;0123&quot;</ETag><Size>5368709121</Size><StorageClass>STANDARD</"
    "StorageClass>"
    "<Owner><ID>x</ID><DisplayName>Key</DisplayName></Owner></Contents>"
    "<Contents><Key>p%2F%0A%01</Key><ETag>plain-2</ETag><Size>0</Size></Contents>"
    "<CommonPrefixes><Prefix>p%2Fdir%2F</Prefix></CommonPrefixes></ListBucketResult>";

static void reads_a_listing(void **state)
{
    struct s3_answer a;

    (void)state;
    for (size_t piece = 1; piece < 400; piece += 13) {
        assert_int_equal(parse_pieces(&a, list_page, strlen(list_page), piece), 0);
        assert_string_equal(a.root, "ListBucketResult");
        assert_true(a.is_truncated);
        assert_string_equal(a.next, "1/ab+c%3D="); /* never encoded */
        assert_int_equal(a.items.n, 3);
        assert_string_equal(a.items.items[0].key, "p/a b+c%");
        assert_true(a.items.items[0].size == 5368709121u);
        assert_string_equal(a.items.items[0].etag, "0123");
        assert_true(a.items.items[0].modified_ms == 1795358514000);
        assert_string_equal(a.items.items[1].key, "p/\n\x01");
        assert_string_equal(a.items.items[1].etag, "plain-2");
        assert_string_equal(a.items.items[2].key, "p/dir/");
        s3_answer_free(&a);
    }
}

/* The word that keys are encoded may come behind them, or not at all. */
static void decodes_only_what_is_encoded(void **state)
{
    struct s3_answer a;

    (void)state;
    assert_int_equal(parse(&a,
                           "<ListBucketResult><Contents><Key>a%20b+</Key></Contents>"
                           "<EncodingType>url</EncodingType></ListBucketResult>"),
                     0);
    assert_string_equal(a.items.items[0].key, "a b ");
    s3_answer_free(&a);
    assert_int_equal(parse(&a, "<ListBucketResult><Contents><Key>a%20b+</Key></"
                               "Contents></ListBucketResult>"),
                     0);
    assert_string_equal(a.items.items[0].key, "a%20b+");
    s3_answer_free(&a);
}

static void reads_uploads_and_parts(void **state)
{
    struct s3_answer a;

    (void)state;
    assert_int_equal(parse(&a, HEAD
                           "<ListMultipartUploadsResult" NS
                           "><Bucket>b</Bucket><KeyMarker/>"
                           "<NextKeyMarker>k%20</NextKeyMarker><NextUploadIdMarker>id2"
                           "</NextUploadIdMarker><EncodingType>url</EncodingType>"
                           "<IsTruncated>true</IsTruncated><Upload><Key>k%20</Key>"
                           "<UploadId>id2</UploadId><Initiator><ID>x</ID></Initiator>"
                           "<Initiated>2026-11-22T14:41:54Z</Initiated></Upload>"
                           "</ListMultipartUploadsResult>"),
                     0);
    assert_string_equal(a.next, "k ");
    assert_string_equal(a.next_upload, "id2");
    assert_string_equal(a.items.items[0].key, "k ");
    assert_string_equal(a.items.items[0].upload_id, "id2");
    s3_answer_free(&a);

    assert_int_equal(
        parse(&a,
              HEAD "<s3:ListPartsResult xmlns:s3=\"u\"><s3:UploadId>u</s3:UploadId>"
                   "<s3:NextPartNumberMarker>7</s3:NextPartNumberMarker>"
                   "<s3:Part><s3:PartNumber>7</s3:PartNumber><s3:ETag>\"e\"</s3:ETag>"
                   "<s3:ChecksumCRC32C>4waSgw==</s3:ChecksumCRC32C>"
                   "<s3:Size>12</s3:Size></s3:Part>"
                   "<s3:Part><s3:PartNumber>8</s3:PartNumber>"
                   "<s3:ChecksumCRC32C>no checksum</s3:ChecksumCRC32C></s3:Part>"
                   "</s3:ListPartsResult>"),
        0);
    assert_int_equal(a.items.n, 2);
    assert_int_equal(a.items.items[0].crc32c, 0xe3069283); /* of "123456789" */
    assert_int_equal(a.items.items[1].crc32c, 0);
    assert_int_equal(a.items.items[0].number, 7);
    assert_string_equal(a.items.items[0].etag, "e");
    assert_string_equal(a.next, "7");
    assert_false(a.is_truncated);
    s3_answer_free(&a);
}

static void reads_create_and_complete(void **state)
{
    struct s3_answer a;

    (void)state;
    assert_int_equal(
        parse(&a,
              HEAD "<InitiateMultipartUploadResult" NS "><Bucket>b</Bucket><Key>k</Key>"
                   "<UploadId>2~abc_-.</UploadId></InitiateMultipartUploadResult>"),
        0);
    assert_string_equal(a.upload_id, "2~abc_-.");
    s3_answer_free(&a);
    assert_int_equal(parse(&a,
                           "   \r\n\n   " HEAD "   \n<CompleteMultipartUploadResult" NS
                           "><Location>l</Location><ETag>&#34;abc-3&#34;</ETag>"
                           "</CompleteMultipartUploadResult>\n"),
                     0);
    assert_string_equal(a.etag, "abc-3");
    s3_answer_free(&a);
    /* Ceph's first answer. */
    assert_int_equal(parse(&a, "<CompleteMultipartUploadResult><ETag></ETag>"
                               "</CompleteMultipartUploadResult>"),
                     0);
    assert_string_equal(a.etag, "");
    s3_answer_free(&a);
    /* Decided after the status was sent. */
    assert_int_equal(parse(&a, "    " HEAD "<Error><Code>InternalError</Code><Message>m"
                               "</Message></Error>"),
                     0);
    assert_string_equal(a.root, "Error");
    assert_string_equal(a.fault.code, "InternalError");
    s3_answer_free(&a);
}

static void reads_errors(void **state)
{
    struct s3_answer a;
    char xml[1000] = HEAD "<Error><Code>AuthorizationHeaderMalformed</Code><Message>";

    (void)state;
    memset(xml + strlen(xml), 'm', 500); /* longer than what is kept of it */
    memcpy(xml + strlen(xml),
           "</Message><Region>eu-west-1</Region><Key>k</Key></Error>", 57);
    assert_int_equal(parse(&a, xml), 0);
    assert_string_equal(a.fault.code, "AuthorizationHeaderMalformed");
    assert_string_equal(a.fault.region, "eu-west-1");
    assert_int_equal(strlen(a.fault.message), sizeof a.fault.message - 1);
    assert_int_equal(a.n_refused, 0);
    s3_answer_free(&a);

    assert_int_equal(parse(&a,
                           "<DeleteResult><Deleted><Key>x</Key></Deleted>"
                           "<Error><Key>first</Key><Code>AccessDenied</Code></Error>"
                           "<Error><Key>second</Key><Code>SlowDown</Code></Error>"
                           "</DeleteResult>"),
                     0);
    assert_string_equal(a.fault.code, ""); /* the whole answer is none */
    assert_int_equal(a.n_refused, 2);
    assert_string_equal(a.refused_key, "first");
    assert_string_equal(a.refused.code, "AccessDenied");
    s3_answer_free(&a);
}

static void nothing_is_no_error(void **state)
{
    struct s3_answer a;

    (void)state;
    assert_int_equal(parse(&a, ""), 0);
    assert_string_equal(a.root, "");
    assert_int_equal(parse(&a, "  \n "), 0);
    assert_string_equal(a.root, "");
}

static void refuses_what_is_none(void **state)
{
    static const char *const bad[] = {
        "<html><head><title>Login<br></title></html>",
        "{\"message\": \"Forbidden\"}",
        "<ListBucketResult><Contents><Key>a</Key></Contents>", /* cut */
        "<ListBucketResult></ListBucketResult><x/>",
        "<ListBucketResult><Contents><Size>5</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-5</Size></Contents></"
        "ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>99999999999999999999</Size></"
        "Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>a%2</Key></"
        "Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>a%00b</Key>"
        "</Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a\x01</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a\xff</Key></Contents></ListBucketResult>",
        "<ListPartsResult><Part><ETag>a</ETag></Part></ListPartsResult>",
        "<ListPartsResult><Part><PartNumber>4294967296</PartNumber></Part></"
        "ListPartsResult>",
        "<ListMultipartUploadsResult><Upload><Key>k</Key></Upload>"
        "</ListMultipartUploadsResult>",
        "<a><b><c><d><e><f><g><h><i/></h></g></f></e></d></c></b></a>",
    };
    struct s3_answer a;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (parse(&a, bad[i]) == 0)
            fail_msg("taken: %s", bad[i]);
        s3_answer_free(&a);
    }
}

static void refuses_bombs(void **state)
{
    static const char bomb[] = "<!DOCTYPE l [<!ENTITY a \"aaaaaaaaaaaaaaaa\"><!ENTITY "
                               "b \"&a;&a;&a;&a;&a;&a;&a;\">"
                               "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d "
                               "\"&c;&c;&c;&c;&c;&c;&c;&c;\">]>"
                               "<ListBucketResult><Contents><Key>&d;&d;&d;</Key></"
                               "Contents></ListBucketResult>";
    static const char outside[] = "<!DOCTYPE l SYSTEM \"file:///etc/passwd\">"
                                  "<ListBucketResult></ListBucketResult>";
    struct s3_answer a;
    struct text huge = {0};

    (void)state;
    assert_int_equal(parse(&a, bomb), -1);
    s3_answer_free(&a);
    assert_int_equal(parse(&a, outside), -1);
    s3_answer_free(&a);
    text_add(&huge, "<ListBucketResult><Contents><Key>");
    for (int i = 0; i < 20000; i++)
        text_add(&huge, "k");
    text_add(&huge, "</Key></Contents></ListBucketResult>");
    assert_int_equal(parse(&a, text_string(&huge)), -1);
    s3_answer_free(&a);
    text_clear(&huge);
    text_add(&huge, "<InitiateMultipartUploadResult><UploadId>");
    for (int i = 0; i < STORE_UPLOAD_ID_MAX; i++)
        text_add(&huge, "u"); /* cut, it would be another */
    text_add(&huge, "</UploadId></InitiateMultipartUploadResult>");
    assert_int_equal(parse(&a, text_string(&huge)), -1);
    s3_answer_free(&a);
    text_free(&huge);
}

static void stops_at_its_limit(void **state)
{
    struct s3_answer a = {0};
    struct s3_xml *xml = s3_xml_new(&a);
    char spaces[4096];
    struct error err;

    (void)state;
    memset(spaces, ' ', sizeof spaces);
    s3_xml_add(xml, "<ListBucketResult>", 18);
    for (int i = 0; i < S3_XML_BYTES_MAX / 4096; i++)
        s3_xml_add(xml, spaces, sizeof spaces);
    s3_xml_add(xml, "</ListBucketResult>", 19);
    assert_int_equal(s3_xml_end(xml, &err), -1);
    s3_xml_free(xml);
    s3_answer_free(&a);
}

/* ---- what we send ---- */

static void writes_parts(void **state)
{
    const struct store_part parts[] = {
        {.number = 1, .etag = "a\"<&>", .crc32c = 0xe3069283},
        {.number = 10000, .etag = "b", .crc32c = 1}};
    struct text text = {0};

    (void)state;
    s3_xml_put_parts(&text, parts, 2, false);
    assert_string_equal(
        text_string(&text),
        "<CompleteMultipartUpload" NS "><Part><PartNumber>1</PartNumber>"
        "<ETag>\"a\"&lt;&amp;&gt;\"</ETag></Part><Part><PartNumber>10000"
        "</PartNumber><ETag>\"b\"</ETag></Part></CompleteMultipartUpload>");
    text_clear(&text);
    s3_xml_put_parts(&text, parts, 1, true);
    assert_non_null(
        strstr(text_string(&text), "<ChecksumCRC32C>4waSgw==</ChecksumCRC32C>"));
    text_free(&text);
}

static void writes_keys(void **state)
{
    const char *const keys[] = {"a&b", "<\xc3\xa4>"};
    struct text text = {0};

    (void)state;
    s3_xml_put_keys(&text, "p/", keys, 2);
    assert_string_equal(
        text_string(&text),
        "<Delete" NS "><Quiet>true</Quiet><Object><Key>p/a&amp;b</Key>"
        "</Object><Object><Key>p/&lt;\xc3\xa4&gt;</Key></Object></Delete>");
    text_free(&text);
    assert_true(s3_xml_can_hold("a b+\xf0\x9f\x98\x80"));
    assert_false(s3_xml_can_hold("a\x01"));
    assert_false(s3_xml_can_hold("a\nb"));
    assert_false(s3_xml_can_hold("a\xff"));
    assert_false(s3_xml_can_hold("a\xef\xbf\xbf"));
}

/* ---- mutations ---- */

static unsigned rng;
static unsigned roll(unsigned n)
{
    rng = rng * 1103515245u + 12345u;
    return (rng >> 16) % n;
}

static size_t mutate(char *xml, size_t size)
{
    static const char bytes[] = "<>&/%;\"\0\xff aA1!?[]-";
    size_t at = roll((unsigned)size), n = roll(30);

    switch (roll(4)) {
    case 0: /* change */
        xml[at] = bytes[roll(sizeof bytes)];
        return size;
    case 1: /* cut */
        return at;
    case 2: /* take out */
        if (n > size - at)
            n = size - at;
        memmove(xml + at, xml + at + n, size - at - n);
        return size - n;
    default: /* repeat */
        if (n > size - at)
            n = size - at;
        memmove(xml + at + n, xml + at, size - at);
        return size + n;
    }
}

static void story(unsigned seed)
{
    char xml[4096];
    size_t size = strlen(list_page);
    struct s3_answer a;

    rng = seed;
    memcpy(xml, list_page, size);
    for (unsigned i = 1 + roll(4); i > 0 && size > 0 && size < sizeof xml - 64; i--)
        size = mutate(xml, size);
    if (parse_pieces(&a, xml, size, 1 + roll(200)) == 0)
        for (size_t i = 0; i < a.items.n; i++) {
            assert_non_null(a.items.items[i].key);
            assert_true(strlen(a.items.items[i].key) < 4096);
        }
    s3_answer_free(&a);
}

static void survives_mutations(void **state)
{
    unsigned first = (unsigned)time(NULL);

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        if (i % 1000 == 0)
            print_message("    seeds from %u\n", first + i);
        story(first + i);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_listing),
        cmocka_unit_test(decodes_only_what_is_encoded),
        cmocka_unit_test(reads_uploads_and_parts),
        cmocka_unit_test(reads_create_and_complete),
        cmocka_unit_test(reads_errors),
        cmocka_unit_test(nothing_is_no_error),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(refuses_bombs),
        cmocka_unit_test(stops_at_its_limit),
        cmocka_unit_test(writes_parts),
        cmocka_unit_test(writes_keys),
        cmocka_unit_test(survives_mutations),
    };

    if (argc > 1) {
        story((unsigned)strtoul(argv[1], NULL, 10));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
