"""Finding out what became of creates whose fate is not known."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import pytest

from usersapi_async import (
    AddEmail,
    BatchRunner,
    ConfigurationError,
    Create,
    CreateChild,
    Credentials,
    Email,
    ListedUser,
    OutcomeUnknown,
    Payload,
    PayloadError,
    Ref,
    Timeout,
    UserListResponse,
    UsersSession,
    reconcile,
)
from usersapi_async.emulator import Emulator, Fault

from .doubts import Doubts, Listing, forgetful, in_doubt, person


async def test_found_and_absent_by_username_and_email(emulator: Emulator, users: UsersSession) -> None:
    """Who is in the list was created, who is not was not; letters' case makes no difference."""
    people = [person("A", username="Nina"), person("B", main_email="B@Example.org")]
    known = set(emulator.users)
    doubts = await in_doubt(emulator, users, *people, done=True)
    doubts |= await in_doubt(emulator, users, person("C", username="bob"), done=False)
    ids = list(emulator.users)

    result = await reconcile(users, doubts, known_ids=known, settle=0)
    assert result.found == {"done 0": ids[0], "done 1": ids[1]}
    assert result.absent == ("lost 0",)
    assert result.ambiguous == {}
    assert result.complete


async def test_without_known_ids_a_match_is_ambiguous(emulator: Emulator, users: UsersSession) -> None:
    """A match may be somebody who was there before, unless the caller knows who was."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=True)
    result = await reconcile(users, doubts, settle=0)
    assert result.ambiguous == {"done 0": (max(emulator.users),)}
    assert result.found == {}
    assert result.absent == ()


async def test_somebody_known_is_not_the_one(emulator: Emulator, users: UsersSession) -> None:
    """An id from before the run doesn't count."""
    known = (await users.create({"main_email": "nina@example.org"})).clogin_id
    doubts = await in_doubt(emulator, users, person("A", main_email="nina@example.org"), done=False)
    assert (await reconcile(users, doubts, known_ids={known}, settle=0)).absent == ("lost 0",)


async def test_somebody_given_keeps_another_from_being_absent(
    emulator: Emulator, users: UsersSession
) -> None:
    """Who has the email and was given to another row is not found, but answers may have been mixed up."""
    given = (await users.create({"main_email": "nina@example.org"})).clogin_id
    doubts = await in_doubt(emulator, users, person("A", main_email="nina@example.org"), done=False)
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert (result.absent, result.ambiguous) == ((), {"lost 0": (given,)})


async def test_somebody_new_who_is_alike_keeps_another_from_being_absent(
    emulator: Emulator, users: UsersSession
) -> None:
    """A server may change a username: who has the same email or name, and is new, may be the one."""
    doubts = await in_doubt(
        emulator, users, person("Nina", last_name="Simone", username="nina", main_email="n@x.org"), done=True
    )
    clogin_id = max(emulator.users)

    def renamed(page: UserListResponse) -> UserListResponse:
        changed = [attrs.evolve(one, values={**one.values, "username": "nina_1"}) for one in page.parents]
        return attrs.evolve(page, parents=tuple(changed))

    view = Listing(users, renamed).users
    result = await reconcile(view, doubts, known_ids=(), settle=0)
    assert (result.found, result.absent, result.ambiguous) == ({}, (), {"done 0": (clogin_id,)})
    assert (await reconcile(view, doubts, known_ids={clogin_id}, settle=0)).absent == ("done 0",)


async def test_a_marker_that_the_server_cut(emulator: Emulator, users: UsersSession) -> None:
    """Whose marker is the beginning of another's may be that one: nobody is found, and nobody is absent."""
    marker = "row-0123456789-of-the-import"
    doubts = await in_doubt(emulator, users, person("A", import_ref=marker), done=True)
    clogin_id = max(emulator.users)
    for kept, answer in ((20, {"done 0": (clogin_id,)}), (7, {})):
        emulator.users[clogin_id].doc["import_ref"] = marker[:kept]
        result = await reconcile(users, doubts, marker_field="import_ref", settle=0)
        assert (result.found, result.ambiguous) == ({}, answer)


async def test_a_child_who_is_alike_is_not_its_parent(emulator: Emulator, users: UsersSession) -> None:
    """Nobody who stands elsewhere in a family keeps another from being absent."""
    parent = (await users.create({"username": "p", "main_email": "n@x.org"})).clogin_id
    await users.create_child(parent, {"main_email": "n@x.org"})
    doubts = await in_doubt(emulator, users, person("A", username="a", main_email="n@x.org"), done=False)
    result = await reconcile(forgetful(users), doubts, known_ids={parent}, settle=0)
    assert result.absent == ("lost 0",)


