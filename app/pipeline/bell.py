"""A word from whoever commits to whoever assesses in this process: something was heard, do not wait for the tick."""

from collections.abc import Callable


class Bell:
    """Rung after commits; without a listener (a process without scheduler) it makes no sound."""

    def __init__(self) -> None:
        self._answer: Callable[[], None] | None = None

    def answer_with(self, answer: Callable[[], None]) -> None:
        """Let `answer` be called at each ring."""
        self._answer = answer

    def ring(self) -> None:
        """Say that something may be due; it is in the database already, so a ring that nobody hears loses nothing."""
        if self._answer is not None:
            self._answer()
