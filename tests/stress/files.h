/*
 * The model of the files, which all processes share, and one process's place in it.
 *
 * A file belongs to one process, which works on it alone, or is shared: then each process owns a
 * region of it. In turns, when all others are still, anyone may do anything to any file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_STRESS_FILES_H
#define TRIVET_TESTS_STRESS_FILES_H

#include "tests/stress/fuzz.h"
#include "tests/stress/side.h"

/* A region is no multiple of a page, so two processes share a page at each border. */
enum {
    FILE_SIZE_MAX = 640 * 1024,
    REGION_SIZE = 70001,
    SHARED_FILES = 2,
    FILES = SHARED_FILES + 12,
    PAGE = 4096,
    TARGET_SIZE = 512,
};

/* What a way can do, as far as it is asked for at the start. */
enum feature {
    CAN_MAP = 1,
    CAN_DIRECT = 2,
    CAN_ALLOCATE = 4,
    CAN_PUNCH = 8,
    CAN_ZERO = 16,
    CAN_SEEK = 32,
    CAN_COPY = 64,
    CAN_KEEP = 128, /* a file that is unlinked while open stays */
    /* What this process unlinks stays for one that has it open on another way: never required, as
     * a client over NFS does not say what it has open. */
    CAN_SPARE = 256,
    CAN_TMPFILE = 512,
    CAN_ALL = 1023,
};

/* Bytes from size on are zeros. */
struct file {
    char name[64];
    unsigned generation; /* which object has the name: a handle of an older one is closed */
    unsigned renames;
    uint32_t size;
    bool is_linked;
    bool is_shared;       /* then its size never changes */
    uint32_t held_by;     /* processes that have this generation open natively: a bit each */
    unsigned unlinked_by; /* the process */
    uint32_t changed_at, changed_count; /* the last change, which is looked at first */
    unsigned char data[FILE_SIZE_MAX];
};

struct scene {
    unsigned members;
    unsigned features[MEMBERS_MAX];
    bool all_spare;
    bool is_nfs[MEMBERS_MAX];
    char targets[MEMBERS_MAX][TARGET_SIZE];
    struct file files[FILES];
};

/* This process. */
struct self {
    unsigned member, features;
    unsigned subject; /* the file that is worked on */
    struct side side;
    struct side_file handles[FILES];
    unsigned generations[FILES]; /* of handles; 0: not open */
    unsigned char buffer[FILE_SIZE_MAX];
};

/* Where an operation may change and look. */
struct bounds {
    uint32_t from, to;
    bool is_fixed; /* neither the size nor the name changes */
};

struct range {
    uint32_t offset, count;
};

extern struct scene *scene;
extern struct self self;

/* files_model.c */
struct range range_pick(struct random *random, uint32_t from, uint32_t to);
/* The handle of the file as it is now, or NULL: there is none any more for this process. */
struct side_file *file_handle(struct file *file);
void file_close(struct file *file);
/* Both sides of a change: in the model. */
void file_changed(struct file *file, uint32_t offset, const void *data, uint32_t count);
void file_resized(struct file *file, uint32_t size);
void file_expect(const struct file *file, uint32_t offset, const void *data, uint32_t count,
                 const char *what);
/* What a process sees: size by handle, and by name if asked to, and bytes. */
void file_expect_size(struct file *file, bool by_name);
void file_read(struct file *file, struct range range);
/* A call's result must be what was expected; both as returned, -errno for errors. */
void expect(long found, long wanted, const char *what);
unsigned file_number(const struct file *file);

/* files_probe.c */
unsigned features_probe(struct side *side, unsigned member);
void features_print(unsigned features, const char *target);

/* files_operations.c, files_native.c: one operation. False: it does not apply here. */
typedef bool operation(struct file *file, struct random *random, struct bounds bounds);
operation write_operation, append_operation, read_operation, truncate_operation, sync_operation,
    reopen_operation, rename_operation, unlink_operation, create_operation;
operation map_write_operation, map_read_operation, send_operation, direct_write_operation,
    direct_read_operation, allocate_operation, punch_operation, zero_operation, copy_operation,
    seek_operation, position_operation, tmpfile_operation;

#endif
