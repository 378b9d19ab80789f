/*
 * Many requests at once, of all kinds, over few connections, cancelled and failed at
 * random moments, with all connections dropped now and then.  Each seed is one story;
 * one that fails can be run alone: test_http_story SEED.
 */
#include "transfer/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>

#include "tests/unit/http_server.h"

enum { ACTORS = 24, STARTS = 300, STORIES = 15, CONNECTIONS = 10, CHUNK = 50000 };

static unsigned rng;
static unsigned roll(unsigned n)
{
    rng = rng * 1103515245u + 12345u;
    return (rng >> 16) % n;
}

struct scene {
    const char *method, *path;
    uint64_t size; /* of the body that comes, or is pulled */
    int status;    /* 0: it fails */
    bool is_taken, is_pulled;
};

static const struct scene scenes[] = {
    {"PUT", "/sum", 400000, 200, false, true},
    {"PUT", "/sum", 1000, 200, false, true},
    {"PUT", "/sum", 0, 200, false, false},
    {"GET", "/bytes/300000", 300000, 200, true, false},
    {"GET", "/chunked/100000", 100000, 200, true, false},
    {"GET", "/slow/5000", 5000, 200, true, false},
    {"GET", "/status/503", 0, 503, true, false},
    {"PUT", "/early/403", 3000000, 403, false, true},
    {"GET", "/close", 0, 200, false, false},
    {"GET", "/leave", 0, 200, false, false},
    {"GET", "/fickle", 0, 200, false, false},
    {"HEAD", "/head", 0, 200, false, false},
    {"GET", "/silent", 0, 0, false, false},
    {"GET", "/end", 0, 0, false, false},
    {"PUT", "/reset-body", 500000, 0, false, true},
    {"GET", "/half/100000", 100000, 0, true, false},
    {"GET", "/half-reset/50000", 50000, 0, true, false},
    {"GET", "/half-stall/100000", 100000, 0, true, false},
    {"GET", "/garbage", 0, 0, false, false},
};

struct story;
struct actor {
    struct story *story;
    struct http_request request;
    const struct scene *scene;
    char url[96];
    bool is_under_way, was_cancelled;
    bool is_patient;          /* never cancelled: what stands still is not hidden */
    bool is_asked, is_taking; /* next() or take() is unanswered */
    bool has_failed;          /* we reported an error */
    uint64_t position, taken;
    struct span piece;
    unsigned hops_next, hops_take;
    struct deferred soon_next, soon_take;
    uint8_t chunk[CHUNK];
    uint8_t into[HTTP_INTO_MIN + 5000];
};

struct story {
    struct loop loop;
    struct http *http;
    struct http_server server;
    struct actor actors[ACTORS];
    unsigned n_started, n_under_way, n_done, n_good;
    bool is_over, was_dropped;
};

/* ---- bodies ---- */

static void give(void *ctx)
{
    struct actor *a = ctx;
    uint64_t left = a->scene->size - a->position;
    size_t most = 1 + roll(CHUNK), size = left < most ? (size_t)left : most;
    struct error err = {0};

    if (a->hops_next-- > 0) {
        loop_defer(&a->story->loop, &a->soon_next, give, a);
        return;
    }
    assert_true(a->is_asked);
    a->is_asked = false;
    if (roll(200) == 0) {
        a->has_failed = true;
        error_set(&err, ERROR_CHANGED, 0, "changed");
        http_gave(&a->request, (struct span){0}, &err);
        return;
    }
    for (size_t i = 0; i < size; i++)
        a->chunk[i] = server_byte(a->position + i);
    a->position += size;
    http_gave(&a->request, (struct span){a->chunk, size}, NULL);
}

static void on_next(struct http_request *request, void *ctx)
{
    struct actor *a = ctx;

    assert_ptr_equal(request, &a->request);
    assert_false(a->is_asked);
    a->is_asked = true;
    a->hops_next = roll(3) == 0 ? roll(20) : 0;
    give(a);
}

static void on_restart(struct http_request *request, void *ctx)
{
    struct actor *a = ctx;

    (void)request;
    assert_false(a->is_asked);
    a->position = 0;
}

static void took(void *ctx)
{
    struct actor *a = ctx;
    struct error err = {0};

    if (a->hops_take-- > 0) {
        loop_defer(&a->story->loop, &a->soon_take, took, a);
        return;
    }
    assert_true(a->is_taking);
    a->is_taking = false;
    for (size_t i = 0; i < a->piece.size; i++)
        assert_int_equal(a->piece.data[i], server_byte(a->taken + i));
    a->taken += a->piece.size;
    if (roll(200) == 0) {
        a->has_failed = true;
        error_set(&err, ERROR_FULL, 0, "full");
        http_took(&a->request, &err);
        return;
    }
    http_took(&a->request, NULL);
}

static void on_take(struct http_request *request, void *ctx, struct span bytes)
{
    struct actor *a = ctx;

    assert_int_equal(request->answer.status, 200);
    assert_true(bytes.size > 0);
    assert_false(a->is_taking);
    a->is_taking = true;
    a->piece = bytes;
    a->hops_take = roll(3) == 0 ? roll(20) : 0;
    took(a);
}

/* ---- outcomes ---- */

