#ifndef AGENT_OPTIONS_TABLE_H
#define AGENT_OPTIONS_TABLE_H

#include <stddef.h>

#include "agent/options.h"
#include "base/text.h"

/*
 * Every command and option as data.  A new option is an entry (and a field in struct
 * options), a new command is an entry, and stands in those of its options.
 */
enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_STRING,   /* const char * */
    OPTION_SECRET,   /* char *, a copy; the argument is wiped */
    OPTION_NAME,     /* const char *, a valid name of a datastore */
    OPTION_NUMBER,   /* uint64_t, at least 1 */
    OPTION_JOBS,     /* unsigned, 1 to OPTIONS_JOBS_MAX */
    OPTION_SIZE,     /* uint64_t, in bytes, at least 1 */
    OPTION_RATE,     /* uint64_t, bytes a second; "0", "none": OPTIONS_NO_LIMIT */
    OPTION_DURATION, /* uint64_t, in ms, at least 1 */
    OPTION_SYMLINKS,
    OPTION_EXCLUDE,
    OPTION_INCLUDE,
    OPTION_EXCLUDE_FROM
};

struct option_spec {
    unsigned commands; /* that take it: a bit each, 1 << enum command */
    const char *name;  /* without "--" */
    const char *value; /* what stands for it in help texts; NULL for a flag */
    enum option_kind kind;
    size_t offset; /* in struct options, where the kind says what lies there */
    const char *help;
    const char *example; /* of a value, for error texts; NULL for a flag */
};

struct command_spec {
    enum command command;
    const char *group; /* "datastore" */
    const char *word;  /* "create"; NULL: the group alone */
    const char *arguments;
    unsigned n_required, n_allowed; /* positional arguments */
    const char *summary;            /* one line */
    const char *details;            /* a paragraph more, or NULL */
    const char *example;
    int (*check)(struct options *o,
                 struct error *err); /* what no single option tells */
};

struct group_spec {
    const char *word, *summary;
    enum command alone; /* what the word alone does; COMMAND_HELP: nothing */
    const char *example;
    const char *alias; /* another word for it, or NULL */
};

const struct command_spec *options_commands(size_t *n);
const struct group_spec *options_groups(size_t *n);

/* The options of a command, as its help lists them: the one behind last (NULL: the
 * first), or NULL. */
const struct option_spec *options_next(const struct command_spec *command,
                                       const struct option_spec *last);

/* Help texts; the group may be NULL: that of `grid`. */
void options_add_command_help(struct text *out, const struct command_spec *command);
void options_add_group_help(struct text *out, const struct group_spec *group);

#endif
