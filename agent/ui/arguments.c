/* Each word is a copy: what a page has sent goes before the command ends. */
#include "agent/ui/arguments.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static void take(struct arguments *a, char *word)
{
    if (a->n < ARGUMENTS_MAX)
        a->words[a->n++] = word;
    else
        free(word);
}

void arguments_add(struct arguments *a, const char *words)
{
    while (*words != '\0') {
        size_t size = strcspn(words, " ");

        take(a, mem_copy_bytes(words, size));
        words += size + strspn(words + size, " ");
    }
}

void arguments_option(struct arguments *a, const char *name, const char *value)
{
    struct text word = {0};

    if (value == NULL || value[0] == '\0')
        return;
    text_add_format(&word, "--%s=%s", name, value);
    take(a, text_take(&word));
}

void arguments_flag(struct arguments *a, const char *name, bool is_set)
{
    struct text word = {0};

    if (!is_set)
        return;
    text_add_format(&word, "--%s", name);
    take(a, text_take(&word));
}

void arguments_positional(struct arguments *a, const char *value)
{
    bool has_mark = false;

    for (size_t i = 0; i < a->n; i++)
        has_mark |= strcmp(a->words[i], "--") == 0;
    if (!has_mark)
        take(a, mem_copy_string("--"));
    take(a, mem_copy_string(value));
}

void arguments_free(struct arguments *a)
{
    for (size_t i = 0; i < a->n; i++)
        free((char *)a->words[i]);
    memset(a, 0, sizeof *a);
}
