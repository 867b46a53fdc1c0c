"""The span of time that durations are counted in."""

from datetime import timedelta
from typing import Final

MINUTE: Final = timedelta(minutes=1)
