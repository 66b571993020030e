/*
 * Goal: the base does what its headers say. Method: each module by itself; what writes to standard
 * error or ends the process does so in a child.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "backend/base/bytes.h"
#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/conf.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "backend/base/slice.h"

#define OUTPUT_SIZE_MAX (256 * 1024)

static char output[OUTPUT_SIZE_MAX + 1];
static size_t output_size;

/* Run function in a child; its standard error is then in output. The child's wait status. */
static int child_run(void (*function)(void))
{
    int ends[2];
    CU_ASSERT_FATAL(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = fork();
    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0}); /* leave no core file behind */
        function();
        _exit(0);
    }
    (void)close(ends[1]);
    output_size = 0;
    ssize_t got = 1;
    while (got > 0 && output_size < OUTPUT_SIZE_MAX) {
        got = read(ends[0], output + output_size, OUTPUT_SIZE_MAX - output_size);
        output_size += got > 0 ? (size_t)got : 0;
    }
    output[output_size] = '\0';
    (void)close(ends[0]);
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_every_code_has_name_text_and_errno(void)
{
    static const int codes[] = {
#define CODE_NUMBER(name, number, nearest, text) number,
        ERROR_LIST(CODE_NUMBER)
#undef CODE_NUMBER
    };
    size_t count = sizeof codes / sizeof codes[0];
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_TRUE(codes[i] > 1000);
        CU_ASSERT_TRUE(strlen(error_text(-codes[i])) > 10);
        CU_ASSERT_EQUAL(strncmp(error_name(-codes[i]), "E_", 2), 0);
        int nearest = error_errno(-codes[i]);
        CU_ASSERT_TRUE(nearest > 0 && nearest < 134);
        CU_ASSERT_PTR_NOT_NULL(strerrorname_np(nearest));
        for (size_t j = 0; j < i; j++) {
            CU_ASSERT_NOT_EQUAL(codes[i], codes[j]);
            CU_ASSERT_STRING_NOT_EQUAL(error_text(-codes[i]), error_text(-codes[j]));
        }
    }
    CU_ASSERT_STRING_EQUAL(error_name(-E_NO_QUORUM), "E_NO_QUORUM");
    CU_ASSERT_EQUAL(error_errno(-E_UNKNOWN_VOLUME), ENOENT);
}

static void test_an_errno_is_a_code(void)
{
    CU_ASSERT_STRING_EQUAL(error_name(-ENOENT), "ENOENT");
    CU_ASSERT_STRING_EQUAL(error_text(-ENOSPC), "No space left on device");
    CU_ASSERT_EQUAL(error_errno(-EDQUOT), EDQUOT);
}

static void test_any_number_has_some_name(void)
{
    static const int odd[] = {1, 5000, -5000, -134, INT_MAX, INT_MIN, INT_MIN + 1};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        CU_ASSERT_STRING_EQUAL(error_name(odd[i]), "?");
        CU_ASSERT_PTR_NOT_NULL(error_text(odd[i]));
        CU_ASSERT_EQUAL(error_errno(odd[i]), EIO);
    }
    CU_ASSERT_EQUAL(error_errno(0), 0);
}

static void fail_a_precondition(void)
{
    PRE(1 + 1 == 3);
}

static void keep_a_precondition(void)
{
    PRE(1 + 1 == 2);
}

static void test_a_failed_check_says_where_and_aborts(void)
{
    int status = child_run(fail_a_precondition);
    CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "base_test.c:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "fail_a_precondition: precondition failed: 1 + 1 == 3"));
    CU_ASSERT_EQUAL(child_run(keep_a_precondition), 0);
    CU_ASSERT_EQUAL(output_size, 0);
}

static void test_clocks_run(void)
{
    struct clock *clock = clock_real();
    uint64_t last = clock_monotonic_ns(clock);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_monotonic_ns(clock);
        CU_ASSERT_TRUE(now >= last);
        last = now;
    }
    time_t before = time(NULL);
    uint64_t wall = clock_wall_ns(clock);
    time_t after = time(NULL);
    /* time() may lag by a tick of the kernel's coarse clock */
    CU_ASSERT_TRUE(wall / NS_PER_S >= (uint64_t)before - 1);
    CU_ASSERT_TRUE(wall / NS_PER_S <= (uint64_t)after + 1);
}

