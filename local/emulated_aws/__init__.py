"""The parts of AWS that `make local` runs on: account, Lambda service, event source mapping."""