async def test_a_marker_is_exact(emulator: Emulator, users: UsersSession) -> None:
    """With a field of its own for each create nothing has to be known, and names may repeat."""
    twins = [person("A", import_ref="row 1"), person("A", import_ref="row 2")]
    doubts = await in_doubt(emulator, users, *twins, done=True)
    doubts |= await in_doubt(emulator, users, person("A", import_ref="row 3"), done=False)
    result = await reconcile(users, doubts, marker_field="import_ref", settle=0)
    assert result.found == dict(zip(("done 0", "done 1"), sorted(emulator.users), strict=True))
    assert result.absent == ("lost 0",)


async def test_a_field_that_the_list_never_shows_proves_nothing(
    emulator: Emulator, users: UsersSession
) -> None:
    """A marker that no listed user has makes nobody absent: the service may not list that field."""
    await users.create({"first_name": "Somebody"})
    doubts = await in_doubt(emulator, users, person("A", import_ref="row 1"), done=False)
    listing = Listing(users, lambda page: _without_values(page))
    result = await reconcile(listing.users, doubts, marker_field="import_ref", settle=0)
    assert result.ambiguous == {"lost 0": ()}


async def test_two_matches_are_ambiguous(emulator: Emulator, users: UsersSession) -> None:
    """Two people with one email, or two doubts with one, can't be told apart."""
    same = [person("A", main_email="nina@example.org"), person("B", main_email="nina@example.org")]
    doubts = await in_doubt(emulator, users, *same, done=True)
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    both = tuple(sorted(emulator.users))
    assert result.ambiguous == {"done 0": both, "done 1": both}


async def test_what_nothing_tells_apart_stays_in_doubt(emulator: Emulator, users: UsersSession) -> None:
    """A create without email or username, and actions that leave no trace in the list, stay ambiguous."""
    user = (await users.create()).clogin_id
    mail = AddEmail(clogin_id=user, emails=[Email(sender="a@b.org", to="c@d.org", subject="s", body="b")])
    doubts = await in_doubt(emulator, users, person("A"), mail, done=True)
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert result.ambiguous == {"done 0": (), "done 1": ()}
    assert result.pages == 0


async def test_many_pages_and_the_excluded(emulator: Emulator, users: UsersSession) -> None:
    """The walk covers every page, overlapping, and those whose status excludes them."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=True)
    lost = next(iter(emulator.users))
    await BatchRunner(users).run([Create() for _ in range(160)])
    excluding = next(number for number, status in emulator.statuses.items() if status.excludes)
    await users.set_status(lost, excluding)
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert result.found == {"done 0": lost}
    assert result.pages == 2 * 5


async def test_too_few_pages_make_nobody_absent(emulator: Emulator, users: UsersSession) -> None:
    """A walk that `max_pages` cuts short proves nothing, and says so."""
    await BatchRunner(users).run([Create() for _ in range(60)])
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=False)
    result = await reconcile(users, doubts, known_ids=(), settle=0, max_pages=1)
    assert (result.complete, result.absent, result.ambiguous) == (False, (), {"lost 0": ()})
    assert result.pages == 1


async def test_walks_that_never_agree_make_nobody_absent(emulator: Emulator, users: UsersSession) -> None:
    """While people come and go no two walks agree; after five the doubt stays."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=False)

    async def one_more(page: UserListResponse) -> UserListResponse:
        await users.create()
        return page

    result = await reconcile(Listing(users, one_more).users, doubts, known_ids=(), settle=0)
    assert (result.complete, result.absent) == (False, ())
    assert result.pages == 5


async def test_a_walk_that_missed_somebody_does_not_count(emulator: Emulator, users: UsersSession) -> None:
    """A walk counts only if it saw as many as the service says there are; then two more must agree."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=True)
    await users.create()
    first = True

    async def hides_one_once(page: UserListResponse) -> UserListResponse:
        nonlocal first
        hidden, first = first, False
        return attrs.evolve(page, parents=page.parents[1:]) if hidden else page

    result = await reconcile(Listing(users, hides_one_once).users, doubts, known_ids=(), settle=0)
    assert result.found == {"done 0": min(emulator.users)}
    assert result.pages == 2 + 1 + 1


@pytest.mark.parametrize(
    ("sent_at", "ended_at", "attempt", "wait"),
    [
        (1000.0, 1060.0, 20.0, 25.0),
        (1000.0, 1030.0, 20.0, 0.0),
        (1000.0, None, 20.0, 0.0),
        (1000.0, None, 60.0, 25.0),
        (1000.0, None, None, 30.0),
        (None, None, 20.0, 30.0),
    ],
)
async def test_it_waits_until_a_late_request_has_taken_effect(
    users: UsersSession,
    monkeypatch: pytest.MonkeyPatch,
    sent_at: float | None,
    ended_at: float | None,
    attempt: float | None,
    wait: float,
) -> None:
    """The settle time runs from the last attempt's end; unseen, from the latest that it can be."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    users = users.with_options(timeout=Timeout(attempt=attempt))
    doubt = OutcomeUnknown("x", payload=person("A"), sent_at=sent_at, ended_at=ended_at)
    older = OutcomeUnknown("x", payload=person("A"), sent_at=0.0, ended_at=1.0)
    await reconcile(users, {"new": doubt, "old": older}, settle=30, clock=lambda: 1065.0)
    assert slept == [wait]


