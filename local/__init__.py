"""The whole pipeline on one machine: `demo` is `make local`, `deploy` is `make deploy-local`.

Both use `emulated_aws` (the event source mapping, functions, an account) and `servers` (PostgreSQL, Valkey,
emulators of AWS).
"""
