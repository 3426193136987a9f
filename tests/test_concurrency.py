"""The limit that is found: it grows while the server keeps up, and halves when it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async._concurrency import Adaptive, Fixed


class Server:
    """A server that works on so many requests at a time, each for `work` seconds; the rest queue there."""

    def __init__(self, desks: int, work: float = 0.1) -> None:
        self.desks = desks
        self.work = work
        self.now = 0.0

    def round_trip(self, controller: Adaptive, *, busy: bool = True) -> None:
        """One full round: as many requests as the limit allows, or one at a time."""
        sent = controller.limit if busy else 1
        latency = self.work * max(1.0, sent / self.desks)
        began = self.now
        self.now += latency
        for _ in range(sent):
            controller.observe(began, self.now, refused=False, in_flight=sent)


def test_a_fixed_limit_learns_nothing() -> None:
    """A limit that was given stays."""
    controller = Fixed(7)
    controller.observe(0, 1, refused=True, in_flight=7)
    assert (controller.limit, controller.most) == (7, 7)


def test_doubles_at_first() -> None:
    """While the server keeps up, the limit doubles each round trip, to a bound."""
    controller, server = Adaptive(), Server(desks=1000)
    seen = [controller.limit]
    for _ in range(7):
        server.round_trip(controller)
        seen.append(controller.limit)
    assert seen == [4, 8, 16, 32, 64, 100, 100, 100]
    assert controller.most == 100


def test_stays_when_it_is_not_used() -> None:
    """A limit that nobody reaches tells nothing, and does not grow."""
    controller, server = Adaptive(), Server(desks=1000)
    for _ in range(10):
        server.round_trip(controller, busy=False)
    assert controller.limit == 4


@pytest.mark.parametrize("desks", [5, 10, 20, 40])
def test_settles_a_little_above_what_the_server_can_do(desks: int) -> None:
    """A few requests queue, so that the server never idles, and no more than a few."""
    controller, server = Adaptive(), Server(desks)
    for _ in range(400):
        server.round_trip(controller)
    seen = []
    for _ in range(100):
        server.round_trip(controller)
        assert controller.limit <= desks + 7
        seen.append(controller.limit)
    # One round trip in fifty runs with half as many, to see how fast the server is when it does not queue.
    assert sorted(seen)[3] >= desks + 2


def test_grows_by_one_after_the_first_sign() -> None:
    """Once refused, it no longer doubles."""
    controller, server = Adaptive(), Server(desks=1000)
    server.round_trip(controller)
    controller.observe(server.now, server.now + 0.1, refused=True, in_flight=8)
    assert controller.limit == 4
    server.now += 1
    server.round_trip(controller)
    assert controller.limit == 5


def test_halves_once_a_round_trip() -> None:
    """Refusals of requests that were under way together count as one."""
    controller, server = Adaptive(), Server(desks=1000)
    for _ in range(5):
        server.round_trip(controller)
    assert controller.limit == 100
    for late in range(20):
        controller.observe(server.now, server.now + 0.1 + late / 1000, refused=True, in_flight=100)
    assert controller.limit == 50
    controller.observe(server.now + 0.2, server.now + 0.3, refused=True, in_flight=50)
    assert controller.limit == 25


def test_never_below_one() -> None:
    """Somebody has to try."""
    controller = Adaptive()
    for round_trip in range(20):
        controller.observe(round_trip, round_trip + 0.5, refused=True, in_flight=1)
    assert controller.limit == 1


def test_shrinks_by_one_when_many_queue() -> None:
    """A server that became slower than it was gets fewer requests at a time."""
    controller, server = Adaptive(), Server(desks=1000)
    for _ in range(5):
        server.round_trip(controller)
    server.desks = 10
    # The first of them still ends the fast round trip before.
    for left in (100, 99, 98):
        server.round_trip(controller)
        assert controller.limit == left


def test_forgets_how_fast_it_was() -> None:
    """A way that became longer for good is not taken for a queue for ever."""
    controller, server = Adaptive(), Server(desks=1000)
    for _ in range(5):
        server.round_trip(controller)
    server.work = 0.4
    limits = []
    for _ in range(150):
        server.round_trip(controller)
        limits.append(controller.limit)
    assert min(limits) < 100
    assert limits[-1] > min(limits)


def test_no_time_at_all() -> None:
    """A clock too coarse to see a round trip does no harm."""
    controller = Adaptive()
    controller.observe(1.0, 1.0, refused=False, in_flight=4)
    assert controller.limit == 8


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5), st.booleans(), st.integers(1, 100)), max_size=200)
)
def test_bounds(attempts: list[tuple[float, float, bool, int]]) -> None:
    """Whatever attempts report, the limit stays between 1 and the most."""
    controller, now = Adaptive(), 0.0
    for gap, latency, refused, in_flight in attempts:
        now += gap
        controller.observe(now, now + latency, refused=refused, in_flight=in_flight)
        assert 1 <= controller.limit <= controller.most
