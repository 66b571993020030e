/*
 * Rules about executing what lies in the file system.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include "conformance/posix/rules_io.h"

static int run_it(struct place *place, void *argument)
{
    char *const arguments[] = {argument, NULL};
    char *const environment[] = {NULL};
    if (fchdir(place->fd) == 0) {
        (void)execve(argument, arguments, environment);
    }
    return errno;
}

/* Its exit status, or the errno of executing it; scripts of these rules end with 77. */
static int run(struct place *place, const char *name)
{
    struct statvfs mount;
    MUST(fstatvfs(place->fd, &mount));
    NEEDS(!(mount.f_flag & ST_NOEXEC), "mounted noexec");
    return as_child(run_it, place, (void *)(uintptr_t)name);
}

static void copy_program(struct place *place, const char *from, const char *name, mode_t mode)
{
    static char block[UNIT];
    make_file(place, name, 0600, NULL);
    int source = open(from, O_RDONLY | O_CLOEXEC), target = open_at(place, name, O_WRONLY);
    long got;
    NEEDS(source >= 0, "a usual program is missing on this machine");
    while ((got = MUST(read(source, block, sizeof block))) > 0) {
        EQUAL(MUST(write(target, block, (size_t)got)), got);
    }
    MUST(fchmod(target, mode));
    MUST(close(target));
    MUST(close(source));
}

static const char ends_with_77[] = "#!/bin/sh\nexit 77\n";

static void script(struct place *place)
{
    make_file(place, "s", 0755, ends_with_77);
    EQUAL(run(place, "./s"), 77);
}

static void binary(struct place *place)
{
    copy_program(place, "/bin/false", "p", 0755);
    EQUAL(run(place, "./p"), 1);
}

static void interpreter_in_the_file_system(struct place *place)
{
    char text[5000];
    copy_program(place, "/bin/false", "i", 0755);
    NEEDS(strlen(place->path) < 200, "the path is too long for a script's first line");
    snprintf(text, sizeof text, "#!%s\n", path_of(place, "i"));
    make_file(place, "s", 0755, text);
    EQUAL(run(place, "./s"), 1);
}

static void through_symlink(struct place *place)
{
    make_file(place, "s", 0755, ends_with_77);
    make_symlink(place, "s", "l");
    EQUAL(run(place, "./l"), 77);
}

static void any_bit_for_root(struct place *place)
{
    make_file(place, "s", 0755, ends_with_77);
    MUST(fchownat(place->fd, "s", USER_A, GROUP_A, 0));
    MUST(fchmodat(place->fd, "s", 0100, 0));
    EQUAL(run(place, "./s"), 77);
}

static void fifo_eacces(struct place *place)
{
    make_fifo(place, "p", 0777);
    EQUAL(run(place, "./p"), EACCES);
}

static void missing_enoent(struct place *place)
{
    EQUAL(run(place, "./none"), ENOENT);
}

static void missing_interpreter_enoent(struct place *place)
{
    make_file(place, "s", 0755, "#!/no/such/interpreter\n");
    EQUAL(run(place, "./s"), ENOENT);
}

static void empty_enoexec(struct place *place)
{
    make_file(place, "e", 0755, NULL);
    EQUAL(run(place, "./e"), ENOEXEC);
}

static void text_enoexec(struct place *place)
{
    make_file(place, "t", 0755, "exit 77\n");
    EQUAL(run(place, "./t"), ENOEXEC);
}

static void changed_then_run(struct place *place)
{
    int fd = open_new(place, "s", ends_with_77);
    MUST(fchmod(fd, 0755));
    MUST(close(fd));
    EQUAL(run(place, "./s"), 77);
    fd = open_at(place, "s", O_WRONLY);
    EQUAL(MUST(pwrite(fd, "66", 2, 15)), 2);
    MUST(close(fd));
    EQUAL(run(place, "./s"), 66);
}

static int run_descriptor(struct place *place, void *argument)
{
    char *const arguments[] = {"p", NULL};
    char *const environment[] = {NULL};
    (void)place;
    (void)fexecve(*(int *)argument, arguments, environment);
    return errno;
}

static void by_descriptor(struct place *place)
{
    copy_program(place, "/bin/false", "p", 0755);
    int fd = open_at(place, "p", O_RDONLY);
    EQUAL(run(place, "./p"), 1);
    MUST(unlinkat(place->fd, "p", 0));
    EQUAL(as_child(run_descriptor, place, &fd), 1);
}

/* A process that runs the program "p", which must be one that sleeps when told "60". */
static pid_t start_sleeper(struct place *place)
{
    int started[2];
    char byte;
    MUST(pipe2(started, O_CLOEXEC));
    pid_t child = fork();
    MUST(child);
    if (child == 0) {
        char *const arguments[] = {"sleep", "60", NULL};
        char *const environment[] = {NULL};
        if (fchdir(place->fd) == 0) {
            (void)execve("./p", arguments, environment);
        }
        _exit(write(started[1], "!", 1) == 1 ? 1 : 2);
    }
    MUST(close(started[1]));
    NEEDS(read(started[0], &byte, 1) == 0, "programs cannot be run here");
    return child;
}

static void end_sleeper(pid_t child)
{
    MUST(kill(child, SIGKILL));
    MUST(waitpid(child, NULL, 0));
}

