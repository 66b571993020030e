/*
 * Two small files that are never half written: who the brick is, and the view it last acted in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/bytes.h"
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/durable.h"
#include "backend/store/posix.h"

#define IDENTITY_NAME "identity"
#define VIEW_NAME "view"
#define VIEW_HEAD_SIZE (4 + 8 + 8 + 4 + 8 + 8 + 4)
#define VIEW_MEMBER_SIZE (4 + 4 + 8 + 8 + 4 + 2 + HOST_SIZE_MAX + 2 + PATH_SIZE_MAX)
#define VIEW_SIZE_MAX (VIEW_HEAD_SIZE + SET_MEMBERS_MAX * VIEW_MEMBER_SIZE)

int posix_identity_put(int meta_fd, const struct store_identity *identity)
{
    struct disk_identity value = {
        .volume = identity->volume,
        .set = htobe32(identity->set),
        .brick = htobe32(identity->brick),
        .disk_id = htobe64(identity->disk_id),
    };
    memcpy(value.volume_name, identity->volume_name, sizeof value.volume_name);
    return durable_file_put(meta_fd, IDENTITY_NAME, DISK_FILE_IDENTITY,
                            slice_of(&value, sizeof value));
}

int posix_identity_get(int meta_fd, struct store_identity *out_identity)
{
    struct disk_identity value;
    size_t size;
    int result = durable_file_get(meta_fd, IDENTITY_NAME, DISK_FILE_IDENTITY, (uint8_t *)&value,
                                  sizeof value, &size);
    if (result) {
        return result == -ENOBUFS ? -E_CORRUPT : result;
    }
    if (size != sizeof value || value.volume_name[VOLUME_NAME_MAX] != '\0') {
        return -E_CORRUPT;
    }
    *out_identity = (struct store_identity){
        .volume = value.volume,
        .set = be32toh(value.set),
        .brick = be32toh(value.brick),
        .disk_id = be64toh(value.disk_id),
    };
    memcpy(out_identity->volume_name, value.volume_name, sizeof out_identity->volume_name);
    return 0;
}

static void put_text(uint8_t **at, const char *text, size_t size_max)
{
    size_t size = strnlen(text, size_max);
    bytes_put_u16(at, (uint16_t)size);
    bytes_put(at, text, size);
}

static bool get_text(const uint8_t **at, const uint8_t *end, char *text, size_t size_max)
{
    if (end - *at < 2) {
        return false;
    }
    size_t size = bytes_get_u16(at);
    if (size > size_max || (size_t)(end - *at) < size) {
        return false;
    }
    bytes_get(at, text, size);
    text[size] = '\0';
    return true;
}

static bool get_member(const uint8_t **at, const uint8_t *end, struct view_member *member)
{
    if (end - *at < 4 + 4 + 8 + 8 + 4) {
        return false;
    }
    member->brick = bytes_get_u32(at);
    member->state = bytes_get_u32(at);
    member->disk_id = bytes_get_u64(at);
    member->incarnation = bytes_get_u64(at);
    member->port = bytes_get_u32(at);
    return get_text(at, end, member->host, HOST_SIZE_MAX) &&
           get_text(at, end, member->path, PATH_SIZE_MAX);
}

int posix_view_put(struct store *store, const struct view *view)
{
    AUTO_FREE uint8_t *bytes = malloc(VIEW_SIZE_MAX);
    if (!bytes) {
        return -ENOMEM;
    }
    uint8_t *at = bytes;
    bytes_put_u32(&at, view->set);
    bytes_put_u64(&at, view->number);
    bytes_put_u64(&at, view->renewals);
    bytes_put_u32(&at, view->primary);
    bytes_put_u64(&at, view->volatile_epoch);
    bytes_put_u64(&at, view->previous_end);
    bytes_put_u32(&at, view->member_count);
    for (uint32_t i = 0; i < view->member_count; i++) {
        const struct view_member *member = &view->members[i];
        bytes_put_u32(&at, member->brick);
        bytes_put_u32(&at, member->state);
        bytes_put_u64(&at, member->disk_id);
        bytes_put_u64(&at, member->incarnation);
        bytes_put_u32(&at, member->port);
        put_text(&at, member->host, HOST_SIZE_MAX);
        put_text(&at, member->path, PATH_SIZE_MAX);
    }
    int result = durable_file_put(posix_of(store)->meta_fd, VIEW_NAME, DISK_FILE_VIEW,
                                  slice_of(bytes, (size_t)(at - bytes)));
    return result ? posix_fail(posix_of(store), result) : 0;
}

int posix_view_get(struct store *store, struct view *out_view)
{
    AUTO_FREE uint8_t *bytes = malloc(VIEW_SIZE_MAX);
    size_t size;
    if (!bytes) {
        return -ENOMEM;
    }
    int result = durable_file_get(posix_of(store)->meta_fd, VIEW_NAME, DISK_FILE_VIEW, bytes,
                                  VIEW_SIZE_MAX, &size);
    if (result || size < VIEW_HEAD_SIZE) {
        return result && result != -ENOBUFS ? result : -E_CORRUPT;
    }
    const uint8_t *at = bytes;
    const uint8_t *end = bytes + size;
    memset(out_view, 0, sizeof *out_view);
    out_view->set = bytes_get_u32(&at);
    out_view->number = bytes_get_u64(&at);
    out_view->renewals = bytes_get_u64(&at);
    out_view->primary = bytes_get_u32(&at);
    out_view->volatile_epoch = bytes_get_u64(&at);
    out_view->previous_end = bytes_get_u64(&at);
    out_view->member_count = bytes_get_u32(&at);
    bool good = out_view->member_count <= SET_MEMBERS_MAX;
    for (uint32_t i = 0; good && i < out_view->member_count; i++) {
        good = get_member(&at, end, &out_view->members[i]);
    }
    return good && at == end ? 0 : -E_CORRUPT;
}
