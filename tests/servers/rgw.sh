#!/usr/bin/env bash
# rgw.sh - throwaway single-node Ceph RADOS Gateway (S3) on loopback.
#
#   rgw.sh start  DIR [PORT]   install if needed, bring up, wait, print env
#   rgw.sh stop   DIR          stop what start started (state in DIR stays)
#   rgw.sh status DIR          exit 0 and print env if the gateway answers
#   rgw.sh admin  DIR ARG...   radosgw-admin on this cluster (users, quotas)
#
# PORT 0, or none: a free one at the first start, the same at later ones.
# Exit 77: it cannot be installed here, so its tests are to be skipped.
#
# One mon + one osd + one radosgw, no mgr, no systemd, no cephx; everything,
# sockets and logs included, is under DIR (rm -rf DIR after stop wipes it).
# A second start on a running DIR is a no-op; on a stopped DIR it restarts
# the same cluster (with the bluestore backend the objects survive).
#
# Environment (all optional):
#   RGW_STORE       bluestore (default) | memstore  (memstore forgets on stop)
#   RGW_SIZE_GIB    store size, sparse file or RAM limit            (8)
#   RGW_MON_PORT    monitor port; OSD ports follow it        (PORT + 1000)
#   RGW_TLS_PORT    also serve https there (0: PORT + 1), with DIR/tls/ca.crt
#                   as its authority                               (off)
#   RGW_STS         1: enable AssumeRole; bad signatures and unknown keys then
#                   get AccessDenied instead of their own error codes  (off)
#   RGW_DNS_NAME    virtual-host suffix, so bucket.NAME works (localhost)
#   RGW_REGION      name the zonegroup so (api_name)            (us-east-1)
#   RGW_ACCESS_KEY / RGW_SECRET_KEY      main user
#   RGW_ACCESS_KEY2 / RGW_SECRET_KEY2    second user, for AccessDenied tests
#   RGW_QUOTA_MIB   quota of the third user, S3_QUOTA_KEY           (24)
#   RGW_THROTTLE    so many requests at once, above: 503 SlowDown (off)
#   RGW_EXTRA_CONF  file whose lines are added to the [client.rgw] section
set -euo pipefail

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
verb=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
conf=$dir/ceph.conf
store=${RGW_STORE:-bluestore}
ak=${RGW_ACCESS_KEY:-testaccesskey0000001}
sk=${RGW_SECRET_KEY:-testsecretkey00000000000000000000000001}
ak2=${RGW_ACCESS_KEY2:-testaccesskey0000002}
sk2=${RGW_SECRET_KEY2:-testsecretkey00000000000000000000000002}
quota_ak=testaccesskeyquota01
reader_ak=testaccesskeyreader1
region=${RGW_REGION:-us-east-1}

. "$(dirname "$0")/daemons.sh"

ready() {
    local code
    code=$(curl -s -o /dev/null -w '%{http_code}' -m 5 \
        "http://127.0.0.1:$1/" 2>/dev/null) || return 1
    [ "$code" = 200 ]
}

wait_for() { # wait_for SECONDS WHAT CMD...
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || die "timed out waiting for $what; see $dir/log"
        sleep 0.2
    done
}

print_env() {
    local port
    port=$(cat "$dir/port")
    cat <<E
S3_ENDPOINT=http://127.0.0.1:$port
S3_VHOST_ENDPOINT=http://${RGW_DNS_NAME:-localhost}:$port
AWS_ACCESS_KEY_ID=$ak
AWS_SECRET_ACCESS_KEY=$sk
AWS_REGION=$region
S3_ACCESS_KEY2=$ak2
S3_SECRET_KEY2=$sk2
S3_QUOTA_KEY=$quota_ak
S3_QUOTA_SECRET=$sk
S3_READER_KEY=$reader_ak
S3_READER_SECRET=$sk
S3_STS_ENDPOINT=http://127.0.0.1:$port
S3_STS_ROLE_ARN=arn:aws:iam:::role/testrole
E
    if [ -s "$dir/tls_port" ]; then
        echo "S3_TLS_ENDPOINT=https://localhost:$(cat "$dir/tls_port")"
        echo "S3_TLS_CA=$dir/tls/ca.crt"
    fi
}