async def test_a_doubt_knows_when_its_attempt_was_over(emulator: Emulator) -> None:
    """Times are those of the session's clock, at the beginning and at the end of the last attempt."""
    times = iter([1000.0, 1060.0])
    emulator.script(Fault.drop_before())
    async with UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        wall_clock=lambda: next(times),
    ) as users:
        with pytest.raises(OutcomeUnknown) as caught:
            await users.create()
    assert (caught.value.sent_at, caught.value.ended_at) == (1000.0, 1060.0)


async def test_the_end_of_an_attempt_that_was_cut_off(emulator: Emulator) -> None:
    """When the whole call runs out of time, its attempt ends there."""
    times = iter([1000.0, 1060.0])
    emulator.script(Fault.slow(30))
    async with UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        timeout=Timeout(total=0.5),
        wall_clock=lambda: next(times),
    ) as users:
        with pytest.raises(OutcomeUnknown) as caught:
            await users.create()
        assert users.timeout == Timeout(total=0.5)
    assert (caught.value.sent_at, caught.value.ended_at) == (1000.0, 1060.0)


async def test_a_report_s_doubts_fit(emulator: Emulator, users: UsersSession) -> None:
    """What a batch leaves in doubt can be handed over as it is."""
    emulator.script(Fault.drop_after())
    report = await BatchRunner(users, concurrency=1).run([("row 1", person("A", username="nina"))])
    result = await reconcile(users, report.doubts, known_ids=(), settle=0)
    assert result.found == {"row 1": max(emulator.users)}
    assert "row 1" not in repr(result)


async def test_nothing_in_doubt_sends_nothing(emulator: Emulator, users: UsersSession) -> None:
    """Without a doubt there is nothing to ask."""
    assert (await reconcile(users, {})).complete
    assert not emulator.requests


@pytest.mark.parametrize("wrong", [{"settle": -1}, {"max_pages": 0}])
async def test_wrong_arguments_are_named(users: UsersSession, wrong: dict[str, Any]) -> None:
    """A setting that can't be right is refused by its name."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        await reconcile(users, {}, **wrong)
    odd: list[Any] = [[], {"a": ValueError()}, None]
    for doubts in odd:
        with pytest.raises(ConfigurationError, match="doubts: expected a mapping of keys to OutcomeUnknown"):
            await reconcile(users, doubts)


async def test_find_user(emulator: Emulator, users: UsersSession) -> None:
    """People are found by username or main email, the excluded too, and nobody is an empty tuple."""
    nina = (await users.create({"username": "Nina", "main_email": "n@example.org"})).clogin_id
    twin = (await users.create({"main_email": "N@example.org", "username": "twin"})).clogin_id
    excluding = next(number for number, status in emulator.statuses.items() if status.excludes)
    await users.set_status(twin, excluding)
    assert [user.clogin_id for user in await users.find_user(username="nina ")] == [nina]
    assert {user.clogin_id for user in await users.find_user(main_email="n@EXAMPLE.org")} == {nina, twin}
    assert await users.find_user(username="nobody") == ()
    with pytest.raises(PayloadError, match="username or main_email"):
        await users.find_user()


async def test_what_a_server_does_to_values_hides_nobody(emulator: Emulator, users: UsersSession) -> None:
    """A value that the list shows escaped, in another Unicode form or with other spaces is still the same."""
    people = [
        person("Zoë", username="zoe o'neil", import_ref="Zoë & Co"),
        person("Bo", main_email="bo.o'neil@example.org"),
    ]
    doubts = await in_doubt(emulator, users, *people, done=True)
    first, second = emulator.users
    changed = Listing(users, _as_php_shows_it).users
    result = await reconcile(changed, doubts, known_ids=(), settle=0)
    assert result.found == {"done 0": first, "done 1": second}
    only_marked: Doubts = {"done 0": doubts["done 0"]}
    assert (await reconcile(changed, only_marked, marker_field="import_ref", settle=0)).found
    assert [user.clogin_id for user in await changed.find_user(username="ZOE O'Neil")] == [first]
    assert len(await changed.find_user(main_email="bo.o'neil@example.org")) == 1


async def test_the_sought_field_must_be_shown(emulator: Emulator, users: UsersSession) -> None:
    """A field that is left out, or that nobody has a value in, makes nobody absent; an empty list does."""
    doubts = await in_doubt(
        emulator, users, person("A", import_ref="row 1"), person("A", username="nina"), done=False
    )

    async def settled(change: Callable[[UserListResponse], UserListResponse], marker: str | None) -> bool:
        listing = Listing(users, change).users
        result = await reconcile(listing, doubts, marker_field=marker, known_ids=(), settle=0)
        return ("lost 0" if marker else "lost 1") in result.absent

    assert await settled(lambda page: page, "import_ref")
    await users.create({"first_name": "Somebody", "import_ref": "row 0"})
    assert await settled(lambda page: page, "import_ref")
    for blank in ({"import_ref": ""}, {"import_ref": None}, {}):
        values = {"first_name": "Somebody", "username": "somebody", **blank}
        assert not await settled(partial(_with_values, values), "import_ref")
        assert await settled(partial(_with_values, values), None)
    assert not await settled(partial(_with_values, {"first_name": "Somebody"}), None)


def _with_values(values: dict[str, Any], page: UserListResponse) -> UserListResponse:
    return attrs.evolve(page, parents=tuple(attrs.evolve(user, values=values) for user in page.parents))


async def test_somebody_of_whom_nothing_is_shown(emulator: Emulator, users: UsersSession) -> None:
    """A user without any value may be the one, unless they were known or can't be where that one is."""
    await users.create({"username": "somebody"})
    parent = (await users.create()).clogin_id
    blank = max(emulator.users)
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=False)
    strange = UsersSession(
        Credentials(**emulator.credentials), group_id=emulator.group_id, base_url=emulator.base_url
    )

    def blanked(page: UserListResponse) -> UserListResponse:
        def changed(user: ListedUser) -> ListedUser:
            return attrs.evolve(user, values={}) if user.clogin_id == blank else user

        return attrs.evolve(
            page, parents=tuple(map(changed, page.parents)), children=tuple(map(changed, page.children))
        )

    async with strange:
        other = Listing(strange, blanked).users
        assert (await reconcile(other, doubts, settle=0)).ambiguous == {"lost 0": ()}
        assert (await reconcile(other, doubts, known_ids=(blank,), settle=0)).absent == ("lost 0",)
        blank = (await users.create_child(parent)).clogin_id
        assert (await reconcile(other, doubts, known_ids=(), settle=0)).absent == ("lost 0",)


