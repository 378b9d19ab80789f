/*
 * One function: it finds the command's words among those before the cursor, then offers
 * what may follow.  bash takes "--opt=value" for three words.
 */
#include "agent/completion.h"

#include <string.h>

static const char head[] =
    "# Completion of grid for bash.  For this shell:  source <(grid completion bash)\n"
    "# For all: grid completion bash > "
    "~/.local/share/bash-completion/completions/grid\n"
    "_grid()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local group= command= skip= word i n=0 options= words= files=\n"
    "    COMPREPLY=()\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur=\n"
    "    elif [[ $prev == = ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $word == = ]]; then\n"
    "            skip=1\n"
    "            continue\n"
    "        elif [[ -n $skip ]]; then\n"
    "            skip=\n"
    "            continue\n"
    "        fi\n"
    "        case $word in\n";

static const char middle[] = "                skip=1 ;;\n"
                             "            -*) ;;\n"
                             "            *)\n"
                             "                if [[ -z $group ]]; then\n"
                             "                    group=$word\n"
                             "                elif [[ -z $command ]]; then\n"
                             "                    command=$word\n"
                             "                    ((n++))\n"
                             "                else\n"
                             "                    ((n++))\n"
                             "                fi ;;\n"
                             "        esac\n"
                             "    done\n"
                             "    case $prev in\n";

static const char tail[] =
    "    if [[ $cur == -* ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$options --help\" -- \"$cur\")\n"
    "    elif [[ -n $files ]]; then\n"
    "        compopt -o filenames\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "    else\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
    "    fi\n"
    "}\n"
    "complete -F _grid grid\n";

static void add_values_of(struct text *out, const struct option_spec *o)
{
    text_add_format(out, "        --%s)\n", o->name);
    switch (completion_value_of(o->value)) {
    case COMPLETION_WORDS:
        text_add(out, "            mapfile -t COMPREPLY < <(compgen -W \"");
        completion_add_words(out, o->value);
        text_add(out, "\" -- \"$cur\")\n");
        break;
    case COMPLETION_FILE:
        text_add(out, "            compopt -o filenames\n"
                      "            mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n");
        break;
    case COMPLETION_ANY:
        break;
    }
    text_add(out, "            return ;;\n");
}

/* Of options of one name in several commands the first fits all. */
static void add_values(struct text *out)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    for (size_t i = 0; i < n; i++)
        for (const struct option_spec *o = options_next(&commands[i], NULL); o != NULL;
             o = options_next(&commands[i], o)) {
            if (o->value != NULL)
                add_values_of(out, o);
        }
}

static void add_options(struct text *out, const struct command_spec *c)
{
    const struct option_spec *o = NULL;

    text_add(out, "            options+=\"");
    while ((o = options_next(c, o)) != NULL)
        text_add_format(out, " --%s", o->name);
    text_add(out, "\"\n");
}

/* Positional arguments that are files, counted behind the command's words. */
static void add_arguments(struct text *out, const struct command_spec *c)
{
    unsigned first = c->word != NULL ? 1 : 0;

    for (unsigned i = 0; i < c->n_allowed; i++)
        if (completion_argument(c, i) == COMPLETION_FILE)
            text_add_format(out, "            [[ $n -eq %u ]] && files=1\n", first + i);
}

static void add_command(struct text *out, const struct command_spec *c)
{
    text_add_format(out, "        %s\\ %s)\n", c->group,
                    c->word != NULL ? c->word : "*");
    add_options(out, c);
    add_arguments(out, c);
    text_add(out, "            ;;\n");
}

static void add_words_of(struct text *out, const char *group)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(commands[i].group, group) == 0 && commands[i].word != NULL)
            text_add_format(out, " %s", commands[i].word);
}

static void add_groups(struct text *out)
{
    size_t n;
    const struct group_spec *groups = options_groups(&n);

    text_add(out, "    if [[ -z $group ]]; then\n        options=--version words=\"");
    for (size_t i = 0; i < n; i++)
        text_add_format(out, "%s%s", i > 0 ? " " : "", groups[i].word);
    text_add(out, "\"\n    elif [[ -z $command ]]; then\n        case $group in\n");
    for (size_t i = 0; i < n; i++) {
        if (!completion_has_commands(&groups[i]))
            continue;
        text_add_format(out, "            %s) words=\"", groups[i].word);
        add_words_of(out, groups[i].word);
        text_add(out, "\" ;;\n");
    }
    text_add(out, "        esac\n    fi\n");
}

/* Those of one word come last: their pattern takes any second one. */
static void add_commands(struct text *out, bool with_words)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    for (size_t i = 0; i < n; i++)
        if ((commands[i].word != NULL) == with_words)
            add_command(out, &commands[i]);
}

void completion_add_bash(struct text *out)
{
    text_add(out, head);
    text_add(out, "            ");
    completion_add_value_options(out, "|");
    text_add(out, ")\n");
    text_add(out, middle);
    add_values(out);
    text_add(out, "    esac\n");
    add_groups(out);
    text_add(out, "    case \"$group $command\" in\n");
    add_commands(out, true);
    add_commands(out, false);
    text_add(out, "    esac\n");
    text_add(out, tail);
}
