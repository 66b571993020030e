/*
 * The suites' command line. See options.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/lib/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(FILE *to, const char *name)
{
    fprintf(to,
            "usage: %s [options] SERVER:EXPORT\n"
            "Checks a server from outside. EXPORT must be writable, and root must be root in it.\n"
            "  -l, --list               the names of the cases\n"
            "  -s, --select NAME        only cases whose names begin so\n"
            "  -c, --coverage FILE      print what is covered, with the explanations of FILE\n"
            "  -n, --nfs-port PORT      instead of asking the portmapper\n"
            "  -m, --mount-port PORT    likewise\n"
            "  -L, --long               also what takes minutes\n"
            "  -U, --no-udp             the server is not meant to answer datagrams\n"
            "  -a, --anon-id ID         uid and gid of who is squashed (65534)\n"
            "Further exports of the server, for the cases that need them:\n"
            "      --read-only EXPORT   every write is refused\n"
            "      --root-squash EXPORT uid and gid 0 are ID\n"
            "      --all-squash EXPORT  everybody is ID\n"
            "      --secure EXPORT      only for source ports below 1024\n"
            "      --refused EXPORT     not for this machine\n"
            "      --small EXPORT       a file system of a few MiB, to be filled\n"
            "      --other EXPORT       another file system\n"
            "      --async EXPORT       answers before the disk has it\n"
            "  -h, --help               this text\n",
            name);
}

enum { READ_ONLY = 256, ROOT_SQUASH, ALL_SQUASH, SECURE, REFUSED, SMALL, OTHER, ASYNC };

static const struct option names[] = {
    {"list", no_argument, NULL, 'l'},
    {"select", required_argument, NULL, 's'},
    {"coverage", required_argument, NULL, 'c'},
    {"nfs-port", required_argument, NULL, 'n'},
    {"mount-port", required_argument, NULL, 'm'},
    {"long", no_argument, NULL, 'L'},
    {"no-udp", no_argument, NULL, 'U'},
    {"anon-id", required_argument, NULL, 'a'},
    {"read-only", required_argument, NULL, READ_ONLY},
    {"root-squash", required_argument, NULL, ROOT_SQUASH},
    {"all-squash", required_argument, NULL, ALL_SQUASH},
    {"secure", required_argument, NULL, SECURE},
    {"refused", required_argument, NULL, REFUSED},
    {"small", required_argument, NULL, SMALL},
    {"other", required_argument, NULL, OTHER},
    {"async", required_argument, NULL, ASYNC},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char **export_of(int option, struct suite_options *options)
{
    switch (option) {
    case READ_ONLY:
        return &options->read_only;
    case ROOT_SQUASH:
        return &options->root_squash;
    case ALL_SQUASH:
        return &options->all_squash;
    case SECURE:
        return &options->secure;
    case REFUSED:
        return &options->refused;
    case SMALL:
        return &options->small;
    case OTHER:
        return &options->other;
    default:
        return &options->async;
    }
}

static bool take_number(const char *text, unsigned long max, unsigned *out_number)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number > max) {
        fprintf(stderr, "\"%s\" is not a number up to %lu\n", text, max);
        return false;
    }
    *out_number = (unsigned)number;
    return true;
}

static bool take_port(const char *text, uint16_t *out_port)
{
    unsigned port;
    if (!take_number(text, UINT16_MAX, &port)) {
        return false;
    }
    *out_port = (uint16_t)port;
    return true;
}

/* "[::1]:/gv0" is host "::1". */
static bool take_server(const char *text, struct suite_options *options)
{
    const char *colon = strstr(text, ":/");
    if (!colon || colon == text) {
        fprintf(stderr, "\"%s\" is not SERVER:/EXPORT\n", text);
        return false;
    }
    size_t size = (size_t)(colon - text);
    if (text[0] == '[' && colon[-1] == ']') {
        text++;
        size -= 2;
    }
    if (size >= sizeof options->server) {
        fprintf(stderr, "the server's name is too long\n");
        return false;
    }
    memcpy(options->server, text, size);
    options->server[size] = '\0';
    options->export = colon + 1;
    return true;
}

static bool take_option(int option, struct suite_options *options, struct suite_command *command)
{
    switch (option) {
    case 'l':
        command->does_list = true;
        return true;
    case 's':
        command->only = optarg;
        return true;
    case 'c':
        command->explained = optarg;
        return true;
    case 'n':
        return take_port(optarg, &options->nfs_port);
    case 'm':
        return take_port(optarg, &options->mount_port);
    case 'L':
        options->is_long = true;
        return true;
    case 'U':
        options->is_no_udp = true;
        return true;
    case 'a':
        return take_number(optarg, UINT32_MAX - 1, &options->anon_id);
    case '?':
        return false;
    default:
        *export_of(option, options) = optarg;
        return true;
    }
}

int options_parse(const char *name, int argc, char **argv, struct suite_options *out_options,
                  struct suite_command *out_command)
{
    out_options->anon_id = 65534;
    int option;
    while ((option = getopt_long(argc, argv, "ls:c:n:m:LUa:h", names, NULL)) != -1) {
        if (option == 'h') {
            usage(stdout, name);
            return 1;
        }
        if (!take_option(option, out_options, out_command)) {
            return -1;
        }
    }
    if (out_command->does_list || out_command->explained) {
        return 0;
    }
    if (optind + 1 != argc) {
        usage(stderr, name);
        return -1;
    }
    return take_server(argv[optind], out_options) ? 0 : -1;
}