static void running_etxtbsy(struct place *place)
{
    copy_program(place, "/bin/sleep", "p", 0755);
    pid_t child = start_sleeper(place);
    FAILS(openat(place->fd, "p", O_WRONLY | O_CLOEXEC), ETXTBSY);
    end_sleeper(child);
    MUST(close(open_at(place, "p", O_WRONLY)));
}

static void running_truncate_etxtbsy(struct place *place)
{
    copy_program(place, "/bin/sleep", "p", 0755);
    pid_t child = start_sleeper(place);
    FAILS(truncate(path_of(place, "p"), 0), ETXTBSY);
    end_sleeper(child);
}

static void running_is_removed(struct place *place)
{
    copy_program(place, "/bin/sleep", "p", 0755);
    pid_t child = start_sleeper(place);
    MUST(unlinkat(place->fd, "p", 0));
    MUST(kill(child, 0));
    EQUAL(MUST(waitpid(child, NULL, WNOHANG)), 0);
    end_sleeper(child);
    HOLDS(!exists(place, "p"));
}

static void running_is_replaced(struct place *place)
{
    copy_program(place, "/bin/sleep", "p", 0755);
    make_file(place, "s", 0755, ends_with_77);
    pid_t child = start_sleeper(place);
    MUST(renameat(place->fd, "s", place->fd, "p"));
    EQUAL(run(place, "./p"), 77);
    EQUAL(MUST(waitpid(child, NULL, WNOHANG)), 0);
    end_sleeper(child);
}

static void written_etxtbsy(struct place *place)
{
    make_file(place, "s", 0755, ends_with_77);
    int fd = open_at(place, "s", O_WRONLY), result = run(place, "./s");
    HOLDS(result == ETXTBSY || result == 77);
    MUST(close(fd));
    EQUAL(run(place, "./s"), 77);
}

static void set_user_id(struct place *place)
{
    struct statvfs mount;
    MUST(fstatvfs(place->fd, &mount));
    NEEDS(!(mount.f_flag & ST_NOSUID), "mounted nosuid");
    copy_program(place, "/usr/bin/id", "p", 0755);
    make_file(place, "s", 0755, "#!/bin/sh\n[ \"$(./p -u)\" = 0 ] && exit 77\nexit 1\n");
    EQUAL(as_user_a(run_it, place, "./s"), 1);
    MUST(fchmodat(place->fd, "p", 04755, 0));
    EQUAL(as_user_a(run_it, place, "./s"), 77);
}

static void working_directory(struct place *place)
{
    make_dir(place, "d", 0777);
    make_file(place, "d/inner", 0666, NULL);
    make_file(place, "s", 0755, "#!/bin/sh\ncd d && [ -e inner ] && exit 77\nexit 1\n");
    EQUAL(run(place, "./s"), 77);
}

static void shell_redirections(struct place *place)
{
    make_file(place, "s", 0755,
              "#!/bin/sh\necho one >out; echo two >>out\nwhile read -r w; do last=$w; done <out\n"
              "[ \"$last\" = two ] && exit 77\nexit 1\n");
    EQUAL(run(place, "./s"), 77);
    check_content(place, "out", "one\ntwo\n");
}

static const struct rule rules[] = {
    {"script", "a script is run by its interpreter", "POSIX exec, Linux execve(2)", script},
    {"binary", "a program is run", "POSIX exec", binary},
    {"interpreter-in-the-file-system", "the interpreter of a script may lie in the file system too",
     "execve(2), interpreter", interpreter_in_the_file_system},
    {"through-symlink", "a symbolic link to a program is followed", "POSIX exec", through_symlink},
    {"any-bit-for-root", "root runs a file that somebody may execute",
     "POSIX exec, capabilities(7)", any_bit_for_root},
    {"fifo-eacces", "a fifo is not run", "POSIX exec EACCES", fifo_eacces},
    {"missing-enoent", "what is not there is not run", "POSIX exec ENOENT", missing_enoent},
    {"missing-interpreter-enoent", "a script whose interpreter is not there is not run",
     "execve(2) ENOENT", missing_interpreter_enoent},
    {"empty-enoexec", "an empty file is no program", "POSIX exec ENOEXEC", empty_enoexec},
    {"text-enoexec", "a text without an interpreter is no program", "POSIX exec ENOEXEC",
     text_enoexec},
    {"changed-then-run", "what was changed is run as it is then", "POSIX exec", changed_then_run},
    {"by-descriptor", "a program is run by its descriptor, also when it is removed",
     "POSIX fexecve", by_descriptor},
    {"running-etxtbsy", "a running program is not opened for writing", "POSIX open ETXTBSY",
     running_etxtbsy},
    {"running-truncate-etxtbsy", "a running program is not cut", "truncate(2) ETXTBSY",
     running_truncate_etxtbsy},
    {"running-is-removed", "a running program is removed, and runs on", "POSIX unlink",
     running_is_removed},
    {"running-is-replaced", "a running program is replaced by renaming another over it",
     "POSIX rename", running_is_replaced},
    {"written-etxtbsy", "a program that is open for writing is not run, or runs as it is",
     "execve(2) ETXTBSY", written_etxtbsy},
    {"set-user-id", "a set-user-id program runs with the rights of its owner",
     "POSIX exec, S_ISUID", set_user_id},
    {"working-directory", "a program runs with its directory as working directory",
     "POSIX chdir, exec", working_directory},
    {"shell-redirections", "a shell writes, appends and reads by redirection",
     "POSIX sh, redirection", shell_redirections},
};

const struct subject subject_execute = {"execute", rules, sizeof rules / sizeof rules[0]};
