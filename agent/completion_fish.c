/*
 * fish has a rule a word and an option, each with a condition on the words before the
 * cursor: __grid_at is true when they begin with these, __grid_only when they are these.
 */
#include "agent/completion.h"

#include <string.h>

static const char head[] =
    "# Completion of grid for fish.  For this shell:  grid completion fish | source\n"
    "# For all: grid completion fish > ~/.config/fish/completions/grid.fish\n"
    "function __grid_words\n"
    "    set -l skip\n"
    "    for word in (commandline -opc)[2..-1]\n"
    "        if test -n \"$skip\"\n"
    "            set skip\n"
    "            continue\n"
    "        end\n"
    "        switch $word\n"
    "            case ";

static const char tail[] =
    "\n"
    "                set skip 1\n"
    "            case '-*'\n"
    "            case '*'\n"
    "                echo $word\n"
    "        end\n"
    "    end\n"
    "end\n"
    "function __grid_at\n"
    "    set -l found (__grid_words)\n"
    "    test \"$found[1..\"(count $argv)\"]\" = \"$argv\"\n"
    "end\n"
    "function __grid_only\n"
    "    set -l found (__grid_words)\n"
    "    test \"$found\" = \"$argv\"\n"
    "end\n"
    "function __grid_count\n"
    "    test (count (__grid_words)) = $argv[1]\n"
    "end\n"
    "complete -c grid -f\n"
    "complete -c grid -l help -s h -d 'tell more'\n"
    "complete -c grid -n __grid_only -l version -d 'the version of this program'\n";

static void add_quoted(struct text *out, const char *words)
{
    text_add(out, "'");
    for (; *words != '\0'; words++) {
        if (*words == '\'' || *words == '\\')
            text_add(out, "\\");
        text_add_bytes(out, words, 1);
    }
    text_add(out, "'");
}

static void add_word(struct text *out, const char *group, const char *word,
                     const char *summary)
{
    text_add_format(out, "complete -c grid -n '__grid_only%s%s' -a %s -d ",
                    group[0] != '\0' ? " " : "", group, word);
    add_quoted(out, summary);
    text_add(out, "\n");
}

static void add_value(struct text *out, const struct option_spec *o)
{
    switch (completion_value_of(o->value)) {
    case COMPLETION_WORDS:
        text_add(out, " -x -a '");
        completion_add_words(out, o->value);
        text_add(out, "'");
        break;
    case COMPLETION_FILE:
        text_add(out, " -r -F");
        break;
    case COMPLETION_ANY:
        text_add(out, " -x");
        break;
    }
}

static void add_condition(struct text *out, const struct command_spec *c)
{
    text_add_format(out, "complete -c grid -n '__grid_at %s", c->group);
    if (c->word != NULL)
        text_add_format(out, " %s", c->word);
}

static void add_command(struct text *out, const struct command_spec *c)
{
    unsigned n_words = c->word != NULL ? 2 : 1;
    const struct option_spec *o = NULL;

    while ((o = options_next(c, o)) != NULL) {
        add_condition(out, c);
        text_add_format(out, "' -l %s", o->name);
        if (o->value != NULL)
            add_value(out, o);
        text_add(out, " -d ");
        add_quoted(out, o->help);
        text_add(out, "\n");
    }
    for (unsigned i = 0; i < c->n_allowed; i++) {
        if (completion_argument(c, i) != COMPLETION_FILE)
            continue;
        add_condition(out, c);
        text_add_format(out, "; and __grid_count %u' -F\n", n_words + i);
    }
}

void completion_add_fish(struct text *out)
{
    size_t n, n_groups;
    const struct command_spec *commands = options_commands(&n);
    const struct group_spec *groups = options_groups(&n_groups);

    text_add(out, head);
    completion_add_value_options(out, " ");
    text_add(out, tail);
    for (size_t i = 0; i < n_groups; i++)
        add_word(out, "", groups[i].word, groups[i].summary);
    for (size_t i = 0; i < n; i++) {
        if (commands[i].word != NULL)
            add_word(out, commands[i].group, commands[i].word, commands[i].summary);
        add_command(out, &commands[i]);
    }
}
