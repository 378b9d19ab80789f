/*
 * The three listings.  A page is one request; the cursor holds where the next begins.
 *
 * Pages are read with distrust: a server that says that there is more but not where is
 * asked for what follows the last key, and one that begins the same page again is found
 * out.  Keys outside the store's prefix are none of ours and left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transfer/s3_attempt.h"
#include "transfer/s3_header.h"

struct s3_cursor {
    struct store_cursor cursor;
    char *next;        /* continuation token, key marker, part number; NULL: none */
    char *next_upload; /* upload id marker */
    char *last;        /* list: the last key so far, with the store's prefix */
};

void s3_list_end(struct store *store, struct store_op *op)
{
    struct s3_cursor *c = (struct s3_cursor *)op->cursor;

    (void)store;
    op->cursor = NULL;
    if (c == NULL)
        return;
    free(c->next);
    free(c->next_upload);
    free(c->last);
    free(c);
}

static struct s3_cursor *cursor_of(struct s3_attempt *a)
{
    return (struct s3_cursor *)a->op->cursor;
}

static char *take_string(char **string)
{
    char *taken = *string;

    *string = NULL;
    return taken;
}

static char *copy_or_null(const char *string)
{
    return string != NULL ? mem_copy_string(string) : NULL;
}

/* The end, or where the next page begins. */
static void set_cursor(struct s3_attempt *a, struct s3_answer *answer, bool has_more)
{
    struct s3_cursor *c = cursor_of(a);
    const struct store_items *items = &answer->items;
    const struct store_item *last = items->n > 0 ? &items->items[items->n - 1] : NULL;
    bool is_list = a->op->verb == STORE_LIST;

    if (!has_more) {
        s3_list_end(NULL, a->op);
        return;
    }
    if (c == NULL) {
        c = mem_new(1, sizeof *c);
        c->cursor.store = a->s3->store;
        a->op->cursor = &c->cursor;
    }
    free(c->next);
    free(c->next_upload);
    c->next = take_string(&answer->next);
    c->next_upload = take_string(&answer->next_upload);
    if (last == NULL)
        return;
    if (is_list || (c->next == NULL && last->key != NULL)) {
        free(c->last);
        c->last = copy_or_null(last->key);
    }
    if (a->op->verb == STORE_LIST_UPLOADS && c->next == NULL) {
        c->next = copy_or_null(last->key);
        c->next_upload = copy_or_null(last->upload_id);
    }
}

/* More is there, but nothing says where. */
static bool is_stuck(const struct s3_attempt *a, const struct s3_answer *answer)
{
    return answer->next == NULL &&
           (answer->items.n == 0 || a->op->verb == STORE_LIST_PARTS);
}

/* The same markers again would never end. */
static bool is_same_page(const struct s3_cursor *c, const struct s3_answer *answer)
{
    if (c == NULL || c->next == NULL || answer->next == NULL)
        return false;
    if (strcmp(c->next, answer->next) != 0)
        return false;
    return c->next_upload == NULL || answer->next_upload == NULL ||
           strcmp(c->next_upload, answer->next_upload) == 0;
}

static void end_stuck(struct s3_attempt *a)
{
    error_set(&a->err, ERROR_CORRUPT, 0,
              "s3://%s at %s: the answer to %s does not say where it goes on",
              a->s3->address.bucket, a->s3->address.endpoint,
              s3_error_verb_name(a->op->verb));
    s3_attempt_end(a, &a->err);
}

static int compare_items(const void *left, const void *right)
{
    const struct store_item *a = left, *b = right;

    return strcmp(a->key, b->key);
}

/* A folder's marker, as some programs make them, is not an object of ours. */
static bool is_wanted(const struct s3_attempt *a, const char *key)
{
    const struct store_op *op = a->op;
    size_t n = strlen(key);

    if (op->verb != STORE_LIST)
        return true;
    return strcmp(key, op->key) != 0 &&
           !(op->is_flat && !op->with_markers && n > 0 && key[n - 1] == '/');
}

/* Keys as the store's users know them. */
static void strip_keys(const struct s3_attempt *a, struct store_items *items)
{
    size_t prefix = strlen(a->s3->address.prefix), n = 0;

    for (size_t i = 0; i < items->n; i++) {
        struct store_item *item = &items->items[i];
        size_t size = strlen(item->key);

        if (size < prefix || memcmp(item->key, a->s3->address.prefix, prefix) != 0 ||
            !is_wanted(a, item->key + prefix)) {
            free(item->key);
            free(item->upload_id);
            continue;
        }
        memmove(item->key, item->key + prefix, size - prefix + 1);
        items->items[n++] = *item;
    }
    items->n = n;
}

static void answer_page(struct s3_attempt *a, struct s3_answer *answer, bool has_more)
{
    struct store_items *items = &answer->items;

    set_cursor(a, answer, has_more);
    if (a->op->verb != STORE_LIST_PARTS)
        strip_keys(a, items);
    store_items_answer(items, a->op);
    s3_attempt_end(a, NULL);
}

/* The store's prefix and the one asked for. */
static void query_prefix(struct s3_attempt *a, struct s3_request *r)
{
    struct text prefix = {0};

    text_add(&prefix, a->s3->address.prefix);
    text_add(&prefix, a->op->key);
    s3_request_query(r, "prefix", text_string(&prefix));
    text_free(&prefix);
}

