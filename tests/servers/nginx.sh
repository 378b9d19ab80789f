#!/usr/bin/env bash
# nginx.sh - a throwaway nginx on loopback that gives out the files of DIR/www.
#
#   nginx.sh start  DIR [PORT]   install if needed, bring up, wait, print env
#   nginx.sh stop   DIR          stop what start started (state in DIR stays)
#   nginx.sh status DIR          exit 0 and print env if it answers
#
# PORT 0, or none: a free one at the first start, the same at later ones; https is on PORT + 1.
# Exit 77: it cannot be installed here, so its tests are to be skipped.
#
# Below each of these lie the same files:
#   /           with Range               /norange/   without
#   /slow/      1 MiB a second           /bare/      without Range, ETag and Last-Modified
#   /private/   user "reader", password "se:cr@t"
#   /moved/     redirects to /           /circle/    redirects to itself
#   /away/      redirects to ftp://      /broken/    answers 503
# DIR/access.log has a line for each request: status, bytes of the body, "-" or the range, the URI.
set -euo pipefail

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
verb=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
export PATH=$PATH:/usr/sbin

free_port() {
    python3 -c 'import socket
while True:
    a, b = socket.socket(), socket.socket()
    a.bind(("127.0.0.1", 0))
    try:
        b.bind(("127.0.0.1", a.getsockname()[1] + 1))
        print(a.getsockname()[1])
        break
    except OSError:
        pass'
}

print_env() {
    echo "NGINX_URL=http://127.0.0.1:$port"
    echo "NGINX_TLS_URL=https://localhost:$((port + 1))"
    echo "NGINX_CA=$dir/tls/ca.crt"
}

answers() { curl -sf -o /dev/null "http://127.0.0.1:$port/alive"; }

make_certificate() {
    [ -e "$dir/tls/ca.crt" ] && return
    mkdir -p "$dir/tls"
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=nginx test CA" \
        -keyout "$dir/tls/ca.key" -out "$dir/tls/ca.crt" 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$dir/tls/server.key" \
        -out "$dir/tls/server.csr" 2>/dev/null
    openssl x509 -req -in "$dir/tls/server.csr" -CA "$dir/tls/ca.crt" -CAkey "$dir/tls/ca.key" -CAcreateserial \
        -days 30 -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$dir/tls/server.crt" 2>/dev/null
}

write_conf() {
    local user=
    [ "$(id -u)" != 0 ] || user="user root;"
    cat >"$dir/nginx.conf" <<CONF
$user
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/error.log warn;
events { worker_connections 512; }
http {
    log_format counted '\$status \$body_bytes_sent \$http_range \$request_uri';
    access_log $dir/access.log counted;
    default_type application/octet-stream;
    types { text/html html; }
    client_body_temp_path $dir/tmp; proxy_temp_path $dir/tmp; fastcgi_temp_path $dir/tmp;
    uwsgi_temp_path $dir/tmp; scgi_temp_path $dir/tmp;
    send_timeout 5s;
    server {
        listen 127.0.0.1:$port sndbuf=64k;
        listen 127.0.0.1:$((port + 1)) ssl;
        ssl_certificate $dir/tls/server.crt;
        ssl_certificate_key $dir/tls/server.key;
        root $dir/www;
        location = /alive { access_log off; return 204; }
        location /norange/ { alias $dir/www/; max_ranges 0; }
        location /slow/ { alias $dir/www/; limit_rate 1m; }
        location /bare/ { alias $dir/www/; max_ranges 0; etag off; add_header Last-Modified ""; }
        location /private/ { alias $dir/www/; auth_basic "files"; auth_basic_user_file $dir/users; }
        location /moved/ { rewrite ^/moved/(.*) /\$1 redirect; }
        location /circle/ { return 302 \$request_uri; }
        location /away/ { return 302 ftp://127.0.0.1/file; }
        location /broken/ { return 503; }
    }
}
CONF
}

start() {
    command -v nginx >/dev/null || apt-get install -y nginx-light >/dev/null 2>&1 || true
    command -v nginx >/dev/null || { echo "nginx cannot be installed here" >&2; exit 77; }
    mkdir -p "$dir/www" "$dir/tmp"
    port=${1:-0}
    [ "$port" != 0 ] || port=$(cat "$dir/port" 2>/dev/null || free_port)
    echo "$port" >"$dir/port"
    answers && { print_env; return; }
    make_certificate
    echo "reader:$(openssl passwd -apr1 'se:cr@t')" >"$dir/users"
    write_conf
    nginx -c "$dir/nginx.conf" -p "$dir" 2>>"$dir/error.log"
    for _ in $(seq 100); do
        answers && { print_env; return; }
        sleep 0.05
    done
    echo "nginx does not answer; see $dir/error.log" >&2
    exit 1
}

stop() {
    local pid
    pid=$(cat "$dir/nginx.pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.05
    done
}

case $verb in
start) start "${3:-0}" ;;
stop) stop ;;
status) port=$(cat "$dir/port" 2>/dev/null) && answers && print_env ;;
*) usage ;;
esac
