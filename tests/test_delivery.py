"""What is sent again, and what never is: counted by the service itself."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    ActionRejected,
    AddEmail,
    AddProduct,
    ConnectError,
    Create,
    CreateChild,
    Credentials,
    Custom,
    DeadlineExceeded,
    Delivery,
    Email,
    Kind,
    OutcomeUnknown,
    PoolTimeout,
    Product,
    RequestTimeout,
    RetryPolicy,
    ServerError,
    SetStatus,
    Timeout,
    Update,
    UsersApiError,
    UsersSession,
)
from usersapi_async.emulator import Fault

from .servers import free_port, until
from .test_session import session

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator

pytestmark = pytest.mark.usefixtures("any_transport")

OPEN_ENDINGS = {
    "drop_before": (Fault.drop_before(), False),
    "drop_after": (Fault.drop_after(), True),
    "html": (Fault.html(), False),
    "html_done": (Fault.html(done=True), True),
    "cut": (Fault.cut_json(), True),
    "broken": (Fault.broken_json(), True),
    "500": (Fault.error(500), False),
    "500_done": (Fault.error(500, "nothing", done=True), True),
    "502": (Fault.error(502, "json"), False),
    "503": (Fault.unavailable(), False),
    "504": (Fault.error(504), False),
    "408": (Fault.status(408), False),
}
MAIL = Email(sender="a@example.org", to="b@example.org", subject="s", body="t")


def not_repeatable(clogin_id: int) -> dict[str, Any]:
    """A payload of each action that must not be repeated, about this user."""
    return {
        "create": Create(),
        "create_child": CreateChild(connected_to=clogin_id),
        "add_product": AddProduct(clogin_id=clogin_id, products=[Product(p_id=70101)]),
        "add_email": AddEmail(clogin_id=clogin_id, emails=[MAIL]),
        "update": Update(clogin_id=clogin_id, doc={"first_name": "Nina"}),
        "set_status": SetStatus(clogin_id=clogin_id, status_id=8101),
        "custom": Custom(action="create", extra={"doc": {}}),
    }


@pytest.mark.parametrize("ending", OPEN_ENDINGS)
@pytest.mark.parametrize("name", not_repeatable(1))
async def test_never_twice(emulator: Emulator, users: UsersSession, name: str, ending: str) -> None:
    """An action that must not be repeated is sent once, and its caller learns that its fate is open."""
    payload = not_repeatable((await users.create()).clogin_id)[name]
    fault, done = OPEN_ENDINGS[ending]
    emulator.received.clear()
    emulator.executed.clear()
    emulator.script(fault)
    with pytest.raises(OutcomeUnknown) as caught:
        await users.send(payload)
    error = caught.value
    assert (error.delivery, error.attempts, error.action) == (Delivery.UNKNOWN, 1, payload.action)
    assert error.cause is not None
    assert emulator.received == {payload.action: 1}
    assert emulator.executed.total() == done


@pytest.mark.parametrize("ending", OPEN_ENDINGS)
async def test_reads_are_repeated(emulator: Emulator, users: UsersSession, ending: str) -> None:
    """A read is repeated whatever became of it."""
    emulator.script(*[OPEN_ENDINGS[ending][0]] * 4)
    await users.get_user_list()
    assert emulator.received["get_user_list"] == 5


@pytest.mark.parametrize("ending", OPEN_ENDINGS)
@pytest.mark.parametrize("silent", [True, False])
async def test_absolute_writes(emulator: Emulator, users: UsersSession, ending: str, silent: bool) -> None:
    """An update is repeated when nothing can fire twice, and otherwise not."""
    clogin_id = (await users.create()).clogin_id
    emulator.script(OPEN_ENDINGS[ending][0])
    try:
        await users.update(
            clogin_id, {"first_name": "Nina"}, submit_forms=not silent, disable_email_sending=silent
        )
        repeated = True
    except OutcomeUnknown:
        repeated = False
    assert repeated is silent
    assert emulator.received["update"] == (2 if silent else 1)


@pytest.mark.parametrize("faults", [1, 2])
async def test_a_login_is_repeated_once(emulator: Emulator, users: UsersSession, faults: int) -> None:
    """A second token does no harm; a third is not asked for."""
    clogin_id = (await users.create()).clogin_id
    emulator.script(*[Fault.drop_after()] * faults)
    if faults == 1:
        token = (await users.login(clogin_id)).user_token
        assert emulator.use_token(token) == clogin_id
    else:
        with pytest.raises(UsersApiError) as caught:
            await users.login(clogin_id)
        assert (caught.value.delivery, caught.value.attempts) == (Delivery.UNKNOWN, 2)
    assert emulator.received["login"] == 2


@pytest.mark.parametrize("fault", [Fault.rate_limited(), Fault.status(425)])
async def test_refused_calls_are_repeated(emulator: Emulator, users: UsersSession, fault: Fault) -> None:
    """Where the server says that it did nothing for now, even a create is repeated, and done once."""
    emulator.script(fault, fault, fault)
    await users.create()
    assert (emulator.received["create"], emulator.executed["create"]) == (4, 1)


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.rejected(), 200), (Fault.status(400), 400), (Fault.status(403), 403), (Fault.status(401), 401)],
)
async def test_final_answers(emulator: Emulator, users: UsersSession, fault: Fault, status: int) -> None:
    """What the server refused for good is not asked again, a read neither."""
    emulator.script(fault, fault)
    for call in (users.create(), users.get_user_list()):
        with pytest.raises(UsersApiError) as caught:
            await call
        assert getattr(caught.value, "status", None) == status
        assert (caught.value.delivery, caught.value.attempts) == (Delivery.REFUSED, 1)
    assert emulator.received.total() == 2


async def test_503_by_option(emulator: Emulator) -> None:
    """A create is repeated after 503 when one knows that this server then did nothing."""
    emulator.script(Fault.unavailable())
    async with session(emulator, retry=RetryPolicy(base=0, retry_unavailable=True)) as users:
        # The fate of the first attempt is settled by the option, so the second one's answer counts.
        await users.create()
        assert (emulator.received["create"], emulator.executed["create"]) == (2, 1)
        emulator.script(*[Fault.unavailable()] * 5)
        with pytest.raises(ServerError) as caught:
            await users.create()
    assert (caught.value.delivery, caught.value.attempts) == (Delivery.REFUSED, 5)


async def test_nothing_sent_is_repeated() -> None:
    """A connection that can't be made is tried again, for a create too, and then fails as not sent."""
    users = UsersSession(
        Credentials(1, "a", "t"),
        group_id=1,
        base_url=f"http://127.0.0.1:{free_port()}/",
        retry=RetryPolicy(attempts=3, base=0),
    )
    async with users:
        with pytest.raises(ConnectError) as caught:
            await users.create()
    assert (caught.value.delivery, caught.value.attempts) == (Delivery.NOT_SENT, 3)


