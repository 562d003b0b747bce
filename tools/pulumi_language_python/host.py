"""The engine's requests to a language host, answered for a program in this Python environment."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2 as lang
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2

PROGRAM_RUNNER = Path(__file__).with_name("run_program.py")

# What run_program.py exits with once it has shown the error to the user.
EXIT_REPORTED = 32


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs each program in a process of its own, so that nothing of one run is left in the next."""

    def __init__(self, engine: str) -> None:
        self.engine = engine

    def Handshake(
        self, request: lang.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> lang.LanguageHandshakeResponse:
        """Learn the engine's address."""
        self.engine = request.engine_address or self.engine
        return lang.LanguageHandshakeResponse()

    def Run(self, request: lang.RunRequest, context: grpc.ServicerContext) -> lang.RunResponse:
        """Run the program, and wait for its end; its output goes where the host's goes."""
        # The request has the configuration with its secrets: neither in arguments nor in a file.
        program = subprocess.Popen(
            [_python(request.info), "-u", PROGRAM_RUNNER, self.engine], stdin=subprocess.PIPE
        )
        if not context.add_callback(program.terminate):  # the engine has given up
            program.terminate()
        program.communicate(request.SerializeToString())
        if program.returncode == 0:
            return lang.RunResponse()
        if program.returncode == EXIT_REPORTED:
            return lang.RunResponse(bail=True)
        return lang.RunResponse(error=f"the program ended with exit code {program.returncode}")

    def GetRequiredPlugins(
        self, request: lang.GetRequiredPluginsRequest, context: grpc.ServicerContext
    ) -> lang.GetRequiredPluginsResponse:
        """None ahead of time: the engine loads a plugin when a resource asks for it."""
        return lang.GetRequiredPluginsResponse()

    def GetRequiredPackages(
        self, request: lang.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> lang.GetRequiredPackagesResponse:
        """None ahead of time: the engine loads a plugin when a resource asks for it."""
        return lang.GetRequiredPackagesResponse()

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """The SDK's version, as the official host has it."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def About(
        self, request: lang.AboutRequest, context: grpc.ServicerContext
    ) -> lang.AboutResponse:
        """The interpreter, for `pulumi about`."""
        version = ".".join(map(str, sys.version_info[:3]))
        return lang.AboutResponse(executable=_python(request.info), version=version)

    def GetProgramDependencies(
        self, request: lang.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> lang.GetProgramDependenciesResponse:
        """The distributions installed here, for `pulumi about`."""
        versions = {found.metadata["Name"]: found.version for found in metadata.distributions()}
        return lang.GetProgramDependenciesResponse(
            dependencies=[
                lang.DependencyInfo(name=name, version=versions[name]) for name in sorted(versions)
            ]
        )

    def InstallDependencies(
        self, request: lang.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[lang.InstallDependenciesResponse]:
        """Nothing: the environment that runs this host is the program's, made by the Makefile."""
        text = f"Using the Python environment of {sys.executable}\n"
        yield lang.InstallDependenciesResponse(stdout=text.encode())

    def RuntimeOptionsPrompts(
        self, request: lang.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> lang.RuntimeOptionsResponse:
        """No options to ask for."""
        return lang.RuntimeOptionsResponse()

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """Nothing to do: a running program ends when its call to `Run` is cancelled."""
        return Empty()


def _python(info: lang.ProgramInfo) -> str:
    """The interpreter of the virtualenv that Pulumi.yaml names, else the one that runs this."""
    options = dict(info.options.items()) if info.HasField("options") else {}
    named = options.get("virtualenv")
    python = Path(info.root_directory) / str(named) / "bin" / "python"
    return str(python) if named and python.exists() else sys.executable
