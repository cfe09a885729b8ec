"""What may be over in a moment is told when it has lasted for a while."""

from uuid import UUID

import pytest

from vestnik.alerting.doubts import DOUBTED_FOR, SLOW_AFTER, Doubts
from vestnik.domain.alerts import Alert, AlertKind

SILENT = Alert(kind=AlertKind.ACCOUNT_SILENT, is_urgent=True, id=UUID(int=1), is_certain=False)
NO_WORKER = Alert(kind=AlertKind.NO_WORKER, is_urgent=True)
GONE = Alert(kind=AlertKind.WORKER_GONE, is_urgent=False, name="h (1)")
LIMITED = Alert(kind=AlertKind.ACCOUNT_LIMITED, is_urgent=True, id=UUID(int=1))
A_MOMENT = 0.5


class Looks:
    """Looks at a time that is set."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.doubts = Doubts(lambda: self.now)

    def look(self, *found: Alert, takes: float = 0.0) -> list[AlertKind]:
        """What is told."""
        self.doubts.begin_look()
        self.now += takes
        told = [alert.kind for alert in found if not self.doubts.holds_back(alert)]
        self.doubts.end_look()
        return told


@pytest.fixture
def looks() -> Looks:
    """Of a process that has run for long."""
    looks = Looks()
    looks.now += 10 * DOUBTED_FOR
    return looks


def test_what_is_certain_is_told_at_once(looks: Looks) -> None:
    assert looks.look(NO_WORKER, GONE, LIMITED) == [NO_WORKER.kind, GONE.kind, LIMITED.kind]


def test_what_lasts_is_told_after_a_while_and_what_passes_is_not(looks: Looks) -> None:
    assert looks.look(SILENT) == []
    looks.now += DOUBTED_FOR
    assert looks.look(SILENT) == [SILENT.kind]
    assert looks.look() == []
    assert looks.look(SILENT) == []


def test_one_thing_that_lasts_does_not_speak_for_another(looks: Looks) -> None:
    other = Alert(kind=AlertKind.ACCOUNT_SILENT, is_urgent=True, id=UUID(int=2), is_certain=False)
    looks.look(SILENT)
    looks.now += DOUBTED_FOR
    assert looks.look(SILENT, other) == [SILENT.kind]


def test_a_new_process_waits_for_workers_that_start_beside_it() -> None:
    looks = Looks()
    assert looks.look(NO_WORKER, GONE, LIMITED) == [LIMITED.kind]
    looks.now += DOUBTED_FOR
    assert looks.look(NO_WORKER, GONE) == [NO_WORKER.kind, GONE.kind]


def test_after_an_outage_workers_have_time_to_come_back(looks: Looks) -> None:
    looks.look(SILENT)
    looks.now += DOUBTED_FOR
    looks.doubts.start_over()
    assert looks.look(NO_WORKER, GONE, SILENT) == []
    looks.now += DOUBTED_FOR
    assert looks.look(NO_WORKER, SILENT) == [NO_WORKER.kind, SILENT.kind]


def test_a_look_that_a_hanging_database_held_up_is_an_outage_too(looks: Looks) -> None:
    assert looks.look(NO_WORKER, GONE, SILENT, takes=SLOW_AFTER + A_MOMENT) == []
    assert looks.look(NO_WORKER) == []
    looks.now += DOUBTED_FOR
    assert looks.look(NO_WORKER) == [NO_WORKER.kind]


def test_a_database_that_stays_slow_keeps_nothing_from_being_told(looks: Looks) -> None:
    told = [kind for _ in range(4) for kind in looks.look(NO_WORKER, takes=SLOW_AFTER + A_MOMENT)]
    assert told[-1:] == [NO_WORKER.kind]
