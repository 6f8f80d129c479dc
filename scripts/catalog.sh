#!/bin/sh
# The operators' program, from its folder's code; make setup copies this to .venv/bin/catalog.
self=$0
while [ -L "$self" ]; do
    target=$(readlink "$self")
    case $target in
    /*) self=$target ;;
    *) self=$(dirname "$self")/$target ;;
    esac
done
project=$(cd "$(dirname "$self")/../.." && pwd)
# Without -P, a folder called catalog in the working directory would be run instead.
PYTHONPATH=$project exec "$project/.venv/bin/python" -P -m catalog "$@"
