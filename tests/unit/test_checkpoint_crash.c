/*
 * What may befall a checkpoint from outside: kill -9, a second process, damage, a full
 * disk, a file system without locks.  Other processes are this program again, under
 * another name of argv[0], as the lock is one between processes.
 */
#include "checkpoint_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/span.h"

enum { N_FILES = 20000, N_KILLS = 20 };

/* SEED in the environment runs the same again. */
static unsigned take_seed(void)
{
    const char *given = getenv("SEED");
    unsigned seed =
        given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();

    print_message("SEED=%u\n", seed);
    return seed;
}

static pid_t start(struct fixture *f, const char *as, int *output)
{
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *argv[] = {(char *)(uintptr_t)as, f->path, NULL};

        dup2(ends[1], STDOUT_FILENO);
        execv("/proc/self/exe", argv);
        _exit(99);
    }
    close(ends[1]);
    *output = ends[0];
    return pid;
}

/* What the other process wrote: one number; -1: nothing. */
static int run(struct fixture *f, const char *as)
{
    int output, status, number = -1;
    pid_t pid = start(f, as, &output);

    if (read(output, &number, sizeof number) != sizeof number)
        number = -1;
    close(output);
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    return number;
}

static void say(int number)
{
    if (write(STDOUT_FILENO, &number, sizeof number) != sizeof number)
        _exit(98);
}

/* ---- kill -9 ---- */

/* Sends file after file, and parts of the big one, and says what has been flushed. */
static int be_writer(struct fixture *f)
{
    if (open_again(f) != ERROR_NONE)
        return 1;
    for (unsigned i = first_to_do(f, N_FILES); i < N_FILES; i++) {
        note_both(f, i);
        if (i % 7 == 0) {
            if (flush(f) != ERROR_NONE)
                return 2;
            say((int)i + 1);
        }
    }
    return 0;
}

static void what_was_flushed_survives_kill(void **state)
{
    struct fixture f;
    unsigned seed = take_seed();

    (void)state;
    setup(&f);
    plan_files(&f, N_FILES);
    checkpoint_note_upload(f.cp, "z-big",
                           &(struct upload_note){.upload_id = "id",
                                                 .part_size = 10,
                                                 .block_size = 10,
                                                 .stamp = stamp_of(1 << 30, LONG_AGO_S),
                                                 .read_at_ns = READ_AT_S * second_ns});
    close_it(&f);
    for (unsigned i = 0; i < N_KILLS; i++) {
        int output, status, n_flushed = 0;
        pid_t pid = start(&f, "writer", &output);

        for (int k = rand_r(&seed) % 12; k >= 0; k--)
            if (read(output, &n_flushed, sizeof n_flushed) != sizeof n_flushed)
                break;
        for (unsigned spin = (unsigned)rand_r(&seed) % 200000; spin > 0; spin--)
            __asm__ volatile(""); /* anywhere between two reports */
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(output, &n_flushed, sizeof n_flushed) == sizeof n_flushed)
            continue;
        close(output);
        assert_int_equal(open_again(&f), ERROR_NONE);
        expect_flushed(&f, N_FILES, (unsigned)n_flushed);
        close_it(&f);
    }
    teardown(&f);
}

/* ---- two at once ---- */

static int be_second(struct fixture *f)
{
    say((int)open_again(f));
    return 0;
}

static void a_second_process_is_refused(void **state)
{
    struct fixture f;
    struct checkpoint *second;
    struct error err;
    bool lock_works;

    (void)state;
    setup(&f);
    for (int i = 0; i < 2; i++) { /* a new one, and one with a past */
        assert_int_equal(run(&f, "second"), ERROR_CONFLICT);
        assert_int_equal(checkpoint_open(&second, &f.loop, f.path, &lock_works, &err),
                         -1);
        assert_int_equal(err.kind, ERROR_CONFLICT);
        assert_int_equal(run(&f, "second"), ERROR_CONFLICT);
        plan_files(&f, 10);
        reopen(&f);
    }
    close_it(&f);
    assert_int_equal(run(&f, "second"), ERROR_NONE);
    teardown(&f);
}

/* ---- no locks ---- */

static bool has_no_locks;

/* In place of the C library's, for SQLite and the checkpoint alike. */
static int fake_fcntl(int fd, int cmd, void *arg)
{
    if (has_no_locks && (cmd == F_SETLK || cmd == F_GETLK || cmd == F_SETLKW)) {
        errno = ENOLCK;
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, cmd, arg);
}

int fcntl(int fd, int cmd, ...)
{
    va_list args;
    void *arg;

    va_start(args, cmd);
    arg = va_arg(args, void *);
    va_end(args);
    return fake_fcntl(fd, cmd, arg);
}

int fcntl64(int fd, int cmd, ...)
{
    va_list args;
    void *arg;

    va_start(args, cmd);
    arg = va_arg(args, void *);
    va_end(args);
    return fake_fcntl(fd, cmd, arg);
}

