/*
 * Growing strings, and bytes made fit for JSON, URLs, hex, base64 and terminals.
 *
 * Everything goes through extend(), which makes room behind the string, counts the new
 * bytes in and puts the NUL; the caller then writes them.  Room doubles, so that adding
 * is linear overall.
 *
 * UTF-8 is judged by one function, sequence_size(): strictly, as RFC 3629 has it (no
 * overlong forms, no surrogates, nothing above U+10FFFF).  What is not a sequence is
 * one bad byte, and looking goes on behind it.
 *
 * Numbers, sizes, durations and times are in text_value.c.
 */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_ROOM = 64 };

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void reserve(struct text *text, size_t more)
{
    size_t room = text->room > 0 ? text->room : FIRST_ROOM;

    if (text->data != NULL && text->room - text->size > more)
        return;
    while (room - text->size <= more)
        room *= 2;
    text->data = mem_resize(text->data, room, 1);
    text->room = room;
}

/* The string is longer by `more` bytes from now on; they are at the address returned.
 */
static char *extend(struct text *text, size_t more)
{
    char *end;

    reserve(text, more);
    end = text->data + text->size;
    text->size += more;
    end[more] = '\0';
    return end;
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

void text_clear(struct text *text)
{
    text->size = 0;
    if (text->data != NULL)
        text->data[0] = '\0';
}

void text_add(struct text *text, const char *string)
{
    text_add_bytes(text, string, strlen(string));
}

void text_add_bytes(struct text *text, const void *bytes, size_t size)
{
    char *end = extend(text, size);

    if (size > 0)
        memcpy(end, bytes, size);
}

void text_add_format(struct text *text, const char *format, ...)
{
    va_list args;
    int length;

    reserve(text, FIRST_ROOM);
    va_start(args, format);
    length = vsnprintf(text->data + text->size, text->room - text->size, format, args);
    va_end(args);
    if (length >= 0 && (size_t)length >= text->room - text->size) {
        reserve(text, (size_t)length);
        va_start(args, format);
        vsnprintf(text->data + text->size, (size_t)length + 1, format, args);
        va_end(args);
    }
    if (length > 0)
        text->size += (size_t)length;
    text->data[text->size] = '\0';
}

const char *text_string(const struct text *text)
{
    return text->data != NULL ? text->data : "";
}

char *text_take(struct text *text)
{
    char *taken = text->data != NULL ? text->data : mem_copy_string("");

    *text = (struct text){0};
    return taken;
}

/* ---- UTF-8 ---- */

/* Bytes of the sequence at p, of which `left` exist; 0: not UTF-8. */
static size_t sequence_size(const uint8_t *p, size_t left)
{
    size_t size = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (size == 1)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90))
        return 0; /* overlong */
    if ((p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0; /* a surrogate; beyond U+10FFFF */
    return size;
}

bool text_is_utf8(const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    size_t at = 0;

    while (at < size) {
        uint64_t word;
        size_t step = 0;

        if (size - at >= sizeof word) {
            memcpy(&word, p + at, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0)
                step = sizeof word; /* eight of ASCII, the usual case */
        }
        if (step == 0)
            step = sequence_size(p + at, size - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

/* ---- JSON ---- */

static void add_json_escape(struct text *text, uint8_t c)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* byte, letter, ... */

    for (size_t i = 0; i + 1 < sizeof letters; i += 2)
        if ((uint8_t)letters[i] == c) {
            char *end = extend(text, 2);
            end[0] = '\\';
            end[1] = letters[i + 1];
            return;
        }
    text_add_format(text, "\\u%04x", c);
}

void text_add_json(struct text *text, const char *bytes, size_t size)
{
    size_t from = 0;

    text_add_bytes(text, "\"", 1);
    for (size_t at = 0; at < size; at++) {
        uint8_t c = (uint8_t)bytes[at];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        text_add_bytes(text, bytes + from, at - from);
        add_json_escape(text, c);
        from = at + 1;
    }
    if (size > from)
        text_add_bytes(text, bytes + from, size - from);
    text_add_bytes(text, "\"", 1);
}

/* ---- for people ---- */

/*
 * Sequences that a terminal obeys instead of showing: C1 controls (U+009B opens an
 * escape sequence), and the marks that turn the direction of writing, with which
 * "gpj.exe" reads "exe.jpg": U+200E-200F, U+2028-202E, U+2066-2069.
 */
static bool is_command(const uint8_t *p, size_t size)
{
    if (size == 1)
        return p[0] < 0x20 || p[0] == 0x7f;
    if (size == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    if (size != 3 || p[0] != 0xe2)
        return false;
    if (p[1] == 0x80)
        return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae);
    return p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9;
}

static void add_visible_byte(struct text *text, uint8_t c)
{
    char shown[4] = {'\\', 'x', hex_digits[c >> 4], hex_digits[c & 15]};
    char letter = '\0';

    if (c == '\n')
        letter = 'n';
    else if (c == '\t')
        letter = 't';
    else if (c == '\r')
        letter = 'r';
    if (letter != '\0')
        shown[1] = letter;
    text_add_bytes(text, shown, letter != '\0' ? 2 : sizeof shown);
}

void text_add_printable(struct text *text, const char *bytes, size_t size)
{
    const uint8_t *p = (const uint8_t *)bytes;
    size_t at = 0;

    extend(text, 0);
    while (at < size) {
        size_t step = sequence_size(p + at, size - at);

        if (step > 0 && !is_command(p + at, step)) {
            text_add_bytes(text, p + at, step);
            at += step;
            continue;
        }
        if (step == 0)
            step = 1;
        while (step-- > 0)
            add_visible_byte(text, p[at++]);
    }
}

/* ---- hex and base64 ---- */

void text_add_hex(struct text *text, const void *bytes, size_t size)
{
    const uint8_t *in = bytes;
    char *out = extend(text, 2 * size);

    for (size_t i = 0; i < size; i++) {
        *out++ = hex_digits[in[i] >> 4];
        *out++ = hex_digits[in[i] & 15];
    }
}

void text_add_uri(struct text *text, const void *bytes, size_t size, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *from = bytes;

    text_add(text, ""); /* a string, even of no bytes */
    for (size_t i = 0; i < size; i++) {
        unsigned char c = from[i];
        char code[] = {'%', digits[c >> 4], digits[c & 15]};

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
            (c == '/' && keep_slash))
            text_add_bytes(text, &from[i], 1);
        else
            text_add_bytes(text, code, sizeof code);
    }
}

void text_add_base64(struct text *text, const void *bytes, size_t size)
{
    const uint8_t *in = bytes;
    char *out = extend(text, (size + 2) / 3 * 4);

    for (; size >= 3; size -= 3, in += 3) {
        uint32_t three = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

        for (int shift = 18; shift >= 0; shift -= 6)
            *out++ = base64_digits[three >> shift & 63];
    }
    if (size == 0)
        return;
    out[0] = base64_digits[in[0] >> 2];
    out[1] = base64_digits[(in[0] << 4 | (size == 2 ? in[1] >> 4 : 0)) & 63];
    out[2] = size == 2 ? base64_digits[in[1] << 2 & 63] : '=';
    out[3] = '=';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return 10 + c - 'a';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int text_parse_hex(const char *hex, size_t length, void *out, size_t room, size_t *size)
{
    uint8_t *bytes = out;

    if (length % 2 != 0 || length / 2 > room)
        return -1;
    for (size_t i = 0; i < length / 2; i++) {
        int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    *size = length / 2;
    return 0;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Four characters, the last n_padding of them '=': 3 - n_padding bytes, or -1. */
static int parse_base64_group(const char *in, size_t n_padding, uint8_t *out)
{
    uint32_t three = 0;

    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - n_padding ? base64_value(in[i]) : 0;

        if (value < 0)
            return -1;
        three = three << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i < 3 - n_padding; i++)
        out[i] = (uint8_t)(three >> (16 - 8 * i));
    /* Bits that no byte takes up must be 0: one text for one value. */
    return (three & ((UINT32_C(1) << 8 * n_padding) - 1)) == 0 ? 0 : -1;
}

int text_parse_base64(const char *base64, size_t length, void *out, size_t room,
                      size_t *size)
{
    uint8_t *bytes = out;
    size_t n_padding = 0;

    if (length % 4 != 0)
        return -1;
    while (n_padding < 2 && n_padding < length && base64[length - 1 - n_padding] == '=')
        n_padding++;
    if (length / 4 * 3 - n_padding > room)
        return -1;
    for (size_t i = 0; i < length / 4; i++) {
        bool is_last = i + 1 == length / 4;

        if (parse_base64_group(base64 + 4 * i, is_last ? n_padding : 0,
                               bytes + 3 * i) != 0)
            return -1;
    }
    *size = length / 4 * 3 - n_padding;
    return 0;
}
