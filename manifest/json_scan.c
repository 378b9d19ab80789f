/*
 * Recursive descent with a cursor.  Each function leaves the cursor behind what it has
 * taken; where it fails the cursor is of no use any more, except after
 * json_scan_char(). A string's escapes are replaced where they stand, as their meaning
 * is never longer than themselves (six bytes make at most three, twelve make four).
 */
#include "manifest/json_scan.h"

#include <stdint.h>
#include <string.h>

#include "base/span.h"
#include "base/text.h"

enum { DEPTH_MAX = 16 }; /* of values that are skipped */

static void skip_blanks(char **at)
{
    *at += strspn(*at, " \t\r\n");
}

bool json_scan_char(char **at, char c)
{
    skip_blanks(at);
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static bool read_hex4(char **at, uint32_t *code)
{
    uint8_t bytes[2];
    size_t size;

    if (strnlen(*at, 4) < 4 || text_parse_hex(*at, 4, bytes, 2, &size) != 0)
        return false;
    *code = (uint32_t)bytes[0] << 8 | bytes[1];
    *at += 4;
    return true;
}

static char *put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *to++ = (char)(0xe0 | code >> 12);
        } else {
            *to++ = (char)(0xf0 | code >> 18);
            *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (code & 0x3f));
    return to;
}

/* Behind "\u": four digits, or twice four for what is above U+FFFF. */
static bool read_code(char **at, uint32_t *code)
{
    uint32_t low;

    if (!read_hex4(at, code))
        return false;
    if (*code < 0xd800 || *code > 0xdfff)
        return true;
    if (*code > 0xdbff || (*at)[0] != '\\' || (*at)[1] != 'u')
        return false;
    *at += 2;
    if (!read_hex4(at, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    *code = 0x10000 + ((*code & 0x3ff) << 10) + (low & 0x3ff);
    return true;
}

/* Behind the backslash. */
static bool read_escape(char **at, char **to)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *letter;
    uint32_t code;

    if (**at == 'u') {
        (*at)++;
        if (!read_code(at, &code))
            return false;
        *to = put_utf8(*to, code);
        return true;
    }
    letter = **at != '\0' ? strchr(letters, **at) : NULL;
    if (letter == NULL)
        return false;
    (*at)++;
    *(*to)++ = meant[letter - letters];
    return true;
}

bool json_scan_string(char **at, struct json_value *out)
{
    char *to;

    if (!json_scan_char(at, '"'))
        return false;
    out->data = to = *at;
    while (**at != '"') {
        if ((unsigned char)**at < 0x20)
            return false; /* also the end of it all */
        if (**at != '\\') {
            *to++ = *(*at)++;
            continue;
        }
        (*at)++;
        if (!read_escape(at, &to))
            return false;
    }
    (*at)++;
    out->size = (size_t)(to - out->data);
    *to = '\0'; /* at most over the closing quote */
    return true;
}

static bool read_digits(char **at)
{
    size_t n = strspn(*at, "0123456789");

    *at += n;
    return n > 0;
}

bool json_scan_number(char **at, struct json_value *out)
{
    skip_blanks(at);
    out->data = *at;
    if (**at == '-')
        (*at)++;
    if ((*at)[0] == '0' && (*at)[1] >= '0' && (*at)[1] <= '9')
        return false;
    if (!read_digits(at))
        return false;
    if (**at == '.') {
        (*at)++;
        if (!read_digits(at))
            return false;
    }
    if (**at == 'e' || **at == 'E') {
        (*at)++;
        if (**at == '+' || **at == '-')
            (*at)++;
        if (!read_digits(at))
            return false;
    }
    out->size = (size_t)(*at - out->data);
    return true;
}

static bool skip_literal(char **at)
{
    static const char *const literals[] = {"true", "false", "null"};

    for (size_t i = 0; i < ARRAY_SIZE(literals); i++) {
        size_t size = strlen(literals[i]);

        if (strncmp(*at, literals[i], size) == 0) {
            *at += size;
            return true;
        }
    }
    return false;
}

static bool skip_value(char **at, int depth);

/* Behind '{' or '[', up to and with what closes it. */
static bool skip_members(char **at, char close, int depth)
{
    struct json_value name;

    if (json_scan_char(at, close))
        return true;
    do {
        if (close == '}' && (!json_scan_string(at, &name) || !json_scan_char(at, ':')))
            return false;
        if (!skip_value(at, depth))
            return false;
    } while (json_scan_char(at, ','));
    return json_scan_char(at, close);
}

static bool skip_value(char **at, int depth)
{
    struct json_value ignored;

    if (depth == 0)
        return false;
    if (json_scan_char(at, '{'))
        return skip_members(at, '}', depth - 1);
    if (json_scan_char(at, '['))
        return skip_members(at, ']', depth - 1);
    if (**at == '"')
        return json_scan_string(at, &ignored);
    return skip_literal(at) || json_scan_number(at, &ignored);
}

bool json_scan_skip(char **at)
{
    return skip_value(at, DEPTH_MAX);
}
