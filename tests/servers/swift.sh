#!/usr/bin/env bash
# swift.sh - throwaway one-machine OpenStack Swift with its S3 API, on loopback.
#
#   swift.sh start  DIR [PORT]   install if needed, bring up, wait, print env
#   swift.sh stop   DIR          stop what start started (state in DIR stays)
#   swift.sh status DIR          exit 0 and print env if it answers
#
# One proxy, one account, one container and one object server and a memcached,
# one replica, no background daemons, no systemd. Everything is under DIR,
# which must be on a filesystem with user xattrs (ext4, xfs, btrfs, recent
# tmpfs). The servers take PORT and the four ports after it.
#
# Environment (all optional):
#   SWIFT_WORKERS   processes per server (1)
#   SWIFT_S3_ACL    true: keep S3 ACLs and owners per object (false)
#   SWIFT_DNS_NAME  virtual-host suffix, so bucket.NAME works (localhost)
#
# Exit 77: it cannot be installed here, so its tests are to be skipped.
# The access key of a tempauth user is "ACCOUNT:USER", so it has a colon.
set -euo pipefail

usage() { sed -n '4,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
verb=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
ak=test:tester
sk=testsecretkey00000000000000000000000001
ak2=test2:other
sk2=testsecretkey00000000000000000000000002

. "$(dirname "$0")/daemons.sh"

ready() {
    [ "$(curl -s -m 5 "http://127.0.0.1:$1/healthcheck" 2>/dev/null)" = OK ]
}

print_env() {
    local port
    port=$(cat "$dir/port")
    cat <<E
S3_ENDPOINT=http://127.0.0.1:$port
S3_VHOST_ENDPOINT=http://${SWIFT_DNS_NAME:-localhost}:$port
AWS_ACCESS_KEY_ID=$ak
AWS_SECRET_ACCESS_KEY=$sk
AWS_REGION=us-east-1
S3_ACCESS_KEY2=$ak2
S3_SECRET_KEY2=$sk2
E
}

write_conf() { # write_conf PORT
    local port=$1 user name i workers=${SWIFT_WORKERS:-1}
    user=$(id -un)
    cat >"$dir/swift.conf" <<E
[swift-hash]
swift_hash_path_prefix = test
swift_hash_path_suffix = test
[storage-policy:0]
name = default
default = yes
[swift-constraints]
max_header_size = 16384
E
    cat >"$dir/proxy-server.conf" <<E
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $port
workers = $workers
user = $user
swift_dir = $dir
log_level = INFO
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck proxy-logging cache bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 60
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$((port + 4))
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
storage_domain = ${SWIFT_DNS_NAME:-localhost}
s3_acl = ${SWIFT_S3_ACL:-false}
max_upload_part_num = 10000
min_segment_size = 5242880
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = $sk .admin
user_test2_other = $sk2 .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
max_manifest_size = 8388608
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
E
    i=0
    for name in account container object; do
        i=$((i + 1))
        cat >"$dir/$name-server.conf" <<E
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $((port + i))
workers = $workers
user = $user
swift_dir = $dir
devices = $dir/srv
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = WARNING
[pipeline:main]
pipeline = $name-server
[app:$name-server]
use = egg:swift#$name
E
        if [ ! -s "$dir/$name.ring.gz" ]; then
            swift-ring-builder "$dir/$name.builder" create 4 1 1 >/dev/null
            swift-ring-builder "$dir/$name.builder" add "r1z1-127.0.0.1:$((port + i))/d1" 1 >/dev/null
            swift-ring-builder "$dir/$name.builder" rebalance >/dev/null
        fi
    done
}

start() {
    local port=$1 name end
    if alive proxy && ready "$(cat "$dir/port")"; then
        log "already running"
        print_env
        return
    fi
    if [ -s "$dir/port" ] && [ "$(cat "$dir/port")" != "$port" ]; then
        rm -f "$dir"/*.ring.gz "$dir"/*.builder # the rings hold the ports
    fi
    install_packages "swift-proxy-server swift-object-server swift-container-server \
        swift-account-server memcached curl" \
        swift-proxy swift-account swift-container swift-object memcached curl
    mkdir -p "$dir"/{log,srv/d1}
    echo "$port" >"$dir/port"
    write_conf "$port"
    # "-v" sends the log to the standard output instead of syslog.
    alive memcached || spawn memcached memcached -l 127.0.0.1 -p $((port + 4)) -m 64 \
        -u "$(id -un)" -P "$dir/memcached.own.pid"
    for name in account container object; do
        alive "$name" || spawn "$name" "swift-$name-server" "$dir/$name-server.conf" -v
    done
    alive proxy || spawn proxy swift-proxy-server "$dir/proxy-server.conf" -v
    end=$((SECONDS + 60))
    until ready "$port"; do
        if [ "$SECONDS" -ge "$end" ] || ! alive proxy; then die "not ready, see $dir/log"; fi
        sleep 0.2
    done
    print_env
}

case $verb in
start) start "${3:-8300}" ;;
stop) stop_daemons proxy object container account memcached ;;
status)
    print_pids memcached account container object proxy
    alive proxy && ready "$(cat "$dir/port")" && print_env
    ;;
*) usage ;;
esac
