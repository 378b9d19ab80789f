/*
 * As for bash; zsh shows what each word and option is for.  In its lists a colon parts
 * the word from that, so one in a text is escaped.
 */
#include "agent/completion.h"

#include <string.h>

static const char head[] =
    "#compdef grid\n"
    "# Completion of grid for zsh.  For this shell:  source <(grid completion zsh)\n"
    "# For all: grid completion zsh > a folder of $fpath/_grid\n"
    "_grid() {\n"
    "  local group= command= skip= word option= i n=0 files=\n"
    "  local -a options commands values\n"
    "  for ((i = 2; i < CURRENT; i++)); do\n"
    "    word=${words[i]}\n"
    "    if [[ -n $skip ]]; then\n"
    "      skip=\n"
    "      continue\n"
    "    fi\n"
    "    case $word in\n";

static const char middle[] = "        skip=1 ;;\n"
                             "      -*) ;;\n"
                             "      *)\n"
                             "        if [[ -z $group ]]; then\n"
                             "          group=$word\n"
                             "        elif [[ -z $command ]]; then\n"
                             "          command=$word\n"
                             "          ((n++))\n"
                             "        else\n"
                             "          ((n++))\n"
                             "        fi ;;\n"
                             "    esac\n"
                             "  done\n"
                             "  word=${words[CURRENT]}\n"
                             "  if [[ -n $skip ]]; then\n"
                             "    option=${words[CURRENT-1]}\n"
                             "  elif [[ $word == --*=* ]]; then\n"
                             "    option=${word%%=*}\n"
                             "    compset -P '*='\n"
                             "  fi\n"
                             "  case $option in\n";

static const char tail[] = "  if [[ $word == -* ]]; then\n"
                           "    options+=('--help:tell more')\n"
                           "    _describe -o option options\n"
                           "  elif [[ -n $files ]]; then\n"
                           "    _files\n"
                           "  elif (( $#commands )); then\n"
                           "    _describe command commands\n"
                           "  fi\n"
                           "}\n"
                           "if [[ $funcstack[1] == _grid ]]; then\n"
                           "  _grid \"$@\"\n"
                           "else\n"
                           "  compdef _grid grid\n"
                           "fi\n";

/* 'word:text', quoted */
static void add_pair(struct text *out, const char *before, const char *word,
                     const char *words)
{
    text_add_format(out, " '%s%s:", before, word);
    for (; *words != '\0'; words++) {
        if (*words == '\'')
            text_add(out, "'\\''");
        else if (*words == ':')
            text_add(out, "\\:");
        else
            text_add_bytes(out, words, 1);
    }
    text_add(out, "'");
}

static void add_values_of(struct text *out, const struct option_spec *o)
{
    text_add_format(out, "    --%s)", o->name);
    switch (completion_value_of(o->value)) {
    case COMPLETION_WORDS:
        text_add(out, " values=(");
        completion_add_words(out, o->value);
        text_add(out, "); compadd -a values;");
        break;
    case COMPLETION_FILE:
        text_add(out, " _files;");
        break;
    case COMPLETION_ANY:
        break;
    }
    text_add(out, " return ;;\n");
}

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

static void add_command(struct text *out, const struct command_spec *c)
{
    unsigned first = c->word != NULL ? 1 : 0;
    const struct option_spec *o = NULL;

    text_add_format(out, "    %s\\ %s)\n      options=(", c->group,
                    c->word != NULL ? c->word : "*");
    while ((o = options_next(c, o)) != NULL)
        add_pair(out, "--", o->name, o->help);
    text_add(out, ")\n");
    for (unsigned i = 0; i < c->n_allowed; i++)
        if (completion_argument(c, i) == COMPLETION_FILE)
            text_add_format(out, "      (( n == %u )) && files=1\n", first + i);
    text_add(out, "      ;;\n");
}

static void add_commands(struct text *out, bool with_words)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    for (size_t i = 0; i < n; i++)
        if ((commands[i].word != NULL) == with_words)
            add_command(out, &commands[i]);
}

static void add_words_of(struct text *out, const struct group_spec *group)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    text_add_format(out, "      %s) commands=(", group->word);
    for (size_t i = 0; i < n; i++)
        if (strcmp(commands[i].group, group->word) == 0 && commands[i].word != NULL)
            add_pair(out, "", commands[i].word, commands[i].summary);
    text_add(out, ") ;;\n");
}

static void add_groups(struct text *out)
{
    size_t n;
    const struct group_spec *groups = options_groups(&n);

    text_add(out, "  if [[ -z $group ]]; then\n"
                  "    options=('--version:the version of this program')\n"
                  "    commands=(");
    for (size_t i = 0; i < n; i++)
        add_pair(out, "", groups[i].word, groups[i].summary);
    text_add(out, ")\n  elif [[ -z $command ]]; then\n    case $group in\n");
    for (size_t i = 0; i < n; i++)
        if (completion_has_commands(&groups[i]))
            add_words_of(out, &groups[i]);
    text_add(out, "    esac\n  fi\n");
}

void completion_add_zsh(struct text *out)
{
    text_add(out, head);
    text_add(out, "      ");
    completion_add_value_options(out, "|");
    text_add(out, ")\n");
    text_add(out, middle);
    add_values(out);
    text_add(out, "  esac\n");
    add_groups(out);
    text_add(out, "  case \"$group $command\" in\n");
    add_commands(out, true);
    add_commands(out, false);
    text_add(out, "  esac\n");
    text_add(out, tail);
}
