/*
 * Answers in every order, twice, broken off, after a reload, for nobody.  What is checked
 * is what the session hears: of each question one answer, whole, and that of the page
 * that has the files now.
 *
 * test_drop SEED tells one of the stories.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/span.h"

#include "dice.h"
#include "drop_kit.h"

enum { STORIES = 12, STORY_ASKS = 24, STORY_STEPS = 300, BODY_MAX = 60000 };

/* ---- what is said ---- */

/* The bytes of the file that a question is about. */
static char *bytes_of(unsigned ask, size_t size)
{
    char *bytes = mem_buffer(size + 1);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(ask * 31 + i % 251);
    return bytes;
}

static void answer_begin(struct stage *s, struct client *c, const char *drop,
                         unsigned ask, size_t size)
{
    struct text target = {0};

    text_add_format(&target, "/answer?drop=%s&ask=%u&size=%zu&modified=%u", drop, ask,
                    size, 1000 + ask);
    client_start(s, c, "POST", text_string(&target), size);
    text_free(&target);
}

static void answer_whole(struct stage *s, const char *drop, unsigned ask, size_t size,
                         unsigned status)
{
    char *bytes = bytes_of(ask, size);
    struct client c;

    answer_begin(s, &c, drop, ask, size);
    client_send(&c, bytes, size);
    client_finish(s, &c, status);
    free(bytes);
}

static void expect_heard(struct stage *s, struct session *e, unsigned ask, size_t size)
{
    const struct heard *h = &e->asks[ask];
    char *bytes = bytes_of(ask, size);

    session_until_end(s, e, ask);
    assert_string_equal(h->fail, "");
    assert_int_equal(h->size, size);
    assert_int_equal(h->modified, 1000 + ask);
    assert_int_equal(h->bytes.size, size);
    assert_memory_equal(text_string(&h->bytes), bytes, size);
    free(bytes);
}

static void until_heard(struct stage *s, const struct session *e, unsigned ask,
                        size_t size)
{
    while (e->asks[ask].bytes.size < size)
        uv_run(&s->loop.uv, UV_RUN_ONCE);
}

/* How often a page has been told of a question. */
static unsigned n_told(const struct client *page, const char *drop, unsigned ask)
{
    struct text line = {0};
    unsigned n;

    text_add_format(&line, "event: ask\ndata: {\"drop\":\"%s\",\"ask\":%u,", drop, ask);
    n = client_count(page, text_string(&line));
    text_free(&line);
    return n;
}

static void until_told(struct stage *s, const struct client *page, const char *drop,
                       unsigned ask, unsigned n)
{
    while (n_told(page, drop, ask) < n)
        uv_run(&s->loop.uv, UV_RUN_ONCE);
}

struct scene {
    struct stage *s;
    struct client page;
    struct session e;
};

static void scene_begin(struct scene *t, void **state)
{
    t->s = *state;
    page_open(t->s, &t->page, "p");
    session_start(t->s, &t->e, "d", "p", "folder");
    client_hears(t->s, &t->page, "\"state\":\"asking\"", 1);
}

static void scene_end(struct scene *t)
{
    session_kill(t->s, &t->e);
    session_hang_up(t->s, &t->e);
    client_hears(t->s, &t->page, "\"state\":\"over\"", 1);
    client_close(t->s, &t->page);
    assert_int_equal(t->s->n_ended, 1);
    assert_int_equal(t->s->code, 128 + SIGKILL);
    assert_int_not_equal(rmdir(t->s->folder), -1); /* no socket is left there */
}

static void ask(struct scene *t, unsigned number)
{
    session_ask(&t->e, number);
    until_told(t->s, &t->page, "d", number, 1);
}

/* ---- slices ---- */

static void test_in_and_out_of_order(void **state)
{
    static const unsigned order[] = {1, 2, 3, 6, 4, 5};
    static const size_t sizes[] = {0, 1, 300000, 7, 0, 65536, 100};
    struct scene t;

    scene_begin(&t, state);
    for (unsigned i = 1; i <= ARRAY_SIZE(order); i++)
        ask(&t, i);
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        answer_whole(t.s, "d", order[i], sizes[order[i]], 200);
        expect_heard(t.s, &t.e, order[i], sizes[order[i]]);
        assert_int_equal(t.e.asks[order[i]].n_begins, 1);
    }
    scene_end(&t);
}

