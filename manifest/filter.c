/*
 * Rules are asked from the last to the first: the first one that says yes decides. What
 * a rule says about a file (glob.h) takes the folders above the file into account,
 * hence nothing is remembered from one path to the next.
 *
 * A folder is worth reading when the rule that decides about it is no exclusion, or
 * when a later inclusion might match something below it.
 */
#include "manifest/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "manifest/glob.h"

struct rule {
    struct glob *glob;
    bool is_include;
};

struct filter {
    struct rule *rules;
    size_t n_rules, room;
    struct text spelled;
};

struct filter *filter_new(void)
{
    return mem_new(1, sizeof(struct filter));
}

void filter_free(struct filter *filter)
{
    if (filter == NULL)
        return;
    for (size_t i = 0; i < filter->n_rules; i++)
        glob_free(filter->rules[i].glob);
    free(filter->rules);
    text_free(&filter->spelled);
    free(filter);
}

/* "-*.tmp +a%20b": bytes that could blur where a rule ends are spelled in hex. */
static void spell(struct text *spelled, bool is_include, const char *pattern)
{
    text_add(spelled, spelled->size > 0 ? " " : "");
    text_add(spelled, is_include ? "+" : "-");
    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p > ' ' && *p < 0x7f && *p != '%')
            text_add_bytes(spelled, p, 1);
        else
            text_add_format(spelled, "%%%02x", (unsigned char)*p);
    }
}

int filter_add(struct filter *filter, bool is_include, const char *pattern,
               struct error *err)
{
    struct glob *glob = glob_new(pattern, err);

    if (glob == NULL)
        return -1;
    if (filter->n_rules == filter->room) {
        filter->room = filter->room > 0 ? 2 * filter->room : 8;
        filter->rules = mem_resize(filter->rules, filter->room, sizeof *filter->rules);
    }
    filter->rules[filter->n_rules++] = (struct rule){glob, is_include};
    spell(&filter->spelled, is_include, pattern);
    return 0;
}

static int add_line(struct filter *filter, char *line, size_t size, struct error *err)
{
    if (size > 0 && line[size - 1] == '\n')
        size--;
    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (memchr(line, '\0', size) != NULL)
        return error_set(err, ERROR_USAGE, 0, "a NUL byte in a pattern");
    line[size] = '\0';
    if (line[0] == '#' || strspn(line, " \t") == size)
        return 0;
    if (line[0] == '!')
        return filter_add(filter, true, line + 1, err);
    return filter_add(filter, false, line, err);
}

int filter_add_file(struct filter *filter, const char *file, struct error *err)
{
    FILE *stream = fopen(file, "re");
    size_t room = 0, number = 0;
    char *line = NULL;
    ssize_t size;
    int result = 0;

    if (stream == NULL)
        return error_errno(err, errno, "cannot read the patterns in '%s'", file);
    while (result == 0 && (size = getline(&line, &room, stream)) >= 0) {
        number++;
        if (add_line(filter, line, (size_t)size, err) != 0)
            result = error_wrap(err, "'%s', line %zu", file, number);
    }
    if (result == 0 && ferror(stream))
        result = error_errno(err, errno, "cannot read the patterns in '%s'", file);
    free(line);
    fclose(stream);
    return result;
}

static bool takes(const struct filter *filter, const char *path, bool is_folder)
{
    for (size_t i = filter->n_rules; i-- > 0;)
        if (glob_match(filter->rules[i].glob, path, is_folder) == GLOB_YES)
            return filter->rules[i].is_include;
    return true;
}

bool filter_takes(const struct filter *filter, const char *path)
{
    return takes(filter, path, false);
}

bool filter_takes_folder(const struct filter *filter, const char *path)
{
    return takes(filter, path, true);
}

bool filter_enters(const struct filter *filter, const char *path)
{
    for (size_t i = filter->n_rules; i-- > 0;) {
        const struct rule *rule = &filter->rules[i];
        enum glob_match match = glob_match(rule->glob, path, true);

        if (rule->is_include && match != GLOB_NO)
            return true;
        if (match == GLOB_YES)
            return false;
    }
    return true;
}

const char *filter_spell(const struct filter *filter)
{
    return text_string(&filter->spelled);
}
