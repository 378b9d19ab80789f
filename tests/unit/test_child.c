/*
 * The program that is run is this one: /proc/self/exe with words of its own ("grid say
 * ..."), so that what a child does is written here, too.
 *
 * Stories of many children that talk in pieces of any size, end in every way, are held
 * and abandoned at any time; test_child SEED runs one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/ui/child.h"
#include "base/mem.h"
#include "base/span.h"
#include "base/text.h"

#include "dice.h"

enum { LINE_BYTES = 1 << 20, STORIES = 6, CAST = 12 };

/* ---- the child ---- */

static uint64_t number_of(const char *word)
{
    uint64_t n = 0;

    (void)text_parse_u64(word, &n);
    return n;
}

static void fill(FILE *file, size_t size)
{
    for (size_t i = 0; i < size; i++)
        fputc('a' + (int)(i % 23), file);
}

static void give_back(void)
{
    char bytes[1000];
    size_t n;

    while ((n = fread(bytes, 1, sizeof bytes, stdin)) > 0)
        fwrite(bytes, 1, n, stdout);
}

/* What the child of a seed says, and what becomes of it. */
struct part {
    struct text out, errors;
    int code; /* 128 + n: it is a signal */
};

static struct part part_of(unsigned seed)
{
    static const int codes[] = {0, 1, 75, 128 + SIGKILL, 128 + SIGTERM};
    struct part p = {0};

    dice_seed(seed);
    for (unsigned n = roll(40); n > 0; n--) {
        unsigned size = roll(8) == 0 ? roll(100000) : roll(60);

        for (unsigned i = 0; i < size; i++)
            text_add_bytes(&p.out, &(char){(char)('a' + roll(26))}, 1);
        if (n > 1 || roll(2) == 0)
            text_add(&p.out, "\n");
    }
    for (unsigned size = roll(2) * roll(20000); size > 0; size--)
        text_add(&p.errors, "e");
    p.code = codes[roll(ARRAY_SIZE(codes))];
    return p;
}

static int play_part(unsigned seed)
{
    struct part p = part_of(seed);
    size_t at = 0, step;

    for (; at < p.out.size; at += step) {
        step = 1 + roll(roll(2) == 0 ? 50 : 70000);
        step = step < p.out.size - at ? step : p.out.size - at;
        if (write(STDOUT_FILENO, p.out.data + at, step) != (ssize_t)step)
            _exit(99);
    }
    if (p.errors.size > 0 &&
        write(STDERR_FILENO, p.errors.data, p.errors.size) != (ssize_t)p.errors.size)
        _exit(99);
    if (p.code > 128)
        raise(p.code - 128);
    text_free(&p.out);
    text_free(&p.errors);
    return p.code;
}

static void wait_for_ever(void)
{
    printf("%d\n", (int)getpid());
    fflush(stdout);
    alarm(120); /* where the test has failed and nobody kills it */
    for (;;)
        pause();
}

static int be_child(char **words)
{
    const char *what = words[1], *more = words[2] != NULL ? words[2] : "";

    if (strcmp(what, "say") == 0)
        fputs(more, stdout);
    else if (strcmp(what, "fill") == 0)
        fill(stdout, number_of(more));
    else if (strcmp(what, "complain") == 0)
        fill(stderr, number_of(more));
    else if (strcmp(what, "exit") == 0)
        return (int)number_of(more);
    else if (strcmp(what, "die") == 0)
        raise((int)number_of(more));
    else if (strcmp(what, "echo") == 0)
        give_back();
    else if (strcmp(what, "variable") == 0)
        puts(getenv(more) != NULL ? getenv(more) : "-");
    else if (strcmp(what, "words") == 0)
        for (char **word = words; *word != NULL; word++)
            puts(*word);
    else if (strcmp(what, "wait") == 0)
        wait_for_ever();
    else if (strcmp(what, "part") == 0)
        return play_part((unsigned)number_of(more));
    if (strcmp(what, "fill") == 0 && words[3] != NULL)
        fputs(words[3], stdout);
    return 0;
}

/* ---- who has started it ---- */

struct fixture {
    struct loop loop;
    struct children all;
};

struct run {
    struct child *child; /* NULL: over, or abandoned */
    struct text out;     /* lines with an end, or bytes */
    size_t n_lines, longest;
    unsigned n_ended;
    int code;
    char errors[CHILD_ERRORS_MAX + 1];
    size_t abandon_at; /* lines; 0: never */
    bool has_line, is_over;
};