make_tls() { # a CA and a server certificate for localhost
    [ -s "$dir/tls/server.pem" ] && return 0
    mkdir -p "$dir/tls"
    (
        cd "$dir/tls"
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=CA of rgw.sh' \
            -keyout ca.key -out ca.crt
        openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' \
            -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1\n' >ext
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
            -days 30 -extfile ext -out server.crt
        cat server.crt server.key >server.pem
    ) >/dev/null 2>&1
}

write_conf() {
    local port=$1 mon_port=$2 tls=$3 front size sts=false
    [ -z "${RGW_STS:-}" ] || sts=true
    size=$((${RGW_SIZE_GIB:-8} * 1024 * 1024 * 1024))
    front="beast endpoint=127.0.0.1:$port tcp_nodelay=1"
    [ -z "$tls" ] || front+=" ssl_endpoint=127.0.0.1:$tls ssl_certificate=$dir/tls/server.pem"
    cat >"$conf" <<E
[global]
fsid = $(cat "$dir/fsid")
mon_host = v2:127.0.0.1:$mon_port
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = $dir/run
admin_socket = $dir/run/\$name.asok
log_file = $dir/log/\$name.log
pid_file = $dir/run/\$name.own.pid
crash_dir = $dir/crash
keyring = $dir/no-keyring
mon_cluster_log_file = $dir/log/cluster.log
ms_bind_msgr1 = false
ms_bind_port_min = $((mon_port + 1))
ms_bind_port_max = $((mon_port + 50))
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mon_data_avail_warn = 2
# keep the logs small
debug_none = 0/0
debug_ms = 0/0
debug_mon = 0/0
debug_paxos = 0/0
debug_osd = 0/0
debug_bluestore = 0/0
debug_bluefs = 0/0
debug_bdev = 0/0
debug_rocksdb = 0/0
# no reason to batch map changes on one node; halves the start time
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
[mon]
mon_data = $dir/mon
mon_warn_on_pool_no_redundancy = false
[osd]
osd_data = $dir/osd
osd_objectstore = $store
osd_memory_target = 939524096
osd_max_object_name_len = 2048
osd_op_queue = wpq
memstore_device_bytes = $size
bluestore_block_size = $size
bluestore_block_create = true
bluestore_fsck_on_mount = false
bluestore_fsck_on_umount = false
bluestore_block_db_size = 0
bluestore_block_wal_size = 0
# a throwaway store: no device class benchmark, no heartbeat panic on a slow CI
osd_heartbeat_grace = 120
osd_class_update_on_start = false
[client.rgw]
# radosgw insists on "secure", which needs cephx
ms_mon_client_mode = crc
rgw_frontends = $front
rgw_dns_name = ${RGW_DNS_NAME:-localhost}
rgw_data = $dir/rgw
rgw_rados_pool_pg_num_min = 8
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_s3_auth_use_sts = $sts
rgw_sts_key = abcdefghijklmnop
rgw_thread_pool_size = 128
rgw_override_bucket_index_max_shards = 1
rgw_dynamic_resharding = false
# reclaim deleted data quickly: the store is small
rgw_gc_obj_min_wait = 30
rgw_gc_processor_period = 30
rgw_gc_processor_max_time = 30
E
    [ -z "${RGW_THROTTLE:-}" ] || echo "rgw_max_concurrent_requests = $RGW_THROTTLE" >>"$conf"
    [ -z "${RGW_EXTRA_CONF:-}" ] || cat "$RGW_EXTRA_CONF" >>"$conf"
}

mon_up() { timeout 5 ceph -c "$conf" --connect-timeout 3 mon stat; }
osd_up() { timeout 5 ceph -c "$conf" --connect-timeout 3 osd stat | grep -q '1 up'; }
admin() { radosgw-admin -c "$conf" -n client.rgw "$@"; }

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

pick_port() { # one whose neighbours (TLS, monitor, OSD) are free too
    local p
    if [ -s "$dir/port" ]; then
        cat "$dir/port"
        return
    fi
    for _ in $(seq 50); do
        p=$((20000 + RANDOM % 10000))
        if port_is_free "$p" && port_is_free $((p + 1)) && port_is_free $((p + 1000)) &&
            port_is_free $((p + 1001)); then
            echo "$p"
            return
        fi
    done
    die "no free port"
}