static void write_some_lines(void)
{
    log_open("trivet-test", LOG_LEVEL_WARN);
    errno = EEXIST;
    log_info("not seen");
    log_warn("brick %s: lost %d", "gv0-1", 7);
    if (errno == EEXIST) {
        log_error("forged\n2026-11-20 ERROR \x1b[31mred\tü");
    }
}

static void test_lines_have_their_form(void)
{
    CU_ASSERT_EQUAL(child_run(write_some_lines), 0);
    regex_t form;
    CU_ASSERT_EQUAL_FATAL(
        regcomp(&form,
                "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{6}Z "
                "trivet-test\\[[0-9]+\\] WARN brick gv0-1: lost 7\n"
                "[^ ]+ trivet-test\\[[0-9]+\\] ERROR forged\\?2026-11-20 ERROR \\?\\[31mred\\?ü\n$",
                REG_EXTENDED | REG_NOSUB),
        0);
    CU_ASSERT_EQUAL(regexec(&form, output, 0, NULL, 0), 0);
    regfree(&form);
}

static void write_a_long_line(void)
{
    log_open("trivet-test", LOG_LEVEL_DEBUG);
    log_debug("%05000d", 1);
    log_debug("next");
}

static void test_a_long_line_is_cut(void)
{
    CU_ASSERT_EQUAL(child_run(write_a_long_line), 0);
    const char *end = strchr(output, '\n');
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT_TRUE(end - output > 1000 && end - output <= 2048);
    CU_ASSERT_PTR_NOT_NULL(strstr(end, "DEBUG next\n"));
}

#define WRITERS 4
#define LINES_PER_WRITER 400

static void *write_many_lines(void *context)
{
    for (int i = 0; i < LINES_PER_WRITER; i++) {
        log_error("%s", (const char *)context);
    }
    return NULL;
}

