"""A noisy, failing run shows no secret and no person, wherever one might look."""

from __future__ import annotations

import asyncio
import functools
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.disks import small_disk
from tests.servers import Connection, answer, answering, raw_server, until
from usersapi_async import (
    AddEmail,
    BatchRunner,
    ConfigurationError,
    Create,
    CreateChild,
    Credentials,
    Custom,
    Email,
    Login,
    MalformedResponse,
    NotAttempted,
    OutcomeUnknown,
    Product,
    Progress,
    Ref,
    ResultWriter,
    RetryPolicy,
    Timeout,
    Update,
    UsersApiError,
    UsersSession,
    Verdict,
    read_remainder,
    reconcile,
)
from usersapi_async._recognition import Sought
from usersapi_async.emulator import Fault
from usersapi_async.otel import OpenTelemetryObserver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from tests.servers import Handler
    from usersapi_async.emulator import Emulator

TOKEN = "6f0e7b0e-1234-4000-8000-5ec4e75ec4e7"
ADMIN = "chief.admin@camp.example"
PERSON: dict[str, str | int] = {
    "first_name": "Philippa",
    "last_name": "Quirke",
    "main_email": "philippa.quirke@home.example",
    "username": "pquirke77",
    "password": "hunter2hunter2",
    "allergies": "Walnuts and wasps",
    "phone": 441632960961,
}
SECRETS = [TOKEN, ADMIN, *map(str, PERSON.values()), "5ec4e7", "nut allergy letter"]


