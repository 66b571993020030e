/*
 * Options of trivet-fuse and mount.trivet; see mount_options.h.
 *
 * Two tables: words that this program understands, and words that mount(8) and fstab(5) use among
 * themselves, of which some become flags of mount(2). A word in neither is refused, since a
 * mistyped option that is silently ignored does harm.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/fuse/mount_options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include "backend/base/scope.h"

const char mount_options_help[] =
    "Usage: trivet-fuse [options] HOST:/VOLUME MOUNTPOINT\n"
    "       trivet-fuse [options] local:/DIRECTORY MOUNTPOINT\n"
    "       mount -t trivet [-o options] HOST:/VOLUME MOUNTPOINT\n"
    "\n"
    "Mount a Trivet volume. HOST is any machine that runs trivetd; HOST:PORT:/VOLUME and\n"
    "HOST1,HOST2:/VOLUME are possible too. Unmount with umount MOUNTPOINT.\n"
    "\n"
    "  -f, --foreground             stay in the foreground, log to standard error\n"
    "  -h, --help                   this text\n"
    "  -V, --version                the version\n"
    "  -v                           verbose: as -o log-level=info\n"
    "  -s, -n                       as mount(8) gives them to mount helpers\n"
    "  -o ro                        read-only\n"
    "  -o threads=N                 threads that take requests from the kernel (default 2)\n"
    "  -o wait-timeout=SECONDS      an operation fails with ETIMEDOUT when the volume has not\n"
    "                               answered for so long (default 0: it waits, until killed)\n"
    "  -o attribute-timeout=SECONDS cache attributes for so long, whatever the volume grants\n"
    "  -o entry-timeout=SECONDS     cache names for so long, whatever the volume grants\n"
    "  -o log-level=LEVEL           error, warn (default), info or debug\n"
    "  -o log-file=FILE             default /var/log/trivet/MOUNTPOINT.log\n"
    "  -o nosuid,nodev,noexec,noatime and other options of mount(8)\n";

struct mount_word {
    const char *word;
    unsigned long set, clear;
};

/* mount(8) "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"; those without flags are for mount(8) itself. */
static const struct mount_word mount_words[] = {
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"suid", 0, MS_NOSUID},
    {"nosuid", MS_NOSUID, 0},
    {"dev", 0, MS_NODEV},
    {"nodev", MS_NODEV, 0},
    {"exec", 0, MS_NOEXEC},
    {"noexec", MS_NOEXEC, 0},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
    {"atime", 0, MS_NOATIME},
    {"noatime", MS_NOATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"relatime", MS_RELATIME, 0},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, 0},
    {"nostrictatime", 0, MS_STRICTATIME},
    {"silent", MS_SILENT, 0},
    {"loud", 0, MS_SILENT},
    {"user", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0},
    {"users", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0},
    {"owner", MS_NOSUID | MS_NODEV, 0},
    {"group", MS_NOSUID | MS_NODEV, 0},
    {"defaults", 0, 0},
    {"auto", 0, 0},
    {"noauto", 0, 0},
    {"nouser", 0, 0},
    {"nousers", 0, 0},
    {"noowner", 0, 0},
    {"nogroup", 0, 0},
    {"_netdev", 0, 0},
    {"nofail", 0, 0},
    {"mand", 0, 0},
    {"nomand", 0, 0},
    {"lazytime", 0, 0},
    {"nolazytime", 0, 0},
    {"iversion", 0, 0},
    {"noiversion", 0, 0},
    {"allow_other", 0, 0},         /* always on */
    {"default_permissions", 0, 0}, /* always on */
};

static bool word_is_comment(const char *word)
{
    return strncmp(word, "x-", 2) == 0 || strncmp(word, "X-", 2) == 0 ||
           strncmp(word, "comment=", 8) == 0 || strncmp(word, "user=", 5) == 0;
}

