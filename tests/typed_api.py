"""What type checkers tell users: only mypy reads this file, nothing in it ever runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any, assert_never, assert_type

from usersapi_async import (
    AddEmail,
    AddEmailResponse,
    AddProduct,
    AddProductResponse,
    BatchReport,
    BatchRunner,
    Create,
    CreateChild,
    CreateChildResponse,
    CreateResponse,
    Credentials,
    CredentialsEdited,
    Custom,
    Delivery,
    Email,
    Failed,
    FormSubmitted,
    GetInfo,
    GetInfoResponse,
    GetUserList,
    InDoubt,
    Latency,
    ListedUser,
    Login,
    LoginResponse,
    MetaInfo,
    NotAttempted,
    Observer,
    Outcome,
    OutcomeUnknown,
    Pace,
    Pool,
    Product,
    RateLimit,
    RateLimited,
    Ref,
    Response,
    ResultLine,
    ResultWriter,
    RetryPolicy,
    RunRecorder,
    SetStatus,
    SetStatusResponse,
    Statistics,
    Succeeded,
    Timeout,
    Update,
    UpdateResponse,
    UserInfo,
    UserListResponse,
    UsersApiError,
    UsersSession,
    UserStream,
    WebhookEvent,
    parse_webhook,
    read_remainder,
    read_results,
    write_report,
)
from usersapi_async.emulator import Emulator, running_emulator


async def opening(credentials: Credentials) -> None:
    assert_type(Credentials.from_env(), Credentials)
    session = UsersSession(
        credentials,
        group_id=1,
        rate=RateLimit(20, per=1.0),
        concurrency="auto",
        timeout=Timeout(attempt=5),
        retry=RetryPolicy(attempts=2),
    )
    UsersSession(lambda: credentials, concurrency=8)
    UsersSession(credentials, concurrency=Pace(limit=20))
    async with session as users:
        assert_type(users, UsersSession)
        assert_type(users.with_options(timeout=Timeout(total=None)), UsersSession)
        assert_type(users.group_id, int | None)

    UsersSession("token")  # type: ignore[arg-type]
    UsersSession(credentials, 1)  # type: ignore[call-arg]
    UsersSession(credentials, concurrency="most")  # type: ignore[arg-type]
    UsersSession(credentials, timeout=5)  # type: ignore[arg-type]


async def actions(users: UsersSession) -> None:
    created = await users.create({"first_name": "Nina", "main_email": "nina@example.org"})
    assert_type(created, CreateResponse)
    assert_type(await users.create_child(1, {"first_name": "Tom"}, clogin_id=False), CreateChildResponse)
    assert_type(await users.login(1), LoginResponse)
    assert_type(await users.update(1, {"city": "Ghent"}, submit_forms=False), UpdateResponse)
    assert_type(await users.add_product(1, Product(p_id=1)), AddProductResponse)
    assert_type(await users.add_product(1, [Product(name="camp")]), AddProductResponse)
    email = Email(sender="a@example.org", to="b@example.org", subject="s", body="b")
    assert_type(await users.add_email(1, email), AddEmailResponse)
    assert_type(await users.get_info(1, ["city"], family=True), GetInfoResponse)
    assert_type(await users.set_status(1, 0), SetStatusResponse)
    assert_type(await users.get_user_list(with_excluded=True), UserListResponse)
    assert_type(await users.check(), UserListResponse)
    async with users.iter_users(["city"]) as stream:
        assert_type(stream, UserStream)
        async for user in stream:
            assert_type(user, ListedUser)

    await users.create({"first_name": object()})  # type: ignore[dict-item]
    await users.create({1: "Nina"})  # type: ignore[dict-item]
    await users.create(clogin_id="1")  # type: ignore[arg-type]
    await users.create({}, 1)  # type: ignore[call-arg]
    await users.login("1")  # type: ignore[arg-type]
    await users.login()  # type: ignore[call-arg]
    await users.update(1)  # type: ignore[call-arg]
    await users.add_product(1, 2)  # type: ignore[arg-type]
    await users.set_status(1, None)  # type: ignore[arg-type]
    await users.get_user_list(starting_position="0")  # type: ignore[arg-type]


async def payloads(users: UsersSession) -> None:
    assert_type(await users.send(Create(doc={"first_name": "Nina"})), CreateResponse)
    assert_type(await users.send(CreateChild(connected_to=Ref("nina"))), CreateChildResponse)
    assert_type(await users.send(Login(clogin_id=1)), LoginResponse)
    assert_type(await users.send(Update(clogin_id=1, doc={"city": "Ghent"})), UpdateResponse)
    assert_type(await users.send(AddProduct(clogin_id=1, products=[Product(p_id=1)])), AddProductResponse)
    assert_type(await users.send(AddEmail(clogin_id=1, emails=[])), AddEmailResponse)
    assert_type(await users.send(GetInfo(clogin_id=1)), GetInfoResponse)
    assert_type(await users.send(SetStatus(clogin_id=1, status_id=2)), SetStatusResponse)
    assert_type(await users.send(GetUserList()), UserListResponse)
    assert_type(await users.send(Custom(action="merge", repeatable=True)), Response)

    payload = Create()
    payload.group_id = 1  # type: ignore[misc]
    Create(1)  # type: ignore[call-arg]
    Create(doc=["Nina"])  # type: ignore[arg-type]
    CreateChild()  # type: ignore[call-arg]
    CreateChild(connected_to="1")  # type: ignore[arg-type]
    Login(clogin_id=None)  # type: ignore[arg-type]
    Product(p_id="1")  # type: ignore[arg-type]
    await users.send({"action": "create"})  # type: ignore[arg-type]


def responses(created: CreateResponse, read: GetInfoResponse, page: UserListResponse) -> None:
    assert_type(created.clogin_id, int)
    assert_type(created.user_info, UserInfo)
    assert_type(created.user_info.is_child, bool)
    assert_type(created.meta_info, MetaInfo)
    assert_type(created.problems, tuple[str, ...])
    assert_type(created.extra, Mapping[str, Any])
    assert_type(created.meta_info.total_balance, Decimal | None)
    assert_type(created.meta_info.total_forms, int | None)
    assert_type(read.user_info, UserInfo | None)
    assert_type(read.values, Mapping[str, Any])
    assert_type(page.everyone, tuple[ListedUser, ...])

    created.msg = "changed"  # type: ignore[misc]


def errors(error: UsersApiError) -> None:
    assert_type(error.delivery, Delivery)
    assert_type(error.attempts, int)
    if isinstance(error, OutcomeUnknown):
        assert_type(error.cause, UsersApiError | None)
    if isinstance(error, RateLimited):
        assert_type(error.retry_after, float | None)


def watching(users: UsersSession) -> None:
    now = users.statistics()
    assert_type(now, Statistics)
    assert_type(now.latency, Latency | None)
    assert_type(now.pool, Pool)
    assert_type(now.pace, Pace)
    assert_type(users.limiter.pace, Pace)

    now.limit = 5  # type: ignore[misc]
    Pace(20)  # type: ignore[call-arg]


async def batch(users: UsersSession, rows: AsyncIterator[dict[str, str]]) -> None:
    runner = BatchRunner(users, concurrency=8, max_errors=0.1, after_failure="skip")
    report = await runner.run([Create(), ("nina", Create())], deadline=60)
    assert_type(report, BatchReport)
    assert_type(report.succeeded, int)
    assert_type(report.meta_info, Mapping[str | int, MetaInfo])
    assert_type(report.errors, Mapping[str | int, UsersApiError])
    await runner.run(rows, build=lambda row: Create(doc=row))
    async with runner.stream(rows, build=lambda row: Create(doc=row)) as outcomes:
        async for outcome in outcomes:
            assert_type(outcome, Succeeded | Failed | InDoubt | NotAttempted)

    BatchRunner()  # type: ignore[call-arg]
    BatchRunner(users, after_failure="stop")  # type: ignore[arg-type]
    with ResultWriter("results.csv", columns=["name"], file_format="csv") as results:
        await runner.run(rows, build=lambda row: Create(doc=row), results=results)
        results.write(report.outcomes[0], {"name": "Nina"})
    async with runner.stream(rows, results="results.jsonl") as outcomes:
        assert_type(outcomes, AsyncIterator[Outcome])
    for line in read_results("results.jsonl"):
        assert_type(line, ResultLine)
        assert_type(line.clogin_id, int | None)
    left = read_remainder("results.csv", key=lambda row: str(row["id"]))
    assert_type(left.ids, Mapping[str, int])
    await runner.run(left.rows)

    await runner.run(Create())  # type: ignore[arg-type]
    await runner.run([], results=5)  # type: ignore[arg-type]
    ResultWriter("results.csv", file_format="xml")  # type: ignore[arg-type]
    await runner.run([], build="Create")  # type: ignore[arg-type]


async def watched(users: UsersSession, rows: AsyncIterator[dict[str, str]]) -> None:
    assert_type(users.observer, Observer | None)
    with RunRecorder(users) as recorder:
        assert_type(recorder.users, UsersSession)
        report = await BatchRunner(recorder.users).run(rows, build=lambda row: Create(doc=row))
        recorder.add(report.outcomes[0])
    write_report("run.html", report, recorder, title="A night", show_key=str)
    write_report("run.html", report)

    RunRecorder()  # type: ignore[call-arg]
    write_report("run.html", recorder)  # type: ignore[arg-type]
    write_report("run.html", report, show_key=True)  # type: ignore[arg-type]


def posted(body: bytes) -> str:
    event = parse_webhook(body, event="form_submitted")
    assert_type(event, WebhookEvent)
    assert_type(event.user_info, UserInfo)
    assert_type(event.meta_info, MetaInfo)
    match event:
        case FormSubmitted(values=values):
            assert_type(values, Mapping[str, Any])
        case CredentialsEdited(username=username):
            assert_type(username, str | None)

    parse_webhook({"user_info": {}})  # type: ignore[arg-type]
    parse_webhook(body, "login_success")  # type: ignore[call-arg]
    return event.event or "unknown"


def told(outcome: Outcome) -> str:
    match outcome:
        case Succeeded(clogin_id=clogin_id):
            assert_type(clogin_id, int | None)
            return f"created {clogin_id}"
        case Failed(error=error) | InDoubt(error=error):
            assert_type(error, UsersApiError)
            return str(error)
        case NotAttempted(reason=reason):
            return reason
        case _:
            assert_never(outcome)


async def emulator() -> None:
    async with running_emulator() as running:
        assert_type(running, Emulator)
        assert_type(Credentials(**running.credentials), Credentials)
        assert_type(running.base_url, str)
