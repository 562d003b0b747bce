"""`python -m tools`: help, exit codes, what goes to which stream."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tools import __main__ as cli
from tools import assets, build, cache, debian, env, gomodule, onpath
from tools.families import FAMILIES, PULUMI_KUBERNETES, Family
from tools.process import ToolError
from tools.progress import Step

from . import CHECKOUT

COMMANDS = ("build", "env", "path", "charts", "list", "packages")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a home of its own, no plugins, and nothing that could be found or built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    monkeypatch.setattr(onpath, "find", lambda name: None)
    monkeypatch.setattr(gomodule, "go_version", lambda: ("go1.26.0", "linux", "amd64"))
    return tmp_path


def built(name: str) -> dict[str, Path]:
    """A family as if it were built."""
    family = FAMILIES[name]
    entry = cache.path_of(name, family.version, build._key(family))
    entry.mkdir(parents=True, exist_ok=True)
    for binary in family.binaries:
        (entry / binary).write_text(f"#!/bin/sh\necho {binary}\n")
        (entry / binary).chmod(0o755)
    return {binary: entry / binary for binary in family.binaries}


def help_of(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools", *words]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_help_names_every_command() -> None:
    done = help_of("--help")
    assert (done.returncode, done.stderr) == (0, "")
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ")]
    assert [name for name in COMMANDS if name not in listed] == []
    assert done.stdout.startswith("usage: python -m tools "), "as it is called"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m tools {command}")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["path"], ["path", "nonsense"], ["charts"]])
def test_wrong_usage_is_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["build", "env"])
def test_an_unknown_family_is_explained_and_nothing_is_printed_for_eval(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "kubernets"]) == 1
    out, err = capsys.readouterr()
    assert out == "", "`eval` gets it"
    assert "error: no family is called 'kubernets'; there are: kubernetes, " in err
    assert "Traceback" not in err


def test_a_failure_is_one_message_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise ToolError("[red]no[/red] " + "word " * 40)

    monkeypatch.setattr(build, "ensure", fail)
    assert cli.main(["build"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: [red]no[/red] word"), "brackets are not markup"
    assert len(err.splitlines()) == 1, "to be searched for as it is"


def test_an_interrupt_is_exit_code_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "ensure", interrupt)
    assert cli.main(["build"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_path_prints_the_binary_only(capsys: pytest.CaptureFixture[str]) -> None:
    expected = built("etcd")["etcd"]
    assert cli.main(["path", "etcd"]) == 0
    assert capsys.readouterr().out == f"{expected}\n", "a Makefile runs what it prints"


@pytest.mark.parametrize("name", list(FAMILIES))
def test_path_works_for_every_family_that_it_offers(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = built(name)
    assert cli.main(["path", name]) == 0
    assert capsys.readouterr().out.splitlines() == [str(path) for path in expected.values()]


def test_build_of_what_is_there_builds_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "_build", lambda *arguments: pytest.fail("it is there"))
    built("etcd")
    built("kubernetes")
    assert cli.main(["build", "etcd", "kubernetes", "etcd"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "6 binaries are ready (0:00)\n"


def test_build_makes_what_is_missing_in_the_order_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def make(family: Family, work: Step) -> dict[str, Path]:
        made.append(family.name)
        return {}

    monkeypatch.setattr(build, "_prefetch", lambda families: None)
    monkeypatch.setattr(build, "_build", make)
    built("etcd")
    assert cli.main(["build", "pause", "etcd", "bookinfo"]) == 0
    assert made == ["pause", "bookinfo"]


def test_half_a_family_on_path_is_not_mixed_with_ours(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setattr(onpath, "find", lambda name: home / name if name == "pilot-agent" else None)
    assert build.available(FAMILIES["istio"]) == {}
    ours = built("istio")
    assert build.available(FAMILIES["istio"]) == ours


def test_list_needs_nothing_built_and_shows_every_family(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    built("etcd")
    assert cli.main(["list"]) == 0
    rows = capsys.readouterr().out.splitlines()
    for family in FAMILIES.values():
        row = next(row for row in rows if f" {family.name} " in row)
        assert family.version in row
        assert ("cache" if family.name == "etcd" else "to build") in row


def test_env_is_evaluated_by_a_shell_and_makes_ours_found(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    for name in env.DEFAULT:
        built(name)
    assert cli.main(["env"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert all(line.startswith("export ") for line in out.splitlines())
    ask = "pulumi; kubectl; command -v pulumi-language-python; echo $PULUMI_HOME"
    done = subprocess.run(["sh", "-c", f"{out}\n{ask}"], capture_output=True, text=True, check=True)
    answers = done.stdout.splitlines()
    assert answers[:2] == ["pulumi", "kubectl"]
    assert answers[2].startswith(str(cache.root() / "bin"))
    plugin = Path(answers[3], "plugins", f"resource-kubernetes-v{PULUMI_KUBERNETES}")
    assert plugin.joinpath("pulumi-resource-kubernetes").is_file(), "`pulumi plugin ls` shows it"


def test_env_twice_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in env.DEFAULT:
        built(name)
    first = dict(env.values())
    monkeypatch.setenv("PATH", first["PATH"])
    assert dict(env.values()) == first, "PATH does not grow"
    assert first["PATH"].split(os.pathsep)[1:] == [f"{Path.home()}/bin", "/usr/bin", "/bin"]


def test_env_quotes_what_a_shell_would_read(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "a b'$c"))
    built("kubectl")
    (line,) = env.exports(["kubectl"]).splitlines()
    assert "a b'$c" in shlex.split(line)[1]


def test_env_leaves_pulumi_settings_alone_where_pulumi_is_the_users(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    (home / "pulumi-language-python").touch()
    monkeypatch.setattr(onpath, "find", lambda name: home / name if name == "pulumi" else None)
    assert [name for name, _ in env.values(["pulumi"])] == ["PATH"]


def test_scripts_of_env_are_executable_and_run_with_this_python() -> None:
    built("pulumi")
    folder = Path(dict(env.values(["pulumi"]))["PATH"].split(os.pathsep)[0])
    script = folder / "pulumi-language-python"
    assert script.stat().st_mode & stat.S_IXUSR
    assert shlex.split(script.read_text().splitlines()[1])[1] == sys.executable


def test_charts_renews_the_link(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    link = home / "charts"
    for name in ("one", "two"):
        (home / name).mkdir()
        monkeypatch.setattr(assets, "charts", lambda console, name=name: home / name)
        assert cli.main(["charts", str(link)]) == 0
        assert link.readlink() == home / name
    assert {path.name for path in home.iterdir()} >= {"charts", "one", "two"}
    assert not list(home.glob(".charts*"))


def test_labels_of_helm_are_dropped_from_crds() -> None:
    text = (
        "metadata:\n  name: x\n  labels:\n    app: '{{ template \"x\" . }}'\n"
        "    # Generated\n    version: '{{ .V }}'\nspec:\n  group: y\n"
    ).replace("    # Generated\n", "")
    assert assets._without_helm(text) == "metadata:\n  name: x\nspec:\n  group: y\n"


def recorded(monkeypatch: pytest.MonkeyPatch, shown: list[str]) -> list[list[str]]:
    """The commands that are run from now on, each of which prints `shown`."""
    ran: list[list[str]] = []

    def run(words: list[str], **_: object) -> list[str]:
        ran.append(words)
        return shown

    monkeypatch.setattr(debian, "run", run)
    return ran


def test_packages_installs_nothing_where_all_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [f"ii  {name}" for name in debian.PACKAGES]
    monkeypatch.setattr(shutil, "which", lambda name: name)
    ran = recorded(monkeypatch, shown)
    assert cli.main(["packages"]) == 0
    assert [words[0] for words in ran] == ["dpkg-query"]


def test_packages_that_are_missing_are_installed_in_one_go_and_only_they(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = ["ii  runc", "rc  socat", *(f"ii  {n}" for n in debian.PACKAGES if n not in "socat")]
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ran = recorded(monkeypatch, shown)
    assert cli.main(["packages"]) == 0
    assert [words[2] for words in ran[1:]] == ["update", "install"]
    assert ran[-1][-1] == "socat", "removed, with its configuration left: not installed"
    assert "runc" not in ran[-1]


def test_packages_without_root_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(debian, "run", lambda words, **_: [])
    assert cli.main(["packages"]) == 1
    assert "run as root: apt-get install ca-certificates " in capsys.readouterr().err


def test_packages_elsewhere_than_on_debian_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert cli.main(["packages"]) == 1
    assert "this is no Debian: install by hand ca-certificates, " in capsys.readouterr().err


def test_every_program_of_the_lab_is_in_a_package_that_is_installed() -> None:
    from lab.machine import preflight

    base = {"mount"}  # essential on Debian
    assert set(preflight._PACKAGES.values()) - set(debian.PACKAGES) <= base
