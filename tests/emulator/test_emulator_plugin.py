from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["pytester"]

PLUGIN = "usersapi_async.emulator.pytest_plugin"


def test_fixture(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fixture gives each test, sync or async, an emulator of its own that listens."""
    # Where the package is installed, its entry point would load the plugin a second time.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
        import asyncio
        import urllib.request

        import aiohttp
        import pytest

        from usersapi_async.emulator import Fault


        def state(emulator):
            return emulator.base_url.replace("/reg/api2/users/", "/_emulator/state")


        @pytest.mark.parametrize("turn", range(2))
        def test_sync(usersapi_emulator, turn):
            with urllib.request.urlopen(state(usersapi_emulator)) as response:
                assert response.status == 200
            assert usersapi_emulator.connections == 1


        def test_async(usersapi_emulator):
            async def call():
                async with aiohttp.ClientSession() as session:
                    async with session.post(usersapi_emulator.base_url) as response:
                        return response.status

            usersapi_emulator.script(Fault.status(418))
            assert asyncio.run(call()) == 418
            assert usersapi_emulator.received["unknown"] == 1
        """
    )
    result = pytester.runpytest_inprocess("-p", PLUGIN, "-W", "error", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3)


def test_plugin_is_light() -> None:
    """Loading the plugin, as every run of pytest does, imports no aiohttp."""
    code = f"import sys, {PLUGIN}; sys.exit('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 - our own code
    assert done.returncode == 0
