/*
 * A volume in memory: nodes by gfid, names by directory, and both kept in step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/memvolume.h"

#include <stdlib.h>
#include <xxhash.h>
#include "backend/base/clock.h"

struct memory_node *memory_node_find(struct memory_volume *memory, const struct gfid *gfid)
{
    struct memory_node *node = memory->nodes[gfid_index(gfid) % NODE_BUCKETS];
    while (node && !gfid_equal(&node->attr.gfid, gfid)) {
        node = node->next_hashed;
    }
    return node;
}

static struct timestamp now(struct memory_volume *memory)
{
    uint64_t wall = clock_wall_ns(clock_real());
    memory->last_ns = wall > memory->last_ns ? wall : memory->last_ns + 1;
    return (struct timestamp){.seconds = (int64_t)(memory->last_ns / NS_PER_S),
                              .nanoseconds = (uint32_t)(memory->last_ns % NS_PER_S)};
}

void memory_touch(struct memory_volume *memory, struct memory_node *node, bool is_content)
{
    struct timestamp time = now(memory);
    node->attr.ctime = time;
    if (is_content) {
        node->attr.mtime = time;
    }
    node->attr.change++;
}

struct memory_node *memory_node_new(struct memory_volume *memory, uint32_t type)
{
    struct memory_node *node = calloc(1, sizeof(*node));
    if (!node) {
        return NULL;
    }
    uint64_t index = memory->next_index++;
    struct timestamp time = now(memory);
    node->attr = (struct attr){
        .type = type,
        .nlink = type == OBJECT_DIRECTORY ? 2 : 1,
        .gfid = index == gfid_index(&GFID_ROOT) ? GFID_ROOT : gfid_make(0, 1, index),
        .atime = time,
        .mtime = time,
        .ctime = time,
        .btime = time,
    };
    struct memory_node **bucket = &memory->nodes[index % NODE_BUCKETS];
    node->next_hashed = *bucket;
    *bucket = node;
    return node;
}

void memory_node_free(struct memory_volume *memory, struct memory_node *node)
{
    struct memory_node **at = &memory->nodes[gfid_index(&node->attr.gfid) % NODE_BUCKETS];
    while (*at != node) {
        at = &(*at)->next_hashed;
    }
    *at = node->next_hashed;
    memory_xattrs_free(node);
    free(node->data);
    free(node);
}

static struct memory_entry **name_bucket(struct memory_volume *memory,
                                         const struct memory_node *directory, struct slice name)
{
    uint64_t hash = XXH3_64bits_withSeed(name.data, name.size, gfid_index(&directory->attr.gfid));
    return &memory->names[hash % NAME_BUCKETS];
}

struct memory_entry *memory_entry_find(struct memory_volume *memory,
                                       const struct memory_node *directory, struct slice name)
{
    struct memory_entry *entry = *name_bucket(memory, directory, name);
    while (entry && !(entry->directory == directory &&
                      slice_equal(slice_of(entry->name, entry->size), name))) {
        entry = entry->next_hashed;
    }
    return entry;
}

int memory_entry_add(struct memory_volume *memory, struct memory_node *directory, struct slice name,
                     struct memory_node *node)
{
    struct memory_entry *entry = malloc(sizeof(*entry) + name.size + 1);
    if (!entry) {
        return -ENOMEM;
    }
    struct memory_entry **bucket = name_bucket(memory, directory, name);
    *entry = (struct memory_entry){
        .next_hashed = *bucket,
        .previous = directory->last,
        .directory = directory,
        .node = node,
        .cookie = memory->next_cookie++,
        .size = name.size,
    };
    memcpy(entry->name, name.data, name.size);
    entry->name[name.size] = '\0';
    *bucket = entry;
    *(directory->last ? &directory->last->next : &directory->first) = entry;
    directory->last = entry;
    directory->attr.size += name.size + 32;
    if (node->attr.type == OBJECT_DIRECTORY) {
        directory->attr.nlink++;
        node->attr.parent = directory->attr.gfid;
    }
    memory_touch(memory, directory, true);
    return 0;
}

void memory_entry_remove(struct memory_volume *memory, struct memory_entry *entry)
{
    struct memory_node *directory = entry->directory;
    struct memory_entry **at = name_bucket(memory, directory, slice_of(entry->name, entry->size));
    while (*at != entry) {
        at = &(*at)->next_hashed;
    }
    *at = entry->next_hashed;
    *(entry->previous ? &entry->previous->next : &directory->first) = entry->next;
    *(entry->next ? &entry->next->previous : &directory->last) = entry->previous;
    directory->attr.size -= entry->size + 32;
    if (entry->node->attr.type == OBJECT_DIRECTORY) {
        directory->attr.nlink--;
    }
    memory_touch(memory, directory, true);
    free(entry);
}

struct attr_before memory_before(const struct memory_node *node)
{
    return (struct attr_before){.present = true,
                                .size = node->attr.size,
                                .mtime = node->attr.mtime,
                                .ctime = node->attr.ctime};
}

/* The node of a gfid, a directory if it must be one. */
int memory_find(struct memory_volume *memory, const struct gfid *gfid, bool is_directory,
                struct memory_node **out_node)
{
    struct memory_node *node = memory_node_find(memory, gfid);
    if (!node) {
        return -ESTALE;
    }
    if (is_directory && node->attr.type != OBJECT_DIRECTORY) {
        return -ENOTDIR;
    }
    *out_node = node;
    return 0;
}
