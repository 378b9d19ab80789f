/*
 * A listing and a probe, while a timer looks how long nobody has answered: agent_do() is then
 * interrupted as by a signal.  What is not there yet (a folder, an account's bucket) is
 * made by the first session.
 */
#include "agent/login_trial.h"

#include <signal.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/memory.h"

enum {
    LOOK_MS = 500,
    PATIENCE_MS = 10 * 1000,
    PROBE_MS = 30 * 1000 /* somebody waits; the first upload will probe anyway */
};

struct patience {
    struct agent *agent;
    uv_timer_t timer;
    uint64_t probing_since_ms; /* 0: not yet */
    bool is_over, is_closed;
};

static void on_look(uv_timer_t *timer)
{
    struct patience *p = timer->data;
    uint64_t now_ms = loop_now_ms(&p->agent->loop);
    struct store_counts counts;

    store_counts(p->agent->store, &counts);
    if ((counts.away_since_ms == 0 || now_ms - counts.away_since_ms < PATIENCE_MS) &&
        (p->probing_since_ms == 0 || now_ms - p->probing_since_ms < PROBE_MS))
        return;
    p->is_over = true;
    uv_timer_stop(timer);
    agent_interrupt(p->agent, SIGALRM);
}

static void on_patience_closed(uv_handle_t *timer)
{
    struct patience *p = timer->data;

    p->is_closed = true;
}

/* One page of what the store holds: a signed request, and harmless. */
static int list_a_page(const struct cluster *cluster, struct agent *a,
                       struct error *err)
{
    struct store_op op = {.verb = STORE_LIST, .key = ""};
    int status = agent_do(a, &op, err);

    store_end_list(a->store, &op);
    store_op_clear(&op);
    if (status != 0 && err->kind == ERROR_NOT_FOUND &&
        (store_folder(a->store) != NULL || cluster->account != NULL))
        return 0; /* the folder, or the account's bucket, is made when it is needed */
    return status;
}

/* Credentials that may only read are no reason to complain, and what goes wrong here
 * will be told by the first upload. */
static bool finds_verified(struct agent *a)
{
    struct store_op op = {.verb = STORE_PROBE, .key = ""};
    struct error ignored;

    (void)agent_do(a, &op, &ignored);
    store_op_clear(&op);
    return agent_store_verifies(a);
}

static int try_patiently(const struct cluster *cluster, struct agent *a, bool *verifies,
                         struct error *err)
{
    struct patience p = {.agent = a};
    int status;

    uv_timer_init(&a->loop.uv, &p.timer);
    p.timer.data = &p;
    uv_timer_start(&p.timer, on_look, LOOK_MS, LOOK_MS);
    status = list_a_page(cluster, a, err);
    if (status != 0 && p.is_over)
        error_set(err, ERROR_NETWORK, 0,
                  "%s does not answer: nothing was saved; check the network and "
                  "--endpoint",
                  cluster->endpoint != NULL ? cluster->endpoint : cluster->store);
    p.probing_since_ms = loop_now_ms(&a->loop);
    *verifies = status != 0 || finds_verified(a);
    uv_close((uv_handle_t *)&p.timer, on_patience_closed);
    loop_run_until(&a->loop, &p.is_closed);
    return status;
}

int login_trial(const struct cluster *cluster, const struct credentials *keys,
                const struct paths *paths, bool *verifies, struct error *err)
{
    struct agent a;
    int status;

    if (agent_open(&a, memory_for_payload(0), err) != 0)
        return -1;
    a.cluster_store.keys = *keys;
    status = agent_open_store(&a, cluster, paths, 0, err);
    if (status == 0)
        status = try_patiently(cluster, &a, verifies, err);
    memset(&a.cluster_store.keys, 0, sizeof a.cluster_store.keys); /* the caller's */
    agent_close(&a);
    return status;
}
