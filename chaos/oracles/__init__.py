"""Pure checkers over ledgers and member dumps: what clients were told against what the members hold."""
