/*
 * What the protocol suites have in common: cases with names, the statuses they provoke, the table
 * of what is covered, and the way to the server that is tested.
 *
 * A case is named after the section of the RFC whose rule it checks: "3.3.8.exclusive-retry". It
 * declares which statuses of its procedure it provokes, and fails if it did not see them; so the
 * table of coverage, which is made from the declarations, is true of every server that passes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_SUITE_H
#define TRIVET_CONFORMANCE_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suite_case {
    const char *name;
    /* "OK NOENT", of the group's procedure; "": none. "NOTEMPTY|EXIST": either, where the RFC
     * leaves the choice; it covers the first. */
    const char *provokes;
    void (*run)(void);
};

/* A procedure, and what the RFC's ERRORS section lists for it ("OK" is added); listed NULL: rules
 * that are of no single procedure. */
struct suite_group {
    const char *procedure;
    const char *listed;
    const struct suite_case *cases;
    size_t count;
};

#define SUITE_GROUP(variable, procedure_name, statuses, table)                                     \
    const struct suite_group variable = {procedure_name, statuses, table,                          \
                                         sizeof(table) / sizeof((table)[0])}

/* The server, and exports of it that some cases need besides the first; NULL: not given. */
struct suite_options {
    char server[256];
    const char *export;
    const char *read_only;   /* every write is refused */
    const char *root_squash; /* uid and gid 0 become anon_id, everybody else stays */
    const char *all_squash;  /* everybody becomes anon_id */
    const char *secure;      /* only source ports below 1024 */
    const char *refused;     /* not for this client */
    const char *small;       /* a small file system, that can be filled */
    const char *other;       /* another file system: nothing can be linked from one to the other */
    const char *async;       /* answers before the disk has it */
    uint16_t nfs_port, mount_port; /* 0: ask the portmapper */
    unsigned anon_id;
    bool is_long;   /* also what takes long */
    bool is_no_udp; /* the server is not meant to answer datagrams */
};

extern struct suite_options suite_options;

struct suite {
    const char *name;  /* "nfs3-suite" */
    const char *title; /* "NFS version 3 (RFC 1813 section 3)" */
    const struct suite_group *const *groups;
    size_t group_count;
    /* Before the first case; false: it cannot begin, and has said why. */
    bool (*start)(void);
    void (*stop)(void);
    /* Around every case. */
    void (*case_begin)(void);
    void (*case_end)(void);
};

/* main of a suite; returns the exit status. */
int suite_main(const struct suite *suite, int argc, char **argv);

/* To be told of every answer: which status came for which procedure. */
void suite_saw(const char *procedure, const char *status);

/* True if the case cannot run here, and then has to return; says why, and counts the case as
 * skipped. Only for what is not the subject of the case. */
bool suite_lacks(bool is_lacking, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Record a failure, with a text, and end the case; or record a success. */
void suite_check(bool holds, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define CHECK(condition) suite_check((condition), __FILE__, __LINE__, "%s", #condition)
#define CHECK_EQUAL(actual, expected)                                                              \
    suite_check_equal((uint64_t)(actual), (uint64_t)(expected), __FILE__, __LINE__, #actual)
void suite_check_equal(uint64_t actual, uint64_t expected, const char *file, unsigned line,
                       const char *what);

#endif
