/*
 * In ~/.aws/config sections are called "profile NAME", but for the default, which may be
 * called either way; in ~/.aws/credentials they are called NAME.
 */
#include "agent/aws_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

const char *aws_config_variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

char *aws_config_home(const char *rest)
{
    const char *home = getenv("HOME");
    struct text path = {0};

    text_add_format(&path, "%s/%s", home != NULL ? home : "", rest);
    return text_take(&path);
}

static char *file_of(const char *variable, const char *rest)
{
    const char *given = aws_config_variable(variable);

    if (given == NULL)
        return aws_config_home(rest);
    return given[0] == '~' && given[1] == '/' ? aws_config_home(given + 2)
                                              : mem_copy_string(given);
}

int aws_config_open(struct aws_config *a, struct error *err)
{
    memset(a, 0, sizeof *a);
    a->file[AWS_FILE_CREDENTIALS] =
        file_of("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
    a->file[AWS_FILE_CONFIG] = file_of("AWS_CONFIG_FILE", ".aws/config");
    for (int i = AWS_FILE_CREDENTIALS; i <= AWS_FILE_CONFIG; i++)
        if (ini_open(&a->ini[i], a->file[i], err) != 0)
            return -1;
    return 0;
}

void aws_config_close(struct aws_config *a)
{
    for (int i = AWS_FILE_CREDENTIALS; i <= AWS_FILE_CONFIG; i++) {
        ini_free(a->ini[i]);
        free(a->file[i]);
    }
    memset(a, 0, sizeof *a);
}

static const char *get(const struct ini *ini, const char *section, const char *key)
{
    const char *value = ini_get(ini, section, key);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *get_config(const struct ini *ini, const char *profile,
                              const char *key)
{
    struct text section = {0};
    const char *value = NULL;

    if (strcmp(profile, "default") == 0)
        value = ini_get(ini, profile, key);
    text_add_format(&section, "profile %s", profile);
    if (value == NULL)
        value = ini_get(ini, text_string(&section), key);
    text_free(&section);
    return value;
}

const char *aws_config_get_in(const struct aws_config *a, enum aws_file file,
                              const char *profile, const char *key)
{
    const char *value = file == AWS_FILE_CREDENTIALS
                            ? ini_get(a->ini[file], profile, key)
                            : get_config(a->ini[file], profile, key);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *aws_config_get(const struct aws_config *a, const char *profile,
                           const char *key)
{
    const char *value = aws_config_get_in(a, AWS_FILE_CREDENTIALS, profile, key);

    return value != NULL ? value : aws_config_get_in(a, AWS_FILE_CONFIG, profile, key);
}

bool aws_config_has(const struct aws_config *a, const char *profile)
{
    return ini_has(a->ini[AWS_FILE_CREDENTIALS], profile) ||
           get_config(a->ini[AWS_FILE_CONFIG], profile, "") != NULL;
}

const char *aws_config_get_session(const struct aws_config *a, const char *session,
                                   const char *key)
{
    struct text section = {0};
    const char *value;

    text_add_format(&section, "sso-session %s", session);
    value = get(a->ini[AWS_FILE_CONFIG], text_string(&section), key);
    text_free(&section);
    return value;
}

bool aws_config_has_session(const struct aws_config *a, const char *session)
{
    struct text section = {0};
    bool has;

    text_add_format(&section, "sso-session %s", session);
    has = ini_has(a->ini[AWS_FILE_CONFIG], text_string(&section));
    text_free(&section);
    return has;
}

/* AWS_DEFAULT_PROFILE first: so botocore has it, and with it all of its tools. */
const char *aws_config_profile(const char *given, bool *is_given)
{
    const char *profile = given != NULL && given[0] != '\0' ? given : NULL;

    if (profile == NULL)
        profile = aws_config_variable("AWS_DEFAULT_PROFILE");
    if (profile == NULL)
        profile = aws_config_variable("AWS_PROFILE");
    *is_given = profile != NULL;
    return profile != NULL ? profile : "default";
}
