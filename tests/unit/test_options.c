/* The command line: what is understood, what is refused, and in which words. */
#include "agent/options.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/nearest.h"
#include "agent/options_table.h"
#include "base/span.h"

enum { ARGS_MAX = 32 };

/* A command line cut at blanks, as options_parse() gets it. */
struct line {
    char *text;
    char *argv[ARGS_MAX];
    int argc;
};

static void cut(struct line *line, const char *text)
{
    char *rest;

    line->text = strdup(text);
    line->argc = 0;
    for (char *word = strtok_r(line->text, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest))
        line->argv[line->argc++] = word;
    line->argv[line->argc] = NULL;
}

/* ---- what is understood ---- */

static const struct {
    const char *line;
    enum command command;
    const char *positional[2];
} understood[] = {
    {"grid --version", COMMAND_VERSION, {0}},
    {"grid login --store s3://b", COMMAND_LOGIN, {0}},
    {"grid logout --cluster lab", COMMAND_LOGOUT, {0}},
    {"grid cluster delete lab", COMMAND_CLUSTER_DELETE, {"lab"}},
    {"grid user", COMMAND_USER, {0}},
    {"grid user --json", COMMAND_USER, {0}},
    {"grid user set-cluster-context lab", COMMAND_USER_SET_CONTEXT, {"lab"}},
    {"grid cluster", COMMAND_CLUSTER, {0}},
    {"grid datastore", COMMAND_LIST, {0}},
    {"grid datastore --global --json", COMMAND_LIST, {0}},
    {"grid datastore --cluster list", COMMAND_LIST, {0}},
    {"grid datastore list --show-incomplete", COMMAND_LIST, {0}},
    {"grid datastore --json list", COMMAND_LIST, {0}},
    {"grid --cluster lab datastore --json files a:1", COMMAND_FILES, {"a:1"}},
    {"grid datastore create ./folder", COMMAND_CREATE, {"./folder"}},
    {"grid datastore create --jobs 3 x --name=n", COMMAND_CREATE, {"x"}},
    {"grid datastore create --name n -- --odd", COMMAND_CREATE, {"--odd"}},
    {"grid datastore create -", COMMAND_CREATE, {"-"}},
    {"grid datastore resume", COMMAND_RESUME, {0}},
    {"grid datastore resume n ./x", COMMAND_RESUME, {"n", "./x"}},
    {"grid datastore status n --watch", COMMAND_STATUS, {"n"}},
    {"grid datastore stop n", COMMAND_STOP, {"n"}},
    {"grid datastore files n:2 train/", COMMAND_FILES, {"n:2", "train/"}},
    {"grid datastore verify --deep n", COMMAND_VERIFY, {"n"}},
    {"grid datastore delete --name n --version 2 --yes", COMMAND_DELETE, {0}},
    {"grid datastore delete --name n --incomplete", COMMAND_DELETE, {0}},
    {"grid datastore prune --name n --keep 3", COMMAND_PRUNE, {0}},
    {"grid datastore url n path", COMMAND_URL, {"n", "path"}},
    {"grid datastore clearcache", COMMAND_CLEARCACHE, {0}},
    {"grid datastore diff a:1 a:2", COMMAND_DIFF, {"a:1", "a:2"}},
};

static void expect_same(const char *a, const char *b)
{
    if (b == NULL)
        assert_null(a);
    else
        assert_string_equal(a, b);
}

static void understands(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(understood); i++) {
        struct options o;
        struct error err;
        struct line line;

        cut(&line, understood[i].line);
        if (options_parse(&o, line.argc, line.argv, &err) != 0)
            fail_msg("%s: %s", understood[i].line, err.text);
        assert_int_equal(o.command, understood[i].command);
        for (unsigned p = 0; p < 2; p++)
            expect_same(o.positional[p], understood[i].positional[p]);
        options_free(&o);
        free(line.text);
    }
}

