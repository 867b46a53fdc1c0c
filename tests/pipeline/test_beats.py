"""When a process says that it is not ready."""

from app.clock import Clock
from app.pipeline.beats import Beats
from tests.support.api import ManualWall


def test_a_dispatcher_that_leaves_old_work_behind_is_late() -> None:
    wall = ManualWall()
    beats = Beats(Clock(wall=wall))
    beats.expect("dispatcher")

    beats.dispatched(30.0)
    in_time = beats.late()
    beats.dispatched(31.0)
    behind = beats.late()
    beats.dispatched(0.0)
    caught_up = beats.late()
    wall.advance(seconds=16)

    assert (in_time, behind, caught_up, beats.late()) == ([], ["dispatcher"], [], ["dispatcher"])


def test_a_process_without_a_dispatcher_is_never_late_for_it() -> None:
    beats = Beats(Clock(wall=ManualWall()))

    beats.dispatched(1000.0)

    assert beats.late() == []