async def test_the_budget_ends_an_outage(emulator: Emulator) -> None:
    """When the saved-up retries are used, calls fail at the first attempt."""
    policy = RetryPolicy(base=0, attempts=3, budget_burst=3, budget_ratio=0)
    emulator.script(*[Fault.error()] * 20)
    attempts = []
    async with session(emulator, retry=policy) as users:
        for _ in range(4):
            with pytest.raises(ServerError) as caught:
                await users.get_user_list()
            attempts.append(caught.value.attempts)
    assert attempts == [3, 2, 1, 1]


async def test_attempts_per_kind(emulator: Emulator) -> None:
    """Reads may have a number of attempts of their own."""
    emulator.script(*[Fault.error()] * 3)
    policy = RetryPolicy(base=0, attempts=2, per_kind={Kind.READ: 4})
    async with session(emulator, retry=policy) as users:
        await users.get_user_list()
    assert emulator.received["get_user_list"] == 4


async def test_a_broken_connection_is_followed_by_a_fresh_one(
    emulator: Emulator, users: UsersSession
) -> None:
    """After a reset, what else idles in the pool is likely dead too: the retry does not ride on it."""
    await asyncio.gather(*[users.create() for _ in range(3)])
    before = emulator.connections
    emulator.script(Fault.drop_before())
    await users.get_user_list()
    assert emulator.connections == before + 1


@pytest.mark.parametrize("kind", ["read", "create"])
async def test_one_attempt_too_slow(emulator: Emulator, kind: str) -> None:
    """A timeout after sending: a read is repeated, a create is in doubt."""
    emulator.script(Fault.slow(30))
    async with session(emulator, timeout=Timeout(attempt=0.4)) as users:
        if kind == "read":
            await users.get_user_list()
        else:
            with pytest.raises(OutcomeUnknown) as caught:
                await users.create()
            assert isinstance(caught.value.cause, RequestTimeout)
    assert emulator.received.total() == (2 if kind == "read" else 1)


