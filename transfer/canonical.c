/* Nothing is copied but into the result: names and values are sorted as pairs of places
 * in the caller's strings. */
#include "transfer/canonical.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- the canonical query ---- */

struct parameter {
    const char *name, *value; /* value: "" where there is no '=' */
    size_t name_length, value_length;
};

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t length = a_length < b_length ? a_length : b_length;
    int order = memcmp(a, b, length);

    if (order != 0)
        return order;
    return (a_length > b_length) - (a_length < b_length);
}

static int compare_parameters(const void *one, const void *other)
{
    const struct parameter *a = one, *b = other;
    int order = compare_bytes(a->name, a->name_length, b->name, b->name_length);

    if (order != 0)
        return order;
    return compare_bytes(a->value, a->value_length, b->value, b->value_length);
}

static size_t split_query(const char *query, struct parameter *parameters)
{
    size_t n = 0;

    while (*query != '\0') {
        size_t length = strcspn(query, "&");
        size_t name = strcspn(query, "=&");
        struct parameter *p = &parameters[n];

        if (length > 0) {
            p->name = query;
            p->name_length = name;
            p->value = query + name + (name < length);
            p->value_length = length - name - (name < length);
            n++;
        }
        query += length + (query[length] == '&');
    }
    return n;
}

/* Sorted by name, then by value, with an '=' each: not by the whole, for '-' is less
 * than '='. */
void canonical_add_query(struct text *out, const char *query)
{
    size_t room = 1, n;
    struct parameter *parameters;

    for (const char *c = query; *c != '\0'; c++)
        room += *c == '&';
    parameters = mem_new(room, sizeof *parameters);
    n = split_query(query, parameters);
    qsort(parameters, n, sizeof *parameters, compare_parameters);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            text_add(out, "&");
        text_add_bytes(out, parameters[i].name, parameters[i].name_length);
        text_add(out, "=");
        text_add_bytes(out, parameters[i].value, parameters[i].value_length);
    }
    free(parameters);
}

/* ---- the canonical headers ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int compare_names(const struct canonical_header *a,
                         const struct canonical_header *b)
{
    for (size_t i = 0; i < a->name_length && i < b->name_length; i++) {
        int order = (unsigned char)lower(a->name[i]) - (unsigned char)lower(b->name[i]);

        if (order != 0)
            return order;
    }
    return (a->name_length > b->name_length) - (a->name_length < b->name_length);
}

static int compare_headers(const void *one, const void *other)
{
    const struct canonical_header *a = one, *b = other;
    int order = compare_names(a, b);

    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

void canonical_init(struct canonical_headers *headers, size_t room)
{
    headers->all = mem_new(room, sizeof *headers->all);
    headers->n = 0;
}

static void note(struct canonical_headers *headers, const char *name,
                 size_t name_length, const char *value)
{
    struct canonical_header *h = &headers->all[headers->n];

    h->name = name;
    h->name_length = name_length;
    h->value = value;
    h->order = headers->n++;
}

void canonical_note(struct canonical_headers *headers, const char *name,
                    const char *value)
{
    note(headers, name, strlen(name), value);
}

void canonical_note_line(struct canonical_headers *headers, const char *line)
{
    size_t name = strcspn(line, ":");

    note(headers, line, name, line + name + (line[name] == ':'));
}

void canonical_sort(struct canonical_headers *headers)
{
    qsort(headers->all, headers->n, sizeof *headers->all, compare_headers);
}

void canonical_free(struct canonical_headers *headers)
{
    free(headers->all);
    *headers = (struct canonical_headers){0};
}

static bool is_same_as_last(const struct canonical_headers *headers, size_t i)
{
    return i > 0 && compare_names(&headers->all[i - 1], &headers->all[i]) == 0;
}

static void add_name(struct text *out, const struct canonical_header *h)
{
    for (size_t i = 0; i < h->name_length; i++) {
        char c = lower(h->name[i]);

        text_add_bytes(out, &c, 1);
    }
}

/* Trimmed, with one space for any white space within. */
static void add_value(struct text *out, const char *value)
{
    bool is_gap = false;

    while (is_space(*value))
        value++;
    for (; *value != '\0'; value++) {
        if (is_space(*value)) {
            is_gap = true;
            continue;
        }
        if (is_gap)
            text_add(out, " ");
        is_gap = false;
        text_add_bytes(out, value, 1);
    }
}

void canonical_add_headers(struct text *out, const struct canonical_headers *headers)
{
    for (size_t i = 0; i < headers->n; i++) {
        if (is_same_as_last(headers, i)) {
            text_add(out, ",");
        } else {
            if (i > 0)
                text_add(out, "\n");
            add_name(out, &headers->all[i]);
            text_add(out, ":");
        }
        add_value(out, headers->all[i].value);
    }
    text_add(out, "\n");
}

/* "host;x-amz-date" */
void canonical_add_names(struct text *out, const struct canonical_headers *headers)
{
    for (size_t i = 0; i < headers->n; i++) {
        if (is_same_as_last(headers, i))
            continue;
        if (i > 0)
            text_add(out, ";");
        add_name(out, &headers->all[i]);
    }
}