static void without_locks_it_works_and_says_so(void **state)
{
    struct fixture f;

    (void)state;
    setup_closed(&f);
    has_no_locks = true;
    assert_int_equal(open_again(&f), ERROR_NONE);
    assert_false(f.lock_works);
    plan_files(&f, 10);
    reopen(&f);
    assert_false(f.lock_works);
    assert_int_equal(first_to_do(&f, 10), 0);
    close_it(&f);
    has_no_locks = false;
    assert_int_equal(open_again(&f), ERROR_NONE);
    assert_true(f.lock_works);
    teardown(&f);
}

/* ---- damage ---- */

static struct text read_file(const char *path)
{
    struct text bytes = {0};
    char buffer[4096];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        text_add_bytes(&bytes, buffer, (size_t)n);
    close(fd);
    return bytes;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

enum { N_STORED = 400 };

/* A stored file's line, or nothing, but never a wrong one (which is a fault of usage
 * here, to be told from all else: asserting is for the main thread). */
static int check_line(void *ctx, const struct manifest_line *line, struct error *err)
{
    unsigned i = (unsigned)strtoul(line->entry.path + 1, NULL, 10);
    struct digest hash = digest_like(i);
    unsigned *n = ctx;
    char name[16];

    ++*n;
    name_of(name, i);
    if (strcmp(line->entry.path, name) == 0 &&
        line->entry.stamp.mtime_ns == LONG_AGO_S * second_ns && line->has_hash &&
        digest_is_same(&line->hash, &hash))
        return 0;
    return error_set(err, ERROR_USAGE, 0, "wrong: %s", line->entry.path);
}

static bool is_sane(enum error_kind kind)
{
    return kind == ERROR_NONE || kind == ERROR_CORRUPT;
}

/* Use it as a session would.  Whatever it holds: it is right, or found to be damaged.
 */
static enum error_kind use(struct fixture *f)
{
    struct plan_batch batch = {0};
    struct entry_batch walked = {0};
    enum error_kind kind = open_again(f);
    unsigned n_lines = 0;

    if (!is_sane(kind))
        fail_msg("%s: %s", error_kind_name(kind), f->err.text);
    if (kind != ERROR_NONE)
        return kind;
    checkpoint_export(f->cp, 0, check_line, &n_lines, on_done, f);
    kind = answer(f);
    if (!is_sane(kind) && kind != ERROR_INTERNAL) /* that one says: files are missing */
        fail_msg("%s: %s", error_kind_name(kind), f->err.text);
    assert_true(kind != ERROR_NONE || n_lines == N_STORED || n_lines == 0);
    checkpoint_next(f->cp, "", 100, &batch, on_done, f);
    assert_true(is_sane(answer(f)));
    plan_batch_free(&batch);
    add_file(&walked, "f000100", 1, LONG_AGO_S + 1);
    add_file(&walked, "new", 1, LONG_AGO_S + 1);
    checkpoint_plan(f->cp, &walked, on_done, f);
    assert_true(is_sane(answer(f)));
    entry_batch_free(&walked);
    checkpoint_plan_end(f->cp, on_done, f);
    assert_true(is_sane(answer(f)));
    kind = flush(f);
    if (!is_sane(kind))
        fail_msg("%s: %s", error_kind_name(kind), f->err.text);
    close_it(f);
    return kind;
}

static struct text sound_bytes(struct fixture *f)
{
    struct entry_batch batch = {0};
    char name[16];

    for (unsigned i = 0; i < N_STORED; i++) {
        name_of(name, i);
        add_file(&batch, name, 1, LONG_AGO_S);
    }
    walk(f, &batch);
    for (unsigned i = 0; i < N_STORED; i++) {
        name_of(name, i);
        store(f, name, stamp_of(1, LONG_AGO_S), READ_AT_S, i);
    }
    close_it(f);
    return read_file(f->path);
}

static enum error_kind use_bytes(struct fixture *f, const void *bytes, size_t size)
{
    remove_files(f);
    write_file(f->path, bytes, size);
    return use(f);
}

static void damage_is_found_or_harmless(void **state)
{
    static const char text[] =
        "This is no data base.  Just a note somebody left here.\n";
    struct fixture f;
    struct text sound, damaged = {0};
    unsigned seed = take_seed(), n_found = 0;

    (void)state;
    setup(&f);
    sound = sound_bytes(&f);
    assert_int_equal(use_bytes(&f, sound.data, sound.size), ERROR_NONE);
    assert_int_equal(use_bytes(&f, "", 0), ERROR_NONE); /* as a new one */
    assert_int_equal(use_bytes(&f, text, sizeof text), ERROR_CORRUPT);
    assert_int_equal(use_bytes(&f, sound.data, 100), ERROR_CORRUPT);
    assert_int_equal(use_bytes(&f, sound.data, sound.size / 2), ERROR_CORRUPT);
    for (unsigned i = 0; i < 100; i++) {
        size_t at = (size_t)rand_r(&seed) % sound.size;
        size_t n = i % 2 == 0 ? 1 : 1 + (size_t)rand_r(&seed) % 5000;

        text_clear(&damaged);
        text_add_bytes(&damaged, sound.data, sound.size);
        for (; n > 0 && at < sound.size; n--)
            damaged.data[at++] ^= (char)(1 + rand_r(&seed) % 255);
        n_found += use_bytes(&f, damaged.data, damaged.size) == ERROR_CORRUPT;
    }
    assert_true(n_found > 30);
    text_free(&damaged);
    text_free(&sound);
    teardown(&f);
}

/* Bytes of the header, by the SQLite file format: user_version at 60, application_id at
 * 68. */
static void foreign_files_are_refused(void **state)
{
    static const size_t places[] = {63, 71};
    struct fixture f;
    struct text sound;

    (void)state;
    setup(&f);
    sound = sound_bytes(&f);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct text kept;

        sound.data[places[i]]++;
        remove_files(&f);
        write_file(f.path, sound.data, sound.size);
        assert_int_equal(open_again(&f), ERROR_CORRUPT);
        kept = read_file(f.path); /* and left as it is */
        assert_int_equal(kept.size, sound.size);
        assert_memory_equal(kept.data, sound.data, sound.size);
        text_free(&kept);
        sound.data[places[i]]--;
    }
    text_free(&sound);
    teardown(&f);
}