static void on_line(void *ctx, const char *line, size_t size)
{
    struct run *r = ctx;

    assert_non_null(r->child);
    assert_int_equal(strlen(line), size);
    text_add_bytes(&r->out, line, size);
    text_add(&r->out, "\n");
    r->n_lines++;
    r->longest = size > r->longest ? size : r->longest;
    r->has_line = true;
    if (r->n_lines == r->abandon_at) {
        child_abandon(r->child);
        r->child = NULL;
    }
}

static void on_bytes(void *ctx, const char *bytes, size_t size)
{
    struct run *r = ctx;

    text_add_bytes(&r->out, bytes, size);
}

static void on_ended(void *ctx, int code, const char *errors)
{
    struct run *r = ctx;

    assert_non_null(r->child); /* nobody who has gone is told */
    assert_int_equal(r->n_ended, 0);
    r->n_ended++;
    r->code = code;
    snprintf(r->errors, sizeof r->errors, "%s", errors);
    r->child = NULL;
    r->is_over = true;
}

static const struct child_events lines = {.line = on_line, .ended = on_ended},
                                 bytes = {.bytes = on_bytes, .ended = on_ended};

static void start(struct fixture *f, struct run *r, struct child_options o,
                  const char *const *words)
{
    o.all = &f->all;
    o.arguments = words;
    o.ctx = r;
    if (o.events == NULL)
        o.events = &lines;
    r->child = child_start(&o);
    assert_int_equal(r->n_ended, 0);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void finish(struct fixture *f, struct run *r)
{
    loop_run_until(&f->loop, &r->is_over);
}

static void until_none_is_left(struct fixture *f)
{
    while (f->all.first != NULL)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    assert_int_equal(f->all.n_running, 0);
}

static int begin(void **state)
{
    struct fixture *f = mem_new(1, sizeof *f);

    assert_int_equal(loop_open(&f->loop), 0);
    f->all.loop = &f->loop;
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    children_end(&f->all);
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    loop_close(&f->loop);
    free(f);
    return 0;
}

/* ---- how it ends ---- */

static void expect(struct fixture *f, const char *const *words, int code,
                   const char *out)
{
    struct run r = {0};

    start(f, &r, (struct child_options){0}, words);
    finish(f, &r);
    assert_int_equal(r.code, code);
    assert_string_equal(text_string(&r.out), out);
    assert_string_equal(r.errors, "");
    text_free(&r.out);
}

static void test_ends(void **state)
{
    struct fixture *f = *state;

    expect(f, WORDS("exit", "0"), 0, "");
    expect(f, WORDS("exit", "75"), 75, "");
    expect(f, WORDS("exit", "130"), 130, "");
    expect(f, WORDS("die", "9"), 128 + SIGKILL, "");
    expect(f, WORDS("die", "15"), 128 + SIGTERM, "");
    assert_null(f->all.first);
}

static void test_its_words(void **state)
{
    expect(*state, WORDS("words", "", "--name=a b", "$(x)"), 0,
           "grid\nwords\n\n--name=a b\n$(x)\n");
}

static void test_lines(void **state)
{
    struct fixture *f = *state;

    expect(f, WORDS("say", "one\n\ntwo\n"), 0, "one\n\ntwo\n");
    expect(f, WORDS("say", "{\"half\":"), 0, "{\"half\":\n");
    expect(f, WORDS("say", "whole\n{\"half\":"), 0, "whole\n{\"half\":\n");
    expect(f, WORDS("say", ""), 0, "");
}

static void test_bytes_as_they_come(void **state)
{
    struct fixture *f = *state;
    struct run r = {0};

    start(f, &r, (struct child_options){.events = &bytes},
          WORDS("fill", "3000000", "no end"));
    finish(f, &r);
    assert_int_equal(r.out.size, 3000006);
    for (size_t i = 0; i < 3000000; i++)
        assert_int_equal(r.out.data[i], 'a' + i % 23);
    assert_string_equal(r.out.data + 3000000, "no end");
    text_free(&r.out);
}

/* More than a read of the pipe, than the pipe, and than is kept. */
static void test_long_lines(void **state)
{
    static const char *const sizes[] = {"32767",   "32768",   "70000",   "1048575",
                                        "1048576", "1048577", "1060000", "5000000"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t size = number_of(sizes[i]);
        size_t kept = size < LINE_BYTES ? size : LINE_BYTES;
        struct run r = {0};

        start(f, &r, (struct child_options){0},
              WORDS("fill", sizes[i], "\nthe next\nhalf"));
        finish(f, &r);
        assert_int_equal(r.n_lines, 3);
        assert_int_equal(r.longest, kept);
        for (size_t j = 0; j < kept; j++)
            assert_int_equal(r.out.data[j], 'a' + j % 23);
        assert_string_equal(r.out.data + kept, "\nthe next\nhalf\n");
        text_free(&r.out);
    }
}

static void test_the_beginning_of_its_errors(void **state)
{
    static const char *const sizes[] = {"0", "1", "8191", "8192", "8193", "500000"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t size = number_of(sizes[i]);
        struct run r = {0};

        start(f, &r, (struct child_options){0}, WORDS("complain", sizes[i]));
        finish(f, &r);
        assert_int_equal(strlen(r.errors),
                         size < CHILD_ERRORS_MAX ? size : CHILD_ERRORS_MAX);
        for (size_t j = 0; r.errors[j] != '\0'; j++)
            assert_int_equal(r.errors[j], 'a' + j % 23);
        assert_int_equal(r.code, 0);
        text_free(&r.out);
    }
}

/* ---- what it is given ---- */

static void test_input_and_variable(void **state)
{
    struct fixture *f = *state;
    struct run r[4] = {0};
    struct text large = {0};

    while (large.size < 300000)
        text_add(&large, "secret key\n");
    start(f, &r[0], (struct child_options){.input = text_string(&large)},
          WORDS("echo"));
    start(f, &r[1], (struct child_options){0}, WORDS("echo"));
    start(f, &r[2], (struct child_options){.input = text_string(&large)},
          WORDS("exit", "4")); /* which does not read it */
    start(f, &r[3], (struct child_options){.variable = "TEST_CHILD=a=b"},
          WORDS("variable", "TEST_CHILD"));
    for (size_t i = 0; i < ARRAY_SIZE(r); i++)
        finish(f, &r[i]);
    assert_string_equal(text_string(&r[0].out), text_string(&large));
    assert_string_equal(text_string(&r[1].out), "");
    assert_int_equal(r[2].code, 4);
    assert_string_equal(text_string(&r[3].out), "a=b\n");
    for (size_t i = 0; i < ARRAY_SIZE(r); i++)
        text_free(&r[i].out);
    text_free(&large);
}

/* ---- held, and told to stop ---- */

static void until_it_waits(struct fixture *f, struct run *r)
{
    loop_run_until(&f->loop, &r->has_line);
}

static pid_t pid_of(const struct run *r)
{
    return (pid_t)strtol(text_string(&r->out), NULL, 10);
}

static void test_one_that_never_ends(void **state)
{
    struct fixture *f = *state;
    struct run r = {0};

    start(f, &r, (struct child_options){0}, WORDS("wait"));
    until_it_waits(f, &r);
    assert_int_equal(kill(pid_of(&r), 0), 0);
    child_abandon(r.child);
    r.child = NULL;
    until_none_is_left(f);
    assert_int_equal(kill(pid_of(&r), 0), -1); /* and no zombie of it is left */
    assert_int_equal(r.n_ended, 0);
    text_free(&r.out);
}

static void test_a_session_goes_on(void **state)
{
    struct fixture *f = *state;
    struct run r = {0};
    pid_t pid;

    start(f, &r, (struct child_options){.is_session = true}, WORDS("wait"));
    until_it_waits(f, &r);
    pid = pid_of(&r);
    assert_int_equal(getsid(pid), pid);
    child_abandon(r.child);
    for (unsigned i = 0; i < 10; i++)
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(kill(pid, 0), 0);
    assert_non_null(f->all.first);
    kill(pid, SIGKILL);
    until_none_is_left(f);
    text_free(&r.out);
}

static void test_abandoned_before_it_began(void **state)
{
    struct fixture *f = *state;
    struct run r = {0};

    start(f, &r, (struct child_options){0}, WORDS("say", "never"));
    child_abandon(r.child);
    r.child = NULL;
    assert_null(f->all.first);
    expect(f, WORDS("say", "x\n"), 0, "x\n");
    assert_int_equal(r.out.size, 0);
}

static void test_abandoned_by_its_own_line(void **state)
{
    struct fixture *f = *state;
    struct run r = {.abandon_at = 2};

    start(f, &r, (struct child_options){0}, WORDS("say", "1\n2\n3\n4"));
    until_none_is_left(f);
    assert_string_equal(text_string(&r.out), "1\n2\n");
    text_free(&r.out);
}

/* It stands still in a full pipe, and nothing is lost. */
static void test_held(void **state)
{
    struct fixture *f = *state;
    struct run r = {0}, other = {0};

    start(f, &r, (struct child_options){.events = &bytes}, WORDS("fill", "2000000"));
    child_hold(r.child, true);
    start(f, &other, (struct child_options){0}, WORDS("exit", "0"));
    finish(f, &other);
    assert_int_equal(r.out.size, 0);
    child_hold(r.child, false);
    while (r.out.size == 0)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    child_hold(r.child, true);
    child_hold(r.child, true);
    assert_true(r.out.size < 2000000);
    child_hold(r.child, false);
    finish(f, &r);
    assert_int_equal(r.out.size, 2000000);
    text_free(&r.out);
}

/* It has exited long since; its end is told behind what it said. */
static void test_held_to_its_end(void **state)
{
    struct fixture *f = *state;
    struct run r = {0};

    start(f, &r, (struct child_options){0}, WORDS("say", "last words"));
    child_hold(r.child, true);
    for (unsigned i = 0; i < 3; i++)
        expect(f, WORDS("exit", "0"), 0, "");
    assert_int_equal(r.n_ended, 0);
    child_hold(r.child, false);
    finish(f, &r);
    assert_string_equal(text_string(&r.out), "last words\n");
    text_free(&r.out);
}

/* What is held when it is abandoned does not stand in its pipe for ever. */
static void test_held_and_abandoned(void **state)
{
    struct fixture *f = *state;
    struct run r = {0}, other = {0};

    start(f, &r, (struct child_options){.events = &bytes, .is_session = true},
          WORDS("fill", "2000000"));
    child_hold(r.child, true);
    start(f, &other, (struct child_options){0}, WORDS("exit", "0"));
    finish(f, &other);
    child_abandon(r.child);
    until_none_is_left(f);
    assert_int_equal(r.out.size, 0);
}

/* ---- many ---- */

static void test_so_many_at_once(void **state)
{
    struct fixture *f = *state;
    struct run r[CHILDREN_AT_ONCE + 2] = {0}, session = {0};

    for (size_t i = 0; i < ARRAY_SIZE(r); i++)
        start(f, &r[i], (struct child_options){0}, WORDS("wait"));
    start(f, &session, (struct child_options){.is_session = true}, WORDS("say", "s\n"));
    for (size_t i = 0; i < CHILDREN_AT_ONCE; i++)
        until_it_waits(f, &r[i]);
    finish(f, &session); /* it has not waited */
    assert_int_equal(f->all.n_running, CHILDREN_AT_ONCE);
    assert_false(r[CHILDREN_AT_ONCE].has_line);
    child_abandon(r[2].child);
    r[2].child = NULL;
    until_it_waits(f, &r[CHILDREN_AT_ONCE]);
    assert_false(r[CHILDREN_AT_ONCE + 1].has_line);
    children_end(&f->all);
    assert_null(f->all.first);
    for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
        assert_int_equal(r[i].n_ended, i != 2);
        assert_int_equal(r[i].code, i != 2 ? -1 : 0);
        text_free(&r[i].out);
    }
    text_free(&session.out);
}

