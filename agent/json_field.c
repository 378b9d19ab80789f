/*
 * Whole numbers go in as text, since of a double cJSON writes 15 digits where it takes
 * the rest for a rounding error.  They come out as doubles.
 */
#include "agent/json_field.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static const double number_max = 9e15; /* just below 2^53 */

void json_field_add_printable(cJSON *object, const char *name, const char *string)
{
    struct text printable = {0};

    if (string == NULL)
        return;
    text_add_printable(&printable, string, strlen(string));
    cJSON_AddStringToObject(object, name, text_string(&printable));
    text_free(&printable);
}

void json_field_add_string(cJSON *object, const char *name, const char *string)
{
    if (string != NULL && text_is_utf8(string, strlen(string)))
        cJSON_AddStringToObject(object, name, string);
    else
        json_field_add_printable(object, name, string);
}

static void add_base64(cJSON *object, const char *name, const char *path)
{
    struct text key = {0}, base64 = {0};

    text_add_format(&key, "%s_b64", name);
    text_add_base64(&base64, path, strlen(path));
    cJSON_AddStringToObject(object, text_string(&key), text_string(&base64));
    text_free(&key);
    text_free(&base64);
}

void json_field_add_path(cJSON *object, const char *name, const char *path)
{
    if (path == NULL || text_is_utf8(path, strlen(path)))
        json_field_add_string(object, name, path);
    else
        add_base64(object, name, path);
}

void json_field_add_u64(cJSON *object, const char *name, uint64_t number)
{
    struct text digits = {0};

    text_add_format(&digits, "%" PRIu64, number);
    cJSON_AddRawToObject(object, name, text_string(&digits));
    text_free(&digits);
}

char *json_field_string(const cJSON *object, const char *name, const char *otherwise)
{
    const char *string = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));

    if (string == NULL)
        string = otherwise;
    return string == NULL ? NULL : mem_copy_string(string);
}

/* NULL where it is missing or malformed. */
static char *decode(const cJSON *object, const char *name)
{
    struct text key = {0};
    const char *base64;
    char *path = NULL;
    size_t size = 0;

    text_add_format(&key, "%s_b64", name);
    base64 = cJSON_GetStringValue(cJSON_GetObjectItem(object, text_string(&key)));
    text_free(&key);
    if (base64 == NULL)
        return NULL;
    path = mem_copy_string(base64);
    if (text_parse_base64(base64, strlen(base64), path, strlen(base64), &size) != 0 ||
        memchr(path, '\0', size) != NULL) {
        free(path);
        return NULL;
    }
    path[size] = '\0';
    return path;
}

char *json_field_path(const cJSON *object, const char *name, const char *otherwise)
{
    char *path = decode(object, name);

    return path != NULL ? path : json_field_string(object, name, otherwise);
}

int64_t json_field_i64(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);

    if (!cJSON_IsNumber(item) || item->valuedouble < -number_max ||
        item->valuedouble > number_max)
        return 0;
    return (int64_t)item->valuedouble;
}

uint64_t json_field_u64(const cJSON *object, const char *name)
{
    int64_t number = json_field_i64(object, name);

    return number < 0 ? 0 : (uint64_t)number;
}
