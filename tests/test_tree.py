import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (".ci", "app", "bench", "docs", "tests")
TEXTS = {
    "",
    ".cfg",
    ".css",
    ".csv",
    ".html",
    ".js",
    ".json",
    ".lock",
    ".mako",
    ".md",
    ".py",
    ".toml",
    ".yaml",
    ".yml",
}
# A test run's own record, and the pointer of a git worktree: never committed.
NOT_OURS = {".coverage", ".git"}
PERSONAL_PATH = re.compile(r"(?<![\w.}/-])(?:/(?:home|root|work|Users)/|[A-Z]:\\Users\\)[\w.]")
LINES_MAX = 400
LOCKS = ("requirements.lock", "requirements-dev.lock")


def texts() -> Iterator[Path]:
    candidates = [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return (
        path for path in candidates if path.is_file() and path.suffix in TEXTS and path.name not in NOT_OURS
    )


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in texts()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if PERSONAL_PATH.search(line)
    ]

    assert named == []


@pytest.mark.parametrize("folder", ["home", "root", "work", "Users"])
def test_a_path_of_somebodys_machine_is_recognised(folder: str) -> None:
    planted = f'SAMPLE = Path("/{folder}/ada/flights.csv")'

    assert PERSONAL_PATH.search(planted)


def test_no_file_of_the_service_is_past_its_hard_limit() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / "app").rglob("*.py")}

    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > LINES_MAX} == {}


def test_every_make_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[0].split()

    helped = re.findall(r"^([a-z]+):.*## \S", makefile, re.MULTILINE)

    assert sorted(helped) == sorted(targets)


def test_the_images_health_check_asks_a_route_that_exists() -> None:
    asked = re.search(r"urlopen\('http://127\.0\.0\.1:8000(/\w+)'", (ROOT / "Dockerfile").read_text())

    assert asked is not None
    assert any(f'"{asked[1]}"' in path.read_text() for path in (ROOT / "app" / "routers").rglob("*.py"))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_a_hash_for_each_package_and_names_no_host(lock: str) -> None:
    blocks = re.split(r"^(?=[a-z0-9.-]+==)", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]

    unhashed = [block.split()[0] for block in blocks if "--hash=sha256:" not in block]

    assert blocks
    assert unhashed == []
    assert "://" not in (ROOT / lock).read_text()


def test_people_work_on_the_versions_that_run() -> None:
    run, work = (pins(lock) for lock in LOCKS)

    assert run.items() <= work.items()


def test_each_file_of_the_service_that_is_no_module_is_packed_with_it() -> None:
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["app"]
    others = [
        path.relative_to(ROOT / "app")
        for path in (ROOT / "app").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    ]

    assert others
    assert [str(path) for path in others if not any(path.match(pattern) for pattern in packed)] == []