class Noise:
    """Everything that a run emits."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def add(self, *values: object) -> None:
        """Takes values as `repr` and `str` show them."""
        for value in values:
            self.parts += [repr(value), str(value)]

    def add_error(self, error: BaseException, *libraries: str) -> None:
        """Takes an exception with all that hangs on it: local variables of our frames, and its context.

        The callers' own frames and lines are theirs: only what the frames of this package, and of the
        `libraries` that it uses, hold is taken.
        """
        seen: BaseException | None = error
        while seen is not None:
            self.add(seen, vars(seen))
            for frame, _ in traceback.walk_tb(seen.__traceback__):
                file = frame.f_code.co_filename
                if any(name in file for name in ("usersapi_async", *libraries)) and "test" not in file:
                    self.add(dict(frame.f_locals))
            seen = seen.__cause__ or seen.__context__

    def assert_silent(self) -> None:
        """Fails on the first secret in it."""
        text = "\n".join(self.parts)
        assert len(text) > 1000
        for secret in SECRETS:
            assert secret.casefold() not in text.casefold(), secret


@pytest.fixture
def noise(caplog: pytest.LogCaptureFixture) -> Noise:
    """Collects, with every logger at its lowest level."""
    caplog.set_level(logging.DEBUG)
    for name in ("asyncio", "aiohttp.client", "usersapi_async"):
        caplog.set_level(logging.DEBUG, name)
    return Noise()


async def collected(noise: Noise, call: Awaitable[Any]) -> None:
    """Awaits what must fail, and collects the error."""
    try:
        await call
    except UsersApiError as error:
        noise.add_error(error)
    else:
        pytest.fail("it went well")


def echoing(status: str) -> Handler:
    """Answers that repeat the whole request, its head and its body, in their message."""

    async def handle(connection: Connection) -> None:
        while request := await connection.request():
            text = request.decode()
            await connection.send(
                answer({"success": False, "msg": text, "meta_info": {"u_name": text}}, status=status)
            )

    return handle


MAIL = Email(
    sender=ADMIN, to=str(PERSON["main_email"]), subject="Nut allergy letter", body="Walnuts and wasps"
)
SERVERS: list[Handler] = [
    echoing("200 OK"),
    echoing("403 Forbidden"),
    echoing("500 Internal Server Error"),
    *map(
        answering,
        [
            answer(f"<html>{TOKEN} Philippa Quirke</html>".encode()),
            answer({"success": True, "user_info": {"clogin_id": "Philippa"}, "msg": TOKEN}),
            answer(
                b'{"success": true, "user_info": {"clogin_id": 5, "connected_to": 9, "u_name": "Philippa"}}'
            ),
            answer(b'{"success": true, "msg": "Philippa', length=500),
            b"HTTP/1.1 200 Philippa Quirke\r\nBad header " + TOKEN.encode() + b"\r\n\r\n",
        ],
    ),
]


@pytest.mark.usefixtures("any_transport")
@pytest.mark.parametrize("position", range(len(SERVERS)))
async def test_errors_of_every_kind_show_nothing(
    noise: Noise, caplog: pytest.LogCaptureFixture, position: int
) -> None:
    """Whatever the server answers, the error with its locals, the log and the spans hold no secret."""
    asyncio.get_running_loop().set_debug(True)
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    async with (
        raw_server(SERVERS[position]) as server,
        UsersSession(
            Credentials(7, ADMIN, TOKEN),
            group_id=100909072,
            base_url=server.url,
            retry=RetryPolicy(attempts=1, settle=0),
            timeout=Timeout(attempt=5),
            observer=OpenTelemetryObserver(provider),
        ) as users,
    ):
        noise.add(users, vars(users))
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: users.create(PERSON),
            lambda: users.create_child(5, PERSON),
            lambda: users.update(6, {key: value for key, value in PERSON.items() if key != "password"}),
            lambda: users.add_email(6, MAIL),
            lambda: users.add_product(6, Product(name="Walnuts and wasps", product_remark="Philippa Quirke")),
            lambda: users.send(Custom(action="zap", extra=PERSON)),
            lambda: users.find_user(username="pquirke77", main_email=str(PERSON["main_email"])),
        ]
        if position in (4, 5):
            # Answers that suit some of these calls, so that they succeed.
            calls = calls[:1]
        for call in calls:
            await collected(noise, call())
        report = await BatchRunner(users).run([("philippa.quirke@home.example", Create(doc=PERSON))])
        noise.add(report, *report.outcomes)
        for outcome in report.outcomes:
            noise.add_error(outcome.error)  # type: ignore[union-attr]
    provider.shutdown()
    for span in spans.get_finished_spans():
        noise.add(span.to_json())
    noise.parts += [caplog.text, *(repr(vars(record)) for record in caplog.records)]
    noise.assert_silent()


async def test_payload_faults_show_nothing(noise: Noise, users: UsersSession) -> None:
    """A payload that is refused shows types and paths, never values, in any frame of ours."""
    bad = {**PERSON, "password": "hunt", "main_email": "philippa.quirke at home.example", "x": float("nan")}
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: users.create(bad),
        lambda: users.create_child(0, bad),
        lambda: users.update(0, {**bad, "_system": "Walnuts and wasps"}),
        lambda: users.send(Create(doc=bad)),
        lambda: users.send(CreateChild(connected_to=Ref("pquirke77"), doc=PERSON)),
        lambda: users.add_email(0, MAIL),
        # A dict for the object, an email for the id, and the like.
        lambda: users.add_email(5, [PERSON]),  # type: ignore[list-item]
        lambda: users.add_product(5, [PERSON]),  # type: ignore[list-item]
        lambda: users.send(PERSON),  # type: ignore[arg-type]
        *(
            functools.partial(action, str(PERSON["main_email"]), *rest)  # type: ignore[arg-type]
            for action, rest in (
                (users.login, ()),
                (users.update, ({},)),
                (users.get_info, ()),
                (users.set_status, (0,)),
                (users.add_email, (MAIL,)),
                (users.create_child, ()),
            )
        ),
    ]
    for call in calls:
        # Some fail where the payload is built, and the others where it is sent.
        with pytest.raises(UsersApiError) as refused:
            await call()
        noise.add_error(refused.value)
    with pytest.raises(TypeError) as caught:
        Create(PERSON)  # type: ignore[arg-type, call-arg]
    noise.add_error(caught.value)
    with pytest.raises(TypeError) as caught:
        Update(doc=PERSON)  # type: ignore[call-arg]
    noise.add_error(caught.value)
    noise.assert_silent()


@pytest.mark.usefixtures("any_transport")
async def test_a_cancelled_call_shows_nothing(noise: Noise, emulator: Emulator, users: UsersSession) -> None:
    """The frames that a cancellation comes through hold no secret, those of aiohttp included."""
    emulator.script(Fault.slow(30))
    call = asyncio.ensure_future(users.create(PERSON))
    await until(lambda: emulator.received["create"])
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    noise.add_error(caught.value, "aiohttp", "httptools")
    noise.parts.append("x" * 1000)
    noise.assert_silent()


@pytest.mark.usefixtures("any_transport")
async def test_the_callers_timeout_shows_nothing(
    noise: Noise, emulator: Emulator, users: UsersSession
) -> None:
    """The cancellation behind a caller's own `asyncio.timeout` hangs on its error."""

    async def call() -> None:
        async with asyncio.timeout(None) as limit:
            due.set_result(limit)
            await users.create(PERSON)

    due: asyncio.Future[asyncio.Timeout] = asyncio.get_running_loop().create_future()
    emulator.script(Fault.slow(30))
    task = asyncio.ensure_future(call())
    await until(lambda: emulator.received["create"])
    due.result().reschedule(0)
    with pytest.raises(TimeoutError) as caught:
        await task
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    noise.add_error(caught.value, "aiohttp", "httptools", "asyncio/timeouts")
    noise.parts.append("x" * 1000)
    noise.assert_silent()


