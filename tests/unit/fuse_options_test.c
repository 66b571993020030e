/*
 * The command line of trivet-fuse and mount.trivet: what is understood, what is passed over, and
 * what is refused with a sentence.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include "frontends/fuse/mount_options.h"

enum { ARGUMENTS_MAX = 24 };

static struct mount_options options;
static char error[512];

/* Arguments separated by single blanks. */
static int parse(const char *line)
{
    static char copy[1024];
    char *argv[ARGUMENTS_MAX + 1] = {NULL};
    int argc = 0;
    char *rest = copy;
    memset(error, 0, sizeof(error));
    strncpy(copy, line, sizeof(copy) - 1);
    for (char *word; argc < ARGUMENTS_MAX && (word = strsep(&rest, " ")) != NULL;) {
        argv[argc++] = word;
    }
    return mount_options_parse(argc, argv, &options, error, sizeof(error));
}

static void test_defaults(void)
{
    CU_ASSERT_EQUAL(parse("trivet-fuse host:/gv0 /mnt"), 0);
    CU_ASSERT_STRING_EQUAL(options.volume, "host:/gv0");
    CU_ASSERT_STRING_EQUAL(options.mount_point, "/mnt");
    CU_ASSERT_EQUAL(options.threads, FUSE_THREADS);
    CU_ASSERT_EQUAL(options.attribute_timeout_ms, -1);
    CU_ASSERT_EQUAL(options.entry_timeout_ms, -1);
    CU_ASSERT_EQUAL(options.wait_timeout_ms, 0);
    CU_ASSERT_EQUAL(options.mount_flags, 0);
    CU_ASSERT_EQUAL(options.log_level, LOG_LEVEL_WARN);
    CU_ASSERT_STRING_EQUAL(options.log_file, "");
    CU_ASSERT_FALSE(options.foreground);
    CU_ASSERT_FALSE(options.fake);
}

static void test_values(void)
{
    CU_ASSERT_EQUAL(
        parse("trivet-fuse -f -o threads=7,attribute-timeout=1.5 -oentry-timeout=0 h:/v "
              "/m -o wait-timeout=30,log-level=debug,log-file=/tmp/a.log"),
        0);
    CU_ASSERT_TRUE(options.foreground);
    CU_ASSERT_EQUAL(options.threads, 7);
    CU_ASSERT_EQUAL(options.attribute_timeout_ms, 1500);
    CU_ASSERT_EQUAL(options.entry_timeout_ms, 0);
    CU_ASSERT_EQUAL(options.wait_timeout_ms, 30000);
    CU_ASSERT_EQUAL(options.log_level, LOG_LEVEL_DEBUG);
    CU_ASSERT_STRING_EQUAL(options.log_file, "/tmp/a.log");
}

static void test_what_mount_passes(void)
{
    CU_ASSERT_EQUAL(parse("/sbin/mount.trivet h1,h2:/gv0 /mnt -sfnv -o rw,noatime,dev,suid,exec"),
                    0);
    CU_ASSERT_TRUE(options.fake);
    CU_ASSERT_FALSE(options.foreground);
    CU_ASSERT_TRUE(options.sloppy);
    CU_ASSERT_EQUAL(options.log_level, LOG_LEVEL_INFO);
    CU_ASSERT_EQUAL(options.mount_flags, MS_NOATIME);
    CU_ASSERT_EQUAL(
        parse("mount.trivet h:/v /m -o ro,nosuid,nodev,_netdev,auto,nofail,x-systemd.foo,"
              "comment=bar,defaults -t fuse.trivet -N /proc/1/ns/mnt"),
        0);
    CU_ASSERT_EQUAL(options.mount_flags, MS_RDONLY | MS_NOSUID | MS_NODEV);
    CU_ASSERT_EQUAL(parse("mount.trivet h:/v /m -o ro,rw,noexec,exec"), 0);
    CU_ASSERT_EQUAL(options.mount_flags, 0);
}

static void test_help_and_version_need_nothing(void)
{
    CU_ASSERT_EQUAL(parse("trivet-fuse --help"), 0);
    CU_ASSERT_TRUE(options.help);
    CU_ASSERT_EQUAL(parse("trivet-fuse -V"), 0);
    CU_ASSERT_TRUE(options.version);
}

static void test_mistakes_are_told(void)
{
    static const struct {
        const char *line;
        const char *says;
    } cases[] = {
        {"trivet-fuse", "the volume is missing"},
        {"trivet-fuse h:/v", "the mount point is missing"},
        {"trivet-fuse h:/v /m /n", "\"/n\""},
        {"trivet-fuse h:/v /m -o atribute-timeout=1", "unknown option -o atribute-timeout=1"},
        {"trivet-fuse h:/v /m -o nonsense", "unknown option -o nonsense"},
        {"trivet-fuse h:/v /m -o threads=0", "threads=0"},
        {"trivet-fuse h:/v /m -o threads=x", "threads=x"},
        {"trivet-fuse h:/v /m -o threads=", "threads="},
        {"trivet-fuse h:/v /m -o threads=65", "threads=65"},
        {"trivet-fuse h:/v /m -o wait-timeout=-1", "wait-timeout=-1"},
        {"trivet-fuse h:/v /m -o wait-timeout=nan", "wait-timeout=nan"},
        {"trivet-fuse h:/v /m -o entry-timeout=1x", "entry-timeout=1x"},
        {"trivet-fuse h:/v /m -o log-level=loud", "log-level=loud"},
        {"trivet-fuse h:/v /m -o log-file=", "log-file="},
        {"trivet-fuse h:/v /m -o", "-o needs a value"},
        {"trivet-fuse h:/v /m -x", "unknown option -x"},
        {"trivet-fuse h:/v /m --nonsense", "unknown option --nonsense"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(parse(cases[i].line), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(error, cases[i].says));
    }
    CU_ASSERT_EQUAL(parse("trivet-fuse -s h:/v /m -o nonsense"), 0); /* sloppy */
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("mount options", NULL, NULL);
    CU_ADD_TEST(suite, test_defaults);
    CU_ADD_TEST(suite, test_values);
    CU_ADD_TEST(suite, test_what_mount_passes);
    CU_ADD_TEST(suite, test_help_and_version_need_nothing);
    CU_ADD_TEST(suite, test_mistakes_are_told);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
