#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "supervisor/http/date.h"
#include "supervisor/http/file.h"
#include "supervisor/http/target.h"
#include "supervisor/proxy/worker.h"

enum {
    INLINE_BYTES = 32 * 1024, /* read and written with the head: one packet, no sendfile */
    SEND_BYTES = 1024 * 1024, /* by one sendfile, so that one client does not keep the loop */
};

struct file_send { /* the rest of a file, while the client takes it */
    struct worker *w;
    struct client *c;
    struct record *rec;
    int fd;
    off_t at;
    uint64_t left;
};

static void free_file(void *self)
{
    free(self);
}

static void end_file(struct file_send *f)
{
    f->c->file = NULL;
    fd_close(&f->fd);
    worker_count_status(f->w, f->rec->status);
    record_end(f->w, f->rec);
    loop_later(f->w->loop, free_file, f);
}

void file_send_abort(struct file_send *f)
{
    f->rec->cause = "client closed";
    f->rec->bytes_out -= f->left;
    end_file(f);
}

void file_send_continue(struct file_send *f)
{
    struct client *c = f->c;
    while (f->left) {
        size_t want = f->left < SEND_BYTES ? (size_t)f->left : SEND_BYTES;
        ssize_t n = sendfile(c->io.fd, f->fd, &f->at, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) { /* the client is gone, or the file became shorter: the length was promised */
            client_close(c);
            return;
        }
        f->left -= (uint64_t)n;
        f->w->counters.bytes_out += (uint64_t)n;
        client_set_deadline_ms(c, STALL_TIMEOUT_MS);
        if ((size_t)n == want && f->left)
            break;
    }
    if (f->left) {
        client_want(c, false, true);
        return;
    }
    end_file(f);
    client_answered(c);
}

static void answer(struct client *c, unsigned status, const char *cause, const char *text,
                   const struct http_request *r, struct record *rec)
{
    reply_send(c,
               &(struct reply){ .status = status,
                                .cause = cause,
                                .text = text,
                                .wants_html = reply_wants_html(r),
                                .is_head = r->method == HTTP_HEAD,
                                .allow = status == 405 ? "GET, HEAD" : NULL,
                                .keep_alive = r->head.keep_alive },
               rec);
}

/* No segment begins with a dot, but for /.well-known/. */
static bool has_hidden_segment(const char *path)
{
    for (const char *p = path; *p; p++)
        if (*p == '.' && (p == path || p[-1] == '/') && strncmp(p, ".well-known/", 12) != 0)
            return true;
    return false;
}

/* The path beneath the directory: without the route's prefix when that is stripped, without a
 * leading slash. A route for files always counts from its own path. */
static const char *path_beneath(const struct proxy_route *route, const char *path)
{
    size_t n = route->is_exact ? 0 : strlen(route->path);
    while (n && route->path[n - 1] == '/')
        n--;
    const char *p = path + n;
    while (*p == '/')
        p++;
    return p;
}

struct opened {
    int fd;
    struct stat st;
    char name[PATH_BYTES + 256];
    bool needs_slash;
};

/* 0, or the errno. Non-blocking: a FIFO in the directory must not stop the proxy. */
static int open_file(int dir_fd, const struct proxy_route *route, const char *path,
                     struct opened *out)
{
    const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const char *rest = path_beneath(route, path);
    bool is_dir = !*rest || rest[strlen(rest) - 1] == '/';
    if (is_dir && !(route->index && route->index[0]))
        return ENOENT;
    int n = snprintf(out->name, sizeof(out->name), "%s%s", rest, is_dir ? route->index : "");
    if (n < 0 || (size_t)n >= sizeof(out->name) || has_hidden_segment(out->name))
        return ENOENT;
    out->fd = fd_open_beneath(dir_fd, out->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, resolve);
    if (out->fd < 0)
        return errno;
    if (fstat(out->fd, &out->st) < 0)
        return errno;
    if (S_ISREG(out->st.st_mode))
        return 0;
    out->needs_slash = S_ISDIR(out->st.st_mode) && !is_dir;
    return EISDIR;
}

static void redirect_to_slash(struct client *c, const struct http_request *r, const char *path,
                              size_t path_len, struct record *rec)
{
    char to[HTTP_TARGET_MAX * 3 + 8];
    long n = http_path_encode(path, path_len, to, sizeof(to) - HTTP_TARGET_MAX - 4);
    if (n < 0 || r->query.len > HTTP_TARGET_MAX) {
        answer(c, 414, "redirect", NULL, r, rec);
        return;
    }
    char *p = to + n;
    *p++ = '/';
    if (r->query.at) {
        *p++ = '?';
        memcpy(p, r->query.at, r->query.len);
        p += r->query.len;
    }
    *p = '\0';
    reply_send(c,
               &(struct reply){ .status = 301,
                                .location = to,
                                .is_head = r->method == HTTP_HEAD,
                                .keep_alive = r->head.keep_alive },
               rec);
}

