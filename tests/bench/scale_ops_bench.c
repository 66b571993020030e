/*
 * What single operations cost on a mounted volume that scale_bench filled: latency, and the CPU
 * time of the daemons.
 *
 *     scale_ops_bench [-n OPERATIONS] [-s SEED] [-p PID,PID…] MOUNT FILES DIRECTORIES BIG PHASE…
 *
 * Files are chosen by seed all over the volume, none twice. Before each phase it waits until what
 * the client was granted has lapsed, so that every operation reaches a brick; their directories are
 * looked up ahead, uncounted, so that an operation is one request however many directories there
 * are. One line for each phase.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Longer than any grant: proto/limits.h GRANT_MS_MAX. */
#define LAPSE_MS 2200
#define PIDS_MAX 16
#define PATH_SIZE 4096
/* Operations whose directories are looked up ahead: they take less time than a grant lasts. */
#define GROUP 200
/* Looks at files while others are changed, one each millisecond. */
#define STALL_COUNT 10000

struct job {
    const char *mount;
    uint32_t files, directories, big; /* files: in each directory */
    uint32_t count;                   /* operations of a phase */
    uint64_t seed;
    int pids[PIDS_MAX];
    uint32_t pid_count;
    atomic_bool stop;
};

struct phase {
    const char *name;
    /* One operation, number i; how many it counts for (entries of a listing), or -errno. */
    int (*run)(struct job *job, bool big, uint32_t i);
    bool big;      /* in the large directory */
    uint32_t part; /* of the count: listings take longer; 0: one */
};

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    return b ? common_divisor(b, a % b) : a;
}

/* The i-th of total things in an order that goes all over them and meets each once. */
static uint32_t chosen(const struct job *job, uint64_t total, uint32_t i)
{
    uint64_t stride = UINT64_C(2654435761) % total;
    while (common_divisor(stride, total) != 1) {
        stride++;
    }
    return (uint32_t)((job->seed * UINT64_C(48271) + i * stride) % total);
}

static uint32_t directory_of(const struct job *job, uint32_t i)
{
    return chosen(job, (uint64_t)job->files * job->directories, i) / job->files;
}

static void directory_path(const struct job *job, bool big, uint32_t i, char *out_path)
{
    if (big) {
        (void)snprintf(out_path, PATH_SIZE, "%s/big", job->mount); /* cut short at worst */
    } else {
        (void)snprintf(out_path, PATH_SIZE, "%s/d%05" PRIu32, job->mount, directory_of(job, i));
    }
}

/* The i-th file; of kind 'f' filled in before, of others made by these phases. */
static void file_path(const struct job *job, bool big, char kind, uint32_t i, char *out_path)
{
    uint32_t number = big ? chosen(job, job->big, i)
                          : chosen(job, (uint64_t)job->files * job->directories, i) % job->files;
    directory_path(job, big, i, out_path);
    size_t size = strlen(out_path);
    (void)snprintf(out_path + size, PATH_SIZE - size, "/%c%07" PRIu32, kind, number);
}

static int stat_one(struct job *job, bool big, uint32_t i)
{
    char path[PATH_SIZE];
    struct stat status;
    file_path(job, big, 'f', i, path);
    return lstat(path, &status) ? -errno : 1;
}

static int open_one(struct job *job, bool big, uint32_t i)
{
    char path[PATH_SIZE];
    char byte;
    file_path(job, big, 'f', i, path);
    int fd = open(path, O_RDONLY);
    int result = fd < 0 || read(fd, &byte, 1) < 0 ? -errno : 1;
    if (fd >= 0) {
        (void)close(fd); /* only read */
    }
    return result;
}

static int chmod_one(struct job *job, bool big, uint32_t i)
{
    char path[PATH_SIZE];
    file_path(job, big, 'f', i, path);
    return chmod(path, 0600 | (mode_t)(i & 7)) ? -errno : 1;
}

