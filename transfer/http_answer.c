/* The head of an answer is kept as it came; whoever wants a header looks through it:
 * there are few, and few are asked for. */
#include "transfer/http_answer.h"

#include <string.h>
#include <strings.h>

void http_answer_clear(struct http_answer *answer)
{
    text_free(&answer->headers);
    text_free(&answer->body);
    memset(answer, 0, sizeof *answer);
}

/* "HTTP/1.1 200 OK": 200; 0 where it is no such line. */
static int status_of(const char *line, size_t length)
{
    size_t at = 0;
    int status = 0;

    if (length < strlen("HTTP/") || memcmp(line, "HTTP/", strlen("HTTP/")) != 0)
        return 0;
    while (at < length && line[at] != ' ')
        at++;
    while (at < length && line[at] == ' ')
        at++;
    for (size_t n = 0; n < 3 && at < length && line[at] >= '0' && line[at] <= '9'; n++)
        status = 10 * status + (line[at++] - '0');
    return status;
}

bool http_answer_add_line(struct http_answer *answer, const char *line, size_t length)
{
    int status = status_of(line, length);

    if (status > 0) {
        answer->status = status;
        answer->is_head_whole = false;
        text_clear(&answer->headers);
        return true;
    }
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    if (length == 0) {
        answer->is_head_whole = true;
        return true;
    }
    if (answer->headers.size + length >= HTTP_HEADERS_MAX)
        return false;
    text_add_bytes(&answer->headers, line, length);
    text_add(&answer->headers, "\n");
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

const char *http_header(const struct http_answer *answer, const char *name,
                        size_t *length)
{
    const char *line = text_string(&answer->headers);
    size_t n = strlen(name);

    for (const char *end; *line != '\0'; line = end + 1) {
        const char *value = line + n + 1;

        end = strchr(line, '\n');
        if (end == NULL)
            break; /* a NUL in the head: what is behind it is not looked at */
        if (strncasecmp(line, name, n) != 0 || line[n] != ':')
            continue;
        while (is_blank(*value))
            value++;
        *length = (size_t)(end - value);
        while (*length > 0 && is_blank(value[*length - 1]))
            --*length;
        return value;
    }
    return NULL;
}