/* ---- objects ---- */

/* Folders come behind objects, whatever their names. */
static void sort_page(struct store_items *items)
{
    if (items->n > 1)
        qsort(items->items, items->n, sizeof *items->items, compare_items);
}

static void on_list(struct s3_attempt *a, struct s3_request *r)
{
    struct s3_cursor *c = cursor_of(a);
    struct store_items *items = &r->answer.items;

    if (r->err.kind != ERROR_NONE) {
        s3_attempt_end_as(a, r);
        return;
    }
    if (a->op->want_date)
        s3_header_date_ms(&r->http.answer, "Date", &a->op->answer.date_ms);
    sort_page(items);
    if (c != NULL && c->last != NULL && items->n > 0 &&
        strcmp(items->items[0].key, c->last) <= 0) {
        end_stuck(a);
        return;
    }
    if (r->answer.is_truncated &&
        (is_stuck(a, &r->answer) || (items->n == 0 && is_same_page(c, &r->answer))))
        end_stuck(a);
    else
        answer_page(a, &r->answer, r->answer.is_truncated);
}

void s3_list_start(struct s3_attempt *a)
{
    const struct s3_cursor *c = cursor_of(a);
    struct s3_request *r = s3_attempt_request(a, "GET", NULL);

    if (c != NULL && c->next != NULL)
        s3_request_query(r, "continuation-token", c->next);
    if (!a->op->is_flat)
        s3_request_query(r, "delimiter", "/");
    s3_request_query(r, "encoding-type", "url");
    s3_request_query(r, "list-type", "2");
    s3_request_query(r, "max-keys", "1000");
    query_prefix(a, r);
    if (c != NULL && c->next == NULL && c->last != NULL)
        s3_request_query(r, "start-after", c->last);
    r->root = "ListBucketResult";
    s3_attempt_send(a, on_list);
}

/* ---- open uploads ---- */

static void on_uploads(struct s3_attempt *a, struct s3_request *r)
{
    struct s3_answer *answer = &r->answer;

    if (r->err.kind != ERROR_NONE) {
        s3_attempt_end_as(a, r);
        return;
    }
    if (answer->next != NULL && answer->next[0] == '\0') {
        free(answer->next);
        answer->next = NULL;
    }
    if (answer->is_truncated &&
        (is_stuck(a, answer) || is_same_page(cursor_of(a), answer)))
        end_stuck(a);
    else
        answer_page(a, answer, answer->is_truncated);
}

void s3_list_uploads_start(struct s3_attempt *a)
{
    const struct s3_cursor *c = cursor_of(a);
    struct s3_request *r = s3_attempt_request(a, "GET", NULL);

    s3_request_query(r, "encoding-type", "url");
    if (c != NULL && c->next != NULL)
        s3_request_query(r, "key-marker", c->next);
    s3_request_query(r, "max-uploads", "1000");
    query_prefix(a, r);
    if (c != NULL && c->next_upload != NULL)
        s3_request_query(r, "upload-id-marker", c->next_upload);
    s3_request_query(r, "uploads", NULL);
    r->root = "ListMultipartUploadsResult";
    s3_attempt_send(a, on_uploads);
}

/* ---- parts ---- */

static uint64_t marker_of(const char *string)
{
    uint64_t marker;

    return string != NULL && text_parse_u64(string, &marker) == 0 ? marker : 0;
}

/* Some servers leave out whether there is more, some where: a full page has a next one
 * behind its last part, if it has come forward at all. */
static void on_parts(struct s3_attempt *a, struct s3_request *r)
{
    struct s3_answer *answer = &r->answer;
    const struct s3_cursor *c = cursor_of(a);
    uint32_t last = 0;
    char number[12];

    if (r->err.kind != ERROR_NONE) {
        s3_attempt_end_as(a, r);
        return;
    }
    s3_header_date_ms(&r->http.answer, "x-amz-abort-date", &a->op->answer.swept_ms);
    for (size_t i = 0; i < answer->items.n; i++)
        if (answer->items.items[i].number > last)
            last = answer->items.items[i].number;
    if (!answer->is_truncated && answer->items.n < STORE_PAGE) {
        answer_page(a, answer, false);
    } else if (last <= (c != NULL ? marker_of(c->next) : 0)) {
        if (answer->is_truncated)
            end_stuck(a);
        else
            answer_page(a, answer, false);
    } else {
        snprintf(number, sizeof number, "%u", last);
        free(answer->next);
        answer->next = mem_copy_string(number);
        answer_page(a, answer, true);
    }
}

void s3_list_parts_start(struct s3_attempt *a)
{
    const struct s3_cursor *c = cursor_of(a);
    struct s3_request *r = s3_attempt_request(a, "GET", a->op->key);

    s3_request_query(r, "max-parts", "1000");
    if (c != NULL && c->next != NULL)
        s3_request_query(r, "part-number-marker", c->next);
    s3_request_query(r, "uploadId", a->op->upload_id);
    r->root = "ListPartsResult";
    s3_attempt_send(a, on_parts);
}