static int create_one(struct job *job, bool big, uint32_t i)
{
    char path[PATH_SIZE];
    file_path(job, big, 'n', i, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    return fd < 0 || close(fd) ? -errno : 1;
}

static int rename_one(struct job *job, bool big, uint32_t i)
{
    char from[PATH_SIZE];
    char to[PATH_SIZE];
    file_path(job, big, 'n', i, from);
    file_path(job, big, 'r', i, to);
    return rename(from, to) ? -errno : 1;
}

static int unlink_one(struct job *job, bool big, uint32_t i)
{
    char path[PATH_SIZE];
    file_path(job, big, 'r', i, path);
    return unlink(path) ? -errno : 1;
}

static int list_directory(struct job *job, bool big, bool with_stat, uint32_t i)
{
    char path[PATH_SIZE];
    int count = 0;
    struct stat status;
    directory_path(job, big, i, path);
    DIR *directory = opendir(path);
    if (!directory) {
        return -errno;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (with_stat && fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW)) {
            count = -errno;
            break;
        }
        count++;
    }
    (void)closedir(directory); /* only read */
    return count;
}

static int name_one(struct job *job, bool big, uint32_t i)
{
    return list_directory(job, big, false, i);
}

static int walk_one(struct job *job, bool big, uint32_t i)
{
    return list_directory(job, big, true, i);
}

static const struct phase phases[] = {
    {"stat", stat_one, false, 1},        {"open", open_one, false, 1},
    {"chmod", chmod_one, false, 1},      {"create", create_one, false, 1},
    {"rename", rename_one, false, 1},    {"unlink", unlink_one, false, 1},
    {"list", name_one, false, 20},       {"walk", walk_one, false, 20},
    {"big-stat", stat_one, true, 1},     {"big-open", open_one, true, 1},
    {"big-chmod", chmod_one, true, 1},   {"big-create", create_one, true, 1},
    {"big-rename", rename_one, true, 1}, {"big-unlink", unlink_one, true, 1},
    {"big-list", name_one, true, 0},     {"big-walk", walk_one, true, 0},
};

/* CPU time of all daemons so far; threads that ended in between are lost, and there are few. */
static double cpu_seconds(const struct job *job)
{
    double sum = 0;
    for (uint32_t i = 0; i < job->pid_count; i++) {
        char path[320];
        (void)snprintf(path, sizeof path, "/proc/%d/task", job->pids[i]);
        DIR *directory = opendir(path);
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
            unsigned long long ns = 0;
            (void)snprintf(path, sizeof path, "/proc/%d/task/%.32s/schedstat", job->pids[i],
                           entry->d_name);
            FILE *file = fopen(path, "r");
            if (file && fscanf(file, "%llu", &ns) == 1) {
                sum += (double)ns / 1e9;
            }
            if (file) {
                (void)fclose(file); /* only read */
            }
        }
        if (directory) {
            (void)closedir(directory); /* only read */
        }
    }
    return sum;
}

static void pause_ms(uint32_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    (void)nanosleep(&time, NULL); /* shorter at worst */
}

static int compare_floats(const void *left, const void *right)
{
    float a = *(const float *)left;
    float b = *(const float *)right;
    return (a > b) - (a < b);
}

struct sums {
    uint64_t units;
    double wall, cpu;
    float *latencies;
};

static void print(const char *name, const struct sums *sums, uint32_t count)
{
    float *latencies = sums->latencies;
    double units = (double)sums->units;
    qsort(latencies, count, sizeof *latencies, compare_floats);
    printf("%-18s %9.0f %9.1f %9.0f %9.0f %9.0f %9.1f\n", name, units, sums->wall * 1e6 / units,
           (double)latencies[count / 2], (double)latencies[(uint64_t)count * 99 / 100],
           (double)latencies[count - 1], sums->cpu * 1e6 / units);
    (void)fflush(stdout);
}