/* ---- one that cannot be started ---- */

static void allow_files(rlim_t n)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = n > 0 ? n : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void test_not_started(void **state)
{
    struct fixture *f = *state;
    struct run r = {0};

    start(f, &r, (struct child_options){0}, WORDS("exit", "0"));
    allow_files(3);
    finish(f, &r);
    allow_files(0);
    assert_int_equal(r.code, 1);
    assert_non_null(strstr(r.errors, "cannot start grid: "));
    assert_null(f->all.first);
    expect(f, WORDS("say", "x\n"), 0, "x\n");
}

static volatile sig_atomic_t n_signals;

static void on_signal(int number)
{
    (void)number;
    n_signals++;
}

static void on_abandon(void *ctx)
{
    struct run *r = ctx;

    child_abandon(r->child);
    r->child = NULL;
}

static void on_end_all(void *ctx)
{
    children_end(ctx);
}

/* Between the failure and its being told: there is no process that could be killed, and
 * 0 is the number of all of our own group. */
static void test_not_started_and_abandoned(void **state)
{
    struct fixture *f = *state;
    struct run r[2] = {0};
    struct deferred soon;

    setpgid(0, 0);
    signal(SIGTERM, on_signal);
    start(f, &r[0], (struct child_options){0}, WORDS("exit", "0"));
    loop_defer(&f->loop, &soon, on_abandon, &r[0]);
    allow_files(3);
    until_none_is_left(f);
    start(f, &r[1], (struct child_options){0}, WORDS("exit", "0"));
    loop_defer(&f->loop, &soon, on_end_all, &f->all);
    finish(f, &r[1]);
    for (unsigned i = 0; i < 10; i++)
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    allow_files(0);
    signal(SIGTERM, SIG_DFL);
    assert_int_equal(n_signals, 0);
    assert_int_equal(r[0].n_ended, 0);
    assert_int_equal(r[1].n_ended, 1);
    assert_int_equal(r[1].code, -1);
}