static void fills_all_of_create(void **state)
{
    struct options o;
    struct error err;
    struct line line;

    (void)state;
    cut(&line, "grid datastore create --source s3://b/x --name data --cluster lab "
               "--symlinks keep --skip-unreadable --dry-run --json --quiet --jobs=16 "
               "--part-size 64M --max-memory=1.5GiB --fresh --take-over --no-delta "
               "--files-from list --jobs 8");
    if (options_parse(&o, line.argc, line.argv, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(o.source, "s3://b/x");
    assert_string_equal(o.name, "data");
    assert_string_equal(o.cluster, "lab");
    assert_string_equal(o.files_from, "list");
    assert_int_equal(o.symlinks, WALK_SYMLINKS_KEEP);
    assert_int_equal(o.jobs, 8);
    assert_int_equal(o.part_size, 64u << 20);
    assert_int_equal(o.max_memory, 3u << 29);
    assert_true(o.skip_unreadable && o.dry_run && o.json && o.quiet && o.fresh &&
                o.take_over && o.no_delta);
    assert_false(o.verbose);
    options_free(&o);
    free(line.text);
}

static void tells_no_limit_from_none_given(void **state)
{
    static const struct {
        const char *line;
        uint64_t bwlimit;
    } all[] = {
        {"grid datastore resume x", 0},
        {"grid datastore resume x --bwlimit 0", OPTIONS_NO_LIMIT},
        {"grid datastore resume x --bwlimit none", OPTIONS_NO_LIMIT},
        {"grid datastore create x --bwlimit 10M", 10 << 20},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        struct options o;
        struct error err;
        struct line line;

        cut(&line, all[i].line);
        if (options_parse(&o, line.argc, line.argv, &err) != 0)
            fail_msg("%s: %s", all[i].line, err.text);
        assert_true(o.bwlimit == all[i].bwlimit);
        options_free(&o);
        free(line.text);
    }
}

static void keeps_the_order_of_rules(void **state)
{
    struct options o;
    struct error err;
    struct line line;

    (void)state;
    cut(&line,
        "grid datastore create x --exclude *.tmp --include keep.tmp --exclude=*.o");
    assert_int_equal(options_parse(&o, line.argc, line.argv, &err), 0);
    assert_string_equal(o.source, "x");
    assert_false(filter_takes(o.filter, "a.tmp"));
    assert_true(filter_takes(o.filter, "keep.tmp"));
    assert_false(filter_takes(o.filter, "a.o"));
    options_free(&o);
    free(line.text);
    cut(&line, "grid datastore create x --include keep.tmp --exclude *.tmp");
    assert_int_equal(options_parse(&o, line.argc, line.argv, &err), 0);
    assert_false(filter_takes(o.filter, "keep.tmp"));
    options_free(&o);
    free(line.text);
}

static void reads_rules_from_a_file(void **state)
{
    char name[] = "/tmp/test_options.XXXXXX";
    int fd = mkstemp(name);
    struct options o;
    struct error err;
    char *argv[] = {(char *)"grid",
                    (char *)"datastore",
                    (char *)"create",
                    (char *)"--exclude-from",
                    name,
                    (char *)"x",
                    NULL};

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "*.tmp\n!keep.tmp\n", 16), 16);
    close(fd);
    assert_int_equal(options_parse(&o, 6, argv, &err), 0);
    assert_false(filter_takes(o.filter, "a.tmp"));
    assert_true(filter_takes(o.filter, "keep.tmp"));
    options_free(&o);
    unlink(name);
}

/* ---- what is refused ---- */

