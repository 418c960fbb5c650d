#!/bin/sh
# The tests of publishing run against a real Mosquitto, each its own on a free port; a system service is never used.
# Installs it where that is missing and allowed (a container, CI), and says what to do where it is not.
PATH="$PATH:/usr/sbin:/usr/local/sbin"
command -v mosquitto >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Mosquitto for the tests, once" >&2
    export DEBIAN_FRONTEND=noninteractive
    { apt-get install -y -q --no-install-recommends mosquitto || { apt-get update -q && apt-get install -y -q --no-install-recommends mosquitto; }; } >&2
    command -v mosquitto >/dev/null && exit 0
fi
echo "The tests need Mosquitto, an MQTT broker. Debian and Ubuntu: sudo apt install mosquitto; it need not run." >&2
exit 1
