#include "specs/oci_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "specs/oci_read.h"

#define STATE_FILE "state.json"
#define NEXT_FILE  "state.json.next"
#define CLAIM      "true\n"

enum {
    STATE_BYTES_MAX = OCI_STATE_TEXT_MAX + JSON_BYTES_MAX
};

static void write_pairs(struct json_writer *w, const char *key, const struct oci_pairs *pairs)
{
    json_begin_object(w, key);
    for (size_t i = 0; i < pairs->count; i++)
        json_put_string(w, pairs->items[i].key, pairs->items[i].value);
    json_end_object(w);
}

static void write_common(struct json_writer *w, const struct oci_state *s, pid_t pid)
{
    json_put_string(w, "ociVersion", OCI_VERSION);
    json_put_string(w, "id", s->id);
    json_put_i64(w, "pid", pid);
    json_put_string(w, "bundle", s->bundle);
    json_put_string(w, "rootfs", s->rootfs);
    json_put_string(w, "created", s->created);
    write_pairs(w, "annotations", &s->annotations);
}

void oci_state_write(struct json_writer *w, const struct oci_state *s, const char *status)
{
    oci_state_put(w, NULL, s, status);
}

void oci_state_put(struct json_writer *w, const char *key, const struct oci_state *s,
                   const char *status)
{
    json_begin_object(w, key);
    write_common(w, s, str_eq(status, "stopped") ? 0 : s->pid);
    json_put_string(w, "status", status);
    json_put_string(w, "owner", s->owner_uid == 0 ? "root" : "");
    if (s->exit_cause)
        json_put_string(w, "exitCause", s->exit_cause); /* ours: others have no such member */
    json_end_object(w);
}

int oci_state_to_text(const struct oci_state *s, const char *status, struct buf *to, struct err *e)
{
    struct json_writer w;
    buf_reset(to);
    json_writer_init(&w, to, 0);
    oci_state_write(&w, s, status);
    return to->overflow
               ? err_input(e, "the state of %s is longer than %zu bytes", s->id, to->limit_bytes)
               : 0;
}

void oci_state_put_record(struct json_writer *w, const struct oci_state *s)
{
    json_begin_object(w, NULL);
    write_common(w, s, s->pid);
    json_put_u64(w, "startTicks", s->start_ticks);
    json_put_string(w, "cgroup", s->cgroup);
    json_put_u64(w, "ownerUid", s->owner_uid);
    json_put_bool(w, "laterHooks", s->has_later_hooks);
    json_end_object(w);
}

static int append(int dir_fd, const struct buf *text, struct err *e)
{
    auto_fd int fd =
        openat(dir_fd, NEXT_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fd_write_all(fd, text->data, text->len) < 0)
        return err_sys(e, errno, "write " NEXT_FILE);
    return 0;
}

int oci_state_note(int dir_fd, const char *cgroup_path, struct err *e)
{
    auto_buf struct buf text;
    struct json_writer w;
    buf_init(&text, OCI_STATE_TEXT_MAX);
    json_writer_init(&w, &text, 0);
    json_put_string(&w, NULL, cgroup_path);
    (void)buf_add_char(&text, '\n');
    return text.overflow ? err_input(e, "linux.cgroupsPath: is too long")
                         : append(dir_fd, &text, e);
}

int oci_state_claim(int dir_fd, struct err *e)
{
    auto_buf struct buf text;
    buf_init(&text, sizeof(CLAIM));
    (void)buf_add_str(&text, CLAIM);
    return append(dir_fd, &text, e);
}

int oci_state_prepare(int dir_fd, const struct oci_state *s, struct err *e)
{
    auto_buf struct buf text;
    buf_init(&text, STATE_BYTES_MAX);
    struct json_writer w;
    json_writer_init(&w, &text, 0);
    oci_state_put_record(&w, s);
    if (text.len > OCI_STATE_TEXT_MAX) /* then nobody could be told of it */
        return err_input(e, "annotations: longer than %d bytes", OCI_STATE_TEXT_MAX);
    (void)buf_add_char(&text, '\n');
    (void)buf_add(&text, s->config, s->config_len);
    if (text.overflow)
        return err_input(e, "the state of %s is larger than %d bytes", s->id, STATE_BYTES_MAX);
    return append(dir_fd, &text, e);
}

int oci_state_publish(int dir_fd, struct err *e)
{
    if (renameat(dir_fd, NEXT_FILE, dir_fd, STATE_FILE) < 0)
        return err_sys(e, errno, "write " STATE_FILE);
    return 0;
}

