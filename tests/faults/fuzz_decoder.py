"""Throws generated bodies at the decoder: ``python -m tests.faults.fuzz_decoder --bodies 1000000``.

Whatever a server sends, the decoder gives a response or one of the library's errors, and raises nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from time import perf_counter
from typing import Any

from usersapi_async import payloads, responses, wire
from usersapi_async.errors import ResponseError

REQUESTS: list[payloads.AnyPayload] = [
    payloads.Create(doc={"first_name": "Nina"}),
    payloads.CreateChild(connected_to=5, doc={"first_name": "Lisa"}),
    payloads.Login(clogin_id=5),
    payloads.Update(clogin_id=5, doc={"first_name": "Nina"}),
    payloads.AddProduct(clogin_id=5, products=[payloads.Product(p_id=1)]),
    payloads.AddEmail(
        clogin_id=5, emails=[payloads.Email(sender="a@b.org", to="c@d.org", subject="s", body="b")]
    ),
    payloads.GetInfo(clogin_id=5, family=True),
    payloads.SetStatus(clogin_id=5, status_id=0),
    payloads.GetUserList(return_families=True),
    payloads.Custom(action="zap"),
]
SENT = [(payload, wire.content(payload, 9)) for payload in REQUESTS]
KEYS = [
    *("success", "msg", "msg_type", "meta_info", "user_info", "clogin_id", "group_id", "connected_to"),
    *("users", "parents", "children", "doc", "_family", "parent", "total_users", "records_per_page"),
    *("product_list", "cart_id", "effected_users", "user_token", "system_action", "field_index", "error"),
    *(
        "u_name",
        "total_forms",
        "total_order",
        "total_balance",
        "status_id",
        "status_name",
        "status_x",
        "0",
        "1",
    ),
]
SCALARS = [
    *(None, True, False, 0, 1, 5, 9, -1, 10**30, 1.5, 1e308, float("nan"), float("inf"), "", "0", "5", "9"),
    *("true", "1,234.00", "1.234,00", "x", "é", "\ud800", "\uff15", "0x10", "1e5", " 5 ", "-", "5" * 5000),
]
STATUSES = [200, 200, 200, 200, 201, 204, 302, 400, 401, 403, 408, 425, 429, 500, 503, 599]


def value(rng: random.Random, depth: int) -> Any:
    """Something that JSON can say, likelier than not of a shape that the service might send."""
    kind = rng.random()
    if depth <= 0 or kind < 0.4:
        return rng.choice(SCALARS)
    if kind < 0.6:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {rng.choice(KEYS): value(rng, depth - 1) for _ in range(rng.randrange(6))}


def body(rng: random.Random) -> bytes:
    """An answer's body: plausible, odd, broken or nonsense."""
    found = value(rng, 5)
    if rng.random() < 0.8:
        user = {
            "clogin_id": rng.choice([5, "5", 6, None]),
            "group_id": rng.choice([9, "9", 8]),
            "connected_to": 5,
        }
        found = {
            "success": rng.choice([True, 1, "1", False]),
            "user_info": user,
            **(found if isinstance(found, dict) else {}),
        }
    raw = json.dumps(found).encode()
    kind = rng.random()
    if kind < 0.1:
        return raw[: rng.randrange(len(raw) + 1)]
    if kind < 0.2 and raw:
        spoilt = bytearray(raw)
        for _ in range(rng.randrange(1, 5)):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        return bytes(spoilt)
    if kind < 0.22:
        depth = rng.choice([100, 900, 20_000, 200_000])
        return b'{"success":true,"children":[' * depth if rng.random() < 0.5 else b"[" * depth + b"]" * depth
    return raw


def fuzz(bodies: int, seed: int) -> Counter[str]:
    """How often each kind of result came out; raises what the decoder raises."""
    rng = random.Random(seed)
    results: Counter[str] = Counter()
    for _ in range(bodies):
        payload, sent = rng.choice(SENT)
        headers = {
            "retry-after": rng.choice(["", "1", "1.5", "-3", "nan", "x", "Wed, 21 Oct 2015 07:28:00 GMT"])
        }
        flaw = "cut short" if rng.random() < 0.02 else None
        answer = wire.Answer(rng.choice(STATUSES), headers, body(rng), flaw)
        result = wire.read(payload, sent, answer, secrets=("token",))
        if not isinstance(result, (responses.Response, ResponseError)):
            raise TypeError(type(result).__name__)
        repr(result)
        results[type(result).__name__] += 1
    return results


def main() -> None:
    """Runs it and prints what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = perf_counter()
    results = fuzz(options.bodies, options.seed)
    for name, count in results.most_common():
        sys.stdout.write(f"{count:>9,} {name}\n")
    sys.stdout.write(f"{results.total():>9,} bodies in {perf_counter() - began:.0f} s, no other exception\n")


if __name__ == "__main__":
    main()