static void test_two_files_at_once(void **state)
{
    enum { SIZE = 200000 };
    struct client a, b;
    char *first = bytes_of(1, SIZE), *second = bytes_of(2, SIZE);
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    ask(&t, 2);
    answer_begin(t.s, &a, "d", 1, SIZE);
    answer_begin(t.s, &b, "d", 2, SIZE);
    for (size_t at = 0; at < SIZE; at += SIZE / 4) {
        client_send(&a, first + at, SIZE / 4);
        client_send(&b, second + at, SIZE / 4);
        until_heard(t.s, &t.e, 1, at + SIZE / 4);
        until_heard(t.s, &t.e, 2, at + SIZE / 4);
    }
    client_finish(t.s, &b, 200);
    client_finish(t.s, &a, 200);
    expect_heard(t.s, &t.e, 1, SIZE);
    expect_heard(t.s, &t.e, 2, SIZE);
    free(first);
    free(second);
    scene_end(&t);
}

static void test_a_slice_twice(void **state)
{
    char *bytes = bytes_of(1, 1000);
    struct client c;
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    answer_begin(t.s, &c, "d", 1, 1000);
    client_send(&c, bytes, 500);
    until_heard(t.s, &t.e, 1, 500);
    answer_whole(t.s, "d", 1, 1000, 200); /* the page has given the first up */
    client_send(&c, bytes + 500, 500);
    client_finish(t.s, &c, 410);
    expect_heard(t.s, &t.e, 1, 1000);
    assert_int_equal(t.e.asks[1].n_begins, 2);
    answer_whole(t.s, "d", 1, 1000, 410); /* it is done */
    assert_int_equal(n_told(&t.page, "d", 1), 1);
    free(bytes);
    scene_end(&t);
}

static void test_one_that_breaks_off(void **state)
{
    char *bytes = bytes_of(1, 1000);
    struct client c;
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    answer_begin(t.s, &c, "d", 1, 1000);
    client_send(&c, bytes, 500);
    until_heard(t.s, &t.e, 1, 500);
    client_close(t.s, &c);
    until_told(t.s, &t.page, "d", 1, 2);
    assert_int_equal(t.e.asks[1].n_ends, 0);
    answer_whole(t.s, "d", 1, 1000, 200);
    expect_heard(t.s, &t.e, 1, 1000);
    assert_int_equal(t.e.asks[1].n_begins, 2); /* the half before it does not count */
    free(bytes);
    scene_end(&t);
}

/* The server sees the bytes and the end in one round. */
static void test_one_that_breaks_off_at_once(void **state)
{
    char *bytes = bytes_of(1, 1000);
    struct client c;
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    for (unsigned i = 1; i <= 20; i++) {
        answer_begin(t.s, &c, "d", 1, 1000);
        while (t.e.asks[1].n_begins < i)
            uv_run(&t.s->loop.uv, UV_RUN_ONCE);
        client_send(&c, bytes, 999);
        client_close(t.s, &c);
        until_told(t.s, &t.page, "d", 1, 1 + i);
    }
    answer_whole(t.s, "d", 1, 1000, 200);
    expect_heard(t.s, &t.e, 1, 1000);
    free(bytes);
    scene_end(&t);
}

static void test_files_that_are_not_there(void **state)
{
    struct client c;
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    ask(&t, 2);
    client_start(t.s, &c, "POST",
                 "/answer?drop=d&ask=1&fail=gone&message=it%20is%0A1%20end%1B[", 0);
    client_finish(t.s, &c, 200);
    session_until_end(t.s, &t.e, 1);
    assert_memory_equal(t.e.asks[1].fail, "gone it is", 10);
    assert_null(strchr(t.e.asks[1].fail, '\x1b'));
    client_start(t.s, &c, "POST", "/answer?drop=d&ask=2&fail=whatever", 0);
    client_finish(t.s, &c, 200);
    session_until_end(t.s, &t.e, 2);
    assert_memory_equal(t.e.asks[2].fail, "unreadable", 10);
    scene_end(&t);
}

