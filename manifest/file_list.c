/*
 * One line is in memory at a time; the listing does the rest.
 */
#include "manifest/file_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "manifest/folder.h"

/* Add a path that was cut out of the line at its '/': -1 for a ".." in it. */
static int tidy(struct text *path, const char *line)
{
    text_clear(path);
    while (*line != '\0') {
        size_t length = strcspn(line, "/");

        if (length == 2 && memcmp(line, "..", 2) == 0)
            return -1;
        if (length > 0 && !(length == 1 && *line == '.')) {
            text_add(path, path->size > 0 ? "/" : "");
            text_add_bytes(path, line, length);
        }
        line += length + (line[length] == '/');
    }
    return 0;
}

static int add_line(const char *line, size_t size, struct text *path, bool *has_root,
                    struct listing_space *space, struct error *err)
{
    if (strspn(line, " \t\r") == size)
        return 0;
    if (strlen(line) != size)
        return error_set(err, ERROR_USAGE, 0, "a NUL byte in '%s'", line);
    if (line[0] == '/')
        return error_set(err, ERROR_USAGE, 0, "'%s' is not relative to the source",
                         line);
    if (tidy(path, line) != 0)
        return error_set(err, ERROR_USAGE, 0, "'%s' has '..' in it", line);
    if (path->size == 0) {
        *has_root = true;
        return 0;
    }
    return listing_add(space, FOLDER_UNKNOWN, path->data, path->size, err);
}

static int read_lines(FILE *stream, bool *has_root, struct listing_space *space,
                      struct error *err)
{
    struct text path = {0};
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t size;
    int result = 0;

    while (result == 0 && (size = getline(&line, &room, stream)) >= 0) {
        number++;
        if (size > 0 && line[size - 1] == '\n')
            line[--size] = '\0';
        result = add_line(line, (size_t)size, &path, has_root, space, err);
        if (result != 0)
            error_wrap(err, "line %zu", number);
    }
    if (result == 0 && ferror(stream))
        result = error_errno(err, errno, "cannot read it");
    text_free(&path);
    free(line);
    return result;
}

int file_list_read(struct listing **out, bool *has_root, const char *file,
                   struct listing_space *space, struct error *err)
{
    FILE *stream = fopen(file, "re");
    int result;

    *has_root = false;
    if (stream == NULL)
        return error_errno(err, errno, "cannot read the list of files '%s'", file);
    result = read_lines(stream, has_root, space, err);
    if (result != 0)
        error_wrap(err, "list of files '%s'", file);
    fclose(stream);
    return result == 0 ? listing_end(space, out, err) : -1;
}
