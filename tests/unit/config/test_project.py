"""Stack files read from disk: defaults, encrypted values, environments; nothing of Pulumi."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import project, stack_file
from config.problems import ConfigError
from config.project import Reading, UnreadableProjectError
from config.secret import Secret
from tests.support import pki
from tests.unit.support.parsing import PROJECT
from tests.unit.support.recorder import PROJECT_DIR
from tests.unit.support.stacks import FULL, service, stack, write_kubeconfig

ENCRYPTED = {"secure": "v1:abc:hidden"}
CIPHER = "hidden"


def write(directory: Path, keys: dict[str, Any], *, name: str = "mesh", **document: Any) -> None:
    """Write a project with a stack `prod` that has these keys (a kubeconfig but for theirs)."""
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump({"name": name, "runtime": "python"}))
    written = {"kubeconfig": "kubeconfig", **keys}
    config = {f"{name}:{key}": value for key, value in written.items()}
    (directory / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config, **document}))


def read(directory: Path, keys: dict[str, Any], **document: Any) -> Reading:
    write(directory, keys, **document)
    return project.read(directory, "prod", {})


def mistakes(directory: Path, keys: dict[str, Any], **document: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(directory, keys, **document)
    assert CIPHER not in str(caught.value)
    return caught.value.messages


class TestFiles:
    """What is where."""

    def test_the_same_comes_of_it_as_in_the_program(self, workdir: Path) -> None:
        reading = read(workdir, FULL)
        whole = {"kubeconfig": "kubeconfig", **FULL}
        assert reading.settings == stack_file.parse(whole, workdir, {}, "mesh")
        assert reading.written.complete
        assert reading.doubts == ()

    def test_the_stack_of_the_lab_has_no_mistake(self, workdir: Path) -> None:
        for file in ("Pulumi.yaml", "Pulumi.dev.yaml"):
            (workdir / file).write_text((PROJECT_DIR / file).read_text())
        (workdir / ".lab").mkdir()
        contexts = [f"lab-{name}-deployer" for name in ("a", "b", "root")]
        write_kubeconfig(workdir / ".lab/kubeconfig", contexts)
        reading = project.read(workdir, "organization/istio-multicluster/dev", {})
        assert sorted(reading.settings.clusters) == ["a", "b"]
        assert reading.settings.bookinfo
        assert reading.settings.bookinfo.frontend == "a"
        assert reading.written.project == PROJECT

    def test_a_text_that_is_json_is_a_structure(self, workdir: Path) -> None:
        texts = {key: json.dumps(value) for key, value in stack("ab").items()}
        as_texts = read(workdir, {**texts, "links": "all", "callerIdentity": "true"})
        assert as_texts.settings == read(workdir, {**stack("ab"), "callerIdentity": True}).settings

    def test_defaults_are_those_of_the_project(self, workdir: Path) -> None:
        write(workdir, stack("ab"))
        declared = {
            "mesh:istio": {"type": "object", "default": {"version": "1.0"}},
            "callerIdentity": {"value": True},
            "remoteDns": {"replicas": 3},
            "mesh:clusters": {"type": "object", "default": {}},
            "mesh:removed": {"description": "has no default"},
            "aws:region": "eu",
        }
        document = {"name": "mesh", "config": declared}
        (workdir / "Pulumi.yaml").write_text(yaml.safe_dump(document))
        settings = project.read(workdir, "prod", {}).settings
        assert settings.istio.version == "1.0"
        assert settings.caller_identity
        assert sorted(settings.clusters) == ["a", "b"], "the stack's own take precedence"

    def test_stack_files_may_have_a_folder(self, workdir: Path) -> None:
        write(workdir, stack("ab"))
        (workdir / "stacks").mkdir()
        (workdir / "Pulumi.prod.yaml").rename(workdir / "stacks/Pulumi.prod.yml")
        document = {"name": "mesh", "stackConfigDir": "stacks"}
        (workdir / "Pulumi.yaml").write_text(yaml.safe_dump(document))
        assert project.read(workdir, "prod", {}).settings.links == (("a", "b"),)

    def test_keys_of_others_are_left_alone_and_unknown_ones_told(self, workdir: Path) -> None:
        write(workdir, {**stack("ab"), "zzz": ENCRYPTED})
        file = workdir / "Pulumi.prod.yaml"
        document = yaml.safe_load(file.read_text())
        document["config"]["aws:region"] = "eu"
        file.write_text(yaml.safe_dump(document))
        with pytest.raises(ConfigError) as caught:
            project.read(workdir, "prod", {})
        (message,) = caught.value.messages
        assert message.startswith("zzz: is an unknown key; ")
        assert "\n  - mesh:zzz: " in str(caught.value)

    def test_plain_words_are_what_pulumi_takes_them_for(self, workdir: Path) -> None:
        write(workdir, {})
        (workdir / "Pulumi.prod.yaml").write_text(
            "config:\n  mesh:links: [no, 12:34, 2001-01-01, 7e5, 012, 0x1F, 1.5, ~, true, on]\n"
        )
        values = project.read_stack_file(workdir, "prod").values["links"]
        assert values == ["no", "12:34", "2001-01-01", 700000, 10, 31, 1.5, None, True, "on"]

    @pytest.mark.parametrize(
        ("file", "text", "message"),
        [
            ("Pulumi.prod.yaml", None, "prod.yaml cannot be read (No such file or directory)"),
            ("Pulumi.yaml", None, "Pulumi.yaml cannot be read (No such file or directory)"),
            ("Pulumi.prod.yaml", "config:\n  a: 'hidden\n", "prod.yaml is not YAML (line 3)"),
            ("Pulumi.prod.yaml", "hidden", "prod.yaml is not a mapping"),
            ("Pulumi.prod.yaml", "\udcff", "prod.yaml is not a text in UTF-8"),
            ("Pulumi.yaml", "runtime: python", "Pulumi.yaml has no name of the project"),
        ],
    )
    def test_what_cannot_be_read_is_told_without_a_quote(
        self, workdir: Path, file: str, text: str | None, message: str
    ) -> None:
        write(workdir, stack("ab"))
        (workdir / file).unlink()
        if text is not None:
            (workdir / file).write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(UnreadableProjectError) as caught:
            project.read(workdir, "prod", {})
        assert str(caught.value).endswith(message)
        assert CIPHER not in str(caught.value)


class TestSecrets:
    """Values that are encrypted."""

    def test_certificates_are_not_judged_and_their_places_told(self, workdir: Path) -> None:
        files = dict.fromkeys(("caCert", "caKey", "certChain", "rootCert"), ENCRYPTED)
        root_ca = {"certificates": {"a": files, "b": files}}
        reading = read(workdir, {**stack("ab"), "rootCa": root_ca})
        assert reading.written.encrypted == tuple(
            f"rootCa.certificates.{name}.{key}" for name in "ab" for key in files
        )
        assert reading.written.complete, "their content is not known, but there is nothing else"
        assert reading.settings.clusters["a"].cacerts
        assert CIPHER not in repr(reading)

    def test_with_the_key_alone_encrypted_roots_are_compared(self, workdir: Path) -> None:
        certificates = {}
        for name in "ab":
            root = pki.make(f"root-{name}")
            ca = pki.make(name, root, path_length=0)
            plain = {"caCert": ca.pem, "certChain": ca.pem, "rootCert": root.pem}
            certificates[name] = {**plain, "caKey": ENCRYPTED}
        (message,) = mistakes(workdir, {**stack("ab"), "rootCa": {"certificates": certificates}})
        assert message.startswith("rootCa.certificates.b.rootCert: differs from that of 'a'")

    def test_a_missing_file_and_an_unknown_one_are_mistakes(self, workdir: Path) -> None:
        files = dict.fromkeys(("caCert", "caKye", "certChain", "rootCert"), ENCRYPTED)
        root_ca = {"certificates": {"a": files}}
        found = mistakes(workdir, {**stack("a"), "rootCa": root_ca})
        assert [message.partition(";")[0] for message in found] == [
            "rootCa.certificates.a.caKey: is missing",
            "rootCa.certificates.a.caKye: is an unknown key",
        ]

    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            (stack("ab", a={"linkPort": ENCRYPTED}), "clusters.a.linkPort: a secret is not a port"),
            (stack("ab", a={"exposes": ENCRYPTED}), "clusters.a.exposes: a secret is not a list"),
            (stack("ab", a=ENCRYPTED), "clusters.a.secure: is an unknown key"),
            (
                {**stack("ab"), "istio": {"values": ENCRYPTED}},
                "istio.values: a secret is no",
            ),
        ],
    )
    def test_one_in_place_of_another_kind_is_a_mistake(
        self, workdir: Path, keys: dict[str, Any], message: str
    ) -> None:
        assert mistakes(workdir, keys)[0].startswith(message)

    def test_no_text_is_judged_by_a_content_that_nobody_sees(self, workdir: Path) -> None:
        for path, keys in _each_text_encrypted(TEXTS):
            reading = read(workdir, keys)
            assert CIPHER not in repr(reading), path
            assert reading.written.encrypted == (path,)

    def test_a_key_that_is_encrypted_as_a_whole_may_have_anything(self, workdir: Path) -> None:
        reading = read(workdir, {**stack("ab"), "clusters": ENCRYPTED, "links": [["a", "b"]]})
        assert reading.written.encrypted == ("clusters",)
        assert not reading.written.complete
        assert reading.doubts == (
            "clusters: is empty; name at least one cluster, each with its kube `context`",
            "links[0]: there is no cluster 'a'; use two of: ",
            "links[0]: there is no cluster 'b'; use two of: ",
        )

    def test_two_secrets_are_never_the_same(self) -> None:
        one, other = Secret(), Secret()
        assert one == one
        assert one != other
        assert len({one, other, str(one)}) == 2
        assert copy.deepcopy(one) == one
        assert f"{one!r}, {one}" == "a secret, a secret"


TEXTS: dict[str, Any] = {
    **stack(
        "abc",
        a={
            "trustDomain": "a.example",
            "locality": "eu/1",
            "networkPolicy": ["shop"],
            "ingress": {"addresses": ["192.0.2.7"]},
            "exposes": [
                service("web", 80, allow=["b", "c"], policy={"timeout": "1s", "retries": {}}),
                service("db", 5432, protocol="tcp"),
                service("cache", 6379, address="241.0.0.9") | {"protocol": "tls"},
            ],
        },
    ),
    "links": [["a", "b"], ["a", "c"]],
    "removed": ["z"],
    "peers": {"d": {"stack": "organization/mesh/d"}},
    "rootCa": {
        "context": "ctx-root",
        "namespace": "ca",
        "roots": ["x", "y"],
        "revoked": ["ab", "cd"],
        "opensslImage": "o",
        "certManager": {"version": "1"},
    },
    "istio": {"version": "1", "images": {"proxy": "r/p"}, "values": {"base": {"x": "y"}}},
    "remoteDns": {"image": "i", "address": "240.0.0.1", "knownCidrs": ["10.0.0.0/8"]},
}
"""Many texts; not among them are words that decide how others are read, such as `protocol`."""


def _each_text_encrypted(keys: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    def texts(value: Any, path: str, way: tuple[Any, ...]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        if isinstance(value, str):
            yield path, way
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from texts(item, f"{path}.{key}" if path else key, (*way, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from texts(item, f"{path}[{index}]", (*way, index))

    for path, way in texts(keys, "", ()):
        if path.endswith(".protocol") or path.startswith("links"):
            continue
        changed = copy.deepcopy(keys)
        place: Any = changed
        for step in way[:-1]:
            place = place[step]
        place[way[-1]] = ENCRYPTED
        yield path, changed


class TestEnvironments:
    """Values that come from elsewhere."""

    @pytest.mark.parametrize(
        ("environment", "names"),
        [
            (["one", {"two": {"merge": False}}], ("one", "two")),
            ({"imports": ["one"], "values": {"pulumiConfig": {}}}, ("one", project.INLINE)),
            ({"values": {"x": 1}}, (project.INLINE,)),
            ([], ()),
        ],
    )
    def test_they_are_named(self, workdir: Path, environment: Any, names: tuple[str, ...]) -> None:
        written = read(workdir, stack("ab"), environment=environment).written
        assert written.environments == names
        assert written.complete == (not names)

    def test_what_is_missing_may_be_there(self, workdir: Path) -> None:
        keys = {"clusters": {"a": {}}, "links": [["a", "b"]]}
        reading = read(workdir, keys, environment=["shared"])
        assert [doubt.partition(";")[0] for doubt in reading.doubts] == [
            "links[0]: there is no cluster 'b'",
            "rootCa: is missing, and linked clusters need a shared root of trust",
            "clusters.a.context: is missing",
        ]
        assert len(mistakes(workdir, keys)) == 3, "without an environment they are mistakes"

    def test_what_is_written_is_judged(self, workdir: Path) -> None:
        keys = {"clusters": {"a": {"linkPort": 0, "contxt": "x"}}}
        found = mistakes(workdir, keys, environment=["shared"])
        assert [message.partition(";")[0] for message in found] == [
            "clusters.a.linkPort: 0 is not a port number",
            "clusters.a.contxt: is an unknown key",
        ]

    def test_no_context_is_looked_for_in_a_kubeconfig_that_may_be_another(
        self, workdir: Path
    ) -> None:
        keys = {**stack("ab", a={"context": "elsewhere"}), "kubeconfig": ""}
        assert read(workdir, keys, environment=["shared"]).settings.kubeconfig is None
        keys["kubeconfig"] = "kubeconfig"
        (message,) = mistakes(workdir, keys, environment=["shared"])
        assert message.startswith("clusters.a.context: 'elsewhere' is not in the kubeconfig")


def test_nothing_of_pulumi_is_imported(workdir: Path) -> None:
    write(workdir, stack("ab"))
    program = """if True:
        import pkgutil, sys
        import config
        from pathlib import Path
        for module in pkgutil.iter_modules(config.__path__):
            __import__(f"config.{module.name}")
        config.project.read(Path(sys.argv[1]), "prod", {})
        print(sorted(name for name in sys.modules if name.startswith("pulumi")))
    """
    command = [sys.executable, "-c", program, str(workdir)]
    done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