@pytest.mark.parametrize(
    "arguments",
    [
        ({"token": TOKEN},),
        (f"7:{ADMIN}:{TOKEN}",),
        (Credentials(7, ADMIN, TOKEN), TOKEN),
    ],
)
def test_wrong_arguments_of_a_session_show_nothing(noise: Noise, arguments: tuple[Any, ...]) -> None:
    """Neither do the frames that refuse what is given for the credentials, or beside them."""
    with pytest.raises((ConfigurationError, TypeError)) as caught:
        UsersSession(*arguments)
    noise.add_error(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        UsersSession(Credentials(7, ADMIN, TOKEN), base_url=f"https://{ADMIN}:{TOKEN}@home.example/")
    noise.add_error(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        Credentials(7, ADMIN, f"{TOKEN}\n")
    noise.add_error(caught.value, "attrs")
    noise.parts.append("x" * 1000)
    noise.assert_silent()


async def test_a_classification_that_fails_shows_nothing(
    noise: Noise, emulator: Emulator, users: UsersSession
) -> None:
    """The error of somebody's own `classify` holds the answer, so only its kind and place are told."""

    def broken(_: int, body: Mapping[str, Any] | None) -> Verdict:
        assert body is not None
        raise KeyError(body["meta_info"]["u_name"])

    view = users.with_options(classify=broken)
    with pytest.raises(OutcomeUnknown) as caught:
        await view.create(PERSON)
    line = broken.__code__.co_firstlineno + 2
    assert str(caught.value.cause).endswith(f"classify raised KeyError in broken, line {line}")
    noise.add_error(caught.value)
    noise.add_error(caught.value.cause or caught.value)
    noise.assert_silent()
    view = users.with_options(classify=lambda *_: 200)  # type: ignore[arg-type]
    with pytest.raises(MalformedResponse, match="classify returned int, not a Verdict of a ResponseError"):
        await view.get_user_list()
    assert emulator.executed["create"] == 1


async def test_values_show_nothing(noise: Noise, emulator: Emulator, users: UsersSession) -> None:
    """Payloads, responses, references and credentials hide what they hold."""
    created = await users.create(PERSON)
    noise.add(
        created,
        created.meta_info,
        await users.get_info(created.clogin_id, list(PERSON), all_fields=True),
        await users.get_user_list(list(PERSON)),
        Create(doc=PERSON),
        CreateChild(connected_to=Ref("pquirke77"), doc=PERSON, extra=PERSON),
        AddEmail(clogin_id=5, emails=[MAIL]),
        MAIL,
        Product(name="x", product_remark="Philippa"),
        Credentials(7, ADMIN, TOKEN),
        UsersSession(Credentials(7, ADMIN, TOKEN)),
    )
    login = await users.send(Login(clogin_id=created.clogin_id))
    assert login.user_token not in repr(login)
    assert emulator.credentials["api_token"] not in repr(users)
    noise.assert_silent()


@pytest.mark.parametrize("ending", ["raises", "is cancelled", "fails"])
async def test_a_reconcile_that_breaks_off_shows_nothing(
    noise: Noise, emulator: Emulator, users: UsersSession, ending: str
) -> None:
    """The frames of a walk hold nothing of those whom it looks for, nor does its result."""
    parent = (await users.create()).clogin_id
    doubts: dict[str | int, OutcomeUnknown] = {}
    for payload in (Create(doc=PERSON), CreateChild(connected_to=parent, doc=PERSON)):
        doubts[f"{PERSON['main_email']} {payload.action}"] = OutcomeUnknown("x", payload=payload)
    fault = {"raises": Fault.status(401), "is cancelled": Fault.slow(30), "fails": Fault.status(400)}[ending]
    emulator.script(None, fault, action="get_user_list")
    reading = asyncio.ensure_future(reconcile(users, doubts, marker_field="allergies", settle=0))
    if ending == "is cancelled":
        await until(lambda: emulator.received["get_user_list"] == 2)
        reading.cancel()
    try:
        result = await reading
    except (UsersApiError, asyncio.CancelledError) as error:
        noise.add_error(error)
    else:
        noise.add(result)
        assert result.error is not None
        noise.add_error(result.error)
    noise.add(*(Sought.of("philippa", doubt, "allergies") for doubt in doubts.values()))
    noise.parts.append("x" * 1000)
    noise.assert_silent()


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", " padded ", "tab\tbed"])
@pytest.mark.parametrize("name", ["api_user", "api_token"])
def test_credentials_that_could_break_out_of_their_header(name: str, value: str) -> None:
    """Line breaks and control characters are refused by the argument's name, without the value."""
    good = {"api_id": 7, "api_user": ADMIN, "api_token": TOKEN}
    with pytest.raises(ConfigurationError, match=name) as caught:
        Credentials(**{**good, name: value})  # type: ignore[arg-type]
    assert "Evil" not in str(caught.value)


def test_a_pickled_error_shows_nothing(noise: Noise) -> None:
    """Errors travel between processes with their delivery and without their secrets."""
    with pytest.raises(UsersApiError) as caught:
        Create(doc={**PERSON, "password": "hunt"})
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 (its own output)
    assert (again.faults, again.delivery) == (caught.value.faults, caught.value.delivery)  # type: ignore[attr-defined]
    assert str(again) == str(caught.value)


@pytest.mark.parametrize("broken", ["build", "odd payload", "bad key", "source", "progress"])
async def test_rows_of_a_batch_show_nothing(noise: Noise, users: UsersSession, broken: str) -> None:
    """Whatever breaks in a batch, our frames show nothing of the row that was at hand."""

    def build(row: dict[str, Any]) -> Any:
        if broken == "build":
            raise KeyError("missing")
        return row if broken == "odd payload" else Create(doc=row)

    def rows() -> Iterator[Any]:
        yield (7 if broken == "bad key" else str(PERSON["main_email"]), PERSON)
        if broken == "source":
            raise ValueError("no such file")

    def on_progress(_: Progress) -> None:
        if broken == "progress":
            raise ValueError("no screen")

    runner = BatchRunner(users, on_progress=on_progress)
    try:
        await runner.run(rows(), build=build)
    except (UsersApiError, ValueError) as error:
        noise.add_error(error)
    assert runner.report.taken == 1
    noise.add(runner.report, *runner.report.outcomes)
    for failure in runner.report.errors.values():
        noise.add_error(failure)
    noise.parts.append("x" * 1000)
    noise.assert_silent()


@pytest.mark.parametrize("name", ["results.csv", "results.jsonl"])
@pytest.mark.parametrize("broken", ["full disk", "closed", "input_of", "unreadable", "key"])
async def test_results_show_nothing(
    noise: Noise, users: UsersSession, tmp_path: Path, name: str, broken: str
) -> None:
    """What goes wrong with a file of results names it, and shows nothing of the rows in it."""
    path, email = tmp_path / name, str(PERSON["main_email"])
    outcome = NotAttempted(index=0, key=email, payload=Create(doc=PERSON), reason="so")

    def broken_function(row: dict[str, Any]) -> Any:
        raise ValueError(row["main_email"]) if broken == "input_of" else KeyError(row["main_email"])

    async def go_wrong() -> None:
        if broken == "full disk":
            with small_disk(10):
                rows = [(email, PERSON)]
                await BatchRunner(users).run(rows, build=lambda row: Create(doc=row), results=path)
        with ResultWriter(path, input_of=broken_function if broken == "input_of" else None) as writer:
            writer.write(outcome, PERSON)
            writer.write(outcome, PERSON)
        if broken == "closed":
            writer.write(outcome, PERSON)
        spoil(path, broken)
        read_remainder(path, key=broken_function)

    await collected(noise, go_wrong())
    noise.parts.append("x" * 1000)
    noise.assert_silent()


def spoil(path: Path, broken: str) -> None:
    """Puts what can't be read after lines that can."""
    if broken == "unreadable":
        path.write_bytes(path.read_bytes() + b'"\xe9","\xe9"\n')
