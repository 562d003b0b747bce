"""The component resources that the program is made of. They read no config, environment or file.

Rooms by subject: `cluster`, `link`, `dns`, `trust`, `samples`, and `specs` with the pure functions
that say what the Istio objects of both ends of a link look like. What all of them share lies here.
Nothing here may use `config`, `stack` or `ops`.

Each component is imported from its own module: the plugin of the dynamic resources imports this
package too, and needs none of them.
"""

from pathlib import Path

# A dynamic resource's provider is kept in the state as the path of its class. States made before
# there were rooms have `components.cluster_dns` and the like; those paths are found there.
__path__.append(str(Path(__file__).with_name("moved")))
