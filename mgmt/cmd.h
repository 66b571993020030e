/*
 * The command line's nouns: each in a file cmd_<noun>.c, on what client and printing give here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_CMD_H
#define TRIVET_MGMT_CMD_H

#include <stdbool.h>

#include <jansson.h>

#define EXIT_USAGE 2

/* The words behind the noun; options that every command takes are gone already. */
struct cmd {
    const char *noun;
    const char *usage; /* the noun's own */
    const char *run_dir;
    const char *socket_path; /* NULL: in run_dir */
    bool json;
    int count;
    char **words;
};

/* Run the noun's command; returns the exit status. */
typedef int cmd_function(struct cmd *cmd);
cmd_function cmd_volume, cmd_gateway, cmd_peer, cmd_pool;
extern const char cmd_volume_usage[], cmd_gateway_usage[], cmd_peer_usage[], cmd_pool_usage[];

/* Complain about how the command was written. Returns EXIT_USAGE. */
int cmd_usage_error(const struct cmd *cmd, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Send request to trivetd, whose reference is taken. With --json the answer is printed here, be it
 * good or bad; otherwise a refusal is printed as "<noun> <verb>: <volume>: failed: <sentence>".
 *
 * Returns 0, with *out_answer (the caller's reference) unless it was printed already, then NULL; or
 * the exit status.
 */
int cmd_call(const struct cmd *cmd, json_t *request, json_t **out_answer);

/* {"command": "<noun> <verb>"} and, unless volume is NULL, the volume. */
json_t *cmd_request(const struct cmd *cmd, const char *verb, const char *volume);

/* A member's text, or "" ; a member's number, or 0. */
const char *cmd_text(const json_t *json, const char *name);
long long cmd_number(const json_t *json, const char *name);

/* ---- tables -------------------------------------------------------------------------------- */

#define TABLE_COLUMNS_MAX 12

/* Rows of text; columns are as wide as their widest cell. */
struct cmd_table {
    size_t columns;
    size_t count;
    char **cells; /* row by row */
};

void cmd_table_begin(struct cmd_table *table, size_t columns, const char *const *titles);
/* Add one cell after the other, row by row. */
void cmd_table_add(struct cmd_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Print and free. */
void cmd_table_end(struct cmd_table *table);

/* "1.5GB" into text. */
#define SIZE_TEXT_SIZE 16
const char *cmd_size_text(long long bytes, char text[SIZE_TEXT_SIZE]);

#endif
