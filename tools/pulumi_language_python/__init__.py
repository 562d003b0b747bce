"""A Pulumi language host for Python programs, for a Pulumi that comes without the official one."""
