#pragma once
/* Request targets and hosts: checking, decoding, normalising. Pure.
 *
 * Routing works on the normalised path while the upstream gets the original one, so a path on
 * which the two could disagree is refused instead of guessed: encoded dots that make a dot segment,
 * encoded NUL, broken percent signs, backslash. */
#include "supervisor/http/message.h"

/* Decodes PATH (begins with '/') and removes dot segments and doubled slashes into TO (SIZE bytes,
 * NUL-terminated); returns the length, -1: refused or too long. An encoded slash becomes a slash,
 * or stays "%2F" with KEEP_SLASHES. */
must_check long http_path_normalise(struct http_text path, bool keep_slashes, char *to,
                                    size_t size);
/* No dot segment in it: may be forwarded as it came. */
bool http_path_is_plain(struct http_text path);
bool http_path_has_encoded_slash(struct http_text path);
/* The other way: percent-encodes what may not stand in a path. Returns the length, -1: too long. */
must_check long http_path_encode(const char *path, size_t len, char *to, size_t size);

/* host [":" port] by RFC 3986 without user information; empty is not a host. */
bool http_host_is_valid(struct http_text host);
/* Lower case, without port and without the dot at the end, into TO; returns length, -1 when it does
 * not fit. An IPv6 literal keeps its brackets. */
must_check long http_host_name(struct http_text host, char *to, size_t size);
