/*
 * Whole numbers go in as text, since of a double cJSON writes 15 digits where it takes
 * the rest for a rounding error.  They come out as doubles.
 */
#include "agent/json_field.h"

#include <inttypes.h>
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