/* ---- a full disk ---- */

/* Plan until the disk is full: its error stays, and what was committed is readable. */
static int fill(struct fixture *f)
{
    struct entry_batch batch = {0};
    struct plan_batch items = {0};
    enum error_kind kind = ERROR_NONE;
    char name[16];

    if (open_again(f) != ERROR_NONE)
        return 1;
    for (unsigned i = 0; i < 100000 && kind == ERROR_NONE; i += 1000) {
        entry_batch_clear(&batch);
        for (unsigned k = i; k < i + 1000; k++) {
            name_of(name, k);
            add_file(&batch, name, 1, LONG_AGO_S);
        }
        checkpoint_plan(f->cp, &batch, on_done, f);
        kind = answer(f);
        if (kind == ERROR_NONE)
            kind = flush(f);
    }
    entry_batch_free(&batch);
    if (kind != ERROR_FULL || flush(f) != ERROR_FULL)
        return 2;
    checkpoint_next(f->cp, "", 1, &items, on_done, f);
    kind = answer(f);
    plan_batch_free(&items);
    if (kind != ERROR_FULL)
        return 3;
    close_it(f);
    return 0;
}

/* Every row that is there is counted, and the other way about. */
static int expect_prefix(struct fixture *f)
{
    struct checkpoint_totals t;
    struct plan_batch items = {0};
    uint64_t n = 0;
    char after[16] = "";

    if (open_again(f) != ERROR_NONE)
        return 4;
    do {
        checkpoint_next(f->cp, after, 1000, &items, on_done, f);
        if (answer(f) != ERROR_NONE)
            return 5;
        n += items.n_items;
        if (items.n_items > 0)
            snprintf(after, sizeof after, "%s",
                     items.items[items.n_items - 1].entry.path);
    } while (items.n_items > 0);
    plan_batch_free(&items);
    checkpoint_totals(f->cp, &t);
    close_it(f);
    return t.files == n && n > 0 ? 0 : 6;
}

static int be_limited(struct fixture *f)
{
    struct rlimit limit = {.rlim_cur = 600000, .rlim_max = RLIM_INFINITY};

    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    say(fill(f));
    return 0;
}

/* On a small file system of our own; 77 where that may not be had. */
static int be_small_disk(struct fixture *f)
{
    int failed;

    if (unshare(CLONE_NEWNS) != 0 ||
        mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", f->dir, "tmpfs", 0, "size=600k") != 0) {
        say(77);
        return 0;
    }
    failed = fill(f);
    say(failed != 0 ? failed : expect_prefix(f)); /* the disk is still full */
    return 0;
}

static void a_full_disk_is_told(void **state)
{
    struct fixture f;
    int result;

    (void)state;
    setup_closed(&f);
    assert_int_equal(run(&f, "limited"), 0);
    assert_int_equal(expect_prefix(&f), 0); /* now there is room again */
    result = run(&f, "small-disk");
    assert_true(result == 0 || result == 77);
    teardown(&f);
}

/* ---- */

static int be(const char *as, const char *path)
{
    struct fixture f = {0};
    char *slash;

    snprintf(f.path, sizeof f.path, "%s", path);
    snprintf(f.dir, sizeof f.dir, "%s", path);
    slash = strrchr(f.dir, '/');
    if (slash == NULL || loop_open(&f.loop) != 0)
        return 97;
    *slash = '\0';
    if (strcmp(as, "writer") == 0)
        return be_writer(&f);
    if (strcmp(as, "second") == 0)
        return be_second(&f);
    if (strcmp(as, "limited") == 0)
        return be_limited(&f);
    return be_small_disk(&f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_flushed_survives_kill),
        cmocka_unit_test(a_second_process_is_refused),
        cmocka_unit_test(without_locks_it_works_and_says_so),
        cmocka_unit_test(damage_is_found_or_harmless),
        cmocka_unit_test(foreign_files_are_refused),
        cmocka_unit_test(a_full_disk_is_told),
    };

    if (argc > 1)
        _exit(be(argv[0], argv[1])); /* no leak check: it ends in the midst of things */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
