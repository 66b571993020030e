/*
 * Random but valid values of the protocol's structs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/sample.h"
#include <string.h>

uint64_t sample_u64(struct random_sequence *random)
{
    uint64_t choice = random_sequence_below(random, 8);
    uint64_t number = random_sequence_next(random);
    switch (choice) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return number % 256;
    default:
        return number >> random_sequence_below(random, 64);
    }
}

uint32_t sample_u32(struct random_sequence *random)
{
    return (uint32_t)sample_u64(random);
}

static size_t sample_between(struct random_sequence *random, size_t min, size_t max)
{
    if (random_sequence_below(random, 8) == 0) {
        return random_sequence_below(random, 2) ? min : max;
    }
    size_t span = max - min < 40 ? max - min : 40; /* mostly short, or tests crawl */
    return min + random_sequence_below(random, span + 1);
}

void sample_text(struct random_sequence *random, size_t size_min, size_t size_max, char *out_text)
{
    size_t size = sample_between(random, size_min, size_max);
    random_sequence_bytes(random, out_text, size);
    for (size_t i = 0; i < size; i++) {
        if (out_text[i] == '\0' || out_text[i] == '/') {
            out_text[i] = 'x';
        }
    }
    out_text[size] = '\0';
}

void sample_gfid(struct random_sequence *random, struct gfid *out_gfid)
{
    random_sequence_bytes(random, out_gfid->bytes, GFID_SIZE);
}

static void sample_time(struct random_sequence *random, struct timestamp *out_time)
{
    out_time->seconds = (int64_t)sample_u64(random);
    out_time->nanoseconds = random_sequence_below(random, 4)
                                ? (uint32_t)random_sequence_below(random, 1000000000)
                                : 999999999;
}

void sample_attr(struct random_sequence *random, struct attr *out_attr)
{
    memset(out_attr, 0, sizeof *out_attr);
    out_attr->type = 1 + (uint32_t)random_sequence_below(random, OBJECT_FIFO);
    out_attr->mode = sample_u32(random) & 07777;
    out_attr->nlink = sample_u32(random);
    out_attr->uid = sample_u32(random);
    out_attr->gid = sample_u32(random);
    out_attr->device_major = sample_u32(random);
    out_attr->device_minor = sample_u32(random);
    out_attr->flags = sample_u32(random) & ATTR_FLAG_BITS;
    out_attr->size = sample_u64(random);
    out_attr->used = sample_u64(random);
    out_attr->change = sample_u64(random);
    sample_gfid(random, &out_attr->gfid);
    sample_gfid(random, &out_attr->parent);
    sample_time(random, &out_attr->atime);
    sample_time(random, &out_attr->mtime);
    sample_time(random, &out_attr->ctime);
    sample_time(random, &out_attr->btime);
}

void sample_before(struct random_sequence *random, struct attr_before *out_before)
{
    memset(out_before, 0, sizeof *out_before);
    out_before->present = true;
    out_before->size = sample_u64(random);
    sample_time(random, &out_before->mtime);
    sample_time(random, &out_before->ctime);
}

void sample_change(struct random_sequence *random, struct attr_change *out_change)
{
    memset(out_change, 0, sizeof *out_change);
    out_change->mask = sample_u32(random) & 0xff;
    out_change->mode = sample_u32(random) & 07777;
    out_change->uid = sample_u32(random);
    out_change->gid = sample_u32(random);
    out_change->size = sample_u64(random);
    sample_time(random, &out_change->atime);
    sample_time(random, &out_change->mtime);
}

void sample_cred(struct random_sequence *random, struct cred *out_cred)
{
    memset(out_cred, 0, sizeof *out_cred);
    out_cred->flags = sample_u32(random);
    out_cred->uid = sample_u32(random);
    out_cred->gid = sample_u32(random);
    out_cred->group_count = (uint32_t)sample_between(random, 0, CRED_GROUPS_MAX);
    for (uint32_t i = 0; i < out_cred->group_count; i++) {
        out_cred->groups[i] = sample_u32(random);
    }
}