/* Look the directories of some operations up. */
static int look_ahead(const struct job *job, bool big, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        char path[PATH_SIZE];
        struct stat status;
        directory_path(job, big, i, path);
        if (lstat(path, &status)) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

static int run_group(struct job *job, const struct phase *phase, uint32_t from, uint32_t to,
                     struct sums *sums)
{
    double cpu = cpu_seconds(job);
    for (uint32_t i = from; i < to; i++) {
        double before = seconds();
        int done = phase->run(job, phase->big, i);
        double took = seconds() - before;
        if (done < 0) {
            fprintf(stderr, "scale: %s: number %u: %s\n", phase->name, i, strerror(-done));
            return 1;
        }
        sums->latencies[i] = (float)(took * 1e6);
        sums->wall += took;
        sums->units += (uint64_t)done;
    }
    sums->cpu += cpu_seconds(job) - cpu;
    return 0;
}

static int run(struct job *job, const struct phase *phase)
{
    uint32_t count = phase->part ? job->count / phase->part : 1;
    count = count ? count : 1;
    struct sums sums = {.latencies = calloc(count, sizeof(float))};
    int result = !sums.latencies;
    for (uint32_t from = 0; !result && from < count; from += GROUP) {
        uint32_t to = from + GROUP < count ? from + GROUP : count;
        result = look_ahead(job, phase->big, from, to) || run_group(job, phase, from, to, &sums);
    }
    if (!result) {
        print(phase->name, &sums, count);
    }
    free(sums.latencies);
    return result;
}

/* ---- what a reader notices of somebody who changes things everywhere ------------------------- */

static void *disturb(void *context)
{
    struct job *job = context;
    struct job other = {.mount = job->mount,
                        .files = job->files,
                        .directories = job->directories,
                        .seed = job->seed + 1};
    for (uint32_t i = 0; !atomic_load(&job->stop); i++) {
        if (chmod_one(&other, false, i) < 0) {
            perror("scale: chmod");
            break;
        }
    }
    return NULL;
}

static int run_stall(struct job *job)
{
    struct sums sums = {.latencies = calloc(STALL_COUNT, sizeof(float))};
    pthread_t thread;
    atomic_store(&job->stop, false);
    if (!sums.latencies || pthread_create(&thread, NULL, disturb, job)) {
        free(sums.latencies);
        return 1;
    }
    static const struct phase phase = {"stall", stat_one, false, 1};
    int result = 0;
    for (uint32_t i = 0; !result && i < STALL_COUNT; i++) {
        result = look_ahead(job, false, i, i + 1) || run_group(job, &phase, i, i + 1, &sums);
        pause_ms(1);
    }
    atomic_store(&job->stop, true);
    (void)pthread_join(thread, NULL);
    if (!result) {
        sums.cpu = 0; /* mostly of the other one's operations */
        print(phase.name, &sums, STALL_COUNT);
    }
    free(sums.latencies);
    return result;
}

static int run_named(struct job *job, const char *name)
{
    pause_ms(LAPSE_MS);
    if (strcmp(name, "stall") == 0) {
        return run_stall(job);
    }
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        if (strcmp(phases[i].name, name) == 0) {
            return run(job, &phases[i]);
        }
    }
    fprintf(stderr, "scale: no such phase: %s\n", name);
    return 2;
}

static void take_pids(struct job *job, char *list)
{
    for (char *rest = list, *word; job->pid_count < PIDS_MAX && (word = strsep(&rest, ","));) {
        job->pids[job->pid_count++] = atoi(word);
    }
}

int main(int argc, char **argv)
{
    static struct job job = {.count = 2000, .seed = 1};
    for (int option; (option = getopt(argc, argv, "n:s:p:")) != -1;) {
        if (option == 'n') {
            job.count = (uint32_t)atoi(optarg);
        } else if (option == 's') {
            job.seed = (uint64_t)atoll(optarg);
        } else if (option == 'p') {
            take_pids(&job, optarg);
        } else {
            return 2;
        }
    }
    if (argc - optind < 5 || job.count == 0) {
        fprintf(stderr,
                "usage: %s [-n OPERATIONS] [-s SEED] [-p PID,PID…] MOUNT FILES "
                "DIRECTORIES BIG PHASE…\n",
                argv[0]);
        return 2;
    }
    job.mount = argv[optind];
    job.directories = (uint32_t)atoi(argv[optind + 2]);
    job.big = (uint32_t)atoi(argv[optind + 3]);
    job.files = job.directories ? (uint32_t)atoi(argv[optind + 1]) / job.directories : 0;
    if (job.files == 0 || job.big == 0) {
        fprintf(stderr, "scale: there must be files in the directories, and in the big one\n");
        return 2;
    }
    printf("%-18s %9s %9s %9s %9s %9s %9s\n", "operation", "count", "wall µs", "p50 µs", "p99 µs",
           "max µs", "cpu µs");
    int result = 0;
    for (int i = optind + 4; !result && i < argc; i++) {
        result = run_named(&job, argv[i]);
    }
    return result;
}
