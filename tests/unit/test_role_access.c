/*
 * A registered role in use, on the fake server: assumed, used to open a bucket, assumed
 * anew before its keys end; refused; given up while it is asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/role_access.h"
#include "transfer/store.h"

#include "remove_tree.h"

enum { NO_SERVER = 77 };

struct fixture {
    char folder[64], endpoint[64];
    pid_t server;
    struct loop loop;
    struct paths paths;
    struct cluster cluster;
    struct config_role role;
    struct role_access access;
};

/* Roles that are said to live for two seconds, and live longer. */
static const char behaviour[] = "external_id=the-id,role_life_s=2,role_grace_s=60";

static unsigned wait_for_port(const struct fixture *f, const char *file)
{
    unsigned port = 0;

    for (int i = 0; i < 2000 && waitpid(f->server, NULL, WNOHANG) == 0; i++) {
        FILE *stream = fopen(file, "r");

        if (stream != NULL) {
            if (fscanf(stream, "%u", &port) != 1)
                port = 0;
            fclose(stream);
            return port;
        }
        usleep(10 * 1000);
    }
    return 0;
}

static int start_server(struct fixture *f)
{
    char file[96];
    unsigned port;

    snprintf(file, sizeof file, "%s/port", f->folder);
    f->server = fork();
    if (f->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execl("/usr/bin/python3", "/usr/bin/python3", GRID_GOLDEN_DIR "/../fake/s3.py",
              "--port-file", file, "--behaviour", behaviour, "--bucket", "test",
              (char *)NULL);
        _exit(127);
    }
    port = wait_for_port(f, file);
    snprintf(f->endpoint, sizeof f->endpoint, "http://127.0.0.1:%u", port);
    return port != 0 ? 0 : -1;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    snprintf(f->folder, sizeof f->folder, "/tmp/test_role_access.XXXXXX");
    if (mkdtemp(f->folder) == NULL || loop_open(&f->loop) != 0)
        return -1;
    if (start_server(f) != 0) {
        fprintf(stderr, "SKIPPED: the fake S3 server does not start\n");
        exit(NO_SERVER);
    }
    setenv("HOME", f->folder, 1);
    setenv("AWS_ACCESS_KEY_ID", "testaccesskey0000001", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "testsecretkey00000000000000000000000001", 1);
    setenv("AWS_ENDPOINT_URL_S3", f->endpoint, 1);
    unsetenv("AWS_ENDPOINT_URL_STS");
    f->paths.config_dir = f->folder;
    f->cluster = (struct cluster){.name = "env", .store = "s3://other/place"};
    f->role = (struct config_role){.id = "reader",
                                   .role_arn = "arn:aws:iam::000000000002:role/reader",
                                   .external_id = "the-id"};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    role_access_stop(&f->access);
    loop_close(&f->loop);
    role_access_free(&f->access);
    kill(f->server, SIGTERM);
    waitpid(f->server, NULL, 0);
    remove_tree(f->folder);
    free(f);
    return 0;
}

static void init(struct fixture *f)
{
    role_access_init(&f->access, &f->role, &f->cluster, &f->paths, &f->loop);
}

/* ---- a bucket that is opened with it ---- */

static void on_done(struct store_op *op, void *ctx)
{
    bool *is_over = ctx;

    (void)op;
    *is_over = true;
}

static void list_bucket(struct fixture *f, struct store *store)
{
    struct store_op op = {.verb = STORE_LIST, .key = "", .done = on_done};
    bool is_over = false;

    op.ctx = &is_over;
    store_start(store, &op);
    loop_run_until(&f->loop, &is_over);
    assert_int_equal(op.err.kind, ERROR_NONE);
    store_end_list(store, &op);
    store_op_clear(&op);
}

static void opens_a_bucket_and_stays_good(void **state)
{
    struct fixture *f = *state;
    struct s3_options s3 = {.endpoint = f->endpoint};
    struct budget *budget = budget_new(&f->loop, 8 << 20);
    struct store_options options = {.loop = &f->loop, .budget = budget, .s3 = &s3};
    struct s3_keys keys;
    struct store *store;
    struct error err;
    char first[64];

    init(f);
    assert_int_equal(role_access_find(&f->access, &err), 0);
    role_access_sign(&f->access, &s3);
    assert_int_equal(store_open(&store, &options, "s3://test", &err), 0);
    list_bucket(f, store);
    assert_int_equal(s3.keys(s3.keys_ctx, &keys, &err), 0);
    assert_memory_equal(keys.access_key, "ASIA", 4);
    snprintf(first, sizeof first, "%s", keys.access_key);
    do { /* each request asks for the keys, and has them looked for when they are due */
        list_bucket(f, store);
        assert_int_equal(s3.keys(s3.keys_ctx, &keys, &err), 0);
    } while (strcmp(keys.access_key, first) == 0);
    list_bucket(f, store);
    store_close(store);
    while (uv_run(&f->loop.uv, UV_RUN_NOWAIT) != 0 && f->loop.first != NULL)
        continue;
    budget_free(budget);
}

/* ---- who does not get it ---- */

static void another_external_id_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err;

    f->role.external_id = "another-id";
    init(f);
    assert_int_equal(role_access_find(&f->access, &err), -1);
    assert_int_equal(err.kind, ERROR_AUTH);
    assert_non_null(strstr(err.text, f->role.role_arn));
}

static void a_folder_has_the_keys_of_the_aws_tools(void **state)
{
    struct fixture *f = *state;
    struct error err;

    f->cluster.name = "local";
    f->cluster.store = "file:///somewhere";
    init(f);
    assert_int_equal(role_access_find(&f->access, &err), 0);
}

static void says_whose_keys_they_are(void **state)
{
    struct fixture *f = *state;
    char account[STS_ACCOUNT_MAX];
    struct error err;

    role_access_init(&f->access, NULL, &f->cluster, &f->paths, &f->loop);
    assert_int_equal(role_access_account(&f->access, account, &err), 0);
    assert_string_equal(account, "000000000001");
}

/* ---- from the loop ---- */

static void on_found(void *ctx)
{
    bool *is_over = ctx;

    *is_over = true;
}

static void is_found_from_the_loop(void **state)
{
    struct fixture *f = *state;
    bool is_over = false;

    init(f);
    role_access_start(&f->access, on_found, &is_over);
    assert_false(is_over);
    loop_run_until(&f->loop, &is_over);
    assert_int_equal(role_access_err(&f->access)->kind, ERROR_NONE);
}

/* After any number of turns of the loop. */
static void is_given_up_at_any_time(void **state)
{
    struct fixture *f = *state;

    for (unsigned turns = 0; turns < 40; turns++) {
        bool is_over = false;

        memset(&f->access, 0, sizeof f->access);
        init(f);
        role_access_start(&f->access, on_found, &is_over);
        for (unsigned i = 0; i < turns; i++)
            uv_run(&f->loop.uv, UV_RUN_NOWAIT);
        role_access_stop(&f->access);
        assert_true(is_over);
        role_access_free(&f->access);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_a_bucket_and_stays_good, setup, teardown),
        cmocka_unit_test_setup_teardown(another_external_id_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_folder_has_the_keys_of_the_aws_tools, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(says_whose_keys_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(is_found_from_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(is_given_up_at_any_time, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
