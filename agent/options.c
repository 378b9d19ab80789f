/*
 * Three steps:
 *
 *   1. find the words of the command ("datastore", "create"), wherever options stand:
 * an option's value is told from a word by what the tables say of that option;
 *   2. answer --help;
 *   3. go over everything else from left to right with the command's own table.  The
 * order of --exclude and --include is kept that way.
 */
#include "agent/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/nearest.h"
#include "agent/option_value.h"
#include "agent/options_table.h"
#include "base/mem.h"
#include "base/text.h"

enum { CANDIDATES_MAX = 64 };

struct parser {
    struct options *o;
    int argc;
    char **argv;
    int at;
    int word, subword;  /* where the command's words stand; 0: nowhere */
    bool has_help_word; /* grid help ... */
    const struct group_spec *group;
    const struct command_spec *command;
    unsigned n_positional;
    struct error *err;
};

/* ---- the tables, searched ---- */

static const struct option_spec *find_option(const struct command_spec *c,
                                             const char *name, size_t size)
{
    const struct option_spec *o = NULL;

    while ((o = options_next(c, o)) != NULL)
        if (strncmp(o->name, name, size) == 0 && o->name[size] == '\0')
            break;
    return o;
}

/* Does any command's option of that name take a value? */
static bool takes_value(const char *argument)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    if (strncmp(argument, "--", 2) != 0 || strchr(argument, '=') != NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct option_spec *o =
            find_option(&commands[i], argument + 2, strlen(argument + 2));

        if (o != NULL)
            return o->value != NULL;
    }
    return false;
}

static const struct group_spec *find_group(const char *word)
{
    size_t n;
    const struct group_spec *groups = options_groups(&n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(groups[i].word, word) == 0 ||
            (groups[i].alias != NULL && strcmp(groups[i].alias, word) == 0))
            return &groups[i];
    return NULL;
}

/* word NULL: what the group alone does. */
static const struct command_spec *find_command(const struct group_spec *group,
                                               const char *word)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    for (size_t i = 0; i < n; i++) {
        const struct command_spec *c = &commands[i];

        if (word == NULL ? c->command == group->alone
                         : strcmp(c->group, group->word) == 0 && c->word != NULL &&
                               strcmp(c->word, word) == 0)
            return c;
    }
    return NULL;
}

/* ---- did you mean ---- */

static int unknown_word(struct parser *p, const char *what, const char *word,
                        const char *prefix, const char *near)
{
    if (near != NULL)
        return error_set(p->err, ERROR_USAGE, 0,
                         "unknown %s \"%.100s\"; did you mean %s%s?", what, word,
                         prefix, near);
    return error_set(
        p->err, ERROR_USAGE, 0,
        "unknown %s \"%.100s\"; grid%s%s%s%s --help lists what there is", what, word,
        p->group != NULL ? " " : "", p->group != NULL ? p->group->word : "",
        p->command != NULL && p->command->word != NULL ? " " : "",
        p->command != NULL && p->command->word != NULL ? p->command->word : "");
}

/* The nearest subcommand of a group. */
static const char *nearest_command(const struct group_spec *group, const char *word)
{
    const char *words[CANDIDATES_MAX];
    size_t n, n_words = 0;
    const struct command_spec *commands = options_commands(&n);

    for (size_t i = 0; i < n && n_words < CANDIDATES_MAX; i++)
        if (strcmp(commands[i].group, group->word) == 0 && commands[i].word != NULL)
            words[n_words++] = commands[i].word;
    return nearest_word(word, words, n_words);
}

/* `grid create` is as likely a slip as `grid datastor`. */
static int unknown_group(struct parser *p, const char *word)
{
    const char *words[CANDIDATES_MAX];
    size_t n;
    const struct group_spec *groups = options_groups(&n);
    const char *near;

    for (size_t i = 0; i < n; i++)
        words[i] = groups[i].word;
    near = nearest_word(word, words, n);
    if (near != NULL)
        return unknown_word(p, "command", word, "grid ", near);
    near = nearest_command(&groups[0], word);
    return unknown_word(p, "command", word, "grid datastore ", near);
}