static const struct {
    const char *line;
    const char *words[3]; /* all of these are in the error */
} refused[] = {
    {"grid datastroe", {"datastroe", "did you mean grid datastore?"}},
    {"grid clutser", {"did you mean grid cluster?"}},
    {"grid create x", {"did you mean grid datastore create?"}},
    {"grid zzzzqqqq", {"zzzzqqqq", "grid --help"}},
    {"grid logn", {"did you mean grid login?"}},
    {"grid login --key a --key-stdin", {"--key-stdin"}},
    {"grid login --profile p --username u", {"--profile"}},
    {"grid login --cluster a/b", {"--cluster", "a/b"}},
    {"grid --verson", {"did you mean --version?"}},
    {"grid -v", {"unknown option \"-v\""}},
    {"grid datastore crate x", {"did you mean create?"}},
    {"grid datastore verfy x", {"did you mean verify?"}},
    {"grid datastore zzz", {"zzz", "grid datastore --help"}},
    {"grid user set-cluster-contex x", {"did you mean set-cluster-context?"}},
    {"grid datastore create . --exlude x", {"--exlude", "did you mean --exclude?"}},
    {"grid datastore create . --dryrun", {"did you mean --dry-run?"}},
    {"grid datastore create . --nmae=x", {"did you mean --name?"}},
    {"grid datastore create . --qqqqq", {"--qqqqq", "grid datastore create --help"}},
    {"grid datastore create . -x", {"-x"}},
    {"grid datastore create . --detached", {"did you mean --detach?"}},
    {"grid datastore create . --detach --dry-run", {"--detach", "--dry-run"}},
    {"grid datastore list --deep", {"--deep"}},
    {"grid datastore create", {"SOURCE", "grid datastore create ./folder"}},
    {"grid datastore create a b", {"\"b\"", "one argument too many", "example"}},
    {"grid datastore create . --source .", {"SOURCE is given twice", "--source"}},
    {"grid datastore create --source", {"--source needs a value", "example"}},
    {"grid datastore create . --name --json", {"--name needs a value"}},
    {"grid datastore create . --name", {"--name needs a value"}},
    {"grid datastore create . --name=", {"--name"}},
    {"grid datastore create . --name ../up", {"--name", "../up", "example"}},
    {"grid datastore create . --cluster=", {"--cluster is empty"}},
    {"grid datastore create . --json=yes", {"--json takes no value"}},
    {"grid datastore create . --jobs 0", {"--jobs", "\"0\"", "example"}},
    {"grid datastore create . --jobs -1", {"--jobs", "\"-1\""}},
    {"grid datastore create . --jobs many", {"--jobs", "many", "1 to 1024"}},
    {"grid datastore create . --jobs 1025", {"--jobs", "1024"}},
    {"grid datastore create . --jobs 18446744073709551617", {"--jobs"}},
    {"grid datastore create . --part-size -5", {"--part-size", "\"-5\"", "64M"}},
    {"grid datastore create . --part-size lots", {"--part-size"}},
    {"grid datastore create . --part-size 0", {"--part-size"}},
    {"grid datastore create . --part-size 99999999999999T", {"--part-size"}},
    {"grid datastore create . --max-memory x", {"--max-memory"}},
    {"grid datastore create . --bwlimit fast", {"--bwlimit", "\"fast\"", "10M"}},
    {"grid datastore create . --symlinks maybe",
     {"--symlinks", "follow, keep and skip"}},
    {"grid datastore create . --exclude-from /no/such", {"--exclude-from", "/no/such"}},
    {"grid datastore create . --exclude=", {"--exclude"}},
    {"grid datastore create . --quiet --verbose", {"--quiet", "--verbose"}},
    {"grid datastore files", {"NAME[:VERSION]", "is missing", "example"}},
    {"grid datastore files a b c", {"\"c\""}},
    {"grid datastore verify --deep", {"is missing"}},
    {"grid datastore clearcache x", {"\"x\"", "takes none"}},
    {"grid datastore delete --version 1", {"--name is missing", "example"}},
    {"grid datastore delete --name x", {"--version N or --incomplete"}},
    {"grid datastore delete --name x --version 1 --incomplete", {"either"}},
    {"grid datastore delete --name x --version one", {"--version", "one"}},
    {"grid datastore delete --name x --version 0", {"--version"}},
    {"grid datastore prune --name x", {"--keep is missing"}},
    {"grid datastore prune --keep 1", {"--name is missing"}},
    {"grid datastore prune --name x --keep -2", {"--keep", "-2"}},
    {"grid datastore prune --name x --keep 0", {"--keep"}},
    {"grid user set-cluster-context", {"NAME is missing"}},
};

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct options o;
        struct error err = {0};
        struct line line;

        cut(&line, refused[i].line);
        if (options_parse(&o, line.argc, line.argv, &err) != -1)
            fail_msg("%s is not refused", refused[i].line);
        assert_int_equal(err.kind, ERROR_USAGE);
        for (unsigned w = 0; w < 3 && refused[i].words[w] != NULL; w++)
            if (strstr(err.text, refused[i].words[w]) == NULL)
                fail_msg("%s: %s", refused[i].line, err.text);
        options_free(&o);
        free(line.text);
    }
}

/* Neither the process list nor an error shows it. */
static void hides_the_key(void **state)
{
    static const char *const lines[] = {"grid login --key s3cret --username u",
                                        "grid login --username u --key=s3cret",
                                        "grid login --kez=s3cret"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct options o;
        struct error err = {0};
        struct line line;
        bool is_understood;

        cut(&line, lines[i]);
        is_understood = options_parse(&o, line.argc, line.argv, &err) == 0;
        assert_int_equal(is_understood, i < 2);
        if (is_understood)
            assert_string_equal(o.key, "s3cret");
        for (int a = 0; is_understood && a < line.argc; a++)
            assert_null(strstr(line.argv[a], "s3cret"));
        assert_null(strstr(err.text, "s3cret"));
        options_free(&o);
        free(line.text);
    }
}

