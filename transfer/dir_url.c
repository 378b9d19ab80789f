/*
 * Only the path is left of a file:// url: a host part would name another machine's
 * folder.
 */
#include "transfer/dir_url.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

/* "%41" is "A".  NULL where that is malformed or a NUL. */
static char *decode_percent(const char *coded)
{
    char *out = mem_copy_string(coded), *end_of_out = out;

    for (const char *p = coded; *p != '\0'; p++) {
        uint8_t byte = (uint8_t)*p;
        size_t n;

        if (*p == '%') {
            if (!isxdigit((unsigned char)p[1]) ||
                text_parse_hex(p + 1, 2, &byte, 1, &n) != 0 || byte == 0) {
                free(out);
                return NULL;
            }
            p += 2;
        }
        *end_of_out++ = (char)byte;
    }
    *end_of_out = '\0';
    return out;
}

int dir_url_path(char **out, const char *url, struct error *err)
{
    const char *coded = url + strlen(DIR_URL_SCHEME);
    char *path;
    size_t length;

    if (*coded != '/')
        return error_set(err, ERROR_USAGE, 0,
                         "'%s': a folder is named by its whole path, after three "
                         "slashes: file:///data/store",
                         url);
    path = decode_percent(coded);
    if (path == NULL)
        return error_set(err, ERROR_USAGE, 0,
                         "'%s': '%%' needs two hex digits after it, and %%00 is none",
                         url);
    for (length = strlen(path); length > 0 && path[length - 1] == '/'; length--)
        path[length - 1] = '\0';
    if (length == 0) {
        free(path);
        return error_set(err, ERROR_USAGE, 0, "'%s' names no folder", url);
    }
    *out = path;
    return 0;
}
