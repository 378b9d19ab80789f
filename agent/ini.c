/*
 * Read whole, kept as a list of triples: these files have a few dozen lines.  Nested
 * settings (indented lines below "s3 =") are not ours and are passed over.  Read as
 * botocore does: keys in any case, '=' or ':' behind them, no remarks behind values.
 */
#include "agent/ini.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell_words.h"
#include "base/mem.h"
#include "base/text.h"

struct setting {
    char *section, *key, *value;
};

struct ini {
    struct setting *settings;
    size_t n;
};

static char *trim(char *string)
{
    char *end = string + strlen(string);

    while (isspace((unsigned char)*string))
        string++;
    while (end > string && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return string;
}

static void add(struct ini *ini, const char *section, const char *key,
                const char *value)
{
    ini->settings = mem_resize(ini->settings, ini->n + 1, sizeof *ini->settings);
    ini->settings[ini->n++] = (struct setting){
        mem_copy_string(section), mem_copy_string(key), mem_copy_string(value)};
}

/* [profile  "NAME"] is the section "profile NAME". */
static char *section_name(const char *head)
{
    char **words = NULL;
    size_t n = 0;
    struct text name = {0};

    if (strncmp(head, "profile", strlen("profile")) == 0 ||
        strncmp(head, "sso-session", strlen("sso-session")) == 0)
        words = shell_words_split(head, &n);
    if (words != NULL && n == 2)
        text_add_format(&name, "%s %s", words[0], words[1]);
    else
        text_add(&name, head);
    shell_words_free(words);
    return text_take(&name);
}

static void lower(char *key)
{
    for (; *key != '\0'; key++)
        *key = (char)tolower((unsigned char)*key);
}

static void take_line(struct ini *ini, char *line, char **section)
{
    bool is_nested = isspace((unsigned char)line[0]);
    char *text = trim(line), *equals, *end;

    if (*text == '\0' || *text == '#' || *text == ';')
        return;
    if (*text == '[' && (end = strchr(text, ']')) != NULL) {
        *end = '\0';
        free(*section);
        *section = section_name(trim(text + 1));
        add(ini, *section, "", "");
        return;
    }
    equals = strpbrk(text, "=:");
    if (is_nested || equals == NULL || *section == NULL)
        return;
    *equals = '\0';
    lower(text);
    add(ini, *section, trim(text), trim(equals + 1));
}

int ini_open(struct ini **out, const char *file, struct error *err)
{
    struct ini *ini = mem_new(1, sizeof *ini);
    FILE *stream = fopen(file, "re");
    char *line = NULL, *section = NULL;
    size_t room = 0;

    *out = ini;
    if (stream == NULL && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (stream == NULL)
        return error_errno(err, errno, "cannot read %s", file);
    while (getline(&line, &room, stream) >= 0)
        take_line(ini, line, &section);
    free(line);
    free(section);
    fclose(stream);
    return 0;
}

void ini_free(struct ini *ini)
{
    if (ini == NULL)
        return;
    for (size_t i = 0; i < ini->n; i++) {
        free(ini->settings[i].section);
        free(ini->settings[i].key);
        explicit_bzero(ini->settings[i].value, strlen(ini->settings[i].value));
        free(ini->settings[i].value);
    }
    free(ini->settings);
    free(ini);
}

const char *ini_get(const struct ini *ini, const char *section, const char *key)
{
    const char *value = NULL; /* the last one counts */

    for (size_t i = 0; i < ini->n; i++)
        if (strcmp(ini->settings[i].section, section) == 0 &&
            strcmp(ini->settings[i].key, key) == 0)
            value = ini->settings[i].value;
    return value;
}

bool ini_has(const struct ini *ini, const char *section)
{
    return ini_get(ini, section, "") != NULL;
}