static int unknown_option(struct parser *p, const char *argument)
{
    const struct option_spec *o = NULL;
    const char *words[CANDIDATES_MAX];
    size_t n_words = 0;
    char name[64], shown[101];

    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    words[n_words++] = "help";
    if (p->command == NULL)
        words[n_words++] = "version";
    while (p->command != NULL && (o = options_next(p->command, o)) != NULL)
        words[n_words++] = o->name;
    /* Not its value, which may be a secret. */
    snprintf(shown, sizeof shown, "%.*s", (int)strcspn(argument, "="), argument);
    return unknown_word(p, "option", shown, "--",
                        argument[1] == '-' ? nearest_word(name, words, n_words) : NULL);
}

/* ---- 1. the words ---- */

static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

/* The next argument behind `from` that is neither an option nor an option's value; 0:
 * none. */
static int next_word(const struct parser *p, int from)
{
    for (int i = from + 1; i < p->argc && strcmp(p->argv[i], "--") != 0; i++) {
        if (!is_option(p->argv[i]))
            return i;
        if (takes_value(p->argv[i]))
            i++;
    }
    return 0;
}

static bool has_flag(const struct parser *p, const char *flag)
{
    for (int i = 1; i < p->argc && strcmp(p->argv[i], "--") != 0; i++)
        if (strcmp(p->argv[i], flag) == 0)
            return true;
    return false;
}

static bool wants_help(const struct parser *p)
{
    return p->has_help_word || has_flag(p, "--help") || has_flag(p, "-h");
}

/* Nothing but options: --version, --help, or nothing at all. */
static int parse_no_command(struct parser *p)
{
    p->o->command = COMMAND_HELP;
    if (p->argc < 2 || wants_help(p))
        return 0;
    if (has_flag(p, "--version")) {
        p->o->command = COMMAND_VERSION;
        return 0;
    }
    return unknown_option(p, p->argv[1]);
}

static int find_words(struct parser *p)
{
    const char *word = p->argv[p->word];

    p->group = find_group(word);
    if (p->group == NULL)
        return unknown_group(p, word);
    p->subword = next_word(p, p->word);
    p->command = find_command(p->group, p->subword != 0 ? p->argv[p->subword] : NULL);
    if (p->command != NULL || (p->subword == 0 && wants_help(p)))
        return 0;
    if (p->subword == 0)
        return error_set(p->err, ERROR_USAGE, 0,
                         "grid %s needs a word more, for example %s; grid %s --help "
                         "lists them",
                         p->group->word, p->group->example, p->group->word);
    return unknown_word(p, "command", p->argv[p->subword], "",
                        nearest_command(p->group, p->argv[p->subword]));
}

/* ---- 2. help ---- */

/* `login` is a command by itself. */
static bool has_subcommands(const struct group_spec *group)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(commands[i].group, group->word) == 0 && commands[i].word != NULL)
            return true;
    return false;
}

static void print_help(const struct parser *p)
{
    struct text out = {0};

    if (p->command != NULL && (p->subword != 0 || !has_subcommands(p->group)))
        options_add_command_help(&out, p->command);
    else
        options_add_group_help(&out, p->group);
    fputs(text_string(&out), stdout);
    fflush(stdout);
    text_free(&out);
}

/* ---- 3. everything else ---- */

static int parse_option(struct parser *p)
{
    const char *argument = p->argv[p->at];
    const char *equals = strchr(argument, '=');
    size_t size = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
    const struct option_spec *spec = NULL;
    const char *value = equals != NULL ? equals + 1 : NULL;

    if (size > 2 && argument[1] == '-')
        spec = find_option(p->command, argument + 2, size - 2);
    if (spec == NULL)
        return unknown_option(p, argument);
    if (spec->value == NULL && value != NULL)
        return error_set(p->err, ERROR_USAGE, 0, "--%s takes no value", spec->name);
    if (spec->value != NULL && value == NULL && p->at + 1 < p->argc &&
        strncmp(p->argv[p->at + 1], "--", 2) != 0)
        value = p->argv[++p->at];
    if (spec->value != NULL && value == NULL)
        return error_set(p->err, ERROR_USAGE, 0,
                         "--%s needs a value, for example --%s %s", spec->name,
                         spec->name, spec->example);
    return option_value_store(p->o, spec, value, p->err);
}

