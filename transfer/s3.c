/*
 * Credentials are asked for before every request, so that renewed ones are used at
 * once; the signer, which holds a key derived from them, is made anew only when they or
 * the region have changed.
 */
#include "transfer/s3.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

static const char *or_empty(const char *string)
{
    return string != NULL ? string : "";
}

static bool is_same(const char *a, const char *b)
{
    return strcmp(or_empty(a), or_empty(b)) == 0;
}

enum { WORN_MS = 60 * 1000 };

static bool fits_signer(const struct s3 *s3, const struct s3_keys *keys)
{
    return s3->has_signer && is_same(s3->signer.access_key, keys->access_key) &&
           is_same(s3->signer.secret_key, keys->secret_key) &&
           is_same(s3->signer.session_token, keys->session_token) &&
           is_same(s3->signer.region, s3->address.region);
}

static void look_for_keys(struct s3 *s3)
{
    if (s3->options.expired != NULL)
        s3->options.expired(s3->options.keys_ctx);
}

void s3_note_worn(struct s3 *s3, unsigned signer_serial, const struct error *err)
{
    look_for_keys(s3);
    if (signer_serial != s3->signer_serial)
        return; /* others have been found since then */
    s3->worn = *err;
    s3->worn_until_ms = loop_now_ms(s3->loop) + WORN_MS;
}

int s3_ready_signer(struct s3 *s3, bool *is_signed, struct error *err)
{
    struct s3_keys keys = {0};

    *is_signed = false;
    if (s3->options.keys != NULL &&
        s3->options.keys(s3->options.keys_ctx, &keys, err) != 0)
        return -1;
    if (*or_empty(keys.access_key) == '\0')
        return 0;
    *is_signed = true;
    if (fits_signer(s3, &keys) && loop_now_ms(s3->loop) < s3->worn_until_ms) {
        *err = s3->worn;
        look_for_keys(s3);
        return -1;
    }
    if (fits_signer(s3, &keys))
        return 0;
    if (s3->has_signer)
        sigv4_free(&s3->signer);
    log_hide(keys.secret_key);
    log_hide(keys.session_token);
    sigv4_init(&s3->signer, keys.access_key, or_empty(keys.secret_key),
               keys.session_token, s3->address.region, "s3");
    s3->has_signer = true;
    s3->signer_serial++;
    s3->worn_until_ms = 0;
    return 0;
}

int64_t s3_now_s(const struct s3 *s3)
{
    return (int64_t)time(NULL) + s3->clock_offset_s;
}

void s3_know_puts(struct s3 *s3)
{
    if (s3->readiness < S3_PUTS_KNOWN)
        s3->readiness = S3_PUTS_KNOWN;
    s3->store->limits.can_put_if_absent = s3->traits.has_if_none_match;
}

void s3_set_traits(struct s3 *s3, const struct s3_traits *traits)
{
    struct text text = {0};

    s3->traits = *traits;
    s3->readiness = S3_PROBED;
    s3->store->limits.can_put_if_absent = traits->has_if_none_match;
    s3_traits_put(traits, &text);
    free(s3->store->traits);
    s3->store->traits = text_take(&text);
    log_line(LOG_INFO, LOG_STORE, "s3://%s at %s: %s", s3->address.bucket,
             s3->address.endpoint, s3->store->traits);
}

void s3_forget_traits(struct s3 *s3)
{
    log_line(LOG_INFO, LOG_STORE, "what was noted of s3://%s holds no more: %s",
             s3->address.bucket, s3->store->traits);
    s3->traits = (struct s3_traits){0};
    s3->traits_are_noted = false;
    s3->readiness = S3_GREETED;
}
