"""placeholder until the demonstration lands."""


def main(break_: str | None) -> int:
    """Run."""
    del break_
    return 1