static void write_from_threads(void)
{
    static char texts[WRITERS][101];
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        memset(texts[i], 'a' + i, 100);
        if (pthread_create(&threads[i], NULL, write_many_lines, texts[i])) {
            _exit(1);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void test_lines_of_threads_are_not_mixed(void)
{
    CU_ASSERT_EQUAL(child_run(write_from_threads), 0);
    int lines = 0;
    int mixed = 0;
    char *rest = output;
    for (char *line = strsep(&rest, "\n"); line && *line; line = strsep(&rest, "\n")) {
        size_t size = strlen(line);
        lines++;
        mixed += size < 100 || strspn(line + size - 100, &line[size - 1]) != 100;
    }
    CU_ASSERT_EQUAL(lines, WRITERS * LINES_PER_WRITER);
    CU_ASSERT_EQUAL(mixed, 0);
}

static void test_levels_are_read(void)
{
    enum log_level level = LOG_LEVEL_ERROR;
    CU_ASSERT_EQUAL(log_level_parse("debug", &level), 0);
    CU_ASSERT_EQUAL(level, LOG_LEVEL_DEBUG);
    CU_ASSERT_EQUAL(log_level_parse("Warn", &level), 0);
    CU_ASSERT_EQUAL(level, LOG_LEVEL_WARN);
    CU_ASSERT_EQUAL(log_level_parse("loud", &level), -EINVAL);
    CU_ASSERT_EQUAL(level, LOG_LEVEL_WARN);
}

static void test_numbers_in_bytes_are_big_endian(void)
{
    uint8_t bytes[32];
    uint8_t *to = bytes + 1;
    bytes_put_u8(&to, 0x01);
    bytes_put_u16(&to, 0x0203);
    bytes_put_u32(&to, 0x04050607);
    bytes_put_u64(&to, 0x08090a0b0c0d0e0f);
    bytes_put(&to, NULL, 0);
    CU_ASSERT_PTR_EQUAL(to, bytes + 16);
    for (uint8_t i = 1; i < 16; i++) {
        CU_ASSERT_EQUAL(bytes[i], i);
    }
    const uint8_t *from = bytes + 1;
    CU_ASSERT_EQUAL(bytes_get_u8(&from), 0x01);
    CU_ASSERT_EQUAL(bytes_get_u16(&from), 0x0203);
    CU_ASSERT_EQUAL(bytes_get_u32(&from), 0x04050607);
    CU_ASSERT_EQUAL(bytes_get_u64(&from), 0x08090a0b0c0d0e0f);
    CU_ASSERT_PTR_EQUAL(from, bytes + 16);
}

static void test_a_seed_repeats_its_sequence(void)
{
    struct random_sequence a;
    struct random_sequence b;
    random_sequence_init(&a, 0);
    random_sequence_init(&b, 0);
    CU_ASSERT_EQUAL(a.state[0], 0xe220a8397b1dcdaf); /* splitmix64's first number for seed 0 */
    for (int i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL(random_sequence_next(&a), random_sequence_next(&b));
    }
    random_sequence_init(&b, 1);
    CU_ASSERT_NOT_EQUAL(random_sequence_next(&a), random_sequence_next(&b));
    CU_ASSERT_TRUE(random_sequence_below(&a, 3) < 3);
    uint8_t bytes[19] = {0};
    random_sequence_bytes(&a, bytes, 18);
    CU_ASSERT_EQUAL(bytes[18], 0);
    CU_ASSERT_NOT_EQUAL(random_id(), random_id());
}

static int held_fd;

static void *hand_over(int *out_fd)
{
    AUTO_CLOSE int kept = dup(STDERR_FILENO);
    AUTO_CLOSE int given = dup(STDERR_FILENO);
    AUTO_FREE void *freed = malloc(10);
    AUTO_FREE void *taken = malloc(10);
    (void)freed;
    held_fd = kept;
    *out_fd = TAKE_FD(given);
    return TAKE(taken);
}

static void test_a_scope_ends_what_was_not_taken(void)
{
    int fd = -1;
    void *taken = hand_over(&fd);
    CU_ASSERT_PTR_NOT_NULL(taken);
    CU_ASSERT_TRUE(fcntl(fd, F_GETFD) >= 0);
    CU_ASSERT_EQUAL(fcntl(held_fd, F_GETFD), -1);
    (void)close(fd);
    free(taken);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    {
        AUTO_LOCK(&mutex);
        CU_ASSERT_EQUAL(pthread_mutex_trylock(&mutex), EBUSY);
    }
    CU_ASSERT_EQUAL(pthread_mutex_trylock(&mutex), 0);
    pthread_mutex_unlock(&mutex);
}

/* What a file of text gives: entries as "line[section]key=value;", or the error. */
struct conf_result {
    int status;
    char entries[1024];
    char error[CONF_ERROR_SIZE];
};

static int collect(void *context, const struct conf_entry *entry, char *error, size_t error_size)
{
    struct conf_result *result = context;
    unsigned long number = 0;
    int flag = 0;
    if (strcmp(entry->key, "count") == 0) {
        return conf_number(entry, 1, 9, &number, error, error_size);
    }
    if (strcmp(entry->key, "flag") == 0) {
        return conf_flag(entry, &flag, error, error_size);
    }
    if (strcmp(entry->key, "silent") == 0) {
        return -EPERM;
    }
    size_t used = strlen(result->entries);
    (void)snprintf(result->entries + used, sizeof result->entries - used, "%u[%s]%s=%s;",
                   entry->line, entry->section, entry->key, entry->value);
    return 0;
}

static void conf_of(const char *text, size_t size, struct conf_result *out_result)
{
    const char *folder = getenv("TMPDIR");
    char path[256];
    (void)snprintf(path, sizeof path, "%.200s/base_test.XXXXXX", folder ? folder : "/tmp");
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, size), (ssize_t)size);
    (void)close(fd);
    memset(out_result, 0, sizeof *out_result);
    out_result->status = conf_read(path, collect, out_result, out_result->error);
    (void)unlink(path);
    size_t prefix = strlen(path);
    if (strncmp(out_result->error, path, prefix) == 0) {
        memmove(out_result->error, out_result->error + prefix,
                strlen(out_result->error + prefix) + 1);
    }
}

