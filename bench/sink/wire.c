/*
 * Nothing is copied but values that are asked for: a head has a dozen headers, and of
 * most requests three or four matter.
 */
#include "bench/sink/wire.h"

#include <string.h>
#include <strings.h>
#include <time.h>

size_t wire_head_size(const char *bytes, size_t size)
{
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);

    return end == NULL ? 0 : (size_t)(end - bytes) + 4;
}

/* In place; a malformed escape stays as it is. */
static void decode(char *string, bool plus_is_space)
{
    char *out = string;

    for (const char *in = string; *in != '\0'; in++) {
        size_t n = 0;

        if (*in == '%' && text_parse_hex(in + 1, 2, out, 1, &n) == 0 && n == 1) {
            out++;
            in += 2;
        } else {
            *out++ = (char)(*in == '+' && plus_is_space ? ' ' : *in);
        }
    }
    *out = '\0';
}

int wire_parse(struct wire_head *head, char *bytes, size_t size)
{
    char *end = memchr(bytes, '\r', size), *space = memchr(bytes, ' ', size), *question;

    if (space == NULL || end == NULL || space[1] != '/')
        return -1;
    bytes[size - 2] = '\0'; /* the blank line */
    *end = '\0';
    head->headers = end + 2;
    head->method = bytes;
    *space = '\0';
    head->path = space + 2;
    space = strchr(head->path, ' ');
    if (space == NULL)
        return -1;
    *space = '\0';
    question = strchr(head->path, '?');
    head->query = question == NULL ? space : question + 1;
    if (question != NULL)
        *question = '\0';
    decode(head->path, false);
    return 0;
}

static bool copy(char value[WIRE_VALUE_MAX], const char *from, size_t size)
{
    value[0] = '\0';
    if (size >= WIRE_VALUE_MAX)
        return false;
    memcpy(value, from, size);
    value[size] = '\0';
    return true;
}

bool wire_header(const struct wire_head *head, const char *name,
                 char value[WIRE_VALUE_MAX])
{
    size_t n = strlen(name);

    for (const char *line = head->headers; *line != '\0';) {
        const char *end = strstr(line, "\r\n");

        if (end == NULL)
            break;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            line += n + 1;
            line += strspn(line, " \t");
            return copy(value, line, (size_t)(end - line));
        }
        line = end + 2;
    }
    value[0] = '\0';
    return false;
}

bool wire_query(const struct wire_head *head, const char *name,
                char value[WIRE_VALUE_MAX])
{
    size_t n = strlen(name);

    for (const char *at = head->query; *at != '\0';) {
        size_t size = strcspn(at, "&");

        if (strncmp(at, name, n) == 0 && (at[n] == '=' || n == size)) {
            const char *from = at[n] == '=' ? at + n + 1 : at + n;
            bool fits = copy(value, from, (size_t)(at + size - from));
            decode(value, true);
            return fits;
        }
        at += size + (at[size] == '&');
    }
    value[0] = '\0';
    return false;
}

uint64_t wire_number(const struct wire_head *head, const char *name)
{
    char value[WIRE_VALUE_MAX];
    uint64_t number = 0;

    wire_header(head, name, value);
    return text_parse_u64(value, &number) == 0 ? number : 0;
}

void wire_add_date(struct text *out, int64_t time_s)
{
    char date[40];
    time_t time = time_s;
    struct tm parts;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&time, &parts));
    text_add(out, date);
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 404:
        return "Not Found";
    case 412:
        return "Precondition Failed";
    case 416:
        return "Range Not Satisfiable";
    case 501:
        return "Not Implemented";
    default:
        return "Bad Request";
    }
}

void wire_add_status(struct text *out, int status)
{
    text_add_format(
        out, "HTTP/1.1 %d %s\r\nServer: sink\r\nx-amz-request-id: 1\r\nDate: ", status,
        reason(status));
    wire_add_date(out, time(NULL));
    text_add(out, "\r\n");
}