static bool mount_word_parse(struct mount_options *options, const char *word)
{
    for (size_t i = 0; i < sizeof(mount_words) / sizeof(mount_words[0]); i++) {
        if (strcmp(mount_words[i].word, word) == 0) {
            options->mount_flags |= mount_words[i].set;
            options->mount_flags &= ~mount_words[i].clear;
            return true;
        }
    }
    return word_is_comment(word);
}

/* Seconds with an optional fraction, from 0 to a day. */
static int seconds_parse(const char *text, long *out_ms)
{
    char *end;
    errno = 0;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(seconds >= 0 && seconds <= 86400)) {
        return -EINVAL;
    }
    *out_ms = (long)(seconds * 1000 + 0.5);
    return 0;
}

static int threads_parse(const char *text, unsigned *out_threads)
{
    char *end;
    long threads = strtol(text, &end, 10);
    if (end == text || *end != '\0' || threads < 1 || threads > FUSE_THREADS_MAX) {
        return -EINVAL;
    }
    *out_threads = (unsigned)threads;
    return 0;
}

/* name=value of our own. Returns 0, -EINVAL for a bad value, -ENOENT for an unknown name. */
static int own_word_parse(struct mount_options *options, const char *word, const char *value)
{
    size_t size = (size_t)(value - word);
    long wait_ms = 0;
    int status;
    if (strncmp(word, "threads=", size) == 0) {
        return threads_parse(value, &options->threads);
    }
    if (strncmp(word, "attribute-timeout=", size) == 0) {
        return seconds_parse(value, &options->attribute_timeout_ms);
    }
    if (strncmp(word, "entry-timeout=", size) == 0) {
        return seconds_parse(value, &options->entry_timeout_ms);
    }
    if (strncmp(word, "wait-timeout=", size) == 0) {
        status = seconds_parse(value, &wait_ms);
        options->wait_timeout_ms = (unsigned)wait_ms;
        return status;
    }
    if (strncmp(word, "log-level=", size) == 0) {
        return log_level_parse(value, &options->log_level);
    }
    if (strncmp(word, "log-file=", size) == 0) {
        size = strlen(value);
        if (size == 0 || size >= sizeof(options->log_file)) {
            return -EINVAL;
        }
        memcpy(options->log_file, value, size + 1);
        return 0;
    }
    return -ENOENT;
}

static int word_parse(struct mount_options *options, const char *word, char *out_error, size_t size)
{
    const char *equals = strchr(word, '=');
    int status = -ENOENT;
    if (*word == '\0' || mount_word_parse(options, word)) {
        return 0;
    }
    if (equals) {
        status = own_word_parse(options, word, equals + 1);
    }
    if (status == -ENOENT && options->sloppy) {
        return 0;
    }
    if (status == -ENOENT) {
        snprintf(out_error, size, "unknown option -o %s; trivet-fuse --help lists them", word);
        return -EINVAL;
    }
    if (status != 0) {
        snprintf(out_error, size, "-o %s: the value is not valid; see trivet-fuse --help", word);
    }
    return status;
}

static int words_parse(struct mount_options *options, const char *words, char *out_error,
                       size_t size)
{
    AUTO_FREE char *copy = strdup(words);
    if (!copy) {
        snprintf(out_error, size, "out of memory");
        return -EINVAL;
    }
    int status = 0;
    char *rest = copy;
    for (char *word; status == 0 && (word = strsep(&rest, ",")) != NULL;) {
        status = word_parse(options, word, out_error, size);
    }
    return status;
}

struct parse {
    struct mount_options *options;
    bool is_helper;
    const char *words[16]; /* of -o, read last so that -s counts wherever it stands */
    size_t word_count;
    char *error;
    size_t error_size;
};

static int flag_parse(struct parse *parse, int flag)
{
    struct mount_options *options = parse->options;
    switch (flag) {
    case 'f':
        options->fake = parse->is_helper;
        options->foreground = !parse->is_helper;
        return 0;
    case 'h':
        options->help = true;
        return 0;
    case 'V':
        options->version = true;
        return 0;
    case 'v':
        options->log_level = LOG_LEVEL_INFO;
        return 0;
    case 's':
        options->sloppy = true;
        return 0;
    case 'n': /* no /etc/mtab: there is none */
        return 0;
    default:
        snprintf(parse->error, parse->error_size, "unknown option -%c; try trivet-fuse --help",
                 flag);
        return -EINVAL;
    }
}

