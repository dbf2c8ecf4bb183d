"""Attacks of a running container on the runtime while it enters, by exec or by a run that joins its pid namespace:
CVE-2016-9962, CVE-2019-5736, CVE-2024-21626. attack.c looks for the runtime's process, which it is told has been there."""
import os
import re
import shutil
import subprocess

import pytest


def digest(path):
    with open(path, "rb") as file:
        return file.read()


def attacked(container, wait_for, how="wait"):
    """The container runs `attack catch`."""
    container.config["process"]["args"] = ["/bin/attack", how, "2"]
    container.created().start()
    wait_for(lambda: container.log().startswith("ready"), what="the attacker")
    return container


def outcome(container, wait_for):
    """What it got, and how often it saw the runtime."""
    wait_for(lambda: "seen" in container.log(), 15, "the end of the attack")
    return set(re.findall(r"got (.*?)(?: of \d+)?\n", container.log())), int(re.search(r"seen (\d+)", container.log()).group(1))


def keep_entering(container, wait_for, *command):
    """Execs of COMMAND, until the attacker has ended."""
    while "enough" not in container.log():
        processes = [subprocess.Popen([container.program, "--root", container.state_root, "exec", *command],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(3)]
        for process in processes:
            process.wait(timeout=20)
    return outcome(container, wait_for)


@pytest.mark.parametrize("privilege", ["", "CAP_SYS_PTRACE"])
def test_nothing_is_got_from_a_process_that_enters_by_exec(new_container, armed, wait_for, busybox, privilege):
    """A user namespace's CAP_SYS_PTRACE does not reach a process that is not dumpable; without one, nobody has it."""
    container = armed(new_container())
    if privilege:
        container.with_user_namespace()
        for names in container.config["process"]["capabilities"].values():
            names.append(privilege) if privilege not in names else None
        container.config["process"]["capabilities"] = {kind: list(set(names)) for kind, names in
                                                       container.config["process"]["capabilities"].items()}
    # A program that its user may not read hides too, so that what is got can only be of the runtime.
    os.makedirs(os.path.join(container.rootfs, "hidden"))
    os.chmod(shutil.copy(busybox, os.path.join(container.rootfs, "hidden/true")), 0o711)
    before = digest(container.program)
    things, seen = keep_entering(attacked(container, wait_for, "catch"), wait_for, "--user", "1234", container.id, "/hidden/true")
    assert things == set()
    assert seen > 0, "the attacker never saw the runtime: this says nothing"
    assert digest(container.program) == before


def test_the_program_survives_an_attacker_that_may_trace_all(container, armed, wait_for):
    """CAP_SYS_PTRACE without a user namespace may look at everybody it sees; what it finds must not be writable."""
    armed(container).capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_CHOWN")
    before = digest(container.program)
    things, seen = keep_entering(attacked(container, wait_for), wait_for, container.id, "/bin/true")
    assert seen > 0 and not [thing for thing in things if "overwritten" in thing], things
    assert digest(container.program) == before


def make_script(container, name, text):
    path = os.path.join(container.rootfs, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


@pytest.mark.parametrize("bait", ["script", "link", "itself", "interpreter"])
def test_an_image_that_executes_the_runtime_cannot_write_to_it(container, armed, wait_for, bait):
    """CVE-2019-5736: what `exec` is told to run leads to /proc/self/exe, which then is an ordinary, dumpable process."""
    armed(container)
    command = {"script": "/x/bait", "link": "/x/link", "itself": "/proc/self/exe", "interpreter": "/x/bait2"}[bait]
    make_script(container, "x/bait", "#!/proc/self/exe\n")
    make_script(container, "x/bait2", "#!/x/link spec\n")
    os.symlink("/proc/self/exe", os.path.join(container.rootfs, "x/link"))
    before = digest(container.program)
    things, seen = keep_entering(attacked(container, wait_for), wait_for, container.id, command)
    assert "exe" in things and seen > 0, "the bait was not taken: this says nothing"
    assert digest(container.program) == before and not [thing for thing in things if "overwritten" in thing]


@pytest.mark.parametrize("verb", ["run", "create"])
def test_an_image_whose_program_is_the_runtime(new_container, armed, wait_for, verb):
    """The same at the start: the attacker is in the pid namespace that is joined (a pod)."""
    attacker = attacked(armed(new_container()), wait_for)
    victim = armed(new_container())
    make_script(victim, "x/bait", "#!/proc/self/exe\n")
    victim.config["process"]["args"] = ["/x/bait"]
    for namespace in victim.config["linux"]["namespaces"]:
        if namespace["type"] == "pid":
            namespace["path"] = f"/proc/{attacker.state()['pid']}/ns/pid"
    before = digest(victim.program)
    while "enough" not in attacker.log():
        if verb == "run":
            victim.run()
        else:
            victim.create()
            victim.call("start", victim.id)
            victim.delete("--force")
    things, seen = outcome(attacker, wait_for)
    assert seen > 0 and not [thing for thing in things if "overwritten" in thing]
    assert digest(victim.program) == before


def test_the_program_is_on_a_readonly_mount(container, armed, wait_for):
    """Seen from the host: what waits to be started executes a copy of the mount that cannot be written to."""
    armed(container).shell("sleep 100").created()
    assert os.statvfs(f"/proc/{container.state()['pid']}/exe").f_flag & os.ST_RDONLY
    assert not os.statvfs(container.program).f_flag & os.ST_RDONLY


def images(container, *argv):
    """How often the runtime executed itself again, while it did ARGV."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = os.path.join(container.bundle, "strace")
    done = subprocess.run(["strace", "-f", "-qq", "-o", log, "-e", "trace=execveat", container.program, "--root", container.state_root,
                           *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    with open(log) as file:
        return len(re.findall(r'execveat\(\d+, "",.*AT_EMPTY_PATH\) = 0', file.read()))


def pids_of_the_host(container):
    namespaces = container.config["linux"]["namespaces"]
    container.config["linux"]["namespaces"] = [entry for entry in namespaces if entry["type"] != "pid"]


def mapped(host_id):
    def change(container):
        mapping = [{"containerID": 0, "hostID": host_id, "size": 10}]
        container.with_user_namespace().config["linux"].update(uidMappings=mapping, gidMappings=mapping)
    return change


@pytest.mark.parametrize("change, count", [
    (lambda c: None, 1), (lambda c: c.with_user_namespace(), 0), (mapped(1), 0), (mapped(0), 1),
    (lambda c: (c.with_user_namespace(), pids_of_the_host(c)), 1),
    (lambda c: (c.with_user_namespace(), os.chmod(c.program, 0o775)), 1),
    (lambda c: (mapped(1234)(c), os.chown(c.program, 1235, 0)), 1),
], ids=["no user namespace", "user namespace", "of other ids", "with root of the host", "pids of the host", "others may write to it",
        "with the owner"])
def test_a_second_image_only_where_the_first_could_be_written_to(new_container, armed, change, count):
    """It costs every start; a container whose ids may not write to the program does not need it."""
    container = armed(new_container())
    change(container)
    os.chmod(container.bundle, 0o755)
    if container.config["linux"].get("uidMappings"):
        base = container.config["linux"]["uidMappings"][0]["hostID"]
        os.chown(container.rootfs, base, base)
    container.write()
    assert images(container, "run", "--bundle", container.bundle, container.id) == count
    container.shell("sleep 100").created().start()
    if any(entry["type"] == "pid" for entry in container.config["linux"]["namespaces"]):  # exec asks for the ids alone
        assert images(container, "exec", container.id, "true") == count


def test_where_the_mount_cannot_be_copied_the_program_is_sealed(container, armed):
    """Another mount namespace than the one in which the program was found: a memfd instead."""
    armed(container)
    container.write()
    script = 'exec 9<"$1"; mount -t tmpfs none "$2"; shift 2; exec unshare -m --propagation unchanged /proc/self/fd/9 "$@"'
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    with open(os.path.join(container.bundle, "stderr"), "w+") as stderr:
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", container.program, "/mnt", "--root",
                               container.state_root, "create", "--bundle", container.bundle, container.id],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, timeout=30, check=False)
        stderr.seek(0)
        assert done.returncode == 0, stderr.read()
    exe = f"/proc/{container.state()['pid']}/exe"
    assert "memfd:svc-runtime" in os.readlink(exe)
    with open(exe, "rb") as file:
        assert file.read() == digest(container.program)
    with pytest.raises(OSError):
        os.close(os.open(exe, os.O_WRONLY | os.O_TRUNC))


def test_a_program_behind_a_file_of_the_runtime(sleeper, busybox):
    """CVE-2024-21626, its fourth form: a link of the image through /proc/self/fd/N to a program of the host."""
    for number in range(3, 20):
        for up in (3, 9):
            name = os.path.join(sleeper.rootfs, f"bin/evil{number}-{up}")
            os.symlink(f"/proc/self/fd/{number}/{'../' * up}{busybox.lstrip('/')}", name)
            done = sleeper.exec(f"evil{number}-{up}", "true")
            assert done.returncode == 127, (number, done)
            assert re.search("executable file not found|no such file", done.stderr), done.stderr


def test_a_working_directory_behind_a_file_of_the_runtime(container, tmp_path):
    """CVE-2024-21626: by a link of the image, for run and exec, with a leaked directory of the host."""
    (tmp_path / "secret").write_text("secret of the host\n")

    def leak():
        fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
        for number in range(3, 30):
            if number != fd:
                os.dup2(fd, number)

    for number in range(3, 30):
        os.symlink(f"/proc/self/fd/{number}", os.path.join(container.rootfs, f"cwd{number}"))
    container.shell("sleep 100").created().start()
    for number in range(3, 30):
        for cwd in (f"/cwd{number}", f"/proc/self/fd/{number}", f"/cwd{number}/.."):
            done = container.exec("cat", "secret", options=("--cwd", cwd), preexec_fn=leak, close_fds=False)
            assert done.returncode != 0 and "secret of the host" not in done.stdout, (cwd, done)
    container.delete("--force")
    for number in (3, 7, 12, 29):
        container.config["process"]["cwd"] = f"/cwd{number}"
        done = container.shell("cat secret").run(preexec_fn=leak, close_fds=False)
        assert done.returncode != 0 and "secret of the host" not in done.stdout, (number, done)


def sets(text):
    return {line.split(":")[0]: int(line.split(":")[1], 16) for line in text.splitlines()}


def test_the_inheritable_set_is_empty(either, armed):
    """CVE-2022-29162, CVE-2022-24769, crun's CVE-2022-27650: after run and exec, whatever is given besides."""
    armed(either)
    either.config["process"]["args"] = ["/bin/attack", "sets"]
    found = sets(either.output())
    assert found["CapInh"] == found["CapAmb"] == 0 and found["CapPrm"] == found["CapEff"] != 0
    either.shell("sleep 100").created().start()
    for options in ((), ("--cap", "CAP_NET_ADMIN"), ("--user", "1000"), ("--cap", "CAP_NET_RAW", "--user", "1000:5")):
        found = sets(either.exec("/bin/attack", "sets", options=options).stdout)
        assert found["CapInh"] == found["CapAmb"] == 0, options


def test_the_inheritable_set_is_what_the_configuration_says(container, armed):
    armed(container)
    container.config["process"]["capabilities"]["inheritable"] = ["CAP_CHOWN"]
    container.config["process"]["args"] = ["/bin/attack", "sets"]
    assert sets(container.output())["CapInh"] == 1 << 0


def test_the_callers_terminal_is_out_of_reach(either, armed):
    """CVE-2017-5226: TIOCSTI needs the caller's terminal as one's controlling terminal."""
    armed(either)
    either.config["process"]["args"] = ["/bin/attack", "typed"]
    either.write()
    master, slave = os.openpty()
    argv = [either.program, "--root", either.state_root, "run", "--bundle", either.bundle, either.id]
    with subprocess.Popen(argv, stdin=slave, stdout=subprocess.PIPE, stderr=slave, text=True,
                          preexec_fn=lambda: (os.setsid(), os.set_inheritable(slave, True),
                                              __import__("fcntl").ioctl(0, 0x540E, 0))) as process:  # TIOCSCTTY
        assert process.communicate(timeout=20)[0] == "refused\n"
    os.close(slave)
    os.close(master)
