#!/bin/sh
# What the tests need beside Python: Mosquitto (each test starts its own; a system service is never used), libfaketime (a
# host whose UTC jumps) and libfiu (a disk that refuses). Installs what is missing where that is allowed (a container,
# CI), and says what to do where it is not.
PATH="$PATH:/usr/sbin:/usr/local/sbin"

missing() {
    command -v mosquitto >/dev/null || echo mosquitto
    [ -n "$(find /usr/lib /usr/lib64 -name libfaketime.so.1 2>/dev/null)" ] || echo libfaketime
    command -v fiu-run >/dev/null || echo fiu-utils
}

packages=$(missing)
[ -z "$packages" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing for the tests, once:" $packages >&2
    export DEBIAN_FRONTEND=noninteractive
    { apt-get install -y -q --no-install-recommends $packages || { apt-get update -q && apt-get install -y -q --no-install-recommends $packages; }; } >&2
    packages=$(missing)
    [ -z "$packages" ] && exit 0
fi
echo "The tests need, and do not find:" $packages >&2
echo "Debian and Ubuntu: sudo apt install" $packages "(Mosquitto need not run)" >&2
exit 1
