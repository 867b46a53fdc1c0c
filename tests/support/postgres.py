"""A private PostgreSQL for tests: started from programs at hand, crashed and restarted at will, then gone."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.postgres_binaries import find_binaries, lend_binaries

USER = "dosetrail"
# Outside the ports that systems lend to outgoing connections, so that nobody takes ours during a crash.
PORTS = range(20_000, 32_000)
START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
POLL_S = 0.02


class ServerFailedError(RuntimeError):
    """A PostgreSQL program ended badly; the message ends with its own words."""


class PostgresServer:
    """One running server with its own data, on a port of 127.0.0.1 that stays the same over crashes.

    PostgreSQL refuses to run as root, so root runs it as `nobody`. Its durability settings are left on.
    """

    def __init__(self) -> None:
        """Make a cluster and start it, which takes about half a second.

        Raises:
            BinariesMissingError: there is no PostgreSQL here.
            ServerFailedError: it does not start.
        """
        binaries = find_binaries()
        # /tmp, not TMPDIR: a socket's path may have 107 bytes, and `nobody` must be able to walk there.
        self._home = Path(tempfile.mkdtemp(prefix="dosetrail-pg-", dir="/tmp"))
        self._owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        try:
            self._binaries = lend_binaries(binaries, home=self._home) if self._owner else binaries
            self._init()
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

    @property
    def pid(self) -> int | None:
        """Return the process id of the running server, whose children do its work."""
        return self._process.pid if self._process else None

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of `database`."""
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create `name` as a copy of `template`, to which nobody may be connected, and return its URL."""
        self.sql('CREATE DATABASE :"name" TEMPLATE :"model"', variables={"name": name, "model": template})
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove `name`, whoever is still connected to it; one that is absent is no error."""
        self.sql('DROP DATABASE IF EXISTS :"name" WITH (FORCE)', variables={"name": name})

    def sql(
        self, statements: str, *, database: str = "postgres", variables: Mapping[str, str] | None = None
    ) -> str:
        """Run `statements` with psql and return what it prints, bare; `:"name"` stands for a quoted variable.

        Raises:
            ServerFailedError: the server refuses a statement, or is down.
        """
        bare = ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]
        where = [f"--host={self._home}", f"--port={self.port}", f"--username={USER}", f"--dbname={database}"]
        named = [f"--set={name}={value}" for name, value in (variables or {}).items()]
        return self._run("psql", [*bare, *where, *named], given=statements)

    def stop(self) -> None:
        """Shut down in order: connections are cut, everything is written out."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Stop at once, as a crash does: nothing is written out, and the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Start on the same data and port; a running server is stopped first.

        Raises:
            ServerFailedError: it does not start.
        """
        self.stop()
        self._process = self._launch()
        deadline_s = time.monotonic() + START_LIMIT_S
        while not self._is_ready(self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self._end(signal.SIGKILL)
                raise ServerFailedError(f"PostgreSQL did not start:\n{self._log.read_text(errors='replace')}")
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

    def _init(self) -> None:
        if self._owner:
            os.chown(self._home, self._owner.pw_uid, self._owner.pw_gid)
        # Unsynced: an empty cluster that the machine's power takes along is no loss.
        how = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", [f"--pgdata={self._data}", f"--username={USER}", *how])

    def _run(self, program: str, arguments: list[str], *, given: str = "") -> str:
        done = subprocess.run(  # noqa: S603  # our own programs and arguments, no shell
            [str(self._binaries / program), *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._home,
            env=_environment(),
            user=self._owner.pw_uid if self._owner else None,
            group=self._owner.pw_gid if self._owner else None,
            extra_groups=[] if self._owner else None,
        )
        if done.returncode != 0:
            raise ServerFailedError(f"{program}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.rstrip("\n")

    def _launch(self) -> subprocess.Popen[bytes]:
        where = ["-D", str(self._data), "-k", str(self._home), "-h", "127.0.0.1", "-p", str(self.port)]
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603  # our own program and arguments, no shell
                [str(self._binaries / "postgres"), *where],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                env=_environment(),
                start_new_session=True,  # Ctrl-C at the terminal is for the tests, which then stop the server
                user=self._owner.pw_uid if self._owner else None,
                group=self._owner.pw_gid if self._owner else None,
                extra_groups=[] if self._owner else None,
            )

    def _is_ready(self, pid: int) -> bool:
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


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _free_port() -> int:
    # The system's own dice, since test runners seed `random` alike in every worker.
    dice = random.SystemRandom()
    while True:
        port = dice.choice(PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
