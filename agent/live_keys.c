/*
 * There is no timer: keys are asked for before every request, and that is when it
 * matters whether they are due.  A session that sends nothing else writes its record
 * once a minute.
 */
#include "agent/live_keys.h"

#include <string.h>
#include <time.h>

#include "base/log.h"

enum {
    EARLY_MS = 5 * 60 * 1000, /* at least, of those that live LONG_MS */
    LONG_MS = 15 * 60 * 1000, /* the shortest life that AWS gives */
    PAUSE_MS = 60 * 1000,     /* between two attempts, at most */
    PAUSE_MIN_MS = 1000
};

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* When a tenth of their life is left, and not at the last moment. */
static int64_t due_at(const struct credentials *keys)
{
    int64_t life_ms = keys->expires_at_ms - clock_ms();
    int64_t early_ms = life_ms / 10;

    if (keys->expires_at_ms == 0)
        return 0;
    if (life_ms >= LONG_MS && early_ms < EARLY_MS)
        early_ms = EARLY_MS;
    return keys->expires_at_ms - early_ms;
}

/* Those that came are about to end, or none came. */
static int64_t due_again_at(const struct credentials *old)
{
    int64_t pause_ms = (old->expires_at_ms - clock_ms()) / 10;

    if (pause_ms > PAUSE_MS)
        pause_ms = PAUSE_MS;
    if (pause_ms < PAUSE_MIN_MS)
        pause_ms = PAUSE_MIN_MS;
    return clock_ms() + pause_ms;
}

static void take_found(struct live_keys *k)
{
    struct credentials *found = &k->search.found;
    bool is_new = !credentials_is_same(&k->now, found);

    if (is_new && k->now.access_key != NULL)
        log_line(LOG_INFO, LOG_SESSION, "going on with the keys of %s", found->origin);
    credentials_free(&k->now);
    k->now = *found;
    memset(found, 0, sizeof *found);
    k->due_at_ms = due_at(&k->now);
    if (k->due_at_ms == 0 || k->due_at_ms > clock_ms())
        return;
    /* By a clock that is far ahead all keys have ended when they come. */
    k->due_at_ms = is_new ? clock_ms() + PAUSE_MS : due_again_at(&k->now);
}

static void bear(struct live_keys *k)
{
    if (k->due_at_ms > 0)
        k->due_at_ms = due_again_at(&k->now);
    if (k->search.err.kind != ERROR_CANCELLED)
        log_line(LOG_WARNING, LOG_SESSION, "no new keys: %s", k->search.err.text);
}

static void on_searched(void *ctx)
{
    struct live_keys *k = ctx;
    void (*found)(void *) = k->found;

    k->is_searching = false;
    k->found = NULL;
    if (k->search.err.kind == ERROR_NONE)
        take_found(k);
    else
        bear(k);
    if (found != NULL)
        found(k->found_ctx);
}

static void search(struct live_keys *k)
{
    if (k->search.loop == NULL || k->is_searching)
        return;
    k->is_searching = true;
    k->search.done = on_searched;
    k->search.ctx = k;
    credential_search_start(&k->search);
}

int live_keys_find(struct live_keys *k, struct error *err)
{
    if (credential_search_wait(&k->search, err) != 0)
        return -1;
    take_found(k);
    return 0;
}

void live_keys_start(struct live_keys *k, void (*found)(void *ctx), void *ctx)
{
    k->found = found;
    k->found_ctx = ctx;
    search(k);
}

int live_keys_give(void *ctx, struct s3_keys *out, struct error *err)
{
    struct live_keys *k = ctx;

    (void)err;
    if (k->due_at_ms > 0 && clock_ms() >= k->due_at_ms)
        search(k);
    *out = (struct s3_keys){
        .access_key = k->now.access_key,
        .secret_key = k->now.secret_key,
        .session_token = k->now.session_token,
        .expires_at_ms = k->now.expires_at_ms,
    };
    return 0;
}

void live_keys_expired(void *ctx)
{
    search(ctx);
}

void live_keys_interrupt(struct live_keys *k)
{
    credential_search_cancel(&k->search);
}

void live_keys_stop(struct live_keys *k)
{
    if (!k->is_searching)
        return;
    credential_search_cancel(&k->search);
    while (k->is_searching)
        uv_run(&k->search.loop->uv, UV_RUN_ONCE);
}

void live_keys_free(struct live_keys *k)
{
    credentials_free(&k->now);
    memset(k, 0, sizeof *k);
}
