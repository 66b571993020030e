/*
 * Running the cases by CUnit, and counting them. See suite.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/lib/suite.h"

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conformance/lib/coverage.h"
#include "conformance/lib/options.h"

#define SEEN_MAX 64
#define TEXT_SIZE 512

struct suite_options suite_options;

/* The case that runs. */
static struct {
    char seen[SEEN_MAX][48]; /* "CREATE EXIST" */
    size_t seen_count;
    bool is_skipped;
} now;

static const struct suite *running;
static struct {
    unsigned passed, failed, skipped;
} counts;

/* ---- what a case says ------------------------------------------------------------------------ */

void suite_saw(const char *procedure, const char *status)
{
    char text[48];
    (void)snprintf(text, sizeof text, "%s %s", procedure, status);
    for (size_t i = 0; i < now.seen_count; i++) {
        if (strcmp(now.seen[i], text) == 0) {
            return;
        }
    }
    if (now.seen_count < SEEN_MAX) {
        memcpy(now.seen[now.seen_count++], text, sizeof text);
    }
}

static bool has_seen(const char *procedure, const char *status, size_t size)
{
    char text[48];
    (void)snprintf(text, sizeof text, "%s %.*s", procedure, (int)size, status);
    for (size_t i = 0; i < now.seen_count; i++) {
        if (strcmp(now.seen[i], text) == 0) {
            return true;
        }
    }
    return false;
}

bool suite_lacks(bool is_lacking, const char *format, ...)
{
    if (is_lacking) {
        va_list arguments;
        va_start(arguments, format);
        printf("skipped: %s: ", CU_get_current_test()->pName);
        (void)vprintf(format, arguments);
        printf("\n");
        va_end(arguments);
        now.is_skipped = true;
    }
    return is_lacking;
}

void suite_check(bool holds, const char *file, unsigned line, const char *format, ...)
{
    if (holds) {
        (void)CU_assertImplementation(CU_TRUE, line, "", file, "", CU_FALSE);
        return;
    }
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* a cut sentence is still one */
    va_end(arguments);
    (void)CU_assertImplementation(CU_FALSE, line, text, file, "", CU_TRUE);
}

void suite_check_equal(uint64_t actual, uint64_t expected, const char *file, unsigned line,
                       const char *what)
{
    suite_check(actual == expected, file, line, "%s is %llu, not %llu", what,
                (unsigned long long)actual, (unsigned long long)expected);
}

/* ---- around a case --------------------------------------------------------------------------- */

static const struct suite_case *case_named(const char *name, const struct suite_group **out_group)
{
    for (size_t i = 0; i < running->group_count; i++) {
        const struct suite_group *group = running->groups[i];
        for (size_t j = 0; j < group->count; j++) {
            if (strcmp(group->cases[j].name, name) == 0) {
                *out_group = group;
                return &group->cases[j];
            }
        }
    }
    return NULL;
}

/* "NOTEMPTY|EXIST": one of them. */
static bool has_seen_one(const char *procedure, const char *statuses, size_t size)
{
    const char *end = statuses + size;
    while (statuses < end) {
        size_t length = strcspn(statuses, "| ");
        if (has_seen(procedure, statuses, length)) {
            return true;
        }
        statuses += length + 1;
    }
    return false;
}

/* CUnit gives a test no argument; its name finds it. */
static void run_case(void)
{
    const struct suite_group *group = NULL;
    const struct suite_case *one = case_named(CU_get_current_test()->pName, &group);
    one->run();
    if (now.is_skipped) {
        return;
    }
    for (const char *at = one->provokes; *at;) {
        size_t size = strcspn(at, " ");
        suite_check(has_seen_one(group->procedure, at, size), __FILE__, __LINE__,
                    "%s did not answer %.*s, which this case is meant to provoke", group->procedure,
                    (int)size, at);
        at += size + strspn(at + size, " ");
    }
}

static void begin(void)
{
    now.seen_count = 0;
    now.is_skipped = false;
    if (running->case_begin) {
        running->case_begin();
    }
}

static void end(void)
{
    if (running->case_end) {
        running->case_end();
    }
}

static void completed(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failures)
{
    (void)suite;
    if (failures) {
        counts.failed++;
        printf("FAILED  %s\n", test->pName);
        for (const CU_FailureRecord *failure = failures; failure; failure = failure->pNext) {
            printf("        %s:%u: %s\n", failure->strFileName, failure->uiLineNumber,
                   failure->strCondition);
        }
    } else if (now.is_skipped) {
        counts.skipped++;
    } else {
        counts.passed++;
        printf("ok      %s\n", test->pName);
    }
    (void)fflush(stdout);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool is_wanted(const char *name, const char *wanted)
{
    return !wanted || strncmp(name, wanted, strlen(wanted)) == 0;
}

static bool add_group(const struct suite_group *group, const char *wanted)
{
    CU_pSuite suite =
        CU_add_suite_with_setup_and_teardown(group->procedure, NULL, NULL, begin, end);
    for (size_t i = 0; suite && i < group->count; i++) {
        if (is_wanted(group->cases[i].name, wanted) &&
            !CU_add_test(suite, group->cases[i].name, run_case)) {
            return false;
        }
    }
    return suite != NULL;
}

static int run(const struct suite *suite, const char *wanted)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return EXIT_FAILURE;
    }
    bool is_ready = true;
    for (size_t i = 0; i < suite->group_count && is_ready; i++) {
        is_ready = add_group(suite->groups[i], wanted);
    }
    if (!is_ready || !suite->start()) {
        CU_cleanup_registry();
        return EXIT_FAILURE;
    }
    CU_set_test_complete_handler(completed);
    (void)CU_run_all_tests(); /* what failed is counted */
    unsigned checks = CU_get_number_of_asserts();
    suite->stop();
    CU_cleanup_registry();
    printf("%s: %u cases, %u checks, %u skipped\n%u passed, %u failed\n", suite->name,
           counts.passed + counts.failed + counts.skipped, checks, counts.skipped, counts.passed,
           counts.failed);
    return counts.failed || counts.passed + counts.skipped == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void list(const struct suite *suite)
{
    for (size_t i = 0; i < suite->group_count; i++) {
        for (size_t j = 0; j < suite->groups[i]->count; j++) {
            printf("%s\n", suite->groups[i]->cases[j].name);
        }
    }
}

int suite_main(const struct suite *suite, int argc, char **argv)
{
    running = suite;
    struct suite_command command = {0};
    int status = options_parse(suite->name, argc, argv, &suite_options, &command);
    if (status) {
        return status > 0 ? EXIT_SUCCESS : 2;
    }
    if (command.does_list) {
        list(suite);
        return EXIT_SUCCESS;
    }
    if (command.explained) {
        return coverage_print(suite, command.explained) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return run(suite, command.only);
}
