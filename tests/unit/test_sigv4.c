/*
 * Signatures against the values that AWS publishes:
 *   - the worked examples of the S3 API reference ("Signature Calculations for the
 *     Authorization Header: Transferring Payload in a Single Chunk", the same "in
 *     Multiple Chunks", "Authenticating Requests: Using Query Parameters");
 *   - the signing test suite (as kept with aws-c-auth, version 4, header and query).
 */
#include "transfer/sigv4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/span.h"

enum {
    DAY_S3 = 1369353600,
    SUITE_TIME = 1440938160
}; /* 2013-05-24, 2015-08-30 12:36 */

static const char s3_host[] = "examplebucket.s3.amazonaws.com";
static const char suite_host[] = "example.amazonaws.com";
static const char suite_token[] =
    "AQoDYXdzEPT//////////"
    "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMic"
    "RXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/"
    "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKs"
    "burEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+"
    "xo0rKwT38xVqr7ZD0u0"
    "iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/"
    "oLxBA==";

static void s3_signer(struct sigv4 *signer)
{
    sigv4_init(signer, "AKIAIOSFODNN7EXAMPLE",
               "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL, "us-east-1", "s3");
}

static void suite_signer(struct sigv4 *signer, const char *token)
{
    sigv4_init(signer, "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token,
               "us-east-1", "service");
}

struct vector {
    const char *name, *method, *path, *query;
    const char *headers[6];
    const char *payload;   /* NULL: empty */
    const char *signature; /* of the Authorization header */
    const char *names;     /* SignedHeaders */
    const char *presigned; /* of the query, for an hour; NULL: not published */
};

static struct sigv4_request request_of(const struct vector *v, const char *host,
                                       int64_t time_s)
{
    return (struct sigv4_request){
        .method = v->method,
        .host = host,
        .path = v->path,
        .query = v->query,
        .headers = v->headers,
        .payload = v->payload != NULL ? v->payload : sigv4_empty,
        .time_s = time_s,
    };
}

static void expect_signature(struct sigv4 *signer, const struct sigv4_request *request,
                             const struct vector *v)
{
    struct sigv4_signed made = {0};
    struct text expected = {0};

    sigv4_sign(signer, request, &made);
    if (strcmp(made.signature, v->signature) != 0)
        print_message("%s:\n", v->name);
    assert_string_equal(made.signature, v->signature);
    text_add_format(&expected,
                    "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                    signer->access_key, made.scope, v->names, v->signature);
    assert_string_equal(text_string(&made.authorization), text_string(&expected));
    text_free(&expected);
    sigv4_signed_free(&made);
}

/* ---- the S3 API reference ---- */

static const struct vector s3_vectors[] = {
    {"GET Object",
     "GET",
     "/test.txt",
     "",
     {"Range: bytes=0-9"},
     NULL,
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
     "host;range;x-amz-content-sha256;x-amz-date",
     NULL},
    {"PUT Object",
     "PUT",
     "/test%24file.text",
     "",
     {"x-amz-storage-class: REDUCED_REDUNDANCY", "Date: Fri, 24 May 2013 00:00:00 GMT"},
     "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     NULL},
    {"GET Bucket Lifecycle",
     "GET",
     "/",
     "lifecycle",
     {NULL},
     NULL,
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
     "host;x-amz-content-sha256;x-amz-date",
     NULL},
    {"GET Bucket (List Objects)",
     "GET",
     "/",
     "prefix=J&max-keys=2",
     {NULL},
     NULL,
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
     "host;x-amz-content-sha256;x-amz-date",
     NULL},
};

static void s3_examples(void **state)
{
    struct sigv4 signer;

    (void)state;
    s3_signer(&signer);
    for (size_t i = 0; i < ARRAY_SIZE(s3_vectors); i++) {
        struct sigv4_request request = request_of(&s3_vectors[i], s3_host, DAY_S3);

        expect_signature(&signer, &request, &s3_vectors[i]);
    }
    sigv4_free(&signer);
}

static void presigned_example(void **state)
{
    struct sigv4_request request = {
        .method = "GET", .host = s3_host, .path = "/test.txt", .time_s = DAY_S3};
    struct text query = {0};
    struct sigv4 signer;

    (void)state;
    s3_signer(&signer);
    sigv4_presign(&signer, &request, 86400, &query);
    assert_string_equal(
        text_string(&query),
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F"
        "20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&"
        "X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    text_free(&query);
    sigv4_free(&signer);
}

static void expect_frame(struct sigv4_chunks *chunks, const char *payload, size_t size,
                         const char *expected)
{
    uint8_t digest[DIGEST_SHA256_BYTES];
    char frame[SIGV4_FRAME_MAX + 1];

    digest_sha256(digest, payload, size);
    assert_int_equal(sigv4_frame_signed(chunks, size, digest, frame), strlen(expected));
    assert_string_equal(frame, expected);
}

/* 65 KiB of 'a' in chunks of 64 KiB. */
static void chunked_example(void **state)
{
    static const char *const headers[] = {
        "content-encoding: aws-chunked", "content-length: 66824",
        "x-amz-decoded-content-length: 66560",
        "x-amz-storage-class: REDUCED_REDUNDANCY", NULL};
    struct sigv4_request request = {.method = "PUT",
                                    .host = "s3.amazonaws.com",
                                    .path = "/examplebucket/chunkObject.txt",
                                    .headers = headers,
                                    .payload = sigv4_signed_chunks,
                                    .time_s = DAY_S3};
    static char payload[65536];
    struct sigv4_signed seed = {0};
    struct sigv4_chunks chunks;
    struct sigv4 signer;

    (void)state;
    memset(payload, 'a', sizeof payload);
    s3_signer(&signer);
    sigv4_sign(&signer, &request, &seed);
    assert_string_equal(seed.signature,
                        "4f232c4386841ef735655705268965c44a0e4690baa4ade"
                        "a153f7db9fa80a0a9");
    for (int again = 0; again < 2; again++) {
        sigv4_chunks_begin(&chunks, &signer, &seed);
        expect_frame(
            &chunks, payload, 65536,
            "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307"
            "b0ade35a65485a288648\r\n");
        expect_frame(
            &chunks, payload, 1024,
            "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b"
            "7d234b86a503ef5497\r\n");
        expect_frame(
            &chunks, payload, 0,
            "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ce"
            "b9323e279d449df9\r\n");
    }
    assert_int_equal(sigv4_chunked_size(66560, 65536, true, 0), 66824);
    sigv4_signed_free(&seed);
    sigv4_free(&signer);
}

/* ---- the test suite ---- */

static const char names_short[] = "host;x-amz-date";
static const char names_header1[] = "host;my-header1;x-amz-date";

static const struct vector suite_vectors[] = {
    {"get-vanilla",
     "GET",
     "/",
     "",
     {NULL},
     NULL,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     names_short,
     "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"},
    {"post-vanilla",
     "POST",
     "/",
     "",
     {NULL},
     NULL,
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
     names_short,
     NULL},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     "Param2=value2&Param1=value1",
     {NULL},
     NULL,
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
     names_short,
     "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5"},
    {"get-vanilla-query-order-encoded",
     "GET",
     "/",
     "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
     {NULL},
     NULL,
     "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
     names_short,
     "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787"},
    {"get-vanilla-utf8-query",
     "GET",
     "/",
     "%E1%88%B4=bar",
     {NULL},
     NULL,
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
     names_short,
     "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600"},
    {"get-vanilla-query-unreserved",
     "GET",
     "/",
     "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz="
     "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     {NULL},
     NULL,
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
     names_short,
     "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf"},
    {"get-header-key-duplicate",
     "GET",
     "/",
     "",
     {"My-Header1:value2", "My-Header1:value2", "My-Header1:value1"},
     NULL,
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
     names_header1,
     "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97"},
    {"get-header-value-order",
     "GET",
     "/",
     "",
     {"My-Header1:value4", "My-Header1:value1", "My-Header1:value3",
      "My-Header1:value2"},
     NULL,
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
     names_header1,
     "313720e71ca6202fdcfa9b20f88de01a4eb0638a83c833b1c184359a4eda864e"},
    {"get-header-value-trim",
     "GET",
     "/",
     "",
     {"My-Header1: value1", "My-Header2: \"a   b   c\""},
     NULL,
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
     "host;my-header1;my-header2;x-amz-date",
     "e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4"},
    {"get-header-value-multiline",
     "GET",
     "/",
     "",
     {"My-Header1:value1\n  value2\n     value3"},
     NULL,
     "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd",
     names_header1,
     "e6f5def831211aca02987a44b96826706278c7bc078112ae0263659c5b2f2d56"},
};

/* For an hour. */
static void expect_presigned(struct sigv4 *signer, const struct sigv4_request *request,
                             const char *signature)
{
    static const char last[] = "X-Amz-Signature=";
    struct text query = {0};
    const char *found;

    sigv4_presign(signer, request, 3600, &query);
    found = strstr(text_string(&query), last);
    assert_non_null(found);
    assert_string_equal(found + strlen(last), signature);
    text_free(&query);
}

static void suite(void **state)
{
    struct sigv4 signer;

    (void)state;
    suite_signer(&signer, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(suite_vectors); i++) {
        const struct vector *v = &suite_vectors[i];
        struct sigv4_request request = request_of(v, suite_host, SUITE_TIME);

        request.no_payload_line = true;
        expect_signature(&signer, &request, v);
        if (v->presigned != NULL)
            expect_presigned(&signer, &request, v->presigned);
    }
    sigv4_free(&signer);
}

static const struct vector form_vectors[] = {
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     "",
     {"Content-Type:application/x-www-form-urlencoded", "Content-Length:13"},
     "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
     "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
     "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
     NULL},
    {"post-x-www-form-urlencoded-parameters",
     "POST",
     "/",
     "",
     {"Content-Type:application/x-www-form-urlencoded; charset=utf-8",
      "Content-Length:13"},
     "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
     "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
     "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
     NULL},
};

static void suite_forms(void **state)
{
    struct sigv4 signer;

    (void)state;
    suite_signer(&signer, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(form_vectors); i++) {
        struct sigv4_request request =
            request_of(&form_vectors[i], suite_host, SUITE_TIME);

        expect_signature(&signer, &request, &form_vectors[i]);
    }
    sigv4_free(&signer);
}

static void suite_session_token(void **state)
{
    static const struct vector v = {
        "post-sts-header-before",
        "POST",
        "/",
        "",
        {NULL},
        NULL,
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        "host;x-amz-date;x-amz-security-token",
        NULL};
    struct sigv4_request request = request_of(&v, suite_host, SUITE_TIME);
    struct sigv4 signer;

    (void)state;
    request.no_payload_line = true;
    suite_signer(&signer, suite_token);
    expect_signature(&signer, &request, &v);
    expect_presigned(
        &signer, &request,
        "46c2e3c63c1dbe7d39f8ada16fe7f001c1f56c5791441565323677f96308871c");
    sigv4_free(&signer);
}

/* ---- what AWS has no vector for ---- */

static void key_follows_the_day(void **state)
{
    struct sigv4_request request = request_of(&s3_vectors[0], s3_host, DAY_S3 - 1);
    struct sigv4_signed first = {0}, made = {0};
    struct sigv4 signer;

    (void)state;
    s3_signer(&signer);
    sigv4_sign(&signer, &request, &first); /* the day before */
    request.time_s = DAY_S3;
    sigv4_sign(&signer, &request, &made);
    assert_string_equal(made.date, "20130524T000000Z");
    assert_string_equal(made.signature, s3_vectors[0].signature);
    request.time_s = DAY_S3 - 1;
    sigv4_sign(&signer, &request, &made);
    assert_string_equal(made.date, "20130523T235959Z");
    assert_string_equal(made.signature, first.signature);
    sigv4_signed_free(&first);
    sigv4_signed_free(&made);
    sigv4_free(&signer);
}

static uint64_t framed(uint64_t payload, size_t chunk, bool is_signed)
{
    struct sigv4_chunks chunks = {0};
    uint8_t digest[DIGEST_SHA256_BYTES] = {0};
    char frame[SIGV4_FRAME_MAX + 1];
    uint64_t size = 0;

    for (;;) {
        size_t piece = payload < chunk ? (size_t)payload : chunk;

        size += is_signed ? sigv4_frame_signed(&chunks, piece, digest, frame)
                          : sigv4_frame_plain(piece, frame);
        size += piece + 2;
        if (piece == 0)
            return size;
        payload -= piece;
    }
}

static void sizes_are_those_of_the_frames(void **state)
{
    static const uint64_t payloads[] = {0,    1,    15,     16,     8191,
                                        8192, 8193, 262144, 1000000};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(payloads); i++) {
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            uint64_t size = framed(payloads[i], 8192, is_signed);

            assert_int_equal(sigv4_chunked_size(payloads[i], 8192, is_signed, 0), size);
            assert_int_equal(sigv4_chunked_size(payloads[i], 8192, is_signed, 31),
                             size + 31);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s3_examples),
        cmocka_unit_test(presigned_example),
        cmocka_unit_test(chunked_example),
        cmocka_unit_test(suite),
        cmocka_unit_test(suite_forms),
        cmocka_unit_test(suite_session_token),
        cmocka_unit_test(key_follows_the_day),
        cmocka_unit_test(sizes_are_those_of_the_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