/* Sizes are words of the page, and lines of what the session hears. */
static void test_what_is_no_size(void **state)
{
    static const char *const targets[] = {
        "/answer?drop=d&ask=1&size=",
        "/answer?drop=d&ask=1&size=-1",
        "/answer?drop=d&ask=1&size=1%0A1",
        "/answer?drop=d&ask=1&size=1.5",
        "/answer?drop=d&ask=1&modified=x",
        "/answer?drop=d&ask=1&modified=1%201",
        "/answer?drop=d&ask=1&size=99999999999999999999"};
    struct client c;
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        client_start(t.s, &c, "POST", targets[i], 0);
        client_finish(t.s, &c, 400);
    }
    assert_int_equal(t.e.asks[1].n_begins, 0);
    answer_whole(t.s, "d", 1, 5, 200);
    expect_heard(t.s, &t.e, 1, 5);
    scene_end(&t);
}

static void test_answers_to_nobody(void **state)
{
    static const char *const targets[] = {
        "/answer",
        "/answer?drop=d",
        "/answer?ask=1",
        "/answer?drop=d&ask=2",
        "/answer?drop=d&ask=-1",
        "/answer?drop=d&ask=1x",
        "/answer?drop=other&ask=1",
        "/answer?drop=&ask=1",
    };
    struct client c;
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        client_start(t.s, &c, "POST", targets[i], 3);
        client_send(&c, "abc", 3);
        client_finish(t.s, &c, 410);
    }
    assert_int_equal(t.e.asks[1].n_begins, 0);
    scene_end(&t);
}

/* ---- memory ---- */

/* A session that does not read: the rest stays with the page. */
static void test_nothing_is_kept(void **state)
{
    enum { SIZE = 48 << 20, HELD_MAX = 16 << 20 };
    char *bytes = bytes_of(1, SIZE);
    size_t unsent = 0;
    struct client c;
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    session_listen(&t.e, false);
    answer_begin(t.s, &c, "d", 1, SIZE);
    for (size_t at = 0; at < SIZE; at += 1 << 20)
        client_send(&c, bytes + at, 1 << 20);
    while (client_unsent(&c) != unsent) {
        unsent = client_unsent(&c);
        for (unsigned i = 0; i < 200; i++)
            uv_run(&t.s->loop.uv, UV_RUN_NOWAIT);
    }
    assert_true(unsent > SIZE - HELD_MAX); /* what the sockets hold is in it */
    session_listen(&t.e, true);
    client_finish(t.s, &c, 200);
    expect_heard(t.s, &t.e, 1, SIZE);
    free(bytes);
    scene_end(&t);
}

/* ---- pages that go and come ---- */

static void test_a_reload(void **state)
{
    char *bytes = bytes_of(2, 1000);
    struct client old, again;
    struct scene t;

    scene_begin(&t, state);
    for (unsigned i = 1; i <= 3; i++)
        ask(&t, i);
    answer_whole(t.s, "d", 1, 10, 200);
    answer_begin(t.s, &old, "d", 2, 1000);
    client_send(&old, bytes, 500);
    until_heard(t.s, &t.e, 2, 500);
    client_close(t.s, &t.page);

    page_open(t.s, &t.page, "q");
    client_hears(t.s, &t.page, "\"state\":\"away\"", 1);
    client_start(t.s, &again, "POST", "/drops?drop=e&page=q&label=folder", 0);
    client_hears(t.s, &again, "\"resumed\":true", 1);
    client_finish(t.s, &again, 200);
    until_told(t.s, &t.page, "e", 2, 1);
    until_told(t.s, &t.page, "e", 3, 1);
    assert_int_equal(n_told(&t.page, "e", 1), 0); /* it has been answered */

    client_send(&old, bytes + 500, 500); /* the old page is not gone yet */
    client_finish(t.s, &old, 410);
    answer_whole(t.s, "d", 3, 30, 410);
    assert_int_equal(t.e.asks[2].bytes.size, 500);
    answer_whole(t.s, "e", 3, 30, 200);
    answer_whole(t.s, "e", 2, 1000, 200);
    expect_heard(t.s, &t.e, 1, 10);
    expect_heard(t.s, &t.e, 2, 1000);
    expect_heard(t.s, &t.e, 3, 30);
    free(bytes);
    scene_end(&t);
}

