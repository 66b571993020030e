/*
 * Access control lists as Linux keeps them: the value of system.posix_acl_access and
 * system.posix_acl_default, version 2, written and read without libacl. In rules they are texts:
 *
 *     u::rw-,u:A:r--,g::r--,g:C:rwx,m::rwx,o::---
 *
 * with A, B and C for posix.h's users and groups.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_POSIX_ACL_VALUE_H
#define TRIVET_CONFORMANCE_POSIX_ACL_VALUE_H

#include "conformance/posix/posix.h"

enum { ACL_ENTRIES_MAX = 64, ACL_VALUE_MAX = 4 + 8 * ACL_ENTRIES_MAX };

extern const char acl_access[]; /* the attributes' names */
extern const char acl_default[];

/* The value of a text, at most ACL_VALUE_MAX bytes; a text that is none ends the rule. Entries are
 * encoded in the text's order, right or not. */
size_t acl_encode(const char *text, uint8_t *out_value);
/* A text of a value; false if it is no list. */
bool acl_decode(const uint8_t *value, size_t size, char *out_text, size_t text_size);

/* Set a list on what a name names; as setxattr, so for MUST and FAILS. */
int acl_set(const struct place *place, const char *name, const char *attribute, const char *text);
int acl_remove(const struct place *place, const char *name, const char *attribute);
/* The name's list is this one; or there is none. */
void acl_check(const struct place *place, const char *name, const char *attribute,
               const char *text);
void acl_check_none(const struct place *place, const char *name, const char *attribute);

#endif
