#!/bin/bash
# TLS as the README sets it up, with its own lines: stunnel beside the candidate, the secure port of
# the server. Each shows the other a certificate; stunnel checks the host name. (make soak runs it.)
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
readme=$here/../README.md
T2=(--zookeeper-session-timeout=2s)

authority() { # NAME
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/$1.key" -subj "/CN=$1" -days 2 -out "$T/$1.crt" 2>/dev/null
}
certificate() { # NAME CA HOST: key and certificate of HOST, signed by CA
    openssl req -newkey rsa:2048 -nodes -keyout "$T/$1.key" -subj "/CN=$3" -out "$T/$1.csr" 2>/dev/null
    openssl x509 -req -in "$T/$1.csr" -CA "$T/$2.crt" -CAkey "$T/$2.key" -CAcreateserial -days 2 \
        -extfile <(echo "subjectAltName=DNS:$3") -out "$T/$1.crt" 2>/dev/null
    cat "$T/$1.key" "$T/$1.crt" >"$T/$1.pem"
}
authority ca
authority others
certificate server ca zk1.example.com
certificate host ca host1.example.com
certificate stranger others host1.example.com
certified() { openssl verify -CAfile "$T/ca.crt" "$T/server.crt" "$T/host.crt" >"$T/verified" 2>&1; }
check "there are certificates" certified

secure_start() { # a server with the README's lines
    local lines
    PORT[zk]=$(port_choose) PORT[secure]=$(port_choose)
    mapfile -t lines < <(grep -E '^(secureClientPort|serverCnxnFactory|ssl\.)' "$readme" |
        sed "s|=2281|=${PORT[secure]}|; s|/etc/ssl/zookeeper|$T|")
    zk_config zk secureClientPortAddress=127.0.0.1 "${lines[@]}"
    ZK_JARS=/usr/share/java/netty-codec.jar:/usr/share/java/netty-resolver.jar zk_launch zk
    within 20 zk_mine zk
}
tunnel() { # NAME [SED-COMMAND]: with the README's first service, changed
    PORT[$1]=${PORT[$1]:-$(port_choose)}
    {
        printf '%s\n' 'foreground = yes' 'pid ='
        sed -n '/^client = yes$/,/^$/p; /^\[zk1\]/,/^$/p' "$readme" | sed "s|127.0.0.1:2181|127.0.0.1:${PORT[$1]}|
            s|zk1.example.com:2281|127.0.0.1:${PORT[secure]}|; s|/etc/ssl/zookeeper|$T|; ${2:-}"
    } >"$T/$1.conf"
    stunnel "$T/$1.conf" >"$T/$1.tunnel" 2>&1 &
    PID[$1.tunnel]=$!
    within 5 not port_free "${PORT[$1]}"
}
cut_tunnel() { # NAME
    kill -KILL "${PID[$1.tunnel]}"
    wait "${PID[$1.tunnel]}" 2>/dev/null
    within 5 port_free "${PORT[$1]}"
}
refused() { # TUNNEL WHY: no command runs behind it; its log says WHY
    SERVER=$1 candidate "$1" "${T2[@]}" -- "$JOB" "$JOBS" -1
    check "the tunnel says why" within 10 grep -qE -- "$2" "$T/$1.tunnel"
    check "... and ballot that it has no contact" within 10 logged "$1" 'cannot connect to ZooKeeper at'
    refuse "... its command does not run" started_least 1
    stop "$1"
    cut_tunnel "$1"
}

describe "With the right certificates a candidate leads through the tunnel"
check "a server with a secure port" secure_start
tunnel right
SERVER=right candidate a "${T2[@]}" --on-disconnect=stop -- "$JOB" "$JOBS" -1
check "its command runs" within 10 started_least 1
check "... the tunnel has seen the server's certificate" \
    grep -q 'accepted at depth=0: CN=zk1.example.com' "$T/right.tunnel"
SERVER=right check "... info goes the same way" leader_is a

goes_on "A tunnel that dies is an outage: the command ends within the lease, and runs again once the tunnel is back"
command=$(last_pid)
cut_tunnel right
at=$(now)
check "the command ends" within 5 dead "$command"
below $((($(now) - at) / 1000000)) 2000 "... before another could lead"
tunnel right
check "... and runs again" within 10 started_least 2
is "$(overlaps)" 0 "... never two at once"
check "... with a larger fencing token" tokens_grow
stop a

describe "A tunnel that is back at once costs nothing"
SERVER=right candidate b --zookeeper-session-timeout=10s -- "$JOB" "$JOBS" -1
check "a leader" within 10 started_least 1
proposal=$(zk ls "$BASE")
cut_tunnel right
tunnel right
check "it is back in contact" within 8 logged b 'connected to ZooKeeper.*, after'
is "$(started) $(zk ls "$BASE")" "1 $proposal" "... its command was not touched, its session is the same"
stop b
cut_tunnel right

describe "A server that shows another host's certificate is refused"
tunnel name 's/checkHost = .*/checkHost = zk2.example.com/'
refused name 'CERT: .*match|certificate verify failed'

describe "A server with a certificate of another CA is refused"
tunnel ca 's/ca.crt/others.crt/'
refused ca 'certificate verify failed'

describe "A candidate with a certificate of another CA is refused by the server"
tunnel client 's/host.pem/stranger.pem/'
refused client 'alert|reset|eof'

describe "What comes without a tunnel is not let in at the secure port"
SERVER=secure candidate plain "${T2[@]}" -- "$JOB" "$JOBS" -1
check "ballot has no contact" within 10 logged plain 'cannot connect to ZooKeeper at'
refuse "... its command does not run" started_least 1
stop plain
