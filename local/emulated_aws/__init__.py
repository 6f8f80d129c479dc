"""The parts of AWS that `make local` runs on: an account, functions and the event source mapping."""
