"""The user's source: its lines, frames of the stack on them, owners of files, exceptions."""
