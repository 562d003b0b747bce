"""The component resources that the program is made of. They read no config, environment or file.

Each is imported from its own module: the plugin of the dynamic resources imports this package too,
and needs none of them.
"""
