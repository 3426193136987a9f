"""How long so many calls take, and on what that is based. No I/O."""

from __future__ import annotations

import attrs

from usersapi_async.rate import RateLimit

_ASSUMED = (10, 100)
_AT_ONCE = (4, 32)


@attrs.frozen
class Estimate:
    """``seconds`` if it goes as ``basis`` says."""

    seconds: float
    basis: str

    def __str__(self) -> str:
        return f"about {duration(self.seconds)} {self.basis}"


def estimates(
    calls: int, rate: RateLimit | None, concurrency: int | None, latency: float | None
) -> list[Estimate]:
    """One by the `rate` that was given; else by the `latency` in seconds that reads had; else two by a pace
    that is assumed, since the server's is only found while it runs."""
    if rate is not None:
        per_second = rate.count / rate.per
        return [Estimate(calls / per_second, f"at your --rate of {per_second:g} a second")]
    if latency is not None:
        return [
            Estimate(
                calls * latency / several,
                f"with {several} at once, if each takes the {latency:.2g} s of a read",
            )
            for several in (_AT_ONCE if concurrency is None else (concurrency,))
        ]
    return [Estimate(calls / pace, f"if the server takes {pace} a second") for pace in _ASSUMED]


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