int oci_state_replace(int dir_fd, const struct oci_state *s, struct err *e)
{
    if (unlinkat(dir_fd, NEXT_FILE, 0) < 0 && errno != ENOENT)
        return err_sys(e, errno, "remove " NEXT_FILE);
    return oci_state_prepare(dir_fd, s, e) < 0 ? -1 : oci_state_publish(dir_fd, e);
}

int oci_state_remove(int dir_fd)
{
    return unlinkat(dir_fd, STATE_FILE, 0);
}

/* The length of the note's line; 0: none, or one that was not written to its end. */
static size_t note_len(const char *text, size_t len)
{
    const char *newline = len && text[0] == '"' ? memchr(text, '\n', len) : NULL;
    return newline ? (size_t)(newline - text) + 1 : 0;
}

/* The length of the claim's line, after the note's; 0: none. */
static size_t claim_len(const char *text, size_t len, size_t note)
{
    size_t claim = sizeof(CLAIM) - 1;
    return note && len - note >= claim && memcmp(text + note, CLAIM, claim) == 0 ? claim : 0;
}

int oci_state_find_note(struct arena *a, int dir_fd, const char **cgroup_path, bool *is_claimed,
                        struct err *e)
{
    static const char *const files[] = { NEXT_FILE, STATE_FILE };
    *cgroup_path = NULL;
    *is_claimed = false;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        auto_buf struct buf text;
        struct json *note;
        buf_init(&text, STATE_BYTES_MAX);
        if (fd_read_file(dir_fd, files[i], &text, e) < 0) {
            if (e->errnum == ENOENT)
                continue;
            return -1;
        }
        size_t len = note_len(text.data, text.len);
        if (len == 0)
            continue;
        if (json_parse(a, files[i], text.data, len, &note, e) < 0)
            return -1;
        if (note->type == JSON_STRING)
            *cgroup_path = note->text;
        *is_claimed = claim_len(text.data, text.len, len) > 0;
        return 0;
    }
    return 0;
}

int oci_state_load(struct arena *a, int dir_fd, struct oci_state *out, struct err *e)
{
    auto_buf struct buf text;
    buf_init(&text, STATE_BYTES_MAX);
    if (fd_read_file(dir_fd, STATE_FILE, &text, e) < 0) {
        if (e->errnum != ENOENT)
            return -1;
        (void)err_conflict(e, "is being created, or was left by a create that was killed");
        err_hint(e, "delete --force removes what is left");
        return -1;
    }
    return oci_state_decode(a, text.data ? text.data : "", text.len, out, e);
}

int oci_state_decode(struct arena *a, const char *text, size_t len, struct oci_state *out,
                     struct err *e)
{
    struct json *doc;
    size_t note = note_len(text, len);
    note += claim_len(text, len, note);
    text += note;
    len -= note;
    const char *newline = memchr(text, '\n', len); /* in JSON without indentation there is none */
    size_t line = newline ? (size_t)(newline - text) : len;
    if (json_parse(a, STATE_FILE, text, line, &doc, e) < 0)
        return -1;
    struct oci_reader r = { a, doc, "state", e };
    *out = (struct oci_state){ .id = "", .bundle = "", .rootfs = "", .created = "", .cgroup = "" };
    if (doc->type != JSON_OBJECT)
        return oci_bad(&r, "", doc, "must be an object");
    int64_t pid = 0;
    if (oci_read_string(&r, "id", &out->id) < 0 ||
        oci_read_i64(&r, "pid", 0, INT32_MAX, &pid) < 0 ||
        oci_read_u64(&r, "startTicks", &out->start_ticks) < 0 ||
        oci_read_string(&r, "bundle", &out->bundle) < 0 ||
        oci_read_string(&r, "rootfs", &out->rootfs) < 0 ||
        oci_read_string(&r, "created", &out->created) < 0 ||
        oci_read_string(&r, "cgroup", &out->cgroup) < 0 ||
        oci_read_u32(&r, "ownerUid", &out->owner_uid) < 0 ||
        oci_read_bool(&r, "laterHooks", &out->has_later_hooks) < 0 ||
        oci_read_pairs(&r, "annotations", &out->annotations) < 0)
        return -1;
    if (!out->id[0])
        return oci_bad(&r, "id", json_find(doc, "id"), "is missing");
    if (line < len)
        out->config_len = len - line - 1;
    out->config = arena_strndup(a, text + (out->config_len ? line + 1 : line), out->config_len);
    out->pid = (pid_t)pid;
    return 0;
}
