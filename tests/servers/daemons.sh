# Sourced by the scripts that bring up servers of their own: daemons without systemd, all
# of whose files are below $dir, which the script sets; a NAME.pid there for each.

die() { echo "${0##*/}: $*" >&2; exit 1; }
skip() { echo "${0##*/}: cannot run here: $*" >&2; exit 77; }
log() { echo "${0##*/}: $*" >&2; }

alive() { # alive NAME: is the process of NAME.pid running (and still ours)?
    local pid
    pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] &&
        tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$dir/"
}

spawn() { # spawn NAME CMD...: detach, remember the pid
    local name=$1
    shift
    setsid "$@" >>"$dir/log/$name.out" 2>&1 </dev/null &
    echo $! >"$dir/$name.pid"
}

stop_daemons() { # stop_daemons NAME...: one after the other; ten seconds for each, then it is killed
    local name pid i
    for name; do
        if alive "$name"; then
            pid=$(cat "$dir/$name.pid")
            kill "$pid" 2>/dev/null || true
            for i in $(seq 100); do
                [ "$i" -lt 100 ] || kill -9 "$pid" 2>/dev/null || true
                kill -0 "$pid" 2>/dev/null || break
                sleep 0.1
            done
        fi
        rm -f "$dir/$name.pid"
    done
}

print_pids() { # print_pids NAME...
    local name
    for name; do
        if alive "$name"; then echo "# $name pid $(cat "$dir/$name.pid")"; else echo "# $name down"; fi
    done
}

install_packages() { # install_packages "COMMAND..." PACKAGE...: where a command is missing
    local command missing=''
    for command in $1; do
        command -v "$command" >/dev/null || missing+=" $command"
    done
    shift
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] || skip "there is no$missing; run once as root, which installs $*"
    command -v apt-get >/dev/null || skip "there is no apt-get"
    log "installing $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >"$dir/apt.log" 2>&1 || true
    # Where a systemd or init is present, keep apt from starting daemons.
    RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" \
        >>"$dir/apt.log" 2>&1 || skip "apt-get failed, see $dir/apt.log"
}
