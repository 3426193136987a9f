"""Calls, batches, faults, cancellations and reconciling in any order: what was told of creates is true."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from usersapi_async import (
    BatchRunner,
    CallFinished,
    Create,
    Credentials,
    Delivery,
    Observer,
    OutcomeUnknown,
    RetryPolicy,
    Succeeded,
    UsersApiError,
    UsersSession,
    reconcile,
)
from usersapi_async._attempts import TransportName
from usersapi_async.emulator import Fault, running_emulator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

FAULTS = [
    Fault.drop_before(),
    Fault.drop_after(),
    Fault.html(),
    Fault.html(done=True),
    Fault.broken_json(),
    Fault.cut_json(),
    Fault.rejected(),
    Fault.rate_limited(),
    Fault.unavailable(),
    Fault.error(done=True),
    Fault.status(401),
    Fault.status(404),
    Fault.slow(0.001),
]


class Abandoned(Observer):
    """Keeps how far the call came that ended last."""

    def __init__(self) -> None:
        self.delivery: Delivery | None = None

    def call_finished(self, event: CallFinished) -> None:
        """Notes it."""
        self.delivery = event.delivery


class Provisioning(RuleBasedStateMachine):
    """One session on one service, and what the caller was told of everybody.

    No rule has a precondition: who is there, and who is in doubt, hangs on the timing of a real socket, and
    what is drawn may hang on what was drawn before alone. A rule with nobody to work on does nothing.
    """

    transport: TransportName = "aiohttp"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.service = running_emulator()
        self.emulator = self.loop.run(self.service.__aenter__())
        self.users = UsersSession(
            Credentials(**self.emulator.credentials),
            group_id=self.emulator.group_id,
            base_url=self.emulator.base_url,
            # Fixed, since 429s without end would have it find a pace of one call in seconds.
            concurrency=4,
            retry=RetryPolicy(base=0, settle=0, budget_ratio=1),
            transport=self.transport,
        )
        self.loop.run(self.users.__aenter__())
        self.numbers = itertools.count()
        self.told: dict[str, Delivery | None] = {}
        self.doubts: dict[str | int, OutcomeUnknown] = {}
        self.ids: list[int] = []

    def teardown(self) -> None:
        """Closes all; nothing may be left."""
        self.loop.run(self.users.__aexit__(None, None, None))
        self.loop.run(self.service.__aexit__(None, None, None))
        self.loop.close()

    def within_time(self, work: Awaitable[Any]) -> Any:
        """Nothing hangs, and nothing but the library's errors comes out."""

        async def bounded() -> Any:
            async with asyncio.timeout(20):
                return await work

        return self.loop.run(bounded())

    def person(self) -> tuple[str, Create]:
        """Somebody new who can be told from all others."""
        marker = f"p{next(self.numbers)}"
        return marker, Create(doc={"first_name": "Nina", "import_ref": marker})

    @rule(faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4))
    def trouble(self, faults: list[Fault]) -> None:
        """The next requests go wrong."""
        self.emulator.script(*faults)

    @rule()
    def create(self) -> None:
        """One call."""
        marker, payload = self.person()
        try:
            self.ids.append(self.within_time(self.users.send(payload)).clogin_id)
            self.told[marker] = None
        except UsersApiError as error:
            self.told[marker] = error.delivery
            if isinstance(error, OutcomeUnknown):
                self.doubts[marker] = error

    @rule(count=st.integers(1, 6), concurrency=st.integers(1, 4))
    def batch(self, count: int, concurrency: int) -> None:
        """Several at once."""
        runner = BatchRunner(self.users, concurrency=concurrency)
        report = self.within_time(runner.run([self.person() for _ in range(count)]))
        assert report.taken == len(report.outcomes)
        for outcome in report.outcomes:
            done = isinstance(outcome, Succeeded)
            self.told[outcome.key] = None if done else Delivery.REFUSED
        for key, error in report.doubts.items():
            self.told[key] = Delivery.UNKNOWN
            self.doubts[key] = error

    @rule(steps=st.integers(0, 40))
    def give_up(self, steps: int) -> None:
        """A call that its caller cancels in the middle."""
        marker, payload = self.person()
        watch = Abandoned()

        async def cancelled() -> None:
            task = asyncio.ensure_future(self.users.with_options(observer=watch).send(payload))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and isinstance(error := task.exception(), OutcomeUnknown):
                self.doubts[marker] = error

        self.within_time(cancelled())
        if steps:
            self.told[marker] = watch.delivery

    @rule(pick=st.integers(0), silent=st.booleans())
    def change(self, pick: int, silent: bool) -> None:
        """A write that may be repeated, or not."""
        if not self.ids:
            return
        clogin_id = self.ids[pick % len(self.ids)]
        call = self.users.update(
            clogin_id, {"phone": "1"}, submit_forms=not silent, disable_email_sending=silent
        )
        self.attempt(call)

    @rule()
    def read(self) -> None:
        """A read."""
        self.attempt(self.users.get_user_list())

    @rule()
    def look(self) -> None:
        """What reconciling says is so."""
        if not self.doubts:
            return
        result = self.attempt(reconcile(self.users, self.doubts, marker_field="import_ref", settle=0))
        if result is None:
            return
        there = self.registered()
        for marker in result.found:
            assert there[marker] == 1
        for marker in result.absent:
            assert there[marker] == 0
        for marker in (*result.found, *result.absent):
            del self.doubts[marker]

    def attempt(self, call: Coroutine[Any, Any, Any]) -> Any:
        """The call's result, or None."""
        try:
            return self.within_time(call)
        except UsersApiError:
            return None

    def registered(self) -> Counter[object]:
        """How often each marker is there."""
        return Counter(user.doc.get("import_ref") for user in list(self.emulator.users.values()))

    @invariant()
    def told_the_truth(self) -> None:
        """Nobody is there twice, nobody who was reported done is missing, nobody else is there in secret."""
        there = self.registered()
        assert max(there.values(), default=0) <= 1
        for marker, delivery in self.told.items():
            if delivery is not Delivery.UNKNOWN:
                assert there[marker] == (delivery is None), (marker, delivery)
        assert self.users.limiter.in_flight == 0


class DirectProvisioning(Provisioning):
    """The same over connections of our own."""

    transport = "httptools"


Provisioning.TestCase.settings = settings(max_examples=200, stateful_step_count=50)
DirectProvisioning.TestCase.settings = settings(max_examples=60, stateful_step_count=50)
TestProvisioning = Provisioning.TestCase
TestDirectProvisioning = DirectProvisioning.TestCase
