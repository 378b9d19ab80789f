/*
 * AssumeRoleWithWebIdentity: a file with a token that something else renews (EKS, GitHub
 * and the like), read anew for each search.  Each setting may stand in the environment,
 * which counts first, or in the profile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/credential_impl.h"
#include "base/log.h"
#include "base/mem.h"

enum { TOKEN_MAX = 64 << 10 };

static int read_all(struct text *out, const char *file)
{
    char chunk[4096];
    ssize_t n = -1;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return errno;
    while ((n = read(fd, chunk, sizeof chunk)) > 0 && out->size < TOKEN_MAX)
        text_add_bytes(out, chunk, (size_t)n);
    explicit_bzero(chunk, sizeof chunk);
    n = n < 0 ? errno : n > 0 ? EFBIG : 0;
    close(fd);
    return (int)n;
}

int credential_read_file(char **out, const char *file, const char *what,
                         struct error *err)
{
    struct text content = {0};
    int code = read_all(&content, file);

    while (content.size > 0 &&
           strchr(" \t\r\n", content.data[content.size - 1]) != NULL)
        content.data[--content.size] = '\0';
    *out = text_take(&content);
    if (code == 0 && **out != '\0')
        return 0;
    explicit_bzero(*out, strlen(*out));
    free(*out);
    *out = NULL;
    return error_set(err, ERROR_AUTH, code, "%s: %.160s: %s", what, file,
                     code != 0 ? strerror(code) : "it is empty");
}

static const char *setting(const struct planner *p, const char *variable,
                           const char *key)
{
    const char *value =
        p->is_named || p->is_source ? NULL : aws_config_variable(variable);

    return value != NULL ? value : aws_config_get(&p->config, p->profile, key);
}

static char *copy(const char *string)
{
    return string != NULL ? mem_copy_string(string) : NULL;
}

int credential_web_plan(struct planner *p)
{
    const char *file =
        setting(p, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file");
    const char *arn = setting(p, "AWS_ROLE_ARN", "role_arn");
    const char *name = setting(p, "AWS_ROLE_SESSION_NAME", "role_session_name");
    struct text origin = {0};

    if (file == NULL)
        return 0;
    if (arn == NULL)
        return error_set(p->err, ERROR_AUTH, 0,
                         "there is a web identity's token (%.120s), but no role for "
                         "it: set AWS_ROLE_ARN, or role_arn in profile %.60s",
                         file, p->profile);
    if (credential_read_file(&p->plan->token, file, "the web identity's token",
                             p->err) != 0)
        return -1;
    log_hide(p->plan->token);
    p->plan->base = CREDENTIAL_WEB_IDENTITY;
    p->plan->web =
        (struct credential_role){.role_arn = copy(arn), .session_name = copy(name)};
    text_add_format(&origin, "role %s for the token in %s", arn, file);
    free(p->plan->origin);
    p->plan->origin = text_take(&origin);
    return 1;
}
