"""One module for each subcommand of `breakwater`; see `breakwater.cli`."""
