"""The command line of the local tools: `make local`, `make deploy-local`, `python -m local --help`."""

import argparse
import asyncio
import os
import sys

import asyncpg
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

from local.demo import run
from local.demo.control import WORDS, ask
from local.demo.kept_state import STATE, KeptRunError, held_state
from local.deploy import deployment
from local.emulated_aws.event_source_mapping import FunctionError, MappingEndedError
from local.servers import ServerError
from local.servers.isolation import stay_on_this_machine

_SERVER_ERRORS = (
    OSError,
    BotoCoreError,
    ClientError,
    RedisError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_EPILOG = """examples:
  python -m local                    send a week of updates through the pipeline and check the result
  python -m local --keep             the same, and leave everything running for `.venv/bin/catalog --help`
  python -m local trouble stop-cache take the cache from the kept run; start-cache gives it back
  python -m local trouble fail-after-60s  let batches fail after a minute, not after a day
  python -m local deploy             deploy dev-stack to an emulator, send a record, destroy; twice
"""


def main() -> int:
    """Run the command; return its exit code.

    0: success. 1: the verdict or the command failed. 2: wrong arguments. 3: a deployment was skipped because
    this machine lacks a prerequisite.
    """
    words = sys.argv[1:]
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["run", *words]
    arguments = _parser().parse_args(words)
    stay_on_this_machine(os.environ)
    try:
        return asyncio.run(_command(arguments))
    except KeyboardInterrupt:
        print("stopped; nothing is left running", file=sys.stderr)
        return 130
    except (ServerError, FunctionError, MappingEndedError, KeptRunError) as error:
        return _fail(str(error))
    except _SERVER_ERRORS as error:
        return _fail(f"a server failed (see the log in .local): {error}")


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


async def _command(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "deploy":
            return await deployment.run(once=arguments.once)
        case "trouble":
            return await _trouble(arguments.word)
        case _:
            return await run.run_demo(keep=arguments.keep, readers=arguments.readers)


async def _trouble(word: str) -> int:
    """Ask the kept run for trouble; print how its parts are then."""
    if (state := held_state(STATE)) is None:
        raise KeptRunError(
            "there is no kept run: start one in another terminal with `make local KEEP=1`, "
            "and wait for its verdict"
        )
    answer = await ask(state["control"], word)
    parts = [f"{name} {answer[name]}" for name in ("cache", "database", "network")]
    print(f"{', '.join(parts)}; a batch fails after {answer['fails_after_seconds']:,} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="Run the whole pipeline on this machine, without a cloud account, containers or root.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    running = commands.add_parser("run", help="send a real week of updates through it and check the result")
    running.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    running.add_argument(
        "--readers",
        type=_readers,
        default=run.READERS,
        help="number of concurrent readers (default %(default)s)",
    )
    trouble = commands.add_parser(
        "trouble",
        help="stop, cut or change a part of the kept run, or heal it",
        epilog="\n".join(["words:", *(f"  {word:17}{what}" for word, what in WORDS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    trouble.add_argument(
        "word",
        nargs="?",
        default="state",
        choices=("state", *WORDS),
        metavar="word",
        help="one of those below",
    )
    deploy = commands.add_parser("deploy", help="deploy dev-stack with cdktf, to an emulator of AWS")
    deploy.add_argument("--once", action="store_true", help="stop after the first destroy (half the time)")
    return parser


def _readers(text: str) -> int:
    if not text.isdigit() or not 4 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r}; 4 to 64 readers are accepted")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
