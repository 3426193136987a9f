"""Finding out what became of creates whose fate is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from usersapi_async import (
    AddEmail,
    BatchRunner,
    ConfigurationError,
    Create,
    CreateChild,
    Email,
    GetUserList,
    OutcomeUnknown,
    Payload,
    PayloadError,
    UserListResponse,
    UsersSession,
    reconcile,
)
from usersapi_async.emulator import Emulator, Fault

Doubts = dict[str | int, OutcomeUnknown]


async def in_doubt(emulator: Emulator, users: UsersSession, *payloads: Payload[Any], done: bool) -> Doubts:
    """Sends each payload so that its answer is lost, after the work or before it."""
    doubts: Doubts = {}
    for number, payload in enumerate(payloads):
        emulator.script(Fault.drop_after() if done else Fault.drop_before(), action=payload.action)
        with pytest.raises(OutcomeUnknown) as caught:
            await users.send(payload)
        doubts[f"{'done' if done else 'lost'} {number}"] = caught.value
    return doubts


def person(name: str, **doc: str) -> Create:
    """A create with these fields."""
    return Create(doc={"first_name": name, **doc})


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


async def test_children_by_parent_and_full_name(emulator: Emulator, users: UsersSession) -> None:
    """A child without email or username is known by its parent and its full name."""
    parent, other = (await users.create()).clogin_id, (await users.create()).clogin_id
    child = {"first_name": "Lisa", "last_name": "Simone"}
    await users.create_child(other, child)
    doubts = await in_doubt(emulator, users, CreateChild(connected_to=parent, doc=child), done=True)
    doubts |= await in_doubt(
        emulator, users, CreateChild(connected_to=parent, doc={"first_name": "Bo"}), done=False
    )
    result = await reconcile(users, doubts, known_ids={parent, other}, settle=0)
    assert result.found == {"done 0": max(emulator.users)}
    assert result.absent == ("lost 0",)


async def test_without_known_ids_a_match_is_ambiguous(emulator: Emulator, users: UsersSession) -> None:
    """A match may be somebody who was there before, unless the caller knows who was."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=True)
    result = await reconcile(users, doubts, settle=0)
    assert result.ambiguous == {"done 0": (max(emulator.users),)}
    assert result.found == {}
    assert result.absent == ()


async def test_somebody_known_or_given_is_not_the_one(emulator: Emulator, users: UsersSession) -> None:
    """An id from before the run, or one that this session was given for another row, doesn't count."""
    await users.create({"main_email": "nina@example.org"})
    doubts = await in_doubt(emulator, users, person("A", main_email="nina@example.org"), done=False)
    assert (await reconcile(users, doubts, known_ids=(), settle=0)).absent == ("lost 0",)


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
    listing = _Listing(users, lambda page: _without_values(page))
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


async def test_a_known_person_is_settled_by_one_read(emulator: Emulator, users: UsersSession) -> None:
    """A create with a known id is asked for by that id, in the group that it was for."""
    nina = (await users.create({"first_name": "Nina"})).clogin_id
    bob = (await users.create({"first_name": "Bob"})).clogin_id
    group = emulator.other_group_id
    doubts = await in_doubt(emulator, users, Create(clogin_id=nina, group_id=group), done=True)
    doubts |= await in_doubt(emulator, users, Create(clogin_id=bob, group_id=group), done=False)
    emulator.received.clear()
    result = await reconcile(users, doubts, settle=0)
    assert (result.found, result.absent, result.pages) == ({"done 0": nina}, ("lost 0",), 2)
    assert dict(emulator.received) == {"get_info": 2}


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

    result = await reconcile(_Listing(users, one_more).users, doubts, known_ids=(), settle=0)
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

    result = await reconcile(_Listing(users, hides_one_once).users, doubts, known_ids=(), settle=0)
    assert result.found == {"done 0": min(emulator.users)}
    assert result.pages == 3


async def test_it_waits_until_a_late_request_has_taken_effect(
    emulator: Emulator, users: UsersSession
) -> None:
    """The walks begin once the settle time after the last sending is over, by the given clock."""
    doubts = await in_doubt(emulator, users, person("A", username="nina"), done=False)
    sent_at = doubts["lost 0"].sent_at
    assert sent_at is not None
    result = await reconcile(users, doubts, known_ids=(), clock=lambda: sent_at + 31)
    assert result.absent == ("lost 0",)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await reconcile(users, doubts, known_ids=(), clock=lambda: sent_at + 29)


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


class _Listing:
    """A session whose pages pass through a function on their way."""

    def __init__(
        self, users: UsersSession, change: Callable[[UserListResponse], Any | Awaitable[Any]]
    ) -> None:
        class Changing(UsersSession):
            async def send(self, payload: Payload[Any]) -> Any:
                answer = await super().send(payload)
                if not isinstance(payload, GetUserList):
                    return answer
                changed = change(answer)
                return await changed if isinstance(changed, Awaitable) else changed

        self.users = users.with_options()
        self.users.__class__ = Changing


def _without_values(page: UserListResponse) -> UserListResponse:
    return attrs.evolve(page, parents=tuple(attrs.evolve(user, values={}) for user in page.parents))
