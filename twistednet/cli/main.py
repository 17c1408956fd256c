"""The entry point of the command `netdemo`, which needs the extra `cli`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from twistednet.core.plugins import BadPlugin

if TYPE_CHECKING:
    import click


def main() -> None:
    """Run the console script."""
    try:
        from twistednet.cli.commands import netdemo
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "hdrh", "prompt_toolkit", "rich"):
            raise
        sys.exit(f"netdemo: needs an extra ({error.name}): pip install 'twistednet[cli]'")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(command(netdemo))


def command(netdemo: click.Command) -> int:
    """Run a click command and return its exit status. A usage error is one line."""
    from click import Abort, ClickException
    from click.exceptions import NoArgsIsHelpError

    try:
        netdemo(prog_name="netdemo", standalone_mode=False)
    except NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return 2
    except ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "netdemo"
        print(f"{path}: {error.format_message()} (see {path} --help)", file=sys.stderr)
        return 2
    except BadPlugin as error:
        print(f"netdemo: {error}", file=sys.stderr)
        return 1
    except Abort:
        return 130
    return 0


if __name__ == "__main__":
    main()
