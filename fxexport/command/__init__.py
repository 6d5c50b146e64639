"""The `fxexport` command: options, loading the user's model, subcommands, progress display."""