/* ---- stories ---- */

struct actor {
    struct run run;
    struct part part;
    bool is_abandoned, is_held;
};

static void check_actor(const struct actor *a)
{
    const struct text *told = &a->run.out, *said = &a->part.out;
    size_t size = told->size;

    if (size > said->size && told->data[size - 1] == '\n')
        size--; /* of a last line without an end */
    assert_true(size <= said->size);
    assert_memory_equal(text_string(told), text_string(said), size);
    if (a->is_abandoned)
        return;
    assert_int_equal(size, said->size);
    assert_int_equal(a->run.code, a->part.code);
    assert_int_equal(strlen(a->run.errors), a->part.errors.size < CHILD_ERRORS_MAX
                                                ? a->part.errors.size
                                                : CHILD_ERRORS_MAX);
}

static void meddle(struct actor *a)
{
    if (a->run.child == NULL)
        return;
    if (roll(60) == 0) {
        child_abandon(a->run.child);
        a->run.child = NULL;
        a->is_abandoned = true;
    } else if (a->is_held || roll(10) == 0) {
        a->is_held = !a->is_held;
        child_hold(a->run.child, a->is_held);
    }
}

static void let_go(struct actor *cast)
{
    for (unsigned i = 0; i < CAST; i++)
        if (cast[i].run.child != NULL)
            child_hold(cast[i].run.child, false);
}