static int take_positional(struct parser *p, const char *argument)
{
    const struct command_spec *c = p->command;

    if (p->n_positional < c->n_allowed) {
        p->o->positional[p->n_positional++] = argument;
        return 0;
    }
    return error_set(p->err, ERROR_USAGE, 0,
                     "\"%.100s\" is one argument too many: grid %s%s%s takes %s, for "
                     "example %s",
                     argument, c->group, c->word != NULL ? " " : "",
                     c->word != NULL ? c->word : "",
                     c->n_allowed > 0 ? c->arguments : "none", c->example);
}

static int parse_rest(struct parser *p)
{
    bool has_ended = false; /* by "--" */

    for (p->at = 1; p->at < p->argc; p->at++) {
        const char *argument = p->argv[p->at];
        int status;

        if (p->at == p->word || p->at == p->subword)
            continue;
        if (!has_ended && strcmp(argument, "--") == 0) {
            has_ended = true;
            continue;
        }
        status = !has_ended && is_option(argument) ? parse_option(p)
                                                   : take_positional(p, argument);
        if (status != 0)
            return -1;
    }
    return 0;
}

static int check(struct parser *p)
{
    const struct command_spec *c = p->command;

    if (p->n_positional < c->n_required)
        return error_set(p->err, ERROR_USAGE, 0, "%s is missing, for example %s",
                         c->arguments, c->example);
    return c->check != NULL ? c->check(p->o, p->err) : 0;
}

/* "https://user:password@host/": the process list is not to show it. */
static const char *hide_password(struct options *o, const char *source)
{
    const char *scheme = source == NULL ? NULL : strstr(source, "://");
    const char *host = scheme == NULL ? NULL : scheme + strlen("://");
    size_t size = host == NULL ? 0 : strcspn(host, "/?#");
    char *at = size == 0 ? NULL : memrchr(host, '@', size);

    if (at == NULL || o->address != NULL)
        return source;
    o->address = mem_copy_string(source);
    while (at > host)
        *--at = '*';
    return o->address;
}

static void hide_passwords(struct options *o)
{
    if (o->command != COMMAND_CREATE && o->command != COMMAND_RESUME)
        return;
    o->source = hide_password(o, o->source);
    o->positional[1] = hide_password(o, o->positional[1]);
}

static int parse_command(struct parser *p)
{
    if (find_words(p) != 0)
        return -1;
    if (wants_help(p)) {
        p->o->command = COMMAND_HELP;
        return 0;
    }
    if (p->command == NULL)
        return -1; /* never: find_words() has said why */
    p->o->command = p->command->command;
    if (p->o->command == COMMAND_CREATE || p->o->command == COMMAND_DOWNLOAD)
        p->o->filter = filter_new();
    if (parse_rest(p) != 0 || check(p) != 0)
        return -1;
    hide_passwords(p->o);
    return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct error *err)
{
    struct parser p = {.o = o, .argc = argc, .argv = argv, .err = err};
    int status;

    memset(o, 0, sizeof *o);
    p.word = next_word(&p, 0);
    p.has_help_word = p.word != 0 && strcmp(argv[p.word], "help") == 0;
    if (p.has_help_word)
        p.word = next_word(&p, p.word);
    status = p.word == 0 ? parse_no_command(&p) : parse_command(&p);
    if (status == 0 && o->command == COMMAND_HELP)
        print_help(&p);
    return status;
}

void options_free(struct options *o)
{
    if (o->key != NULL)
        explicit_bzero(o->key, strlen(o->key));
    if (o->address != NULL)
        explicit_bzero(o->address, strlen(o->address));
    free(o->key);
    free(o->address);
    o->key = o->address = NULL;
    filter_free(o->filter);
    o->filter = NULL;
}