/* The stream of events broke: the page is the same, and has its files still. */
static void test_the_same_page_again(void **state)
{
    char *bytes = bytes_of(3, 1000);
    struct client c;
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    ask(&t, 3);
    answer_begin(t.s, &c, "d", 3, 1000);
    client_send(&c, bytes, 500);
    until_heard(t.s, &t.e, 3, 500);
    client_close(t.s, &t.page);
    session_ask(&t.e, 2);
    page_open(t.s, &t.page, "p");
    until_told(t.s, &t.page, "d", 1, 1);
    until_told(t.s, &t.page, "d", 2, 1);
    assert_int_equal(n_told(&t.page, "d", 3), 0); /* it is at it */
    answer_whole(t.s, "d", 2, 20, 200);
    answer_whole(t.s, "d", 1, 10, 200);
    client_send(&c, bytes + 500, 500);
    client_finish(t.s, &c, 200);
    expect_heard(t.s, &t.e, 1, 10);
    expect_heard(t.s, &t.e, 2, 20);
    expect_heard(t.s, &t.e, 3, 1000);
    free(bytes);
    scene_end(&t);
}

/* Each is asked for its own files; both know of both. */
static void test_two_drops(void **state)
{
    struct client page;
    struct session e;
    struct scene t;

    scene_begin(&t, state);
    page_open(t.s, &page, "q");
    session_start(t.s, &e, "d2", "q", "other");
    ask(&t, 1);
    session_ask(&e, 1);
    until_told(t.s, &page, "d2", 1, 1);
    assert_int_equal(n_told(&page, "d", 1), 0);
    answer_whole(t.s, "d2", 1, 2000, 200);
    expect_heard(t.s, &e, 1, 2000);
    assert_int_equal(t.e.asks[1].n_begins, 0);
    kill(e.pid, SIGTERM);
    client_hears(t.s, &page, "\"label\":\"other\",\"state\":\"over\"", 1);
    client_hears(t.s, &t.page, "\"label\":\"other\",\"state\":\"over\"", 1);
    assert_int_equal(t.s->n_ended, 1);
    session_hang_up(t.s, &e);
    client_close(t.s, &page);
    answer_whole(t.s, "d", 1, 10, 200);
    expect_heard(t.s, &t.e, 1, 10);
    t.s->n_ended = 0;
    session_kill(t.s, &t.e);
    session_hang_up(t.s, &t.e);
    client_close(t.s, &t.page);
}

/* ---- what the session says ---- */

static void test_questions_in_pieces(void **state)
{
    struct scene t;

    scene_begin(&t, state);
    session_say(&t.e, "{\"ask\":1,\"do\":\"op");
    session_say(&t.e, "en\",\"path\":\"../..\\u0000\"}\n{\"ask\":2,\"do\":\"open\","
                      "\"path\":\"/\"}\nno question\n\n{\"ask\":\"3\"}\n[4]\n{\"ask\":5"
                      ",\"do\":\"open\",\"path\":\"\"}\n{\"ask\":6");
    until_told(t.s, &t.page, "d", 5, 1);
    assert_int_equal(client_count(&t.page, "event: ask\n"), 3);
    client_hears(t.s, &t.page, "\"do\":\"open\",\"path\":\"../..\\u0000\"}\n", 1);
    session_say(&t.e, ",\"do\":\"list\",\"after\":\"\"}\n");
    until_told(t.s, &t.page, "d", 6, 1);
    scene_end(&t);
}

static void test_a_line_that_does_not_end(void **state)
{
    struct text line = {0};
    struct scene t;

    scene_begin(&t, state);
    while (line.size < 60000)
        text_add(&line, "0123456789");
    session_say(&t.e, text_string(&line));
    session_say(&t.e, "\n");
    ask(&t, 1); /* that was not too long yet */
    session_say(&t.e, text_string(&line));
    session_say(&t.e, text_string(&line));
    client_hears(t.s, &t.page, "\"state\":\"over\"", 1);
    text_free(&line);
    scene_end(&t);
}

