/* Help texts, made of the tables; no line wider than 80 columns. */
#include <string.h>

#include "agent/options_table.h"

enum { INDENT_COLUMN = 26 };

static void add_entry(struct text *out, const char *left, const char *right)
{
    text_add_format(out, "  %-*s", INDENT_COLUMN - 2, left);
    if (strlen(left) > INDENT_COLUMN - 4)
        text_add_format(out, "\n%*s", INDENT_COLUMN, "");
    text_add_format(out, "%s\n", right);
}

static void add_path(struct text *out, const struct command_spec *c)
{
    text_add_format(out, "grid %s", c->group);
    if (c->word != NULL)
        text_add_format(out, " %s", c->word);
}

static void add_options(struct text *out, const struct command_spec *c)
{
    const struct option_spec *o = NULL;

    text_add(out, "\nOptions:\n");
    while ((o = options_next(c, o)) != NULL) {
        struct text left = {0};

        text_add_format(&left, "--%s", o->name);
        if (o->value != NULL)
            text_add_format(&left, " %s", o->value);
        add_entry(out, text_string(&left), o->help);
        text_free(&left);
    }
    add_entry(out, "-h, --help", "this text");
}

void options_add_command_help(struct text *out, const struct command_spec *command)
{
    text_add(out, "Usage: ");
    add_path(out, command);
    if (command->arguments[0] != '\0')
        text_add_format(out, " %s", command->arguments);
    text_add_format(out, " [options]\n\n%s.\n", command->summary);
    if (command->details != NULL)
        text_add(out, command->details);
    add_options(out, command);
    text_add_format(out, "\nExample:\n  %s\n", command->example);
}

static void add_commands_of(struct text *out, const struct group_spec *group)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    for (size_t i = 0; i < n; i++) {
        struct text left = {0};

        if (group != NULL && strcmp(commands[i].group, group->word) != 0)
            continue;
        text_add(&left, commands[i].word != NULL ? commands[i].word : "(nothing)");
        if (commands[i].arguments[0] != '\0')
            text_add_format(&left, " %s", commands[i].arguments);
        add_entry(out, text_string(&left), commands[i].summary);
        text_free(&left);
    }
}

static void add_grid_help(struct text *out)
{
    size_t n;
    const struct group_spec *groups = options_groups(&n);

    text_add(out, "Usage: grid COMMAND [options]\n\n"
                  "Datastores: named, versioned, immutable data sets, uploaded so that "
                  "nothing\nstops them for good.\n\nCommands:\n");
    for (size_t i = 0; i < n; i++)
        add_entry(out, groups[i].word, groups[i].summary);
    text_add(out, "\nOptions:\n");
    add_entry(out, "--version", "the version of this program");
    add_entry(out, "-h, --help", "this text; also behind every command");
    text_add(out, "\nExample:\n  grid datastore create ./folder\n");
}

void options_add_group_help(struct text *out, const struct group_spec *group)
{
    if (group == NULL) {
        add_grid_help(out);
        return;
    }
    text_add_format(out, "Usage: grid %s [COMMAND] [options]\n\n%s.\n\nCommands:\n",
                    group->word, group->summary);
    add_commands_of(out, group);
    text_add_format(
        out, "\n`grid %s COMMAND --help` tells more about one.\n\nExample:\n  %s\n",
        group->word, group->example);
}
