/*
 * A name is taken component by component.  One with ".." is refused even where it would
 * come back into the tree ("a/../b"): no tool makes such names by itself.
 */
#include "transfer/archive_name.h"

#include <stddef.h>
#include <string.h>

static bool is_dot(const char *component, size_t size)
{
    return size == 1 && component[0] == '.';
}

static bool is_dot_dot(const char *component, size_t size)
{
    return size == 2 && memcmp(component, "..", 2) == 0;
}

enum archive_name archive_name_read(struct text *path, const char *name)
{
    size_t size;

    text_clear(path);
    if (name[0] == '\0')
        return ARCHIVE_NAME_EMPTY;
    if (name[0] == '/')
        return ARCHIVE_NAME_ABSOLUTE;
    for (const char *p = name; *p != '\0'; p += size + (p[size] == '/')) {
        size = strcspn(p, "/");
        if (is_dot_dot(p, size))
            return ARCHIVE_NAME_UPWARDS;
        if (size == 0 || is_dot(p, size))
            continue;
        if (path->size > 0)
            text_add(path, "/");
        text_add_bytes(path, p, size);
    }
    return path->size > 0 ? ARCHIVE_NAME_GOOD : ARCHIVE_NAME_ROOT;
}

const char *archive_name_fault(enum archive_name name)
{
    switch (name) {
    case ARCHIVE_NAME_ABSOLUTE:
        return "an absolute path: left out";
    case ARCHIVE_NAME_UPWARDS:
        return "a path with \"..\": left out";
    case ARCHIVE_NAME_EMPTY:
        return "an entry without a name: left out";
    case ARCHIVE_NAME_GOOD:
    case ARCHIVE_NAME_ROOT:
        break;
    }
    return NULL;
}

bool archive_name_link_leaves(const char *path, const char *target)
{
    long depth = 0; /* of the folder that the link is in */
    size_t size;

    if (target[0] == '/')
        return true;
    for (const char *p = strchr(path, '/'); p != NULL; p = strchr(p + 1, '/'))
        depth++;
    for (const char *p = target; *p != '\0'; p += size + (p[size] == '/')) {
        size = strcspn(p, "/");
        if (is_dot_dot(p, size))
            depth--;
        else if (size > 0 && !is_dot(p, size))
            depth++;
        if (depth < 0)
            return true;
    }
    return false;
}
