/*
 * A pattern is cut at its '/' into components once; matching goes over pattern and path
 * a component at a time.  A pattern that has no '/' gets the component "**" in front,
 * which is what "at any depth" means, so there is only one way of matching.
 *
 * What lies in a folder that matches is matched too, so the shortest beginning of the
 * path that matches decides.  It is found in one pass: after a "**" the components
 * behind it are tried at each place from left to right, and when they fail only the
 * last "**" moves on - an earlier place for what stands before it leaves the most room
 * for the rest, hence going back further never helps.
 *
 * Within a component '*' works the same way over characters.
 */
#include "manifest/glob.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/span.h"

struct glob {
    char *pattern;      /* cut into strings at its '/' */
    const char **parts; /* into pattern; any_depth for "**" */
    size_t n_parts;
    bool folders_only;
};

static const char any_depth[] = "**";

/* ---- characters ---- */

/*
 * The character at *at, which is moved behind it.  A byte that begins no sound UTF-8
 * sequence stands for itself, out of the way of all characters.
 */
static uint32_t next_character(const char **at)
{
    const unsigned char *s = (const unsigned char *)*at;
    unsigned n_more = s[0] >= 0xf0 && s[0] < 0xf5   ? 3
                      : s[0] >= 0xe0 && s[0] < 0xf0 ? 2
                      : s[0] >= 0xc2 && s[0] < 0xe0 ? 1
                                                    : 0;
    uint32_t c = n_more > 0 ? s[0] & (0x3fu >> n_more) : s[0];

    for (unsigned i = 1; i <= n_more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            n_more = 0;
            break;
        }
        c = c << 6 | (s[i] & 0x3f);
    }
    *at += n_more + 1;
    return n_more > 0 || s[0] < 0x80 ? c : 0x110000u + s[0];
}

/* ---- [classes] ---- */

struct named_class {
    const char *name;
    int (*is)(int);
};

static const struct named_class named_classes[] = {
    {"[:alnum:]", isalnum}, {"[:alpha:]", isalpha}, {"[:blank:]", isblank},
    {"[:cntrl:]", iscntrl}, {"[:digit:]", isdigit}, {"[:graph:]", isgraph},
    {"[:lower:]", islower}, {"[:print:]", isprint}, {"[:punct:]", ispunct},
    {"[:space:]", isspace}, {"[:upper:]", isupper}, {"[:xdigit:]", isxdigit},
};

static const struct named_class *find_named_class(const char *at)
{
    for (size_t i = 0; i < ARRAY_SIZE(named_classes); i++)
        if (strncmp(at, named_classes[i].name, strlen(named_classes[i].name)) == 0)
            return &named_classes[i];
    return NULL;
}

/* One character of a class, '\' taken into account; false at the end of the pattern. */
static bool class_character(const char **at, uint32_t *c)
{
    if (**at == '\\')
        (*at)++;
    if (**at == '\0')
        return false;
    *c = next_character(at);
    return true;
}

/*
 * Is c in the class that *at points into, behind its '['?  *at is moved behind the ']'.
 * Returns -1 where the class is malformed.
 */
static int match_class(const char **at, uint32_t c)
{
    bool is_negated = **at == '!' || **at == '^';
    bool is_in = false;

    *at += is_negated;
    for (bool is_first = true; is_first || **at != ']'; is_first = false) {
        const struct named_class *named = find_named_class(*at);
        uint32_t low, high;

        if (named != NULL) {
            is_in = is_in || (c < 0x80 && named->is((int)c) != 0);
            *at += strlen(named->name);
            continue;
        }
        if (strncmp(*at, "[:", 2) == 0 || !class_character(at, &low))
            return -1;
        high = low;
        if (**at == '-' && (*at)[1] != ']') {
            (*at)++;
            if (!class_character(at, &high) || high < low)
                return -1;
        }
        is_in = is_in || (low <= c && c <= high);
    }
    (*at)++;
    return is_in != is_negated;
}

/* ---- one component ---- */

/* Match one character at *s against one element at *p, and move both behind it. */
static bool match_element(const char **p, const char **s)
{
    uint32_t c;

    if (**p == '[') {
        (*p)++;
        c = next_character(s);
        return match_class(p, c) == 1;
    }
    if (**p == '?') {
        (*p)++;
        next_character(s);
        return true;
    }
    if (**p == '\\')
        (*p)++;
    return *(*p)++ == *(*s)++;
}

