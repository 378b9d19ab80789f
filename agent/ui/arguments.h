#ifndef AGENT_UI_ARGUMENTS_H
#define AGENT_UI_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The command line of a child in the making.  Zeroed is empty; strings are copied.  No
 * value that comes from the page can be taken for an option: it is given as --name=VALUE,
 * or behind "--".
 */
enum { ARGUMENTS_MAX = 40 };

struct arguments {
    const char *words[ARGUMENTS_MAX + 1];
    size_t n;
};

/* "datastore list --json": words of our own. */
void arguments_add(struct arguments *a, const char *words);

/* NULL or "": not given. */
void arguments_option(struct arguments *a, const char *name, const char *value);
void arguments_flag(struct arguments *a, const char *name, bool is_set);

/* The last word of all, as it is; the first of them puts "--" before itself. */
void arguments_positional(struct arguments *a, const char *value);

void arguments_free(struct arguments *a);

#endif
