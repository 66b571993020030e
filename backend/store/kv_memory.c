/*
 * Ordered tables in memory: a treap for each. Priorities come from a fixed sequence, so that a
 * simulation repeats to the byte.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/store/kv.h"

struct node {
    struct node *left, *right;
    uint64_t priority; /* of the children: not above this one's */
    size_t key_size;
    size_t value_size;
    uint8_t *value;
    uint8_t key[KV_KEY_MAX];
};

struct kv_memory {
    struct kv kv;
    struct node *roots[KV_TABLES];
    const struct node *at[KV_TABLES]; /* where next goes on */
    uint64_t priority;
};

static struct kv_memory *kv_memory_of(struct kv *kv)
{
    return (struct kv_memory *)kv;
}

static int compare(const struct node *node, struct slice key)
{
    size_t common = node->key_size < key.size ? node->key_size : key.size;
    int order = memcmp(node->key, key.data, common);
    return order ? order : (node->key_size > key.size) - (node->key_size < key.size);
}

/* The place that points to the node of key, or to NULL where it would be. */
static struct node **find(struct node **place, struct slice key)
{
    while (*place) {
        int order = compare(*place, key);
        if (order == 0) {
            break;
        }
        place = order > 0 ? &(*place)->left : &(*place)->right;
    }
    return place;
}

static int kv_memory_get(struct kv *kv, enum kv_table table, struct slice key,
                         struct slice *out_value)
{
    const struct node *node = *find(&kv_memory_of(kv)->roots[table], key);
    if (!node) {
        return -ENOENT;
    }
    *out_value = slice_of(node->value, node->value_size);
    return 0;
}

/* Part tree into what is before key and what is behind; key itself is not in it. */
static void split(struct node *tree, struct slice key, struct node **out_before,
                  struct node **out_behind)
{
    while (tree) {
        if (compare(tree, key) < 0) {
            *out_before = tree;
            out_before = &tree->right;
            tree = tree->right;
        } else {
            *out_behind = tree;
            out_behind = &tree->left;
            tree = tree->left;
        }
    }
    *out_before = NULL;
    *out_behind = NULL;
}

static struct node *merge(struct node *before, struct node *behind)
{
    struct node *tree = NULL;
    struct node **place = &tree;
    while (before && behind) {
        if (before->priority > behind->priority) {
            *place = before;
            place = &before->right;
            before = before->right;
        } else {
            *place = behind;
            place = &behind->left;
            behind = behind->left;
        }
    }
    *place = before ? before : behind;
    return tree;
}

static int set_value(struct node *node, struct slice value)
{
    uint8_t *copy = malloc(value.size ? value.size : 1);
    if (!copy) {
        return -ENOMEM;
    }
    if (value.size) {
        memcpy(copy, value.data, value.size);
    }
    free(node->value);
    node->value = copy;
    node->value_size = value.size;
    return 0;
}

static uint64_t priority_next(struct kv_memory *memory)
{
    memory->priority += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = memory->priority;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int kv_memory_put(struct kv *kv, enum kv_table table, struct slice key, struct slice value)
{
    struct kv_memory *memory = kv_memory_of(kv);
    PRE(key.size <= KV_KEY_MAX);
    struct node *found = *find(&memory->roots[table], key);
    if (found) {
        return set_value(found, value);
    }
    struct node *node = calloc(1, sizeof *node);
    if (!node || set_value(node, value)) {
        free(node);
        return -ENOMEM;
    }
    node->key_size = key.size;
    memcpy(node->key, key.data, key.size);
    node->priority = priority_next(memory);
    struct node **place = &memory->roots[table];
    while (*place && (*place)->priority >= node->priority) {
        place = compare(*place, key) > 0 ? &(*place)->left : &(*place)->right;
    }
    split(*place, key, &node->left, &node->right);
    *place = node;
    return 0;
}

static int kv_memory_remove(struct kv *kv, enum kv_table table, struct slice key)
{
    struct node **place = find(&kv_memory_of(kv)->roots[table], key);
    struct node *node = *place;
    if (!node) {
        return -ENOENT;
    }
    *place = merge(node->left, node->right);
    free(node->value);
    free(node);
    return 0;
}

/* The first node at or behind key, or strictly behind it. */
static int find_from(struct kv *kv, enum kv_table table, struct slice key, bool behind,
                     struct slice *out_key, struct slice *out_value)
{
    struct kv_memory *memory = kv_memory_of(kv);
    const struct node *best = NULL;
    for (const struct node *node = memory->roots[table]; node;) {
        int order = compare(node, key);
        if (order > 0 || (order == 0 && !behind)) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    memory->at[table] = best;
    if (!best) {
        return -ENOENT;
    }
    *out_key = slice_of(best->key, best->key_size);
    *out_value = slice_of(best->value, best->value_size);
    return 0;
}

static int kv_memory_seek(struct kv *kv, enum kv_table table, struct slice key,
                          struct slice *out_key, struct slice *out_value)
{
    return find_from(kv, table, key, false, out_key, out_value);
}

static int kv_memory_next(struct kv *kv, enum kv_table table, struct slice *out_key,
                          struct slice *out_value)
{
    const struct node *at = kv_memory_of(kv)->at[table];
    if (!at) {
        return -ENOENT;
    }
    return find_from(kv, table, slice_of(at->key, at->key_size), true, out_key, out_value);
}

static int kv_memory_commit(struct kv *kv, bool durable)
{
    (void)kv;
    (void)durable; /* memory neither loses nor keeps anything */
    return 0;
}

static void free_tree(struct node *tree)
{
    while (tree) { /* as deep as the left spine only: a treap is balanced in expectation */
        struct node *right = tree->right;
        free_tree(tree->left);
        free(tree->value);
        free(tree);
        tree = right;
    }
}

static void kv_memory_close(struct kv *kv)
{
    struct kv_memory *memory = kv_memory_of(kv);
    for (int i = 0; i < KV_TABLES; i++) {
        free_tree(memory->roots[i]);
    }
    free(memory);
}

static const struct kv_ops kv_memory_ops = {
    .get = kv_memory_get,
    .put = kv_memory_put,
    .remove = kv_memory_remove,
    .seek = kv_memory_seek,
    .next = kv_memory_next,
    .commit = kv_memory_commit,
    .close = kv_memory_close,
};

int kv_memory_open(struct kv **out_kv)
{
    PRE(out_kv);
    struct kv_memory *memory = calloc(1, sizeof *memory);
    if (!memory) {
        return -ENOMEM;
    }
    memory->kv.ops = &kv_memory_ops;
    *out_kv = &memory->kv;
    return 0;
}