start() {
    local port=$1 mon_port tls=${RGW_TLS_PORT:-} fresh='' pool
    [ "$port" != 0 ] || port=$(pick_port)
    [ "$tls" != 0 ] || tls=$((port + 1))
    if alive rgw && ready "$(cat "$dir/port")"; then
        log "already running"
        print_env
        return
    fi
    install_packages "radosgw ceph-mon ceph-osd radosgw-admin curl openssl" \
        radosgw ceph-mon ceph-osd curl openssl # about 70 MB
    mon_port=${RGW_MON_PORT:-$((port + 1000))}
    mkdir -p "$dir"/{run,log,mon,osd,rgw,crash}
    ulimit -n 65536 2>/dev/null || true
    [ "$store" = memstore ] && ! alive osd && rm -rf "$dir/mon" "$dir/osd" "$dir/initialised" &&
        mkdir -p "$dir/mon" "$dir/osd"
    [ -s "$dir/fsid" ] || cat /proc/sys/kernel/random/uuid >"$dir/fsid"
    echo "$port" >"$dir/port"
    printf %s "$tls" >"$dir/tls_port"
    [ -z "$tls" ] || make_tls
    write_conf "$port" "$mon_port" "$tls"

    if [ ! -e "$dir/initialised" ]; then
        fresh=1
        rm -rf "$dir/mon" "$dir/osd"
        mkdir -p "$dir/mon" "$dir/osd"
        monmaptool --create --clobber --fsid "$(cat "$dir/fsid")" \
            --addv a "[v2:127.0.0.1:$mon_port]" "$dir/monmap" >/dev/null
        ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" >"$dir/log/mkfs.out" 2>&1
    fi
    alive mon || spawn mon ceph-mon -f -c "$conf" -i a
    wait_for 60 "the monitor" mon_up
    if [ -n "$fresh" ]; then
        local uuid
        uuid=$(cat /proc/sys/kernel/random/uuid)
        ceph -c "$conf" osd new "$uuid" 0 >/dev/null
        ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$uuid" >>"$dir/log/mkfs.out" 2>&1
    fi
    alive osd || spawn osd ceph-osd -f -c "$conf" -i 0
    wait_for 60 "the osd" osd_up
    if [ -n "$fresh" ]; then
        {
            # the users; the first command also makes the default zone's pools
            admin user create --uid=tester --display-name=Tester \
                --access-key="$ak" --secret-key="$sk" \
                --caps='roles=*;user-policy=*'
            admin user create --uid=other --display-name=Other \
                --access-key="$ak2" --secret-key="$sk2"
            admin user create --uid=quota --display-name=Quota \
                --access-key="$quota_ak" --secret-key="$sk"
            admin quota set --quota-scope=user --uid=quota --max-size="$((${RGW_QUOTA_MIB:-24} << 20))"
            admin quota enable --quota-scope=user --uid=quota
            # may list and read what policies let him, never write
            admin user create --uid=reader --display-name=Reader --op-mask=read \
                --access-key="$reader_ak" --secret-key="$sk"
            # a role that the first user may assume (STS AssumeRole)
            admin role create --role-name=testrole \
                --assume-role-policy-doc='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/tester"]},"Action":["sts:AssumeRole"]}]}'
            admin role-policy put --role-name=testrole --policy-name=all \
                --policy-doc='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"arn:aws:s3:::*"}]}'
            # the region that GetBucketLocation and LocationConstraint know
            admin zonegroup get | sed "s/\"api_name\": \"[^\"]*\"/\"api_name\": \"$region\"/" \
                >"$dir/zonegroup.json"
            admin zonegroup set --infile "$dir/zonegroup.json"
        } >"$dir/log/user.out" 2>&1
        # the pools of bucket indexes and data, or the first requests wait for them
        for pool in index data non-ec; do
            ceph -c "$conf" osd pool create "default.rgw.buckets.$pool" 8 >/dev/null 2>&1
            ceph -c "$conf" osd pool application enable "default.rgw.buckets.$pool" rgw >/dev/null 2>&1
        done
        touch "$dir/initialised"
    fi
    alive rgw || spawn rgw radosgw -f -c "$conf" -n client.rgw
    wait_for 90 "the gateway" ready "$port"
    print_env
}

case $verb in
start) start "${3:-0}" ;;
stop) stop_daemons rgw osd mon ;;
admin)
    shift 2
    admin "$@"
    ;;
status)
    print_pids mon osd rgw
    alive rgw && ready "$(cat "$dir/port")" && print_env
    ;;
*) usage ;;
esac
