"""A kubectl that keeps ConfigMaps in a JSON file and enforces resourceVersion like an API server.

It shows Services, too.

This file is both: imported by tests it installs and controls the fake; run as a program it is it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

TYPE_CHECKING = False  # the program starts in half the time without `typing` and `dataclasses`
if TYPE_CHECKING:
    from typing import Any

STATE = "state.json"


class FakeKubectl:
    """The test's side of the fake."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def install(cls, directory: Path, python: str) -> FakeKubectl:
        """Put it into a directory, with the real program's name."""
        directory.mkdir()
        program = directory / "kubectl"
        program.write_text(f"#!{python} -IS\n" + Path(__file__).read_text())
        program.chmod(0o755)
        fake = cls(directory)
        fake.reset()
        return fake

    def reset(self) -> None:
        """Forget everything."""
        self._write({"config_maps": {}, "services": {}, "calls": [], "next_version": 1})

    def _read(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.directory / STATE).read_text())
        return state

    def _write(self, state: dict[str, Any]) -> None:
        (self.directory / STATE).write_text(json.dumps(state))

    def behave(self, **behaviour: Any) -> None:
        """Set `fail` (stderr of every call), `hang` (seconds), or `rivals`.

        `rivals` is a list of data that somebody else writes into the ConfigMap, one after each
        `get` until none is left.
        """
        self._write({**self._read(), **behaviour})

    def put(self, name: str, data: dict[str, str] | None) -> None:
        """Write a ConfigMap as its owner would; None: without `data`."""
        state = self._read()
        _store(state, name, {"metadata": {"name": name}} | ({} if data is None else {"data": data}))
        self._write(state)

    def put_service(self, name: str, *rounds: list[dict[str, str]]) -> None:
        """Let a Service have these addresses, one list for each `get`; the last one stays."""
        state = self._read()
        state["services"][name] = list(rounds)
        self._write(state)

    def data(self, name: str) -> dict[str, str] | None:
        """Return a ConfigMap's data, None when there is no such ConfigMap."""
        found = self._read()["config_maps"].get(name)
        return None if found is None else found.get("data", {})

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every call so far."""
        calls: list[list[str]] = self._read()["calls"]
        return calls

    @property
    def verbs(self) -> list[str]:
        """The verbs that were asked, in order."""
        known = ("get", "create", "replace", "delete")
        return [next(arg for arg in call if arg in known) for call in self.calls]

    def remove(self) -> None:
        """Uninstall it."""
        (self.directory / "kubectl").unlink()


def _store(state: dict[str, Any], name: str, config_map: dict[str, Any]) -> None:
    config_map["metadata"]["resourceVersion"] = str(state["next_version"])
    state["next_version"] += 1
    state["config_maps"][name] = config_map


def _get(state: dict[str, Any], args: list[str]) -> str:
    if "--raw" in args:
        return "{}"
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


def main(path: Path, args: list[str]) -> int:
    """Answer one call; return the exit code."""
    state = json.loads(path.read_text())
    state["calls"].append(args)
    path.write_text(json.dumps(state))
    if state.get("hang"):
        time.sleep(state["hang"])
    error, answer = state.get("fail", ""), ""
    if not error and "get" in args:
        answer = _get(state, args)
    elif not error and "delete" in args:
        state["config_maps"].pop(args[args.index("configmap") + 1], None)
    elif not error:
        verb = "create" if "create" in args else "replace"
        error = _put(state, verb, json.load(sys.stdin))
    path.write_text(json.dumps(state))
    sys.stdout.write(answer)
    sys.stderr.write(error)
    return 1 if error else 0


if __name__ == "__main__":
    sys.exit(main(Path(os.path.abspath(__file__)).with_name(STATE), sys.argv[1:]))
