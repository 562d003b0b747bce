"""Run one Pulumi program: the request comes on stdin, the engine's address as the argument."""

import asyncio
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
import pulumi.runtime
from pulumi.runtime.proto import language_pb2

EXIT_REPORTED = 32  # the error has been shown; the engine adds nothing


def main() -> int:
    """Run the program and return the exit code."""
    request = language_pb2.RunRequest.FromString(sys.stdin.buffer.read())
    pulumi.runtime.set_all_config(dict(request.config), list(request.configSecretKeys))
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=request.project,
            stack=request.stack,
            monitor=request.monitor_address,
            engine=sys.argv[1],
            parallel=request.parallel,
            dry_run=request.dryRun,
            organization=request.organization,
            root_directory=request.info.root_directory,
        )
    )
    folder = request.info.program_directory or request.pwd
    entry = request.info.entry_point or request.program or "."
    program = os.path.normpath(os.path.join(folder, entry))
    os.chdir(request.pwd or folder)
    # As with `python PROGRAM`: imports that happen after the main module are found too.
    sys.path[0] = program if os.path.isdir(program) else os.path.dirname(program)
    sys.argv = [program, *request.args]

    # When a program fails, tasks that nobody awaits are left; asyncio would report each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    workers = ThreadPoolExecutor(max_workers=4 * max(request.parallel, 1))
    loop.set_default_executor(workers)
    try:
        run = pulumi.runtime.run_in_stack(lambda: _run_path(program))
        loop.run_until_complete(run)
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return EXIT_REPORTED
    except Exception as error:
        pulumi.log.error(f"The program failed:\n{_traceback(error, sys.path[0])}")
        return EXIT_REPORTED
    finally:
        workers.shutdown(wait=True)
        loop.close()
    return 0


def _run_path(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def _traceback(error: Exception, folder: str) -> str:
    """The traceback from the first line of the program on: what started it is no help."""
    tail = error.__traceback__
    while tail is not None and not _own(tail.tb_frame.f_code.co_filename, folder):
        tail = tail.tb_next
    if tail is None and not isinstance(error, SyntaxError):  # that one names its place itself
        tail = error.__traceback__
    return "".join(traceback.format_exception(type(error), error, tail))


def _own(filename: str, folder: str) -> bool:
    """Whether a file is the program's: in its folder, but not in a virtualenv there."""
    path = Path(filename)
    return path.is_relative_to(folder) and not path.is_relative_to(sys.prefix)


if __name__ == "__main__":
    sys.exit(main())
