/*
 * Two steps: text_add_printable() makes bytes harmless, then the text is walked
 * character by character, each with the width that wcwidth() gives it.  A character
 * that wcwidth() does not know, or that would only move things about invisibly
 * (zero-width spaces and the like, line separators), is spelled \u{...}: a name may
 * fool neither the layout nor the reader.
 *
 * wcwidth() follows the thread's locale, which is "C" unless the user set another.  So
 * a Unicode locale of our own is worn while measuring; without one only ASCII is shown.
 */
#include "agent/cells.h"

#include <stdint.h>
#include <string.h>
#include <wchar.h>

struct cell {
    size_t bytes;
    unsigned width;
};

void cells_open(struct cells *cells, bool is_utf8)
{
    cells->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (cells->locale == (locale_t)0)
        cells->locale = newlocale(LC_CTYPE_MASK, "en_US.UTF-8", (locale_t)0);
    cells->is_utf8 = is_utf8 && cells->locale != (locale_t)0;
}

void cells_close(struct cells *cells)
{
    if (cells->locale != (locale_t)0)
        freelocale(cells->locale);
    cells->locale = (locale_t)0;
}

/* The code point at p, which is valid UTF-8, and its size. */
static uint32_t decode(const char *p, size_t *size)
{
    const uint8_t *b = (const uint8_t *)p;

    *size = b[0] < 0x80 ? 1 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    switch (*size) {
    case 1:
        return b[0];
    case 2:
        return (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
    case 3:
        return (b[0] & 0x0fu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
    default:
        return (b[0] & 0x07u) << 18 | (b[1] & 0x3fu) << 12 | (b[2] & 0x3fu) << 6 |
               (b[3] & 0x3fu);
    }
}

static struct cell cell_at(const char *p)
{
    struct cell cell;
    uint32_t code = decode(p, &cell.bytes);
    int width = code < 0x80 ? 1 : wcwidth((wchar_t)code);

    /* An emoji's variation selector may make its base, counted as one, two wide. */
    cell.width = code == 0xfe0f ? 1 : width < 0 ? 0 : (unsigned)width;
    return cell;
}

static bool is_invisible(uint32_t code)
{
    return code == 0xad || code == 0x61c || code == 0x180e || code == 0xfeff ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || (code >= 0xe0000 && code <= 0xe007f) ||
           (code >= 0x80 && wcwidth((wchar_t)code) < 0);
}

static void add_shown(const struct cells *cells, struct text *out, const char *p,
                      size_t size)
{
    size_t same;
    uint32_t code = decode(p, &same);

    if (code < 0x80 || (cells->is_utf8 && !is_invisible(code))) {
        text_add_bytes(out, p, size);
        return;
    }
    if (cells->is_utf8) {
        text_add_format(out, "\\u{%X}", (unsigned)code);
        return;
    }
    for (size_t i = 0; i < size; i++)
        text_add_format(out, "\\x%02x", (unsigned)(uint8_t)p[i]);
}

static locale_t wear(const struct cells *cells)
{
    return uselocale(cells->locale); /* (locale_t)0 changes nothing */
}

void cells_add(const struct cells *cells, struct text *out, const char *string)
{
    struct text printable = {0};
    locale_t before = wear(cells);
    size_t size;

    text_add_printable(&printable, string, strlen(string));
    for (const char *p = text_string(&printable); *p != '\0'; p += size) {
        decode(p, &size);
        add_shown(cells, out, p, size);
    }
    uselocale(before);
    text_free(&printable);
}

static unsigned width_of(const char *p)
{
    unsigned width = 0;

    while (*p != '\0') {
        struct cell cell = cell_at(p);

        width += cell.width;
        p += cell.bytes;
    }
    return width;
}

unsigned cells_width(const struct cells *cells, const char *printable)
{
    locale_t before = wear(cells);
    unsigned width = width_of(printable);

    uselocale(before);
    return width;
}

/* The bytes at the beginning of p that fit, with the marks that belong to them. */
static size_t head_bytes(const char *p, unsigned width)
{
    const char *at = p;

    while (*at != '\0') {
        struct cell cell = cell_at(at);

        if (cell.width > width)
            break;
        width -= cell.width;
        at += cell.bytes;
    }
    return (size_t)(at - p);
}

/* Where the end of p begins that fits. */
static const char *tail(const char *p, unsigned width)
{
    unsigned whole = width_of(p);
    unsigned gone = 0;

    while (*p != '\0') {
        struct cell cell = cell_at(p);

        if (whole - gone <= width && cell.width > 0)
            break;
        gone += cell.width;
        p += cell.bytes;
    }
    return p;
}

void cells_add_clipped(const struct cells *cells, struct text *out,
                       const char *printable, unsigned width)
{
    locale_t before = wear(cells);

    text_add_bytes(out, printable, head_bytes(printable, width));
    uselocale(before);
}

/* ---- folding ---- */

enum { FOLD_INDENT = 2 };

struct fold {
    struct text *out;
    unsigned width, used;
};

static struct cell cell_or_color_at(const char *p)
{
    if (*p == '\033')
        return (struct cell){.bytes = strcspn(p, "m") + 1, .width = 0};
    return cell_at(p);
}

/* Of the word at p: up to a blank or the end of the line. */
static struct cell word_at(const char *p)
{
    struct cell word = {0};

    while (p[word.bytes] != '\0' && p[word.bytes] != ' ' && p[word.bytes] != '\n') {
        struct cell cell = cell_or_color_at(p + word.bytes);

        word.bytes += cell.bytes;
        word.width += cell.width;
    }
    return word;
}

static void break_line(struct fold *f)
{
    text_add(f->out, "\n");
    f->used = f->width > 2 * FOLD_INDENT ? FOLD_INDENT : 0;
    cells_add_spaces(f->out, f->used);
}

static void fold_word(struct fold *f, const char *p, struct cell word)
{
    if (f->used > FOLD_INDENT && f->used + word.width > f->width)
        break_line(f);
    for (size_t at = 0; at < word.bytes;) {
        struct cell cell = cell_or_color_at(p + at);

        if (f->used + cell.width > f->width)
            break_line(f); /* longer than a line: cut */
        text_add_bytes(f->out, p + at, cell.bytes);
        f->used += cell.width;
        at += cell.bytes;
    }
}

void cells_add_folded(const struct cells *cells, struct text *out, const char *lines,
                      unsigned width)
{
    struct fold f = {.out = out, .width = width};
    locale_t before = wear(cells);

    for (const char *p = lines; *p != '\0';) {
        struct cell word = word_at(p);

        fold_word(&f, p, word);
        p += word.bytes;
        if (*p == ' ' && f.used + 1 + word_at(p + 1).width <= width) {
            text_add(out, " ");
            f.used++;
        } else if (*p == ' ') {
            break_line(&f);
        } else if (*p == '\n') {
            text_add(out, "\n");
            f.used = 0;
        }
        p += *p != '\0';
    }
    uselocale(before);
}

const char *cells_ellipsis(const struct cells *cells)
{
    return cells->is_utf8 ? "\xe2\x80\xa6" : "...";
}

/* The end of a path says more than its beginning: it gets two thirds. */
static void add_shortened(const struct cells *cells, struct text *out, const char *p,
                          unsigned width)
{
    const char *ellipsis = cells_ellipsis(cells);
    unsigned room = width_of(ellipsis);
    unsigned head;

    if (width < room + 4) { /* no sense in an ellipsis */
        text_add(out, tail(p, width));
        return;
    }
    room = width - room;
    head = room / 3;
    text_add_bytes(out, p, head_bytes(p, head));
    text_add(out, ellipsis);
    text_add(out, tail(p, room - head));
}

void cells_add_fitted(const struct cells *cells, struct text *out, const char *string,
                      unsigned width)
{
    struct text shown = {0};
    locale_t before;

    cells_add(cells, &shown, string);
    before = wear(cells);
    if (width_of(text_string(&shown)) <= width)
        text_add(out, text_string(&shown));
    else
        add_shortened(cells, out, text_string(&shown), width);
    uselocale(before);
    text_free(&shown);
}

void cells_add_spaces(struct text *out, unsigned count)
{
    text_add_format(out, "%*s", (int)count, "");
}