void sample_op_id(struct random_sequence *random, struct op_id *out_id)
{
    out_id->kind = (uint32_t)random_sequence_below(random, OP_ID_DERIVED + 1);
    out_id->slot = sample_u32(random);
    out_id->client = sample_u64(random);
    out_id->sequence = sample_u64(random);
}

void sample_statfs(struct random_sequence *random, struct statfs_info *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    out_info->present = true;
    out_info->bytes_total = sample_u64(random);
    out_info->bytes_free = sample_u64(random);
    out_info->bytes_available = sample_u64(random);
    out_info->files_total = sample_u64(random);
    out_info->files_free = sample_u64(random);
    out_info->name_max = sample_u32(random);
}

static void sample_attr_if(struct random_sequence *random, unsigned present, struct attr *out_attr)
{
    if (present) {
        sample_attr(random, out_attr);
    }
}

static void sample_before_if(struct random_sequence *random, unsigned present,
                             struct attr_before *out_before)
{
    if (present) {
        sample_before(random, out_before);
    }
}

void sample_reply(struct random_sequence *random, unsigned presence, struct reply *out_reply)
{
    memset(out_reply, 0, sizeof *out_reply);
    out_reply->status = -(int32_t)(sample_u32(random) >> 1);
    out_reply->view = sample_u64(random);
    out_reply->grant_ms = sample_u32(random);
    out_reply->parent_grant_ms = sample_u32(random);
    out_reply->verifier = sample_u64(random);
    out_reply->count = sample_u32(random);
    out_reply->committed = (uint32_t)random_sequence_below(random, STABLE_FILE_SYNC + 1);
    sample_attr_if(random, presence & 1U << 0, &out_reply->object);
    sample_attr_if(random, presence & 1U << 1, &out_reply->parent);
    sample_attr_if(random, presence & 1U << 2, &out_reply->parent2);
    sample_before_if(random, presence & 1U << 3, &out_reply->object_before);
    sample_before_if(random, presence & 1U << 4, &out_reply->parent_before);
    sample_before_if(random, presence & 1U << 5, &out_reply->parent2_before);
    if (presence & 1U << 6) {
        sample_statfs(random, &out_reply->statfs);
    }
    out_reply->eof = (presence & 1U << 7) != 0;
    sample_attr_if(random, presence & 1U << 9, &out_reply->replaced);
    out_reply->offset = presence & 1U << 8 ? sample_u64(random) | 1 : 0;
}

void sample_volume_id(struct random_sequence *random, struct volume_id *out_id)
{
    random_sequence_bytes(random, out_id->bytes, VOLUME_ID_SIZE);
}

void sample_view(struct random_sequence *random, struct view *out_view)
{
    memset(out_view, 0, sizeof *out_view);
    out_view->set = sample_u32(random);
    out_view->number = sample_u64(random);
    out_view->renewals = sample_u64(random);
    out_view->volatile_epoch = sample_u64(random);
    out_view->previous_end = sample_u64(random);
    out_view->member_count = (uint32_t)random_sequence_below(random, SET_MEMBERS_MAX + 1);
    out_view->primary = out_view->member_count
                            ? (uint32_t)random_sequence_below(random, out_view->member_count)
                            : sample_u32(random);
    for (uint32_t i = 0; i < out_view->member_count; i++) {
        struct view_member *member = &out_view->members[i];
        member->brick = sample_u32(random);
        member->state = (uint32_t)random_sequence_below(random, MEMBER_JOINING + 1);
        member->disk_id = sample_u64(random);
        member->incarnation = sample_u64(random);
        sample_text(random, 0, HOST_SIZE_MAX, member->host);
        member->port = sample_u32(random) & 0xffff;
        sample_text(random, 0, PATH_SIZE_MAX, member->path);
    }
}

