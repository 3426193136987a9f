"""The limit that is found: its rules, and how much of a server's capacity it gets in a simulation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import (
    ActionRejected,
    ConnectionLost,
    Delivery,
    RateLimited,
    RequestTimeout,
    ServerError,
    UsersApiError,
)
from usersapi_async._concurrency import Adaptive, Fixed, Signal
from usersapi_async.dispatch import _signal


class Rounds:
    """Hands a controller whole rounds of answers."""

    def __init__(self, controller: Adaptive | None = None) -> None:
        self.controller = controller or Adaptive()
        self.now = 0.0

    @property
    def limit(self) -> int:
        """The controller's limit."""
        return self.controller.limit

    def play(self, latency: float = 0.1, *, refused: int = 0, in_flight: int | None = None) -> int:
        """Requests that begin together, those refused answered first; the limit that comes of it."""
        limit, began = self.limit, self.now
        used = limit if in_flight is None else in_flight
        for _ in range(refused):
            self.controller.observe(began, began + 0.01, Signal.REFUSED, in_flight=used)
        self.now += latency
        for _ in range(max(limit, 10)):
            self.controller.observe(began, self.now, Signal.SUCCESS, in_flight=used)
        return self.limit

    def grow_to(self, limit: int) -> None:
        """Plays until the limit is as high."""
        while self.limit < limit:
            self.play()


def test_a_fixed_limit_learns_nothing() -> None:
    """A limit that was given stays."""
    controller = Fixed(7)
    controller.sent(0)
    controller.observe(0, 1, Signal.REFUSED, in_flight=7, waiting=True, paused=0)
    assert (controller.limit, controller.most, controller.interval) == (7, 7, 0)


def test_grows_by_its_square_root() -> None:
    """While nothing queues, the limit grows each round, to a bound, by less than a short queue takes."""
    rounds = Rounds()
    assert [rounds.play() for _ in range(8)] == [6, 8, 11, 14, 18, 22, 27, 32]
    for _ in range(20):
        rounds.play()
    assert rounds.limit == rounds.controller.most == 100


@pytest.mark.parametrize(("start", "limit"), [(0, 4), (3, 4), (4, 4), (37.5, 37), (100, 100), (1000, 100)])
def test_starts_where_it_is_told(start: float, limit: int) -> None:
    """A limit that was found before is where it starts, within its bounds; a low one may be an outage's."""
    assert Adaptive(start).limit == limit


def test_a_start_is_proven() -> None:
    """A limit that still fits is kept; one above what the server works on at once comes down first."""
    fits = Rounds(Adaptive(40))
    limits = [fits.play(0.1) for _ in range(10)]
    assert min(limits) >= 32
    assert limits[-1] > 40
    too_high = Rounds(Adaptive(60))
    for _ in range(10):
        too_high.play(0.1 * max(1.0, too_high.limit / 20))
    assert 18 <= too_high.limit <= 30


def test_stays_when_it_is_not_used() -> None:
    """A limit that nobody reaches tells nothing, and does not grow."""
    rounds = Rounds()
    assert {rounds.play(in_flight=2) for _ in range(10)} == {4}


def test_stops_at_a_queue() -> None:
    """It doesn't take a refusal: where latency rises clearly above the baseline, growth ends."""
    rounds = Rounds()
    rounds.grow_to(18)
    stopped = rounds.play(0.15)
    assert [rounds.play(0.15) for _ in range(10)] == [stopped] * 10


def test_outliers_and_errors_are_no_latency() -> None:
    """Neither a request that hung nor answers without any work done count as a change of pace."""
    rounds, calm = Rounds(), Rounds()
    for _ in range(8):
        began = rounds.now
        for latency, signal in ((0.001, Signal.OTHER), (60.0, Signal.SUCCESS)):
            rounds.controller.observe(began, began + latency, signal, in_flight=rounds.limit)
        rounds.play()
        calm.play()
    assert rounds.limit > 0.8 * calm.limit


def test_one_fast_round_is_not_the_baseline() -> None:
    """The baseline follows down by a share, so that a round of luck makes no queue of the next."""
    rounds = Rounds()
    rounds.grow_to(18)
    rounds.play(0.085)
    before = rounds.limit
    assert rounds.play() > before


def test_a_refusal_now_and_then_means_nothing() -> None:
    """Up to a twentieth of the requests, and two at a low limit, are no sign of the server's limit."""
    rounds = Rounds()
    assert rounds.play(refused=2) == 6
    assert rounds.play(refused=0) == 8
    rounds.grow_to(100)
    assert min(rounds.play(refused=5) for _ in range(40)) == 80  # once, to see whether it ends them
    assert rounds.limit == 100


@pytest.mark.parametrize("refused", [[3], [2, 2]])
def test_refusals_at_a_low_limit(refused: list[int]) -> None:
    """There they count when they repeat: three in a round, or two in each of two."""
    rounds = Rounds()
    for number in refused:
        before = rounds.limit
        rounds.play(refused=number)
    assert rounds.limit < before


def test_cut_once_a_round_trip() -> None:
    """Refusals of requests that were under way together count as one."""
    rounds = Rounds()
    rounds.grow_to(100)
    for late in range(50):
        rounds.controller.observe(rounds.now, rounds.now + 0.1 + late / 1000, Signal.REFUSED, in_flight=100)
    assert rounds.limit == 70
    rounds.now += 1
    for _ in range(50):
        rounds.controller.observe(rounds.now, rounds.now, Signal.REFUSED, in_flight=70)
        rounds.now += 0.001
    assert rounds.limit < 50


