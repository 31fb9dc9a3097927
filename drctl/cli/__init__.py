"""The command line: one file a command group. Reading commands import nothing that connects to a database."""