async def test_deadline_after_sending(emulator: Emulator) -> None:
    """The whole call's time passes while a request is under way: a doubt, or a deadline for a read."""
    emulator.script(Fault.slow(30), Fault.slow(30))
    async with session(emulator, timeout=Timeout(total=0.4)) as users:
        with pytest.raises(OutcomeUnknown) as doubt:
            await users.create()
        with pytest.raises(DeadlineExceeded) as late:
            await users.get_user_list()
    assert isinstance(doubt.value.cause, DeadlineExceeded)
    assert (late.value.delivery, late.value.attempts) == (Delivery.UNKNOWN, 1)
    assert isinstance(late.value, TimeoutError)
    assert late.value.action == "get_user_list"


async def test_deadline_before_sending(emulator: Emulator) -> None:
    """A deadline that passes in the queue, or between two attempts, leaves a create not done."""
    async with session(emulator, timeout=Timeout(total=0.05)) as users:
        users.limiter.pause(60)
        with pytest.raises(DeadlineExceeded) as queued:
            await users.create()
    assert (queued.value.delivery, queued.value.attempts) == (Delivery.NOT_SENT, 0)
    emulator.script(Fault.rate_limited(60))
    async with session(emulator, timeout=Timeout(total=1)) as users:
        with pytest.raises(DeadlineExceeded) as waiting:
            await users.create()
    assert (waiting.value.delivery, waiting.value.attempts) == (Delivery.REFUSED, 1)
    assert emulator.executed["create"] == 0


async def test_no_deadline(emulator: Emulator) -> None:
    """None is no bound."""
    async with session(emulator, timeout=Timeout(attempt=None, total=None)) as users:
        await users.create()
    assert emulator.executed["create"] == 1


async def test_a_doubt_stays_a_doubt(emulator: Emulator) -> None:
    """An attempt that may have been carried out is not undone by a later one that was refused."""
    clogin_id = 0
    async with session(emulator, retry=RetryPolicy(base=0, settle=0)) as users:
        clogin_id = (await users.create()).clogin_id
        emulator.script(Fault.drop_after(), Fault.rejected())
        with pytest.raises(ActionRejected) as caught:
            await users.login(clogin_id)
    assert (caught.value.delivery, caught.value.attempts) == (Delivery.UNKNOWN, 2)
    assert len(emulator.users[clogin_id].logins) == 1


async def test_a_cancelled_call_gives_its_slot_back(emulator: Emulator, users: UsersSession) -> None:
    """Cancelling a call leaves the session as it was."""
    emulator.script(Fault.slow(30))
    call = asyncio.ensure_future(users.create())
    await until(lambda: emulator.received)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert users.limiter.in_flight == 0
    await users.get_user_list()


async def test_a_full_pool(emulator: Emulator) -> None:
    """A call that gets no connection in time was not sent."""
    emulator.script(Fault.slow(30))
    options = {"connections": 1, "timeout": Timeout(connect=0.5), "retry": RetryPolicy(attempts=1)}
    async with session(emulator, **options) as users:
        busy = asyncio.ensure_future(users.get_user_list())
        await until(lambda: emulator.received)
        with pytest.raises(PoolTimeout) as caught:
            await users.create()
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)
    assert caught.value.delivery is Delivery.NOT_SENT
    assert emulator.received == {"get_user_list": 1}


async def test_waits_are_drawn_from_the_given_source(emulator: Emulator) -> None:
    """The jitter comes from `rng`, and is waited between the attempts."""

    class Recording(random.Random):
        drawn: list[tuple[float, float]] = []  # noqa: RUF012 (read by this test alone)

        def uniform(self, a: float, b: float) -> float:
            self.drawn.append((a, b))
            return 0.0

    emulator.script(*[Fault.error()] * 4)
    async with session(emulator, retry=RetryPolicy(base=8, cap=30), rng=Recording()) as users:
        await users.get_user_list()
    assert Recording.drawn == [(0.0, 8.0), (0.0, 16.0), (0.0, 30.0), (0.0, 30.0)]
