/*
 * Numbers, sizes, durations and points in time, as people and protocols write them.
 *
 * The parsers are strict: they take the whole string or nothing, no sign and no blanks,
 * and a value that does not fit is malformed, not clipped.  All but one build on
 * read_digits(), which moves a cursor over a run of digits.
 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/span.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* At least one digit; *string is then behind the last. */
static int read_digits(const char **string, uint64_t *out)
{
    uint64_t value = 0;
    const char *at = *string;

    for (; is_digit(*at); at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    if (at == *string)
        return -1;
    *string = at;
    *out = value;
    return 0;
}

int text_parse_u64(const char *string, uint64_t *out)
{
    uint64_t value;

    if (read_digits(&string, &value) != 0 || *string != '\0')
        return -1;
    *out = value;
    return 0;
}

/* ---- sizes ---- */

static const char size_letters[] = "KMGTPE";

/* The power of two behind "", "B", "K", "kB", "KiB", ...; -1 if it is none of these. */
static int size_shift(const char *unit)
{
    for (int i = 0; size_letters[i] != '\0'; i++)
        if (strncasecmp(unit, &size_letters[i], 1) == 0) {
            unit++;
            if (*unit != '\0' && strcasecmp(unit, "b") != 0 &&
                strcasecmp(unit, "ib") != 0)
                return -1;
            return 10 * (i + 1);
        }
    return *unit == '\0' || strcasecmp(unit, "b") == 0 ? 0 : -1;
}

int text_parse_size(const char *string, uint64_t *out)
{
    uint64_t whole;
    double fraction = 0, weight = 0.1;
    bool has_fraction;
    int shift;

    if (read_digits(&string, &whole) != 0)
        return -1;
    has_fraction = string[0] == '.' && is_digit(string[1]);
    if (has_fraction) {
        double digits = 0;

        for (weight = 1, string++; is_digit(*string); string++, weight *= 10)
            digits = digits * 10 + (*string - '0');
        fraction = digits / weight;
    }
    shift = size_shift(string);
    if (shift < 0 || (has_fraction && shift == 0) || whole > UINT64_MAX >> shift)
        return -1;
    *out = whole << shift;
    /* The fraction is below one, so that it cannot carry into the bits of the whole. */
    *out += (uint64_t)(fraction * (double)(UINT64_C(1) << shift));
    return 0;
}

void text_add_size(struct text *text, uint64_t bytes)
{
    int unit = -1;
    uint64_t one = 1, whole, tenths;

    while (bytes / one >= 1024) {
        one <<= 10;
        unit++;
    }
    if (unit < 0) {
        text_add_format(text, "%u B", (unsigned)bytes);
        return;
    }
    /* Rounded to tenths: at most 2^60 * 10.5, which fits. */
    whole = bytes / one;
    tenths = (bytes % one * 10 + one / 2) / one;
    if (whole >= 100 && tenths < 10)
        tenths = tenths >= 5 ? 10 : 0;
    if (tenths == 10) {
        whole++;
        tenths = 0;
    }
    if (whole == 1024 && size_letters[unit + 1] != '\0') {
        whole = 1;
        unit++;
        one <<= 10;
    }
    /* "16 MiB" where it is exact or has three digits, else "16.0 MiB": less flicker. */
    if (whole >= 100 || bytes % one == 0)
        text_add_format(text, "%u %ciB", (unsigned)whole, size_letters[unit]);
    else
        text_add_format(text, "%u.%u %ciB", (unsigned)whole, (unsigned)tenths,
                        size_letters[unit]);
}

/* ---- durations ---- */

struct duration_unit {
    const char *name;
    uint64_t ms;
};

static const struct duration_unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};

/* The index of the unit that *string begins with, which is then behind it. */
static size_t read_unit(const char **string)
{
    size_t length = 0, i = 0;

    while ((*string)[length] >= 'a' && (*string)[length] <= 'z')
        length++;
    while (i < ARRAY_SIZE(duration_units) &&
           (strlen(duration_units[i].name) != length ||
            strncmp(*string, duration_units[i].name, length) != 0))
        i++;
    *string += length;
    return i;
}

