# Sourced. acquire_lock <folder> <command> waits until it can create the folder, and removes it at exit. A lock
# whose process has been killed is taken over.
acquire_lock() {
    local lock=$1 announced=""
    until mkdir "$lock" 2>/dev/null; do
        if [ ! -w . ]; then echo "cannot write to $(pwd)" >&2; exit 1; fi
        if ! kill -0 "$(cat "$lock/pid" 2>/dev/null || echo x)" 2>/dev/null; then
            sleep 1
            if ! kill -0 "$(cat "$lock/pid" 2>/dev/null || echo x)" 2>/dev/null; then rm -rf "$lock"; fi
        else
            [ -n "$announced" ] || echo "Another $2 is running here; waiting for it."
            announced=yes
            sleep 1
        fi
    done
    echo $$ >"$lock/pid"
    # shellcheck disable=SC2064
    trap "rm -rf '$lock'" EXIT
}
