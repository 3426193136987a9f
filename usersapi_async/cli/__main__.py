"""``python -m usersapi_async.cli`` is the same as ``usersapi``."""

from . import main

main()
