#ifndef AGENT_UI_ASSET_H
#define AGENT_UI_ASSET_H

#include <stddef.h>

/* The page's own files (page/), as they were when the program was built. */
struct asset {
    const char *path; /* "/app.js" */
    const char *type; /* of its content */
    const unsigned char *bytes;
    size_t size;
};

/* NULL: there is none. */
const struct asset *asset_find(const char *path);

#endif