static void expect_success(const struct actor *a)
{
    char expected[64];
    uint32_t sum = 0;

    assert_int_equal(a->request.answer.status, a->scene->status);
    if (a->scene->is_taken && a->scene->status == 200)
        assert_int_equal(a->taken, a->scene->size);
    if (strcmp(a->scene->path, "/sum") != 0)
        return;
    for (uint64_t i = 0; i < a->scene->size; i++) {
        uint8_t byte = server_byte(i);

        sum = server_sum(sum, &byte, 1);
    }
    snprintf(expected, sizeof expected, "%llu %08x", (unsigned long long)a->scene->size,
             sum);
    assert_string_equal(text_string(&a->request.answer.body), expected);
}

static bool is_silent(const struct scene *scene)
{
    return strstr(scene->path, "silent") != NULL ||
           strstr(scene->path, "stall") != NULL;
}

static void expect_failure(const struct actor *a)
{
    const struct http_request *r = &a->request;

    if (strstr(r->err.text, "no byte") != NULL)
        assert_true(is_silent(a->scene)); /* else it was we who stood still */
    assert_int_equal(r->body_failed,
                     r->err.kind == ERROR_CHANGED || r->err.kind == ERROR_FULL);
    if (r->body_failed)
        assert_true(a->has_failed);
    else if (r->err.kind == ERROR_CANCELLED)
        assert_true(a->was_cancelled);
    else /* also where connections die that others have left so */
        assert_true(r->err.kind == ERROR_NETWORK || r->err.kind == ERROR_TRANSIENT);
}

static void on_done(struct http_request *request, void *ctx)
{
    struct actor *a = ctx;
    struct story *story = a->story;

    assert_ptr_equal(request, &a->request);
    assert_true(a->is_under_way);
    assert_false(a->is_asked);
    assert_false(a->is_taking);
    a->is_under_way = false;
    story->n_under_way--;
    story->n_done++;
    if (request->err.kind == ERROR_NONE) {
        expect_success(a);
        story->n_good++;
    } else {
        expect_failure(a);
    }
    if (roll(3) == 0)
        http_request_clear(request);
    story->is_over = story->n_started == STARTS && story->n_under_way == 0;
}

/* ---- the story ---- */

static void start(struct actor *a)
{
    struct story *story = a->story;

    a->scene = &scenes[roll(ARRAY_SIZE(scenes))];
    snprintf(a->url, sizeof a->url, "http://127.0.0.1:%u%s", story->server.port,
             a->scene->path);
    http_request_clear(&a->request);
    memset(&a->request, 0, sizeof a->request);
    a->was_cancelled = a->has_failed = false;
    a->is_patient = roll(3) > 0;
    a->position = a->taken = 0;
    a->request.method = a->scene->method;
    a->request.url = a->url;
    a->request.stall_ms = is_silent(a->scene) ? 20 + (long)roll(60) : 5000;
    a->request.answer_max = 2000;
    a->request.done = on_done;
    a->request.ctx = a;
    if (a->scene->is_pulled) {
        a->request.body_size = a->scene->size;
        a->request.next = on_next;
        a->request.restart = roll(4) == 0 ? NULL : on_restart;
    }
    if (a->scene->is_taken) {
        a->request.into = (struct span){a->into, HTTP_INTO_MIN + roll(5000)};
        a->request.take = on_take;
    }
    a->is_under_way = true;
    story->n_under_way++;
    story->n_started++;
    http_send(story->http, &a->request);
    assert_true(a->is_under_way);
}

static void act(struct story *story)
{
    struct actor *a = &story->actors[roll(ACTORS)];

    if (!a->is_under_way) {
        if (story->n_started < STARTS)
            start(a);
    } else if (!a->is_patient && roll(15) == 0) {
        a->was_cancelled = true;
        http_cancel(&a->request);
        assert_true(a->is_under_way);
    } else if (roll(3000) == 0) {
        http_drop_connections(story->http);
    }
}

static void tell(unsigned seed)
{
    static struct story story;
    struct http_options options = {.connections = CONNECTIONS, .user_agent = "story"};
    struct http_counts counts;
    struct error err;
    uint64_t began;

    memset(&story, 0, sizeof story);
    rng = seed;
    began = uv_hrtime();
    assert_int_equal(loop_open(&story.loop), 0);
    options.loop = &story.loop;
    options.per_host = roll(2) * CONNECTIONS;
    assert_int_equal(http_open(&story.http, &options, &err), 0);
    http_server_open(&story.server, NULL, NULL);
    for (unsigned i = 0; i < ACTORS; i++)
        story.actors[i].story = &story;
    while (!story.is_over) {
        act(&story);
        if (roll(3) == 0)
            uv_run(&story.loop.uv,
                   roll(3) == 0 && story.n_under_way > 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        http_counts(story.http, &counts);
        assert_true(counts.open <= CONNECTIONS);
        assert_true(uv_hrtime() - began < 60000000000); /* nobody stands still */
    }
    for (unsigned i = 0; i < ACTORS; i++)
        http_request_clear(&story.actors[i].request);
    assert_int_equal(story.n_done, STARTS);
    assert_true(story.n_good > STARTS / 10); /* it is not all noise */
    http_close(story.http);
    http_server_close(&story.server);
    loop_close(&story.loop);
}

static unsigned first_seed = 1, n_stories = STORIES;

static void stories(void **state)
{
    (void)state;
    for (unsigned seed = first_seed; seed < first_seed + n_stories; seed++) {
        print_message("seed %u\n", seed);
        tell(seed);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stories)};

    signal(SIGPIPE, SIG_IGN);
    if (argc > 1) {
        first_seed = (unsigned)strtoul(argv[1], NULL, 10);
        n_stories = 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
