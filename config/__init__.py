"""The stack file: text to checked data.

Each module reads one key or subject; `stack_file` puts them together and reports every mistake at
once, `project` reads the files of a stack from disk. Here are no resources and nothing of Pulumi;
of `components` only names, the model, the protocols and pure checks may be used.
"""
