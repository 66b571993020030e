/*
 * Access control lists as Linux keeps them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include "conformance/posix/acl_value.h"
#include "conformance/posix/attempt.h"

const char acl_access[] = "system.posix_acl_access";
const char acl_default[] = "system.posix_acl_default";

enum { VERSION = 2, HEADER_SIZE = 4, ENTRY_SIZE = 8 };
enum { USER_OBJECT = 1, USER = 2, GROUP_OBJECT = 4, GROUP = 8, MASK = 0x10, OTHER = 0x20 };
#define NO_ID UINT32_MAX

struct entry {
    uint16_t tag;
    uint16_t permission;
    uint32_t id;
};

static bool tag_of(char letter, bool is_named, uint16_t *out_tag)
{
    static const struct {
        char letter;
        bool is_named;
        uint16_t tag;
    } tags[] = {{'u', false, USER_OBJECT}, {'u', true, USER},  {'g', false, GROUP_OBJECT},
                {'g', true, GROUP},        {'m', false, MASK}, {'o', false, OTHER}};
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (tags[i].letter == letter && tags[i].is_named == is_named) {
            *out_tag = tags[i].tag;
            return true;
        }
    }
    return false;
}

static bool id_of(char letter, uint16_t tag, uint32_t *out_id)
{
    static const uint32_t users[] = {USER_A, USER_B};
    static const uint32_t groups[] = {GROUP_A, GROUP_B, GROUP_C};
    size_t index = (size_t)(letter - 'A');
    if (letter < 'A' || index >= (tag == USER ? 2U : 3U)) {
        return false;
    }
    *out_id = tag == USER ? users[index] : groups[index];
    return true;
}

/* One of "u::rw-" and "u:A:rw-"; what comes behind it. */
static const char *parse(const char *text, struct entry *out_entry)
{
    bool is_named = text[0] && text[1] == ':' && text[2] != ':';
    *out_entry = (struct entry){.id = NO_ID};
    if (!tag_of(text[0], is_named, &out_entry->tag) ||
        (is_named && !id_of(text[2], out_entry->tag, &out_entry->id))) {
        return NULL;
    }
    const char *bits = text + (is_named ? 4 : 3);
    if (bits[-1] != ':' || strspn(bits, "rwx-") != 3) {
        return NULL;
    }
    out_entry->permission =
        (uint16_t)((bits[0] == 'r') * 4 + (bits[1] == 'w') * 2 + (bits[2] == 'x'));
    return bits + 3;
}

size_t acl_encode(const char *text, uint8_t *out_value)
{
    uint32_t version = htole32(VERSION);
    size_t size = HEADER_SIZE;
    memcpy(out_value, &version, sizeof version);
    while (*text) {
        struct entry entry;
        text = parse(text, &entry);
        posix_holds(__FILE__, __LINE__, "the rule's text is an access control list", text != NULL);
        HOLDS(size + ENTRY_SIZE <= ACL_VALUE_MAX);
        entry.tag = htole16(entry.tag);
        entry.permission = htole16(entry.permission);
        entry.id = htole32(entry.id);
        memcpy(out_value + size, &entry, ENTRY_SIZE);
        size += ENTRY_SIZE;
        text += *text == ',';
    }
    return size;
}

static char letter_of(uint16_t tag)
{
    return tag == USER_OBJECT || tag == USER     ? 'u'
           : tag == GROUP_OBJECT || tag == GROUP ? 'g'
           : tag == MASK                         ? 'm'
           : tag == OTHER                        ? 'o'
                                                 : '?';
}

/* A letter where there is one, the number if not. */
static void print_id(const struct entry *entry, char *out_text, size_t size)
{
    out_text[0] = '\0';
    if (entry->tag != USER && entry->tag != GROUP) {
        return;
    }
    for (char letter = 'A'; letter <= 'C'; letter++) {
        uint32_t id;
        if (id_of(letter, entry->tag, &id) && id == entry->id) {
            (void)snprintf(out_text, size, "%c", letter);
            return;
        }
    }
    (void)snprintf(out_text, size, "%u", entry->id);
}

bool acl_decode(const uint8_t *value, size_t size, char *out_text, size_t text_size)
{
    uint32_t version;
    size_t used = 0;
    if (size < HEADER_SIZE || (size - HEADER_SIZE) % ENTRY_SIZE != 0) {
        return false;
    }
    memcpy(&version, value, sizeof version);
    out_text[0] = '\0';
    for (size_t at = HEADER_SIZE; at < size && used < text_size; at += ENTRY_SIZE) {
        struct entry entry;
        char id[16];
        memcpy(&entry, value + at, ENTRY_SIZE);
        entry.tag = le16toh(entry.tag);
        entry.permission = le16toh(entry.permission);
        entry.id = le32toh(entry.id);
        print_id(&entry, id, sizeof id);
        used +=
            (size_t)snprintf(out_text + used, text_size - used, "%s%c:%s:%c%c%c", used ? "," : "",
                             letter_of(entry.tag), id, entry.permission & 4 ? 'r' : '-',
                             entry.permission & 2 ? 'w' : '-', entry.permission & 1 ? 'x' : '-');
    }
    return le32toh(version) == VERSION && used < text_size;
}

int acl_set(const struct place *place, const char *name, const char *attribute, const char *text)
{
    uint8_t value[ACL_VALUE_MAX];
    size_t size = acl_encode(text, value);
    return setxattr(path_of(place, name), attribute, value, size, 0);
}

int acl_remove(const struct place *place, const char *name, const char *attribute)
{
    return removexattr(path_of(place, name), attribute);
}

void acl_check(const struct place *place, const char *name, const char *attribute, const char *text)
{
    uint8_t value[ACL_VALUE_MAX];
    char now[512];
    char message[1200];
    ssize_t size = getxattr(path_of(place, name), attribute, value, sizeof value);
    MUST(size);
    HOLDS(acl_decode(value, (size_t)size, now, sizeof now));
    (void)snprintf(message, sizeof message, "%s of %s is \"%s\", not \"%s\"", attribute, name, now,
                   text);
    posix_holds(__FILE__, __LINE__, message, strcmp(now, text) == 0);
}

void acl_check_none(const struct place *place, const char *name, const char *attribute)
{
    uint8_t value[ACL_VALUE_MAX];
    FAILS(getxattr(path_of(place, name), attribute, value, sizeof value), ENODATA);
}