async def test_nobody_is_found_twice(emulator: Emulator, users: UsersSession) -> None:
    """One person whom two doubts match, if by different fields, is ambiguous for both."""
    people = [
        person("A", username="nina", main_email="n@example.org"),
        person("A", main_email="n@example.org"),
    ]
    doubts = await in_doubt(emulator, users, people[0], done=True)
    doubts |= await in_doubt(emulator, users, people[1], done=False)
    (nina,) = emulator.users
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert result.ambiguous == {"done 0": (nina,), "lost 0": (nina,)}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        CreateChild(connected_to=Ref("nina"), doc={"username": "a"}),
        CreateChild(connected_to=5, doc={"username": "a"}, extra={"connected_to": "five"}),
        CreateChild(connected_to=5),
        Create(doc={"username": "a"}, extra={"connected_to": 5}),
        Create(extra={"doc": 5}),
        Create(doc={"username": " "}),
        Create(clogin_id=False),
    ],
)
async def test_what_can_not_be_looked_for(
    emulator: Emulator, users: UsersSession, payload: Payload[Any] | None
) -> None:
    """A create that doesn't say whom or where it created stays in doubt, and nothing is asked."""
    doubt = OutcomeUnknown("x", payload=payload, group_id=emulator.group_id)
    result = await reconcile(users, {"it": doubt}, settle=0)
    assert (result.ambiguous, result.pages) == ({"it": ()}, 0)


async def test_what_extra_arguments_say_counts(emulator: Emulator, users: UsersSession) -> None:
    """What was sent is looked for, whichever way it came into the request."""
    parent = (await users.create()).clogin_id
    child = CreateChild(connected_to=1, extra={"connected_to": str(parent), "doc": {"username": "lisa"}})
    doubts = await in_doubt(emulator, users, child, done=True)
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert result.found == {"done 0": max(emulator.users)}


def _as_php_shows_it(page: UserListResponse) -> UserListResponse:
    def shown(value: str) -> str:
        return unicodedata.normalize("NFD", html.escape(value).replace("&#x27;", "&#039;")).replace(" ", "  ")

    def changed(user: ListedUser) -> ListedUser:
        return attrs.evolve(user, values={field: shown(value) for field, value in user.values.items()})

    return attrs.evolve(page, parents=tuple(map(changed, page.parents)))


def _without_values(page: UserListResponse) -> UserListResponse:
    return attrs.evolve(page, parents=tuple(attrs.evolve(user, values={}) for user in page.parents))
