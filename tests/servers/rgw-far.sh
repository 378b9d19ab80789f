#!/usr/bin/env bash
# rgw-far.sh - the RADOS Gateway of rgw.sh in a network namespace of its own.
#
#   rgw-far.sh start DIR    as rgw.sh start, and NETNS=the namespace
#   rgw-far.sh stop  DIR
#
# Nothing leads to it: whoever wants to talk to it makes a link (link.py).  Exit 77: it cannot run
# here, so its tests are to be skipped.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '4,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
verb=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
rgw=$(cd "$(dirname "$0")" && pwd)/rgw.sh
# A namespace's name must be the only one on this machine; the folder's inode is.
netns=grid-far-$(stat -c %i "$dir")

skip() { echo "rgw-far.sh: cannot run here: $*" >&2; exit 77; }

case $verb in
start)
    command -v ip >/dev/null || skip "there is no iproute2"
    if [ ! -e "/run/netns/$netns" ]; then
        ip netns add "$netns" 2>/dev/null || skip "no network namespace can be made"
        ip -n "$netns" link set lo up
    fi
    ip netns exec "$netns" "$rgw" start "$dir"
    echo "NETNS=$netns"
    ;;
stop)
    "$rgw" stop "$dir"
    ip netns del "$netns"
    ;;
*) sed -n '4,5s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
