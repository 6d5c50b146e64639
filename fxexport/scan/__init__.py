"""The control flow of models read from their source alone: nothing is imported, nothing runs.

`project.scan` goes over files; `index` knows their classes and functions, `walker` follows what
`forward` does, and `kinds` says what each condition hangs on.
"""
