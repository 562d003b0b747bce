"""What clusters run, and where it comes from: programs, and the images of pods.

Files are made here, in the cache of `tools`; nothing is started. It may import `tools`,
`lab.instance` and `lab.errors`, and no other room of the lab.
"""