static void put_head(struct http_out *o, struct client *c, const struct proxy_route *route,
                     const struct http_request *r, const struct opened *f, const char *etag,
                     const struct http_file_answer *a)
{
    char date[HTTP_DATE_MAX];
    http_put_status_line(o, a->status);
    http_put_field(o, "Server", "svc");
    http_put_field(o, "Date", worker_date(c->w));
    http_put_field(o, "Last-Modified", http_date_format(date, f->st.st_mtim.tv_sec));
    http_put_field(o, "ETag", etag);
    if (route->max_age_s) {
        http_put_str(o, "Cache-Control: public, max-age=");
        http_put_u64(o, route->max_age_s);
        http_put_str(o, "\r\n");
    }
    if (a->status == 206 || a->status == 416) {
        http_put_str(o, "Content-Range: bytes ");
        if (a->status == 206) {
            http_put_u64(o, a->offset);
            http_put_str(o, "-");
            http_put_u64(o, a->offset + a->length - 1);
        } else {
            http_put_str(o, "*");
        }
        http_put_str(o, "/");
        http_put_u64(o, (uint64_t)f->st.st_size);
        http_put_str(o, "\r\n");
    }
    if (a->status == 200 || a->status == 206) {
        http_put_field(o, "Content-Type", http_type_of_file(f->name));
        http_put_str(o, "X-Content-Type-Options: nosniff\r\n");
    }
    if (a->status == 200)
        http_put_str(o, "Accept-Ranges: bytes\r\n");
    if (a->status != 304)
        http_put_field_u64(o, "Content-Length", a->length);
    if (c->closes_after)
        http_put_str(o, "Connection: close\r\n");
    else if (r->head.minor == 0)
        http_put_str(o, "Connection: keep-alive\r\n");
    http_put_end(o);
}

static void send_rest(struct client *c, struct opened *f, uint64_t offset, uint64_t left,
                      struct record *rec)
{
    struct file_send *s = calloc(1, sizeof(*s));
    if (!s) {
        free(rec);
        client_close(c);
        return;
    }
    *s = (struct file_send){
        .w = c->w, .c = c, .rec = rec, .fd = take_fd(&f->fd), .at = (off_t)offset, .left = left
    };
    c->file = s;
    if (outgoing_is_empty(&c->out))
        file_send_continue(s);
    else
        client_want(c, false, true);
}

/* Head, and the body with it when that is small. */
static void send_file(struct client *c, struct opened *f, struct http_out *head,
                      const struct http_file_answer *a, bool is_head, struct record *rec)
{
    struct worker *w = c->w;
    struct iovec pieces[2] = { { head->data, head->len } };
    uint64_t body = is_head ? 0 : a->length;
    size_t now = body <= INLINE_BYTES ? (size_t)body : 0, sent;
    if (now) {
        ssize_t n = pread(f->fd, w->scratch, now, (off_t)a->offset);
        if (n != (ssize_t)now) {
            free(rec);
            client_close(c);
            return;
        }
        pieces[1] = (struct iovec){ w->scratch, now };
    }
    rec->status = (uint16_t)a->status;
    rec->bytes_out = body;
    client_set_deadline_ms(c, STALL_TIMEOUT_MS);
    if (outgoing_write(&c->out, c->io.fd, pieces, now ? 2 : 1, &sent) < 0) {
        rec->cause = "client closed";
        record_end(w, rec);
        client_close(c);
        return;
    }
    w->counters.bytes_out += head->len + now;
    if (body > now) {
        send_rest(c, f, a->offset, body, rec);
        return;
    }
    worker_count_status(w, a->status);
    record_end(w, rec);
    client_answered(c);
}

void files_answer(struct client *c, const struct proxy_route *route, const struct http_request *r,
                  const char *path, size_t path_len, struct record *owned_rec)
{
    struct opened f = { .fd = -1 };
    if (r->method != HTTP_GET && r->method != HTTP_HEAD) {
        answer(c, 405, "method", "Files answer GET and HEAD only.", r, owned_rec);
        return;
    }
    int errnum = open_file(worker_directory(c->w, route->dir_id), route, path, &f);
    /* "/static" for the route "/static/": the directory itself. */
    bool is_bare_root = path[path_len - 1] != '/' && !*path_beneath(route, path);
    if (f.needs_slash || is_bare_root) {
        fd_close(&f.fd);
        redirect_to_slash(c, r, path, path_len, owned_rec);
        return;
    }
    if (errnum) {
        fd_close(&f.fd);
        if (errnum == EACCES || errnum == EPERM)
            answer(c, 403, "file permission", "The file may not be read by the proxy.", r,
                   owned_rec);
        else
            answer(c, 404, "no file", "There is no such file.", r, owned_rec);
        return;
    }
    struct http_file file = { .size = (uint64_t)f.st.st_size,
                              .mtime_s = f.st.st_mtim.tv_sec,
                              .mtime_ns = (uint32_t)f.st.st_mtim.tv_nsec };
    char etag[HTTP_ETAG_MAX];
    struct http_file_answer a;
    http_file_decide(r, &file, http_file_etag(etag, &file), &a);
    c->closes_after = c->closes_after || c->must_linger || c->w->is_draining;
    struct http_out head = http_out_on(c->w->head_out, HEAD_OUT_BYTES);
    put_head(&head, c, route, r, &f, etag, &a);
    send_file(c, &f, &head, &a, r->method == HTTP_HEAD, owned_rec);
    fd_close(&f.fd);
}
