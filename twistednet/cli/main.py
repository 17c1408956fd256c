"""The `netdemo` command; what it needs is in an extra."""

from __future__ import annotations

import sys
from typing import Any

from twistednet.core.plugins import BadPlugin


def main() -> None:
    """The console script."""
    try:
        from twistednet.cli.commands import netdemo
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "hdrh", "prompt_toolkit", "rich"):
            raise
        sys.exit(f"netdemo: needs an extra ({error.name}): pip install 'twistednet[cli]'")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(command(netdemo))


def command(netdemo: Any) -> int:
    """Run a click command; what was wrong with its arguments is told on one line."""
    import click

    try:
        netdemo(prog_name="netdemo", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return 2
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "netdemo"
        print(f"{path}: {error.format_message()} ({path} --help says more)", file=sys.stderr)
        return 2
    except BadPlugin as error:
        print(f"netdemo: {error}", file=sys.stderr)
        return 1
    except click.Abort:
        return 130
    return 0


if __name__ == "__main__":
    main()