int text_parse_duration_ms(const char *string, uint64_t *out)
{
    uint64_t total = 0, value;
    size_t next = 0; /* units come from large to small, each at most once */

    if (strcmp(string, "never") == 0) {
        *out = 0;
        return 0;
    }
    if (text_parse_u64(string, &value) == 0) {
        *out = value * 1000;
        return value <= UINT64_MAX / 1000 ? 0 : -1;
    }
    do {
        size_t unit;

        if (read_digits(&string, &value) != 0)
            return -1;
        unit = read_unit(&string);
        if (unit < next || unit >= ARRAY_SIZE(duration_units))
            return -1;
        if (value > (UINT64_MAX - total) / duration_units[unit].ms)
            return -1;
        total += value * duration_units[unit].ms;
        next = unit + 1;
    } while (*string != '\0');
    *out = total;
    return 0;
}

/* The two largest units: nobody wants the seconds of three days. */
void text_add_duration(struct text *text, uint64_t seconds)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    size_t i = 0;
    uint64_t rest;

    while (units[i].seconds > 1 && seconds < units[i].seconds)
        i++;
    text_add_format(text, "%llu %s", (unsigned long long)(seconds / units[i].seconds),
                    units[i].name);
    if (i + 1 == ARRAY_SIZE(units))
        return;
    rest = seconds % units[i].seconds / units[i + 1].seconds;
    if (rest > 0)
        text_add_format(text, " %u %s", (unsigned)rest, units[i + 1].name);
}

/* ---- points in time ---- */

void text_time(char out[TEXT_TIME_MAX], int64_t ms_since_epoch)
{
    time_t seconds = (time_t)(ms_since_epoch / 1000);
    int ms = (int)(ms_since_epoch % 1000);
    struct tm tm = {0};

    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    gmtime_r(&seconds, &tm);
    if (strftime(out, TEXT_TIME_MAX - 6, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        out[0] = '\0';
    snprintf(out + strlen(out), 6, ".%03uZ", (unsigned)ms % 1000);
}

/* Exactly n digits and then `behind` ('\0': whatever follows). */
static int read_field(const char **string, int n, char behind, int *out)
{
    int value = 0;

    for (int i = 0; i < n; i++, (*string)++) {
        if (!is_digit(**string))
            return -1;
        value = value * 10 + (**string - '0');
    }
    if (behind != '\0' && *(*string)++ != behind)
        return -1;
    *out = value;
    return 0;
}

static int read_date(const char **string, struct tm *tm)
{
    if (read_field(string, 4, '-', &tm->tm_year) != 0 ||
        read_field(string, 2, '-', &tm->tm_mon) != 0 ||
        read_field(string, 2, '\0', &tm->tm_mday) != 0)
        return -1;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    if (**string != 'T' && **string != 't' && **string != ' ')
        return -1;
    (*string)++;
    return 0;
}

/* "13:16:00" and perhaps ".123", of which we keep milliseconds. */
static int read_clock(const char **string, struct tm *tm, int *ms)
{
    int weight = 100;

    *ms = 0;
    if (read_field(string, 2, ':', &tm->tm_hour) != 0 ||
        read_field(string, 2, ':', &tm->tm_min) != 0 ||
        read_field(string, 2, '\0', &tm->tm_sec) != 0)
        return -1;
    if (**string != '.')
        return 0;
    (*string)++;
    if (!is_digit(**string))
        return -1;
    for (; is_digit(**string); (*string)++, weight /= 10)
        *ms += weight * (**string - '0');
    return 0;
}

/* "Z" or "+01:00", and nothing behind it. */
static int read_zone(const char *string, int *offset_s)
{
    int sign = *string == '-' ? -1 : 1, hours, minutes;

    *offset_s = 0;
    if (strcmp(string, "Z") == 0 || strcmp(string, "z") == 0)
        return 0;
    if (*string != '+' && *string != '-')
        return -1;
    string++;
    if (read_field(&string, 2, ':', &hours) != 0 ||
        read_field(&string, 2, '\0', &minutes) != 0 || *string != '\0')
        return -1;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60 ? 0 : -1;
}

int text_parse_time(const char *string, int64_t *ms_since_epoch)
{
    struct tm tm = {0}, normal;
    int ms, offset_s;
    time_t seconds;

    if (read_date(&string, &tm) != 0 || read_clock(&string, &tm, &ms) != 0 ||
        read_zone(string, &offset_s) != 0)
        return -1;
    if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return -1;
    normal = tm;
    seconds = timegm(&normal);
    if (tm.tm_sec < 60 && (normal.tm_mday != tm.tm_mday || normal.tm_mon != tm.tm_mon))
        return -1; /* the 30th of February */
    *ms_since_epoch = ((int64_t)seconds - offset_s) * 1000 + ms;
    return 0;
}
