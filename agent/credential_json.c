/*
 * The documents that providers answer with.  Nothing of a document goes into an error:
 * what is wrong may be the place of a secret.  (But for the Code of an instance, which is
 * a word of the service's.)
 */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "agent/credential_impl.h"
#include "base/mem.h"

static int refuse(struct error *err, const char *what)
{
    return error_set(err, ERROR_AUTH, 0, "%s", what);
}

static const char *string_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* "2020-06-17T10:02:08UTC" is how older tools end it. */
static int parse_time(const char *time, int64_t *ms)
{
    char zulu[TEXT_TIME_MAX + 8];
    size_t n = strlen(time);

    if (n < 4 || n >= sizeof zulu || strcmp(time + n - 3, "UTC") != 0)
        return text_parse_time(time, ms);
    memcpy(zulu, time, n - 3);
    memcpy(zulu + n - 3, "Z", 2);
    return text_parse_time(zulu, ms);
}

static int take(struct credentials *out, const char *const values[3], struct error *err)
{
    if (values[0] == NULL || values[1] == NULL || *values[0] == '\0' ||
        *values[1] == '\0')
        return refuse(err, "the answer has no keys in it");
    return credentials_take(out, values, "", err) > 0 ? 0 : -1;
}

/* What instances answer with status 200 where their role cannot be had. */
static int check_code(const cJSON *root, struct error *err)
{
    const char *code = string_of(root, "Code");

    if (code == NULL || strcmp(code, "Success") == 0)
        return 0;
    return error_set(err, ERROR_AUTH, 0, "it says %.80s", code);
}

static int take_document(struct credentials *out, const cJSON *root, const char *token,
                         struct error *err)
{
    const char *const values[] = {string_of(root, "AccessKeyId"),
                                  string_of(root, "SecretAccessKey"),
                                  string_of(root, token)};
    const char *expires = string_of(root, "Expiration");

    if (!cJSON_IsObject(root))
        return refuse(err, "the answer is no JSON");
    if (check_code(root, err) != 0)
        return -1;
    if (expires != NULL && parse_time(expires, &out->expires_at_ms) != 0)
        return refuse(err, "\"Expiration\" in the answer is no time");
    return take(out, values, err);
}

int credential_json_keys(struct credentials *out, const struct text *json,
                         const char *token, struct error *err)
{
    cJSON *root = cJSON_ParseWithLength(text_string(json), json->size);
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(root, "Version");
    bool is_process = strcmp(token, "SessionToken") == 0;
    int status;

    if (is_process && cJSON_IsObject(root) &&
        (!cJSON_IsNumber(version) || version->valueint != 1))
        status = refuse(err, "\"Version\" in what it prints is not 1");
    else
        status = take_document(out, root, token, err);
    cJSON_Delete(root);
    return status;
}

int credential_json_sso(struct credentials *out, const struct text *json,
                        struct error *err)
{
    cJSON *root = cJSON_ParseWithLength(text_string(json), json->size);
    const cJSON *keys = cJSON_GetObjectItemCaseSensitive(root, "roleCredentials");
    const cJSON *expires = cJSON_GetObjectItemCaseSensitive(keys, "expiration");
    const char *const values[] = {string_of(keys, "accessKeyId"),
                                  string_of(keys, "secretAccessKey"),
                                  string_of(keys, "sessionToken")};
    int status = take(out, values, err);

    if (status == 0 && cJSON_IsNumber(expires))
        out->expires_at_ms = (int64_t)expires->valuedouble;
    cJSON_Delete(root);
    return status;
}

int credential_json_token(char **token, int64_t *expires_at_ms, const char *json,
                          struct error *err)
{
    cJSON *root = cJSON_Parse(json);
    const char *value = string_of(root, "accessToken");
    const char *expires = string_of(root, "expiresAt");
    struct text copy = {0};
    int status = 0;

    if (value == NULL || *value == '\0' || strpbrk(value, "\r\n") != NULL ||
        expires == NULL || parse_time(expires, expires_at_ms) != 0)
        status = refuse(err, "there is no token in it");
    else
        text_add(&copy, value);
    *token = status == 0 ? text_take(&copy) : NULL;
    cJSON_Delete(root);
    return status;
}

/* ---- a token that is renewed ---- */

static char *copy(const char *string)
{
    return string != NULL && *string != '\0' ? mem_copy_string(string) : NULL;
}

static bool is_text(const char *string)
{
    return string != NULL && text_is_utf8(string, strlen(string));
}

bool credential_json_renewal(struct credential_renewal *out, const char *json,
                             int64_t now_ms)
{
    cJSON *root = cJSON_Parse(json);
    const char *ends = string_of(root, "registrationExpiresAt");
    const char *id = string_of(root, "clientId");
    const char *secret = string_of(root, "clientSecret");
    const char *refresh = string_of(root, "refreshToken");
    int64_t ends_ms;
    bool can = ends != NULL && parse_time(ends, &ends_ms) == 0 && ends_ms > now_ms &&
               is_text(id) && is_text(secret) && is_text(refresh);

    if (can) {
        out->client_id = mem_copy_string(id);
        out->client_secret = mem_copy_string(secret);
        out->refresh_token = mem_copy_string(refresh);
    }
    cJSON_Delete(root);
    return can;
}

int credential_json_fresh(struct credential_fresh *out, const struct text *json,
                          int64_t now_ms, struct error *err)
{
    cJSON *root = cJSON_ParseWithLength(text_string(json), json->size);
    const char *token = string_of(root, "accessToken");
    const cJSON *life = cJSON_GetObjectItemCaseSensitive(root, "expiresIn");
    int status = 0;

    if (token == NULL || *token == '\0' || strpbrk(token, "\r\n") != NULL ||
        !cJSON_IsNumber(life) || life->valuedouble <= 0 || life->valuedouble > 1e9)
        status = refuse(err, "the answer has no token in it");
    if (status == 0) {
        out->token = mem_copy_string(token);
        out->refresh_token = copy(string_of(root, "refreshToken"));
        out->ends_ms = now_ms + (int64_t)(life->valuedouble * 1000);
    }
    cJSON_Delete(root);
    return status;
}

static void put(cJSON *root, const char *name, const char *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(root, name);
    cJSON_AddStringToObject(root, name, value);
}

int credential_json_exchange(struct text *out, const char *old,
                             const struct credential_fresh *fresh)
{
    cJSON *root = cJSON_Parse(old);
    char ends[TEXT_TIME_MAX];
    char *json = NULL;

    if (cJSON_IsObject(root)) {
        text_time(ends, fresh->ends_ms / 1000 * 1000);
        memcpy(strchr(ends, '.'), "Z", 2); /* whole seconds, as the AWS tools write */
        put(root, "accessToken", fresh->token);
        put(root, "expiresAt", ends);
        if (fresh->refresh_token != NULL)
            put(root, "refreshToken", fresh->refresh_token);
        json = cJSON_PrintUnformatted(root);
    }
    cJSON_Delete(root);
    if (json == NULL)
        return -1;
    text_add(out, json);
    explicit_bzero(json, strlen(json));
    cJSON_free(json);
    return 0;
}

static void wipe(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void credential_fresh_free(struct credential_fresh *fresh)
{
    wipe(fresh->token);
    wipe(fresh->refresh_token);
    memset(fresh, 0, sizeof *fresh);
}