/* It has hung up, and what is on its way to it is for nobody. */
static void test_the_session_goes(void **state)
{
    char *bytes = bytes_of(1, 1000);
    struct client c;
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    answer_begin(t.s, &c, "d", 1, 1000);
    client_send(&c, bytes, 500);
    until_heard(t.s, &t.e, 1, 500);
    session_hang_up(t.s, &t.e);
    client_hears(t.s, &t.page, "\"state\":\"over\"", 1);
    client_send(&c, bytes + 500, 500);
    client_finish(t.s, &c, 410);
    assert_int_equal(t.s->n_ended, 0);
    session_kill(t.s, &t.e);
    assert_int_equal(t.s->n_ended, 1);
    client_close(t.s, &t.page);
    free(bytes);
}

/* All ends while an answer is under way: nothing is left, and nothing is touched. */
static void test_it_ends_in_the_midst(void **state)
{
    char *bytes = bytes_of(1, 1000);
    struct client c;
    struct scene t;

    scene_begin(&t, state);
    ask(&t, 1);
    ask(&t, 2);
    answer_begin(t.s, &c, "d", 1, 1000);
    client_send(&c, bytes, 500);
    until_heard(t.s, &t.e, 1, 500);
    kill(t.e.pid, SIGKILL);
    uv_close((uv_handle_t *)&c.tcp, NULL);
    uv_close((uv_handle_t *)&t.page.tcp, NULL);
    uv_close((uv_handle_t *)&t.e.pipe, NULL);
    stage_end(state); /* lets go of what is closing */
    text_free(&c.in);
    text_free(&t.page.in);
    text_free(&t.e.asks[1].bytes);
    text_free(&t.e.in);
    free(bytes);
    stage_begin(state);
}

/* ---- stories ---- */

/* One question on its way: pieces of an answer, of the page that is there. */
struct line_of_story {
    struct client c;
    size_t size, sent;
    char *bytes;
    bool is_answering;
};

struct story {
    struct scene t;
    struct line_of_story lines[STORY_ASKS + 1];
    unsigned n_asked, n_pages;
    char drop[16];
};

static void story_begin_answer(struct story *y, unsigned ask)
{
    struct line_of_story *l = &y->lines[ask];
    unsigned begun = y->t.e.asks[ask].n_begins;

    until_told(y->t.s, &y->t.page, y->drop, ask, 1);
    answer_begin(y->t.s, &l->c, y->drop, ask, l->size);
    l->sent = 0;
    l->is_answering = true;
    while (y->t.e.asks[ask].n_begins == begun)
        uv_run(&y->t.s->loop.uv, UV_RUN_ONCE);
}

/* Some of it, but not the end. */
static void story_send(struct line_of_story *l, size_t n)
{
    n = n < l->size - 1 - l->sent ? n : l->size - 1 - l->sent;
    if (n > 0)
        client_send(&l->c, l->bytes + l->sent, n);
    l->sent += n;
}

static void story_send_rest(struct line_of_story *l)
{
    client_send(&l->c, l->bytes + l->sent, l->size - l->sent);
    l->is_answering = false;
}

static void story_finish_answer(struct story *y, unsigned ask)
{
    struct line_of_story *l = &y->lines[ask];

    story_send_rest(l);
    client_finish(y->t.s, &l->c, 200);
    expect_heard(y->t.s, &y->t.e, ask, l->size);
}

/* The page has given its first answer up, and nobody has noticed. */
static void story_answer_anew(struct story *y, unsigned ask)
{
    struct line_of_story *l = &y->lines[ask];

    answer_whole(y->t.s, y->drop, ask, l->size, 200);
    expect_heard(y->t.s, &y->t.e, ask, l->size);
    story_send_rest(l);
    client_finish(y->t.s, &l->c, 410);
}

/* The drop notices, and asks the page once more. */
static void story_break_off(struct story *y, unsigned ask)
{
    unsigned before = n_told(&y->t.page, y->drop, ask);

    client_close(y->t.s, &y->lines[ask].c);
    y->lines[ask].is_answering = false;
    until_told(y->t.s, &y->t.page, y->drop, ask, before + 1);
}

