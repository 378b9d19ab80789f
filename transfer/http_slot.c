/*
 * libcurl's easy handles.  Each is made once, with the options that all requests have
 * in common, and serves one request after the other; connections are the multi
 * handle's and outlive them.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/mem.h"
#include "transfer/http_impl.h"

enum {
    UPLOAD_BUFFER = 256 << 10, /* PERF-NOTES: 128 to 512 KiB */
    UPLOAD_BUFFER_MIN = 16 << 10,
    ANSWER_BUFFER = 4 << 10, /* most answers are a head: hundreds of them at once */
    TAKE_BUFFER = 256 << 10
};

/* The shapes that libcurl calls its callbacks by. */
static int on_socket_made(void *http, curl_socket_t fd, curlsocktype purpose)
{
    (void)purpose;
    return http_socket_made(http, fd);
}

static int on_socket_ends(void *http, curl_socket_t fd)
{
    return http_socket_ends(http, fd);
}

static int on_seek(void *request, curl_off_t offset, int origin)
{
    return http_transfer_seek(request, offset, origin);
}

/* What all requests have in common. */
static void configure(struct http *http, struct http_slot *slot)
{
    CURL *easy = slot->easy;

    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT,
                     1L); /* never wait for a resolver's thread */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* keys may hold "/../" */
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, http->connect_ms);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->reason);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, http->user_agent);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (http->is_direct)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (http->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
    /* Without a folder libcurl parses the file once, not once a handshake. */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket_made);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, http);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_socket_ends);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, http_transfer_read);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_transfer_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_transfer_header);
}

static bool has_header(const struct http_request *request, const char *name)
{
    size_t length = strlen(name);

    for (const char *const *h = request->headers; h != NULL && *h != NULL; h++)
        if (strncasecmp(*h, name, length) == 0)
            return true;
    return false;
}

static struct curl_slist *header_list(const struct http_request *request)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no round trip */

    /* Else libcurl takes every body for a form. */
    if (!has_header(request, "Content-Type:"))
        list = curl_slist_append(list, "Content-Type:");
    for (const char *const *h = request->headers; h != NULL && *h != NULL; h++)
        list = curl_slist_append(list, *h);
    return list;
}

/* POSTFIELDS for what is in memory: a small body goes in one segment with the head. */
static void set_body(CURL *easy, const struct http_request *request)
{
    uint64_t size = http_transfer_size(request);
    uint64_t buffer = size < UPLOAD_BUFFER ? size : UPLOAD_BUFFER;

    if (buffer < UPLOAD_BUFFER_MIN)
        buffer = UPLOAD_BUFFER_MIN;
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)buffer);
    if (http_transfer_is_pulled(request)) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
    } else if (size > 0 || strcmp(request->method, "PUT") == 0 ||
               strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                         size > 0 ? (const char *)request->body.data : "");
    }
}

static void set_up(struct http_slot *slot, struct http_request *request)
{
    CURL *easy = slot->easy;

    slot->reason[0] = '\0';
    slot->header_list = header_list(request);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, slot->header_list);
    curl_easy_setopt(easy, CURLOPT_READDATA, request);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, request);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                     (long)(request->take != NULL ? TAKE_BUFFER : ANSWER_BUFFER));
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); /* undoes what the last request set */
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (strcmp(request->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        set_body(easy, request);
}

static struct http_slot *free_or_new(struct http *http)
{
    struct http_slot *slot = http->free_slots;

    if (slot != NULL) {
        http->free_slots = slot->next;
        return slot;
    }
    slot = mem_new(1, sizeof *slot);
    slot->easy = curl_easy_init();
    if (slot->easy == NULL)
        abort(); /* no memory: as mem.h has it */
    configure(http, slot);
    return slot;
}

struct http_slot *http_slot_take(struct http *http, struct http_request *request)
{
    struct http_slot *slot = free_or_new(http);

    set_up(slot, request);
    return slot;
}

void http_slot_put(struct http *http, struct http_slot *slot)
{
    curl_slist_free_all(slot->header_list);
    slot->header_list = NULL;
    curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, NULL);
    /* Frees the buffer, so that many idle slots hold little. */
    curl_easy_setopt(slot->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_MIN);
    slot->next = http->free_slots;
    http->free_slots = slot;
}

void http_slots_free(struct http *http)
{
    struct http_slot *next;

    for (struct http_slot *slot = http->free_slots; slot != NULL; slot = next) {
        next = slot->next;
        curl_easy_cleanup(slot->easy);
        free(slot);
    }
    http->free_slots = NULL;
}
