"""A private SLURM of one pretended node on loopback, from Debian's packages; needs root.

python tests/slurm/cluster.py up      # install what is missing, start; does nothing where it is up
python tests/slurm/cluster.py down    # stop and remove all but the packages
"""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

NAME = "scae"
STATE = Path("/run/scae-slurm")
LINK = Path(
    "/etc/slurm/slurm.conf"
)  # the SLURM executor hides SLURM_CONF from its inner srun, so the default must work
PACKAGES = ["munge", "slurmctld", "slurmd", "slurm-client"]
PATIENCE_S = 30
# SLURM listens at the address of its host's name, which need not be loopback
AS_LOCALHOST = ["unshare", "--uts", "sh", "-c", 'hostname localhost && exec "$@"', "sh"]
COMMANDS = {
    "munged": [
        "munged",
        f"--key-file={STATE}/munge.key",
        f"--socket={STATE}/munge.socket",
        f"--pid-file={STATE}/munged.pid",
        f"--log-file={STATE}/munged.log",
        f"--seed-file={STATE}/munged.seed",
    ],
    "slurmctld": [*AS_LOCALHOST, "slurmctld", "-f", f"{STATE}/slurm.conf"],
    "slurmd": [*AS_LOCALHOST, "slurmd", "-f", f"{STATE}/slurm.conf", "-N", "localhost"],
}
# No accounting, no cgroups: memory is enforced by looking every second. A job stays known for MinJobAge seconds.
CONFIGURATION = f"""\
ClusterName={NAME}
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={STATE}/munge.socket
SlurmctldPidFile={STATE}/slurmctld.pid
SlurmctldLogFile={STATE}/slurmctld.log
SlurmdPidFile={STATE}/slurmd.pid
SlurmdLogFile={STATE}/slurmd.log
StateSaveLocation={STATE}/controller
SlurmdSpoolDir={STATE}/node
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
EnforcePartLimits=ALL
MinJobAge=1800
KillWait=10
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000 Gres=gpu:1
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE
"""


@contextmanager
def alone():
    """Keeps a second run of the tests from using the same cluster; a killed process holds it no longer."""
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(f"\0{STATE}")  # a name without a file, which is free again when this process ends
        except OSError:
            raise SystemExit("another process uses the private SLURM; try again when it has ended") from None
        yield


def up():
    """Start whatever does not run yet; jobs that an interrupted run has left are cancelled."""
    if os.geteuid() != 0:
        raise SystemExit("a private SLURM needs root")
    if (LINK.exists() or LINK.is_symlink()) and not _is_our_link():
        raise SystemExit(f"{LINK} is there: this machine has a SLURM of its own, which is left alone")
    install()
    STATE.mkdir(mode=0o755, exist_ok=True)
    for folder in ("controller", "node"):
        (STATE / folder).mkdir(mode=0o700, exist_ok=True)
    (STATE / "slurm.conf").write_text(CONFIGURATION)
    (STATE / "gres.conf").write_text("Name=gpu File=/dev/null\n")  # a GPU to ask for, not to use
    key = STATE / "munge.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
    LINK.parent.mkdir(exist_ok=True)
    if not _is_our_link():
        LINK.symlink_to(STATE / "slurm.conf")
    for name in COMMANDS:
        start(name)
    _wait("an idle node", _idle)


def down():
    """Stop everything and remove all files but the packages'."""
    if daemon("slurmctld"):
        _wait("the end of all jobs", _no_jobs)
    for name in reversed(COMMANDS):
        if process := daemon(name):
            process.terminate()
            _wait(f"the end of {name}", lambda name=name: daemon(name) is None)
    for process in processes():  # of jobs that outlived the daemons
        process.kill()
    _wait("the end of all processes", lambda: not processes())
    if _is_our_link():
        LINK.unlink()
    if STATE.exists():
        subprocess.run(["rm", "-r", str(STATE)], check=True)


def install():
    """Install the packages that are missing, without letting apt start their services."""
    states = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status} ", *PACKAGES], capture_output=True, text=True)
    if states.stdout.split() == ["installed"] * len(PACKAGES):
        return
    with _no_services():
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", *command], env=environment, stdout=subprocess.DEVNULL, check=True)


@contextmanager
def _no_services():
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():  # as in most containers
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def start(name):
    """Start one of munged, slurmctld and slurmd if it does not run."""
    if not daemon(name):
        (STATE / f"{name}.pid").unlink(missing_ok=True)
        subprocess.run(COMMANDS[name], check=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
        _wait(name, lambda: daemon(name))


def kill_controller():
    """End slurmctld as a crash would."""
    daemon("slurmctld").send_signal(signal.SIGKILL)
    _wait("the end of slurmctld", lambda: daemon("slurmctld") is None)


def daemon(name):
    """The process that wrote our pid file of this name, or None."""
    try:
        process = psutil.Process(int((STATE / f"{name}.pid").read_text()))
        return process if process.name() == name and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def processes():
    """All processes of this SLURM: daemons, steps of jobs (these work in its folder) and what the jobs run."""
    found = {process for name in COMMANDS if (process := daemon(name))}
    for process in psutil.process_iter(["cwd", "status", "environ"]):
        of_job = (process.info["environ"] or {}).get("SLURM_CLUSTER_NAME") == NAME
        if (of_job or process.info["cwd"] == str(STATE)) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.add(process)
    return found


def reachable_from_outside():
    """Addresses other than loopback at which a process of this SLURM can be reached."""
    found = set()
    for process in processes():
        with suppress(psutil.NoSuchProcess):
            open_ends = (end for end in process.net_connections("inet") if end.laddr and not end.raddr)
            found |= {(process.name(), *end.laddr) for end in open_ends if end.laddr.ip not in ("127.0.0.1", "::1")}
    return found


def jobs(*states):
    """Numbers of the jobs in these states (all that are known if none is given)."""
    command = ["squeue", "--noheader", "--format=%i", f"--states={','.join(states) or 'all'}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def _is_our_link():
    return LINK.is_symlink() and LINK.readlink() == STATE / "slurm.conf"


def _no_jobs():
    """Whether there are none; those that there are get cancelled."""
    for job in jobs("PENDING", "RUNNING", "COMPLETING"):
        subprocess.run(["scancel", job], check=False)
    return not jobs("PENDING", "RUNNING", "COMPLETING")


def _idle():
    state = subprocess.run(["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True).stdout.strip()
    if state.startswith(("down", "drain")):
        subprocess.run(["scontrol", "update", "NodeName=localhost", "State=RESUME"], check=False)
    return _no_jobs() and state == "idle"


def _wait(what, condition):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if condition():
                return
        except subprocess.CalledProcessError:  # the controller does not answer yet
            pass
        time.sleep(0.2)
    logs = "\n".join(f"{path}:\n{path.read_text()[-2000:]}" for path in STATE.glob("*.log"))
    raise TimeoutError(f"waited {PATIENCE_S} s for {what}\n{logs}")


if __name__ == "__main__":
    with alone():
        {"up": up, "down": down}[sys.argv[1]]()
