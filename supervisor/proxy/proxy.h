#pragma once
/* The embedded reverse proxy: one worker process, `svc @proxy [NAME]`.
 *
 * fds: 3 the control channel (proxy/control.h), 4 the stack netns (joined, then closed), stdout the
 * access log, stderr the log. It confines itself (sandbox/) before it reads anything, and serves
 * nothing until the first table came. Exits 0 after a quit command or when the channel ends, with
 * err_exit_code when it cannot start. */
int proxy_worker_main(int argc, char **argv);