static bool match_name(const char *p, const char *name, const char *end)
{
    const char *star = NULL, *star_name = NULL;

    for (;;) {
        if (*p == '*') {
            star = ++p;
            star_name = name;
            if (*p == '\0')
                return true;
            continue;
        }
        if (name == end && *p == '\0')
            return true;
        if (name < end && *p != '\0' && match_element(&p, &name))
            continue;
        if (star == NULL || star_name == end)
            return false;
        next_character(&star_name);
        p = star;
        name = star_name;
    }
}

/* ---- a path ---- */

static enum glob_match matched_up_to(const struct glob *glob, const char *end,
                                     bool is_folder)
{
    bool is_whole = *end == '\0';

    return !is_whole || is_folder || !glob->folders_only ? GLOB_YES : GLOB_NO;
}

static const char *behind(const char *end)
{
    return end + (*end == '/');
}

enum glob_match glob_match(const struct glob *glob, const char *path, bool is_folder)
{
    const char *at = path, *retry_at = path;
    size_t i = 0,
           retry_i = 0; /* retry_i: behind the last "**", 0 before there is one */

    for (;;) {
        const char *end;

        if (glob->parts[i] == any_depth && i + 1 < glob->n_parts) {
            retry_i = ++i;
            retry_at = at;
        }
        if (*at == '\0')
            return GLOB_BELOW;
        end = strchrnul(at, '/');
        if (glob->parts[i] == any_depth || match_name(glob->parts[i], at, end)) {
            if (++i == glob->n_parts)
                return matched_up_to(glob, end, is_folder);
            at = behind(end);
        } else if (retry_i > 0) {
            i = retry_i;
            retry_at = at = behind(strchrnul(retry_at, '/'));
        } else {
            return GLOB_NO;
        }
    }
}

/* ---- reading a pattern ---- */

static bool is_sound_part(const char *part)
{
    for (const char *p = part; *p != '\0';) {
        if (*p == '[') {
            p++;
            if (match_class(&p, 0) < 0)
                return false;
        } else if (*p == '\\' && *++p == '\0') {
            return false;
        } else {
            p++;
        }
    }
    return strcmp(part, "..") != 0;
}

/* Returns how many parts that is: 1, 0 for one that says nothing, -1 when malformed. */
static int add_part(struct glob *glob, char *part)
{
    bool is_any_depth = strcmp(part, "**") == 0;

    if (*part == '\0' || strcmp(part, ".") == 0)
        return 0;
    if (!is_sound_part(part))
        return -1;
    if (is_any_depth && glob->n_parts > 0 &&
        glob->parts[glob->n_parts - 1] == any_depth)
        return 1; /* two in a row say no more than one */
    glob->parts[glob->n_parts++] = is_any_depth ? any_depth : part;
    return 1;
}

static bool cut(struct glob *glob)
{
    size_t length = strlen(glob->pattern), n_slashes = 0, n_added = 0;
    char *next;

    while (length > 0 && glob->pattern[length - 1] == '/') {
        glob->folders_only = true;
        glob->pattern[--length] = '\0';
    }
    for (const char *p = glob->pattern; *p != '\0'; p++)
        n_slashes += *p == '/';
    glob->parts = mem_new(n_slashes + 2, sizeof *glob->parts);
    if (n_slashes == 0)
        glob->parts[glob->n_parts++] = any_depth;
    for (char *part = glob->pattern; part != NULL; part = next) {
        int added;

        next = strchr(part, '/');
        if (next != NULL)
            *next++ = '\0';
        added = add_part(glob, part);
        if (added < 0)
            return false;
        n_added += (size_t)added;
    }
    return n_added > 0;
}

struct glob *glob_new(const char *pattern, struct error *err)
{
    struct glob *glob = mem_new(1, sizeof *glob);

    glob->pattern = mem_copy_string(pattern);
    if (cut(glob))
        return glob;
    if (*pattern == '\0')
        error_set(err, ERROR_USAGE, 0, "a pattern is empty");
    else
        error_set(err, ERROR_USAGE, 0, "not a pattern: '%s'", pattern);
    glob_free(glob);
    return NULL;
}

void glob_free(struct glob *glob)
{
    if (glob == NULL)
        return;
    free(glob->pattern);
    free(glob->parts);
    free(glob);
}
