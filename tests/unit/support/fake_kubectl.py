"""A kubectl that keeps ConfigMaps and enforces resourceVersion like an API server.

It shows Services and other objects, too; what is applied or labelled it accepts and forgets. The
program on PATH asks this process for every answer: bash starts ten times as fast as Python, and
tests call it hundreds of times.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

PROGRAM = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/%d
stdin=
[[ " $* " == *" -f - "* ]] && IFS= read -r -d '' stdin
printf '%%s\\0' "$#" "$@" "$stdin" >&3
read -r -u 3 code
IFS= read -r -d '' -u 3 answer
if ((code)); then printf %%s "$answer" >&2; else printf %%s "$answer"; fi
exit "$code"
"""

FORGOTTEN = ("apply", "label", "wait")
"""Verbs of which nothing is kept."""


class FakeKubectl:
    """The test's side of the fake."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._state: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.reset()

    @classmethod
    @contextmanager
    def installed(cls, directory: Path) -> Iterator[FakeKubectl]:
        """Put it into a new directory, with the real program's name, for as long as needed."""
        fake = cls(directory)

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(fake.answer(self._arguments()).encode())

            def _arguments(self) -> list[str]:
                return [self._text() for _ in range(int(self._text()) + 1)]

            def _text(self) -> str:
                text = bytearray()
                while (byte := self.rfile.read(1)) != b"\0":
                    text += byte
                return text.decode()

        class Server(ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False  # a call that hangs is left behind

        with Server(("127.0.0.1", 0), Handler) as server:
            serving = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            serving.start()
            directory.mkdir()
            program = directory / "kubectl"
            program.write_text(PROGRAM % server.server_address[1])
            program.chmod(0o755)
            try:
                yield fake
            finally:
                server.shutdown()
                serving.join()

    def reset(self) -> None:
        """Forget everything."""
        self._state = {
            "config_maps": {},
            "services": {},
            "objects": [],
            "calls": [],
            "stdin": [],
            "next_version": 1,
        }

    def behave(self, **behaviour: Any) -> None:
        """Set `fail` (stderr of every call), `hang` (seconds), or `rivals`.

        `rivals` is a list of data that somebody else writes into the ConfigMap, one after each
        `get` until none is left.
        """
        self._state.update(behaviour)

    def put(self, name: str, data: dict[str, str] | None) -> None:
        """Write a ConfigMap as its owner would; None: without `data`."""
        content = {} if data is None else {"data": data}
        _store(self._state, name, {"metadata": {"name": name}} | content)

    def put_service(self, name: str, *rounds: list[dict[str, str]]) -> None:
        """Let a Service have these addresses, one list for each `get`; the last one stays."""
        self._state["services"][name] = list(rounds)

    def put_objects(self, *objects: dict[str, Any]) -> None:
        """Have these for who asks for several objects by name at once."""
        self._state["objects"] = [*objects]

    def data(self, name: str) -> dict[str, str] | None:
        """Return a ConfigMap's data, None when there is no such ConfigMap."""
        found = self._state["config_maps"].get(name)
        return None if found is None else found.get("data", {})

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every call so far."""
        calls: list[list[str]] = self._state["calls"]
        return calls

    @property
    def stdin(self) -> list[str]:
        """What each call so far was given on stdin."""
        stdin: list[str] = self._state["stdin"]
        return stdin

    @property
    def verbs(self) -> list[str]:
        """The verbs that were asked, in order."""
        known = ("get", "create", "replace", "delete", *FORGOTTEN)
        return [next(arg for arg in call if arg in known) for call in self.calls]

    def remove(self) -> None:
        """Uninstall it."""
        (self.directory / "kubectl").unlink()

    def answer(self, given: list[str]) -> str:
        """Return what the program has to say to arguments and stdin: exit code, line, text."""
        *args, stdin = given
        with self._lock:
            self._state["calls"].append(args)
            self._state["stdin"].append(stdin)
            hang, error = self._state.get("hang", 0), self._state.get("fail", "")
        time.sleep(hang)
        with self._lock:
            answer = ""
            if not error and "get" in args:
                answer = _get(self._state, args, stdin)
            elif not error and "delete" in args:
                self._state["config_maps"].pop(args[args.index("configmap") + 1], None)
            elif not error and not {*FORGOTTEN} & {*args}:
                verb = "create" if "create" in args else "replace"
                error = _put(self._state, verb, json.loads(stdin))
        return f"1\n{error}" if error else f"0\n{answer}"


def _store(state: dict[str, Any], name: str, config_map: dict[str, Any]) -> None:
    config_map["metadata"]["resourceVersion"] = str(state["next_version"])
    state["next_version"] += 1
    state["config_maps"][name] = config_map


def _get(state: dict[str, Any], args: list[str], stdin: str) -> str:
    if "--raw" in args:
        return "{}"
    if "-f" in args:
        asked = {_key(item) for item in json.loads(stdin)["items"]}
        items = [item for item in state["objects"] if _key(item) in asked]
        return json.dumps({"kind": "List", "items": items})
    if "service" in args:
        rounds = state["services"].get(args[args.index("service") + 1])
        if not rounds:
            return ""
        ingress = rounds.pop(0) if len(rounds) > 1 else rounds[0]
        return json.dumps({"status": {"loadBalancer": {"ingress": ingress} if ingress else {}}})
    name = args[args.index("configmap") + 1]
    found = state["config_maps"].get(name)
    answer = "" if found is None else json.dumps(found)
    if state.get("rivals"):
        _store(state, name, {"metadata": {"name": name}, "data": state["rivals"].pop(0)})
    return answer


def _key(item: dict[str, Any]) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def _put(state: dict[str, Any], verb: str, config_map: dict[str, Any]) -> str:
    name = config_map["metadata"]["name"]
    found = state["config_maps"].get(name)
    if verb == "create" and found is not None:
        return f'Error from server (AlreadyExists): configmaps "{name}" already exists'
    if verb == "replace" and found is None:
        return f'Error from server (NotFound): configmaps "{name}" not found'
    version = config_map["metadata"].get("resourceVersion")
    if verb == "replace" and version != found["metadata"]["resourceVersion"]:
        return (
            f'Error from server (Conflict): Operation cannot be fulfilled on configmaps "{name}": '
            "the object has been modified; please apply your changes to the latest version"
        )
    _store(state, name, config_map)
    return ""
