/*
 * The rules of the POSIX shell for quotes and backslashes, and no more than that: one
 * pass, a word at a time.
 */
#include "agent/shell_words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

struct split {
    char **words;
    size_t n;
    struct text word;
    bool has_word; /* also an empty one: '' */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void end_word(struct split *s)
{
    if (!s->has_word)
        return;
    s->words = mem_resize(s->words, s->n + 2, sizeof *s->words);
    s->words[s->n++] = text_take(&s->word);
    s->words[s->n] = NULL;
    s->has_word = false;
}

/* From behind the opening quote; returns the closing one, NULL: there is none.  Between
 * double quotes a backslash escapes only itself and the quote. */
static const char *take_quoted(struct split *s, const char *at, char quote)
{
    for (; *at != quote; at++) {
        if (*at == '\0')
            return NULL;
        if (quote == '"' && *at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        text_add_bytes(&s->word, at, 1);
    }
    return at;
}

static int split(struct split *s, const char *at)
{
    for (; *at != '\0'; at++) {
        if (is_blank(*at)) {
            end_word(s);
            continue;
        }
        s->has_word = true;
        if (*at == '\'' || *at == '"') {
            at = take_quoted(s, at + 1, *at);
            if (at == NULL)
                return -1;
            continue;
        }
        if (*at == '\\' && *++at == '\0')
            return -1;
        text_add_bytes(&s->word, at, 1);
    }
    end_word(s);
    return 0;
}

char **shell_words_split(const char *line, size_t *n)
{
    struct split s = {.words = mem_new(1, sizeof *s.words)};

    if (split(&s, line) != 0) {
        shell_words_free(s.words);
        s.words = NULL;
    }
    text_free(&s.word);
    *n = s.n;
    return s.words;
}

void shell_words_free(char **words)
{
    for (char **w = words; w != NULL && *w != NULL; w++)
        free(*w);
    free(words);
}
