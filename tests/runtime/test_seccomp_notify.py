"""runtime-spec config-linux.md §Seccomp: SCMP_ACT_NOTIFY, with a real agent."""
import ctypes
import errno
import fcntl
import json
import os
import socket
import struct
import threading

import pytest

RECEIVE, SEND, CONTINUE = 0xc0502100, 0xc0182101, 1  # SECCOMP_IOCTL_NOTIF_*, SECCOMP_USER_NOTIF_FLAG_CONTINUE
DEADLINE = 20


class Agent:
    """Takes containers at `path`; answers each notified system call by `verdict(pid, nr)`: an errno, or None to let it go on."""

    def __init__(self, folder, verdict=lambda nr: None, takes=True):
        self.path, self.verdict, self.messages, self.seen = os.path.join(folder, "agent.sock"), verdict, [], []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        if takes:
            self.listener.listen(8)
        self.listener.settimeout(DEADLINE)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        if takes:
            self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                text, fds, _, _ = socket.recv_fds(connection, 1 << 20, 4)
                while piece := connection.recv(1 << 20):  # it is closed after one state
                    text += piece
            self.messages.append((json.loads(text), len(fds)))
            threading.Thread(target=self.answer, args=(fds[0],), daemon=True).start()

    def answer(self, fd):
        while True:
            notification = bytearray(80)
            try:
                fcntl.ioctl(fd, RECEIVE, notification)
                serial, _pid, _flags, nr = struct.unpack_from("=QIIi", notification)
                self.seen.append(nr)
                wanted = self.verdict(nr)
                reply = struct.pack("=QqiI", serial, 0, -wanted if wanted else 0, 0 if wanted else CONTINUE)
                fcntl.ioctl(fd, SEND, bytearray(reply))
            except OSError as error:
                if error.errno == errno.ENOENT and self.thread.is_alive():
                    continue  # the caller of that one was killed, or all are gone
                return

    def close(self):
        self.listener.close()


def number(name):
    libc = ctypes.CDLL("libseccomp.so.2")
    return libc.seccomp_syscall_resolve_name(name.encode())


def notify(container, path, names, metadata=None, **rest):
    container.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path,
        "syscalls": [{"names": names, "action": "SCMP_ACT_NOTIFY"}], **rest}
    if metadata is not None:
        container.config["linux"]["seccomp"]["listenerMetadata"] = metadata
    return container


@pytest.mark.parametrize("privileges", [True, False])
def test_an_agent_decides(either, scratch, privileges):
    agent = Agent(scratch, lambda nr: errno.EDQUOT if nr == number("mkdir") else None)
    either.config["annotations"] = {"who": "me"}
    either.config["process"]["noNewPrivileges"] = privileges
    notify(either, agent.path, ["mkdir", "getppid"], "for the agent").shell("mkdir /tmp/x; echo $?; mkdir -p /tmp; echo on")
    done = either.run()
    assert done.returncode == 0 and done.stdout == "1\non\n" and "Disk quota exceeded" in done.stderr, done.stderr
    (message, count), = agent.messages
    assert count == 1 and message["fds"] == ["seccompFd"] and message["metadata"] == "for the agent"
    assert message["ociVersion"] and message["pid"] == message["state"]["pid"] > 1
    assert message["state"]["status"] == "creating" and message["state"]["id"] == either.id
    assert message["state"]["annotations"] == {"who": "me"} and message["state"]["bundle"] == either.bundle
    assert number("mkdir") in agent.seen
    agent.close()


def test_calls_that_would_hand_out_the_listener_may_be_notified_too(either, scratch):
    """Nothing that the runtime does after the filter is there waits for an agent that is not there yet."""
    agent = Agent(scratch)
    names = ["write", "sendmsg", "sendto", "read", "recvmsg", "wait4", "close", "execve", "futex", "exit_group", "mmap"]
    assert notify(either, agent.path, names, flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]).shell("echo said").output() == "said\n"
    assert {number("execve"), number("write"), number("wait4")} <= set(agent.seen)
    agent.close()


def test_exec_has_a_listener_of_its_own(either, scratch):
    agent = Agent(scratch, lambda nr: errno.EDQUOT if nr == number("mkdir") else None)
    notify(either, agent.path, ["mkdir"]).shell("while :; do sleep 1; done").created().start()
    done = either.exec("mkdir", "/tmp/y")
    assert done.returncode == 1 and "Disk quota exceeded" in done.stderr
    first, second = (message for message, _ in agent.messages)
    assert second["state"]["status"] == "running" and second["state"]["pid"] == first["pid"]
    assert second["pid"] not in (first["pid"], 0)
    agent.close()


def test_a_long_state_comes_whole(container, scratch, wait_for):
    agent = Agent(scratch)
    notify(container, agent.path, ["mkdir"], "x" * 500_000).output()
    wait_for(lambda: agent.messages, what="the agent to have read it all")  # the program does not need it
    assert agent.messages[0][0]["metadata"] == "x" * 500_000
    agent.close()


@pytest.mark.parametrize("calls", [["mkdir"], ["exit_group", "exit", "wait4", "sendmsg", "write"]])
def test_without_an_agent_nothing_starts(either, scratch, wait_for, calls):
    agent = Agent(scratch, takes=False)
    notify(either, agent.path, calls).created()
    done = either.call("start", either.id)
    assert done.returncode == 1 and f"linux.seccomp.listenerPath: connect to {agent.path}: connection refused" in done.stderr
    wait_for(lambda: either.status() == "stopped", what="the end of the container")
    notify(either, scratch + "/nobody.sock", calls)
    either.delete("--force")
    line = either.error()
    assert "linux.seccomp.listenerPath: connect to" in line and "not found" in line


def test_exec_without_an_agent_fails(either, scratch):
    agent = Agent(scratch)
    notify(either, agent.path, ["mkdir", "exit_group", "sendmsg", "wait4"]).shell("while :; do sleep 1; done").created().start()
    os.unlink(agent.path)
    done = either.exec("true")
    assert done.returncode != 0 and "linux.seccomp.listenerPath: connect to" in done.stderr
    agent.close()


def test_listener_path_without_notify_is_ignored(either, scratch):
    """§Seccomp: "If the SCMP_ACT_NOTIFY action is not used this value is ignored"."""
    notify(either, scratch + "/nobody.sock", ["mkdir"], flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])
    either.config["linux"]["seccomp"]["syscalls"] = []
    either.output()


@pytest.mark.parametrize("change, words", [
    ({"defaultAction": "SCMP_ACT_NOTIFY"}, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would wait for a listener"),
    ({"listenerPath": "agent.sock"}, 'linux.seccomp.listenerPath: "agent.sock" is not absolute'),
    ({"listenerPath": None}, "linux.seccomp: SCMP_ACT_NOTIFY without listenerPath"),
    ({"listenerPath": None, "syscalls": []}, "linux.seccomp: listenerMetadata without listenerPath"),
])
def test_what_cannot_be_is_refused(container, scratch, change, words):
    seccomp = notify(container, scratch + "/agent.sock", ["mkdir"], "data").config["linux"]["seccomp"]
    for key, value in change.items():
        seccomp.update({key: value}) if value is not None else seccomp.pop(key)
    assert words in container.error()
