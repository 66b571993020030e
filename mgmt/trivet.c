/*
 * trivet: the command line of trivetd. What every command takes is handled here, the nouns are in
 * cmd_<noun>.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base/log.h"
#include "mgmt/cmd.h"

static const char usage[] =
    "usage: trivet [--run-dir DIR | --socket PATH] [--json] NOUN VERB ...\n"
    "\n"
    "  volume   create, start, stop, delete, set, get, list, info, status\n"
    "  gateway  start, stop, status\n"
    "  peer     status\n"
    "  pool     list\n"
    "\n"
    "  --run-dir DIR   run directory of trivetd (default $TRIVET_RUN_DIR, then /run/trivet)\n"
    "  --socket PATH   its socket, if it is elsewhere\n"
    "  --json          print the answer as JSON\n"
    "  --config FILE   of gateway start: its configuration (default /etc/trivet/gateway.conf)\n"
    "  --mode=script   accepted and ignored: nothing is ever asked\n"
    "  --help, --version; \"trivet NOUN --help\" shows the commands of a noun\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.\n";

static const struct {
    const char *noun;
    cmd_function *run;
    const char *usage;
} nouns[] = {
    {"volume", cmd_volume, cmd_volume_usage},
    {"gateway", cmd_gateway, cmd_gateway_usage},
    {"peer", cmd_peer, cmd_peer_usage},
    {"pool", cmd_pool, cmd_pool_usage},
};

/* The value of "--name=value" or "--name value"; NULL if words[*at] is another option. */
static const char *option_value(char **words, int count, int *at, const char *name)
{
    size_t size = strlen(name);
    const char *word = words[*at];
    if (strncmp(word, name, size) != 0) {
        return NULL;
    }
    if (word[size] == '=') {
        return word + size + 1;
    }
    if (word[size] == '\0' && *at + 1 < count) {
        return words[++*at];
    }
    return NULL;
}

/* Take out what every command accepts, wherever it stands; what is left is the command. */
static void take_options(struct cmd *cmd, bool *out_help)
{
    int kept = 0;
    for (int i = 0; i < cmd->count; i++) {
        char *word = cmd->words[i];
        const char *value;
        if (strcmp(word, "--json") == 0) {
            cmd->json = true;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            *out_help = true;
        } else if (strcmp(word, "--version") == 0) {
            puts("trivet " TRIVET_VERSION);
            exit(0);
        } else if ((value = option_value(cmd->words, cmd->count, &i, "--run-dir")) != NULL) {
            cmd->run_dir = value;
        } else if ((value = option_value(cmd->words, cmd->count, &i, "--socket")) != NULL) {
            cmd->socket_path = value;
        } else if (option_value(cmd->words, cmd->count, &i, "--mode") == NULL) {
            cmd->words[kept++] = word;
        }
    }
    cmd->count = kept;
}

int main(int argc, char **argv)
{
    log_open("trivet", LOG_LEVEL_ERROR);
    const char *run_dir = getenv("TRIVET_RUN_DIR");
    struct cmd cmd = {
        .usage = usage,
        .run_dir = run_dir && run_dir[0] ? run_dir : "/run/trivet",
        .count = argc - 1,
        .words = argv + 1,
    };
    bool help = false;
    take_options(&cmd, &help);
    const char *noun = cmd.count > 0 ? cmd.words[0] : NULL;
    if (!noun || strcmp(noun, "help") == 0) {
        fputs(usage, help || noun ? stdout : stderr);
        return help || noun ? 0 : EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
        if (strcmp(noun, nouns[i].noun) != 0) {
            continue;
        }
        cmd.noun = noun;
        cmd.usage = nouns[i].usage;
        cmd.count--;
        cmd.words++;
        if (help) {
            fputs(cmd.usage, stdout);
            return 0;
        }
        return nouns[i].run(&cmd);
    }
    return cmd_usage_error(&cmd, "%s is not known", noun);
}