/* -o WORDS, -oWORDS, -t TYPE and -N NAMESPACE take a value; returns it, or NULL. */
static const char *flag_value(const char *rest, int argc, char **argv, int *index)
{
    if (rest[0] != '\0') {
        return rest;
    }
    return *index + 1 < argc ? argv[++*index] : NULL;
}

static int flags_parse(struct parse *parse, int argc, char **argv, int *index)
{
    for (const char *flag = argv[*index] + 1; *flag; flag++) {
        if (!strchr("otN", *flag)) {
            int status = flag_parse(parse, *flag);
            if (status != 0) {
                return status;
            }
            continue;
        }
        const char *value = flag_value(flag + 1, argc, argv, index);
        size_t words_max = sizeof(parse->words) / sizeof(parse->words[0]);
        if (!value || (*flag == 'o' && parse->word_count == words_max)) {
            snprintf(parse->error, parse->error_size,
                     value ? "too many -o; join them with commas" : "-%c needs a value", *flag);
            return -EINVAL;
        }
        if (*flag == 'o') {
            parse->words[parse->word_count++] = value;
        }
        return 0; /* the value ended this argument */
    }
    return 0;
}

static int long_flag(const char *text)
{
    static const struct {
        const char *name;
        int flag;
    } names[] = {{"--help", 'h'}, {"--version", 'V'}, {"--foreground", 'f'}, {"--verbose", 'v'}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i].name, text) == 0) {
            return names[i].flag;
        }
    }
    return 0;
}

static int argument_parse(struct parse *parse, int argc, char **argv, int *index)
{
    struct mount_options *options = parse->options;
    const char *text = argv[*index];
    if (text[0] == '-' && text[1] == '-') {
        int flag = long_flag(text);
        if (flag == 0) {
            snprintf(parse->error, parse->error_size, "unknown option %s; try trivet-fuse --help",
                     text);
            return -EINVAL;
        }
        return flag_parse(parse, flag);
    }
    if (text[0] == '-' && text[1] != '\0') {
        return flags_parse(parse, argc, argv, index);
    }
    if (options->volume && options->mount_point) {
        snprintf(parse->error, parse->error_size,
                 "one volume and one mount point are enough; \"%s\" is a third", text);
        return -EINVAL;
    }
    *(options->volume ? &options->mount_point : &options->volume) = text;
    return 0;
}

int mount_options_parse(int argc, char **argv, struct mount_options *out_options, char *out_error,
                        size_t size)
{
    const char *program = argc > 0 ? argv[0] : "";
    const char *slash = strrchr(program, '/');
    *out_options = (struct mount_options){.threads = FUSE_THREADS,
                                          .attribute_timeout_ms = -1,
                                          .entry_timeout_ms = -1,
                                          .log_level = LOG_LEVEL_WARN};
    struct parse parse = {.options = out_options,
                          .is_helper = strncmp(slash ? slash + 1 : program, "mount.", 6) == 0,
                          .error = out_error,
                          .error_size = size};
    for (int i = 1; i < argc; i++) {
        int status = argument_parse(&parse, argc, argv, &i);
        if (status != 0) {
            return status;
        }
    }
    for (size_t i = 0; i < parse.word_count; i++) {
        int status = words_parse(out_options, parse.words[i], out_error, size);
        if (status != 0) {
            return status;
        }
    }
    if (!out_options->mount_point && !out_options->help && !out_options->version) {
        snprintf(out_error, size,
                 "%s is missing; usage: trivet-fuse [options] HOST:/VOLUME MOUNTPOINT",
                 out_options->volume ? "the mount point" : "the volume");
        return -EINVAL;
    }
    return 0;
}
