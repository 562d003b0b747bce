"""API servers without nodes, for what needs many clusters or dead ones and no pods.

Each is a `kube-apiserver`; all share one etcd, each under a prefix of its own. Nothing runs there:
no controller, no webhook is called. `controllers.py` writes what Pulumi
and Helm wait for.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import secrets
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from tests.support.wait import until

READY_SECONDS = 120
PORTS = range(28000, 32000)  # above those of the lab
COREFILE = ".:53 {\n    errors\n    forward . /etc/resolv.conf\n}\n"


class RefusedError(OSError):
    """An API server has refused a request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


@dataclass
class ApiServer:
    """One cluster: its API, and the process behind it."""

    name: str
    directory: Path
    command: list[str]
    port: int
    token: str
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _connection: http.client.HTTPSConnection | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def context(self) -> str:
        """Its context in the kubeconfig."""
        return f"bare-{self.name}"

    def start(self) -> None:
        """Start it; it has what it had before."""
        log = (self.directory / "log").open("ab")
        self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def stop(self) -> None:
        """Kill it: connections are refused from now on."""
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def hang(self) -> None:
        """Let it answer nothing any more, as behind a firewall that drops packets."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on after `hang`."""
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def wait(self) -> None:
        """Wait until it is ready."""
        until(self._ready, bool, READY_SECONDS, f"API server: see {self.directory}/log")

    def _ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, f"it has ended: see {self.directory}/log"
        try:
            self.call("GET", "/readyz")
        except OSError:
            return False
        return True

    def call(self, method: str, path: str, body: Any = None, kind: str = "json") -> Any:
        """Make one request; return the answer, as far as it is JSON.

        Raises:
            RefusedError: the API server refused it.
            OSError: nobody answers.
        """
        sent = None if body is None else json.dumps(body)
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": f"application/{kind}",
        }
        with self._lock:
            connection = self._connection or http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=10, context=_unverified()
            )
            self._connection = None  # unless all goes well
            try:
                connection.request(method, path, sent, headers)
                response = connection.getresponse()
                text = response.read().decode()
            except http.client.HTTPException as error:
                raise OSError(f"{self.name}: {error!r}") from error
            self._connection = connection
        if response.status >= 400:
            raise RefusedError(response.status, text)
        return json.loads(text) if text.startswith("{") else text

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return all objects of a kind."""
        return cast(list[dict[str, Any]], self.call("GET", path)["items"])


class ApiServers:
    """Some clusters and their etcd; `with` ends them."""

    def __init__(self, directory: Path, binaries: Mapping[str, Path]) -> None:
        self._directory = directory
        self._binaries = binaries
        self._token = secrets.token_hex(16)
        self._etcd: subprocess.Popen[bytes] | None = None
        self._etcd_port = free_port()
        self.clusters: dict[str, ApiServer] = {}
        self.kubeconfig = directory / "kubeconfig"

    def __enter__(self) -> ApiServers:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._write_kubeconfig()
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, free_port()))
        command = [
            str(self._binaries["etcd"]),
            f"--data-dir={self._directory / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
        ]
        log = (self._directory / "etcd.log").open("ab")
        self._etcd = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        for cluster in self.clusters.values():
            cluster.stop()
        if self._etcd:
            self._etcd.kill()
            self._etcd.wait()

    def add(self, names: Iterable[str]) -> None:
        """Start clusters, and wait until they are ready and have the DNS of kubeadm."""
        new = [self._make(name) for name in names]
        for cluster in new:
            cluster.start()
            self.clusters[cluster.name] = cluster
        for cluster in new:
            cluster.wait()
            _put_coredns(cluster)
        self._write_kubeconfig()

    def _make(self, name: str) -> ApiServer:
        directory = self._directory / name
        directory.mkdir()
        tokens = directory / "tokens.csv"
        tokens.write_text(f"{self._token},admin,admin,system:masters\n")
        key = directory / "sa.key"
        key.write_text(_private_key())
        port = free_port()
        command = [
            str(self._binaries["kube-apiserver"]),
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--etcd-prefix=/{name}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={directory / 'certificates'}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=AlwaysAllow",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={key}",
            f"--service-account-key-file={key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",
            "--enable-garbage-collector=false",  # or a deletion would wait for it
            # istiod, which would answer its webhooks, never runs.
            "--disable-admission-plugins=MutatingAdmissionWebhook,ValidatingAdmissionWebhook",
        ]
        return ApiServer(name, directory, command, port, self._token)

    def _write_kubeconfig(self) -> None:
        names = {c.context: c for c in self.clusters.values()}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": context,
                    "cluster": {
                        "server": f"https://127.0.0.1:{cluster.port}",
                        "insecure-skip-tls-verify": True,
                    },
                }
                for context, cluster in names.items()
            ],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [
                {"name": context, "context": {"cluster": context, "user": "admin"}}
                for context in names
            ],
        }
        self.kubeconfig.write_text(yaml.safe_dump(document))


def tools() -> Mapping[str, Path]:
    """Put Pulumi and kubectl on PATH; return the binaries that API servers are made of."""
    from rich.console import Console

    from tools import build, env

    os.environ |= dict(env.values())
    return build.ensure(["kubernetes", "etcd"], Console())


def free_port() -> int:
    """Return a port on 127.0.0.1 that nobody has.

    None of those that the system gives to connections: one could get it before it is bound.
    """
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no port of {PORTS} is free")


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return pem.decode()


def _put_coredns(cluster: ApiServer) -> None:
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "namespace": "kube-system"},
        "data": {"Corefile": COREFILE},
    }
    # The namespace is made a moment after the start.
    path = "/api/v1/namespaces"
    until(
        lambda: [item["metadata"]["name"] for item in cluster.items(path)],
        lambda names: "kube-system" in names,
        READY_SECONDS,
        "there is no namespace kube-system",
    )
    cluster.call("POST", f"{path}/kube-system/configmaps", config_map)