void sample_volume_spec(struct random_sequence *random, struct volume_spec *out_spec)
{
    memset(out_spec, 0, sizeof *out_spec);
    sample_text(random, 0, VOLUME_NAME_MAX, out_spec->name);
    sample_volume_id(random, &out_spec->id);
    random_sequence_bytes(random, out_spec->handle_key, VOLUME_KEY_SIZE);
    out_spec->started = random_sequence_below(random, 2) == 1;
    out_spec->min_insync = sample_u32(random);
    sample_view(random, &out_spec->view);
}

static void sample_slice(struct random_sequence *random, size_t size_max, char *room,
                         struct slice *out_slice)
{
    sample_text(random, 1, size_max, room);
    *out_slice = slice_text(room);
}

/* What of an operation is not an attr: bits 10 to 22. */
static void sample_details(struct random_sequence *random, unsigned presence,
                           struct sample_text_room *room, struct operation *operation)
{
    if (presence & 1U << 10) {
        operation->offset = sample_u64(random);
        operation->count = 1 + (uint32_t)random_sequence_below(random, IO_SIZE_MAX);
    }
    if (presence & 1U << 11) {
        operation->mask = 1 + (uint32_t)random_sequence_below(random, 0xff);
    }
    if (presence & 1U << 12) {
        operation->rename_flags = sample_u32(random) | 1;
    }
    if (presence & 1U << 13) {
        sample_slice(random, TARGET_SIZE_MAX, room->target, &operation->target);
    }
    if (presence & 1U << 14) {
        operation->create_verifier = sample_u64(random) | 1;
    }
    operation->create_exclusive = (presence & 1U << 15) != 0;
    if (presence & 1U << 16) {
        operation->flags = 1 + (uint32_t)random_sequence_below(random, OPERATION_FLAG_BITS);
    }
    if (presence & 1U << 17) {
        operation->length = sample_u64(random) | 1;
    }
    if (presence & 1U << 18) {
        operation->how = sample_u32(random) | 1;
    }
    if (presence & 1U << 19) {
        sample_slice(random, XATTR_NAME_MAX_SIZE, room->xattr, &operation->xattr);
    }
    if (presence & 1U << 20) {
        /* seldom long: most tests copy it several times */
        size_t most = random_sequence_below(random, 16) == 0 ? XATTR_VALUE_MAX : 300;
        sample_slice(random, most, room->value, &operation->value);
    }
    if (presence & 1U << 21) {
        sample_slice(random, ACL_SIZE_MAX, room->acl, &operation->acl);
    }
    if (presence & 1U << 22) {
        sample_slice(random, ACL_SIZE_MAX, room->default_acl, &operation->default_acl);
    }
}

void sample_operation(struct random_sequence *random, unsigned presence,
                      struct sample_text_room *room, struct operation *out_operation)
{
    struct operation *operation = out_operation;
    memset(operation, 0, sizeof *operation);
    operation->index = sample_u64(random);
    operation->birth_view = sample_u64(random);
    operation->kind = (uint32_t)random_sequence_below(random, OPERATION_KIND_LAST + 1);
    if (presence & 1U << 0) {
        sample_op_id(random, &operation->id);
        operation->id.kind = OP_ID_SESSION;
    }
    sample_attr_if(random, presence & 1U << 1, &operation->object);
    sample_before_if(random, presence & 1U << 2, &operation->object_before);
    sample_attr_if(random, presence & 1U << 3, &operation->parent);
    sample_before_if(random, presence & 1U << 4, &operation->parent_before);
    if (presence & 1U << 5) {
        sample_slice(random, NAME_SIZE_MAX, room->name, &operation->name);
        operation->cookie = sample_u64(random);
    }
    sample_attr_if(random, presence & 1U << 6, &operation->parent2);
    sample_before_if(random, presence & 1U << 7, &operation->parent2_before);
    if (presence & 1U << 8) {
        sample_slice(random, NAME_SIZE_MAX, room->name2, &operation->name2);
        operation->cookie2 = sample_u64(random);
    }
    sample_attr_if(random, presence & 1U << 9, &operation->replaced);
    sample_details(random, presence, room, operation);
}