/* What the old page still sends is for nobody. */
static void story_reload(struct story *y)
{
    struct stage *s = y->t.s;
    struct text target = {0};
    struct client c;

    client_close(s, &y->t.page);
    y->n_pages++;
    snprintf(y->drop, sizeof y->drop, "d%u", y->n_pages);
    text_add_format(&target, "p%u", y->n_pages);
    page_open(s, &y->t.page, text_string(&target));
    text_clear(&target);
    text_add_format(&target, "/drops?drop=%s&page=p%u&label=folder", y->drop,
                    y->n_pages);
    client_start(s, &c, "POST", text_string(&target), 0);
    client_hears(s, &c, "\"resumed\":true", 1);
    client_finish(s, &c, 200);
    text_free(&target);
    for (unsigned i = 1; i <= y->n_asked; i++)
        if (y->lines[i].is_answering) {
            story_send_rest(&y->lines[i]);
            client_finish(s, &y->lines[i].c, 410);
        }
}

static bool is_answered(const struct story *y, unsigned ask)
{
    return y->t.e.asks[ask].n_ends > 0;
}

static void story_ask(struct story *y)
{
    unsigned ask = ++y->n_asked;

    y->lines[ask].size = 1 + (roll(4) == 0 ? roll(BODY_MAX) * 10 : roll(2000));
    y->lines[ask].bytes = bytes_of(ask, y->lines[ask].size);
    session_ask(&y->t.e, ask);
}

static void story_step(struct story *y)
{
    unsigned what = roll(20), ask;

    if (what < 4 && y->n_asked < STORY_ASKS)
        story_ask(y);
    if (y->n_asked == 0)
        return;
    ask = 1 + roll(y->n_asked);
    if (what == 19 && roll(4) == 0)
        story_reload(y);
    else if (is_answered(y, ask))
        answer_whole(y->t.s, y->drop, ask, 10, 410);
    else if (!y->lines[ask].is_answering)
        story_begin_answer(y, ask);
    else if (what < 12)
        story_send(&y->lines[ask], 1 + roll(20000));
    else if (what < 14)
        story_answer_anew(y, ask);
    else if (what < 16)
        story_break_off(y, ask);
    else
        story_finish_answer(y, ask);
}

static void tell(unsigned seed)
{
    struct story *y = mem_new(1, sizeof *y);
    void *state;

    (void)seed;
    stage_begin(&state);
    scene_begin(&y->t, &state);
    snprintf(y->drop, sizeof y->drop, "d");
    for (unsigned i = 0; i < STORY_STEPS; i++)
        story_step(y);
    for (unsigned i = 1; i <= y->n_asked; i++) {
        if (is_answered(y, i))
            continue;
        if (!y->lines[i].is_answering)
            story_begin_answer(y, i);
        story_finish_answer(y, i);
    }
    for (unsigned i = 1; i <= y->n_asked; i++) {
        assert_int_equal(y->t.e.asks[i].n_ends, 1);
        free(y->lines[i].bytes);
    }
    scene_end(&y->t);
    stage_end(&state);
    free(y);
}

static void test_story(void **state)
{
    (void)state;
    dice_tell(tell);
}

#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, stage_begin, stage_end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(test_in_and_out_of_order),
        ON_STAGE(test_two_files_at_once),
        ON_STAGE(test_a_slice_twice),
        ON_STAGE(test_one_that_breaks_off),
        ON_STAGE(test_one_that_breaks_off_at_once),
        ON_STAGE(test_files_that_are_not_there),
        ON_STAGE(test_what_is_no_size),
        ON_STAGE(test_answers_to_nobody),
        ON_STAGE(test_nothing_is_kept),
        ON_STAGE(test_a_reload),
        ON_STAGE(test_the_same_page_again),
        ON_STAGE(test_two_drops),
        ON_STAGE(test_questions_in_pieces),
        ON_STAGE(test_a_line_that_does_not_end),
        ON_STAGE(test_the_session_goes),
        ON_STAGE(test_it_ends_in_the_midst),
        cmocka_unit_test(test_story),
    };
    int code = stage_session(argc, argv);

    if (code >= 0)
        return code;
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
