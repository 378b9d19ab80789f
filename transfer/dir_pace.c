/*
 * One token bucket and one line; a timer hands out what has become free to the head of
 * it, so that no writer is starved (as http_bandwidth.c does for requests).
 */
#include "transfer/dir_pace.h"

#include <stdlib.h>

#include "base/mem.h"
#include "transfer/bandwidth.h"

enum { GRANT_MAX = 64 << 10 }; /* at once to one writer: the others wait for it */

struct dir_pace {
    struct loop *loop;
    struct bandwidth bandwidth;
    struct dir_turn *first, **last;
    uv_timer_t timer; /* while someone waits */
};

struct dir_pace *dir_pace_new(struct loop *loop, uint64_t rate)
{
    struct dir_pace *p = mem_new(1, sizeof *p);

    p->loop = loop;
    p->last = &p->first;
    bandwidth_init(&p->bandwidth, rate, loop_now_ms(loop));
    uv_timer_init(&loop->uv, &p->timer);
    p->timer.data = p;
    return p;
}

static void on_closed(uv_handle_t *timer)
{
    free(timer->data);
}

void dir_pace_free(struct dir_pace *p)
{
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

static size_t take(struct dir_pace *p, size_t want)
{
    if (p->bandwidth.rate > 0 && want > GRANT_MAX)
        want = GRANT_MAX;
    return bandwidth_take(&p->bandwidth, want, loop_now_ms(p->loop));
}

static void on_timer(uv_timer_t *timer)
{
    struct dir_pace *p = timer->data;
    struct dir_turn *turn;

    while ((turn = p->first) != NULL) {
        size_t n = take(p, turn->want);

        if (n == 0) {
            uv_timer_start(timer, on_timer, bandwidth_wait_ms(&p->bandwidth), 0);
            return;
        }
        dir_pace_leave(p, turn);
        turn->come(turn->ctx, n);
    }
}

/* Who waits in line is served anew: it may be his turn already. */
void dir_pace_set_rate(struct dir_pace *p, uint64_t rate)
{
    bandwidth_init(&p->bandwidth, rate, loop_now_ms(p->loop));
    if (p->first != NULL)
        uv_timer_start(&p->timer, on_timer, 0, 0);
    else
        uv_timer_stop(&p->timer); /* it was set for the old rate */
}

size_t dir_pace_take(struct dir_pace *p, struct dir_turn *turn, size_t want)
{
    size_t n = p->first == NULL ? take(p, want) : 0;

    if (n > 0)
        return n;
    turn->is_waiting = true;
    turn->want = want;
    turn->next = NULL;
    *p->last = turn;
    p->last = &turn->next;
    if (!uv_is_active((uv_handle_t *)&p->timer))
        uv_timer_start(&p->timer, on_timer, bandwidth_wait_ms(&p->bandwidth), 0);
    return 0;
}

bool dir_pace_leave(struct dir_pace *p, struct dir_turn *turn)
{
    struct dir_turn **link = &p->first;

    if (!turn->is_waiting)
        return false;
    while (*link != turn)
        link = &(*link)->next;
    *link = turn->next;
    if (*link == NULL)
        p->last = link;
    turn->is_waiting = false;
    return true;
}