def test_few_refusals_that_a_lower_limit_ends() -> None:
    """Each may be a create in doubt: the limit stays below, though they are too few to be cut for."""
    rounds = Rounds()
    rounds.grow_to(100)
    seen = [rounds.play(refused=1 if rounds.limit >= 96 else 0) for _ in range(60)]
    assert min(seen) == 80
    assert set(seen[20:]) <= {93, 94, 95}


def test_few_refusals_at_the_lowest_limit() -> None:
    """There is none below it."""
    rounds = Rounds()
    while refuse(rounds) > 1:
        pass
    for _ in range(30):
        rounds.controller.observe(rounds.now, rounds.now + 0.1, Signal.REFUSED, in_flight=1)
        assert rounds.play(0.1) >= 1


def refuse(rounds: Rounds) -> int:
    """Refuses until the limit gives way; the limit that was refused."""
    refused = rounds.limit
    while rounds.limit == refused > 1:
        rounds.controller.observe(rounds.now, rounds.now, Signal.REFUSED, in_flight=refused)
    rounds.now += 0.1
    return refused


def test_returns_to_just_below() -> None:
    """After a cut half of the way back each round, a hold below that limit, then small steps beyond."""
    rounds = Rounds()
    rounds.grow_to(51)
    assert refuse(rounds) == 51
    back = [rounds.limit] + [rounds.play() for _ in range(3)]
    assert back == [36, 43, 47, 49]
    beyond = [rounds.play() for _ in range(32 + 6)]
    assert beyond == [49] * 32 + [50, 51, 52, 53, 55, 60]


def test_holds_longer_each_time() -> None:
    """Where it is refused again and again, it is tried less and less often, to a bound."""
    rounds = Rounds()
    rounds.grow_to(51)
    holds = []
    for _ in range(5):
        assert refuse(rounds) == 51
        way: list[int] = []
        while rounds.limit < 51:
            way.append(rounds.play())
        holds.append(len(way))
    assert [hold // 32 for hold in holds] == [1, 2, 4, 8, 17]  # with the rounds of dips


def test_after_an_outage() -> None:
    """Never below one; and the way back is short, since the limit before the outage was good."""
    rounds = Rounds()
    rounds.grow_to(51)
    while refuse(rounds) > 1:
        pass
    assert rounds.limit == 1
    assert [rounds.play() for _ in range(8)] == [2, 5, 11, 23, 37, 44, 48, 49]


def test_a_slower_way_is_no_queue() -> None:
    """Latency that rises and doesn't fall with the limit moves the baseline, and the limit is as before."""
    rounds = Rounds()
    rounds.grow_to(60)
    before = rounds.limit
    seen = [rounds.play(0.3) for _ in range(90)]
    assert min(seen) < 0.82 * before
    assert rounds.limit > before


def test_a_queue_is_left() -> None:
    """When the server becomes slower by our queue, the limit falls until it is gone."""
    rounds = Rounds()
    rounds.grow_to(60)
    for _ in range(40):
        rounds.play(0.1 * max(1.0, rounds.limit / 20))
    assert 20 < rounds.limit < 30


def test_a_dip_that_nobody_feels() -> None:
    """When demand ends during a dip, latency tells nothing of a queue: the dip goes no deeper."""
    rounds = Rounds()
    rounds.grow_to(60)
    while (dipped := rounds.play(0.3)) >= 60:
        pass
    assert rounds.play(0.15, in_flight=3) >= dipped


def test_a_refusal_ends_a_dip() -> None:
    """A limit that is refused while it dips is cut as any other."""
    rounds = Rounds()
    rounds.grow_to(60)
    while rounds.play(0.3) >= 60:
        pass
    dipped = refuse(rounds)
    assert rounds.limit == int(0.7 * dipped)


def test_learns_while_it_is_not_used() -> None:
    """Single calls queue behind nobody, so that a baseline too low is put right by them."""
    rounds = Rounds()
    rounds.grow_to(18)
    before = rounds.limit
    for _ in range(100):
        rounds.play(0.3, in_flight=2)
    assert rounds.play(0.3) > before


def test_no_time_at_all() -> None:
    """A clock too coarse to see a round trip does no harm."""
    assert Rounds().play(0.0) == 6


@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 5), st.sampled_from(Signal), st.integers(1, 100)),
        max_size=300,
    )
)
def test_bounds(attempts: list[tuple[float, float, Signal, int]]) -> None:
    """Whatever attempts report, the limit stays between 1 and the most."""
    controller, now = Adaptive(), 0.0
    for gap, latency, signal, in_flight in attempts:
        now += gap
        controller.observe(now, now + latency, signal, in_flight=in_flight)
        assert 1 <= controller.limit <= controller.most


@pytest.mark.parametrize(
    ("error", "signal"),
    [
        (RateLimited("", status=429, delivery=Delivery.REFUSED), Signal.LIMITED),
        (ServerError("", status=503, delivery=Delivery.UNKNOWN), Signal.REFUSED),
        (ServerError("", status=504, delivery=Delivery.UNKNOWN), Signal.REFUSED),
        (RequestTimeout("", delivery=Delivery.UNKNOWN), Signal.REFUSED),
        (ServerError("", status=500, delivery=Delivery.UNKNOWN), Signal.OTHER),
        (ActionRejected("", status=200, delivery=Delivery.REFUSED), Signal.OTHER),
        (ConnectionLost("", delivery=Delivery.UNKNOWN), Signal.OTHER),
    ],
)
def test_what_an_error_says(error: UsersApiError, signal: Signal) -> None:
    """Only what a server sends when there is too much for it, or its silence, says that there is too much."""
    assert _signal(error) is signal