static void test_configuration_is_read_in_order(void)
{
    static struct conf_result result;
    static const char text[] = "# comment\nport = 2049\n\n[/gv0]\n  clients = a, b ; why\n"
                               "; comment\nempty =\ncount = 9\nflag = Yes\n[x]\nlast=1";
    conf_of(text, sizeof text - 1, &result);
    CU_ASSERT_EQUAL(result.status, 0);
    CU_ASSERT_STRING_EQUAL(result.entries,
                           "2[]port=2049;5[/gv0]clients=a, b;7[/gv0]empty=;11[x]last=1;");
}

static void test_configuration_errors_say_where(void)
{
    static const struct {
        const char *text;
        int status;
        const char *error;
    } bad[] = {
        {"a=1\nnonsense\nb=2\n", -EINVAL, ":2: the line is neither"},
        {"[open\n", -EINVAL, ":1: the line is neither"},
        {"a=1\n\ncount = 10\n", -EINVAL, ":3: count must be a number from 1 to 9, not \"10\""},
        {"count = 0\n", -EINVAL, ":1: count must be"},
        {"count = -1\n", -EINVAL, ":1: count must be"},
        {"count = 3x\n", -EINVAL, ":1: count must be"},
        {"count = 99999999999999999999999\n", -EINVAL, ":1: count must be"},
        {"flag = maybe\n", -EINVAL, ":1: flag must be yes or no, not \"maybe\""},
        {"silent = 1\n", -EPERM, ":1: this key or value is not accepted"},
        {"nonsense\ncount = 10\n", -EINVAL, ":1: the line is neither"},
        {"[0123456789012345678901234567890123456789012345678]\na=1\ncount=a\n", -EINVAL,
         ":3: count must"},
        {"[01234567890123456789012345678901234567890123456789]\na=1\n", -EINVAL, ":1: the section"},
    };
    static struct conf_result result;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        conf_of(bad[i].text, strlen(bad[i].text), &result);
        CU_ASSERT_EQUAL(result.status, bad[i].status);
        CU_ASSERT_EQUAL(strncmp(result.error, bad[i].error, strlen(bad[i].error)), 0);
    }
    CU_ASSERT_EQUAL(conf_read("/nonexistent/x", collect, &result, result.error), -ENOENT);
    CU_ASSERT_STRING_EQUAL(result.error, "/nonexistent/x: No such file or directory");
}

static void test_a_line_may_be_long_but_not_endless(void)
{
    static struct conf_result result;
    static char text[20000];
    memset(text, 'x', sizeof text);
    memcpy(text, "a=", 2);
    text[8000] = '\n';
    conf_of(text, 8001, &result);
    CU_ASSERT_EQUAL(result.status, 0);
    conf_of(text, sizeof text, &result);
    CU_ASSERT_EQUAL(result.status, -EINVAL);
    CU_ASSERT_EQUAL(strncmp(result.error, ":2: the line is too long", 24), 0);
    conf_of("a=1\nb\0=2\nc=1\n", 13, &result);
    CU_ASSERT_EQUAL(result.status, -EINVAL);
}

static void test_slices_compare_by_bytes(void)
{
    CU_ASSERT_TRUE(slice_equal(slice_text("ab"), slice_of("abc", 2)));
    CU_ASSERT_FALSE(slice_equal(slice_text("ab"), slice_text("ac")));
    CU_ASSERT_TRUE(slice_equal(slice_of(NULL, 0), slice_text("")));
}

#define TEST(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_every_code_has_name_text_and_errno),
        TEST(test_an_errno_is_a_code),
        TEST(test_any_number_has_some_name),
        TEST(test_a_failed_check_says_where_and_aborts),
        TEST(test_clocks_run),
        TEST(test_lines_have_their_form),
        TEST(test_a_long_line_is_cut),
        TEST(test_lines_of_threads_are_not_mixed),
        TEST(test_levels_are_read),
        TEST(test_numbers_in_bytes_are_big_endian),
        TEST(test_a_seed_repeats_its_sequence),
        TEST(test_a_scope_ends_what_was_not_taken),
        TEST(test_configuration_is_read_in_order),
        TEST(test_configuration_errors_say_where),
        TEST(test_a_line_may_be_long_but_not_endless),
        TEST(test_slices_compare_by_bytes),
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {
        {.pName = "base", .pTests = tests},
        CU_SUITE_INFO_NULL,
    };
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    int failures = (int)CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
