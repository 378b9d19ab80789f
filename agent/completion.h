#ifndef AGENT_COMPLETION_H
#define AGENT_COMPLETION_H

#include "agent/options_table.h"
#include "base/text.h"

/*
 * Scripts that complete the command line of grid, made from the tables of
 * options_table.h alone.  Words, options and the few values that are fixed; files where
 * a file or folder belongs.  Nothing is asked of a store.
 */
void completion_add_bash(struct text *out);
void completion_add_zsh(struct text *out);
void completion_add_fish(struct text *out);

/* ---- for the three of them ---- */

enum completion_value {
    COMPLETION_ANY,  /* nothing is known of it */
    COMPLETION_FILE, /* a file or folder */
    COMPLETION_WORDS /* one of "auto|path|virtual" */
};

/* What stands for a value in help texts: of an option, or one of the positional ones. */
enum completion_value completion_value_of(const char *name);

/* "auto|path|virtual" as "auto path virtual". */
void completion_add_words(struct text *out, const char *value);

/* The kind of positional argument n, from 0, by the command's `arguments`. */
enum completion_value completion_argument(const struct command_spec *command,
                                          unsigned n);

/* The options of all commands that take a value, each once, with `separator` between. */
void completion_add_value_options(struct text *out, const char *separator);

/* Has the group commands of its own? */
bool completion_has_commands(const struct group_spec *group);

#endif
