"""The component resources that the program is made of. They read no config, environment or file.

Rooms by subject: `cluster`, `link`, `dns`, `trust`, `samples`, and `specs` with the pure functions
that say what the Istio objects of both ends of a link look like. What all of them share lies here.
Nothing here may use `config`, `stack` or `ops`.

Each component is imported from its own module: the plugin of the dynamic resources imports this
package too, and needs none of them.
"""

from pathlib import Path

# States made before components/dynamic.py was there have the path of a class for each kind, such as
# `components.cluster_dns.ClusterDnsProvider`, and keep it as long as nothing of the resource
# changes: no date and no refresh ends that. Those seven modules are found in `moved`. They may go
# once a release has made every such resource update (in `Kind.diff`), with the release after it.
__path__.append(str(Path(__file__).with_name("moved")))
