# Sourced. One at a time: take_turn <folder> <command> waits until the folder can be made, and gives it back at
# exit. What a killed one left behind does not count.
take_turn() {
    local lock=$1 told=""
    until mkdir "$lock" 2>/dev/null; do
        if [ ! -w . ]; then echo "cannot write to $(pwd)" >&2; exit 1; fi
        if ! kill -0 "$(cat "$lock/pid" 2>/dev/null || echo x)" 2>/dev/null; then
            sleep 1
            if ! kill -0 "$(cat "$lock/pid" 2>/dev/null || echo x)" 2>/dev/null; then rm -rf "$lock"; fi
        else
            [ -n "$told" ] || echo "Another $2 is at work here; waiting for it."
            told=yes
            sleep 1
        fi
    done
    echo $$ >"$lock/pid"
    # shellcheck disable=SC2064
    trap "rm -rf '$lock'" EXIT
}
