"""podman run: what its options ask of the runtime."""
import pytest

from engines import IMAGE, LIMITS, RUNTIME

CASES = {
    # id: (options, script, what it prints)
    "plain": ((), "echo hi", "hi"),
    "hostname": (("--hostname", "box"), "hostname", "box"),
    "user": (("--user", "1000:1000", "--group-add", "55"), "id -u; id -g; id -G", "1000\n1000\n1000 55"),
    "user by name": (("--user", "user"), "id -u; id -g", "1000\n1000"),
    "workdir": (("--workdir", "/tmp"), "pwd", "/tmp"),
    "environment": (("--env", "A=b"), "echo $A $container", "b podman"),
    "umask": (("--umask", "077"), "umask", "0077"),
    "ulimit": (("--ulimit", "nofile=100:200"), "ulimit -n; ulimit -Hn", "100\n200"),
    "capabilities": (("--cap-drop", "all", "--cap-add", "net_raw"), "grep CapEff /proc/self/status", "CapEff:\t0000000000002000"),
    "no new privileges": (("--security-opt", "no-new-privileges"), "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1"),
    "default seccomp profile": ((), "grep Seccomp: /proc/self/status", "Seccomp:\t2"),
    "no seccomp profile": (("--security-opt", "seccomp=unconfined"), "grep Seccomp: /proc/self/status", "Seccomp:\t0"),
    "sysctl": (("--sysctl", "net.ipv4.ip_forward=1"), "cat /proc/sys/net/ipv4/ip_forward", "1"),
    "shm size": (("--shm-size", "1m"), "df -k /dev/shm | awk 'NR == 2 {print $2}'", "1024"),
    "device": (("--device", "/dev/null:/dev/other:rw"), "echo x >/dev/other; stat -c %t:%T /dev/other", "1:3"),
    "read-only device": (("--device", "/dev/kmsg:/dev/other:r"), "(: >/dev/other) 2>/dev/null || echo refused", "refused"),
    "masked paths": (("--security-opt", "mask=/proc/version"), "wc -c </proc/version", "0"),
    "hidepid": (("--security-opt", "proc-opts=hidepid=2"),
                "grep -o 'hidepid=[a-z0-9]*' /proc/mounts | head -1", "hidepid=invisible"),
    "personality": (("--personality=LINUX32",), "uname -m", "i686"),
    "oom score": (("--oom-score-adj", "100"), "cat /proc/self/oom_score_adj", "100"),
    "annotation": (("--annotation", "run.svc.test=1"), "echo ok", "ok"),
    "ipc of the host": (("--ipc", "host"), "echo ok", "ok"),
    "names of the host": (("--uts", "host"), "echo ok", "ok"),
    "own cgroup namespace": (("--cgroupns", "private"), "cut -d: -f3 /proc/self/cgroup | sort -u", "/"),
    "read-only root": (("--read-only", "--read-only-tmpfs=false"), "touch /x /tmp/x 2>/dev/null || echo refused", "refused"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_option(podman, case):
    options, script, expected = CASES[case]
    assert podman.output(*options, IMAGE, "sh", "-c", script) == expected


def test_processes_of_the_host(podman):
    inside = podman.output("--pid", "host", IMAGE, "sh", "-c", "readlink /proc/self/ns/pid")
    assert inside == podman.world.ok("readlink", "/proc/self/ns/pid")


TMPFS = {
    "read-only root with tmpfs": (("--read-only",), "touch /tmp/x /run/x && ! touch /x 2>/dev/null && echo ok", "ok"),
    "tmpfs": (("--tmpfs", "/new:size=1m,mode=700"), "stat -c %a /new; df -k /new | awk 'NR == 2 {print $2}'", "700\n1024"),
    "tmpfs over files copies them": (("--tmpfs", "/etc"), "cat /etc/text; touch /etc/x && echo ok", "no program\nok"),
    "mount of a tmpfs": (("--mount", "type=tmpfs,dst=/new,tmpfs-size=1m"), "df -k /new | awk 'NR == 2 {print $2}'", "1024"),
    "systemd": (("--systemd=always",), "echo $container; touch /run/x /tmp/x && echo ok", "podman\nok"),
    "tmpfs in a user namespace": (("--uidmap", "0:200000:2000", "--tmpfs", "/etc"), "stat -c %u:%g /etc /etc/text", "0:0\n0:0"),
}


@pytest.mark.parametrize("case", TMPFS)
def test_a_tmpfs(podman, case):
    options, script, expected = TMPFS[case]
    assert podman.output(*options, IMAGE, "sh", "-c", script) == expected


LIMIT_OPTIONS = {"memory": (("--memory", "64m"), str(64 << 20)), "pids": (("--pids-limit", "33"), "33"),
                 "cpu": (("--cpus", "0.5"), {"v1": "50000", "v2": "50000 100000"})}


@pytest.mark.parametrize("what", LIMIT_OPTIONS)
@pytest.mark.parametrize("own", ["host", "private"])
def test_a_limit_is_seen_from_inside(podman, what, own):
    """Also without a cgroup namespace: what is on /sys/fs/cgroup are the container's own files, not the machine's."""
    options, expected = LIMIT_OPTIONS[what]
    expected = expected if isinstance(expected, str) else expected[podman.view]
    assert podman.output("--cgroupns", own, *options, IMAGE, "cat", LIMITS[podman.view][what]) == expected


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_an_unlimited_number_of_processes(podman, limit):
    """podman writes pids.limit 0 for both."""
    assert podman.output("--pids-limit", limit, IMAGE, "sh", "-c", "true | true && (echo forked)") == "forked"


def test_no_cgroup_at_all(podman):
    name = podman.name()
    out = podman.ok("run", "--rm", "--name", name, "--network", "none", "--cgroups", "disabled", IMAGE, "sh", "-c",
                    "cut -d: -f3 /proc/self/cgroup | grep -c libpod; echo ran")
    assert out == "0\nran"


def test_the_memory_limit_kills(podman):
    done = podman.run("--memory", "16m", IMAGE, "sh", "-c", "exec tail /dev/zero")
    assert done.code == 137, done


def test_one_cpu(podman):
    assert podman.output("--cpuset-cpus", "0", IMAGE, "grep", "Cpus_allowed_list", "/proc/self/status").split()[1] == "0"


def test_volumes(podman):
    podman.world.write("/run/data/file", "text\n")
    volume = "v" + podman.name()
    script = "cat /ro/file; touch /ro/x 2>/dev/null || echo refused; touch /rw/x /named/y && ls /named"
    out = podman.output("-v", "/run/data:/ro:ro", "-v", "/run/data:/rw", "-v", f"{volume}:/named", IMAGE, "sh", "-c", script)
    assert out == "text\nrefused\ny"
    assert podman.output("-v", f"{volume}:/named", IMAGE, "ls", "/named") == "y"
    assert "x" in podman.world.ok("ls", "/run/data").split()


def test_an_overlay_volume_keeps_the_source(podman):
    podman.world.write("/run/below/file", "text\n")
    assert podman.output("-v", "/run/below:/v:O", IMAGE, "sh", "-c", "touch /v/new; ls /v") == "file\nnew"
    assert podman.world.ok("ls", "/run/below") == "file"


@pytest.mark.parametrize("mount, script, expected", [
    ("type=bind,src=/etc/hostname,dst=/name,ro=true", "echo x >/name 2>/dev/null || echo refused", "refused"),
    ("type=volume,src=volume1,dst=/v", "touch /v/x && ls /v", "x"),
    ("type=devpts,dst=/dev/pts", "ls /dev/pts", "ptmx"),
    ("type=image,src=" + IMAGE + ",dst=/i", "cat /i/etc/text", "no program"),
], ids=["bind", "volume", "devpts", "image"])
def test_a_mount(podman, mount, script, expected):
    assert podman.output("--mount", mount, IMAGE, "sh", "-c", script) == expected


def test_a_rootfs_instead_of_an_image(podman, busybox_rootfs, scratch):
    assert podman.output("--rootfs", busybox_rootfs(scratch + "/root"), "echo", "hi") == "hi"


def test_privileged(podman):
    script = "mount -t tmpfs none /tmp && echo mounted; ls /dev | wc -l; grep CapEff /proc/self/status"
    out = podman.output("--privileged", IMAGE, "sh", "-c", script).split()
    assert out[0] == "mounted" and int(out[1]) > 20
    with open("/proc/self/status") as file:
        assert f"CapEff:\t{out[3]}\n" in file.read()


USERNS = {"auto": ("--userns=auto",), "uidmap": ("--uidmap", "0:200000:1000")}


@pytest.mark.parametrize("options", USERNS.values(), ids=USERNS)
@pytest.mark.parametrize("own", ["host", "private"])
def test_a_user_namespace(podman, options, own):
    script = "id -u; touch /x && stat -c %u /x; awk '{print $2}' /proc/self/uid_map; ls /sys/fs/cgroup | grep -c ."
    out = podman.output("--cgroupns", own, *options, IMAGE, "sh", "-c", script).split()
    assert out[:2] == ["0", "0"] and int(out[2]) >= 100000 and int(out[3]) > 0


def test_preserved_descriptors(podman):
    podman.world.write("/run/secret", "secret\n")
    script = 'exec "$@" 3</run/secret'
    words = [*podman.program, "run", "--rm", *podman.options(), "--preserve-fds", "1", IMAGE, "sh", "-c", "cat <&3"]
    assert podman.world.ok("sh", "-c", script, "sh", *words) == "secret"


def test_init_reaps(podman):
    init = podman.world.run("sh", "-c", "command -v tini-static").out.strip()
    if not init:
        pytest.skip("tini-static is not installed (Debian's tini)")
    options = ("--init", "--init-path", init)
    assert podman.output(*options, IMAGE, "cat", "/proc/1/cmdline").startswith("/run/podman-init")
    # The program's orphan is the init's, and goes.
    script = ("(sh -c 'echo $$' &) >/tmp/pid; until test -s /tmp/pid && ! test -e /proc/$(cat /tmp/pid);"
              " do sleep 0.02; done; exit 7")
    assert podman.run(*options, IMAGE, "timeout", "10", "sh", "-c", script).code == 7


def test_hooks(podman):
    podman.world.write("/etc/hooks/a.json", '{"version": "1.0.0", "when": {"always": true},'
                       '"stages": ["createRuntime", "poststop"],'
                       '"hook": {"path": "/bin/sh", "args": ["sh", "-c", "cat >>/run/states; echo >>/run/states"]}}')
    hooks = Hooked(podman)
    assert hooks.ok("run", "--rm", *podman.options(), IMAGE, "echo", "hi") == "hi"
    states = podman.world.ok("cat", "/run/states")
    assert '"status":"creating"' in states and '"status":"stopped"' in states


class Hooked:
    def __init__(self, podman):
        self.podman = podman

    def ok(self, *words):
        return self.podman.world.ok(*self.podman.program, "--hooks-dir", "/etc/hooks", *words)


@pytest.mark.parametrize("words, code, said", [
    (("sh", "-c", "exit 7"), 7, ""),
    (("no-such-program",), 127, "not found"),
    (("/no/such/program",), 127, "no such file"),
    (("/etc/text",), 126, "permission denied"),
    (("/tmp",), 126, "permission denied"),
], ids=["exit", "missing", "missing path", "not executable", "directory"])
def test_exit_codes(podman, words, code, said):
    done = podman.run(IMAGE, *words)
    assert done.code == code and said in done.err.lower(), done
    name = podman.start(IMAGE, "sleep", "1000")
    done = podman("exec", name, *words)
    assert done.code == code and said in done.err.lower(), done
    podman.ok("rm", "-f", "-t", "0", name)


@pytest.mark.parametrize("options, said", [
    (("--workdir", "/no/such"), "/no/such"),
    (("--user", "nobody-here"), "nobody-here"),
    (("--device", "/dev/no-such"), "/dev/no-such"),
    (("--sysctl", "net.no.such=1"), "net/no/such"),
], ids=["workdir", "user", "device", "sysctl"])
def test_a_failure_says_why(podman, options, said):
    done = podman.run(*options, IMAGE, "true")
    assert done.code in (125, 126, 127) and (said in done.err or said.replace("/", ".") in done.err), done


def test_info_names_the_runtime(podman):
    out = podman.ok("info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}")
    assert out == f"svc-runtime {RUNTIME}"
    assert "svc-runtime" in podman.ok("info", "--format", "{{.Host.OCIRuntime.Version}}")


def test_the_runtime_by_its_path(podman):
    world = podman.world
    world.ok("cp", RUNTIME, "/run/another")
    words = [*podman.program, "--runtime", "/run/another", "run", "--rm", *podman.options()]
    assert world.ok(*words, IMAGE, "echo", "hi") == "hi"


def test_a_build_runs_its_steps(podman):
    text = f"FROM {IMAGE}\nRUN echo built >/made && test $(id -u) = 0\nCMD cat /made\n"
    tag = "localhost/" + podman.name()
    podman.ok("build", "-q", "--isolation", "oci", "--network", "none", "-t", tag, "-f", "-", "/run/libpod", input=text)
    assert podman.output(tag) == "built"
