"""Terminals: --console-socket, exec -t in the foreground, /dev/console."""
import array
import fcntl
import os
import pty
import signal
import socket
import struct
import termios

import pytest


class Console:
    """The socket of a client, and the terminal that came over it."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.listener.settimeout(10)

    def master(self):
        conn, _ = self.listener.accept()
        fds = array.array("i")
        _, ancillary, _, _ = conn.recvmsg(100, socket.CMSG_SPACE(4))
        for level, kind, data in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            fds.frombytes(data)
        conn.close()
        assert len(fds) == 1
        return fds[0]


@pytest.fixture
def console(scratch):
    made = Console(os.path.join(scratch, "console.sock"))
    yield made
    made.listener.close()


def read_until(fd, text, wait_for):
    got = []

    def arrived():
        got.append(os.read(fd, 4096))
        return text in b"".join(got)

    os.set_blocking(fd, False)
    wait_for(arrived, what=f"{text!r} on the terminal")
    return b"".join(got)


def test_create_sends_the_terminal(either, console, wait_for):
    either.config["process"].update(terminal=True, consoleSize={"height": 33, "width": 99})
    either.shell("test -t 0 && echo tty; stty size; stat -c %t:%T /dev/console; cat")
    either.created("--console-socket", console.path)
    master = console.master()
    either.start()
    out = read_until(master, b"88:", wait_for)
    assert b"tty" in out and b"33 99" in out
    os.write(master, b"typed\n")
    read_until(master, b"typed", wait_for)
    os.close(master)


def test_the_keys_reach_the_program(either, console, wait_for):
    either.config["process"]["terminal"] = True
    either.shell("trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.1; done")
    either.created("--console-socket", console.path)
    master = console.master()
    either.start()
    read_until(master, b"ready", wait_for)
    os.write(master, b"\x03")
    read_until(master, b"interrupted", wait_for)
    os.close(master)


def test_a_terminal_without_a_socket_is_refused_by_create(container):
    container.config["process"]["terminal"] = True
    done = container.create()
    assert done.returncode == 1 and "terminal" in done.stderr


def on_terminal(argv, wait_for, script):
    """Runs ARGV on a terminal of ours; SCRIPT(master, pid) plays the user. Returns the exit code."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    try:
        script(master, pid)
        _, status = wait_for(lambda: (lambda r: r if r[0] else None)(os.waitpid(pid, os.WNOHANG)), what="the end")
    finally:
        os.close(master)
    return os.waitstatus_to_exitcode(status)


def exec_argv(container, *args):
    return [container.program, "--root", container.state_root, "exec", "-t", container.id, *args]


def test_exec_with_a_terminal_is_interactive(sleeper, wait_for):
    def user(master, _):
        os.write(master, b"echo $((6*7)); test -t 1 && echo is-a-tty; exit 12\n")
        assert b"42" in read_until(master, b"is-a-tty\r\n", wait_for)

    assert on_terminal(exec_argv(sleeper, "sh"), wait_for, user) == 12


def test_exec_passes_the_size_on(sleeper, wait_for):
    def user(master, pid):
        read_until(master, b"ready", wait_for)
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 111, 0, 0))
        os.kill(pid, signal.SIGWINCH)
        read_until(master, b"44 111", wait_for)
        os.write(master, b"\x03")

    script = "echo ready; while :; do stty size; sleep 0.05; done"
    assert on_terminal(exec_argv(sleeper, "sh", "-c", script), wait_for, user) == 128 + signal.SIGINT


def test_exec_restores_the_terminal(sleeper, wait_for):
    before = after = None

    def user(master, _):
        nonlocal before, after
        before = termios.tcgetattr(master)
        read_until(master, b"in", wait_for)
        os.write(master, b"x\n")

    pid, master = pty.fork()
    if pid == 0:
        argv = exec_argv(sleeper, "sh", "-c", "echo in; read x")
        os.execv("/bin/sh", ["sh", "-c", '"$@"; stty -a; echo done', "sh", *argv])
    user(master, pid)
    out = read_until(master, b"done", wait_for)
    os.close(master)
    os.waitpid(pid, 0)
    assert before is not None and b" icanon" in out and b" echo" in out and b"-icanon" not in out


def test_detached_exec_with_a_console_socket(sleeper, console, wait_for):
    done = sleeper.call("exec", "-d", "-t", "--console-socket", console.path, sleeper.id, "sh", "-c", "tty; cat")
    assert done.returncode == 0, done.stderr
    master = console.master()
    read_until(master, b"/dev/pts/", wait_for)
    os.close(master)


def test_run_with_a_terminal_is_interactive(either, wait_for):
    either.config["process"]["terminal"] = True
    either.shell("test -t 0 && echo is-a-tty; read x; exit $x").write()
    argv = [either.program, "--root", either.state_root, "run", "--bundle", either.bundle, either.id]

    def user(master, _):
        read_until(master, b"is-a-tty", wait_for)
        os.write(master, b"17\n")

    assert on_terminal(argv, wait_for, user) == 17


def test_create_keeps_no_stream_of_the_caller(either, console, wait_for):
    """containerd's shim reads what create says until its end of file, before it calls start."""
    either.config["process"]["terminal"] = True
    either.shell("echo from the program; cat").write()
    done = either.call("create", "--bundle", either.bundle, "--console-socket", console.path, either.id)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    master = console.master()
    either.start()
    read_until(master, b"from the program", wait_for)
    os.close(master)
