/* A look makes a list of its own, which is then held against the last. */
#include "agent/ui/session_watch.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/session_json.h"
#include "agent/session_status.h"
#include "base/mem.h"

enum { LOOK_MS = 1000, SHOWN_MS = 24 * 60 * 60 * 1000 };

struct look {
    struct watched_session *sessions;
    size_t n, room;
    int64_t now_ms;
};

struct session_watch {
    struct loop *loop;
    char *folder;
    const struct session_watch_events *events;
    void *ctx;
    struct look last, next;
    uv_timer_t timer;
    struct work work;
    bool is_looking, is_stopping;
};

/* ---- a look, on a worker ---- */

static bool is_over(const struct session_status *s)
{
    return strcmp(s->state, "published") == 0;
}

static bool is_shown(const struct look *l, const struct session_status *s)
{
    if (s->session[0] == '\0')
        return false; /* none has begun yet */
    return !is_over(s) || l->now_ms - s->updated_ms < SHOWN_MS;
}

static void on_status(void *ctx, const struct session_status *s)
{
    struct look *l = ctx;
    struct watched_session *w;
    struct text json = {0};

    if (!is_shown(l, s))
        return;
    if (l->n == l->room) {
        l->room = l->room > 0 ? 2 * l->room : 16;
        l->sessions = mem_resize(l->sessions, l->room, sizeof *l->sessions);
    }
    w = &l->sessions[l->n++];
    session_json_add(&json, s);
    *w = (struct watched_session){
        .id = mem_copy_string(s->session),
        .name = mem_copy_string(s->name),
        .cluster = mem_copy_string(s->cluster),
        .source = mem_copy_string(s->source),
        .socket = mem_copy_string(s->socket),
        .log = mem_copy_string(s->log),
        .json = text_take(&json),
        .is_running = session_status_is_alive(s),
        .is_published = is_over(s),
    };
}

static void look_free(struct look *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct watched_session *s = &l->sessions[i];
        char *const strings[] = {s->id,     s->name, s->cluster, s->source,
                                 s->socket, s->log,  s->json};

        for (size_t j = 0; j < ARRAY_SIZE(strings); j++)
            free(strings[j]);
    }
    free(l->sessions);
    memset(l, 0, sizeof *l);
}

static void look_work(void *ctx)
{
    struct session_watch *w = ctx;
    struct error ignored;

    (void)session_status_each(w->folder, on_status, &w->next, &ignored);
}

/* ---- what has changed ---- */

static const struct watched_session *find(const struct look *l, const char *id)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->sessions[i].id, id) == 0)
            return &l->sessions[i];
    return NULL;
}

static void tell(const struct session_watch *w, const struct look *before)
{
    for (size_t i = 0; i < w->last.n; i++) {
        const struct watched_session *now = &w->last.sessions[i];
        const struct watched_session *then = find(before, now->id);

        if (then == NULL || strcmp(then->json, now->json) != 0)
            w->events->changed(w->ctx, now);
    }
    for (size_t i = 0; i < before->n; i++)
        if (find(&w->last, before->sessions[i].id) == NULL)
            w->events->gone(w->ctx, &before->sessions[i]);
}

static void on_closed(uv_handle_t *timer)
{
    struct session_watch *w = timer->data;

    look_free(&w->last);
    look_free(&w->next);
    free(w->folder);
    free(w);
}

static void end(struct session_watch *w)
{
    if (!uv_is_closing((uv_handle_t *)&w->timer))
        uv_close((uv_handle_t *)&w->timer, on_closed);
}

static void on_looked(void *ctx)
{
    struct session_watch *w = ctx;
    struct look before = w->last;

    w->is_looking = false;
    if (w->is_stopping) {
        end(w);
        return;
    }
    w->last = w->next;
    w->next = (struct look){0};
    tell(w, &before);
    look_free(&before);
}

static void on_timer(uv_timer_t *timer)
{
    struct session_watch *w = timer->data;

    if (w->is_looking)
        return;
    w->is_looking = true;
    w->next.now_ms = agent_clock_ms();
    loop_work(w->loop, &w->work, look_work, on_looked, w);
}

struct session_watch *session_watch_start(struct loop *loop, const char *folder,
                                          const struct session_watch_events *events,
                                          void *ctx)
{
    struct session_watch *w = mem_new(1, sizeof *w);

    w->loop = loop;
    w->folder = mem_copy_string(folder);
    w->events = events;
    w->ctx = ctx;
    uv_timer_init(&loop->uv, &w->timer);
    w->timer.data = w;
    uv_timer_start(&w->timer, on_timer, 0, LOOK_MS);
    return w;
}

void session_watch_stop(struct session_watch *w)
{
    w->is_stopping = true;
    if (!w->is_looking)
        end(w);
}

const struct watched_session *session_watch_find(const struct session_watch *w,
                                                 const char *id)
{
    return find(&w->last, id);
}

void session_watch_each(const struct session_watch *w,
                        void (*each)(void *ctx, const struct watched_session *s),
                        void *ctx)
{
    for (size_t i = 0; i < w->last.n; i++)
        each(ctx, &w->last.sessions[i]);
}
