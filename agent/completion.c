/* What the shells have in common: the tables, asked what a script must know. */
#include "agent/completion.h"

#include <string.h>

enum completion_value completion_value_of(const char *name)
{
    if (strchr(name, '|') != NULL)
        return COMPLETION_WORDS;
    if (strstr(name, "FILE") != NULL || strstr(name, "SOURCE") != NULL ||
        strstr(name, "DIR") != NULL)
        return COMPLETION_FILE;
    return COMPLETION_ANY;
}

void completion_add_words(struct text *out, const char *value)
{
    for (; *value != '\0'; value++)
        text_add_bytes(out, *value == '|' ? " " : value, 1);
}

enum completion_value completion_argument(const struct command_spec *command,
                                          unsigned n)
{
    const char *at = command->arguments;
    struct text word = {0};
    enum completion_value value;

    for (; n > 0 && *at != '\0'; n--) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    text_add_bytes(&word, at, strcspn(at, " "));
    value = completion_value_of(text_string(&word));
    text_free(&word);
    return value;
}

/* Did an earlier command have an option of this name, too? */
static bool is_listed(const struct command_spec *commands, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        for (const struct option_spec *o = options_next(&commands[i], NULL); o != NULL;
             o = options_next(&commands[i], o))
            if (strcmp(o->name, name) == 0)
                return true;
    return false;
}

void completion_add_value_options(struct text *out, const char *separator)
{
    size_t n, before = out->size;
    const struct command_spec *commands = options_commands(&n);

    for (size_t i = 0; i < n; i++)
        for (const struct option_spec *o = options_next(&commands[i], NULL); o != NULL;
             o = options_next(&commands[i], o))
            if (o->value != NULL && !is_listed(commands, i, o->name))
                text_add_format(out, "%s--%s", out->size > before ? separator : "",
                                o->name);
}

bool completion_has_commands(const struct group_spec *group)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(commands[i].group, group->word) == 0 && commands[i].word != NULL)
            return true;
    return false;
}
