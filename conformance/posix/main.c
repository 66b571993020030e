/*
 * posix-suite: does a directory keep the rules of POSIX, and those of Linux beyond them? CUnit runs
 * one test per rule; each rule runs in a process and on a directory of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/posix/harness.h"

enum { PARTS_MAX = 64, STATUS_FAILED = 1, STATUS_USAGE = 2 };

static const char usage[] =
    "usage: posix-suite [-v] [-s SUBJECT[.RULE]]… [-x FILE] DIR\n"
    "       posix-suite -l\n"
    "Checks that DIR keeps the rules of a POSIX file system. Run as root; what it makes lies in\n"
    "DIR/.posix-suite-PID-N and is removed. Several runs on one directory do not disturb each "
    "other.\n"
    "  -l       list the rules: subject.rule | what it says | where that is written\n"
    "  -s PART  only this subject or rule; may be given up to 64 times\n"
    "  -x FILE  lines \"subject.rule  reason\": rules that this kind of mount cannot keep. They "
    "are\n"
    "           run all the same, and one that passes is reported as a failure; several -x add up\n"
    "  -v       a line for every rule, with its seconds\n"
    "Exit status: 0 if no rule failed, 1 if some did, 2 if it could not run.\n";

/* The parts that were asked for, and what came of them; CUnit's functions take no argument. */
static struct {
    const char *parts[PARTS_MAX];
    size_t parts_count;
    bool verbose;
    struct exceptions exceptions;
    struct run run;
    int rules, passed, failed, not_applicable, explained;
} suite;

static bool selected(const struct subject *subject, const struct rule *rule)
{
    size_t length = strlen(subject->name);

    for (size_t i = 0; i < suite.parts_count; i++) {
        const char *part = suite.parts[i];
        if (strncmp(part, subject->name, length) != 0) {
            continue;
        }
        if (part[length] == '\0' ||
            (part[length] == '.' && strcmp(part + length + 1, rule->name) == 0)) {
            return true;
        }
    }
    return suite.parts_count == 0;
}

static void report(const char *subject, const struct rule *rule, const struct verdict *verdict)
{
    const struct exception *exception = exceptions_find(&suite.exceptions, subject, rule->name);

    suite.rules++;
    if (verdict->kind == VERDICT_NOT_APPLICABLE) {
        suite.not_applicable++;
        printf("not applicable %s.%s: %s\n", subject, rule->name, verdict->text);
    } else if (verdict->kind == VERDICT_FAILED && exception != NULL) {
        suite.explained++;
        printf("explained %s.%s: %s\n    %s\n", subject, rule->name, exception->reason,
               verdict->text);
    } else if (verdict->kind == VERDICT_FAILED || exception != NULL) {
        const char *text =
            exception != NULL ? "passed, though it is listed as an exception" : verdict->text;
        suite.failed++;
        printf("FAILED %s.%s: %s (%s)\n    %s\n", subject, rule->name, rule->says, rule->source,
               text);
        CU_assertImplementation(CU_FALSE, 0, text, rule->name, subject, CU_FALSE);
    } else {
        suite.passed++;
        if (suite.verbose) {
            printf("passed %s.%s (%.3f s)\n", subject, rule->name, verdict->seconds);
        }
    }
    fflush(stdout);
}

static void check_rule(void)
{
    const char *subject = CU_get_current_suite()->pName;
    const struct rule *rule = subjects_find(subject, CU_get_current_test()->pName);
    struct verdict verdict;

    run_rule(&suite.run, subject, rule, &verdict);
    report(subject, rule, &verdict);
}

static void list_rules(void)
{
    for (size_t i = 0; i < subjects_count; i++) {
        for (size_t k = 0; k < subjects[i]->count; k++) {
            const struct rule *rule = &subjects[i]->rules[k];
            printf("%s.%s | %s | %s\n", subjects[i]->name, rule->name, rule->says, rule->source);
        }
    }
}

/* One suite per subject, one test per rule; CUnit refuses a name that is there already. */
static int register_rules(void)
{
    size_t added = 0;

    if (CU_initialize_registry() != CUE_SUCCESS) {
        return -1;
    }
    for (size_t i = 0; i < subjects_count; i++) {
        CU_pSuite of_subject = NULL;
        for (size_t k = 0; k < subjects[i]->count; k++) {
            const struct rule *rule = &subjects[i]->rules[k];
            if (subjects_find(subjects[i]->name, rule->name) != rule) {
                fprintf(stderr, "two rules are named %s.%s\n", subjects[i]->name, rule->name);
                return -1;
            }
            if (!selected(subjects[i], rule)) {
                continue;
            }
            if (of_subject == NULL) {
                of_subject = CU_add_suite(subjects[i]->name, NULL, NULL);
            }
            if (of_subject == NULL || CU_add_test(of_subject, rule->name, check_rule) == NULL) {
                fprintf(stderr, "%s.%s: %s\n", subjects[i]->name, rule->name, CU_get_error_msg());
                return -1;
            }
            added++;
        }
    }
    if (added == 0) {
        fprintf(stderr, "there is no such rule; posix-suite -l lists them\n");
    }
    return added == 0 ? -1 : 0;
}

static int run_all(const char *directory)
{
    int error = run_begin(&suite.run, directory);

    if (error != 0) {
        fprintf(stderr, "cannot work in %s: %s\n", directory, strerror(-error));
        return STATUS_USAGE;
    }
    CU_run_all_tests();
    error = run_end(&suite.run);
    if (error != 0) {
        suite.failed++;
        printf("FAILED to remove %s: %s\n", suite.run.path, strerror(-error));
    }
    printf("%d rules on %s\n%d not applicable, %d explained\n%d passed, %d failed\n", suite.rules,
           directory, suite.not_applicable, suite.explained, suite.passed, suite.failed);
    return suite.failed == 0 ? 0 : STATUS_FAILED;
}

static int parse(int argc, char **argv, bool *out_list)
{
    int option;

    while ((option = getopt(argc, argv, "ls:x:v")) != -1) {
        if (option == 'l') {
            *out_list = true;
        } else if (option == 's' && suite.parts_count < PARTS_MAX) {
            suite.parts[suite.parts_count++] = optarg;
        } else if (option == 'x') {
            if (exceptions_read(&suite.exceptions, optarg) != 0) {
                return -1;
            }
        } else if (option == 'v') {
            suite.verbose = true;
        } else {
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    bool list = false;

    if (parse(argc, argv, &list) != 0 || (!list && optind + 1 != argc)) {
        fputs(usage, stderr);
        return STATUS_USAGE;
    }
    if (list) {
        list_rules();
        return 0;
    }
    if (geteuid() != 0) {
        fprintf(stderr, "posix-suite must run as root: many rules are about other users\n");
        return STATUS_USAGE;
    }
    int status = register_rules() == 0 ? run_all(argv[optind]) : STATUS_USAGE;
    CU_cleanup_registry();
    exceptions_release(&suite.exceptions);
    return status;
}
