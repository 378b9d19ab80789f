/*
 *   symlinks=keep no-copy files-from=/a%20list filter -*.tmp +b%2fc
 *
 * What is not said has its default; the filter's own spelling comes last.
 */
#include "agent/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *symlinks_name(enum walk_symlinks symlinks)
{
    return symlinks == WALK_SYMLINKS_KEEP   ? "keep"
           : symlinks == WALK_SYMLINKS_SKIP ? "skip"
                                            : "follow";
}

static void add_escaped(struct text *out, const char *string)
{
    for (const char *p = string; *p != '\0'; p++) {
        if (*p > ' ' && *p < 0x7f && *p != '%')
            text_add_bytes(out, p, 1);
        else
            text_add_format(out, "%%%02x", (unsigned char)*p);
    }
}

void shape_format(const struct options *o, struct text *out)
{
    const char *rules = o->filter == NULL ? "" : filter_spell(o->filter);

    text_add_format(out, "symlinks=%s", symlinks_name(o->symlinks));
    if (o->no_copy)
        text_add(out, " no-copy");
    if (o->files_from != NULL) {
        char *file = realpath(o->files_from, NULL);
        text_add(out, " files-from=");
        add_escaped(out, file != NULL ? file : o->files_from);
        free(file);
    }
    if (rules[0] != '\0')
        text_add_format(out, " filter %s", rules);
}

/* In place. */
static void unescape(char *word)
{
    char *to = word;
    size_t size;

    for (const char *from = word; *from != '\0'; to++) {
        if (*from == '%' && text_parse_hex(from + 1, 2, to, 1, &size) == 0)
            from += 3;
        else
            *to = *from++;
    }
    *to = '\0';
}

static int apply_symlinks(struct options *o, const char *value, struct error *err)
{
    static const enum walk_symlinks all[] = {WALK_SYMLINKS_FOLLOW, WALK_SYMLINKS_KEEP,
                                             WALK_SYMLINKS_SKIP};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(value, symlinks_name(all[i])) != 0)
            continue;
        o->symlinks = all[i];
        return 0;
    }
    return error_set(err, ERROR_CORRUPT, 0, "unknown symlink policy %s", value);
}

static int apply_word(struct options *o, char *word, bool *in_filter, struct error *err)
{
    if (*in_filter) {
        unescape(word + 1);
        return filter_add(o->filter, word[0] == '+', word + 1, err);
    }
    if (strcmp(word, "filter") == 0) {
        *in_filter = true;
        return 0;
    }
    if (strcmp(word, "no-copy") == 0) {
        o->no_copy = true;
        return 0;
    }
    if (strncmp(word, "symlinks=", 9) == 0)
        return apply_symlinks(o, word + 9, err);
    if (strncmp(word, "files-from=", 11) == 0) {
        unescape(word + 11);
        o->files_from = word + 11;
        return 0;
    }
    return error_set(err, ERROR_CORRUPT, 0, "unknown option %s", word);
}

int shape_apply(struct options *o, const char *shape, char **storage, struct error *err)
{
    char *rest = NULL, *word;
    bool in_filter = false;

    *storage = mem_copy_string(shape);
    filter_free(o->filter);
    o->filter = filter_new();
    o->files_from = NULL;
    o->no_copy = false;
    for (word = strtok_r(*storage, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest))
        if (apply_word(o, word, &in_filter, err) != 0)
            return error_wrap(err, "the options of the session");
    return 0;
}