/* An empty argument is an argument. */
static void refuses_an_empty_source(void **state)
{
    char *argv[] = {(char *)"grid", (char *)"datastore", (char *)"create", (char *)"",
                    NULL};
    struct options o;
    struct error err = {0};

    (void)state;
    assert_int_equal(options_parse(&o, 4, argv, &err), -1);
    assert_non_null(strstr(err.text, "SOURCE"));
    options_free(&o);
}

/* ---- help ---- */

/* What options_parse() prints. */
static void capture(const char *text, struct text *out)
{
    struct options o;
    struct error err;
    struct line line;
    char bytes[8192];
    FILE *file = tmpfile();
    int saved;
    ssize_t n;

    assert_non_null(file);
    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    cut(&line, text);
    if (options_parse(&o, line.argc, line.argv, &err) == 0)
        assert_int_equal(o.command, COMMAND_HELP);
    options_free(&o);
    free(line.text);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    n = pread(fileno(file), bytes, sizeof bytes, 0);
    fclose(file);
    assert_true(n > 0);
    text_clear(out);
    text_add_bytes(out, bytes, (size_t)n);
}

static void expect_narrow(const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");

        if (size > 80)
            fail_msg("too wide: %.*s", (int)size, text);
        text += size + (text[size] == '\n');
    }
}

static void helps_with_every_command(void **state)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);
    struct text out = {0};

    (void)state;
    for (size_t i = 0; i < n; i++) {
        const struct command_spec *c = &commands[i];
        char line[200];

        snprintf(line, sizeof line, "grid %s %s -h", c->group,
                 c->word != NULL ? c->word : "");
        capture(line, &out);
        assert_non_null(strstr(text_string(&out), "Example:\n  grid "));
        expect_narrow(text_string(&out));
        for (const struct option_spec *o = options_next(c, NULL);
             c->word != NULL && o != NULL; o = options_next(c, o))
            assert_non_null(strstr(text_string(&out), o->name));
    }
    text_free(&out);
}

static void helps_at_the_top(void **state)
{
    static const char *const lines[] = {"grid", "grid --help", "grid -h", "grid help"};
    struct text out = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        capture(lines[i], &out);
        assert_non_null(strstr(text_string(&out), "datastore"));
        assert_non_null(strstr(text_string(&out), "create"));
        expect_narrow(text_string(&out));
    }
    capture("grid datastore --help", &out);
    assert_non_null(strstr(text_string(&out), "clearcache"));
    capture("grid help datastore create", &out);
    assert_non_null(strstr(text_string(&out), "--exclude-from"));
    capture("grid datastore create --jobs 0 --help", &out); /* help comes first */
    assert_non_null(strstr(text_string(&out), "--exclude-from"));
    text_free(&out);
}

/* Every example is a command line that is understood. */
static void examples_work(void **state)
{
    size_t n;
    const struct command_spec *commands = options_commands(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        struct options o;
        struct error err;
        struct line line;

        cut(&line, commands[i].example);
        if (options_parse(&o, line.argc, line.argv, &err) != 0)
            fail_msg("%s: %s", commands[i].example, err.text);
        assert_int_equal(o.command, commands[i].command);
        options_free(&o);
        free(line.text);
    }
}

static void finds_the_nearest(void **state)
{
    static const char *const words[] = {"create", "delete", "status", "stop"};
    char longest[1000];

    (void)state;
    assert_string_equal(nearest_word("crate", words, 4), "create");
    assert_string_equal(nearest_word("craete", words, 4), "create");
    assert_string_equal(nearest_word("stat", words, 4), "status");
    assert_string_equal(nearest_word("stpo", words, 4), "stop");
    assert_null(nearest_word("x", words, 4));
    assert_null(nearest_word("", words, 4));
    assert_null(nearest_word("creation-of", words, 4));
    assert_null(nearest_word("create", words, 0));
    memset(longest, 'c', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_null(nearest_word(longest, words, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands),
        cmocka_unit_test(fills_all_of_create),
        cmocka_unit_test(tells_no_limit_from_none_given),
        cmocka_unit_test(keeps_the_order_of_rules),
        cmocka_unit_test(reads_rules_from_a_file),
        cmocka_unit_test(refuses),
        cmocka_unit_test(hides_the_key),
        cmocka_unit_test(refuses_an_empty_source),
        cmocka_unit_test(helps_with_every_command),
        cmocka_unit_test(helps_at_the_top),
        cmocka_unit_test(examples_work),
        cmocka_unit_test(finds_the_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
