/*
 * Rules of listings that begin anew, go on from a position, and are read while the directory
 * changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "conformance/posix/listing.h"
#include "conformance/posix/posix.h"

static void thousand_once(struct place *place)
{
    make_files(place, 1000);
    listing_check(listing_open(place, "."), 1000);
}

static void five_thousand_once(struct place *place)
{
    make_files(place, 5000);
    listing_check(listing_open(place, "."), 5000);
}

static void long_names_once(struct place *place)
{
    char name[256];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "f%d-%s", i, long_name(240));
        make_file(place, name, 0666, NULL);
    }
    DIR *stream = listing_open(place, ".");
    bool seen[200] = {false};
    struct dirent *entry;
    while ((entry = listing_next(stream)) != NULL) {
        HOLDS(strlen(entry->d_name) >= 243);
        listing_note(seen, 200, entry->d_name);
    }
    EQUAL(listing_count(seen, 200), 200);
}

static void rewind_sees_new(struct place *place)
{
    DIR *stream = listing_open(place, ".");
    HOLDS(listing_next(stream) == NULL);
    make_files(place, 3);
    rewinddir(stream);
    listing_check(stream, 3);
}

static void rewind_misses_removed(struct place *place)
{
    make_files(place, 3);
    DIR *stream = listing_open(place, ".");
    listing_check(stream, 3);
    MUST(unlinkat(place->fd, "f1", 0));
    rewinddir(stream);
    struct dirent *entry;
    while ((entry = listing_next(stream)) != NULL) {
        HOLDS(strcmp(entry->d_name, "f1") != 0);
    }
}

static void tell_and_seek(struct place *place)
{
    make_files(place, 500);
    DIR *stream = listing_open(place, ".");
    for (int i = 0; i < 200; i++) {
        HOLDS(listing_next(stream) != NULL);
    }
    long position = telldir(stream);
    char name[256];
    (void)snprintf(name, sizeof name, "%s", listing_next(stream)->d_name);
    while (listing_next(stream) != NULL) {
    }
    seekdir(stream, position);
    HOLDS(strcmp(listing_next(stream)->d_name, name) == 0);
}

static void tell_each(struct place *place)
{
    enum { COUNT = 200 };
    long positions[COUNT];
    char names[COUNT][16];
    make_files(place, COUNT);
    DIR *stream = listing_open(place, ".");
    for (int i = 0; i < COUNT; i++) {
        positions[i] = telldir(stream);
        struct dirent *entry = listing_next(stream);
        HOLDS(entry != NULL);
        (void)snprintf(names[i], sizeof names[i], "%.15s", entry->d_name);
    }
    for (int i = COUNT - 1; i >= 0; i--) {
        seekdir(stream, positions[(i * 7) % COUNT]);
        HOLDS(strcmp(listing_next(stream)->d_name, names[(i * 7) % COUNT]) == 0);
    }
}

static void seek_after_removal(struct place *place)
{
    make_files(place, 300);
    DIR *stream = listing_open(place, ".");
    bool seen[300] = {false};
    struct dirent *entry;
    for (int i = 0; i < 100; i++) {
        entry = listing_next(stream);
        HOLDS(entry != NULL);
        listing_note(seen, 300, entry->d_name);
        MUST(unlinkat(place->fd, entry->d_name, 0));
    }
    long position = telldir(stream);
    seekdir(stream, position);
    while ((entry = listing_next(stream)) != NULL) {
        listing_note(seen, 300, entry->d_name);
    }
    EQUAL(listing_count(seen, 300), 300);
}

static void stays_while_removing(struct place *place)
{
    char name[16];
    make_files(place, 600);
    DIR *stream = listing_open(place, ".");
    bool seen[600] = {false};
    struct dirent *entry;
    for (int i = 0; (entry = listing_next(stream)) != NULL; i++) {
        listing_note(seen, 600, entry->d_name);
        if (i < 300) {
            (void)snprintf(name, sizeof name, "f%d", 2 * i);
            MUST(unlinkat(place->fd, name, 0));
        }
    }
    for (int i = 1; i < 600; i += 2) {
        HOLDS(seen[i]);
    }
}

static void stays_while_adding(struct place *place)
{
    char name[16];
    make_files(place, 600);
    DIR *stream = listing_open(place, ".");
    bool seen[600] = {false};
    struct dirent *entry;
    for (int i = 0; (entry = listing_next(stream)) != NULL; i++) {
        listing_note(seen, 600, entry->d_name);
        if (i < 600) {
            (void)snprintf(name, sizeof name, "new%d", i);
            make_file(place, name, 0666, NULL);
        }
    }
    EQUAL(listing_count(seen, 600), 600);
}

static void removing_each(struct place *place)
{
    make_files(place, 1000);
    DIR *stream = listing_open(place, ".");
    struct dirent *entry;
    int removed = 0;
    while ((entry = listing_next(stream)) != NULL) {
        MUST(unlinkat(place->fd, entry->d_name, 0));
        removed++;
    }
    EQUAL(removed, 1000);
    EQUAL(count_entries(place, "."), 0);
}

static void renaming_away(struct place *place)
{
    char from[16], to[24];
    make_dir(place, "away", 0755);
    make_files(place, 400);
    DIR *stream = listing_open(place, ".");
    bool seen[400] = {false};
    struct dirent *entry;
    for (int i = 0; (entry = listing_next(stream)) != NULL; i++) {
        listing_note(seen, 400, entry->d_name);
        if (i < 200) {
            (void)snprintf(from, sizeof from, "f%d", 2 * i + 1);
            (void)snprintf(to, sizeof to, "away/%s", from);
            MUST(renameat(place->fd, from, place->fd, to));
        }
    }
    for (int i = 0; i < 400; i += 2) {
        HOLDS(seen[i]);
    }
    EQUAL(count_entries(place, "away"), 200);
}

static void while_another_changes(struct place *place)
{
    make_files(place, 500);
    pid_t other = (pid_t)MUST(fork());
    if (other == 0) {
        char name[16];
        for (int i = 0; i < 2000; i++) {
            (void)snprintf(name, sizeof name, "x%d", i % 50);
            int fd = openat(place->fd, name, O_RDWR | O_CREAT, 0666);
            if (fd < 0 || close(fd) != 0 || unlinkat(place->fd, name, 0) != 0) {
                _exit(1);
            }
        }
        _exit(0);
    }
    int status;
    while (MUST(waitpid(other, &status, WNOHANG)) == 0) {
        DIR *stream = listing_open(place, ".");
        listing_check(stream, 500);
        closedir(stream);
    }
    EQUAL(status, 0);
}

static void two_streams(struct place *place)
{
    make_files(place, 50);
    DIR *a = listing_open(place, "."), *b = listing_open(place, ".");
    for (int i = 0; i < 20; i++) {
        HOLDS(listing_next(a) != NULL);
    }
    listing_check(b, 50);
}

static const struct rule rules[] = {
    {"thousand-once", "of a thousand entries each is listed once", "POSIX readdir, DESCRIPTION",
     thousand_once},
    {"five-thousand-once", "of five thousand entries each is listed once",
     "POSIX readdir, DESCRIPTION", five_thousand_once},
    {"long-names-once", "of two hundred entries with long names each is listed whole",
     "POSIX readdir, d_name", long_names_once},
    {"rewind-sees-new", "after rewinddir a listing has what was made since",
     "POSIX rewinddir, DESCRIPTION", rewind_sees_new},
    {"rewind-misses-removed", "after rewinddir a listing has nothing that was removed since",
     "POSIX rewinddir, DESCRIPTION", rewind_misses_removed},
    {"tell-and-seek", "seekdir to what telldir gave leads to the same entry",
     "POSIX seekdir, DESCRIPTION", tell_and_seek},
    {"tell-each", "each entry is reached again by its position, in any order",
     "POSIX seekdir, DESCRIPTION", tell_each},
    {"seek-after-removal",
     "a position leads on to what comes next when entries before it were removed",
     "POSIX seekdir, DESCRIPTION; readdir", seek_after_removal},
    {"stays-while-removing", "entries that stay are listed once while others are removed",
     "POSIX readdir, DESCRIPTION", stays_while_removing},
    {"stays-while-adding", "entries that were there are listed once while others are made",
     "POSIX readdir, DESCRIPTION", stays_while_adding},
    {"removing-each", "a directory is emptied by removing each entry as it is read",
     "POSIX readdir; rm -r", removing_each},
    {"renaming-away", "entries that stay are listed once while others are renamed elsewhere",
     "POSIX readdir; rename", renaming_away},
    {"while-another-changes",
     "entries that stay are listed once while another process makes and removes others",
     "POSIX readdir, DESCRIPTION", while_another_changes},
    {"two-streams", "two streams of one directory have positions of their own",
     "POSIX opendir, DESCRIPTION", two_streams},
};

const struct subject subject_listing = {"listing", rules, sizeof rules / sizeof rules[0]};