static void tell(unsigned seed)
{
    struct actor cast[CAST] = {0};
    void *state;
    struct fixture *f;

    begin(&state);
    f = state;
    for (unsigned i = 0; i < CAST; i++) {
        struct text number = {0};

        text_add_format(&number, "%u", 1000 * seed + i);
        cast[i].part = part_of(1000 * seed + i);
        start(f, &cast[i].run,
              (struct child_options){.is_session = i % 5 == 0,
                                     .events = i % 3 == 0 ? &bytes : &lines},
              WORDS("part", text_string(&number)));
        text_free(&number);
    }
    dice_seed(seed);
    for (unsigned step = 0; f->all.first != NULL && step < 400; step++) {
        meddle(&cast[roll(CAST)]);
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    }
    let_go(cast);
    until_none_is_left(f);
    for (unsigned i = 0; i < CAST; i++) {
        assert_int_equal(cast[i].run.n_ended, !cast[i].is_abandoned);
        check_actor(&cast[i]);
        text_free(&cast[i].run.out);
        text_free(&cast[i].part.out);
        text_free(&cast[i].part.errors);
    }
    end(&state);
}

static void test_story(void **state)
{
    (void)state;
    dice_tell(tell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ends, begin, end),
        cmocka_unit_test_setup_teardown(test_its_words, begin, end),
        cmocka_unit_test_setup_teardown(test_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_bytes_as_they_come, begin, end),
        cmocka_unit_test_setup_teardown(test_long_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_the_beginning_of_its_errors, begin, end),
        cmocka_unit_test_setup_teardown(test_input_and_variable, begin, end),
        cmocka_unit_test_setup_teardown(test_one_that_never_ends, begin, end),
        cmocka_unit_test_setup_teardown(test_a_session_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(test_abandoned_before_it_began, begin, end),
        cmocka_unit_test_setup_teardown(test_abandoned_by_its_own_line, begin, end),
        cmocka_unit_test_setup_teardown(test_held, begin, end),
        cmocka_unit_test_setup_teardown(test_held_to_its_end, begin, end),
        cmocka_unit_test_setup_teardown(test_held_and_abandoned, begin, end),
        cmocka_unit_test_setup_teardown(test_so_many_at_once, begin, end),
        cmocka_unit_test_setup_teardown(test_not_started, begin, end),
        cmocka_unit_test_setup_teardown(test_not_started_and_abandoned, begin, end),
        cmocka_unit_test(test_story),
    };

    if (strcmp(argv[0], "grid") == 0 && argc > 1)
        return be_child(argv);
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    dice_stories(argc, argv, STORIES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
